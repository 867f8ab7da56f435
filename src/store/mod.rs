//! Where events, state and the log are kept: one small trait, several stores, one suite that every one passes.
//!
//! Architecture invariant: a store decides nothing and knows no rule; it keeps what a turn hands it, all or nothing.

use std::sync::Arc;

use crate::engine::event::Event;
use crate::engine::log::{Line, Outcome};
use crate::engine::state::{Change, Entry, Key};

/// What one turn commits, all or nothing.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Batch {
    /// The hash of the definitions that decided it.
    pub definitions: String,
    /// In order of `seq`; roots and what they caused.
    pub events: Vec<Event>,
    /// In order; each with the number of the event it was decided on. Also appended to the change log.
    pub changes: Vec<(u64, Change)>,
    /// In order of `seq`.
    pub log: Vec<Line>,
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

/// An event as it was stored, with the hash of the definitions that decided it.
#[derive(Debug, Clone, PartialEq)]
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

    /// The value under a key as it was once the event of this number and all before it had been decided.
    fn as_of(&self, key: &Key, seq: u64) -> Result<Option<Arc<Entry>>, Error>;

    /// The number of the event that a source delivered under this id, within the dedupe horizon.
    fn delivery(&self, source: &str, delivery: &str) -> Result<Option<u64>, Error>;

    /// The last numbers given out.
    fn last(&self) -> Result<Last, Error>;

    /// One event.
    fn event(&self, seq: u64) -> Result<Option<Stored>, Error>;

    /// Events after this number, in order, at most `limit`.
    fn events(&self, after: u64, limit: usize) -> Result<Vec<Stored>, Error>;

    /// Log lines after this number that pass the filter, in order, at most `limit`.
    fn log(&self, filter: &Filter, after: u64, limit: usize) -> Result<Vec<Line>, Error>;

    /// The last `count` log lines that pass the filter, in order.
    fn log_tail(&self, filter: &Filter, count: usize) -> Result<Vec<Line>, Error>;

    /// A random name of this store, made when it was created and anew when it is restored from a backup: idempotency keys
    /// carry it, so that a restored store never reuses the key of something it has forgotten.
    fn instance(&self) -> Result<String, Error>;
}

/// The one writer.
pub trait Store: Read + Send {
    /// Writes a batch; when it returns `Ok`, the batch is on disk (fsync) and every reader sees it. On an error nothing of it
    /// is there, but for [`Error::Broken`], where only reading again after a restart can tell.
    fn commit(&mut self, batch: &Batch) -> Result<(), Error>;
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
    /// The file was written by a newer version.
    #[error("{0}")]
    Newer(String),
}
