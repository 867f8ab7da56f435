//! The draft: a source for config.yaml, an entity and a first rule, out of a payload taken apart.
//!
//! What is there already is kept: an entity that is defined gets no second definition, its fields are only mapped.

use jiff::tz::TimeZone;
use serde_yaml::{Mapping, Value as Yaml};

use super::super::words::{Lang, Words as _};
use super::guess::{self, Use};
use super::name;
use super::payload::{Leaf, Payload};
use crate::engine::definition::Definitions;
use crate::engine::entity::Entity;
use crate::engine::value::Value;

/// One member of the payload and the field it becomes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mapped {
    /// Its path in the payload.
    pub(super) path: String,
    /// The field.
    pub(super) field: String,
    /// The field's kind as YAML writes it.
    pub(super) kind: String,
    /// The value in this payload.
    pub(super) sample: Value,
}

/// The entity is defined, and nothing in the payload is the field by which its records are known.
#[derive(Debug)]
pub(super) struct Keyless {
    /// The entity.
    pub(super) entity: String,
    /// The field.
    pub(super) key: String,
}

/// What is proposed.
#[derive(Debug)]
pub(super) struct Draft {
    /// The source's id.
    pub(super) source: String,
    /// The entity's id.
    pub(super) entity: String,
    /// The field that identifies a record; `None`: nothing does, so there is no record.
    pub(super) key: Option<String>,
    /// The entity is defined already.
    pub(super) known: bool,
    /// The fields.
    pub(super) fields: Vec<Mapped>,
    /// Paths that no field takes.
    pub(super) unmapped: Vec<String>,
    event: Option<String>,
    delivery: Vec<String>,
    time: Option<String>,
    at: Option<String>,
    each: Option<String>,
    team: Option<String>,
}

impl Draft {
    /// Drafts from a payload, beside what is defined.
    pub(super) fn new(payload: &Payload, source: &str, entity: Option<&str>, definitions: &Definitions) -> Result<Self, Keyless> {
        let (inside, around) = payload.parts();
        let named = named_entity(payload, &around);
        let entity = entity.map_or_else(|| named.unwrap_or_else(|| "lead".into()), str::to_owned);
        let known = definitions.entities.get(&entity);
        let zone = &definitions.zone.0;
        let depth = payload.base.len();
        let own = |leaf: &&&Leaf| leaf.path.len() == depth + 1;
        // Where attributes stand apart, the id is beside them.
        let beside = |leaf: &&&Leaf| depth > 0 && leaf.path.len() == depth && leaf.path[..depth - 1] == payload.base[..depth - 1];
        let best = |leaves: &[&Leaf], of: Use, fits: &dyn Fn(&&&Leaf) -> bool| {
            let ranked = leaves.iter().filter(|l| fits(l)).filter_map(|l| Some((guess::rank(l.path.last()?, &entity, of)?, *l)));
            ranked.min_by_key(|(rank, _)| *rank).map(|(_, leaf)| leaf.clone())
        };
        let scalar = |leaf: &Leaf| matches!(leaf.value, Value::Text(_) | Value::Number(_)) && !leaf.value.is_empty();
        let id = best(&inside, Use::Key, &own).filter(&scalar);
        let id = id.or_else(|| {
            payload.base.last().filter(|n| is_part(n)).and_then(|_| best(&around, Use::Key, &beside)).filter(&scalar)
        });

        let mut draft = Self {
            source: source.to_owned(),
            key: None,
            known: known.is_some(),
            fields: Vec::new(),
            unmapped: payload.left_out.clone(),
            event: kind_of(&around, &inside, payload, &entity, source),
            delivery: Vec::new(),
            time: None,
            at: best(&inside, Use::Updated, &own).filter(|l| is_time(l, zone)).map(|l| l.dotted()),
            each: payload.each.clone(),
            team: definitions.teams.keys().next().cloned(),
            entity: entity.clone(),
        };
        draft.map(&inside, id.as_ref(), depth, known, zone)?;
        let anywhere = |_: &&&Leaf| true;
        let happened = |leaves: &[&Leaf]| {
            let times: Vec<&Leaf> = leaves.iter().copied().filter(|l| is_time(l, zone)).collect();
            best(&times, Use::Happened, &anywhere)
        };
        draft.time =
            happened(&around).map(|l| l.dotted()).or_else(|| draft.at.clone()).or_else(|| happened(&inside).map(|l| l.dotted()));
        let delivered = best(&around, Use::Delivery, &|l| scalar(l) && Some(**l) != id.as_ref());
        let in_head = |l: &&&Leaf| l.path.len() > 1 && guess::is_head(&l.path[l.path.len() - 2]);
        let inner = best(&inside, Use::Delivery, &|l| (own(l) || in_head(l)) && scalar(l) && Some(**l) != id.as_ref());
        draft.delivery = match (delivered.or(inner), &id, &draft.at) {
            (Some(one), ..) => vec![one.dotted()],
            // The same record again at the same state is the same news.
            (None, Some(id), Some(at)) => vec![id.dotted(), at.clone()],
            _ => Vec::new(),
        };
        if payload.cloud {
            (draft.event, draft.time, draft.delivery) = (None, None, Vec::new());
        }
        Ok(draft)
    }

    /// Gives every value of the record a field.
    fn map(
        &mut self,
        inside: &[&Leaf],
        id: Option<&Leaf>,
        depth: usize,
        known: Option<&Entity>,
        zone: &TimeZone,
    ) -> Result<(), Keyless> {
        let key = known.map_or("id", |e| e.key.as_str());
        let mut taken: Vec<String> = Vec::new();
        if let Some(id) = id {
            taken.push(key.to_owned());
            self.fields.push(mapped(id, key.to_owned(), "text".into()));
            self.key = Some(key.to_owned());
        }
        for leaf in inside.iter().filter(|l| Some(**l) != id) {
            let field = name::field(&leaf.path[depth..], &taken);
            let defined = known.is_some_and(|entity| entity.fields.contains_key(&field));
            if !defined && leaf.path.last().is_some_and(|n| guess::is_secret(n)) {
                self.unmapped.push(leaf.dotted());
                continue;
            }
            // The field's name says what the object around it is, the member's own what a form calls it.
            let said = format!("{field} {}", leaf.path.last().map_or("", String::as_str));
            let kind = match known {
                None => guess::kind(&said, &leaf.value, zone).to_owned(),
                Some(entity) => match entity.fields.get(&field) {
                    Some(_) => String::new(),
                    None => {
                        self.unmapped.push(leaf.dotted());
                        continue;
                    }
                },
            };
            taken.push(field.clone());
            self.fields.push(mapped(leaf, field, kind));
        }
        if self.key.is_none() {
            let by = |kind: &str| self.fields.iter().find(|f| f.kind == kind && !f.sample.is_empty()).map(|f| f.field.clone());
            self.key = match known {
                Some(entity) => self.fields.iter().any(|f| f.field == entity.key).then(|| entity.key.clone()),
                None => by("phone").or_else(|| by("email")),
            };
        }
        if let (Some(entity), None) = (known, &self.key) {
            return Err(Keyless { entity: self.entity.clone(), key: entity.key.clone() });
        }
        Ok(())
    }

    /// The event's name, as the rule is woken by it where there is no record.
    fn event_pattern(&self) -> String {
        match &self.event {
            Some(template) if template.contains("{{") => format!("{}.*", self.source),
            Some(name) => name.clone(),
            None => "*".into(),
        }
    }

    /// What goes below `sources:` in config.yaml.
    pub(super) fn source(&self) -> Yaml {
        let mut source = Mapping::new();
        source.insert("webhook".into(), Yaml::Mapping(Mapping::new()));
        let mut put = |name: &str, value: Option<Yaml>| {
            if let Some(value) = value {
                source.insert(name.into(), value);
            }
        };
        put("event", self.event.as_deref().map(Into::into));
        put("each", self.each.as_deref().map(Into::into));
        put(
            "delivery",
            match self.delivery.as_slice() {
                [] => None,
                [one] => Some(one.as_str().into()),
                several => Some(map([("body", several.to_vec().into())])),
            },
        );
        put("time", self.time.as_deref().map(Into::into));
        if self.key.is_some() {
            let fields = self.fields.iter().map(|f| (Yaml::from(f.field.as_str()), Yaml::from(f.path.as_str()))).collect();
            let mut record = Mapping::new();
            record.insert("entity".into(), self.entity.as_str().into());
            record.insert("fields".into(), Yaml::Mapping(fields));
            if let Some(at) = &self.at {
                record.insert("at".into(), at.as_str().into());
            }
            put("record", Some(Yaml::Mapping(record)));
        }
        Yaml::Mapping(source)
    }

    /// What goes into a file of definitions.
    pub(super) fn definitions(&self, lang: Lang) -> Yaml {
        let mut top = Mapping::new();
        if let Some(key) = self.key.as_ref().filter(|_| !self.known) {
            let mut fields = Mapping::new();
            for f in &self.fields {
                let kind = if f.kind == "phone" {
                    map([("type", "phone".into()), ("country", "CN".into())])
                } else {
                    f.kind.as_str().into()
                };
                fields.insert(f.field.as_str().into(), kind);
            }
            // Whom rules assign it to, and when: no source overwrites that.
            fields.insert("owner".into(), map([("type", "person".into()), ("from", "ifthen".into())]));
            fields.insert("owner_at".into(), map([("type", "time".into()), ("from", "ifthen".into())]));
            let entity = map([("key", key.as_str().into()), ("fields", Yaml::Mapping(fields))]);
            top.insert("entities".into(), map([(self.entity.as_str(), entity)]));
        }
        top.insert("rules".into(), map([(self.rule_id().as_str(), self.rule(lang))]));
        Yaml::Mapping(top)
    }

    /// The first rule's id.
    pub(super) fn rule_id(&self) -> String {
        format!("{}-{}", self.source, if self.key.is_some() { self.entity.as_str() } else { "event" })
    }

    fn rule(&self, lang: Lang) -> Yaml {
        let (source, entity) = (&self.source, &self.entity);
        let mut then = Vec::new();
        let (when, title) = if self.key.is_some() {
            then.push(map([("tag", source.as_str().into())]));
            if let Some(team) = self.team.as_deref().filter(|_| !self.known) {
                // A known entity may keep its owner in another field.
                then.push(map([("assign", map([("team", team.into())]))]));
                let text = lang.pick(format!("new {entity}{}", self.telling()), format!("新 {entity}{}", self.telling()));
                then.push(map([("notify", map([("who", "owner".into()), ("text", text.into())]))]));
            }
            let log = lang
                .pick(format!("{source} told of{}", self.telling()), format!("来自 {source}:{}", self.telling().trim_start()));
            then.push(map([("log", log.into())]));
            (
                format!("{entity}.created"),
                lang.pick(format!("new {entity} from {source}"), format!("来自 {source} 的新 {entity}")),
            )
        } else {
            let log = lang.pick(format!("{source} told something"), format!("收到 {source} 的消息"));
            then.push(map([("log", log.clone().into())]));
            (self.event_pattern(), log)
        };
        map([("title", title.into()), ("when", when.into()), ("deliver", "preview".into()), ("then", Yaml::Sequence(then))])
    }

    /// The fields by which a person knows a record, as a template.
    fn telling(&self) -> String {
        const TELLING: [&str; 6] = ["name", "first_name", "last_name", "company", "mobile", "email"];
        let mut found: Vec<&str> = TELLING.into_iter().filter(|t| self.fields.iter().any(|f| f.field == *t)).take(3).collect();
        if found.is_empty() {
            found.extend(self.key.as_deref());
        }
        found.iter().map(|f| format!(" {{{{ {f} }}}}")).collect()
    }
}

fn mapped(leaf: &Leaf, field: String, kind: String) -> Mapped {
    Mapped { path: leaf.dotted(), field, kind, sample: leaf.value.clone() }
}

fn map<const N: usize>(members: [(&str, Yaml); N]) -> Yaml {
    Yaml::Mapping(members.into_iter().map(|(k, v)| (k.into(), v)).collect())
}

/// Whether an object of this name is a part of the record beside which its id stands.
fn is_part(name: &str) -> bool {
    matches!(
        guess::flat(name).as_str(),
        "attributes" | "fields" | "properties" | "values" | "formdata" | "content" | "detail" | "details"
    )
}

fn is_time(leaf: &Leaf, zone: &TimeZone) -> bool {
    matches!(leaf.value, Value::Text(_) | Value::Number(_)) && crate::engine::entity::time(&leaf.value, zone).is_some()
}

/// The entity that the envelope names: `lead` in `{"type": "lead.updated", "data": {"lead": {…}}}`.
fn named_entity(payload: &Payload, around: &[&Leaf]) -> Option<String> {
    let word = |t: &str| !t.is_empty() && t.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let kinds = around.iter().filter(|l| l.path.last().is_some_and(|n| guess::rank(n, "", Use::Kind).is_some()));
    let from_kind =
        kinds.filter_map(|l| l.value.as_text()?.split_once('.').map(|(entity, _)| entity.to_owned())).find(|e| word(e));
    let from_path = payload.base.last().map(|n| n.to_lowercase()).filter(|n| word(n) && !guess::is_container(n));
    from_path.or(from_kind)
}

/// The event's name: a template where the payload says what kind of event it is.
fn kind_of(around: &[&Leaf], inside: &[&Leaf], payload: &Payload, entity: &str, source: &str) -> Option<String> {
    // Where nothing stands around it, `type` may as well be a field of the record.
    let leaves = if payload.base.is_empty() { inside } else { around };
    let sure = if payload.base.is_empty() { 3 } else { usize::MAX };
    let plain = |t: &str| {
        !t.is_empty() && t.split('.').all(|p| !p.is_empty() && p.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-'))
    };
    let named =
        |name: &str| name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit());
    let found = leaves
        .iter()
        .filter(|l| l.value.as_text().is_some_and(plain) && l.path.iter().all(|n| named(n)))
        .filter_map(|l| Some((guess::rank(l.path.last()?, entity, Use::Kind).filter(|r| *r < sure)?, *l)))
        .min_by_key(|(rank, _)| *rank);
    // What stands around the list of `each:` is not in the item.
    let found = found.filter(|_| payload.each.is_none());
    Some(found.map_or_else(|| format!("{source}.received"), |(_, leaf)| format!("{source}.{{{{ {} }}}}", leaf.dotted())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The draft of a payload as YAML: source, then definitions.
    fn check(json: &str, source: &str, entity: Option<&str>, expect: &str) {
        let payload = Payload::read(json.as_bytes()).unwrap();
        let draft = Draft::new(&payload, source, entity, &Definitions::default()).unwrap();
        let got = serde_yaml::to_string(&draft.source()).unwrap()
            + "---\n"
            + &serde_yaml::to_string(&draft.definitions(Lang::En)).unwrap();
        assert_eq!(got, expect);
    }

    #[test]
    fn a_form_of_chinese_names() {
        check(
            r#"{"姓名":"刘洋","手机":"138 0013 8000","提交时间":"2026-09-21 09:00","预算":"120,000","意向":"A"}"#,
            "website",
            None,
            "\
webhook: {}
event: website.received
time: 提交时间
record:
  entity: lead
  fields:
    name: 姓名
    mobile: 手机
    submitted_at: 提交时间
    amount: 预算
    意向: 意向
---
entities:
  lead:
    key: mobile
    fields:
      name: text
      mobile:
        type: phone
        country: CN
      submitted_at: time
      amount: money
      意向: text
      owner:
        type: person
        from: ifthen
      owner_at:
        type: time
        from: ifthen
rules:
  website-lead:
    title: new lead from website
    when: lead.created
    deliver: preview
    then:
    - tag: website
    - log: website told of {{ name }} {{ mobile }}
",
        );
    }

    #[test]
    fn a_nested_record_of_a_crm() {
        let json = r#"{"eventId":"E1","type":"deal.updated","occurredAt":"2026-09-21T01:00:00Z",
            "data":{"id":7,"title":"x","amount":12.5,"updatedAt":"2026-09-21T00:59:00Z","owner":"u1","company":{"name":"y"},"lines":[{"a":1}]}}"#;
        let payload = Payload::read(json.as_bytes()).unwrap();
        let draft = Draft::new(&payload, "crm", None, &Definitions::default()).unwrap();
        assert_eq!(
            serde_yaml::to_string(&draft.source()).unwrap(),
            "\
webhook: {}
event: crm.{{ type }}
delivery: eventId
time: occurredAt
record:
  entity: deal
  fields:
    id: data.id
    title: data.title
    amount: data.amount
    updated_at: data.updatedAt
    their_owner: data.owner
    company_name: data.company.name
  at: data.updatedAt
"
        );
        assert_eq!(draft.unmapped, ["data.lines"]);
    }

    #[test]
    fn an_envelope_with_a_head_and_a_form_with_numbers() {
        let sources = |json: &str, name: &str| {
            let payload = Payload::read(json.as_bytes()).unwrap();
            let draft = Draft::new(&payload, name, Some("lead"), &Definitions::default()).unwrap();
            (serde_yaml::to_string(&draft.source()).unwrap(), draft.unmapped)
        };
        let feishu = r#"{"schema":"2.0","header":{"event_id":"f1","event_type":"form.submitted","create_time":"1790000000000","token":"geheim"},
            "event":{"record_id":"rec1","姓名":"刘洋","手机":"13800138000","提交于":1790000000000,"verify_token":"geheim"}}"#;
        let (source, unmapped) = sources(feishu, "feishu");
        assert_eq!(
            source,
            "\
webhook: {}
event: feishu.{{ header.event_type }}
delivery: header.event_id
time: header.create_time
record:
  entity: lead
  fields:
    id: event.record_id
    name: event.姓名
    mobile: event.手机
    提交于: event.提交于
"
        );
        assert_eq!(unmapped, ["event.verify_token"]);
        let form = r#"{"form":"x1","form_name":"报名","entry":{"serial_number":7,"姓名":"刘洋","手机":"13800138000"}}"#;
        assert!(sources(form, "jsj").0.contains("id: entry.serial_number"), "{}", sources(form, "jsj").0);
    }

    #[test]
    fn without_anything_that_tells_records_apart_there_is_no_record() {
        check(
            r#"{"page":"A产品","seconds":30}"#,
            "site",
            None,
            "webhook: {}\nevent: site.received\n---\nrules:\n  site-event:\n    title: site told something\n    when: site.received\n    deliver: preview\n    then:\n    - log: site told something\n",
        );
    }

    #[test]
    fn an_entity_that_is_there_is_only_mapped() {
        use crate::engine::entity::{Field, FieldKind, From};
        let field = || Field { kind: FieldKind::Text, from: From::Anyone, opt_out: false };
        let fields = [("no".to_owned(), field()), ("name".to_owned(), field())].into();
        let lead = Entity { key: "no".into(), fields, ..Entity::default() };
        let definitions = Definitions { entities: [("lead".to_owned(), lead)].into(), ..Definitions::default() };
        let payload = Payload::read(r#"{"编号":"L1","姓名":"刘洋","城市":"上海"}"#.as_bytes()).unwrap();
        let draft = Draft::new(&payload, "crm", None, &definitions).unwrap();
        let mapped: Vec<_> = draft.fields.iter().map(|f| (f.field.as_str(), f.path.as_str())).collect();
        assert_eq!(mapped, [("no", "编号"), ("name", "姓名")]);
        assert_eq!(draft.unmapped, ["城市"]);
        assert!(draft.definitions(Lang::En).get("entities").is_none());
        let payload = Payload::read(br#"{"page":"x"}"#).unwrap();
        assert!(Draft::new(&payload, "crm", None, &definitions).is_err());
    }
}
