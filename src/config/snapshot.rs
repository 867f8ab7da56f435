//! What definitions were compiled from, so that they can be had again once the files are others: kept by their hash.
//!
//! Architecture invariant: nothing resolved is in it. The files of definitions are kept as they were read; of `config.yaml` only its
//! tree, before `${env:…}` and `${file:…}` were looked up, and without what no decision sees: addresses, headers, credentials,
//! networks, how sources are verified, comments. Compiling it again reads no file, and no environment unless a constant came
//! from there; then the hash tells whether it was the same.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::file::File;
use super::problem::{At, Lang, Sink};
use super::text::Text;
use super::tree::{Entry, Kind, Node, Style};
use super::{Read, definitions, hash, lateness, lookup, read_definitions, secret};
use crate::engine::definition::Definitions;

/// Bytes of what is kept; more is not.
const MAX_BYTES: usize = 20 << 20;

/// What definitions were compiled from.
///
/// Stored format: JSON, in the store beside the hash; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The language where `config.yaml` says nothing.
    locale: String,
    /// Of `config.yaml`, what decisions depend on.
    config: Bare,
    /// The files of definitions in their order: place below the folder of `config.yaml`, and text.
    files: Vec<(String, String)>,
    /// The files of tables, likewise.
    #[serde(default)]
    tables: Vec<(String, String)>,
}

/// Definitions of before.
#[derive(Debug)]
pub struct Rebuilt {
    /// Sealed, under the hash that was asked for.
    pub definitions: Definitions,
    /// This version gives them the same hash, too.
    pub exact: bool,
}

/// Why definitions cannot be had again. Says no more: what was wrong with them then is nobody's trouble now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// What is kept cannot be read.
    #[error("what was kept of them cannot be read")]
    Unreadable,
    /// This version refuses them.
    #[error("they do not compile in this version")]
    DoesNotCompile,
    /// A constant came from the environment, and is another now, or not there.
    #[error("they depend on ${{env:…}} or ${{file:…}}, which are others now")]
    Environment,
}

/// A tree without places.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Bare {
    /// A scalar as it is: may be a number, true or false.
    Plain(String),
    /// A quoted one.
    Quoted(String),
    List(Vec<Bare>),
    Map(Vec<(String, Bare)>),
    Empty,
}

impl Snapshot {
    /// Of a load; `config` is the tree of `config.yaml` before anything was looked up.
    pub(super) fn new(locale: Lang, config: Bared, texts: &[Text], tables: &[usize]) -> Self {
        let whole = |text: &Text| text.lines.iter().fold(String::new(), |all, line| all + line + "\n");
        let all = texts.iter().enumerate().skip(1).map(|(n, text)| (tables.contains(&n), (text.place.clone(), whole(text))));
        let (tables, files): (Vec<_>, Vec<_>) = all.partition(|(is_table, _)| *is_table);
        let bare = |list: Vec<(bool, _)>| list.into_iter().map(|(_, file)| file).collect();
        Self { locale: locale.code().to_owned(), config: config.0, files: bare(files), tables: bare(tables) }
    }

    /// As it is stored; `None` for one that is too large for that.
    pub fn to_text(&self) -> Option<String> {
        serde_json::to_string(self).ok().filter(|text| text.len() <= MAX_BYTES)
    }

    /// Of what is stored.
    pub fn of_text(text: &str) -> Result<Self, Lost> {
        serde_json::from_str(text).map_err(|_| Lost::Unreadable)
    }

    /// The definitions of this hash again.
    pub fn rebuild(&self, hash: &str) -> Result<Rebuilt, Lost> {
        let needs = self.config.any(&|text| text.contains("${"));
        let mut definitions = self.compile(needs).map_err(|lost| if needs { Lost::Environment } else { lost })?;
        // Without the environment they are what they were, by what they are made of; a later version may count its hash otherwise.
        if needs && definitions.hash != hash {
            return Err(Lost::Environment);
        }
        let exact = definitions.hash == hash;
        hash.clone_into(&mut definitions.hash);
        Ok(Rebuilt { definitions: definitions.seal(), exact })
    }

    fn compile(&self, environment: bool) -> Result<Definitions, Lost> {
        let sink = Sink::default();
        let path = Path::new("config.yaml");
        let mut config = self.config.node();
        secret::resolve_config(&mut config, Path::new("."), environment, &sink);
        let mut texts = vec![Text::new(path.display().to_string(), "", true)];
        let files =
            self.files.iter().map(|(place, text)| Read { shown: place.clone(), place: place.clone(), text: Ok(text.clone()) });
        let (trees, lost) = read_definitions(files, false, &mut texts, &sink);
        let roots: Vec<&Node> = trees.iter().collect();
        let items = definitions::collect(&roots, &sink);
        let tables = lookup::read(&items, &lookup::From::Kept(&self.tables), &mut texts, &sink);
        let file = File { path, node: &config, vague: false, lost, texts: &texts, sink: &sink };
        let connections = file.connections();
        let around = file.surroundings(&connections, file.lang().unwrap_or(Lang::of(&self.locale)));
        let (mut definitions, _) = definitions::compile(&items, &around, &texts, (lost, tables.all), &sink);
        if !sink.is_empty() {
            return Err(Lost::DoesNotCompile);
        }
        definitions.lateness = lateness(&config);
        definitions.hash = hash(&texts, &definitions);
        Ok(definitions)
    }
}

/// The tree of `config.yaml`, bared.
pub(super) struct Bared(Bare);

/// What of `config.yaml` decisions depend on. To be called before placeholders are looked up.
pub(super) fn bare(config: &Node) -> Bared {
    let tops = config.entries().iter().filter(|e| !SHELL.contains(&e.key.as_str()));
    let top = |e: &Entry| {
        let value = match e.key.as_str() {
            "sources" => each(
                &e.value,
                |key, value| if key == "webhook" || key == "poll" { Bare::Map(Vec::new()) } else { Bare::of(value) },
            ),
            "connections" => each(&e.value, connection),
            _ => Bare::of(&e.value),
        };
        (e.key.clone(), value)
    };
    Bared(Bare::Map(tops.map(top).collect()))
}

/// What only the shell knows.
const SHELL: [&str; 8] = ["listen", "public_url", "data", "definitions", "log", "limits", "retention", "allow_networks"];

/// What is said of a connection besides how it is reached.
const PUBLIC: [&str; 6] = ["deliver", "rate", "retry", "concurrency", "quiet", "breaker"];

fn connection(key: &str, value: &Node) -> Bare {
    if PUBLIC.contains(&key) {
        return Bare::of(value);
    }
    // Whether there is a base decides what may stand in `url`, where it leads does not.
    let base = value.has("base").then(|| ("base".to_owned(), Bare::Quoted("https://example.invalid".to_owned())));
    Bare::Map(base.into_iter().collect())
}

/// The same map, with what becomes of the members of its members.
fn each(map: &Node, of: impl Fn(&str, &Node) -> Bare) -> Bare {
    let inner = |e: &Entry| match &e.value.kind {
        Kind::Map(entries) => Bare::Map(entries.iter().map(|e| (e.key.clone(), of(&e.key, &e.value))).collect()),
        _ => Bare::Empty,
    };
    Bare::Map(map.entries().iter().map(|e| (e.key.clone(), inner(e))).collect())
}

impl Bare {
    fn of(node: &Node) -> Self {
        match &node.kind {
            Kind::Scalar(text, Style::Plain) => Self::Plain(text.clone()),
            // Never met before placeholders are looked up; were it, it must not be kept.
            Kind::Scalar(_, Style::Resolved) | Kind::Empty | Kind::Broken => Self::Empty,
            Kind::Scalar(text, _) => Self::Quoted(text.clone()),
            Kind::Seq(items) => Self::List(items.iter().map(Self::of).collect()),
            Kind::Map(entries) => Self::Map(entries.iter().map(|e| (e.key.clone(), Self::of(&e.value))).collect()),
        }
    }

    fn node(&self) -> Node {
        let entry = |(key, value): &(String, Self)| Entry { at: At::default(), key: key.clone(), value: value.node() };
        let kind = match self {
            Self::Plain(text) => Kind::Scalar(text.clone(), Style::Plain),
            Self::Quoted(text) => Kind::Scalar(text.clone(), Style::Double),
            Self::List(items) => Kind::Seq(items.iter().map(Self::node).collect()),
            Self::Map(members) => Kind::Map(members.iter().map(entry).collect()),
            Self::Empty => Kind::Empty,
        };
        Node { at: At::default(), kind }
    }

    /// Whether any of its scalars is such.
    fn any(&self, such: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Plain(text) | Self::Quoted(text) => such(text),
            Self::List(items) => items.iter().any(|i| i.any(such)),
            Self::Map(members) => members.iter().any(|(_, m)| m.any(such)),
            Self::Empty => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Loaded, Options, load};

    const CONFIG: &str = r#"# 老密码是 hunter2
zone: Asia/Shanghai
listen: 127.0.0.1:0
data: ./store
limits: { queue: 7 }
definitions: [rules]
constants: { 门槛: 60, 名称: "060", 别名: [a, true, ~] }
sources:
  crm: { webhook: { verify: { hmac: { preset: github, secret: "${file:geheim}" } } }, event: "crm.{{ kind }}" }
  erp: { poll: { sqlite: ./erp.db, query: SELECT * FROM deal, cursor: [id] }, lateness: 2h, record: { entity: lead, fields: { id: id } } }
connections:
  mail: { smtp: { host: smtp.example.com, user: u, password: "${file:geheim}", from: a@example.com }, rate: 20/1m, retry: [10s, 5m] }
  群: { dingtalk: { token: "${file:geheim}", secret: "${file:geheim}" }, deliver: preview }
  内部: { http: { base: "https://inside.example.com", headers: { Authorization: "Bearer ${file:geheim}" } }, concurrency: 3 }
"#;

    const RULES: &str = r#"
constants: { 门槛: 1, 名称: x, 别名: [] }
entities: { lead: { fields: { id: text, 姓名: text, score: number, 见面: time, owner: { type: person, from: ifthen } } } }
people: { 张三: { email: zhang@example.com, channels: [mail] } }
teams: { 销售: [张三] }
tables: { 区域: { file: 数据/区域.csv, key: 城市 } }
rules:
  分级:
    when: [lead.created, crm.note]
    if: score > 门槛 and 姓名 != 名称
    then:
      - assign: { team: 销售 }
      - http: { post: /hook, connection: 内部, json: { 姓名: "{{ 姓名 }}" } }
      - emit: { event: crm.note }
  停留:
    when: { record: lead, while: score > 60, for: 2 working days, since: 见面 }
    was: 久留
    calendar: 客服
    let: { 次数: { count: crm.note, where: event.n > 60, within: 3 months }, 双倍: '= 次数 * 2' }
    once: { rearm: score < 1 }
    limit: 3 per day
    group: { within: 10m, by: owner }
    warn: { before: 2h, then: [ { log: 快到了 } ] }
    existing: spread over 2h
    then: [ { log: '{{ 双倍 }}' } ]
  周报: { when: { cron: '0 9 * * 1', each: { record: lead, if: score > 1 }, missed: all within 1d }, then: [ { log: 周报 } ] }
calendars: { 客服: { base: CN, hours: { mon-fri: '09:00-18:00' } } }
flows:
  跟进: { record: lead, when: { record: lead, at: 见面, offset: -1d }, steps: [ { log: 开始 }, { wait: 2h } ] }
tests:
  一条: { given: [], when: [ { at: 2026-09-21T09:00:00, event: crm.note } ], then: [] }
"#;

    /// All of them, but for the index, which has no order.
    fn whole(definitions: Definitions) -> String {
        format!("{:#?}", Definitions { index: Default::default(), ..definitions })
    }

    /// Loads these; what is kept of them, as it is kept.
    fn kept(config: &str, rules: &str) -> (Loaded, String) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("rules/数据")).unwrap();
        std::fs::write(folder.path().join("rules/数据/区域.csv"), "\u{feff}城市,负责人\r\n上海,\"张\r\n三\"\r\n").unwrap();
        for (name, text) in [("config.yaml", config), ("rules/线索.yaml", rules), ("geheim", "k7PqZ\n"), ("大额", "50000\n")]
        {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let options = Options { tests: false, locale: Lang::Zh, ..Options::default() };
        let loaded =
            load(&folder.path().join("config.yaml"), &options).unwrap_or_else(|r| panic!("{}", r.render(Lang::En, false)));
        let text = loaded.snapshot.to_text().unwrap();
        (loaded, text)
    }

    #[test]
    fn what_is_kept_gives_the_same_definitions() {
        for rules in [RULES, &RULES.replace('\n', "\r\n"), &format!("\u{feff}\n{RULES}\n\n# 尾\n\n")] {
            let (loaded, text) = kept(CONFIG, rules);
            // The folder is gone: nothing but the text is read.
            let hash = &loaded.definitions.hash;
            let again = Snapshot::of_text(&text).unwrap().rebuild(hash).unwrap();
            assert!(again.exact);
            assert_eq!(whole(again.definitions), whole(loaded.definitions), "{rules}");
        }
    }

    #[test]
    fn what_ships_can_be_had_again() {
        for config in ["config.example.yaml", "tests/test/config.yaml", "examples/config.live.yaml"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(config);
            // Some name secrets that nobody has here.
            let options = Options { environment: false, tests: false, ..Options::default() };
            let loaded = load(&path, &options).unwrap_or_else(|r| panic!("{config}: {}", r.render(Lang::En, false)));
            let again = loaded.snapshot.rebuild(&loaded.definitions.hash).unwrap();
            assert!(again.exact, "{config}");
            assert_eq!(whole(again.definitions), whole(loaded.definitions), "{config}");
        }
    }

    #[test]
    fn nothing_resolved_and_nothing_that_only_the_shell_knows_is_kept() {
        let config = CONFIG.replace("门槛: 60", "门槛: \"${file:大额}\"");
        let (loaded, text) = kept(&config, RULES);
        assert!(format!("{:?}", loaded.definitions.constants).contains("50000"));
        for gone in ["k7PqZ", "50000", "hunter2", "geheim", "Authorization", "example.com\"", "./erp.db", "./store", "\"u\""] {
            let config = text.split_once("\"files\"").unwrap().0;
            assert!(!config.contains(gone), "{gone} in {config}");
        }
        assert!(!text.contains("k7PqZ") && !text.contains("50000"), "{text}");
        assert!(text.contains("${file:大额}"), "a reference stays one: {text}");
        // What it leads to is not there any more: no guess at what it was.
        assert_eq!(loaded.snapshot.rebuild(&loaded.definitions.hash).unwrap_err(), Lost::Environment);
        // From the environment, as long as that is the same.
        let (loaded, text) =
            kept(&CONFIG.replace("门槛: 60", "门槛: \"${env:CARGO_PKG_NAME}\""), RULES.replace("score > 门槛 and ", "").as_str());
        assert!(!text.contains("\"ifthen\""));
        assert!(loaded.snapshot.rebuild(&loaded.definitions.hash).unwrap().exact);
        assert_eq!(loaded.snapshot.rebuild("0123456789ab").unwrap_err(), Lost::Environment);
    }

    #[test]
    fn what_does_not_compile_any_more_is_unknown() {
        let (_, text) = kept(CONFIG, RULES);
        let lost = |text: &str| Snapshot::of_text(text).and_then(|s| s.rebuild("0123456789ab")).map(|r| r.exact);
        assert_eq!(lost(&text), Ok(false), "another hash for the same text: a later version counts otherwise");
        assert_eq!(lost(&text.replace("score > 门槛", "score > 没有")), Err(Lost::DoesNotCompile));
        assert_eq!(lost(&text.replace("steps:", "stages:")), Err(Lost::DoesNotCompile));
        assert_eq!(lost(&text[..text.len() - 1]), Err(Lost::Unreadable));
    }

    #[test]
    fn what_is_too_large_is_not_kept() {
        let (mut loaded, _) = kept(CONFIG, RULES);
        loaded.snapshot.files.push(("rules/b.yaml".into(), "#".repeat(MAX_BYTES)));
        assert_eq!(loaded.snapshot.to_text(), None);
    }
}
