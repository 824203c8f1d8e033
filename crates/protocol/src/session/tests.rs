use super::*;
use crate::frame::{Opener, Sealer};
use crate::handshake::Handshake;
use crate::id::hex_array;
use crate::params::{BLOB_LEN, SPLIT_LEN};
use proptest::prelude::*;
use serde_json::Value;

mod hostile;
mod pair;
mod vectors;

const ALL: Capabilities = Capabilities { manifest: true, have: true, split: true, gateway: true };
const START: Duration = Duration::from_secs(1000);

fn id(byte: u8) -> BlobId {
    BlobId([byte; 32])
}
fn blob(byte: u8) -> Arc<Vec<u8>> {
    Arc::new((0..BLOB_LEN).map(|at| (at % 251) as u8 ^ byte).collect())
}
fn hello(ext: Capabilities) -> Hello {
    Hello { ext, ..Default::default() }
}
/// Everything that waits to be sent, as plain frames.
fn sent(session: &mut Session) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut out = Vec::new();
    while session.poll_transmit(&mut out) {
        frames.push(out.clone());
    }
    frames
}
/// But for [`Event::Arriving`], of which one test tells.
fn events(session: &mut Session) -> Vec<Event> {
    std::iter::from_fn(|| session.poll_event()).filter(|event| !matches!(event, Event::Arriving(_))).collect()
}
fn feed(session: &mut Session, message: &Message<'_>) -> Result<(), Violation> {
    session.handle_frame(START, &message.to_frame())
}
/// An acceptor whose peer said HELLO with these capabilities and heard ours.
fn greeted(ext: Capabilities) -> Session {
    let mut session = Session::new(Role::Acceptor, ALL, START);
    feed(&mut session, &Message::Hello { version: 5, hello: hello(ext) }).unwrap();
    session.handle_command(START, Command::Hello(hello(ALL)));
    sent(&mut session);
    events(&mut session);
    session
}
