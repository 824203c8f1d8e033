use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("megatorrent").chain(line.split_whitespace()))
}

fn command(line: &str) -> Command {
    match parse(line) {
        Ok(cli) => cli.command,
        Err(error) => panic!("{line}: {error}"),
    }
}

#[test]
fn the_declaration_is_consistent() {
    <Cli as clap::CommandFactory>::command().debug_assert();
}

#[test]
fn every_command_parses() {
    use Command as C;
    use IdCommand as I;
    type Fits = fn(&Command) -> bool;
    let table: &[(&str, Fits)] = &[
        ("id new A", |c| matches!(c, C::Id(I::New { name }) if name == "A")),
        ("id list", |c| matches!(c, C::Id(I::List))),
        (
            "id export A a.age",
            |c| matches!(c, C::Id(I::Export { identity, file }) if identity == "A" && file.ends_with("a.age")),
        ),
        ("id import a.age", |c| matches!(c, C::Id(I::Import { name: None, file }) if file.ends_with("a.age"))),
        ("id import a.age --name B", |c| matches!(c, C::Id(I::Import { name: Some(name), .. }) if name == "B")),
        ("id rename A B", |c| matches!(c, C::Id(I::Rename { identity, name }) if identity == "A" && name == "B")),
        ("publish a", |c| matches!(c, C::Publish(p) if p.paths.len() == 1 && p.id.is_none() && !p.private && !p.seed)),
        ("publish a b --id X --private --title T --about U --update 12 --seed --gateway h:1 --gateway [::1]:2", |c| {
            matches!(c, C::Publish(p) if p.paths.len() == 2 && p.id.as_deref() == Some("X") && p.private && p.seed
                    && p.title.as_deref() == Some("T") && p.about.as_deref() == Some("U")
                    && p.update.as_deref() == Some("12") && p.gateway == ["h:1", "[::1]:2"])
        }),
        ("unpublish 12", |c| matches!(c, C::Unpublish { item } if item == "12")),
        (
            "edit A --name B",
            |c| matches!(c, C::Edit(e) if e.what == "A" && e.name.as_deref() == Some("B") && e.about.is_none()),
        ),
        (
            "edit A --name B --about C",
            |c| matches!(c, C::Edit(e) if e.name.is_some() && e.about.as_deref() == Some("C")),
        ),
        ("look -", |c| matches!(c, C::Look { link } if link == "-")),
        ("subscribe L", |c| matches!(c, C::Subscribe { link, fetch: FetchRule::All } if link == "L")),
        ("subscribe L --fetch none", |c| matches!(c, C::Subscribe { fetch: FetchRule::None, .. })),
        ("subscribe L --fetch 0", |c| matches!(c, C::Subscribe { fetch: FetchRule::None, .. })),
        ("subscribe L --fetch 7", |c| matches!(c, C::Subscribe { fetch: FetchRule::Newest(7), .. })),
        ("unsubscribe A", |c| matches!(c, C::Unsubscribe { channel, delete: false } if channel == "A")),
        ("unsubscribe A --delete", |c| matches!(c, C::Unsubscribe { delete: true, .. })),
        ("channels", |c| matches!(c, C::Channels)),
        ("items A", |c| matches!(c, C::Items { channel } if channel == "A")),
        ("files A/1", |c| matches!(c, C::Files { item } if item == "A/1")),
        ("get L", |c| matches!(c, C::Get { what, output: None, timeout: None } if what == "L")),
        ("get L --timeout 10m", |c| matches!(c, C::Get { timeout: Some(time), .. } if time.as_secs() == 600)),
        ("get L -o d", |c| matches!(c, C::Get { output: Some(dir), .. } if dir.ends_with("d"))),
        ("get L --output d", |c| matches!(c, C::Get { output: Some(dir), .. } if dir.ends_with("d"))),
        ("pause", |c| matches!(c, C::Pause { what: None, time: None })),
        ("pause --for 1h", |c| matches!(c, C::Pause { what: None, time: Some(time) } if time.as_secs() == 3600)),
        ("rule A --keep 30d", |c| matches!(c, C::Rule(a) if a.keep == Some(KeepRule::Days(30)))),
        (
            "rule A --keep newest:3 --fetch 2",
            |c| matches!(c, C::Rule(a) if a.keep == Some(KeepRule::Newest(3)) && a.fetch == Some(FetchRule::Newest(2))),
        ),
        ("rule A --look-up on", |c| matches!(c, C::Rule(a) if a.look_up == Some(true) && a.encrypted.is_none())),
        (
            "rule A --keep 1.5G --encrypted on",
            |c| matches!(c, C::Rule(a) if a.keep == Some(KeepRule::Bytes(1_500_000_000)) && a.encrypted == Some(true)),
        ),
        ("pin A/1", |c| matches!(c, C::Pin { item } if item == "A/1")),
        ("unpin A/1", |c| matches!(c, C::Unpin { item } if item == "A/1")),
        ("priority A/1 low", |c| matches!(c, C::Priority { priority: ItemPriority::Low, .. })),
        ("want A/1 x y", |c| matches!(c, C::Want { paths, .. } if paths.len() == 2)),
        ("skip A/1 x", |c| matches!(c, C::Skip { paths, .. } if paths.len() == 1)),
        ("open A/1", |c| matches!(c, C::Open { item } if item == "A/1")),
        ("search two words --channel A", |c| matches!(c, C::Search { words, channel: Some(_) } if words.len() == 2)),
        ("move-data /x", |c| matches!(c, C::MoveData { dir } if dir.as_os_str() == "/x")),
        ("rekey A", |c| matches!(c, C::Rekey { channel } if channel == "A")),
        ("new-key -", |c| matches!(c, C::NewKey { link } if link == "-")),
        ("set up 500k", |c| matches!(c, C::Set(a) if a.key == Some(Key::Up))),
        ("pause A", |c| matches!(c, C::Pause { what: Some(what), time: None } if what == "A")),
        ("resume", |c| matches!(c, C::Resume { what: None })),
        ("resume A", |c| matches!(c, C::Resume { what: Some(what) } if what == "A")),
        ("remove 1", |c| matches!(c, C::Remove { item, delete: false } if item == "1")),
        ("remove 1 --delete", |c| matches!(c, C::Remove { delete: true, .. })),
        ("verify 1", |c| matches!(c, C::Verify { item } if item == "1")),
        ("locate 1 p", |c| matches!(c, C::Locate { item, path } if item == "1" && path.ends_with("p"))),
        ("status", |c| matches!(c, C::Status)),
        ("transfers", |c| matches!(c, C::Transfers)),
        ("peers", |c| matches!(c, C::Peers)),
        ("link A", |c| matches!(c, C::Link { channel } if channel == "A")),
        ("watch", |c| matches!(c, C::Watch)),
        ("set", |c| matches!(c, C::Set(s) if s.key.is_none() && s.value.is_none())),
        (
            "set download-dir d",
            |c| matches!(c, C::Set(s) if s.key == Some(Key::DownloadDir) && s.value.as_deref() == Some("d")),
        ),
        (
            "set gateway on",
            |c| matches!(c, C::Set(s) if s.key == Some(Key::Gateway) && s.value.as_deref() == Some("on")),
        ),
        (
            "set route tor://own",
            |c| matches!(c, C::Set(s) if s.key == Some(Key::Route) && s.value.as_deref() == Some("tor://own")),
        ),
        ("set gateways a:1,b:2", |c| matches!(c, C::Set(s) if s.key == Some(Key::Gateways))),
        ("doctor --leak", |c| matches!(c, C::Doctor { leak: true, seconds: 30, rebuild: false })),
        ("doctor --rebuild", |c| matches!(c, C::Doctor { rebuild: true, leak: false, .. })),
        ("doctor --leak --seconds 5", |c| matches!(c, C::Doctor { seconds: 5, .. })),
        ("daemon", |c| matches!(c, C::Daemon { web: None, .. })),
        ("daemon --web", |c| matches!(c, C::Daemon { web: Some(addr), .. } if addr.to_string() == "127.0.0.1:4180")),
        (
            "daemon --web localhost:0",
            |c| matches!(c, C::Daemon { web: Some(addr), .. } if addr.to_string() == "127.0.0.1:0"),
        ),
        ("gateway", |c| matches!(c, C::Gateway)),
        ("stop", |c| matches!(c, C::Stop)),
        ("completions fish", |c| matches!(c, C::Completions { shell: Shell::Fish })),
    ];
    for (line, fits) in table {
        assert!(fits(&command(line)), "{line}");
    }
    let mut declared: Vec<_> = <Cli as clap::CommandFactory>::command()
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    declared.retain(|name| !table.iter().any(|(line, _)| line.split(' ').next() == Some(name)));
    assert!(declared.is_empty(), "no line for {declared:?}");
}

#[test]
fn global_options_stand_before_and_after_the_command() {
    for line in [
        "--json --data-dir d --listen 127.0.0.1:0 --bootstrap b:1 --no-dht --peer 10.0.0.1:2 --passphrase - -vv status",
        "status --json --data-dir d --listen 127.0.0.1:0 --bootstrap b:1 --no-dht --peer 10.0.0.1:2 --passphrase - -vv",
    ] {
        let Ok(Cli { global, .. }) = parse(line) else { panic!("{line}") };
        assert!(global.json && global.no_dht && global.passphrase == Some(PassFrom::Stdin) && global.verbose == 2);
        assert_eq!(global.data_dir, Some(PathBuf::from("d")));
        assert_eq!(global.listen, Some(Listen::At("127.0.0.1:0".parse().unwrap())));
        assert_eq!(global.bootstrap, ["b:1"]);
        assert_eq!(global.peer, [PeerAddr::Ip("10.0.0.1:2".parse().unwrap())]);
        assert!(global.shapes_a_node());
    }
    let Ok(Cli { global, .. }) = parse("status --listen none --peer a.example:1 --peer [::1]:2") else { panic!() };
    assert_eq!(global.listen, Some(Listen::Nowhere));
    for (text, at) in [
        ("localhost:0", Listen::At("127.0.0.1:0".parse().unwrap())),
        ("[::1]:7", Listen::At("[::1]:7".parse().unwrap())),
        ("attic.example:4170", Listen::Name("attic.example".into(), 4170)),
        ("attic:0", Listen::Name("attic".into(), 0)),
    ] {
        let Ok(Cli { global, .. }) = parse(&format!("daemon --listen {text}")) else { panic!("{text}") };
        assert_eq!(global.listen, Some(at), "{text}");
    }
    assert_eq!(global.peer, [PeerAddr::Name("a.example".into(), 1), PeerAddr::Ip("[::1]:2".parse().unwrap())]);
}

#[test]
fn routes_are_taken_and_a_password_is_not_repeated() {
    let Ok(Cli { global, .. }) = parse("status --route tor://127.0.0.1:9051") else { panic!() };
    assert_eq!(global.chosen_route().unwrap().unwrap().to_string(), "tor://127.0.0.1:9051");
    assert!(global.shapes_a_node());
    let Ok(Cli { global, .. }) = parse("--proxy socks5://a:b@127.0.0.1:9 daemon") else { panic!() };
    assert!(matches!(global.chosen_route(), Ok(Some(Route::Socks5(_)))));
    for wrong in ["tor", "direct", "socks5://hush:hush@proxy.example:1", "socks5://hush:hush@1.2.3.4", "hush"] {
        let Ok(Cli { global, .. }) = parse(&format!("--proxy {wrong} daemon")) else { panic!() };
        let why = global.chosen_route().unwrap_err();
        assert!(!why.contains("hush"), "{why}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_as_usage() {
    for line in [
        "",
        "nonsense",
        "id",
        "publish",
        "edit A",
        "subscribe L --fetch some",
        "subscribe L --fetch -1",
        "set gateway",
        "set colour red",
        "completions csh",
        "locate 1",
        "doctor",
        "status --passphrase secret",
        "status --peer host",
        "status --peer host:0",
        "status --peer 10.0.0.1:0",
        "status --peer ho/st:1",
        "status --peer x.onion:1",
        "status --bootstrap :1",
        "status --listen 4170",
        "status --listen host",
        "status --listen ho/st:1",
        "status --listen :1",
        "daemon --web 4180",
        "daemon --web elsewhere.example:4180",
        "get L --timeout soon",
        "status --route fast",
        "status --route tor --proxy socks5://127.0.0.1:1",
    ] {
        let Err(error) = parse(line) else { panic!("{line:?} parses") };
        assert_eq!(error.exit_code(), 2, "{line:?}");
    }
}

#[test]
fn every_command_shows_examples() {
    fn look(command: &clap::Command) {
        if command.has_subcommands() {
            command.get_subcommands().for_each(look);
        } else {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{}", command.get_name());
            for line in
                help.lines().filter(|line| line.starts_with("  megatorrent ") && !line.contains(['"', '<', '>']))
            {
                assert!(parse(line.trim().trim_start_matches("megatorrent ")).is_ok(), "{line}");
            }
        }
    }
    look(&<Cli as clap::CommandFactory>::command());
}
