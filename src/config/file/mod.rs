//! config.yaml: what differs between machines. Its tree becomes [`Settings`] and what the definitions must know of it.

mod connection;
mod source;
pub(super) mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use super::catalogue as t;
use super::definitions::Surroundings;
use super::problem::{Lang, Problem, Sink};
use super::scalar;
use super::settings::{Keep, Kept, Limits, LogFormat, Settings, Tls};
use super::text::Text;
use super::tree::Node;
use crate::engine::definition::{self, Definitions};

/// What stands in config.yaml, shapes checked and placeholders replaced.
pub(super) struct File<'a> {
    /// Where it is.
    pub(super) path: &'a Path,
    /// Its tree; an empty object for an empty file.
    pub(super) node: &'a Node,
    /// It could not be read in full.
    pub(super) vague: bool,
    /// Some definitions could not be read: what is not among them is not missed.
    pub(super) lost: bool,
    pub(super) texts: &'a [Text],
    pub(super) sink: &'a Sink,
}

impl File<'_> {
    /// The folder that relative paths begin at.
    pub(super) fn folder(&self) -> &Path {
        folder(self.path)
    }

    /// `lang:`, if it is said.
    pub(super) fn lang(&self) -> Option<Lang> {
        self.node.text_at("lang").map(Lang::of)
    }

    fn zone(&self) -> TimeZone {
        let named = self.node.text_at("zone").and_then(|z| TimeZone::get(z).ok());
        named.unwrap_or_else(|| definition::Zone::default().0)
    }

    /// The folders of the definitions, as written, and where the words stand.
    pub(super) fn folders(&self) -> Vec<(String, Option<&Node>)> {
        match self.node.get("definitions") {
            Some(node) => node.one_or_more().iter().filter_map(|n| Some((n.text()?.to_owned(), Some(n)))).collect(),
            None => ["rules", "flows"].map(|f| (f.to_owned(), None)).into(),
        }
    }

    /// The connections as the engine knows them.
    pub(super) fn connections(&self) -> BTreeMap<String, definition::Connection> {
        connection::engine(self)
    }

    /// What the definitions refer to.
    pub(super) fn surroundings<'b>(
        &self,
        connections: &'b BTreeMap<String, definition::Connection>,
        lang: Lang,
    ) -> Surroundings<'b> {
        let entries = |key: &str| self.node.get(key).map(Node::entries).unwrap_or_default();
        let broken = |key: &str| self.node.get(key).is_some_and(Node::is_broken);
        Surroundings {
            zone: self.zone(),
            lang: lang.code().to_owned(),
            constants: entries("constants").iter().map(|e| (e.key.clone(), e.at, e.value.clone())).collect(),
            calendar: self.node.get("calendar").cloned(),
            connections,
            quiet: self.node.get("quiet").and_then(|n| super::definitions::hours(n, self.sink)),
            marketing: self
                .node
                .get("marketing")
                .and_then(|n| n.get("limit"))
                .and_then(|n| super::definitions::limit(n, self.sink)),
            baseless: connection::baseless(self),
            sources: entries("sources").iter().map(|e| e.key.clone()).collect::<BTreeSet<_>>(),
            events: entries("sources").iter().filter_map(source::event_pattern).collect(),
            vague: self.vague || broken("connections") || broken("sources"),
        }
    }

    /// The settings; problems go to the sink, and what they leave open gets its default.
    pub(super) fn settings(&self, definitions: &Definitions, folders: Vec<PathBuf>) -> Settings {
        let entries = |key: &str| self.node.get(key).map(Node::entries).unwrap_or_default();
        let sources = entries("sources").iter().filter_map(|e| Some((e.key.clone(), source::source(self, e, definitions)?)));
        let networks = self.node.get("allow_networks").map(Node::one_or_more).unwrap_or_default();
        Settings {
            path: absolute(self.path),
            listen: self.node.text_at("listen").and_then(|a| a.parse().ok()).unwrap_or_else(|| ([127, 0, 0, 1], 8780).into()),
            tls: self.node.get("tls").and_then(|n| self.tls(n)),
            public_url: self.node.get("public_url").and_then(|n| self.public_url(n)),
            data: absolute(&self.folder().join(self.node.text_at("data").unwrap_or("data"))),
            definitions: folders,
            sources: sources.collect(),
            connections: connection::settings(self),
            limits: self.limits(),
            retention: self.retention(),
            allow_networks: networks.iter().filter_map(|n| super::grammar::network(n.text()?)).collect(),
            log: if self.node.text_at("log") == Some("json") { LogFormat::Json } else { LogFormat::Text },
        }
    }

    /// Without the slash at its end; what links are put behind can have no query.
    fn public_url(&self, node: &Node) -> Option<String> {
        let text = node.text()?;
        let parsed = url::Url::parse(text).ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
        if parsed.is_none_or(|u| u.query().is_some() || u.fragment().is_some() || !u.username().is_empty()) {
            self.sink.add(Problem::new(node.at, t::PUBLIC_URL.with([text.into()])).help(t::PUBLIC_URL_HELP.with([])));
            return None;
        }
        Some(text.trim_end_matches('/').to_owned())
    }

    fn tls(&self, node: &Node) -> Option<Tls> {
        let path = |key: &str| Some(absolute(&self.folder().join(node.text_at(key)?)));
        Some(Tls { cert: path("cert")?, key: path("key")? })
    }

    fn limits(&self) -> Limits {
        let usual = Limits::default();
        let Some(node) = self.node.get("limits") else { return usual };
        let count = |key: &str, usual: usize| {
            node.get(key).and_then(scalar::count).and_then(|n| usize::try_from(n).ok()).unwrap_or(usual)
        };
        let rate =
            |key: &str, usual: u32| node.get(key).and_then(scalar::count).and_then(|n| u32::try_from(n).ok()).unwrap_or(usual);
        Limits {
            body: count("body", usual.body),
            items: count("items", usual.items),
            queue: count("queue", usual.queue),
            outbox: count("outbox", usual.outbox),
            clock: node.get("clock").and_then(scalar::duration).unwrap_or(usual.clock),
            dedupe: node.get("dedupe").and_then(scalar::duration).unwrap_or(usual.dedupe),
            quarantine: count("quarantine", usual.quarantine),
            requests: rate("requests", usual.requests),
            address: rate("address", usual.address),
            connections: count("connections", usual.connections),
        }
    }

    fn retention(&self) -> Kept {
        let node = self.node.get("retention");
        let keep = |key: &str| {
            let Some(node) = node.and_then(|n| n.get(key)) else { return Keep::default() };
            let age = node.get("age").unwrap_or(node);
            Keep { age: scalar::duration(age), bytes: node.get("bytes").and_then(scalar::size) }
        };
        let size = node.and_then(|n| n.get("size")).and_then(scalar::size);
        Kept { payloads: keep("payloads"), changes: keep("changes"), events: keep("events"), log: keep("log"), size }
    }

    /// The name of an HTTP header, if this is one.
    fn header(&self, node: &Node) -> Option<String> {
        let name = node.text()?;
        self.header_named(node.at, name).then(|| name.to_owned())
    }

    fn header_named(&self, at: super::problem::At, name: &str) -> bool {
        let right = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        if !right {
            self.sink.say(at, &t::HEADER_NAME, [name.into()]);
        }
        right
    }

    /// Says that a secret stands there written out.
    fn literal(&self, at: super::problem::At, what: &str) {
        self.sink.add(Problem::new(at, t::LITERAL_SECRET.with([what.into()])).help(t::SECRET_HELP.with([])));
    }
}

/// The folder of a file; that of a bare name is the working directory.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Without `.` and `..` where that is possible without asking the disk.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
