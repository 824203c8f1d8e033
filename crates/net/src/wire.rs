//! Handshake and frames over a [`crate::gate::Stream`].

use crate::gate::Stream;
use protocol::{handshake::Binding, session::Role};
use std::time::Duration;

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
    Io(#[from] std::io::Error),
}
/// Reads frames.
pub struct FrameReader {
    _p: (),
}
/// Writes frames.
pub struct FrameWriter {
    _p: (),
}

/// Both sides send 32 bytes at once; the whole must end within `timeout`.
#[allow(clippy::todo, unused_variables)]
pub async fn handshake(
    stream: Box<dyn Stream>,
    role: Role,
    timeout: Duration,
) -> Result<(FrameReader, FrameWriter, Binding), WireError> {
    todo!()
}

#[allow(clippy::todo, unused_variables)]
impl FrameReader {
    /// Reads and opens one frame into `frame` (type byte and payload; a reused buffer). `max`: asked for the cap on N once the header
    /// is here, before anything is allocated.
    pub async fn read(&mut self, max: &(dyn Fn() -> usize + Sync), frame: &mut Vec<u8>) -> Result<(), WireError> {
        todo!()
    }
}
#[allow(clippy::todo, unused_variables)]
impl FrameWriter {
    /// Seals and writes one plain frame; returns when the kernel has it.
    pub async fn write(&mut self, plain: &[u8]) -> Result<(), WireError> {
        todo!()
    }
    /// FIN, after everything was written.
    pub async fn close(&mut self) -> Result<(), WireError> {
        todo!()
    }
}
