//! Triggers, and the index that finds the rules and flows of an event.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::definition::{Flow, Rule};
use super::event::{Body, Event};
use super::narrow::Narrow;
use super::value::Value;
use super::window::AGED;

/// What wakes a rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// An event of this name; `*` stands for any run of characters: `page.*`, `*.created`.
    Event(String),
    /// A time has come: the event of a schedule of its own.
    Timed {
        /// That event.
        event: String,
        /// As people read it.
        text: String,
    },
    /// A field of a record got another value.
    Changed {
        /// The entity.
        entity: String,
        /// The field.
        field: String,
        /// Former values that count; empty: any.
        #[serde(default)]
        from: Vec<Value>,
        /// New values that count; empty: any.
        #[serde(default)]
        to: Vec<Value>,
    },
    /// Something aged out of a window of the rule.
    Aged {
        /// The name that the rule gives to its value.
        name: String,
        /// The window's id.
        window: String,
    },
}

impl Trigger {
    /// The name of the events that may wake it.
    fn pattern(&self) -> String {
        match self {
            Self::Event(pattern) => pattern.clone(),
            Self::Timed { event, .. } => event.clone(),
            Self::Changed { entity, .. } => format!("{entity}.changed"),
            Self::Aged { window, .. } => format!("{AGED}{window}"),
        }
    }

    /// Whether it waits for events of this name, whatever else must be so.
    pub fn concerns(&self, event: &Event) -> bool {
        match self {
            Self::Event(pattern) => glob(pattern, &event.name),
            Self::Timed { event: own, .. } => *own == event.name,
            Self::Changed { entity, .. } => event.name.strip_suffix(".changed") == Some(entity),
            Self::Aged { window, .. } => event.name.strip_prefix(AGED) == Some(window),
        }
    }

    /// Whether the event wakes it.
    pub fn matches(&self, event: &Event) -> bool {
        match self {
            Self::Event(_) | Self::Timed { .. } | Self::Aged { .. } => self.concerns(event),
            Self::Changed { entity, field, from, to } => {
                let Body::Changed { old, new, .. } = &event.body else { return false };
                let (Some(was), Some(is)) = (old.get(field), new.get(field)) else { return false };
                event.record.as_ref().is_some_and(|r| r.entity == *entity)
                    && (from.is_empty() || from.contains(was))
                    && (to.is_empty() || to.contains(is))
            }
        }
    }
}

/// As people write it: `lead.created`, `deal.stage → 成交`, `deal.stage 报价, 谈判 → 成交`.
impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: &[Value]| values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::Event(pattern) => f.write_str(pattern),
            Self::Aged { name, .. } => write!(f, "{{ aged: {name} }}"),
            Self::Timed { text, .. } => f.write_str(text),
            Self::Changed { entity, field, from, to } => {
                write!(f, "{entity}.{field}")?;
                match (from.is_empty(), to.is_empty()) {
                    (true, true) => Ok(()),
                    (true, false) => write!(f, " → {}", list(to)),
                    (false, true) => write!(f, " {} →", list(from)),
                    (false, false) => write!(f, " {} → {}", list(from), list(to)),
                }
            }
        }
    }
}

/// Whether a name matches a pattern in which `*` stands for any run of characters.
pub fn glob(pattern: &str, name: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut rest) = name.strip_prefix(head) else { return false };
    let mut tail = tail;
    while let Some((piece, after)) = tail.split_once('*') {
        let Some(found) = rest.find(piece) else { return false };
        rest = &rest[found + piece.len()..];
        tail = after;
    }
    rest.ends_with(tail)
}

/// Finds candidates by event name: exact names by hash, globs one by one; of rules, also by what their conditions demand.
#[derive(Debug, Clone, Default)]
pub struct Index {
    rules: Names<usize>,
    narrow: HashMap<String, Narrow>,
    flows: Names<String>,
}

#[derive(Debug, Clone)]
struct Names<T> {
    exact: HashMap<String, Vec<T>>,
    globs: Vec<(String, T)>,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), globs: Vec::new() }
    }
}

impl<T: Clone + Ord> Names<T> {
    fn add(&mut self, triggers: &[Trigger], target: T) {
        for pattern in triggers.iter().map(Trigger::pattern) {
            if pattern.contains('*') {
                self.globs.push((pattern, target.clone()));
            } else {
                self.exact.entry(pattern).or_default().push(target.clone());
            }
        }
    }

    fn find(&self, name: &str) -> Vec<T> {
        let mut found = self.exact.get(name).cloned().unwrap_or_default();
        found.extend(self.matching(name));
        found.sort();
        found.dedup();
        found
    }

    /// Those under a pattern that the name matches.
    fn matching(&self, name: &str) -> Vec<T> {
        self.globs.iter().filter(|(p, _)| glob(p, name)).map(|(_, t)| t.clone()).collect()
    }
}

impl Index {
    /// Indexes rules by their position and flows by their id; what is not enabled is left out.
    pub fn new(rules: &[Rule], flows: &BTreeMap<String, Arc<Flow>>) -> Self {
        let mut index = Self::default();
        for (position, rule) in rules.iter().enumerate().filter(|(_, r)| r.enabled) {
            index.rules.add(&rule.when, position);
        }
        index.narrow = index.rules.exact.iter().map(|(name, at)| (name.clone(), Narrow::new(rules, at))).collect();
        for (id, flow) in flows.iter().filter(|(_, f)| f.enabled) {
            index.flows.add(&flow.when, id.clone());
        }
        index
    }

    /// Positions of the rules that an event of this name may wake, in their order.
    pub fn rules(&self, name: &str) -> Vec<usize> {
        self.rules.find(name)
    }

    /// Those of them that can hold where names have these values. The others would come to nothing that anybody sees, unless something is silent.
    pub fn rules_for<'v>(&self, name: &str, value: impl Fn(&[String]) -> Option<Cow<'v, Value>>) -> Vec<usize> {
        let mut found = self.narrow.get(name).map(|narrow| narrow.find(value)).unwrap_or_default();
        let globs = self.rules.matching(name);
        if !globs.is_empty() {
            found.extend(globs);
            found.sort_unstable();
            found.dedup();
        }
        found
    }

    /// Ids of the flows that an event of this name may start.
    pub fn flows(&self, name: &str) -> Vec<String> {
        self.flows.find(name)
    }
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn globs() {
        for (pattern, name, expect) in [
            ("lead.created", "lead.created", true),
            ("lead.created", "lead.create", false),
            ("page.*", "page.viewed", true),
            ("*.created", "lead.created", true),
            ("*", "anything", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c2b", false),
            ("客户.*", "客户.新建", true),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(glob(pattern, name), expect, "{pattern} {name}");
        }
    }
}
