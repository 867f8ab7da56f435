//! Flows as the YAML says them, compiled to a graph: every step in one list, each knowing which comes next.
//!
//! All of it is a stored format (under `graph/<hash>`): runs are pinned to it. New fields need `#[serde(default)]`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Action, Approve, Ask, Deliver, Term, Who};
use crate::engine::binding::Let;
use crate::engine::call::Retry;
use crate::engine::expression::Expr;
use crate::engine::span::Span;
use crate::engine::template::Template;
use crate::engine::trigger::Trigger;

/// A place in [`Flow::steps`].
pub type At = usize;

/// A flow: steps over time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Flow {
    /// Its key in `flows:`.
    pub id: String,
    /// For people.
    #[serde(default)]
    pub title: Option<String>,
    /// Over what it compiles to: what runs are pinned to.
    pub hash: String,
    /// How the graph is written: 0 is a plain list, where each step is followed by the one after it.
    #[serde(default)]
    pub format: u32,
    /// Starts a run, beside `start:` in rules.
    #[serde(default)]
    pub when: Vec<Trigger>,
    /// Names for values in `condition`; a run that has begun needs them no more.
    #[serde(skip)]
    pub lets: Vec<Let>,
    /// Must hold for `when` to start a run.
    #[serde(default)]
    pub condition: Option<Expr>,
    /// The entity whose record a run is about.
    #[serde(default)]
    pub record: Option<String>,
    /// All steps, those inside others and asides too, in the order of the file. A run begins at the first.
    pub steps: Vec<Step>,
    /// Variables and what they begin with: `vars.x`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, Term>,
    /// Who asked for it, as a person: may recall it, is who `back_to: start` means; `owner` where there is such a field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiator: Option<Who>,
    /// How long a run may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
    /// Where it goes when that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<At>,
    /// Where a run that failed goes, once what had to be undone is undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<At>,
    /// What ends a run wherever it stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stops: Vec<StopIf>,
    /// Changes of the record that send a run back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reroutes: Vec<Reroute>,
    /// Where an initiator's recall leads; none: the run ends as `recalled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recalled: Option<At>,
    /// Whether it can be recalled at all.
    #[serde(default = "yes")]
    pub recall: bool,
    /// When messages to customers may leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// What becomes of a start while a run is under way.
    #[serde(default)]
    pub mode: Mode,
    /// Of what there is one run at a time; the record unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub once_per: Option<Expr>,
    /// Whether a record that was through may begin again.
    #[serde(default)]
    pub again: Again,
    /// On which working time is measured; the usual one unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<String>,
    /// Whether what leaves really leaves.
    #[serde(default)]
    pub deliver: Deliver,
    /// `false`: starts no new run; runs go on.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// The format that is written today.
pub const FORMAT: u32 = 1;

impl Flow {
    /// As it is walked: a graph of yesterday gets the links it did not write.
    pub fn linked(mut self) -> Self {
        if self.format == 0 {
            let count = self.steps.len();
            for (at, step) in self.steps.iter_mut().enumerate() {
                step.next = Some(at + 1).filter(|next| *next < count);
            }
            self.format = FORMAT;
        }
        self
    }

    /// Where the step of that id stands.
    pub fn find(&self, id: &str) -> Option<At> {
        self.steps.iter().position(|s| s.id == id)
    }
}

fn yes() -> bool {
    true
}

/// One step of a flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Unique in the flow; made from the position where the YAML gives none. Inside a called flow: `<call>.<id>`.
    pub id: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Skipped unless it holds.
    #[serde(default)]
    pub condition: Option<Expr>,
    /// What it does.
    pub kind: StepKind,
    /// What comes after it; none: its branch, or the run, is through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<At>,
    /// The innermost `parallel` or `each` that it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<Inside>,
    /// The aside that it is part of, for drawing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aside: Option<String>,
    /// The `call` whose flow it is part of: `ship`, `ship.pack`; its `steps.x` and `vars.x` are those of that call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// How long it may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
    /// What is done each time that is over: one after the other. Other steps than `approve` and `ask` have one at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<Rung>,
    /// Waits between the attempts of its calls; those of the connection unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Vec<Retry>>,
    /// Where it goes when it cannot be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnError>,
    /// What makes it undone, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo: Vec<Action>,
    /// How to find out whether it happened, when that is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// Its messages leave at any time, whatever the flow's window.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub any_time: bool,
}

/// In which branch of which step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    /// The `parallel` or `each`.
    pub step: At,
    /// Which of its branches, from 0; 0 for `each`.
    pub branch: u32,
}

/// What a step does; closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// An action; one that leaves is waited for.
    Do(Action),
    /// `set: { vars.x: … }`: variables of the run.
    Vars(BTreeMap<String, Term>),
    /// Nothing happens for this long.
    Wait(Span),
    /// Nothing happens until a time, or so long before or after it.
    Until(Until),
    /// Until something happens.
    Event(Await),
    /// The first branch that holds; none of them: what comes next.
    Choose(Vec<Branch>),
    /// Several branches at the same time.
    Parallel(Parallel),
    /// The same for each of a list.
    Each(Each),
    /// Again and again.
    Repeat(Repeat),
    /// Steps of another flow, which follow as if they stood here; its variables begin as these say.
    Call {
        /// The flow's id.
        flow: String,
        /// Its variables.
        vars: BTreeMap<String, Term>,
    },
    /// People decide.
    Approve(Box<Approve>),
    /// A person answers a form.
    Ask(Box<Ask>),
    /// Goes on at another step.
    GoTo(At),
    /// Goes back: a new round.
    BackTo(BackTo),
    /// The run is through, in this word.
    End(String),
    /// The step fails, for this reason.
    Fail(Template),
}

impl StepKind {
    /// Its word in the YAML; an action's own.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Do(action) => action.name(),
            Self::Vars(_) => "set",
            Self::Wait(_) | Self::Until(_) | Self::Event(_) => "wait",
            Self::Choose(_) => "choose",
            Self::Parallel(_) => "parallel",
            Self::Each(_) => "each",
            Self::Repeat(_) => "repeat",
            Self::Call { .. } => "call",
            Self::Approve(_) => "approve",
            Self::Ask(_) => "ask",
            Self::GoTo(_) => "go_to",
            Self::BackTo(_) => "back_to",
            Self::End(_) => "end",
            Self::Fail(_) => "fail",
        }
    }
}

/// `wait: { until: starts_at, offset: -1d }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Until {
    /// The time.
    pub time: Expr,
    /// How far from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<Span>,
    /// Before it instead of after.
    #[serde(default)]
    pub before: bool,
}

/// `wait: contract.signed`, `wait: { event: payment.received, match: event.contract == no }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Await {
    /// The event's name, no pattern.
    pub event: String,
    /// Which of them.
    pub key: AwaitKey,
    /// Must hold too; `event.x` is the awaited event's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Expr>,
}

/// By what an awaited event finds its run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AwaitKey {
    /// It is about the run's record.
    Record,
    /// A member of its data, as text, equals a value of the run: `event.contract == no`.
    Member {
        /// `["contract"]`
        path: Vec<String>,
        /// `no`
        equals: Expr,
    },
}

/// One way of a `choose`; the last may have no condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Branch {
    /// Must hold.
    #[serde(default)]
    pub condition: Option<Expr>,
    /// Its first step; none: what comes after the `choose`.
    #[serde(default)]
    pub first: Option<At>,
}

/// `parallel: { finance: [...], legal: [...] }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parallel {
    /// Their names and first steps.
    pub branches: Vec<(String, Option<At>)>,
    /// How many of them must be through; the others are cancelled then. All unless said.
    #[serde(default)]
    pub need: Option<u32>,
}

/// `each: { of: items, as: item, steps: [...] }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Each {
    /// The list.
    pub of: Expr,
    /// The name of one of it.
    pub name: String,
    /// The first step.
    pub first: Option<At>,
    /// How many at the same time, from 1.
    pub at_once: u32,
}

/// `repeat: { while: …, steps: [...] }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Repeat {
    /// The first step; the last leads back to the `repeat`.
    pub first: Option<At>,
    /// Whether there is another time.
    pub check: Another,
    /// More than this often is an error.
    pub most: u32,
}

/// Whether a `repeat` goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Another {
    /// While this holds, asked before.
    While(Expr),
    /// Until this holds, asked after.
    Until(Expr),
    /// So often.
    Times(Expr),
}

/// `back_to: revise`, `back_to: { step: revise, then: here, undo: true }`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackTo {
    /// Where.
    pub to: Target,
    /// Afterwards it goes on at the step that went back, instead of along the path again.
    #[serde(default)]
    pub here: bool,
    /// Steps done since then are undone first.
    #[serde(default)]
    pub undo: bool,
}

/// Where `back_to` leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// That step.
    Step(At),
    /// The first step of the flow.
    Start,
    /// The last step before this one at which people decided.
    Previous,
}

/// What is done when time is over: some actions, then one of these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    /// In order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
    /// And then.
    pub then: Late,
}

/// What becomes of a step whose time is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Late {
    /// It is waited for as before (`approve`, `ask`).
    Stay,
    /// Those who have not decided are reminded (`approve`, `ask`).
    Remind {
        /// So often before the next is done; none: again and again.
        times: Option<u32>,
    },
    /// These decide instead (`approve`, `ask`).
    Escalate(Vec<Who>),
    /// It counts as decided (`approve`).
    Decide {
        /// Approved or rejected.
        approved: bool,
    },
    /// The step is left, for this one; none: for what comes after it.
    Go(Option<At>),
}

/// What becomes of a step that cannot be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// It goes on with what comes next.
    Continue,
    /// It goes there; `steps.<id>.error` says why.
    Go(At),
}

/// `verify: { http: {…}, happened: answer.body.found }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verify {
    /// Looks it up.
    pub action: Action,
    /// Whether it happened, by the `answer`.
    pub happened: Expr,
}

/// What ends a run wherever it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StopIf {
    /// The word in which it ends: `converted`; `stopped` unless said.
    pub name: String,
    /// Only when this happens to the run's record; none: whenever the record changes, and at every step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Expr>,
    /// What was done is undone.
    #[serde(default)]
    pub undo: bool,
}

/// `reroute: { on: [amount, discount], back_to: route }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reroute {
    /// Fields of the record.
    pub fields: Vec<String>,
    /// Where it goes, unless it stands there already.
    pub to: At,
}

/// `window: { from: "10:00", to: "18:00", calendar: CN, zone: zone }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Opens at this time of day; `HH:MM`.
    pub from: jiff::civil::Time,
    /// Closes; before `from` it is of the next day.
    pub to: jiff::civil::Time,
    /// Only on this calendar's working days; every day unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<String>,
    /// The contact's zone, as an IANA name; that of the definitions where it is empty or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Expr>,
}

/// What becomes of a start while a run of the same record is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nothing.
    #[default]
    Single,
    /// The one under way is cancelled.
    Restart,
    /// It waits for its turn; at most 100.
    Queued,
    /// Both run; at most 100.
    Parallel,
}

/// Whether what was through may begin again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Again {
    /// At any time.
    #[default]
    Always,
    /// Never.
    Never,
    /// So long after the last began.
    After(Span),
}
