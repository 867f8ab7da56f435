//! A batch becomes true, or nothing of it.

use std::collections::{BTreeMap, BTreeSet};

use super::{KEEP, Made, Turn};
use crate::engine::call::{Call, Status};
use crate::engine::dispatch::Dispatch;
use crate::engine::planted::Bug;
use crate::engine::state::{Change, Key};
use crate::store::{Error, Last};

impl Turn {
    /// Writes the batch; then what it changed is in force. The calls that may now be performed.
    pub(super) fn commit(&mut self, made: &mut Made) -> Result<Vec<Call>, Error> {
        made.batch.definitions.clone_from(&self.definitions.hash);
        self.learn(made);
        if !made.batch.is_empty() {
            self.store.commit(&made.batch)?;
        }
        self.state.publish(KEEP);
        for (_, change) in &made.batch.changes {
            self.held.apply(change);
        }
        metrics::counter!("ifthen_events_total").increment(made.batch.events.len() as u64);
        let mut lines: BTreeMap<_, u64> = BTreeMap::new();
        for line in &made.batch.log {
            *lines.entry((line.action.as_str(), line.outcome.word())).or_default() += 1;
        }
        for ((action, outcome), count) in lines {
            metrics::counter!("ifthen_log_lines_total", "action" => action.to_owned(), "outcome" => outcome).increment(count);
        }
        debug_assert!(made.started.values().all(|c| c.status == Status::Started));
        Ok(std::mem::take(&mut made.started).into_values().collect())
    }

    /// The dispatch takes in what was decided since it did so last, and what begins by it is noted.
    pub(super) fn learn(&mut self, made: &mut Made) {
        for (_, change) in made.batch.changes.iter().skip(made.learnt) {
            let Key::Call(id) = &change.key else {
                self.dispatch.apply(change);
                continue;
            };
            let before = self.dispatch.is_started(*id);
            // The last word of the batch counts: a call may have started and ended in it. One that was on its way before is not
            // performed again because something else about it has changed.
            match self.dispatch.apply(change) {
                Some(call) if !before || made.started.contains_key(id) => drop(made.started.insert(*id, call)),
                Some(_) => {}
                None => drop(made.started.remove(id)),
            }
        }
        made.learnt = made.batch.changes.len();
    }

    /// Nothing of a batch is to be: state, numbers and dispatch are as they were before it.
    pub(super) fn undo(&mut self, made: &Made, mark: usize, numbers: Last) -> Result<(), Error> {
        if !self.definitions.planted(Bug::KeptOverlay) {
            self.state.rollback(mark);
        }
        self.last = numbers;
        let keys: BTreeSet<&Key> = made.batch.changes[..made.learnt]
            .iter()
            .map(|(_, change)| &change.key)
            .filter(|key| Dispatch::concerns(key))
            .collect();
        let mut former = Vec::with_capacity(keys.len());
        for key in keys {
            let entry = match self.state.get(key) {
                Ok(entry) => entry.cloned(),
                // What waits would not be known any more: a restart finds out.
                Err(_) => self.store.load(key).map_err(|e| Error::Broken(format!("{e}, taking back what was not written")))?,
            };
            former.push(Change { key: key.clone(), entry });
        }
        self.dispatch.take_back(former);
        Ok(())
    }
}
