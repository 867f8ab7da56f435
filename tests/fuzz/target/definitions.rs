//! The YAML, as somebody writes it by hand: refused with problems that stand inside the file and can be shown, or loaded, then
//! rebuilt from its snapshot to the same, its flows read back from their stored form, and decided on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use ifthen::config::{self, Lang, Loaded, Options, Report};
use ifthen::engine::cascade::{MAX_EVENTS, settle};
use ifthen::engine::definition::{Definitions, Flow};
use ifthen::engine::event::{Body, Draft, Event, RecordRef};
use ifthen::engine::log::Line;
use ifthen::engine::state::{Key, Need, State};
use ifthen::engine::trigger::Trigger;
use ifthen::engine::value::{Map, Value};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

/// Between a `config.yaml` and the definitions; without it, all of the text is definitions.
const BETWEEN: &str = "\n%%%\n";

const CONFIG: &str = "
definitions: [rules]
connections:
  mail: { smtp: { host: 127.0.0.1, port: 25, security: none, from: sales@example.com }, retry: [1m, 5m] }
  erp: { http: { base: 'http://127.0.0.1:1' }, retry: [1m] }
  sales-dingtalk: { dingtalk: {}, deliver: preview }
  sales-wecom: { wecom: {}, deliver: preview }
sources:
  plain: { webhook: {}, event: '{{ type }}' }
  orders: { webhook: {}, event: order.placed, each: data.orders, delivery: id, time: at, record: { entity: lead, fields: { id: id, score: n, name: 买家 } } }
  crm: { webhook: {}, event: crm.lead, delivery: { header: X-Delivery-Id }, record: { entity: lead, fields: { id: id, name: 姓名, email: 邮箱, mobile: 手机, amount: 预算, stage: 阶段 }, values: { stage: { 新: new } } } }
  clouds: { webhook: {} }
  signed: { webhook: { verify: { bearer: '${file:geheim}' } }, event: page.viewed }
";

const RULES: &str = "
constants: { 门槛: 60 }
entities:
  lead: { fields: { id: text, name: text, email: email, mobile: { type: phone, country: CN }, amount: money, score: number, stage: text, owner: person } }
people: { 张三: { manager: 王总监, email: zhang@example.com, channels: [mail] }, 王总监: { roles: [director], email: wang@example.com, channels: [mail] } }
teams: { 销售: [张三] }
rules:
  新线索: { when: lead.created, then: [ { assign: { team: 销售 } }, { notify: { who: owner, text: '新线索 {{ name }}' } } ] }
  大额: { when: { changed: lead.amount }, if: 'amount > 1000 and default(score, 0) > 门槛', then: [ { tag: 大额 } ], else: [ { log: 小额 } ] }
  看了: { when: page.viewed, let: { n: { count: page.viewed, within: 7d } }, if: n >= 2, then: [ { log: '{{ event.page }} {{ n }}' } ] }
flows:
  跟进: { record: lead, when: order.placed, steps: [ { id: 批, approve: owner.manager, within: 1d, late: { end: 超时 } }, { id: 记, http: { connection: erp, post: /x, json: { id: '{{ id }}' } } } ] }
";

/// What the other targets go by.
pub(super) fn loaded() -> &'static Loaded {
    static LOADED: LazyLock<Loaded> =
        LazyLock::new(|| load(CONFIG, RULES, true).unwrap_or_else(|r| panic!("{}", r.render(Lang::En, false))));
    &LOADED
}

/// Its definitions.
pub(super) fn usual() -> &'static Definitions {
    &loaded().definitions
}

/// The text is one file of definitions, or a `config.yaml` and one.
pub(super) fn run(data: &[u8]) {
    let text = super::text(data);
    let (config, rules) = text.split_once(BETWEEN).unwrap_or((CONFIG, &text));
    // Other folders of this machine are nobody's definitions.
    if config != CONFIG && config.contains("definitions") {
        return;
    }
    match load(config, rules, false) {
        Err(report) => refused(&report, config, rules),
        Ok(loaded) => accepted(loaded, config, rules),
    }
}

fn load(config: &str, rules: &str, environment: bool) -> Result<Loaded, Report> {
    thread_local! {
        static FOLDER: RefCell<Option<TempDir>> = const { RefCell::new(None) };
    }
    FOLDER.with_borrow_mut(|folder| {
        let folder = folder.get_or_insert_with(|| TempDir::new().unwrap()).path();
        std::fs::create_dir_all(folder.join("rules")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        write("geheim", "good");
        write("config.yaml", config);
        write("rules/a.yaml", rules);
        write("rules/区域.csv", "城市,负责人\n上海,张三\n");
        config::load(&folder.join("config.yaml"), &Options { environment, ..Options::default() })
    })
}

/// Every problem has a code, a text without gaps in both languages, and a place inside the file.
fn refused(report: &Report, config: &str, rules: &str) {
    let lines = |text: &str| {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
        text.lines().map(|l| l.chars().count()).collect::<Vec<_>>()
    };
    let files: BTreeMap<&str, Vec<usize>> = [("config.yaml", lines(config)), ("a.yaml", lines(rules))].into();
    assert!(!report.problems.is_empty(), "refused without a problem");
    for lang in [Lang::En, Lang::Zh] {
        let shown = report.render(lang, false);
        let most = report.problems.len() * (16 << 10);
        assert!(shown.len() <= most, "{} problems on {} bytes", report.problems.len(), shown.len());
        let json = report.to_json(lang);
        for problem in json["problems"].as_array().unwrap() {
            let message = problem["message"].as_str().unwrap();
            assert!(!message.is_empty() && problem["code"].as_str().is_some_and(|c| c.starts_with('E')), "{problem}");
            assert!(message.contains("{0}") <= (rules.contains("{0") || config.contains("{0")), "a gap is left: {problem}");
            for at in [&problem["at"], &problem["also"]["at"]].into_iter().filter(|at| !at.is_null()) {
                inside(at, &files);
            }
        }
    }
}

fn inside(at: &serde_json::Value, files: &BTreeMap<&str, Vec<usize>>) {
    let number = |name: &str| usize::try_from(at[name].as_u64().unwrap()).unwrap();
    let name = Path::new(at["file"].as_str().unwrap()).file_name().unwrap().to_str().unwrap().to_owned();
    let Some(lines) = files.get(name.as_str()) else { return };
    let (line, column, width) = (number("line"), number("column"), number("width"));
    if line == 0 {
        return; // the file as a whole
    }
    let length = lines.get(line - 1).unwrap_or_else(|| panic!("{at} is behind the last of {} lines", lines.len()));
    assert!((1..=length + 1).contains(&column), "{at} is behind the end of a line of {length}");
    assert!(width == 1 || column + width <= length + 1, "{at} reaches beyond a line of {length}");
}

fn accepted(loaded: Loaded, config: &str, rules: &str) {
    let again = load(config, rules, false).unwrap_or_else(|r| panic!("loads once: {}", r.render(Lang::En, false)));
    assert_eq!(again.definitions.hash, loaded.definitions.hash);
    let resolved = config != CONFIG && config.contains("${") || rules.contains("${");
    let text = loaded.snapshot.to_text().unwrap();
    let kept = config::Snapshot::of_text(&text).unwrap();
    assert_eq!(kept, loaded.snapshot);
    if !resolved {
        let rebuilt = kept.rebuild(&loaded.definitions.hash).unwrap_or_else(|e| panic!("{e}"));
        assert!(rebuilt.exact, "rebuilt, it has another hash");
        assert_eq!(whole(&rebuilt.definitions), whole(&loaded.definitions));
    }
    for flow in loaded.definitions.flows.values() {
        let text = serde_json::to_string(flow.as_ref()).unwrap();
        let back: Flow = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        // What only a start needs is not stored.
        assert_eq!(back, Flow { lets: Vec::new(), ..Flow::clone(flow) }, "{text}");
    }
    play(&loaded.definitions);
}

/// All of them, but for the index, which has no order.
fn whole(definitions: &Definitions) -> String {
    format!("{:?}", Definitions { index: Default::default(), ..definitions.clone() })
}

/// One event for each thing that is waited for, and what comes of it.
fn play(definitions: &Definitions) {
    let now = "2026-09-21T01:00:00Z".parse().unwrap();
    let mut decided = Decided::new(definitions, now);
    let rules = definitions.rules.iter().flat_map(|r| &r.when);
    let flows: Vec<Arc<Flow>> = definitions.flows.values().cloned().collect();
    let triggers: Vec<&Trigger> = rules.chain(flows.iter().flat_map(|f| &f.when)).take(20).collect();
    for trigger in triggers {
        let (name, record, body) = match trigger {
            Trigger::Event(pattern) => {
                let entity = pattern.split_once('.').map(|(entity, _)| entity.to_owned());
                let data = Value::from([("page", "A产品".into()), ("amount", 9i64.into()), ("items", vec!["件"].into())]);
                (pattern.replace('*', "x"), entity, Body::Happened { data, upsert: None })
            }
            Trigger::Changed { entity, field, from, to } => {
                let one = |values: &[Value], other: &str| values.first().cloned().unwrap_or_else(|| other.into());
                let map = |value: Value| Map::from([(field.clone(), value)]);
                let (old, new) = (map(one(from, "旧")), map(one(to, "新")));
                (format!("{entity}.changed"), Some(entity.clone()), Body::Changed { old, new, by: "crm".into() })
            }
            Trigger::Timed { event, .. } => (event.clone(), None, Body::Happened { data: Value::Null, upsert: None }),
            Trigger::Aged { .. } => continue,
        };
        let entity = record.filter(|e| definitions.entities.contains_key(e));
        let record = entity.map(|entity| RecordRef { entity, id: "L1".into() });
        let draft = Draft { origin: "crm".into(), record, ..Draft::own(&name, now, body) };
        decided.happens(draft);
    }
    decided.pass(SignedDuration::from_hours(24 * 40));
}

/// Definitions, a state with nothing in it, and a clock.
pub(super) struct Decided<'d> {
    definitions: &'d Definitions,
    state: State,
    seq: u64,
    now: Timestamp,
    timers: Vec<Key>,
}

impl<'d> Decided<'d> {
    pub(super) fn new(definitions: &'d Definitions, now: Timestamp) -> Self {
        Self { definitions, state: State::default(), seq: 1, now, timers: Vec::new() }
    }

    /// What is known under a key from now on.
    pub(super) fn know(&mut self, key: Key, entry: ifthen::engine::state::Entry) {
        self.state.load(key, Some(Arc::new(entry)));
    }

    fn happens(&mut self, draft: Draft) {
        let event = draft.event(self.seq);
        self.decide(event);
    }

    /// The log of it.
    pub(super) fn decide(&mut self, event: Event) -> Vec<Line> {
        // A store that has nothing.
        let load = |state: &mut State, need: Need| -> Result<(), Infallible> {
            let key = need.key();
            state.load(key, None);
            Ok(())
        };
        let Ok(root) = settle(self.definitions, &mut self.state, event, self.now, load);
        assert!(root.events.len() <= MAX_EVENTS);
        self.seq += root.events.len() as u64;
        for (_, change) in root.changes {
            if let Key::Timer(_) = change.key {
                self.timers.retain(|k| *k != change.key);
                self.timers.extend(change.entry.map(|_| change.key));
            }
        }
        root.log
    }

    /// What is due by then, in order; at most so much of it as a test has time for.
    fn pass(&mut self, by: SignedDuration) {
        self.now += by;
        for _ in 0..30 {
            let due = |key: &Key| if let Key::Timer(timer) = key { timer.due } else { i64::MAX };
            let Some(next) = self.timers.iter().min_by_key(|k| due(k)).cloned() else { return };
            let Some(at) = Timestamp::from_millisecond(due(&next)).ok().filter(|at| *at <= self.now) else { return };
            self.timers.retain(|k| *k != next);
            let now = self.now;
            self.happens(Draft { at, ..Draft::own("ifthen.timer", now, Body::Due(next)) });
        }
    }
}
