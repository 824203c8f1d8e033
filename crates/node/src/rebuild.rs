//! A damaged data folder's database, made anew on its person's word.

use std::path::PathBuf;

use store::DataDir;

use crate::api::{Rebuilt, paths};
use crate::error::{Result, blocking};

/// Makes the database of a data folder that no node uses anew from what can be read of it; the damaged one is kept. `None`:
/// nothing is wrong with it, and nothing was changed.
///
/// # Errors
/// A node runs there; there is no database; the new one cannot be written.
pub async fn rebuild(data_dir: PathBuf) -> Result<Option<Rebuilt>> {
    blocking(move || {
        let dir = DataDir::lock(&data_dir)?;
        if store::is_sound(&dir)? {
            return Ok(None);
        }
        let store::Rebuilt { rows, torn, replanned, unshared, kept } = store::rebuild(&dir)?;
        Ok(Some(Rebuilt { rows, torn, replanned, unshared, kept: paths::shown(&kept) }))
    })
    .await
}
