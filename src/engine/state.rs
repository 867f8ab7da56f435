//! State is keyed values: everything that outlives an event is an [`Entry`] under a [`Key`], loaded by the shell when asked.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::approval::{Task, TaskId};
use super::call::{Call, CallId};
use super::definition::Flow;
use super::event::RecordRef;
use super::flow::{Enrolment, Run};
use super::gate;
use super::record::Record;
use super::value::Value;

/// Under what a value is kept. Its text (`record/lead/L20`) is its form in the store; kinds share a prefix.
///
/// Stored format: the text. Ids may hold any character; only the last part of a key may hold `/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// A record.
    Record(RecordRef),
    /// When a rule last fired for a subject (a record's text, or empty): cooldown.
    Mark {
        /// The rule.
        rule: String,
        /// For whom.
        subject: String,
    },
    /// What another gate of a rule remembers for a subject.
    Gate {
        /// Which gate.
        gate: gate::Kind,
        /// The rule.
        rule: String,
        /// For whom.
        subject: String,
    },
    /// The silences that have not ended.
    Silences,
    /// The access tokens.
    Tokens,
    /// Whose turn it is in a team.
    Pointer(String),
    /// A call that is not done.
    Call(CallId),
    /// A timer, by due time, so that the near future is one range.
    Timer(TimerId),
    /// A run of a flow: `r1042-1`.
    Run(String),
    /// The run that a record is in, per flow: one at a time.
    Enrolled {
        /// The flow.
        flow: String,
        /// The record's text.
        subject: String,
    },
    /// What people are asked to decide or to answer.
    Task(TaskId),
    /// By what the events that runs wait for find them, per event.
    Awaits,
    /// The runs that an event finds.
    Awaiting {
        /// The event's name.
        event: String,
        /// The member of its data, dotted; empty: its record.
        path: String,
        /// The member's or the record's text.
        subject: String,
    },
    /// The graph that runs are pinned to, by hash.
    Graph(String),
    /// The hashes of the graphs that may be there.
    Graphs,
    /// What a connection's budget has spent, and whether it is held.
    Budget(String),
    /// How far a polled source has been read.
    Cursor(String),
    /// A root event whose decision was rolled back, by its number.
    Parked(u64),
    /// What a window keeps for a subject (a record's text, or what `by` says).
    Window {
        /// The window's id.
        window: String,
        /// For whom.
        subject: String,
    },
    /// Items of it that do not fit into its head.
    Items {
        /// The window's id.
        window: String,
        /// Which of its chunks.
        n: u32,
        /// For whom.
        subject: String,
    },
    /// Which windows are fed, and since when.
    Windows,
    /// What a schedule is armed with for a record.
    Armed {
        /// The schedule's event.
        schedule: String,
        /// The record's text.
        subject: String,
    },
    /// The next tick of a schedule, by its event.
    Tick(String),
    /// A sweep that is under way.
    Sweep(String),
    /// That time stands still: the clock was set.
    Paused,
    /// The schedules that are armed: what changed is found by it at a reload.
    Schedules,
    /// What a source told and that was not understood, by the number of its event.
    Quarantine(u64),
    /// A mail that left, by the call that sent it.
    Sent(CallId),
    /// What is known of a mail address.
    Contact(String),
}

/// A timer's place: due time in milliseconds, then the event that set it and a number within that event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TimerId {
    /// Due, in milliseconds since 1970.
    pub due: i64,
    /// The event that set it.
    pub seq: u64,
    /// From 1, within that event.
    pub n: u32,
}

impl Key {
    /// The prefix of all keys of the same kind, with its slash.
    pub fn prefix(&self) -> &'static str {
        match self {
            Self::Record(_) => "record/",
            Self::Mark { .. } => "mark/",
            Self::Gate { gate, .. } => gate.prefix(),
            Self::Silences => "silence/",
            Self::Tokens => "tokens/",
            Self::Pointer(_) => "pointer/",
            Self::Call(_) => prefix::CALL,
            Self::Timer(_) => prefix::TIMER,
            Self::Run(_) => prefix::RUN,
            Self::Enrolled { .. } => "enrolled/",
            Self::Task(_) => prefix::TASK,
            Self::Awaits => "awaits/",
            Self::Awaiting { .. } => "awaiting/",
            Self::Graph(_) => prefix::GRAPH,
            Self::Graphs => "graphs/",
            Self::Budget(_) => prefix::BUDGET,
            Self::Cursor(_) => "cursor/",
            Self::Parked(_) => prefix::PARKED,
            Self::Window { .. } => prefix::WINDOW,
            Self::Items { .. } => prefix::ITEMS,
            Self::Windows => "windows/",
            Self::Armed { .. } => "armed/",
            Self::Tick(_) => "tick/",
            Self::Sweep(_) => prefix::SWEEP,
            Self::Schedules => "schedules/",
            Self::Paused => prefix::PAUSED,
            Self::Quarantine(_) => prefix::QUARANTINE,
            Self::Sent(_) => "sent/",
            Self::Contact(_) => "contact/",
        }
    }
}

/// The prefixes that the shell scans.
pub mod prefix {
    /// Records of all entities; add `lead/` for one.
    pub const RECORD: &str = "record/";
    /// Calls that are not done, oldest first.
    pub const CALL: &str = "call/";
    /// Timers, earliest first.
    pub const TIMER: &str = "timer/";
    /// Runs that are not through.
    pub const RUN: &str = "run/";
    /// What people are asked.
    pub const TASK: &str = "task/";
    /// Pinned graphs.
    pub const GRAPH: &str = "graph/";
    /// Budgets of connections.
    pub const BUDGET: &str = "budget/";
    /// That time stands still.
    pub const PAUSED: &str = "paused/";
    /// Sweeps that are under way.
    pub const SWEEP: &str = "sweep/";
    /// Events that were rolled back.
    pub const PARKED: &str = "parked/";
    /// Heads of windows; add `<id>/` for one window.
    pub const WINDOW: &str = "window/";
    /// Items of windows; add `<id>/` for one window.
    pub const ITEMS: &str = "items/";
    /// What was not understood, oldest first.
    pub const QUARANTINE: &str = "quarantine/";
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.prefix())?;
        match self {
            Self::Record(r) => write!(f, "{r}"),
            Self::Mark { rule, subject } | Self::Gate { rule, subject, .. } => write!(f, "{rule}/{subject}"),
            Self::Silences | Self::Awaits | Self::Tokens => f.write_str("all"),
            Self::Awaiting { event, path, subject } => write!(f, "{event}/{path}/{subject}"),
            Self::Enrolled { flow, subject } => write!(f, "{flow}/{subject}"),
            Self::Armed { schedule, subject } => write!(f, "{schedule}/{subject}"),
            Self::Schedules | Self::Paused => Ok(()),
            Self::Pointer(id)
            | Self::Run(id)
            | Self::Graph(id)
            | Self::Budget(id)
            | Self::Cursor(id)
            | Self::Tick(id)
            | Self::Sweep(id)
            | Self::Contact(id) => f.write_str(id),
            // Zero-padded, so that text order is number order.
            Self::Call(id) | Self::Sent(id) => write!(f, "{:016}-{:04}", id.seq, id.n),
            Self::Task(id) => write!(f, "{:016}-{:04}", id.seq, id.n),
            Self::Timer(t) => write!(f, "{:015}-{:016}-{:04}", t.due.max(0), t.seq, t.n),
            Self::Window { window, subject } => write!(f, "{window}/{subject}"),
            Self::Items { window, n, subject } => write!(f, "{window}/{n:06}/{subject}"),
            Self::Windows | Self::Graphs => f.write_str("book"),
            Self::Parked(seq) | Self::Quarantine(seq) => write!(f, "{seq:016}"),
        }
    }
}

impl FromStr for Key {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        fn number<T: FromStr>(t: &str) -> Result<T, ()> {
            t.parse().map_err(|_| ())
        }
        let (kind, rest) = text.split_once('/').ok_or(())?;
        let own = || rest.to_owned();
        Ok(match kind {
            "record" => {
                let (entity, id) = rest.split_once('/').ok_or(())?;
                Self::Record(RecordRef { entity: entity.into(), id: id.into() })
            }
            "mark" => {
                let (rule, subject) = rest.split_once('/').ok_or(())?;
                Self::Mark { rule: rule.into(), subject: subject.into() }
            }
            "silence" => Self::Silences,
            "tokens" => Self::Tokens,
            "pointer" => Self::Pointer(own()),
            "call" | "sent" => {
                let (seq, n) = rest.split_once('-').ok_or(())?;
                let id = CallId { seq: number(seq)?, n: number(n)? };
                if kind == "call" { Self::Call(id) } else { Self::Sent(id) }
            }
            "contact" => Self::Contact(own()),
            "timer" => {
                let mut parts = rest.splitn(3, '-');
                let mut next = || parts.next().ok_or(());
                Self::Timer(TimerId { due: number(next()?)?, seq: number(next()?)?, n: number(next()?)? })
            }
            "run" => Self::Run(own()),
            "enrolled" => {
                let (flow, subject) = rest.split_once('/').ok_or(())?;
                Self::Enrolled { flow: flow.into(), subject: subject.into() }
            }
            "task" => {
                let (seq, n) = rest.split_once('-').ok_or(())?;
                Self::Task(TaskId { seq: number(seq)?, n: number(n)? })
            }
            "awaits" => Self::Awaits,
            "awaiting" => {
                let mut parts = rest.splitn(3, '/');
                let mut next = || parts.next().map(str::to_owned).ok_or(());
                Self::Awaiting { event: next()?, path: next()?, subject: next()? }
            }
            "graph" => Self::Graph(own()),
            "graphs" if rest == "book" => Self::Graphs,
            "budget" => Self::Budget(own()),
            "cursor" => Self::Cursor(own()),
            "parked" => Self::Parked(number(rest)?),
            "quarantine" => Self::Quarantine(number(rest)?),
            "window" => {
                let (window, subject) = rest.split_once('/').ok_or(())?;
                Self::Window { window: window.into(), subject: subject.into() }
            }
            "items" => {
                let (window, rest) = rest.split_once('/').ok_or(())?;
                let (n, subject) = rest.split_once('/').ok_or(())?;
                Self::Items { window: window.into(), n: number(n)?, subject: subject.into() }
            }
            "windows" if rest == "book" => Self::Windows,
            "armed" => {
                let (schedule, subject) = rest.split_once('/').ok_or(())?;
                Self::Armed { schedule: schedule.into(), subject: subject.into() }
            }
            "tick" => Self::Tick(own()),
            "sweep" => Self::Sweep(own()),
            "schedules" if rest.is_empty() => Self::Schedules,
            "paused" if rest.is_empty() => Self::Paused,
            other => {
                let gate = gate::Kind::of(other).ok_or(())?;
                let (rule, subject) = rest.split_once('/').ok_or(())?;
                Self::Gate { gate, rule: rule.into(), subject: subject.into() }
            }
        })
    }
}

super::serde_as_text!(Key, "a key such as record/lead/L20");

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
