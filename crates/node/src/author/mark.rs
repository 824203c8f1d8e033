//! E14 This device among those that hold an identity: what it calls itself, and of which lists others say they know.
//!
//! An identity that was made here and never left is nobody else's: its lists carry no mark, and nobody is asked for a
//! newer one before they are signed.

use protocol::devices::{DeviceId, Seen};
use protocol::{ChannelKey, Identity};
use store::Store;

use crate::api::{Code, ErrorInfo};
use crate::ctx::Ctx;
use crate::error::Result;
use crate::verbs::ids;

/// The setting: what this device calls itself.
const DEVICE: &str = "device";

/// Set while an identity has never been anywhere but here.
pub(crate) fn alone_setting(key: &ChannelKey) -> String {
    format!("alone {key}")
}

/// From now on other devices may have this identity.
pub(crate) async fn shared(ctx: &Ctx, key: ChannelKey) -> Result<()> {
    ctx.with_store(move |s| s.set_setting(&alone_setting(&key), None)).await
}

pub(crate) async fn is_alone(ctx: &Ctx, key: ChannelKey) -> Result<bool> {
    Ok(ctx.with_store(move |s| s.setting(&alone_setting(&key))).await?.is_some())
}

/// What a list of this device is signed with.
pub(super) struct Mark {
    pub(super) device: DeviceId,
    /// Of which lists it knows, itself among them.
    pub(super) seen: Seen,
    /// As it stands in the list; empty: the only device says nothing.
    pub(super) sealed: Vec<u8>,
}

impl Mark {
    /// For the list of this sequence.
    pub(super) async fn of(ctx: &Ctx, identity: &Identity, alone: bool, sequence: u64) -> Result<Self> {
        let key = identity.channel();
        let seen = ctx.with_store(move |s| s.seen(&key)).await?;
        if alone {
            let device = DeviceId::UNMARKED;
            return Ok(Self { device, seen: seen.with(device, sequence), sealed: Vec::new() });
        }
        let device = device(ctx).await?;
        let seen = seen.with(device, sequence);
        let sealed = seen.seal(identity, random()?);
        Ok(Self { device, seen, sealed })
    }
}

pub(super) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| ErrorInfo::new(Code::Internal, format!("no random numbers: {e}")))?;
    Ok(bytes)
}

fn read(text: &str) -> Option<DeviceId> {
    let bytes = u64::from_str_radix(text, 16).ok()?.to_be_bytes();
    match bytes {
        [0, 0, id @ ..] if id != DeviceId::UNMARKED.0 => Some(DeviceId(id)),
        _ => None,
    }
}

/// What this device calls itself; chosen by chance at the first need.
async fn device(ctx: &Ctx) -> Result<DeviceId> {
    let kept = ctx.with_store(|s| s.setting(DEVICE)).await?.and_then(|text| read(&text));
    match kept {
        Some(device) => Ok(device),
        None => renamed(ctx).await,
    }
}

/// Another name for it.
async fn renamed(ctx: &Ctx) -> Result<DeviceId> {
    let id = random::<6>()?;
    let text: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let write = move |s: &Store| s.set_setting(DEVICE, Some(&text));
    ctx.with_store(write).await?;
    Ok(DeviceId(id))
}

/// Of which lists one knows that came for a channel of ours: another device signed it. `None`: it does not say.
///
/// # Errors
/// [`Code::Secrets`]: the identity that opens the mark is locked.
pub(crate) async fn heard(ctx: &Ctx, key: ChannelKey, mark: &[u8]) -> Result<Option<Seen>> {
    shared(ctx, key).await?;
    if mark.is_empty() {
        return Ok(None);
    }
    let identity = ids::secret(ctx, key).await?;
    let Some(seen) = Seen::open(&identity, mark) else {
        tracing::warn!(channel = %key, "a list's mark is none of this identity's");
        return Ok(None);
    };
    let (ours, device) = (ctx.with_store(move |s| s.seen(&key)).await?, device(ctx).await?);
    if seen.of(device) > ours.of(device) {
        // A copy of this data folder lives elsewhere, under the same name.
        renamed(ctx).await?;
    }
    Ok(Some(seen))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_devices_name_is_six_bytes_and_never_nobodys() {
        assert_eq!(read("0102030405ff"), Some(DeviceId([1, 2, 3, 4, 5, 255])));
        for bad in ["", "000000000000", "01020304050607", "x"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
