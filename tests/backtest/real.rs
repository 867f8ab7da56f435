//! A real run: the daemon's turn over a store, told by a virtual clock; every call ends well at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use ifthen::config;
use ifthen::daemon::turn::{Submission, Turn};
use ifthen::engine::call::{Call, Outcome as Ended};
use ifthen::engine::definition::Definitions;
use ifthen::engine::event::{Body, Draft};
use ifthen::engine::log::{Line, Outcome};
use ifthen::engine::state::{Entry, Key};
use ifthen::engine::value::Value;
use ifthen::store::memory::Memory;
use ifthen::store::sqlite::{Options, Sqlite};
use ifthen::store::{Batch, Each, Error, Filter, Last, Read, Store, Stored};
use jiff::Timestamp;

/// A store in memory that can be looked at while a turn has it, and that hands on what it commits.
#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    memory: Memory,
    /// Also written into a file, in large batches.
    file: Option<(Sqlite, Batch)>,
}

/// Events of one batch of the file.
const LARGE: usize = 4_000;

impl Shared {
    /// Whatever is committed is written into this file as well; after [`Shared::flush`] all of it is there.
    pub fn into_file(path: &Path) -> Self {
        let file = Sqlite::open(path, Options::default()).unwrap();
        Self(Arc::new(Mutex::new(Inner { memory: Memory::default(), file: Some((file, Batch::default())) })))
    }

    /// The file also keeps what these definitions are compiled from, as the daemon does.
    pub fn keep(&self, config: &Path) {
        let loaded = config::load(config, &config::Options::default()).unwrap();
        let text = loaded.snapshot.to_text().unwrap();
        self.with(|i| i.file.as_mut().unwrap().0.keep_definitions(&loaded.definitions.hash, &text).unwrap());
    }

    /// One that goes on from what this one holds.
    pub fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(Inner { memory: self.with(|i| i.memory.clone()), file: None })))
    }

    pub fn flush(&self) {
        self.with(|i| {
            if let Some((file, batch)) = &mut i.file {
                file.commit(batch).unwrap();
                file.maintain().unwrap();
                *batch = Batch::default();
            }
        });
    }

    fn with<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> T {
        f(&mut self.0.lock().unwrap())
    }

    /// How much there is under keys of a kind.
    pub fn count(&self, prefix: &str) -> usize {
        self.with(|i| i.memory.scan(prefix, None, usize::MAX).unwrap().len())
    }

    pub fn last(&self) -> u64 {
        self.with(|i| i.memory.last().unwrap().event)
    }
}

impl Read for Shared {
    fn load(&self, key: &Key) -> Result<Option<Arc<Entry>>, Error> {
        self.with(|i| i.memory.load(key))
    }
    fn scan(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Arc<Entry>)>, Error> {
        self.with(|i| i.memory.scan(prefix, after, limit))
    }
    fn as_of(&self, key: &Key, seq: u64) -> Result<Option<Arc<Entry>>, Error> {
        self.with(|i| i.memory.as_of(key, seq))
    }
    fn scan_as_of(&self, prefix: &str, seq: u64, each: &mut Each<'_>) -> Result<(), Error> {
        self.with(|i| i.memory.scan_as_of(prefix, seq, each))
    }
    fn delivery(&self, source: &str, delivery: &str) -> Result<Option<u64>, Error> {
        self.with(|i| i.memory.delivery(source, delivery))
    }
    fn last(&self) -> Result<Last, Error> {
        self.with(|i| i.memory.last())
    }
    fn event(&self, seq: u64) -> Result<Option<Stored>, Error> {
        self.with(|i| i.memory.event(seq))
    }
    fn events(&self, after: u64, limit: usize) -> Result<Vec<Stored>, Error> {
        self.with(|i| i.memory.events(after, limit))
    }
    fn log(&self, filter: &Filter, after: u64, limit: usize) -> Result<Vec<Line>, Error> {
        self.with(|i| i.memory.log(filter, after, limit))
    }
    fn log_tail(&self, filter: &Filter, count: usize) -> Result<Vec<Line>, Error> {
        self.with(|i| i.memory.log_tail(filter, count))
    }
    fn log_definitions(&self, seq: u64) -> Result<Option<String>, Error> {
        self.with(|i| i.memory.log_definitions(seq))
    }
    fn instance(&self) -> Result<String, Error> {
        self.with(|i| i.memory.instance())
    }
}

impl Store for Shared {
    fn commit(&mut self, batch: &Batch) -> Result<(), Error> {
        let full = self.with(|i| -> Result<bool, Error> {
            i.memory.commit(batch)?;
            let Some((_, made)) = &mut i.file else { return Ok(false) };
            made.definitions.clone_from(&batch.definitions);
            made.events.extend(batch.events.iter().cloned());
            made.changes.extend(batch.changes.iter().cloned());
            made.log.extend(batch.log.iter().cloned());
            Ok(made.events.len() >= LARGE)
        })?;
        if full {
            self.flush();
        }
        Ok(())
    }
}

/// The definitions of a configuration.
pub fn definitions(config: &Path) -> Arc<Definitions> {
    let loaded = config::load(config, &config::Options::default());
    Arc::new(loaded.unwrap_or_else(|r| panic!("{}", r.render(r.lang, false))).definitions)
}

/// A turn and its clock.
pub struct Real {
    turn: Turn,
    now: Timestamp,
}

impl Real {
    pub fn new(store: &Shared, definitions: Arc<Definitions>, now: Timestamp) -> Self {
        let (mut turn, cut_off) = Turn::open(Box::new(store.clone()), Arc::clone(&definitions), now).unwrap();
        assert!(cut_off.is_empty(), "every attempt has ended");
        turn.load(definitions, "start".into(), now).unwrap();
        Self { turn, now }
    }

    /// What falls due until then happens, each at its time.
    pub fn pass(&mut self, until: Timestamp) {
        while let Some(wake) = self.turn.wake(self.now).filter(|wake| *wake <= until) {
            self.now = self.now.max(wake);
            let due = self.turn.due(self.now);
            assert!(!due.is_empty());
            self.settle(due);
        }
        self.now = self.now.max(until);
    }

    /// Somebody tells something.
    pub fn tell(&mut self, draft: Draft) {
        let at = draft.received;
        self.pass(at);
        self.settle(vec![alone(draft)]);
        self.pass(at);
    }

    /// Every attempt that begins ends at once, and well.
    fn settle(&mut self, submissions: Vec<Submission>) {
        let mut started = self.take(submissions);
        while !started.is_empty() {
            started.sort_by_key(|call| call.id);
            let mut next = Vec::new();
            for call in started {
                let outcome = Ended::Done(Value::from([("status", 200u64.into()), ("body", "".into())]));
                let body = Body::Ended { call: call.id, attempt: call.attempt, outcome };
                let draft = Draft::own("ifthen.call.ended", self.now, body);
                next.extend(self.take(vec![alone(Draft { record: call.record.clone(), ..draft })]));
            }
            started = next;
        }
    }

    fn take(&mut self, submissions: Vec<Submission>) -> Vec<Call> {
        let taken = self.turn.take(submissions, self.now);
        assert!(taken.broken.is_none() && taken.again.is_empty());
        taken.started
    }
}

fn alone(draft: Draft) -> Submission {
    Submission { drafts: vec![draft], reply: None }
}

/// What fired, as the log says: rule or flow, branch, record, name of the event, time; and how often.
pub type Fired = BTreeMap<(String, String, String, String, Timestamp), i64>;

/// What fired on events after this number.
pub fn fired(store: &Shared, after: u64) -> Fired {
    let mut found = Fired::new();
    let lines = store.with(|i| i.memory.log(&Filter::default(), 0, usize::MAX).unwrap());
    for line in lines.into_iter().filter(|l| l.event > after) {
        let by = match (line.action.as_str(), line.outcome) {
            ("rule", Outcome::Fired) => line.rule.clone(),
            ("start", Outcome::Fired) => line.flow.clone(),
            ("cascade", Outcome::Failed) => Some("parked".to_owned()),
            _ => None,
        };
        let Some(by) = by else { continue };
        let branch = line.detail.at(&["branch"]).map(ToString::to_string).unwrap_or_default();
        let record = line.record.as_ref().map(ToString::to_string).unwrap_or_default();
        let name = store.with(|i| i.memory.event(line.event).unwrap()).unwrap().event.name;
        *found.entry((by, branch, record, name, line.at)).or_default() += 1;
    }
    found
}

/// What the second has more (above 0) and less (below) than the first.
pub fn minus(new: &Fired, old: &Fired) -> Fired {
    let mut left = new.clone();
    for (firing, count) in old {
        *left.entry(firing.clone()).or_default() -= count;
    }
    left.retain(|_, count| *count != 0);
    left
}
