//! People are asked: who they are, and what the step says of nobody, of the initiator, of those who have approved before. Any of
//! these may decide at once. Never decides by itself otherwise.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::act::{self, close, follow};
use super::outcome::{Outcome, result};
use super::seats::{Desk, stand_in};
use super::{Decision, End, Seat, Seated, Task, TaskId, Why, notice};
use crate::engine::action::Doing;
use crate::engine::decide::Deciding;
use crate::engine::definition::{Approve, Ask, Flow, Nobody, Own, Repeated, Share, Signing, Step, StepKind, Who};
use crate::engine::flow::{How, Run};
use crate::engine::log::Outcome as Said;
use crate::engine::scope::Stop;
use crate::engine::state::{Entry, Key};
use crate::engine::template::Template;
use crate::engine::value::Value;

/// What became of asking.
#[derive(Debug)]
pub(in crate::engine) enum Begun {
    /// They are asked.
    Asked(TaskId),
    /// A policy of the step has decided.
    Ended(Outcome),
}

/// People are asked, at an `approve` or `ask`; `due`: when its time is over.
pub(in crate::engine) fn begin(
    draft: &mut Deciding<'_>,
    run: &Run,
    strand: u32,
    step: &Step,
    doing: &Doing<'_>,
    due: Option<Timestamp>,
) -> Result<Begun, Stop> {
    let mut task = blank(draft, run, strand, step, due)?;
    describe(draft, &mut task, doing, step)?;
    let who = staffed(draft, run, doing, step, &mut task)?;
    let people = &draft.definitions.people;
    let desk = Desk { people, at: draft.event.at };
    for (person, why, decided) in who {
        task.seats.push(Seat::named(&person, why, decided, desk.at));
    }
    if task.ended.is_none() {
        let asked = follow(&mut task, &desk);
        start(draft, run, &mut task, &asked)?;
    }
    by_policy(draft, &task);
    match result(&task) {
        Some(outcome) => Ok(Begun::Ended(outcome)),
        None => {
            let id = task.id;
            draft.put(Key::Task(id), Entry::Task(task));
            Ok(Begun::Asked(id))
        }
    }
}

/// Who is asked by the step, and what that says of them.
pub(super) fn staffed(
    draft: &Deciding<'_>,
    run: &Run,
    doing: &Doing<'_>,
    step: &Step,
    task: &mut Task,
) -> Result<Vec<Named>, Stop> {
    match &step.kind {
        StepKind::Approve(approve) => approving(draft, run, doing, approve, task),
        StepKind::Ask(ask) => asking(draft, doing, ask, task),
        _ => Err(Stop::Unevaluable(format!("{} asks nobody", step.id))),
    }
}

impl Seat {
    /// Of somebody whom the step names; a policy may have decided for them.
    pub(super) fn named(person: &str, why: Why, decided: bool, at: Timestamp) -> Self {
        let state = if decided { Seated::Approved } else { Seated::Waiting };
        let decision = decided.then(|| Decision::by_itself(true, "policy", at));
        Self { state, decision, ..Self::new(person, why, None, at) }
    }
}

/// Those on it are told.
fn start(draft: &mut Deciding<'_>, run: &Run, task: &mut Task, asked: &[usize]) -> Result<(), Stop> {
    if task.ended.is_some() {
        return Ok(());
    }
    let people: Vec<String> = asked.iter().map(|at| task.seats[*at].person.clone()).collect();
    let mut detail = Value::from([
        ("task", task.id.to_string().into()),
        ("step", task.step.as_str().into()),
        ("asked", people.into()),
        ("subject", task.subject.as_str().into()),
    ]);
    if let (Some(due), Value::Map(members)) = (task.due, &mut detail) {
        members.insert("due".into(), due.into());
    }
    let action = if task.form.is_some() { "ask" } else { "approve" };
    draft.say_of(&notice::by(task), task.record.clone(), action, Said::Fired, detail);
    notice::tell_of(draft, task, Some(run), (asked, false, ""))?;
    Ok(())
}

/// What was decided without anybody being asked.
fn by_policy(draft: &mut Deciding<'_>, task: &Task) {
    let by = notice::by(task);
    for seat in &task.seats {
        let Some(decision) = seat.decision.as_ref().filter(|d| d.way == "policy") else { continue };
        let own = task.own == Own::Approve && task.initiator.as_ref() == Some(&seat.person);
        let reason = if own { "own" } else { "repeated" };
        let mut line = super::outcome::line(task, decision, &seat.person);
        line.insert("reason".into(), reason.into());
        draft.say_of(&by, task.record.clone(), "decide", Said::Done, Value::Map(line));
    }
    if task.seats.is_empty()
        && let Some(outcome) = result(task)
    {
        let mut line =
            super::outcome::line(task, &Decision::by_itself(outcome.how == End::Approved, "policy", draft.event.at), "");
        line.insert("reason".into(), "nobody".into());
        draft.say_of(&by, task.record.clone(), "decide", Said::Done, Value::Map(line));
    }
}

fn blank(draft: &mut Deciding<'_>, run: &Run, strand: u32, step: &Step, due: Option<Timestamp>) -> Result<Task, Stop> {
    let graph = draft.get(&Key::Graph(run.graph.clone()))?;
    let graph: Option<&Flow> = graph.as_deref().and_then(|e| if let Entry::Graph(flow) = e { Some(flow.as_ref()) } else { None });
    let returns = returns(graph, step);
    let (mode, own) = signing(step);
    let title = step.title.clone().or_else(|| graph.and_then(|g| g.title.clone())).unwrap_or_else(|| run.flow.clone());
    let subject = run.record.as_ref().map_or_else(|| title.clone(), |record| format!("{title} {record}"));
    Ok(Task {
        id: TaskId { seq: draft.event.seq, n: draft.number() },
        run: run.id.clone(),
        strand,
        flow: run.flow.clone(),
        step: step.id.clone(),
        round: run.round,
        record: run.record.clone(),
        initiator: run.initiator.clone(),
        form: None,
        subject,
        text: String::new(),
        show: Vec::new(),
        links: Vec::new(),
        mode,
        own,
        returns,
        set: false,
        preview: run.preview,
        seats: Vec::new(),
        opened: draft.event.at,
        due,
        ended: None,
        forget: None,
    })
}

/// The steps to which one may send it back, by their ids.
pub(super) fn returns(graph: Option<&Flow>, step: &Step) -> Vec<String> {
    let StepKind::Approve(approve) = &step.kind else { return Vec::new() };
    approve.returns.iter().filter_map(|at| graph?.steps.get(*at)).map(|s| s.id.clone()).collect()
}

/// How those decide who are asked, and what holds for the initiator among them.
pub(super) fn signing(step: &Step) -> (Signing, Own) {
    if let StepKind::Approve(approve) = &step.kind { (approve.mode.clone(), approve.own) } else { (Signing::Any, Own::Ask) }
}

/// What people are told it is about.
pub(super) fn describe(draft: &Deciding<'_>, task: &mut Task, doing: &Doing<'_>, step: &Step) -> Result<(), Stop> {
    let (subject, text, links): (Option<&Template>, Option<&Template>, &[(Template, Template)]) = match &step.kind {
        StepKind::Approve(approve) => (approve.subject.as_ref(), approve.text.as_ref(), &approve.links),
        StepKind::Ask(ask) => (ask.subject.as_ref(), ask.text.as_ref(), &ask.links),
        _ => return Ok(()),
    };
    doing.on(draft, |view| {
        if let Some(subject) = subject {
            task.subject = subject.render(view)?.split_whitespace().collect::<Vec<_>>().join(" ");
        }
        if let Some(text) = text {
            task.text = text.render(view)?;
        }
        task.links = links.iter().map(|(n, u)| Ok((n.render(view)?, u.render(view)?))).collect::<Result<_, Stop>>()?;
        // What a record's field says may be anything; people are given addresses only.
        task.links.retain(|(_, url)| act::is_address(url));
        Ok(())
    })
}

/// Somebody to ask, how they came by it, and whether a policy has decided for them.
pub(super) type Named = (String, Why, bool);

fn approving(draft: &Deciding<'_>, run: &Run, doing: &Doing<'_>, step: &Approve, task: &mut Task) -> Result<Vec<Named>, Stop> {
    task.show.clone_from(&step.show);
    let mut who = named(draft, task, doing, &step.who, Why::Named)?;
    if who.is_empty() {
        match &step.nobody {
            Nobody::Fail => {}
            Nobody::Approve => close(task, End::Approved, &Desk { people: &draft.definitions.people, at: draft.event.at }),
            Nobody::Reject => {
                let how = End::Rejected { to: None, here: false };
                close(task, how, &Desk { people: &draft.definitions.people, at: draft.event.at });
            }
            Nobody::Ask(others) => who = named(draft, task, doing, others, Why::Instead)?,
        }
    }
    if who.is_empty() && task.ended.is_none() {
        return Err(nobody(&step.who));
    }
    if let Signing::All { need: Some(Share::Count(need)), .. } = step.mode
        && (who.len() as u64) < u64::from(need)
        && task.ended.is_none()
    {
        let all: Vec<&str> = who.iter().map(|(id, ..)| id.as_str()).collect();
        return Err(Stop::Unevaluable(format!("{need} must approve, but there are only {}: {}", all.len(), all.join(", "))));
    }
    if step.repeated == Repeated::Approve {
        let before = approved_before(run);
        let desk = Desk { people: &draft.definitions.people, at: draft.event.at };
        for (person, _, decided) in &mut who {
            let proxies = stand_in(person, &desk);
            if before.contains(proxies.last().unwrap_or(person).as_str()) {
                *decided = true;
            }
        }
    }
    Ok(who)
}

fn asking(draft: &Deciding<'_>, doing: &Doing<'_>, ask: &Ask, task: &mut Task) -> Result<Vec<Named>, Stop> {
    let Some(form) = draft.definitions.forms.get(&ask.form) else {
        return Err(Stop::Unevaluable(format!("there is no form {}", ask.form)));
    };
    if ask.subject.is_none() && !form.title.is_empty() {
        task.subject = match &task.record {
            Some(record) => format!("{} {record}", form.title),
            None => form.title.clone(),
        };
    }
    task.form = Some(ask.form.clone());
    task.set = ask.set;
    let who = named(draft, task, doing, &ask.who, Why::Named)?;
    if who.is_empty() { Err(nobody(&ask.who)) } else { Ok(who) }
}

fn nobody(who: &[Who]) -> Stop {
    Stop::Unevaluable(format!("nobody is there to decide ({})", crate::engine::action::describe(who)))
}

/// Those who are meant and there, once each; what the step says of the initiator.
fn named(draft: &Deciding<'_>, task: &Task, doing: &Doing<'_>, who: &[Who], why: Why) -> Result<Vec<Named>, Stop> {
    let people = &draft.definitions.people;
    let desk = Desk { people, at: draft.event.at };
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for id in doing.on(draft, |view| view.who(who))? {
        let is_own = task.initiator.as_ref() == Some(&id);
        let (id, why, decided) = match task.own {
            Own::Approve if is_own => (id, why, true),
            Own::Manager if is_own => match people.get(&id).and_then(|p| p.manager.clone()) {
                Some(manager) => (manager, Why::Instead, false),
                None => continue,
            },
            _ => (id, why, false),
        };
        let there = people.get(&id).is_some_and(|p| p.active || !stand_in(&id, &desk).is_empty());
        if (there || decided) && seen.insert(id.clone()) {
            all.push((id, why, decided));
        }
    }
    Ok(all)
}

/// Who approved at an earlier step of this round.
fn approved_before(run: &Run) -> BTreeSet<&str> {
    let approved = run.path.iter().filter(|p| p.round == run.round && p.how == How::Approved);
    approved.flat_map(|p| p.by.iter().map(String::as_str)).collect()
}

/// Those on the rung of an escalation who can decide.
pub(super) fn can_decide(draft: &Deciding<'_>, task: &Task, people: &[String]) -> Vec<String> {
    let desk = Desk { people: &draft.definitions.people, at: draft.event.at };
    let there = |id: &&String| {
        let active = desk.people.get(*id).is_some_and(|p| p.active) || !stand_in(id, &desk).is_empty();
        active && (task.own == Own::Ask || task.initiator.as_ref() != Some(*id))
    };
    let mut seen = BTreeSet::new();
    people.iter().filter(there).filter(|id| seen.insert(*id)).cloned().collect()
}
