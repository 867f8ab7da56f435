//! What was decided so far in a run, oldest first: who, what, when, in which words. What counts no more is there, too, and looks like it.

use serde::Serialize;

use super::field::{address, name, time};
use super::page::Shown;
use super::words;
use crate::engine::approval::{Seat, Seated, Task};

/// One of it.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    look: &'static str,
    what: String,
    who: String,
    #[serde(rename = "where")]
    place: String,
    comment: String,
    links: Vec<String>,
    /// It counts no more.
    old: bool,
}

/// All of it, and who is still asked.
pub(super) fn lines(shown: &Shown<'_>) -> Vec<Line> {
    let (lang, task) = (shown.lang, &shown.case.task);
    let mut lines = Vec::new();
    if let Some(run) = &shown.case.run {
        lines.push((run.started, began(shown, run.started)));
    }
    for one in shown.case.others.iter().chain([task]) {
        let decided = one.seats.iter().filter_map(|seat| seat.decision.as_ref().map(|d| (d.at, seat)));
        lines.extend(decided.map(|(at, seat)| (at, decision(shown, one, seat))));
    }
    lines.sort_by_key(|(at, _)| *at); // stable
    let mut lines: Vec<Line> = lines.into_iter().map(|(_, line)| line).collect();
    if task.ended.is_none() {
        let open = task.seats.iter().filter(|s| matches!(s.state, Seated::Open | Seated::Waiting) && s.person != shown.person);
        lines.extend(open.map(|seat| {
            let what =
                if seat.state == Seated::Open { lang.pick("处理中", "Asked") } else { lang.pick("等待中", "Comes later") };
            Line { look: "wait", what: what.into(), who: who(shown, task, seat), ..empty(title(shown, task)) }
        }));
    }
    lines
}

fn empty(place: String) -> Line {
    Line { look: "", what: String::new(), who: String::new(), place, comment: String::new(), links: Vec::new(), old: false }
}

fn began(shown: &Shown<'_>, at: jiff::Timestamp) -> Line {
    let who = shown.case.task.initiator.as_deref().map(|id| name(id, shown.definitions)).unwrap_or_default();
    let what = shown.lang.pick("发起", "Asked for by").to_owned();
    Line { what, who: who.to_owned(), ..empty(time(at, &shown.definitions.zone.0)) }
}

fn decision(shown: &Shown<'_>, task: &Task, seat: &Seat) -> Line {
    let Some(decision) = &seat.decision else { return empty(String::new()) };
    let lang = shown.lang;
    let (look, what) = match decision.approved {
        true if task.form.is_some() => ("good", lang.pick("已填写", "Answered")),
        true => ("good", lang.pick("同意", "Approved")),
        false => ("bad", lang.pick("驳回", "Rejected")),
    };
    let at = time(decision.at, &shown.definitions.zone.0);
    let round = shown.case.task.round;
    let old = task.round < round || matches!(seat.state, Seated::Void | Seated::Removed);
    let round =
        if old { lang.pick(format!(" · 第 {} 轮", task.round), format!(" · round {}", task.round)) } else { String::new() };
    let way = match decision.way.as_str() {
        "policy" => lang.pick(" · 按规则", " · by the flow's rule"),
        "timeout" => lang.pick(" · 超时", " · time was over"),
        _ => "",
    };
    let place = format!("{} · {at}{round}{way}", title(shown, task));
    let links = decision.links.iter().filter_map(|l| address(l)).map(str::to_owned).collect();
    let comment = decision.comment.clone();
    Line { look, what: what.into(), who: who(shown, task, seat), comment, links, old, ..empty(place) }
}

/// The name, and how they came by it.
fn who(shown: &Shown<'_>, task: &Task, seat: &Seat) -> String {
    let of = seat.of.and_then(|of| task.seats.get(of as usize)).map(|s| name(&s.person, shown.definitions));
    let why = words::why(shown.lang, seat.why, of);
    let person = name(&seat.person, shown.definitions);
    if why.is_empty() { person.to_owned() } else { shown.lang.pick(format!("{person}（{why}）"), format!("{person} ({why})")) }
}

fn title(shown: &Shown<'_>, task: &Task) -> String {
    let step = shown.case.flow.as_ref().and_then(|flow| flow.steps.iter().find(|s| s.id == task.step));
    step.and_then(|s| s.title.clone()).unwrap_or_else(|| task.step.clone())
}
