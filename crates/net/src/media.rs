//! A small HTTP/1.1 server on loopback, for media elements and players: GET and HEAD with one range.
//!
//! Promises: it listens on 127.0.0.1 only; a request whose Host is not exactly this address and port is refused (a web
//! page that points its own name at 127.0.0.1 cannot read it); heads are at most 8 KiB; nothing of a request but its
//! path and range is looked at. Which paths there are is the caller's to say.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::accept::Listener;
use crate::web::HostName;

/// Bytes of a request's head.
const HEAD_MAX: usize = 8 << 10;
/// Time for a head to come, and for a kept connection to ask again.
const HEAD_TIME: Duration = Duration::from_secs(60);
/// A player that takes no byte for this long is gone, or paused: it will ask again.
const WRITE_TIME: Duration = Duration::from_secs(120);

/// Listens on loopback.
pub struct MediaListener(Listener);

/// One connection of a player.
pub struct MediaConn {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    host: HostName,
}

/// What a player asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Get {
    /// Path, without query, as sent.
    pub path: String,
    /// Only the head.
    pub head: bool,
    /// The bytes it wants.
    pub range: Option<Ask>,
}

/// One range as asked for: the resource's size is not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// From, and up to and with, where given.
    From(u64, Option<u64>),
    /// The last bytes.
    Last(u64),
}

impl Ask {
    /// The bytes of a resource of this size; `None` if there are none.
    pub fn of(self, size: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::From(from, to) => from..to.map_or(size, |to| to.saturating_add(1)).min(size),
            Self::Last(count) => size.saturating_sub(count)..size,
        };
        (range.start < range.end).then_some(range)
    }
}

impl MediaListener {
    /// Listens on a port that the system picks.
    ///
    /// # Errors
    /// What the system said.
    pub async fn bind() -> io::Result<Self> {
        Ok(Self(Listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?))
    }

    /// `127.0.0.1:port`.
    pub fn host(&self) -> String {
        self.0.bound().to_string()
    }

    /// The next connection. May be dropped and called again.
    pub async fn accept(&self) -> MediaConn {
        let (stream, _) = self.0.accept().await;
        MediaConn::over(stream, HostName::new(&self.host()))
    }
}

impl MediaConn {
    fn over(stream: TcpStream, host: HostName) -> Self {
        let (reader, writer) = stream.into_split();
        Self { reader: BufReader::new(reader), writer, host }
    }

    /// The next request; none when the player is gone, is too slow, or asked for what is refused.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn next(&mut self) -> io::Result<Option<Get>> {
        let Ok(head) = tokio::time::timeout(HEAD_TIME, self.read_head()).await else { return Ok(None) };
        let Some(head) = head? else { return Ok(None) };
        match parse(&head, &self.host) {
            Ok(get) => Ok(Some(get)),
            Err(status) => {
                self.refuse(status).await?;
                Ok(None)
            }
        }
    }

    async fn read_head(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut head = Vec::new();
        loop {
            let read = self.reader.fill_buf().await?;
            if read.is_empty() {
                return Ok(None);
            }
            let taken = read.len().min(HEAD_MAX - head.len());
            let before = head.len();
            head.extend_from_slice(&read[..taken]);
            if let Some(end) = find(&head, b"\r\n\r\n") {
                self.reader.consume(end + 4 - before);
                head.truncate(end);
                return Ok(Some(head));
            }
            self.reader.consume(taken);
            if head.len() == HEAD_MAX {
                return Ok(None);
            }
        }
    }

    /// Answers with a status and nothing else.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn refuse(&mut self, status: u16) -> io::Result<()> {
        self.send(format!("HTTP/1.1 {}\r\nContent-Length: 0\r\n{FIXED}\r\n", line(status)).as_bytes()).await
    }

    /// There are no such bytes in a resource of this size.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn out_of_range(&mut self, size: u64) -> io::Result<()> {
        let head =
            format!("HTTP/1.1 {}\r\nContent-Range: bytes */{size}\r\nContent-Length: 0\r\n{FIXED}\r\n", line(416));
        self.send(head.as_bytes()).await
    }

    /// Begins an answer: the whole, or a part of it. The bytes follow by [`MediaConn::write`].
    ///
    /// # Errors
    /// The connection failed.
    pub async fn begin(&mut self, mime: &str, size: u64, part: Option<&Range<u64>>) -> io::Result<()> {
        let (status, length) = (if part.is_some() { 206 } else { 200 }, part.map_or(size, |p| p.end - p.start));
        let mut head = format!("HTTP/1.1 {}\r\nContent-Type: {mime}\r\nContent-Length: {length}\r\n", line(status));
        if let Some(part) = part {
            head.push_str(&format!("Content-Range: bytes {}-{}/{size}\r\n", part.start, part.end - 1));
        }
        head.push_str(FIXED);
        head.push_str("\r\n");
        self.send(head.as_bytes()).await
    }

    /// Bytes of the answer.
    ///
    /// # Errors
    /// The connection failed, or the player takes nothing any more.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send(bytes).await
    }

    /// Resolves when the player has gone. May be dropped and called again.
    pub async fn gone(&mut self) {
        match self.reader.fill_buf().await {
            Ok(more) if !more.is_empty() => std::future::pending().await,
            _ => {}
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = tokio::time::timeout(WRITE_TIME, self.writer.write_all(bytes)).await;
        sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Fields of every answer: ranges are served, nothing is kept, nothing in it is a page.
const FIXED: &str = "\
Accept-Ranges: bytes\r\n\
Cache-Control: no-store\r\n\
X-Content-Type-Options: nosniff\r\n\
Content-Security-Policy: default-src 'none'; sandbox\r\n\
Referrer-Policy: no-referrer\r\n";

fn line(status: u16) -> &'static str {
    match status {
        200 => "200 OK",
        206 => "206 Partial Content",
        400 => "400 Bad Request",
        403 => "403 Forbidden",
        404 => "404 Not Found",
        405 => "405 Method Not Allowed",
        415 => "415 Unsupported Media Type",
        416 => "416 Range Not Satisfiable",
        _ => "500 Internal Server Error",
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// Reads a head, or says with which status it is refused.
fn parse(head: &[u8], host: &HostName) -> Result<Get, u16> {
    let text = std::str::from_utf8(head).map_err(|_| 400_u16)?;
    let mut lines = text.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, target, version) = (first.next(), first.next(), first.next());
    let head = match method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Err(405),
    };
    let Some(target) = target.filter(|t| t.starts_with('/')) else { return Err(400) };
    if !matches!(version, Some("HTTP/1.1" | "HTTP/1.0")) || first.next().is_some() {
        return Err(400);
    }
    let (mut hosts, mut range) = (0, None);
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(400_u16)?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("host") {
            if !host.is_host(value) {
                return Err(403);
            }
            hosts += 1;
        } else if name.eq_ignore_ascii_case("range") {
            range = parse_range(value);
        }
    }
    if hosts != 1 {
        return Err(400);
    }
    let path = target.split(['?', '#']).next().unwrap_or_default().to_owned();
    Ok(Get { path, head, range })
}

/// RFC 9110 §14.1.2, one range; several, or what is none, is as if it had not been asked.
fn parse_range(value: &str) -> Option<Ask> {
    let (from, to) = value.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| text.parse::<u64>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
    match (from.trim(), to.trim()) {
        ("", last) => number(last).map(Ask::Last),
        (from, "") => Some(Ask::From(number(from)?, None)),
        (from, to) => {
            let (from, to) = (number(from)?, number(to)?);
            (from <= to).then_some(Ask::From(from, Some(to)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    const HOST: &str = "127.0.0.1:4000";

    fn parsed(head: &str) -> Result<Get, u16> {
        parse(head.as_bytes(), &HostName::new(HOST))
    }

    #[test]
    fn a_request_is_its_path_and_range() {
        let get = parsed("GET /abc?x=1 HTTP/1.1\r\nHost: 127.0.0.1:4000\r\nrange: bytes=5-\r\nAccept: */*").unwrap();
        assert_eq!(get, Get { path: "/abc".into(), head: false, range: Some(Ask::From(5, None)) });
        assert!(parsed("HEAD / HTTP/1.0\r\nhost:127.0.0.1:4000").unwrap().head);
    }

    #[test]
    fn another_host_is_refused() {
        for host in ["localhost:4000", "127.0.0.1", "evil.example:4000", "127.0.0.1:4001", ""] {
            assert_eq!(parsed(&format!("GET / HTTP/1.1\r\nHost: {host}")), Err(403), "{host:?}");
        }
        assert_eq!(parsed("GET / HTTP/1.1\r\nAccept: */*"), Err(400));
        assert_eq!(parsed("GET / HTTP/1.1\r\nHost: 127.0.0.1:4000\r\nHost: 127.0.0.1:4000"), Err(400));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        assert_eq!(parsed("POST / HTTP/1.1\r\nHost: 127.0.0.1:4000"), Err(405));
        for head in ["GET http://x/ HTTP/1.1", "GET /", "GET / HTTP/2", "GET / HTTP/1.1\r\nno colon", ""] {
            assert!(parsed(head).is_err(), "{head:?}");
        }
        assert_eq!(parse(b"GET /\xff HTTP/1.1", &HostName::new(HOST)), Err(400));
    }

    #[test]
    fn ranges() {
        let of = |text: &str, size| parse_range(text).and_then(|ask| ask.of(size));
        assert_eq!(of("bytes=0-", 10), Some(0..10));
        assert_eq!(of("bytes=3-5", 10), Some(3..6));
        assert_eq!(of("bytes=3-99", 10), Some(3..10));
        assert_eq!(of("bytes=-4", 10), Some(6..10));
        assert_eq!(of("bytes=-99", 10), Some(0..10));
        for none in
            ["bytes=10-", "bytes=-0", "bytes=5-3", "bytes=0-1,4-5", "bytes=x-", "bytes=", "items=0-1", "bytes=+1-2"]
        {
            assert_eq!(of(none, 10), None, "{none}");
        }
        assert_eq!(of(&format!("bytes=0-{}", u64::MAX), 10), Some(0..10));
    }

    #[tokio::test]
    async fn a_player_asks_twice_over_one_connection() {
        let listener = MediaListener::bind().await.unwrap();
        let host = listener.host();
        let mut player = TcpStream::connect(&host).await.unwrap();
        let mut conn = listener.accept().await;
        let ask = format!("GET /a HTTP/1.1\r\nHost: {host}\r\nRange: bytes=1-2\r\n\r\n");
        player.write_all(format!("{ask}{ask}").as_bytes()).await.unwrap();
        for _ in 0..2 {
            let get = conn.next().await.unwrap().unwrap();
            let part = get.range.unwrap().of(4);
            conn.begin("video/webm", 4, part.as_ref()).await.unwrap();
            conn.write(b"bc").await.unwrap();
        }
        player.shutdown().await.unwrap();
        assert!(conn.next().await.unwrap().is_none());
        conn.gone().await;
        drop(conn);
        let mut answers = String::new();
        player.read_to_string(&mut answers).await.unwrap();
        assert_eq!(answers.matches("206 Partial Content").count(), 2);
        assert!(answers.contains("Content-Range: bytes 1-2/4\r\n") && answers.ends_with("\r\n\r\nbc"));
    }

    #[tokio::test]
    async fn an_endless_head_ends() {
        let listener = MediaListener::bind().await.unwrap();
        let mut player = TcpStream::connect(listener.host()).await.unwrap();
        let mut conn = listener.accept().await;
        player.write_all(&vec![b'a'; HEAD_MAX + 10]).await.unwrap();
        assert!(conn.next().await.unwrap().is_none());
    }
}
