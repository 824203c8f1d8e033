//! The demonstration: a publication, a subscription, an update by push, and a channel that outlives its author's
//! absence, with three real nodes and a small DHT on this machine alone. `cargo xtask demo` runs it.

use anyhow::{Context, Result, anyhow, bail, ensure};
use megatorrent_tests::folder;
use megatorrent_tests::process::{Daemon, Home, program};
use net::dht::LocalDht;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Nodes of the local DHT.
const DHT_NODES: usize = 12;
/// What is published first, by title.
const TITLE: &str = "Field recordings";
/// What is published later.
const UPDATE: &str = "Tonight";
/// An update by push takes no longer than this.
const PUSH: Duration = Duration::from_secs(2);
/// A whole channel takes no longer than this.
const CHANNEL: Duration = Duration::from_secs(300);

/// Ctrl-C was pressed.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    let keep = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--keep") => true,
        Some(other) => {
            complain(&format!("The demonstration knows --keep only, not {other:?}"));
            return ExitCode::from(2);
        }
    };
    let (end, ended) = channel();
    let outcome = heed_signals(end.clone()).and_then(|()| show(keep, end, &ended));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if INTERRUPTED.load(Ordering::Relaxed) => {
            complain("\nInterrupted. What it made is removed.");
            ExitCode::from(130)
        }
        Err(error) => {
            complain(&format!("\nThe demonstration failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) {
    // A closed pipe wants to hear no more.
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn complain(text: &str) {
    // As above.
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn step(number: u32, text: &str) -> Result<()> {
    ensure!(!INTERRUPTED.load(Ordering::Relaxed), "interrupted");
    say(&format!("\n{number}. {text}"));
    Ok(())
}

/// Ctrl-C and SIGTERM end the demonstration at its next step, so that everything is cleared away.
fn heed_signals(end: Sender<()>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            #[cfg(unix)]
            {
                use tokio::signal::unix::{SignalKind, signal};
                let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
                tokio::select! {
                    _ = tokio::signal::ctrl_c() => {}
                    _ = terminate.recv() => {}
                }
            }
            #[cfg(not(unix))]
            if tokio::signal::ctrl_c().await.is_err() {
                return;
            }
            INTERRUPTED.store(true, Ordering::Relaxed);
            // Nobody may be waiting yet.
            let _ = end.send(());
        });
    });
    Ok(())
}

/// A person, their device, and their node while it runs.
struct Person {
    name: &'static str,
    node: Option<Daemon>,
    home: Home,
}

impl Person {
    fn new(name: &'static str, dht: &LocalDht) -> Result<Self> {
        let home = Home::new(name, &dht.bootstrap())?;
        home.ask(["set".as_ref(), "download-dir".as_ref(), home.downloads().as_os_str()])?;
        let node = home.daemon()?;
        say(&format!("   {name}: process {}, listening on {}", node.id(), node.address()));
        Ok(Self { name, node: Some(node), home })
    }

    fn node(&self) -> Result<&Daemon> {
        self.node.as_ref().with_context(|| format!("{}'s node was stopped", self.name))
    }

    fn stop(&mut self) -> Result<()> {
        match self.node.take() {
            Some(node) => node.stop(&self.home),
            None => Ok(()),
        }
    }

    fn publish(&self, folder: &Path, title: &str) -> Result<Value> {
        self.home.ask(["publish".as_ref(), folder.as_os_str(), "--title".as_ref(), title.as_ref()])
    }

    /// Follows a link, waits until everything is there, and compares every byte.
    fn receive(&self, link: &str, expected: &[(&str, &Path)]) -> Result<()> {
        let timer = Instant::now();
        let mut watch = self.node()?.watch(&self.home)?;
        self.home.ask(["subscribe", link])?;
        let mut missing: BTreeSet<&str> = expected.iter().map(|(title, _)| *title).collect();
        watch.until_within("every item complete", CHANNEL, |event| {
            if event["event"] == "ready" {
                missing.remove(event["data"]["name"].as_str().unwrap_or_default());
            }
            missing.is_empty().then_some(())
        })?;
        let took = timer.elapsed().as_secs_f64();
        for (title, source) in expected {
            let (files, bytes) = self.compare(source, title)?;
            let files = if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
            say(&format!("   {title}: {files}, {}, every byte the same.", megabytes(bytes)));
        }
        say(&format!("   It took {took:.1} s."));
        Ok(())
    }

    /// Compares what arrived with what was published.
    fn compare(&self, source: &Path, title: &str) -> Result<(u64, u64)> {
        let transfers = self.home.ask(["transfers"])?;
        let items = transfers.as_array().context("transfers is a list")?;
        let item = items.iter().find(|item| item["name"] == title).with_context(|| format!("no item {title:?}"))?;
        folder::compare(source, Path::new(&text(item, "path")?))
    }
}

fn show(keep: bool, end: Sender<()>, ended: &Receiver<()>) -> Result<()> {
    let begun = Instant::now();
    say("Megatorrent, shown on this machine alone: nothing here touches the Internet.");
    program()?;

    step(1, "A small DHT starts: the public notice board where people find each other.")?;
    let dht = LocalDht::start(DHT_NODES)?;
    say(&format!(
        "   {DHT_NODES} nodes on this machine, the first on {}",
        dht.bootstrap().first().map_or("–", String::as_str)
    ));

    step(2, "Three people start their nodes. None knows another; each joins the DHT.")?;
    let mut alice = Person::new("alice", &dht)?;
    let mut bob = Person::new("bob", &dht)?;
    let mut carol = Person::new("carol", &dht)?;

    step(3, "Alice fills a folder: a file of 300 MB, 1,000 small files in folders, an empty file, a Japanese name.")?;
    let source = alice.home.path().join(TITLE);
    folder::write(&source.join("long recording.wav"), 300_000_000, 1)?;
    folder::write_many(&source.join("samples"), 1000, 10_000, 1000)?;
    folder::write(&source.join("empty.txt"), 0, 0)?;
    folder::write(&source.join("音楽/潮騒.flac"), 123_456, 2)?;

    step(4, "Alice makes an identity, which is a pair of keys, and publishes the folder.")?;
    alice.home.ask(["id", "new", "Tidewater"])?;
    let timer = Instant::now();
    let published = alice.publish(&source, TITLE)?;
    let link = text(&published, "link")?;
    say(&format!(
        "   {} files, {} in {} encrypted pieces, {:.1} s. {} DHT nodes hold her signed list.",
        number(&published, "files"),
        megabytes(number(&published, "bytes")),
        number(&published, "blobs"),
        timer.elapsed().as_secs_f64(),
        number(&published, "dht_nodes")
    ));
    ensure!(number(&published, "files") == 1003, "1,003 files were to be published: {published}");
    say(&format!("   Her link, all that anyone needs: {link}"));

    step(5, "Bob follows the link and receives everything.")?;
    bob.receive(&link, &[(TITLE, &source)])?;

    step(6, "Alice publishes something new. Her node tells Bob's at once; Bob's need not ask.")?;
    let update = alice.home.path().join(UPDATE);
    folder::write(&update.join("tonight.wav"), 5_000_000, 3)?;
    let took = push(&alice, &bob, &update)?;
    bob.compare(&update, UPDATE)?;
    say(&format!("   Bob has all of it {:.2} s after Alice's node signed her new list.", took.as_secs_f64()));
    ensure!(took < PUSH, "an update by push comes within {} s", PUSH.as_secs());

    step(7, "Alice switches her computer off. Carol follows the link now, and Bob alone can give.")?;
    alice.stop()?;
    carol.receive(&link, &[(TITLE, &source), (UPDATE, &update)])?;
    say("   The channel lives without its author.");

    if keep {
        alice.node = Some(alice.home.daemon()?);
        play(&[&alice, &bob, &carol], &link, &dht, end, ended)?;
    }
    if INTERRUPTED.load(Ordering::Relaxed) {
        // The signal reached the nodes as well; they go as they are.
        return Ok(());
    }
    step(8, "Everyone stops.")?;
    let folders = [&alice, &bob, &carol].map(|person| person.home.path().to_path_buf());
    for person in [&mut alice, &mut bob, &mut carol] {
        person.stop()?;
    }
    drop((alice, bob, carol, dht));
    let left: Vec<&PathBuf> = folders.iter().filter(|path| path.exists()).collect();
    ensure!(left.is_empty(), "something was left behind: {left:?}");
    say(&format!("   Nothing is left behind. {:.0} s in all.", begun.elapsed().as_secs_f64()));
    Ok(())
}

/// Alice publishes, Bob receives: the time from her node's signature to the last byte in place.
fn push(alice: &Person, bob: &Person, update: &Path) -> Result<Duration> {
    let mut news = bob.node()?.watch(&bob.home)?;
    std::thread::scope(|scope| {
        let publishing = scope.spawn(|| alice.publish(update, UPDATE));
        news.until_ready(UPDATE)?;
        let arrived = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let published = publishing.join().map_err(|_| anyhow!("publishing panicked"))??;
        // A list's sequence is the time of its signature, in ms since 1970.
        Ok(arrived.saturating_sub(Duration::from_millis(number(&published, "sequence"))))
    })
}

/// Leaves the network up until Enter or Ctrl-C.
fn play(people: &[&Person], link: &str, dht: &LocalDht, end: Sender<()>, ended: &Receiver<()>) -> Result<()> {
    say("\nThe network stays up, with Alice's node again. Play with it from another terminal;");
    say("these lines give each person a command of their name:\n");
    let program = program()?.display();
    let secrets = |name: &str| format!("MEGATORRENT_NO_KEYRING=1 MEGATORRENT_PASSPHRASE='the passphrase of {name}'");
    for Person { name, home, .. } in people {
        let data = home.data();
        say(&format!("   {name}() {{ {} '{program}' --data-dir '{}' \"$@\"; }}", secrets(name), data.display()));
    }
    let bootstrap: String = dht.bootstrap().iter().take(2).map(|node| format!(" --bootstrap {node}")).collect();
    say("\nThen, for example:\n");
    say("   bob watch                  what happens, as it happens");
    say("   alice publish SOME_FOLDER  and Bob and Carol have it");
    say("   carol transfers            what she has");
    say("   bob peers                  whom he is connected to");
    say(&format!(
        "\nOr be a fourth person:\n\n   {} '{program}' --data-dir /tmp/dave --listen 127.0.0.1:0{bootstrap} get '{link}' -o /tmp/dave-files\n",
        secrets("dave")
    ));
    say("Enter or Ctrl-C stops everything and removes what it made.");
    std::thread::spawn(move || {
        let mut line = String::new();
        // Without a terminal nobody can press Enter: then only a signal ends it.
        if std::io::stdin().read_line(&mut line).is_ok_and(|n| n > 0) {
            // A signal may have ended the wait already.
            let _ = end.send(());
        }
    });
    ended.recv().context("nobody can end the wait")
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}

fn text(value: &Value, member: &str) -> Result<String> {
    match value[member].as_str() {
        Some(text) => Ok(text.to_owned()),
        None => bail!("no {member:?} in {value}"),
    }
}

fn number(value: &Value, member: &str) -> u64 {
    value[member].as_u64().unwrap_or_default()
}
