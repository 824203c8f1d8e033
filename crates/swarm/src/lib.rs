//! The mind: a pure machine that knows many peers and many blobs and decides what to ask of whom.
//!
//! Owns: who is connected and what they said, what is wanted and what is held, which addresses are worth dialling, who is
//! banned, when to announce, look up, gossip and push. Does not own: sockets, files, ciphers, clocks, chance. Inputs are
//! `handle_*(now, …)`, `now` being the time since the process (or the simulation) started; outputs are polled. The same
//! seed and the same inputs give the same outputs.
//!
//! Each part is a machine that owns its state: addresses (`book`), bans (`bans`), connections (`peers`), wants (`picker`),
//! holdings that others wait for (`have`), who else holds what is ours (`census`), upload slots (`uploads`), announces (`announce`), peer exchange (`pex`), deadlines (`timers`).
//! [`repair`] chooses what is kept for others. The
//! [`Swarm`] joins them: `meet` (look-ups, HELLO), `guests` (callers), `dial`, `places`, `gossip` (manifests), `fetch` (blobs for us), `serve` (answers).

mod announce;
mod bans;
mod book;
mod census;
mod channel;
mod dial;
mod fetch;
mod gossip;
mod guests;
mod have;
mod meet;
mod peers;
mod pex;
mod picker;
mod places;
pub mod repair;
mod serve;
mod swarm;
mod timers;
mod types;
mod uploads;
mod way;

pub use swarm::Swarm;
pub use types::*;
pub use way::Way;
