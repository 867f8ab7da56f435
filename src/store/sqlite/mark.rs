//! Finding lines of the log without an index: they are numbered in the order of their events, and nearly in that of their times.
//!
//! Architecture invariant: an index would be paid for with every line; what is here is paid for by whoever asks.

use rusqlite::{Connection, OptionalExtension as _};

use crate::store::Error;
#[cfg(doc)]
use crate::store::LATE;

/// Lines between two marks: so many are read in vain at most.
const APART: i64 = 1_000;

/// How far the log is marked: at the latest mark, or at a line behind it.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Mark {
    /// The line of the latest mark.
    seq: i64,
    /// The latest time of all lines so far.
    at: i64,
}

impl Mark {
    /// As the file has it.
    pub(super) fn read(conn: &Connection) -> Result<Self, Error> {
        let last = conn.query_row("SELECT seq, at FROM log_mark ORDER BY seq DESC LIMIT 1", [], |row| {
            Ok(Self { seq: row.get(0)?, at: row.get(1)? })
        });
        let Self { seq, at } = last.optional()?.unwrap_or_default();
        let since: Option<i64> = conn.query_row("SELECT max(at) FROM log WHERE seq > ?1", [seq], |row| row.get(0))?;
        Ok(Self { seq, at: since.map_or(at, |since| since.max(at)) })
    }

    /// A line is written.
    pub(super) fn pass(&mut self, conn: &Connection, seq: i64, at: i64) -> Result<(), Error> {
        self.at = self.at.max(at);
        if seq - self.seq >= APART {
            conn.prepare_cached("INSERT INTO log_mark (seq, at) VALUES (?1, ?2)")?.execute([seq, self.at])?;
            self.seq = seq;
        }
        Ok(())
    }
}

/// Lines up to this one are gone: so are their marks.
pub(super) fn forget(conn: &Connection, upto: i64) -> Result<(), Error> {
    conn.prepare_cached("DELETE FROM log_mark WHERE seq <= ?1")?.execute([upto])?;
    Ok(())
}

/// A line before which none is as young as this, in microseconds.
pub(super) fn first_since(conn: &Connection, since: i64) -> Result<i64, Error> {
    let mut find = conn.prepare_cached("SELECT seq FROM log_mark WHERE at < ?1 ORDER BY seq DESC LIMIT 1")?;
    Ok(find.query_row([since], |row| row.get::<_, i64>(0)).optional()?.map_or(0, |seq| seq + 1))
}

/// The first line of this event or a later one, [`LATE`] ones left aside; behind the last where there is none.
pub(super) fn first_of(conn: &Connection, event: i64) -> Result<i64, Error> {
    let mut ends = conn.prepare_cached("SELECT (SELECT min(seq) FROM log), (SELECT max(seq) FROM log)")?;
    let (first, last): (Option<i64>, Option<i64>) = ends.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (mut low, mut high) = (first.unwrap_or(0), last.unwrap_or(0).saturating_add(1));
    let mut next =
        conn.prepare_cached("SELECT seq, event FROM log WHERE seq >= ?1 AND action <> 'duplicate' ORDER BY seq LIMIT 1")?;
    while low < high {
        let middle = low + (high - low) / 2;
        let found: Option<(i64, i64)> = next.query_row([middle], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        match found {
            Some((seq, of)) if of < event => low = seq + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}
