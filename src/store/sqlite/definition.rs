//! Definitions in the file: a small number for each hash, and what they were compiled from as long as an event refers to them.
//!
//! Never begins, commits or rolls back a transaction.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::read::whole;
use crate::store::Error;

/// The number of the definitions of this hash; made when they are new.
pub(super) fn id(conn: &Connection, hash: &str) -> Result<i64, Error> {
    let known =
        conn.prepare_cached("SELECT id FROM definition WHERE hash = ?1")?.query_row([hash], |row| row.get(0)).optional()?;
    match known {
        Some(id) => Ok(id),
        None => Ok(conn.prepare_cached("INSERT INTO definition (hash) VALUES (?1)")?.insert([hash])?),
    }
}

/// As [`id`], when other definitions than those of the last batch decide from now on; `last` is the last event before.
pub(super) fn takes_over(conn: &Connection, hash: &str, last: u64) -> Result<i64, Error> {
    let id = self::id(conn, hash)?;
    conn.prepare_cached("UPDATE definition SET last = ?2 WHERE last IS NULL AND id <> ?1")?.execute(params![id, whole(last)])?;
    conn.prepare_cached("UPDATE definition SET last = NULL WHERE id = ?1 AND last IS NOT NULL")?.execute([id])?;
    Ok(id)
}

/// Keeps what the definitions of this hash were compiled from, unless it is there.
pub(super) fn text(conn: &Connection, hash: &str, text: &str) -> Result<(), Error> {
    let id = self::id(conn, hash)?;
    // Those that were in force before, and are to be again: not to be dropped before they are.
    conn.prepare_cached("UPDATE definition SET last = NULL WHERE id = ?1 AND last IS NOT NULL")?.execute([id])?;
    conn.prepare_cached("INSERT OR IGNORE INTO definition_text (definition, text) VALUES (?1, ?2)")?
        .execute(params![id, text])?;
    Ok(())
}

/// Lets those texts go whose definitions decided none of the events that are left; how many.
pub(super) fn drop_texts(conn: &Connection) -> Result<usize, Error> {
    let mut statement = conn.prepare_cached(
        "DELETE FROM definition_text WHERE definition IN (SELECT id FROM definition
         WHERE last < (SELECT coalesce(min(seq), 9223372036854775807) FROM event))",
    )?;
    Ok(statement.execute([])?)
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::super::{Options, Sqlite};
    use super::*;
    use crate::store::suite::{batch, event};
    use crate::store::{Batch, Read as _, Store as _};

    fn decided(seq: u64, hash: &str) -> Batch {
        Batch { definitions: hash.into(), ..batch(vec![event(seq, None)], vec![], vec![]) }
    }

    /// Retention, as far as this room is concerned: events up to here are gone.
    fn forget(store: &Sqlite, seq: u64) {
        store.reader.conn.execute("DELETE FROM event WHERE seq <= ?1", [whole(seq)]).unwrap();
    }

    #[test]
    fn texts_go_with_the_last_event_that_refers_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let mut store = Sqlite::open(&path, Options::default()).unwrap();
        let decide = |store: &mut Sqlite, seq: u64, hash: &str| {
            store.keep_definitions(hash, &format!("规则 {hash}")).unwrap();
            store.commit(&decided(seq, hash)).unwrap();
        };
        for (seq, hash) in [(1, "a"), (2, "b"), (3, "a"), (4, "a"), (5, "c")] {
            decide(&mut store, seq, hash);
        }
        let kept = |store: &Sqlite| ["a", "b", "c", "d"].map(|h| store.definitions_of(h).unwrap().is_some());
        assert_eq!(store.drop_definitions().unwrap(), 0);
        forget(&store, 2);
        assert_eq!((store.drop_definitions().unwrap(), kept(&store)), (1, [true, false, true, false]));
        forget(&store, 3);
        assert_eq!((store.drop_definitions().unwrap(), kept(&store)), (0, [true, false, true, false]));
        // After a restart others may be in force, and those kept may not have decided anything yet.
        drop(store);
        let mut store = Sqlite::open(&path, Options::default()).unwrap();
        store.keep_definitions("d", "新").unwrap();
        forget(&store, 4);
        assert_eq!((store.drop_definitions().unwrap(), kept(&store)), (1, [false, false, true, true]));
        store.commit(&decided(6, "d")).unwrap();
        forget(&store, 5);
        assert_eq!((store.drop_definitions().unwrap(), kept(&store)), (1, [false, false, false, true]));
        // In force again, after they were dropped; no event is left at all.
        store.keep_definitions("a", "规则 a").unwrap();
        forget(&store, 6);
        assert_eq!(
            (store.drop_definitions().unwrap(), kept(&store)),
            (0, [true, false, false, true]),
            "they are about to decide"
        );
        store.commit(&decided(7, "a")).unwrap();
        assert_eq!((store.drop_definitions().unwrap(), kept(&store)), (1, [true, false, false, false]));
        assert_eq!(store.definitions_of("a").unwrap().as_deref(), Some("规则 a"));
    }

    #[test]
    fn a_store_of_the_first_version_is_brought_up_to_date() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(include_str!("migrations/0001.sql")).unwrap();
        old.execute_batch(
            "PRAGMA application_id = 0x69667468; PRAGMA user_version = 1; INSERT INTO definition (hash) VALUES ('a')",
        )
        .unwrap();
        schema::rename(&old).unwrap();
        let event = serde_json::to_string(&event(1, None)).unwrap();
        old.execute("INSERT INTO event (seq, received, definition, event) VALUES (1, 5, 1, ?1)", [event]).unwrap();
        drop(old);
        let mut store = Sqlite::open(&path, Options::default()).unwrap();
        assert_eq!(store.event(1).unwrap().unwrap().definitions, "a");
        assert_eq!((store.definitions_of("a").unwrap(), store.drop_definitions().unwrap()), (None, 0));
        store.keep_definitions("b", "b").unwrap();
        store.commit(&decided(2, "b")).unwrap();
        assert_eq!(store.decided_otherwise(1, "a").unwrap().map(|s| s.event.seq), Some(2));
        assert_eq!(store.definitions_of("b").unwrap().as_deref(), Some("b"));
    }
}
