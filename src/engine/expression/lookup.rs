//! The tables and columns that an expression looks something up in: for checking them at load.

use std::ops::Range;

use super::Expr;
use super::library::Which;
use super::node::Node;
use crate::engine::value::Value;

/// One use of `lookup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The table; `None`: it is not written out.
    pub table: Option<String>,
    /// The column; `None`: it is not written out.
    pub column: Option<String>,
}

impl Expr {
    /// Every use of `lookup` in it.
    pub fn lookups(&self) -> Vec<Lookup> {
        let mut found = Vec::new();
        walk(&self.0.root, &mut found);
        found
    }

    /// The characters at which a quoted text first stands in the source; the whole where it does not.
    pub fn place_of(&self, text: &str) -> Range<usize> {
        let source = self.source();
        let quoted = ['\'', '"'].iter().find_map(|q| source.find(&format!("{q}{text}{q}")));
        match quoted {
            Some(byte) => {
                let from = source[..byte].chars().count();
                from..from + text.chars().count() + 2
            }
            None => 0..source.chars().count(),
        }
    }
}

fn walk(node: &Node, found: &mut Vec<Lookup>) {
    if let Node::Call(function, arguments) = node
        && function.which == Which::Lookup
    {
        let text = |n: usize| arguments.get(n).and_then(Node::constant).and_then(Value::as_text).map(str::to_owned);
        found.push(Lookup { table: text(0), column: text(2) });
    }
    node.children().iter().for_each(|c| walk(c, found));
}
