//! A node in a process of its own.

use super::{Home, Killed, PATIENCE, Watch};
use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// Between two looks at a process that is ending: it tells nobody.
const LOOK: Duration = Duration::from_millis(20);

/// A running `megatorrent daemon`. Dropped, it is killed (SIGKILL).
pub struct Daemon {
    child: Killed,
    log: PathBuf,
    address: String,
}

impl Daemon {
    pub(super) fn start<S: AsRef<OsStr>>(
        home: &Home,
        words: &[&str],
        args: impl IntoIterator<Item = S>,
    ) -> Result<Self> {
        let mut command = home.command()?;
        command.arg("--json").args(home.network()).args(args).args(words);
        Self::await_ready(home, command)
    }

    /// Starts a command that becomes a node, and waits until it says so.
    pub(super) fn await_ready(home: &Home, mut command: Command) -> Result<Self> {
        let log = home.path().join("daemon.log");
        command.stdout(Stdio::piped()).stderr(File::create(&log)?);
        let mut child = Killed(command.spawn().context("the daemon does not start")?);
        let stdout = child.0.stdout.take().context("no pipe")?;
        let (sender, first) = channel();
        let reader = std::thread::spawn(move || {
            let mut line = String::new();
            // A pipe that breaks has ended: then the line is empty.
            let _ = BufReader::new(stdout).read_line(&mut line);
            // Nobody waits for it any more once the time is over.
            let _ = sender.send(line);
        });
        let mut daemon = Self { child, log, address: String::new() };
        let line = first.recv_timeout(PATIENCE).unwrap_or_default();
        if line.is_empty() {
            daemon.child.0.kill()?;
            let status = daemon.child.0.wait()?;
            bail!("the daemon never said that it is ready, {status}: {}", daemon.log());
        }
        reader.join().map_err(|_| anyhow!("the reader of a pipe panicked"))?;
        let status: Value = serde_json::from_str(&line).with_context(|| format!("not a status: {line:?}"))?;
        status["listen"].as_str().unwrap_or_default().clone_into(&mut daemon.address);
        Ok(daemon)
    }

    /// `host:port` where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Process ID.
    pub fn id(&self) -> u32 {
        self.child.0.id()
    }

    /// Whether it runs still.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn runs(&mut self) -> Result<bool> {
        Ok(self.child.0.try_wait()?.is_none())
    }

    /// What it wrote to standard error so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it as the power cut does (SIGKILL).
    ///
    /// # Errors
    /// The system does not let us.
    pub fn kill(mut self) -> Result<()> {
        self.child.0.kill()?;
        self.child.0.wait()?;
        Ok(())
    }

    /// Waits for its own end, after `megatorrent stop` or a signal.
    ///
    /// # Errors
    /// It runs on.
    pub fn wait(mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.0.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(LOOK);
        }
        bail!("the daemon does not end: {}", self.log())
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Errors
    /// It refuses, or ends in failure.
    pub fn stop(self, home: &Home) -> Result<()> {
        home.ask(["stop"])?;
        let log = self.log.clone();
        let status = self.wait()?;
        if !status.success() {
            bail!("the daemon ended with {status}: {}", std::fs::read_to_string(log).unwrap_or_default());
        }
        Ok(())
    }

    /// Listens to what happens in it, a snapshot first.
    ///
    /// # Errors
    /// The command does not start.
    pub fn watch(&self, home: &Home) -> Result<Watch> {
        Watch::start(home)
    }

    /// Largest memory it held at once, in bytes. Linux only.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn peak_memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? * 1024)
    }
}
