//! Backups of identities — an age passphrase file that outlives this machine; import of a v5 `identity.json`.
//!
//! Everything read here is bounded: 1 MiB of text, and a scrypt work factor of 2^18 at most.

use std::io::{Read, Write};

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::secrecy::SecretString;
use data_encoding::HEXLOWER_PERMISSIVE;
use protocol::{ChannelKey, Identity, ReadKey};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Longest backup that is read, in bytes.
pub const BACKUP_MAX: usize = 1 << 20;
/// log2 of scrypt's N in what we write: a quarter of a second.
const WORK: u8 = 16;
/// The most that is read: 256 MiB of memory for a moment.
pub(crate) const WORK_MAX: u8 = 18;
const FORMAT: u32 = 1;

/// Everything a backup of an identity holds.
#[derive(Debug, Clone)]
pub struct IdentityBackup {
    /// Its local name.
    pub name: String,
    /// The secret.
    pub identity: Identity,
    /// Published privately, publicly, or nothing yet.
    pub private: Option<bool>,
    /// The read key of its private channel.
    pub read_key: Option<ReadKey>,
}

/// Why a backup cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Longer than [`BACKUP_MAX`].
    #[error("the backup has more than {BACKUP_MAX} bytes")]
    TooLong,
    /// Another passphrase made it.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// It asks for more work than any backup of ours.
    #[error("the backup asks for too much work to be opened")]
    TooMuchWork,
    /// No age file with a passphrase.
    #[error("this is no backup made with a passphrase")]
    NotABackup,
    /// The text inside, or an `identity.json`, is not as it should be.
    #[error("the identity cannot be read: {0}")]
    BadIdentity(&'static str),
    /// It could not be sealed.
    #[error("the backup cannot be written: {0}")]
    Write(std::io::Error),
}

/// The sealed text: JSON, hex for bytes.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Plain {
    #[serde(rename = "megatorrentIdentity")]
    format: u32,
    name: String,
    seed: String,
    #[serde(default)]
    private: Option<bool>,
    #[serde(default, rename = "readKey", skip_serializing_if = "Option::is_none")]
    read_key: Option<String>,
}

/// Seals an identity as armoured text (`-----BEGIN AGE ENCRYPTED FILE-----`).
pub fn export(backup: &IdentityBackup, passphrase: &str) -> Result<String, BackupError> {
    let plain = Plain {
        format: FORMAT,
        name: backup.name.clone(),
        seed: HEXLOWER_PERMISSIVE.encode(&backup.identity.seed()[..]),
        private: backup.private,
        read_key: backup.read_key.as_ref().map(|key| HEXLOWER_PERMISSIVE.encode(key.as_bytes())),
    };
    let json = serde_json::to_vec(&plain).map(Zeroizing::new).map_err(|e| BackupError::Write(e.into()))?;
    let sealed = encrypt(&json, passphrase, WORK, Format::AsciiArmor).map_err(BackupError::Write)?;
    String::from_utf8(sealed).map_err(|e| BackupError::Write(std::io::Error::other(e)))
}

/// Opens a backup, armoured or binary.
pub fn restore(file: &[u8], passphrase: &str) -> Result<IdentityBackup, BackupError> {
    let json = decrypt(file, passphrase, BACKUP_MAX)?;
    let plain: Plain = serde_json::from_slice(&json).map_err(|_| BackupError::BadIdentity("not its JSON"))?;
    if plain.format != FORMAT {
        return Err(BackupError::BadIdentity("made by a newer version"));
    }
    Ok(IdentityBackup {
        name: plain.name.clone(),
        identity: Identity::from_seed(&*hex32(&plain.seed)?),
        private: plain.private,
        read_key: plain.read_key.as_deref().map(|hex| hex32(hex).map(|key| ReadKey(*key))).transpose()?,
    })
}

/// A v5 reference client's `identity.json`.
#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
struct V5 {
    #[serde(rename = "publicKey")]
    public_key: Option<String>,
    #[serde(rename = "secretKey")]
    secret_key: Option<String>,
    seed: Option<String>,
}

/// Reads a v5 `identity.json`: `publicKey` and `secretKey` in hex, the latter 64 bytes (seed and public key) or the 32
/// of the seed, which may stand in `seed` as well. A public key that is not the secret's is refused.
pub fn import_v5(json: &[u8]) -> Result<Identity, BackupError> {
    if json.len() > BACKUP_MAX {
        return Err(BackupError::TooLong);
    }
    let file: V5 = serde_json::from_slice(json).map_err(|_| BackupError::BadIdentity("no identity.json"))?;
    let secret = file.secret_key.as_ref().or(file.seed.as_ref()).ok_or(BackupError::BadIdentity("no secretKey"))?;
    let secret = Zeroizing::new(
        HEXLOWER_PERMISSIVE.decode(secret.as_bytes()).map_err(|_| BackupError::BadIdentity("secretKey is not hex"))?,
    );
    let seed: Zeroizing<[u8; 32]> = match secret.len() {
        32 | 64 => secret.first_chunk::<32>().copied().map(Zeroizing::new),
        _ => None,
    }
    .ok_or(BackupError::BadIdentity("secretKey has neither 64 nor 32 bytes"))?;
    let identity = Identity::from_seed(&seed);
    let channel = identity.channel();
    let matches = |named: ChannelKey| named == channel;
    if let Some(public) = secret.get(32..64)
        && public != channel.as_bytes()
    {
        return Err(BackupError::BadIdentity("secretKey's halves do not belong together"));
    }
    if let Some(public) = &file.public_key
        && !public.to_ascii_lowercase().parse().is_ok_and(matches)
    {
        return Err(BackupError::BadIdentity("publicKey is not secretKey's"));
    }
    Ok(identity)
}

fn hex32(hex: &str) -> Result<Zeroizing<[u8; 32]>, BackupError> {
    let mut out = Zeroizing::new([0; 32]);
    let fits = hex.len() == 64 && HEXLOWER_PERMISSIVE.decode_mut(hex.as_bytes(), &mut out[..]).is_ok();
    if fits { Ok(out) } else { Err(BackupError::BadIdentity("a key is not 64 hexadecimal characters")) }
}

/// Seals under a passphrase with scrypt's N = 2^`work`.
pub(crate) fn encrypt(plain: &[u8], passphrase: &str, work: u8, format: Format) -> std::io::Result<Vec<u8>> {
    let mut recipient = age::scrypt::Recipient::new(SecretString::from(passphrase));
    recipient.set_work_factor(work);
    let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient))
        .map_err(std::io::Error::other)?;
    let mut writer = encryptor.wrap_output(ArmoredWriter::wrap_output(Vec::new(), format)?)?;
    writer.write_all(plain)?;
    writer.finish()?.finish()
}

/// Opens an age passphrase file of at most `max` bytes.
pub(crate) fn decrypt(file: &[u8], passphrase: &str, max: usize) -> Result<Zeroizing<Vec<u8>>, BackupError> {
    if file.len() > max {
        return Err(BackupError::TooLong);
    }
    let decryptor = age::Decryptor::new(ArmoredReader::new(file)).map_err(|_| BackupError::NotABackup)?;
    if !decryptor.is_scrypt() {
        return Err(BackupError::NotABackup);
    }
    let mut identity = age::scrypt::Identity::new(SecretString::from(passphrase));
    identity.set_max_work_factor(WORK_MAX);
    let mut reader = decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).map_err(|e| match e {
        age::DecryptError::ExcessiveWork { .. } => BackupError::TooMuchWork,
        age::DecryptError::DecryptionFailed
        | age::DecryptError::KeyDecryptionFailed
        | age::DecryptError::NoMatchingKeys => BackupError::WrongPassphrase,
        _ => BackupError::NotABackup,
    })?;
    // Its plain text is shorter than the file; room for all of it leaves no copy behind in a grown buffer.
    let mut plain = Zeroizing::new(Vec::with_capacity(file.len()));
    reader.read_to_end(&mut plain).map_err(|_| BackupError::NotABackup)?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> IdentityBackup {
        IdentityBackup {
            name: "Blåbær".into(),
            identity: Identity::from_seed(&[5; 32]),
            private: Some(true),
            read_key: Some(ReadKey([6; 32])),
        }
    }

    #[test]
    fn a_backup_comes_back_only_with_its_passphrase() {
        let text = export(&sample(), "correct horse").unwrap();
        assert!(text.starts_with("-----BEGIN AGE ENCRYPTED FILE-----"));
        let back = restore(text.as_bytes(), "correct horse").unwrap();
        assert_eq!(back.name, "Blåbær");
        assert_eq!(back.identity.channel(), sample().identity.channel());
        assert_eq!((back.private, back.read_key.clone()), (Some(true), Some(ReadKey([6; 32]))));
        assert!(matches!(restore(text.as_bytes(), "wrong"), Err(BackupError::WrongPassphrase)));
        assert!(!format!("{back:?}").contains("0505"));
    }

    #[test]
    fn hostile_backups_are_refused_before_work_is_done() {
        assert!(matches!(restore(b"hello", "x"), Err(BackupError::NotABackup)));
        assert!(matches!(restore(&vec![b'a'; BACKUP_MAX + 1], "x"), Err(BackupError::TooLong)));
        let text = export(&sample(), "x").unwrap();
        let cut = &text.as_bytes()[..text.len() / 2];
        assert!(restore(cut, "x").is_err());
        let heavy = b"age-encryption.org/v1\n-> scrypt bm90IHJlYWxseSBhIHNhbA 30\n\
            AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n0123456789abcdef";
        assert!(matches!(restore(heavy, "x"), Err(BackupError::TooMuchWork | BackupError::NotABackup)));
    }

    #[test]
    fn v5_identities_are_imported_and_checked() {
        let identity = Identity::from_seed(&[9; 32]);
        let seed = "09".repeat(32);
        let public = identity.channel().to_string();
        let json = format!(r#"{{"publicKey":"{public}","secretKey":"{seed}{public}","sequence":3}}"#);
        assert_eq!(import_v5(json.as_bytes()).unwrap().channel(), identity.channel());
        let only_seed = format!(r#"{{"seed":"{seed}"}}"#);
        assert_eq!(import_v5(only_seed.as_bytes()).unwrap().channel(), identity.channel());
        let other = Identity::from_seed(&[8; 32]).channel();
        for bad in [
            format!(r#"{{"publicKey":"{other}","secretKey":"{seed}{public}"}}"#),
            format!(r#"{{"secretKey":"{seed}{other}"}}"#),
            format!(r#"{{"publicKey":"{public}"}}"#),
            r#"{"secretKey":"zz"}"#.into(),
            r#"{"secretKey":"00"}"#.into(),
            "[]".into(),
        ] {
            assert!(matches!(import_v5(bad.as_bytes()), Err(BackupError::BadIdentity(_))), "{bad}");
        }
    }
}
