//! The turn: one thread owns the state. It takes what has queued, decides it in order on an overlay, commits the whole batch in
//! one transaction, and only then publishes, acknowledges and hands out calls.
//!
//! Architecture invariant: nothing is acknowledged, performed or seen by a reader before its commit returned.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::oneshot;
use tracing::{error, warn};

use super::dispatch::Dispatch;
use crate::engine::call::{Call, Outcome};
use crate::engine::cascade::cascade;
use crate::engine::definition::Definitions;
use crate::engine::event::{self, Body, Draft};
use crate::engine::state::{Change, Entry, Key, Need, State, prefix};
use crate::engine::value::Value;
use crate::store::{Batch, Error, Last, Store};

/// Loaded values kept between turns; beyond, all are forgotten and loaded again when needed.
const KEEP: usize = 200_000;
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
    /// The disk failed; the process must stop and recover from disk.
    pub broken: Option<String>,
    /// The last commit went through.
    pub committed: bool,
}

/// The state, its store, and what waits in it.
pub struct Turn {
    store: Box<dyn Store>,
    state: State,
    definitions: Arc<Definitions>,
    last: Last,
    dispatch: Dispatch,
}

/// A batch in the making: decided, not yet committed.
#[derive(Default)]
struct Made {
    batch: Batch,
    deliveries: HashMap<(String, String), u64>,
}

impl Turn {
    /// Takes over a store: reads what waits in it. What must be told first comes back as a submission: calls whose attempt was cut off.
    pub fn open(store: Box<dyn Store>, definitions: Arc<Definitions>) -> Result<(Self, Submission), Error> {
        let mut dispatch = Dispatch::default();
        let mut cut_off = Vec::new();
        let now = Timestamp::now();
        for kind in [prefix::CALL, prefix::TIMER, prefix::BUDGET] {
            let mut after = None;
            loop {
                let page = store.scan(kind, after.as_ref(), 1_000)?;
                let Some((key, _)) = page.last() else { break };
                after = Some(key.clone());
                for (key, entry) in page {
                    if let Some(call) = dispatch.apply(&Change { key, entry: Some(entry) }) {
                        let outcome = Outcome::Unknown { detail: "the daemon stopped during the attempt".into() };
                        cut_off.push(ended(&call, outcome, now));
                    }
                }
            }
        }
        let last = store.last()?;
        let turn = Self { store, state: State::default(), definitions, last, dispatch };
        Ok((turn, Submission { drafts: cut_off, reply: None }))
    }

    /// The definitions in force.
    pub fn definitions(&self) -> &Arc<Definitions> {
        &self.definitions
    }

    /// When something is due by itself, at the earliest.
    pub fn wake(&self) -> Option<Timestamp> {
        self.dispatch.wake(&self.definitions)
    }

    /// What is due by now: timers, then calls that may start.
    pub fn due(&mut self, now: Timestamp, calls: bool) -> Vec<Submission> {
        let drafts = self.dispatch.due(&self.definitions, now, calls);
        drafts.into_iter().map(|d| Submission { drafts: vec![d], reply: None }).collect()
    }

    /// Calls that are not done, dead ones not counted; and those being performed.
    pub fn waiting(&self) -> (usize, usize) {
        self.dispatch.waiting()
    }

    /// Puts new definitions in force, from the next event on, and says so in the log. On an error the old ones stay.
    pub fn load(&mut self, definitions: Arc<Definitions>, detail: Value, now: Timestamp) -> Result<(), Error> {
        let before = std::mem::replace(&mut self.definitions, definitions);
        let body = Body::Loaded { hash: self.definitions.hash.clone(), detail };
        let mut made = Made::default();
        let mark = self.state.mark();
        let numbers = self.last;
        let done = self.decide(&mut made, Draft::own("ifthen.loaded", now, body), now).map(|_| ());
        let done = done.map_err(|e| Error::Refused(e.to_string())).and_then(|()| self.commit(&mut made).map(|_| ()));
        if let Err(error) = done {
            self.state.rollback(mark);
            self.last = numbers;
            self.definitions = before;
            return Err(error);
        }
        Ok(())
    }

    /// One turn over these submissions.
    pub fn take(&mut self, submissions: Vec<Submission>, now: Timestamp) -> Taken {
        let mut taken = Taken::default();
        self.attempt(submissions, now, &mut taken);
        match self.store.maintain() {
            Err(Error::Broken(why)) => taken.broken = Some(why),
            Err(error) => warn!(%error, "housekeeping has to wait"),
            Ok(()) => {}
        }
        taken
    }

    fn attempt(&mut self, submissions: Vec<Submission>, now: Timestamp, taken: &mut Taken) {
        let (mark, numbers) = (self.state.mark(), self.last);
        let mut made = Made::default();
        let mut answers = Vec::new();
        for submission in submissions {
            let answer = self.decide_all(&mut made, &submission.drafts, now);
            answers.push((submission, answer));
        }
        let begun = std::time::Instant::now();
        match self.commit(&mut made) {
            Ok(started) => {
                metrics::histogram!("ifthen_commit_seconds").record(begun.elapsed().as_secs_f64());
                metrics::histogram!("ifthen_batch_events").record(made.batch.events.len() as f64);
                metrics::counter!("ifthen_turns_total").increment(1);
                taken.committed = true;
                taken.started.extend(started);
                for (submission, answer) in answers {
                    self.settle(submission, answer, taken);
                }
            }
            Err(error) => {
                self.state.rollback(mark);
                self.last = numbers;
                metrics::counter!("ifthen_commit_failures_total").increment(1);
                self.redo(answers.into_iter().map(|(s, _)| s).collect(), error, now, taken);
            }
        }
    }

    /// The batch failed as a whole: each submission is redone in a transaction of its own, so that a bad one fails alone.
    fn redo(&mut self, submissions: Vec<Submission>, error: Error, now: Timestamp, taken: &mut Taken) {
        if let Error::Broken(why) = &error {
            taken.broken = Some(why.clone());
        }
        let alone = submissions.len() == 1;
        for submission in submissions {
            if taken.broken.is_none() && !alone && !matches!(error, Error::Full) {
                self.attempt(vec![submission], now, taken);
                continue;
            }
            self.dispatch.give_up(&submission.drafts);
            let refusal = match &error {
                Error::Refused(why) => Refusal::Rejected(why.clone()),
                other => Refusal::Unavailable(other.to_string()),
            };
            match submission.reply {
                Some(reply) => drop(reply.send(Err(refusal))), // a sender who has gone needs no answer
                None if matches!(error, Error::Refused(_)) => error!(%error, "dropped, it can never be written"),
                None => taken.again.push(submission),
            }
        }
    }

    /// Acknowledges; what cannot be decided is refused, or, if it is our own, said and dropped.
    fn settle(&mut self, submission: Submission, answer: Result<Vec<Accepted>, Refusal>, taken: &mut Taken) {
        // What can never be decided is not told again: until a restart it stays as if it were still being told.
        if !matches!((&submission.reply, &answer), (None, Err(Refusal::Rejected(_)))) {
            self.dispatch.give_up(&submission.drafts);
        }
        match (submission.reply, answer) {
            (Some(reply), answer) => drop(reply.send(answer)), // a sender who has gone needs no answer
            (None, Err(Refusal::Unavailable(why))) => {
                warn!(%why, "will be tried again");
                taken.again.push(Submission { drafts: submission.drafts, reply: None });
            }
            (None, Err(why)) => error!(%why, "an event of our own cannot be decided"),
            (None, Ok(_)) => {}
        }
    }

    /// All or nothing of one submission.
    fn decide_all(&mut self, made: &mut Made, drafts: &[Draft], now: Timestamp) -> Result<Vec<Accepted>, Refusal> {
        let (mark, numbers) = (self.state.mark(), self.last);
        let lengths = (made.batch.events.len(), made.batch.changes.len(), made.batch.log.len());
        let mut fresh: Vec<(String, String)> = Vec::new();
        let mut accepted = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let known = draft.delivery.as_ref().map(|d| (draft.origin.clone(), d.clone()));
            let former = known.as_ref().map(|k| self.delivered(made, k)).transpose();
            let one = match former {
                Ok(Some(Some(seq))) => Ok(Accepted { seq, duplicate: true }),
                Ok(_) => self.decide(made, draft.clone(), now),
                Err(error) => Err(Refusal::Unavailable(error.to_string())),
            };
            match one {
                Ok(one) => {
                    if let (Some(known), false) = (known, one.duplicate) {
                        made.deliveries.insert(known.clone(), one.seq);
                        fresh.push(known);
                    }
                    accepted.push(one);
                }
                Err(refusal) => {
                    self.state.rollback(mark);
                    self.last = numbers;
                    made.batch.events.truncate(lengths.0);
                    made.batch.changes.truncate(lengths.1);
                    made.batch.log.truncate(lengths.2);
                    for known in fresh {
                        made.deliveries.remove(&known);
                    }
                    return Err(refusal);
                }
            }
        }
        Ok(accepted)
    }

    fn delivered(&self, made: &Made, known: &(String, String)) -> Result<Option<u64>, Error> {
        match made.deliveries.get(known) {
            Some(seq) => Ok(Some(*seq)),
            None => self.store.delivery(&known.0, &known.1),
        }
    }

    /// One root event and all it causes, loading what is needed.
    fn decide(&mut self, made: &mut Made, draft: Draft, now: Timestamp) -> Result<Accepted, Refusal> {
        let root = draft.event(self.last.event + 1);
        self.preload(&root).map_err(|e| Refusal::Unavailable(e.to_string()))?;
        for _ in 0..MAX_NEEDS {
            match cascade(&self.definitions, &mut self.state, root.clone(), now) {
                Ok(done) => {
                    let seq = root.seq;
                    self.last.event += done.events.len() as u64;
                    for mut line in done.log {
                        self.last.log += 1;
                        line.seq = self.last.log;
                        made.batch.log.push(line);
                    }
                    made.batch.events.extend(done.events);
                    made.batch.changes.extend(done.changes);
                    return Ok(Accepted { seq, duplicate: false });
                }
                Err(Need::Key(key)) => {
                    let entry = self.store.load(&key).map_err(|e| Refusal::Unavailable(e.to_string()))?;
                    self.state.load(key, entry);
                }
            }
        }
        Err(Refusal::Rejected(format!("deciding {} needs more than {MAX_NEEDS} values", root.name)))
    }

    /// Loads what every decision of this event asks for first, so that it need not ask.
    fn preload(&mut self, event: &event::Event) -> Result<(), Error> {
        let key = match (&event.record, &event.body) {
            (Some(record), _) => Key::Record(record.clone()),
            (None, Body::Ended { call, .. }) => Key::Call(*call),
            _ => return Ok(()),
        };
        if self.state.get(&key).is_err() {
            let entry = self.store.load(&key)?;
            self.state.load(key, entry);
        }
        Ok(())
    }

    /// Writes the batch; then what it changed is in force. The calls that may now be performed.
    fn commit(&mut self, made: &mut Made) -> Result<Vec<Call>, Error> {
        made.batch.definitions.clone_from(&self.definitions.hash);
        if !made.batch.events.is_empty() {
            self.store.commit(&made.batch)?;
        }
        self.state.publish(KEEP);
        let mut started = Vec::new();
        for (_, change) in &made.batch.changes {
            started.extend(self.dispatch.apply(change));
        }
        metrics::counter!("ifthen_events_total").increment(made.batch.events.len() as u64);
        for line in &made.batch.log {
            metrics::counter!("ifthen_log_lines_total", "action" => line.action.clone(), "outcome" => line.outcome.word()).increment(1);
        }
        // What a rule did is the last word on a call that started and ended in one batch.
        started.retain(|c| made.batch.changes.iter().rev().find(|(_, ch)| ch.key == Key::Call(c.id)).is_some_and(|(_, ch)| is_started(ch)));
        Ok(started)
    }
}

fn is_started(change: &Change) -> bool {
    use crate::engine::call::Status;
    matches!(change.entry.as_deref(), Some(Entry::Call(c)) if c.status == Status::Started)
}

/// The event that says how an attempt ended.
pub fn ended(call: &Call, outcome: Outcome, now: Timestamp) -> Draft {
    let body = Body::Ended { call: call.id, attempt: call.attempt, outcome };
    Draft { record: call.record.clone(), ..Draft::own("ifthen.call.ended", now, body) }
}
