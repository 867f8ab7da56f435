//! `ifthen runs` and `ifthen graph` as exact output, over runs as a store may hold them. `INSTA_UPDATE=always cargo test --test runs`
//! writes the golden texts anew.
#![allow(clippy::unwrap_used, reason = "a failure there is the test failing")]

use std::process::{Command, Stdio};
use std::sync::Arc;

use ifthen::config;
use ifthen::engine::state::{Change, Entry, Key};
use ifthen::store::sqlite::{Options, Sqlite};
use ifthen::store::{Batch, Store as _};
use serde_json::{Value, json};

const CONFIG: &str = "\
lang: zh
zone: Asia/Shanghai
sources:
  crm: { webhook: {}, event: '{{ type }}', record: { entity: quote, fields: { id: id, amount: amount } } }
connections:
  mail: { smtp: { host: smtp.example.com, from: sales@example.com }, deliver: preview }
  erp: { http: { base: 'https://erp.example.com' }, deliver: preview }
";

const FLOWS: &str = include_str!("../src/cli/graph/sample.yaml");

/// A folder with definitions and a store in which runs wait.
struct Here(tempfile::TempDir);

impl Here {
    fn new() -> Self {
        let here = Self(tempfile::tempdir().unwrap());
        here.put("config.yaml", CONFIG);
        here.put("rules/all.yaml", FLOWS);
        let options = config::Options::default();
        let loaded = config::load(&here.0.path().join("config.yaml"), &options)
            .unwrap_or_else(|r| panic!("{}", r.render(config::Lang::En, false)));
        let flow = &loaded.definitions.flows["报价审批"];
        let at = |id: &str| flow.find(id).unwrap_or_else(|| panic!("no step {id}"));
        let strand = |id: &str, parent: Value, branch: u32, waits: Value, more: Value| {
            let mut strand =
                json!({ "at": at(id), "parent": parent, "branch": branch, "waits": waits, "since": "2026-09-21T02:30:00Z" });
            strand.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
            strand
        };
        let passed = |step: &str, round: u32, from: &str, to: &str, how: &str, by: &[&str]| json!({ "step": step, "round": round, "from": format!("2026-09-21T{from}Z"), "to": format!("2026-09-21T{to}Z"), "how": how, "by": by });
        let due = |millis: u64| json!({ "due": millis, "seq": 7, "n": 1 });
        let run = |id: &str, record: &str, strands: Value, more: Value| {
            let mut run = json!({
                "id": id, "flow": "报价审批", "graph": flow.hash, "record": { "entity": "quote", "id": record },
                "subject": format!("quote/{record}"), "initiator": "李四", "strands": strands, "next": 9, "started": "2026-09-21T01:00:00Z",
            });
            run.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
            Entry::Run(serde_json::from_value(run).unwrap())
        };
        let forked = json!({
            "0": strand("sign", Value::Null, 0, json!(["branches"]), json!({})),
            "1": strand("finance", json!(0), 0, json!([{ "task": "t7-2" }]), json!({ "deadline": due(1_790_044_200_000) })),
        });
        let path = json!([
            passed("pdf", 1, "01:00:00", "01:00:04", "done", &[]),
            passed("route", 1, "01:00:04", "01:00:04", "done", &[]),
            passed("legal", 1, "01:00:04", "01:20:00", "void", &["李四"]),
            passed("finance", 1, "01:00:04", "02:00:00", "rejected", &["何经理"]),
            passed("revise", 1, "02:00:00", "02:10:00", "done", &["李四"]),
            passed("route", 2, "02:10:00", "02:10:00", "done", &[]),
            passed("legal", 2, "02:10:00", "02:30:00", "approved", &["李四"]),
        ]);
        let results = json!({ "pdf": { "status": 200, "body": { "no": "Q-2041" } } });
        let more =
            json!({ "round": 2, "path": path, "steps": results, "vars": { "tries": 1 }, "deadline": due(1_797_700_000_000) });
        let signed =
            json!({ "0": strand("signed", Value::Null, 0, json!(["event"]), json!({ "deadline": due(1_792_500_000_000) })) });
        let stuck = json!({ "0": strand("send", Value::Null, 0, json!([]), json!({ "error": "email is missing" })) });
        let gone = json!({ "0": strand("manager", Value::Null, 0, json!([{ "task": "t9-1" }]), json!({})) });
        let task = json!({
            "id": "t7-2", "run": "r7-1", "strand": 1, "flow": "报价审批", "step": "finance", "round": 2, "subject": "报价2041",
            "mode": { "all": { "need": null, "veto": false } }, "opened": "2026-09-21T02:30:00Z",
            "seats": [{ "person": "何经理", "state": "open", "why": "named", "since": "2026-09-21T02:30:00Z", "told": 1, "decision": null,
                        "codes": { "sent": 0, "at": null, "wrong": 0 } }],
        });
        let entries = [
            (Key::Run("r7-1".into()), run("r7-1", "报价2041", forked, more)),
            (Key::Run("r8-1".into()), run("r8-1", "报价2042", signed, json!({}))),
            (Key::Run("r9-1".into()), run("r9-1", "报价2043", gone, json!({ "preview": true }))),
            (Key::Run("r10-1".into()), run("r10-1", "报价2044", stuck, json!({ "failed": "email is missing" }))),
            (Key::Graph(flow.hash.clone()), Entry::Graph(Arc::clone(flow))),
            (Key::Task("t7-2".parse().unwrap()), Entry::Task(serde_json::from_value(task).unwrap())),
        ];
        let changes = entries.into_iter().map(|(key, entry)| (1, Change { key, entry: Some(Arc::new(entry)) })).collect();
        let mut store = Sqlite::open(&here.0.path().join("data/ifthen.db"), Options::default()).unwrap();
        store.commit(&Batch { definitions: "0123456789ab".into(), changes, ..Batch::default() }).unwrap();
        here
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn run(&self, line: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ifthen"));
        let out =
            command.args(line.split_whitespace()).current_dir(self.0.path()).env_clear().stdin(Stdio::null()).output().unwrap();
        let mut text = format!("$ ifthen {line}\n{}", String::from_utf8(out.stdout).unwrap());
        let error = String::from_utf8(out.stderr).unwrap();
        if !error.is_empty() {
            text.push_str(&format!("-- stderr\n{error}"));
        }
        text + &format!("-- exit {}\n", out.status.code().unwrap())
    }

    fn all(&self, lines: &[&str]) -> String {
        let text = lines.iter().map(|line| self.run(line)).collect::<Vec<_>>().join("\n");
        let text = text
            .replace(self.0.path().canonicalize().unwrap().to_str().unwrap(), "HERE")
            .replace(self.0.path().to_str().unwrap(), "HERE");
        regex::Regex::new("[0-9a-f]{12,64}").unwrap().replace_all(&text, "HASH").into_owned()
    }
}

#[test]
fn runs_are_listed_and_shown_in_both_languages() {
    let here = Here::new();
    insta::assert_snapshot!(
        "runs",
        here.all(&[
            "runs",
            "--lang en runs list",
            "runs list --stuck",
            "runs list --step signed --json",
            "runs list --record 报价2043",
            "runs list --flow 没有",
            "runs show r7-1",
            "--lang en runs show r7-1",
            "runs show r10-1",
            "runs show r8-1 --json",
            "runs show r404-1",
            "runs show 404",
            "runs retry r10-1",
        ])
    );
}

#[test]
fn migrating_says_first_what_would_be_moved_and_what_not() {
    let here = Here::new();
    let same = here.all(&["runs migrate --dry-run"]);
    // The manager is no longer asked; a third decides beside finance and legal.
    let quality = "quality: [ { id: quality, approve: \"role:cfo\" } ]\n";
    let indent = " ".repeat(18);
    let other = FLOWS
        .replace("{ id: manager, approve: owner.manager, rejected: { back_to: revise } }", "{ id: boss, approve: owner.manager }")
        .replace("                  finance: [", &format!("{indent}{quality}{indent}finance: ["));
    assert_ne!(other, FLOWS);
    here.put("rules/all.yaml", &other);
    let told = here.all(&[
        "runs migrate --dry-run",
        "--lang en runs migrate --flow 报价审批 --dry-run",
        "runs migrate r8-1 --dry-run --json",
        "runs migrate r404-1",
        "runs show r8-1",
        "runs migrate r8-1",
    ]);
    // The flow is gone altogether: what runs is still shown.
    here.put("rules/all.yaml", FLOWS.split("flows:").next().unwrap());
    let gone = here.all(&["runs list --step manager", "runs migrate r9-1 --dry-run"]);
    insta::assert_snapshot!("migrate", format!("{same}\n{told}\n{gone}"));
}

/// Answers as a daemon in which one of the runs has ended by now; what it was asked.
fn daemon_without(run: &'static str) -> (std::net::SocketAddr, std::thread::JoinHandle<Vec<String>>) {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let serving = std::thread::spawn(move || {
        let mut asked = Vec::new();
        while asked.last().is_none_or(|line: &String| !line.contains("r10-1")) {
            let mut peer = BufReader::new(server.accept().unwrap().0);
            let head: Vec<String> = peer.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
            let (status, body) = match head[0].contains(run) {
                true => ("404 Not Found", json!({ "detail": format!("there is no run {run}: it is through") })),
                false => ("200 OK", json!({ "event": "e99" })),
            };
            let body = body.to_string();
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
            peer.get_mut().write_all(answer.as_bytes()).unwrap();
            asked.push(head[0].clone());
        }
        asked
    });
    (address, serving)
}

#[test]
fn a_run_that_ends_meanwhile_does_not_keep_the_others_from_being_moved() {
    let here = Here::new();
    here.put("rules/all.yaml", &FLOWS.replace("id: manager,", "id: manager, title: 经理,"));
    for line in ["runs migrate r8-1 r9-1 r10-1", "--lang en runs retry r8-1 r9-1 r10-1"] {
        let (address, serving) = daemon_without("r9-1");
        here.put("data/control", &format!("{address}\nabc\n"));
        let said = here.run(line);
        assert!(said.contains("ifthen: r9-1: ") && said.contains("404") && said.ends_with("-- exit 1\n"), "{said}");
        let asked = serving.join().unwrap();
        assert_eq!(asked.iter().filter(|line| line.contains("/r8-1/") || line.contains("/r10-1/")).count(), 2, "{asked:?}");
    }
}

#[test]
fn a_flow_is_drawn_with_where_its_runs_stand() {
    let here = Here::new();
    let text = here.all(&["graph 报价审批 --runs", "--lang en graph --run r7-1", "graph 没有", "graph 报价审批 -o a.svg --runs"]);
    insta::assert_snapshot!("graph", text);
    let svg = std::fs::read_to_string(here.0.path().join("a.svg")).unwrap();
    for part in ["<svg xmlns", "报价审批", "class=\"badge stuck\"", "prefers-color-scheme:dark", "class=\"way leap\""] {
        assert!(svg.contains(part), "{part}");
    }
    here.run("graph --run r7-1 -o b.svg");
    let svg = std::fs::read_to_string(here.0.path().join("b.svg")).unwrap();
    for part in ["box now", "box done", "何经理", "09-21 10:00"] {
        assert!(svg.contains(part), "{part}");
    }
    if let Some(folder) = std::env::var_os("IFTHEN_PICTURES") {
        for name in ["a.svg", "b.svg"] {
            std::fs::copy(here.0.path().join(name), std::path::Path::new(&folder).join(name)).unwrap();
        }
    }
}
