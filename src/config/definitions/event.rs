//! Which events there are, and what is said about those that nothing says.
//!
//! Silent where the name may come from outside: a webhook without `event:` says whatever is sent to it.

use super::super::catalogue as t;
use super::super::grammar::list;
use super::super::names;
use super::super::problem::{Problem, Said};
use super::super::scalar::nearest;
use super::super::tree::Node;
use super::Compiler;
use super::rule::{RESERVED, is_event};
use crate::engine::mail;

/// What record changes say in this version.
const SAID: &[&str] = &["created", "changed", "merged"];
/// What the engine says itself, where somebody may listen.
const OWN: &[&str] = &[
    "ifthen.call.dead",
    "ifthen.unreadable",
    "ifthen.source.failed",
    "ifthen.source.recovered",
    "ifthen.store.recovered",
    "ifthen.clock.jumped",
    "ifthen.clock.restored",
];
/// What others call it.
const ALIKE: &[(&str, &str)] = &[
    ("updated", "changed"),
    ("update", "changed"),
    ("modified", "changed"),
    ("edited", "changed"),
    ("change", "changed"),
    ("create", "created"),
    ("new", "created"),
    ("added", "created"),
    ("inserted", "created"),
];

impl Compiler<'_> {
    /// An event's name in `when`: one that something may say.
    pub(super) fn event_known(&self, node: &Node, pattern: &str) -> Option<()> {
        if !is_event(pattern, true) {
            self.bad_event(node, pattern, true);
            return None;
        }
        if self.lost || self.around.vague {
            return Some(());
        }
        let (entity, verb) = pattern.rsplit_once('.').unwrap_or(("", pattern));
        // Sources may not say these either.
        if self.entities.contains_key(entity) && RESERVED.contains(&verb) && !SAID.contains(&verb) {
            self.sink.say(node.at, &t::NO_SUCH_EVENT_YET, [pattern.into()]);
            return None;
        }
        let known = self.all_events();
        if known.iter().chain(&self.around.events).any(|said| meet(said, pattern)) {
            return Some(());
        }
        // Somebody may say it yet: what is told from outside is not known here.
        let Some(help) = self.event_meant(pattern, &known) else { return Some(()) };
        self.sink.add(Problem::new(node.at, t::UNKNOWN_EVENT.with([pattern.into()])).help(help));
        None
    }

    /// The names that are known for certain: of record changes, of `emit`, of the engine.
    fn all_events(&self) -> Vec<String> {
        let own = self.entities.keys().flat_map(|e| SAID.iter().map(move |verb| format!("{e}.{verb}")));
        let told = OWN.iter().chain(&mail::EVENTS).map(|o| (*o).to_owned());
        own.chain(self.events.iter().cloned()).chain(told).collect()
    }

    /// What was meant by a name that nothing says; `None` where it may yet be right.
    fn event_meant(&self, pattern: &str, known: &[String]) -> Option<Said> {
        let mean = |name: String| Some(t::DID_YOU_MEAN.with([name.into()]));
        // What sources say, without those that may say anything.
        let sources = self.around.events.iter().filter(|e| !e.contains('*'));
        let all = || known.iter().chain(sources.clone()).map(String::as_str);
        if let Some(same) = all().find(|k| k.to_lowercase() == pattern.to_lowercase()) {
            return mean(same.to_owned());
        }
        let alike = |verb: &str| ALIKE.iter().find(|(other, _)| *other == verb).map(|(_, right)| *right);
        let Some((first, rest)) = pattern.split_once('.') else {
            let verb = alike(pattern).unwrap_or(pattern);
            if !SAID.contains(&verb) || self.entities.is_empty() {
                return nearest(pattern, all()).and_then(mean);
            }
            let each: Vec<String> = self.entities.keys().map(|e| format!("{e}.{verb}")).collect();
            return Some(t::EVENT_OF_WHICH.with([list(each.iter().map(String::as_str)).into()]));
        };
        let Some(entity) = self.entities.get(first) else {
            let near = nearest(first, self.entities.keys().map(String::as_str));
            let own = near.filter(|_| RESERVED.contains(&rest) || rest == "*").map(|e| format!("{e}.{rest}"));
            return own.or_else(|| nearest(pattern, all())).and_then(mean);
        };
        if let Some(field) = rest.strip_suffix(".changed").or(rest.strip_prefix("changed.")) {
            let right = match names::field(entity, field) {
                Some(_) => Some(field.to_owned()),
                None => nearest(field, entity.fields.keys().map(String::as_str)),
            };
            if let Some(field) = right {
                return Some(t::WRITE_INSTEAD.with([format!("{{ changed: {first}.{field} }}").into()]));
            }
        }
        let verb = alike(rest).map(str::to_owned).or_else(|| nearest(rest, SAID.iter().copied()));
        if let Some(verb) = verb {
            return mean(format!("{first}.{verb}"));
        }
        let there: Vec<&str> = all().filter(|k| k.split('.').next() == Some(first)).collect();
        let near = nearest(pattern, there.iter().copied());
        near.and_then(mean).or_else(|| Some(t::KNOWN_KEYS.with([list(there).into()])))
    }
}

/// Whether there is a name that matches both patterns.
fn meet(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // By how much of `b` is used up: whether the part of `a` so far can match it.
    let mut row = vec![false; b.len() + 1];
    row[0] = true;
    for j in 1..=b.len() {
        row[j] = row[j - 1] && b[j - 1] == '*';
    }
    for x in a {
        let mut next = vec![false; b.len() + 1];
        next[0] = row[0] && x == '*';
        for j in 1..=b.len() {
            let y = b[j - 1];
            next[j] = match (x, y) {
                ('*', _) | (_, '*') => row[j] || next[j - 1] || row[j - 1],
                _ => row[j - 1] && x == y,
            };
        }
        row = next;
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::meet;

    #[test]
    fn patterns_meet() {
        for (a, b, expect) in [
            ("lead.created", "lead.*", true),
            ("lead.created", "*.created", true),
            ("site.*", "*.form", true),
            ("site.*", "page.*", false),
            ("*", "page.viewed", true),
            ("a*c", "ab*", true),
            ("a*c", "b*", false),
            ("lead.created", "leads.*", false),
            ("客户.*", "客户.新建", true),
            ("a", "a*", true),
            ("a", "ab*", false),
        ] {
            assert_eq!((meet(a, b), meet(b, a)), (expect, expect), "{a} {b}");
        }
    }
}
