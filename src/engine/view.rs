//! The names of a decision: what `amount`, `event.page`, `old.stage`, `owner.manager`, `steps.invoice.status` stand for.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Zoned;

use super::calendar::Calendar;
use super::decide::{Arrived, Deciding};
use super::definition::{Person, Who};
use super::entity::FieldKind;
use super::event::RecordRef;
use super::flow::Local;
use super::record::Record;
use super::scope::{Scope, Stop};

use super::value::{Map, Value};

/// How many references one name may follow: `owner.manager.manager`.
const MAX_REFERENCES: usize = 8;

/// What conditions and templates see.
pub(super) struct View<'a> {
    pub(super) deciding: &'a Deciding<'a>,
    /// The record, as it was when the event arrived (conditions) or as it is now (actions).
    pub(super) record: Option<(RecordRef, Arc<Record>)>,
    /// `event.x`.
    pub(super) data: &'a Value,
    /// Former values of the fields that this event changed.
    pub(super) old: Option<&'a Map>,
    /// What only a run has: `steps.x`, `vars.x`.
    pub(super) local: Option<&'a Local<'a>>,
    /// The calendar that the rule or flow names.
    pub(super) calendar: Option<&'a str>,
    /// Whether references lead to records as they were when the event arrived, or as they are by now.
    pub(super) arrival: bool,
    /// The event with the names that its rule gives to values.
    pub(super) letting: Option<&'a Arrived<'a>>,
}

impl Scope for View<'_> {
    fn name(&self, path: &[String]) -> Result<Cow<'_, Value>, Stop> {
        let Some((first, rest)) = path.split_first() else { return Ok(Cow::Owned(Value::Null)) };
        let null = || Cow::Owned(Value::Null);
        match first.as_str() {
            "event" => return Ok(self.data.at(rest).map_or_else(null, Cow::Borrowed)),
            "old" => return Ok(self.former(rest)),
            _ => {}
        }
        if let Some(value) = self.local.and_then(|local| local.name(first, rest)) {
            return Ok(value);
        }
        if let Some(arrived) = self.letting
            && let Some(value) = arrived.lets.value(self.deciding, arrived, first)
        {
            let value = value?;
            return Ok(if rest.is_empty() { Cow::Owned(value) } else { Cow::Owned(value.at(rest).cloned().unwrap_or_default()) });
        }
        if let Some((at, record)) = &self.record {
            let field = self.deciding.definitions.entities.get(&at.entity).and_then(|e| e.fields.get(first));
            if field.is_some() || record.fields.contains_key(first) || first == "tags" {
                return match (record.fields.get(first), rest) {
                    (Some(value), []) => Ok(Cow::Borrowed(value)),
                    (_, []) => Ok(Cow::Owned(record.seen(first))),
                    (value, _) => self.follow(field.map(|f| &f.kind), value.unwrap_or(&Value::Null), rest),
                };
            }
        }
        if first == "unsubscribe_url" && rest.is_empty() {
            return Ok(Cow::Owned(super::mail::UNSUBSCRIBE.into())); // only mails know the name
        }
        let constant = self.deciding.definitions.constants.get(first);
        Ok(constant.and_then(|c| c.at(rest)).map_or_else(null, Cow::Borrowed))
    }

    fn at_hand(&self, path: &[String]) -> Option<&Value> {
        match path {
            [first, rest @ ..] if first == "event" => self.data.at(rest),
            [field] if field != "old" && self.local.is_none() && self.letting.is_none_or(|arrived| arrived.lets.is_empty()) => {
                self.record.as_ref()?.1.fields.get(field)
            }
            _ => None,
        }
    }

    fn now(&self) -> Zoned {
        self.deciding.now.to_zoned(self.deciding.definitions.zone.0.clone())
    }

    fn lookup(&self, table: &str, key: &Value, column: &str) -> Value {
        let table = self.deciding.definitions.tables.get(table);
        table.and_then(|t| t.find(key, column)).cloned().unwrap_or_default()
    }

    fn changed(&self, field: &str) -> bool {
        self.old.is_some_and(|old| old.contains_key(field))
    }

    fn calendar(&self, name: Option<&str>) -> Option<&Calendar> {
        self.deciding.definitions.calendar(name.or(self.calendar)).map(Arc::as_ref)
    }
}

impl<'a> View<'a> {
    /// What the conditions of whatever an event may wake see: everything as it was when it arrived, whatever was done meanwhile.
    pub(super) fn on_arrival(deciding: &'a Deciding<'a>, arrived: &'a Arrived<'_>) -> Self {
        let Arrived { record, data, old, calendar, .. } = arrived;
        let (record, calendar, letting) = (record.clone(), *calendar, Some(arrived));
        Self { deciding, record, data: data.as_ref(), old: *old, local: None, calendar, arrival: true, letting }
    }

    /// What sees a record as it is now, and nothing of any event.
    pub(super) fn of_record(
        deciding: &'a Deciding<'a>,
        record: Option<(RecordRef, Arc<Record>)>,
        data: &'a Value,
        calendar: Option<&'a str>,
    ) -> Self {
        Self { deciding, record, data, old: None, local: None, calendar, arrival: false, letting: None }
    }

    fn referred(&self, at: &RecordRef) -> Result<Option<Arc<Record>>, Stop> {
        Ok(match &self.record {
            Some((own, record)) if self.arrival && own == at => Some(Arc::clone(record)),
            Some((own, record)) if self.arrival => match self.deciding.found_before(at)? {
                (found, _) if found == *own => Some(Arc::clone(record)),
                (_, found) => found,
            },
            _ if self.arrival => self.deciding.found_before(at)?.1,
            _ => self.deciding.record(at)?,
        })
    }

    fn former(&self, path: &[String]) -> Cow<'_, Value> {
        let Some((field, rest)) = path.split_first() else { return Cow::Owned(Value::Null) };
        let value = match self.old {
            Some(old) => old.get(field).or_else(|| self.record.as_ref().map(|(_, r)| r.value(field))),
            None => None,
        };
        value.and_then(|v| v.at(rest)).map_or(Cow::Owned(Value::Null), Cow::Borrowed)
    }

    /// A member of what a field refers to.
    fn follow<'v>(&'v self, kind: Option<&FieldKind>, value: &'v Value, path: &[String]) -> Result<Cow<'v, Value>, Stop> {
        let (kind, value, path) = (kind.cloned(), value.clone(), path);
        match kind {
            Some(FieldKind::Person) => Ok(Cow::Owned(self.person(&value, path))),
            Some(FieldKind::Ref(entity)) => self.reference(&entity, &value, path, 0),
            _ => Ok(Cow::Owned(value.at(path).cloned().unwrap_or_default())),
        }
    }

    fn reference(&self, entity: &str, id: &Value, path: &[String], depth: usize) -> Result<Cow<'_, Value>, Stop> {
        if *id == Value::Null || depth >= MAX_REFERENCES {
            return Ok(Cow::Owned(Value::Null));
        }
        let at = RecordRef { entity: entity.to_owned(), id: id.to_string() };
        let Some(record) = self.referred(&at)? else { return Ok(Cow::Owned(Value::Null)) };
        let Some((first, rest)) = path.split_first() else { return Ok(Cow::Owned(Value::Null)) };
        let value = record.seen(first);
        let field = self.deciding.definitions.entities.get(entity).and_then(|e| e.fields.get(first));
        match field.map(|f| &f.kind) {
            _ if rest.is_empty() => Ok(Cow::Owned(value)),
            Some(FieldKind::Person) => Ok(Cow::Owned(self.person(&value, rest))),
            Some(FieldKind::Ref(next)) => self.reference(next, &value, rest, depth + 1),
            _ => Ok(Cow::Owned(value.at(rest).cloned().unwrap_or_default())),
        }
    }

    fn person(&self, id: &Value, path: &[String]) -> Value {
        let people = &self.deciding.definitions.people;
        let mut id = id.as_text().unwrap_or_default().to_owned();
        for (place, member) in path.iter().enumerate().take(MAX_REFERENCES) {
            let Some(person) = people.get(&id) else { return Value::Null };
            let value = member_of(&id, person, member);
            if place + 1 == path.len() {
                return value;
            }
            id = value.as_text().unwrap_or_default().to_owned();
        }
        Value::Null
    }

    /// The people meant, without repetition, in order.
    pub(super) fn who(&self, who: &[Who]) -> Result<Vec<String>, Stop> {
        let definitions = self.deciding.definitions;
        let mut ids: Vec<String> = Vec::new();
        for one in who {
            match one {
                Who::User(id) => ids.push(id.clone()),
                Who::Role(role) => {
                    ids.extend(
                        definitions.people.iter().filter(|(_, p)| p.active && p.roles.contains(role)).map(|(id, _)| id.clone()),
                    );
                }
                Who::Team(team) => ids.extend(definitions.teams.get(team).into_iter().flat_map(|t| t.members.iter().cloned())),
                Who::Field(path) => {
                    if let Some(id) = self.name(path)?.as_text() {
                        ids.push(id.to_owned());
                    }
                }
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        ids.retain(|id| definitions.people.contains_key(id) && seen.insert(id.clone()));
        Ok(ids)
    }
}

/// What `owner.name` and the like stand for.
fn member_of(id: &str, person: &Person, member: &str) -> Value {
    match member {
        "id" => id.into(),
        "name" => person.name.as_str().into(),
        "email" => person.email.clone().into(),
        "mobile" => person.mobile.clone().into(),
        "manager" => person.manager.clone().into(),
        "roles" => person.roles.clone().into(),
        _ => Value::Null,
    }
}
