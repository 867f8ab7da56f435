//! Traps inside `[ ]` and `{ }`, where commas, brackets and colons end a value that has no quotes.

use super::super::catalogue as t;
use super::super::problem::Problem;
use super::chars::{
    close, cuts, glued_colon, hash, indicator, last_bracket, skip, token_end, trimmed, unbalanced, unbalanced_brackets,
};
use super::{Scan, State};

/// An open flow collection.
#[derive(Clone)]
pub(super) struct Flow {
    /// Line (from 0), column and indentation of where it began.
    pub(super) opened: (usize, usize, usize),
    /// Its brackets, outermost first.
    pub(super) brackets: Vec<char>,
    /// Whether the value of an entry has begun (behind its colon).
    pub(super) value: bool,
    /// A quoted text goes on on the next line: its quote, line and column.
    pub(super) quote: Option<(char, usize, usize)>,
}

impl Flow {
    /// What is open: the quote, or else the outermost bracket.
    pub(super) fn open_at(&self) -> (usize, usize) {
        self.quote.map_or((self.opened.0, self.opened.1), |(_, line, col)| (line, col))
    }
}

impl Scan<'_> {
    /// Inside `[ ]` or `{ }`, from a column to the end of the line.
    pub(super) fn flow(&mut self, n: usize, chars: &[char], from: usize, mut flow: Flow) {
        let mut at = from;
        if let Some(quote) = flow.quote.take() {
            match close(chars, 0, quote.0) {
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
                    Some(end) => {
                        at = self.after_flow_quote(n, chars, at, end);
                        flow.value &= chars.get(at - 1) != Some(&'，');
                    }
                    None => {
                        flow.quote = Some((c, n, at));
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
            Some('，') => {
                let text: String = chars[from..=end].iter().collect();
                let problem = Problem::new(self.at(n, next, next + 1), t::FULL_WIDTH_COMMA.with([]));
                self.sink.add(problem.help(t::WRITE_INSTEAD.with([format!("{text}, ").into()])));
                self.mended.replace(n, next, next + 1, ", ");
                next + 1
            }
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
        if in_map
            && !flow.value
            && next != Some(':')
            && let Some(colon) = glued_colon(chars, from, token_to)
        {
            self.tell_glued(n, chars, from, colon, token_to);
            flow.value = true;
            return colon + 1;
        }
        self.flow_cut(n, chars, (from, token_to), next, flow)
    }

    /// A plain value inside brackets that a comma, a bracket, a colon or a `#` ends too early.
    fn flow_cut(&mut self, n: usize, chars: &[char], token: (usize, usize), next: Option<char>, flow: &Flow) -> usize {
        let (from, to) = token;
        // Asked for only where something is wrong: it looks at all of the line, which may be long and hold many values.
        let whole = || token_end(chars, from);
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
            Some('#') if value && whole() > to => {
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
        let whole = whole();
        self.trap_at(n, chars, (from, whole), if matches!(next, Some(':')) { (to, to + 1) } else { (from, whole) }, text);
        whole
    }
}
