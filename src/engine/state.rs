//! State is keyed values: everything that outlives an event is an [`Entry`] under a [`Key`], loaded by the shell when asked.

mod key;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::approval::Task;
use super::call::Call;
use super::definition::Flow;
use super::event::RecordRef;
use super::flow::{Enrolment, Run};
use super::gate;
use super::record::Record;
use super::value::Value;

pub use key::{Key, TimerId, prefix};

/// What is kept under a key; closed.
///
/// Stored format: JSON, externally tagged; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// Under [`Key::Record`].
    Record(Arc<Record>),
    /// Under [`Key::Record`]: it was merged into another.
    Redirect(Arc<super::merge::Redirect>),
    /// Under [`Key::Mark`]: when.
    Mark(Timestamp),
    /// Under [`Key::Gate`]: when a limit counted a firing, oldest first.
    Times(Vec<Timestamp>),
    /// Under [`Key::Gate`]: what waits.
    Waiting(gate::Waiting),
    /// Under [`Key::Silences`].
    Silences(Vec<super::silence::Silence>),
    /// Under [`Key::Tokens`].
    Tokens(Vec<super::access::Token>),
    /// Under [`Key::Pointer`].
    Pointer(super::assignment::Pointer),
    /// Under [`Key::Call`].
    Call(Call),
    /// Under [`Key::Timer`]: whom to wake.
    Timer(Wake),
    /// Under [`Key::Run`].
    Run(Run),
    /// Under [`Key::Enrolled`].
    Enrolled(Enrolment),
    /// Under [`Key::Task`].
    Task(Task),
    /// Under [`Key::Awaits`]: per event, the members by which it finds runs.
    Awaits(BTreeMap<String, BTreeSet<String>>),
    /// Under [`Key::Awaiting`]: their ids.
    Awaiting(BTreeSet<String>),
    /// Under [`Key::Graph`].
    Graph(Arc<Flow>),
    /// Under [`Key::Graphs`].
    Graphs(BTreeSet<String>),
    /// Under [`Key::Budget`].
    Budget(super::budget::Budget),
    /// Under [`Key::Cursor`].
    Cursor(Value),
    /// Under [`Key::Parked`]: why, in words.
    Parked(String),
    /// Under [`Key::Window`].
    Window(Arc<super::window::kept::Head>),
    /// Under [`Key::Items`] of number 0: what is known of the others.
    Chunks(Arc<Vec<super::window::kept::Chunk>>),
    /// Under [`Key::Items`].
    Items(Arc<Vec<super::window::kept::Item>>),
    /// Under [`Key::Windows`].
    Windows(super::window::Book),
    /// Under [`Key::Armed`].
    Armed(super::schedule::armed::Armed),
    /// Under [`Key::Tick`].
    Tick(super::schedule::tick::Next),
    /// Under [`Key::Sweep`].
    Sweep(super::sweep::Sweep),
    /// Under [`Key::Paused`].
    Paused(super::clock::Pause),
    /// Under [`Key::Schedules`]: by event, what they were armed by.
    Schedules(BTreeMap<String, (String, String)>),
    /// Under [`Key::Quarantine`].
    Quarantine(super::quarantine::Held),
    /// Under [`Key::Sent`].
    Sent(Box<super::mail::Sent>),
    /// Under [`Key::Contact`].
    Contact(super::contact::Contact),
}

/// Whom a timer wakes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wake {
    /// A run that waits at a step.
    Run(String),
    /// Whoever waits for something to age out of a window.
    Aged {
        /// The window's id.
        window: String,
        /// For whom it was counted.
        subject: String,
    },
    /// A schedule whose time has come for a record.
    Armed {
        /// The schedule's event.
        schedule: String,
        /// The record.
        record: RecordRef,
        /// Its warning, not its time itself.
        warn: bool,
    },
    /// A schedule that ticks.
    Tick(String),
    /// What waits at a rule's gate, under this key.
    Gate(Key),
    /// Whoever waits for a run of that flow to begin, under this key.
    Next(Key),
    /// Nobody: what is kept under this key is forgotten.
    Forget(Key),
}

/// What `decide` lacks to go on. It is pure: loaded and asked again, it comes to the same point and goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// The value of a key. Boxed: nearly everything here may come to it, and hardly anything does.
    Key(Box<Key>),
}

impl Need {
    /// The key whose value is lacking.
    pub fn key(self) -> Key {
        let Self::Key(key) = self;
        *key
    }
}

impl From<Key> for Need {
    fn from(key: Key) -> Self {
        Self::Key(Box::new(key))
    }
}

/// One change of state; every one also goes into the change log.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Of which key.
    pub key: Key,
    /// The new value; `None`: it is gone.
    pub entry: Option<Arc<Entry>>,
}

/// The loaded values. Owned by the turn; `decide` only reads it.
///
/// A key that is absent here is *not loaded*; a key with `None` is known to have no value.
#[derive(Debug, Default)]
pub struct State {
    slots: HashMap<Key, Option<Arc<Entry>>>,
    /// Former slots since the last [`State::publish`], latest last: the way back.
    journal: Vec<(Key, Option<Option<Arc<Entry>>>)>,
}

impl State {
    /// The value of a key, or that it must be loaded first.
    pub fn get(&self, key: &Key) -> Result<Option<&Arc<Entry>>, Need> {
        self.slots.get(key).map(Option::as_ref).ok_or_else(|| key.clone().into())
    }

    /// Tells what the store holds for a key.
    pub fn load(&mut self, key: Key, entry: Option<Arc<Entry>>) {
        self.slots.entry(key).or_insert(entry);
    }

    /// Takes a change in, with a way back.
    pub fn apply(&mut self, change: &Change) {
        let former = self.slots.insert(change.key.clone(), change.entry.clone());
        self.journal.push((change.key.clone(), former));
    }

    /// Loaded keys that have a value, below a prefix and after a key, in the order of their text; at most so many. For states
    /// that have no store behind them.
    pub fn scan(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Vec<Key> {
        let after = after.map(Key::to_string);
        let mut found: Vec<(String, &Key)> = self
            .slots
            .iter()
            .filter(|(key, slot)| slot.is_some() && prefix.starts_with(key.prefix()))
            .map(|(key, _)| (key.to_string(), key))
            .filter(|(text, _)| text.starts_with(prefix) && after.as_ref().is_none_or(|a| text > a))
            .collect();
        found.sort();
        found.into_iter().take(limit).map(|(_, key)| key.clone()).collect()
    }

    /// A point to come back to.
    pub fn mark(&self) -> usize {
        self.journal.len()
    }

    /// Undoes what was applied since the mark.
    pub fn rollback(&mut self, mark: usize) {
        for (key, former) in self.journal.drain(mark..).rev() {
            match former {
                Some(slot) => self.slots.insert(key, slot),
                None => self.slots.remove(&key),
            };
        }
    }

    /// What was applied is committed: there is no way back any more. Forgets all loaded values when they are more than `keep`.
    pub fn publish(&mut self, keep: usize) {
        self.journal.clear();
        if self.slots.len() > keep {
            self.slots.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_from_their_text() {
        for text in [
            "record/lead/L20",
            "record/客户/a/b",
            "mark/welcome/lead/L20",
            "mark/daily/",
            "once/welcome/lead/L20",
            "limit/coupon/13800138000",
            "debounce/stock/",
            "group/digest/张三",
            "silence/all",
            "tokens/all",
            "pointer/华东销售",
            "call/0000000000001042-0002",
            "timer/001790000000000-0000000000000007-0001",
            "run/r7-1",
            "enrolled/welcome-mails/lead/L20",
            "graph/abc",
            "graphs/book",
            "task/0000000000001042-0002",
            "awaits/all",
            "awaiting/contract.signed//contract/C/1",
            "awaiting/payment.received/order.no/2026/1",
            "budget/sales",
            "cursor/erp",
            "parked/0000000000000009",
            "window/0a1b2c3d4e5f/customer/C/1",
            "window/0a1b2c3d4e5f/",
            "items/0a1b2c3d4e5f/000001/customer/C/1",
            "windows/book",
            "armed/ifthen.held.recycle/lead/L20",
            "tick/ifthen.cron.weekly-report",
            "sweep/ifthen.held.recycle",
            "schedules/",
            "paused/",
            "quarantine/0000000000000042",
            "sent/0000000000001042-0002",
            "contact/o'neil/x@example.com",
        ] {
            assert_eq!(text.parse::<Key>().unwrap().to_string(), text);
        }
        assert!("what/ever".parse::<Key>().is_err());
    }

    #[test]
    fn rollback_restores_what_was_there() {
        let key = Key::Cursor("erp".into());
        let put = |n: i64| Change { key: key.clone(), entry: Some(Arc::new(Entry::Cursor(n.into()))) };
        let mut state = State::default();
        assert!(state.get(&key).is_err());
        state.load(key.clone(), None);
        state.apply(&put(1));
        let mark = state.mark();
        state.apply(&put(2));
        state.apply(&Change { key: key.clone(), entry: None });
        state.rollback(mark);
        assert_eq!(state.get(&key).unwrap().unwrap().as_ref(), &Entry::Cursor(1i64.into()));
        state.rollback(0);
        assert_eq!(state.get(&key).unwrap(), None);
    }
}
