//! A v5 seeder: never says HELLO, needs none, keeps connections open, and dies of what v5 processes die of.

use super::{ANNOUNCE, DATA, ERROR, FIND_PEERS, HELLO, Message, OK, PEERS, PUBLISH, REQUEST, V5Error, Wire};
use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How this seeder differs from a plain one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Habits {
    /// Blobs go in DATA frames of this many bytes; none: whole.
    pub split: Option<usize>,
    /// Every blob goes out with one byte wrong.
    pub corrupt: bool,
    /// After this many blobs the next one waits for [`Server::release`].
    pub hold_after: Option<usize>,
    /// The first connection is cut, once, after this many bytes of DATA.
    pub cut_after: Option<usize>,
    /// REQUESTs are taken and never answered.
    pub mute: bool,
    /// A slow line: so many bytes leave at a time, with this pause behind.
    pub pace: Option<(usize, Duration)>,
}

/// What killed a seeder: each of these ends a v5 process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// A frame whose tag is wrong.
    BadTag,
    /// A frame too short, or too long.
    Length(usize),
    /// A key of low order.
    ZeroKey,
    /// A REQUEST without an ID.
    EmptyRequest,
    /// The connection was reset instead of closed.
    Reset,
}

#[derive(Default)]
struct State {
    blobs: HashMap<String, Arc<Vec<u8>>>,
    peers: HashMap<String, Vec<String>>,
    requests: Vec<String>,
    hellos: Vec<Vec<u8>>,
    publications: Vec<String>,
    connections: usize,
    served: usize,
    released: bool,
    cut: bool,
    death: Option<Death>,
    stopped: bool,
    sockets: Vec<TcpStream>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    habits: Habits,
    address: SocketAddr,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends everything: the listener, by a last connection to it, and every socket.
    fn stop(&self, death: Option<Death>) {
        let mut state = self.state();
        if death.is_some() && !state.stopped {
            state.death = death;
        }
        state.stopped = true;
        for socket in state.sockets.drain(..) {
            // A socket that is gone already needs no ending.
            let _ = socket.shutdown(Shutdown::Both);
        }
        drop(state);
        self.changed.notify_all();
        // Wakes the listener; it fails only when the listener is gone.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

/// A running v5 seeder. Dropped, it is gone with its threads and port.
pub struct Server {
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts one on a free port of `127.0.0.1`.
    ///
    /// # Errors
    /// No free port.
    pub fn start(habits: Habits) -> io::Result<Self> {
        Self::start_on("127.0.0.1:0", habits)
    }

    /// Starts one on this address.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn start_on(address: &str, habits: Habits) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            habits,
            address: listener.local_addr()?,
        });
        let listening = Arc::clone(&shared);
        let listener = std::thread::spawn(move || listen(&listener, &listening));
        Ok(Self { shared, listener: Some(listener) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Puts a blob in its storage.
    pub fn hold(&self, blob: &super::Blob) {
        self.shared.state().blobs.insert(blob.id.clone(), Arc::new(blob.sealed.clone()));
    }

    /// Lets it know a peer of a blob, as an ANNOUNCE would.
    pub fn know(&self, id: &str, peer: &str) {
        self.shared.state().peers.entry(id.to_owned()).or_default().push(peer.to_owned());
    }

    /// Lets the blobs go that [`Habits::hold_after`] holds back.
    pub fn release(&self) {
        self.shared.state().released = true;
        self.shared.changed.notify_all();
    }

    /// Blob IDs asked of it so far, in order.
    pub fn requests(&self) -> Vec<String> {
        self.shared.state().requests.clone()
    }

    /// Payloads of the HELLOs it got.
    pub fn hellos(&self) -> Vec<Vec<u8>> {
        self.shared.state().hellos.clone()
    }

    /// Payloads of the PUBLISHes it got.
    pub fn publications(&self) -> Vec<String> {
        self.shared.state().publications.clone()
    }

    /// Connections that were made to it, failed handshakes aside.
    pub fn connections(&self) -> usize {
        self.shared.state().connections
    }

    /// What killed it, if something did.
    pub fn death(&self) -> Option<Death> {
        self.shared.state().death
    }

    /// Waits until it has served this many whole blobs.
    ///
    /// # Errors
    /// It had not within `patience`.
    pub fn wait_served(&self, blobs: usize, patience: Duration) -> io::Result<()> {
        self.wait(patience, |state| state.served >= blobs, "the seeder was not asked for enough blobs in time")
    }

    /// Waits until this many connections were made.
    ///
    /// # Errors
    /// They were not within `patience`.
    pub fn wait_connections(&self, connections: usize, patience: Duration) -> io::Result<()> {
        self.wait(patience, |state| state.connections >= connections, "nobody dialled the seeder in time")
    }

    fn wait(&self, patience: Duration, done: impl Fn(&State) -> bool, late: &str) -> io::Result<()> {
        let deadline = Instant::now() + patience;
        let mut state = self.shared.state();
        while !done(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::Error::new(io::ErrorKind::TimedOut, late));
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop(None);
        let threads = std::mem::take(&mut self.shared.state().threads);
        for thread in threads.into_iter().chain(self.listener.take()) {
            // A thread that panicked has said so on standard error.
            let _ = thread.join();
        }
    }
}

fn listen(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept() {
        let mut state = shared.state();
        if state.stopped {
            return;
        }
        let Ok(handle) = stream.try_clone() else { return };
        state.sockets.push(handle);
        let serving = Arc::clone(shared);
        state.threads.push(std::thread::spawn(move || {
            let death = match serve(stream, &serving) {
                Ok(()) => None,
                Err(V5Error::BadTag) => Some(Death::BadTag),
                Err(V5Error::Length(n)) => Some(Death::Length(n)),
                Err(V5Error::ZeroKey) => Some(Death::ZeroKey),
                Err(V5Error::Unexpected(REQUEST)) => Some(Death::EmptyRequest),
                Err(V5Error::Io(e)) if e.kind() == io::ErrorKind::ConnectionReset => Some(Death::Reset),
                Err(_) => None,
            };
            if death.is_some() {
                serving.stop(death);
            }
        }));
    }
}

/// One connection, to its end.
fn serve(stream: TcpStream, shared: &Shared) -> Result<(), V5Error> {
    let mut wire = Wire::accept(stream)?;
    shared.state().connections += 1;
    shared.changed.notify_all();
    let mut sent = 0;
    loop {
        let Message { kind, payload } = wire.receive()?;
        let text = String::from_utf8_lossy(&payload).into_owned();
        match kind {
            HELLO => shared.state().hellos.push(payload),
            REQUEST if payload.is_empty() => return Err(V5Error::Unexpected(REQUEST)),
            REQUEST => {
                let blob = {
                    let mut state = shared.state();
                    state.requests.push(text.clone());
                    state.blobs.get(&text).cloned()
                };
                match blob {
                    Some(_) if shared.habits.mute => {}
                    Some(blob) if !send_blob(&mut wire, shared, &blob, &mut sent)? => return Ok(()),
                    Some(_) => {
                        shared.state().served += 1;
                        shared.changed.notify_all();
                    }
                    None => wire.send(ERROR, b"Not Found")?,
                }
            }
            FIND_PEERS => {
                let known = shared.state().peers.get(&text).cloned().unwrap_or_default();
                wire.send(PEERS, serde_json::to_string(&known).map_err(io::Error::other)?.as_bytes())?;
            }
            PUBLISH => {
                shared.state().publications.push(text);
                wire.send(OK, b"Published")?;
            }
            ANNOUNCE => {
                if let Ok(announce) = serde_json::from_slice::<serde_json::Value>(&payload)
                    && let (Some(id), Some(peer)) = (announce["blobId"].as_str(), announce["peerAddress"].as_str())
                {
                    shared.state().peers.entry(id.to_owned()).or_default().push(peer.to_owned());
                }
            }
            _ => {}
        }
    }
}

/// Sends a blob as the habits say; false when the connection was cut or the seeder stopped instead.
fn send_blob(wire: &mut Wire, shared: &Shared, blob: &[u8], sent: &mut usize) -> Result<bool, V5Error> {
    let habits = shared.habits;
    if let Some(limit) = habits.hold_after {
        let mut state = shared.state();
        while state.served >= limit && !state.released && !state.stopped {
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.stopped {
            return Ok(false);
        }
    }
    let mut wrong;
    let mut bytes = blob;
    if habits.corrupt {
        wrong = blob.to_vec();
        if let Some(byte) = wrong.last_mut() {
            *byte ^= 1;
        }
        bytes = &wrong;
    }
    for piece in bytes.chunks(habits.split.unwrap_or(bytes.len()).max(1)) {
        if let Some(limit) = habits.cut_after
            && *sent >= limit
            && !std::mem::replace(&mut shared.state().cut, true)
        {
            wire.close();
            return Ok(false);
        }
        match habits.pace {
            Some((bytes, pause)) => wire.trickle(DATA, piece, bytes, || {
                std::thread::sleep(pause);
                !shared.state().stopped
            })?,
            None => wire.send(DATA, piece)?,
        }
        *sent += piece.len();
    }
    Ok(true)
}
