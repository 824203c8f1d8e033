//! The DHT as a v5 client uses it: everything unpaced, one call after the other.

use super::author::{Author, File, bytes};
use super::{Blob, Gossip, download};
use data_encoding::HEXLOWER;
use futures_lite::StreamExt;
use mainline::Id;
use mainline::async_dht::AsyncDht;
use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::runtime::Runtime;

/// No operation of a loopback DHT takes longer.
const OPERATION: Duration = Duration::from_secs(20);

/// A DHT client on a loopback address.
pub struct Dht {
    dht: AsyncDht,
    runtime: Runtime,
}

impl Dht {
    /// Joins by these nodes; what it announces is announced for `host`.
    ///
    /// # Errors
    /// No socket on this address.
    pub fn join(bootstrap: &[String], host: Ipv4Addr) -> io::Result<Self> {
        let dht = mainline::Dht::builder().bootstrap(bootstrap).bind_address(host).build()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        Ok(Self { dht: dht.as_async(), runtime })
    }

    fn wait<T>(&self, operation: impl Future<Output = T>) -> io::Result<T> {
        let limited = async { tokio::time::timeout(OPERATION, operation).await };
        self.runtime.block_on(limited).map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the DHT does not answer"))
    }

    /// Puts an author's manifest.
    ///
    /// # Errors
    /// No node took it.
    pub fn put(&self, author: &Author, manifest: &str, sequence: u64) -> io::Result<()> {
        let item = author.item(manifest, sequence)?;
        // A loaded machine may lose every answer of one round: then once more.
        match self.wait(self.dht.put_mutable(item.clone(), None))? {
            Ok(_) => Ok(()),
            Err(_) => self.wait(self.dht.put_mutable(item, None))?.map(drop).map_err(io::Error::other),
        }
    }

    /// Announces that our host has a blob, on this TCP port.
    ///
    /// # Errors
    /// The ID is none, or no node took it.
    pub fn announce(&self, id: &str, port: u16) -> io::Result<()> {
        self.wait(self.dht.announce_peer(infohash(id)?, Some(port)))?.map(drop).map_err(io::Error::other)
    }

    /// The newest manifest of a channel, to the end of the stream, with its sequence.
    ///
    /// # Errors
    /// The key is none, or the DHT does not answer.
    pub fn look_up(&self, channel: &str) -> io::Result<Option<(u64, String)>> {
        self.look_up_salted(channel, None)
    }

    /// As [`Self::look_up`], of the key's item with this salt.
    ///
    /// # Errors
    /// As [`Self::look_up`].
    pub fn look_up_salted(&self, channel: &str, salt: Option<&[u8]>) -> io::Result<Option<(u64, String)>> {
        let key: [u8; 32] = bytes(channel).map_err(io::Error::other)?;
        let stream = self.dht.get_mutable(&key, salt, None);
        let all: Vec<mainline::MutableItem> = self.wait(stream.collect())?;
        let Some(newest) = all.into_iter().max_by_key(mainline::MutableItem::seq) else { return Ok(None) };
        let sequence = u64::try_from(newest.seq()).map_err(io::Error::other)?;
        Ok(Some((sequence, String::from_utf8(newest.value().to_vec()).map_err(io::Error::other)?)))
    }

    /// Who is said to have a blob.
    ///
    /// # Errors
    /// The ID is none, or the DHT does not answer.
    pub fn peers(&self, id: &str) -> io::Result<BTreeSet<SocketAddr>> {
        let stream = self.dht.get_peers(infohash(id)?);
        let all: Vec<_> = self.wait(stream.collect())?;
        Ok(all.into_iter().flatten().map(SocketAddr::V4).collect())
    }

    /// Fetches one file of a channel as a v5 client does, blob by blob, from whoever is said to have it.
    ///
    /// # Errors
    /// The last thing that kept a blob away.
    pub fn fetch(&self, file: &File) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        for chunk in &file.chunks {
            let mut last = io::Error::other(format!("the DHT names nobody who has {}", chunk.id));
            let mut found = None;
            for peer in self.peers(&chunk.id)? {
                match download(peer, &chunk.id, Gossip::Direct(&[]), None) {
                    Ok(sealed) => {
                        found = Some(sealed);
                        break;
                    }
                    Err(error) => last = io::Error::other(error),
                }
            }
            let sealed = found.ok_or(last)?;
            content.extend(Blob::open(&sealed, chunk.key, chunk.nonce, chunk.real_size)?);
        }
        Ok(content)
    }
}

/// First 20 bytes of a blob ID.
fn infohash(id: &str) -> io::Result<Id> {
    let bytes = HEXLOWER.decode(id.as_bytes()).map_err(io::Error::other)?;
    Id::from_bytes(bytes.get(..20).ok_or_else(|| io::Error::other("a short blob ID"))?).map_err(io::Error::other)
}
