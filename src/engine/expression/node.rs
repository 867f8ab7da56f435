//! The compiled form of a condition, and its evaluation: left to right, `and` and `or` stop where they are decided, nothing is
//! copied that can be borrowed. Never uses evalexpr's own evaluation.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use regex::Regex;

use super::arithmetic::{self, Comparison, Sum, compare, equal, unfit};
use super::kinds::Kind;
use super::library::call::{Call, Gathered};
use super::library::each;
use super::library::pattern::Pattern;
use super::library::{self, Function};
use crate::engine::entity;
use crate::engine::scope::{Scope, Stop};
use crate::engine::value::Value;

/// What an evaluation comes to.
pub(super) type Evaluated<'a> = Result<Cow<'a, Value>, Stop>;

/// One part of a condition.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Const(Value),
    Name(Vec<String>),
    List(Vec<Node>),
    Negative(Box<Node>),
    Sum(Sum, Box<[Node; 2]>),
    Compare(Comparison, Box<[Node; 2]>),
    Not(Box<Node>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    /// Whether the first is one of the second; `listed` where that was written out.
    In {
        sides: Box<[Node; 2]>,
        negated: bool,
    },
    If(Box<[Node; 3]>),
    Matches(Box<Node>, Regex),
    Changed(String),
    Call(&'static Function, Vec<Node>),
    /// A call with a pattern; its other arguments.
    Pattern(&'static Function, Box<Pattern>, Vec<Node>),
    /// A call that asks something of each item of its first argument.
    Each(&'static Function, each::How, Vec<Node>),
}

impl Node {
    pub(super) fn eval<'a>(&'a self, scope: &'a dyn Scope) -> Evaluated<'a> {
        match self {
            Self::Const(value) => Ok(Cow::Borrowed(value)),
            Self::Name(path) => scope.name(path),
            Self::List(items) => {
                let mut list = Gathered::default();
                for item in items {
                    list.push(item.eval(scope)?.into_owned())?;
                }
                Ok(Cow::Owned(list.done()))
            }
            Self::Negative(inner) => match inner.eval(scope)?.as_ref() {
                Value::Number(n) => Ok(Cow::Owned(Value::Number(-n))),
                other => Err(unfit(inner, other, "a number")),
            },
            Self::Sum(by, sides) => {
                let [a, b] = sides.as_ref();
                arithmetic::sum(*by, [a, b], a.eval(scope)?.as_ref(), b.eval(scope)?.as_ref()).map(Cow::Owned)
            }
            Self::If(three) => {
                let [condition, yes, no] = three.as_ref();
                if condition.test(scope)? { yes.eval(scope) } else { no.eval(scope) }
            }
            Self::Call(function, arguments) => library::call(function.which, arguments, scope),
            Self::Pattern(_, pattern, arguments) => pattern.eval(&Call { nodes: arguments, scope }),
            Self::Each(_, how, arguments) => each::eval(*how, &arguments[0], arguments.get(1), scope),
            Self::Compare(..)
            | Self::Not(_)
            | Self::And(_)
            | Self::Or(_)
            | Self::In { .. }
            | Self::Matches(..)
            | Self::Changed(_) => self.test(scope).map(|b| Cow::Owned(Value::Bool(b))),
        }
    }

    /// Its value where nothing has to be worked out for it.
    fn at_hand<'a>(&'a self, scope: &'a dyn Scope) -> Option<&'a Value> {
        match self {
            Self::Const(value) => Some(value),
            Self::Name(path) => scope.at_hand(path),
            _ => None,
        }
    }

    /// Whether it holds.
    pub(super) fn test(&self, scope: &dyn Scope) -> Result<bool, Stop> {
        match self {
            Self::Compare(by, sides) => {
                let [a, b] = sides.as_ref();
                match (a.at_hand(scope), b.at_hand(scope)) {
                    (Some(left), Some(right)) => compare(*by, [a, b], left, right, scope), // nearly all
                    _ => compare(*by, [a, b], a.eval(scope)?.as_ref(), b.eval(scope)?.as_ref(), scope),
                }
            }
            Self::Not(inner) => inner.test(scope).map(|b| !b),
            Self::And(sides) => Ok(sides[0].test(scope)? && sides[1].test(scope)?),
            Self::Or(sides) => Ok(sides[0].test(scope)? || sides[1].test(scope)?),
            Self::In { sides, negated } => {
                let [item, list] = sides.as_ref();
                Ok(list.has(item.eval(scope)?.as_ref(), scope)? != *negated)
            }
            Self::Matches(text, pattern) => match text.eval(scope)?.as_ref() {
                Value::Text(t) => {
                    if let Some(steps) = scope.steps() {
                        steps.take(t.len() / 256)?;
                    }
                    Ok(pattern.is_match(t))
                }
                Value::Null => Ok(false),
                other => Err(unfit(text, other, "text")),
            },
            Self::Changed(field) => Ok(scope.changed(field)),
            _ => match self.eval(scope)?.as_ref() {
                Value::Bool(b) => Ok(*b),
                // A yes/no field that nobody has filled in is not a yes.
                Value::Null if self.is_answer() => Ok(false),
                other => Err(unfit(self, other, "true or false")),
            },
        }
    }

    /// Whether an item is in it, without making a list of what is written out.
    fn has(&self, item: &Value, scope: &dyn Scope) -> Result<bool, Stop> {
        let among = |items: &[Value]| items.iter().any(|i| equal(i, item, Some(scope)));
        let Self::List(nodes) = self else {
            return match self.eval(scope)?.as_ref() {
                Value::List(items) => {
                    if let Some(steps) = scope.steps() {
                        steps.take(items.len() / 8)?;
                    }
                    Ok(among(items))
                }
                Value::Null => Ok(false),
                other => Err(unfit(self, other, "a list")),
            };
        };
        for node in nodes {
            let value = node.eval(scope)?;
            let found = match value.as_ref() {
                // `x in (tags)`: the brackets are only brackets.
                Value::List(items) if nodes.len() == 1 => among(items),
                other => equal(other, item, Some(scope)),
            };
            if found {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether it asks something that is not so where nothing is there.
    fn is_answer(&self) -> bool {
        match self {
            Self::Name(_) => true,
            Self::Call(function, _) => function.gives == Kind::Bool,
            _ => false,
        }
    }

    /// The value if it does not depend on anything.
    pub(super) fn constant(&self) -> Option<&Value> {
        if let Self::Const(value) = self { Some(value) } else { None }
    }

    /// Whether it is evaluated as a condition, or may come to true or false.
    pub(super) fn may_hold(&self) -> bool {
        match self {
            Self::Const(value) => matches!(value, Value::Bool(_)),
            Self::List(_) | Self::Negative(_) | Self::Sum(..) => false,
            Self::If(three) => three[1].may_hold() || three[2].may_hold(),
            Self::Call(function, arguments) => match function.which {
                library::Which::Default => arguments.iter().any(Self::may_hold),
                _ => function.may_hold(),
            },
            Self::Pattern(function, ..) | Self::Each(function, ..) => function.may_hold(),
            _ => true,
        }
    }

    /// The functions in it whose value is not that of their arguments alone.
    pub(super) fn clocks(&self, found: &mut Vec<&'static str>) {
        match self {
            Self::Changed(_) => found.push("changed"),
            Self::Call(function, _) if function.which.is_clock() => found.push(function.name),
            _ => {}
        }
        self.children().iter().for_each(|c| c.clocks(found));
    }

    pub(super) fn children(&self) -> &[Self] {
        match self {
            Self::Const(_) | Self::Name(_) | Self::Changed(_) => &[],
            Self::List(nodes) | Self::Call(_, nodes) | Self::Pattern(_, _, nodes) | Self::Each(_, _, nodes) => nodes,
            Self::Negative(node) | Self::Not(node) | Self::Matches(node, _) => std::slice::from_ref(node),
            Self::Sum(_, two) | Self::Compare(_, two) | Self::And(two) | Self::Or(two) | Self::In { sides: two, .. } => &two[..],
            Self::If(three) => &three[..],
        }
    }

    /// Whether all it is made of is constant, so that it can be worked out at load.
    pub(super) fn is_foldable(&self) -> bool {
        let constant = match self {
            Self::Const(_) | Self::Name(_) | Self::Changed(_) | Self::Each(..) => false,
            Self::Call(function, _) => function.which.is_constant(),
            _ => true,
        };
        constant && self.children().iter().all(|c| matches!(c, Self::Const(_)))
    }

    /// The first name in it, as written: what is missing where it comes to nothing.
    pub(super) fn first_name(&self) -> Option<String> {
        match self {
            Self::Name(path) => Some(path.join(".")),
            other => other.children().iter().find_map(Self::first_name),
        }
    }
}

/// As it may stand in a sentence: `amount`, `'A'`, `len(…)`.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Const(Value::Text(t)) => write!(f, "'{t:.40}'"),
            Self::Const(value) => write!(f, "{value:.40}"),
            Self::Name(path) => f.write_str(&path.join(".")),
            Self::Call(function, _) | Self::Pattern(function, ..) | Self::Each(function, ..) => write!(f, "{}(…)", function.name),
            Self::If(_) => f.write_str("if(…)"),
            other => match other.first_name() {
                Some(name) => write!(f, "the value with {name}"),
                None => f.write_str("the value"),
            },
        }
    }
}

/// The instant a node comes to; text is read in the zone of the decision. `None`: nothing is there.
pub(super) fn instant(node: &Node, scope: &dyn Scope) -> Result<Option<Timestamp>, Stop> {
    let value = node.eval(scope)?;
    match value.as_ref() {
        Value::Null => Ok(None),
        Value::Time(t) => Ok(Some(*t)),
        other => entity::time(other, scope.now().time_zone()).map(Some).ok_or_else(|| unfit(node, other, "a time")),
    }
}

/// The value of what does not depend on a scope.
pub(super) fn fold(node: Node) -> Node {
    if !node.is_foldable() {
        return node;
    }
    match node.eval(&Nowhere) {
        Ok(value) if *value != Value::Null => Node::Const(value.into_owned()),
        // Nothing is known of it but what it was made of.
        Ok(_) => node,
        // Told where and when it is evaluated, as any other.
        Err(_) => node,
    }
}

/// A scope without names.
struct Nowhere;

impl Scope for Nowhere {
    fn name(&self, _: &[String]) -> Result<Cow<'_, Value>, Stop> {
        Ok(Cow::Owned(Value::Null))
    }
    fn now(&self) -> jiff::Zoned {
        Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC)
    }
    fn changed(&self, _: &str) -> bool {
        false
    }
}
