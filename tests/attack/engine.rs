//! Rows 23, 25 and 26: rules that never end, times that make no sense, definitions that change under what waits.

use std::time::Duration;

use ifthen::engine::log::Outcome;
use ifthen::store::Filter;
use serde_json::json;

use super::harness::{Folder, wait};
use super::standin::{Reply, Web};

#[test]
fn row_23_rules_that_wake_each_other_are_parked_and_the_cycle_is_named() {
    let config = "sources:\n  web: { webhook: {}, event: ping, delivery: { body: [id] } }\n  crm: { webhook: {}, event: crm.lead, record: { entity: lead, fields: { id: id, n: n } } }\n";
    let rules = "
entities: { lead: { fields: { id: text, n: number } } }
rules:
  there: { when: ping, then: [ { emit: pong } ] }
  back: { when: pong, then: [ { emit: ping } ] }
  wide: { when: [ping, flood], then: [ { emit: flood }, { emit: flood }, { emit: flood } ] }
  count: { when: { changed: lead.n }, then: [ { set: { n: '= n + 1' } } ] }
  note: { when: fine, then: [ { log: fine } ] }
";
    let folder = Folder::new(&[("config.yaml", config), ("rules/loop.yaml", rules)]);
    let daemon = folder.start();
    daemon.accepted("/in/web", &[], &json!({ "id": 1 }));
    let said = daemon.wait_lines("cascade", Outcome::Failed, 1);
    assert!(said[0].detail.at(&["cycle"]).is_some_and(|cycle| cycle.to_string().contains("rule:")), "{}", said[0].detail);
    assert_eq!(
        daemon.events().iter().filter(|e| e.event.name.starts_with('p') || e.event.name == "flood").count(),
        1,
        "rolled back but for the root"
    );
    // By a field of its own: as well.
    daemon.accepted("/in/crm", &[], &json!({ "id": "L1", "n": 1 }));
    daemon.accepted("/in/crm", &[], &json!({ "id": "L1", "n": 2 }));
    let said = daemon.wait_lines("cascade", Outcome::Failed, 2);
    assert!(said[1].detail.at(&["cycle"]).is_some_and(|cycle| cycle.to_string().contains("rule:count")), "{}", said[1].detail);
    assert_eq!(daemon.get("/readyz").0, 200);
}

#[test]
fn row_25_times_beyond_all_sense_fire_nothing_early_and_end_nothing() {
    let config = "sources:\n  crm: { webhook: {}, event: crm.signup, record: { entity: signup, fields: { id: id, starts: starts, seen: seen } } }\n";
    let rules = "
entities: { signup: { fields: { id: text, starts: time, seen: time } } }
rules:
  remind: { when: { record: signup, at: starts, offset: -1d }, then: [ { log: 'remind {{ id }}' } ] }
  late: { when: { record: signup, while: not is_empty(seen), for: 30d, since: seen }, then: [ { log: 'late {{ id }}' } ] }
  far: { when: crm.signup, if: \"add(event.starts, '9000 years') > now()\", then: [ { log: far } ] }
";
    let folder = Folder::new(&[("config.yaml", config), ("rules/a.yaml", rules)]);
    let daemon = folder.start();
    let times = [
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:60Z",
        "-9999-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "+10000-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
    ];
    for (n, time) in times.iter().enumerate() {
        let (status, answer) = daemon.post("/in/crm", &[], &json!({ "id": format!("S{n}"), "starts": time, "seen": time }));
        assert!(matches!(status, 202 | 422), "{time}: {status} {answer}");
    }
    // What is due a little later comes, once: none of those is in its way.
    let soon = jiff::Timestamp::now().saturating_add(jiff::SignedDuration::from_secs(86_400 + 1)).unwrap();
    daemon.accepted("/in/crm", &[], &json!({ "id": "soon", "starts": soon.to_string() }));
    let said = wait("the reminder", || {
        let lines = daemon.lines("log", Outcome::Done);
        lines.iter().any(|l| l.detail.to_string().contains("remind soon")).then_some(lines)
    });
    let early =
        said.iter().map(|l| l.detail.to_string()).filter(|text| text.contains("remind S0") || text.contains("late S0")).count();
    assert_eq!(early, 0, "the year 9999 has come: {said:?}");
    daemon.kill();
    let daemon = folder.start();
    assert_eq!(daemon.get("/readyz").0, 200);
    let reminded = daemon.lines("log", Outcome::Done).iter().filter(|l| l.detail.to_string().contains("remind soon")).count();
    assert_eq!(reminded, 1, "once, also after a restart");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn row_26_what_waits_ends_as_it_began_whatever_the_file_says_now() {
    let web = Web::start();
    web.next(1, Reply::Late(Duration::from_secs(3), Box::new(Reply::json(200, &json!({})))));
    let config = format!(
        "definitions: [rules, flows]\nallow_networks: [127.0.0.0/8]\nsources:\n  crm: {{ webhook: {{}}, record: {{ entity: quote, fields: {{ id: id }} }} }}\nconnections:\n  erp: {{ http: {{ base: '{}' }} }}\n",
        web.url("")
    );
    let flow = |word: &str| {
        format!(
            "flows:\n  审批:\n    when: quote.created\n    record: quote\n    steps:\n      - {{ id: ask, http: {{ connection: erp, post: /a }} }}\n      - {{ id: note, log: '{word} {{{{ id }}}}' }}\n"
        )
    };
    let rules = "entities: { quote: { fields: { id: text } } }\n";
    let folder = Folder::new(&[("config.yaml", &config), ("rules/a.yaml", rules), ("flows/a.yaml", &flow("旧"))]);
    let daemon = folder.start();
    daemon.accepted("/in/crm", &[], &json!({ "id": "Q1" }));
    web.requests.wait(1);
    folder.write("flows/a.yaml", &flow("新"));
    let reload = wait("a reload that counts it", || {
        daemon.lines("reload", Outcome::Done).into_iter().find(|l| l.detail.at(&["pinned"]).is_some())
    });
    assert!(serde_json::to_string(&reload.detail.plain()).unwrap().contains("审批"), "{}", reload.detail);
    let said = daemon.wait_lines("log", Outcome::Done, 1);
    assert!(said[0].detail.to_string().contains("旧 Q1"), "{}", said[0].detail);
    // And a removed one: what begins after it is the new one, or nothing.
    daemon.accepted("/in/crm", &[], &json!({ "id": "Q2" }));
    let said = daemon.wait_lines("log", Outcome::Done, 2);
    assert!(said[1].detail.to_string().contains("新 Q2"), "{}", said[1].detail);
    assert!(daemon.log(&Filter::default()).iter().all(|l| l.action != "cascade"));
}
