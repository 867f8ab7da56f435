//! Copies of a SQLite store: taken beside a running daemon, checked, and brought back. Never writes to the store it copies from.
//!
//! Architecture invariant: a file gets its final name only when it is whole, checked and on disk; until then it is called
//! `….part`.

use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Params};
use sha2::{Digest as _, Sha256};

use super::sqlite::error::{damaged, name, of_disk};
use super::sqlite::file::{make, remove_beside};
use super::sqlite::lock::Lock;
use super::sqlite::{Reader, schema};
use super::{Error, Last, Read as _};

/// Pages copied between two reports of progress: 1 MiB.
const STEP: i32 = 256;

/// What is in a store, so that two can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The last numbers of events and log lines.
    pub last: Last,
    /// The number of the last change.
    pub last_change: u64,
    /// How many events.
    pub events: u64,
    /// How many changes of state.
    pub changes: u64,
    /// How many keys have a value.
    pub keys: u64,
    /// How many log lines.
    pub log: u64,
    /// SHA-256 over all events, changes and log lines in order; does not depend on the store's `instance`.
    pub history: String,
    /// SHA-256 over what is under every key, in order.
    pub state: String,
}

/// Copies the store at `source`, as it is at this moment, to the new file `to`; a daemon may be writing to it all the while and
/// is not held up. `progress` is told how many pages are done, of how many. What the copy holds has been checked.
pub fn backup(source: &Path, to: &Path, progress: impl FnMut(u64, u64)) -> Result<Report, Error> {
    let reader = Reader::open(source)?;
    if to.exists() {
        return Err(Error::Refused(format!("{} exists already; choose another name", to.display())));
    }
    make(to, |part| {
        copy(&reader.conn, part, progress)?;
        verify(part)
    })
}

/// Checks the whole of a store or a backup, and says what is in it.
pub fn verify(path: &Path) -> Result<Report, Error> {
    let reader = Reader::open(path)?;
    report(&reader).map_err(name(path))
}

/// The digest of what the store at `path` held when `then` was reported: equal to `then.history` if nothing of it has changed
/// since, whatever has come after it.
pub fn history(path: &Path, then: &Report) -> Result<String, Error> {
    let reader = Reader::open(path)?;
    Ok(digest_history(&reader.conn, then.last, then.last_change).map_err(name(path))?.hash)
}

/// Makes the store at `to` out of the backup at `from`. An existing store is only replaced when `force` says so, and never
/// while a daemon uses it. The copy gets a new `instance`.
pub fn restore(from: &Path, to: &Path, force: bool) -> Result<Report, Error> {
    let report = verify(from)?;
    let reader = Reader::open(from)?;
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).map_err(|e| of_disk(folder, &e))?;
    }
    let _lock = Lock::take(to)?;
    if to.exists() && !force {
        return Err(Error::Refused(format!(
            "{} holds a store already, which would be lost; force it if you mean it",
            to.display()
        )));
    }
    make(to, |part| {
        copy(&reader.conn, part, |_, _| ())?;
        let conn = Connection::open_with_flags(part, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        schema::rename(&conn)?;
        conn.close().map_err(|(_, e)| Error::from(e))?;
        let copied = verify(part)?;
        if copied != report {
            return Err(damaged(format_args!("{} changed while it was copied", from.display())));
        }
        remove_beside(to)?;
        Ok(copied)
    })
}

/// Page by page, all of one moment.
fn copy(source: &Connection, to: &Path, mut progress: impl FnMut(u64, u64)) -> Result<(), Error> {
    let named = name(to);
    // One read transaction around all steps pins the moment: without it, every commit of the daemon would make the copy begin
    // again. In the WAL a reader holds nobody up; the log only grows meanwhile.
    let moment = source.unchecked_transaction()?;
    moment.query_row("SELECT count(*) FROM meta", [], |_| Ok(()))?;
    let open = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let mut target = Connection::open_with_flags(to, open).map_err(Error::from).map_err(&named)?;
    let pages = Backup::new(&moment, &mut target)?;
    loop {
        let step = pages.step(STEP).map_err(Error::from).map_err(&named)?;
        let at = pages.progress();
        let count = |n: i32| u64::try_from(n).unwrap_or(0);
        progress(count(at.pagecount - at.remaining), count(at.pagecount));
        match step {
            StepResult::More => {}
            StepResult::Done => break,
            _ => return Err(Error::Busy(format!("{} is held by another program", to.display()))),
        }
    }
    drop(pages);
    // One file that is complete by itself and can be read from a folder that cannot be written to.
    let mode: String = target.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))?;
    if mode != "delete" {
        return Err(Error::Broken(format!("{}: journal mode {mode}", to.display())));
    }
    target.close().map_err(|(_, e)| Error::from(e))
}

fn report(reader: &Reader) -> Result<Report, Error> {
    let conn = &reader.conn;
    // All of one moment.
    let moment = conn.unchecked_transaction()?;
    let fault: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if fault != "ok" {
        return Err(damaged(fault));
    }
    let lost: i64 = conn.query_row(
        "SELECT count(*) FROM state s LEFT JOIN change c ON c.id = s.change WHERE c.key IS NOT s.key OR (c.entry IS NULL) <> s.gone",
        [],
        |row| row.get(0),
    )?;
    if lost != 0 {
        return Err(damaged(format_args!("{lost} keys have lost their change")));
    }
    let last = reader.last()?;
    let last_change: i64 = conn.query_row("SELECT coalesce(max(id), 0) FROM change", [], |row| row.get(0))?;
    let last_change = u64::try_from(last_change).map_err(damaged)?;
    let history = digest_history(conn, last, last_change)?;
    let mut state = Sha256::new();
    let keys = digest(
        conn,
        &mut state,
        "SELECT s.partition, s.key, c.entry FROM state s CROSS JOIN change c ON c.id = s.change WHERE s.gone = 0
         ORDER BY s.partition, s.key",
        [],
    )?;
    drop(moment);
    let [events, changes, log] = history.counts;
    Ok(Report { last, last_change, events, changes, keys, log, history: history.hash, state: hex(state) })
}

struct History {
    counts: [u64; 3],
    hash: String,
}

fn digest_history(conn: &Connection, last: Last, last_change: u64) -> Result<History, Error> {
    let upto = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let mut all = Sha256::new();
    let events = digest(
        conn,
        &mut all,
        "SELECT e.seq, e.received, e.source, e.delivery, d.hash, e.event
         FROM event e CROSS JOIN definition d ON d.id = e.definition WHERE e.seq <= ?1 ORDER BY e.seq",
        [upto(last.event)],
    )?;
    let changes =
        digest(conn, &mut all, "SELECT id, seq, prev, key, entry FROM change WHERE id <= ?1 ORDER BY id", [upto(last_change)])?;
    let log = digest(
        conn,
        &mut all,
        "SELECT l.seq, l.at, l.event, d.hash, l.outcome, l.action, l.rule, l.flow, l.run, l.record, l.detail
         FROM log l CROSS JOIN definition d ON d.id = l.definition WHERE l.seq <= ?1 ORDER BY l.seq",
        [upto(last.log)],
    )?;
    Ok(History { counts: [events, changes, log], hash: hex(all) })
}

/// Takes in every column of every row, each with its kind and length so that nothing can be shifted; the number of rows.
fn digest(conn: &Connection, into: &mut Sha256, sql: &str, with: impl Params) -> Result<u64, Error> {
    let mut statement = conn.prepare(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query(with)?;
    let mut count = 0_u64;
    while let Some(row) = rows.next()? {
        count += 1;
        for column in 0..columns {
            match row.get_ref(column)? {
                ValueRef::Null => into.update(b"0"),
                ValueRef::Integer(n) => {
                    into.update(b"i");
                    into.update(n.to_le_bytes());
                }
                ValueRef::Real(n) => {
                    into.update(b"r");
                    into.update(n.to_le_bytes());
                }
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                    into.update(b"t");
                    into.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
                    into.update(bytes);
                }
            }
        }
    }
    into.update(count.to_le_bytes());
    Ok(count)
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sqlite::lock::beside;
    use super::super::sqlite::{Options, Sqlite};
    use super::super::suite::{batch, event, line, named, put, record};
    use super::super::{Batch, Store as _};
    use super::*;

    fn nth(seq: u64) -> Batch {
        let name = format!("第{seq}个").repeat(200);
        batch(vec![event(seq, None)], vec![put(seq, &record(&(seq % 7).to_string()), &name)], vec![line(seq, seq)])
    }

    fn filled(path: &Path, upto: u64) -> Sqlite {
        let mut store = Sqlite::open(path, Options::default()).unwrap();
        (1..=upto).for_each(|seq| store.commit(&nth(seq)).unwrap());
        store
    }

    fn files(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_backup_of_a_busy_store_is_one_moment_of_it_and_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let (source, copy) = (folder.path().join("a.db"), folder.path().join("b.db"));
        let mut store = filled(&source, 1_500);
        // The writer writes between any two steps of the copy; with each of them beginning again it would never end.
        let (mut next, mut steps) = (1_501, 0);
        let report = backup(&source, &copy, |done, total| {
            assert!(done <= total && steps < 1_000, "begins again and again");
            store.commit(&nth(next)).unwrap();
            (next, steps) = (next + 1, steps + 1);
        })
        .unwrap();
        assert!(steps > 3, "{steps}");
        assert_eq!((report.last, report.events, report.log, report.keys), (Last { event: 1_500, log: 1_500 }, 1_500, 1_500, 7));
        assert_eq!(verify(&copy).unwrap(), report);
        assert_eq!(history(&source, &report).unwrap(), report.history);
        assert_ne!(verify(&source).unwrap().history, report.history);
        assert!(matches!(backup(&source, &copy, |_, _| ()), Err(Error::Refused(_))));
        assert_eq!(verify(&copy).unwrap(), report);
        drop(store);
        assert_eq!(files(folder.path()), ["a.db", "a.db.lock", "b.db"]);
    }

    #[test]
    fn what_is_restored_is_equal_but_for_its_name_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let (source, copy, to) = (folder.path().join("a.db"), folder.path().join("b.db"), folder.path().join("新/c.db"));
        let former = filled(&source, 20).instance().unwrap();
        let report = backup(&source, &copy, |_, _| ()).unwrap();
        assert_eq!(restore(&copy, &to, false).unwrap(), report);
        let mut store = Sqlite::open(&to, Options::default()).unwrap();
        assert_ne!(store.instance().unwrap(), former);
        assert_eq!(store.load(&record("6")).unwrap(), Some(named(&"第20个".repeat(200))));
        store.commit(&nth(21)).unwrap();
        assert_eq!(history(&to, &report).unwrap(), report.history);
        assert!(matches!(restore(&copy, &to, true), Err(Error::Busy(_))), "while it is in use");
        drop(store);
        assert!(matches!(restore(&copy, &to, false), Err(Error::Refused(_))));
        assert_eq!(verify(&to).unwrap().events, 21);
    }

    #[test]
    fn a_forced_restore_leaves_nothing_of_the_former_store() {
        let folder = tempfile::tempdir().unwrap();
        let [source, copy, to] = ["a.db", "b.db", "c.db"].map(|f| folder.path().join(f));
        drop(filled(&source, 20));
        let report = backup(&source, &copy, |_, _| ()).unwrap();
        // The former store was killed with commits in its write-ahead log.
        let killed = filled(&folder.path().join("k.db"), 50);
        for suffix in ["", "-wal"] {
            std::fs::copy(beside(&folder.path().join("k.db"), suffix), beside(&to, suffix)).unwrap();
        }
        drop(killed);
        assert_eq!(restore(&copy, &to, true).unwrap(), report);
        assert_eq!(verify(&to).unwrap(), report);
    }

    #[test]
    fn what_is_damaged_newer_or_not_ours_is_not_restored() {
        let folder = tempfile::tempdir().unwrap();
        let [source, bad, to] = ["a.db", "bad.db", "c.db"].map(|f| folder.path().join(f));
        drop(filled(&source, 300));
        let check = |expect: &str| {
            let error = restore(&bad, &to, false).unwrap_err();
            assert!(format!("{error:?}").starts_with(expect), "{error:?}");
            assert!(!to.exists());
        };
        check("Absent");
        let whole = std::fs::read(&source).unwrap();
        let mut torn = whole.clone();
        let middle = torn.len() / 2;
        torn[middle..middle + 8_192].fill(0xA5);
        std::fs::write(&bad, &torn).unwrap();
        check("Corrupt");
        std::fs::write(&bad, &whole[..whole.len() / 2]).unwrap();
        check("Corrupt");
        std::fs::write(&bad, "这不是数据库".repeat(500)).unwrap();
        check("Corrupt");
        std::fs::write(&bad, &whole).unwrap();
        Connection::open(&bad).unwrap().pragma_update(None, "user_version", 99).unwrap();
        check("Newer");
        std::fs::remove_file(&bad).unwrap();
        Connection::open(&bad).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        check("Corrupt");
        std::fs::remove_file(&bad).unwrap();
        std::fs::write(&bad, "").unwrap();
        check("Corrupt");
    }

    #[test]
    fn a_key_that_has_lost_its_change_is_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        drop(filled(&path, 3));
        Connection::open(&path).unwrap().execute("UPDATE state SET change = 1", []).unwrap();
        assert!(matches!(verify(&path), Err(Error::Corrupt(t)) if t.contains("2 keys")));
    }
}
