//! What is old is let go by the running daemon, killed in the middle of it; what is there now, and what waits, stays.

use serde_json::json;

use super::harness::{Folder, assert_intact, ids, wait};

const CONFIG: &str = "
limits: { dedupe: 0s }
retention: { payloads: 0s, changes: 0s, events: 0s, log: { age: 0s, bytes: 1GB } }
sources:
  crm: { webhook: {}, event: crm.lead, record: { entity: lead, fields: { id: 编号, mobile: 手机 } } }
";
const RULES: &str = "
entities: { lead: { fields: { id: text, mobile: { type: phone, country: CN } } } }
rules: { note: { when: crm.lead, then: [ { log: '{{ mobile }}' } ] } }
";

#[test]
fn what_is_old_goes_and_what_is_there_stays_though_the_daemon_is_killed() {
    let folder = Folder::new(&[("config.yaml", CONFIG), ("rules/a.yaml", RULES)]);
    let (mut last, mut bad) = (0, Vec::new());
    for round in 0..5 {
        let daemon = folder.start();
        for n in 0..150 {
            let body = json!({ "编号": format!("L{}", n % 20), "手机": format!("1380013{:04}", round * 150 + n) });
            let (status, answer) = daemon.post("/in/crm", &[], &body);
            assert_eq!(status, 202, "{answer}");
            assert!(ids(&answer)[0] > last, "numbers go on: {answer} after {last}");
            last = ids(&answer)[0];
        }
        let (_, answer) = daemon.post("/in/crm", &[], &json!({ "编号": format!("B{round}"), "手机": "12345" }));
        last = ids(&answer)[0];
        bad.push(last);
        let store = daemon.store.clone();
        daemon.kill();
        assert_intact(&store);
    }
    let daemon = folder.start();
    wait("old events are gone", || (daemon.events().len() < 20).then_some(()));
    for n in 0..20 {
        let newest = (0..150).filter(|m| m % 20 == n).max().unwrap();
        assert_eq!(daemon.field("lead", &format!("L{n}"), "mobile"), format!("+861380013{:04}", 600 + newest));
    }
    let kept: Vec<u64> = daemon.events().iter().map(|e| e.event.seq).filter(|seq| bad.contains(seq)).collect();
    assert_eq!(kept, bad, "what is in quarantine");
    let item = format!("e{}", bad[0]);
    let (code, text) = folder.cli(&["quarantine", "fix", &item, "--set", "手机=13900139000"]);
    assert_eq!((code, daemon.field("lead", "B0", "mobile")), (0, "+8613900139000".into()), "{text}");
    let (code, text) = folder.cli(&["records", "show", "lead/L1", "--as-of", "e5"]);
    assert!(code == 1 && text.contains("retention"), "{code} {text}");
    let (_, text) = folder.cli(&["doctor", "--offline"]);
    assert!(text.contains("历史"), "{text}");
    let store = daemon.store.clone();
    assert_eq!(daemon.stop(), 0);
    assert_intact(&store);
}
