//! What people read: tables, sizes, ages, and hostile text made harmless.

use node::api::{
    ChannelInfo, Event, FetchRule, FileInfo, Got, IdentityInfo, ItemInfo, ItemState, LeftOut, Looked, PeerInfo,
    Published, Settings, Status, VerifyReport,
};
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};
use unicode_width::UnicodeWidthStr;

/// Columns that a name takes at most in a table.
const NAME_WIDTH: usize = 60;
/// Characters of a channel key or item ID in a table: enough to name it.
const SHORT_ID: usize = 12;
/// What is not known.
const UNKNOWN: &str = "–";

/// Makes text of unknown origin fit for one line of a terminal: control characters, line separators, bidirectional
/// controls and invisible characters become U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    text.chars().map(|char| if is_harmful(char) { char::REPLACEMENT_CHARACTER } else { char }).collect()
}

fn is_harmful(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180E}'
            | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}')
}

/// Shortens to a width in columns, an ellipsis at the end. The text is escaped already.
fn shorten(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    for char in text.chars() {
        short.push(char);
        if short.width() + 1 > width {
            short.pop();
            break;
        }
    }
    short.push('…');
    short
}

/// Shortens a file's path in the middle: its end, with the extension, stays.
fn shorten_path(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut tail: Vec<char> = Vec::new();
    let mut columns = 0;
    for char in text.chars().rev() {
        columns += char.to_string().width();
        if columns > width / 2 {
            break;
        }
        tail.push(char);
    }
    let tail: String = tail.into_iter().rev().collect();
    let head = shorten(text, width.saturating_sub(tail.width()));
    head + &tail
}

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

/// Bytes for people: decimal units, three digits at most before the point.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    // In tenths, rounded down: a transfer is never shown fuller than it is.
    let mut tenths = bytes / 100;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    if tenths >= 1000 {
        format!("{} {}", tenths / 10, UNITS[unit])
    } else {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    }
}

/// A share of a whole in percent, rounded down: 100 means all.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return UNKNOWN.to_owned();
    }
    format!("{} %", u128::from(part.min(whole)) * 100 / u128::from(whole))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// How long ago, from ms since 1970.
fn age(then: u64, now: u64) -> String {
    let seconds = now.saturating_sub(then) / 1000;
    match seconds {
        0..60 => "just now".to_owned(),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        86_400..172_800 => "1 day ago".to_owned(),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// The UTC date of ms since 1970, `YYYY-MM-DD`.
fn date(ms: u64) -> String {
    // Days to a civil date: eras of 400 years, years that begin in March.
    let days = ms / 86_400_000 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    if ms == 0 || year > 9999 { UNKNOWN.to_owned() } else { format!("{year:04}-{month:02}-{day:02}") }
}

/// "1 file", "2 files".
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

/// A column's head and on which side its cells align.
#[derive(Clone, Copy)]
enum Column {
    Start(&'static str),
    End(&'static str),
}

/// Lines up cells under heads; none: no line, not even the heads.
fn table(columns: &[Column], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let heads: Vec<String> = columns
        .iter()
        .map(|column| match column {
            Column::Start(head) | Column::End(head) => (*head).to_owned(),
        })
        .collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|at| rows.iter().chain([&heads]).filter_map(|row| row.get(at)).map(|cell| cell.width()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in std::iter::once(&heads).chain(rows) {
        let mut line = String::new();
        for ((cell, column), width) in row.iter().zip(columns).zip(&widths) {
            let gap = " ".repeat(width.saturating_sub(cell.width()));
            match column {
                Column::Start(_) => line.extend([cell, gap.as_str(), "  "]),
                Column::End(_) => line.extend([gap.as_str(), cell, "  "]),
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Label and value, one a line.
fn sheet(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(label, _)| label.width()).max().unwrap_or(0);
    rows.iter().fold(String::new(), |mut text, (label, value)| {
        let _ = writeln!(text, "{label:width$}  {value}");
        text
    })
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
            let mut kind = if info.private { "private" } else { "public" }.to_owned();
            if info.own {
                kind.push_str(", own");
            }
            let known = info.sequence > 0;
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
            let here = percent(info.have, info.bytes);
            vec![name(&info.name), id, date(info.published), files, size(info.bytes), here, state(info)]
        })
        .collect();
    use Column::{End, Start};
    let columns = [Start("TITLE"), Start("ID"), Start("DATE"), End("FILES"), End("SIZE"), End("HERE"), Start("STATE")];
    table(&columns, &rows) + &left_out(infos.iter().flat_map(|info| &info.left_out))
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
            vec![path, size(info.size), percent(info.have, info.size), mime]
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
    }
    if info.pushed > 0 {
        reached.push(format!("Pushed to {}.", count(info.pushed.into(), "peer", "peers")));
    }
    if !reached.is_empty() {
        let _ = writeln!(text, "{}", reached.join(" "));
    }
    if !info.seeding && !stays {
        text += "Nobody seeds this until a node runs. Start one: megatorrent daemon\n";
    }
    text
}

pub(crate) fn got(info: &Got) -> String {
    if info.items.is_empty() {
        return "Nothing to fetch: the channel has no items.\n".to_owned();
    }
    let mut text = String::new();
    for item in &info.items {
        let place =
            item.path.as_ref().map(|path| format!(" in {}", escape(&path.to_string_lossy()))).unwrap_or_default();
        let _ = writeln!(text, "{} is here, {}{place}", quoted(&item.name), size(item.bytes));
    }
    text + &left_out(info.items.iter().flat_map(|item| &item.left_out))
}

pub(crate) fn verified(info: &VerifyReport) -> String {
    if info.bad == 0 {
        return format!("All {} are right.\n", count(info.good, "part", "parts"));
    }
    let mut text =
        format!("{} of {} missing or changed:\n", info.bad, count(info.good.saturating_add(info.bad), "part", "parts"));
    for file in &info.files {
        let _ = writeln!(text, "  {}", escape(file));
    }
    text
}

pub(crate) fn peers(infos: &[PeerInfo]) -> String {
    if infos.is_empty() {
        return "No peer is connected.\n".to_owned();
    }
    let rows: Vec<_> = infos
        .iter()
        .map(|info| {
            let kind = if info.v5 { format!("{}, v5", escape(&info.kind)) } else { escape(&info.kind) };
            let way = if info.inbound { "in" } else { "out" }.to_owned();
            vec![escape(&info.addr), kind, way, size(info.received), size(info.sent)]
        })
        .collect();
    use Column::{End, Start};
    table(&[Start("ADDRESS"), Start("KIND"), Start("DIALLED"), End("RECEIVED"), End("SENT")], &rows)
}

/// `runs`: a node answered, not only its data folder.
pub(crate) fn status(info: &Status, runs: bool) -> String {
    let mut rows = vec![("Data folder", escape(&info.data_dir.to_string_lossy()))];
    if runs {
        rows.insert(
            0,
            ("Node", format!("{}, version {}", if info.paused { "paused" } else { "runs" }, escape(&info.version))),
        );
        rows.push(("Listening on", info.listen.as_deref().map_or_else(|| "nothing".to_owned(), escape)));
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
    let secrets = match info.secrets.as_str() {
        "none" => "no vault yet".to_owned(),
        other => escape(other),
    };
    rows.push(("Secrets", secrets));
    sheet(&rows)
}

pub(crate) fn settings(info: &Settings) -> String {
    let dir = info.download_dir.as_ref().map_or_else(|| UNKNOWN.to_owned(), |dir| escape(&dir.to_string_lossy()));
    let gateway = info.gateway.map_or(UNKNOWN, |on| if on { "on" } else { "off" });
    sheet(&[("download-dir", dir), ("gateway", gateway.to_owned())])
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
        Event::Notice(info) => escape(&info.message),
    }
}

#[cfg(test)]
mod tests;
