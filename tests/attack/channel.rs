//! Row 31: channels that are down, that say yes and mean no, that throttle, that never answer.

use ifthen::engine::log::Outcome;
use serde_json::json;

use super::harness::{Folder, wait};
use super::standin::{Mode, Reply, Smtp, Web, Wecom};

#[test]
fn row_31_no_channel_makes_us_drop_a_message_in_silence() {
    let (smtp, wecom, erp) = (Smtp::start(), Wecom::start(), Web::start());
    smtp.server.down();
    // 200, and an error in the body; then throttled; then well.
    wecom.script.next(1, Mode::Instead(Reply::json(200, &json!({ "errcode": 93000, "errmsg": "invalid webhook url" }))));
    erp.next(1, Reply::Hang);
    erp.next(1, Reply::status(429).header("retry-after", "1"));
    erp.next(1, Reply::status(503));
    let config = format!(
        "allow_networks: [127.0.0.0/8]\nsources: {{ crm: {{ webhook: {{}}, event: crm.lead, record: {{ entity: lead, fields: {{ id: id }} }} }} }}\nconnections:\n  mail: {{ smtp: {{ host: 127.0.0.1, port: {}, security: none, from: a@example.com }}, retry: [1s, 1s] }}\n  robot: {{ wecom: {{ url: '${{file:robot}}' }}, retry: [1s, 1s] }}\n  erp: {{ http: {{ base: '{}', timeout: 2s }}, retry: [1s, 1s, 1s, 1s] }}\n",
        smtp.server.address().port(),
        erp.url("")
    );
    let rules = "
entities: { lead: { fields: { id: text } } }
rules:
  tell:
    when: lead.created
    then:
      - email: { connection: mail, to: a@example.com, subject: 线索, text: 您好 }
      - wecom: { robot: robot, text: 新线索 }
      - http: { connection: erp, post: /x }
";
    let folder = Folder::new(&[("config.yaml", &config), ("rules/a.yaml", rules), ("robot", &wecom.url())]);
    let daemon = folder.start();
    daemon.accepted("/in/crm", &[], &json!({ "id": "L1" }));
    // Nobody listens: tried as often as said, then listed, never forgotten.
    let dead = daemon.wait_lines("email", Outcome::Dead, 1);
    assert!(daemon.lines("email", Outcome::Retrying).len() >= 2);
    let (_, listed) = folder.cli(&["calls", "list", "--dead"]);
    assert!(listed.contains("a@example.com"), "{listed}");
    // A yes that means no is a no, in the other side's own words.
    let refused = wait("the robot's answer", || {
        [Outcome::Dead, Outcome::Retrying].into_iter().flat_map(|o| daemon.lines("wecom", o)).next()
    });
    assert!(refused.detail.to_string().contains("93000"), "{}", refused.detail);
    // Never answered: unknown, said so, tried again under the same key.
    daemon.wait_lines("http", Outcome::Unknown, 1);
    daemon.wait_lines("http", Outcome::Done, 1);
    assert_eq!(erp.by_key().into_values().collect::<Vec<_>>(), [4]);
    // And sent after all once somebody asks.
    smtp.server.up();
    let call = dead[0].detail.at(&["call"]).unwrap().to_string();
    assert_eq!(folder.cli(&["calls", "retry", &call]).0, 0);
    daemon.wait_lines("email", Outcome::Done, 1);
    assert_eq!(smtp.received.all().len(), 1);
}
