//! Entities and constants.

use super::super::catalogue as t;
use super::super::grammar::list;
use super::super::names::{self, RESERVED};
use super::super::problem::Problem;
use super::super::scalar;
use super::super::tree::{Entry, Node};
use super::{Compiler, Item, told};
use crate::engine::entity::{Entity, Field, FieldKind, From};

impl Compiler<'_> {
    pub(super) fn read_entities(&mut self, items: &[Item<'_>]) {
        // Names first: fields refer to entities that may come later.
        self.entities = items.iter().map(|i| (i.id.to_owned(), Entity::default())).collect();
        for item in items {
            if told(item.node) || item.node.get("fields").is_none_or(told) {
                self.vague.insert(item.id.to_owned());
            }
            let key = item.node.text_at("key").unwrap_or("id").to_owned();
            let mut entity = Entity { title: item.node.text_at("title").map(str::to_owned), key, ..Entity::default() };
            for entry in item.node.get("fields").map(Node::entries).unwrap_or_default() {
                if RESERVED.contains(&entry.key.as_str()) {
                    self.sink.say(entry.at, &t::RESERVED_NAME, [entry.key.as_str().into()]);
                }
                // What could not be read may hold anything, so that nothing more is said about it.
                let field = self.field(entry).unwrap_or(Field { kind: FieldKind::Any, from: From::Anyone, opt_out: false });
                entity.fields.insert(entry.key.clone(), field);
            }
            // The key is a field whether it is listed or not.
            let key = Field { kind: FieldKind::Text, from: From::Anyone, opt_out: false };
            entity.fields.entry(entity.key.clone()).or_insert(key);
            entity.consent = item.node.get("consent").and_then(|n| self.consent(n, &entity));
            self.entities.insert(item.id.to_owned(), entity);
        }
    }

    /// The field by which marketing mail is wanted: one that is true or false.
    fn consent(&self, node: &Node, entity: &Entity) -> Option<String> {
        let name = node.text()?;
        match entity.fields.get(name).map(|f| &f.kind) {
            Some(FieldKind::Boolean | FieldKind::Any) => return Some(name.to_owned()),
            Some(_) => self.sink.add(Problem::new(node.at, t::CONSENT_FIELD.with([name.into()])).help(t::CONSENT_HELP.with([]))),
            None => {
                let near = scalar::nearest(name, entity.fields.keys().map(String::as_str));
                let help = near.map(|n| t::DID_YOU_MEAN.with([n.into()]));
                self.sink.add(Problem::new(node.at, t::CONSENT_FIELD.with([name.into()])).help(help));
            }
        }
        None
    }

    fn field(&self, entry: &Entry) -> Option<Field> {
        let opt_out = entry.value.get("opt_out").and_then(scalar::boolean).unwrap_or(false);
        Some(Field { kind: self.kind_of_field(&entry.value)?, from: self.from(&entry.value), opt_out })
    }

    /// What a field holds, of an entity or a form.
    pub(super) fn kind_of_field(&self, node: &Node) -> Option<FieldKind> {
        let word = node.text().or(node.text_at("type"))?;
        for (option, of) in [("country", "phone"), ("of", "choice"), ("to", "ref"), ("opt_out", "boolean")] {
            match node.get(option) {
                Some(value) if word != of => {
                    self.sink.say(value.at, &t::OPTION_SENSELESS, [word.into(), option.into()]);
                }
                None if word == of && !matches!(option, "country" | "opt_out") => {
                    self.sink.say(node.at, &t::OPTION_NEEDED, [word.into(), option.into()]);
                }
                _ => {}
            }
        }
        Some(match word {
            "text" => FieldKind::Text,
            "phone" => FieldKind::Phone(self.country(node)?),
            "email" => FieldKind::Email,
            "choice" => FieldKind::Choice(self.choices(node.get("of")?)),
            "number" => FieldKind::Number,
            "money" => FieldKind::Money,
            "percent" => FieldKind::Percent,
            "boolean" => FieldKind::Boolean,
            "time" => FieldKind::Time,
            "date" => FieldKind::Date,
            "person" => FieldKind::Person,
            "ref" => FieldKind::Ref(self.entity_name(node.get("to")?)?),
            "list" => FieldKind::List,
            _ => FieldKind::Any,
        })
    }

    fn country(&self, node: &Node) -> Option<String> {
        let Some(country) = node.get("country") else { return Some("CN".into()) };
        let text = country.text()?;
        if text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase()) {
            return Some(text.to_owned());
        }
        self.sink.say(country.at, &t::EXPECTED, [(&t::K_COUNTRY).into(), format!("`{text}`").into()]);
        None
    }

    /// Choices in a list; a full-width comma that joined two of them was told by the trap scan.
    fn choices(&self, node: &Node) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        for item in node.items() {
            let Some(word) = item.text() else { continue };
            if words.iter().any(|w| w == word) {
                self.sink.say(item.at, &t::TWICE, [(&t::K_CHOICE).into(), word.into()]);
            }
            words.push(word.to_owned());
        }
        words
    }

    fn from(&self, node: &Node) -> From {
        let Some(from) = node.get("from") else { return From::Anyone };
        match from.text() {
            None => From::Anyone,
            Some("ifthen") => From::Ifthen,
            Some(source) => {
                if !self.around.sources.contains(source) && !self.around.vague {
                    let known = self.around.sources.iter().map(String::as_str).chain(["ifthen"]);
                    self.missing(from.at, &t::UNKNOWN_SOURCE, source, known);
                }
                From::Source(source.to_owned())
            }
        }
    }

    pub(super) fn read_constants(&mut self, items: &[Item<'_>]) {
        for item in items {
            if RESERVED.contains(&item.id) {
                self.sink.say(item.at, &t::RESERVED_NAME, [item.id.into()]);
            }
            if let Some((entity, _)) = self.entities.iter().find(|(_, e)| names::field(e, item.id).is_some()) {
                let problem = Problem::new(item.at, t::SHADOWED.with([item.id.into(), entity.as_str().into()]));
                self.sink.add(problem.help(t::SHADOWED_HELP.with([])));
            }
            self.constants.insert(item.id.to_owned(), scalar::value(item.node));
        }
        for (name, at, node) in &self.around.constants {
            if self.constants.contains_key(name) {
                self.constants.insert(name.clone(), scalar::value(node));
            } else if !self.lost {
                let near = scalar::nearest(name, self.constants.keys().map(String::as_str));
                let help = near.map(|n| t::DID_YOU_MEAN.with([n.into()]));
                self.sink.add(Problem::new(*at, t::UNKNOWN_CONSTANT.with([name.as_str().into()])).help(help));
            }
        }
    }

    /// Whether a value as it stands is one that the field may hold.
    pub(super) fn fits(&self, node: &Node, field: &str, kind: &FieldKind) -> bool {
        let value = scalar::value(node);
        if told(node) || crate::engine::entity::normalise(kind, value, &self.around.zone).is_ok() {
            return true;
        }
        let found = node.text().unwrap_or("…");
        if let FieldKind::Choice(of) = kind {
            let words = of.iter().map(String::as_str);
            let text = t::NOT_A_CHOICE.with([found.into(), field.into(), list(words.clone()).into()]);
            let near = scalar::nearest(found, words).map(|n| t::DID_YOU_MEAN.with([n.into()]));
            self.sink.add(Problem::new(node.at, text).help(near));
        } else {
            self.sink.say(node.at, &t::FIELD_VALUE, [field.into(), holds(kind).into(), found.into()]);
        }
        false
    }
}

/// What a field holds, in words.
pub(super) fn holds(kind: &FieldKind) -> &'static t::Text {
    match kind {
        FieldKind::Phone(_) => &t::H_PHONE,
        FieldKind::Email => &t::H_EMAIL,
        FieldKind::Number => &t::H_NUMBER,
        FieldKind::Money => &t::H_MONEY,
        FieldKind::Percent => &t::H_PERCENT,
        FieldKind::Boolean => &t::K_BOOL,
        FieldKind::Time => &t::H_TIME,
        FieldKind::Date => &t::H_DATE,
        FieldKind::List => &t::K_LIST,
        FieldKind::Person | FieldKind::Ref(_) => &t::H_ID,
        FieldKind::Text | FieldKind::Choice(_) | FieldKind::Any => &t::K_TEXT,
    }
}
