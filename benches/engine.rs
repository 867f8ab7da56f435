//! The pure parts by themselves: a condition beside the same test written in Rust, rules found among many, a template, an event decided.
//! `cargo bench --bench engine`; with a name, only that.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark prints, and ends where something is not as it must be"
)]

use std::borrow::Cow;
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use ifthen::config;
use ifthen::engine::cascade;
use ifthen::engine::definition::Definitions;
use ifthen::engine::event::{Body, Draft, RecordRef, Upsert};
use ifthen::engine::expression::Expr;
use ifthen::engine::scope::{Scope, Stop};
use ifthen::engine::state::{Need, State};
use ifthen::engine::template::Template;
use ifthen::engine::value::{Map, Value, from_json};
use jiff::Timestamp;

const LEAD: &str =
    r#"{"id":"L1","name":"王小明","region":"r7","level":"B","score":42,"mobile":"13800138000","email":"wang@example.com"}"#;

/// A record's fields, as conditions see them.
struct Fields(Value);

impl Scope for Fields {
    fn name(&self, path: &[String]) -> Result<Cow<'_, Value>, Stop> {
        Ok(self.0.at(path).map_or(Cow::Owned(Value::Null), Cow::Borrowed))
    }
    fn at_hand(&self, path: &[String]) -> Option<&Value> {
        self.0.at(path)
    }
    fn now(&self) -> jiff::Zoned {
        Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC)
    }
    fn changed(&self, _: &str) -> bool {
        false
    }
}

/// Three comparisons; and the same in Rust.
fn condition(c: &mut Criterion) {
    let fields = Fields(from_json(LEAD.as_bytes()).unwrap());
    let condition = Expr::parse_condition("region == 'r7' and score > 10 and level != 'C'").unwrap();
    assert!(condition.test(&fields).unwrap());
    let mut group = c.benchmark_group("condition");
    group.bench_function("three comparisons", |b| b.iter(|| condition.test(black_box(&fields)).unwrap()));
    let ten = rust_decimal::Decimal::TEN;
    group.bench_function("the same in Rust", |b| {
        b.iter(|| {
            let Value::Map(lead) = &black_box(&fields).0 else { unreachable!() };
            let text = |name| lead.get(name).and_then(Value::as_text);
            let score = if let Some(Value::Number(n)) = lead.get("score") { Some(*n) } else { None };
            text("region") == Some(black_box("r7"))
                && score.is_some_and(|n| n > black_box(ten))
                && text("level") != Some(black_box("C"))
        });
    });
    let template = Template::parse("{{ name }} {{ mobile }} 来自{{ region }}").unwrap();
    group.bench_function("template", |b| b.iter(|| template.render(black_box(&fields)).unwrap()));
    group.finish();
}

/// So many rules with three predicates each, of which an event meets one in a thousand.
fn rules(count: usize) -> (tempfile::TempDir, Definitions, Duration) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("rules")).unwrap();
    let config = "definitions: [rules]\nsources:\n  crm: { webhook: {}, event: lead.scored }\n";
    std::fs::write(dir.path().join("config.yaml"), config).unwrap();
    let entity = "entities:\n  lead:\n    key: id\n    fields: { id: text, name: text, region: text, level: text, score: number, mobile: text, email: text }\n";
    std::fs::write(dir.path().join("rules/entity.yaml"), entity).unwrap();
    for (file, part) in (0..count).collect::<Vec<_>>().chunks(1_000).enumerate() {
        let mut text = String::from("rules:\n");
        for n in part {
            let region = n % 1_000;
            writeln!(text, "  r{n}: {{ when: lead.scored, if: \"region == 'r{region}' and score > 10 and level != 'C'\", then: [{{ log: \"{n}\" }}] }}").unwrap();
        }
        std::fs::write(dir.path().join(format!("rules/{file:03}.yaml")), text).unwrap();
    }
    let begun = Instant::now();
    let loaded = config::load(&dir.path().join("config.yaml"), &config::Options::default());
    let took = begun.elapsed();
    let loaded = loaded.unwrap_or_else(|report| panic!("{} problems", report.problems.len()));
    (dir, loaded.definitions, took)
}

/// Those that hold for an event, of 10 to 100,000; each look timed by itself.
fn matching(_: &mut Criterion) {
    println!("\nmatching: rules with three predicates, one in a thousand holds");
    println!("| rules | read and compiled in | hold | p50 | p99 |\n|---|---|---|---|---|");
    for count in [10, 1_000, 10_000, 100_000] {
        let (_dir, definitions, took) = rules(count);
        let fields = Fields(from_json(LEAD.as_bytes()).unwrap());
        let (mut times, mut hold) = (Vec::new(), 0);
        for _ in 0..20_000 {
            let begun = Instant::now();
            let found = definitions.index.rules_for("lead.scored", |path| fields.name(path).ok());
            hold = found
                .iter()
                .filter(|at| definitions.rules[**at].condition.as_ref().is_none_or(|c| c.test(&fields).unwrap()))
                .count();
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        let [p50, p99] = [times.len() / 2, times.len() * 99 / 100].map(|at| times[at]);
        println!("| {count} | {took:.2?} | {hold} | {p50:.2?} | {p99:.2?} |");
    }
}

/// A whole event, with 1,000 rules of which one fires: a record told, merged and changed, a log line.
fn decide(c: &mut Criterion) {
    let (_dir, definitions, _) = rules(1_000);
    let fields = from_json(LEAD.as_bytes()).unwrap();
    let record = RecordRef { entity: "lead".into(), id: "L1".into() };
    let upsert = Upsert { record: record.clone(), fields: fields.as_map().cloned().unwrap_or_else(Map::new), at: None };
    let now = Timestamp::UNIX_EPOCH;
    let body = Body::Happened { data: fields, upsert: Some(upsert) };
    let draft = Draft { origin: "crm".into(), record: Some(record), ..Draft::own("lead.scored", now, body) };
    c.bench_function("decide/a new record, one rule of 1,000 fires", |b| {
        b.iter(|| {
            let mut state = State::default();
            let absent = |state: &mut State, need: Need| {
                let key = need.key();
                state.load(key, None);
                Ok::<_, std::convert::Infallible>(())
            };
            let root = cascade::settle(&definitions, &mut state, draft.clone().event(1), now, absent).unwrap();
            assert_eq!(root.events.len(), 2);
            Arc::new(root)
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3)).without_plots();
    targets = condition, decide, matching
}
criterion_main!(benches);
