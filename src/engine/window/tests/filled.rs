//! Windows that are filled from history beside those that were fed all along: in which order what they hold stands, and as of
//! which times they tell nothing.

use jiff::{SignedDuration, Timestamp};

use super::{Engine, at, definitions, said};
use crate::engine::definition::Definitions;
use crate::engine::state::{Entry, Key};

/// What all functions come to as of a time, for somebody who pays then.
fn told(engine: &mut Engine, subject: usize, when: Timestamp, sort: &str) -> Result<String, String> {
    let (_, root) = engine.paid(subject, when, 100, sort);
    said(&root, "all").unwrap()
}

fn first_and_last(text: &str) -> Vec<&str> {
    text.trim().rsplit(' ').take(2).collect()
}

#[test]
fn of_one_time_what_was_filled_stands_before_what_came_meanwhile() {
    let mut engine = Engine::new(definitions("7d", None), at("2026-09-21T01:00:00Z"));
    engine.load(definitions("7d", None));
    let when = engine.now;
    for _ in 0..150 {
        engine.paid(1, when, 100, "线上");
    }
    engine.load(definitions("36h", None));
    for _ in 0..150 {
        engine.paid(1, when, 100, "门店");
    }
    while engine.sweep() {}
    let now = told(&mut engine, 1, when, "电话").unwrap();
    assert!(now.starts_with("301 "), "{now}");
    assert_eq!(first_and_last(&now), ["电话", "线上"]);
}

/// One that pays every hour for so many hours, and one that did so once; then windows of 36 hours begin, and are filled from the
/// history, of which the last so many hours are left.
fn filled(hours: i64, left: i64) -> Engine {
    let mut engine = Engine::new(Definitions::default().seal(), at("2026-09-01T01:00:00Z"));
    engine.load(Definitions::default().seal());
    engine.paid(2, engine.now, 100, "线上");
    for _ in 0..hours {
        engine.pass(engine.now + SignedDuration::from_hours(1));
        engine.paid(1, engine.now, 100, "线上");
    }
    let from = engine.now - SignedDuration::from_hours(left);
    engine.events.retain(|e| e.received >= from);
    engine.load(definitions("36h", None));
    while engine.sweep() {}
    engine
}

#[test]
fn what_comes_from_before_a_filled_window_knows_anything_is_too_late() {
    let mut engine = filled(300, 300);
    let began = engine.now;
    let ago = |minutes: i64| began - SignedDuration::from_mins(minutes);
    for late in [30, 90, 24 * 60 - 30] {
        let now = told(&mut engine, 1, ago(late), "退款").unwrap();
        assert!(now.starts_with("37 "), "36 of the hours before, and itself; {late}: {now}");
    }
    // Of the second nothing was put in: the window knows no more of him than of the first.
    for (subject, late) in [(1, 24 * 60 + 1), (1, 250 * 60), (2, 24 * 60 + 1), (2, 300 * 60 - 30)] {
        let late = told(&mut engine, subject, ago(late), "退款");
        assert!(late.as_ref().is_err_and(|why| why.contains("too late")), "{subject}: {late:?}");
    }
}

/// Since when the windows are complete, if they are not, as the log says it; and as of which times they tell something.
fn known(engine: &Engine) -> (Option<Timestamp>, Timestamp) {
    let line = engine.log.iter().rfind(|l| l.action == "fill").unwrap();
    let said = line.detail.at(&["complete since"]).map(|t| t.to_string().parse().unwrap());
    let book: Entry = serde_json::from_str(&engine.store[&Key::Windows.to_string()]).unwrap();
    let Entry::Windows(book) = book else { panic!() };
    let lives: Vec<(Option<Timestamp>, Timestamp)> =
        book.lives.values().map(|l| (l.complete_since, l.known_from.unwrap())).collect();
    assert!(lives.iter().all(|(since, _)| *since == said), "{lives:?}");
    lives[0]
}

#[test]
fn only_what_counts_and_is_gone_from_history_makes_a_window_incomplete() {
    let hours = |n: i64| SignedDuration::from_hours(n);
    // All of it is there, none is too old: nothing is too late.
    let mut engine = filled(40, 40);
    assert!(known(&engine).0.is_none() && known(&engine).1 < at("2000-01-01T00:00:00Z"));
    let late = engine.now - hours(39);
    let now = told(&mut engine, 1, late, "退款").unwrap();
    assert!(now.starts_with("2 "), "{now}");
    // What is gone is too old to count.
    let engine = filled(300, 200);
    assert_eq!(known(&engine), (None, engine.now - hours(24)));
    // Of what counts the older part is gone.
    let mut engine = filled(300, 20);
    let first = engine.events[0].received;
    assert_eq!(known(&engine), (Some(first), engine.now - hours(24)));
    let (now, count) = (engine.now, engine.events.iter().filter(|e| e.name == "order.paid").count());
    let left = told(&mut engine, 1, now, "退款").unwrap();
    assert!(left.starts_with(&format!("{} ", count + 1)), "{left}");
    // All of it is gone.
    let engine = filled(300, -1);
    assert_eq!(known(&engine), (Some(engine.now), engine.now - hours(24)));
}

#[test]
fn one_that_was_filled_before_it_was_kept_what_it_knows_knows_it_from_a_day_before() {
    let mut engine = filled(300, 300);
    let key = Key::Windows.to_string();
    let mut stored: serde_json::Value = serde_json::from_str(&engine.store[&key]).unwrap();
    for life in stored["windows"]["lives"].as_object_mut().unwrap().values_mut() {
        assert!(life.as_object_mut().unwrap().remove("known_from").is_some());
    }
    engine.store.insert(key, stored.to_string());
    engine.restart();
    engine.pass(engine.now + SignedDuration::from_hours(30));
    engine.load(definitions("36h", None));
    for (hours, known) in [(23, true), (25, false)] {
        let when = engine.now - SignedDuration::from_hours(hours);
        assert_eq!(told(&mut engine, 2, when, "退款").is_ok(), known, "{hours}");
    }
}
