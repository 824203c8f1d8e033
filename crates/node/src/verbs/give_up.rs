//! Going on when the key to this folder's secrets is gone for good: another keyring, or a passphrase that nobody knows.
//!
//! Promises: only on the person's word, after it was told what goes; nothing while the secrets can be had; downloads,
//! lists, public channels and published files stay; the old vault stays beside, and nothing is taken out of a keyring.

use std::sync::Arc;

use protocol::{ChannelKey, Identity};
use store::keys::{KeyError, KeyKind, KeyStore};
use zeroize::Zeroizing;

use crate::api::{Code, Event, GiveUp, GivenUp, Unlock};
use crate::ctx::Ctx;
use crate::error::{Result, blocking, fail};
use crate::verbs::ids::{secrets, unlock};
use crate::{channel, view};

pub(super) async fn give_up(ctx: &Ctx, args: GiveUp) -> Result<GivenUp> {
    let passphrase = args.passphrase.map(Zeroizing::new);
    let place = ctx.keys.read().await.clone();
    let locked = place.kind() == KeyKind::Locked;
    if locked && !KeyStore::is_chosen(&ctx.config.data_dir) {
        return fail(Code::BadArgument, "No secrets were ever kept in this data folder. There is nothing to give up.");
    }
    if locked {
        // It may open after all: then nothing is lost.
        let passphrase = passphrase.as_ref().map_or_else(String::new, |text| text.as_str().to_owned());
        match unlock(ctx, Unlock { passphrase }).await {
            Ok(()) => return fail(Code::BadArgument, "The secrets are open again. Nothing was given up."),
            Err(error) => tracing::info!(code = ?error.code, "the secrets stay locked: {}", error.message),
        }
    } else if !ctx.store.is_key_lost() {
        return fail(
            Code::BadArgument,
            "The secrets of this data folder are within reach. There is nothing to give up.",
        );
    }
    let here = if locked { Vec::new() } else { identities(ctx, place).await? };
    let keep: Vec<ChannelKey> = here.iter().map(Identity::channel).collect();
    if !args.sure {
        return ctx.with_store(move |s| s.sealed_by_key(&keep)).await.map(|given_up| told(given_up, false));
    }
    let (store, dir, keyring) = (ctx.store.clone(), ctx.config.data_dir.clone(), ctx.config.use_keyring);
    let number = ctx.clock.unix_ms();
    let (keys, given_up) = blocking(move || {
        let keys = match KeyStore::anew(&dir, passphrase, keyring, number) {
            Ok(keys) => keys,
            Err(KeyError::NoKeyring | KeyError::Locked) => {
                let text = "No keyring opens here that could keep new secrets. Give a passphrase for a vault.";
                return fail(Code::AskFirst, text);
            }
            Err(error) => return Err(secrets(&error)),
        };
        for identity in &here {
            keys.put_identity(identity).map_err(|error| secrets(&error))?;
        }
        let key = keys.store_key().map_err(|error| secrets(&error))?;
        Ok((keys, store.give_up_key(&key, &keep)?))
    })
    .await?;
    *ctx.keys.write().await = Arc::new(keys);
    let changed = given_up.identities.iter().map(|row| row.key).chain(given_up.closed.iter().map(|(key, _)| *key));
    for key in changed {
        channel::told(ctx, key).await;
    }
    if !ctx.config.offline {
        // Channels have new onion addresses from here on.
        ctx.network().renew.notify_one();
    }
    ctx.emit(Event::Status(view::status(ctx).await?));
    Ok(told(given_up, true))
}

/// Identities whose secrets can be had. One that cannot be read now is no lost one: then nothing is given up.
async fn identities(ctx: &Ctx, place: Arc<KeyStore>) -> Result<Vec<Identity>> {
    let rows = ctx.with_store(|s| s.identities()).await?;
    blocking(move || {
        let found = rows.iter().map(|row| place.identity(&row.key).map_err(|error| secrets(&error)));
        Ok(found.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    })
    .await
}

fn told(given_up: store::GivenUp, done: bool) -> GivenUp {
    let closed = given_up.closed.into_iter();
    GivenUp {
        done,
        identities: given_up.identities.into_iter().map(|row| row.name).collect(),
        closed: closed.map(|(key, name)| if name.is_empty() { key.to_string() } else { name }).collect(),
        others: given_up.others,
    }
}
