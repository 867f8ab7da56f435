//! A disk and the store on it, which outlive every process; they fail as they are told, and a process can end in the middle of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ifthen::engine::event::{Body, Event};
use ifthen::engine::log::Line;
use ifthen::engine::state::{Change, Entry, Key};
use ifthen::store::memory::Memory;
use ifthen::store::{Batch, Each, Error, Filter, Last, Read, Store, Stored};
use jiff::Timestamp;

/// The process is killed: it unwinds to whoever runs it, and nothing of it is left.
pub(super) struct Killed;

/// What goes wrong next, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Killed in a commit: nothing of it is on disk.
    KilledBefore,
    /// Killed in a commit: all of it is on disk, and nobody was told.
    KilledAfter,
    /// The commit fails for good, and nothing of it is on disk.
    BrokenBefore,
    /// The commit fails for good, and yet all of it is on disk: only the next start can tell.
    BrokenAfter,
    /// Killed while a value is read, so many reads from now.
    KilledReading(usize),
    /// A read fails for good, so many from now.
    BrokenReading(usize),
    /// What is done between commits fails for good.
    BrokenTidying,
}

/// How a store could have been built wrongly, of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// `synchronous=OFF`: what is committed reaches the disk later; a power cut takes the last commits.
    Unsynced,
    /// A commit is no transaction: killed in it, half of it is on disk.
    Torn,
    /// Delivery ids are known as long as the process runs, and not rebuilt at its start.
    ForgetfulDeliveries,
}

/// Commits that the operating system still holds back when a store does not sync.
const HELD_BACK: usize = 6;

/// What is on the disk, and what is known about it from outside.
#[derive(Default)]
pub(super) struct Platter {
    memory: Memory,
    /// Everything that was committed, in order, with the time at which it was decided.
    pub(super) committed: Vec<(Batch, Timestamp)>,
    /// What a power cut takes: everything before, and how many commits that were.
    unsynced: Option<(Memory, usize)>,
    /// The time by which the process decides.
    pub(super) now: Timestamp,
    fault: Option<Fault>,
    /// Those that have happened.
    pub(super) happened: BTreeMap<&'static str, u64>,
    /// No space is left.
    pub(super) full: bool,
    flaw: Option<Flaw>,
    known: usize,
    /// What was read back as another than was written.
    pub(super) garbled: Option<String>,
}

/// A way to the disk: the process's store, and the simulation's view of it.
#[derive(Clone, Default)]
pub(super) struct Disk(Arc<Mutex<Platter>>);

impl Disk {
    pub(super) fn new(flaw: Option<Flaw>) -> Self {
        Self(Arc::new(Mutex::new(Platter { flaw, ..Platter::default() })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Arms a fault; one at a time.
    pub(super) fn arm(&self, fault: Option<Fault>) {
        self.lock().fault = fault;
    }

    /// The machine loses its power: what was not synced is gone, all of it or, by `keep`, only the last.
    pub(super) fn power_cut(&self, keep: usize) {
        let mut platter = self.lock();
        platter.known = 0;
        let Some((before, count)) = platter.unsynced.take() else { return };
        let kept = count + keep % (platter.committed.len() - count + 1);
        platter.committed.truncate(kept);
        platter.memory = before;
        let again: Vec<Batch> = platter.committed[count..].iter().map(|(batch, _)| batch.clone()).collect();
        for batch in &again {
            platter.memory.commit(batch).unwrap();
        }
    }

    /// A new process opens it.
    pub(super) fn opened(&self) {
        let mut platter = self.lock();
        platter.known = platter.committed.len();
    }

    /// Something that only reads, without any fault.
    pub(super) fn with<T>(&self, read: impl FnOnce(&Memory) -> T) -> T {
        read(&self.lock().memory)
    }
}

impl Platter {
    fn happens(&mut self, what: &'static str) {
        self.fault = None;
        *self.happened.entry(what).or_default() += 1;
    }

    /// Whether reading goes well; `None`: the process is killed in it.
    fn reads(&mut self) -> Option<Result<(), Error>> {
        match self.fault {
            Some(Fault::KilledReading(0)) => {
                self.happens("fault.killed reading");
                None
            }
            Some(Fault::BrokenReading(0)) => {
                self.happens("fault.broken reading");
                Some(Err(Error::Broken("EIO".into())))
            }
            Some(Fault::KilledReading(n)) => {
                self.fault = Some(Fault::KilledReading(n - 1));
                Some(Ok(()))
            }
            Some(Fault::BrokenReading(n)) => {
                self.fault = Some(Fault::BrokenReading(n - 1));
                Some(Ok(()))
            }
            _ => Some(Ok(())),
        }
    }

    fn write(&mut self, batch: &Batch) -> Result<(), Error> {
        if self.flaw == Some(Flaw::Unsynced) {
            let held = self.unsynced.as_ref().map_or(0, |(_, count)| self.committed.len() - count);
            if self.unsynced.is_none() || held >= HELD_BACK {
                self.unsynced = Some((self.memory.clone(), self.committed.len()));
            }
        }
        let stored = self.as_stored(batch);
        self.memory.commit(&stored)?;
        self.committed.push((batch.clone(), self.now));
        Ok(())
    }

    /// As it is read back: everything goes through its stored form.
    fn as_stored(&mut self, batch: &Batch) -> Batch {
        let mut stored = batch.clone();
        for (_, change) in &mut stored.changes {
            let Some(entry) = &change.entry else { continue };
            let back = serde_json::to_string(entry.as_ref()).and_then(|text| serde_json::from_str::<Entry>(&text));
            match back {
                Ok(back) if back == **entry && change.key.to_string().parse() == Ok(change.key.clone()) => {
                    change.entry = Some(Arc::new(back));
                }
                back => self.garbled = Some(format!("{}: {entry:?} is read back as {back:?}", change.key)),
            }
        }
        for event in &mut stored.events {
            let back = serde_json::to_string(event).and_then(|text| serde_json::from_str::<Event>(&text));
            match back {
                // What a slice went over is not kept a second time.
                Ok(back) if back == *event || matches!(event.body, Body::Slice(_)) => *event = back,
                back => self.garbled = Some(format!("{event:?} is read back as {back:?}")),
            }
        }
        stored
    }

    fn commit(&mut self, batch: &Batch) -> Option<Result<(), Error>> {
        if self.full {
            *self.happened.entry("fault.disk full").or_default() += 1;
            return Some(Err(Error::Full));
        }
        match self.fault {
            Some(Fault::KilledBefore) => {
                self.happens("fault.killed before the commit");
                if self.flaw == Some(Flaw::Torn) {
                    let half = batch.changes.len() / 2;
                    let changes = batch.changes[..half].to_vec();
                    self.write(&Batch { changes, ..batch.clone() }).ok()?;
                }
                None
            }
            Some(Fault::KilledAfter) => {
                self.happens("fault.killed after the commit");
                self.write(batch).ok()?;
                None
            }
            Some(Fault::BrokenBefore) => {
                self.happens("fault.broken before the commit");
                Some(Err(Error::Broken("fsync".into())))
            }
            Some(Fault::BrokenAfter) => {
                self.happens("fault.broken after the commit");
                Some(self.write(batch).and(Err(Error::Broken("fsync".into()))))
            }
            _ => Some(self.write(batch)),
        }
    }
}

/// Ends the process where it stands; no panic is told, since none is one.
fn killed() -> ! {
    std::panic::resume_unwind(Box::new(Killed))
}

impl Disk {
    fn read<T>(&self, read: impl FnOnce(&Memory) -> Result<T, Error>) -> Result<T, Error> {
        let reads = self.lock().reads();
        reads.unwrap_or_else(|| killed())?;
        self.with(read)
    }
}

impl Read for Disk {
    fn load(&self, key: &Key) -> Result<Option<Arc<Entry>>, Error> {
        self.read(|m| m.load(key))
    }
    fn scan(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Arc<Entry>)>, Error> {
        self.read(|m| m.scan(prefix, after, limit))
    }
    fn as_of(&self, key: &Key, seq: u64) -> Result<Option<Arc<Entry>>, Error> {
        self.read(|m| m.as_of(key, seq))
    }
    fn scan_as_of(&self, prefix: &str, seq: u64, each: &mut Each<'_>) -> Result<(), Error> {
        self.read(|m| m.scan_as_of(prefix, seq, each))
    }
    fn delivery(&self, source: &str, delivery: &str) -> Result<Option<u64>, Error> {
        let found = self.read(|m| m.delivery(source, delivery))?;
        let platter = self.lock();
        let first = platter.committed.get(platter.known).and_then(|(batch, _)| batch.events.first().map(|e| e.seq));
        Ok(found.filter(|seq| platter.flaw != Some(Flaw::ForgetfulDeliveries) || first.is_some_and(|first| *seq >= first)))
    }
    fn last(&self) -> Result<Last, Error> {
        self.read(Memory::last)
    }
    fn event(&self, seq: u64) -> Result<Option<Stored>, Error> {
        self.read(|m| m.event(seq))
    }
    fn events(&self, after: u64, limit: usize) -> Result<Vec<Stored>, Error> {
        self.read(|m| m.events(after, limit))
    }
    fn log(&self, filter: &Filter, after: u64, limit: usize) -> Result<Vec<Line>, Error> {
        self.read(|m| m.log(filter, after, limit))
    }
    fn log_tail(&self, filter: &Filter, count: usize) -> Result<Vec<Line>, Error> {
        self.read(|m| m.log_tail(filter, count))
    }
    fn log_definitions(&self, seq: u64) -> Result<Option<String>, Error> {
        self.read(|m| m.log_definitions(seq))
    }
    fn instance(&self) -> Result<String, Error> {
        self.read(Memory::instance)
    }
}

impl Store for Disk {
    fn commit(&mut self, batch: &Batch) -> Result<(), Error> {
        let done = self.lock().commit(batch);
        done.unwrap_or_else(|| killed())
    }

    fn maintain(&mut self) -> Result<(), Error> {
        let mut platter = self.lock();
        if platter.fault == Some(Fault::BrokenTidying) {
            platter.happens("fault.broken tidying");
            return Err(Error::Broken("EIO".into()));
        }
        Ok(())
    }
}

/// A change's key and value, for telling.
pub(super) fn shown(change: &Change) -> String {
    match change.entry.as_deref() {
        Some(entry) => format!("{} {entry:?}", change.key),
        None => format!("{} gone", change.key),
    }
}
