//! Where events, state and the log are kept: one small trait, several stores, one suite that every one passes.
//!
//! [`memory`] for tests and simulation, [`scratch`] for trying on history, [`sqlite`] for the daemon, [`backup`] for copies of the latter.
//!
//! Architecture invariant: a store decides nothing and knows no rule; it keeps what a turn hands it, all or nothing. It has no
//! clock: what is old is told by the times inside the events.

use std::sync::Arc;

pub mod backup;
pub mod export;
pub mod memory;
pub mod retention;
pub mod scratch;
pub mod sqlite;
#[cfg(test)]
mod suite;

use crate::engine::event::Event;
use crate::engine::log::{Line, Outcome};
use crate::engine::state::{Change, Entry, Key};
pub use retention::Retention;

/// The one action of a line that may be of an event long past: its delivery has come again.
pub const LATE: &str = "duplicate";

/// What one turn commits, all or nothing.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Batch {
    /// The hash of the definitions that decided it.
    pub definitions: String,
    /// In order of `seq`; roots and what they caused.
    pub events: Vec<Event>,
    /// In order; each with the number of the event it was decided on, which never falls. Also appended to the change log.
    pub changes: Vec<(u64, Change)>,
    /// In order of `seq` and, but for [`LATE`], of the events they are of. `at` is kept to the microsecond.
    pub log: Vec<Line>,
}

impl Batch {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.changes.is_empty() && self.log.is_empty()
    }

    /// What every store checks before it writes: numbers rise, beyond the last ones given out and, for changes, not below the
    /// last one's event. Reading as of an event, and the order of everything, rest on it.
    fn check(&self, last: Last, changed: u64) -> Result<(), Error> {
        rising("event", last.event, self.events.iter().map(|e| e.seq))?;
        rising("log line", last.log, self.log.iter().map(|l| l.seq))?;
        let mut last = 0;
        for line in self.log.iter().filter(|line| line.action != LATE) {
            if line.event < last {
                return Err(Error::Refused(format!(
                    "log line {} is of an event before {last}, of which the log has told",
                    line.seq
                )));
            }
            last = line.event;
        }
        let mut at = changed;
        for (seq, change) in &self.changes {
            if *seq < at {
                return Err(Error::Refused(format!("the change of {} on event {seq} comes after one on event {at}", change.key)));
            }
            within(*seq)?;
            at = *seq;
        }
        Ok(())
    }
}

fn rising(what: &str, mut last: u64, numbers: impl Iterator<Item = u64>) -> Result<(), Error> {
    for seq in numbers {
        if seq <= last {
            return Err(Error::Refused(format!("{what} {seq} comes after {last}")));
        }
        within(seq)?;
        last = seq;
    }
    Ok(())
}

/// Databases count in 63 bits.
fn within(seq: u64) -> Result<(), Error> {
    i64::try_from(seq).map(drop).map_err(|_| Error::Refused(format!("{seq} is too large for a number")))
}

/// The last numbers given out; the next ones are larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Last {
    /// Of events.
    pub event: u64,
    /// Of log lines.
    pub log: u64,
}

/// Which log lines; all that are said must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Rule id.
    pub rule: Option<String>,
    /// Flow id.
    pub flow: Option<String>,
    /// Record, as `lead/L20`, or just its id.
    pub record: Option<String>,
    /// Action name.
    pub action: Option<String>,
    /// Outcome.
    pub outcome: Option<Outcome>,
    /// Decided at or after.
    pub since: Option<jiff::Timestamp>,
    /// Of this event.
    pub event: Option<u64>,
}

impl Filter {
    /// Whether a line passes.
    pub fn passes(&self, line: &Line) -> bool {
        fn same(asked: Option<&String>, has: Option<&String>) -> bool {
            asked.is_none() || asked == has
        }
        let record = |asked: &String| line.record.as_ref().is_some_and(|r| r.id == *asked || r.to_string() == *asked);
        same(self.rule.as_ref(), line.rule.as_ref())
            && same(self.flow.as_ref(), line.flow.as_ref())
            && same(self.action.as_ref(), Some(&line.action))
            && self.record.as_ref().is_none_or(record)
            && self.outcome.is_none_or(|o| o == line.outcome)
            && self.since.is_none_or(|t| line.at.as_microsecond() >= t.as_microsecond())
            && self.event.is_none_or(|seq| seq == line.event)
    }
}

/// An event as it was stored, with the hash of the definitions that decided it; as JSON it is a line of [`export`].
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Stored {
    /// The event.
    pub event: Event,
    /// The definitions' hash.
    pub definitions: String,
}

/// Reading what is committed. Any number of readers beside the one writer; a reader never blocks it.
pub trait Read {
    /// The value under a key.
    fn load(&self, key: &Key) -> Result<Option<Arc<Entry>>, Error>;

    /// Entries whose key's text begins with `prefix`, in order of that text, after `after`, at most `limit`.
    fn scan(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Arc<Entry>)>, Error>;

    /// The keys of those entries alone.
    fn keys(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, Error> {
        Ok(self.scan(prefix, after, limit)?.into_iter().map(|(key, _)| key).collect())
    }

    /// The value under a key as it was once the event of this number and all before it had been decided;
    /// [`Error::Forgotten`] where that is no longer known.
    fn as_of(&self, key: &Key, seq: u64) -> Result<Option<Arc<Entry>>, Error>;

    /// Hands over every entry whose key's text begins with `prefix` as it was once the event of this number and all before it had
    /// been decided; in no order, and one that changes meanwhile perhaps twice. Reads all changes since then.
    fn scan_as_of(&self, prefix: &str, seq: u64, each: &mut Each<'_>) -> Result<(), Error>;

    /// The number of the event that a source delivered under this id, within the dedupe horizon.
    fn delivery(&self, source: &str, delivery: &str) -> Result<Option<u64>, Error>;

    /// The last numbers given out.
    fn last(&self) -> Result<Last, Error>;

    /// One event.
    fn event(&self, seq: u64) -> Result<Option<Stored>, Error>;

    /// Events after this number, in order, at most `limit`.
    fn events(&self, after: u64, limit: usize) -> Result<Vec<Stored>, Error>;

    /// The first event after this number that other definitions than those of this hash decided.
    fn decided_otherwise(&self, after: u64, hash: &str) -> Result<Option<Stored>, Error> {
        let mut after = after;
        loop {
            let page = self.events(after, PAGE)?;
            let Some(last) = page.last() else { return Ok(None) };
            after = last.event.seq;
            if let Some(found) = page.into_iter().find(|stored| stored.definitions != hash) {
                return Ok(Some(found));
            }
        }
    }

    /// Log lines after this number that pass the filter, in order, at most `limit`.
    fn log(&self, filter: &Filter, after: u64, limit: usize) -> Result<Vec<Line>, Error>;

    /// The last `count` log lines that pass the filter, in order.
    fn log_tail(&self, filter: &Filter, count: usize) -> Result<Vec<Line>, Error>;

    /// The hash of the definitions by which a log line was decided.
    fn log_definitions(&self, seq: u64) -> Result<Option<String>, Error>;

    /// What the definitions of this hash were compiled from, as it was handed to [`Store::keep_definitions`]; `None` where it was not
    /// kept, or is not any more.
    fn definitions_of(&self, _hash: &str) -> Result<Option<String>, Error> {
        Ok(None)
    }

    /// A random name of this store, made when it was created and anew when it is restored from a backup: idempotency keys
    /// carry it, so that a restored store never reuses the key of something it has forgotten.
    fn instance(&self) -> Result<String, Error>;
}

/// Takes an entry in; its error ends the reading.
pub type Each<'a> = dyn FnMut(Key, Arc<Entry>) -> Result<(), Error> + 'a;

/// The one writer.
pub trait Store: Read + Send {
    /// Writes a batch; when it returns `Ok`, the batch is on disk (fsync) and every reader sees it. On an error nothing of it
    /// is there, but for [`Error::Broken`], where only reading again after a restart can tell.
    fn commit(&mut self, batch: &Batch) -> Result<(), Error>;

    /// Keeps what the definitions of this hash were compiled from; at once on disk, nothing when it is there already. To be called
    /// before the first event that they decide.
    fn keep_definitions(&mut self, _hash: &str, _text: &str) -> Result<(), Error> {
        Ok(())
    }

    /// Lets go what the definitions were compiled from that no event refers to any more; how many. Those in force stay.
    fn drop_definitions(&mut self) -> Result<usize, Error> {
        Ok(0)
    }

    /// Lets a little of what is old or too much go, at this time; whether there is more to do at once. What something waits for
    /// stays. To be called between batches; a store that keeps everything does nothing.
    fn retain(&mut self, _retention: &Retention, _now: jiff::Timestamp) -> Result<bool, Error> {
        Ok(false)
    }

    /// Housekeeping that the turn calls between batches; cheap when there is nothing to do. What fails here endangers nothing
    /// that is committed: [`Error::Full`] may be tried again, but [`Error::Broken`] means what it always means.
    fn maintain(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// Events of one read.
const PAGE: usize = 500;

/// The last events that pass, at most `count`, in order; none received long before `since`. Read backwards, in pages.
pub fn recent(
    store: &dyn Read,
    count: usize,
    since: Option<jiff::Timestamp>,
    passes: impl Fn(&Stored) -> bool,
) -> Result<Vec<Stored>, Error> {
    let mut found = Vec::new();
    let mut end = store.last()?.event;
    while end > 0 && found.len() < count {
        let start = end.saturating_sub(PAGE as u64);
        let mut page = store.events(start, PAGE)?;
        page.retain(|stored| stored.event.seq <= end);
        // Everything before is older still; a clock that was set back in between is not worth reading it all for.
        let older = since.is_some_and(|since| page.first().is_some_and(|s| s.event.received < since));
        found.extend(page.into_iter().rev().filter(&passes).take(count - found.len()));
        end = if older { 0 } else { start };
    }
    found.reverse();
    Ok(found)
}

/// What can go wrong in a store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No space is left; nothing was written; worth trying again.
    #[error("the disk is full")]
    Full,
    /// Something that was handed over cannot be written (too large, not in order); the same batch will fail again.
    #[error("not written: {0}")]
    Refused(String),
    /// Another process holds it.
    #[error("{0}")]
    Busy(String),
    /// Reading or writing the disk failed, or fsync did: the process must stop and recover from disk.
    #[error("the disk failed: {0}")]
    Broken(String),
    /// The file is damaged.
    #[error("{0}")]
    Corrupt(String),
    /// There is no store there.
    #[error("{0}")]
    Absent(String),
    /// State as of events before this one is no longer kept: whether there was a value, and which, is unknown.
    #[error("the state before {} is no longer kept (retention: changes)", crate::engine::event::id(*.0))]
    Forgotten(u64),
    /// The file was written by a newer version.
    #[error("{0}")]
    Newer(String),
}
