use super::text::table_within;
use super::*;
use node::api::{Cause, LeftOutReason, Snapshot};
use unicode_width::UnicodeWidthStr as _;

#[test]
fn hostile_text_cannot_steer_a_terminal() {
    let table = [
        ("plain", "plain"),
        ("naïve ☀ 日本", "naïve ☀ 日本"),
        ("a\u{1B}[2Jb", "a\u{FFFD}[2Jb"),
        ("a\nb\r\tc\0", "a\u{FFFD}b\u{FFFD}\u{FFFD}c\u{FFFD}"),
        ("\u{9B}31m", "\u{FFFD}31m"),
        ("gpj\u{202E}exe.\u{2066}x\u{2069}", "gpj\u{FFFD}exe.\u{FFFD}x\u{FFFD}"),
        ("a\u{200B}b\u{FEFF}c\u{2028}d\u{E0041}", "a\u{FFFD}b\u{FFFD}c\u{FFFD}d\u{FFFD}"),
        ("\u{61C}\u{200E}\u{200F}", "\u{FFFD}\u{FFFD}\u{FFFD}"),
        ("שלום مرحبا", "שלום مرحبا"),
        ("👨\u{200D}👩\u{200D}👧 🏳\u{FE0F}\u{200D}🌈", "👨\u{200D}👩\u{200D}👧 🏳\u{FE0F}\u{200D}🌈"),
        ("👩🏽\u{200D}🚀 ❤\u{FE0F}\u{200D}🔥", "👩🏽\u{200D}🚀 ❤\u{FE0F}\u{200D}🔥"),
        ("می\u{200C}خواهم क\u{94D}\u{200D}ष", "می\u{200C}خواهم क\u{94D}\u{200D}ष"),
        (
            "🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}",
            "🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}",
        ),
        ("a\u{200D}b\u{200C}c\u{200D}", "a\u{FFFD}b\u{FFFD}c\u{FFFD}"),
        ("👩\u{200D}\u{200D}👧\u{200D}x", "👩\u{FFFD}\u{FFFD}👧\u{FFFD}x"),
        ("🏴\u{E0067}x\u{E007F}", "🏴\u{FFFD}x\u{FFFD}"),
    ];
    for (hostile, harmless) in table {
        assert_eq!(escape(hostile), harmless);
    }
}

const EVIL: &str = "x\u{1B}]0;y\u{7}\u{202E}\n";

fn is_harmless(text: &str) {
    for line in text.lines() {
        assert_eq!(line, escape(line), "in {text:?}");
    }
    assert!(!text.contains("y\n"), "a line break got through: {text:?}");
}

#[test]
fn every_table_escapes() {
    let evil = || EVIL.to_owned();
    let left_out = || vec![LeftOut { path: evil(), why: evil(), code: LeftOutReason::Other }];
    let channel_info = || ChannelInfo {
        key: evil(),
        fingerprint: evil(),
        name: evil(),
        about: evil(),
        sequence: 1,
        cause: Some(Cause::BadContent { what: evil() }),
        ..Default::default()
    };
    let item = || ItemInfo {
        id: evil(),
        name: evil(),
        cause: Some(Cause::FolderNotWritable { path: evil() }),
        path: Some(EVIL.into()),
        left_out: left_out(),
        ..Default::default()
    };
    let identity_info = IdentityInfo {
        name: evil(),
        key: evil(),
        fingerprint: evil(),
        link: evil(),
        private: None,
        created: 1,
        kept: evil(),
    };
    let published_info = Published {
        link: evil(),
        item: Some(evil()),
        sequence: 1,
        dht_nodes: 1,
        gateways: 1,
        shown_by: 0,
        pushed: 1,
        files: 1,
        bytes: 1,
        blobs: 1,
        left_out: left_out(),
        seeding: false,
        items: Some(3),
        v5_items: Some(1),
    };
    let status_info = Status {
        version: evil(),
        listen: Some(evil()),
        listen_lost: Some(evil()),
        data_dir: EVIL.into(),
        secrets: evil(),
        ..Default::default()
    };
    let peer = PeerInfo { addr: evil(), kind: evil(), v5: true, inbound: true, received: 0, sent: 0, banned: None };
    let file = FileInfo { path: evil().repeat(60), size: 1, have: 0, mime: Some(evil()), skipped: None };
    for text in [
        identity(&identity_info),
        identities(&[identity_info]),
        channel(&channel_info()),
        channels(&[channel_info()]),
        items(&[item()]),
        transfers(&[item()]),
        files(&[file]),
        looked(&Looked { channel: channel_info(), items: vec![item()], stale: None }),
        published(&published_info, false),
        got(&Got { items: vec![item()] }),
        verified(&VerifyReport { good: 0, bad: 1, files: vec![evil()], kept: vec![evil()] }),
        peers(&[peer]),
        status(&status_info, true),
        settings(&Settings {
            download_dir: Some(EVIL.into()),
            gateway: None,
            route: Some(EVIL.into()),
            gateways: Some(vec![EVIL.into()]),
            schedule: Some(EVIL.into()),
            ..Settings::default()
        }),
        event(&Event::Snapshot(Snapshot::default())),
        event(&Event::Status(status_info.clone())),
        event(&Event::Channel(channel_info())),
        event(&Event::ChannelGone(evil())),
        event(&Event::Item(item())),
        event(&Event::ItemGone(evil(), evil())),
        event(&Event::Ready(item())),
        event(&Event::Publishing(node::api::PublishProgress { title: evil(), stage: evil(), ..Default::default() })),
        event(&Event::Notice(node::api::ErrorInfo { code: node::api::Code::Io, message: evil() })),
    ] {
        is_harmless(&text);
    }
}

#[test]
fn shares_are_rounded_down() {
    assert_eq!(percent(0, 0), "–");
    assert_eq!(percent(999, 1000), "99 %");
    assert_eq!(percent(1000, 1000), "100 %");
    assert_eq!(percent(u64::MAX, u64::MAX), "100 %");
}

#[test]
fn dates_and_ages() {
    assert_eq!(date(0), "–");
    assert_eq!(date(951_782_400_000), "2000-02-29");
    assert_eq!(date(951_868_800_000), "2000-03-01");
    assert_eq!(date(1_767_225_599_999), "2025-12-31");
    assert_eq!(date(1_767_225_600_000), "2026-01-01");
    assert_eq!(date(u64::MAX), "–");
    let ago = |seconds: u64| age(1_000_000_000, 1_000_000_000 + seconds * 1000);
    assert_eq!(ago(59), "just now");
    assert_eq!(ago(60), "1 min ago");
    assert_eq!(ago(7200), "2 h ago");
    assert_eq!(ago(86_400), "1 day ago");
    assert_eq!(ago(864_000), "10 days ago");
    assert_eq!(age(5, 0), "just now");
}

#[test]
fn tables_line_up_by_what_is_seen() {
    let rows = [vec!["日本".to_owned(), "1".to_owned()], vec!["a".to_owned(), "1000".to_owned()]];
    let text = table(&[Column::Start("NAME"), Column::End("SIZE")], &rows);
    assert_eq!(text, "NAME  SIZE\n日本     1\na     1000\n");
    assert_eq!(table(&[Column::Start("NAME")], &[]), "");
    // On a narrow terminal the names give way, down to what still names something.
    let rows = [vec!["a name of twenty-seven cells".to_owned(), "1".to_owned()]];
    let columns = [Column::Start("NAME"), Column::End("SIZE")];
    let widths = |width| table_within(&columns, &rows, width).lines().map(|line| line.width()).max().unwrap();
    assert_eq!((widths(None), widths(Some(80))), (34, 34));
    assert_eq!((widths(Some(30)), widths(Some(10))), (30, 22));
}

#[test]
fn long_names_lose_their_end_and_paths_their_middle() {
    assert_eq!(shorten("abcdef", 6), "abcdef");
    assert_eq!(shorten("abcdefg", 6), "abcde…");
    assert_eq!(shorten("日本日本", 6), "日本…");
    let short = shorten_path("recordings/a very long name.flac", 20);
    assert!(short.ends_with("name.flac") && short.starts_with("recording") && short.width() <= 20, "{short}");
}

#[test]
fn a_publication_that_nobody_seeds_says_so() {
    let mut info = Published {
        link: "megatorrent://k".into(),
        item: None,
        sequence: 2,
        dht_nodes: 8,
        gateways: 0,
        shown_by: 0,
        pushed: 0,
        files: 2,
        bytes: 5,
        blobs: 1,
        left_out: Vec::new(),
        seeding: false,
        items: Some(3),
        v5_items: Some(3),
    };
    let warning = "Nobody seeds this until a node runs. Start one: megatorrent daemon";
    let text = published(&info, false);
    assert!(text.contains(warning) && text.contains("Seen by 8 DHT nodes.") && text.contains("2 files"), "{text}");
    assert!(!published(&info, true).contains(warning));
    info.seeding = true;
    assert!(!published(&info, false).contains(warning));
    // What clients of version 5 see is told when it is not all, and when they can see anything.
    assert!(!published(&info, false).contains("version 5"));
    for (seen, items, says) in
        [(1, 3, "see 1 of the 3 items"), (0, 3, "see none of the 3 items"), (0, 1, "do not see this item")]
    {
        (info.v5_items, info.items) = (Some(seen), Some(items));
        assert!(published(&info, false).contains(&format!("Clients of version 5 {says}")), "{says}");
    }
    info.v5_items = None;
    assert!(!published(&info, false).contains("version 5"));
}

/// "1 parts", "1 are": a number one with a word for many.
fn miscounted(text: &str) -> Option<String> {
    let slip = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let slip = words.windows(2).find(|pair| {
            let word = pair[1].trim_matches(|c: char| !c.is_alphanumeric());
            let many = word.ends_with('s') && !matches!(word, "is" | "has" | "was" | "s" | "less" | "this");
            pair[0] == "1" && (many || matches!(word, "are" | "have" | "were"))
        });
        slip.map(|pair| pair.join(" "))
    };
    text.lines().find_map(slip)
}

#[test]
fn one_of_anything_reads_as_one() {
    assert_eq!(miscounted("All 1 parts are right.").as_deref(), Some("1 parts"));
    assert_eq!(miscounted("1 are free, 11 parts, 1 part").as_deref(), Some("1 are"));
    let item =
        || ItemInfo { name: "a".into(), files: 1, bytes: 1, have: 1, rate: 1, published: 1, ..Default::default() };
    let left_out = || vec![LeftOut { path: "a".into(), why: "b".into(), code: LeftOutReason::Other }];
    let channel_info = ChannelInfo {
        name: "a".into(),
        sequence: 1,
        items: 1,
        complete: 1,
        bytes: 1,
        seen_by: Some(1),
        peers: 1,
        keep: Some(KeepRule::Days(1)),
        fetch: FetchRule::Newest(1),
        checked: Some(now() - 90_000_000),
        ..Default::default()
    };
    let published_info = Published {
        link: "l".into(),
        item: None,
        sequence: 1,
        dht_nodes: 1,
        gateways: 1,
        shown_by: 1,
        pushed: 1,
        files: 1,
        bytes: 1,
        blobs: 1,
        left_out: left_out(),
        seeding: true,
        items: Some(1),
        v5_items: Some(1),
    };
    let status_info = Status {
        dht_nodes: Some(1),
        peers: 1,
        channels: 1,
        own: 1,
        blobs: 1,
        announced: 1,
        to_announce: 1,
        used: Some(1),
        month_used: Some(1),
        ..Default::default()
    };
    let leak_info = LeakReport {
        route: "tor".into(),
        seconds: 1,
        looks: 1,
        through: vec!["127.0.0.1".into()],
        elsewhere: Vec::new(),
    };
    let snapshot =
        Snapshot { status: status_info.clone(), channels: vec![channel_info.clone()], transfers: vec![item()] };
    for text in [
        channel(&channel_info),
        channels(std::slice::from_ref(&channel_info)),
        items(&[ItemInfo { left_out: left_out(), ..item() }]),
        looked(&Looked { channel: channel_info.clone(), items: vec![item()], stale: None }),
        published(&published_info, false),
        got(&Got { items: vec![item()] }),
        verified(&VerifyReport { good: 1, bad: 0, files: Vec::new(), kept: Vec::new() }),
        verified(&VerifyReport { good: 0, bad: 1, files: vec!["a".into()], kept: Vec::new() }),
        status(&status_info, true),
        leak(&leak_info),
        event(&Event::Snapshot(snapshot)),
        event(&Event::Status(status_info.clone())),
        event(&Event::Channel(channel_info)),
        event(&Event::Item(item())),
        event(&Event::Ready(item())),
    ] {
        assert_eq!(miscounted(&text), None, "{text}");
    }
    assert_eq!(
        verified(&VerifyReport { good: 1, bad: 0, files: Vec::new(), kept: Vec::new() }),
        "The only part is right.\n"
    );
    assert_eq!(
        verified(&VerifyReport { good: 2, bad: 0, files: Vec::new(), kept: Vec::new() }),
        "All 2 parts are right.\n"
    );
    let one_bad = VerifyReport { good: 2, bad: 1, files: Vec::new(), kept: Vec::new() };
    assert_eq!(verified(&one_bad), "1 of 3 parts is missing or changed:\n");
}
