//! Schedules that keep one durable timer per record: a condition that has held for so long, a time in a field. Changes of the
//! record set it, move it and clear it; nothing is polled.
//!
//! A hold fires once for the instant it is counted from. It is decided as of its due time, whatever came in after that and before
//! the timer was told: sources may be late by what they declare.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Existing, Kind, Schedule, by, fail};
use crate::engine::decide::Deciding;
use crate::engine::entity;
use crate::engine::event::{Body, RecordRef};
use crate::engine::expression::Expr;
use crate::engine::log::Outcome;
use crate::engine::planted::Bug;
use crate::engine::record::Record;
use crate::engine::scope::Stop;
use crate::engine::state::{Entry, Key, Need, TimerId, Wake};
use crate::engine::sweep::{Counts, Over};
use crate::engine::value::{Map, Value};
use crate::engine::view::View;

/// A time in a field that was over by more than this when it became known is not made up for: the reminder of a meeting that is
/// over helps nobody.
const GRACE: SignedDuration = SignedDuration::from_mins(5);

/// How long a timer that is due waits while its schedule's sweep is under way.
const SWEEPING: SignedDuration = SignedDuration::from_secs(1);

/// A record that a schedule's time is set for, or has come for.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Armed {
    /// From when it is counted.
    pub since: Timestamp,
    /// When its time has come.
    pub due: Timestamp,
    /// The timer that will say so; none: it has come, or was let go.
    #[serde(default)]
    pub timer: Option<TimerId>,
    /// The timer that will warn before.
    #[serde(default)]
    pub warn: Option<TimerId>,
    /// It has come, and was said.
    #[serde(default)]
    pub said: bool,
    /// Its time was over when that became known: as of when it is told instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Timestamp>,
    /// The import by which that became known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
}

/// When a record's time is, by its schedule.
struct Time {
    since: Timestamp,
    due: Timestamp,
}

/// A record came to be or changed: its timers follow.
pub(in crate::engine) fn changed(draft: &mut Deciding<'_>, at: &RecordRef, created: bool) -> Result<(), Need> {
    for schedule in draft.definitions.schedules.armed(&at.entity) {
        // Nothing can be armed for a record that has just come to be.
        let before = if created { None } else { armed(draft, schedule, at)? };
        follow(draft, schedule, at, before.as_ref())?;
    }
    Ok(())
}

pub(super) fn key(schedule: &Schedule, at: &RecordRef) -> Key {
    Key::Armed { schedule: schedule.event.clone(), subject: at.to_string() }
}

/// What is armed for a record; what was armed under a former id of the rule is taken over.
pub(super) fn armed(draft: &mut Deciding<'_>, schedule: &Schedule, at: &RecordRef) -> Result<Option<Armed>, Need> {
    let own = key(schedule, at);
    if let Some(Entry::Armed(armed)) = draft.get(&own)?.as_deref() {
        return Ok(Some(armed.clone()));
    }
    for former in &schedule.former {
        let key = Key::Armed { schedule: former.clone(), subject: at.to_string() };
        if let Some(Entry::Armed(armed)) = draft.get(&key)?.as_deref() {
            draft.remove(key);
            draft.put(own, Entry::Armed(armed.clone()));
            return Ok(Some(armed.clone()));
        }
    }
    Ok(None)
}

/// Sets, moves or clears what is armed for a record, by how the record is now.
pub(super) fn follow(draft: &mut Deciding<'_>, schedule: &Schedule, at: &RecordRef, before: Option<&Armed>) -> Result<(), Need> {
    let instant = draft.event.at;
    // Its time had come before this happened; it was only not told yet, since sources may be late.
    if before.is_some_and(|b| b.timer.is_some() && b.due < instant) {
        return Ok(());
    }
    let found = time(draft, schedule, at, before.map(|b| b.since), instant)?;
    let Some(Time { since, due }) = found else {
        if let Some(before) = before {
            clear(draft, before);
            draft.remove(key(schedule, at));
        }
        return Ok(());
    };
    if before.is_some_and(|b| b.since == since && b.due == due) {
        return Ok(());
    }
    // What it waits for is another since, and this record was not looked at yet.
    if let Some(before) = before.filter(|b| said(b, &Time { since, due }, instant)) {
        draft.put(key(schedule, at), Entry::Armed(Armed { due, ..before.clone() }));
        return Ok(());
    }
    let over = matches!(schedule.kind, Kind::At { .. }) && due.saturating_add(GRACE).is_ok_and(|end| end < draft.now);
    if over && schedule.existing == Existing::Skip {
        let detail = Value::from([("reason", "past".into()), ("due", due.into())]);
        let by = by(draft.definitions, schedule);
        draft.say_of(&by, Some(at.clone()), "schedule", Outcome::Suppressed, detail);
    }
    let fire = if over && schedule.existing == Existing::Skip { None } else { Some(due) };
    set(draft, schedule, at, before, &Time { since, due }, fire);
    Ok(())
}

/// Looks at a record for a schedule that is new or has changed.
pub(in crate::engine) fn sweep(
    draft: &mut Deciding<'_>,
    schedule: &Schedule,
    at: &RecordRef,
    keep: bool,
    began: Timestamp,
    counts: &mut Counts,
) -> Result<(), Need> {
    let before = armed(draft, schedule, at)?;
    let since = before.as_ref().filter(|_| keep).map(|b| b.since);
    let Some(time) = time(draft, schedule, at, since, began)? else {
        if let Some(before) = before {
            clear(draft, &before);
            draft.remove(key(schedule, at));
        }
        return Ok(());
    };
    if let Some(before) = before.as_ref().filter(|b| said(b, &time, began)) {
        counts.skipped += 1;
        draft.put(key(schedule, at), Entry::Armed(Armed { due: time.due, ..before.clone() }));
        return Ok(());
    }
    if time.due >= began {
        counts.waiting += 1;
        set(draft, schedule, at, before.as_ref(), &time, Some(time.due));
        return Ok(());
    }
    // Its time has come and gone.
    let fire = match schedule.existing {
        Existing::Skip => None,
        Existing::Fire => Some(began),
        Existing::Spread(length) => Some(began.saturating_add(share(length, at)).unwrap_or(began)),
    };
    match fire {
        None => counts.skipped += 1,
        Some(_) => counts.fired += 1,
    }
    set(draft, schedule, at, before.as_ref(), &time, fire);
    Ok(())
}

/// What was said for this instant before is not said again, unless its time is still to come.
fn said(before: &Armed, time: &Time, now: Timestamp) -> bool {
    before.said && before.since == time.since && (before.due == time.due || time.due < now)
}

/// Which part of a length of time is a record's: even over many records, the same after a restart.
fn share(length: SignedDuration, at: &RecordRef) -> SignedDuration {
    let hash = at.to_string().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let millis = (u128::try_from(length.as_millis()).unwrap_or(0) * u128::from(mixed)) >> 32;
    SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// When a record's time is; none: it is not concerned. `since`: from when it was counted so far, where nothing in the record says.
fn time(
    draft: &mut Deciding<'_>,
    schedule: &Schedule,
    at: &RecordRef,
    since: Option<Timestamp>,
    otherwise: Timestamp,
) -> Result<Option<Time>, Need> {
    let Some(record) = draft.record(at)? else { return Ok(None) };
    let zone = &draft.definitions.zone.0;
    let calendar = schedule.calendar(draft.definitions);
    let (since, due) = match &schedule.kind {
        Kind::Held { condition, length, since: fields, .. } => {
            match holds(draft, condition, at, &record, schedule.calendar.as_deref())? {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(why) => {
                    fail(draft, schedule, Some(at.clone()), &why);
                    return Ok(None);
                }
            }
            let latest = fields.iter().filter_map(|f| entity::time(&record.seen(f), zone)).max();
            let since = latest.or(since).unwrap_or(otherwise);
            (since, length.after(since, zone, calendar))
        }
        Kind::At { field, offset, .. } => {
            let Some(since) = entity::time(&record.seen(field), zone) else { return Ok(None) };
            (since, offset.from(since, zone, calendar))
        }
        Kind::Ticks { .. } => return Ok(None),
    };
    match due {
        Some(due) => Ok(Some(Time { since, due })),
        None => {
            fail(draft, schedule, Some(at.clone()), "its time is beyond what the calendar or the years can tell");
            Ok(None)
        }
    }
}

fn holds(
    draft: &Deciding<'_>,
    condition: &Expr,
    at: &RecordRef,
    record: &Arc<Record>,
    calendar: Option<&str>,
) -> Result<Result<bool, String>, Need> {
    let record = Some((at.clone(), Arc::clone(record)));
    match condition.test(&View::of_record(draft, record, &Value::Null, calendar)) {
        Ok(holds) => Ok(Ok(holds)),
        Err(Stop::Unevaluable(why)) => Ok(Err(why)),
        Err(Stop::Need(need)) => Err(need),
    }
}

pub(super) fn clear(draft: &mut Deciding<'_>, before: &Armed) {
    for timer in [before.timer, before.warn].into_iter().flatten().filter(|_| !draft.definitions.planted(Bug::UnclearedTimer)) {
        draft.remove(Key::Timer(timer));
    }
}

/// Arms a record: `fire` is when its time is told; none: never, it is let go.
fn set(
    draft: &mut Deciding<'_>,
    schedule: &Schedule,
    at: &RecordRef,
    before: Option<&Armed>,
    time: &Time,
    fire: Option<Timestamp>,
) {
    if let Some(before) = before {
        clear(draft, before);
    }
    let wake = |warn| Wake::Armed { schedule: schedule.event.clone(), record: at.clone(), warn };
    let lateness = draft.definitions.lateness.get(&at.entity).copied().unwrap_or_default();
    let timer = fire.map(|due| timer(draft, due.saturating_add(lateness).unwrap_or(due), wake(false)));
    // Gates, windows and messages go by when it is told: by then, what counted long ago is not kept any more.
    let told = fire.map(|fire| fire.max(draft.event.at)).filter(|told| *told > time.due);
    let batch = told.and(draft.batch.clone());
    let warned = fire.filter(|due| *due == time.due).and_then(|due| {
        let warn = schedule.warn.as_ref()?;
        let early = warn.before.before(due, &draft.definitions.zone.0, schedule.calendar(draft.definitions))?;
        // What is counted from later than its warning needs none, and one that is over helps nobody.
        let worth = match schedule.kind {
            Kind::At { .. } => early.saturating_add(GRACE).unwrap_or(early) >= draft.now,
            _ => early > time.since,
        };
        worth.then(|| self::timer(draft, early.max(draft.event.at), wake(true)))
    });
    let armed = Armed { since: time.since, due: time.due, timer, warn: warned, said: false, told, batch };
    draft.put(key(schedule, at), Entry::Armed(armed));
}

pub(super) fn timer(draft: &mut Deciding<'_>, due: Timestamp, wake: Wake) -> TimerId {
    let timer = TimerId { due: due.as_millisecond().max(0), seq: draft.event.seq, n: draft.number() };
    draft.put(Key::Timer(timer), Entry::Timer(wake));
    timer
}

/// A record's timer is due: its schedule says its event, as of the time that was due.
pub(in crate::engine) fn due(
    draft: &mut Deciding<'_>,
    timer: TimerId,
    schedule: &str,
    at: &RecordRef,
    warn: bool,
) -> Result<(), Need> {
    let definitions = draft.definitions;
    let Some(schedule) = definitions.schedules.heir(schedule) else { return Ok(()) };
    let key = key(schedule, at);
    let Some(mut armed) = armed(draft, schedule, at)? else { return Ok(()) };
    if (if warn { armed.warn } else { armed.timer }) != Some(timer) {
        return Ok(());
    }
    if is_before_sweep(draft, schedule, at)? {
        // What it waits for has changed, and this record was not looked at yet: the sweep goes first.
        let wake = Wake::Armed { schedule: schedule.event.clone(), record: at.clone(), warn };
        let later = draft.now.saturating_add(SWEEPING).unwrap_or(draft.now);
        let again = self::timer(draft, later, wake);
        *(if warn { &mut armed.warn } else { &mut armed.timer }) = Some(again);
        draft.put(key, Entry::Armed(armed));
        return Ok(());
    }
    let which = if warn { &mut armed.warn } else { &mut armed.timer };
    *which = None;
    armed.said |= !warn;
    let left = armed.warn.take_if(|_| !warn); // too late for a warning
    if let Some(left) = left {
        draft.remove(Key::Timer(left));
    }
    let (since, due, told) = (armed.since, armed.due, armed.told);
    draft.batch.clone_from(&armed.batch);
    draft.put(key, Entry::Armed(armed));
    let (event, instant) = match &schedule.warn {
        Some(warning) if warn => (&warning.event, draft.event.at),
        _ => (&schedule.event, told.unwrap_or(due)),
    };
    let data = Value::Map(Map::from([("since".into(), since.into()), ("due".into(), due.into())]));
    say(draft, schedule, event, Some(at.clone()), instant, data);
    if !warn {
        // What came in since then may have begun another hold, or ended this one.
        let before = self::armed(draft, schedule, at)?;
        follow(draft, schedule, at, before.as_ref())?;
    }
    Ok(())
}

/// Whether a sweep is under way for the schedule that has not come to this record yet.
fn is_before_sweep(draft: &Deciding<'_>, schedule: &Schedule, at: &RecordRef) -> Result<bool, Need> {
    Ok(match draft.get(&Key::Sweep(schedule.event.clone()))?.as_deref() {
        Some(Entry::Sweep(sweep)) => match &sweep.over {
            Over::Records { after, .. } => after.as_ref().is_none_or(|after| at.id > *after),
            _ => false,
        },
        _ => false,
    })
}

/// A schedule's time has come: its event, decided next.
pub(super) fn say(
    draft: &mut Deciding<'_>,
    schedule: &Schedule,
    event: &str,
    record: Option<RecordRef>,
    at: Timestamp,
    data: Value,
) {
    let body = Body::Happened { data, upsert: None };
    draft.emit_at(at, event.to_owned(), record, format!("schedule:{}", schedule.by), body);
}
