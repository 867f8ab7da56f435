//! The approval matrix on the task alone, and what the table does not say: dates of proxies, bounds, what is stored.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::act::{act, escalate, follow, time_out};
use super::seats::{Desk, open};
use super::*;
use crate::engine::definition::{Own, Person, Proxy, Share, Signing};
use crate::engine::value::Map;

mod drafted;
#[path = "../../../../tests/engine/approval/script.rs"]
mod script;

use script::{asked, mode, names, verdict};

const MATRIX: &str = include_str!("../../../../tests/engine/approval/matrix.txt");

fn people() -> BTreeMap<String, Person> {
    let mut people: BTreeMap<String, Person> = "甲乙丙丁戊己庚王子李周陈吴郑"
        .chars()
        .map(|c| (c.to_string(), Person { name: c.to_string(), active: true, ..Person::default() }))
        .collect();
    for (who, proxy) in [("李", "周"), ("陈", "李"), ("吴", "郑"), ("郑", "吴")] {
        let proxy = Proxy { who: proxy.into(), from: None, until: None };
        people.get_mut(who).unwrap().proxies = vec![proxy];
    }
    people
}

fn task(mode: Signing, who: &[String], desk: &Desk<'_>) -> Task {
    let seats = who.iter().map(|p| Seat::new(p, Why::Named, None, desk.at)).collect();
    Task {
        id: TaskId { seq: 7, n: 1 },
        run: "r6-1".into(),
        strand: 0,
        flow: "报价审批".into(),
        step: "审批".into(),
        round: 1,
        record: None,
        initiator: Some("庚".into()),
        form: None,
        subject: "报价".into(),
        text: String::new(),
        show: Vec::new(),
        links: Vec::new(),
        mode,
        own: Own::Ask,
        returns: vec!["改".into()],
        set: false,
        preview: false,
        seats,
        opened: desk.at,
        due: None,
        ended: None,
        forget: None,
    }
}

fn ask((person, act, comment): (String, Act, &str)) -> Ask {
    let (task, comment) = (TaskId { seq: 7, n: 1 }, comment.to_owned());
    Ask { task, person, act, comment, links: Vec::new(), way: "cli".into(), address: "10.0.0.7".into() }
}

fn done(task: &mut Task, text: &str, desk: &Desk<'_>) -> String {
    if let Some(people) = text.strip_prefix("up") {
        escalate(task, &names(people), desk);
    } else if let Some(sign) = text.strip_prefix("time") {
        time_out(task, sign == "+", desk);
    } else if text != "?" {
        let before = task.clone();
        if let Err(refusal) = act(task, &ask(asked(text)), Map::new(), desk) {
            assert_eq!(*task, before, "refused, and yet something changed");
            return format!("no {}", refusal.word());
        }
    }
    verdict(task)
}

#[test]
fn the_matrix_holds_on_the_task_alone() {
    let people = people();
    let mut wrong = Vec::new();
    for (n, line) in MATRIX.lines().enumerate().filter(|(_, l)| !l.is_empty() && !l.starts_with(['#', '*'])) {
        let mut parts = line.split(" | ");
        let (word, who) = parts.next().unwrap().split_once(' ').unwrap();
        let mut desk = Desk { people: &people, at: Timestamp::UNIX_EPOCH };
        let mut task = task(mode(word), &names(who), &desk);
        follow(&mut task, &desk);
        for part in parts {
            let (text, expected) = part.split_once(": ").unwrap();
            desk.at += SignedDuration::from_mins(1);
            let found = done(&mut task, text, &desk);
            let stored: Task = serde_json::from_str(&serde_json::to_string(&task).unwrap()).unwrap();
            assert_eq!(stored, task, "what is stored is what it was");
            if found != expected.trim() {
                wrong.push(format!("line {}: {line}\n  {text}: {found}, not {expected}", n + 1));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_proxy_stands_in_from_when_to_when_and_both_are_shown() {
    let day = |n: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * n);
    let mut people = people();
    people.get_mut("甲").unwrap().proxies = vec![Proxy { who: "乙".into(), from: Some(day(2)), until: Some(day(4)) }];
    for (at, expected) in [(1, "甲"), (2, "乙"), (3, "乙"), (4, "甲")] {
        let desk = Desk { people: &people, at: day(at) };
        let mut task = task(Signing::default(), &names("甲"), &desk);
        follow(&mut task, &desk);
        assert_eq!(done(&mut task, "?", &desk), expected, "day {at}");
    }
    // 顺签: looked up when it is their turn, not when the step began.
    let mut desk = Desk { people: &people, at: day(1) };
    let mut task = task(Signing::Sequence, &names("丙甲"), &desk);
    follow(&mut task, &desk);
    desk.at = day(3);
    assert_eq!(done(&mut task, "丙+", &desk), "乙");
    done(&mut task, "乙+", &desk);
    let outcome = super::outcome::result(&task).unwrap();
    assert_eq!(outcome.by, ["丙", "乙"]);
    assert_eq!(outcome.result.at(&["decisions", "1", "for"]), Some(&"甲".into()));
    assert_eq!(task.seats.iter().map(|s| s.state).collect::<Vec<_>>(), [Seated::Approved, Seated::Handed, Seated::Approved]);
}

#[test]
fn an_initiator_who_does_not_decide_comes_in_by_no_way() {
    let mut people = people();
    people.get_mut("甲").unwrap().proxies = vec![Proxy { who: "庚".into(), from: None, until: None }];
    let desk = Desk { people: &people, at: Timestamp::UNIX_EPOCH };
    let mut task = task(Signing::default(), &names("甲乙"), &desk);
    task.own = Own::Manager;
    follow(&mut task, &desk);
    for (text, expected) in [("?", "甲乙"), ("乙→庚", "no initiator"), ("乙<庚", "no initiator"), ("乙↔庚", "no initiator")]
    {
        assert_eq!(done(&mut task, text, &desk), expected, "{text}");
    }
}

#[test]
fn added_to_the_added_ends_somewhere() {
    let mut people: BTreeMap<String, Person> = BTreeMap::new();
    for c in (0..200u32).filter_map(|n| char::from_u32(0x4e00 + n)) {
        people.insert(c.to_string(), Person { name: c.to_string(), active: true, ..Person::default() });
    }
    let all: Vec<String> = people.keys().cloned().collect();
    let desk = Desk { people: &people, at: Timestamp::UNIX_EPOCH };
    let mut deep = task(Signing::default(), &all[..1], &desk);
    follow(&mut deep, &desk);
    let found: Vec<String> = (0..6).map(|n| done(&mut deep, &format!("{}<{}", all[n], all[n + 1]), &desk)).collect();
    assert_eq!(found[4], all[5]);
    assert_eq!(found[5], "no too-deep");
    let mut many = task(Signing::default(), &all[..1], &desk);
    follow(&mut many, &desk);
    assert_eq!(done(&mut many, &format!("{}<{}", all[0], all[1..101].concat()), &desk), "no too-many");
    assert_eq!(done(&mut many, &format!("{}<{}", all[0], all[1..100].concat()), &desk).chars().count(), 99);
}

#[test]
fn what_people_write_ends_somewhere_and_documents_are_addresses() {
    let people = people();
    let desk = Desk { people: &people, at: Timestamp::UNIX_EPOCH };
    let mut task = task(Signing::default(), &names("甲"), &desk);
    follow(&mut task, &desk);
    let mut try_with = |comment: String, links: &[&str]| {
        let links = links.iter().map(|l| (*l).to_owned()).collect();
        let ask = Ask { comment, links, ..ask(asked("甲+")) };
        act(&mut task, &ask, Map::new(), &desk).map(|_| ()).map_err(|r| r.word())
    };
    assert_eq!(try_with("长".repeat(2_001), &[]), Err("too-long"));
    assert_eq!(try_with(String::new(), &["https://例子.cn/报价.pdf"; 21]), Err("too-long"));
    for link in ["javascript:alert(1)", " https://x", "data:text/html,x", "/报价.pdf", ""] {
        assert_eq!(try_with(String::new(), &[link]), Err("bad-link"), "{link}");
    }
    assert_eq!(try_with("长".repeat(2_000), &["HTTPS://例子.cn/报价.pdf"]), Ok(()));
}

#[test]
fn what_was_decided_is_told_to_the_flow() {
    let people = people();
    let desk = Desk { people: &people, at: Timestamp::UNIX_EPOCH };
    let mut task = task(Signing::default(), &names("甲乙"), &desk);
    follow(&mut task, &desk);
    done(&mut task, "甲↔丁", &desk);
    done(&mut task, "丁-", &desk);
    done(&mut task, "甲+", &desk);
    time_out(&mut task, true, &desk);
    let outcome = super::outcome::result(&task).unwrap();
    assert_eq!((outcome.how, outcome.by.as_slice()), (End::Approved, ["甲".to_owned()].as_slice()));
    let said: Vec<String> = match outcome.result.at(&["decisions"]) {
        Some(crate::engine::value::Value::List(all)) => all
            .iter()
            .map(|d| {
                ["person", "approved", "opinion", "way"]
                    .map(|m| d.at(&[m]).map(ToString::to_string).unwrap_or_default())
                    .join(" ")
            })
            .collect(),
        other => panic!("{other:?}"),
    };
    assert_eq!(said, ["甲 true  cli", "乙 true  timeout", "丁 false true cli"]);
}
