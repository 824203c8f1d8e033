//! A cable between two nodes that a test can pull and plug in again: real sockets, on loopback.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What the cable does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cable {
    /// It carries.
    Whole,
    /// Nothing comes through and nobody is told, as when a line is dead: connections stand, new ones hang.
    Dead,
    /// Connections break, new ones break at once, as when a router is off.
    Cut,
}

struct Shared {
    cable: Mutex<Cable>,
    changed: Condvar,
    sockets: Mutex<Vec<TcpStream>>,
    ended: Mutex<bool>,
}

impl Shared {
    fn cable(&self) -> MutexGuard<'_, Cable> {
        self.cable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn break_all(&self) {
        for socket in self.sockets.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // One that is gone already needs no ending.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Waits while the line is dead; false when it was cut or the test is over.
    fn may_carry(&self) -> bool {
        let mut cable = self.cable();
        while *cable == Cable::Dead {
            cable = self.changed.wait(cable).unwrap_or_else(PoisonError::into_inner);
        }
        *cable == Cable::Whole
    }
}

/// A port that leads to another one, as long as the cable is whole.
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Relay {
    /// Starts one on a free port of loopback that leads to `target`.
    ///
    /// # Errors
    /// No free port.
    pub fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            cable: Mutex::new(Cable::Whole),
            changed: Condvar::new(),
            sockets: Mutex::default(),
            ended: Mutex::new(false),
        });
        let relaying = shared.clone();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if *relaying.ended.lock().unwrap_or_else(PoisonError::into_inner) {
                    return;
                }
                let (shared, target) = (relaying.clone(), target);
                // A connection that does not come about is what a cable is for.
                std::thread::spawn(move || drop(join(&stream, target, &shared)));
            }
        });
        Ok(Self { address, shared })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Does this to the cable.
    pub fn set(&self, cable: Cable) {
        *self.shared.cable() = cable;
        self.shared.changed.notify_all();
        if cable == Cable::Cut {
            self.shared.break_all();
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        *self.shared.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.set(Cable::Cut);
        // Wakes the listener; it fails only when the listener is gone.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

/// Carries one connection, both ways, until an end closes or the cable is cut.
fn join(near: &TcpStream, target: SocketAddr, shared: &Arc<Shared>) -> io::Result<()> {
    if !shared.may_carry() {
        return near.shutdown(Shutdown::Both);
    }
    let far = TcpStream::connect(target)?;
    {
        let mut sockets = shared.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.push(near.try_clone()?);
        sockets.push(far.try_clone()?);
    }
    let (back_from, back_to, sharing) = (far.try_clone()?, near.try_clone()?, shared.clone());
    let back = std::thread::spawn(move || carry(back_from, back_to, &sharing));
    carry(near.try_clone()?, far, shared);
    // A thread that panicked has said so on standard error.
    let _ = back.join();
    Ok(())
}

fn carry(mut from: TcpStream, mut to: TcpStream, shared: &Shared) {
    let mut buf = vec![0; 64 << 10];
    while let Ok(n) = from.read(&mut buf) {
        if n == 0 || !shared.may_carry() || to.write_all(&buf[..n]).is_err() {
            break;
        }
    }
    // Whichever end went first, the other one sees the end of it.
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}
