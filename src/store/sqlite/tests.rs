//! What is SQLite's alone: locks, full disks, damage, crashes, the growth of the log, what is forgotten.

use std::path::Path;

use rusqlite::Connection;

use super::super::suite::{batch, event, line, named, put, record};
use super::lock::beside;
use super::*;

fn open(path: &Path) -> Result<Sqlite, Error> {
    Sqlite::open(path, Options::default())
}

fn nth(seq: u64) -> Batch {
    batch(vec![event(seq, Some(&format!("d{seq}")))], vec![put(seq, &record("L20"), &seq.to_string())], vec![line(seq, seq)])
}

#[test]
fn there_is_one_writer_and_readers_do_not_mind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    assert!(matches!(Reader::open(&path), Err(Error::Absent(_))));
    let mut store = open(&path).unwrap();
    let second = open(&path).unwrap_err().to_string();
    assert!(second.contains(&format!("process {}", std::process::id())), "{second}");
    // A reader in the middle of reading sees its moment; the writer goes on.
    store.commit(&nth(1)).unwrap();
    let reader = Reader::open(&path).unwrap();
    let moment = reader.conn.unchecked_transaction().unwrap();
    assert_eq!(reader.last().unwrap().event, 1);
    store.commit(&nth(2)).unwrap();
    assert_eq!(reader.last().unwrap().event, 1);
    drop(moment);
    assert_eq!(reader.last().unwrap().event, 2);
    drop(store);
    assert_eq!(Reader::open(&path).unwrap().last().unwrap().event, 2, "with nobody writing");
    open(&path).unwrap().commit(&nth(3)).unwrap();
    assert_eq!(reader.last().unwrap().event, 3);
}

#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let mut store = open(&path).unwrap();
    store.commit(&nth(1)).unwrap();
    for file in [path.clone(), beside(&path, "-wal"), beside(&path, "-shm")] {
        let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.display());
    }
}

#[test]
fn after_a_crash_what_was_committed_is_there_for_writers_and_readers() {
    let folder = tempfile::tempdir().unwrap();
    let [alive, dead] = ["a.db", "b.db"].map(|f| folder.path().join(f));
    let mut store = open(&alive).unwrap();
    (1..=5).for_each(|seq| store.commit(&nth(seq)).unwrap());
    // As kill -9 leaves it: the file, the log beside it, and in the log a commit that was cut off.
    std::fs::copy(&alive, &dead).unwrap();
    let log = std::fs::read(beside(&alive, "-wal")).unwrap();
    std::fs::write(beside(&dead, "-wal"), &log[..log.len() - 100]).unwrap();
    assert_eq!(Reader::open(&dead).unwrap().last().unwrap().event, 4);
    let mut recovered = open(&dead).unwrap();
    assert_eq!(recovered.last().unwrap(), Last { event: 4, log: 4 });
    assert_eq!(recovered.load(&record("L20")).unwrap(), Some(named("4")));
    assert_eq!((recovered.delivery("crm", "d4").unwrap(), recovered.delivery("crm", "d5").unwrap()), (Some(4), None));
    recovered.commit(&nth(5)).unwrap();
    assert_eq!(recovered.event(5).unwrap(), store.event(5).unwrap());
}

#[test]
fn a_full_disk_refuses_and_the_same_batch_goes_in_once_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder.path().join("a.db")).unwrap();
    store.commit(&nth(1)).unwrap();
    let pages: i64 = store.reader.conn.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    let limit = |store: &Sqlite, pages: i64| {
        store.reader.conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    };
    limit(&store, pages + 2);
    let large = Batch { definitions: "d2".into(), ..nth(2) };
    let large = Batch { changes: vec![put(2, &record("L20"), &"满".repeat(100_000))], ..large };
    for _ in 0..3 {
        assert!(matches!(store.commit(&large), Err(Error::Full)));
        assert_eq!(store.last().unwrap().event, 1);
        assert_eq!(store.load(&record("L20")).unwrap(), Some(named("1")));
        assert_eq!(store.delivery("crm", "d2").unwrap(), None);
    }
    limit(&store, pages + 1_000);
    store.commit(&large).unwrap();
    assert_eq!(store.delivery("crm", "d2").unwrap(), Some(2));
    assert_eq!(store.event(2).unwrap().unwrap().definitions, "d2");
    assert_eq!(store.as_of(&record("L20"), 1).unwrap(), Some(named("1")));
}

#[test]
fn what_the_database_refuses_in_the_middle_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder.path().join("a.db")).unwrap();
    let refuse = "CREATE TEMP TRIGGER refuse BEFORE INSERT ON log WHEN new.seq = 3 BEGIN SELECT raise(ABORT, 'no'); END";
    store.reader.conn.execute_batch(refuse).unwrap();
    let mut bad = nth(1);
    bad.log.extend([line(2, 1), line(3, 1)]);
    assert!(matches!(store.commit(&bad), Err(Error::Refused(_))));
    assert_eq!((store.last().unwrap(), store.reader.last().unwrap()), (Last::default(), Last::default()));
    assert_eq!(store.load(&record("L20")).unwrap(), None);
    bad.log.pop();
    store.commit(&bad).unwrap();
}

#[test]
fn what_cannot_be_opened_says_why_and_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let check = |expect: &str, says: &str| {
        let before = std::fs::read(&path).unwrap();
        for error in [open(&path).unwrap_err(), Reader::open(&path).unwrap_err()] {
            assert!(format!("{error:?}").starts_with(expect) && error.to_string().contains(says), "{error:?}");
            assert!(error.to_string().contains("a.db"), "{error}");
        }
        assert!(std::fs::read(&path).unwrap() == before);
    };
    std::fs::write(&path, "not a database at all ".repeat(500)).unwrap();
    check("Corrupt", "ifthen restore");
    std::fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    check("Corrupt", "another program");
    std::fs::remove_file(&path).unwrap();
    drop(open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 7).unwrap();
    check("Newer", "format 7");
}

#[test]
fn an_entry_that_cannot_be_read_is_damage_not_absence() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder.path().join("a.db")).unwrap();
    store.commit(&nth(1)).unwrap();
    store.reader.conn.execute("UPDATE change SET entry = '{\"recor'", []).unwrap();
    store.reader.conn.execute("UPDATE log SET outcome = 'well'", []).unwrap();
    assert!(matches!(store.load(&record("L20")), Err(Error::Corrupt(_))));
    assert!(matches!(store.as_of(&record("L20"), 1), Err(Error::Corrupt(_))));
    assert!(matches!(store.log(&Filter::default(), 0, 9), Err(Error::Corrupt(_))));
}

#[test]
fn deliveries_are_remembered_for_the_horizon_across_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    // `event` is received at second `seq`.
    let options = Options { dedupe: SignedDuration::from_secs(80) };
    let mut store = Sqlite::open(&path, options).unwrap();
    store.commit(&batch((1..=300).map(|seq| event(seq, Some(&format!("d{seq}")))).collect(), vec![], vec![])).unwrap();
    for _ in 0..2 {
        for (seq, known) in [(300, true), (220, true), (200, false), (1, false)] {
            assert_eq!(store.delivery("crm", &format!("d{seq}")).unwrap(), known.then_some(seq), "{seq}");
        }
        drop(store);
        store = Sqlite::open(&path, options).unwrap();
    }
}

#[test]
fn deliveries_of_one_hash_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder.path().join("a.db")).unwrap();
    store.commit(&nth(1)).unwrap();
    store.commit(&nth(2)).unwrap();
    // As if d1, and something that never came, had the hash of d2.
    for id in ["d1", "d9"] {
        let hash = store.deliveries.hash("crm", id);
        store.deliveries.remember(event(2, None).received.as_microsecond(), hash, 2);
    }
    assert_eq!(store.delivery("crm", "d1").unwrap(), Some(1));
    assert_eq!(store.delivery("crm", "d9").unwrap(), None);
}

#[test]
fn the_log_does_not_grow_without_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let mut store = open(&path).unwrap();
    store.reader.conn.pragma_update(None, "synchronous", "OFF").unwrap(); // what is tested is size, not durability
    let size = || std::fs::metadata(beside(&path, "-wal")).unwrap().len() >> 20;
    let mut seq = 0;
    let mut write = |store: &mut Sqlite, mib: usize| {
        for _ in 0..mib {
            seq += 1;
            store.commit(&batch(vec![], vec![put(seq, &record("L20"), &"x".repeat(1 << 20))], vec![])).unwrap();
            store.maintain().unwrap();
        }
    };
    write(&mut store, 60);
    assert!(size() <= 6, "{} MiB", size());
    // One that reads for long, as a backup does, lets it grow; nobody waits for it for ever, and it shrinks afterwards.
    let reader = Reader::open(&path).unwrap();
    let moment = reader.conn.unchecked_transaction().unwrap();
    reader.last().unwrap();
    write(&mut store, 40);
    assert!(size() >= 40, "{} MiB", size());
    drop(moment);
    write(&mut store, 10);
    assert!(size() <= 16, "{} MiB", size());
}

/// A kill leaves a log of any length; on a disk that is full, no commit tells of it.
#[test]
fn a_log_that_was_left_is_copied_without_a_commit() {
    let folder = tempfile::tempdir().unwrap();
    let (path, left) = (folder.path().join("a.db"), folder.path().join("b.db"));
    let mut store = open(&path).unwrap();
    store.commit(&batch(vec![], vec![put(1, &record("L20"), &"x".repeat(5 << 20))], vec![])).unwrap();
    for end in ["", "-wal"] {
        std::fs::copy(beside(&path, end), beside(&left, end)).unwrap();
    }
    let mut store = open(&left).unwrap();
    let log = |store: &Sqlite| {
        let pages = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
        store.reader.conn.query_row("PRAGMA wal_checkpoint(NOOP)", [], pages).unwrap()
    };
    let (pages, copied) = log(&store);
    assert!(pages > 1_024 && copied == 0, "{pages}, {copied}: it tests nothing");
    store.maintain().unwrap();
    assert_eq!(log(&store), (pages, pages));
}

#[test]
fn hot_reads_use_their_indexes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("a.db")).unwrap();
    let check = |sql: &str, uses: &str| {
        let mut plan = store.reader.conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = plan.raw_query().mapped(|row| row.get::<_, String>(3)).collect::<Result<Vec<_>, _>>().unwrap().join("; ");
        assert!(steps.contains(uses) && !steps.contains("TEMP B-TREE"), "{sql}: {steps}");
    };
    for order in [read::Order::Forward, read::Order::Backward] {
        let of = |event| read::lines_sql(&Filter { event, ..Filter::default() }, order);
        check(&of(None), "INTEGER PRIMARY KEY");
        check(&of(Some(1)), "INDEX log_duplicate");
    }
    check("SELECT seq FROM log_mark WHERE at < ?1 ORDER BY seq DESC LIMIT 1", "SCAN log_mark");
    check("SELECT entry FROM change WHERE id < ?1 AND seq <= ?2 AND key = ?3 ORDER BY id DESC", "INTEGER PRIMARY KEY");
}

/// Lines of events that say nothing, of events that say much, of a clock that was set back, and with a hole that retention left.
#[test]
fn lines_are_found_without_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let mut store = open(&path).unwrap();
    let mut all = Vec::new();
    for seq in 1..=9_000u64 {
        let event = seq / 7 * 3;
        let back = if (4_000..6_000).contains(&seq) { 3_000_000 } else { 0 };
        let at = Timestamp::from_second(i64::try_from(1_000_000_000 + seq).unwrap() - back).unwrap();
        all.push(Line { at, ..line(seq, event + 1) });
    }
    // Of deliveries that came again, long after.
    for n in (500..9_000).step_by(450) {
        all[n] = Line { event: all[n / 3].event, action: crate::store::LATE.into(), ..all[n].clone() };
    }
    for part in all.chunks(700) {
        store.commit(&batch(vec![], vec![], part.to_vec())).unwrap();
    }
    drop(store);
    let mut store = open(&path).unwrap(); // the next mark goes on from the last
    let more = Line { at: all[8_999].at, ..line(9_001, 9_000) };
    store.commit(&batch(vec![], vec![], vec![more.clone()])).unwrap();
    all.push(more);
    store.reader.conn.execute("DELETE FROM log WHERE seq BETWEEN 1 AND 150", []).unwrap();
    all.drain(..150);
    let marks: Vec<i64> = store
        .reader
        .conn
        .prepare("SELECT seq FROM log_mark")
        .unwrap()
        .query_map([], |r| r.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(marks, (1..=9).map(|n| n * 1_000).collect::<Vec<_>>());
    let same = |filter: Filter| {
        let expect: Vec<&Line> = all.iter().filter(|l| filter.passes(l)).collect();
        assert_eq!(store.log(&filter, 0, usize::MAX).unwrap().iter().collect::<Vec<_>>(), expect, "{filter:?}");
        let last = expect.len().saturating_sub(5);
        assert_eq!(store.log_tail(&filter, 5).unwrap().iter().collect::<Vec<_>>(), expect[last..], "{filter:?}");
    };
    for event in [0, 1, 2, 3, 4, 64, 65, 67, 1_000, 3_856, 3_857, 3_858, 8_999, 9_000, 9_001, u64::MAX] {
        same(Filter { event: Some(event), ..Filter::default() });
    }
    for n in [0, 1, 900, 3_840, 3_860, 5_000, 5_900, 8_848, 8_849, 8_850] {
        same(Filter { since: Some(all[n].at), ..Filter::default() });
        same(Filter { since: Some(all[n].at), event: Some(all[n].event), ..Filter::default() });
    }
    same(Filter { since: Some(Timestamp::MAX), ..Filter::default() });
}
