//! What people read: every reply and event as plain text. Text of others passes through [`escape`] first.

use node::api::{
    BannedFor, ChannelInfo, Event, FetchRule, FileInfo, GivenUp, Got, IdentityInfo, ItemInfo, ItemState, KeepRule,
    LeakReport, LeftOut, Looked, PeerInfo, Published, Rebuilt, RouteInfo, RouteStanding, Settings, Status,
    VerifyReport, paths,
};
use std::fmt::Write as _;
use text::{Column, UNKNOWN, age, date, now, percent, sheet, shorten, shorten_path, table};

mod text;

use node::words::plural;
pub(crate) use node::words::{count, size};
pub(crate) use text::escape;

/// Columns that a name takes at most in a table.
const NAME_WIDTH: usize = 60;
/// Characters of a channel key or item ID in a table: enough to name it.
const SHORT_ID: usize = 12;
/// A title in a sentence: escaped, of bounded width, quoted.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", shorten(&escape(text), NAME_WIDTH))
}

fn name(text: &str) -> String {
    if text.is_empty() { UNKNOWN.to_owned() } else { shorten(&escape(text), NAME_WIDTH) }
}

fn short_id(id: &str) -> String {
    escape(id).chars().take(SHORT_ID).collect()
}

pub(crate) fn identity(info: &IdentityInfo) -> String {
    sheet(&[
        ("Name", name(&info.name)),
        ("Key", escape(&info.key)),
        ("Fingerprint", escape(&info.fingerprint)),
        ("Link", escape(&info.link)),
        ("Kind", kind(info.private).to_owned()),
        ("Made", date(info.created)),
        ("Kept in", escape(&info.kept)),
    ])
}

fn kind(private: Option<bool>) -> &'static str {
    match private {
        Some(true) => "private",
        Some(false) => "public",
        None => "nothing published yet",
    }
}

pub(crate) fn identities(infos: &[IdentityInfo]) -> String {
    if infos.is_empty() {
        return "No identity yet. Make one: megatorrent id new NAME\n".to_owned();
    }
    let rows: Vec<_> = infos
        .iter()
        .map(|info| {
            let kind = kind(info.private).to_owned();
            vec![name(&info.name), short_id(&info.key), kind, date(info.created), escape(&info.kept)]
        })
        .collect();
    use Column::Start;
    table(&[Start("NAME"), Start("KEY"), Start("KIND"), Start("MADE"), Start("KEPT IN")], &rows)
}

fn channel_state(info: &ChannelInfo) -> String {
    if info.own && info.sequence == 0 {
        return "nothing published yet".to_owned();
    }
    let mut words = Vec::new();
    if info.signed_twice {
        words.push("signed twice".to_owned());
    }
    if info.paused {
        words.push("paused".to_owned());
    } else if let Some(cause) = &info.cause {
        words.push(escape(&cause.to_string()));
    }
    if words.is_empty() {
        words.push(
            info.checked.map_or_else(|| "not checked yet".to_owned(), |then| format!("checked {}", age(then, now()))),
        );
    }
    words.join(", ")
}

pub(crate) fn channels(infos: &[ChannelInfo]) -> String {
    if infos.is_empty() {
        return "No channel yet. Follow one: megatorrent subscribe LINK\n".to_owned();
    }
    let rows: Vec<_> = infos
        .iter()
        .map(|info| {
            let known = info.sequence > 0;
            let kind = match (info.own, info.private) {
                // The first publication decides.
                (true, false) if !known => "own",
                (true, true) => "private, own",
                (true, false) => "public, own",
                (false, true) => "private",
                (false, false) => "public",
            };
            let kind = kind.to_owned();
            let items = if known { info.items.to_string() } else { UNKNOWN.to_owned() };
            let here = if known { info.complete.to_string() } else { UNKNOWN.to_owned() };
            let bytes = if known { size(info.bytes) } else { UNKNOWN.to_owned() };
            vec![name(&info.name), short_id(&info.key), kind, items, here, bytes, channel_state(info)]
        })
        .collect();
    use Column::{End, Start};
    let columns = [Start("NAME"), Start("KEY"), Start("KIND"), End("ITEMS"), End("HERE"), End("SIZE"), Start("STATE")];
    table(&columns, &rows)
}

pub(crate) fn channel(info: &ChannelInfo) -> String {
    let fetch = match info.fetch {
        FetchRule::All => "everything".to_owned(),
        FetchRule::Newest(newest) => format!("the newest {newest}"),
        FetchRule::None => "nothing".to_owned(),
    };
    let mut rows = vec![("Channel", name(&info.name))];
    if !info.about.is_empty() {
        rows.push(("About", escape(&info.about)));
    }
    rows.push(("Key", escape(&info.key)));
    rows.push(("Fingerprint", escape(&info.fingerprint)));
    rows.push(("Kind", if info.private { "private" } else { "public" }.to_owned()));
    if info.sequence > 0 {
        rows.push(("Items", format!("{}, {}", count(info.items, "item", "items"), size(info.bytes))));
    }
    if let Some(seen) = info.seen_by {
        rows.push(("Seen by", count(u64::from(seen), "DHT node", "DHT nodes")));
    }
    if !info.own {
        rows.push(("Fetches", fetch));
        let keeps = match info.keep.unwrap_or_default() {
            KeepRule::All => "everything".to_owned(),
            KeepRule::Newest(newest) => format!("the newest {newest}"),
            KeepRule::Days(days) => format!("what is younger than {}", count(days.into(), "day", "days")),
            KeepRule::Bytes(bytes) => size(bytes),
        };
        let how = if info.encrypted == Some(true) { ", what is fetched only encrypted" } else { "" };
        rows.push(("Keeps", keeps + how));
    }
    if let Some(look_up) = info.look_up {
        let text = if look_up { "by their IDs in the DHT, too" } else { "of its followers only" };
        rows.push(("Seeks parts", text.to_owned()));
    }
    rows.push(("State", channel_state(info)));
    sheet(&rows)
}

fn state(info: &ItemInfo) -> String {
    if let Some(cause) = &info.cause {
        return escape(&cause.to_string());
    }
    match info.state {
        ItemState::Listed => "not fetched".to_owned(),
        ItemState::Waiting => "Waiting".to_owned(),
        ItemState::Fetching => format!("{}/s", size(info.rate)),
        ItemState::Complete => "here".to_owned(),
        ItemState::Paused => "Paused".to_owned(),
        ItemState::Published => "published from here".to_owned(),
        ItemState::Changed => "Files changed on disk, no longer shared".to_owned(),
    }
}

pub(crate) fn items(infos: &[ItemInfo]) -> String {
    if infos.is_empty() {
        return "No items.\n".to_owned();
    }
    let rows: Vec<_> = infos
        .iter()
        .map(|info| {
            let id = short_id(&info.id);
            let files = info.files.to_string();
            let here = percent(info.have, info.bytes.saturating_sub(info.skipped.unwrap_or(0)));
            vec![name(&info.name), id, date(info.published), files, size(info.bytes), here, state(info)]
        })
        .collect();
    use Column::{End, Start};
    let columns = [Start("TITLE"), Start("ID"), Start("DATE"), End("FILES"), End("SIZE"), End("HERE"), Start("STATE")];
    table(&columns, &rows) + &left_out(infos.iter().flat_map(|info| &info.left_out))
}

pub(crate) fn found(infos: &[ItemInfo]) -> String {
    if infos.is_empty() { "No item has these words.\n".to_owned() } else { items(infos) }
}

pub(crate) fn transfers(infos: &[ItemInfo]) -> String {
    if infos.is_empty() { "No transfers.\n".to_owned() } else { items(infos) }
}

pub(crate) fn files(infos: &[FileInfo]) -> String {
    if infos.is_empty() {
        return "No files.\n".to_owned();
    }
    let rows: Vec<_> = infos
        .iter()
        .map(|info| {
            let path = shorten_path(&escape(&info.path), 2 * NAME_WIDTH);
            let mime = info.mime.as_deref().map_or_else(|| UNKNOWN.to_owned(), name);
            let here = if info.skipped == Some(true) { "skipped".to_owned() } else { percent(info.have, info.size) };
            vec![path, size(info.size), here, mime]
        })
        .collect();
    use Column::{End, Start};
    table(&[Start("PATH"), End("SIZE"), End("HERE"), Start("TYPE")], &rows)
}

pub(crate) fn looked(info: &Looked) -> String {
    format!("{}\n{}", channel(&info.channel), items(&info.items))
}

fn left_out<'a>(all: impl Iterator<Item = &'a LeftOut>) -> String {
    let lines: Vec<_> = all.map(|file| format!("  {}: {}", quoted(&file.path), escape(&file.why))).collect();
    if lines.is_empty() {
        return String::new();
    }
    let number = u64::try_from(lines.len()).unwrap_or(u64::MAX);
    format!("{} left out:\n{}\n", count(number, "file", "files"), lines.join("\n"))
}

/// What a publication came to. `stays`: this process shares it from now on.
pub(crate) fn published(info: &Published, stays: bool) -> String {
    let mut text = String::new();
    if info.files > 0 {
        let _ = writeln!(text, "Published {}, {}.", count(info.files, "file", "files"), size(info.bytes));
    } else {
        let _ = writeln!(text, "Published list {}.", info.sequence);
    }
    text += &left_out(info.left_out.iter());
    if let Some(item) = &info.item {
        let _ = writeln!(text, "Item {}", escape(item));
    }
    let _ = writeln!(text, "Link {}", escape(&info.link));
    let mut reached = Vec::new();
    if info.dht_nodes > 0 {
        reached.push(format!("Seen by {}.", count(info.dht_nodes.into(), "DHT node", "DHT nodes")));
    }
    if info.gateways > 0 {
        reached.push(format!("Handed to {}.", count(info.gateways.into(), "gateway", "gateways")));
        if info.shown_by > 0 {
            reached.push(format!("Seen through {} more.", info.shown_by));
        }
    }
    if info.pushed > 0 {
        reached.push(format!("Pushed to {}.", count(info.pushed.into(), "peer", "peers")));
    }
    if !reached.is_empty() {
        let _ = writeln!(text, "{}", reached.join(" "));
    }
    if let (Some(items), Some(seen)) = (info.items, info.v5_items)
        && seen < items
    {
        text += &v5_sees(seen, items);
    }
    if !info.seeding && !stays {
        text += "Nobody seeds this until a node runs. Start one: megatorrent daemon\n";
    }
    text
}

/// What of a list is lost on clients that read no more of it than its 996 bytes.
fn v5_sees(seen: u32, items: u32) -> String {
    let what = match (seen, items) {
        (0, 1) => "do not see this item".to_owned(),
        (0, _) => format!("see none of the {items} items in this list"),
        _ => format!("see {seen} of the {items} items in this list"),
    };
    format!("Clients of version 5 {what}: only single files, and as many as 996 bytes hold.\n")
}

pub(crate) fn got(info: &Got) -> String {
    if info.items.is_empty() {
        return "Nothing to fetch: the channel has no items.\n".to_owned();
    }
    let mut text = String::new();
    for item in &info.items {
        let place = item.path.as_ref().map(|path| format!(" in {}", escape(&paths::shown(path)))).unwrap_or_default();
        let _ = writeln!(text, "{} is here, {}{place}", quoted(&item.name), size(item.bytes));
    }
    text + &left_out(info.items.iter().flat_map(|item| &item.left_out))
}

/// Files that stay although what they belonged to went.
pub(crate) fn kept(files: &[String]) -> String {
    let number = u64::try_from(files.len()).unwrap_or(u64::MAX);
    let mut text = format!(
        "{} where {}: changed here, in place before, or shared from here.\n",
        count(number, "file stays", "files stay"),
        plural(number, "it is", "they are")
    );
    for file in files {
        let _ = writeln!(text, "  {}", escape(file));
    }
    text
}

pub(crate) fn verified(info: &VerifyReport) -> String {
    if info.bad == 0 && info.good == 0 {
        return "Nothing of this item is here to be read. If its files were moved, say where they are: megatorrent locate ITEM PATH\n".to_owned();
    }
    let mut text = match (info.bad, info.good) {
        (0, 1) => "The only part is right.\n".to_owned(),
        (0, good) => format!("All {good} parts are right.\n"),
        (bad, good) => {
            let all = count(good.saturating_add(bad), "part", "parts");
            format!("{bad} of {all} {} missing or changed:\n", plural(bad, "is", "are"))
        }
    };
    for file in &info.files {
        let _ = writeln!(text, "  {}", escape(file));
    }
    match info.kept.as_slice() {
        [] => {}
        [file] => {
            let _ = writeln!(
                text,
                "{} was changed here and stays as it is; what was published comes beside it.",
                escape(file)
            );
        }
        files => {
            let _ = writeln!(
                text,
                "{} were changed here and stay as they are; what was published comes beside them.",
                count(u64::try_from(files.len()).unwrap_or(u64::MAX), "file", "files")
            );
        }
    }
    text
}

/// What goes with a key that is gone.
pub(crate) fn given_up(info: &GivenUp) -> String {
    let mut text = match info.done {
        true => "This data folder has new secrets.\n".to_owned(),
        false => "Nothing was changed. Without the old keyring, or the old vault's passphrase, this is given up:\n"
            .to_owned(),
    };
    let names = |names: &[String]| names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    let mut row = |what: &str, of: &[String], way: &str| {
        if !of.is_empty() {
            let _ = writeln!(text, "  {what}: {}. {way}", names(of));
        }
    };
    row(
        "Identities",
        &info.identities,
        "A backup brings each back: megatorrent id import FILE. Without one it is gone.",
    );
    row("Closed private channels", &info.closed, "The link with the key opens each again: megatorrent new-key LINK");
    if info.others {
        text += "  A proxy's password, onion addresses and known peers, as far as there were any.\n";
    }
    if info.identities.is_empty() && info.closed.is_empty() && !info.others {
        text += "  Nothing.\n";
    }
    text += "Downloads, channels, lists and files that are shared stay as they are.\n";
    if !info.done {
        text += "To go on without it: megatorrent id give-up --yes\n";
    }
    text
}

pub(crate) fn peers(infos: &[PeerInfo]) -> String {
    use Column::{End, Start};
    let (banned, connected): (Vec<&PeerInfo>, Vec<&PeerInfo>) = infos.iter().partition(|info| info.banned.is_some());
    let rows: Vec<_> = connected
        .iter()
        .map(|info| {
            let kind = if info.v5 { format!("{}, v5", escape(&info.kind)) } else { escape(&info.kind) };
            let way = if info.inbound { "in" } else { "out" }.to_owned();
            vec![escape(&info.addr), kind, way, size(info.received), size(info.sent)]
        })
        .collect();
    let mut text = match rows.as_slice() {
        [] => "No peer is connected.\n".to_owned(),
        rows => table(&[Start("ADDRESS"), Start("KIND"), Start("DIALLED"), End("RECEIVED"), End("SENT")], rows),
    };
    let why = |why: BannedFor| match why {
        BannedFor::WrongPart => "sent other bytes than it was asked for",
    };
    let rows: Vec<_> = banned
        .iter()
        .filter_map(|info| {
            let banned = info.banned.as_ref()?;
            Some(vec![escape(&info.addr), node::api::local(banned.until), why(banned.why).to_owned()])
        })
        .collect();
    if !rows.is_empty() {
        text.push('\n');
        text += &table(&[Start("NOT ASKED"), Start("UNTIL"), Start("BECAUSE IT")], &rows);
    }
    text
}

/// `runs`: a node answered, not only its data folder.
pub(crate) fn status(info: &Status, runs: bool) -> String {
    let mut rows = vec![("Data folder", escape(&paths::shown(&info.data_dir)))];
    if runs {
        rows.insert(
            0,
            ("Node", format!("{}, version {}", if info.paused { "paused" } else { "runs" }, escape(&info.version))),
        );
        if let Some(held) = &info.held {
            rows.insert(1, ("Nothing moves", escape(&held.to_string())));
        }
        rows.push(("Route", route(&info.route)));
        for onion in &info.route.onions {
            let standing = match (&onion.why, onion.published) {
                (Some(why), _) => format!(", not made: {}", escape(why)),
                (None, true) => String::new(),
                (None, false) => ", not published yet".to_owned(),
            };
            let channel: String = escape(&onion.channel).chars().take(16).collect();
            rows.push(("Onion address", format!("{} for channel {channel}{standing}", escape(&onion.addr))));
        }
        if let Some(why) = &info.route.no_inbound {
            rows.push(("Onion addresses", format!("none: {}", escape(why))));
        }
        let nowhere = || match &info.listen_lost {
            Some(why) => format!("nothing: {}", escape(why)),
            None => "nothing".to_owned(),
        };
        rows.push(("Listening on", info.listen.as_deref().map_or_else(nowhere, escape)));
        if let Some(mapped) = &info.mapped {
            rows.push(("Reached at", format!("{}, by the router", escape(mapped))));
        }
        rows.push((
            "DHT",
            info.dht_nodes.map_or_else(|| "not used".to_owned(), |dht| count(dht.into(), "node", "nodes")),
        ));
        rows.push(("Peers", info.peers.to_string()));
        rows.push(("Announced", format!("{} of {} this cycle", info.announced, info.to_announce)));
        rows.push(("Receiving", format!("{}/s, {} since start", size(info.down), size(info.received))));
        rows.push(("Sending", format!("{}/s, {} since start", size(info.up), size(info.sent))));
    } else {
        rows.insert(0, ("Node", "none runs. Start one: megatorrent daemon".to_owned()));
    }
    rows.push(("Channels", format!("{} followed, {} own", info.channels, info.own)));
    rows.push(("Parts held", info.blobs.to_string()));
    if let Some(used) = info.used {
        let lent = info.lent.filter(|lent| *lent > 0).map(|lent| format!(", {} of it lent", size(lent)));
        rows.push(("On disk", size(used) + &lent.unwrap_or_default()));
    }
    if let Some(month) = info.month_used {
        rows.push(("This month", size(month)));
    }
    let secrets = match info.secrets.as_str() {
        "none" => "no vault yet".to_owned(),
        "keyring_locked" => "in a keyring that is locked".to_owned(),
        "other_key" => "the key to them is missing. If it is gone for good: megatorrent id give-up".to_owned(),
        "keyring_unused" => "no vault yet, and the keyring is locked".to_owned(),
        other => escape(other),
    };
    rows.push(("Secrets", secrets));
    sheet(&rows)
}

pub(crate) fn leak(info: &LeakReport) -> String {
    let mut text = format!(
        "Route {}: all open sockets were looked at {} in {}.\n",
        escape(&info.route),
        count(info.looks, "time", "times"),
        count(info.seconds, "second", "seconds")
    );
    match info.through.as_slice() {
        [] => text += "No connection was made at all.\n",
        all => {
            let _ = writeln!(text, "Connections led to {} only, the way of the route.", escape(&all.join(", ")));
        }
    }
    if info.elsewhere.is_empty() {
        text += "Nothing left by another way.\n";
    } else {
        text = text.replace(" only, the way", ", the way");
        text += "By another way:\n";
        for seen in &info.elsewhere {
            let _ = writeln!(text, "  {}", escape(seen));
        }
    }
    text
}

/// What a damaged database became.
pub(crate) fn rebuilt(made: Option<&Rebuilt>) -> String {
    let Some(made) = made else { return "The data folder's database is sound. Nothing was changed.\n".into() };
    let mut text = format!("The database is made anew: {} saved.\n", count(made.rows, "row was", "rows were"));
    if !made.torn.is_empty() {
        let _ = writeln!(text, "Not all could be read of: {}.", escape(&made.torn.join(", ")));
    }
    if made.replanned > 0 {
        let items = count(made.replanned, "download is", "downloads are");
        let _ = writeln!(text, "{items} planned again; what lies there is recognised.");
    }
    if made.unshared > 0 {
        let items = count(made.unshared, "published item is", "published items are");
        let _ = writeln!(
            text,
            "{items} not shared any more, for it is not known where the files lie: publish with --update."
        );
    }
    let _ = writeln!(text, "The damaged one is kept: {}", escape(&made.kept));
    text
}

/// The way out and how it is doing.
pub(crate) fn route(info: &RouteInfo) -> String {
    let way = escape(&info.route);
    match &info.state {
        RouteStanding::Up => way,
        RouteStanding::Starting { percent } => format!("{way}, starting, {percent} %"),
        RouteStanding::Down { why, .. } => format!("{way}, down: {}", escape(why)),
    }
}

pub(crate) fn settings(info: &Settings) -> String {
    let dir = info.download_dir.as_ref().map_or_else(|| UNKNOWN.to_owned(), |dir| escape(&paths::shown(dir)));
    let gateway = info.gateway.map_or(UNKNOWN, |on| if on { "on" } else { "off" });
    let switch = |on: Option<bool>| on.map_or(UNKNOWN, |on| if on { "on" } else { "off" }).to_owned();
    let known = |text: Option<String>| text.map_or_else(|| UNKNOWN.to_owned(), |text| escape(&text));
    let gateways = info.gateways.as_ref().map(|all| if all.is_empty() { "none".to_owned() } else { all.join(", ") });
    let rate = |value: Option<u64>| match value {
        None => UNKNOWN.to_owned(),
        Some(0) => "off".to_owned(),
        Some(rate) => format!("{}/s", size(rate)),
    };
    let amount = |value: Option<u64>| match value {
        None => UNKNOWN.to_owned(),
        Some(0) => "off".to_owned(),
        Some(bytes) => size(bytes),
    };
    let schedule = match info.schedule.as_deref() {
        None | Some("") => "none".to_owned(),
        Some(text) => escape(text),
    };
    sheet(&[
        ("download-dir", dir),
        ("gateway", gateway.to_owned()),
        ("gateways", known(gateways)),
        ("route", known(info.route.clone())),
        ("lan", switch(info.lan)),
        ("port-mapping", switch(info.port_mapping)),
        ("down", rate(info.down)),
        ("up", rate(info.up)),
        ("peer-down", rate(info.peer_down)),
        ("peer-up", rate(info.peer_up)),
        ("month", amount(info.month)),
        ("quota", amount(info.quota)),
        ("lend", amount(info.lend)),
        ("lend-channel", amount(info.lend_channel)),
        ("lend-rate", rate(info.lend_rate)),
        ("lend-paused", switch(info.lend_paused)),
        ("list-max", amount(info.list_max)),
        ("schedule", schedule),
    ])
}

/// An event as a line.
pub(crate) fn event(event: &Event) -> String {
    match event {
        Event::Snapshot(snapshot) => {
            let status = &snapshot.status;
            let moving = u64::try_from(snapshot.transfers.len()).unwrap_or(u64::MAX);
            let channels = u64::try_from(snapshot.channels.len()).unwrap_or(u64::MAX);
            format!(
                "{}, {}, {}",
                count(channels, "channel", "channels"),
                count(moving, "transfer", "transfers"),
                count(status.peers.into(), "peer", "peers")
            )
        }
        Event::Status(status) => format!(
            "{}, {}/s in, {}/s out",
            count(status.peers.into(), "peer", "peers"),
            size(status.down),
            size(status.up)
        ),
        Event::Channel(info) => {
            format!("Channel {}: {}, {}", quoted(&info.name), count(info.items, "item", "items"), channel_state(info))
        }
        Event::ChannelGone(key) => format!("Channel {} left", short_id(key)),
        Event::Item(info) => {
            format!(
                "{}: {} of {}, {}",
                quoted(&info.name),
                percent(info.have, info.bytes),
                size(info.bytes),
                state(info)
            )
        }
        Event::ItemGone(_, item) => format!("Item {} gone", short_id(item)),
        Event::Ready(info) => format!("{} is here, {}", quoted(&info.name), size(info.bytes)),
        Event::Publishing(progress) => crate::progress::publishing(progress),
        Event::Moving(progress) => format!("Moving: {} of {}", size(progress.done), size(progress.total)),
        Event::Notice(info) => escape(&info.message),
        Event::Waiting(waiting) => {
            format!("Channel {}: {}", short_id(&waiting.channel), escape(&waiting.cause.to_string()))
        }
    }
}

#[cfg(test)]
mod tests;
