//! Waiting: for a length of time, for a time, for events; what stops or diverts a run meanwhile.

use ifthen::engine::event::Body;
use ifthen::engine::value::Value;

use super::{Act, ask, begun, event, flow, ok, outbox, runs, trail};

fn paid(no: &str, amount: i64) -> Value {
    Value::from([("order", no.into()), ("amount", amount.into())])
}

#[test]
fn it_waits_until_so_long_before_a_time() {
    let mut w = flow(
        "    steps: [ { wait: { until: owner_at, offset: -1d } }, { log: 明天 }, { wait: { until: owner_at } }, { log: 今天 } ]\n",
    );
    w.lead("L1", &[("owner_at", "2026-09-23T01:00:00Z".into())]);
    w.pass("23h");
    assert_eq!(trail(&mut w), Vec::<String>::new());
    w.pass("1h");
    assert_eq!(trail(&mut w), ["明天"]);
    w.pass("24h");
    assert_eq!(trail(&mut w), ["今天", "end done"]);
}

#[test]
fn an_event_about_the_record_is_waited_for_and_time_may_be_over() {
    let steps = "
      - { id: 签, wait: contract.signed, within: 30d, late: { end: expired } }
      - log: '签 {{ steps.签.no }}'
";
    let mut w = begun(steps);
    event(&mut w, "contract.signed", "L2", Value::Null);
    assert_eq!(trail(&mut w), Vec::<String>::new());
    event(&mut w, "contract.signed", "L1", Value::from([("no", "K1".into())]));
    assert_eq!(trail(&mut w), ["签 K1", "end done"]);
    let mut w = begun(steps);
    w.pass("30d");
    assert_eq!(trail(&mut w), ["end expired"]);
    event(&mut w, "contract.signed", "L1", Value::Null);
    assert!(trail(&mut w).is_empty() && runs(&w).is_empty());
}

#[test]
fn an_event_is_matched_and_given_up_after_a_while() {
    let steps = "
      - { id: 款, wait: { event: payment.received, match: event.order == note and event.amount >= score, up_to: 3d } }
      - log: '{{ steps.款.amount }} {{ steps.款.late }}'
";
    let play = |told: &[(&str, i64)]| {
        let mut w = flow(&format!("    steps:\n{steps}"));
        w.lead("L1", &[("note", "单1".into()), ("score", 100i64.into())]);
        for (no, amount) in told {
            w.event("payment.received", paid(no, *amount));
        }
        w.pass("3d");
        trail(&mut w)
    };
    assert_eq!(play(&[("单2", 200), ("单1", 99), ("单1", 100)]), ["100 ", "end done"]);
    assert_eq!(play(&[("单2", 200), ("单1", 99)]), [" true", "end done"]);
}

#[test]
fn what_came_before_its_wait_is_kept_but_not_into_the_next_round() {
    let mut w = begun("\n      - wait: 1d\n      - { wait: contract.signed, up_to: forever }\n      - log: 签\n");
    event(&mut w, "contract.signed", "L1", Value::Null);
    w.pass("1d");
    assert_eq!(trail(&mut w), ["签", "end done"]);
    let mut w = begun(
        "
      - { id: 等, wait: 1d }
      - { if: round == 1, back_to: 等 }
      - { wait: contract.signed, up_to: forever }
      - log: 签
",
    );
    event(&mut w, "contract.signed", "L1", Value::Null);
    w.pass("1d");
    w.pass("1d");
    assert_eq!(trail(&mut w), ["back 等 2"]);
    event(&mut w, "contract.signed", "L1", Value::Null);
    assert_eq!(trail(&mut w), ["签", "end done"]);
}

#[test]
fn a_person_tells_what_is_waited_for() {
    let steps = "\n      - wait: 1d\n      - { id: 款, wait: { event: payment.received, match: event.order == note, up_to: forever } }\n      - log: '{{ steps.款.amount }}'\n";
    for early in [true, false] {
        let mut w = flow(&format!("    steps:\n{steps}"));
        w.lead("L1", &[("note", "单1".into())]);
        let signal = |name: &str| Act::Signal { name: name.into(), data: paid("别", 5) };
        ask(&mut w, signal("other.event"));
        assert_eq!(trail(&mut w), ["run signalit waits for no such event"]);
        if !early {
            w.pass("1d");
        }
        ask(&mut w, signal("payment.received"));
        if early {
            w.pass("1d");
        }
        assert_eq!(trail(&mut w), ["run signal", "5", "end done"].map(str::to_owned), "{early}");
    }
}

const STOPPED: &str = "
    stop_if:
      - { name: 转化, if: stage == 'won' }
      - { name: 回复, event: email.replied }
    steps:
      - { id: 信, email: { to: '{{ email }}', subject: 一, text: 一 } }
      - wait: 9d
      - log: 完
";

#[test]
fn a_condition_and_an_event_stop_a_run() {
    for how in ["change", "event"] {
        let mut w = flow(STOPPED);
        w.lead("L1", &[("email", "a@example.com".into())]);
        ok(&mut w, "a@example.com");
        match how {
            "change" => w.lead("L1", &[("stage", "won".into())]),
            _ => event(&mut w, "email.replied", "L1", Value::Null),
        }
        let name = if how == "change" { "转化" } else { "回复" };
        assert_eq!(trail(&mut w), [format!("stop {name} done"), format!("end {name}")]);
        assert!(runs(&w).is_empty() && w.timers.is_empty());
    }
}

#[test]
fn a_mail_that_waits_its_turn_is_not_sent_once_its_run_is_stopped() {
    for how in ["转化", "回复"] {
        let mut w = flow(STOPPED);
        w.lead("L1", &[("email", "a@example.com".into())]);
        let id = super::find(&w, "a@example.com").id;
        match how {
            "转化" => w.lead("L1", &[("stage", "won".into())]),
            _ => event(&mut w, "email.replied", "L1", Value::Null),
        }
        w.own(Body::Start(vec![id]));
        assert_eq!(trail(&mut w), [format!("stop {how} done"), format!("end {how}")]);
        assert!(outbox(&w).is_empty());
    }
}

#[test]
fn changed_fields_send_it_back_to_where_it_has_been() {
    let body = "
    reroute: { on: [score], back_to: 路 }
    steps:
      - { id: 先, wait: 1d }
      - { id: 路, choose: [ { if: score > 5, then: [ { log: 高 } ] } ], else: [ { log: 低 } ] }
      - { id: 后, wait: 9d }
";
    let mut w = flow(body);
    w.lead("L1", &[("score", 1i64.into())]);
    w.lead("L1", &[("score", 2i64.into())]);
    assert_eq!(trail(&mut w), Vec::<String>::new(), "it comes there anyway");
    w.pass("1d");
    w.lead("L1", &[("note", "别的".into())]);
    assert_eq!(trail(&mut w), ["低"]);
    w.lead("L1", &[("score", 9i64.into())]);
    assert_eq!(trail(&mut w), ["back 路 2", "高"]);
    ask(&mut w, Act::Back { step: "后".into() });
    w.lead("L1", &[("score", 1i64.into())]);
    assert_eq!(trail(&mut w), ["run back", "back 后 3", "back 路 4", "低"], "also in a round that began behind it");
}

#[test]
fn a_run_or_a_step_takes_too_long() {
    let mut w = flow("    within: 2d\n    late: { end: 超时 }\n    steps: [ { wait: 1d }, { log: 一 }, { wait: 5d } ]\n");
    w.lead("L1", &[]);
    w.pass("1d");
    w.pass("1d");
    assert_eq!(trail(&mut w), ["一", "end 超时"]);
    assert!(w.timers.is_empty());
    let mut w = begun(
        "\n      - { id: 甲, http: { connection: erp, post: /a }, within: 1h, late: [ { log: 晚 } ] }\n      - log: '{{ steps.甲.late }}'\n",
    );
    w.pass("1h");
    assert_eq!(trail(&mut w), ["晚", "true", "end done"]);
    assert!(outbox(&w).is_empty());
    let mut w = begun("\n      - { id: 甲, http: { connection: erp, post: /a }, within: 1h, late: { fail: 超时 } }\n");
    w.pass("1h");
    assert_eq!(trail(&mut w), ["end failed"]);
}

#[test]
fn mail_leaves_within_the_window_only() {
    let steps = "    steps: [ { email: { to: '{{ email }}', subject: 一, text: 一 } }, { log: 完 } ]\n";
    let opens = |window: &str, passes: &[&str]| {
        let mut w = flow(&format!("    window: {window}\n{steps}"));
        w.lead("L1", &[("email", "a@example.com".into())]);
        passes
            .iter()
            .map(|p| {
                w.pass(p);
                outbox(&w).len()
            })
            .collect::<Vec<_>>()
    };
    // It is Monday 09:00 in Shanghai, or 01:00 elsewhere.
    assert_eq!(opens("{ from: '10:00', to: '18:00' }", &["59m", "1m"]).last(), Some(&1));
    assert_eq!(opens("{ from: '22:00', to: '09:30' }", &["0s"]), [1], "past midnight");
    assert_eq!(opens("{ from: '22:00', to: '02:00' }", &["12h", "1h"]), [0, 1], "till night");
    // The contact's own zone: Sunday 21:00 in New York, Monday 03:00 in Berlin. None: ours. One that there is not: it stands still.
    let there = |zone: &str, passes: &[&str]| {
        let mut w = flow(&format!("    window: {{ from: '22:00', to: '06:00', zone: note }}\n{steps}"));
        w.lead("L1", &[("email", "a@example.com".into()), ("note", zone.into())]);
        let left = |p: &&str| {
            w.pass(p);
            outbox(&w).len()
        };
        passes.iter().map(left).collect::<Vec<_>>()
    };
    assert_eq!(there("Europe/Berlin", &["0s"]), [1]);
    assert_eq!(there("America/New_York", &["59m", "1m"]), [0, 1]);
    assert_eq!(there("Asia/Shanghai", &["12h", "1h"]), [0, 1]);
    assert_eq!(there("", &["12h", "1h"]), [0, 1]);
    assert_eq!(there("火星", &["12h", "1h"]), [0, 0]);
    // 2026-10-01 begins the holiday of eight days: 09-28 to 09-30 are working days.
    let mut w = flow(&format!("    window: {{ from: '10:00', to: '18:00', calendar: CN }}\n{steps}"));
    w.pass("10d");
    w.lead("L1", &[("email", "a@example.com".into())]);
    w.pass("5d");
    assert_eq!(outbox(&w).len(), 0, "the holiday");
    w.pass("3d");
    assert_eq!(outbox(&w).len(), 1);
    let mut w = flow(
        "    window: { from: '10:00', to: '18:00' }\n    steps: [ { email: { to: '{{ email }}', subject: 一, text: 一 }, window: false } ]\n",
    );
    w.lead("L1", &[("email", "a@example.com".into())]);
    assert_eq!(outbox(&w).len(), 1);
}
