//! What runs made of an event: noted where it is decided, for whoever asks why; nothing at all otherwise.

use super::walk::Walk;
use crate::engine::definition::{Flow, StepKind};
use crate::engine::event::Event;
use crate::engine::expression::{Clause, Expr};
use crate::engine::scope::Stop;
use crate::engine::state::Need;
use crate::engine::value::Value;

/// A run that an event found, what waited for it there or was asked on the way, and what came of that.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// The run's id.
    pub run: String,
    /// Its flow.
    pub flow: String,
    /// The step that waits, or that it goes back to; of the whole run: none.
    pub step: Option<String>,
    /// What waits.
    pub waits: Waits,
    /// What came of it.
    pub came: Came,
    /// Its condition, clause by clause.
    pub condition: Option<Clause>,
}

/// What of a run can wait for an event, or is asked on its way; closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waits {
    /// A `wait` for an event.
    Event,
    /// A `wait` for a time.
    Time,
    /// A mail, for the flow's window.
    Window,
    /// The end of a step's time.
    Within,
    /// The end of the run's time.
    Deadline,
    /// A `stop_if`, which ends the run in this word.
    Stop(String),
    /// A `reroute`, for changes of these fields.
    Reroute(Vec<String>),
    /// A branch of a `choose` that the event brought the run to, from 1; with no condition: `else`.
    Branch(usize),
}

impl Waits {
    /// The stable word of it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Event | Self::Time => "wait",
            Self::Window => "window",
            Self::Within | Self::Deadline => "within",
            Self::Stop(_) => "stop_if",
            Self::Reroute(_) => "reroute",
            Self::Branch(_) => "choose",
        }
    }
}

/// What came of it; closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Came {
    /// It is what is waited for: the run goes on, back, or ends by it.
    Met,
    /// Nothing waits for it yet, a later step does: the run keeps it.
    Kept,
    /// It is not what is waited for.
    NotMet,
    /// Whether it is cannot be told, for this reason in words.
    Unevaluable(String),
}

impl Came {
    /// The stable word of it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Kept => "kept",
            Self::NotMet => "not_met",
            Self::Unevaluable(_) => "unevaluable",
        }
    }

    /// As a condition came out.
    pub(super) fn of(held: &Result<bool, Stop>) -> Self {
        match held {
            Ok(true) => Self::Met,
            Ok(false) | Err(Stop::Need(_)) => Self::NotMet,
            Err(Stop::Unevaluable(why)) => Self::Unevaluable(why.clone()),
        }
    }
}

impl Flow {
    /// Whether its runs may wait for such an event: at a step, or for one that stops or diverts them.
    pub fn may_hear(&self, event: &Event) -> bool {
        let at_step = self.steps.iter().any(|s| matches!(&s.kind, StepKind::Event(wait) if wait.event == event.name));
        let by_change = !self.reroutes.is_empty() || self.stops.iter().any(|s| s.event.is_none());
        let record = event.record.as_ref().map(|r| format!("{}.changed", r.entity));
        at_step
            || self.stops.iter().any(|s| s.event.as_ref() == Some(&event.name))
            || by_change && record.as_ref() == Some(&event.name) && self.record == event.record.as_ref().map(|r| r.entity.clone())
    }
}

impl Walk<'_, '_> {
    /// Notes what came of something that waited, at a strand's step; its condition as it sees the event's data.
    pub(super) fn hear(
        &mut self,
        strand: u32,
        waits: Waits,
        came: Came,
        (condition, data): (Option<&Expr>, Option<&Value>),
    ) -> Result<(), Need> {
        if self.draft.watch.is_none() {
            return Ok(());
        }
        let whole = matches!(waits, Waits::Stop(_) | Waits::Deadline);
        let at = self.run.strands.get(&strand).map(|s| s.at).filter(|_| !whole);
        let step = at.and_then(|at| self.flow.steps.get(at)).map(|s| s.id.clone());
        let condition = match condition.map(|c| self.seeing(strand, data, None, |v| Ok(c.explain(v)?))) {
            Some(Err(Stop::Need(need))) => return Err(need),
            Some(Err(Stop::Unevaluable(_))) | None => None,
            Some(Ok(clause)) => Some(clause),
        };
        self.note(step, waits, came, condition);
        Ok(())
    }

    /// As [`Walk::hear`], of a step that no strand stands at.
    pub(super) fn note(&mut self, step: Option<String>, waits: Waits, came: Came, condition: Option<Clause>) {
        if let Some(watch) = &mut self.draft.watch {
            let (run, flow) = (self.run.id.clone(), self.run.flow.clone());
            watch.heard.push(Heard { run, flow, step, waits, came, condition });
        }
    }
}
