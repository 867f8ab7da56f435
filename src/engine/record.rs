//! Records, and who may change which of their fields: the three-way merge of what sources tell.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::entity::{Entity, From};
use super::event::Upsert;
use super::value::{Map, Value};

/// One record: a lead, a deal, a ticket.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Record {
    /// Values by field; null and absent both mean there is none.
    pub fields: Map,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeSet<String>,
    /// What each source told last, by source: the base of the three-way merge.
    #[serde(default)]
    pub told: Memory,
    /// The ids that lead here since their records were merged into this one, and what each source told last under each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub merged: BTreeMap<String, Memory>,
    /// When it came to be here.
    #[serde(default)]
    pub created: Timestamp,
    /// When a field or tag last changed.
    #[serde(default)]
    pub changed: Timestamp,
}

/// What each source told last, by source. Shared by a record and the one that it becomes: hardly a change touches it.
pub type Memory = BTreeMap<String, Arc<Told>>;

/// What a source told last.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Told {
    /// Its values, normalised.
    pub fields: Map,
    /// As of when, by the source's own clock: the newest of all.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// Fields that were told last as of an earlier time than `at`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub older: BTreeMap<String, Timestamp>,
}

impl Told {
    /// Whether news of a field as of `at` are older than what was told of it last.
    fn is_late(&self, field: &str, at: Option<Timestamp>) -> bool {
        let last = self.older.get(field).copied().or(self.at);
        self.fields.contains_key(field) && matches!((at, last), (Some(new), Some(last)) if new < last)
    }

    /// Takes note that these fields were told as of `at`.
    fn note<'f>(&mut self, fields: impl Iterator<Item = &'f String>, at: Option<Timestamp>) {
        let Some(at) = at else { return };
        let newest = self.at;
        if newest.is_none_or(|last| at > last) {
            // What this time says nothing of keeps its own time.
            let last = newest.unwrap_or(Timestamp::MIN); // told without a time: older than anything that has one
            for field in self.fields.keys() {
                self.older.entry(field.clone()).or_insert(last);
            }
            self.at = Some(at);
        }
        for field in fields {
            if self.at == Some(at) {
                self.older.remove(field);
            } else {
                self.older.insert(field.clone(), at);
            }
        }
    }
}

/// A field that a source told and that was not taken, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The field.
    pub field: String,
    /// In words.
    pub reason: &'static str,
}

impl Record {
    /// Merges what a source tells; returns what was told anew and not taken.
    ///
    /// A field changes only where the source's own value changed since it last told us: a stale copy, or the echo of our own
    /// write-back, changes nothing. News older than the last told are not news. What is told under an id that was merged into
    /// this record is compared with what was told under that id.
    pub fn merge(&mut self, source: &str, upsert: &Upsert, entity: &Entity, under: Option<&str>) -> Vec<Refused> {
        let memory = match under {
            Some(id) => self.merged.entry(id.to_owned()).or_default(),
            None => &mut self.told,
        };
        let told = Arc::make_mut(memory.entry(source.to_owned()).or_default());
        let mut refused = Vec::new();
        let mut noted = Vec::new();
        // Another id never becomes this record's own.
        for (field, value) in upsert.fields.iter().filter(|(field, _)| under.is_none() || **field != entity.key) {
            let mut refuse = |reason| refused.push(Refused { field: field.clone(), reason });
            let same = told.fields.get(field) == Some(value);
            if told.is_late(field, upsert.at) {
                if !same {
                    refuse("older than what this source told last");
                }
                continue;
            }
            noted.push(field);
            if same {
                continue;
            }
            told.fields.insert(field.clone(), value.clone());
            match entity.fields.get(field).map(|f| &f.from) {
                Some(From::Ifthen) => refuse("kept by ifthen (from: ifthen)"),
                Some(From::Source(only)) if only != source => refuse("kept by another source"),
                _ => {
                    self.fields.insert(field.clone(), value.clone());
                }
            }
        }
        told.note(noted.into_iter(), upsert.at);
        refused
    }

    /// Former values of the fields in which `before` differs from this; tags as the field `tags`.
    pub fn difference(&self, before: &Record) -> Map {
        let mut old = Map::new();
        for name in self.fields.keys().chain(before.fields.keys()) {
            let (was, is) = (before.value(name), self.value(name));
            if was != is {
                old.insert(name.clone(), was.clone());
            }
        }
        if self.tags != before.tags {
            old.insert("tags".into(), tags(&before.tags));
        }
        old
    }

    /// A field's value; null if there is none.
    pub fn value(&self, field: &str) -> &Value {
        self.fields.get(field).unwrap_or(&Value::Null)
    }

    /// A field's value as conditions see it: `tags` is the list of tags unless the entity has a field of that name.
    pub fn seen(&self, field: &str) -> Value {
        match self.fields.get(field) {
            Some(v) => v.clone(),
            None if field == "tags" => tags(&self.tags),
            None => Value::Null,
        }
    }
}

fn tags(tags: &BTreeSet<String>) -> Value {
    Value::List(tags.iter().map(|t| t.as_str().into()).collect())
}

#[cfg(test)]
mod tests {
    use super::super::entity::{Field, FieldKind};
    use super::super::event::RecordRef;
    use super::*;

    fn entity() -> Entity {
        let field = |from| Field { kind: FieldKind::Text, from, opt_out: false };
        let fields =
            [("stage", From::Anyone), ("owner", From::Anyone), ("pool", From::Ifthen), ("erp_no", From::Source("erp".into()))];
        Entity { key: "id".into(), fields: fields.map(|(n, f)| (n.to_owned(), field(f))).into(), ..Entity::default() }
    }

    /// What `source` tells, and which fields then changed to what.
    fn check(record: &mut Record, source: &str, at: Option<&str>, tells: &[(&str, &str)], expect: &[(&str, &str)]) {
        let before = record.clone();
        let fields = tells.iter().map(|(k, v)| ((*k).to_owned(), if v.is_empty() { Value::Null } else { (*v).into() })).collect();
        let record_ref = RecordRef { entity: "lead".into(), id: "L1".into() };
        let upsert = Upsert { record: record_ref, fields, at: at.map(|t| t.parse().unwrap()) };
        record.merge(source, &upsert, &entity(), None);
        let changed: Vec<(String, String)> =
            record.difference(&before).keys().map(|k| (k.clone(), record.value(k).to_string())).collect();
        let expect: Vec<(String, String)> = expect.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(changed, expect);
    }

    #[test]
    fn a_stale_post_and_an_echo_change_nothing_and_a_real_change_comes_through() {
        let mut r = Record::default();
        check(&mut r, "crm", None, &[("stage", "new"), ("owner", "crm-user")], &[("owner", "crm-user"), ("stage", "new")]);
        r.fields.insert("owner".into(), "zhangsan".into()); // our assignment
        check(&mut r, "crm", None, &[("stage", "new"), ("owner", "crm-user")], &[]); // stale
        check(&mut r, "crm", None, &[("owner", "zhangsan")], &[]); // echo of our write-back
        check(&mut r, "crm", None, &[("stage", "won")], &[("stage", "won")]);
        check(&mut r, "crm", None, &[("owner", "lisi")], &[("owner", "lisi")]);
        check(&mut r, "crm", None, &[("owner", "")], &[("owner", "")]); // null clears, absent does not
    }

    #[test]
    fn older_news_are_no_news() {
        let mut r = Record::default();
        check(&mut r, "crm", Some("2026-09-21T02:00:00Z"), &[("owner", "lisi")], &[("owner", "lisi")]);
        check(&mut r, "crm", Some("2026-09-21T01:00:00Z"), &[("owner", "crm-user"), ("stage", "new")], &[("stage", "new")]);
        // Each field has its own time: this is older than the owner, newer than the stage.
        check(&mut r, "crm", Some("2026-09-21T01:30:00Z"), &[("stage", "won")], &[("stage", "won")]);
        check(&mut r, "crm", Some("2026-09-21T01:15:00Z"), &[("stage", "lost")], &[]);
        check(&mut r, "crm", Some("2026-09-21T03:00:00Z"), &[("owner", "wang")], &[("owner", "wang")]);
        check(&mut r, "crm", Some("2026-09-21T01:20:00Z"), &[("stage", "lost")], &[]);
        check(&mut r, "crm", Some("2026-09-21T02:00:00Z"), &[("stage", "lost")], &[("stage", "lost")]);
    }

    #[test]
    fn what_was_told_without_a_time_is_older_than_what_has_one() {
        let mut r = Record::default();
        check(&mut r, "crm", None, &[("stage", "new")], &[("stage", "new")]);
        check(&mut r, "crm", Some("2026-09-21T05:00:00Z"), &[("owner", "lisi")], &[("owner", "lisi")]);
        check(&mut r, "crm", Some("2026-09-21T03:00:00Z"), &[("stage", "won")], &[("stage", "won")]);
        check(&mut r, "crm", Some("2026-09-21T02:00:00Z"), &[("stage", "lost")], &[]);
    }

    #[test]
    fn fields_have_owners() {
        let mut r = Record::default();
        check(&mut r, "crm", None, &[("pool", "x"), ("erp_no", "1")], &[]);
        check(&mut r, "erp", None, &[("erp_no", "1")], &[("erp_no", "1")]);
    }
}
