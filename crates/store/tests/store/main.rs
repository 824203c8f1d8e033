//! The store from outside: what it promises, kept under every insult that a disk, a user or a kill can bring.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on says so by panicking, one that cannot be tried here by a line"
)]

extern crate megatorrent_store as store;

mod authors;
mod choosing;
mod crash;
mod cuts;
mod damage;
mod devices;
mod encrypted;
mod fetching;
mod found;
mod full;
mod moving;
mod publishing;
mod quota;
mod rebuilding;
mod removing;
mod sealing;
mod search;
mod sums;
mod touched;
mod updating;
mod verifying;
mod world;
