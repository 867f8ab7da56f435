//! Events out of the store and into it again: exported as lines, handed in again as new ones.

use ifthen::engine::log::Outcome;
use ifthen::store::{Filter, export};
use serde_json::{Value, json};

use super::harness::Folder;

const CONFIG: &str = "
sources:
  crm: { webhook: {}, event: crm.lead, delivery: { body: [编号] }, time: time, record: { entity: lead, at: time, fields: { id: id, 姓名: 姓名 } } }
  site: { webhook: {}, event: page.viewed, delivery: { body: [编号] } }
";
const RULES: &str = "
entities: { lead: { fields: { id: text, 姓名: text } } }
rules:
  改名: { when: lead.changed, then: [ { log: '现在叫 {{ 姓名 }}' } ] }
  来访: { when: page.viewed, then: [ { log: '看了 {{ event.page }}' }, { emit: { event: page.liked } } ] }
";

#[test]
fn events_are_exported_as_lines_and_read_back() {
    let folder = Folder::new(&[("config.yaml", CONFIG), ("rules/a.yaml", RULES)]);
    let daemon = folder.start();
    for n in 0..30 {
        daemon.accepted("/in/site", &[], &json!({ "编号": n, "page": "报价\u{202e}页" }));
    }
    daemon.accepted("/in/crm", &[], &json!({ "编号": 1, "id": "L20", "姓名": "刘洋", "time": "2026-09-21T09:00:00+08:00" }));
    let all = daemon.events();
    let file = folder.path("out.jsonl");
    let (code, said) = folder.cli(&["events", "export", file.to_str().unwrap()]);
    assert_eq!((code, said), (0, format!("ifthen: {} 个事件\n", all.len())));
    let back = |bytes: &[u8]| export::read(bytes).collect::<Result<Vec<_>, _>>().unwrap();
    let text = std::fs::read(&file).unwrap();
    assert_eq!(back(&text), all);
    let (code, said) = folder.cli(&["events", "export", file.to_str().unwrap()]);
    assert!(code == 1 && said.contains("已存在"), "{said}");
    // On standard output nothing would be obeyed by a terminal, and what is read back is the same.
    let (_, said) = folder.cli(&["events", "export", "--source", "site", "--name", "page.*"]);
    let (lines, _) = said.split_once("ifthen:").unwrap();
    assert!(!lines.contains('\u{202e}') && lines.contains("\\u202e"));
    let viewed: Vec<_> = all.iter().filter(|s| s.event.name == "page.viewed").cloned().collect();
    assert_eq!(back(lines.as_bytes()), viewed);
    let (_, said) = folder.cli(&["events", "export", "--record", "lead/L20", "--since", "1h", "--until", "0s"]);
    assert_eq!(said.matches("\"event\":").count(), 2, "told and created: {said}");
}

#[test]
fn an_old_event_is_handed_in_again() {
    let folder = Folder::new(&[("config.yaml", CONFIG), ("rules/a.yaml", RULES)]);
    let daemon = folder.start();
    let lead = |n: u32, name: &str, time: &str| json!({ "编号": n, "id": "L20", "姓名": name, "time": time });
    let old = daemon.accepted("/in/crm", &[], &lead(1, "刘洋", "2026-09-21T09:00:00+08:00"));
    daemon.accepted("/in/crm", &[], &lead(2, "刘阳", "2026-09-21T10:00:00+08:00"));
    let viewed = daemon.accepted("/in/site", &[], &json!({ "编号": 1, "page": "报价页" }));
    let replay = |args: &[&str]| {
        let (code, said) = folder.cli(&[&["events", "replay"], args].concat());
        let new = said.trim().rsplit(" → ").next().and_then(|id| id.strip_prefix('e')?.parse::<u64>().ok());
        (code, said, new)
    };
    // A second time the rule does what it does, under a number of its own; the delivery is no repetition.
    let (code, said, new) = replay(&[&format!("e{viewed}")]);
    let new = new.unwrap_or_else(|| panic!("{code} {said}"));
    let find = |seq: u64| daemon.events().into_iter().find(|s| s.event.seq == seq).unwrap().event;
    let (was, is) = (find(viewed), find(new));
    assert_eq!((&is.name, &is.origin, &is.body, is.at), (&was.name, &was.origin, &was.body, was.at));
    assert_eq!((is.delivery.clone(), is.replay_of(), is.is_root()), (None, Some(viewed), true));
    let lines: Vec<(String, Outcome)> =
        daemon.log(&Filter { event: Some(new), ..Filter::default() }).into_iter().map(|l| (l.action, l.outcome)).collect();
    let expect = [
        ("replay", Outcome::Done),
        ("rule", Outcome::Fired),
        ("log", Outcome::Done),
        ("emit", Outcome::Done),
        ("audit", Outcome::Done),
    ];
    assert_eq!(lines, expect.map(|(a, o)| (a.to_owned(), o)));
    let (_, shown) = folder.cli(&["events", "show", &format!("e{new}")]);
    assert!(shown.contains(&format!("重放自  e{viewed}")) && shown.contains("page.liked"), "{shown}");
    let (_, listed) = folder.cli(&["events"]);
    assert!(listed.contains(&format!("site(重放 e{viewed})")), "{listed}");
    let (_, tail) = folder.cli(&["tail"]);
    assert!(tail.contains(&format!("replay  原事件 e{viewed}")), "{tail}");
    // Late news stays late news; as new, it counts.
    replay(&[&format!("e{old}")]);
    assert_eq!(daemon.field("lead", "L20", "姓名"), "刘阳");
    replay(&[&old.to_string(), "--as-new"]);
    assert_eq!(daemon.field("lead", "L20", "姓名"), "刘洋");
    // Neither what rules emit nor the engine's own; of a range, only what sources told.
    let all = daemon.events();
    let emitted = all.iter().find(|s| s.event.name == "page.liked").unwrap().event.seq;
    let own = all.iter().find(|s| s.event.name == "ifthen.loaded").unwrap().event.seq;
    for seq in [emitted, own, 99_999] {
        let (code, said, _) = replay(&[&format!("e{seq}")]);
        assert!(code == 1 && said.contains("不能重放"), "{said}");
    }
    let (code, said, _) = replay(&[&format!("e{own}..e{viewed}"), "--json"]);
    assert_eq!((code, said.lines().count()), (0, 3), "{said}");
    let one: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!(one["replay_of"], json!(format!("e{old}")));
    // The daemon refuses by itself, too, and then nothing of it is done.
    let count = daemon.events().len();
    let control = std::fs::read_to_string(folder.path("data/control")).unwrap();
    let token = format!("Bearer {}", control.lines().nth(1).unwrap());
    let post = |token: &str, body: &Value| daemon.post("/api/events/replay", &[("Authorization", token)], body);
    for (token, body, expect) in [
        (&token, json!({ "events": [format!("e{viewed}"), format!("e{own}")] }), 422),
        (&token, json!({ "events": ["e99999"] }), 422),
        (&token, json!({ "events": ["what"] }), 422),
        (&token, json!({ "events": vec!["e1"; 1_001] }), 422),
        (&token, json!([]), 422),
        (&"Bearer wrong".to_owned(), json!({ "events": [format!("e{viewed}")] }), 401),
    ] {
        assert_eq!(post(token, &body).0, expect, "{body}");
    }
    assert_eq!(daemon.events().len(), count);
    // Many are not handed in by mistake, and none without a daemon.
    for n in 10..31 {
        daemon.accepted("/in/site", &[], &json!({ "编号": n, "page": "首页" }));
    }
    let (code, said, _) = replay(&["e1..e99999"]);
    assert!(code == 1 && said.contains("--yes"), "{said}");
    let before = daemon.events().iter().filter(|s| s.event.is_told()).count();
    let (code, said, _) = replay(&["e1..e99999", "--yes"]);
    assert_eq!((code, said.lines().count()), (0, before));
    assert_eq!(daemon.stop(), 0);
    assert_eq!(replay(&[&format!("e{viewed}")]).0, 4);
}
