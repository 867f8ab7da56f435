//! The turn's thread: takes what has queued, lets the cycle decide and commit it, hands out the calls.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::clock::Now;
use super::cycle::{Circumstances, Cycle};
use super::handle::{Handle, Message};
use super::housekeeping::{self, Pace};
use super::turn::{Submission, ended};
use crate::engine::call::{Call, Outcome};
use crate::engine::value::Value;
use crate::failpoint::{self, Point};
use crate::store::Error;

/// Submissions of one batch: enough for one fsync to serve hundreds of events, few enough that the first need not wait long.
const BATCH: usize = 512;
/// Looking up at least so often keeps the loop honest about clocks that were set.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

struct Shell {
    cycle: Cycle,
    mailbox: Receiver<Message>,
    handle: Handle,
    runtime: tokio::runtime::Handle,
    /// Asked to stop: until when to wait for calls.
    stop_at: Option<Instant>,
    pace: Pace,
}

/// Starts the thread; it ends after [`Message::Stop`], or with the error of a disk that failed.
pub(super) fn start(
    cycle: Cycle,
    mailbox: Receiver<Message>,
    handle: Handle,
    runtime: tokio::runtime::Handle,
) -> JoinHandle<Result<(), Error>> {
    let pace = Pace::new(Instant::now());
    let mut shell = Shell { cycle, mailbox, handle: handle.clone(), runtime, stop_at: None, pace };
    shell.tell_status(); // before anybody can ask
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
        loop {
            if let Some(at) = self.stop_at
                && (Instant::now() >= at || self.cycle.is_idle())
            {
                return Ok(());
            }
            let (submissions, permits, load) = self.gather();
            let now = Now::read();
            if !submissions.is_empty() {
                self.handle.status().since.store(now.wall.as_millisecond(), Ordering::Relaxed);
                self.cycle.turn().limit(self.handle.live().settings.limits.quarantine);
                let started = self.cycle.take(submissions, now);
                self.handle.status().since.store(0, Ordering::Relaxed);
                self.tell_status();
                for call in started? {
                    self.perform(call);
                }
            }
            drop(permits);
            if let Some((live, detail, reply)) = load {
                let kept = live.keep(self.cycle.turn().store());
                let done = kept.and_then(|()| self.cycle.load(Arc::clone(&live.definitions), detail, Now::read()));
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
        if self.stop_at.is_some() || self.cycle.is_paused(Now::read()) || !self.pace.is_due(begun) {
            return Ok(());
        }
        let retention = housekeeping::retention(&self.handle.live().settings.retention);
        let more = self.cycle.turn().retain(&retention, Timestamp::now())?;
        self.pace.took(Instant::now(), begun.elapsed(), more);
        Ok(())
    }

    /// Tells how things stand.
    fn tell_status(&mut self) {
        let status = self.handle.status();
        status.committing.store(self.cycle.commits(), Ordering::Relaxed);
        let (calls, performing) = self.cycle.turn().waiting();
        status.calls.store(calls, Ordering::Relaxed);
        status.performing.store(performing, Ordering::Relaxed);
        self.count();
    }

    /// Tells how much is in quarantine.
    fn count(&mut self) {
        if let Some(counts) = self.cycle.turn().quarantine() {
            *self.handle.status().quarantine.write().unwrap_or_else(std::sync::PoisonError::into_inner) = counts;
        }
    }

    /// Whatever is due or has queued; waits if there is nothing.
    fn gather(&mut self) -> (Vec<Submission>, Vec<tokio::sync::OwnedSemaphorePermit>, Option<Loading>) {
        let now = Now::read();
        let behind = self.handle.status().behind.load(Ordering::Relaxed) > 0;
        self.cycle.look(Circumstances { clock: self.handle.live().settings.limits.clock, behind }, now);
        let mut submissions = self.cycle.due(self.stop_at.is_some(), now);
        let mut permits = Vec::new();
        // What has come in has a share of its own: a backlog of overdue timers must not keep senders waiting.
        for _ in 0..BATCH {
            let message = if submissions.is_empty() {
                self.wait()
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

    fn wait(&self) -> Result<Message, bool> {
        let mut longest = self.cycle.sleep(LONGEST_SLEEP, Now::read());
        if self.stop_at.is_some() {
            longest = longest.min(Duration::from_millis(20));
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
