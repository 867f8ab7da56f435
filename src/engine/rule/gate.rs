//! The gates that are asked before a rule fires, in their order: dates, silence, then `once`, `cooldown`, `limit`.
//!
//! Asking changes nothing: what a firing uses up is noted as [`Marks`] and written when every gate has let it through, so that a
//! rule that is cooling does not use up its limit.

use std::sync::Arc;

use super::{Firing, Verdict};
use crate::engine::decide::{Arrived, By, Deciding};
use crate::engine::definition::{Definitions, Rule};
use crate::engine::event::RecordRef;
use crate::engine::expression::Expr;
use crate::engine::gate::{Gates, Kind, later};
use crate::engine::log::Outcome;
use crate::engine::scope::Stop;
use crate::engine::silence;
use crate::engine::state::{Entry, Key, Need};
use crate::engine::value::{Map, Value};
use crate::engine::view::View;

/// Characters of what a gate is kept under.
const MOST_SUBJECT: usize = 200;

/// What a firing uses up.
pub(super) struct Marks(Vec<(Key, Entry)>);

impl Marks {
    pub(super) fn set(self, draft: &mut Deciding<'_>) {
        for (key, entry) in self.0 {
            draft.put(key, entry);
        }
    }
}

/// The gates before `if`: dates and silence. `None`: it may go on.
pub(in crate::engine) fn before(
    draft: &Deciding<'_>,
    id: &str,
    gates: &Gates,
    about: Option<&RecordRef>,
) -> Result<Option<Verdict>, Need> {
    let at = draft.event.at;
    if gates.from.is_some_and(|from| at < from) || gates.until.is_some_and(|until| at >= until) {
        return Ok(Some(Verdict::Inactive { from: gates.from, until: gates.until }));
    }
    let found = silence::over(draft, id, &gates.tags, about)?;
    Ok(found.map(|s| Verdict::Silenced { by: s.id(), until: s.ask.until, comment: s.ask.comment, who: s.ask.by }))
}

/// The gates that count firings, in their order: what this one uses up, or which of them stopped it.
pub(super) fn counted(draft: &Deciding<'_>, rule: &Rule, firing: &Firing<'_>) -> Result<Result<Marks, Verdict>, Stop> {
    let (gates, at) = (&rule.gates, draft.event.at);
    let mut marks = Vec::new();
    if gates.once.is_some() {
        let key = Kind::Once.key(&rule.id, firing.subject());
        if let Some((_, Entry::Mark(since))) = remembered(draft, gates, &key)?.as_ref().map(|(k, e)| (k, e.as_ref())) {
            return Ok(Err(Verdict::Once { since: *since }));
        }
        marks.push((key, Entry::Mark(at)));
    }
    if let Some(cooldown) = &gates.cooldown {
        let subject = subject(draft, firing, cooldown.by.as_ref())?;
        let key = Key::Mark { rule: rule.id.clone(), subject };
        if let Some((_, Entry::Mark(last))) = remembered(draft, gates, &key)?.as_ref().map(|(k, e)| (k, e.as_ref())) {
            let until = later(*last, cooldown.wait);
            if at < until {
                return Ok(Err(Verdict::Cooling { until }));
            }
        }
        marks.push((key, Entry::Mark(at)));
    }
    if let Some(limit) = &gates.limit {
        let key = Kind::Limit.key(&rule.id, subject(draft, firing, limit.by.as_ref())?);
        let found = remembered(draft, gates, &key)?;
        let times = match found.as_ref().map(|(_, e)| e.as_ref()) {
            Some(Entry::Times(times)) => times.as_slice(),
            _ => &[],
        };
        let (mut counting, until) = limit.spent(times, at, &draft.definitions.zone.0);
        if let Some(until) = until {
            return Ok(Err(Verdict::Limited { count: limit.count, until }));
        }
        counting.push(at);
        counting.sort_unstable(); // an event may be older than one that came before it
        marks.push((key, Entry::Times(counting)));
    }
    Ok(Ok(Marks(marks)))
}

/// For whom a gate remembers: the value of its key, or the record.
pub(super) fn subject(draft: &Deciding<'_>, firing: &Firing<'_>, by: Option<&Expr>) -> Result<String, Stop> {
    let Some(by) = by else { return Ok(firing.subject()) };
    let value = by.eval(&View::on_arrival(draft, firing.arrived))?;
    let text = value.to_string();
    if value.is_empty() {
        return Err(Stop::Unevaluable(format!("{} is missing", by.source())));
    }
    if text.chars().count() > MOST_SUBJECT {
        return Err(Stop::Unevaluable(format!("{} has more than {MOST_SUBJECT} characters", by.source())));
    }
    Ok(text)
}

/// What is kept under a key, or under the one that the rule's former id makes of it.
pub(super) fn remembered(draft: &Deciding<'_>, gates: &Gates, key: &Key) -> Result<Option<(Key, Arc<Entry>)>, Need> {
    if let Some(entry) = draft.get(key)? {
        return Ok(Some((key.clone(), entry)));
    }
    for old in &gates.was {
        let key = match key.clone() {
            Key::Mark { subject, .. } => Key::Mark { rule: old.clone(), subject },
            Key::Gate { gate, subject, .. } => Key::Gate { gate, rule: old.clone(), subject },
            other => other,
        };
        if let Some(entry) = draft.get(&key)? {
            return Ok(Some((key, entry)));
        }
    }
    Ok(None)
}

/// Rules that fired once for this record and may again, now that their `rearm` holds.
pub(super) fn rearm(draft: &mut Deciding<'_>, arrived: &Arrived<'_>) -> Result<(), Need> {
    let definitions: &Definitions = draft.definitions;
    let Some(about) = draft.about.clone() else { return Ok(()) };
    for rule in definitions.rearming.iter().map(|at| &definitions.rules[*at]) {
        let Some(condition) = rule.gates.once.as_ref().and_then(|o| o.rearm.as_ref()) else { continue };
        let key = Kind::Once.key(&rule.id, about.to_string());
        let by = By { rule: Some(rule.id.clone()), ..By::default() };
        let arrived = &arrived.seen_by(&rule.lets, rule.calendar.as_deref());
        while let Some((kept, _)) = remembered(draft, &rule.gates, &key)? {
            match condition.test(&View::on_arrival(draft, arrived)) {
                Ok(true) => {
                    draft.remove(kept);
                    draft.say(&by, "once", Outcome::Done, Value::from([("reason", "rearmed".into())]));
                }
                Ok(false) => break,
                Err(Stop::Need(need)) => return Err(need),
                Err(Stop::Unevaluable(why)) => {
                    let detail = Value::from([("reason", "unevaluable".into()), ("error", why.into())]);
                    draft.say(&by, "once", Outcome::Failed, detail);
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Says which gate stopped what, and notes it for whoever asks why. `action`: `rule`, or `start` for a flow.
pub(in crate::engine) fn stop(draft: &mut Deciding<'_>, by: &By, about: Option<&RecordRef>, action: &str, verdict: Verdict) {
    let (outcome, members) = line(&verdict);
    let detail: Map = members.into_iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (k.to_owned(), v)).collect();
    draft.say_of(by, about.cloned(), action, outcome, Value::Map(detail));
    draft.judge(by, || verdict);
}

/// What the log says of a verdict.
fn line(verdict: &Verdict) -> (Outcome, Vec<(&'static str, Value)>) {
    let members = match verdict {
        Verdict::Unevaluable(why) => {
            return (Outcome::Failed, vec![("reason", "unevaluable".into()), ("error", why.as_str().into())]);
        }
        Verdict::Inactive { from, until } => {
            vec![("reason", "inactive".into()), ("since", (*from).into()), ("until", (*until).into())]
        }
        Verdict::Silenced { by, until, comment, who } => vec![
            ("reason", "silence".into()),
            ("by", by.as_str().into()),
            ("until", (*until).into()),
            ("comment", comment.as_str().into()),
            ("who", who.as_str().into()),
        ],
        Verdict::Once { since } => vec![("reason", "once".into()), ("since", (*since).into())],
        Verdict::Cooling { until } => vec![("reason", "cooldown".into()), ("until", (*until).into())],
        Verdict::Limited { count, until } => {
            vec![("reason", "limit".into()), ("count", u64::from(*count).into()), ("until", (*until).into())]
        }
        Verdict::Debounced { count, until } => {
            vec![("reason", "debounce".into()), ("count", (*count).into()), ("until", (*until).into())]
        }
        Verdict::Grouped { count, until } => {
            vec![("reason", "group".into()), ("count", (*count).into()), ("until", (*until).into())]
        }
        Verdict::Stopped { by } => vec![("reason", "stop".into()), ("by", by.as_str().into())],
        Verdict::Imported => vec![("reason", "import".into())],
        other => vec![("reason", other.word().into())],
    };
    (Outcome::Suppressed, members)
}
