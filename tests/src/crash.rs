//! A node that is cut off again and again: what a person trusts it with is all there each time.
//!
//! One device does what people do (fetch, update, publish, move, remove, change its keys …) while its process is killed:
//! at a point of the store that was armed ([`Points`]), or at a moment taken by chance. After each cut it starts again,
//! the deed is done anew, and what lies on the disk and what the node says is compared with what the person knows
//! ([`Model`]). The points that a deed passes are learnt by doing it uncut first.

mod deeds;
mod model;
mod points;

pub use deeds::Deed;
pub use model::Model;
pub use points::Points;

use crate::process::{Daemon, Home};
use anyhow::{Context, Result, bail};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Cuts at each point of each deed that are wanted before others are preferred.
pub const EACH: u64 = 5;
/// Uncut, a deed is through in this time.
const DEED: Duration = Duration::from_secs(60);

/// What came of some rounds.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Rounds, of which so many ended in a cut at a point, and so many in one at some moment.
    pub rounds: u64,
    /// Cuts at a point that was armed.
    pub at_points: u64,
    /// Cuts at a moment taken by chance.
    pub at_moments: u64,
    /// Of each deed, its points: how often one passes it, and how often it was the last.
    pub points: BTreeMap<(&'static str, String), (u64, u64)>,
}

impl Outcome {
    /// The table of points, a line each.
    pub fn table(&self) -> String {
        let mut out = String::new();
        for ((deed, point), (passed, cuts)) in &self.points {
            out += &format!("{deed:<12} {point:<34} passed {passed:>4}  cut {cuts:>3}\n");
        }
        out
    }
}

/// Chance that can be had again: everything follows from the seed.
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// Below `end`; 0 where that is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.0.next_u64() % end }
    }

    /// One of these.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(usize::try_from(self.below(all.len() as u64)).ok()?)
    }

    /// Bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        self.0.fill_bytes(&mut out);
        out
    }
}

/// How a round's deed is cut off.
#[derive(Debug, Clone)]
enum Cut {
    /// Not: its points are learnt.
    None,
    /// At the nth passage of a point.
    Point(String, u64),
    /// So long after it began.
    After(Duration),
}

/// The device under test, the one that it follows, and what must hold.
pub struct Scene {
    pub(crate) author: Home,
    pub(crate) author_node: Daemon,
    pub(crate) home: Home,
    node: Option<Daemon>,
    points: Points,
    /// Another file system, to move to.
    pub(crate) elsewhere: tempfile::TempDir,
    pub(crate) chance: Chance,
    pub(crate) model: Model,
    said: Option<fn(&str)>,
}

impl Scene {
    /// A device that follows another one's channel; everything that happens follows from `seed`. `say` is told of each
    /// round.
    ///
    /// # Errors
    /// The nodes do not start.
    pub fn new(seed: u64, say: Option<fn(&str)>) -> Result<Self> {
        let author = Home::new("author", &[])?;
        let author_node = author.daemon()?;
        let home = Home::new("device", &[])?;
        let points = Points::new(home.path())?;
        // Where there is memory that files can lie in, that is another file system.
        let other = std::path::Path::new("/dev/shm");
        let mut builder = tempfile::Builder::new();
        builder.prefix("megatorrent-crash-");
        let elsewhere = if other.is_dir() { builder.tempdir_in(other)? } else { builder.tempdir()? };
        let chance = Chance(ChaCha8Rng::seed_from_u64(seed));
        let mut scene = Self {
            author,
            author_node,
            home,
            node: None,
            points,
            elsewhere,
            chance,
            model: Model::default(),
            said: say,
        };
        scene.start()?;
        deeds::begin(&mut scene)?;
        Ok(scene)
    }

    fn say(&self, text: &str) {
        if let Some(say) = self.said {
            say(text);
        }
    }

    /// Starts the device's node, as after a cut.
    pub(crate) fn start(&mut self) -> Result<()> {
        let mut command = self.home.command()?;
        command.env(points::VARIABLE, self.points.folder());
        command.args(["--json"]).args(self.home.network());
        command.args(["--peer", self.author_node.address(), "daemon"]);
        self.node = Some(self.home.await_daemon(command)?);
        Ok(())
    }

    /// Whether its process lives.
    pub(crate) fn lives(&mut self) -> Result<bool> {
        match &mut self.node {
            Some(node) => node.runs(),
            None => Ok(false),
        }
    }

    pub(crate) fn kill(&mut self) -> Result<()> {
        if let Some(node) = self.node.take() {
            node.kill()?;
        }
        Ok(())
    }

    pub(crate) fn stop(&mut self) -> Result<()> {
        if let Some(node) = self.node.take() {
            node.stop(&self.home)?;
        }
        Ok(())
    }

    /// So many rounds.
    ///
    /// # Errors
    /// What did not hold, with the deed, the cut and the seed's round.
    pub fn run(&mut self, rounds: u64) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        for round in 0..rounds {
            let Some(deed) = deeds::next(self)? else { continue };
            let cut = self.choose(&deed, &outcome);
            self.say(&format!("{round:>5}  {:<12} {}", deed.name, described(&cut)));
            self.round(&deed, &cut, &mut outcome).with_context(|| {
                let log = self.node.as_ref().map(Daemon::log).unwrap_or_default();
                let kept = self.home.keep();
                let log: Vec<&str> = log.lines().rev().take(30).collect();
                format!("round {round}, {deed:?}, cut off {}; it lies in {}\n{log:#?}", described(&cut), kept.display())
            })?;
            outcome.rounds += 1;
        }
        self.stop()?;
        Ok(outcome)
    }

    fn choose(&mut self, deed: &Deed, outcome: &Outcome) -> Cut {
        let known: Vec<(&String, u64, u64)> = outcome
            .points
            .iter()
            .filter(|((name, _), _)| *name == deed.name)
            .map(|((_, point), (passed, cuts))| (point, *passed, *cuts))
            .collect();
        if known.is_empty() {
            return Cut::None;
        }
        // A deed that starts another process is cut off in that one.
        if !deed.starts_anew() && self.chance.below(6) == 0 {
            return Cut::After(Duration::from_millis(self.chance.below(400)));
        }
        let least = known.iter().map(|(.., cuts)| *cuts).min().unwrap_or(0);
        let few: Vec<_> = known.iter().filter(|(.., cuts)| *cuts == least).collect();
        match self.chance.one_of(&few) {
            Some((point, passed, _)) => Cut::Point((*point).clone(), 1 + self.chance.below(*passed)),
            None => Cut::None,
        }
    }

    fn round(&mut self, deed: &Deed, cut: &Cut, outcome: &mut Outcome) -> Result<()> {
        let sent = self.author_sent()?;
        self.points.forget()?;
        if let Cut::Point(point, nth) = cut {
            self.points.arm(point, *nth)?;
        }
        let process = self.node.as_ref().map(Daemon::id);
        let killer = match (cut, process) {
            (Cut::After(delay), Some(process)) => {
                let delay = *delay;
                Some(std::thread::spawn(move || {
                    std::thread::sleep(delay);
                    crate::people::signal(process, "KILL")
                }))
            }
            _ => None,
        };
        let done = deed.act(self);
        if let Some(killer) = killer {
            // It may have ended by itself before: then there is nobody to kill.
            drop(killer.join());
            self.wait_dead()?;
        }
        self.points.disarm()?;
        if done.is_err() && killer_came(cut) {
            // Whoever asked it hears of its end before it is quite gone.
            let soon = Instant::now() + Duration::from_secs(3);
            while self.lives()? && Instant::now() < soon {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        let lives = self.lives()?;
        match (lives, cut) {
            (true, _) => done.with_context(|| format!("{} failed though nothing was cut off", deed.name))?,
            (false, Cut::Point(..)) => outcome.at_points += 1,
            (false, Cut::After(_)) => outcome.at_moments += 1,
            (false, Cut::None) => bail!("it ended by itself"),
        }
        for (point, passed) in self.points.passed()? {
            let entry = outcome.points.entry((deed.name, point.clone())).or_default();
            entry.0 = entry.0.max(passed);
            if let (false, Cut::Point(armed, _)) = (lives, cut)
                && *armed == point
            {
                entry.1 += 1;
            }
        }
        if !lives {
            self.node = None;
            self.start().context("it does not start after the cut")?;
            self.model.holds_at_once(&self.home, deed.about()).context("right after the start")?;
        }
        deed.again(self).with_context(|| format!("{} anew", deed.name))?;
        self.settled()?;
        let (home, model) = (&self.home, &self.model);
        model.holds(home, self.elsewhere.path())?;
        if let Some(most) = deed.most {
            let cost = self.author_sent()? - sent;
            if cost > most {
                bail!("{cost} bytes came from the author, {most} at most should have: something was fetched twice");
            }
        }
        Ok(())
    }

    fn author_sent(&self) -> Result<u64> {
        self.author.ask(["status"])?["sent"].as_u64().context("what was sent")
    }

    fn wait_dead(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.lives()? {
            if Instant::now() > deadline {
                bail!("it was killed and lives");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Waits until everything that is wanted is here.
    pub(crate) fn settled(&mut self) -> Result<()> {
        let deadline = Instant::now() + DEED;
        loop {
            let waits = self.model.waits(&self.home)?;
            let Some(first) = waits else { return Ok(()) };
            if Instant::now() > deadline {
                bail!("it is wanted and does not come: {first}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Whether somebody may have ended the process.
fn killer_came(cut: &Cut) -> bool {
    !matches!(cut, Cut::None)
}

fn described(cut: &Cut) -> String {
    match cut {
        Cut::None => "uncut".into(),
        Cut::Point(point, nth) => format!("at {point}, passage {nth}"),
        Cut::After(delay) => format!("after {} ms", delay.as_millis()),
    }
}
