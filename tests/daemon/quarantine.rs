//! What could not be understood is kept, listed, mended, tried again and discarded; nothing of it is lost or taken twice.

use ifthen::engine::log::Outcome;
use ifthen::store::Filter;
use serde_json::{Value, json};

use super::harness::{Daemon, Folder, ids, record_of};

const CONFIG: &str = "
limits: { quarantine: 3 }
sources:
  form:
    webhook: {}
    event: form.sent
    delivery: { header: X-Id }
    record: { entity: lead, fields: { id: 编号, name: 姓名, mobile: 手机, email: 邮箱 } }
  batch: { webhook: {}, each: data.rows, event: batch.row, delivery: 号, record: { entity: lead, fields: { id: 号, mobile: 手机 } } }
";
const RULES: &str = "
entities: { lead: { fields: { id: text, name: text, mobile: { type: phone, country: CN }, email: email } } }
rules:
  welcome: { when: lead.created, then: [ { tag: 新线索 } ] }
  tell: { when: ifthen.unreadable, then: [ { log: '{{ event.source }} {{ event.id }} {{ event.item.手机 }}: {{ event.reason }}' } ] }
";

fn start() -> (Folder, Daemon) {
    let folder = Folder::new(&[("config.yaml", CONFIG), ("rules/a.yaml", RULES)]);
    let daemon = folder.start();
    (folder, daemon)
}

/// The ids of what is in quarantine.
fn held(folder: &Folder) -> Vec<String> {
    let (code, text) = folder.cli(&["quarantine", "list", "--json"]);
    assert_eq!(code, 0, "{text}");
    text.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()["id"].as_str().unwrap().to_owned()).collect()
}

fn bad() -> Value {
    json!({ "编号": "L3", "手机": "12345", "邮箱": "foo@" })
}

/// Scenario A, e3.
#[test]
fn what_does_not_fit_is_kept_mended_and_then_what_it_meant() {
    let (folder, daemon) = start();
    let (status, answer) = daemon.post("/in/form", &[("x-id", "e3")], &bad());
    assert_eq!((status, answer["accepted"][0]["outcome"].as_str()), (202, Some("quarantined")), "{answer}");
    let id = format!("e{}", ids(&answer)[0]);
    let (status, again) = daemon.post("/in/form", &[("x-id", "e3")], &bad());
    assert_eq!((status, ids(&again)), (200, ids(&answer)), "the same delivery is the same item");
    assert_eq!(held(&folder), std::slice::from_ref(&id));
    assert!(daemon.get("/metrics").1.contains("ifthen_quarantine_items{source=\"form\"} 1"));

    let (_, shown) = folder.cli(&["quarantine", "show", &id, "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["item"], &shown["source"], &shown["delivery"]), (&bad(), &json!("form"), &json!("e3")));
    assert_eq!(shown["raw"].as_str().unwrap(), bad().to_string());
    let told =
        daemon.log(&Filter::default()).into_iter().find(|l| l.rule.as_deref() == Some("tell") && l.action == "log").unwrap();
    assert!(told.detail.to_string().contains(&format!("form {id} 12345")), "{told:?}");

    // As it is it still does not fit; half mended neither.
    let (code, text) = folder.cli(&["quarantine", "replay", &id]);
    assert!(code == 1 && text.contains("foo@"), "{code} {text}");
    let (code, text) = folder.cli(&["quarantine", "fix", &id, "--set", "邮箱=foo@example.com"]);
    assert!(code == 1 && text.contains("12345"), "{code} {text}");
    assert_eq!(held(&folder), std::slice::from_ref(&id));
    assert!(record_of(&daemon.reader(), "lead", "L3").is_none());

    daemon.kill();
    let daemon = folder.start();
    assert_eq!(held(&folder), std::slice::from_ref(&id), "a kill takes nothing away");
    let (code, text) = folder.cli(&["quarantine", "fix", &id, "--set", "手机=138 0013 8000", "--set", "邮箱=foo@example.com"]);
    assert!(code == 0 && text.contains("L3") && text.contains("隔离"), "{code} {text}");
    assert_eq!(daemon.field("lead", "L3", "mobile"), "+8613800138000");
    assert!(held(&folder).is_empty());
    let sent = daemon.events().into_iter().find(|e| e.event.name == "form.sent").unwrap().event;
    assert_eq!((sent.origin.as_str(), sent.delivery.as_deref()), ("form", Some("e3")));
    assert_eq!(sent.cause.unwrap().by, format!("quarantine:{id}"));
    let (code, text) = folder.cli(&["quarantine", "fix", &id, "--set", "手机=13900139000"]);
    assert!(code == 1 && text.contains(&id), "{text}");
    let (status, _) = daemon.post("/in/form", &[("x-id", "e3")], &bad());
    assert_eq!(status, 200, "and the sender's own repetition comes too late");
    assert_eq!(daemon.events().iter().filter(|e| e.event.name == "form.sent").count(), 1);
}

#[test]
fn good_items_go_on_and_a_mended_mapping_lets_the_others_follow() {
    let (folder, daemon) = start();
    let rows = json!({ "data": { "rows": [ { "号": "1", "手机": "13800138001" }, { "号": "2", "手机": "x2" }, 7, { "手机": "13800138003" } ] } });
    let (status, answer) = daemon.post("/in/batch", &[], &rows);
    assert_eq!(status, 202, "{answer}");
    let outcomes: Vec<bool> = answer["accepted"].as_array().unwrap().iter().map(|a| a["outcome"] == "quarantined").collect();
    assert_eq!(outcomes, [false, true, true, true], "{answer}");
    assert_eq!(daemon.field("lead", "1", "mobile"), "+8613800138001");
    let (status, again) = daemon.post("/in/batch", &[], &rows);
    assert_eq!((status, ids(&again)), (200, ids(&answer)), "all of it is known, also what has no readable id");

    // Three are kept: there is no room for another, and then nothing of its request is taken.
    let more = json!({ "data": { "rows": [ { "号": "8", "手机": "13800138008" }, { "号": "9", "手机": "x9" } ] } });
    let (status, refused) = daemon.post("/in/batch", &[], &more);
    assert_eq!((status, refused["code"].as_str()), (422, Some("rejected")), "{refused}");
    assert!(record_of(&daemon.reader(), "lead", "8").is_none());

    let items = held(&folder);
    let (code, text) = folder.cli(&["quarantine", "discard", &items[1], &items[2]]);
    assert_eq!(code, 0, "{text}");
    folder.write("rules/a.yaml", &RULES.replace("{ type: phone, country: CN }", "text"));
    daemon.wait_lines("reload", Outcome::Done, 2);
    let (code, text) = folder.cli(&["quarantine", "replay", &items[0]]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(daemon.field("lead", "2", "mobile"), "x2");
    let doctor = folder.cli(&["doctor", "--offline"]).1;
    assert!(!doctor.contains("quarantine list"), "{doctor}");
    assert!(held(&folder).is_empty());

    // A list that is not where it should be is opened once it is.
    let (_, answer) = daemon.post("/in/batch", &[], &json!({ "data": { "list": [] } }));
    let id = format!("e{}", ids(&answer)[0]);
    assert!(folder.cli(&["doctor", "--offline"]).1.contains("quarantine"));
    folder.write(
        "item.json",
        &json!({ "data": { "rows": [ { "号": "5", "手机": "5" }, { "号": "6", "手机": "6" } ] } }).to_string(),
    );
    let file = folder.path("item.json");
    let (code, text) = folder.cli(&["quarantine", "fix", &id, "--from", file.to_str().unwrap()]);
    assert_eq!(code, 0, "{text}");
    assert_eq!((daemon.field("lead", "5", "mobile"), daemon.field("lead", "6", "mobile")), ("5".into(), "6".into()));
    let large = json!({ "data": { "rows": [ { "号": "x".repeat(300 << 10) } ] } });
    assert_eq!(daemon.post("/in/batch", &[], &large).0, 413, "too large to be kept");
}
