//! What is said about text that is no YAML at all, and how the rest of the file is read nevertheless: the item with the error is
//! taken out, and the file is read again.

use saphyr_parser::ScanError;

use super::catalogue as t;
use super::mend::{BROKEN, Mended};
use super::problem::{At, Problem, Sink};
use super::text::Text;

/// Which items were taken out so far.
#[derive(Default)]
pub(super) struct Recovery {
    /// First and last line (from 0, last excluded).
    taken: Vec<(usize, usize)>,
    /// Something was taken out whose name is not known.
    nameless: bool,
}

impl Recovery {
    /// Whether every item is still there by name.
    pub(super) fn whole(&self) -> bool {
        !self.nameless
    }

    /// Tells about an error and takes its item out; `false` if nothing is left to take out.
    pub(super) fn take_out(&mut self, error: &ScanError, text: &Text, file: usize, mended: &mut Mended, sink: &Sink) -> bool {
        let line = (error.marker().line().max(1) - 1).min(mended.len().saturating_sub(1));
        if mended.len() == 0 {
            return false;
        }
        // An error right behind what was just taken out comes from before it: the one in front goes too, nothing more is said.
        let after = self.taken.iter().find(|(from, to)| (*from..=*to).contains(&line)).copied();
        let range = match after {
            Some((from, _)) if from > 0 => item(mended, from - 1),
            Some(_) => return false,
            None => {
                let (_, col) = mended.place(error.marker().line().max(1) - 1, error.marker().col());
                sink.add(describe(error, At { file, line: line + 1, col, width: 1 }, text));
                item(mended, line)
            }
        };
        if self.taken.contains(&range) {
            return false;
        }
        let head = mended.line(range.0);
        let indent = head.len() - head.trim_start().len();
        let name: String = head.trim_start().split(": ").next().unwrap_or("").trim_end_matches(':').to_owned();
        let keeps = indent > 0 && !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
        for line in range.0..range.1 {
            mended.empty(line);
        }
        if keeps {
            mended.put(range.0, format!("{}{name}: {BROKEN}", " ".repeat(indent)));
        }
        self.nameless |= !keeps;
        self.taken.push(range);
        true
    }
}

/// The lines of the item (`  rule-id:` and what is below it) that this line is in; without one, the line itself.
fn item(mended: &Mended, line: usize) -> (usize, usize) {
    let indent = |n: usize| {
        let text = mended.line(n);
        let trimmed = text.trim_start();
        (!trimmed.is_empty() && !trimmed.starts_with('#')).then(|| text.len() - trimmed.len())
    };
    // The top-level key above, and the indentation of the first item below it.
    let top = (0..=line).rev().find(|n| indent(*n) == Some(0));
    let Some(top) = top.filter(|top| *top < line) else { return (line, line + 1) };
    let Some(depth) = (top + 1..=line).find_map(indent) else { return (line, line + 1) };
    let start = (top + 1..=line).rev().find(|n| indent(*n).is_some_and(|i| i <= depth)).unwrap_or(line);
    let end = (start + 1..mended.len()).find(|n| indent(*n).is_some_and(|i| i <= depth)).unwrap_or(mended.len());
    (start, end.max(line + 1))
}

/// The parser's words, or kinder ones where it is clear what happened.
fn describe(error: &ScanError, at: At, text: &Text) -> Problem {
    let info = error.info();
    let line = text.lines.get(at.line - 1).map_or("", String::as_str);
    let before = at.line.checked_sub(2).and_then(|n| text.lines.get(n)).map_or("", String::as_str);
    let wide = |l: &str| l.chars().position(|c| c == '：');
    for (number, text) in [(at.line, line), (at.line.saturating_sub(1), before)] {
        if let Some(col) = wide(text).filter(|_| !text.contains(": ")) {
            let key: String = text.chars().take(col).collect();
            return Problem::new(At { line: number, col, ..at }, t::FULL_WIDTH_COLON.with([key.trim().into()]))
                .help(t::WRITE_INSTEAD.with([text.trim().replacen('：', ": ", 1).into()]));
        }
    }
    // `five` on a line of its own, and deeper lines below it.
    let word = before.trim();
    let indent = |l: &str| l.len() - l.trim_start().len();
    let bare = !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "_-".contains(c)) && !word.starts_with('-');
    if bare && line.contains(':') && indent(line) > indent(before) {
        let at = At { line: at.line - 1, col: indent(before), width: word.chars().count(), ..at };
        return Problem::new(at, t::SYNTAX.with([t::SYNTAX_NO_COLON.with([word.into()]).into()]))
            .help(t::WRITE_INSTEAD.with([format!("{word}:").into()]));
    }
    if info.contains("mapping values are not allowed") {
        return Problem::new(at, t::SYNTAX.with([(&t::SYNTAX_COLON).into()])).help(t::SYNTAX_COLON_HELP.with([]));
    }
    if info.contains("tab") {
        return Problem::new(at, t::TAB.with([])).help(t::INDENT_HELP.with([]));
    }
    if info.contains("quoted scalar") || info.contains("unexpected end of stream") {
        return Problem::new(at, t::SYNTAX.with([(&t::SYNTAX_QUOTE).into()]));
    }
    if info.contains("expected key")
        || info.contains("'-' indicator")
        || info.contains("simple key expect")
        || info.contains("block")
    {
        return Problem::new(at, t::SYNTAX.with([(&t::SYNTAX_INDENT).into()])).help(t::SYNTAX_INDENT_HELP.with([]));
    }
    if info.contains("',' or") {
        return Problem::new(at, t::SYNTAX.with([(&t::SYNTAX_FLOW).into()])).help(t::SYNTAX_FLOW_HELP.with([]));
    }
    Problem::new(at, t::SYNTAX.with([info.into()]))
}
