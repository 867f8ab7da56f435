//! Databases of other programs, asked for what has changed: rows in the order of cursor columns, each an event.
//!
//! Never writes to them, never keeps the cursor itself: the last draft of a round carries it, to be committed with the events
//! of the rows. The loop and its clock are the daemon's; [`delay`] says how long it waits after failures.

pub mod cursor;
mod sqlite;

use jiff::{SignedDuration, Timestamp};

use self::cursor::{Cell, Cursor};
use self::sqlite::Sqlite;
use crate::config::settings::{Ask, Imported, Poll, Source};
use crate::engine::definition::Definitions;
use crate::engine::event::{Body, Draft};
use crate::engine::quarantine::Unread;
use crate::engine::value::{Map, Value};
use crate::source::map::{self, MAX_ID, Told};
use crate::source::quarantine;

/// The event of a row that cannot be mapped and is kept in quarantine; its origin is the source.
pub use crate::engine::decide::UNREADABLE;
/// The event that carries the new cursor.
pub const POLLED: &str = "ifthen.polled";

/// Marks a stored cursor while what was there before the first round is still being read.
const FIRST: &str = "first";

/// Something that can be read on from a cursor; one per kind of database.
pub trait Table: Send {
    /// The rows after the cursor that were not seen yet, in the order of the cursor columns, at most `limit`. Blocks.
    fn read(&mut self, cursor: Option<&Value>, limit: usize) -> Result<Rows, Error>;
}

/// What a reading brought.
#[derive(Debug, Default)]
pub struct Rows {
    /// In order.
    pub rows: Vec<Row>,
    /// The cursor behind them; none if there are none.
    pub cursor: Option<Cursor>,
    /// There are more: ask again at once.
    pub more: bool,
    /// What the operator should know.
    pub notices: Vec<String>,
}

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// By column.
    pub data: Map,
    /// Why it could not be read as it is; `data` is then the nearest to it.
    pub fault: Option<String>,
    /// The values of the cursor columns.
    pub position: Vec<Cell>,
    /// Tells it from all rows of the same value of the first cursor column, and from its own former content.
    pub mark: u64,
}

impl Row {
    /// A delivery id that comes out the same whenever the row is read with this content.
    fn delivery(&self) -> String {
        let parts: Vec<String> = self.position.iter().map(|cell| map::escape(&cell.to_string())).collect();
        let mark = format!("#{:016x}", self.mark);
        let position: String = parts.join("/").chars().take(MAX_ID - mark.len()).collect();
        position + &mark
    }
}

/// Why a round brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The database cannot be opened.
    #[error("`{file}` cannot be opened: {reason}")]
    Open {
        /// Which.
        file: String,
        /// In words.
        reason: String,
    },
    /// Another program holds it.
    #[error("`{file}` is locked by another program")]
    Locked {
        /// Which.
        file: String,
    },
    /// It is no database, or a damaged one.
    #[error("`{file}` cannot be read: {reason}")]
    Damaged {
        /// Which.
        file: String,
        /// In words.
        reason: String,
    },
    /// A table or column that the query names is not there (any more).
    #[error("the query of `{file}` does not fit the database: {reason}")]
    Schema {
        /// Of which database.
        file: String,
        /// In words.
        reason: String,
    },
    /// The query is wrong.
    #[error("the query of `{file}` is wrong: {reason}")]
    Query {
        /// Of which database.
        file: String,
        /// In words, with line and column where known.
        reason: String,
    },
    /// A cursor column is not among those that the query yields.
    #[error("cursor column `{column}` is not among the columns of the query: {known}")]
    Column {
        /// The column.
        column: String,
        /// Those that it yields.
        known: String,
    },
    /// A cursor column holds what cannot be kept.
    #[error("cursor column `{column}` holds {what}, by which no row can be found again")]
    Content {
        /// The column.
        column: String,
        /// What it holds.
        what: &'static str,
    },
    /// Too many rows have the same values in the cursor columns.
    #[error("more than {most} rows have the same value of the cursor columns ({by}): add the primary key as the last one")]
    Ties {
        /// The cursor columns.
        by: String,
        /// How many may.
        most: usize,
    },
    /// The stored cursor is one of other columns.
    #[error(
        "the stored cursor ({stored}) does not fit the cursor columns ({by}): name the old columns, or give the source a new id"
    )]
    Cursor {
        /// What is stored.
        stored: String,
        /// The columns now.
        by: String,
    },
    /// The source's map does not fit the definitions.
    #[error("{0}")]
    Map(String),
}

impl Error {
    /// Whether it can pass without a change of our settings.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Open { .. } | Self::Locked { .. } | Self::Damaged { .. } | Self::Schema { .. } => true,
            Self::Column { .. } | Self::Content { .. } => true, // the other program's schema and data may change back
            Self::Query { .. } | Self::Ties { .. } | Self::Cursor { .. } | Self::Map(_) => false,
        }
    }
}

/// How long to wait after so many failures in a row: 1 s, doubled each time, up to 5 min.
pub fn delay(failures: u32) -> SignedDuration {
    let doubled = failures.checked_sub(1).map_or(0, |n| 1_i64.checked_shl(n.min(9)).unwrap_or(i64::MAX));
    SignedDuration::from_secs(doubled.min(300))
}

/// A polled source.
pub struct Poller {
    id: String,
    by: Vec<String>,
    batch: usize,
    table: Box<dyn Table>,
}

impl std::fmt::Debug for Poller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Poller").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a round brought.
#[derive(Debug)]
pub struct Round {
    /// One a row, then the one with the new cursor; to be committed together or in this order. Empty if nothing is new.
    pub drafts: Vec<Draft>,
    /// There are more rows: go on at once instead of waiting for `every`.
    pub more: bool,
    /// What the operator should know; the same ones come each round, to be logged once.
    pub notices: Vec<String>,
}

impl Poller {
    /// For the source of this id.
    pub fn new(id: &str, poll: &Poll) -> Self {
        let Ask::Sqlite { file, query } = &poll.ask;
        Self {
            id: id.to_owned(),
            by: poll.cursor.clone(),
            batch: poll.batch.max(1),
            table: Box::new(Sqlite::new(file, query, &poll.cursor)),
        }
    }

    /// Asks once; `cursor` is the one that is stored. Blocks for as long as the database takes.
    pub fn round(
        &mut self,
        source: &Source,
        definitions: &Definitions,
        cursor: Option<&Value>,
        now: Timestamp,
    ) -> Result<Round, Error> {
        let mut rows = self.table.read(cursor, self.batch)?;
        let (more, notices) = (rows.more, std::mem::take(&mut rows.notices));
        let first = source.map.imports == Imported::First && cursor.is_none_or(is_first);
        if first && rows.cursor.is_none() && cursor.is_none() {
            // Nothing is there yet: what comes is news, and that must be remembered.
            rows.cursor = Some(Cursor::new(&self.by));
        }
        let mut drafts = drafts(&self.id, source, definitions, rows, now)?;
        if first {
            mark_first(&mut drafts, &self.id, more);
        }
        Ok(Round { drafts, more, notices })
    }
}

/// Whether what was there before the first round is still being read.
fn is_first(cursor: &Value) -> bool {
    cursor.at(&[FIRST]).is_some()
}

/// Marks rows as an import; and the cursor behind them, where more of the same follows.
fn mark_first(drafts: &mut [Draft], id: &str, more: bool) {
    for draft in drafts {
        match &mut draft.body {
            Body::Polled { cursor: Value::Map(cursor), .. } if more => {
                cursor.insert(FIRST.into(), true.into());
            }
            Body::Polled { .. } => {}
            _ => draft.batch = Some(id.to_owned()),
        }
    }
}

/// The drafts of rows, and last the one with the cursor behind them.
///
/// A row that does not fit the mapping becomes an [`UNREADABLE`] event, kept in quarantine, and the others go on.
pub fn drafts(id: &str, source: &Source, definitions: &Definitions, rows: Rows, now: Timestamp) -> Result<Vec<Draft>, Error> {
    let Some(cursor) = rows.cursor else { return Ok(Vec::new()) };
    let count = u64::try_from(rows.rows.len()).unwrap_or(u64::MAX);
    let mut drafts = rows.rows.into_iter().map(|row| draft(id, source, definitions, row, now)).collect::<Result<Vec<_>, _>>()?;
    drafts.push(Draft::own(POLLED, now, Body::Polled { source: id.to_owned(), cursor: cursor.value(), rows: count }));
    Ok(drafts)
}

fn draft(id: &str, source: &Source, definitions: &Definitions, row: Row, now: Timestamp) -> Result<Draft, Error> {
    let told = Told { delivery: Some(row.delivery()), data: Value::Map(row.data), ..Told::default() };
    let lossy = row.fault.is_some();
    let (fault, told) = match row.fault {
        Some(fault) => (map::Fault::new(fault), told),
        None => match map::understand(id, &source.map, definitions, told, now) {
            Ok(draft) => return Ok(draft),
            Err(unread) if unread.0.ours => return Err(Error::Map(unread.0.detail)),
            Err(unread) => *unread,
        },
    };
    let unread = Unread { lossy, ..quarantine::unread(&told, fault) };
    // The row stays where it is: what is too large to be kept is named by its position.
    let unread = match quarantine::size(&unread) {
        size if size > quarantine::MAX_BYTES => Unread { data: Value::Map(Map::new()), lossy: true, ..unread },
        _ => unread,
    };
    let body = Body::Unread(Box::new(unread));
    let batch = (source.map.imports == Imported::All).then(|| id.to_owned());
    Ok(Draft { origin: id.to_owned(), delivery: told.delivery, batch, ..Draft::own(UNREADABLE, now, body) })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use rusqlite::Connection;

    use super::*;
    use crate::config::settings::{Mapping, RecordMapping, SourceKind};
    use crate::engine::entity::{Entity, Field, FieldKind, From};

    fn definitions() -> Definitions {
        let field = |kind| Field { kind, from: From::Anyone, opt_out: false };
        let fields = [("id", FieldKind::Text), ("mobile", FieldKind::Phone("CN".into()))];
        let lead = Entity { key: "id".into(), fields: fields.map(|(n, k)| (n.to_owned(), field(k))).into(), ..Entity::default() };
        Definitions { entities: [("lead".to_owned(), lead)].into(), ..Definitions::default() }
    }

    fn source(file: &std::path::Path, map: Mapping) -> Source {
        let ask = Ask::Sqlite { file: file.to_owned(), query: "SELECT * FROM lead".into() };
        let cursor = vec!["at".into(), "id".into()];
        Source {
            kind: SourceKind::Poll(Poll { ask, every: SignedDuration::from_secs(30), cursor, batch: 97 }),
            map,
            lateness: SignedDuration::ZERO,
            bounces: None,
        }
    }

    fn poller(source: &Source) -> Poller {
        let SourceKind::Poll(poll) = &source.kind else { panic!("polled") };
        Poller::new("erp", poll)
    }

    fn now() -> Timestamp {
        "2026-09-21T01:00:00Z".parse().unwrap()
    }

    /// 10,000 changes of 2,000 rows by a clock that stands still for long, some rows changing twice at one time, while rounds are
    /// committed or thrown away, with all in memory, as a kill does.
    #[test]
    fn each_of_ten_thousand_changes_is_seen_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("erp.db");
        let mut db = Connection::open(&file).unwrap();
        db.execute_batch("CREATE TABLE lead (id INTEGER PRIMARY KEY, at INTEGER, change INTEGER)").unwrap();
        let source = source(&file, Mapping::default());
        let mut seed = 7_u64; // the numbers of Knuth's MMIX
        let mut random = move |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let (mut cursor, mut seen, mut deliveries) = (None, BTreeSet::new(), BTreeSet::new());
        let (mut current, mut polled) = (BTreeMap::new(), poller(&source));
        let mut change = 0_i64;
        let mut read = |seen: &mut BTreeSet<i64>, kill: bool| loop {
            let round = polled.round(&source, &definitions(), cursor.as_ref(), now()).unwrap();
            if kill {
                polled = poller(&source);
                return;
            }
            for draft in round.drafts {
                match draft.body {
                    Body::Happened { data, .. } => {
                        let change = data.at(&["change"]).unwrap().to_string().parse().unwrap();
                        assert!(seen.insert(change), "{change} was seen before");
                        assert!(deliveries.insert(draft.delivery.unwrap()), "one id, one change");
                    }
                    Body::Polled { cursor: new, .. } => cursor = Some(new),
                    other => panic!("{other:?}"),
                }
            }
            if !round.more {
                return;
            }
        };
        while change < 10_000 {
            let transaction = db.transaction().unwrap();
            for _ in 0..=random(400) {
                // A row is changed again only once its former change was read: a poll sees states, not the way between them.
                let id = random(2_000);
                if current.get(&id).is_some_and(|last| !seen.contains(last)) {
                    continue;
                }
                change += 1;
                let at = change / 1_500;
                let sql = "INSERT INTO lead VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET at = ?2, change = ?3";
                transaction.execute(sql, (i64::try_from(id).unwrap(), at, change)).unwrap();
                current.insert(id, change);
            }
            transaction.commit().unwrap();
            let kill = random(4) == 0;
            read(&mut seen, kill);
        }
        read(&mut seen, false);
        assert_eq!(seen, (1..=change).collect());
    }

    #[test]
    fn what_is_there_at_first_is_an_import_and_what_comes_later_is_news() {
        let map = || Mapping { imports: Imported::First, ..Mapping::default() };
        // A table with 250 rows, read 97 at a time; and one that is empty at first.
        for there in [250, 0] {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("erp.db");
            let db = Connection::open(&file).unwrap();
            db.execute_batch("CREATE TABLE lead (id INTEGER PRIMARY KEY, at INTEGER)").unwrap();
            let insert = |from: i64, to: i64| {
                for id in from..to {
                    db.execute("INSERT INTO lead VALUES (?1, ?1 / 3)", [id]).unwrap();
                }
            };
            insert(0, there);
            let source = source(&file, map());
            let mut cursor: Option<Value> = None;
            let mut rounds = |poller: &mut Poller| {
                let (mut imported, mut news) = (0, 0);
                loop {
                    let round = poller.round(&source, &definitions(), cursor.as_ref(), now()).unwrap();
                    for draft in round.drafts {
                        match draft.body {
                            Body::Polled { cursor: new, .. } => cursor = Some(new),
                            _ if draft.batch.as_deref() == Some("erp") => imported += 1,
                            _ => news += 1,
                        }
                    }
                    if !round.more {
                        return (imported, news);
                    }
                }
            };
            assert_eq!(rounds(&mut poller(&source)), (there, 0));
            insert(there, there + 100);
            // Another process by then: all it knows is the cursor.
            assert_eq!(rounds(&mut poller(&source)), (0, 100));
        }
    }

    #[test]
    fn a_row_that_does_not_fit_is_kept_and_the_others_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("erp.db");
        let db = Connection::open(&file).unwrap();
        db.execute_batch(
            "CREATE TABLE lead (id, at, phone); INSERT INTO lead VALUES \
             (1, 5, '13800138000'), (2, 6, '12'), (3, 7, CAST(x'ff' AS TEXT)), (4, 8, NULL)",
        )
        .unwrap();
        let fields = [("id", "id"), ("mobile", "phone")].map(|(f, p)| (f.to_owned(), p.to_owned())).into();
        let record = RecordMapping { entity: "lead".into(), fields, values: BTreeMap::new(), at: None };
        let mut source = source(&file, Mapping { record: Some(record), ..Mapping::default() });
        let drafts = poller(&source).round(&source, &definitions(), None, now()).unwrap().drafts;
        let shown: Vec<String> = drafts
            .iter()
            .map(|d| match &d.body {
                Body::Unread(u) => format!("{} {} {} {}", d.name, d.origin, u.field.clone().unwrap_or_default(), u.reason),
                Body::Happened { upsert: Some(u), .. } => format!("{} {} {}", d.name, d.origin, u.record),
                Body::Polled { source, rows, .. } => format!("{} {source} {rows}", d.name),
                other => panic!("{other:?}"),
            })
            .collect();
        let expect = [
            "erp.received erp lead/1",
            "ifthen.unreadable erp phone field `mobile`: a phone number such as 13800138000 expected, not `12`",
            "ifthen.unreadable erp  column `phone` holds text that is not UTF-8",
            "erp.received erp lead/4",
            "ifthen.polled erp 4",
        ];
        assert_eq!(shown, expect);
        let delivery = drafts[0].delivery.as_ref().unwrap();
        assert_eq!(delivery.split_once('#').map(|(at, mark)| (at, mark.len())), Some(("5/1", 16)));
        source.map.record.as_mut().unwrap().entity = "deal".into();
        let error = poller(&source).round(&source, &definitions(), None, now()).unwrap_err();
        assert_eq!(error.to_string(), "the source's map names entity `deal`, which is not defined");
    }

    #[test]
    fn failures_are_waited_out_ever_longer_up_to_five_minutes() {
        let seconds: Vec<i64> = [0, 1, 2, 3, 8, 9, 10, 11, u32::MAX].map(|n| delay(n).as_secs()).into();
        assert_eq!(seconds, [0, 1, 2, 4, 128, 256, 300, 300, 300]);
    }
}
