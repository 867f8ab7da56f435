//! What must hold of every run after every event.

use std::collections::{BTreeMap, BTreeSet};

use ifthen::engine::definition::{At, Flow, StepKind};
use ifthen::engine::flow::{How, Phase, Run, Wait};
use ifthen::engine::state::{Entry, Key, TimerId, Wake, prefix};

use super::World;

/// What was seen of a run so far: what can be undone, oldest first, as step and place in the path; and what was being undone.
pub(super) type Stacks = BTreeMap<String, (Vec<(At, u32)>, Option<u32>)>;

pub(super) fn runs(world: &World) -> Vec<Run> {
    let keys = world.state.scan(prefix::RUN, None, usize::MAX);
    let run = |key: &Key| match world.entry(key).as_deref() {
        Some(Entry::Run(run)) => Some(run.clone()),
        _ => None,
    };
    keys.iter().filter_map(run).collect()
}

pub(super) fn graph(world: &World, run: &Run) -> std::sync::Arc<Flow> {
    match world.entry(&Key::Graph(run.graph.clone())).as_deref() {
        Some(Entry::Graph(flow)) => flow.clone(),
        _ => panic!("{}: its graph is gone", run.id),
    }
}

/// All of them; what is wrong.
pub(super) fn hold(world: &World, stacks: &mut Stacks, loops: bool, came: &BTreeMap<String, usize>) -> Result<(), String> {
    let mut timers: BTreeSet<TimerId> = BTreeSet::new();
    let mut tasks = BTreeSet::new();
    let runs = runs(world);
    for run in &runs {
        let flow = graph(world, run);
        positions(run, &flow).and_then(|()| named(world, run, &flow)).map_err(|e| format!("{}: {e}", run.id))?;
        once(run, &flow, loops, came).and_then(|()| reverse(run, stacks)).map_err(|e| format!("{}: {e}", run.id))?;
        timers.extend(run.deadline);
        for strand in run.strands.values() {
            timers.extend(strand.deadline);
            timers.extend(
                strand.waits.iter().filter_map(|w| if let Wait::Timer(t) | Wait::Window(t) = w { Some(*t) } else { None }),
            );
            tasks.extend(strand.waits.iter().filter_map(|w| if let Wait::Task(t) = w { Some(*t) } else { None }));
        }
    }
    for key in world.state.scan(prefix::TIMER, None, usize::MAX) {
        if let (Key::Timer(id), Some(Entry::Timer(Wake::Run(run)))) = (&key, world.entry(&key).as_deref())
            && !timers.contains(id)
        {
            return Err(format!("{run}: the timer {key} belongs to nothing"));
        }
    }
    for key in world.state.scan(prefix::TASK, None, usize::MAX) {
        if let Some(Entry::Task(task)) = world.entry(&key).as_deref()
            && task.ended.is_none()
            && !tasks.contains(&task.id)
        {
            return Err(format!("{}: people are asked at {} for nothing", task.run, task.step));
        }
    }
    match world.state.scan(prefix::PARKED, None, 1).first() {
        Some(key) => Err(format!("an event was rolled back: {:?}", world.entry(key))),
        None => Ok(()),
    }
}

/// One position per branch.
fn positions(run: &Run, flow: &Flow) -> Result<(), String> {
    let trunks = run.strands.values().filter(|s| s.parent.is_none()).count();
    if trunks != 1 {
        return Err(format!("{trunks} trunks"));
    }
    let mut seen = BTreeSet::new();
    for (id, strand) in &run.strands {
        let step = flow.steps.get(strand.at).ok_or_else(|| format!("strand {id} stands nowhere"))?;
        if *id >= run.next || !seen.insert((strand.parent, strand.branch)) {
            return Err(format!("two positions in branch {} of {:?}", strand.branch, strand.parent));
        }
        if !matches!(strand.phase, Phase::Forward | Phase::Verify) {
            continue; // undone wherever it is
        }
        match (strand.parent, step.inside) {
            (None, None) => {}
            (Some(parent), Some(inside)) => {
                let parent = run.strands.get(&parent).ok_or_else(|| format!("strand {id} ({}) has lost its parent", step.id))?;
                let parallel = matches!(flow.steps[inside.step].kind, StepKind::Parallel(_));
                if parent.at != inside.step
                    || !parent.waits.contains(&Wait::Branches)
                    || (parallel && strand.branch != inside.branch)
                {
                    return Err(format!("strand {id} stands at {} in a branch of another step", step.id));
                }
                if parent.through.contains(&strand.branch) {
                    return Err(format!("the branch of {} is through and goes on", step.id));
                }
            }
            (parent, inside) => return Err(format!("strand {id} at {}: parent {parent:?}, inside {inside:?}", step.id)),
        }
    }
    Ok(())
}

/// Each waits for something that is there, or says why it stands still.
fn named(world: &World, run: &Run, flow: &Flow) -> Result<(), String> {
    for (id, strand) in &run.strands {
        let step = &flow.steps[strand.at];
        if strand.waits.is_empty() && strand.error.is_none() {
            return Err(format!("strand {id} at {} waits for nothing", step.id));
        }
        if run.failed.is_some() != run.strands.values().any(|s| s.error.is_some()) {
            return Err(format!("the run's error {:?} is not that of its strands", run.failed));
        }
        for wait in &strand.waits {
            let there = match wait {
                Wait::Timer(timer) | Wait::Window(timer) => world.entry(&Key::Timer(*timer)).is_some(),
                Wait::Call(call) => world.call(*call).is_some_and(|c| c.run.as_ref() == Some(&run.id)),
                Wait::Event => matches!(step.kind, StepKind::Event(_)),
                Wait::Task(task) => match world.entry(&Key::Task(*task)).as_deref() {
                    Some(Entry::Task(task)) => task.run == run.id && task.step == step.id && task.ended.is_none(),
                    _ => false,
                },
                Wait::Branches => run.strands.values().any(|s| s.parent == Some(*id)),
            };
            if !there {
                return Err(format!("strand {id} at {} waits for {wait:?}, which is not there", step.id));
            }
        }
        if strand.deadline.is_some_and(|t| world.entry(&Key::Timer(t)).is_none()) {
            return Err(format!("the deadline of {} is gone", step.id));
        }
    }
    Ok(())
}

/// No step is completed twice: not twice in a round, and never more often than its calls were answered.
fn once(run: &Run, flow: &Flow, loops: bool, came: &BTreeMap<String, usize>) -> Result<(), String> {
    let mut rounds: BTreeMap<(&str, u32), usize> = BTreeMap::new();
    let mut calls: BTreeMap<&str, usize> = BTreeMap::new();
    for passed in run.path.iter().filter(|p| matches!(p.how, How::Done | How::Approved)) {
        let times = rounds.entry((&passed.step, passed.round)).or_default();
        *times += 1;
        if *times > 1 && !loops {
            return Err(format!("{} is completed twice in round {}", passed.step, passed.round));
        }
        *calls.entry(&passed.step).or_default() += 1;
    }
    for (step, done) in calls {
        let at = flow.find(step).map(|at| &flow.steps[at]);
        let leaves = at.is_some_and(|s| matches!(&s.kind, StepKind::Do(action) if matches!(action.name(), "http" | "email")));
        let answered = came.get(&format!("{}/{step}", run.id)).copied().unwrap_or(0);
        if leaves && done > answered {
            return Err(format!("{step} is completed {done} times by {answered} answers"));
        }
    }
    Ok(())
}

/// What is undone is always the last that was done.
fn reverse(run: &Run, stacks: &mut Stacks) -> Result<(), String> {
    let now: Vec<(At, u32)> = run.undoable.iter().map(|u| (u.at, u.n)).collect();
    let undoing = run.strands.iter().find(|(_, s)| !matches!(s.phase, Phase::Forward | Phase::Verify));
    let last = (now.clone(), undoing.map(|(id, _)| *id));
    let (stack, before) = std::mem::replace(stacks.entry(run.id.clone()).or_default(), last);
    let same = now.len().min(stack.len());
    // One whose call turns out not to have happened is dropped.
    let mut left = stack.iter();
    let dropped = now.len() < stack.len() && now.iter().all(|done| left.any(|was| was == done));
    if now[..same] != stack[..same] && !dropped || !now.is_sorted_by_key(|(_, n)| *n) {
        return Err(format!("what can be undone was {stack:?} and is {now:?}"));
    }
    // One that begins to be undone is the one on top; beside one that is being undone, another may turn out not to have happened.
    if let (Some((id, strand)), Some(top)) = (undoing, stack.get(now.len()))
        && before != Some(*id)
        && now.len() + 1 == stack.len()
        && now[..] == stack[..now.len()]
        && top.0 != strand.at
    {
        return Err(format!("{} is undone before {}", strand.at, top.0));
    }
    if undoing.is_some() && run.then.is_none() {
        return Err("it undoes and does not know what for".into());
    }
    Ok(())
}
