//! A condition taken apart: its clauses with their text, how each came out, and the values of the names in it.
//!
//! Never decides anything by itself: each clause is tested by the very node that `decide` tests, in the same order, and what
//! `decide` would not have looked at is not looked at here. What the stored form does not need (where each clause stands) is
//! read from the source again, so that evaluating pays nothing for it.

use std::ops::Range;

use evalexpr::{Node as Tree, Operator};

use super::node::Node;
use super::place::{Places, bare};
use super::{Expr, Name, grammar, token};
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
        let source: Vec<char> = self.source().chars().collect();
        let places = Places { tokens: &tokens, length: source.len() };
        let walk = Walk { scope, source, places, names: self.names() };
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
    places: Places<'a>,
    names: &'a [Name],
}

impl Walk<'_> {
    fn clause(&self, tree: &Tree, node: &Node, skip: bool) -> Result<Clause, Need> {
        let tree = bare(tree);
        let (joint, goes_on) = match (tree.operator(), node) {
            (Operator::And, Node::And(_)) => (Joint::All, Held::Yes),
            (Operator::Or, Node::Or(_)) => (Joint::Any, Held::No),
            (Operator::Not, Node::Not(inner)) => return self.negation(tree, inner, skip),
            _ => return self.one(self.places.span(tree), node, skip),
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
        Ok(self.made(self.places.span(tree), joint, held, parts))
    }

    fn negation(&self, tree: &Tree, inner: &Node, skip: bool) -> Result<Clause, Need> {
        let Some(below) = tree.children().first() else { return self.one(self.places.span(tree), inner, skip) };
        let part = self.clause(below, inner, skip)?;
        let held = match &part.held {
            Held::Yes => Held::No,
            Held::No => Held::Yes,
            other => other.clone(),
        };
        Ok(self.made(self.places.span(tree), Joint::Not, held, vec![part]))
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
