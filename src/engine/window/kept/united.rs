//! What was kept for two subjects as what is kept for one, and taken apart again.

use std::sync::Arc;

use super::{Head, Item, Read, SEAL, TAIL, Written, read};
use crate::engine::scope::Stop;

impl Head {
    /// How many entries there are beside it.
    pub(in crate::engine::window) fn entries(&self) -> usize {
        self.chunks.len()
    }

    /// All that is kept, by time, then by number.
    pub(in crate::engine::window) fn items(&self, load: Read<'_>) -> Result<Vec<Item>, Stop> {
        let chunks: Vec<Arc<Vec<Item>>> = self.chunks.iter().map(|c| read(load, c.n)).collect::<Result<_, _>>()?;
        Ok(chunks.iter().flat_map(|items| items.iter()).chain(&self.tail).cloned().collect())
    }

    /// Keeps these instead, in whatever order they come. The chunks that changed.
    pub(in crate::engine::window) fn refill(&mut self, mut items: Vec<Item>) -> Vec<Written> {
        items.sort_by_key(Item::place);
        let former: Vec<u32> = self.chunks.drain(..).map(|chunk| chunk.n).collect();
        self.next = 0;
        let mut written = Vec::new();
        let mut rest = items.as_slice();
        while rest.len() > TAIL {
            let (sealed, later) = rest.split_at(SEAL);
            let chunk = self.chunk(sealed);
            written.push((chunk.n, Some(sealed.to_vec())));
            self.chunks.push(chunk);
            rest = later;
        }
        self.tail = rest.to_vec();
        written.extend(former.into_iter().filter(|n| *n > self.next).map(|n| (n, None)));
        written
    }

    /// What the other cannot tell any more this cannot either.
    pub(in crate::engine::window) fn forget_with(&mut self, other: &Self) {
        self.forgotten = self.forgotten.max(other.forgotten);
        self.crowded = self.crowded.max(other.crowded);
        self.told = self.told.max(other.told);
    }
}

/// All but those: each takes away itself; of several that are alike, since they have no number, the last.
pub(in crate::engine::window) fn without(mut items: Vec<Item>, those: &[Item]) -> Vec<Item> {
    let mut gone = vec![false; items.len()];
    for that in those.iter().rev() {
        let first = items.partition_point(|i| i.place() < that.place());
        let behind = items.partition_point(|i| i.place() <= that.place());
        let found = (first..behind).rev().find(|n| !gone[*n] && items[*n].value == that.value);
        if let Some(n) = found {
            gone[n] = true;
        }
    }
    let mut gone = gone.into_iter();
    items.retain(|_| !gone.next().unwrap_or_default());
    items
}
