//! Runs of flows: where each stands. Resuming is O(1) at any age: state, not replay. Linear steps for now: actions and waits.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::action::{self, Doing};
use super::call::CallId;
use super::decide::{Arrived, By, Deciding};
use super::definition::{Definitions, Deliver, Flow, Step, StepKind};
use super::event::RecordRef;
use super::explain::Verdict;
use super::gate::Imports;
use super::log::Outcome;
use super::rule;
use super::scope::Stop;
use super::state::{Entry, Key, Need, TimerId, Wake};
use super::value::{Map, Value};
use super::view::View;

/// One run of a flow.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// `r1042-1`.
    pub id: String,
    /// The flow's id.
    pub flow: String,
    /// The graph it is pinned to.
    pub graph: String,
    /// The record it is about.
    #[serde(default)]
    pub record: Option<RecordRef>,
    /// The data of the event that started it, as `event.x`.
    #[serde(default)]
    pub event: Value,
    /// Position of the step it stands at.
    pub step: usize,
    /// What it waits for there.
    #[serde(default)]
    pub waits: Vec<Wait>,
    /// Results of earlier steps, by step id: `steps.invoice.status`.
    #[serde(default)]
    pub steps: Map,
    /// When it began.
    pub started: Timestamp,
    /// Why it stopped at its step, if it did; a run that is through is no longer in the state.
    #[serde(default)]
    pub failed: Option<String>,
    /// Began on preview: nothing it does leaves.
    #[serde(default)]
    pub preview: bool,
}

/// What a run waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// A timer.
    Timer(TimerId),
    /// The outcome of a call.
    Call(CallId),
}

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
        if let Some(Entry::Enrolled(running)) = enrolled(draft, &key, record)?.as_deref() {
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
        draft.put(key, Entry::Enrolled(run_id.clone()));
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
        step: 0,
        waits: Vec::new(),
        steps: Map::new(),
        started: draft.event.at,
        failed: None,
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
    let waited = run.waits.len();
    run.waits.retain(|w| w != wait);
    if run.waits.len() == waited {
        return Ok(());
    }
    match answer {
        Some(Err(error)) => {
            run.waits.push(wait.clone());
            fail(draft, run, flow, error);
            return Ok(());
        }
        Some(Ok(answer)) => {
            if let Some(step) = flow.steps.get(run.step) {
                run.steps.insert(step.id.clone(), answer.clone());
            }
        }
        None => {}
    }
    if run.waits.is_empty() {
        run.failed = None;
        run.step += 1;
        return advance(draft, run, flow);
    }
    draft.put(Key::Run(run.id.clone()), Entry::Run(run));
    Ok(())
}

/// Goes on from the run's step until something is to be waited for, or the end.
fn advance(draft: &mut Deciding<'_>, mut run: Run, flow: &Flow) -> Result<(), Need> {
    while let Some(step) = flow.steps.get(run.step) {
        let by = by(&run, Some(step));
        match one(draft, &mut run, flow, step, &by) {
            Ok(()) if run.waits.is_empty() => run.step += 1,
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
    draft.say_of(&by, run.record.clone(), "end", Outcome::Done, Value::from([("steps", (run.step as u64).into())]));
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
        let (data, steps) = (&run.event, Some(&run.steps));
        let view = View { deciding: draft, record, data, old: None, steps, calendar, arrival: false, letting: None };
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
            run.waits.push(Wait::Timer(timer));
        }
        StepKind::Do(action) => {
            let (data, steps) = (&run.event, Some(&run.steps));
            let doing = Doing { by, record: run.record.as_ref(), data, old: None, steps, calendar, letting: None };
            let calls = action::perform(draft, action, &doing)?;
            run.waits.extend(calls.into_iter().map(Wait::Call));
        }
    }
    Ok(())
}

fn fail(draft: &mut Deciding<'_>, mut run: Run, flow: &Flow, why: &str) {
    let step = flow.steps.get(run.step);
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

/// What became of the runs of a record that was merged into another.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Moved {
    /// They go on with the winner.
    #[serde(default)]
    pub moved: Vec<String>,
    /// They ended, since the winner is in a run of that flow itself.
    #[serde(default)]
    pub ended: Vec<String>,
}

/// A record was merged into another: its runs go on with that; of two of one flow the loser's ends as `merged`.
pub(super) fn merged(draft: &mut Deciding<'_>, loser: &RecordRef, winner: &RecordRef) -> Result<Moved, Need> {
    let definitions: &Definitions = draft.definitions;
    let mut moved = Moved::default();
    for flow in definitions.flows.keys() {
        let Some((place, theirs)) = live(draft, flow, loser)? else { continue };
        draft.remove(place);
        let own = live(draft, flow, winner)?;
        if own.as_ref().is_some_and(|(_, own)| own.failed.is_none()) {
            let detail = Value::from([("reason", "merged".into())]);
            draft.say_of(&by(&theirs, None), Some(winner.clone()), "run", Outcome::Suppressed, detail);
            for wait in &theirs.waits {
                if let Wait::Timer(timer) = wait {
                    draft.remove(Key::Timer(*timer));
                }
            }
            draft.remove(Key::Run(theirs.id.clone()));
            moved.ended.push(theirs.id);
            continue;
        }
        // One that has stopped at a step for good gives way, as it does to a new one.
        if let Some((place, own)) = own {
            draft.remove(place);
            draft.remove(Key::Run(own.id));
        }
        draft.put(Key::Enrolled { flow: theirs.flow.clone(), subject: winner.to_string() }, Entry::Enrolled(theirs.id.clone()));
        moved.moved.push(theirs.id.clone());
        let run = Run { record: Some(winner.clone()), ..theirs };
        draft.put(Key::Run(run.id.clone()), Entry::Run(run));
    }
    Ok(moved)
}

/// The records are two again: runs that moved go back as far as they have not ended. Those that cannot be had again.
pub(super) fn unmerged(
    draft: &mut Deciding<'_>,
    runs: &Moved,
    loser: &RecordRef,
    winner: &RecordRef,
) -> Result<Vec<String>, Need> {
    let mut lost = runs.ended.clone();
    for id in &runs.moved {
        let entry = draft.get(&Key::Run(id.clone()))?;
        let Some(Entry::Run(run)) = entry.as_deref().filter(|e| matches!(e, Entry::Run(r) if r.record.as_ref() == Some(winner)))
        else {
            lost.push(id.clone());
            continue;
        };
        draft.remove(Key::Enrolled { flow: run.flow.clone(), subject: winner.to_string() });
        draft.put(Key::Enrolled { flow: run.flow.clone(), subject: loser.to_string() }, Entry::Enrolled(id.clone()));
        let run = Run { record: Some(loser.clone()), ..run.clone() };
        draft.put(Key::Run(id.clone()), Entry::Run(run));
    }
    Ok(lost)
}

/// The run of a flow that a record is in, as long as it is there, and where that stands; also under a former id of the flow.
fn live(draft: &Deciding<'_>, flow: &str, record: &RecordRef) -> Result<Option<(Key, Run)>, Need> {
    let former = draft.definitions.flow_gates.get(flow).map(|g| g.was.as_slice()).unwrap_or_default();
    for id in std::iter::once(flow).chain(former.iter().map(String::as_str)) {
        let key = Key::Enrolled { flow: id.to_owned(), subject: record.to_string() };
        let entry = draft.get(&key)?;
        let Some(Entry::Enrolled(run)) = entry.as_deref() else { continue };
        if let Some(Entry::Run(run)) = draft.get(&Key::Run(run.clone()))?.as_deref() {
            return Ok(Some((key, run.clone())));
        }
    }
    Ok(None)
}
