//! Stands between a node and its tor: counts what passes, notes which circuits the node asks for, holds dials back, and
//! lets onion services lead elsewhere, or to plain bytes at a second port.
//!
//! The node knows it by its control port and learns the SOCKS port from there. Tor sees the node's own logins, so that
//! whoever says the same login as the node uses the node's very circuit.

use anyhow::{Context, Result, ensure};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes carried at once.
const PIECE: usize = 64 << 10;
/// The second port of onion services that are made by [`with_plain_port`].
pub const PLAIN_PORT: u16 = 81;
/// What an ADD_ONION begins with.
const ADD_ONION: &str = "ADD_ONION ";

/// Changes a line that the node says to tor's control port.
pub type Change = dyn Fn(&str) -> Result<String> + Send + Sync;

/// Says everything as the node does.
pub fn unchanged() -> Arc<Change> {
    Arc::new(|line: &str| Ok(line.to_owned()))
}

/// Gives each onion service a second port that leads there.
pub fn with_plain_port(plain: SocketAddr) -> Arc<Change> {
    Arc::new(move |line: &str| match line.starts_with(ADD_ONION) {
        true => Ok(format!("{line} Port={PLAIN_PORT},{plain}")),
        false => Ok(line.to_owned()),
    })
}

/// Lets each onion service lead to where `way` says instead of the node's own listener.
pub fn leading(way: impl Fn(SocketAddr) -> Result<SocketAddr> + Send + Sync + 'static) -> Arc<Change> {
    Arc::new(move |line: &str| {
        if !line.starts_with(ADD_ONION) {
            return Ok(line.to_owned());
        }
        let (rest, target) = line.rsplit_once(',').context("a target")?;
        Ok(format!("{rest},{}", way(target.parse()?)?))
    })
}

/// A login and what it was for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    /// Greeting, user name and password as they stand on the wire (RFC 1929).
    pub login: Vec<u8>,
    /// `host:port`.
    pub target: String,
}

/// The running proxies; their threads end with the process.
pub struct Between {
    control: SocketAddr,
    socks: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    carried: AtomicU64,
}

struct State {
    /// Control and SOCKS port of the tor.
    tor: (SocketAddr, SocketAddr),
    /// Dials to port `.1` that may be open at once are `.0`.
    limit: Option<(usize, u16)>,
    open: Vec<(u64, Dial)>,
    last: u64,
}

impl Between {
    /// Stands before this tor.
    ///
    /// # Errors
    /// No port is free.
    pub fn start(tor_control: SocketAddr, tor_socks: SocketAddr, change: Arc<Change>) -> Result<Self> {
        let carried = AtomicU64::new(0);
        let state = State { tor: (tor_control, tor_socks), limit: None, open: Vec::new(), last: 0 };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), carried });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let socks = listener.local_addr()?;
        let sharing = shared.clone();
        serve(listener, move |stream| relay_socks(stream, &sharing));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let control = listener.local_addr()?;
        let sharing = shared.clone();
        serve(listener, move |stream| {
            // No longer held than to be read.
            let (control, _) = sharing.tor();
            relay_control(stream, control, socks, change.clone())
        });
        Ok(Self { control, socks, shared })
    }

    /// Where the node finds its tor's control port.
    pub fn control(&self) -> SocketAddr {
        self.control
    }
    /// Where it finds the SOCKS port.
    pub fn socks(&self) -> SocketAddr {
        self.socks
    }
    /// Leads to another tor from here on, or to the same at other ports.
    pub fn lead_to(&self, tor_control: SocketAddr, tor_socks: SocketAddr) {
        self.shared.state().tor = (tor_control, tor_socks);
    }
    /// Bytes carried both ways since the start, by dials of the node.
    pub fn carried(&self) -> u64 {
        self.shared.carried.load(Ordering::Relaxed)
    }
    /// Holds dials to this port back while so many are open; they go on when there is room.
    pub fn allow(&self, most: usize, port: u16) {
        self.shared.state().limit = Some((most, port));
        self.shared.changed.notify_all();
    }
    /// What is open now.
    pub fn open(&self) -> Vec<Dial> {
        self.shared.state().open.iter().map(|(_, dial)| dial.clone()).collect()
    }
}

/// A stream to `host:port` by this SOCKS port under this login.
///
/// # Errors
/// Tor does not reach it.
pub fn dial(socks: SocketAddr, login: &[u8], host: &str, port: u16) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(socks)?;
    stream.set_nodelay(true)?;
    stream.write_all(&[5, 1, 2])?;
    stream.read_exact(&mut [0; 2])?;
    stream.write_all(login)?;
    stream.read_exact(&mut [0; 2])?;
    let mut request = vec![5, 1, 0, 3, u8::try_from(host.len())?];
    request.extend_from_slice(host.as_bytes());
    request.extend_from_slice(&port.to_be_bytes());
    stream.write_all(&request)?;
    let mut reply = [0; 10];
    stream.read_exact(&mut reply)?;
    ensure!(reply[1] == 0, "tor did not reach {host}:{port}: {:#04x}", reply[1]);
    Ok(stream)
}

/// A login of this name as it stands on the wire.
///
/// # Errors
/// It is too long.
pub fn login(name: &str) -> Result<Vec<u8>> {
    let mut login = vec![1, u8::try_from(name.len())?];
    login.extend_from_slice(name.as_bytes());
    login.extend_from_slice(&[1, b'-']);
    Ok(login)
}

fn serve(listener: TcpListener, work: impl Fn(TcpStream) -> io::Result<()> + Clone + Send + 'static) {
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(io::Result::ok) {
            let work = work.clone();
            // A connection that fails is the node's to notice.
            std::thread::spawn(move || drop(work(stream)));
        }
    });
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn tor(&self) -> (SocketAddr, SocketAddr) {
        self.state().tor
    }
    /// Waits until there is room for a dial, and takes it.
    fn enter(&self, dial: &Dial, port: u16) -> u64 {
        let full = |state: &mut State| {
            let Some((most, _)) = state.limit.filter(|(_, limited)| *limited == port) else { return false };
            let ending = format!(":{port}");
            state.open.iter().filter(|(_, dial)| dial.target.ends_with(&ending)).count() >= most
        };
        let mut state = self.changed.wait_while(self.state(), full).unwrap_or_else(PoisonError::into_inner);
        state.last += 1;
        let number = state.last;
        state.open.push((number, dial.clone()));
        number
    }
    fn leave(&self, number: u64) {
        self.state().open.retain(|(open, _)| *open != number);
        self.changed.notify_all();
    }
}

fn relay_socks(mut client: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut two = [0; 2];
    client.read_exact(&mut two)?;
    client.read_exact(&mut vec![0; usize::from(two[1])])?;
    client.write_all(&[5, 2])?;
    let mut login = vec![0; 2];
    client.read_exact(&mut login)?;
    counted(&mut client, usize::from(login[1]) + 1, &mut login)?;
    let password = usize::from(login[login.len() - 1]);
    counted(&mut client, password, &mut login)?;
    client.write_all(&[1, 0])?;
    let mut request = vec![0; 5];
    client.read_exact(&mut request)?;
    let address = match request[3] {
        1 => 3,
        4 => 15,
        _ => usize::from(request[4]),
    };
    counted(&mut client, address + 2, &mut request)?;
    let port = u16::from_be_bytes([request[request.len() - 2], request[request.len() - 1]]);
    let host = if request[3] == 3 {
        String::from_utf8_lossy(&request[5..request.len() - 2]).into_owned()
    } else {
        format!("{:?}", &request[4..request.len() - 2])
    };
    let dial = Dial { login, target: format!("{host}:{port}") };
    let number = shared.enter(&dial, port);
    let outcome = (|| {
        let mut tor = TcpStream::connect(shared.tor().1)?;
        tor.set_nodelay(true)?;
        tor.write_all(&[5, 1, 2])?;
        tor.read_exact(&mut [0; 2])?;
        tor.write_all(&dial.login)?;
        tor.read_exact(&mut [0; 2])?;
        tor.write_all(&request)?;
        let (from, to, up) = (client.try_clone()?, tor.try_clone()?, shared.clone());
        let upward = std::thread::spawn(move || carry(from, to, &up.carried));
        carry(tor, client, &shared.carried);
        // It panics never.
        let _ = upward.join();
        Ok(())
    })();
    shared.leave(number);
    outcome
}

fn counted(stream: &mut TcpStream, count: usize, into: &mut Vec<u8>) -> io::Result<()> {
    let at = into.len();
    into.resize(at + count, 0);
    stream.read_exact(&mut into[at..])
}

fn carry(mut from: TcpStream, mut to: TcpStream, carried: &AtomicU64) {
    let mut piece = vec![0; PIECE];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        carried.fetch_add(length as u64, Ordering::Relaxed);
        if to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    // One end has ended: so has the other. One that is closed already is what was wanted.
    let _ = from.shutdown(Shutdown::Read);
    let _ = to.shutdown(Shutdown::Write);
}

fn relay_control(node: TcpStream, tor: SocketAddr, socks: SocketAddr, change: Arc<Change>) -> io::Result<()> {
    let tor = TcpStream::connect(tor)?;
    let (said, answers) = (node.try_clone()?, tor.try_clone()?);
    let up = std::thread::spawn(move || lines(said, tor, |line| change(line)));
    lines(answers, node, |line| match line.strip_prefix("250-net/listeners/socks=") {
        Some(_) => Ok(format!("250-net/listeners/socks=\"{socks}\"")),
        None => Ok(line.to_owned()),
    })?;
    up.join().map_err(|_| io::Error::other("a thread panicked"))?
}

fn lines(from: TcpStream, mut to: TcpStream, change: impl Fn(&str) -> Result<String>) -> io::Result<()> {
    let mut from = BufReader::new(from);
    let mut line = String::new();
    while from.read_line(&mut line)? > 0 {
        let changed = change(line.trim_end_matches(['\r', '\n'])).map_err(io::Error::other)?;
        to.write_all(format!("{changed}\r\n").as_bytes())?;
        line.clear();
    }
    to.shutdown(Shutdown::Both)
}

/// Gives plain bytes on loopback: who says a length of 8 bytes, big-endian, gets as many.
///
/// # Errors
/// No port is free, or the system gives no random bytes.
pub fn plain_bytes() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let addr = listener.local_addr()?;
    let mut noise = vec![0; 1 << 20];
    getrandom::fill(&mut noise).ok().context("random bytes")?;
    let noise = Arc::new(noise);
    serve(listener, move |mut stream| {
        let mut length = [0; 8];
        loop {
            stream.read_exact(&mut length)?;
            let mut left = u64::from_be_bytes(length);
            while left > 0 {
                let piece = left.min(noise.len() as u64);
                stream.write_all(&noise[..usize::try_from(piece).unwrap_or(noise.len())])?;
                left -= piece;
            }
        }
    });
    Ok(addr)
}
