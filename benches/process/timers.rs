//! Timers: what a million of them take while they wait, and how fast they go once they are overdue.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use rusqlite::Connection;

use super::Scale;
use super::daemon::{self, Daemon};
use super::load;
use super::table;

const RULES: &str = "entities:\n  lead:\n    key: id\n    fields: { id: text, name: text, score: number, seen: time }\nrules:\n  held: { when: { record: lead, while: score >= 0, for: 1h, since: seen }, then: [{ log: '{{ name }}' }] }\n";
const CONFIG: &str = "sources:\n  crm:\n    webhook: { rate: 1000000 }\n    event: lead.scored\n    delivery: { header: X-Delivery-Id }\n    record: { entity: lead, fields: { id: id, name: 姓名, score: 分数, seen: 见 } }\n";
/// Records a request.
const TOGETHER: usize = 200;

/// A store in which so many wait, due at this instant.
fn waiting(count: usize, due: SystemTime) -> Daemon {
    let ours = Daemon::start(CONFIG, &[RULES.to_owned()]);
    let seen = (due - Duration::from_secs(3_600)).duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut client = load::Client::connect(ours.address);
                loop {
                    let n = next.fetch_add(TOGETHER, std::sync::atomic::Ordering::Relaxed);
                    if n >= count {
                        return;
                    }
                    let one = |n| format!(r#"{{"id":"T{n}","姓名":"王小明","分数":1,"见":{seen}}}"#);
                    let all: Vec<String> = (n..count.min(n + TOGETHER)).map(one).collect();
                    assert_eq!(client.post("/in/crm", n as u64, &format!("[{}]", all.join(","))), 202);
                }
            });
        }
    });
    ours
}

/// Memory and readiness with all of them waiting; then the rate at which a part of them, overdue, is worked off.
pub fn run(scale: Scale) {
    let count = if scale.short { 10_000 } else { 1_000_000 };
    let ours = waiting(count, SystemTime::now() + Duration::from_secs(24 * 3_600)).again();
    let mib = daemon::resident(ours.pid()) as f64 / 1024.0 / 1024.0;
    table::head(&["waiting", "resident MiB", "start to ready"]);
    table::row(&[table::count(count as f64), format!("{mib:.0}"), format!("{:.2?}", ours.ready)]);
    drop(ours);

    let count = count / 5;
    let due = SystemTime::now() + Duration::from_secs(if scale.short { 4 } else { 45 });
    let before = waiting(count, due).end();
    std::thread::sleep(due.duration_since(SystemTime::now()).unwrap_or_default());
    let bare = tempfile::tempdir().unwrap();
    for file in ["ifthen.db", "ifthen.db-wal"] {
        drop(std::fs::copy(before.path().join("data").join(file), bare.path().join(file))); // no log beside it: all is in the file
    }
    let ours = Daemon::at(before);
    let (begun, cpu) = (Instant::now(), daemon::cpu(ours.pid()));
    while (ours.metric("ifthen_log_lines_total{action=\"log\"") as usize) < count {
        assert!(begun.elapsed() < Duration::from_secs(600), "they are not worked off");
        std::thread::sleep(Duration::from_millis(50));
    }
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    let used = (daemon::cpu(ours.pid()) - cpu).as_secs_f64() * 1e3 / count as f64;
    let each = count as f64 / ours.metric("ifthen_turns_total");
    let after = ours.end();
    let plain = count as f64 / written(&after.path().join("data/ifthen.db"), &bare.path().join("ifthen.db"), count, each);
    println!();
    table::head(&["overdue", "worked off /s", "bare SQLite /s", "ratio", "CPU ms/timer", "timers a commit"]);
    table::row(&[
        table::count(count as f64),
        table::count(rate),
        table::count(plain),
        format!("{:.2}", rate / plain),
        format!("{used:.3}"),
        format!("{each:.0}"),
    ]);
}

/// Seconds in which a bare writer makes the same changes of rows, as many a commit, to a copy of the store of before.
fn written(after: &Path, before: &Path, timers: usize, each: f64) -> f64 {
    let conn = Connection::open(before).unwrap();
    conn.pragma_update(None, "journal_mode", "WAL").unwrap();
    conn.pragma_update(None, "synchronous", "FULL").unwrap();
    conn.execute("ATTACH ?1 AS after", [after.to_str().unwrap()]).unwrap();
    // In memory first: what is measured is writing.
    conn.execute_batch(
        "PRAGMA temp_store = MEMORY;
         CREATE TEMP TABLE e AS SELECT * FROM after.event WHERE seq > (SELECT max(seq) FROM main.event);
         CREATE TEMP TABLE c AS SELECT * FROM after.change WHERE id > (SELECT max(id) FROM main.change);
         CREATE TEMP TABLE l AS SELECT * FROM after.log WHERE seq > (SELECT max(seq) FROM main.log);",
    )
    .unwrap();
    let rows = |table: &str| -> i64 { conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |r| r.get(0)).unwrap() };
    let commits = (timers as f64 / each).ceil() as i64;
    let part = |table: &str| rows(table) / commits + 1;
    let parts = [part("temp.e"), part("temp.c"), part("temp.l")];
    let mut writes: Vec<_> = [
        "INSERT INTO main.event SELECT * FROM temp.e WHERE rowid > ?1 AND rowid <= ?2",
        "INSERT INTO main.change SELECT * FROM temp.c WHERE rowid > ?1 AND rowid <= ?2",
        "INSERT INTO main.log SELECT * FROM temp.l WHERE rowid > ?1 AND rowid <= ?2",
    ]
    .map(|sql| conn.prepare(sql).unwrap())
    .into();
    let mut put = conn
        .prepare("INSERT INTO main.state (key, change, gone) SELECT key, id, entry IS NULL FROM temp.c WHERE rowid > ?1 AND rowid <= ?2 ON CONFLICT DO UPDATE SET change = excluded.change, gone = excluded.gone")
        .unwrap();
    let mut gone = conn
        .prepare("DELETE FROM main.state WHERE partition = 0 AND key IN (SELECT key FROM temp.c WHERE rowid > ?1 AND rowid <= ?2 AND entry IS NULL AND key LIKE 'timer/%')")
        .unwrap();
    let begun = Instant::now();
    for n in 0..commits {
        conn.execute_batch("BEGIN IMMEDIATE").unwrap();
        for (write, part) in writes.iter_mut().zip(parts) {
            write.execute([n * part, (n + 1) * part]).unwrap();
        }
        put.execute([n * parts[1], (n + 1) * parts[1]]).unwrap();
        gone.execute([n * parts[1], (n + 1) * parts[1]]).unwrap();
        conn.execute_batch("COMMIT").unwrap();
    }
    begun.elapsed().as_secs_f64()
}
