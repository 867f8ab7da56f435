//! Whom something is for: `owner`, `owner.manager`, `role:director`, `team:华东销售`, `user:zhangsan`.

use super::super::catalogue as t;
use super::super::names;
use super::super::problem::Problem;
use super::super::scalar::nearest;
use super::super::tree::Node;
use super::Compiler;
use crate::engine::definition::Who;
use crate::engine::entity::{Entity, FieldKind};

impl Compiler<'_> {
    /// All of a list; `None` if one of them is wrong.
    pub(super) fn whos(&self, node: Option<&Node>, of: &[String]) -> Option<Vec<Who>> {
        let found: Vec<_> = node.map(Node::one_or_more).unwrap_or_default().iter().map(|n| self.who(n, of)).collect();
        found.into_iter().collect()
    }

    pub(super) fn who(&self, node: &Node, of: &[String]) -> Option<Who> {
        let text = node.text()?;
        match text.split_once(':') {
            Some(("role", role)) => self.role(node, role.trim()),
            Some(("team", team)) => self.team_exists(node.at, team.trim()).then(|| Who::Team(team.trim().to_owned())),
            Some(("user", user)) => self.person_exists(node.at, user.trim()).then(|| Who::User(user.trim().to_owned())),
            Some(_) => self.nobody(node, text, None),
            None => self.who_field(node, text, of),
        }
    }

    fn role(&self, node: &Node, role: &str) -> Option<Who> {
        let roles = || self.people.values().flat_map(|p| p.roles.iter().map(String::as_str));
        if roles().any(|r| r == role) {
            return Some(Who::Role(role.to_owned()));
        }
        self.missing(node.at, &t::UNKNOWN_ROLE, role, roles());
        None
    }

    fn who_field(&self, node: &Node, text: &str, of: &[String]) -> Option<Who> {
        let path: Vec<String> = text.split('.').map(str::to_owned).collect();
        if path[1..].iter().any(|p| p != "manager") || !super::super::grammar::is_id(&path[0]) {
            return self.nobody(node, text, None);
        }
        self.person_field(node, &path[0], of)?;
        Some(Who::Field(path))
    }

    /// The field, if a record in question has a person field of that name.
    pub(super) fn person_field(&self, node: &Node, name: &str, of: &[String]) -> Option<String> {
        let known = self.known(of, None);
        if known.vague {
            return Some(name.to_owned());
        }
        let candidates: Vec<&Entity> = known.candidates();
        let kinds: Vec<_> = candidates.iter().filter_map(|e| names::field(e, name)).collect();
        if kinds.iter().any(|k| matches!(k.as_ref(), FieldKind::Person | FieldKind::Any)) {
            return Some(name.to_owned());
        }
        if !kinds.is_empty() {
            self.sink.add(Problem::new(node.at, t::NOT_A_PERSON_FIELD.with([name.into()])).help(t::WHO_HELP.with([])));
            return None;
        }
        // Somebody who is called by their bare id, or a team by its name.
        let near = match () {
            () if self.people.contains_key(name) => Some(format!("user:{name}")),
            () if self.teams.contains_key(name) => Some(format!("team:{name}")),
            () => {
                let fields = candidates.iter().flat_map(|e| &e.fields).filter(|(_, f)| f.kind == FieldKind::Person);
                nearest(name, fields.map(|(n, _)| n.as_str())).or_else(|| self.nearest_person(name))
            }
        };
        self.nobody(node, name, near)?;
        None
    }

    /// Whom a word may mean, by id or by name: `user:lisi`.
    fn nearest_person(&self, word: &str) -> Option<String> {
        let named = self.people.iter().find(|(_, p)| p.name == word).map(|(id, _)| id.clone());
        let by_id = || nearest(word, self.people.keys().map(String::as_str));
        let by_name = || {
            let near = nearest(word, self.people.values().map(|p| p.name.as_str()))?;
            self.people.iter().find(|(_, p)| p.name == near).map(|(id, _)| id.clone())
        };
        named.or_else(by_id).or_else(by_name).map(|id| format!("user:{id}"))
    }

    fn nobody<T>(&self, node: &Node, text: &str, near: Option<String>) -> Option<T> {
        let help = near.map_or_else(|| t::WHO_HELP.with([]), |n| t::DID_YOU_MEAN.with([n.into()]));
        self.sink.add(Problem::new(node.at, t::NOT_A_WHO.with([text.into()])).help(help));
        None
    }
}
