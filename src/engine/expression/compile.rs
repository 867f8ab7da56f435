//! From evalexpr's tree to our own form, once, at load. Arguments are counted, patterns compiled, constants worked out.

use std::ops::Range;

use evalexpr::{Node as Tree, Operator};
use regex::RegexBuilder;

use super::arithmetic::{Comparison, Sum};
use super::fault::{Fault, FaultKind};
use super::library::{self, Function, Which};
use super::node::{Node, fold};
use super::stray;
use super::token::{Kind, Token};
use super::{Compared, Name};
use crate::engine::value::Value;

/// Most memory for one compiled pattern and for its cache, in bytes each.
const MAX_PATTERN: usize = 1 << 20;

/// What a condition is compiled to.
pub(super) struct Found {
    pub(super) root: Node,
    pub(super) names: Vec<Name>,
    /// What names are compared with.
    pub(super) compared: Vec<Compared>,
    /// Calendars that are used, by their names; without a name, the one that is meant then.
    pub(super) calendars: Vec<Name>,
    /// What is well-formed but cannot be meant.
    pub(super) slips: Vec<Fault>,
}

/// The compiled condition, and what is in it.
pub(super) fn compile(tokens: &[Token], normalised: &str) -> Result<Found, Vec<Fault>> {
    let whole = tokens.first().map_or(0, |t| t.at.start)..tokens.last().map_or(0, |t| t.at.end);
    let (names, compared, calendars, slips, faults) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut compiler = Compiler { tokens, whole, names, compared, calendars, slips, faults };
    let root = match evalexpr::build_operator_tree(normalised) {
        Ok(tree) => compiler.node(&tree),
        // The order of the tokens was checked; should evalexpr see it otherwise, say at least that much.
        Err(_) => compiler.broken(),
    };
    let Compiler { names, compared, calendars, slips, faults, .. } = compiler;
    if faults.is_empty() { Ok(Found { root, names, compared, calendars, slips }) } else { Err(faults) }
}

struct Compiler<'a> {
    tokens: &'a [Token],
    whole: Range<usize>,
    names: Vec<Name>,
    compared: Vec<Compared>,
    calendars: Vec<Name>,
    slips: Vec<Fault>,
    faults: Vec<Fault>,
}

impl<'a> Compiler<'a> {
    fn fault(&mut self, at: Range<usize>, kind: FaultKind) -> Node {
        self.faults.push(Fault { at, kind });
        Node::Const(Value::Null)
    }

    fn broken(&mut self) -> Node {
        self.fault(self.whole.clone(), FaultKind::MissingOperator)
    }

    /// The token that a placeholder stands for.
    fn token(&self, placeholder: &str) -> Option<&'a Token> {
        self.tokens.get(placeholder.strip_prefix('t')?.parse::<usize>().ok()?)
    }

    /// The characters of a part of the tree.
    fn place(&self, tree: &Tree) -> Range<usize> {
        let own = match tree.operator() {
            Operator::VariableIdentifierRead { identifier } | Operator::FunctionIdentifier { identifier } => {
                Some(identifier.as_str())
            }
            _ => None,
        };
        let places = own.into_iter().chain(tree.iter_identifiers()).filter_map(|i| self.token(i)).map(|t| t.at.clone());
        places.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or_else(|| self.whole.clone())
    }

    fn node(&mut self, tree: &Tree) -> Node {
        let node = match (tree.operator(), tree.children()) {
            (Operator::RootNode, [inner]) => return self.node(inner),
            (Operator::VariableIdentifierRead { identifier }, []) => return self.value(identifier),
            (Operator::FunctionIdentifier { identifier }, [arguments]) => self.function(identifier, arguments),
            (Operator::Not, [inner]) => Node::Not(Box::new(self.side(inner))),
            (Operator::Neg, [inner]) => Node::Negative(Box::new(self.node(inner))),
            (Operator::And, [a, b]) => Node::And(self.sides(a, b)),
            (Operator::Or, [a, b]) => Node::Or(self.sides(a, b)),
            (operator, [a, b]) => {
                if let Some(by) = sum(operator) {
                    Node::Sum(by, self.two(a, b))
                } else if let Some(by) = comparison(operator) {
                    self.comparison(by, tree, a, b)
                } else {
                    return self.broken();
                }
            }
            _ => return self.broken(),
        };
        fold(node)
    }

    fn two(&mut self, a: &Tree, b: &Tree) -> Box<[Node; 2]> {
        Box::new([self.node(a), self.node(b)])
    }

    fn slip(&mut self, at: Range<usize>, kind: FaultKind) {
        self.slips.push(Fault { at, kind });
    }

    /// What must be true or false, and not just a value.
    fn side(&mut self, tree: &Tree) -> Node {
        let faults = self.faults.len();
        let node = self.node(tree);
        if !node.may_hold() && self.faults.len() == faults {
            self.slip(self.place(tree), FaultKind::BareValue { write: None });
        }
        node
    }

    /// Both sides of `and` and `or`; of `region == 'a' or 'b' or 'c'` there is one fault, over all that lacks its comparison.
    fn sides(&mut self, a: &Tree, b: &Tree) -> Box<[Node; 2]> {
        let left = self.side(a);
        let faults = self.faults.len();
        let right = self.node(b);
        if !right.may_hold() && self.faults.len() == faults {
            let kind = stray::beside(&left, &right);
            let mut at = self.place(b);
            let longer = matches!(&kind, FaultKind::BareValue { write: Some(_) });
            let before = self.slips.pop_if(|f| longer && matches!(f.kind, FaultKind::BareValue { write: Some(_) }));
            at.start = before.map_or(at.start, |f| f.at.start);
            self.slip(at, kind);
        }
        Box::new([left, right])
    }

    fn comparison(&mut self, by: Comparison, tree: &Tree, a: &Tree, b: &Tree) -> Node {
        if comparison(a.operator()).is_some() || comparison(b.operator()).is_some() {
            return self.fault(self.place(tree), FaultKind::ChainedComparison);
        }
        if let (Operator::FunctionIdentifier { identifier }, [list]) = (b.operator(), b.children())
            && let Some(Token { kind: Kind::In | Kind::NotIn, .. }) = self.token(identifier)
        {
            let written_out = *list.operator() == Operator::RootNode;
            self.compare_each(a, list);
            let list = if written_out { self.list(list) } else { self.node(list) };
            return Node::In { sides: Box::new([self.node(a), list]), negated: by == Comparison::Ne };
        }
        let sides = self.two(a, b);
        if let Some(kind) = stray::nothing(by, &sides) {
            self.slip(self.place(tree), kind);
        } else {
            let ordered = !matches!(by, Comparison::Eq | Comparison::Ne);
            self.compare(a, b, ordered);
            self.compare(b, a, ordered);
        }
        Node::Compare(by, sides)
    }

    /// Notes a name that is compared with a value written out.
    fn compare(&mut self, name: &Tree, literal: &Tree, ordered: bool) {
        let (Some(name), Some(token)) = (self.single(name), self.single(literal)) else { return };
        let literal = match &token.kind {
            Kind::Text(t) => Value::Text(t.clone()),
            Kind::Number(n) => Value::Number(*n),
            Kind::Bool(b) => Value::Bool(*b),
            _ => return,
        };
        if let Kind::Name(path) = &name.kind {
            self.compared.push(Compared { path: path.clone(), ordered, literal, at: token.at.clone() });
        }
    }

    /// `level in ('A', 'B')` and `level in ['A', 'B']`.
    fn compare_each(&mut self, name: &Tree, list: &Tree) {
        for item in self.arguments(list) {
            match (item.operator(), item.children()) {
                (Operator::FunctionIdentifier { identifier }, [inner])
                    if matches!(self.token(identifier), Some(Token { kind: Kind::Open(_), .. })) =>
                {
                    self.arguments(inner).into_iter().for_each(|i| self.compare(name, i, false));
                }
                _ => self.compare(name, item, false),
            }
        }
    }

    /// The token that a part of the tree is, with brackets around it perhaps.
    fn single(&self, tree: &Tree) -> Option<&'a Token> {
        match (tree.operator(), tree.children()) {
            (Operator::RootNode, [inner]) => self.single(inner),
            (Operator::VariableIdentifierRead { identifier }, []) => self.token(identifier),
            _ => None,
        }
    }

    fn value(&mut self, placeholder: &str) -> Node {
        let Some(token) = self.token(placeholder) else { return self.broken() };
        match &token.kind {
            Kind::Name(path) => {
                self.names.push(Name { path: path.clone(), at: token.at.clone() });
                Node::Name(path.clone())
            }
            Kind::Text(t) => Node::Const(Value::Text(t.clone())),
            Kind::Number(n) => Node::Const(Value::Number(*n)),
            Kind::Bool(b) => Node::Const(Value::Bool(*b)),
            _ => self.broken(),
        }
    }

    /// What stands between the brackets of a call or list.
    fn arguments<'t>(&self, brackets: &'t Tree) -> Vec<&'t Tree> {
        match (brackets.operator(), brackets.children()) {
            (Operator::RootNode, []) => Vec::new(),
            (Operator::RootNode, [one]) if *one.operator() == Operator::Tuple => one.children().iter().collect(),
            (Operator::RootNode, [one]) => vec![one],
            _ => vec![brackets],
        }
    }

    fn list(&mut self, brackets: &Tree) -> Node {
        let items: Vec<Node> = self.arguments(brackets).into_iter().map(|a| self.node(a)).collect();
        if items.is_empty() { Node::Const(Value::List(Vec::new())) } else { Node::List(items) }
    }

    fn function(&mut self, placeholder: &str, brackets: &Tree) -> Node {
        let Some(token) = self.token(placeholder) else { return self.broken() };
        let name = match &token.kind {
            Kind::Open(_) => return self.list(brackets),
            Kind::Name(path) => path.join("."),
            // `in` whose left side was taken by another operator: `1 + x in tags + 2`.
            _ => return self.fault(token.at.clone(), FaultKind::NotAList),
        };
        let arguments = self.arguments(brackets);
        let Some(function) = library::find(&name) else {
            arguments.into_iter().for_each(|a| drop(self.node(a)));
            let nearest = library::suggest(&name).map(str::to_owned);
            return self.fault(token.at.clone(), FaultKind::UnknownFunction { name, nearest });
        };
        if !(function.least..=function.most).contains(&arguments.len()) {
            let (least, most, found) = (function.least, function.most, arguments.len());
            return self.fault(token.at.clone(), FaultKind::Arguments { function: name, least, most, found });
        }
        self.call(function, token, &arguments)
    }

    fn call(&mut self, function: &'static Function, token: &Token, arguments: &[&Tree]) -> Node {
        match (function.which, arguments) {
            (Which::Matches, [text, pattern]) => {
                let text = self.node(text);
                self.pattern(text, pattern)
            }
            (Which::Changed, [field]) => {
                let before = self.names.len();
                match self.node(field) {
                    Node::Name(path) if path.len() == 1 => Node::Changed(path.concat()),
                    _ => {
                        self.names.truncate(before);
                        self.fault(self.place(field), FaultKind::NotAField)
                    }
                }
            }
            (Which::If, [a, b, c]) => Node::If(Box::new([self.side(a), self.node(b), self.node(c)])),
            // Its table entry is for the documentation; it is written between its two sides.
            (Which::In, _) => self.fault(token.at.clone(), FaultKind::NotAList),
            _ => {
                let nodes: Vec<Node> = arguments.iter().map(|a| self.node(a)).collect();
                match function.which.calendar().map(|n| (nodes.get(n), n)) {
                    Some((Some(Node::Const(Value::Text(name))), n)) => {
                        self.calendars.push(Name { path: vec![name.clone()], at: self.place(arguments[n]) });
                    }
                    Some((None, _)) => self.calendars.push(Name { path: Vec::new(), at: token.at.clone() }),
                    _ => {} // worked out when it is asked, or no calendar at all
                }
                Node::Call(function, nodes)
            }
        }
    }

    fn pattern(&mut self, text: Node, pattern: &Tree) -> Node {
        let at = self.place(pattern);
        let node = self.node(pattern);
        let Some(Value::Text(source)) = node.constant() else { return self.fault(at, FaultKind::PatternNotText) };
        match RegexBuilder::new(source).size_limit(MAX_PATTERN).dfa_size_limit(MAX_PATTERN).build() {
            Ok(regex) => Node::Matches(Box::new(text), regex),
            Err(e) => {
                let said = e.to_string();
                let reason = said.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
                self.fault(at, FaultKind::BadPattern { reason })
            }
        }
    }
}

fn sum(operator: &Operator) -> Option<Sum> {
    Some(match operator {
        Operator::Add => Sum::Add,
        Operator::Sub => Sum::Sub,
        Operator::Mul => Sum::Mul,
        Operator::Div => Sum::Div,
        Operator::Mod => Sum::Rem,
        Operator::Exp => Sum::Pow,
        _ => return None,
    })
}

fn comparison(operator: &Operator) -> Option<Comparison> {
    Some(match operator {
        Operator::Eq => Comparison::Eq,
        Operator::Neq => Comparison::Ne,
        Operator::Lt => Comparison::Lt,
        Operator::Leq => Comparison::Le,
        Operator::Gt => Comparison::Gt,
        Operator::Geq => Comparison::Ge,
        _ => return None,
    })
}
