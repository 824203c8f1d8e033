//! The desktop program: a window, a tray, and the node behind them. Thin by intent: it carries calls and events between
//! the page (`ui/`) and `node::api`, and does what only a desktop program can.

#![cfg_attr(all(windows, not(debug_assertions)), windows_subsystem = "windows")]

mod args;
mod clipboard;
mod commands;
mod desk;
mod files;
mod host;
mod house;
mod links;
mod notify;
mod open;
mod paths;
mod post;
mod quit;
mod settings;
mod surroundings;
mod tray;
mod window;
mod words;

use crate::args::Args;
use crate::desk::Desk;
use anyhow::{Context as _, Result};
use clap::Parser as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use tauri::{AppHandle, Manager as _, RunEvent};
use tauri_plugin_deep_link::DeepLinkExt as _;
use tracing_subscriber::EnvFilter;

fn main() -> Result<()> {
    node::process::settle();
    args::forget_variable()?;
    let args = Args::parse().with_passphrase()?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    // One runtime for the node and the shell; this thread, which is the windows', may start tasks on it too.
    let runtime = tokio::runtime::Runtime::new()?;
    tauri::async_runtime::set(runtime.handle().clone());
    let _inside = runtime.enter();
    let data_dir = data_dir(&args)?;
    let instance = instance(&args, &data_dir);
    let desk = Desk::new(args, data_dir);
    if let Some(link) = &desk.args.link {
        links::take(&desk, link);
    }
    let single = tauri_plugin_single_instance::Builder::new();
    let single = single.dbus_id(instance).callback(|app, argv, _| links::second_start(app, argv));
    tauri::Builder::default()
        .plugin(single.build())
        .plugin(tauri_plugin_window_state::Builder::new().with_state_flags(remembered()).build())
        .plugin(tauri_plugin_autostart::Builder::new().arg("--hidden").build())
        .plugin(tauri_plugin_deep_link::init())
        .plugin(tauri_plugin_dialog::init())
        .manage(desk)
        .invoke_handler(tauri::generate_handler![
            commands::call,
            commands::closes,
            commands::copy_text,
            commands::drags,
            commands::host_settings,
            commands::links,
            commands::node_state,
            commands::open_file,
            commands::open_folder,
            commands::pick,
            commands::picture,
            commands::play,
            commands::play_outside,
            commands::quit,
            commands::rebuild,
            commands::retry,
            commands::save,
            commands::set_host_settings,
            commands::stay,
            commands::surroundings,
            commands::watch,
        ])
        .on_window_event(window::on_event)
        .setup(|app| Ok(set_up(app.handle())?))
        .build(tauri::generate_context!())
        .context("the window system cannot be used")?
        .run(on_run);
    Ok(())
}

fn set_up(app: &AppHandle) -> Result<()> {
    let desk = app.state::<Desk>();
    quit::on_signals(app)?;
    window::make(app)?;
    tray::start(app);
    register_scheme(app);
    let (house, offline) = (desk.house.clone(), !desk.settings.all().welcomed);
    tauri::async_runtime::spawn(async move { house.start(offline).await });
    Ok(())
}

/// Links reach Linux and Windows programs as an argument; macOS tells a running program.
fn register_scheme(app: &AppHandle) {
    let handle = app.clone();
    app.deep_link().on_open_url(move |event| {
        if cfg!(target_os = "macos") {
            let desk = handle.state::<Desk>();
            event.urls().iter().for_each(|url| links::take(&desk, url.as_str()));
            window::show(&handle);
        }
    });
    // A program that was not installed by a package is nobody's handler yet. One that was leaves that to its package.
    let installed = std::env::current_exe().is_ok_and(|exe| exe.starts_with("/usr"));
    let ours = app.state::<Desk>().args.data_dir.is_none();
    if ours
        && !installed
        && !cfg!(debug_assertions)
        && let Err(error) = app.deep_link().register_all()
    {
        tracing::warn!(%error, "links in other programs do not open this one");
    }
}

fn on_run(app: &AppHandle, event: RunEvent) {
    if let RunEvent::ExitRequested { api, code, .. } = event
        && code.is_none()
        && !app.state::<Desk>().quitting.load(Ordering::SeqCst)
    {
        api.prevent_exit();
        quit::quit(app);
    }
}

/// The data folder: the command line's, unless another is named. Only its owner looks into it. One that cannot be made
/// is the node's to complain about: the window tells.
fn data_dir(args: &Args) -> Result<PathBuf> {
    let dir = match &args.data_dir {
        Some(dir) => std::path::absolute(dir)?,
        None => directories::ProjectDirs::from("", "", "megatorrent")
            .context("this account has no home folder: name the data folder with --data-dir DIR")?
            .data_local_dir()
            .to_owned(),
    };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    if let Err(error) = builder.create(&dir) {
        tracing::error!(%error, "the data folder {} cannot be made", dir.display());
    }
    Ok(dir.canonicalize().unwrap_or(dir))
}

/// The name by which a second start finds the first: one for each data folder.
fn instance(args: &Args, data_dir: &Path) -> String {
    const NAME: &str = "org.megatorrent.desktop";
    if args.data_dir.is_none() {
        return NAME.to_owned();
    }
    let folder = data_encoding::HEXLOWER.encode(data_dir.as_os_str().as_encoded_bytes());
    // Names on the bus have at most 255 characters.
    let tail: String = folder.chars().rev().take(180).collect();
    format!("{NAME}.d{tail}")
}

/// What is remembered of the window: not whether it was visible, for that is for the tray to say.
fn remembered() -> tauri_plugin_window_state::StateFlags {
    use tauri_plugin_window_state::StateFlags;
    StateFlags::SIZE | StateFlags::POSITION | StateFlags::MAXIMIZED | StateFlags::FULLSCREEN
}
