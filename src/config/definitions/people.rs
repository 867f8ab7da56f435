//! People and teams, and the mail templates.

use std::collections::BTreeMap;

use super::super::catalogue as t;
use super::super::scalar;
use super::super::tree::Node;
use super::{Compiler, Item, word};
use crate::engine::definition::{ConnectionKind, Mail, MailTemplate, Person, Team};
use crate::engine::entity::FieldKind;

impl Compiler<'_> {
    pub(super) fn read_people(&mut self, items: &[Item<'_>]) {
        // Names first: a manager may come later.
        self.people = items.iter().map(|i| (i.id.to_owned(), Person::default())).collect();
        for item in items {
            let person = self.person(*item);
            self.people.insert(item.id.to_owned(), person);
        }
        self.proxies_in_a_circle(items);
    }

    pub(super) fn person(&self, item: Item<'_>) -> Person {
        let node = item.node;
        let text = |key: &str| node.text_at(key).map(str::to_owned);
        for (key, kind) in [("email", FieldKind::Email), ("mobile", FieldKind::Phone("CN".into()))] {
            if let Some(value) = node.get(key) {
                self.fits(value, key, &kind);
            }
        }
        let manager = node.get("manager").and_then(|m| {
            if m.text() == Some(item.id) {
                self.sink.say(m.at, &t::OWN_MANAGER, [item.id.into()]);
                return None;
            }
            self.person_name(m)
        });
        Person {
            name: text("name").unwrap_or_else(|| item.id.to_owned()),
            email: text("email"),
            mobile: text("mobile"),
            dingtalk: text("dingtalk"),
            wecom: text("wecom"),
            manager,
            roles: texts(node.get("roles")),
            channels: node
                .get("channels")
                .map(Node::one_or_more)
                .unwrap_or_default()
                .iter()
                .filter_map(|c| self.channel(c))
                .collect(),
            active: node.get("active").and_then(scalar::boolean).unwrap_or(true),
            signed_out: node.get("signed_out").and_then(|n| self.bound(n, false)),
            proxies: self.proxies(node),
        }
    }

    fn channel(&self, node: &Node) -> Option<String> {
        let name = node.text()?;
        match self.around.connections.get(name) {
            Some(c) if c.kind == ConnectionKind::Http => {
                self.sink.say(node.at, &t::UNKNOWN_CHANNEL, [name.into(), word(c.kind).into()]);
                None
            }
            Some(_) => Some(name.to_owned()),
            None if self.around.vague => None,
            None => {
                self.missing(node.at, &t::UNKNOWN_CONNECTION, name, self.around.connections.keys().map(String::as_str));
                None
            }
        }
    }

    pub(super) fn read_teams(&mut self, items: &[Item<'_>]) {
        for item in items {
            let members = item.node.get("members").unwrap_or(item.node).items();
            let members = members.iter().filter_map(|m| self.person_name(m)).collect();
            self.teams.insert(item.id.to_owned(), Team { title: item.node.text_at("title").map(str::to_owned), members });
        }
    }

    pub(super) fn read_templates(&self, items: &[Item<'_>]) -> BTreeMap<String, MailTemplate> {
        let mut templates = BTreeMap::new();
        for item in items {
            let mut languages = BTreeMap::new();
            if ["subject", "text", "html"].iter().any(|k| item.node.has(k)) {
                languages.extend(self.mail(item.node, &[], None).map(|m| (self.around.lang.clone(), m)));
            } else {
                for entry in item.node.entries() {
                    let lower = entry.key.split(['-', '_']).next().unwrap_or("");
                    if !(2..=3).contains(&lower.len()) || !lower.bytes().all(|b| b.is_ascii_lowercase()) {
                        self.sink.say(entry.at, &t::NOT_A_LANGUAGE, [entry.key.as_str().into()]);
                    }
                    languages.extend(self.mail(&entry.value, &[], None).map(|m| (entry.key.clone(), m)));
                }
            }
            templates.insert(item.id.to_owned(), MailTemplate { languages });
        }
        templates
    }

    /// The content of a mail: subject, text, HTML.
    pub(super) fn mail(&self, node: &Node, of: &[String], steps: super::action::Steps<'_>) -> Option<Mail> {
        let mut names = self.known(of, steps);
        names.lets.push("unsubscribe_url".into());
        let subject = node.get("subject").and_then(|n| self.template(n, &names));
        let text = node.get("text").and_then(|n| self.template(n, &names));
        let html = node.get("html").map(|n| self.html(n, &names));
        Some(Mail { subject: subject?, text: text?, html: html.flatten() })
    }
}

/// The texts of a list, or of one for a list of one.
pub(super) fn texts(node: Option<&Node>) -> Vec<String> {
    node.map(Node::one_or_more).unwrap_or_default().iter().filter_map(|n| n.text().map(str::to_owned)).collect()
}
