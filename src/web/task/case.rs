//! What is known about a task, read from the store: the task itself, its run, the record, and what the run's other tasks came to.
//! Reads only.

use std::path::Path;
use std::sync::Arc;

use crate::engine::approval::{Seat, Seated, Task, TaskId};
use crate::engine::definition::Flow;
use crate::engine::event;
use crate::engine::flow::Run;
use crate::engine::record::Record;
use crate::engine::state::{Entry, Key, prefix};
use crate::store::sqlite::Reader;
use crate::store::{Error, Read};

/// Entries of one read.
const PAGE: usize = 500;
/// Tasks that are looked through for others of the same run.
const MOST: usize = 5_000;

/// A task and what belongs to it.
pub(super) struct Case {
    pub(super) task: Task,
    /// As long as it is under way.
    pub(super) run: Option<Run>,
    /// The graph that the run is pinned to.
    pub(super) flow: Option<Arc<Flow>>,
    pub(super) record: Option<Arc<Record>>,
    /// The run's other tasks, oldest first, where they were asked for.
    pub(super) others: Vec<Task>,
}

impl Case {
    /// What is known about the task of that id, on request with the run's other tasks: those cost a look at many, which no stranger
    /// may cause. `None`: there is no such task, or none any more.
    pub(super) fn load(file: &Path, id: TaskId, all: bool) -> Result<Option<Self>, Error> {
        let reader = Reader::open(file)?;
        let Some(task) = task(&reader, id)? else { return Ok(None) };
        let run = match reader.load(&Key::Run(task.run.clone()))?.as_deref() {
            Some(Entry::Run(run)) => Some(run.clone()),
            _ => None,
        };
        let flow = match &run {
            Some(run) => match reader.load(&Key::Graph(run.graph.clone()))?.as_deref() {
                Some(Entry::Graph(flow)) => Some(Arc::new(flow.as_ref().clone().linked())),
                _ => None,
            },
            None => None,
        };
        let record = match &task.record {
            Some(at) => match reader.load(&Key::Record(at.clone()))?.as_deref() {
                Some(Entry::Record(record)) => Some(Arc::clone(record)),
                _ => None,
            },
            None => None,
        };
        let others = if all { others(&reader, &task)? } else { Vec::new() };
        Ok(Some(Self { task, run, flow, record, others }))
    }

    /// The seat by which a person acts: the one that is theirs to decide, else one that will be, else the last they had.
    pub(super) fn seat(&self, person: &str) -> Option<&Seat> {
        let of = |state: Option<Seated>| {
            let mut all = self.task.seats.iter().filter(|s| s.person == person);
            all.rfind(|s| state.is_none_or(|state| s.state == state))
        };
        of(Some(Seated::Open)).or_else(|| of(Some(Seated::Waiting))).or_else(|| of(None))
    }
}

/// One task.
pub(super) fn task(reader: &Reader, id: TaskId) -> Result<Option<Task>, Error> {
    Ok(match reader.load(&Key::Task(id))?.as_deref() {
        Some(Entry::Task(task)) => Some(task.clone()),
        _ => None,
    })
}

/// Tasks after this one, oldest first, until it is enough.
pub(super) fn each(reader: &Reader, mut after: Option<Key>, mut with: impl FnMut(&Task) -> bool) -> Result<(), Error> {
    loop {
        let page = reader.scan(prefix::TASK, after.as_ref(), PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = Some(last.clone());
        for (_, entry) in &page {
            if let Entry::Task(task) = entry.as_ref()
                && !with(task)
            {
                return Ok(());
            }
        }
    }
}

/// A run's tasks are numbered by events after the one that began it.
fn others(reader: &Reader, task: &Task) -> Result<Vec<Task>, Error> {
    let began = task.run.strip_prefix('r').and_then(|r| r.split('-').next()).and_then(event::seq).unwrap_or(task.id.seq);
    let (mut found, mut seen) = (Vec::new(), 0);
    each(reader, Some(Key::Task(TaskId { seq: began, n: 0 })), |other| {
        if other.run == task.run && other.id != task.id {
            found.push(other.clone());
        }
        seen += 1;
        seen < MOST
    })?;
    Ok(found)
}
