//! What the window can ask. Thin: each command carries a question inside and the answer out.
//!
//! `call` carries every verb of `node::api`: the request enum itself is the argument, so a verb can neither be missing
//! here nor differ from what the other doors speak, and `Paths::resolve` does not compile before a new verb was looked
//! at. The rest is what only a desktop can do.

use crate::desk::Desk;
use crate::files;
use crate::host::{Drag, Handed, HostSettings, HostSettingsChange, NodeState, Pick, Picked, Surroundings};
use crate::open;
use crate::quit;
use crate::surroundings;
use crate::words::words;
use node::api::{Code, ErrorInfo, Event, FileArg, PlaceArg, Playable, Rebuilt, Reply, Request};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use tauri::ipc::{Channel, Response};
use tauri::{AppHandle, Manager as _, State, WebviewWindow};
use tauri_plugin_autostart::ManagerExt as _;
use tauri_plugin_dialog::DialogExt as _;

type Result<T> = std::result::Result<T, ErrorInfo>;

/// Bytes that the window may save at once.
const SAVE_MAX: usize = 8 << 20;

/// Asks the node.
#[tauri::command]
pub(crate) async fn call(desk: State<'_, Desk>, request: Request) -> Result<Reply> {
    let request = desk.paths.resolve(request)?;
    desk.house.call(request).await
}

/// The node's events, a snapshot first; nothing while the window is hidden, and a snapshot when it shows again.
#[tauri::command]
pub(crate) async fn watch(desk: State<'_, Desk>, app: AppHandle, channel: Channel<Event>) -> Result<()> {
    let (mut news, mut visible, notices) = (desk.house.news(), desk.visible.subscribe(), channel.clone());
    desk.tell("watch", async move {
        while visible.wait_for(|shown| *shown).await.is_ok() {
            let event = tokio::select! {
                _ = visible.changed() => {
                    news.again();
                    continue;
                }
                event = news.next() => event,
            };
            let Some(event) = event else { return };
            if channel.send(event).is_err() {
                return;
            }
        }
    });
    desk.tell("notices", async move {
        let desk = app.state::<Desk>();
        while notices.send(Event::Notice(desk.notices.next().await)).is_ok() {}
    });
    Ok(())
}

/// How the node is, at once and at each change.
#[tauri::command]
pub(crate) async fn node_state(desk: State<'_, Desk>, channel: Channel<NodeState>) -> Result<()> {
    let mut state = desk.house.state();
    desk.tell("node_state", async move {
        loop {
            let now = state.borrow_and_update().clone();
            if channel.send(now).is_err() || state.changed().await.is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// Starts a node that failed.
#[tauri::command]
pub(crate) async fn retry(desk: State<'_, Desk>) -> Result<()> {
    desk.house.start(!desk.settings.all().welcomed).await;
    Ok(())
}

/// Makes the damaged database of a node that did not start anew, then starts it. `None`: it was not damaged.
#[tauri::command]
pub(crate) async fn rebuild(desk: State<'_, Desk>) -> Result<Option<Rebuilt>> {
    let made = desk.house.rebuild().await?;
    desk.house.start(!desk.settings.all().welcomed).await;
    Ok(made)
}

/// Ends the program.
#[tauri::command]
pub(crate) async fn quit(app: AppHandle) -> Result<()> {
    quit::quit(&app);
    Ok(())
}

#[tauri::command]
pub(crate) async fn surroundings(app: AppHandle) -> Result<Surroundings> {
    blocking(move || Ok(surroundings::look(&app.state::<Desk>()))).await
}

#[tauri::command]
pub(crate) async fn host_settings(app: AppHandle) -> Result<HostSettings> {
    blocking(move || Ok(with_autostart(&app, app.state::<Desk>().settings.all()))).await
}

/// Writes the given ones, answers with all. The end of first start is the node's leave to open sockets.
#[tauri::command]
pub(crate) async fn set_host_settings(app: AppHandle, change: HostSettingsChange) -> Result<HostSettings> {
    let handle = app.clone();
    let (before, after) = blocking(move || {
        let desk = handle.state::<Desk>();
        let before = desk.settings.all();
        if let Some(on) = change.autostart {
            let autostart = handle.autolaunch();
            let outcome = if on { autostart.enable() } else { autostart.disable() };
            outcome.map_err(|e| ErrorInfo::new(Code::Io, format!("Starting at log-in was not switched: {e}")))?;
        }
        let after = desk.settings.change(change)?;
        Ok((before, with_autostart(&handle, after)))
    })
    .await?;
    if before.theme != after.theme
        && let Some(window) = app.get_webview_window(crate::window::MAIN)
    {
        let theme = match after.theme {
            crate::host::Theme::System => None,
            crate::host::Theme::Light => Some(tauri::Theme::Light),
            crate::host::Theme::Dark => Some(tauri::Theme::Dark),
        };
        window.set_theme(theme).map_err(internal)?;
    }
    if before.welcomed != after.welcomed {
        app.state::<Desk>().house.start(!after.welcomed).await;
    }
    Ok(after)
}

fn with_autostart(app: &AppHandle, mut settings: HostSettings) -> HostSettings {
    settings.autostart = app.autolaunch().is_enabled().unwrap_or(false);
    settings
}

/// A native dialog; empty when the person turned back.
#[tauri::command]
pub(crate) async fn pick(window: WebviewWindow, pick: Pick) -> Result<Vec<Picked>> {
    let paths = ask(&window, pick).await;
    blocking(move || {
        let desk = window.state::<Desk>();
        paths.into_iter().map(|path| desk.paths.hand_out(path)).collect()
    })
    .await
}

async fn ask(window: &WebviewWindow, pick: Pick) -> Vec<PathBuf> {
    let words = words(window.state::<Desk>().settings.all().language);
    let (answer, answered) = tokio::sync::oneshot::channel();
    // A dialog that goes without an answer was turned back.
    let many = move |paths: Option<Vec<_>>| drop(answer.send(paths.unwrap_or_default()));
    let dialog = window.dialog().file().set_parent(window);
    match pick {
        Pick::Files => dialog.set_title(words.choose_files).pick_files(many),
        Pick::Folder => dialog.set_title(words.choose_folder).pick_folder(move |path| many(path.map(|p| vec![p]))),
        Pick::Backup => dialog.set_title(words.choose_backup).pick_file(move |path| many(path.map(|p| vec![p]))),
        Pick::Save { name } => dialog
            .set_title(words.save_as)
            .set_file_name(files::file_name(&name))
            .save_file(move |path| many(path.map(|p| vec![p]))),
    }
    answered.await.unwrap_or_default().into_iter().filter_map(|path| path.into_path().ok()).collect()
}

/// A dropped picture.
#[tauri::command]
pub(crate) async fn picture(desk: State<'_, Desk>, handle: String) -> Result<Response> {
    let path = desk.paths.path(&handle)?;
    blocking(move || files::picture(&path)).await.map(Response::new)
}

/// Asks where, then writes; false when the person turned back.
#[tauri::command]
pub(crate) async fn save(window: WebviewWindow, name: String, bytes: Vec<u8>) -> Result<bool> {
    if bytes.len() > SAVE_MAX {
        return Err(ErrorInfo::new(Code::BadArgument, "More than 8 MB are not saved at once."));
    }
    let Some(path) = ask(&window, Pick::Save { name }).await.pop() else { return Ok(false) };
    blocking(move || files::save(&path, &bytes)).await.map(|()| true)
}

/// What is dragged over the window.
#[tauri::command]
pub(crate) async fn drags(desk: State<'_, Desk>, app: AppHandle, channel: Channel<Drag>) -> Result<()> {
    desk.tell("drags", async move {
        let desk = app.state::<Desk>();
        while channel.send(desk.drags.next().await).is_ok() {}
    });
    Ok(())
}

/// Links that were clicked.
#[tauri::command]
pub(crate) async fn links(desk: State<'_, Desk>, app: AppHandle, channel: Channel<String>) -> Result<()> {
    desk.tell("links", async move {
        let desk = app.state::<Desk>();
        while channel.send(desk.links.next().await).is_ok() {}
    });
    Ok(())
}

/// The window's cross was clicked where that ends the program: the page asks.
#[tauri::command]
pub(crate) async fn closes(desk: State<'_, Desk>, app: AppHandle, channel: Channel<()>) -> Result<()> {
    desk.tell("closes", async move {
        let desk = app.state::<Desk>();
        desk.closes_heard.store(true, Ordering::SeqCst);
        loop {
            desk.closes.next().await;
            if channel.send(()).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// The person turned back from the question that the cross had asked.
#[tauri::command]
pub(crate) async fn stay(desk: State<'_, Desk>) -> Result<()> {
    desk.close_asked.store(false, Ordering::SeqCst);
    Ok(())
}

/// Shows an item's folder in the file manager.
#[tauri::command]
pub(crate) async fn open_folder(desk: State<'_, Desk>, item: String) -> Result<()> {
    let path = place(&desk, PlaceArg { item, path: None }).await?;
    blocking(move || open::folder(&path)).await
}

/// Opens a complete file of an item with the program that the desktop has for it; shows it in its folder where it is not
/// of a kind that is only shown or played. Another program does not use the route: while that hides this computer's
/// address, the person is asked first, `sure` says that they were.
#[tauri::command]
pub(crate) async fn open_file(desk: State<'_, Desk>, item: String, path: String, sure: bool) -> Result<Handed> {
    let path = place(&desk, PlaceArg { item, path: Some(path) }).await?;
    let Some(kind) = open::kind(&path) else {
        return blocking(move || open::in_folder(&path)).await.map(|()| Handed::Shown);
    };
    if !sure && let Some(question) = question(&desk, Some(kind)).await {
        return Ok(question);
    }
    blocking(move || open::file(&path)).await.map(|()| Handed::Opened)
}

/// What a person has to be asked before another program gets such a file, if anything.
async fn question(desk: &Desk, kind: Option<&str>) -> Option<Handed> {
    let route = match desk.house.call(Request::Status).await {
        Ok(Reply::Status(status)) => Some(status.route.kind),
        Ok(_) | Err(_) => None,
    };
    let asks = open::asks(route, kind, &desk.settings.all().outside);
    asks.then(|| Handed::Asks { kind: kind.unwrap_or_default().to_owned() })
}

async fn place(desk: &Desk, args: PlaceArg) -> Result<PathBuf> {
    match desk.house.call(Request::Place(args)).await? {
        Reply::Place(path) => Ok(path),
        _ => Err(internal("the node answers in another way than this version knows")),
    }
}

/// An address from which a media element plays a file.
#[tauri::command]
pub(crate) async fn play(desk: State<'_, Desk>, item: String, path: String) -> Result<Playable> {
    match desk.house.call(Request::Play(FileArg { item, path })).await? {
        Reply::Playable(playable) => Ok(playable),
        _ => Err(internal("the node answers in another way than this version knows")),
    }
}

/// Plays a file in the desktop's own player; asks as [`open_file`] does.
#[tauri::command]
pub(crate) async fn play_outside(app: AppHandle, item: String, path: String, sure: bool) -> Result<Handed> {
    let desk = app.state::<Desk>();
    let kind = open::kind_of_name(std::path::Path::new(&path));
    if !sure && let Some(question) = question(&desk, kind).await {
        return Ok(question);
    }
    let playable = play(desk, item, path).await?;
    let (answer, answered) = tokio::sync::oneshot::channel();
    let handle = app.clone();
    // The desktop's launcher belongs to the thread of the windows.
    let asked = app.run_on_main_thread(move || drop(answer.send(open::in_player(&handle, &playable))));
    asked.map_err(internal)?;
    answered.await.map_err(internal)?.map(|()| Handed::Opened)
}

/// Puts text on the clipboard. A private channel's link may be in it: histories are told to leave it out.
#[tauri::command]
pub(crate) async fn copy_text(text: String) -> Result<()> {
    blocking(move || crate::clipboard::copy(text)).await
}

/// Runs what waits for the disk or the session bus.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(internal(error)))
}

fn internal(error: impl std::fmt::Display) -> ErrorInfo {
    ErrorInfo::new(Code::Internal, error.to_string())
}
