//! A house without a door: a network namespace in which nothing is reached but the ports that are handed in, and a
//! capture that sees every packet that tries another way.
//!
//! Inside there is a default route, and a name server, that lead to an interface with nobody behind it: what a careless
//! program sends there is seen, and lost. The ports lead out, and others in, through files, which no namespace keeps apart.

use anyhow::{Context, Result, bail};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// The running namespace; it ends with the value.
pub struct House {
    child: Child,
    report: BufReader<std::process::ChildStdout>,
    as_root: bool,
    /// The files that lead out and in.
    folder: TempDir,
}

/// A way in to listeners of the house; it can be handed on.
#[derive(Clone)]
pub struct WayIn(PathBuf);

/// What was seen.
#[derive(Debug, serde::Deserialize)]
pub struct Seen {
    /// All packets, those to the ports that lead out too.
    pub packets: u64,
    /// Those that tried another way, each kind once.
    pub strays: Vec<String>,
}

impl House {
    /// Opens one from which these ports of 127.0.0.1 are reached, under the same numbers.
    ///
    /// # Errors
    /// The system allows no network namespace.
    pub fn open(ports: &[u16]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("house-").tempdir()?;
        for port in ports {
            lead_out(folder.path(), *port)?;
        }
        let as_root = rustix::process::geteuid().is_root();
        let mut command = Command::new("unshare");
        if !as_root {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--net", "--mount", "--kill-child", "--"]).arg(helper()?).arg(folder.path());
        command.args(ports.iter().map(ToString::to_string));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("unshare")?;
        let stdout = child.stdout.take().context("a pipe")?;
        let mut report = BufReader::new(stdout);
        let mut ready = String::new();
        report.read_line(&mut ready)?;
        if ready.trim() != "ready" {
            // It has said why on standard error.
            let status = child.wait()?;
            bail!("no network namespace could be made ({status}): this needs root, or user namespaces");
        }
        Ok(Self { child, report, as_root, folder })
    }

    /// The command that starts others inside.
    pub fn entry(&self) -> Vec<String> {
        let mut words = vec!["nsenter".to_owned(), format!("--target={}", self.child.id())];
        if !self.as_root {
            words.extend(["--user".to_owned(), "--preserve-credentials".to_owned()]);
        }
        words.extend(["--net", "--mount", "--"].map(str::to_owned));
        words
    }

    /// A way in to whoever listens on 127.0.0.1 inside.
    pub fn way_in(&self) -> WayIn {
        WayIn(self.folder.path().join(WAY_IN))
    }

    /// Reads so many bytes from an address of HTTP inside, from there.
    ///
    /// # Errors
    /// It does not give them.
    pub fn read_inside(&self, url: &str, bytes: usize) -> Result<usize> {
        let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).context("an address")?;
        let port = host.rsplit_once(':').context("a port")?.1.parse()?;
        let mut stream = self.way_in().connect(port)?;
        stream.set_read_timeout(Some(crate::process::PATIENCE))?;
        let head = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nRange: bytes=0-{}\r\n\r\n", bytes - 1);
        stream.write_all(head.as_bytes())?;
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line)?;
        if !line.contains(" 206 ") {
            bail!("the player's server says {line}");
        }
        while !line.trim().is_empty() {
            line.clear();
            stream.read_line(&mut line)?;
        }
        let mut first = vec![0; bytes];
        stream.read_exact(&mut first)?;
        Ok(first.len())
    }

    /// What was seen until now.
    ///
    /// # Errors
    /// The capture ended.
    pub fn seen(&mut self) -> Result<Seen> {
        let stdin = self.child.stdin.as_mut().context("a pipe")?;
        stdin.write_all(b"report\n")?;
        stdin.flush()?;
        let mut line = String::new();
        self.report.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("no report: {line:?}"))
    }
}

impl Drop for House {
    fn drop(&mut self) {
        // One that ended by itself cannot be killed, only waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl WayIn {
    /// A stream to a port inside.
    ///
    /// # Errors
    /// The house is gone.
    pub fn connect(&self, port: u16) -> Result<UnixStream> {
        let mut stream = UnixStream::connect(&self.0)?;
        stream.write_all(&port.to_be_bytes())?;
        Ok(stream)
    }

    /// A port of 127.0.0.1 outside that leads to this one inside.
    ///
    /// # Errors
    /// No port is free.
    pub fn lead_in(&self, inside: SocketAddr) -> Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let outside = listener.local_addr()?;
        let way = self.clone();
        // It ends with the process: a test's.
        std::thread::spawn(move || {
            for outer in listener.incoming().map_while(io::Result::ok) {
                let way = way.clone();
                // Who comes sees the connection end.
                std::thread::spawn(move || way.connect(inside.port()).map(|inner| join(inner, outer)).map(drop));
            }
        });
        Ok(outside)
    }
}

/// The file of the way in.
pub const WAY_IN: &str = "in.sock";

/// The helper lies where the runner of the tests says, else where cargo puts programs: beside the tests' folder.
fn helper() -> Result<PathBuf> {
    if let Some(program) = std::env::var_os("NEXTEST_BIN_EXE_house") {
        return Ok(program.into());
    }
    let mut folder = std::env::current_exe()?;
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    let program = folder.join("house");
    if !program.is_file() {
        bail!("{} is missing: cargo build -p megatorrent-tests --bins", program.display());
    }
    Ok(program)
}

/// The file of a port.
pub fn door(folder: &Path, port: u16) -> PathBuf {
    folder.join(format!("{port}.sock"))
}

fn lead_out(folder: &Path, port: u16) -> Result<()> {
    let listener = UnixListener::bind(door(folder, port))?;
    // It ends with the process: a test's.
    std::thread::spawn(move || {
        for inner in listener.incoming().map_while(io::Result::ok) {
            std::thread::spawn(move || match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                Ok(outer) => drop(join(inner, outer)),
                // Who is inside sees the connection end.
                Err(_) => drop(inner.shutdown(Shutdown::Both)),
            });
        }
    });
    Ok(())
}

/// Carries bytes both ways until both ends are closed.
///
/// # Errors
/// A handle cannot be doubled.
pub fn join(one: UnixStream, other: TcpStream) -> io::Result<()> {
    let (mut one_in, mut one_out) = (one.try_clone()?, one);
    let (mut other_in, mut other_out) = (other.try_clone()?, other);
    let up = std::thread::spawn(move || {
        // An end of one direction, whatever caused it, is passed on.
        let _ = io::copy(&mut one_in, &mut other_out);
        let _ = other_out.shutdown(Shutdown::Write);
    });
    let _ = io::copy(&mut other_in, &mut one_out);
    let _ = one_out.shutdown(Shutdown::Write);
    // The thread cannot panic.
    let _ = up.join();
    Ok(())
}
