//! A tor that we start, watch and stop.
//!
//! Owns: the child process and its data folder. Promises: it listens on loopback only, reads no configuration but ours
//! and the user's `torrc` in its folder, and ends with us even when we are killed.

use super::TorConfig;
use super::control::{Control, ControlAddr};
use crate::route::RouteTrouble;
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

/// The running child.
pub(super) struct OwnTor {
    child: Child,
    log: Log,
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
    let mut command = Command::new(program);
    command
        .arg("-f")
        .arg(if torrc.is_file() { &torrc } else { &none })
        .arg("--defaults-torrc")
        .arg(&none)
        .arg("--DataDirectory")
        .arg(folder)
        .args(["--SocksPort", "127.0.0.1:auto IsolateSOCKSAuth"])
        .args(["--ControlPort", "127.0.0.1:auto", "--ControlPortWriteToFile"])
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
    let mut child = command.spawn().map_err(failed)?;
    let Some(stdout) = child.stdout.take() else { return Err(RouteTrouble::TorEnded("it has no output".into())) };
    let mut own = OwnTor { child, log: Log { lines: BufReader::new(stdout), warnings: VecDeque::new() } };
    let starting = async {
        let addr = own.control_port(&port_file, &cookie).await?;
        Control::connect(&ControlAddr::Tcp(addr), None).await.map_err(|e| RouteTrouble::Control(e.to_string()))
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
    async fn control_port(&mut self, file: &Path, cookie: &Path) -> Result<std::net::SocketAddr, RouteTrouble> {
        loop {
            // Files that are not there yet are looked for again.
            let text = tokio::fs::read_to_string(file).await.unwrap_or_default();
            let cookie = tokio::fs::metadata(cookie).await.map_or(0, |file| file.len());
            if let Some(addr) = text.strip_prefix("PORT=").and_then(|rest| rest.trim().parse().ok())
                && cookie >= COOKIE_LEN
            {
                return Ok(addr);
            }
            if let Ok(None) = tokio::time::timeout(LOOK, self.log.line()).await {
                return Err(self.ended().await);
            }
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
