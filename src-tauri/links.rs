//! Links that the desktop hands to the program: read strictly before the window hears of them.

use crate::args::Args;
use crate::desk::Desk;
use crate::window;
use clap::Parser as _;
use node::api::{Code, ErrorInfo};
use protocol::Link;
use tauri::{AppHandle, Manager as _};

/// Takes a link in: a good one waits for the window, of a bad one the window tells why it is none.
pub(crate) fn take(desk: &Desk, text: &str) {
    match text.parse::<Link>() {
        Ok(link) => desk.links.put(link.to_text().to_string()),
        Err(error) => desk.notices.put(ErrorInfo::new(Code::BadLink, error.to_string())),
    }
}

/// A second start hands its arguments to this one and ends: show the window, and take the link if there is one.
pub(crate) fn second_start(app: &AppHandle, argv: Vec<String>) {
    let desk = app.state::<Desk>();
    match Args::try_parse_from(argv) {
        Ok(args) => {
            if let Some(link) = &args.link {
                take(&desk, link);
            }
            if args.hidden && args.link.is_none() {
                return;
            }
        }
        Err(error) => tracing::warn!(%error, "a second start had arguments that are not known"),
    }
    window::show(app);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_good_link_waits_and_a_bad_one_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let desk = Desk::new(Args::default(), dir.path().into());
        take(&desk, &format!("MEGATORRENT://{}/?bootstrap=127.0.0.1%3A7000", "AB".repeat(32)));
        assert_eq!(desk.links.next().await, format!("megatorrent://{}?bootstrap=127.0.0.1:7000", "ab".repeat(32)));
        for bad in ["megatorrent://12", "file:///etc/passwd", "megatorrent://x\"><script>", ""] {
            take(&desk, bad);
            assert_eq!(desk.notices.next().await.code, Code::BadLink);
        }
    }
}
