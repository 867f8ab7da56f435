//! The action log: one line per thing that a rule, a flow, a call or a person did.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{self, RecordRef};
use super::value::{Plain, Value};

/// One line. The keys are a promise to those who read the log by program.
///
/// Stored format: columns of the `log` table, `detail` as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Its place in the log; given at the commit.
    pub seq: u64,
    /// When the engine decided it.
    pub at: Timestamp,
    /// The event it was decided on.
    pub event: u64,
    /// The rule, if one.
    pub rule: Option<String>,
    /// The flow, if one.
    pub flow: Option<String>,
    /// The run of the flow.
    pub run: Option<String>,
    /// The record.
    pub record: Option<RecordRef>,
    /// `rule` for the rule as a whole, an action's name (`assign`, `email`), or the engine's own (`merge`, `reload`, `cascade`).
    pub action: String,
    /// How it stands.
    pub outcome: Outcome,
    /// What was done, in an object: `{"to": "…", "call": "c12-1"}`; `reason` in words where it is not `done`.
    pub detail: Value,
}

/// The line for programs. The keys and their order are a promise.
#[derive(Debug, Serialize)]
pub struct Json<'a> {
    seq: u64,
    at: Timestamp,
    event: String,
    rule: Option<&'a str>,
    flow: Option<&'a str>,
    run: Option<&'a str>,
    record: Option<String>,
    action: &'a str,
    outcome: &'static str,
    detail: Plain<'a>,
}

impl<'a> From<&'a Line> for Json<'a> {
    fn from(line: &'a Line) -> Self {
        Self {
            seq: line.seq,
            at: line.at,
            event: event::id(line.event),
            rule: line.rule.as_deref(),
            flow: line.flow.as_deref(),
            run: line.run.as_deref(),
            record: line.record.as_ref().map(ToString::to_string),
            action: &line.action,
            outcome: line.outcome.word(),
            detail: line.detail.plain(),
        }
    }
}

/// How a log line ends; closed and stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A rule fired, a run started, a call was queued.
    Fired,
    /// It is done; for a call: the other side accepted it.
    Done,
    /// An attempt failed, another will follow.
    Retrying,
    /// It could not be done and nothing will follow by itself: an unevaluable condition, an action without what it needs.
    Failed,
    /// A call ran out of attempts or was refused for good; listed by `ifthen calls --dead`.
    Dead,
    /// It was not done on purpose: a gate, preview, a stale value.
    Suppressed,
    /// It may or may not have happened outside.
    Unknown,
}

impl Outcome {
    /// All, in the order of their declaration.
    pub const ALL: [Self; 7] =
        [Self::Fired, Self::Done, Self::Retrying, Self::Failed, Self::Dead, Self::Suppressed, Self::Unknown];

    /// The word in the log.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::Done => "done",
            Self::Retrying => "retrying",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Suppressed => "suppressed",
            Self::Unknown => "unknown",
        }
    }

    /// The outcome of that word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.word() == word)
    }
}
