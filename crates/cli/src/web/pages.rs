//! The window's pages, packed into the program.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

/// What `npm run build` made of `ui/`. Without it (a clone in which the window was not built) the program still builds,
/// and says so where a page should be.
#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../ui/dist"]
#[allow_missing = true]
struct Pages;

const NOT_BUILT: &str =
    "This program was built without its web pages. `cargo xtask pages` builds them; then build it again.\n";

/// The page at a path of the address, or that there is none.
pub(super) fn page(path: &str) -> Response {
    let name = match path.trim_start_matches('/') {
        "" => "index.html",
        name => name,
    };
    match Pages::get(name) {
        Some(file) => {
            // Everything but the first page is named after what it holds.
            let keep = if name.starts_with("assets/") { "max-age=31536000, immutable" } else { "no-cache" };
            let headers = [(header::CONTENT_TYPE, media_type(name)), (header::CACHE_CONTROL, keep)];
            (headers, file.data.into_owned()).into_response()
        }
        None if name == "index.html" => (StatusCode::SERVICE_UNAVAILABLE, NOT_BUILT).into_response(),
        None => (StatusCode::NOT_FOUND, "There is no such page.\n").into_response(),
    }
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}
