//! State that is tried out on disk, above a recorded store as it was: what is put is seen, what is not is read from below. One
//! writer, nothing durable: the file has no name and is gone with it, whatever ends the process.
//!
//! On disk rather than in memory, because a history has more keys than memory has room. What was put lately is in memory still: much
//! of it is put again or gone before it would have been written. Keeps no log and no past of its own.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::sqlite::error::damaged;
use super::sqlite::read::behind;
use super::{Error, Read, Stored};
use crate::engine::state::{Change, Entry, Key, prefix};

/// Pages of 4 KiB in memory, 2 MiB: enough for what is in use, however much there is.
const PAGES: i64 = 512;
/// Values in memory that are not on disk yet; then all of them are written, in the order of their keys.
const FRESH: usize = 4_096;

/// Kinds that leave no chain of changes behind: they are taken over at once, instead of being searched for one by one.
const TAKEN_OVER: [&str; 7] =
    [prefix::QUARANTINE, prefix::CALL, prefix::TIMER, prefix::GRAPH, prefix::RUN, prefix::SWEEP, prefix::ITEMS];

/// Values by key.
#[derive(Debug)]
pub struct Scratch {
    conn: Connection,
    below: Option<Below>,
    /// What is newer than on disk; `None`: gone.
    fresh: RefCell<HashMap<Key, Option<Arc<Entry>>>>,
    /// Prefixes below which everything was taken over.
    taken: RefCell<BTreeSet<String>>,
}

/// A recorded store as it was.
pub struct Below {
    /// The store.
    pub store: Box<dyn Read + Send>,
    /// Once the event of this number and all before it had been decided.
    pub seq: u64,
}

impl std::fmt::Debug for Below {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "as of event {}", self.seq)
    }
}

impl Scratch {
    /// Nothing is put yet; `below`: what there is already.
    pub fn open(below: Option<Below>) -> Result<Self, Error> {
        let conn = Connection::open("")?; // a temporary file of SQLite's own
        conn.execute_batch(&format!(
            "PRAGMA cache_size = {PAGES}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
             CREATE TABLE state (key TEXT PRIMARY KEY NOT NULL, entry TEXT) STRICT, WITHOUT ROWID;
             BEGIN"
        ))?;
        let below = below.filter(|below| below.seq > 0); // before the first event there was nothing
        let scratch = Self { conn, below, fresh: RefCell::default(), taken: RefCell::default() };
        TAKEN_OVER.into_iter().try_for_each(|kind| scratch.take_over(kind))?;
        Ok(scratch)
    }

    /// Takes over all that is below, unless it is known better already.
    fn take_over(&self, prefix: &str) -> Result<(), Error> {
        let Some(Below { store, seq }) = &self.below else { return Ok(()) };
        if self.taken.borrow().iter().any(|taken| prefix.starts_with(taken)) {
            return Ok(());
        }
        let mut insert = self.conn.prepare_cached("INSERT OR IGNORE INTO state (key, entry) VALUES (?1, ?2)")?;
        store.scan_as_of(prefix, *seq, &mut |key, entry| {
            insert.execute(params![key.to_string(), json(&key, &entry)?])?;
            Ok(())
        })?;
        self.taken.borrow_mut().insert(prefix.to_owned());
        Ok(())
    }

    /// The value under a key.
    pub fn load(&self, key: &Key) -> Result<Option<Arc<Entry>>, Error> {
        if let Some(fresh) = self.fresh.borrow().get(key) {
            return Ok(fresh.clone());
        }
        let mut statement = self.conn.prepare_cached("SELECT entry FROM state WHERE key = ?1")?;
        let found: Option<Option<String>> = statement.query_row([key.to_string()], |row| row.get(0)).optional()?;
        if let Some(text) = found {
            let read = |text: String| serde_json::from_str(&text).map(Arc::new);
            return text.map(read).transpose().map_err(|e| damaged(format_args!("{key} cannot be read: {e}")));
        }
        let below = self.below.as_ref().filter(|_| !TAKEN_OVER.contains(&key.prefix()));
        let Some(Below { store, seq }) = below else { return Ok(None) };
        let entry = store.as_of(key, *seq)?;
        self.keep(key, entry.clone())?; // found once, it need not be searched for again
        Ok(entry)
    }

    /// Takes changes in, in order.
    pub fn put<'c>(&self, changes: impl IntoIterator<Item = &'c Change>) -> Result<(), Error> {
        changes.into_iter().try_for_each(|change| self.keep(&change.key, change.entry.clone()))
    }

    fn keep(&self, key: &Key, entry: Option<Arc<Entry>>) -> Result<(), Error> {
        let count = {
            let mut fresh = self.fresh.borrow_mut();
            fresh.insert(key.clone(), entry);
            fresh.len()
        };
        if count < FRESH { Ok(()) } else { self.write_all() }
    }

    /// Everything is on disk then.
    fn write_all(&self) -> Result<(), Error> {
        let fresh = std::mem::take(&mut *self.fresh.borrow_mut());
        let mut fresh: Vec<_> = fresh.iter().map(|(key, entry)| (key.to_string(), key, entry.as_deref())).collect();
        fresh.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        fresh.into_iter().try_for_each(|(name, key, entry)| self.write(&name, key, entry))
    }

    /// Keys below a prefix and after a key that have a value, in the order of their text, at most `limit`.
    pub fn keys(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, Error> {
        self.take_over(prefix)?;
        self.write_all()?;
        let after = after.map(Key::to_string).filter(|after| after.as_str() >= prefix);
        let mut statement = self.conn.prepare_cached(
            "SELECT key FROM state WHERE key >= ?1 AND (?2 IS NULL OR key < ?2) AND (?3 IS NULL OR key > ?3)
             AND entry IS NOT NULL ORDER BY key LIMIT ?4",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let from = after.as_deref().unwrap_or(prefix);
        let mut rows = statement.query(params![from, behind(prefix), after, limit])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            found.push(name.parse().map_err(|()| damaged(format_args!("`{name}` is not a key")))?);
        }
        Ok(found)
    }

    /// The recorded store's events after this number that it is above, in order, at most `limit`.
    pub fn events(&self, after: u64, limit: usize) -> Result<Vec<Stored>, Error> {
        let Some(Below { store, seq }) = &self.below else { return Ok(Vec::new()) };
        let mut events = store.events(after, limit)?;
        events.retain(|stored| stored.event.seq <= *seq);
        Ok(events)
    }

    fn write(&self, name: &str, key: &Key, entry: Option<&Entry>) -> Result<(), Error> {
        // Only where there may be something below must be said that there is nothing any more.
        if entry.is_none() && (self.below.is_none() || TAKEN_OVER.contains(&key.prefix())) {
            self.conn.prepare_cached("DELETE FROM state WHERE key = ?1")?.execute([name])?;
            return Ok(());
        }
        let text = entry.map(|entry| json(key, entry)).transpose()?;
        self.conn.prepare_cached("INSERT OR REPLACE INTO state (key, entry) VALUES (?1, ?2)")?.execute(params![name, text])?;
        Ok(())
    }
}

fn json(key: &Key, entry: &Entry) -> Result<String, Error> {
    serde_json::to_string(entry).map_err(|e| Error::Refused(format!("{key}: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::event::RecordRef;
    use crate::engine::state::{TimerId, Wake};
    use crate::store::memory::Memory;
    use crate::store::{Batch, Store as _};

    fn record(id: &str) -> Key {
        Key::Record(RecordRef { entity: "客户".into(), id: id.into() })
    }

    fn timer(due: i64) -> Key {
        Key::Timer(TimerId { due, seq: 1, n: 1 })
    }

    fn put(key: &Key, text: &str) -> Change {
        let entry = match key {
            Key::Timer(_) => Entry::Timer(Wake::Run(text.into())),
            _ => Entry::Parked(text.into()),
        };
        Change { key: key.clone(), entry: Some(Arc::new(entry)) }
    }

    fn gone(key: &Key) -> Change {
        Change { key: key.clone(), entry: None }
    }

    /// Two events: after the first, one record and two timers; the second takes all of it away and brings others.
    fn below() -> Memory {
        let mut store = Memory::default();
        let first = ["甲", "乙"].map(|id| put(&record(id), "一")).into_iter().chain([7, 8].map(|due| put(&timer(due), "一")));
        let second = [gone(&record("甲")), put(&record("丙"), "二"), gone(&timer(7)), put(&timer(9), "二")];
        let changes = first.map(|c| (1, c)).chain(second.map(|c| (2, c))).collect();
        store.commit(&Batch { changes, ..Batch::default() }).unwrap();
        store
    }

    fn text(scratch: &Scratch, key: &Key) -> String {
        match scratch.load(key).unwrap().as_deref() {
            Some(Entry::Parked(text) | Entry::Timer(Wake::Run(text))) => text.clone(),
            _ => String::new(),
        }
    }

    #[test]
    fn what_is_put_hides_what_is_below() {
        let scratch = Scratch::open(Some(Below { store: Box::new(below()), seq: 1 })).unwrap();
        let keys = [record("甲"), record("乙"), record("丙"), timer(7), timer(8), timer(9)];
        let all = |scratch: &Scratch| keys.iter().map(|k| text(scratch, k)).collect::<Vec<_>>().join(" ");
        assert_eq!(all(&scratch), "一 一  一 一 ", "as it was after the first event");
        scratch.put(&[put(&record("甲"), "新"), gone(&record("乙")), gone(&timer(8)), put(&timer(9), "新")]).unwrap();
        assert_eq!(all(&scratch), "新   一  新");
        assert_eq!(scratch.keys(prefix::TIMER, None, 9).unwrap(), [timer(7), timer(9)]);
        // What is below and was never asked for is found as well; what is gone is not.
        assert_eq!(scratch.keys("record/客户/", None, 9).unwrap(), [record("甲")]);
        let more = [put(&record("乙乙"), "新"), put(&record("丁"), "新")];
        scratch.put(&more).unwrap();
        assert_eq!(scratch.keys("record/客户/", Some(&record("丁")), 1).unwrap(), [record("乙乙")]);
        scratch.put(&[gone(&record("甲")), put(&record("甲"), "又")]).unwrap();
        assert_eq!(text(&scratch, &record("甲")), "又");
        let empty = Scratch::open(None).unwrap();
        assert_eq!(all(&empty).trim(), "");
    }

    /// Once more than fits into memory has been put, part of it is on disk, and it reads the same.
    #[test]
    fn what_is_written_out_is_what_was_put() {
        let scratch = Scratch::open(Some(Below { store: Box::new(below()), seq: 1 })).unwrap();
        let key = |n: usize| record(&format!("{n:06}"));
        let many = FRESH * 2 + 100;
        for n in 0..many {
            scratch.put(&[put(&key(n), "一")]).unwrap();
            if n.is_multiple_of(3) {
                scratch.put(&[put(&key(n / 2), "二"), gone(&key(n / 3)), gone(&record("甲"))]).unwrap();
            }
        }
        let expect = |n: usize| match n {
            _ if n * 3 < many => "", // taken away after all else
            _ if (n * 2).is_multiple_of(3) && n * 2 < many || (n * 2 + 1).is_multiple_of(3) && n * 2 + 1 < many => "二",
            _ => "一",
        };
        let check = || (0..many).for_each(|n| assert_eq!(text(&scratch, &key(n)), expect(n), "{n}"));
        check();
        let last = scratch.keys("record/客户/0", Some(&key(many - 3)), 9).unwrap();
        assert_eq!(last, [key(many - 2), key(many - 1)], "keys are of what is in memory, too");
        check();
        assert_eq!((text(&scratch, &record("甲")), text(&scratch, &record("乙"))), (String::new(), "一".into()));
    }
}
