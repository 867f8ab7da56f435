//! For long: what the daemon holds (memory, open files, queues, the write-ahead log) after ten minutes is what it held after five.
//!
//! `IFTHEN_SOAK=10m` says for how long; from five minutes on it is judged. Without it, it is seen for a moment to bring everything
//! to its end under load, and nothing is said about time or size but what has a limit.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::clients::{Shared, manager, senders};
use super::harness::{Daemon, assert_intact};
use super::ledger::{balance, drain};
use super::random::Random;
use super::sink::Sink;
use super::world::folder;

const SENDERS: usize = 4;
/// Of `limits: outbox` in the folder: beyond, senders are refused. What is decided beside them may still order calls.
const OUTBOX: u64 = 300;
/// Of `limits: queue`.
const QUEUE: u64 = 1_024;
/// The log may be as long as this between two checkpoints.
const WAL: u64 = 64 << 20;
/// Shorter is too short to judge.
const JUDGED: Duration = Duration::from_secs(300);

/// What it holds at a moment.
#[derive(Debug, Clone, Copy)]
#[expect(dead_code, reason = "how large the store is is told, by Debug, and not judged: it is meant to grow")]
struct Sample {
    /// Resident, in KiB.
    memory: u64,
    files: u64,
    threads: u64,
    calls: u64,
    queued: u64,
    wal: u64,
    store: u64,
}

impl Sample {
    fn take(daemon: &Daemon) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
        let of = |name: &str| -> u64 {
            let line = status.lines().find_map(|l| l.strip_prefix(name)).unwrap();
            line.trim_matches([':', '\t', ' ']).split(' ').next().unwrap().parse().unwrap()
        };
        let (code, figures) = daemon.get("/metrics");
        assert_eq!(code, 200, "{figures}");
        let figure = |name: &str| -> u64 {
            let line = figures.lines().find_map(|l| l.strip_prefix(name)).unwrap();
            line.trim().parse::<f64>().unwrap() as u64
        };
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |m| m.len());
        Self {
            memory: of("VmRSS"),
            files: std::fs::read_dir(format!("/proc/{}/fd", daemon.id())).unwrap().count() as u64,
            threads: of("Threads"),
            calls: figure("ifthen_calls_waiting "),
            queued: QUEUE - figure("ifthen_queue_room "),
            wal: size(&daemon.store.with_extension("db-wal")),
            store: size(&daemon.store),
        }
    }
}

fn asked() -> Option<Duration> {
    let text = std::env::var("IFTHEN_SOAK").ok()?;
    let (number, unit) = text.split_at(text.len() - 1);
    let seconds = number.parse::<u64>().unwrap() * if unit == "m" { 60 } else { 1 };
    Some(Duration::from_secs(seconds))
}

#[test]
fn what_it_holds_does_not_grow_with_time() {
    let length = asked();
    let mut random = Random::told("soak");
    let sink = Sink::start(random.split());
    // What is remembered for days would grow for days: here it is remembered for as long as can be watched.
    let folder = folder(&sink, "");
    let config = std::fs::read_to_string(folder.path("config.yaml")).unwrap();
    std::fs::write(folder.path("config.yaml"), config.replace("outbox: 300", "outbox: 300, dedupe: 30s")).unwrap();
    let daemon = folder.start();
    let shared = Arc::new(Shared::default());
    *shared.place.lock().unwrap() = Some(daemon.address);
    shared.rest.store(5, Ordering::Relaxed);
    shared.last.store(3, Ordering::Relaxed); // no older than what is remembered
    let senders = senders(&shared, SENDERS, &mut random);
    let manager = manager(&shared, folder.path("data/control"));
    let (begun, mut samples) = (Instant::now(), Vec::new());
    let (every, length) = length.map_or((Duration::from_secs(1), Duration::from_secs(8)), |l| (Duration::from_secs(10), l));
    while begun.elapsed() < length {
        std::thread::sleep(every);
        let sample = Sample::take(&daemon);
        eprintln!("{:>4} s {sample:?}, {} acknowledged", begun.elapsed().as_secs(), shared.acknowledged.lock().unwrap().len());
        assert!(sample.calls <= OUTBOX + 512 && sample.queued <= QUEUE && sample.wal <= WAL + (4 << 20), "{sample:?}");
        samples.push(sample);
    }
    shared.finish.store(true, Ordering::SeqCst);
    sink.heal();
    for sender in senders {
        sender.join().unwrap();
    }
    let acknowledged = shared.acknowledged.lock().unwrap().clone();
    let tickets: BTreeSet<&String> = acknowledged.values().map(|(ticket, _)| ticket).collect();
    drain(&folder, &daemon, &tickets);
    shared.end.store(true, Ordering::SeqCst);
    manager.join().unwrap();
    eprintln!("{:?}", balance(&daemon.reader(), &acknowledged, &sink));
    let store = daemon.store.clone();
    assert_eq!(daemon.stop(), 0);
    assert_intact(&store);
    if length >= JUDGED {
        judge(&samples);
    }
}

/// The second half against the first, once it has warmed up.
fn judge(samples: &[Sample]) {
    let warm = &samples[samples.len() / 10..];
    let (first, second) = warm.split_at(warm.len() / 2);
    let mean = |half: &[Sample], of: fn(&Sample) -> u64| half.iter().map(of).sum::<u64>() / half.len() as u64;
    for (what, of, more) in [
        ("memory, KiB", (|s| s.memory) as fn(&Sample) -> u64, 8 << 10),
        ("open files", |s| s.files, 4),
        ("threads", |s| s.threads, 4),
        ("calls", |s| s.calls, 100),
        ("queue", |s| s.queued, 50),
        ("log, bytes", |s| s.wal, 4 << 20),
    ] {
        let (first, second) = (mean(first, of), mean(second, of));
        eprintln!("{what}: {first}, then {second}");
        assert!(second <= first + first / 20 + more, "{what} grows: {first}, then {second}");
    }
}
