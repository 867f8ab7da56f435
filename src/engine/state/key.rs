//! Under what values are kept, and how that is written in the store.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::engine::approval::TaskId;
use crate::engine::call::CallId;
use crate::engine::event::RecordRef;
use crate::engine::gate;

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

crate::engine::serde_as_text!(Key, "a key such as record/lead/L20");
