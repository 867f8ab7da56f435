//! From a character of a scalar's value back to its place in the file: quotes, escapes and folded lines on the way.

use super::problem::At;
use super::text::Text;
use super::tree::{Kind, Node, Style};

/// Where characters `from..to` of a scalar's value stand.
pub(super) fn locate(text: &Text, node: &Node, from: usize, to: usize) -> At {
    let Kind::Scalar(value, style) = &node.kind else { return node.at };
    let places = match style {
        Style::Resolved => return node.at,
        Style::Double => double(text, node.at),
        Style::Plain | Style::Single | Style::Literal | Style::Folded => align(text, node.at, value, *style == Style::Single),
    };
    let Some(&(line, col)) = places.get(from).or(places.last()) else { return node.at };
    let end = to.checked_sub(1).and_then(|last| places.get(last)).filter(|(l, _)| *l == line).map_or(col + 1, |(_, c)| c + 1);
    let width = end.saturating_sub(col).max(1);
    // Behind the last character; that may be the line's end already.
    let beyond = || (col + 1).min(text.lines.get(line).map_or(0, |line| line.chars().count()));
    let col = if from < places.len() { col } else { beyond() };
    At { file: node.at.file, line: line + 1, col, width }
}

/// Plain, single-quoted and block scalars: only blanks differ between the value and the file, so the other characters are matched
/// one by one.
fn align(text: &Text, at: At, value: &str, single: bool) -> Vec<(usize, usize)> {
    let mut source = Cursor::new(text, at.line - 1, at.col + usize::from(single));
    let mut places = Vec::new();
    for c in value.chars() {
        if c.is_whitespace() {
            places.push((source.line, source.col));
            if source.peek().is_some_and(char::is_whitespace) {
                source.col += 1;
            }
            continue;
        }
        while source.peek().is_none_or(|s| s != c && s.is_whitespace()) {
            if !source.forward() {
                return places;
            }
        }
        places.push((source.line, source.col));
        source.col += 1;
        if single && c == '\'' {
            source.col += 1; // it is written twice
        }
    }
    places
}

/// Double-quoted: the value is read again from the file, each character with its place.
fn double(text: &Text, at: At) -> Vec<(usize, usize)> {
    let mut source = Cursor::new(text, at.line - 1, at.col + 1);
    let mut places = Vec::new();
    loop {
        match source.peek() {
            Some('"') => return places,
            Some('\\') => {
                let place = (source.line, source.col);
                source.col += 1;
                let Some(escape) = source.peek() else {
                    source.next_line(); // an escaped line end is nothing
                    continue;
                };
                places.push(place);
                source.col += match escape {
                    'x' => 3,
                    'u' => 5,
                    'U' => 9,
                    _ => 1,
                };
            }
            Some(_) => {
                places.push((source.line, source.col));
                source.col += 1;
            }
            None => {
                // A line end is a blank; each empty line after it a line end, which takes the blank's place.
                let place = (source.line, source.col);
                while places
                    .last()
                    .is_some_and(|(l, c)| *l == source.line && source.chars.get(*c).is_some_and(|c| c.is_whitespace()))
                {
                    places.pop();
                }
                let mut breaks = 0;
                loop {
                    if !source.next_line() {
                        return places;
                    }
                    breaks += 1;
                    if source.peek().is_some() {
                        break;
                    }
                }
                places.extend(std::iter::repeat_n(place, (breaks - 1).max(1)));
            }
        }
    }
}

struct Cursor<'a> {
    text: &'a Text,
    line: usize,
    chars: Vec<char>,
    col: usize,
}

impl<'a> Cursor<'a> {
    fn new(text: &'a Text, line: usize, col: usize) -> Self {
        let chars = text.lines.get(line).map(|l| l.chars().collect()).unwrap_or_default();
        Self { text, line, chars, col }
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.col).copied()
    }

    /// One character on, over the line's end and the next one's indentation.
    fn forward(&mut self) -> bool {
        if self.peek().is_some() {
            self.col += 1;
            return true;
        }
        self.next_line()
    }

    fn next_line(&mut self) -> bool {
        let Some(line) = self.text.lines.get(self.line + 1) else { return false };
        self.line += 1;
        self.chars = line.chars().collect();
        self.col = self.chars.iter().take_while(|c| matches!(c, ' ' | '\t')).count();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::problem::Sink;
    use super::*;

    /// Where the `X` of the value of `a` is found.
    fn check(yaml: &str, expect: (usize, usize)) {
        let text = Text::new("x".into(), yaml, false);
        let node = super::super::tree::read(&text, 0, &Sink::default()).unwrap().0.unwrap();
        let value = node.get("a").unwrap();
        let at = value.text().unwrap().chars().position(|c| c == 'X').unwrap();
        let place = locate(&text, value, at, at + 1);
        assert_eq!((place.line, place.col + 1), expect, "{yaml}");
    }

    #[test]
    fn behind_the_last_character_is_the_end_of_the_line_at_most() {
        for (yaml, expect) in [("a: 一二", (1, 6)), ("a: |\n  首行\n  two\nb: 1\n", (3, 6)), ("a: \"one\n  two\"", (2, 6))] {
            let text = Text::new("x".into(), yaml, false);
            let node = super::super::tree::read(&text, 0, &Sink::default()).unwrap().0.unwrap();
            let value = node.get("a").unwrap();
            let end = value.text().unwrap().chars().count();
            let place = locate(&text, value, end, end);
            assert_eq!((place.line, place.col + 1, place.width), (expect.0, expect.1, 1), "{yaml}");
        }
    }

    #[test]
    fn finds_the_way_back() {
        check("a: 金额 > X", (1, 9));
        check("a: 一 二\n   三  X y", (2, 7));
        check("a: 'it''s X'", (1, 11));
        check(r#"a: "\t\u4e2d X""#, (1, 14));
        check("a: \"one\n   two\n\n   X\"", (4, 4));
        check("a: |\n  首行\n    X\n", (3, 5));
        check("a: |\n\n  first\n\n  X\n", (5, 3));
        check("a: >-\n  one\n  two X\n", (3, 7));
        check("a: >\n  one\n\n   more X\n", (4, 9));
    }
}
