//! DOMAIN.md, scenario E, through the real daemon: the flow that is shipped, every decision behind the link that was mailed, and
//! `kill -9` between any two steps.

use ifthen::engine::log::Outcome;
use ifthen::engine::state::{Key, prefix};
use ifthen::store::Read as _;
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

/// The only run that is under way.
fn run(daemon: &Daemon) -> String {
    let keys = daemon.reader().scan(prefix::RUN, None, 9).unwrap();
    let [(Key::Run(id), _)] = &keys[..] else { panic!("{} runs", keys.len()) };
    id.clone()
}

#[test]
fn it_is_recalled_until_somebody_has_acted_and_a_decision_until_the_next_has() {
    let desk = desk();
    let daemon = desk.folder.start();
    submit(&daemon, "Q2", "880,000", "15%");
    // 张三 takes it back, by the command line; only they can.
    let id = run(&daemon);
    let (exit, text) = desk.folder.cli(&["runs", "recall", &id, "--as", "何经理"]);
    assert!(exit == 1 && daemon.lines("run", Outcome::Done).is_empty(), "{text}");
    assert_eq!(desk.folder.cli(&["runs", "recall", &id, "--as", "张三"]).0, 0);
    ended(&daemon, "recalled");

    submit(&daemon, "Q3", "880,000", "15%");
    let link = wait("何's second mail", || links(&desk, "he").into_iter().nth(1));
    let mut phone = Phone::new(&daemon);
    phone.prove(&desk, "he", &link);
    phone.act(&link, "approve", &[]).says(&["已通过"]);
    let id = run(&daemon);
    let (exit, text) = desk.folder.cli(&["runs", "recall", &id, "--as", "张三"]);
    assert!(exit == 1 && text.contains("已有人处理") && run(&daemon) == id, "何 has acted: {text}");
    // 何 takes their approval back by the page, since 郑 has not acted; 郑's link says so.
    let asked = wait("郑's mail", || links(&desk, "zheng").into_iter().next());
    phone.act(&link, "recall", &[]).says(&["value=\"approve\""]);
    Phone::new(&daemon).get(&asked).says(&["已取消，无需处理"]);
    phone.act(&link, "approve", &[("comment", "再想了想,同意")]).says(&["已通过"]);
    let daemon = decide(&desk, daemon, "zheng", 2, "approve", &[]);
    let approved = daemon.wait_lines("end", Outcome::Done, 2);
    assert_eq!(approved.iter().filter(|l| l.detail.at(&["as"]).is_some_and(|w| w.to_string() == "approved")).count(), 1);
    // Now it is too late, and whoever asks is told why.
    let task = daemon.lines("decide", Outcome::Done)[0].detail.at(&["task"]).unwrap().to_string();
    let (exit, text) = desk.folder.cli(&["tasks", "recall", &task, "--as", "何经理"]);
    assert!(exit == 1 && text.contains("不能再撤回"), "{text}");
    assert_eq!(daemon.lines("recall", Outcome::Done).len(), 1);
}
