//! The control port against fakes that follow the protocol and fakes that do not. Real tor: the whole-system tests.

use super::control::{Control, ControlError, unquote};
use super::owner::Known;
use super::*;
use crate::gate::Gate;
use crate::route::{OnionStanding, Route, RouteTrouble};
use data_encoding::{BASE64, HEXUPPER};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

const LIMIT: Duration = Duration::from_secs(30);

/// A control port that answers each line by a rule.
async fn port(answer: impl Fn(&str) -> String + Clone + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = answer.clone();
            tokio::spawn(async move {
                let (read, mut write) = stream.into_split();
                let mut lines = BufReader::new(read).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    if write.write_all(answer(&line).as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    addr
}

async fn connect(addr: SocketAddr, password: Option<&[u8]>) -> Result<Control, ControlError> {
    tokio::time::timeout(LIMIT, Control::connect(&ControlAddr::Tcp(addr), password, Known::Named)).await.unwrap()
}

fn info(methods: &str) -> String {
    format!("250-PROTOCOLINFO 1\r\n250-AUTH METHODS={methods}\r\n250-VERSION Tor=\"0.4.9.5\"\r\n250 OK\r\n")
}

#[tokio::test]
async fn replies_of_every_shape_are_read_and_events_kept() {
    let addr = port(|line| match line {
        "PROTOCOLINFO 1" => info("NULL"),
        "AUTHENTICATE" => "250 OK\r\n".into(),
        "GETINFO two" => "650 EARLY one\r\n250+two=\r\nfirst\r\n..second\r\n.\r\n250 OK\r\n".into(),
        "GETINFO one" => "650-LATE a\r\n650 OK\r\n250-one=1 2\r\n250 OK\r\n".into(),
        _ => "552 Unrecognized\r\n".into(),
    })
    .await;
    let mut control = connect(addr, None).await.unwrap();
    let two = control.command("GETINFO two").await.unwrap();
    assert_eq!(two.lines, ["two=", "first", ".second", "OK"]);
    assert_eq!(control.info("one").await.unwrap(), "1 2");
    assert!(matches!(control.info("else").await, Err(ControlError::Refused(why)) if why == "Unrecognized"));
    assert_eq!(control.event().await.unwrap(), "EARLY one");
    assert_eq!(control.event().await.unwrap(), "LATE a");
}

#[tokio::test]
async fn a_password_is_said_in_hex_and_a_wrong_one_is_named() {
    let addr = port(|line| match line {
        "PROTOCOLINFO 1" => info("HASHEDPASSWORD"),
        "AUTHENTICATE 70617373" => "250 OK\r\n".into(),
        _ => "515 Authentication failed\r\n".into(),
    })
    .await;
    connect(addr, Some(b"pass")).await.unwrap();
    assert!(matches!(connect(addr, Some(b"wrong")).await, Err(ControlError::AuthRefused)));
    assert!(matches!(connect(addr, None).await, Err(ControlError::Locked(wanted)) if wanted.contains("a password")));
}

#[tokio::test]
async fn the_cookie_is_proven_and_a_port_that_does_not_know_it_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a \"cookie\"");
    std::fs::write(&path, [7; 32]).unwrap();
    let quoted = path.to_str().unwrap().replace('\\', "\\\\").replace('"', "\\\"");
    for knows in [true, false] {
        let methods = format!("COOKIE,SAFECOOKIE COOKIEFILE=\"{quoted}\"");
        let addr = port(move |line| {
            let cookie = if knows { [7; 32] } else { [8; 32] };
            if line == "PROTOCOLINFO 1" {
                return info(&methods);
            }
            if let Some(nonce) = line.strip_prefix("AUTHCHALLENGE SAFECOOKIE ") {
                let nonce = HEXUPPER.decode(nonce.as_bytes()).unwrap();
                let hash = mac(b"Tor safe cookie authentication server-to-controller hash", &cookie, &nonce);
                let (hash, theirs) = (HEXUPPER.encode(&hash), HEXUPPER.encode(&[5; 32]));
                return format!("250 AUTHCHALLENGE SERVERHASH={hash} SERVERNONCE={theirs}\r\n");
            }
            assert!(knows, "a port that does not know the cookie was told {line}");
            let proof = line.strip_prefix("AUTHENTICATE ").unwrap();
            assert_eq!(proof.len(), 64);
            assert_ne!(proof, HEXUPPER.encode(&cookie), "the cookie itself was shown");
            "250 OK\r\n".into()
        })
        .await;
        match connect(addr, None).await {
            Ok(_) => assert!(knows),
            Err(error) => assert!(!knows && matches!(error, ControlError::WrongCookie), "{error}"),
        }
    }
}

fn mac(purpose: &[u8], cookie: &[u8], nonce: &[u8]) -> Vec<u8> {
    use hmac::{Hmac, KeyInit, Mac};
    let mac = Hmac::<Sha256>::new_from_slice(purpose).unwrap();
    mac.chain_update(cookie).chain_update(nonce).chain_update([5; 32]).finalize().into_bytes().to_vec()
}

#[tokio::test]
async fn a_cookie_is_never_shown_and_a_port_that_nobody_named_must_want_one() {
    let folder = tempfile::tempdir().unwrap();
    let cookie = folder.path().join("cookie");
    std::fs::write(&cookie, [7; 32]).unwrap();
    let shown = format!("COOKIE COOKIEFILE=\"{}\"", cookie.display());
    for (methods, known) in [(shown.as_str(), Known::Named), (shown.as_str(), Known::Guessed), ("NULL", Known::Guessed)]
    {
        let told = info(methods);
        let addr = port(move |line| {
            assert_eq!(line, "PROTOCOLINFO 1");
            told.clone()
        })
        .await;
        let refused = Control::connect(&ControlAddr::Tcp(addr), None, known).await.err().unwrap();
        let fits = match refused {
            ControlError::Locked(wanted) => methods != "NULL" && wanted.contains("be shown its cookie"),
            ControlError::Open => methods == "NULL",
            // Where the system does not tell whose a port is.
            ControlError::NoOwner(_) => known == Known::Guessed && cfg!(not(target_os = "linux")),
            other => panic!("{other}"),
        };
        assert!(fits, "{methods} {known:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn no_file_but_a_cookie_is_ever_read_to_a_port() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, [7; 33]).unwrap();
    // A cookie, but by a link.
    let link = folder.path().join("link");
    std::fs::write(folder.path().join("cookie"), [7; 32]).unwrap();
    std::os::unix::fs::symlink(folder.path().join("cookie"), &link).unwrap();
    let link = link.to_str().unwrap();
    for file in [secret.to_str().unwrap(), "/dev/zero", folder.path().to_str().unwrap(), "/nowhere", link] {
        let methods = format!("COOKIE,SAFECOOKIE COOKIEFILE=\"{file}\"");
        let addr = port(move |line| {
            assert_eq!(line, "PROTOCOLINFO 1", "{file}", file = methods);
            info(&methods)
        })
        .await;
        assert!(matches!(connect(addr, None).await, Err(ControlError::Locked(_))), "{file}");
    }
}

#[tokio::test]
async fn what_is_no_control_port_is_told_apart() {
    for nonsense in [
        "HTTP/1.0 200 OK\r\n",
        "25\r\n",
        "250?what\r\n",
        "250-a\r\n251 b\r\n",
        "250 no end\n",
        "999 x\r\n",
        "250 OK\r\n",
    ] {
        let addr = port(move |_| nonsense.into()).await;
        assert!(matches!(connect(addr, None).await, Err(ControlError::NotControl)), "{nonsense}");
    }
    let long = port(|_| "x".repeat(70_000)).await;
    assert!(matches!(connect(long, None).await, Err(ControlError::NotControl)));
    let many = port(|_| "250-more\r\n".repeat(5000)).await;
    assert!(matches!(connect(many, None).await, Err(ControlError::NotControl)));
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert!(matches!(connect(closed, None).await, Err(ControlError::Io(_))));
}

#[test]
fn quoted_strings() {
    assert_eq!(unquote(r#""a \"b\" \\c" rest"#).as_deref(), Some(r#"a "b" \c"#));
    assert_eq!(unquote("\"open"), None);
    assert_eq!(unquote("bare"), None);
}

#[test]
fn the_key_is_what_tor_wants_and_shows_nothing() {
    let secret = OnionSecret::from_bytes(&[1; 32]);
    let key = BASE64.decode(secret.expanded().as_bytes()).unwrap();
    assert_eq!((key.len(), key[0] & 7, key[31] & 0xc0), (64, 0, 0x40));
    assert_eq!(OnionSecret::from_bytes(&secret.to_bytes()).address(), secret.address());
    assert_ne!(OnionSecret::generate().unwrap().address(), OnionSecret::generate().unwrap().address());
    assert_eq!(format!("{secret:?} {:?}", Password(Zeroizing::new(b"x".to_vec()))), "OnionSecret(..) Password(..)");
}

#[test]
fn purposes_and_peers_have_names_of_their_own() {
    let (run, other) = (Apart::new().unwrap(), Apart::new().unwrap());
    let (a, b) = ("1.2.3.4:1".parse().unwrap(), "1.2.3.4:2".parse().unwrap());
    let name = |apart: &Apart, tag: &[u8], addr| apart.login(tag, addr).unwrap();
    assert_eq!(name(&run, b"one", &a), name(&run, b"one", &a));
    assert_ne!(name(&run, b"one", &a), name(&run, b"two", &a));
    assert_ne!(name(&run, b"one", &a), name(&run, b"one", &b));
    assert_ne!(name(&run, b"one", &a), name(&other, b"one", &a));
}

fn config(at: TorAt, data_dir: &std::path::Path) -> TorConfig {
    TorConfig { choice: TorChoice::Running(at), program: None, data_dir: data_dir.to_owned() }
}

fn onion(seed: u8) -> OnionService {
    OnionService { secret: OnionSecret::from_bytes(&[seed; 32]), port: 6881 }
}

/// The standing of the only onion service.
fn only(status: &RouteStatus) -> Option<&OnionStanding> {
    match &status.inbound {
        Inbound::Onions(onions) if onions.len() == 1 => onions.first(),
        _ => None,
    }
}

async fn status(gate: &Gate, wanted: impl FnMut(&RouteStatus) -> bool) -> RouteStatus {
    let mut status = gate.status();
    tokio::time::timeout(LIMIT, status.wait_for(wanted)).await.expect("that state in time").unwrap().clone()
}

/// A tor that is all talk: its control port says what a real one says.
fn talk(service: OnionKey) -> impl Fn(&str) -> String + Clone + Send + Sync + 'static {
    move |line| {
        let id = service.to_string();
        let id = id.trim_end_matches(".onion");
        match line.split(' ').next().unwrap() {
            "PROTOCOLINFO" => info("NULL"),
            "ADD_ONION" => format!(
                "250-ServiceID={id}\r\n250 OK\r\n650 HS_DESC UPLOADED {id} UNKNOWN x\r\n\
                 650 STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY=\"Done\"\r\n"
            ),
            _ if line == "GETINFO net/listeners/socks" => {
                "250-net/listeners/socks=\"unix:/x y\" \"127.0.0.1:9\"\r\n250 OK\r\n".into()
            }
            _ if line == "GETINFO status/bootstrap-phase" => {
                "250-status/bootstrap-phase=NOTICE BOOTSTRAP PROGRESS=40 TAG=x\r\n250 OK\r\n".into()
            }
            _ => "250 OK\r\n".into(),
        }
    }
}

#[tokio::test]
async fn a_tor_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let own = OnionSecret::from_bytes(&[9; 32]).address();
    let addr = port(talk(own)).await;
    let at = TorAt { control: Some(ControlAddr::Tcp(addr)), ..TorAt::default() };
    let gate = Gate::open(Route::Tor(config(at, folder.path()))).await.unwrap();
    assert!(gate.clear().is_none() && gate.listening().is_none());
    gate.set_onions(vec![onion(9)]);
    let standing = OnionStanding { addr: PeerAddr::Onion(own, 6881), published: true, trouble: None };
    status(&gate, |status| status.state == RouteState::Up && only(status) == Some(&standing)).await;
    gate.set_onions(Vec::new());
    status(&gate, |status| status.inbound == Inbound::None).await;
    // Its SOCKS port is a closed one.
    let dialled = gate.dial(&PeerAddr::Onion(own, 1), b"", LIMIT).await;
    assert!(matches!(dialled, Err(GateError::Proxy(_))));
    gate.close().await;
    assert!(matches!(gate.dial(&PeerAddr::Onion(own, 1), b"", LIMIT).await, Err(GateError::Starting)));
}

#[tokio::test]
async fn a_service_at_another_address_is_not_ours() {
    let folder = tempfile::tempdir().unwrap();
    let addr = port(talk(OnionSecret::from_bytes(&[1; 32]).address())).await;
    let at = TorAt { control: Some(ControlAddr::Tcp(addr)), ..TorAt::default() };
    let gate = Gate::open(Route::Tor(config(at, folder.path()))).await.unwrap();
    gate.set_onions(vec![onion(9)]);
    let other = |why: &Option<String>| why.as_ref().is_some_and(|why| why.contains("another address"));
    status(&gate, |status| only(status).is_some_and(|onion| !onion.published && other(&onion.trouble))).await;
    gate.close().await;
}

#[tokio::test]
async fn a_proxy_that_is_no_tor_is_not_taken_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let socks = port(|_| "\u{5}\0".into()).await;
    let at = TorAt { socks: Some(socks), ..TorAt::default() };
    let gate = Gate::open(Route::Tor(config(at, folder.path()))).await.unwrap();
    let down = status(&gate, |status| matches!(status.state, RouteState::Down(_))).await;
    assert_eq!(down.state, RouteState::Down(RouteTrouble::Proxy(crate::socks::SocksError::NotSocks)));
    let dialled = gate.dial(&"1.2.3.4:1".parse().unwrap(), b"", LIMIT).await;
    assert!(matches!(dialled, Err(GateError::Down(_))));
    gate.close().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_program_that_ends_at_once_is_named_with_its_last_words() {
    // A shell takes the file that tor takes for its configuration as its script.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("torrc"), "echo 'Nov 01 00:00:00.000 [warn] No such day'\nexit 3\n").unwrap();
    let started = own::start(std::path::Path::new("/bin/sh"), folder.path()).await;
    assert_eq!(started.err(), Some(RouteTrouble::TorEnded("No such day".into())));
}

/// A service that nobody guards is shut by whoever opens streams without end; one that tor cannot make is of no use.
#[tokio::test]
async fn a_service_is_guarded_as_far_as_its_tor_knows_how() {
    for knows_work in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let own = OnionSecret::from_bytes(&[9; 32]).address();
        let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let (tell, talk) = (asked.clone(), talk(own));
        let addr = port(move |line| {
            if line.starts_with("ADD_ONION") {
                let rest: Vec<&str> = line.split(' ').skip(2).filter(|word| !word.starts_with("Port=")).collect();
                tell.lock().unwrap().push(rest.join(" "));
                if !knows_work && line.contains("PoW") {
                    return "512 Unrecognized argument \"PoWDefensesEnabled=1\"\r\n".into();
                }
            }
            talk(line)
        })
        .await;
        let at = TorAt { control: Some(ControlAddr::Tcp(addr)), ..TorAt::default() };
        let gate = Gate::open(Route::Tor(config(at, folder.path()))).await.unwrap();
        gate.set_onions(vec![onion(9)]);
        status(&gate, |status| only(status).is_some_and(|onion| onion.published)).await;
        gate.close().await;
        let asked = asked.lock().unwrap().clone();
        let streams = "Flags=DiscardPK,MaxStreamsCloseCircuit MaxStreams=8";
        assert_eq!(asked.first(), Some(&format!("{streams} PoWDefensesEnabled=1")));
        assert_eq!(asked.get(1).map(String::as_str), (!knows_work).then_some(streams));
    }
}
