//! Who shows a desktop's notifications and its tray: small D-Bus services that only write down what they are told.

use super::{Desktop, until};
use anyhow::{Context, Result, anyhow};
use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use zbus::blocking::{Connection, Proxy, connection};
use zbus::zvariant::{OwnedValue, Value};

/// A notification as a desktop gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Its title.
    pub summary: String,
    /// Its text: markup, where the desktop says that it reads markup, as this one does.
    pub body: String,
}

struct Notifications(Mutex<Sender<Notification>>);

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Notifications {
    #[allow(clippy::too_many_arguments, reason = "the specification's signature")]
    fn notify(
        &self,
        _app_name: String,
        _replaces: u32,
        _icon: String,
        summary: String,
        body: String,
        _actions: Vec<String>,
        _hints: HashMap<String, OwnedValue>,
        _timeout: i32,
    ) -> u32 {
        // A test that has seen enough listens no more.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).send(Notification { summary, body });
        1
    }
    fn get_capabilities(&self) -> Vec<&str> {
        vec!["body", "body-markup"]
    }
    fn get_server_information(&self) -> (&str, &str, &str, &str) {
        ("observer", "Megatorrent's tests", "1", "1.2")
    }
    fn close_notification(&self, _id: u32) {}
}

/// Bus name and object path of a tray's entry.
type Entry = (String, String);

struct Watcher(Arc<Mutex<Vec<Entry>>>);

#[zbus::interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    fn register_status_notifier_item(&self, service: String, #[zbus(header)] header: zbus::message::Header<'_>) {
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        let entry = if service.starts_with('/') { (sender, service) } else { (service, "/StatusNotifierItem".into()) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }
    fn register_status_notifier_host(&self, _service: String) {}
    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().map(|(name, path)| format!("{name}{path}")).collect()
    }
    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }
    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }
}

/// A panel and a notification server in one. Start it before the program.
pub struct Observer {
    bus: Connection,
    entries: Arc<Mutex<Vec<Entry>>>,
    notifications: Receiver<Notification>,
}

impl Observer {
    /// Takes both names on the desktop's session bus.
    ///
    /// # Errors
    /// The bus refuses.
    pub fn start(desktop: &Desktop) -> Result<Self> {
        let (told, notifications) = channel();
        let entries = Arc::new(Mutex::new(Vec::new()));
        let bus = connection::Builder::address(desktop.bus())?
            .serve_at("/org/freedesktop/Notifications", Notifications(Mutex::new(told)))?
            .serve_at("/StatusNotifierWatcher", Watcher(entries.clone()))?
            .name("org.freedesktop.Notifications")?
            .name("org.kde.StatusNotifierWatcher")?
            .build()?;
        Ok(Self { bus, entries, notifications })
    }

    /// The next notification.
    ///
    /// # Errors
    /// None comes.
    pub fn notification(&self) -> Result<Notification> {
        self.notifications.recv_timeout(super::PATIENCE).context("no notification came")
    }

    /// Lines of the tray's menu and of those that open from it: number and words.
    ///
    /// # Errors
    /// There is no entry in the tray.
    pub fn menu(&self) -> Result<Vec<(i32, String)>> {
        let menu = self.menu_proxy()?;
        let (_, (_, _, children)): (u32, Line) = menu.call("GetLayout", &(0_i32, -1_i32, Vec::<&str>::new()))?;
        let mut lines = Vec::new();
        children.iter().try_for_each(|child| gather(child, &mut lines))?;
        Ok(lines)
    }

    /// Waits until a line of the tray's menu begins so.
    ///
    /// # Errors
    /// None ever does; with those that there are.
    pub fn see(&self, words: &str) -> Result<i32> {
        until(&format!("the tray's line {words:?}"), || {
            let lines = self.menu()?;
            let found = lines.iter().find(|(_, text)| text.starts_with(words));
            found.map(|(id, _)| Some(*id)).ok_or_else(|| anyhow!("the tray says: {lines:?}"))
        })
    }

    /// Clicks a line of the tray's menu.
    ///
    /// # Errors
    /// There is none.
    pub fn click(&self, words: &str) -> Result<()> {
        let id = self.see(words)?;
        self.menu_proxy()?.call::<_, _, ()>("Event", &(id, "clicked", Value::from(0_i32), 0_u32))?;
        Ok(())
    }

    fn menu_proxy(&self) -> Result<Proxy<'static>> {
        let (name, path) = until("an entry in the tray", || {
            Ok(self.entries.lock().unwrap_or_else(PoisonError::into_inner).last().cloned())
        })?;
        let item = Proxy::new(&self.bus, name.clone(), path, "org.kde.StatusNotifierItem")?;
        let menu: zbus::zvariant::OwnedObjectPath = item.get_property("Menu")?;
        Ok(Proxy::new(&self.bus, name, menu, "com.canonical.dbusmenu")?)
    }
}

/// `(ia{sv}av)`: number, properties, children.
type Line = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

/// A line's number and words, then those of the menu that opens from it; a separator has no words.
fn gather(child: &Value<'_>, lines: &mut Vec<(i32, String)>) -> Result<()> {
    let strange = || anyhow!("no line of a menu: {child:?}");
    let Value::Structure(child) = child else { return Err(strange()) };
    let [Value::I32(id), Value::Dict(properties), Value::Array(children)] = child.fields() else {
        return Err(strange());
    };
    lines.push((*id, properties.get::<_, String>(&"label")?.unwrap_or_default()));
    children.iter().try_for_each(|child| match child {
        Value::Value(child) => gather(child, lines),
        child => gather(child, lines),
    })
}
