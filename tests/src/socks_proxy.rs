//! A SOCKS5 proxy on loopback that wants a login, notes what it is asked for, and can be ended in the middle of it all.

use anyhow::Result;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// The running proxy; it ends with the value.
pub struct SocksProxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    login: (String, String),
    ended: AtomicBool,
    asked: Mutex<Vec<String>>,
    open: Mutex<Vec<TcpStream>>,
}

impl SocksProxy {
    /// Starts one that lets in who says this user name and this password.
    ///
    /// # Errors
    /// The address is taken.
    pub fn start(at: SocketAddr, user: &str, password: &str) -> Result<Self> {
        let listener = TcpListener::bind(at)?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            login: (user.to_owned(), password.to_owned()),
            ended: AtomicBool::new(false),
            asked: Mutex::default(),
            open: Mutex::default(),
        });
        let sharing = shared.clone();
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(io::Result::ok) {
                if sharing.ended.load(Ordering::SeqCst) {
                    return;
                }
                let sharing = sharing.clone();
                // A connection that fails is one of the many that a proxy sees.
                std::thread::spawn(move || drop(serve(stream, &sharing)));
            }
        });
        Ok(Self { addr, shared, acceptor: Some(acceptor) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What was asked for so far, as `host:port`, the host as it came.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for SocksProxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        for stream in self.shared.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // One that is closed already is what was wanted.
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the acceptor.
        drop(TcpStream::connect(self.addr));
        if let Some(acceptor) = self.acceptor.take() {
            // It panics never.
            let _ = acceptor.join();
        }
    }
}

impl Shared {
    fn hold(&self, stream: &TcpStream) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if self.ended.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        open.push(stream.try_clone()?);
        Ok(())
    }
}

fn serve(mut client: TcpStream, shared: &Shared) -> io::Result<()> {
    shared.hold(&client)?;
    let methods = counted(&mut client, 1)?;
    if !methods.contains(&2) {
        return client.write_all(&[5, 0xff]);
    }
    client.write_all(&[5, 2])?;
    let user = counted(&mut client, 1)?;
    let password = counted(&mut client, 0)?;
    let right = (user, password) == (shared.login.0.clone().into_bytes(), shared.login.1.clone().into_bytes());
    client.write_all(&[1, u8::from(!right)])?;
    if !right {
        return Ok(());
    }
    let mut head = [0; 4];
    client.read_exact(&mut head)?;
    let host = match head[3] {
        1 => {
            let mut ip = [0; 4];
            client.read_exact(&mut ip)?;
            Ipv4Addr::from(ip).to_string()
        }
        3 => String::from_utf8_lossy(&counted(&mut client, 0)?).into_owned(),
        _ => return client.write_all(&[5, 8, 0, 1, 0, 0, 0, 0, 0, 0]),
    };
    let mut port = [0; 2];
    client.read_exact(&mut port)?;
    let asked = format!("{host}:{}", u16::from_be_bytes(port));
    shared.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked.clone());
    // Numbers only: this proxy looks nothing up.
    let target = asked.parse::<SocketAddr>().ok().and_then(|addr| TcpStream::connect(addr).ok());
    let Some(mut target) = target else { return client.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]) };
    shared.hold(&target)?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    let (mut from, mut to) = (client.try_clone()?, target.try_clone()?);
    let up = std::thread::spawn(move || {
        // The end of one direction is passed on, whatever ended it.
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let _ = io::copy(&mut target, &mut client);
    let _ = client.shutdown(Shutdown::Write);
    let _ = up.join();
    Ok(())
}

/// `skip` bytes, a length, and as many bytes.
fn counted(stream: &mut TcpStream, skip: usize) -> io::Result<Vec<u8>> {
    stream.read_exact(&mut [0; 2][..skip])?;
    let mut length = [0];
    stream.read_exact(&mut length)?;
    let mut bytes = vec![0; usize::from(length[0])];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}
