//! Ctrl-C and its kin.

use super::failure::exit;

/// What asks a program to end: Ctrl-C, `kill`, a terminal that closes, a session that ends. The first of them asks to stop,
/// the second stops at once.
#[derive(Clone)]
pub(super) struct Signals {
    asked: tokio::sync::watch::Receiver<bool>,
}

#[cfg(unix)]
mod kinds {
    use std::io;
    use tokio::signal::unix::{Signal, SignalKind, signal};

    /// The signals that ask.
    pub(super) struct Kinds {
        interrupt: Signal,
        terminate: Signal,
        hangup: Option<Signal>,
        quit: Option<Signal>,
    }

    impl Kinds {
        pub(super) fn listen() -> io::Result<Self> {
            let unless_ignored = |kind: SignalKind| if is_ignored(kind) { Ok(None) } else { signal(kind).map(Some) };
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                hangup: unless_ignored(SignalKind::hangup())?,
                quit: unless_ignored(SignalKind::quit())?,
            })
        }

        pub(super) async fn next(&mut self) {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
                () = if_any(&mut self.hangup) => {}
                () = if_any(&mut self.quit) => {}
            }
        }
    }

    async fn if_any(signal: &mut Option<Signal>) {
        match signal {
            Some(signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        }
    }

    /// Whether whoever started this program (`nohup`, a shell that puts it into the background) wants the signal to go by.
    /// Where the system does not tell, nobody does.
    fn is_ignored(kind: SignalKind) -> bool {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
        u32::try_from(kind.as_raw_value() - 1)
            .ok()
            .and_then(|bit| mask.checked_shr(bit))
            .is_some_and(|mask| mask & 1 == 1)
    }
}

#[cfg(windows)]
mod kinds {
    use std::io;
    use tokio::signal::windows;

    /// The events that ask.
    pub(super) struct Kinds {
        ctrl_c: windows::CtrlC,
        ctrl_break: windows::CtrlBreak,
        close: windows::CtrlClose,
        logoff: windows::CtrlLogoff,
        shutdown: windows::CtrlShutdown,
    }

    impl Kinds {
        pub(super) fn listen() -> io::Result<Self> {
            Ok(Self {
                ctrl_c: windows::ctrl_c()?,
                ctrl_break: windows::ctrl_break()?,
                close: windows::ctrl_close()?,
                logoff: windows::ctrl_logoff()?,
                shutdown: windows::ctrl_shutdown()?,
            })
        }

        pub(super) async fn next(&mut self) {
            tokio::select! {
                _ = self.ctrl_c.recv() => {}
                _ = self.ctrl_break.recv() => {}
                _ = self.close.recv() => {}
                _ = self.logoff.recv() => {}
                _ = self.shutdown.recv() => {}
            }
        }
    }
}

impl Signals {
    pub(super) fn listen() -> std::io::Result<Self> {
        let (ask, asked) = tokio::sync::watch::channel(false);
        let mut kinds = kinds::Kinds::listen()?;
        tokio::spawn(async move {
            loop {
                kinds.next().await;
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
