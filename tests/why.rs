//! `ifthen why`: on stores filled by the real engine, its verdicts are what the log says, for every rule and every event; and as
//! exact output, on every kind of verdict, in both languages. `INSTA_UPDATE=always cargo test --test why` writes the golden
//! texts in `tests/snapshots/` anew.
#![allow(clippy::unwrap_used, reason = "a failure there is the test failing")]

#[path = "why/gates.rs"]
mod gates;
#[path = "why/runs.rs"]
mod runs;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use ifthen::check::why::{Why, why};
use ifthen::config::{self, Loaded};
use ifthen::engine::cascade::settle;
use ifthen::engine::definition::Definitions;
use ifthen::engine::event::{Body, Draft, RecordRef, Upsert};
use ifthen::engine::explain::{Kind, Verdict};
use ifthen::engine::expression::Held;
use ifthen::engine::state::{Key, Need, State, prefix};
use ifthen::engine::value::{Map, Value};
use ifthen::store::memory::Memory;
use ifthen::store::sqlite::{Options, Sqlite};
use ifthen::store::{self, Batch, Store};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

const CONFIG: &str = "
lang: zh
zone: Asia/Shanghai
definitions: [rules]
sources:
  site: { webhook: {}, event: page.viewed }
  other: { webhook: {}, event: pong }
connections: { mail: { smtp: { host: 127.0.0.1, port: 25, security: none, from: sales@example.com } } }
";

const RULES: &str = "
constants: { hot: 60 }
entities:
  company: { fields: { id: text, 名称: text, 规模: number } }
  lead:
    fields: { id: text, name: text, 地区: text, 阶段: text, score: number, vip: boolean, email: email, company: { type: ref, to: company }, owner: { type: person, from: ifthen } }
people: { 张三: { manager: 王总监, channels: [mail], email: zhang@example.com }, 王总监: { roles: [director], channels: [mail], email: wang@example.com } }
teams: { 销售: [张三, 王总监] }
rules:
  大客户:
    when: [lead.created, lead.changed]
    if: company.规模 > 100 and 地区 == '华东'
    then: [ { tag: 大客户 } ]
    priority: 20
    stop: true
  分级:
    when: [lead.created, lead.changed]
    if: (score > hot or vip) and not (地区 == '华北' and is_empty(email))
    then: [ { log: '{{ name }}' } ]
    else: [ { log: 其他 } ]
    priority: 10
  欢迎:
    when: lead.created
    if: 地区 in ['华东', '华南'] and score >= 10
    then: [ { assign: { team: 销售 } }, { create: { company: { id: '{{ company }}', 规模: 500 } } } ]
  规模:
    when: lead.created
    if: company.规模 > 1
    then: [ { log: '有公司' } ]
  打招呼:
    when: page.viewed
    cooldown: 1h
    if: event.page != '首页'
    then: [ { log: '看了 {{ event.page }}' }, { emit: { event: page.liked } } ]
  成交:
    when: { changed: lead.阶段, from: 报价, to: 成交 }
    then: [ { notify: { who: role:director, text: 成交 } }, { start: 跟进 } ]
    deliver: preview
  停用的:
    when: lead.created
    if: score > 5
    then: [ { log: x } ]
    enabled: false
  换人: { when: { changed: lead.owner }, if: \"old.owner != owner and changed(owner)\", then: [ { log: '{{ owner.name }}' } ] }
  所有: { when: 'page.*', then: [ { tag: 看过 } ] }
  循环: { when: [ping, pong], then: [ { emit: { event: ping } } ] }
flows:
  跟进:
    when: page.viewed
    if: 阶段 != '无' and score > 20
    record: lead
    steps: [ { log: 开始 }, { wait: 2h }, { log: 结束 } ]
  快:
    when: page.liked
    record: lead
    steps: [ { log: 快 } ]
  手动: { record: lead, steps: [ { log: 慢 } ] }
";

fn load(folder: &Path) -> Definitions {
    loaded(folder).definitions
}

fn loaded(folder: &Path) -> Loaded {
    let loaded = config::load(&folder.join("config.yaml"), &config::Options::default());
    loaded.unwrap_or_else(|r| panic!("{}", r.render(r.lang, false)))
}

/// The store of a folder, with what its definitions are made of.
fn kept(folder: &Path) -> (Definitions, Sqlite) {
    let Loaded { definitions, snapshot, .. } = loaded(folder);
    let mut store = Sqlite::open(&folder.join("data/ifthen.db"), Options::default()).unwrap();
    store.keep_definitions(&definitions.hash, &snapshot.to_text().unwrap()).unwrap();
    (definitions, store)
}

fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    std::fs::write(folder.path().join("config.yaml"), CONFIG).unwrap();
    std::fs::write(folder.path().join("rules/a.yaml"), RULES).unwrap();
    folder
}

/// The turn without a daemon: definitions, a store, a clock.
struct World<S> {
    definitions: Definitions,
    store: S,
    state: State,
    now: Timestamp,
}

impl<S: Store> World<S> {
    fn new(definitions: Definitions, store: S) -> Self {
        Self { definitions, store, state: State::default(), now: "2026-09-21T01:00:00Z".parse().unwrap() }
    }

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
        let definitions = self.definitions.hash.clone();
        self.store.commit(&Batch { definitions, events: done.events, changes: done.changes, log: done.log }).unwrap();
        self.state.publish(0);
        last.event + 1
    }

    fn tell(&mut self, entity: &str, id: &str, fields: &[(&str, Value)]) -> u64 {
        let record = RecordRef { entity: entity.into(), id: id.into() };
        let mut fields: Map = fields.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        fields.insert("id".into(), id.into());
        let upsert = Some(Upsert { record: record.clone(), fields, at: None });
        let now = self.now;
        let body = Body::Happened { data: Value::Null, upsert };
        self.decide(Draft { origin: "crm".into(), record: Some(record), ..Draft::own(&format!("crm.{entity}"), now, body) })
    }

    fn happen(&mut self, name: &str, lead: Option<&str>, page: &str) -> u64 {
        let record = lead.map(|id| RecordRef { entity: "lead".into(), id: id.into() });
        let body = Body::Happened { data: Value::from([("page", page.into())]), upsert: None };
        let now = self.now;
        self.decide(Draft { origin: "site".into(), record, ..Draft::own(name, now, body) })
    }

    /// Time passes; timers are told as they come due.
    fn pass(&mut self, minutes: i64) {
        self.now += SignedDuration::from_mins(minutes);
        for (key, _) in self.store.scan(prefix::TIMER, None, 100).unwrap() {
            let Key::Timer(timer) = &key else { continue };
            if timer.due <= self.now.as_millisecond() {
                let at = Timestamp::from_millisecond(timer.due).unwrap();
                let now = self.now;
                self.decide(Draft { at, ..Draft::own("ifthen.timer", now, Body::Due(key)) });
            }
        }
    }
}

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())].clone()
    }
}

/// A few hundred events of every kind.
fn live<S: Store>(world: &mut World<S>, seed: u64, count: usize) {
    let mut dice = Dice(seed);
    let leads = ["L1", "L2", "L3", "刘洋", "L5"];
    world.tell("company", "C1", &[("规模", 300i64.into())]);
    for _ in 0..count {
        match dice.roll(12) {
            0..=5 => {
                let number = |n: usize| Value::from(n as i64);
                let numbers = [Value::Null, number(0), number(15), number(42), number(80)];
                let mut fields = vec![("name", Value::from("某某"))];
                if dice.roll(2) == 0 {
                    fields.push(("地区", dice.pick(&["华东", "华北", "华南", ""]).into()));
                }
                if dice.roll(2) == 0 {
                    fields.push(("阶段", dice.pick(&["报价", "成交", "流失"]).into()));
                }
                for (field, sides) in [("score", 2), ("vip", 3), ("email", 3), ("company", 3)] {
                    if dice.roll(sides) == 0 {
                        let value = match field {
                            "score" => dice.pick(&numbers),
                            "vip" => dice.pick(&[Value::Null, true.into(), false.into()]),
                            "email" => "a@example.com".into(),
                            _ => dice.pick(&["C1", "C2", "C3"]).into(),
                        };
                        fields.push((field, value));
                    }
                }
                // Known ones change, new ones come in.
                let id = if dice.roll(2) == 0 { dice.pick(&leads).to_owned() } else { format!("N{}", dice.roll(count)) };
                world.tell("lead", &id, &fields);
            }
            6 => drop(world.tell("company", dice.pick(&["C1", "C2"]), &[("规模", (dice.roll(300) as i64).into())])),
            7..=9 => drop(world.happen("page.viewed", Some(dice.pick(&leads)), dice.pick(&["首页", "报价页"]))),
            10 => drop(world.happen(dice.pick(&["page.closed", "ping", "unheard.of"]), None, "")),
            _ => world.pass([7, 30, 180][dice.roll(3)]),
        }
    }
}

/// What every verdict must be, by what the log and the condition say.
fn verify(found: &Why, seen: &mut BTreeMap<&'static str, usize>) {
    let id = found.event.id();
    for one in &found.verdicts {
        let explained = &one.explained;
        let what = format!("{id} {} {:?}\n{:#?}", explained.id, explained.verdict, found.log);
        match explained.kind {
            _ if found.rolled_back.is_some() => assert_eq!(one.agrees, None),
            Kind::Rule => assert_eq!(one.agrees, Some(true), "{what}"),
            Kind::Flow => assert_ne!(one.agrees, Some(false), "{what}"),
        }
        let held = explained.condition.as_ref().map(|c| &c.held);
        match &explained.verdict {
            Verdict::Fired
            | Verdict::Stopped { .. }
            | Verdict::Once { .. }
            | Verdict::Cooling { .. }
            | Verdict::Limited { .. }
            | Verdict::Debounced { .. }
            | Verdict::Grouped { .. }
            | Verdict::Imported
            | Verdict::Runs { .. } => {
                assert!(held.is_none_or(|h| *h == Held::Yes), "{what}");
            }
            Verdict::Else | Verdict::NotMet { .. } => assert_eq!(held, Some(&Held::No), "{what}"),
            Verdict::Unevaluable(why) => assert_eq!(held, Some(&Held::Unevaluable(why.clone())), "{what}"),
            // Before `if`.
            Verdict::Disabled | Verdict::Inactive { .. } | Verdict::Silenced { .. } => {}
            Verdict::NotWoken => assert_eq!(held, None, "{what}"),
        }
        *seen.entry(explained.verdict.word()).or_default() += 1;
    }
}

fn check<S: Store>(store: S, seed: u64, count: usize) {
    let folder = folder();
    let mut world = World::new(load(folder.path()), store);
    live(&mut world, seed, count);
    let World { definitions, store, .. } = &world;
    let mut seen = BTreeMap::new();
    let ids: Vec<&str> = definitions.rules.iter().map(|r| r.id.as_str()).collect();
    let mut loops = 0;
    for stored in store.events(0, usize::MAX).unwrap() {
        let seq = stored.event.seq;
        let found = why(store, definitions, seq, None).unwrap().unwrap();
        verify(&found, &mut seen);
        // Nothing that the log tells of a rule is left unexplained.
        for line in found.log.iter().filter(|l| l.action == "rule") {
            let told = |v: &&ifthen::check::why::Judged| line.rule.as_deref() == Some(&v.explained.id);
            assert_eq!(found.verdicts.iter().filter(told).count(), 1, "{line:?}");
        }
        loops += usize::from(found.rolled_back.is_some());
        // Asked for by name, the same is told of it; and something of each, also of what the event did not concern.
        for id in &ids {
            let alone = why(store, definitions, seq, Some(id)).unwrap().unwrap();
            assert_eq!(alone.verdicts.len(), 1);
            verify(&alone, &mut seen);
            let beside = found.verdicts.iter().find(|v| v.explained.kind == Kind::Rule && v.explained.id == **id);
            assert!(beside.is_none_or(|b| *b == alone.verdicts[0]), "e{seq} {id}");
        }
    }
    assert_eq!((seen.len(), loops > 0), (9, true), "every kind came up: {seen:?}");
}

#[test]
fn verdicts_are_what_the_log_says_in_memory() {
    for seed in [7, 20_260_921] {
        check(Memory::default(), seed, 300);
    }
}

#[test]
fn verdicts_are_what_the_log_says_in_sqlite() {
    let folder = TempDir::new().unwrap();
    check(Sqlite::open(&folder.path().join("ifthen.db"), Options::default()).unwrap(), 11, 300);
}

#[test]
fn a_log_that_says_otherwise_is_told_of() {
    let folder = folder();
    let mut world = World::new(load(folder.path()), Memory::default());
    let seq = world.happen("page.viewed", None, "首页") + 1;
    let event = Draft {
        origin: "site".into(),
        ..Draft::own("page.closed", world.now, Body::Happened { data: Value::Null, upsert: None })
    };
    let definitions = world.definitions.hash.clone();
    // An event whose rule never wrote its line.
    world.store.commit(&Batch { definitions, events: vec![event.event(seq)], ..Batch::default() }).unwrap();
    let found = why(&world.store, &world.definitions, seq, None).unwrap().unwrap();
    assert_eq!(found.verdicts.iter().map(|v| v.agrees).collect::<Vec<_>>(), [Some(false)]);
    assert_eq!(why(&world.store, &world.definitions, seq + 1, None).unwrap(), None);
}

/// A store with one event of each kind, made by the real engine; the numbers of the events.
fn told(folder: &Path) -> String {
    let (definitions, store) = kept(folder);
    let mut world = World::new(definitions, store);
    world.tell("company", "C1", &[("规模", 500i64.into())]); // e1, e2
    let lead = |score: Value| [("name", "刘洋".into()), ("地区", "华北".into()), ("阶段", "报价".into()), ("score", score)];
    world.tell("lead", "刘洋", &lead(42i64.into())); // e3, e4 created
    world.tell("lead", "刘洋", &[("地区", "华东".into()), ("company", "C1".into())]); // e5, e6 changed: stop
    world.tell("lead", "L2", &lead(Value::Null)); // e8, e9 created: unevaluable
    world.happen("page.viewed", Some("刘洋"), "报价页"); // e10: fired, and a run starts; e11 tagged, e12 liked
    world.pass(10);
    world.happen("page.viewed", Some("刘洋"), "报价页"); // e13: cooling, runs already
    world.tell("lead", "L2", &[("阶段", "成交".into())]); // e14, e15 changed: preview
    world.happen("ping", None, ""); // e16: a loop, rolled back
    world.happen("unheard.of", None, ""); // e17
    world.pass(180); // e18: a timer
    world.definitions.hash
}

fn run(folder: &Path, line: &str) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_ifthen"))
        .args(line.split_whitespace())
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let error = String::from_utf8(out.stderr).unwrap();
    let error = if error.is_empty() { error } else { format!("-- stderr\n{error}") };
    format!("$ ifthen {line}\n{}{error}-- exit {}\n", String::from_utf8(out.stdout).unwrap(), out.status.code().unwrap())
}

#[test]
fn why_for_people_and_for_programs() {
    let folder = folder();
    let hash = told(folder.path());
    let all = |lines: &[&str]| lines.iter().map(|line| run(folder.path(), line)).collect::<Vec<_>>().join("\n");
    let text = all(&[
        "events --all -n 100",
        "why e4",
        "--lang en why 4",
        "why e6",
        "--lang en why e6 --rule 分级",
        "why e8",
        "why e9",
        "--lang en why e9",
        "why e9 --rule 欢迎",
        "--lang en why e10",
        "why lead/刘洋 -n 2",
        "--lang en why e13",
        "why e15",
        "--lang en why e15",
        "why e16",
        "--lang en why e16",
        "why e17",
        "why e18 --rule 所有",
        "--lang en why e18",
        "--lang en why --rule 打招呼",
        "why --rule 成交",
        "why e4 --rule 成交",
        "--lang en why e4 --rule 成交",
        "why e4 --rule 跟进",
        "why e4 --rule 手动",
        "why e4 --rule 停用的",
        "why --rule 停用的 --since 2026-09-21",
        "why e4 --rule 分级 --json",
        "why e13 --json",
        "why e99",
        "why e4 --rule 分极",
        "--lang en why",
        "why what",
    ]);
    insta::assert_snapshot!("why", text.replace(&hash, "HASH-THEN"));
}

#[test]
fn why_by_other_definitions_than_those_that_decided() {
    let folder = folder();
    let then = told(folder.path());
    let rules = RULES.replace("hot: 60", "hot: 40").replace("  打招呼:", "  问候:");
    std::fs::write(folder.path().join("rules/a.yaml"), rules).unwrap();
    let all = |lines: &[&str]| lines.iter().map(|line| run(folder.path(), line)).collect::<Vec<_>>().join("\n");
    let mut text = String::from("== the folder has others, which have decided nothing yet\n");
    text += &all(&["why e4 --rule 分级", "--lang en why e4 --rule 分级 --now"]);
    let (definitions, store) = kept(folder.path());
    let now = definitions.hash.clone();
    let mut world = World::new(definitions, store);
    world.now = "2026-09-22T01:30:00Z".parse().unwrap();
    world.tell("lead", "刘洋", &[("score", 50i64.into())]); // e19, e20 changed
    drop(world);
    text += "\n== others have taken over\n";
    text += &all(&[
        "why e4 --rule 分级",
        "--lang en why e4 --rule 分级",
        "why e4 --rule 分级 --now",
        "--lang en why e4 --rule 分级 --now",
        "--lang en why e20 --rule 分级",
        "why e4",
        "why e4 --rule 分级 --json",
        // A rule of then, which is not there any more; one of now, which was not there yet; one that never was.
        "why e10 --rule 打招呼",
        "--lang en why --rule 打招呼",
        "why e10 --rule 问候",
        "--lang en why e10 --rule 打招乎",
        "why --rule 打招乎",
        "why --rule 分级 -n 3",
        "--lang en why --rule 分级 -n 3",
        "why --rule 分级 -n 3 --now",
        "why lead/刘洋 -n 2 --rule 分级",
    ]);
    std::fs::write(folder.path().join("rules/a.yaml"), "rules: [").unwrap();
    text += "\n== what is in the folder does not compile\n";
    text += &all(&["why e4 --rule 分级", "why e20 --rule 分级", "--lang en why e4 --now"]);
    std::fs::write(folder.path().join("rules/a.yaml"), RULES.replace("hot: 60", "hot: 50")).unwrap();
    let conn = rusqlite::Connection::open(folder.path().join("data/ifthen.db")).unwrap();
    let change = |sql: &str| assert_eq!(conn.execute(sql, [&then]).unwrap(), 1);
    change(
        "UPDATE definition_text SET text = replace(text, 'steps:', 'stages:') WHERE definition = (SELECT id FROM definition WHERE hash = ?1)",
    );
    text += "\n== what is kept does not compile in this version\n";
    text += &all(&["why e4", "--lang en why e4 --rule 分级"]);
    change("DELETE FROM definition_text WHERE definition = (SELECT id FROM definition WHERE hash = ?1)");
    text += "\n== nothing is kept any more\n";
    text += &all(&[
        "why e4 --rule 分级",
        "--lang en why e4 --rule 分级",
        "--lang en why e4 --rule 分级 --now",
        "why e18",
        "why e4 --rule 分级 --json",
        "why --rule 分级 -n 3",
        "--lang en why --rule 分级 -n 3",
    ]);
    let latest = load(folder.path()).hash;
    let text = text.replace(&then, "HASH-THEN").replace(&now, "HASH-NOW").replace(&latest, "HASH-FOLDER");
    insta::assert_snapshot!("why_redefined", text);
}
