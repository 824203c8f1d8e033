//! Tor's control port: the few commands that a node needs, spoken as `control-spec` writes them.
//!
//! Owns: one connection to the port, what came on it. Promises: nothing is said before it is known whose the port is
//! ([`super::owner`]); lines, replies and events are bounded; a reading call that is dropped loses nothing; no secret is
//! put into an error; the cookie is proven, never shown; a port that asks for nothing is taken for tor's only where
//! somebody named it.

use super::owner::{self, Known, Owner};
use data_encoding::HEXUPPER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zeroize::Zeroizing;

/// Longest line.
const LINE_MAX: usize = 64 * 1024;
/// Lines of one reply.
const LINES_MAX: usize = 4096;
/// Events that wait; the oldest goes first.
const EVENTS_MAX: usize = 256;
/// Time for one reply.
const REPLY_LIMIT: Duration = Duration::from_secs(10);
/// What a port wants that nobody gave.
const PASSWORD: &str = "a password: give the route as tor://PASSWORD@IP:PORT";
/// What a port wants that is not ours to read.
const COOKIE: &str = "a cookie that this user may not read";
/// What a port wants that nobody gets.
const SHOWN: &str = "to be shown its cookie, which nobody is: every tor since 2012 takes a proof instead";
/// Bytes of a cookie; a file of another size is none, whatever the port says.
const COOKIE_LEN: usize = 32;

/// Where a control port is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlAddr {
    /// TCP.
    Tcp(SocketAddr),
    /// A socket file.
    #[cfg(unix)]
    Unix(PathBuf),
}

/// Why the control port is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Not there, or gone.
    #[error("tor's control port cannot be reached: {0}")]
    Io(#[from] io::Error),
    /// Said nothing in time.
    #[error("tor's control port does not answer")]
    Hangs,
    /// What it says is not the control protocol.
    #[error("what listens at tor's control port does not speak its protocol")]
    NotControl,
    /// It wants a password and we have none, or the cookie file cannot be read.
    #[error("tor's control port wants {0}")]
    Locked(&'static str),
    /// It refused what we gave.
    #[error("tor's control port refused the password or the cookie")]
    AuthRefused,
    /// It knows another cookie than its file holds.
    #[error("tor's control port does not know its own cookie: something else answers there")]
    WrongCookie,
    /// It belongs to an account that can have nothing to do with tor.
    #[error(
        "what listens at {at} belongs to another account of this computer (number {uid}), not to tor: it was told nothing"
    )]
    Stranger {
        /// Where.
        at: String,
        /// The account.
        uid: u32,
    },
    /// Nobody named it, and it cannot be known whose it is.
    #[error("nothing tells whose {0} is, so it is not taken for tor's")]
    NoOwner(String),
    /// Nobody named it, and it lets in whoever comes.
    #[error("tor's control port lets everybody in; to use it all the same, name it: tor://IP:PORT")]
    Open,
    /// A command failed.
    #[error("tor: {0}")]
    Refused(String),
}

/// One reply or event: its code and its lines, without the codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) lines: Vec<String>,
}

trait Pipe: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Pipe for T {}

/// A connection to a control port.
pub(crate) struct Control {
    pipe: Box<dyn Pipe>,
    /// The account that the port belongs to.
    owner: Owner,
    /// Bytes read and not used yet.
    read: Vec<u8>,
    /// The reply at hand, as far as it is here.
    partial: Option<Reply>,
    /// Inside a `+` block.
    data: bool,
    events: VecDeque<Reply>,
}

impl Control {
    /// Connects and authenticates, when it is known whose the port is.
    pub(crate) async fn connect(
        addr: &ControlAddr,
        password: Option<&[u8]>,
        known: Known,
    ) -> Result<Self, ControlError> {
        let connecting = async {
            Ok::<(Box<dyn Pipe>, Owner), ControlError>(match addr {
                ControlAddr::Tcp(addr) => {
                    let (stream, owner) = owner::connect_tcp(*addr, known).await?;
                    (Box::new(stream), owner)
                }
                #[cfg(unix)]
                ControlAddr::Unix(path) => {
                    let (stream, owner) = owner::connect_unix(path).await?;
                    (Box::new(stream), owner)
                }
            })
        };
        let (pipe, owner) = tokio::time::timeout(REPLY_LIMIT, connecting).await.map_err(|_| ControlError::Hangs)??;
        let mut control = Self { pipe, owner, read: Vec::new(), partial: None, data: false, events: VecDeque::new() };
        control.authenticate(password, known).await?;
        Ok(control)
    }

    async fn authenticate(&mut self, password: Option<&[u8]>, known: Known) -> Result<(), ControlError> {
        let info = self.command("PROTOCOLINFO 1").await?;
        let auth = info.lines.iter().find_map(|line| line.strip_prefix("AUTH ")).ok_or(ControlError::NotControl)?;
        let (methods, rest) = auth
            .strip_prefix("METHODS=")
            .map(|rest| rest.split_once(' ').unwrap_or((rest, "")))
            .ok_or(ControlError::NotControl)?;
        let can = |method: &str| methods.split(',').any(|m| m == method);
        let cookie = rest.strip_prefix("COOKIEFILE=").and_then(unquote);
        let said = if can("NULL") {
            if known == Known::Guessed {
                return Err(ControlError::Open);
            }
            Zeroizing::new(String::from("AUTHENTICATE"))
        } else if let (true, Some(password)) = (can("HASHEDPASSWORD"), password) {
            Zeroizing::new(format!("AUTHENTICATE {}", *Zeroizing::new(HEXUPPER.encode(password))))
        } else if let Some(file) = cookie.filter(|_| can("SAFECOOKIE")) {
            match read_cookie(file.into(), self.owner).await {
                Some(cookie) => self.prove(&cookie).await?,
                None if can("HASHEDPASSWORD") => return Err(ControlError::Locked(PASSWORD)),
                None => return Err(ControlError::Locked(COOKIE)),
            }
        } else if can("HASHEDPASSWORD") {
            return Err(ControlError::Locked(PASSWORD));
        } else if can("COOKIE") {
            return Err(ControlError::Locked(SHOWN));
        } else {
            return Err(ControlError::Locked("a kind of login that is not known here"));
        };
        match self.command(&said).await {
            Ok(_) => Ok(()),
            Err(ControlError::Refused(_)) => Err(ControlError::AuthRefused),
            Err(other) => Err(other),
        }
    }

    /// SAFECOOKIE: both sides show that they know the cookie, neither sends it.
    async fn prove(&mut self, cookie: &[u8; COOKIE_LEN]) -> Result<Zeroizing<String>, ControlError> {
        let mut ours = [0; 32];
        getrandom::fill(&mut ours).map_err(|e| ControlError::Io(io::Error::other(e)))?;
        let reply = self.command(&format!("AUTHCHALLENGE SAFECOOKIE {}", HEXUPPER.encode(&ours))).await?;
        let line = reply.lines.first().map_or("", String::as_str);
        let field = |name: &str| {
            let found = line.split(' ').find_map(|word| word.strip_prefix(name))?;
            let found = HEXUPPER.decode(found.to_ascii_uppercase().as_bytes()).ok()?;
            (found.len() == 32).then_some(found)
        };
        let (Some(hash), Some(theirs)) = (field("SERVERHASH="), field("SERVERNONCE=")) else {
            return Err(ControlError::NotControl);
        };
        let mac = |purpose: &[u8]| -> Result<Hmac<Sha256>, ControlError> {
            let mac = Hmac::<Sha256>::new_from_slice(purpose).map_err(|_| ControlError::NotControl)?;
            Ok(mac.chain_update(cookie).chain_update(ours).chain_update(&theirs))
        };
        let server = mac(b"Tor safe cookie authentication server-to-controller hash")?;
        server.verify_slice(&hash).map_err(|_| ControlError::WrongCookie)?;
        let client = mac(b"Tor safe cookie authentication controller-to-server hash")?.finalize();
        Ok(Zeroizing::new(format!("AUTHENTICATE {}", HEXUPPER.encode(&client.into_bytes()))))
    }

    /// Says one line and waits for its reply. Events that come first are kept.
    ///
    /// After any error but [`ControlError::Refused`] the connection is over.
    pub(crate) async fn command(&mut self, line: &str) -> Result<Reply, ControlError> {
        let talk = async {
            let said = Zeroizing::new(format!("{line}\r\n"));
            self.pipe.write_all(said.as_bytes()).await?;
            self.pipe.flush().await?;
            loop {
                let reply = self.next_reply().await?;
                match reply.code {
                    650 => self.keep(reply),
                    200..300 => return Ok(reply),
                    // Its words name no secret: tor repeats none.
                    400..600 => return Err(ControlError::Refused(reply.lines.concat())),
                    _ => return Err(ControlError::NotControl),
                }
            }
        };
        tokio::time::timeout(REPLY_LIMIT, talk).await.map_err(|_| ControlError::Hangs)?
    }

    /// The value of one `GETINFO` key, on one line.
    pub(crate) async fn info(&mut self, key: &str) -> Result<String, ControlError> {
        let reply = self.command(&format!("GETINFO {key}")).await?;
        let value = reply.lines.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        value.map(ToOwned::to_owned).ok_or(ControlError::NotControl)
    }

    /// The next event, without its code. May be dropped and called again.
    pub(crate) async fn event(&mut self) -> Result<String, ControlError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event.lines.into_iter().next().unwrap_or_default());
            }
            let reply = self.next_reply().await?;
            if reply.code != 650 {
                return Err(ControlError::NotControl);
            }
            self.keep(reply);
        }
    }

    fn keep(&mut self, event: Reply) {
        if self.events.len() >= EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Reads on to the end of a reply. What was read stays here if the call is dropped.
    async fn next_reply(&mut self) -> Result<Reply, ControlError> {
        loop {
            while let Some(line) = self.take_line()? {
                if let Some(reply) = self.take_in(&line)? {
                    return Ok(reply);
                }
            }
            self.read.reserve(4096);
            if self.pipe.read_buf(&mut self.read).await? == 0 {
                return Err(ControlError::Io(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    fn take_line(&mut self) -> Result<Option<String>, ControlError> {
        let Some(end) = self.read.iter().position(|byte| *byte == b'\n') else {
            return if self.read.len() > LINE_MAX { Err(ControlError::NotControl) } else { Ok(None) };
        };
        let line: Vec<u8> = self.read.drain(..=end).collect();
        let line = line.strip_suffix(b"\r\n").ok_or(ControlError::NotControl)?;
        Ok(Some(String::from_utf8_lossy(line).into_owned()))
    }

    /// One more line; gives the reply when that was its last.
    fn take_in(&mut self, line: &str) -> Result<Option<Reply>, ControlError> {
        if self.data {
            if line == "." {
                self.data = false;
            } else if let Some(reply) = &mut self.partial {
                reply.lines.push(line.strip_prefix('.').unwrap_or(line).to_owned());
                Self::bounded(reply)?;
            }
            return Ok(None);
        }
        let (code, rest) = line.split_at_checked(3).ok_or(ControlError::NotControl)?;
        let code: u16 = code.parse().map_err(|_| ControlError::NotControl)?;
        let (mark, text) = rest.split_at_checked(1).ok_or(ControlError::NotControl)?;
        let reply = self.partial.get_or_insert_with(|| Reply { code, lines: Vec::new() });
        if reply.code != code {
            return Err(ControlError::NotControl);
        }
        reply.lines.push(text.to_owned());
        Self::bounded(reply)?;
        match mark {
            " " => Ok(self.partial.take()),
            "-" => Ok(None),
            "+" => {
                self.data = true;
                Ok(None)
            }
            _ => Err(ControlError::NotControl),
        }
    }

    fn bounded(reply: &Reply) -> Result<(), ControlError> {
        if reply.lines.len() > LINES_MAX { Err(ControlError::NotControl) } else { Ok(()) }
    }
}

/// See [`owner::cookie`].
async fn read_cookie(path: PathBuf, port: Owner) -> Option<Zeroizing<[u8; COOKIE_LEN]>> {
    tokio::task::spawn_blocking(move || owner::cookie(&path, port)).await.ok()?
}

/// A quoted string at the start of the text, with its backslashes resolved.
pub(crate) fn unquote(text: &str) -> Option<String> {
    let mut chars = text.strip_prefix('"')?.chars();
    let mut plain = String::new();
    loop {
        match chars.next()? {
            '"' => return Some(plain),
            '\\' => plain.push(chars.next()?),
            c => plain.push(c),
        }
    }
}
