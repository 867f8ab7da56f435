//! The definitions of before: those that decided an event, compiled again from what is kept of them, or known to be unknown.
//!
//! Never guesses: what is not kept, or does not compile any more, is not replaced by what is in force now.

use std::cell::RefCell;
use std::rc::Rc;

use jiff::Timestamp;

use super::why;
use crate::config::{Lost, Rebuilt, Snapshot};
use crate::engine::definition::Definitions;
use crate::engine::event::Event;
use crate::store::{self, Error, Read, Stored};

/// Definitions of before that are kept compiled: an answer over many events meets few.
const KEEP: usize = 8;

/// By which definitions events are explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Those that decided them.
    Then,
    /// Those in force now.
    Now,
}

/// Why definitions of before are unknown; closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// What they were compiled from was not kept, or is not any more.
    NotKept,
    /// It is kept, and they cannot be had from it.
    Lost(Lost),
}

impl Unknown {
    /// The stable word of it.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotKept => "not_kept",
            Self::Lost(Lost::Unreadable) => "unreadable",
            Self::Lost(Lost::DoesNotCompile) => "does_not_compile",
            Self::Lost(Lost::Environment) => "environment",
        }
    }
}

/// Definitions of before, if they could be had.
type Known = Result<Rc<Rebuilt>, Unknown>;

/// A store's past, and how it is to be seen.
pub struct History<'a> {
    pub(super) store: &'a dyn Read,
    pub(super) in_force: Option<&'a Definitions>,
    by: By,
    /// By hash; the oldest first.
    rebuilt: RefCell<Vec<(String, Known)>>,
    /// Of events of this hash, from this number on: the first event that others decided.
    until: RefCell<Option<(String, u64, Option<Stored>)>>,
}

/// Definitions to explain by.
pub(super) enum Seen<'a> {
    InForce(&'a Definitions),
    Rebuilt(Rc<Rebuilt>),
}

impl Seen<'_> {
    pub(super) fn definitions(&self) -> &Definitions {
        match self {
            Self::InForce(definitions) => definitions,
            Self::Rebuilt(rebuilt) => &rebuilt.definitions,
        }
    }

    /// Whether they are, to the letter, what decided an event under this hash.
    pub(super) fn is_exact(&self, hash: &str) -> bool {
        match self {
            Self::InForce(definitions) => definitions.hash == hash,
            Self::Rebuilt(rebuilt) => rebuilt.exact && rebuilt.definitions.hash == hash,
        }
    }
}

impl<'a> History<'a> {
    /// Of a store; `in_force` is `None` where what would be in force does not compile.
    pub fn new(store: &'a dyn Read, in_force: Option<&'a Definitions>, by: By) -> Self {
        Self { store, in_force, by, rebuilt: RefCell::default(), until: RefCell::default() }
    }

    /// Those by which an event is explained that the definitions of this hash decided.
    pub(super) fn definitions(&self, hash: &str) -> Result<Result<Seen<'a>, Unknown>, Error> {
        if let Some(in_force) = self.in_force.filter(|d| self.by == By::Now || d.hash == hash) {
            return Ok(Ok(Seen::InForce(in_force)));
        }
        if let Some((_, known)) = self.rebuilt.borrow().iter().find(|(of, _)| of == hash) {
            return Ok(known.clone().map(Seen::Rebuilt));
        }
        let rebuilt = match self.store.definitions_of(hash)? {
            Some(text) => Snapshot::of_text(&text).and_then(|s| s.rebuild(hash)).map(Rc::new).map_err(Unknown::Lost),
            None => Err(Unknown::NotKept),
        };
        let mut all = self.rebuilt.borrow_mut();
        if all.len() == KEEP {
            drop(all.remove(0));
        }
        all.push((hash.to_owned(), rebuilt.clone()));
        Ok(rebuilt.map(Seen::Rebuilt))
    }

    /// When the definitions that decided an event were in force no more; `None`: they still are.
    pub(super) fn until(&self, stored: &Stored) -> Result<Option<Timestamp>, Error> {
        let (hash, seq) = (&stored.definitions, stored.event.seq);
        if self.in_force.is_some_and(|d| d.hash == *hash) {
            return Ok(None);
        }
        let received = |next: &Option<Stored>| next.as_ref().map(|next| next.event.received);
        if let Some((of, from, next)) = &*self.until.borrow()
            && of == hash
            && *from <= seq
            && next.as_ref().is_none_or(|next| seq < next.event.seq)
        {
            return Ok(received(next));
        }
        let next = self.store.decided_otherwise(seq, hash)?;
        let until = received(&next);
        *self.until.borrow_mut() = Some((hash.clone(), seq, next));
        Ok(until)
    }

    /// Whether the definitions by which it is shown let a rule or flow wait for such an event. Where they are unknown, those in
    /// force say which events to show; of each it is then said that it is unknown.
    pub(super) fn concerns(&self, hash: &str, id: &str, event: &Event) -> Result<bool, Error> {
        let concerns = |definitions: &Definitions| why::concerned(definitions, id).is_some_and(|concerns| concerns(event));
        Ok(match self.definitions(hash)? {
            Ok(seen) => concerns(seen.definitions()),
            Err(_) => self.in_force.is_some_and(concerns),
        })
    }

    /// Whether the log says of an event what came of a rule.
    pub(super) fn tells(&self, seq: u64, rule: &str) -> Result<bool, Error> {
        let lines = store::Filter {
            event: Some(seq),
            rule: Some(rule.to_owned()),
            action: Some("rule".into()),
            ..store::Filter::default()
        };
        Ok(!self.store.log(&lines, 0, 1)?.is_empty())
    }

    /// Whether a rule or flow of this name is in force, or has left something in the log.
    pub fn knows(&self, id: &str) -> Result<bool, Error> {
        if self.in_force.is_some_and(|d| why::concerned(d, id).is_some()) {
            return Ok(true);
        }
        let rule = store::Filter { rule: Some(id.to_owned()), ..store::Filter::default() };
        let flow = store::Filter { flow: Some(id.to_owned()), ..store::Filter::default() };
        Ok(!self.store.log_tail(&rule, 1)?.is_empty() || !self.store.log_tail(&flow, 1)?.is_empty())
    }
}
