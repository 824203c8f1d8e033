//! Identities: made, listed, renamed, backed up, restored. Secrets go to keyring or vault, nowhere else.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use protocol::words::quoted;
use protocol::{ChannelKey, Identity, ReadKey};
use store::keys::{KeyError, KeyKind, KeyStore};
use store::{IdentityRow, backup};
use zeroize::Zeroizing;

use crate::api::{
    Code, ErrorInfo, Event, IdExport, IdImport, IdNew, IdRename, IdentityInfo, RouteStanding, Unlock, paths,
};
use crate::ctx::Ctx;
use crate::error::{Result, blocking, fail};
use crate::{addresses, author, channel, network, view};

/// A keyring's or vault's trouble, in words.
pub(crate) fn secrets(error: &KeyError) -> ErrorInfo {
    let code = if matches!(error, KeyError::WrongPassphrase) { Code::WrongPassphrase } else { Code::Secrets };
    ErrorInfo::new(code, crate::error::sentence(error))
}

/// As [`secrets`]; where no place for secrets was ever chosen, the trouble is that there is none.
fn trouble(ctx: &Ctx, error: KeyError) -> ErrorInfo {
    if matches!(error, KeyError::Locked) && !KeyStore::is_chosen(&ctx.config.data_dir) {
        return secrets(&KeyError::NoKeyring);
    }
    secrets(&error)
}

fn check_name(name: &str) -> Result<()> {
    let fits = (1..=64).contains(&name.chars().count()) && !name.chars().any(|c| c.is_control() || c == '/');
    if fits {
        Ok(())
    } else {
        fail(Code::BadArgument, "A name has 1 to 64 characters, without control characters and '/'.")
    }
}

/// An identity by local name or key.
pub(super) async fn find(ctx: &Ctx, text: &str) -> Result<IdentityRow> {
    let rows = ctx.with_store(|s| s.identities()).await?;
    if text.is_empty() {
        let mut rows = rows;
        return match (rows.pop(), rows.is_empty()) {
            (Some(row), true) => Ok(row),
            (Some(_), false) => fail(Code::Ambiguous, "There are several identities. Say which with --id."),
            (None, _) => fail(Code::NotFound, "There is no identity yet. Make one: megatorrent id new NAME"),
        };
    }
    let key = text.parse::<ChannelKey>().ok();
    rows.into_iter().find(|r| r.name == text || Some(r.key) == key).ok_or_else(|| view::unknown("identity", text))
}

/// Its secret half.
pub(crate) async fn secret(ctx: &Ctx, key: ChannelKey) -> Result<Identity> {
    let (keys, at) = (ctx.keys.read().await.clone(), ctx.clone());
    blocking(move || match keys.identity(&key) {
        Ok(Some(identity)) => Ok(identity),
        Ok(None) => fail(Code::Secrets, "The secret of this identity is not in the keyring of this computer."),
        Err(error) => Err(trouble(&at, error)),
    })
    .await
}

async fn keep(ctx: &Ctx, identity: Identity, row: IdentityRow, read_key: Option<ReadKey>) -> Result<IdentityInfo> {
    let name = row.name.clone();
    let known = ctx.with_store(|s| s.identities()).await?;
    if known.iter().any(|r| r.name == name && r.key != row.key) {
        return fail(Code::Exists, format!("An identity called {} exists already.", quoted(&name)));
    }
    let (keys, at) = (ctx.keys.read().await.clone(), ctx.clone());
    blocking(move || keys.put_identity(&identity).map_err(|e| trouble(&at, e))).await?;
    let (key, private) = (row.key, row.private);
    let own = ctx
        .with_store(move |s| {
            s.put_identity(&row)?;
            s.add_or_change_channel(channel::fresh(key), |own| {
                (own.own, own.followed) = (true, true);
                own.private = private.unwrap_or(own.private);
                own.read_key = read_key.or(own.read_key.take());
            })
        })
        .await?;
    if !ctx.config.offline {
        channel::follow(ctx, &own, Vec::new()).await?;
    }
    let all = view::identities(ctx).await?;
    all.into_iter().find(|i| i.key == key.to_string()).ok_or_else(|| view::unknown("identity", &name))
}

pub(super) async fn new(ctx: &Ctx, args: IdNew) -> Result<IdentityInfo> {
    check_name(&args.name)?;
    let name = args.name.clone();
    if ctx.with_store(|s| s.identities()).await?.iter().any(|r| r.name == name) {
        return fail(Code::Exists, format!("An identity called {} exists already.", quoted(&name)));
    }
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut()).map_err(|e| ErrorInfo::new(Code::Internal, format!("no random numbers: {e}")))?;
    let identity = Identity::from_seed(&seed);
    let key = identity.channel();
    let row = IdentityRow { key, name: args.name, private: None, created: ctx.clock.unix_ms() };
    let made = keep(ctx, identity, row, None).await?;
    ctx.with_store(move |s| s.set_setting(&author::alone_setting(&key), Some("true"))).await?;
    Ok(made)
}

/// After a database was made anew: identities whose secrets are kept here, and of which it does not tell any more, are named
/// after their channels, or their keys. While secrets are locked nothing is settled.
pub(crate) async fn after_rebuild(ctx: &Ctx) -> Result<()> {
    let keys = ctx.keys.read().await.clone();
    if keys.kind() == KeyKind::Locked || !ctx.with_store(|s| s.is_rebuilt()).await? {
        return Ok(());
    }
    let (known, channels) = ctx.with_store(|s| Ok((s.identities()?, s.channels()?))).await?;
    let kept = blocking({
        let keys = keys.clone();
        move || Ok(keys.identity_keys())
    });
    let own = channels.iter().filter(|row| row.own).map(|row| row.key);
    let lost: BTreeSet<ChannelKey> = kept.await?.into_iter().chain(own).collect();
    for key in lost.into_iter().filter(|key| known.iter().all(|row| row.key != *key)) {
        let keys = keys.clone();
        let secret = blocking(move || keys.identity(&key).map_err(|error| super::secrets(&error))).await?;
        let Some(identity) = secret else { continue };
        let channel = channels.iter().find(|row| row.key == key);
        let taken = ctx.with_store(|s| s.identities()).await?;
        let name = channel.map(|row| row.name.clone()).filter(|name| check_name(name).is_ok());
        let name = name.filter(|name| taken.iter().all(|row| row.name != *name));
        let name = name.unwrap_or_else(|| key.to_string()[..8].to_owned());
        // What it published stands elsewhere, perhaps: that is read before anything is signed.
        ctx.with_store(move |s| s.set_setting(&restored_setting(&key), Some("true"))).await?;
        let private = channel.filter(|row| row.manifest.is_some()).map(|row| row.private);
        let (created, read_key) = (ctx.clock.unix_ms(), channel.and_then(|row| row.read_key.clone()));
        tracing::info!(channel = %key, "an identity of which the damaged database told nothing any more is named anew");
        keep(ctx, identity, IdentityRow { key, name, private, created }, read_key).await?;
    }
    ctx.with_store(store::Store::settle_rebuilt).await
}

/// Opens the vault, or makes it; what was locked goes on: private channels, the address book.
pub(super) async fn unlock(ctx: &Ctx, args: Unlock) -> Result<()> {
    let passphrase = Zeroizing::new(args.passphrase);
    let place = ctx.keys.read().await.clone();
    if place.kind() != KeyKind::Locked {
        return Ok(());
    }
    if passphrase.is_empty() && !place.is_keyring_locked() {
        return fail(Code::BadArgument, "A vault needs a passphrase.");
    }
    let keys = opened(ctx, Some(passphrase).filter(|passphrase| !passphrase.is_empty())).await?;
    let mut place = ctx.keys.write().await;
    if place.kind() != KeyKind::Locked {
        // Somebody else was faster.
        return Ok(());
    }
    *place = Arc::new(keys);
    drop(place);
    if !ctx.config.offline {
        let (rows, book) = ctx.with_store(|s| Ok((s.channels()?, s.address_book()?))).await?;
        for row in rows.iter().filter(|row| row.private || row.own) {
            channel::follow(ctx, row, ctx.config.peers.clone()).await?;
            channel::start_wanted(ctx, row.key).await?;
        }
        ctx.engine.ask(move |swarm, now| addresses::tell(swarm, now, book)).await;
        // The proxy's password and the keys of the onion addresses were locked as well.
        ctx.network().renew.notify_one();
        if ctx.network().info().state != RouteStanding::Up {
            network::change(ctx).await?;
        }
    }
    after_rebuild(ctx).await?;
    author::pending(ctx).await?;
    ctx.emit(Event::Status(view::status(ctx).await?));
    Ok(())
}

/// A locked keyring asks its person, who may take a minute; nobody is kept waiting for it.
pub(crate) async fn keyring_opens(ctx: Ctx) {
    if let Err(error) = unlock(&ctx, Unlock { passphrase: String::new() }).await {
        tracing::info!(code = ?error.code, "the keyring stays locked: {}", error.message);
    }
}

/// The secrets, with which those in the database are unlocked. On a thread of its own, which nothing waits for at the end: a
/// keyring answers when its person does.
async fn opened(ctx: &Ctx, passphrase: Option<Zeroizing<String>>) -> Result<KeyStore> {
    let (dir, keyring) = (ctx.config.data_dir.clone(), ctx.config.use_keyring);
    let (answer, answered) = tokio::sync::oneshot::channel();
    let store = ctx.store.clone();
    let work = move || {
        let open = || -> Result<KeyStore> {
            let trouble = |error: KeyError| secrets(&error);
            let keys = KeyStore::open(&dir, passphrase, keyring).map_err(trouble)?;
            let key = match keys.kept_store_key().map_err(trouble)? {
                Some(key) => key,
                None if store.may_have_first_key()? => keys.store_key().map_err(trouble)?,
                None => return Err(store::StoreError::OtherStoreKey.into()),
            };
            store.unlock(&key)?;
            Ok(keys)
        };
        let outcome = open();
        // Nobody listens any more when the node stops.
        answer.send(outcome).ok();
    };
    let thread = std::thread::Builder::new().name("secrets".into());
    thread
        .spawn(work)
        .map_err(|error| ErrorInfo::new(Code::Internal, format!("no thread for the secrets: {error}")))?;
    let outcome = ctx.until_stop(async { Ok(answered.await) }).await?;
    outcome.map_err(|_| ErrorInfo::new(Code::Internal, "the secrets were not opened"))?
}

pub(super) async fn rename(ctx: &Ctx, args: IdRename) -> Result<IdentityInfo> {
    check_name(&args.name)?;
    let mut row = find(ctx, &args.identity).await?;
    if ctx.with_store(|s| s.identities()).await?.iter().any(|r| r.name == args.name && r.key != row.key) {
        return fail(Code::Exists, format!("An identity called {} exists already.", quoted(&args.name)));
    }
    row.name = args.name;
    let (key, stored) = (row.key, row);
    ctx.with_store(move |s| s.put_identity(&stored)).await?;
    let all = view::identities(ctx).await?;
    all.into_iter().find(|i| i.key == key.to_string()).ok_or_else(|| view::unknown("identity", &key.to_string()))
}

pub(super) async fn export(ctx: &Ctx, args: IdExport) -> Result<()> {
    if args.passphrase.is_empty() {
        return fail(Code::BadArgument, "A backup needs a passphrase.");
    }
    if store::keys::is_short(&args.passphrase) {
        return fail(Code::BadArgument, KeyError::Short.to_string());
    }
    let row = find(ctx, &args.identity).await?;
    let identity = secret(ctx, row.key).await?;
    let key = row.key;
    author::shared(ctx, key).await?;
    let read_key = ctx.with_store(move |s| s.channel(&key)).await?.and_then(|c| c.read_key);
    blocking(move || {
        let passphrase = Zeroizing::new(args.passphrase);
        let kept = backup::IdentityBackup { name: row.name, identity, private: row.private, read_key };
        let sealed = backup::export(&kept, &passphrase).map_err(|e| ErrorInfo::new(Code::Io, e.to_string()))?;
        write_new(&args.file, sealed.as_bytes())
    })
    .await
}

/// Writes a new file whole or not at all; never over another. Only this account reads it: whoever else has it can try
/// passphrases.
fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|e| ErrorInfo::at_path(path, &e))?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(|e| {
        let _ = std::fs::remove_file(path);
        ErrorInfo::at_path(path, &e)
    })
}

/// Reads a backup of ours, or (then true comes with it) a v5 client's `identity.json`, which does not tell whether
/// anything was published. Blocking.
fn read_backup(path: &Path, passphrase: Option<&str>) -> Result<(backup::IdentityBackup, bool)> {
    use std::io::Read;
    let mut bytes = Zeroizing::new(Vec::new());
    let file = std::fs::File::open(path).map_err(|e| ErrorInfo::at_path(path, &e))?;
    file.take(backup::BACKUP_MAX as u64 + 1).read_to_end(&mut bytes).map_err(|e| ErrorInfo::at_path(path, &e))?;
    let foreign = bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
    let restored = if foreign {
        let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        backup::import_v5(&bytes).map(|identity| backup::IdentityBackup {
            name,
            identity,
            private: None,
            read_key: None,
        })
    } else {
        let Some(passphrase) = passphrase else {
            return fail(Code::WrongPassphrase, "This backup needs its passphrase.");
        };
        backup::restore(&bytes, passphrase)
    };
    restored.map(|restored| (restored, foreign)).map_err(|error| {
        let wrong = matches!(error, backup::BackupError::WrongPassphrase);
        ErrorInfo::new(
            if wrong { Code::WrongPassphrase } else { Code::BadArgument },
            format!("{}: {error}", paths::shown(path)),
        )
    })
}

/// Set while an identity that came from a backup has not seen its channel's list here.
pub(crate) fn restored_setting(key: &ChannelKey) -> String {
    format!("restored {key}")
}

pub(super) async fn import(ctx: &Ctx, args: IdImport) -> Result<IdentityInfo> {
    let (file, passphrase) = (args.file, args.passphrase.map(Zeroizing::new));
    let (restored, foreign) = blocking(move || read_backup(&file, passphrase.as_deref().map(String::as_str))).await?;
    let key = restored.identity.channel();
    // One that is here keeps the name that it has here; another one is asked for by name.
    let here = ctx.with_store(|s| s.identities()).await?.into_iter().find(|row| row.key == key);
    let name = match (here, args.name) {
        (Some(here), Some(name)) if name != here.name => {
            let (here, name) = (quoted(&here.name), quoted(&name));
            let text = format!(
                "This identity is here already, called {here}. To change its name: megatorrent id rename {here} {name}"
            );
            return fail(Code::Exists, text);
        }
        (Some(here), _) => here.name,
        (None, name) => name.unwrap_or(restored.name),
    };
    check_name(&name)?;
    let private = restored.private;
    author::shared(ctx, key).await?;
    // Its channel may have a list somewhere: it is fetched before another is signed.
    if private.is_some() || foreign {
        ctx.with_store(move |s| s.set_setting(&restored_setting(&key), Some("true"))).await?;
    }
    let created = ctx.clock.unix_ms();
    keep(ctx, restored.identity, IdentityRow { key, name, private, created }, restored.read_key).await
}
