//! YAML as a tree in which every node knows where it stands. Within budgets; duplicate keys, anchors, aliases, merge keys and tags
//! are refused, each in its own words. A syntax error takes out the item it is in, and the rest of the file is still read.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::catalogue as t;
use super::mend::{BROKEN, Mended};
use super::problem::{At, Problem, Sink};
use super::syntax;
use super::text::Text;
use super::trap::{self, MAX_PROBLEMS};

/// Bytes of a file.
pub(super) const MAX_BYTES: u64 = 1 << 20;
/// How deep lists and objects may nest.
const MAX_DEPTH: usize = 64;
/// Scalars, lists and objects of a file.
const MAX_NODES: usize = 200_000;
/// How often a file is read again with another item taken out.
const MAX_ROUNDS: usize = 50;

/// A node and where it stands.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) at: At,
    pub(super) kind: Kind,
}

/// What a node is.
#[derive(Clone)]
pub(super) enum Kind {
    /// Text, and how it is written.
    Scalar(String, Style),
    /// A list.
    Seq(Vec<Node>),
    /// An object.
    Map(Vec<Entry>),
    /// A key or dash with nothing behind it.
    Empty,
    /// Told to be wrong already, or not known (`--no-environment`): nothing more is said about it.
    Broken,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// As it is: may be a number or true or false.
    Plain,
    /// `'…'`
    Single,
    /// `"…"`
    Double,
    /// `|`
    Literal,
    /// `>`
    Folded,
    /// `${env:…}` was in it: never to be shown.
    Resolved,
}

/// A key and its value.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) at: At,
    pub(super) key: String,
    pub(super) value: Node,
}

/// Shows no text: it may be a secret.
impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Node({}:{})", self.at.line, self.at.col + 1)
    }
}

impl Node {
    pub(super) fn broken(at: At) -> Self {
        Self { at, kind: Kind::Broken }
    }

    /// The entries, if it is an object.
    pub(super) fn entries(&self) -> &[Entry] {
        if let Kind::Map(entries) = &self.kind { entries } else { &[] }
    }

    /// The items, if it is a list.
    pub(super) fn items(&self) -> &[Node] {
        if let Kind::Seq(items) = &self.kind { items } else { &[] }
    }

    /// The items of a list, or the one value that stands for a list of one.
    pub(super) fn one_or_more(&self) -> &[Node] {
        if let Kind::Seq(items) = &self.kind { items } else { std::slice::from_ref(self) }
    }

    /// The value under a key.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|e| e.key == key).map(|e| &e.value)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The text, if it is a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        if let Kind::Scalar(text, _) = &self.kind { Some(text) } else { None }
    }

    /// The text under a key.
    pub(super) fn text_at(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    pub(super) fn is_broken(&self) -> bool {
        matches!(self.kind, Kind::Broken)
    }

    /// Its text in one form, without comments, blanks and order of keys: what digests are made over.
    pub(super) fn canonical(&self, out: &mut String) {
        match &self.kind {
            Kind::Scalar(text, Style::Plain) => out.push_str(&format!("p{text:?}")),
            Kind::Scalar(text, _) => out.push_str(&format!("q{text:?}")),
            Kind::Seq(items) => {
                out.push('[');
                for item in items {
                    item.canonical(out);
                    out.push(',');
                }
                out.push(']');
            }
            Kind::Map(entries) => {
                let mut entries: Vec<&Entry> = entries.iter().collect();
                entries.sort_by(|a, b| a.key.cmp(&b.key));
                out.push('{');
                for entry in entries {
                    out.push_str(&format!("{:?}:", entry.key));
                    entry.value.canonical(out);
                    out.push(',');
                }
                out.push('}');
            }
            Kind::Empty | Kind::Broken => out.push('~'),
        }
    }
}

/// Nothing of the file could be read.
#[derive(Debug)]
pub(super) struct Lost;

/// Reads a file: its one document, if it is not empty, and whether every item of it is there. All problems go to the sink.
pub(super) fn read(text: &Text, file: usize, sink: &Sink) -> Result<(Option<Node>, bool), Lost> {
    let mut mended = trap::scan(text, file, sink).ok_or(Lost)?;
    let mut recovery = syntax::Recovery::default();
    for _ in 0..MAX_ROUNDS {
        let source = mended.text();
        // What is found on the way is told only for the round that gets through: the others would tell it again.
        let found = Sink::default();
        let mut build = Build { file, sink: &found, mended: &mended, nodes: 0, parser: Parser::new_from_str(&source) };
        match build.document() {
            Ok(node) => {
                found.take().into_iter().for_each(|p| sink.add(p));
                return Ok((node, recovery.whole()));
            }
            Err(Stop::Told(problem)) => {
                found.take().into_iter().for_each(|p| sink.add(p));
                sink.add(*problem);
                return Err(Lost);
            }
            Err(Stop::Syntax(error)) => {
                if !recovery.take_out(&error, text, file, &mut mended, sink) {
                    return Err(Lost);
                }
            }
        }
    }
    Err(Lost)
}

/// Why no tree came of it.
enum Stop {
    /// Told in our own words.
    Told(Box<Problem>),
    /// The parser's.
    Syntax(ScanError),
}

struct Build<'a, 'b> {
    file: usize,
    sink: &'b Sink,
    mended: &'b Mended,
    nodes: usize,
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
}

impl<'a> Build<'a, '_> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Stop> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(Stop::Syntax(error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn at(&self, span: Span) -> At {
        let (line, col) = self.mended.place(span.start.line().max(1) - 1, span.start.col());
        let (last, end) = self.mended.place(span.end.line().max(1) - 1, span.end.col());
        let end = if last == line { end } else { self.mended.place(span.start.line().max(1) - 1, usize::MAX / 4).1 };
        At { file: self.file, line: line + 1, col, width: end.saturating_sub(col).max(1) }
    }

    fn document(&mut self) -> Result<Option<Node>, Stop> {
        let mut root = None;
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(root),
                (Event::DocumentStart(_), span) if root.is_some() => {
                    return Err(Stop::Told(Box::new(Problem::new(self.at(span), t::SECOND_DOCUMENT.with([])))));
                }
                (Event::DocumentStart(_), _) => {
                    let (event, span) = self.next()?;
                    root = Some(self.node(event, span, 0)?);
                }
                _ => {}
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Stop> {
        let at = self.at(span);
        self.nodes += 1;
        if depth > MAX_DEPTH {
            return Err(Stop::Told(Box::new(Problem::new(at, t::TOO_DEEP.with([MAX_DEPTH.to_string().into()])))));
        }
        if self.sink.len() > MAX_PROBLEMS {
            return Err(Stop::Told(Box::new(Problem::new(at, t::TOO_MANY_PROBLEMS.with([MAX_PROBLEMS.to_string().into()])))));
        }
        if self.nodes > MAX_NODES {
            return Err(Stop::Told(Box::new(Problem::new(at, t::TOO_MANY_NODES.with([MAX_NODES.to_string().into()])))));
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if self.decorated(at, anchor, tag.as_deref()) {
                    return Ok(Node::broken(at));
                }
                Ok(Node { at, kind: scalar(text.into_owned(), style) })
            }
            Event::SequenceStart(anchor, tag) => {
                let decorated = self.decorated(at, anchor, tag.as_deref());
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, end) => return Ok(close(at, end, decorated, Kind::Seq(items))),
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(anchor, tag) => {
                let decorated = self.decorated(at, anchor, tag.as_deref());
                self.mapping(at, decorated, depth)
            }
            Event::Alias(_) => {
                self.sink.add(Problem::new(at, t::ALIAS.with(["*".into()])));
                Ok(Node::broken(at))
            }
            _ => Ok(Node { at, kind: Kind::Empty }),
        }
    }

    fn mapping(&mut self, at: At, decorated: bool, depth: usize) -> Result<Node, Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen: HashMap<String, At> = HashMap::new();
        let mut broken = decorated;
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(close(at, span, broken, Kind::Map(entries)));
            }
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let mut value = self.node(event, span, depth + 1)?;
            if matches!(value.kind, Kind::Empty) {
                value.at = key.at; // an empty value stands at its key
            }
            let name = match key.kind {
                Kind::Scalar(name, _) => name,
                Kind::Broken => {
                    broken = true;
                    continue;
                }
                _ => {
                    self.sink.add(Problem::new(key.at, t::KEY_IS_NO_TEXT.with([])));
                    broken = true;
                    continue;
                }
            };
            if name == "<<" {
                self.sink.add(Problem::new(key.at, t::MERGE_KEY.with([])).help(t::MERGE_HELP.with([])));
                continue;
            }
            if let Some(first) = seen.get(&name) {
                self.sink.add(
                    Problem::new(key.at, t::DUPLICATE_KEY.with([name.as_str().into()])).also(*first, t::FIRST_HERE.with([])),
                );
            } else {
                seen.insert(name.clone(), key.at);
            }
            // The second one is kept as well: what is wrong in it is to be told in the same run.
            entries.push(Entry { at: key.at, key: name, value });
        }
    }

    /// Tags and anchors, which the trap scan does not see where a block collection carries them.
    fn decorated(&self, at: At, anchor: usize, tag: Option<&Tag>) -> bool {
        if let Some(tag) = tag {
            self.sink.add(Problem::new(at, t::TAG.with([format!("{}{}", tag.handle, tag.suffix).into()])));
        }
        if anchor != 0 {
            self.sink.add(Problem::new(at, t::ANCHOR.with(["&".into()])));
        }
        tag.is_some() || anchor != 0
    }
}

fn close(at: At, end: Span, broken: bool, kind: Kind) -> Node {
    let _ = end;
    Node { at, kind: if broken { Kind::Broken } else { kind } }
}

fn scalar(text: String, style: ScalarStyle) -> Kind {
    let style = match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::Single,
        ScalarStyle::DoubleQuoted => Style::Double,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
    };
    match style {
        Style::Plain if text.is_empty() => Kind::Empty,
        Style::Plain if text.contains(BROKEN) => Kind::Broken,
        _ => Kind::Scalar(text, style),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problem::Lang;

    /// The codes and positions of what is wrong in a text, and whether a tree came of it.
    fn check(yaml: &str, expect: &[(&str, usize, usize)]) -> Option<Node> {
        let sink = Sink::default();
        let node = read(&Text::new("x.yaml".into(), yaml, false), 0, &sink).ok().and_then(|(node, _)| node);
        let got: Vec<_> = sink.take().iter().map(|p| (p.message(Lang::En), p.code(), p.position().0, p.position().1)).collect();
        let short: Vec<_> = got.iter().map(|(_, code, line, col)| (*code, *line, *col)).collect();
        let shown: String = yaml.chars().take(200).collect();
        assert_eq!(short, expect, "{shown}\n{got:?}");
        node
    }

    #[test]
    fn positions_are_characters() {
        let node = check("规则:\n  - { 名: 张三, x: [1, 2] }\n", &[]).unwrap();
        let item = &node.get("规则").unwrap().items()[0];
        assert_eq!((item.get("名").unwrap().at.line, item.get("名").unwrap().at.col), (2, 9));
        assert_eq!(item.get("x").unwrap().items()[1].at.col, 20);
    }

    #[test]
    fn refuses_what_it_must() {
        check("a: 1\na: 2\n", &[("E010", 2, 1)]);
        check("a: &x [1]\n", &[("E021", 1, 4)]);
        check("<<: { a: b }\n", &[("E011", 1, 1)]);
        check("a: b\n---\nc: d\n", &[("E012", 2, 1)]);
        check("? [a]\n: b\n", &[("E013", 1, 3)]);
        let deep = format!("a: {}", "[".repeat(200));
        let sink = Sink::default();
        assert!(read(&Text::new("x".into(), &deep, false), 0, &sink).is_ok());
        assert!(!sink.is_empty());
        let many = format!("a: [{}1]", "1,".repeat(MAX_NODES));
        check(&many, &[("E015", 1, 399_999)]);
    }

    #[test]
    fn a_syntax_error_takes_only_its_item_with_it() {
        let node = check("rules:\n  a:\n    if: x\n     then: y\n  b:\n    when: z\n", &[("E001", 4, 10)]).unwrap();
        let rules = node.get("rules").unwrap();
        assert!(rules.get("a").unwrap().is_broken());
        assert_eq!(rules.get("b").unwrap().text_at("when"), Some("z"));
    }

    proptest::proptest! {
        /// Whatever stands in a file: it is read or told, and every place that is told is in the file.
        #[test]
        fn any_text_is_read_or_told(parts in proptest::collection::vec(proptest::sample::select(vec![
            "a: ", "- ", "\n", "\n  ", "\n    ", "{ ", " }", "[", "]", ", ", "\"", "'", "{{ x }}", "# ", " #x", "!t ", "&a ", "*a ", "|\n", "> ",
            "：", "，", "\t", "\u{3000}", "客户", "b", ": ", "if: ", "(", ")", "\\", "<<: ", "? ", "---\n", "%", "@", "\r\n", "\u{feff}", "~",
        ]), 0..40)) {
            let text = Text::new("x.yaml".into(), &parts.concat(), false);
            let sink = Sink::default();
            let read = read(&text, 0, &sink);
            proptest::prop_assert!(read.is_ok() || !sink.is_empty());
            for problem in sink.take() {
                let (line, column) = problem.position();
                let chars = text.lines.get(line.saturating_sub(1)).map_or(0, |l| l.chars().count());
                proptest::prop_assert!(line <= text.lines.len().max(1) && column <= chars + 1, "{}:{} {}", line, column, problem.message(Lang::En));
            }
            if let Ok((Some(root), ..)) = read {
                proptest::prop_assert_eq!(beyond(&text, &root), None);
            }
        }
    }

    /// A node whose mark reaches over the end of its line.
    fn beyond(text: &Text, node: &Node) -> Option<At> {
        let chars = text.lines.get(node.at.line - 1).map_or(0, |l| l.chars().count());
        if node.at.width > 1 && node.at.col + node.at.width > chars {
            return Some(node.at);
        }
        match &node.kind {
            Kind::Map(entries) => entries.iter().find_map(|entry| beyond(text, &entry.value)),
            Kind::Seq(items) => items.iter().find_map(|item| beyond(text, item)),
            _ => None,
        }
    }
}
