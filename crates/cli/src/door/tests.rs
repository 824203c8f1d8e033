//! Commands against a node of another process: here a stand-in behind a real local socket.

use crate::args::Cli;
use crate::run;
use clap::Parser as _;
use node::api::{ChannelInfo, Code, ErrorInfo, Event, ItemInfo, Reply, Request, Snapshot};
use node::rpc::{Handler, News, Serving};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// Records what it is asked.
#[derive(Clone)]
struct Fake {
    asked: Arc<Mutex<Vec<String>>>,
    stop: watch::Sender<bool>,
    listeners: watch::Sender<u32>,
}

/// A snapshot, then nothing until the node stops.
struct Brief {
    first: bool,
    stop: watch::Receiver<bool>,
}

impl News for Brief {
    async fn next(&mut self) -> Option<Event> {
        if std::mem::take(&mut self.first) {
            return Some(Event::Snapshot(Snapshot::default()));
        }
        let _ = self.stop.wait_for(|stopped| *stopped).await;
        None
    }
}

impl Handler for Fake {
    type News = Brief;
    async fn call(&self, request: Request) -> Result<Reply, ErrorInfo> {
        self.asked.lock().unwrap().push(serde_json::to_string(&request).unwrap());
        match request {
            Request::Channels => Ok(Reply::Channels(vec![ChannelInfo::default()])),
            Request::Items(_) => Ok(Reply::Items(vec![ItemInfo::default()])),
            Request::Pause(node::api::Target::Channel(_)) => refuse(Code::NotFound),
            Request::Pause(_) | Request::Resume(_) => Ok(Reply::Done),
            Request::ChannelLink(_) => refuse(Code::Secrets),
            Request::Verify(_) => {
                Ok(Reply::Verified(node::api::VerifyReport { good: 1, bad: 1, files: vec![], kept: vec![] }))
            }
            Request::IdList => Ok(Reply::Identities(Vec::new())),
            Request::Shutdown => {
                self.stop.send_replace(true);
                Ok(Reply::Done)
            }
            _ => refuse(Code::Internal),
        }
    }
    fn events(&self) -> Brief {
        self.listeners.send_modify(|n| *n += 1);
        Brief { first: true, stop: self.stop.subscribe() }
    }
    async fn stopped(&self) {
        let _ = self.stop.subscribe().wait_for(|stopped| *stopped).await;
    }
}

fn refuse(code: Code) -> Result<Reply, ErrorInfo> {
    Err(ErrorInfo { code, message: "refused".into() })
}

impl Fake {
    fn serve(dir: &Path) -> (Self, Serving) {
        let fake = Self { asked: Arc::default(), stop: watch::channel(false).0, listeners: watch::channel(0).0 };
        let serving = node::rpc::serve(fake.clone(), dir).unwrap();
        (fake, serving)
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

/// Runs a command as the program does; its exit code.
async fn exit(dir: &Path, line: &str) -> u8 {
    let start = ["megatorrent", "--json", "--data-dir"].map(Into::into);
    let words = start.into_iter().chain([dir.as_os_str().to_owned()]).chain(line.split(' ').map(Into::into));
    run::main(Cli::try_parse_from(words).map_err(|error| error.to_string()).unwrap()).await
}

#[tokio::test]
async fn commands_talk_to_the_running_node_and_end_with_its_code() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert_eq!(exit(dir, "stop").await, 3, "none runs");
    let (fake, serving) = Fake::serve(dir);
    let item = r#"{"method":"pause","params":{"item":"abcd"}}"#;
    let channel = r#"{"method":"pause","params":{"channel":"abcd"}}"#;
    let table: &[(&str, u8, &[&str])] = &[
        ("channels", 0, &[r#"{"method":"channels"}"#]),
        ("items A", 0, &[r#"{"method":"items","params":{"channel":"A"}}"#]),
        ("pause", 0, &[r#"{"method":"pause","params":"all"}"#]),
        ("pause abcd", 0, &[channel, item]),
        ("resume A/1", 0, &[r#"{"method":"resume","params":{"item":"A/1"}}"#]),
        ("verify 1", 6, &[r#"{"method":"verify","params":{"item":"1"}}"#]),
        ("publish x", 3, &[r#"{"method":"id_list"}"#]),
        ("status", 1, &[r#"{"method":"status"}"#]),
        ("daemon", 8, &[]),
    ];
    for (line, code, asked) in table {
        assert_eq!(exit(dir, line).await, *code, "{line}");
        assert_eq!(fake.asked(), *asked, "{line}");
    }
    let listened = async {
        let _ = fake.listeners.subscribe().wait_for(|n| *n > 0).await;
        exit(dir, "stop").await
    };
    let ended = async {
        fake.stopped().await;
        serving.end().await;
    };
    let (watched, stopped, ()) = tokio::join!(exit(dir, "watch"), listened, ended);
    assert_eq!((watched, stopped), (0, 0), "watching ends when the node stops");
    assert_eq!(exit(dir, "stop").await, 3, "none runs any more");
}
