//! The local socket's lines over a WebSocket: a text message is a line, both ways.

use axum::extract::WebSocketUpgrade;
use axum::extract::ws::{Message, WebSocket};
use axum::response::Response;
use node::rpc::{self, Handler, MAX_REQUEST};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};

/// Bytes that wait between the two.
const BUFFER: usize = 64 << 10;
/// What the page says it speaks; the proof stands beside it.
pub(super) const PROTOCOL: &str = "megatorrent";

pub(super) fn upgrade<H: Handler>(upgrade: WebSocketUpgrade, node: H) -> Response {
    let upgrade = upgrade.protocols([PROTOCOL]).max_message_size(MAX_REQUEST).max_frame_size(MAX_REQUEST);
    upgrade.on_upgrade(move |socket| async move {
        let (ours, theirs) = tokio::io::duplex(BUFFER);
        tokio::join!(rpc::serve_stream(node, theirs), carry(socket, ours));
    })
}

/// Carries lines until either side is gone.
async fn carry(mut socket: WebSocket, lines: DuplexStream) {
    let (reading, mut writing) = tokio::io::split(lines);
    let mut reading = BufReader::new(reading);
    // Outside the loop: what was read of a line stays when something else comes first.
    let mut line = Vec::new();
    loop {
        tokio::select! {
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => {
                    // A line is one line: what JSON allows between its parts must not end it.
                    let mut bytes = text.replace(['\n', '\r'], " ").into_bytes();
                    bytes.push(b'\n');
                    if writing.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Binary(_) | Message::Close(_)) | Err(_)) | None => return,
            },
            read = reading.read_until(b'\n', &mut line) => {
                if !matches!(read, Ok(1..)) {
                    return;
                }
                let text = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
                line.clear();
                if socket.send(Message::Text(text.into())).await.is_err() {
                    return;
                }
            }
        }
    }
}
