//! Where a run stands and what it waits for, in words: a person, an event, a time, a call.
//!
//! Reads tasks and graphs beside the run; never decides what comes next.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use crate::cli::phrase::Speech;
use crate::cli::when;
use crate::cli::words::Words as _;
use crate::engine::approval::{Seated, Task, TaskId};
use crate::engine::definition::{At, Flow, StepKind};
use crate::engine::flow::{Phase, Run, Strand, Wait};
use crate::engine::state::{Entry, Key, TimerId};
use crate::store::Read;

/// The graphs of runs, each read once.
#[derive(Default)]
pub(crate) struct Graphs(HashMap<String, Arc<Flow>>);

impl Graphs {
    /// The graph of that hash; an empty one where it is not kept.
    pub(crate) fn of(&mut self, store: &dyn Read, hash: &str) -> anyhow::Result<Arc<Flow>> {
        if let Some(known) = self.0.get(hash) {
            return Ok(Arc::clone(known));
        }
        let flow = match store.load(&Key::Graph(hash.to_owned()))?.as_deref() {
            Some(Entry::Graph(flow)) => Arc::new(flow.as_ref().clone().linked()),
            _ => Arc::default(),
        };
        self.0.insert(hash.to_owned(), Arc::clone(&flow));
        Ok(flow)
    }
}

/// One position of a run.
pub(crate) struct Position {
    /// The id of the step.
    pub(crate) step: String,
    /// The branches around it, outermost first: `both/finance`, `all/3`.
    pub(crate) branch: String,
    /// What it waits for.
    pub(crate) waits: Vec<Waiting>,
    /// Why it stands still.
    pub(crate) error: Option<String>,
    /// What it is about there.
    pub(crate) phase: Phase,
    /// Since when.
    pub(crate) since: Timestamp,
    /// Until when at most.
    pub(crate) deadline: Option<Timestamp>,
}

/// What a position waits for.
pub(crate) enum Waiting {
    Time(Timestamp),
    Window(Timestamp),
    Call(String),
    Event(String),
    People { task: TaskId, who: Vec<String> },
}

/// Where the run stands now, in the order of its strands.
pub(crate) fn positions(store: &dyn Read, run: &Run, flow: &Flow) -> anyhow::Result<Vec<Position>> {
    let mut all = Vec::new();
    for (step, strand) in run.stands(flow) {
        let mut waits = Vec::new();
        for wait in &strand.waits {
            waits.extend(waiting(store, flow, strand, wait)?);
        }
        all.push(Position {
            step,
            branch: branches(run, flow, strand).join(" › "),
            waits,
            error: strand.error.clone().or_else(|| run.failed.clone().filter(|_| strand.waits.is_empty())),
            phase: strand.phase,
            since: strand.since,
            deadline: strand.deadline.and_then(moment),
        });
    }
    Ok(all)
}

/// When a timer is due.
pub(crate) fn moment(timer: TimerId) -> Option<Timestamp> {
    Timestamp::from_millisecond(timer.due).ok()
}

fn waiting(store: &dyn Read, flow: &Flow, strand: &Strand, wait: &Wait) -> anyhow::Result<Option<Waiting>> {
    Ok(match wait {
        Wait::Timer(timer) => moment(*timer).map(Waiting::Time),
        Wait::Window(timer) => moment(*timer).map(Waiting::Window),
        Wait::Call(call) => Some(Waiting::Call(call.to_string())),
        Wait::Event => {
            let name = match flow.steps.get(strand.at).map(|s| &s.kind) {
                Some(StepKind::Event(event)) => event.event.clone(),
                _ => String::new(),
            };
            Some(Waiting::Event(name))
        }
        Wait::Task(task) => {
            let who = match store.load(&Key::Task(*task))?.as_deref() {
                Some(Entry::Task(task)) => open(task),
                _ => Vec::new(),
            };
            Some(Waiting::People { task: *task, who })
        }
        Wait::Branches => None,
    })
}

/// Whose turn it is.
fn open(task: &Task) -> Vec<String> {
    task.seats.iter().filter(|seat| seat.state == Seated::Open).map(|seat| seat.person.clone()).collect()
}

/// The branches around a strand, outermost first.
fn branches(run: &Run, flow: &Flow, strand: &Strand) -> Vec<String> {
    let mut all = Vec::new();
    let (mut below, mut parent) = (strand, strand.parent);
    while let Some(above) = parent.and_then(|n| run.strands.get(&n))
        && all.len() < run.strands.len()
    {
        all.push(branch_name(flow, above.at, below.branch));
        (below, parent) = (above, above.parent);
    }
    all.reverse();
    all
}

/// A branch by its name: `finance`; an item of a list by its number: `items 3`.
pub(crate) fn branch_name(flow: &Flow, at: At, branch: u32) -> String {
    let Some(step) = flow.steps.get(at) else { return String::new() };
    match &step.kind {
        StepKind::Parallel(p) => p.branches.get(branch as usize).map(|(name, _)| name.clone()).unwrap_or_default(),
        StepKind::Each(each) => format!("{} {}", each.name, branch + 1),
        _ => String::new(),
    }
}

impl Position {
    /// What it waits for, and until when, on a line.
    pub(crate) fn told(&self, speech: &Speech) -> String {
        let lang = speech.lang;
        let at = |t: Timestamp| when::beside(t, self.since, &speech.zone);
        if let Some(error) = &self.error {
            let error = lang.said(error);
            return lang.pick(format!("stands still: {error}"), format!("停住:{error}"));
        }
        let mut parts = Vec::new();
        match self.phase {
            Phase::Undo(_) => parts.push(lang.pick("undoes it", "正在撤销").to_owned()),
            Phase::Verify | Phase::Check => parts.push(lang.pick("looks up whether it happened", "正在核实").to_owned()),
            Phase::Settle => parts.push(lang.pick("waits for what is on its way", "等待在途调用").to_owned()),
            Phase::Forward => {}
        }
        parts.extend(self.waits.iter().map(|wait| match wait {
            Waiting::Time(t) => lang.pick(format!("until {}", at(*t)), format!("等到 {}", at(*t))),
            Waiting::Window(t) => lang.pick(format!("for its window, {}", at(*t)), format!("等发送时段,{}", at(*t))),
            Waiting::Call(call) => lang.pick(format!("for call {call}"), format!("等调用 {call}")),
            Waiting::Event(name) => lang.pick(format!("for {name}"), format!("等事件 {name}")),
            Waiting::People { task, who } if who.is_empty() => lang.pick(format!("for task {task}"), format!("等任务 {task}")),
            Waiting::People { task, who } => {
                lang.pick(format!("for {} ({task})", who.join(", ")), format!("等 {}({task})", who.join("、")))
            }
        }));
        if let Some(deadline) = self.deadline {
            parts.push(lang.pick(format!("at the latest {}", at(deadline)), format!("最迟 {}", at(deadline))));
        }
        parts.join(lang.pick(", ", ","))
    }

    /// For programs.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let waits: Vec<serde_json::Value> = self
            .waits
            .iter()
            .map(|wait| match wait {
                Waiting::Time(t) => json!({ "kind": "time", "until": t }),
                Waiting::Window(t) => json!({ "kind": "window", "until": t }),
                Waiting::Call(call) => json!({ "kind": "call", "call": call }),
                Waiting::Event(name) => json!({ "kind": "event", "event": name }),
                Waiting::People { task, who } => json!({ "kind": "people", "task": task.to_string(), "who": who }),
            })
            .collect();
        json!({
            "step": self.step, "branch": self.branch, "waits": waits, "error": self.error, "phase": self.phase, "since": self.since,
            "deadline": self.deadline,
        })
    }
}
