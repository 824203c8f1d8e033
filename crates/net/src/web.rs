//! The headless node's web pages: HTTP/1.1 on loopback, and the way from there to what plays ([`crate::media`]).
//!
//! Promises: it listens on loopback only, whatever it is asked; connections are counted, a request's head has ten seconds,
//! and who has not shown yet that they may ask makes room for who comes later; who answers is the caller's [`Router`],
//! which also says who may ask.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::accept::Listener;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// Time for this computer to take a connection.
const DIAL_TIME: Duration = Duration::from_secs(5);
/// Time for connections to end once no more are taken.
const FAREWELL: Duration = Duration::from_secs(2);

/// Connections at one time.
const PLACES: usize = 64;
/// Time for a request's head to come, and for a kept connection to ask again.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Time for one that has to go to be gone.
const GOING: Duration = Duration::from_secs(1);

/// Listens on loopback.
pub struct WebListener(Listener);

/// The connection that a request came by: an extension of the request.
#[derive(Debug, Clone, Default)]
pub struct Visit(Arc<AtomicBool>);

impl Visit {
    /// Whoever is there may ask: they keep their place.
    pub fn welcome(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
    fn is_welcome(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl WebListener {
    /// Listens on a loopback address; port 0 takes any free one.
    ///
    /// # Errors
    /// The address is not loopback ([`io::ErrorKind::InvalidInput`]) or is taken.
    pub async fn bind(addr: SocketAddr) -> io::Result<Self> {
        if !addr.ip().is_loopback() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not an address of this computer alone"));
        }
        Ok(Self(Listener::bind(addr).await?))
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.0.bound()
    }

    /// Answers until told to stop; connections that still move are cut two seconds later.
    pub async fn serve(self, app: Router, stop: impl Future<Output = ()> + Send + 'static) {
        let places = Arc::new(Semaphore::new(PLACES));
        let closing = CancellationToken::new();
        let mut visits: VecDeque<(AbortHandle, Visit)> = VecDeque::new();
        let mut serving = JoinSet::new();
        tokio::pin!(stop);
        loop {
            let stream = tokio::select! {
                () = &mut stop => break,
                Some(_) = serving.join_next(), if !serving.is_empty() => continue,
                (stream, _) = self.0.accept() => stream,
            };
            visits.retain(|(task, _)| !task.is_finished());
            let Some(place) = place(&places, &mut visits).await else { continue };
            let visit = Visit::default();
            let task =
                serving.spawn(answer(Placed { stream, _place: place }, app.clone(), visit.clone(), closing.clone()));
            visits.push_back((task, visit));
        }
        drop(self.0);
        closing.cancel();
        let ending = async { while serving.join_next().await.is_some() {} };
        // What still moves then is cut.
        let _ = tokio::time::timeout(FAREWELL, ending).await;
    }
}

/// A place for one who comes. When there is none, that of the one who has waited longest without showing that they may ask.
async fn place(places: &Arc<Semaphore>, visits: &mut VecDeque<(AbortHandle, Visit)>) -> Option<OwnedSemaphorePermit> {
    if let Ok(place) = places.clone().try_acquire_owned() {
        return Some(place);
    }
    let at = visits.iter().position(|(_, visit)| !visit.is_welcome())?;
    let (task, _) = visits.remove(at)?;
    task.abort();
    tokio::time::timeout(GOING, places.clone().acquire_owned()).await.ok()?.ok()
}

async fn answer(stream: Placed, app: Router, visit: Visit, closing: CancellationToken) {
    let app = TowerToHyperService::new(app);
    let service = hyper::service::service_fn(move |mut request: Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(visit.clone());
        hyper::service::Service::call(&app, request)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a browser's connection ended early");
    }
}

/// A connection that has its place until it ends, also when it became a socket of another protocol.
struct Placed {
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
}

impl AsyncRead for Placed {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Placed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A name by which a server is reached, as a request may say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName {
    /// In small letters; an IPv6 address in its brackets.
    name: String,
    /// `None`: the usual one of whatever scheme.
    port: Option<u16>,
}

impl HostName {
    /// Takes `name` or `name:port`.
    pub fn new(text: &str) -> Self {
        let (name, port) = split(text);
        Self { name: name.to_ascii_lowercase(), port }
    }

    /// Whether a request's `Host` says this name. Browsers leave out the usual port.
    pub fn is_host(&self, said: &str) -> bool {
        let (name, port) = split(said);
        let usual = |port: Option<u16>| port.is_none_or(|port| USUAL.iter().any(|(_, usual)| *usual == port));
        let fits = match (self.port, port) {
            (Some(ours), Some(said)) => ours == said,
            (None, said) => usual(said),
            (ours, None) => usual(ours),
        };
        fits && self.is_named(name)
    }

    /// Whether a page with this `Origin` (`scheme://name[:port]`) is one of this server's.
    pub fn is_origin(&self, said: &str) -> bool {
        let Some((scheme, host)) = said.split_once("://") else { return false };
        let usual = USUAL.iter().find(|(known, _)| *known == scheme).map(|(_, port)| *port);
        let (name, port) = split(host);
        let fits = match (self.port, port.or(usual)) {
            (Some(ours), Some(said)) => ours == said,
            (None, Some(said)) => Some(said) == usual,
            (_, None) => false,
        };
        fits && self.is_named(name)
    }

    fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// Schemes, and the port that is left out with each.
const USUAL: [(&str, u16); 2] = [("http", 80), ("https", 443)];

/// A name and a port; what is no port belongs to the name, and then names nothing of ours.
fn split(text: &str) -> (&str, Option<u16>) {
    match text.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (text, None),
        },
        _ => (text, None),
    }
}

/// Asks a server of this computer and hands its answer on as it comes. The request's `Host` is set here.
///
/// # Errors
/// Nobody listens at that port, or what answers speaks no HTTP.
pub async fn relay(port: u16, mut request: Request<Body>) -> io::Result<Response<Body>> {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = tokio::time::timeout(DIAL_TIME, TcpStream::connect(addr)).await??;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a relayed answer ended early");
        }
    });
    let host = addr.to_string().parse().map_err(io::Error::other)?;
    request.headers_mut().insert(axum::http::header::HOST, host);
    let answer = sender.send_request(request).await.map_err(io::Error::other)?;
    Ok(answer.map(Body::new))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn a_host_is_named_with_its_port_or_without_the_usual_one() {
        for (ours, said, is) in [
            ("127.0.0.1:80", "127.0.0.1", true),
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("[::1]:80", "[::1]", true),
            ("127.0.0.1:4180", "127.0.0.1", false),
            ("127.0.0.1:4180", "127.0.0.1:4181", false),
            ("localhost:4180", "LocalHost:4180", true),
            ("media.example.org", "media.example.org", true),
            ("media.example.org", "media.example.org:443", true),
            ("media.example.org", "media.example.org:8443", false),
            ("media.example.org:443", "media.example.org", true),
            ("media.example.org", "evil.example", false),
            ("127.0.0.1:80", "127.0.0.1:80x", false),
            ("127.0.0.1:80", "127.0.0.1:65616", false),
            ("127.0.0.1:80", "", false),
        ] {
            assert_eq!(HostName::new(ours).is_host(said), is, "{said} at {ours}");
        }
    }

    #[test]
    fn a_page_is_ours_by_its_scheme_name_and_port() {
        for (ours, said, is) in [
            ("127.0.0.1:80", "http://127.0.0.1", true),
            // Another server of this computer.
            ("127.0.0.1:80", "https://127.0.0.1", false),
            ("127.0.0.1:443", "http://127.0.0.1", false),
            ("127.0.0.1:4180", "http://127.0.0.1:4180", true),
            ("127.0.0.1:4180", "http://127.0.0.1", false),
            ("media.example.org", "https://media.example.org", true),
            ("media.example.org", "https://media.example.org:8443", false),
            ("127.0.0.1:80", "null", false),
            ("127.0.0.1:80", "file://127.0.0.1", false),
        ] {
            assert_eq!(HostName::new(ours).is_origin(said), is, "{said} at {ours}");
        }
    }

    /// The head of the answer, which has nothing else.
    async fn ask(stream: &mut TcpStream) -> String {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    #[tokio::test]
    async fn who_says_nothing_makes_room_and_who_may_ask_stays() {
        let listener = WebListener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let addr = listener.addr();
        let app = Router::new().fallback(|visit: axum::Extension<Visit>| async move { visit.welcome() });
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(listener.serve(app, async move { drop(stopped.await) }));
        let mut welcome = TcpStream::connect(addr).await.unwrap();
        assert!(ask(&mut welcome).await.starts_with("HTTP/1.1 200"));
        // Another account's half requests, more than there are places.
        let mut silent = Vec::new();
        for _ in 0..2 * PLACES {
            let mut one = TcpStream::connect(addr).await.unwrap();
            one.write_all(b"GET / HT").await.unwrap();
            silent.push(one);
        }
        let mut late = TcpStream::connect(addr).await.unwrap();
        assert!(ask(&mut late).await.starts_with("HTTP/1.1 200"));
        // The first of them is gone long before the time for a head is over.
        let gone = tokio::time::timeout(HEAD_TIME / 2, silent[0].read(&mut [0; 1])).await.unwrap();
        assert!(matches!(gone, Ok(0) | Err(_)), "{gone:?}");
        assert!(ask(&mut welcome).await.starts_with("HTTP/1.1 200"));
        drop(stop);
        serving.await.unwrap();
    }
}
