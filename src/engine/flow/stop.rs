//! What ends or diverts a run from outside: `stop_if`, at every step, when its record changes and when a send is about to start;
//! `reroute`, when fields of its record change.

use std::sync::Arc;

use super::walk::{Trouble, Walk};
use super::{Came, How, Waits};
use crate::engine::call::Call;
use crate::engine::decide::Deciding;
use crate::engine::definition::{BackTo, Target};
use crate::engine::log::Outcome;
use crate::engine::scope::Stop;
use crate::engine::state::Need;
use crate::engine::value::{Map, Value};

/// A call is about to be sent: its run ends instead, and the call with it, if something stops it by now.
pub(in crate::engine) fn before_send(draft: &mut Deciding<'_>, call: &Call) -> Result<(), Need> {
    let Some(run) = &call.run else { return Ok(()) };
    let Some(mut walk) = Walk::load(draft, run)? else { return Ok(()) };
    if walk.flow.stops.is_empty() || walk.run.then.is_some() || walk.run.failing.is_some() {
        return Ok(());
    }
    if walk.stops(None)? { walk.go() } else { Ok(()) }
}

impl Walk<'_, '_> {
    /// Whether something stops the run now, or on this event; then it has ended.
    pub(super) fn stops(&mut self, event: Option<(&str, &Value)>) -> Result<bool, Need> {
        let flow = Arc::clone(&self.flow);
        if self.run.then.is_some() || self.run.failing.is_some() {
            return Ok(false);
        }
        for stop in &flow.stops {
            let concerns = match (&stop.event, event) {
                (None, _) => true,
                (Some(wanted), Some((name, _))) => wanted == name,
                (Some(_), None) => false,
            };
            if !concerns {
                continue;
            }
            let data = event.filter(|_| stop.event.is_some()).map(|(_, data)| data);
            let holds = match &stop.condition {
                Some(condition) => self.seeing(0, data, None, |v| condition.test(v)),
                None => Ok(true),
            };
            if event.is_some() {
                let waits = Waits::Stop(stop.name.clone());
                self.hear(0, waits, Came::of(&holds), (stop.condition.as_ref(), data))?;
            }
            match holds {
                Ok(false) => {}
                Ok(true) => {
                    let source = stop.condition.as_ref().map(|c| c.source().to_owned()).or(stop.event.clone());
                    let detail = Value::from([("as", stop.name.as_str().into()), ("if", source.into())]);
                    self.draft.say_of(&self.by(None), self.run.record.clone(), "stop", Outcome::Done, detail);
                    self.finish(&stop.name, stop.undo)?;
                    return Ok(true);
                }
                Err(Stop::Need(need)) => return Err(need),
                Err(Stop::Unevaluable(why)) => {
                    let detail =
                        Value::from([("as", stop.name.as_str().into()), ("reason", "unevaluable".into()), ("error", why.into())]);
                    self.draft.say_of(&self.by(None), self.run.record.clone(), "stop", Outcome::Failed, detail);
                }
            }
        }
        Ok(false)
    }

    /// Fields of the record have changed: whether the run goes back for it.
    pub(super) fn reroute(&mut self, name: &str, old: Option<&Map>) -> Result<bool, Need> {
        let flow = Arc::clone(&self.flow);
        let (Some(old), Some(record)) = (old, self.run.record.clone()) else { return Ok(false) };
        if self.run.then.is_some() || self.run.failing.is_some() || name.strip_suffix(".changed") != Some(&record.entity) {
            return Ok(false);
        }
        for reroute in flow.reroutes.iter().filter(|r| r.fields.iter().any(|f| old.contains_key(f))) {
            let Some(step) = flow.steps.get(reroute.to) else { continue };
            // What has not come there yet comes there with the new values anyway.
            // So does what is being revised.
            let come = self.run.path.iter().any(|p| p.step == step.id && !matches!(p.how, How::Void | How::Cancelled));
            let goes = come && !self.run.revising;
            let came = if goes { Came::Met } else { Came::NotMet };
            self.note(Some(step.id.clone()), Waits::Reroute(reroute.fields.clone()), came, None);
            if !goes {
                continue;
            }
            let from = self.run.strands.values().find(|s| s.parent.is_none()).map_or(reroute.to, |s| s.at);
            let to = BackTo { to: Target::Step(reroute.to), here: false, undo: false };
            return match self.back(from, &to, "reroute") {
                Ok(()) => Ok(true),
                Err(Trouble::Need(need)) => Err(need),
                Err(Trouble::Park(_) | Trouble::Fail(_)) => Ok(false),
            };
        }
        Ok(false)
    }
}
