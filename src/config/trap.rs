//! The traps that YAML sets: valid or half-valid YAML that does not say what its writer meant. Read from the raw lines before
//! any parser sees them, so that each is told in its own words; the text is mended where the meaning is clear, so that what
//! stands around the trap is still checked.
//!
//! Never decides what a value means; only whether YAML would take it for something else than it looks like.

mod chars;
mod flow;
#[cfg(test)]
mod tests;

use chars::{apostrophe, close, cuts, glued_colon, header, indent_of, indicator, key, quoted, skip, starts, tab_within, trimmed};
use flow::Flow;

use super::catalogue as t;
use super::mend::{BROKEN, Mended};
use super::problem::{At, Problem, Sink};
use super::table;
use super::text::Text;

/// Keys by which a line with a full-width colon is recognised as meant to be a key.
const WORDS: &[&str] = &[
    "if",
    "when",
    "then",
    "else",
    "to",
    "text",
    "title",
    "tag",
    "untag",
    "assign",
    "email",
    "notify",
    "who",
    "log",
    "set",
    "emit",
    "start",
    "http",
    "dingtalk",
    "wecom",
    "wait",
    "id",
    "steps",
    "record",
    "type",
    "of",
    "from",
    "fields",
    "key",
    "name",
    "team",
    "members",
    "priority",
    "enabled",
    "cooldown",
    "deliver",
    "stop",
    "subject",
    "html",
    "template",
    "constants",
    "entities",
    "people",
    "teams",
    "rules",
    "flows",
    "templates",
    "connections",
    "sources",
    "lang",
    "zone",
    "listen",
    "event",
    "changed",
    "create",
    "robot",
    "markdown",
];

/// After so many problems a file is read no further: nobody wrote that by hand.
pub(super) const MAX_PROBLEMS: usize = 300;

/// Finds the traps of a file and mends its text; `None` if it is beyond that.
pub(super) fn scan(text: &Text, file: usize, sink: &Sink) -> Option<Mended> {
    let most = sink.len() + MAX_PROBLEMS;
    let mut scan = Scan {
        text,
        file,
        sink,
        mended: Mended::new(text),
        state: State::Block,
        plain: None,
        below: None,
        open: None,
        most,
        levels: Vec::new(),
    };
    for line in 0..text.lines.len() {
        scan.line(line);
        if sink.len() > most {
            sink.say(scan.at(line, 0, 1), &t::TOO_MANY_PROBLEMS, [MAX_PROBLEMS.to_string().into()]);
            return None;
        }
    }
    match &scan.state {
        State::Flow(flow) => scan.unclosed((flow.opened.0, flow.opened.1), flow.open_at(), text.lines.len()),
        State::Quoted(_, line, col, _) => scan.unclosed((*line, *col), (*line, *col), text.lines.len()),
        State::Block | State::Scalar(_) => {}
    }
    Some(scan.mended)
}

/// What the end of the last line left open.
enum State {
    /// Nothing.
    Block,
    /// A block scalar whose parent has this indentation.
    Scalar(usize),
    /// A quoted text: its quote, line and column, and the column of its key or dash.
    Quoted(char, usize, usize, usize),
    /// A `[` or `{`.
    Flow(Flow),
}

/// The indentation of an earlier line that is still open.
struct Level {
    /// As it is written.
    lead: String,
    /// As it is read.
    width: usize,
    /// The line ends in a colon.
    opens: bool,
}

/// A text without quotes that may go on on the next line.
struct Open {
    /// The column of its key or dash: what goes on is indented deeper.
    parent: usize,
    /// What was read of it.
    raw: String,
}

struct Scan<'a> {
    text: &'a Text,
    file: usize,
    sink: &'a Sink,
    mended: Mended,
    state: State,
    /// The indentation of the key or dash whose plain value may go on on the next line.
    plain: Option<usize>,
    /// The column of the key or dash whose value begins on a later line.
    below: Option<usize>,
    /// The text without quotes that the last line left open.
    open: Option<Open>,
    /// More than so many problems in the sink are too many.
    most: usize,
    levels: Vec<Level>,
}

impl Scan<'_> {
    fn at(&self, line: usize, from: usize, to: usize) -> At {
        At { file: self.file, line: line + 1, col: from, width: to.saturating_sub(from).max(1) }
    }

    fn line(&mut self, n: usize) {
        let chars: Vec<char> = self.text.lines[n].chars().collect();
        let indent = chars.iter().take_while(|c| matches!(c, ' ' | '\t' | '\u{3000}')).count();
        let blank = indent == chars.len();
        match &self.state {
            State::Scalar(parent) if blank || chars.iter().take_while(|c| **c == ' ').count() > *parent => return,
            State::Scalar(parent) if tab_within(&chars, indent) => {
                let parent = *parent;
                self.indentation_told(n, &chars, indent);
                self.mended.replace(n, 0, indent, &" ".repeat(parent + 2));
                return;
            }
            State::Scalar(_) => self.state = State::Block,
            // A text that goes on is indented deeper than its key; anything else is a quote that somebody forgot.
            State::Quoted(_, line, col, parent) if !blank && indent <= *parent => self.unclosed((*line, *col), (*line, *col), n),
            State::Quoted(quote, ..) => {
                if let Some(end) = close(&chars, 0, *quote) {
                    self.state = State::Block;
                    self.after_quote(n, &chars, 0, end);
                }
                return;
            }
            _ => {}
        }
        if blank {
            return;
        }
        if let State::Flow(flow) = &self.state {
            let flow = flow.clone();
            // A line that is indented no deeper than the one with the bracket and begins like a key is outside of it.
            let outside = indent <= flow.opened.2 && !matches!(chars[indent], ']' | '}' | ',');
            let tab = chars[..indent].contains(&'\t');
            if tab {
                self.indentation_told(n, &chars, indent);
                self.mended.replace(n, 0, indent, &" ".repeat(flow.opened.1 + 1));
                self.flow(n, &chars, indent, flow);
                return;
            }
            if outside && (key(&chars, indent).is_some() || chars[indent] == '-') {
                self.unclosed((flow.opened.0, flow.opened.1), flow.open_at(), n);
            } else {
                self.flow(n, &chars, indent, flow);
                return;
            }
        }
        self.indentation(n, &chars, indent);
        if chars[indent] == '#' || starts(&chars, 0, "---") || starts(&chars, 0, "...") {
            if let Some(open) = self.open.take() {
                self.hash_below(n, &chars, indent, &open);
            }
            return;
        }
        self.block(n, &chars, indent);
    }

    /// Tells of tabs and ideographic spaces where only blanks may stand.
    fn indentation_told(&self, n: usize, chars: &[char], indent: usize) -> bool {
        let before = self.sink.len();
        for (sign, text) in [('\t', &t::TAB), ('\u{3000}', &t::IDEOGRAPHIC_SPACE)] {
            if let Some(from) = chars[..indent].iter().position(|c| *c == sign) {
                let run = chars[from..indent].iter().take_while(|c| **c == sign).count();
                self.sink.add(Problem::new(self.at(n, from, from + run), text.with([])).help(t::INDENT_HELP.with([])));
            }
        }
        self.sink.len() > before
    }

    /// Tabs and ideographic spaces in the indentation. The line is put where it seems to belong: at the level of an
    /// earlier line with the same indentation, else below the last line if that ends in a colon, else beside it.
    fn indentation(&mut self, n: usize, chars: &[char], indent: usize) {
        let lead: String = chars[..indent].iter().collect();
        let mut width = indent;
        if self.indentation_told(n, chars, indent) {
            let last = self.levels.last();
            let below = last.map_or(0, |l| l.width + if l.opens { 2 } else { 0 });
            width = self.levels.iter().rev().find(|l| l.lead == lead).map_or(below, |l| l.width);
            self.mended.replace(n, 0, indent, &" ".repeat(width));
        }
        if chars[indent] != '#' {
            self.levels.retain(|l| l.width < width);
            let opens = chars[..trimmed(chars)].last() == Some(&':');
            self.levels.push(Level { lead, width, opens });
        }
    }

    /// A line outside of brackets, quotes and block scalars.
    fn block(&mut self, n: usize, chars: &[char], indent: usize) {
        let mut at = indent;
        let mut parent = indent;
        let mut dash = false;
        let open = self.open.take();
        while chars.get(at) == Some(&'-') && chars.get(at + 1).is_none_or(|c| c.is_whitespace()) {
            dash = true;
            parent = at;
            at = skip(chars, at + 1);
        }
        if at >= chars.len() {
            self.plain = None;
            self.below = Some(parent);
            return;
        }
        // `-log: x` is a key of that name to YAML.
        if chars[at] == '-' && chars.get(at + 1).is_some_and(|c| c.is_alphabetic()) && key(chars, at).is_some() {
            let rest: String = chars[at + 1..trimmed(chars)].iter().take(60).collect();
            let problem = Problem::new(self.at(n, at, at + 1), t::DASH_WITHOUT_BLANK.with([]));
            self.sink.add(problem.help(t::WRITE_INSTEAD.with([format!("- {rest}").into()])));
            self.mended.replace(n, at, at + 1, "- ");
            at += 1;
        }
        if let Some(colon) = key(chars, at) {
            let from = skip(chars, colon + 1);
            // A text may go on on the next line; an empty value may begin there.
            self.plain = chars.get(from).filter(|c| **c != '#').map(|_| at);
            self.below = self.plain.is_none().then_some(at);
            self.value(n, chars, from, at);
        } else if self.no_colon(n, chars, at, dash) {
            self.plain = Some(at);
        } else if !self.full_width_colon(n, chars, at) && !self.colon_without_blank(n, chars, at, dash) {
            // Not a key: an item of a list, a value on a line of its own, or the next line of a plain text.
            if dash || self.plain.is_none() {
                // On a line of its own it belongs to the key above, and may go on no deeper than it begins.
                let parent = if dash { parent } else { self.below.take().filter(|key| *key < at).unwrap_or(parent) };
                self.plain = Some(parent);
                self.value(n, chars, at, parent);
            } else if let Some(open) = open.filter(|o| indent > o.parent) {
                self.goes_on(n, chars, at, open);
            }
        }
    }

    /// The next line of a text without quotes.
    fn goes_on(&mut self, n: usize, chars: &[char], at: usize, open: Open) {
        let end = trimmed(chars);
        let line: String = chars[at..end].iter().collect();
        let raw = format!("{} {line}", open.raw);
        let comment = (at + 1..end).find(|i| chars[*i] == '#' && chars[*i - 1].is_whitespace());
        match comment {
            Some(hash) if cuts(chars, at, hash, end) => self.cut_below(n, (at, end), hash, &raw),
            // A comment ends the text.
            Some(_) => {}
            None => self.open = Some(Open { raw, ..open }),
        }
    }

    /// A line that begins with `#` below a text that may go on: one that is set like a word of it and not like a comment.
    fn hash_below(&mut self, n: usize, chars: &[char], at: usize, open: &Open) {
        let end = trimmed(chars);
        let glued = chars.get(at + 1).is_some_and(|c| !c.is_whitespace() && *c != '#');
        if at > open.parent && glued {
            let line: String = chars[at..end].iter().collect();
            self.cut_below(n, (at, end), at, &format!("{} {line}", open.raw));
        }
    }

    fn cut_below(&mut self, n: usize, line: (usize, usize), hash: usize, raw: &str) {
        let problem = Problem::new(self.at(n, hash, line.1), t::HASH_IN_PLAIN.with([]));
        let problem = problem.help(t::QUOTE_IT.with([quoted(raw).into()])).help(t::COMMENT_HELP.with([]));
        self.sink.add(problem);
        self.mended.replace(n, line.0, line.1, BROKEN);
    }

    /// `if source == 'a'` on a line of its own where a key must stand: mended, so that the value is checked as well.
    fn no_colon(&mut self, n: usize, chars: &[char], at: usize, dash: bool) -> bool {
        let end = at + chars[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count();
        let word: String = chars[at..end].iter().collect();
        let from = skip(chars, end);
        if dash || from == end || from >= chars.len() || !WORDS.contains(&word.as_str()) {
            return false;
        }
        // Where a text may go on or begin, this is text, unless a key follows in the same column.
        let among_keys = match self.plain {
            Some(parent) => at <= parent,
            None => self.key_follows(n, at),
        };
        if !among_keys {
            return false;
        }
        let rest: String = chars[from..trimmed(chars)].iter().collect();
        let problem = Problem::new(self.at(n, at, end), t::SYNTAX.with([t::SYNTAX_NO_COLON.with([word.as_str().into()]).into()]));
        self.sink.add(problem.help(t::WRITE_INSTEAD.with([format!("{word}: {rest}").into()])));
        self.mended.replace(n, end, end + 1, ": ");
        self.value(n, chars, from, at);
        true
    }

    /// Whether the next line that says anything is a key in this column.
    fn key_follows(&self, n: usize, column: usize) -> bool {
        let mut below = self.text.lines[n + 1..].iter().map(|l| l.chars().collect::<Vec<char>>());
        let next = below.find(|l| l.get(skip(l, 0)).is_some_and(|c| *c != '#'));
        next.is_some_and(|l| skip(&l, 0) == column && key(&l, column).is_some())
    }

    /// `if：amount > 3`: mended, so that the value is checked as well.
    fn full_width_colon(&mut self, n: usize, chars: &[char], at: usize) -> bool {
        let Some(colon) = chars[at..].iter().position(|c| *c == '：').map(|c| c + at) else { return false };
        let word: String = chars[at..colon].iter().collect();
        let continues = self.plain.is_some_and(|parent| at > parent);
        let name = !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
        if !WORDS.contains(&word.as_str()) && (continues || !name) {
            return false;
        }
        let rest: String = chars[colon + 1..].iter().collect();
        let help = t::WRITE_INSTEAD.with([format!("{word}: {}", rest.trim_start()).into()]);
        self.sink.add(Problem::new(self.at(n, colon, colon + 1), t::FULL_WIDTH_COLON.with([word.into()])).help(help));
        self.mended.replace(n, colon, colon + 1, ": ");
        self.plain = Some(at);
        self.value(n, chars, skip(chars, colon + 1), at);
        true
    }

    /// `if:amount > 3`: to YAML a text, and the next line is then at fault.
    fn colon_without_blank(&mut self, n: usize, chars: &[char], at: usize, dash: bool) -> bool {
        let Some(colon) = glued_colon(chars, at, trimmed(chars)) else { return false };
        let word: String = chars[at..colon].iter().collect();
        let known = WORDS.contains(&word.as_str()) && word != "team";
        let is_key = match self.plain {
            _ if dash => table::ACTION_NAMES.contains(&word.as_str()) || matches!(word.as_str(), "wait" | "id" | "if"),
            // Deeper than a text it goes on with, this is text; beside it, only a key can be meant.
            Some(parent) => at <= parent,
            None => known,
        };
        if is_key {
            self.tell_glued(n, chars, at, colon, trimmed(chars));
            self.plain = Some(at);
            self.value(n, chars, colon + 1, at);
        }
        is_key
    }

    /// Tells of a key whose colon has no blank behind it, and puts one there.
    fn tell_glued(&mut self, n: usize, chars: &[char], from: usize, colon: usize, end: usize) {
        let word: String = chars[from..colon].iter().collect();
        let rest: String = chars[colon + 1..end].iter().take(60).collect();
        let help = t::WRITE_INSTEAD.with([format!("{word}: {rest}").into()]);
        let problem = Problem::new(self.at(n, colon, colon + 1), t::COLON_WITHOUT_BLANK.with([word.into()]));
        self.sink.add(problem.help(help));
        self.mended.replace(n, colon, colon + 1, ": ");
    }

    /// The value behind a key or dash; `parent` is the column of that.
    fn value(&mut self, n: usize, chars: &[char], from: usize, parent: usize) {
        let Some(first) = chars.get(from).copied().filter(|c| *c != '#') else { return };
        let end = trimmed(chars);
        match first {
            '|' | '>' if header(&chars[from..]) => self.state = State::Scalar(parent),
            '"' | '\'' => match close(chars, from + 1, first) {
                Some(end) => self.after_quote(n, chars, from, end),
                None => self.state = State::Quoted(first, n, from, parent),
            },
            '{' if matches!(chars.get(from + 1), Some('{' | '%')) => self.trap(n, chars, from, end, &t::UNQUOTED_TEMPLATE),
            '{' | '[' => {
                let flow = Flow { opened: (n, from, indent_of(chars)), brackets: Vec::new(), value: false, quote: None };
                self.flow(n, chars, from, flow);
            }
            '-' if chars.get(from + 1) == Some(&' ') && parent < from => {
                self.sink.add(Problem::new(self.at(n, from, end), t::DASH_BEHIND_KEY.with([])).help(t::DASH_HELP.with([])));
                self.mended.replace(n, from, end, BROKEN);
            }
            _ => match indicator(chars, from) {
                Some(text) => self.trap(n, chars, from, end, text),
                None => {
                    self.plain_value(n, chars, from, end);
                    if !(from + 1..end).any(|i| chars[i] == '#' && chars[i - 1].is_whitespace()) {
                        self.open = Some(Open { parent, raw: chars[from..end.max(from)].iter().collect() });
                    }
                }
            },
        }
    }

    /// A trap whose cure is to quote the value: told, and the value is out of the way.
    fn trap(&mut self, n: usize, chars: &[char], from: usize, end: usize, text: &'static t::Text) {
        self.trap_at(
            n,
            chars,
            (from, end),
            (from, if end - from > 1 && !"!&*@`%|>".contains(chars[from]) { end } else { from + 1 }),
            text,
        );
    }

    fn trap_at(&mut self, n: usize, chars: &[char], value: (usize, usize), mark: (usize, usize), text: &'static t::Text) {
        let raw: String = chars[value.0..value.1].iter().collect();
        let problem = Problem::new(self.at(n, mark.0, mark.1), text.with([raw.clone().into()]));
        let problem = problem.help(t::QUOTE_IT.with([quoted(apostrophe(&raw).unwrap_or(&raw)).into()]));
        let comment = std::ptr::eq(text, &t::HASH_IN_PLAIN).then(|| t::COMMENT_HELP.with([]));
        self.sink.add(problem.help(comment));
        self.mended.replace(n, value.0, value.1, BROKEN);
    }

    /// A plain value up to the end of the line: `: ` ends it in an error, ` #` cuts it silently.
    fn plain_value(&mut self, n: usize, chars: &[char], from: usize, end: usize) {
        let comment = (from + 1..end).find(|i| chars[*i] == '#' && chars[*i - 1].is_whitespace());
        let value_end = comment.map_or(end, |c| trimmed(&chars[..c]));
        let colon = (from..value_end).find(|i| chars[*i] == ':' && chars.get(*i + 1).is_none_or(|c| *c == ' '));
        if let Some(colon) = colon {
            self.trap_at(n, chars, (from, value_end), (colon, colon + 1), &t::COLON_IN_PLAIN);
        } else if let Some(hash) = comment.filter(|hash| cuts(chars, from, *hash, end)) {
            self.trap_at(n, chars, (from, end), (hash, end), &t::HASH_IN_PLAIN);
        }
    }

    /// What stands behind a quoted text: nothing, a comment, or (then it was a key) a colon.
    fn after_quote(&mut self, n: usize, chars: &[char], from: usize, end: usize) {
        let next = skip(chars, end + 1);
        match chars.get(next) {
            None | Some('#') => {}
            Some(':') => {}
            Some(_) if from == 0 && indent_of(chars) == 0 => {} // the end of a text of several lines: left to the parser
            Some(_) => self.trap_at(n, chars, (from, trimmed(chars)), (next, trimmed(chars)), &t::QUOTED_START),
        }
    }

    /// A bracket or quote (`mark`) that is never closed: the value that begins with it is out of the way.
    fn unclosed(&mut self, opened: (usize, usize), mark: (usize, usize), until: usize) {
        let (line, col) = opened;
        let end = self.text.lines[line].chars().count();
        let sign = self.text.lines[mark.0].chars().nth(mark.1).unwrap_or('[');
        self.sink.say(self.at(mark.0, mark.1, mark.1 + 1), &t::UNCLOSED, [sign.to_string().into()]);
        self.mended.blank(line, col, end);
        for line in line + 1..until {
            self.mended.empty(line);
        }
        self.state = State::Block;
    }
}
