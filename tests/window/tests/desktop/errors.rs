//! A node that cannot start: the window says why, and goes on once that is mended.

use super::alone;
use anyhow::Result;
use megatorrent_window_tests::{Desktop, Window, until};
use std::net::TcpListener;

#[test]
fn a_taken_port_is_told_and_tried_again() -> Result<()> {
    let desktop = Desktop::new()?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let args = ["--listen".to_owned(), taken.local_addr()?.to_string(), "--no-dht".to_owned()];
    std::fs::create_dir_all(desktop.data())?;
    std::fs::write(desktop.data().join("window.json"), r#"{"welcomed":true}"#)?;
    let window = Window::open(&desktop, &args)?;
    window.page.see("Megatorrent cannot start")?;
    window.page.see("The port is in use")?;
    // Each further try ends in another way than the one before: by that it is seen to have ended.
    let lock = std::fs::File::create(desktop.data().join("lock"))?;
    until("the data folder to be let go", || Ok(lock.try_lock().ok()))?;
    window.page.press("Try again")?;
    window.page.see("Another Megatorrent uses this data folder")?;
    drop(lock);
    window.page.press("Try again")?;
    window.page.see("The port is in use")?;
    drop(taken);
    window.page.press("Try again")?;
    window.page.see("Paste a channel link to begin")
}

#[test]
fn damage_is_told_and_not_made_worse() -> Result<()> {
    let desktop = Desktop::new()?;
    std::fs::create_dir_all(desktop.data())?;
    // Settings that cannot be read begin anew, and the old ones are kept aside.
    std::fs::write(desktop.data().join("window.json"), "{\"welcomed\": tr")?;
    let window = Window::open(&desktop, &alone(&[]))?;
    window.page.see("Follow a link. Keep the files.")?;
    window.page.see("The window's settings were damaged")?;
    assert!(desktop.data().join("window.json.broken").exists());
    window.page.press("Choose the route")?;
    window.page.press("Choose the folder")?;
    window.page.press("Start")?;
    window.page.see("Paste a channel link to begin")?;
    desktop.keys("ctrl+q")?;
    window.leave_by("Quit")?;

    let rubbish = b"this is no database, and it is long enough to be one".repeat(100);
    std::fs::write(desktop.data().join("store.db"), &rubbish)?;
    for left in ["store.db-wal", "store.db-shm"] {
        let _ = std::fs::remove_file(desktop.data().join(left));
    }
    let window = Window::open(&desktop, &alone(&[]))?;
    window.page.see("The data folder is damaged")?;
    assert_eq!(std::fs::read(desktop.data().join("store.db"))?, rubbish, "what may still be saved was overwritten");
    window.page.press("Make it anew")?;
    window.page.see("The database is made anew")?;
    window.page.see("Paste a channel link to begin")?;
    assert_eq!(std::fs::read(desktop.data().join("store.db.damaged1"))?, rubbish, "the damaged one is kept");
    desktop.keys("ctrl+q")?;
    window.leave_by("Quit")
}

#[test]
fn a_data_folder_in_use_or_not_to_be_made_is_told() -> Result<()> {
    let desktop = Desktop::new()?;
    std::fs::create_dir_all(desktop.data())?;
    std::fs::write(desktop.data().join("window.json"), r#"{"welcomed":true}"#)?;
    let lock = std::fs::File::create(desktop.data().join("lock"))?;
    lock.lock()?;
    let window = Window::open(&desktop, &alone(&[]))?;
    window.page.see("Another Megatorrent uses this data folder")?;
    drop(lock);
    window.page.press("Try again")?;
    window.page.see("Paste a channel link to begin")?;
    drop(window);

    std::fs::remove_dir_all(desktop.data())?;
    std::fs::write(desktop.data(), "a file where the folder should be")?;
    let window = Window::open(&desktop, &alone(&[]))?;
    window.page.see("Megatorrent cannot start")?;
    window.page.see("A file could not be read or written")?;
    std::fs::remove_file(desktop.data())?;
    window.page.press("Try again")?;
    window.page.see("Follow a link. Keep the files.")
}
