//! The order of tokens: brackets that match, operators with their values, nesting within its cap, all checked before
//! evalexpr sees anything. Writes the same condition for evalexpr with every value as a placeholder (`t7` is token 7), so that
//! numbers stay exact and every part keeps its characters.

use std::fmt::Write;
use std::ops::Range;

use super::fault::{Fault, FaultKind};
use super::token::{Kind, Token};

/// How deep brackets, `not` and signs before a value may nest.
pub(super) const MAX_DEPTH: usize = 64;

/// Where a name is followed by `-` and another name with no blank between: it may be one name with a dash in it.
#[derive(Debug, Clone)]
pub(super) struct Dashed {
    /// All of it.
    pub(super) at: Range<usize>,
    /// The name with its dashes.
    pub(super) path: Vec<String>,
}

/// The condition for evalexpr, or the first thing that is out of order (and every bracket never closed).
pub(super) fn normalise(tokens: &[Token]) -> Result<String, Vec<Fault>> {
    let mut walk = Walk { tokens, text: String::new(), frames: vec![Frame::new(Bracket::Whole, 0)], unary: 0 };
    for at in 0..tokens.len() {
        walk.step(at).map_err(|kind| vec![Fault { at: walk.place(at, &kind), kind }])?;
    }
    walk.end()
}

/// Every run of names joined by dashes without blanks.
pub(super) fn dashes(tokens: &[Token]) -> Vec<Dashed> {
    let mut found: Vec<Dashed> = Vec::new();
    for three in tokens.windows(3) {
        let [left, sign, right] = three else { continue };
        let (Kind::Name(a), Kind::Sign("-"), Kind::Name(b)) = (&left.kind, &sign.kind, &right.kind) else { continue };
        if left.at.end != sign.at.start || sign.at.end != right.at.start {
            continue;
        }
        let last = found.last_mut().filter(|d| d.at.end == left.at.end);
        let mut path = last.as_ref().map_or_else(|| a.clone(), |d| d.path.clone());
        if let (Some(end), Some((first, rest))) = (path.last_mut(), b.split_first()) {
            *end = format!("{end}-{first}");
            path.extend(rest.iter().cloned());
        }
        match last {
            Some(d) => *d = Dashed { at: d.at.start..right.at.end, path },
            None => found.push(Dashed { at: left.at.start..right.at.end, path }),
        }
    }
    found
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Bracket {
    /// No bracket at all.
    Whole,
    /// `(a + b)`
    Group,
    /// `f(a, b)`
    Call,
    /// `[a, b]`, or `(a, b)` after `in`.
    List,
}

struct Frame {
    bracket: Bracket,
    /// The token that opened it.
    open: usize,
    /// Words `not` in it whose reach has not ended.
    nots: usize,
}

impl Frame {
    fn new(bracket: Bracket, open: usize) -> Self {
        Self { bracket, open, nots: 0 }
    }
}

struct Walk<'a> {
    tokens: &'a [Token],
    text: String,
    /// Never empty: the first is the whole.
    frames: Vec<Frame>,
    /// Signs before the next value.
    unary: usize,
}

impl Walk<'_> {
    fn kind(&self, at: usize) -> &Kind {
        &self.tokens[at].kind
    }

    /// Whether a value must come at this token.
    fn wants_value(&self, at: usize) -> bool {
        at == 0 || !self.kind(at - 1).ends_value()
    }

    /// What stands wrong is told where it stands; a missing value at the operator that lacks it.
    fn place(&self, at: usize, kind: &FaultKind) -> Range<usize> {
        let lacking_before =
            matches!(kind, FaultKind::MissingValue { .. }) && matches!(self.kind(at), Kind::Close(_) | Kind::Comma);
        self.tokens[if lacking_before { at - 1 } else { at }].at.clone()
    }

    fn step(&mut self, at: usize) -> Result<(), FaultKind> {
        let wants = self.wants_value(at);
        let kind = self.kind(at).clone();
        let after_in = at > 0 && matches!(self.kind(at - 1), Kind::In | Kind::NotIn);
        if after_in && kind.begins_value() && !matches!(kind, Kind::Name(_) | Kind::Open(_)) {
            return Err(FaultKind::NotAList);
        }
        match kind {
            Kind::Name(_) | Kind::Text(_) | Kind::Number(_) | Kind::Bool(_) | Kind::Not | Kind::Bang if !wants => {
                return Err(FaultKind::MissingOperator);
            }
            Kind::Name(_) | Kind::Text(_) | Kind::Number(_) | Kind::Bool(_) => self.placeholder(at),
            Kind::Not => self.not()?,
            Kind::Bang => self.before("! ")?,
            Kind::Sign("-") if wants => self.before("- ")?,
            Kind::Open(bracket) => self.open(at, bracket, wants)?,
            Kind::Close(bracket) => self.close(at, bracket, wants)?,
            Kind::Comma if self.frames.last().is_some_and(|f| matches!(f.bracket, Bracket::Whole | Bracket::Group)) => {
                return Err(FaultKind::StrayComma);
            }
            Kind::Comma if wants => return Err(self.lacking(at)),
            Kind::Comma => {
                self.settle();
                self.text.push_str(", ");
            }
            _ if wants => return Err(FaultKind::MissingValue { operator: spelled(&kind).into() }),
            Kind::And | Kind::Or => {
                self.settle();
                self.text.push_str(if kind == Kind::And { "&& " } else { "|| " });
            }
            // A function of what follows: `a == t1 (…)`.
            Kind::In | Kind::NotIn => {
                self.text.push_str(if kind == Kind::In { "== " } else { "!= " });
                self.placeholder(at);
            }
            Kind::Sign(sign) => {
                self.text.push_str(sign);
                self.text.push(' ');
            }
        }
        Ok(())
    }

    fn placeholder(&mut self, at: usize) {
        self.unary = 0;
        // Writing to a string does not fail.
        let _ = write!(self.text, "t{at} ");
    }

    fn deeper(&self, by: usize) -> Result<(), FaultKind> {
        let depth = self.frames.iter().map(|f| 1 + f.nots).sum::<usize>() - 1 + self.unary + by;
        if depth > MAX_DEPTH { Err(FaultKind::TooDeep { limit: MAX_DEPTH }) } else { Ok(()) }
    }

    fn before(&mut self, sign: &str) -> Result<(), FaultKind> {
        self.deeper(1)?;
        self.unary += 1;
        self.text.push_str(sign);
        Ok(())
    }

    /// The word reaches further than the sign: `not a == b` is `!(a == b)`.
    fn not(&mut self) -> Result<(), FaultKind> {
        self.deeper(1)?;
        self.text.push_str("!(");
        if let Some(frame) = self.frames.last_mut() {
            frame.nots += 1;
        }
        Ok(())
    }

    fn settle(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            self.text.extend(std::iter::repeat_n(") ", std::mem::take(&mut frame.nots)));
        }
    }

    fn open(&mut self, at: usize, bracket: char, wants: bool) -> Result<(), FaultKind> {
        self.deeper(1)?;
        let kind = match (bracket, at.checked_sub(1).map(|b| self.kind(b))) {
            ('(', Some(Kind::Name(_))) => Bracket::Call,
            _ if !wants => return Err(FaultKind::MissingOperator),
            ('(', Some(Kind::In | Kind::NotIn)) => Bracket::List,
            ('(', _) => Bracket::Group,
            _ => {
                self.placeholder(at);
                Bracket::List
            }
        };
        self.unary = 0;
        self.text.push('(');
        self.frames.push(Frame::new(kind, at));
        Ok(())
    }

    fn close(&mut self, at: usize, bracket: char, wants: bool) -> Result<(), FaultKind> {
        let opened = if bracket == ')' { '(' } else { '[' };
        let frame = self.frames.last().filter(|f| f.bracket != Bracket::Whole && *self.kind(f.open) == Kind::Open(opened));
        let Some(frame) = frame else { return Err(FaultKind::UnopenedBracket { bracket }) };
        let nothing_in_it = frame.open + 1 == at;
        let may_be_empty = frame.bracket == Bracket::Call || opened == '[';
        if wants && !(nothing_in_it && may_be_empty) {
            return Err(self.lacking(at));
        }
        self.settle();
        self.frames.pop();
        self.text.push_str(") ");
        Ok(())
    }

    /// What is wrong where a value is missing before a comma or closing bracket.
    fn lacking(&self, at: usize) -> FaultKind {
        match at.checked_sub(1).map(|b| self.kind(b)) {
            None | Some(Kind::Open(_) | Kind::Comma) => FaultKind::EmptyBrackets,
            Some(operator) => FaultKind::MissingValue { operator: spelled(operator).into() },
        }
    }

    fn end(mut self) -> Result<String, Vec<Fault>> {
        let mut faults: Vec<Fault> = Vec::new();
        for frame in &self.frames[1..] {
            if let Token { kind: Kind::Open(bracket), at } = &self.tokens[frame.open] {
                faults.push(Fault { at: at.clone(), kind: FaultKind::UnclosedBracket { bracket: *bracket } });
            }
        }
        if let Some(last) = self.tokens.last()
            && self.wants_value(self.tokens.len())
            && !matches!(last.kind, Kind::Open(_) | Kind::Comma)
        {
            faults.push(Fault { at: last.at.clone(), kind: FaultKind::MissingValue { operator: spelled(&last.kind).into() } });
        }
        self.settle();
        if faults.is_empty() { Ok(self.text) } else { Err(faults) }
    }
}

fn spelled(kind: &Kind) -> &'static str {
    match kind {
        Kind::And => "and",
        Kind::Or => "or",
        Kind::Not => "not",
        Kind::Bang => "!",
        Kind::In => "in",
        Kind::NotIn => "not in",
        Kind::Sign(sign) => sign,
        _ => "",
    }
}
