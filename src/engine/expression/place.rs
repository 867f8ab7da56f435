//! Which characters a part of a condition's tree stands at: from its first name or value to its last, with the brackets and signs
//! around them that are its own. Needed only to say something about it; evaluating pays nothing for it.

use std::ops::Range;

use evalexpr::{Node as Tree, Operator};

use super::token::{Kind as Sign, Token};

/// The tokens of a condition, and how many characters it has.
pub(super) struct Places<'a> {
    pub(super) tokens: &'a [Token],
    pub(super) length: usize,
}

impl<'a> Places<'a> {
    /// The characters of a part of the tree.
    pub(super) fn span(&self, tree: &Tree) -> Range<usize> {
        let places = own(tree).into_iter().chain(tree.iter_identifiers()).filter_map(|i| i.strip_prefix('t')?.parse().ok());
        let (Some(first), Some(last)) = places.fold((None, None), |(a, b): (Option<usize>, Option<usize>), at| {
            (Some(a.map_or(at, |a| a.min(at))), Some(b.map_or(at, |b| b.max(at))))
        }) else {
            return 0..self.length;
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
            _ => 0..self.length,
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

    /// The token that a part of the tree itself is.
    pub(super) fn token(&self, tree: &Tree) -> Option<&'a Token> {
        self.tokens.get(own(tree)?.strip_prefix('t')?.parse::<usize>().ok()?)
    }
}

/// Without the brackets around it.
pub(super) fn bare(tree: &Tree) -> &Tree {
    match (tree.operator(), tree.children()) {
        (Operator::RootNode, [inner]) => bare(inner),
        _ => tree,
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
