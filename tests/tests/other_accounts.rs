//! What another account of the same computer can do to a node, and what a computer that is short of something can: real
//! processes, real sockets, real limits.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]

use anyhow::{Context, Result, bail, ensure};
use megatorrent_tests::netns::Space;
use megatorrent_tests::people::{self, until};
use megatorrent_tests::process::{Home, finish};
use megatorrent_tests::tornet::Control;
use rustix::process::{Pid, Resource, Rlimit, Uid};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// The account that owns nothing.
const NOBODY: u32 = 65_534;

/// Listens in a network of its own as another account does.
fn listen_as_nobody(space: &Space, at: SocketAddr) -> Result<TcpListener> {
    let name = space.name().to_owned();
    let listening = std::thread::spawn(move || {
        let network = File::open(Path::new("/run/netns").join(name))?;
        // Both of this thread alone.
        let kind = Some(rustix::thread::LinkNameSpaceType::Network);
        rustix::thread::move_into_link_name_space(network.as_fd(), kind)?;
        rustix::thread::set_thread_uid(Uid::from_raw(NOBODY))?;
        anyhow::Ok(TcpListener::bind(at)?)
    });
    let listener = listening.join().unwrap()?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// A machine on which no program tor can be started, so that a running one is looked for.
fn without_tor(space: &Space) -> Vec<String> {
    let hide = "for tor in /usr/sbin/tor /usr/bin/tor /usr/local/sbin/tor /usr/local/bin/tor; do \
                [ ! -f $tor ] || mount --bind /dev/null $tor; done; exec \"$@\"";
    ["ip", "netns", "exec", space.name(), "sh", "-c", hide, "sh"].map(str::to_owned).to_vec()
}

/// `set route tor` looks at the usual ports. Whoever took one of them is told nothing, and gets no key and no address.
#[test]
fn a_control_port_of_another_account_gets_no_byte() -> Result<()> {
    let Some(space) = Space::new("fake")? else { return Ok(()) };
    let fakes: Vec<TcpListener> = [9050, 9051, 9150, 9151]
        .into_iter()
        .map(|port| listen_as_nobody(&space, SocketAddr::from(([127, 0, 0, 1], port))))
        .collect::<Result<_>>()?;
    let mut home = Home::new("careful", &[])?;
    home.move_into(without_tor(&space));
    home.ask(["id", "new", "careful"])?;
    let node = home.daemon_with(["--route", "tor", "--peer", "198.51.100.7:6881"])?;
    let why = until(&home, &["status"], "the route down", |status| {
        status["route"]["state"]["why"].as_str().map(str::to_owned)
    })?;
    ensure!(why.contains("belongs to another account") && why.contains("65534"), "{why}");
    // Named, it is as much a stranger's.
    home.ask(["set", "route", "tor://127.0.0.1:9051"])?;
    node.stop(&home)?;
    let node = home.daemon()?;
    let named = until(&home, &["status"], "the route down", |status| {
        status["route"]["state"]["why"].as_str().map(str::to_owned)
    })?;
    ensure!(named.contains("belongs to another account"), "{named}");
    node.stop(&home)?;
    for fake in &fakes {
        match fake.accept() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
            Ok((mut came, _)) => {
                came.set_nonblocking(false)?;
                let mut said = String::new();
                came.read_to_string(&mut said)?;
                bail!("{} was told {said:?}", fake.local_addr()?);
            }
        }
    }
    Ok(())
}

/// Sets the soft limit alone: who lowers the hard one may not raise it again. `None`: up to the hard one.
fn limit_files(pid: u32, files: Option<u64>) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(pid)?).context("a process")?;
    // The node has this process' own.
    let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
    rustix::process::prlimit(Some(pid), Resource::Nofile, Rlimit { current: files.or(maximum), maximum })?;
    Ok(())
}

/// Whether a peer is answered there: the node's 32 bytes come.
fn is_answered(at: &str) -> bool {
    let answered = || -> std::io::Result<()> {
        let mut stream =
            TcpStream::connect_timeout(&at.parse().map_err(std::io::Error::other)?, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(&[9; 32])?;
        stream.read_exact(&mut [0; 32])
    };
    answered().is_ok()
}

/// The node has no handle left for longer than any wait of its own: afterwards nothing is missing.
#[test]
fn a_want_of_handles_costs_nothing_afterwards() -> Result<()> {
    let home = Home::new("short", &[])?;
    let (node, web) = home.web()?;
    let web = web.strip_prefix("http://").and_then(|rest| rest.split_once('/')).context("an address")?.0.to_owned();
    let address = node.address().to_owned();
    ensure!(is_answered(&address) && is_answered_web(&web), "before");
    let open = std::fs::read_dir(format!("/proc/{}/fd", node.id()))?.count() as u64;
    limit_files(node.id(), Some(open / 2))?;
    // Callers wait at both doors all the time.
    let until_then = Instant::now() + Duration::from_secs(13);
    while Instant::now() < until_then {
        let callers: Vec<_> =
            [&address, &web].into_iter().filter_map(|at| TcpStream::connect(at.as_str()).ok()).collect();
        std::thread::sleep(Duration::from_millis(500));
        drop(callers);
    }
    ensure!(!is_answered(&address), "there was no want of handles");
    limit_files(node.id(), None)?;
    let back = Instant::now() + Duration::from_secs(60);
    while !(is_answered(&address) && is_answered_web(&web)) {
        ensure!(Instant::now() < back, "nobody is answered any more: {}", node.log());
    }
    let status = home.ask(["status"])?;
    ensure!(status["listen"] == address.as_str() && status.get("listen_lost").is_none(), "{status}");
    node.stop(&home)
}

fn is_answered_web(at: &str) -> bool {
    let answered = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(at)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET / HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n")?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        Ok(head.starts_with(b"HTTP/1.1 "))
    };
    answered().unwrap_or(false)
}

/// With too few handles to do anything, that is what is said, and how to mend it.
#[test]
fn a_limit_under_which_nothing_works_is_named() -> Result<()> {
    let mut home = Home::new("narrow", &[])?;
    for files in [16, 24] {
        home.move_into(["sh".into(), "-c".into(), format!("ulimit -n {files}; exec \"$@\""), "sh".into()].to_vec());
        for words in [vec!["status"], vec!["id", "new", "alice"], vec!["--no-dht", "get", "megatorrent://00"]] {
            let answer = home.run(&words)?;
            let unclear = answer.code == Some(0) || !answer.stderr.contains(&format!("only {files} files"));
            // A link that is none is refused before anything is opened.
            ensure!(!unclear || answer.error_code().as_deref() == Some("bad_link"), "{files} {words:?}: {answer:?}");
            ensure!(unclear || answer.stderr.contains("ulimit -n 1024"), "{answer:?}");
        }
    }
    // The soft limit is the node's own to raise.
    home.move_into(["sh".into(), "-c".into(), "ulimit -S -n 16; exec \"$@\"".into(), "sh".into()].to_vec());
    ensure!(home.run(["status"])?.code == Some(0));
    // A few more than the least, and things are done.
    home.move_into(["sh".into(), "-c".into(), "ulimit -n 32; exec \"$@\"".into(), "sh".into()].to_vec());
    home.ask(["id", "new", "alice"])?;
    let folder = people::folder(&home, "many", &[("a", 10), ("b", 20), ("c", 1_200_000)])?;
    home.ask(["--no-dht", "publish", folder.to_str().unwrap()])?;
    Ok(())
}

/// A tor of our own: no port for anybody else, and none of our secrets.
#[test]
fn a_tor_of_our_own_has_no_port_and_knows_no_secret() -> Result<()> {
    let Some(space) = Space::new("own")? else { return Ok(()) };
    let mut home = Home::new("own", &[])?;
    home.move_into(["ip", "netns", "exec", space.name()].map(str::to_owned).to_vec());
    home.ask(["id", "new", "own"])?;
    let folder = people::folder(&home, "x", &[("x", 10)])?;
    home.ask(["--no-dht", "publish", folder.to_str().unwrap()])?;
    let node = home.daemon_with(["--route", "tor"])?;
    until(&home, &["status"], "an onion address", |status| {
        let onion = status["route"]["onions"].as_array()?.first()?;
        onion["why"].is_null().then_some(())
    })?;
    let tor = home.data().join("tor");
    let told = Control::of_folder(&tor)?.command("GETINFO process/pid")?;
    let pid = told[0].strip_prefix("process/pid=").context("a process")?.to_owned();
    let known = std::fs::read(format!("/proc/{pid}/environ"))?;
    ensure!(!known.is_empty(), "nothing is seen");
    ensure!(!known.windows(12).any(|part| part == b"MEGATORRENT_"), "tor knows {}", String::from_utf8_lossy(&known));
    // Nothing of this machine listens but the socket files.
    let listening = |line: &str| line.split_whitespace().nth(3) == Some("0A");
    for table in ["tcp", "tcp6"] {
        let table = space.run(&format!("cat /proc/net/{table}"))?;
        let ports: Vec<&str> = table.lines().filter(|line| listening(line)).collect();
        ensure!(ports.is_empty(), "there are ports: {ports:?}");
    }
    ensure!(std::fs::metadata(&tor)?.permissions().mode() & 0o077 == 0, "the folder of the sockets is open");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", node.id()))?;
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).context("a limit")?;
    ensure!(core.split_whitespace().nth(4) == Some("0"), "{core}");
    node.stop(&home)
}

/// What was open to others is closed, what is exported is for its owner alone.
#[test]
fn what_others_could_enter_is_closed() -> Result<()> {
    let home = Home::new("open", &[])?;
    let data = home.data();
    let mode = |path: &Path| std::fs::metadata(path).map(|about| about.permissions().mode() & 0o777);
    let chmod = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
    std::fs::create_dir(&data)?;
    chmod(&data, 0o755)?;
    home.ask(["id", "new", "alice"])?;
    ensure!(mode(&data)? == 0o700 && mode(&data.join("lock"))? == 0o600);
    let backup = home.path().join("alice.age");
    home.ask(["id".as_ref(), "export".as_ref(), "alice".as_ref(), backup.as_os_str()])?;
    ensure!(mode(&backup)? == 0o600, "a backup that all can read");
    chmod(&data, 0o777)?;
    home.ask(["status"])?;
    ensure!(mode(&data)? == 0o700);
    // Somebody's films are not closed to those who watch them.
    let films = home.path().join("films");
    std::fs::create_dir(&films)?;
    std::fs::write(films.join("film.mkv"), "film")?;
    chmod(&films, 0o755)?;
    let mut command = std::process::Command::new(megatorrent_tests::process::program()?);
    command.env("MEGATORRENT_DATA_DIR", &films).args(["--json", "status"]);
    let refused = finish(command)?;
    ensure!(refused.code == Some(6) && refused.stderr.contains("chmod 700"), "{refused:?}");
    ensure!(mode(&films)? == 0o755 && !films.join("lock").exists());
    Ok(())
}
