//! Times that were over when they became known, and schedules under another name: where time-driven rules meet imports, windows,
//! groups and reloads.

use std::convert::Infallible;

use ifthen::engine::event::{Body, Command, Draft, Event, RecordRef, Upsert};
use ifthen::engine::silence::Ask;
use ifthen::engine::state::{Entry, Key, State};
use ifthen::engine::sweep;
use ifthen::engine::value::{Map, Value};
use jiff::{SignedDuration, Timestamp};

use crate::world::World;

struct Kept<'s>(&'s State);

impl sweep::Source<Infallible> for Kept<'_> {
    fn keys(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, Infallible> {
        Ok(self.0.scan(prefix, after, limit))
    }
    fn events(&self, _: u64, _: usize) -> Result<Vec<Event>, Infallible> {
        Ok(Vec::new())
    }
}

/// These definitions are in force now, and every record has been looked at.
fn load(world: &mut World, rules: &str) {
    world.definitions = World::new(rules).definitions;
    world.own(Body::Loaded { hash: "新".into(), detail: Value::Null });
    while let Some(key) = world.state.scan("sweep/", None, 1).pop() {
        let Ok(Some(Entry::Sweep(sweep))) = world.state.get(&key).map(|e| e.map(AsRef::as_ref).cloned()) else { break };
        let Key::Sweep(id) = key else { break };
        let Ok(draft) = sweep::draft(&id, &sweep, world.now, &Kept(&world.state));
        world.decide(draft);
    }
    world.said();
}

/// A source tells about a lead, perhaps as part of an import.
fn tell(world: &mut World, id: &str, fields: &[(&str, &str)], import: bool) {
    let record = RecordRef { entity: "lead".into(), id: id.into() };
    let mut all: Map = fields.iter().map(|(name, value)| ((*name).to_owned(), value_of(value))).collect();
    all.insert("id".into(), id.into());
    let body = Body::Happened { data: Value::Null, upsert: Some(Upsert { record: record.clone(), fields: all, at: None }) };
    let batch = import.then(|| "老名单".to_owned());
    let now = world.now;
    world.decide(Draft { origin: "crm".into(), record: Some(record), batch, ..Draft::own("crm.lead", now, body) });
}

fn value_of(text: &str) -> Value {
    text.parse::<Timestamp>().map_or_else(|_| text.into(), Value::from)
}

/// What email and group messages came to.
fn mails(world: &mut World) -> Vec<String> {
    world.said().into_iter().filter(|line| line.contains(" email ")).collect()
}

const HELD: &str = "rules: { 停留: { when: { record: lead, while: \"stage == '谈判'\", for: 24h, since: owner_at }, then: [ { email: { to: a@example.com, subject: 停留, text: '{{ id }}' } } ] } }";

#[test]
fn what_an_import_tells_to_be_over_moves_nothing_outside() {
    let mut w = World::new(HELD);
    load(&mut w, HELD);
    tell(&mut w, "老", &[("stage", "谈判"), ("owner_at", "2025-01-01T00:00:00Z")], true);
    tell(&mut w, "新", &[("stage", "谈判"), ("owner_at", "2026-09-21T00:00:00Z")], true);
    tell(&mut w, "说", &[("stage", "谈判"), ("owner_at", "2025-01-01T00:00:00Z")], false);
    w.pass("1s");
    assert_eq!(
        mails(&mut w),
        ["停留 email suppressed text=老 reason=import to=a@example.com", "停留 email fired text=说 to=a@example.com"]
    );
    // What falls due later is no longer the import's.
    w.pass("24h");
    assert_eq!(mails(&mut w), ["停留 email fired text=新 to=a@example.com"]);
}

#[test]
fn what_is_made_up_for_is_decided_as_of_now() {
    let rules = "
rules:
  汇总:
    when: { record: lead, while: \"stage == '谈判'\", for: 24h, since: owner_at }
    existing: fire
    let: { 次数: { count: page.viewed, within: 7d } }
    limit: { count: 3, per: day, by: stage }
    group: 10m
    then: [ { log: '{{ event.count }} {{ 次数 }}' } ]
";
    let mut w = World::new(rules);
    for id in ["L1", "L2", "L3", "L4"] {
        // Of different days: a limit per day must count them all as of today.
        tell(&mut w, id, &[("stage", "谈判"), ("owner_at", &format!("2026-08-0{}T00:00:00Z", &id[1..]))], false);
    }
    load(&mut w, rules);
    for id in ["L1", "L2", "L3", "L4"] {
        let (record, now) = (RecordRef { entity: "lead".into(), id: id.into() }, w.now);
        let body = Body::Happened { data: Value::Null, upsert: None };
        w.decide(Draft { record: Some(record), ..Draft::own("page.viewed", now, body) });
    }
    w.pass("1s");
    let said = w.said();
    assert_eq!(said.iter().filter(|l| l.contains("reason=group")).count(), 3, "{said:?}");
    assert_eq!(said.iter().filter(|l| l.contains("reason=limit")).count(), 1, "{said:?}");
    w.pass("10m");
    assert_eq!(w.said(), ["汇总 rule fired", "汇总 log done text=3 1"]);
    // A record that is told with a time long over likewise, whatever `existing` says.
    w.pass("24h");
    tell(&mut w, "L5", &[("stage", "谈判"), ("owner_at", "2026-08-05T00:00:00Z")], false);
    w.pass("1s");
    assert!(w.said().iter().any(|l| l.contains("reason=group")));
    w.pass("10m");
    assert_eq!(w.said(), ["汇总 rule fired", "汇总 log done text=1 0"]);
}

#[test]
fn a_schedule_under_another_name_goes_on() {
    let rules = |id: &str, more: &str| {
        format!(
            "rules: {{ {id}: {{ when: {{ record: lead, while: \"stage == '谈判'\", for: 24h }}, warn: {{ before: 1h, then: [ {{ log: 快到了 }} ] }}, existing: fire, {more} then: [ {{ log: '{{{{ id }}}}' }} ] }} }}"
        )
    };
    let mut w = World::new(&rules("旧", ""));
    load(&mut w, &rules("旧", ""));
    tell(&mut w, "L1", &[("stage", "谈判")], false);
    w.pass("20h");
    tell(&mut w, "L2", &[("stage", "谈判")], false);
    tell(&mut w, "L3", &[("stage", "谈判")], false);
    w.pass("4h");
    assert!(w.said().iter().any(|l| l == "旧 log done text=L1"), "said once");
    load(&mut w, &rules("新", "was: 旧,"));
    // A change after it is renamed finds what was armed before.
    tell(&mut w, "L3", &[("stage", "报价")], false);
    w.said();
    w.pass("1s");
    assert_eq!(w.said(), [""; 0], "L1 was said under the former name");
    w.pass("19h");
    assert_eq!(w.said(), ["新.warn rule fired", "新.warn log done text=快到了"]);
    w.pass("1h");
    assert_eq!(w.said(), ["新 rule fired", "新 log done text=L2"], "counted from when it began");
    w.pass("48h");
    assert!(w.said().is_empty() && w.timers.is_empty(), "{:?}", w.timers);
}

#[test]
fn a_rule_and_a_flow_of_one_name_have_times_of_their_own() {
    let rules = "
rules: { 跟进: { when: { record: lead, while: \"stage == '谈判'\", for: 1h }, then: [ { log: 规则 } ] } }
flows: { 跟进: { record: lead, when: { record: lead, while: \"stage == '谈判'\", for: 3h }, steps: [ { log: 流程 } ] } }
";
    let mut w = World::new(rules);
    load(&mut w, rules);
    tell(&mut w, "L1", &[("stage", "谈判")], false);
    w.pass("1h");
    assert!(w.said().iter().all(|l| !l.contains("流程")));
    w.pass("2h");
    let said = w.said();
    assert!(said.iter().any(|l| l.contains("流程")) && said.iter().all(|l| !l.contains("规则")), "{said:?}");
}

#[test]
fn what_keeps_a_rule_silent_keeps_its_warning_silent() {
    let rules = "
rules:
  停留:
    when: { record: lead, while: \"stage == '谈判'\", for: 24h }
    warn: { before: 1h, then: [ { email: { to: a@example.com, subject: 快到了, text: '{{ id }}' } } ] }
    active: { from: 2026-09-23 }
    quiet: { from: 09:00, to: 12:00, zone: UTC }
    tags: 商机
    then: [ { log: 停留 } ]
";
    let mut w = World::new(rules);
    load(&mut w, rules);
    let hold = |w: &mut World, id: &str| {
        tell(w, id, &[("stage", "谈判")], false);
        w.pass("23h");
        mails(w)
    };
    tell(&mut w, "L0", &[("stage", "谈判")], false);
    w.pass("23h"); // the 22nd
    assert_eq!(w.said()[0], "停留.warn rule suppressed reason=inactive");
    w.pass("10h");
    for pattern in ["停留", "tag:商机", "停*"] {
        let ask = Ask {
            rule: pattern.into(),
            record: None,
            until: w.now + SignedDuration::from_mins(24 * 60 + 30),
            comment: String::new(),
            by: String::new(),
        };
        w.own(Body::Command(Command::Silence(ask)));
        hold(&mut w, pattern);
        w.pass("1h");
        w.pass("1h");
    }
    let said = w.said();
    assert!(said.iter().all(|l| !l.contains("fired")), "{said:?}");
    // Due at 10:00: what it sends waits for the end of the quiet hours.
    w.now = "2026-09-30T11:00:00Z".parse().unwrap();
    assert_eq!(hold(&mut w, "L9"), ["停留.warn email fired text=L9 to=a@example.com"]);
    let Some(Key::Call(call)) = w.state.scan("call/", None, 1).pop() else { panic!("nothing waits") };
    w.own(Body::Start(vec![call]));
    assert_eq!(w.said(), ["停留.warn email suppressed reason=quiet"]);
}

#[test]
fn what_aged_out_is_known_behind_a_gate() {
    let rules = "
rules:
  冷清:
    when: { aged: 次数 }
    let: { 次数: { count: page.viewed, by: event.page, within: 1h } }
    if: 次数 < 2
    debounce: 5m
    then: [ { log: '{{ event.by }} {{ 次数 }}' } ]
";
    let mut w = World::new(rules);
    load(&mut w, rules);
    w.event("page.viewed", Value::from([("page", "首页".into())]));
    w.pass("30m");
    w.event("page.viewed", Value::from([("page", "首页".into())]));
    w.pass("30m");
    assert_eq!(w.said(), ["冷清 rule suppressed reason=debounce"]);
    w.pass("5m");
    assert_eq!(w.said(), ["冷清 rule fired", "冷清 log done text=首页 1"]);
}

#[test]
fn what_was_said_is_not_said_again_by_a_change_that_comes_before_the_sweep() {
    let mut w = World::new(HELD);
    load(&mut w, HELD);
    tell(&mut w, "L1", &[("stage", "谈判"), ("owner_at", "2026-09-21T00:00:00Z")], false);
    w.pass("24h");
    assert_eq!(mails(&mut w), ["停留 email fired text=L1 to=a@example.com"]);
    // The same hold, only shorter: it was said.
    let shorter = HELD.replace("24h", "12h").replace("then:", "existing: fire, then:");
    w.definitions = World::new(&shorter).definitions;
    w.own(Body::Loaded { hash: "新".into(), detail: Value::Null });
    tell(&mut w, "L1", &[("name", "王芳")], false);
    w.pass("1m");
    load(&mut w, &shorter);
    w.pass("1m");
    assert_eq!(mails(&mut w), [""; 0]);
    // Another one is another.
    tell(&mut w, "L1", &[("owner_at", "2026-09-22T01:00:00Z")], false);
    w.pass("12h");
    assert_eq!(mails(&mut w), ["停留 email fired text=L1 to=a@example.com"]);
}

#[test]
fn a_timer_of_before_waits_for_the_sweep_that_looks_again() {
    let mut w = World::new(HELD);
    load(&mut w, HELD);
    tell(&mut w, "L1", &[("stage", "谈判"), ("owner_at", "2026-09-21T00:00:00Z")], false);
    tell(&mut w, "L2", &[("stage", "谈判"), ("owner_at", "2026-09-21T00:00:00Z")], false);
    // Switched off, the rule does not see that one of them is no longer negotiated.
    let off = HELD.replace("then:", "enabled: false, then:");
    load(&mut w, &off);
    tell(&mut w, "L1", &[("stage", "赢单")], false);
    // Switched on again; their time is over before the sweep has come to them.
    w.definitions = World::new(HELD).definitions;
    w.own(Body::Loaded { hash: "新".into(), detail: Value::Null });
    w.pass("24h");
    assert_eq!(mails(&mut w), [""; 0], "nobody has looked at them yet");
    load(&mut w, HELD);
    w.pass("10s");
    assert_eq!(w.state.scan("armed/", None, 9).len(), 1, "what is no longer negotiated waits for nothing");
}
