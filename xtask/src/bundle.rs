//! `cargo xtask bundle`: packages for Debian and Fedora and their like, with the window and the command line.
//!
//! `--try` takes the Debian one that was made, installs it into a clean Debian 12 that is made for that, and starts it
//! there as a stranger would.

use crate::setup;
use crate::shell::{cargo, on_path, root, say, step};
use crate::{chores, window};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Makes `megatorrent_VERSION_ARCH.deb` and `.rpm`; where they lie is said at the end.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let (root, release) = (root()?, chores::target()?.join("release"));
    let debs = release.join("bundle/deb");
    match args {
        [] => {}
        [only] if only == "--try" => {
            let deb = newest(&debs, "deb").context("`cargo xtask bundle` makes the package first")?;
            return in_clean_debian(&root, &deb);
        }
        [unknown, ..] => bail!("`cargo xtask bundle` knows --try, not {unknown:?}"),
    }
    setup::compiler()?;
    window::build()?;
    let mut build = slim(cargo());
    step("Building the command line", build.current_dir(&root).args(["build", "--release", "-p", "megatorrent-cli"]))?;
    let config = extras(&root, &release)?;
    let mut tauri = slim(Command::new(root.join("ui/node_modules/.bin/tauri")));
    tauri.current_dir(&root).args(["build", "--ci", "--bundles", "deb,rpm", "--config"]).arg(config);
    step("Building the window and its packages", &mut tauri)?;
    let deb = newest(&debs, "deb")?;
    press(&deb)?;
    let rpm = newest(&release.join("bundle/rpm"), "rpm")?;
    for package in [deb, rpm] {
        let size = package.metadata()?.len() as f64 / 1e6;
        say(&format!("{} ({size:.1} MB)", package.display()));
    }
    Ok(())
}

/// Packs a package again: Tauri uses gzip. With xz and a window that spans both programs, which share most of their code,
/// it is a third smaller.
fn press(deb: &Path) -> Result<()> {
    if !on_path("dpkg-deb") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let inside = folder.path().join("package");
    step("Unpacking the Debian package", Command::new("dpkg-deb").arg("-R").arg(deb).arg(&inside))?;
    let mut pack = Command::new("dpkg-deb");
    step(
        "Packing it smaller",
        pack.args(["--root-owner-group", "-Zxz", "-z9", "-Sextreme", "-b"]).arg(&inside).arg(deb),
    )
}

/// A package carries no symbols: nobody who installs one looks at them.
fn slim(mut command: Command) -> Command {
    command.env("CARGO_PROFILE_RELEASE_STRIP", "symbols").env("CARGO_PROFILE_RELEASE_DEBUG", "0");
    command
}

/// What goes along: the command line, its completions, the licences. Gives back the configuration that says so.
fn extras(root: &Path, release: &Path) -> Result<PathBuf> {
    let program = release.join("megatorrent");
    let folder = release.join("bundle-extras");
    std::fs::create_dir_all(&folder)?;
    let mut files = vec![
        ("/usr/bin/megatorrent".to_owned(), program.clone()),
        ("/usr/share/doc/megatorrent/LICENSE-MIT".to_owned(), root.join("LICENSE-MIT")),
        ("/usr/share/doc/megatorrent/LICENSE-APACHE".to_owned(), root.join("LICENSE-APACHE")),
        ("/usr/share/doc/megatorrent/GUIDE.md".to_owned(), root.join("docs/GUIDE.md")),
    ];
    for (shell, place) in [
        ("bash", "/usr/share/bash-completion/completions/megatorrent"),
        ("zsh", "/usr/share/zsh/vendor-completions/_megatorrent"),
        ("fish", "/usr/share/fish/vendor_completions.d/megatorrent.fish"),
    ] {
        let out = Command::new(&program).args(["completions", shell]).output()?;
        if !out.status.success() {
            bail!("megatorrent completions {shell} ended with {}", out.status);
        }
        let file = folder.join(shell);
        std::fs::write(&file, out.stdout)?;
        files.push((place.to_owned(), file));
    }
    let files: serde_json::Map<String, serde_json::Value> =
        files.into_iter().map(|(to, from)| (to, from.to_string_lossy().into())).collect();
    let config = serde_json::json!({ "bundle": { "linux": { "deb": { "files": files }, "rpm": { "files": files } } } });
    let path = folder.join("tauri.conf.json");
    std::fs::write(&path, config.to_string())?;
    Ok(path)
}

fn newest(folder: &Path, ending: &str) -> Result<PathBuf> {
    let files = std::fs::read_dir(folder).with_context(|| format!("{} is missing", folder.display()))?;
    let packages = files.filter_map(Result::ok).map(|file| file.path());
    let packages = packages.filter(|path| path.extension().is_some_and(|found| found == ending));
    let newest = packages.max_by_key(|path| path.metadata().and_then(|about| about.modified()).ok());
    newest.with_context(|| format!("no .{ending} in {}", folder.display()))
}

/// What a stranger's first minute looks like, on a system that never saw the project. Ends with 0 only if all of it went
/// well.
const FIRST_MINUTE: &str = r#"
set -eu
export DEBIAN_FRONTEND=noninteractive HOME=/root LANG=C.UTF-8
mount -t proc proc /proc
trap 'umount /proc' EXIT
apt-get -q update
apt-get -q install -y --no-install-recommends /package.deb
apt-get -q install -y --no-install-recommends xvfb xauth xdotool dbus desktop-file-utils xdg-utils
megatorrent --version
desktop-file-validate /usr/share/applications/Megatorrent.desktop
grep -q '^x-scheme-handler/megatorrent=Megatorrent.desktop' /usr/share/applications/mimeinfo.cache
grep -q '^Exec=megatorrent-desktop %u$' /usr/share/applications/Megatorrent.desktop
for size in 16 32 48 128 256; do test -s /usr/share/icons/hicolor/${size}x$size/apps/megatorrent-desktop.png; done
test -s /usr/share/bash-completion/completions/megatorrent
cat > /start <<'END'
set -eu
megatorrent-desktop --listen 127.0.0.1:0 --no-dht &
window=$!
for try in $(seq 100); do
  if xdotool search --onlyvisible --name '^Megatorrent$' >/dev/null 2>&1; then break; fi
  sleep 0.2
done
xdotool search --onlyvisible --name '^Megatorrent$'
for try in $(seq 100); do
  if test -e /root/.local/share/megatorrent/store.db; then break; fi
  sleep 0.2
done
test -e /root/.local/share/megatorrent/store.db
kill -TERM $window
wait $window
END
dbus-run-session -- xvfb-run -a sh /start
"#;

fn in_clean_debian(root: &Path, deb: &Path) -> Result<()> {
    setup::debian(&[("debootstrap", "debootstrap")])?;
    if !on_path("chroot") {
        bail!("only root can try a package: a clean system is entered by chroot");
    }
    let home = root.join(".xtask");
    std::fs::create_dir_all(&home)?;
    let clean = tempfile::Builder::new().prefix("debian-").tempdir_in(home)?;
    let mut make = Command::new("debootstrap");
    step("Making a clean Debian 12", make.args(["--variant=minbase", "bookworm"]).arg(clean.path()))?;
    // As this machine finds others, so does the clean system.
    for names in ["etc/resolv.conf", "etc/hosts"] {
        std::fs::copy(Path::new("/").join(names), clean.path().join(names))?;
    }
    std::fs::copy(deb, clean.path().join("package.deb"))?;
    let mut enter = Command::new("chroot");
    enter.arg(clean.path()).args(["/bin/sh", "-c", FIRST_MINUTE]);
    step("Installing the package there, and starting it", &mut enter)
}
