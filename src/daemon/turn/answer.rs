//! What becomes of a submission: committed, not now, never.

use tracing::error;

use super::{Accepted, Refusal, Submission, Taken, Turn};
use crate::engine::call::{Class, Outcome};
use crate::engine::event::{Body, Draft};
use crate::engine::planted::Bug;
use crate::store::Error;

impl Turn {
    pub(super) fn acknowledge(&mut self, submission: Submission, accepted: Vec<Accepted>) {
        self.dispatch.give_up(&submission.drafts);
        if let Some(reply) = submission.reply {
            drop(reply.send(Ok(accepted))); // a sender who has gone needs no answer
        }
    }

    /// Not now: a sender is told so, what is our own is kept. What waits in the dispatch is told by it again.
    pub(super) fn put_off(&mut self, mut submission: Submission, error: &Error, taken: &mut Taken) {
        taken.note(error);
        self.dispatch.give_up(&submission.drafts);
        if let Some(reply) = submission.reply {
            drop(reply.send(Err(Refusal::Unavailable(error.to_string())))); // a sender who has gone needs no answer
            return;
        }
        submission.drafts.retain(|d| !matches!(d.body, Body::Due(_) | Body::Start(_) | Body::Slice(_)));
        if !submission.drafts.is_empty() && !self.definitions.planted(Bug::DroppedOutcome) {
            taken.again.push(submission);
        }
    }

    /// Never: a sender is told so. Of our own, an outcome that cannot be booked as it is is booked as a refusal, so that its
    /// call does not stay on its way; the rest is said and let go, and not told again before a restart.
    pub(super) fn reject(&mut self, submission: Submission, why: String, taken: &mut Taken) {
        if let Some(reply) = submission.reply {
            drop(reply.send(Err(Refusal::Rejected(why)))); // a sender who has gone needs no answer
            return;
        }
        for draft in submission.drafts {
            error!(event = %draft.name, %why, "an event of our own cannot be decided");
            if let Body::Ended { call, attempt, outcome } = &draft.body {
                let class = Class::Permanent;
                if !matches!(outcome, Outcome::Failed { class: Class::Permanent, .. }) {
                    let outcome = Outcome::Failed { class, detail: format!("its outcome could not be booked: {why}") };
                    let body = Body::Ended { call: *call, attempt: *attempt, outcome };
                    taken.again.push(Submission::own(Draft { body, ..draft }));
                }
            }
        }
    }
}
