//! Values of options, parsed once into what they mean.

use node::amounts;
use node::api::{FetchRule, ItemPriority, KeepRule};
use node::{PeerAddr, Route};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    At(SocketAddr),
    /// At a name of this computer.
    Name(String, u16),
    Nowhere,
}

/// Where a passphrase is read from. The passphrase itself is refused, for it would stand in the process list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PassFrom {
    Stdin,
    File(PathBuf),
}

/// A host's name and its port. A name cannot have port 0, unless it is to listen at.
fn split_host_port(text: &str, least: u16) -> Result<(&str, u16), String> {
    let (host, port) = text.rsplit_once(':').ok_or("write HOST:PORT")?;
    let port = port.parse().ok().filter(|port| *port >= least);
    let port = port.ok_or_else(|| format!("the port is a number from {least} to 65535"))?;
    let host_fits = !host.is_empty()
        && host.len() <= 253
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    if host_fits { Ok((host, port)) } else { Err("the host is a name or an address; IPv6 in brackets".into()) }
}

pub(super) fn host_port(text: &str) -> Result<String, String> {
    match text.parse::<SocketAddr>() {
        Ok(addr) if addr.port() != 0 => Ok(addr.to_string()),
        _ => split_host_port(text, 1).map(|(host, port)| format!("{host}:{port}")),
    }
}

pub(super) fn peer(text: &str) -> Result<PeerAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(addr) if addr.port() != 0 => return Ok(PeerAddr::Ip(addr)),
        _ => {}
    }
    let (host, port) = split_host_port(text, 1)?;
    if host.to_ascii_lowercase().ends_with(".onion") {
        return text.parse().map_err(|error| format!("{error}"));
    }
    Ok(PeerAddr::Name(host.to_owned(), port))
}

/// The text is not repeated in the answer: it may hold a password.
pub(super) fn route(text: &str) -> Result<Route, String> {
    text.parse().map_err(|error| format!("{error}"))
}

pub(super) fn proxy(text: &str) -> Result<Route, String> {
    match route(text)? {
        proxy @ Route::Socks5(_) => Ok(proxy),
        _ => Err("a proxy is written socks5://IP:PORT or socks5://USER:PASSWORD@IP:PORT".into()),
    }
}

pub(super) fn listen(text: &str) -> Result<Listen, String> {
    if text == "none" {
        return Ok(Listen::Nowhere);
    }
    if let Ok(addr) = text.parse() {
        return Ok(Listen::At(addr));
    }
    let (host, port) = split_host_port(text, 0)
        .map_err(|_| "write HOST:PORT, such as 0.0.0.0:4170, [::]:4170 or localhost:0, or none".to_owned())?;
    Ok(match is_this_computer(host) {
        true => Listen::At(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        false => Listen::Name(host.to_owned(), port),
    })
}

/// The name that means this computer everywhere: nobody is asked for its address.
fn is_this_computer(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
}

/// Nothing is looked up here: the route may hide us, and the web interface is for this computer alone.
pub(super) fn web(text: &str) -> Result<SocketAddr, String> {
    if let Ok(addr) = text.parse() {
        return Ok(addr);
    }
    match split_host_port(text, 0)? {
        (host, port) if is_this_computer(host) => Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        _ => Err("the web interface is for this computer only: write localhost:PORT or 127.0.0.1:PORT".into()),
    }
}

pub(super) fn pass_from(text: &str) -> Result<PassFrom, String> {
    match text {
        "-" => Ok(PassFrom::Stdin),
        path if Path::new(path).is_absolute() => Ok(PassFrom::File(path.into())),
        _ => Err(
            "a passphrase on the command line stands in the process list; \"-\" reads it from stdin, and the whole \
                  path of a file from that file"
                .into(),
        ),
    }
}

pub(super) fn keep(text: &str) -> Result<KeepRule, String> {
    let wrong = || "write all, newest:N, a number of days such as 30d, or a size such as 50G".to_owned();
    if text == "all" {
        return Ok(KeepRule::All);
    }
    if let Some(number) = text.strip_prefix("newest:") {
        return number.parse().map(KeepRule::Newest).map_err(|_| wrong());
    }
    if let Some(days) = text.strip_suffix('d') {
        return days.parse().map(KeepRule::Days).map_err(|_| wrong());
    }
    amounts::bytes(text).filter(|bytes| *bytes > 0).map(KeepRule::Bytes).ok_or_else(wrong)
}

pub(super) fn priority(text: &str) -> Result<ItemPriority, String> {
    match text {
        "low" => Ok(ItemPriority::Low),
        "normal" => Ok(ItemPriority::Normal),
        "high" => Ok(ItemPriority::High),
        _ => Err("write low, normal or high".into()),
    }
}

pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" | "yes" | "true" => Ok(true),
        "off" | "no" | "false" => Ok(false),
        _ => Err("write on or off".into()),
    }
}

pub(super) fn time(text: &str) -> Result<std::time::Duration, String> {
    amounts::time(text).filter(|time| !time.is_zero()).ok_or_else(|| "write a time such as 30m, 1h or 2d".into())
}

pub(super) fn fetch(text: &str) -> Result<FetchRule, String> {
    match text {
        "all" => Ok(FetchRule::All),
        "none" => Ok(FetchRule::None),
        number => match number.parse() {
            Ok(0) => Ok(FetchRule::None),
            Ok(newest) => Ok(FetchRule::Newest(newest)),
            Err(_) => Err("write all, none, or how many of the newest".into()),
        },
    }
}
