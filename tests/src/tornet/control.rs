//! The few lines of Tor's control protocol that the tests speak, beside the product's own.

use anyhow::{Context, Result, bail};
use data_encoding::HEXUPPER;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Longest wait for a line.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to a control port.
pub struct Control {
    lines: BufReader<Box<dyn Pipe>>,
}

trait Pipe: Read + Write + Send {}
impl<T: Read + Write + Send> Pipe for T {}

impl Control {
    pub(super) fn log_in(addr: SocketAddr, cookie: &Path) -> Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Self::over(Box::new(stream), cookie)
    }

    fn over(stream: Box<dyn Pipe>, cookie: &Path) -> Result<Self> {
        let mut control = Self { lines: BufReader::new(stream) };
        control.command(&format!("AUTHENTICATE {}", HEXUPPER.encode(&std::fs::read(cookie)?)))?;
        Ok(control)
    }

    /// Logs in at the tor whose state lies in this folder.
    ///
    /// # Errors
    /// None runs there.
    pub fn of_folder(folder: &Path) -> Result<Self> {
        let cookie = folder.join("control_auth_cookie");
        if let Some(addr) = super::files::port(folder) {
            return Self::log_in(addr, &cookie);
        }
        let told = std::fs::read_to_string(folder.join("control_port"))?;
        let file = told.strip_prefix("UNIX_PORT=").context("no tor has a control port there")?;
        let stream = UnixStream::connect(file.trim())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Self::over(Box::new(stream), &cookie)
    }

    /// Says a line; gives the lines of the answer without their codes.
    ///
    /// # Errors
    /// It was refused, or the connection ended.
    pub fn command(&mut self, line: &str) -> Result<Vec<String>> {
        self.lines.get_mut().write_all(format!("{line}\r\n").as_bytes())?;
        let mut answer = Vec::new();
        loop {
            let line = self.line()?;
            let (code, rest) = line.split_at_checked(3).context("a short line")?;
            match code {
                "250" => {}
                // Events are read by `event`, on a connection of their own.
                "650" => continue,
                _ => bail!("tor: {line}"),
            }
            answer.push(rest.get(1..).unwrap_or_default().to_owned());
            if rest.starts_with('+') {
                loop {
                    match self.line()? {
                        end if end == "." => break,
                        more => answer.push(more),
                    }
                }
            } else if rest.starts_with(' ') {
                return Ok(answer);
            }
        }
    }

    /// The next event, after `SETEVENTS`.
    ///
    /// # Errors
    /// None within a minute.
    pub fn event(&mut self) -> Result<String> {
        loop {
            if let Some(event) = self.line()?.strip_prefix("650 ") {
                return Ok(event.to_owned());
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.lines.read_line(&mut line)? == 0 {
            bail!("tor closed its control port");
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}
