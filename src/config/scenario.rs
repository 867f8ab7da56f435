//! What `tests:` compiles to: what is there, what happens when, what must come of it. Run by `check`; the daemon never sees it.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use crate::engine::approval;
use crate::engine::definition::{Person, Team};
use crate::engine::event::{RecordRef, Upsert};
use crate::engine::flow;
use crate::engine::log::Outcome;
use crate::engine::merge::{Ask, Undoing};
use crate::engine::value::{Map, Value};

/// One test.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// Its key in `tests:`.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// When it begins.
    pub at: Timestamp,
    /// Records that are there already, with their fields as they are kept; `tags` are tags unless the entity has such a field.
    pub given: Vec<(RecordRef, Map)>,
    /// People as they are here, whatever `people:` says.
    pub people: BTreeMap<String, Person>,
    /// Teams as they are here.
    pub teams: BTreeMap<String, Team>,
    /// How calls end from the beginning.
    pub answers: Vec<Answer>,
    /// In order; their times never go back.
    pub steps: Vec<Step>,
}

/// A place in a file, for people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// As it was named on the command line.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One step: what falls due until then, then what happens, then what is looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Where it stands.
    pub place: Place,
    /// When.
    pub at: Timestamp,
    /// What happens; a step may just let time pass. In the order in which they are written.
    pub acts: Vec<Act>,
    /// How often it happens.
    pub times: u32,
    /// How calls end from here on; before those that were said earlier.
    pub answers: Vec<Answer>,
    /// Nothing at all may have happened: where that is said.
    pub nothing: Option<Place>,
    /// What must have happened since the step before.
    pub expect: Vec<Expectation>,
    /// What must not.
    pub never: Vec<Expectation>,
    /// Records as they must be.
    pub records: Vec<Held>,
}

/// What happens, from outside.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// Where it stands.
    pub place: Place,
    /// It comes with an import.
    pub import: bool,
    /// What.
    pub kind: ActKind,
}

/// What happens.
#[derive(Debug, Clone, PartialEq)]
pub enum ActKind {
    /// An event, as a source tells it.
    Event {
        /// Its name.
        name: String,
        /// What `event.x` is.
        data: Value,
        /// The record it is about.
        record: Option<RecordRef>,
        /// Who tells it.
        source: String,
    },
    /// A source tells about a record; merged as ever.
    Tell {
        /// Who tells it.
        source: String,
        /// What.
        upsert: Upsert,
    },
    /// A person merges two records.
    Merge(Ask),
    /// A person makes them two again.
    Unmerge(Undoing),
    /// A source posts, and its mapping is applied.
    Post {
        /// Who.
        source: String,
        /// JSON; a text as it stands.
        body: Value,
        /// Beside the content type.
        headers: Vec<(String, String)>,
    },
    /// A person does something about a task.
    Decide {
        /// Of which run, at which step.
        at: Whose,
        /// Who.
        person: String,
        /// What.
        act: approval::Act,
        /// Their words.
        comment: String,
        /// Their documents.
        links: Vec<String>,
    },
    /// A person does something about a run.
    Run {
        /// Which.
        of: Whose,
        /// Who, where that matters.
        by: String,
        /// What.
        act: flow::Act,
    },
}

/// Of which run, where it could be several.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Whose {
    /// Of this flow.
    pub flow: Option<String>,
    /// For this record.
    pub record: Option<RecordRef>,
    /// At this step.
    pub step: Option<String>,
}

/// How calls end.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Whose: `email`, `http`, `dingtalk`, `wecom`; none: all.
    pub action: Option<&'static str>,
    /// Only over this connection.
    pub connection: Option<String>,
    /// So many attempts; none: all.
    pub times: Option<u32>,
    /// How.
    pub end: End,
}

/// How a call ends.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// Accepted.
    Done,
    /// Refused for now.
    Transient,
    /// Too fast.
    Throttled,
    /// Refused for good.
    Permanent,
    /// The connection is at fault.
    Configuration,
    /// It may have happened or not.
    Unknown,
    /// An HTTP answer, to be judged as a real one is.
    Http {
        /// The status.
        status: u16,
        /// JSON; a text as it stands.
        body: Value,
        /// `Retry-After`, say.
        headers: Vec<(String, String)>,
    },
}

/// One thing that must have happened, or must not.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// Where it stands.
    pub place: Place,
    /// As it is written: `assign`, `email`, `suppressed`.
    pub word: &'static str,
    /// What of it.
    pub thing: Thing,
    /// All must hold.
    pub members: Vec<Member>,
    /// Exactly so often; none: at least once.
    pub times: Option<u32>,
}

/// About as it is written: `assign: { to: 张三 }`, `rule: welcome`.
impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word)?;
        if let [Member { name: "by" | "id" | "tags" | "fields", value, .. }] = &self.members[..] {
            write!(f, ": {value}")?;
        } else if !self.members.is_empty() {
            let members: Vec<String> = self.members.iter().map(|m| format!("{}: {}", m.name, m.value)).collect();
            write!(f, ": {{ {} }}", members.join(", "))?;
        }
        match self.times {
            Some(times) => write!(f, " ×{times}"),
            None => Ok(()),
        }
    }
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// The rule fired.
    Rule,
    /// This action was done, or its call ordered.
    Action(&'static str),
    /// Somebody was told, by whatever channel.
    Notify,
    /// Something ended so.
    Outcome(Outcome),
    /// A post, or what a person asked for, was refused.
    Refused,
    /// An item of the post was not understood, and is kept.
    Quarantined,
}

/// A member that must be so.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// `to`, `text`, `rule`.
    pub name: &'static str,
    /// What it must be.
    pub value: Value,
    /// Whether it must be this, or hold it.
    pub how: How,
}

/// How a member is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It is this; of an object, the members that are named.
    Is,
    /// It is a text with this in it.
    Holds,
    /// It is a list with all of these in it.
    All,
}

/// A record as it must be.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Where it is said.
    pub place: Place,
    /// Which.
    pub record: RecordRef,
    /// Fields as they are kept, with the place of each; `None`: there is no such record.
    pub fields: Option<Vec<(String, Value, Place)>>,
}
