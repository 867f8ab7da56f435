//! People and teams that a test is given: those of the definitions with other fields, or others beside them.

use std::collections::BTreeMap;

use super::super::catalogue as t;
use super::super::problem::{Problem, Said};
use super::super::scalar::{self, nearest};
use super::super::table::PERSON;
use super::super::tree::{Entry, Kind, Node};
use super::{Compiler, Item};
use crate::engine::definition::{Person, Team};

impl Compiler<'_> {
    /// Whether an entry of `given` is about people; an entity of that name comes first.
    pub(super) fn is_of_people(&self, entry: &Entry) -> bool {
        matches!(entry.key.as_str(), "people" | "teams") && !self.entities.contains_key(&entry.key)
    }

    /// `given: { people: { 张三: { active: false } }, teams: { 销售: [李四] } }`; who is given here is known to this test.
    pub(super) fn given_people(&self, given: Option<&Node>) -> (BTreeMap<String, Person>, BTreeMap<String, Team>) {
        self.guests.borrow_mut().clear();
        let entries = given.map(Node::entries).unwrap_or_default();
        let of = |key: &str| {
            let sections = entries.iter().filter(|e| e.key == key && self.is_of_people(e)).collect::<Vec<_>>();
            sections.into_iter().flat_map(|e| e.value.entries()).collect::<Vec<_>>()
        };
        let people = of("people");
        self.guests.borrow_mut().extend(people.iter().map(|e| e.key.clone()));
        let people = people.into_iter().filter_map(|e| Some((e.key.clone(), self.given_person(e)?))).collect();
        let teams = of("teams").into_iter().filter_map(|e| Some((e.key.clone(), self.given_team(e)?))).collect();
        (people, teams)
    }

    fn given_person(&self, entry: &Entry) -> Option<Person> {
        if !matches!(entry.value.kind, Kind::Map(_)) {
            self.expected(&entry.value, t::K_MAP.with([]));
            return None;
        }
        let known = || PERSON.keys.iter().flat_map(|keys| keys.iter()).map(|key| key.name);
        for field in entry.value.entries() {
            if !known().any(|name| name == field.key) {
                let near = nearest(&field.key, known()).map(|n| t::DID_YOU_MEAN.with([n.into()]));
                let what = t::UNKNOWN_FIELD.with([field.key.as_str().into(), "people".into()]);
                self.sink.add(Problem::new(field.at, what).help(near));
                return None;
            }
            let wrong = match field.key.as_str() {
                "active" => scalar::boolean(&field.value).is_none(),
                "roles" | "channels" => false,
                _ => field.value.text().is_none(),
            };
            if wrong {
                let what = if field.key == "active" { t::K_BOOL.with([]) } else { t::K_TEXT.with([]) };
                self.expected(&field.value, what);
                return None;
            }
        }
        let said = self.person(Item { id: &entry.key, at: entry.at, node: &entry.value });
        let Some(mut person) = self.people.get(&entry.key).cloned() else { return Some(said) };
        let Person { name, email, mobile, dingtalk, wecom, manager, roles, channels, active, signed_out, proxies } = said;
        let has = |key| entry.value.has(key);
        macro_rules! take {
            ($($field:ident)*) => { $(if has(stringify!($field)) { person.$field = $field; })* };
        }
        take!(name email mobile dingtalk wecom manager roles channels active signed_out);
        if has("proxy") {
            person.proxies = proxies;
        }
        Some(person)
    }

    fn expected(&self, node: &Node, what: Said) {
        let found = node.text().unwrap_or("…");
        self.sink.say(node.at, &t::EXPECTED, [what.into(), format!("`{found}`").into()]);
    }

    fn given_team(&self, entry: &Entry) -> Option<Team> {
        let members = entry.value.get("members").unwrap_or(&entry.value);
        if members.items().is_empty() {
            self.expected(members, t::K_LIST.with([]));
            return None;
        }
        let members = members.items().iter().map(|m| self.person_name(m)).collect::<Option<_>>()?;
        let title = self.teams.get(&entry.key).and_then(|team| team.title.clone());
        Some(Team { title, members })
    }
}
