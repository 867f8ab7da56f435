//! Tests: what is given, and what happens in their steps; what they expect is in [`super::expectation`].

use jiff::Timestamp;

use super::super::catalogue as t;
use super::super::problem::{At, Problem};
use super::super::scalar::{self, nearest};
use super::super::scenario::{Act, ActKind, Answer, End, Held, Place, Step, Test};
use super::super::table::scenario::{CALLS, ENDS};
use super::super::tree::{Entry, Node};
use super::{Compiler, Item, told};
use crate::engine::entity::{self, FieldKind};
use crate::engine::event::{RecordRef, Upsert};
use crate::engine::mail;
use crate::engine::merge::{Ask, Undoing};
use crate::engine::value::{Map, Value};

/// Who tells what happens where a test does not say.
const TELLER: &str = "test";
/// When a test begins that says nothing of time: a Monday morning.
const BEGIN: &str = "2026-09-21 09:00";

impl Compiler<'_> {
    pub(super) fn test(&self, item: Item<'_>) -> Option<Test> {
        let node = item.node;
        if told(node) {
            return None;
        }
        let given = node.get("given");
        let (people, teams) = self.given_people(given);
        let steps = node.get("steps").map(Node::items).unwrap_or_default();
        let first = steps.first().and_then(|s| s.get("at"));
        let start = node.get("at").or(first).map(|n| self.moment(n));
        let at = start.unwrap_or_else(|| entity::time(&BEGIN.into(), &self.around.zone))?;
        let mut now = at;
        let mut done = Vec::new();
        for step in steps {
            if !told(step) {
                done.push(self.test_step(step, &mut now));
            }
        }
        Some(Test {
            name: item.id.to_owned(),
            place: self.spot(item.at),
            at,
            given: self.given(given),
            people,
            teams,
            answers: self.answers(node.get("answers")),
            steps: done.into_iter().collect::<Option<_>>()?,
        })
    }

    /// A place as people read it.
    pub(super) fn spot(&self, at: At) -> Place {
        let file = self.texts.get(at.file).map_or("", |t| t.name.as_str());
        Place { file: file.to_owned(), line: at.line, column: at.col + 1 }
    }

    pub(super) fn moment(&self, node: &Node) -> Option<Timestamp> {
        let text = node.text()?;
        let at = entity::time(&text.into(), &self.around.zone);
        if at.is_none() {
            self.sink.say(node.at, &t::EXPECTED, [(&t::H_TIME).into(), format!("`{text}`").into()]);
        }
        at
    }

    fn test_step(&self, node: &Node, now: &mut Timestamp) -> Option<Step> {
        if let (Some(_), Some(after)) = (node.get("at"), node.get("after")) {
            self.sink.say(after.at, &t::AT_AND_AFTER, []);
        }
        let at = match (node.get("at"), node.get("after").and_then(scalar::duration)) {
            (Some(moment), _) => self.moment(moment)?,
            (None, Some(after)) => now.saturating_add(after).unwrap_or(Timestamp::MAX),
            (None, None) => *now,
        };
        if let (true, Some(moment)) = (at < *now, node.get("at")) {
            let before = now.to_zoned(self.around.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
            self.sink.say(moment.at, &t::TIME_BACK, [before.into()]);
        }
        *now = at;
        let import = node.get("import").and_then(scalar::boolean).unwrap_or(false);
        let acts: Vec<_> = node.entries().iter().flat_map(|e| self.acts(e, import)).collect();
        if let (Some(times), true) = (node.get("times"), acts.is_empty()) {
            self.sink.say(times.at, &t::TIMES_OF_NOTHING, []);
        }
        let expect = node.get("expect");
        let records = node.get("records").map(Node::entries).unwrap_or_default();
        Some(Step {
            place: self.spot(node.at),
            at,
            acts: acts.into_iter().collect::<Option<_>>()?,
            times: node.get("times").and_then(scalar::count).and_then(|n| u32::try_from(n).ok()).unwrap_or(1),
            answers: self.answers(node.get("answers")),
            nothing: expect.filter(|e| e.text().is_some()).map(|e| self.spot(e.at)),
            expect: self.expectations(expect),
            never: self.expectations(node.get("never")),
            records: records.iter().filter_map(|e| self.held(e)).collect(),
        })
    }

    /// What happens; nothing for the other keys of a step, `None` in it for what is wrong.
    fn acts(&self, entry: &Entry, import: bool) -> Vec<Option<Act>> {
        let node = &entry.value;
        let kinds = match entry.key.as_str() {
            "event" => vec![self.test_event(node)],
            "tell" => vec![self.tell(node)],
            "post" => vec![self.post(node)],
            "decide" => node.one_or_more().iter().flat_map(|n| self.decide(n)).collect(),
            "merge" => vec![self.merged(node)],
            "unmerge" => vec![self.unmerged(node)],
            word => self.ask_run(word, node).into_iter().collect(),
        };
        let act = |kind| Act { place: self.spot(entry.at), import, kind };
        kinds.into_iter().map(|kind| kind.map(act)).collect()
    }

    fn test_event(&self, node: &Node) -> Option<ActKind> {
        let record = node.get("record").map(|r| r.text().and_then(|text| self.record_ref(r.at, text)));
        let named = node.get("name").unwrap_or(node);
        // What ifthen says of mails, a test may say for it.
        let name = match named.text().filter(|name| mail::EVENTS.contains(name)) {
            Some(name) => name.to_owned(),
            None => self.event_to_emit(named)?,
        };
        let data = node.get("data").map(scalar::value).unwrap_or_else(|| Value::Map(Map::new()));
        let record = match record {
            Some(record) => Some(record?),
            None => None,
        };
        Some(ActKind::Event { name, data, record, source: self.teller(node.get("source"))? })
    }

    /// Who tells: a source of config.yaml.
    fn teller(&self, node: Option<&Node>) -> Option<String> {
        let Some(node) = node else { return Some(TELLER.into()) };
        let name = node.text()?;
        if name == TELLER || self.around.vague || self.around.sources.contains(name) {
            return Some(name.to_owned());
        }
        self.missing(node.at, &t::UNKNOWN_SOURCE, name, self.around.sources.iter().map(String::as_str));
        None
    }

    fn tell(&self, node: &Node) -> Option<ActKind> {
        let source = self.teller(node.get("source").filter(|s| s.text().is_some()))?;
        let told: Vec<&Entry> = node.entries().iter().filter(|e| e.key != "source" || e.value.text().is_none()).collect();
        let [entry] = told[..] else {
            self.sink.say(node.at, &t::TELL_ONE, []);
            return None;
        };
        let (record, fields) = self.record_of(entry.at, &entry.key, &entry.value)?;
        if let (true, Some(tags)) = (fields.contains_key("tags"), entry.value.entries().iter().find(|e| e.key == "tags")) {
            // Tags are ours; a source tells of them only where they are a field.
            if self.entities.get(&entry.key).is_some_and(|e| !e.fields.contains_key("tags")) {
                self.sink.say(tags.at, &t::UNKNOWN_FIELD, ["tags".into(), entry.key.as_str().into()]);
            }
        }
        Some(ActKind::Tell { source, upsert: Upsert { record, fields, at: None } })
    }

    /// `merge: { lead: [L1, L2] }`
    fn merged(&self, node: &Node) -> Option<ActKind> {
        let [entry] = node.entries() else {
            self.sink.say(node.at, &t::MERGE_TWO, []);
            return None;
        };
        let of = |id: &Node| self.record_ref(id.at, &format!("{}/{}", entry.key, id.text()?));
        let [winner, loser] = entry.value.items() else {
            self.sink.say(entry.value.at, &t::MERGE_TWO, []);
            return None;
        };
        Some(ActKind::Merge(Ask { winner: of(winner)?, loser: of(loser)?, by: TELLER.into() }))
    }

    /// `unmerge: lead/L2`
    fn unmerged(&self, node: &Node) -> Option<ActKind> {
        let record = self.record_ref(node.at, node.text()?)?;
        Some(ActKind::Unmerge(Undoing { record, by: TELLER.into() }))
    }

    fn post(&self, node: &Node) -> Option<ActKind> {
        let source = node.get("source")?;
        let name = source.text()?;
        if !self.around.vague && !self.around.sources.contains(name) {
            self.missing(source.at, &t::UNKNOWN_SOURCE, name, self.around.sources.iter().map(String::as_str));
            return None;
        }
        let body = scalar::value(node.get("body")?);
        Some(ActKind::Post { source: name.to_owned(), body, headers: headers(node.get("headers")) })
    }

    /// A record that is written out: its fields in the form in which they are kept. Its key field must be there.
    fn record_of(&self, at: At, name: &str, node: &Node) -> Option<(RecordRef, Map)> {
        let Some(entity) = self.entities.get(name) else {
            self.missing(at, &t::UNKNOWN_ENTITY, name, self.entities.keys().map(String::as_str));
            return None;
        };
        let fields: Vec<_> = node.entries().iter().map(|e| self.kept(name, e)).collect();
        let fields: Map = fields.into_iter().collect::<Option<_>>()?;
        let id = fields.get(&entity.key).map(ToString::to_string).filter(|id| !id.is_empty());
        let Some(id) = id else {
            self.sink.say(node.at, &t::TEST_KEY_MISSING, [entity.key.as_str().into(), name.into()]);
            return None;
        };
        Some((RecordRef { entity: name.to_owned(), id }, fields))
    }

    /// One field of a record that is written out.
    pub(super) fn kept(&self, entity: &str, entry: &Entry) -> Option<(String, Value)> {
        let known = self.entities.get(entity)?;
        let field = entry.key.as_str();
        let kind = match known.fields.get(field) {
            Some(field) => field.kind.clone(),
            None if field == "tags" => FieldKind::List,
            None if self.vague.contains(entity) || self.lost => FieldKind::Any,
            None => {
                let near = nearest(field, known.fields.keys().map(String::as_str));
                let what = t::UNKNOWN_FIELD.with([field.into(), entity.into()]);
                self.sink.add(Problem::new(entry.at, what).help(near.map(|n| t::DID_YOU_MEAN.with([n.into()]))));
                return None;
            }
        };
        if !self.fits(&entry.value, field, &kind) {
            return None;
        }
        if let (FieldKind::Person, Some(person)) = (&kind, entry.value.text().filter(|p| !p.is_empty() && *p != "null")) {
            self.person_exists(entry.value.at, person).then_some(())?;
        }
        Some((field.to_owned(), entity::normalise(&kind, scalar::value(&entry.value), &self.around.zone).ok()?))
    }

    fn given(&self, node: Option<&Node>) -> Vec<(RecordRef, Map)> {
        let entries = node.map(Node::entries).unwrap_or_default();
        let records = entries.iter().filter(|e| !self.is_of_people(e));
        let each = records.flat_map(|e| e.value.one_or_more().iter().map(move |record| (e, record)));
        each.filter_map(|(entry, record)| self.record_of(entry.at, &entry.key, record)).collect()
    }

    /// `lead/L1`
    pub(super) fn record_ref(&self, at: At, text: &str) -> Option<RecordRef> {
        let Some((entity, id)) = text.split_once('/').filter(|(_, id)| !id.is_empty()) else {
            self.sink.say(at, &t::NOT_A_RECORD, [text.into()]);
            return None;
        };
        if !self.entities.contains_key(entity) {
            self.missing(at, &t::UNKNOWN_ENTITY, entity, self.entities.keys().map(String::as_str));
            return None;
        }
        Some(RecordRef { entity: entity.to_owned(), id: id.to_owned() })
    }

    fn held(&self, entry: &Entry) -> Option<Held> {
        let record = self.record_ref(entry.at, &entry.key)?;
        let fields = match entry.value.text() {
            Some(_) => None,
            None => {
                let all = entry.value.entries().iter();
                let kept = all.filter_map(|e| self.kept(&record.entity, e).map(|(field, value)| (field, value, self.spot(e.at))));
                Some(kept.collect())
            }
        };
        Some(Held { place: self.spot(entry.at), record, fields })
    }

    fn answers(&self, node: Option<&Node>) -> Vec<Answer> {
        node.map(Node::items).unwrap_or_default().iter().filter_map(|n| self.answer(n)).collect()
    }

    fn answer(&self, node: &Node) -> Option<Answer> {
        let (word, value) = CALLS.iter().find_map(|word| Some((*word, node.get(word)?)))?;
        let connection = node.get("connection").map(|c| self.test_connection(c));
        let end = match value.text() {
            Some(text) => match ENDS.iter().position(|e| *e == text)? {
                0 => End::Done,
                1 => End::Transient,
                2 => End::Throttled,
                3 => End::Permanent,
                4 => End::Configuration,
                _ => End::Unknown,
            },
            None => End::Http {
                status: value.get("status").and_then(scalar::count).and_then(|n| u16::try_from(n).ok())?,
                body: value.get("body").map(scalar::value).unwrap_or_default(),
                headers: headers(value.get("headers")),
            },
        };
        Some(Answer {
            action: Some(word).filter(|w| *w != "any"),
            connection: match connection {
                Some(connection) => Some(connection?),
                None => None,
            },
            times: node.get("times").and_then(scalar::count).and_then(|n| u32::try_from(n).ok()),
            end,
        })
    }

    /// A connection of config.yaml.
    pub(super) fn test_connection(&self, node: &Node) -> Option<String> {
        let name = node.text()?;
        if self.around.vague || self.around.connections.contains_key(name) {
            return Some(name.to_owned());
        }
        self.missing(node.at, &t::UNKNOWN_CONNECTION, name, self.around.connections.keys().map(String::as_str));
        None
    }
}

fn headers(node: Option<&Node>) -> Vec<(String, String)> {
    let entries = node.map(Node::entries).unwrap_or_default();
    entries.iter().filter_map(|e| Some((e.key.clone(), e.value.text()?.to_owned()))).collect()
}
