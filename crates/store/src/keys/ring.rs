//! The system's keyring: Secret Service, Keychain or Credential Manager.
//!
//! Every call runs on a thread of its own: some keyrings block inside an async runtime, and one that waits for an
//! answer nobody gives must not hold the node for ever.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::{KeyError, random};

const SERVICE: &str = "megatorrent";
/// Time for a person to unlock the keyring when the system asks.
const PATIENCE: Duration = Duration::from_secs(60);

/// A keyring that was seen to work.
pub(super) struct Ring {
    install: String,
}

impl Ring {
    /// Keeps, reads and forgets a random entry; `None` if this machine's keyring cannot, [`KeyError::Locked`] if it is
    /// there and does not open.
    pub(super) fn probe(install: &str) -> Result<Option<Self>, KeyError> {
        let value = random::<16>()?;
        let ring = Self { install: install.to_string() };
        let name = format!("probe-{}", HEXLOWER.encode(&random::<8>()?[..]));
        let tried = ring
            .set(&name, &value[..])
            .and_then(|()| ring.get(&name))
            .and_then(|found| ring.delete(&name).map(|()| found));
        match tried {
            Ok(Some(found)) if found[..] == value[..] => Ok(Some(ring)),
            Ok(_) => Ok(None),
            Err(KeyError::Locked) => Err(KeyError::Locked),
            Err(error) => {
                tracing::info!(%error, "no keyring that works");
                Ok(None)
            }
        }
    }

    pub(super) fn get(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError> {
        self.run(name, |entry| match entry.get_secret() {
            Ok(value) => Ok(Some(Zeroizing::new(value))),
            Err(keyring::Error::NoEntry) => Ok(None),
            Err(error) => Err(error),
        })
    }

    pub(super) fn set(&self, name: &str, value: &[u8]) -> Result<(), KeyError> {
        let value = Zeroizing::new(value.to_vec());
        self.run(name, move |entry| entry.set_secret(&value))
    }

    pub(super) fn delete(&self, name: &str) -> Result<(), KeyError> {
        self.run(name, |entry| match entry.delete_credential() {
            Err(keyring::Error::NoEntry) => Ok(()),
            other => other,
        })
    }

    fn run<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(keyring::Entry) -> keyring::Result<T> + Send + 'static,
    ) -> Result<T, KeyError> {
        let user = format!("{}/{name}", self.install);
        let (answer, wait) = mpsc::sync_channel(1);
        let spawned = thread::Builder::new().name("keyring".into()).spawn(move || {
            // Nobody waits any more after a timeout; then the answer goes nowhere.
            answer.send(keyring::Entry::new(SERVICE, &user).and_then(work)).ok();
        });
        spawned.map_err(|source| KeyError::Io { path: "keyring".into(), source })?;
        match wait.recv_timeout(PATIENCE) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(keyring::Error::NoStorageAccess(_))) => Err(KeyError::Locked),
            Ok(Err(error)) => Err(KeyError::Keyring(describe(&error))),
            Err(RecvTimeoutError::Timeout) => Err(KeyError::Locked),
            Err(RecvTimeoutError::Disconnected) => Err(KeyError::Keyring("its library panicked".into())),
        }
    }
}

/// The error's text without any secret that it carries.
fn describe(error: &keyring::Error) -> String {
    match error {
        keyring::Error::BadEncoding(_) | keyring::Error::BadDataFormat(..) => {
            "an entry is not as it was written".into()
        }
        other => other.to_string(),
    }
}
