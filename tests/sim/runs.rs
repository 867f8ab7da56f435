//! What must hold of runs, timers and tasks after every commit: one position per branch, each waiting for something that is there;
//! one run of a flow per record; and nothing that belongs to nobody.

use std::collections::BTreeSet;

use ifthen::engine::flow::{Run, Wait};
use ifthen::engine::state::{Entry, Key, State, TimerId, Wake, prefix};

fn entries(state: &State, prefix: &str) -> Vec<(Key, Entry)> {
    let entry = |key: Key| state.get(&key).ok().flatten().map(|e| (key.clone(), e.as_ref().clone()));
    state.scan(prefix, None, usize::MAX).into_iter().filter_map(entry).collect()
}

/// The runs under way.
pub(super) fn runs(state: &State) -> Vec<Run> {
    let run = |(_, entry)| if let Entry::Run(run) = entry { Some(run) } else { None };
    entries(state, prefix::RUN).into_iter().filter_map(run).collect()
}

/// All of it; what is wrong.
pub(super) fn hold(state: &State) -> Result<(), String> {
    let there = |key: &Key| matches!(state.get(key), Ok(Some(_)));
    let (mut records, mut timers, mut tasks) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for run in runs(state) {
        if !records.insert((run.flow.clone(), run.subject.clone())) {
            return Err(format!("{} stands in two runs of {}", run.subject, run.flow));
        }
        if run.strands.values().filter(|s| s.parent.is_none()).count() != 1 {
            return Err(format!("run {} stands in two places", run.id));
        }
        let mut branches = BTreeSet::new();
        for (id, strand) in &run.strands {
            if !branches.insert((strand.parent, strand.branch)) {
                return Err(format!("run {} stands in two places of one branch", run.id));
            }
            if strand.waits.is_empty() && strand.error.is_none() {
                return Err(format!("run {}: strand {id} waits for nothing", run.id));
            }
            timers.extend(strand.deadline);
            for wait in &strand.waits {
                let is = match wait {
                    Wait::Timer(timer) | Wait::Window(timer) => {
                        timers.insert(*timer);
                        there(&Key::Timer(*timer))
                    }
                    Wait::Call(call) => there(&Key::Call(*call)),
                    Wait::Task(task) => {
                        tasks.insert(*task);
                        there(&Key::Task(*task))
                    }
                    Wait::Branches => run.strands.values().any(|s| s.parent == Some(*id)),
                    Wait::Event => true,
                };
                if !is {
                    return Err(format!("run {}: strand {id} waits for {wait:?}, which is not there", run.id));
                }
            }
        }
    }
    for (key, entry) in entries(state, prefix::TIMER) {
        let (Key::Timer(id), Entry::Timer(wake)) = (&key, &entry) else { continue };
        if !belongs(state, *id, wake, &timers) {
            return Err(format!("timer {key} belongs to nothing: {wake:?}"));
        }
    }
    for (_, entry) in entries(state, prefix::TASK) {
        if let Entry::Task(task) = entry
            && task.ended.is_none()
            && !tasks.contains(&task.id)
        {
            return Err(format!("people are asked about {} for nothing", task.id));
        }
    }
    Ok(())
}

fn belongs(state: &State, id: TimerId, wake: &Wake, runs: &BTreeSet<TimerId>) -> bool {
    let entry = |key: &Key| state.get(key).ok().flatten().map(AsRef::as_ref);
    match wake {
        Wake::Run(_) => runs.contains(&id),
        Wake::Armed { schedule, record, .. } => {
            let key = Key::Armed { schedule: schedule.clone(), subject: record.to_string() };
            matches!(entry(&key), Some(Entry::Armed(armed)) if armed.timer == Some(id) || armed.warn == Some(id))
        }
        Wake::Tick(event) => matches!(entry(&Key::Tick(event.clone())), Some(Entry::Tick(next)) if next.timer == id),
        Wake::Gate(key) | Wake::Next(key) | Wake::Forget(key) => entry(key).is_some(),
        Wake::Aged { .. } => true, // found by the windows' own tests
    }
}
