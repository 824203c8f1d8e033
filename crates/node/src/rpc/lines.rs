//! A byte stream cut into lines of bounded length.

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use zeroize::Zeroizing;

/// Lines of bounded length. `next` may be dropped at any time: what was read stays.
pub(super) struct Lines<R> {
    reading: BufReader<R>,
    partial: Zeroizing<Vec<u8>>,
    limit: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(reading: R, limit: usize) -> Self {
        Self { reading: BufReader::new(reading), partial: Zeroizing::new(Vec::new()), limit }
    }

    /// The next line without its end; none at the end of the stream.
    ///
    /// # Errors
    /// The stream fails, ends within a line (`UnexpectedEof`), or a line is over the limit (`InvalidData`).
    pub(super) async fn next(&mut self) -> std::io::Result<Option<Zeroizing<Vec<u8>>>> {
        loop {
            let read = self.reading.fill_buf().await?;
            if read.is_empty() {
                return if self.partial.is_empty() { Ok(None) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) };
            }
            let end = read.iter().position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(read.len());
            if self.partial.len() + taken > self.limit {
                return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "line too long"));
            }
            self.partial.extend_from_slice(&read[..taken]);
            self.reading.consume(end.map_or(taken, |end| end + 1));
            if end.is_some() {
                return Ok(Some(std::mem::take(&mut self.partial)));
            }
        }
    }
}
