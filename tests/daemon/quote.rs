//! DOMAIN.md, scenario E, through the real daemon: the flow that is shipped, every decision behind the link that was mailed, and
//! `kill -9` between any two steps.

use ifthen::engine::log::Outcome;
use serde_json::json;

use super::desk::{Desk, Phone};
use super::harness::{Daemon, Folder, wait};
use super::standin::Smtp;

const FLOW: &str = include_str!("../../flows/quote.yaml");
const PEOPLE: &str = include_str!("../../rules/people.yaml");

/// The shipped flow before a mail server; 郑 has a moment only where the page says 16 working hours.
fn desk() -> Desk {
    let smtp = Smtp::start();
    let config = format!(
        "definitions: [rules, flows]
sources:
  quotes:
    webhook: {{}}
    event: quote.submitted
    delivery: {{ header: X-Delivery-Id }}
    record: {{ entity: quote, fields: {{ id: id, amount: 金额, discount: 折扣, owner: 负责人 }} }}
connections:
  mail: {{ smtp: {{ host: 127.0.0.1, port: {}, security: none, from: a@example.com }}, retry: [1s, 1s, 1s] }}
  sales-dingtalk: {{ dingtalk: {{}}, deliver: preview }}
  sales-wecom: {{ wecom: {{}}, deliver: preview }}
",
        smtp.server.address().port()
    );
    let long = "approve: role:finance\n              within: 16 working hours";
    assert!(FLOW.contains(long));
    let flow = FLOW.replace(long, "approve: role:finance\n              within: 2s");
    // Robots are on preview: 张三 is asked by mail.
    let people = PEOPLE.replace("[sales-dingtalk, mail]", "[mail]");
    let folder = Folder::new(&[("config.yaml", &config), ("rules/people.yaml", &people), ("flows/quote.yaml", &flow)]);
    Desk { folder, smtp }
}

/// The different links that a person was mailed so far, in their order.
fn links(desk: &Desk, person: &str) -> Vec<String> {
    let to = format!("{person}@example.com");
    let mails = desk.smtp.received.all().into_iter().filter(|m| m.to == [to.clone()]);
    let links = mails.filter_map(|m| m.text().split_whitespace().find_map(|w| Some(w[w.find("/t/")?..].to_owned())));
    let mut links: Vec<String> = links.collect();
    links.dedup(); // a mail that was killed on its way comes again, the same to the byte
    links
}

/// Restarts, then does one thing behind the link of so manieth task.
fn decide(desk: &Desk, daemon: Daemon, person: &str, mails: usize, what: &str, fields: &[(&str, &str)]) -> Daemon {
    let link = wait(&format!("mail {mails} to {person}"), || links(desk, person).into_iter().nth(mails - 1));
    daemon.kill();
    let daemon = desk.folder.start();
    let mut phone = Phone::new(&daemon);
    phone.prove(desk, person, &link);
    let page = phone.act(&link, what, fields);
    assert_eq!(page.status, 200, "{person} {what}: {}", page.text);
    daemon
}

fn submit(daemon: &Daemon, id: &str, amount: &str, discount: &str) {
    let body = json!({ "id": id, "金额": amount, "折扣": discount, "负责人": "张三" });
    assert_eq!(daemon.post("/in/quotes", &[("x-delivery-id", id)], &body).0, 202);
    // Told twice.
    assert_eq!(daemon.post("/in/quotes", &[("x-delivery-id", id)], &body).0, 200);
}

fn ended(daemon: &Daemon, word: &str) {
    let ended = daemon.wait_lines("end", Outcome::Done, 1);
    assert_eq!((ended.len(), ended[0].detail.at(&["as"]).unwrap().to_string()), (1, word.to_owned()));
}

#[test]
fn a_quote_is_rejected_revised_and_approved_by_links_across_restarts() {
    let desk = desk();
    let daemon = desk.folder.start();
    submit(&daemon, "Q1", "880,000", "22%");
    let daemon = decide(&desk, daemon, "he", 1, "approve", &[]);
    let daemon = decide(&desk, daemon, "feng", 1, "approve", &[]);
    // 郑 says nothing: 财务总监 decides instead, and 冯's approval goes with it.
    let daemon = decide(&desk, daemon, "cfo", 1, "reject", &[("comment", "折扣太高")]);
    let daemon = decide(&desk, daemon, "zhangsan", 1, "answer", &[("f.discount", "15")]);
    assert_eq!(daemon.field("quote", "Q1", "discount"), "0.15");
    assert!(daemon.lines("end", Outcome::Done).is_empty());
    let daemon = decide(&desk, daemon, "he", 2, "approve", &[]);
    let daemon = decide(&desk, daemon, "zheng", 2, "approve", &[]);
    ended(&daemon, "approved");
    daemon.kill();

    let daemon = desk.folder.start();
    ended(&daemon, "approved");
    let texts = daemon.lines("log", Outcome::Done);
    let versions: Vec<String> = texts.iter().filter_map(|l| l.detail.at(&["text"]).map(ToString::to_string)).collect();
    assert_eq!(versions, ["报价单 v1", "报价单 v2"]);
    let who: Vec<String> =
        daemon.lines("decide", Outcome::Done).iter().map(|l| l.detail.at(&["who"]).unwrap().to_string()).collect();
    assert_eq!(daemon.lines("approve", Outcome::Fired).len(), 5, "何, 郑 and 冯; then 何 and 郑 alone");
    assert_eq!(who, ["何经理", "冯", "财务总监", "张三", "何经理", "郑"]);
}
