//! What keeps a woken rule from firing: each gate, their order, and what waits at them.

use ifthen::engine::event::{Body, Command, Draft, RecordRef};
use ifthen::engine::silence::Ask;
use ifthen::engine::state::{Entry, Key, Wake};
use ifthen::engine::value::Value;
use jiff::{Timestamp, ToSpan as _};

use super::world::{World, check};

fn ping(w: &mut World, by: &str) {
    w.event("ping", Value::from([("by", by.into())]));
}

fn silence(w: &mut World, rule: &str, record: Option<&str>, until: &str) {
    let record = record.map(|id| RecordRef { entity: "lead".into(), id: id.into() });
    let until = until.parse().unwrap();
    let ask = Ask { rule: rule.into(), record, until, comment: "展会演示".into(), by: "运维小王".into() };
    w.own(Body::Command(Command::Silence(ask)));
}

#[test]
fn once_per_record_until_it_is_re_armed() {
    check(
        "
rules:
  once: { when: lead.changed, if: stage == 'hot', once: true, then: [ { log: 'once {{ id }}' } ] }
  again: { when: lead.changed, if: stage == 'hot', once: { rearm: score < 40 }, then: [ { log: 'again {{ id }}' } ] }
",
        |w| {
            w.lead("L1", &[("stage", "cold".into()), ("score", 60i64.into())]);
            w.lead("L1", &[("stage", "hot".into())]);
            w.lead("L1", &[("note", "又来了".into())]);
            w.lead("L1", &[("score", 39i64.into())]); // armed again by an event on which it fires at once
            w.lead("L1", &[("score", 61i64.into())]);
            w.lead("L2", &[("stage", "cold".into())]);
            w.lead("L2", &[("stage", "hot".into())]);
        },
        &[
            "once rule fired",
            "once log done text=once L1",
            "again rule fired",
            "again log done text=again L1",
            "once rule suppressed reason=once",
            "again rule suppressed reason=once",
            "again once done reason=rearmed", // by what the source told, before the change that follows from it
            "once rule suppressed reason=once",
            "again rule fired",
            "again log done text=again L1",
            "once rule suppressed reason=once",
            "again rule suppressed reason=once",
            "once rule fired",
            "once log done text=once L2",
            "again rule fired",
            "again log done text=again L2",
        ],
    );
}

#[test]
fn a_limit_of_the_day_begins_anew_at_midnight_and_a_sliding_one_when_the_first_has_aged() {
    check(
        "
rules:
  day: { when: ping, limit: 2 per day, then: [ { log: day } ] }
  slide: { when: ping, limit: { count: 2, per: 24h }, then: [ { log: slide } ] }
",
        |w| {
            w.now = "2026-09-21T23:00:00+08:00".parse().unwrap();
            for pass in ["30m", "15m", "15m", "23h", "0s"] {
                ping(w, "刘洋");
                w.pass(pass);
            }
        },
        &[
            "day rule fired",
            "day log done text=day",
            "slide rule fired",
            "slide log done text=slide",
            "day rule fired",
            "day log done text=day",
            "slide rule fired",
            "slide log done text=slide",
            "day rule suppressed reason=limit",
            "slide rule suppressed reason=limit",
            "day rule fired", // midnight
            "day log done text=day",
            "slide rule suppressed reason=limit",
            "day rule fired", // 23:00, a day after the first
            "day log done text=day",
            "slide rule fired",
            "slide log done text=slide",
        ],
    );
}

#[test]
fn cooldown_and_limit_by_any_key() {
    check(
        "
rules:
  cool: { when: ping, cooldown: { for: 1h, by: event.by }, then: [ { log: 'cool {{ event.by }}' } ] }
  coupon: { when: ping, limit: { count: 1, per: day, by: event.by }, then: [ { log: 'coupon {{ event.by }}' } ] }
",
        |w| {
            ping(w, "刘洋");
            ping(w, "陈静");
            ping(w, "刘洋");
            w.event("ping", Value::Null);
        },
        &[
            "cool rule fired",
            "cool log done text=cool 刘洋",
            "coupon rule fired",
            "coupon log done text=coupon 刘洋",
            "cool rule fired",
            "cool log done text=cool 陈静",
            "coupon rule fired",
            "coupon log done text=coupon 陈静",
            "cool rule suppressed reason=cooldown",
            "coupon rule suppressed reason=limit",
            "cool rule failed reason=unevaluable error=event.by is missing",
            "coupon rule failed reason=unevaluable error=event.by is missing",
        ],
    );
}

/// Every gate would stop the rule; one after the other is opened, and it is always the next that is named.
#[test]
fn the_gates_stand_in_their_order_and_none_is_consulted_before_its_turn() {
    let rules = "
rules:
  r:
    when: lead.changed
    active: { from: 2026-09-22 }
    if: note == '好'
    once: { rearm: note == '重来' }
    cooldown: 2h
    limit: 2 per day
    debounce: 10m
    group: 1h
    then: [ { log: '{{ event.count }}' } ]
";
    let mut w = World::new(rules);
    let mut n = 0i64;
    let mut tell = |w: &mut World, note: &str| {
        n += 1;
        w.lead("L1", &[("note", note.into()), ("score", n.into())]);
        w.said()
    };
    tell(&mut w, "坏"); // makes the record
    silence(&mut w, "r", None, "2026-09-22T12:00:00+08:00");
    w.said();
    assert_eq!(tell(&mut w, "坏"), ["r rule suppressed reason=inactive"]); // dates before silence and `if`
    w.now = "2026-09-22T11:00:00+08:00".parse().unwrap();
    assert_eq!(tell(&mut w, "坏"), ["r rule suppressed reason=silence by=s3"]); // silence before `if`
    w.now = "2026-09-22T12:00:00+08:00".parse().unwrap();
    assert_eq!(tell(&mut w, "坏"), [""; 0]); // `if`: nothing was used up
    assert_eq!(tell(&mut w, "好"), ["r rule suppressed reason=debounce"]);
    w.pass("10m");
    assert_eq!(w.said(), ["r rule suppressed reason=group"]); // what debounce lets go joins the group
    // It has fired by now as far as `once`, `cooldown` and `limit` go: the first of them stops it.
    assert_eq!(tell(&mut w, "好"), ["r rule suppressed reason=once"]);
    assert_eq!(tell(&mut w, "重来"), ["r once done reason=rearmed"]);
    assert_eq!(tell(&mut w, "好"), ["r rule suppressed reason=cooldown"]);
    w.pass("1h");
    assert_eq!(w.said(), ["r rule fired", "r log done text=1"]); // the group's hour is over
    // What was stopped by `once` and `cooldown` has not used up the limit: there is one left.
    w.pass("1h");
    assert_eq!(tell(&mut w, "好"), ["r rule suppressed reason=debounce"]);
    w.pass("10m");
    assert_eq!(w.said(), ["r rule suppressed reason=group"]);
    tell(&mut w, "重来");
    w.pass("3h");
    w.said();
    assert_eq!(tell(&mut w, "好"), ["r rule suppressed reason=limit"]);
}

#[test]
fn active_dates_include_the_last_day() {
    check(
        "
rules:
  sale: { when: ping, active: { from: 2026-09-21 12:00, until: 2026-09-22 }, then: [ { log: sale } ] }
",
        |w| {
            for at in [
                "2026-09-21T11:59:59+08:00",
                "2026-09-21T12:00:00+08:00",
                "2026-09-22T23:59:59+08:00",
                "2026-09-23T00:00:00+08:00",
            ] {
                w.now = at.parse().unwrap();
                ping(w, "x");
            }
        },
        &[
            "sale rule suppressed reason=inactive",
            "sale rule fired",
            "sale log done text=sale",
            "sale rule fired",
            "sale log done text=sale",
            "sale rule suppressed reason=inactive",
        ],
    );
}

#[test]
fn silences_go_by_name_glob_tag_and_record_and_end_by_time_or_by_hand() {
    let mut w = World::new(
        "
rules:
  welcome-a: { when: lead.changed, tags: [营销, 欢迎], then: [ { log: a } ] }
  digest-b: { when: lead.changed, then: [ { log: b } ] }
flows:
  welcome-flow: { when: lead.changed, steps: [ { log: f } ] }
",
    );
    let fired = |w: &mut World, id: &str, n: i64| {
        w.said();
        w.lead(id, &[("score", n.into())]);
        let said = w.said();
        let mut by: Vec<String> =
            said.iter().filter(|s| s.contains("log done")).map(|s| s.split(' ').next().unwrap().to_owned()).collect();
        by.dedup();
        by.join(" ")
    };
    w.lead("L1", &[]);
    w.lead("L2", &[]);
    assert_eq!(fired(&mut w, "L1", 1), "welcome-a digest-b welcome-flow");
    silence(&mut w, "tag:营*", None, "2026-09-21T10:00:00+08:00");
    assert!(w.said().last().unwrap().starts_with("- silence done"));
    assert_eq!(fired(&mut w, "L1", 2), "digest-b welcome-flow");
    silence(&mut w, "welcome-*", None, "2026-09-21T11:00:00+08:00");
    assert_eq!(fired(&mut w, "L1", 3), "digest-b");
    let number = w.seq;
    silence(&mut w, "digest-b", Some("L2"), "2026-09-21T12:00:00+08:00");
    assert_eq!(fired(&mut w, "L1", 4), "digest-b");
    assert_eq!(fired(&mut w, "L2", 4), "");
    w.own(Body::Command(Command::EndSilence(number)));
    assert_eq!(w.said(), ["digest-b silence done reason=ended by=运维小王"]);
    assert_eq!(fired(&mut w, "L2", 5), "digest-b");
    w.pass("2h"); // 11:00
    assert_eq!(fired(&mut w, "L2", 6), "welcome-a digest-b welcome-flow");
    w.own(Body::Command(Command::EndSilence(number)));
    assert_eq!(w.said(), ["- silence failed reason=no such silence"]);
    silence(&mut w, "*", None, "2026-09-21T11:00:00+08:00");
    assert_eq!(w.said(), ["- silence failed reason=over already by=运维小王"]);
    for _ in 0..ifthen::engine::silence::MOST {
        silence(&mut w, "x", None, "2026-09-22T00:00:00+08:00");
    }
    w.said();
    silence(&mut w, "x", None, "2026-09-22T00:00:00+08:00");
    assert_eq!(w.said(), ["x silence failed reason=too many silences by=运维小王"]);
}

#[test]
fn debounce_fires_once_with_the_last_event_and_all_that_came() {
    let mut w = World::new(
        "
rules:
  stock:
    when: stock.changed
    debounce: { by: event.sku, wait: 5m, max: 12m, collect: true }
    then: [ { log: '{{ event.sku }} {{ event.left }} {{ event.count }} {% for e in event.collected %}{{ e.data.left }}.{% endfor %}' } ]
  quietly: { when: lead.changed, debounce: 5m, then: [ { log: '{{ name }} {{ event.count }} {{ old.score }}' } ] }
",
    );
    let stock =
        |w: &mut World, sku: &str, left: i64| w.event("stock.changed", Value::from([("sku", sku.into()), ("left", left.into())]));
    stock(&mut w, "茶", 9);
    stock(&mut w, "瓷", 5);
    w.pass("4m");
    stock(&mut w, "茶", 8);
    w.pass("1m");
    assert_eq!(
        w.said(),
        [
            "stock rule suppressed reason=debounce",
            "stock rule suppressed reason=debounce",
            "stock rule suppressed reason=debounce",
            "stock rule fired",
            "stock log done text=瓷 5 1 5."
        ]
    );
    for left in [7, 6] {
        w.pass("3m");
        stock(&mut w, "茶", left);
    }
    w.pass("1m"); // 12 minutes after the first, though more keeps coming
    assert_eq!(w.said()[2..], ["stock rule fired", "stock log done text=茶 6 4 9.8.7.6."]);
    assert!(w.timers.is_empty());
    // A record's, with the record as it is by then.
    w.lead("L1", &[("name", "刘洋".into()), ("score", 1i64.into())]);
    w.lead("L1", &[("score", 2i64.into())]);
    w.pass("4m");
    w.lead("L1", &[("score", 3i64.into())]);
    w.said();
    w.pass("5m");
    assert_eq!(w.said(), ["quietly rule fired", "quietly log done text=刘洋 2 2"]);
}

#[test]
fn what_waits_is_asked_again_when_it_is_due() {
    let mut w = World::new(
        "
rules:
  a: { when: ping, debounce: { wait: 5m, by: event.by }, limit: { count: 1, per: day, by: \"'all'\" }, then: [ { log: '{{ event.by }}' } ] }
  b: { when: ping, debounce: 5m, then: [ { log: b } ] }
",
    );
    ping(&mut w, "刘洋");
    ping(&mut w, "陈静");
    silence(&mut w, "b", None, "2026-09-21T12:00:00+08:00");
    w.said();
    w.pass("5m");
    // Both may still have fired when they came; only one may when they are due.
    assert_eq!(
        w.said(),
        ["a rule fired", "a log done text=刘洋", "a rule suppressed reason=limit", "b rule suppressed reason=silence by=s3"]
    );
}

#[test]
fn a_group_is_one_firing_at_its_time_or_when_it_is_full() {
    let mut w = World::new(
        "
rules:
  digest:
    when: lead.created
    group: { within: 10m, max: 3, by: stage }
    then: [ { log: '{{ event.count }}: {% for e in event.group %}{{ e.record.name }} {% endfor %}' } ]
",
    );
    let lead =
        |w: &mut World, id: &str, stage: &str| w.lead(id, &[("name", format!("客户{id}").into()), ("stage", stage.into())]);
    lead(&mut w, "1", "新");
    lead(&mut w, "2", "新");
    lead(&mut w, "3", "老");
    w.said();
    lead(&mut w, "4", "新");
    assert_eq!(w.said(), ["digest rule fired", "digest log done text=3: 客户1 客户2 客户4"]);
    assert_eq!(w.timers.len(), 1, "only of those that still wait");
    w.pass("9m");
    lead(&mut w, "5", "老"); // does not put it off
    assert_eq!(w.said(), ["digest rule suppressed reason=group"]);
    w.pass("1m");
    assert_eq!(w.said(), ["digest rule fired", "digest log done text=2: 客户3 客户5"]);
    assert!(w.timers.is_empty());
}

#[test]
fn late_news_waits_from_when_it_came() {
    let mut w = World::new(
        "
rules:
  digest: { when: wanted, group: { within: 10m }, then: [ { log: '{{ event.count }} 条' } ] }
  calm: { when: wanted, debounce: { wait: 5m, by: event.by }, then: [ { log: '{{ event.by }} {{ event.count }}' } ] }
",
    );
    let late = |w: &mut World| {
        let (at, now) = (w.now - 2.hours(), w.now);
        let data = Value::from([("by", "刘洋".into())]);
        w.decide(Draft { at, origin: "crm".into(), ..Draft::own("wanted", now, Body::Happened { data, upsert: None }) });
    };
    late(&mut w);
    w.pass("1m");
    late(&mut w);
    w.pass("4m");
    late(&mut w);
    w.said();
    w.pass("4m");
    assert!(w.said().is_empty());
    w.pass("1m");
    assert_eq!(w.said(), ["digest rule fired", "digest log done text=3 条", "calm rule fired", "calm log done text=刘洋 3"]);
}

#[test]
fn a_renamed_rule_keeps_what_it_remembers() {
    let rules = |name: &str, was: &str| {
        format!(
            "
rules:
  {name}: {{ {was} when: ping, once: true, then: [ {{ log: once }} ] }}
  {name}-l: {{ {was2} when: ping, limit: 1 per day, then: [ {{ log: limit }} ] }}
  {name}-d: {{ {was3} when: ping, debounce: 5m, then: [ {{ log: '{{{{ event.count }}}}' }} ] }}
",
            was2 = was.replace(',', "-l,"),
            was3 = was.replace(',', "-d,"),
        )
    };
    let mut w = World::new(&rules("old", ""));
    ping(&mut w, "x");
    w.said();
    w.definitions = World::new(&rules("new", "was: old,")).definitions;
    w.pass("1m");
    ping(&mut w, "x");
    w.pass("5m");
    assert_eq!(
        w.said(),
        [
            "new rule suppressed reason=once",
            "new-l rule suppressed reason=limit",
            "new-d rule suppressed reason=debounce",
            "new-d rule fired",
            "new-d log done text=2",
        ]
    );
    // What waits under the former name finds its rule; what waits for a rule that is gone says so.
    ping(&mut w, "x");
    w.definitions = World::new(&rules("newest", "was: new,")).definitions;
    w.said();
    w.pass("5m");
    assert_eq!(w.said(), ["newest-d rule fired", "newest-d log done text=1"]);
    ping(&mut w, "x");
    w.definitions = World::new(&rules("other", "")).definitions;
    w.said();
    w.pass("5m");
    assert_eq!(w.said(), ["newest-d rule suppressed reason=rule gone"]);
}

#[test]
fn an_import_moves_nothing_outside_unless_a_rule_reacts() {
    let mut w = World::new(
        "
rules:
  welcome: { when: lead.created, then: [ { tag: 新 }, { email: { to: '{{ email }}', subject: 欢迎, text: 您好 } }, { start: care } ] }
  audit: { when: lead.created, imports: react, then: [ { email: { to: it@example.com, subject: 导入, text: '{{ id }}' } } ] }
  later: { when: lead.created, debounce: 1m, then: [ { email: { to: '{{ email }}', subject: 稍后, text: 您好 } } ] }
flows:
  care: { steps: [ { log: care } ] }
  nurture: { when: lead.created, steps: [ { log: nurture } ] }
",
    );
    let lead = |batch: Option<&str>, id: &str, now: Timestamp| {
        let record = RecordRef { entity: "lead".into(), id: id.into() };
        let fields = [("id".to_owned(), id.into()), ("email".to_owned(), "liu@example.com".into())].into_iter().collect();
        let upsert = ifthen::engine::event::Upsert { record: record.clone(), fields, at: None };
        let body = Body::Happened { data: Value::Null, upsert: Some(upsert) };
        Draft { origin: "crm".into(), record: Some(record), batch: batch.map(str::to_owned), ..Draft::own("crm.lead", now, body) }
    };
    let draft = lead(Some("crm"), "L1", w.now);
    w.decide(draft);
    assert_eq!(
        w.said(),
        [
            "welcome rule fired",
            "welcome tag done tags=[\"新\"]",
            "welcome email suppressed text=您好 reason=import to=liu@example.com",
            "welcome start suppressed reason=import",
            "audit rule fired",
            "audit email fired text=L1 to=it@example.com",
            "later rule suppressed reason=debounce",
            "nurture start suppressed reason=import",
        ]
    );
    w.pass("1m");
    assert_eq!(w.said(), ["later rule fired", "later email suppressed text=您好 reason=import to=liu@example.com"]);
    let draft = lead(None, "L2", w.now);
    w.decide(draft);
    let said = w.said();
    assert!(said.iter().all(|l| !l.contains("import")) && said.contains(&"nurture log done text=nurture".into()), "{said:?}");
}

#[test]
fn a_timer_of_what_waits_reads_back_from_the_store() {
    let mut w = World::new("rules: { r: { when: ping, debounce: 5m, then: [ { log: r } ] } }");
    ping(&mut w, "x");
    let key = w.timers[0].clone();
    let Some(entry) = w.state.get(&key).unwrap().cloned() else { panic!() };
    let text = serde_json::to_string(&*entry).unwrap();
    assert_eq!(text, r#"{"timer":{"gate":"debounce/r/"}}"#);
    assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), Entry::Timer(Wake::Gate("debounce/r/".parse::<Key>().unwrap())));
}

#[test]
fn named_actions_are_done_where_they_stand_and_the_log_names_them() {
    let mut w = World::new(
        "
actions:
  remind: { params: [whom, text, points], do: [ { email: { to: $whom, subject: 提醒, text: '请看:$text' } }, { set: { score: '= default(score, 0) + $points' } } ] }
  both: { params: [text], do: [ { run: { remind: { whom: '{{ email }}', text: $text, points: 5 } } }, { tag: 已提醒 } ] }
rules:
  r: { when: lead.created, then: [ { run: { both: { text: '{{ name }}的报价' } } } ] }
flows:
  f: { when: lead.created, steps: [ { id: a, run: { remind: { whom: boss@example.com, text: 新客户, points: 1 } } }, { log: 'after {{ score }}' } ] }
",
    );
    w.lead("L1", &[("name", "刘洋".into()), ("email", "liu@example.com".into())]);
    let via: Vec<String> = w
        .log
        .iter()
        .filter(|l| matches!(l.action.as_str(), "email" | "set" | "tag"))
        .map(|l| format!("{} {}", l.action, l.detail.at(&["via"]).unwrap()))
        .collect();
    assert_eq!(via, ["email remind", "set remind", "tag both", "email remind", "set remind"]);
    let mails: Vec<_> = w.log.iter().filter(|l| l.action == "email").map(|l| l.detail.clone()).collect();
    assert_eq!(mails[0].at(&["text"]), Some(&"请看:刘洋的报价".into()));
    assert_eq!(w.field("L1", "score"), "6");
    // The flow waits for what its named action sends.
    assert!(!w.said().iter().any(|l| l.contains("after")));
    let id = mails[1].at(&["call"]).unwrap().to_string().parse().unwrap();
    w.own(Body::Start(vec![id]));
    w.own(Body::Ended { call: id, attempt: 1, outcome: ifthen::engine::call::Outcome::Done(Value::Null) });
    assert!(w.said().contains(&"f log done text=after 6".into()));
}

/// The calls that rules and flows ordered, by who did.
fn calls(w: &World) -> Vec<(String, ifthen::engine::call::CallId)> {
    let ordered = w.log.iter().filter(|l| l.outcome == ifthen::engine::log::Outcome::Fired);
    let of = |l: &ifthen::engine::log::Line| {
        let id = l.detail.at(&["call"])?.to_string().parse().ok()?;
        Some((l.rule.clone().or_else(|| l.flow.clone())?, id))
    };
    ordered.filter_map(of).collect()
}

#[test]
fn quiet_hours_hold_what_leaves_when_it_would_start_and_a_person_may_pass_them() {
    let mut w = World::new(
        "
rules:
  quiet: { when: ping, quiet: { from: '22:00', to: '08:00' }, then: [ { wecom: { text: 静 } } ] }
  also: { when: ping, quiet: { from: '22:00', to: '08:00' }, then: [ { http: { connection: erp, post: /x } } ] }
  exempt: { when: ping, quiet: false, then: [ { wecom: { text: 照发 } } ] }
flows:
  f: { when: ping, quiet: { from: '21:00', to: '09:00' }, steps: [ { wecom: { text: 流程 } }, { log: through } ] }
",
    );
    w.now = "2026-09-21T21:59:00+08:00".parse().unwrap();
    ping(&mut w, "x");
    let ids = calls(&w);
    let id = |who: &str| ids.iter().find(|(by, _)| by == who).unwrap().1;
    // Ordered before the quiet hours, they would start within: that counts.
    w.now = "2026-09-21T22:00:00+08:00".parse().unwrap();
    w.said();
    for who in ["quiet", "also", "exempt", "f"] {
        w.own(Body::Start(vec![id(who)]));
    }
    use ifthen::engine::call::Status::{Queued, Started};
    let state = |w: &World, who: &str| w.call(id(who)).map(|c| (c.status, c.due)).unwrap();
    let eight: Timestamp = "2026-09-22T08:00:00+08:00".parse().unwrap();
    let nine: Timestamp = "2026-09-22T09:00:00+08:00".parse().unwrap();
    assert_eq!(state(&w, "quiet"), (Queued, eight));
    assert_eq!(state(&w, "also"), (Queued, eight), "what a rule says of itself holds requests, too");
    assert_eq!(state(&w, "exempt").0, Started);
    assert_eq!(state(&w, "f"), (Queued, nine));
    assert_eq!(
        w.said(),
        ["quiet wecom suppressed reason=quiet", "also http suppressed reason=quiet", "f wecom suppressed reason=quiet"]
    );
    // Out of the lane of those that may go, and each time of release in a lane of its own.
    let lanes: Vec<String> = ["exempt", "quiet", "f"].iter().map(|who| w.call(id(who)).unwrap().lane).collect();
    assert!(lanes[0] != lanes[1] && lanes[1] != lanes[2], "{lanes:?}");
    // Whoever asks for now means now.
    w.own(Body::Command(Command::Retry(id("quiet"))));
    w.own(Body::Start(vec![id("quiet")]));
    assert_eq!(state(&w, "quiet").0, Started);
    w.now = nine;
    w.own(Body::Start(vec![id("f")]));
    assert_eq!(state(&w, "f").0, Started);
}

#[test]
fn a_message_that_is_held_does_not_travel_inside_another() {
    let mut w = World::new(
        "
rules:
  awake: { when: ping, then: [ { wecom: { text: 醒 } } ] }
  asleep: { when: ping, quiet: { from: '22:00', to: '08:00' }, then: [ { wecom: { text: 睡 } } ] }
",
    );
    w.now = "2026-09-21T23:00:00+08:00".parse().unwrap();
    ping(&mut w, "x");
    ping(&mut w, "x");
    let ids: Vec<_> = calls(&w).into_iter().map(|(_, id)| id).collect();
    w.own(Body::Start(ids.clone())); // two a minute, four wait: those that may go would be merged
    let first = w.call(ids[0]).unwrap();
    assert_eq!((first.status, first.carries.len()), (ifthen::engine::call::Status::Started, 0));
}

#[test]
fn flows_have_dates_imports_and_former_names() {
    let flow = |name: &str, more: &str| {
        format!("flows: {{ {name}: {{ when: lead.changed, {more} steps: [ {{ wait: 1h }}, {{ log: '{{{{ id }}}}' }} ] }} }}\n")
    };
    let mut w = World::new(&flow("care", "active: { from: 2026-09-21 10:00 },"));
    w.lead("L1", &[]);
    w.lead("L1", &[("score", 1i64.into())]);
    assert_eq!(w.said(), ["care start suppressed reason=inactive"]);
    w.pass("1h");
    w.lead("L1", &[("score", 2i64.into())]);
    assert!(w.said().contains(&"care start fired".into()));
    // Under its new name the record is in it still.
    w.definitions = World::new(&flow("nurture", "was: care,")).definitions;
    w.lead("L1", &[("score", 3i64.into())]);
    assert!(w.said()[0].starts_with("nurture start suppressed reason=already runs"));
    w.pass("1h");
    w.said();
    w.lead("L1", &[("score", 4i64.into())]);
    assert!(w.said().contains(&"nurture start fired".into()));
}
