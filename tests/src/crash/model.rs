//! What the person knows of their device, and whether it is so.

use super::Scene;
use crate::process::Home;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A file's bytes, as far as they matter here.
pub(super) type Print = [u8; 32];

/// A folder that was published, and the bytes of its files by their paths in it.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) folder: PathBuf,
    pub(super) files: BTreeMap<PathBuf, Print>,
    pub(super) bytes: u64,
}

impl Source {
    /// Looks at the folder as it is now.
    pub(super) fn of(folder: &Path) -> Result<Self> {
        let mut source = Self { folder: folder.to_owned(), files: BTreeMap::new(), bytes: 0 };
        source.look()?;
        Ok(source)
    }

    /// Its files were changed by the person.
    pub(super) fn look(&mut self) -> Result<()> {
        self.files.clear();
        self.bytes = 0;
        for path in crate::folder::files(&self.folder)? {
            let bytes = std::fs::read(self.folder.join(&path))?;
            self.bytes += bytes.len() as u64;
            self.files.insert(path, print(&bytes));
        }
        Ok(())
    }
}

pub(super) fn print(bytes: &[u8]) -> Print {
    Sha256::digest(bytes).into()
}

/// Everything that is to be so.
#[derive(Debug, Default)]
pub struct Model {
    /// The channel that is followed.
    pub(super) channel: String,
    /// What its author offers, by title.
    pub(super) offers: BTreeMap<String, Source>,
    /// Of these, what is wanted here.
    pub(super) wanted: BTreeSet<String>,
    /// Of these, what is pinned.
    pub(super) pinned: BTreeSet<String>,
    /// What is published from here, by title, in which channel.
    pub(super) own: BTreeMap<String, (String, Source)>,
    /// Files that the person wrote or changed among the downloads: they lie somewhere.
    pub(super) hands: BTreeMap<Print, String>,
    /// Local names of identities.
    pub(super) identities: BTreeSet<String>,
    /// Settings that were made.
    pub(super) settings: BTreeMap<String, Value>,
    /// Another channel is followed.
    pub(super) other: Option<(String, bool)>,
}

impl Scene {
    /// A command of the device; it may bring its own node, which then finds the same peers and no others.
    pub(super) fn tell(&self, args: &[&str]) -> Result<Value> {
        let mut all = self.home.network();
        all.extend(["--peer".to_owned(), self.author_node.address().to_owned()]);
        all.extend(args.iter().map(|&arg| arg.to_owned()));
        self.home.ask(all)
    }
}

fn named<'a>(all: &'a Value, name: &str) -> Option<&'a Value> {
    all.as_array()?.iter().find(|one| one["name"] == name)
}

impl Model {
    /// What is wanted and not here yet, if anything is.
    pub(super) fn waits(&self, home: &Home) -> Result<Option<String>> {
        let items = home.ask(["items", &self.channel])?;
        for title in &self.wanted {
            let offer = &self.offers[title];
            let Some(item) = named(&items, title) else { return Ok(Some(format!("{title} is not listed"))) };
            if item["state"] != "complete" || item["bytes"] != offer.bytes || item["have"] != offer.bytes {
                return Ok(Some(item.to_string()));
            }
        }
        Ok(None)
    }

    /// What holds at each moment, whatever was cut off; `but` is the item that the deed was about.
    pub(super) fn holds_at_once(&self, home: &Home, but: Option<&str>) -> Result<()> {
        for (_, source) in self.own.values() {
            for (path, right) in &source.files {
                let bytes =
                    std::fs::read(source.folder.join(path)).with_context(|| format!("{} is gone", path.display()))?;
                if print(&bytes) != *right {
                    bail!("{} in {} is not what its person wrote", path.display(), source.folder.display());
                }
            }
        }
        let identities = names(&home.ask(["id", "list"])?);
        if let Some(lost) = self.identities.iter().find(|name| !identities.contains(*name)) {
            bail!("the identity {lost} is gone");
        }
        let channels = home.ask(["channels"])?;
        let follows = |key: &str| channels.as_array().is_some_and(|all| all.iter().any(|one| one["key"] == key));
        if !follows(&self.channel) {
            bail!("the channel is not followed any more: {channels}");
        }
        let items = home.ask(["items", &self.channel])?;
        let mut pinned = self.pinned.iter().filter(|title| Some(title.as_str()) != but);
        if let Some(lost) = pinned.find(|title| named(&items, title).is_none_or(|one| one["pinned"] != true)) {
            bail!("{lost} is not pinned any more: {items}");
        }
        Ok(())
    }

    /// Everything, once the device is at rest.
    pub(super) fn holds(&self, home: &Home, elsewhere: &Path) -> Result<()> {
        self.holds_at_once(home, None)?;
        let identities = names(&home.ask(["id", "list"])?);
        if identities != self.identities {
            bail!("identities are {identities:?} and not {:?}", self.identities);
        }
        let settings = home.ask(["set"])?;
        for (name, right) in &self.settings {
            if settings[name] != *right {
                bail!("the setting {name} is {} and not {right}", settings[name]);
            }
        }
        if let Some((key, followed)) = &self.other {
            let channels = home.ask(["channels"])?;
            let is = channels.as_array().is_some_and(|all| all.iter().any(|one| one["key"] == **key));
            if is != *followed {
                bail!("the other channel: followed {is} and not {followed}");
            }
        }
        self.own_channels(home)?;
        self.downloads(home)?;
        let mut lie = BTreeSet::new();
        for root in [home.path(), elsewhere] {
            for path in crate::folder::files(root)? {
                let path = root.join(path);
                // The points' own folder is none of the program's.
                if is_stray(&path) && !path.starts_with(home.path().join("cut")) {
                    bail!("{} was left lying", path.display());
                }
                let inside = path.starts_with(home.data()) && !path.starts_with(home.data().join("downloads"));
                if inside || std::fs::symlink_metadata(&path)?.len() > 4096 {
                    continue;
                }
                lie.insert(print(&std::fs::read(&path)?));
            }
        }
        match self.hands.iter().find(|(hand, _)| !lie.contains(*hand)) {
            Some((_, what)) => bail!("what the person wrote is gone: {what}"),
            None => Ok(()),
        }
    }

    fn own_channels(&self, home: &Home) -> Result<()> {
        let mut right: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (title, (channel, _)) in &self.own {
            right.entry(channel).or_default().insert(title);
        }
        for (channel, titles) in right {
            let items = home.ask(["items", channel])?;
            let listed: Vec<&str> =
                items.as_array().into_iter().flatten().filter_map(|one| one["name"].as_str()).collect();
            let same: BTreeSet<&str> = listed.iter().copied().collect();
            if same != titles || listed.len() != titles.len() {
                bail!("{channel} lists {listed:?} and not {titles:?}");
            }
            for one in items.as_array().into_iter().flatten() {
                if one["state"] != "published" || one["bytes"] != one["have"] {
                    bail!("what is published is not whole: {one}");
                }
            }
        }
        Ok(())
    }

    fn downloads(&self, home: &Home) -> Result<()> {
        let items = home.ask(["items", &self.channel])?;
        for title in &self.wanted {
            let item = named(&items, title).context("an item")?;
            let path = Path::new(item["path"].as_str().context("an item's path")?);
            let mut here = BTreeSet::new();
            if path.is_dir() {
                for file in crate::folder::files(path)? {
                    here.insert(print(&std::fs::read(path.join(file))?));
                }
            } else {
                here.insert(print(&std::fs::read(path).with_context(|| format!("{} is gone", path.display()))?));
            }
            for (file, right) in &self.offers[title].files {
                if !here.contains(right) {
                    bail!("{title} is called complete, and {} is not in {}", file.display(), path.display());
                }
            }
        }
        for one in items.as_array().into_iter().flatten() {
            let (title, state) = (one["name"].as_str().unwrap_or_default(), one["state"].as_str().unwrap_or_default());
            if state != "listed" && !self.wanted.contains(title) {
                bail!("{title} is not wanted and is {state}");
            }
        }
        Ok(())
    }
}

fn names(all: &Value) -> BTreeSet<String> {
    all.as_array().into_iter().flatten().filter_map(|one| one["name"].as_str().map(str::to_owned)).collect()
}

/// Whether a file is one of those that are there only while something is written.
fn is_stray(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = name.rsplit_once(".part").is_some_and(|(_, rest)| rest.bytes().all(|b| b.is_ascii_digit()));
    part || name.ends_with(".new") || name.starts_with(".new-") || name.starts_with(".tmp") || name == "store.db.copy"
}
