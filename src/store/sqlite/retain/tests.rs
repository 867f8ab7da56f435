//! What is let go, in which order, what stays whatever its age, and that the file becomes smaller.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::SignedDuration;
use proptest::prelude::*;
use rusqlite::Connection;

use super::super::super::memory::Memory;
use super::super::super::suite::{Seed, batch, event, gone, grown, line, named, put, record, time};
use super::super::super::{Batch, Filter, Last, Read as _, Store as _};
use super::super::lock::beside;
use super::super::{Options, Reader, Sqlite};
use super::*;
use crate::engine::log::Line;
use crate::engine::quarantine::Held;
use crate::engine::state::{Change, Entry};

/// Seconds: `event` is received at the second of its number.
fn policy(payloads: i64, changes: i64, events: i64, log: i64) -> Retention {
    let keep = |age| Keep { age: SignedDuration::from_secs(age), bytes: None };
    Retention { payloads: keep(payloads), changes: keep(changes), events: keep(events), log: keep(log), size: u64::MAX }
}

fn open(path: &Path) -> Sqlite {
    let store = Sqlite::open(path, Options { dedupe: SignedDuration::from_secs(8) }).unwrap();
    store.reader.conn.pragma_update(None, "synchronous", "OFF").unwrap(); // durability is tested elsewhere
    store
}

/// Until there is no more to do, a few rows at a time.
fn retain(store: &mut Sqlite, policy: &Retention, now: i64, rows: i64) {
    let horizon = store.deliveries.horizon();
    for _ in 0..100_000 {
        let more = slice(&store.reader.conn, policy, (time(now), horizon), rows, &mut store.swept).unwrap();
        store.maintain().unwrap();
        if !more {
            return;
        }
    }
    panic!("it does not end");
}

fn whole(conn: &Connection) {
    let fault: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(fault, "ok");
}

/// That what is said to be taken is what is taken.
fn counted(store: &Sqlite) {
    let conn = &store.reader.conn;
    let sum = |sql: &str| conn.query_row::<i64, _, _>(sql, [], |row| row.get(0)).unwrap();
    let at = |kind| kind_of(conn, kind).unwrap();
    let event = |than: &str| {
        let upto = at("payload").gone;
        sum(&format!("SELECT coalesce(sum(octet_length(event) + {ROW}), 0) FROM event WHERE seq {than} {upto}"))
    };
    assert_eq!((at("payload").bytes, at("event").bytes), (event(">"), event("<=")));
    assert_eq!(at("change").bytes, sum(&format!("SELECT coalesce(sum({CHANGE_SIZE} + {ROW}), 0) FROM change")));
    assert_eq!(at("log").bytes, sum(&format!("SELECT coalesce(sum({LINE_SIZE} + {ROW}), 0) FROM log")));
}

fn lines(store: &Sqlite) -> Vec<u64> {
    store.log(&Filter::default(), 0, 9_999).unwrap().into_iter().map(|l: Line| l.seq).collect()
}

#[test]
fn payloads_go_first_then_changes_and_events_and_the_log_last() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder.path().join("a.db"));
    for seq in 1..=100 {
        let key = record(&format!("L{}", seq % 10));
        store.commit(&batch(vec![event(seq, None)], vec![put(seq, &key, &seq.to_string())], vec![line(seq, seq)])).unwrap();
    }
    store.commit(&batch(vec![event(101, None)], vec![put(101, &record("老"), "old")], vec![])).unwrap();
    retain(&mut store, &policy(20, 40, 60, 80), 100, 7);
    let payload = |seq| store.event(seq).unwrap().map(|s| s.event.body != Body::Forgotten);
    assert_eq!((payload(39), payload(40), payload(79), payload(80)), (None, Some(false), Some(false), Some(true)));
    let blank = store.event(50).unwrap().unwrap();
    assert_eq!(
        (blank.event.name.as_str(), blank.event.record, blank.definitions.as_str()),
        ("lead.posted", event(50, None).record, "d1")
    );
    assert_eq!(lines(&store).first(), Some(&21));
    // As of the horizon and after it everything is known; before it, only that it is unknown.
    for (seq, known) in [(59, Some("51")), (60, Some("51")), (61, Some("61")), (100, Some("91"))] {
        assert_eq!(store.as_of(&record("L1"), seq).unwrap(), known.map(named), "{seq}");
    }
    assert!(matches!(store.as_of(&record("L1"), 50), Err(Error::Forgotten(59))));
    assert_eq!(store.as_of(&record("never"), 1).unwrap(), None);
    assert_eq!(store.load(&record("L1")).unwrap(), Some(named("91")));
    counted(&store);
    whole(&store.reader.conn);
}

#[test]
fn what_waits_and_the_last_of_each_stay_whatever_their_age() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let mut store = open(&path);
    let item =
        Entry::Quarantine(Held { source: "crm".into(), batch: None, reason: "手机".into(), field: None, received: time(2) });
    let waits = |key, entry| Change { key, entry: Some(std::sync::Arc::new(entry)) };
    let changes = vec![
        (2, waits(Key::Quarantine(2), item)),
        (3, waits(Key::Parked(3), Entry::Parked("loop".into()))),
        (4, put(4, &record("甲"), "一").1),
        (4, put(4, &record("甲"), "二").1),
        (5, gone(5, &record("乙")).1),
    ];
    let events = (1..=9).map(|seq| event(seq, Some(&format!("d{seq}")))).collect();
    store.commit(&batch(events, changes, (1..=9).map(|seq| line(seq, seq)).collect())).unwrap();
    let none = policy(0, 0, 0, 0);
    retain(&mut store, &none, 1_000_000, 3);
    let left = |store: &Sqlite| store.events(0, 99).unwrap().into_iter().map(|s| s.event.seq).collect::<Vec<_>>();
    assert_eq!(left(&store), [2, 3, 9]);
    assert!([2, 3].iter().all(|seq| store.event(*seq).unwrap().unwrap().event == event(*seq, Some(&format!("d{seq}")))));
    assert_eq!((store.last().unwrap(), lines(&store)), (Last { event: 9, log: 9 }, vec![9]));
    assert_eq!(store.load(&record("甲")).unwrap(), Some(named("二")));
    counted(&store);
    drop(store);
    let mut store = open(&path);
    assert_eq!((store.last().unwrap(), store.delivery("crm", "d9").unwrap()), (Last { event: 9, log: 9 }, Some(9)));
    // What no longer waits goes after the next start.
    let settled = [Key::Quarantine(2), Key::Parked(3)].map(|key| gone(10, &key)).to_vec();
    store.commit(&batch(vec![event(10, None)], settled, vec![line(10, 10)])).unwrap();
    drop(store);
    let mut store = open(&path);
    retain(&mut store, &none, 1_000_000, 3);
    assert_eq!((left(&store), lines(&store)), (vec![10], vec![10]));
    assert!(store.as_of(&Key::Quarantine(2), 1).unwrap().is_none(), "it was not made yet");
    store.commit(&batch(vec![event(11, None)], vec![put(11, &record("甲"), "三")], vec![line(11, 11)])).unwrap();
    whole(&store.reader.conn);
}

#[test]
fn a_delivery_within_the_horizon_is_known_whatever_else_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let mut store = open(&path);
    for seq in 1..=100 {
        let put = put(seq, &record("L"), "x");
        store.commit(&batch(vec![event(seq, Some(&format!("d{seq}")))], vec![put], vec![line(seq, seq)])).unwrap();
    }
    retain(&mut store, &policy(0, 0, 0, 0), 100, 50);
    for _ in 0..2 {
        let known: Vec<u64> = (1..=100).filter_map(|seq| store.delivery("crm", &format!("d{seq}")).unwrap()).collect();
        assert!(known.ends_with(&(92..=100).collect::<Vec<_>>()) && known.len() < 15, "{known:?}");
        drop(store);
        store = open(&path);
    }
}

#[test]
fn too_much_of_a_kind_goes_and_so_does_too_much_of_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let mut store = open(&path);
    for seq in 1..=2_000 {
        let text = "满".repeat(300);
        let batch = batch(vec![event(seq, None)], vec![put(seq, &record("L"), &text)], vec![line(seq, seq)]);
        store.commit(&batch).unwrap();
    }
    let forever = policy(1 << 40, 1 << 40, 1 << 40, 1 << 40);
    let now = 2_000 + 7_200; // nothing is young any more
    retain(&mut store, &Retention { changes: Keep { bytes: Some(200_000), ..forever.changes }, ..forever }, now, 100);
    let sizes = store.reader.sizes().unwrap();
    assert!((100_000..=200_000).contains(&sizes.changes.bytes), "{sizes:?}");
    assert_eq!((sizes.payloads.gone, sizes.events.gone, sizes.log.gone), (0, 0, 0));
    retain(&mut store, &Retention { payloads: Keep { bytes: Some(100_000), ..forever.payloads }, ..forever }, now, 100);
    let sizes = store.reader.sizes().unwrap();
    assert!((50_000..=100_000).contains(&sizes.payloads.bytes) && sizes.log.gone == 0, "{sizes:?}");
    retain(&mut store, &Retention { size: 300_000, ..forever }, now, 100);
    let sizes = store.reader.sizes().unwrap();
    assert!(sizes.file - sizes.free <= 300_000 && sizes.events.gone > 0, "{sizes:?}");
    counted(&store);
    // What is younger than an hour is looked at by somebody.
    retain(&mut store, &Retention { size: 0, ..forever }, 2_000, 100);
    assert_eq!(store.reader.sizes().unwrap().log.gone, sizes.log.gone);
    retain(&mut store, &Retention { size: 0, ..forever }, now, 100);
    assert_eq!(store.events(0, 9).unwrap().len(), 1);
}

/// What a store takes that holds the same and has never held more.
fn fresh(path: &Path, to: &Path) -> u64 {
    Connection::open(path).unwrap().execute("VACUUM INTO ?1", [to.to_str().unwrap()]).unwrap();
    std::fs::metadata(to).unwrap().len()
}

#[test]
fn the_file_becomes_smaller_again_also_one_of_the_first_format() {
    for old in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        if old {
            let conn = Connection::open(&path).unwrap();
            conn.execute_batch(include_str!("../migrations/0001.sql")).unwrap();
            conn.execute("INSERT INTO meta VALUES ('instance', 'x')", []).unwrap();
            conn.pragma_update(None, "application_id", 0x6966_7468).unwrap();
            conn.pragma_update(None, "user_version", 1).unwrap();
        }
        let mut store = open(&path);
        assert!(is_incremental(&store.reader.conn).unwrap());
        for n in 0..200_u64 {
            let seqs = n * 50 + 1..=n * 50 + 50;
            let text = "内容".repeat(100);
            let changes = seqs.clone().map(|seq| put(seq, &record(&(seq % 300).to_string()), &text)).collect();
            let events = seqs.clone().map(|seq| event(seq, None)).collect();
            store.commit(&batch(events, changes, seqs.map(|seq| line(seq, seq)).collect())).unwrap();
            store.maintain().unwrap();
        }
        let size = |store: Sqlite| {
            drop(store); // the log is taken over when the last one closes the file
            std::fs::metadata(&path).unwrap().len()
        };
        let full = size(store);
        let mut store = open(&path);
        retain(&mut store, &policy(500, 500, 500, 500), 10_000, ROWS);
        whole(&store.reader.conn);
        counted(&store);
        let small = size(store);
        let least = fresh(&path, &folder.path().join("b.db"));
        assert!(full > 8_000_000 && small < full / 5, "{full} → {small}");
        assert!(small <= least + least / 4 + (2 << 20), "{small}, {least} at least");
        assert!(small <= least + u64::try_from(SPARE + 64).unwrap() * 4096, "{small}, {least} at least");
    }
}

#[test]
fn a_kill_in_the_middle_leaves_a_whole_store_that_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let mut store = open(&path);
    let mut memory = Memory::default();
    for seq in 1..=300 {
        let key = record(&(seq % 7).to_string());
        let one = batch(vec![event(seq, Some(&format!("d{seq}")))], vec![put(seq, &key, &seq.to_string())], vec![line(seq, seq)]);
        store.commit(&one).unwrap();
        memory.commit(&one).unwrap();
    }
    let (policy, horizon) = (policy(20, 20, 30, 40), store.deliveries.horizon());
    for n in 0.. {
        let more = slice(&store.reader.conn, &policy, (time(300), horizon), 11, &mut store.swept).unwrap();
        // As kill -9 leaves it: the file, and the log with a commit that was cut off.
        let dead = folder.path().join(format!("{n}.db"));
        std::fs::copy(&path, &dead).unwrap();
        let log = std::fs::read(beside(&path, "-wal")).unwrap();
        std::fs::write(beside(&dead, "-wal"), &log[..log.len() - 100]).unwrap();
        let mut store = open(&dead);
        whole(&store.reader.conn);
        retain(&mut store, &policy, 300, 13);
        counted(&store);
        assert_eq!(store.delivery("crm", "d295").unwrap(), Some(295));
        for seq in 280..=300 {
            assert_eq!(store.as_of(&record("3"), seq).unwrap(), memory.as_of(&record("3"), seq).unwrap(), "{n} {seq}");
        }
        store.commit(&batch(vec![event(301, None)], vec![put(301, &record("3"), "新")], vec![])).unwrap();
        if !more {
            assert!(n > 20);
            return;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]
    /// Beside a store that keeps everything: what is known is the same, and all is known from the horizon on.
    #[test]
    fn nothing_is_guessed(
        seeds in prop::collection::vec(prop::collection::vec((0_u8..3, 0_u8..12, any::<bool>()), 0..8), 1..16),
        keeps in prop::collection::vec(0_i64..20, 1..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ifthen.db");
        let (mut memory, mut sqlite) = (Memory::default(), open(&path));
        let each = seeds.len().div_ceil(keeps.len());
        for (n, seeds) in seeds.chunks(each).enumerate() {
            for seed in seeds {
                let batch: Batch = grown(seed, memory.last().unwrap());
                memory.commit(&batch).unwrap();
                sqlite.commit(&batch).unwrap();
            }
            let now = i64::try_from(memory.last().unwrap().event).unwrap();
            retain(&mut sqlite, &policy(0, keeps[n], 1_000, 1_000), now, 3);
            counted(&sqlite);
        }
        let (_, horizon) = super::horizon(&sqlite.reader.conn).unwrap();
        prop_assert_eq!(sqlite.scan("", None, 99).unwrap(), memory.scan("", None, 99).unwrap());
        let keys: BTreeSet<Key> = seeds.iter().flat_map(|s: &Seed| grown(s, Last::default()).changes).map(|(_, c)| c.key).collect();
        for key in keys {
            for seq in 0..=memory.last().unwrap().event + 1 {
                match sqlite.as_of(&key, seq) {
                    Err(Error::Forgotten(before)) => prop_assert!(seq < horizon && before == horizon, "{} as of {}", &key, seq),
                    found => prop_assert_eq!(found.unwrap(), memory.as_of(&key, seq).unwrap(), "{} as of {}", &key, seq),
                }
            }
        }
        drop(sqlite);
        whole(&Reader::open(&path).unwrap().conn);
    }
}
