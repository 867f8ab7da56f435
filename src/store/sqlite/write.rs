//! Writing a batch inside an open transaction. Never begins, commits or rolls one back.

use rusqlite::{CachedStatement, Connection, OptionalExtension as _, params};
use serde::Serialize;

use super::mark::Mark;
use super::read::{keeps_chain, whole};
use crate::engine::event::Event;
use crate::engine::log::Line;
use crate::engine::state::Change;
use crate::store::{Batch, Error};

/// Writes everything of a batch; changes are numbered from `change` + 1. How far the log is marked afterwards.
pub(super) fn batch(conn: &Connection, batch: &Batch, definition: i64, change: i64, mark: Mark) -> Result<Mark, Error> {
    events(conn, &batch.events, definition)?;
    let mut changes = Changes::new(conn)?;
    for (id, (seq, c)) in (change + 1..).zip(&batch.changes) {
        changes.write(id, *seq, c)?;
    }
    lines(conn, &batch.log, definition, mark)
}

fn events(conn: &Connection, events: &[Event], definition: i64) -> Result<(), Error> {
    let mut insert = conn.prepare_cached(
        "INSERT INTO event (seq, received, source, delivery, definition, event) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for event in events {
        insert.execute(params![
            whole(event.seq),
            event.received.as_microsecond(),
            event.delivery.as_ref().map(|_| &event.origin),
            event.delivery,
            definition,
            json(format_args!("event {}", event.seq), event)?,
        ])?;
    }
    Ok(())
}

/// What writes changes, prepared once for all of a batch.
struct Changes<'c> {
    former: CachedStatement<'c>,
    append: CachedStatement<'c>,
    add: CachedStatement<'c>,
    put: CachedStatement<'c>,
    forget: CachedStatement<'c>,
}

impl<'c> Changes<'c> {
    fn new(conn: &'c Connection) -> Result<Self, Error> {
        Ok(Self {
            former: conn.prepare_cached("SELECT change FROM state WHERE partition = 0 AND key = ?1")?,
            append: conn.prepare_cached("INSERT INTO change (id, seq, prev, key, entry) VALUES (?1, ?2, ?3, ?4, ?5)")?,
            add: conn.prepare_cached("INSERT INTO state (key, change, gone) VALUES (?1, ?2, ?3)")?,
            put: conn.prepare_cached("UPDATE state SET change = ?2, gone = ?3 WHERE partition = 0 AND key = ?1")?,
            forget: conn.prepare_cached("DELETE FROM state WHERE partition = 0 AND key = ?1")?,
        })
    }

    fn write(&mut self, id: i64, seq: u64, change: &Change) -> Result<(), Error> {
        let key = change.key.to_string();
        let entry = change.entry.as_deref().map(|entry| json(&change.key, entry)).transpose()?;
        let former: Option<i64> = self.former.query_row([&key], |row| row.get(0)).optional()?;
        self.append.execute(params![id, whole(seq), former, key, entry])?;
        if entry.is_none() && !keeps_chain(&change.key) {
            self.forget.execute([&key])?;
        } else {
            let put = if former.is_some() { &mut self.put } else { &mut self.add };
            put.execute(params![key, id, entry.is_none()])?;
        }
        Ok(())
    }
}

fn lines(conn: &Connection, lines: &[Line], definition: i64, mut mark: Mark) -> Result<Mark, Error> {
    let mut insert = conn.prepare_cached(
        "INSERT INTO log (seq, at, event, definition, outcome, action, rule, flow, run, record, detail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    for line in lines {
        insert.execute(params![
            whole(line.seq),
            line.at.as_microsecond(),
            whole(line.event),
            definition,
            line.outcome.word(),
            line.action,
            line.rule,
            line.flow,
            line.run,
            line.record.as_ref().map(ToString::to_string),
            json(format_args!("detail of log line {}", line.seq), &line.detail)?,
        ])?;
        mark.pass(conn, whole(line.seq), line.at.as_microsecond())?;
    }
    Ok(mark)
}

fn json(what: impl std::fmt::Display, value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|e| Error::Refused(format!("{what}: {e}")))
}
