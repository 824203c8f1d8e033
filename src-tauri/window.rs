//! The one window: how it is made, what it refuses, when it shows and hides.

use crate::desk::Desk;
use crate::host::{Drag, Theme};
use crate::quit;
use crate::surroundings;
use std::sync::atomic::Ordering;
use tauri::webview::{NewWindowResponse, PageLoadEvent};
use tauri::window::Color;
use tauri::{
    AppHandle, DragDropEvent, Manager as _, Url, WebviewUrl, WebviewWindow, WebviewWindowBuilder, WindowEvent,
};

/// Its label.
pub(crate) const MAIN: &str = "main";

/// Makes the window; shown unless the program was started hidden.
///
/// # Errors
/// There is no web view, or no display.
pub(crate) fn make(app: &AppHandle) -> tauri::Result<WebviewWindow> {
    let desk = app.state::<Desk>();
    let handle = app.clone();
    let mut builder = WebviewWindowBuilder::new(app, MAIN, WebviewUrl::App("index.html".into()))
        .title("Megatorrent")
        .inner_size(1180.0, 760.0)
        .min_inner_size(480.0, 400.0)
        .visible(false)
        // The page keeps nothing on disk; what lasts is the shell's to keep. A test's driver needs the kind that could.
        .incognito(std::env::var_os("TAURI_WEBVIEW_AUTOMATION").is_none())
        .on_navigation(is_ours)
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .on_download(|_, _| false)
        .on_page_load(move |_, load| {
            if load.event() == PageLoadEvent::Started {
                handle.state::<Desk>().new_page();
            }
        });
    // Without a data folder the page still has to say so.
    if desk.data_dir.is_dir() {
        builder = builder.data_directory(desk.data_dir.join("webview"));
    }
    builder = match desk.settings.all().theme {
        Theme::System => builder,
        Theme::Light => builder.theme(Some(tauri::Theme::Light)),
        Theme::Dark => builder.theme(Some(tauri::Theme::Dark)),
    };
    let window = builder.build()?;
    // The ground of the page to come: no flash of white in a dark room.
    let dark = window.theme().is_ok_and(|theme| theme == tauri::Theme::Dark);
    let ground = if dark { Color(0x14, 0x17, 0x15, 0xff) } else { Color(0xff, 0xff, 0xff, 0xff) };
    window.set_background_color(Some(ground))?;
    if !desk.args.hidden {
        show(app);
    } else if !surroundings::has_tray() {
        // Hidden, it could not be found again.
        window.show()?;
        window.minimize()?;
        desk.visible.send_replace(true);
    }
    Ok(window)
}

/// The page is the program's own and stays that: nothing else is ever loaded.
fn is_ours(url: &Url) -> bool {
    match url.scheme() {
        "tauri" => url.host_str() == Some("localhost"),
        // How WebView2 spells the same.
        "http" | "https" => url.host_str() == Some("tauri.localhost"),
        "about" => url.path() == "blank",
        _ => false,
    }
}

/// Brings the window to the front.
pub(crate) fn show(app: &AppHandle) {
    let Some(window) = app.get_webview_window(MAIN) else { return };
    let shown = window.show().and_then(|()| window.unminimize()).and_then(|()| window.set_focus());
    if let Err(error) = shown {
        tracing::warn!(%error, "the window does not show");
    }
    let desk = app.state::<Desk>();
    desk.visible.send_replace(true);
    desk.unseen.send_replace(false);
}

fn hide(window: &tauri::Window) {
    if let Err(error) = window.hide() {
        tracing::warn!(%error, "the window does not hide");
    }
    window.state::<Desk>().visible.send_replace(false);
}

/// What the system tells about the window.
pub(crate) fn on_event(window: &tauri::Window, event: &WindowEvent) {
    let desk = window.state::<Desk>();
    match event {
        WindowEvent::CloseRequested { api, .. } if !desk.quitting.load(Ordering::SeqCst) => {
            api.prevent_close();
            if desk.settings.all().close_to_tray && surroundings::has_tray() {
                hide(window);
            } else if is_answered(&desk) {
                hide(window);
                quit::quit(window.app_handle());
            } else {
                desk.closes.put(());
                show(window.app_handle());
            }
        }
        WindowEvent::Focused(true) => {
            desk.unseen.send_replace(false);
        }
        WindowEvent::DragDrop(drag) => {
            let scale = window.scale_factor().unwrap_or(1.0);
            if let Some(drag) = told(&desk, drag, scale) {
                desk.drags.put(drag);
            }
        }
        _ => {}
    }
}

/// Whether the cross ends the program without a question: before first start is through nothing runs that could be
/// missed, a page that does not listen cannot ask, and who clicks again while it asks means it.
fn is_answered(desk: &Desk) -> bool {
    !desk.settings.all().welcomed
        || !desk.closes_heard.load(Ordering::SeqCst)
        || desk.close_asked.swap(true, Ordering::SeqCst)
}

fn told(desk: &Desk, event: &DragDropEvent, scale: f64) -> Option<Drag> {
    Some(match event {
        DragDropEvent::Enter { position, .. } | DragDropEvent::Over { position } => {
            Drag::Over { x: position.x / scale, y: position.y / scale }
        }
        DragDropEvent::Drop { paths, position } => {
            let items = paths.iter().filter_map(|path| desk.paths.hand_out(path.clone()).ok()).collect();
            Drag::Dropped { x: position.x / scale, y: position.y / scale, items }
        }
        DragDropEvent::Leave => Drag::Left,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_programs_own_page_is_loaded() {
        for url in ["tauri://localhost", "tauri://localhost/index.html", "http://tauri.localhost/", "about:blank"] {
            assert!(is_ours(&url.parse().unwrap()), "{url}");
        }
        let foreign = [
            "https://example.org/",
            "http://localhost/",
            "http://127.0.0.1:80/",
            "tauri://evil/",
            "file:///etc/passwd",
            "data:text/html,x",
            "javascript:alert(1)",
            "about:srcdoc",
            "http://tauri.localhost.example.org/",
        ];
        for url in foreign {
            assert!(!is_ours(&url.parse().unwrap()), "{url}");
        }
    }
}
