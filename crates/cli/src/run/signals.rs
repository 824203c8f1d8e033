//! Ctrl-C and its kin.

use super::failure::exit;

/// Ctrl-C and SIGTERM: the first asks to stop, the second stops at once.
#[derive(Clone)]
pub(super) struct Signals {
    asked: tokio::sync::watch::Receiver<bool>,
}

impl Signals {
    pub(super) fn listen() -> std::io::Result<Self> {
        let (ask, asked) = tokio::sync::watch::channel(false);
        #[cfg(unix)]
        let (mut interrupt, mut terminate) = {
            use tokio::signal::unix::{SignalKind, signal};
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        #[cfg(windows)]
        let (mut interrupt, mut terminate) = (tokio::signal::windows::ctrl_c()?, tokio::signal::windows::ctrl_close()?);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if *ask.borrow() {
                    std::process::exit(i32::from(exit::INTERRUPTED));
                }
                ask.send_replace(true);
            }
        });
        Ok(Self { asked })
    }

    /// Resolves when a stop is asked for.
    pub(super) async fn wanted(&mut self) {
        if self.asked.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
