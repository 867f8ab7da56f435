//! Definitions from YAML, a state in memory and a clock of its own.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use ifthen::config;
use ifthen::engine::call::CallId;
use ifthen::engine::cascade::settle;
use ifthen::engine::definition::Definitions;
use ifthen::engine::event::{Body, Draft, RecordRef, Upsert};
use ifthen::engine::log::Line;
use ifthen::engine::state::{Entry, Key, Need, State};
use ifthen::engine::value::{Map, Value};
use jiff::Timestamp;

const CONFIG: &str = "
definitions: [rules]
connections:
  mail: { smtp: { host: 127.0.0.1, port: 25, security: none, from: sales@example.com }, retry: [1m, 5m] }
  erp: { http: { base: 'http://127.0.0.1:1' }, retry: [1m] }
  ops: { wecom: { url: '${file:url}' }, rate: 2/1m }
";

const ENTITIES: &str = "
entities:
  lead: { fields: { id: text, name: text, email: email, score: number, stage: text, note: text, owner: person, owner_at: time } }
people: { 张三: { manager: 王总监, email: zhang@example.com, channels: [mail] }, 李四: { wecom: lisi, channels: [ops] }, 王总监: { roles: [director], wecom: wang, channels: [ops] } }
teams: { 销售: [张三, 李四] }
";

/// Definitions, state and a clock.
pub struct World {
    pub definitions: Arc<Definitions>,
    pub state: State,
    pub seq: u64,
    pub now: Timestamp,
    pub log: Vec<Line>,
    pub timers: Vec<Key>,
    /// Of everything that was ever changed.
    keys: BTreeSet<Key>,
}

impl World {
    pub fn new(rules: &str) -> Self {
        Self::load(rules).unwrap_or_else(|why| panic!("{why}"))
    }

    /// Or what `check` says against them.
    pub fn load(rules: &str) -> Result<Self, String> {
        let dir = tempfile::TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join("rules")).unwrap();
        std::fs::write(dir.path().join("config.yaml"), CONFIG).unwrap();
        std::fs::write(dir.path().join("url"), "http://127.0.0.1:1/cgi-bin/webhook/send?key=x").unwrap();
        std::fs::write(dir.path().join("rules/a.yaml"), ENTITIES).unwrap();
        std::fs::write(dir.path().join("rules/b.yaml"), rules).unwrap();
        let loaded = config::load(&dir.path().join("config.yaml"), &config::Options::default());
        let loaded = loaded.map_err(|r| r.render(r.lang, false))?;
        Ok(Self {
            definitions: Arc::new(loaded.definitions),
            state: State::default(),
            seq: 1,
            now: "2026-09-21T01:00:00Z".parse().unwrap(),
            log: Vec::new(),
            timers: Vec::new(),
            keys: BTreeSet::new(),
        })
    }

    /// What is known under a key.
    pub fn entry(&self, key: &Key) -> Option<Arc<Entry>> {
        self.state.get(key).ok().flatten().cloned()
    }

    /// The process ends and begins anew: everything is read back from its stored form.
    pub fn crash(&mut self) -> Result<(), String> {
        let mut state = State::default();
        for key in &self.keys {
            let Some(entry) = self.entry(key) else { continue };
            let text = serde_json::to_string(entry.as_ref()).map_err(|e| format!("{key}: {e}"))?;
            let back: Entry = serde_json::from_str(&text).map_err(|e| format!("{key}: {e}: {text}"))?;
            if back != *entry {
                return Err(format!("{key} is read back as another: {entry:?} {back:?}"));
            }
            let key = key.to_string().parse().map_err(|()| format!("{key} is no key"))?;
            state.load(key, Some(Arc::new(back)));
        }
        self.state = state;
        Ok(())
    }

    pub fn decide(&mut self, draft: Draft) {
        // A store that has nothing: what is not in the state is nowhere.
        let load = |state: &mut State, need: Need| -> Result<(), std::convert::Infallible> {
            let key = need.key();
            state.load(key, None);
            Ok(())
        };
        let Ok(done) = settle(&self.definitions, &mut self.state, draft.event(self.seq), self.now, load);
        self.seq += done.events.len() as u64;
        self.log.extend(done.log);
        for (_, change) in done.changes {
            self.keys.insert(change.key.clone());
            if let Key::Timer(_) = change.key {
                self.timers.retain(|k| *k != change.key);
                self.timers.extend(change.entry.map(|_| change.key));
            }
        }
    }

    /// A source tells about a lead.
    pub fn lead(&mut self, id: &str, fields: &[(&str, Value)]) {
        let record = RecordRef { entity: "lead".into(), id: id.into() };
        let mut fields: Map = fields.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        fields.insert("id".into(), id.into());
        let upsert = Some(Upsert { record: record.clone(), fields, at: None });
        let body = Body::Happened { data: Value::Null, upsert };
        let now = self.now;
        self.decide(Draft { origin: "crm".into(), record: Some(record), ..Draft::own("crm.lead", now, body) });
    }

    pub fn event(&mut self, name: &str, data: Value) {
        let now = self.now;
        self.decide(Draft { origin: "crm".into(), ..Draft::own(name, now, Body::Happened { data, upsert: None }) });
    }

    pub fn pass(&mut self, duration: &str) {
        self.now += ifthen::engine::duration::parse(duration).unwrap();
        let mut due: VecDeque<Key> = VecDeque::new();
        let ms = self.now.as_millisecond();
        due.extend(self.timers.iter().filter(|k| matches!(k, Key::Timer(t) if t.due <= ms)).cloned());
        while let Some(key) = due.pop_front() {
            let Key::Timer(timer) = &key else { continue };
            let at = Timestamp::from_millisecond(timer.due).unwrap();
            let now = self.now;
            self.decide(Draft { at, ..Draft::own("ifthen.timer", now, Body::Due(key)) });
        }
    }

    pub fn own(&mut self, body: Body) {
        let now = self.now;
        self.decide(Draft::own("ifthen.own", now, body));
    }

    /// The log since the last look, a line each: `rule action outcome detail`.
    pub fn said(&mut self) -> Vec<String> {
        self.log
            .drain(..)
            .filter(|l| l.action != "record")
            .map(|l| {
                let by = l.rule.or(l.flow).unwrap_or_else(|| "-".into());
                let short = ["text", "reason", "to", "level", "error", "by", "event", "branch", "tags"];
                let detail: Vec<String> = short
                    .iter()
                    .filter_map(|m| l.detail.at(&[*m]).filter(|v| !v.is_empty()).map(|v| format!("{m}={v}")))
                    .collect();
                format!("{by} {} {} {}", l.action, l.outcome.word(), detail.join(" ")).trim().to_owned()
            })
            .collect()
    }

    pub fn field(&self, id: &str, field: &str) -> String {
        let key = Key::Record(RecordRef { entity: "lead".into(), id: id.into() });
        match self.state.get(&key).unwrap().map(AsRef::as_ref) {
            Some(Entry::Record(r)) => r.value(field).to_string(),
            _ => panic!("there is no lead {id}"),
        }
    }

    pub fn call(&self, id: CallId) -> Option<ifthen::engine::call::Call> {
        match self.state.get(&Key::Call(id)).ok().flatten().map(AsRef::as_ref) {
            Some(Entry::Call(c)) => Some(c.clone()),
            _ => None,
        }
    }
}

pub fn check(rules: &str, play: impl FnOnce(&mut World), expect: &[&str]) {
    let mut world = World::new(rules);
    play(&mut world);
    assert_eq!(world.said(), expect);
}
