//! Runs that are through: no longer in the state, and still in its history. The event that ended one is decided once more on the state
//! before it, watched, so that its last steps are there; where the definitions of then are not kept, without those.

use std::sync::Arc;

use serde_json::json;

use super::history::History;
use super::why::{Error, decided_at, with_state};
use crate::engine::definition::Flow;
use crate::engine::event;
use crate::engine::explain;
use crate::engine::flow::Run;
use crate::engine::log::Line;
use crate::engine::state::{Entry, Key};
use crate::store::{self, Filter};

/// Log lines of the event that starts a run which are looked at.
const MAX_LINES: usize = 10_000;
/// Lines of one read.
const PAGE: usize = 500;

/// A run that is through.
#[derive(Debug, Clone)]
pub struct Ended {
    /// As it was when it ended.
    pub run: Run,
    /// The graph that it was pinned to.
    pub flow: Arc<Flow>,
    /// What the log says of its end.
    pub end: Line,
    /// Its last steps are there, too.
    pub whole: bool,
}

impl Ended {
    /// In which word it ended.
    pub fn word(&self) -> String {
        word(&self.end)
    }

    /// When, in which word, with which event; the keys are a promise.
    pub fn to_json(&self) -> serde_json::Value {
        json!({ "at": self.end.at, "as": self.word(), "event": event::id(self.end.event), "outcome": self.end.outcome.word(), "whole": self.whole })
    }
}

/// In which word a run ended, by the line that says so.
pub fn word(end: &Line) -> String {
    end.detail.at(&["as"]).map(ToString::to_string).unwrap_or_default()
}

/// The lines that say which runs ended, in order; of those that pass.
pub fn ends(store: &dyn store::Read, filter: &Filter, mut with: impl FnMut(Line)) -> Result<(), store::Error> {
    let filter = Filter { action: Some("end".into()), ..filter.clone() };
    let mut after = 0;
    loop {
        let page = store.log(&filter, after, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.seq;
        page.into_iter().filter(|line| line.run.is_some()).for_each(&mut with);
    }
}

impl History<'_> {
    /// A run that is through, by its id; `None`: there never was such a run, or retention has taken what it left.
    pub fn ended(&self, id: &str) -> Result<Option<Ended>, Error> {
        let Some(end) = self.end(id)? else { return Ok(None) };
        let before = end.event.saturating_sub(1);
        let found = match self.again(id, end.event) {
            Ok(Some(run)) => Some((run, true)),
            Ok(None) => self.before(id, before)?.map(|run| (run, false)),
            Err(Error::Store(store::Error::Forgotten(_))) => None,
            Err(error) => return Err(error),
        };
        let Some((run, whole)) = found else { return Ok(None) };
        let graph = Key::Graph(run.graph.clone());
        let flow = match self.store.load(&graph)? {
            Some(flow) => Some(flow),
            // No run needed it any more. One that began with that event was kept with it.
            None => self.store.as_of(&graph, end.event)?,
        };
        let flow = match flow.as_deref() {
            Some(Entry::Graph(flow)) => Arc::new(flow.as_ref().clone().linked()),
            _ => Arc::default(),
        };
        Ok(Some(Ended { run, flow, end, whole }))
    }

    /// What the log says of a run's end.
    fn end(&self, id: &str) -> Result<Option<Line>, store::Error> {
        let Some(begun) = id.strip_prefix('r').and_then(|rest| rest.split('-').next()?.parse().ok()) else { return Ok(None) };
        let of = Filter { event: Some(begun), ..Filter::default() };
        let lines = self.store.log(&of, 0, MAX_LINES)?;
        let Some(line) = lines.iter().find(|l| l.run.as_deref() == Some(id)) else { return Ok(None) };
        // Its record may have been merged into another since.
        let filter = Filter { flow: line.flow.clone(), since: Some(line.at), ..Filter::default() };
        let mut found = None;
        ends(self.store, &filter, |line| {
            if line.run.as_deref() == Some(id) {
                found = Some(line);
            }
        })?;
        Ok(found)
    }

    /// The run as it ends when the event is decided once more.
    fn again(&self, id: &str, seq: u64) -> Result<Option<Run>, Error> {
        let Some(stored) = self.store.event(seq)? else { return Ok(None) };
        let Ok(seen) = self.definitions(&stored.definitions)? else { return Ok(None) };
        let lines = self.store.log(&Filter { event: Some(seq), ..Filter::default() }, 0, 1)?;
        let now = decided_at(self.store, &stored.event, &lines)?;
        let ended = with_state(self.store, seq, |state| explain::ended(seen.definitions(), state, &stored.event, now));
        Ok(ended?.into_iter().find(|run| run.id == id))
    }

    fn before(&self, id: &str, seq: u64) -> Result<Option<Run>, store::Error> {
        let entry = self.store.as_of(&Key::Run(id.to_owned()), seq)?;
        Ok(if let Some(Entry::Run(run)) = entry.as_deref() { Some(run.clone()) } else { None })
    }
}
