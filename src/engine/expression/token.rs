//! Conditions as tokens, each with its characters. Reads the thin layer before evalexpr (`and or not in`, both quotes) and
//! names what is wrong at its place; reads on past a slip as if it were right, so that one run finds them all.

use std::ops::Range;

use rust_decimal::Decimal;

use super::fault::{Fault, FaultKind};

/// Longest source, in bytes.
pub(super) const MAX_BYTES: usize = 4 * 1024;
/// Most operators in one source.
pub(super) const MAX_OPERATORS: usize = 256;

/// A token and the characters it stands at.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) at: Range<usize>,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A dotted name, split; `event['lead-score']` is one.
    Name(Vec<String>),
    Text(String),
    Number(Decimal),
    Bool(bool),
    And,
    Or,
    /// The word, which reaches as far as the next `and`, `or`, comma or bracket.
    Not,
    /// The sign, which takes the next value only.
    Bang,
    In,
    /// `not in`
    NotIn,
    /// An operator that evalexpr writes the same way.
    Sign(&'static str),
    /// `(` or `[`.
    Open(char),
    /// `)` or `]`.
    Close(char),
    Comma,
}

impl Kind {
    fn is_operator(&self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Not | Self::Bang | Self::In | Self::NotIn | Self::Sign(_))
    }

    /// Whether a value ends with it.
    pub(super) fn ends_value(&self) -> bool {
        matches!(self, Self::Name(_) | Self::Text(_) | Self::Number(_) | Self::Bool(_) | Self::Close(_))
    }

    /// Whether a value can begin with it.
    pub(super) fn begins_value(&self) -> bool {
        match self {
            Self::Name(_) | Self::Text(_) | Self::Number(_) | Self::Bool(_) | Self::Open(_) | Self::Bang | Self::Not => true,
            Self::Sign(sign) => *sign == "-",
            _ => false,
        }
    }
}

/// The tokens of a source, and what is wrong with them; a slip beside which the order of tokens says nothing more leaves none.
pub(super) fn tokens(source: &str) -> (Vec<Token>, Vec<Fault>) {
    let count = source.chars().count();
    if source.len() > MAX_BYTES {
        return (Vec::new(), vec![Fault { at: 0..count, kind: FaultKind::TooLong { limit: MAX_BYTES } }]);
    }
    let mut lexer = Lexer { chars: source.chars().collect(), at: 0, tokens: Vec::new(), faults: Vec::new(), operators: 0 };
    while lexer.at < lexer.chars.len() && lexer.operators <= MAX_OPERATORS {
        lexer.step();
    }
    if lexer.tokens.is_empty() && lexer.faults.is_empty() {
        lexer.fault(0..count, FaultKind::Empty);
    }
    lexer.percents();
    if lexer.faults.iter().any(|f| breaks(&f.kind)) {
        lexer.tokens.clear();
    }
    (lexer.tokens, lexer.faults)
}

/// Whether what was meant cannot be told, so that faults in the order of tokens would only repeat this one.
fn breaks(kind: &FaultKind) -> bool {
    use FaultKind as F;
    matches!(kind, F::Semicolon | F::Braces { .. } | F::UnexpectedCharacter { .. } | F::UnterminatedText { .. } | F::BadIndex)
        || matches!(kind, F::TooManyOperators { .. } | F::Null { .. } | F::Assignment { .. })
        || matches!(kind, F::Instead { found, .. } if found == "?" || found == "=~")
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    tokens: Vec<Token>,
    faults: Vec<Fault>,
    operators: usize,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn text(&self, at: Range<usize>) -> String {
        self.chars[at].iter().collect()
    }

    fn fault(&mut self, at: Range<usize>, kind: FaultKind) {
        self.faults.push(Fault { at, kind });
    }

    fn push(&mut self, mut from: usize, mut kind: Kind) {
        if kind == Kind::In
            && let [.., before, not] = self.tokens.as_slice()
            && not.kind == Kind::Not
            && before.kind.ends_value()
        {
            (from, kind) = (not.at.start, Kind::NotIn);
            self.tokens.pop();
        }
        let at = from..self.at;
        if kind.is_operator() {
            self.operators += 1;
            if self.operators > MAX_OPERATORS {
                return self.fault(at, FaultKind::TooManyOperators { limit: MAX_OPERATORS });
            }
        }
        self.tokens.push(Token { kind, at });
    }

    /// Takes so many characters as one token.
    fn take(&mut self, length: usize, kind: Kind) {
        let from = self.at;
        self.at += length;
        self.push(from, kind);
    }

    /// Takes so many characters that stand for a token written otherwise.
    fn instead(&mut self, length: usize, write: &str, kind: Kind) {
        let at = self.at..self.at + length;
        let found = self.text(at.clone());
        self.fault(at, FaultKind::Instead { found, write: write.into() });
        self.take(length, kind);
    }

    fn step(&mut self) {
        let c = self.chars[self.at];
        match c {
            _ if c.is_whitespace() => self.at += 1,
            '\'' | '"' => self.quoted(c),
            '“' | '”' | '‘' | '’' | '「' | '『' | '＂' | '＇' => self.curly(c),
            _ if half_width(c).is_some() => self.full_width(),
            _ if c.is_ascii_digit() || c == '.' && self.peek(1).is_some_and(|n| n.is_ascii_digit()) => self.number(),
            _ if begins_name(c) => self.name(),
            '(' | '[' => self.take(1, Kind::Open(c)),
            ')' | ']' => self.take(1, Kind::Close(c)),
            ',' => self.take(1, Kind::Comma),
            '{' | '}' => self.brace(),
            _ => self.sign(c),
        }
    }

    fn sign(&mut self, c: char) {
        match (c, self.peek(1), self.peek(2)) {
            ('=', Some('='), Some('=')) => self.instead(3, "==", Kind::Sign("==")),
            ('!', Some('='), Some('=')) => self.instead(3, "!=", Kind::Sign("!=")),
            ('=', Some('='), _) => self.take(2, Kind::Sign("==")),
            ('=', Some('>'), _) => self.instead(2, ">=", Kind::Sign(">=")),
            ('=', Some('<'), _) => self.instead(2, "<=", Kind::Sign("<=")),
            ('=', Some('~'), _) => self.instead(2, "matches(text, 'pattern')", Kind::Sign("==")),
            ('=', ..) => self.instead(1, "==", Kind::Sign("==")),
            ('!', Some('='), _) => self.take(2, Kind::Sign("!=")),
            ('!', ..) => self.take(1, Kind::Bang),
            ('<', Some('='), _) => self.take(2, Kind::Sign("<=")),
            ('<', Some('>'), _) => self.instead(2, "!=", Kind::Sign("!=")),
            ('<', ..) => self.take(1, Kind::Sign("<")),
            ('>', Some('='), _) => self.take(2, Kind::Sign(">=")),
            ('>', ..) => self.take(1, Kind::Sign(">")),
            ('&', Some('&'), _) => self.take(2, Kind::And),
            ('&', ..) => self.instead(1, "and", Kind::And),
            ('|', Some('|'), _) => self.take(2, Kind::Or),
            ('|', ..) => self.instead(1, "or", Kind::Or),
            ('≥', ..) => self.instead(1, ">=", Kind::Sign(">=")),
            ('≤', ..) => self.instead(1, "<=", Kind::Sign("<=")),
            ('≠', ..) => self.instead(1, "!=", Kind::Sign("!=")),
            ('×', ..) => self.instead(1, "*", Kind::Sign("*")),
            ('÷', ..) => self.instead(1, "/", Kind::Sign("/")),
            ('−' | '–' | '—', ..) => self.instead(1, "-", Kind::Sign("-")),
            ('?', ..) => self.instead(1, "if(condition, a, b)", Kind::Comma),
            ('*', Some('*'), _) => self.instead(2, "^", Kind::Sign("^")),
            _ => self.arithmetic(c),
        }
    }

    fn arithmetic(&mut self, c: char) {
        let sign = match c {
            '+' => "+",
            '-' => "-",
            '*' => "*",
            '/' => "/",
            '%' => "%",
            '^' => "^",
            ':' if self.peek(1) == Some('=') => ":",
            ';' => {
                self.fault(self.at..self.at + 1, FaultKind::Semicolon);
                self.at += 1;
                return;
            }
            _ => {
                self.fault(self.at..self.at + 1, FaultKind::UnexpectedCharacter { found: c });
                self.at += 1;
                return;
            }
        };
        if self.peek(1) == Some('=') && self.peek(2) != Some('=') {
            let at = self.at..self.at + 2;
            self.fault(at.clone(), FaultKind::Assignment { found: self.text(at) });
            return self.take(2, Kind::Sign("=="));
        }
        self.take(1, Kind::Sign(sign));
    }

    fn brace(&mut self) {
        let pair = self.at..(self.at + 2).min(self.chars.len());
        let found = self.text(pair.clone());
        match found.as_str() {
            "{{" | "{%" => self.fault(pair, FaultKind::Braces { found }),
            // Told already where they opened.
            "}}" if self.faults.iter().any(|f| matches!(f.kind, FaultKind::Braces { .. })) => {}
            "}}" => self.fault(pair, FaultKind::Braces { found }),
            _ => {
                let found = self.chars[self.at];
                self.fault(self.at..self.at + 1, FaultKind::UnexpectedCharacter { found });
                self.at += 1;
                return;
            }
        }
        self.at += 2;
    }

    /// A text; `\` before the quote or another `\` takes it as it is, elsewhere it stays (`'\d+'`).
    fn quoted(&mut self, quote: char) {
        let from = self.at;
        let mut text = String::new();
        self.at += 1;
        while let Some(c) = self.peek(0) {
            self.at += 1;
            match c {
                '\\' if self.peek(0).is_some_and(|n| n == quote || n == '\\') => {
                    text.extend(self.peek(0));
                    self.at += 1;
                }
                _ if c == quote => return self.push(from, Kind::Text(text)),
                _ => text.push(c),
            }
        }
        self.fault(from..self.at, FaultKind::UnterminatedText { quote });
        self.push(from, Kind::Text(text));
    }

    fn curly(&mut self, quote: char) {
        let from = self.at;
        let closing: &[char] = match quote {
            '“' | '”' | '＂' => &['”', '“', '"', '＂'],
            '‘' | '’' | '＇' => &['’', '‘', '\'', '＇'],
            '「' => &['」'],
            _ => &['』'],
        };
        let Some(length) = self.chars[from + 1..].iter().position(|c| closing.contains(c)) else {
            self.at = self.chars.len();
            return self.fault(from..self.at, FaultKind::UnterminatedText { quote });
        };
        let text = self.text(from + 1..from + 1 + length);
        let write = if text.contains('\'') { format!("\"{text}\"") } else { format!("'{text}'") };
        self.instead(length + 2, &write, Kind::Text(text));
    }

    /// Turns a run of full-width signs and digits into what they look like and reads on there.
    fn full_width(&mut self) {
        let run: String = self.chars[self.at..].iter().map_while(|c| half_width(*c)).collect();
        let at = self.at..self.at + run.chars().count();
        let found = self.text(at.clone());
        self.chars.splice(at.clone(), run.chars());
        self.fault(at, FaultKind::Instead { found, write: run });
    }

    /// Digits with a fraction or exponent; whatever else hangs on them makes the whole of it a bad number.
    fn number(&mut self) {
        let from = self.at;
        let mut end = from;
        while let Some(c) = self.chars.get(end) {
            let exponent = matches!(c, '+' | '-')
                && matches!(self.chars[end - 1], 'e' | 'E')
                && self.chars[from..end - 1].iter().all(|c| c.is_ascii_digit() || *c == '.')
                && self.chars.get(end + 1).is_some_and(char::is_ascii_digit);
            if !(c.is_alphanumeric() || matches!(c, '_' | '.') || exponent) {
                break;
            }
            end += 1;
        }
        let text = self.text(from..end);
        self.at = end;
        let looks_right = text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'))
            && text.parse::<f64>().is_ok()
            && !text.starts_with('.')
            && !text.ends_with('.');
        let number = match text.parse::<Decimal>().or_else(|_| Decimal::from_scientific(&text)) {
            _ if !looks_right => Err(FaultKind::BadNumber { found: shortened(&text) }),
            Err(_) => Err(FaultKind::NumberRange { found: shortened(&text) }),
            Ok(n) => Ok(n),
        };
        if let Err(kind) = &number {
            self.fault(from..end, kind.clone());
        }
        self.push(from, Kind::Number(number.unwrap_or_default()));
    }

    fn word(&mut self) -> String {
        let from = self.at;
        while self.peek(0).is_some_and(in_name) {
            self.at += 1;
        }
        self.text(from..self.at)
    }

    fn name(&mut self) {
        let from = self.at;
        let first = self.word();
        if self.peek(0) != Some('.')
            && let Some((kind, write)) = keyword(&first)
        {
            if write != first {
                self.fault(from..self.at, FaultKind::Instead { found: first, write: write.into() });
            }
            return self.push(from, kind);
        }
        if matches!(first.to_lowercase().as_str(), "null" | "none" | "nil") && self.peek(0) != Some('.') {
            self.fault(from..self.at, FaultKind::Null { found: first });
            return self.push(from, Kind::Bool(false));
        }
        let mut path = vec![first];
        loop {
            match self.peek(0) {
                Some('.') if self.peek(1).is_some_and(in_name) => {
                    self.at += 1;
                    path.push(self.word());
                }
                Some('[') => path.extend(self.index()),
                _ => break,
            }
        }
        self.push(from, Kind::Name(path));
    }

    /// `[0]` or `['lead-score']` behind a name.
    fn index(&mut self) -> Option<String> {
        let from = self.at;
        let inner = &self.chars[from + 1..];
        let quote = inner.first().copied().filter(|c| matches!(c, '\'' | '"'));
        let length = match quote {
            Some(q) => inner[1..].iter().position(|c| *c == q).map(|at| at + 2),
            None => Some(inner.iter().take_while(|c| c.is_ascii_digit()).count()).filter(|n| *n > 0),
        };
        if let Some(length) = length.filter(|n| inner.get(*n) == Some(&']')) {
            let part: String = inner[..length].iter().filter(|c| Some(**c) != quote).collect();
            self.at = from + length + 2;
            return Some(part);
        }
        let end = inner.iter().position(|c| *c == ']').map_or(self.chars.len(), |n| from + n + 2);
        self.at = end;
        self.fault(from..end, FaultKind::BadIndex);
        None
    }

    /// `10%` with nothing after it to divide by is meant as a share.
    fn percents(&mut self) {
        let mut i = 1;
        while i < self.tokens.len() {
            let after = self.tokens.get(i + 1).is_some_and(|t| t.kind.begins_value());
            let (left, sign) = (&self.tokens[i - 1], &self.tokens[i]);
            if let (Kind::Number(n), Kind::Sign("%"), false) = (&left.kind, &sign.kind, after)
                && left.at.end == sign.at.start
            {
                let at = left.at.start..sign.at.end;
                let share = (n / Decimal::ONE_HUNDRED).normalize();
                let found = self.text(at.clone());
                self.tokens[i - 1] = Token { kind: Kind::Number(share), at: at.clone() };
                self.tokens.remove(i);
                self.fault(at, FaultKind::Instead { found, write: share.to_string() });
            }
            i += 1;
        }
    }
}

/// The token of a word that is no name, and how it is written.
fn keyword(word: &str) -> Option<(Kind, &'static str)> {
    Some(match word.to_lowercase().as_str() {
        "and" | "且" | "并且" | "而且" => (Kind::And, "and"),
        "or" | "或" | "或者" => (Kind::Or, "or"),
        "not" => (Kind::Not, "not"),
        "in" => (Kind::In, "in"),
        "true" => (Kind::Bool(true), "true"),
        "false" => (Kind::Bool(false), "false"),
        _ => return None,
    })
}

fn begins_name(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn in_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What a full-width sign or digit looks like. Letters are left alone: they may be part of a name.
fn half_width(c: char) -> Option<char> {
    match c {
        '、' => Some(','),
        '。' => Some('.'),
        '【' => Some('['),
        '】' => Some(']'),
        '\u{ff01}'..='\u{ff5e}' if !c.is_alphabetic() => char::from_u32(u32::from(c) - 0xfee0),
        _ => None,
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= 40 { text.to_owned() } else { text.chars().take(39).chain(['…']).collect() }
}
