//! Who owns a field: a stale post and the echo of our own write change nothing, a real change comes through.

use ifthen::engine::log::Outcome;
use serde_json::json;

use super::harness::Folder;
use super::standin::Web;

#[test]
fn a_stale_post_and_an_echo_change_nothing_and_start_no_loop() {
    let crm = Web::start();
    let config = format!(
        "allow_networks: [127.0.0.0/8]\nsources:\n  crm:\n    webhook: {{}}\n    event: crm.lead\n    delivery: {{ body: [delivery] }}\n    record: {{ entity: lead, fields: {{ id: id, owner: owner, stage: stage, name: name }} }}\nconnections:\n  crm: {{ http: {{ base: \"{}\" }} }}\n",
        crm.url("")
    );
    let rules = "
entities:
  lead: { fields: { id: text, name: text, stage: text, owner: person } }
people: { 张三: {}, crm-default: {} }
rules:
  take:
    when: lead.created
    then: [ { assign: { to: user:张三 } } ]
  write-back:
    when: { changed: lead.owner }
    then:
      - http: { connection: crm, put: '/leads/{{ id }}', json: { owner: '{{ owner }}' } }
";
    let folder = Folder::new(&[("config.yaml", &config), ("rules/lead.yaml", rules)]);
    let daemon = folder.start();
    let mut delivery = 0;
    let mut tell = |owner: &str, stage: &str| {
        delivery += 1;
        daemon.accepted(
            "/in/crm",
            &[],
            &json!({ "delivery": delivery, "id": "L1", "name": "刘洋", "owner": owner, "stage": stage }),
        );
        (daemon.field("lead", "L1", "owner"), daemon.field("lead", "L1", "stage"))
    };
    let pair = |owner: &str, stage: &str| (owner.to_owned(), stage.to_owned());
    assert_eq!(tell("crm-default", "新建"), pair("张三", "新建"), "created by the CRM, then ours");
    daemon.wait_lines("http", Outcome::Done, 1);
    assert_eq!(tell("crm-default", "新建"), pair("张三", "新建"), "stale: the CRM had not seen our write yet");
    assert_eq!(tell("张三", "新建"), pair("张三", "新建"), "the echo of our own write");
    assert_eq!(tell("张三", "已联系"), pair("张三", "已联系"), "a real change of the CRM");
    assert_eq!(tell("crm-default", "已联系"), pair("crm-default", "已联系"), "someone re-assigned it in the CRM");
    daemon.wait_lines("http", Outcome::Done, 2);
    assert_eq!(crm.requests.all().len(), 2, "one write-back per change of owner: no loop");
    assert!(daemon.lines("cascade", Outcome::Failed).is_empty());
    // Every change carries its origin.
    let by: Vec<String> =
        daemon.events().iter().filter(|e| e.event.name == "lead.changed").map(|e| e.event.origin.clone()).collect();
    assert_eq!(by, ["rule:take", "crm", "crm"]);
}
