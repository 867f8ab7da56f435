//! `ifthen why` on every gate: as exact output on a store that the real engine filled, in both languages, in Chinese data. What the
//! verdicts say must be what the log says. `INSTA_UPDATE=always cargo test --test gates` writes the golden text anew.
#![allow(clippy::unwrap_used, reason = "a failure there is the test failing")]

use std::path::Path;
use std::process::{Command as Process, Stdio};

use ifthen::check::why::why;
use ifthen::config::{self, Loaded};
use ifthen::engine::call::{Call, Class, Outcome};
use ifthen::engine::cascade::settle;
use ifthen::engine::definition::Definitions;
use ifthen::engine::dispatch::Dispatch;
use ifthen::engine::event::{Body, Command, Draft, Event, RecordRef, Upsert};
use ifthen::engine::state::{Key, Need, State};
use ifthen::engine::value::{Map, Value};
use ifthen::engine::{silence, sweep};
use ifthen::store::sqlite::{Options, Sqlite};
use ifthen::store::{self, Batch, Read, Store};
use jiff::{Timestamp, civil};

const CONFIG: &str = r#"
lang: zh
zone: Asia/Shanghai
definitions: [rules]
quiet: { from: "22:00", to: "08:00" }
sources:
  crm: { webhook: {}, event: crm.lead }
  表格: { webhook: {}, imports: all, event: sheet.lead }
  site: { webhook: {}, event: page.viewed }
connections:
  群: { wecom: { url: "${file:url}" }, retry: [1m] }
  mail: { smtp: { host: 127.0.0.1, port: 25, security: none, from: sales@example.com }, retry: [1m] }
"#;

const RULES: &str = "
entities:
  lead: { fields: { id: text, 姓名: text, 等级: text, 阶段: text, 邮箱: email, 到期: time, 跟进: time, owner: { type: person, from: ifthen } } }
people: { 王总监: { roles: [director], wecom: wang, channels: [群] } }
rules:
  首次:
    when: [lead.created, lead.changed]
    if: 等级 == 'A'
    once: { rearm: 等级 != 'A' }
    then: [ { log: '{{ 姓名 }} 升为 A' } ]
  冷却: { when: page.viewed, cooldown: 1h, then: [ { log: 看了 } ] }
  限次: { when: coupon.wanted, limit: { count: 2, per: day, by: event.客户 }, then: [ { log: '{{ event.客户 }}' } ] }
  防抖: { when: stock.changed, debounce: { by: event.货号, wait: 5m }, then: [ { log: '{{ event.货号 }} 剩 {{ event.数量 }}' } ] }
  合并: { when: lead.created, group: { within: 10m }, then: [ { log: '新线索 {{ event.count }} 条' } ] }
  未到期: { when: lead.created, active: { from: 2026-10-01 }, then: [ { tag: 国庆 } ] }
  已过期: { when: lead.created, active: { until: 2026-08-31 }, then: [ { tag: 暑期 } ] }
  被静默: { when: page.viewed, then: [ { log: 别吵 } ] }
  停用的: { when: lead.created, enabled: false, then: [ { log: x } ] }
  夜间提醒: { when: machine.down, then: [ { notify: { who: role:director, text: '{{ event.机器 }} 停机' } } ] }
  导入欢迎: { when: lead.created, then: [ { email: { to: '{{ 邮箱 }}', subject: 欢迎, text: 您好 } } ] }
  拦住: { when: deal.won, priority: 10, stop: true, then: [ { log: 先来 } ] }
  后来: { when: deal.won, then: [ { log: 后来 } ] }
  后来否则: { when: deal.won, if: event.金额 > 100, then: [ { log: 大 } ], else: [ { log: 小 } ] }
  否则: { when: deal.lost, if: event.金额 > 100, then: [ { log: 大 } ], else: [ { log: 小 } ] }
  不足: { when: deal.lost, if: event.金额 > 100 and event.原因 == '价格', then: [ { log: x } ] }
  无从判断: { when: deal.lost, if: event.折扣 > 5, then: [ { log: x } ] }
  停留: { when: { record: lead, while: 阶段 == '谈判', for: 2h }, if: 等级 != 'C', then: [ { log: '{{ 姓名 }} 停留超 2 小时' } ] }
  到期: { when: { record: lead, at: 到期, offset: -30m }, then: [ { log: '{{ 姓名 }} 快到期' } ] }
  换手: { when: { changed: lead.owner }, then: [ { log: 换手 } ] }
  早会: { when: { cron: '30 9 * * MON' }, then: [ { log: 早会 } ] }
flows:
  培育: { when: lead.created, if: 等级 == 'A', record: lead, steps: [ { log: 开始 }, { wait: 1h }, { log: 结束 } ] }
  回访: { when: page.viewed, record: lead, steps: [ { log: 回访 }, { wait: 1d }, { log: 完 } ] }
  停用的流程: { when: page.viewed, enabled: false, record: lead, steps: [ { log: x } ] }
";

struct World {
    definitions: Definitions,
    store: Sqlite,
    state: State,
    dispatch: Dispatch,
    now: Timestamp,
}

/// What sweeps go over.
struct Kept<'s>(&'s Sqlite);

impl sweep::Source<store::Error> for Kept<'_> {
    fn keys(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, store::Error> {
        Ok(self.0.scan(prefix, after, limit)?.into_iter().map(|(key, _)| key).collect())
    }
    fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, store::Error> {
        Ok(self.0.events(after, limit)?.into_iter().map(|stored| stored.event).collect())
    }
}

impl World {
    fn new(folder: &Path) -> Self {
        let loaded = config::load(&folder.join("config.yaml"), &config::Options::default());
        let Loaded { definitions, snapshot, .. } = loaded.unwrap_or_else(|r| panic!("{}", r.render(r.lang, false)));
        let mut store = Sqlite::open(&folder.join("data/ifthen.db"), Options::default()).unwrap();
        store.keep_definitions(&definitions.hash, &snapshot.to_text().unwrap()).unwrap();
        let now = Timestamp::UNIX_EPOCH;
        Self { definitions, store, state: State::default(), dispatch: Dispatch::default(), now }
    }

    fn at(text: &str) -> Timestamp {
        text.parse::<civil::DateTime>().unwrap().in_tz("Asia/Shanghai").unwrap().timestamp()
    }

    /// One root event and all it causes; its number.
    fn decide(&mut self, draft: Draft) -> u64 {
        let last = self.store.last().unwrap();
        let store = &self.store;
        let load = |state: &mut State, need: Need| -> Result<(), store::Error> {
            let key = need.key();
            let entry = store.load(&key)?;
            state.load(key, entry);
            Ok(())
        };
        let mut done = settle(&self.definitions, &mut self.state, draft.event(last.event + 1), self.now, load).unwrap();
        for (n, line) in done.log.iter_mut().enumerate() {
            line.seq = last.log + 1 + n as u64;
        }
        let mut started: Vec<Call> = Vec::new();
        for (_, change) in &done.changes {
            started.extend(self.dispatch.apply(change));
        }
        let definitions = self.definitions.hash.clone();
        self.store.commit(&Batch { definitions, events: done.events, changes: done.changes, log: done.log }).unwrap();
        self.state.publish(usize::MAX);
        for call in started {
            // The group robot answers, the mail server refuses for good.
            let outcome = match call.request.action() {
                "email" => Outcome::Failed { class: Class::Permanent, detail: "550 没有此用户".into() },
                _ if call.attempt == 1 => Outcome::Failed { class: Class::Transient, detail: "连接被重置".into() },
                _ => Outcome::Unknown { detail: "没有应答".into() },
            };
            let body = Body::Ended { call: call.id, attempt: call.attempt, outcome };
            self.decide(Draft { record: call.record.clone(), ..Draft::own("ifthen.call.ended", self.now, body) });
        }
        last.event + 1
    }

    /// Time passes: what falls due on the way happens at its time.
    fn pass(&mut self, until: &str) {
        let until = Self::at(until);
        loop {
            while self.dispatch.is_sweeping() {
                let slices = self.dispatch.slices(self.now, &Kept(&self.store)).unwrap();
                for slice in &slices {
                    self.decide(slice.clone());
                }
                self.dispatch.give_up(&slices);
            }
            let Some(wake) = self.dispatch.wake(&self.definitions, self.now).filter(|wake| *wake <= until) else { break };
            self.now = self.now.max(wake);
            let due = self.dispatch.due(&self.definitions, self.now);
            for draft in &due {
                self.decide(draft.clone());
            }
            self.dispatch.give_up(&due);
            if due.is_empty() {
                break;
            }
        }
        self.now = until;
    }

    fn tell(&mut self, source: &str, id: &str, fields: &[(&str, &str)]) -> u64 {
        let record = RecordRef { entity: "lead".into(), id: id.into() };
        let mut values: Map = fields.iter().map(|(k, v)| ((*k).to_owned(), Value::from(*v))).collect();
        if let Some((_, due)) = fields.iter().find(|(k, _)| *k == "到期") {
            values.insert("到期".into(), Self::at(due).into());
        }
        values.insert("id".into(), id.into());
        let upsert = Some(Upsert { record: record.clone(), fields: values, at: None });
        let body = Body::Happened { data: Value::Null, upsert };
        let draft = Draft { origin: source.into(), record: Some(record), ..Draft::own("crm.lead", self.now, body) };
        self.decide(if source == "表格" { Draft { batch: Some("表格".into()), ..draft } } else { draft })
    }

    fn happen(&mut self, name: &str, lead: Option<&str>, data: &[(&str, Value)]) -> u64 {
        let record = lead.map(|id| RecordRef { entity: "lead".into(), id: id.into() });
        let data = data.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect::<Map>();
        let body = Body::Happened { data: Value::Map(data), upsert: None };
        self.decide(Draft { origin: "site".into(), record, ..Draft::own(name, self.now, body) })
    }

    fn own(&mut self, name: &str, body: Body) -> u64 {
        self.decide(Draft::own(name, self.now, body))
    }
}

fn run(folder: &Path, line: &str) -> String {
    let out = Process::new(env!("CARGO_BIN_EXE_ifthen"))
        .args(line.split_whitespace())
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let error = String::from_utf8(out.stderr).unwrap();
    assert_eq!((error.as_str(), out.status.code()), ("", Some(0)), "{line}");
    format!("$ ifthen {line}\n{}", String::from_utf8(out.stdout).unwrap())
}

/// Lives through a day in which every gate shuts once.
fn live(world: &mut World) {
    let number = |n: i64| Value::from(n);
    world.now = World::at("2026-09-21T09:00");
    world.own("ifthen.loaded", Body::Loaded { hash: world.definitions.hash.clone(), detail: "start".into() });
    world.pass("2026-09-21T09:00");
    let lead = [("姓名", "刘洋"), ("等级", "A"), ("阶段", "谈判"), ("邮箱", "liu@example.com"), ("到期", "2026-09-21T12:00")];
    world.tell("crm", "L1", &lead);
    world.pass("2026-09-21T09:02");
    world.tell("crm", "L2", &[("姓名", "陈静"), ("等级", "C"), ("阶段", "谈判")]);
    world.tell("表格", "L3", &[("姓名", "老客户"), ("等级", "A"), ("邮箱", "old@example.com")]);
    world.pass("2026-09-21T09:20");
    world.tell("crm", "L1", &[("姓名", "刘洋洋")]);
    world.happen("page.viewed", Some("L1"), &[("page", "报价页".into())]);
    let until = World::at("2026-09-21T18:00");
    let ask =
        silence::Ask { rule: "被静*".into(), record: None, until, comment: "群里太吵".into(), by: "王总监".into() };
    world.own("ifthen.command", Body::Command(Command::Silence(ask)));
    world.pass("2026-09-21T09:35");
    world.happen("page.viewed", Some("L1"), &[("page", "报价页".into())]);
    for _ in 0..3 {
        world.happen("coupon.wanted", None, &[("客户", "刘洋".into())]);
    }
    world.happen("stock.changed", None, &[("货号", "茶".into()), ("数量", number(9))]);
    world.happen("stock.changed", None, &[("货号", "茶".into()), ("数量", number(7))]);
    world.happen("deal.won", None, &[("金额", number(50))]);
    world.happen("deal.lost", None, &[("金额", number(50))]);
    world.happen("unheard.of", None, &[]);
    world.pass("2026-09-21T23:00");
    world.happen("machine.down", None, &[("机器", "一号机".into())]);
    world.pass("2026-09-22T08:30");
}

#[test]
fn why_on_every_gate() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    for (name, text) in [("config.yaml", CONFIG), ("rules/a.yaml", RULES), ("url", "http://127.0.0.1:1/send?key=x")] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut world = World::new(folder.path());
    live(&mut world);
    let World { definitions, store, .. } = world;
    let mut text = run(folder.path(), "events --all -n 200");
    let mut seen = std::collections::BTreeSet::new();
    for stored in store.events(0, usize::MAX).unwrap() {
        let id = stored.event.id();
        let found = why(&store, &definitions, stored.event.seq, None).unwrap().unwrap();
        for verdict in &found.verdicts {
            assert_ne!(verdict.agrees, Some(false), "{id} {:?}\n{:#?}", verdict.explained, found.log);
            seen.insert(verdict.explained.verdict.word());
        }
        text += &format!("\n{}", run(folder.path(), &format!("why {id}")));
        text += &format!("\n{}", run(folder.path(), &format!("--lang en why {id}")));
    }
    for rule in definitions.rules.iter().map(|r| r.id.as_str()).chain(definitions.flows.keys().map(String::as_str)) {
        text += &format!("\n{}", run(folder.path(), &format!("why --rule {rule} --since 2026-09-21")));
        text += &format!("\n{}", run(folder.path(), &format!("--lang en why --rule {rule} --since 2026-09-21")));
    }
    insta::assert_snapshot!("gates", text.replace(&definitions.hash, "HASH"));
    let all = [
        "cooling",
        "debounced",
        "disabled",
        "else",
        "fired",
        "grouped",
        "imported",
        "inactive",
        "limited",
        "not_met",
        "not_woken",
        "once",
        "runs",
        "silenced",
        "stopped",
        "unevaluable",
    ];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), all, "every verdict there is");
}
