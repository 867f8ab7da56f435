//! The traps that YAML sets: valid or half-valid YAML that does not say what its writer meant. Read from the raw lines before
//! any parser sees them, so that each is told in its own words; the text is mended where the meaning is clear, so that what
//! stands around the trap is still checked.
//!
//! Never decides what a value means; only whether YAML would take it for something else than it looks like.

use super::catalogue as t;
use super::mend::{BROKEN, Mended};
use super::problem::{At, Problem, Sink};
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
    let mut scan =
        Scan { text, file, sink, mended: Mended::new(text), state: State::Block, plain: None, most, levels: Vec::new() };
    for line in 0..text.lines.len() {
        scan.line(line);
        if sink.len() > most {
            sink.say(scan.at(line, 0, 1), &t::TOO_MANY_PROBLEMS, [MAX_PROBLEMS.to_string().into()]);
            return None;
        }
    }
    if let State::Flow(flow) = &scan.state {
        let at = flow.opened;
        scan.unclosed(at, text.lines.len());
    }
    Some(scan.mended)
}

/// What the end of the last line left open.
enum State {
    /// Nothing.
    Block,
    /// A block scalar whose parent has this indentation.
    Scalar(usize),
    /// A quoted text.
    Quoted(char),
    /// A `[` or `{`.
    Flow(Flow),
}

/// An open flow collection.
#[derive(Clone)]
struct Flow {
    /// Line (from 0), column and indentation of where it began.
    opened: (usize, usize, usize),
    /// Its brackets, outermost first.
    brackets: Vec<char>,
    /// Whether the value of an entry has begun (behind its colon).
    value: bool,
    /// A quoted text goes on on the next line.
    quote: Option<char>,
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

struct Scan<'a> {
    text: &'a Text,
    file: usize,
    sink: &'a Sink,
    mended: Mended,
    state: State,
    /// The indentation of the key or dash whose plain value may go on on the next line.
    plain: Option<usize>,
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
            State::Scalar(_) => self.state = State::Block,
            State::Quoted(quote) => {
                let quote = *quote;
                if let Some(end) = close(&chars, 0, quote) {
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
            let outside = indent <= flow.opened.2 && !matches!(chars[indent], ']' | '}' | ',') && flow.quote.is_none();
            if outside && (key(&chars, indent).is_some() || chars[indent] == '-') {
                self.unclosed(flow.opened, n);
            } else {
                self.flow(n, &chars, indent, flow);
                return;
            }
        }
        self.indentation(n, &chars, indent);
        if chars[indent] == '#' || starts(&chars, 0, "---") || starts(&chars, 0, "...") {
            return;
        }
        self.block(n, &chars, indent);
    }

    /// Tabs and ideographic spaces where only blanks may stand. The line is put where it seems to belong: at the level of an
    /// earlier line with the same indentation, else below the last line if that ends in a colon, else beside it.
    fn indentation(&mut self, n: usize, chars: &[char], indent: usize) {
        let lead: String = chars[..indent].iter().collect();
        let mut width = indent;
        for (sign, text) in [('\t', &t::TAB), ('\u{3000}', &t::IDEOGRAPHIC_SPACE)] {
            if let Some(from) = chars[..indent].iter().position(|c| *c == sign) {
                let run = chars[from..indent].iter().take_while(|c| **c == sign).count();
                self.sink.add(Problem::new(self.at(n, from, from + run), text.with([])).help(t::INDENT_HELP.with([])));
                let last = self.levels.last();
                let below = last.map_or(0, |l| l.width + if l.opens { 2 } else { 0 });
                width = self.levels.iter().rev().find(|l| l.lead == lead).map_or(below, |l| l.width);
                self.mended.replace(n, 0, indent, &" ".repeat(width));
            }
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
        while chars.get(at) == Some(&'-') && chars.get(at + 1).is_none_or(|c| c.is_whitespace()) {
            dash = true;
            parent = at;
            at = skip(chars, at + 1);
        }
        if at >= chars.len() {
            self.plain = None;
            return;
        }
        if let Some(colon) = key(chars, at) {
            let from = skip(chars, colon + 1);
            // A text may go on on the next line; an empty value may begin there.
            self.plain = chars.get(from).filter(|c| **c != '#').map(|_| at);
            self.value(n, chars, from, at);
        } else if !self.full_width_colon(n, chars, at) {
            // Not a key: an item of a list, a value on a line of its own, or the next line of a plain text.
            if dash || self.plain.is_none() {
                self.plain = Some(parent);
                self.value(n, chars, at, parent);
            }
        }
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

    /// The value behind a key or dash; `parent` is the column of that.
    fn value(&mut self, n: usize, chars: &[char], from: usize, parent: usize) {
        let Some(first) = chars.get(from).copied().filter(|c| *c != '#') else { return };
        let end = trimmed(chars);
        match first {
            '|' | '>' if header(&chars[from..]) => self.state = State::Scalar(parent),
            '"' | '\'' => match close(chars, from + 1, first) {
                Some(end) => self.after_quote(n, chars, from, end),
                None => self.state = State::Quoted(first),
            },
            '{' if matches!(chars.get(from + 1), Some('{' | '%')) => self.trap(n, chars, from, end, &t::UNQUOTED_TEMPLATE),
            '{' | '[' => {
                let flow = Flow { opened: (n, from, indent_of(chars)), brackets: Vec::new(), value: false, quote: None };
                self.flow(n, chars, from, flow);
            }
            _ => match indicator(chars, from) {
                Some(text) => self.trap(n, chars, from, end, text),
                None => self.plain_value(n, chars, from, end),
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
        let problem = problem.help(t::QUOTE_IT.with([quoted(&raw).into()]));
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

    fn unclosed(&mut self, opened: (usize, usize, usize), until: usize) {
        let (line, col, _) = opened;
        let end = self.text.lines[line].chars().count();
        self.sink.say(
            self.at(line, col, col + 1),
            &t::UNCLOSED,
            [self.text.lines[line].chars().nth(col).unwrap_or('[').to_string().into()],
        );
        self.mended.blank(line, col, end);
        for line in line + 1..until {
            self.mended.empty(line);
        }
        self.state = State::Block;
    }

    /// Inside `[ ]` or `{ }`, from a column to the end of the line.
    fn flow(&mut self, n: usize, chars: &[char], from: usize, mut flow: Flow) {
        let mut at = from;
        if let Some(quote) = flow.quote.take() {
            match close(chars, 0, quote) {
                Some(end) => at = end + 1,
                None => {
                    flow.quote = Some(quote);
                    self.state = State::Flow(flow);
                    return;
                }
            }
        }
        loop {
            at = skip(chars, at);
            let Some(c) = chars.get(at).copied().filter(|_| self.sink.len() <= self.most) else {
                self.state = State::Flow(flow);
                return;
            };
            match c {
                '#' => {
                    self.state = State::Flow(flow);
                    return;
                }
                '{' if matches!(chars.get(at + 1), Some('{' | '%')) => {
                    let end = token_end(chars, at);
                    self.trap_at(n, chars, (at, end), (at, end), &t::UNQUOTED_TEMPLATE);
                    at = end;
                }
                '{' | '[' => {
                    flow.brackets.push(c);
                    flow.value = false;
                    at += 1;
                }
                '}' | ']' => {
                    flow.brackets.pop();
                    flow.value = false;
                    at += 1;
                    if flow.brackets.is_empty() {
                        self.state = State::Block;
                        self.after_flow(n, chars, at, flow.opened);
                        return;
                    }
                }
                ',' => {
                    flow.value = false;
                    at += 1;
                }
                ':' => {
                    flow.value = true;
                    at += 1;
                }
                '"' | '\'' => match close(chars, at + 1, c) {
                    Some(end) => at = self.after_flow_quote(n, chars, at, end),
                    None => {
                        flow.quote = Some(c);
                        self.state = State::Flow(flow);
                        return;
                    }
                },
                _ => at = self.flow_plain(n, chars, at, &mut flow),
            }
        }
    }

    /// `{{ name }} wrote` outside of brackets is caught before; this is `[a] b`.
    fn after_flow(&mut self, n: usize, chars: &[char], at: usize, opened: (usize, usize, usize)) {
        let next = skip(chars, at);
        if chars.get(next).is_some_and(|c| !matches!(c, '#' | ':')) && opened.0 == n {
            self.trap_at(n, chars, (opened.1, trimmed(chars)), (next, trimmed(chars)), &t::BRACKET_START);
        }
    }

    fn after_flow_quote(&mut self, n: usize, chars: &[char], from: usize, end: usize) -> usize {
        let next = skip(chars, end + 1);
        match chars.get(next) {
            None | Some(',' | ']' | '}' | ':' | '#') => end + 1,
            Some(_) => {
                let end = token_end(chars, from);
                self.trap_at(n, chars, (from, end), (next, end), &t::QUOTED_START);
                end
            }
        }
    }

    /// A plain token inside brackets; answers where to go on.
    fn flow_plain(&mut self, n: usize, chars: &[char], from: usize, flow: &mut Flow) -> usize {
        if let Some(text) = indicator(chars, from) {
            let end = token_end(chars, from);
            self.trap_at(n, chars, (from, end), (from, from + 1), text);
            return end;
        }
        let stop = (from..chars.len())
            .find(|i| {
                ",[]{}".contains(chars[*i])
                    || chars[*i] == ':' && chars.get(i + 1).is_none_or(|c| " ,[]{}".contains(*c))
                    || hash(chars, *i)
            })
            .unwrap_or(chars.len());
        let token_to = trimmed(&chars[..stop]).max(from + 1);
        let token = &chars[from..token_to];
        let in_map = flow.brackets.last() == Some(&'{');
        let next = chars.get(stop).copied();
        let comma = token.iter().position(|c| *c == '，').map(|c| c + from);
        if let Some(comma) = comma.filter(|_| !in_map || !flow.value || next == Some(':')) {
            let raw: String = chars[from..token_to.min(from + 60)].iter().collect();
            let right = raw.replace("， ", ", ").replace('，', ", ");
            let problem = Problem::new(self.at(n, comma, comma + 1), t::FULL_WIDTH_COMMA.with([]));
            self.sink.add(problem.help(t::WRITE_INSTEAD.with([right.into()])));
            let blank = chars.get(comma + 1).is_some_and(|c| c.is_whitespace());
            self.mended.replace(n, comma, comma + 1, if blank { "," } else { ", " });
            flow.value = false;
            return comma + 1;
        }
        let colon = token.iter().position(|c| *c == '：').map(|c| c + from);
        if let Some(colon) = colon.filter(|_| in_map && !flow.value && next != Some(':')) {
            let word: String = chars[from..colon].iter().collect();
            let problem = Problem::new(self.at(n, colon, colon + 1), t::FULL_WIDTH_COLON.with([word.clone().into()]));
            self.sink.add(problem.help(t::WRITE_INSTEAD.with([format!("{word}: ").into()])));
            self.mended.replace(n, colon, colon + 1, ": ");
            flow.value = true;
            return colon + 1;
        }
        self.flow_cut(n, chars, (from, token_to), next, flow)
    }

    /// A plain value inside brackets that a comma, a bracket, a colon or a `#` ends too early.
    fn flow_cut(&mut self, n: usize, chars: &[char], token: (usize, usize), next: Option<char>, flow: &Flow) -> usize {
        let (from, to) = token;
        let whole = token_end(chars, from);
        let open = unbalanced(&chars[from..to]);
        let value = flow.value || flow.brackets.last() == Some(&'[');
        let text = match next {
            Some(',') if value && open => &t::CUT_AT_COMMA,
            Some('{')
                if matches!(
                    chars
                        .get(from..)
                        .and_then(|r| r.iter().position(|c| *c == '{'))
                        .map(|p| from + p + 1)
                        .and_then(|p| chars.get(p)),
                    Some('{' | '%')
                ) =>
            {
                &t::UNQUOTED_TEMPLATE
            }
            Some('[' | '{') if value => &t::CUT_AT_BRACKET,
            Some(':') if flow.value => &t::COLON_IN_PLAIN,
            Some('#') if whole > to && value => {
                let hash = skip(chars, to);
                if !cuts(chars, from, hash, chars.len()) && unbalanced_brackets(&chars[hash..]) >= 0 {
                    return hash;
                }
                let end = last_bracket(chars, flow.brackets.len()).unwrap_or(chars.len());
                self.trap_at(n, chars, (from, trimmed(&chars[..end])), (hash, trimmed(&chars[..end])), &t::HASH_IN_PLAIN);
                return end;
            }
            _ => return to,
        };
        self.trap_at(n, chars, (from, whole), if matches!(next, Some(':')) { (to, to + 1) } else { (from, whole) }, text);
        whole
    }
}

/// Whether a ` #` cuts off text that was meant: it is set off like a word and not like a comment, or the value is left open.
fn cuts(chars: &[char], from: usize, hash: usize, end: usize) -> bool {
    let near = hash >= 2 && !chars[hash - 2].is_whitespace();
    let glued = near && chars.get(hash + 1).is_some_and(|c| !c.is_whitespace() && *c != '#');
    let rest: String = chars[hash..end].iter().collect();
    glued || rest.contains("{{") || rest.contains("}}") || rest.contains("%}") || unbalanced(&chars[from..hash])
}

/// Where the text that a writer meant ends inside brackets: its own brackets and quotes balanced, at a comma or a closing bracket.
fn token_end(chars: &[char], from: usize) -> usize {
    let mut depth = 0i32;
    let mut quote = None;
    for (i, c) in chars.iter().copied().enumerate().skip(from) {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(' | '[' | '{' | '（') => depth += 1,
            (None, ')' | ']' | '}' | '）') if depth > 0 => depth -= 1,
            (None, ']' | '}' | ',') if depth == 0 => return trimmed(&chars[..i]).max(from + 1),
            _ => {}
        }
    }
    trimmed(chars).max(from + 1)
}

/// The text that YAML takes a value's first character for something else.
fn indicator(chars: &[char], from: usize) -> Option<&'static t::Text> {
    Some(match chars[from] {
        '!' => &t::TAG,
        '&' => &t::ANCHOR,
        '*' if chars.get(from + 1) == Some(&'/') || cron(&chars[from..]) => &t::CRON,
        '*' => &t::ALIAS,
        '|' | '>' => &t::BAR,
        '@' | '`' => &t::RESERVED,
        '%' => &t::RESERVED,
        _ => return None,
    })
}

/// `* * * * *`: five fields of a schedule.
fn cron(chars: &[char]) -> bool {
    let text: String = chars.iter().collect();
    text.split_whitespace().count() >= 5 && text.chars().all(|c| c.is_ascii_alphanumeric() || " */,-#".contains(c))
}

/// Whether this is the header of a block scalar: `|`, `>-`, `|2`.
fn header(chars: &[char]) -> bool {
    let text: String = chars.iter().collect();
    let text = text.split(" #").next().unwrap_or("").trim();
    text.len() <= 3 && text[1..].chars().all(|c| "+-123456789".contains(c))
}

/// The column of the colon of the key that starts here, if a key does.
fn key(chars: &[char], from: usize) -> Option<usize> {
    let first = *chars.get(from)?;
    let ends = |i: usize| chars.get(i) == Some(&':') && chars.get(i + 1).is_none_or(|c| c.is_whitespace());
    if matches!(first, '"' | '\'') {
        let colon = skip(chars, close(chars, from + 1, first)? + 1);
        return ends(colon).then_some(colon);
    }
    if matches!(first, '[' | '{' | '#' | '|' | '>') || indicator(chars, from).is_some() {
        return None;
    }
    (from..chars.len()).take_while(|i| !hash(chars, *i)).find(|i| ends(*i))
}

/// Whether a comment begins here.
fn hash(chars: &[char], at: usize) -> bool {
    chars[at] == '#' && at > 0 && chars[at - 1].is_whitespace()
}

/// Where the quote that was opened before `from` is closed.
fn close(chars: &[char], from: usize, quote: char) -> Option<usize> {
    let mut i = from;
    while i < chars.len() {
        match chars[i] {
            '\\' if quote == '"' => i += 1,
            c if c == quote && quote == '\'' && chars.get(i + 1) == Some(&'\'') => i += 1,
            c if c == quote => return Some(i),
            _ => {}
        }
        i += 1;
    }
    None
}

/// Whether a parenthesis or a quote is open at the end.
fn unbalanced(chars: &[char]) -> bool {
    let mut depth = 0i32;
    let mut quote = None;
    for (i, c) in chars.iter().copied().enumerate() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            // An apostrophe inside a word (`don't`) opens nothing.
            (None, '"' | '\'') if i == 0 || !chars[i - 1].is_alphanumeric() => quote = Some(c),
            (None, '(' | '（') => depth += 1,
            (None, ')' | '）') => depth -= 1,
            _ => {}
        }
    }
    depth > 0 || quote.is_some()
}

fn unbalanced_brackets(chars: &[char]) -> i32 {
    chars.iter().map(|c| i32::from(matches!(c, '[' | '{')) - i32::from(matches!(c, ']' | '}'))).sum()
}

/// The column of the closing brackets at the end of the line, at most so many.
fn last_bracket(chars: &[char], most: usize) -> Option<usize> {
    let end = trimmed(chars);
    let run = chars[..end].iter().rev().take_while(|c| matches!(c, ']' | '}' | ' ')).collect::<Vec<_>>();
    let brackets = run.iter().filter(|c| ***c != ' ').count().min(most);
    if brackets == 0 {
        return None;
    }
    let mut left = brackets;
    (0..end).rev().find(|i| {
        if matches!(chars[*i], ']' | '}') {
            left -= 1;
        }
        left == 0
    })
}

fn skip(chars: &[char], from: usize) -> usize {
    from + chars.get(from..).map_or(0, |rest| rest.iter().take_while(|c| matches!(c, ' ' | '\t')).count())
}

fn trimmed(chars: &[char]) -> usize {
    chars.iter().rposition(|c| !c.is_whitespace()).map_or(0, |i| i + 1)
}

fn indent_of(chars: &[char]) -> usize {
    chars.iter().take_while(|c| c.is_whitespace()).count()
}

fn starts(chars: &[char], from: usize, word: &str) -> bool {
    word.chars().enumerate().all(|(i, c)| chars.get(from + i) == Some(&c))
}

/// The value as YAML reads it whole.
fn quoted(raw: &str) -> String {
    if raw.chars().count() > 200 {
        return "'…'".into();
    }
    if raw.contains('\'') && !raw.contains(['"', '\\']) { format!("\"{raw}\"") } else { format!("'{}'", raw.replace('\'', "''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traps(yaml: &str) -> Vec<(&'static str, usize, usize)> {
        let sink = Sink::default();
        scan(&Text::new("x.yaml".into(), yaml, false), 0, &sink);
        sink.take().iter().map(|p| (p.code(), p.position().0, p.position().1)).collect()
    }

    fn check(yaml: &str, code: &str, line: usize, column: usize) {
        assert_eq!(traps(yaml), [(code, line, column)], "{yaml}");
    }

    #[test]
    fn each_trap_is_told() {
        check("if: !is_empty(email) and x", "E020", 1, 5);
        check("- if: &a == 3", "E021", 1, 7);
        check("if: *a == 3", "E022", 1, 5);
        check("if: | x", "E023", 1, 5);
        check("if: > 3", "E023", 1, 5);
        check("log: @x", "E024", 1, 6);
        check("- \"VIP\" == level", "E025", 1, 9);
        check("if: 'VIP' == level", "E025", 1, 11);
        check("{ if: 'VIP' == level, then: x }", "E025", 1, 13);
        check("- [重要] 请", "E026", 1, 8);
        check("text: 注意: 明天", "E027", 1, 9);
        check("{ text: 注意: 明天, who: x }", "E027", 1, 11);
        check("text: 工单 #{{ id }}", "E028", 1, 10);
        check("text: 工单 # {{ id }}", "E028", 1, 10);
        check("if: name == 'a # b'", "E028", 1, 16);
        check("{ text: 工单 #12 }", "E028", 1, 12);
        check("to: {{ email }}", "E029", 1, 5);
        check("- {{ a }} b", "E029", 1, 3);
        check("{ to: {{ email }}, x: y }", "E029", 1, 7);
        check("{ text: 你好 {{ a, b }}, x: y }", "E029", 1, 9);
        check("cron: */5 * * * *", "E02A", 1, 7);
        check("cron: * * * * 1-5", "E02A", 1, 7);
        check("{ cron: */5 * * * *, x: y }", "E02A", 1, 9);
        check("{ if: a in (1, 2), then: x }", "E02B", 1, 7);
        check("{ if: a in ('x', 'y') and b, then: x }", "E02B", 1, 7);
        check("{ text: 见 [1], who: x }", "E02C", 1, 9);
        check("if：amount > 3", "E02D", 1, 3);
        check("a: 1\n客户：b", "E02D", 2, 3);
        check("{ who：x, a: b }", "E02D", 1, 6);
        check("{ a: b， c: d }", "E02E", 1, 7);
        check("[甲，乙]", "E02E", 1, 3);
        check("a:\n　b: c", "E02F", 2, 1);
        check("a:\n\tb: c", "E02G", 2, 1);
        check("a: [ b\nc: d", "E02H", 1, 4);
        check("a: { b: c", "E02H", 1, 4);
    }

    #[test]
    fn good_yaml_is_left_alone() {
        for yaml in [
            "a: b   # comment",
            "a: b # comment: with a colon",
            "a: b  #注释",
            "when: lead.created      # an event name, a list, or `x`",
            "text: \"x # y: z\" # why",
            "text: 你好：世界，再见",
            "text: 第一行\n  注意：明天",
            "{ who: owner, text: 你好，世界 } # c",
            "a: [x, 'y, z', \"{{ b }}\"]",
            "a: [\n  x, # one\n  y,\n]\nb: c",
            "a: { b: [1, { c: d }],\n     e: f }",
            "text: |\n  any: thing # here {{ x }}\n   - \"a\" b\n\n  *x &y\nb: c",
            "- text: >-\n    a: b # c\n  next: x",
            "text: \"two\n  lines: here # x\"\nb: c",
            "cron: \"*/5 * * * *\"",
            "if: level in ('A', 'B') and amount > 1",
            "url: http://x/y#z?a=b",
            "t: don't # fine",
            "- - x\n  - y: z",
            "\"quoted key\": v",
            "'a': \"b\"",
            "text: 100% sure",
            "a: -1\nb: ->\nc: a|b",
            "# only: a comment {{ x }}\n---\na: b",
            "{ a: 'it''s', b: \"q\\\" # x\" }",
            "a: { if: \"a in (1, 2)\", then: [ { tag: x } ] }",
        ] {
            assert_eq!(traps(yaml), [], "{yaml}");
        }
    }
}
