//! Actions that are done inside the turn; those that leave are in [`super::message`].

use std::collections::BTreeMap;

use super::super::catalogue as t;
use super::super::names::{self, Known, Sight};
use super::super::problem::Problem;
use super::super::scalar::{self, nearest};
use super::super::table::ACTION_NAMES;
use super::super::tree::{Entry, Kind, Node, Style};
use super::Compiler;
use super::term::is_template;
use crate::engine::definition::{Action, Assign, AssignTo, Create, Emit, Release, Term};
use crate::engine::entity::{Entity, FieldKind};
use crate::engine::value::Value;

/// What a step sees, where an action stands in a flow.
pub(super) type Steps<'a> = Option<&'a Sight>;

impl Compiler<'_> {
    /// A list of actions; `None` if one of them is wrong.
    pub(super) fn actions(&self, node: Option<&Node>, of: &[String], steps: Steps<'_>) -> Option<Vec<Action>> {
        let found: Vec<_> = node.map(Node::items).unwrap_or_default().iter().map(|n| self.action(n, of, steps)).collect();
        found.into_iter().collect()
    }

    /// One action: the first of the keys that is one; that there is just one was checked.
    pub(super) fn action(&self, node: &Node, of: &[String], steps: Steps<'_>) -> Option<Action> {
        let found: Vec<_> = node
            .entries()
            .iter()
            .filter(|e| ACTION_NAMES.contains(&e.key.as_str()))
            .map(|e| self.action_of(e, of, steps))
            .collect();
        found.into_iter().collect::<Option<Vec<_>>>()?.into_iter().next()
    }

    fn action_of(&self, entry: &Entry, of: &[String], steps: Steps<'_>) -> Option<Action> {
        let node = &entry.value;
        let names = self.known(of, steps);
        let templates = || {
            let all: Vec<_> = node.one_or_more().iter().map(|n| self.template(n, &names)).collect();
            all.into_iter().collect::<Option<Vec<_>>>()
        };
        Some(match entry.key.as_str() {
            "set" => Action::Set(self.set(node, &names)?),
            "tag" | "untag" if node.one_or_more().iter().any(|n| self.one_text(n, None)) => return None,
            "tag" => Action::Tag(templates()?),
            "untag" => Action::Untag(templates()?),
            "assign" => Action::Assign(self.assign(node, of)?),
            "release" => Action::Release(self.release(node, of, &names)?),
            "emit" => Action::Emit(self.emit(node, &names)?),
            "create" => Action::Create(self.create(node, &names)?),
            "log" => Action::Log(self.template(node, &names)?),
            "start" => Action::Start(self.flow_for(node, of)?),
            "email" => Action::Email(self.email(node, of, steps)?),
            "http" => Action::Http(self.http(node, &names)?),
            "dingtalk" => Action::Dingtalk(self.robot(node, of, &names, crate::engine::definition::ConnectionKind::Dingtalk)?),
            "wecom" => Action::Wecom(self.robot(node, of, &names, crate::engine::definition::ConnectionKind::Wecom)?),
            "run" => self.run_action(node, of, steps)?,
            "notify" => Action::Notify(self.notify(node, of, &names)?),
            _ => return None,
        })
    }

    /// The name of a flow that may run for one of these entities.
    pub(super) fn flow_for(&self, node: &Node, of: &[String]) -> Option<String> {
        let name = self.flow_name(node)?;
        match self.about.get(&name) {
            Some(about) if !of.is_empty() && !of.contains(about) && self.entities.contains_key(about) => {
                let here = super::super::grammar::list(of.iter().map(String::as_str));
                self.sink.say(node.at, &t::OTHER_ENTITY, [name.into(), about.as_str().into(), here.into()]);
                None
            }
            _ => Some(name),
        }
    }

    /// `官网, 新线索` without brackets and quotes is one text; tells of it. What a choice is called stands as it is.
    pub(super) fn one_text(&self, node: &Node, kind: Option<&FieldKind>) -> bool {
        let Kind::Scalar(text, Style::Plain) = &node.kind else { return false };
        let choice = matches!(kind, Some(FieldKind::Choice(of)) if of.iter().any(|c| c == text));
        let chars: Vec<char> = text.chars().collect();
        let number = |i: usize| chars.get(i).is_some_and(char::is_ascii_digit);
        let parts = |i: usize| match chars[i] {
            '，' | '、' => true,
            // `1,000` is one.
            ',' => !(i > 0 && number(i - 1) && number(i + 1)),
            _ => false,
        };
        if choice || is_template(text) || text.starts_with('=') || !(0..chars.len()).any(parts) {
            return false;
        }
        let words: Vec<&str> = text.split([',', '，', '、']).map(str::trim).filter(|w| !w.is_empty()).collect();
        let help = t::WRITE_INSTEAD.with([format!("[{}]", words.join(", ")).into()]);
        self.sink.add(Problem::new(node.at, t::ONE_TEXT.with([])).help(help));
        true
    }

    fn set(&self, node: &Node, names: &Known<'_>) -> Option<BTreeMap<String, Term>> {
        let candidates = names.candidates();
        let found: Vec<_> = node
            .entries()
            .iter()
            .map(|entry| {
                let right = names.vague || self.settable(entry, &candidates, names);
                let term = self.term(&entry.value, names)?;
                right.then(|| (entry.key.clone(), term))
            })
            .collect();
        found.into_iter().collect()
    }

    /// Whether a field of one of these entities may be set to this.
    fn settable(&self, entry: &Entry, candidates: &[&Entity], names: &Known<'_>) -> bool {
        let name = entry.key.as_str();
        if names.steps.is_some() && name.starts_with("vars.") {
            self.sink.say(entry.at, &t::flow::VARIABLES_HERE, []);
            return false;
        }
        let with: Vec<&&Entity> = candidates.iter().filter(|e| names::field(e, name).is_some()).collect();
        if with.is_empty() {
            return self.no_such_field(entry, candidates);
        }
        if with.iter().all(|e| e.key == name) {
            self.sink.say(entry.at, &t::KEY_FIELD_SET, [name.into()]);
            return false;
        }
        let [only] = with[..] else { return true };
        self.literal_fits(entry, only, names)
    }

    fn no_such_field(&self, entry: &Entry, candidates: &[&Entity]) -> bool {
        let name = entry.key.as_str();
        let near = nearest(name, candidates.iter().flat_map(|e| e.fields.keys().map(String::as_str)));
        let entity = self.entities.iter().find(|(_, e)| candidates.len() == 1 && std::ptr::eq(*e, candidates[0]));
        let what = match entity {
            Some((id, _)) => t::UNKNOWN_FIELD.with([name.into(), id.as_str().into()]),
            None => t::UNKNOWN_NAME.with([name.into()]),
        };
        self.sink.add(Problem::new(entry.at, what).help(near.map(|n| t::DID_YOU_MEAN.with([n.into()]))));
        false
    }

    fn literal_fits(&self, entry: &Entry, entity: &Entity, names: &Known<'_>) -> bool {
        let literal = entry.value.text().is_some_and(|text| !text.starts_with('=') && !is_template(text));
        match names::field(entity, &entry.key) {
            Some(kind) if !literal && !self.comes_to_fit(&entry.value, &entry.key, &kind, names) => false,
            Some(kind) if literal => {
                self.fits(&entry.value, &entry.key, &kind) && (*kind != FieldKind::Person || self.is_somebody(&entry.value))
            }
            Some(kind) if *kind == FieldKind::Person => self.is_somebody(&entry.value),
            _ => true,
        }
    }

    /// Whether a value for a person field is one of `people:`: written out, or as a constant.
    fn is_somebody(&self, node: &Node) -> bool {
        let Some(text) = node.text() else { return true };
        let id = match text.strip_prefix('=') {
            Some(name) => self.constants.get(name.trim()).and_then(Value::as_text),
            None if is_template(text) || scalar::value(node).is_empty() => None,
            None => Some(text),
        };
        let Some(id) = id.filter(|id| !self.people.contains_key(*id)) else { return true };
        let meant = id.strip_prefix("user:").filter(|bare| self.people.contains_key(*bare));
        let named = || self.people.iter().find(|(_, p)| p.name == id).map(|(other, _)| other.as_str());
        match meant.or_else(named) {
            Some(right) => {
                let help = t::DID_YOU_MEAN.with([right.into()]);
                self.sink.add(Problem::new(node.at, t::UNKNOWN_PERSON.with([id.into()])).help(help));
                false
            }
            None => self.person_exists(node.at, id),
        }
    }

    fn assign(&self, node: &Node, of: &[String]) -> Option<Assign> {
        let field = match node.get("field") {
            Some(f) => self.person_field(f, f.text()?, of),
            None => self.person_field(node, "owner", of),
        };
        let team = |n: &Node| n.text().filter(|name| self.team_exists(n.at, name)).map(|name| AssignTo::Team(name.to_owned()));
        let to = match (node.get("team"), node.get("to")) {
            (Some(name), _) => team(name),
            (_, Some(to)) => self.who(to, of).map(AssignTo::Person),
            _ => team(node),
        };
        Some(Assign { to: to?, field: field? })
    }

    fn release(&self, node: &Node, of: &[String], names: &Known<'_>) -> Option<Release> {
        let field = match node.get("field") {
            Some(f) => self.person_field(f, f.text()?, of),
            None => self.person_field(node, "owner", of),
        };
        let pool = self.template(node.get("pool").unwrap_or(node), names);
        for entity in of.iter().filter(|e| !self.vague.contains(*e)) {
            if self.entities.get(entity).is_some_and(|e| !e.fields.contains_key("pool")) {
                self.sink.say(node.at, &t::UNKNOWN_FIELD, ["pool".into(), entity.as_str().into()]);
                return None;
            }
        }
        Some(Release { pool: pool?, field: field? })
    }

    fn emit(&self, node: &Node, names: &Known<'_>) -> Option<Emit> {
        let event = self.event_to_emit(node.get("event").unwrap_or(node));
        let data = self.terms(node.get("data"), names);
        Some(Emit { event: event?, data: data? })
    }

    /// The terms of an object; none for no object.
    pub(super) fn terms(&self, node: Option<&Node>, names: &Known<'_>) -> Option<BTreeMap<String, Term>> {
        let entries = node.map(Node::entries).unwrap_or_default();
        let found: Vec<_> = entries.iter().map(|e| Some((e.key.clone(), self.term(&e.value, names)?))).collect();
        found.into_iter().collect()
    }

    fn create(&self, node: &Node, names: &Known<'_>) -> Option<Create> {
        let [entry] = node.entries() else {
            self.sink.say(node.at, &t::CREATE_ONE, []);
            return None;
        };
        let fields = self.terms(Some(&entry.value), names);
        let Some(entity) = self.entities.get(&entry.key) else {
            self.missing(entry.at, &t::UNKNOWN_ENTITY, &entry.key, self.entities.keys().map(String::as_str));
            return None;
        };
        let mut right = true;
        if !self.lost && !self.vague.contains(&entry.key) {
            for field in entry.value.entries() {
                right &= match entity.fields.contains_key(&field.key) {
                    true => self.literal_fits(field, entity, names),
                    false => self.no_such_field(field, &[entity]),
                };
            }
        }
        if !entry.value.has(&entity.key) {
            self.sink.say(entry.at, &t::KEY_FIELD_MISSING, [entity.key.as_str().into(), entry.key.as_str().into()]);
            return None;
        }
        Some(Create { entity: entry.key.clone(), fields: fields.filter(|_| right)? })
    }
}
