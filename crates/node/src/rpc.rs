//! JSON-RPC 2.0 over the local socket: how this user's other processes talk to a running node.
//!
//! One JSON object per line, UTF-8, ended by `\n`. `method` and `params` are those of [`Request`]; `result` is a
//! [`Reply`]; an `error` carries the [`Code`] in `data`. Requests of one connection run side by side. While a
//! `publish` or `get` runs, its progress comes as notifications `{"method":"event","params":{"id":<its id>,"event":…}}`;
//! after `watch` every event comes so, until the connection ends.
//!
//! Promises: a request line is at most [`MAX_REQUEST`] bytes; at most [`MAX_CONNECTIONS`] connections and
//! [`MAX_RUNNING`] requests on each; a client that goes away cancels its `publish`, `get` and `watch`, while short
//! requests run to their end; every task of a connection ends with it. Only the same user reaches the socket
//! (`net::local`), so nothing here asks who is calling.

use crate::api::{Code, ErrorInfo, Event, Reply, Request};
use crate::node::{Events, Node};
use net::local::LocalListener;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::future::Future;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a request line, without its end.
pub const MAX_REQUEST: usize = 1 << 20;
/// Bytes of a line that a client takes: a list of 100,000 items fits.
pub const MAX_REPLY: usize = 256 << 20;
/// Connections at one time; more wait to be accepted.
pub const MAX_CONNECTIONS: usize = 32;
/// Requests under way on one connection; more are answered "busy".
pub const MAX_RUNNING: usize = 16;
/// Lines that wait for a slow client before its requests wait for it.
const OUTBOX: usize = 64;
/// How long answers may take to leave after the node stopped.
const FAREWELL: Duration = Duration::from_secs(2);

/// JSON-RPC's own error numbers, and one for everything that [`Code`] names.
mod number {
    pub(super) const PARSE: i32 = -32700;
    pub(super) const INVALID_REQUEST: i32 = -32600;
    pub(super) const NO_METHOD: i32 = -32601;
    pub(super) const BAD_PARAMS: i32 = -32602;
    pub(super) const REFUSED: i32 = -32000;
}

/// Every method, as it stands on the wire.
const METHODS: &[&str] = &[
    "id_new",
    "id_list",
    "id_export",
    "id_import",
    "id_rename",
    "publish",
    "unpublish",
    "edit",
    "parse_link",
    "look",
    "subscribe",
    "unsubscribe",
    "channels",
    "items",
    "files",
    "get",
    "pause",
    "resume",
    "remove",
    "verify",
    "locate",
    "status",
    "transfers",
    "peers",
    "channel_link",
    "settings",
    "set_settings",
    "unlock",
    "watch",
    "shutdown",
];

/// What answers requests: a [`Node`], or its stand-in in a test.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Its news.
    type News: News;
    /// Does one thing; dropping the future cancels a long one.
    fn call(&self, request: Request) -> impl Future<Output = Result<Reply, ErrorInfo>> + Send;
    /// What happens from now on, a snapshot first.
    fn events(&self) -> Self::News;
    /// Resolves when it has stopped.
    fn stopped(&self) -> impl Future<Output = ()> + Send;
}

/// A stream of events.
pub trait News: Send + 'static {
    /// The next one; none after the node stopped.
    fn next(&mut self) -> impl Future<Output = Option<Event>> + Send;
}

impl Handler for Node {
    type News = Events;
    async fn call(&self, request: Request) -> Result<Reply, ErrorInfo> {
        Node::call(self, request).await
    }
    fn events(&self) -> Events {
        Node::events(self)
    }
    async fn stopped(&self) {
        Node::stopped(self).await;
    }
}

impl News for Events {
    async fn next(&mut self) -> Option<Event> {
        Events::next(self).await
    }
}

/// Opens the local socket of a data folder that this process holds, and serves it until the node stops.
///
/// # Errors
/// The socket cannot be bound.
pub async fn serve_in(node: Node, data_dir: &Path) -> std::io::Result<()> {
    serve(node, LocalListener::bind(data_dir)?).await;
    Ok(())
}

/// Serves the local socket until the node stops, then lets the last answers leave.
pub async fn serve(node: Node, listener: LocalListener) {
    let mut connections = JoinSet::new();
    let stopped = node.stopped();
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            () = &mut stopped => break,
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok(stream) => {
                    connections.spawn(serve_connection(node.clone(), stream));
                }
                Err(error) => {
                    // Out of file handles, most likely: they come back when connections end.
                    tracing::warn!(%error, "the local socket does not accept");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// A request line.
#[derive(Deserialize)]
struct Asked<'a> {
    jsonrpc: &'a str,
    #[serde(default, borrow)]
    id: Option<&'a RawValue>,
    method: &'a str,
    #[serde(default, borrow)]
    params: Option<&'a RawValue>,
}

/// What a request line becomes: the request, or the answer that refuses it.
enum Line {
    Run(Option<Box<RawValue>>, Request),
    Refuse(Vec<u8>),
}

#[derive(Serialize)]
struct Answer<'a> {
    jsonrpc: &'static str,
    id: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Reply>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Fault>,
}

#[derive(Serialize, Deserialize)]
struct Fault {
    code: i32,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<FaultData>,
}

#[derive(Serialize, Deserialize)]
struct FaultData {
    code: Code,
}

#[derive(Serialize)]
struct Notification<'a> {
    jsonrpc: &'static str,
    method: &'static str,
    params: NotificationParams<'a>,
}

#[derive(Serialize)]
struct NotificationParams<'a> {
    id: Option<&'a RawValue>,
    event: &'a Event,
}

/// What a client reads: an answer or a notification.
#[derive(Deserialize)]
struct Heard {
    #[serde(default)]
    id: Option<u64>,
    #[serde(default)]
    result: Option<Reply>,
    #[serde(default)]
    error: Option<Fault>,
    #[serde(default)]
    params: Option<HeardParams>,
}

#[derive(Deserialize)]
struct HeardParams {
    #[serde(default)]
    id: Option<u64>,
    event: Event,
}

fn line(value: &impl Serialize) -> Vec<u8> {
    // The types here have string keys only, so writing them to memory cannot fail.
    let mut bytes = serde_json::to_vec(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

fn refusal(id: Option<&RawValue>, code: i32, message: impl Into<String>, data: Option<Code>) -> Vec<u8> {
    let data = data.map(|code| FaultData { code });
    line(&Answer { jsonrpc: "2.0", id, result: None, error: Some(Fault { code, message: message.into(), data }) })
}

fn answer(id: Option<&RawValue>, outcome: Result<Reply, ErrorInfo>) -> Vec<u8> {
    match outcome {
        Ok(reply) => line(&Answer { jsonrpc: "2.0", id, result: Some(&reply), error: None }),
        Err(error) => refusal(id, number::REFUSED, error.message, Some(error.code)),
    }
}

fn read_request(bytes: &[u8]) -> Line {
    let Ok(asked) = serde_json::from_slice::<Asked<'_>>(bytes) else {
        let whole = serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
        return Line::Refuse(if whole {
            refusal(None, number::INVALID_REQUEST, "Not a JSON-RPC 2.0 request", None)
        } else {
            refusal(None, number::PARSE, "Not JSON", None)
        });
    };
    let id = match asked.id {
        Some(id) if id.get().starts_with(['{', '[']) => {
            return Line::Refuse(refusal(None, number::INVALID_REQUEST, "An id is a number or a text", None));
        }
        id => id,
    };
    if asked.jsonrpc != "2.0" {
        return Line::Refuse(refusal(id, number::INVALID_REQUEST, "Not a JSON-RPC 2.0 request", None));
    }
    if !METHODS.contains(&asked.method) {
        return Line::Refuse(refusal(id, number::NO_METHOD, "No such method", Some(Code::BadArgument)));
    }
    // The tag is known, so what remains to fail is the arguments.
    let mut tagged = Zeroizing::new(Vec::with_capacity(bytes.len() + 32));
    tagged.extend_from_slice(br#"{"method":""#);
    tagged.extend_from_slice(asked.method.as_bytes());
    tagged.push(b'"');
    if let Some(params) = asked.params {
        tagged.extend_from_slice(br#","params":"#);
        tagged.extend_from_slice(params.get().as_bytes());
    }
    tagged.push(b'}');
    match serde_json::from_slice::<Request>(&tagged) {
        Ok(request) => Line::Run(id.map(ToOwned::to_owned), request),
        Err(error) => {
            // serde_json's text names fields and types, never a value of ours that is secret: texts are all accepted.
            Line::Refuse(refusal(id, number::BAD_PARAMS, format!("Bad params: {error}"), Some(Code::BadArgument)))
        }
    }
}

fn runs_long(request: &Request) -> bool {
    matches!(request, Request::Publish(_) | Request::Get(_) | Request::Watch)
}

fn is_progress(request: &Request, event: &Event) -> bool {
    match request {
        Request::Publish(_) => matches!(event, Event::Publishing(_) | Event::Notice(_)),
        Request::Get(_) => matches!(event, Event::Item(_) | Event::Ready(_) | Event::Channel(_) | Event::Notice(_)),
        _ => false,
    }
}

/// Serves one connection until the client goes away or the node stops.
async fn serve_connection<H: Handler, S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(handler: H, stream: S) {
    let (reading, writing) = tokio::io::split(stream);
    let mut lines = Lines::new(reading, MAX_REQUEST);
    let (outbox, to_write) = mpsc::channel::<Vec<u8>>(OUTBOX);
    let mut writer = JoinSet::new();
    writer.spawn(write_lines(writing, to_write));
    let mut long = JoinSet::new();
    let mut short = JoinSet::new();
    let stopped = handler.stopped();
    tokio::pin!(stopped);
    let mut gone = false;
    loop {
        tokio::select! {
            () = &mut stopped => break,
            // The writer ends when the client does not take answers any more.
            _ = writer.join_next() => { gone = true; break }
            Some(_) = long.join_next(), if !long.is_empty() => {}
            Some(_) = short.join_next(), if !short.is_empty() => {}
            read = lines.next() => match read {
                Ok(Some(bytes)) if bytes.iter().all(u8::is_ascii_whitespace) => {}
                Ok(Some(bytes)) => {
                    let outcome = read_request(&bytes);
                    drop(bytes);
                    match outcome {
                        Line::Run(id, request) if long.len() + short.len() < MAX_RUNNING => {
                            let tasks = if runs_long(&request) { &mut long } else { &mut short };
                            tasks.spawn(run(handler.clone(), id, request, outbox.clone()));
                        }
                        Line::Run(id, _) => {
                            let text = "Too many requests at one time on this connection";
                            let refused = refusal(id.as_deref(), number::REFUSED, text, Some(Code::Busy));
                            if outbox.send(refused).await.is_err() { gone = true; break }
                        }
                        Line::Refuse(refused) => if outbox.send(refused).await.is_err() { gone = true; break },
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    if error.kind() == std::io::ErrorKind::InvalidData {
                        let text = format!("A request is at most {MAX_REQUEST} bytes");
                        let _ = outbox.send(refusal(None, number::INVALID_REQUEST, text, None)).await;
                    }
                    break;
                }
            },
        }
    }
    // Nobody reads on: what would take long is cancelled; a short request finishes what it began.
    long.shutdown().await;
    drop(outbox);
    let farewell = async {
        while short.join_next().await.is_some() {}
        if !gone {
            while writer.join_next().await.is_some() {}
        }
    };
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}

async fn write_lines<W: AsyncWrite + Send + Unpin>(mut writing: WriteHalf<W>, mut lines: mpsc::Receiver<Vec<u8>>) {
    while let Some(mut bytes) = lines.recv().await {
        let written = writing.write_all(&bytes).await;
        // A private channel's link or a backup may stand in it.
        bytes.zeroize();
        if written.is_err() || writing.flush().await.is_err() {
            return;
        }
    }
    let _ = writing.shutdown().await;
}

async fn run<H: Handler>(handler: H, id: Option<Box<RawValue>>, request: Request, outbox: mpsc::Sender<Vec<u8>>) {
    let id = id.as_deref();
    match request {
        Request::Watch => watch(&handler, id, &outbox).await,
        Request::Publish(_) | Request::Get(_) => {
            let outcome = run_long(&handler, id, request, &outbox).await;
            send_answer(id, outcome, &outbox).await;
        }
        _ => {
            let outcome = handler.call(request).await;
            send_answer(id, outcome, &outbox).await;
        }
    }
}

async fn send_answer(id: Option<&RawValue>, outcome: Result<Reply, ErrorInfo>, outbox: &mpsc::Sender<Vec<u8>>) {
    // A request without id is a notification: JSON-RPC wants no answer to it.
    if id.is_some() {
        let _ = outbox.send(answer(id, outcome)).await;
    }
}

async fn run_long<H: Handler>(
    handler: &H,
    id: Option<&RawValue>,
    request: Request,
    outbox: &mpsc::Sender<Vec<u8>>,
) -> Result<Reply, ErrorInfo> {
    let kind = request.clone();
    let mut news = handler.events();
    let call = handler.call(request);
    tokio::pin!(call);
    let mut listening = true;
    loop {
        tokio::select! {
            biased;
            event = news.next(), if listening => match event {
                Some(event) if is_progress(&kind, &event) => {
                    let params = NotificationParams { id, event: &event };
                    let _ = outbox.send(line(&Notification { jsonrpc: "2.0", method: "event", params })).await;
                }
                Some(_) => {}
                None => listening = false,
            },
            outcome = &mut call => return outcome,
        }
    }
}

async fn watch<H: Handler>(handler: &H, id: Option<&RawValue>, outbox: &mpsc::Sender<Vec<u8>>) {
    let mut news = handler.events();
    let outcome = match news.next().await {
        Some(Event::Snapshot(snapshot)) => Ok(Reply::Watching(snapshot)),
        Some(_) => Err(ErrorInfo { code: Code::Internal, message: "The first event is no snapshot".into() }),
        None => Err(ErrorInfo { code: Code::Stopping, message: "The node is stopping".into() }),
    };
    let failed = outcome.is_err();
    send_answer(id, outcome, outbox).await;
    if failed {
        return;
    }
    while let Some(event) = news.next().await {
        let params = NotificationParams { id, event: &event };
        if outbox.send(line(&Notification { jsonrpc: "2.0", method: "event", params })).await.is_err() {
            return;
        }
    }
}

/// Lines of bounded length. `next` may be dropped at any time: what was read stays.
struct Lines<R> {
    reading: BufReader<R>,
    partial: Zeroizing<Vec<u8>>,
    limit: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    fn new(reading: R, limit: usize) -> Self {
        Self { reading: BufReader::new(reading), partial: Zeroizing::new(Vec::new()), limit }
    }

    /// The next line without its end; none at the end of the stream.
    ///
    /// # Errors
    /// The stream fails, ends within a line (`UnexpectedEof`), or a line is over the limit (`InvalidData`).
    async fn next(&mut self) -> std::io::Result<Option<Zeroizing<Vec<u8>>>> {
        loop {
            let read = self.reading.fill_buf().await?;
            if read.is_empty() {
                return if self.partial.is_empty() { Ok(None) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) };
            }
            let end = read.iter().position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(read.len());
            if self.partial.len() + taken > self.limit {
                return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "line too long"));
            }
            self.partial.extend_from_slice(&read[..taken]);
            self.reading.consume(end.map_or(taken, |end| end + 1));
            if end.is_some() {
                return Ok(Some(std::mem::take(&mut self.partial)));
            }
        }
    }
}

type BoxedStream = Box<dyn net::gate::Stream>;

/// The other end: talks to the node that runs on a data folder.
pub struct Client {
    lines: Lines<ReadHalf<BoxedStream>>,
    writing: WriteHalf<BoxedStream>,
    last_id: u64,
}

impl Client {
    /// Connects to the node that runs on a data folder.
    ///
    /// # Errors
    /// `NotFound` or `ConnectionRefused`: none runs there. Others: the socket cannot be used.
    pub async fn connect(data_dir: &Path) -> std::io::Result<Self> {
        Ok(Self::over(net::local::connect(data_dir).await?))
    }

    /// Speaks over a stream that is connected already.
    pub fn over(stream: BoxedStream) -> Self {
        let (reading, writing) = tokio::io::split(stream);
        Self { lines: Lines::new(reading, MAX_REPLY), writing, last_id: 0 }
    }

    /// Asks one thing and waits for the answer. Dropping the future leaves the connection unusable: drop it too, and
    /// the node cancels what takes long.
    ///
    /// # Errors
    /// What the node answers; `Stopping` when it goes away before it answers.
    pub async fn call(&mut self, request: Request) -> Result<Reply, ErrorInfo> {
        self.call_with(request, |_| {}).await
    }

    /// Like [`Client::call`]; progress of a `publish` or `get` goes to `on_event` meanwhile.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_with(
        &mut self,
        request: Request,
        mut on_event: impl FnMut(&Event) + Send,
    ) -> Result<Reply, ErrorInfo> {
        let id = self.send(&request).await?;
        drop(request);
        loop {
            let heard = self.hear().await?.ok_or_else(went_away)?;
            if let Some(params) = heard.params {
                if params.id == Some(id) {
                    on_event(&params.event);
                }
            } else if heard.id == Some(id) || heard.id.is_none() {
                return outcome(heard);
            }
        }
    }

    /// Turns the connection into a stream of events, the snapshot first.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn watch(mut self) -> Result<Watching, ErrorInfo> {
        match self.call(Request::Watch).await? {
            Reply::Watching(snapshot) => Ok(Watching { client: self, first: Some(Event::Snapshot(snapshot)) }),
            _ => Err(strange()),
        }
    }

    /// Waits until the node has closed the connection.
    pub async fn closed(mut self) {
        while let Ok(Some(_)) = self.lines.next().await {}
    }

    async fn send(&mut self, request: &Request) -> Result<u64, ErrorInfo> {
        #[derive(Serialize)]
        struct Envelope<'a> {
            jsonrpc: &'static str,
            id: u64,
            #[serde(flatten)]
            request: &'a Request,
        }
        self.last_id += 1;
        let bytes = Zeroizing::new(line(&Envelope { jsonrpc: "2.0", id: self.last_id, request }));
        if bytes.len() > MAX_REQUEST {
            let message = format!("The request is over {MAX_REQUEST} bytes");
            return Err(ErrorInfo { code: Code::BadArgument, message });
        }
        self.writing.write_all(&bytes).await.map_err(|_| went_away())?;
        self.writing.flush().await.map_err(|_| went_away())?;
        Ok(self.last_id)
    }

    async fn hear(&mut self) -> Result<Option<Heard>, ErrorInfo> {
        match self.lines.next().await {
            Ok(Some(bytes)) => serde_json::from_slice(&bytes).map(Some).map_err(|_| strange()),
            Ok(None) => Ok(None),
            Err(_) => Err(went_away()),
        }
    }
}

/// A connection that became a stream of events.
pub struct Watching {
    client: Client,
    first: Option<Event>,
}

impl Watching {
    /// The next event, the snapshot first; none when the node stopped.
    pub async fn next(&mut self) -> Option<Event> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            if let Some(params) = self.client.hear().await.ok()??.params {
                return Some(params.event);
            }
        }
    }
}

fn outcome(heard: Heard) -> Result<Reply, ErrorInfo> {
    match (heard.result, heard.error) {
        (Some(reply), None) => Ok(reply),
        (None, Some(fault)) => {
            let code = fault.data.map_or(Code::Internal, |data| data.code);
            Err(ErrorInfo { code, message: fault.message })
        }
        _ => Err(strange()),
    }
}

fn went_away() -> ErrorInfo {
    ErrorInfo { code: Code::Stopping, message: "The running node went away before it answered".into() }
}

fn strange() -> ErrorInfo {
    let message = "The running node answers in another way than this version knows. Stop it and start it again.";
    ErrorInfo { code: Code::Internal, message: message.into() }
}

#[cfg(test)]
mod tests;
