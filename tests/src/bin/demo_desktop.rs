//! The window over a network of its own: a small DHT and two people who publish, all on this machine. `cargo xtask demo
//! --desktop` builds the window and runs this; it ends with the window and removes what it made.

use anyhow::{Context, Result, bail};
use megatorrent_tests::folder;
use megatorrent_tests::process::{Daemon, Home, Killed};
use megatorrent_tests::wav::wav;
use net::dht::LocalDht;
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode};

/// Nodes of the local DHT.
const DHT_NODES: usize = 12;

fn main() -> ExitCode {
    match show() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed pipe wants to hear no more.
            let _ = writeln!(std::io::stderr(), "The demonstration failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) {
    // As above.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Somebody who publishes, and their node.
struct Author {
    home: Home,
    node: Daemon,
}

impl Author {
    fn new(name: &str, dht: &LocalDht) -> Result<Self> {
        let home = Home::new(name, &dht.bootstrap())?;
        let node = home.daemon()?;
        Ok(Self { home, node })
    }

    /// Publishes a folder that `fill` fills; gives back the channel's link.
    fn publish(&self, title: &str, private: bool, fill: impl FnOnce(&Path) -> Result<()>) -> Result<String> {
        let source = self.home.path().join(title);
        std::fs::create_dir_all(&source)?;
        fill(&source)?;
        let mut args = vec!["publish".as_ref(), source.as_os_str(), "--title".as_ref(), title.as_ref()];
        if private {
            args.push("--private".as_ref());
        }
        let published = self.home.ask(args)?;
        published["link"].as_str().map(str::to_owned).context("no link")
    }
}

fn show() -> Result<()> {
    let program = std::env::var_os("MEGATORRENT_DESKTOP_BIN").context("MEGATORRENT_DESKTOP_BIN names the window")?;
    say("Megatorrent on this machine alone: nothing here touches the Internet.");
    say("A small DHT and two people who publish are starting …");
    let dht = LocalDht::start(DHT_NODES)?;
    let tide = Author::new("tidewater", &dht)?;
    let attic = Author::new("attic", &dht)?;
    tide.home.ask(["id", "new", "Tidewater"])?;
    attic.home.ask(["id", "new", "The attic"])?;
    tide.publish("Harbour at night", false, |to| {
        sound(&to.join("01 Slack water.wav"), 40, 220.0)?;
        sound(&to.join("02 Buoy bell.wav"), 25, 330.0)?;
        picture(&to.join("cover.png"))
    })?;
    tide.publish("Field recordings, uncut", false, |to| {
        folder::write(&to.join("long recording.bin"), 120_000_000, 1)?;
        folder::write_many(&to.join("samples"), 300, 10_000, 1000)
    })?;
    let public = tide.publish("音楽 – 潮騒", false, |to| sound(&to.join("潮騒.wav"), 30, 261.6))?;
    let private = attic.publish("Letters", true, |to| {
        folder::write(&to.join("scans/1962.bin"), 3_000_000, 7)?;
        picture(&to.join("the house.png"))
    })?;
    say(&format!(
        "\nA channel for everyone:\n\n   {public}\n\nA private one, for who has this link:\n\n   {private}\n"
    ));
    say("The window opens with the first one. Paste the second by \"Add channel\". Close it by Quit to end this.");

    let home = tempfile::Builder::new().prefix("megatorrent-demo-").tempdir()?;
    let mut command = Command::new(program);
    command.arg("--data-dir").arg(home.path().join("data")).args(["--listen", "127.0.0.1:0"]);
    for node in dht.bootstrap() {
        command.args(["--bootstrap", &node]);
    }
    // What is tried here leaves nothing in anybody's keyring, and goes to no folder of theirs unless they choose it.
    command.env("MEGATORRENT_NO_KEYRING", "1").env("MEGATORRENT_PASSPHRASE", "the passphrase of a demonstration");
    command.env("MEGATORRENT_DOWNLOADS", home.path().join("downloads")).arg(public);
    let status = Killed(command.spawn().context("the window does not open")?).0.wait()?;
    tide.node.stop(&tide.home)?;
    attic.node.stop(&attic.home)?;
    if !status.success() {
        bail!("the window ended with {status}");
    }
    say("Nothing is left behind.");
    Ok(())
}

fn sound(path: &Path, seconds: u32, base: f64) -> Result<()> {
    std::fs::write(path, wav(seconds, base))?;
    Ok(())
}

fn picture(path: &Path) -> Result<()> {
    std::fs::write(path, include_bytes!("../../../icons/256x256.png"))?;
    Ok(())
}
