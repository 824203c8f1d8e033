//! A private Tor network on loopback: one directory authority and three relays, all of them exits, and any number of
//! clients. Nothing of it touches another machine, and all of it ends with the value.
//!
//! Needs Debian's `tor`, which brings `tor-gencert` along. What it takes to be ready within seconds instead of minutes
//! is said where it is done. Numeric addresses only: there is no DNS in here.

mod control;
mod files;

pub use control::Control;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// Relays beside the authority: with fewer no onion service is ever announced.
const RELAYS: usize = 3;
/// Longest that the network may take.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between two looks at what the daemons have got to: they have no other way to tell.
const LOOK: Duration = Duration::from_millis(40);
/// A relay that found no consensus waits long before it asks again; SIGHUP makes it ask now.
const NUDGE: Duration = Duration::from_millis(500);

/// The running network.
pub struct TorNet {
    clients: Vec<Client>,
    relays: Vec<Relay>,
    /// `DirAuthority …`, as every member's configuration names it.
    authority: String,
    /// An empty configuration: Debian's tor would read its own otherwise.
    empty: PathBuf,
    program: PathBuf,
    began: Instant,
    /// Last: removed when all daemons are gone.
    folder: TempDir,
}

struct Relay {
    name: String,
    folder: PathBuf,
    or_port: u16,
    dir_port: Option<u16>,
    daemon: Option<Daemon>,
}

/// A tor that people use.
pub struct Client {
    folder: PathBuf,
    daemon: Option<Daemon>,
    socks: Option<SocketAddr>,
    control: Option<SocketAddr>,
}

/// A tor process; killed with the value. One whose owner was killed first notices within 15 seconds and ends.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that ended by itself cannot be killed, only waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Client {
    /// Its SOCKS port; it keeps circuits apart by login.
    ///
    /// # Errors
    /// It was stopped.
    pub fn socks(&self) -> Result<SocketAddr> {
        self.socks.context("this client is not running")
    }
    /// Its control port, to be opened with the cookie that it names.
    ///
    /// # Errors
    /// It was stopped.
    pub fn control(&self) -> Result<SocketAddr> {
        self.control.context("this client is not running")
    }
    /// Logs in there.
    ///
    /// # Errors
    /// It was stopped, or does not let us in.
    pub fn log_in(&self) -> Result<Control> {
        Control::log_in(self.control()?, &self.folder.join("control_auth_cookie"))
    }
    /// Stops it where it stands, or lets it go on: a tor that hangs.
    ///
    /// # Errors
    /// It does not run.
    pub fn freeze(&self, frozen: bool) -> Result<()> {
        let daemon = self.daemon.as_ref().context("this client is not running")?;
        Ok(kill_process(Pid::from_child(&daemon.0), if frozen { Signal::STOP } else { Signal::CONT })?)
    }
    /// Takes its cookie away, or gives it back.
    ///
    /// # Errors
    /// There is none.
    pub fn hide_cookie(&self, hidden: bool) -> Result<()> {
        let (cookie, aside) = (self.folder.join("control_auth_cookie"), self.folder.join("cookie_aside"));
        let (from, to) = if hidden { (cookie, aside) } else { (aside, cookie) };
        Ok(std::fs::rename(from, to)?)
    }
    /// Kills it.
    pub fn kill(&mut self) {
        self.daemon = None;
        (self.socks, self.control) = (None, None);
    }
}

impl TorNet {
    /// Starts a network and waits until every client has circuits and knows every relay.
    ///
    /// # Errors
    /// No `tor`, or not ready in time; with the daemons' own warnings.
    pub fn start(clients: usize) -> Result<Self> {
        let program = find("tor")?;
        let folder = tempfile::Builder::new().prefix("tornet-").tempdir()?;
        let empty = folder.path().join("empty");
        std::fs::write(&empty, "")?;
        let (relays, clients_made) = (Vec::new(), Vec::new());
        let began = Instant::now();
        let mut net = Self { clients: clients_made, relays, authority: String::new(), empty, program, began, folder };
        net.make_keys()?;
        net.start_relays()?;
        for number in 0..clients {
            let folder = net.make_folder(&format!("client{number}"))?;
            net.clients.push(Client { folder, daemon: None, socks: None, control: None });
            net.launch_client(number)?;
        }
        let ready = net.call_the_vote().and_then(|()| net.spread_the_consensus());
        let ready = ready.and_then(|()| (0..clients).try_for_each(|number| net.wait_for(number)));
        ready.with_context(|| net.warnings())?;
        Ok(net)
    }

    /// One of the clients.
    pub fn client(&self, number: usize) -> &Client {
        &self.clients[number]
    }

    /// One of the clients, to be killed.
    pub fn client_mut(&mut self, number: usize) -> &mut Client {
        &mut self.clients[number]
    }

    /// Starts a client again that was killed; its ports are others then.
    ///
    /// # Errors
    /// It does not get ready.
    pub fn restart(&mut self, number: usize) -> Result<()> {
        self.began = Instant::now();
        self.launch_client(number)?;
        self.wait_for(number).with_context(|| self.warnings())
    }

    /// A configuration that makes any tor a client of this network; it names no port and no folder.
    pub fn torrc(&self) -> String {
        format!("{}{}", self.common(), files::CLIENT)
    }

    /// A password as tor's configuration takes it.
    ///
    /// # Errors
    /// Tor does not make it.
    pub fn hashed(&self, password: &str) -> Result<String> {
        let said = output(Command::new(&self.program).arg("--hash-password").arg(password))?;
        let hashed = said.lines().rev().find(|line| line.starts_with("16:"));
        Ok(hashed.context("tor hashes no password")?.trim().to_owned())
    }

    fn common(&self) -> String {
        format!("{}__OwningControllerProcess {}\n{}", files::COMMON, std::process::id(), self.authority)
    }

    fn make_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(folder.join("keys"))?;
        #[cfg(unix)]
        for private in [&folder, &folder.join("keys")] {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(private, std::fs::Permissions::from_mode(0o700))?;
        }
        Ok(folder)
    }

    /// The authority's keys: only its fingerprint must be known before the start.
    fn make_keys(&mut self) -> Result<()> {
        let mut ports = free_ports(RELAYS + 2)?.into_iter();
        for number in 0..=RELAYS {
            let name = if number == 0 { "authority".to_owned() } else { format!("relay{number}") };
            let folder = self.make_folder(&name)?;
            let or_port = ports.next().context("a port")?;
            let dir_port = if number == 0 { ports.next() } else { None };
            self.relays.push(Relay { name, folder, or_port, dir_port, daemon: None });
        }
        let authority = &self.relays[0];
        let dir_port = authority.dir_port.context("a port")?;
        let keys = authority.folder.join("keys");
        let certificate = keys.join("authority_certificate");
        let mut gencert = Command::new(find("tor-gencert")?);
        gencert
            .args(["--create-identity-key", "--passphrase-fd", "0", "-m", "12"])
            .args(["-a".to_owned(), format!("127.0.0.1:{dir_port}")])
            .arg("-i")
            .arg(keys.join("authority_identity_key"))
            .arg("-s")
            .arg(keys.join("authority_signing_key"))
            .arg("-c")
            .arg(&certificate);
        let passphrase = self.folder.path().join("passphrase");
        std::fs::write(&passphrase, "a passphrase for tests\n")?;
        output(gencert.stdin(std::fs::File::open(passphrase)?))?;
        let certificate = std::fs::read_to_string(certificate)?;
        let identity =
            certificate.lines().find_map(|line| line.strip_prefix("fingerprint ")).context("a fingerprint")?;
        let mut list = Command::new(&self.program);
        list.arg("-f")
            .arg(&self.empty)
            .arg("--defaults-torrc")
            .arg(&self.empty)
            .args(["--quiet", "--list-fingerprint", "--ORPort", "1", "--TestingTorNetwork", "1"])
            .args(["--Address", "127.0.0.1", "--Nickname", &authority.name, "--DirAuthority"])
            .arg(format!("x 127.0.0.1:1 {}", "F".repeat(40)))
            .arg("--DataDirectory")
            .arg(&authority.folder);
        let listed = output(list.stdin(Stdio::null()))?;
        let relay: String = listed
            .lines()
            .find_map(|line| line.strip_prefix(&authority.name))
            .context("tor lists no fingerprint")?
            .split_whitespace()
            .collect();
        self.authority = format!(
            "DirAuthority {} orport={} no-v2 v3ident={identity} 127.0.0.1:{dir_port} {relay}\n",
            authority.name, authority.or_port
        );
        Ok(())
    }

    fn start_relays(&mut self) -> Result<()> {
        let common = self.common();
        for number in 0..self.relays.len() {
            let Relay { name, folder, or_port, dir_port, .. } = &self.relays[number];
            std::fs::write(folder.join("resolv.conf"), "nameserver 127.0.0.1\n")?;
            let mut torrc = format!("{common}{}Nickname {name}\nORPort 127.0.0.1:{or_port} IPv4Only\n", files::RELAY);
            torrc += &format!("ServerDNSResolvConfFile {}\n", folder.join("resolv.conf").display());
            if let Some(port) = dir_port {
                torrc += &format!("DirPort 127.0.0.1:{port} IPv4Only\n{}", files::AUTHORITY);
                torrc += &files::control(folder);
            }
            let daemon = self.launch(folder, &torrc)?;
            self.relays[number].daemon = Some(daemon);
        }
        Ok(())
    }

    /// With the network disabled: a client that asks before there is anything to get waits ten seconds.
    fn launch_client(&mut self, number: usize) -> Result<()> {
        let folder = &self.clients[number].folder;
        // What an earlier run left is not this one's: its port is another, and tor takes connections before it has
        // written the new cookie, by which whoever reads the old one is turned away.
        for left in ["control_port", "control_auth_cookie"] {
            match std::fs::remove_file(folder.join(left)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        let ports = "SocksPort 127.0.0.1:auto IsolateSOCKSAuth\nDisableNetwork 1\n";
        let torrc = format!("{}{ports}{}", self.torrc(), files::control(folder));
        self.clients[number].daemon = Some(self.launch(folder, &torrc)?);
        Ok(())
    }

    fn launch(&self, folder: &Path, torrc: &str) -> Result<Daemon> {
        let file = folder.join("torrc");
        let log = folder.join("notice.log");
        std::fs::write(
            &file,
            format!("DataDirectory {}\nLog notice file {}\n{torrc}", folder.display(), log.display()),
        )?;
        let mut command = Command::new(&self.program);
        command.arg("-f").arg(file).arg("--defaults-torrc").arg(&self.empty).arg("--quiet");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Daemon(command.spawn().context("tor does not start")?))
    }

    /// A fixed time for the first vote is either late or, on a busy machine, too early: a relay is missing then until the
    /// next round. So it is far off at first, and set to now when the authority has every relay's descriptor.
    fn call_the_vote(&mut self) -> Result<()> {
        let folder = self.relays[0].folder.clone();
        let mut control = None;
        self.until("every relay's descriptor", |net| {
            if control.is_none() {
                control = net.open(&folder)?;
            }
            let Some(control) = &mut control else { return Ok(false) };
            let known = control.command("GETINFO desc/all-recent")?;
            Ok(known.iter().filter(|line| line.starts_with("router ")).count() > RELAYS)
        })?;
        // Of a first round of 5 s, tor takes a quarter for each of two delays: its vote is 2 s before its end.
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
        let offset = (now + 2.1) as u64 % 5;
        let vote = format!("SETCONF TestingV3AuthInitialVotingInterval=5 TestingV3AuthVotingStartOffset={offset}");
        control.context("no control port")?.command(&vote)?;
        Ok(())
    }

    /// Until every relay has every relay's short descriptor.
    fn spread_the_consensus(&mut self) -> Result<()> {
        let mut next = None;
        self.until("a consensus at every relay", |net| {
            let lacking: Vec<&Relay> =
                net.relays.iter().filter(|relay| !files::informed(&relay.folder, RELAYS)).collect();
            let any = net.relays.iter().any(|relay| files::has_consensus(&relay.folder));
            if any && next.is_none_or(|at| Instant::now() > at) {
                next = Some(Instant::now() + NUDGE);
                for relay in lacking.iter().filter(|relay| relay.dir_port.is_none()) {
                    if let Some(daemon) = &relay.daemon {
                        kill_process(Pid::from_child(&daemon.0), Signal::HUP)?;
                    }
                }
            }
            Ok(lacking.is_empty())
        })
    }

    /// Lets a client into the network and waits until it has all it needs.
    fn wait_for(&mut self, number: usize) -> Result<()> {
        let folder = self.clients[number].folder.clone();
        let mut control = None;
        let mut socks = None;
        self.until("a client with circuits", |net| {
            if control.is_none() {
                control = net.open(&folder)?;
                if let Some(control) = &mut control {
                    control.command("SETCONF DisableNetwork=0")?;
                }
            }
            let Some(control) = &mut control else { return Ok(false) };
            if !control.command("GETINFO status/bootstrap-phase")?.concat().contains("PROGRESS=100 ") {
                return Ok(false);
            }
            let count = |lines: &[String], word: &str| lines.iter().filter(|line| line.contains(word)).count();
            let known = count(&control.command("GETINFO ns/all")?, " Running ");
            let described = count(&control.command("GETINFO md/all")?, "ntor-onion-key");
            let listeners = control.command("GETINFO net/listeners/socks")?.concat();
            socks = listeners.split('"').nth(1).and_then(|addr| addr.parse().ok());
            Ok(known > RELAYS && described > RELAYS && socks.is_some())
        })?;
        let client = &mut self.clients[number];
        (client.socks, client.control) = (socks, files::port(&folder));
        Ok(())
    }

    /// The control port of the daemon in this folder, once it is there.
    fn open(&self, folder: &Path) -> Result<Option<Control>> {
        let Some(addr) = files::port(folder) else { return Ok(None) };
        let cookie = folder.join("control_auth_cookie");
        // Tor writes the cookie after the port, in two steps.
        if std::fs::metadata(&cookie).map_or(0, |file| file.len()) < 32 {
            return Ok(None);
        }
        Control::log_in(addr, &cookie).map(Some)
    }

    fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> Result<bool>) -> Result<()> {
        while !done(self)? {
            ensure!(self.began.elapsed() < PATIENCE, "no {what} within {} s", PATIENCE.as_secs());
            let relays = self.relays.iter_mut().filter_map(|relay| relay.daemon.as_mut());
            let clients = self.clients.iter_mut().filter_map(|client| client.daemon.as_mut());
            for daemon in relays.chain(clients) {
                if let Some(status) = daemon.0.try_wait()? {
                    bail!("a tor ended ({status}) while the network waited for {what}");
                }
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// What the daemons complained of.
    fn warnings(&self) -> String {
        let folders = self.relays.iter().map(|relay| &relay.folder).chain(self.clients.iter().map(|c| &c.folder));
        folders.map(|folder| files::warnings(folder)).collect()
    }
}

/// A program of the tor package; it lies in a folder that is not in everybody's PATH.
fn find(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/bin"].map(PathBuf::from));
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    found.with_context(|| format!("{name} is missing; this installs it: sudo apt-get install -y tor"))
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    Ok(said)
}

/// Free ports below those that the system hands out, so that nobody's outgoing connection takes one in between.
fn free_ports(count: usize) -> Result<Vec<u16>> {
    let mut held = Vec::new();
    for _ in 0..5000 {
        let port = 10_000 + u16::try_from(getrandom::u32()? % 22_000)?;
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            held.push(listener);
        }
        if held.len() == count {
            return held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect();
        }
    }
    bail!("no free ports on 127.0.0.1")
}
