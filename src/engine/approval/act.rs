//! What people do about a task, on the task alone: decide, hand over, ask others, take back. Knows no run and no record; what is
//! not allowed changes nothing.

use super::refusal::Refusal;
use super::seats::{Desk, ancestors, children, holder, open, roots, settle, stand_in};
use super::tally::Verdict;
use super::{Act, Ask, Decision, End, Ended, Group, Seat, Seated, Task, Why, recall};
use crate::engine::definition::{Own, Signing};
use crate::engine::value::Map;

/// Seats of one task: whoever was ever asked counts.
const MOST: usize = 100;
/// Added to the added, and so on.
const DEEPEST: usize = 5;

/// Characters of a comment or link.
const LONGEST: usize = 2_000;
/// Documents with one decision.
const LINKS: usize = 20;

/// What an act came to.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// The seats by which it was done.
    pub(super) by: Vec<usize>,
    /// The seats that are asked anew.
    pub(super) asked: Vec<usize>,
}

/// Does what somebody asks. `answers` are those to the form, already found to be right.
pub(super) fn act(task: &mut Task, ask: &Ask, answers: Map, desk: &Desk<'_>) -> Result<Done, Refusal> {
    if task.ended.is_some() {
        return Err(Refusal::Ended);
    }
    bounded(ask)?;
    active(ask, desk)?;
    let by = match &ask.act {
        Act::Approve | Act::Answer(_) => decide(task, ask, true, answers, desk)?,
        Act::Reject { to, .. } => {
            may_reject(task, ask, to.as_deref())?;
            decide(task, ask, false, answers, desk)?
        }
        Act::Transfer(to) => hand(task, ask, to, Why::Transferred, desk)?,
        Act::Delegate(to) => hand(task, ask, to, Why::Delegated, desk)?,
        Act::Add { people, before, mode } => add(task, ask, people, *before, mode.as_ref(), desk)?,
        Act::Remove(who) => remove(task, ask, who)?,
        Act::Recall => recall::take_back(task, &ask.person)?,
        Act::SendCode | Act::WrongCode | Act::RightCode => return Err(Refusal::WrongKind), // they are no part of it
    };
    Ok(Done { by, asked: follow(task, desk) })
}

/// Whoever has left decides nothing, not even with a link of before. With the control token, what waits for them is handed over.
pub(super) fn active(ask: &Ask, desk: &Desk<'_>) -> Result<(), Refusal> {
    let handed = matches!(ask.act, Act::Transfer(_)) && matches!(ask.way.as_str(), "api" | "cli");
    match desk.people.get(&ask.person) {
        Some(person) if !person.active && !handed => Err(Refusal::Inactive(ask.person.clone())),
        _ => Ok(()),
    }
}

/// What people write ends somewhere, and their documents are addresses, nothing that runs.
fn bounded(ask: &Ask) -> Result<(), Refusal> {
    let long = |text: &String| text.chars().count() > LONGEST;
    if long(&ask.comment) || ask.links.len() > LINKS || ask.links.iter().any(long) {
        return Err(Refusal::TooLong);
    }
    ask.links.iter().find(|link| !is_address(link)).map_or(Ok(()), |link| Err(Refusal::BadLink(link.clone())))
}

/// Whether a browser goes there and does nothing else.
pub(super) fn is_address(link: &str) -> bool {
    ["https://", "http://"].iter().any(|scheme| link.get(..scheme.len()).is_some_and(|s| s.eq_ignore_ascii_case(scheme)))
}

/// What a task comes to after something was done: whose turn it is, or that it has ended.
pub(super) fn follow(task: &mut Task, desk: &Desk<'_>) -> Vec<usize> {
    let (verdict, asked) = settle(task, desk);
    for at in &asked {
        task.seats[*at].since = desk.at;
    }
    let how = match verdict {
        Verdict::Pending => return asked,
        Verdict::Approved => End::Approved,
        Verdict::Rejected => {
            let (to, here) = sent_back(task);
            End::Rejected { to, here }
        }
    };
    task.ended = Some(Ended { at: desk.at, how });
    Vec::new()
}

/// Where the last of those who rejected sent it; opinions send nothing anywhere.
fn sent_back(task: &Task) -> (Option<String>, bool) {
    let opinion = |at: usize| is_opinion(&task.seats, at);
    let decisions = task.seats.iter().enumerate().filter(|(at, _)| !opinion(*at)).filter_map(|(_, s)| s.decision.as_ref());
    let last = decisions.filter(|d| !d.approved && d.to.is_some()).max_by_key(|d| d.at);
    last.map_or((None, false), |d| (d.to.clone(), d.here))
}

/// Whether what is said on this seat is only an opinion for another one.
pub(super) fn is_opinion(seats: &[Seat], at: usize) -> bool {
    std::iter::once(at).chain(ancestors(seats, at)).any(|a| seats[a].why == Why::Delegated)
}

fn may_reject(task: &Task, ask: &Ask, to: Option<&str>) -> Result<(), Refusal> {
    mine(task, &ask.person)?;
    if ask.comment.trim().is_empty() {
        return Err(Refusal::NoComment);
    }
    match to {
        Some(to) if !task.returns.iter().any(|r| r == to) => {
            Err(Refusal::NoReturn { to: to.to_owned(), may: task.returns.clone() })
        }
        _ => Ok(()),
    }
}

/// A decision counts for every seat that the person is asked on: their own, and those on which they stand in.
fn decide(task: &mut Task, ask: &Ask, approved: bool, answers: Map, desk: &Desk<'_>) -> Result<Vec<usize>, Refusal> {
    let seats = mine(task, &ask.person)?;
    let (to, here) = match &ask.act {
        Act::Reject { to, here } => (to.clone(), *here),
        _ => (None, false),
    };
    let decision = Decision {
        approved,
        comment: ask.comment.trim().to_owned(),
        links: ask.links.clone(),
        answers,
        to,
        here,
        at: desk.at,
        way: ask.way.clone(),
        address: ask.address.clone(),
    };
    for at in &seats {
        task.seats[*at].decision = Some(decision.clone());
    }
    Ok(seats)
}

/// The seats on which a person is asked now, or why there are none.
pub(super) fn mine(task: &Task, person: &str) -> Result<Vec<usize>, Refusal> {
    let mine: Vec<usize> = open(task).filter(|at| task.seats[*at].person == person).collect();
    if mine.is_empty() { Err(why_not(task, person)) } else { Ok(mine) }
}

fn why_not(task: &Task, person: &str) -> Refusal {
    let find = |states: &[Seated]| {
        let is = |s: &Seat| s.person == person && states.contains(&s.state);
        task.seats.iter().position(is)
    };
    if find(&[Seated::Waiting]).is_some() {
        Refusal::NotYet
    } else if find(&[Seated::Approved, Seated::Rejected]).is_some() {
        Refusal::AlreadyDecided
    } else if find(&[Seated::Void]).is_some() {
        Refusal::NotNeeded
    } else if let Some(at) = find(&[Seated::Handed]) {
        let now = holder(&task.seats, at);
        let those = if now == at { roots(task).0 } else { vec![now] };
        Refusal::HandedOver(those.into_iter().map(|at| task.seats[at].person.clone()).collect())
    } else {
        Refusal::NotAsked
    }
}

/// Whether these can come in: they are there, are not who asks, and have no part in it yet.
fn may_join(task: &Task, ask: &Ask, people: &[&String], desk: &Desk<'_>) -> Result<(), Refusal> {
    let seated = |who: &str| task.seats.iter().any(|s| s.person == who && s.state != Seated::Removed);
    if task.seats.len() + people.len() > MOST {
        return Err(Refusal::TooMany);
    }
    for who in people {
        let who = who.as_str();
        let proxies = stand_in(who, desk);
        if who == ask.person {
            return Err(Refusal::Yourself);
        } else if !desk.people.get(who).is_some_and(|p| p.active || !proxies.is_empty()) {
            return Err(Refusal::UnknownPerson(who.to_owned()));
        }
        let decides = proxies.last().map_or(who, String::as_str);
        if task.own != Own::Ask && [who, decides].iter().any(|p| task.initiator.as_deref() == Some(p)) {
            return Err(Refusal::Initiator(who.to_owned()));
        } else if let Some(known) = [who, decides].iter().find(|p| seated(p)) {
            return Err(Refusal::Cycle((*known).to_owned()));
        }
    }
    Ok(())
}

/// 转办 and 委派: somebody else has the seat, for good or until they have said what they think.
fn hand(task: &mut Task, ask: &Ask, to: &String, why: Why, desk: &Desk<'_>) -> Result<Vec<usize>, Refusal> {
    let seats = mine(task, &ask.person)?;
    may_join(task, ask, &[to], desk)?;
    for at in &seats {
        task.seats[*at].state = if why == Why::Transferred { Seated::Handed } else { Seated::Waiting };
        task.seats.push(Seat::new(to, why, Some(*at), desk.at));
    }
    Ok(seats)
}

/// 加签.
fn add(
    task: &mut Task,
    ask: &Ask,
    people: &[String],
    before: bool,
    mode: Option<&Signing>,
    desk: &Desk<'_>,
) -> Result<Vec<usize>, Refusal> {
    if task.form.is_some() {
        return Err(Refusal::WrongKind);
    }
    let seats = mine(task, &ask.person)?;
    let mut seen = std::collections::BTreeSet::new();
    let people: Vec<&String> = people.iter().filter(|p| seen.insert(*p)).collect();
    if people.is_empty() {
        return Err(Refusal::UnknownPerson(String::new()));
    }
    may_join(task, ask, &people, desk)?;
    let of = seats[0];
    let added = |at: usize| matches!(task.seats[at].why, Why::Before | Why::After | Why::Delegated);
    if std::iter::once(of).chain(ancestors(&task.seats, of)).filter(|at| added(*at)).count() >= DEEPEST {
        return Err(Refusal::TooDeep);
    }
    let group = Group { n: next_group(task), mode: mode.cloned().unwrap_or_default() };
    for who in people {
        let why = if before { Why::Before } else { Why::After };
        task.seats.push(Seat { group: Some(group.clone()), ..Seat::new(who, why, Some(of), desk.at) });
    }
    Ok(vec![of])
}

fn next_group(task: &Task) -> u32 {
    task.seats.iter().filter_map(|s| s.group.as_ref()).map(|g| g.n).max().unwrap_or_default() + 1
}

/// 减签: by whoever added them, as long as they have not decided; with all that came of it.
fn remove(task: &mut Task, ask: &Ask, who: &str) -> Result<Vec<usize>, Refusal> {
    let added = removable(task, &ask.person, who)?;
    take_out(&mut task.seats, added);
    Ok(vec![added])
}

/// The seat that a person added, or asked for an opinion, and on which that other one sits now.
fn removable(task: &Task, person: &str, who: &str) -> Result<usize, Refusal> {
    let seats = &task.seats;
    let brought = |at: &usize| {
        let seat = &seats[*at];
        let by = seat.of.map(|of| holder(seats, of as usize));
        matches!(seat.why, Why::Before | Why::After | Why::Delegated) && by.is_some_and(|by| seats[by].person == person)
    };
    let sits = |at: &usize| seats[*at].person == who && seats[*at].state != Seated::Removed;
    // Whom they added may have handed it on: what was added is taken back with whoever has it now.
    let added = (0..seats.len()).filter(sits).find_map(|at| std::iter::once(at).chain(ancestors(seats, at)).find(brought));
    let added = added.ok_or_else(|| Refusal::NotAdded(who.to_owned()))?;
    if seats[added].state == Seated::Void || decided(seats, added) {
        return Err(Refusal::AlreadyDecided);
    }
    Ok(added)
}

impl Task {
    /// Those whom a person may take out again (减签).
    pub fn removable(&self, person: &str) -> Vec<&str> {
        let mut those: Vec<&str> = Vec::new();
        for seat in self.seats.iter().filter(|_| self.ended.is_none()) {
            let who = seat.person.as_str();
            if seat.state != Seated::Handed && !those.contains(&who) && removable(self, person, who).is_ok() {
                those.push(who);
            }
        }
        those
    }
}

/// Whether somebody has said something there.
fn decided(seats: &[Seat], at: usize) -> bool {
    seats[at].decision.is_some() || children(seats, at).any(|c| decided(seats, c))
}

fn take_out(seats: &mut [Seat], at: usize) {
    seats[at].state = Seated::Removed;
    for child in children(seats, at).collect::<Vec<_>>() {
        take_out(seats, child);
    }
}

/// Time is over: these decide instead of all who have not decided yet.
pub(super) fn escalate(task: &mut Task, people: &[String], desk: &Desk<'_>) -> Vec<usize> {
    // What it takes was said of those who were named: of these, it takes all.
    let mode = if let Signing::All { .. } = task.mode { Signing::default() } else { task.mode.clone() };
    let group = Group { n: next_group(task), mode };
    for seat in task.seats.iter_mut().filter(|s| matches!(s.state, Seated::Open | Seated::Waiting)) {
        seat.state = Seated::Handed;
    }
    for who in people {
        task.seats.push(Seat { group: Some(group.clone()), ..Seat::new(who, Why::Escalated, None, desk.at) });
    }
    follow(task, desk)
}

/// Time is over: it counts as decided, on the seats that were asked.
pub(super) fn time_out(task: &mut Task, approved: bool, desk: &Desk<'_>) {
    let seats: Vec<usize> = open(task).collect();
    for at in seats {
        task.seats[at].decision = Some(Decision::by_itself(approved, "timeout", desk.at));
        task.seats[at].state = if approved { Seated::Approved } else { Seated::Rejected };
    }
    close(task, if approved { End::Approved } else { End::Rejected { to: None, here: false } }, desk);
}

/// It ends, whatever is still to be decided.
pub(super) fn close(task: &mut Task, how: End, desk: &Desk<'_>) {
    for seat in task.seats.iter_mut().filter(|s| matches!(s.state, Seated::Open | Seated::Waiting)) {
        seat.state = Seated::Void;
    }
    task.ended = Some(Ended { at: desk.at, how });
}

impl Decision {
    /// Nobody's: a policy's or the clock's.
    pub(super) fn by_itself(approved: bool, way: &str, at: jiff::Timestamp) -> Self {
        Self {
            approved,
            comment: String::new(),
            links: Vec::new(),
            answers: Map::new(),
            to: None,
            here: false,
            at,
            way: way.to_owned(),
            address: String::new(),
        }
    }
}
