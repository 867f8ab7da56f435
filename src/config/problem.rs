//! Problems of the YAML: where each is, what is wrong in two languages, what would be right; and the report of all of them.

use std::cell::RefCell;
use std::fmt::Write as _;

use serde_json::{Value, json};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::catalogue::{FILES, FILES_ONE, HELP, LITERAL_SECRET, MORE_PROBLEMS, PROBLEM, PROBLEMS, Text};
use super::text::Text as Source;

/// The language of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Chinese.
    Zh,
}

impl Lang {
    /// The language a locale (`zh_CN.UTF-8`) or a `lang:` asks for.
    pub fn of(locale: &str) -> Self {
        if locale.to_ascii_lowercase().starts_with("zh") { Self::Zh } else { Self::En }
    }

    /// `en`, `zh`.
    pub fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh",
        }
    }
}

/// A place in a file: some characters of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct At {
    /// Which file, by its number in the load.
    pub(super) file: usize,
    /// From 1; 0: the file as a whole.
    pub(super) line: usize,
    /// In characters, from 0.
    pub(super) col: usize,
    /// In characters; clipped to the line when shown.
    pub(super) width: usize,
}

/// A text of the catalogue with what goes into its gaps.
#[derive(Debug, Clone)]
pub(super) enum Said {
    /// Of the catalogue.
    Text(&'static Text, Vec<Arg>),
    /// A word of the grammar, in English and Chinese.
    Word(&'static str, &'static str),
    /// The same in every language: a name, what somebody wrote.
    Same(String),
}

/// What goes into a gap.
#[derive(Debug, Clone)]
pub(super) enum Arg {
    /// As it stands.
    Plain(String),
    /// Itself in the reader's language.
    Said(Said),
}

impl From<String> for Arg {
    fn from(t: String) -> Self {
        Self::Plain(t)
    }
}
impl From<&str> for Arg {
    fn from(t: &str) -> Self {
        Self::Plain(t.to_owned())
    }
}
impl From<&'static Text> for Arg {
    fn from(t: &'static Text) -> Self {
        Self::Said(t.with([]))
    }
}
impl From<Said> for Arg {
    fn from(said: Said) -> Self {
        Self::Said(said)
    }
}

impl Said {
    /// In a language.
    pub(super) fn text(&self, lang: Lang) -> String {
        let (text, args) = match self {
            Self::Text(text, args) => (text, args),
            Self::Word(en, zh) => return if lang == Lang::Zh { zh } else { en }.to_string(),
            Self::Same(text) => return text.clone(),
        };
        let mut out = if lang == Lang::Zh { text.zh } else { text.en }.to_owned();
        // From the last gap to the first, so that an argument that looks like a gap is left alone.
        let mut gaps: Vec<(usize, usize)> = (0..args.len())
            .flat_map(|n| out.match_indices(&format!("{{{n}}}")).map(|(at, _)| (at, n)).collect::<Vec<_>>())
            .collect();
        gaps.sort_unstable();
        for (at, n) in gaps.into_iter().rev() {
            let value = match &args[n] {
                Arg::Plain(t) => t.clone(),
                Arg::Said(said) => said.text(lang),
            };
            out.replace_range(at..at + 2 + n.to_string().len(), &value);
        }
        if lang == Lang::Zh { spaced(&out) } else { out }
    }
}

/// With a blank between Chinese characters and `code`, as Chinese typesetting has it.
fn spaced(text: &str) -> String {
    let ideograph = |c: Option<char>| c.is_some_and(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    let mut out = String::with_capacity(text.len());
    let mut code = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '`' && !code && ideograph(out.chars().next_back()) {
            out.push(' ');
        }
        out.push(c);
        if c == '`' {
            code = !code;
            if !code && ideograph(chars.peek().copied()) {
                out.push(' ');
            }
        }
    }
    out
}

impl Text {
    /// With its gaps filled.
    pub(super) fn with<const N: usize>(&'static self, args: [Arg; N]) -> Said {
        Said::Text(self, args.into())
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub struct Problem {
    at: At,
    what: Said,
    help: Vec<Said>,
    /// Another place that matters, with why.
    also: Option<(At, Said)>,
}

impl Problem {
    pub(super) fn new(at: At, what: Said) -> Self {
        Self { at, what, help: Vec::new(), also: None }
    }

    pub(super) fn help(mut self, help: impl Into<Option<Said>>) -> Self {
        self.help.extend(help.into());
        self
    }

    pub(super) fn also(mut self, at: At, why: Said) -> Self {
        self.also = Some((at, why));
        self
    }

    /// Its code: `E012`.
    pub fn code(&self) -> &'static str {
        if let Said::Text(text, _) = &self.what { text.code } else { "" }
    }

    /// Line from 1 (0: the whole file) and column from 1, in characters.
    pub fn position(&self) -> (usize, usize) {
        (self.at.line, self.at.col + 1)
    }

    /// What is wrong, without place and help.
    pub fn message(&self, lang: Lang) -> String {
        self.what.text(lang)
    }
}

/// Where problems are gathered. Shared by everything that reads, so that nothing has to stop at the first.
#[derive(Debug, Default)]
pub(super) struct Sink(RefCell<Vec<Problem>>);

impl Sink {
    pub(super) fn add(&self, problem: Problem) {
        self.0.borrow_mut().push(problem);
    }

    pub(super) fn say<const N: usize>(&self, at: At, text: &'static Text, args: [Arg; N]) {
        self.add(Problem::new(at, text.with(args)));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    pub(super) fn take(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// So many problems are told; a reload that fails keeps them in the store.
const MOST: usize = 1_000;

/// Every problem of a load, by file and position.
#[derive(Debug)]
pub struct Report {
    /// By file and position.
    pub problems: Vec<Problem>,
    /// The language in force, as far as could be told.
    pub lang: Lang,
    sources: Vec<Source>,
}

impl Report {
    pub(super) fn new(mut problems: Vec<Problem>, lang: Lang, mut sources: Vec<Source>) -> Self {
        problems.sort_by(|a, b| (&sources[a.at.file].name, a.at).cmp(&(&sources[b.at.file].name, b.at)));
        // What is compiled in several places, as the steps of a called flow are, is told once.
        let mut told = std::collections::HashSet::new();
        problems.retain(|p| told.insert((p.at.file, p.at.line, p.at.col, p.code(), p.message(Lang::En))));
        for problem in problems.iter().filter(|p| p.code() == LITERAL_SECRET.code) {
            sources[problem.at.file].hidden.push((problem.at.line, problem.at.col, problem.at.width));
        }
        let more = problems.len().saturating_sub(MOST);
        if let Some(at) = problems.get(MOST).map(|p| p.at) {
            problems.truncate(MOST);
            problems.push(Problem::new(at, MORE_PROBLEMS.with([more.to_string().into()])));
        }
        Self { problems, lang, sources }
    }

    /// As the compiler of this language writes it, with the line itself and a caret.
    pub fn render(&self, lang: Lang, colour: bool) -> String {
        let paint = Paint { colour };
        let mut out = String::new();
        for problem in &self.problems {
            let kind = if lang == Lang::Zh { "错误" } else { "error" };
            let head = paint.red(&format!("{kind}[{}]", problem.code()));
            let _ = writeln!(out, "{head}{}", paint.bold(&format!(": {}", problem.message(lang))));
            self.place(&mut out, problem.at, '^', "", paint);
            if let Some((at, why)) = &problem.also {
                self.place(&mut out, *at, '-', &why.text(lang), paint);
            }
            let gutter = " ".repeat(problem.at.line.to_string().len());
            for help in &problem.help {
                let label = HELP.with([]).text(lang);
                let _ = writeln!(out, "{gutter} {} {label}: {}", paint.blue("="), help.text(lang));
            }
            out.push('\n');
        }
        out.push_str(&paint.bold(&self.summary(lang)));
        out.push('\n');
        out
    }

    /// `3 problems in 2 files`.
    pub fn summary(&self, lang: Lang) -> String {
        let mut files: Vec<usize> = self.problems.iter().map(|p| p.at.file).collect();
        files.sort_unstable();
        files.dedup();
        let count = |n: usize, one: &'static Text, many: &'static Text| {
            (if n == 1 { one } else { many }).with([n.to_string().into()]).text(lang)
        };
        format!("{}{}", count(self.problems.len(), &PROBLEM, &PROBLEMS), count(files.len(), &FILES_ONE, &FILES))
    }

    /// The same for programs; positions from 1, in characters.
    pub fn to_json(&self, lang: Lang) -> Value {
        let problems: Vec<Value> = self.problems.iter().map(|p| self.problem_json(p, lang)).collect();
        json!({ "problems": problems, "summary": self.summary(lang) })
    }

    fn problem_json(&self, problem: &Problem, lang: Lang) -> Value {
        let place =
            |at: At| json!({ "file": self.sources[at.file].name, "line": at.line, "column": at.col + 1, "width": at.width });
        let mut value = json!({
            "code": problem.code(),
            "message": problem.message(lang),
            "help": problem.help.iter().map(|h| h.text(lang)).collect::<Vec<_>>(),
            "at": place(problem.at),
        });
        if let Some((at, why)) = &problem.also {
            value["also"] = json!({ "message": why.text(lang), "at": place(*at) });
        }
        value
    }

    fn place(&self, out: &mut String, at: At, mark: char, label: &str, paint: Paint) {
        let source = &self.sources[at.file];
        let gutter = " ".repeat(at.line.to_string().len());
        let arrow = paint.blue(if mark == '^' { "-->" } else { ":::" });
        if at.line == 0 {
            let _ = writeln!(out, "{gutter}{arrow} {}", source.name);
            return;
        }
        let _ = writeln!(out, "{gutter}{arrow} {}:{}:{}", source.name, at.line, at.col + 1);
        let Some(line) = source.shown(at.line) else { return };
        let (clip, lead, marked) = underline(&line, at);
        let bar = paint.blue("|");
        let _ = writeln!(out, "{gutter} {bar}");
        let _ = writeln!(out, "{} {bar} {clip}", paint.blue(&at.line.to_string()));
        let label = if label.is_empty() { String::new() } else { format!(" {label}") };
        let marks = mark.to_string().repeat(marked);
        let _ = writeln!(out, "{gutter} {bar} {}{}", " ".repeat(lead), paint.red(&format!("{marks}{label}")));
    }
}

/// The widest line that is shown whole; of a longer one the part around the mark.
const SHOWN: usize = 160;

/// The part of the line that is shown, and how many cells stand before the mark and under it.
fn underline(line: &str, at: At) -> (String, usize, usize) {
    let long = line.chars().nth(SHOWN).is_some();
    let from = if long { at.col.saturating_sub(SHOWN / 2) } else { 0 };
    let mut rest = line.chars().skip(from);
    let chars: Vec<char> = rest.by_ref().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let col = (at.col - from.min(at.col)).min(chars.len());
    let end = (col + at.width.max(1)).min(chars.len());
    let cells = |part: &[char]| part.iter().map(|c| c.width().unwrap_or(0)).sum::<usize>();
    let mut shown: String = chars.iter().collect();
    let mut lead = cells(&chars[..col]);
    if from > 0 {
        shown.insert(0, '…');
        lead += UnicodeWidthStr::width("…");
    }
    if rest.next().is_some() {
        shown.push('…');
    }
    (shown, lead, cells(&chars[col..end.max(col)]).max(1))
}

#[derive(Clone, Copy)]
struct Paint {
    colour: bool,
}

impl Paint {
    fn red(self, text: &str) -> String {
        self.with("\x1b[1;31m", text)
    }
    fn blue(self, text: &str) -> String {
        self.with("\x1b[1;34m", text)
    }
    fn bold(self, text: &str) -> String {
        self.with("\x1b[1m", text)
    }
    fn with(self, code: &str, text: &str) -> String {
        if self.colour { format!("{code}{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, col: usize, width: usize, expect: (usize, usize)) {
        let (_, lead, marked) = underline(line, At { file: 0, line: 1, col, width });
        assert_eq!((lead, marked), expect, "{line}");
    }

    #[test]
    fn the_caret_stands_under_the_characters() {
        check("if: amount > 3", 4, 6, (4, 6));
        check("来源: 官网", 4, 2, (6, 4)); // Chinese characters are two cells wide
        check("a: b", 9, 3, (4, 1)); // beyond the line: behind it
        check("a:\tb", 3, 1, (3, 1)); // a tab is shown as one blank
        let long = "x".repeat(500);
        check(&long, 400, 3, (81, 3)); // clipped: 80 before it and the ellipsis
    }
}
