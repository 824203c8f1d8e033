//! The points of the store at which its process can be cut off: see `crates/store/src/cut.rs`.

use anyhow::Result;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Names the folder, to the program under test.
pub(super) const VARIABLE: &str = "MEGATORRENT_CUT";

/// The folder by which points are armed and noted.
#[derive(Debug)]
pub struct Points(PathBuf);

impl Points {
    /// A folder of that kind below `home`.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new(home: &Path) -> Result<Self> {
        let folder = home.join("cut");
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// From now on the `nth` passage of a point is the last.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn arm(&self, point: &str, nth: u64) -> Result<()> {
        // Whole or not there: it is read at any time.
        let fresh = self.0.join("armed.new");
        std::fs::write(&fresh, format!("{point} {nth}\n"))?;
        Ok(std::fs::rename(fresh, self.0.join("armed"))?)
    }

    /// No point is armed any more.
    ///
    /// # Errors
    /// Its file cannot be removed.
    pub fn disarm(&self) -> Result<()> {
        match std::fs::remove_file(self.0.join("armed")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Nothing was passed yet.
    ///
    /// # Errors
    /// Its file cannot be written.
    pub fn forget(&self) -> Result<()> {
        Ok(std::fs::write(self.0.join("passed"), "")?)
    }

    /// How often each point was passed.
    ///
    /// # Errors
    /// Its file cannot be read.
    pub fn passed(&self) -> Result<BTreeMap<String, u64>> {
        let mut out = BTreeMap::new();
        for line in std::fs::read_to_string(self.0.join("passed"))?.lines() {
            *out.entry(line.to_owned()).or_default() += 1;
        }
        Ok(out)
    }
}
