//! Proxies that work, and proxies that do not mean well: each a listener of this very test.

use super::*;
use crate::gate::{Gate, GateError};
use crate::route::{Proxy, Route, RouteState, RouteTrouble};
use crate::wire;
use protocol::addr::OnionKey;
use protocol::session::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const LIMIT: Duration = Duration::from_secs(30);
/// For what must not happen, and for proxies that never answer.
const MOMENT: Duration = Duration::from_millis(200);

/// What a fake proxy does next.
enum Act {
    /// Read these very bytes.
    Hear(Vec<u8>),
    /// Write these.
    Say(Vec<u8>),
    /// Keep the connection open until the other side ends it.
    Hang,
}
use Act::{Hang, Hear, Say};

/// A proxy that plays its part once for every connection.
async fn proxy(part: fn() -> Vec<Act>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                for act in part() {
                    match act {
                        Hear(expected) => {
                            let mut heard = vec![0; expected.len()];
                            if stream.read_exact(&mut heard).await.is_err() {
                                return;
                            }
                            assert_eq!(heard, expected);
                        }
                        Say(bytes) => stream.write_all(&bytes).await.unwrap(),
                        // Any end will do.
                        Hang => while matches!(stream.read(&mut [0; 64]).await, Ok(1..)) {},
                    }
                }
            });
        }
    });
    addr
}

/// A proxy with one answer, for one connection; gives all that is said to it.
async fn overheard(answer: &'static [u8]) -> (SocketAddr, tokio::task::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let hearing = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(answer).await.unwrap();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await.unwrap();
        said
    });
    (addr, hearing)
}

fn peer() -> PeerAddr {
    "203.0.113.7:6881".parse().unwrap()
}

fn login() -> Login {
    Login::new("user", "word").unwrap()
}

async fn failure(part: fn() -> Vec<Act>, offer: Offer<'_>) -> SocksError {
    let addr = proxy(part).await;
    tokio::time::timeout(LIMIT, connect(&ProxyAt::Tcp(addr), offer, &peer())).await.unwrap().err().unwrap()
}

fn greeted() -> Vec<Act> {
    vec![Hear(vec![5, 1, 0]), Say(vec![5, 0])]
}

fn asked() -> Vec<Act> {
    let mut acts = greeted();
    acts.push(Hear(vec![5, 1, 0, 1, 203, 0, 113, 7, 0x1a, 0xe1]));
    acts
}

fn then(mut acts: Vec<Act>, act: Act) -> Vec<Act> {
    acts.push(act);
    acts
}

#[tokio::test]
async fn the_peers_first_byte_follows_the_proxys_last() {
    for (answer, part) in [
        ("IPv4", (|| then(asked(), Say(b"\x05\0\0\x01\x7f\0\0\x01\x04\xd2peer".to_vec()))) as fn() -> Vec<Act>),
        ("IPv6", || then(asked(), Say([&b"\x05\0\0\x04"[..], &[9; 18], b"peer"].concat()))),
        ("a name", || then(asked(), Say(b"\x05\0\0\x03\x05proxy\x04\xd2peer".to_vec()))),
        ("a name of nothing", || then(asked(), Say(b"\x05\0\0\x03\0\x04\xd2peer".to_vec()))),
    ] {
        let mut stream = connect(&ProxyAt::Tcp(proxy(part).await), Offer::Nothing, &peer()).await.unwrap();
        let mut got = String::new();
        stream.read_to_string(&mut got).await.unwrap();
        assert_eq!(got, "peer", "{answer}");
    }
}

/// A proxy that takes a request, says how it was written, and then says no.
async fn request(to: &PeerAddr) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let hearing = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; 3]).await.unwrap();
        stream.write_all(&[5, 0]).await.unwrap();
        let mut said = vec![0; 512];
        let length = stream.read(&mut said).await.unwrap();
        said.truncate(length);
        stream.write_all(&[5, 4, 0, 1]).await.unwrap();
        said
    };
    let proxy = ProxyAt::Tcp(addr);
    let (failed, said) = tokio::join!(connect(&proxy, Offer::Nothing, to), hearing);
    assert_eq!(failed.err().unwrap(), SocksError::NotReached(NotReached::Host));
    said
}

#[tokio::test]
async fn every_kind_of_address_goes_as_it_is() {
    let name: PeerAddr = "Peer.Example:443".parse().unwrap();
    assert_eq!(request(&name).await, b"\x05\x01\0\x03\x0cpeer.example\x01\xbb");
    let onion = PeerAddr::Onion(OnionKey([3; 32]), 80);
    let said = request(&onion).await;
    assert_eq!((said[3], said[4]), (3, 62));
    assert_eq!(&said[5..67], OnionKey([3; 32]).to_string().as_bytes());
    assert_eq!(said[67..], [0, 80]);
    let six: PeerAddr = "[2001:db8::1]:1".parse().unwrap();
    assert_eq!(request(&six).await.len(), 4 + 16 + 2);
    let long = format!("{}.{}:1", vec!["a".repeat(60); 4].join("."), "b".repeat(9));
    assert_eq!(request(&long.parse().unwrap()).await.len(), 5 + 253 + 2);
}

#[tokio::test]
async fn a_login_is_said_where_it_is_wanted() {
    let wanted: fn() -> Vec<Act> = || {
        vec![
            Hear(vec![5, 2, 0, 2]),
            Say(vec![5, 2]),
            Hear(b"\x01\x04user\x04word".to_vec()),
            Say(vec![1, 0]),
            Hear(vec![5, 1, 0, 1, 203, 0, 113, 7, 0x1a, 0xe1]),
            Say(b"\x05\0\0\x01\0\0\0\0\0\0".to_vec()),
        ]
    };
    connect(&ProxyAt::Tcp(proxy(wanted).await), Offer::Login(&login()), &peer()).await.unwrap();
    // What keeps circuits apart is never left out, even if the proxy could do without.
    let (unwanted, hearing) = overheard(&[5, 0]).await;
    assert_eq!(
        connect(&ProxyAt::Tcp(unwanted), Offer::Apart(&login()), &peer()).await.err().unwrap(),
        SocksError::NoMethod
    );
    assert_eq!(hearing.await.unwrap(), [5, 2, 0, 2], "nothing but the greeting is said");
    let refusing: fn() -> Vec<Act> = || vec![Hear(vec![5, 2, 0, 2]), Say(vec![5, 0xff]), Hang];
    assert_eq!(failure(refusing, Offer::Apart(&login())).await, SocksError::NoMethod);
}

#[tokio::test]
async fn a_proxy_that_fails_is_named_as_what_it_is() {
    let (plain, login) = (Offer::Nothing, login());
    let login = Offer::Login(&login);
    type Case<'a> = (&'a str, Offer<'a>, fn() -> Vec<Act>, SocksError);
    let cases: [Case<'_>; 18] = [
        ("closes at once", plain, Vec::new, SocksError::Closed),
        ("closes after half an answer", plain, || vec![Hear(vec![5, 1, 0]), Say(vec![5])], SocksError::Closed),
        ("closes after the greeting", plain, greeted, SocksError::Closed),
        ("closes after the request", plain, asked, SocksError::Closed),
        ("closes in the middle of the reply", plain, || then(asked(), Say(vec![5, 0, 0, 1, 127])), SocksError::Closed),
        ("closes in a name", plain, || then(asked(), Say(b"\x05\0\0\x03\xffx".to_vec())), SocksError::Closed),
        ("speaks HTTP", plain, || vec![Say(b"HTTP/1.0 400 Bad\r\n\r\n".to_vec()), Hang], SocksError::NotSocks),
        ("has a strange reserved byte", plain, || then(asked(), Say(vec![5, 0, 7, 1])), SocksError::NotSocks),
        ("speaks SOCKS4", plain, || vec![Say(vec![4, 0]), Hang], SocksError::NotSocks),
        ("chooses what was not offered", plain, || vec![Say(vec![5, 1]), Hang], SocksError::NotSocks),
        ("wants a login that was not offered", plain, || vec![Say(vec![5, 2]), Hang], SocksError::NotSocks),
        ("changes its version", plain, || then(greeted(), Say(vec![9, 0, 0, 1])), SocksError::NotSocks),
        ("has a strange address", plain, || then(asked(), Say(vec![5, 0, 0, 9])), SocksError::NotSocks),
        ("wants a login", plain, || vec![Say(vec![5, 0xff]), Hang], SocksError::LoginWanted),
        ("takes no login", login, || vec![Say(vec![5, 0xff]), Hang], SocksError::NoMethod),
        ("refuses the login", login, || vec![Say(vec![5, 2, 1, 1]), Hang], SocksError::LoginRefused),
        ("answers a login with nonsense", login, || vec![Say(vec![5, 2, 5, 0]), Hang], SocksError::NotSocks),
        ("closes at the login", login, || vec![Hear(vec![5, 2, 0, 2]), Say(vec![5, 2])], SocksError::Closed),
    ];
    for (what, offer, part, expected) in cases {
        let error = failure(part, offer).await;
        assert_eq!(error, expected, "{what}");
        assert!(error.is_proxys(), "{what}");
    }
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = connect(&ProxyAt::Tcp(gone), plain, &peer()).await.err().unwrap();
    assert_eq!(error, SocksError::Down(io::ErrorKind::ConnectionRefused));
}

#[tokio::test]
async fn a_reply_says_why_the_peer_was_not_reached() {
    let refused = failure(|| then(asked(), Say(vec![5, 5, 0, 1])), Offer::Nothing).await;
    assert_eq!(refused, SocksError::NotReached(NotReached::Refused));
    assert!(!refused.is_proxys());
    let unknown = failure(|| then(asked(), Say(vec![5, 0xf0, 0, 1])), Offer::Nothing).await;
    assert_eq!(unknown, SocksError::NotReached(NotReached::OnionUnknown));
    assert_eq!(NotReached::of(0x77).to_string(), "no reason given (0x77)");
}

#[tokio::test]
async fn a_proxy_that_hangs_costs_no_more_than_the_time_given() {
    let silent = proxy(|| vec![Hang]).await;
    assert_eq!(greet(&ProxyAt::Tcp(silent), Offer::Nothing, MOMENT).await.unwrap_err(), SocksError::Hangs);
    let (listener, hearing) = overheard(&[5, 0]).await;
    assert_eq!(greet(&ProxyAt::Tcp(listener), Offer::Nothing, LIMIT).await, Ok(()));
    assert_eq!(hearing.await.unwrap(), [5, 1, 0], "a look asks for nothing");
    let gate = Gate::open(Route::Socks5(Proxy { addr: silent, login: None })).await.unwrap();
    assert!(matches!(gate.dial(&peer(), b"", MOMENT).await, Err(GateError::TimedOut)));
    // Later it hangs just as well.
    let later = proxy(|| then(asked(), Hang)).await;
    let gate = Gate::open(Route::Socks5(Proxy { addr: later, login: None })).await.unwrap();
    assert!(matches!(gate.dial(&peer(), b"", MOMENT).await, Err(GateError::TimedOut)));
}

#[tokio::test]
async fn a_proxy_that_lies_about_success_fails_at_the_handshake() {
    const SUCCESS: &[u8] = b"\x05\0\0\x01\0\0\0\0\0\0";
    let closes: fn() -> Vec<Act> = || then(asked(), Say(SUCCESS.to_vec()));
    let silent: fn() -> Vec<Act> = || then(then(asked(), Say(SUCCESS.to_vec())), Hang);
    // A point of low order: the key would be known to everybody.
    let zero: fn() -> Vec<Act> = || then(then(asked(), Say([SUCCESS, &[0; 32]].concat())), Hang);
    for (what, part) in [("closes", closes), ("says nothing", silent), ("gives a zero key", zero)] {
        let gate = Gate::open(Route::Socks5(Proxy { addr: proxy(part).await, login: None })).await.unwrap();
        let stream = gate.dial(&peer(), b"", LIMIT).await.unwrap();
        let shaken = wire::handshake(stream, Role::Dialler, MOMENT).await;
        assert!(shaken.is_err(), "{what}");
    }
}

#[tokio::test]
async fn without_its_proxy_the_gate_leads_nowhere() {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = PeerAddr::Ip(target.local_addr().unwrap());
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let gate = Gate::open(Route::Socks5(Proxy { addr: gone, login: None })).await.unwrap();
    // What lies in a network that is not the world's is not even asked for, unless the network is our own.
    assert!(matches!(gate.dial(&to, b"", LIMIT).await, Err(GateError::NoRoute(_))));
    let gate = gate.into_local();
    assert!(gate.clear().is_none() && gate.listening().is_none());
    for addr in [to, PeerAddr::Name("localhost".into(), target.local_addr().unwrap().port())] {
        assert!(matches!(gate.dial(&addr, b"", LIMIT).await, Err(GateError::Proxy(SocksError::Down(_)))));
    }
    assert!(tokio::time::timeout(MOMENT, target.accept()).await.is_err(), "somebody went straight to the peer");
    assert!(tokio::time::timeout(MOMENT, gate.accept()).await.is_err());
    gate.close().await;
}

/// Waits for a state of the route.
async fn state(gate: &Gate, wanted: RouteState) {
    let mut status = gate.status();
    let seen = tokio::time::timeout(LIMIT, status.wait_for(|status| status.state == wanted)).await;
    seen.unwrap_or_else(|_| panic!("never {wanted:?}")).unwrap();
}

#[tokio::test]
async fn the_state_follows_the_proxy() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let gate = Gate::open(Route::Socks5(Proxy { addr, login: Some(login()) })).await.unwrap();
    assert_eq!(gate.status().borrow().state, RouteState::Starting(0));
    let serve = |listener: TcpListener, verdict: u8| {
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let said: &[&[u8]] = &[&[5, 2], &[1, verdict]];
                for (length, answer) in [4, 11].into_iter().zip(said) {
                    if stream.read_exact(&mut vec![0; length]).await.is_err() {
                        break;
                    }
                    stream.write_all(answer).await.unwrap();
                }
            }
        })
    };
    let working = serve(listener, 0);
    state(&gate, RouteState::Up).await;
    working.abort();
    assert!(working.await.unwrap_err().is_cancelled());
    let down = |error| RouteState::Down(RouteTrouble::Proxy(error));
    state(&gate, down(SocksError::Down(io::ErrorKind::ConnectionRefused))).await;
    let strict = serve(TcpListener::bind(addr).await.unwrap(), 1);
    state(&gate, down(SocksError::LoginRefused)).await;
    strict.abort();
    assert!(strict.await.unwrap_err().is_cancelled());
    // Nobody accepts: the kernel does, and nothing is said.
    let _silent = TcpListener::bind(addr).await.unwrap();
    state(&gate, down(SocksError::Hangs)).await;
    gate.close().await;
    assert!(gate.status().has_changed().is_err(), "the task has ended");
}
