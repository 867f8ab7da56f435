//! A generator of load: connections kept open, each sends its next request when the former is answered. As bare as can be, since it
//! shares the machine with what it measures.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What a load came to.
pub struct Figures {
    /// Answers per second.
    pub rate: f64,
    /// Of an answer, sorted.
    took: Vec<Duration>,
    /// Answers that were no 2xx.
    pub refused: usize,
}

impl Figures {
    /// The time that this share of the answers took at most.
    pub fn within(&self, share: f64) -> Duration {
        let last = self.took.len().saturating_sub(1);
        self.took.get((last as f64 * share) as usize).copied().unwrap_or_default()
    }

    /// Answers in all.
    pub fn count(&self) -> usize {
        self.took.len()
    }
}

/// Puts load on an address: `connections` at a time for `time`, at most `pace` requests a second in all where it is given. `body` makes the
/// body of the n-th request of all.
pub fn put(
    address: SocketAddr,
    path: &str,
    connections: usize,
    time: Duration,
    pace: Option<f64>,
    body: impl Fn(u64) -> String + Sync,
) -> Figures {
    let begun = Instant::now();
    let next = std::sync::atomic::AtomicU64::new(fresh());
    let first = next.load(std::sync::atomic::Ordering::Relaxed);
    let one = || {
        let mut client = Client::connect(address);
        let (mut took, mut refused) = (Vec::new(), 0);
        while begun.elapsed() < time {
            let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let mut due = Instant::now();
            if let Some(pace) = pace {
                let at = begun + Duration::from_secs_f64((number - first) as f64 / pace);
                std::thread::sleep(at.saturating_duration_since(due));
                due = due.max(at); // what waited behind a slow answer is not counted as the server's
            }
            refused += usize::from(!(200..300).contains(&client.post(path, number, &body(number))));
            took.push(due.elapsed());
        }
        (took, refused)
    };
    let (mut took, mut refused) = (Vec::new(), 0);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .map(|_| std::thread::Builder::new().stack_size(128 * 1024).spawn_scoped(scope, one).unwrap())
            .collect();
        for thread in threads {
            let (t, r) = thread.join().unwrap();
            took.extend(t);
            refused += r;
        }
    });
    let rate = took.len() as f64 / begun.elapsed().as_secs_f64();
    took.sort_unstable();
    Figures { rate, took, refused }
}

/// A number from which this load counts, so that no load repeats another's deliveries.
fn fresh() -> u64 {
    static LOADS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    LOADS.fetch_add(1, std::sync::atomic::Ordering::Relaxed) << 40
}

/// A number that looks random, a different one for each.
pub fn scatter(n: u64) -> u64 {
    let n = (n ^ (n >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// A connection that is kept open.
pub struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Client {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, request: Vec::new(), answer: vec![0; 64 * 1024] }
    }

    /// Posts JSON under a delivery id made from `number`; the status of the answer.
    pub fn post(&mut self, path: &str, number: u64, body: &str) -> u16 {
        self.request.clear();
        write!(
            self.request,
            "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\nx-delivery-id: {:016x}\r\ncontent-length: {}\r\n\r\n{body}",
            scatter(number),
            body.len()
        )
        .unwrap();
        self.stream.write_all(&self.request).unwrap();
        read(&mut self.stream, &mut self.answer)
    }
}

/// Reads one answer to its end; its status.
fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> u16 {
    let mut have = 0;
    loop {
        let got = stream.read(&mut buffer[have..]).unwrap();
        assert!(got > 0, "the server hung up");
        have += got;
        let Some(head) = buffer[..have].windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head]).unwrap();
        let length =
            text.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length:").map(|v| v.trim().parse().unwrap()));
        let whole = head + 4 + length.unwrap_or(0);
        let status = text[9..12].parse().unwrap();
        while have < whole {
            let got = stream.read(&mut buffer[have..]).unwrap();
            assert!(got > 0, "the server hung up");
            have += got;
        }
        return status;
    }
}
