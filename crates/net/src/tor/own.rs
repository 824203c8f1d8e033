//! A tor that we start, watch and stop.
//!
//! Owns: the child process, its data folder, the folder with its sockets. Promises: it is spoken to by socket files that
//! no other account reaches (where there are none, by ports on loopback); it reads no configuration but ours and the
//! user's `torrc` in its folder; it is told none of this program's secrets; it ends with us even when we are killed.

use super::TorConfig;
use super::control::{Control, ControlAddr};
use super::owner::Known;
use super::service::Place;
use crate::route::RouteTrouble;
use crate::socks::ProxyAt;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

/// Time until it opens its control port. Reading its cached network takes seconds on a slow disk.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Between two looks at its files when its log says nothing.
const LOOK: Duration = Duration::from_millis(100);
/// Bytes of its cookie.
const COOKIE_LEN: u64 = 32;
/// Time to end in peace.
const END_LIMIT: Duration = Duration::from_secs(5);
/// Bytes of one line of its log that are read at once.
const LOG_LINE: u64 = 4096;
/// Warnings kept to say why it ended.
const WARNINGS: usize = 3;
/// Folders where packages put it that are not in every user's PATH.
const PLACES: [&str; 4] = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"];

/// Variables of this program: a passphrase and a proxy's password may stand in them.
const OUR_VARIABLES: &str = "MEGATORRENT_";

/// The running child.
pub(super) struct OwnTor {
    child: Child,
    log: Log,
    doors: Doors,
}

/// How it is spoken to.
enum Doors {
    /// By ports on loopback: where there are no socket files, or no folder whose name can be told to it.
    Ports,
    /// By files in this folder.
    #[cfg(unix)]
    Files(Sockets),
}

struct Log {
    lines: BufReader<ChildStdout>,
    warnings: VecDeque<String>,
}

/// The program to start, if there is one.
pub(super) fn program(config: &TorConfig) -> Option<PathBuf> {
    if let Some(program) = &config.program {
        return program.is_file().then(|| program.clone());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let name = format!("tor{}", std::env::consts::EXE_SUFFIX);
    let places = std::env::split_paths(&path).chain(PLACES.iter().map(PathBuf::from));
    places.map(|folder| folder.join(&name)).find(|file| file.is_file())
}

/// Starts it and logs in at its control port.
pub(super) async fn start(program: &Path, folder: &Path) -> Result<(OwnTor, Control), RouteTrouble> {
    let failed = |error: io::Error| RouteTrouble::TorEnded(error.to_string());
    let (port_file, cookie) = (folder.join("control_port"), folder.join("control_auth_cookie"));
    prepare(folder, &port_file, &cookie).await.map_err(failed)?;
    let torrc = folder.join("torrc");
    let none = folder.join("none");
    tokio::fs::write(&none, b"").await.map_err(failed)?;
    let doors = Doors::choose(folder).map_err(failed)?;
    let (control, socks) = doors.options();
    let mut command = Command::new(program);
    command
        .arg("-f")
        .arg(if torrc.is_file() { &torrc } else { &none })
        .arg("--defaults-torrc")
        .arg(&none)
        .arg("--DataDirectory")
        .arg(folder)
        .args(["--SocksPort", &socks])
        .args(["--ControlPort", &control, "--ControlPortWriteToFile"])
        .arg(&port_file)
        .args(["--CookieAuthentication", "1", "--CookieAuthFile"])
        .arg(&cookie)
        .args(["--__OwningControllerProcess", &std::process::id().to_string()])
        .args(["--ClientOnly", "1", "--ShutdownWaitLength", "0", "--AvoidDiskWrites", "1"])
        .args(["--DormantCanceledByStartup", "1", "--Log", "notice stdout"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with(OUR_VARIABLES) {
            command.env_remove(variable);
        }
    }
    let mut child = command.spawn().map_err(failed)?;
    let Some(stdout) = child.stdout.take() else { return Err(RouteTrouble::TorEnded("it has no output".into())) };
    let mut own = OwnTor { child, log: Log { lines: BufReader::new(stdout), warnings: VecDeque::new() }, doors };
    let starting = async {
        let addr = own.control_port(&port_file, &cookie).await?;
        Control::connect(&addr, None, Known::Named).await.map_err(|e| RouteTrouble::Control(e.to_string()))
    };
    let mut control = match tokio::time::timeout(START_LIMIT, starting).await {
        Ok(control) => control?,
        Err(_) => return Err(RouteTrouble::TorEnded("it did not open its control port in time".into())),
    };
    // From here on it ends when the control connection does.
    control.command("TAKEOWNERSHIP").await.map_err(|e| RouteTrouble::Control(e.to_string()))?;
    Ok((own, control))
}

/// Its folder is ours alone, and holds no port and no cookie of an earlier run.
async fn prepare(folder: &Path, port_file: &Path, cookie: &Path) -> io::Result<()> {
    tokio::fs::create_dir_all(folder).await?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        tokio::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).await?;
    }
    for old in [port_file, cookie] {
        match tokio::fs::remove_file(old).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

impl OwnTor {
    /// Waits until the files with the port and, a moment later, with the cookie are there. Each line of the log is a
    /// reason to look; the last of them may come before the cookie.
    async fn control_port(&mut self, file: &Path, cookie: &Path) -> Result<ControlAddr, RouteTrouble> {
        loop {
            // Files that are not there yet are looked for again.
            let text = tokio::fs::read_to_string(file).await.unwrap_or_default();
            let cookie = tokio::fs::metadata(cookie).await.map_or(0, |file| file.len());
            if let Some(addr) = self.doors.control(&text)
                && cookie >= COOKIE_LEN
            {
                return Ok(addr);
            }
            if let Ok(None) = tokio::time::timeout(LOOK, self.log.line()).await {
                return Err(self.ended().await);
            }
        }
    }

    /// Its SOCKS port, where that is no TCP port: those it tells itself.
    pub(super) fn socks(&self) -> Option<ProxyAt> {
        match &self.doors {
            Doors::Ports => None,
            #[cfg(unix)]
            Doors::Files(sockets) => Some(ProxyAt::Unix(sockets.folder.join("socks"))),
        }
    }

    /// Where it finds the listeners behind onion services.
    pub(super) fn onions(&self) -> Place {
        match &self.doors {
            Doors::Ports => Place::Loopback,
            #[cfg(unix)]
            Doors::Files(sockets) => Place::Folder(sockets.folder.clone()),
        }
    }

    /// Reads its log until it ends, and says why it did. May be dropped and called again.
    pub(super) async fn ended(&mut self) -> RouteTrouble {
        while self.log.line().await.is_some() {}
        let status = self.child.wait().await;
        RouteTrouble::TorEnded(self.log.last_words(status.ok()))
    }

    /// Waits for its end, which the caller has brought about by closing the control connection; then insists.
    pub(super) async fn stop(mut self) {
        let ending = async { while self.log.line().await.is_some() {} };
        // What it still says does not matter.
        let _ = tokio::time::timeout(END_LIMIT, ending).await;
        if tokio::time::timeout(END_LIMIT, self.child.wait()).await.is_err()
            && let Err(error) = self.child.kill().await
        {
            tracing::warn!(%error, "tor does not end");
        }
    }
}

impl Doors {
    #[cfg(unix)]
    fn choose(folder: &Path) -> io::Result<Self> {
        Ok(Sockets::beside(folder)?.map_or(Self::Ports, Self::Files))
    }
    #[cfg(not(unix))]
    fn choose(_folder: &Path) -> io::Result<Self> {
        Ok(Self::Ports)
    }

    /// What tor is told of its control and its SOCKS port.
    fn options(&self) -> (String, String) {
        match self {
            Self::Ports => ("127.0.0.1:auto".into(), "127.0.0.1:auto IsolateSOCKSAuth".into()),
            #[cfg(unix)]
            Self::Files(sockets) => {
                let at = |name| format!("unix:{}", sockets.folder.join(name).display());
                (at("control"), format!("{} IsolateSOCKSAuth", at("socks")))
            }
        }
    }

    /// Where its control port is, when its file of that says that it is there.
    fn control(&self, written: &str) -> Option<ControlAddr> {
        match self {
            Self::Ports => Some(ControlAddr::Tcp(written.strip_prefix("PORT=")?.trim().parse().ok()?)),
            #[cfg(unix)]
            Self::Files(sockets) => {
                written.starts_with("UNIX_PORT=").then(|| ControlAddr::Unix(sockets.folder.join("control")))
            }
        }
    }
}

/// A folder that this account alone enters, with a name that tor's line protocol can carry.
#[cfg(unix)]
struct Sockets {
    folder: PathBuf,
    /// Made for this run, and removed after it.
    passing: bool,
}

#[cfg(unix)]
impl Sockets {
    /// The longest name of a socket in it, with the slash before.
    const NAME_MAX: usize = 12;
    /// `sun_path` has 104 bytes on macOS and the BSDs, 108 on Linux, the closing zero included.
    const PATH_MAX: usize = 103;

    /// Tor's own folder, if its name will do; else one of its own under the system's folders for such things.
    fn beside(folder: &Path) -> io::Result<Option<Self>> {
        if Self::fits(folder) {
            return Ok(Some(Self { folder: folder.to_owned(), passing: false }));
        }
        let mut name = [0; 8];
        getrandom::fill(&mut name).map_err(io::Error::other)?;
        let name = format!("megatorrent-{}", data_encoding::HEXLOWER.encode(&name));
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute());
        for parent in [runtime, Some(std::env::temp_dir())].into_iter().flatten() {
            let folder = parent.join(&name);
            let mut builder = std::fs::DirBuilder::new();
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            if Self::fits(&folder) && builder.create(&folder).is_ok() {
                return Ok(Some(Self { folder, passing: true }));
            }
        }
        Ok(None)
    }

    /// The line protocol parts words by blanks and knows quotes.
    fn fits(folder: &Path) -> bool {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._+-@:,".contains(byte);
        let bytes = folder.as_os_str().as_encoded_bytes();
        folder.is_absolute() && bytes.len() + Self::NAME_MAX <= Self::PATH_MAX && bytes.iter().all(plain)
    }
}

#[cfg(unix)]
impl Drop for Sockets {
    fn drop(&mut self) {
        if self.passing
            && let Err(error) = std::fs::remove_dir_all(&self.folder)
        {
            tracing::debug!(%error, "a folder for sockets stays behind");
        }
    }
}

impl Log {
    /// The next line, `None` at the end. A line longer than [`LOG_LINE`] comes in parts. May be dropped and called again:
    /// a part of a line may be lost then, no more.
    async fn line(&mut self) -> Option<()> {
        let mut line = Vec::new();
        let read = (&mut self.lines).take(LOG_LINE).read_until(b'\n', &mut line).await.ok()?;
        if read == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        tracing::debug!(target: "tor", "{text}");
        if let Some((_, warning)) = text.split_once("[warn] ").or_else(|| text.split_once("[err] ")) {
            if self.warnings.len() >= WARNINGS {
                self.warnings.pop_front();
            }
            self.warnings.push_back(warning.to_owned());
        }
        Some(())
    }

    fn last_words(&self, status: Option<ExitStatus>) -> String {
        if let Some(last) = self.warnings.back() {
            return last.clone();
        }
        status.map_or_else(|| "it told no reason".to_owned(), |status| status.to_string())
    }
}
