//! The command line as it is typed: every command, option and example, declared once.

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use node::api::{FetchRule, ItemPriority, KeepRule};
use node::{PeerAddr, Route};
use std::net::SocketAddr;
use std::path::PathBuf;
use values::{fetch, host_port, keep, listen, pass_from, peer, priority, proxy, route, switch, time, web};

mod values;

pub(crate) use values::{Listen, PassFrom};

/// The whole command line. No `Debug`: links carry read keys.
#[derive(Parser)]
#[command(
    name = "megatorrent",
    bin_name = "megatorrent",
    version,
    about = "Publish and fetch files, without servers",
    after_help = AFTER_HELP,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the web interface listens unless told otherwise.
const DEFAULT_WEB: &str = "127.0.0.1:4180";

const AFTER_HELP: &str = "\
Examples:
  megatorrent id new Tidewater
  megatorrent publish recordings/ --seed
  megatorrent get megatorrent://… -o music
  megatorrent subscribe megatorrent://… && megatorrent daemon

If a node runs on the data folder, commands talk to it. Else they do their work themselves and end.

Exit codes:
  0    done
  1    other failure
  2    usage: arguments that make no sense
  3    not found, or a name that fits several
  4    network: timed out, not published, port taken
  5    secrets: keyring or vault locked, wrong passphrase
  6    disk: a file or folder cannot be read or written, no space, files changed
  7    bad link, or content that its publisher made wrong
  8    busy: another process holds the data folder
  130  asked to stop (Ctrl-C, SIGTERM, a closed terminal) before it was done

With --json, stdout holds the result, and stderr one object a line, with one of these members:
  error    {\"code\": …, \"message\": …}: why it failed; the last line, usage errors too
  event    what happens meanwhile, with \"data\"; as \"watch\" prints it
  remark   {\"message\": …}: a sentence beside the result
  log      {\"level\": …, \"message\": …}: what -v or RUST_LOG asks for

Variables:
  MEGATORRENT_DATA_DIR    data folder
  MEGATORRENT_PASSPHRASE  passphrase of the vault, or of a backup
  MEGATORRENT_PROXY       as --proxy, out of sight of the process list
  MEGATORRENT_NO_KEYRING  1: keep secrets in the vault, never in the keyring
  NO_COLOR                any text: no colours in the log
  RUST_LOG                what is logged; goes before -v";

/// Options of every command.
#[derive(Args)]
pub(crate) struct Global {
    /// Print JSON, and nothing else: one value on stdout (watch: one a line); the rest, one object a line, on stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Data folder
    #[arg(long, global = true, env = "MEGATORRENT_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Where to listen, a name or address of this computer; port 0 picks one; "none": nothing comes in [default: 0.0.0.0:0]
    #[arg(long, global = true, value_name = "HOST:PORT", value_parser = listen)]
    pub(crate) listen: Option<Listen>,
    /// DHT node to start from, instead of the well-known ones (repeatable)
    #[arg(long, global = true, value_name = "HOST:PORT", value_parser = host_port)]
    pub(crate) bootstrap: Vec<String>,
    /// Do not use the DHT: known peers only
    #[arg(long, global = true)]
    pub(crate) no_dht: bool,
    /// Peer to connect to at once (repeatable)
    #[arg(long, global = true, value_name = "HOST:PORT", value_parser = peer)]
    pub(crate) peer: Vec<PeerAddr>,
    /// The way out: direct, tor, tor://own, tor://IP:PORT (control port of a running tor) [default: the setting "route"]
    #[arg(long, global = true, value_name = "ROUTE", value_parser = route)]
    pub(crate) route: Option<Route>,
    /// Go out through this SOCKS5 proxy, by no other way
    #[arg(
        long,
        global = true,
        env = "MEGATORRENT_PROXY",
        hide_env_values = true,
        conflicts_with = "route",
        value_name = "socks5://[USER:PASSWORD@]IP:PORT"
    )]
    pub(crate) proxy: Option<String>,
    /// Read the passphrase from this file, or "-": from stdin; one line
    #[arg(long, global = true, value_name = "FILE", value_parser = pass_from)]
    pub(crate) passphrase: Option<PassFrom>,
    /// Log more, on stderr (-vv: much more)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

impl Global {
    /// The route that the command line or the environment names. The proxy's text may hold a password: no error repeats it.
    pub(crate) fn chosen_route(&self) -> Result<Option<Route>, String> {
        self.proxy.as_deref().map_or_else(|| Ok(self.route.clone()), |text| proxy(text).map(Some))
    }
    /// Whether an option is given that only a node of one's own could heed.
    pub(crate) fn shapes_a_node(&self) -> bool {
        let routed = self.route.is_some() || self.proxy.is_some();
        routed || self.listen.is_some() || !self.bootstrap.is_empty() || self.no_dht || !self.peer.is_empty()
    }
}

/// The commands.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Identities: the keys that publish
    #[command(subcommand)]
    Id(IdCommand),
    /// Publish files or a folder as one item
    #[command(after_help = "\
Examples:
  megatorrent publish film.mkv
  megatorrent publish recordings/ --title \"Live at the pier\" --seed
  megatorrent publish letters/ --id Family --private
  megatorrent publish recordings/ --update 3fa94c1e

Files are read where they lie; they are not copied. Others can fetch them while a node runs here
and after that from those who have them: --seed stays, \"megatorrent daemon\" does so for all items.
The link of a private channel carries its read key: whoever has the link can read.")]
    Publish(PublishArgs),
    /// Take an item out of its channel's list; this recalls nothing
    #[command(after_help = "\
Example:
  megatorrent unpublish Tidewater/3fa94c1e

Copies that others have stay theirs, and they can go on sharing them.")]
    Unpublish {
        /// Title, ID, its start, or CHANNEL/ITEM
        item: String,
    },
    /// Change the name or description of an own channel or item
    #[command(after_help = "\
Examples:
  megatorrent edit Tidewater --name \"Tidewater Sessions\" --about \"Field recordings\"
  megatorrent edit 3fa94c1e --name \"Live at the pier\"")]
    Edit(EditArgs),
    /// Show what is behind a link, without following it
    #[command(after_help = "\
Examples:
  megatorrent look megatorrent://…
  pbpaste | megatorrent look -")]
    Look {
        /// Link; "-" reads it from stdin
        link: String,
    },
    /// Follow a channel
    #[command(after_help = "\
Examples:
  megatorrent subscribe megatorrent://…
  megatorrent subscribe megatorrent://… --fetch 5
  megatorrent subscribe - --fetch none < link.txt

Without a running node the channel is only noted; a node fetches it later.")]
    Subscribe {
        /// Link; "-" reads it from stdin
        link: String,
        /// What to fetch: all, none, or the newest N items
        #[arg(long, value_name = "all|none|N", default_value = "all", value_parser = fetch)]
        fetch: FetchRule,
    },
    /// Stop following a channel
    #[command(after_help = "\
Examples:
  megatorrent unsubscribe Tidewater
  megatorrent unsubscribe 9c1e04aa --delete")]
    Unsubscribe {
        /// Name, key or link
        channel: String,
        /// Delete its downloaded files too
        #[arg(long)]
        delete: bool,
    },
    /// List followed and own channels
    #[command(after_help = "Example:\n  megatorrent channels --json")]
    Channels,
    /// List a channel's items
    #[command(after_help = "Example:\n  megatorrent items Tidewater")]
    Items {
        /// Name, key or link
        channel: String,
    },
    /// List an item's files
    #[command(after_help = "Example:\n  megatorrent files Tidewater/3fa94c1e")]
    Files {
        /// Title, ID, its start, or CHANNEL/ITEM
        item: String,
    },
    /// Fetch an item, or everything behind a link, and end when it is here
    #[command(after_help = "\
Examples:
  megatorrent get megatorrent://…
  megatorrent get Tidewater/3fa94c1e -o music
  megatorrent get - < link.txt
  megatorrent get Tidewater/3fa94c1e --timeout 10m

It says what it waits for. Ctrl-C ends it; the same command goes on where it stood.")]
    Get {
        /// Link or CHANNEL/ITEM; "-" reads it from stdin
        what: String,
        /// Folder to write to [default: the download folder]
        #[arg(short, long, value_name = "DIR")]
        output: Option<PathBuf>,
        /// Give up (4) when nothing new came for this long: 30s, 10m, 1h [default: wait]
        #[arg(long, value_name = "TIME", value_parser = time)]
        timeout: Option<std::time::Duration>,
    },
    /// Pause an item, a channel, or everything
    #[command(
        after_help = "Examples:\n  megatorrent pause\n  megatorrent pause --for 1h\n  megatorrent pause Tidewater\n  megatorrent pause Tidewater/3fa94c1e"
    )]
    Pause {
        /// Channel or item; nothing: everything
        #[arg(conflicts_with = "time")]
        what: Option<String>,
        /// Everything goes on by itself after this time: 30m, 1h, 2d
        #[arg(long = "for", value_name = "TIME", value_parser = time)]
        time: Option<std::time::Duration>,
    },
    /// Change what of a channel is fetched, what stays here, and how
    #[command(after_help = "\
Examples:
  megatorrent rule Tidewater --fetch 5
  megatorrent rule Tidewater --keep newest:20
  megatorrent rule Tidewater --keep 30d
  megatorrent rule Tidewater --keep 50G
  megatorrent rule Family --encrypted on
  megatorrent rule Family --look-up on

Whatever a rule does not keep is deleted from this device, files too; what is pinned stays.
Encrypted: what is fetched from now on lies here only as sealed parts, until \"megatorrent open\".")]
    Rule(RuleArgs),
    /// Keep an item whatever rules and quota say
    #[command(after_help = "Example:\n  megatorrent pin Tidewater/3fa94c1e")]
    Pin {
        /// Item ID, its start, or CHANNEL/ITEM
        item: String,
    },
    /// Let rules and quota have an item again
    #[command(after_help = "Example:\n  megatorrent unpin Tidewater/3fa94c1e")]
    Unpin {
        /// Item ID, its start, or CHANNEL/ITEM
        item: String,
    },
    /// Fetch an item before or after others
    #[command(after_help = "Example:\n  megatorrent priority Tidewater/3fa94c1e high")]
    Priority {
        /// Item ID, its start, or CHANNEL/ITEM
        item: String,
        /// When it is fetched
        #[arg(value_name = "low|normal|high", value_parser = priority)]
        priority: ItemPriority,
    },
    /// Fetch these files of an item
    #[command(after_help = "\
Examples:
  megatorrent want Tidewater/3fa94c1e one.flac two.flac

Of an item that is not fetched yet, the other files are left out.")]
    Want {
        /// Item ID, its start, or CHANNEL/ITEM
        item: String,
        /// Paths as \"megatorrent files\" tells them
        #[arg(required = true)]
        paths: Vec<String>,
    },
    /// Do not fetch these files of an item
    #[command(after_help = "Example:\n  megatorrent skip Tidewater/3fa94c1e booklet.pdf")]
    Skip {
        /// Item ID, its start, or CHANNEL/ITEM
        item: String,
        /// Paths as \"megatorrent files\" tells them
        #[arg(required = true)]
        paths: Vec<String>,
    },
    /// Write the files of an item that is kept only encrypted
    #[command(after_help = "Example:\n  megatorrent open Family/3fa94c1e")]
    Open {
        /// Item ID, its start, or CHANNEL/ITEM
        item: String,
    },
    /// Look for items by the words of their names and descriptions
    #[command(
        after_help = "Examples:\n  megatorrent search harbour storm\n  megatorrent search --channel Tidewater pier"
    )]
    Search {
        /// Words, or how they begin; an item has all of them
        #[arg(required = true)]
        words: Vec<String>,
        /// Only in this channel
        #[arg(long)]
        channel: Option<String>,
    },
    /// Move all downloads to another folder, and download there from now on
    #[command(after_help = "\
Example:
  megatorrent move-data /media/disk/downloads

Every file is there before the old one goes. What lies outside of the download folder stays where it is.")]
    MoveData {
        /// The new download folder
        dir: PathBuf,
    },
    /// Give an own private channel a new read key
    #[command(after_help = "\
Example:
  megatorrent rekey Family

Hand the new link to those who may go on reading: \"megatorrent new-key LINK\". Whoever has only the old one reads no
list that comes. What they read before, they keep.")]
    Rekey {
        /// Own private channel
        channel: String,
    },
    /// Take the new link of a followed private channel
    #[command(after_help = "Example:\n  megatorrent new-key - < link.txt")]
    NewKey {
        /// Link; "-" reads it from stdin
        link: String,
    },
    /// Go on with an item, a channel, or everything
    #[command(after_help = "Examples:\n  megatorrent resume\n  megatorrent resume Tidewater")]
    Resume {
        /// Channel or item; nothing: everything
        what: Option<String>,
    },
    /// Remove an item from this device
    #[command(after_help = "\
Examples:
  megatorrent remove Tidewater/3fa94c1e
  megatorrent remove 3fa94c1e --delete

Files that were published from here are never deleted.")]
    Remove {
        /// Title, ID, its start, or CHANNEL/ITEM
        item: String,
        /// Delete its downloaded files too
        #[arg(long)]
        delete: bool,
    },
    /// Read an item's files again and compare every part
    #[command(after_help = "Example:\n  megatorrent verify 3fa94c1e\n\nEnds with 6 if parts are missing or changed.")]
    Verify {
        /// Title, ID, its start, or CHANNEL/ITEM
        item: String,
    },
    /// Tell where an item's files went
    #[command(after_help = "Example:\n  megatorrent locate 3fa94c1e /media/disk/recordings")]
    Locate {
        /// Title, ID, its start, or CHANNEL/ITEM
        item: String,
        /// The file, or the folder that holds the item's files, now
        path: PathBuf,
    },
    /// Show the node's state
    #[command(after_help = "Example:\n  megatorrent status --json")]
    Status,
    /// List what moves, waits, or is done
    #[command(after_help = "Example:\n  megatorrent transfers")]
    Transfers,
    /// List connected peers
    #[command(after_help = "Example:\n  megatorrent peers")]
    Peers,
    /// Print a channel's link
    #[command(after_help = "\
Example:
  megatorrent link Tidewater

The link of a private channel carries its read key: whoever has the link can read.")]
    Link {
        /// Name or key
        channel: String,
    },
    /// Print what happens, until Ctrl-C
    #[command(after_help = "Example:\n  megatorrent watch --json")]
    Watch,
    /// Show or change settings
    #[command(after_help = "\
Examples:
  megatorrent set
  megatorrent set download-dir /media/disk/downloads
  megatorrent set gateway on
  megatorrent set route tor
  megatorrent set gateways 203.0.113.5:4170,gateway.example:4170
  megatorrent set up 500k
  megatorrent set quota 200G
  megatorrent set lend 20G
  megatorrent set schedule \"mon-fri 08:00-18:00 down 300k up 50k; daily 23:00-07:00 off\"

Keys:
  download-dir  folder for downloads
  down, up      bytes a second in and out, all peers together: 500k, 2M, off
  peer-down, peer-up
                the same for each peer
  month         bytes in and out in a calendar month: 100G, off
  quota         bytes that downloads may take on the disk: 200G, off
  lend          bytes that parts of followed channels may take which few others hold: 20G, off
  lend-channel  of these, bytes of each channel: 200M unless you say so; off is no bound
  lend-rate     bytes a second in for them: 500k, off; they come only while nothing else is fetched
  lend-paused   on, off: nothing more is fetched for them
  list-max      bytes that the list of one channel may be made of: 4G; off: the usual 1 GiB
  lan           on, off: find neighbours on the local network, and be found; a neighbour who knows a
                channel's link can tell that you follow it
  port-mapping  on, off: ask the router for a port, so that others can reach this node
  schedule      when nothing or less moves, by this computer's clock: DAYS FROM-TO off, or
                DAYS FROM-TO down RATE up RATE; several with \";\"; \"\" for none
  gateway       on, off: look up and publish lists for others who cannot reach the DHT
  gateways      whom to ask where there is no DHT: HOST:PORT, several joined by commas; none
  route         direct, tor, tor://own (start one), tor://IP:PORT (control port of a running tor),
                socks5://IP:PORT; \"-\" reads it from stdin, for one with a password")]
    Set(SetArgs),
    /// Run a node until Ctrl-C or "megatorrent stop"
    #[command(after_help = "\
Examples:
  megatorrent daemon
  megatorrent daemon --listen 0.0.0.0:4170
  megatorrent daemon --web

With --web it also answers a browser: it prints the address to open, which holds a token. Only this computer reaches it;
from another one come through a tunnel: ssh -L 4180:127.0.0.1:4180 HOST. Each start makes a new token,
which stands in the file \"web-token\" in the data folder until somebody came in by it.")]
    Daemon {
        /// Serve the web interface, at 127.0.0.1:4180 unless said otherwise: "localhost", or an address of this computer
        #[arg(long, value_name = "HOST:PORT", num_args = 0..=1, default_missing_value = DEFAULT_WEB, value_parser = web)]
        web: Option<SocketAddr>,
        /// A name (with its port, if it has one) under which a proxy of yours hands the web interface on
        #[arg(long, value_name = "NAME[:PORT]", requires = "web")]
        web_host: Vec<String>,
    },
    /// Run a node that serves as a gateway: it looks up and publishes lists for others who cannot reach the DHT
    #[command(after_help = "\
Example:
  megatorrent gateway --listen 0.0.0.0:4170

The setting \"gateway\" stays on: megatorrent set gateway off")]
    Gateway,
    /// Look whether this program keeps its word
    #[command(after_help = "\
Examples:
  megatorrent doctor --leak
  megatorrent --route tor doctor --leak --seconds 120
  megatorrent doctor --rebuild

With --leak: whether anything leaves by another way than the proxy or Tor. It watches every socket of the node (or of
one that it starts), while that node is given addresses that a careless program would dial or look up itself. Ends
with 1 if anything did. Linux only.

With --rebuild: when the data folder is said to be damaged. Its database is made anew from what of it can be read, and the
damaged one is kept beside. Downloads that lost a part of their record are planned again; what lies there is recognised.")]
    Doctor {
        /// Watch for leaks
        #[arg(long, required_unless_present = "rebuild", conflicts_with = "rebuild")]
        leak: bool,
        /// Make a damaged data folder's database anew
        #[arg(long)]
        rebuild: bool,
        /// How long to watch
        #[arg(long, value_name = "N", default_value_t = 30)]
        seconds: u64,
    },
    /// Stop the node that runs on the data folder
    #[command(after_help = "Example:\n  megatorrent stop")]
    Stop,
    /// Print completions for a shell
    #[command(after_help = "Example:\n  megatorrent completions bash > /etc/bash_completion.d/megatorrent")]
    Completions {
        /// Shell
        shell: Shell,
    },
}

/// `megatorrent id …`
#[derive(Subcommand)]
pub(crate) enum IdCommand {
    /// Make an identity
    #[command(after_help = "\
Example:
  megatorrent id new Tidewater

It exists only on this device. Back it up: megatorrent id export Tidewater tidewater.age")]
    New {
        /// Local name
        name: String,
    },
    /// List identities
    #[command(after_help = "Example:\n  megatorrent id list")]
    List,
    /// Back up an identity to a file, encrypted with a passphrase (age)
    #[command(after_help = "Example:\n  megatorrent id export Tidewater tidewater.age")]
    Export {
        /// Local name or key
        identity: String,
        /// File to write
        file: PathBuf,
    },
    /// Restore an identity from a backup, or import a v5 identity.json
    #[command(
        after_help = "Examples:\n  megatorrent id import tidewater.age\n  megatorrent id import identity.json --name Old"
    )]
    Import {
        /// File to read
        file: PathBuf,
        /// Local name [default: the one in the backup]
        #[arg(long)]
        name: Option<String>,
    },
    /// Go on when the keyring, or the vault's passphrase, is gone for good
    #[command(after_help = "\
Examples:
  megatorrent id give-up
  megatorrent id give-up --yes

The first says what is lost with it, and changes nothing.
Downloads, channels and files that are shared stay. Identities come back from backups, private channels with their links.")]
    GiveUp {
        /// Do it
        #[arg(long)]
        yes: bool,
    },
    /// Change an identity's local name; nobody else sees it
    #[command(after_help = "Example:\n  megatorrent id rename Tidewater \"Tidewater Sessions\"")]
    Rename {
        /// Local name or key
        identity: String,
        /// New local name
        name: String,
    },
}

/// `megatorrent publish …`
#[derive(Args)]
pub(crate) struct PublishArgs {
    /// Files and folders; several become one item
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Identity, by local name or key [default: the only one]
    #[arg(long, value_name = "NAME")]
    pub(crate) id: Option<String>,
    /// Only holders of the link's read key can read
    #[arg(long)]
    pub(crate) private: bool,
    /// Title [default: the file's or folder's name]
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// Description
    #[arg(long)]
    pub(crate) about: Option<String>,
    /// Replace this item
    #[arg(long, value_name = "ITEM")]
    pub(crate) update: Option<String>,
    /// Stay and share it until Ctrl-C
    #[arg(long)]
    pub(crate) seed: bool,
    /// Publish through this gateway, not the DHT (repeatable)
    #[arg(long, value_name = "HOST:PORT", value_parser = host_port)]
    pub(crate) gateway: Vec<String>,
}

/// `megatorrent edit …`
#[derive(Args)]
#[command(group = clap::ArgGroup::new("texts").args(["name", "about"]).required(true).multiple(true))]
pub(crate) struct EditArgs {
    /// Own channel (name, key or link) or item ID
    #[arg(value_name = "CHANNEL|ITEM")]
    pub(crate) what: String,
    /// New name
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// New description
    #[arg(long)]
    pub(crate) about: Option<String>,
}

/// `megatorrent set …`
#[derive(Args)]
pub(crate) struct SetArgs {
    /// What to change; nothing: show all
    #[arg(requires = "value")]
    pub(crate) key: Option<Key>,
    /// New value
    pub(crate) value: Option<String>,
}

/// A setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Key {
    /// Folder for downloads
    DownloadDir,
    /// Look up and publish lists for others
    Gateway,
    /// Find neighbours on the local network
    Lan,
    /// Ask the router for a port
    PortMapping,
    /// Bytes a second in
    Down,
    /// Bytes a second out
    Up,
    /// Bytes a second in, of each peer
    PeerDown,
    /// Bytes a second out, to each peer
    PeerUp,
    /// Bytes in and out in a month
    Month,
    /// Bytes on the disk
    Quota,
    /// Bytes on the disk for what few others hold
    Lend,
    /// Of these, bytes of each channel
    LendChannel,
    /// Bytes a second in for it
    LendRate,
    /// Whether it goes on
    LendPaused,
    /// Bytes that one channel's list may be made of
    ListMax,
    /// When nothing or less moves
    Schedule,
    /// Whom to ask where there is no DHT
    Gateways,
    /// The way out
    Route,
}

/// `megatorrent rule …`
#[derive(Args)]
#[command(group = clap::ArgGroup::new("rules").args(["fetch", "keep", "encrypted", "look_up"]).required(true).multiple(true))]
pub(crate) struct RuleArgs {
    /// Name, key or link
    pub(crate) channel: String,
    /// What to fetch: all, none, or the newest N items
    #[arg(long, value_name = "all|none|N", value_parser = fetch)]
    pub(crate) fetch: Option<FetchRule>,
    /// What stays: all, the newest N items, those younger than N days, or so many bytes
    #[arg(long, value_name = "all|newest:N|Nd|SIZE", value_parser = keep)]
    pub(crate) keep: Option<KeepRule>,
    /// Keep what is fetched from now on only as sealed parts: on, off
    #[arg(long, value_name = "on|off", value_parser = switch)]
    pub(crate) encrypted: Option<bool>,
    /// Look up the parts of a private channel of a v5 author by their IDs, which shows the DHT who asks for them: on, off
    #[arg(long, value_name = "on|off", value_parser = switch)]
    pub(crate) look_up: Option<bool>,
}

#[cfg(test)]
mod tests;
