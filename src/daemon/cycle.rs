//! The loop's own books, without thread, clock or channel: what is due beside what has come in, what of our own the store could not
//! take, whether the clock can be trusted. The thread around it is [`super::shell`]; the simulation drives this very code.
//!
//! Architecture invariant: time is an argument here, as in the engine.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tracing::{error, info, warn};

use super::clock::{Now, Watch};
use super::turn::{Submission, Turn, loaded};
use crate::engine::call::Call;
use crate::engine::clock::{JUMPED, RESTORED};
use crate::engine::definition::Definitions;
use crate::engine::event::{Body, Draft};
use crate::engine::value::Value;
use crate::store::{Error, Store};

/// How long to wait before our own events are tried again when the store cannot commit.
const STORE_PAUSE: SignedDuration = SignedDuration::from_millis(500);
/// Overdue timers wait at most so long for polled sources to catch up after a start.
const CATCH_UP: SignedDuration = SignedDuration::from_secs(60);

/// What a look goes by, beside the clocks.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// By how much the clock may be off (`limits: clock`).
    pub clock: SignedDuration,
    /// A polled source has not caught up since the start.
    pub behind: bool,
}

/// One daemon's turns, one after another.
pub struct Cycle {
    turn: Turn,
    /// Our own submissions that are not committed yet.
    own: Vec<Submission>,
    /// The store could not commit: nothing of our own before then, by the boot clock.
    paused_until: Option<SignedDuration>,
    /// The store commits, as far as is known.
    commits: bool,
    clock: Watch,
    /// When it began: until sources have caught up, and at most for a while, nothing that is driven by time happens.
    began: SignedDuration,
}

impl Cycle {
    /// Takes over a store. That these definitions are in force is decided before anything else, and tried until it is on disk: what
    /// is overdue goes by what they arm. Then come calls that were cut off.
    ///
    /// # Errors
    ///
    /// The store could not be read.
    pub fn open(store: Box<dyn Store>, definitions: Arc<Definitions>, clock: SignedDuration, now: Now) -> Result<Self, Error> {
        let started = loaded(&definitions, "start".into(), now.wall);
        let (turn, cut_off) = Turn::open(store, definitions, now.wall)?;
        let last = turn.last_received()?;
        // One by one: each stands or falls alone.
        let own = [started].into_iter().chain(cut_off).map(Submission::own).collect();
        Ok(Self { turn, own, paused_until: None, commits: true, clock: Watch::new(now, last, clock), began: now.boot })
    }

    /// The turn.
    pub fn turn(&mut self) -> &mut Turn {
        &mut self.turn
    }

    /// Whether the store commits, as far as is known.
    pub fn commits(&self) -> bool {
        self.commits
    }

    /// Whether nothing of our own is to be tried before some time has passed.
    pub fn is_paused(&self, now: Now) -> bool {
        self.paused_until.is_some_and(|until| now.boot < until)
    }

    /// Whether nothing of our own waits to be told.
    pub fn has_told(&self) -> bool {
        self.own.is_empty()
    }

    /// Whether nothing of our own waits to be told, and no call is on its way.
    pub fn is_idle(&self) -> bool {
        self.has_told() && self.turn.waiting().1 == 0
    }

    /// Looks at the clocks, and holds what is driven by time where it must wait.
    pub fn look(&mut self, by: Circumstances, now: Now) {
        // What was told last may not be in the state yet: then the state cannot say what people made of it, and time stands still
        // until it can.
        let telling = self.own.iter().flat_map(|s| &s.drafts).any(|d| [JUMPED, RESTORED].contains(&d.name.as_str()));
        let told = if telling { None } else { self.clock.look(now, by.clock, self.turn.is_paused()) };
        if let Some(draft) = told {
            match draft.name.as_str() {
                JUMPED => error!(by = %jump(&draft), "the clock was set: timers wait; `ifthen clock confirm` lets them go on"),
                _ => info!("the clock is right again: what is driven by time goes on"),
            }
            self.own.push(Submission::own(draft));
        }
        let behind = by.behind && now.boot - self.began < CATCH_UP;
        self.turn.hold(behind || telling || self.clock.is_off(now, by.clock));
    }

    /// What of our own is to be told now; `stopping`: nothing new is begun.
    pub fn due(&mut self, stopping: bool, now: Now) -> Vec<Submission> {
        self.turn.begin(!stopping && !self.is_paused(now));
        if self.is_paused(now) {
            return Vec::new();
        }
        let mut due = std::mem::take(&mut self.own);
        if !stopping {
            due.extend(self.turn.due(now.wall));
        }
        due
    }

    /// When something is due by itself, at the earliest; the past: now.
    pub fn wakes(&self, now: Now) -> Option<Timestamp> {
        self.turn.wake(now.wall)
    }

    /// How long nothing of our own will have to be told; at most `longest`.
    pub fn sleep(&self, longest: Duration, now: Now) -> Duration {
        if let Some(until) = self.paused_until.filter(|until| now.boot < *until) {
            return (until - now.boot).unsigned_abs();
        }
        let until = |wake: Timestamp| Duration::try_from(wake.duration_since(now.wall)).unwrap_or(Duration::ZERO);
        self.wakes(now).map_or(longest, |wake| until(wake).min(longest))
    }

    /// Puts new definitions in force, from the next event on. On an error the old ones stay.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub fn load(&mut self, definitions: Arc<Definitions>, detail: Value, now: Now) -> Result<(), Error> {
        self.turn.load(definitions, detail, now.wall)?;
        self.own.retain(|own| !starts(own)); // overtaken
        Ok(())
    }

    /// One turn. The calls whose attempt is committed: to be performed, in this order.
    ///
    /// # Errors
    ///
    /// [`Error::Broken`]: the disk failed, or what is on it is damaged; the process must end and recover from disk.
    pub fn take(&mut self, mut submissions: Vec<Submission>, now: Now) -> Result<Vec<Call>, Error> {
        // Also where our own has to wait: nothing is decided by definitions before those are in force.
        if let Some(at) = self.own.iter().position(starts) {
            submissions.insert(0, self.own.remove(at));
        }
        let mut taken = self.turn.take(submissions, now.wall);
        if let Some(why) = taken.broken {
            error!(%why, "the disk failed; stopping, so that a restart recovers what is on it");
            return Err(Error::Broken(why));
        }
        if let Some(commits) = taken.commits {
            match (std::mem::replace(&mut self.commits, commits), commits) {
                (true, false) => warn!("the store cannot commit (disk full?): webhooks are answered 503 until it can"),
                (false, true) => info!("the store commits again"),
                _ => {}
            }
            self.paused_until = (!commits).then(|| now.boot + STORE_PAUSE);
        }
        // What was told before comes before.
        taken.again.append(&mut self.own);
        self.own = taken.again;
        if self.own.is_empty() && !self.commits {
            // Nobody may be sending any more: find out by ourselves when there is room again.
            let body = Body::Happened { data: Value::Null, upsert: None };
            self.own.push(Submission::own(Draft::own("ifthen.store.recovered", now.wall, body)));
        }
        Ok(taken.started)
    }
}

/// Whether this is the word on the definitions with which the process began.
fn starts(submission: &Submission) -> bool {
    submission.drafts.iter().any(|d| matches!(d.body, Body::Loaded { .. }))
}

/// By how many seconds the clock was set.
fn jump(draft: &Draft) -> String {
    let Body::Happened { data, .. } = &draft.body else { return String::new() };
    data.at(&["by"]).map(ToString::to_string).unwrap_or_default()
}
