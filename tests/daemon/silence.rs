//! `ifthen silence` against the running daemon: begun, listed, in force across a restart, ended by hand.

use ifthen::engine::log::Outcome;
use serde_json::{Value, json};

use super::harness::Folder;

const CONFIG: &str = "sources:\n  crm: { webhook: {}, event: crm.note }\n";
const RULES: &str = "
rules:
  节日祝福: { when: crm.note, tags: 营销, then: [ { log: '祝福 {{ event.id }}' } ] }
  记录: { when: crm.note, then: [ { log: '记录 {{ event.id }}' } ] }
";

#[test]
fn a_person_silences_rules_and_the_log_says_who_and_why() {
    let folder = Folder::new(&[("config.yaml", CONFIG), ("rules/a.yaml", RULES)]);
    let daemon = folder.start();
    assert_eq!(folder.cli(&["silence", "list"]), (0, "没有静默\n".into()));
    let (code, said) = folder.cli(&["silence", "tag:营销", "--for", "2h", "--comment", "客户投诉,先停"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("客户投诉,先停"), "{said}");
    let seq = daemon.accepted("/in/crm", &[], &json!({ "id": 1 }));
    let lines = daemon.wait_lines("rule", Outcome::Suppressed, 1);
    let detail = lines[0].detail.to_string();
    assert_eq!((lines[0].event, lines[0].rule.as_deref()), (seq, Some("节日祝福")));
    assert!(detail.contains("silence") && detail.contains("客户投诉,先停"), "{detail}");
    let (_, why) = folder.cli(&["why", &format!("e{seq}"), "--rule", "节日祝福"]);
    assert!(why.contains("已静默") && why.contains("客户投诉,先停"), "{why}");

    // It is state: a restart does not end it.
    assert_eq!(daemon.stop(), 0);
    let daemon = folder.start();
    daemon.accepted("/in/crm", &[], &json!({ "id": 2 }));
    daemon.wait_lines("rule", Outcome::Suppressed, 2);
    let (code, listed) = folder.cli(&["silence", "list", "--json"]);
    let one: Value = serde_json::from_str(listed.trim()).unwrap();
    assert_eq!((code, &one["rule"], &one["comment"]), (0, &json!("tag:营销"), &json!("客户投诉,先停")));
    let id = one["id"].as_str().unwrap();
    let (code, table) = folder.cli(&["silence", "list"]);
    assert!(code == 0 && table.contains(id) && table.contains("tag:营销"), "{table}");
    assert_eq!(folder.cli(&["silence", "end", id]).0, 0);
    let (code, again) = folder.cli(&["silence", "end", id]);
    assert!(code == 1 && again.contains("没有这个静默"), "{again}");
    daemon.accepted("/in/crm", &[], &json!({ "id": 3 }));
    let done = daemon.wait_lines("log", Outcome::Done, 4);
    let texts: Vec<String> = done.iter().map(|l| l.detail.at(&["text"]).unwrap().to_string()).collect();
    assert_eq!(texts, ["记录 1", "记录 2", "祝福 3", "记录 3"]);

    // What means nobody, says no end, or is over, is refused.
    for args in [
        &["silence", "节日", "--for", "1h", "--comment", "x"][..],
        &["silence", "节日祝福", "--until", "2020-01-01", "--comment", "x"],
        &["silence", "节日祝福", "--for", "soon", "--comment", "x"],
    ] {
        let (code, said) = folder.cli(args);
        assert_eq!(code, 1, "{args:?} {said}");
    }
    assert_eq!(folder.cli(&["silence", "节日祝福", "--comment", "x"]).0, 2);
    assert_eq!(daemon.client().send("POST", "/api/silences", &[], b"{}").unwrap().0, 401);
    assert_eq!(daemon.client().send("POST", "/api/silences/s1/end", &[], b"").unwrap().0, 401);
}
