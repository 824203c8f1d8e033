//! Writes, or compares, `ui/src/host/gen/shell.ts`.

use super::{Drag, Handed, HostSettings, HostSettingsChange, NodeState, Pick, Surroundings};
use std::any::TypeId;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use ts_rs::{Config, TS, TypeVisitor};

const HEAD: &str = "\
// What the window and the desktop shell tell each other beside the node's own types.
// Written from src-tauri/host.rs by `cargo xtask types`; a test fails when the two differ.

import type { ErrorInfo } from \"./api\";
";

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
            let text = format!("{}export {}\n", T::docs().unwrap_or_default(), T::decl(&self.config));
            self.by_name.insert(T::ident(&self.config), text);
        }
        T::visit_dependencies(self);
        T::visit_generics(self);
    }
}

fn written() -> String {
    let config = Config::new().with_large_int("number");
    let mut all = Declared { config, seen: HashSet::new(), by_name: BTreeMap::new() };
    all.visit::<Drag>();
    all.visit::<Handed>();
    all.visit::<HostSettings>();
    all.visit::<HostSettingsChange>();
    all.visit::<NodeState>();
    all.visit::<Pick>();
    all.visit::<Surroundings>();
    let declared: Vec<String> = all.by_name.into_values().collect();
    let text = declared.join("\n").replace("/**\n * ", "/** ").replace("\n */", " */").replace(" \n", "\n");
    format!("{HEAD}\n{text}")
}

#[test]
fn the_windows_types_are_those_of_the_shell() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui/src/host/gen/shell.ts");
    let written = written();
    if std::env::var_os("MEGATORRENT_WRITE_TYPES").is_some() {
        std::fs::write(&place, &written).unwrap();
    }
    let there = std::fs::read_to_string(&place).unwrap_or_default().replace("\r\n", "\n");
    assert!(there == written, "{} differs from src-tauri/host.rs: run `cargo xtask types`", place.display());
}
