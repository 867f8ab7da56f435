//! `tests:` inside a rule: the same as in the section of that name, called `rule: test`. They are moved there before anything is
//! compiled, so that no decision, no hash and no reload sees them.

use std::ops::Range;

use super::definitions::TESTS;
use super::text::Text;
use super::tree::{Entry, Kind, Node};

/// The rules of a file.
fn rules(file: &mut Node) -> impl Iterator<Item = &mut Entry> {
    let Kind::Map(sections) = &mut file.kind else { return Vec::new().into_iter() };
    let sections = sections.iter_mut().filter(|e| e.key == "rules");
    let rules = sections.filter_map(|e| if let Kind::Map(rules) = &mut e.value.kind { Some(rules) } else { None });
    rules.flatten().collect::<Vec<_>>().into_iter()
}

/// Takes the tests out of the rules: rule, and what stands under its `tests`.
pub(super) fn take(file: &mut Node) -> Vec<(String, Entry)> {
    let mut taken = Vec::new();
    for rule in rules(file) {
        if let Kind::Map(entries) = &mut rule.value.kind
            && let Some(at) = entries.iter().position(|e| e.key == TESTS)
        {
            taken.push((rule.key.clone(), entries.remove(at)));
        }
    }
    taken
}

/// Moves the tests of the rules into the section of the file.
pub(super) fn raise(file: &mut Node) {
    let taken = take(file);
    let Kind::Map(sections) = &mut file.kind else { return };
    for (rule, entry) in taken {
        let Entry { at, value: Node { at: inside, kind }, .. } = entry;
        let Kind::Map(tests) = kind else { continue };
        let named = tests.into_iter().map(|test| Entry { key: format!("{rule}: {}", test.key), ..test }).collect();
        let value = Node { at: inside, kind: Kind::Map(named) };
        sections.push(Entry { at, key: TESTS.into(), value });
    }
}

/// Their lines, as indices; none where another key stands on one of them.
pub(super) fn lines(file: &Node, text: &Text) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let line = |entry: &Entry| entry.at.line.saturating_sub(1);
    let sections = file.entries();
    for (n, section) in sections.iter().enumerate().filter(|(_, s)| s.key == "rules") {
        let after = sections.get(n + 1).map_or(text.lines.len(), line);
        let rules = section.value.entries();
        for (n, rule) in rules.iter().enumerate() {
            let after = rules.get(n + 1).map_or(after, line);
            let keys = rule.value.entries();
            let Some(at) = keys.iter().position(|e| e.key == TESTS) else { continue };
            let from = line(&keys[at]);
            let mut to = keys.get(at + 1).map_or(after, line);
            // What stands before the next key is about that.
            let is_about_next = |line: &String| line.trim().is_empty() || line.trim_start().starts_with('#');
            while to > from && text.lines.get(to - 1).is_some_and(is_about_next) {
                to -= 1;
            }
            let alone = line(rule) < from && keys.iter().enumerate().all(|(n, e)| n == at || line(e) != from);
            if alone && keys.iter().all(|e| e.at.col > 0) && to > from {
                found.push(from..to);
            }
        }
    }
    found
}
