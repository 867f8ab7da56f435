//! `let:`: what is counted and summed for a record, as of the event's time; ageing out without an event; computed values.

use ifthen::engine::event::{Body, Draft, RecordRef};
use ifthen::engine::value::Value;

use super::world::{World, check};

/// Something about a lead, told now; `at` before that where it says so.
fn about(w: &mut World, id: &str, name: &str, data: &[(&str, Value)], at: Option<&str>) {
    let record = RecordRef { entity: "lead".into(), id: id.into() };
    let data = Value::Map(data.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect());
    let now = w.now;
    let own = Draft::own(name, now, Body::Happened { data, upsert: None });
    let at = at.map_or(now, |t| t.parse().unwrap());
    w.decide(Draft { origin: "site".into(), record: Some(record), at, ..own });
}

#[test]
fn the_third_view_within_a_week_counts_itself_and_only_its_like() {
    check(
        "
rules:
  hot-page:
    when: page.viewed
    let: { views: { count: page.viewed, where: event.page == 'A产品', within: 7d } }
    if: views >= 3
    then: [ { log: '{{ views }} 次' } ]
",
        |w| {
            w.lead("L1", &[]);
            w.lead("L2", &[]);
            for (id, page) in [("L1", "A产品"), ("L1", "B产品"), ("L2", "A产品"), ("L1", "A产品"), ("L1", "B产品")] {
                about(w, id, "page.viewed", &[("page", page.into())], None);
            }
            w.pass("6d");
            about(w, "L1", "page.viewed", &[("page", "A产品".into())], None);
            w.pass("1d"); // exactly a week after the first two
            about(w, "L1", "page.viewed", &[("page", "B产品".into())], None);
        },
        &["hot-page rule fired", "hot-page log done text=3 次"],
    );
}

#[test]
fn computed_values_are_worked_out_in_order_and_only_where_they_are_used() {
    check(
        "
rules:
  spender:
    when: order.paid
    let:
      orders: { count: order.paid, within: 90d }
      spent: { sum: order.paid, of: event.amount, within: 90d }
      each: spent / orders
      broken: = 1 / 0
    if: each > 1000 or each < 0 and broken > 1
    then: [ { set: { note: '{{ orders }} × {{ each }}', score: = each } } ]
",
        |w| {
            w.lead("L1", &[]);
            about(w, "L1", "order.paid", &[("amount", 900i64.into())], None);
            about(w, "L1", "order.paid", &[("amount", 1500i64.into())], None);
            assert_eq!((w.field("L1", "note").as_str(), w.field("L1", "score").as_str()), ("2 × 1200", "1200"));
            about(w, "L1", "order.paid", &[("amount", "很多".into())], None);
            about(w, "L1", "order.paid", &[], None);
            about(w, "L1", "order.paid", &[("amount", (-99_999i64).into())], None);
        },
        &[
            "spender rule fired",
            "spender set done",
            "- window failed reason=not counted error=event.amount is text, a number expected",
            "- window failed reason=not counted error=event.amount is missing",
            "spender rule failed reason=unevaluable error=broken: division by zero",
        ],
    );
}

#[test]
fn late_events_are_put_at_their_place_and_judged_as_of_their_time() {
    check(
        "
rules:
  seen:
    when: page.viewed
    let: { views: { count: page.viewed, within: 1h }, pages: { distinct: page.viewed, of: event.page, within: 1h }, last: { last: page.viewed, of: event.page, within: 1h } }
    then: [ { log: '{{ views }} {{ pages }} {{ last }}' } ]
",
        |w| {
            w.lead("L1", &[]);
            about(w, "L1", "page.viewed", &[("page", "甲".into())], None);
            w.pass("30m");
            about(w, "L1", "page.viewed", &[("page", "乙".into())], None);
            // Ten minutes before the first one; then between the two.
            about(w, "L1", "page.viewed", &[("page", "丙".into())], Some("2026-09-21T00:50:00Z"));
            about(w, "L1", "page.viewed", &[("page", "丁".into())], Some("2026-09-21T01:10:00Z"));
            w.pass("20m"); // the one of 00:50 has just aged out
            about(w, "L1", "page.viewed", &[("page", "甲".into())], None);
        },
        &[
            "seen rule fired",
            "seen log done text=1 1 甲",
            "seen rule fired",
            "seen log done text=2 2 乙",
            "seen rule fired",
            "seen log done text=1 1 丙",
            "seen rule fired",
            "seen log done text=3 3 丁",
            "seen rule fired",
            "seen log done text=4 3 甲",
        ],
    );
}

#[test]
fn what_ages_out_wakes_by_itself_also_where_there_is_no_record() {
    check(
        "
rules:
  shop:
    when: [ order.paid, { aged: paid } ]
    let: { paid: { sum: order.paid, of: event.amount, by: event.shop, within: 1h }, shop: 'default(event.shop, event.by)' }
    then: [ { log: '{{ shop }} {{ paid }}' } ]
  nobody:
    when: order.paid
    let: { mine: { count: order.paid, within: 1h } }
    if: mine > 0
    then: [ { log: never } ]
",
        |w| {
            let paid = |shop: &str, n: i64| Value::from([("shop", shop.into()), ("amount", n.into())]);
            w.event("order.paid", paid("上海", 5));
            w.event("order.paid", paid("北京", 7));
            w.pass("30m");
            w.event("order.paid", paid("上海", 2));
            w.pass("30m");
            w.pass("30m");
            w.event("order.paid", Value::Null);
        },
        &[
            "shop rule fired",
            "shop log done text=上海 5",
            "nobody rule failed reason=unevaluable error=mine: this event is about no record",
            "shop rule fired",
            "shop log done text=北京 7",
            "nobody rule failed reason=unevaluable error=mine: this event is about no record",
            "shop rule fired",
            "shop log done text=上海 7",
            "nobody rule failed reason=unevaluable error=mine: this event is about no record",
            "shop rule fired",
            "shop log done text=上海 2",
            "shop rule fired",
            "shop log done text=北京 0",
            "shop rule fired",
            "shop log done text=上海 0",
            "- window failed reason=not counted error=event.shop is missing",
            "shop rule fired",
            "shop log failed reason=unevaluable error=paid: event.shop is missing",
            "nobody rule failed reason=unevaluable error=mine: this event is about no record",
        ],
    );
}

#[test]
fn names_are_judged_on_what_there_was_when_the_event_arrived() {
    check(
        "
rules:
  rise:
    when: lead.created
    let: { before: = score + 1 }
    if: before > 1
    then: [ { set: { score: = before * 10 } }, { log: '{{ score }} {{ before }}' } ]
",
        |w| w.lead("L1", &[("score", 1i64.into())]),
        &["rise rule fired", "rise set done", "rise log done text=20 2"],
    );
}
