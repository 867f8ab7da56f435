//! Every gate, on random histories: what `why` says of each rule on each event, timers among them, is what the log says.

use std::collections::BTreeMap;

use ifthen::check::why::why;
use ifthen::engine::event::{Body, Command, Draft};
use ifthen::engine::explain::Kind;
use ifthen::engine::silence::Ask;
use ifthen::store::Read as _;
use ifthen::store::memory::Memory;

use super::{CONFIG, Dice, World, load};

const RULES: &str = "
entities: { lead: { fields: { id: text, name: text, stage: text, score: number } } }
rules:
  限期: { when: page.viewed, active: { from: 2026-09-21 10:00, until: 2026-09-21 14:00 }, then: [ { log: a } ] }
  静默: { when: page.viewed, tags: 营销, if: event.page != '首页', then: [ { log: b } ] }
  一次: { when: lead.changed, if: score > 50, once: { rearm: score < 20 }, then: [ { log: c } ] }
  冷却: { when: page.viewed, cooldown: { for: 1h, by: event.page }, then: [ { log: d } ] }
  上限: { when: page.viewed, limit: 2/90m, then: [ { log: e } ] }
  自然: { when: page.viewed, limit: { count: 3, per: hour, by: event.page }, then: [ { log: f } ] }
  防抖: { when: page.viewed, debounce: { wait: 20m, max: 50m, collect: true }, cooldown: 40m, then: [ { log: '{{ event.count }}' } ] }
  合并: { when: page.viewed, group: { within: 45m, max: 4, by: event.page }, then: [ { log: '{{ event.count }}' } ] }
  全部: { when: page.viewed, if: event.page != '首页', once: true, cooldown: 30m, limit: 1 per hour, debounce: 10m, group: 20m, then: [ { tag: x } ] }
  缺键: { when: page.viewed, limit: { count: 1, per: day, by: event.nothing }, then: [ { log: g } ] }
flows:
  流程: { when: page.viewed, tags: 营销, record: lead, active: { from: 2026-09-21 10:00 }, steps: [ { wait: 30m } ] }
";

#[test]
fn what_why_says_of_every_gate_is_what_the_log_says() {
    let mut seen: BTreeMap<&'static str, usize> = BTreeMap::new();
    for seed in [3, 77, 2_026, 990_017] {
        let folder = tempfile::TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("rules")).unwrap();
        std::fs::write(folder.path().join("config.yaml"), CONFIG).unwrap();
        std::fs::write(folder.path().join("rules/a.yaml"), RULES).unwrap();
        let mut world = World::new(load(folder.path()), Memory::default());
        let mut dice = Dice(seed);
        let leads = ["刘洋", "王芳"];
        for _ in 0..150 {
            match dice.roll(12) {
                0..=2 => drop(world.tell("lead", dice.pick(&leads), &[("score", (dice.roll(100) as i64).into())])),
                3..=8 => drop(world.happen("page.viewed", Some(dice.pick(&leads)), dice.pick(&["首页", "报价页", "案例页"]))),
                9 => {
                    let until = world.now + jiff::SignedDuration::from_mins(40);
                    let rule = dice.pick(&["tag:营*", "合*", "防抖"]).to_owned();
                    let ask = Ask { rule, record: None, until, comment: "试".into(), by: "运维".into() };
                    let now = world.now;
                    world.decide(Draft::own("ifthen.command", now, Body::Command(Command::Silence(ask))));
                }
                _ => world.pass([5, 15, 30][dice.roll(3)]),
            }
        }
        world.pass(300);
        let World { definitions, store, .. } = &world;
        let mut timers = 0;
        for stored in store.events(0, usize::MAX).unwrap() {
            let found = why(store, definitions, stored.event.seq, None).unwrap().unwrap();
            timers += usize::from(matches!(stored.event.body, Body::Due(_)) && !found.verdicts.is_empty());
            for one in &found.verdicts {
                let what = format!("{seed} {} {:?}\n{:#?}", found.event.id(), one.explained, found.log);
                match one.explained.kind {
                    Kind::Rule => assert_eq!(one.agrees, Some(true), "{what}"),
                    Kind::Flow => assert_ne!(one.agrees, Some(false), "{what}"),
                }
                *seen.entry(one.explained.verdict.word()).or_default() += 1;
            }
        }
        assert!(timers > 10, "{timers} timers let something fire");
    }
    for word in ["inactive", "silenced", "once", "cooling", "limited", "debounced", "grouped", "fired", "unevaluable", "not_met"]
    {
        assert!(seen.get(word).is_some_and(|n| *n >= 5), "{word}: {seen:?}");
    }
}
