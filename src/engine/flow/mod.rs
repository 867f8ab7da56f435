//! Runs of flows: where each stands. Resuming is O(1) at any age: state, not replay. Linear steps for now: actions and waits.

mod local;
mod merged;
mod run;

pub(super) use local::Local;
pub use merged::Moved;
pub(super) use merged::{merged, unmerged};
pub use run::*;

use std::sync::Arc;

use crate::engine::action::{self, Doing};
use crate::engine::call::CallId;
use crate::engine::decide::{Arrived, By, Deciding};
use crate::engine::definition::{Definitions, Deliver, Flow, Step, StepKind};
use crate::engine::event::RecordRef;
use crate::engine::explain::Verdict;
use crate::engine::gate::Imports;
use crate::engine::log::Outcome;
use crate::engine::rule;
use crate::engine::scope::Stop;
use crate::engine::state::{Entry, Key, Need, TimerId, Wake};
use crate::engine::value::{Map, Value};
use crate::engine::view::View;

/// Flows that the event starts.
pub(super) fn wake(draft: &mut Deciding<'_>, arrived: &Arrived<'_>) -> Result<(), Need> {
    let definitions: &Definitions = draft.definitions;
    for id in definitions.index.flows(&draft.event.name) {
        let Some(flow) = definitions.flows.get(&id) else { continue };
        if !rule::wakes(&flow.when, draft.event) {
            continue;
        }
        let gates = definitions.flow_gates.get(&id);
        let silent = draft.batch.is_some() && gates.is_none_or(|g| g.imports == Imports::Silent);
        let by = By { flow: Some(id.clone()), preview: flow.deliver == Deliver::Preview, silent, ..By::default() };
        let about = draft.about.clone();
        if let Some(gates) = gates
            && let Some(verdict) = rule::gate::before(draft, &id, gates, about.as_ref())?
        {
            rule::gate::stop(draft, &by, about.as_ref(), "start", verdict);
            continue;
        }
        let arrived = &arrived.seen_by(&flow.lets, flow.calendar.as_deref());
        let unevaluable = match rule::holds(draft, flow.condition.as_ref(), arrived)? {
            Ok(true) => match start(draft, &id, about.as_ref(), &arrived.data, &by) {
                Err(Stop::Need(need)) => return Err(need),
                Err(Stop::Unevaluable(why)) => why,
                Ok(started) => {
                    draft.judge(&by, || started.into());
                    continue;
                }
            },
            Ok(false) => {
                draft.judge(&by, || Verdict::NotMet { stopped: None });
                continue;
            }
            Err(why) => why,
        };
        refuse(draft, &by, &unevaluable);
        draft.judge(&by, || Verdict::Unevaluable(unevaluable));
    }
    Ok(())
}

/// What became of starting a run.
#[derive(Debug)]
pub(super) enum Started {
    /// It runs, or is through already.
    Runs,
    /// The record is in this run of the flow.
    Already(String),
    /// The flow is switched off.
    Disabled,
    /// An import would have started it, and it does not react to those.
    Imported,
}

impl From<Started> for Verdict {
    fn from(started: Started) -> Self {
        match started {
            Started::Runs => Self::Fired,
            Started::Already(run) => Self::Runs { run },
            Started::Disabled => Self::Disabled,
            Started::Imported => Self::Imported,
        }
    }
}

fn refuse(draft: &mut Deciding<'_>, by: &By, why: &str) {
    draft.say(by, "start", Outcome::Failed, Value::from([("reason", "unevaluable".into()), ("error", why.into())]));
}

/// Starts a run, unless the record is in one of this flow already.
pub(super) fn start(
    draft: &mut Deciding<'_>,
    id: &str,
    record: Option<&RecordRef>,
    data: &Value,
    by: &By,
) -> Result<Started, Stop> {
    let flow = draft.definitions.flows.get(id).cloned();
    let flow = flow.ok_or_else(|| Stop::Unevaluable(format!("there is no flow {id}")))?;
    let mut line = By { flow: Some(id.to_owned()), ..by.clone() };
    if !flow.enabled {
        draft.say_of(&line, record.cloned(), "start", Outcome::Suppressed, Value::from([("reason", "disabled".into())]));
        return Ok(Started::Disabled);
    }
    if by.silent {
        draft.say_of(&line, record.cloned(), "start", Outcome::Suppressed, Value::from([("reason", "import".into())]));
        return Ok(Started::Imported);
    }
    if let (Some(entity), Some(record)) = (&flow.record, record)
        && *entity != record.entity
    {
        return Err(Stop::Unevaluable(format!("{id} is about a {entity}, not about {record}")));
    }
    if !draft.may_start() {
        return Err(Stop::Unevaluable("flows start each other without end".into()));
    }
    let run_id = format!("r{}-{}", draft.event.seq, draft.number());
    if let Some(record) = record {
        let key = Key::Enrolled { flow: id.to_owned(), subject: record.to_string() };
        if let Some(Entry::Enrolled(Enrolment { runs, .. })) = enrolled(draft, &key, record)?.as_deref()
            && let Some(running) = runs.first()
        {
            let former = draft.get(&Key::Run(running.clone()))?;
            let stuck = matches!(former.as_deref(), Some(Entry::Run(run)) if run.failed.is_some());
            if stuck {
                // A run that is parked for good must not keep the record out for good.
                draft.remove(Key::Run(running.clone()));
            }
            let detail = Value::from([("reason", "already runs".into()), ("by", running.as_str().into())]);
            if !stuck {
                draft.say_of(&line, Some(record.clone()), "start", Outcome::Suppressed, detail);
                return Ok(Started::Already(running.clone()));
            }
        }
        draft.put(key, Entry::Enrolled(Enrolment { runs: vec![run_id.clone()], ..Enrolment::default() }));
    }
    let graph = Key::Graph(flow.hash.clone());
    if draft.get(&graph)?.is_none() {
        draft.put(graph, Entry::Graph(Arc::clone(&flow)));
    }
    line.run = Some(run_id.clone());
    draft.say_of(&line, record.cloned(), "start", Outcome::Fired, Value::Map(Map::new()));
    let run = Run {
        id: run_id,
        flow: id.to_owned(),
        graph: flow.hash.clone(),
        record: record.cloned(),
        event: data.clone(),
        subject: record.map(ToString::to_string).unwrap_or_default(),
        initiator: None,
        strands: [(0, Strand::new(0, draft.event.at))].into(),
        next: 1,
        round: 1,
        steps: Map::new(),
        vars: Map::new(),
        path: Vec::new(),
        undoable: Vec::new(),
        then: None,
        signals: Vec::new(),
        awaits: std::collections::BTreeSet::new(),
        resume: None,
        deadline: None,
        started: draft.event.at,
        failed: None,
        failing: None,
        preview: by.preview || flow.deliver == Deliver::Preview,
    };
    advance(draft, run, &flow)?;
    Ok(Started::Runs)
}

/// The run of a flow that a record is in; also under a former id of the flow.
fn enrolled(draft: &Deciding<'_>, key: &Key, record: &RecordRef) -> Result<Option<Arc<Entry>>, Need> {
    let found = draft.get(key)?;
    let Key::Enrolled { flow, .. } = key else { return Ok(found) };
    let former = draft.definitions.flow_gates.get(flow).map(|g| g.was.as_slice()).unwrap_or_default();
    for old in former.iter().filter(|_| found.is_none()) {
        let old = draft.get(&Key::Enrolled { flow: old.clone(), subject: record.to_string() })?;
        if old.is_some() {
            return Ok(old);
        }
    }
    Ok(found)
}

/// A run's timer reached its due time.
pub(super) fn due(draft: &mut Deciding<'_>, id: &str, timer: TimerId) -> Result<(), Need> {
    resume(draft, id, &Wait::Timer(timer), None)
}

/// A call that a run waits for came to an end.
pub(super) fn answered(draft: &mut Deciding<'_>, run: &str, call: CallId, answer: Result<&Value, &str>) -> Result<(), Need> {
    resume(draft, run, &Wait::Call(call), Some(answer))
}

/// A call that a run waits for was discarded by hand: the run ends with it, so that its record can begin anew.
pub(super) fn abandon(draft: &mut Deciding<'_>, id: &str) -> Result<(), Need> {
    let Some(entry) = draft.get(&Key::Run(id.to_owned()))? else { return Ok(()) };
    let Entry::Run(run) = entry.as_ref() else { return Ok(()) };
    draft.say_of(&by(run, None), run.record.clone(), "run", Outcome::Suppressed, Value::from([("reason", "discarded".into())]));
    leave(draft, run);
    Ok(())
}

/// The run is over: its place is free.
fn leave(draft: &mut Deciding<'_>, run: &Run) {
    if let Some(record) = &run.record {
        draft.remove(Key::Enrolled { flow: run.flow.clone(), subject: record.to_string() });
    }
    draft.remove(Key::Run(run.id.clone()));
}

/// What a run waits for has come; it goes on once nothing else is waited for.
fn resume(draft: &mut Deciding<'_>, id: &str, wait: &Wait, answer: Option<Result<&Value, &str>>) -> Result<(), Need> {
    let Some(entry) = draft.get(&Key::Run(id.to_owned()))? else { return Ok(()) };
    let Entry::Run(run) = entry.as_ref() else { return Ok(()) };
    let graph = draft.get(&Key::Graph(run.graph.clone()))?;
    let Some(Entry::Graph(flow)) = graph.as_deref() else { return Ok(()) };
    let mut run = run.clone();
    // A dead call that is retried by hand and then succeeds takes its run along.
    let waited = run.strands.entry(0).or_insert_with(|| Strand::new(0, draft.event.at)).waits.len();
    run.strands.entry(0).or_insert_with(|| Strand::new(0, draft.event.at)).waits.retain(|w| w != wait);
    if run.strands.entry(0).or_insert_with(|| Strand::new(0, draft.event.at)).waits.len() == waited {
        return Ok(());
    }
    match answer {
        Some(Err(error)) => {
            run.strands.entry(0).or_insert_with(|| Strand::new(0, draft.event.at)).waits.push(wait.clone());
            fail(draft, run, flow, error);
            return Ok(());
        }
        Some(Ok(answer)) => {
            if let Some(step) = flow.steps.get(run.strands.get(&0).map_or(0, |s| s.at)) {
                run.steps.insert(step.id.clone(), answer.clone());
            }
        }
        None => {}
    }
    if run.strands.entry(0).or_insert_with(|| Strand::new(0, draft.event.at)).waits.is_empty() {
        run.failed = None;
        run.strands.entry(0).or_insert_with(|| Strand::new(0, draft.event.at)).at += 1;
        return advance(draft, run, flow);
    }
    draft.put(Key::Run(run.id.clone()), Entry::Run(run));
    Ok(())
}

/// Goes on from the run's step until something is to be waited for, or the end.
fn advance(draft: &mut Deciding<'_>, mut run: Run, flow: &Flow) -> Result<(), Need> {
    while let Some(step) = flow.steps.get(run.strands.get(&0).map_or(0, |s| s.at)) {
        let by = by(&run, Some(step));
        match one(draft, &mut run, flow, step, &by) {
            Ok(()) if run.strands.entry(0).or_insert_with(|| Strand::new(0, draft.event.at)).waits.is_empty() => {
                run.strands.entry(0).or_insert_with(|| Strand::new(0, draft.event.at)).at += 1
            }
            Ok(()) => {
                draft.put(Key::Run(run.id.clone()), Entry::Run(run));
                return Ok(());
            }
            Err(Stop::Need(need)) => return Err(need),
            Err(Stop::Unevaluable(why)) => {
                fail(draft, run, flow, &why);
                return Ok(());
            }
        }
    }
    let by = by(&run, None);
    draft.say_of(
        &by,
        run.record.clone(),
        "end",
        Outcome::Done,
        Value::from([("steps", (run.strands.get(&0).map_or(0, |s| s.at) as u64).into())]),
    );
    leave(draft, &run);
    Ok(())
}

/// One step: done, or begun and waited for.
fn one(draft: &mut Deciding<'_>, run: &mut Run, flow: &Flow, step: &Step, by: &By) -> Result<(), Stop> {
    let calendar = flow.calendar.as_deref();
    if let Some(condition) = &step.condition {
        let record = match &run.record {
            Some(at) => draft.record(at)?.map(|r| (at.clone(), r)),
            None => None,
        };
        let local = Local { run, scope: None, items: &Map::new(), answer: None };
        let (data, local) = (&run.event, Some(&local));
        let view = View { deciding: draft, record, data, old: None, local, calendar, arrival: false, letting: None };
        if !condition.test(&view)? {
            return Ok(());
        }
    }
    match &step.kind {
        StepKind::Wait(span) => {
            // Counted from the instant of the event, not of the decision: a run that was resumed late does not drift.
            let (definitions, at) = (draft.definitions, draft.event.at);
            let due = span.after(at, &definitions.zone.0, definitions.calendar(calendar).map(Arc::as_ref));
            let due = due.ok_or_else(|| Stop::Unevaluable(format!("no calendar tells when {span} are over")))?;
            let timer = TimerId { due: due.as_millisecond().max(0), seq: draft.event.seq, n: draft.number() };
            draft.put(Key::Timer(timer), Entry::Timer(Wake::Run(run.id.clone())));
            draft.say_of(by, run.record.clone(), "wait", Outcome::Fired, Value::from([("until", due.into())]));
            run.strands.entry(0).or_insert_with(|| Strand::new(0, draft.event.at)).waits.push(Wait::Timer(timer));
        }
        StepKind::Do(action) => {
            let local = Local { run, scope: None, items: &Map::new(), answer: None };
            let (data, local, retry) = (&run.event, Some(&local), None);
            let doing = Doing { by, record: run.record.as_ref(), data, old: None, local, retry, calendar, letting: None };
            let calls = action::perform(draft, action, &doing)?;
            run.strands
                .entry(0)
                .or_insert_with(|| Strand::new(0, draft.event.at))
                .waits
                .extend(calls.into_iter().map(Wait::Call));
        }
        _ => return Err(Stop::Unevaluable("not yet".into())),
    }
    Ok(())
}

fn fail(draft: &mut Deciding<'_>, mut run: Run, flow: &Flow, why: &str) {
    let step = flow.steps.get(run.strands.get(&0).map_or(0, |s| s.at));
    let at = step.map(|s| s.id.as_str()).unwrap_or_default();
    let detail = Value::from([("reason", "parked".into()), ("step", at.into()), ("error", why.into())]);
    draft.say_of(&by(&run, step), run.record.clone(), "run", Outcome::Failed, detail);
    run.failed = Some(why.to_owned());
    draft.put(Key::Run(run.id.clone()), Entry::Run(run));
}

fn by(run: &Run, step: Option<&Step>) -> By {
    By {
        rule: None,
        flow: Some(run.flow.clone()),
        run: Some(run.id.clone()),
        step: step.map(|s| s.id.clone()),
        preview: run.preview,
        via: None,
        silent: false,
    }
}
