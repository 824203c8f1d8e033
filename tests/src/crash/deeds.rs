//! What people do, each deed as one that can be cut off anywhere and done again.

use super::Scene;
use super::model::{Source, print};
use crate::people::text;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Bytes that come for a blob, with its frame.
const BLOB: u64 = 1_060_000;
/// Blobs that may be under way, asked for and not placed, when a process ends.
const UNDER_WAY: u64 = 40;
/// Bytes that lists, news and handshakes may take beside.
const BESIDE: u64 = 6 << 20;

/// One deed.
#[derive(Debug, Clone)]
pub struct Deed {
    /// What it is called.
    pub name: &'static str,
    what: What,
    /// Bytes that the author sends at most, however it is cut off.
    pub most: Option<u64>,
}

#[derive(Debug, Clone)]
enum What {
    Get(String),
    News(String),
    Remove(String, bool),
    Verify(String),
    Locate(String, PathBuf),
    Move(PathBuf),
    Keep(u64),
    Pin(String, bool),
    Skip(String, String),
    Set(String, String, Value),
    Publish(&'static str, String, PathBuf),
    Update(String),
    Unpublish(String),
    Rekey,
    Identity(String),
    Follow(bool),
    Pause(String),
    Restart,
    Stop,
}

const KINDS: [&str; 19] = [
    "get",
    "get",
    "news",
    "news",
    "remove",
    "verify",
    "locate",
    "move",
    "keep",
    "pin",
    "skip",
    "set",
    "publish",
    "update",
    "unpublish",
    "rekey",
    "identity",
    "follow",
    "restart",
];

/// The person's first hour: an author offers some items, the device follows, and has identities of its own.
pub(super) fn begin(scene: &mut Scene) -> Result<()> {
    scene.author.ask(["id", "new", "Author"])?;
    scene.author.ask(["id", "new", "Second"])?;
    let mut link = String::new();
    for (title, files) in [
        ("Long", &[("one.bin", 14_000_000_u64), ("two.bin", 9_000_000), ("deep/three.bin", 300)][..]),
        ("Small", &[("a", 3000), ("b", 70_000), ("empty", 0), ("c/d", 1_500_000)][..]),
        ("Single", &[("only.bin", 2_200_000)][..]),
        ("Texts", &[("x.txt", 900), ("y.txt", 1800), ("z/z.txt", 40)][..]),
    ] {
        let folder = crate::people::folder(&scene.author, title, files)?;
        let published = publish(&scene.author, "Author", title, &folder)?;
        link = text(&published, "link")?;
        scene.model.offers.insert(title.to_owned(), Source::of(&folder)?);
    }
    let other = crate::people::folder(&scene.author, "Other", &[("o", 500)])?;
    let other = text(&publish(&scene.author, "Second", "Other", &other)?, "link")?;
    scene.model.other = Some((key_of(&other), false));
    scene.model.channel = key_of(&link);
    scene.tell(&["subscribe", &link, "--fetch", "none"])?;
    let listed = |all: &Value| (all.as_array()?.len() == 4).then_some(());
    let channel = scene.model.channel.clone();
    crate::people::until(&scene.home, &["items", &channel], "the list", listed)?;
    for name in ["Open", "Hidden"] {
        scene.tell(&["id", "new", name])?;
        scene.model.identities.insert(name.to_owned());
    }
    Ok(())
}

fn key_of(link: &str) -> String {
    let key = link.trim_start_matches("megatorrent://");
    key.split(':').next().unwrap_or(key).to_owned()
}

fn publish(home: &crate::process::Home, by: &str, title: &str, folder: &Path) -> Result<Value> {
    home.ask(["publish".as_ref(), folder.as_os_str(), "--title".as_ref(), title.as_ref(), "--id".as_ref(), by.as_ref()])
}

/// The next deed, prepared as far as it goes without it. `None`: there is nothing to do of the kind that was drawn.
pub(super) fn next(scene: &mut Scene) -> Result<Option<Deed>> {
    let Some(kind) = scene.chance.one_of(&KINDS).copied() else { return Ok(None) };
    let wanted: Vec<String> = scene.model.wanted.iter().cloned().collect();
    let missing: Vec<String> =
        scene.model.offers.keys().filter(|title| !scene.model.wanted.contains(*title)).cloned().collect();
    let own: Vec<String> = scene.model.own.keys().cloned().collect();
    let one = |scene: &mut Scene, all: &[String]| scene.chance.one_of(all).cloned();
    let mut most = None;
    let (name, what) = match kind {
        "get" => {
            let Some(title) = one(scene, &missing) else { return Ok(None) };
            let blobs = scene.model.offers[&title].bytes / (1 << 20) + 4;
            most = Some((blobs + UNDER_WAY.min(blobs)) * BLOB + BESIDE);
            ("get", What::Get(title))
        }
        "news" => {
            let Some(title) = one(scene, &wanted) else { return Ok(None) };
            ("news", What::News(title))
        }
        "remove" => {
            let Some(title) = one(scene, &wanted) else { return Ok(None) };
            ("remove", What::Remove(title, scene.chance.below(3) > 0))
        }
        "verify" => {
            let Some(title) = one(scene, &wanted) else { return Ok(None) };
            touch(scene, &title)?;
            ("verify", What::Verify(title))
        }
        "locate" => {
            let Some(title) = one(scene, &wanted) else { return Ok(None) };
            let Some(to) = carry(scene, &title)? else { return Ok(None) };
            ("locate", What::Locate(title, to))
        }
        "move" => {
            let number = scene.chance.below(1 << 32);
            let to = match scene.chance.below(2) {
                0 => scene.elsewhere.path().join(format!("moved {number:x}")),
                _ => scene.home.path().join(format!("moved {number:x}")),
            };
            ("move", What::Move(to))
        }
        "keep" => ("keep", What::Keep(1 + scene.chance.below(3))),
        "pin" => {
            let Some(title) = one(scene, &wanted) else { return Ok(None) };
            let pinned = scene.model.pinned.contains(&title);
            ("pin", What::Pin(title, !pinned))
        }
        "skip" => match missing.iter().find(|title| *title == "Long") {
            Some(title) => ("skip", What::Skip(title.clone(), "two.bin".into())),
            None => return Ok(None),
        },
        "set" => {
            let rate = 50_000_000 + scene.chance.below(1000) * 1_000_000;
            let (name, member) =
                *scene.chance.one_of(&[("down", "down"), ("quota", "quota"), ("lend", "lend")]).context("one")?;
            let value = if name == "quota" { 900_000_000 + rate } else { rate };
            ("set", What::Set(name.into(), member.into(), json!(value)))
        }
        "publish" => {
            let by = *scene.chance.one_of(&["Open", "Hidden"]).context("one")?;
            let title = format!("Work {:x}", scene.chance.below(1 << 40));
            let folder = scene.home.path().join("works").join(&title);
            let big = scene.chance.below(3_000_000);
            crate::folder::write(&folder.join("big.bin"), big, big)?;
            crate::folder::write(&folder.join("in/small.txt"), 700, big + 1)?;
            ("publish", What::Publish(by, title, folder))
        }
        "update" => {
            let Some(title) = one(scene, &own) else { return Ok(None) };
            let bytes = scene.chance.bytes(900);
            let (_, source) = scene.model.own.get_mut(&title).context("one's own")?;
            std::fs::write(source.folder.join("in/small.txt"), bytes)?;
            source.look()?;
            ("update", What::Update(title))
        }
        "unpublish" => {
            let Some(title) = one(scene, &own).filter(|_| own.len() > 2) else { return Ok(None) };
            ("unpublish", What::Unpublish(title))
        }
        "rekey" => {
            if !scene.model.own.values().any(|(by, _)| by == "Hidden") {
                return Ok(None);
            }
            ("rekey", What::Rekey)
        }
        "identity" => {
            if scene.model.identities.len() > 12 {
                return Ok(None);
            }
            ("identity", What::Identity(format!("Name {:x}", scene.chance.below(1 << 40))))
        }
        "follow" => {
            let followed = scene.model.other.as_ref().is_some_and(|(_, followed)| *followed);
            ("follow", What::Follow(!followed))
        }
        "restart" => match scene.chance.below(3) {
            0 => ("stop", What::Stop),
            _ => ("restart", What::Restart),
        },
        _ => {
            let Some(title) = one(scene, &wanted) else { return Ok(None) };
            ("pause", What::Pause(title))
        }
    };
    Ok(Some(Deed { name, what, most }))
}

/// The path at which an item lies now.
fn path_of(scene: &Scene, title: &str) -> Result<PathBuf> {
    let items = scene.tell(&["items", &scene.model.channel])?;
    let item = items.as_array().into_iter().flatten().find(|one| one["name"] == title).context("the item")?;
    Ok(item["path"].as_str().context("its path")?.into())
}

/// The person writes into a finished file, or beside it, or takes one away.
fn touch(scene: &mut Scene, title: &str) -> Result<()> {
    let path = path_of(scene, title)?;
    let mut files: Vec<PathBuf> = match path.is_dir() {
        true => crate::folder::files(&path)?.into_iter().map(|file| path.join(file)).collect(),
        false => vec![path],
    };
    files.retain(|file| std::fs::metadata(file).is_ok_and(|meta| meta.len() > 0));
    let Some(file) = scene.chance.one_of(&files).cloned() else { return Ok(()) };
    // What they wrote there before they give up themselves.
    scene.model.hands.remove(&print(&std::fs::read(&file)?));
    match scene.chance.below(3) {
        0 => std::fs::remove_file(&file)?,
        _ => {
            let bytes = scene.chance.bytes(600);
            scene.model.hands.insert(print(&bytes), format!("written over {}", file.display()));
            std::fs::write(&file, bytes)?;
        }
    }
    Ok(())
}

/// The person carries an item's files elsewhere; gives back where they are. `None`: others' files lie among them.
fn carry(scene: &mut Scene, title: &str) -> Result<Option<PathBuf>> {
    let path = path_of(scene, title)?;
    if !path.is_dir() {
        return Ok(None);
    }
    let to = scene.home.path().join(format!("carried {:x}", scene.chance.below(1 << 40)));
    match std::fs::rename(&path, &to) {
        Ok(()) => Ok(Some(to)),
        // On another disk.
        Err(_) => Ok(None),
    }
}

impl Deed {
    /// The item that it removes, or pins, or unpins.
    pub(super) fn about(&self) -> Option<&str> {
        match &self.what {
            What::Remove(title, _) | What::Pin(title, _) => Some(title),
            _ => None,
        }
    }

    /// Whether it ends the process itself and starts another.
    pub(super) fn starts_anew(&self) -> bool {
        matches!(self.what, What::Restart | What::Stop)
    }

    /// Does it, once; it may be cut off.
    pub(super) fn act(&self, scene: &mut Scene) -> Result<()> {
        let channel = scene.model.channel.clone();
        let item = |title: &str| format!("{channel}/{title}");
        match &self.what {
            What::Get(title) => drop(scene.tell(&["get", &item(title), "--timeout", "60s"])?),
            What::News(title) => {
                let offer = scene.model.offers.get_mut(title).context("an offer")?;
                let files: Vec<PathBuf> = offer.files.keys().cloned().collect();
                let file = scene.chance.one_of(&files).context("a file")?;
                let length = 1 << scene.chance.below(21);
                let bytes = scene.chance.bytes(length);
                std::fs::write(offer.folder.join(file), bytes)?;
                offer.look()?;
                let folder = offer.folder.to_str().context("a path")?;
                scene.author.ask(["publish", folder, "--title", title, "--id", "Author", "--update", title])?;
                scene.settled_or_dead()?;
            }
            What::Remove(title, delete) => {
                let item = item(title);
                let mut args = vec!["remove", &item];
                args.extend(delete.then_some("--delete"));
                scene.tell(&args)?;
            }
            What::Verify(title) => {
                // It ends with 6 where something was amiss.
                let answer = scene.home.run(["verify", &item(title)])?;
                anyhow::ensure!(matches!(answer.code, Some(0 | 6)), "{answer:?}");
                scene.settled_or_dead()?;
            }
            What::Locate(title, to) => {
                scene.tell(&["locate", &item(title), to.to_str().context("a path")?])?;
            }
            What::Move(to) => drop(scene.tell(&["move-data", to.to_str().context("a path")?])?),
            What::Keep(count) => drop(scene.tell(&["rule", &channel, "--keep", &format!("newest:{count}")])?),
            What::Pin(title, pin) => drop(scene.tell(&[if *pin { "pin" } else { "unpin" }, &item(title)])?),
            What::Skip(title, path) => {
                scene.tell(&["pause"])?;
                let begun = scene.home.run(["get", &item(title), "--timeout", "1s"])?;
                drop(begun);
                scene.tell(&["resume"])?;
                let _ = scene.home.run(["skip", &item(title), path])?;
                scene.tell(&["want", &item(title), path])?;
            }
            What::Set(name, _, value) => drop(scene.tell(&["set", name, &value.to_string()])?),
            What::Publish(by, title, folder) => scene.publish(by, title, folder)?,
            What::Update(title) => {
                let (by, source) = &scene.model.own[title];
                let folder = source.folder.to_str().context("a path")?;
                scene.tell(&["publish", folder, "--title", title, "--id", by, "--update", &format!("{by}/{title}")])?;
            }
            What::Unpublish(title) => {
                let by = &scene.model.own[title].0;
                scene.tell(&["unpublish", &format!("{by}/{title}")])?;
            }
            What::Rekey => drop(scene.tell(&["rekey", "Hidden"])?),
            What::Identity(name) => drop(scene.tell(&["id", "new", name])?),
            What::Follow(true) => {
                let (key, _) = scene.model.other.clone().context("the other")?;
                scene.tell(&["subscribe", &format!("megatorrent://{key}"), "--fetch", "none"])?;
            }
            What::Follow(false) => {
                let (key, _) = scene.model.other.clone().context("the other")?;
                scene.tell(&["unsubscribe", &key])?;
            }
            What::Pause(title) => {
                scene.tell(&["pause", &item(title)])?;
                scene.tell(&["resume", &item(title)])?;
            }
            What::Restart => {
                scene.kill()?;
                scene.start()?;
            }
            What::Stop => {
                scene.stop()?;
                scene.start()?;
            }
        }
        Ok(())
    }

    /// Brings it to its end, whatever of it was done before, and notes what is so from now on.
    pub(super) fn again(&self, scene: &mut Scene) -> Result<()> {
        let channel = scene.model.channel.clone();
        let item = |title: &str| format!("{channel}/{title}");
        match &self.what {
            What::Get(title) | What::Skip(title, _) => {
                scene.tell(&["resume"])?;
                // Of an item that is not wanted yet, who names a file wants that file alone.
                if let What::Skip(_, path) = &self.what
                    && scene.state_of(title)? != "listed"
                {
                    let _ = scene.home.run(["want", &item(title), path])?;
                }
                scene.tell(&["get", &item(title), "--timeout", "60s"])?;
                scene.model.wanted.insert(title.clone());
            }
            What::News(_) | What::Restart | What::Stop | What::Pause(_) => {}
            What::Remove(title, _) => {
                if scene.state_of(title)? != "listed" {
                    self.act(scene)?;
                }
                scene.model.wanted.remove(title);
                scene.model.pinned.remove(title);
            }
            What::Verify(_) | What::Locate(..) | What::Set(..) => self.act(scene)?,
            What::Move(to) => {
                if scene.tell(&["set"])?["download_dir"] != *to.to_str().context("a path")? {
                    self.act(scene)?;
                }
            }
            What::Keep(_) => {
                self.act(scene)?;
                // What the rule let go is not wanted any more.
                for title in scene.model.wanted.clone() {
                    if scene.state_of(&title)? == "listed" {
                        anyhow::ensure!(!scene.model.pinned.contains(&title), "the rule took {title}, which is pinned");
                        scene.model.wanted.remove(&title);
                    }
                }
                scene.tell(&["rule", &channel, "--keep", "all"])?;
            }
            What::Pin(title, pin) => {
                self.act(scene)?;
                if *pin {
                    scene.model.pinned.insert(title.clone());
                } else {
                    scene.model.pinned.remove(title);
                }
            }
            What::Publish(by, title, folder) => {
                if !scene.lists(by, title)? {
                    self.act(scene)?;
                }
                scene.model.own.insert(title.clone(), ((*by).to_owned(), Source::of(folder)?));
            }
            What::Update(_) => self.act(scene)?,
            What::Unpublish(title) => {
                let by = scene.model.own[title].0.clone();
                if scene.lists(&by, title)? {
                    self.act(scene)?;
                }
                scene.model.own.remove(title);
            }
            What::Rekey => {
                let link = scene.tell(&["link", "Hidden"])?;
                anyhow::ensure!(link.as_str().is_some_and(|link| link.contains(':')), "no private link: {link}");
                self.act(scene)?;
            }
            What::Identity(name) => {
                let known = scene.tell(&["id", "list"])?;
                if !known.as_array().is_some_and(|all| all.iter().any(|one| one["name"] == **name)) {
                    self.act(scene)?;
                }
                scene.model.identities.insert(name.clone());
            }
            What::Follow(follow) => {
                let _ = self.act(scene);
                if let Some((_, followed)) = &mut scene.model.other {
                    *followed = *follow;
                }
            }
        }
        if let What::Set(_, member, value) = &self.what {
            scene.model.settings.insert(member.clone(), value.clone());
        }
        Ok(())
    }
}

impl Scene {
    fn publish(&self, by: &str, title: &str, folder: &Path) -> Result<()> {
        let folder = folder.to_str().context("a path")?;
        let mut args = vec!["publish", folder, "--title", title, "--id", by];
        args.extend((by == "Hidden").then_some("--private"));
        self.tell(&args).map(drop)
    }

    fn lists(&self, by: &str, title: &str) -> Result<bool> {
        let answer = self.home.run(["items", by])?;
        if answer.code != Some(0) {
            return Ok(false);
        }
        Ok(answer.json()?.as_array().is_some_and(|all| all.iter().any(|one| one["name"] == title)))
    }

    fn state_of(&self, title: &str) -> Result<String> {
        let items = self.tell(&["items", &self.model.channel])?;
        let item = items.as_array().into_iter().flatten().find(|one| one["name"] == title).context("the item")?;
        text(item, "state")
    }

    /// As [`Scene::settled`], or until the process is no more.
    fn settled_or_dead(&mut self) -> Result<()> {
        match self.settled() {
            Err(error) if self.lives()? => Err(error),
            _ => Ok(()),
        }
    }
}
