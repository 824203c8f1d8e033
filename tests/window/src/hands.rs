//! What a person does with keyboard and mouse outside the page: windows, native dialogs, dragging.

use super::{Desktop, Group, until};
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

/// Title of the program's window.
const TITLE: &str = "^Megatorrent$";

impl Desktop {
    fn xdotool<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<String> {
        let mut command = Command::new("xdotool");
        let out = self.dress(command.args(args)).output().context("xdotool does not start")?;
        if !out.status.success() {
            bail!("xdotool ended with {}: {}", out.status, String::from_utf8_lossy(&out.stderr));
        }
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }

    /// Windows on the screen whose titles fit this expression.
    fn windows(&self, title: &str) -> Vec<String> {
        // It fails when there is none.
        let found = self.xdotool(["search", "--onlyvisible", "--name", title]).unwrap_or_default();
        found.lines().map(str::to_owned).collect()
    }

    /// Whether the program's window is on the screen.
    pub fn shows_window(&self) -> bool {
        !self.windows(TITLE).is_empty()
    }

    /// Whether the desktop's list of windows has one: one that is minimised is in it, one that is hidden is not.
    ///
    /// # Errors
    /// The screen does not answer.
    pub fn lists_window(&self) -> Result<bool> {
        let out = self.dress(Command::new("xprop").args(["-root", "_NET_CLIENT_LIST"])).output()?;
        Ok(String::from_utf8_lossy(&out.stdout).contains("0x"))
    }

    /// Takes the program's window from the desktop's list, as a click in the panel does.
    ///
    /// # Errors
    /// It is not in it, or does not come.
    pub fn take_from_list(&self) -> Result<()> {
        let window = until("the window in the list", || {
            let out = self.dress(Command::new("xprop").args(["-root", "_NET_CLIENT_LIST"])).output()?;
            let list = String::from_utf8_lossy(&out.stdout).into_owned();
            let last = list.rsplit([' ', ',']).find_map(|word| word.trim().strip_prefix("0x").map(str::to_owned));
            Ok(last)
        })?;
        self.xdotool(["windowactivate", &format!("0x{window}")]).map(drop)
    }

    /// Waits until the program's window is on the screen, or off it.
    ///
    /// # Errors
    /// It stays as it is.
    pub fn wait_window(&self, shown: bool) -> Result<()> {
        until("the window to show or hide", || Ok((self.shows_window() == shown).then_some(())))
    }

    /// Types keys into the program's window, as `ctrl+q`.
    ///
    /// # Errors
    /// There is no window.
    pub fn keys(&self, keys: &str) -> Result<()> {
        self.focus(TITLE)?;
        self.xdotool(["key", "--clearmodifiers", keys]).map(drop)
    }

    fn focus(&self, title: &str) -> Result<()> {
        let window = until(&format!("a window {title:?}"), || Ok(self.windows(title).pop()))?;
        until("the focus", || {
            self.xdotool(["windowactivate", &window])?;
            Ok((self.xdotool(["getactivewindow"])?.trim() == window).then_some(()))
        })
    }

    /// Closes the program's window by the key of the desktop.
    ///
    /// # Errors
    /// There is no window.
    pub fn close_window(&self) -> Result<()> {
        self.keys("alt+F4")
    }

    /// Answers a native dialog to save with this path.
    ///
    /// # Errors
    /// No dialog of this title comes, or it does not go.
    pub fn save_as(&self, title: &str, path: &Path) -> Result<()> {
        let title = format!("^{title}$");
        self.focus(&title)?;
        // Of the name in its field all but the ending is selected when it opens.
        self.xdotool(["key", "ctrl+a"])?;
        self.xdotool([OsStr::new("type"), OsStr::new("--delay"), OsStr::new("5"), path.as_os_str()])?;
        self.xdotool(["key", "Return"])?;
        until("the dialog to go", || Ok(self.windows(&title).is_empty().then_some(())))
    }

    /// Turns back from a native dialog.
    ///
    /// # Errors
    /// No dialog of this title comes, or it does not go.
    pub fn turn_back(&self, title: &str) -> Result<()> {
        let title = format!("^{title}$");
        self.focus(&title)?;
        self.xdotool(["key", "Escape"])?;
        until("the dialog to go", || Ok(self.windows(&title).is_empty().then_some(())))
    }

    /// Drags files and folders onto the middle of the window; drops them once `above` says that the page has seen them.
    ///
    /// # Errors
    /// The page never sees them, or the drop does not end.
    pub fn drop_files(&self, files: &[&Path], mut above: impl FnMut() -> Result<bool>) -> Result<()> {
        let mut source = std::env::current_exe()?;
        source.pop();
        if source.ends_with("deps") {
            source.pop();
        }
        let mut command = Command::new(source.join("drag_source"));
        let mut source = Group::start(self.dress(command.args(files)).stdin(Stdio::null()))?;
        until("something to drag from", || Ok((!self.windows("^Drag from here$").is_empty()).then_some(())))?;
        let mut step = 0;
        self.xdotool(["mousemove", "20", "20", "mousedown", "1"])?;
        until("the files above the window", || {
            // A drag begins by moving, and goes on by it.
            step += 1;
            let (x, y) = (600 + step % 5 * 10, 450 + step % 3 * 10);
            self.xdotool(["mousemove", "40", "60"])?;
            self.xdotool(["mousemove", &x.to_string(), &y.to_string()])?;
            Ok(above()?.then_some(()))
        })?;
        self.xdotool(["mousemove", "640", "460", "mouseup", "1"])?;
        until("the end of the drag", || Ok(source.0.try_wait()?.map(drop)))
    }
}
