//! The cellar: what a node knows (SQLite) and what it holds (files), crash-safe at every instruction.
//!
//! A blob is held **stored** (its sealed bytes are a file of the blob store) or **derived** (the plain bytes lie in the
//! user's files; key, nonce and position recreate it bit for bit). Nothing leaves [`Store::read_blob`] whose SHA-256
//! was not compared with its ID in that very buffer: bytes changed on disk and sealed under an old key and nonce would
//! betray both versions. One process owns a data folder ([`DataDir`] holds the lock). All methods block: call them from
//! blocking threads.
//!
//! Bytes go to a file first, then to the database in one transaction, so a killed process loses nothing. Files are
//! synced in groups behind that; after a power cut only what was not synced yet is read again ([`Recovery`]).

mod address_text;
mod addresses;
mod adopt;
pub mod backup;
mod beside;
mod blobs;
mod channels;
mod choose;
mod cut;
mod data_dir;
mod db;
mod enter;
mod error;
mod finish;
mod found;
mod growing;
mod holdings;
mod home;
mod items;
pub mod keeping;
pub mod keys;
mod listing;
mod moving;
mod origin;
mod ours;
mod own;
mod parts;
mod place;
mod places;
mod plans;
mod publishing;
mod quota;
mod read;
mod search;
mod secrets;
mod settings;
mod stamp;
mod store;
mod sums;
mod sweep;
mod sync;
mod types;
mod verify;
mod whole;

pub use choose::Chosen;
pub use data_dir::{DataDir, free_space, is_same_disk, may_write};
pub use db::{Rebuilt, is_sound, rebuild};
pub use error::StoreError;
pub use keys::{KeyError, KeyKind, KeyStore};
pub use listing::{ListDraft, ListHead, Relisted};
pub use moving::Moved;
pub use own::OwnChange;
pub use parts::harmless;
pub use plans::PlanDraft;
pub use publishing::Publication;
pub use read::Touched;
pub use secrets::GivenUp;
pub use store::Store;
pub use sums::{Tally, Totals};
pub use types::{
    Channel, Holding, IdentityRow, ItemRow, Keep, Named, Placed, PlanFile, PlanStep, Planned, ReadError, Recovery,
    Removed, Role, Standing, Urgency, VerifyOutcome,
};
pub use whole::write_whole;
