//! A history of customers, and definitions with a threshold in them: assignment in turn, a cooldown, rules that wake others, a
//! flow that waits and calls, a robot with a budget, and a loop.

use std::path::PathBuf;
use std::process::{Command, Output};

use ifthen::engine::event::{Body, Draft, RecordRef, Upsert};
use ifthen::engine::value::{Map, Value};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

const CONFIG: &str = "
definitions: [rules]
lang: LANG
connections:
  ops: { wecom: { url: '${file:url}' }, rate: 20/1m }
  erp: { http: { base: 'http://127.0.0.1:1' }, rate: 2/10m }
";

pub const RULES: &str = "
entities:
  客户: { fields: { id: text, 姓名: text, 评分: number, 等级: text, 次数: number, owner: person, owner_at: time } }
people: { 张三: { email: zhang@example.com }, 李四: { wecom: lisi }, 王五: { wecom: wangwu } }
teams: { 销售: [张三, 李四, 王五] }
rules:
  重点客户:
    when: crm.客户
    if: 评分 > THRESHOLD
    then: [ { set: { 等级: A } }, { assign: { team: 销售 } } ]
    else: [ { set: { 等级: B } } ]
  提醒: { when: { changed: 客户.等级, to: A }, cooldown: 30m, then: [ { wecom: { robot: ops, text: '重点客户 {{ 姓名 }}' } }, { start: 跟进 } ] }
  张三的客户: { when: { changed: 客户.owner }, if: owner == '张三', then: [ { emit: 客户.归张三 } ] }
  归张三: { when: 客户.归张三, then: [ { tag: [张三] } ] }
  兜圈子: { when: crm.客户, if: 评分 == THRESHOLD + 7, then: [ { set: { 次数: 1 } } ] }
  再兜一圈: { when: { changed: 客户.次数 }, then: [ { set: { 次数: '= 次数 + 1' } } ] }
  久未推进: { when: { record: 客户, while: 等级 == 'A' and 评分 > THRESHOLD, for: 2h }, warn: { before: 30m, then: [ { log: 还有半小时 } ] }, then: [ { set: { 等级: C } } ] }
  整点: { when: { cron: '0 * * * *', each: { record: 客户, if: 评分 == THRESHOLD } }, then: [ { log: '{{ 姓名 }}' } ] }
  频繁: { when: crm.客户, let: { 次: { count: crm.客户, where: event.n > THRESHOLD, within: 3h } }, if: 次 >= 2 and 评分 > THRESHOLD, then: [ { log: 频繁 } ] }
flows:
  跟进:
    record: 客户
    steps:
      - wait: 40m
      - http: { connection: erp, post: /customers, json: { 姓名: '{{ 姓名 }}' } }
      - emit: 客户.已跟进
      - wait: 20m
";

/// The same, with what follows from a run that is through.
const AFTER: &str = "
rules:
  跟进之后: { when: 客户.已跟进, if: 评分 > THRESHOLD - 30, then: [ { log: '{{ 姓名 }} 已跟进' } ] }
";

/// The rule that looks at every customer every hour.
const EACH: &str =
    "  整点: { when: { cron: '0 * * * *', each: { record: 客户, if: 评分 == THRESHOLD } }, then: [ { log: '{{ 姓名 }}' } ] }\n";

/// A folder with the configuration of before in `old`, and that of now in it.
pub struct Folder(TempDir);

impl Folder {
    pub fn new(old: i64, new: i64) -> Self {
        let folder = Self(TempDir::new().unwrap());
        folder.define("old", old, RULES);
        folder.define("", new, RULES);
        folder
    }

    /// The same where most of what is told comes to nothing, as in earnest.
    pub fn quiet(old: i64, new: i64) -> Self {
        let folder = Self(TempDir::new().unwrap());
        let quiet = RULES.replace("    else: [ { set: { 等级: B } } ]\n", "").replace(EACH, "");
        assert_eq!(quiet.lines().count() + 2, RULES.lines().count());
        folder.define("old", old, &quiet);
        folder.define("", new, &quiet);
        // What waits is in memory: here nothing piles up.
        for config in ["old/config.yaml", "config.yaml"] {
            let text = std::fs::read_to_string(folder.path(config)).unwrap();
            std::fs::write(folder.path(config), text.replace("rate: 2/10m", "rate: 20/1m")).unwrap();
        }
        folder
    }

    /// Writes definitions with this threshold.
    pub fn define(&self, below: &str, threshold: i64, rules: &str) {
        let at = self.path(below);
        std::fs::create_dir_all(at.join("rules")).unwrap();
        std::fs::write(at.join("config.yaml"), CONFIG.replace("LANG", "zh")).unwrap();
        std::fs::write(at.join("url"), "http://127.0.0.1:1/cgi-bin/webhook/send?key=x").unwrap();
        for (name, text) in [("rules/a.yaml", rules), ("rules/b.yaml", AFTER)] {
            std::fs::write(at.join(name), text.replace("THRESHOLD", &threshold.to_string())).unwrap();
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn store(&self) -> PathBuf {
        let data = self.path("data");
        std::fs::create_dir_all(&data).unwrap();
        data.join("ifthen.db")
    }

    /// A command line on it.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ifthen"));
        command.arg("backtest").args(args).current_dir(self.path("")).env_clear();
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }
}

/// When the history begins.
pub fn begin() -> Timestamp {
    "2026-09-21T01:00:00Z".parse().unwrap()
}

/// What a CRM told, in order: always the same. Every second time of a customer who was told of before.
pub fn told(count: u64) -> impl Iterator<Item = Draft> {
    let mut random = 42_u64;
    let mut next = move |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    (0..count).map(move |n| {
        let known = n / 2;
        let id = if n % 2 == 0 { known } else { next(known + 1) };
        let at = begin() + SignedDuration::from_secs(20 * i64::try_from(n).unwrap());
        let record = RecordRef { entity: "客户".into(), id: format!("K{id}") };
        let fields: Map = [
            ("id".to_owned(), Value::from(record.id.as_str())),
            ("姓名".to_owned(), format!("刘洋{id}").into()),
            ("评分".to_owned(), next(100).into()),
        ]
        .into();
        let upsert = Some(Upsert { record: record.clone(), fields, at: None });
        let body = Body::Happened { data: Value::from([("n", n.into())]), upsert };
        let delivery = Some(format!("d{n}"));
        Draft { origin: "crm".into(), record: Some(record), delivery, ..Draft::own("crm.客户", at, body) }
    })
}
