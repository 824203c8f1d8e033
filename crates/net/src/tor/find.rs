//! Finds a tor to work with: the one that was named; else one that we start, one that runs at the usual places.
//!
//! One of our own comes first, for nobody else can stand in its place. Promises: a usual place is used only when it is
//! known that it belongs to root, to us or to the account of the system's tor, and nothing is said there before.

use super::control::{Control, ControlAddr, ControlError, unquote};
use super::own::{self, OwnTor};
use super::owner::{self, Known};
use super::service::Place;
use super::{TorAt, TorChoice, TorConfig};
use crate::route::RouteTrouble;
use crate::socks::{ProxyAt, SocksError};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

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
    Controlled { control: Control, socks: ProxyAt, own: Option<Box<OwnTor>>, onions: Place },
    /// Only its SOCKS port is ours to use; why the control port is not.
    Blind { socks: ProxyAt, why: String },
}

pub(super) async fn find(config: &TorConfig) -> Result<Found, RouteTrouble> {
    match &config.choice {
        TorChoice::Running(at) => return named(at).await,
        TorChoice::Own => return start(config).await?.ok_or(RouteTrouble::NoTor),
        TorChoice::Any => {}
    }
    let own = match start(config).await {
        Ok(Some(found)) => return Ok(found),
        Ok(None) => None,
        // One that runs may do.
        Err(trouble) => Some(trouble),
    };
    let mut refused = None;
    for control in usual_controls() {
        match tokio::time::timeout(LOOK_LIMIT, controlled(&control, &TorAt::default(), Known::Guessed)).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(ControlError::Io(_) | ControlError::NoOwner(_))) | Err(_) => {}
            Ok(Err(other)) => refused = Some(other),
        }
    }
    for (port, _) in USUAL {
        let socks = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        match is_tor(socks, Known::Guessed).await {
            Ok(true) => {
                let why = refused.map_or_else(|| "the running tor has no control port".to_owned(), |r| r.to_string());
                return Ok(Found::Blind { socks: ProxyAt::Tors(socks), why });
            }
            Err(stranger @ ControlError::Stranger { .. }) => refused = Some(refused.unwrap_or(stranger)),
            Ok(false) | Err(_) => {}
        }
    }
    Err(own.or(refused.map(|why| RouteTrouble::Control(why.to_string()))).unwrap_or(RouteTrouble::NoTor))
}

/// Starts one, if there is a program.
async fn start(config: &TorConfig) -> Result<Option<Found>, RouteTrouble> {
    let Some(program) = own::program(config) else { return Ok(None) };
    let (own, mut control) = own::start(&program, &config.data_dir).await?;
    let socks = match own.socks() {
        Some(socks) => socks,
        None => ProxyAt::Tors(socks_of(&mut control).await.map_err(|e| RouteTrouble::Control(e.to_string()))?),
    };
    let onions = own.onions();
    Ok(Some(Found::Controlled { control, socks, own: Some(Box::new(own)), onions }))
}

/// The tor that the user named, and no other.
async fn named(at: &TorAt) -> Result<Found, RouteTrouble> {
    let why = match &at.control {
        None => "no control port was named".to_owned(),
        Some(control) => match controlled(control, at, Known::Named).await {
            Ok(found) => return Ok(found),
            Err(error) => error.to_string(),
        },
    };
    let Some(socks) = at.socks else { return Err(RouteTrouble::Control(why)) };
    match is_tor(socks, Known::Named).await {
        Ok(true) => Ok(Found::Blind { socks: ProxyAt::Tors(socks), why }),
        Ok(false) => Err(RouteTrouble::Proxy(SocksError::NotSocks)),
        Err(ControlError::Io(error)) => Err(RouteTrouble::Proxy(SocksError::Down(error.kind()))),
        Err(other) => Err(RouteTrouble::Control(other.to_string())),
    }
}

async fn controlled(addr: &ControlAddr, at: &TorAt, known: Known) -> Result<Found, ControlError> {
    let password = at.password.as_ref().map(|password| &**password.0);
    let mut control = Control::connect(addr, password, known).await?;
    let socks = match at.socks {
        Some(socks) => socks,
        None => socks_of(&mut control).await?,
    };
    // It runs under another account, as a rule, and could not enter a folder of ours.
    Ok(Found::Controlled { control, socks: ProxyAt::Tors(socks), own: None, onions: Place::Loopback })
}

/// The first SOCKS port that tor has by TCP.
async fn socks_of(control: &mut Control) -> Result<SocketAddr, ControlError> {
    let listeners = control.info("net/listeners/socks").await?;
    let mut words = listeners.split(' ').filter_map(|word| unquote(word)?.parse().ok());
    words.next().ok_or_else(|| ControlError::Refused("it has no SOCKS port".into()))
}

/// The socket file first: nobody but the system's tor can make one there.
fn usual_controls() -> Vec<ControlAddr> {
    let mut usual = Vec::new();
    #[cfg(unix)]
    usual.push(ControlAddr::Unix(USUAL_SOCKET.into()));
    usual.extend(USUAL.map(|(_, port)| ControlAddr::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))));
    usual
}

/// Whether tor listens there. Any SOCKS proxy may sit at a usual port, and to take it for Tor would show us to the world;
/// tor says what it is when somebody takes it for a web proxy. What says so falsely is told by its owner.
pub(super) async fn is_tor(socks: SocketAddr, known: Known) -> Result<bool, ControlError> {
    let asking = async {
        let (mut stream, _) = owner::connect_tcp(socks, known).await?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
        let mut answer = Vec::new();
        stream.take(ANSWER_MAX).read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).contains("Tor is not an HTTP Proxy"))
    };
    tokio::time::timeout(LOOK_LIMIT, asking).await.unwrap_or(Ok(false))
}
