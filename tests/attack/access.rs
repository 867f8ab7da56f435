//! Access tokens: made once, kept as a hash, with a role and an end; what is done with them is in the log under their name.

use ifthen::engine::log::Outcome;
use serde_json::{Value, json};

use super::desk::Desk;
use super::harness::{Daemon, Folder, wait};
use super::standin::{Reply, Web};

/// What the command line shows when a token is made.
pub fn made(folder: &Folder, args: &[&str]) -> String {
    let (exit, said) = folder.cli(args);
    assert_eq!(exit, 0, "{said}");
    let token = said.lines().find(|line| line.starts_with("ift_")).unwrap_or_else(|| panic!("{said}"));
    assert!(token.len() >= 40 + 4, "256 bits: {token}");
    token.to_owned()
}

fn ask(daemon: &Daemon, token: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let bearer = format!("Bearer {token}");
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    let (status, text) = daemon.client().send(method, path, &headers, body.to_string().as_bytes()).unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

const CONFIG: &str = "sources: { crm: { webhook: {}, event: crm.lead } }\n";
const RULES: &str = "people: { 何经理: {} }\nrules: { note: { when: crm.lead, then: [ { log: 收到 } ] } }\n";

fn folder() -> Folder {
    Folder::new(&[("config.yaml", CONFIG), ("rules/a.yaml", RULES)])
}

#[test]
fn a_token_is_shown_once_and_kept_as_a_hash() {
    let folder = folder();
    let daemon = folder.start();
    let token = made(&folder, &["tokens", "add", "监控", "--role", "viewer"]);
    assert_eq!(ask(&daemon, &token, "GET", "/api/tasks", &json!({})).0, 200);
    let (_, listed) = folder.cli(&["--lang", "en", "tokens", "list"]);
    assert!(listed.contains("监控") && listed.contains("viewer") && !listed.contains(&token), "{listed}");
    // What differs in one character is another.
    let mut wrong = token.clone();
    let last = wrong.pop().unwrap();
    wrong.push(if last == 'A' { 'B' } else { 'A' });
    for bad in [wrong, token[..token.len() - 1].into(), format!("{token}A"), token.to_uppercase(), "ift_".into(), String::new()] {
        assert_eq!(ask(&daemon, &bad, "GET", "/api/tasks", &json!({})).0, 401, "{bad}");
    }
    // Nothing that is kept opens anything: neither the token nor its hash given as one.
    let (_, json) = folder.cli(&["tokens", "list", "--json"]);
    assert!(!json.contains("hash"), "{json}");
    let (_, answer) = ask(&daemon, &made(&folder, &["tokens", "add", "头", "--role", "admin"]), "GET", "/api/tokens", &json!({}));
    assert!(!answer.to_string().contains("hash") && answer.to_string().contains("监控"), "{answer}");
    wait("its last use", || {
        folder.cli(&["tokens", "list", "--json"]).1.lines().next().filter(|l| !l.contains("\"used\":null")).map(drop)
    });
    assert_eq!(daemon.stop(), 0);
    for file in ["data/ifthen.db", "data/ifthen.db-wal", "stderr"] {
        let bytes = std::fs::read(folder.path(file)).unwrap_or_default();
        assert!(!bytes.windows(token.len()).any(|w| w == token.as_bytes()), "the token stands in {file}");
    }
}

#[test]
fn what_is_revoked_or_over_counts_no_more_also_after_a_restart() {
    let folder = folder();
    let daemon = folder.start();
    let keeps = made(&folder, &["tokens", "add", "甲", "--role", "viewer", "--expires", "90d"]);
    let goes = made(&folder, &["tokens", "add", "乙/丙".replace('/', "-").as_str(), "--role", "viewer"]);
    let short = made(&folder, &["tokens", "add", "短", "--role", "viewer", "--expires", "2s"]);
    let status = |daemon: &Daemon, token: &str| ask(daemon, token, "GET", "/api/tasks", &json!({})).0;
    assert_eq!((status(&daemon, &keeps), status(&daemon, &goes)), (200, 200));
    let (exit, said) = folder.cli(&["tokens", "revoke", "乙-丙"]);
    assert_eq!(exit, 0, "{said}");
    assert_eq!(status(&daemon, &goes), 401, "at once");
    wait("its end", || (status(&daemon, &short) == 401).then_some(()));
    let (exit, said) = folder.cli(&["--lang", "en", "tokens", "revoke", "乙-丙"]);
    assert!(exit == 1 && said.contains("no such token"), "{said}");
    daemon.kill();
    let daemon = folder.start();
    assert_eq!((status(&daemon, &keeps), status(&daemon, &goes)), (200, 401));
}

#[test]
fn what_makes_no_sense_is_refused_and_says_why() {
    let folder = folder();
    let daemon = folder.start();
    made(&folder, &["tokens", "add", "甲", "--role", "viewer"]);
    for (args, word) in [
        (&["add", "甲", "--role", "viewer"][..], "revoke it first"),
        (&["add", "乙", "--role", "approver"], "person"),
        (&["add", "乙", "--role", "approver", "--as", "无此人"], "无此人"),
        (&["add", "乙", "--role", "viewer", "--as", "何经理"], "only an approver"),
        (&["add", "a/b", "--role", "viewer"], "characters"),
        (&["add", "", "--role", "viewer"], "characters"),
        (&["add", "乙", "--role", "viewer", "--expires", "soon"], "90d"),
    ] {
        let (exit, said) = folder.cli(&[&["--lang", "en", "tokens"], args].concat());
        assert!(exit != 0 && said.contains(word) && !said.contains("ift_"), "{args:?}: {said}");
    }
    drop(daemon);
}

#[test]
fn an_approver_decides_for_its_person_only() {
    let desk = Desk::new(|_| {});
    let daemon = desk.folder.start();
    let token = made(&desk.folder, &["tokens", "add", "oa", "--role", "approver", "--as", "郑"]);
    let approve = |person: &str| {
        let (status, answer) = ask(&daemon, &token, "POST", "/api/tasks/t1-1/approve", &json!({ "person": person }));
        (status, answer["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(approve("何经理"), (403, "person".into()));
    assert_eq!(approve("郑").0, 200);
    let decided = daemon.lines("decide", Outcome::Done);
    assert_eq!(decided.len(), 1);
    assert_eq!(decided[0].detail.at(&["who"]).unwrap().to_string(), "郑");
    // And an operator's moves runs, but not in a person's name.
    let operator = made(&desk.folder, &["tokens", "add", "ops", "--role", "operator"]);
    let (status, answer) = ask(&daemon, &operator, "POST", "/api/runs/r1-1/recall", &json!({ "by": "张三" }));
    assert_eq!((status, answer["code"].as_str()), (403, Some("person")), "{answer}");
}

#[test]
fn who_changed_what_from_where_is_in_the_log() {
    let web = Web::start();
    web.next(1, Reply::status(422));
    let config =
        format!("allow_networks: [127.0.0.0/8]\n{CONFIG}connections:\n  erp: {{ http: {{ base: '{}' }} }}\n", web.url(""));
    let rules = "rules: { tell: { when: crm.lead, then: [ { http: { connection: erp, post: /x } } ] } }\n";
    let folder = Folder::new(&[("config.yaml", &config), ("rules/a.yaml", rules)]);
    let daemon = folder.start();
    daemon.accepted("/in/crm", &[], &json!({ "id": 1 }));
    let call = daemon.wait_lines("http", Outcome::Dead, 1)[0].detail.at(&["call"]).unwrap().to_string();
    let token = made(&folder, &["tokens", "add", "值班", "--role", "operator"]);
    let (status, answer) = ask(&daemon, &token, "POST", &format!("/api/calls/{call}/retry"), &json!({}));
    assert_eq!(status, 200, "{answer}");
    // Under its own name, whatever it says.
    let until = jiff::Timestamp::now().saturating_add(jiff::SignedDuration::from_hours(1)).unwrap();
    let silence = json!({ "rule": "tell", "until": until, "comment": "维护", "by": "王总监" });
    assert_eq!(ask(&daemon, &token, "POST", "/api/silences", &silence).0, 200);
    assert_eq!(daemon.lines("silence", Outcome::Done)[0].detail.at(&["by"]).unwrap().to_string(), "值班");
    // A refused one has changed nothing, and there is no line of it.
    assert_eq!(ask(&daemon, &token, "POST", "/api/tokens", &json!({ "name": "x", "role": "admin" })).0, 403);
    let lines = daemon.lines("audit", Outcome::Done);
    let member = |n: usize, path: &[&str]| lines[n].detail.at(path).map(ToString::to_string).unwrap_or_default();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!((member(0, &["way"]), member(0, &["asked"])), ("cli".into(), "add token 值班".into()));
    assert_eq!(
        (member(1, &["who"]), member(1, &["role"]), member(1, &["way"])),
        ("值班".into(), "operator".into(), "token".into())
    );
    assert_eq!((member(1, &["address"]), member(1, &["asked"])), ("127.0.0.1".into(), format!("retry {call}")));
    let changed = lines[1].detail.at(&["changed"]).and_then(|c| c.as_map().cloned()).unwrap();
    let status = changed.iter().find(|(path, _)| path.ends_with(".status")).unwrap_or_else(|| panic!("{changed:?}")).1;
    assert_eq!(serde_json::to_value(status).unwrap(), json!(["dead", "queued"]));
    assert_eq!(member(2, &["asked"]), "silence tell");
    assert!(!lines[0].detail.to_string().contains("hash"), "{}", lines[0].detail);
    let (exit, shown) = folder.cli(&["--lang", "en", "audit"]);
    assert_eq!(exit, 0);
    assert!(
        shown.contains(&format!("值班 (operator, token) 127.0.0.1: retry {call}")) && shown.contains("dead → queued"),
        "{shown}"
    );
    // Nothing is asked for in nobody's name over the API.
    let commands = daemon.events().into_iter().filter(|e| matches!(&e.event.body, ifthen::engine::event::Body::Command(c) if !matches!(c, ifthen::engine::event::Command::Token(ifthen::engine::access::Ask::Used(..)))));
    assert!(commands.into_iter().all(|e| e.event.by.is_some()));
}

#[test]
fn row_24_a_token_that_floods_is_told_to_wait_and_the_others_live() {
    let folder = Folder::new(&[("config.yaml", &format!("limits: {{ requests: 5 }}\n{CONFIG}")), ("rules/a.yaml", RULES)]);
    let daemon = folder.start();
    let one = made(&folder, &["tokens", "add", "甲", "--role", "viewer"]);
    let other = made(&folder, &["tokens", "add", "乙", "--role", "viewer"]);
    let bearer = format!("Bearer {one}");
    let mut client = daemon.client();
    let answers: Vec<_> =
        (0..40).map(|_| client.exchange("GET", "/api/tasks", &[("authorization", &bearer)], b"").unwrap()).collect();
    assert_eq!(answers[0].0, 200);
    let refused = answers.iter().find(|(status, ..)| *status == 429).unwrap_or_else(|| panic!("never told to wait"));
    assert!(refused.1.iter().any(|(name, value)| name == "retry-after" && value == "1"), "{:?}", refused.1);
    assert_eq!(ask(&daemon, &other, "GET", "/api/tasks", &json!({})).0, 200);
    let (exit, said) = folder.cli(&["tokens", "list"]);
    assert_eq!(exit, 0, "{said}");
}
