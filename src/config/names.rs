//! Which names may stand in a condition or template: the fields of the record in question, `event.x`, `old.x`, constants, and what
//! references lead to.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::scalar::nearest;
use crate::engine::entity::{Entity, Field, FieldKind};
use crate::engine::expression::Kind;
use crate::engine::scope::{Names, Unknown};
use crate::engine::value::Map;

/// Names that mean something of their own and can be neither fields nor constants.
pub(super) const RESERVED: &[&str] = &["event", "old", "steps", "true", "false", "null", "and", "or", "not", "in", "if"];

/// What a person has, behind `owner.`
const PERSON: &[&str] = &["id", "name", "email", "mobile", "manager", "roles"];

/// What a run has, behind `run.`
const RUN: &[&str] = &["id", "flow", "round", "started", "initiator", "error", "failed_step"];

/// The names that a step of a flow sees beside those of the record.
#[derive(Debug, Clone, Default)]
pub(super) struct Sight {
    /// Ids of the steps that may have run before.
    pub(super) steps: BTreeSet<String>,
    /// Those of all others.
    pub(super) others: BTreeSet<String>,
    /// `vars.x`
    pub(super) vars: BTreeSet<String>,
    /// What each `each` around it calls one of its list.
    pub(super) items: Vec<String>,
    /// `answer`
    pub(super) answer: bool,
}

impl Sight {
    /// The names that may stand first.
    fn first(&self) -> impl Iterator<Item = String> {
        let answer = self.answer.then_some("answer");
        ["steps", "vars", "round", "run"].into_iter().chain(answer).map(str::to_owned).chain(self.items.clone())
    }

    /// What is wrong with a path, if it is one of these.
    fn problem(&self, path: &[String]) -> Option<Option<Unknown>> {
        let among = |known: &BTreeSet<String>| match path.get(1) {
            Some(name) if known.contains(name) => None,
            Some(name) => Some(Unknown { part: 1, nearest: nearest(name, known.iter().map(String::as_str)) }),
            None => Some(Unknown { part: 0, nearest: None }),
        };
        Some(match path.first()?.as_str() {
            "steps" => among(&self.steps),
            "vars" => among(&self.vars),
            "run" => match path.get(1) {
                Some(name) if RUN.contains(&name.as_str()) => path.get(2).map(|_| Unknown { part: 2, nearest: None }),
                Some(name) => Some(Unknown { part: 1, nearest: nearest(name, RUN.iter().copied()) }),
                None => Some(Unknown { part: 0, nearest: None }),
            },
            "round" => path.get(1).map(|_| Unknown { part: 1, nearest: None }),
            "answer" if self.answer => None,
            name if self.items.iter().any(|i| i == name) => None,
            _ => return None,
        })
    }

    /// What a path stands for, if it is one of these.
    fn kind(&self, path: &[String]) -> Option<Kind> {
        match path.first()?.as_str() {
            "round" => Some(Kind::Number),
            _ => self.problem(path).map(|_| Kind::Any),
        }
    }
}

/// What may be named where an expression stands.
pub(super) struct Known<'a> {
    pub(super) entities: &'a BTreeMap<String, Entity>,
    pub(super) constants: &'a Map,
    /// The record is one of these; empty: not known, any entity's fields will do.
    pub(super) of: Vec<&'a str>,
    /// What a step of a flow sees.
    pub(super) steps: Option<&'a Sight>,
    /// An entity in question could not be read in full: names are not checked.
    pub(super) vague: bool,
    pub(super) calendars: &'a Calendars,
    /// Names of `let:`.
    pub(super) lets: Vec<String>,
}

/// The calendars that may be named.
#[derive(Debug, Default)]
pub(super) struct Calendars {
    pub(super) names: BTreeSet<String>,
    /// The one that is meant where none is named.
    pub(super) usual: String,
    /// Those that something goes by.
    pub(super) used: RefCell<BTreeSet<String>>,
}

impl Calendars {
    /// Notes that something goes by a calendar; whether there is one of that name.
    pub(super) fn follow(&self, name: Option<&str>) -> bool {
        let name = name.unwrap_or(&self.usual);
        self.used.borrow_mut().insert(name.to_owned());
        self.names.contains(name)
    }
}

impl<'a> Known<'a> {
    /// The entities in question.
    pub(super) fn candidates(&self) -> Vec<&'a Entity> {
        let all: Vec<&Entity> = self.of.iter().filter_map(|e| self.entities.get(*e)).collect();
        if all.is_empty() { self.entities.values().collect() } else { all }
    }

    /// The names that may stand first.
    fn first(&self) -> Vec<String> {
        let mut names: Vec<String> = self.candidates().iter().flat_map(|e| fields(e)).collect();
        names.extend(self.constants.keys().cloned());
        names.extend(["event", "old"].map(str::to_owned));
        names.extend(self.lets.iter().cloned());
        names.extend(self.steps.into_iter().flat_map(Sight::first));
        names
    }

    /// A name that only a run has, and an entity in question with a field of the same name.
    pub(super) fn hidden<'n>(&self, path: &'n [String]) -> Option<(&'n str, &'a str)> {
        let first = path.first().filter(|n| ["vars", "round", "run"].contains(&n.as_str()) && self.steps.is_some())?;
        let entity = self.of.iter().find(|e| self.entities.get(**e).is_some_and(|e| e.fields.contains_key(first)))?;
        Some((first, entity))
    }

    fn fields_problem(&self, path: &[String], from: usize) -> Option<Unknown> {
        let name = path.get(from)?;
        let candidates = self.candidates();
        let mut best = None;
        for entity in &candidates {
            match entity_problem(self.entities, entity, path, from) {
                None => return None,
                Some(unknown) if best.as_ref().is_none_or(|b: &Unknown| b.part < unknown.part) => best = Some(unknown),
                Some(_) => {}
            }
        }
        let mut unknown = best?;
        if unknown.part == from {
            let names: Vec<String> = if from == 0 { self.first() } else { candidates.iter().flat_map(|e| fields(e)).collect() };
            unknown.nearest = nearest(name, names.iter().map(String::as_str));
        }
        Some(unknown)
    }
}

impl Names for Known<'_> {
    fn problem(&self, path: &[String]) -> Option<Unknown> {
        let first = path.first()?;
        if let Some(own) = self.steps.and_then(|s| s.problem(path)) {
            return own;
        }
        match first.as_str() {
            "event" => None,
            "old" if path.len() == 1 => Some(Unknown { part: 0, nearest: None }),
            "old" => self.fields_problem(path, 1),
            "steps" => Some(Unknown { part: 0, nearest: None }),
            _ if self.constants.contains_key(first) || self.lets.contains(first) => None,
            _ if self.entities.is_empty() => {
                Some(Unknown { part: 0, nearest: nearest(first, self.first().iter().map(String::as_str)) })
            }
            _ => self.fields_problem(path, 0),
        }
    }

    fn calendar(&self, name: Option<&str>) -> Option<Unknown> {
        let known = || self.calendars.names.iter().map(String::as_str);
        let there = self.calendars.follow(name);
        name.filter(|_| !there).map(|name| Unknown { part: 0, nearest: nearest(name, known()) })
    }

    fn kind(&self, path: &[String]) -> Kind {
        let Some(first) = path.first() else { return Kind::Any };
        if matches!(first.as_str(), "event" | "steps") || self.vague {
            return Kind::Any;
        }
        if let Some(own) = self.steps.and_then(|s| s.kind(path)) {
            return own;
        }
        if let Some(constant) = self.constants.get(first) {
            return constant.at(&path[1..]).map_or(Kind::Any, Kind::of);
        }
        if self.of.is_empty() {
            return Kind::Any;
        }
        let path = if first == "old" { &path[1..] } else { path };
        let mut kinds = self.candidates().into_iter().map(|e| field_kind(self.entities, e, path));
        let Some(kind) = kinds.next() else { return Kind::Any };
        if kinds.all(|other| other == kind) { kind } else { Kind::Any }
    }
}

/// What a path from a record of an entity leads to.
fn field_kind(entities: &BTreeMap<String, Entity>, entity: &Entity, path: &[String]) -> Kind {
    let Some((first, rest)) = path.split_first() else { return Kind::Any };
    let Some(kind) = field(entity, first) else { return Kind::Any };
    match (kind.as_ref(), rest) {
        (_, []) => kind_of(&kind),
        (FieldKind::Ref(other), _) => entities.get(other).map_or(Kind::Any, |e| field_kind(entities, e, rest)),
        (FieldKind::Person, _) => match rest.iter().find(|member| *member != "manager").map(String::as_str) {
            None => Kind::Word,
            Some("roles") => Kind::List,
            Some(_) => Kind::Text,
        },
        _ => Kind::Any,
    }
}

/// What a field keeps.
pub(super) fn kind_of(kind: &FieldKind) -> Kind {
    match kind {
        FieldKind::Text => Kind::Text,
        FieldKind::Phone(_) | FieldKind::Email | FieldKind::Choice(_) | FieldKind::Person | FieldKind::Ref(_) => Kind::Word,
        FieldKind::Number | FieldKind::Money | FieldKind::Percent => Kind::Number,
        FieldKind::Boolean => Kind::Bool,
        FieldKind::Time => Kind::Time,
        FieldKind::Date => Kind::Date,
        FieldKind::List => Kind::List,
        FieldKind::Any => Kind::Any,
    }
}

/// The names a record of an entity answers to.
fn fields(entity: &Entity) -> Vec<String> {
    let mut names: Vec<String> = entity.fields.keys().cloned().collect();
    names.push("tags".into());
    names
}

/// A field, the implied ones too: tags, and when a person field was last assigned.
pub(super) fn field<'a>(entity: &'a Entity, name: &str) -> Option<std::borrow::Cow<'a, FieldKind>> {
    use std::borrow::Cow;
    if let Some(Field { kind, .. }) = entity.fields.get(name) {
        return Some(Cow::Borrowed(kind));
    }
    let assigned = name.strip_suffix("_at").and_then(|n| entity.fields.get(n)).is_some_and(|f| f.kind == FieldKind::Person);
    match name {
        "tags" => Some(Cow::Owned(FieldKind::List)),
        _ if assigned => Some(Cow::Owned(FieldKind::Time)),
        _ => None,
    }
}

fn entity_problem(entities: &BTreeMap<String, Entity>, entity: &Entity, path: &[String], from: usize) -> Option<Unknown> {
    let name = path.get(from)?;
    let unknown = |part: usize, nearest| Some(Unknown { part, nearest });
    let Some(kind) = field(entity, name) else {
        return unknown(from, nearest(name, fields(entity).iter().map(String::as_str)));
    };
    let rest = &path[from + 1..];
    if rest.is_empty() {
        return None;
    }
    match kind.as_ref() {
        FieldKind::Any | FieldKind::List => None,
        FieldKind::Ref(other) => entities.get(other).and_then(|e| entity_problem(entities, e, path, from + 1)),
        FieldKind::Person => person_problem(path, from + 1),
        _ => unknown(from + 1, None),
    }
}

/// `owner.manager.manager.name`
fn person_problem(path: &[String], from: usize) -> Option<Unknown> {
    let name = path.get(from)?;
    match name.as_str() {
        "manager" => person_problem(path, from + 1),
        "roles" => None,
        known if PERSON.contains(&known) => path.get(from + 1).map(|_| Unknown { part: from + 1, nearest: None }),
        _ => Some(Unknown { part: from, nearest: nearest(name, PERSON.iter().copied()) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::entity::From;

    fn check(path: &str, of: &[&'static str], expect: Option<(usize, Option<&str>)>) {
        let field = |kind| Field { kind, from: From::Anyone, opt_out: false };
        let lead = [
            ("amount", FieldKind::Money),
            ("owner", FieldKind::Person),
            ("customer", FieldKind::Ref("customer".into())),
            ("x", FieldKind::Any),
        ];
        let lead = lead.map(|(n, k)| (n.to_owned(), field(k))).into();
        let customer = [("level".to_owned(), field(FieldKind::Text))].into();
        let entities = [
            ("lead".to_owned(), Entity { fields: lead, ..Entity::default() }),
            ("customer".to_owned(), Entity { fields: customer, ..Entity::default() }),
        ]
        .into();
        let steps = Sight {
            steps: BTreeSet::from(["pdf".to_owned()]),
            vars: BTreeSet::from(["次数".to_owned()]),
            items: vec!["明细".to_owned()],
            ..Sight::default()
        };
        let constants = Map::from([("hot".to_owned(), 1i64.into())]);
        let calendars = &Calendars::default();
        let (of, steps, lets) = (of.to_vec(), Some(&steps), vec!["views".to_owned()]);
        let known = Known { entities: &entities, constants: &constants, of, steps, vague: false, calendars, lets };
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        let got = known.problem(&path);
        assert_eq!(got.as_ref().map(|u| (u.part, u.nearest.as_deref())), expect, "{path:?}");
    }

    #[test]
    fn names() {
        check("amount", &["lead"], None);
        check("amout", &["lead"], Some((0, Some("amount"))));
        check("level", &["lead"], Some((0, None)));
        check("level", &[], None);
        check("customer.level", &["lead"], None);
        check("customer.levle", &["lead"], Some((1, Some("level"))));
        check("owner.manager.name", &["lead"], None);
        check("owner.boss", &["lead"], Some((1, None)));
        check("owner_at", &["lead"], None);
        check("amount.x", &["lead"], Some((1, None)));
        check("x.y.z", &["lead"], None);
        check("event.anything.at", &["lead"], None);
        check("old.amount", &["lead"], None);
        check("old.amont", &["lead"], Some((1, Some("amount"))));
        check("steps.pdf.status", &["lead"], None);
        check("steps.pfd.status", &["lead"], Some((1, Some("pdf"))));
        check("vars.次数", &["lead"], None);
        check("vars.次", &["lead"], Some((1, None)));
        check("run.initator", &["lead"], Some((1, Some("initiator"))));
        check("round", &["lead"], None);
        check("round.x", &["lead"], Some((1, None)));
        check("明细.金额", &["lead"], None);
        check("answer.body", &["lead"], Some((0, None)));
        check("hot", &["lead"], None);
        check("tags", &["lead"], None);
        check("views", &["lead"], None);
        check("view", &["lead"], Some((0, Some("views"))));
    }
}
