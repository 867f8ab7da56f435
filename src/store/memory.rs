//! A store in memory, for tests, for `check` and for simulation. Keeps everything, forgets all of it when dropped.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Batch, Error, Filter, Last, Read, Store, Stored};
use crate::engine::log::Line;
use crate::engine::state::{Entry, Key};

/// Values of one key over time: the number of the event, and the value from then on.
type History = Vec<(u64, Option<Arc<Entry>>)>;

/// Everything in ordered maps; a clone is a fork that shares the values.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// By the key's text, because that is the order of a scan.
    live: BTreeMap<String, (Key, Arc<Entry>)>,
    history: HashMap<Key, History>,
    events: BTreeMap<u64, Stored>,
    log: BTreeMap<u64, (Line, String)>,
    /// By source, then by delivery.
    deliveries: HashMap<String, HashMap<String, u64>>,
    /// The event of the last change.
    changed: u64,
    /// By hash: what definitions were compiled from.
    texts: BTreeMap<String, String>,
    /// By hash: the last event they decided; none while they are in force.
    definitions: BTreeMap<String, Option<u64>>,
}

impl Read for Memory {
    fn load(&self, key: &Key) -> Result<Option<Arc<Entry>>, Error> {
        Ok(self.live.get(&key.to_string()).map(|(_, entry)| entry.clone()))
    }

    fn scan(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Arc<Entry>)>, Error> {
        let after = after.map(Key::to_string).filter(|after| after.as_str() >= prefix);
        let from = after.as_deref().map_or(Bound::Included(prefix), Bound::Excluded);
        let range = self.live.range::<str, _>((from, Bound::Unbounded));
        Ok(range.take_while(|(text, _)| text.starts_with(prefix)).take(limit).map(|(_, value)| value.clone()).collect())
    }

    fn as_of(&self, key: &Key, seq: u64) -> Result<Option<Arc<Entry>>, Error> {
        let Some(history) = self.history.get(key) else { return Ok(None) };
        let known = history.partition_point(|(at, _)| *at <= seq);
        Ok(history[..known].last().and_then(|(_, entry)| entry.clone()))
    }

    fn delivery(&self, source: &str, delivery: &str) -> Result<Option<u64>, Error> {
        Ok(self.deliveries.get(source).and_then(|known| known.get(delivery)).copied())
    }

    fn last(&self) -> Result<Last, Error> {
        fn last<T>(map: &BTreeMap<u64, T>) -> u64 {
            map.last_key_value().map_or(0, |(seq, _)| *seq)
        }
        Ok(Last { event: last(&self.events), log: last(&self.log) })
    }

    fn event(&self, seq: u64) -> Result<Option<Stored>, Error> {
        Ok(self.events.get(&seq).cloned())
    }

    fn events(&self, after: u64, limit: usize) -> Result<Vec<Stored>, Error> {
        Ok(beyond(&self.events, after).take(limit).cloned().collect())
    }

    fn log(&self, filter: &Filter, after: u64, limit: usize) -> Result<Vec<Line>, Error> {
        let lines = beyond(&self.log, after).map(|(line, _)| line);
        Ok(lines.filter(|line| filter.passes(line)).take(limit).cloned().collect())
    }

    fn log_tail(&self, filter: &Filter, count: usize) -> Result<Vec<Line>, Error> {
        let lines = self.log.values().rev().map(|(line, _)| line);
        let mut tail: Vec<Line> = lines.filter(|line| filter.passes(line)).take(count).cloned().collect();
        tail.reverse();
        Ok(tail)
    }

    fn log_definitions(&self, seq: u64) -> Result<Option<String>, Error> {
        Ok(self.log.get(&seq).map(|(_, hash)| hash.clone()))
    }

    fn definitions_of(&self, hash: &str) -> Result<Option<String>, Error> {
        Ok(self.texts.get(hash).cloned())
    }

    /// Always the same: what is simulated twice has the same keys twice.
    fn instance(&self) -> Result<String, Error> {
        Ok("memory".into())
    }
}

/// What stands behind a number, in order.
fn beyond<T>(map: &BTreeMap<u64, T>, after: u64) -> impl Iterator<Item = &T> {
    map.range((Bound::Excluded(after), Bound::Unbounded)).map(|(_, value)| value)
}

impl Store for Memory {
    fn commit(&mut self, batch: &Batch) -> Result<(), Error> {
        let last = self.last()?;
        batch.check(last, self.changed)?;
        for (_, until) in self.definitions.iter_mut().filter(|(hash, until)| **hash != batch.definitions && until.is_none()) {
            *until = Some(last.event);
        }
        self.definitions.insert(batch.definitions.clone(), None);
        for event in &batch.events {
            if let Some(delivery) = &event.delivery {
                self.deliveries.entry(event.origin.clone()).or_default().insert(delivery.clone(), event.seq);
            }
            self.events.insert(event.seq, Stored { event: event.clone(), definitions: batch.definitions.clone() });
        }
        for (seq, change) in &batch.changes {
            let text = change.key.to_string();
            match &change.entry {
                Some(entry) => self.live.insert(text, (change.key.clone(), entry.clone())),
                None => self.live.remove(&text),
            };
            self.history.entry(change.key.clone()).or_default().push((*seq, change.entry.clone()));
            self.changed = *seq;
        }
        for line in &batch.log {
            let line = Line { at: to_microsecond(line.at), ..line.clone() };
            self.log.insert(line.seq, (line, batch.definitions.clone()));
        }
        Ok(())
    }

    fn keep_definitions(&mut self, hash: &str, text: &str) -> Result<(), Error> {
        self.definitions.insert(hash.to_owned(), None);
        self.texts.entry(hash.to_owned()).or_insert_with(|| text.to_owned());
        Ok(())
    }

    fn drop_definitions(&mut self) -> Result<usize, Error> {
        let first = self.events.first_key_value().map_or(u64::MAX, |(seq, _)| *seq);
        let before = self.texts.len();
        let in_use = |hash: &String| self.definitions.get(hash).is_some_and(|last| last.is_none_or(|last| last >= first));
        self.texts.retain(|hash, _| in_use(hash));
        Ok(before - self.texts.len())
    }
}

/// As exact as every store keeps the time of a log line.
fn to_microsecond(t: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(t.as_microsecond()).unwrap_or(t)
}
