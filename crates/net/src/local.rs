//! The local socket: a Unix socket in the data folder, a named pipe on Windows. Only the same user can connect.

use crate::gate::Stream;
use std::path::Path;

/// Listens for this user's other processes.
pub struct LocalListener {
    _p: (),
}
#[allow(clippy::todo, unused_variables)]
impl LocalListener {
    /// Binds it for a data folder that this process has locked (a stale socket file is replaced).
    pub fn bind(data_dir: &Path) -> std::io::Result<Self> {
        todo!()
    }
    /// The next connection.
    pub async fn accept(&self) -> std::io::Result<Box<dyn Stream>> {
        todo!()
    }
}
/// Connects to the process that owns a data folder.
#[allow(clippy::todo, unused_variables)]
pub async fn connect(data_dir: &Path) -> std::io::Result<Box<dyn Stream>> {
    todo!()
}
