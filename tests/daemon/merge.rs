//! Merging against the running daemon: what a person asks is on disk, the former id goes on reaching the winner, and what was
//! before is explained as it was.

use ifthen::engine::log::Outcome;
use serde_json::{Value, json};

use super::harness::Folder;

const CONFIG: &str = "
sources:
  crm: { webhook: {}, event: crm.lead, record: { entity: lead, fields: { id: 编号, name: 姓名, email: 邮箱, stage: 阶段 } } }
  site: { webhook: {}, event: page.viewed, record: { entity: lead, fields: { id: id } } }
";
const RULES: &str = "
entities: { lead: { fields: { id: text, name: text, email: email, stage: text } } }
rules:
  浏览: { when: page.viewed, let: { n: { count: page.viewed, within: 7d } }, if: n >= 3, then: [ { log: '{{ id }} {{ n }}' } ] }
  合并: { when: lead.merged, then: [ { log: '{{ id }} ← {{ event.from }}' } ] }
tests:
  合并后一起计数:
    given: { lead: [ { id: L1 }, { id: L2, email: a@example.com } ] }
    steps:
      - { event: { name: page.viewed, record: lead/L2 }, times: 2, never: [ { log: L } ] }
      - { merge: { lead: [ L1, L2 ] }, expect: [ { log: L1 ← L2 } ], records: { lead/L1: { email: a@example.com }, lead/L2: absent } }
      - { event: { name: page.viewed, record: lead/L1 }, expect: [ { log: L1 3 } ] }
      - { unmerge: lead/L2, records: { lead/L2: { email: a@example.com }, lead/L1: { email: '' } } }
      - { event: { name: page.viewed, record: lead/L2 }, expect: [ { log: L2 3 } ] }
";

fn texts(daemon: &super::harness::Daemon) -> Vec<String> {
    let lines = daemon.lines("log", Outcome::Done);
    lines.iter().map(|l| l.detail.at(&["text"]).unwrap().to_string()).collect()
}

#[test]
fn merged_killed_and_started_again_the_former_id_reaches_the_winner() {
    let folder = Folder::new(&[("config.yaml", CONFIG), ("rules/a.yaml", RULES)]);
    let (code, said) = folder.cli(&["test"]);
    assert_eq!(code, 0, "{said}");
    let daemon = folder.start();
    let viewed = |daemon: &super::harness::Daemon, id: &str| daemon.accepted("/in/site", &[], &json!({ "id": id }));
    daemon.accepted("/in/crm", &[], &json!({ "编号": "L/1", "姓名": "刘洋", "阶段": "谈判" }));
    daemon.accepted("/in/crm", &[], &json!({ "编号": "L2", "姓名": "刘羊", "邮箱": "a@example.com", "阶段": "新建" }));
    let before = viewed(&daemon, "L2");
    viewed(&daemon, "L/1");

    // Shown, and nothing done; nobody is there to be asked.
    let (code, shown) = folder.cli(&["records", "merge", "lead/L/1", "lead/L2", "--dry-run"]);
    assert!(code == 0 && shown.contains("a@example.com") && shown.contains("合并后"), "{shown}");
    let (code, said) = folder.cli(&["records", "merge", "lead/L/1", "lead/L2"]);
    assert!(code == 1 && said.contains("--yes"), "{said}");
    assert_eq!(daemon.field("lead", "L/1", "email"), "");
    let (code, said) = folder.cli(&["records", "merge", "lead/L/1", "lead/L2", "--yes"]);
    assert!(code == 0 && said.contains("← lead/L2") && said.contains("email=a@example.com"), "{said}");
    let (code, said) = folder.cli(&["records", "merge", "lead/L/1", "lead/L2", "--yes"]);
    assert!(code == 1 && said.contains("已合并到其他记录"), "{said}");
    assert_eq!(texts(&daemon), ["L/1 ← L2"]);

    // Killed: the redirect holds. A stale copy and a view under the former id.
    daemon.kill();
    let daemon = folder.start();
    daemon.accepted("/in/crm", &[], &json!({ "编号": "L2", "姓名": "刘羊", "邮箱": "a@example.com", "阶段": "新建" }));
    assert_eq!(daemon.field("lead", "L/1", "name"), "刘洋");
    daemon.accepted("/in/crm", &[], &json!({ "编号": "L2", "姓名": "刘羊", "邮箱": "b@example.com", "阶段": "新建" }));
    assert_eq!(
        (daemon.field("lead", "L/1", "email"), daemon.field("lead", "L/1", "stage")),
        ("b@example.com".into(), "谈判".into())
    );
    let after = viewed(&daemon, "L2");
    assert_eq!(texts(&daemon), ["L/1 ← L2", "L/1 3"]);
    let (code, shown) = folder.cli(&["records", "show", "lead/L2"]);
    assert!(code == 0 && shown.contains("合并到 lead/L/1") && shown.contains("b@example.com"), "{shown}");
    let (_, listed) = folder.cli(&["records", "lead", "--json"]);
    assert_eq!(listed.lines().count(), 1, "{listed}");
    // As it was before.
    let (_, shown) = folder.cli(&["records", "show", "lead/L2", "--as-of", &format!("e{before}")]);
    assert!(shown.contains("刘羊") && !shown.contains("合并到"), "{shown}");

    // What was before the merge is explained as it was, what came after as it is.
    let why = |seq: u64| -> Value { serde_json::from_str(&folder.cli(&["why", &format!("e{seq}"), "--json"]).1).unwrap() };
    for (seq, n, verdict) in [(before, 1, "not_met"), (after, 3, "fired")] {
        let why = why(seq);
        let one = why["verdicts"].as_array().unwrap().iter().find(|v| v["rule"] == json!("浏览")).unwrap();
        assert_eq!(
            (&one["let"][0]["value"], &one["verdict"], &one["agrees"]),
            (&json!(n), &json!(verdict), &json!(true)),
            "{why}"
        );
    }
    // Tried on that history, the merge happens again.
    folder.write("rules/a.yaml", &RULES.replace("n >= 3", "n >= 2"));
    daemon.wait_lines("reload", Outcome::Done, 3);
    let (code, tried) = folder.cli(&["backtest", "--json", "--state", "empty"]);
    assert!(code == 0 && tried.contains("浏览"), "{tried}");

    // Two again.
    let (code, said) = folder.cli(&["records", "unmerge", "lead/L2", "--yes"]);
    assert!(code == 0 && said.contains("email"), "{said}");
    assert_eq!(
        (daemon.field("lead", "L2", "email"), daemon.field("lead", "L/1", "email")),
        ("a@example.com".into(), "b@example.com".into())
    );
    let (code, said) = folder.cli(&["records", "unmerge", "lead/L2", "--yes"]);
    assert!(code == 1 && said.contains("没有合并过"), "{said}");
    assert_eq!(daemon.client().send("POST", "/api/records/lead/L2/unmerge", &[], b"{}").unwrap().0, 401);
}
