//! One encrypted connection: 32 raw bytes each way, then frames.

use super::{BLOB_LEN, PATIENCE, V5Error};
use blake2::{Blake2b256, Digest};
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Instant;
use x25519_dalek::{PublicKey, StaticSecret};

/// Tag of every frame, in bytes.
const TAG_LEN: usize = 16;

/// Both directions' keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// Dialler to acceptor: BLAKE2b-256(shared ‖ "C").
    pub client: [u8; 32],
    /// Acceptor to dialler: BLAKE2b-256(shared ‖ "S").
    pub server: [u8; 32],
}

impl Keys {
    /// From our secret and the other side's public key.
    ///
    /// # Errors
    /// [`V5Error::ZeroKey`] when the shared secret is all zero.
    pub fn agree(secret: &StaticSecret, other: [u8; 32]) -> Result<Self, V5Error> {
        let shared = secret.diffie_hellman(&PublicKey::from(other));
        if shared.as_bytes() == &[0; 32] {
            return Err(V5Error::ZeroKey);
        }
        let derive = |letter: u8| {
            let mut hash = Blake2b256::new();
            hash.update(shared.as_bytes());
            hash.update([letter]);
            hash.finalize().into()
        };
        Ok(Self { client: derive(b'C'), server: derive(b'S') })
    }
}

/// The nonce of frame `n` of a direction: 12 bytes, little-endian.
fn nonce(n: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&n.to_le_bytes());
    Nonce::from(bytes)
}

/// Seals one direction's frames.
pub struct Sealer {
    cipher: ChaCha20Poly1305,
    count: u64,
}

impl Sealer {
    /// Starts at frame 0.
    pub fn new(key: &[u8; 32]) -> Self {
        Self { cipher: ChaCha20Poly1305::new(&Key::from(*key)), count: 0 }
    }

    /// The next frame, length and all, of this type byte and payload.
    ///
    /// # Errors
    /// [`V5Error::Length`] when the payload is longer than the cipher takes.
    pub fn seal(&mut self, kind: u8, payload: &[u8]) -> Result<Vec<u8>, V5Error> {
        let mut plain = Vec::with_capacity(1 + payload.len());
        plain.push(kind);
        plain.extend_from_slice(payload);
        let sealed =
            self.cipher.encrypt(&nonce(self.count), plain.as_slice()).map_err(|_| V5Error::Length(plain.len()))?;
        self.count += 1;
        let length = u32::try_from(sealed.len()).map_err(|_| V5Error::Length(sealed.len()))?;
        let mut frame = length.to_be_bytes().to_vec();
        frame.extend_from_slice(&sealed);
        Ok(frame)
    }
}

/// Opens one direction's frames.
pub struct Opener {
    cipher: ChaCha20Poly1305,
    count: u64,
}

impl Opener {
    /// Starts at frame 0.
    pub fn new(key: &[u8; 32]) -> Self {
        Self { cipher: ChaCha20Poly1305::new(&Key::from(*key)), count: 0 }
    }

    /// Opens the next frame's `N` bytes.
    ///
    /// # Errors
    /// [`V5Error::BadTag`] when they were not sealed under this key as this frame.
    pub fn open(&mut self, sealed: &[u8]) -> Result<Message, V5Error> {
        let mut plain = self.cipher.decrypt(&nonce(self.count), sealed).map_err(|_| V5Error::BadTag)?;
        self.count += 1;
        if plain.is_empty() {
            return Err(V5Error::Length(sealed.len()));
        }
        let payload = plain.split_off(1);
        Ok(Message { kind: plain[0], payload })
    }
}

/// One opened message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Type byte.
    pub kind: u8,
    /// Payload.
    pub payload: Vec<u8>,
}

/// One encrypted connection.
pub struct Wire {
    stream: TcpStream,
    sealer: Sealer,
    opener: Opener,
    /// When the v5 side gives up; a seeder never does.
    deadline: Option<Instant>,
}

impl Wire {
    /// Dials a peer; everything on this connection must end within [`PATIENCE`].
    ///
    /// # Errors
    /// No connection, no key, or a key of low order.
    pub fn dial(peer: SocketAddr) -> Result<Self, V5Error> {
        let deadline = Instant::now() + PATIENCE;
        let stream = TcpStream::connect_timeout(&peer, PATIENCE)?;
        Self::shake(stream, true, Some(deadline))
    }

    /// As [`Self::dial`], over a stream that is there already: through a proxy.
    ///
    /// # Errors
    /// As [`Self::dial`].
    pub fn dial_over(stream: TcpStream) -> Result<Self, V5Error> {
        Self::shake(stream, true, Some(Instant::now() + PATIENCE))
    }

    /// The accepting side.
    ///
    /// # Errors
    /// No key, or a key of low order.
    pub fn accept(stream: TcpStream) -> Result<Self, V5Error> {
        Self::shake(stream, false, None)
    }

    fn shake(mut stream: TcpStream, dialler: bool, deadline: Option<Instant>) -> Result<Self, V5Error> {
        stream.set_nodelay(true)?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let secret = StaticSecret::from(seed);
        stream.write_all(PublicKey::from(&secret).as_bytes())?;
        let mut other = [0; 32];
        read_exact(&mut stream, &mut other, deadline)?;
        let keys = Keys::agree(&secret, other)?;
        let (out, inward) = if dialler { (keys.client, keys.server) } else { (keys.server, keys.client) };
        Ok(Self { stream, sealer: Sealer::new(&out), opener: Opener::new(&inward), deadline })
    }

    /// Lets everything on this connection take so long from now on.
    pub fn be_patient(&mut self, patience: std::time::Duration) {
        self.deadline = Some(Instant::now() + patience);
    }

    /// Sends one message.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn send(&mut self, kind: u8, payload: &[u8]) -> Result<(), V5Error> {
        let frame = self.sealer.seal(kind, payload)?;
        Ok(self.stream.write_all(&frame)?)
    }

    /// Sends one message a few bytes at a time, for as long as `go_on` says so between them.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn trickle(
        &mut self,
        kind: u8,
        payload: &[u8],
        bytes: usize,
        mut go_on: impl FnMut() -> bool,
    ) -> Result<(), V5Error> {
        let frame = self.sealer.seal(kind, payload)?;
        for piece in frame.chunks(bytes.max(1)) {
            self.stream.write_all(piece)?;
            if !go_on() {
                break;
            }
        }
        Ok(())
    }

    /// Sends bytes as they are, below the framing: what a broken or hostile peer does.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<(), V5Error> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// The next message.
    ///
    /// # Errors
    /// The connection is gone ([`io::ErrorKind::UnexpectedEof`] when the other side closed), a frame of an illegal
    /// length or with a bad tag, or nothing came in time.
    pub fn receive(&mut self) -> Result<Message, V5Error> {
        let mut header = [0; 4];
        read_exact(&mut self.stream, &mut header, self.deadline)?;
        let length = u32::from_be_bytes(header) as usize;
        if !(1 + TAG_LEN..=1 + BLOB_LEN + TAG_LEN).contains(&length) {
            return Err(V5Error::Length(length));
        }
        let mut sealed = vec![0; length];
        read_exact(&mut self.stream, &mut sealed, self.deadline)?;
        self.opener.open(&sealed)
    }

    /// A second handle on the socket, to end it from another thread.
    ///
    /// # Errors
    /// The system has no more handles.
    pub fn handle(&self) -> Result<TcpStream, V5Error> {
        Ok(self.stream.try_clone()?)
    }

    /// Says that nothing more comes (FIN).
    pub fn close(&self) {
        // An end that is closed already needs no closing.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// Reads exactly `buf`, within the deadline if there is one.
fn read_exact(stream: &mut TcpStream, mut buf: &mut [u8], deadline: Option<Instant>) -> Result<(), V5Error> {
    while !buf.is_empty() {
        if let Some(deadline) = deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(V5Error::GaveUp);
            }
            stream.set_read_timeout(Some(left))?;
        }
        match stream.read(buf) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(n) => buf = &mut buf[n..],
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Err(V5Error::GaveUp);
            }
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}
