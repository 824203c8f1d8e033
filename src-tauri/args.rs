//! What the program is started with: by a person, by the session at log-in, or by the desktop with a link.

use anyhow::{Context as _, Result};
use clap::Parser;
use node::PeerAddr;
use std::io::{BufRead as _, Read as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// The variable with the vault's passphrase.
const VARIABLE: &str = "MEGATORRENT_PASSPHRASE";
/// Longest passphrase that it may hold, in bytes: a pipe takes it in one piece.
const LONGEST: usize = 4096;

/// Megatorrent: the window.
#[derive(Parser, Clone, Default)]
#[command(name = "megatorrent-desktop", version)]
pub(crate) struct Args {
    /// A megatorrent:// link to open; nothing is followed before you say so
    pub(crate) link: Option<String>,
    /// Data folder (one process at a time owns it; a second one talks to the first)
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Listen for peers at this address; port 0 picks one
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Join the DHT by this node, not by the public ones
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) bootstrap: Vec<String>,
    /// Know this TCP peer from the start
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) peer: Vec<PeerAddr>,
    /// Stay out of the DHT
    #[arg(long)]
    pub(crate) no_dht: bool,
    /// Read the vault's passphrase from this file, or "-": from stdin; one line. Asked for in the window otherwise
    #[arg(long = "passphrase", value_name = "FILE")]
    passphrase_from: Option<PathBuf>,
    /// Opens the vault where there is no keyring
    #[arg(skip)]
    pub(crate) passphrase: Option<Zeroizing<String>>,
    /// Start in the tray, without the window; minimised, where there is no tray
    #[arg(long)]
    pub(crate) hidden: bool,
}

impl Args {
    /// Reads the passphrase that they name.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn with_passphrase(mut self) -> Result<Self> {
        let Some(from) = &self.passphrase_from else { return Ok(self) };
        let mut line = Zeroizing::new(String::new());
        let most = LONGEST as u64;
        let read = match from.to_str() {
            Some("-") => std::io::stdin().lock().take(most).read_line(&mut line),
            _ => {
                std::fs::File::open(from).and_then(|file| std::io::BufReader::new(file).take(most).read_line(&mut line))
            }
        };
        read.with_context(|| format!("the passphrase cannot be read from {}", from.display()))?;
        let length = line.trim_end_matches(['\r', '\n']).len();
        line.truncate(length);
        self.passphrase = (!line.is_empty()).then_some(line);
        Ok(self)
    }
}

/// Starts this program once more without the variable that holds the passphrase, and hands that over by standard input:
/// every player and viewer that the window opens would find it among its own variables else. Returns when there is no such
/// variable. To be called before there are threads.
///
/// # Errors
/// The program cannot be started again.
pub(crate) fn forget_variable() -> Result<()> {
    let Ok(passphrase) = std::env::var(VARIABLE).map(Zeroizing::new) else { return Ok(()) };
    let mut again = std::process::Command::new(std::env::current_exe().context("this program does not find itself")?);
    again.args(std::env::args_os().skip(1)).env_remove(VARIABLE);
    if !passphrase.is_empty() {
        let fits = passphrase.len() < LONGEST && !passphrase.contains('\n');
        anyhow::ensure!(fits, "{VARIABLE} holds no passphrase: it is too long, or has several lines");
        again.args(["--passphrase", "-"]).stdin(hand_over(&passphrase)?);
    }
    become_it(again)
}

/// A pipe with one line in it.
fn hand_over(line: &str) -> Result<std::process::Stdio> {
    use std::io::Write as _;
    let (from, mut to) = std::io::pipe().context("the system gives no pipe")?;
    writeln!(to, "{line}").context("the pipe takes nothing")?;
    Ok(from.into())
}

#[cfg(unix)]
fn become_it(mut again: std::process::Command) -> Result<()> {
    use std::os::unix::process::CommandExt as _;
    Err(again.exec()).context("this program does not start again")
}

/// Where no process becomes another, this one waits for it.
#[cfg(not(unix))]
fn become_it(mut again: std::process::Command) -> Result<()> {
    let ended = again.status().context("this program does not start again")?;
    std::process::exit(ended.code().unwrap_or(1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_desktop_passes_a_link_and_a_session_passes_hidden() {
        let link = format!("megatorrent://{}:{}", "ab".repeat(32), "cd".repeat(32));
        let args = Args::try_parse_from(["megatorrent-desktop", &link]).unwrap();
        assert_eq!(args.link, Some(link));
        assert!(Args::try_parse_from(["megatorrent-desktop", "--hidden"]).unwrap().hidden);
        assert!(Args::try_parse_from(["megatorrent-desktop", "--data-dir"]).is_err());
        assert!(Args::try_parse_from(["megatorrent-desktop", "one", "two"]).is_err());
    }

    #[test]
    fn a_passphrase_comes_from_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "hush, all\r\nmore\n").unwrap();
        let from = file.path().to_str().unwrap();
        let args = Args::try_parse_from(["megatorrent-desktop", "--passphrase", from]).unwrap();
        assert_eq!(args.with_passphrase().unwrap().passphrase.unwrap().as_str(), "hush, all");
        let none = Args::try_parse_from(["megatorrent-desktop", "--passphrase", "/no/such"]).unwrap();
        assert!(none.with_passphrase().is_err());
    }
}
