//! Runs of flows: where each stands. Resuming is O(1) at any age: state, not replay.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::call::CallId;
use super::event::RecordRef;
use super::state::TimerId;
use super::value::{Map, Value};

/// One run of a flow.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// `r1042-1`.
    pub id: String,
    /// The flow's id.
    pub flow: String,
    /// The graph it is pinned to.
    pub graph: String,
    /// The record it is about.
    #[serde(default)]
    pub record: Option<RecordRef>,
    /// The data of the event that started it, as `event.x`.
    #[serde(default)]
    pub event: Value,
    /// Position of the step it stands at; one past the last: it has ended.
    pub step: usize,
    /// What it waits for there.
    #[serde(default)]
    pub waits: Vec<Wait>,
    /// Results of earlier steps, by step id: `steps.invoice.status`.
    #[serde(default)]
    pub steps: Map,
    /// When it began.
    pub started: Timestamp,
    /// How it stands.
    pub status: RunStatus,
}

/// What a run waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// A timer.
    Timer(TimerId),
    /// The outcome of a call.
    Call(CallId),
}

/// How a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// On its way.
    Running,
    /// Through.
    Done,
    /// Stopped at its step, for this reason.
    Failed(String),
}
