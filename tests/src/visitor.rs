//! What a browser's page says to a node's web interface, without a browser: written from the description of the exchange
//! (`crates/cli/src/web/proof.rs`), sharing no line with the page or the node.

use anyhow::{Context, Result, ensure};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The answer to a request: status, head, body.
#[derive(Debug)]
pub struct Answered {
    /// The number on the first line.
    pub status: u16,
    /// All lines before the body.
    pub head: String,
    /// The rest.
    pub body: String,
}

/// What a request with these lines in its head gets.
///
/// # Errors
/// Nobody answers, or not in HTTP.
pub fn request(host: &str, path: &str, lines: &[&str]) -> Result<Answered> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    write!(stream, "GET {path} HTTP/1.1\r\nConnection: close\r\n{lines}\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
    Ok(Answered { status, head: head.to_owned(), body: body.to_owned() })
}

/// Somebody with a key: a token, or the session that was made of one.
#[derive(Debug, Clone)]
pub struct Visitor {
    host: String,
    key: Vec<u8>,
}

impl Visitor {
    /// Somebody with the token out of a node's address.
    ///
    /// # Errors
    /// There is none in it.
    pub fn with_token(address: &str) -> Result<Self> {
        let (origin, token) = address.split_once("/#token=").context("no token in the address")?;
        let host = origin.strip_prefix("http://").context("no address")?.to_owned();
        Ok(Self { host, key: token.as_bytes().to_vec() })
    }

    /// `host:port`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// `Host: …`.
    pub fn named(&self) -> String {
        format!("Host: {}", self.host)
    }

    fn mac(&self, label: &str, parts: &[&str]) -> Result<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key)?;
        let text: Vec<&str> = std::iter::once(label).chain(parts.iter().copied()).collect();
        mac.update(text.join("\n").as_bytes());
        Ok(HEXLOWER.encode(&mac.finalize().into_bytes()))
    }

    /// Asks the node to show that it has the key; gives both nonces, or the status of a refusal.
    fn greet(&self) -> Result<Result<[String; 2], u16>> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(std::io::Error::other)?;
        let (name, ours) = (self.mac("name", &[])?, HEXLOWER.encode(&nonce));
        let path = format!("/api/greet?key={}&nonce={ours}", &name[..32]);
        let answer = request(&self.host, &path, &[&self.named()])?;
        if answer.status != 200 {
            return Ok(Err(answer.status));
        }
        let told: serde_json::Value = serde_json::from_str(&answer.body)?;
        let theirs = told["nonce"].as_str().context("a nonce")?.to_owned();
        ensure!(
            told["proof"] == self.mac("node", &[&ours, &theirs])?.as_str(),
            "the node does not prove itself: {told}"
        );
        Ok(Ok([ours, theirs]))
    }

    /// The field that goes with a request for this, a path without its first slash.
    ///
    /// # Errors
    /// The node does not know the key.
    pub fn proof(&self, what: &str) -> Result<String> {
        let nonces = self.greet()?.map_err(|status| anyhow::anyhow!("refused: {status}"))?;
        self.proof_over(&nonces, what)
    }

    fn proof_over(&self, [ours, theirs]: &[String; 2], what: &str) -> Result<String> {
        let name = self.mac("name", &[])?;
        Ok(format!("Authorization: Proof {}.{theirs}.{}", &name[..32], self.mac("page", &[ours, theirs, what])?))
    }

    /// Whether the node knows the key.
    ///
    /// # Errors
    /// It does not answer, or is not the node.
    pub fn is_known(&self) -> Result<bool> {
        Ok(self.greet()?.is_ok())
    }

    /// Makes a session of the token.
    ///
    /// # Errors
    /// The node does not take it.
    pub fn sign_in(&self) -> Result<Self> {
        let nonces = self.greet()?.map_err(|status| anyhow::anyhow!("refused: {status}"))?;
        let proof = self.proof_over(&nonces, "api/session")?;
        let answer = request(&self.host, "/api/session", &[&self.named(), &proof])?;
        ensure!(answer.status == 200, "{answer:?}");
        let key = HEXLOWER.decode(self.mac("session", &[&nonces[0], &nonces[1]])?.as_bytes())?;
        Ok(Self { host: self.host.clone(), key })
    }

    /// Asks for this with a proof.
    ///
    /// # Errors
    /// The node does not know the key, or does not answer.
    pub fn ask(&self, what: &str) -> Result<Answered> {
        request(&self.host, &format!("/{what}"), &[&self.named(), &self.proof(what)?])
    }
}
