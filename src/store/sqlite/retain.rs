//! Letting go of what is old or too much, in slices between batches, and giving its room back. One slice is one transaction.
//!
//! Never touches what is under a key now, nor the last event, change and log line, from which numbers go on. A superseded change
//! goes once the one that superseded it is out of the horizon: so the state as of the horizon, and of all after it, stays whole.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::mark;
use super::read::{keeps_chain, number, text};
use crate::engine::event::{Body, Event};
use crate::engine::state::Key;
use crate::store::Error;
use crate::store::retention::{Keep, Retention, Size, Sizes};

/// Rows of each kind that one slice counts and lets go: a few milliseconds.
pub(super) const ROWS: i64 = 500;
/// Bytes of rows that one slice reads or lets go: rows may be large.
const BYTES: i64 = 4 << 20;
/// Pages that one slice gives back: 2 MiB.
const PAGES: i64 = 512;
/// Free pages that stay (1 MiB), or a sixteenth of the file: what comes next is written there.
const SPARE: i64 = 256;
/// What a row takes beside its texts, roughly.
const ROW: i64 = 48;
/// What is younger is never let go for being too much: somebody is just looking at it.
const YOUNG: i64 = 3_600_000_000;

/// Where the work on one kind stands, as in the table `retention`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Kind {
    gone: i64,
    seq: i64,
    counted: i64,
    bytes: i64,
}

/// One slice.
struct Slice<'a> {
    conn: &'a Connection,
    policy: Retention,
    /// Microseconds since 1970.
    now: i64,
    /// Events younger than this many microseconds hold delivery ids that must be known.
    horizon: i64,
    rows: i64,
    payload: Kind,
    event: Kind,
    change: Kind,
    log: Kind,
    /// Bytes that may still be moved.
    left: i64,
    /// A kind had as much to let go as a slice takes.
    more: bool,
}

/// Does one slice of the work; whether there is more to do at once. `from` is where the search for old events begins.
pub(super) fn slice(
    conn: &Connection,
    policy: &Retention,
    (now, horizon): (Timestamp, i64),
    rows: i64,
    from: &mut i64,
) -> Result<bool, Error> {
    let read = |kind| kind_of(conn, kind);
    let mut slice = Slice {
        conn,
        policy: policy.fitting(),
        now: now.as_microsecond(),
        horizon: horizon.saturating_add(horizon / 4), // the memory of deliveries forgets a part later
        rows,
        payload: read("payload")?,
        event: read("event")?,
        change: read("change")?,
        log: read("log")?,
        left: BYTES,
        more: false,
    };
    let before = slice.state();
    let transaction = conn.unchecked_transaction()?; // rolled back when dropped
    slice.count()?;
    let pressed = slice.is_too_large()?;
    let mut done = slice.payloads(pressed)?;
    done += slice.changes(pressed && done == 0)?;
    done += slice.events(pressed && done == 0, from)?;
    done += slice.lines(pressed && done == 0)?;
    slice.more |= pressed && done > 0;
    if slice.state() != before {
        slice.write()?;
        transaction.commit()?;
    }
    let free = vacuum(conn)?;
    Ok(slice.more || slice.left <= 0 || free)
}

impl Slice<'_> {
    fn state(&self) -> [Kind; 4] {
        [self.payload, self.event, self.change, self.log]
    }

    fn write(&self) -> Result<(), Error> {
        let mut update =
            self.conn.prepare_cached("UPDATE retention SET gone = ?2, seq = ?3, counted = ?4, bytes = ?5 WHERE kind = ?1")?;
        for (kind, k) in ["payload", "event", "change", "log"].into_iter().zip(self.state()) {
            update.execute(params![kind, k.gone, k.seq, k.counted, k.bytes.max(0)])?;
        }
        Ok(())
    }

    /// Counts what has come since: what is let go has been counted before.
    fn count(&mut self) -> Result<(), Error> {
        let upto = |table: &str, key: &str, size: &str, from: i64| -> Result<(i64, i64, i64), Error> {
            let sql = format!(
                "SELECT count(*), coalesce(max(k), ?1), coalesce(sum(n), 0)
                 FROM (SELECT {key} k, {size} n FROM {table} WHERE {key} > ?1 ORDER BY {key} LIMIT ?2)"
            );
            let mut statement = self.conn.prepare_cached(&sql)?;
            // Counting is cheap: it reads along the table.
            Ok(statement.query_row([from, 8 * self.rows], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?)
        };
        let mut full = false;
        for (kind, table, key, size) in [
            (&mut self.payload, "event", "seq", "octet_length(event)"),
            (&mut self.change, "change", "id", CHANGE_SIZE),
            (&mut self.log, "log", "seq", LINE_SIZE),
        ] {
            let (rows, last, bytes) = upto(table, key, size, kind.counted)?;
            kind.counted = last;
            kind.bytes += bytes + rows * ROW;
            full |= rows == 8 * self.rows;
        }
        self.event.counted = self.payload.counted;
        self.more |= full;
        Ok(())
    }

    /// Whether all of it is more than the file may take.
    fn is_too_large(&self) -> Result<bool, Error> {
        let (pages, free, size) = pages(self.conn)?;
        Ok(u64::try_from((pages - free) * size).unwrap_or(0) > self.policy.size)
    }

    /// Whether something of that time may go.
    fn is_due(&self, at: i64, keep: &Keep, kind: &Kind, pressed: bool) -> bool {
        let age = self.now.saturating_sub(at);
        let over = keep.bytes.is_some_and(|most| u64::try_from(kind.bytes).unwrap_or(0) > most);
        age > micros(keep.age) || ((over || pressed) && age > YOUNG)
    }

    /// Takes the payloads out of events; how many.
    fn payloads(&mut self, pressed: bool) -> Result<i64, Error> {
        let (mut done, conn) = (0, self.conn);
        let mut find =
            conn.prepare_cached("SELECT seq, received, event FROM event WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3")?;
        let mut rows = find.query(params![self.payload.gone, self.payload.counted, self.rows])?;
        while self.left > 0
            && let Some(row) = rows.next()?
        {
            let (seq, received): (i64, i64) = (row.get(0)?, row.get(1)?);
            if !self.is_due(received, &self.policy.payloads, &self.payload, pressed) {
                return Ok(done);
            }
            let text = text(row, 2)?;
            let (mut left, was) = (bytes(text), bytes(text));
            if !is_waiting(conn, seq)?
                && let Some(blank) = blanked(text)?
            {
                left = bytes(&blank);
                conn.prepare_cached("UPDATE event SET event = ?2 WHERE seq = ?1")?.execute(params![seq, blank])?;
            }
            self.left -= was;
            self.payload.bytes -= was + ROW;
            self.event.bytes += left + ROW;
            self.payload.gone = seq;
            done += 1;
        }
        self.more |= done == self.rows;
        Ok(done)
    }

    /// Drops changes that are superseded since before the horizon; how many were looked at.
    fn changes(&mut self, pressed: bool) -> Result<i64, Error> {
        let (mut done, conn) = (0, self.conn);
        let mut find = conn.prepare_cached(
            "SELECT c.id, c.seq, c.prev, c.entry IS NULL, e.received, c.key FROM change c LEFT JOIN event e ON e.seq = c.seq
             WHERE c.id > ?1 AND c.id <= ?2 ORDER BY c.id LIMIT ?3",
        )?;
        let last: i64 = conn.query_row("SELECT coalesce(max(id), 0) FROM change", [], |row| row.get(0))?;
        let mut drop = conn.prepare_cached(&format!("DELETE FROM change WHERE id = ?1 RETURNING {CHANGE_SIZE}"))?;
        let mut drop = |id: i64| drop.query_row([id], |row| row.get::<_, i64>(0)).optional();
        let mut rows = find.query(params![self.change.gone, self.change.counted, self.rows])?;
        while self.left > 0
            && let Some(row) = rows.next()?
        {
            // Events that are gone are older than any that is not.
            let received = row.get::<_, Option<i64>>(4)?.unwrap_or(i64::MIN);
            if !self.is_due(received, &self.policy.changes, &self.change, pressed) {
                return Ok(done);
            }
            let (id, seq, prev): (i64, i64, Option<i64>) = (row.get(0)?, row.get(1)?, row.get(2)?);
            // That a short-lived key was removed is known without it; of others it is what is under the key.
            let own = (row.get(3)? && id != last && !is_kept(text(row, 5)?)).then_some(id);
            for superseded in [prev, own].into_iter().flatten() {
                let size = drop(superseded)?.map_or(0, |bytes| bytes + ROW);
                self.left -= size;
                self.change.bytes -= size;
            }
            (self.change.gone, self.change.seq) = (id, seq);
            done += 1;
        }
        self.more |= done == self.rows;
        Ok(done)
    }

    /// Drops events that have neither payload nor changes any more; how many.
    fn events(&mut self, pressed: bool, from: &mut i64) -> Result<i64, Error> {
        let (mut done, mut seen, conn) = (0, 0, self.conn);
        let mut find = conn.prepare_cached(
            "SELECT seq, received, octet_length(event) FROM event
             WHERE seq > ?1 AND seq <= min(?2, ?3) AND seq < (SELECT max(seq) FROM event) ORDER BY seq LIMIT ?4",
        )?;
        // How old a change is, its event tells.
        let waits = conn.prepare_cached("SELECT 1 FROM change WHERE id > ?1")?.exists([self.change.gone])?;
        let changes = if waits { self.change.seq } else { i64::MAX };
        let mut rows = find.query(params![*from, self.payload.gone, changes, self.rows])?;
        while self.left > 0
            && let Some(row) = rows.next()?
        {
            let (seq, received, size): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let known = self.now.saturating_sub(received) <= self.horizon;
            if known || !self.is_due(received, &self.policy.events, &self.event, pressed) {
                return Ok(done);
            }
            seen += 1;
            *from = seq;
            if !is_waiting(conn, seq)? {
                conn.prepare_cached("DELETE FROM event WHERE seq = ?1")?.execute([seq])?;
                self.left -= size;
                self.event.bytes -= size + ROW;
                self.event.gone = self.event.gone.max(seq);
                done += 1;
            }
        }
        self.more |= seen == self.rows;
        Ok(done)
    }

    /// Drops lines of the action log; how many.
    fn lines(&mut self, pressed: bool) -> Result<i64, Error> {
        let (mut done, conn) = (0, self.conn);
        let mut find = conn.prepare_cached(&format!(
            "SELECT seq, at, {LINE_SIZE} FROM log WHERE seq <= ?1 AND seq < (SELECT max(seq) FROM log) ORDER BY seq LIMIT ?2"
        ))?;
        let mut rows = find.query(params![self.log.counted, self.rows])?;
        while self.left > 0
            && let Some(row) = rows.next()?
        {
            let (seq, at, size): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if !self.is_due(at, &self.policy.log, &self.log, pressed) {
                break;
            }
            conn.prepare_cached("DELETE FROM log WHERE seq = ?1")?.execute([seq])?;
            self.left -= size;
            self.log.bytes -= size + ROW;
            self.log.gone = seq;
            done += 1;
        }
        if done > 0 {
            mark::forget(conn, self.log.gone)?;
        }
        self.more |= done == self.rows;
        Ok(done)
    }
}

const CHANGE_SIZE: &str = "octet_length(key) + coalesce(octet_length(entry), 0)";
const LINE_SIZE: &str = "octet_length(detail) + coalesce(octet_length(record), 0) + octet_length(action)";

fn micros(age: jiff::SignedDuration) -> i64 {
    i64::try_from(age.as_micros()).unwrap_or(i64::MAX)
}

fn bytes(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

/// Whether something waits that needs this event: an item of the quarantine, a root that was rolled back.
fn is_waiting(conn: &Connection, seq: i64) -> Result<bool, Error> {
    let mut find = conn.prepare_cached(
        "SELECT 1 FROM state WHERE partition = 0 AND key IN (printf('quarantine/%016d', ?1), printf('parked/%016d', ?1))",
    )?;
    Ok(find.exists([seq])?)
}

/// Whether a key that is removed keeps its row.
fn is_kept(key: &str) -> bool {
    key.parse::<Key>().is_ok_and(|key| keeps_chain(&key))
}

/// An event without what it said; `None`: it says nothing that could go.
fn blanked(text: &str) -> Result<Option<String>, Error> {
    let mut event: Event = super::read::json("an event", text)?;
    if matches!(event.body, Body::Due(_) | Body::Start(_) | Body::Loaded { .. } | Body::Forgotten) {
        return Ok(None);
    }
    event.body = Body::Forgotten;
    serde_json::to_string(&event).map(Some).map_err(|e| Error::Refused(e.to_string()))
}

/// Gives free pages back to the file system, but for some; whether there are more.
fn vacuum(conn: &Connection) -> Result<bool, Error> {
    let (pages, free, _) = pages(conn)?;
    let spare = SPARE.max(pages / 16);
    if free <= spare || !is_incremental(conn)? {
        return Ok(false);
    }
    let count = (free - spare).min(PAGES);
    // Every step gives one page back.
    let mut statement = conn.prepare(&format!("PRAGMA incremental_vacuum({count})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(free - count > spare)
}

/// Pages of the file, free ones among them, and bytes of one.
fn pages(conn: &Connection) -> Result<(i64, i64, i64), Error> {
    let number = |what: &str| conn.prepare_cached(&format!("PRAGMA {what}"))?.query_row([], |row| row.get(0));
    Ok((number("page_count")?, number("freelist_count")?, number("page_size")?))
}

/// Whether the file can give single pages back.
pub(super) fn is_incremental(conn: &Connection) -> Result<bool, Error> {
    Ok(conn.query_row("PRAGMA auto_vacuum", [], |row| row.get::<_, i64>(0))? == 2)
}

fn kind_of(conn: &Connection, kind: &str) -> Result<Kind, Error> {
    let mut find = conn.prepare_cached("SELECT gone, seq, counted, bytes FROM retention WHERE kind = ?1")?;
    let read = |row: &Row<'_>| Ok(Kind { gone: row.get(0)?, seq: row.get(1)?, counted: row.get(2)?, bytes: row.get(3)? });
    Ok(find.query_row([kind], read)?)
}

/// Up to which change those that were superseded are gone; and before which event state is unknown for that.
pub(super) fn horizon(conn: &Connection) -> Result<(i64, u64), Error> {
    let mut find = conn.prepare_cached("SELECT gone, seq FROM retention WHERE kind = 'change'")?;
    Ok(find.query_row([], |row| Ok((row.get(0)?, number(row, 1)?)))?)
}

/// What each kind takes.
pub(super) fn sizes(conn: &Connection) -> Result<Sizes, Error> {
    let positive = |n: i64| u64::try_from(n).unwrap_or(0);
    let size = |kind| {
        let Kind { gone, counted, bytes, .. } = kind_of(conn, kind)?;
        Ok::<_, Error>(Size { bytes: positive(bytes), counted: positive(counted), gone: positive(gone) })
    };
    let (pages, free, page) = pages(conn)?;
    Ok(Sizes {
        payloads: size("payload")?,
        events: size("event")?,
        changes: size("change")?,
        log: size("log")?,
        file: positive(pages * page),
        free: positive(free * page),
    })
}

#[cfg(test)]
mod tests;
