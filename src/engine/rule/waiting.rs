//! Firings that wait: `debounce` until nothing more comes, `group` until there are enough or it is time. What waits is state, and
//! a durable timer ends it.

use std::borrow::Cow;

use super::gate::{self, remembered, subject};
use super::{Firing, Verdict, fire};
use crate::engine::binding::Lets;
use crate::engine::decide::{Arrived, By, Deciding};
use crate::engine::definition::{Definitions, Rule};
use crate::engine::gate::{Debounce, Group, Kind, Waiting, later};
use crate::engine::log::Outcome;
use crate::engine::scope::Stop;
use crate::engine::state::{Entry, Key, Need, TimerId, Wake};
use crate::engine::value::{Map, Value};

/// One more event: what waits begins to wait anew.
pub(super) fn debounce(
    draft: &mut Deciding<'_>,
    rule: &Rule,
    by: &By,
    firing: &Firing<'_>,
    debounce: &Debounce,
) -> Result<(), Stop> {
    let key = Kind::Debounce.key(&rule.id, subject(draft, firing, debounce.by.as_ref())?);
    let mut waiting = taken(draft, rule, &key)?.unwrap_or_else(|| begun(draft));
    if debounce.collect {
        waiting.list(item(firing));
    }
    add(draft, &mut waiting, firing);
    let latest = debounce.max.map(|max| later(waiting.first, max));
    let until = later(waiting.last, debounce.wait);
    let until = latest.map_or(until, |latest| until.min(latest));
    let count = waiting.count;
    wait(draft, key, waiting, until);
    gate::stop(draft, by, firing.about.as_ref(), "rule", Verdict::Debounced { count, until });
    Ok(())
}

/// One more firing of a group; whether the group is full and so has fired.
pub(super) fn join(draft: &mut Deciding<'_>, rule: &Rule, by: &By, firing: &Firing<'_>, group: &Group) -> Result<bool, Stop> {
    let subject = match &group.by {
        Some(_) => subject(draft, firing, group.by.as_ref())?,
        None => String::new(),
    };
    let key = Kind::Group.key(&rule.id, subject);
    let mut waiting = taken(draft, rule, &key)?.unwrap_or_else(|| begun(draft));
    waiting.list(item(firing));
    add(draft, &mut waiting, firing);
    if waiting.count >= u64::from(group.max) {
        draft.remove(key);
        let arrived = told(draft, rule, &waiting, Kind::Group)?;
        fire(draft, rule, by, &Firing { about: waiting.record.clone(), arrived: &arrived }, waiting.count)?;
        return Ok(true);
    }
    let until = later(waiting.first, group.within);
    let count = waiting.count;
    wait(draft, key, waiting, until);
    gate::stop(draft, by, firing.about.as_ref(), "rule", Verdict::Grouped { count, until });
    Ok(false)
}

/// A timer of what waits reached its due time. The timer itself was removed already.
pub(in crate::engine) fn due(draft: &mut Deciding<'_>, timer: TimerId, key: &Key) -> Result<(), Need> {
    let Key::Gate { gate: kind, rule: id, .. } = key else { return Ok(()) };
    let entry = draft.get(key)?;
    let Some(Entry::Waiting(waiting)) = entry.as_deref() else { return Ok(()) };
    if waiting.timer != timer {
        return Ok(());
    }
    draft.remove(key.clone());
    draft.batch.clone_from(&waiting.batch);
    let definitions: &Definitions = draft.definitions;
    let rule = definitions.rules.iter().find(|r| r.id == *id || r.gates.was.contains(id));
    let Some(rule) = rule.filter(|r| r.enabled) else {
        let by = By { rule: Some(id.clone()), ..By::default() };
        let reason = if rule.is_some() { "rule disabled" } else { "rule gone" };
        let detail = Value::from([("reason", reason.into()), ("count", waiting.count.into())]);
        draft.say_of(&by, waiting.record.clone(), "rule", Outcome::Suppressed, detail);
        return Ok(());
    };
    let by = super::by(draft, rule);
    // It may have been merged into another while it waited.
    let about = waiting.record.as_ref().map(|at| draft.resolve(at)).transpose()?;
    let about = about.as_ref();
    // A group is about several: only what silences the rule for all of them counts.
    let of = about.filter(|_| *kind == Kind::Debounce);
    if let Some(verdict) = gate::before(draft, &rule.id, &rule.gates, of)? {
        gate::stop(draft, &by, about, "rule", verdict);
        return Ok(());
    }
    let arrived = told(draft, rule, waiting, *kind)?;
    let firing = Firing { about: about.cloned(), arrived: &arrived };
    match kind {
        Kind::Debounce => super::accept(draft, rule, &by, &firing, waiting.count).map(drop),
        _ => fire(draft, rule, &by, &firing, waiting.count),
    }
}

/// What waits already, taken out with its timer; also under a former id of the rule.
fn taken(draft: &mut Deciding<'_>, rule: &Rule, key: &Key) -> Result<Option<Waiting>, Need> {
    let Some((kept, entry)) = remembered(draft, &rule.gates, key)? else { return Ok(None) };
    let Entry::Waiting(waiting) = entry.as_ref() else { return Ok(None) };
    draft.remove(Key::Timer(waiting.timer));
    draft.remove(kept);
    Ok(Some(waiting.clone()))
}

/// When the event came. Late news (a mended item, a list told afterwards) waits from then on: by its own time the wait would be
/// over already, and every one of many would fire by itself.
fn came(draft: &Deciding<'_>) -> jiff::Timestamp {
    draft.event.received
}

fn begun(draft: &Deciding<'_>) -> Waiting {
    let at = came(draft);
    Waiting {
        timer: TimerId { due: 0, seq: 0, n: 0 },
        first: at,
        last: at,
        count: 0,
        record: None,
        data: Value::Null,
        old: None,
        batch: None,
        items: Vec::new(),
        bytes: 0,
    }
}

/// The last event is the one that fires.
fn add(draft: &Deciding<'_>, waiting: &mut Waiting, firing: &Firing<'_>) {
    waiting.count += 1;
    waiting.last = waiting.last.max(came(draft));
    waiting.record.clone_from(&firing.about);
    waiting.data = firing.arrived.data.as_ref().clone();
    waiting.old = firing.arrived.old.cloned();
    waiting.batch.clone_from(&draft.batch);
}

pub(super) fn wait(draft: &mut Deciding<'_>, key: Key, mut waiting: Waiting, until: jiff::Timestamp) {
    waiting.timer = TimerId { due: until.as_millisecond().max(0), seq: draft.event.seq, n: draft.number() };
    draft.put(Key::Timer(waiting.timer), Entry::Timer(Wake::Gate(key.clone())));
    draft.put(key, Entry::Waiting(waiting));
}

/// One of those that become one: `{ record: { id: …, name: … }, data: { … } }`.
fn item(firing: &Firing<'_>) -> Value {
    let record = firing.arrived.record.as_ref().map(|(_, r)| Value::Map(r.fields.clone())).unwrap_or_default();
    Value::from([("record", record), ("data", firing.arrived.data.as_ref().clone())])
}

/// What the actions see: the last event, and beside its own data `event.count`, `event.collected`, `event.group`.
fn told<'w>(draft: &Deciding<'_>, rule: &'w Rule, waiting: &'w Waiting, kind: Kind) -> Result<Arrived<'w>, Need> {
    let record = match &waiting.record {
        Some(at) => {
            let (at, record) = draft.found(at)?;
            record.map(|r| (at, r))
        }
        None => None,
    };
    let mut data: Map = waiting.data.as_map().cloned().unwrap_or_default();
    data.insert("count".into(), waiting.count.into());
    let list = if kind == Kind::Group { "group" } else { "collected" };
    if kind == Kind::Group || !waiting.items.is_empty() {
        data.insert(list.into(), Value::List(waiting.items.clone()));
    }
    let (data, old) = (Cow::Owned(Value::Map(data)), waiting.old.as_ref());
    Ok(Arrived { record, data, old, lets: Lets::new(&rule.lets), calendar: rule.calendar.as_deref() })
}
