//! Rules and their triggers.

use super::super::catalogue as t;
use super::super::names;
use super::super::problem::Problem;
use super::super::scalar::{self, nearest};
use super::super::tree::{Kind, Node};
use super::schedule::Waiting;
use super::{Compiler, Item, told};
use crate::engine::definition::{Deliver, Rule};
use crate::engine::trigger::{Trigger, glob};

/// What record changes say, behind the entity's name; nothing else may.
pub(super) const RESERVED: &[&str] = &["created", "changed", "merged", "deleted"];

impl Compiler<'_> {
    pub(super) fn rule(&self, item: Item<'_>) -> Option<Rule> {
        let node = item.node;
        if told(node) {
            return None;
        }
        self.windows(node);
        let when = node.get("when").and_then(|w| self.triggers(item, w));
        let of = when.as_deref().map(|w| self.entities_of(w)).unwrap_or_default();
        // A trigger that could not be read says nothing about the record: names are then checked against all entities.
        let lets = self.read_lets(node, &of);
        let names = self.known(&of, None);
        let condition = node.get("if").map(|n| self.condition(n, &names));
        let then = self.actions(node.get("then"), &of, None);
        let otherwise = self.actions(node.get("else"), &of, None);
        let calendar = self.calendar_key(node);
        let somebody = self.aged_of_nobody(node, when.as_deref().unwrap_or_default(), condition.iter().flatten().next());
        self.forget_lets();
        if !node.has("then") && !node.has("else") && Self::complete(node) {
            self.sink.say(item.at, &t::NO_ACTION, [item.id.into()]);
        }
        let gates = self.gates(node, &of);
        Some(Rule {
            id: item.id.to_owned(),
            title: node.text_at("title").map(str::to_owned),
            place: self.place(item.at),
            when: when?,
            lets: lets.filter(|_| somebody)?,
            condition: condition.flatten(),
            then: then?,
            otherwise: otherwise?,
            priority: node.get("priority").and_then(scalar::count).unwrap_or(0),
            stop: node.get("stop").and_then(scalar::boolean).unwrap_or(false),
            enabled: node.get("enabled").and_then(scalar::boolean).unwrap_or(true),
            calendar,
            gates,
            deliver: deliver(node),
        })
    }

    /// Whether every key of a rule is one it may have; if not, what looks missing may just be misspelt.
    fn complete(node: &Node) -> bool {
        let known = [
            "title", "if", "deliver", "enabled", "owner", "tags", "note", "when", "priority", "stop", "cooldown", "active",
            "quiet", "imports", "was", "once", "limit", "debounce", "group", "calendar", "existing", "warn", "let",
        ];
        node.entries().iter().all(|e| known.contains(&e.key.as_str()))
    }

    /// What wakes a rule or flow.
    pub(super) fn triggers(&self, item: Item<'_>, node: &Node) -> Option<Vec<Trigger>> {
        let each = node.one_or_more().iter().enumerate();
        let found: Vec<_> =
            each.map(|(n, one)| self.trigger(one, Waiting { id: item.id, node: item.node, place: n + 1 })).collect();
        // A tick is about no record that was there before.
        let timed = |t: &Trigger| matches!(t, Trigger::Timed { event, .. } if ["ifthen.held.", "ifthen.at."].iter().any(|kind| event.starts_with(kind)));
        if let (Some(existing), false) = (item.node.get("existing"), found.iter().flatten().any(timed))
            && found.iter().all(Option::is_some)
        {
            self.sink.say(existing.at, &t::EXISTING_OF_WHAT, []);
        }
        found.into_iter().collect()
    }

    fn trigger(&self, node: &Node, waiting: Waiting<'_>) -> Option<Trigger> {
        match &node.kind {
            Kind::Scalar(pattern, _) => {
                self.event_known(node, pattern)?;
                Some(Trigger::Event(pattern.clone()))
            }
            Kind::Map(_) if node.has("aged") => self.aged(node),
            Kind::Map(_) => match self.timed(node, waiting)? {
                Some(timed) => Some(timed),
                None => self.changed(node),
            },
            _ => None,
        }
    }

    /// `{ changed: deal.stage, from: …, to: … }`
    fn changed(&self, node: &Node) -> Option<Trigger> {
        let what = node.get("changed")?;
        let text = what.text()?;
        let Some((entity, field)) = text.split_once('.').filter(|(_, f)| !f.contains('.')) else {
            self.sink.add(Problem::new(what.at, t::CHANGED_FORM.with([text.into()])).help(t::CHANGED_HELP.with([])));
            return None;
        };
        let Some(found) = self.entities.get(entity) else {
            self.missing(what.at, &t::UNKNOWN_ENTITY, entity, self.entities.keys().map(String::as_str));
            return None;
        };
        let kind = names::field(found, field);
        if kind.is_none() && !self.vague.contains(entity) && !self.lost {
            let near = nearest(field, found.fields.keys().map(String::as_str));
            let help = near.map(|n| t::DID_YOU_MEAN.with([format!("{entity}.{n}").into()]));
            self.sink.add(Problem::new(what.at, t::UNKNOWN_FIELD.with([field.into(), entity.into()])).help(help));
        }
        let values = |key: &str| {
            let kind = kind.as_deref()?;
            let nodes = node.get(key).map(Node::one_or_more).unwrap_or_default();
            if nodes.iter().any(|n| self.one_text(n, Some(kind))) {
                return None;
            }
            let fit: Vec<bool> = nodes.iter().map(|n| self.fits(n, field, kind)).collect();
            let all = nodes.iter().map(|n| crate::engine::entity::normalise(kind, scalar::value(n), &self.around.zone).ok());
            fit.iter().all(|f| *f).then(|| all.collect::<Option<Vec<_>>>()).flatten()
        };
        let (from, to) = (values("from"), values("to"));
        Some(Trigger::Changed { entity: entity.to_owned(), field: field.to_owned(), from: from?, to: to? })
    }

    /// An event's name in `emit`: whole, and not one that is kept for record changes.
    pub(super) fn event_to_emit(&self, node: &Node) -> Option<String> {
        let name = node.text()?;
        if !is_event(name, false) {
            self.bad_event(node, name, false);
            return None;
        }
        let reserved = name.rsplit_once('.').is_some_and(|(e, verb)| RESERVED.contains(&verb) && self.entities.contains_key(e));
        if reserved || name.starts_with("ifthen.") || crate::engine::mail::EVENTS.contains(&name) {
            self.sink.say(node.at, &t::RESERVED_EVENT, [name.into()]);
            return None;
        }
        Some(name.to_owned())
    }

    pub(super) fn bad_event(&self, node: &Node, name: &str, globs: bool) {
        let glob = if globs { t::EVENT_GLOB.with([]).into() } else { "".into() };
        self.sink.add(Problem::new(node.at, t::BAD_EVENT.with([name.into()])).help(t::EVENT_HELP.with([glob])));
    }

    /// The entities whose records may be meant; none where the event may be about any.
    pub(super) fn entities_of(&self, triggers: &[Trigger]) -> Vec<String> {
        let mut all = Vec::new();
        for trigger in triggers {
            let counted = if let Trigger::Aged { window, .. } = trigger { self.window_events(window) } else { None };
            let mut found: Vec<String> = match counted.as_ref().unwrap_or(trigger) {
                Trigger::Aged { .. } => return Vec::new(),
                Trigger::Changed { entity, .. } => vec![entity.clone()],
                Trigger::Timed { event, .. } => self.scheduled(event),
                Trigger::Event(pattern) => {
                    let own = |e: &String| RESERVED.iter().any(|r| glob(pattern, &format!("{e}.{r}")));
                    self.entities.keys().filter(|e| own(e)).cloned().collect()
                }
            };
            if found.is_empty() {
                return found;
            }
            all.append(&mut found);
        }
        all.sort();
        all.dedup();
        all
    }
}

pub(super) fn deliver(node: &Node) -> Deliver {
    if node.text_at("deliver") == Some("preview") { Deliver::Preview } else { Deliver::Live }
}

/// Words joined by dots; with `*` where globs may stand.
pub(super) fn is_event(name: &str, globs: bool) -> bool {
    let word = |w: &str| !w.is_empty() && w.chars().all(|c| c.is_alphanumeric() || "_-:/".contains(c) || globs && c == '*');
    name.len() <= 200 && name.split('.').all(word)
}
