//! §2.1 Handshake and §2.2 Framing over a [`crate::gate::Stream`].
//!
//! Owns: the bytes between the socket and the cipher. Promises: nothing is allocated for a frame before its length was
//! checked; a body is read straight into the caller's buffer and opened there; a frame leaves in one write.
//! Reading never waits for more than the frame at hand, but takes the next header along when it is already here: one
//! system call less for each frame of a busy stream.

use crate::gate::Stream;
use protocol::frame::{HEADER_LEN, Opener, Sealer};
use protocol::handshake::{Binding, Handshake};
use protocol::params::TAG_LEN;
use protocol::session::Role;
use std::io::{self, IoSlice};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use zeroize::Zeroizing;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The peer closed in peace, between frames.
    #[error("closed")]
    Closed,
    /// Timed out.
    #[error("no answer in time")]
    TimedOut,
    /// Zero key.
    #[error(transparent)]
    ZeroKey(#[from] protocol::handshake::ZeroKey),
    /// Bad length or tag.
    #[error(transparent)]
    Frame(#[from] protocol::frame::FrameError),
    /// Network trouble.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads frames.
pub struct FrameReader {
    stream: ReadHalf<Box<dyn Stream>>,
    opener: Opener,
    /// The header of the frame at hand, as far as it is here.
    header: [u8; HEADER_LEN],
    header_len: usize,
    /// `N` of the frame whose body is being read, and how much of it (and of the next header) is here.
    body: Option<usize>,
    body_len: usize,
    /// Hears of bytes as they come.
    came: Option<Box<dyn FnMut(usize) + Send>>,
}

/// Writes frames.
pub struct FrameWriter {
    stream: WriteHalf<Box<dyn Stream>>,
    sealer: Sealer,
    /// One sealed frame: header and body. Of both together, what lies before `sent` has left.
    header: [u8; HEADER_LEN],
    body: Vec<u8>,
    sent: usize,
}

/// Both sides send 32 bytes at once; the whole must end within `timeout`.
///
/// # Errors
/// [`WireError::ZeroKey`] for a low-order point, [`WireError::Closed`] when the peer closes before its first byte.
pub async fn handshake(
    stream: Box<dyn Stream>,
    role: Role,
    timeout: Duration,
) -> Result<(FrameReader, FrameWriter, Binding), WireError> {
    tokio::time::timeout(timeout, exchange(stream, role)).await.map_err(|_| WireError::TimedOut)?
}

async fn exchange(mut stream: Box<dyn Stream>, role: Role) -> Result<(FrameReader, FrameWriter, Binding), WireError> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *secret).map_err(io::Error::other)?;
    let ours = Handshake::new(role, *secret);
    stream.write_all(&ours.public()).await?;
    stream.flush().await?;
    let mut peer = [0; 32];
    let mut have = 0;
    while have < peer.len() {
        match stream.read(&mut peer[have..]).await? {
            0 if have == 0 => return Err(WireError::Closed),
            0 => return Err(cut_short()),
            n => have += n,
        }
    }
    let (sealer, opener, binding) = ours.finish(peer)?;
    let (read, write) = tokio::io::split(stream);
    let reader = FrameReader {
        stream: read,
        opener,
        header: [0; HEADER_LEN],
        header_len: 0,
        body: None,
        body_len: 0,
        came: None,
    };
    let writer = FrameWriter { stream: write, sealer, header: [0; HEADER_LEN], body: Vec::new(), sent: HEADER_LEN };
    Ok((reader, writer, binding))
}

fn cut_short() -> WireError {
    WireError::Io(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended inside a frame"))
}

impl FrameReader {
    /// Tells `came` of bytes of frames as they come, sealed as they are: a frame may hold a whole blob, and take a minute.
    pub fn on_bytes(&mut self, came: impl FnMut(usize) + Send + 'static) {
        self.came = Some(Box::new(came));
    }

    /// Reads and opens one frame into `frame` (type byte and payload; a reused buffer, whose old content is gone). `max`:
    /// asked for the cap on N once the header is here, before anything is allocated.
    ///
    /// A call that was dropped may be repeated with the same, untouched buffer: it goes on where it stood.
    ///
    /// # Errors
    /// [`WireError::Closed`] at a FIN between frames. After any error the connection is over.
    pub async fn read(&mut self, max: &(dyn Fn() -> usize + Sync), frame: &mut Vec<u8>) -> Result<(), WireError> {
        let length = match self.body {
            Some(length) => length,
            None => {
                self.read_header().await?;
                let length = Opener::length(self.header, max())?;
                self.header_len = 0;
                self.body_len = 0;
                *self.body.insert(length)
            }
        };
        // Only what the buffer lacks is zeroed: its length from the last frame is kept until here.
        frame.resize(length + HEADER_LEN, 0);
        while self.body_len < length {
            match self.stream.read(&mut frame[self.body_len..]).await? {
                0 => return Err(cut_short()),
                n => {
                    self.body_len += n;
                    if let Some(came) = &mut self.came {
                        came(n);
                    }
                }
            }
        }
        self.header_len = self.body_len - length;
        self.header[..self.header_len].copy_from_slice(&frame[length..self.body_len]);
        self.body = None;
        let plain = self.opener.open(&mut frame[..length])?.len();
        debug_assert_eq!(plain + TAG_LEN, length);
        frame.truncate(plain);
        Ok(())
    }

    async fn read_header(&mut self) -> Result<(), WireError> {
        while self.header_len < HEADER_LEN {
            match self.stream.read(&mut self.header[self.header_len..]).await? {
                0 if self.header_len == 0 => return Err(WireError::Closed),
                0 => return Err(cut_short()),
                n => self.header_len += n,
            }
        }
        Ok(())
    }
}

impl FrameWriter {
    /// Seals one plain frame where it lies and writes it; returns when the kernel has it.
    ///
    /// The frame of a call that was dropped midway is finished by the next call: it must not be given again.
    ///
    /// # Errors
    /// [`WireError::Io`]; the connection is over then.
    pub async fn write(&mut self, plain: Vec<u8>) -> Result<(), WireError> {
        self.send().await?;
        self.body = plain;
        self.header = self.sealer.seal_in_place(&mut self.body);
        self.sent = 0;
        self.send().await
    }

    /// FIN, after everything was written.
    ///
    /// # Errors
    /// [`WireError::Io`]; the connection is over then.
    pub async fn close(&mut self) -> Result<(), WireError> {
        self.send().await?;
        Ok(self.stream.shutdown().await?)
    }

    async fn send(&mut self) -> Result<(), WireError> {
        while self.sent < HEADER_LEN + self.body.len() {
            let header = self.header.get(self.sent..).unwrap_or_default();
            let body = &self.body[self.sent.saturating_sub(HEADER_LEN)..];
            match self.stream.write_vectored(&[IoSlice::new(header), IoSlice::new(body)]).await? {
                0 => return Err(WireError::Io(io::ErrorKind::WriteZero.into())),
                n => self.sent += n,
            }
        }
        // A whole blob's, perhaps: nobody holds it until the next one comes.
        (self.body, self.sent) = (Vec::new(), HEADER_LEN);
        Ok(self.stream.flush().await?)
    }
}

#[cfg(test)]
mod tests;
