//! What the window costs, with 20 channels and 10,000 items. Measured when asked for, with the program that
//! `MEGATORRENT_DESKTOP_BIN` names: a debug build says little.
//!
//! `cargo nextest run -p megatorrent-window-tests --run-ignored only -E 'test(what_the_window_costs)' --no-capture`

use super::{ask, joining};
use anyhow::{Context, Result};
use megatorrent_tests::v5::author::Author;
use megatorrent_tests::v5::{Blob, Dht, Habits, Server};
use megatorrent_window_tests::{Desktop, Observer, Window, until};
use net::dht::LocalDht;
use protocol::body::Collection;
use protocol::params::CHUNK_LEN;
use protocol::{BlobId, BlobKey, Body, Chunk, Content, FileEntry, Identity, Item, ItemId, Payload};
use protocol::{SafePath, SignedManifest, Tree};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

const CHANNELS: u8 = 20;
const ITEMS: u32 = 10_000;
/// How long a rest is watched.
const REST: Duration = Duration::from_secs(20);

/// A channel of many small items, whose files nobody has.
pub(super) fn channel(number: u8, items: u32, server: &Server, dht: &Dht) -> Result<String> {
    let sequence = 1_790_000_000_000 + u64::from(number);
    let item = |n: u32| -> Result<Item> {
        let mut id = [number; 16];
        id[..4].copy_from_slice(&n.to_be_bytes());
        let chunk =
            Chunk { blob: BlobId([number; 32]), key: BlobKey { key: [1; 32], nonce: [2; 12] }, offset: 0, len: 9 };
        let content = Content::Chunks(vec![chunk]);
        let file = FileEntry { path: SafePath::parse("take.flac")?, size: 9, mime: None, content };
        Ok(Item {
            id: ItemId(id),
            name: format!("Recording {n} of the harbour, two hydrophones and a buoy bell"),
            about: String::new(),
            published: sequence - u64::from(n) * 3_600_000,
            payload: Payload::Folder(vec![file]),
            left_out: Vec::new(),
        })
    };
    let items = (0..items).map(item).collect::<Result<_>>()?;
    let list = Body {
        name: format!("Channel {number}"),
        collections: vec![Collection { title: "Default".into(), items, pages: Vec::new() }],
        timestamp: sequence,
        ..Body::default()
    };
    let json = list.to_json();
    let leaves = json.chunks(CHUNK_LEN).map(Blob::seal).collect::<Result<Vec<_>, _>>()?;
    let (root, depth) = match leaves.as_slice() {
        [only] => (only, 0),
        many => {
            let table: Vec<u8> =
                many.iter().map(megatorrent_tests::hostile::record).collect::<Result<Vec<_>, _>>()?.concat();
            (&Blob::seal(&table)?, 1)
        }
    };
    server.hold(root);
    leaves.iter().for_each(|leaf| server.hold(leaf));
    let id: [u8; 32] = data_encoding::HEXLOWER.decode(root.id.as_bytes())?.try_into().ok().context("no ID")?;
    let key = BlobKey { key: root.key, nonce: root.nonce };
    let tree = Tree { blob: BlobId(id), key, size: json.len() as u64, depth };
    let seed = [100 + number; 32];
    let signed = SignedManifest::sign_tree(&Identity::from_seed(&seed), sequence, &tree, sequence);
    let author = Author::new(seed);
    dht.put(&author, std::str::from_utf8(signed.json())?, sequence)?;
    Ok(author.link())
}

/// Memory that is the processes' own, their share of what they share: MB.
fn memory(window: &Window) -> Result<u64> {
    let pss = |id: u32| -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
    };
    Ok(window.processes()?.into_iter().map(pss).sum::<u64>() / 1000)
}

/// Time on a processor since the start, in hundredths of a second.
fn ticks(window: &Window) -> Result<u64> {
    let used = |id: u32| -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let fields =
            stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect::<Vec<_>>()).unwrap_or_default();
        [11, 12].iter().filter_map(|at| fields.get(*at)?.parse::<u64>().ok()).sum()
    };
    Ok(window.processes()?.into_iter().map(used).sum())
}

/// Share of a core that a rest takes, in percent.
fn rest(window: &Window) -> Result<f64> {
    let before = ticks(window)?;
    std::thread::sleep(REST);
    Ok((ticks(window)? - before) as f64 / REST.as_secs_f64())
}

const SCROLL: &str = "
    const view = document.querySelector('main [role=table] .view');
    const times = [];
    const end = performance.now() + 5000;
    await new Promise((done) => {
      const step = (now) => {
        times.push(now);
        view.scrollTop += 240;
        if (now < end) requestAnimationFrame(step); else done();
      };
      requestAnimationFrame(step);
    });
    const gaps = times.slice(1).map((at, i) => at - times[i]);
    const frame = 1000 / 60;
    const lost = gaps.reduce((sum, gap) => sum + Math.max(0, Math.round(gap / frame) - 1), 0);
    return { frames: gaps.length, lost, longest: Math.round(Math.max(...gaps)), rows: Math.round(view.scrollTop / 48) };";

#[test]
#[ignore = "measures; says little beside other work"]
fn what_the_window_costs() -> Result<()> {
    let desktop = Desktop::new()?;
    let panel = Observer::start(&desktop)?;
    let nodes = LocalDht::start(10)?;
    let server = Server::start(Habits::default())?;
    let dht = Dht::join(&nodes.bootstrap(), Ipv4Addr::LOCALHOST)?;
    let small = 10;
    let mut links = Vec::new();
    for number in 0..CHANNELS {
        let items = if number == 0 { ITEMS - small * u32::from(CHANNELS - 1) } else { small };
        links.push(channel(number, items, &server, &dht)?);
    }
    let args = joining(&nodes.bootstrap(), &[&server.address().to_string()]);

    let begun = Instant::now();
    let window = Window::open_welcomed(&desktop, &args)?;
    println!("first start to usable window: {:.2} s", begun.elapsed().as_secs_f64());
    for link in &links {
        ask(&desktop, ["subscribe", link, "--fetch", "none"])?;
    }
    until("all lists", || {
        let channels = ask(&desktop, ["channels"])?;
        let items: u64 = channels.as_array().context("no list")?.iter().filter_map(|one| one["items"].as_u64()).sum();
        Ok((items == u64::from(ITEMS)).then_some(()))
    })?;
    desktop.keys("ctrl+q")?;
    window.leave_by("Quit")?;

    let begun = Instant::now();
    let window = Window::open_welcomed(&desktop, &args)?;
    window.page.see("20 channels")?;
    println!("start to usable window with {CHANNELS} channels: {:.2} s", begun.elapsed().as_secs_f64());
    window.page.press("Channel 0")?;
    window.page.see("Recording 0 of the harbour")?;
    std::thread::sleep(REST);
    println!("memory at rest, all processes: {} MB", memory(&window)?);
    println!("processor at rest, window open: {:.2} % of a core", rest(&window)?);
    println!("scrolling: {}", window.page.run(SCROLL, &[])?);
    desktop.close_window()?;
    desktop.wait_window(false)?;
    std::thread::sleep(REST);
    println!("processor at rest, hidden: {:.2} % of a core", rest(&window)?);
    println!("memory hidden, all processes: {} MB", memory(&window)?);
    panel.see("Running")?;
    Ok(())
}
