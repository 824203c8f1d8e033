//! A clean end: the node stores what it has, then the program goes. When that takes too long, the reason is told.

use crate::desk::Desk;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tauri::{AppHandle, Manager as _};

/// Time for the node to end; it gives its own tasks 20 s.
const LIMIT: Duration = Duration::from_secs(30);

/// Begins the end; later calls change nothing.
pub(crate) fn quit(app: &AppHandle) {
    let desk = app.state::<Desk>();
    if desk.quitting.swap(true, Ordering::SeqCst) {
        return;
    }
    let (app, house) = (app.clone(), desk.house.clone());
    tauri::async_runtime::spawn(async move {
        let why = match tokio::time::timeout(LIMIT, house.stop()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.message),
            Err(_) => Some(format!("the node did not end within {} seconds", LIMIT.as_secs())),
        };
        if let Some(why) = &why {
            tracing::error!("ended before everything was in order: {why}");
            crate::notify::tell("Megatorrent", &format!("It ended before everything was in order: {why}")).await;
        }
        app.exit(i32::from(why.is_some()));
    });
}

/// The session ends, or somebody types ^C.
#[cfg(unix)]
pub(crate) fn on_signals(app: &AppHandle) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        quit(&app);
    });
    Ok(())
}

/// Windows tells a program with a window by closing the window.
#[cfg(not(unix))]
pub(crate) fn on_signals(_app: &AppHandle) -> std::io::Result<()> {
    Ok(())
}
