//! Runs against the running daemon while their flow is edited and removed: each finishes on its version, or is moved by a person.

use ifthen::engine::log::{Line, Outcome};
use ifthen::engine::state::{Entry, prefix};
use ifthen::store::Read as _;
use serde_json::{Value, json};

use super::harness::{Daemon, Folder, wait};
use super::standin::{Reply, Web};

const RUNS: usize = 100;

const RULES: &str = "entities:\n  quote: { fields: { id: text } }\n";

fn config(web: &Web) -> String {
    format!(
        "definitions: [rules, flows]\nallow_networks: [127.0.0.0/8]\nsources:\n  crm: {{ webhook: {{}}, record: {{ entity: quote, fields: {{ id: id }} }} }}\nconnections:\n  erp: {{ http: {{ base: '{}' }}, concurrency: 8 }}\n",
        web.url("")
    )
}

/// A flow of two steps; the first waits for the other side.
fn flow(step: &str, word: &str) -> String {
    format!(
        "flows:\n  审批:\n    when: quote.created\n    record: quote\n    steps:\n      - {{ id: {step}, http: {{ connection: erp, post: /approve }} }}\n      - {{ id: note, log: '{word} {{{{ id }}}}' }}\n"
    )
}

/// What the log says, by a word in it.
fn texts(daemon: &Daemon, word: &str) -> usize {
    daemon.lines("log", Outcome::Done).iter().filter(|l| l.detail.to_string().contains(word)).count()
}

fn pinned(line: &Line) -> Option<Value> {
    serde_json::to_value(line.detail.at(&["pinned"])?.plain()).ok()
}

/// Waits for a reload that says this of runs which stay.
fn stays(daemon: &Daemon, expect: &Value) {
    wait(&format!("a reload that says {expect}"), || {
        daemon.lines("reload", Outcome::Done).iter().any(|l| pinned(l).as_ref() == Some(expect)).then_some(())
    });
}

#[test]
fn a_flow_is_edited_and_removed_while_a_hundred_runs_wait() {
    let web = Web::start();
    // Refused for good: the runs stand still at their first step until somebody sends again.
    web.next(RUNS, Reply::status(422));
    let config = config(&web);
    let folder = Folder::new(&[("config.yaml", &config), ("rules/quote.yaml", RULES), ("flows/a.yaml", &flow("approve", "旧"))]);
    let daemon = folder.start();
    let mut client = daemon.client();
    for n in 0..RUNS {
        let (status, answer) = client.post("/in/crm", &[], &json!({ "id": format!("报价{n}") })).unwrap();
        assert_eq!(status, 202, "{answer}");
    }
    let dead = daemon.wait_lines("http", Outcome::Dead, RUNS);
    assert_eq!(folder.cli(&["runs", "list", "--stuck", "--json"]).1.lines().count(), RUNS);

    // Edited: said in the log and in the daemon's own messages; also when it starts again.
    folder.write("flows/a.yaml", &flow("approve", "新"));
    stays(&daemon, &json!({ "审批": { "runs": RUNS, "at": { "approve": RUNS } } }));
    wait("its own message", || daemon.said().contains("审批: 100 runs wait at `approve`: pinned").then_some(()));
    daemon.kill();
    let daemon = folder.start();
    wait("its message at the start", || (daemon.said().matches("100 runs wait at `approve`: pinned").count() == 2).then_some(()));

    // Some are moved by a person; the preview says the same before.
    let runs: Vec<String> = dead.iter().take(10).filter_map(|l| l.run.clone()).collect();
    let named: Vec<&str> = runs.iter().map(String::as_str).collect();
    let (code, preview) = folder.cli(&[&["runs", "migrate", "--dry-run"], &named[..]].concat());
    assert_eq!((code, preview.matches("可以").count()), (0, 10), "{preview}");
    let (code, said) = folder.cli(&[&["runs", "migrate", "--comment", "新条款"], &named[..]].concat());
    assert_eq!(code, 0, "{said}");
    assert_eq!(daemon.lines("migrate", Outcome::Done).len(), 10);
    // Again: they are there.
    let (code, said) = folder.cli(&["runs", "migrate", named[0]]);
    assert!(code == 1 && said.contains("已是当前版本"), "{said}");

    // What cannot be moved says where and why, and stays; asked of the daemon itself likewise.
    folder.write("flows/a.yaml", &flow("review", "再"));
    stays(&daemon, &json!({ "审批": { "runs": RUNS, "at": { "approve": RUNS } } }));
    wait("the third version", || daemon.lines("reload", Outcome::Done).iter().filter(|l| pinned(l).is_some()).nth(1).map(drop));
    let (code, preview) = folder.cli(&["runs", "migrate", "--flow", "审批", "--dry-run"]);
    assert_eq!((code, preview.matches("approve: 新版本中没有这一步").count()), (1, RUNS), "{preview}");
    let token = std::fs::read_to_string(folder.path("data/control")).unwrap();
    let bearer = format!("Bearer {}", token.lines().nth(1).unwrap());
    let path = format!("/api/runs/{}/migrate", named[0]);
    let (status, answer) = daemon.post(&path, &[("authorization", &bearer)], &json!({ "by": "李四" }));
    assert_eq!((status, &answer["done"], &answer["log"][0]["outcome"]), (200, &json!(false), &json!("failed")), "{answer}");
    assert!(answer["log"][0]["detail"]["against"].to_string().contains("approve"), "{answer}");
    assert_eq!(daemon.post(&path, &[], &json!({})).0, 401);
    assert_eq!(daemon.post("/api/runs/r4-4/cancel", &[("authorization", &bearer)], &json!({})).0, 404);
    assert_eq!(daemon.post(&path.replace("migrate", "dance"), &[("authorization", &bearer)], &json!({})).0, 404);

    // The flow is removed altogether. All finish on the version they are on.
    std::fs::remove_file(folder.path("flows/a.yaml")).unwrap();
    stays(&daemon, &json!({ "审批": { "runs": RUNS, "at": { "approve": RUNS }, "gone": true } }));
    daemon.kill();
    let daemon = folder.start();
    let calls: Vec<String> = dead.iter().map(|l| l.detail.at(&["call"]).unwrap().to_string()).collect();
    let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
    assert_eq!(folder.cli(&[&["calls", "retry"], &calls[..]].concat()).0, 0);
    daemon.wait_lines("end", Outcome::Done, RUNS);
    assert_eq!((texts(&daemon, "旧"), texts(&daemon, "新"), texts(&daemon, "再")), (RUNS - 10, 10, 0));
    assert_eq!(folder.cli(&["runs"]), (0, "没有进行中的运行\n".into()));

    // Nobody needs the graphs any more: they go with the next reload.
    daemon.signal("HUP");
    wait("the graphs are gone", || {
        let left = daemon.reader().scan(prefix::GRAPH, None, 10).unwrap();
        left.iter().all(|(_, entry)| !matches!(entry.as_ref(), Entry::Graph(_))).then_some(())
    });
}
