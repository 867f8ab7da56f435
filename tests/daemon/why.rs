//! Asking the running daemon why, over HTTP: with the token of whoever may read the data folder.

use serde_json::{Value, json};

use ifthen::engine::log::Outcome;
use ifthen::store::Read as _;

use super::harness::{Daemon, Folder};

const CONFIG: &str = "sources:\n  crm: { webhook: {}, event: crm.note, delivery: { body: [id] } }\n";
const RULES: &str = "rules:\n  大单: { when: crm.note, if: 'event.金额 > 60', then: [ { log: 大单 } ] }\n  别的: { when: ifthen.call.dead, then: [ { log: x } ] }\n";

/// A daemon's answer, as whoever may read its data folder gets it.
fn ask(folder: &Folder, daemon: &Daemon, path: &str) -> (u16, Value) {
    let control = std::fs::read_to_string(folder.path("data/control")).unwrap();
    let token = format!("Bearer {}", control.lines().nth(1).unwrap());
    let (status, text) = daemon.client().send("GET", path, &[("Authorization", &token)], b"").unwrap();
    (status, serde_json::from_str(&text).unwrap())
}

#[test]
fn an_event_is_explained_by_the_definitions_that_decided_it() {
    let folder = Folder::new(&[("config.yaml", CONFIG), ("rules/a.yaml", RULES)]);
    let daemon = folder.start();
    let first = daemon.accepted("/in/crm", &[], &json!({ "id": 1, "金额": 42 }));
    // Reloaded: the threshold is another, and the rule has another name.
    folder.write("rules/a.yaml", &RULES.replace("> 60", "> 40").replace("大单", "大客户"));
    daemon.wait_lines("reload", Outcome::Done, 2);
    let second = daemon.accepted("/in/crm", &[], &json!({ "id": 2, "金额": 42 }));
    let rows = |why: &Value| -> Vec<(String, String)> {
        let row = |v: &Value| (v["rule"].as_str().unwrap().to_owned(), v["verdict"].as_str().unwrap().to_owned());
        why["verdicts"].as_array().unwrap().iter().map(row).collect()
    };
    let pair = |rule: &str, verdict: &str| vec![(rule.to_owned(), verdict.to_owned())];
    let (status, then) = ask(&folder, &daemon, &format!("/api/why/e{first}"));
    assert_eq!((status, rows(&then)), (200, pair("大单", "not_met")), "{then}");
    let definitions = &then["definitions"];
    assert_eq!((&definitions["shown"], &definitions["same"]), (&definitions["decided"], &json!(true)));
    assert_ne!(definitions["in_force"], definitions["decided"]);
    // In force until the moment at which the others were loaded.
    let loaded = daemon.events().into_iter().rfind(|s| s.event.name == "ifthen.loaded").unwrap();
    assert_eq!(definitions["until"], json!(loaded.event.received));
    assert_eq!(then["verdicts"][0]["agrees"], json!(true));
    let (_, now) = ask(&folder, &daemon, &format!("/api/why/e{first}?now=true"));
    assert_eq!(rows(&now), pair("大客户", "fired"), "{now}");
    assert_eq!((&now["definitions"]["shown"], &now["definitions"]["same"]), (&definitions["in_force"], &json!(false)));
    let (_, latest) = ask(&folder, &daemon, &format!("/api/why/e{second}"));
    assert_eq!((rows(&latest), &latest["definitions"]["until"]), (pair("大客户", "fired"), &Value::Null));
    // A rule of then can be asked for, one of now was not there yet.
    let (status, _) = ask(&folder, &daemon, &format!("/api/why/e{first}?rule=%E5%A4%A7%E5%8D%95"));
    assert_eq!(status, 200);
    let (status, _) = ask(&folder, &daemon, &format!("/api/why/e{first}?rule=%E5%A4%A7%E5%AE%A2%E6%88%B7"));
    assert_eq!(status, 404);
    let (code, printed) = folder.cli(&["why", &format!("e{first}"), "--json"]);
    assert_eq!((code, serde_json::from_str::<Value>(&printed).unwrap()), (0, then.clone()));

    // What comes in while nobody has begun yet is decided by definitions that are kept, too: others at every start.
    assert_eq!(daemon.stop(), 0);
    folder.write("rules/a.yaml", &RULES.replace("> 60", "> 100"));
    let daemon = folder.start();
    let third = daemon.accepted("/in/crm", &[], &json!({ "id": 3, "金额": 80 }));
    let reader = daemon.reader();
    for stored in reader.events(0, 1_000).unwrap() {
        assert!(reader.definitions_of(&stored.definitions).unwrap().is_some(), "{}", stored.event.id());
    }
    for (seq, rule, verdict) in [(first, "大单", "not_met"), (second, "大客户", "fired"), (third, "大单", "not_met")] {
        assert_eq!(rows(&ask(&folder, &daemon, &format!("/api/why/e{seq}")).1), pair(rule, verdict), "e{seq}");
    }
    // What is in the folder does not compile: the daemon goes on, and so does explaining.
    folder.write("rules/a.yaml", "rules: [");
    daemon.wait_lines("reload", Outcome::Failed, 1);
    let (code, printed) = folder.cli(&["why", &format!("e{first}")]);
    assert!(code == 0 && printed.contains("`event.金额 > 60` 当时为 42"), "{printed}");
}

#[test]
fn why_over_http_is_what_the_command_prints() {
    let folder = Folder::new(&[("config.yaml", CONFIG), ("rules/a.yaml", RULES)]);
    let daemon = folder.start();
    let seq = daemon.accepted("/in/crm", &[], &json!({ "id": 1, "金额": 42 }));
    let control = std::fs::read_to_string(folder.path("data/control")).unwrap();
    let token = format!("Bearer {}", control.lines().nth(1).unwrap());
    let ask = |path: &str, token: &str| -> (u16, Value) {
        let (status, text) = daemon.client().send("GET", path, &[("Authorization", token)], b"").unwrap();
        (status, serde_json::from_str(&text).unwrap())
    };
    let (status, why) = ask(&format!("/api/why/e{seq}"), &token);
    assert_eq!(status, 200, "{why}");
    let verdict = &why["verdicts"][0];
    assert_eq!((&verdict["rule"], &verdict["verdict"], &verdict["agrees"]), (&json!("大单"), &json!("not_met"), &json!(true)));
    assert_eq!(verdict["condition"]["values"], json!({ "event.金额": 42 }));
    let (code, printed) = folder.cli(&["why", &format!("e{seq}"), "--json"]);
    assert_eq!((code, serde_json::from_str::<Value>(&printed).unwrap()), (0, why));
    let (status, one) = ask(&format!("/api/why/{seq}?rule=%E5%88%AB%E7%9A%84"), &token);
    assert_eq!((status, &one["verdicts"][0]["verdict"]), (200, &json!("not_woken")));
    for (path, token, expect) in [
        (format!("/api/why/e{seq}"), "Bearer wrong", 401),
        (format!("/api/why/e{seq}?rule=none"), &token, 404),
        ("/api/why/e999".into(), &token, 404),
        ("/api/why/what".into(), &token, 400),
    ] {
        assert_eq!(ask(&path, token).0, expect, "{path}");
    }
}
