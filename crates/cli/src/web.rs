//! The web interface of `daemon --web`: the window's own pages, in a browser.
//!
//! Owns: who may ask. Promises: it is reached from this computer only (other computers by a tunnel or a proxy that
//! somebody set up); a request whose `Host` is no name of ours, or whose `Origin` is another page, is refused, so that
//! no web page reaches the node through somebody's browser; everything but the pages themselves wants a proof of the
//! session that was made of the token ([`proof`]), which never travels itself. The token is another one at each start and
//! after each sign-in; it lies in the data folder, readable by its owner only. Whoever has it can do what this user can do
//! with the node, so no path is kept from them.

mod files;
mod pages;
mod proof;
mod socket;

use crate::run::{Failure, Out};
use axum::body::Body;
use axum::extract::{Path as Part, Request as HttpRequest, State, WebSocketUpgrade};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use node::api::{Code, ErrorInfo, FileArg, PlaceArg, Playable, Reply, Request, paths};
use node::rpc::Handler;
use node::web::{HostName, Visit, WebListener, relay};
use proof::{Proofs, Who};
use std::collections::VecDeque;
use std::io::{ErrorKind, IsTerminal, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Its token, in the data folder.
const TOKEN_FILE: &str = "web-token";
/// Bytes of a token, before it is written as hexadecimal digits.
const TOKEN_LEN: usize = 16;
/// Where a browser makes a session of the token.
const SESSION: &str = "api/session";
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
    door: Door,
    proofs: Mutex<Proofs>,
    addresses: Mutex<VecDeque<(String, Behind)>>,
    out: Out,
}

type Shared<H> = State<Arc<Desk<H>>>;

/// Where it is found, and where its token lies.
struct Door {
    addr: SocketAddr,
    /// Names by which a browser may reach it.
    hosts: Vec<HostName>,
    token_file: PathBuf,
}

impl Door {
    /// What a person needs to open it, with this token. The token itself is shown to a terminal alone: what is no
    /// terminal may be a log that others read.
    fn invitation(&self, token: &str) -> String {
        if std::io::stderr().is_terminal() {
            // Behind a mark that browsers send to nobody.
            return format!("http://{}/#token={token}", self.addr);
        }
        format!("http://{}/ (the token to sign in with is in {})", self.addr, self.token_file.display())
    }
}

/// The web interface of one daemon, listening but not yet answering.
pub(crate) struct Web {
    listener: WebListener,
    token: String,
    door: Door,
}

impl Web {
    /// Listens at `addr`, with a new token in the data folder. `names` are further names by which a browser may reach it,
    /// as a proxy's.
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
        let token_file = data_dir.join(TOKEN_FILE);
        let token = new_token(&token_file)?;
        let addr = listener.addr();
        let own = [addr.to_string(), format!("localhost:{}", addr.port())];
        let hosts = own.iter().chain(names).map(|name| HostName::new(name)).collect();
        Ok(Self { listener, token, door: Door { addr, hosts, token_file } })
    }

    /// What to open in a browser, or where to learn it.
    pub(crate) fn invitation(&self) -> String {
        self.door.invitation(&self.token)
    }

    /// Where a browser finds it, without what lets one in.
    pub(crate) fn address(&self) -> String {
        format!("http://{}/", self.door.addr)
    }

    /// Answers until the node stops.
    pub(crate) async fn serve<H: Handler>(self, node: H, out: Out) {
        let stopped = node.clone();
        let proofs = Mutex::new(Proofs::new(&self.token));
        let desk = Desk { node, door: self.door, proofs, addresses: Mutex::new(VecDeque::new()), out };
        self.listener.serve(router(Arc::new(desk)), async move { stopped.stopped().await }).await;
    }
}

fn router<H: Handler>(desk: Arc<Desk<H>>) -> Router {
    let asks = Router::new()
        .route("/api/hello", get(hello))
        .route("/api/session", get(hello))
        .route("/api/socket", get(socket::<H>))
        .route("/api/play", get(play::<H>))
        .route("/api/file", get(file::<H>))
        .route("/api/folder", get(folder))
        .layer(middleware::from_fn_with_state(desk.clone(), with_proof::<H>));
    Router::new()
        .merge(asks)
        .route("/api/greet", get(greet::<H>))
        .route("/at/{address}/{name}", get(at::<H>))
        .fallback(get(page))
        .layer(middleware::from_fn_with_state(desk.clone(), from_here::<H>))
        .with_state(desk)
}

/// Refuses what comes by a name that is not ours or from another page, and says on every answer what pages may do.
async fn from_here<H: Handler>(State(desk): Shared<H>, request: HttpRequest, next: Next) -> Response {
    let mut answer = if is_ours(&desk.door.hosts, request.headers()) {
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
fn is_ours(hosts: &[HostName], headers: &HeaderMap) -> bool {
    // A value that is no text is no name of ours.
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    text(header::HOST).is_some_and(|said| hosts.iter().any(|host| host.is_host(said)))
        && text(header::ORIGIN).is_none_or(|said| hosts.iter().any(|host| host.is_origin(said)))
}

/// Shows a browser that this is the node, before it shows anything.
async fn greet<H: Handler>(State(desk): Shared<H>, uri: Uri) -> Response {
    let answer = async {
        let (key, nonce) = (asked(&uri, "key")?, asked(&uri, "nonce")?);
        desk.proofs.lock().unwrap_or_else(PoisonError::into_inner).greet(&key, &nonce)
    };
    match answer.await {
        Ok(Some(greeting)) => json(Ok(greeting)),
        Ok(None) => (StatusCode::UNAUTHORIZED, UNKNOWN).into_response(),
        Err(error) => json::<()>(Err(error)),
    }
}

/// What somebody is told who shows no proof that holds.
const UNKNOWN: &str = "The token or the session is missing, wrong, or used up. Take the newest token: `megatorrent \
    daemon --web` shows it to a terminal, and `web-token` in the data folder holds it.";

/// Lets only through who proves that they may ask: in a field of their own, or beside the protocol of a socket, where a
/// page can set nothing else.
async fn with_proof<H: Handler>(State(desk): Shared<H>, request: HttpRequest, next: Next) -> Response {
    match desk.who(&request) {
        None => return (StatusCode::UNAUTHORIZED, UNKNOWN).into_response(),
        Some(Who::Session) => {}
        Some(Who::Token) => {
            if let Err(error) = desk.renew().await {
                return json::<()>(Err(error));
            }
        }
    }
    if let Some(visit) = request.extensions().get::<Visit>() {
        visit.welcome();
    }
    next.run(request).await
}

async fn page(uri: Uri) -> Response {
    pages::page(uri.path())
}

/// That the proof is right.
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
        let name = place.file_name().map(|name| paths::shown(Path::new(name))).unwrap_or_default();
        desk.hand_out(Behind::File(place), &files::part_of_address(&name))
    };
    json(answer.await)
}

async fn folder(uri: Uri) -> Response {
    let none = |_| ErrorInfo::new(Code::BadArgument, "This text stands for no path: a NUL is in it.");
    let asked = asked(&uri, "path").ok().map(|text| paths::from_text(&text)).transpose().map_err(none);
    json(match asked {
        Ok(path) => files::folder(path).await,
        Err(error) => Err(error),
    })
}

/// What lies behind an address that was handed out. Whoever has it need not have the token: elements of a page send none.
async fn at<H: Handler>(
    State(desk): Shared<H>,
    Part((address, _)): Part<(String, String)>,
    visit: Extension<Visit>,
    headers: HeaderMap,
    method: Method,
) -> Response {
    let behind = desk.find(&address);
    if behind.is_some() {
        visit.welcome();
    }
    match behind {
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
    /// Who proves with this request that they may ask.
    fn who(&self, request: &HttpRequest) -> Option<Who> {
        let text = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        let alone = text(header::AUTHORIZATION).strip_prefix("Proof ");
        let beside = text(header::SEC_WEBSOCKET_PROTOCOL).split_once(',').map(|(_, shown)| shown);
        let what = request.uri().path_and_query().map_or("", |what| what.as_str()).trim_start_matches('/');
        let shown = alone.or(beside)?.trim();
        self.proofs.lock().unwrap_or_else(PoisonError::into_inner).check(shown, what)
    }

    /// Another token in the place of the one that is used up; somebody may want to sign in from another browser.
    async fn renew(&self) -> Result<(), ErrorInfo> {
        let file = self.door.token_file.clone();
        let made = tokio::task::spawn_blocking(move || new_token(&file)).await;
        let token = match made {
            Ok(Ok(token)) => token,
            Ok(Err(Failure::Refused(error))) => return Err(error),
            Ok(Err(_)) | Err(_) => return Err(ErrorInfo::new(Code::Internal, "No new token could be made.")),
        };
        self.proofs.lock().unwrap_or_else(PoisonError::into_inner).renew(&token);
        if std::io::stderr().is_terminal() {
            self.out.remark(&format!("A browser signed in. For another one: {}", self.door.invitation(&token)));
        }
        Ok(())
    }

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
    match text {
        Ok(text) => (status, headers, text).into_response(),
        Err(error) => {
            let why = ErrorInfo::new(Code::Internal, format!("The answer cannot be written as JSON: {error}."));
            let text = serde_json::json!({ "code": why.code, "message": why.message }).to_string();
            (StatusCode::INTERNAL_SERVER_ERROR, headers, text).into_response()
        }
    }
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

/// A new token, written to that file in the place of an earlier one.
fn new_token(file: &Path) -> Result<String, Failure> {
    let failed = |error: std::io::Error| refusal(Code::Io, format!("{}: {error}", file.display()));
    match std::fs::File::open(file) {
        Ok(opened) => {
            let mut text = String::new();
            opened.take(1024).read_to_string(&mut text).map_err(failed)?;
            let text = text.trim();
            // Nobody's file but ours is replaced.
            if text.len() != 2 * TOKEN_LEN || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
                let message = format!("{} holds no token. Delete it, and a new one is made.", file.display());
                return Err(refusal(Code::Corrupt, message));
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let token = random().map_err(Failure::Refused)?;
    node::write_whole(file, token.as_bytes()).map_err(failed)?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_new_each_time_and_nobody_elses_file_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(TOKEN_FILE);
        let made = new_token(&file).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), made);
        let next = new_token(&file).unwrap();
        assert_ne!(next, made);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), next);
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions()) & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        std::fs::write(&file, "x".repeat(1 << 20)).unwrap();
        assert!(matches!(new_token(&file), Err(Failure::Refused(ErrorInfo { code: Code::Corrupt, .. }))));
    }

    #[test]
    fn a_browser_that_leaves_out_the_usual_port_is_let_in() {
        let hosts = [HostName::new("127.0.0.1:80"), HostName::new("media.example.org")];
        for (host, origin, ours) in [
            ("127.0.0.1", None, true),
            ("127.0.0.1:80", Some("http://127.0.0.1"), true),
            ("media.example.org", Some("https://media.example.org"), true),
            ("127.0.0.1", Some("http://evil.example"), false),
            ("127.0.0.1:81", None, false),
            ("evil.example", None, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
            }
            assert_eq!(is_ours(&hosts, &headers), ours, "{host} {origin:?}");
        }
    }
}
