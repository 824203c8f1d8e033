//! §5 SOCKS5 — a dial through a proxy (RFC 1928, RFC 1929), spoken by `tokio-socks`.
//!
//! Owns: the connection to a proxy until it says that the peer is there, and what is made of its answers. Promises: not
//! one byte of the peer's is taken for the proxy's; a name goes to the proxy as it is, never to a resolver; every answer
//! is bounded before it is read; a proxy that hangs, lies in its answers or closes is named as what it is.
//!
//! A proxy that says "connected" and is not cannot be told here: the handshake with the peer fails then.

use crate::gate::Stream;
use crate::route::Login;
use crate::tor::control::ControlError;
use crate::tor::owner::{self, Known};
use protocol::PeerAddr;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_socks::TargetAddr;
use tokio_socks::tcp::Socks5Stream;

/// Time for a proxy to take the connection, agree on a method and hear the login.
pub(crate) const GREETING_LIMIT: Duration = Duration::from_secs(5);

/// Where a proxy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProxyAt {
    /// Where a person said.
    Tcp(SocketAddr),
    /// A port of tor's. On this machine it is looked at each time whose it is: when tor ends, anybody can take it.
    Tors(SocketAddr),
    /// A socket file in a folder of ours.
    #[cfg(unix)]
    Unix(std::path::PathBuf),
}

impl ProxyAt {
    /// On this machine.
    pub(crate) fn is_near(&self) -> bool {
        match self {
            Self::Tcp(addr) | Self::Tors(addr) => addr.ip().is_loopback(),
            #[cfg(unix)]
            Self::Unix(_) => true,
        }
    }

    /// The socket file, where it is one.
    pub(crate) fn file(&self) -> Option<&std::path::Path> {
        match self {
            Self::Tcp(_) | Self::Tors(_) => None,
            #[cfg(unix)]
            Self::Unix(path) => Some(path),
        }
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, SocksError> {
        let down = |error: io::Error| SocksError::Down(error.kind());
        let tcp = match self {
            Self::Tcp(addr) => TcpStream::connect(addr).await.map_err(down)?,
            Self::Tors(addr) => match owner::connect_tcp(*addr, Known::Named).await {
                Ok((stream, _)) => stream,
                Err(ControlError::Io(error)) => return Err(down(error)),
                Err(_) => return Err(SocksError::Stranger),
            },
            #[cfg(unix)]
            Self::Unix(path) => return Ok(Box::new(tokio::net::UnixStream::connect(path).await.map_err(down)?)),
        };
        tcp.set_nodelay(true).map_err(|_| SocksError::Closed)?;
        Ok(Box::new(tcp))
    }
}

/// The ways of logging in.
const NO_LOGIN: u8 = 0;
const USER_PASSWORD: u8 = 2;

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
    /// Where tor's port should be stands another account's.
    #[error("what listens at tor's SOCKS port belongs to another account of this computer: it was told nothing")]
    Stranger,
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
    fn login(self) -> Option<&'a Login> {
        match self {
            Self::Nothing => None,
            Self::Login(login) | Self::Apart(login) => Some(login),
        }
    }
}

/// Asks the proxy for a connection to a peer. The caller limits the time; the greeting has [`GREETING_LIMIT`] of it.
pub(crate) async fn connect(proxy: &ProxyAt, offer: Offer<'_>, to: &PeerAddr) -> Result<Box<dyn Stream>, SocksError> {
    let mut talk = Talk::begin(proxy, offer, GREETING_LIMIT).await?;
    match ask(&mut talk, offer, to).await {
        Ok(()) => Ok(talk.stream),
        Err(error) => Err(talk.why(&error, offer)),
    }
}

/// Connects to the proxy and logs in; asks for nothing. Without more this is how one sees whether it works.
pub(crate) async fn greet(proxy: &ProxyAt, offer: Offer<'_>, limit: Duration) -> Result<(), SocksError> {
    let mut talk = Talk::begin(proxy, offer, limit).await?;
    talk.greet_only = true;
    // Never said: the greeting ends first.
    let nobody = PeerAddr::Ip(SocketAddr::from(([0, 0, 0, 0], 1)));
    match ask(&mut talk, offer, &nobody).await {
        Err(_) if talk.ended => Ok(()),
        Ok(()) => Ok(()),
        Err(error) => Err(talk.why(&error, offer)),
    }
}

async fn ask(talk: &mut Talk, offer: Offer<'_>, to: &PeerAddr) -> Result<(), tokio_socks::Error> {
    let to = match to {
        PeerAddr::Ip(addr) => TargetAddr::Ip(*addr),
        // As they are: a name is the proxy's to look up.
        PeerAddr::Onion(key, port) => TargetAddr::Domain(key.to_string().into(), *port),
        PeerAddr::Name(name, port) => TargetAddr::Domain(name.as_str().into(), *port),
    };
    match offer.login() {
        None => Socks5Stream::connect_with_socket(talk, to).await.map(drop),
        Some(login) => {
            let (user, password) = (login.user(), login.password());
            Socks5Stream::connect_with_password_and_socket(talk, to, user, password).await.map(drop)
        }
    }
}

/// The connection as the library sees it. Notes what the proxy answered, for the library does not tell all of it, and
/// holds three promises that it does not know: a greeting that hangs has an end, one that is all there is to say ends
/// there, and where a login keeps circuits apart nothing is said to a proxy that wants none.
struct Talk {
    stream: Box<dyn Stream>,
    deadline: Pin<Box<Sleep>>,
    /// Nothing is said without our login.
    insists: bool,
    greet_only: bool,
    /// The greeting is over, and no more is to be said.
    ended: bool,
    /// The proxy's first bytes: version and method, then, if it took a login, version and verdict, then version and reply.
    heard: Vec<u8>,
}

/// Most bytes of [`Talk::heard`].
const HEARD_MAX: usize = 6;

impl Talk {
    async fn begin(proxy: &ProxyAt, offer: Offer<'_>, limit: Duration) -> Result<Self, SocksError> {
        let deadline = Box::pin(tokio::time::sleep(limit));
        let stream = match tokio::time::timeout(limit, proxy.connect()).await {
            Ok(connected) => connected?,
            Err(_) => return Err(SocksError::Down(io::ErrorKind::TimedOut)),
        };
        let insists = matches!(offer, Offer::Apart(_));
        Ok(Self { stream, deadline, insists, greet_only: false, ended: false, heard: Vec::with_capacity(HEARD_MAX) })
    }

    /// Where the reply to the request begins.
    fn reply_at(&self) -> usize {
        if self.heard.get(1) == Some(&USER_PASSWORD) { 4 } else { 2 }
    }
    fn is_greeted(&self) -> bool {
        self.heard.len() >= self.reply_at()
    }
    fn goes_without_login(&self) -> bool {
        self.insists && self.heard.get(1) == Some(&NO_LOGIN)
    }

    fn why(&self, error: &tokio_socks::Error, offer: Offer<'_>) -> SocksError {
        use tokio_socks::Error as E;
        match error {
            E::Io(_) if self.goes_without_login() => SocksError::NoMethod,
            E::Io(error) if error.kind() == io::ErrorKind::TimedOut && !self.is_greeted() => SocksError::Hangs,
            E::Io(_) => SocksError::Closed,
            E::NoAcceptableAuthMethods if offer.login().is_none() => SocksError::LoginWanted,
            E::NoAcceptableAuthMethods => SocksError::NoMethod,
            E::PasswordAuthFailure(_) => SocksError::LoginRefused,
            E::InvalidResponseVersion | E::InvalidReservedByte => SocksError::NotSocks,
            _ => match self.heard.get(self.reply_at() + 1) {
                Some(code) if *code != 0 => SocksError::NotReached(NotReached::of(*code)),
                _ => SocksError::NotSocks,
            },
        }
    }
}

impl AsyncRead for Talk {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.is_greeted() && this.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        let room = HEARD_MAX - this.heard.len();
        this.heard.extend(buf.filled()[before..].iter().take(room));
        if this.goes_without_login() {
            return Poll::Ready(Err(io::ErrorKind::PermissionDenied.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Talk {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.greet_only && self.is_greeted() {
            self.ended = true;
            return Poll::Ready(Err(io::ErrorKind::Other.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
