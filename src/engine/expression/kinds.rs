//! What kind of value each part of a condition comes to, and what can never come out: text beside a number, `<` of yes and no.
//!
//! Speaks only where it is certain: `event.x`, answers of steps and whatever may hold anything are [`Kind::Any`], which fits
//! everything. Reads the source once more, at load; evaluating pays nothing for it.

use std::ops::Range;

use evalexpr::{Node as Tree, Operator};
use jiff::tz::TimeZone;

use super::fault::{Fault, FaultKind};
use super::library::{self, Function, Which, each};
use super::place::{Places, bare};
use super::token::{self, Kind as Sign};
use super::{Expr, grammar};
use crate::engine::entity;
use crate::engine::scope::Names;
use crate::engine::value::Value;

/// What a value is, as far as it is known before there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Anything.
    Any,
    /// Text, which may read as a time.
    Text,
    /// Text that is no time: a choice, a phone number, an id.
    Word,
    /// A number.
    Number,
    /// True or false.
    Bool,
    /// An instant.
    Time,
    /// A day, which is text.
    Date,
    /// A list.
    List,
    /// An object.
    Object,
    /// Of an argument: text or a list.
    TextOrList,
    /// Of an argument: text or a number.
    TextOrNumber,
    /// Of an argument: text, a list or an object.
    Counted,
}

impl Kind {
    /// The kind of a value.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Any,
            Value::Bool(_) => Self::Bool,
            Value::Number(_) => Self::Number,
            Value::Text(_) => Self::Text,
            Value::Time(_) => Self::Time,
            Value::List(_) => Self::List,
            Value::Map(_) => Self::Object,
        }
    }

    /// Whether it is kept as text.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Word | Self::Date)
    }

    /// Whether an argument of this kind may be of another.
    fn takes(self, found: Self) -> bool {
        match self {
            _ if found == Self::Any || self == Self::Any || self == found => true,
            Self::Text | Self::Word => found.is_text(),
            // A number is read as Unix seconds.
            Self::Time | Self::Date => matches!(found, Self::Time | Self::Date | Self::Text | Self::Number),
            Self::TextOrList => found.is_text() || found == Self::List,
            Self::TextOrNumber => found.is_text() || found == Self::Number,
            Self::Counted => found.is_text() || matches!(found, Self::List | Self::Object),
            _ => false,
        }
    }

    /// Whether a value of one kind may be the same as one of the other.
    fn meets(self, other: Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::Time, Self::Text | Self::Date) | (Self::Text | Self::Date, Self::Time) => true,
            (a, b) => a == b || a.is_text() && b.is_text(),
        }
    }

    fn has_order(self) -> bool {
        !matches!(self, Self::Bool | Self::List | Self::Object)
    }

    /// What either of two comes to.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (a, b) if a.is_text() && b.is_text() => Self::Text,
            _ => Self::Any,
        }
    }
}

/// What can never come out, each at its place.
pub(super) fn check(expr: &Expr, names: &dyn Names, condition: bool) -> Vec<Fault> {
    walked(expr, names, |walk, tree| {
        if condition {
            walk.answer(tree)
        } else {
            let _ = walk.kind(tree);
        }
    })
    .map_or_else(Vec::new, |w| w.0)
}

/// What an expression comes to, and the texts written out that it may come to.
pub(super) fn of(expr: &Expr, names: &dyn Names) -> (Kind, Vec<(String, Range<usize>)>) {
    let (mut found, mut texts) = (Kind::Any, Vec::new());
    walked(expr, names, |walk, tree| {
        found = walk.kind(tree);
        walk.texts(tree, &mut texts);
    });
    (found, texts)
}

fn walked(expr: &Expr, names: &dyn Names, then: impl FnOnce(&mut Walk<'_>, &Tree)) -> Option<(Vec<Fault>,)> {
    let source = expr.source();
    let (tokens, _) = token::tokens(source);
    let tree = evalexpr::build_operator_tree(&grammar::normalise(&tokens).ok()?).ok()?;
    let places = Places { tokens: &tokens, length: source.chars().count() };
    let mut walk = Walk { places, names, faults: Vec::new(), within: 0 };
    then(&mut walk, &tree);
    Some((walk.faults,))
}

struct Walk<'a> {
    places: Places<'a>,
    names: &'a dyn Names,
    faults: Vec<Fault>,
    /// How many calls around bind `item`.
    within: usize,
}

impl Walk<'_> {
    fn fault(&mut self, tree: &Tree, kind: FaultKind) {
        let at = self.places.span(tree);
        // What is wrong in a part was told there.
        if !self.faults.iter().any(|f| at.start <= f.at.start && f.at.end <= at.end) {
            self.faults.push(Fault { at, kind });
        }
    }

    /// What must be true or false.
    fn answer(&mut self, tree: &Tree) {
        let found = self.kind(tree);
        if !matches!(found, Kind::Bool | Kind::Any) {
            self.fault(tree, FaultKind::NotTrueOrFalse { found });
        }
    }

    fn number(&mut self, tree: &Tree, operator: &str) {
        let found = self.kind(tree);
        if !matches!(found, Kind::Number | Kind::Any) {
            self.fault(tree, FaultKind::Operand { operator: operator.to_owned(), found });
        }
    }

    fn kind(&mut self, tree: &Tree) -> Kind {
        let tree = bare(tree);
        match (tree.operator(), tree.children()) {
            (Operator::VariableIdentifierRead { .. }, []) => self.single(tree),
            (Operator::FunctionIdentifier { .. }, [arguments]) => self.call(tree, arguments),
            (Operator::Not, [inner]) => {
                self.answer(inner);
                Kind::Bool
            }
            (Operator::Neg, [inner]) => {
                self.number(inner, "-");
                Kind::Number
            }
            (Operator::And | Operator::Or, [a, b]) => {
                self.answer(a);
                self.answer(b);
                Kind::Bool
            }
            (Operator::Add, [a, b]) => self.added(tree, a, b),
            (Operator::Eq | Operator::Neq, [a, b]) => {
                self.same(tree, a, b);
                Kind::Bool
            }
            (Operator::Lt | Operator::Leq | Operator::Gt | Operator::Geq, [a, b]) => {
                self.ordered(tree, a, b);
                Kind::Bool
            }
            (operator, [a, b]) => {
                let sign = operator.to_string();
                self.number(a, sign.trim());
                self.number(b, sign.trim());
                Kind::Number
            }
            _ => Kind::Any,
        }
    }

    fn single(&self, tree: &Tree) -> Kind {
        match self.places.token(tree).map(|t| &t.kind) {
            Some(Sign::Name(path)) if self.within > 0 && path[0] == each::ITEM => Kind::Any,
            Some(Sign::Name(path)) => self.names.kind(path),
            Some(Sign::Text(_)) => Kind::Text,
            Some(Sign::Number(_)) => Kind::Number,
            Some(Sign::Bool(_)) => Kind::Bool,
            _ => Kind::Any,
        }
    }

    /// A text written out.
    fn literal(&self, tree: &Tree) -> Option<String> {
        match &self.places.token(bare(tree))?.kind {
            Sign::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    fn added(&mut self, tree: &Tree, a: &Tree, b: &Tree) -> Kind {
        let (left, right) = (self.kind(a), self.kind(b));
        match (left, right) {
            (Kind::Any, other) | (other, Kind::Any) if other == Kind::Any || other == Kind::Number => other,
            (Kind::Number, Kind::Number) => Kind::Number,
            (a, b) if (a.is_text() || a == Kind::Any) && (b.is_text() || b == Kind::Any) => Kind::Text,
            (Kind::Number | Kind::Text | Kind::Word | Kind::Date, Kind::Number | Kind::Text | Kind::Word | Kind::Date) => {
                self.fault(tree, FaultKind::Sides { left, right });
                Kind::Any
            }
            _ => {
                let odd = |k: Kind| !matches!(k, Kind::Any | Kind::Number) && !k.is_text();
                let (wrong, found) = if odd(left) { (a, left) } else { (b, right) };
                self.fault(wrong, FaultKind::Operand { operator: "+".into(), found });
                Kind::Any
            }
        }
    }

    fn same(&mut self, tree: &Tree, a: &Tree, b: &Tree) {
        // `x in …` is an equality with a function of the list.
        if let (Operator::FunctionIdentifier { .. }, [list]) = (b.operator(), b.children())
            && let Some(Sign::In | Sign::NotIn) = self.places.token(b).map(|t| &t.kind)
        {
            return self.among(a, list);
        }
        let (left, right) = (self.kind(a), self.kind(b));
        if !left.meets(right) {
            self.fault(tree, FaultKind::NeverSame { left, right });
        }
        self.times(left, b);
        self.times(right, a);
    }

    /// A text beside a time must read as one.
    fn times(&mut self, other: Kind, tree: &Tree) {
        let Some(found) = self.literal(tree).filter(|_| other == Kind::Time) else { return };
        if entity::time(&Value::Text(found.clone()), &TimeZone::UTC).is_none() {
            self.fault(tree, FaultKind::NotATime { found: found.chars().take(40).collect() });
        }
    }

    fn among(&mut self, item: &Tree, list: &Tree) {
        let left = self.kind(item);
        if *list.operator() != Operator::RootNode {
            let found = self.kind(list);
            if !matches!(found, Kind::List | Kind::Any) {
                self.fault(list, FaultKind::NotAList);
            }
            return self.each_of(left, list);
        }
        let items = arguments(list);
        // `x in (tags)`: the brackets are only brackets.
        if let [one] = items[..]
            && self.kind(one) == Kind::List
        {
            return self.each_of(left, one);
        }
        self.all_meet(left, &items);
    }

    /// `['A', 'B']`, written out.
    fn each_of(&mut self, left: Kind, list: &Tree) {
        let list = bare(list);
        if let (Operator::FunctionIdentifier { .. }, [inner]) = (list.operator(), list.children())
            && let Some(Sign::Open(_)) = self.places.token(list).map(|t| &t.kind)
        {
            self.all_meet(left, &arguments(inner));
        }
    }

    fn all_meet(&mut self, left: Kind, items: &[&Tree]) {
        for one in items {
            let right = self.kind(one);
            if !left.meets(right) {
                self.fault(one, FaultKind::NeverSame { left, right });
            }
            self.times(left, one);
        }
    }

    fn ordered(&mut self, tree: &Tree, a: &Tree, b: &Tree) {
        let (left, right) = (self.kind(a), self.kind(b));
        if !left.has_order() || !right.has_order() || !left.meets(right) {
            self.fault(tree, FaultKind::NoOrder { left, right });
        }
        self.times(left, b);
        self.times(right, a);
    }

    fn call(&mut self, tree: &Tree, brackets: &Tree) -> Kind {
        let name = match self.places.token(tree).map(|t| &t.kind) {
            Some(Sign::Open(_)) => {
                arguments(brackets).into_iter().for_each(|a| _ = self.kind(a));
                return Kind::List;
            }
            Some(Sign::Name(path)) => path.join("."),
            _ => return Kind::Any,
        };
        let Some(function) = library::find(&name) else { return Kind::Any };
        let arguments = arguments(brackets);
        match (function.which, &arguments[..]) {
            (Which::If, [condition, a, b]) => {
                self.answer(condition);
                let (a, b) = (self.kind(a), self.kind(b));
                a.or(b)
            }
            (Which::Default, [a, b]) => {
                let (a, b) = (self.kind(a), self.kind(b));
                a.or(b)
            }
            (Which::Changed, _) => Kind::Bool,
            (Which::Each(how), [list, rest @ ..]) => {
                self.argument(function, 0, list);
                self.within += 1;
                for of in rest {
                    if how.asks() {
                        self.answer(of)
                    } else {
                        _ = self.argument(function, 1, of);
                    }
                }
                self.within -= 1;
                function.gives
            }
            _ => {
                let kinds: Vec<Kind> = arguments.iter().enumerate().map(|(n, a)| self.argument(function, n, a)).collect();
                self.given(function, &kinds)
            }
        }
    }

    /// One argument, which must be of the kind that the function takes.
    fn argument(&mut self, function: &Function, n: usize, tree: &Tree) -> Kind {
        let found = self.kind(tree);
        let Some(wanted) = function.takes.get(n).or(function.takes.last()).copied() else { return found };
        if !wanted.takes(found) {
            let (function, signature) = (function.name.to_owned(), function.signature.to_owned());
            self.fault(tree, FaultKind::ArgumentKind { function, found, wanted, signature });
        }
        if wanted == Kind::Time && !matches!(function.name, "date" | "time") {
            self.times(Kind::Time, tree);
        }
        found
    }

    fn given(&self, function: &Function, kinds: &[Kind]) -> Kind {
        match (function.name, kinds) {
            // What is told as an instant stays one; a day may stay a day.
            ("add" | "start_of" | "end_of", [Kind::Time, ..]) => Kind::Time,
            ("min" | "max", [first, rest @ ..]) if !rest.is_empty() => rest.iter().fold(*first, |a, b| a.or(*b)),
            _ => function.gives,
        }
    }

    /// The texts written out that a part may come to.
    fn texts(&self, tree: &Tree, found: &mut Vec<(String, Range<usize>)>) {
        let tree = bare(tree);
        if let Some(text) = self.literal(tree) {
            return found.push((text, self.places.span(tree)));
        }
        let (Operator::FunctionIdentifier { .. }, [brackets]) = (tree.operator(), tree.children()) else { return };
        let Some(Sign::Name(path)) = self.places.token(tree).map(|t| &t.kind) else { return };
        let arguments = arguments(brackets);
        match (path.join(".").as_str(), &arguments[..]) {
            ("if", [_, a, b]) | ("default", [a, b]) => {
                self.texts(a, found);
                self.texts(b, found);
            }
            _ => {}
        }
    }
}

/// What stands between the brackets of a call or list.
fn arguments(brackets: &Tree) -> Vec<&Tree> {
    match (brackets.operator(), brackets.children()) {
        (Operator::RootNode, []) => Vec::new(),
        (Operator::RootNode, [one]) if *one.operator() == Operator::Tuple => one.children().iter().collect(),
        (Operator::RootNode, [one]) => vec![one],
        _ => vec![brackets],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::scope::Unknown;

    struct Lead;

    impl Names for Lead {
        fn problem(&self, _: &[String]) -> Option<Unknown> {
            None
        }
        fn kind(&self, path: &[String]) -> Kind {
            match path[0].as_str() {
                "名称" => Kind::Text,
                "level" => Kind::Word,
                "amount" => Kind::Number,
                "vip" => Kind::Bool,
                "created_at" => Kind::Time,
                "due_on" => Kind::Date,
                "tags" => Kind::List,
                "address" => Kind::Object,
                _ => Kind::Any,
            }
        }
    }

    fn told(source: &str) -> String {
        let faults = Expr::parse_condition(source).unwrap().check(&Lead);
        let one = |f: &Fault| {
            let text: String = source.chars().skip(f.at.start).take(f.at.len()).collect();
            format!("`{text}` {:?}", f.kind)
        };
        faults.iter().map(one).collect::<Vec<_>>().join(" | ")
    }

    #[track_caller]
    fn check(source: &str, expect: &str) {
        assert_eq!(told(source), expect, "{source}");
    }

    #[test]
    fn what_can_never_come_out_is_told_where_it_stands() {
        check("名称 == amount", "`名称 == amount` NeverSame { left: Text, right: Number }");
        check("vip and len(名称) == '3'", "`len(名称) == '3'` NeverSame { left: Number, right: Text }");
        check("amount > 名称", "`amount > 名称` NoOrder { left: Number, right: Text }");
        check("vip > vip", "`vip > vip` NoOrder { left: Bool, right: Bool }");
        check("tags > event.x", "`tags > event.x` NoOrder { left: List, right: Any }");
        check("(名称 * 2) > 1", "`名称` Operand { operator: \"*\", found: Text }");
        check("amount + 名称 == 'x'", "`amount + 名称` Sides { left: Number, right: Text }");
        check("due_on + 3 > today()", "`due_on + 3` Sides { left: Date, right: Number }");
        check("created_at + 3 > now()", "`created_at` Operand { operator: \"+\", found: Time }");
        check("created_at - 3 > 3", "`created_at` Operand { operator: \"-\", found: Time }");
        check("-vip == 1", "`vip` Operand { operator: \"-\", found: Bool }");
        check("amount", "`amount` NotTrueOrFalse { found: Number }");
        check("vip and 名称", "`名称` NotTrueOrFalse { found: Text }");
        check("not tags", "`tags` NotTrueOrFalse { found: List }");
        check("if(amount, vip, vip)", "`amount` NotTrueOrFalse { found: Number }");
        check("now() > 'gestern'", "`'gestern'` NotATime { found: \"gestern\" }");
        check("days_since('gestern') > 1", "`'gestern'` NotATime { found: \"gestern\" }");
        check("level == created_at", "`level == created_at` NeverSame { left: Word, right: Time }");
        check("level in amount", "`amount` NotAList");
        check("len(名称) in (1, '2')", "`'2'` NeverSame { left: Number, right: Text }");
        check("len(名称) in ['2']", "`'2'` NeverSame { left: Number, right: Text }");
        check("any(tags, vip and 名称)", "`名称` NotTrueOrFalse { found: Text }");
        check("add(created_at, '3d') == amount", "`add(created_at, '3d') == amount` NeverSame { left: Time, right: Number }");
        check("max(amount, 3) == 'x'", "`max(amount, 3) == 'x'` NeverSame { left: Number, right: Text }");
        let argument = |source: &str, at: &str, found: &str, wanted: &str| {
            let said = told(source);
            assert!(said.starts_with(&format!("`{at}` ArgumentKind")), "{said}");
            assert!(said.contains(&format!("found: {found}, wanted: {wanted}")), "{said}");
        };
        argument("len(amount) > 3", "amount", "Number", "Counted");
        argument("contains(amount, '3')", "amount", "Number", "TextOrList");
        argument("starts_with(tags, 'x')", "tags", "List", "Text");
        argument("round(名称) > 3", "名称", "Text", "Number");
        argument("year(level) > 3", "level", "Word", "Time");
        argument("join(名称) == 'x'", "名称", "Text", "List");
        argument("any(名称, item == 'x')", "名称", "Text", "List");
        argument("sum(tags, 名称) > 3", "名称", "Text", "Number");
        argument("matches(amount, 'x')", "amount", "Number", "Text");
    }

    #[test]
    fn what_may_come_out_is_left_alone() {
        for source in [
            "event.x == 3 and event.x > 'a' and event.y",
            "名称 + level == due_on and due_on > today() and created_at > due_on",
            "created_at > '2026-09-21' and '2026-09-21 09:00' <= created_at",
            "default(event.x, 0) > 3 and if(vip, 1, '2') == 3",
            "any(tags, item > 3 and item == 'x' and item)",
            "vip == (amount > 3) and vip in [true] and 'x' in (tags) and amount in event.list",
            "min(event.x, 3) > 2 and first(tags) == 3 and get(address, 'x') > 3",
            "start_of(due_on, 'month') == '2026-09-01' and start_of(due_on, 'month') < now()",
            "hours_since(amount) > 1 and len(address) + len(tags) + len(level) > 1",
            "vip",
        ] {
            check(source, "");
        }
    }
}
