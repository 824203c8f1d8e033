//! What the program is started with: by a person, by the session at log-in, or by the desktop with a link.

use clap::Parser;
use node::PeerAddr;
use std::net::SocketAddr;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Megatorrent: the window.
#[derive(Parser, Clone, Default)]
#[command(name = "megatorrent-desktop", version)]
pub(crate) struct Args {
    /// A megatorrent:// link to open; nothing is followed before you say so
    pub(crate) link: Option<String>,
    /// Data folder (one process at a time owns it; a second one talks to the first)
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Listen for peers at this address; port 0 picks one
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Join the DHT by this node, not by the public ones
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) bootstrap: Vec<String>,
    /// Know this TCP peer from the start
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) peer: Vec<PeerAddr>,
    /// Stay out of the DHT
    #[arg(long)]
    pub(crate) no_dht: bool,
    /// Opens the vault where there is no keyring; asked for in the window otherwise
    #[arg(skip = std::env::var("MEGATORRENT_PASSPHRASE").ok().map(Into::into))]
    pub(crate) passphrase: Option<Zeroizing<String>>,
    /// Start in the tray, without the window; minimised, where there is no tray
    #[arg(long)]
    pub(crate) hidden: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_desktop_passes_a_link_and_a_session_passes_hidden() {
        let link = format!("megatorrent://{}:{}", "ab".repeat(32), "cd".repeat(32));
        let args = Args::try_parse_from(["megatorrent-desktop", &link]).unwrap();
        assert_eq!(args.link, Some(link));
        assert!(Args::try_parse_from(["megatorrent-desktop", "--hidden"]).unwrap().hidden);
        assert!(Args::try_parse_from(["megatorrent-desktop", "--data-dir"]).is_err());
        assert!(Args::try_parse_from(["megatorrent-desktop", "one", "two"]).is_err());
    }
}
