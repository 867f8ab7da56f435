//! Named actions: `actions:` and `run:`. A use is compiled as if the actions stood where it stands, each `$parameter` replaced by
//! what is given for it; so names, fields and connections are checked for the record in question, every time.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use super::super::catalogue as t;
use super::super::problem::Problem;
use super::super::scalar::nearest;
use super::super::tree::{Entry, Kind, Node};
use super::action::Steps;
use super::people::texts;
use super::{Compiler, Item, told};
use crate::engine::definition::{Action, Run};

/// Actions that the uses in one folder may come to: names that run names twice each double with every step.
const MOST: usize = 10_000;
/// Names inside names.
const DEEPEST: usize = 16;

/// The named actions, and how far their uses are expanded.
#[derive(Default)]
pub(super) struct Named {
    all: BTreeMap<String, Definition>,
    /// Names that are being expanded, outermost first.
    open: RefCell<Vec<String>>,
    expanded: Cell<usize>,
}

struct Definition {
    params: Vec<String>,
    body: Node,
}

impl Compiler<'_> {
    /// Gathers the named actions; tells of what is wrong in them whether they are used or not.
    pub(super) fn read_named(&mut self, items: &[Item<'_>]) {
        for item in items.iter().filter(|i| !told(i.node)) {
            let mut seen = BTreeSet::new();
            for node in item.node.get("params").map(Node::one_or_more).unwrap_or_default() {
                let Some(name) = node.text() else { continue };
                if name.is_empty() || !name.chars().all(is_word) || name.starts_with(|c: char| c.is_ascii_digit()) {
                    self.sink.say(node.at, &t::BAD_PARAMETER, [name.into()]);
                }
                if !seen.insert(name) {
                    self.sink.say(node.at, &t::PARAMETER_TWICE, [name.into()]);
                }
            }
            let Some(body) = item.node.get("do") else { continue };
            let params = texts(item.node.get("params"));
            self.parameters_named(body, &params);
            self.named.all.insert(item.id.to_owned(), Definition { params, body: body.clone() });
        }
        for (id, definition) in &self.named.all {
            self.round(&definition.body, &mut vec![id.as_str()], &mut BTreeSet::new());
        }
    }

    /// Tells of every `$name` in a body that is no parameter.
    fn parameters_named(&self, node: &Node, params: &[String]) {
        match &node.kind {
            Kind::Scalar(text, _) => {
                for part in parts(text, params) {
                    if let Part::Unknown(name) = part {
                        let near = nearest(&name, params.iter().map(String::as_str));
                        let help = near.map(|n| t::DID_YOU_MEAN.with([format!("${n}").into()]));
                        let problem = Problem::new(node.at, t::NO_PARAMETER.with([format!("${name}").into()]));
                        self.sink.add(problem.help(help.unwrap_or_else(|| t::DOLLAR_HELP.with([]))));
                    }
                }
            }
            Kind::Seq(items) => items.iter().for_each(|i| self.parameters_named(i, params)),
            Kind::Map(entries) => entries.iter().for_each(|e| self.parameters_named(&e.value, params)),
            Kind::Empty | Kind::Broken => {}
        }
    }

    /// Follows what a body runs; tells of a way that leads back to where it began.
    fn round<'n>(&'n self, body: &'n Node, way: &mut Vec<&'n str>, seen: &mut BTreeSet<&'n str>) {
        for (name, node) in runs(body) {
            if way.first() == Some(&name) {
                let mut cycle: Vec<&str> = way.clone();
                cycle.push(name);
                self.sink.say(node.at, &t::ACTION_CYCLE, [cycle.join(" → ").into()]);
            } else if seen.insert(name)
                && let Some(next) = self.named.all.get(name)
            {
                way.push(name);
                self.round(&next.body, way, seen);
                way.pop();
            }
        }
    }

    /// `run: name`, `run: { name: { parameter: … } }`
    pub(super) fn run(&self, node: &Node, of: &[String], steps: Steps<'_>) -> Option<Run> {
        let (at, name, given): (_, &str, &[Entry]) = match &node.kind {
            Kind::Scalar(name, _) => (node.at, name, &[]),
            _ => {
                let [entry] = node.entries() else {
                    self.sink.say(node.at, &t::RUN_ONE, []);
                    return None;
                };
                (entry.at, &entry.key, entry.value.entries())
            }
        };
        let Some(definition) = self.named.all.get(name) else {
            self.missing(at, &t::UNKNOWN_ACTION, name, self.named.all.keys().map(String::as_str));
            return None;
        };
        let mut right = true;
        for entry in given.iter().filter(|e| !definition.params.contains(&e.key)) {
            right = false;
            let near = nearest(&entry.key, definition.params.iter().map(String::as_str));
            let problem = Problem::new(entry.at, t::UNKNOWN_PARAMETER.with([name.into(), entry.key.as_str().into()]));
            self.sink.add(problem.help(near.map(|n| t::DID_YOU_MEAN.with([n.into()]))));
        }
        let left = |param: &&String| right && !given.iter().any(|e| e.key == **param);
        for param in definition.params.iter().filter(left).collect::<Vec<_>>() {
            right = false;
            self.sink.say(at, &t::MISSING_PARAMETER, [name.into(), param.as_str().into()]);
        }
        // A round was told where it is written.
        if !right || self.named.open.borrow().iter().any(|n| n == name) {
            return None;
        }
        if self.named.open.borrow().len() >= DEEPEST {
            self.sink.say(at, &t::ACTION_DEEP, [DEEPEST.to_string().into()]);
            return None;
        }
        self.named.expanded.set(self.named.expanded.get() + definition.body.items().len());
        if self.named.expanded.get() > MOST {
            self.sink.say(at, &t::ACTION_TOO_MUCH, [MOST.to_string().into()]);
            return None;
        }
        let body = self.filled(&definition.body, &definition.params, given);
        self.named.open.borrow_mut().push(name.to_owned());
        let actions = body.and_then(|body| self.actions(Some(&body), of, steps));
        self.named.open.borrow_mut().pop();
        Some(Run { name: name.to_owned(), actions: actions? })
    }

    /// A body with what is given for its parameters. What stands alone is replaced whole, list or object; inside a text only
    /// texts can be.
    fn filled(&self, node: &Node, params: &[String], given: &[Entry]) -> Option<Node> {
        let kind = match &node.kind {
            Kind::Scalar(text, style) if text.contains('$') => {
                let found = parts(text, params);
                let value = |name: &str| given.iter().find(|e| e.key == name).map(|e| &e.value);
                if let [Part::Parameter(name)] = &found[..] {
                    return value(name).cloned();
                }
                let mut whole = String::new();
                for part in found {
                    match part {
                        Part::Text(text) => whole.push_str(&text),
                        Part::Unknown(_) => return None, // told where it is defined
                        Part::Parameter(name) => match value(&name).map(|n| (n, n.text())) {
                            Some((_, Some(text))) => whole.push_str(text),
                            Some((argument, None)) => {
                                self.sink.say(argument.at, &t::PARAMETER_INSIDE, [name.into()]);
                                return None;
                            }
                            None => return None,
                        },
                    }
                }
                Kind::Scalar(whole, *style)
            }
            Kind::Seq(items) => Kind::Seq(items.iter().map(|i| self.filled(i, params, given)).collect::<Option<Vec<_>>>()?),
            Kind::Map(entries) => {
                let filled =
                    |e: &Entry| Some(Entry { at: e.at, key: e.key.clone(), value: self.filled(&e.value, params, given)? });
                Kind::Map(entries.iter().map(filled).collect::<Option<Vec<_>>>()?)
            }
            other => other.clone(),
        };
        Some(Node { at: node.at, kind })
    }

    /// As [`Compiler::run`], as an action.
    pub(super) fn run_action(&self, node: &Node, of: &[String], steps: Steps<'_>) -> Option<Action> {
        self.run(node, of, steps).map(Action::Run)
    }
}

/// The names that a body runs, and where.
fn runs(body: &Node) -> Vec<(&str, &Node)> {
    let mut found = Vec::new();
    for entry in body.items().iter().flat_map(Node::entries).filter(|e| e.key == "run") {
        match entry.value.text() {
            Some(name) => found.push((name, &entry.value)),
            None => found.extend(entry.value.entries().iter().map(|e| (e.key.as_str(), &entry.value))),
        }
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A piece of a text of a body.
#[derive(Debug, PartialEq)]
enum Part {
    Text(String),
    Parameter(String),
    Unknown(String),
}

/// The pieces of a text: `$who` is a parameter, `$$` a dollar sign, and a `$` before anything but a word itself. Chinese text may
/// follow a parameter's name at once: the longest name that fits is meant.
fn parts(text: &str, params: &[String]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            plain.push('$');
            rest = after;
            continue;
        }
        let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        let word = &rest[..end];
        if word.is_empty() || word.starts_with(|c: char| c.is_ascii_digit()) {
            plain.push('$');
            continue;
        }
        let ends = |p: &&String| word[p.len()..].chars().next().is_none_or(|c| !(c.is_ascii_alphanumeric() || c == '_'));
        let found = params.iter().filter(|p| word.starts_with(p.as_str())).filter(ends).max_by_key(|p| p.len());
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain)));
        }
        match found {
            Some(param) => {
                parts.push(Part::Parameter(param.clone()));
                rest = &rest[param.len()..];
            }
            None => {
                parts.push(Part::Unknown(word.to_owned()));
                rest = &rest[end..];
            }
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() || parts.is_empty() {
        parts.push(Part::Text(plain));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_in_texts() {
        let params = ["who", "whole", "金", "金额"].map(str::to_owned);
        let text = |t: &str| Part::Text(t.into());
        let param = |p: &str| Part::Parameter(p.into());
        for (source, expect) in [
            ("$who", vec![param("who")]),
            ("给 $whole 与 $who提醒", vec![text("给 "), param("whole"), text(" 与 "), param("who"), text("提醒")]),
            ("$金额元", vec![param("金额"), text("元")]),
            ("$whom", vec![Part::Unknown("whom".into())]),
            ("US$100, $$who, $", vec![text("US$100, $who, $")]),
            ("", vec![text("")]),
        ] {
            assert_eq!(parts(source, &params), expect, "{source}");
        }
    }
}
