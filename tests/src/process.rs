//! The real program in real processes: homes, daemons, commands, and what a daemon says as it happens.
//!
//! A [`Home`] is a person's device: a data folder, a download folder, a passphrase. [`Home::daemon`] starts the node
//! there, [`Home::run`] types a command. Every child dies with its owner, by SIGKILL; nothing waits by sleeping.

mod daemon;
mod watch;

pub use daemon::Daemon;
pub use watch::Watch;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest that a command of a test may take.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The program under test: `MEGATORRENT_BIN`, or what cargo builds beside this very executable.
///
/// # Errors
/// It cannot be built.
pub fn program() -> Result<&'static Path> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match PROGRAM.get_or_init(|| find().map_err(|error| format!("{error:#}"))) {
        Ok(path) => Ok(path),
        Err(why) => Err(anyhow!("the program under test is not there: {why}")),
    }
}

fn find() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("MEGATORRENT_BIN") {
        return Ok(path.into());
    }
    // …/target/debug/deps/main_job-1234 or …/target/debug/demo
    let mut folder = std::env::current_exe()?;
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    let target = folder.parent().context("the executable lies in no target folder")?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", "megatorrent-cli", "--target-dir"]).arg(target);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).status()?;
    if !status.success() {
        bail!("cargo build ended with {status}");
    }
    Ok(folder.join("megatorrent").with_extension(std::env::consts::EXE_EXTENSION))
}

/// What a command answered.
#[derive(Debug)]
pub struct Answer {
    /// Exit code; none after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Answer {
    /// The JSON value on standard output of a command that succeeded.
    ///
    /// # Errors
    /// The command failed, or wrote something else.
    pub fn json(&self) -> Result<Value> {
        if self.code != Some(0) {
            bail!("ended with {:?}: {}{}", self.code, self.stderr, self.stdout);
        }
        serde_json::from_str(&self.stdout)
            .with_context(|| format!("standard output is not one JSON value: {:?}", self.stdout))
    }

    /// The code of the failure: the JSON line on standard error that tells it.
    pub fn error_code(&self) -> Option<String> {
        let mut lines = self.stderr.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find_map(|line| Some(line["error"]["code"].as_str()?.to_owned()))
    }
}

/// A person's device.
pub struct Home {
    folder: TempDir,
    name: String,
    bootstrap: Vec<String>,
    patience: Duration,
    /// What every command is started by, to run elsewhere.
    inside: Vec<String>,
    /// Where its nodes listen.
    listen: String,
}

impl Home {
    /// A fresh one, with a passphrase of its own. Nodes join the DHT by `bootstrap`; with none they use no DHT.
    ///
    /// # Errors
    /// No temporary folder.
    pub fn new(name: &str, bootstrap: &[String]) -> Result<Self> {
        Self::within(&std::env::temp_dir(), name, bootstrap)
    }

    /// As [`Self::new`], inside this folder.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn within(place: &Path, name: &str, bootstrap: &[String]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix(&format!("megatorrent-{name}-")).tempdir_in(place)?;
        std::fs::create_dir_all(folder.path().join("downloads"))?;
        Ok(Self {
            folder,
            name: name.to_owned(),
            bootstrap: bootstrap.to_vec(),
            patience: PATIENCE,
            inside: Vec::new(),
            listen: "127.0.0.1:0".into(),
        })
    }

    /// Lets everything of this device run in a network namespace, and its nodes listen there.
    pub fn live_in(&mut self, space: &crate::netns::Space, listen: &str) {
        self.inside = ["ip", "netns", "exec", space.name()].map(str::to_owned).to_vec();
        self.listen = listen.to_owned();
    }

    /// Lets commands take longer than [`PATIENCE`].
    pub fn be_patient(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Lets every command be started by this one, to run elsewhere: `nsenter …`.
    pub fn move_into(&mut self, by: Vec<String>) {
        self.inside = by;
    }

    /// Everything of this device lies in here.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Data folder.
    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Download folder.
    pub fn downloads(&self) -> PathBuf {
        self.path().join("downloads")
    }

    /// Keeps the folders when this value goes; gives back where they are.
    pub fn keep(&mut self) -> PathBuf {
        self.folder.disable_cleanup(true);
        self.folder.path().to_path_buf()
    }

    /// A command of this person; arguments follow.
    ///
    /// # Errors
    /// There is no program.
    pub fn command(&self) -> Result<Command> {
        let mut command = match self.inside.split_first() {
            None => Command::new(program()?),
            Some((first, more)) => {
                let mut command = Command::new(first);
                command.args(more).arg(program()?);
                command
            }
        };
        command
            .env("MEGATORRENT_PASSPHRASE", format!("the passphrase of {}", self.name))
            .env("MEGATORRENT_NO_KEYRING", "1")
            .env("HOME", self.path())
            .env("XDG_CONFIG_HOME", self.path().join("config"))
            .env("XDG_DATA_HOME", self.path().join("share"))
            .env_remove("MEGATORRENT_DATA_DIR")
            .env_remove("RUST_LOG")
            .arg("--data-dir")
            .arg(self.data())
            .stdin(Stdio::null());
        Ok(command)
    }

    /// Arguments that shape a node: a free port on loopback (or where [`Self::live_in`] said), and the DHT it joins by.
    pub fn network(&self) -> Vec<String> {
        let mut args = vec!["--listen".to_owned(), self.listen.clone()];
        for node in &self.bootstrap {
            args.extend(["--bootstrap".to_owned(), node.clone()]);
        }
        if self.bootstrap.is_empty() {
            args.push("--no-dht".to_owned());
        }
        args
    }

    /// Types a command with `--json` and waits for its end.
    ///
    /// # Errors
    /// It does not start, or takes longer than [`PATIENCE`] or what [`Self::be_patient`] said.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<Answer> {
        let mut command = self.command()?;
        command.arg("--json").args(args);
        finish_within(self.patience, command)
    }

    /// As [`Self::run`], and it must succeed; gives back what it printed.
    ///
    /// # Errors
    /// It failed, with what it said.
    pub fn ask<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<Value> {
        let args: Vec<std::ffi::OsString> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        let words: Vec<_> = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
        self.run(&args)?.json().with_context(|| format!("{}: megatorrent {}", self.name, words.join(" ")))
    }

    /// Starts a node here and waits until it answers.
    ///
    /// # Errors
    /// It ends at once, or does not answer in time.
    pub fn daemon(&self) -> Result<Daemon> {
        self.daemon_with::<&str>([])
    }

    /// As [`Self::daemon`], with more arguments.
    ///
    /// # Errors
    /// As [`Self::daemon`].
    pub fn daemon_with<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<Daemon> {
        Daemon::start(self, &["daemon"], args)
    }

    /// As [`Self::daemon`], through a program that starts others.
    ///
    /// # Errors
    /// As [`Self::daemon`].
    pub fn daemon_started_by(&self, starter: &[&str]) -> Result<Daemon> {
        let mut args = self.network();
        args.insert(0, "--json".into());
        args.push("daemon".into());
        let plain = self.command()?;
        let mut command = Command::new(starter.first().context("a program that starts")?);
        command.args(&starter[1..]).arg(plain.get_program()).args(plain.get_args()).args(args).stdin(Stdio::null());
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Daemon::await_ready(self, command)
    }

    /// Starts a node here by a command of one's own, and waits until it answers.
    ///
    /// # Errors
    /// As [`Self::daemon`].
    pub fn await_daemon(&self, command: Command) -> Result<Daemon> {
        Daemon::await_ready(self, command)
    }

    /// Starts a gateway here and waits until it answers.
    ///
    /// # Errors
    /// As [`Self::daemon`].
    pub fn gateway(&self) -> Result<Daemon> {
        Daemon::start::<&str>(self, &["gateway"], [])
    }

    /// Starts a node here that answers browsers too; gives back the address to open, with its token: no terminal is told
    /// it, so it is taken from its file.
    ///
    /// # Errors
    /// As [`Self::daemon`].
    pub fn web(&self) -> Result<(Daemon, String)> {
        self.web_at("127.0.0.1:0")
    }

    /// As [`Self::web`], with the web interface at this address.
    ///
    /// # Errors
    /// As [`Self::daemon`].
    pub fn web_at(&self, at: &str) -> Result<(Daemon, String)> {
        let daemon = Daemon::start::<&str>(self, &["daemon", "--web", at], [])?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = daemon.log();
            let said = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            match said.filter_map(|line| Some(line["remark"]["web"].as_str()?.to_owned())).next() {
                Some(address) => {
                    let token = std::fs::read_to_string(self.data().join("web-token"))?;
                    return Ok((daemon, format!("{address}#token={token}")));
                }
                None if Instant::now() > deadline => bail!("no web interface: {log}"),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

/// Runs a command to its end and collects what it prints; kills it when its time is over.
///
/// # Errors
/// It does not start or does not end.
pub fn finish(command: Command) -> Result<Answer> {
    finish_within(PATIENCE, command)
}

/// As [`finish`], with its own limit.
///
/// # Errors
/// As [`finish`].
pub fn finish_within(patience: Duration, mut command: Command) -> Result<Answer> {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    Ok(collect(Killed(child), patience)?.into())
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A child that does not outlive this value.
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // A child that ended by itself cannot be killed, only waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for a child whose pipes are read meanwhile.
pub(crate) fn collect(mut child: Killed, patience: Duration) -> Result<Output> {
    let (mut out, mut err) = (child.0.stdout.take(), child.0.stderr.take());
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let ended_too = done.clone();
        let stdout = scope.spawn(move || drain(out.as_mut(), &done));
        let stderr = scope.spawn(move || drain(err.as_mut(), &ended_too));
        let deadline = Instant::now() + patience;
        let pipes = (0..2).all(|_| ended.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok());
        if !pipes {
            child.0.kill()?;
        }
        let status = child.0.wait()?;
        let text = |thread: std::thread::ScopedJoinHandle<'_, Vec<u8>>| {
            thread.join().map_err(|_| anyhow!("the reader of a pipe panicked"))
        };
        let (stdout, stderr) = (text(stdout)?, text(stderr)?);
        if !pipes {
            bail!("no end within {} s; so far: {}", patience.as_secs(), String::from_utf8_lossy(&stderr));
        }
        Ok(Output { status, stdout, stderr })
    })
}

fn drain(pipe: Option<&mut impl Read>, done: &std::sync::mpsc::Sender<()>) -> Vec<u8> {
    let mut all = Vec::new();
    if let Some(pipe) = pipe {
        // A pipe that breaks has ended; what was read until then counts.
        let _ = pipe.read_to_end(&mut all);
    }
    // Nobody listens any more once the time is over.
    let _ = done.send(());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn an_answer_is_code_and_both_outputs() {
        let answer =
            finish(shell("echo '{\"peers\":3}'; echo '{\"error\":{\"code\":\"busy\"}}' >&2; echo x >&2")).unwrap();
        assert_eq!((answer.code, answer.json().unwrap()["peers"].as_u64()), (Some(0), Some(3)));
        assert_eq!(answer.error_code().as_deref(), Some("busy"));
        let answer = finish(shell("echo wrong >&2; exit 7")).unwrap();
        assert_eq!(answer.code, Some(7));
        assert!(answer.json().unwrap_err().to_string().contains("wrong"));
    }

    #[test]
    fn a_child_that_does_not_end_is_killed() {
        let mut command = shell("echo begun >&2; exec sleep 1000");
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let late = collect(Killed(child), Duration::from_millis(300)).unwrap_err();
        assert!(late.to_string().contains("begun"), "{late}");
    }

    #[test]
    fn a_child_dies_with_its_owner() {
        let child = Killed(shell("exec sleep 1000").spawn().unwrap());
        let id = child.0.id();
        drop(child);
        let alive = Command::new("kill").args(["-0", &id.to_string()]).stderr(Stdio::null()).status().unwrap();
        assert!(!alive.success());
    }
}
