//! Networks of a test's own: network namespaces joined by cables. Takes root and Linux; where that is missing, a test says
//! so and does nothing.

use anyhow::{Context, Result, bail};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A machine of its own on no network but its cables. Gone with its value; its processes end before that.
#[derive(Debug)]
pub struct Space {
    name: String,
}

impl Space {
    /// A new one, with loopback up; `None`: this system lets us make none.
    ///
    /// # Errors
    /// It can be made but not used.
    pub fn new(label: &str) -> Result<Option<Self>> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("mt{}-{label}{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let made = Command::new("ip").args(["netns", "add", &name]).output();
        if !made.as_ref().is_ok_and(|out| out.status.success()) {
            #[allow(clippy::print_stderr, reason = "this is how a test says that it cannot be tried here")]
            {
                eprintln!("skipped: no network namespaces here ({made:?})");
            }
            return Ok(None);
        }
        let space = Self { name };
        space.run("ip link set lo up")?;
        Ok(Some(space))
    }

    /// Its name for `ip netns exec`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A program that will run inside.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Does this inside, by a thread of its own: what it opens, and what the threads open that it starts, is there.
    ///
    /// # Errors
    /// It cannot be entered.
    #[cfg(target_os = "linux")]
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
        use std::os::fd::AsFd;
        let door = std::fs::File::open(format!("/run/netns/{}", self.name))?;
        let inside = move || {
            move_into_link_name_space(door.as_fd(), Some(LinkNameSpaceType::Network))?;
            anyhow::Ok(work())
        };
        std::thread::scope(|scope| match scope.spawn(inside).join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }

    /// Runs a command inside, its words parted by blanks; gives back what it printed.
    ///
    /// # Errors
    /// It fails.
    pub fn run(&self, line: &str) -> Result<String> {
        let mut words = line.split_whitespace();
        let program = words.next().context("no command")?;
        let out = self.command(program).args(words).output()?;
        if !out.status.success() {
            bail!("{line}: {}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        }
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }

    /// Joins two by a cable: each end's name and its addresses, such as `10.0.0.1/24`.
    ///
    /// # Errors
    /// The system makes no cable.
    pub fn join(one: (&Self, &str, &[&str]), other: (&Self, &str, &[&str])) -> Result<()> {
        let line = format!("ip link add {} type veth peer name {} netns {}", one.1, other.1, other.0.name);
        one.0.run(&line)?;
        for (space, card, addrs) in [one, other] {
            for addr in addrs {
                let at_once = if addr.contains(':') { " nodad" } else { "" };
                space.run(&format!("ip addr add {addr} dev {card}{at_once}"))?;
            }
            space.run(&format!("ip link set {card} up"))?;
            space.run(&format!("ip route replace 224.0.0.0/4 dev {card}"))?;
        }
        Ok(())
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        // Nothing can be done about one that stays.
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
    }
}
