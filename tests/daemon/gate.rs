//! What waits at a gate outlives the daemon, `why` says so, and a table that changes is in force at once.

use ifthen::engine::log::Outcome;
use serde_json::json;

use super::harness::Folder;

const CONFIG: &str = "sources:\n  crm: { webhook: {}, event: crm.note }\n";

#[test]
fn what_waits_outlives_a_kill_and_why_tells_both_ends_of_it() {
    let rules = "rules:\n  合并: { when: crm.note, debounce: { wait: 2s, by: event.客户 }, then: [ { log: '{{ event.n }} 共 {{ event.count }}' } ] }\n";
    let folder = Folder::new(&[("config.yaml", CONFIG), ("rules/a.yaml", rules)]);
    let daemon = folder.start();
    let first = daemon.accepted("/in/crm", &[], &json!({ "客户": "刘洋", "n": 1 }));
    daemon.accepted("/in/crm", &[], &json!({ "客户": "刘洋", "n": 2 }));
    daemon.wait_lines("rule", Outcome::Suppressed, 2);
    daemon.kill();
    let daemon = folder.start();
    let done = daemon.wait_lines("log", Outcome::Done, 1);
    assert_eq!(done[0].detail.at(&["text"]), Some(&"2 共 2".into()));
    let fired = daemon.wait_lines("rule", Outcome::Fired, 1);
    assert_eq!(fired.len(), 1);
    let (code, said) = folder.cli(&["why", &format!("e{first}")]);
    assert!(code == 0 && said.contains("防抖中"), "{said}");
    let (code, said) = folder.cli(&["why", &format!("e{}", fired[0].event)]);
    assert!(code == 0 && said.contains("合并") && said.contains("触发"), "{said}");
}

#[test]
fn a_table_that_changes_is_in_force_without_a_restart() {
    let rules = "
tables: { 区域: { file: 区域.csv, key: 城市 } }
rules: { 查: { when: crm.note, if: \"lookup('区域', event.城市, '负责人') == '王芳'\", then: [ { log: 王芳的 } ] } }
";
    let table = |owner: &str| format!("城市,负责人\n上海,{owner}\n");
    let folder = Folder::new(&[("config.yaml", CONFIG), ("rules/a.yaml", rules), ("rules/区域.csv", &table("张三"))]);
    let daemon = folder.start();
    daemon.accepted("/in/crm", &[], &json!({ "城市": "上海" }));
    folder.write("rules/区域.csv", &table("王芳"));
    let lines = daemon.wait_lines("reload", Outcome::Done, 2); // the start is one
    assert!(lines[1].detail.to_string().contains("区域"), "{}", lines[1].detail);
    let seq = daemon.accepted("/in/crm", &[], &json!({ "城市": "上海" }));
    let done = daemon.wait_lines("log", Outcome::Done, 1);
    assert_eq!(done[0].event, seq);
    // One that is wrong changes nothing, and its row is named.
    folder.write("rules/区域.csv", "城市,负责人\n上海,李四\n上海,李四\n");
    let failed = daemon.wait_lines("reload", Outcome::Failed, 1);
    assert!(failed[0].detail.to_string().contains("区域.csv"), "{}", failed[0].detail);
}
