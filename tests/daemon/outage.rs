//! Channels that are down, slow, throttling or talk nonsense: retried by class, in order, listed when dead, retried by hand; nothing lost.

use std::time::Duration;

use ifthen::engine::log::Outcome;
use ifthen::store::Filter;
use serde_json::json;

use super::harness::{Folder, wait};
use super::lead::{RULES, World, lead};
use super::standin::{Act, Mode, Reply, Stage, Web, Wecom, wecom};

#[test]
fn channels_that_are_down_get_their_messages_once_they_are_back() {
    let world = World::new(RULES);
    world.smtp.server.down();
    world.dingtalk.server.down();
    let daemon = world.folder.start();
    for n in 0..3 {
        lead(&daemon, &format!("L{n}"));
    }
    daemon.wait_lines("email", Outcome::Retrying, 3);
    daemon.wait_lines("dingtalk", Outcome::Retrying, 1);
    world.smtp.server.up();
    world.dingtalk.server.up();
    daemon.wait_lines("email", Outcome::Done, 3);
    daemon.wait_lines("dingtalk", Outcome::Done, 3);
    assert_eq!(world.smtp.by_key().len(), 3);
}

#[test]
fn every_class_of_answer_is_treated_as_what_it_is() {
    let world = World::new(RULES);
    // Mail: greylisted once; refused for good; lost after the final dot.
    world.smtp.next_for("grey@example.com", 1, Stage::Recipient, Act::Reply("451 4.7.1 greylisted"));
    world.smtp.next_for("gone@example.com", 1, Stage::Recipient, Act::Reply("550 5.1.1 no such user"));
    // And slow, which is no failure.
    world.smtp.next_for("fine@example.com", 1, Stage::Dot, Act::Slow(Duration::from_millis(300)));
    world.wecom.script.next(2, Mode::Slow(Duration::from_millis(300)));
    // Robots: busy, then nonsense, then fine.
    world.dingtalk.script.next(1, Mode::busy());
    world.dingtalk.script.next(1, Mode::Instead(Reply::text(502, "text/html", "<html>Bad Gateway</html>")));
    world.dingtalk.script.next(1, Mode::Instead(Reply::text(200, "text/plain", "???")));
    let daemon = world.folder.start();
    for id in ["grey", "gone", "fine"] {
        lead(&daemon, id);
    }
    daemon.wait_lines("email", Outcome::Done, 2);
    let dead = daemon.wait_lines("email", Outcome::Dead, 1);
    assert!(dead[0].detail.to_string().contains("5.1.1"), "{}", dead[0].detail);
    assert_eq!(dead[0].record.as_ref().unwrap().id, "gone");
    daemon.wait_lines("dingtalk", Outcome::Done, 3);
    assert_eq!(world.dingtalk.accepted.all().len(), 3);
    daemon.wait_lines("wecom", Outcome::Done, 3);
    assert!(daemon.lines("wecom", Outcome::Retrying).is_empty());

    // Listed, and sent after all when someone asks.
    let (code, said) = world.folder.cli(&["calls", "list", "--dead"]);
    assert!(code == 0 && said.contains("gone@example.com"), "{said}");
    let call = dead[0].detail.at(&["call"]).unwrap().to_string();
    let (code, said) = world.folder.cli(&["calls", "retry", &call]);
    assert_eq!(code, 0, "{said}");
    daemon.wait_lines("email", Outcome::Done, 3);
    let (_, said) = world.folder.cli(&["calls", "list", "--dead"]);
    assert!(!said.contains("gone@example.com"), "{said}");
}

#[test]
fn an_answer_that_was_lost_is_unknown_and_the_repetition_carries_the_same_key() {
    let world = World::new(RULES);
    world.smtp.next_for("l1@example.com", 1, Stage::Dot, Act::Drop);
    let daemon = world.folder.start();
    lead(&daemon, "l1");
    daemon.wait_lines("email", Outcome::Unknown, 1);
    daemon.wait_lines("email", Outcome::Done, 1);
    let keys = world.smtp.by_key();
    assert_eq!(keys.into_values().collect::<Vec<_>>(), [2], "arrived twice, under one key");
}

#[test]
fn the_calls_of_a_record_stay_in_order_and_others_are_not_held_up() {
    let web = Web::start();
    let config = format!(
        "allow_networks: [127.0.0.0/8]\nsources:\n  crm: {{ webhook: {{}}, event: step, delivery: {{ body: [n] }}, record: {{ entity: lead, fields: {{ id: id, step: step }} }} }}\nconnections:\n  erp: {{ http: {{ base: \"{}\" }}, retry: [1s, 1s, 1s, 1s] }}\n",
        web.url("")
    );
    let rules = "
entities: { lead: { fields: { id: text, step: text } } }
rules:
  tell: { when: step, then: [ { http: { connection: erp, post: '/{{ id }}/{{ step }}' } } ] }
";
    let folder = Folder::new(&[("config.yaml", &config), ("rules/step.yaml", rules)]);
    let daemon = folder.start();
    web.next(2, Reply::status(500));
    for (n, (id, step)) in [("A", 1), ("A", 2), ("A", 3), ("B", 1)].into_iter().enumerate() {
        daemon.accepted("/in/crm", &[], &json!({ "n": n, "id": id, "step": step.to_string() }));
    }
    daemon.wait_lines("http", Outcome::Done, 4);
    let paths: Vec<String> = web.requests.all().iter().map(|r| r.path.clone()).collect();
    let mut of_a: Vec<&String> = paths.iter().filter(|p| p.starts_with("/A")).collect();
    of_a.dedup();
    assert_eq!(of_a, ["/A/1", "/A/2", "/A/3"], "{paths:?}");
}

#[test]
fn more_messages_than_a_minute_takes_are_merged_and_none_is_dropped() {
    // Its window is shorter than ours: on a busy machine messages may arrive closer together than they left.
    let robot = Wecom::with(wecom::Options { rate: 5, window: Duration::from_secs(2), ..Default::default() });
    let config = "
allow_networks: [127.0.0.0/8]
sources:
  crm: { webhook: {}, event: note, delivery: { body: [n] } }
connections:
  ops: { wecom: { url: '${file:wecom.url}' }, rate: 5/3s }
";
    let rules = "rules:\n  tell: { when: note, then: [ { wecom: { robot: ops, text: '消息{{ event.n }}。' } } ] }\n";
    let folder = Folder::new(&[("config.yaml", config), ("rules/note.yaml", rules), ("wecom.url", &robot.url())]);
    let daemon = folder.start();
    let batch: Vec<_> = (0..60).map(|n| json!({ "n": n })).collect();
    daemon.accepted("/in/crm", &[], &json!(batch));
    daemon.wait_lines("wecom", Outcome::Done, 60);
    let accepted = robot.accepted.all();
    let all: String = accepted.iter().map(|m| m.content.as_str()).collect::<Vec<_>>().join("\n");
    let places: Vec<usize> =
        (0..60).map(|n| all.find(&format!("消息{n}。")).unwrap_or_else(|| panic!("{n} was dropped"))).collect();
    assert!(places.is_sorted(), "in order");
    assert!(accepted.len() < 20, "merged: {}", accepted.len());
    assert!(robot.codes.all().iter().all(|c| *c == 0), "the budget was never exceeded: {:?}", robot.codes.all());
    let merged = daemon.lines("wecom", Outcome::Done).iter().filter(|l| l.detail.at(&["merged"]).is_some()).count();
    assert_eq!(merged + accepted.len(), 60);
}

#[test]
fn a_robot_that_throttles_is_left_alone_and_gets_everything_later() {
    let robot = Wecom::with(wecom::Options { rate: 2, window: Duration::from_secs(600), ..Default::default() });
    let config = "
allow_networks: [127.0.0.0/8]
sources:
  crm: { webhook: {}, event: note, delivery: { body: [n] } }
connections:
  ops: { wecom: { url: '${file:wecom.url}' }, rate: 100/1m }
";
    let rules = "rules:\n  tell: { when: note, then: [ { wecom: { robot: ops, text: '消息{{ event.n }}。' } } ] }\n";
    let folder = Folder::new(&[("config.yaml", config), ("rules/note.yaml", rules), ("wecom.url", &robot.url())]);
    let daemon = folder.start();
    for n in 0..3 {
        daemon.accepted("/in/crm", &[], &json!({ "n": n }));
        wait("it was tried", || (robot.codes.all().len() > n).then_some(()));
    }
    let held = daemon.wait_lines("wecom", Outcome::Retrying, 1);
    assert_eq!(held[0].detail.at(&["held"]).unwrap().to_string(), "ops");
    assert!(held[0].detail.at(&["error"]).unwrap().to_string().contains("45009"), "{}", held[0].detail);
    // Held for a minute or more by the provider's word: it survives a restart, and is not tried meanwhile.
    let tried = robot.requests.all().len();
    daemon.kill();
    let daemon = folder.start();
    let (_, said) = folder.cli(&["calls", "list"]);
    assert!(said.contains("消息2"), "{said}");
    assert_eq!(robot.requests.all().len(), tried);
    assert!(daemon.log(&Filter { outcome: Some(Outcome::Dead), ..Filter::default() }).is_empty());
}
