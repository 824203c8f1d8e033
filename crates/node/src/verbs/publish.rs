//! Publishing, unpublishing, editing: everything that signs a new manifest.

use std::path::PathBuf;
use std::sync::Arc;

use protocol::words::quoted;
use protocol::{BlobId, Identity, ItemId, ReadKey, body};
use store::{Channel, IdentityRow};

use crate::api::{Code, Edit, ErrorInfo, Event, Publish, PublishProgress, Published, Unpublish, paths};
use crate::author::{self, Change, Draft};
use crate::ctx::Ctx;
use crate::error::{Result, blocking, fail};
use crate::publish::{Job, Own, scan};
use crate::verbs::{Caller, find_channel, find_item, ids};
use crate::{channel, folders};

pub(super) async fn publish(ctx: &Ctx, args: Publish, caller: &Caller) -> Result<Published> {
    let gateways = author::gateways_of(&args.gateway)?;
    texts_fit("title", args.title.as_deref(), args.about.as_deref())?;
    let mut job = Job::begin(ctx, args.job.clone(), caller)?;
    let identity_row = ids::find(ctx, &args.identity).await?;
    let identity = ids::secret(ctx, identity_row.key).await?;
    // Of what is there already the kind is known, and need not be said.
    let private = identity_row.private.filter(|_| args.update.is_some()).unwrap_or(args.private);
    if identity_row.private.is_some_and(|kind| kind != private) {
        let (is, want) = if private { ("public", "private") } else { ("private", "public") };
        return fail(
            Code::KindMismatch,
            format!(
                "The channel of {} is {is}. A key is one channel: make another identity for a {want} one.",
                quoted(&identity_row.name)
            ),
        );
    }
    let key = identity.channel();
    let mut fresh_key = [0; 32];
    getrandom::fill(&mut fresh_key).map_err(|e| ErrorInfo::new(Code::Internal, format!("no random numbers: {e}")))?;
    let fresh_key = ReadKey(fresh_key);
    let name = identity_row.name.clone();
    ctx.with_store(move |s| {
        if !gateways.is_empty() {
            let list: Vec<String> = gateways.iter().map(ToString::to_string).collect();
            s.set_setting(&author::gateways_setting(&key), Some(&list.join(" ")))?;
        }
        s.add_or_change_channel(channel::fresh(key), |row| {
            (row.own, row.followed, row.private) = (true, true, private);
            if private && row.read_key.is_none() {
                row.read_key = Some(fresh_key);
            }
            if row.name.is_empty() {
                row.name = name;
            }
        })
    })
    .await?;

    let old = match &args.update {
        Some(text) => {
            let found = find_item(ctx, text).await?;
            if found.channel != key {
                return fail(Code::NotOwn, "This item belongs to another channel.");
            }
            Some(found)
        }
        None => None,
    };
    let given = args.title.clone().or_else(|| old.as_ref().map(|o| o.name.clone()));
    // Until the folder was looked at, its own name has to do.
    let named = args.paths.first().and_then(|path| path.file_name()).unwrap_or_default();
    job.entitle(&given.clone().unwrap_or_else(|| paths::shown(std::path::Path::new(named))));
    job.tell(PublishProgress { stage: "scan".into(), ..PublishProgress::default() });
    let own = Own { data: ctx.config.data_dir.clone(), downloads: folders::downloads(ctx).await? };
    let paths: Vec<PathBuf> = args.paths.clone();
    let scanned = Arc::new(job.unless_cancelled(blocking(move || scan(&paths, &own))).await??);
    let Some(title) = given.or_else(|| scanned.title.clone()) else {
        let text = format!(
            "The name of \"{}\" is not valid text (UTF-8), so it is no title. Give one with --title.",
            paths::shown(&scanned.root)
        );
        return fail(Code::BadArgument, text);
    };
    job.entitle(&title);
    // What did not change keeps its blobs: subscribers do not fetch it again.
    let known = match &old {
        Some(row) if row.planned => {
            let id = row.id;
            ctx.with_store(move |s| s.files(&key, &id)).await?.into_iter().map(|(file, _)| file).collect()
        }
        _ => Vec::new(),
    };
    // What another device may have signed is read meanwhile.
    let read = job.unless_cancelled(author::read_newest(ctx, key));
    let (plan, read) = tokio::join!(author::sealed(&job, &scanned, known), read);
    let plan = plan?;
    read??;
    author::ready(ctx, &job, key).await?;
    job.past_recall().await?;
    let blobs = {
        let mut ids: Vec<BlobId> = plan.iter().flat_map(|f| f.chunks.iter().map(|c| c.blob)).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let id = match &old {
        Some(old) => old.id,
        None => {
            let mut id = [0; 16];
            getrandom::fill(&mut id).map_err(|e| ErrorInfo::new(Code::Internal, format!("no random numbers: {e}")))?;
            ItemId(id)
        }
    };
    let draft = Draft {
        id,
        title: title.clone(),
        about: args.about.clone().or_else(|| old.as_ref().map(|o| o.about.clone())).unwrap_or_default(),
        update: old.is_some(),
        scan: scanned.clone(),
        files: plan,
        identity: IdentityRow { private: Some(private), ..identity_row },
    };
    let signed = author::sign(ctx, &identity, Change::Put(Box::new(draft)), &job).await?;
    Ok(Published {
        item: Some(id.to_string()),
        files: scanned.files.len() as u64,
        bytes: scanned.bytes,
        blobs: blobs.len() as u64,
        left_out: scanned.left_out.clone(),
        ..signed
    })
}

/// Refuses texts that no reader would take, before anything is made of them.
fn texts_fit(what: &str, name: Option<&str>, about: Option<&str>) -> Result<()> {
    let fits = |what: &str, text: Option<&str>, max: usize| match text.map_or(0, str::len) {
        bytes if bytes > max => fail(Code::BadArgument, format!("The {what} has {bytes} bytes; {max} are allowed.")),
        _ => Ok(()),
    };
    fits(what, name, body::NAME_MAX)?;
    fits("description", about, body::ABOUT_MAX)
}

pub(super) async fn unpublish(ctx: &Ctx, args: Unpublish) -> Result<Published> {
    let item = find_item(ctx, &args.item).await?;
    let (_, identity) = own(ctx, &item.channel.to_string()).await?;
    let signed = changed(ctx, &identity, Change::Out(item.id), &item.name).await?;
    let (channel, id) = (item.channel, item.id);
    ctx.emit(Event::ItemGone(channel.to_string(), id.to_string()));
    Ok(Published { item: Some(id.to_string()), ..signed })
}

pub(super) async fn edit(ctx: &Ctx, args: Edit) -> Result<Published> {
    if args.name.is_none() && args.about.is_none() {
        return fail(Code::BadArgument, "Nothing to change: give --name or --about.");
    }
    texts_fit("name", args.name.as_deref(), args.about.as_deref())?;
    match find_channel(ctx, &args.what).await {
        Ok(found) => {
            let (row, identity) = own(ctx, &found.key.to_string()).await?;
            changed(ctx, &identity, Change::Channel(args.name, args.about), &crate::view::named(&row)).await
        }
        Err(error) if error.code == Code::NotFound => {
            let item = find_item(ctx, &args.what).await?;
            let (_, identity) = own(ctx, &item.channel.to_string()).await?;
            let change = Change::Item(item.id, args.name, args.about);
            let signed = changed(ctx, &identity, change, &item.name).await?;
            Ok(Published { item: Some(item.id.to_string()), ..signed })
        }
        Err(error) => Err(error),
    }
}

/// A new read key for a private channel of ours. What is sealed stays as it is: only the way to the list changes, so
/// whoever has the old key alone reads no list that comes.
pub(super) async fn rekey(ctx: &Ctx, text: &str) -> Result<Published> {
    let (row, identity) = own(ctx, text).await?;
    if !row.private {
        return fail(Code::KindMismatch, "This channel is public. It has no read key.");
    }
    if row.read_key.is_none() {
        return Err(crate::verbs::no_read_key(ctx));
    }
    let mut read_key = [0; 32];
    getrandom::fill(&mut read_key).map_err(|e| ErrorInfo::new(Code::Internal, format!("no random numbers: {e}")))?;
    changed(ctx, &identity, Change::ReadKey(ReadKey(read_key)), &crate::view::named(&row)).await
}

/// Makes a change to the newest list, and signs it.
async fn changed(ctx: &Ctx, identity: &Identity, change: Change, title: &str) -> Result<Published> {
    author::read_newest(ctx, identity.channel()).await?;
    author::sign(ctx, identity, change, &Job::unnamed(ctx, title)).await
}

/// One of our channels and the identity that signs it.
async fn own(ctx: &Ctx, text: &str) -> Result<(Channel, Identity)> {
    let row = find_channel(ctx, text).await?;
    if !row.own {
        return fail(Code::NotOwn, "This channel is not yours to change.");
    }
    let identity = ids::secret(ctx, row.key).await?;
    Ok((row, identity))
}
