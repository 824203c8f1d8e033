//! §2.2 Framing — `[N: u32 big-endian][ciphertext ‖ tag]`, one nonce counter a direction.

/// Seals frames of one direction.
pub struct Sealer {
    _p: (),
}
/// Opens frames of one direction.
pub struct Opener {
    _p: (),
}

/// A frame that ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// `N` under 17 or over the cap.
    #[error("frame of {0} bytes")]
    Length(u32),
    /// The tag does not fit.
    #[error("frame with a bad tag")]
    Tag,
}

#[allow(clippy::todo, unused_variables)]
impl Sealer {
    /// Appends to `wire` one whole frame of `plain` (type byte and payload).
    pub fn seal(&mut self, plain: &[u8], wire: &mut Vec<u8>) {
        todo!()
    }
}
#[allow(clippy::todo, unused_variables)]
impl Opener {
    /// Checks a frame's header against the cap before anything is allocated; returns N.
    pub fn length(header: [u8; 4], max: usize) -> Result<usize, FrameError> {
        todo!()
    }
    /// Opens the N bytes in place; returns type byte and payload.
    pub fn open<'a>(&mut self, sealed: &'a mut [u8]) -> Result<&'a [u8], FrameError> {
        todo!()
    }
}
