//! Rules: which of them an event wakes, which of those fire, and which gate stopped the others.
//!
//! The gates stand in this order: enabled and dates, silence, `if`, an earlier rule's `stop`, `once`, `cooldown`, `limit`,
//! `debounce`, `group`; quiet hours are those of the outbox. None is consulted once another has stopped the rule.

pub(super) mod gate;
pub(super) mod merged;
pub(super) mod waiting;

use std::sync::Arc;

use super::action::{self, Doing};
use super::decide::{Arrived, By, Deciding};
use super::definition::{Action, Definitions, Deliver, Rule};
use super::event::{Body, Event, RecordRef};
use super::explain::Verdict;
use super::expression::Expr;
use super::gate::Imports;
use super::log::Outcome;
use super::record::Record;
use super::scope::{Scope as _, Stop};
use super::silence;
use super::state::Need;
use super::trigger::Trigger;
use super::value::{Map, Value};
use super::view::View;

/// The record an event is about, as conditions see it.
pub(super) type Seen = Option<(RecordRef, Arc<Record>)>;

/// Decides every rule that the event may wake, in their order. Every condition sees everything as it was when the event
/// arrived; what the actions change is seen by later actions only.
pub(super) fn wake(draft: &mut Deciding<'_>, arrived: &Arrived<'_>) -> Result<(), Need> {
    let definitions: &Definitions = draft.definitions;
    gate::rearm(draft, arrived)?;
    let name = &draft.event.name;
    // Whoever asks why, and what is silent, sees all of them.
    let candidates = if draft.watch.is_some() || silence::any(draft)? {
        definitions.index.rules(name)
    } else {
        let view = View::on_arrival(draft, arrived);
        definitions.index.rules_for(name, |path| view.name(path).ok())
    };
    let mut stopped_by: Option<&str> = None;
    for rule in candidates.into_iter().map(|at| &definitions.rules[at]) {
        if !wakes(&rule.when, draft.event) {
            continue;
        }
        let fired = one(draft, rule, arrived, stopped_by)?;
        if fired && rule.stop {
            stopped_by = Some(&rule.id);
        }
    }
    Ok(())
}

/// What fires: about which record, and on what event.
pub(super) struct Firing<'a> {
    pub(super) about: Option<RecordRef>,
    pub(super) arrived: &'a Arrived<'a>,
}

impl Firing<'_> {
    /// The record's text, or nothing: for whom gates remember unless they are told otherwise.
    fn subject(&self) -> String {
        self.about.as_ref().map(ToString::to_string).unwrap_or_default()
    }
}

/// In whose name a rule acts, and whether what it sends may leave.
fn by(draft: &Deciding<'_>, rule: &Rule) -> By {
    let silent = draft.batch.is_some() && rule.gates.imports == Imports::Silent;
    By { rule: Some(rule.id.clone()), preview: rule.deliver == Deliver::Preview, silent, ..By::default() }
}

/// One rule that was woken: its gates in their order, then what it does. Whether it fired, `else` not counted.
fn one(draft: &mut Deciding<'_>, rule: &Rule, arrived: &Arrived<'_>, stopped_by: Option<&str>) -> Result<bool, Need> {
    let by = by(draft, rule);
    let arrived = &arrived.seen_by(&rule.lets, rule.calendar.as_deref());
    let about = draft.about.clone();
    if let Some(verdict) = gate::before(draft, &rule.id, &rule.gates, about.as_ref())? {
        gate::stop(draft, &by, about.as_ref(), "rule", verdict);
        return Ok(false);
    }
    match (holds(draft, rule.condition.as_ref(), arrived)?, stopped_by) {
        (Err(why), _) => gate::stop(draft, &by, about.as_ref(), "rule", Verdict::Unevaluable(why)),
        (Ok(true), Some(earlier)) => {
            gate::stop(draft, &by, about.as_ref(), "rule", Verdict::Stopped { by: earlier.to_owned() });
        }
        (Ok(true), None) => return pass(draft, rule, &by, &Firing { about, arrived }),
        (Ok(false), None) if !rule.otherwise.is_empty() => {
            draft.say(&by, "rule", Outcome::Fired, Value::from([("branch", "else".into())]));
            draft.judge(&by, || Verdict::Else);
            perform(draft, rule, &rule.otherwise, &by, arrived)?;
        }
        (Ok(false), earlier) => {
            let earlier = earlier.filter(|_| !rule.otherwise.is_empty());
            draft.judge(&by, || Verdict::NotMet { stopped: earlier.map(str::to_owned) });
        }
    }
    Ok(false)
}

/// The gates behind `if`; whether the rule fired.
fn pass(draft: &mut Deciding<'_>, rule: &Rule, by: &By, firing: &Firing<'_>) -> Result<bool, Need> {
    let Some(debounce) = &rule.gates.debounce else { return accept(draft, rule, by, firing, 1) };
    // What it will use up it uses up when it fires.
    let went = match gate::counted(draft, rule, firing) {
        Ok(Ok(_)) => waiting::debounce(draft, rule, by, firing, debounce),
        Ok(Err(verdict)) => {
            gate::stop(draft, by, firing.about.as_ref(), "rule", verdict);
            Ok(())
        }
        Err(stop) => Err(stop),
    };
    unevaluable(draft, by, firing, went.map(|()| false))
}

/// A firing that nothing is to be waited for any more: it counts, and joins its group or is done at once.
pub(super) fn accept(draft: &mut Deciding<'_>, rule: &Rule, by: &By, firing: &Firing<'_>, count: u64) -> Result<bool, Need> {
    let went = match gate::counted(draft, rule, firing) {
        Ok(Ok(marks)) => match &rule.gates.group {
            // Its key first: a firing whose group cannot be told uses nothing up.
            Some(group) => waiting::join(draft, rule, by, firing, group).inspect(|_| marks.set(draft)),
            None => {
                marks.set(draft);
                return fire(draft, rule, by, firing, count).map(|()| true);
            }
        },
        Ok(Err(verdict)) => {
            gate::stop(draft, by, firing.about.as_ref(), "rule", verdict);
            Ok(false)
        }
        Err(stop) => Err(stop),
    };
    unevaluable(draft, by, firing, went)
}

/// A gate whose key cannot be told stops the rule and says so.
fn unevaluable(draft: &mut Deciding<'_>, by: &By, firing: &Firing<'_>, went: Result<bool, Stop>) -> Result<bool, Need> {
    match went {
        Ok(fired) => Ok(fired),
        Err(Stop::Need(need)) => Err(need),
        Err(Stop::Unevaluable(why)) => {
            gate::stop(draft, by, firing.about.as_ref(), "rule", Verdict::Unevaluable(why));
            Ok(false)
        }
    }
}

/// The rule fires; `count` events made it do so.
fn fire(draft: &mut Deciding<'_>, rule: &Rule, by: &By, firing: &Firing<'_>, count: u64) -> Result<(), Need> {
    let mut detail = Map::new();
    if count > 1 {
        detail.insert("count".into(), count.into());
    }
    draft.say_of(by, firing.about.clone(), "rule", Outcome::Fired, Value::Map(detail));
    draft.judge(by, || Verdict::Fired);
    perform(draft, rule, &rule.then, by, firing.arrived)
}

/// Whether the event is one of those waited for.
pub(super) fn wakes(when: &[Trigger], event: &Event) -> bool {
    when.iter().any(|t| t.matches(event))
}

/// Whether the condition of what the event wakes holds; or why that cannot be told.
pub(super) fn holds(draft: &Deciding<'_>, condition: Option<&Expr>, arrived: &Arrived<'_>) -> Result<Result<bool, String>, Need> {
    let Some(condition) = condition else { return Ok(Ok(true)) };
    match condition.test(&View::on_arrival(draft, arrived)) {
        Ok(holds) => Ok(Ok(holds)),
        Err(Stop::Unevaluable(why)) => Ok(Err(why)),
        Err(Stop::Need(need)) => Err(need),
    }
}

/// The event's record as it was when the event happened: a change that another event of the same root made meanwhile is not seen.
pub(super) fn seen(draft: &Deciding<'_>) -> Result<Seen, Need> {
    let Some(at) = &draft.about else { return Ok(None) };
    let Some(mut record) = draft.record(at)? else { return Ok(None) };
    if let Body::Changed { new, .. } = &draft.event.body {
        for (field, value) in new.iter().filter(|(field, _)| *field != "tags") {
            if record.value(field) != value {
                Arc::make_mut(&mut record).fields.insert(field.clone(), value.clone());
            }
        }
    }
    Ok(Some((at.clone(), record)))
}

/// One list of actions, in order. One that cannot be done is logged; those after it are still done.
fn perform(draft: &mut Deciding<'_>, rule: &Rule, actions: &[Action], by: &By, arrived: &Arrived<'_>) -> Result<(), Need> {
    let Arrived { record, data, old, .. } = arrived;
    let doing = Doing {
        letting: Some(arrived),
        by,
        record: record.as_ref().map(|(at, _)| at),
        data: data.as_ref(),
        old: *old,
        local: None,
        retry: None,
        calendar: rule.calendar.as_deref(),
    };
    for one in actions {
        if let Action::Run(run) = one {
            perform(draft, rule, &run.actions, &by.within(&run.name), arrived)?;
            continue;
        }
        match action::perform(draft, one, &doing) {
            Ok(_) => {}
            Err(Stop::Need(need)) => return Err(need),
            Err(Stop::Unevaluable(why)) => {
                let detail = Value::from([("reason", "unevaluable".into()), ("error", why.into())]);
                draft.say_of(by, doing.record.cloned(), one.name(), Outcome::Failed, detail);
            }
        }
    }
    Ok(())
}
