//! What a window keeps for one subject: its items in the order of their times, in chunks, so that an event writes one chunk and
//! the head above them, however much counts.
//!
//! Never guesses: what was dropped is remembered by the time until which it would still have counted, and no value is told as
//! of a time before that.

pub mod reach;
pub(super) mod united;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use self::reach::Reach;
use super::Function;
use crate::engine::scope::Stop;
use crate::engine::state::{Need, TimerId};
use crate::engine::value::Value;

/// Items of one key; beyond, the oldest are dropped, and the value cannot be told until they would have aged out.
pub const MAX_ITEMS: usize = 20_000;
/// Items in the head, the youngest: most keys never have more, and are one entry.
const TAIL: usize = 128;
/// So many of them go into a chunk of their own when there are more; the others stay for what comes late.
const SEAL: usize = 96;
/// A chunk that late items made larger than this becomes two.
const SPLIT: usize = 192;
/// Chunks dropped in one go: after a long silence the rest goes with the next events.
const DROPS: usize = 8;
/// For so long what has aged out is kept on: an event that comes late is decided as of its own time.
pub(super) const LATENESS: SignedDuration = SignedDuration::from_hours(24);

/// One thing that counts: when it happened, and its value; nothing where only the number counts.
///
/// Stored format: a list of the time, the value and the number; in former ones the number is missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Item {
    /// When it happened.
    pub at: Timestamp,
    /// The number of its event: of those that happened at one time, how they came.
    pub seq: u64,
    /// What `of` said.
    pub value: Value,
}

#[derive(Serialize, Deserialize)]
struct Stored(Timestamp, Value, #[serde(default)] u64);

impl From<Stored> for Item {
    fn from(Stored(at, value, seq): Stored) -> Self {
        Self { at, seq, value }
    }
}

impl From<Item> for Stored {
    fn from(Item { at, seq, value }: Item) -> Self {
        Self(at, value, seq)
    }
}

impl Item {
    /// Where it stands among the others.
    fn place(&self) -> Place {
        (self.at, self.seq)
    }
}

/// When something happened, and the number of its event.
type Place = (Timestamp, u64);

/// What is kept of one subject in one window.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Head {
    /// The life of the window that it belongs to; see [`super::Life`].
    #[serde(default)]
    pub life: u64,
    /// Items that are in entries of their own, oldest first; two chunks do not overlap. Kept in an entry of its own,
    /// which is written only when it changes: the head is written with every event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    chunks: Vec<Chunk>,
    /// There are chunks, and what is known of them is in that entry.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) indexed: bool,
    /// The youngest items, by time, then by number.
    #[serde(default)]
    tail: Vec<Item>,
    /// The number of the next chunk.
    #[serde(default)]
    next: u32,
    /// What was dropped because it had aged out would have counted before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forgotten: Option<Timestamp>,
    /// What was dropped because there was too much would have counted before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crowded: Option<Timestamp>,
    /// When the next item ages out, where a rule waits for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timer: Option<TimerId>,
    /// Up to when what aged out was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Timestamp>,
}

/// What is known of a chunk without reading it.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    n: u32,
    from: Timestamp,
    to: Timestamp,
    /// The numbers of the first and the last: several may be of one time.
    #[serde(default)]
    ends: (u64, u64),
    count: u32,
    #[serde(default)]
    totals: Totals,
}

/// What some items come to together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Totals {
    /// Of the numbers; null: out of range.
    #[serde(default = "zero", skip_serializing_if = "is_zero")]
    sum: Value,
    #[serde(default, skip_serializing_if = "Value::is_empty")]
    least: Value,
    #[serde(default, skip_serializing_if = "Value::is_empty")]
    most: Value,
}

fn is_false(value: &bool) -> bool {
    !value
}

fn zero() -> Value {
    Value::Number(Decimal::ZERO)
}

fn is_zero(value: &Value) -> bool {
    matches!(value, Value::Number(n) if n.is_zero())
}

fn plus(a: &Value, b: &Value) -> Value {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.checked_add(*b).map_or(Value::Null, Value::Number),
        _ => Value::Null,
    }
}

impl Default for Totals {
    fn default() -> Self {
        Self { sum: zero(), least: Value::Null, most: Value::Null }
    }
}

impl Totals {
    fn add(&mut self, value: &Value) {
        if let Value::Number(_) = value {
            self.sum = plus(&self.sum, value);
        }
        self.bound(value, value);
    }

    fn join(&mut self, other: &Self) {
        self.sum = plus(&self.sum, &other.sum);
        self.bound(&other.least, &other.most);
    }

    fn bound(&mut self, least: &Value, most: &Value) {
        if !matches!(least, Value::Number(_) | Value::Time(_)) {
            return;
        }
        if self.least == Value::Null || before(least, &self.least) {
            self.least = least.clone();
        }
        if self.most == Value::Null || before(&self.most, most) {
            self.most = most.clone();
        }
    }
}

/// Whether a number or time is before another of its kind; one key holds only one kind.
fn before(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a < b,
        (Value::Time(a), Value::Time(b)) => a < b,
        _ => false,
    }
}

/// Reads a chunk by its number.
pub(super) type Read<'a> = &'a dyn Fn(u32) -> Result<Option<Arc<Vec<Item>>>, Need>;

/// A chunk that was written, or dropped.
pub(super) type Written = (u32, Option<Vec<Item>>);

fn read(load: Read<'_>, n: u32) -> Result<Arc<Vec<Item>>, Stop> {
    load(n)?.ok_or_else(|| Stop::Unevaluable("what the window has kept is not there".into()))
}

impl Head {
    /// As it is stored: apart from what is known of its chunks.
    pub(super) fn apart(mut self) -> (Self, Vec<Chunk>) {
        let chunks = std::mem::take(&mut self.chunks);
        self.indexed = !chunks.is_empty();
        (self, chunks)
    }

    /// With what is known of its chunks.
    pub(super) fn with(mut self, chunks: &[Chunk]) -> Self {
        self.chunks = chunks.to_vec();
        self.indexed = false;
        self
    }

    /// Nothing yet, in this life of the window.
    pub(super) fn new(life: u64) -> Self {
        Self { life, ..Self::default() }
    }

    /// How many items there are, those that no longer count among them.
    pub fn len(&self) -> usize {
        self.tail.len() + self.chunks.iter().map(|c| c.count as usize).sum::<usize>()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some value that is kept: all are of its kind.
    pub(super) fn sample(&self) -> Option<&Value> {
        self.tail.first().map(|i| &i.value).or_else(|| self.chunks.first().map(|c| &c.totals.least))
    }

    /// Puts an item at its place. The chunks that changed.
    pub(super) fn put(&mut self, item: Item, load: Read<'_>) -> Result<Vec<Written>, Stop> {
        if self.chunks.last().is_none_or(|c| c.last() <= item.place()) {
            let place = self.tail.partition_point(|i| i.place() <= item.place());
            self.tail.insert(place, item);
            if self.tail.len() <= TAIL {
                return Ok(Vec::new());
            }
            let sealed: Vec<Item> = self.tail.drain(..SEAL).collect();
            let chunk = self.chunk(&sealed);
            let n = chunk.n;
            self.chunks.push(chunk);
            return Ok(vec![(n, Some(sealed))]);
        }
        let place = self.chunks.partition_point(|c| c.first() <= item.place()).saturating_sub(1);
        let n = self.chunks[place].n;
        let mut items = (*read(load, n)?).clone();
        items.insert(items.partition_point(|i| i.place() <= item.place()), item);
        let second = if items.len() > SPLIT { items.split_off(SPLIT / 2) } else { Vec::new() };
        self.chunks[place] = Chunk { n, ..summary(n, &items) };
        let mut written = vec![(n, Some(items))];
        if !second.is_empty() {
            let chunk = self.chunk(&second);
            written.push((chunk.n, Some(second)));
            self.chunks.insert(place + 1, chunk);
        }
        Ok(written)
    }

    fn chunk(&mut self, items: &[Item]) -> Chunk {
        self.next += 1;
        summary(self.next, items)
    }

    /// As of times before this it can tell nothing, whatever it keeps.
    pub(super) fn knowing_from(mut self, time: Option<Timestamp>) -> Self {
        self.forgotten = self.forgotten.max(time);
        self
    }

    /// Drops what has aged out for long, seen from an event of this time, and what is too much. The chunks that are gone, and
    /// whether it was too much from here on.
    pub(super) fn drop_aged(&mut self, at: Timestamp, reach: &Reach<'_>) -> (Vec<Written>, bool) {
        let latest = self.tail.last().map_or(at, |i| i.at.max(at));
        let mut horizon = latest.saturating_sub(LATENESS).unwrap_or(Timestamp::MIN);
        if let Some(timer) = self.timer {
            // What nobody was told of yet is still asked for.
            horizon = horizon.min(Timestamp::from_millisecond(timer.due).unwrap_or(horizon));
        }
        let mut gone = Vec::new();
        while let Some(chunk) = self.chunks.first().filter(|c| gone.len() < DROPS && reach.latest(c.to) <= horizon) {
            self.forgotten = self.forgotten.max(Some(reach.latest(chunk.to)));
            gone.push((self.chunks.remove(0).n, None));
        }
        if self.chunks.is_empty() {
            let aged = self.tail.iter().take_while(|i| reach.end(i.at) <= horizon).count();
            self.forgotten = self.tail.drain(..aged).map(|i| reach.end(i.at)).max().max(self.forgotten);
        }
        let before = self.crowded.filter(|until| latest < *until);
        while self.len() > MAX_ITEMS && !self.chunks.is_empty() {
            let chunk = self.chunks.remove(0);
            self.crowded = self.crowded.max(Some(reach.latest(chunk.to)));
            gone.push((chunk.n, None));
        }
        (gone, before.is_none() && self.crowded.is_some_and(|until| latest < until))
    }

    /// The first time after this one at which an item ages out.
    pub(super) fn next_end(&self, after: Timestamp, reach: &Reach<'_>, load: Read<'_>) -> Result<Option<Timestamp>, Stop> {
        let mut next: Option<Timestamp> = None;
        let mut look = |items: &[Item]| {
            let ends = items.iter().map(|i| reach.end(i.at)).filter(|end| *end > after);
            next = ends.chain(next).min();
            next
        };
        for chunk in self.chunks.iter().filter(|c| reach.latest(c.to) > after) {
            if look(&[]).is_some_and(|next| next < reach.earliest(chunk.from)) {
                break;
            }
            look(&read(load, chunk.n)?);
        }
        Ok(look(&self.tail))
    }

    /// What counts at a time comes to.
    pub(super) fn value(&self, by: Function, at: Timestamp, reach: &Reach<'_>, load: Read<'_>) -> Result<Value, Stop> {
        if self.crowded.is_some_and(|until| at < until) {
            return Err(Stop::Unevaluable(format!("more than {MAX_ITEMS} items would have to be kept")));
        }
        if self.forgotten.is_some_and(|until| at < until) {
            return Err(Stop::Unevaluable("the event came too late, what counted then is no longer kept".into()));
        }
        match by {
            Function::First | Function::Last => self.edge(by == Function::First, at, reach, load),
            Function::Distinct => self.distinct(at, reach, load),
            _ => self.total(by, at, reach, load),
        }
    }

    fn total(&self, by: Function, at: Timestamp, reach: &Reach<'_>, load: Read<'_>) -> Result<Value, Stop> {
        let (mut count, mut totals) = (0u64, Totals::default());
        let mut each = |items: &[Item]| {
            for item in items.iter().filter(|i| reach.counts(i, at)) {
                count += 1;
                totals.add(&item.value);
            }
        };
        each(&self.tail);
        let mut whole: Vec<&Chunk> = Vec::new();
        for chunk in &self.chunks {
            match chunk.counts(at, reach) {
                Some(true) => whole.push(chunk),
                Some(false) => {}
                None => each(&read(load, chunk.n)?),
            }
        }
        for chunk in whole {
            count += u64::from(chunk.count);
            totals.join(&chunk.totals);
        }
        let sum = || match &totals.sum {
            Value::Number(n) => Ok(*n),
            _ => Err(Stop::Unevaluable("the sum is out of range".into())),
        };
        Ok(match by {
            Function::Count => count.into(),
            Function::Sum => sum()?.into(),
            Function::Min => totals.least,
            Function::Max => totals.most,
            _ if count == 0 => Value::Null,
            _ => sum()?.checked_div(Decimal::from(count)).map_or(Value::Null, |n| n.normalize().into()),
        })
    }

    /// Every value once. What is kept is read in full: only that can tell which values have aged out.
    fn distinct(&self, at: Timestamp, reach: &Reach<'_>, load: Read<'_>) -> Result<Value, Stop> {
        let mut seen = BTreeSet::new();
        let mut each = |items: &[Item]| {
            for item in items.iter().filter(|i| reach.counts(i, at)) {
                seen.insert(match &item.value {
                    Value::Number(n) => (item.value.kind(), n.normalize().to_string()),
                    other => (other.kind(), other.to_string()),
                });
            }
        };
        for chunk in self.chunks.iter().filter(|c| c.counts(at, reach) != Some(false)) {
            each(&read(load, chunk.n)?);
        }
        each(&self.tail);
        Ok((seen.len() as u64).into())
    }

    /// The value of the first or last that counts.
    fn edge(&self, first: bool, at: Timestamp, reach: &Reach<'_>, load: Read<'_>) -> Result<Value, Stop> {
        let find = |items: &[Item]| {
            let mut all = items.iter();
            let counts = |i: &&Item| reach.counts(i, at);
            if first { all.find(counts).cloned() } else { all.rfind(counts).cloned() }
        };
        let mut chunks: Vec<&Chunk> = self.chunks.iter().filter(|c| c.counts(at, reach) != Some(false)).collect();
        if !first {
            if let Some(item) = find(&self.tail) {
                return Ok(item.value);
            }
            chunks.reverse();
        }
        for chunk in chunks {
            if let Some(item) = find(&read(load, chunk.n)?) {
                return Ok(item.value);
            }
        }
        Ok(if first { find(&self.tail).map(|i| i.value).unwrap_or_default() } else { Value::Null })
    }
}

impl Chunk {
    fn first(&self) -> Place {
        (self.from, self.ends.0)
    }

    fn last(&self) -> Place {
        (self.to, self.ends.1)
    }

    /// Whether all of it counts, or nothing; `None`: a part of it may.
    fn counts(&self, at: Timestamp, reach: &Reach<'_>) -> Option<bool> {
        if at < self.from || reach.latest(self.to) <= at {
            return Some(false);
        }
        (self.to <= at && at < reach.earliest(self.from)).then_some(true)
    }
}

fn summary(n: u32, items: &[Item]) -> Chunk {
    let mut totals = Totals::default();
    items.iter().for_each(|i| totals.add(&i.value));
    let place = |item: Option<&Item>| item.map(Item::place).unwrap_or_default();
    let (first, last) = (place(items.first()), place(items.last()));
    Chunk { n, from: first.0, to: last.0, ends: (first.1, last.1), count: u32::try_from(items.len()).unwrap_or(u32::MAX), totals }
}
