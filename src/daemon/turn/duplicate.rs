//! A delivery that was there before and comes with another body: the duplicate it is. That it differed is told, once.

use jiff::Timestamp;

use super::{Failure, Made, Turn};
use crate::engine::event::{Body, Draft};
use crate::engine::log::{Line, Outcome};
use crate::engine::value::Value;
use crate::store::LATE;

/// Events of which it is remembered that this was said; beyond, it may be said again.
const DIFFERED: usize = 10_000;
/// Names of members in one line.
const MEMBERS: usize = 20;

impl Turn {
    /// Says, once, when a delivery that was there before comes with another body: senders repeat with a new time of sending, and who
    /// wonders where the other values went finds them named.
    pub(super) fn compare(&mut self, made: &mut Made, seq: u64, draft: &Draft, now: Timestamp) -> Result<(), Failure> {
        let Body::Happened { data: Value::Map(new), .. } = &draft.body else { return Ok(()) };
        if self.differed.contains(&seq) {
            return Ok(());
        }
        let stored = match made.batch.events.iter().find(|event| event.seq == seq) {
            Some(event) => Some(event.clone()),
            None => self.store.event(seq)?.map(|stored| stored.event),
        };
        let Some(Body::Happened { data: Value::Map(old), .. }) = stored.as_ref().map(|event| &event.body) else { return Ok(()) };
        let mut names: Vec<&String> =
            new.iter().filter(|(name, value)| old.get(*name) != Some(value)).map(|(name, _)| name).collect();
        names.extend(old.keys().filter(|name| !new.contains_key(*name)));
        if names.is_empty() {
            return Ok(());
        }
        if self.differed.len() >= DIFFERED {
            self.differed.clear();
        }
        self.differed.insert(seq);
        let names = names.into_iter().take(MEMBERS).map(|name| name.as_str().into()).collect();
        let detail =
            [("reason", "another body".into()), ("source", draft.origin.as_str().into()), ("members", Value::List(names))];
        self.last.log += 1;
        made.batch.log.push(Line {
            seq: self.last.log,
            at: now,
            event: seq,
            rule: None,
            flow: None,
            run: None,
            record: stored.and_then(|event| event.record),
            action: LATE.into(),
            outcome: Outcome::Suppressed,
            detail: Value::from(detail),
        });
        Ok(())
    }
}
