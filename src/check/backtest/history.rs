//! Which part of a recorded store is tried on, and its events in order, in pages.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::Error;
use crate::store::export::before;
use crate::store::{Read, Stored};

/// Events of one read.
const PAGE: usize = 500;

/// A part of what a store has recorded.
pub struct History {
    store: Box<dyn Read + Send>,
    page: VecDeque<Stored>,
    /// Read up to here.
    after: u64,
    /// The last event there was when it was begun: a daemon may go on writing.
    last: u64,
    until: Option<Timestamp>,
    /// The first event.
    pub first: Stored,
}

/// The events received since then and before then, in order; none: there are none.
pub fn recorded(
    store: Box<dyn Read + Send>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Result<Option<History>, Error> {
    let last = store.last()?.event;
    let mut after = since.map_or(Ok(0), |since| before(&*store, since))?;
    loop {
        let mut page: VecDeque<Stored> = store.events(after, PAGE)?.into();
        let Some(end) = page.back().map(|s| s.event.seq) else { return Ok(None) };
        while let Some(stored) = page.front() {
            if since.is_none_or(|since| stored.event.received >= since) {
                let first = stored.clone();
                let past = until.is_some_and(|until| first.event.received >= until) || first.event.seq > last;
                return Ok((!past).then_some(History { store, page, after: end, last, until, first }));
            }
            page.pop_front();
        }
        after = end;
    }
}

impl History {
    /// The numbers of its first event and of the last one there is.
    pub fn numbers(&self) -> (u64, u64) {
        (self.first.event.seq, self.last)
    }
}

/// All from the first on: once it has begun, the order counts, not a clock that was set in between. Ends at the first event that
/// was received too late.
impl Iterator for History {
    type Item = Result<Stored, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty() {
            match self.store.events(self.after, PAGE) {
                Ok(page) => self.page = page.into(),
                Err(error) => {
                    self.last = 0; // nothing comes after an error
                    return Some(Err(error.into()));
                }
            }
            self.after = self.page.back()?.event.seq;
        }
        let (last, until) = (self.last, self.until);
        let within = |s: &Stored| s.event.seq <= last && until.is_none_or(|until| s.event.received < until);
        if !self.page.front().is_some_and(within) {
            self.last = 0;
            return None;
        }
        self.page.pop_front().map(Ok)
    }
}
