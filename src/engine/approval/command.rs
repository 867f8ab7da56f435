//! Tasks within a decision of the engine: what people ask is done or refused, time runs out, the run leaves the step. Writes the log
//! and tells those who are asked; who may do what is decided beside it.

use jiff::{SignedDuration, Timestamp};

use super::act::{self, Done};
use super::outcome::{Outcome, line, result, stands_for};
use super::refusal::Refusal;
use super::seats::{Desk, open};
use super::{Act, Ask, End, Seated, Task, TaskId, begin, form, notice, proof, recall};
use crate::engine::decide::{By, Deciding};
use crate::engine::flow;
use crate::engine::log::Outcome as Said;
use crate::engine::scope::Stop;
use crate::engine::state::{Entry, Key, Need, TimerId, Wake};
use crate::engine::value::{Map, Value};

/// For how long a task that has ended can be asked about: links in mails say what became of it.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A person does something about a task.
pub(in crate::engine) fn command(draft: &mut Deciding<'_>, ask: &Ask) -> Result<(), Need> {
    if matches!(ask.act, Act::SendCode | Act::WrongCode | Act::RightCode) {
        return proof::command(draft, ask);
    }
    let Some(mut task) = load(draft, ask.task)? else { return refuse(draft, None, ask, &Refusal::UnknownTask) };
    if ask.act == Act::Recall && task.ended.as_ref().is_some_and(|e| e.how == End::Approved) {
        return recall_ended(draft, task, ask);
    }
    let was = task.clone();
    let desk = Desk { people: &draft.definitions.people, at: draft.event.at };
    let done = form::answers(draft.definitions, &task, ask).and_then(|answers| act::act(&mut task, ask, answers, &desk));
    match done {
        Err(refusal) => refuse(draft, Some(&task), ask, &refusal),
        Ok(done) => {
            say(draft, &task, ask, &done, &was);
            go_on(draft, task, &done.asked, &ask.comment)
        }
    }
}

fn load(draft: &Deciding<'_>, id: TaskId) -> Result<Option<Task>, Need> {
    Ok(draft.get(&Key::Task(id))?.and_then(|e| if let Entry::Task(task) = e.as_ref() { Some(task.clone()) } else { None }))
}

fn open_task(draft: &Deciding<'_>, id: TaskId) -> Result<Option<Task>, Need> {
    Ok(load(draft, id)?.filter(|task| task.ended.is_none()))
}

/// After something was done: those who are asked are told; one that has ended is told to the flow.
fn go_on(draft: &mut Deciding<'_>, mut task: Task, asked: &[usize], word: &str) -> Result<(), Need> {
    notice::tell(draft, &mut task, asked, false, word)?;
    let Some(outcome) = result(&task) else {
        draft.put(Key::Task(task.id), Entry::Task(task));
        return Ok(());
    };
    keep(draft, &mut task);
    write_answers(draft, &task, &outcome)?;
    flow::decided(draft, &task, outcome)
}

/// What has ended is kept so long that links can say how.
fn keep(draft: &mut Deciding<'_>, task: &mut Task) {
    let due = draft.event.at.saturating_add(KEPT).unwrap_or(Timestamp::MAX);
    let timer = TimerId { due: due.as_millisecond().max(0), seq: draft.event.seq, n: draft.number() };
    draft.put(Key::Timer(timer), Entry::Timer(Wake::Forget(Key::Task(task.id))));
    task.forget = Some(timer);
    draft.put(Key::Task(task.id), Entry::Task(task.clone()));
}

/// `set: true`: the answers are the record's values.
fn write_answers(draft: &mut Deciding<'_>, task: &Task, outcome: &Outcome) -> Result<(), Need> {
    let (true, Some(at), End::Approved) = (task.set, &task.record, &outcome.how) else { return Ok(()) };
    let by = notice::by(task);
    let Some(record) = draft.record(at)? else {
        let detail = Value::from([("reason", "unevaluable".into()), ("error", format!("there is no record {at}").into())]);
        draft.say_of(&by, Some(at.clone()), "set", Said::Failed, detail);
        return Ok(());
    };
    let mut record = (*record).clone();
    let before = record.clone();
    let known = draft.definitions.entities.get(&at.entity).map(|e| &e.fields);
    if let Some(Value::Map(answers)) = outcome.result.at(&["answers"]) {
        let fields = answers.iter().filter(|(name, _)| known.is_some_and(|k| k.contains_key(*name)));
        record.fields.extend(fields.map(|(name, value)| (name.clone(), value.clone())));
    }
    let changed: Map = before.difference(&record).into_iter().collect();
    draft.put_record(at, record, &by.text())?;
    draft.say_of(&by, Some(at.clone()), "set", Said::Done, Value::Map(changed));
    Ok(())
}

fn members<const N: usize>(members: [(&str, Value); N]) -> Map {
    members.into_iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (k.to_owned(), v)).collect()
}

fn about(task: &Task, ask: &Ask) -> Map {
    members([
        ("task", ask.task.to_string().into()),
        ("step", task.step.as_str().into()),
        ("who", ask.person.as_str().into()),
        ("comment", ask.comment.trim().into()),
        ("way", ask.way.as_str().into()),
        ("address", ask.address.as_str().into()),
    ])
}

/// The line of what somebody did.
fn say(draft: &mut Deciding<'_>, task: &Task, ask: &Ask, done: &Done, was: &Task) {
    let by = notice::by(task);
    let mut detail = about(task, ask);
    let mut more = |name: &str, value: Value| {
        detail.insert(name.to_owned(), value);
    };
    match &ask.act {
        Act::Approve | Act::Reject { .. } | Act::Answer(_) => return decisions(draft, task, done),
        Act::Transfer(to) | Act::Delegate(to) => more("to", to.as_str().into()),
        Act::Add { people, before, .. } => {
            more("people", people.clone().into());
            more("order", if *before { "before" } else { "after" }.into());
        }
        Act::Remove(who) => more("person", who.as_str().into()),
        _ => {
            let former = done.by.first().and_then(|at| was.seats[*at].decision.as_ref());
            former.into_iter().for_each(|d| more("decision", if d.approved { "approved" } else { "rejected" }.into()));
        }
    }
    let now: Vec<String> = open(task).map(|at| task.seats[at].person.clone()).collect();
    detail.insert("asked".into(), now.into());
    draft.say_of(&by, task.record.clone(), ask.act.word(), Said::Done, Value::Map(detail));
}

/// Every decision, seat by seat: somebody may have decided for others, too.
fn decisions(draft: &mut Deciding<'_>, task: &Task, done: &Done) {
    for at in &done.by {
        let seat = &task.seats[*at];
        let Some(decision) = &seat.decision else { continue };
        let mut detail = line(task, decision, &seat.person);
        if let Some(principal) = stands_for(task, *at) {
            detail.insert("for".into(), principal.into());
        }
        if act::is_opinion(&task.seats, *at) {
            detail.insert("opinion".into(), true.into());
        }
        draft.say_of(&notice::by(task), task.record.clone(), "decide", Said::Done, Value::Map(detail));
    }
}

/// Nothing is done; why is in the log, for whoever asked to read.
fn refuse(draft: &mut Deciding<'_>, task: Option<&Task>, ask: &Ask, refusal: &Refusal) -> Result<(), Need> {
    let sentence = refusal.sentence(&draft.definitions.lang, &draft.definitions.people);
    let mut detail = members([
        ("task", ask.task.to_string().into()),
        ("who", ask.person.as_str().into()),
        ("act", ask.act.word().into()),
        ("reason", refusal.word().into()),
        ("detail", sentence.into()),
        ("way", ask.way.as_str().into()),
        ("address", ask.address.as_str().into()),
    ]);
    let decided = |s: &&super::Seat| s.person == ask.person && matches!(s.state, Seated::Approved | Seated::Rejected);
    if let Some(seat) = task.and_then(|t| t.seats.iter().find(decided)) {
        detail.insert("decided".into(), if seat.state == Seated::Approved { "approved" } else { "rejected" }.into());
    }
    let by = task.map(notice::by).unwrap_or_default();
    let record = task.and_then(|t| t.record.clone());
    draft.say_of(&By { preview: false, ..by }, record, "decide", Said::Suppressed, Value::Map(detail));
    Ok(())
}

/// 撤回 of an approval after its task has ended: the flow knows whether what came next has acted. Where it has not, the run stands at
/// the step again, and waits for the same task.
fn recall_ended(draft: &mut Deciding<'_>, mut task: Task, ask: &Ask) -> Result<(), Need> {
    let was = task.clone();
    if let Err(refusal) = act::active(ask, &Desk { people: &draft.definitions.people, at: draft.event.at }) {
        return refuse(draft, Some(&was), ask, &refusal);
    }
    let seats = match recall::take_back(&mut task, &ask.person) {
        Ok(seats) => seats,
        Err(Refusal::NotDecided) => return refuse(draft, Some(&was), ask, &Refusal::Ended),
        Err(refusal) => return refuse(draft, Some(&was), ask, &refusal),
    };
    task.ended = None;
    let timer = task.forget.take();
    let asked = act::follow(&mut task, &Desk { people: &draft.definitions.people, at: draft.event.at });
    if task.ended.is_some() {
        return refuse(draft, Some(&was), ask, &Refusal::NotNeeded); // it would have come to the same without them
    }
    if let Err(stays) = flow::recalled(draft, &was, &ask.person)? {
        return refuse(draft, Some(&was), ask, &Refusal::Stays(stays));
    }
    if let Some(timer) = timer {
        draft.remove(Key::Timer(timer));
    }
    say(draft, &task, ask, &Done { by: seats, asked: Vec::new() }, &was);
    go_on(draft, task, &asked, "")
}

/// The run has left the step.
pub(in crate::engine) fn cancel(draft: &mut Deciding<'_>, id: TaskId, why: &str) -> Result<(), Need> {
    let Some(mut task) = open_task(draft, id)? else { return Ok(()) };
    let desk = Desk { people: &draft.definitions.people, at: draft.event.at };
    act::close(&mut task, End::Cancelled(why.to_owned()), &desk);
    let detail = members([("task", id.to_string().into()), ("step", task.step.as_str().into()), ("reason", why.into())]);
    let action = if task.form.is_some() { "ask" } else { "approve" };
    draft.say_of(&notice::by(&task), task.record.clone(), action, Said::Suppressed, Value::Map(detail));
    keep(draft, &mut task);
    Ok(())
}

/// Those who have not decided are told again.
pub(in crate::engine) fn remind(draft: &mut Deciding<'_>, id: TaskId) -> Result<(), Need> {
    let Some(mut task) = open_task(draft, id)? else { return Ok(()) };
    let seats: Vec<usize> = open(&task).collect();
    let detail = members([("task", id.to_string().into()), ("step", task.step.as_str().into()), ("asked", names(&task, &seats))]);
    draft.say_of(&notice::by(&task), task.record.clone(), "remind", Said::Done, Value::Map(detail));
    notice::tell(draft, &mut task, &seats, true, "")?;
    draft.put(Key::Task(id), Entry::Task(task));
    Ok(())
}

fn names(task: &Task, seats: &[usize]) -> Value {
    seats.iter().map(|at| task.seats[*at].person.clone()).collect::<Vec<_>>().into()
}

/// These decide instead of all who have not decided; `due`: when their time is over. Where none of them can, all stays as it is.
pub(in crate::engine) fn escalate(
    draft: &mut Deciding<'_>,
    id: TaskId,
    people: &[String],
    due: Option<Timestamp>,
) -> Result<(), Stop> {
    let Some(mut task) = open_task(draft, id)? else { return Ok(()) };
    let from: Vec<usize> = open(&task).collect();
    let from = names(&task, &from);
    let people = begin::can_decide(draft, &task, people);
    let by = notice::by(&task);
    task.due = due;
    let detail = |more: [(&str, Value); 2]| {
        let [a, b] = more;
        Value::Map(members([("task", id.to_string().into()), ("step", task.step.as_str().into()), a, b]))
    };
    if people.is_empty() {
        draft.say_of(&by, task.record.clone(), "escalate", Said::Failed, detail([("reason", "nobody".into()), ("asked", from)]));
        draft.put(Key::Task(id), Entry::Task(task));
        return Ok(());
    }
    let line = detail([("from", from), ("to", people.clone().into())]);
    draft.say_of(&by, task.record.clone(), "escalate", Said::Done, line);
    let asked = act::escalate(&mut task, &people, &Desk { people: &draft.definitions.people, at: draft.event.at });
    notice::tell(draft, &mut task, &asked, false, "")?;
    draft.put(Key::Task(id), Entry::Task(task));
    Ok(())
}

/// Its time is over: it counts as decided. What the flow makes of it; nothing where it has ended already.
pub(in crate::engine) fn decide_by_timeout(
    draft: &mut Deciding<'_>,
    id: TaskId,
    approved: bool,
) -> Result<Option<Outcome>, Stop> {
    let Some(mut task) = open_task(draft, id)? else { return Ok(None) };
    let by_clock: Vec<usize> = open(&task).collect();
    act::time_out(&mut task, approved, &Desk { people: &draft.definitions.people, at: draft.event.at });
    decisions(draft, &task, &Done { by: by_clock, asked: Vec::new() });
    keep(draft, &mut task);
    Ok(result(&task))
}
