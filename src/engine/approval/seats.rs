//! Whose turn it is. After every act all seats are worked out anew from what was decided: who is asked, who waits, what it comes
//! to. Nothing is remembered but decisions and who came by a seat how, so that a decision that is taken back leaves no trace here.
//!
//! Seats form a tree: who was added, asked for an opinion, handed it or stands in has a seat that is *of* another one.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::tally::{Verdict, tally};
use super::{Decision, Group, Seat, Seated, Task, Why};
use crate::engine::definition::{Own, Person, Signing};

/// One proxy after another; more is a mistake in the definitions.
const LONGEST: usize = 16;

/// What is known beside the task.
pub(super) struct Desk<'a> {
    /// Who there is.
    pub(super) people: &'a BTreeMap<String, Person>,
    /// As of when.
    pub(super) at: Timestamp,
}

impl Seat {
    /// A seat that nobody has sat down on yet.
    pub(super) fn new(person: &str, why: Why, of: Option<usize>, since: Timestamp) -> Self {
        Self {
            person: person.to_owned(),
            state: Seated::Waiting,
            why,
            of: of.and_then(|of| u32::try_from(of).ok()),
            group: None,
            since,
            told: 0,
            decision: None,
            codes: super::Codes::default(),
        }
    }

    /// It is the same seat in other hands.
    fn is_successor(&self) -> bool {
        matches!(self.why, Why::Transferred | Why::Proxy) && self.state != Seated::Removed
    }
}

impl Decision {
    /// A person decided, not a policy or the clock.
    pub(super) fn is_own(&self) -> bool {
        !matches!(self.way.as_str(), "policy" | "timeout")
    }
}

/// Works out whose turn it is, with those who stand in for others, and what it comes to; the seats that are asked anew.
pub(super) fn settle(task: &mut Task, desk: &Desk<'_>) -> (Verdict, Vec<usize>) {
    let was: Vec<bool> = task.seats.iter().map(|s| s.state == Seated::Open).collect();
    let is_new = |at: usize| !was.get(at).copied().unwrap_or_default();
    loop {
        let verdict = walk(task);
        let asked: Vec<usize> = open(task).filter(|at| is_new(*at)).collect();
        if verdict != Verdict::Pending {
            return (verdict, Vec::new());
        }
        let mut stood_in = false;
        for at in &asked {
            stood_in |= hand_to_proxy(task, *at, desk);
        }
        if !stood_in {
            return (verdict, asked);
        }
    }
}

/// The seats whose turn it is.
pub(super) fn open(task: &Task) -> impl Iterator<Item = usize> {
    task.seats.iter().enumerate().filter(|(_, s)| s.state == Seated::Open).map(|(at, _)| at)
}

/// The seats that count for the task itself: those that the step names, or the last that came in when time was over.
pub(super) fn roots(task: &Task) -> (Vec<usize>, Signing) {
    let group = |s: &Seat| (s.why == Why::Escalated).then_some(s.group.as_ref()).flatten().cloned();
    let last = task.seats.iter().filter_map(group).max_by_key(|g| g.n);
    let is_root = |s: &Seat| match &last {
        Some(last) => group(s).is_some_and(|g| g.n == last.n),
        None => s.of.is_none(),
    };
    let roots = (0..task.seats.len()).filter(|at| is_root(&task.seats[*at])).collect();
    (roots, last.map_or_else(|| task.mode.clone(), |g| g.mode))
}

/// The seats that are of another one.
pub(super) fn children(seats: &[Seat], of: usize) -> impl Iterator<Item = usize> {
    seats.iter().enumerate().filter(move |(_, s)| s.of == u32::try_from(of).ok()).map(|(at, _)| at)
}

/// The same seat in the hands it is in now.
pub(super) fn holder(seats: &[Seat], mut at: usize) -> usize {
    while let Some(next) = children(seats, at).find(|c| seats[*c].is_successor()) {
        at = next;
    }
    at
}

/// The seat that this one is of, and so on.
pub(super) fn ancestors(seats: &[Seat], at: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(at), |at| seats.get(*at)?.of.map(|of| of as usize)).skip(1)
}

fn walk(task: &mut Task) -> Verdict {
    let (roots, mode) = roots(task);
    members(&mut task.seats, &roots, &mode, true)
}

/// Those who decide something together.
fn members(seats: &mut [Seat], all: &[usize], mode: &Signing, active: bool) -> Verdict {
    let mut verdicts = Vec::new();
    for at in all {
        let turn = *mode != Signing::Sequence || verdicts.iter().all(|v| *v == Verdict::Approved);
        verdicts.extend(seat(seats, *at, active && turn));
    }
    let verdict = tally(mode, &verdicts);
    if verdict != Verdict::Pending {
        all.iter().for_each(|at| dismiss(seats, *at));
    }
    verdict
}

/// What a seat comes to, with all that belongs to it; none: it was taken back out.
fn seat(seats: &mut [Seat], at: usize, active: bool) -> Option<Verdict> {
    if seats[at].state == Seated::Removed {
        return None;
    }
    let mut turn = active;
    for group in groups(seats, at, Why::Before) {
        match members(seats, &group.0, &group.1, turn) {
            Verdict::Approved => {}
            Verdict::Pending => turn = false,
            Verdict::Rejected => {
                dismiss(seats, at);
                return Some(Verdict::Rejected);
            }
        }
    }
    let mut verdict = own(seats, at, turn);
    for group in groups(seats, at, Why::After) {
        let comes = verdict == Verdict::Approved;
        let theirs = members(seats, &group.0, &group.1, active && comes);
        if comes {
            verdict = theirs;
        }
    }
    Some(verdict)
}

/// What whoever has the seat makes of it.
fn own(seats: &mut [Seat], at: usize, mut turn: bool) -> Verdict {
    let successor = children(seats, at).find(|c| seats[*c].is_successor());
    if let Some(next) = successor {
        return seat(seats, next, turn).unwrap_or(Verdict::Pending);
    }
    if let Some(decision) = &seats[at].decision {
        let approved = decision.approved;
        seats[at].state = if approved { Seated::Approved } else { Seated::Rejected };
        return if approved { Verdict::Approved } else { Verdict::Rejected };
    }
    let opinions: Vec<usize> = children(seats, at).filter(|c| seats[*c].why == Why::Delegated).collect();
    for opinion in opinions {
        turn &= seat(seats, opinion, turn) != Some(Verdict::Pending);
    }
    seats[at].state = if turn { Seated::Open } else { Seated::Waiting };
    Verdict::Pending
}

/// Those who were added to a seat, group by group.
fn groups(seats: &[Seat], at: usize, why: Why) -> Vec<(Vec<usize>, Signing)> {
    let mut found: BTreeMap<u32, (Vec<usize>, Signing)> = BTreeMap::new();
    for child in children(seats, at).filter(|c| seats[*c].why == why) {
        let Group { n, mode } = seats[child].group.clone().unwrap_or(Group { n: 0, mode: Signing::default() });
        found.entry(n).or_insert_with(|| (Vec::new(), mode)).0.push(child);
    }
    found.into_values().collect()
}

/// It is decided without those who have not decided.
fn dismiss(seats: &mut [Seat], at: usize) {
    if seats[at].decision.is_none() && matches!(seats[at].state, Seated::Open | Seated::Waiting) {
        seats[at].state = Seated::Void;
    }
    for child in children(seats, at).collect::<Vec<_>>() {
        dismiss(seats, child);
    }
}

/// Hands a seat to whoever stands in for its person; whether somebody does.
fn hand_to_proxy(task: &mut Task, at: usize, desk: &Desk<'_>) -> bool {
    let chain = stand_in(&task.seats[at].person, desk);
    let Some(last) = chain.last() else { return false };
    let own = task.own != Own::Ask && task.initiator.as_ref() == Some(last);
    let back = ancestors(&task.seats, at).any(|a| task.seats[a].person == *last);
    if own || back {
        return false;
    }
    let mut of = at;
    for who in chain {
        task.seats[of].state = Seated::Handed;
        task.seats.push(Seat::new(&who, Why::Proxy, Some(of), desk.at));
        of = task.seats.len() - 1;
    }
    true
}

/// Who stands in for a person, one for the other; the last decides. Nobody where it leads in a circle or to who is not there.
pub(super) fn stand_in(person: &str, desk: &Desk<'_>) -> Vec<String> {
    let mut chain: Vec<String> = Vec::new();
    let mut now = person;
    while let Some(next) = desk.people.get(now).and_then(|p| p.proxies.iter().find(|x| in_force(x, desk.at))) {
        let circle = next.who == person || chain.contains(&next.who);
        if circle || chain.len() == LONGEST || !desk.people.contains_key(&next.who) {
            return Vec::new();
        }
        chain.push(next.who.clone());
        now = &next.who;
    }
    if desk.people.get(now).is_some_and(|p| p.active) { chain } else { Vec::new() }
}

fn in_force(proxy: &crate::engine::definition::Proxy, at: Timestamp) -> bool {
    proxy.from.is_none_or(|from| from <= at) && proxy.until.is_none_or(|until| at < until)
}
