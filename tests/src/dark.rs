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
    /// Starts a node that knows nothing but this tor, by its control port, and waits until it is reached by its onion
    /// address.
    ///
    /// # Errors
    /// The node does not start, or its onion service is not published.
    pub fn start(name: &str, tors: &TorNet, tor: usize) -> Result<Self> {
        let home = Home::new(name, &[])?;
        let node = Self::run(&home, tors, tor)?;
        let person = Self { home, node, tor };
        person.onion()?;
        Ok(person)
    }

    /// Starts the node on the home.
    ///
    /// # Errors
    /// It does not start.
    pub fn run(home: &Home, tors: &TorNet, tor: usize) -> Result<Daemon> {
        home.daemon_with(["--route", &format!("tor://{}", tors.client(tor).control()?)])
    }

    /// Its onion address, once Tor's network knows of it.
    ///
    /// # Errors
    /// It is not published in time.
    pub fn onion(&self) -> Result<String> {
        until(&self.home, &["status"], "the onion address published", |status| {
            let route = &status["route"];
            (route["onion_published"] == true).then(|| route["onion"].as_str().map(str::to_owned))?
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
