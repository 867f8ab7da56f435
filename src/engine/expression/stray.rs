//! Values that stand where a condition must: `region == '华东' or '华北'`, `not 'x'`; and comparisons with no text at all.
//! Only names them; whether an expression may hold is [`Node::may_hold`].

use super::arithmetic::Comparison;
use super::fault::FaultKind;
use super::node::Node;
use crate::engine::value::Value;

/// What is wrong with the right side of `and` or `or` that is only a value; `write` where the left side tells what was meant.
pub(super) fn beside(left: &Node, right: &Node) -> FaultKind {
    let write = meant(left).and_then(|(name, by, mut texts)| {
        texts.push(text(right)?);
        let each: Vec<String> = texts.iter().map(|t| format!("'{t}'")).collect();
        Some(format!("{name} {} [{}]", if by == Comparison::Eq { "in" } else { "not in" }, each.join(", ")))
    });
    FaultKind::BareValue { write }
}

/// The name and the texts of `region == 'a' or 'b'`, of `region != 'a' and 'b'`, and of one comparison alone.
fn meant(node: &Node) -> Option<(String, Comparison, Vec<&str>)> {
    match node {
        Node::Compare(by @ (Comparison::Eq | Comparison::Ne), sides) => match sides.as_ref() {
            [Node::Name(path), other] => Some((path.join("."), *by, vec![text(other)?])),
            _ => None,
        },
        Node::And(sides) | Node::Or(sides) => {
            let (name, by, mut texts) = meant(&sides[0])?;
            texts.push(text(&sides[1])?);
            Some((name, by, texts))
        }
        _ => None,
    }
}

fn text(node: &Node) -> Option<&str> {
    node.constant()?.as_text()
}

/// `email != ''` and `email == ''`, and how that is asked.
pub(super) fn nothing(by: Comparison, sides: &[Node; 2]) -> Option<FaultKind> {
    let empty = |n: &Node| matches!(n.constant(), Some(Value::Text(t)) if t.is_empty());
    let other = match sides {
        [a, b] if empty(b) => a,
        [a, b] if empty(a) => b,
        _ => return None,
    };
    let not = match by {
        Comparison::Eq => "",
        Comparison::Ne => "not ",
        _ => return None,
    };
    Some(FaultKind::EmptyText { write: format!("{not}is_empty({other})") })
}
