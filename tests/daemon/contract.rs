//! DOMAIN.md, scenario H, through the real daemon: the flow that is shipped, a warehouse that answers 500, and `kill -9` between any
//! two of its steps.

use ifthen::engine::log::Outcome;
use serde_json::json;

use super::harness::{Daemon, Folder};
use super::standin::{Reply, Web};

const FLOW: &str = include_str!("../../flows/contract.yaml");
const PEOPLE: &str = include_str!("../../rules/people.yaml");

fn folder(erp: &Web, wms: &Web) -> Folder {
    let config = format!(
        "definitions: [rules, flows]
allow_networks: [127.0.0.0/8]
sources:
  contracts:
    webhook: {{}}
    event: contract.signed
    delivery: {{ header: X-Delivery-Id }}
    record: {{ entity: contract, fields: {{ id: id, customer: 客户, amount: 金额 }} }}
connections:
  mail: {{ smtp: {{ host: 127.0.0.1, security: none, from: a@example.com }}, deliver: preview }}
  sales-dingtalk: {{ dingtalk: {{}}, deliver: preview }}
  sales-wecom: {{ wecom: {{}}, deliver: preview }}
  erp: {{ http: {{ base: '{}' }}, retry: [1s, 1s, 1s] }}
  wms: {{ http: {{ base: '{}' }} }}
",
        erp.url(""),
        wms.url("")
    );
    // The same waits, but nobody has half an hour.
    let flow = FLOW.replace("retry: [1m, 5m, 30m]", "retry: [1s, 2s, 1s]");
    assert_ne!(flow, FLOW);
    Folder::new(&[("config.yaml", &config), ("rules/people.yaml", PEOPLE), ("flows/contract.yaml", &flow)])
}

/// The contract is told once more; the status of the answer.
fn signed(daemon: &Daemon, delivery: &str) -> u16 {
    let body = json!({ "id": "C1", "客户": "上海智造", "金额": "880,000" });
    daemon.post("/in/contracts", &[("x-delivery-id", delivery)], &body).0
}

/// How many different requests of this path came, however often each.
fn different(web: &Web, path: &str) -> usize {
    let keys = web.requests.all().into_iter().filter(|r| r.path == path).map(|r| r.key().unwrap().to_owned());
    keys.collect::<std::collections::BTreeSet<_>>().len()
}

/// What was said to people of this kind; on preview it is in the log.
fn told(daemon: &Daemon, action: &str, to: &str) -> usize {
    let lines = daemon.lines(action, Outcome::Suppressed);
    lines.iter().filter(|l| l.detail.to_string().contains(to) && l.detail.to_string().contains("合同 C1 履约异常")).count()
}

#[test]
fn what_cannot_be_shipped_is_reversed_once_however_often_it_is_killed() {
    let (erp, wms) = (Web::start(), Web::start());
    wms.next(1_000, Reply::status(500));
    let folder = folder(&erp, &wms);

    let daemon = folder.start();
    assert_eq!(signed(&daemon, "s1"), 202);
    daemon.kill();
    let mut daemon = folder.start();
    assert_eq!(signed(&daemon, "s1"), 200, "delivered twice");
    // Between any two attempts.
    for attempt in 1..=3 {
        daemon.wait_lines("http", Outcome::Retrying, attempt);
        daemon.kill();
        daemon = folder.start();
    }
    // It is given up: the invoice is about to be reversed, or just was.
    daemon.wait_lines("http", Outcome::Dead, 1);
    daemon.kill();
    let daemon = folder.start();
    let ended = daemon.wait_lines("end", Outcome::Failed, 1);
    daemon.kill();

    let daemon = folder.start();
    assert_eq!(signed(&daemon, "s2"), 202, "told once more, by another delivery");
    let detail = ended[0].detail.to_string();
    assert!(detail.contains("shipment") && detail.contains("500"), "{detail}");
    for path in ["/invoices", "/invoices/C1/reverse"] {
        assert_eq!(different(&erp, path), 1, "{path}");
    }
    assert_eq!(different(&wms, "/shipments"), 1);
    // Once and three times more; an attempt that was killed before it left counts as well.
    let tried = wms.requests.all().len();
    assert!((1..=4).contains(&tried), "{tried}");
    assert_eq!(daemon.lines("undo", Outcome::Done).len(), 1);
    assert_eq!(daemon.field("contract", "C1", "status"), "履约异常");
    assert_eq!(told(&daemon, "email", "finance@example.com"), 1);
    assert_eq!((told(&daemon, "dingtalk", "13800138000"), told(&daemon, "email", "wang@example.com")), (1, 1));
    assert_eq!(daemon.lines("start", Outcome::Fired).len(), 1);
}
