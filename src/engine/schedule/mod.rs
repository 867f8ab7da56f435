//! Triggers that are driven by time: `for`, `at`, `cron`, `every`. Each is a clock that says an event of its own when its time has
//! come; its rule waits for that event like for any other, so that gates, `why` and the log know nothing of clocks.
//!
//! [`armed`]: one durable timer per record, set and cleared by changes. [`tick`]: one durable timer per schedule. Never asks a
//! clock: when it is, events tell.

pub mod armed;
pub mod cron;
pub(super) mod merged;
pub mod tick;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use super::calendar::Calendar;
use super::decide::{By, Deciding};
use super::definition::{Definitions, Zone};
use super::expression::Expr;
use super::log::Outcome;
use super::span::Span;
use super::state::{Entry, Key, Need};
use super::sweep::{Over, Sweep, What};
use super::value::Value;
use cron::{Cron, Tick};

/// What stands before a flow's id in its events: ids of rules hold no colon.
pub const FLOW: &str = "flow:";

/// What stands behind a rule's id in the id of its warning.
pub const WARN: &str = ".warn";

/// What a rule or flow waits for when it waits for a time.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// The event it says: `ifthen.held.recycle-hot-lead`.
    pub event: String,
    /// Its events under the former ids of its rule: what was armed under them goes on.
    pub former: Vec<String>,
    /// The rule or flow it is for.
    pub by: String,
    /// When.
    pub kind: Kind,
    /// What becomes of records whose time was over when the schedule came into force.
    pub existing: Existing,
    /// The calendar of working times; the usual one unless said.
    pub calendar: Option<String>,
    /// An event before the time, and how long before.
    pub warn: Option<Warn>,
}

/// `warn: { before: 2h }`
#[derive(Debug, Clone)]
pub struct Warn {
    /// The event it says: `ifthen.warn.recycle-hot-lead`.
    pub event: String,
    /// How long before.
    pub before: Span,
}

/// When a schedule's time has come; closed.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A condition has held for so long.
    Held {
        /// Of records of this entity.
        entity: String,
        /// What must hold.
        condition: Expr,
        /// For how long.
        length: Span,
        /// Counted from the latest of these fields; none: from when the condition began to hold.
        since: Vec<String>,
    },
    /// A time that stands in a field, or so long before or after it.
    At {
        /// Of records of this entity.
        entity: String,
        /// The field.
        field: String,
        /// How far from it.
        offset: Offset,
    },
    /// Again and again.
    Ticks {
        /// How often.
        every: Every,
        /// On the wall of which zone.
        zone: Zone,
        /// For every record of an entity; none: once.
        each: Option<Each>,
        /// What becomes of ticks that were missed.
        missed: Missed,
    },
}

/// `offset: -1d`
#[derive(Debug, Clone, PartialEq)]
pub struct Offset {
    /// Before instead of after.
    pub before: bool,
    /// How far.
    pub span: Span,
}

/// How often.
#[derive(Debug, Clone, PartialEq)]
pub enum Every {
    /// By a cron expression.
    Cron(Cron),
    /// So long after one another, counted from midnight.
    Length(SignedDuration),
}

/// `each: { record: deal, if: … }`
#[derive(Debug, Clone)]
pub struct Each {
    /// The entity.
    pub entity: String,
    /// Those for which it holds.
    pub condition: Option<Expr>,
}

/// What becomes of the past; `skip` unless said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// Nothing.
    #[default]
    Skip,
    /// It is made up for at once.
    Fire,
    /// It is made up for over so long.
    Spread(SignedDuration),
}

/// What becomes of ticks that passed while nothing ran.
#[derive(Debug, Clone, PartialEq)]
pub struct Missed {
    /// Which of them.
    pub policy: Policy,
    /// Those older than this are let go in any case.
    pub within: Option<Span>,
}

/// Which missed ticks are made up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// None.
    Skip,
    /// The last.
    Latest,
    /// Every one.
    All,
}

impl Kind {
    /// The entity whose records it is about, if it is about records.
    pub fn entity(&self) -> Option<&str> {
        match self {
            Self::Held { entity, .. } | Self::At { entity, .. } => Some(entity),
            Self::Ticks { each, .. } => each.as_ref().map(|e| e.entity.as_str()),
        }
    }

    /// Whether it keeps a timer per record.
    pub fn is_armed(&self) -> bool {
        !matches!(self, Self::Ticks { .. })
    }
}

impl Schedule {
    /// Over all that says when its time has come: where it changes, every record is looked at again. The first part is over what
    /// says whether a record is concerned, the second over when that falls due.
    pub fn print(&self, definitions: &Definitions) -> (String, String) {
        let Self { kind, existing, calendar, warn, .. } = self;
        let (concerns, due) = match kind {
            Kind::Held { entity, condition, length, since } => {
                let used: BTreeMap<_, _> =
                    condition.names().iter().filter_map(|n| constant(definitions, n.path.first()?)).collect();
                // What a reference to a person leads to stands in the definitions, too.
                let people = condition.names().iter().any(|n| n.path.len() > 1).then(|| format!("{:?}", definitions.people));
                (format!("{entity}|{}|{used:?}|{people:?}", condition.source()), format!("{length}|{since:?}"))
            }
            Kind::At { entity, field, offset } => (format!("{entity}|{field}"), format!("{offset:?}")),
            Kind::Ticks { every, zone, .. } => (format!("{every:?}|{:?}", zone.0.iana_name()), String::new()),
        };
        let working = self.calendar(definitions).filter(|_| self.is_working());
        let due = format!("{due}|{existing:?}|{calendar:?}|{working:?}|{warn:?}|{:?}", definitions.zone.0.iana_name());
        (short(&concerns), short(&due))
    }

    fn is_working(&self) -> bool {
        let length = match &self.kind {
            Kind::Held { length, .. } => Some(length),
            Kind::At { offset, .. } => Some(&offset.span),
            Kind::Ticks { .. } => None,
        };
        length.is_some_and(Span::is_working) || self.warn.as_ref().is_some_and(|w| w.before.is_working())
    }

    /// The calendar it counts by.
    pub fn calendar<'d>(&self, definitions: &'d Definitions) -> Option<&'d Calendar> {
        definitions.calendar(self.calendar.as_deref()).map(AsRef::as_ref)
    }

    /// The first tick after this instant, of one that ticks.
    pub fn next(&self, after: Timestamp) -> Option<Tick> {
        let Kind::Ticks { every, zone, .. } = &self.kind else { return None };
        match every {
            Every::Cron(cron) => cron.after(after, &zone.0),
            Every::Length(length) => {
                let at = aligned(after, *length, &zone.0)?;
                Some(Tick { at, wall: at.to_zoned(zone.0.clone()).datetime(), moved: None })
            }
        }
    }
}

/// The first multiple of the length after the instant, counted on the wall from midnight of 1970-01-01.
fn aligned(after: Timestamp, length: SignedDuration, zone: &TimeZone) -> Option<Timestamp> {
    let offset = i64::from(zone.to_offset(after).seconds());
    let (length, wall) = (length.as_secs().max(1), after.as_second() + offset);
    let next = wall.div_euclid(length) * length + length - offset;
    Timestamp::from_second(next).ok().filter(|next| *next > after)
}

fn constant<'d>(definitions: &'d Definitions, name: &str) -> Option<(&'d String, &'d Value)> {
    definitions.constants.get_key_value(name)
}

fn short(text: &str) -> String {
    Sha256::digest(text).iter().take(8).map(|b| format!("{b:02x}")).collect()
}

/// As people write it: `-1d`.
impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.before { "-" } else { "+" }, self.span)
    }
}

impl Offset {
    /// Reads `-1d`, `+3d`, `2h`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (before, rest) = match text.strip_prefix(['-', '\u{2212}']) {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        Some(Self { before, span: Span::parse(rest)? })
    }

    fn from(&self, at: Timestamp, zone: &TimeZone, calendar: Option<&Calendar>) -> Option<Timestamp> {
        if self.before { self.span.before(at, zone, calendar) } else { self.span.after(at, zone, calendar) }
    }
}

/// As people write it: `lead: level == 'A' for 24h`, `signup.starts_at -1d`, `cron 0 9 * * 1`, `every 15m`.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { entity, condition, length, .. } => write!(f, "{entity}: {} for {length}", condition.source()),
            Self::At { entity, field, offset } if offset.span.exact().is_some_and(|d| d.is_zero()) => {
                write!(f, "{entity}.{field}")
            }
            Self::At { entity, field, offset } => write!(f, "{entity}.{field} {offset}"),
            Self::Ticks { every, each, .. } => {
                match every {
                    Every::Cron(cron) => write!(f, "cron {}", cron.source())?,
                    Every::Length(length) => write!(f, "every {}", super::duration::text(*length))?,
                }
                each.as_ref().map_or(Ok(()), |e| write!(f, " each {}", e.entity))
            }
        }
    }
}

/// The schedules of the definitions in force, by their events; and those that a record of an entity concerns.
#[derive(Debug, Clone, Default)]
pub struct Schedules {
    all: BTreeMap<String, Arc<Schedule>>,
    armed: BTreeMap<String, Vec<Arc<Schedule>>>,
    prints: BTreeMap<String, (String, String)>,
}

impl Schedules {
    /// Those of rules and flows that are enabled.
    pub fn new(all: Vec<Schedule>, definitions: &Definitions) -> Self {
        let mut made = Self::default();
        for schedule in all {
            let schedule = Arc::new(schedule);
            if let (true, Some(entity)) = (schedule.kind.is_armed(), schedule.kind.entity()) {
                made.armed.entry(entity.to_owned()).or_default().push(Arc::clone(&schedule));
            }
            made.prints.insert(schedule.event.clone(), schedule.print(definitions));
            made.all.insert(schedule.event.clone(), schedule);
        }
        made
    }

    /// The one that says this event.
    pub fn get(&self, event: &str) -> Option<&Arc<Schedule>> {
        self.all.get(event)
    }

    /// The one that says this event, or that said it under a former id.
    pub(super) fn heir(&self, event: &str) -> Option<&Arc<Schedule>> {
        self.get(event).or_else(|| self.iter().find(|s| s.former.iter().any(|f| f == event)))
    }

    /// All, by their events.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Schedule>> {
        self.all.values()
    }

    /// Those that keep a timer for records of this entity.
    pub fn armed(&self, entity: &str) -> &[Arc<Schedule>] {
        self.armed.get(entity).map_or(&[], Vec::as_slice)
    }
}

/// New definitions are in force: what has changed or come is armed, by sweeps where records are concerned; what has gone is
/// forgotten. What was so before goes on as it is: a restart changes nothing.
pub(super) fn loaded(draft: &mut Deciding<'_>) -> Result<(), Need> {
    let schedules = &draft.definitions.schedules;
    let known = match draft.get(&Key::Schedules)?.as_deref() {
        Some(Entry::Schedules(known)) => known.clone(),
        _ => BTreeMap::new(),
    };
    if known == schedules.prints {
        return Ok(());
    }
    for (event, schedule) in &schedules.all {
        let print = &schedules.prints[event];
        let before = known.get(event);
        if before == Some(print) {
            continue;
        }
        let before = before.or_else(|| schedule.former.iter().find_map(|former| known.get(former)));
        match schedule.kind.entity().filter(|_| schedule.kind.is_armed()) {
            None => tick::arm(draft, schedule)?,
            Some(entity) => {
                let keep = before.is_some_and(|b| b.0 == print.0);
                let what = What::Arm { schedule: event.clone(), keep };
                let over = Over::Records { entity: entity.to_owned(), after: None };
                draft.put(Key::Sweep(event.clone()), Entry::Sweep(Sweep::new(what, over, draft.event.at)));
            }
        }
    }
    for gone in known.keys().filter(|event| !schedules.all.contains_key(*event)) {
        // Timers of records that are left find nobody when they are due.
        draft.remove(Key::Sweep(gone.clone()));
        tick::disarm(draft, gone)?;
    }
    draft.put(Key::Schedules, Entry::Schedules(schedules.prints.clone()));
    Ok(())
}

/// Whom the lines in the log are about.
pub(super) fn by(definitions: &Definitions, schedule: &Schedule) -> By {
    if definitions.flows.contains_key(&schedule.by) && schedule.event.contains(FLOW) {
        By { flow: Some(schedule.by.clone()), ..By::default() }
    } else {
        By { rule: Some(schedule.by.clone()), ..By::default() }
    }
}

/// Says why a schedule cannot tell its time for a record.
fn fail(draft: &mut Deciding<'_>, schedule: &Schedule, record: Option<super::event::RecordRef>, why: &str) {
    let by = by(draft.definitions, schedule);
    let detail = Value::from([("reason", "unevaluable".into()), ("error", why.into())]);
    draft.say_of(&by, record, "schedule", Outcome::Failed, detail);
}
