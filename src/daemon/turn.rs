//! The turn: one thread owns the state. It takes what has queued, decides it in order on an overlay, commits the whole batch in
//! one transaction, and only then publishes, acknowledges and hands out calls.
//!
//! Architecture invariant: nothing is acknowledged, performed or seen by a reader before its commit returned.

mod answer;
mod commit;
mod duplicate;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::oneshot;
use tracing::warn;

use super::held::Held;
use crate::engine::call::{Call, CallId, Outcome};
use crate::engine::cascade;
use crate::engine::definition::Definitions;
use crate::engine::dispatch::Dispatch;
use crate::engine::event::{Body, Draft, Event};
use crate::engine::planted::Bug;
use crate::engine::state::{Change, Key, Need, State, prefix};
use crate::engine::sweep;
use crate::engine::value::Value;
use crate::store::{Batch, Error, Last, Retention, Store};

/// Loaded values kept between turns; beyond, all are forgotten and loaded again when needed.
const KEEP: usize = 20_000;
/// Values that one root event may ask for: a decision that needs more is a mistake in a rule, or in us.
const MAX_NEEDS: usize = 10_000;

/// What was told together and stands or falls together: the items of one request, the rows of one poll with their cursor.
#[derive(Debug)]
pub struct Submission {
    /// In order.
    pub drafts: Vec<Draft>,
    /// Where the answer goes; `None` for what the daemon tells itself, which is tried until it is committed.
    pub reply: Option<oneshot::Sender<Result<Vec<Accepted>, Refusal>>>,
}

impl Submission {
    /// What the daemon tells itself.
    pub fn own(draft: Draft) -> Self {
        Self { drafts: vec![draft], reply: None }
    }
}

/// An event that is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its number.
    pub seq: u64,
    /// It was there before: this delivery repeats another.
    pub duplicate: bool,
}

/// Why a submission is not on disk. Nothing of it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No space, for now.
    #[error("the store cannot commit: {0}")]
    Unavailable(String),
    /// Too much is waiting.
    #[error("too much is waiting ({0}); try again soon")]
    Overloaded(&'static str),
    /// This one cannot be decided or written, now or later.
    #[error("{0}")]
    Rejected(String),
}

/// What one run of [`Turn::take`] came to.
#[derive(Debug, Default)]
pub struct Taken {
    /// Calls whose attempt is committed: to be performed.
    pub started: Vec<Call>,
    /// Own submissions that could not be committed: to be handed in again.
    pub again: Vec<Submission>,
    /// The disk failed, or what is on it is damaged; the process must stop and recover from disk.
    pub broken: Option<String>,
    /// Whether the store can commit, as far as this run has shown; nothing was written: nothing was shown.
    pub commits: Option<bool>,
}

impl Taken {
    /// Takes note of an error of the store: `Broken` and `Corrupt` end the process.
    fn note(&mut self, error: &Error) {
        match error {
            Error::Broken(why) | Error::Corrupt(why) => self.broken = Some(why.clone()),
            Error::Refused(_) => {}
            _ => self.commits = Some(false),
        }
    }
}

/// Why a submission was not decided.
enum Failure {
    /// The store could not be read.
    Store(Error),
    /// It can never be decided.
    Rejected(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// The state, its store, and what waits in it.
pub struct Turn {
    store: Box<dyn Store>,
    state: State,
    definitions: Arc<Definitions>,
    last: Last,
    dispatch: Dispatch,
    /// Calls may start.
    begins: bool,
    held: Held,
    /// Items of one source that may be in quarantine.
    most: usize,
    /// Events whose deliveries came again with another body, where that was said.
    differed: HashSet<u64>,
}

/// A batch in the making: decided, not yet committed.
#[derive(Default)]
struct Made {
    batch: Batch,
    deliveries: HashMap<(String, String), u64>,
    /// Items that are to be kept in quarantine, by source.
    unread: HashMap<String, usize>,
    /// Changes that the dispatch has taken in.
    learnt: usize,
    /// Calls whose attempt begins with it, in order.
    started: BTreeMap<CallId, Call>,
}

impl Turn {
    /// Takes over a store: reads what waits in it. What must be told first comes back: outcomes of calls that were cut off.
    pub fn open(store: Box<dyn Store>, definitions: Arc<Definitions>, now: Timestamp) -> Result<(Self, Vec<Draft>), Error> {
        let mut dispatch = Dispatch::default();
        let mut cut_off = Vec::new();
        for kind in [prefix::CALL, prefix::BUDGET, prefix::SWEEP, prefix::PAUSED] {
            let mut after = None;
            loop {
                let page = store.scan(kind, after.as_ref(), 1_000)?;
                let Some((key, _)) = page.last() else { break };
                after = Some(key.clone());
                for (key, entry) in page {
                    if let Some(call) = dispatch.apply(&Change { key, entry: Some(entry) })
                        && !definitions.planted(Bug::ForgottenCutOff)
                    {
                        let outcome = Outcome::Unknown { detail: "the daemon stopped during the attempt".into() };
                        cut_off.push(ended(&call, outcome, now));
                    }
                }
            }
        }
        // Of timers, of which there may be a million, when and which is in the key.
        let mut after = None;
        loop {
            let page = store.keys(prefix::TIMER, after.as_ref(), 10_000)?;
            page.iter().for_each(|key| dispatch.set(key));
            let Some(key) = page.into_iter().next_back() else { break };
            after = Some(key);
        }
        let last = store.last()?;
        let held = Held::read(&*store)?;
        Ok((
            Self {
                store,
                state: State::default(),
                definitions,
                last,
                dispatch,
                begins: true,
                held,
                most: usize::MAX,
                differed: HashSet::new(),
            },
            cut_off,
        ))
    }

    /// When something is due by itself, at the earliest.
    pub fn wake(&self, now: Timestamp) -> Option<Timestamp> {
        if self.dispatch.is_sweeping() {
            return Some(now);
        }
        self.dispatch.wake(&self.definitions, now)
    }

    /// What is due by now: timers, then calls that may start.
    pub fn due(&mut self, now: Timestamp) -> Vec<Submission> {
        let mut due = self.dispatch.due(&self.definitions, now);
        match self.dispatch.slices(now, &Stored(self.store.as_ref())) {
            Ok(slices) => due.extend(slices),
            Err(error) => warn!(%error, "a sweep has to wait"),
        }
        due.into_iter().map(Submission::own).collect()
    }

    /// Calls that are not done, dead ones not counted; and those being performed.
    pub fn waiting(&self) -> (usize, usize) {
        self.dispatch.waiting()
    }

    /// The store, for what is kept beside what is decided.
    pub(super) fn store(&mut self) -> &mut dyn Store {
        self.store.as_mut()
    }

    /// Items in quarantine by source, if they are others than those told last.
    pub fn quarantine(&mut self) -> Option<BTreeMap<String, usize>> {
        self.held.news()
    }

    /// From here on no source may have more items in quarantine.
    pub fn limit(&mut self, quarantine: usize) {
        self.most = quarantine;
    }

    /// Puts new definitions in force, from the next event on, and says so in the log. On an error the old ones stay.
    pub fn load(&mut self, definitions: Arc<Definitions>, detail: Value, now: Timestamp) -> Result<(), Error> {
        let before = std::mem::replace(&mut self.definitions, definitions);
        let draft = loaded(&self.definitions, detail, now);
        let mut made = Made::default();
        let (mark, numbers) = (self.state.mark(), self.last);
        let decided = self.decide(&mut made, draft, now);
        let done = match decided {
            Ok(_) => self.commit(&mut made).map(|_| ()),
            Err(Failure::Store(error)) => Err(error),
            Err(Failure::Rejected(why)) => Err(Error::Refused(why)),
        };
        if done.is_err() {
            self.undo(&made, mark, numbers)?;
            self.definitions = before;
        }
        done
    }

    /// One turn over these submissions.
    pub fn take(&mut self, submissions: Vec<Submission>, now: Timestamp) -> Taken {
        let (mut taken, begins) = (Taken::default(), self.begins);
        self.attempt(submissions, now, &mut taken);
        self.begins = begins;
        match self.store.maintain() {
            Err(error @ (Error::Broken(_) | Error::Corrupt(_))) => taken.note(&error),
            Err(error) => warn!(%error, "housekeeping has to wait"),
            Ok(()) => {}
        }
        taken
    }

    /// Whether calls may start.
    pub fn begin(&mut self, begins: bool) {
        self.begins = begins;
    }

    /// Whether timers wait, beside what stands in the state.
    pub fn hold(&mut self, held: bool) {
        self.dispatch.hold(held);
    }

    /// Whether time stands still: the clock was set.
    pub fn is_paused(&self) -> bool {
        self.dispatch.is_paused()
    }

    /// When the last event was received.
    pub fn last_received(&self) -> Result<Option<Timestamp>, Error> {
        Ok(self.store.event(self.last.event)?.map(|stored| stored.event.received))
    }

    /// Lets a little of what is old go; whether there is more. What cannot be written now can be later.
    pub fn retain(&mut self, retention: &Retention, now: Timestamp) -> Result<bool, Error> {
        let mut step = || {
            let more = self.store.retain(retention, now)?;
            if !more {
                self.store.drop_definitions()?; // with the last event that they decided
            }
            self.store.maintain()?;
            Ok(more)
        };
        let more: Result<bool, Error> = step();
        more.or_else(|error| match error {
            Error::Broken(_) | Error::Corrupt(_) => Err(error),
            _ => {
                warn!(%error, "what is old cannot be let go now");
                Ok(false)
            }
        })
    }

    fn attempt(&mut self, submissions: Vec<Submission>, now: Timestamp, taken: &mut Taken) {
        let (mark, numbers) = (self.state.mark(), self.last);
        let mut made = Made::default();
        let mut answers = Vec::new();
        // What cannot be read now keeps all that follows waiting, too: it may rest on it.
        let mut failed = None;
        for submission in submissions {
            let answer = self.decide_next(&mut made, &submission, &mut failed, now);
            answers.push((submission, answer));
        }
        let told = answers.len();
        // A call that may start now starts with what ordered it: one commit less before it leaves.
        self.learn(&mut made);
        let starts = if self.begins { self.dispatch.starts(&self.definitions, now) } else { Vec::new() };
        for start in starts.into_iter().map(Submission::own) {
            let answer = self.decide_next(&mut made, &start, &mut failed, now);
            answers.push((start, answer));
        }
        if self.definitions.planted(Bug::AcknowledgedFirst) {
            for (submission, answer) in &mut answers {
                if let (Ok(accepted), Some(reply)) = (answer, submission.reply.take()) {
                    drop(reply.send(Ok(accepted.clone())));
                }
            }
        }
        let begun = std::time::Instant::now();
        match failed.map_or_else(|| self.commit(&mut made), Err) {
            Ok(started) => {
                if !made.batch.is_empty() {
                    taken.commits = Some(true);
                    metrics::histogram!("ifthen_commit_seconds").record(begun.elapsed().as_secs_f64());
                    metrics::histogram!("ifthen_batch_events").record(made.batch.events.len() as f64);
                    metrics::counter!("ifthen_turns_total").increment(1);
                }
                taken.started.extend(started);
                for (submission, answer) in answers {
                    match answer {
                        Ok(accepted) => self.acknowledge(submission, accepted),
                        Err(why) => self.reject(submission, why, taken),
                    }
                }
            }
            Err(error) => {
                if let Err(error) = self.undo(&made, mark, numbers) {
                    taken.note(&error);
                }
                let starts = answers.len() > told;
                for (start, _) in answers.drain(told..) {
                    self.dispatch.give_up(&start.drafts);
                }
                self.begins &= !starts; // whose fault it was shows without them
                metrics::counter!("ifthen_commit_failures_total").increment(1);
                self.redo(answers.into_iter().map(|(s, _)| s).collect(), &error, starts, now, taken);
            }
        }
    }

    /// The batch failed. One that cannot be written at all must not take the others along: each is redone in a transaction of
    /// its own. For want of space or of a healthy disk, all of them wait.
    fn redo(&mut self, submissions: Vec<Submission>, error: &Error, starts: bool, now: Timestamp, taken: &mut Taken) {
        taken.note(error);
        let alone = submissions.len() == 1 && !starts;
        for submission in submissions {
            match error {
                Error::Refused(why) if alone => self.reject(submission, why.clone(), taken),
                Error::Refused(_) if taken.broken.is_none() => self.attempt(vec![submission], now, taken),
                _ => self.put_off(submission, error, taken),
            }
        }
    }

    /// One of a batch; or why it can never be decided. After a failure nothing more is decided.
    fn decide_next(
        &mut self,
        made: &mut Made,
        submission: &Submission,
        failed: &mut Option<Error>,
        now: Timestamp,
    ) -> Result<Vec<Accepted>, String> {
        if failed.is_some() {
            return Ok(Vec::new());
        }
        self.decide_all(made, &submission.drafts, now).or_else(|failure| match failure {
            Failure::Rejected(why) => Err(why),
            Failure::Store(error) => {
                *failed = Some(error);
                Ok(Vec::new())
            }
        })
    }

    /// All or nothing of one submission.
    fn decide_all(&mut self, made: &mut Made, drafts: &[Draft], now: Timestamp) -> Result<Vec<Accepted>, Failure> {
        let (mark, numbers) = (self.state.mark(), self.last);
        let lengths = (made.batch.events.len(), made.batch.changes.len(), made.batch.log.len());
        let unread = made.unread.clone();
        let mut fresh: Vec<(String, String)> = Vec::new();
        let mut accepted = Vec::with_capacity(drafts.len());
        for draft in drafts {
            match self.decide_once(made, draft, &mut fresh, now) {
                Ok(one) => accepted.push(one),
                Err(failure) if self.definitions.planted(Bug::HalfSubmission) => return Err(failure),
                Err(failure) => {
                    self.state.rollback(mark);
                    self.last = numbers;
                    made.batch.events.truncate(lengths.0);
                    made.batch.changes.truncate(lengths.1);
                    made.batch.log.truncate(lengths.2);
                    made.unread = unread;
                    for known in fresh {
                        made.deliveries.remove(&known);
                    }
                    return Err(failure);
                }
            }
        }
        Ok(accepted)
    }

    /// Decides a draft unless its delivery was there before, in this batch or in the store.
    fn decide_once(
        &mut self,
        made: &mut Made,
        draft: &Draft,
        fresh: &mut Vec<(String, String)>,
        now: Timestamp,
    ) -> Result<Accepted, Failure> {
        let Some(delivery) = &draft.delivery else {
            self.admit(made, draft)?;
            return self.decide(made, draft.clone(), now);
        };
        let known = (draft.origin.clone(), delivery.clone());
        let former = match made.deliveries.get(&known) {
            Some(seq) => Some(*seq),
            None if self.definitions.planted(Bug::ForgottenDedupe) => None,
            None => self.store.delivery(&known.0, &known.1)?,
        };
        if let Some(seq) = former {
            self.compare(made, seq, draft, now)?;
            return Ok(Accepted { seq, duplicate: true });
        }
        self.admit(made, draft)?;
        let one = self.decide(made, draft.clone(), now)?;
        made.deliveries.insert(known.clone(), one.seq);
        fresh.push(known);
        Ok(one)
    }

    /// Whether there is room for what could not be understood: what nobody looks at must not grow without end.
    fn admit(&self, made: &mut Made, draft: &Draft) -> Result<(), Failure> {
        let Body::Unread(unread) = &draft.body else { return Ok(()) };
        let coming = made.unread.entry(draft.origin.clone()).or_default();
        if self.held.of(&draft.origin) + *coming >= self.most {
            let (why, most) = (&unread.reason, self.most);
            let full = format!("{why}; and {most} items of {} are in quarantine already (limits: quarantine)", draft.origin);
            return Err(Failure::Rejected(full));
        }
        *coming += 1;
        Ok(())
    }

    /// One root event and all it causes, loading what is needed.
    fn decide(&mut self, made: &mut Made, draft: Draft, now: Timestamp) -> Result<Accepted, Failure> {
        let root = draft.event(self.last.event + 1);
        let seq = root.seq;
        self.preload(&root)?;
        let mut needs = 0;
        let store = &self.store;
        let load = |state: &mut State, need: Need| {
            let key = need.key();
            needs += 1;
            if needs > MAX_NEEDS {
                return Err(Failure::Rejected(format!("deciding it needs more than {MAX_NEEDS} values")));
            }
            let entry = store.load(&key)?;
            state.load(key, entry);
            Ok(())
        };
        let done = cascade::settle(&self.definitions, &mut self.state, root, now, load)?;
        self.last.event += done.events.len() as u64;
        for mut line in done.log {
            self.last.log += 1;
            line.seq = self.last.log;
            made.batch.log.push(line);
        }
        made.batch.events.extend(done.events);
        made.batch.changes.extend(done.changes);
        Ok(Accepted { seq, duplicate: false })
    }

    /// Loads what every decision of this event asks for first, so that it need not ask.
    fn preload(&mut self, event: &Event) -> Result<(), Error> {
        if let Body::Slice(slice) = &event.body {
            return slice.wants.iter().try_for_each(|key| self.load_value(key.clone()));
        }
        let key = match (&event.record, &event.body) {
            (_, Body::Ended { call, .. }) => Key::Call(*call),
            (Some(record), _) => Key::Record(record.clone()),
            _ => return Ok(()),
        };
        self.load_value(key)
    }

    fn load_value(&mut self, key: Key) -> Result<(), Error> {
        if self.state.get(&key).is_err() {
            let entry = self.store.load(&key)?;
            self.state.load(key, entry);
        }
        Ok(())
    }
}

/// What sweeps go over, from the store: everything that was decided before is committed when a slice is read.
struct Stored<'s>(&'s dyn Store);

impl sweep::Source<Error> for Stored<'_> {
    fn keys(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, Error> {
        self.0.keys(prefix, after, limit)
    }
    fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, Error> {
        Ok(self.0.events(after, limit)?.into_iter().map(|stored| stored.event).collect())
    }
}

/// The event that says that definitions are in force.
pub(super) fn loaded(definitions: &Definitions, detail: Value, now: Timestamp) -> Draft {
    Draft::own("ifthen.loaded", now, Body::Loaded { hash: definitions.hash.clone(), detail })
}

/// The event that says how an attempt ended.
pub fn ended(call: &Call, outcome: Outcome, now: Timestamp) -> Draft {
    let body = Body::Ended { call: call.id, attempt: call.attempt, outcome };
    Draft { record: call.record.clone(), ..Draft::own("ifthen.call.ended", now, body) }
}

#[cfg(test)]
mod tests;
