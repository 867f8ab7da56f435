//! A task: what people are asked to decide or to answer, who of them has, and how.
//!
//! All of it is a stored format: JSON; new fields need `#[serde(default)]`.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::engine::definition::{Own, Signing};
use crate::engine::event::RecordRef;
use crate::engine::state::TimerId;
use crate::engine::value::{Map, Value};

/// The id of a task: the event that made it and a number within that event. Text: `t1042-2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId {
    /// The event's number.
    pub seq: u64,
    /// From 1, within the event.
    pub n: u32,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{}-{}", self.seq, self.n)
    }
}

impl FromStr for TaskId {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (seq, n) = text.strip_prefix('t').unwrap_or(text).split_once('-').ok_or(())?;
        Ok(Self { seq: seq.parse().map_err(|_| ())?, n: n.parse().map_err(|_| ())? })
    }
}

crate::engine::serde_as_text!(TaskId, "a task id such as t1042-2");

/// One `approve` or `ask` of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// The run that waits for it.
    pub run: String,
    /// Its strand.
    pub strand: u32,
    /// The flow.
    pub flow: String,
    /// The step's id.
    pub step: String,
    /// The run's round.
    pub round: u32,
    /// What it is about.
    #[serde(default)]
    pub record: Option<RecordRef>,
    /// Who asked for it.
    #[serde(default)]
    pub initiator: Option<String>,
    /// A form to answer; none: approve or reject.
    #[serde(default)]
    pub form: Option<String>,
    /// In one line.
    pub subject: String,
    /// What else they should know.
    #[serde(default)]
    pub text: String,
    /// Fields of the record that are shown.
    #[serde(default)]
    pub show: Vec<String>,
    /// Documents: name and address.
    #[serde(default)]
    pub links: Vec<(String, String)>,
    /// How they decide, as the step said.
    pub mode: Signing,
    /// When the one to decide is the initiator, as the step said.
    #[serde(default)]
    pub own: Own,
    /// The ids of the steps to which whoever rejects may send it back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub returns: Vec<String>,
    /// The answers are written into the record.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub set: bool,
    /// Of a run on preview: nobody is really told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub preview: bool,
    /// Everyone who is or was asked, in the order of asking.
    pub seats: Vec<Seat>,
    /// When it was made.
    pub opened: Timestamp,
    /// When its time is over next.
    #[serde(default)]
    pub due: Option<Timestamp>,
    /// How it ended; such a task stays so long that links can say so.
    #[serde(default)]
    pub ended: Option<Ended>,
    /// When it is forgotten, once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forget: Option<TimerId>,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// How.
    pub how: End,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Approved, or answered.
    Approved,
    /// Rejected; sent back to that step if whoever rejected chose one.
    Rejected {
        /// The id of the step.
        to: Option<String>,
        /// It comes straight back afterwards.
        here: bool,
    },
    /// The run left the step, for this reason.
    Cancelled(String),
}

/// Somebody's part in a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seat {
    /// Whose.
    pub person: String,
    /// How it stands.
    pub state: Seated,
    /// How they came by it.
    pub why: Why,
    /// The seat that waits for this one, or that this one came from: its place in the list.
    #[serde(default)]
    pub of: Option<u32>,
    /// With whom they were added, or came in when time was over, and how these decide among themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// Since when.
    pub since: Timestamp,
    /// How often they were told.
    #[serde(default)]
    pub told: u32,
    /// What they decided.
    #[serde(default)]
    pub decision: Option<Decision>,
    /// Codes that prove who decides: how many were sent, and wrong tries with the last.
    #[serde(default)]
    pub codes: Codes,
}

/// Those who came in together, later than the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Counts them within the task, from 1.
    pub n: u32,
    /// How they decide among themselves.
    pub mode: Signing,
}

/// Codes sent to somebody to prove who decides.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Codes {
    /// How many were sent; the last one counts.
    pub sent: u32,
    /// When the last one was.
    pub at: Option<Timestamp>,
    /// Wrong tries with it.
    pub wrong: u32,
    /// It was given rightly: it counts no more.
    #[serde(default)]
    pub used: bool,
    /// When the last ones were sent, oldest first: no more than so many an hour.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lately: Vec<Timestamp>,
}

/// How a seat stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seated {
    /// Not yet their turn: another seat comes first.
    Waiting,
    /// It is theirs to decide.
    Open,
    /// They approved, or answered.
    Approved,
    /// They rejected.
    Rejected,
    /// Somebody else has it now.
    Handed,
    /// It is decided without them.
    Void,
    /// 减签: taken back out before they decided.
    Removed,
}

/// How somebody came by a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The step names them.
    Named,
    /// 转办: handed over for good.
    Transferred,
    /// 委派: asked for their opinion; it comes back.
    Delegated,
    /// 委托: stands in for the person of the seat it is of.
    Proxy,
    /// 前加签: decides before the seat it is of.
    Before,
    /// 后加签: decides after it.
    After,
    /// Time was over.
    Escalated,
    /// Instead of the initiator, or because there was nobody.
    Instead,
}

/// What somebody decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Approved, or answered.
    pub approved: bool,
    /// Their words.
    #[serde(default)]
    pub comment: String,
    /// Their documents.
    #[serde(default)]
    pub links: Vec<String>,
    /// Their answers to the form.
    #[serde(default)]
    pub answers: Map,
    /// 驳回: to this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// From there it comes straight back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub here: bool,
    /// When.
    pub at: Timestamp,
    /// By which way: `link`, `session`, `api`, `cli`, `policy`, `timeout`.
    pub way: String,
    /// From which address.
    #[serde(default)]
    pub address: String,
}

/// What a person does about a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// Which.
    pub task: TaskId,
    /// Who.
    pub person: String,
    /// What.
    pub act: Act,
    /// Their words.
    #[serde(default)]
    pub comment: String,
    /// Documents by their address.
    #[serde(default)]
    pub links: Vec<String>,
    /// By which way: `link`, `session`, `api`, `cli`.
    pub way: String,
    /// From which address.
    #[serde(default)]
    pub address: String,
}

/// What a person does about a task; closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Approves.
    Approve,
    /// 驳回.
    Reject {
        /// To a step of their choice.
        #[serde(default)]
        to: Option<String>,
        /// It comes straight back afterwards.
        #[serde(default)]
        here: bool,
    },
    /// Answers the form.
    Answer(Value),
    /// 转办.
    Transfer(String),
    /// 委派.
    Delegate(String),
    /// 加签.
    Add {
        /// Whom.
        people: Vec<String>,
        /// 前加签 or 后加签.
        before: bool,
        /// How these decide among themselves.
        #[serde(default)]
        mode: Option<Signing>,
    },
    /// Takes somebody whom they added, or asked for an opinion, back out before they decided (减签).
    Remove(String),
    /// 撤回: the own decision, before the next has acted.
    Recall,
    /// Wants a code.
    SendCode,
    /// Gave a wrong code.
    WrongCode,
    /// Gave the right code: it counts once.
    RightCode,
}

impl Act {
    /// What people do about a task, by the words that the page, the API, the command line and the log have in common.
    pub const WORDS: [&'static str; 8] = ["approve", "reject", "answer", "transfer", "delegate", "add", "remove", "recall"];

    /// Its word; `code` for all that has to do with codes.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject { .. } => "reject",
            Self::Answer(_) => "answer",
            Self::Transfer(_) => "transfer",
            Self::Delegate(_) => "delegate",
            Self::Add { .. } => "add",
            Self::Remove(_) => "remove",
            Self::Recall => "recall",
            Self::SendCode | Self::WrongCode | Self::RightCode => "code",
        }
    }
}
