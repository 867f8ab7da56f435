//! Rules: which of them an event wakes, which of those fire, and which gate stopped the others.

use std::sync::Arc;

use super::action::{self, Doing};
use super::decide::{By, Deciding};
use super::definition::{Action, Definitions, Deliver, Rule};
use super::event::{Body, RecordRef};
use super::log::Outcome;
use super::record::Record;
use super::scope::Stop;
use super::state::{Entry, Key, Need};
use super::value::{Map, Value};
use super::view::View;

/// The record an event is about, as conditions see it.
pub(super) type Seen = Option<(RecordRef, Arc<Record>)>;

/// Decides every rule that the event may wake, in their order. Every condition sees the record as it was when the event
/// arrived; what the actions change is seen by later actions only.
pub(super) fn wake(draft: &mut Deciding<'_>, record: &Seen, data: &Value, old: Option<&Map>) -> Result<(), Need> {
    let definitions: &Definitions = draft.definitions;
    let candidates = definitions.index.rules(&draft.event.name);
    if candidates.is_empty() {
        return Ok(());
    }
    let mut stopped_by: Option<&str> = None;
    for rule in candidates.into_iter().map(|at| &definitions.rules[at]) {
        if !rule.when.iter().any(|t| t.matches(draft.event)) {
            continue;
        }
        let by = By { rule: Some(rule.id.clone()), preview: rule.deliver == Deliver::Preview, ..By::default() };
        let holds = match &rule.condition {
            None => true,
            Some(condition) => {
                let view = View { deciding: draft, record: record.clone(), data, old, steps: None };
                match condition.test(&view) {
                    Ok(holds) => holds,
                    Err(Stop::Need(need)) => return Err(need),
                    Err(Stop::Unevaluable(why)) => {
                        let detail = Value::from([("reason", "unevaluable".into()), ("error", why.into())]);
                        draft.say(&by, "rule", Outcome::Failed, detail);
                        continue;
                    }
                }
            }
        };
        if holds {
            if let Some(earlier) = stopped_by {
                let detail = Value::from([("reason", "stop".into()), ("by", earlier.into())]);
                draft.say(&by, "rule", Outcome::Suppressed, detail);
                continue;
            }
            if cooled(draft, rule, &by)? {
                continue;
            }
            draft.say(&by, "rule", Outcome::Fired, Value::Map(Map::new()));
            perform(draft, &rule.then, &by, record, data, old)?;
            if rule.stop {
                stopped_by = Some(&rule.id);
            }
        } else if !rule.otherwise.is_empty() && stopped_by.is_none() {
            draft.say(&by, "rule", Outcome::Fired, Value::from([("branch", "else".into())]));
            perform(draft, &rule.otherwise, &by, record, data, old)?;
        }
    }
    Ok(())
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

/// The gate `cooldown`: whether the rule fired for this record too short a time ago. Marks it as fired if not.
fn cooled(draft: &mut Deciding<'_>, rule: &Rule, by: &By) -> Result<bool, Need> {
    let Some(cooldown) = rule.cooldown else { return Ok(false) };
    let subject = draft.event.record.as_ref().map(ToString::to_string).unwrap_or_default();
    let key = Key::Mark { rule: rule.id.clone(), subject };
    if let Some(Entry::Mark(last)) = draft.get(&key)?.as_deref() {
        let until = last.saturating_add(cooldown).unwrap_or(jiff::Timestamp::MAX);
        if draft.event.at < until {
            let detail = Value::from([("reason", "cooldown".into()), ("until", until.into())]);
            draft.say(by, "rule", Outcome::Suppressed, detail);
            return Ok(true);
        }
    }
    let at = draft.event.at;
    draft.put(key, Entry::Mark(at));
    Ok(false)
}

/// One list of actions, in order. One that cannot be done is logged; those after it are still done.
fn perform(
    draft: &mut Deciding<'_>,
    actions: &[Action],
    by: &By,
    record: &Seen,
    data: &Value,
    old: Option<&Map>,
) -> Result<(), Need> {
    let doing = Doing { by, record: record.as_ref().map(|(at, _)| at), data, old, steps: None };
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
