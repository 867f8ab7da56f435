//! The shapes that YAML may have: one table drives unknown keys, kinds of values, what is required, and the JSON Schema.
//!
//! Validates only; what passes here can be read by the compilers without another word about its shape.

use super::catalogue as t;
use super::hours;
use super::problem::{At, Problem, Said, Sink};
use super::scalar;
use super::text::Text;
use super::tree::{Entry, Kind, Node, Style};

/// What may stand somewhere.
pub(super) enum Shape {
    /// A scalar; may be a template.
    Text,
    /// A scalar that names something.
    Name,
    /// A condition.
    Condition,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Bool,
    /// A whole number in this range.
    Count(i64, i64),
    /// `2d`
    Duration,
    /// `3 months`, `8 working hours`
    Span,
    /// `20/1m`
    Rate,
    /// `20GB`
    Size,
    /// `127.0.0.1:8780`
    Address,
    /// `10.0.0.0/8`
    Network,
    /// `Asia/Shanghai`
    Zone,
    /// `09:00-12:00`
    Hours,
    /// `2026-10-01` or `2026-10-01..2026-10-07`
    Days,
    /// `http://…` or `https://…`
    Url,
    /// A text that may only come from the environment or a file.
    Secret,
    /// Any value: a term.
    Any,
    /// A list.
    List(&'static Shape),
    /// A list, or one item for a list of one.
    OneOrMore(&'static Shape),
    /// An object with keys of the writer's choice.
    Map(&'static Shape),
    /// An object with ids as keys.
    Ids(&'static Shape),
    /// An object with these keys.
    Keys(&'static Keys),
    /// A scalar of the first shape, or else the second.
    ScalarOr(&'static Shape, &'static Shape),
    /// A list of the first shape, or else the second.
    ListOr(&'static Shape, &'static Shape),
    /// The first shape if an object has any of the keys, or else the second.
    With(&'static [&'static str], &'static Shape, &'static Shape),
}

/// An object with keys of a fixed choice.
pub(super) struct Keys {
    /// What it is, in messages and the schema.
    pub(super) what: &'static (&'static str, &'static str),
    /// Its keys; several tables, so that they can be shared.
    pub(super) keys: &'static [&'static [Key]],
    /// Of each group exactly one key must be there.
    pub(super) one_of: &'static [&'static [&'static str]],
    /// Words of later versions.
    pub(super) later: &'static [&'static str],
}

/// A key.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) required: bool,
    pub(super) shape: Shape,
    /// What it is for, in English and Chinese.
    pub(super) doc: (&'static str, &'static str),
}

/// A key that may be left out.
pub(super) const fn may(name: &'static str, shape: Shape, en: &'static str, zh: &'static str) -> Key {
    Key { name, required: false, shape, doc: (en, zh) }
}

/// A key that must be there.
pub(super) const fn must(name: &'static str, shape: Shape, en: &'static str, zh: &'static str) -> Key {
    Key { name, required: true, shape, doc: (en, zh) }
}

impl Keys {
    pub(super) fn all(&self) -> impl Iterator<Item = &'static Key> {
        self.keys.iter().flat_map(|table| table.iter())
    }

    fn find(&self, name: &str) -> Option<&'static Key> {
        self.all().find(|k| k.name == name)
    }

    fn said(&self) -> Said {
        said(self.what)
    }
}

/// A word in both languages as an argument of a message.
pub(super) fn said(word: &(&'static str, &'static str)) -> Said {
    Said::Word(word.0, word.1)
}

/// Checks a tree against a shape; everything that does not fit goes to the sink.
pub(super) fn check(node: &Node, shape: &Shape, texts: &[Text], sink: &Sink) {
    Check { texts, sink }.node(node, shape);
}

/// What a step of a flow may hold and an action of a rule may not.
const STEP_WORDS: &[&str] = &[
    "wait", "if", "id", "choose", "parallel", "each", "repeat", "call", "approve", "ask", "go_to", "back_to", "end", "fail",
    "within", "late", "retry", "on_error", "undo", "verify", "rejected",
];

struct Check<'a> {
    texts: &'a [Text],
    sink: &'a Sink,
}

impl Check<'_> {
    fn node(&self, node: &Node, shape: &Shape) {
        match (&node.kind, shape) {
            (Kind::Broken, _) | (Kind::Seq(_) | Kind::Map(_) | Kind::Scalar(..), Shape::Any) => self.inside(node),
            (Kind::Empty, _) => self.sink.add(Problem::new(node.at, t::EMPTY_ITEM.with([])).help(t::EMPTY_HELP.with([]))),
            (Kind::Seq(items), Shape::List(item) | Shape::OneOrMore(item) | Shape::ListOr(item, _)) => {
                if items.is_empty() {
                    self.sink.say(node.at, &t::NOTHING_IN, [(&t::K_FOUND_LIST).into()]);
                }
                items.iter().for_each(|i| self.node(i, item));
            }
            (_, Shape::OneOrMore(item)) => self.node(node, item),
            (_, Shape::ListOr(_, other)) => self.node(node, other),
            (Kind::Scalar(..), Shape::ScalarOr(scalar, _)) => self.node(node, scalar),
            (_, Shape::ScalarOr(_, other)) => self.node(node, other),
            (_, Shape::With(keys, first, second)) => {
                self.node(node, if keys.iter().any(|k| node.has(k)) { first } else { second });
            }
            (Kind::Map(entries), Shape::Map(value)) => entries.iter().for_each(|e| self.entry(e, value)),
            (Kind::Map(entries), Shape::Ids(value)) => {
                for entry in entries {
                    self.id(entry);
                    self.entry(entry, value);
                }
            }
            (Kind::Map(entries), Shape::Keys(keys)) => self.keys(node, entries, keys),
            (Kind::Scalar(..), _) => self.scalar(node, shape),
            _ => self.unexpected(node, shape),
        }
    }

    /// Empty values are refused inside of free values as well.
    fn inside(&self, node: &Node) {
        match &node.kind {
            Kind::Seq(items) => items.iter().for_each(|i| self.node(i, &Shape::Any)),
            Kind::Map(entries) => entries.iter().for_each(|e| self.entry(e, &Shape::Any)),
            Kind::Scalar(..) | Kind::Empty | Kind::Broken => {}
        }
    }

    fn entry(&self, entry: &Entry, shape: &Shape) {
        if let Shape::Secret | Shape::OneOrMore(Shape::Secret) = shape {
            return entry.value.one_or_more().iter().for_each(|n| self.secret(n, &entry.key));
        }
        if matches!(entry.value.kind, Kind::Empty) {
            let problem = Problem::new(entry.at, t::EMPTY.with([entry.key.as_str().into()]));
            self.sink.add(problem.help(t::EMPTY_HELP.with([])));
        } else {
            self.node(&entry.value, shape);
        }
    }

    fn id(&self, entry: &Entry) {
        if !is_id(&entry.key) {
            self.sink.say(entry.at, &t::BAD_ID, [entry.key.as_str().into(), "".into()]);
        }
    }

    fn keys(&self, node: &Node, entries: &[Entry], keys: &Keys) {
        let mut unknown = false;
        let shallow = shallow(entries, keys);
        for entry in entries {
            match keys.find(&entry.key) {
                Some(key) if shallow.is_some_and(|(at, _)| at == entry.at) => {
                    let problem = Problem::new(entry.at, t::EMPTY.with([key.name.into()]));
                    self.sink.add(problem.help(t::DEEPER_HELP.with([key.name.into()])));
                }
                Some(key) => self.entry(entry, &key.shape),
                None if shallow.is_some_and(|(_, inner)| inner.find(&entry.key).is_some()) => unknown = true,
                None => {
                    unknown = true;
                    self.unknown(entry, keys);
                }
            }
        }
        // Of an object with nothing but words of later versions nothing more is asked.
        let later = unknown && entries.iter().all(|e| keys.later.contains(&e.key.as_str()));
        for key in keys.all().filter(|k| k.required && !later && !node.has(k.name)) {
            // A near miss was told as an unknown key with this one as its hint.
            if !entries.iter().any(|e| keys.find(&e.key).is_none() && scalar::nearest(&e.key, [key.name]).is_some()) {
                self.sink.say(node.at, &t::MISSING_KEY, [key.name.into(), keys.said().into()]);
            }
        }
        for group in keys.one_of {
            let there: Vec<&Entry> = entries.iter().filter(|e| group.contains(&e.key.as_str())).collect();
            let names = || list(group.iter().copied());
            if there.is_empty() && !unknown {
                self.sink.say(node.at, &t::MISSING_ONE, [names().into(), keys.said().into()]);
            } else if let [_, second, ..] = there[..] {
                let which = list(there.iter().map(|e| e.key.as_str()));
                let problem = Problem::new(second.at, t::TOO_MANY.with([which.into(), keys.said().into()]));
                self.sink.add(if group.contains(&"tag") { problem.help(t::ONE_ACTION.with([])) } else { problem });
            }
        }
    }

    fn unknown(&self, entry: &Entry, keys: &Keys) {
        let name = entry.key.as_str();
        let in_rule = keys.find("tag").is_some() && keys.find("wait").is_none();
        if in_rule && STEP_WORDS.contains(&name) {
            self.sink.add(Problem::new(entry.at, t::STEP_ONLY.with([name.into()])).help(t::STEP_HELP.with([])));
        } else if keys.later.contains(&name) {
            self.sink.say(entry.at, &t::NOT_YET, [name.into()]);
        } else if name == "else" && keys.find("tag").is_some() {
            self.sink.add(Problem::new(entry.at, t::ELSE_IN_LIST.with([])).help(t::ELSE_HELP.with([])));
        } else {
            let known: Vec<&str> = keys.all().map(|k| k.name).collect();
            let help = match scalar::nearest(name, known.iter().copied()) {
                Some(near) => t::DID_YOU_MEAN.with([near.into()]),
                None => t::KNOWN_KEYS.with([list(known.iter().copied()).into()]),
            };
            self.sink.add(Problem::new(entry.at, t::UNKNOWN_KEY.with([name.into(), keys.said().into()])).help(help));
        }
    }

    fn scalar(&self, node: &Node, shape: &Shape) {
        let Some(text) = node.text() else { return };
        let fits = match shape {
            Shape::Text | Shape::Condition | Shape::Any => !text.trim().is_empty(),
            Shape::Name => !text.trim().is_empty() && text.trim() == text && !text.contains('\n'),
            Shape::Word(words) => words.contains(&text),
            Shape::Bool => scalar::boolean(node).is_some(),
            Shape::Count(from, to) => scalar::count(node).is_some_and(|n| (*from..=*to).contains(&n)),
            Shape::Duration => scalar::duration(node).is_some(),
            Shape::Span => crate::engine::span::Span::parse(text).is_some(),
            Shape::Rate => scalar::rate(node).is_some(),
            Shape::Size => scalar::size(node).is_some(),
            Shape::Address => text.parse::<std::net::SocketAddr>().is_ok(),
            Shape::Network => network(text).is_some(),
            Shape::Zone => jiff::tz::TimeZone::get(text).is_ok(),
            Shape::Hours => hours::interval(text).is_some(),
            Shape::Days => hours::days(text).is_some(),
            Shape::Url => url::Url::parse(text).is_ok_and(|u| matches!(u.scheme(), "http" | "https") && u.has_host()),
            _ => false,
        };
        if !fits {
            self.unexpected(node, shape);
        }
    }

    fn secret(&self, node: &Node, key: &str) {
        match node.kind {
            Kind::Scalar(_, Style::Resolved) | Kind::Broken => {}
            Kind::Scalar(..) => {
                let problem = Problem::new(node.at, t::LITERAL_SECRET.with([key.into()]));
                self.sink.add(problem.help(t::SECRET_HELP.with([])));
            }
            Kind::Empty => self.sink.add(Problem::new(node.at, t::EMPTY.with([key.into()])).help(t::SECRET_HELP.with([]))),
            _ => self.unexpected(node, &Shape::Secret),
        }
    }

    fn unexpected(&self, node: &Node, shape: &Shape) {
        let expected = expected(shape);
        let mut problem = Problem::new(node.at, t::EXPECTED.with([expected.into(), self.found(node).into()]));
        if let (Shape::Word(words), Some(text)) = (shape, node.text()) {
            let near = meant(text).filter(|m| words.contains(m)).map(str::to_owned);
            let near = near.or_else(|| scalar::nearest(text, words.iter().copied()));
            problem = problem.help(near.map(|n| t::DID_YOU_MEAN.with([n.into()])));
        }
        if matches!((shape, &node.kind), (Shape::List(_), Kind::Map(_))) {
            problem = problem.help(t::LIST_HELP.with([]));
        }
        self.sink.add(problem);
    }

    fn found(&self, node: &Node) -> Said {
        found(self.texts, node)
    }
}

/// The word for what is often called otherwise.
fn meant(text: &str) -> Option<&'static str> {
    Some(match text.to_lowercase().split(['-', '_']).next().unwrap_or_default() {
        "cn" | "zh" | "zho" | "chinese" | "中文" | "汉语" => "zh",
        "us" | "uk" | "gb" | "en" | "eng" | "english" | "英文" | "英语" => "en",
        _ => return None,
    })
}

/// An empty key whose own keys stand beside it: they were not indented deeply enough.
fn shallow(entries: &[Entry], keys: &Keys) -> Option<(At, &'static Keys)> {
    let empty = entries.iter().find(|e| matches!(e.value.kind, Kind::Empty))?;
    let inner = match &keys.find(&empty.key)?.shape {
        Shape::Keys(inner) | Shape::ScalarOr(_, Shape::Keys(inner)) | Shape::ListOr(_, Shape::Keys(inner)) => inner,
        _ => return None,
    };
    let strays = entries.iter().any(|e| keys.find(&e.key).is_none() && inner.find(&e.key).is_some());
    strays.then_some((empty.at, *inner))
}

/// What stands there, in words; what came from the environment as it is written.
pub(super) fn found(texts: &[Text], node: &Node) -> Said {
    {
        match &node.kind {
            Kind::Seq(_) => t::K_FOUND_LIST.with([]),
            Kind::Map(_) => t::K_FOUND_MAP.with([]),
            // In config.yaml as it may be shown, and what came from the environment as it is written.
            Kind::Scalar(..) if texts.get(node.at.file).is_some_and(|t| t.hide) => {
                let line = texts.get(node.at.file).and_then(|t| t.shown(node.at.line)).unwrap_or_default();
                let raw: String = line.chars().skip(node.at.col).take(node.at.width.min(60)).collect();
                Said::Same(format!("`{raw}`"))
            }
            Kind::Scalar(text, _) => {
                let short: String = text.chars().take(40).collect();
                let dots = if short.len() < text.len() { "…" } else { "" };
                Said::Same(format!("`{}{dots}`", short.replace('\n', " ")))
            }
            Kind::Empty | Kind::Broken => Said::Same(String::new()),
        }
    }
}

/// What a shape expects, in words.
fn expected(shape: &Shape) -> Said {
    match shape {
        Shape::Text | Shape::Condition | Shape::Any | Shape::Secret => t::K_TEXT.with([]),
        Shape::Name => t::K_NAME.with([]),
        Shape::Word(words) => t::K_ONE_OF.with([list(words.iter().copied()).into()]),
        Shape::Bool => t::K_BOOL.with([]),
        Shape::Count(from, to) => t::K_COUNT.with([from.to_string().into(), to.to_string().into()]),
        Shape::Duration => t::K_DURATION.with([]),
        Shape::Span => t::K_SPAN.with([]),
        Shape::Rate => t::K_RATE.with([]),
        Shape::Size => t::K_SIZE.with([]),
        Shape::Address => t::K_ADDRESS.with([]),
        Shape::Network => t::K_NETWORK.with([]),
        Shape::Zone => t::K_ZONE.with([]),
        Shape::Hours => t::K_HOURS.with([]),
        Shape::Days => t::K_DAYS.with([]),
        Shape::Url => t::K_URL.with([]),
        Shape::List(_) => t::K_LIST.with([]),
        Shape::OneOrMore(item) => expected(item),
        Shape::ListOr(..) | Shape::Map(_) | Shape::Ids(_) | Shape::Keys(_) | Shape::With(..) => t::K_MAP.with([]),
        Shape::ScalarOr(..) => t::K_TEXT_OR_MAP.with([]),
    }
}

/// A network, or one address for a network of one.
pub(super) fn network(text: &str) -> Option<ipnet::IpNet> {
    text.parse().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(ipnet::IpNet::from))
}

/// Ids of the writer's choice: letters of any script, digits, `_`, `-`, and in between `.` and blanks are not.
pub(super) fn is_id(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= 100 && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

/// `a`, `b`
pub(super) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
}

/// The keys at the top of a file, as a list.
pub(super) fn first_keys(shape: &Shape) -> String {
    if let Shape::Keys(keys) = shape { list(keys.all().map(|k| k.name)) } else { String::new() }
}
