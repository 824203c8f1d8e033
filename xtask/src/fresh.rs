//! `cargo xtask fresh`: the README's commands on a machine that has nothing yet.
//!
//! A check that runs only where everything is installed already proves nothing. So a clean Debian 12 is made, with what
//! the README asks for (a C compiler, Rust, Node) and no more, and in it the commands run as a newcomer types them. It
//! shares with this machine the toolchains of Rust and Node, the crates that cargo has downloaded, and how registries
//! are reached; all of it is mounted or copied when the check runs. What was mounted goes with the check's own mount
//! namespace, what was made is removed.

use crate::setup;
use crate::shell::{on_path, root, say, step};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// What the README asks for beside Rust and Node, and what makes a registry's certificate believable.
const ASKED_FOR: &str = "ca-certificates gcc libc6-dev";

/// How a machine reaches its registries: files that are copied where they exist.
const SETTINGS: &[&str] = &[
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/pip.conf",
    "/usr/etc/npmrc",
    "/usr/local/etc/npmrc",
    "/etc/ssl/certs/ca-certificates.crt",
];

/// The same, below the home folder.
const SETTINGS_AT_HOME: &[&str] = &[".npmrc", ".config/pip/pip.conf", ".cargo/config.toml", ".cargo/config"];

/// The same, in the environment: how names that are passed on begin.
const VARIABLES: &[&str] = &["PIP_", "npm_config_", "NODE_EXTRA_", "SSL_CERT_", "CARGO_HTTP_", "CARGO_REGISTR"];

/// Where the project lies in the clean system.
const PROJECT: &str = "/root/megatorrent";

/// One thing that a newcomer does.
struct Deed {
    /// What it is, for who watches.
    words: &'static str,
    /// The line that is typed, in the project's folder.
    line: &'static str,
}

const DEMO: Deed = Deed { words: "cargo xtask demo", line: "cargo xtask demo" };

const THE_REST: &[Deed] = &[
    Deed {
        words: "cargo build --release -p megatorrent-cli",
        line: "cargo build --release -p megatorrent-cli && target/release/megatorrent --version",
    },
    Deed { words: "cargo xtask test", line: "cargo xtask test" },
    Deed { words: "cargo xtask run, until its window stands", line: RUN },
];

/// The window comes up, on a screen that is nobody's, and ends when it is told to.
const RUN: &str = r#"
cat > /tmp/run <<'END'
set -eu
cargo xtask run --listen 127.0.0.1:0 --no-dht &
for try in $(seq 3000); do
  if xdotool search --onlyvisible --name '^Megatorrent$' >/dev/null 2>&1; then break; fi
  if ! kill -0 $! 2>/dev/null; then echo 'It ended before its window stood.'; exit 1; fi
  sleep 0.2
done
xdotool search --onlyvisible --name '^Megatorrent$' >/dev/null
pkill -TERM -x megatorrent-des
wait $!
END
apt-get -q install -y --no-install-recommends xauth procps >/dev/null
dbus-run-session -- xvfb-run -a sh /tmp/run
"#;

/// Why this machine cannot make a clean system, if so.
fn hindrance() -> Option<&'static str> {
    if !setup::is_root() {
        return Some("only root can enter a clean system");
    }
    if !["unshare", "chroot", "mount"].iter().all(|program| on_path(program)) {
        return Some("unshare, chroot or mount is missing");
    }
    if !on_path("debootstrap") && !on_path("apt-get") {
        return Some("debootstrap is missing, and there is no apt-get to fetch it");
    }
    None
}

/// Runs it: `--quick` the demonstration alone, `--where-possible` says why a machine cannot and calls that no failure.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    if let Some(unknown) = args.iter().find(|arg| !["--quick", "--where-possible"].contains(&arg.as_str())) {
        bail!("`cargo xtask fresh` knows --quick and --where-possible, not {unknown:?}");
    }
    if let Some(why) = hindrance() {
        if has("--where-possible") {
            say(&format!("── NOT TRIED on a fresh machine: {why}."));
            return Ok(());
        }
        bail!("the README's commands cannot be tried on a fresh machine here: {why}");
    }
    setup::debian(&[("debootstrap", "debootstrap")])?;
    let home = root()?.join(".xtask");
    std::fs::create_dir_all(&home)?;
    let clean = tempfile::Builder::new().prefix("fresh-").tempdir_in(home)?;
    furnish(clean.path())?;
    let mut took = Vec::new();
    let rest = if has("--quick") { &[] } else { THE_REST };
    for deed in std::iter::once(&DEMO).chain(rest) {
        let begun = Instant::now();
        step(&format!("As a newcomer: {}", deed.words), &mut inside(clean.path(), deed.line)?)?;
        took.push((deed.words, begun.elapsed().as_secs()));
    }
    say("── On a fresh machine, from nothing:");
    for (words, seconds) in took {
        say(&format!("   {:>3} min {:02} s  {words}", seconds / 60, seconds % 60));
    }
    Ok(())
}

/// Makes the clean system, with the project in it.
fn furnish(clean: &Path) -> Result<()> {
    let mut make = Command::new("debootstrap");
    step("Making a clean Debian 12", make.args(["--variant=minbase", "bookworm"]).arg(clean))?;
    settings(clean)?;
    let install = format!(
        "export DEBIAN_FRONTEND=noninteractive; apt-get -q update && apt-get -q install -y --no-install-recommends {ASKED_FOR}"
    );
    step("What the README asks for", &mut inside(clean, &install)?)?;
    // Installing certificates made the machine's own ones strangers again.
    settings(clean)?;
    project(clean)
}

/// Copies how registries are reached.
fn settings(clean: &Path) -> Result<()> {
    let home = home()?;
    let at_home = SETTINGS_AT_HOME.iter().map(|name| (home.join(name), Path::new("root").join(name)));
    let others = SETTINGS.iter().map(|name| (PathBuf::from(name), PathBuf::from(name.trim_start_matches('/'))));
    for (from, to) in at_home.chain(others).filter(|(from, _)| from.is_file()) {
        let to = clean.join(to);
        std::fs::create_dir_all(to.parent().context("a setting lies in a folder")?)?;
        std::fs::copy(&from, &to).with_context(|| format!("{} cannot be copied", from.display()))?;
    }
    Ok(())
}

/// Copies what git would hand out, and what it would once it is added.
fn project(clean: &Path) -> Result<()> {
    let root = root()?;
    let list = Command::new("git")
        .current_dir(&root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .context("git does not start")?;
    if !list.status.success() {
        bail!("git does not list the project's files: {}", String::from_utf8_lossy(&list.stderr).trim());
    }
    let to = clean.join(PROJECT.trim_start_matches('/'));
    for name in String::from_utf8(list.stdout)?.split_terminator('\0') {
        // A link would lead out; a file that was removed but not committed is not there.
        if root.join(name).symlink_metadata().is_ok_and(|about| about.is_file()) {
            let to = to.join(name);
            std::fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
            std::fs::copy(root.join(name), &to).with_context(|| format!("{name} cannot be copied"))?;
        }
    }
    Ok(())
}

fn home() -> Result<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from).context("HOME is not set")
}

/// The first of a program's places on the PATH, links followed.
fn place(program: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file());
    Ok(found.with_context(|| format!("{program} is not on the PATH"))?.canonicalize()?)
}

/// What is mounted into the clean system: from here, to there, and whether it may be written to.
fn mounts() -> Result<Vec<(PathBuf, &'static str, bool)>> {
    let home = home()?;
    let folder = |variable: &str, name: &str| std::env::var_os(variable).map_or_else(|| home.join(name), PathBuf::from);
    let (cargo, rustup) = (folder("CARGO_HOME", ".cargo"), folder("RUSTUP_HOME", ".rustup"));
    let mut mounts = vec![
        (cargo.join("bin"), "root/.cargo/bin", false),
        (rustup, "root/.rustup", false),
        (cargo.join("registry"), "root/.cargo/registry", true),
    ];
    if on_path("node") && on_path("npm") {
        // …/npm/bin/npm-cli.js
        let npm = place("npm")?;
        let npm = npm.parent().and_then(Path::parent).context("npm lies in a folder of its own")?;
        mounts.push((npm.to_path_buf(), "usr/local/lib/node_modules/npm", false));
        mounts.push((place("node")?, "usr/local/bin/node", false));
    }
    mounts.retain(|(from, _, _)| from.exists());
    Ok(mounts)
}

/// A line that runs in the clean system, by a shell of its own; `$1` is the system's root.
const ENTER: &str = r#"
set -eu
clean=$1 line=$2
shift 2
mount --bind "$clean" "$clean"
mount -t proc proc "$clean/proc"
mount --rbind /sys "$clean/sys"
mount --rbind /dev "$clean/dev"
while [ $# -gt 0 ]; do
  from=$1 to=$clean/$2 how=$3
  shift 3
  mkdir -p "$(dirname "$to")"
  if [ -d "$from" ]; then mkdir -p "$to"; else : > "$to"; fi
  mount --bind "$from" "$to"
  mount -o "remount,bind,$how" "$to"
done
if [ -d "$clean/usr/local/lib/node_modules/npm" ]; then
  ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$clean/usr/local/bin/npm"
fi
# A root of its own, not only a folder that is called so: who makes namespaces in it, as tests do, needs one.
cd "$clean"
mkdir -p .outside
pivot_root . .outside
umount -l /.outside
rmdir /.outside
exec chroot . /bin/sh -c "$line"
"#;

fn inside(clean: &Path, line: &str) -> Result<Command> {
    let mut enter = Command::new("unshare");
    // In namespaces of its own: whatever is mounted or left running there ends with it.
    enter.args([
        "--mount",
        "--propagation",
        "private",
        "--pid",
        "--fork",
        "--kill-child",
        "/bin/sh",
        "-c",
        ENTER,
        "enter",
    ]);
    enter.arg(clean).arg(format!("mkdir -p {PROJECT} && cd {PROJECT} && {line}"));
    for (from, to, writable) in mounts()? {
        enter.arg(from).arg(to).arg(if writable { "rw" } else { "ro" });
    }
    enter.env_clear();
    enter.env("PATH", "/root/.cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    enter.env("HOME", "/root").env("LANG", "C.UTF-8").env("TERM", "dumb");
    let known = |name: &str| {
        VARIABLES.iter().any(|begin| name.starts_with(begin)) || name.to_ascii_lowercase().ends_with("_proxy")
    };
    enter.envs(std::env::vars().filter(|(name, _)| known(name)));
    Ok(enter)
}
