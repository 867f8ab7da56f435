//! What a step does when it is come to.

use jiff::Timestamp;

use super::walk::{MOST_ITEM_STEPS, MOST_PATH, Trouble, Walk};
use super::{Local, Run, Strand, Wait, recall, window};
use crate::engine::action::{self, Doing};
use crate::engine::approval;
use crate::engine::call::{CallId, Retry};
use crate::engine::decide::Deciding;
use crate::engine::definition::{Action, Another, At, BackTo, Branch, Each, Parallel, Repeat, Step, StepKind, Term, Until};
use crate::engine::log::Outcome;
use crate::engine::scope::Stop;
use crate::engine::value::{Map, Value};

/// Items that an `each` goes through.
const MOST_ITEMS: usize = 1_000;

/// What became of a step that was begun.
pub(super) enum Begun {
    /// It is done, and this is what it came to.
    Done(Option<Value>),
    /// Its condition does not hold.
    Skipped,
    /// It waits.
    Waits,
    /// It goes on there; none: its branch is through.
    Goes(Option<At>),
    /// It has seen to everything itself.
    Elsewhere,
    /// People have decided, or a policy for them.
    Ended(approval::Outcome),
}

impl Walk<'_, '_> {
    /// A strand comes to a step.
    pub(super) fn begin(&mut self, id: u32, step: &Step) -> Result<Begun, Trouble> {
        let at = self.run.strands.get(&id).map_or(0, |s| s.at);
        // A repetition that has begun is asked its own question only.
        let again = self.run.strands.get(&id).is_some_and(|s| s.loops.contains_key(&at));
        if let Some(condition) = step.condition.as_ref().filter(|_| !again)
            && !self.seeing(id, None, None, |v| condition.test(v))?
        {
            return Ok(Begun::Skipped);
        }
        match &step.kind {
            StepKind::Do(action) => self.act(id, step, action),
            StepKind::Vars(vars) => {
                let values = self.values(id, vars)?;
                self.set_vars(step.scope.as_deref(), values);
                Ok(Begun::Done(None))
            }
            StepKind::Wait(span) => {
                let due = self.after(*span).map_err(Trouble::Park)?;
                Ok(self.wait_until(id, step, due))
            }
            StepKind::Until(until) => {
                let due = self.time_of(id, until)?;
                Ok(self.wait_until(id, step, due))
            }
            StepKind::Event(wait) => self.wait_for(id, step, wait),
            StepKind::Choose(branches) => self.choose(id, step, branches),
            StepKind::Parallel(parallel) => Ok(self.fork(id, parallel)),
            StepKind::Each(each) => self.each(id, each),
            StepKind::Repeat(repeat) => self.repeat(id, at, step, repeat),
            StepKind::Call { flow, vars } => {
                let values = self.values(id, vars)?;
                let scope = step.id.clone();
                self.set_vars(Some(&scope), values);
                let detail = Value::from([("flow", flow.as_str().into())]);
                self.draft.say_of(&self.by(Some(step)), self.run.record.clone(), "call", Outcome::Done, detail);
                Ok(Begun::Done(None))
            }
            StepKind::Approve(_) | StepKind::Ask(_) => self.ask(id, step),
            StepKind::GoTo(to) => self.go_to(id, *to),
            StepKind::BackTo(to) => self.go_back(id, step, to),
            StepKind::End(word) => {
                self.leave(id, super::How::Done, Vec::new());
                let outcome = if self.run.failing.is_some() { Outcome::Failed } else { Outcome::Done };
                self.end(word, outcome)?;
                Ok(Begun::Elsewhere)
            }
            StepKind::Fail(why) => {
                let why = self.seeing(id, None, None, |v| why.render(v))?;
                Err(Trouble::Fail(why))
            }
        }
    }

    /// An action; one that leaves is waited for.
    fn act(&mut self, id: u32, step: &Step, action: &Action) -> Result<Begun, Trouble> {
        if let (Some(hours), Action::Email(_), false) = (&self.flow.window, action, step.any_time) {
            let now = self.draft.event.at;
            let opens = self.seeing(id, None, None, |v| window::opens(hours, v, now))?;
            if opens > now {
                let timer = self.timer(opens);
                self.wait(id, Wait::Window(timer));
                self.say_wait(step, opens, Some("window"));
                return Ok(Begun::Waits);
            }
        }
        let calls = self.perform(id, step, action, step.retry.as_deref())?;
        if calls.is_empty() {
            return Ok(Begun::Done(None));
        }
        calls.into_iter().for_each(|call| self.wait(id, Wait::Call(call)));
        Ok(Begun::Waits)
    }

    /// Does an action in the name of a step; the calls it made.
    pub(super) fn perform(
        &mut self,
        id: u32,
        step: &Step,
        action: &Action,
        retry: Option<&[Retry]>,
    ) -> Result<Vec<CallId>, Stop> {
        self.doing(id, step, retry, |draft, _, doing| action::perform(draft, action, doing))
    }

    /// People are asked.
    fn ask(&mut self, id: u32, step: &Step) -> Result<Begun, Trouble> {
        let due = step.within.map(|within| self.after(within)).transpose().map_err(Trouble::Park)?;
        match self.doing(id, step, None, |draft, run, doing| approval::begin(draft, run, id, step, doing, due))? {
            approval::Begun::Asked(task) => {
                self.wait(id, Wait::Task(task));
                Ok(Begun::Waits)
            }
            approval::Begun::Ended(outcome) => Ok(Begun::Ended(outcome)),
        }
    }

    /// Does something in the name of a step, with the names that its strand sees.
    fn doing<T>(
        &mut self,
        id: u32,
        step: &Step,
        retry: Option<&[Retry]>,
        what: impl FnOnce(&mut Deciding<'_>, &Run, &Doing<'_>) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let by = self.by(Some(step));
        let none = Map::new();
        let items = self.run.strands.get(&id).map_or(&none, |s| &s.items);
        let local = Local { run: &self.run, scope: step.scope.as_deref(), items, answer: None };
        let doing = Doing {
            by: &by,
            record: self.run.record.as_ref(),
            data: &self.run.event,
            old: None,
            local: Some(&local),
            retry,
            calendar: self.flow.calendar.as_deref(),
            letting: None,
        };
        what(self.draft, &self.run, &doing)
    }

    fn choose(&mut self, id: u32, step: &Step, branches: &[Branch]) -> Result<Begun, Trouble> {
        for (n, branch) in branches.iter().enumerate() {
            let holds = match &branch.condition {
                Some(condition) => self.seeing(id, None, None, |v| condition.test(v))?,
                None => true,
            };
            if holds {
                let source = branch.condition.as_ref().map_or("else", |c| c.source());
                let detail =
                    Value::from([("step", step.id.as_str().into()), ("branch", (n as u64 + 1).into()), ("if", source.into())]);
                self.draft.say_of(&self.by(Some(step)), self.run.record.clone(), "choose", Outcome::Done, detail);
                self.leave(id, super::How::Done, Vec::new());
                return Ok(Begun::Goes(branch.first.or(step.next)));
            }
        }
        Ok(Begun::Done(None))
    }

    fn fork(&mut self, id: u32, parallel: &Parallel) -> Begun {
        let mut empty = Vec::new();
        for (n, (_, first)) in parallel.branches.iter().enumerate() {
            let branch = u32::try_from(n).unwrap_or(u32::MAX);
            let done = self.run.strands.get(&id).is_some_and(|s| s.through.contains(&branch));
            match first {
                Some(first) if !done => self.fork_one(id, *first, branch, None),
                _ => empty.push(branch),
            }
        }
        if let Some(strand) = self.run.strands.get_mut(&id) {
            strand.through.extend(empty);
        }
        self.wait(id, Wait::Branches);
        Begun::Waits
    }

    /// One branch of a strand begins.
    pub(super) fn fork_one(&mut self, parent: u32, first: At, branch: u32, item: Option<(String, Value)>) {
        let mut items = self.run.strands.get(&parent).map(|s| s.items.clone()).unwrap_or_default();
        items.extend(item);
        let strand = Strand { parent: Some(parent), branch, items, ..Strand::new(first, self.draft.event.at) };
        self.spawn(strand);
    }

    fn each(&mut self, id: u32, each: &Each) -> Result<Begun, Trouble> {
        let list = self.seeing(id, None, None, |v| each.of.eval(v))?;
        let list = match list {
            Value::List(list) => list,
            Value::Null => Vec::new(),
            _ => return Err(Trouble::Park(format!("{} is no list", each.of.source()))),
        };
        if list.len() > MOST_ITEMS {
            return Err(Trouble::Fail(format!("{} has {} items, more than {MOST_ITEMS}", each.of.source(), list.len())));
        }
        let (inside, decided) = self.inside(id);
        if list.len() as u64 * u64::from(inside) > u64::from(MOST_ITEM_STEPS) {
            let (source, count) = (each.of.source(), list.len());
            let much = format!("{source} has {count} items of {inside} steps, more than {MOST_ITEM_STEPS} in all");
            return Err(Trouble::Fail(format!("{much}: have each be a run of its own (`start`)")));
        }
        if self.run.path.len() + list.len() * decided as usize > MOST_PATH {
            let (source, count) = (each.of.source(), list.len());
            let much = format!("{source} has {count} items that people decide, more than a run remembers ({MOST_PATH})");
            return Err(Trouble::Fail(format!("{much}: have each be a run of its own (`start`)")));
        }
        if list.is_empty() || each.first.is_none() {
            return Ok(Begun::Done(None));
        }
        if let Some(strand) = self.run.strands.get_mut(&id) {
            strand.left = list;
            strand.left.reverse(); // the next is the last
        }
        self.wait(id, Wait::Branches);
        self.more(id, each);
        Ok(Begun::Waits)
    }

    /// How many steps are within this strand's `each`, and at how many of these people decide.
    fn inside(&self, id: u32) -> (u32, u32) {
        let Some(at) = self.run.strands.get(&id).map(|s| s.at) else { return (0, 0) };
        let within = |n: &usize| recall::around(&self.flow, *n).iter().any(|(of, _)| *of == at);
        let steps = (0..self.flow.steps.len()).filter(within).map(|n| &self.flow.steps[n].kind);
        steps.fold((0, 0), |(all, decided), kind| {
            (all + 1, decided + u32::from(matches!(kind, StepKind::Approve(_) | StepKind::Ask(_))))
        })
    }

    /// As many of a list's items begin as may go at the same time.
    pub(super) fn more(&mut self, id: u32, each: &Each) {
        let Some(first) = each.first else { return };
        let (inside, _) = self.inside(id);
        loop {
            let busy = self.run.strands.values().filter(|s| s.parent == Some(id)).count();
            let Some(strand) = self.run.strands.get_mut(&id) else { return };
            if busy >= each.at_once.max(1) as usize {
                return;
            }
            let Some(item) = strand.left.pop() else { return };
            let branch = u32::try_from(strand.through.len() + busy).unwrap_or(u32::MAX);
            self.granted = self.granted.saturating_add(inside + 1); // and its end
            self.fork_one(id, first, branch, Some((each.name.clone(), item)));
        }
    }

    fn repeat(&mut self, id: u32, at: At, step: &Step, repeat: &Repeat) -> Result<Begun, Trouble> {
        let done = self.run.strands.get(&id).and_then(|s| s.loops.get(&at).copied()).unwrap_or(0);
        let on = match &repeat.check {
            Another::While(condition) => self.seeing(id, None, None, |v| condition.test(v))?,
            Another::Until(condition) => done == 0 || !self.seeing(id, None, None, |v| condition.test(v))?,
            Another::Times(times) => {
                let times = self.seeing(id, None, None, |v| times.eval(v))?;
                let Value::Number(times) = times else {
                    return Err(Trouble::Park(format!("{times} is no number of times")));
                };
                rust_decimal::Decimal::from(done) < times
            }
        };
        let Some(strand) = self.run.strands.get_mut(&id) else { return Ok(Begun::Elsewhere) };
        if !on || repeat.first.is_none() {
            strand.loops.remove(&at);
            return Ok(Begun::Done(None));
        }
        if done >= repeat.most {
            return Err(Trouble::Fail(format!("{} would be repeated more than {} times", step.id, repeat.most)));
        }
        strand.loops.insert(at, done + 1);
        Ok(Begun::Goes(repeat.first))
    }

    fn time_of(&mut self, id: u32, until: &Until) -> Result<Timestamp, Trouble> {
        let zone = self.draft.definitions.zone.0.clone();
        let value = self.seeing(id, None, None, |v| until.time.eval(v))?;
        let time = crate::engine::entity::time(&value, &zone);
        let time = time.ok_or_else(|| Trouble::Park(format!("{} is no time: {value}", until.time.source())))?;
        let Some(offset) = until.offset else { return Ok(time) };
        let calendar = self.draft.definitions.calendar(self.flow.calendar.as_deref()).map(std::sync::Arc::as_ref);
        let moved = if until.before { offset.before(time, &zone, calendar) } else { offset.after(time, &zone, calendar) };
        moved.ok_or_else(|| Trouble::Park(format!("no calendar tells when {offset} are over")))
    }

    fn wait_until(&mut self, id: u32, step: &Step, due: Timestamp) -> Begun {
        if due <= self.draft.event.at {
            return Begun::Done(None);
        }
        let timer = self.timer(due);
        self.wait(id, Wait::Timer(timer));
        self.say_wait(step, due, None);
        Begun::Waits
    }

    pub(super) fn say_wait(&mut self, step: &Step, until: Timestamp, reason: Option<&str>) {
        let mut detail: Map = [("until".to_owned(), until.into())].into();
        detail.extend(reason.map(|r| ("for".to_owned(), r.into())));
        self.draft.say_of(&self.by(Some(step)), self.run.record.clone(), "wait", Outcome::Fired, Value::Map(detail));
    }

    pub(super) fn wait(&mut self, id: u32, wait: Wait) {
        if let Some(strand) = self.run.strands.get_mut(&id) {
            strand.waits.push(wait);
        }
    }

    fn values(&self, id: u32, terms: &std::collections::BTreeMap<String, Term>) -> Result<Map, Stop> {
        self.seeing(id, None, None, |v| terms.iter().map(|(k, t)| Ok((k.clone(), action::term(t, v)?))).collect())
    }

    fn set_vars(&mut self, scope: Option<&str>, values: Map) {
        let key = |name: String| scope.map_or_else(|| name.clone(), |s| format!("{s}.{name}"));
        self.run.vars.extend(values.into_iter().map(|(name, value)| (key(name), value)));
    }

    /// `back_to`.
    fn go_back(&mut self, id: u32, step: &Step, to: &BackTo) -> Result<Begun, Trouble> {
        let origin = self.run.strands.get(&id).and_then(|s| s.origin.or(Some(s.at))).unwrap_or(0);
        self.back(origin, to, &step.id)?;
        Ok(Begun::Elsewhere)
    }
}
