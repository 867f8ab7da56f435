//! Rules: which of them an event wakes, which of those fire, and which gate stopped the others.

use std::sync::Arc;

use jiff::Timestamp;

use super::action::{self, Doing};
use super::decide::{Arrived, By, Deciding};
use super::definition::{Action, Definitions, Deliver, Rule};
use super::event::{Body, Event, RecordRef};
use super::explain::Verdict;
use super::expression::Expr;
use super::log::Outcome;
use super::record::Record;
use super::scope::Stop;
use super::state::{Entry, Key, Need};
use super::trigger::Trigger;
use super::value::{Map, Value};
use super::view::View;

/// The record an event is about, as conditions see it.
pub(super) type Seen = Option<(RecordRef, Arc<Record>)>;

/// Decides every rule that the event may wake, in their order. Every condition sees everything as it was when the event
/// arrived; what the actions change is seen by later actions only.
pub(super) fn wake(draft: &mut Deciding<'_>, arrived: &Arrived<'_>) -> Result<(), Need> {
    let definitions: &Definitions = draft.definitions;
    let candidates = definitions.index.rules(&draft.event.name);
    if candidates.is_empty() {
        return Ok(());
    }
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

/// One rule that was woken: its gates in their order, then what it does. Whether it fired, `else` not counted.
fn one(draft: &mut Deciding<'_>, rule: &Rule, arrived: &Arrived<'_>, stopped_by: Option<&str>) -> Result<bool, Need> {
    let by = By { rule: Some(rule.id.clone()), preview: rule.deliver == Deliver::Preview, ..By::default() };
    match (holds(draft, rule.condition.as_ref(), rule.calendar.as_deref(), arrived)?, stopped_by) {
        (Err(why), _) => {
            let detail = Value::from([("reason", "unevaluable".into()), ("error", why.as_str().into())]);
            draft.say(&by, "rule", Outcome::Failed, detail);
            draft.judge(&by, || Verdict::Unevaluable(why));
        }
        (Ok(true), Some(earlier)) => {
            let detail = Value::from([("reason", "stop".into()), ("by", earlier.into())]);
            draft.say(&by, "rule", Outcome::Suppressed, detail);
            draft.judge(&by, || Verdict::Stopped { by: earlier.to_owned() });
        }
        (Ok(true), None) => {
            if let Some(until) = cooled(draft, rule, &by)? {
                draft.judge(&by, || Verdict::Cooling { until });
                return Ok(false);
            }
            draft.say(&by, "rule", Outcome::Fired, Value::Map(Map::new()));
            draft.judge(&by, || Verdict::Fired);
            perform(draft, rule, &rule.then, &by, arrived)?;
            return Ok(true);
        }
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

/// Whether the event is one of those waited for.
pub(super) fn wakes(when: &[Trigger], event: &Event) -> bool {
    when.iter().any(|t| t.matches(event))
}

/// Whether the condition of what the event wakes holds; or why that cannot be told.
pub(super) fn holds(
    draft: &Deciding<'_>,
    condition: Option<&Expr>,
    calendar: Option<&str>,
    arrived: &Arrived<'_>,
) -> Result<Result<bool, String>, Need> {
    let Some(condition) = condition else { return Ok(Ok(true)) };
    match condition.test(&View::on_arrival(draft, arrived, calendar)) {
        Ok(holds) => Ok(Ok(holds)),
        Err(Stop::Unevaluable(why)) => Ok(Err(why)),
        Err(Stop::Need(need)) => Err(need),
    }
}

/// The event's record as it was when the event happened: a change that another event of the same root made meanwhile is not seen.
pub(super) fn seen(draft: &Deciding<'_>) -> Result<Seen, Need> {
    let Some(at) = &draft.event.record else { return Ok(None) };
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

/// The gate `cooldown`: whether the rule fired for this record too short a time ago, and until when that lasts. Marks it as
/// fired if not.
fn cooled(draft: &mut Deciding<'_>, rule: &Rule, by: &By) -> Result<Option<Timestamp>, Need> {
    let Some(cooldown) = rule.cooldown else { return Ok(None) };
    let subject = draft.event.record.as_ref().map(ToString::to_string).unwrap_or_default();
    let key = Key::Mark { rule: rule.id.clone(), subject };
    if let Some(Entry::Mark(last)) = draft.get(&key)?.as_deref() {
        let until = last.saturating_add(cooldown).unwrap_or(Timestamp::MAX);
        if draft.event.at < until {
            let detail = Value::from([("reason", "cooldown".into()), ("until", until.into())]);
            draft.say(by, "rule", Outcome::Suppressed, detail);
            return Ok(Some(until));
        }
    }
    let at = draft.event.at;
    draft.put(key, Entry::Mark(at));
    Ok(None)
}

/// One list of actions, in order. One that cannot be done is logged; those after it are still done.
fn perform(draft: &mut Deciding<'_>, rule: &Rule, actions: &[Action], by: &By, arrived: &Arrived<'_>) -> Result<(), Need> {
    let Arrived { record, data, old } = arrived;
    let doing = Doing {
        by,
        record: record.as_ref().map(|(at, _)| at),
        data: data.as_ref(),
        old: *old,
        steps: None,
        calendar: rule.calendar.as_deref(),
    };
    for one in actions {
        match action::perform(draft, one, &doing) {
            Ok(_) => {}
            Err(Stop::Need(need)) => return Err(need),
            Err(Stop::Unevaluable(why)) => {
                let detail = Value::from([("reason", "unevaluable".into()), ("error", why.into())]);
                draft.say(by, one.name(), Outcome::Failed, detail);
            }
        }
    }
    Ok(())
}
