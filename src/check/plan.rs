//! The whole sequence of a flow on one record, with dates: a run of it in a world of its own, above the store as it is, to its end.
//!
//! Decided by the very engine of the daemon; nothing is kept and nothing leaves. Assumed: every attempt of a call ends well, at once;
//! whoever is asked approves, or answers, at once; nothing else happens, so that what is waited for is not to come. Where it is said
//! ([`Assumed`]), a step is rejected the first time, and an event comes as soon as it is waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{Timestamp, ToSpan};

use super::world::{self, Behind, World};
use crate::engine::approval::{Act, Ask, Seated, Task, TaskId};
use crate::engine::call::{Call, CallId, Outcome};
use crate::engine::cascade::Root;
use crate::engine::definition::{Action, Definitions, Flow, Form, FormField, Rule, StepKind};
use crate::engine::dispatch::Dispatch;
use crate::engine::entity::FieldKind;
use crate::engine::event::{Body, Command, Draft, Event, RecordRef};
use crate::engine::flow::{self, How, Run, Wait};
use crate::engine::log::{self, Line};
use crate::engine::record::Record;
use crate::engine::state::{Entry, Key, State};
use crate::engine::trigger::Trigger;
use crate::engine::value::{Map, Value};
use crate::store::{self, Read};

/// The event by which the run is begun; no source can tell it.
const BEGIN: &str = "ifthen.plan";
/// Moments at which something happens.
const MOST: usize = 10_000;
/// Events decided at most: a flow that goes round without waiting has no end.
const MOST_EVENTS: usize = 100_000;
/// How far it is looked ahead.
const YEARS: i64 = 10;

/// What a run would come to.
#[derive(Debug)]
pub struct Plan {
    /// What it does, in order.
    pub rows: Vec<Row>,
    /// How it ends.
    pub end: End,
}

/// Something the run does or waits for.
#[derive(Debug)]
pub struct Row {
    /// When.
    pub at: Timestamp,
    /// The step's id, where it is known.
    pub step: String,
    /// As the log would say it.
    pub line: Line,
}

/// How a planned run ends.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// It is through.
    Through,
    /// It does not begin.
    NotBegun,
    /// It stands still at a step until a person helps, for this reason.
    Stands {
        /// The step's id.
        step: String,
        /// Why.
        why: String,
    },
    /// It waits at these steps for what is assumed not to come, without end.
    Waits(Vec<String>),
    /// It goes on beyond what is looked at.
    Further,
}

/// What is assumed to happen beside the usual.
#[derive(Debug, Clone, Default)]
pub struct Assumed {
    /// At these steps whoever is asked rejects, once.
    pub rejected: BTreeSet<String>,
    /// These events come, once each, as soon as a step waits for them.
    pub events: BTreeSet<String>,
}

/// Plans a run of a flow about a record, begun at that time.
pub fn plan(
    definitions: &Definitions,
    store: &dyn Read,
    flow: &str,
    record: &RecordRef,
    at: Timestamp,
    assumed: Assumed,
) -> Result<Plan, store::Error> {
    let definitions = beginning(definitions, flow);
    let seq = store.last()?.event + 1;
    let side = Side { assumed, ..Side::new(store, flow, definitions.flows.get(flow).cloned()) };
    let mut world = World::new(&definitions, Dispatch::default(), side, seq, at);
    let body = Body::Happened { data: Value::Null, upsert: None };
    let started = world.decide(Draft { record: Some(record.clone()), ..Draft::own(BEGIN, at, body) })?;
    started.iter().try_for_each(|call| world.attempt(call))?;
    let last = at.to_zoned(definitions.zone.0.clone()).checked_add(YEARS.years()).map_or(Timestamp::MAX, |z| z.timestamp());
    let mut end = None;
    for _ in 0..MOST {
        if world.behind.is_over() {
            end = Some(if world.behind.id.is_none() { End::NotBegun } else { End::Through });
            break;
        }
        if world.behind.decided > MOST_EVENTS {
            break;
        }
        if let Some(ask) = world.behind.asked(&definitions) {
            let now = world.now;
            world.decide(Draft::own("ifthen.command", now, Body::Command(Command::Task(Box::new(ask)))))?;
            continue;
        }
        if let Some(ask) = world.behind.awaited() {
            let now = world.now;
            world.decide(Draft::own("ifthen.command", now, Body::Command(Command::Run(Box::new(ask)))))?;
            continue;
        }
        match world.wake() {
            Some(wake) if wake <= last => world.pass(wake)?,
            Some(_) => break,
            None => {
                end = Some(world.behind.standing(&definitions));
                break;
            }
        }
    }
    Ok(Plan { rows: world.behind.rows(), end: end.unwrap_or(End::Further) })
}

/// The definitions with one rule more, which begins the run as rules do.
fn beginning(definitions: &Definitions, flow: &str) -> Definitions {
    let mut definitions = definitions.clone();
    definitions.rules.push(Rule {
        id: BEGIN.into(),
        when: vec![Trigger::Event(BEGIN.into())],
        then: vec![Action::Start(flow.to_owned())],
        enabled: true,
        ..Rule::default()
    });
    definitions.seal()
}

/// What stands behind the world: the store as it is, and what is noted of the run.
struct Side<'s> {
    store: &'s dyn Read,
    flow: &'s str,
    /// The run's id, once it has begun.
    id: Option<String>,
    run: Option<Run>,
    /// What people are asked, and whether they were answered for.
    tasks: BTreeMap<TaskId, (Task, u32)>,
    /// Under which step calls were ordered.
    calls: BTreeMap<CallId, String>,
    graph: Option<Arc<Flow>>,
    lines: Vec<(Line, String)>,
    /// Steps of its path that were looked at.
    passed: usize,
    /// Steps of its path whose lines were found.
    told: usize,
    decided: usize,
    /// What is still to happen.
    assumed: Assumed,
}

/// How often one task is decided: a sequence of people, those who are asked in their stead.
const ANSWERS: u32 = 50;

impl<'s> Side<'s> {
    fn new(store: &'s dyn Read, flow: &'s str, graph: Option<Arc<Flow>>) -> Self {
        let (tasks, calls) = (BTreeMap::new(), BTreeMap::new());
        Self {
            store,
            flow,
            id: None,
            run: None,
            tasks,
            calls,
            graph,
            lines: Vec::new(),
            passed: 0,
            told: 0,
            decided: 0,
            assumed: Assumed::default(),
        }
    }

    fn is_over(&self) -> bool {
        self.run.is_none()
    }

    /// The next decision of somebody who is asked.
    fn asked(&mut self, definitions: &Definitions) -> Option<Ask> {
        let open = |task: &Task| task.seats.iter().find(|s| s.state == Seated::Open).map(|s| s.person.clone());
        let (task, times, person) = self.tasks.values_mut().find_map(|(task, times)| {
            let person = open(task).filter(|_| task.ended.is_none() && *times < ANSWERS)?;
            Some((task, times, person))
        })?;
        *times += 1;
        let record = match task.record.as_ref().and_then(|r| self.store.load(&Key::Record(r.clone())).ok().flatten()).as_deref() {
            Some(Entry::Record(record)) => Some(Arc::clone(record)),
            _ => None,
        };
        let rejects = self.assumed.rejected.remove(&task.step);
        let act = match &task.form {
            _ if rejects => Act::Reject { to: None, here: false },
            Some(form) => Act::Answer(answers(definitions.forms.get(form), record.as_deref(), task.opened)),
            None => Act::Approve,
        };
        let (comment, links) = (if rejects { "--reject".to_owned() } else { String::new() }, Vec::new());
        Some(Ask { task: task.id, person, act, comment, links, way: "plan".into(), address: String::new() })
    }

    /// The next event that is to come, where one is waited for.
    fn awaited(&mut self) -> Option<flow::Ask> {
        let (run, flow) = (self.run.as_ref()?, self.graph.as_ref()?);
        let name =
            run.strands.values().filter(|s| s.waits.contains(&Wait::Event)).find_map(|s| match &flow.steps.get(s.at)?.kind {
                StepKind::Event(wait) if self.assumed.events.contains(&wait.event) => Some(wait.event.clone()),
                _ => None,
            })?;
        self.assumed.events.remove(&name);
        let act = flow::Act::Signal { name, data: Value::Null };
        Some(flow::Ask { run: run.id.clone(), act, by: String::new(), comment: String::new() })
    }

    /// The step of what is done inside, of which the log does not say it: the next of that kind on the path.
    fn done_at(&mut self, line: &Line) -> Option<String> {
        let (run, flow) = (self.run.as_ref()?, self.graph.as_ref()?);
        let does = |step: &str| matches!(flow.find(step).map(|at| &flow.steps[at].kind), Some(StepKind::Do(action)) if action.name() == line.action);
        let at = run.path.iter().skip(self.told).position(|p| p.how == How::Done && does(&p.step))? + self.told;
        self.told = at + 1;
        Some(run.path[at].step.clone())
    }

    /// Where a run stands that nothing will wake.
    fn standing(&self, definitions: &Definitions) -> End {
        let (Some(run), Some(flow)) = (&self.run, definitions.flows.get(self.flow)) else { return End::Through };
        let stands = run.stands(flow);
        let still = stands.iter().find_map(|(step, strand)| Some((step.clone(), strand.error.clone()?)));
        match still.or_else(|| Some((stands.first()?.0.clone(), run.failed.clone()?))) {
            Some((step, why)) => End::Stands { step, why },
            None => End::Waits(stands.into_iter().map(|(step, _)| step).collect()),
        }
    }

    /// Under which step a line was written.
    fn step(&self, line: &Line, run: Option<&Run>) -> String {
        let text = |name: &str| line.detail.at(&[name]).map(ToString::to_string).filter(|text| !text.is_empty());
        let of_task = || self.tasks.get(&text("task")?.parse().ok()?).map(|(task, _)| task.step.clone());
        let of_call = || self.calls.get(&text("call")?.parse().ok()?).cloned();
        let waiting = || {
            if let Some(event) = text("event").filter(|_| line.action == "wait") {
                let flow = self.graph.as_ref()?;
                let named = |step: &str| matches!(flow.find(step).map(|at| &flow.steps[at].kind), Some(StepKind::Event(w)) if w.event == event);
                return run?.stands(flow).into_iter().map(|(step, _)| step).find(|step| named(step));
            }
            let Some(Value::Time(until)) = line.detail.at(&["until"]) else { return None };
            let due = |wait: &Wait| matches!(wait, Wait::Timer(t) | Wait::Window(t) if t.due == until.as_millisecond());
            let flow = self.graph.as_ref()?;
            run?.stands(flow).into_iter().find(|(_, strand)| strand.waits.iter().any(due)).map(|(step, _)| step)
        };
        text("step").or_else(of_call).or_else(of_task).or_else(waiting).unwrap_or_default()
    }

    /// Steps that were passed over, where the log does not say so itself.
    fn skipped(&mut self, ours: &[Line]) {
        let Some(run) = &self.run else { return };
        for passed in run.path.iter().skip(self.passed).filter(|p| p.how == How::Skipped) {
            let said =
                |line: &&Line| line.detail.at(&["step"]).is_some_and(|s| s.to_string() == passed.step) && line.action == "step";
            let (None, Some(template)) = (ours.iter().find(said), ours.first()) else { continue };
            let step = self.graph.as_ref().and_then(|flow| Some(&flow.steps[flow.find(&passed.step)?]));
            let condition = step.and_then(|s| s.condition.as_ref()).map(|c| c.source()).unwrap_or_default();
            let detail = Value::from([("reason", "its condition does not hold".into()), ("if", condition.into())]);
            let (action, outcome) = ("step".to_owned(), log::Outcome::Suppressed);
            let line = Line { at: passed.to, action, outcome, detail, ..template.clone() };
            self.lines.push((line, passed.step.clone()));
        }
        self.passed = run.path.len();
    }

    /// What was done, each call when it went out.
    fn rows(&mut self) -> Vec<Row> {
        let mut ordered: BTreeMap<String, (Line, String)> = BTreeMap::new();
        let mut rows = Vec::new();
        for (line, step) in std::mem::take(&mut self.lines) {
            let call = line.detail.at(&["call"]).map(ToString::to_string).filter(|call| !call.is_empty());
            match (call, line.outcome) {
                (Some(call), log::Outcome::Fired) => drop(ordered.insert(call, (line, step))),
                (Some(call), log::Outcome::Done) => {
                    let at = line.at;
                    let (line, step) = ordered.remove(&call).unwrap_or((line, step));
                    rows.push(Row { at, step, line });
                }
                _ if line.action == "start" && line.outcome == log::Outcome::Fired => {}
                _ => rows.push(Row { at: line.at, step, line }),
            }
        }
        // Ordered, and still held back.
        rows.extend(ordered.into_values().map(|(line, step)| Row { at: line.at, step, line }));
        rows.sort_by_key(|row| row.at);
        rows
    }
}

impl Behind for Side<'_> {
    type Error = store::Error;

    /// What the world has changed is nowhere else.
    const KEEP: usize = usize::MAX;

    fn load(&mut self, key: &Key) -> Result<Option<Arc<Entry>>, store::Error> {
        match key {
            // Whether the record is in a run already, or was: what is asked is what one would come to.
            Key::Enrolled { flow, .. } if flow == self.flow => Ok(None),
            _ => self.store.load(key),
        }
    }

    fn keys(&self, _: &State, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, store::Error> {
        Ok(self.store.scan(prefix, after, limit)?.into_iter().map(|(key, _)| key).collect())
    }

    fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, store::Error> {
        Ok(self.store.events(after, limit)?.into_iter().map(|stored| stored.event).collect())
    }

    fn end(&mut self, _: &Call, _: Timestamp) -> Outcome {
        world::done()
    }

    fn settled(&mut self, done: Root) -> Result<(), store::Error> {
        self.decided += done.events.len();
        let begins = |line: &&Line| line.flow.as_deref() == Some(self.flow) && line.action == "start";
        if self.id.is_none() {
            let line = done.log.iter().find(begins);
            self.id = line.filter(|l| l.outcome == log::Outcome::Fired).and_then(|l| l.run.clone());
            let refused = line.filter(|_| self.id.is_none()).cloned();
            self.lines.extend(refused.map(|line| (line, String::new())));
        }
        for (_, change) in &done.changes {
            match (&change.key, change.entry.as_deref()) {
                (Key::Run(id), entry) if Some(id) == self.id.as_ref() => {
                    self.run = if let Some(Entry::Run(run)) = entry { Some(run.clone()) } else { None };
                }
                (Key::Task(id), Some(Entry::Task(task))) if Some(&task.run) == self.id.as_ref() => {
                    let times = self.tasks.get(id).map_or(0, |(_, times)| *times);
                    self.tasks.insert(*id, (task.clone(), times));
                }
                (Key::Task(id), None) => drop(self.tasks.remove(id)),
                (Key::Call(id), Some(Entry::Call(call))) if call.run.is_some() && call.run == self.id => {
                    let step = call.by.split_once('/').map_or("", |(_, step)| step);
                    self.calls.insert(*id, step.to_owned());
                }
                _ => {}
            }
        }
        let ours: Vec<Line> = done.log.into_iter().filter(|l| l.run.is_some() && l.run == self.id).collect();
        self.skipped(&ours);
        for line in ours {
            let mut step = self.step(&line, self.run.as_ref());
            if step.is_empty() {
                step = self.done_at(&line).unwrap_or_default();
            }
            self.lines.push((line, step));
        }
        Ok(())
    }
}

/// What a form is answered with: what the record says, or something of the right kind.
fn answers(form: Option<&Form>, record: Option<&Record>, now: Timestamp) -> Value {
    let fields = form.map(|f| f.fields.as_slice()).unwrap_or_default();
    let one = |field: &FormField| {
        let known = record.map(|r| r.value(&field.name).clone()).filter(|v| !v.is_empty());
        let some = || match &field.kind {
            FieldKind::Time => now.into(),
            FieldKind::Date => now.strftime("%Y-%m-%d").to_string().as_str().into(),
            FieldKind::Choice(words) => words.first().map_or(Value::Null, |word| word.as_str().into()),
            FieldKind::Boolean => true.into(),
            FieldKind::Number | FieldKind::Money | FieldKind::Percent => 1u64.into(),
            _ => "…".into(),
        };
        (field.name.clone(), known.unwrap_or_else(some))
    };
    Value::Map(fields.iter().map(one).collect::<Map>())
}

#[cfg(test)]
mod tests;
