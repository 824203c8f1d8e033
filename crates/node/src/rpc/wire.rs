//! The lines themselves: requests, answers and notifications as JSON-RPC 2.0 writes them.

use super::MAX_REPLY;
use crate::api::{Code, ErrorInfo, Event, Reply, Request};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use zeroize::{Zeroize, Zeroizing};

/// JSON-RPC's own error numbers, and one for everything that [`Code`] names.
pub(super) mod number {
    pub(in crate::rpc) const PARSE: i32 = -32700;
    pub(in crate::rpc) const INVALID_REQUEST: i32 = -32600;
    pub(in crate::rpc) const NO_METHOD: i32 = -32601;
    pub(in crate::rpc) const BAD_PARAMS: i32 = -32602;
    pub(in crate::rpc) const REFUSED: i32 = -32000;
}

/// Every method, as it stands on the wire.
pub(super) const METHODS: &[&str] = &[
    "id_new",
    "id_list",
    "id_export",
    "id_import",
    "id_rename",
    "publish",
    "cancel_publish",
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
    "place",
    "inside",
    "play",
    "status",
    "transfers",
    "peers",
    "channel_link",
    "set_channel",
    "set_item",
    "choose",
    "open",
    "pause_for",
    "move_data",
    "rekey",
    "new_key",
    "search",
    "settings",
    "set_settings",
    "unlock",
    "give_up",
    "leak",
    "watch",
    "shutdown",
];

/// A request line.
#[derive(Deserialize)]
pub(super) struct Asked<'a> {
    jsonrpc: &'a str,
    #[serde(default, borrow)]
    id: Option<&'a RawValue>,
    method: &'a str,
    #[serde(default, borrow)]
    params: Option<&'a RawValue>,
}

/// What a request line becomes: the request, or the answer that refuses it.
pub(super) enum Line {
    Run(Option<Box<RawValue>>, Box<Request>),
    Refuse(Vec<u8>),
}

#[derive(Serialize)]
pub(super) struct Answer<'a> {
    jsonrpc: &'static str,
    id: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Reply>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Fault>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Fault {
    pub(super) code: i32,
    pub(super) message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<FaultData>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct FaultData {
    pub(super) code: Code,
}

#[derive(Serialize)]
pub(super) struct Notification<'a> {
    pub(super) jsonrpc: &'static str,
    pub(super) method: &'static str,
    pub(super) params: NotificationParams<'a>,
}

#[derive(Serialize)]
pub(super) struct NotificationParams<'a> {
    pub(super) id: Option<&'a RawValue>,
    pub(super) event: &'a Event,
}

/// What a client reads: an answer or a notification.
#[derive(Deserialize)]
pub(super) struct Heard {
    #[serde(default)]
    pub(super) id: Option<u64>,
    #[serde(default)]
    pub(super) result: Option<Reply>,
    #[serde(default)]
    pub(super) error: Option<Fault>,
    #[serde(default)]
    pub(super) params: Option<HeardParams>,
}

#[derive(Deserialize)]
pub(super) struct HeardParams {
    #[serde(default)]
    pub(super) id: Option<u64>,
    pub(super) event: Event,
}

/// A value as a line.
///
/// # Errors
/// It cannot be written, or the line is over `limit` bytes. Whoever waits for it must be told: an empty line tells
/// nobody anything.
pub(super) fn line(value: &impl Serialize, limit: usize) -> Result<Vec<u8>, ErrorInfo> {
    let mut bytes = serde_json::to_vec(value)
        .map_err(|error| ErrorInfo::new(Code::Internal, format!("This cannot be written as JSON: {error}.")))?;
    if bytes.len() > limit {
        bytes.zeroize();
        let text = format!("This is over {limit} bytes, the most that one line may have.");
        return Err(ErrorInfo::new(Code::BadArgument, text));
    }
    bytes.push(b'\n');
    Ok(bytes)
}

/// An event as a line; one that cannot be written is told as such, so that its listener knows of it.
pub(super) fn news_line(id: Option<&RawValue>, event: &Event) -> Vec<u8> {
    let whole = |event: &Event| {
        let params = NotificationParams { id, event };
        line(&Notification { jsonrpc: "2.0", method: "event", params }, MAX_REPLY)
    };
    whole(event)
        .or_else(|error| whole(&Event::Notice(ErrorInfo { code: Code::Internal, ..error })))
        .unwrap_or_else(|error| refusal(None, number::REFUSED, error.message, Some(Code::Internal)))
}

pub(super) fn refusal(id: Option<&RawValue>, code: i32, message: impl Into<String>, data: Option<Code>) -> Vec<u8> {
    let data = data.map(|code| FaultData { code });
    let fault = Fault { code, message: message.into(), data };
    // Texts and numbers, of which only a text beyond every bound could fail; even then its client hears of it.
    line(&Answer { jsonrpc: "2.0", id, result: None, error: Some(fault) }, MAX_REPLY).unwrap_or_else(|_| {
        let text = br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"The answer is too long."}}"#;
        [text.as_slice(), b"\n"].concat()
    })
}

pub(super) fn answer(id: Option<&RawValue>, outcome: Result<Reply, ErrorInfo>) -> Vec<u8> {
    match outcome {
        Ok(reply) => match line(&Answer { jsonrpc: "2.0", id, result: Some(&reply), error: None }, MAX_REPLY) {
            Ok(line) => line,
            Err(error) => refusal(id, number::REFUSED, error.message, Some(Code::Internal)),
        },
        Err(error) => refusal(id, number::REFUSED, error.message, Some(error.code)),
    }
}

pub(super) fn read_request(bytes: &[u8]) -> Line {
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
        Ok(request) => Line::Run(id.map(ToOwned::to_owned), Box::new(request)),
        Err(error) => {
            // serde_json's text names fields and types, never a value of ours that is secret: texts are all accepted.
            Line::Refuse(refusal(id, number::BAD_PARAMS, format!("Bad params: {error}"), Some(Code::BadArgument)))
        }
    }
}
