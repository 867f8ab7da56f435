//! A run of a flow: where it stands, what it waits for, what it has come by. Resuming is O(1) at any age: state, not replay.
//!
//! All of it is a stored format: JSON; new fields need `#[serde(default)]`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::engine::approval::TaskId;
use crate::engine::call::CallId;
use crate::engine::definition::{Again, At, BackTo, Flow};
use crate::engine::event::RecordRef;
use crate::engine::state::{Key, TimerId};
use crate::engine::value::{Map, Value};

/// One run of a flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Run {
    /// `r1042-1`.
    pub id: String,
    /// The flow's id.
    pub flow: String,
    /// The graph it is pinned to.
    pub graph: String,
    /// The record it is about.
    pub record: Option<RecordRef>,
    /// Of what there is one run at a time; the record's text unless `once_per` says otherwise.
    pub subject: String,
    /// The person who asked for it.
    pub initiator: Option<String>,
    /// The data of the event that started it, as `event.x`.
    pub event: Value,
    /// Where it stands: one position per branch, by number; numbers are never used again. 0 is the trunk.
    pub strands: BTreeMap<u32, Strand>,
    /// The next number.
    pub next: u32,
    /// Counts how often it went back, from 1.
    pub round: u32,
    /// Results of earlier steps, by step id: `steps.invoice.status`.
    pub steps: Map,
    /// `vars.x`
    pub vars: Map,
    /// The path taken, oldest first; of the items of an `each` that went the same way only how many.
    pub path: Vec<Passed>,
    /// How many steps it has left so far.
    pub left: u32,
    /// What was done and can be undone, oldest first.
    pub undoable: Vec<Undoable>,
    /// What is done once the undoing is through.
    pub then: Option<Then>,
    /// How many of what can be undone stay done meanwhile.
    pub keep: u32,
    /// Signals that came before anything waited for them.
    pub signals: Vec<Signal>,
    /// Where events find it.
    pub awaits: BTreeSet<Key>,
    /// It went back to an aside: what leads back from there to the path is of the same round.
    pub revising: bool,
    /// Where it goes on after what it went back to.
    pub resume: Option<Resume>,
    /// The end of its time.
    pub deadline: Option<TimerId>,
    /// When it began.
    pub started: Timestamp,
    /// Why it waits for a person's help, if it does; a run that is through is no longer in the state.
    pub failed: Option<String>,
    /// It has failed and does what the flow says then: why, and at which step.
    pub failing: Option<(String, String)>,
    /// Began on preview: nothing it does leaves.
    pub preview: bool,
}

/// A position: the trunk, or a branch of a `parallel` or `each`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Strand {
    /// The step.
    pub at: At,
    /// The strand that waits at the `parallel` or `each` for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// Which branch of it, or which item of the list, from 0.
    #[serde(default)]
    pub branch: u32,
    /// What it waits for.
    #[serde(default)]
    pub waits: Vec<Wait>,
    /// Calls of the step as it was done before: it is to be done again, and what it says again goes under their keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<CallId>,
    /// What it is about there.
    #[serde(default)]
    pub phase: Phase,
    /// When it came there.
    pub since: Timestamp,
    /// When the step's time is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<TimerId>,
    /// How often that has happened.
    #[serde(default)]
    pub late: u32,
    /// How often each `repeat` has been gone through.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub loops: BTreeMap<At, u32>,
    /// Values under the names that `each` gives, as this strand sees them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub items: Map,
    /// At an `each`: what is left of its list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<Value>,
    /// At a `parallel` or `each`: the branches or items that are through.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub through: BTreeSet<u32>,
    /// Why it stands still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The step from which `rejected`, `late` or `on_error` led here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<At>,
    /// A call of the step has ended well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub came: bool,
    /// Of a dead call of the step nobody knows whether it happened.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub maybe: bool,
}

impl Strand {
    /// At the beginning of a step.
    pub fn new(at: At, since: Timestamp) -> Self {
        Self {
            at,
            parent: None,
            branch: 0,
            waits: Vec::new(),
            former: Vec::new(),
            phase: Phase::Forward,
            since,
            deadline: None,
            late: 0,
            loops: BTreeMap::new(),
            items: Map::new(),
            left: Vec::new(),
            through: BTreeSet::new(),
            error: None,
            origin: None,
            came: false,
            maybe: false,
        }
    }
}

/// What a strand is about at its step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It does it.
    #[default]
    Forward,
    /// It finds out whether it happened, to go on.
    Verify,
    /// It waits for calls that were on their way when it was to be undone.
    Settle,
    /// It finds out whether it happened, to undo it.
    Check,
    /// It undoes it: the action of that place comes next.
    Undo(u32),
}

/// What a strand waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// A timer.
    Timer(TimerId),
    /// The flow's window: the step begins then.
    Window(TimerId),
    /// The outcome of a call.
    Call(CallId),
    /// The event that its step names.
    Event,
    /// People's decision.
    Task(TaskId),
    /// Its branches.
    Branches,
}

impl Wait {
    /// The call whose outcome it is.
    pub(super) fn call(&self) -> Option<CallId> {
        if let Self::Call(call) = self { Some(*call) } else { None }
    }
}

/// A step that was left, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// Its id.
    pub step: String,
    /// In which round.
    pub round: u32,
    /// When it was come to.
    pub from: Timestamp,
    /// When it was left.
    pub to: Timestamp,
    /// How.
    pub how: How,
    /// How it was left, where that is void by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void: Option<How>,
    /// The people who decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<String>,
    /// How many steps the run had left by then, with this one: what came before what.
    #[serde(default)]
    pub n: u32,
    /// So many of an `each`' items went this way; the times are those of the first and the last.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub times: u32,
    /// How it stood there, where a person may take back what led on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Was>,
}

/// How a run stood where people decided: taking that back leads there again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Was {
    /// What they decided.
    pub task: TaskId,
    /// How often each `repeat` had been gone through.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub loops: BTreeMap<At, u32>,
    /// The step from which `rejected`, `late` or `on_error` had led there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<At>,
    /// Where it was to go on after what it had gone back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Resume>,
    /// It was in an aside to which it had gone back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revising: bool,
}

/// How a step was left; closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It is done.
    Done,
    /// Its condition did not hold.
    Skipped,
    /// People approved.
    Approved,
    /// People rejected.
    Rejected,
    /// Its time was over.
    Late,
    /// It could not be done.
    Failed,
    /// Something else made it needless.
    Cancelled,
    /// It was done and counts no more: the run went back behind it.
    Void,
    /// It was undone.
    Undone,
}

/// Something done that can be undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Undoable {
    /// The step.
    pub at: At,
    /// In which round.
    pub round: u32,
    /// How many steps the run had left by then; 0: yesterday's run does not say.
    #[serde(default)]
    pub n: u32,
    /// What it came to.
    pub result: Value,
    /// Values under the names that `each` gave.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub items: Map,
    /// Calls that were on their way when it was to be undone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallId>,
    /// It may or may not have happened.
    #[serde(default)]
    pub unknown: bool,
    /// Some of it has surely happened, whatever becomes of its calls on their way.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub happened: bool,
}

/// What is done once the undoing is through.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// The run has failed.
    Fail,
    /// It ends in this word.
    End(String),
    /// It goes back, from this step.
    Back {
        /// Whence.
        from: At,
        /// Where, and how on.
        to: BackTo,
        /// What was through by then, by the `parallel` or `each` around that step, outermost first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        through: Vec<(At, BTreeSet<u32>)>,
    },
}

/// Where a run goes on after what it went back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The step that was gone back to: once it is through.
    pub after: At,
    /// The step that went back.
    pub at: At,
    /// What was through by then, by the `parallel` or `each` around that step, outermost first.
    pub through: Vec<(At, BTreeSet<u32>)>,
}

/// Something that happened before it was waited for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// The event's name.
    pub name: String,
    /// Its data.
    pub data: Value,
    /// When.
    pub at: Timestamp,
    /// It was told to this run by name: whatever the wait's key says.
    #[serde(default)]
    pub direct: bool,
}

/// The runs that a record (or what `once_per` says) is in.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(from = "StoredEnrolment")]
pub struct Enrolment {
    /// Runs under way, oldest first.
    pub runs: Vec<String>,
    /// Starts that wait for their turn.
    pub queue: Vec<Queued>,
    /// When the last began.
    pub last: Option<Timestamp>,
}

impl Enrolment {
    /// Whether a run that is through leaves something to remember.
    pub fn is_empty(&self, again: Again) -> bool {
        self.runs.is_empty() && self.queue.is_empty() && (again == Again::Always || self.last.is_none())
    }
}

/// A start that waits for its turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Queued {
    /// The record.
    pub record: Option<RecordRef>,
    /// `event.x`
    pub event: Value,
    /// It is only shown.
    pub preview: bool,
    /// When it was asked for.
    pub at: Timestamp,
}

/// Yesterday's form too: a bare run's id.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredEnrolment {
    One(String),
    Many {
        runs: Vec<String>,
        #[serde(default)]
        queue: Vec<Queued>,
        #[serde(default)]
        last: Option<Timestamp>,
    },
}

impl From<StoredEnrolment> for Enrolment {
    fn from(stored: StoredEnrolment) -> Self {
        match stored {
            StoredEnrolment::One(run) => Self { runs: vec![run], ..Self::default() },
            StoredEnrolment::Many { runs, queue, last } => Self { runs, queue, last },
        }
    }
}

/// Yesterday's form too: one position, without branches.
#[derive(Deserialize)]
struct Stored {
    id: String,
    flow: String,
    graph: String,
    #[serde(default)]
    record: Option<RecordRef>,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    initiator: Option<String>,
    #[serde(default)]
    event: Value,
    #[serde(default)]
    step: Option<At>,
    #[serde(default)]
    waits: Vec<Wait>,
    #[serde(default)]
    strands: BTreeMap<u32, Strand>,
    #[serde(default)]
    next: u32,
    #[serde(default = "one")]
    round: u32,
    #[serde(default)]
    steps: Map,
    #[serde(default)]
    vars: Map,
    #[serde(default)]
    path: Vec<Passed>,
    #[serde(default)]
    left: u32,
    #[serde(default)]
    undoable: Vec<Undoable>,
    #[serde(default)]
    then: Option<Then>,
    #[serde(default)]
    keep: u32,
    #[serde(default)]
    signals: Vec<Signal>,
    #[serde(default)]
    awaits: BTreeSet<Key>,
    #[serde(default)]
    revising: bool,
    #[serde(default)]
    resume: Option<Resume>,
    #[serde(default)]
    deadline: Option<TimerId>,
    started: Timestamp,
    #[serde(default)]
    failed: Option<String>,
    #[serde(default)]
    failing: Option<(String, String)>,
    #[serde(default)]
    preview: bool,
}

fn one() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_one(n: &u32) -> bool {
    *n == 1
}

impl From<Stored> for Run {
    fn from(stored: Stored) -> Self {
        let mut strands = stored.strands;
        if let Some(at) = stored.step {
            let strand = Strand { waits: stored.waits, error: stored.failed.clone(), ..Strand::new(at, stored.started) };
            strands.entry(0).or_insert(strand);
        }
        Self {
            subject: stored.subject.unwrap_or_else(|| stored.record.as_ref().map(ToString::to_string).unwrap_or_default()),
            id: stored.id,
            flow: stored.flow,
            graph: stored.graph,
            record: stored.record,
            initiator: stored.initiator,
            event: stored.event,
            strands,
            next: stored.next.max(1),
            round: stored.round,
            steps: stored.steps,
            vars: stored.vars,
            path: stored.path,
            left: stored.left,
            undoable: stored.undoable,
            then: stored.then,
            keep: stored.keep,
            signals: stored.signals,
            awaits: stored.awaits,
            revising: stored.revising,
            resume: stored.resume,
            deadline: stored.deadline,
            started: stored.started,
            failed: stored.failed,
            failing: stored.failing,
            preview: stored.preview,
        }
    }
}

impl Run {
    /// The strands that wait for something or stand still, with the ids of their steps: what people are shown.
    pub fn stands(&self, flow: &Flow) -> Vec<(String, &Strand)> {
        let waits = |s: &&Strand| !matches!(s.waits[..], [Wait::Branches]);
        let id = |s: &Strand| flow.steps.get(s.at).map(|step| step.id.clone()).unwrap_or_default();
        let mut stands: Vec<&Strand> = self.strands.values().filter(waits).collect();
        stands.sort_by_key(|s| s.at);
        stands.into_iter().map(|s| (id(s), s)).collect()
    }
}

/// What a person asks about a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// Which.
    pub run: String,
    /// What.
    pub act: Act,
    /// Who asks.
    pub by: String,
    /// Why.
    #[serde(default)]
    pub comment: String,
}

/// What a person asks about a run; closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Tells it that this happened.
    Signal {
        /// The name of the event that it waits for.
        name: String,
        /// `event.x`
        data: Value,
    },
    /// Ends it.
    Cancel {
        /// What was done is undone first.
        undo: bool,
    },
    /// Does again what it stands still at.
    Retry,
    /// Goes on as if what it stands at were done.
    Skip,
    /// Goes back to a step: a new round.
    Back {
        /// The step's id.
        step: String,
    },
    /// 撤回, by the initiator.
    Recall,
    /// Puts it onto the flow as it is now.
    Migrate,
}

impl Act {
    /// Its word in the log.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Signal { .. } => "signal",
            Self::Cancel { .. } => "cancel",
            Self::Retry => "retry",
            Self::Skip => "skip",
            Self::Back { .. } => "back",
            Self::Recall => "recall",
            Self::Migrate => "migrate",
        }
    }
}
