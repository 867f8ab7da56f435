//! The parts of a condition that must all hold, as they are written: `event.order == no and event.amount > 1` has two.
//!
//! Needed at load only, where a part of a condition means something of its own; evaluating knows nothing of it.

use evalexpr::{Node as Tree, Operator};

use super::place::{Places, bare};
use super::token::{self, Kind as Sign};
use super::{Expr, grammar};

/// One of the parts that `and` joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// As it is written, in brackets where it must be.
    pub text: String,
    /// The two sides, if it says that they are the same.
    pub same: Option<(String, String)>,
}

impl Expr {
    /// What must all hold, in order; one part for what is no `and`.
    pub fn parts(&self) -> Vec<Part> {
        let (tokens, _) = token::tokens(self.source());
        let tree = grammar::normalise(&tokens).ok().and_then(|text| evalexpr::build_operator_tree(&text).ok());
        let source: Vec<char> = self.source().chars().collect();
        let places = Places { tokens: &tokens, length: source.len() };
        let mut found = Vec::new();
        match &tree {
            Some(tree) => Walk { source: &source, places: &places }.part(tree, &mut found),
            None => found.push(Part { text: self.source().to_owned(), same: None }),
        }
        found
    }
}

struct Walk<'a> {
    source: &'a [char],
    places: &'a Places<'a>,
}

impl Walk<'_> {
    fn part(&self, tree: &Tree, found: &mut Vec<Part>) {
        let tree = bare(tree);
        match (tree.operator(), tree.children()) {
            (Operator::And, [a, b]) => {
                self.part(a, found);
                self.part(b, found);
            }
            (Operator::Or, _) => found.push(Part { text: format!("({})", self.text(tree)), same: None }),
            (Operator::Eq, [a, b]) if !self.is_list(b) => {
                found.push(Part { text: self.text(tree), same: Some((self.text(bare(a)), self.text(bare(b)))) });
            }
            _ => found.push(Part { text: self.text(tree), same: None }),
        }
    }

    /// `x in …` is an equality with a function of the list.
    fn is_list(&self, tree: &Tree) -> bool {
        matches!(self.places.token(tree).map(|t| &t.kind), Some(Sign::In | Sign::NotIn))
    }

    fn text(&self, tree: &Tree) -> String {
        self.source.get(self.places.span(tree)).unwrap_or_default().iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, expect: &[(&str, Option<(&str, &str)>)]) {
        let parts = Expr::parse_condition(source).unwrap().parts();
        let got: Vec<_> =
            parts.iter().map(|p| (p.text.as_str(), p.same.as_ref().map(|(a, b)| (a.as_str(), b.as_str())))).collect();
        assert_eq!(got, expect, "{source}");
        let whole: Vec<&str> = parts.iter().map(|p| p.text.as_str()).collect();
        assert!(Expr::parse_condition(&whole.join(" and ")).is_ok());
    }

    #[test]
    fn parts_of_conditions() {
        check("event.order == 订单号", &[("event.order == 订单号", Some(("event.order", "订单号")))]);
        check(
            "event.order == no and (event.amount >= amount and event.ok == true)",
            &[
                ("event.order == no", Some(("event.order", "no"))),
                ("event.amount >= amount", None),
                ("event.ok == true", Some(("event.ok", "true"))),
            ],
        );
        check("(a == 1 or b == 2) and c in ('x', 'y')", &[("(a == 1 or b == 2)", None), ("c in ('x', 'y')", None)]);
        check("lower(event.x) == lower(名称)", &[("lower(event.x) == lower(名称)", Some(("lower(event.x)", "lower(名称)")))]);
        check("not (a == 1)", &[("not (a == 1)", None)]);
    }
}
