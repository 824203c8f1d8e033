//! The local socket: a Unix socket in the data folder, a named pipe on Windows. Only the same user can connect.
//!
//! Promises: one name for a data folder, the same for every process that names this folder; the socket is made with mode
//! 0600 (on Windows: with an access list of its owner alone), not given it afterwards, wherever the system can.

use crate::gate::Stream;
use interprocess::local_socket::tokio::prelude::*;
use interprocess::local_socket::{ListenerOptions, Name};
#[cfg(windows)]
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};

/// Listens for this user's other processes.
pub struct LocalListener {
    listener: LocalSocketListener,
}

impl LocalListener {
    /// Binds it for a data folder that this process has locked (a stale socket file is replaced).
    ///
    /// # Errors
    /// What the system said; the folder must exist.
    pub fn bind(data_dir: &Path) -> io::Result<Self> {
        let place = place_to_bind(data_dir)?;
        let options = ListenerOptions::new().name(name(&place)?).try_overwrite(true);
        let listener = private(options)?.create_tokio()?;
        protect(&place)?;
        Ok(Self { listener })
    }

    /// The next connection.
    ///
    /// # Errors
    /// What the system said.
    pub async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(Box::new(self.listener.accept().await?))
    }
}

/// Connects to the process that owns a data folder.
///
/// # Errors
/// `NotFound` or `ConnectionRefused` if no process does; `PermissionDenied` if another user put a socket in its place.
pub async fn connect(data_dir: &Path) -> io::Result<Box<dyn Stream>> {
    let place = place(data_dir)?;
    same_owner(&place, data_dir)?;
    Ok(Box::new(LocalSocketStream::connect(name(&place)?).await?))
}

#[cfg(windows)]
/// The first 16 bytes of the SHA-256 of the folder's full path, in hex.
fn digest(data_dir: &Path) -> String {
    let path = data_dir.as_os_str().as_encoded_bytes();
    data_encoding::HEXLOWER.encode(&Sha256::digest(path)[..16])
}

/// Where a folder's socket is: one place, whatever way the folder was named.
#[cfg(unix)]
fn place(data_dir: &Path) -> io::Result<PathBuf> {
    let data_dir = data_dir.canonicalize()?;
    let inside = data_dir.join(SOCKET);
    if inside.as_os_str().len() <= LONGEST {
        return Ok(inside);
    }
    // One of its own, elsewhere: its name is written down, for nobody could guess it.
    let written = std::fs::read(data_dir.join(ELSEWHERE))?;
    let folder = PathBuf::from(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(written));
    Ok(folder.join(SOCKET))
}

/// The same for who listens there, who makes what is missing.
#[cfg(unix)]
fn place_to_bind(data_dir: &Path) -> io::Result<PathBuf> {
    let data_dir = data_dir.canonicalize()?;
    let inside = data_dir.join(SOCKET);
    if inside.as_os_str().len() <= LONGEST {
        return Ok(inside);
    }
    match place(&data_dir) {
        Ok(known) if known.parent().is_some_and(is_private) => return Ok(known),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let name = format!("megatorrent-{}", data_encoding::HEXLOWER.encode(&random));
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let parents = [runtime, Some(std::env::temp_dir()), Some(PathBuf::from("/tmp"))];
    let mut last = io::Error::from(io::ErrorKind::InvalidFilename);
    for folder in parents.into_iter().flatten().map(|parent| parent.join(&name)) {
        if folder.join(SOCKET).as_os_str().len() > LONGEST {
            continue;
        }
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(&folder) {
            Ok(()) => {
                std::fs::write(data_dir.join(ELSEWHERE), folder.as_os_str().as_encoded_bytes())?;
                return Ok(folder.join(SOCKET));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Whether a folder is one, ours, and closed to others.
#[cfg(unix)]
fn is_private(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let ours = rustix::process::geteuid().as_raw();
    std::fs::symlink_metadata(folder)
        .is_ok_and(|about| about.is_dir() && about.uid() == ours && about.mode() & 0o077 == 0)
}

/// The socket's name.
#[cfg(unix)]
const SOCKET: &str = "node.sock";
/// Names the folder with the socket of a data folder whose own path is too long for one.
#[cfg(unix)]
const ELSEWHERE: &str = "node.sock.folder";
/// `sun_path` has 104 bytes on macOS and the BSDs, 108 on Linux, the closing zero included.
#[cfg(unix)]
const LONGEST: usize = 103;

#[cfg(windows)]
fn place(data_dir: &Path) -> io::Result<PathBuf> {
    Ok(place_of(&data_dir.canonicalize()?))
}

#[cfg(windows)]
fn place_to_bind(data_dir: &Path) -> io::Result<PathBuf> {
    place(data_dir)
}

#[cfg(windows)]
fn place_of(data_dir: &Path) -> PathBuf {
    PathBuf::from(format!(r"\\.\pipe\megatorrent-{}", digest(data_dir)))
}

fn name(place: &Path) -> io::Result<Name<'_>> {
    place.to_fs_name::<interprocess::local_socket::GenericFilePath>()
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "openbsd"))]
fn private(options: ListenerOptions<'_>) -> io::Result<ListenerOptions<'_>> {
    use interprocess::os::unix::local_socket::ListenerOptionsExt as _;
    Ok(options.mode(0o600))
}

/// Other systems cannot set a socket's mode before it is bound: there the folder's mode guards it until [`protect`] does.
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "openbsd"))))]
fn private(options: ListenerOptions<'_>) -> io::Result<ListenerOptions<'_>> {
    Ok(options)
}

#[cfg(windows)]
fn private(options: ListenerOptions<'_>) -> io::Result<ListenerOptions<'_>> {
    use interprocess::os::windows::local_socket::ListenerOptionsExt as _;
    use interprocess::os::windows::security_descriptor::SecurityDescriptor;
    // Full access for the owner, nobody else, nothing inherited.
    let owner_only = widestring::u16cstr!("D:P(A;;GA;;;OW)");
    Ok(options.security_descriptor(SecurityDescriptor::deserialize(owner_only)?))
}

#[cfg(unix)]
fn protect(place: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(place, std::fs::Permissions::from_mode(0o600))
}

/// In a shared folder for temporary files another user may have taken the name first.
#[cfg(unix)]
fn same_owner(place: &Path, data_dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    if std::fs::symlink_metadata(place)?.uid() == std::fs::metadata(data_dir)?.uid() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "the local socket belongs to another user"))
}

#[cfg(windows)]
fn same_owner(_place: &Path, _data_dir: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(windows)]
fn protect(_place: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn talks(dir: &Path) {
        let listener = LocalListener::bind(dir).unwrap();
        let (client, server) = tokio::join!(connect(dir), listener.accept());
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        client.write_all(b"status").await.unwrap();
        let mut got = [0; 6];
        server.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"status");
        server.write_all(b"ok").await.unwrap();
        drop(server);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"ok");
    }

    #[tokio::test]
    async fn two_processes_of_one_user_talk() {
        let dir = tempfile::tempdir().unwrap();
        assert!(connect(dir.path()).await.is_err(), "nobody listens yet");
        talks(dir.path()).await;
        assert!(connect(dir.path()).await.is_err(), "nobody listens any more");
    }

    #[tokio::test]
    async fn a_folder_with_a_long_path_has_a_socket_too() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        // Two lives of one folder have one place.
        talks(&deep).await;
        #[cfg(unix)]
        {
            let first = place(&deep).unwrap();
            talks(&deep).await;
            assert_eq!(place(&deep).unwrap(), first);
            let folder = first.parent().unwrap();
            assert!(is_private(folder));
            // Somebody else's folder, where the first one was, is not used.
            std::fs::remove_dir_all(folder).unwrap();
            std::fs::create_dir(folder).unwrap();
            talks(&deep).await;
            assert_ne!(place(&deep).unwrap(), first);
            std::fs::remove_dir_all(folder).unwrap();
            std::fs::remove_dir_all(place(&deep).unwrap().parent().unwrap()).unwrap();
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_the_mode_is_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        drop(std::os::unix::net::UnixListener::bind(dir.path().join("node.sock")).unwrap());
        assert!(dir.path().join("node.sock").exists(), "a crashed process leaves its file");
        let listener = LocalListener::bind(dir.path()).unwrap();
        let mode = std::fs::metadata(dir.path().join("node.sock")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(listener);
        talks(dir.path()).await;
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn two_names_of_one_folder_lead_to_one_socket() {
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join("other");
        std::os::unix::fs::symlink(dir.path(), &other).unwrap();
        assert_eq!(place(&other).unwrap(), place(dir.path()).unwrap());
    }
}
