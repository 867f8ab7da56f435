//! Conditions that are right by the way they are made: written with all brackets and with the fewest, in either spelling, they
//! pass the check of kinds and come to what a plain reckoning of the tree comes to.

use std::borrow::Cow;

use ifthen::engine::expression::{Expr, Kind};
use ifthen::engine::scope::{Names, Scope, Stop, Unknown};
use ifthen::engine::value::Value;
use rust_decimal::Decimal;

use crate::feed::Feed;

/// A tree of choices; the fields' values come first, so that the same tree meets others.
pub(super) fn run(data: &[u8]) {
    let mut feed = Feed::new(data);
    let lead = Lead::choose(&mut feed);
    let tree = answer(&mut feed, 0);
    let expected = lead.answer(&tree);
    for (all, symbols) in [(true, false), (false, false), (false, true)] {
        let text = Writer { all, symbols }.answer(&tree, 0);
        let expr = match Expr::parse_condition(&text) {
            Ok(expr) => expr,
            Err(faults) => {
                let few = faults.iter().all(|f| format!("{:?}", f.kind).starts_with("Too"));
                assert!(few, "{text}: {faults:?}");
                return;
            }
        };
        let faults = expr.check(&lead);
        assert!(faults.is_empty(), "{text}: {faults:?}");
        let found = expr.test(&lead);
        match (&found, expected) {
            (Ok(found), Some(expected)) => assert_eq!(*found, expected, "{text} with {lead:?}"),
            // Which of several reasons is told first is not of interest; that it is one of reckoning is.
            (Err(Stop::Unevaluable(why)), None) => {
                let reckoning = ["division by zero", "out of range", "is missing"];
                assert!(reckoning.iter().any(|r| why.contains(r)), "{text} with {lead:?}: {why}");
            }
            (found, expected) => panic!("{text} with {lead:?} is {found:?}, reckoned {expected:?}"),
        }
    }
}

/// True or false.
#[derive(Debug)]
enum Answer {
    Field,
    Not(Box<Answer>),
    And(Box<[Answer; 2]>),
    Or(Box<[Answer; 2]>),
    Numbers(&'static str, Box<[Number; 2]>),
    Texts(&'static str, Box<[Text; 2]>),
    Among(Box<Text>, Vec<Text>, bool),
    Empty(&'static str),
}

#[derive(Debug)]
enum Number {
    Field(&'static str),
    Written(&'static str),
    Sum(char, Box<[Number; 2]>),
    If(Box<(Answer, Number, Number)>),
    Default(&'static str, Box<Number>),
    Length(Box<Text>),
}

#[derive(Debug)]
enum Text {
    Field(&'static str),
    Written(&'static str),
    Joined(Box<[Text; 2]>),
    If(Box<(Answer, Text, Text)>),
}

const ORDERS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];
const NUMBERS: [&str; 3] = ["amount", "score", "missing"];
const TEXTS: [&str; 3] = ["name", "level", "nobody"];
const WRITTEN: [&str; 5] = ["A", "华东", "it\"s", "{ x }", "not and"];

/// Deeper than this only leaves are made.
const DEEP: usize = 5;

fn answer(feed: &mut Feed<'_>, depth: usize) -> Answer {
    let two = |feed: &mut Feed<'_>| Box::new([answer(feed, depth + 1), answer(feed, depth + 1)]);
    match feed.below(if depth < DEEP { 9 } else { 1 }) {
        0 => Answer::Field,
        1 => Answer::Empty(feed.pick(&["name", "nobody", "missing", "score"])),
        2 => Answer::Not(Box::new(answer(feed, depth + 1))),
        3 | 4 => Answer::And(two(feed)),
        5 => Answer::Or(two(feed)),
        6 => Answer::Numbers(feed.pick(&ORDERS), Box::new([number(feed, depth + 1), number(feed, depth + 1)])),
        7 => Answer::Texts(feed.pick(&ORDERS), Box::new([text(feed, depth + 1), text(feed, depth + 1)])),
        _ => {
            let (item, negated) = (Box::new(text(feed, depth + 1)), feed.flag());
            Answer::Among(item, (0..1 + feed.below(3)).map(|_| text(feed, depth + 2)).collect(), negated)
        }
    }
}

fn number(feed: &mut Feed<'_>, depth: usize) -> Number {
    match feed.below(if depth < DEEP { 7 } else { 2 }) {
        0 => Number::Field(feed.pick(&NUMBERS)),
        1 => Number::Written(feed.pick(&["0", "1", "2.5", "1000", "0.01", "79228162514264337593543950335"])),
        2 | 3 => {
            let sign = feed.pick(&['+', '-', '*', '/', '%']);
            Number::Sum(sign, Box::new([number(feed, depth + 1), number(feed, depth + 1)]))
        }
        4 => Number::If(Box::new((answer(feed, depth + 1), number(feed, depth + 1), number(feed, depth + 1)))),
        5 => Number::Default(feed.pick(&NUMBERS), Box::new(number(feed, depth + 1))),
        _ => Number::Length(Box::new(text(feed, depth + 1))),
    }
}

fn text(feed: &mut Feed<'_>, depth: usize) -> Text {
    match feed.below(if depth < DEEP { 5 } else { 2 }) {
        0 => Text::Field(feed.pick(&TEXTS)),
        1 | 2 => Text::Written(feed.pick(&WRITTEN)),
        3 => Text::Joined(Box::new([text(feed, depth + 1), text(feed, depth + 1)])),
        _ => Text::If(Box::new((answer(feed, depth + 1), text(feed, depth + 1), text(feed, depth + 1)))),
    }
}

/// How tightly a form binds; what stands inside and binds less needs brackets.
mod bond {
    pub(super) const OR: u8 = 1;
    pub(super) const AND: u8 = 2;
    pub(super) const ORDER: u8 = 4;
    pub(super) const SUM: u8 = 5;
    pub(super) const PRODUCT: u8 = 6;
    pub(super) const LEAF: u8 = 9;
}

struct Writer {
    /// All brackets, or only those that are needed.
    all: bool,
    /// `&&` instead of `and`.
    symbols: bool,
}

impl Writer {
    fn around(&self, bond: u8, outer: u8, text: String) -> String {
        if bond < outer || self.all && bond < bond::LEAF { format!("({text})") } else { text }
    }

    fn word(&self, word: &'static str, symbol: &'static str) -> &'static str {
        if self.symbols { symbol } else { word }
    }

    fn answer(&self, tree: &Answer, outer: u8) -> String {
        let (bond, text) = match tree {
            Answer::Field => (bond::LEAF, "vip".to_owned()),
            Answer::Empty(name) => (bond::LEAF, format!("is_empty({name})")),
            Answer::Not(inner) => (bond::LEAF, format!("{}({})", self.word("not ", "!"), self.answer(inner, 0))),
            Answer::And(two) => {
                let sides = [self.answer(&two[0], bond::AND), self.answer(&two[1], bond::AND + 1)];
                (bond::AND, sides.join(&format!(" {} ", self.word("and", "&&"))))
            }
            Answer::Or(two) => {
                let sides = [self.answer(&two[0], bond::OR), self.answer(&two[1], bond::OR + 1)];
                (bond::OR, sides.join(&format!(" {} ", self.word("or", "||"))))
            }
            Answer::Numbers(by, two) => {
                let sides = [self.number(&two[0], bond::ORDER + 1), self.number(&two[1], bond::ORDER + 1)];
                (bond::ORDER, sides.join(&format!(" {by} ")))
            }
            Answer::Texts(by, two) => {
                let sides = [self.text(&two[0], bond::ORDER + 1), self.text(&two[1], bond::ORDER + 1)];
                (bond::ORDER, sides.join(&format!(" {by} ")))
            }
            Answer::Among(item, list, negated) => {
                let items: Vec<String> = list.iter().map(|t| self.text(t, 0)).collect();
                let list = if self.symbols { format!("({})", items.join(",")) } else { format!("[{}]", items.join(", ")) };
                let word = if *negated { "not in" } else { "in" };
                (bond::ORDER, format!("{} {word} {list}", self.text(item, bond::ORDER + 1)))
            }
        };
        self.around(bond, outer, text)
    }

    fn number(&self, tree: &Number, outer: u8) -> String {
        let (bond, text) = match tree {
            Number::Field(name) => (bond::LEAF, (*name).to_owned()),
            Number::Written(text) => (bond::LEAF, (*text).to_owned()),
            Number::Sum(sign, two) => {
                let bond = if matches!(sign, '+' | '-') { bond::SUM } else { bond::PRODUCT };
                (bond, [self.number(&two[0], bond), self.number(&two[1], bond + 1)].join(&format!(" {sign} ")))
            }
            Number::If(three) => {
                let (test, a, b) = (&three.0, &three.1, &three.2);
                (bond::LEAF, format!("if({}, {}, {})", self.answer(test, 0), self.number(a, 0), self.number(b, 0)))
            }
            Number::Default(name, other) => (bond::LEAF, format!("default({name}, {})", self.number(other, 0))),
            Number::Length(text) => (bond::LEAF, format!("len({})", self.text(text, 0))),
        };
        self.around(bond, outer, text)
    }

    fn text(&self, tree: &Text, outer: u8) -> String {
        let (bond, text) = match tree {
            Text::Field(name) => (bond::LEAF, (*name).to_owned()),
            Text::Written(text) => match self.symbols {
                true => (bond::LEAF, format!("\"{}\"", text.replace('"', "\\\""))),
                false => (bond::LEAF, format!("'{text}'")),
            },
            Text::Joined(two) => (bond::SUM, [self.text(&two[0], bond::SUM), self.text(&two[1], bond::SUM + 1)].join(" + ")),
            Text::If(three) => {
                let (test, a, b) = (&three.0, &three.1, &three.2);
                (bond::LEAF, format!("if({}, {}, {})", self.answer(test, 0), self.text(a, 0), self.text(b, 0)))
            }
        };
        self.around(bond, outer, text)
    }
}

/// The fields' values.
#[derive(Debug)]
struct Lead {
    amount: Decimal,
    score: Option<Decimal>,
    name: &'static str,
    level: Option<&'static str>,
    vip: Option<bool>,
}

impl Lead {
    fn choose(feed: &mut Feed<'_>) -> Self {
        let amounts = ["0", "1000.50", "-3", "79228162514264337593543950335", "0.0000000000000000000000000001"];
        Self {
            amount: feed.pick(&amounts).parse().unwrap(),
            score: feed.pick(&[None, Some(0), Some(7), Some(1000)]).map(|n: i64| n.into()),
            name: feed.pick(&["张三丰", "A", "华东A"]),
            level: feed.pick(&[None, Some("A"), Some("B")]),
            vip: feed.pick(&[None, Some(true), Some(false)]),
        }
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "amount" => Some(self.amount.into()),
            "score" => self.score.map(Value::from),
            "name" => Some(self.name.into()),
            "level" => self.level.map(Value::from),
            "vip" => self.vip.map(Value::from),
            _ => None,
        }
    }

    /// `None`: it cannot be told.
    fn answer(&self, tree: &Answer) -> Option<bool> {
        Some(match tree {
            Answer::Field => self.vip.unwrap_or(false),
            Answer::Empty(name) => self.field(name).is_none(),
            Answer::Not(inner) => !self.answer(inner)?,
            Answer::And(two) => self.answer(&two[0])? && self.answer(&two[1])?,
            Answer::Or(two) => self.answer(&two[0])? || self.answer(&two[1])?,
            Answer::Numbers(by, two) => ordered(by, self.number(&two[0])?, self.number(&two[1])?)?,
            Answer::Texts(by, two) => ordered(by, self.text(&two[0])?, self.text(&two[1])?)?,
            Answer::Among(item, list, negated) => {
                let item = self.text(item)?;
                let mut found = false;
                for one in list {
                    let one = self.text(one)?;
                    found = item.is_some() && one == item;
                    if found {
                        break;
                    }
                }
                found != *negated
            }
        })
    }

    /// Inside: `None`: nothing is there.
    fn number(&self, tree: &Number) -> Option<Option<Decimal>> {
        let field = |name: &str| if let Some(Value::Number(n)) = self.field(name) { Some(n) } else { None };
        Some(match tree {
            Number::Field(name) => field(name),
            Number::Written(text) => text.parse().ok(),
            Number::Sum(sign, two) => {
                let (a, b) = (self.number(&two[0])?, self.number(&two[1])?);
                let (a, b) = (a?, b?);
                Some(match sign {
                    '+' => a.checked_add(b)?,
                    '-' => a.checked_sub(b)?,
                    '*' => a.checked_mul(b)?,
                    '/' => a.checked_div(b)?,
                    _ => a.checked_rem(b)?,
                })
            }
            Number::If(three) => {
                if self.answer(&three.0)? {
                    self.number(&three.1)?
                } else {
                    self.number(&three.2)?
                }
            }
            Number::Default(name, other) => match field(name) {
                Some(n) => Some(n),
                None => self.number(other)?,
            },
            Number::Length(text) => self.text(text)?.map(|t| t.chars().count().into()),
        })
    }

    fn text(&self, tree: &Text) -> Option<Option<String>> {
        Some(match tree {
            Text::Field(name) => self.field(name).map(|v| v.to_string()),
            Text::Written(text) => Some((*text).to_owned()),
            Text::Joined(two) => {
                let (a, b) = (self.text(&two[0])?, self.text(&two[1])?);
                Some(a? + &b?)
            }
            Text::If(three) => {
                if self.answer(&three.0)? {
                    self.text(&three.1)?
                } else {
                    self.text(&three.2)?
                }
            }
        })
    }
}

/// What is missing equals nothing and has no order.
fn ordered<T: Ord>(by: &str, a: Option<T>, b: Option<T>) -> Option<bool> {
    Some(match by {
        "==" => a.is_some() && a == b,
        "!=" => a.is_none() || a != b,
        "<" => a? < b?,
        "<=" => a? <= b?,
        ">" => a? > b?,
        _ => a? >= b?,
    })
}

impl Scope for Lead {
    fn name(&self, path: &[String]) -> Result<Cow<'_, Value>, Stop> {
        Ok(Cow::Owned(self.field(&path[0]).unwrap_or_default()))
    }
    fn now(&self) -> jiff::Zoned {
        "2026-09-21T10:00+08:00[Asia/Shanghai]".parse().unwrap()
    }
    fn changed(&self, _: &str) -> bool {
        false
    }
}

impl Names for Lead {
    fn problem(&self, _: &[String]) -> Option<Unknown> {
        None
    }
    fn kind(&self, path: &[String]) -> Kind {
        match path[0].as_str() {
            "amount" | "score" | "missing" => Kind::Number,
            "vip" => Kind::Bool,
            _ => Kind::Text,
        }
    }
}
