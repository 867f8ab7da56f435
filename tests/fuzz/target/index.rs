//! The index of rules against a plain scan: random rules and events, and the rules that fire, or cannot be told, are those of a
//! scan over all of them, in their order; what the index offers is what waits for such an event, each once.

use std::borrow::Cow;
use std::sync::LazyLock;

use ifthen::engine::definition::{Definitions, Rule};
use ifthen::engine::event::{Body, Draft, RecordRef};
use ifthen::engine::expression::Expr;
use ifthen::engine::log::Outcome;
use ifthen::engine::record::Record;
use ifthen::engine::scope::{Scope, Stop};
use ifthen::engine::state::{Entry, Key};
use ifthen::engine::trigger::Trigger;
use ifthen::engine::value::{Map, Value};
use jiff::Timestamp;

use super::definitions::{self, Decided};
use crate::feed::Feed;

const NOW: &str = "2026-09-21T01:00:00Z";
const NAMES: [&str; 8] = ["page.viewed", "page.left", "lead.paid", "客户.新建", "page", "a.b.a.b", "a.b", "paid"];
const PATTERNS: [&str; 10] = ["page.*", "*.viewed", "*", "客户.*", "a.b*a.b", "*a*b*", "**", "page.viewed*", "*.", "a*b.a*b"];
const LEVELS: [&str; 4] = ["A", "B", "一级", ""];

/// Of conditions: equalities that an index may go by, ranges, what cannot be told, and none of it.
static CONDITIONS: LazyLock<Vec<Option<Expr>>> = LazyLock::new(|| {
    let texts = [
        "name == 'A'",
        "name == 'B' and score > 3",
        "name in ['A', '一级']",
        "name != 'A'",
        "not (name == 'A')",
        "name == 'A' or name == 'B'",
        "score > 3",
        "score >= 3 and score <= 5",
        "score < 3 or name == 'A'",
        "score == 3",
        "score == 3.0",
        "event.page == 'A'",
        "event.page == 'B' and name == 'A'",
        "stage == 'new'",
        "is_empty(name)",
        "amount > 3 and name == 'A'",
        "name == 'A' and amount > 3",
        "name == event.page",
        "'A' == name",
        "event.n == 3",
        "at == '2026-09-21 09:00'",
        "at == 3",
        "at == true and score > 3",
        "at in ['A', '2026-09-21T01:00:00Z']",
        "at",
        "name == 'A' and at == 'B'",
        "true",
    ];
    let parsed = |text: &str| Some(Expr::parse_condition(text).unwrap_or_else(|e| panic!("{text}: {e:?}")));
    [None].into_iter().chain(texts.into_iter().map(parsed)).collect()
});

/// The bytes are rules and events.
pub(super) fn run(data: &[u8]) {
    let mut feed = Feed::new(data);
    let count = 1 + feed.below(40);
    let rules = (0..count).map(|n| rule(&mut feed, n)).collect();
    let definitions = Definitions { rules, ..definitions::usual().clone() };
    let definitions = Definitions { flows: Default::default(), ..definitions }.seal();
    for _ in 0..4 {
        event(&mut feed, &definitions);
        if feed.is_empty() {
            return;
        }
    }
}

fn rule(feed: &mut Feed<'_>, n: usize) -> Rule {
    let when = (0..1 + feed.below(3)).map(|_| trigger(feed)).collect();
    Rule {
        id: format!("规则{n}"),
        place: format!("rules/a.yaml:{n}"),
        when,
        condition: CONDITIONS[feed.below(CONDITIONS.len())].clone(),
        priority: i64::from(feed.byte() / 86) - 1,
        enabled: feed.below(8) != 7,
        ..Rule::default()
    }
}

fn trigger(feed: &mut Feed<'_>) -> Trigger {
    match feed.below(8) {
        0..=3 => Trigger::Event(feed.pick(&NAMES).into()),
        4 => Trigger::Event(feed.pick(&PATTERNS).into()),
        5 => Trigger::Timed { event: feed.pick(&NAMES).into(), text: "周报".into() },
        6 => Trigger::Event("lead.changed".into()),
        _ => {
            let mut values = || (0..feed.below(3)).map(|_| Value::from(feed.pick(&LEVELS))).collect::<Vec<_>>();
            let (from, to) = (values(), values());
            Trigger::Changed {
                entity: feed.pick(&["lead", "deal"]).into(),
                field: feed.pick(&["name", "stage"]).into(),
                from,
                to,
            }
        }
    }
}

fn event(feed: &mut Feed<'_>, definitions: &Definitions) {
    let now: Timestamp = NOW.parse().unwrap();
    let (name, score) = (feed.pick(&LEVELS), i64::try_from(feed.below(8)).unwrap());
    let mut fields = Map::from([("score".to_owned(), score.into())]);
    if !name.is_empty() {
        fields.insert("name".into(), name.into());
    }
    let mut data = Map::from([("n".to_owned(), score.into())]);
    if feed.flag() {
        data.insert("page".into(), feed.pick(&LEVELS).into());
    }
    // Of any kind, whatever it is compared with.
    let at: [Value; 6] = [Value::Null, now.into(), 3i64.into(), true.into(), "A".into(), vec!["A"].into()];
    fields.insert("at".into(), at[feed.below(at.len())].clone());
    let record = RecordRef { entity: "lead".into(), id: "L1".into() };
    let (called, body) = match feed.below(4) {
        0 => {
            let (field, was, is) = (feed.pick(&["name", "stage"]), feed.pick(&LEVELS), feed.pick(&LEVELS));
            let map = |value: &str| Map::from([(field.to_owned(), value.into())]);
            fields.insert(field.into(), is.into());
            data.clear();
            ("lead.changed", Body::Changed { old: map(was), new: map(is), by: "crm".into() })
        }
        _ => (feed.pick(&NAMES), Body::Happened { data: Value::Map(data.clone()), upsert: None }),
    };
    let draft = Draft { origin: "crm".into(), record: Some(record.clone()), ..Draft::own(called, now, body) };
    let event = draft.event(7);

    let scope = Plain { fields: Value::Map(fields.clone()), data: Value::Map(data) };
    let scanned = definitions.rules.iter().enumerate().filter(|(_, r)| r.enabled && r.when.iter().any(|t| concerns(t, called)));
    let scanned: Vec<usize> = scanned.map(|(n, _)| n).collect();
    assert_eq!(definitions.index.rules(called), scanned, "candidates for {called}: {:?}", definitions.rules);
    let expected: Vec<(String, Outcome)> = definitions
        .rules
        .iter()
        .filter(|r| r.enabled && r.when.iter().any(|t| wakes(t, called, &event.body)))
        .filter_map(|rule| match rule.condition.as_ref().map_or(Ok(true), |c| c.test(&scope)) {
            Ok(holds) => holds.then(|| (rule.id.clone(), Outcome::Fired)),
            Err(_) => Some((rule.id.clone(), Outcome::Failed)),
        })
        .collect();

    let mut decided = Decided::new(definitions, now);
    let told = Record { fields, ..Record::default() };
    decided.know(Key::Record(record), Entry::Record(told.into()));
    let log = decided.decide(event);
    let fired: Vec<(String, Outcome)> =
        log.into_iter().filter(|l| l.action == "rule").filter_map(|l| Some((l.rule?, l.outcome))).collect();
    assert_eq!(fired, expected, "{called} {:?}", definitions.rules);
}

/// Whether it waits for events of that name, by a matcher of its own.
fn concerns(trigger: &Trigger, name: &str) -> bool {
    match trigger {
        Trigger::Event(pattern) => like(pattern.as_bytes(), name.as_bytes()),
        Trigger::Timed { event, .. } => event == name,
        Trigger::Changed { entity, .. } => name == format!("{entity}.changed"),
        Trigger::Aged { .. } => false,
    }
}

fn like(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([b'*', rest @ ..], _) => (0..=name.len()).any(|n| like(rest, &name[n..])),
        ([p, rest @ ..], [n, name @ ..]) => p == n && like(rest, name),
        (pattern, name) => pattern.is_empty() && name.is_empty(),
    }
}

fn wakes(trigger: &Trigger, name: &str, body: &Body) -> bool {
    let (Trigger::Changed { entity, field, from, to }, Body::Changed { old, new, .. }) = (trigger, body) else {
        return concerns(trigger, name) && !matches!(trigger, Trigger::Changed { .. });
    };
    let counts = |values: &[Value], value: Option<&Value>| value.is_some_and(|v| values.is_empty() || values.contains(v));
    entity == "lead" && counts(from, old.get(field)) && counts(to, new.get(field))
}

/// The record and the event's data.
struct Plain {
    fields: Value,
    data: Value,
}

impl Scope for Plain {
    fn name(&self, path: &[String]) -> Result<Cow<'_, Value>, Stop> {
        let found = if path[0] == "event" { self.data.at(&path[1..]) } else { self.fields.at(path) };
        Ok(found.map_or(Cow::Owned(Value::Null), Cow::Borrowed))
    }
    fn now(&self) -> jiff::Zoned {
        NOW.parse::<Timestamp>().unwrap().to_zoned(definitions::usual().zone.0.clone())
    }
    fn changed(&self, _: &str) -> bool {
        false
    }
}
