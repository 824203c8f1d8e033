//! Something to drag from: a small window that hands out its arguments, paths of files and folders, to whatever they are
//! dropped on. The tests of the window put it on their screen in place of a file manager.

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use gtk::gdk::{DragAction, ModifierType};
    use gtk::prelude::*;

    if gtk::init().is_err() {
        return std::process::ExitCode::FAILURE;
    }
    let files = std::env::args_os().skip(1).map(|path| gtk::gio::File::for_path(path).uri().to_string());
    let files: Vec<String> = files.collect();
    let window = gtk::Window::new(gtk::WindowType::Popup);
    window.set_title("Drag from here");
    window.move_(0, 0);
    window.set_default_size(40, 40);
    let ground = gtk::EventBox::new();
    let target = gtk::TargetEntry::new("text/uri-list", gtk::TargetFlags::OTHER_APP, 0);
    ground.drag_source_set(ModifierType::BUTTON1_MASK, &[target], DragAction::COPY);
    ground.connect_drag_data_get(move |_, _, data, _, _| {
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        data.set_uris(&files);
    });
    ground.connect_drag_end(|_, _| gtk::main_quit());
    window.add(&ground);
    window.show_all();
    gtk::main();
    std::process::ExitCode::SUCCESS
}

#[cfg(not(target_os = "linux"))]
fn main() {}
