//! Prepares the shell: its commands become permissions, and `ui/dist` is packed into the program.
//!
//! Without `ui/dist` (a clone in which the window was not built yet) the crate still builds, for lints and for the tests
//! of other crates: a page that says what to do takes the window's place. A release is never made so.

use std::error::Error;
use std::path::PathBuf;

/// Every command of `commands.rs`. The window may call those that `capabilities/window.json` lists.
const COMMANDS: &[&str] = &[
    "call",
    "closes",
    "copy_text",
    "drags",
    "host_settings",
    "links",
    "node_state",
    "open_file",
    "open_folder",
    "pick",
    "picture",
    "play",
    "play_outside",
    "quit",
    "rebuild",
    "retry",
    "save",
    "set_host_settings",
    "stay",
    "surroundings",
    "watch",
];

const NOT_BUILT: &str = "<!doctype html><meta charset=\"utf-8\"><title>Megatorrent</title>
<p>The window is not built yet. <code>cargo xtask run</code> builds it.</p>
";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=src-tauri/build.rs");
    println!("cargo:rerun-if-changed=src-tauri/capabilities");
    println!("cargo:rerun-if-changed=ui/dist");
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    if !root.join("ui/dist/index.html").is_file() {
        if std::env::var("PROFILE")? == "release" {
            return Err("ui/dist is missing: cd ui && npm ci && npm run build".into());
        }
        let stand_in = PathBuf::from(std::env::var("OUT_DIR")?).join("window-not-built");
        std::fs::create_dir_all(&stand_in)?;
        std::fs::write(stand_in.join("index.html"), NOT_BUILT)?;
        let config = serde_json::json!({ "build": { "frontendDist": stand_in } });
        println!("cargo:rustc-env=TAURI_CONFIG={config}");
    }
    let manifest = tauri_build::AppManifest::new().commands(COMMANDS);
    let attributes = tauri_build::Attributes::new()
        .capabilities_path_pattern("src-tauri/capabilities/**/*.json")
        .app_manifest(manifest);
    Ok(tauri_build::try_build(attributes)?)
}
