//! Every verb, reply, event and error code of the program, declared once.
//!
//! The command line, the local socket (JSON-RPC) and the window all speak these types. Errors cross as `{code, message}`;
//! callers match the code, people read the message. Secrets never cross, except a read key inside a link that the user
//! asked for and an encrypted backup.

mod cause;
mod event;
mod left_out;
pub mod paths;
mod reply;
mod request;
mod state;
#[cfg(test)]
mod typescript;

pub use cause::*;
pub use event::*;
pub use left_out::*;
pub use reply::*;
pub use request::*;
pub use state::*;
