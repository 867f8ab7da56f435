//! Everything that the daemon does, in one small folder: counting, holds, a heartbeat, calls, a flow that waits and asks.

use super::harness::Folder;
use super::sink::Sink;

const RULES: &str = r#"
entities:
  ticket: { fields: { id: text, 标题: text, open: boolean, seen: number, held: number, passed: number } }
people: { 何经理: {} }
rules:
  数一数: { when: ticket.seen, then: [ { set: { seen: "= default(seen, 0) + 1" } } ] }
  通知系统:
    when: ticket.seen
    then: [ { http: { connection: erp, post: /seen, json: { ticket: "{{ id }}", delivery: "{{ event.delivery }}" } } } ]
  无人跟进: { when: { record: ticket, while: open, for: 2s }, then: [ { set: { held: "= default(held, 0) + 1" } } ] }
  心跳: { when: { every: 1s }, then: [ { log: 心跳 } ] }
flows:
  审批:
    when: ticket.created
    record: ticket
    steps:
      - { id: pay, wait: ticket.paid, up_to: forever }
      - { id: boss, approve: "user:何经理" }
      - { id: ship, http: { connection: erp, post: /ship, json: { ticket: "{{ id }}" } } }
      - { set: { passed: "= default(passed, 0) + 1" } }
"#;

/// The folder; its calls go to `sink`.
pub fn folder(sink: &Sink, more: &str) -> Folder {
    let config = format!(
        "definitions: [rules, flows]
allow_networks: [127.0.0.0/8]
limits: {{ outbox: 300 }}
sources:
  crm: {{ webhook: {{}}, event: ticket.seen, delivery: {{ body: [delivery] }}, record: {{ entity: ticket, fields: {{ id: id, 标题: 标题, open: open }} }} }}
  pay: {{ webhook: {{}}, event: ticket.paid, delivery: {{ body: [delivery] }}, record: {{ entity: ticket, fields: {{ id: id }} }} }}
connections:
  erp: {{ http: {{ base: '{}', timeout: 1s }}, concurrency: 16, retry: [1s, 1s, 1s, 1s, 1s, 1s] }}
{more}",
        sink.url()
    );
    Folder::new(&[("config.yaml", &config), ("rules/ticket.yaml", RULES)])
}
