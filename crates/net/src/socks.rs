//! §5 SOCKS5 — the client's half of RFC 1928 and RFC 1929, and no more of it than a dial needs.
//!
//! Owns: the bytes between us and a proxy until it says that the peer is there. Promises: not one byte of the peer's is
//! taken for the proxy's; a name goes to the proxy as it is, never to a resolver; every answer is bounded before it is
//! read; a proxy that hangs, lies in its answers or closes is named as what it is.
//!
//! A proxy that says "connected" and is not cannot be told here: the handshake with the peer fails then.

use crate::route::Login;
use protocol::PeerAddr;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Time for a proxy to take the connection, agree on a method and hear the login.
pub(crate) const GREETING_LIMIT: Duration = Duration::from_secs(5);

const VERSION: u8 = 5;
const LOGIN_VERSION: u8 = 1;
const CONNECT: u8 = 1;

/// The ways of logging in that we know.
const NO_LOGIN: u8 = 0;
const USER_PASSWORD: u8 = 2;
const NONE_ACCEPTED: u8 = 0xff;

/// Kinds of address.
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Why a proxy gave no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SocksError {
    /// Nobody takes connections there.
    #[error("the proxy cannot be reached: {0}")]
    Down(io::ErrorKind),
    /// It took the connection and said nothing in time.
    #[error("the proxy does not answer")]
    Hangs,
    /// It closed before it had answered.
    #[error("the proxy closed the connection before it had answered")]
    Closed,
    /// What it says is not SOCKS5.
    #[error("what listens there is no SOCKS5 proxy")]
    NotSocks,
    /// It wants a login and has none.
    #[error("the proxy wants a user name and a password")]
    LoginWanted,
    /// It takes none of the methods that we offered.
    #[error("the proxy takes no user name and password")]
    NoMethod,
    /// It refused the login.
    #[error("the proxy refused the user name or the password")]
    LoginRefused,
    /// It works, but did not reach the peer.
    #[error("the proxy did not reach the peer: {0}")]
    NotReached(NotReached),
}

impl SocksError {
    /// Whether the proxy itself is at fault, so that no other dial would fare better.
    pub fn is_proxys(&self) -> bool {
        !matches!(self, Self::NotReached(_))
    }
}

/// The reply codes of RFC 1928, and those by which tor tells what happened to an onion service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotReached {
    /// 1, or unknown.
    #[error("no reason given ({0:#04x})")]
    Other(u8),
    /// 2.
    #[error("its rules forbid it")]
    Forbidden,
    /// 3.
    #[error("no way to that network")]
    Network,
    /// 4.
    #[error("no way to that host")]
    Host,
    /// 5.
    #[error("refused")]
    Refused,
    /// 6.
    #[error("too long on the way")]
    Expired,
    /// 7.
    #[error("it knows no such command")]
    Command,
    /// 8.
    #[error("it knows no such kind of address")]
    Kind,
    /// 0xF0.
    #[error("the onion service is not known to the network")]
    OnionUnknown,
    /// 0xF1, 0xF6.
    #[error("the onion address or its descriptor is wrong")]
    OnionWrong,
    /// 0xF2, 0xF3, 0xF7.
    #[error("the onion service could not be met")]
    OnionNotMet,
    /// 0xF4, 0xF5.
    #[error("the onion service lets in only whom it knows")]
    OnionLocked,
}

impl NotReached {
    fn of(code: u8) -> Self {
        match code {
            2 => Self::Forbidden,
            3 => Self::Network,
            4 => Self::Host,
            5 => Self::Refused,
            6 => Self::Expired,
            7 => Self::Command,
            8 => Self::Kind,
            0xf0 => Self::OnionUnknown,
            0xf1 | 0xf6 => Self::OnionWrong,
            0xf2 | 0xf3 | 0xf7 => Self::OnionNotMet,
            0xf4 | 0xf5 => Self::OnionLocked,
            other => Self::Other(other),
        }
    }
}

/// How a login is offered.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Offer<'a> {
    /// None.
    Nothing,
    /// The user's: a proxy that wants none may do without.
    Login(&'a Login),
    /// It keeps circuits apart: without it nothing is said.
    Apart(&'a Login),
}

impl<'a> Offer<'a> {
    fn methods(self) -> &'static [u8] {
        match self {
            Self::Nothing => &[NO_LOGIN],
            Self::Login(_) => &[NO_LOGIN, USER_PASSWORD],
            Self::Apart(_) => &[USER_PASSWORD],
        }
    }
    fn login(self) -> Option<&'a Login> {
        match self {
            Self::Nothing => None,
            Self::Login(login) | Self::Apart(login) => Some(login),
        }
    }
}

/// Asks the proxy for a connection to a peer. The caller limits the time; the greeting has [`GREETING_LIMIT`] of it.
pub(crate) async fn connect(proxy: SocketAddr, offer: Offer<'_>, to: &PeerAddr) -> Result<TcpStream, SocksError> {
    let mut stream = greet(proxy, offer, GREETING_LIMIT).await?;
    stream.write_all(&request(to)).await.map_err(closed)?;
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.map_err(closed)?;
    let [version, code, _, kind] = head;
    if version != VERSION {
        return Err(SocksError::NotSocks);
    }
    if code != 0 {
        return Err(SocksError::NotReached(NotReached::of(code)));
    }
    // The address that it bound concerns nobody, but stands before the peer's first byte.
    let length = match kind {
        IPV4 => 4,
        IPV6 => 16,
        NAME => usize::from(stream.read_u8().await.map_err(closed)?),
        _ => return Err(SocksError::NotSocks),
    };
    let mut bound = [0; u8::MAX as usize + 2];
    stream.read_exact(&mut bound[..length + 2]).await.map_err(closed)?;
    Ok(stream)
}

/// Connects to the proxy and logs in; asks for nothing. Without more this is how one sees whether it works.
pub(crate) async fn greet(proxy: SocketAddr, offer: Offer<'_>, limit: Duration) -> Result<TcpStream, SocksError> {
    let mut reached = false;
    let greeting = async {
        let mut stream = TcpStream::connect(proxy).await.map_err(|error| SocksError::Down(error.kind()))?;
        reached = true;
        stream.set_nodelay(true).map_err(closed)?;
        agree(&mut stream, offer).await?;
        Ok(stream)
    };
    match tokio::time::timeout(limit, greeting).await {
        Ok(result) => result,
        Err(_) if reached => Err(SocksError::Hangs),
        Err(_) => Err(SocksError::Down(io::ErrorKind::TimedOut)),
    }
}

async fn agree(stream: &mut TcpStream, offer: Offer<'_>) -> Result<(), SocksError> {
    let methods = offer.methods();
    let mut hello = vec![VERSION, methods.len() as u8];
    hello.extend_from_slice(methods);
    stream.write_all(&hello).await.map_err(closed)?;
    let mut chosen = [0; 2];
    stream.read_exact(&mut chosen).await.map_err(closed)?;
    match (chosen, offer.login()) {
        ([VERSION, NONE_ACCEPTED], None) => Err(SocksError::LoginWanted),
        ([VERSION, NONE_ACCEPTED], Some(_)) => Err(SocksError::NoMethod),
        ([VERSION, method], _) if !methods.contains(&method) => Err(SocksError::NotSocks),
        ([VERSION, USER_PASSWORD], Some(login)) => log_in(stream, login).await,
        ([VERSION, _], _) => Ok(()),
        _ => Err(SocksError::NotSocks),
    }
}

async fn log_in(stream: &mut TcpStream, login: &Login) -> Result<(), SocksError> {
    let mut said = zeroize::Zeroizing::new(Vec::with_capacity(3 + 2 * crate::route::LOGIN_MAX));
    said.push(LOGIN_VERSION);
    for part in [login.user(), login.password()] {
        // `Login` holds no part of another length.
        said.push(part.len() as u8);
        said.extend_from_slice(part);
    }
    stream.write_all(&said).await.map_err(closed)?;
    let mut answer = [0; 2];
    // Some close without a word when the password is wrong; that reads as what it is.
    stream.read_exact(&mut answer).await.map_err(closed)?;
    match answer {
        [LOGIN_VERSION, 0] => Ok(()),
        [LOGIN_VERSION, _] => Err(SocksError::LoginRefused),
        _ => Err(SocksError::NotSocks),
    }
}

fn request(to: &PeerAddr) -> Vec<u8> {
    let mut said = vec![VERSION, CONNECT, 0];
    let named = |said: &mut Vec<u8>, host: &str| {
        // A host name has 253 bytes at most, an onion 62: `PeerAddr` holds no longer one.
        let host = &host.as_bytes()[..host.len().min(u8::MAX.into())];
        said.extend([NAME, host.len() as u8]);
        said.extend_from_slice(host);
    };
    match to {
        PeerAddr::Ip(addr) => match addr.ip() {
            IpAddr::V4(ip) => {
                said.push(IPV4);
                said.extend(ip.octets());
            }
            IpAddr::V6(ip) => {
                said.push(IPV6);
                said.extend(ip.octets());
            }
        },
        PeerAddr::Onion(key, _) => named(&mut said, &key.to_string()),
        PeerAddr::Name(name, _) => named(&mut said, name),
    }
    said.extend(to.port().to_be_bytes());
    said
}

fn closed(_: io::Error) -> SocksError {
    SocksError::Closed
}

#[cfg(test)]
mod tests;
