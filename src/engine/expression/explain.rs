//! A condition taken apart: its clauses with their text, how each came out, and the values of the names in it.
//!
//! Never decides anything by itself: each clause is tested by the very node that `decide` tests, in the same order, and what
//! `decide` would not have looked at is not looked at here. What the stored form does not need (where each clause stands) is
//! read from the source again, so that evaluating pays nothing for it.

use std::ops::Range;

use evalexpr::{Node as Tree, Operator};

use super::node::Node;
use super::token::{self, Kind as Sign, Token};
use super::{Expr, Name, grammar};
use crate::engine::scope::{Scope, Stop};
use crate::engine::state::Need;
use crate::engine::value::Value;

/// How a clause came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// It holds.
    Yes,
    /// It does not.
    No,
    /// It cannot be told, for this reason in words.
    Unevaluable(String),
    /// It was not looked at: what stood before it had decided.
    Skipped,
}

impl Held {
    /// The stable word of it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Yes => "true",
            Self::No => "false",
            Self::Unevaluable(_) => "unevaluable",
            Self::Skipped => "skipped",
        }
    }
}

/// How a clause is made of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joint {
    /// It has none: a comparison, a call, a name.
    One,
    /// All must hold: `and`.
    All,
    /// One must hold: `or`.
    Any,
    /// Its one part must not hold: `not`.
    Not,
}

impl Joint {
    /// The stable word of it.
    pub fn word(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::All => "and",
            Self::Any => "or",
            Self::Not => "not",
        }
    }
}

/// A clause of a condition, or the whole of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Clause {
    /// Which characters of the source.
    pub at: Range<usize>,
    /// Those characters.
    pub text: String,
    /// How it is made of its parts.
    pub joint: Joint,
    /// How it came out.
    pub held: Held,
    /// The names in it and their values, each once, in the order they are written; only where it has no parts and was looked at.
    pub values: Vec<(String, Value)>,
    /// Its parts, in order; `a and b and c` has three.
    pub parts: Vec<Clause>,
}

impl Clause {
    /// The clause that decided: of an `and` that does not hold the first part that does not, of an `or` that does the first
    /// that does, and so on downwards. Where all parts together decided, it is the whole.
    pub fn decisive(&self) -> &Self {
        let decided = match self.joint {
            Joint::All if self.held != Held::Yes => self.parts.iter().find(|p| p.held == self.held),
            Joint::Any if self.held != Held::No => self.parts.iter().find(|p| p.held == self.held),
            Joint::Not if matches!(self.held, Held::Unevaluable(_)) => self.parts.first(),
            _ => None,
        };
        decided.map_or(self, Self::decisive)
    }

    /// The values of it and of all its parts, each name once.
    pub fn all_values(&self) -> Vec<(&str, &Value)> {
        let mut found: Vec<(&str, &Value)> = self.values.iter().map(|(name, value)| (name.as_str(), value)).collect();
        for (name, value) in self.parts.iter().flat_map(Self::all_values) {
            if !found.iter().any(|(known, _)| *known == name) {
                found.push((name, value));
            }
        }
        found
    }
}

impl Expr {
    /// The condition clause by clause, as it comes out in this scope: as [`Expr::test`] does, with everything said.
    pub fn explain(&self, scope: &dyn Scope) -> Result<Clause, Need> {
        let (tokens, _) = token::tokens(self.source());
        let tree = grammar::normalise(&tokens).ok().and_then(|text| evalexpr::build_operator_tree(&text).ok());
        let walk = Walk { scope, source: self.source().chars().collect(), tokens: &tokens, names: self.names() };
        match &tree {
            Some(tree) => walk.clause(tree, &self.0.root, false),
            // What was compiled once reads the same again; should it not, the whole is one clause.
            None => walk.one(0..walk.source.len(), &self.0.root, false),
        }
    }
}

struct Walk<'a> {
    scope: &'a dyn Scope,
    source: Vec<char>,
    tokens: &'a [Token],
    names: &'a [Name],
}

impl Walk<'_> {
    fn clause(&self, tree: &Tree, node: &Node, skip: bool) -> Result<Clause, Need> {
        let tree = bare(tree);
        let (joint, goes_on) = match (tree.operator(), node) {
            (Operator::And, Node::And(_)) => (Joint::All, Held::Yes),
            (Operator::Or, Node::Or(_)) => (Joint::Any, Held::No),
            (Operator::Not, Node::Not(inner)) => return self.negation(tree, inner, skip),
            _ => return self.one(self.span(tree), node, skip),
        };
        let mut sides = Vec::new();
        flatten(tree, node, joint, &mut sides);
        let (mut held, mut parts) = (goes_on.clone(), Vec::with_capacity(sides.len()));
        for (tree, node) in sides {
            let part = self.clause(tree, node, skip || held != goes_on)?;
            if held == goes_on {
                held = part.held.clone();
            }
            parts.push(part);
        }
        let held = if skip { Held::Skipped } else { held };
        Ok(self.made(self.span(tree), joint, held, parts))
    }

    fn negation(&self, tree: &Tree, inner: &Node, skip: bool) -> Result<Clause, Need> {
        let Some(below) = tree.children().first() else { return self.one(self.span(tree), inner, skip) };
        let part = self.clause(below, inner, skip)?;
        let held = match &part.held {
            Held::Yes => Held::No,
            Held::No => Held::Yes,
            other => other.clone(),
        };
        Ok(self.made(self.span(tree), Joint::Not, held, vec![part]))
    }

    /// A clause without parts.
    fn one(&self, at: Range<usize>, node: &Node, skip: bool) -> Result<Clause, Need> {
        if skip {
            return Ok(self.made(at, Joint::One, Held::Skipped, Vec::new()));
        }
        let held = match node.test(self.scope) {
            Ok(true) => Held::Yes,
            Ok(false) => Held::No,
            Err(Stop::Unevaluable(why)) => Held::Unevaluable(why),
            Err(Stop::Need(need)) => return Err(need),
        };
        let mut clause = self.made(at, Joint::One, held, Vec::new());
        for name in self.names.iter().filter(|n| clause.at.start <= n.at.start && n.at.end <= clause.at.end) {
            let written = name.path.join(".");
            if clause.values.iter().any(|(known, _)| *known == written) {
                continue;
            }
            match self.scope.name(&name.path) {
                Ok(value) => clause.values.push((written, value.into_owned())),
                Err(Stop::Unevaluable(_)) => {} // said by the clause itself
                Err(Stop::Need(need)) => return Err(need),
            }
        }
        Ok(clause)
    }

    fn made(&self, at: Range<usize>, joint: Joint, held: Held, parts: Vec<Clause>) -> Clause {
        let text = self.source.get(at.clone()).unwrap_or_default().iter().collect();
        Clause { at, text, joint, held, values: Vec::new(), parts }
    }

    /// The characters of a part of the tree: from its first name or value to its last, and the brackets and signs around them
    /// that are its own.
    fn span(&self, tree: &Tree) -> Range<usize> {
        let places = own(tree).into_iter().chain(tree.iter_identifiers()).filter_map(|i| i.strip_prefix('t')?.parse().ok());
        let (Some(first), Some(last)) = places.fold((None, None), |(a, b): (Option<usize>, Option<usize>), at| {
            (Some(a.map_or(at, |a| a.min(at))), Some(b.map_or(at, |b| b.max(at))))
        }) else {
            return 0..self.source.len();
        };
        // A call with nothing in its brackets has no token of its own in them.
        let empty_call = matches!(self.kind(last), Some(Sign::Name(_))) && self.kind(last + 1) == Some(&Sign::Open('('));
        let (mut first, mut last) = self.balanced(first, if empty_call { last + 1 } else { last });
        let mut signs = prefixes(tree);
        while signs > 0 && first > 0 {
            match (self.kind(first - 1), self.kind(last + 1)) {
                (Some(Sign::Sign("-") | Sign::Bang | Sign::Not), _) => {
                    first -= 1;
                    signs -= 1;
                }
                (Some(Sign::Open(_)), Some(Sign::Close(_))) => (first, last) = (first - 1, last + 1),
                _ => break,
            }
        }
        match (self.tokens.get(first), self.tokens.get(last)) {
            (Some(a), Some(b)) => a.at.start..b.at.end,
            _ => 0..self.source.len(),
        }
    }

    /// Widened until every bracket in it has its other half.
    fn balanced(&self, mut first: usize, mut last: usize) -> (usize, usize) {
        let (mut open, mut unopened) = (0usize, 0usize);
        for at in first..=last {
            match self.kind(at) {
                Some(Sign::Open(_)) => open += 1,
                Some(Sign::Close(_)) if open > 0 => open -= 1,
                Some(Sign::Close(_)) => unopened += 1,
                _ => {}
            }
        }
        while unopened > 0 && first > 0 {
            first -= 1;
            match self.kind(first) {
                Some(Sign::Open(_)) => unopened -= 1,
                Some(Sign::Close(_)) => unopened += 1,
                _ => {}
            }
        }
        while open > 0 && last + 1 < self.tokens.len() {
            last += 1;
            match self.kind(last) {
                Some(Sign::Open(_)) => open += 1,
                Some(Sign::Close(_)) => open -= 1,
                _ => {}
            }
        }
        (first, last)
    }

    fn kind(&self, at: usize) -> Option<&Sign> {
        self.tokens.get(at).map(|t| &t.kind)
    }
}

/// Without the brackets around it.
fn bare(tree: &Tree) -> &Tree {
    match (tree.operator(), tree.children()) {
        (Operator::RootNode, [inner]) => bare(inner),
        _ => tree,
    }
}

/// The sides of `a and b and c`, in order. What was worked out at load is one side, however it is written.
fn flatten<'t, 'n>(tree: &'t Tree, node: &'n Node, joint: Joint, sides: &mut Vec<(&'t Tree, &'n Node)>) {
    let inner = bare(tree);
    match (inner.operator(), inner.children(), node, joint) {
        (Operator::And, [a, b], Node::And(two), Joint::All) | (Operator::Or, [a, b], Node::Or(two), Joint::Any) => {
            flatten(a, &two[0], joint, sides);
            flatten(b, &two[1], joint, sides);
        }
        _ => sides.push((tree, node)),
    }
}

/// The placeholder that a part of the tree itself is.
fn own(tree: &Tree) -> Option<&str> {
    match tree.operator() {
        Operator::VariableIdentifierRead { identifier } | Operator::FunctionIdentifier { identifier } => Some(identifier),
        _ => None,
    }
}

/// How many `not`, `!` and `-` stand before its first name or value and belong to it.
fn prefixes(tree: &Tree) -> usize {
    let own = match tree.operator() {
        Operator::Not | Operator::Neg => 1,
        Operator::FunctionIdentifier { .. } => return 0,
        _ => 0,
    };
    own + tree.children().first().map_or(0, prefixes)
}
