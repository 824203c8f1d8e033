use super::lines::Lines;
use super::server::serve_connection;
use super::wire::{METHODS, number};
use super::*;
use crate::api::{Code, Get, IdNew, ItemInfo, LinkArg, Publish, PublishProgress, Snapshot, Status, Unlock};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::sync::{Notify, broadcast, watch};

/// Stands in for a node: answers a few requests, tells what was cancelled.
#[derive(Clone)]
struct Fake {
    news: broadcast::Sender<Event>,
    stop: watch::Sender<bool>,
    begun: Arc<Notify>,
    dropped: Arc<Notify>,
    finish: Arc<Notify>,
    running: Arc<AtomicUsize>,
}

struct FakeNews {
    first: Option<Event>,
    rest: broadcast::Receiver<Event>,
}

impl News for FakeNews {
    async fn next(&mut self) -> Option<Event> {
        match self.first.take() {
            Some(first) => Some(first),
            None => self.rest.recv().await.ok(),
        }
    }
}

struct Running(Fake);
impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        self.0.dropped.notify_one();
    }
}

impl Fake {
    fn new() -> Self {
        Self {
            news: broadcast::channel(64).0,
            stop: watch::channel(false).0,
            begun: Arc::default(),
            dropped: Arc::default(),
            finish: Arc::default(),
            running: Arc::default(),
        }
    }
    fn running(&self) -> Running {
        self.running.fetch_add(1, Ordering::SeqCst);
        self.begun.notify_one();
        Running(self.clone())
    }
}

impl Handler for Fake {
    type News = FakeNews;
    async fn call(&self, request: Request) -> Result<Reply, ErrorInfo> {
        match request {
            Request::Status => Ok(Reply::Status(Status { version: "fake".into(), ..Default::default() })),
            Request::Unlock(Unlock { passphrase }) if passphrase == "right" => Ok(Reply::Done),
            Request::Unlock(_) => Err(ErrorInfo { code: Code::WrongPassphrase, message: "Wrong passphrase".into() }),
            Request::Publish(_) => {
                let _running = self.running();
                let progress = PublishProgress { title: "t".into(), stage: "seal".into(), ..Default::default() };
                let _ = self.news.send(Event::Status(Status::default()));
                let _ = self.news.send(Event::Publishing(progress));
                self.finish.notified().await;
                Ok(Reply::LinkText("published".into()))
            }
            Request::Get(_) | Request::Verify(_) => {
                let _running = self.running();
                self.finish.notified().await;
                Ok(Reply::Done)
            }
            Request::Shutdown => {
                self.stop.send_replace(true);
                Ok(Reply::Done)
            }
            _ => Err(ErrorInfo { code: Code::NotFound, message: "Not here".into() }),
        }
    }
    fn events(&self) -> FakeNews {
        FakeNews { first: Some(Event::Snapshot(Snapshot::default())), rest: self.news.subscribe() }
    }
    async fn stopped(&self) {
        let _ = self.stop.subscribe().wait_for(|stopped| *stopped).await;
    }
}

fn pair() -> (Fake, DuplexStream, tokio::task::JoinHandle<()>) {
    let fake = Fake::new();
    let (near, far) = tokio::io::duplex(4096);
    let served = tokio::spawn(serve_connection(fake.clone(), far, watch::channel(()).1));
    (fake, near, served)
}

fn client() -> (Fake, Client, tokio::task::JoinHandle<()>) {
    let (fake, near, served) = pair();
    (fake, Client::over(Box::new(near)), served)
}

/// Sends lines and reads as many answers, as JSON.
async fn raw(stream: &mut DuplexStream, send: &[u8], answers: usize) -> Vec<serde_json::Value> {
    stream.write_all(send).await.unwrap();
    let mut lines = Lines::new(stream, MAX_REPLY);
    let mut heard = Vec::new();
    for _ in 0..answers {
        heard.push(serde_json::from_slice(&lines.next().await.unwrap().unwrap()).unwrap());
    }
    heard
}

#[tokio::test]
async fn an_answer_comes_back() {
    let (_fake, mut client, served) = client();
    assert!(matches!(client.call(Request::Status).await, Ok(Reply::Status(status)) if status.version == "fake"));
    let unlock = |passphrase: &str| Request::Unlock(Unlock { passphrase: passphrase.into() });
    assert!(matches!(client.call(unlock("right")).await, Ok(Reply::Done)));
    let Err(error) = client.call(unlock("wrong")).await else { panic!("unlocked") };
    assert_eq!(error, ErrorInfo { code: Code::WrongPassphrase, message: "Wrong passphrase".into() });
    drop(client);
    served.await.unwrap();
}

#[tokio::test]
async fn progress_comes_between_and_only_what_belongs_to_it() {
    let (fake, mut client, _served) = client();
    let mut heard = Vec::new();
    let outcome = client
        .call_with(Request::Publish(Publish::default()), |event| {
            heard.push(serde_json::to_value(event).unwrap()["event"].clone());
            fake.finish.notify_one();
        })
        .await;
    assert!(matches!(outcome, Ok(Reply::LinkText(text)) if text == "published"));
    assert_eq!(heard, ["publishing"]);
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_what_takes_long() {
    let (fake, mut client, served) = client();
    let get = Request::Get(Get { what: "x".into(), dir: None });
    tokio::select! {
        _ = client.call(get) => panic!("nobody let it finish"),
        () = fake.begun.notified() => {}
    }
    assert_eq!(fake.running.load(Ordering::SeqCst), 1);
    drop(client);
    fake.dropped.notified().await;
    assert_eq!(fake.running.load(Ordering::SeqCst), 0);
    served.await.unwrap();
}

#[tokio::test]
async fn a_short_request_finishes_though_nothing_more_is_asked() {
    let (fake, mut near, served) = pair();
    let line = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"verify\",\"params\":{\"item\":\"x\"}}\n";
    near.write_all(line).await.unwrap();
    fake.begun.notified().await;
    near.shutdown().await.unwrap();
    fake.finish.notify_one();
    let heard = raw(&mut near, b"", 1).await;
    assert_eq!(heard[0]["result"]["kind"], "done");
    served.await.unwrap();
}

#[tokio::test]
async fn requests_run_side_by_side_up_to_a_limit() {
    let (fake, mut near, _served) = pair();
    let mut lines = Vec::new();
    for id in 0..=MAX_RUNNING {
        let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"verify\",\"params\":{{\"item\":\"x\"}}}}\n");
        lines.extend_from_slice(line.as_bytes());
    }
    let heard = raw(&mut near, &lines, 1).await;
    assert_eq!(heard[0]["id"], MAX_RUNNING);
    assert_eq!(heard[0]["error"]["data"]["code"], "busy");
    while fake.running.load(Ordering::SeqCst) < MAX_RUNNING {
        fake.begun.notified().await;
    }
    fake.finish.notify_waiters();
    let heard = raw(&mut near, b"", MAX_RUNNING).await;
    assert!(heard.iter().all(|answer| answer["result"]["kind"] == "done"));
}

#[tokio::test]
async fn watch_streams_until_the_node_stops() {
    let (fake, client, served) = client();
    let mut watching = client.watch().await.map_err(|error| error.message).unwrap();
    assert!(matches!(watching.next().await, Ok(Some(Event::Snapshot(_)))));
    let item = ItemInfo { name: "i".into(), ..Default::default() };
    fake.news.send(Event::Item(item)).unwrap();
    assert!(matches!(watching.next().await, Ok(Some(Event::Item(item))) if item.name == "i"));
    fake.stop.send_replace(true);
    assert!(matches!(watching.next().await, Ok(None)));
    served.await.unwrap();
}

#[tokio::test]
async fn shutdown_is_answered_before_the_end() {
    let (_fake, mut client, served) = client();
    assert!(matches!(client.call(Request::Shutdown).await, Ok(Reply::Done)));
    client.closed().await;
    served.await.unwrap();
}

#[tokio::test]
async fn a_client_that_stops_the_node_knows_when_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let none = Client::connect(dir.path()).await.err().map(|error| error.kind());
    assert!(matches!(none, Some(std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused)), "{none:?}");
    let fake = Fake::new();
    let serving = serve(fake.clone(), dir.path()).unwrap();
    let mut other = Client::connect(dir.path()).await.unwrap();
    assert!(matches!(other.call(Request::Status).await, Ok(Reply::Status(_))));
    let mut client = Client::connect(dir.path()).await.unwrap();
    assert!(matches!(client.call(Request::Shutdown).await, Ok(Reply::Done)));
    // Another client is let go at once; this one waits for the end.
    other.closed().await;
    let closed = client.closed();
    tokio::pin!(closed);
    tokio::select! {
        biased;
        () = &mut closed => panic!("closed before the end"),
        () = tokio::task::yield_now() => {}
    }
    tokio::join!(serving.end(), closed);
    assert!(Client::connect(dir.path()).await.is_err());
}

#[tokio::test]
async fn a_node_that_goes_away_is_said_so() {
    let (near, far) = tokio::io::duplex(64);
    let mut client = Client::over(Box::new(near));
    drop(far);
    let Err(error) = client.call(Request::Status).await else { panic!("answered") };
    assert_eq!(error.code, Code::Stopping);
}

/// A value that JSON cannot hold.
struct Unwritable;

impl serde::Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no text"))
    }
}

#[tokio::test]
async fn what_cannot_be_written_or_read_is_told() {
    // Once it became an empty line, which tells nobody anything.
    let error = super::wire::line(&Unwritable, MAX_REPLY).err().unwrap();
    assert_eq!((error.code, error.message.contains("no text")), (Code::Internal, true));
    assert!(super::wire::line(&"x".repeat(10), 12).is_ok());
    assert_eq!(super::wire::line(&"x".repeat(11), 12).err().map(|error| error.code), Some(Code::BadArgument));
    let (_fake, mut client, _served) = client();
    let long = Request::Publish(Publish { title: Some("x".repeat(MAX_REQUEST)), ..Publish::default() });
    let Err(error) = client.call(long).await else { panic!("sent") };
    assert_eq!(error.code, Code::BadArgument);
    assert!(client.call(Request::Status).await.is_ok(), "the connection goes on");

    for said in ["nonsense\n", "{\"id\":1}\n", "{\"id\":1,\"result\":{\"kind\":\"later\"}}\n"] {
        let (near, mut far) = tokio::io::duplex(4096);
        far.write_all(said.as_bytes()).await.unwrap();
        let Err(error) = Client::over(Box::new(near)).call(Request::Status).await else { panic!("{said}") };
        assert_eq!(error.code, Code::Internal, "{said}");
    }
    let (near, mut far) = tokio::io::duplex(4096);
    let snapshot = serde_json::to_string(&Reply::Watching(Snapshot::default())).unwrap();
    let lines = format!("{{\"id\":1,\"result\":{snapshot}}}\nnonsense\n");
    far.write_all(lines.as_bytes()).await.unwrap();
    let mut watching = Client::over(Box::new(near)).watch().await.map_err(|error| error.message).unwrap();
    assert!(matches!(watching.next().await, Ok(Some(Event::Snapshot(_)))));
    assert_eq!(watching.next().await.err().map(|error| error.code), Some(Code::Internal));
}

#[tokio::test]
async fn bad_lines_are_refused_and_the_connection_goes_on() {
    let (_fake, mut near, _served) = pair();
    let table: &[(&str, i32)] = &[
        ("no json", number::PARSE),
        ("{\"jsonrpc\":\"2.0\",", number::PARSE),
        ("[]", number::INVALID_REQUEST),
        ("{\"id\":1}", number::INVALID_REQUEST),
        (r#"{"jsonrpc":"1.0","id":1,"method":"status"}"#, number::INVALID_REQUEST),
        (r#"{"jsonrpc":"2.0","id":[1],"method":"status"}"#, number::INVALID_REQUEST),
        (r#"{"jsonrpc":"2.0","id":1,"method":"nonsense"}"#, number::NO_METHOD),
        (r#"{"jsonrpc":"2.0","id":1,"method":"look"}"#, number::BAD_PARAMS),
        (r#"{"jsonrpc":"2.0","id":1,"method":"look","params":{"link":5}}"#, number::BAD_PARAMS),
        (r#"{"jsonrpc":"2.0","id":1,"method":"look","params":{"link":"x"}}"#, number::REFUSED),
    ];
    for (line, code) in table {
        let heard = raw(&mut near, format!("{line}\n").as_bytes(), 1).await;
        assert_eq!(heard[0]["error"]["code"], *code, "{line}");
        assert_eq!(heard[0]["jsonrpc"], "2.0");
    }
    // Blank lines and notifications get no answer; a text is an id too.
    let lines =
        b"\n \n{\"jsonrpc\":\"2.0\",\"method\":\"status\"}\n{\"id\":\"a\",\"method\":\"status\",\"jsonrpc\":\"2.0\"}\n";
    let heard = raw(&mut near, lines, 1).await;
    assert_eq!(heard[0]["id"], "a");
    assert_eq!(heard[0]["result"]["kind"], "status");
}

#[tokio::test]
async fn an_endless_line_ends_the_connection() {
    let (_fake, near, served) = pair();
    let (mut reading, mut writing) = tokio::io::split(near);
    let feed = tokio::spawn(async move {
        let chunk = vec![b'a'; 64 << 10];
        while writing.write_all(&chunk).await.is_ok() {}
    });
    let mut lines = Lines::new(&mut reading, MAX_REPLY);
    let refused: serde_json::Value = serde_json::from_slice(&lines.next().await.unwrap().unwrap()).unwrap();
    assert_eq!(refused["error"]["code"], number::INVALID_REQUEST);
    assert!(matches!(lines.next().await, Ok(None) | Err(_)));
    served.await.unwrap();
    feed.await.unwrap();
}

#[tokio::test]
async fn lines_split_anywhere_and_lose_nothing_when_dropped() {
    let (mut near, far) = tokio::io::duplex(8);
    let mut lines = Lines::new(far, 5);
    near.write_all(b"ab").await.unwrap();
    tokio::select! {
        biased;
        _ = lines.next() => panic!("no line yet"),
        () = tokio::task::yield_now() => {}
    }
    near.write_all(b"cde\n\nx").await.unwrap();
    assert_eq!(lines.next().await.unwrap().unwrap().as_slice(), b"abcde");
    assert_eq!(lines.next().await.unwrap().unwrap().as_slice(), b"");
    near.write_all(b"yz!!6\n").await.unwrap();
    assert_eq!(lines.next().await.err().map(|error| error.kind()), Some(std::io::ErrorKind::InvalidData));
    let (mut near, far) = tokio::io::duplex(8);
    near.write_all(b"cut").await.unwrap();
    drop(near);
    let cut = Lines::new(far, 5).next().await;
    assert_eq!(cut.err().map(|error| error.kind()), Some(std::io::ErrorKind::UnexpectedEof));
}

#[test]
fn every_request_has_its_method() {
    let link = || LinkArg { link: String::new() };
    for request in [
        Request::IdNew(IdNew { name: String::new() }),
        Request::IdList,
        Request::Publish(Publish::default()),
        Request::ParseLink(link()),
        Request::Look(link()),
        Request::Channels,
        Request::Status,
        Request::Transfers,
        Request::Peers,
        Request::Settings,
        Request::Unlock(Unlock { passphrase: String::new() }),
        Request::Watch,
        Request::Shutdown,
    ] {
        let value = serde_json::to_value(&request).unwrap();
        assert!(METHODS.contains(&value["method"].as_str().unwrap()), "{value}");
    }
    // serde lists every variant when the tag is none of them: so none is missing here, and none too many.
    let error = serde_json::from_str::<Request>(r#"{"method":"nonsense"}"#).err().unwrap().to_string();
    let listed: Vec<_> = error.split('`').skip(3).step_by(2).collect();
    assert_eq!(listed, METHODS);
}
