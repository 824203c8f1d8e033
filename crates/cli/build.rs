//! Builds anew when the window's pages were: they are packed into the program. Says so where there are none to pack.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../../ui/dist");
    if !Path::new("../../ui/dist/index.html").is_file() {
        println!(
            "cargo:warning=`megatorrent daemon --web` will have no pages to show: `cargo xtask pages` makes them (it takes \
             Node 20.19 or newer), then build again"
        );
    }
}
