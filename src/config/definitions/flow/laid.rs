//! A step in its place: what it is, and what stands around it.

use crate::config::problem::At;
use crate::config::table::flow::STEP_NAMES;
use crate::config::tree::{Entry, Node};
use crate::engine::definition::Inside;

/// What a step is, with the places of the steps inside it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    Action,
    Vars,
    Wait,
    /// First steps of the branches, and of `else`.
    Choose(Vec<Option<usize>>, Option<usize>),
    Parallel(Vec<(String, Option<usize>)>),
    Each(Option<usize>),
    Repeat(Option<usize>),
    Call(Option<usize>),
    Approve,
    Ask,
    GoTo,
    BackTo,
    End,
    Fail,
    /// It could not be told.
    Nothing,
}

/// What comes after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Step(usize),
    /// What comes after that one.
    After(usize),
    /// Its branch, or the run, is through.
    Over,
}

/// A step in its place.
pub(super) struct Laid<'n> {
    /// Unique in the graph.
    pub(super) id: String,
    /// As its own flow calls it.
    pub(super) name: String,
    pub(super) at: At,
    pub(super) node: &'n Node,
    /// In which of [`Layout::calls`].
    pub(super) call: usize,
    pub(super) inside: Option<Inside>,
    pub(super) aside: Option<String>,
    /// It is of the flow's own `late`, `on_error` or `recall`.
    pub(super) block: bool,
    /// The names that each `each` around it gives.
    pub(super) items: Vec<String>,
    pub(super) what: What,
    pub(super) then: Then,
    /// First steps of `late`: one for each of its items where people are asked, or else one for all.
    pub(super) late: Vec<Option<usize>>,
    pub(super) on_error: Option<usize>,
    pub(super) rejected: Option<usize>,
}

impl Laid<'_> {
    /// Whether people are asked.
    pub(super) fn asks(&self) -> bool {
        matches!(self.what, What::Approve | What::Ask)
    }

    /// Whether nothing comes after it.
    pub(super) fn leaves(&self) -> bool {
        matches!(self.what, What::GoTo | What::BackTo | What::End | What::Fail)
    }

    /// The word that makes it what it is, for messages.
    pub(super) fn word(&self) -> &'static str {
        let word = |e: &Entry| STEP_NAMES.iter().find(|n| **n == e.key);
        self.node.entries().iter().find_map(word).copied().unwrap_or("wait")
    }
}

/// A flow whose steps stand in the graph: itself first, then those it calls.
pub(super) struct Called<'n> {
    /// `ship`, `ship.pack`; none: the flow itself.
    pub(super) scope: Option<String>,
    pub(super) flow: String,
    pub(super) node: &'n Node,
    /// Entities whose record it is about.
    pub(super) of: Vec<String>,
    /// Which of them calls it.
    pub(super) outer: Option<usize>,
}

/// An aside.
pub(super) struct Aside {
    pub(super) name: String,
    pub(super) at: At,
    pub(super) call: usize,
    pub(super) first: Option<usize>,
}
