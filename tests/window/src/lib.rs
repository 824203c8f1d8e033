//! The real window on a screen, a session bus and a keyring that exist for one test alone.
//!
//! [`Desktop`] is what a person logs in to: an X server without a monitor, a D-Bus session, an unlocked Secret Service,
//! a home folder. [`Window`] is the program in it, driven by WebDriver as a person drives it by hand. Everything dies
//! with its owner. `cargo xtask test` installs what this needs.
//!
//! A package of its own, for it alone is linked with the window's libraries: who builds the command line, the
//! demonstration or the other tests needs none of them.

#![cfg(target_os = "linux")]

mod hands;
mod observer;
mod webdriver;
mod window;

pub use observer::{Notification, Observer};
pub use webdriver::{Element, Session};
pub use window::{Browser, Window, program};

use anyhow::{Context, Result, anyhow, bail};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest that anything of a desktop may take to come up, on a slow machine that does other things too.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at something that tells nobody when it changes.
const LOOK: Duration = Duration::from_millis(100);

/// A session bus that starts nobody: the usual one would wake the machine's own keyring where a test wants none.
const BUS: &str = r#"<busconfig>
  <type>session</type>
  <listen>unix:tmpdir=/tmp</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

/// Looks until it is there.
///
/// # Errors
/// It never was; the last reason why.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let last = match look() {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if Instant::now() > deadline {
            let why = last.unwrap_or_else(|| anyhow!("it never was"));
            return Err(why.context(format!("{what}: not within {} s", PATIENCE.as_secs())));
        }
        std::thread::sleep(LOOK);
    }
}

/// A process and all that it started; none of them outlives this value.
pub struct Group(pub Child);

impl Group {
    /// Starts it as the head of a group of its own.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.process_group(0).spawn();
        Ok(Self(child.with_context(|| format!("{name} does not start: `cargo xtask test` installs it"))?))
    }

    /// Sends a signal to its head alone.
    ///
    /// # Errors
    /// It is gone.
    pub fn signal(&self, name: &str) -> Result<()> {
        let status = Command::new("kill").args([format!("-{name}"), self.0.id().to_string()]).status()?;
        if status.success() { Ok(()) } else { bail!("no process to send {name} to") }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        // A group that ended by itself cannot be killed.
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.0.wait();
    }
}

/// One desktop at a time in a process: two would take turns on the same processors and run out of patience.
static ALONE: Mutex<()> = Mutex::new(());

/// What a person logs in to.
pub struct Desktop {
    home: TempDir,
    display: String,
    bus: String,
    keyring: Option<Group>,
    manager: Option<Group>,
    _dbus: Group,
    _screen: Group,
    _alone: MutexGuard<'static, ()>,
}

impl Desktop {
    /// A screen of 1440×900 with a window manager, a session bus and an unlocked keyring.
    ///
    /// # Errors
    /// One of them does not come up.
    pub fn new() -> Result<Self> {
        let mut desktop = Self::without_keyring()?;
        desktop.start_keyring()?;
        Ok(desktop)
    }

    /// The same without a Secret Service.
    ///
    /// # Errors
    /// As [`Desktop::new`].
    pub fn without_keyring() -> Result<Self> {
        // A test that panicked left nothing half done: its desktop died with it.
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let home = tempfile::Builder::new().prefix("megatorrent-desktop-").tempdir()?;
        for folder in ["run", "config/gtk-3.0", "share", "cache", "Downloads"] {
            std::fs::create_dir_all(home.path().join(folder))?;
        }
        std::fs::write(home.path().join("config/gtk-3.0/settings.ini"), "[Settings]\ngtk-font-name=Inter 10\n")?;
        let run = home.path().join("run");
        std::fs::set_permissions(&run, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        let (screen, number) = speaking(Command::new("Xvfb").args([
            "-displayfd",
            "1",
            "-screen",
            "0",
            "1440x900x24",
            "-nolisten",
            "tcp",
        ]))?;
        let config = home.path().join("bus.conf");
        std::fs::write(&config, BUS)?;
        let config = format!("--config-file={}", config.display());
        let (dbus, bus) =
            speaking(Command::new("dbus-daemon").args([&config, "--nofork", "--nopidfile", "--print-address=1"]))?;
        let mut desktop = Self {
            home,
            display: format!(":{number}"),
            bus,
            keyring: None,
            manager: None,
            _dbus: dbus,
            _screen: screen,
            _alone: alone,
        };
        let mut openbox = Command::new("openbox");
        desktop.dress(&mut openbox).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        desktop.manager = Some(Group::start(&mut openbox)?);
        until("the window manager", || {
            let out = desktop.dress(Command::new("xprop").args(["-root", "_NET_SUPPORTING_WM_CHECK"])).output()?;
            Ok(String::from_utf8_lossy(&out.stdout).contains("window id").then_some(()))
        })?;
        Ok(desktop)
    }

    /// With a keyring that the person has, and that is locked: nobody is there to unlock it.
    ///
    /// # Errors
    /// As [`Desktop::new`].
    pub fn with_locked_keyring() -> Result<Self> {
        let mut desktop = Self::new()?;
        desktop.lock_keyring()?;
        Ok(desktop)
    }

    /// Locks the keyring, as it is when nobody gave its password.
    ///
    /// # Errors
    /// It does not start again.
    pub fn lock_keyring(&mut self) -> Result<()> {
        self.keyring = None;
        until("the keyring to end", || Ok((!self.owns("org.freedesktop.secrets")?).then_some(())))?;
        let mut command = Command::new("gnome-keyring-daemon");
        command.args(["--foreground", "--components=secrets"]);
        self.dress(&mut command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.keyring = Some(Group::start(&mut command)?);
        until("the locked keyring", || Ok(self.owns("org.freedesktop.secrets")?.then_some(())))
    }

    /// Unlocks it, as a person does with its password.
    ///
    /// # Errors
    /// It does not start again.
    pub fn unlock_keyring(&mut self) -> Result<()> {
        self.keyring = None;
        until("the keyring to end", || Ok((!self.owns("org.freedesktop.secrets")?).then_some(())))?;
        self.start_keyring()
    }

    fn start_keyring(&mut self) -> Result<()> {
        let mut command = Command::new("gnome-keyring-daemon");
        command.args(["--unlock", "--foreground", "--components=secrets"]);
        self.dress(&mut command).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut keyring = Group::start(&mut command)?;
        keyring.0.stdin.take().context("no pipe")?.write_all(b"password of the test's keyring")?;
        self.keyring = Some(keyring);
        until("the keyring", || Ok(self.owns("org.freedesktop.secrets")?.then_some(())))
    }

    /// Whether somebody has this name on the session bus.
    ///
    /// # Errors
    /// The bus does not answer.
    pub fn owns(&self, name: &str) -> Result<bool> {
        let mut ask = Command::new("dbus-send");
        ask.args(["--session", "--dest=org.freedesktop.DBus", "--print-reply=literal", "/org/freedesktop/DBus"]);
        ask.args(["org.freedesktop.DBus.NameHasOwner", &format!("string:{name}")]);
        let out = self.dress(&mut ask).output()?;
        Ok(String::from_utf8_lossy(&out.stdout).contains("true"))
    }

    /// The home folder.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The data folder of the program.
    pub fn data(&self) -> PathBuf {
        self.home().join("share/megatorrent")
    }

    /// Makes a command one of this desktop's.
    pub fn dress<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let home = self.home();
        command
            .env("HOME", home)
            .env("DISPLAY", &self.display)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.bus)
            .env("XDG_RUNTIME_DIR", home.join("run"))
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("XDG_DATA_HOME", home.join("share"))
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("LANG", "C.UTF-8")
            .env("LC_ALL", "C.UTF-8")
            .env("GDK_BACKEND", "x11")
            .env("NO_AT_BRIDGE", "1")
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("MEGATORRENT_PASSPHRASE")
            .env_remove("MEGATORRENT_NO_KEYRING")
            .env_remove("RUST_LOG")
    }

    /// The address of the session bus.
    pub fn bus(&self) -> &str {
        &self.bus
    }
}

/// Starts a program that says one line when it is ready.
fn speaking(command: &mut Command) -> Result<(Group, String)> {
    let mut group = Group::start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()))?;
    let mut line = String::new();
    BufReader::new(group.0.stdout.take().context("no pipe")?).read_line(&mut line)?;
    if line.trim().is_empty() {
        bail!("{command:?} ended before it was ready");
    }
    Ok((group, line.trim().to_owned()))
}
