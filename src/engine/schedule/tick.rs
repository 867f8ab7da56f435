//! Schedules that tick: `cron` and `every`. One durable timer each; the next tick is set when one is due, so that none is told twice
//! and none is forgotten over a restart.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::armed::{say, timer};
use super::{Kind, Missed, Policy, Schedule, by};
use crate::engine::decide::Deciding;
use crate::engine::event::RecordRef;
use crate::engine::log::Outcome;
use crate::engine::scope::Stop;
use crate::engine::state::{Entry, Key, Need, TimerId, Wake};
use crate::engine::sweep::{Counts, Over, Sweep, What};
use crate::engine::value::Value;
use crate::engine::view::View;

/// A tick told later than this was missed.
const GRACE: SignedDuration = SignedDuration::from_mins(1);
/// Missed ticks that are made up for at once; the older ones are let go, and that is said.
const MOST: usize = 100;

/// The next tick of a schedule.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Next {
    /// When.
    pub at: Timestamp,
    /// The timer that will say so.
    pub timer: TimerId,
}

/// Sets the first tick from now on, of a schedule that is new or has changed.
pub(super) fn arm(draft: &mut Deciding<'_>, schedule: &Schedule) -> Result<(), Need> {
    disarm(draft, &schedule.event)?;
    set(draft, schedule, draft.event.at);
    Ok(())
}

/// Forgets the next tick.
pub(super) fn disarm(draft: &mut Deciding<'_>, event: &str) -> Result<(), Need> {
    let key = Key::Tick(event.to_owned());
    if let Some(Entry::Tick(next)) = draft.get(&key)?.as_deref() {
        draft.remove(Key::Timer(next.timer));
        draft.remove(key);
    }
    Ok(())
}

fn set(draft: &mut Deciding<'_>, schedule: &Schedule, after: Timestamp) {
    let key = Key::Tick(schedule.event.clone());
    let Some(next) = schedule.next(after) else { return draft.remove(key) };
    let timer = timer(draft, next.at, Wake::Tick(schedule.event.clone()));
    draft.put(key, Entry::Tick(Next { at: next.at, timer }));
}

/// A tick is due, perhaps long since: those that were missed are made up for as the schedule says.
pub(in crate::engine) fn due(draft: &mut Deciding<'_>, timer: TimerId, event: &str) -> Result<(), Need> {
    let Some(schedule) = draft.definitions.schedules.get(event) else { return Ok(()) };
    let next = match draft.get(&Key::Tick(event.to_owned()))?.as_deref() {
        Some(Entry::Tick(next)) if next.timer == timer => *next,
        _ => return Ok(()),
    };
    let Kind::Ticks { missed, each, zone, .. } = &schedule.kind else { return Ok(()) };
    let late = |tick: Timestamp| draft.now.duration_since(tick) > GRACE;
    // From the first one on: the last ones that fit, and how many there were.
    let (mut ticks, mut count, mut last) = (std::collections::VecDeque::from([next.at]), 1_u64, next.at);
    while let Some(tick) = schedule.next(last).filter(|t| t.at <= draft.now && count < 1_000_000) {
        (last, count) = (tick.at, count + 1);
        ticks.push_back(last);
        if ticks.len() > MOST {
            ticks.pop_front();
        }
    }
    let Missed { policy, within } = missed;
    let oldest = within.as_ref().and_then(|w| w.before(draft.now, &zone.0, None));
    let old = |tick: Timestamp| oldest.is_some_and(|oldest| tick < oldest);
    ticks.retain(|t| !late(*t) || *policy != Policy::Skip && !old(*t));
    if *policy == Policy::Latest && ticks.len() > 1 {
        ticks.drain(..ticks.len() - 1);
    }
    let let_go = count - ticks.len() as u64;
    if let_go > 0 {
        let detail = Value::from([("reason", "missed".into()), ("count", let_go.into()), ("since", next.at.into())]);
        let by = by(draft.definitions, schedule);
        draft.say_of(&by, None, "schedule", Outcome::Suppressed, detail);
    }
    for tick in ticks {
        match each {
            None => say(draft, schedule, &schedule.event, None, tick, Value::from([("tick", tick.into())])),
            Some(each) => {
                let id = format!("{}@{}", schedule.event, tick.as_millisecond());
                let what = What::Each { schedule: schedule.event.clone(), tick };
                let over = Over::Records { entity: each.entity.clone(), after: None };
                draft.put(Key::Sweep(id), Entry::Sweep(Sweep::new(what, over, draft.now)));
            }
        }
    }
    set(draft, schedule, last.max(draft.now));
    Ok(())
}

/// One record of a tick for `each:` record.
pub(in crate::engine) fn each(
    draft: &mut Deciding<'_>,
    schedule: &Schedule,
    at: &RecordRef,
    tick: Timestamp,
    counts: &mut Counts,
) -> Result<(), Need> {
    let Kind::Ticks { each: Some(each), .. } = &schedule.kind else { return Ok(()) };
    let Some(record) = draft.record(at)? else { return Ok(()) };
    let held = match &each.condition {
        None => Ok(true),
        Some(condition) => {
            condition.test(&View::of_record(draft, Some((at.clone(), record)), &Value::Null, schedule.calendar.as_deref()))
        }
    };
    match held {
        Ok(true) => {
            counts.fired += 1;
            say(draft, schedule, &schedule.event, Some(at.clone()), tick, Value::from([("tick", tick.into())]));
        }
        Ok(false) => {}
        Err(Stop::Need(need)) => return Err(need),
        Err(Stop::Unevaluable(why)) => super::fail(draft, schedule, Some(at.clone()), &why),
    }
    Ok(())
}
