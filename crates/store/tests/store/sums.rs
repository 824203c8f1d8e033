//! What rows come to.

use crate::world::{CHANNEL, ITEM, Padding, World, bytes, make, row};
use protocol::params::{CHUNK_LEN, SEQUENCE_MAX};
use protocol::{ChannelKey, ItemId};
use store::{ItemRow, Standing, Tally, Totals};

#[test]
fn totals_follow_every_write() {
    let world = World::new();
    let none = world.totals().unwrap();
    assert_eq!((none.blobs, none.used), (0, 0));
    let made = make(1, Padding::Ours, &[("film", bytes(1, 2 * CHUNK_LEN))]);
    world.download(ITEM, &world.root(), &made);
    let all = world.totals().unwrap();
    assert_eq!((all.blobs, all.used, all.lent), (2, 2 * CHUNK_LEN as u64, 0));
    assert_eq!(world.totals().unwrap(), all, "the same again");
    world.remove_item(&CHANNEL, &ITEM, true).unwrap();
    assert_eq!(world.totals().unwrap(), Totals { blobs: 0, used: 0, ..all });
}

#[test]
fn a_channel_comes_to_what_its_list_says() {
    let world = World::new();
    let item = |n: u8, bytes: u64| ItemRow { bytes, ..row(ItemId([n; 16]), b"1") };
    world.set_items(&CHANNEL, 2, &[item(11, 5), item(12, 7), item(13, 9)]).unwrap();
    assert_eq!(world.tally(&CHANNEL).unwrap(), Tally { listed: 3, complete: 0, bytes: 21, wanted: 0 });
    world.set_standing(&CHANNEL, &ItemId([11; 16]), Standing::Wanted, false).unwrap();
    world.set_standing(&CHANNEL, &ItemId([12; 16]), Standing::Complete, false).unwrap();
    assert_eq!(world.tally(&CHANNEL).unwrap(), Tally { listed: 3, complete: 1, bytes: 21, wanted: 1 });
    assert_eq!(world.tally(&ChannelKey([9; 32])).unwrap(), Tally::default(), "a stranger comes to nothing");
    // Three thousand items of the greatest size that can be written: no number of 64 bits holds their sum.
    let many = |n: u16| {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&n.to_be_bytes());
        ItemRow { bytes: SEQUENCE_MAX, ..row(ItemId(id), b"1") }
    };
    let huge: Vec<ItemRow> = (0..3000).map(many).collect();
    world.set_items(&CHANNEL, 3, &huge).unwrap();
    let tally = world.tally(&CHANNEL).unwrap();
    assert_eq!((tally.listed, tally.bytes), (3000, 9_000_000_000_000_000_000));
}
