//! The main job, with real exchanges: a lead comes in, is tagged and assigned in turn, mail and robot messages arrive.

use std::collections::BTreeSet;

use ifthen::engine::log::Outcome;
use serde_json::json;

use super::harness::{Daemon, Folder, ids, record_of};
use super::standin::dingtalk::{self, Dingtalk};
use super::standin::smtp::Smtp;
use super::standin::wecom::Wecom;

pub const RULES: &str = r#"
entities:
  lead:
    fields:
      id: text
      name: text
      mobile: { type: phone, country: CN }
      email: email
      region: text
      source: text
      stage: text
      owner: { type: person, from: ifthen }
      owner_at: { type: time, from: ifthen }
people:
  张三: { mobile: "13800138001", channels: [sales-dingtalk] }
  李四: { mobile: "13800138002", channels: [sales-dingtalk] }
  赵六: { mobile: "13800138003", channels: [sales-dingtalk] }
teams:
  华东销售: [张三, 李四, 赵六]
templates:
  welcome:
    zh:
      subject: "{{ name }},欢迎"
      text: "{{ name }},您好:您的顾问是 {{ owner.name }}。"
      html: "<p>{{ name }},您好:您的顾问是 <b>{{ owner.name }}</b>。</p>"
rules:
  welcome:
    when: lead.created
    if: source == '官网' and region == '华东'
    then:
      - tag: 官网
      - assign: { team: 华东销售 }
      - email: { template: welcome, to: "{{ email }}" }
      - notify: { who: owner, text: "新线索 {{ name }} {{ mobile }}" }
      - wecom: { robot: sales-wecom, markdown: "**新线索** {{ name }}", at: owner }
"#;

/// Connections to stand-ins; budgets wide, since this is not about them.
pub fn config(smtp: &Smtp) -> String {
    format!(
        r#"
allow_networks: [127.0.0.0/8]
sources:
  website:
    webhook: {{}}
    event: website.form
    delivery: {{ header: X-Delivery-Id }}
    record:
      entity: lead
      fields: {{ id: id, name: 姓名, mobile: 手机, email: 邮箱, region: 地区, source: 来源, stage: 阶段 }}
connections:
  mail:
    smtp: {{ host: 127.0.0.1, port: {port}, security: none, from: "销售部 <sales@example.com>" }}
    retry: [1s, 1s, 1s, 1s, 1s]
  sales-dingtalk:
    dingtalk: {{ url: "${{file:dingtalk.url}}", secret: "${{file:dingtalk.secret}}", keyword: 线索 }}
    rate: 1000/1m
    retry: [1s, 1s, 1s, 1s, 1s]
  sales-wecom:
    wecom: {{ url: "${{file:wecom.url}}" }}
    rate: 1000/1m
    retry: [1s, 1s, 1s, 1s, 1s]
"#,
        port = smtp.server.address().port(),
    )
}

/// The stand-ins, and a folder that is configured for them.
pub struct World {
    pub smtp: Smtp,
    pub dingtalk: Dingtalk,
    pub wecom: Wecom,
    pub folder: Folder,
}

impl World {
    pub fn new(rules: &str) -> Self {
        let smtp = Smtp::start();
        let dingtalk = Dingtalk::with(dingtalk::Options {
            secret: Some("SEC0123456789abcdef".into()),
            keywords: vec!["线索".into()],
            rate: 1_000,
            ..dingtalk::Options::default()
        });
        let wecom = Wecom::with(super::standin::wecom::Options { rate: 1_000, ..Default::default() });
        let folder = Folder::new(&[("config.yaml", &config(&smtp)), ("rules/leads.yaml", rules)]);
        folder.write("dingtalk.url", &dingtalk.url());
        folder.write("dingtalk.secret", dingtalk.secret().unwrap());
        folder.write("wecom.url", &wecom.url());
        Self { smtp, dingtalk, wecom, folder }
    }
}

/// One lead from the website.
pub fn lead(daemon: &Daemon, id: &str) -> u64 {
    let body = json!({ "id": id, "姓名": format!("刘洋{id}"), "手机": "138 0013-8000", "邮箱": format!("{id}@example.com"), "地区": "华东", "来源": "官网" });
    daemon.accepted("/in/website", &[("x-delivery-id", id)], &body)
}

#[test]
fn a_lead_is_tagged_assigned_in_turn_and_told_to_everyone_also_across_a_restart() {
    let world = World::new(RULES);
    let daemon = world.folder.start();
    for id in ["L1", "L2"] {
        lead(&daemon, id);
    }
    daemon.wait_lines("email", Outcome::Done, 2);
    assert_eq!(daemon.stop(), 0);
    let daemon = world.folder.start();
    for id in ["L3", "L4"] {
        lead(&daemon, id);
    }
    let owners: Vec<String> = ["L1", "L2", "L3", "L4"].map(|id| daemon.field("lead", id, "owner")).into();
    assert_eq!(owners, ["张三", "李四", "赵六", "张三"]);
    let record = record_of(&daemon.reader(), "lead", "L1").unwrap();
    assert!(record.tags.contains("官网"));
    assert_eq!(record.value("mobile").to_string(), "+8613800138000");

    daemon.wait_lines("email", Outcome::Done, 4);
    daemon.wait_lines("dingtalk", Outcome::Done, 4);
    daemon.wait_lines("wecom", Outcome::Done, 4);
    let mails = world.smtp.received.all();
    assert_eq!(mails.len(), 4);
    let first = mails.iter().find(|m| m.to == ["L1@example.com".to_lowercase()]).unwrap();
    assert_eq!(first.subject(), "刘洋L1,欢迎");
    assert_eq!(first.text().trim(), "刘洋L1,您好:您的顾问是 张三。");
    assert_eq!(first.html().unwrap().trim(), "<p>刘洋L1,您好:您的顾问是 <b>张三</b>。</p>");
    let told = world.dingtalk.accepted.all();
    assert_eq!(told.len(), 4);
    assert!(told[0].text.contains("新线索 刘洋L1 +8613800138000") && told[0].text.contains("@13800138001"), "{:?}", told[0]);
    assert_eq!(world.wecom.accepted.all().len(), 4);
    let keys: BTreeSet<String> = mails.iter().map(|m| m.key().to_owned()).collect();
    assert_eq!(keys.len(), 4, "one key each");
}

#[test]
fn a_redelivery_is_the_same_event_ten_times_over_and_from_twenty_connections_at_once() {
    let world = World::new(RULES);
    let daemon = world.folder.start();
    let first = lead(&daemon, "L1");
    for _ in 0..10 {
        // CRMs redeliver with another time inside.
        let body =
            json!({ "id": "L1", "姓名": "刘洋", "邮箱": "l1@example.com", "地区": "华东", "来源": "官网", "sent_at": "later" });
        let (status, answer) = daemon.post("/in/website", &[("x-delivery-id", "L1")], &body);
        assert_eq!((status, ids(&answer)[0]), (200, first));
        assert_eq!(answer["accepted"][0]["duplicate"], true);
    }
    let address = daemon.address;
    let twins: Vec<_> = (0..20)
        .map(|_| {
            std::thread::spawn(move || {
                let body = json!({ "id": "L2", "姓名": "王芳", "邮箱": "l2@example.com", "地区": "华东", "来源": "官网" });
                super::harness::Client::new(address).post("/in/website", &[("x-delivery-id", "L2")], &body).unwrap()
            })
        })
        .collect();
    let answers: Vec<_> = twins.into_iter().map(|t| t.join().unwrap()).collect();
    assert_eq!(answers.iter().filter(|(status, _)| *status == 202).count(), 1);
    assert_eq!(answers.iter().filter(|(status, _)| *status == 200).count(), 19);
    let numbers: BTreeSet<u64> = answers.iter().map(|(_, a)| ids(a)[0]).collect();
    assert_eq!(numbers.len(), 1);
    daemon.wait_lines("email", Outcome::Done, 2);
    assert_eq!(daemon.lines("assign", Outcome::Done).len(), 2);
    assert_eq!(daemon.events().iter().filter(|e| e.event.name == "website.form").count(), 2);
    assert_eq!(world.smtp.received.all().len(), 2);
}
