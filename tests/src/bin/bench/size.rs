//! Large libraries: a node that holds 100,000 blobs, a channel of 100,000 items, fifty peers that take what they asked
//! for slowly.

use super::product::PATIENCE;
use super::report::{Figure, Goal, complain};
use super::usage;
use anyhow::{Context, Result, ensure};
use megatorrent_tests::folder;
use megatorrent_tests::hostile;
use megatorrent_tests::people::{publish, text, until};
use megatorrent_tests::process::Home;
use megatorrent_tests::v5::author::Author;
use megatorrent_tests::v5::{self, Blob, Habits, Server, Wire};
use protocol::body::{Collection, PageRef};
use protocol::{BlobId, BlobKey, Body, Chunk, Content, FileEntry, Identity, Item, ItemId, Payload, SafePath, Tree};
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

/// A node at rest is watched for this long.
const REST: Duration = Duration::from_secs(30);
/// After its start a node has this long to come to rest.
const SETTLE: Duration = Duration::from_secs(10);

fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}

/// A daemon that holds this many blobs: the time to its first answer, and what it takes when nothing happens. The file
/// behind them is one of holes: it is read, sealed and named like any other, and takes no room.
pub(crate) fn holdings(scratch: &Path, blobs: u64) -> Result<Vec<Figure>> {
    let source = scratch.join("holes.bin");
    File::create(&source)?.set_len(blobs << 20)?;
    let mut home = Home::within(scratch, "library", &[])?;
    home.be_patient(PATIENCE);
    let node = home.daemon()?;
    let begun = Instant::now();
    publish(&home, &source, &[])?;
    complain(&format!("   {blobs} blobs published in {:.0} s", seconds(begun)));
    node.stop(&home)?;
    let mut starts = Vec::new();
    for _ in 0..3 {
        let begun = Instant::now();
        let node = home.daemon()?;
        starts.push(seconds(begun));
        node.stop(&home)?;
    }
    let node = home.daemon()?;
    let held = home.ask(["status"])?["blobs"].as_u64().context("blobs")?;
    ensure!(held > blobs, "{held} blobs are held, tables with them");
    std::thread::sleep(SETTLE);
    let before = usage::cpu(node.id())?;
    std::thread::sleep(REST);
    let busy = (usage::cpu(node.id())? - before) / REST.as_secs_f64();
    let (memory, peak) = (usage::memory(node.id(), "VmRSS")?, usage::memory(node.id(), "VmHWM")?);
    node.stop(&home)?;
    std::fs::remove_file(&source)?;
    let what = format!("{held} blobs held, most of three starts, no DHT");
    let most = starts.into_iter().fold(0.0, f64::max);
    Ok(vec![
        Figure::number("holdings: start", &what, most, "s", Goal::AtMost(1.0)),
        Figure::number("holdings: memory at rest", &what, memory as f64, "bytes", Goal::AtMost(60e6)),
        Figure::number("holdings: most memory", "from the start on", peak as f64, "bytes", Goal::AtMost(100e6)),
        Figure::number("holdings: at rest", &what, busy * 100.0, "% of a core", Goal::AtMost(1.0)),
    ])
}

/// A channel's list, made by hand as another writer makes it: pages of a thousand items, each of one file.
struct List {
    manifest: String,
    sequence: u64,
    blobs: Vec<Blob>,
}

const WORDS: [&str; 16] = [
    "harbour", "lantern", "winter", "copper", "garden", "signal", "meadow", "granite", "violet", "engine", "paper",
    "thunder", "island", "marble", "orchid", "compass",
];

fn item(n: u64) -> Result<Item> {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&n.to_be_bytes());
    let word = |shift: u64| WORDS[(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> shift & 15) as usize];
    let key = BlobKey { key: [n as u8; 32], nonce: [0; 12] };
    let mut blob = [0; 32];
    blob[..8].copy_from_slice(&n.to_be_bytes());
    let chunk = Chunk { blob: BlobId(blob), key, offset: 0, len: 1_000_000 };
    Ok(Item {
        id: ItemId(id),
        name: format!("{} {} {n}", word(40), word(50)),
        about: format!("Recorded by the {} near the {}", word(20), word(30)),
        published: 1_600_000_000_000 + n,
        payload: Payload::File(FileEntry {
            path: SafePath::parse(&format!("{}-{n}.flac", word(40)))?,
            size: 1_000_000,
            mime: Some("audio/flac".into()),
            content: Content::Chunks(vec![chunk]),
        }),
        left_out: Vec::new(),
    })
}

impl List {
    fn new(seed: &[u8; 32], items: u64) -> Result<Self> {
        let mut blobs = Vec::new();
        let mut seal = |stream: &[u8]| -> Result<Tree> {
            let blob = Blob::seal(stream)?;
            let id = data_encoding::HEXLOWER.decode(blob.id.as_bytes())?;
            let tree = Tree {
                blob: BlobId(id.try_into().ok().context("a blob ID")?),
                key: BlobKey { key: blob.key, nonce: blob.nonce },
                size: stream.len() as u64,
                depth: 0,
            };
            blobs.push(blob);
            Ok(tree)
        };
        let mut pages = Vec::new();
        let mut last = items;
        while last > 0 {
            let first = last.saturating_sub(1000);
            let page: Vec<Item> = (first..last).rev().map(item).collect::<Result<_>>()?;
            let tree = seal(&protocol::body::page_to_json(&page))?;
            let bytes = page.iter().map(Item::size).sum();
            pages.push(PageRef { count: u32::try_from(page.len())?, bytes, tree });
            last = first;
        }
        let sequence = 1_700_000_000_000;
        let body = Body {
            name: "A large channel".into(),
            collections: vec![Collection { title: "Default".into(), items: Vec::new(), pages }],
            timestamp: sequence,
            ..Body::default()
        };
        let tree = seal(&body.to_json())?;
        let signed = protocol::SignedManifest::sign_tree(&Identity::from_seed(seed), sequence, &tree, sequence);
        Ok(Self { manifest: String::from_utf8(signed.json().to_vec())?, sequence, blobs })
    }
}

/// A channel of this many items: taken over by its author, followed, searched, and changed by one item.
pub(crate) fn channel(scratch: &Path, items: u64) -> Result<Vec<Figure>> {
    let seed = [41; 32];
    let list = List::new(&seed, items)?;
    let server = Server::start(Habits::default())?;
    list.blobs.iter().for_each(|blob| server.hold(blob));
    // The author's key comes to this device as a v5 client keeps it, the list from a peer.
    let author = Author::new(seed);
    let mut alice = Home::within(scratch, "author", &[])?;
    alice.be_patient(PATIENCE);
    let node = alice.daemon_with(["--peer", &server.address().to_string()])?;
    let key = alice.path().join("Alice.json");
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    std::fs::write(&key, format!("{{\"publicKey\":\"{}\",\"secretKey\":\"{}\"}}", author.channel(), hex(&seed)))?;
    alice.ask(["id".as_ref(), "import".as_ref(), key.as_os_str()])?;
    ensure!(hostile::push(node.address().parse()?, &author, &list.manifest, list.sequence)?, "the list was refused");
    let count = |all: &Value| all.as_array()?.iter().find_map(|channel| channel["items"].as_u64());
    let lists = |home: &Home, wanted: u64| {
        until(home, &["channels"], "the list", |all| (count(all) == Some(wanted)).then_some(()))
    };
    lists(&alice, items)?;
    let one = scratch.join("one.bin");
    folder::write(&one, 10_000, 1)?;
    // The first list of our own: every page is cut and sealed anew.
    publish(&alice, &one, &[])?;

    let mut bob = Home::within(scratch, "reader", &[])?;
    bob.be_patient(PATIENCE);
    let reader = bob.daemon_with(["--peer", node.address()])?;
    let mut watch = reader.watch(&bob)?;
    let received = || -> Result<f64> { bob.ask(["status"])?["received"].as_f64().context("received") };
    let begun = Instant::now();
    bob.ask(["subscribe", &author.link(), "--fetch", "none"])?;
    watch.until("the list", |event| {
        (event["event"] == "channel" && event["data"]["items"] == items + 1).then_some(())
    })?;
    let (followed, first) = (seconds(begun), received()?);

    let other = scratch.join("another.bin");
    folder::write(&other, 10_000, 2)?;
    let begun = Instant::now();
    let published = publish(&alice, &other, &[])?;
    let signed = seconds(begun);
    watch.until("the update", |event| {
        (event["event"] == "channel" && event["data"]["items"] == items + 2).then_some(())
    })?;
    let (updated, moved) = (seconds(begun), received()? - first);
    ensure!(!text(&published, "item")?.is_empty(), "{published}");

    let begun = Instant::now();
    let found = bob.ask(["search", "harbour lantern"])?;
    let searched = seconds(begun);
    ensure!(found.as_array().is_some_and(|found| !found.is_empty()), "nothing was found: {found}");
    let memory = usage::memory(reader.id(), "VmHWM")?;
    reader.stop(&bob)?;
    node.stop(&alice)?;
    let what = format!("{items} items");
    Ok(vec![
        Figure::number("channel: followed", &what, followed, "s", Goal::AtMost(20.0)),
        Figure::number("channel: list", "bytes for all of it", first, "bytes", Goal::AtMost(items as f64 * 1200.0)),
        Figure::number("channel: one more", "the author's command", signed, "s", Goal::AtMost(10.0)),
        Figure::number("channel: update", "seen by the follower", updated, "s", Goal::AtMost(20.0)),
        // The body, one page that became full, and its tables; messages beside them.
        Figure::number("channel: update moves", "bytes to the follower", moved, "bytes", Goal::AtMost(4.0 * 1.1e6)),
        Figure::number("channel: search", "two words, the whole command", searched, "s", Goal::AtMost(0.5)),
        Figure::number("channel: most memory", "the follower", memory as f64, "bytes", Goal::AtMost(400e6)),
    ])
}

/// Slow peers at once.
const CROWD: usize = 50;
/// Bytes a second that each takes.
const PACE: usize = 64 << 10;
/// For how long.
const LAST: Duration = Duration::from_secs(30);

/// Many who take what they asked for slowly, v5 peers that want whole blobs: what the seeder holds, and whether somebody
/// quick is still served.
pub(crate) fn slow(scratch: &Path) -> Result<Vec<Figure>> {
    let source = scratch.join("slow.bin");
    folder::write(&source, 2 << 20, 7)?;
    let mut home = Home::within(scratch, "seeder", &[])?;
    home.be_patient(PATIENCE);
    let node = home.daemon()?;
    let published = publish(&home, &source, &[])?;
    let address = node.address().parse()?;
    let channel = text(&published, "link")?.trim_start_matches("megatorrent://").to_owned();
    let blobs = blobs(address, &channel)?;
    let before = usage::cpu(node.id())?;
    let over = Instant::now() + LAST;
    let quick = std::thread::scope(|scope| -> Result<Duration> {
        let slowly = || -> Result<()> {
            let mut wire = Wire::dial(address)?;
            for n in 0..8 {
                wire.send(v5::REQUEST, blobs[n % blobs.len()].as_bytes())?;
            }
            let mut stream = wire.handle()?;
            let mut buf = vec![0; PACE / 4];
            while Instant::now() < over {
                stream.set_read_timeout(Some(Duration::from_secs(1)))?;
                match stream.read(&mut buf) {
                    Ok(0) => break,
                    // Nothing in a second is slower still.
                    Ok(_) | Err(_) => std::thread::sleep(Duration::from_millis(250)),
                }
            }
            Ok(())
        };
        let all: Vec<_> = (0..CROWD).map(|_| scope.spawn(slowly)).collect();
        // All are at it; then somebody quick comes, again and again.
        std::thread::sleep(Duration::from_secs(5));
        let mut longest = Duration::ZERO;
        while Instant::now() + Duration::from_secs(10) < over {
            let begun = Instant::now();
            v5::download(address, &blobs[0], v5::Gossip::Nothing, None)?;
            longest = longest.max(begun.elapsed());
        }
        for one in all {
            one.join().map_err(|_| anyhow::anyhow!("a thread panicked"))??;
        }
        Ok(longest)
    })?;
    let busy = (usage::cpu(node.id())? - before) / LAST.as_secs_f64();
    let peak = usage::memory(node.id(), "VmHWM")?;
    node.stop(&home)?;
    let what = format!("{CROWD} peers, {} KiB a second each", PACE >> 10);
    Ok(vec![
        Figure::number("slow peers: most memory", &what, peak as f64, "bytes", Goal::AtMost(100e6)),
        Figure::number("slow peers: processor", &what, busy * 100.0, "% of a core", Goal::AtMost(50.0)),
        Figure::number(
            "slow peers: a quick one",
            "longest wait for a blob",
            quick.as_secs_f64(),
            "s",
            Goal::AtMost(10.0),
        ),
    ])
}

/// The blobs of a list that names them itself.
fn blobs(node: std::net::SocketAddr, channel: &str) -> Result<Vec<String>> {
    let mut wire = Wire::dial(node)?;
    wire.send(v5::HELLO, &hostile::hello(channel, 0))?;
    loop {
        let message = wire.receive()?;
        if message.kind == hostile::MANIFEST {
            let manifest = String::from_utf8(message.payload.get(68..).context("a manifest")?.to_vec())?;
            let files = v5::author::read(&manifest, channel, None)?;
            return Ok(files[0].chunks.iter().map(|chunk| chunk.id.clone()).collect());
        }
    }
}
