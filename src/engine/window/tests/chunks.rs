//! What one subject's items come to, however they are put into chunks, united with another's and taken apart again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::super::Function;
use super::super::kept::reach::Reach;
use super::super::kept::united::without;
use super::super::kept::{Head, Item};
use super::{ZONE, at};
use crate::engine::span::Span;
use crate::engine::value::Value;

/// Items of the times given, those from a place on before the others, and what they come to at some times.
fn head(within: &str, times: &[i64], filled: usize, asked: &[i64]) {
    let (span, zone, start) = (Span::parse(within).unwrap(), TimeZone::get(ZONE).unwrap(), at("2026-11-26T03:00:00Z"));
    let reach = Reach { within: &span, zone: &zone };
    let minute = |n: i64| start + SignedDuration::from_mins(n);
    let (mut head, mut chunks) = (Head::new(0), BTreeMap::new());
    let mut order: Vec<(usize, &i64)> = times.iter().enumerate().collect();
    order.rotate_left(filled);
    for (n, time) in order {
        let item = Item { at: minute(*time), seq: n as u64, value: Value::Number(Decimal::from(n % 7)) };
        let load = |n: u32| Ok(chunks.get(&n).cloned());
        for (n, items) in head.put(item, &load).unwrap() {
            chunks.insert(n, Arc::new(items.unwrap()));
        }
    }
    assert_eq!((head.len(), head.is_empty()), (times.len(), times.is_empty()));
    let mut all: Vec<(Timestamp, usize)> = times.iter().enumerate().map(|(n, time)| (minute(*time), n % 7)).collect();
    all.sort_by_key(|(at, _)| *at); // stable: as they came
    let ends: Vec<Timestamp> = all.iter().map(|(at, _)| reach.end(*at)).collect();
    for asked in asked.iter().map(|n| minute(*n)).chain(ends.iter().step_by(97).copied()) {
        let load = |n: u32| Ok(chunks.get(&n).cloned());
        let now: Vec<usize> = all.iter().filter(|(at, _)| *at <= asked && asked < reach.end(*at)).map(|(_, n)| *n).collect();
        let number = |n: Option<usize>| n.map_or(Value::Null, |n| Value::Number(Decimal::from(n)));
        for (function, expected) in [
            (Function::Count, number(Some(now.len()))),
            (Function::Sum, number(Some(now.iter().sum()))),
            (Function::Min, number(now.iter().min().copied())),
            (Function::Max, number(now.iter().max().copied())),
            (Function::Distinct, number(Some(now.iter().collect::<BTreeSet<_>>().len()))),
            (Function::First, number(now.first().copied())),
            (Function::Last, number(now.last().copied())),
        ] {
            assert_eq!(head.value(function, asked, &reach, &load).unwrap(), expected, "{function:?} at {asked}");
        }
        let next = ends.iter().filter(|end| **end > asked).min().copied();
        assert_eq!(head.next_end(asked, &reach, &load).unwrap(), next, "after {asked}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn chunks_come_to_what_their_items_do(
        within in prop_oneof![Just("3 months"), Just("36h"), Just("1 month 2d"), Just("3d")],
        // Mostly onwards, now and then late; some at one time.
        steps in proptest::collection::vec((0i64..18, prop_oneof![8 => Just(0i64), 2 => 0i64..3_000, 1 => 0i64..9_000]), 0..1_200),
        // What came before is put in later, as from history.
        filled in prop_oneof![Just(0), any::<usize>()],
        asked in proptest::collection::vec(0i64..160_000, 0..12),
    ) {
        let mut now = 0;
        let times: Vec<i64> = steps.iter().map(|(pass, late)| { now += pass; now - late }).collect();
        head(within, &times, filled % times.len().max(1), &asked);
    }
}

type Chunks = BTreeMap<u32, Arc<Vec<Item>>>;

/// One of two subjects' items, which came in turns.
fn kept(times: &[i64], turn: u64) -> (Head, Chunks, Vec<Item>) {
    let (mut head, mut chunks) = (Head::new(0), Chunks::new());
    let item = |(n, time): (usize, &i64)| Item {
        at: at("2026-11-26T03:00:00Z") + SignedDuration::from_mins(*time),
        seq: 2 * n as u64 + turn,
        value: Value::from(n as u64 % 3),
    };
    for item in times.iter().enumerate().map(item) {
        let written = head.put(item, &|n| Ok(chunks.get(&n).cloned())).unwrap();
        written.into_iter().for_each(|(n, items)| drop(chunks.insert(n, Arc::new(items.unwrap()))));
    }
    let items = head.items(&|n| Ok(chunks.get(&n).cloned())).unwrap();
    (head, chunks, items)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn two_are_united_as_everything_came_and_parted_again(
        // Few times: many at one.
        own in proptest::collection::vec(0i64..200, 0..600),
        theirs in proptest::collection::vec(0i64..200, 0..600),
    ) {
        let (mut head, mut chunks, own) = kept(&own, 0);
        let (_, _, theirs) = kept(&theirs, 1);
        let put = |written: Vec<(u32, Option<Vec<Item>>)>, chunks: &mut Chunks| {
            for (n, items) in written {
                match items {
                    Some(items) => drop(chunks.insert(n, Arc::new(items))),
                    None => drop(chunks.remove(&n)),
                }
            }
        };
        put(head.refill([own.clone(), theirs.clone()].concat()), &mut chunks);
        let mut expected = [own.clone(), theirs.clone()].concat();
        expected.sort_by_key(|i| (i.at, i.seq));
        let all = head.items(&|n| Ok(chunks.get(&n).cloned())).unwrap();
        prop_assert_eq!((head.entries(), head.len()), (chunks.len(), all.len()));
        prop_assert_eq!(&all, &expected);
        put(head.refill(without(all, &theirs)), &mut chunks);
        prop_assert_eq!(head.items(&|n| Ok(chunks.get(&n).cloned())).unwrap(), own);
        prop_assert_eq!(head.entries(), chunks.len());
    }
}

proptest! {
    #[test]
    fn what_ended_before_a_time_ends_before_it(
        (months, days, seconds) in (0u32..14, 0u32..40, prop_oneof![Just(0u64), 0u64..900_000]),
        zone in prop_oneof![Just(ZONE), Just("America/New_York"), Just("Australia/Lord_Howe")],
        (at, before) in (1_700_000_000i64..1_900_000_000, prop_oneof![0i64..400_000, 0i64..40_000_000]),
    ) {
        let (within, zone) = (Span::Plain { months, days, seconds }, TimeZone::get(zone).unwrap());
        let reach = Reach { within: &within, zone: &zone };
        let at = Timestamp::from_second(at).unwrap();
        let ended = reach.ended(at);
        prop_assert!(reach.latest(ended) <= at, "{within}: of {ended} or before until {}", reach.latest(ended));
        let one = ended - SignedDuration::from_secs(before);
        prop_assert!(reach.end(one) <= at, "{within}: {one} until {}", reach.end(one));
    }
}

#[test]
fn reads_items_and_chunks_that_were_kept_without_numbers() {
    let items: Vec<Item> =
        serde_json::from_str(r#"[["2026-11-26T03:00:00Z","门店"],["2026-11-26T03:00:00Z","线上",7]]"#).unwrap();
    assert_eq!(items.iter().map(|i| i.seq).collect::<Vec<_>>(), [0, 7]);
    assert_eq!(serde_json::to_string(&items[1]).unwrap(), r#"["2026-11-26T03:00:00Z","线上",7]"#);
    let chunk = r#"{"n":1,"from":"2026-11-26T03:00:00Z","to":"2026-11-26T03:00:00Z","count":96,"totals":{}}"#;
    let head: Head =
        serde_json::from_str(r#"{"life":3,"indexed":true,"tail":[["2026-11-26T03:00:00Z","线上"]],"next":1}"#).unwrap();
    let mut head = head.with(&[serde_json::from_str(chunk).unwrap()]);
    let item = Item { at: at("2026-11-26T03:00:00Z"), seq: 200, value: "电话".into() };
    assert_eq!(head.put(item, &|_| panic!("behind those without a number")).unwrap(), []);
    assert_eq!(head.len(), 98);
}
