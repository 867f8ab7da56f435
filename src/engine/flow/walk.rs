//! How a run goes its way: one table of transitions, used live and after a restart alike. A strand stands at one step; what it
//! does there leads on, is waited for, or sends it elsewhere.
//!
//! Never calls itself: what can go on is in a list, so that no graph is too deep for the stack.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;

use super::step::Begun;
use super::{How, Local, Passed, Phase, Run, Strand, Then, Undoable, Wait, Was, enrol, recall};
use crate::engine::approval;
use crate::engine::call::CallId;
use crate::engine::decide::{By, Deciding};
use crate::engine::definition::{At, Flow, OnError, Step, StepKind};
use crate::engine::event::Body;
use crate::engine::log::Outcome;
use crate::engine::outbox;
use crate::engine::scope::Stop;
use crate::engine::span::Span;
use crate::engine::state::{Entry, Key, Need, TimerId, Wake};
use crate::engine::value::{Map, Value};
use crate::engine::view::View;

/// Steps that a run may take in one turn: a loop that waits for nothing has no end.
const MOST_STEPS: u32 = 1_000;
/// Beside those, steps of the items of an `each` that begin in that turn: their list is finite.
pub(super) const MOST_ITEM_STEPS: u32 = 20_000;
/// Steps of its path that a run remembers: whatever takes more is several flows. Items of an `each` that go the same way are one.
pub(super) const MOST_PATH: usize = 1_000;

/// The event of a run that waits for a person's help: `run`, `flow`, `step`, `error`.
pub(super) const PARKED: &str = "ifthen.run.parked";

/// Why a step is not done.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Something must be loaded first.
    Need(Need),
    /// It cannot be told what to do: a person sets it right, nothing is undone.
    Park(String),
    /// It has failed.
    Fail(String),
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Need(need) => Self::Need(need),
            Stop::Unevaluable(why) => Self::Park(why),
        }
    }
}

impl From<Need> for Trouble {
    fn from(need: Need) -> Self {
        Self::Need(need)
    }
}

/// A run on its way.
pub(super) struct Walk<'w, 'a> {
    pub(super) draft: &'w mut Deciding<'a>,
    pub(super) run: Run,
    pub(super) flow: Arc<Flow>,
    /// Strands that can go on.
    pub(super) ready: VecDeque<u32>,
    taken: u32,
    /// Steps that the items of an `each` may take beside.
    pub(super) granted: u32,
    /// It is through, and no longer in the state.
    pub(super) over: bool,
}

impl<'w, 'a> Walk<'w, 'a> {
    pub(super) fn new(draft: &'w mut Deciding<'a>, run: Run, flow: Arc<Flow>) -> Self {
        Self { draft, run, flow, ready: VecDeque::new(), taken: 0, granted: 0, over: false }
    }

    /// The run of that id, if it is under way.
    pub(super) fn load(draft: &'w mut Deciding<'a>, id: &str) -> Result<Option<Self>, Need> {
        let Some(entry) = draft.get(&Key::Run(id.to_owned()))? else { return Ok(None) };
        let Entry::Run(run) = entry.as_ref() else { return Ok(None) };
        let graph = draft.get(&Key::Graph(run.graph.clone()))?;
        let Some(Entry::Graph(flow)) = graph.as_deref() else { return Ok(None) };
        let flow = match flow.format {
            0 => Arc::new(Flow::clone(flow).linked()),
            _ => Arc::clone(flow),
        };
        let run = run.clone();
        Ok(Some(Self::new(draft, run, flow)))
    }

    /// Goes on with everything that can; what it has come to is kept.
    pub(super) fn go(mut self) -> Result<(), Need> {
        self.go_on()?;
        self.keep();
        Ok(())
    }

    /// Goes on with everything that can.
    pub(super) fn go_on(&mut self) -> Result<(), Need> {
        while let Some(id) = self.ready.pop_front() {
            if self.over {
                break;
            }
            let idle = self.run.strands.get(&id).is_some_and(|s| s.waits.is_empty() && s.error.is_none());
            if !idle {
                continue;
            }
            self.taken += 1;
            if self.taken > MOST_STEPS + self.granted.min(MOST_ITEM_STEPS) {
                self.park(id, &format!("more than {MOST_STEPS} steps without waiting for anything"));
            } else if self.run.path.len() >= MOST_PATH && self.strides(id) {
                self.park(id, &format!("more than {MOST_PATH} steps: end it, and have parts of it be flows of their own"));
            } else if !self.stops(None)? {
                self.step(id)?;
            }
        }
        Ok(())
    }

    /// Whether it would go on with another step: undoing, and coming to the end, are always possible.
    fn strides(&self, id: u32) -> bool {
        self.run.strands.get(&id).is_some_and(|s| s.phase == Phase::Forward && s.at < self.flow.steps.len())
    }

    /// What it has come to is kept.
    pub(super) fn keep(self) {
        if !self.over {
            let run = self.run;
            self.draft.put(Key::Run(run.id.clone()), Entry::Run(run));
        }
    }

    /// A strand does what it is about at its step.
    fn step(&mut self, id: u32) -> Result<(), Need> {
        let flow = Arc::clone(&self.flow);
        let Some(strand) = self.run.strands.get(&id) else { return Ok(()) };
        let Some(step) = flow.steps.get(strand.at) else { return self.through(id) };
        let begun = match strand.phase {
            Phase::Forward => self.begin(id, step),
            Phase::Verify | Phase::Check => self.look_up(id, step),
            Phase::Settle | Phase::Undo(_) => self.undo(id, step),
        };
        match begun {
            Ok(Begun::Done(result)) => self.pass(id, How::Done, result, Vec::new()),
            Ok(Begun::Skipped) => {
                self.release(id, "skipped")?; // what it did before it was to be done again
                self.pass(id, How::Skipped, None, Vec::new())
            }
            Ok(Begun::Waits) => self.arm(id, step),
            Ok(Begun::Goes(at)) => {
                self.put_at(id, at);
                Ok(())
            }
            Ok(Begun::Elsewhere) => Ok(()),
            Ok(Begun::Ended(outcome)) => self.decided(id, outcome),
            Err(Trouble::Need(need)) => Err(need),
            Err(Trouble::Park(why)) => self.trouble(id, &why, false),
            Err(Trouble::Fail(why)) => self.trouble(id, &why, true),
        }
    }

    /// The strand stands at another step and can go on.
    pub(super) fn put_at(&mut self, id: u32, at: Option<At>) {
        let now = self.draft.event.at;
        let Some(strand) = self.run.strands.get_mut(&id) else { return };
        strand.at = at.unwrap_or(usize::MAX);
        strand.since = now;
        strand.late = 0;
        strand.phase = Phase::Forward;
        self.ready.push_back(id);
    }

    /// A step is done, or passed over: on to what comes next.
    pub(super) fn pass(&mut self, id: u32, how: How, result: Option<Value>, people: Vec<String>) -> Result<(), Need> {
        let flow = Arc::clone(&self.flow);
        let Some(step) = self.run.strands.get(&id).and_then(|s| flow.steps.get(s.at)) else { return Ok(()) };
        let at = self.run.strands.get(&id).map_or(0, |s| s.at);
        self.leave(id, how, people);
        if let (How::Done | How::Approved, false) = (how, step.undo.is_empty()) {
            let items = self.run.strands.get(&id).map(|s| s.items.clone()).unwrap_or_default();
            let result = result.clone().unwrap_or_default();
            let (round, n) = (self.run.round, self.run.left);
            let calls = Vec::new();
            self.run.undoable.push(Undoable { at, round, n, result, items, calls, unknown: false, happened: true });
        }
        if let Some(result) = result {
            self.run.steps.insert(step.id.clone(), result);
        }
        let ends_aside = step.aside.is_some() && step.next.is_none();
        if let Some(resume) = self.run.resume.take_if(|r| r.after == at || ends_aside) {
            return self.resume(id, resume);
        }
        // The steps of a called flow follow its `call`.
        let called = matches!(step.kind, StepKind::Call { .. }) && how == How::Done;
        let inner = |next: &At| flow.steps.get(*next).is_some_and(|s| s.scope.as_ref() == Some(&step.id));
        let next = Some(at + 1).filter(inner).filter(|_| called).or(step.next);
        if let Some(strand) = self.run.strands.get_mut(&id)
            && strand.origin.is_some_and(|o| flow.steps.get(o).is_some_and(|s| s.next == next))
        {
            strand.origin = None;
        }
        self.put_at(id, next);
        Ok(())
    }

    /// A strand is done with its step: no timer of it fires any more, and its path says how.
    pub(super) fn leave(&mut self, id: u32, how: How, by: Vec<String>) {
        let Some(strand) = self.run.strands.get_mut(&id) else { return };
        let deadline = strand.deadline.take();
        let (at, from) = (strand.at, strand.since);
        let task = strand.waits.iter().find_map(|w| if let Wait::Task(task) = w { Some(*task) } else { None });
        let was = task.filter(|_| how == How::Approved).map(|task| Was {
            task,
            loops: strand.loops.clone(),
            origin: strand.origin,
            resume: self.run.resume.clone(),
            revising: self.run.revising,
        });
        strand.waits.clear();
        strand.error = None;
        strand.left.clear();
        strand.through.clear();
        (strand.came, strand.maybe) = (false, false);
        if let Some(timer) = deadline {
            self.draft.remove(Key::Timer(timer));
        }
        if let Some(step) = self.flow.steps.get(at) {
            let (round, to) = (self.run.round, self.draft.event.at);
            self.run.left += 1;
            let passed = Passed { step: step.id.clone(), round, from, to, how, by, n: self.run.left, times: 1, was, void: None };
            self.onto_path(at, passed);
        }
        self.run.failed = self.run.strands.values().find_map(|s| s.error.clone());
    }

    /// A step is part of the path. Items of an `each` that go the same way are one: a thousand of them are no thousand lines.
    fn onto_path(&mut self, at: At, mut passed: Passed) {
        let each = |of: At| matches!(self.flow.steps.get(of).map(|s| &s.kind), Some(StepKind::Each(_)));
        let each = recall::around(&self.flow, at).into_iter().map(|(of, _)| of).find(|of| each(*of));
        let since = each.and_then(|of| self.run.strands.values().find(|s| s.at == of)).map(|s| s.since);
        if let Some(since) = since.filter(|_| passed.by.is_empty() && passed.was.is_none()) {
            let like = |p: &Passed| {
                p.step == passed.step && (p.round, p.how) == (passed.round, passed.how) && p.by.is_empty() && p.from >= since
            };
            if let Some(n) = self.run.path.iter().rposition(like) {
                let former = self.run.path.remove(n);
                (passed.from, passed.times) = (former.from, former.times + 1);
            }
        }
        self.run.path.push(passed);
    }

    /// A branch, or the whole run, has come to its end.
    fn through(&mut self, id: u32) -> Result<(), Need> {
        match self.run.strands.get(&id).map(|s| (s.parent, s.branch)) {
            Some((Some(parent), branch)) => {
                self.run.strands.remove(&id);
                if let Some(strand) = self.run.strands.get_mut(&parent) {
                    strand.through.insert(branch);
                }
                self.join(parent)
            }
            Some((None, _)) if self.run.failing.is_some() => self.end("failed", Outcome::Failed),
            Some((None, _)) => self.end("done", Outcome::Done),
            None => Ok(()),
        }
    }

    /// The run is over, in this word: whatever it waits for is let go.
    pub(super) fn end(&mut self, word: &str, outcome: Outcome) -> Result<(), Need> {
        self.cancel_all("run ended")?;
        let steps = self.run.path.iter().filter(|p| matches!(p.how, How::Done | How::Approved)).count() as u64;
        let mut detail = vec![("steps", steps.into()), ("as", word.into())];
        if let Some((why, step)) = &self.run.failing {
            detail.extend([("error", why.as_str().into()), ("step", step.as_str().into())]);
        }
        let detail = detail.into_iter().map(|(k, v): (&str, Value)| (k.to_owned(), v)).collect();
        self.draft.say_of(&self.by(None), self.run.record.clone(), "end", outcome, Value::Map(detail));
        if let Some(watch) = &mut self.draft.watch {
            watch.ended.push(self.run.clone());
        }
        self.over = true;
        enrol::leave(self.draft, &self.run, &self.flow)
    }

    /// A step cannot be done: where its `on_error` says, or its branch's, or the run fails or stands still.
    pub(super) fn trouble(&mut self, id: u32, why: &str, failed: bool) -> Result<(), Need> {
        let flow = Arc::clone(&self.flow);
        let Some(strand) = self.run.strands.get(&id) else { return Ok(()) };
        let Some(step) = flow.steps.get(strand.at) else { return Ok(()) };
        let (at, parent) = (strand.at, strand.parent);
        let forward = matches!(strand.phase, Phase::Forward | Phase::Verify);
        if !forward {
            self.park(id, why);
            return Ok(());
        }
        if let Some(then) = step.on_error {
            self.note_error(step, why);
            self.let_go(id, "left")?;
            self.leave(id, How::Failed, Vec::new());
            if let Some(strand) = self.run.strands.get_mut(&id) {
                strand.origin = matches!(then, OnError::Go(_)).then_some(at).or(strand.origin);
            }
            self.put_at(id, if let OnError::Go(to) = then { Some(to) } else { step.next });
            return Ok(());
        }
        if let Some(parent) = parent.filter(|p| failed && self.takes_failure(*p)) {
            self.note_error(step, why);
            return self.branch_failed(id, parent, why);
        }
        let strand = self.run.strands.get(&id).is_some_and(|s| s.came || s.maybe);
        let ends = !self.run.undoable.is_empty()
            || strand && !step.undo.is_empty()
            || flow.failed.is_some()
            || matches!(step.kind, StepKind::Fail(_));
        if failed && ends && self.run.failing.is_none() {
            self.note_error(step, why);
            self.fell(id)?;
            self.run.failing = Some((why.to_owned(), step.id.clone()));
            return self.begin_undo(Then::Fail, 0);
        }
        if failed && self.run.failing.is_some() && matches!(step.kind, StepKind::Fail(_)) {
            return self.end("failed", Outcome::Failed);
        }
        self.park(id, why);
        Ok(())
    }

    /// `steps.<id>.error`, and a line in the log.
    fn note_error(&mut self, step: &Step, why: &str) {
        self.run.steps.insert(step.id.clone(), Value::from([("error", why.into())]));
        let detail = Value::from([("step", step.id.as_str().into()), ("error", why.into())]);
        self.draft.say_of(&self.by(Some(step)), self.run.record.clone(), "step", Outcome::Failed, detail);
    }

    /// It stands still until a person helps; what it waits for may still come.
    pub(super) fn park(&mut self, id: u32, why: &str) {
        let flow = Arc::clone(&self.flow);
        let Some(strand) = self.run.strands.get_mut(&id) else { return };
        strand.error = Some(why.to_owned());
        let timer = strand.deadline.take();
        let step = flow.steps.get(strand.at);
        if let Some(timer) = timer {
            self.draft.remove(Key::Timer(timer));
        }
        self.run.failed = Some(why.to_owned());
        let at = step.map(|s| s.id.as_str()).unwrap_or_default();
        let by = self.by(step);
        let detail = Value::from([("reason", "parked".into()), ("step", at.into()), ("error", why.into())]);
        self.draft.say_of(&by, self.run.record.clone(), "run", Outcome::Failed, detail);
        let data = Value::from([
            ("run", self.run.id.as_str().into()),
            ("flow", self.run.flow.as_str().into()),
            ("step", at.into()),
            ("error", why.into()),
        ]);
        let body = Body::Happened { data, upsert: None };
        self.draft.emit(PARKED.into(), self.run.record.clone(), by.text(), body);
    }

    /// A step waits: its time begins, if it has one and has not begun.
    fn arm(&mut self, id: u32, step: &Step) -> Result<(), Need> {
        let wants = self.run.strands.get(&id).is_some_and(|s| s.deadline.is_none() && !matches!(s.waits[..], [Wait::Window(_)]));
        let Some(within) = step.within.filter(|_| wants) else { return Ok(()) };
        match self.after(within) {
            Ok(due) => {
                let timer = self.timer(due);
                if let Some(strand) = self.run.strands.get_mut(&id) {
                    strand.deadline = Some(timer);
                }
                Ok(())
            }
            Err(why) => {
                self.park(id, &why);
                Ok(())
            }
        }
    }

    /// When a length of time is over, from now; or why that cannot be told.
    pub(super) fn after(&self, span: Span) -> Result<Timestamp, String> {
        // Counted from the instant of the event, not of the decision: a run that was resumed late does not drift.
        let definitions = self.draft.definitions;
        let calendar = definitions.calendar(self.flow.calendar.as_deref()).map(Arc::as_ref);
        let due = span.after(self.draft.event.at, &definitions.zone.0, calendar);
        due.ok_or_else(|| format!("no calendar tells when {span} are over"))
    }

    /// A timer that wakes this run.
    pub(super) fn timer(&mut self, due: Timestamp) -> TimerId {
        let timer = TimerId { due: due.as_millisecond().max(0), seq: self.draft.event.seq, n: self.draft.number() };
        self.draft.put(Key::Timer(timer), Entry::Timer(Wake::Run(self.run.id.clone())));
        timer
    }

    /// A new strand, under a number that no other ever had.
    pub(super) fn spawn(&mut self, strand: Strand) -> u32 {
        let id = self.run.next;
        self.run.next += 1;
        self.run.strands.insert(id, strand);
        self.ready.push_back(id);
        id
    }

    /// What something means with the names of a strand: its `each`' items, its `call`'s variables.
    pub(super) fn seeing<T>(
        &self,
        id: u32,
        data: Option<&Value>,
        answer: Option<&Value>,
        see: impl FnOnce(&View<'_>) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let none = Map::new();
        let strand = self.run.strands.get(&id);
        let scope = strand.and_then(|s| self.flow.steps.get(s.at)).and_then(|s| s.scope.as_deref());
        let local = Local { run: &self.run, scope, items: strand.map_or(&none, |s| &s.items), answer };
        let record = match &self.run.record {
            Some(at) => self.draft.record(at)?.map(|r| (at.clone(), r)),
            None => None,
        };
        see(&View {
            deciding: self.draft,
            record,
            data: data.unwrap_or(&self.run.event),
            old: None,
            local: Some(&local),
            calendar: self.flow.calendar.as_deref(),
            arrival: false,
            letting: None,
        })
    }

    /// In whose name a step acts.
    pub(super) fn by(&self, step: Option<&Step>) -> By {
        By {
            flow: Some(self.run.flow.clone()),
            run: Some(self.run.id.clone()),
            step: step.map(|s| s.id.clone()),
            preview: self.run.preview,
            ..By::default()
        }
    }

    /// A step that failed is left: its dead calls stay in their list, to be looked at; whatever else it waits for is let go.
    pub(super) fn let_go(&mut self, id: u32, why: &str) -> Result<(), Need> {
        let mut alive = Vec::new();
        for wait in self.run.strands.get(&id).map(|s| s.waits.clone()).unwrap_or_default() {
            let dead = if let Wait::Call(call) = &wait { outbox::is_dead(self.draft, *call)? } else { false };
            alive.extend((!dead).then_some(wait));
        }
        self.run.strands.entry(id).and_modify(|s| s.waits = alive);
        self.release(id, why)
    }

    /// Lets go of what a strand waits for; its branches end with it. Calls on their way are waited for no more, but what they may
    /// have done can be undone.
    pub(super) fn release(&mut self, id: u32, why: &str) -> Result<(), Need> {
        let below: Vec<u32> = self.run.strands.iter().filter(|(_, s)| s.parent == Some(id)).map(|(id, _)| *id).collect();
        for child in below {
            self.cancel(child, why)?;
        }
        let Some(strand) = self.run.strands.get_mut(&id) else { return Ok(()) };
        let timer = strand.deadline.take();
        let waits = std::mem::take(&mut strand.waits);
        let mut calls = std::mem::take(&mut strand.former);
        timer.into_iter().for_each(|t| self.draft.remove(Key::Timer(t)));
        for wait in waits {
            match wait {
                Wait::Timer(timer) | Wait::Window(timer) => self.draft.remove(Key::Timer(timer)),
                Wait::Task(task) => approval::cancel(self.draft, task, why)?,
                Wait::Call(call) => calls.push(call),
                Wait::Event | Wait::Branches => {}
            }
        }
        self.forgo(id, calls, why)
    }

    /// Calls of a strand are waited for no more; what they may have done can be undone.
    pub(super) fn forgo(&mut self, id: u32, calls: Vec<CallId>, why: &str) -> Result<(), Need> {
        let Some(strand) = self.run.strands.get_mut(&id) else { return Ok(()) };
        let (at, items, phase) = (strand.at, strand.items.clone(), strand.phase);
        let (came, unknown) = (std::mem::take(&mut strand.came), std::mem::take(&mut strand.maybe));
        let (round, n) = (self.run.round, self.run.left + 1);
        let mut undoable = Undoable { at, round, n, result: Value::Null, items, calls: Vec::new(), unknown, happened: came };
        for call in calls {
            match outbox::cancel(self.draft, call, why)? {
                outbox::Left::Nothing => {}
                outbox::Left::Unknown => undoable.unknown = true,
                outbox::Left::OnItsWay => undoable.calls.push(call),
            }
        }
        let undo = self.flow.steps.get(at).is_some_and(|s| !s.undo.is_empty());
        if phase == Phase::Verify {
            // Nobody knows by now: it was being looked up.
            undoable.calls.clear();
            undoable.unknown = true;
        }
        if came {
            // Some of it has surely happened.
            undoable.result = self.flow.steps.get(at).and_then(|s| self.run.steps.get(&s.id)).cloned().unwrap_or_default();
        }
        let happened = came || undoable.unknown || !undoable.calls.is_empty();
        if undo && matches!(phase, Phase::Forward | Phase::Verify) && happened {
            undoable.unknown &= !came;
            self.run.undoable.push(undoable);
        }
        Ok(())
    }

    /// A strand, and those below it, are needed no more.
    pub(super) fn cancel(&mut self, id: u32, why: &str) -> Result<(), Need> {
        self.release(id, why)?;
        self.leave(id, How::Cancelled, Vec::new());
        self.run.strands.remove(&id);
        Ok(())
    }

    /// Nothing is waited for any more.
    pub(super) fn cancel_all(&mut self, why: &str) -> Result<(), Need> {
        let roots: Vec<u32> = self.run.strands.iter().filter(|(_, s)| s.parent.is_none()).map(|(id, _)| *id).collect();
        for id in roots {
            self.cancel(id, why)?;
        }
        self.ready.clear();
        Ok(())
    }
}
