//! A full node: joins protocol, swarm, store and net, and owns every task.

pub mod amounts;
pub mod api;
mod channel;
mod clock;
pub mod config;
mod conn;
mod ctx;
mod doctor;
mod engine;
mod error;
mod gateway;
mod governor;
mod hasher;
mod keep;
mod library;
mod limits;
mod media;
mod meter;
mod near;
mod network;
mod node;
mod play;
mod publish;
mod repair;
pub mod rpc;
mod schedule;
mod stream;
mod verbs;
mod view;

pub use config::{NodeConfig, default_data_dir};
pub use net::route::{Choice as Route, ChoiceError as RouteError};
pub use net::web;
pub use node::{Events, Node};
pub use protocol::{Link, PeerAddr};
pub use store::keys::{PASSPHRASE_MIN, is_short as is_short_passphrase};
