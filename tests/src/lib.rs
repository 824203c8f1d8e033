//! What the whole-system tests share: real node processes, foreign peers, and folders to publish.

pub mod foreign_dht;
