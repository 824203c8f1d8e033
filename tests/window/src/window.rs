//! The program on a desktop, with somebody's hands on it.

use super::{Desktop, Group, Session, until};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The window's program: `MEGATORRENT_DESKTOP_BIN`, or what cargo built beside this executable.
///
/// # Errors
/// It was not built.
pub fn program() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("MEGATORRENT_DESKTOP_BIN") {
        return Ok(path.into());
    }
    let mut folder = std::env::current_exe()?;
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    let program = folder.join("megatorrent-desktop");
    if !program.is_file() {
        bail!("{} is not built: cargo build -p megatorrent-desktop", program.display());
    }
    Ok(program)
}

/// The web view's own driver. Told so by the variable, the program lets its page be driven.
const DRIVER: &str = "WebKitWebDriver";

/// The browser that comes with the web view.
const BROWSER: &str = "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser";

/// A web browser, driven. Dropped, all of it is killed.
pub struct Browser {
    /// Hands and eyes.
    pub page: Session,
    _driver: Group,
}

impl Browser {
    /// Starts the browser and opens an address.
    ///
    /// # Errors
    /// It does not come up; with what it wrote.
    pub fn open(desktop: &Desktop, address: &str) -> Result<Self> {
        let (driver, page, log) = drive(desktop, &PathBuf::from(BROWSER), &["--automation".to_owned()])?;
        page.go_to(address).with_context(|| std::fs::read_to_string(&log).unwrap_or_default())?;
        Ok(Self { page, _driver: driver })
    }
}

/// Starts a driver, and under it a program with these arguments; what both write lands in the file.
fn drive(desktop: &Desktop, program: &Path, args: &[String]) -> Result<(Group, Session, PathBuf)> {
    let port = free_port()?;
    let log = desktop.home().join(format!("window-{port}.log"));
    let mut command = Command::new(DRIVER);
    command.args([format!("--port={port}"), "--host=127.0.0.1".to_owned()]);
    desktop.dress(&mut command).env("TAURI_WEBVIEW_AUTOMATION", "true").stdin(Stdio::null());
    command.stdout(File::create(&log)?).stderr(File::options().append(true).open(&log)?);
    let driver = Group::start(&mut command)?;
    let page =
        Session::start(port, program, args).with_context(|| std::fs::read_to_string(&log).unwrap_or_default())?;
    Ok((driver, page, log))
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// The program, driven. Dropped, all of it is killed.
pub struct Window {
    /// Hands and eyes.
    pub page: Session,
    driver: Group,
    log: PathBuf,
}

impl Window {
    /// Starts the program with these arguments and waits for its page.
    ///
    /// # Errors
    /// It does not come up; with what it wrote.
    pub fn open(desktop: &Desktop, args: &[String]) -> Result<Self> {
        let (driver, page, log) = drive(desktop, &program()?, args)?;
        let words = || std::fs::read_to_string(&log).unwrap_or_default();
        until("the page", || {
            let text = page.text()?;
            if text.contains("The window is not built yet") {
                bail!("the program was built without ui/dist");
            }
            Ok((!text.trim().is_empty()).then_some(()))
        })
        .with_context(words)?;
        Ok(Self { page, driver, log })
    }

    /// As [`Window::open`], for somebody who went through first start long ago.
    ///
    /// # Errors
    /// As [`Window::open`].
    pub fn open_welcomed(desktop: &Desktop, args: &[String]) -> Result<Self> {
        let settings = desktop.data().join("window.json");
        if !settings.exists() {
            std::fs::create_dir_all(desktop.data())?;
            std::fs::write(settings, r#"{"welcomed":true}"#)?;
        }
        let window = Self::open(desktop, args)?;
        window.page.find("nav")?;
        Ok(window)
    }

    /// What the program wrote so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The program's process.
    ///
    /// # Errors
    /// It is gone.
    pub fn process(&self) -> Result<u32> {
        let name = program()?;
        for entry in std::fs::read_dir("/proc")? {
            let Some(id) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            let exe = std::fs::read_link(format!("/proc/{id}/exe"));
            if exe.is_ok_and(|exe| exe == name) && group_of(id) == Some(self.driver.0.id()) {
                return Ok(id);
            }
        }
        bail!("the program has ended: {}", self.log())
    }

    /// The program's processes, those of its web view too, without the driver.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn processes(&self) -> Result<Vec<u32>> {
        let driver = self.driver.0.id();
        let all = std::fs::read_dir("/proc")?.filter_map(Result::ok);
        let all = all.filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
        Ok(all.filter(|id| *id != driver && group_of(*id) == Some(driver)).collect())
    }

    /// Presses the button that ends the program, and waits until it has ended.
    ///
    /// # Errors
    /// There is no such button, or the program runs on.
    pub fn leave_by(&self, button: &str) -> Result<()> {
        let button = self.page.named("button", button)?;
        // The driver may lose the page before it can say that the button was pressed.
        let _ = button.click();
        self.wait()
    }

    /// Waits until the program has ended.
    ///
    /// # Errors
    /// It runs on.
    pub fn wait(&self) -> Result<()> {
        until("the program's end", || Ok(self.process().is_err().then_some(())))
    }

    /// Starts the program a second time, as the desktop does for a clicked link; it must hand over and end.
    ///
    /// # Errors
    /// It does not end well.
    pub fn second_start(desktop: &Desktop, args: &[&str]) -> Result<()> {
        let mut command = Command::new(program()?);
        let out = desktop.dress(&mut command).args(args).stdin(Stdio::null()).output()?;
        if !out.status.success() {
            bail!("the second start ended with {}: {}", out.status, String::from_utf8_lossy(&out.stderr));
        }
        Ok(())
    }
}

/// The process group of a process, from `/proc/ID/stat`.
fn group_of(id: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name in brackets may hold blanks.
    stat.rsplit_once(')')?.1.split_whitespace().nth(2)?.parse().ok()
}
