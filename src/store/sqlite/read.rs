//! Reading the file: what the writer and every reader share. Never writes, and holds no read open between two calls.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, params};
use serde::de::DeserializeOwned;

use super::error::{damaged, name};
use super::{file, mark, retain, schema};
use crate::engine::event::RecordRef;
use crate::engine::log::{Line, Outcome};
use crate::engine::state::{Entry, Key};
use crate::store::retention::Sizes;
use crate::store::{Each, Error, Filter, Last, Read, Stored};

/// For how long a connection waits for another to finish what it does with the file. Writers and readers do not wait for each
/// other here; it is for recovery after a crash, and for people with a database browser.
pub(in crate::store) const PATIENCE: Duration = Duration::from_secs(5);
/// Room for every statement there is.
const STATEMENTS: usize = 64;

/// A reader of the file, beside a running daemon or without one. Many can be open; none is in the writer's way.
#[derive(Debug)]
pub struct Reader {
    pub(in crate::store) conn: Connection,
}

impl Reader {
    /// Opens the store at `path` for reading only.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if !file::exists(path)? {
            return Err(Error::Absent(format!(
                "there is no store at {}: it is made when `ifthen run` first starts",
                path.display()
            )));
        }
        Self::attempt(path).map_err(name(path))
    }

    fn attempt(path: &Path) -> Result<Self, Error> {
        let reader = Self::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let version = schema::version(&reader.conn).map_err(|e| match e {
            Error::Broken(t) => Error::Broken(format!("{t} (reading needs write access to the store's folder as well)")),
            other => other,
        })?;
        match version {
            0 => Err(Error::Absent("nothing is in this store yet: it is filled when `ifthen run` first starts".into())),
            schema::VERSION => Ok(reader),
            _ => Err(Error::Absent("written by an older ifthen: `ifthen run` brings it up to date when it starts".into())),
        }
    }

    /// A connection with what every connection needs.
    pub(super) fn connect(path: &Path, how: OpenFlags) -> Result<Self, Error> {
        let conn = Connection::open_with_flags(path, how | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        conn.busy_timeout(PATIENCE)?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS);
        // A statement is planned once, whatever is asked for by it; else it is planned anew with every key.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        // Sorting never needs a file of its own, which a full disk would refuse.
        conn.pragma_update(None, "temp_store", "MEMORY")?;
        Ok(Self { conn })
    }

    /// Whether this event is that delivery.
    pub(super) fn is_delivery(&self, seq: u64, source: &str, delivery: &str) -> Result<bool, Error> {
        let mut statement = self.conn.prepare_cached("SELECT 1 FROM event WHERE seq = ?1 AND source = ?2 AND delivery = ?3")?;
        Ok(statement.exists(params![whole(seq), source, delivery])?)
    }

    /// What each kind takes, as far as it has been counted.
    pub fn sizes(&self) -> Result<Sizes, Error> {
        retain::sizes(&self.conn)
    }

    /// The latest change of a key: its number.
    fn latest(&self, key: &str) -> Result<Option<i64>, Error> {
        let mut statement = self.conn.prepare_cached("SELECT change FROM state WHERE partition = 0 AND key = ?1")?;
        Ok(statement.query_row([key], |row| row.get(0)).optional()?)
    }

    /// What is there below a prefix, in the order of its keys.
    fn below<T>(
        &self,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
        columns: &str,
        join: &str,
        read: impl Fn(Key, &Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let after = after.map(Key::to_string);
        let (open, from) = match after.as_deref() {
            Some(after) if after >= prefix => (">", after),
            _ => (">=", prefix),
        };
        let sql = format!(
            "SELECT {columns} FROM state s {join}
             WHERE s.partition = 0 AND s.key {open} ?1 AND (?2 IS NULL OR s.key < ?2) AND s.gone = 0 ORDER BY s.key LIMIT ?3"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params![from, behind(prefix), i64::try_from(limit).unwrap_or(i64::MAX)])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let name = text(row, 0)?;
            let key: Key = name.parse().map_err(|()| damaged(format_args!("`{name}` is not a key")))?;
            found.push(read(key, row)?);
        }
        Ok(found)
    }

    /// Lines from `first` on; of one event: among those between which all of it stands.
    fn lines(&self, mut first: i64, filter: &Filter, order: Order, limit: usize) -> Result<Vec<Line>, Error> {
        let mut behind = i64::MAX;
        if let Some(event) = filter.event.map(whole) {
            first = first.max(mark::first_of(&self.conn, event)?);
            behind = mark::first_of(&self.conn, event.saturating_add(1))?;
        }
        let sql = lines_sql(filter, order);
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params![
            first,
            filter.rule,
            filter.flow,
            filter.action,
            filter.outcome.map(Outcome::word),
            filter.since.map(Timestamp::as_microsecond),
            filter.record,
            behind,
            i64::try_from(limit).unwrap_or(i64::MAX),
            filter.event.map(whole),
        ])?;
        let mut lines = Vec::new();
        while let Some(row) = rows.next()? {
            lines.push(line(row)?);
        }
        Ok(lines)
    }

    /// Where to begin to read the log: no line before is as young as asked for.
    fn first_since(&self, since: Option<Timestamp>) -> Result<i64, Error> {
        since.map_or(Ok(0), |since| mark::first_since(&self.conn, since.as_microsecond()))
    }
}

impl Read for Reader {
    fn load(&self, key: &Key) -> Result<Option<Arc<Entry>>, Error> {
        let mut statement = self.conn.prepare_cached(
            "SELECT c.entry FROM state s JOIN change c ON c.id = s.change WHERE s.partition = 0 AND s.key = ?1",
        )?;
        let mut rows = statement.query([key.to_string()])?;
        rows.next()?.map_or(Ok(None), |row| entry(key, row, 0))
    }

    fn scan(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Arc<Entry>)>, Error> {
        self.below(prefix, after, limit, "s.key, c.entry", "CROSS JOIN change c ON c.id = s.change", |key, row| {
            let entry = entry(&key, row, 1)?.ok_or_else(|| damaged(format_args!("{key} has no value")))?;
            Ok((key, entry))
        })
    }

    fn keys(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, Error> {
        self.below(prefix, after, limit, "s.key", "", |key, _| Ok(key))
    }

    fn as_of(&self, key: &Key, seq: u64) -> Result<Option<Arc<Entry>>, Error> {
        let seq = whole(seq);
        let name = key.to_string();
        let mut next = self.latest(&name)?;
        let mut oldest = i64::MAX;
        let mut statement = self.conn.prepare_cached("SELECT seq, prev, entry FROM change WHERE id = ?1")?;
        while let Some(id) = next {
            let mut rows = statement.query([id])?;
            let Some(row) = rows.next()? else {
                let (gone, seq) = retain::horizon(&self.conn)?;
                // Let go, or lost.
                return Err(if id <= gone {
                    Error::Forgotten(seq)
                } else {
                    damaged(format_args!("change {id} of {name} is missing"))
                });
            };
            if row.get::<_, i64>(0)? <= seq {
                return entry(key, row, 2);
            }
            (next, oldest) = (row.get(1)?, id);
        }
        if keeps_chain(key) {
            return Ok(None);
        }
        // The chain of a short-lived key ends where it was last made; what was before is found the long way.
        let mut statement = self
            .conn
            .prepare_cached("SELECT entry FROM change WHERE id < ?1 AND seq <= ?2 AND key = ?3 ORDER BY id DESC LIMIT 1")?;
        let mut rows = statement.query(params![oldest, seq, name])?;
        if let Some(row) = rows.next()? {
            return entry(key, row, 0);
        }
        // From the horizon on, all is known. Before it, only that what was not made yet was not there.
        let (_, horizon) = retain::horizon(&self.conn)?;
        if seq >= whole(horizon) || made(key).is_some_and(|made| whole(made) > seq) {
            Ok(None)
        } else {
            Err(Error::Forgotten(horizon))
        }
    }

    fn scan_as_of(&self, prefix: &str, seq: u64, each: &mut Each<'_>) -> Result<(), Error> {
        let (_, horizon) = retain::horizon(&self.conn)?;
        if seq < horizon {
            return Err(Error::Forgotten(horizon));
        }
        let mut statement = self.conn.prepare_cached("SELECT id FROM change WHERE seq <= ?1 ORDER BY id DESC LIMIT 1")?;
        let Some(then) = statement.query_row([whole(seq)], |row| row.get::<_, i64>(0)).optional()? else { return Ok(()) };
        // In this order, so that what is changed between the two is found twice rather than not at all.
        for sql in [UNCHANGED_SINCE, BEFORE_CHANGES] {
            let mut statement = self.conn.prepare_cached(sql)?;
            let mut rows = statement.query(params![then, prefix, behind(prefix)])?;
            while let Some(row) = rows.next()? {
                let name = text(row, 0)?;
                let key: Key = name.parse().map_err(|()| damaged(format_args!("`{name}` is not a key")))?;
                let entry = entry(&key, row, 1)?.ok_or_else(|| damaged(format_args!("{key} has no value")))?;
                each(key, entry)?;
            }
        }
        Ok(())
    }

    /// By the file alone there is no horizon: any event ever delivered under this id.
    fn delivery(&self, source: &str, delivery: &str) -> Result<Option<u64>, Error> {
        let mut statement =
            self.conn.prepare_cached("SELECT seq FROM event WHERE delivery = ?2 AND source = ?1 ORDER BY seq DESC LIMIT 1")?;
        Ok(statement.query_row([source, delivery], |row| number(row, 0)).optional()?)
    }

    fn last(&self) -> Result<Last, Error> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT (SELECT coalesce(max(seq), 0) FROM event), (SELECT coalesce(max(seq), 0) FROM log)")?;
        Ok(statement.query_row([], |row| Ok(Last { event: number(row, 0)?, log: number(row, 1)? }))?)
    }

    fn event(&self, seq: u64) -> Result<Option<Stored>, Error> {
        let mut statement = self.conn.prepare_cached(
            "SELECT e.seq, e.event, d.hash FROM event e JOIN definition d ON d.id = e.definition WHERE e.seq = ?1",
        )?;
        let mut rows = statement.query([whole(seq)])?;
        rows.next()?.map(stored).transpose()
    }

    fn events(&self, after: u64, limit: usize) -> Result<Vec<Stored>, Error> {
        let mut statement = self.conn.prepare_cached(
            "SELECT e.seq, e.event, d.hash FROM event e CROSS JOIN definition d ON d.id = e.definition
             WHERE e.seq > ?1 ORDER BY e.seq LIMIT ?2",
        )?;
        let mut rows = statement.query(params![whole(after), i64::try_from(limit).unwrap_or(i64::MAX)])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(stored(row)?);
        }
        Ok(found)
    }

    fn log(&self, filter: &Filter, after: u64, limit: usize) -> Result<Vec<Line>, Error> {
        let first = whole(after).saturating_add(1).max(self.first_since(filter.since)?);
        self.lines(first, filter, Order::Forward, limit)
    }

    fn log_tail(&self, filter: &Filter, count: usize) -> Result<Vec<Line>, Error> {
        let first = self.first_since(filter.since)?;
        let mut lines = self.lines(first, filter, Order::Backward, count)?;
        lines.reverse();
        Ok(lines)
    }

    fn log_definitions(&self, seq: u64) -> Result<Option<String>, Error> {
        let mut statement =
            self.conn.prepare_cached("SELECT d.hash FROM log l JOIN definition d ON d.id = l.definition WHERE l.seq = ?1")?;
        Ok(statement.query_row([whole(seq)], |row| row.get(0)).optional()?)
    }

    fn definitions_of(&self, hash: &str) -> Result<Option<String>, Error> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT t.text FROM definition d JOIN definition_text t ON t.definition = d.id WHERE d.hash = ?1")?;
        Ok(statement.query_row([hash], |row| row.get(0)).optional()?)
    }

    fn decided_otherwise(&self, after: u64, hash: &str) -> Result<Option<Stored>, Error> {
        let mut statement = self.conn.prepare_cached(
            "SELECT e.seq, e.event, d.hash FROM event e CROSS JOIN definition d ON d.id = e.definition
             WHERE e.seq > ?1 AND e.definition IS NOT (SELECT id FROM definition WHERE hash = ?2) ORDER BY e.seq LIMIT 1",
        )?;
        let mut rows = statement.query(params![whole(after), hash])?;
        rows.next()?.map(stored).transpose()
    }

    fn instance(&self) -> Result<String, Error> {
        let name = self.conn.query_row("SELECT value FROM meta WHERE name = 'instance'", [], |row| row.get(0)).optional()?;
        name.ok_or_else(|| damaged("it has no name"))
    }
}

/// What is there now and was so then.
const UNCHANGED_SINCE: &str = "SELECT s.key, c.entry FROM state s CROSS JOIN change c ON c.id = s.change
     WHERE s.partition = 0 AND s.key >= ?2 AND (?3 IS NULL OR s.key < ?3) AND s.change <= ?1 AND s.gone = 0";

/// What the first change since then of each key replaced: a chain that begins later points to nothing before.
const BEFORE_CHANGES: &str = "SELECT c.key, p.entry FROM change c CROSS JOIN change p ON p.id = c.prev
     WHERE c.id > ?1 AND c.prev <= ?1 AND c.key >= ?2 AND (?3 IS NULL OR c.key < ?3) AND p.entry IS NOT NULL";

/// One text for all filters but that for an event, so that few statements are prepared.
pub(super) fn lines_sql(filter: &Filter, order: Order) -> String {
    let which = match filter.event {
        None => "seq >= ?1 AND seq < ?8 AND ?10 IS NULL",
        Some(_) => {
            "seq IN (SELECT seq FROM log WHERE seq >= ?1 AND seq < ?8 AND action <> 'duplicate'
                     UNION ALL SELECT seq FROM log WHERE action = 'duplicate' AND event = ?10 AND seq >= ?1)"
        }
    };
    let order = order.word();
    format!(
        "SELECT seq, at, event, rule, flow, run, record, action, outcome, detail FROM log
         WHERE {which}
           AND (?2 IS NULL OR rule = ?2) AND (?3 IS NULL OR flow = ?3) AND (?4 IS NULL OR action = ?4)
           AND (?5 IS NULL OR outcome = ?5) AND (?6 IS NULL OR at >= ?6)
           AND (?7 IS NULL OR record = ?7 OR substr(record, instr(record, '/') + 1) = ?7)
         ORDER BY seq {order} LIMIT ?9"
    )
}

/// Along the log or against it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    Forward,
    Backward,
}

impl Order {
    fn word(self) -> &'static str {
        match self {
            Self::Forward => "ASC",
            Self::Backward => "DESC",
        }
    }
}

/// Whether a key that is removed keeps its row, so that its past is found quickly. Short-lived ones, of which there is no end,
/// do not.
pub(in crate::store) fn keeps_chain(key: &Key) -> bool {
    match key {
        Key::Record(_) | Key::Mark { .. } | Key::Pointer(_) | Key::Enrolled { .. } | Key::Budget(_) | Key::Cursor(_) => true,
        Key::Window { .. } | Key::Windows | Key::Graphs => true,
        Key::Armed { .. } | Key::Tick(_) | Key::Schedules | Key::Paused => true,
        Key::Gate { .. } | Key::Silences | Key::Tokens => true,
        Key::Call(_) | Key::Timer(_) | Key::Run(_) | Key::Graph(_) | Key::Parked(_) | Key::Sweep(_) | Key::Items { .. } => false,
        Key::Contact(_) | Key::Awaits => true,
        Key::Quarantine(_) | Key::Sent(_) | Key::Task(_) | Key::Awaiting { .. } => false,
    }
}

/// The event that made a short-lived thing, where its key says so.
fn made(key: &Key) -> Option<u64> {
    match key {
        Key::Call(id) | Key::Sent(id) => Some(id.seq),
        Key::Timer(id) => Some(id.seq),
        Key::Task(id) => Some(id.seq),
        Key::Parked(seq) | Key::Quarantine(seq) => Some(*seq),
        Key::Run(id) => id.strip_prefix('r')?.split('-').next()?.parse().ok(),
        _ => None,
    }
}

/// The smallest text behind all that begin with `prefix`; `None`: there is none. Bytes of UTF-8 sort as characters do.
pub(in crate::store) fn behind(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        let next = if last == '\u{D7FF}' { Some('\u{E000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            text.push(next);
            return Some(text);
        }
    }
    None
}

/// A number for a parameter; what is larger than any stored one finds the same as the largest.
pub(super) fn whole(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// A number from a column; they are never negative.
pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

pub(super) fn text<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r str, Error> {
    row.get_ref(column)?.as_str().map_err(damaged)
}

/// Text that may be absent.
pub(super) fn text_if<'r>(row: &'r Row<'_>, column: usize) -> Result<Option<&'r str>, Error> {
    row.get_ref(column)?.as_str_or_null().map_err(damaged)
}

pub(super) fn json<T: DeserializeOwned>(what: impl Display, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|e| damaged(format_args!("{what} cannot be read: {e}")))
}

fn entry(key: &Key, row: &Row<'_>, column: usize) -> Result<Option<Arc<Entry>>, Error> {
    text_if(row, column)?.map(|text| json(key, text).map(Arc::new)).transpose()
}

fn stored(row: &Row<'_>) -> Result<Stored, Error> {
    let seq = number(row, 0)?;
    Ok(Stored { event: json(format_args!("event {seq}"), text(row, 1)?)?, definitions: row.get(2)? })
}

fn line(row: &Row<'_>) -> Result<Line, Error> {
    let seq = number(row, 0)?;
    let wrong = |what: &str| damaged(format_args!("{what} of log line {seq} cannot be read"));
    let record = |text: &str| {
        let (entity, id) = text.split_once('/').ok_or_else(|| wrong("record"))?;
        Ok::<_, Error>(RecordRef { entity: entity.into(), id: id.into() })
    };
    Ok(Line {
        seq,
        at: Timestamp::from_microsecond(row.get(1)?).map_err(|_| wrong("time"))?,
        event: number(row, 2)?,
        rule: row.get(3)?,
        flow: row.get(4)?,
        run: row.get(5)?,
        record: text_if(row, 6)?.map(record).transpose()?,
        action: row.get(7)?,
        outcome: Outcome::of(text(row, 8)?).ok_or_else(|| wrong("outcome"))?,
        detail: json(format_args!("detail of log line {seq}"), text(row, 9)?)?,
    })
}
