//! 撤回: a decision is taken back as long as nobody has gone on from it. What a person decided stays in the log.

use super::refusal::Refusal;
use super::seats::{ancestors, children, roots};
use super::{Seat, Seated, Task, Why};
use crate::engine::definition::Signing;

/// Takes back what a person decided last; the seats are theirs to decide again.
pub(super) fn take_back(task: &mut Task, person: &str) -> Result<Vec<usize>, Refusal> {
    let seats = decided_by(task, person)?;
    let (roots, _) = roots(task);
    let counts = |at: &usize| std::iter::once(*at).chain(ancestors(&task.seats, *at)).any(|a| roots.contains(&a));
    if !seats.iter().any(counts) {
        // Time was over meanwhile: others decide instead.
        return Err(Refusal::HandedOver(roots.into_iter().map(|at| task.seats[at].person.clone()).collect()));
    }
    if seats.iter().any(|at| is_followed(task, *at)) {
        return Err(Refusal::Acted);
    }
    for at in &seats {
        task.seats[*at].decision = None;
        task.seats[*at].state = Seated::Waiting;
    }
    Ok(seats)
}

/// The seats on which a person decided last, at once.
fn decided_by(task: &Task, person: &str) -> Result<Vec<usize>, Refusal> {
    let own =
        |s: &Seat| s.decision.as_ref().filter(|d| s.person == person && s.state != Seated::Removed && d.is_own()).map(|d| d.at);
    match task.seats.iter().filter_map(own).max() {
        Some(last) => Ok((0..task.seats.len()).filter(|at| own(&task.seats[*at]) == Some(last)).collect()),
        None if task.seats.iter().any(|s| s.person == person) => Err(Refusal::NotDecided),
        None => Err(Refusal::NotAsked),
    }
}

/// Whether somebody decided because this seat did.
fn is_followed(task: &Task, at: usize) -> bool {
    let seats = &task.seats;
    let after = |of: usize| children(seats, of).any(|c| seats[c].why == Why::After && has_acted(seats, c));
    if after(at) {
        return true;
    }
    let mut child = at;
    for parent in ancestors(seats, at) {
        let why = seats[child].why;
        let handed = matches!(why, Why::Transferred | Why::Proxy);
        // Who waited for it has gone on, or others that came behind it have.
        let waited = matches!(why, Why::Before | Why::Delegated) && has_own(&seats[parent]);
        let behind = children(seats, parent).any(|c| c > child && comes_behind(&seats[child], &seats[c]) && has_acted(seats, c));
        if waited || behind || handed && after(parent) {
            return true;
        }
        child = parent;
    }
    let (roots, mode) = roots(task);
    mode == Signing::Sequence && roots.iter().any(|root| *root > child && has_acted(seats, *root))
}

/// Whether a seat, which came in later, had to wait for the other one.
fn comes_behind(first: &Seat, second: &Seat) -> bool {
    match (&first.group, &second.group) {
        (Some(a), Some(b)) if a.n == b.n => a.mode == Signing::Sequence,
        _ => true,
    }
}

fn has_own(seat: &Seat) -> bool {
    seat.decision.as_ref().is_some_and(super::Decision::is_own)
}

fn has_acted(seats: &[Seat], at: usize) -> bool {
    has_own(&seats[at]) || children(seats, at).any(|c| has_acted(seats, c))
}
