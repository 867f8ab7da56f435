//! Puts a run onto another version of its flow: step by step id. What cannot be moved is told with its reason; nothing is guessed.
//!
//! Timers, deadlines, calls and tasks stay as they are. Never looks at state or time: the same run and graphs give the same plan.

mod apply;

pub(in crate::engine) use apply::apply;

use std::collections::BTreeSet;
use std::fmt;

use super::{Phase, Resume, Run, Strand, Then, Wait, Was};
use crate::engine::definition::{Action, At, Flow, Step, StepKind, Target, Term};

/// Why a run cannot be moved, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    /// The id of the step; empty: the run as a whole.
    pub step: String,
    /// Why.
    pub why: Why,
}

/// Why something of a run has no place in the other version; closed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It is there already.
    Current,
    /// There is no step of that id.
    Gone,
    /// What is waited for is nothing that the step waits for now: it does this.
    Kind(&'static str),
    /// It asks another form, and the old one is with people.
    Form(String),
    /// It is part of another branch, or of none.
    Around,
    /// The parallel has a branch more, which would never begin.
    Branch(String),
    /// It was done, and could not be undone any more.
    Undo,
    /// It is being undone, or looked up, at this moment.
    Undoing,
    /// The flow is about records of another entity.
    Record(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Current => f.write_str("it is on that version already"),
            Self::Gone => f.write_str("there is no such step any more"),
            Self::Kind(now) => write!(f, "the step is another now: {now}"),
            Self::Form(form) => write!(f, "it asks another form now: {form}"),
            Self::Around => f.write_str("it is part of another branch now"),
            Self::Branch(name) => write!(f, "a branch is new while the others are under way: {name}"),
            Self::Undo => f.write_str("what was done there could not be undone any more"),
            Self::Undoing => f.write_str("it is being undone or looked up at this moment"),
            Self::Record(entity) => write!(f, "the flow is about another entity now: {entity}"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.step.is_empty() { write!(f, "{}", self.why) } else { write!(f, "{}: {}", self.step, self.why) }
    }
}

/// The run as it goes on by the new graph; or everything that stands against it.
pub fn plan(run: &Run, old: &Flow, new: &Flow) -> Result<Run, Vec<Reason>> {
    let mut map = Mapping { old, new, against: BTreeSet::new() };
    if run.graph == new.hash {
        map.refuse("", Why::Current);
    }
    if let (Some(record), Some(entity)) = (&run.record, &new.record)
        && record.entity != *entity
    {
        map.refuse("", Why::Record(entity.clone()));
    }
    let mut moved = run.clone();
    for (number, strand) in &mut moved.strands {
        map.strand(run, &run.strands[number], strand);
    }
    for done in &mut moved.undoable {
        let at = map.step(done.at);
        if at.and_then(|at| new.steps.get(at)).is_some_and(|step| step.undo.is_empty()) {
            map.refuse_at(done.at, Why::Undo);
        }
        done.at = at.unwrap_or(done.at);
    }
    moved.resume = run.resume.as_ref().map(|resume| map.resume(resume));
    for passed in &mut moved.path {
        passed.was = passed.was.as_ref().and_then(|was| map.was(was));
    }
    if let Some(Then::Back { from, to, through }) = &mut moved.then {
        let mapped = map.resume(&Resume { after: *from, at: *from, through: std::mem::take(through) });
        (*from, *through) = (mapped.at, mapped.through);
        if let Target::Step(at) = &mut to.to {
            *at = map.step(*at).unwrap_or(*at);
        }
    }
    // A variable that is new begins as the flow says, where that needs no reckoning.
    for (name, term) in &new.vars {
        if let Term::Value(value) = term {
            moved.vars.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    moved.graph.clone_from(&new.hash);
    if map.against.is_empty() { Ok(moved) } else { Err(map.against.into_iter().collect()) }
}

/// From one graph to the other, and what stands against it.
struct Mapping<'f> {
    old: &'f Flow,
    new: &'f Flow,
    against: BTreeSet<Reason>,
}

impl Mapping<'_> {
    fn refuse(&mut self, step: &str, why: Why) {
        self.against.insert(Reason { step: step.to_owned(), why });
    }

    fn refuse_at(&mut self, at: At, why: Why) {
        let step = self.old.steps.get(at).map(|s| s.id.clone()).unwrap_or_default();
        self.refuse(&step, why);
    }

    /// Where an old step is now.
    fn step(&mut self, at: At) -> Option<At> {
        let now = self.old.steps.get(at).and_then(|step| self.new.find(&step.id));
        if now.is_none() {
            self.refuse_at(at, Why::Gone);
        }
        now
    }

    /// A position, what it waits for and what it counts.
    fn strand(&mut self, run: &Run, was: &Strand, strand: &mut Strand) {
        let Some(at) = self.step(was.at) else { return };
        let (old, new) = (self.old, self.new);
        let (before, after) = (&old.steps[was.at], &new.steps[at]);
        if let Some(why) = against(was, before, after) {
            self.refuse_at(was.at, why);
        }
        if around(old, was.at) != around(new, at) {
            self.refuse_at(was.at, Why::Around);
        }
        strand.at = at;
        strand.loops = was.loops.iter().filter_map(|(at, n)| Some((new.find(&old.steps.get(*at)?.id)?, *n))).collect();
        strand.through = self.through(was.at, at, &was.through);
        strand.origin = was.origin.and_then(|origin| self.step(origin));
        let parent = was.parent.and_then(|n| run.strands.get(&n)).map(|parent| parent.at);
        if let Some((from, to)) = parent.and_then(|at| Some((at, new.find(&old.steps.get(at)?.id)?))) {
            // One that is gone was refused with its steps.
            strand.branch = renumbered(&old.steps[from], &new.steps[to], was.branch).unwrap_or(was.branch);
        }
        for (was, is) in each_names(old, was.at).into_iter().zip(each_names(new, at)) {
            if let (true, Some(item)) = (was != is, strand.items.remove(was)) {
                strand.items.insert(is.to_owned(), item);
            }
        }
    }

    /// The branches of a `parallel` that are through, by their names; items of an `each` keep their numbers.
    fn through(&mut self, from: At, to: At, through: &BTreeSet<u32>) -> BTreeSet<u32> {
        let (before, after) = (&self.old.steps[from], &self.new.steps[to]);
        if let (StepKind::Parallel(was), StepKind::Parallel(is)) = (&before.kind, &after.kind) {
            let news = is.branches.iter().filter(|(name, _)| was.branches.iter().all(|(known, _)| known != name));
            for (name, _) in news {
                self.refuse(&before.id, Why::Branch(name.clone()));
            }
        }
        through.iter().filter_map(|n| renumbered(before, after, *n)).collect()
    }

    /// How it stood where people decided; none where a step of it is there no more: that is no reason not to move.
    fn was(&mut self, was: &Was) -> Option<Was> {
        let (old, new) = (self.old, self.new);
        let now = |at: At| old.steps.get(at).and_then(|step| new.find(&step.id));
        let resume = was.resume.as_ref();
        let there = |resume: &Resume| {
            let after = resume.after == usize::MAX || now(resume.after).is_some();
            after && now(resume.at).is_some() && resume.through.iter().all(|(at, _)| now(*at).is_some())
        };
        if !resume.is_none_or(there) {
            return None;
        }
        Some(Was {
            task: was.task,
            loops: was.loops.iter().filter_map(|(at, n)| Some((now(*at)?, *n))).collect(),
            origin: was.origin.and_then(now),
            resume: resume.map(|resume| self.resume(resume)),
            revising: was.revising,
        })
    }

    fn resume(&mut self, resume: &Resume) -> Resume {
        let mut through = Vec::new();
        for (at, done) in &resume.through {
            if let Some(to) = self.step(*at) {
                through.push((to, self.through(*at, to, done)));
            }
        }
        // An aside that is gone through to its end is no step.
        let after = if resume.after == usize::MAX { usize::MAX } else { self.step(resume.after).unwrap_or(resume.after) };
        Resume { after, at: self.step(resume.at).unwrap_or(resume.at), through }
    }
}

/// What stands against waiting at the new step for what the strand waits for.
fn against(strand: &Strand, before: &Step, after: &Step) -> Option<Why> {
    let other = Why::Kind(after.kind.word());
    match strand.phase {
        Phase::Forward if (strand.came || strand.maybe) && !before.undo.is_empty() && after.undo.is_empty() => {
            return Some(Why::Undo);
        }
        Phase::Forward => {}
        _ if !strand.waits.is_empty() && strand.error.is_none() => return Some(Why::Undoing),
        Phase::Undo(n) if after.undo.len() <= n as usize => return Some(Why::Undo),
        Phase::Verify | Phase::Check if after.verify.is_none() => return Some(other),
        _ => return None,
    }
    let fits = |wait: &Wait| match (wait, &before.kind, &after.kind) {
        (Wait::Window(_), ..) => true, // the step has not begun
        (Wait::Timer(_), _, StepKind::Wait(_) | StepKind::Until(_)) => true,
        (Wait::Event, _, StepKind::Event(_)) => true,
        (Wait::Call(_), StepKind::Do(was), StepKind::Do(is)) => name(was) == name(is),
        (Wait::Task(_), StepKind::Approve(_), StepKind::Approve(_)) => true,
        (Wait::Task(_), StepKind::Ask(_), StepKind::Ask(_)) => true,
        (Wait::Branches, StepKind::Parallel(_), StepKind::Parallel(_)) => true,
        (Wait::Branches, StepKind::Each(_), StepKind::Each(_)) => true,
        _ => false,
    };
    if !strand.waits.iter().all(fits) {
        return Some(other);
    }
    match (&before.kind, &after.kind) {
        (StepKind::Ask(was), StepKind::Ask(is)) if was.form != is.form => Some(Why::Form(is.form.clone())),
        _ => None,
    }
}

/// What an action is called; a named one by its name, too.
fn name(action: &Action) -> (&'static str, &str) {
    match action {
        Action::Run(run) => (action.name(), &run.name),
        _ => (action.name(), ""),
    }
}

/// The number of a branch in the other version; of an item, the same.
fn renumbered(before: &Step, after: &Step, branch: u32) -> Option<u32> {
    let (StepKind::Parallel(was), StepKind::Parallel(is)) = (&before.kind, &after.kind) else { return Some(branch) };
    let (name, _) = was.branches.get(branch as usize)?;
    is.branches.iter().position(|(known, _)| known == name).and_then(|n| u32::try_from(n).ok())
}

/// In which branches of which steps a step stands, by their names, innermost first.
fn around(flow: &Flow, at: At) -> Vec<(&str, &str)> {
    let mut all = Vec::new();
    let mut inside = flow.steps.get(at).and_then(|s| s.inside);
    while let Some(within) = inside
        && all.len() < flow.steps.len()
        && let Some(step) = flow.steps.get(within.step)
    {
        let branch = match &step.kind {
            StepKind::Parallel(p) => p.branches.get(within.branch as usize).map_or("", |(name, _)| name),
            _ => "",
        };
        all.push((step.id.as_str(), branch));
        inside = step.inside;
    }
    all
}

/// What the `each` around a step call one of their list, innermost first.
fn each_names(flow: &Flow, at: At) -> Vec<&str> {
    let outer = around(flow, at).into_iter().filter_map(|(id, _)| flow.find(id));
    outer.filter_map(|at| if let StepKind::Each(each) = &flow.steps[at].kind { Some(each.name.as_str()) } else { None }).collect()
}

#[cfg(test)]
mod tests;
