//! Going through all entries of one kind, a page at a time, so that however many there are take little room.

use crate::engine::state::{Entry, Key};
use crate::store::Read;

/// Every entry below a prefix, in the order of the keys.
pub(super) fn each(
    store: &dyn Read,
    prefix: &str,
    page: usize,
    mut with: impl FnMut(&Key, &Entry) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut after: Option<Key> = None;
    loop {
        let found = store.scan(prefix, after.as_ref(), page)?;
        let Some((last, _)) = found.last() else { return Ok(()) };
        after = Some(last.clone());
        for (key, entry) in &found {
            with(key, entry)?;
        }
    }
}
