//! The headless node's web pages: HTTP/1.1 on loopback, and the way from there to what plays ([`crate::media`]).
//!
//! Promises: it listens on loopback only, whatever it is asked; who answers is the caller's [`Router`], which also says
//! who may ask.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// Time for this computer to take a connection.
const DIAL_TIME: Duration = Duration::from_secs(5);
/// Time for connections to end once no more are taken.
const FAREWELL: Duration = Duration::from_secs(2);

/// Listens on loopback.
pub struct WebListener {
    listener: TcpListener,
    addr: SocketAddr,
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
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        Ok(Self { listener, addr })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers until told to stop; connections that still move are cut two seconds later.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn serve(self, app: Router, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let (told, tell) = tokio::sync::oneshot::channel();
        let until = async move {
            stop.await;
            let _ = told.send(());
        };
        let served = axum::serve(self.listener, app).with_graceful_shutdown(until).into_future();
        tokio::pin!(served);
        tokio::select! {
            ended = &mut served => ended,
            _ = tell => tokio::time::timeout(FAREWELL, served).await.unwrap_or(Ok(())),
        }
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
