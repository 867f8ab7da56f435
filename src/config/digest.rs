//! What changed between two loads: a digest of every item, and the difference as a value for the reload's message.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::definitions::{Items, TESTS};
use super::tree::Node;

/// Digests of a load, by section and id (`rules` → `welcome` → digest); `files` has the files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Over everything.
    pub hash: String,
    /// By section, then by id or file name.
    pub items: BTreeMap<String, BTreeMap<String, String>>,
}

/// The first 12 hexadecimal digits.
pub(super) fn hex(digest: &[u8]) -> String {
    digest.iter().take(6).map(|b| format!("{b:02x}")).collect()
}

/// Of a node's text, comments, blanks and order aside.
pub(super) fn of_node(node: &Node) -> String {
    let mut text = String::new();
    node.canonical(&mut text);
    hex(Sha256::digest(text.as_bytes()).as_slice())
}

impl Summary {
    /// Of the definitions, and of `config.yaml` with its secrets filled in: one that was rotated is a change too.
    pub(super) fn new(items: &Items<'_>, config: &Node) -> Self {
        let sections = items
            .iter()
            .filter(|(section, _)| **section != TESTS)
            .map(|(section, items)| (section.to_string(), items.iter().map(|i| (i.id.to_owned(), of_node(i.node))).collect()));
        let mut all: BTreeMap<String, BTreeMap<String, String>> = sections.collect();
        for top in config.entries() {
            let (section, entries) = match top.key.as_str() {
                own @ ("sources" | "connections") => (own, top.value.entries()),
                _ => ("settings", std::slice::from_ref(top)),
            };
            let digests = entries.iter().map(|e| (e.key.clone(), of_node(&e.value)));
            all.entry(section.to_owned()).or_default().extend(digests);
        }
        Self { hash: String::new(), items: all }
    }
}

impl Summary {
    /// Items that are what a file of theirs says, too.
    pub(super) fn add_files<'a>(&mut self, section: &str, files: impl Iterator<Item = (&'a String, String)>) {
        let Some(items) = self.items.get_mut(section) else { return };
        for (id, text) in files {
            if let Some(digest) = items.get_mut(id) {
                digest.push_str(&hex(Sha256::digest(text.as_bytes()).as_slice()));
            }
        }
    }
}

/// Added, changed and removed ids, by section; sections in which nothing changed are left out.
pub fn diff(old: &Summary, new: &Summary) -> Value {
    let empty = BTreeMap::new();
    let sections: BTreeSet<&String> = old.items.keys().chain(new.items.keys()).collect();
    let mut out = serde_json::Map::new();
    for section in sections {
        let (was, is) = (old.items.get(section).unwrap_or(&empty), new.items.get(section).unwrap_or(&empty));
        let added: Vec<_> = is.keys().filter(|id| !was.contains_key(*id)).collect();
        let removed: Vec<_> = was.keys().filter(|id| !is.contains_key(*id)).collect();
        let changed: Vec<_> = is.iter().filter(|(id, d)| was.get(*id).is_some_and(|w| w != *d)).map(|(id, _)| id).collect();
        let mut kinds = serde_json::Map::new();
        for (kind, ids) in [("added", added), ("changed", changed), ("removed", removed)] {
            if !ids.is_empty() {
                kinds.insert(kind.into(), json!(ids));
            }
        }
        if !kinds.is_empty() {
            out.insert(section.clone(), Value::Object(kinds));
        }
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_changed() {
        let summary = |items: &[(&str, &str)]| Summary {
            hash: String::new(),
            items: [("rules".to_owned(), items.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())].into(),
        };
        let (old, new) = (summary(&[("a", "1"), ("b", "1"), ("c", "1")]), summary(&[("a", "1"), ("b", "2"), ("d", "1")]));
        assert_eq!(diff(&old, &new), json!({ "rules": { "added": ["d"], "changed": ["b"], "removed": ["c"] } }));
        assert_eq!(diff(&old, &old), json!({}));
    }
}
