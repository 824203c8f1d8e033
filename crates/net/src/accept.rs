//! Taking callers in, also when the system has no handle left.
//!
//! Owns: TCP listeners, what a failed `accept` means, and one handle kept in reserve. Promises: a want of handles or
//! memory, or a caller who left before they were taken in, ends no listener, however long it lasts; meanwhile those who
//! wait are sent away rather than left hanging; a listener that is broken itself is made again at its port, and that it is
//! missing can be told until then.

use std::fs::File;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, watch};

/// Pause while the system gives no handle.
const PAUSE: Duration = Duration::from_millis(100);
/// Callers sent away between two pauses.
const SENT_AWAY: usize = 64;
/// Time for a caller who waits already to be taken in.
const AT_ONCE: Duration = Duration::from_millis(5);

/// Wait before a listener that broke is made again; doubles each time.
const AGAIN: Duration = Duration::from_millis(100);
/// Longest such wait.
const AGAIN_MAX: Duration = Duration::from_secs(30);

/// A TCP listener that outlives its faults.
pub(crate) struct Listener {
    bound: SocketAddr,
    /// `None`: it broke, and could not be made again yet.
    open: Mutex<(Option<TcpListener>, Reserve)>,
    lost: watch::Sender<Option<String>>,
}

impl Listener {
    /// Listens there; port 0 takes any free one.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) async fn bind(at: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(at).await?;
        let bound = listener.local_addr()?;
        Ok(Self { bound, open: Mutex::new((Some(listener), Reserve::new())), lost: watch::Sender::new(None) })
    }

    /// Where it listens.
    pub(crate) fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// Why nobody can come, as long as that is so.
    pub(crate) fn lost(&self) -> watch::Receiver<Option<String>> {
        self.lost.subscribe()
    }

    /// The next who comes. May be dropped and called again: no connection is lost.
    pub(crate) async fn accept(&self) -> (TcpStream, SocketAddr) {
        let mut open = self.open.lock().await;
        let (listener, reserve) = &mut *open;
        let mut wait = AGAIN;
        loop {
            if let Some(open) = listener {
                match reserve.accept(|| accept_tcp(open)).await {
                    Ok(came) => return came,
                    Err(error) => self.tell_lost(&error),
                }
                // Else its port would stay taken.
                *listener = None;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(AGAIN_MAX);
            match TcpListener::bind(self.bound).await {
                Ok(again) => {
                    *listener = Some(again);
                    tracing::info!(at = %self.bound, "the listener is back");
                    self.lost.send_replace(None);
                }
                Err(error) => self.tell_lost(&error),
            }
        }
    }

    fn tell_lost(&self, error: &io::Error) {
        tracing::warn!(%error, at = %self.bound, "the listener is lost");
        self.lost.send_replace(Some(format!("the listener at {} broke and is made again: {error}", self.bound)));
    }
}

async fn accept_tcp(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, from) = listener.accept().await?;
    // A connection that ended before it began.
    stream.set_nodelay(true).map_err(|_| io::Error::from(io::ErrorKind::ConnectionAborted))?;
    Ok((stream, from))
}

/// A handle that is given up for a moment when there is no other: with it a caller can be taken in and sent away.
pub(crate) struct Reserve {
    held: Option<File>,
    /// Since it last went well, the system gave no handle.
    short: bool,
}

impl Reserve {
    pub(crate) fn new() -> Self {
        Self { held: open(), short: false }
    }

    /// The next caller.
    ///
    /// # Errors
    /// The listener is broken, and another has to be made.
    pub(crate) async fn accept<T, F>(&mut self, mut accept: impl FnMut() -> F) -> io::Result<T>
    where
        F: Future<Output = io::Result<T>>,
    {
        loop {
            let error = match accept().await {
                Ok(came) => {
                    if std::mem::take(&mut self.short) {
                        tracing::info!("connections are accepted again");
                        self.held = self.held.take().or_else(open);
                    }
                    return Ok(came);
                }
                Err(error) if is_passing(&error) => error,
                Err(error) => return Err(error),
            };
            if error.kind() == io::ErrorKind::ConnectionAborted || error.kind() == io::ErrorKind::Interrupted {
                continue;
            }
            if !std::mem::replace(&mut self.short, true) {
                tracing::warn!(%error, "no connection can be accepted at the moment");
            }
            for _ in 0..SENT_AWAY {
                // The handle that this sets free is the caller's for a moment.
                drop(self.held.take());
                let came = tokio::time::timeout(AT_ONCE, accept()).await;
                let sent_away = matches!(came, Ok(Ok(_)));
                drop(came);
                self.held = open();
                if !sent_away {
                    break;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn open() -> Option<File> {
    File::open(if cfg!(windows) { "NUL" } else { "/dev/null" }).ok()
}

/// Whether the listener is as good as before, though this call failed.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    let kinds = [
        K::ConnectionAborted,
        K::ConnectionReset,
        K::Interrupted,
        K::WouldBlock,
        K::TimedOut,
        K::OutOfMemory,
        K::PermissionDenied,
        K::NetworkDown,
        K::NetworkUnreachable,
        K::HostUnreachable,
    ];
    kinds.contains(&error.kind()) || error.raw_os_error().is_some_and(is_want)
}

/// The system lacks something, or the caller's own connection failed.
#[cfg(unix)]
fn is_want(code: i32) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::PROTO, Errno::HOSTDOWN]
        .iter()
        .any(|want| want.raw_os_error() == code)
}

/// `WSAEMFILE`, `WSAENOBUFS`.
#[cfg(windows)]
fn is_want(code: i32) -> bool {
    [10024, 10055].contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    #[cfg(unix)]
    #[tokio::test]
    async fn a_listener_that_broke_is_made_again_at_its_port_and_told_until_then() {
        let listener = std::sync::Arc::new(Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap());
        let mut lost = listener.lost();
        rustix::net::shutdown(listener.open.lock().await.0.as_ref().unwrap(), rustix::net::Shutdown::Both).unwrap();
        let accepting = listener.clone();
        let accepting = tokio::spawn(async move { accepting.accept().await.1 });
        lost.changed().await.unwrap();
        lost.wait_for(Option::is_none).await.unwrap();
        let caller = TcpStream::connect(listener.bound()).await.unwrap();
        let from = tokio::time::timeout(Duration::from_secs(30), accepting).await.unwrap().unwrap();
        assert_eq!(from, caller.local_addr().unwrap());
    }

    #[cfg(unix)]
    #[tokio::test(start_paused = true)]
    async fn no_want_of_handles_lasts_too_long_and_a_broken_listener_is_told() {
        let code = |errno: rustix::io::Errno| Err(io::Error::from_raw_os_error(errno.raw_os_error()));
        let wants = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE, rustix::io::Errno::NOBUFS];
        // An hour of it.
        let mut script: VecDeque<io::Result<u8>> = (0..72_000).map(|number| code(wants[number % 3])).collect();
        script.push_back(code(rustix::io::Errno::NOMEM));
        script.push_back(code(rustix::io::Errno::CONNABORTED));
        script.push_back(Ok(7));
        script.push_back(code(rustix::io::Errno::INVAL));
        let script = std::cell::RefCell::new(script);
        let mut reserve = Reserve::new();
        let mut next = async || {
            let next = || std::future::ready(script.borrow_mut().pop_front().unwrap());
            reserve.accept(next).await
        };
        assert_eq!(next().await.unwrap(), 7);
        assert_eq!(next().await.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
