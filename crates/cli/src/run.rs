//! What each command does, what it prints, and with which code it ends.

use crate::args::{Cli, Command, Global, IdCommand, Key, SetArgs};
use crate::door::{self, Door, Need};
use crate::passphrase::words_of_stdin;
use crate::progress::{Filter, Progress, Subject};
use crate::show;
use crate::web::Web;
use clap::CommandFactory as _;
use node::Link;
use node::api::{
    ChannelArg, Choose, Code, Edit, ErrorInfo, Event, ItemArg, ItemPriority, Leak, LinkArg, Locate, MoveData, PauseFor,
    Remove, Reply, Request, RouteKind, Search, SetChannel, SetItem, Settings, Subscribe, Target, Unpublish,
    Unsubscribe, paths,
};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

mod consent;
mod content;
mod failure;
mod identity;
mod log;
mod out;
mod signals;
mod usage;

use content::{get, publish};
pub(crate) use failure::Failure;
use failure::{exit, refused, strange};
use identity::identity;
pub(crate) use log::start as log;
pub(crate) use out::{Out, said};
use signals::Signals;
pub(crate) use usage::tell as usage;

/// The runtime does not start: says so; the exit code.
pub(crate) fn no_threads(error: &std::io::Error, json: bool) -> u8 {
    let message = format!("The system gives no threads: {}.", node::words::without_number(error));
    Out { json }.failed(&ErrorInfo { code: Code::Internal, message });
    exit::OTHER
}

/// Runs the command and says how it ended.
pub(crate) async fn main(cli: Cli) -> u8 {
    let json = cli.global.json;
    let outcome = match Signals::listen() {
        Ok(signals) => run(cli, signals).await,
        Err(error) => {
            let error = node::words::without_number(error);
            refused(Code::Internal, format!("The system gives no signals: {error}"))
        }
    };
    match outcome {
        Ok(()) => exit::DONE,
        Err(failure) => {
            match &failure {
                Failure::Refused(error) => Out { json }.failed(error),
                // Who pressed Ctrl-C knows; a program may not.
                Failure::Interrupted if json => {
                    let message = "It was asked to stop before it was done.".to_owned();
                    Out { json }.failed(&ErrorInfo { code: Code::Cancelled, message });
                }
                Failure::Interrupted | Failure::Changed | Failure::Leaked | Failure::Unread => {}
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
            out.whole("completions", &String::from_utf8_lossy(&script))
        }
        Command::Doctor { rebuild: true, .. } => {
            let made = unless_stopped(&mut signals, async {
                node::rebuild(door::data_dir(&global)?).await.map_err(Failure::Refused)
            });
            out.value(&made.await?, |made| show::rebuilt(made.as_ref()))
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
                    let published = unless_stopped(&mut signals, publish(args, &mut door, &out, &global)).await;
                    // What is published stays so: the signal ends the sharing, not the work.
                    if matches!(published, Ok(true)) {
                        until_stopped(&mut signals, &door).await;
                    }
                    published.map(|_| ())
                }
                command => unless_stopped(&mut signals, work(command, &mut door, &out, &global)).await,
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
        Command::Id(IdCommand::GiveUp { .. }) => Need::Locked,
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
        *link = words_of_stdin("link")?.trim().to_owned();
    }
    let no_item = link.contains("://") || link.starts_with("magnet:") || link.starts_with("megatorrent:");
    if only || no_item {
        let of_channel = |link: &str| link.rsplit_once('/').is_some_and(|(channel, _)| channel.parse::<Link>().is_ok());
        match link.parse::<Link>() {
            Ok(_) => {}
            // LINK/ITEM names an item, as CHANNEL/ITEM does.
            Err(_) if !only && of_channel(link) => {}
            Err(error) => return refused(Code::BadLink, error.to_string()),
        }
    }
    Ok(command)
}

/// A path as the node must see it: its working folder may be another.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .or_else(|error| refused(Code::Io, format!("{}: {}", paths::shown(path), node::words::without_number(error))))
}

async fn work(command: Command, door: &mut Door, out: &Out, global: &Global) -> Result<(), Failure> {
    let watching = Watching { out: *out, verbose: global.verbose > 0, patience: None };
    match command {
        Command::Id(command) => identity(command, door, out).await,
        Command::Unpublish { item } => {
            match with_progress(door, watching, Subject::Publication, Request::Unpublish(Unpublish { item })).await? {
                Reply::Published(published) => out.value(&published, |published| {
                    show::published(published, true)
                        + "It is out of the list. This recalls nothing: copies that others have stay theirs.\n"
                }),
                _ => strange(),
            }
        }
        Command::Edit(args) => {
            let request = Request::Edit(Edit { what: args.what, name: args.name, about: args.about });
            match with_progress(door, watching, Subject::Publication, request).await? {
                Reply::Published(published) => out.value(&published, |published| show::published(published, true)),
                _ => strange(),
            }
        }
        Command::Look { link } => {
            let subject = Subject::List(key_of(&link));
            match with_progress(door, watching, subject, Request::Look(LinkArg { link })).await? {
                Reply::Looked(looked) => {
                    if let Some(stale) = &looked.stale {
                        out.remark(stale);
                    }
                    out.value(&looked, show::looked)
                }
                _ => strange(),
            }
        }
        Command::Subscribe { link, fetch } => {
            match door.call(Request::Subscribe(Subscribe { link, fetch })).await? {
                Reply::Channel(channel) => out.value(&channel, show::channel)?,
                Reply::Done => out.done("Subscribed.")?,
                _ => return strange(),
            }
            if !door.is_running_node() {
                out.remark("Noted. Nothing is fetched until a node runs. Start one: megatorrent daemon");
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
        Command::Get { what, output, timeout } => {
            get(what, output, door, Watching { patience: timeout, ..watching }).await
        }
        Command::Rule(args) => {
            let request = SetChannel {
                channel: args.channel,
                fetch: args.fetch,
                keep: args.keep,
                encrypted: args.encrypted,
                look_up: args.look_up,
            };
            match with_progress(door, watching, Subject::Rule, Request::SetChannel(request)).await? {
                Reply::Channel(channel) => out.value(&channel, show::channel),
                _ => strange(),
            }
        }
        Command::Pin { item } => care(door, out, item, Some(true), None, "Pinned: no rule removes it.").await,
        Command::Unpin { item } => care(door, out, item, Some(false), None, "Rules have it again.").await,
        Command::Priority { item, priority } => care(door, out, item, None, Some(priority), "Noted.").await,
        Command::Want { item, paths } => {
            choose(door, watching, Choose { item, paths, want: true }, "They are fetched.").await
        }
        Command::Skip { item, paths } => {
            choose(door, watching, Choose { item, paths, want: false }, "They are not fetched.").await
        }
        Command::Open { item } => {
            let subject = Subject::Items(Filter::Any);
            match with_progress(door, watching, subject, Request::Open(ItemArg { item })).await? {
                Reply::Done => out.done("Its files are written."),
                _ => strange(),
            }
        }
        Command::Search { words, channel } => {
            match door.call(Request::Search(Search { text: words.join(" "), channel, limit: 0 })).await? {
                Reply::Items(items) => out.value(&items, |items| show::found(items)),
                _ => strange(),
            }
        }
        Command::MoveData { dir } => {
            let dir = absolute(&dir)?;
            match with_progress(door, watching, Subject::Move, Request::MoveData(MoveData { dir })).await? {
                Reply::Done => out.done("Moved."),
                Reply::Kept(files) => out.value(&files, |files| format!("Moved.\n{}", show::kept(files))),
                _ => strange(),
            }
        }
        Command::Rekey { channel } => {
            let request = Request::Rekey(ChannelArg { channel });
            match with_progress(door, watching, Subject::Publication, request).await? {
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
                    out.remark("No node runs on this data folder.");
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
        Command::Doctor { seconds, .. } => {
            let slow = || out.remark(&format!("Watching for {}.", show::count(seconds, "second", "seconds")));
            match or_say(slow, door.call(Request::Leak(Leak { seconds }))).await? {
                Reply::Leak(report) => {
                    out.value(&report, show::leak)?;
                    if report.elsewhere.is_empty() { Ok(()) } else { Err(Failure::Leaked) }
                }
                _ => strange(),
            }
        }
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
        Reply::Kept(files) => out.value(&files, |files| format!("{text}\n{}", show::kept(files))),
        _ => strange(),
    }
}

async fn choose(door: &mut Door, watching: Watching, choice: Choose, text: &str) -> Result<(), Failure> {
    match with_progress(door, watching, Subject::Files, Request::Choose(choice)).await? {
        Reply::Done => watching.out.done(text),
        _ => strange(),
    }
}

/// How what takes long is watched.
#[derive(Clone, Copy)]
pub(crate) struct Watching {
    out: Out,
    /// The log is on: a bar would be torn by its lines.
    verbose: bool,
    /// Give up when nothing new came for so long.
    patience: Option<Duration>,
}

/// Between two looks at how long nothing new came.
const LOOK: Duration = Duration::from_millis(250);

async fn with_progress(
    door: &mut Door,
    watching: Watching,
    subject: Subject,
    request: Request,
) -> Result<Reply, Failure> {
    let progress = Mutex::new(Progress::new(subject, watching.out.json, watching.verbose));
    let shown = || progress.lock().unwrap_or_else(PoisonError::into_inner);
    let outcome = {
        let call = door.call_with(request, |event| shown().event(event));
        let minded = async {
            loop {
                tokio::time::sleep(LOOK).await;
                let still = shown().still();
                if let Some(patience) = watching.patience.filter(|patience| still >= *patience) {
                    return patience;
                }
            }
        };
        tokio::select! {
            biased;
            outcome = call => outcome,
            patience = minded => {
                let time = show::count(patience.as_secs(), "second", "seconds");
                refused(Code::TimedOut, format!("Nothing new came for {time}.{}", shown().why()))
            }
        }
    };
    progress.into_inner().unwrap_or_else(PoisonError::into_inner).end();
    outcome
}

/// The channel that a link names; none: it is no link, which the node says better.
fn key_of(link: &str) -> Option<String> {
    link.parse::<Link>().ok().map(|link| link.channel.to_string())
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
            Key::ListMax => settings.list_max = Some(amount(&value)?),
            Key::Schedule => settings.schedule = Some(value),
            Key::Gateways if value == "none" => settings.gateways = Some(Vec::new()),
            Key::Gateways => {
                let several = value.split([',', ' ']).filter(|word| !word.is_empty());
                settings.gateways = Some(several.map(str::to_owned).collect());
            }
            Key::Route if value == "-" => settings.route = Some(words_of_stdin("route")?.trim().to_owned()),
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
        None => {
            let value = node::words::quoted(value);
            refused(Code::BadArgument, format!("{value} is no amount: write one such as 500k, 2M, 50G, or off"))
        }
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
    let invitation = web.as_ref().map(|web| (web.address(), web.invitation()));
    let serving = web.and_then(|web| Some(tokio::spawn(web.serve(door.own()?, *out))));
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
            out.remark("The secrets are locked: public holdings are shared, nothing private is read or published.");
        }
        if let Some((address, invitation)) = &invitation {
            // Not on stdout, which may go to a log: whoever has it can use this node.
            out.remark_with(&format!("Web interface: {invitation}"), [("web", address.as_str().into())]);
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
                let event = match event {
                    Ok(Some(event)) => event,
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                };
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

/// After this long a command says what it waits for.
const SLOW: Duration = Duration::from_secs(1);

/// Waits for this, and says so when it takes long.
async fn or_say<T>(say: impl FnOnce(), work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    match tokio::time::timeout(SLOW, &mut work).await {
        Ok(outcome) => outcome,
        Err(_) => {
            say();
            work.await
        }
    }
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
        or_say(|| out.remark("The node ends what it has begun."), client.closed()).await;
        out.done("Stopped.")
    })
    .await
}

#[cfg(test)]
mod tests;
