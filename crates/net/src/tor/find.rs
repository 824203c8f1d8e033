//! Finds a tor to work with: the one that was named, one that runs at the usual places, or one that we start.

use super::control::{Control, ControlAddr, ControlError, unquote};
use super::own::{self, OwnTor};
use super::{TorAt, TorChoice, TorConfig};
use crate::route::RouteTrouble;
use crate::socks::SocksError;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// SOCKS and control port of a system's tor, and of Tor Browser's.
const USUAL: [(u16, u16); 2] = [(9050, 9051), (9150, 9151)];
/// Where Debian's tor has its control socket.
#[cfg(unix)]
const USUAL_SOCKET: &str = "/run/tor/control";
/// Time for something at a usual port to say what it is.
const LOOK_LIMIT: Duration = Duration::from_millis(1500);
/// Bytes of its answer that are read.
const ANSWER_MAX: u64 = 1024;

/// A tor to work with.
pub(super) enum Found {
    /// We are logged in at its control port.
    Controlled { control: Control, socks: SocketAddr, own: Option<Box<OwnTor>> },
    /// Only its SOCKS port is ours to use; why the control port is not.
    Blind { socks: SocketAddr, why: String },
}

pub(super) async fn find(config: &TorConfig) -> Result<Found, RouteTrouble> {
    match &config.choice {
        TorChoice::Running(at) => return named(at).await,
        TorChoice::Own => return start(config).await?.ok_or(RouteTrouble::NoTor),
        TorChoice::Any => {}
    }
    let mut why = String::from("the running tor has no control port");
    for control in usual_controls() {
        match tokio::time::timeout(LOOK_LIMIT, controlled(&control, &TorAt::default())).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(ControlError::Io(_))) | Err(_) => {}
            Ok(Err(other)) => why = other.to_string(),
        }
    }
    if let Some(found) = start(config).await? {
        return Ok(found);
    }
    for (port, _) in USUAL {
        let socks = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if is_tor(socks).await {
            return Ok(Found::Blind { socks, why });
        }
    }
    Err(RouteTrouble::NoTor)
}

/// Starts one, if there is a program.
async fn start(config: &TorConfig) -> Result<Option<Found>, RouteTrouble> {
    let Some(program) = own::program(config) else { return Ok(None) };
    let (own, mut control) = own::start(&program, &config.data_dir).await?;
    let socks = socks_of(&mut control).await.map_err(|e| RouteTrouble::Control(e.to_string()))?;
    Ok(Some(Found::Controlled { control, socks, own: Some(Box::new(own)) }))
}

/// The tor that the user named, and no other.
async fn named(at: &TorAt) -> Result<Found, RouteTrouble> {
    let why = match &at.control {
        None => "no control port was named".to_owned(),
        Some(control) => match controlled(control, at).await {
            Ok(found) => return Ok(found),
            Err(error) => error.to_string(),
        },
    };
    match at.socks {
        Some(socks) if is_tor(socks).await => Ok(Found::Blind { socks, why }),
        Some(socks) => Err(RouteTrouble::Proxy(match TcpStream::connect(socks).await {
            Ok(_) => SocksError::NotSocks,
            Err(error) => SocksError::Down(error.kind()),
        })),
        None => Err(RouteTrouble::Control(why)),
    }
}

async fn controlled(addr: &ControlAddr, at: &TorAt) -> Result<Found, ControlError> {
    let password = at.password.as_ref().map(|password| &**password.0);
    let mut control = Control::connect(addr, password).await?;
    let socks = match at.socks {
        Some(socks) => socks,
        None => socks_of(&mut control).await?,
    };
    Ok(Found::Controlled { control, socks, own: None })
}

/// The first SOCKS port that tor has by TCP.
async fn socks_of(control: &mut Control) -> Result<SocketAddr, ControlError> {
    let listeners = control.info("net/listeners/socks").await?;
    let mut words = listeners.split(' ').filter_map(|word| unquote(word)?.parse().ok());
    words.next().ok_or_else(|| ControlError::Refused("it has no SOCKS port".into()))
}

fn usual_controls() -> Vec<ControlAddr> {
    let tcp = |(_, port)| ControlAddr::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let usual = USUAL.into_iter().map(tcp);
    #[cfg(unix)]
    let usual = usual.chain([ControlAddr::Unix(USUAL_SOCKET.into())]);
    usual.collect()
}

/// Whether tor listens there. Any SOCKS proxy may sit at a usual port, and to take it for Tor would show us to the world;
/// tor says what it is when somebody takes it for a web proxy.
pub(super) async fn is_tor(socks: SocketAddr) -> bool {
    let asking = async {
        let mut stream = TcpStream::connect(socks).await?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
        let mut answer = Vec::new();
        stream.take(ANSWER_MAX).read_to_end(&mut answer).await?;
        Ok::<_, io::Error>(String::from_utf8_lossy(&answer).contains("Tor is not an HTTP Proxy"))
    };
    matches!(tokio::time::timeout(LOOK_LIMIT, asking).await, Ok(Ok(true)))
}
