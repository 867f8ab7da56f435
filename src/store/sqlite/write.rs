//! Writing a batch inside an open transaction. Never begins, commits or rolls one back.

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;

use super::read::{keeps_chain, whole};
use crate::engine::event::Event;
use crate::engine::log::Line;
use crate::engine::state::Change;
use crate::store::{Batch, Error};

/// Writes everything of a batch; changes are numbered from `change` + 1.
pub(super) fn batch(conn: &Connection, batch: &Batch, definition: i64, change: i64) -> Result<(), Error> {
    for e in &batch.events {
        event(conn, e, definition)?;
    }
    for (id, (seq, c)) in (change + 1..).zip(&batch.changes) {
        self::change(conn, id, *seq, c)?;
    }
    for l in &batch.log {
        line(conn, l, definition)?;
    }
    Ok(())
}

fn event(conn: &Connection, event: &Event, definition: i64) -> Result<(), Error> {
    let mut insert = conn.prepare_cached(
        "INSERT INTO event (seq, received, source, delivery, definition, event) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    insert.execute(params![
        whole(event.seq),
        event.received.as_microsecond(),
        event.delivery.as_ref().map(|_| &event.origin),
        event.delivery,
        definition,
        json(format_args!("event {}", event.seq), event)?,
    ])?;
    Ok(())
}

fn change(conn: &Connection, id: i64, seq: u64, change: &Change) -> Result<(), Error> {
    let key = change.key.to_string();
    let entry = change.entry.as_deref().map(|entry| json(&change.key, entry)).transpose()?;
    let former: Option<i64> = conn
        .prepare_cached("SELECT change FROM state WHERE partition = 0 AND key = ?1")?
        .query_row([&key], |row| row.get(0))
        .optional()?;
    conn.prepare_cached("INSERT INTO change (id, seq, prev, key, entry) VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(params![
        id,
        whole(seq),
        former,
        key,
        entry
    ])?;
    let gone = entry.is_none();
    if gone && !keeps_chain(&change.key) {
        conn.prepare_cached("DELETE FROM state WHERE partition = 0 AND key = ?1")?.execute([&key])?;
    } else if former.is_some() {
        conn.prepare_cached("UPDATE state SET change = ?2, gone = ?3 WHERE partition = 0 AND key = ?1")?
            .execute(params![key, id, gone])?;
    } else {
        conn.prepare_cached("INSERT INTO state (key, change, gone) VALUES (?1, ?2, ?3)")?.execute(params![key, id, gone])?;
    }
    Ok(())
}

fn line(conn: &Connection, line: &Line, definition: i64) -> Result<(), Error> {
    let mut insert = conn.prepare_cached(
        "INSERT INTO log (seq, at, event, definition, outcome, action, rule, flow, run, record, detail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
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
    Ok(())
}

fn json(what: impl std::fmt::Display, value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|e| Error::Refused(format!("{what}: {e}")))
}
