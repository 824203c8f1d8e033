//! People who use Tor alone: their devices, each with a tor of the private network, and what they wait for.

use crate::people::until;
use crate::process::{Daemon, Home, Watch};
use crate::tornet::TorNet;
use anyhow::{Context, Result};
use serde_json::Value;

/// A person behind one of the network's tors.
pub struct Hidden {
    /// The device.
    pub home: Home,
    /// Its node.
    pub node: Daemon,
    /// Its tor: the number of the client.
    pub tor: usize,
}

impl Hidden {
    /// Starts a node that knows nothing but this tor, by its control port, and waits until its way out is there.
    ///
    /// # Errors
    /// The node does not start, or its tor lets it not out.
    pub fn start(name: &str, tors: &TorNet, tor: usize) -> Result<Self> {
        let home = Home::new(name, &[])?;
        let node = Self::run(&home, tors, tor)?;
        until(&home, &["status"], "the route up", |status| (status["route"]["state"]["state"] == "up").then_some(()))?;
        Ok(Self { home, node, tor })
    }

    /// Starts the node on the home.
    ///
    /// # Errors
    /// It does not start.
    pub fn run(home: &Home, tors: &TorNet, tor: usize) -> Result<Daemon> {
        home.daemon_with(["--route", &format!("tor://{}", tors.client(tor).control()?)])
    }

    /// The onion address of its only channel, once Tor's network knows of it.
    ///
    /// # Errors
    /// It is not published in time, or there are several.
    pub fn onion(&self) -> Result<String> {
        let mut onions = self.onions(1)?;
        onions.pop().map(|(_, addr)| addr).context("an onion address")
    }

    /// Its onion addresses, each with its channel, once Tor's network knows of so many and there are no others.
    ///
    /// # Errors
    /// They are not published in time.
    pub fn onions(&self, count: usize) -> Result<Vec<(String, String)>> {
        until(&self.home, &["status"], "the onion addresses published", |status| {
            let onions = status["route"]["onions"].as_array().filter(|onions| onions.len() == count)?;
            let told = |onion: &Value| {
                let text = |member: &str| onion[member].as_str().map(str::to_owned);
                Some((text("channel")?, text("addr")?)).filter(|_| onion["published"] == true)
            };
            onions.iter().map(told).collect()
        })
    }

    /// Its tor forgets where it met services: it would not ask again within 15 minutes, and this network is small.
    ///
    /// # Errors
    /// Its tor is not there.
    pub fn forget(&self, tors: &TorNet) -> Result<()> {
        tors.client(self.tor).log_in()?.command("SIGNAL NEWNYM").map(drop)
    }

    /// Asks the node.
    ///
    /// # Errors
    /// The command failed.
    pub fn ask(&self, args: &[&str]) -> Result<Value> {
        self.home.ask(args)
    }

    /// Listens to it.
    ///
    /// # Errors
    /// The command does not start.
    pub fn watch(&self) -> Result<Watch> {
        self.node.watch(&self.home)
    }
}

/// The path of an item that is complete.
///
/// # Errors
/// The event names none.
pub fn path_of(ready: &Value) -> Result<std::path::PathBuf> {
    Ok(ready["path"].as_str().context("a path")?.into())
}
