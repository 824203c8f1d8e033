//! Looking for items by their words.

use crate::world::{CHANNEL, World, channel, row};
use protocol::{ChannelKey, ItemId};
use store::ItemRow;

fn named(n: u32, name: &str, about: &str) -> ItemRow {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&n.to_be_bytes());
    let json = format!("{{\"name\":{name:?}}}").into_bytes();
    ItemRow { name: name.into(), about: about.into(), json, ..row(ItemId(id), b"1") }
}

fn found(world: &World, text: &str) -> Vec<String> {
    world.search(None, text, 100).unwrap().into_iter().map(|row| row.name).collect()
}

#[test]
fn items_are_found_by_the_beginnings_of_their_words() {
    let mut world = World::new();
    let items = [
        named(1, "Live at the Pier", "Two microphones, one storm"),
        named(2, "Storm at Sea", ""),
        named(3, "Übergänge", "Straßenlärm in 日本"),
    ];
    world.set_items(&CHANNEL, 2, &items).unwrap();
    assert_eq!(found(&world, "pier"), ["Live at the Pier"]);
    assert_eq!(found(&world, "STORM"), ["Storm at Sea", "Live at the Pier"], "a name counts for more");
    assert_eq!(found(&world, "micro sto"), ["Live at the Pier"]);
    assert_eq!(found(&world, "ubergange"), ["Übergänge"]);
    assert_eq!(found(&world, "日本"), ["Übergänge"]);
    for nothing in ["", "  ", "\"", "zeppelin", "pier sea", "name:x) OR (", "*"] {
        assert_eq!(found(&world, nothing), [] as [&str; 0], "{nothing:?}");
    }
    // A list that changes changes what is found.
    world.set_items(&CHANNEL, 3, &[named(1, "Live at the Harbour", ""), items[1].clone()]).unwrap();
    assert_eq!(found(&world, "pier"), [] as [&str; 0]);
    assert_eq!(found(&world, "harb"), ["Live at the Harbour"]);
    assert_eq!(found(&world, "uber"), [] as [&str; 0]);
    let other = ChannelKey([2; 32]);
    world.add_or_change_channel(channel(other), |_| {}).unwrap();
    world.set_items(&other, 1, &[ItemRow { channel: other, ..named(9, "Storm elsewhere", "") }]).unwrap();
    assert_eq!(world.search(Some(&other), "storm", 9).unwrap().len(), 1);
    assert_eq!(world.search(None, "storm", 1).unwrap().len(), 1);
    world.remove_channel(&CHANNEL, false).unwrap();
    assert_eq!(found(&world, "storm"), ["Storm elsewhere"]);
    world.reopen();
    assert_eq!(found(&world, "storm"), ["Storm elsewhere"]);
}

#[test]
fn a_channel_of_a_hundred_thousand_items_is_listed_searched_and_changed() {
    let world = World::new();
    let mut items: Vec<ItemRow> =
        (0..100_000).map(|n| named(n, &format!("Recording {n}"), "from the archive of the harbour")).collect();
    world.set_items(&CHANNEL, 2, &items).unwrap();
    assert_eq!(found(&world, "recording 99999"), ["Recording 99999"]);
    assert_eq!(world.search(Some(&CHANNEL), "archive harbour", 50).unwrap().len(), 50);
    items.insert(0, named(200_000, "The newest", ""));
    world.set_items(&CHANNEL, 3, &items).unwrap();
    assert_eq!(found(&world, "newest"), ["The newest"]);
    assert_eq!(world.items(&CHANNEL).unwrap().len(), 100_001);
}
