//! The tray: one picture that says how things stand, the same in words, speeds, and a few acts: open, pause, route, quit.
//!
//! A task of its own follows the node's news; it also shows notifications, so that both work while no page listens.

use crate::desk::Desk;
use crate::host::NodeState;
use crate::house::News;
use crate::notify;
use crate::quit;
use crate::window;
use crate::words::{Words, words};
use node::api::{Event, ItemInfo, PauseFor, Request, RouteKind, RouteStanding, Settings, Status, Target};
use std::time::Duration;
use tauri::image::Image;
use tauri::menu::{CheckMenuItem, Menu, MenuItem, PredefinedMenuItem, Submenu};
use tauri::tray::{MouseButton, MouseButtonState, TrayIcon, TrayIconBuilder, TrayIconEvent};
use tauri::{AppHandle, Manager as _, Wry};
use tauri_plugin_dialog::{DialogExt as _, MessageDialogButtons, MessageDialogKind};

/// Items that become ready within this time are told in one notification.
const GATHER: Duration = Duration::from_millis(1500);
/// Seconds of an hour.
const HOUR: u64 = 3600;
/// The picture and the words change at most this often.
const STEP: Duration = Duration::from_millis(250);

/// What the picture says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Running,
    Receiving,
    Ready,
    Paused,
    Offline,
    /// The route is lost: nothing leaves.
    Lost,
}

/// All that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
struct View {
    look: Look,
    state: &'static str,
    rates: String,
    paused: bool,
    route: Option<RouteKind>,
    dark: bool,
    words: &'static str,
}

/// What the view is made of.
struct Facts {
    node: NodeState,
    status: Option<Status>,
    unseen: bool,
}

impl Facts {
    fn view(&self, words: &'static Words, dark: bool) -> View {
        let status = self.status.as_ref().filter(|_| self.node == NodeState::Running);
        let paused = status.is_some_and(|s| s.paused);
        let (look, state) = match (&self.node, status) {
            (NodeState::Starting, _) => (Look::Offline, words.starting),
            (NodeState::Stopping, _) => (Look::Offline, words.stopping),
            (NodeState::Failed { .. }, _) => (Look::Offline, words.stopped),
            (NodeState::Running, Some(s)) if matches!(s.route.state, RouteStanding::Down { .. }) => {
                (Look::Lost, words.lost)
            }
            (NodeState::Running, _) if paused => (Look::Paused, words.paused),
            (NodeState::Running, Some(s)) if is_starting(s) => (Look::Offline, words.route_starts),
            (NodeState::Running, Some(s)) if s.down > 0 => (Look::Receiving, words.receiving),
            (NodeState::Running, _) if self.unseen => (Look::Ready, words.unseen),
            (NodeState::Running, Some(s)) if s.peers == 0 && s.dht_nodes.unwrap_or(0) == 0 => {
                (Look::Offline, words.offline)
            }
            (NodeState::Running, _) => (Look::Running, words.running),
        };
        let (down, up) = status.map_or((0, 0), |s| (s.down, s.up));
        let rates = format!("↓ {}   ↑ {}", words.rate(down), words.rate(up));
        View { look, state, rates, paused, route: status.map(|s| s.route.kind), dark, words: words.open }
    }
}

/// A proxy or Tor is not ready yet. The direct route starts at once and says nothing of it.
fn is_starting(status: &Status) -> bool {
    status.route.kind != RouteKind::Direct && matches!(status.route.state, RouteStanding::Starting { .. })
}

struct Tray {
    icon: TrayIcon<Wry>,
    state: MenuItem<Wry>,
    rates: MenuItem<Wry>,
    open: MenuItem<Wry>,
    pause: MenuItem<Wry>,
    hour: MenuItem<Wry>,
    tomorrow: MenuItem<Wry>,
    route: Submenu<Wry>,
    direct: CheckMenuItem<Wry>,
    tor: CheckMenuItem<Wry>,
    proxy: CheckMenuItem<Wry>,
    quit: MenuItem<Wry>,
}

/// Puts the tray up and follows the news. Where there is no tray, the notifications still come.
pub(crate) fn start(app: &AppHandle) {
    // The library that draws it on Linux is looked for at run time, and its absence is a panic there.
    let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| make(app)));
    let tray = match made {
        Ok(Ok(tray)) => Some(tray),
        Ok(Err(error)) => {
            tracing::warn!(%error, "no tray");
            None
        }
        Err(_) => {
            tracing::warn!("no tray: its library is missing");
            None
        }
    };
    tauri::async_runtime::spawn(follow(app.clone(), tray));
}

fn make(app: &AppHandle) -> tauri::Result<Tray> {
    let desk = app.state::<Desk>();
    let words = words(desk.settings.all().language);
    let line = |id: &str, text: &str, acts: bool| MenuItem::with_id(app, id, text, acts, None::<&str>);
    let (state, rates) = (line("state", words.starting, false)?, line("rates", "", false)?);
    let (open, pause) = (line("open", words.open, true)?, line("pause", words.pause, true)?);
    let (hour, tomorrow) = (line("hour", words.pause_hour, true)?, line("tomorrow", words.pause_tomorrow, true)?);
    let quit = line("quit", words.quit, true)?;
    let way = |id: &str, text: &str| CheckMenuItem::with_id(app, id, text, true, false, None::<&str>);
    let (direct, tor, proxy) = (way("direct", words.direct)?, way("tor", "Tor")?, way("proxy", words.proxy)?);
    let route = Submenu::with_items(app, words.route, true, &[&direct, &tor, &proxy])?;
    let menu = Menu::with_items(
        app,
        &[
            &state,
            &rates,
            &PredefinedMenuItem::separator(app)?,
            &open,
            &PredefinedMenuItem::separator(app)?,
            &pause,
            &hour,
            &tomorrow,
            &route,
            &PredefinedMenuItem::separator(app)?,
            &quit,
        ],
    )?;
    let icon = TrayIconBuilder::with_id("tray")
        .icon(picture(Look::Offline, is_dark(app))?)
        .tooltip("Megatorrent")
        .menu(&menu)
        .show_menu_on_left_click(false)
        .on_menu_event(|app, event| match event.id().as_ref() {
            "open" => window::show(app),
            "pause" => pause_or_resume(app),
            "hour" => pause_for(app, Some(HOUR)),
            "tomorrow" => pause_for(app, until_tomorrow(&jiff::Zoned::now())),
            "direct" => take_route(app, RouteKind::Direct),
            "tor" => take_route(app, RouteKind::Tor),
            "proxy" => take_route(app, RouteKind::Proxy),
            "quit" => quit::quit(app),
            _ => {}
        })
        .on_tray_icon_event(|tray, event| {
            if let TrayIconEvent::Click { button: MouseButton::Left, button_state: MouseButtonState::Up, .. } = event {
                window::show(tray.app_handle());
            }
        })
        .build(app)?;
    Ok(Tray { icon, state, rates, open, pause, hour, tomorrow, route, direct, tor, proxy, quit })
}

/// Asks the node for something that a line of the menu stands for; what goes wrong is told.
fn ask(app: &AppHandle, request: Request) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        if let Err(error) = app.state::<Desk>().house.call(request).await {
            notify::tell("Megatorrent", &error.message).await;
        }
    });
}

/// Seconds until the next day begins on this computer's clock.
fn until_tomorrow(now: &jiff::Zoned) -> Option<u64> {
    let midnight = now.tomorrow().ok()?.start_of_day().ok()?;
    u64::try_from(now.duration_until(&midnight).as_secs()).ok().map(|seconds| seconds.max(1))
}

fn pause_for(app: &AppHandle, seconds: Option<u64>) {
    // A clock that knows no tomorrow is as good as none: a day then.
    ask(app, Request::PauseFor(PauseFor { seconds: seconds.unwrap_or(24 * HOUR) }));
}

/// Takes another route, after a question where it shows what was hidden. A proxy has an address and perhaps a login: it is
/// chosen in the window.
fn take_route(app: &AppHandle, to: RouteKind) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let desk = app.state::<Desk>();
        let words = words(desk.settings.all().language);
        let from = match desk.house.call(Request::Status).await {
            Ok(node::api::Reply::Status(status)) => status.route.kind,
            Ok(_) => return,
            Err(error) => return notify::tell("Megatorrent", &error.message).await,
        };
        let text = match to {
            RouteKind::Direct => "direct",
            RouteKind::Tor => "tor",
            // These need more than a click says.
            RouteKind::Proxy | RouteKind::Both => return window::show(&app),
        };
        let change = Request::SetSettings(Settings { route: Some(text.to_owned()), ..Settings::default() });
        if to == from {
            // The click has turned its mark around.
            return desk.unseen.send_modify(|_| {});
        }
        if to == RouteKind::Tor {
            return ask(&app, change);
        }
        let asking = app.clone();
        let answered = move |yes: bool| {
            if yes {
                ask(&asking, change);
            } else {
                asking.state::<Desk>().unseen.send_modify(|_| {});
            }
        };
        app.dialog()
            .message(words.reveal_text)
            .title(words.reveal_title)
            .kind(MessageDialogKind::Warning)
            .buttons(MessageDialogButtons::OkCancelCustom(words.reveal_go.to_owned(), words.reveal_stay.to_owned()))
            .show(answered);
    });
}

fn pause_or_resume(app: &AppHandle) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let house = app.state::<Desk>().house.clone();
        let outcome = match house.call(Request::Status).await {
            Ok(node::api::Reply::Status(status)) if status.paused => house.call(Request::Resume(Target::All)).await,
            Ok(_) => house.call(Request::Pause(Target::All)).await,
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            notify::tell("Megatorrent", &error.message).await;
        }
    });
}

/// Follows the node, the settings and the window until the program ends.
async fn follow(app: AppHandle, tray: Option<Tray>) {
    let desk = app.state::<Desk>();
    let (mut node, mut unseen, mut settings) = (desk.house.state(), desk.unseen.subscribe(), desk.settings.changes());
    let (tell, mut events) = tokio::sync::mpsc::channel::<Event>(64);
    let news: News = desk.house.news();
    tauri::async_runtime::spawn(carry(news, tell));
    let mut facts = Facts { node: node.borrow().clone(), status: None, unseen: false };
    let mut shown: Option<View> = None;
    let mut ready: Vec<ItemInfo> = Vec::new();
    let mut gathered = Box::pin(tokio::time::sleep(Duration::ZERO));
    loop {
        let now = words(settings.borrow_and_update().language);
        let view = facts.view(now, is_dark(&app));
        if shown.as_ref() != Some(&view) {
            if let Some(tray) = &tray
                && let Err(error) = tray.show(&view, shown.as_ref(), now)
            {
                tracing::warn!(%error, "the tray does not change");
            }
            shown = Some(view);
            tokio::time::sleep(STEP).await;
        }
        tokio::select! {
            changed = node.changed() => {
                if changed.is_err() { return }
                facts.node = node.borrow_and_update().clone();
            }
            changed = unseen.changed() => {
                if changed.is_err() { return }
                // Also told when a mark of the menu has to be set right.
                shown = None;
                facts.unseen = *unseen.borrow_and_update();
            }
            changed = settings.changed() => if changed.is_err() { return },
            event = events.recv() => match event {
                Some(Event::Snapshot(snapshot)) => facts.status = Some(snapshot.status),
                Some(Event::Status(status)) => facts.status = Some(status),
                Some(Event::Ready(item)) => {
                    if ready.is_empty() {
                        gathered.as_mut().reset(tokio::time::Instant::now() + GATHER);
                    }
                    ready.push(item);
                    if !is_looked_at(&app) {
                        desk.unseen.send_replace(true);
                    }
                }
                Some(_) => {}
                None => return,
            },
            () = &mut gathered, if !ready.is_empty() => notify::ready(&std::mem::take(&mut ready), now).await,
        }
    }
}

/// A task of its own, so that no select above drops a half-taken event.
async fn carry(mut news: News, to: tokio::sync::mpsc::Sender<Event>) {
    while let Some(event) = news.next().await {
        if to.send(event).await.is_err() {
            return;
        }
    }
}

fn is_looked_at(app: &AppHandle) -> bool {
    app.get_webview_window(window::MAIN)
        .is_some_and(|w| w.is_visible().unwrap_or(false) && w.is_focused().unwrap_or(false))
}

impl Tray {
    fn show(&self, view: &View, before: Option<&View>, words: &Words) -> tauri::Result<()> {
        if before.is_none_or(|b| (b.look, b.dark) != (view.look, view.dark)) {
            self.icon.set_icon(Some(picture(view.look, view.dark)?))?;
        }
        self.state.set_text(view.state)?;
        self.rates.set_text(&view.rates)?;
        self.pause.set_text(if view.paused { words.resume } else { words.pause })?;
        // A click turns a mark around by itself: they are set each time.
        for (line, kind) in
            [(&self.direct, RouteKind::Direct), (&self.tor, RouteKind::Tor), (&self.proxy, RouteKind::Proxy)]
        {
            line.set_checked(view.route == Some(kind))?;
        }
        if before.is_none_or(|b| b.words != view.words) {
            self.hour.set_text(words.pause_hour)?;
            self.tomorrow.set_text(words.pause_tomorrow)?;
            self.route.set_text(words.route)?;
            self.direct.set_text(words.direct)?;
            self.proxy.set_text(words.proxy)?;
            self.open.set_text(words.open)?;
            self.quit.set_text(words.quit)?;
        }
        self.icon.set_tooltip(Some(format!("Megatorrent: {}\n{}", view.state, view.rates)))
    }
}

/// The panel's ground: GNOME's is dark whatever the theme; elsewhere it follows the theme.
fn is_dark(app: &AppHandle) -> bool {
    let gnome = std::env::var("XDG_CURRENT_DESKTOP").is_ok_and(|desktop| desktop.contains("GNOME"));
    let theme = app.get_webview_window(window::MAIN).and_then(|window| window.theme().ok());
    gnome || theme == Some(tauri::Theme::Dark)
}

fn picture(look: Look, dark: bool) -> tauri::Result<Image<'static>> {
    macro_rules! both {
        ($name:literal) => {
            if dark {
                include_bytes!(concat!("../icons/tray/", $name, "-on-dark.png")).as_slice()
            } else {
                include_bytes!(concat!("../icons/tray/", $name, "-on-light.png")).as_slice()
            }
        };
    }
    Image::from_bytes(match look {
        Look::Running => both!("running"),
        Look::Receiving => both!("receiving"),
        Look::Ready => both!("ready"),
        Look::Paused => both!("paused"),
        Look::Offline => both!("offline"),
        Look::Lost => both!("lost"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Language;
    use node::api::{Code, ErrorInfo};

    fn view(node: NodeState, status: Option<Status>, unseen: bool) -> View {
        Facts { node, status, unseen }.view(words(Language::En), false)
    }

    #[test]
    fn the_picture_says_the_state() {
        let status = Status { peers: 3, dht_nodes: Some(40), ..Status::default() };
        let receiving = Status { down: 1_500_000, up: 20_000, ..status.clone() };
        let running = |status: &Status, unseen| view(NodeState::Running, Some(status.clone()), unseen);
        assert_eq!(running(&status, false).look, Look::Running);
        assert_eq!(running(&status, true).look, Look::Ready);
        assert_eq!(running(&receiving, true).look, Look::Receiving, "what moves comes first");
        assert_eq!(running(&receiving, false).rates, "↓ 1.5 MB/s   ↑ 20 KB/s");
        assert_eq!(running(&Status { paused: true, ..receiving.clone() }, true).look, Look::Paused);
        assert_eq!(running(&Status::default(), false).look, Look::Offline);
        let mut lost = receiving.clone();
        lost.route.kind = RouteKind::Tor;
        assert_eq!(running(&lost, false).look, Look::Offline, "Tor starts");
        lost.route.state = RouteStanding::Up;
        assert_eq!(running(&lost, false).look, Look::Receiving);
        lost.route.state = RouteStanding::Down { why: "x".into(), reason: Default::default() };
        let view_of_lost = running(&Status { paused: true, ..lost }, true);
        assert_eq!((view_of_lost.look, view_of_lost.state), (Look::Lost, "Route lost. Nothing leaves this device"));
        let failed = NodeState::Failed { error: ErrorInfo::new(Code::Busy, "x") };
        let failed = view(failed, Some(receiving), false);
        assert_eq!((failed.look, failed.state), (Look::Offline, "Not running"));
        assert_eq!(failed.rates, "↓ 0 B/s   ↑ 0 B/s", "a stopped node moves nothing");
    }

    #[test]
    fn a_pause_until_tomorrow_ends_at_midnight() {
        let now: jiff::Zoned = "2026-03-28T21:30:00+01:00[Europe/Berlin]".parse().unwrap();
        assert_eq!(until_tomorrow(&now), Some(9000));
        let short: jiff::Zoned = "2026-03-29T00:30:00+01:00[Europe/Berlin]".parse().unwrap();
        assert_eq!(until_tomorrow(&short), Some(81_000), "an hour is lost that night");
    }

    #[test]
    fn every_picture_is_one() {
        for look in [Look::Running, Look::Receiving, Look::Ready, Look::Paused, Look::Offline, Look::Lost] {
            for dark in [false, true] {
                assert_eq!(picture(look, dark).unwrap().width(), 64);
            }
        }
    }
}
