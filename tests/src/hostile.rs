//! A peer that says what a test tells it to say, below every rule: as a dialler over [`Wire`], as a listener here.
//!
//! The messages of the extensions are written byte by byte, without the product's protocol crate.

use crate::v5::author::{Author, item_bytes};
use crate::v5::{Blob, FIND_PEERS, HELLO, PEERS, REQUEST, V5Error, Wire};
use data_encoding::HEXLOWER;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// HAVE_QUERY (E5).
pub const HAVE_QUERY: u8 = 0x12;
/// HAVE (E5).
pub const HAVE: u8 = 0x13;
/// GET_MANIFEST (E4).
pub const GET_MANIFEST: u8 = 0x10;
/// MANIFEST (E4).
pub const MANIFEST: u8 = 0x11;
/// CANCEL (E5).
pub const CANCEL: u8 = 0x16;
/// NONE (E3).
pub const NONE: u8 = 0x14;

/// Payload of MANIFEST: id ‖ BEP 44 signature ‖ JSON.
pub fn manifest(id: u32, bep44: &[u8; 64], json: &str) -> Vec<u8> {
    [&id.to_be_bytes()[..], bep44, json.as_bytes()].concat()
}

/// Payload of a HELLO of the extensions that names one public channel.
pub fn hello(channel: &str, sequence: u64) -> Vec<u8> {
    format!("{{\"v\":5,\"gossip\":{{\"{channel}\":{sequence}}},\"ext\":[\"manifest\",\"have\",\"split\"]}}")
        .into_bytes()
}

/// A connection to a node about this author's channel; both HELLOs are said, so extensions may be used.
///
/// # Errors
/// No connection, or no HELLO.
pub fn dial(node: SocketAddr, author: &Author, sequence: u64) -> Result<Wire, V5Error> {
    let mut wire = Wire::dial(node)?;
    wire.send(HELLO, &hello(&author.channel(), sequence))?;
    while wire.receive()?.kind != HELLO {}
    Ok(wire)
}

/// Waits until the node has dealt with all that was sent on this connection: false if it ended the connection for it.
///
/// # Errors
/// Neither an answer nor an end in time.
pub fn dealt_with(wire: &mut Wire) -> Result<bool, V5Error> {
    let ended = |error: &io::Error| {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
    };
    let asked = wire.send(FIND_PEERS, "0".repeat(64).as_bytes());
    if let Err(V5Error::Io(error)) = &asked
        && ended(error)
    {
        return Ok(false);
    }
    asked?;
    loop {
        match wire.receive() {
            Ok(message) if message.kind == PEERS => return Ok(true),
            Ok(_) => {}
            Err(V5Error::Io(error)) if ended(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

/// Pushes a manifest that its author signed twice, as the DHT and peers want it; false if the node ended the connection.
///
/// # Errors
/// The node does not answer.
pub fn push(node: SocketAddr, author: &Author, json: &str, sequence: u64) -> Result<bool, V5Error> {
    let mut wire = dial(node, author, 0)?;
    let bep44 = author.sign_text(item_bytes(json, sequence).as_slice());
    wire.send(MANIFEST, &manifest(0, &bep44, json))?;
    dealt_with(&mut wire)
}

/// A tree's JSON (E1): root blob, its size and depth as the test wants them.
pub fn tree(root: &Blob, size: u64, depth: u64) -> String {
    format!(
        "{{\"blobId\":\"{}\",\"key\":\"{}\",\"nonce\":\"{}\",\"size\":{size},\"depth\":{depth}}}",
        root.id,
        HEXLOWER.encode(&root.key),
        HEXLOWER.encode(&root.nonce)
    )
}

/// A table's record (E1): blob ID ‖ key ‖ nonce.
///
/// # Errors
/// The blob's ID is no hex.
pub fn record(child: &Blob) -> io::Result<Vec<u8>> {
    let id = HEXLOWER.decode(child.id.as_bytes()).map_err(io::Error::other)?;
    Ok([id.as_slice(), &child.key, &child.nonce].concat())
}

/// A manifest whose body is a tree (E2), signed.
pub fn body_manifest(author: &Author, tree: &str, sequence: u64) -> String {
    author.sign(&format!(
        "{{\"publicKey\":\"{}\",\"sequence\":{sequence},\"collections\":[{{\"items\":[]}}],\"body\":{tree},\
         \"timestamp\":{sequence}}}",
        author.channel()
    ))
}

/// Speaks the extensions on an accepted connection, follows this channel, and says that it holds whatever is asked for;
/// what it does with a REQUEST is the test's: told the blob's ID.
///
/// # Errors
/// The connection ended, or what the test does failed.
pub fn claim_everything(
    stream: TcpStream,
    channel: &str,
    mut asked: impl FnMut(&mut Wire, &str) -> Result<(), V5Error>,
) -> Result<(), V5Error> {
    let mut wire = Wire::accept(stream)?;
    loop {
        let message = wire.receive()?;
        match message.kind {
            HELLO => wire.send(HELLO, &hello(channel, 0))?,
            HAVE_QUERY => {
                let (id, blobs) = message.payload.split_at(4.min(message.payload.len()));
                let count = blobs.len() / 32;
                let mut bits = vec![0xff; count.div_ceil(8)];
                if let Some(last) = bits.last_mut().filter(|_| count % 8 != 0) {
                    *last <<= 8 - count % 8;
                }
                wire.send(HAVE, &[id, &bits].concat())?;
            }
            GET_MANIFEST => wire.send(NONE, &[message.payload.get(..4).unwrap_or_default(), &[0]].concat())?,
            FIND_PEERS => wire.send(PEERS, b"[]")?,
            REQUEST => asked(&mut wire, &String::from_utf8_lossy(&message.payload))?,
            _ => {}
        }
    }
}

type Script = dyn Fn(TcpStream, usize) + Send + Sync;

/// A listening peer: every connection runs the test's script, which is told how many came before.
pub struct Listener {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    sockets: Arc<Mutex<Vec<TcpStream>>>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Starts one on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// No free port.
    pub fn start(script: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (stopped, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let sockets = Arc::new(Mutex::new(Vec::new()));
        let (stop, counter, kept) = (stopped.clone(), count.clone(), sockets.clone());
        let script: Arc<Script> = Arc::new(script);
        let thread = std::thread::spawn(move || {
            let mut running = Vec::new();
            while let Ok((stream, _)) = listener.accept() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let number = counter.fetch_add(1, Ordering::SeqCst);
                if let Ok(handle) = stream.try_clone() {
                    kept.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
                }
                let script = script.clone();
                running.push(std::thread::spawn(move || script(stream, number)));
            }
            for thread in running {
                // A script that panicked has said so on standard error.
                let _ = thread.join();
            }
        });
        Ok(Self { address, stopped, count, sockets, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        for socket in self.sockets.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // A socket that is gone already needs no ending.
            let _ = socket.shutdown(Shutdown::Both);
        }
        // Wakes the listener; it fails only when the listener is gone.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        if let Some(thread) = self.thread.take() {
            // As above.
            let _ = thread.join();
        }
    }
}
