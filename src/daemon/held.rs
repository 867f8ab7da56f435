//! How many items of each source are in quarantine: told by the changes that are committed, as everything else is.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::engine::state::{Change, Entry, Key, prefix};
use crate::store::{Error, Read};

/// Items of one read.
const PAGE: usize = 1_000;

/// The items, and their number by source.
#[derive(Debug, Default)]
pub(super) struct Held {
    sources: HashMap<u64, Arc<str>>,
    counts: BTreeMap<Arc<str>, usize>,
    /// Something has changed since it was asked last.
    changed: bool,
}

impl Held {
    /// What is there.
    pub(super) fn read(store: &dyn Read) -> Result<Self, Error> {
        let mut held = Self::default();
        let mut after = None;
        loop {
            let page = store.scan(prefix::QUARANTINE, after.as_ref(), PAGE)?;
            let Some((key, _)) = page.last() else { return Ok(held) };
            after = Some(key.clone());
            for (key, entry) in page {
                held.apply(&Change { key, entry: Some(entry) });
            }
        }
    }

    /// Takes note of a change that is committed.
    pub(super) fn apply(&mut self, change: &Change) {
        let Key::Quarantine(seq) = change.key else { return };
        self.changed = true;
        if let Some(source) = self.sources.remove(&seq)
            && let Some(count) = self.counts.get_mut(&source)
        {
            *count -= 1;
        }
        if let Some(Entry::Quarantine(item)) = change.entry.as_deref() {
            let source: Arc<str> = item.source.as_str().into();
            self.sources.insert(seq, Arc::clone(&source));
            *self.counts.entry(source).or_default() += 1;
        }
    }

    /// Items of a source.
    pub(super) fn of(&self, source: &str) -> usize {
        self.counts.get(source).copied().unwrap_or(0)
    }

    /// The numbers by source, if they are others than those told last.
    pub(super) fn news(&mut self) -> Option<BTreeMap<String, usize>> {
        let news = std::mem::take(&mut self.changed);
        news.then(|| self.counts.iter().map(|(source, count)| (source.to_string(), *count)).collect())
    }
}
