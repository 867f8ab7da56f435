//! The balance: what was acknowledged against what is in the store, and what the store ordered against what arrived outside.

use std::collections::{BTreeMap, BTreeSet};

use ifthen::engine::log::{Line, Outcome};
use ifthen::engine::state::prefix;
use ifthen::store::sqlite::Reader;
use ifthen::store::{Filter, Read as _};

use super::clients::Acknowledged;
use super::harness::{Daemon, Folder, field_of, wait};
use super::sink::Sink;

const ALL: usize = usize::MAX >> 1;

/// How much there was.
#[derive(Debug)]
#[expect(dead_code, reason = "told by Debug")]
pub struct Balance {
    pub events: usize,
    pub deliveries: usize,
    pub tickets: usize,
    pub calls: usize,
    pub requests: usize,
    pub unknown: usize,
    pub ticks: usize,
}

/// Waits until nothing is under way: every run has ended, every call is done, every hold has been said. Calls that ran out of
/// attempts are retried, as a person would.
pub fn drain(folder: &Folder, daemon: &Daemon, tickets: &BTreeSet<&String>) {
    let reader = daemon.reader();
    wait("every run and every call is through", || {
        let (code, dead) = folder.cli(&["calls", "list", "--dead", "--json"]);
        assert_eq!(code, 0, "{dead}");
        let dead: Vec<String> = dead
            .lines()
            .filter_map(|l| Some(serde_json::from_str::<serde_json::Value>(l).ok()?["id"].as_str()?.to_owned()))
            .collect();
        for some in dead.chunks(100) {
            let (code, said) =
                folder.cli(&["calls", "retry"].into_iter().chain(some.iter().map(String::as_str)).collect::<Vec<_>>());
            assert_eq!(code, 0, "{said}");
        }
        let left = |prefix| reader.scan(prefix, None, 1).unwrap().is_empty();
        (left(prefix::CALL) && left(prefix::RUN)).then_some(())
    });
    wait("every hold was said", || tickets.iter().all(|t| !field_of(&reader, "ticket", t, "held").is_empty()).then_some(()));
}

/// Compares everything with everything. The daemon must be at rest.
pub fn balance(reader: &Reader, acknowledged: &Acknowledged, sink: &Sink) -> Balance {
    let events = reader.events(0, ALL).unwrap();
    let mut stored: BTreeMap<(String, String), u64> = BTreeMap::new();
    for event in events.iter().map(|s| &s.event) {
        if let Some(delivery) = &event.delivery
            && matches!(&*event.origin, "crm" | "pay")
        {
            let twice = stored.insert((event.origin.clone(), delivery.clone()), event.seq);
            assert_eq!(twice, None, "{delivery} stands twice");
        }
    }
    let ledger: BTreeMap<_, _> = acknowledged.iter().map(|(known, (_, seq))| (known.clone(), *seq)).collect();
    let lost: Vec<_> = ledger.iter().filter(|(known, seq)| stored.get(*known) != Some(seq)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert_eq!(ledger.len(), stored.len(), "there is more than was sent");

    // Inside, once: by the fields that count, and by the log.
    let mut seen: BTreeMap<&String, usize> = BTreeMap::new();
    for ((source, _), (ticket, _)) in acknowledged {
        *seen.entry(ticket).or_default() += usize::from(source == "crm");
    }
    for (ticket, count) in &seen {
        let fields = ["seen", "held", "passed"].map(|f| field_of(reader, "ticket", ticket, f));
        assert_eq!(fields, [count.to_string(), "1".into(), "1".into()], "seen, held, passed of {ticket}");
    }
    let lines = |action: &str, outcome| lines(reader, action, outcome);
    for (action, outcome, count) in [
        ("start", Outcome::Fired, seen.len()),
        ("wait", Outcome::Done, seen.len()),
        ("approve", Outcome::Fired, seen.len()),
        ("decide", Outcome::Done, seen.len()),
        ("end", Outcome::Done, seen.len()),
    ] {
        assert_eq!(lines(action, outcome).len(), count, "{action} {}", outcome.word());
    }
    let mut ticks = BTreeSet::new();
    for tick in events.iter().filter(|s| s.event.name == "ifthen.every.心跳") {
        let body = serde_json::to_string(&tick.event.body).unwrap();
        assert!(ticks.insert(body.clone()), "ticked twice: {body}");
    }
    for (what, prefix) in [("rolled back", prefix::PARKED), ("in quarantine", prefix::QUARANTINE)] {
        assert_eq!(reader.scan(prefix, None, 1).unwrap().len(), 0, "{what}");
    }

    // Outside, at least once, under one key each, and with nothing that was not ordered.
    let ordered: Vec<String> = lines("http", Outcome::Fired).iter().map(call).collect();
    let (instance, arrived) = (reader.instance().unwrap(), sink.arrived());
    let deliveries: usize = seen.values().sum();
    assert_eq!(ordered.len(), deliveries + seen.len(), "a call for each delivery, and one for each ticket");
    let keys: BTreeSet<String> = ordered.iter().map(|call| format!("{instance}-{call}")).collect();
    let came: BTreeSet<String> = arrived.keys().cloned().collect();
    assert!(came == keys, "never arrived: {:?}; not ordered: {:?}", keys.difference(&came), came.difference(&keys));
    let mut said = BTreeSet::new();
    for (key, what) in &arrived {
        assert_eq!(what.said.len(), 1, "{key} said different things: {what:?}");
        assert!(said.insert(what.said.first().unwrap()), "two keys said {:?}", what.said);
    }
    for ((source, delivery), (ticket, _)) in acknowledged {
        let expect = match &**source {
            "crm" => format!(r#"/seen {{"delivery":"{delivery}","ticket":"{ticket}"}}"#),
            _ => format!(r#"/ship {{"ticket":"{ticket}"}}"#),
        };
        assert!(said.contains(&expect), "{expect} never arrived; there is {:?}", said.first());
    }
    Balance {
        events: events.len(),
        deliveries: stored.len(),
        tickets: seen.len(),
        calls: ordered.len(),
        requests: arrived.values().map(|a| a.times).sum(),
        unknown: lines("http", Outcome::Unknown).len(),
        ticks: ticks.len(),
    }
}

fn lines(reader: &Reader, action: &str, outcome: Outcome) -> Vec<Line> {
    reader.log(&Filter { action: Some(action.into()), outcome: Some(outcome), ..Filter::default() }, 0, ALL).unwrap()
}

fn call(line: &Line) -> String {
    line.detail.at(&["call"]).unwrap().to_string()
}
