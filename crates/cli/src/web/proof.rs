//! How a browser signs in, and shows at each request that it has, with no secret that travels.
//!
//! Both sides know a key: the printed token, or the session that was made of it. The browser names the key and sends a
//! nonce; the node answers with a nonce of its own and an HMAC of both, by which the page knows that it speaks with the
//! node and not with whoever took its port; then the page's HMAC of both and of what it asks for goes with the request.
//! Each pair of nonces holds for one request. The token is good for one session: another takes its place then.
//!
//! All of it is text: `HMAC-SHA256(key, label ‖ "\n" ‖ part ‖ "\n" ‖ part …)`, in small hexadecimal digits.

use hmac::{Hmac, KeyInit, Mac};
use node::api::ErrorInfo;
use sha2::Sha256;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Sessions at one time; the oldest goes first.
const SESSIONS: usize = 64;
/// Nonces that wait for their request; the oldest go first.
const PENDING: usize = 256;
/// How long they wait.
const PENDING_FOR: Duration = Duration::from_secs(30);
/// Digits of a nonce and of a key's name.
const DIGITS: usize = 32;

/// A key that both sides know.
#[derive(Clone)]
struct Key {
    /// Says which it is, and nothing of it.
    name: String,
    secret: Zeroizing<Vec<u8>>,
}

impl Key {
    fn new(secret: Vec<u8>) -> Self {
        let secret = Zeroizing::new(secret);
        let mut name = hex(mac(&secret, "name", &[]));
        name.truncate(DIGITS);
        Self { name, secret }
    }
}

fn mac(secret: &[u8], label: &str, parts: &[&str]) -> Hmac<Sha256> {
    #[allow(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length");
    mac.update(label.as_bytes());
    for part in parts {
        mac.update(b"\n");
        mac.update(part.as_bytes());
    }
    mac
}

fn hex(mac: Hmac<Sha256>) -> String {
    data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes())
}

/// Nonces for one request.
struct Pending {
    key: String,
    browsers: String,
    ours: String,
    since: Instant,
}

/// What a browser is answered before it shows anything.
#[derive(serde::Serialize)]
pub(super) struct Greeting {
    nonce: String,
    proof: String,
}

/// Who showed that they may ask.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// Has the token; a session is theirs now, and the token is used up.
    Token,
    /// Has a session.
    Session,
}

/// The keys that are good, and the nonces that wait.
pub(super) struct Proofs {
    token: Key,
    sessions: VecDeque<Key>,
    pending: VecDeque<Pending>,
}

impl Proofs {
    /// `token`: hexadecimal digits.
    pub(super) fn new(token: &str) -> Self {
        Self { token: token_key(token), sessions: VecDeque::new(), pending: VecDeque::new() }
    }

    /// Another token in the place of the one that is used up.
    pub(super) fn renew(&mut self, token: &str) {
        self.token = token_key(token);
    }

    fn key(&self, name: &str) -> Option<&Key> {
        std::iter::once(&self.token).chain(&self.sessions).find(|key| key.name == name)
    }

    /// Shows a browser that we have the key that it names; `None`: it is good no more, or its nonce is none.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(super) fn greet(&mut self, name: &str, nonce: &str) -> Result<Option<Greeting>, ErrorInfo> {
        let ours = super::random()?;
        let fits = nonce.len() == DIGITS && nonce.bytes().all(|b| b.is_ascii_hexdigit());
        let Some(key) = self.key(name).filter(|_| fits) else { return Ok(None) };
        let proof = hex(mac(&key.secret, "node", &[nonce, &ours]));
        let greeting = Greeting { nonce: ours.clone(), proof };
        self.pending.retain(|pending| pending.since.elapsed() < PENDING_FOR);
        if self.pending.len() == PENDING {
            self.pending.pop_front();
        }
        let since = Instant::now();
        self.pending.push_back(Pending { key: name.to_owned(), browsers: nonce.to_owned(), ours, since });
        Ok(Some(greeting))
    }

    /// Whether `shown` (`key.nonce.proof`) lets its bearer ask for `what`: a path and query without the first slash.
    pub(super) fn check(&mut self, shown: &str, what: &str) -> Option<Who> {
        let mut parts = shown.split('.');
        let (name, nonce, proof) = (parts.next()?, parts.next()?, parts.next()?);
        let at = self.pending.iter().position(|pending| pending.ours == nonce && pending.key == name)?;
        let pending = self.pending.remove(at).filter(|pending| pending.since.elapsed() < PENDING_FOR)?;
        let key = self.key(name)?.clone();
        let nonces = [pending.browsers.as_str(), pending.ours.as_str()];
        let proof = data_encoding::HEXLOWER.decode(proof.as_bytes()).ok()?;
        mac(&key.secret, "page", &[nonces[0], nonces[1], what]).verify_slice(&proof).ok()?;
        if key.name != self.token.name {
            return Some(Who::Session);
        }
        if what != super::SESSION {
            return None;
        }
        if self.sessions.len() == SESSIONS {
            self.sessions.pop_front();
        }
        let session = mac(&key.secret, "session", &nonces).finalize().into_bytes();
        self.sessions.push_back(Key::new(session.to_vec()));
        Some(Who::Token)
    }
}

fn token_key(token: &str) -> Key {
    Key::new(token.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "00112233445566778899aabbccddeeff";
    const NONCE: &str = "0123456789abcdef0123456789abcdef";

    /// What a page does with a key.
    fn show(proofs: &mut Proofs, key: &Key, what: &str) -> (String, [String; 2]) {
        let greeting = proofs.greet(&key.name, NONCE).unwrap().unwrap();
        let nonces = [NONCE.to_owned(), greeting.nonce.clone()];
        assert_eq!(greeting.proof, hex(mac(&key.secret, "node", &[NONCE, &greeting.nonce])));
        let proof = hex(mac(&key.secret, "page", &[NONCE, &greeting.nonce, what]));
        (format!("{}.{}.{proof}", key.name, greeting.nonce), nonces)
    }

    #[test]
    fn the_token_makes_one_session_and_no_proof_holds_twice() {
        let mut proofs = Proofs::new(TOKEN);
        let token = Key::new(TOKEN.as_bytes().to_vec());
        // The token is for signing in alone.
        let (shown, _) = show(&mut proofs, &token, "api/folder?path=/");
        assert_eq!(proofs.check(&shown, "api/folder?path=/"), None);
        let (shown, nonces) = show(&mut proofs, &token, super::super::SESSION);
        assert_eq!(proofs.check(&shown, super::super::SESSION), Some(Who::Token));
        assert_eq!(proofs.check(&shown, super::super::SESSION), None, "a proof holds twice");
        proofs.renew("ffeeddccbbaa99887766554433221100");
        assert!(proofs.greet(&token.name, NONCE).unwrap().is_none(), "a token that was used is still good");
        let session = mac(TOKEN.as_bytes(), "session", &[&nonces[0], &nonces[1]]).finalize().into_bytes();
        let session = Key::new(session.to_vec());
        let (shown, _) = show(&mut proofs, &session, "api/socket");
        assert_eq!(proofs.check(&shown, "api/file?item=1"), None, "a proof for one thing does for another");
        let (shown, _) = show(&mut proofs, &session, "api/socket");
        assert_eq!(proofs.check(&shown, "api/socket"), Some(Who::Session));
    }

    #[test]
    fn what_proves_nothing_is_refused_and_what_waits_is_bounded() {
        let mut proofs = Proofs::new(TOKEN);
        let token = Key::new(TOKEN.as_bytes().to_vec());
        for nonce in ["", "x", &NONCE[1..], &format!("{NONCE}0"), &"g".repeat(DIGITS)] {
            assert!(proofs.greet(&token.name, nonce).unwrap().is_none(), "{nonce}");
        }
        assert!(proofs.greet("00112233", NONCE).unwrap().is_none());
        for shown in ["", "..", "a.b", "a.b.c.d", &format!("{}.{NONCE}.00", token.name)] {
            assert_eq!(proofs.check(shown, super::super::SESSION), None, "{shown}");
        }
        for _ in 0..2 * PENDING {
            proofs.greet(&token.name, NONCE).unwrap().unwrap();
        }
        assert_eq!(proofs.pending.len(), PENDING);
    }
}
