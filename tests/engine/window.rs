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
            "spender rule failed reason=unevaluable error=broken: division by zero",
        ],
    );
}
