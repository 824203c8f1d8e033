//! What all parts of the shell share, and the tasks that talk to the page.

use crate::args::Args;
use crate::host::Drag;
use crate::house::House;
use crate::paths::Paths;
use crate::post::Post;
use crate::settings::Settings;
use node::api::ErrorInfo;
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tauri::async_runtime::JoinHandle;
use tokio::sync::watch;

/// Listeners of one kind that a page may have; the oldest ends.
const LISTENERS_MAX: usize = 8;

/// Managed by Tauri: one for the program.
pub(crate) struct Desk {
    pub(crate) args: Args,
    pub(crate) data_dir: PathBuf,
    pub(crate) house: Arc<House>,
    pub(crate) settings: Settings,
    pub(crate) paths: Paths,
    /// Links that were clicked, checked and written in the one way.
    pub(crate) links: Post<String>,
    /// What a person should know; goes out among the node's events.
    pub(crate) notices: Post<ErrorInfo>,
    pub(crate) drags: Post<Drag>,
    /// The cross was clicked where that ends the program.
    pub(crate) closes: Post<()>,
    /// A page listens for it.
    pub(crate) closes_heard: AtomicBool,
    /// The page was told, and nobody answered yet.
    pub(crate) close_asked: AtomicBool,
    /// Whether the window can be seen; nothing is drawn while it cannot.
    pub(crate) visible: watch::Sender<bool>,
    /// An item became ready since the window was last looked at.
    pub(crate) unseen: watch::Sender<bool>,
    pub(crate) quitting: AtomicBool,
    listeners: Mutex<HashMap<&'static str, VecDeque<JoinHandle<()>>>>,
}

impl Desk {
    pub(crate) fn new(args: Args, data_dir: PathBuf) -> Self {
        let settings = Settings::open(&data_dir);
        Self {
            house: House::new(args.clone(), data_dir.clone()),
            args,
            data_dir,
            settings,
            paths: Paths::default(),
            links: Post::default(),
            notices: Post::default(),
            drags: Post::default(),
            closes: Post::default(),
            closes_heard: AtomicBool::new(false),
            close_asked: AtomicBool::new(false),
            visible: watch::Sender::new(false),
            unseen: watch::Sender::new(false),
            quitting: AtomicBool::new(false),
            listeners: Mutex::new(HashMap::new()),
        }
    }

    /// Runs a task that tells the page something, until the page goes.
    pub(crate) fn tell(&self, kind: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let task = tauri::async_runtime::spawn(work);
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let tasks = listeners.entry(kind).or_default();
        tasks.push_back(task);
        if tasks.len() > LISTENERS_MAX
            && let Some(oldest) = tasks.pop_front()
        {
            oldest.abort();
        }
    }

    /// A new page begins: nobody hears the old one's listeners, and its handles are worth nothing.
    pub(crate) fn new_page(&self) {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.drain().flat_map(|(_, tasks)| tasks).for_each(|task| task.abort());
        self.closes_heard.store(false, Ordering::SeqCst);
        self.close_asked.store(false, Ordering::SeqCst);
        self.paths.forget();
    }
}
