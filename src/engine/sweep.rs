//! Sweeps: whatever touches many records or events is done in slices between other events, with a stored cursor, so that it holds
//! up nobody and a restart goes on where it stood.
//!
//! The shell brings a slice's keys ([`draft`]); what is done with them is decided like everything else.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::decide::Deciding;
use super::event::{Body, Draft, Event, RecordRef};
use super::flow;
use super::log::Outcome;
use super::schedule::{armed, tick};
use super::state::{Entry, Key, Need, prefix};
use super::value::Value;
use super::window;

/// Records of one slice: few enough that a webhook behind it hardly notices.
const RECORDS: usize = 200;
/// Records of one slice for each of which an event is said: what follows from them is decided in the same turn.
const EACH: usize = 10;
/// Events of one slice.
const EVENTS: usize = 50;

/// What is to be done with many records or events, and how far that is.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// What.
    pub what: What,
    /// Over what, and how far.
    pub over: Over,
    /// When it began.
    pub at: Timestamp,
    /// What it has come to.
    #[serde(default)]
    pub counts: Counts,
}

/// What a sweep does; closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Sets or clears the timer of every record for a schedule that is new or has changed.
    Arm {
        /// The schedule's event.
        schedule: String,
        /// What it waits for is what it was, only the time is another: records go on being counted from when they were.
        keep: bool,
    },
    /// Says the schedule's event about every record.
    Each {
        /// The schedule's event.
        schedule: String,
        /// The tick's time.
        tick: Timestamp,
    },
    /// Puts what happened before into windows that are new.
    Fill(super::window::Fill),
    /// Removes what was kept of a window that is no longer defined.
    Forget {
        /// The window's id.
        window: String,
    },
    /// Removes graphs that no run needs any more.
    Graphs {
        /// Those that no run was found on so far.
        left: BTreeSet<String>,
    },
}

/// What a sweep goes over, and after which it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    /// Records of an entity, by their ids.
    Records {
        /// The entity.
        entity: String,
        /// The last one done.
        after: Option<String>,
    },
    /// Events, by their numbers.
    Events {
        /// The last one done.
        after: u64,
        /// The last one to do.
        until: u64,
    },
    /// Keys of a kind, by their text.
    Keys {
        /// The beginning of their text.
        prefix: String,
        /// The last one done.
        after: Option<Key>,
    },
}

/// What a sweep has come to so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Looked at.
    pub seen: u64,
    /// Whose time is still to come.
    pub waiting: u64,
    /// Whose time was over, and that are left alone.
    pub skipped: u64,
    /// Whose time was over, and for which it is made up for.
    pub fired: u64,
}

impl Sweep {
    pub(super) fn new(what: What, over: Over, at: Timestamp) -> Self {
        Self { what, over, at, counts: Counts::default() }
    }

    fn schedule(&self) -> &str {
        match &self.what {
            What::Arm { schedule, .. } | What::Each { schedule, .. } => schedule,
            What::Fill(_) | What::Forget { .. } | What::Graphs { .. } => "",
        }
    }
}

/// Reads what a slice is made of: entries under a prefix after a key, events after a number; at most so many.
pub trait Source<E> {
    /// Keys below a prefix, in order.
    fn keys(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, E>;
    /// Events, in order.
    fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, E>;
}

/// The next slice of a sweep, as an event.
pub fn draft<E>(id: &str, sweep: &Sweep, now: Timestamp, source: &impl Source<E>) -> Result<Draft, E> {
    let mut slice = Slice { sweep: id.to_owned(), ids: Vec::new(), events: Vec::new(), upto: 0, last: false, wants: Vec::new() };
    match &sweep.over {
        Over::Records { entity, after } => {
            let limit = if let What::Each { .. } = sweep.what { EACH } else { RECORDS };
            let key = |id: &String| Key::Record(RecordRef { entity: entity.clone(), id: id.clone() });
            let keys = source.keys(&format!("{}{entity}/", prefix::RECORD), after.as_ref().map(key).as_ref(), limit)?;
            slice.last = keys.len() < limit;
            slice.wants.clone_from(&keys);
            for key in keys {
                let Key::Record(record) = key else { continue };
                if let What::Arm { schedule, .. } = &sweep.what {
                    slice.wants.push(Key::Armed { schedule: schedule.clone(), subject: record.to_string() });
                }
                slice.ids.push(record.id);
            }
        }
        Over::Events { after, until } => {
            let events = source.events(*after, EVENTS)?;
            slice.upto = events.last().map_or(*until, |e| e.seq);
            slice.last = events.len() < EVENTS || slice.upto >= *until;
            slice.events = events.into_iter().filter(|e| e.seq <= *until).map(Arc::new).collect();
            let records = slice.events.iter().filter_map(|e| e.record.clone());
            slice.wants = records.map(Key::Record).collect();
        }
        Over::Keys { prefix, after } => {
            let keys = source.keys(prefix, after.as_ref(), RECORDS)?;
            slice.last = keys.len() < RECORDS;
            slice.ids = keys.iter().map(ToString::to_string).collect();
            if let What::Graphs { .. } = sweep.what {
                slice.wants = keys;
            }
        }
    }
    Ok(Draft::own("ifthen.sweep", now, Body::Slice(slice)))
}

/// A slice, as the shell brings it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// Of which sweep.
    pub sweep: String,
    /// Ids of records, or texts of keys.
    #[serde(default)]
    pub ids: Vec<String>,
    /// Events; not kept a second time in the history.
    #[serde(skip)]
    pub events: Vec<Arc<Event>>,
    /// The number of the last event.
    #[serde(default)]
    pub upto: u64,
    /// There is nothing behind it.
    #[serde(default)]
    pub last: bool,
    /// What deciding it will ask for, so that it need not ask a hundred times.
    #[serde(skip)]
    pub wants: Vec<Key>,
}

/// One slice is done, and the cursor moves on with it.
pub(super) fn slice(draft: &mut Deciding<'_>, slice: &Slice) -> Result<(), Need> {
    let key = Key::Sweep(slice.sweep.clone());
    let Some(entry) = draft.get(&key)? else { return Ok(()) };
    let Entry::Sweep(sweep) = entry.as_ref() else { return Ok(()) };
    match &sweep.what {
        What::Fill(fill) => return window::fill_slice(draft, key, sweep, fill, slice),
        What::Forget { window } => return window::forget_slice(draft, key, sweep, window, slice),
        What::Graphs { left } => return flow::slice(draft, key, sweep, left, slice),
        What::Arm { .. } | What::Each { .. } => {}
    }
    let mut sweep = sweep.clone();
    let schedule = draft.definitions.schedules.get(sweep.schedule()).cloned();
    let Some(schedule) = schedule else {
        draft.remove(key); // the rule went meanwhile
        return Ok(());
    };
    if let Over::Records { entity, after } = &mut sweep.over {
        for id in &slice.ids {
            let record = RecordRef { entity: entity.clone(), id: id.clone() };
            if draft.resolve(&record)? != record {
                continue; // merged into another, which has its own turn
            }
            sweep.counts.seen += 1;
            match &sweep.what {
                What::Arm { keep, .. } => armed::sweep(draft, &schedule, &record, *keep, sweep.at, &mut sweep.counts)?,
                What::Each { tick, .. } => tick::each(draft, &schedule, &record, *tick, &mut sweep.counts)?,
                What::Fill(_) | What::Forget { .. } | What::Graphs { .. } => {}
            }
        }
        *after = slice.ids.last().cloned().or(after.take());
    }
    if slice.last {
        draft.remove(key);
        tell(draft, &sweep, &schedule);
    } else {
        draft.put(key, Entry::Sweep(sweep));
    }
    Ok(())
}

/// What a sweep came to, for people.
fn tell(draft: &mut Deciding<'_>, sweep: &Sweep, schedule: &super::schedule::Schedule) {
    let Counts { seen, waiting, skipped, fired } = sweep.counts;
    // A new rule over no records at all: there is nothing to tell.
    if seen == 0 && matches!(sweep.what, What::Arm { .. }) {
        return;
    }
    let by = super::schedule::by(draft.definitions, schedule);
    let mut detail = vec![("records", Value::from(seen)), ("schedule", schedule.kind.to_string().into())];
    match sweep.what {
        What::Arm { .. } => detail.extend([("waiting", waiting.into()), ("skipped", skipped.into()), ("fired", fired.into())]),
        What::Each { tick, .. } => detail.extend([("tick", tick.into()), ("fired", fired.into())]),
        What::Fill(_) | What::Forget { .. } | What::Graphs { .. } => {}
    }
    let action = if let What::Arm { .. } = sweep.what { "existing" } else { "each" };
    draft.say_of(&by, None, action, Outcome::Done, Value::Map(detail.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()));
}
