//! What people are told who are asked: what it is about, what the record says, who decided before; at its end the place for their
//! own link. Decides nothing.

use super::act::is_opinion;
use super::{Marker, Seat, Task, Why, proof};
use crate::engine::action::{self, Doing, Message};
use crate::engine::call::{Email, Request};
use crate::engine::decide::{By, Deciding};
use crate::engine::entity::FieldKind;
use crate::engine::flow::{How, Run};
use crate::engine::log::Outcome;
use crate::engine::outbox::{self, Order};
use crate::engine::scope::Stop;
use crate::engine::state::{Entry, Key, Need};
use crate::engine::value::{Map, Value};

/// Bytes before the link: WeCom's robots take 2,048 of plain text, and a link is a few hundred.
const LONGEST: usize = 1_300;
/// Characters of one value or comment.
const CLIP: usize = 80;
/// Fields that are shown where the step does not say which.
const FIELDS: usize = 12;

/// Who does what is done about a task, for the log.
pub(super) fn by(task: &Task) -> By {
    By {
        flow: Some(task.flow.clone()),
        run: Some(task.run.clone()),
        step: Some(task.step.clone()),
        preview: task.preview,
        ..By::default()
    }
}

/// Tells whoever is asked on these seats, each in their own mailbox; who cannot be reached is in the log, and still asked.
pub(super) fn tell(draft: &mut Deciding<'_>, task: &mut Task, seats: &[usize], again: bool, word: &str) -> Result<(), Need> {
    if seats.is_empty() {
        return Ok(());
    }
    let run = run(draft, &task.run)?;
    tell_of(draft, task, run.as_ref(), (seats, again, word))
}

/// As [`tell`], where the run is at hand: the state may not have it yet.
pub(super) fn tell_of(
    draft: &mut Deciding<'_>,
    task: &mut Task,
    run: Option<&Run>,
    (seats, again, word): (&[usize], bool, &str),
) -> Result<(), Need> {
    let body = body(draft, task, run)?;
    let by = by(task);
    let title = title(draft, task, again);
    let mut told = std::collections::BTreeSet::new();
    for at in seats {
        task.seats[*at].told += 1;
        if !told.insert(task.seats[*at].person.clone()) {
            continue;
        }
        let person = task.seats[*at].person.clone();
        let marker = Marker::link(task, &person, draft.event.at);
        let why = because(draft, task, *at, word);
        let text: String = [title.as_str(), &why, &body].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join("\n");
        let record = task.record.as_ref();
        let doing =
            Doing { by: &by, record, data: &Value::Null, old: None, local: None, retry: None, calendar: None, letting: None };
        let failed = match one(draft, &person, &title, &text, marker, &doing) {
            Ok(()) => continue,
            Err(Stop::Need(need)) => return Err(need),
            Err(Stop::Unevaluable(why)) => [("reason", "unevaluable".into()), ("error", why.into()), ("to", person.into())],
        };
        draft.say_of(&by, task.record.clone(), "notify", Outcome::Failed, Value::from(failed));
    }
    Ok(())
}

/// One person: the link goes to their own mailbox and nowhere else. Who has none is told over whatever reaches them that something
/// waits, without a link, and the log says so: it is decided from the command line or by the API.
fn one(draft: &mut Deciding<'_>, person: &str, title: &str, text: &str, marker: Marker, doing: &Doing<'_>) -> Result<(), Stop> {
    let definitions = draft.definitions;
    if let Some((connection, to)) = definitions.people.get(person).and_then(|p| proof::own_channel(definitions, p)) {
        let (to, subject) = (to.to_owned(), action::one_line(title));
        let text = format!("{text}\n{marker}");
        let mail = Email { to: to.clone(), subject, text, html: None, marketing: false, track: false };
        let mut order = Order::new(connection, to, Request::Email(mail));
        order.markers = vec![marker];
        order.unwaited = true;
        outbox::order(draft, order, doing)?;
        return Ok(());
    }
    let detail = Value::from([("reason", "no channel of their own".into()), ("to", person.into())]);
    draft.say_of(doing.by, doing.record.cloned(), "notify", Outcome::Suppressed, detail);
    let people = [person.to_owned()];
    let hint = match is_zh(draft) {
        true => "(未登记您的个人邮箱,不能发送处理链接;可由管理员代为处理)",
        false => "(no mail address of yours is known, so no link can be sent; an administrator can decide in your name)",
    };
    let text = format!("{text}\n{hint}");
    let message = Message { people: &people, text: &text, title: Some(title), urgent: false, unwaited: true };
    action::tell(draft, &message, doing)?;
    Ok(())
}

fn run(draft: &Deciding<'_>, id: &str) -> Result<Option<Run>, Need> {
    let entry = draft.get(&Key::Run(id.to_owned()))?;
    Ok(entry.and_then(|e| if let Entry::Run(run) = e.as_ref() { Some(run.clone()) } else { None }))
}

fn name(draft: &Deciding<'_>, id: &str) -> String {
    draft.definitions.people.get(id).map_or_else(|| id.to_owned(), |p| p.name.clone())
}

fn is_zh(draft: &Deciding<'_>) -> bool {
    draft.definitions.lang != "en"
}

fn title(draft: &Deciding<'_>, task: &Task, again: bool) -> String {
    let word = match (is_zh(draft), again, task.form.is_some()) {
        (true, true, false) => "催办：待您审批",
        (true, true, true) => "催办：待您填写",
        (true, false, false) => "待您审批",
        (true, false, true) => "待您填写",
        (false, true, false) => "Reminder: to approve",
        (false, true, true) => "Reminder: to fill in",
        (false, false, false) => "To approve",
        (false, false, true) => "To fill in",
    };
    if is_zh(draft) { format!("【{word}】{}", task.subject) } else { format!("[{word}] {}", task.subject) }
}

/// How they come by it, where the step does not name them.
fn because(draft: &Deciding<'_>, task: &Task, at: usize, word: &str) -> String {
    let seat: &Seat = &task.seats[at];
    let from = seat.of.and_then(|of| task.seats.get(of as usize)).map(|s| name(draft, &s.person)).unwrap_or_default();
    let why = match (seat.why, is_zh(draft)) {
        (Why::Named | Why::Instead, _) => String::new(),
        (Why::Transferred, true) => format!("{from} 转办给您"),
        (Why::Transferred, false) => format!("handed over by {from}"),
        (Why::Delegated, true) => format!("{from} 请您先给出意见"),
        (Why::Delegated, false) => format!("{from} asks for your opinion"),
        (Why::Proxy, true) => format!("代 {from} 处理"),
        (Why::Proxy, false) => format!("for {from}"),
        (Why::Before | Why::After, true) => format!("{from} 邀请您加签"),
        (Why::Before | Why::After, false) => format!("added by {from}"),
        (Why::Escalated, true) => "超时升级".to_owned(),
        (Why::Escalated, false) => "escalated: time was over".to_owned(),
    };
    match (why.is_empty(), word.trim().is_empty()) {
        (false, false) => format!("{why}：{}", clip(word)),
        (true, false) => clip(word),
        _ => why,
    }
}

/// What everyone is told: the text, the record, who decided before, the documents. What is too long is cut between lines.
fn body(draft: &Deciding<'_>, task: &Task, run: Option<&Run>) -> Result<String, Need> {
    let mut lines: Vec<String> = task.text.trim().lines().map(str::to_owned).collect();
    lines.extend(shown(draft, task)?);
    lines.extend(run.map(|run| before(draft, run)).unwrap_or_default());
    lines.extend(so_far(draft, task));
    lines.extend(task.links.iter().map(|(name, url)| format!("{name}: {url}")));
    let mut text = String::new();
    for line in lines.iter().filter(|l| !l.trim().is_empty()) {
        if text.len() + line.len() >= LONGEST {
            text.push('…');
            break;
        }
        text.push_str(line);
        text.push('\n');
    }
    Ok(text.trim_end().to_owned())
}

/// Fields of the record, by their names.
fn shown(draft: &Deciding<'_>, task: &Task) -> Result<Vec<String>, Need> {
    let Some(at) = &task.record else { return Ok(Vec::new()) };
    let Some(record) = draft.record(at)? else { return Ok(Vec::new()) };
    let fields = draft.definitions.entities.get(&at.entity).map(|e| &e.fields);
    let names: Vec<&String> = match (task.show.is_empty(), fields) {
        (true, Some(fields)) => fields.keys().filter(|f| !record.value(f).is_empty()).take(FIELDS).collect(),
        _ => task.show.iter().collect(),
    };
    let line = |name: &String| {
        let kind = fields.and_then(|f| f.get(name)).map(|f| &f.kind);
        format!("{name}: {}", clip(&read(draft, kind, &record.seen(name))))
    };
    Ok(names.into_iter().map(line).collect())
}

/// A value as a person reads it.
fn read(draft: &Deciding<'_>, kind: Option<&FieldKind>, value: &Value) -> String {
    let zone = &draft.definitions.zone.0;
    match (kind, value) {
        (Some(FieldKind::Percent), Value::Number(n)) => format!("{}%", (n * rust_decimal::Decimal::ONE_HUNDRED).normalize()),
        (Some(FieldKind::Person), Value::Text(id)) => name(draft, id),
        (_, Value::Time(at)) => at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string(),
        (_, value) => value.to_string(),
    }
}

/// Who decided at the steps before, in this round.
fn before(draft: &Deciding<'_>, run: &Run) -> Vec<String> {
    let decided = run.path.iter().filter(|p| p.round == run.round && matches!(p.how, How::Approved | How::Rejected));
    let lines = decided.flat_map(|passed| match run.steps.get(&passed.step).and_then(|s| s.at(&["decisions"])) {
        Some(Value::List(all)) => all.iter().filter_map(|d| d.as_map()).map(|d| decision(draft, d)).collect(),
        _ => passed.by.iter().map(|who| format!("{} ✓", name(draft, who))).collect::<Vec<_>>(),
    });
    lines.collect()
}

fn decision(draft: &Deciding<'_>, decision: &Map) -> String {
    let text = |name: &str| decision.get(name).map(ToString::to_string).unwrap_or_default();
    said(draft, &text("person"), decision.get("approved") == Some(&Value::Bool(true)), false, &text("comment"))
}

/// Who decided of those who are asked together.
fn so_far(draft: &Deciding<'_>, task: &Task) -> Vec<String> {
    let line = |(at, seat): (usize, &Seat)| {
        let decision = seat.decision.as_ref()?;
        Some(said(draft, &seat.person, decision.approved, is_opinion(&task.seats, at), &decision.comment))
    };
    task.seats.iter().enumerate().filter_map(line).collect()
}

fn said(draft: &Deciding<'_>, person: &str, approved: bool, opinion: bool, comment: &str) -> String {
    let word = match (is_zh(draft), approved, opinion) {
        (true, true, false) => "已同意",
        (true, false, false) => "已驳回",
        (true, true, true) => "意见：同意",
        (true, false, true) => "意见：不同意",
        (false, true, false) => "approved",
        (false, false, false) => "rejected",
        (false, true, true) => "in favour",
        (false, false, true) => "against",
    };
    let comment = clip(comment);
    let person = name(draft, person);
    if comment.is_empty() { format!("{person} {word}") } else { format!("{person} {word}: {comment}") }
}

fn clip(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut short: String = line.chars().take(CLIP).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}
