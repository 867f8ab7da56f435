//! How people learn that they are asked: their own link goes to their own mailbox, to no group; who has left decides nothing.

use ifthen::engine::approval::{self, Act};
use ifthen::engine::event::{Body, Command};
use ifthen::engine::state::prefix;

use super::{World, calls, flow, runs};

const STEPS: &str = "    steps: [ { id: 审, approve: { who: ['user:甲', 'user:乙'], mode: all } }, { log: 完 } ]\n";

fn asked(people: &str) -> World {
    let body = format!("{STEPS}people: {{ {people} }}\n");
    let mut w = flow(&body);
    w.lead("L1", &[("name", "刘洋".into())]);
    w
}

/// Over which connection, with or without a link.
fn told(w: &World) -> Vec<(String, bool)> {
    calls(w).iter().map(|c| (c.connection.clone(), !c.markers.is_empty())).collect()
}

#[test]
fn a_personal_link_goes_to_the_own_mailbox_alone() {
    let w = asked("甲: { wecom: jia, email: a@example.com, channels: [ops, mail] }, 乙: { wecom: yi, channels: [ops] }");
    assert_eq!(told(&w), [("mail".to_owned(), true), ("ops".to_owned(), false)]);
    let group = serde_json::to_string(&calls(&w)[1].request).unwrap();
    assert!(group.contains("刘洋") && !group.contains('⟦'), "they learn of it, without a link: {group}");
    let none: Vec<String> =
        w.log.iter().filter(|l| l.action == "notify").map(|l| l.detail.at(&["reason"]).unwrap().to_string()).collect();
    assert_eq!(none, ["no channel of their own"], "and the log says so of 乙");
    // Who has a mailbox and no channel for it, or none at all.
    let w = asked("甲: { email: a@example.com, wecom: jia, channels: [ops] }, 乙: {}");
    assert_eq!(told(&w), [("mail".to_owned(), true)]);
    assert_eq!(w.state.scan(prefix::TASK, None, 9).len(), 1, "乙 is asked all the same");
}

#[test]
fn whoever_has_left_decides_nothing_and_is_replaced() {
    let mut w = asked("甲: { email: a@example.com }, 乙: {}, 丙: {}");
    let left = World::new(&format!(
        "flows:\n  f:\n    when: lead.created\n    record: lead\n{STEPS}people: {{ 甲: {{ active: false }}, 乙: {{}}, 丙: {{}} }}\n"
    ));
    w.definitions = left.definitions;
    let keys = w.state.scan(prefix::TASK, None, 9);
    let ifthen::engine::state::Key::Task(task) = keys[0] else { panic!() };
    let mut does = |person: &str, act: Act, way: &str| {
        w.log.clear();
        let (comment, links, address) = ("理由".into(), Vec::new(), String::new());
        let ask = approval::Ask { task, person: person.into(), act, comment, links, way: way.into(), address };
        w.own(Body::Command(Command::Task(Box::new(ask))));
        let refused = w.log.iter().find(|l| l.action == "decide" && l.outcome.word() == "suppressed");
        refused.map(|l| l.detail.at(&["reason"]).unwrap().to_string())
    };
    for act in [Act::Approve, Act::Reject { to: None, here: false }, Act::Delegate("丙".into()), Act::Transfer("丙".into())] {
        assert_eq!(does("甲", act.clone(), "session"), Some("inactive".to_owned()), "{act:?}");
    }
    assert_eq!(does("甲", Act::Approve, "cli"), Some("inactive".to_owned()));
    assert_eq!(does("甲", Act::Transfer("丙".into()), "cli"), None, "in their name, by whoever keeps the daemon");
    assert_eq!((does("丙", Act::Approve, "cli"), does("乙", Act::Approve, "cli")), (None, None));
    assert!(runs(&w).is_empty());
}
