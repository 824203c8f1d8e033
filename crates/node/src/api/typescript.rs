//! The same types for the window: `ui/src/host/gen/api.ts` is written from the Rust types, never by hand, and the test
//! below fails when it differs. `cargo xtask types` writes it again.

use super::{ErrorInfo, Event, Rebuilt, Reply, Request};
use std::any::TypeId;
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use ts_rs::{Config, TS, TypeVisitor};

/// Where the window looks for it.
const PLACE: &str = "../../ui/src/host/gen/api.ts";
/// Set by `cargo xtask types`: write instead of compare.
const WRITE: &str = "MEGATORRENT_WRITE_TYPES";
const HEAD: &str = "\
// Every verb, reply, event and error code of the program.
// Written from crates/node/src/api.rs by `cargo xtask types`; a test fails when the two differ.
// Sizes, counts and times are whole numbers below 2^53; paths are text.
";

/// Every declared type that can be reached from those visited first, by name.
struct Declared {
    config: Config,
    seen: HashSet<TypeId>,
    by_name: BTreeMap<String, String>,
}

impl TypeVisitor for Declared {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        if !self.seen.insert(TypeId::of::<T>()) {
            return;
        }
        if T::output_path().is_some() {
            let docs = T::docs().unwrap_or_default();
            let text = format!("{}export {}\n", docs, T::decl(&self.config));
            assert!(self.by_name.insert(T::ident(&self.config), text).is_none(), "two types with one name");
        }
        T::visit_dependencies(self);
        T::visit_generics(self);
    }
}

fn written() -> String {
    let config = Config::new().with_large_int("number");
    let mut all = Declared { config, seen: HashSet::new(), by_name: BTreeMap::new() };
    all.visit::<Request>();
    all.visit::<Reply>();
    all.visit::<Event>();
    all.visit::<ErrorInfo>();
    all.visit::<Rebuilt>();
    let declared: Vec<String> = all.by_name.into_values().collect();
    // One line for a comment of one line, and nothing at the ends of lines.
    let text = declared.join("\n").replace("/**\n * ", "/** ").replace("\n */", " */").replace(" \n", "\n");
    format!("{HEAD}\n{text}")
}

#[test]
fn the_windows_types_are_those_of_the_api() {
    let place = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(PLACE);
    let written = written();
    if std::env::var_os(WRITE).is_some() {
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(&place, &written).unwrap();
    }
    let there = std::fs::read_to_string(&place).unwrap_or_default().replace("\r\n", "\n");
    assert!(there == written, "{} differs from crates/node/src/api.rs: run `cargo xtask types`", place.display());
}
