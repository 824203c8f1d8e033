//! The node's end: takes connections in and runs their requests.

use super::lines::Lines;
use super::wire::{Line, answer, news_line, number, read_request, refusal};
use super::{FAREWELL, Handler, MAX_CONNECTIONS, MAX_REQUEST, MAX_RUNNING, News, OUTBOX};
use crate::api::{Code, ErrorInfo, Event, Reply, Request};
use net::local::LocalListener;
use serde_json::value::RawValue;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use zeroize::Zeroize;

/// Opens the local socket of a data folder that this process holds, at once, and serves it in a task until the node
/// stops.
///
/// # Errors
/// The socket cannot be bound.
pub fn serve<H: Handler>(node: H, data_dir: &Path) -> std::io::Result<Serving> {
    let listener = LocalListener::bind(data_dir)?;
    let (over, until) = watch::channel(());
    let task = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        accept(&node, listener, &until, &mut connections).await;
        drop((node, until));
        while connections.join_next().await.is_some() {}
    });
    Ok(Serving { task, over })
}

/// The task that serves a local socket. It ends by itself when the node stops, but for the connections that asked for
/// that: these stay until [`Serving::end`], so that their client knows when nothing is left.
pub struct Serving {
    task: JoinHandle<()>,
    over: watch::Sender<()>,
}

impl Serving {
    /// Tells who asked the node to stop that it has, and waits for the last connection. Call it after the node stopped.
    pub async fn end(self) {
        drop(self.over);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the local socket's task failed");
        }
    }
}

/// Takes connections in; the socket is gone when it returns.
async fn accept<H: Handler>(
    node: &H,
    listener: LocalListener,
    until: &watch::Receiver<()>,
    connections: &mut JoinSet<()>,
) {
    let stopped = node.stopped();
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            () = &mut stopped => break,
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok(stream) => {
                    connections.spawn(serve_connection(node.clone(), stream, until.clone()));
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
}

/// What tells its progress meanwhile, and is not waited for when its client goes away.
fn runs_long(request: &Request) -> bool {
    matches!(
        request,
        Request::Publish(_)
            | Request::Unpublish(_)
            | Request::Edit(_)
            | Request::Rekey(_)
            | Request::Look(_)
            | Request::Get(_)
            | Request::Open(_)
            | Request::Choose(_)
            | Request::MoveData(_)
            | Request::SetChannel(_)
            | Request::Watch
    )
}

fn is_progress(request: &Request, event: &Event) -> bool {
    match request {
        // Of two publications at one time each hears of its own, where it has a name.
        Request::Publish(args) => match event {
            Event::Publishing(progress) => args.job.is_none() || args.job == progress.job,
            event => matches!(event, Event::Notice(_) | Event::Waiting(_)),
        },
        Request::Unpublish(_) | Request::Edit(_) | Request::Rekey(_) => {
            matches!(event, Event::Publishing(_) | Event::Notice(_) | Event::Waiting(_))
        }
        Request::MoveData(_) => matches!(event, Event::Moving(_) | Event::Notice(_)),
        Request::Get(_) | Request::Open(_) => {
            let about = matches!(event, Event::Item(_) | Event::Ready(_) | Event::Channel(_));
            about || matches!(event, Event::Notice(_) | Event::Waiting(_))
        }
        Request::SetChannel(_) => matches!(event, Event::Notice(_)),
        Request::Look(_) | Request::Choose(_) => matches!(event, Event::Notice(_) | Event::Waiting(_)),
        _ => false,
    }
}

/// Serves one connection that came another way than by the local socket, until its other end goes away or the node
/// stops. Who may speak there was asked before.
pub async fn serve_stream<H: Handler, S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(handler: H, stream: S) {
    serve_connection(handler, stream, watch::channel(()).1).await;
}

/// Serves one connection until the client goes away or the node stops; one that asked for the stop, until `until`'s
/// sender is gone.
pub(super) async fn serve_connection<H: Handler, S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    handler: H,
    stream: S,
    mut until: watch::Receiver<()>,
) {
    let (reading, writing) = tokio::io::split(stream);
    let mut lines = Lines::new(reading, MAX_REQUEST);
    let (outbox, to_write) = mpsc::channel::<Vec<u8>>(OUTBOX);
    let mut writer = JoinSet::new();
    writer.spawn(write_lines(writing, to_write));
    let mut long = JoinSet::new();
    let mut short = JoinSet::new();
    let stopped = handler.stopped();
    tokio::pin!(stopped);
    let (mut has_stopped, mut gone, mut asked_to_stop) = (false, false, false);
    loop {
        tokio::select! {
            () = &mut stopped => { has_stopped = true; break }
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
                            asked_to_stop |= matches!(*request, Request::Shutdown);
                            let tasks = if runs_long(&request) { &mut long } else { &mut short };
                            tasks.spawn(run(handler.clone(), id, *request, outbox.clone()));
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
    // Nobody reads on: what only waits is cancelled, the node finishes what it began (`Node::call`); a short request's
    // answer is still waited for.
    long.shutdown().await;
    let late = async {
        if !has_stopped {
            stopped.await;
        }
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        () = async { while short.join_next().await.is_some() {} } => {}
        () = late => {}
    }
    if gone {
        return;
    }
    if asked_to_stop {
        while until.changed().await.is_ok() {}
    }
    drop(outbox);
    // A client that reads no answer does not hold anybody up.
    let _ = tokio::time::timeout(FAREWELL, writer.join_next()).await;
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
        Request::Watch => stream(&handler, id, &outbox).await,
        request if runs_long(&request) => {
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
                    let _ = outbox.send(news_line(id, &event)).await;
                }
                Some(_) => {}
                None => listening = false,
            },
            outcome = &mut call => return outcome,
        }
    }
}

async fn stream<H: Handler>(handler: &H, id: Option<&RawValue>, outbox: &mpsc::Sender<Vec<u8>>) {
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
        if outbox.send(news_line(id, &event)).await.is_err() {
            return;
        }
    }
}
