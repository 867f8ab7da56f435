//! What the engine is told: one closed enum for everything that can happen, from a webhook to the outcome of a call.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::access::Actor;
use super::call::{CallId, Outcome, Request};
use super::state::Key;
use super::value::{Map, Value};

/// Which record: its entity and the value of its key field.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecordRef {
    /// The entity's id, as in `entities:`.
    pub entity: String,
    /// The key field's value as text.
    pub id: String,
}

impl std::fmt::Display for RecordRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.entity, self.id)
    }
}

/// One thing that happened.
///
/// Stored format: JSON, version in the store's `user_version`; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the one order of everything; given by the turn before it is decided, gaps allowed, never reused.
    pub seq: u64,
    /// Dotted name: `lead.created`, `page.viewed`; the engine's own are below `ifthen.`.
    pub name: String,
    /// When it happened, as its source says; never after `received`.
    pub at: Timestamp,
    /// When we learnt of it.
    pub received: Timestamp,
    /// Who told us: `crm` (a source's id), `rule:welcome`, `flow:nurture`, `ifthen`.
    pub origin: String,
    /// The source's own id of this delivery; the same one again is the same event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<String>,
    /// The record it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordRef>,
    /// The event of which a decision emitted this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The import it came with: rules that do not say `imports: react` send nothing on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    /// Who asked for it over the API or the command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Actor>,
    /// What happened.
    pub body: Body,
}

impl Event {
    /// The id that people and other programs see: `e1042`.
    pub fn id(&self) -> String {
        id(self.seq)
    }

    /// Whether it began something: no decision emitted it. One that was handed in again did, too.
    pub fn is_root(&self) -> bool {
        self.cause.as_ref().is_none_or(|cause| cause.depth == 0)
    }

    /// The number of the event that a person handed in again as this one.
    pub fn replay_of(&self) -> Option<u64> {
        self.cause.as_ref().filter(|cause| cause.depth == 0).map(|cause| cause.seq)
    }

    /// Whether a source told it: only such can be handed in again.
    pub fn is_told(&self) -> bool {
        self.is_root() && self.origin != OWN && matches!(self.body, Body::Happened { .. })
    }

    /// The same again as news: origin and data stay, the delivery does not, so that it is not taken for a repetition. As late news,
    /// which counts for less where a source told something newer since; `as_new` as if it happened now.
    pub fn replayed(&self, now: Timestamp, as_new: bool) -> Draft {
        let mut body = self.body.clone();
        if let (true, Body::Happened { upsert: Some(upsert), .. }) = (as_new, &mut body) {
            upsert.at = None;
        }
        Draft {
            at: if as_new { now } else { self.at },
            origin: self.origin.clone(),
            record: self.record.clone(),
            cause: Some(Cause { seq: self.seq, depth: 0, by: "replay".into() }),
            batch: self.batch.clone(),
            ..Draft::own(&self.name, now, body)
        }
    }
}

/// The origin of what the engine and its shell tell themselves.
const OWN: &str = "ifthen";

/// An event without its number yet: what sources tell and decisions emit.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// See [`Event::name`].
    pub name: String,
    /// See [`Event::at`].
    pub at: Timestamp,
    /// See [`Event::received`].
    pub received: Timestamp,
    /// See [`Event::origin`].
    pub origin: String,
    /// See [`Event::delivery`].
    pub delivery: Option<String>,
    /// See [`Event::record`].
    pub record: Option<RecordRef>,
    /// See [`Event::cause`].
    pub cause: Option<Cause>,
    /// See [`Event::batch`].
    pub batch: Option<String>,
    /// See [`Event::by`].
    pub by: Option<Actor>,
    /// See [`Event::body`].
    pub body: Body,
}

impl Draft {
    /// One of the engine's own, told by the shell.
    pub fn own(name: &str, now: Timestamp, body: Body) -> Self {
        Self {
            name: name.into(),
            at: now,
            received: now,
            origin: OWN.into(),
            delivery: None,
            record: None,
            cause: None,
            batch: None,
            by: None,
            body,
        }
    }

    /// The event under its number.
    pub fn event(self, seq: u64) -> Event {
        let Self { name, at, received, origin, delivery, record, cause, batch, by, body } = self;
        Event { seq, name, at, received, origin, delivery, record, cause, batch, by, body }
    }
}

/// The public id of the event with this number.
pub fn id(seq: u64) -> String {
    format!("e{seq}")
}

/// The number in a public event id (`e1042`, or just `1042`).
pub fn seq(id: &str) -> Option<u64> {
    id.strip_prefix('e').unwrap_or(id).parse().ok()
}

/// Where an emitted event comes from; or, with a depth of 0, which one a person handed in again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The event whose decision emitted it.
    pub seq: u64,
    /// How many such steps since the root, 1 for a direct one; at most [`super::cascade::MAX_DEPTH`]. 0: it is a root itself.
    pub depth: u32,
    /// The rule or flow that did; `replay`.
    pub by: String,
}

/// What happened; closed, so that every kind is decided somewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// A source or a rule says something happened; `event.x` in conditions is `data`.
    Happened {
        /// The payload as it came, or as the rule made it.
        data: Value,
        /// What the source says about the record, to be merged before rules see it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        upsert: Option<Upsert>,
    },
    /// A record came to be, by the decision named in `cause`. The event's name is `<entity>.created`.
    Created {
        /// Who did it: the origin of the event that caused it, or the rule.
        by: String,
    },
    /// Fields of a record changed. The event's name is `<entity>.changed`.
    Changed {
        /// Former values of just the fields that changed (null: there was none).
        old: Map,
        /// Their new values: by the time this is decided, another event of the same root may have changed the record again.
        #[serde(default)]
        new: Map,
        /// Who did it.
        by: String,
    },
    /// A timer reached its due time; `at` is that time.
    Due(Key),
    /// The shell is ready to perform the first of these calls; the rest wait behind it on the same connection, in order,
    /// and may be merged into it.
    Start(Vec<CallId>),
    /// Part of a sweep: what it goes over next.
    Slice(super::sweep::Slice),
    /// An attempt of a call came to an end.
    Ended {
        /// The call.
        call: CallId,
        /// Which attempt, from 1; a late answer to a former attempt is logged and ignored.
        attempt: u32,
        /// How it ended.
        outcome: Outcome,
    },
    /// A poll read rows up to here; committed in the same transaction as the events of those rows.
    Polled {
        /// The source's id.
        source: String,
        /// The new cursor.
        cursor: Value,
        /// How many rows it brought.
        rows: u64,
    },
    /// A source told something that could not be understood; it is kept in quarantine under this event's number.
    Unread(Box<super::quarantine::Unread>),
    /// A person has settled an item of the quarantine.
    Settled {
        /// The number of the event by which it was kept.
        item: u64,
        /// What it comes to; nothing: it is discarded.
        told: Vec<super::quarantine::Retold>,
    },
    /// Something was told about a mail that left.
    Mail(Box<super::mail::Told>),
    /// What it was is no longer kept; its name, times and record are.
    Forgotten,
    /// Something a person asked for from the command line or the API.
    Command(Command),
    /// New definitions are in force from here on.
    Loaded {
        /// Their hash.
        hash: String,
        /// What changed, in words.
        detail: Value,
    },
    /// New definitions were found and do not compile; the old ones stay. The problems, as `ifthen check` tells them.
    NotLoaded(Value),
}

impl Body {
    /// Whether it keeps the engine's own books: those are kept even when what it causes is rolled back.
    pub fn is_own(&self) -> bool {
        let others = matches!(self, Self::Happened { .. } | Self::Created { .. } | Self::Changed { .. });
        !others && !matches!(self, Self::Unread(_) | Self::Settled { .. } | Self::Forgotten)
    }
}

/// What a person asks of the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Try a dead or waiting call again, now.
    Retry(CallId),
    /// Replace what a dead or waiting call will send, then try it again.
    Edit(CallId, Box<Request>),
    /// Give a call up.
    Discard(CallId),
    /// Keep rules from firing for a while.
    Silence(super::silence::Ask),
    /// Let them fire again: the number in the silence's id.
    EndSilence(u64),
    /// The clock is right as it is: what is driven by time goes on.
    ConfirmClock,
    /// Two records are one.
    Merge(super::merge::Ask),
    /// They are two after all.
    Unmerge(super::merge::Undoing),
    /// About what people are asked to decide or to answer.
    Task(Box<super::approval::Ask>),
    /// About a run.
    Run(Box<super::flow::Ask>),
    /// An address is to get marketing mail, or none.
    Contact(super::mail::Ask),
    /// About access tokens.
    Token(super::access::Ask),
}

/// What a source tells about a record: a field changes only where the source's own value changed since it last told us.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Upsert {
    /// The record.
    pub record: RecordRef,
    /// Normalised values by field; a field that is absent is not told, null is told to be empty.
    pub fields: Map,
    /// When the source's copy had these values, where it says so: older news than the last told do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}
