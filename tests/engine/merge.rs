//! Two records become one, and two again: what leads where, what is counted, what waits, what was used up.

use ifthen::engine::call::Outcome as Ended;
use ifthen::engine::event::{Body, Command, Draft, RecordRef};
use ifthen::engine::merge::{Ask, MOST_IDS, Undoing};
use ifthen::engine::state::Key;
use ifthen::engine::value::Value;

use super::outbox::first_call;
use super::world::World;

fn lead(id: &str) -> RecordRef {
    RecordRef { entity: "lead".into(), id: id.into() }
}

fn merge(w: &mut World, winner: &str, loser: &str) {
    w.own(Body::Command(Command::Merge(Ask { winner: lead(winner), loser: lead(loser), by: "王总监".into() })));
}

fn unmerge(w: &mut World, id: &str) {
    w.own(Body::Command(Command::Unmerge(Undoing { record: lead(id), by: "王总监".into() })));
}

/// Something about a lead, told under that id.
fn about(w: &mut World, id: &str, name: &str, data: &[(&str, Value)]) {
    let data = Value::Map(data.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect());
    let own = Draft::own(name, w.now, Body::Happened { data, upsert: None });
    w.decide(Draft { origin: "site".into(), record: Some(lead(id)), ..own });
}

/// What rules logged since the last look.
fn texts(w: &mut World) -> Vec<String> {
    let lines = w.said();
    lines.iter().filter_map(|l| l.split_once(" log done text=").map(|(_, text)| text.to_owned())).collect()
}

/// The last line of an action since the last look, and the record it is about.
fn last(w: &mut World, action: &str) -> (String, String) {
    let lines: Vec<_> = w.log.drain(..).filter(|l| l.action == action).collect();
    let line = lines.last().unwrap_or_else(|| panic!("nothing of {action}"));
    (line.record.as_ref().map(ToString::to_string).unwrap_or_default(), line.detail.to_string())
}

const NOTHING: &str = "rules: { x: { when: ping, then: [ { log: x } ] } }";

#[test]
fn what_is_empty_is_filled_and_what_sources_tell_under_the_former_id_reaches_the_winner() {
    let mut w = World::new(
        "
entities: { 合同: { fields: { id: text, 客户: { type: ref, to: lead } } } }
rules:
  合并: { when: lead.merged, then: [ { log: '{{ id }} ← {{ event.from }} {{ event.filled.email }}' } ] }
  变更: { when: { changed: lead.email }, then: [ { log: '{{ id }} {{ old.email }}→{{ email }}' } ] }
  新建: { when: 表单, then: [ { create: { lead: { id: L2, name: 另一个 } } }, { set: { note: '{{ event.text }}' } } ] }
  签约: { when: 合同.created, then: [ { log: '{{ 客户.name }} {{ 客户.email }}' } ] }
",
    );
    w.lead("L1", &[("name", "刘洋".into()), ("stage", "谈判".into())]);
    w.lead("L2", &[("name", "刘 洋".into()), ("stage", "新建".into()), ("email", "liu@example.com".into())]);
    merge(&mut w, "L1", "L2");
    assert_eq!(texts(&mut w), ["L1 →liu@example.com", "L1 ← L2 liu@example.com"]);
    assert_eq!((w.field("L1", "name"), w.field("L1", "stage")), ("刘洋".into(), "谈判".into()));
    // An echo under the former id is no news, also after that source told otherwise under the other.
    w.lead("L2", &[("name", "刘 洋".into()), ("stage", "新建".into()), ("email", "liu@example.com".into())]);
    w.lead("L1", &[("stage", "成交".into())]);
    w.lead("L2", &[("stage", "新建".into())]);
    assert_eq!((w.field("L1", "name"), w.field("L1", "stage")), ("刘洋".into(), "成交".into()));
    // What is another there is news here; the key is never another's.
    w.lead("L2", &[("email", "liuyang@example.com".into())]);
    assert_eq!((w.field("L1", "email"), w.field("L1", "id")), ("liuyang@example.com".into(), "L1".into()));
    w.said();
    about(&mut w, "L2", "表单", &[("text", "再来".into())]);
    let said = w.said();
    assert!(said.contains(&"新建 create suppressed reason=exists".to_owned()), "{said:?}");
    assert_eq!(w.field("L1", "note"), "再来");
    // Who refers to the one refers to the other.
    let fields = [("id", Value::from("C1")), ("客户", "L2".into())].map(|(k, v)| (k.to_owned(), v)).into();
    let record = RecordRef { entity: "合同".into(), id: "C1".into() };
    let upsert = Some(ifthen::engine::event::Upsert { record: record.clone(), fields, at: None });
    let own = Draft::own("erp.合同", w.now, Body::Happened { data: Value::Null, upsert });
    w.decide(Draft { origin: "erp".into(), record: Some(record), ..own });
    assert_eq!(texts(&mut w), ["刘洋 liuyang@example.com"]);
}

#[test]
fn a_refusal_to_be_contacted_wins_and_tags_are_united() {
    let mut w = World::new(
        "
entities: { 联系人: { fields: { id: text, 退订: { type: boolean, opt_out: true } } } }
rules:
  标签: { when: 联系人.created, then: [ { tag: '{{ id }}' } ] }
  合并: { when: 联系人.merged, then: [ { log: '{{ 退订 }} {{ tags }}' } ] }
",
    );
    let at = |id: &str| RecordRef { entity: "联系人".into(), id: id.into() };
    for (id, out) in [("甲", false), ("乙", true)] {
        let fields = [("id".to_owned(), id.into()), ("退订".to_owned(), out.into())].into();
        let upsert = Some(ifthen::engine::event::Upsert { record: at(id), fields, at: None });
        let own = Draft::own("crm.told", w.now, Body::Happened { data: Value::Null, upsert });
        w.decide(Draft { origin: "crm".into(), record: Some(at(id)), ..own });
    }
    w.own(Body::Command(Command::Merge(Ask { winner: at("甲"), loser: at("乙"), by: String::new() })));
    let said = texts(&mut w);
    assert!(said[0].starts_with("true") && said[0].contains('甲') && said[0].contains('乙'), "{said:?}");
}

#[test]
fn chains_lead_to_their_end_and_what_makes_no_sense_is_refused() {
    let mut w = World::new(NOTHING);
    for id in ["a", "b", "c", "d"] {
        w.lead(id, &[("note", id.into())]);
    }
    merge(&mut w, "b", "a");
    merge(&mut w, "c", "b");
    w.lead("a", &[("name", "王芳".into())]);
    assert_eq!((w.field("c", "name"), w.field("c", "note")), ("王芳".into(), "c".into()));
    // The winner's own former id does as well.
    merge(&mut w, "a", "d");
    assert_eq!(last(&mut w, "merge").0, "lead/c");
    let other = RecordRef { entity: "合同".into(), id: "c".into() };
    w.own(Body::Command(Command::Merge(Ask { winner: lead("c"), loser: other, by: String::new() })));
    assert!(last(&mut w, "merge").1.contains("two entities"));
    for (winner, loser, reason) in [
        ("c", "c", "the same record"),
        ("a", "c", "the same record"),
        ("c", "a", "merged already"),
        ("c", "nobody", "no such record"),
        ("nobody", "c", "no such record"),
    ] {
        merge(&mut w, winner, loser);
        let (_, detail) = last(&mut w, "merge");
        assert!(detail.contains(reason), "{winner} {loser}: {detail}");
    }
    for n in 0..=MOST_IDS {
        let id = format!("x{n}");
        w.lead(&id, &[]);
        merge(&mut w, "c", &id);
    }
    assert!(last(&mut w, "merge").1.contains("too many ids"));
    // Way back: the last first.
    for (id, reason) in [("a", "merged on"), ("c", "not merged"), ("nobody", "no such record")] {
        unmerge(&mut w, id);
        let (_, detail) = last(&mut w, "unmerge");
        assert!(detail.contains(reason), "{id}: {detail}");
    }
    unmerge(&mut w, "b");
    unmerge(&mut w, "a");
    w.lead("a", &[("name", "李雷".into())]);
    assert_eq!((w.field("a", "name"), w.field("c", "name")), ("李雷".into(), "王芳".into()));
}

#[test]
fn what_was_counted_for_the_loser_counts_for_the_winner_and_ages_out_once() {
    let mut w = World::new(
        "
rules:
  消费:
    when: [ order.paid, { aged: n } ]
    let: { n: { count: order.paid, within: 1h }, 总额: { sum: order.paid, of: event.amount, within: 1h }, 首笔: { first: order.paid, of: event.no, within: 1h }, 店: { count: order.paid, by: event.shop, within: 1h } }
    then: [ { log: '{{ id }} {{ n }} {{ 总额 }} {{ 首笔 }}' } ]
  按店: { when: order.paid, let: { 店: { count: order.paid, by: event.shop, within: 1h } }, then: [ { log: '店 {{ 店 }}' } ] }
",
    );
    w.lead("L1", &[]);
    w.lead("L2", &[]);
    let paid = |w: &mut World, id: &str, no: &str, amount: i64| {
        about(w, id, "order.paid", &[("no", no.into()), ("amount", amount.into()), ("shop", "L2".into())]);
    };
    paid(&mut w, "L2", "A", 100);
    w.pass("20m");
    paid(&mut w, "L1", "B", 200);
    w.pass("10m");
    w.said();
    merge(&mut w, "L1", "L2");
    // A refund under the former id of what was counted under it.
    paid(&mut w, "L2", "C", -100);
    assert_eq!(texts(&mut w), ["L1 3 200 A", "店 3"]);
    w.pass("30m");
    assert_eq!(texts(&mut w), ["L1 2 100 B"]);
    w.pass("20m");
    w.pass("10m");
    assert_eq!(texts(&mut w), ["L1 1 -100 C", "L1 0 0"]);
    w.pass("5h");
    assert_eq!(texts(&mut w), [""; 0]);
    assert!(w.timers.is_empty());
}

#[test]
fn holds_and_times_in_fields_go_on_and_what_was_said_is_not_said_again() {
    let rules = "
rules:
  停留: { when: { record: lead, while: \"stage == '谈判'\", for: 24h }, then: [ { log: '停留 {{ id }}' } ] }
  提醒: { when: { record: lead, at: owner_at, offset: 2h }, then: [ { log: '提醒 {{ id }}' } ] }
";
    // The winner's own time goes on; what only the loser had goes on with the winner.
    let mut w = World::new(rules);
    let soon: Value = (w.now + jiff::SignedDuration::from_hours(1)).into();
    w.lead("L1", &[]);
    w.lead("L2", &[("stage", "谈判".into()), ("owner", "张三".into()), ("owner_at", soon)]);
    w.pass("1h");
    merge(&mut w, "L1", "L2");
    w.pass("2h");
    assert_eq!(texts(&mut w), ["提醒 L1"]);
    w.pass("21h");
    assert_eq!(texts(&mut w), ["停留 L1"], "24 hours after the loser began");
    w.pass("48h");
    assert!(texts(&mut w).is_empty() && w.timers.is_empty());
    // Both wait: once, by the winner's.
    let mut w = World::new(rules);
    w.lead("L2", &[("stage", "谈判".into())]);
    w.pass("10h");
    w.lead("L1", &[("stage", "谈判".into())]);
    merge(&mut w, "L1", "L2");
    w.pass("14h");
    assert!(texts(&mut w).is_empty());
    w.pass("10h");
    assert_eq!(texts(&mut w), ["停留 L1"]);
    w.pass("48h");
    assert!(texts(&mut w).is_empty() && w.timers.is_empty());
    // Said for the one: not again for the other, until it begins anew.
    let mut w = World::new(rules);
    w.lead("L2", &[("stage", "谈判".into())]);
    w.pass("23h");
    w.lead("L1", &[("stage", "谈判".into())]);
    w.pass("1h");
    assert_eq!(texts(&mut w), ["停留 L2"]);
    merge(&mut w, "L1", "L2");
    w.pass("48h");
    assert!(texts(&mut w).is_empty() && w.timers.is_empty());
    w.lead("L1", &[("stage", "赢单".into())]);
    w.lead("L1", &[("stage", "谈判".into())]);
    w.pass("24h");
    assert_eq!(texts(&mut w), ["停留 L1"]);
}

#[test]
fn gates_remember_for_both_the_stricter() {
    let mut w = World::new(
        "
rules:
  一次: { when: 访问, once: true, then: [ { log: 一次 } ] }
  冷却: { when: 访问, cooldown: 10h, then: [ { log: 冷却 } ] }
  限次: { when: 访问, limit: 3/24h, then: [ { log: 限次 } ] }
  每店: { when: 访问, limit: { count: 1, per: 24h, by: event.店 }, then: [ { log: 每店 } ] }
  静候: { when: 停, debounce: { wait: 10m, collect: true }, then: [ { log: '静候 {{ id }} {{ event.count }}' } ] }
",
    );
    w.lead("L1", &[]);
    w.lead("L2", &[]);
    about(&mut w, "L1", "访问", &[("店", "上海".into())]);
    about(&mut w, "L2", "停", &[]);
    w.pass("5m");
    about(&mut w, "L2", "访问", &[("店", "L2".into())]);
    about(&mut w, "L1", "停", &[]);
    texts(&mut w);
    merge(&mut w, "L1", "L2");
    w.pass("6m");
    assert!(texts(&mut w).is_empty(), "it waits for the later of both");
    w.pass("4m");
    assert_eq!(texts(&mut w), ["静候 L1 2"]);
    about(&mut w, "L1", "访问", &[("店", "北京".into())]);
    assert_eq!(texts(&mut w), ["限次", "每店"], "the third of both together");
    about(&mut w, "L2", "访问", &[("店", "L2".into())]);
    assert!(texts(&mut w).is_empty(), "the shop of that name is nobody's record");
    w.pass("9h45m");
    about(&mut w, "L2", "访问", &[("店", "L2".into())]);
    assert!(texts(&mut w).is_empty(), "ten hours after the first, not after the last of both");
    w.pass("5m");
    about(&mut w, "L2", "访问", &[("店", "L2".into())]);
    assert_eq!(texts(&mut w), ["冷却"]);
    assert!(w.timers.is_empty());
}

#[test]
fn runs_go_on_with_the_winner_and_of_two_the_losers_ends() {
    let flows = "
flows:
  培育: { when: 报名, record: lead, steps: [ { wait: 2d }, { log: '二 {{ id }}' } ] }
  回访: { when: 投诉, record: lead, steps: [ { wait: 1d }, { log: '访 {{ id }}' } ] }
";
    let mut w = World::new(flows);
    w.lead("L1", &[]);
    w.lead("L2", &[]);
    about(&mut w, "L1", "报名", &[]);
    about(&mut w, "L2", "报名", &[]);
    about(&mut w, "L2", "投诉", &[]);
    w.said();
    merge(&mut w, "L1", "L2");
    let said = w.said();
    assert!(said.contains(&"培育 end suppressed".to_owned()), "{said:?}");
    about(&mut w, "L2", "投诉", &[]);
    assert!(w.said().iter().any(|l| l.starts_with("回访 start suppressed reason=already runs")));
    assert_eq!(w.timers.len(), 2);
    unmerge(&mut w, "L2");
    assert!(last(&mut w, "unmerge").1.contains("runs"), "the one that ended is told of");
    w.pass("2d");
    let mut said = texts(&mut w);
    said.sort_unstable();
    assert_eq!(said, ["二 L1", "访 L2"], "the other one went back");
}

#[test]
fn what_is_on_its_way_is_told_of_the_winner() {
    let mut w =
        World::new("rules: { 欢迎: { when: lead.created, then: [ { email: { to: '{{ email }}', subject: 欢迎, text: x } } ] } }");
    w.lead("L1", &[]);
    w.lead("L2", &[("email", "a@example.com".into())]);
    let call = first_call(&w);
    merge(&mut w, "L1", "L2");
    w.own(Body::Start(vec![call]));
    assert_eq!(w.call(call).unwrap().lane, "lead/L2");
    w.log.clear();
    w.own(Body::Ended { call, attempt: 1, outcome: Ended::Done(Value::Null) });
    assert_eq!(last(&mut w, "email").0, "lead/L1");
}

#[test]
fn two_again_the_loser_is_as_it_was_and_the_winner_keeps_what_was_changed_since() {
    let mut w = World::new(
        "
rules:
  停留: { when: { record: lead, while: \"stage == '谈判'\", for: 24h }, then: [ { log: '停留 {{ id }}' } ] }
  一次: { when: 访问, once: true, then: [ { log: '一次 {{ id }}' } ] }
  计数: { when: 看, let: { n: { count: 看, within: 7d } }, then: [ { log: '{{ id }} {{ n }}' } ] }
  标签: { when: lead.created, then: [ { tag: '{{ id }}' } ] }
",
    );
    w.lead("L1", &[("name", "刘洋".into())]);
    w.lead("L2", &[("name", "刘羊".into()), ("email", "a@example.com".into()), ("note", "急".into()), ("stage", "谈判".into())]);
    about(&mut w, "L2", "访问", &[]);
    about(&mut w, "L2", "看", &[]);
    about(&mut w, "L1", "看", &[]);
    merge(&mut w, "L1", "L2");
    about(&mut w, "L2", "看", &[]);
    w.lead("L1", &[("note", "不急".into())]);
    w.pass("12h");
    texts(&mut w);
    unmerge(&mut w, "L2");
    let (record, detail) = last(&mut w, "unmerge");
    assert!(record == "lead/L2" && detail.contains("note") && !detail.contains("email"), "{detail}");
    let of = |w: &World, id: &str| ["name", "email", "note", "stage"].map(|f| w.field(id, f)).join(" ");
    assert_eq!((of(&w, "L1"), of(&w, "L2")), ("刘洋  不急 ".into(), "刘羊 a@example.com 急 谈判".into()));
    // What came meanwhile stays with whom it was counted for; so does what was used up.
    about(&mut w, "L2", "看", &[]);
    about(&mut w, "L1", "看", &[]);
    about(&mut w, "L1", "访问", &[]);
    about(&mut w, "L2", "访问", &[]);
    assert_eq!(texts(&mut w), ["L2 2", "L1 3"]);
    w.pass("12h");
    assert_eq!(texts(&mut w), ["停留 L2"], "counted from when it began");
    assert!(w.timers.is_empty());
    // And one again.
    merge(&mut w, "L2", "L1");
    about(&mut w, "L1", "看", &[]);
    assert_eq!(texts(&mut w), ["L2 6"]);
    let tags = w.state.get(&Key::Record(lead("L2"))).unwrap().cloned();
    assert!(format!("{tags:?}").contains("\"L1\""));
}
