//! How far a table has been read, such that no change is missed and none is seen twice. Pure.
//!
//! A plain `(a, b) > (last a, last b)` misses rows that get the last value of `a` after it was passed: two changes within
//! one second of a clock in seconds, with the higher id first. So the rows that have the last value of the first column are read
//! again each round, and those that were seen are known by a hash of their content. When very many rows share a value, only
//! those from the last position on are read again; then rows that come late *into that value, before that position* are missed.
//! Rows whose value is lower than what was already read are always missed: the first column must grow with every change.

use std::collections::{BTreeSet, HashMap};

use super::Error;
use crate::engine::value::Value;

/// Hashes that are kept before the position within a value is used as well: 19 bytes each, in every commit of the cursor.
const MAX_SEEN: usize = 4_096;

/// The value of one cursor column. Equal as the database's comparison says: `5` and `5.0` are.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        // Both ways, so that an integer beyond 2^53 is not taken for its neighbour.
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "compared both ways")]
        let same = |n: i64, r: f64| n as f64 == r && r as i64 == n;
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Real(a), Self::Real(b)) => a == b,
            (Self::Integer(n), Self::Real(r)) | (Self::Real(r), Self::Integer(n)) => same(*n, *r),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Blob(a), Self::Blob(b)) => a == b,
            _ => false,
        }
    }
}

/// As a part of a delivery id.
impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Integer(n) => write!(f, "{n}"),
            Self::Real(r) => write!(f, "{r:?}"),
            Self::Text(t) => f.write_str(t),
            Self::Blob(b) => f.write_str(&hex(b)),
        }
    }
}

impl Cell {
    /// Its stored form: integers and text as they are, the rest such that it comes back bit by bit.
    fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Integer(n) => Value::from(*n),
            Self::Real(r) => [("real", format!("{r:?}").into())].into(), // the shortest text that reads back as the same
            Self::Text(t) => t.as_str().into(),
            Self::Blob(b) => [("blob", hex(b).into())].into(),
        }
    }

    fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Number(n) => Self::Integer(i64::try_from(*n).ok().filter(|i| n.is_integer() && *n == (*i).into())?),
            Value::Text(t) => Self::Text(t.clone()),
            Value::Map(m) => match (m.get("real"), m.get("blob")) {
                (Some(real), None) => Self::Real(real.as_text()?.parse().ok()?),
                (None, Some(blob)) => Self::Blob(unhex(blob.as_text()?)?),
                _ => return None,
            },
            _ => return None,
        })
    }
}

/// Bytes in hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..text.len()).step_by(2).map(digit).collect()
}

/// Where to read on.
///
/// Stored format: an object `{"by": [columns], "from": [cells], "seen": [hashes in hex]}`; no cells where nothing was there yet.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cursor {
    /// The columns, the most significant first.
    pub by: Vec<String>,
    /// Rows at or after this are read: the last value of the first column, or a whole position.
    pub from: Vec<Cell>,
    /// Rows with the same value of the first column that were seen already.
    seen: BTreeSet<u64>,
}

impl Cursor {
    /// Before the first row of an ordering.
    pub fn new(by: &[String]) -> Self {
        Self { by: by.to_vec(), ..Self::default() }
    }

    /// Reads the stored form. Columns may have been added behind those it was stored with, not more.
    pub fn read(value: &Value, by: &[String]) -> Result<Self, Error> {
        let misfit = || Error::Cursor { stored: value.to_string().chars().take(200).collect(), by: by.join(", ") };
        let list = |name| match value.at(&[name]) {
            Some(Value::List(list)) => Ok(list),
            _ => Err(misfit()),
        };
        let texts = list("by")?.iter().map(|v| v.as_text().map(str::to_owned));
        let stored: Vec<String> = texts.collect::<Option<_>>().ok_or_else(misfit)?;
        let from: Vec<Cell> = list("from")?.iter().map(Cell::of).collect::<Option<_>>().ok_or_else(misfit)?;
        let hash = |v: &Value| v.as_text().and_then(|t| u64::from_str_radix(t, 16).ok());
        let seen = list("seen")?.iter().map(hash).collect::<Option<_>>().ok_or_else(misfit)?;
        let same = !stored.is_empty() && by.starts_with(&stored) && (from.len() <= 1 || from.len() == by.len());
        if same { Ok(Self { by: by.to_vec(), from, seen }) } else { Err(misfit()) }
    }

    /// The stored form.
    pub fn value(&self) -> Value {
        Value::from([
            ("by", Value::from(self.by.clone())),
            ("from", Value::List(self.from.iter().map(Cell::value).collect())),
            ("seen", Value::List(self.seen.iter().map(|h| format!("{h:016x}").into()).collect())),
        ])
    }
}

/// One reading of a table, row by row in the order of the cursor columns, from where the cursor says.
#[derive(Debug)]
pub struct Reading {
    next: Cursor,
    /// How often this content came in the group: rows that are equal to the last byte are told apart by their number.
    copies: HashMap<u64, u64>,
    /// Rows before the position, in this reading.
    passed: Vec<u64>,
    /// Rows at the position.
    here: Vec<u64>,
    position: Vec<Cell>,
    taken: usize,
    /// Rows that were taken though their value of the first column had been read before.
    late: usize,
    started_in: Option<Cell>,
}

impl Reading {
    /// From the cursor, or from the beginning.
    pub fn new(cursor: Option<Cursor>, by: &[String]) -> Self {
        let next = cursor.unwrap_or_else(|| Cursor { by: by.to_vec(), ..Cursor::default() });
        let started_in = next.from.first().cloned();
        let (copies, passed, here, position) = (HashMap::new(), Vec::new(), Vec::new(), Vec::new());
        Self { next, copies, passed, here, position, taken: 0, late: 0, started_in }
    }

    /// The next row: its position and a hash of its content. The hash that tells it from every other row of its group, or
    /// `None` if it was seen before.
    pub fn take(&mut self, position: Vec<Cell>, content: u64) -> Option<u64> {
        if self.next.from.first() != position.first() {
            self.next.from = position[..1].to_vec();
            self.next.seen.clear();
            self.copies.clear();
            self.passed.clear();
            self.here.clear();
        } else if self.position != position {
            self.passed.append(&mut self.here);
        }
        let copy = self.copies.entry(content).or_default();
        let mark = content.wrapping_add(*copy);
        *copy += 1;
        self.here.push(mark);
        self.position = position;
        if !self.next.seen.insert(mark) {
            return None;
        }
        self.taken += 1;
        self.late += usize::from(self.started_in.as_ref() == self.position.first());
        Some(mark)
    }

    /// How many rows were not seen before.
    pub fn taken(&self) -> usize {
        self.taken
    }

    /// How many of them have a value of the first column that had been read before.
    pub fn late(&self) -> usize {
        self.late
    }

    /// The cursor behind what was taken; `None` if nothing was. `whole`: the table was read to its end.
    pub fn finish(mut self, whole: bool) -> Result<Option<Cursor>, Error> {
        if self.taken == 0 {
            return Ok(None);
        }
        if whole {
            // What did not come again has changed or is gone.
            self.next.seen = self.passed.iter().chain(&self.here).copied().collect();
        }
        if self.next.seen.len() <= MAX_SEEN {
            return Ok(Some(self.next));
        }
        for mark in &self.passed {
            self.next.seen.remove(mark);
        }
        // Rows that came late may leave some beyond the position: bounded, as each of them is passed in the end.
        if self.next.by.len() == 1 || self.here.len() > MAX_SEEN || self.position.contains(&Cell::Null) {
            return Err(Error::Ties { by: self.next.by.join(", "), most: MAX_SEEN });
        }
        self.next.from = self.position;
        Ok(Some(self.next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(columns: &[&str]) -> Vec<String> {
        columns.iter().map(|c| (*c).to_owned()).collect()
    }

    /// A round over rows `(a, b, content)`, in order, as a table would hand them over; what is taken, and the cursor.
    fn round(rows: &[(i64, i64, u64)], cursor: Option<Cursor>, limit: usize) -> (Vec<u64>, Option<Cursor>) {
        let from = cursor.as_ref().map(|c| c.from.clone()).unwrap_or_default();
        let at = |i: usize| if let Some(Cell::Integer(n)) = from.get(i) { *n } else { i64::MIN };
        let mut rows: Vec<_> = rows.iter().filter(|r| (r.0, r.1) >= (at(0), at(1))).collect();
        rows.sort();
        let mut reading = Reading::new(cursor.clone(), &by(&["a", "b"]));
        let mut taken = Vec::new();
        let mut whole = true;
        for (a, b, content) in rows {
            if reading.taken() == limit {
                whole = false;
                break;
            }
            if reading.take(vec![Cell::Integer(*a), Cell::Integer(*b)], *content).is_some() {
                taken.push(*content);
            }
        }
        let next = reading.finish(whole).unwrap().or(cursor);
        // As it comes back from the store.
        (taken, next.map(|c| Cursor::read(&c.value(), &by(&["a", "b"])).unwrap()))
    }

    #[test]
    fn a_second_change_within_the_same_value_is_seen() {
        let (taken, cursor) = round(&[(1, 1, 10), (2, 1, 20), (2, 5, 30)], None, 9);
        assert_eq!(taken, [10, 20, 30]);
        let (taken, cursor) = round(&[(1, 1, 10), (2, 1, 20), (2, 3, 40), (2, 5, 31)], cursor, 9);
        assert_eq!(taken, [40, 31]); // one came before what was read, one has changed and kept its place
        let (taken, cursor) = round(&[(2, 1, 20), (2, 3, 40), (2, 5, 31)], cursor, 9);
        assert_eq!(taken, [0; 0]);
        let (taken, _) = round(&[(2, 1, 20), (2, 3, 40), (2, 5, 31), (3, 0, 50)], cursor, 9);
        assert_eq!(taken, [50]);
        let (_, cursor) = round(&[(1, 1, 10), (2, 1, 20), (3, 1, 30)], None, 2);
        assert_eq!(cursor.unwrap().seen.len(), 1); // no more than one group is remembered
    }

    #[test]
    fn ties_across_the_end_of_a_batch_are_all_seen() {
        let rows: Vec<_> = (0..10).map(|n| (1, 1, n * 100)).chain((0..3).map(|_| (1, 2, 7_000))).collect();
        let (mut all, mut cursor) = (Vec::new(), None);
        for _ in 0..5 {
            let (taken, next) = round(&rows, cursor, 3);
            all.extend(taken);
            cursor = next;
        }
        assert_eq!(all, [0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 7_000, 7_000, 7_000]);
        assert_eq!(round(&rows, cursor, 3).0, [0; 0]);
    }

    #[test]
    fn a_group_beyond_what_is_remembered_goes_on_by_position() {
        let count = i64::try_from(MAX_SEEN).unwrap() * 3;
        let rows: Vec<_> = (0..count).map(|n| (1, n, u64::try_from(n).unwrap() * 1_000)).collect();
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let (taken, next) = round(&rows, cursor, 500);
            if taken.is_empty() {
                break;
            }
            all.extend(taken);
            cursor = next;
            assert!(cursor.as_ref().unwrap().seen.len() <= MAX_SEEN);
        }
        assert_eq!(all, rows.iter().map(|r| r.2).collect::<Vec<_>>());
    }

    #[test]
    fn more_ties_than_can_be_told_apart_are_an_error() {
        let mut reading = Reading::new(None, &by(&["a"]));
        for n in 0..=MAX_SEEN as u64 {
            reading.take(vec![Cell::Integer(1)], n * 10);
        }
        assert!(matches!(reading.finish(true), Err(Error::Ties { .. })));
    }

    #[test]
    fn cells_come_back_bit_by_bit() {
        let cells = [
            Cell::Integer(i64::MAX),
            Cell::Integer(i64::MIN),
            Cell::Real(0.1 + 0.2),
            Cell::Real(5.0),
            Cell::Real(1e300),
            Cell::Real(f64::NEG_INFINITY),
            Cell::Text("5".into()),
            Cell::Text("刘洋".into()),
            Cell::Blob(vec![0, 255]),
            Cell::Null,
        ];
        for cell in cells {
            let stored = serde_json::to_string(&cell.value()).unwrap();
            let back = Cell::of(&serde_json::from_str(&stored).unwrap()).unwrap();
            assert_eq!(format!("{back:?}"), format!("{cell:?}"));
        }
        assert_eq!(Cell::Integer(5), Cell::Real(5.0));
        assert_ne!(Cell::Integer((1 << 53) + 1), Cell::Real(9_007_199_254_740_992.0));
        assert_ne!(Cell::Integer(5), Cell::Text("5".into()));
    }

    #[test]
    fn a_cursor_fits_only_its_columns() {
        let stored = serde_json::from_str::<Value>(r#"{"by":["a"],"from":[1],"seen":["00000000000000ff"]}"#).unwrap();
        let cursor = Cursor::read(&stored, &by(&["a"])).unwrap();
        assert_eq!(cursor.value(), stored);
        assert!(Cursor::read(&stored, &by(&["a", "id"])).is_ok());
        for other in [&["b"][..], &["id", "a"], &[]] {
            assert!(matches!(Cursor::read(&stored, &by(other)), Err(Error::Cursor { .. })), "{other:?}");
        }
        assert!(Cursor::read(&7i64.into(), &by(&["a"])).is_err());
    }
}
