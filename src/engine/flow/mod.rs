//! Runs of flows: where each stands. Resuming is O(1) at any age: state, not replay.
//!
//! [`enrol`]: which runs there are. [`walk`], [`step`], [`branch`], [`back`], [`undo`]: how a run goes its way. [`answer`]: what it waited
//! for has come. [`event`]: how events find runs. [`stop`]: what ends or diverts it from outside. [`mod@command`]: what people ask of it.

mod answer;
mod back;
mod branch;
mod command;
mod enrol;
mod event;
mod graphs;
mod local;
mod merged;
pub mod migrate;
mod recall;
mod run;
mod step;
mod stop;
mod task;
mod undo;
mod walk;
mod window;

pub(super) use answer::{abandon, answered, due, waits_for};
pub(super) use command::command;
pub(super) use enrol::{next_start, start};
pub(super) use event::arrived;
pub(super) use graphs::{defined, slice};
pub(super) use local::Local;
pub use merged::Moved;
pub(super) use merged::{merged, unmerged};
pub(super) use recall::{Stays, recalled};
pub use run::*;
pub(super) use stop::before_send;
pub(super) use task::decided;

use crate::engine::decide::{Arrived, By, Deciding};
use crate::engine::definition::{Definitions, Deliver};
use crate::engine::explain::Verdict;
use crate::engine::gate::Imports;
use crate::engine::log::Outcome;
use crate::engine::rule;
use crate::engine::scope::Stop;
use crate::engine::state::Need;
use crate::engine::value::Value;

/// Flows that the event starts.
pub(super) fn wake(draft: &mut Deciding<'_>, arrived: &Arrived<'_>) -> Result<(), Need> {
    let definitions: &Definitions = draft.definitions;
    for id in definitions.index.flows(&draft.event.name) {
        let Some(flow) = definitions.flows.get(&id) else { continue };
        if !rule::wakes(&flow.when, draft.event) {
            continue;
        }
        let gates = definitions.flow_gates.get(&id);
        let silent = draft.batch.is_some() && gates.is_none_or(|g| g.imports == Imports::Silent);
        let by = By { flow: Some(id.clone()), preview: flow.deliver == Deliver::Preview, silent, ..By::default() };
        let about = draft.about.clone();
        if let Some(gates) = gates
            && let Some(verdict) = rule::gate::before(draft, &id, gates, about.as_ref())?
        {
            rule::gate::stop(draft, &by, about.as_ref(), "start", verdict);
            continue;
        }
        let arrived = &arrived.seen_by(&flow.lets, flow.calendar.as_deref());
        let unevaluable = match rule::holds(draft, flow.condition.as_ref(), arrived)? {
            Ok(true) => match start(draft, &id, about.as_ref(), &arrived.data, &by) {
                Err(Stop::Need(need)) => return Err(need),
                Err(Stop::Unevaluable(why)) => why,
                Ok(started) => {
                    draft.judge(&by, || started.into());
                    continue;
                }
            },
            Ok(false) => {
                draft.judge(&by, || Verdict::NotMet { stopped: None });
                continue;
            }
            Err(why) => why,
        };
        refuse(draft, &by, &unevaluable);
        draft.judge(&by, || Verdict::Unevaluable(unevaluable));
    }
    Ok(())
}

/// What became of starting a run.
#[derive(Debug)]
pub(super) enum Started {
    /// It runs, or is through already.
    Runs,
    /// The record is in this run of the flow.
    Already(String),
    /// The flow is switched off.
    Disabled,
    /// An import would have started it, and it does not react to those.
    Imported,
    /// It may not begin again, or not yet.
    Before {
        /// When the last began.
        last: jiff::Timestamp,
        /// Until when.
        until: jiff::Timestamp,
    },
}

impl From<Started> for Verdict {
    fn from(started: Started) -> Self {
        match started {
            Started::Runs => Self::Fired,
            Started::Already(run) => Self::Runs { run },
            Started::Disabled => Self::Disabled,
            Started::Imported => Self::Imported,
            Started::Before { last, until } if until == jiff::Timestamp::MAX => Self::Once { since: last },
            Started::Before { until, .. } => Self::Cooling { until },
        }
    }
}

fn refuse(draft: &mut Deciding<'_>, by: &By, why: &str) {
    draft.say(by, "start", Outcome::Failed, Value::from([("reason", "unevaluable".into()), ("error", why.into())]));
}
