//! The other end: what asks a running node.

use super::lines::Lines;
use super::wire::{Fault, Heard, line};
use super::{MAX_REPLY, MAX_REQUEST};
use crate::api::{Code, ErrorInfo, Event, Reply, Request};
use serde::Serialize;
use std::path::Path;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use zeroize::Zeroizing;

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
        let bytes = Zeroizing::new(line(&Envelope { jsonrpc: "2.0", id: self.last_id, request }, MAX_REQUEST)?);
        self.writing.write_all(&bytes).await.map_err(|_| went_away())?;
        self.writing.flush().await.map_err(|_| went_away())?;
        Ok(self.last_id)
    }

    async fn hear(&mut self) -> Result<Option<Heard>, ErrorInfo> {
        match self.lines.next().await {
            Ok(Some(bytes)) => serde_json::from_slice(&bytes).map(Some).map_err(|_| strange()),
            Ok(None) => Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                let message = format!("The running node's answer is over {MAX_REPLY} bytes.");
                Err(ErrorInfo { code: Code::Internal, message })
            }
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
    ///
    /// # Errors
    /// The node says something that this version cannot read.
    pub async fn next(&mut self) -> Result<Option<Event>, ErrorInfo> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        loop {
            match self.client.hear().await {
                Ok(Some(Heard { params: Some(params), .. })) => return Ok(Some(params.event)),
                Ok(Some(Heard { error: Some(fault), .. })) => return Ok(Some(Event::Notice(told(fault)))),
                Ok(Some(_)) => {}
                // The connection ended, in the middle of a line perhaps: the node is gone.
                Ok(None) => return Ok(None),
                Err(error) if error.code == Code::Stopping => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}

fn outcome(heard: Heard) -> Result<Reply, ErrorInfo> {
    match (heard.result, heard.error) {
        (Some(reply), None) => Ok(reply),
        (None, Some(fault)) => Err(told(fault)),
        _ => Err(strange()),
    }
}

fn told(fault: Fault) -> ErrorInfo {
    ErrorInfo { code: fault.data.map_or(Code::Internal, |data| data.code), message: fault.message }
}

fn went_away() -> ErrorInfo {
    ErrorInfo { code: Code::Stopping, message: "The running node went away before it answered".into() }
}

fn strange() -> ErrorInfo {
    let message = "The running node answers in another way than this version knows. Stop it and start it again.";
    ErrorInfo { code: Code::Internal, message: message.into() }
}
