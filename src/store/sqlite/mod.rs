//! The store in one SQLite file: one writer ([`Sqlite`]), any number of readers ([`Reader`]), a write-ahead log, and an fsync
//! for every commit.
//!
//! Architecture invariant: nothing on the way of a commit is ordered by a random key but the small rows of `state`; everything
//! else is appended. The tables are described in `migrations/`.

mod definition;
mod delivery;
pub(super) mod error;
pub(super) mod file;
pub(super) mod lock;
mod mark;

pub(super) mod read;
mod retain;
pub(super) mod schema;
mod shrink;
mod wal;
mod write;

#[cfg(test)]
mod tests;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use self::delivery::Deliveries;
use self::error::{name, of_disk};
use self::lock::{Lock, beside};
pub use self::read::Reader;
use self::read::{PATIENCE, number, text_if};
use super::{Batch, Each, Error, Filter, Last, Read, Retention, Store, Stored};
use crate::engine::log::Line;
use crate::engine::state::{Entry, Key};
use crate::failpoint::{self, Point};

/// How a store is opened.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// For how long a delivery id is remembered; 3 days.
    pub dedupe: SignedDuration,
}

impl Default for Options {
    fn default() -> Self {
        Self { dedupe: SignedDuration::from_hours(72) }
    }
}

/// The one writer of a file. Everything is closed, and the lock let go, when it is dropped.
#[derive(Debug)]
pub struct Sqlite {
    reader: Reader,
    deliveries: Deliveries,
    last: Last,
    /// The last change: its number, and the event it was decided on.
    change: (i64, u64),
    mark: mark::Mark,
    /// The definitions written last: their hash and number.
    definition: Option<(String, i64)>,
    keeper: wal::Keeper,
    /// Where the search for old events begins: what waits before it is looked at again after a restart.
    swept: i64,
    path: PathBuf,
    /// Which file it is: device and number.
    file: (u64, u64),
    /// Let go after the connection is closed.
    _lock: Lock,
}

impl Sqlite {
    /// Opens the store at `path`, makes it and its folder when absent, and brings it up to date when it is of an older version.
    pub fn open(path: &Path, options: Options) -> Result<Self, Error> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| of_disk(folder, &e))?;
        }
        let lock = Lock::take(path)?;
        if !file::exists(path)? {
            file::make(path, |part| create(part).and_then(|()| file::remove_beside(path))).map_err(name(path))?;
        }
        Self::attempt(path, options, lock).map_err(name(path))
    }

    fn attempt(path: &Path, options: Options, lock: Lock) -> Result<Self, Error> {
        let mut reader = Reader::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let conn = &mut reader.conn;
        // Until it is known to be ours and in order, it is left as it is, its log too: so it can be repaired.
        let log = std::fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
        tidy_on_close(conn, !log)?;
        let version = schema::version(conn)?;
        let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        if mode != "wal" {
            return Err(Error::Broken(format!("this file system cannot keep a write-ahead log (journal mode {mode})")));
        }
        // FULL: fsync at every commit. EXTRA would only add to rollback journals.
        conn.pragma_update(None, "synchronous", "FULL")?;
        conn.pragma_update(None, "wal_autocheckpoint", wal::BY_ITSELF)?;
        conn.pragma_update(None, "journal_size_limit", wal::KEPT_BYTES)?;
        wal::settle(conn, path)?;
        schema::migrate(conn, version)?;
        shrink::enable(conn, path)?;
        let change = conn
            .query_row("SELECT id, seq FROM change ORDER BY id DESC LIMIT 1", [], |row| Ok((row.get(0)?, number(row, 1)?)))
            .optional()?;
        let keeper = wal::Keeper::new(conn)?;
        let mut store = Self {
            last: reader.last()?,
            deliveries: Deliveries::new(i64::try_from(options.dedupe.as_micros()).unwrap_or(i64::MAX)),
            change: change.unwrap_or_default(),
            mark: mark::Mark::read(&reader.conn)?,
            definition: None,
            reader,
            keeper,
            swept: 0,
            file: std::fs::metadata(path).map(|m| (m.dev(), m.ino())).map_err(|e| of_disk(path, &e))?,
            path: path.to_owned(),
            _lock: lock,
        };
        store.recall()?;
        tidy_on_close(&store.reader.conn, true)?;
        Ok(store)
    }

    /// What an error of writing means for the file: after one that ends the process, nothing more is written to it, not even when
    /// it is closed; what is on disk is found by the next start.
    fn judged<T>(&self, done: Result<T, Error>) -> Result<T, Error> {
        let failed = matches!(&done, Err(Error::Broken(_) | Error::Corrupt(_)));
        let done = done.map_err(name(&self.path));
        if failed {
            tidy_on_close(&self.reader.conn, false)?;
        }
        done
    }

    /// Fills the memory of deliveries from the file, from the youngest event back to the horizon.
    fn recall(&mut self) -> Result<(), Error> {
        /// The wall clock may have been set in between: one older event is not yet the end.
        const OLDER: u32 = 1_000;
        let mut statement = self.reader.conn.prepare("SELECT seq, received, source, delivery FROM event ORDER BY seq DESC")?;
        let mut rows = statement.query([])?;
        let (mut now, mut older, mut found) = (None, 0, Vec::new());
        while let Some(row) = rows.next()?
            && older < OLDER
        {
            let received: i64 = row.get(1)?;
            if self.deliveries.is_old(received, *now.get_or_insert(received)) {
                older += 1;
                continue;
            }
            older = 0;
            if let (Some(source), Some(delivery)) = (text_if(row, 2)?, text_if(row, 3)?) {
                found.push((received, self.deliveries.hash(source, delivery), number(row, 0)?));
            }
        }
        for (received, hash, seq) in found.into_iter().rev() {
            self.deliveries.remember(received, hash, seq);
        }
        Ok(())
    }

    /// Takes in what is on disk now.
    fn committed(&mut self, batch: &Batch, (definition, mark): (i64, mark::Mark)) {
        self.mark = mark;
        if self.definition.as_ref().is_none_or(|(hash, _)| *hash != batch.definitions) {
            self.definition = Some((batch.definitions.clone(), definition));
        }
        for event in &batch.events {
            self.last.event = event.seq;
            let received = event.received.as_microsecond();
            if let Some(delivery) = &event.delivery {
                let hash = self.deliveries.hash(&event.origin, delivery);
                self.deliveries.remember(received, hash, event.seq);
            }
            self.deliveries.forget(received);
        }
        for (seq, _) in &batch.changes {
            self.change = (self.change.0 + 1, *seq);
        }
        if let Some(line) = batch.log.last() {
            self.last.log = line.seq;
        }
    }

    /// That the file is still the one that was opened: what is written into one that was removed or replaced is gone with the
    /// process. One `stat`, against an fsync.
    fn still_there(&self) -> Result<(), Error> {
        match std::fs::metadata(&self.path) {
            Ok(now) if (now.dev(), now.ino()) == self.file => Ok(()),
            _ => Err(Error::Broken(format!("{} was removed or replaced while it was in use", self.path.display()))),
        }
    }

    /// Writes; the number of the definitions, and how far the log is marked.
    fn write(&self, batch: &Batch) -> Result<(i64, mark::Mark), Error> {
        let conn = &self.reader.conn;
        let definition = match &self.definition {
            Some((hash, id)) if *hash == batch.definitions => *id,
            _ => definition::takes_over(conn, &batch.definitions, self.last.event)?,
        };
        Ok((definition, write::batch(conn, batch, definition, self.change.0, self.mark)?))
    }

    /// Runs and commits; on an error nothing of it is there.
    fn step<T>(&self, write: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let conn = &self.reader.conn;
        conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let done = write(conn).and_then(|done| {
            conn.prepare_cached("COMMIT")?.execute([])?;
            Ok(done)
        });
        // SQLite may have rolled back by itself, as it does when the disk is full.
        if let Err(error) = &done
            && !conn.is_autocommit()
        {
            conn.execute_batch("ROLLBACK").map_err(|e| Error::Broken(format!("{e}, after: {error}")))?;
        }
        done
    }
}

impl Store for Sqlite {
    fn commit(&mut self, batch: &Batch) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        batch.check(self.last, self.change.1)?;
        self.still_there()?;
        let written = self.step(|_| {
            let numbers = self.write(batch)?;
            failpoint::reach(Point::Commit);
            Ok(numbers)
        });
        let numbers = self.judged(written)?;
        failpoint::reach(Point::Committed);
        self.committed(batch, numbers);
        Ok(())
    }

    fn keep_definitions(&mut self, hash: &str, text: &str) -> Result<(), Error> {
        self.still_there()?;
        self.judged(self.step(|conn| definition::text(conn, hash, text)))
    }

    fn drop_definitions(&mut self) -> Result<usize, Error> {
        self.judged(self.step(definition::drop_texts))
    }

    fn retain(&mut self, retention: &Retention, now: Timestamp) -> Result<bool, Error> {
        self.still_there()?;
        let horizon = self.deliveries.horizon();
        let done = retain::slice(&self.reader.conn, retention, (now, horizon), retain::ROWS, &mut self.swept);
        self.judged(done)
    }

    fn maintain(&mut self) -> Result<(), Error> {
        let done = self.keeper.tend(&self.reader.conn, PATIENCE);
        self.judged(done)
    }
}

impl Read for Sqlite {
    fn load(&self, key: &Key) -> Result<Option<Arc<Entry>>, Error> {
        self.reader.load(key).map_err(name(&self.path))
    }
    fn scan(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Arc<Entry>)>, Error> {
        self.reader.scan(prefix, after, limit).map_err(name(&self.path))
    }
    fn keys(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, Error> {
        self.reader.keys(prefix, after, limit).map_err(name(&self.path))
    }
    fn as_of(&self, key: &Key, seq: u64) -> Result<Option<Arc<Entry>>, Error> {
        self.reader.as_of(key, seq).map_err(name(&self.path))
    }
    fn scan_as_of(&self, prefix: &str, seq: u64, each: &mut Each<'_>) -> Result<(), Error> {
        self.reader.scan_as_of(prefix, seq, each).map_err(name(&self.path))
    }
    fn delivery(&self, source: &str, delivery: &str) -> Result<Option<u64>, Error> {
        match self.deliveries.find(self.deliveries.hash(source, delivery)) {
            None => Ok(None),
            Some(seq) if self.reader.is_delivery(seq, source, delivery).map_err(name(&self.path))? => Ok(Some(seq)),
            // Two deliveries of one hash, which nobody will live to see: the other one may have been there, too.
            Some(_) => self.reader.delivery(source, delivery).map_err(name(&self.path)),
        }
    }
    fn last(&self) -> Result<Last, Error> {
        Ok(self.last)
    }
    fn event(&self, seq: u64) -> Result<Option<Stored>, Error> {
        self.reader.event(seq).map_err(name(&self.path))
    }
    fn events(&self, after: u64, limit: usize) -> Result<Vec<Stored>, Error> {
        self.reader.events(after, limit).map_err(name(&self.path))
    }
    fn log(&self, filter: &Filter, after: u64, limit: usize) -> Result<Vec<Line>, Error> {
        self.reader.log(filter, after, limit).map_err(name(&self.path))
    }
    fn log_tail(&self, filter: &Filter, count: usize) -> Result<Vec<Line>, Error> {
        self.reader.log_tail(filter, count).map_err(name(&self.path))
    }
    fn log_definitions(&self, seq: u64) -> Result<Option<String>, Error> {
        self.reader.log_definitions(seq).map_err(name(&self.path))
    }
    fn definitions_of(&self, hash: &str) -> Result<Option<String>, Error> {
        self.reader.definitions_of(hash).map_err(name(&self.path))
    }
    fn decided_otherwise(&self, after: u64, hash: &str) -> Result<Option<Stored>, Error> {
        self.reader.decided_otherwise(after, hash).map_err(name(&self.path))
    }
    fn instance(&self) -> Result<String, Error> {
        self.reader.instance().map_err(name(&self.path))
    }
}

/// A new store, in one file: on disk with every step.
fn create(path: &Path) -> Result<(), Error> {
    let how = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let mut conn = Reader::connect(path, how)?.conn;
    shrink::prepare(&conn)?;
    schema::migrate(&mut conn, 0)?;
    conn.close().map_err(|(_, e)| Error::from(e))
}

/// Whether closing moves the log over into the file, and removes it.
fn tidy_on_close(conn: &Connection, tidy: bool) -> Result<(), Error> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !tidy)?;
    Ok(())
}
