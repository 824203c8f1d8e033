//! A full node: joins protocol, swarm, store and net, and owns every task.
pub mod api;
