//! §5 Tor, E9 — which way traffic leaves the house, and how that way is doing.
//!
//! Owns: the words for a route, its secrets, its state. Promises: a login is never written to a log, an error or a debug
//! text; a proxy is named by its IP address, so that finding it asks nobody.

use crate::socks::SocksError;
use crate::tor::{ControlAddr, Password, TorAt, TorChoice, TorConfig};
use protocol::PeerAddr;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use zeroize::Zeroizing;

/// Longest user name and longest password of a SOCKS login, in bytes (RFC 1929).
pub const LOGIN_MAX: usize = 255;

/// Which way traffic leaves. Only [`Route::Direct`] and [`Route::Both`] have a listener on an address of this machine and
/// may have a DHT: the others hold nothing that could be led past them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Route {
    /// Straight: TCP in and out, the DHT by UDP.
    Direct {
        /// Where to listen; port 0 picks one; `None`: no inbound.
        listen: Option<SocketAddr>,
    },
    /// Out through a SOCKS5 proxy; nobody can dial us.
    Socks5(Proxy),
    /// Out through Tor, in by onion services.
    Tor(TorConfig),
    /// Straight, and beside it through Tor to and from onion services alone.
    Both {
        /// As on the direct route.
        listen: Option<SocketAddr>,
        /// The way to onion services.
        tor: TorConfig,
    },
}

/// A SOCKS5 proxy. Written `socks5://[user:password@]host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Where it listens.
    pub addr: SocketAddr,
    /// What it wants to hear.
    pub login: Option<Login>,
}

/// A user name and a password, text of 1 to [`LOGIN_MAX`] bytes each.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    user: Zeroizing<String>,
    password: Zeroizing<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(..)")
    }
}

/// Why text names no proxy. Never repeats the text: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Another scheme, or none of the right shape.
    #[error("a proxy is written socks5://host:port or socks5://user:password@host:port")]
    Shape,
    /// A host name: looking it up would go past the proxy.
    #[error("the proxy must be named by its IP address: looking up its name would leave by another way")]
    Name,
    /// No port from 1 to 65535.
    #[error("the proxy's port is not a number from 1 to 65535")]
    Port,
    /// Empty, too long, or no text.
    #[error("the proxy's user name and password must be text of 1 to 255 bytes each")]
    Login,
}

impl Login {
    /// Takes 1 to [`LOGIN_MAX`] bytes each.
    ///
    /// # Errors
    /// [`ProxyError::Login`] for other lengths.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Result<Self, ProxyError> {
        let (user, password) = (Zeroizing::new(user.into()), Zeroizing::new(password.into()));
        let fits = |part: &str| (1..=LOGIN_MAX).contains(&part.len());
        if fits(&user) && fits(&password) { Ok(Self { user, password }) } else { Err(ProxyError::Login) }
    }
    pub(crate) fn user(&self) -> &str {
        &self.user
    }
    pub(crate) fn password(&self) -> &str {
        &self.password
    }
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let rest = match text.split_once("://") {
            None => text,
            Some((scheme, rest)) if ["socks5", "socks5h"].iter().any(|s| scheme.eq_ignore_ascii_case(s)) => rest,
            Some(_) => return Err(ProxyError::Shape),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (login, host) = match rest.rsplit_once('@') {
            None => (None, rest),
            Some((login, host)) => {
                let (user, password) = login.split_once(':').ok_or(ProxyError::Shape)?;
                let login = Login::new(unescape(user)?, unescape(password)?)?;
                (Some(login), host)
            }
        };
        let (host, port) = host.rsplit_once(':').ok_or(ProxyError::Port)?;
        let port: u16 = port.parse().map_err(|_| ProxyError::Port)?;
        if port == 0 {
            return Err(ProxyError::Port);
        }
        let ip = if host.eq_ignore_ascii_case("localhost") {
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        } else if let Some(inner) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
            IpAddr::V6(inner.parse().map_err(|_| ProxyError::Name)?)
        } else {
            IpAddr::V4(host.parse().map_err(|_| ProxyError::Name)?)
        };
        Ok(Self { addr: SocketAddr::new(ip, port), login })
    }
}

/// Which route a person chose. Written `direct`, `socks5://[user:password@]host:port`, `tor` (one that we start, else one
/// that runs), `tor://own` (one that we start), `tor://[password@]host:port` or `tor://[password@]/file` (one that runs, by
/// its control port); `direct+tor…` for both sides at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Choice {
    /// Straight.
    #[default]
    Direct,
    /// Through a proxy.
    Socks5(Proxy),
    /// Through Tor.
    Tor(TorChoice),
    /// Straight, and through Tor to and from onion services.
    Both(TorChoice),
}

/// Why text is no route. Never repeats the text: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// None of the kinds.
    #[error(
        "a route is written direct, tor, tor://own, tor://IP:PORT (a control port), direct+tor or socks5://IP:PORT"
    )]
    Kind,
    /// Where tor's control port should be stands something else.
    #[error(
        "tor's control port is named by its IP address and port, or by its socket's file, its password before an @"
    )]
    Control,
    /// See [`ProxyError`].
    #[error(transparent)]
    Proxy(#[from] ProxyError),
}

impl FromStr for Choice {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        let text = text.trim();
        let lower = text.to_ascii_lowercase();
        if lower == "direct" {
            return Ok(Self::Direct);
        }
        if lower.starts_with("socks5") {
            return Ok(Self::Socks5(text.parse()?));
        }
        match lower.strip_prefix("direct+") {
            // Of ASCII letters alone, so that it is as long as it was.
            Some(_) => Ok(Self::Both(tor_choice(text.get("direct+".len()..).unwrap_or_default())?)),
            None => Ok(Self::Tor(tor_choice(text)?)),
        }
    }
}

/// `tor`, `tor://own`, `tor://[password@]host:port`, `tor://[password@]/file`.
fn tor_choice(text: &str) -> Result<TorChoice, ChoiceError> {
    let lower = Zeroizing::new(text.to_ascii_lowercase());
    let rest = lower.strip_prefix("tor").ok_or(ChoiceError::Kind)?;
    match rest {
        "" => return Ok(TorChoice::Any),
        "://own" => return Ok(TorChoice::Own),
        _ => {}
    }
    let at = text.get("tor://".len()..).filter(|_| rest.starts_with("://")).ok_or(ChoiceError::Kind)?;
    let (password, at) = match at.split_once('@') {
        // An @ in a file's name is none of ours.
        Some((password, at)) if !password.starts_with('/') => {
            let password = Zeroizing::new(unescape(password)?);
            if password.is_empty() {
                return Err(ChoiceError::Control);
            }
            (Some(Password(Zeroizing::new(password.as_bytes().to_vec()))), at)
        }
        _ => (None, at),
    };
    #[cfg(unix)]
    if at.starts_with('/') {
        return Ok(TorChoice::Running(TorAt { socks: None, control: Some(ControlAddr::Unix(at.into())), password }));
    }
    let at: SocketAddr = at.parse().map_err(|_| ChoiceError::Control)?;
    if at.port() == 0 {
        return Err(ChoiceError::Control);
    }
    Ok(TorChoice::Running(TorAt { socks: None, control: Some(ControlAddr::Tcp(at)), password }))
}

impl Choice {
    /// Whole, with the proxy's login or the control port's password: a secret.
    pub fn to_secret(&self) -> Zeroizing<String> {
        match self {
            Self::Socks5(Proxy { addr, login: Some(login) }) => Zeroizing::new(format!(
                "socks5://{}:{}@{addr}",
                *Zeroizing::new(escape(login.user().as_bytes())),
                *Zeroizing::new(escape(login.password().as_bytes()))
            )),
            other => match other.password() {
                None => Zeroizing::new(other.to_string()),
                Some(password) => {
                    let password = Zeroizing::new(escape(&password.0));
                    Zeroizing::new(other.to_string().replacen("://", &format!("://{}@", *password), 1))
                }
            },
        }
    }
    /// Whether a login or a password belongs to it.
    pub fn is_secret(&self) -> bool {
        matches!(self, Self::Socks5(Proxy { login: Some(_), .. })) || self.password().is_some()
    }
    /// Whether nothing leaves straight.
    pub fn is_detour(&self) -> bool {
        matches!(self, Self::Socks5(_) | Self::Tor(_))
    }
    fn password(&self) -> Option<&Password> {
        match self {
            Self::Tor(TorChoice::Running(at)) | Self::Both(TorChoice::Running(at)) => at.password.as_ref(),
            _ => None,
        }
    }
}

/// Without a login or a password.
impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tor = match self {
            Self::Direct => return f.write_str("direct"),
            Self::Socks5(proxy) => return write!(f, "socks5://{}", proxy.addr),
            Self::Tor(tor) => tor,
            Self::Both(tor) => {
                f.write_str("direct+")?;
                tor
            }
        };
        match tor {
            TorChoice::Any => f.write_str("tor"),
            TorChoice::Own => f.write_str("tor://own"),
            TorChoice::Running(at) => match &at.control {
                Some(ControlAddr::Tcp(at)) => write!(f, "tor://{at}"),
                #[cfg(unix)]
                Some(ControlAddr::Unix(file)) => write!(f, "tor://{}", file.display()),
                None => f.write_str("tor"),
            },
        }
    }
}

/// What is not a letter or digit as `%3A`.
fn escape(text: &[u8]) -> String {
    let mut out = String::with_capacity(3 * text.len());
    for byte in text {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(*byte));
        } else {
            out.push('%');
            out.push_str(&data_encoding::HEXUPPER.encode(&[*byte]));
        }
    }
    out
}

/// `%3A` for `:` and the like.
fn unescape(text: &str) -> Result<String, ProxyError> {
    let mut bytes = text.bytes();
    let mut plain = Zeroizing::new(Vec::with_capacity(text.len()));
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            plain.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|d| char::from(d).to_digit(16)).ok_or(ProxyError::Shape);
        let value = digit()? * 16 + digit()?;
        plain.push(u8::try_from(value).map_err(|_| ProxyError::Shape)?);
    }
    std::str::from_utf8(&plain).map(str::to_owned).map_err(|_| ProxyError::Login)
}

/// How the route is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteStatus {
    /// Whether anything can leave.
    pub state: RouteState,
    /// Whether anybody can come in, where the route has a way in of its own.
    pub inbound: Inbound,
}

/// Whether anything can leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteState {
    /// Not known yet; the percentage is Tor's own.
    Starting(u8),
    /// It carries.
    Up,
    /// It does not, and nothing goes another way. It is tried again, about once a second.
    Down(RouteTrouble),
}

/// The way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inbound {
    /// There is none on this route, or the listener says itself where it is.
    None,
    /// Onion services, those that were asked for.
    Onions(Vec<OnionStanding>),
    /// There can be no onion service, and this is why.
    Failed(String),
}

/// One onion service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnionStanding {
    /// Where others dial us.
    pub addr: PeerAddr,
    /// Tor has told the network of it since it was last created.
    pub published: bool,
    /// Why tor does not make it.
    pub trouble: Option<String>,
}

/// Why nothing can leave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteTrouble {
    /// The proxy is not there, hangs, talks nonsense or refuses the password.
    #[error(transparent)]
    Proxy(#[from] SocksError),
    /// No tor runs here, and there is no program of that name.
    #[error(
        "there is no program tor to start, and no running tor was found; one that runs can be named: tor://IP:PORT"
    )]
    NoTor,
    /// Tor does not start, or ended; its own last words.
    #[error("tor ended: {0}")]
    TorEnded(String),
    /// The control port does not let us in.
    #[error("{0}")]
    Control(String),
    /// Tor runs but has no way out.
    #[error("tor is not connected: {0}")]
    NoCircuits(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read() {
        let plain = |text: &str| text.parse::<Proxy>().map(|p| (p.addr.to_string(), p.login));
        for text in
            ["socks5://127.0.0.1:9050", "SOCKS5h://127.0.0.1:9050/", "127.0.0.1:9050", "socks5://localhost:9050"]
        {
            assert_eq!(plain(text), Ok(("127.0.0.1:9050".into(), None)), "{text}");
        }
        let login = Login::new("me", "p@ss:w/rd%").unwrap();
        let read = plain("socks5://me:p%40ss:w/rd%25@[::1]:1080").unwrap();
        assert_eq!(read, ("[::1]:1080".into(), Some(login)));
        for (text, why) in [
            ("http://127.0.0.1:1", ProxyError::Shape),
            ("socks5://u@127.0.0.1:1", ProxyError::Shape),
            ("socks5://u:%zz@127.0.0.1:1", ProxyError::Shape),
            ("socks5://u:%2", ProxyError::Port),
            ("socks5://u:%ff@127.0.0.1:1", ProxyError::Login),
            ("socks5://:p@127.0.0.1:1", ProxyError::Login),
            ("socks5://u:@127.0.0.1:1", ProxyError::Login),
            ("socks5://proxy.example:1", ProxyError::Name),
            ("socks5://[proxy]:1", ProxyError::Name),
            ("socks5://127.0.0.1", ProxyError::Port),
            ("socks5://127.0.0.1:0", ProxyError::Port),
            ("socks5://127.0.0.1:70000", ProxyError::Port),
            ("", ProxyError::Port),
        ] {
            assert_eq!(text.parse::<Proxy>(), Err(why), "{text}");
        }
        assert_eq!(Login::new("a".repeat(256), "b"), Err(ProxyError::Login));
    }

    #[test]
    fn routes_are_read_and_written() {
        for (text, written) in [
            ("direct", "direct"),
            (" Tor ", "tor"),
            ("tor://own", "tor://own"),
            ("tor://127.0.0.1:9051", "tor://127.0.0.1:9051"),
            ("socks5://127.0.0.1:1", "socks5://127.0.0.1:1"),
            ("socks5://a:b@127.0.0.1:1", "socks5://127.0.0.1:1"),
            ("tor://a%40:B@127.0.0.1:9051", "tor://127.0.0.1:9051"),
            ("Direct+Tor", "direct+tor"),
            ("direct+tor://own", "direct+tor://own"),
            ("direct+tor://Pass@[::1]:9051", "direct+tor://[::1]:9051"),
        ] {
            let choice: Choice = text.parse().unwrap();
            assert_eq!(choice.to_string(), written);
            assert_eq!(choice.to_secret().parse::<Choice>().unwrap(), choice, "{text}");
        }
        #[cfg(unix)]
        for (text, written) in
            [("tor:///run/Tor/a@b", "tor:///run/Tor/a@b"), ("tor://Pa%2fss@/run/Tor/control", "tor:///run/Tor/control")]
        {
            let choice: Choice = text.parse().unwrap();
            assert_eq!(choice.to_string(), written);
            assert_eq!(choice.to_secret().parse::<Choice>().unwrap(), choice, "{text}");
        }
        let choice: Choice = "tor://hu%2fsh@127.0.0.1:9051".parse().unwrap();
        let TorChoice::Running(TorAt { password: Some(password), .. }) = torn(&choice) else { panic!("{choice}") };
        assert_eq!(&**password.0, b"hu/sh");
        assert!(choice.is_secret() && !format!("{choice:?} {choice}").contains("sh"));
        let login = Login::new("p:ä", "w/@%").unwrap();
        let choice = Choice::Socks5(Proxy { addr: "[::1]:9".parse().unwrap(), login: Some(login) });
        assert!(choice.is_secret());
        assert_eq!(choice.to_secret().parse::<Choice>().unwrap(), choice);
        for (text, why) in [
            ("", ChoiceError::Kind),
            ("https://x", ChoiceError::Kind),
            ("torx", ChoiceError::Kind),
            ("tor:/x", ChoiceError::Kind),
            ("tor://localhost:9051", ChoiceError::Control),
            ("tor://127.0.0.1:0", ChoiceError::Control),
            ("tor://127.0.0.1", ChoiceError::Control),
            ("tor://@127.0.0.1:9051", ChoiceError::Control),
            ("tor://%zz@127.0.0.1:9051", ChoiceError::Proxy(ProxyError::Shape)),
            ("direct+socks5://127.0.0.1:1", ChoiceError::Kind),
            ("direct+", ChoiceError::Kind),
            ("socks5://proxy.example:1", ChoiceError::Proxy(ProxyError::Name)),
        ] {
            assert_eq!(text.parse::<Choice>(), Err(why), "{text}");
        }
    }

    fn torn(choice: &Choice) -> &TorChoice {
        match choice {
            Choice::Tor(tor) | Choice::Both(tor) => tor,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_login_shows_nothing() {
        let proxy: Proxy = "socks5://alice:hush@127.0.0.1:1".parse().unwrap();
        let shown = format!("{proxy:?}");
        assert!(!shown.contains("alice") && !shown.contains("hush"), "{shown}");
    }
}
