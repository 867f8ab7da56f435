//! Whole sequences with dates, decided by the engine itself.

use super::*;
use crate::config;
use crate::engine::state::Change;
use crate::store::memory::Memory;
use crate::store::{Batch, Store as _};

const CONFIG: &str = "
lang: zh
zone: Asia/Shanghai
connections:
  mail: { smtp: { host: smtp.example.com, from: sales@example.com } }
  erp: { http: { base: 'https://erp.example.com' } }
";

const BASE: &str = "
entities:
  lead: { fields: { id: text, 姓名: text, email: text, status: text, 见面: time, owner: { type: person, from: ifthen } } }
people:
  何经理: { email: he@example.com, channels: [mail], roles: [finance] }
";

fn definitions(flows: &str) -> Definitions {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    std::fs::write(folder.path().join("config.yaml"), CONFIG).unwrap();
    std::fs::write(folder.path().join("rules/all.yaml"), format!("{BASE}{flows}")).unwrap();
    let loaded = config::load(&folder.path().join("config.yaml"), &config::Options::default());
    loaded.unwrap_or_else(|r| panic!("{}", r.render(config::Lang::En, false))).definitions
}

fn lead() -> RecordRef {
    RecordRef { entity: "lead".into(), id: "刘洋".into() }
}

/// A store with one lead.
fn store() -> Memory {
    let at: Timestamp = "2026-09-01T00:00:00Z".parse().unwrap();
    let fields = [("id", "刘洋"), ("姓名", "刘洋"), ("email", "liu@example.com"), ("status", "新")];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.into())).into();
    let record = Record { fields, created: at, changed: at, ..Record::default() };
    let change = Change { key: Key::Record(lead()), entry: Some(Arc::new(Entry::Record(Arc::new(record)))) };
    let mut store = Memory::default();
    store.commit(&Batch { changes: vec![(1, change)], ..Batch::default() }).unwrap();
    store
}

/// What a flow comes to on the lead: time in Shanghai, step, action, outcome; then the end.
fn check(steps: &str, expect: &[&str], end: &End) {
    let definitions = definitions(&format!("flows:\n  培育:\n    record: lead\n    when: lead.created\n{steps}"));
    let store = store();
    let at = "2026-09-25T10:00:00+08:00[Asia/Shanghai]".parse::<jiff::Zoned>().unwrap().timestamp(); // 中秋节
    let plan = plan(&definitions, &store, "培育", &lead(), at, Assumed::default()).unwrap();
    let told: Vec<String> = plan
        .rows
        .iter()
        .map(|row| {
            let at = row.at.to_zoned(definitions.zone.0.clone()).strftime("%m-%d %H:%M");
            let to = row.line.detail.at(&["to"]).map(|to| format!(" {to}")).unwrap_or_default();
            format!("{at} {} {} {}{to}", row.step, row.line.action, row.line.outcome.word())
        })
        .collect();
    assert_eq!((told.iter().map(String::as_str).collect::<Vec<_>>(), &plan.end), (expect.to_vec(), end), "{:#?}", plan.rows);
    // Nothing of it is in the store.
    assert!(store.scan("run/", None, 9).unwrap().is_empty() && store.scan("call/", None, 9).unwrap().is_empty());
    assert_eq!(store.last().unwrap().event, 0);
}

#[test]
fn a_sequence_is_told_with_its_dates() {
    check(
        "    steps:
      - { id: 欢迎, email: { to: '{{ email }}', connection: mail, subject: 欢迎, text: 您好 } }
      - { id: 等, wait: 2 working days } # over 中秋节 and a weekend
      - { id: 老客户, if: status == '老', log: 老 }
      - { id: 再见, email: { to: '{{ email }}', connection: mail, subject: 还在吗, text: 您好 } }
      - { id: 归档, set: { status: 冷 } }
",
        &[
            "09-25 10:00 欢迎 email fired liu@example.com",
            "09-25 10:00 等 wait fired",
            "09-29 10:00 老客户 step suppressed",
            "09-29 10:00 再见 email fired liu@example.com",
            "09-29 10:00  set done",
            "09-29 10:00  end done",
        ],
        &End::Through,
    );
}

#[test]
fn what_keeps_a_run_from_going_on_is_told() {
    check(
        "    steps:\n      - { id: 负责人, notify: { who: owner, text: 您好 } }\n",
        &["09-25 10:00 负责人 run failed"],
        &End::Stands { step: "负责人".into(), why: "nobody to notify (owner)".into() },
    );
    check("    enabled: false\n    steps:\n      - { id: 记, log: x }\n", &["09-25 10:00  start suppressed"], &End::NotBegun);
}
