//! JSON-RPC 2.0 over the local socket: how this user's other processes talk to a running node.
//!
//! One JSON object per line, UTF-8, ended by `\n`. `method` and `params` are those of [`Request`]; `result` is a
//! [`Reply`]; an `error` carries the [`Code`] in `data`. Requests of one connection run side by side. While a
//! `publish`, `get` or another long request runs, its progress comes as notifications `{"method":"event","params":{"id":<its id>,"event":…}}`;
//! after `watch` every event comes so, until the connection ends.
//!
//! Promises: a request line is at most [`MAX_REQUEST`] bytes; at most [`MAX_CONNECTIONS`] connections and
//! [`MAX_RUNNING`] requests on each; a client that goes away ends its `watch`, and what only waits (`get`, `look`, a
//! publication that is still being sealed); whatever changes something is finished by the node; every task of a
//! connection ends with it. Only the same user reaches the socket
//! (`net::local`), so nothing here asks who is calling.

mod client;
mod lines;
mod server;
mod wire;

pub use client::{Client, Watching};
pub use server::{Serving, serve, serve_stream};

use crate::api::{ErrorInfo, Event, Reply, Request};
use crate::node::{Events, Node};
use std::future::Future;
use std::time::Duration;

/// Bytes of a request line, without its end.
pub const MAX_REQUEST: usize = 1 << 20;
/// Bytes of a line that a client takes: a list of 100,000 items fits.
pub const MAX_REPLY: usize = 256 << 20;
/// Connections at one time; more wait to be accepted.
pub const MAX_CONNECTIONS: usize = 32;
/// Requests under way on one connection; more are answered "busy".
pub const MAX_RUNNING: usize = 16;
/// Lines that wait for a slow client before its requests wait for it.
const OUTBOX: usize = 64;
/// How long answers may take to leave after the node stopped.
const FAREWELL: Duration = Duration::from_secs(2);

/// What answers requests: a [`Node`], or its stand-in in a test.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Its news.
    type News: News;
    /// Does one thing; dropping the future ends what only waits, and cuts nothing between two steps.
    fn call(&self, request: Request) -> impl Future<Output = Result<Reply, ErrorInfo>> + Send;
    /// What happens from now on, a snapshot first.
    fn events(&self) -> Self::News;
    /// Resolves when it has stopped.
    fn stopped(&self) -> impl Future<Output = ()> + Send;
}

/// A stream of events.
pub trait News: Send + 'static {
    /// The next one; none after the node stopped.
    fn next(&mut self) -> impl Future<Output = Option<Event>> + Send;
}

impl Handler for Node {
    type News = Events;
    async fn call(&self, request: Request) -> Result<Reply, ErrorInfo> {
        Node::call(self, request).await
    }
    fn events(&self) -> Events {
        Node::events(self)
    }
    async fn stopped(&self) {
        Node::stopped(self).await;
    }
}

impl News for Events {
    async fn next(&mut self) -> Option<Event> {
        Events::next(self).await
    }
}

#[cfg(test)]
mod tests;
