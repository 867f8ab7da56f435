//! What a condition asks for so that it can be skipped where that is not so: equalities with written-out values.

use super::arithmetic::Comparison;
use super::library::Which;
use super::node::Node;
use crate::engine::value::Value;

/// A name must have one of these values, or the condition is false: not true, and never unevaluable.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand<'e> {
    /// A field of the record, or a path into `event`.
    pub path: &'e [String],
    /// Texts, numbers, yes or no.
    pub among: Vec<&'e Value>,
}

/// Collects the demands of a conjunction, from the left, as far as nothing before them can keep it from being told; whether what follows may be
/// looked at as well. `given` are names that stand for something else than a field.
pub(super) fn collect<'e>(node: &'e Node, given: &dyn Fn(&str) -> bool, found: &mut Vec<Demand<'e>>) -> bool {
    if let Node::And(sides) = node {
        return collect(&sides[0], given, found) && collect(&sides[1], given, found);
    }
    found.extend(demand(node, given));
    is_told(node, given)
}

fn demand<'e>(node: &'e Node, given: &dyn Fn(&str) -> bool) -> Option<Demand<'e>> {
    let (path, among) = match node {
        Node::Compare(Comparison::Eq, sides) => match sides.as_ref() {
            [Node::Name(path), Node::Const(value)] | [Node::Const(value), Node::Name(path)] => (path, vec![value]),
            _ => return None,
        },
        Node::In { sides, negated: false } => match sides.as_ref() {
            [Node::Name(path), Node::List(items)] => (path, items.iter().map(Node::constant).collect::<Option<_>>()?),
            [Node::Name(path), Node::Const(Value::List(items))] => (path, items.iter().collect()),
            _ => return None,
        },
        _ => return None,
    };
    let plain = among.iter().all(|v| matches!(v, Value::Text(_) | Value::Number(_) | Value::Bool(_)));
    (plain && is_plain(path, given)).then_some(Demand { path, among })
}

/// Whether the name has a value without anything being loaded or worked out.
fn is_plain(path: &[String], given: &dyn Fn(&str) -> bool) -> bool {
    path.first().is_some_and(|first| first == "event" || path.len() == 1 && !given(first))
}

/// Whether it always comes to true or false.
fn is_told(node: &Node, given: &dyn Fn(&str) -> bool) -> bool {
    let value = |node: &Node| match node {
        Node::Const(_) => true,
        Node::Name(path) => is_plain(path, given),
        _ => false,
    };
    match node {
        Node::Const(Value::Bool(_)) | Node::Changed(_) => true,
        Node::Compare(Comparison::Eq | Comparison::Ne, sides) => sides.iter().all(value),
        Node::In { sides, .. } => match sides.as_ref() {
            [item, Node::List(items)] => value(item) && items.iter().all(|i| i.constant().is_some()),
            [item, Node::Const(Value::List(_))] => value(item),
            _ => false,
        },
        Node::Call(function, arguments) if matches!(function.which, Which::IsEmpty) => arguments.iter().all(value),
        Node::Not(inner) => is_told(inner, given),
        Node::And(sides) | Node::Or(sides) => sides.iter().all(|side| is_told(side, given)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Expr;

    /// The demands of a condition as text, where `views` is no field.
    fn demands(source: &str) -> String {
        let expr = Expr::parse_condition(source).unwrap();
        let all = expr.demands(&|name| name == "views");
        let one = |d: &super::Demand<'_>| {
            let among: Vec<String> = d.among.iter().map(ToString::to_string).collect();
            format!("{} = {}", d.path.join("."), among.join(" | "))
        };
        all.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn equalities_of_a_conjunction_are_demanded_until_something_may_be_unevaluable() {
        for (source, expect) in [
            ("region == '华东'", "region = 华东"),
            ("'华东' == region and score > 60", "region = 华东"),
            ("region == '华东' and level in ('A', 'B')", "region = 华东, level = A | B"),
            ("event.page == '/price' and vip == true and amount == 3", "event.page = /price, vip = true, amount = 3"),
            ("not is_empty(name) and region == '华东'", "region = 华东"),
            ("(region != '华北' or vip == true) and level == 'A'", "level = A"),
            // `score` may be missing: then it is unevaluable, and that is told, whatever the region.
            ("score > 60 and region == '华东'", ""),
            ("contains(name, '王') and region == '华东'", ""),
            ("region == '华东' or level == 'A'", ""),
            ("not (region == '华东')", ""),
            ("region != '华东'", ""),
            ("level not in ('A', 'B')", ""),
            ("region == source", ""),
            ("lower(region) == 'east'", ""),
            // These load other records, or are worked out.
            ("owner.manager == '何经理'", ""),
            ("views == 3 and region == '华东'", ""),
            ("old.stage == '报价' and region == '华东'", ""),
        ] {
            assert_eq!(demands(source), expect, "{source}");
        }
    }
}
