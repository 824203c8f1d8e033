//! What the whole-system tests share: real node processes, foreign peers, and folders to publish.
//!
//! [`v5`] is a second implementation of the plain v5 protocol, written from the bytes alone: it shares no line with
//! the product. [`process`] runs the real program. [`folder`] makes content and compares it. [`foreign_dht`] runs DHT
//! nodes that nobody here wrote. `tornet` runs a Tor network of its own, [`between`] measures a node's use of it.
//! [`hostile`] says what no honest peer would. [`relay`] is a cable that can be pulled.
//! [`sim`] runs many minds on a network in memory.

pub mod between;
#[cfg(unix)]
pub mod crash;
pub mod dark;
pub mod folder;
pub mod foreign_dht;
pub mod hostile;
#[cfg(target_os = "linux")]
pub mod house;
pub mod netns;
pub mod people;
pub mod process;
pub mod relay;
pub mod sim;
pub mod socks_proxy;
#[cfg(unix)]
pub mod tornet;
pub mod v5;
pub mod visitor;
pub mod wav;
