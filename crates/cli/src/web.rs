//! The web interface of `daemon --web`: the window's own pages, in a browser.
//!
//! Owns: who may ask. Promises: it is reached from this computer only (other computers by a tunnel or a proxy that
//! somebody set up); a request whose `Host` is no name of ours, or whose `Origin` is another page, is refused, so that
//! no web page reaches the node through somebody's browser; everything but the pages themselves wants the token, which
//! lies in the data folder, readable by its owner only. Whoever has the token can do what this user can do with the
//! node, so no path is kept from them.

mod files;
mod pages;
mod socket;

use crate::run::Failure;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path as Part, Request as HttpRequest, State, WebSocketUpgrade};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use node::api::{Code, ErrorInfo, FileArg, PlaceArg, Playable, Reply, Request};
use node::rpc::Handler;
use node::web::{WebListener, relay};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Its token, in the data folder.
const TOKEN_FILE: &str = "web-token";
/// Bytes of a token, before it is written as hexadecimal digits.
const TOKEN_LEN: usize = 16;
/// Addresses of films and files that hold at one time; the oldest go first.
const ADDRESSES: usize = 256;
/// What a page of ours may do in the browser: load from here, and nothing from anywhere else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; \
    img-src 'self' data: blob:; media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// What an address handed out to the page leads to.
#[derive(Clone)]
enum Behind {
    /// What the node plays, at that port and path.
    Play(u16, String),
    /// A complete file.
    File(PathBuf),
}

/// What every request is answered from.
struct Desk<H> {
    node: H,
    token: String,
    /// What `Host` may say.
    hosts: Vec<String>,
    addresses: Mutex<VecDeque<(String, Behind)>>,
}

type Shared<H> = State<Arc<Desk<H>>>;

/// The web interface of one daemon, listening but not yet answering.
pub(crate) struct Web {
    listener: WebListener,
    token: String,
    hosts: Vec<String>,
}

impl Web {
    /// Listens at `addr`, with the data folder's token; one is made where there is none. `names` are further names by
    /// which a browser may reach it, as a proxy's.
    ///
    /// # Errors
    /// The address is not this computer's own, or taken; the token cannot be read or written.
    pub(crate) async fn open(addr: SocketAddr, data_dir: &Path, names: &[String]) -> Result<Self, Failure> {
        let listener = WebListener::bind(addr).await.map_err(|error| match error.kind() {
            ErrorKind::InvalidInput => refusal(
                Code::BadArgument,
                format!(
                    "{addr} could be reached by others, and the web interface speaks without encryption. Let it listen \
                     on this computer, --web 127.0.0.1:{port}, and come by ssh -L {port}:127.0.0.1:{port} HOST",
                    port = addr.port()
                ),
            ),
            ErrorKind::AddrInUse => refusal(
                Code::PortTaken,
                format!("Another program listens on {addr}. Choose a port: --web 127.0.0.1:PORT"),
            ),
            _ => refusal(Code::Io, format!("The web interface cannot listen on {addr}: {error}")),
        })?;
        let token = token(&data_dir.join(TOKEN_FILE))?;
        let port = listener.addr().port();
        let own = [listener.addr().to_string(), format!("localhost:{port}")];
        let hosts = own.into_iter().chain(names.iter().map(|name| name.to_ascii_lowercase())).collect();
        Ok(Self { listener, token, hosts })
    }

    /// What to open in a browser. Holds the token, behind a mark that browsers send to nobody.
    pub(crate) fn address(&self) -> String {
        format!("http://{}/#token={}", self.listener.addr(), self.token)
    }

    /// Answers until the node stops.
    pub(crate) async fn serve<H: Handler>(self, node: H) {
        let stopped = node.clone();
        let app = router(Arc::new(Desk {
            node,
            token: self.token,
            hosts: self.hosts,
            addresses: Mutex::new(VecDeque::new()),
        }));
        if let Err(error) = self.listener.serve(app, async move { stopped.stopped().await }).await {
            tracing::error!(%error, "the web interface ended");
        }
    }
}

fn router<H: Handler>(desk: Arc<Desk<H>>) -> Router {
    let asks = Router::new()
        .route("/api/hello", get(hello))
        .route("/api/socket", get(socket::<H>))
        .route("/api/play", get(play::<H>))
        .route("/api/file", get(file::<H>))
        .route("/api/folder", get(folder))
        .layer(middleware::from_fn_with_state(desk.clone(), with_token::<H>));
    Router::new()
        .merge(asks)
        .route("/at/{address}/{name}", get(at::<H>))
        .fallback(get(page))
        .layer(middleware::from_fn_with_state(desk.clone(), from_here::<H>))
        .with_state(desk)
}

/// Refuses what comes by a name that is not ours or from another page, and says on every answer what pages may do.
async fn from_here<H: Handler>(State(desk): Shared<H>, request: HttpRequest, next: Next) -> Response {
    let mut answer = if is_ours(&desk.hosts, request.headers()) {
        next.run(request).await
    } else {
        (StatusCode::MISDIRECTED_REQUEST, "This is not the name of this node's web interface. See --web-host.\n")
            .into_response()
    };
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// Whether a request names one of these hosts, and comes from a page of theirs or from none.
fn is_ours(hosts: &[String], headers: &HeaderMap) -> bool {
    // A value that is no text is no name of ours.
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let ours = |host: &str| hosts.contains(&host.to_ascii_lowercase());
    text(header::HOST).is_some_and(ours)
        && text(header::ORIGIN).is_none_or(|origin| origin.split_once("://").is_some_and(|(_, host)| ours(host)))
}

/// Lets only through who has the token: as a bearer, or beside the protocol of a socket, where a page can set nothing
/// else.
async fn with_token<H: Handler>(State(desk): Shared<H>, request: HttpRequest, next: Next) -> Response {
    if has_token(&desk.token, request.headers()) {
        return next.run(request).await;
    }
    let text = "The token is missing or wrong. Open the address that `megatorrent daemon --web` printed.";
    (StatusCode::UNAUTHORIZED, text).into_response()
}

fn has_token(token: &str, headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let bearer = text(header::AUTHORIZATION).strip_prefix("Bearer ");
    let beside = text(header::SEC_WEBSOCKET_PROTOCOL).split_once(',').map(|(_, given)| given);
    bearer.or(beside).is_some_and(|given| same(given.trim(), token))
}

/// Compares in a time that does not tell how much of it is right.
fn same(given: &str, token: &str) -> bool {
    given.len() == token.len() && given.bytes().zip(token.bytes()).fold(0, |unlike, (a, b)| unlike | (a ^ b)) == 0
}

async fn page(uri: Uri) -> Response {
    pages::page(uri.path())
}

/// That the token is right.
async fn hello() -> &'static str {
    "Welcome.\n"
}

/// The lines of the local socket, each in a message of its own.
async fn socket<H: Handler>(State(desk): Shared<H>, upgrade: WebSocketUpgrade) -> Response {
    socket::upgrade(upgrade, desk.node.clone())
}

async fn play<H: Handler>(State(desk): Shared<H>, uri: Uri) -> Response {
    let answer = async {
        let (item, path) = (asked(&uri, "item")?, asked(&uri, "path")?);
        let Reply::Playable(Playable { url, mime }) = desk.node.call(Request::Play(FileArg { item, path })).await?
        else {
            return Err(strange());
        };
        let at = url.strip_prefix("http://127.0.0.1:").and_then(|rest| rest.split_once('/'));
        let behind = at.and_then(|(port, path)| Some(Behind::Play(port.parse().ok()?, format!("/{path}"))));
        let url = desk.hand_out(behind.ok_or_else(strange)?, "play")?;
        Ok(Playable { url, mime })
    };
    json(answer.await)
}

async fn file<H: Handler>(State(desk): Shared<H>, uri: Uri) -> Response {
    let answer = async {
        let (item, path) = (asked(&uri, "item")?, asked(&uri, "path")?);
        let Reply::Place(place) = desk.node.call(Request::Place(PlaceArg { item, path: Some(path) })).await? else {
            return Err(strange());
        };
        let name = place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        desk.hand_out(Behind::File(place), &files::part_of_address(&name))
    };
    json(answer.await)
}

async fn folder(uri: Uri) -> Response {
    json(files::folder(asked(&uri, "path").ok().map(PathBuf::from)).await)
}

/// What lies behind an address that was handed out. Whoever has it need not have the token: elements of a page send none.
async fn at<H: Handler>(
    State(desk): Shared<H>,
    Part((address, _)): Part<(String, String)>,
    headers: HeaderMap,
    method: Method,
) -> Response {
    match desk.find(&address) {
        None => (StatusCode::NOT_FOUND, "This address holds no more.\n").into_response(),
        Some(Behind::File(path)) => files::download(&path).await,
        Some(Behind::Play(port, path)) => {
            let mut request = HttpRequest::builder().method(method).uri(path);
            if let Some(range) = headers.get(header::RANGE) {
                request = request.header(header::RANGE, range);
            }
            let answer = async { relay(port, request.body(Body::empty()).map_err(std::io::Error::other)?).await };
            answer.await.unwrap_or_else(|error| (StatusCode::BAD_GATEWAY, format!("{error}\n")).into_response())
        }
    }
}

impl<H> Desk<H> {
    /// An address of our own that leads there.
    fn hand_out(&self, behind: Behind, name: &str) -> Result<String, ErrorInfo> {
        let address = random()?;
        let mut kept = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == ADDRESSES {
            kept.pop_front();
        }
        let url = format!("/at/{address}/{name}");
        kept.push_back((address, behind));
        Ok(url)
    }

    fn find(&self, address: &str) -> Option<Behind> {
        let kept = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| known == address).map(|(_, behind)| behind.clone())
    }
}

/// One word of an address' query.
fn asked(uri: &Uri, name: &str) -> Result<String, ErrorInfo> {
    let query: Vec<(String, String)> = axum::extract::Query::try_from_uri(uri)
        .map(|axum::extract::Query(query)| query)
        .map_err(|_| ErrorInfo::new(Code::BadArgument, "The address' query is not to be read."))?;
    let found = query.into_iter().find(|(known, _)| known == name).map(|(_, value)| value);
    found.ok_or_else(|| ErrorInfo::new(Code::BadArgument, format!("{name} is missing.")))
}

fn json<T: serde::Serialize>(outcome: Result<T, ErrorInfo>) -> Response {
    let (status, text) = match outcome {
        Ok(value) => (StatusCode::OK, serde_json::to_string(&value)),
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, serde_json::to_string(&error)),
    };
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    // The types here have string keys only, so writing them to memory cannot fail.
    (status, headers, text.unwrap_or_default()).into_response()
}

fn strange() -> ErrorInfo {
    ErrorInfo::new(Code::Internal, "The node gave an answer of another kind.")
}

fn refusal(code: Code, message: String) -> Failure {
    Failure::Refused(ErrorInfo { code, message })
}

fn random() -> Result<String, ErrorInfo> {
    let mut bytes = [0; TOKEN_LEN];
    getrandom::fill(&mut bytes).map_err(|e| ErrorInfo::new(Code::Internal, format!("no random numbers: {e}")))?;
    Ok(data_encoding::HEXLOWER.encode(&bytes))
}

/// The token in that file; a new one where there is none. It stays until somebody deletes the file.
fn token(file: &Path) -> Result<String, Failure> {
    let failed = |error: std::io::Error| refusal(Code::Io, format!("{}: {error}", file.display()));
    match std::fs::File::open(file) {
        Ok(opened) => {
            let mut text = String::new();
            opened.take(1024).read_to_string(&mut text).map_err(failed)?;
            let token = text.trim();
            if token.len() == 2 * TOKEN_LEN && token.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Ok(token.to_owned());
            }
            let message = format!("{} holds no token. Delete it, and a new one is made.", file.display());
            Err(refusal(Code::Corrupt, message))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let token = random().map_err(Failure::Refused)?;
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut made = options.open(file).map_err(failed)?;
            made.write_all(token.as_bytes()).and_then(|()| made.sync_all()).map_err(failed)?;
            Ok(token)
        }
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_compared_whole() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(TOKEN_FILE);
        let made = token(&file).unwrap();
        assert_eq!(token(&file).unwrap(), made);
        assert!(same(&made, &made));
        assert!(!same("", &made) && !same(&made[1..], &made) && !same(&"0".repeat(made.len()), &made));
        std::fs::write(&file, "x".repeat(1 << 20)).unwrap();
        assert!(matches!(token(&file), Err(Failure::Refused(ErrorInfo { code: Code::Corrupt, .. }))));
    }
}
