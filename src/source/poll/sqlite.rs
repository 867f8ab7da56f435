//! A SQLite file of another program, opened read only and anew each round, so that a file that was replaced is noticed.
//!
//! The query stands in brackets in ours: filter, order and limit are put around it, its own columns and names stay its own.
//! It must yield the same for a row that has not changed: a column made of `'now'` or `random()` makes every row new each time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, params_from_iter};
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};

use super::cursor::{Cell, Cursor, Reading};
use super::{Error, Row, Rows, Table};
use crate::engine::value::{Map, Value};

/// For so long another program's lock is waited for.
const BUSY: Duration = Duration::from_secs(5);
/// Bytes of one value; a row with a larger one is unreadable.
const MAX_VALUE: usize = 1 << 20;

/// What stands before the query; errors count from behind it.
const BEFORE: &str = "SELECT * FROM (\n";

#[derive(Debug)]
pub(super) struct Sqlite {
    file: PathBuf,
    query: String,
    by: Vec<String>,
}

impl Sqlite {
    pub(super) fn new(file: &Path, query: &str, by: &[String]) -> Self {
        let query = query.trim().trim_end_matches(|c: char| c == ';' || c.is_whitespace()).to_owned();
        Self { file: file.to_owned(), query, by: by.to_vec() }
    }
}

impl Table for Sqlite {
    fn read(&mut self, cursor: Option<&Value>, limit: usize) -> Result<Rows, Error> {
        let cursor = cursor.map(|value| Cursor::read(value, &self.by)).transpose()?;
        let db = self.open()?;
        let columns = self.columns(&db)?;
        let places = self.places(&columns)?;
        let from: Vec<Cell> = cursor.as_ref().map(|c| c.from.clone()).unwrap_or_default();
        let sql = self.sql(from.len());
        let mut statement = db.prepare(&sql).map_err(|e| self.error(e))?;
        let mut found = statement.query(params_from_iter(from.iter().map(parameter))).map_err(|e| self.error(e))?;
        let mut reading = Reading::new(cursor, &self.by);
        let mut rows = Rows::default();
        while let Some(row) = found.next().map_err(|e| self.error(e))? {
            if reading.taken() == limit {
                rows.more = true;
                break;
            }
            let position = places.iter().map(|at| self.cell(row, *at, &columns)).collect::<Result<Vec<_>, _>>()?;
            let (data, fault, content) = self.content(row, &columns)?;
            if let Some(mark) = reading.take(position.clone(), content) {
                rows.rows.push(Row { data, fault, position, mark });
            }
        }
        if reading.late() > 0 && self.is_volatile() {
            rows.notices.push(format!(
                "{} rows came again with other content: the query seems to yield another value each time it is asked ('now', random())",
                reading.late()
            ));
        }
        rows.cursor = reading.finish(!rows.more)?;
        if !rows.more && self.has_null(&db)? {
            rows.notices.push(format!("rows whose `{}` is NULL are not seen until it has a value", self.first()));
        }
        Ok(rows)
    }
}

impl Sqlite {
    fn first(&self) -> &str {
        self.by.first().map_or("", String::as_str)
    }

    fn open(&self) -> Result<Connection, Error> {
        // No SQLITE_OPEN_URI: a file's name is a name, whatever it looks like.
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&self.file, flags).map_err(|e| self.error(e))?;
        db.busy_timeout(BUSY).map_err(|e| self.error(e))?;
        Ok(db)
    }

    fn columns(&self, db: &Connection) -> Result<Vec<String>, Error> {
        let statement = db.prepare(&format!("{BEFORE}{}\n)", self.query)).map_err(|e| self.error(e))?;
        Ok(statement.column_names().map(str::to_owned).collect())
    }

    /// Where the cursor columns stand; SQLite's names know no case.
    fn places(&self, columns: &[String]) -> Result<Vec<usize>, Error> {
        let place = |name: &String| {
            let at = columns.iter().position(|c| c.eq_ignore_ascii_case(name));
            at.ok_or_else(|| Error::Column { column: name.clone(), known: columns.join(", ") })
        };
        if self.by.is_empty() {
            return Err(Error::Column { column: String::new(), known: columns.join(", ") });
        }
        self.by.iter().map(place).collect()
    }

    /// From a position of so many columns on.
    ///
    /// Binary collation throughout: under NOCASE `a` and `A` would be one position to SQLite and two to us. The names are
    /// qualified, because SQLite takes a bare quoted name that it does not know for a text.
    fn sql(&self, from: usize) -> String {
        let column = |name: &String| format!("\"polled\".\"{}\" COLLATE BINARY", name.replace('"', "\"\""));
        let columns: Vec<String> = self.by.iter().map(column).collect();
        let first = columns.first().map_or("", String::as_str);
        let holds = match from {
            0 => format!("{first} IS NOT NULL"),
            1 => format!("{first} >= ?1"),
            n => {
                let marks: Vec<String> = (1..=n).map(|i| format!("?{i}")).collect();
                // The first comparison says nothing new; it lets SQLite search the index instead of scanning it.
                format!("{first} >= ?1 AND ({}) >= ({})", columns[..n].join(", "), marks.join(", "))
            }
        };
        format!("{BEFORE}{}\n) AS \"polled\" WHERE {holds} ORDER BY {}", self.query, columns.join(", "))
    }

    fn has_null(&self, db: &Connection) -> Result<bool, Error> {
        let column = self.first().replace('"', "\"\"");
        let sql = format!("SELECT EXISTS (\n{BEFORE}{}\n) AS \"polled\" WHERE \"polled\".\"{column}\" IS NULL)", self.query);
        db.query_row(&sql, [], |row| row.get(0)).map_err(|e| self.error(e))
    }

    fn is_volatile(&self) -> bool {
        let query = self.query.to_ascii_lowercase();
        ["'now'", "random", "current_time", "current_date"].iter().any(|word| query.contains(word))
    }

    fn cell(&self, row: &rusqlite::Row<'_>, at: usize, columns: &[String]) -> Result<Cell, Error> {
        let wrong = |what| Error::Content { column: columns.get(at).cloned().unwrap_or_default(), what };
        Ok(match row.get_ref(at).map_err(|e| self.error(e))? {
            ValueRef::Null => Cell::Null,
            ValueRef::Integer(n) => Cell::Integer(n),
            ValueRef::Real(r) => Cell::Real(r),
            ValueRef::Blob(b) if b.len() > MAX_VALUE => return Err(wrong("more than 1 MiB")),
            ValueRef::Text(t) if t.len() > MAX_VALUE => return Err(wrong("more than 1 MiB")),
            ValueRef::Blob(b) => Cell::Blob(b.to_vec()),
            ValueRef::Text(t) => match std::str::from_utf8(t) {
                Ok(t) if !t.contains('\0') => Cell::Text(t.to_owned()),
                Ok(_) => return Err(wrong("text with NUL")),
                Err(_) => return Err(wrong("text that is not UTF-8")),
            },
        })
    }

    /// A row's columns, what is wrong with it, and a hash of all of it.
    fn content(&self, row: &rusqlite::Row<'_>, columns: &[String]) -> Result<(Map, Option<String>, u64), Error> {
        let (mut data, mut fault, mut hash) = (Map::new(), None, Sha256::new());
        for (at, name) in columns.iter().enumerate() {
            let cell = row.get_ref(at).map_err(|e| self.error(e))?;
            let bytes = match cell {
                ValueRef::Null => Vec::new(),
                ValueRef::Integer(n) => n.to_be_bytes().to_vec(),
                ValueRef::Real(r) => r.to_be_bytes().to_vec(),
                ValueRef::Text(b) | ValueRef::Blob(b) => b.to_vec(),
            };
            // Name, type and length before the bytes, so that no two rows run into the same text.
            hash.update(format!("{name}\0{}\0{}\0", cell.data_type(), bytes.len()));
            hash.update(&bytes);
            let (value, wrong) = value(cell);
            fault = fault.or(wrong.map(|what| format!("column `{name}` holds {what}")));
            data.insert(name.clone(), value);
        }
        let [a, b, c, d, e, f, g, h, ..] = hash.finalize().0;
        Ok((data, fault, u64::from_be_bytes([a, b, c, d, e, f, g, h])))
    }

    fn error(&self, error: rusqlite::Error) -> Error {
        let (file, reason) = (self.file.display().to_string(), reason(&error, &self.query));
        // Wrong SQL comes without a code of its own.
        match error.sqlite_error_code().filter(|code| *code != ErrorCode::Unknown) {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Locked { file },
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => Error::Open { file, reason },
            Some(_) => Error::Damaged { file, reason },
            None if reason.starts_with("no such ") => Error::Schema { file, reason },
            None => Error::Query { file, reason },
        }
    }
}

/// SQLite's own words, and the place in the query where it says so.
fn reason(error: &rusqlite::Error, query: &str) -> String {
    let rusqlite::Error::SqlInputError { msg, offset, .. } = error else { return error.to_string() };
    let before = usize::try_from(*offset).ok().and_then(|o| o.checked_sub(BEFORE.len())).and_then(|o| query.get(..o));
    before.map_or_else(
        || msg.clone(),
        |text| {
            let line = text.matches('\n').count() + 1;
            let column = text.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            format!("{msg} (line {line}, column {column} of the query)")
        },
    )
}

fn parameter(cell: &Cell) -> rusqlite::types::Value {
    match cell {
        Cell::Null => rusqlite::types::Value::Null,
        Cell::Integer(n) => (*n).into(),
        Cell::Real(r) => (*r).into(),
        Cell::Text(t) => t.clone().into(),
        Cell::Blob(b) => b.clone().into(),
    }
}

/// A column's value as a member of the payload, and what is wrong with it.
fn value(cell: ValueRef<'_>) -> (Value, Option<&'static str>) {
    match cell {
        ValueRef::Null => (Value::Null, None),
        ValueRef::Integer(n) => (n.into(), None),
        // A real beyond what decimals hold stays readable, as text.
        ValueRef::Real(r) => (r.to_string().parse::<Decimal>().map_or_else(|_| r.to_string().into(), Value::Number), None),
        ValueRef::Text(b) | ValueRef::Blob(b) if b.len() > MAX_VALUE => (Value::Null, Some("more than 1 MiB")),
        ValueRef::Blob(b) => (super::cursor::hex(b).into(), None),
        ValueRef::Text(t) => match std::str::from_utf8(t) {
            Ok(t) if !t.contains('\0') => (t.into(), None),
            Ok(t) => (t.replace('\0', "\u{fffd}").into(), Some("text with NUL")),
            Err(_) => (String::from_utf8_lossy(t).replace('\0', "\u{fffd}").into(), Some("text that is not UTF-8")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture {
        _folder: tempfile::TempDir,
        file: PathBuf,
        db: Connection,
    }

    fn fixture(sql: &str) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("erp.db");
        let db = Connection::open(&file).unwrap();
        db.execute_batch(sql).unwrap();
        Fixture { _folder: folder, file, db }
    }

    impl Fixture {
        fn table(&self, query: &str, by: &[&str]) -> Sqlite {
            Sqlite::new(&self.file, query, &by.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>())
        }

        /// The column `x` of every row that is new since the cursor, in batches of `limit`; the cursor moves on.
        fn check(&self, query: &str, by: &[&str], cursor: &mut Option<Value>, limit: usize, expect: &str) {
            let mut got = Vec::new();
            for round in 0.. {
                assert!(round < 100, "it goes on and on: {}", got.join(" "));
                let rows = self.table(query, by).read(cursor.as_ref(), limit).unwrap();
                assert!(rows.rows.len() <= limit);
                got.extend(rows.rows.iter().map(|r| r.data["x"].to_string()));
                let stored = rows.cursor.map(|c| serde_json::to_string(&c.value()).unwrap());
                *cursor = stored.map(|t| serde_json::from_str(&t).unwrap()).or(cursor.take());
                if !rows.more {
                    break;
                }
            }
            assert_eq!(got.join(" "), expect);
        }

        fn fails(&self, query: &str, by: &[&str], expect: &str) -> Error {
            let error = self.table(query, by).read(None, 10).unwrap_err();
            assert_eq!(error.to_string().replace(&self.file.display().to_string(), "erp.db"), expect);
            error
        }
    }

    #[test]
    fn every_type_comes_back_as_it_was() {
        let f = fixture(
            "CREATE TABLE t (at, x TEXT); INSERT INTO t VALUES (5, 'a'), (5.5, 'b'), (9223372036854775807, 'c'), (1e300, 'd'), \
             ('10', 'e'), ('9', 'f'), ('刘', 'g'), (x'00ff', 'h')",
        );
        let query = "SELECT at, x FROM t";
        for limit in [1, 2, 100] {
            let mut cursor = None;
            f.check(query, &["at"], &mut cursor, limit, "a b c d e f g h");
            f.check(query, &["at"], &mut cursor, limit, "");
        }
        let rows = f.table("SELECT 1 AS at, 1.10 AS r, 7 AS i, 't' AS t, NULL AS n, x'0f' AS b, 1e300 AS big", &["at"]);
        let data = { rows }.read(None, 9).unwrap().rows.remove(0).data;
        let plain = r#"{"at":1,"b":"0f","big":"1%","i":7,"n":null,"r":1.1,"t":"t"}"#.replace('%', &"0".repeat(300));
        assert_eq!(serde_json::to_string(&Value::Map(data).plain()).unwrap(), plain);
    }

    #[test]
    fn integer_and_real_of_one_value_are_one_group() {
        let f =
            fixture("CREATE TABLE t (at, id, x); INSERT INTO t VALUES (5, 1, 'a'), (5.0, 2, 'b'), (5, 3, 'c'), (5.0, 4, 'd')");
        let mut cursor = None;
        f.check("SELECT * FROM t", &["at", "id"], &mut cursor, 2, "a b c d");
        f.check("SELECT * FROM t", &["at", "id"], &mut cursor, 2, "");
    }

    #[test]
    fn ties_and_late_rows_and_second_changes_are_seen_once() {
        let f = fixture(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, at TEXT COLLATE NOCASE, x TEXT); \
             INSERT INTO t (at, x) VALUES ('a', 1), ('A', 2), ('a', 3), ('A', 4), ('b', 5), ('b', 6)",
        );
        for by in [&["at"][..], &["at", "id"]] {
            for limit in 1..8 {
                let mut cursor = None;
                f.check("SELECT * FROM t;  ", by, &mut cursor, limit, "2 4 1 3 5 6");
                f.check("SELECT * FROM t -- all of it", by, &mut cursor, limit, "");
            }
        }
        let mut cursor = None;
        f.check("SELECT * FROM t", &["at", "id"], &mut cursor, 9, "2 4 1 3 5 6");
        f.db.execute_batch("UPDATE t SET at = 'b', x = '1b' WHERE id = 1; UPDATE t SET x = '6b' WHERE id = 6").unwrap();
        f.check("SELECT * FROM t", &["at", "id"], &mut cursor, 9, "1b 6b");
        f.check("SELECT * FROM t", &["at", "id"], &mut cursor, 9, "");
    }

    #[test]
    fn rows_without_a_cursor_value_wait_and_are_told_of() {
        let f = fixture("CREATE TABLE t (at, x); INSERT INTO t VALUES (NULL, 'a'), (1, 'b'), (NULL, 'c')");
        let rows = f.table("SELECT * FROM t", &["at"]).read(None, 9).unwrap();
        assert_eq!(
            (rows.rows.len(), rows.notices.join(" ")),
            (1, "rows whose `at` is NULL are not seen until it has a value".into())
        );
        let mut cursor = rows.cursor.map(|c| c.value());
        f.db.execute_batch("UPDATE t SET at = 2 WHERE x = 'a'").unwrap();
        f.check("SELECT * FROM t", &["at"], &mut cursor, 9, "a");
    }

    #[test]
    fn a_query_that_makes_rows_new_each_time_is_told_of() {
        let f = fixture("CREATE TABLE t (at, x); INSERT INTO t VALUES (1, 'a')");
        let mut table = f.table("SELECT *, random() AS r FROM t", &["at"]);
        let first = table.read(None, 9).unwrap();
        assert_eq!(first.notices.len(), 0);
        let again = table.read(Some(&first.cursor.unwrap().value()), 9).unwrap();
        assert_eq!((again.rows.len(), again.notices.len()), (1, 1));
    }

    #[test]
    fn errors_say_where_and_whether_they_may_pass() {
        let f = fixture("CREATE TABLE t (at, x); INSERT INTO t VALUES (1, 'a')");
        let e = f.fails("SELECT x FROM t", &["at"], "cursor column `at` is not among the columns of the query: x");
        assert!(e.retryable());
        let e = f.fails(
            "SELECT at, y FROM t",
            &["at"],
            "the query of `erp.db` does not fit the database: no such column: y (line 1, column 12 of the query)",
        );
        assert!(e.retryable());
        let e = f.fails("SELECT * FROM u", &["at"], "the query of `erp.db` does not fit the database: no such table: u");
        assert!(e.retryable());
        let wrong = "the query of `erp.db` is wrong: near \"FORM\": syntax error (line 2, column 4 of the query)";
        let e = f.fails("SELECT '名',\n * FORM t", &["at"], wrong);
        assert!(!e.retryable());
        f.db.execute_batch("INSERT INTO t VALUES (CAST(x'ff' AS TEXT), 'b')").unwrap();
        f.fails(
            "SELECT * FROM t",
            &["at"],
            "cursor column `at` holds text that is not UTF-8, by which no row can be found again",
        );
        std::fs::write(&f.file, "刘洋,13800138000\n".repeat(100)).unwrap();
        let e = f.fails("SELECT * FROM t", &["at"], "`erp.db` cannot be read: file is not a database");
        assert!(e.retryable());
        std::fs::remove_file(&f.file).unwrap();
        let e = f.fails("SELECT * FROM t", &["at"], "`erp.db` cannot be opened: unable to open database file: erp.db");
        assert!(e.retryable());
        assert!(!f.file.exists(), "nothing is made");
    }

    #[test]
    fn a_locked_file_is_told_as_such() {
        let f = fixture("CREATE TABLE t (at, x)");
        f.db.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let db = Connection::open(&f.file).unwrap();
        db.busy_timeout(Duration::ZERO).unwrap();
        let error = db.query_row("SELECT 1 FROM t", [], |_| Ok(())).unwrap_err();
        let table = f.table("SELECT * FROM t", &["at"]);
        assert_eq!(table.error(error), Error::Locked { file: f.file.display().to_string() });
    }

    #[test]
    fn nothing_is_written_and_the_index_is_used() {
        let f = fixture("CREATE TABLE t (id INTEGER PRIMARY KEY, at TEXT, x); CREATE INDEX i ON t (at, id)");
        let table = f.table("SELECT * FROM t WHERE x IS NOT NULL", &["at", "id"]);
        let db = table.open().unwrap();
        assert!(db.execute("DELETE FROM t", []).is_err());
        for from in [1, 2] {
            let sql = format!("EXPLAIN QUERY PLAN {}", table.sql(from));
            let plan: String = db.query_row(&sql, params_from_iter((0..from).map(|_| "a")), |r| r.get(3)).unwrap();
            assert_eq!(plan, "SEARCH t USING INDEX i (at>?)");
        }
    }
}
