//! What rules and flows do, in the real daemon: previews, answers that are used, people who are told, mails over time.

use ifthen::engine::log::Outcome;
use serde_json::json;

use super::harness::Folder;
use super::standin::{Reply, Smtp, Web};

const LEAD: &str = "entities: { lead: { fields: { id: text, email: email, name: text, number: text } } }\n";
const SOURCE: &str = "sources:\n  crm: { webhook: {}, event: crm.lead, delivery: { body: [id] }, record: { entity: lead, fields: { id: id, email: email, name: name } } }\n";

#[test]
fn an_answer_of_another_system_is_used_and_sent_with_its_key() {
    let erp = Web::start();
    erp.next(1, Reply::status(503));
    erp.next(1, Reply::json(200, &json!({ "number": "ERP-42", "deep": { "ok": true } })));
    let config = format!(
        "allow_networks: [127.0.0.0/8]\n{SOURCE}connections:\n  erp: {{ http: {{ base: \"{}\", headers: {{ X-Token: \"${{file:token}}\" }} }}, retry: [1s] }}\n",
        erp.url("/api")
    );
    let rules = format!(
        "{LEAD}rules:
  invoice:
    when: lead.created
    then:
      - http: {{ connection: erp, post: '/leads/{{{{ id }}}}', headers: {{ X-Name: a }}, json: {{ name: '{{{{ name }}}}', tags: [新, 1] }}, emit: erp.answered }}
  number:
    when: erp.answered
    if: event.status == 200 and event.body.deep.ok
    then: [ {{ set: {{ number: '= event.body.number' }} }} ]
"
    );
    let folder = Folder::new(&[("config.yaml", &config), ("rules/a.yaml", &rules), ("token", "CANARY")]);
    let daemon = folder.start();
    daemon.accepted("/in/crm", &[], &json!({ "id": "L1", "name": "刘洋" }));
    daemon.wait_lines("set", Outcome::Done, 1);
    assert_eq!(daemon.field("lead", "L1", "number"), "ERP-42");
    let requests = erp.requests.all();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].path, "/api/leads/L1");
    assert_eq!(requests[0].json(), json!({ "name": "刘洋", "tags": ["新", 1] }));
    assert_eq!(requests[1].header("x-token"), Some("CANARY"));
    assert_eq!(requests[0].key().unwrap(), requests[1].key().unwrap());
    // A secret is nowhere to be read.
    drop(daemon);
    let store = std::fs::read(folder.path("data/ifthen.db")).unwrap();
    let wal = std::fs::read(folder.path("data/ifthen.db-wal")).unwrap_or_default();
    let said = std::fs::read(folder.path("stderr")).unwrap();
    for (name, bytes) in [("store", store), ("wal", wal), ("messages", said)] {
        assert!(!bytes.windows(6).any(|w| w == b"CANARY"), "the secret stands in the {name}");
    }
}

#[test]
fn preview_shows_the_message_and_sends_nothing() {
    let smtp = Smtp::start();
    let config = format!(
        "{SOURCE}connections:\n  mail: {{ smtp: {{ host: 127.0.0.1, port: {}, security: none, from: a@example.com }} }}\n",
        smtp.server.address().port()
    );
    let rules = format!(
        "{LEAD}rules:
  shown: {{ when: lead.created, deliver: preview, then: [ {{ email: {{ to: '{{{{ email }}}}', subject: 一, text: 您好 }} }} ] }}
  sent: {{ when: lead.created, then: [ {{ email: {{ to: '{{{{ email }}}}', subject: 二, text: 您好 }} }} ] }}
"
    );
    let folder = Folder::new(&[("config.yaml", &config), ("rules/a.yaml", &rules)]);
    let daemon = folder.start();
    daemon.accepted("/in/crm", &[], &json!({ "id": "L1", "email": "a@example.com" }));
    daemon.wait_lines("email", Outcome::Done, 1);
    let shown = daemon.lines("email", Outcome::Suppressed);
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].detail.at(&["text"]).unwrap().to_string(), "您好");
    assert_eq!(smtp.received.all().iter().map(|m| m.subject().to_owned()).collect::<Vec<_>>(), ["二"]);
}

#[test]
fn two_mails_of_a_flow_arrive_in_order_though_the_daemon_is_killed_between_them() {
    let smtp = Smtp::start();
    let config = format!(
        "{SOURCE}connections:\n  mail: {{ smtp: {{ host: 127.0.0.1, port: {}, security: none, from: a@example.com }}, retry: [1s, 1s] }}\n",
        smtp.server.address().port()
    );
    let flow = |second: &str| {
        format!(
            "flows:
  welcome:
    when: lead.created
    record: lead
    steps:
      - email: {{ to: '{{{{ email }}}}', subject: 一, text: 您好 }}
      - wait: 3s
      - email: {{ to: '{{{{ email }}}}', subject: {second}, text: '{{{{ name }}}}' }}
"
        )
    };
    let folder = Folder::new(&[("config.yaml", &config), ("rules/a.yaml", LEAD), ("flows/w.yaml", &flow("二"))]);
    let daemon = folder.start();
    daemon.accepted("/in/crm", &[], &json!({ "id": "L1", "email": "a@example.com", "name": "刘洋" }));
    daemon.wait_lines("wait", Outcome::Fired, 1);
    daemon.kill();
    // The run goes on as it began, whatever the file says now.
    folder.write("flows/w.yaml", &flow("改"));
    let daemon = folder.start();
    daemon.wait_lines("end", Outcome::Done, 1);
    let mails: Vec<(String, String)> =
        smtp.received.all().iter().map(|m| (m.subject().to_owned(), m.text().trim().to_owned())).collect();
    assert_eq!(mails, [("一".to_owned(), "您好".to_owned()), ("二".to_owned(), "刘洋".to_owned())]);
}
