//! What an event costs as records and history grow.

use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;

use super::Scale;
use super::daemon::{self, Daemon};
use super::load;
use super::table;

/// Records a request while the store is filled.
const TOGETHER: u64 = 200;

/// Processor time an event with few records and no past; then with many of both. Delivery ids are random and remembered for three days.
pub fn run(scale: Scale) {
    let (few, many, past) = if scale.short { (1_000, 20_000, 100_000) } else { (1_000, 1_000_000, 10_000_000) };
    table::head(&[
        "records",
        "events in history",
        "ready",
        "resident MiB",
        "store MiB",
        "accepted /s",
        "CPU ms/event",
        "of that at first",
    ]);
    let mut first = None;
    for (records, past) in [(few, 0), (many, past)] {
        let mut ours = filled(records);
        if past > 0 {
            let dir = ours.end();
            lengthen(&dir.path().join("data/ifthen.db"), past);
            ours = Daemon::at(dir);
        }
        let cpu = daemon::cpu(ours.pid());
        // Records of before, any of them: what is kept of them is not at hand.
        let any = |n| daemon::body(load::scatter(n) % records / 2 * 2);
        let full = load::put(ours.address, "/in/crm", 64, scale.time, None, any);
        assert_eq!(full.refused, 0, "refused");
        let used = (daemon::cpu(ours.pid()) - cpu).as_secs_f64() * 1e3 / full.count() as f64;
        let first = *first.get_or_insert(used);
        let mib = |bytes: u64| format!("{:.0}", bytes as f64 / 1024.0 / 1024.0);
        table::row(&[
            table::count(records as f64),
            table::count(past as f64),
            format!("{:.2?}", ours.ready),
            mib(daemon::resident(ours.pid())),
            mib(ours.stored()),
            table::count(full.rate),
            format!("{used:.3}"),
            format!("{:.2}", used / first),
        ]);
    }
}

/// A daemon with so many records.
fn filled(records: u64) -> Daemon {
    let ours = Daemon::start(daemon::CONFIG, &daemon::rules(1_000));
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut client = load::Client::connect(ours.address);
                loop {
                    let n = next.fetch_add(TOGETHER, Ordering::Relaxed);
                    if n >= records {
                        return;
                    }
                    let all: Vec<String> = (n..records.min(n + TOGETHER)).map(|n| daemon::body(n * 2)).collect();
                    assert_eq!(client.post("/in/crm", n, &format!("[{}]", all.join(","))), 202);
                }
            });
        }
    });
    ours
}

/// Writes a past before what has happened: so many events, of other deliveries.
fn lengthen(store: &std::path::Path, past: u64) {
    let conn = Connection::open(store).unwrap();
    conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF").unwrap();
    let (last, received): (i64, i64) =
        conn.query_row("SELECT seq, received FROM event ORDER BY seq DESC LIMIT 1", [], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
    let text: String =
        conn.query_row("SELECT event FROM event WHERE source IS NOT NULL ORDER BY seq DESC LIMIT 1", [], |r| r.get(0)).unwrap();
    let mut insert = conn.prepare("INSERT INTO event VALUES (?1, ?2, 'crm', ?3, 1, ?4)").unwrap();
    conn.execute_batch("BEGIN").unwrap();
    for n in 1..=i64::try_from(past).unwrap() - last {
        let delivery = format!("{:016x}", load::scatter(u64::MAX - n.unsigned_abs()));
        insert.execute(rusqlite::params![last + n, received, delivery, text]).unwrap();
    }
    conn.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
}
