//! Which runs there are: whether one may begin, what a record is in, what waits for its turn.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::walk::Walk;
use super::{Enrolment, Queued, Run, Started, Strand, event};
use crate::engine::action;
use crate::engine::decide::{By, Deciding};
use crate::engine::definition::{Again, Definitions, Deliver, Flow, Mode};
use crate::engine::event::RecordRef;
use crate::engine::log::Outcome;
use crate::engine::planted::Bug;
use crate::engine::scope::Stop;
use crate::engine::state::{Entry, Key, Need, TimerId, Wake};
use crate::engine::value::{Map, Value};
use crate::engine::view::View;

/// Starts that may wait for their turn, and runs of one record at the same time.
const MOST: usize = 100;

/// Starts a run, unless the flow says that the record may not begin one now.
pub(in crate::engine) fn start(
    draft: &mut Deciding<'_>,
    id: &str,
    record: Option<&RecordRef>,
    data: &Value,
    by: &By,
) -> Result<Started, Stop> {
    let definitions: &Definitions = draft.definitions;
    let flow = definitions.flows.get(id).cloned();
    let flow = flow.ok_or_else(|| Stop::Unevaluable(format!("there is no flow {id}")))?;
    let line = By { flow: Some(id.to_owned()), ..by.clone() };
    let refuse = |draft: &mut Deciding<'_>, members: Vec<(&str, Value)>| {
        let detail = members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        draft.say_of(&line, record.cloned(), "start", Outcome::Suppressed, Value::Map(detail));
    };
    if !flow.enabled {
        refuse(draft, vec![("reason", "disabled".into())]);
        return Ok(Started::Disabled);
    }
    if by.silent {
        refuse(draft, vec![("reason", "import".into())]);
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
    let preview = by.preview || flow.deliver == Deliver::Preview;
    let start = Queued { record: record.cloned(), event: data.clone(), preview, at: draft.event.at };
    let Some(subject) = subject(draft, &flow, &start)? else {
        begin(draft, &flow, String::new(), start, by)?;
        return Ok(Started::Runs);
    };
    let key = Key::Enrolled { flow: id.to_owned(), subject: subject.clone() };
    let mut enrolment = enrolled(draft, &key)?;
    if let Some(until) = too_soon(draft, &flow, &enrolment) {
        refuse(draft, vec![("reason", "again".into()), ("last", enrolment.last.into()), ("until", until.into())]);
        draft.put(key, Entry::Enrolled(enrolment.clone()));
        return Ok(Started::Before { last: enrolment.last.unwrap_or(draft.event.at), until });
    }
    let stuck = tidy(draft, &mut enrolment)?;
    if let Some(running) = enrolment.runs.first().filter(|_| !draft.definitions.planted(Bug::SecondRun)).cloned() {
        match flow.mode {
            Mode::Parallel if enrolment.runs.len() < MOST => {}
            Mode::Restart if line.run.as_ref() != Some(&running) => {
                draft.put(key.clone(), Entry::Enrolled(enrolment));
                if let Some(mut walk) = Walk::load(draft, &running)? {
                    walk.end("restarted", Outcome::Suppressed)?;
                    walk.go()?;
                }
            }
            Mode::Queued if enrolment.queue.len() < MOST => {
                refuse(draft, vec![("reason", "queued".into()), ("by", running.as_str().into())]);
                enrolment.queue.push(start);
                draft.put(key, Entry::Enrolled(enrolment));
                return Ok(Started::Already(running));
            }
            _ => {
                let why = stuck.map(|why| ("error", why.into()));
                refuse(
                    draft,
                    [("reason", "already runs".into()), ("by", running.as_str().into())].into_iter().chain(why).collect(),
                );
                draft.put(key, Entry::Enrolled(enrolment));
                return Ok(Started::Already(running));
            }
        }
    } else {
        draft.put(key, Entry::Enrolled(enrolment));
    }
    begin(draft, &flow, subject, start, by)?;
    Ok(Started::Runs)
}

/// Of what there is one run at a time; nothing: there is nothing of which it could be one.
fn subject(draft: &Deciding<'_>, flow: &Flow, start: &Queued) -> Result<Option<String>, Stop> {
    let Some(per) = &flow.once_per else { return Ok(start.record.as_ref().map(ToString::to_string)) };
    let value = per.eval(&of(draft, flow, start)?)?;
    if value.is_empty() {
        return Err(Stop::Unevaluable(format!("{} is missing", per.source())));
    }
    Ok(Some(value.to_string()))
}

fn of<'v>(draft: &'v Deciding<'v>, flow: &'v Flow, start: &'v Queued) -> Result<View<'v>, Stop> {
    let record = match &start.record {
        Some(at) => draft.record(at)?.map(|r| (at.clone(), r)),
        None => None,
    };
    Ok(View::of_record(draft, record, &start.event, flow.calendar.as_deref()))
}

/// What is known of the runs under a key; also under a former id of the flow.
fn enrolled(draft: &mut Deciding<'_>, key: &Key) -> Result<Enrolment, Need> {
    let read = |draft: &Deciding<'_>, key: &Key| -> Result<Option<Enrolment>, Need> {
        Ok(draft.get(key)?.and_then(|e| if let Entry::Enrolled(e) = e.as_ref() { Some(e.clone()) } else { None }))
    };
    if let Some(found) = read(draft, key)? {
        return Ok(found);
    }
    let Key::Enrolled { flow, subject } = key else { return Ok(Enrolment::default()) };
    let definitions: &Definitions = draft.definitions;
    for old in definitions.flow_gates.get(flow).map(|g| g.was.as_slice()).unwrap_or_default() {
        if let Some(found) = read(draft, &Key::Enrolled { flow: old.clone(), subject: subject.clone() })? {
            return Ok(found);
        }
    }
    Ok(Enrolment::default())
}

/// Runs that are no more do not keep the record out. One that stands still does: it waits for a person, who says what becomes of it
/// and of what was decided in it. Why the first stands still, if it does.
fn tidy(draft: &Deciding<'_>, enrolment: &mut Enrolment) -> Result<Option<String>, Need> {
    let mut stuck = None;
    for id in enrolment.runs.clone() {
        match draft.get(&Key::Run(id.clone()))?.as_deref() {
            Some(Entry::Run(run)) => stuck = stuck.or_else(|| run.failed.clone()),
            _ => enrolment.runs.retain(|r| *r != id),
        }
    }
    Ok(stuck)
}

/// Until when the record may not begin again, if it may not; `Timestamp::MAX`: never.
fn too_soon(draft: &Deciding<'_>, flow: &Flow, enrolment: &Enrolment) -> Option<jiff::Timestamp> {
    let last = enrolment.last?;
    match flow.again {
        Again::Always => None,
        Again::Never => Some(jiff::Timestamp::MAX),
        Again::After(span) => {
            let definitions = draft.definitions;
            let calendar = definitions.calendar(flow.calendar.as_deref()).map(Arc::as_ref);
            span.after(last, &definitions.zone.0, calendar).filter(|until| draft.event.at < *until)
        }
    }
}

/// A run begins.
fn begin(draft: &mut Deciding<'_>, flow: &Arc<Flow>, subject: String, start: Queued, by: &By) -> Result<(), Stop> {
    let id = format!("r{}-{}", draft.event.seq, draft.number());
    let (vars, initiator) = {
        let view = of(draft, flow, &start)?;
        let vars: Map = flow.vars.iter().map(|(k, t)| Ok((k.clone(), action::term(t, &view)?))).collect::<Result<_, Stop>>()?;
        let initiator = match &flow.initiator {
            Some(who) => view.who(std::slice::from_ref(who))?.into_iter().next(),
            None => None,
        };
        (vars, initiator)
    };
    if !subject.is_empty() {
        let key = Key::Enrolled { flow: flow.id.clone(), subject: subject.clone() };
        let mut enrolment = enrolled(draft, &key)?;
        enrolment.runs.push(id.clone());
        enrolment.last = Some(draft.event.at);
        draft.put(key, Entry::Enrolled(enrolment));
    }
    let graph = Key::Graph(flow.hash.clone());
    if draft.get(&graph)?.is_none() {
        draft.put(graph, Entry::Graph(Arc::clone(flow)));
    }
    let line = By { flow: Some(flow.id.clone()), run: Some(id.clone()), ..by.clone() };
    draft.say_of(&line, start.record.clone(), "start", Outcome::Fired, Value::Map(Map::new()));
    let run = Run {
        id,
        flow: flow.id.clone(),
        graph: flow.hash.clone(),
        record: start.record,
        subject,
        initiator,
        event: start.event,
        strands: [(0, Strand::new(0, draft.event.at))].into(),
        next: 1,
        round: 1,
        steps: Map::new(),
        vars,
        path: Vec::new(),
        left: 0,
        undoable: Vec::new(),
        then: None,
        keep: 0,
        signals: Vec::new(),
        awaits: BTreeSet::new(),
        revising: false,
        resume: None,
        deadline: None,
        started: draft.event.at,
        failed: None,
        failing: None,
        preview: start.preview,
    };
    let linked = if flow.format == 0 { Arc::new(Flow::clone(flow).linked()) } else { Arc::clone(flow) };
    let mut walk = Walk::new(draft, run, linked);
    walk.ready.push_back(0);
    if let Some(within) = walk.flow.within {
        match walk.after(within) {
            Ok(due) => walk.run.deadline = Some(walk.timer(due)),
            Err(why) => walk.park(0, &why),
        }
    }
    event::register_all(&mut walk)?;
    walk.draft.deep += 1;
    walk.go_on()?;
    walk.draft.deep -= 1;
    walk.keep();
    Ok(())
}

/// The run is over: its place is free, and whoever waits for it begins.
pub(super) fn leave(draft: &mut Deciding<'_>, run: &Run, flow: &Flow) -> Result<(), Need> {
    draft.remove(Key::Run(run.id.clone()));
    if let Some(timer) = run.deadline {
        draft.remove(Key::Timer(timer));
    }
    event::forget(draft, run)?;
    if run.subject.is_empty() {
        return Ok(());
    }
    let key = Key::Enrolled { flow: run.flow.clone(), subject: run.subject.clone() };
    let mut enrolment = enrolled(draft, &key)?;
    enrolment.runs.retain(|r| *r != run.id);
    draft.put(key.clone(), Entry::Enrolled(enrolment));
    next_start(draft, &key, flow.again)
}

/// The next of those that wait begins, unless one runs. Where this decision has started as many as it may, it begins in the next one.
/// `again`: as the flow said, where it is there no more.
pub(in crate::engine) fn next_start(draft: &mut Deciding<'_>, key: &Key, again: Again) -> Result<(), Need> {
    let Key::Enrolled { flow: id, subject } = key else { return Ok(()) };
    let definitions: &Definitions = draft.definitions;
    let flow = definitions.flows.get(id);
    loop {
        let mut enrolment = enrolled(draft, key)?;
        if !enrolment.runs.is_empty() {
            return Ok(());
        }
        if enrolment.queue.is_empty() {
            if enrolment.is_empty(flow.map_or(again, |f| f.again)) {
                draft.remove(key.clone());
            }
            return Ok(());
        }
        if !draft.may_start() {
            let timer = TimerId { due: draft.now.as_millisecond().max(0), seq: draft.event.seq, n: draft.number() };
            draft.put(Key::Timer(timer), Entry::Timer(Wake::Next(key.clone())));
            return Ok(());
        }
        let next = enrolment.queue.remove(0);
        draft.put(key.clone(), Entry::Enrolled(enrolment));
        let by = By { flow: Some(id.clone()), preview: next.preview, ..By::default() };
        let record = next.record.clone();
        let Some(flow) = flow.filter(|f| f.enabled) else {
            draft.say_of(&by, record, "start", Outcome::Suppressed, Value::from([("reason", "disabled".into())]));
            continue;
        };
        match begin(draft, flow, subject.clone(), next, &by) {
            Ok(()) => return Ok(()),
            Err(Stop::Need(need)) => return Err(need),
            Err(Stop::Unevaluable(why)) => {
                let detail = Value::from([("reason", "unevaluable".into()), ("error", why.into())]);
                draft.say_of(&by, record, "start", Outcome::Failed, detail);
            }
        }
    }
}
