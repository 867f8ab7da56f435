//! Definitions on recorded history: what was told is decided twice, by the old and by the new ones, stretch by stretch beside each
//! other, from the same starting state and under the same assumptions, and the firings are compared.
//!
//! The old side is decided again as well, rather than read from the log: only two runs under the same assumptions differ in
//! nothing but the definitions. The assumptions: every attempt of a call ends well, at once; nobody acts by hand; what a source
//! told is known at the moment it was received. Timers fall due on the virtual clock between the events.
//!
//! Architecture invariant: each side is a [`World`], the one of the tests, and decides through the very `cascade::settle` of the
//! daemon; nothing leaves, and nothing is written into the recorded store. What each side has changed is on disk; in memory is
//! what waits (timers, calls), a bounded number of values, and what fired in one stretch of the history, however long it is.

mod history;
mod side;

pub use history::{History, recorded};
pub use side::{Count, Firing, Kind, Who};

use std::cmp::Ordering;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use self::side::Side;
use super::world::World;
use crate::engine::definition::Definitions;
use crate::engine::event::{self, Body, Command, Draft, Event};
use crate::engine::mail::About;
pub use crate::store::scratch::Below;
use crate::store::{self, Stored, export};

/// Values that one event may ask for: as many as in the daemon's turn.
const MAX_NEEDS: usize = 10_000;
/// Events decided at one moment of the virtual clock: a flow that starts itself without waiting has no end.
const MAX_AT_ONCE: usize = 1_000_000;
/// Events to hand to [`Backtest::take`] at a time: they are in memory, and each may be large.
pub const STRETCH: usize = 128;
/// How long the first stretch may take on the clock. Later ones are longer, or shorter where [`MUCH`] fires.
const FIRST: SignedDuration = SignedDuration::from_mins(1);
const SHORTEST: SignedDuration = SignedDuration::from_secs(1);
const LONGEST: SignedDuration = SignedDuration::from_hours(1);
/// What fired in a stretch is in memory until both sides are compared.
const MUCH: usize = 20_000;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A store cannot be read, or the state that is tried out cannot be kept.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The exported events cannot be read.
    #[error(transparent)]
    Lines(#[from] export::Wrong),
    /// So much follows at one moment that it will not end.
    #[error("more than {MAX_AT_ONCE} events follow at {0}: flows or rules that wake each other without waiting")]
    Endless(Timestamp),
    /// What was told is known no more.
    #[error("what {0} of {1} brought was let go by retention (payloads): begin later with `--since`")]
    Forgotten(String, Timestamp),
    /// Deciding an event asks for more values than any decision may.
    #[error("deciding {0} needs more than {MAX_NEEDS} values")]
    TooMuch(String),
}

/// From where both sides begin.
pub struct Start {
    /// The recorded store as it was, once for each side; none: an empty state.
    pub state: Option<[Below; 2]>,
    /// The time.
    pub at: Timestamp,
}

/// A firing that only one side has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Only the new definitions have it; otherwise only the old ones.
    pub more: bool,
    /// The firing.
    pub firing: Firing,
}

/// What came of a rule or flow on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Row {
    /// By the old definitions.
    pub old: Count,
    /// By the new ones.
    pub new: Count,
    /// Firings that only the new ones have.
    pub more: u64,
    /// Firings that only the old ones have.
    pub fewer: u64,
}

/// Both sides on their way through history. What one does depends on nothing of the other; how long a stretch is, only on what was
/// recorded.
pub struct Backtest<'a> {
    old: World<'a, Side<'a>>,
    new: World<'a, Side<'a>>,
    differing: BTreeMap<Who, (u64, u64)>,
    told: u64,
    /// How long the next stretch may take.
    span: SignedDuration,
}

impl<'a> Backtest<'a> {
    /// Begins; what waited then waits on both sides.
    pub fn new(old: &'a Definitions, new: &'a Definitions, start: Start) -> Result<Self, Error> {
        let [was, is] = start.state.map_or([None, None], |state| state.map(Some));
        let (old, new) = (side::begin(old, was, start.at)?, side::begin(new, is, start.at)?);
        Ok(Self { old, new, differing: BTreeMap::new(), told: 0, span: FIRST })
    }

    /// The next recorded events: time passes until each was received, then both sides decide it. What the engine recorded itself
    /// only lets time pass: each side comes to its own.
    pub fn take<E: From<Error>>(
        &mut self,
        events: &[Stored],
        told: &mut impl FnMut(Difference) -> Result<(), E>,
    ) -> Result<(), E> {
        let known = |stored: &Stored| stored.event.body != Body::Forgotten;
        let mut rest = events;
        while let Some(first) = rest.first() {
            let start = self.now().max(first.event.received);
            self.pass(start, told)?;
            let within = |s: &&Stored| s.event.received.duration_since(start) < self.span && known(s);
            let (stretch, after) = rest.split_at(rest.iter().take_while(within).count());
            if stretch.is_empty() {
                return Err(Error::Forgotten(first.event.id(), first.event.received).into());
            }
            rest = after;
            let (old, new) = (&mut self.old, &mut self.new);
            let (was, is) = std::thread::scope(|scope| {
                let old = scope.spawn(|| side::follow(old, stretch));
                let is = side::follow(new, stretch);
                (old.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), is)
            });
            self.told += was?;
            is?;
            let fired = self.compare(Some(self.now()), told)?;
            self.span = if fired > MUCH { (self.span / 2).max(SHORTEST) } else { (self.span * 2).min(LONGEST) };
        }
        Ok(())
    }

    /// The end: time passes until then, if it is told; the last moment is compared, too.
    pub fn end<E: From<Error>>(
        &mut self,
        until: Option<Timestamp>,
        told: &mut impl FnMut(Difference) -> Result<(), E>,
    ) -> Result<(), E> {
        self.pass(until.unwrap_or(self.now()), told)?;
        self.compare(None, told)?;
        Ok(())
    }

    /// Time passes: what falls due until then happens on both sides, moment by moment.
    fn pass<E: From<Error>>(&mut self, until: Timestamp, told: &mut impl FnMut(Difference) -> Result<(), E>) -> Result<(), E> {
        let mut before = None;
        while let Some(at) = self.old.wake().into_iter().chain(self.new.wake()).min().filter(|at| *at <= until)
            && before != Some(at)
        {
            self.both(at)?;
            self.compare(Some(at), told)?;
            before = Some(at);
        }
        self.both(until)?;
        self.compare(Some(until), told)?;
        Ok(())
    }

    fn both(&mut self, until: Timestamp) -> Result<(), Error> {
        self.old.pass(until)?;
        self.new.pass(until)
    }

    /// Compares what fired since the last time, before that moment: at that very moment more may come. Whatever is alike on both sides
    /// fired at the same moment, on the same event. How much there was.
    fn compare<E: From<Error>>(
        &mut self,
        before: Option<Timestamp>,
        told: &mut impl FnMut(Difference) -> Result<(), E>,
    ) -> Result<usize, E> {
        let (mut old, mut new) = (self.old.behind.fired(before), self.new.behind.fired(before));
        old.sort_unstable();
        new.sort_unstable();
        let count = old.len() + new.len();
        let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return Ok(count),
                (Some(was), Some(is)) => was.cmp(is),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
            };
            let (was, is) = (old.next_if(|_| order.is_le()), new.next_if(|_| order.is_ge()));
            let Some(firing) = was.xor(is) else { continue };
            let more = order.is_gt();
            let (mores, fewers) = self.differing.entry(firing.who.clone()).or_default();
            *(if more { mores } else { fewers }) += 1;
            told(Difference { more, firing })?;
        }
    }

    /// Events that were told and decided by both sides.
    pub fn told(&self) -> u64 {
        self.told
    }

    /// Where the clock stands.
    pub fn now(&self) -> Timestamp {
        self.new.now
    }

    /// Every rule and flow that either side knows, and roots that were rolled back where there are any.
    pub fn rows(&self) -> BTreeMap<Who, Row> {
        let mut rows: BTreeMap<Who, Row> = BTreeMap::new();
        for (who, count) in self.old.behind.counts() {
            rows.entry(who).or_default().old = count;
        }
        for (who, count) in self.new.behind.counts() {
            rows.entry(who).or_default().new = count;
        }
        for (who, (more, fewer)) in &self.differing {
            let row = rows.entry(who.clone()).or_default();
            (row.more, row.fewer) = (*more, *fewer);
        }
        rows
    }
}

impl Difference {
    /// For programs; the keys are a promise.
    pub fn to_json(&self) -> serde_json::Value {
        let Firing { who, branch, record, name, event, at } = &self.firing;
        let mut json = who.to_json();
        json["kind"] = json!("difference");
        json["change"] = json!(if self.more { "more" } else { "fewer" });
        json["branch"] = json!(branch);
        json["record"] = json!(record);
        json["name"] = json!(name);
        json["event"] = json!(event.map(event::id));
        json["at"] = json!(at);
        json
    }
}

impl Row {
    /// For programs; the keys are a promise.
    pub fn to_json(&self, who: &Who) -> serde_json::Value {
        let Self { old, new, more, fewer } = self;
        let mut json = who.to_json();
        json["kind"] = json!("row");
        json["firings"] = json!({ "old": old.fired, "new": new.fired, "more": more, "fewer": fewer });
        json["evaluated"] = json!({ "old": old.evaluated, "new": new.evaluated });
        json["failed"] = json!({ "old": old.failed, "new": new.failed });
        json["calls"] = json!({ "old": old.calls, "new": new.calls });
        json
    }
}

/// Whether it came from outside and does not depend on what was decided: such roots are told again. The rest each side comes to
/// by itself, or it is about calls that only the recorded history made.
fn is_told(body: &Body) -> bool {
    match body {
        Body::Happened { .. } | Body::Unread(_) | Body::Settled { .. } => true,
        Body::Forgotten => false,                             // told as an error before
        Body::Created { .. } | Body::Changed { .. } => false, // follow from others, never roots
        Body::Due(_) | Body::Start(_) | Body::Slice(_) | Body::Ended { .. } => false,
        Body::Command(Command::Retry(_) | Command::Edit(..) | Command::Discard(_)) => false,
        Body::Command(
            Command::Silence(_) | Command::EndSilence(_) | Command::Merge(_) | Command::Unmerge(_) | Command::Contact(_),
        ) => true,
        // Of a mail of the recorded history: neither side has sent just that one.
        Body::Mail(told) => matches!(told.about, About::Address(_)),
        // Runs and tasks are numbered by the events that began them: what was said about those of then fits none here.
        Body::Command(Command::Task(_) | Command::Run(_)) => false,
        // Here the clock is never wrong.
        Body::Command(Command::ConfirmClock) => false,
        // Nothing is asked for over an API here.
        Body::Command(Command::Token(_)) => false,
        // How far a source was read decides nothing; both sides keep the definitions they have.
        Body::Polled { .. } | Body::Loaded { .. } | Body::NotLoaded(_) => false,
    }
}

/// What was told then, to be told again. Its delivery was accepted then: it is not compared with others anew.
fn draft(event: &Event) -> Draft {
    let Event { seq: _, name, at, received, origin, delivery, record, cause, batch, by: _, body } = event.clone();
    Draft { name, at, received, origin, delivery, record, cause, batch, by: None, body }
}
