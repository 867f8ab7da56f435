//! Asking the running daemon why, over HTTP: with the token of whoever may read the data folder.

use serde_json::{Value, json};

use super::harness::Folder;

const CONFIG: &str = "sources:\n  crm: { webhook: {}, event: crm.note, delivery: { body: [id] } }\n";
const RULES: &str = "rules:\n  大单: { when: crm.note, if: 'event.金额 > 60', then: [ { log: 大单 } ] }\n  别的: { when: ifthen.call.dead, then: [ { log: x } ] }\n";

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
