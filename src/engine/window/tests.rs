//! Windows against a recount of everything that ever happened, on histories with late events, refunds and month ends, several
//! subjects, records that are merged and parted again, restarts and changed definitions; and what an event costs.

mod chunks;
mod filled;
mod people;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::kept::{Head, Item, MAX_ITEMS};
use super::{Function, Window};
use crate::engine::binding::{Bound, Let};
use crate::engine::cascade::{Root, settle};
use crate::engine::definition::{Action, Definitions, Deliver, Rule, Zone};
use crate::engine::dispatch::Dispatch;
use crate::engine::entity::Entity;
use crate::engine::event::{Body, Command, Draft, Event, RecordRef};
use crate::engine::log::Line;
use crate::engine::merge::{Ask, Undoing};
use crate::engine::record::Record;
use crate::engine::span::Span;
use crate::engine::state::{Entry, Key, Need, State};
use crate::engine::sweep::Source;
use crate::engine::template::Template;
use crate::engine::trigger::Trigger;
use crate::engine::value::{Map, Value};
use people::{Paid, People};

const ZONE: &str = "Asia/Shanghai";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn window(within: &str, function: Function, filter: Option<&str>, awaited: bool) -> Let {
    let of = match function {
        Function::Count => None,
        Function::Distinct | Function::First | Function::Last => Some("event.sort"),
        _ => Some("event.amount"),
    };
    let expr = |t: &str| crate::engine::expression::Expr::parse(t).unwrap();
    let window = Window {
        id: format!("{within}-{filter:?}-{}-{awaited}", function.keeps().word()).replace('/', "-"),
        event: "order.paid".into(),
        filter: filter.map(expr),
        of: of.map(expr),
        keeps: function.keeps(),
        within: Span::parse(within).unwrap(),
        by: None,
        awaited,
    };
    Let { name: function.word().into(), is: Bound::Window(Arc::new(window), function) }
}

fn rule(id: &str, when: Vec<Trigger>, lets: Vec<Let>) -> Rule {
    let text: String = lets.iter().map(|l| format!("{{{{ {} }}}} ", l.name)).collect();
    Rule {
        id: id.into(),
        title: None,
        place: String::new(),
        when,
        lets,
        condition: None,
        then: vec![Action::Log(Template::parse(&text).unwrap())],
        otherwise: Vec::new(),
        priority: 0,
        stop: false,
        enabled: true,
        calendar: None,
        gates: Default::default(),
        deliver: Deliver::Live,
    }
}

/// All functions on every order, and how many are left whenever one ages out.
fn definitions(within: &str, filter: Option<&str>) -> Definitions {
    let all = Function::ALL.iter().map(|(_, f)| window(within, *f, filter, false)).collect();
    let left = window(within, Function::Count, filter, true);
    let Bound::Window(aged, _) = &left.is else { panic!() };
    let aged = Trigger::Aged { name: "count".into(), window: aged.id.clone() };
    Definitions {
        zone: Zone(TimeZone::get(ZONE).unwrap()),
        entities: [("customer".to_owned(), Entity { key: "id".into(), ..Entity::default() })].into(),
        rules: vec![rule("all", vec![Trigger::Event("order.paid".into())], all), rule("left", vec![aged], vec![left])],
        ..Definitions::default()
    }
    .seal()
}

/// The engine over a store that holds text, as a database does.
struct Engine {
    definitions: Definitions,
    store: BTreeMap<String, String>,
    events: Vec<Event>,
    state: State,
    dispatch: Dispatch,
    seq: u64,
    now: Timestamp,
    log: Vec<Line>,
    /// Whether what changes is written: not where only its size is looked at.
    stores: bool,
}

struct Stored<'a>(&'a BTreeMap<String, String>, &'a [Event]);

impl Source<Infallible> for Stored<'_> {
    fn keys(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, Infallible> {
        let after = after.map(ToString::to_string).unwrap_or_default();
        let keys = self.0.keys().filter(|k| k.starts_with(prefix) && **k > after);
        Ok(keys.take(limit).map(|k| k.parse().unwrap()).collect())
    }
    fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, Infallible> {
        Ok(self.1.iter().filter(|e| e.seq > after).take(limit).cloned().collect())
    }
}

impl Engine {
    fn new(definitions: Definitions, now: Timestamp) -> Self {
        let (mut store, events, log) = (BTreeMap::new(), Vec::new(), Vec::new());
        for n in 0..PEOPLE {
            let record = Entry::Record(Arc::new(Record::default()));
            store.insert(Key::Record(customer(n)).to_string(), serde_json::to_string(&record).unwrap());
        }
        let (state, dispatch) = (State::default(), Dispatch::default());
        Self { definitions, store, events, state, dispatch, seq: 1, now, log, stores: true }
    }

    fn decide(&mut self, draft: Draft) -> Root {
        let store = &self.store;
        let load = |state: &mut State, need: Need| -> Result<(), Infallible> {
            let key = need.key();
            let entry = store.get(&key.to_string()).map(|text| Arc::new(serde_json::from_str::<Entry>(text).unwrap()));
            state.load(key, entry);
            Ok(())
        };
        let Ok(done) = settle(&self.definitions, &mut self.state, draft.event(self.seq), self.now, load);
        self.state.publish(usize::MAX);
        self.seq += done.events.len() as u64;
        for (_, change) in &done.changes {
            self.dispatch.apply(change);
            match &change.entry {
                _ if !self.stores => None,
                Some(entry) => self.store.insert(change.key.to_string(), serde_json::to_string(entry).unwrap()),
                None => self.store.remove(&change.key.to_string()),
            };
        }
        self.events.extend(done.events.iter().cloned());
        self.log.extend(done.log.iter().cloned());
        done
    }

    /// Nothing is known but what is in the store.
    fn restart(&mut self) {
        self.state = State::default();
        self.dispatch = Dispatch::default();
        for (key, text) in &self.store {
            let key: Key = key.parse().unwrap();
            if let Key::Timer(_) | Key::Sweep(_) = key {
                let entry = Some(Arc::new(serde_json::from_str(text).unwrap()));
                self.dispatch.apply(&crate::engine::state::Change { key, entry });
            }
        }
    }

    /// Time passes, and what is due happens at its time.
    fn pass(&mut self, until: Timestamp) {
        while let Some(wake) = self.dispatch.wake(&self.definitions, self.now).filter(|w| *w <= until) {
            self.now = self.now.max(wake);
            let due = self.dispatch.due(&self.definitions, self.now);
            for draft in &due {
                self.decide(draft.clone());
            }
            self.dispatch.give_up(&due);
        }
        self.now = until;
    }

    fn load(&mut self, definitions: Definitions) {
        self.definitions = definitions;
        let body = Body::Loaded { hash: "x".into(), detail: Value::Null };
        self.decide(Draft::own("ifthen.loaded", self.now, body));
    }

    /// One slice of each sweep; whether there was one.
    fn sweep(&mut self) -> bool {
        let Ok(slices) = self.dispatch.slices(self.now, &Stored(&self.store, &self.events));
        for draft in &slices {
            self.decide(draft.clone());
        }
        self.dispatch.give_up(&slices);
        !slices.is_empty()
    }

    /// A person asks for something; whether it was done.
    fn command(&mut self, command: Command) -> bool {
        let done = self.decide(Draft::own("ifthen.command", self.now, Body::Command(command)));
        done.log.iter().all(|l| l.outcome == crate::engine::log::Outcome::Done)
    }

    fn merge(&mut self, winner: usize, loser: usize) -> bool {
        self.command(Command::Merge(Ask { winner: customer(winner), loser: customer(loser), by: "张三".into() }))
    }

    fn paid(&mut self, subject: usize, at: Timestamp, amount: i64, sort: &str) -> (u64, Root) {
        let record = customer(subject);
        let amount = Value::Number(Decimal::new(amount, 2));
        let data = Value::Map(Map::from([("amount".to_owned(), amount), ("sort".to_owned(), sort.into())]));
        let seq = self.seq;
        let own = Draft::own("order.paid", self.now, Body::Happened { data, upsert: None });
        (seq, self.decide(Draft { at, record: Some(record), origin: "shop".into(), ..own }))
    }
}

fn customer(n: usize) -> RecordRef {
    RecordRef { entity: "customer".into(), id: format!("客户{n}") }
}

/// What a rule logged for an event, or why it could not.
fn said(root: &Root, rule: &str) -> Option<Result<String, String>> {
    let text = |line: &Line, name: &str| line.detail.at(&[name]).map(ToString::to_string).unwrap_or_default();
    let line = root.log.iter().find(|l| l.rule.as_deref() == Some(rule) && l.action == "log")?;
    Some(if line.outcome == crate::engine::log::Outcome::Done { Ok(text(line, "text")) } else { Err(text(line, "error")) })
}

/// What the functions come to by counting everything again.
fn recount(all: &[Paid], subject: usize, t: Timestamp, within: &Span, filtered: bool) -> String {
    let zone = TimeZone::get(ZONE).unwrap();
    let counts = |p: &&Paid| p.at <= t && t < within.after(p.at, &zone, None).unwrap();
    let mut now: Vec<&Paid> =
        all.iter().filter(|p| p.subject == subject && (!filtered || p.sort != "退款")).filter(counts).collect();
    now.sort_by_key(|p| (p.at, p.seq));
    let money = |cents: i64| Decimal::new(cents, 2);
    let sum: Decimal = now.iter().map(|p| money(p.amount)).sum();
    let sum = if now.is_empty() { Decimal::ZERO } else { sum };
    let text = |n: Option<Decimal>| n.map(|n| n.to_string()).unwrap_or_default();
    let avg = (!now.is_empty()).then(|| (sum / Decimal::from(now.len())).normalize());
    let (min, max) = (now.iter().map(|p| money(p.amount)).min(), now.iter().map(|p| money(p.amount)).max());
    let sorts: std::collections::BTreeSet<&str> = now.iter().map(|p| p.sort).collect();
    let (first, last) = (now.first().map_or("", |p| p.sort), now.last().map_or("", |p| p.sort));
    format!("{} {sum} {} {} {} {} {first} {last} ", now.len(), text(avg), text(min), text(max), sorts.len())
}

fn same(a: &str, b: &str) -> bool {
    let number = |t: &str| t.parse::<Decimal>().map_or_else(|_| t.to_owned(), |n| n.normalize().to_string());
    a.split(' ').map(number).eq(b.split(' ').map(number))
}

#[derive(Debug, Clone)]
enum Step {
    /// Minutes pass, then somebody pays (or is paid back), so many minutes ago.
    Paid {
        subject: usize,
        pass: i64,
        late: i64,
        amount: i64,
        sort: &'static str,
    },
    Restart,
    /// One becomes another's.
    Merge(usize, usize),
    Unmerge(usize),
    /// Other definitions: another time, or a condition.
    Redefine(usize, bool),
    Sweep,
}

const PEOPLE: usize = 4;
const TIMES: [&str; 5] = ["3 months", "7d", "36h", "1 month", "1 month 2d"];

fn step(pace: i64) -> impl Strategy<Value = Step> {
    let sort = prop_oneof![Just("线上"), Just("门店"), Just("退款"), Just("电话")];
    let late = prop_oneof![6 => Just(0i64), 3 => 0..90i64, 2 => 0..1_440i64, 1 => 0..20_000i64];
    let paid = (0..PEOPLE, 0..pace, late, -50_000..200_000i64, sort).prop_map(|(subject, pass, late, amount, sort)| Step::Paid {
        subject,
        pass,
        late,
        amount,
        sort,
    });
    let merge = (0..PEOPLE, 0..PEOPLE).prop_map(|(a, b)| Step::Merge(a, b));
    let redefine = (0..TIMES.len(), any::<bool>()).prop_map(|(t, f)| Step::Redefine(t, f));
    let unmerge = (0..PEOPLE).prop_map(Step::Unmerge);
    prop_oneof![120 => paid, 4 => Just(Step::Restart), 2 => redefine, 4 => Just(Step::Sweep), 3 => merge, 3 => unmerge]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop_oneof![Just((4i64, 500usize)), Just((240, 200)), Just((4_000, 120))]
        .prop_flat_map(|(pace, most)| proptest::collection::vec(step(pace), 1..most))
}

fn play(steps: Vec<Step>) {
    let filter = |filtered: bool| filtered.then_some("event.sort != '退款'");
    let mut engine = Engine::new(definitions(TIMES[0], None), at("2026-11-26T03:00:00Z"));
    engine.load(definitions(TIMES[0], None));
    let (mut within, mut filtered) = (Span::parse(TIMES[0]).unwrap(), false);
    let (mut people, mut filling, mut told) = (People::new(PEOPLE), false, 0);
    for step in steps {
        match step {
            Step::Restart => engine.restart(),
            Step::Redefine(time, f) => {
                let new = (Span::parse(TIMES[time]).unwrap(), f);
                if new != (within, filtered) {
                    (within, filtered) = new;
                    people.recounted();
                    engine.load(definitions(TIMES[time], filter(f)));
                    filling = true;
                }
            }
            Step::Sweep => while engine.sweep() {},
            Step::Merge(winner, loser) => {
                let done = people.merge(winner, loser, filling);
                assert_eq!(engine.merge(winner, loser), done);
            }
            Step::Unmerge(loser) => {
                if let Some(done) = people.unmerge(loser, filling) {
                    while engine.sweep() {}
                    assert_eq!(engine.command(Command::Unmerge(Undoing { record: customer(loser), by: String::new() })), done);
                }
            }
            Step::Paid { subject, pass, late, amount, sort } => {
                engine.pass(engine.now + SignedDuration::from_mins(pass));
                filling = filling && engine.sweep();
                let when = engine.now - SignedDuration::from_mins(late);
                let (seq, root) = engine.paid(subject, when, amount, sort);
                people.paid(seq, subject, when, amount, sort);
                let expected = recount(&people.all, people.resolve(subject), when, &within, filtered);
                match said(&root, "all").unwrap_or_else(|| panic!("{:?}", root.log)) {
                    _ if filling => {}
                    Ok(found) => assert!(same(&found, &expected), "{seq} at {when}: {found} instead of {expected}"),
                    Err(why) => assert!(late > 1_440 && why.contains("too late"), "{seq}: {why}"),
                }
            }
        }
        // Whatever aged out was told of, as of its time.
        for line in engine.log.iter().skip(told).filter(|l| l.rule.as_deref() == Some("left") && l.action == "log" && !filling) {
            let event = engine.events.iter().find(|e| e.seq == line.event).unwrap();
            let subject = event.record.as_ref().unwrap().id.trim_start_matches("客户").parse().unwrap();
            let known: Vec<Paid> = people.all.iter().filter(|p| p.seq < event.seq).cloned().collect();
            let expected = recount(&known, subject, event.at, &within, filtered);
            match line.detail.at(&["text"]) {
                Some(text) => {
                    assert_eq!(text.to_string().trim(), expected.split(' ').next().unwrap(), "aged at {}", event.at);
                }
                // Of something that came days late and had aged out by then.
                None => assert!(event.received.duration_since(event.at) > SignedDuration::from_hours(24), "{line:?}"),
            }
        }
        told = engine.log.len();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn windows_are_what_a_recount_says(steps in steps()) {
        play(steps);
    }
}

#[test]
fn everything_that_ages_out_is_told_of_once_and_on_time() {
    let mut engine = Engine::new(definitions("3 months", None), at("2026-11-26T03:00:00Z"));
    let mut ends = Vec::new();
    // Across the ends of November: three days end on one.
    for hours in [0, 5, 40, 41, 60, 61, 70, 90, 99, 120] {
        engine.pass(at("2026-11-26T03:00:00Z") + SignedDuration::from_hours(hours));
        engine.paid(1, engine.now, 100, "线上");
        ends.push(Span::parse("3 months").unwrap().after(engine.now, &TimeZone::get(ZONE).unwrap(), None).unwrap());
    }
    engine.restart();
    engine.pass(at("2027-06-01T00:00:00Z"));
    let aged = engine.events.iter().filter(|e| e.name.starts_with(super::AGED));
    let aged: Vec<Timestamp> = aged.map(|e| e.at).collect();
    ends.sort();
    ends.dedup();
    assert_eq!(aged, ends);
    assert!(engine.store.keys().all(|k| !k.starts_with("timer/")), "nothing is waited for any more");
}

#[test]
fn a_window_that_comes_back_knows_what_happened_meanwhile() {
    let mut engine = Engine::new(definitions("7d", None), at("2026-09-21T01:00:00Z"));
    engine.load(definitions("7d", None));
    for n in 0..500 {
        engine.pass(engine.now + SignedDuration::from_mins(10));
        engine.paid(1, engine.now, 100, "线上");
        if n == 100 || n == 300 {
            engine.load(definitions(if n == 100 { "36h" } else { "7d" }, None));
        }
        if n == 350 {
            let of_seven = |k: &&String| k.starts_with("window/7d") || k.starts_with("items/7d");
            assert!(engine.store.keys().filter(of_seven).count() > 0);
            while engine.sweep() {}
            assert!(engine.store.keys().all(|k| !k.starts_with("window/36h") && !k.starts_with("items/36h")), "removed");
        }
    }
    let (_, root) = engine.paid(1, engine.now, 100, "线上");
    assert!(said(&root, "all").unwrap().unwrap().starts_with("501 501.00 "), "{:?}", said(&root, "all"));
    let fill = engine.log.iter().filter(|l| l.action == "fill").count();
    assert_eq!(fill, 2);
}

#[test]
fn a_busy_subject_costs_a_bounded_write_and_says_when_it_is_too_much() {
    let lets = vec![window("90d", Function::Count, None, false), window("90d", Function::Sum, None, false)];
    let windows: Vec<Let> = lets.clone();
    let rules = vec![rule("all", vec![Trigger::Event("order.paid".into())], lets)];
    let zone = Zone(TimeZone::get(ZONE).unwrap());
    let mut engine = Engine::new(Definitions { zone, rules, ..Definitions::default() }.seal(), at("2026-09-21T01:00:00Z"));
    engine.stores = false;
    // Nearly full already.
    let minute = |n: usize| at("2026-09-21T01:00:00Z") + SignedDuration::from_mins(n as i64);
    let full = MAX_ITEMS - 200;
    for bound in &windows {
        let Bound::Window(window, function) = &bound.is else { panic!() };
        let (mut head, subject) = (Head::new(0), "customer/客户1".to_owned());
        for n in 0..full {
            let value = if *function == Function::Count { Value::Null } else { Value::Number(Decimal::new(100, 2)) };
            let item = Item { at: minute(n), seq: n as u64, value };
            let written = head.put(item, &|_| panic!("nothing comes late")).unwrap();
            for (n, items) in written {
                let key = Key::Items { window: window.id.clone(), n, subject: subject.clone() };
                engine.state.load(key, items.map(|i| Arc::new(Entry::Items(Arc::new(i)))));
            }
        }
        let (head, chunks) = head.apart();
        let index = Key::Items { window: window.id.clone(), n: 0, subject: subject.clone() };
        engine.state.load(index, Some(Arc::new(Entry::Chunks(Arc::new(chunks)))));
        engine.state.load(Key::Window { window: window.id.clone(), subject }, Some(Arc::new(Entry::Window(Arc::new(head)))));
    }
    let (mut most, mut entries, mut last, mut all) = (0, 0, None, Vec::new());
    for n in full..MAX_ITEMS + 50 {
        engine.now = minute(n);
        let (_, root) = engine.paid(1, engine.now, 100, "线上");
        let bytes = |e: &Arc<Entry>| serde_json::to_string(e).unwrap().len();
        let written = root.changes.iter().filter_map(|(_, c)| c.entry.as_ref()).map(bytes).sum::<usize>();
        (most, all) = (most.max(written), [all, vec![written]].concat());
        entries = entries.max(root.changes.len());
        last = said(&root, "all");
        if n + 1 == MAX_ITEMS {
            assert_eq!(last, Some(Ok(format!("{MAX_ITEMS} {MAX_ITEMS}.00 "))));
        }
    }
    // Two windows: a head each, and now and then a chunk each, one written and one dropped, and what is known of them.
    assert!(entries <= 8, "{entries} entries");
    assert!(most < 2 * 48 * 1024, "{most} bytes");
    all.sort_unstable();
    let usual = all[all.len() / 2];
    assert!(usual < 2 * 8 * 1024, "{usual} bytes with every event");
    assert!(last.unwrap().unwrap_err().contains("more than 20000"));
    assert_eq!(engine.log.iter().filter(|l| l.action == "window").count(), 2, "once each");
}
