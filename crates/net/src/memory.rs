//! A network in memory: whole nodes meet in one process, without sockets.
//!
//! Owns: who listens where, how long bytes travel, which links are cut. Promises: the same seed and the same order of
//! calls give the same latencies and ports; time is tokio's, so a paused clock makes hours pass in milliseconds; a cut
//! link carries nothing and resets what was on it. It has no tasks: dropping the ends ends everything.

use crate::gate::{Gate, GateError, Stream};
use protocol::PeerAddr;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};

/// Bytes on the way in one direction of one connection, as a kernel would buffer.
const WINDOW: usize = 256 * 1024;
/// Connections waiting to be accepted at one gate; more are refused.
const BACKLOG: usize = 128;

/// A network in memory. Clones are the same network.
#[derive(Clone)]
pub struct MemoryNet {
    net: Arc<Mutex<Net>>,
}

struct Net {
    seed: u64,
    latency: RangeInclusive<Duration>,
    listeners: BTreeMap<SocketAddr, mpsc::Sender<Inbound>>,
    cut: BTreeSet<(IpAddr, IpAddr)>,
    connections: Vec<Connection>,
    next_port: u16,
}

/// A connection's hosts and its two directions.
type Connection = (IpAddr, IpAddr, [Weak<Mutex<Pipe>>; 2]);
type Inbound = (MemoryStream, SocketAddr);

/// One node's place in a [`MemoryNet`].
pub(crate) struct MemoryGate {
    net: Arc<Mutex<Net>>,
    addr: SocketAddr,
    inbound: Option<tokio::sync::Mutex<mpsc::Receiver<Inbound>>>,
}

impl MemoryNet {
    /// A network without latency. The seed decides what chance would: the latency of each connection.
    pub fn new(seed: u64) -> Self {
        let net = Net {
            seed,
            latency: Duration::ZERO..=Duration::ZERO,
            listeners: BTreeMap::new(),
            cut: BTreeSet::new(),
            connections: Vec::new(),
            next_port: 0,
        };
        Self { net: Arc::new(Mutex::new(net)) }
    }

    /// A gate that listens at `addr`. A later gate at the same address takes it over.
    pub fn gate(&self, addr: SocketAddr) -> Gate {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        lock(&self.net).listeners.insert(addr, sender);
        let inbound = Some(tokio::sync::Mutex::new(receiver));
        Gate::in_memory(MemoryGate { net: Arc::clone(&self.net), addr, inbound })
    }

    /// A gate that only dials, from `addr`: a node that nobody can reach.
    pub fn outbound_gate(&self, addr: SocketAddr) -> Gate {
        Gate::in_memory(MemoryGate { net: Arc::clone(&self.net), addr, inbound: None })
    }

    /// One-way latency of connections dialled from now on; each draws its own from the range.
    pub fn set_latency(&self, latency: RangeInclusive<Duration>) {
        lock(&self.net).latency = latency;
    }

    /// Cuts the link between two hosts: what is connected is reset, what dials gets no answer.
    pub fn cut(&self, a: IpAddr, b: IpAddr) {
        let mut net = lock(&self.net);
        net.cut.insert(link(a, b));
        net.connections.retain(|(from, to, pipes)| {
            if link(*from, *to) != link(a, b) {
                return true;
            }
            pipes.iter().filter_map(Weak::upgrade).for_each(|pipe| lock(&pipe).reset());
            false
        });
    }

    /// Joins a link that was cut.
    pub fn join(&self, a: IpAddr, b: IpAddr) {
        lock(&self.net).cut.remove(&link(a, b));
    }

    /// Connections of which at least one end is alive.
    pub fn connections(&self) -> usize {
        let mut net = lock(&self.net);
        net.forget_the_dead();
        net.connections.len()
    }
}

fn link(a: IpAddr, b: IpAddr) -> (IpAddr, IpAddr) {
    if a < b { (a, b) } else { (b, a) }
}

/// A panic elsewhere leaves these maps whole: every change is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Net {
    /// SplitMix64: enough chance for a latency.
    fn draw(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn draw_latency(&mut self) -> Duration {
        let (least, most) = (*self.latency.start(), *self.latency.end());
        let spread = u64::try_from(most.saturating_sub(least).as_nanos()).unwrap_or(u64::MAX);
        let extra = if spread == 0 { 0 } else { self.draw() % spread };
        least + Duration::from_nanos(extra)
    }

    fn forget_the_dead(&mut self) {
        self.connections.retain(|(_, _, pipes)| pipes.iter().any(|pipe| pipe.strong_count() > 0));
    }

    /// The dialling end, once the other waits to be accepted.
    fn connect(&mut self, from: IpAddr, to: SocketAddr, latency: Duration) -> io::Result<MemoryStream> {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        self.next_port = self.next_port.wrapping_add(1) % 16_384;
        let seen_as = SocketAddr::new(from, 49_152 + self.next_port);
        let (out, back) = (Arc::new(Mutex::new(Pipe::default())), Arc::new(Mutex::new(Pipe::default())));
        let there = MemoryStream::new(Arc::clone(&back), Arc::clone(&out), latency);
        let here = MemoryStream::new(Arc::clone(&out), Arc::clone(&back), latency);
        let listener = self.listeners.get(&to).ok_or_else(refused)?;
        listener.try_send((there, seen_as)).map_err(|_| refused())?;
        self.forget_the_dead();
        self.connections.push((from, to.ip(), [Arc::downgrade(&out), Arc::downgrade(&back)]));
        Ok(here)
    }
}

impl MemoryGate {
    pub(crate) fn listening(&self) -> Option<SocketAddr> {
        self.inbound.as_ref().map(|_| self.addr)
    }

    /// Waits for ever where a link is cut: the caller has the time limit.
    pub(crate) async fn dial(&self, addr: &PeerAddr) -> Result<Box<dyn Stream>, GateError> {
        let PeerAddr::Ip(to) = addr else { return Err(GateError::NoRoute(addr.clone())) };
        let latency = lock(&self.net).draw_latency();
        if !latency.is_zero() {
            tokio::time::sleep(latency * 2).await;
        }
        let connected = {
            let mut net = lock(&self.net);
            if net.cut.contains(&link(self.addr.ip(), to.ip())) {
                None
            } else {
                Some(net.connect(self.addr.ip(), *to, latency))
            }
        };
        match connected {
            None => std::future::pending().await,
            Some(stream) => Ok(Box::new(stream?)),
        }
    }

    pub(crate) async fn accept(&self) -> Result<(Box<dyn Stream>, PeerAddr), GateError> {
        let Some(inbound) = &self.inbound else { return std::future::pending().await };
        match inbound.lock().await.recv().await {
            Some((stream, from)) => Ok((Box::new(stream), PeerAddr::Ip(from))),
            None => Err(GateError::Io(io::Error::new(io::ErrorKind::AddrInUse, "another gate took this address"))),
        }
    }
}

/// One direction of a connection.
#[derive(Default)]
struct Pipe {
    queue: VecDeque<(Instant, Vec<u8>)>,
    /// Bytes of the first piece that were read already.
    taken: usize,
    bytes: usize,
    /// FIN was sent, and arrives then.
    finished: Option<Instant>,
    /// The reading end was dropped.
    deaf: bool,
    /// The link was cut.
    cut: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    fn wake_reader(&mut self) {
        self.reader.take().into_iter().for_each(Waker::wake);
    }
    fn wake_writer(&mut self) {
        self.writer.take().into_iter().for_each(Waker::wake);
    }
    fn reset(&mut self) {
        self.cut = true;
        self.wake_reader();
        self.wake_writer();
    }
    fn finish(&mut self, arrives: Instant) {
        self.finished.get_or_insert(arrives);
        self.wake_reader();
    }
    /// When the next thing to read, the end included, is here.
    fn due(&self) -> Option<Instant> {
        self.queue.front().map(|(at, _)| *at).or(self.finished)
    }
}

/// One end of a connection.
struct MemoryStream {
    out: Arc<Mutex<Pipe>>,
    back: Arc<Mutex<Pipe>>,
    latency: Duration,
    travelling: Option<Pin<Box<Sleep>>>,
}

impl MemoryStream {
    fn new(out: Arc<Mutex<Pipe>>, back: Arc<Mutex<Pipe>>, latency: Duration) -> Self {
        Self { out, back, latency, travelling: None }
    }
}

impl AsyncRead for MemoryStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let mut pipe = lock(&this.back);
        if pipe.cut {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let Some(due) = pipe.due() else {
            pipe.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        if !this.latency.is_zero() && due > Instant::now() {
            pipe.reader = Some(cx.waker().clone());
            let sleep = this.travelling.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            if sleep.deadline() != due {
                sleep.as_mut().reset(due);
            }
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        let taken = pipe.taken;
        if let Some((_, piece)) = pipe.queue.front() {
            let n = buf.remaining().min(piece.len() - taken);
            buf.put_slice(&piece[taken..taken + n]);
            let emptied = taken + n == piece.len();
            pipe.bytes -= n;
            pipe.taken = if emptied { 0 } else { taken + n };
            if emptied {
                pipe.queue.pop_front();
            }
            pipe.wake_writer();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for MemoryStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let mut pipe = lock(&self.out);
        if pipe.cut || pipe.deaf {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if pipe.finished.is_some() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let n = data.len().min(WINDOW - pipe.bytes);
        if n == 0 && !data.is_empty() {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if n > 0 {
            pipe.bytes += n;
            pipe.queue.push_back((Instant::now() + self.latency, data[..n].to_vec()));
            pipe.wake_reader();
        }
        Poll::Ready(Ok(n))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.out).finish(Instant::now() + self.latency);
        Poll::Ready(Ok(()))
    }
}

impl Drop for MemoryStream {
    fn drop(&mut self) {
        lock(&self.out).finish(Instant::now() + self.latency);
        let mut back = lock(&self.back);
        back.deaf = true;
        back.wake_writer();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const LIMIT: Duration = Duration::from_secs(30);

    fn addr(host: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, host], 6881))
    }

    async fn pair(net: &MemoryNet) -> (Box<dyn Stream>, Box<dyn Stream>) {
        let (a, b) = (net.gate(addr(1)), net.gate(addr(2)));
        let to = PeerAddr::Ip(addr(2));
        let (dialled, accepted) = tokio::join!(a.dial(&to, b"", LIMIT), b.accept());
        let crate::gate::Came { stream: there, from, .. } = accepted.unwrap();
        assert!(matches!(from, PeerAddr::Ip(from) if from.ip() == addr(1).ip() && from.port() != 6881));
        (dialled.unwrap(), there)
    }

    #[tokio::test]
    async fn bytes_and_the_end_arrive_in_order() {
        let net = MemoryNet::new(1);
        let (mut here, mut there) = pair(&net).await;
        let sent: Vec<u8> = (0..3_000_000u32).map(|i| i as u8).collect();
        let mut got = Vec::new();
        let (written, read) = tokio::join!(
            async {
                here.write_all(&sent).await?;
                here.shutdown().await
            },
            there.read_to_end(&mut got)
        );
        written.unwrap();
        read.unwrap();
        assert!(got == sent);
        there.write_all(b"back").await.unwrap();
        let mut back = [0; 4];
        here.read_exact(&mut back).await.unwrap();
        assert_eq!(net.connections(), 1);
        drop((here, there));
        assert_eq!(net.connections(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn latency_is_spent_once_for_bytes_under_way_together() {
        let net = MemoryNet::new(2);
        let way = Duration::from_millis(80);
        net.set_latency(way..=way);
        let begin = Instant::now();
        let (mut here, mut there) = pair(&net).await;
        assert_eq!(begin.elapsed(), way * 2);
        let begin = Instant::now();
        for _ in 0..10 {
            here.write_all(b"x").await.unwrap();
        }
        let mut got = [0; 10];
        there.read_exact(&mut got).await.unwrap();
        assert!(begin.elapsed() >= way && begin.elapsed() < way * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cut_link_resets_and_then_gives_no_answer() {
        let net = MemoryNet::new(3);
        let (mut here, mut there) = pair(&net).await;
        let (a, b) = (addr(1).ip(), addr(2).ip());
        net.cut(b, a);
        assert_eq!(here.write_all(b"x").await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(there.read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        let (from, _to) = (net.gate(addr(1)), net.gate(addr(2)));
        let dialled = from.dial(&PeerAddr::Ip(addr(2)), b"", LIMIT).await;
        assert!(matches!(dialled, Err(GateError::TimedOut)));
        net.join(a, b);
        from.dial(&PeerAddr::Ip(addr(2)), b"", LIMIT).await.unwrap();
    }

    #[tokio::test]
    async fn nobody_home_and_nobody_reachable() {
        let net = MemoryNet::new(4);
        let shy = net.outbound_gate(addr(9));
        assert_eq!(shy.listening(), None);
        for host in [8, 9] {
            let refused = shy.dial(&PeerAddr::Ip(addr(host)), b"", LIMIT).await;
            assert!(matches!(refused, Err(GateError::Io(error)) if error.kind() == io::ErrorKind::ConnectionRefused));
        }
        let named = PeerAddr::Name("example".into(), 1);
        assert!(matches!(shy.dial(&named, b"", LIMIT).await, Err(GateError::NoRoute(_))));
    }

    #[test]
    fn the_seed_decides_the_latency() {
        let draws = |seed| {
            let net = MemoryNet::new(seed);
            net.set_latency(Duration::from_millis(10)..=Duration::from_millis(90));
            (0..8).map(|_| lock(&net.net).draw_latency()).collect::<Vec<_>>()
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
        assert!(draws(7).iter().all(|l| (10..=90).contains(&l.as_millis())));
    }
}
