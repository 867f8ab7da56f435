//! How a person stands to a task: whether it is theirs to decide, or what became of it instead. Every state is a plain sentence, none
//! is an error.

use jiff::Timestamp;
use serde::Serialize;

use super::field::{name, time};
use super::page::Shown;
use crate::engine::approval::{Act, End, Ended, Seat, Seated, Task, Why};

/// Something that is said, and how it looks.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) look: &'static str,
    pub(super) head: String,
    pub(super) text: String,
}

impl Note {
    pub(super) fn new(look: &'static str, head: impl Into<String>, text: impl Into<String>) -> Self {
        Self { look, head: head.into(), text: text.into() }
    }
}

/// How somebody stands to a task.
#[derive(Debug)]
pub(super) struct Stand {
    /// It is theirs to decide.
    pub(super) turn: bool,
    /// They decided, and may try to take it back.
    pub(super) recall: bool,
    /// They have added somebody who has not decided.
    pub(super) remove: bool,
    pub(super) note: Option<Note>,
}

impl Stand {
    /// Whether what they ask for has any prospect; otherwise the page as it is by now is the answer.
    pub(super) fn allows(&self, act: &Act) -> bool {
        match act {
            Act::Recall => self.recall,
            Act::Remove(_) => self.remove,
            _ => self.turn,
        }
    }
}

/// How the person stands to the task.
pub(super) fn stand(shown: &Shown<'_>) -> Stand {
    let task = &shown.case.task;
    let seat = shown.case.seat(shown.person);
    let may = task.ended.as_ref().is_none_or(|e| e.how == End::Approved) && shown.case.run.is_some();
    let recall = may && seat.is_some_and(|s| matches!(s.state, Seated::Approved | Seated::Rejected));
    if let Some(ended) = &task.ended {
        return Stand { turn: false, recall, remove: false, note: Some(over(shown, task, ended, seat)) };
    }
    let turn = seat.is_some_and(|s| s.state == Seated::Open);
    let note = match seat {
        Some(seat) if turn => late(shown, task.due).or_else(|| instead(shown, seat)),
        Some(seat) => Some(other(shown, seat)),
        None => Some(Note::new("wait", shown.lang.pick("没有请您处理", "You were not asked to decide this"), "")),
    };
    Stand { turn, recall, remove: !task.removable(shown.person).is_empty(), note }
}

fn over(shown: &Shown<'_>, task: &Task, ended: &Ended, seat: Option<&Seat>) -> Note {
    let lang = shown.lang;
    let (look, head) = match &ended.how {
        End::Approved if task.form.is_some() => ("good", lang.pick("已提交", "Answered")),
        End::Approved => ("good", lang.pick("已通过", "Approved")),
        End::Rejected { .. } => ("bad", lang.pick("已驳回", "Rejected")),
        End::Cancelled(_) => ("wait", lang.pick("已取消，无需处理", "Cancelled: nothing to decide any more")),
    };
    let at = time(ended.at, &shown.definitions.zone.0);
    let text = match seat.and_then(|seat| own(shown, seat)) {
        Some(own) if own.contains(&at) => own,
        Some(own) => format!("{at}\n{own}"),
        None => at,
    };
    Note::new(look, head, text)
}

/// What they decided themselves.
fn own(shown: &Shown<'_>, seat: &Seat) -> Option<String> {
    let decision = seat.decision.as_ref()?;
    let (lang, at) = (shown.lang, time(decision.at, &shown.definitions.zone.0));
    let form = shown.case.task.form.is_some();
    Some(match decision.approved {
        true if form => lang.pick(format!("您已于 {at} 提交"), format!("You answered at {at}")),
        true => lang.pick(format!("您已于 {at} 同意"), format!("You approved at {at}")),
        false => lang.pick(format!("您已于 {at} 驳回"), format!("You rejected at {at}")),
    })
}

fn late(shown: &Shown<'_>, due: Option<Timestamp>) -> Option<Note> {
    let due = due.filter(|due| *due <= shown.now)?;
    let at = time(due, &shown.definitions.zone.0);
    let head = shown.lang.pick("已超过处理时限，请尽快处理", "This is overdue");
    Some(Note::new("wait", head, at))
}

/// For whom they decide, where the step names somebody else.
fn instead(shown: &Shown<'_>, seat: &Seat) -> Option<Note> {
    let of = seat.of.and_then(|of| shown.case.task.seats.get(of as usize)).map(|s| name(&s.person, shown.definitions));
    let why = super::words::why(shown.lang, seat.why, of);
    (!why.is_empty()).then(|| Note::new("", why, ""))
}

/// Not, or no more, theirs to decide.
fn other(shown: &Shown<'_>, seat: &Seat) -> Note {
    let (lang, seats) = (shown.lang, &shown.case.task.seats);
    let names = |filter: &dyn Fn(&Seat) -> bool| {
        let all = seats.iter().filter(|s| filter(s)).map(|s| name(&s.person, shown.definitions));
        all.collect::<Vec<_>>().join(lang.pick("、", ", "))
    };
    match seat.state {
        Seated::Waiting => {
            let now = names(&|s| s.state == Seated::Open);
            let text = lang.pick(format!("正在由 {now} 处理"), format!("{now} decides first"));
            Note::new("wait", lang.pick("还没有轮到您", "It is not your turn yet"), text)
        }
        Seated::Handed => {
            let at = seats.iter().position(|s| std::ptr::eq(s, seat)).and_then(|at| u32::try_from(at).ok());
            // Those who were only asked as well have not taken it over.
            let to = names(&|s| s.of.is_some() && s.of == at && !matches!(s.why, Why::Before | Why::After));
            let head = lang.pick(format!("已由 {to} 接手"), format!("{to} decides instead of you"));
            Note::new("wait", head, lang.pick("您无需再处理", "There is nothing left for you to do"))
        }
        Seated::Approved | Seated::Rejected => {
            let look = if seat.state == Seated::Approved { "good" } else { "bad" };
            let now = names(&|s| s.state == Seated::Open);
            let text = if now.is_empty() {
                String::new()
            } else {
                lang.pick(format!("等待 {now} 处理"), format!("{now} still decides"))
            };
            Note::new(look, own(shown, seat).unwrap_or_default(), text)
        }
        Seated::Void | Seated::Removed | Seated::Open => {
            Note::new("wait", lang.pick("无需您再处理", "It is decided without you"), "")
        }
    }
}
