//! Devices of one identity that publish without asking each other: whatever they change in whatever order, and however
//! late they hear of each other, they come to one list in which nothing is lost.

use crate::world::{World, channel, row};
use proptest::prelude::*;
use protocol::devices::{DeviceId, Seen};
use protocol::{Identity, ItemId, SignedManifest};
use std::collections::{BTreeMap, BTreeSet};
use store::{ItemRow, ListHead, OwnChange, Publication, Standing};

const DEVICES: usize = 3;
const ITEMS: u8 = 5;

/// A list as it lies in the DHT.
#[derive(Debug, Clone)]
struct List {
    sequence: u64,
    name: String,
    items: Vec<(ItemId, Vec<u8>)>,
    seen: Seen,
}

struct Device {
    world: World,
    id: DeviceId,
    /// Its clock is so much ahead.
    ahead: u64,
}

/// Every device, and all that was ever signed.
struct Devices {
    all: Vec<Device>,
    signed: Vec<List>,
    clock: u64,
    versions: u64,
}

fn identity() -> Identity {
    Identity::from_seed(&[7; 32])
}

fn item(id: ItemId, json: &[u8]) -> ItemRow {
    ItemRow { channel: identity().channel(), json: json.to_vec(), ..row(id, b"1") }
}

impl Devices {
    fn new(ahead: [u64; DEVICES]) -> Self {
        let key = identity().channel();
        let all = ahead.into_iter().zip(1..).map(|(ahead, number)| {
            let world = World::new();
            world.add_or_change_channel(channel(key), |row| row.own = true).unwrap();
            Device { world, id: DeviceId([number; 6]), ahead }
        });
        Self { all: all.collect(), signed: Vec::new(), clock: 1_000, versions: 0 }
    }

    fn list(&self, device: usize) -> Vec<(ItemId, Vec<u8>)> {
        let key = identity().channel();
        let world = &self.all[device].world;
        let listed = world.items(&key).unwrap().into_iter().filter(|row| row.position != u32::MAX).map(|row| row.id);
        listed.zip(world.list_json(&key).unwrap()).collect()
    }

    fn name(&self, device: usize) -> String {
        self.all[device].world.channel(&identity().channel()).unwrap().unwrap().name
    }

    fn version(&mut self, id: ItemId) -> Vec<u8> {
        self.versions += 1;
        format!("{{\"id\":{},\"version\":{}}}", id.0[0], self.versions).into_bytes()
    }

    /// Signs what the device has, with a change.
    fn sign(&mut self, device: usize, changed: Option<OwnChange>, items: Vec<(ItemId, Vec<u8>)>, name: String) {
        self.clock += 1;
        let key = identity().channel();
        let Device { world, id, ahead } = &self.all[device];
        let mut sequence = (self.clock + ahead).max(world.floor(&key).unwrap() + 1);
        while self.signed.iter().any(|list| list.sequence == sequence) {
            sequence += 1;
        }
        let seen = world.seen(&key).unwrap().with(*id, sequence);
        let body = protocol::Body { collections: vec![protocol::body::Collection::default()], ..Default::default() };
        let publication = Publication {
            channel: key,
            name: name.clone(),
            about: String::new(),
            manifest: SignedManifest::sign_inline(&identity(), sequence, &body).unwrap(),
            base: world.channel(&key).unwrap().unwrap().body_sequence,
            changed,
            device: *id,
            seen: seen.clone(),
            read_key: None,
            identity: None,
            items: items.iter().map(|(id, json)| item(*id, json)).collect(),
            structure: Vec::new(),
            draft: None,
            out: None,
        };
        world.publish_list(publication).unwrap();
        self.signed.push(List { sequence, name, items, seen });
    }

    /// Reads the newest list there is, if the device does not have it; signs again what it did not know of.
    fn hear(&mut self, device: usize) -> bool {
        let key = identity().channel();
        let Some(newest) = self.signed.iter().max_by_key(|list| list.sequence).cloned() else { return false };
        let world = &self.all[device].world;
        if newest.sequence <= world.floor(&key).unwrap() {
            return false;
        }
        world.raise_floor(&key, newest.sequence).unwrap();
        let mut draft = world.begin_list(&key, 100, 1_000_000).unwrap();
        let rows: Vec<_> = (0..).zip(newest.items.iter().map(|(id, json)| item(*id, json))).collect();
        world.extend_list(&mut draft, &rows).unwrap();
        let List { sequence, name, seen, .. } = newest;
        let relisted =
            world.commit_list(draft, ListHead { sequence, name, about: String::new(), seen: Some(seen) }, &[]).unwrap();
        assert_eq!(relisted.unsigned, world.unsigned().unwrap() == [key]);
        true
    }

    fn sign_again(&mut self, device: usize) -> bool {
        if self.all[device].world.unsigned().unwrap().is_empty() {
            return false;
        }
        let (items, name) = (self.list(device), self.name(device));
        self.sign(device, None, items, name);
        true
    }
}

#[derive(Debug, Clone)]
enum Op {
    Put(u8),
    Out(u8),
    Name,
    Hear,
    SignAgain,
    Restart,
}

fn op() -> impl Strategy<Value = (usize, Op)> {
    let op = prop_oneof![
        4 => (0..ITEMS).prop_map(Op::Put),
        2 => (0..ITEMS).prop_map(Op::Out),
        1 => Just(Op::Name),
        3 => Just(Op::Hear),
        2 => Just(Op::SignAgain),
        1 => Just(Op::Restart),
    ];
    (0..DEVICES, op)
}

/// What was done to one item.
#[derive(Debug, Default)]
struct Story {
    /// Devices that put it in or edited it, and the last version of each.
    put: BTreeMap<usize, Vec<u8>>,
    /// Times it was put in or edited.
    puts: usize,
    out: BTreeSet<usize>,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 2_000, ..ProptestConfig::default() })]
    #[test]
    fn devices_of_one_identity_come_to_one_list_and_lose_nothing(
        ops in proptest::collection::vec(op(), 1..40),
        ahead in prop_oneof![Just([0; DEVICES]), Just([0, 1_000, 7])],
    ) {
        let mut devices = Devices::new(ahead);
        let mut stories: BTreeMap<u8, Story> = BTreeMap::new();
        let mut names: BTreeMap<usize, String> = BTreeMap::new();
        for (device, op) in ops {
            match op {
                Op::Put(number) => {
                    let id = ItemId([number + 1; 16]);
                    let version = devices.version(id);
                    let mut items = devices.list(device);
                    match items.iter_mut().find(|(known, _)| *known == id) {
                        Some((_, json)) => json.clone_from(&version),
                        None => items.insert(0, (id, version.clone())),
                    }
                    let story = stories.entry(number).or_default();
                    story.puts += 1;
                    story.put.insert(device, version);
                    let name = devices.name(device);
                    devices.sign(device, Some(OwnChange::Item(id)), items, name);
                }
                Op::Out(number) => {
                    let id = ItemId([number + 1; 16]);
                    let mut items = devices.list(device);
                    if !items.iter().any(|(known, _)| *known == id) {
                        continue;
                    }
                    items.retain(|(known, _)| *known != id);
                    stories.entry(number).or_default().out.insert(device);
                    let name = devices.name(device);
                    devices.sign(device, Some(OwnChange::Item(id)), items, name);
                }
                Op::Name => {
                    let name = format!("name {device} {}", devices.clock);
                    names.insert(device, name.clone());
                    let items = devices.list(device);
                    devices.sign(device, Some(OwnChange::Texts), items, name);
                }
                Op::Hear => drop(devices.hear(device)),
                Op::SignAgain => drop(devices.sign_again(device)),
                Op::Restart => drop(devices.all[device].world.crash()),
            }
        }
        for round in 0.. {
            let mut moved = false;
            for device in 0..DEVICES {
                moved |= devices.hear(device);
                moved |= devices.sign_again(device);
            }
            if !moved {
                break;
            }
            prop_assert!(round < 20, "they never agree");
        }
        let list = devices.list(0);
        for device in 1..DEVICES {
            prop_assert_eq!(&devices.list(device), &list);
            prop_assert_eq!(devices.name(device), devices.name(0));
        }
        for (number, story) in stories {
            let found = list.iter().find(|(id, _)| id.0[0] == number + 1).map(|(_, json)| json);
            if story.out.is_empty() {
                prop_assert!(found.is_some(), "item {} is lost: {:?}", number, story);
            }
            if let Some(found) = found {
                prop_assert!(story.put.values().any(|last| last == found) || story.put.len() > 1, "{story:?}");
            }
            if story.puts == 1 && !story.out.is_empty() {
                prop_assert_eq!(found, None, "item {} came back: {:?}", number, story);
            }
        }
        if let [name] = names.values().collect::<Vec<_>>()[..] {
            prop_assert_eq!(&devices.name(0), name);
        }
    }
}

#[test]
fn what_two_devices_put_in_at_once_is_all_there_and_what_one_took_out_stays_out() {
    let mut devices = Devices::new([0; DEVICES]);
    let ids = [1_u8, 2, 3].map(|n| ItemId([n; 16]));
    let first = vec![(ids[0], b"{\"v\":1}".to_vec())];
    devices.sign(0, Some(OwnChange::Item(ids[0])), first.clone(), "Sea".into());
    assert!(devices.hear(1));
    // Both change it before they hear of each other.
    devices.sign(
        0,
        Some(OwnChange::Item(ids[1])),
        [vec![(ids[1], b"{\"v\":2}".to_vec())], first].concat(),
        "Sea".into(),
    );
    devices.sign(1, Some(OwnChange::Item(ids[0])), vec![], "Sea".into());
    assert!(devices.hear(0) && !devices.hear(1));
    assert_eq!(devices.list(0), [(ids[1], b"{\"v\":2}".to_vec())], "the new one stays, and the one taken out is out");
    // Cut off before it signs, it still knows that it must.
    devices.all[0].world.crash();
    assert!(devices.sign_again(0) && !devices.sign_again(0));
    assert!(devices.hear(1) && !devices.sign_again(1));
    assert_eq!(devices.list(1), devices.list(0));
    // A list without a mark counts as knowing all: what it does not have was taken out.
    let key = identity().channel();
    let draft = devices.all[0].world.begin_list(&key, 100, 1_000).unwrap();
    let head = ListHead { sequence: 90_000, name: "Sea".into(), about: String::new(), seen: None };
    let relisted = devices.all[0].world.commit_list(draft, head, &[]).unwrap();
    assert!(!relisted.unsigned && devices.list(0).is_empty());
    assert_eq!(devices.all[0].world.seen(&key).unwrap().of(DeviceId::UNMARKED), 90_000);
    assert!(devices.all[0].world.items(&key).unwrap().iter().all(|row| row.standing != Standing::Published));
}
