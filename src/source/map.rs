//! What a payload means: an event's name, its time and delivery id, and what it tells about a record.
//!
//! The same for webhooks and polled rows. Never merges anything: what a source tells is normalised here and merged by the engine.
//! Text of a payload is data: a template in it is not evaluated, here or later.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::config::settings::{Delivery, Imported, Mapping, RecordMapping};
use crate::engine::definition::Definitions;
use crate::engine::entity::{self, Entity};
use crate::engine::event::{Body, Draft, RecordRef, Upsert};
use crate::engine::mail;
use crate::engine::scope::{Scope, Stop};
use crate::engine::value::{Map, Value};

/// Characters in an event's name.
pub const MAX_NAME: usize = 200;
/// Characters in a delivery id, and in a record's key.
pub const MAX_ID: usize = 255;

/// One thing that a source tells, and what the way it came by says about it.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// The payload: an object.
    pub data: Value,
    /// What stands around it, which the mapping can name with `outer.` (a batch's `operation`, say).
    pub outer: Option<Arc<Value>>,
    /// Its place in the batch (`/3`): tells the items apart where their delivery id is taken from what they share.
    pub place: String,
    /// The event's name, unless the mapping says.
    pub name: Option<String>,
    /// When it happened, unless the mapping says.
    pub time: Option<Timestamp>,
    /// The delivery id, unless the mapping names members of the payload.
    pub delivery: Option<String>,
}

/// Why a payload cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The path of the member concerned.
    pub path: Option<String>,
    /// In words.
    pub detail: String,
    /// Our settings are at fault, not the payload.
    pub ours: bool,
}

impl Fault {
    pub(super) fn new(detail: impl Into<String>) -> Self {
        Self { path: None, detail: detail.into(), ours: false }
    }

    pub(super) fn at(path: &str, detail: impl Into<String>) -> Self {
        Self { path: Some(path.to_owned()), ..Self::new(detail) }
    }
}

impl Told {
    /// The member at a path: one of that very name, dots and all, or the one that the dotted path leads to.
    fn find(&self, path: &str) -> Option<&Value> {
        let parts: Vec<&str> = path.split('.').collect();
        let whole = self.data.as_map().and_then(|m| m.get(path));
        whole.or_else(|| self.data.at(&parts)).or_else(|| match parts.as_slice() {
            ["outer", rest @ ..] => self.outer.as_ref()?.at(rest),
            _ => None,
        })
    }
}

/// The draft of the event that a payload tells of; `at` is never after `now`.
pub fn draft(id: &str, map: &Mapping, definitions: &Definitions, told: Told, now: Timestamp) -> Result<Draft, Fault> {
    understand(id, map, definitions, told, now).map_err(|unread| unread.0)
}

/// As [`draft`]; what does not fit comes back whole.
pub fn understand(
    id: &str,
    map: &Mapping,
    definitions: &Definitions,
    told: Told,
    now: Timestamp,
) -> Result<Draft, Box<(Fault, Told)>> {
    let read = || {
        let zone = &definitions.zone.0;
        let name = name(id, map, &told, now, zone)?;
        check_name(&name, definitions).map_err(Fault::new)?;
        let delivery = delivery(map, &told)?;
        let said = map.time.as_ref().map(|path| time(&told, path, zone)).transpose()?.flatten();
        let at = said.or(told.time).unwrap_or(now).min(now);
        let upsert = map.record.as_ref().map(|r| upsert(r, definitions, &told, now)).transpose()?;
        Ok((name, delivery, at, upsert))
    };
    match read() {
        Ok((name, delivery, at, upsert)) => Ok(Draft {
            name,
            at,
            received: now,
            origin: id.to_owned(),
            delivery,
            record: upsert.as_ref().map(|u| u.record.clone()),
            cause: None,
            batch: (map.imports == Imported::All).then(|| id.to_owned()),
            by: None,
            body: Body::Happened { data: told.data, upsert },
        }),
        Err(fault) => Err(Box::new((fault, told))),
    }
}

/// A path as the end of a JSON pointer: `data.lead` is `/data/lead`.
pub fn pointer(path: &str) -> String {
    format!("/{}", path.replace('~', "~0").replace('/', "~1").replace('.', "/"))
}

/// Whether a source may tell of an event of this name; if not, why, in words.
///
/// Names are dotted; their parts are letters of any script, digits, `_` and `-`. What ifthen says itself is reserved.
pub fn check_name(name: &str, definitions: &Definitions) -> Result<(), String> {
    let shown: String = name.chars().take(60).collect();
    let length = name.chars().count();
    if length > MAX_NAME {
        return Err(format!("event name `{shown}…` has {length} characters, at most {MAX_NAME} are taken"));
    }
    let fits = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    if !name.split('.').all(fits) {
        let rule = "a name is letters, digits, _ and -, in parts separated by single dots (crm.lead-updated)";
        return Err(format!("`{shown}` cannot be an event name: {rule}; say `event:` in the source's map"));
    }
    let reserved = name.rsplit_once('.').is_some_and(|(entity, what)| {
        matches!(what, "created" | "changed" | "merged" | "deleted") && definitions.entities.contains_key(entity)
    });
    if reserved || name == "ifthen" || name.starts_with("ifthen.") {
        let why = "only ifthen itself says so, when a record really changes";
        return Err(format!("event name `{shown}` is reserved: {why}; say another name in `event:` of the source's map"));
    }
    if mail::EVENTS.contains(&name) {
        let why = "only ifthen itself says so, of mails that it sent; bounces come by a source with `bounces:`";
        return Err(format!("event name `{name}` is reserved: {why}; say another name in `event:` of the source's map"));
    }
    Ok(())
}

fn name(id: &str, map: &Mapping, told: &Told, now: Timestamp, zone: &TimeZone) -> Result<String, Fault> {
    let Some(template) = &map.event else {
        return Ok(told.name.clone().unwrap_or_else(|| format!("{id}.received")));
    };
    let scope = Payload { told, now: now.to_zoned(zone.clone()) };
    match template.render(&scope) {
        Ok(name) => Ok(name.trim().to_owned()),
        Err(Stop::Unevaluable(reason)) => Err(Fault::new(format!("event name `{}`: {reason}", template.source()))),
        Err(Stop::Need(_)) => {
            Err(Fault { ours: true, ..Fault::new(format!("event name `{}` needs more than the payload", template.source())) })
        }
    }
}

/// What names mean in the template of an event's name.
struct Payload<'a> {
    told: &'a Told,
    now: Zoned,
}

impl Scope for Payload<'_> {
    fn name(&self, path: &[String]) -> Result<Cow<'_, Value>, Stop> {
        Ok(self.told.find(&path.join(".")).map_or(Cow::Owned(Value::Null), Cow::Borrowed))
    }
    fn now(&self) -> Zoned {
        self.now.clone()
    }
    fn changed(&self, _field: &str) -> bool {
        false
    }
}

/// The delivery id, where the source says one.
pub(super) fn delivery(map: &Mapping, told: &Told) -> Result<Option<String>, Fault> {
    let id = match &map.delivery {
        Some(Delivery::Body(paths)) => {
            let mut parts = paths.iter().map(|path| part(told, path)).collect::<Result<Vec<_>, _>>()?;
            if paths.iter().all(|path| path.starts_with("outer.") && told.find(path).is_some()) {
                parts.push(told.place.trim_start_matches('/').to_owned()); // all the items share it
            }
            Some(match parts.as_slice() {
                [one] => one.clone(),
                several => several.iter().map(|p| escape(p)).collect::<Vec<_>>().join("/"),
            })
        }
        Some(Delivery::Header(_)) | None => told.delivery.clone(),
    };
    match id {
        Some(id) if id.chars().count() > MAX_ID => {
            Err(Fault::new(format!("the delivery id has {} characters, at most {MAX_ID} are taken", id.chars().count())))
        }
        id => Ok(id),
    }
}

/// A part of an id that is joined by `/`, so that `a/b` + `c` is not `a` + `b/c`.
pub fn escape(part: &str) -> String {
    part.replace('%', "%25").replace('/', "%2F")
}

fn part(told: &Told, path: &str) -> Result<String, Fault> {
    match told.find(path) {
        Some(v @ (Value::Text(_) | Value::Number(_) | Value::Bool(_) | Value::Time(_))) if !v.is_empty() => Ok(v.to_string()),
        Some(Value::List(_) | Value::Map(_)) => Err(Fault::at(path, format!("`{path}`, a part of the delivery id, is not text"))),
        _ => Err(Fault::at(path, format!("`{path}`, a part of the delivery id, is missing or empty"))),
    }
}

/// The time at a path; nothing where nothing is told.
fn time(told: &Told, path: &str, zone: &TimeZone) -> Result<Option<Timestamp>, Fault> {
    match told.find(path) {
        None => Ok(None),
        Some(value) if value.is_empty() => Ok(None),
        Some(value) => entity::time(value, zone).map(Some).ok_or_else(|| {
            let shown: String = value.to_string().chars().take(40).collect();
            let form = "a time such as 2026-09-21T09:00:00+08:00, 2026-09-21 09:00 or a Unix time is expected";
            Fault::at(path, format!("`{path}`: {form}, not `{shown}`"))
        }),
    }
}

fn upsert(map: &RecordMapping, definitions: &Definitions, told: &Told, now: Timestamp) -> Result<Upsert, Fault> {
    let zone = &definitions.zone.0;
    let ours = |detail: String| Fault { ours: true, ..Fault::new(detail) };
    let entity = definitions
        .entities
        .get(&map.entity)
        .ok_or_else(|| ours(format!("the source's map names entity `{}`, which is not defined", map.entity)))?;
    let mut fields = Map::new();
    for (field, path) in &map.fields {
        let Some(value) = told.find(path) else { continue }; // absent: not told
        let kind = entity.fields.get(field).map(|f| &f.kind);
        let kind = kind.ok_or_else(|| ours(format!("the source's map names field `{field}`, which `{}` has not", map.entity)))?;
        let value = match map.values.get(field) {
            Some(words) => translate(words, value.clone()),
            None => value.clone(),
        };
        let value = entity::normalise(kind, value, zone).map_err(|e| Fault::at(path, format!("field `{field}`: {e}")))?;
        fields.insert(field.clone(), value);
    }
    let record = RecordRef { entity: map.entity.clone(), id: key(entity, map, &fields)? };
    // A clock ahead of ours must not make all later news look old.
    let at = map.at.as_ref().map(|path| time(told, path, zone)).transpose()?.flatten().map(|at| at.min(now));
    Ok(Upsert { record, fields, at })
}

/// A source's words into ours; a word that is not in the list stays.
fn translate(words: &BTreeMap<String, String>, value: Value) -> Value {
    match value {
        Value::List(list) => Value::List(list.into_iter().map(|v| translate(words, v)).collect()),
        Value::Null | Value::Map(_) => value,
        other => match words.get(other.to_string().trim()) {
            Some(ours) => ours.as_str().into(),
            None => other,
        },
    }
}

fn key(entity: &Entity, map: &RecordMapping, fields: &Map) -> Result<String, Fault> {
    let path = map.fields.get(&entity.key).map_or(entity.key.as_str(), String::as_str);
    let id = match fields.get(&entity.key) {
        Some(Value::Number(n)) => n.normalize().to_string(), // 7 and 7.0 are one record
        Some(value) => value.to_string(),
        None => String::new(),
    };
    let what = format!("field `{}`, by which a {} is known", entity.key, map.entity);
    match id.chars().count() {
        0 => Err(Fault::at(path, format!("{what}, is missing or empty"))),
        n if n > MAX_ID => Err(Fault::at(path, format!("{what}, has {n} characters, at most {MAX_ID} are taken"))),
        _ if id.chars().any(char::is_control) => Err(Fault::at(path, format!("{what}, has line breaks or control characters"))),
        _ => Ok(id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::entity::{Field, FieldKind, From};
    use crate::engine::template::Template;
    use crate::engine::value::from_json;

    fn definitions() -> Definitions {
        let fields = [
            ("id", FieldKind::Text),
            ("mobile", FieldKind::Phone("CN".into())),
            ("level", FieldKind::Choice(vec!["A".into(), "B".into()])),
            ("amount", FieldKind::Money),
            ("seen", FieldKind::Time),
            ("tags", FieldKind::List),
        ];
        let field = |kind| Field { kind, from: From::Anyone, opt_out: false };
        let lead = Entity { key: "id".into(), fields: fields.map(|(n, k)| (n.to_owned(), field(k))).into(), ..Entity::default() };
        Definitions { entities: [("lead".to_owned(), lead)].into(), ..Definitions::default() }
    }

    fn now() -> Timestamp {
        "2026-09-21T01:00:00Z".parse().unwrap()
    }

    fn words(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn lead() -> Mapping {
        let fields = ["id", "mobile", "level", "amount", "seen", "tags"].map(|f| (f, format!("data.{f}")));
        let fields = fields.iter().map(|(f, p)| (*f, p.as_str())).collect::<Vec<_>>();
        let values = [("level".to_owned(), words(&[("1", "A"), ("重要", "A"), ("2", "B")]))].into();
        let record = RecordMapping { entity: "lead".into(), fields: words(&fields), values, at: Some("data.updated".into()) };
        Mapping { record: Some(record), ..Mapping::default() }
    }

    /// What the mapping makes of a payload: record, its fields and time; or the fault.
    fn check(map: &Mapping, json: &str, expect: &str) {
        let told = Told { data: from_json(json.as_bytes()).unwrap(), ..Told::default() };
        let got = match draft("crm", map, &definitions(), told, now()) {
            Ok(Draft { body: Body::Happened { upsert: Some(upsert), .. }, record, .. }) => {
                assert_eq!(record.as_ref(), Some(&upsert.record));
                let fields = serde_json::to_string(&Value::Map(upsert.fields).plain()).unwrap();
                format!("{} {fields}{}", upsert.record, upsert.at.map(|t| format!(" {t}")).unwrap_or_default())
            }
            Ok(draft) => {
                let at = if draft.at == now() { String::new() } else { format!(" {}", draft.at) };
                format!("{}{at}{}", draft.name, draft.delivery.map(|d| format!(" {d}")).unwrap_or_default())
            }
            Err(fault) => format!("{}{}: {}", if fault.ours { "ours" } else { "" }, fault.path.unwrap_or_default(), fault.detail),
        };
        assert_eq!(got, expect, "{json}");
    }

    #[test]
    fn fields_are_normalised_absent_is_not_told_and_null_is_told_to_be_empty() {
        check(
            &lead(),
            r#"{"data":{"id":7.0,"mobile":"138 0013 8000","level":"重要","amount":"￥1,000","other":1,"tags":null,"updated":"2026-09-20 09:00"}}"#,
            r#"lead/7 {"amount":1000,"id":"7","level":"A","mobile":"+8613800138000","tags":null} 2026-09-20T01:00:00Z"#,
        );
        check(
            &lead(),
            r#"{"data":{"id":"L1","level":2,"seen":1790000000}}"#,
            r#"lead/L1 {"id":"L1","level":"B","seen":"2026-09-21T14:13:20Z"}"#,
        );
        check(&lead(), r#"{"data":{"id":" L1 ","mobile":""}}"#, r#"lead/L1 {"id":"L1","mobile":null}"#);
        check(&lead(), r#"{"data.id":"L2"}"#, r#"lead/L2 {"id":"L2"}"#); // a member with a dot in its name
    }

    #[test]
    fn what_does_not_fit_is_refused_by_field() {
        let phone = "a phone number such as 13800138000 expected, not `12`";
        check(&lead(), r#"{"data":{"id":"L1","mobile":"12"}}"#, &format!("data.mobile: field `mobile`: {phone}"));
        let level = "data.level: field `level`: one of A, B expected, not `C`";
        check(&lead(), r#"{"data":{"id":"L1","level":"C"}}"#, level);
        let key = "data.id: field `id`, by which a lead is known, is missing or empty";
        for none in [r#"{"data":{"level":"A"}}"#, r#"{"data":{"id":null}}"#, r#"{"data":{"id":"　"}}"#, "{}"] {
            check(&lead(), none, key);
        }
        let control = "data.id: field `id`, by which a lead is known, has line breaks or control characters";
        check(&lead(), r#"{"data":{"id":"a\nb"}}"#, control);
        let long = "data.id: field `id`, by which a lead is known, has 256 characters, at most 255 are taken";
        check(&lead(), &format!(r#"{{"data":{{"id":"{}"}}}}"#, "客".repeat(256)), long);
        let mut map = lead();
        map.record.as_mut().unwrap().entity = "deal".into();
        check(&map, "{}", "ours: the source's map names entity `deal`, which is not defined");
    }

    #[test]
    fn times() {
        let map = Mapping { time: Some("at".into()), ..Mapping::default() };
        check(&map, r#"{"at":"2026-09-20 09:00"}"#, "crm.received 2026-09-20T01:00:00Z");
        check(&map, r#"{"at":1789000000123}"#, "crm.received 2026-09-10T00:26:40.123Z");
        check(&map, r#"{"at":"1789000000"}"#, "crm.received 2026-09-10T00:26:40Z");
        for now in ["{}", r#"{"at":null}"#, r#"{"at":" "}"#, r#"{"at":"2027-01-01"}"#] {
            check(&map, now, "crm.received"); // not told, or later than it was received
        }
        let form = "a time such as 2026-09-21T09:00:00+08:00, 2026-09-21 09:00 or a Unix time is expected";
        check(&map, r#"{"at":"昨天"}"#, &format!("at: `at`: {form}, not `昨天`"));
    }

    #[test]
    fn deliveries() {
        let map = |paths: &[&str]| Mapping {
            delivery: Some(Delivery::Body(paths.iter().map(|p| (*p).into()).collect())),
            ..Mapping::default()
        };
        check(&map(&["id"]), r#"{"id":"a/b"}"#, "crm.received a/b");
        check(&map(&["id", "n"]), r#"{"id":"a/b","n":7}"#, "crm.received a%2Fb/7");
        check(&map(&["id", "n"]), r#"{"id":"a","n":""}"#, "n: `n`, a part of the delivery id, is missing or empty");
        check(&map(&["id"]), r#"{"id":[1]}"#, "id: `id`, a part of the delivery id, is not text");
        let long = ": the delivery id has 256 characters, at most 255 are taken";
        check(&map(&["id"]), &format!(r#"{{"id":"{}"}}"#, "客".repeat(256)), long);
    }

    #[test]
    fn names() {
        let map = |name: &str| Mapping { event: Some(Template::parse(name).unwrap()), ..Mapping::default() };
        for good in ["crm.lead-updated_2", "客户.等级变更", "person.created", "lead.created.late", "ifthens.x"] {
            check(&map(good), "{}", good);
        }
        let rule = "a name is letters, digits, _ and -, in parts separated by single dots (crm.lead-updated); say `event:` in the source's map";
        for bad in ["", ".", "a..b", "a b", "a/b", "a\nb", "crm.*"] {
            check(&map(bad), "{}", &format!(": `{}` cannot be an event name: {rule}", bad.trim()));
        }
        for reserved in ["lead.created", "lead.changed", "lead.merged", "lead.deleted", "ifthen", "ifthen.started"] {
            let why =
                "only ifthen itself says so, when a record really changes; say another name in `event:` of the source's map";
            check(&map(reserved), "{}", &format!(": event name `{reserved}` is reserved: {why}"));
        }
        let long = format!(": event name `{}…` has 201 characters, at most 200 are taken", "客".repeat(60));
        check(&map(&"客".repeat(201)), "{}", &long);
    }

    #[test]
    fn names_are_made_from_the_payload() {
        let map = |name: &str| Mapping { event: Some(Template::parse(name).unwrap()), ..Mapping::default() };
        check(&map("crm.{{ type }}"), r#"{"type":"等级变更"}"#, "crm.等级变更");
        check(&map("{{ ce.type | lower }}.{{ n }}"), r#"{"ce":{"type":"Com.X"},"n":7}"#, "com.x.7");
        let rule = "a name is letters, digits, _ and -, in parts separated by single dots (crm.lead-updated); say `event:` in the source's map";
        for (payload, bad) in [("{}", "crm."), (r#"{"type":"{{ 7 }}"}"#, "crm.{{ 7 }}")] {
            check(&map("crm.{{ type }}"), payload, &format!(": `{bad}` cannot be an event name: {rule}"));
        }
        let outer = Arc::new(Value::from([("operation", "update".into())]));
        let told = Told { data: Value::from([("id", 1i64.into())]), outer: Some(outer), ..Told::default() };
        let draft = draft("crm", &map("lead.{{ outer.operation }}d"), &definitions(), told, now()).unwrap();
        assert_eq!(draft.name, "lead.updated");
    }

    #[test]
    fn templates_in_data_stay_text() {
        let told = Told { data: Value::from([("name", "{{ secret }}".into())]), ..Told::default() };
        let draft = draft("crm", &Mapping::default(), &definitions(), told.clone(), now()).unwrap();
        assert_eq!(draft.body, Body::Happened { data: told.data, upsert: None });
    }
}
