//! What each command does, what it prints, and with which code it ends.

use crate::args::{Cli, Command, Global, Key, SetArgs};
use crate::door::{self, Door, Need};
use crate::passphrase::line_of_stdin;
use crate::progress::{Filter, Progress, Subject};
use crate::show;
use crate::web::Web;
use clap::CommandFactory as _;
use node::Link;
use node::api::{
    ChannelArg, Choose, Code, Edit, ErrorInfo, Event, ItemArg, ItemPriority, Leak, LinkArg, Locate, MoveData, PauseFor,
    Remove, Reply, Request, RouteKind, Search, SetChannel, SetItem, Settings, Subscribe, Target, Unpublish,
    Unsubscribe,
};
use std::io::Write;
use std::path::{Path, PathBuf};
use tracing_subscriber::EnvFilter;

mod content;
mod failure;
mod identity;
mod out;
mod signals;

use content::{get, publish};
pub(crate) use failure::Failure;
use failure::{exit, refused, strange};
use identity::identity;
use out::Out;
use signals::Signals;

/// Starts logging to stderr.
pub(crate) fn log(verbose: u8) {
    let default = match verbose {
        0 => "error",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

/// A line for people, beside the result.
pub(crate) fn remark(text: &str) {
    // A closed stderr wants to hear no more.
    let _ = writeln!(std::io::stderr().lock(), "{}", show::escape(text));
}

/// Runs the command and says how it ended.
pub(crate) async fn main(cli: Cli) -> u8 {
    let json = cli.global.json;
    let outcome = match Signals::listen() {
        Ok(signals) => run(cli, signals).await,
        Err(error) => refused(Code::Internal, format!("The system gives no signals: {error}")),
    };
    match outcome {
        Ok(()) => exit::DONE,
        Err(failure) => {
            if let Failure::Refused(error) = &failure {
                if json {
                    let value = serde_json::json!({ "error": error });
                    let _ = writeln!(std::io::stderr().lock(), "{value}");
                } else {
                    remark(&error.message);
                }
            }
            failure.exit_code()
        }
    }
}

async fn run(cli: Cli, mut signals: Signals) -> Result<(), Failure> {
    let Cli { global, command } = cli;
    let out = Out { json: global.json };
    match command {
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "megatorrent", &mut script);
            out.text(&String::from_utf8_lossy(&script))
        }
        Command::Stop => stop(&global, &out, &mut signals).await,
        Command::Daemon { web, web_host } => {
            let door = unless_stopped(&mut signals, Door::open(&global, Need::Own)).await?;
            let opened = match web {
                Some(addr) => Web::open(addr, &door::data_dir(&global)?, &web_host).await.map(Some),
                None => Ok(None),
            };
            match opened {
                Ok(web) => daemon(door, web, &out, &mut signals).await,
                Err(error) => door.close().await.and(Err(error)),
            }
        }
        Command::Gateway => {
            let mut door = unless_stopped(&mut signals, Door::open(&global, need(&Command::Gateway))).await?;
            let on = Settings { gateway: Some(true), ..Settings::default() };
            let outcome = match door.call(Request::SetSettings(on)).await {
                Ok(_) => able_to_serve(&mut door).await,
                Err(error) => Err(error),
            };
            match outcome {
                Ok(()) => daemon(door, None, &out, &mut signals).await,
                Err(error) => door.close().await.and(Err(error)),
            }
        }
        Command::Watch => {
            let door = unless_stopped(&mut signals, Door::open(&global, need(&Command::Watch))).await?;
            watch(door, &out, &mut signals).await
        }
        command => {
            let command = resolve_link(command)?;
            let mut door = unless_stopped(&mut signals, Door::open(&global, need(&command))).await?;
            let outcome = match command {
                Command::Publish(args) => {
                    let published = unless_stopped(&mut signals, publish(args, &mut door, &out)).await;
                    // What is published stays so: the signal ends the sharing, not the work.
                    if matches!(published, Ok(true)) {
                        until_stopped(&mut signals, &door).await;
                    }
                    published.map(|_| ())
                }
                command => unless_stopped(&mut signals, work(command, &mut door, &out)).await,
            };
            // What failed first is what the person needs to know.
            let closed = door.close().await;
            outcome.and(closed)
        }
    }
}

async fn unless_stopped<T>(
    signals: &mut Signals,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        outcome = work => outcome,
        () = signals.wanted() => Err(Failure::Interrupted),
    }
}

/// Until a signal comes, or the node that this door leads to ends.
async fn until_stopped(signals: &mut Signals, door: &Door) {
    tokio::select! {
        () = signals.wanted() => {}
        () = door.stopped() => {}
    }
}

/// What a command needs when no node runs.
fn need(command: &Command) -> Need {
    match command {
        Command::Publish(_)
        | Command::Unpublish { .. }
        | Command::Edit(_)
        | Command::Look { .. }
        | Command::Doctor { .. }
        | Command::Get { .. }
        | Command::Open { .. }
        | Command::Rekey { .. }
        | Command::Want { .. }
        | Command::Skip { .. }
        | Command::Watch => Need::Network,
        Command::Daemon { .. } | Command::Gateway => Need::Own,
        _ => Need::Store,
    }
}

/// Reads the link from stdin where "-" stands for it. A link that is none is refused before a data folder is opened.
fn resolve_link(mut command: Command) -> Result<Command, Failure> {
    let (link, only) = match &mut command {
        Command::Look { link } | Command::NewKey { link } | Command::Subscribe { link, .. } => (link, true),
        Command::Get { what, .. } => (what, false),
        _ => return Ok(command),
    };
    if link == "-" {
        *link = line_of_stdin("link")?.trim().to_owned();
    }
    let no_item = link.contains("://") || link.starts_with("magnet:");
    if only || no_item {
        let parsed: Result<Link, _> = link.parse();
        parsed.map_err(|error| Failure::Refused(ErrorInfo { code: Code::BadLink, message: error.to_string() }))?;
    }
    Ok(command)
}

/// A path as the node must see it: its working folder may be another.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).or_else(|error| refused(Code::Io, format!("{}: {error}", path.display())))
}

async fn work(command: Command, door: &mut Door, out: &Out) -> Result<(), Failure> {
    match command {
        Command::Id(command) => identity(command, door, out).await,
        Command::Unpublish { item } => {
            match with_progress(door, out, Subject::Publication, Request::Unpublish(Unpublish { item })).await? {
                Reply::Published(published) => out.value(&published, |published| {
                    show::published(published, true)
                        + "It is out of the list. This recalls nothing: copies that others have stay theirs.\n"
                }),
                _ => strange(),
            }
        }
        Command::Edit(args) => {
            let request = Request::Edit(Edit { what: args.what, name: args.name, about: args.about });
            match with_progress(door, out, Subject::Publication, request).await? {
                Reply::Published(published) => out.value(&published, |published| show::published(published, true)),
                _ => strange(),
            }
        }
        Command::Look { link } => match door.call(Request::Look(LinkArg { link })).await? {
            Reply::Looked(looked) => out.value(&looked, show::looked),
            _ => strange(),
        },
        Command::Subscribe { link, fetch } => {
            match door.call(Request::Subscribe(Subscribe { link, fetch })).await? {
                Reply::Channel(channel) => out.value(&channel, show::channel)?,
                Reply::Done => out.done("Subscribed.")?,
                _ => return strange(),
            }
            if !door.is_running_node() {
                remark("Noted. Nothing is fetched until a node runs. Start one: megatorrent daemon");
            }
            Ok(())
        }
        Command::Unsubscribe { channel, delete } => {
            done(door, out, Request::Unsubscribe(Unsubscribe { channel, delete }), "Unsubscribed.").await
        }
        Command::Channels => match door.call(Request::Channels).await? {
            Reply::Channels(channels) => out.value(&channels, |channels| show::channels(channels)),
            _ => strange(),
        },
        Command::Items { channel } => match door.call(Request::Items(ChannelArg { channel })).await? {
            Reply::Items(items) => out.value(&items, |items| show::items(items)),
            _ => strange(),
        },
        Command::Files { item } => match door.call(Request::Files(ItemArg { item })).await? {
            Reply::Files(files) => out.value(&files, |files| show::files(files)),
            _ => strange(),
        },
        Command::Get { what, output } => get(what, output, door, out).await,
        Command::Rule(args) => {
            let request =
                SetChannel { channel: args.channel, fetch: args.fetch, keep: args.keep, encrypted: args.encrypted };
            match door.call(Request::SetChannel(request)).await? {
                Reply::Channel(channel) => out.value(&channel, show::channel),
                _ => strange(),
            }
        }
        Command::Pin { item } => care(door, out, item, Some(true), None, "Pinned: no rule removes it.").await,
        Command::Unpin { item } => care(door, out, item, Some(false), None, "Rules have it again.").await,
        Command::Priority { item, priority } => care(door, out, item, None, Some(priority), "Noted.").await,
        Command::Want { item, paths } => {
            done(door, out, Request::Choose(Choose { item, paths, want: true }), "They are fetched.").await
        }
        Command::Skip { item, paths } => {
            done(door, out, Request::Choose(Choose { item, paths, want: false }), "They are not fetched.").await
        }
        Command::Open { item } => {
            let subject = Subject::Items(Filter::Any);
            match with_progress(door, out, subject, Request::Open(ItemArg { item })).await? {
                Reply::Done => out.done("Its files are written."),
                _ => strange(),
            }
        }
        Command::Search { words, channel } => {
            match door.call(Request::Search(Search { text: words.join(" "), channel, limit: 0 })).await? {
                Reply::Items(items) => out.value(&items, |items| show::items(items)),
                _ => strange(),
            }
        }
        Command::MoveData { dir } => {
            let dir = absolute(&dir)?;
            match with_progress(door, out, Subject::Move, Request::MoveData(MoveData { dir })).await? {
                Reply::Done => out.done("Moved."),
                _ => strange(),
            }
        }
        Command::Rekey { channel } => {
            let request = Request::Rekey(ChannelArg { channel });
            match with_progress(door, out, Subject::Publication, request).await? {
                Reply::Published(published) => out.value(&published, |published| {
                    show::published(published, true)
                        + "Hand out this link: the old one reads no list that comes. What was read stays read.\n"
                }),
                _ => strange(),
            }
        }
        Command::NewKey { link } => match door.call(Request::NewKey(LinkArg { link })).await? {
            Reply::Channel(channel) => out.value(&channel, show::channel),
            _ => strange(),
        },
        Command::Pause { time: Some(time), .. } => {
            done(door, out, Request::PauseFor(PauseFor { seconds: time.as_secs() }), "Paused.").await
        }
        Command::Pause { what, .. } => move_or_not(what, door, out, Request::Pause, "Paused.").await,
        Command::Resume { what } => move_or_not(what, door, out, Request::Resume, "Goes on.").await,
        Command::Remove { item, delete } => {
            let text = if delete { "Removed, with its files." } else { "Removed. Its files stay where they are." };
            done(door, out, Request::Remove(Remove { item, delete }), text).await
        }
        Command::Verify { item } => match door.call(Request::Verify(ItemArg { item })).await? {
            Reply::Verified(report) => {
                out.value(&report, show::verified)?;
                if report.bad == 0 { Ok(()) } else { Err(Failure::Changed) }
            }
            _ => strange(),
        },
        Command::Locate { item, path } => {
            let path = absolute(&path)?;
            match door.call(Request::Locate(Locate { item, path })).await? {
                Reply::Verified(report) => {
                    out.value(&report, show::verified)?;
                    if report.bad == 0 { Ok(()) } else { Err(Failure::Changed) }
                }
                Reply::Done => out.done("Its files are found there."),
                _ => strange(),
            }
        }
        Command::Status => match door.call(Request::Status).await? {
            Reply::Status(status) => out.value(&status, |status| show::status(status, door.is_running_node())),
            _ => strange(),
        },
        Command::Transfers => match door.call(Request::Transfers).await? {
            Reply::Transfers(items) => out.value(&items, |items| show::transfers(items)),
            _ => strange(),
        },
        Command::Peers => match door.call(Request::Peers).await? {
            Reply::Peers(peers) => {
                out.value(&peers, |peers| show::peers(peers))?;
                if !door.is_running_node() {
                    remark("No node runs on this data folder.");
                }
                Ok(())
            }
            _ => strange(),
        },
        Command::Link { channel } => match door.call(Request::ChannelLink(ChannelArg { channel })).await? {
            Reply::LinkText(link) => out.value(&link, |link| format!("{}\n", show::escape(link))),
            _ => strange(),
        },
        Command::Set(args) => set(args, door, out).await,
        Command::Doctor { seconds, .. } => match door.call(Request::Leak(Leak { seconds })).await? {
            Reply::Leak(report) => {
                out.value(&report, show::leak)?;
                if report.elsewhere.is_empty() { Ok(()) } else { Err(Failure::Leaked) }
            }
            _ => strange(),
        },
        // These need no door, or hold it themselves; `run` has dealt with them.
        Command::Publish(_)
        | Command::Watch
        | Command::Daemon { .. }
        | Command::Gateway
        | Command::Stop
        | Command::Completions { .. } => strange(),
    }
}

async fn care(
    door: &mut Door,
    out: &Out,
    item: String,
    pinned: Option<bool>,
    priority: Option<ItemPriority>,
    text: &str,
) -> Result<(), Failure> {
    done(door, out, Request::SetItem(SetItem { item, pinned, priority }), text).await
}

async fn done(door: &mut Door, out: &Out, request: Request, text: &str) -> Result<(), Failure> {
    match door.call(request).await? {
        Reply::Done => out.done(text),
        _ => strange(),
    }
}

async fn with_progress(door: &mut Door, out: &Out, subject: Subject, request: Request) -> Result<Reply, Failure> {
    let mut progress = Progress::new(subject, out.json);
    let outcome = door.call_with(request, |event| progress.event(event)).await;
    progress.end();
    outcome
}

async fn move_or_not(
    what: Option<String>,
    door: &mut Door,
    out: &Out,
    verb: fn(Target) -> Request,
    text: &str,
) -> Result<(), Failure> {
    let Some(what) = what else { return done(door, out, verb(Target::All), text).await };
    match kind_of(&what) {
        Kind::Item => done(door, out, verb(Target::Item(what)), text).await,
        Kind::Channel => done(door, out, verb(Target::Channel(what)), text).await,
        Kind::Either => match done(door, out, verb(Target::Channel(what.clone())), text).await {
            Err(Failure::Refused(error)) if error.code == Code::NotFound => {
                done(door, out, verb(Target::Item(what)), text).await
            }
            outcome => outcome,
        },
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Channel,
    Item,
    Either,
}

/// What a word names, as far as its form tells.
fn kind_of(what: &str) -> Kind {
    let hex = what.bytes().all(|byte| byte.is_ascii_hexdigit());
    match what.len() {
        _ if what.starts_with("megatorrent:") => Kind::Channel,
        64 if hex => Kind::Channel,
        32 if hex => Kind::Item,
        _ if what.contains('/') => Kind::Item,
        _ => Kind::Either,
    }
}

async fn set(args: SetArgs, door: &mut Door, out: &Out) -> Result<(), Failure> {
    if let (Some(key), Some(value)) = (args.key, args.value) {
        let mut settings = Settings::default();
        match key {
            Key::DownloadDir => settings.download_dir = Some(absolute(Path::new(&value))?),
            Key::Gateway => settings.gateway = Some(on_or_off(&value)?),
            Key::Lan => settings.lan = Some(on_or_off(&value)?),
            Key::PortMapping => settings.port_mapping = Some(on_or_off(&value)?),
            Key::Down => settings.down = Some(amount(&value)?),
            Key::Up => settings.up = Some(amount(&value)?),
            Key::PeerDown => settings.peer_down = Some(amount(&value)?),
            Key::PeerUp => settings.peer_up = Some(amount(&value)?),
            Key::Month => settings.month = Some(amount(&value)?),
            Key::Quota => settings.quota = Some(amount(&value)?),
            Key::Lend => settings.lend = Some(amount(&value)?),
            Key::LendChannel => settings.lend_channel = Some(amount(&value)?),
            Key::LendRate => settings.lend_rate = Some(amount(&value)?),
            Key::LendPaused => settings.lend_paused = Some(on_or_off(&value)?),
            Key::Schedule => settings.schedule = Some(value),
            Key::Gateways if value == "none" => settings.gateways = Some(Vec::new()),
            Key::Gateways => {
                let several = value.split([',', ' ']).filter(|word| !word.is_empty());
                settings.gateways = Some(several.map(str::to_owned).collect());
            }
            Key::Route if value == "-" => settings.route = Some(line_of_stdin("route")?.trim().to_owned()),
            Key::Route => settings.route = Some(value),
        }
        match door.call(Request::SetSettings(settings)).await? {
            Reply::Settings(settings) => return out.value(&settings, show::settings),
            Reply::Done => {}
            _ => return strange(),
        }
    }
    match door.call(Request::Settings).await? {
        Reply::Settings(settings) => out.value(&settings, show::settings),
        _ => strange(),
    }
}

fn amount(value: &str) -> Result<u64, Failure> {
    match node::amounts::bytes(value) {
        Some(bytes) => Ok(bytes),
        None => refused(Code::BadArgument, format!("{value:?} is no amount: write one such as 500k, 2M, 50G, or off")),
    }
}

fn on_or_off(value: &str) -> Result<bool, Failure> {
    match value {
        "on" | "yes" | "true" => Ok(true),
        "off" | "no" | "false" => Ok(false),
        _ => refused(Code::BadArgument, "Write on or off: megatorrent set gateway on"),
    }
}

/// A gateway reaches the DHT for others, so it needs one.
async fn able_to_serve(door: &mut Door) -> Result<(), Failure> {
    match door.call(Request::Status).await? {
        Reply::Status(status) if status.dht_nodes.is_some() => Ok(()),
        Reply::Status(_) => {
            refused(Code::BadArgument, "A gateway needs the DHT: it works on the direct route only, without --no-dht.")
        }
        _ => strange(),
    }
}

async fn daemon(mut door: Door, web: Option<Web>, out: &Out, signals: &mut Signals) -> Result<(), Failure> {
    let address = web.as_ref().map(Web::address);
    let serving = web.and_then(|web| Some(tokio::spawn(web.serve(door.own()?))));
    let outcome = async {
        let Reply::Status(status) = door.call(Request::Status).await? else { return strange() };
        out.value(&status, |status| {
            let listen = status.listen.as_deref().map_or_else(|| "nothing".to_owned(), show::escape);
            match &status.route.kind {
                RouteKind::Direct => format!("Ready. Listening on {listen}.\n"),
                RouteKind::Both => format!("Ready. By {}. Listening on {listen}.\n", show::route(&status.route)),
                RouteKind::Proxy | RouteKind::Tor => format!("Ready. By {}.\n", show::route(&status.route)),
            }
        })?;
        if matches!(status.secrets.as_str(), "locked" | "keyring_locked") {
            remark("The secrets are locked: public holdings are shared, nothing private is read or published.");
        }
        if let Some(address) = &address {
            // Not on stdout, which may go to a log: whoever has it can use this node.
            remark(&format!("Web interface: {address}"));
        }
        until_stopped(signals, &door).await;
        Ok(())
    }
    .await;
    let closed = door.close().await;
    if let Some(serving) = serving {
        // It ends with the node; a fault of its own is in the log.
        let _ = serving.await;
    }
    outcome.and(closed)
}

async fn watch(door: Door, out: &Out, signals: &mut Signals) -> Result<(), Failure> {
    let (mut stream, door) = door.watch().await?;
    let outcome = loop {
        tokio::select! {
            () = signals.wanted() => break Ok(()),
            event = stream.next() => {
                let Some(event) = event else { break Ok(()) };
                let printed = print_event(&event, out);
                if printed.is_err() { break printed }
            }
        }
    };
    drop(stream);
    let closed = match door {
        Some(door) => door.close().await,
        None => Ok(()),
    };
    outcome.and(closed)
}

fn print_event(event: &Event, out: &Out) -> Result<(), Failure> {
    out.value(event, |event| format!("{}\n", show::event(event)))
}

async fn stop(global: &Global, out: &Out, signals: &mut Signals) -> Result<(), Failure> {
    unless_stopped(signals, async {
        let Some(mut client) = door::running(&door::data_dir(global)?).await? else {
            return refused(Code::NotFound, "No node runs on this data folder.");
        };
        match client.call(Request::Shutdown).await {
            // It may be gone before its answer is.
            Ok(_) | Err(ErrorInfo { code: Code::Stopping, .. }) => {}
            Err(error) => return Err(Failure::Refused(error)),
        }
        client.closed().await;
        out.done("Stopped.")
    })
    .await
}

#[cfg(test)]
mod tests;
