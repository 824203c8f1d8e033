//! People with nodes, for tests that run whole nodes in one process.

#![allow(dead_code, reason = "not every test asks for everything")]

use std::path::Path;
use std::time::Duration;

use node::api::{Event, ItemInfo, ItemState, Publish, Reply, Request, Subscribe};
use node::{Node, NodeConfig};
use zeroize::Zeroizing;

/// Long enough for a loaded machine; nothing is measured by it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn config(dir: &Path) -> NodeConfig {
    NodeConfig {
        data_dir: dir.to_path_buf(),
        listen: Some("127.0.0.1:0".parse().unwrap()),
        passphrase: Some(Zeroizing::new("a secret of tests".into())),
        ..NodeConfig::default()
    }
}

pub(crate) async fn call(node: &Node, request: Request) -> Reply {
    tokio::time::timeout(PATIENCE, node.call(request)).await.expect("an answer in time").expect("it works")
}

pub(crate) async fn identity(node: &Node, name: &str) {
    call(node, Request::IdNew(node::api::IdNew { name: name.into() })).await;
}

pub(crate) async fn address(node: &Node) -> String {
    let Reply::Status(status) = call(node, Request::Status).await else { panic!("a status") };
    status.listen.unwrap()
}

pub(crate) async fn published(node: &Node, args: Publish) -> node::api::Published {
    let Reply::Published(done) = call(node, Request::Publish(args)).await else { panic!("published") };
    done
}

/// Waits for an event that `fits`.
pub(crate) async fn until(node: &Node, mut fits: impl FnMut(&Event) -> bool) {
    let mut events = node.events();
    let wait = async {
        while let Some(event) = events.next().await {
            if fits(&event) {
                return;
            }
        }
        panic!("the node stopped");
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the event comes");
}

pub(crate) fn is_complete(event: &Event) -> bool {
    match event {
        Event::Snapshot(now) => now.transfers.iter().any(|i| i.state == ItemState::Complete),
        Event::Ready(_) => true,
        _ => false,
    }
}

/// A node that knows these peers.
pub(crate) async fn start(dir: &Path, peers: &[&Node]) -> Node {
    let mut known = Vec::new();
    for peer in peers {
        known.push(address(peer).await.parse().unwrap());
    }
    Node::start(NodeConfig { peers: known, ..config(dir) }).await.unwrap()
}

/// An author whose channel has one item, a folder of these files.
pub(crate) async fn author(dir: &Path, private: bool, files: &[(&str, usize)]) -> (Node, node::api::Published) {
    let author = start(&dir.join("author"), &[]).await;
    identity(&author, "author").await;
    let done = publish(&author, dir, "first", private, files).await;
    (author, done)
}

/// Publishes a folder of these files: name and bytes.
pub(crate) async fn publish(
    author: &Node,
    dir: &Path,
    title: &str,
    private: bool,
    files: &[(&str, usize)],
) -> node::api::Published {
    let folder = dir.join("published").join(title);
    std::fs::create_dir_all(&folder).unwrap();
    for (seed, (name, len)) in files.iter().enumerate() {
        std::fs::write(folder.join(name), bytes(seed + title.len() * 100, *len)).unwrap();
    }
    let args = Publish { paths: vec![folder], identity: "author".into(), private, ..Publish::default() };
    published(author, args).await
}

/// Bytes that are the same for the same seed.
pub(crate) fn bytes(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| (at ^ (at >> 9) ^ seed.wrapping_mul(193)) as u8).collect()
}

pub(crate) async fn subscribe(node: &Node, link: &str) {
    call(node, Request::Subscribe(Subscribe { link: link.to_owned(), fetch: Default::default() })).await;
}

/// Items that move, wait or are here.
pub(crate) async fn transfers(node: &Node) -> Vec<ItemInfo> {
    let Reply::Transfers(items) = call(node, Request::Transfers).await else { panic!("transfers") };
    items
}

/// Asks until the transfers are as they should be.
pub(crate) async fn until_transfers(node: &Node, what: &str, fits: impl Fn(&[ItemInfo]) -> bool) -> Vec<ItemInfo> {
    let mut events = node.events();
    let wait = async {
        loop {
            let now = transfers(node).await;
            if fits(&now) {
                return now;
            }
            // Whatever happens, look again; some changes are told by nothing but the next status.
            let _ = tokio::time::timeout(Duration::from_millis(200), events.next()).await;
        }
    };
    match tokio::time::timeout(PATIENCE, wait).await {
        Ok(found) => found,
        Err(_) => panic!("{what} was not so in time: {:?}", transfers(node).await),
    }
}

pub(crate) async fn stop(nodes: impl IntoIterator<Item = Node>) {
    for node in nodes {
        node.stop().await.unwrap();
    }
}
