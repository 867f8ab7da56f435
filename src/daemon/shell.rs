//! The turn's thread: takes what has queued, lets the turn decide and commit it, hands out the calls.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::{error, info, warn};

use super::clock::Watch;
use super::handle::{Handle, Message};
use super::housekeeping::{self, Pace};
use super::turn::{Submission, Taken, Turn, ended};
use crate::engine::call::{Call, Outcome};
use crate::engine::clock::JUMPED;
use crate::engine::event::{Body, Draft};
use crate::engine::value::Value;
use crate::failpoint::{self, Point};
use crate::store::Error;

/// Submissions of one batch: enough for one fsync to serve hundreds of events, few enough that the first need not wait long.
const BATCH: usize = 512;
/// How long to wait before our own events are tried again when the store cannot commit.
const STORE_PAUSE: Duration = Duration::from_millis(500);
/// Overdue timers wait at most so long for polled sources to catch up after a start.
const CATCH_UP: Duration = Duration::from_secs(60);
/// Looking up at least so often keeps the loop honest about clocks that were set.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

struct Shell {
    turn: Turn,
    mailbox: Receiver<Message>,
    handle: Handle,
    runtime: tokio::runtime::Handle,
    /// Our own submissions that could not be committed yet.
    own: Vec<Submission>,
    /// The store could not commit: nothing of our own before then.
    paused_until: Option<Instant>,
    /// Asked to stop: until when to wait for calls.
    stop_at: Option<Instant>,
    pace: Pace,
    clock: Watch,
    /// When it began: until sources have caught up, and at most for a while, nothing that is driven by time happens.
    began: Instant,
}

/// Starts the thread; it ends after [`Message::Stop`], or with the error of a disk that failed.
pub(super) fn start(
    turn: Turn,
    mailbox: Receiver<Message>,
    handle: Handle,
    runtime: tokio::runtime::Handle,
) -> JoinHandle<Result<(), Error>> {
    let (began, now) = (Instant::now(), Timestamp::now());
    let last = turn.last_received().unwrap_or_default(); // what cannot be read is found out at once elsewhere
    let clock = Watch::new(now, last, handle.live().settings.limits.clock);
    let (own, pace) = (Vec::new(), Pace::new(began));
    let handed = handle.clone();
    let shell = Shell { turn, mailbox, handle: handed, runtime, own, paused_until: None, stop_at: None, pace, clock, began };
    std::thread::spawn(move || {
        let _gone = Gone(handle);
        shell.run()
    })
}

/// Says that the turn has ended, however it ended: a panic must not leave a process that looks alive.
struct Gone(Handle);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.mark_gone();
    }
}

impl Shell {
    fn run(mut self) -> Result<(), Error> {
        self.handle.status().committing.store(true, Ordering::Relaxed);
        self.count();
        loop {
            if let Some(at) = self.stop_at
                && (Instant::now() >= at || (self.turn.waiting().1 == 0 && self.own.is_empty()))
            {
                return Ok(());
            }
            let (submissions, permits, load) = self.gather();
            let now = Timestamp::now();
            if !submissions.is_empty() {
                self.handle.status().since.store(now.as_millisecond(), Ordering::Relaxed);
                self.turn.limit(self.handle.live().settings.limits.quarantine);
                let taken = self.turn.take(submissions, now);
                self.handle.status().since.store(0, Ordering::Relaxed);
                self.after(taken)?;
            }
            drop(permits);
            if let Some((live, detail, reply)) = load {
                let kept = live.keep(self.turn.store());
                let done = kept.and_then(|()| self.turn.load(Arc::clone(&live.definitions), detail, Timestamp::now()));
                if let Err(error @ (Error::Broken(_) | Error::Corrupt(_))) = done {
                    return Err(error);
                }
                if done.is_ok() {
                    self.handle.set_live(live);
                }
                drop(reply.send(done.map_err(|e| e.to_string()))); // whoever asked may have gone
            }
            self.tidy()?;
        }
    }

    /// Lets a little of what is old go, when it is time for that.
    fn tidy(&mut self) -> Result<(), Error> {
        let begun = Instant::now();
        if self.stop_at.is_some() || self.paused_until.is_some_and(|until| begun < until) || !self.pace.is_due(begun) {
            return Ok(());
        }
        let retention = housekeeping::retention(&self.handle.live().settings.retention);
        let more = self.turn.retain(&retention, Timestamp::now())?;
        self.pace.took(Instant::now(), begun.elapsed(), more);
        Ok(())
    }

    fn after(&mut self, taken: Taken) -> Result<(), Error> {
        if let Some(why) = taken.broken {
            error!(%why, "the disk failed; stopping, so that a restart recovers what is on it");
            return Err(Error::Broken(why));
        }
        let status = self.handle.status();
        if let Some(commits) = taken.commits {
            match (status.committing.swap(commits, Ordering::Relaxed), commits) {
                (true, false) => warn!("the store cannot commit (disk full?): webhooks are answered 503 until it can"),
                (false, true) => info!("the store commits again"),
                _ => {}
            }
            self.paused_until = (!commits).then(|| Instant::now() + STORE_PAUSE);
        }
        self.own.extend(taken.again);
        if self.own.is_empty() && !status.committing.load(Ordering::Relaxed) {
            // Nobody may be sending any more: find out by ourselves when there is room again.
            let body = Body::Happened { data: Value::Null, upsert: None };
            self.own.push(Submission::own(Draft::own("ifthen.store.recovered", Timestamp::now(), body)));
        }
        let (calls, performing) = self.turn.waiting();
        status.calls.store(calls, Ordering::Relaxed);
        status.performing.store(performing, Ordering::Relaxed);
        self.count();
        for call in taken.started {
            self.perform(call);
        }
        Ok(())
    }

    /// Looks at the clock, and holds what is driven by time where it must wait.
    fn look(&mut self) {
        let (now, limit) = (Timestamp::now(), self.handle.live().settings.limits.clock);
        if let Some(draft) = self.clock.look(now, limit, self.turn.is_paused()) {
            match draft.name.as_str() {
                JUMPED => error!(by = %jump(&draft), "the clock was set: timers wait; `ifthen clock confirm` lets them go on"),
                _ => info!("the clock is right again: what is driven by time goes on"),
            }
            self.own.push(Submission::own(draft));
        }
        let behind = self.handle.status().behind.load(Ordering::Relaxed) > 0 && self.began.elapsed() < CATCH_UP;
        self.turn.hold(behind || self.clock.is_off(now, limit));
    }

    /// Tells how much is in quarantine.
    fn count(&mut self) {
        if let Some(counts) = self.turn.quarantine() {
            *self.handle.status().quarantine.write().unwrap_or_else(std::sync::PoisonError::into_inner) = counts;
        }
    }

    /// Whatever is due or has queued; waits if there is nothing.
    fn gather(&mut self) -> (Vec<Submission>, Vec<tokio::sync::OwnedSemaphorePermit>, Option<Loading>) {
        self.look();
        let mut submissions = Vec::new();
        let mut permits = Vec::new();
        let paused = self.paused_until.is_some_and(|until| Instant::now() < until);
        if !paused {
            submissions.append(&mut self.own);
            if self.stop_at.is_none() {
                submissions.extend(self.turn.due(Timestamp::now()));
            }
        }
        // What has come in has a share of its own: a backlog of overdue timers must not keep senders waiting.
        for _ in 0..BATCH {
            let message = if submissions.is_empty() {
                self.wait(paused)
            } else {
                self.mailbox.try_recv().map_err(|e| matches!(e, TryRecvError::Disconnected))
            };
            match message {
                Ok(Message::Submit(submission, permit)) => {
                    submissions.push(submission);
                    permits.extend(permit);
                }
                Ok(Message::Load(live, detail, reply)) => return (submissions, permits, Some((live, detail, reply))),
                Ok(Message::Stop(grace)) => self.stop_at = Some(Instant::now() + grace),
                Err(_) => break,
            }
            if self.stop_at.is_some() && submissions.is_empty() {
                break;
            }
        }
        (submissions, permits, None)
    }

    fn wait(&self, paused: bool) -> Result<Message, bool> {
        let mut longest = LONGEST_SLEEP;
        let now = Timestamp::now();
        if paused {
            longest = STORE_PAUSE;
        } else if self.stop_at.is_some() {
            longest = Duration::from_millis(20);
        } else if let Some(wake) = self.turn.wake(now) {
            let until = wake.duration_since(now);
            longest = Duration::try_from(until).unwrap_or(Duration::ZERO).min(LONGEST_SLEEP);
        }
        longest = longest.min(self.pace.until(Instant::now()).max(Duration::from_millis(1)));
        self.mailbox.recv_timeout(longest).map_err(|e| matches!(e, RecvTimeoutError::Disconnected))
    }

    /// Performs a call whose attempt is committed; its outcome comes back as an event.
    fn perform(&self, call: Call) {
        let handle = self.handle.clone();
        self.runtime.spawn(async move {
            let live = handle.live();
            let key = call.idempotency_key(handle.instance());
            let (request, performer, links) = (call.clone(), Arc::clone(&live), handle.links());
            let attempt = tokio::spawn(async move { performer.performer.perform(&request, &key, Some(&links)).await });
            // A channel that breaks down must not leave its call on its way for ever.
            let outcome = attempt.await.unwrap_or_else(|e| Outcome::Unknown { detail: format!("the channel failed: {e}") });
            failpoint::reach(Point::Answered);
            metrics::counter!("ifthen_attempts_total", "channel" => call.request.action(), "outcome" => word(&outcome))
                .increment(1);
            handle.tell(vec![ended(&call, outcome, Timestamp::now())]);
        });
    }
}

/// By how many seconds the clock was set.
fn jump(draft: &Draft) -> String {
    let Body::Happened { data, .. } = &draft.body else { return String::new() };
    data.at(&["by"]).map(ToString::to_string).unwrap_or_default()
}

type Loading = (Arc<super::handle::Live>, Value, tokio::sync::oneshot::Sender<Result<(), String>>);

fn word(outcome: &crate::engine::call::Outcome) -> &'static str {
    use crate::engine::call::{Class, Outcome};
    match outcome {
        Outcome::Done(_) => "done",
        Outcome::Unknown { .. } => "unknown",
        Outcome::Failed { class: Class::Transient, .. } => "transient",
        Outcome::Failed { class: Class::Throttled { .. }, .. } => "throttled",
        Outcome::Failed { class: Class::Permanent, .. } => "permanent",
        Outcome::Failed { class: Class::Configuration, .. } => "configuration",
    }
}
