//! Runs against the running daemon while their flow is edited and removed and the daemon is killed, also in the midst of people's
//! decisions and of a migration: each finishes on its version, or is moved by a person.

use std::collections::VecDeque;
use std::sync::Mutex;

use ifthen::engine::flow::Run;
use ifthen::engine::log::{Line, Outcome};
use ifthen::engine::state::{Entry, Key, prefix};
use ifthen::store::Read as _;
use serde_json::{Value, json};

use super::harness::{Client, Daemon, Folder, wait};

/// Half of them wait for 何经理, half for an event.
const RUNS: usize = 100;

/// Who tell it beside each other.
const BESIDE: usize = 3;

const CONFIG: &str = "definitions: [rules, flows]
sources:
  crm: { webhook: {}, event: '{{ type }}', delivery: { header: X-Delivery-Id }, record: { entity: quote, fields: { id: id, amount: 金额 } } }
connections:
  mail: { smtp: { host: 127.0.0.1, security: none, from: a@example.com }, deliver: preview }
";

const RULES: &str = "entities:
  quote: { fields: { id: text, amount: money } }
people: { 何经理: { email: he@example.com, channels: [mail] } }
";

/// A flow in which large quotes are approved and the others signed; the step that approves, and what it says then.
fn flow(approve: &str, word: &str) -> String {
    format!(
        "flows:
  审批:
    when: quote.created
    record: quote
    steps:
      - choose:
          - if: amount >= 100000
            then: [ {{ id: {approve}, approve: 'user:何经理' }} ]
        else:
          - {{ id: signed, wait: quote.signed, within: 30d, late: {{ end: 过期 }} }}
      - {{ id: note, log: '{word} {{{{ id }}}}' }}
"
    )
}

/// What the log says, by a word in it.
fn texts(daemon: &Daemon, word: &str) -> usize {
    daemon.lines("log", Outcome::Done).iter().filter(|l| l.detail.to_string().contains(word)).count()
}

fn pinned(line: &Line) -> Option<Value> {
    serde_json::to_value(line.detail.at(&["pinned"])?.plain()).ok()
}

/// Waits for so many reloads that say this of runs which stay.
fn stays(daemon: &Daemon, expect: &Value, times: usize) {
    wait(&format!("a reload that says {expect}"), || {
        let said = daemon.lines("reload", Outcome::Done);
        (said.iter().filter(|l| pinned(l).as_ref() == Some(expect)).count() >= times).then_some(())
    });
}

/// Something to be told: the path, its delivery, the body; the same again until it is acknowledged.
struct Deed {
    path: String,
    delivery: (&'static str, String),
    body: Value,
}

/// 何经理 decides about every run that waits for him, at most so many.
fn approvals(daemon: &Daemon, most: usize) -> Vec<Deed> {
    let tasks = daemon.reader().scan(prefix::TASK, None, 1_000).unwrap();
    let open = tasks.iter().filter_map(|(_, entry)| if let Entry::Task(task) = entry.as_ref() { Some(task) } else { None });
    let deed = |id: String| Deed {
        path: format!("/api/tasks/{id}/approve"),
        delivery: ("idempotency-key", id),
        body: json!({ "person": "何经理" }),
    };
    open.filter(|task| task.ended.is_none()).take(most).map(|task| deed(task.id.to_string())).collect()
}

/// Tells all of it, several beside each other, until it is acknowledged. Once so many were, the daemon is killed while others are
/// being told; what nobody acknowledged by then is left.
fn tell(daemon: &Daemon, folder: &Folder, deeds: &Mutex<VecDeque<Deed>>, kill: Option<usize>) {
    let token = std::fs::read_to_string(folder.path("data/control")).unwrap();
    let bearer = format!("Bearer {}", token.lines().nth(1).unwrap());
    let acknowledged = Mutex::new(0);
    let one = || {
        let Ok(mut client) = Client::open(daemon.address) else { return }; // killed
        while let Some(deed) = { deeds.lock().unwrap().pop_front() } {
            let headers = [("authorization", bearer.as_str()), (deed.delivery.0, deed.delivery.1.as_str())];
            let Ok((status, answer)) = client.post(&deed.path, &headers, &deed.body) else {
                deeds.lock().unwrap().push_front(deed);
                return;
            };
            assert!(matches!(status, 200 | 202), "{}: {status} {answer}", deed.path);
            let mut count = acknowledged.lock().unwrap();
            *count += 1;
            if Some(*count) == kill {
                daemon.signal("KILL");
            }
        }
    };
    std::thread::scope(|scope| {
        (0..BESIDE).for_each(|_| drop(scope.spawn(one)));
    });
    assert_eq!(deeds.lock().unwrap().is_empty(), kill.is_none(), "killed in the midst of it, or through");
}

/// The runs under way that stand at this step, each on a graph that is there and has that step.
fn at(daemon: &Daemon, step: &str) -> Vec<Run> {
    let reader = daemon.reader();
    let runs = reader.scan(prefix::RUN, None, 1_000).unwrap();
    let runs = runs.iter().filter_map(|(_, entry)| if let Entry::Run(run) = entry.as_ref() { Some(run.clone()) } else { None });
    let stands = |run: &Run| match reader.load(&Key::Graph(run.graph.clone())).unwrap().as_deref() {
        Some(Entry::Graph(flow)) => run.stands(flow).into_iter().map(|(step, _)| step).collect::<Vec<_>>(),
        _ => panic!("{} has no graph", run.id),
    };
    runs.filter(|run| stands(run) == [step]).collect()
}

#[test]
fn a_flow_is_edited_and_removed_while_a_hundred_runs_wait() {
    let folder = Folder::new(&[("config.yaml", CONFIG), ("rules/quote.yaml", RULES), ("flows/a.yaml", &flow("approve", "旧"))]);
    let daemon = folder.start();
    let mut client = daemon.client();
    for n in 0..RUNS {
        let amount = if n % 2 == 0 { "880000" } else { "9000" };
        let body = json!({ "type": "quote.told", "id": format!("报价{n}"), "金额": amount });
        let (status, answer) = client.post("/in/crm", &[("x-delivery-id", &format!("q{n}"))], &body).unwrap();
        assert_eq!(status, 202, "{answer}");
    }
    assert_eq!((at(&daemon, "approve").len(), at(&daemon, "signed").len()), (RUNS / 2, RUNS / 2));

    // Edited: said in the log and in the daemon's own messages; also when it starts again.
    folder.write("flows/a.yaml", &flow("approve", "新"));
    let both = json!({ "审批": { "runs": RUNS, "at": { "approve": RUNS / 2, "signed": RUNS / 2 } } });
    stays(&daemon, &both, 1);
    let said = "审批: 50 runs wait at `approve`, 50 runs wait at `signed`: pinned";
    wait("its own message", || daemon.said().contains(said).then_some(()));
    daemon.kill();
    let daemon = folder.start();
    wait("its message at the start", || (daemon.said().matches(said).count() == 2).then_some(()));

    // Some are moved by a person; the preview says the same before.
    let some = [at(&daemon, "approve"), at(&daemon, "signed")].into_iter().flat_map(|runs| runs.into_iter().take(5));
    let named: Vec<String> = some.map(|run| run.id).collect();
    let named: Vec<&str> = named.iter().map(String::as_str).collect();
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
    stays(&daemon, &both, 2);
    let (code, preview) = folder.cli(&["runs", "migrate", "--flow", "审批", "--dry-run"]);
    let (moves, stay) = (preview.matches("可以").count(), preview.matches("approve: 新版本中没有这一步").count());
    assert_eq!((code, moves, stay), (1, RUNS / 2, RUNS / 2), "{preview}");
    let token = std::fs::read_to_string(folder.path("data/control")).unwrap();
    let bearer = format!("Bearer {}", token.lines().nth(1).unwrap());
    let path = format!("/api/runs/{}/migrate", named[0]);
    let (status, answer) = daemon.post(&path, &[("authorization", &bearer)], &json!({ "by": "李四" }));
    assert_eq!((status, &answer["done"], &answer["log"][0]["outcome"]), (200, &json!(false), &json!("failed")), "{answer}");
    assert!(answer["log"][0]["detail"]["against"].to_string().contains("approve"), "{answer}");
    assert_eq!(daemon.post(&path, &[], &json!({})).0, 401);
    assert_eq!(daemon.post("/api/runs/r4-4/cancel", &[("authorization", &bearer)], &json!({})).0, 404);
    assert_eq!(daemon.post(&path.replace("migrate", "dance"), &[("authorization", &bearer)], &json!({})).0, 404);

    // Killed while half of the decisions come in and the others are moved: each of those is on one version or on the other.
    let former: Vec<Run> = at(&daemon, "signed");
    let moved = former.iter().map(|run| Deed {
        path: format!("/api/runs/{}/migrate", run.id),
        delivery: ("x-delivery-id", String::new()), // told again it is there already
        body: json!({ "by": "李四" }),
    });
    let mut decided = approvals(&daemon, RUNS / 4).into_iter();
    let deeds = Mutex::new(moved.flat_map(|deed| std::iter::once(deed).chain(decided.next())).collect());
    tell(&daemon, &folder, &deeds, Some(20));
    daemon.kill();
    let daemon = folder.start();
    let on = |daemon: &Daemon| at(daemon, "signed").iter().filter(|run| former.iter().all(|f| f.graph != run.graph)).count();
    assert_eq!(at(&daemon, "signed").len(), RUNS / 2);
    assert!((1..RUNS / 2).contains(&on(&daemon)), "in the midst of it: {}", on(&daemon));
    tell(&daemon, &folder, &deeds, None);
    assert_eq!((on(&daemon), at(&daemon, "approve").len()), (RUNS / 2, RUNS / 4));
    let (code, said) = folder.cli(&["runs", "migrate"]);
    assert_eq!(
        (code, said.matches("可以").count(), said.matches("approve: 新版本中没有这一步").count()),
        (1, 0, RUNS / 4),
        "{said}"
    );

    // The flow is removed altogether, and the daemon killed while what the runs wait for comes in. All finish on their version.
    std::fs::remove_file(folder.path("flows/a.yaml")).unwrap();
    let left = json!({ "审批": { "runs": RUNS - RUNS / 4, "at": { "approve": RUNS / 4, "signed": RUNS / 2 }, "gone": true } });
    stays(&daemon, &left, 1);
    let signed = (0..RUNS).filter(|n| n % 2 == 1).map(|n| Deed {
        path: "/in/crm".into(),
        delivery: ("x-delivery-id", format!("s{n}")),
        body: json!({ "type": "quote.signed", "id": format!("报价{n}") }),
    });
    let mut decided = approvals(&daemon, RUNS).into_iter();
    let deeds = Mutex::new(signed.flat_map(|deed| std::iter::once(deed).chain(decided.next())).collect());
    tell(&daemon, &folder, &deeds, Some(25));
    daemon.kill();
    let daemon = folder.start();
    tell(&daemon, &folder, &deeds, None);
    assert_eq!(daemon.wait_lines("end", Outcome::Done, RUNS).len(), RUNS, "each once");
    assert_eq!((texts(&daemon, "旧"), texts(&daemon, "新"), texts(&daemon, "再")), (RUNS / 2 - 5, 5, RUNS / 2));
    assert_eq!(folder.cli(&["runs"]), (0, "没有进行中的运行;用 `--all` 列出已结束的\n".into()));

    // Nobody needs the graphs any more: they go with the next reload.
    daemon.signal("HUP");
    wait("the graphs are gone", || {
        let left = daemon.reader().scan(prefix::GRAPH, None, 10).unwrap();
        left.iter().all(|(_, entry)| !matches!(entry.as_ref(), Entry::Graph(_))).then_some(())
    });
}
