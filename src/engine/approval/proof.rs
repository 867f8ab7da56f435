//! Codes that prove who decides: when another may be sent, how many tries it has, that it counts once. What a code is, is not
//! known here: it is made from a key when its message leaves.
//!
//! A code goes to the person alone: by mail, never to a group, whatever their channels are.

use jiff::{SignedDuration, Timestamp};

use super::{Act, Ask, Codes, Marker, Task, TaskId, notice};
use crate::engine::action::Doing;
use crate::engine::call::{CallId, Email, Request};
use crate::engine::decide::{By, Deciding};
use crate::engine::definition::{ConnectionKind, Definitions, Deliver, Person};
use crate::engine::log::Outcome;
use crate::engine::outbox::{self, Order};
use crate::engine::scope::Stop;
use crate::engine::state::{Entry, Key, Need};
use crate::engine::value::{Map, Value};

/// For how long a code counts.
pub const VALID: SignedDuration = SignedDuration::from_mins(10);
/// Wrong tries that a code has.
pub const TRIES: u32 = 5;
/// Between two codes.
const PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// In which [`LATELY`] may be sent.
const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// Codes of a person and task within an hour.
const LATELY: usize = 5;
/// Codes of a person and task in all: 150 tries at one of a million, for whoever got hold of a link.
const MOST: u32 = 30;

impl Codes {
    /// From when on another may be sent; `None`: never again.
    pub fn next(&self) -> Option<Timestamp> {
        if self.sent >= MOST {
            return None;
        }
        let after = |at: Timestamp, wait| at.saturating_add(wait).unwrap_or(Timestamp::MAX);
        let pause = self.at.map_or(Timestamp::MIN, |at| after(at, PAUSE));
        let hour = self.lately.len().checked_sub(LATELY).and_then(|n| self.lately.get(n));
        Some(hour.map_or(pause, |at| pause.max(after(*at, HOUR))))
    }

    /// Whether the last one still counts.
    pub fn counts(&self, now: Timestamp) -> bool {
        self.at.is_some_and(|at| now.duration_since(at) <= VALID) && !self.used && self.wrong < TRIES
    }

    fn send(&mut self, now: Timestamp) {
        self.lately.push(now);
        let old = self.lately.len().saturating_sub(LATELY);
        self.lately.drain(..old);
        *self = Self { sent: self.sent + 1, at: Some(now), wrong: 0, used: false, lately: std::mem::take(&mut self.lately) };
    }
}

impl Task {
    /// What is known of the codes of a person, if they have a seat. All are kept with the first of their seats, so that none comes twice.
    pub fn codes(&self, person: &str) -> Option<&Codes> {
        self.seats.iter().find(|s| s.person == person).map(|s| &s.codes)
    }
}

/// Somebody wants a code, or has given one.
pub(super) fn command(draft: &mut Deciding<'_>, ask: &Ask) -> Result<(), Need> {
    let entry = draft.get(&Key::Task(ask.task))?;
    let Some(Entry::Task(task)) = entry.as_deref() else {
        return refuse(draft, ask, &By::default(), "no such task", None);
    };
    let mut task = task.clone();
    let by = notice::by(&task);
    let now = draft.event.at;
    let Some(seat) = task.seats.iter_mut().find(|s| s.person == ask.person) else {
        return refuse(draft, ask, &by, "not asked", None);
    };
    let codes = &mut seat.codes;
    let mut detail = about(ask);
    let outcome = match ask.act {
        Act::SendCode => {
            match codes.next() {
                None => return refuse(draft, ask, &by, "too many codes", None),
                Some(next) if next > now => return refuse(draft, ask, &by, "too soon", Some(next)),
                Some(_) => codes.send(now),
            }
            let n = codes.sent;
            match send(draft, &task, ask, n, &by) {
                Ok(Some((call, connection))) => {
                    detail.insert("call".into(), call.to_string().into());
                    detail.insert("connection".into(), connection.into());
                }
                Ok(None) => return refuse(draft, ask, &by, "no channel of their own", None),
                Err(Stop::Need(need)) => return Err(need),
                Err(Stop::Unevaluable(why)) => return refuse(draft, ask, &by, &why, None),
            }
            Outcome::Fired
        }
        Act::RightCode => {
            codes.used = true;
            Outcome::Done
        }
        _ => {
            codes.wrong = codes.wrong.saturating_add(1);
            detail.insert("reason".into(), "wrong code".into());
            detail.insert("tries".into(), u64::from(codes.wrong).into());
            Outcome::Suppressed
        }
    };
    draft.say_of(&by, task.record.clone(), "code", outcome, Value::Map(detail));
    draft.put(Key::Task(task.id), Entry::Task(task));
    Ok(())
}

fn about(ask: &Ask) -> Map {
    let Ask { task, person, way, address, .. } = ask;
    let members = [("task", task.to_string()), ("who", person.clone()), ("way", way.clone()), ("address", address.clone())];
    members.into_iter().map(|(k, v)| (k.to_owned(), v.into())).collect()
}

fn refuse(draft: &mut Deciding<'_>, ask: &Ask, by: &By, reason: &str, until: Option<Timestamp>) -> Result<(), Need> {
    let mut detail = about(ask);
    detail.insert("reason".into(), reason.into());
    if let Some(until) = until {
        detail.insert("until".into(), until.into());
    }
    draft.say(by, "code", Outcome::Suppressed, Value::Map(detail));
    Ok(())
}

/// By which connection a person gets what nobody else may read, and at which address: by mail, over one of their own channels if one is
/// for mail, otherwise over any; over one on preview only where no other is.
pub fn own_channel<'d>(definitions: &'d Definitions, person: &'d Person) -> Option<(&'d str, &'d str)> {
    let to = person.email.as_deref().filter(|_| person.active)?; // whoever has left is sent nothing, and proves nothing
    let mail = |name: &&String| definitions.connections.get(*name).is_some_and(|c| c.kind == ConnectionKind::Smtp);
    let leaves = |name: &&String| definitions.connections.get(*name).is_some_and(|c| c.deliver != Deliver::Preview);
    let all = || person.channels.iter().chain(definitions.connections.keys()).filter(mail);
    let connection = all().find(leaves).or_else(|| all().next())?;
    Some((connection, to))
}

/// Orders the message; the call and its connection, or nothing where there is no way to the person alone, or it would not leave.
fn send(draft: &mut Deciding<'_>, task: &Task, ask: &Ask, n: u32, by: &By) -> Result<Option<(CallId, String)>, Stop> {
    let definitions = draft.definitions;
    let channel = definitions.people.get(&ask.person).and_then(|person| own_channel(definitions, person));
    let Some((connection, to)) = channel else { return Ok(None) };
    let marker = Marker::Code { task: task.id, person: ask.person.clone(), n };
    let request = Request::Email(message(definitions, task.id, &task.subject, to, &marker));
    let mut order = Order::new(connection, format!("{to}!"), request).urgent(true);
    order.markers = vec![marker];
    order.unwaited = true;
    let record = task.record.as_ref();
    let doing = Doing { by, record, data: &Value::Null, old: None, local: None, retry: None, calendar: None, letting: None };
    Ok(outbox::order(draft, order, &doing)?.map(|call| (call, connection.to_owned())))
}

fn message(definitions: &Definitions, task: TaskId, subject: &str, to: &str, marker: &Marker) -> Email {
    let (subject, text) = if definitions.lang == "en" {
        let text = format!(
            "Your code: {marker}\n\nIt counts once, for 10 minutes, to decide: {subject} ({task})\n\n\
             Give it to nobody. If you did not ask for it, somebody else has opened your link: do nothing, and tell your administrator."
        );
        ("Your code".to_owned(), text)
    } else {
        let text = format!(
            "您的验证码:{marker}\n\n10 分钟内有效,只能使用一次,用于处理:{subject}({task})\n\n\
             请勿告诉他人。如果不是您本人操作,说明有人打开了您的链接:请不要理会,并告知管理员。"
        );
        ("您的验证码".to_owned(), text)
    };
    Email { to: to.to_owned(), subject, text, html: None, marketing: false, track: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn one_a_minute_five_an_hour_thirty_in_all() {
        let mut codes = Codes::default();
        assert!(codes.next().unwrap() <= at(0));
        for n in 0..5 {
            codes.send(at(n * 60));
            assert_eq!(codes.next(), Some(if n < 4 { at(n * 60 + 60) } else { at(3_600) }));
        }
        codes.send(at(3_600));
        assert_eq!(codes.next(), Some(at(3_660)), "the second of the former five is over by then");
        assert_eq!(codes.lately.len(), 5, "no more than that is kept");
        codes.sent = MOST;
        assert_eq!(codes.next(), None);
    }

    #[test]
    fn a_code_counts_for_ten_minutes_five_tries_and_once() {
        let mut codes = Codes::default();
        assert!(!codes.counts(at(0)), "none was sent");
        codes.send(at(0));
        assert!(codes.counts(at(600)) && !codes.counts(at(601)));
        codes.wrong = 4;
        assert!(codes.counts(at(1)));
        codes.wrong = 5;
        assert!(!codes.counts(at(1)));
        codes.send(at(60));
        assert!(codes.counts(at(61)), "another has tries of its own");
        codes.used = true;
        assert!(!codes.counts(at(61)));
    }
}
