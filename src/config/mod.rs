//! YAML in, [`Settings`] and `Definitions` out, or every problem at once with file, line and column.
//!
//! Architecture invariant: nothing here acts; a folder that does not compile changes nothing. In reading order: [`text`] and
//! `tree` read YAML (with `trap` and `mend` before the parser, `syntax` after it), `grammar` validates by `table`,
//! `definitions` and `file` compile, `problem` and `catalogue` tell.

mod calendar;
mod catalogue;
mod definitions;
mod digest;
mod fault;
mod file;
mod folder;
mod grammar;
mod hours;
mod locate;
mod lookup;
mod marketing;
mod mend;
mod names;
mod nested;
mod problem;
mod reference;
mod scalar;
pub mod scenario;
mod schema;
mod secret;
pub mod settings;
mod snapshot;
mod syntax;
mod table;
mod text;
mod trap;
mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub use digest::{Summary, diff};
pub use problem::{Lang, Problem, Report};
pub use reference::{reference, reference_config};
pub use schema::{schema, schema_config};
pub use snapshot::{Lost, Rebuilt, Snapshot};

use crate::engine::definition::Definitions;
use catalogue as t;
use file::File;
use problem::{At, Sink};
use settings::Settings;
use snapshot::Bared;
use text::Text;
use tree::{Kind, Node};

/// What a load yields.
#[derive(Debug)]
pub struct Loaded {
    /// From `config.yaml`.
    pub settings: Settings,
    /// From the folders; sealed, with their hash.
    pub definitions: Definitions,
    /// From the folders, too; nothing that is decided depends on them.
    pub tests: Vec<scenario::Test>,
    /// For the difference to the next load.
    pub summary: Summary,
    /// The language in force.
    pub lang: Lang,
    /// What the definitions can be had again from.
    pub snapshot: Snapshot,
}

/// How to load.
#[derive(Debug, Clone)]
pub struct Options {
    /// The language whatever `config.yaml` says.
    pub lang: Option<Lang>,
    /// The language where `config.yaml` says nothing: the locale's.
    pub locale: Lang,
    /// Whether `${env:…}` and `${file:…}` are there; without them, what holds one is not looked at.
    pub environment: bool,
    /// Whether `tests:` are looked at; a test that is wrong does not keep the daemon from its rules.
    pub tests: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { lang: None, locale: Lang::En, environment: true, tests: true }
    }
}

/// Reads `config.yaml` and the folders it names. On any problem: all of them, and nothing else.
pub fn load(path: &Path, options: &Options) -> Result<Loaded, Report> {
    let sink = Sink::default();
    let mut texts = Vec::new();
    let (config, whole, bare) = match read_config(path, options, &mut texts, &sink) {
        Some(read) => read,
        None => return Err(Report::new(sink.take(), options.lang.unwrap_or(options.locale), texts)),
    };
    let named = File { path, node: &config, vague: !whole, lost: false, texts: &[], sink: &sink };
    let lang = options.lang.or(named.lang()).unwrap_or(options.locale);
    let (folders, files) = folder::files(&named);
    let (trees, lost) = read_definitions(from_disk(path, &files), options.tests, &mut texts, &sink);

    let roots: Vec<&Node> = trees.iter().collect();
    let items = definitions::collect(&roots, &sink);
    let from = lookup::From::Disk { home: file::folder(path), definitions: &folders };
    let tables = lookup::read(&items, &from, &mut texts, &sink);
    let file = File { path, node: &config, vague: !whole, lost, texts: &texts, sink: &sink };
    let connections = file.connections();
    let around = file.surroundings(&connections, named.lang().unwrap_or(options.locale));
    let (mut definitions, tests) = definitions::compile(&items, &around, &texts, (lost, tables.all), &sink);
    let settings = file.settings(&definitions, folders);
    definitions.lateness = lateness(&config);
    if !sink.is_empty() {
        return Err(Report::new(sink.take(), lang, texts));
    }
    definitions.hash = hash(&texts, &definitions);
    let mut summary = Summary { hash: definitions.hash.clone(), ..Summary::new(&items, &config) };
    summary.add_files("tables", tables.files.iter().filter_map(|(id, n)| Some((id, texts.get(*n)?.lines.join("\n")))));
    let rows: Vec<usize> = tables.files.values().copied().collect();
    let snapshot = Snapshot::new(options.locale, bare, &texts, &rows);
    Ok(Loaded { settings, definitions: definitions.seal(), tests, summary, lang, snapshot })
}

/// How late the sources may be that tell about each entity.
fn lateness(config: &Node) -> BTreeMap<String, jiff::SignedDuration> {
    let mut latest = BTreeMap::new();
    for source in config.get("sources").map(Node::entries).unwrap_or_default() {
        let late = source.value.get("lateness").and_then(scalar::duration).filter(|late| !late.is_zero());
        let entity = source.value.get("record").and_then(|record| record.text_at("entity"));
        if let (Some(late), Some(entity)) = (late, entity) {
            let entry = latest.entry(entity.to_owned()).or_insert(late);
            *entry = late.max(*entry);
        }
    }
    latest
}

/// The tree of `config.yaml`, whether all of it could be read, and what is kept of it.
fn read_config(path: &Path, options: &Options, texts: &mut Vec<Text>, sink: &Sink) -> Option<(Node, bool, Bared)> {
    let name = path.display().to_string();
    let text = match folder::read(path) {
        Ok(text) => text,
        Err(problem) => {
            texts.push(Text::new(name.clone(), "", true));
            let missing = !path.exists();
            let what = if missing { t::NO_CONFIG.with([name.into()]) } else { problem };
            sink.add(Problem::new(At::default(), what).help(missing.then(|| t::NO_CONFIG_HELP.with([]))));
            return None;
        }
    };
    texts.push(Text::new(name, &text, true));
    folder::controls(&texts[0], 0, sink);
    let empty = Node { at: At::default(), kind: Kind::Map(Vec::new()) };
    let (mut node, whole) = match tree::read(&texts[0], 0, sink) {
        Ok((node, whole)) => (node.unwrap_or(empty), whole),
        Err(tree::Lost) => (empty, false),
    };
    let bare = snapshot::bare(&node);
    secret::resolve_config(&mut node, file::folder(path), options.environment, sink);
    root(&node, &file::table::FILE, texts, sink);
    Some((node, whole, bare))
}

/// A file of definitions as it was read, or why it could not be.
struct Read {
    /// As it is shown.
    shown: String,
    /// Below the folder of `config.yaml`.
    place: String,
    text: Result<String, problem::Said>,
}

/// These files below the folder of `config.yaml`, one after the other.
fn from_disk(path: &Path, files: &[PathBuf]) -> impl Iterator<Item = Read> {
    files.iter().map(move |place| {
        let shown = match file::folder(path) {
            here if here == Path::new(".") => place.clone(),
            folder => folder.join(place),
        };
        let text = folder::read(&file::folder(path).join(place));
        Read { shown: shown.display().to_string(), place: place.display().to_string(), text }
    })
}

/// The trees of the definitions files, and whether something in them could not be read at all.
fn read_definitions(files: impl Iterator<Item = Read>, tests: bool, texts: &mut Vec<Text>, sink: &Sink) -> (Vec<Node>, bool) {
    let mut trees = Vec::new();
    let mut lost = false;
    for Read { shown, place, text: read } in files {
        let number = texts.len();
        let mut text = Text::new(shown, read.as_deref().unwrap_or(""), false);
        text.place = place;
        texts.push(text);
        if let Err(what) = read {
            sink.add(Problem::new(At { file: number, ..At::default() }, what));
            lost = true;
            continue;
        }
        folder::controls(&texts[number], number, sink);
        match tree::read(&texts[number], number, sink) {
            Ok((node, whole)) => {
                lost |= !whole;
                if let Some(mut node) = node {
                    texts[number].tests = nested::lines(&node, &texts[number]);
                    texts[number].tests.push(test_lines(&node));
                    if let (Kind::Map(entries), false) = (&mut node.kind, tests) {
                        entries.retain(|e| e.key != definitions::TESTS);
                    }
                    if !tests {
                        nested::take(&mut node);
                    }
                    root(&node, &table::FILE, texts, sink);
                    nested::raise(&mut node);
                    lost |= node.is_broken() || node.entries().iter().any(|e| e.value.is_broken());
                    trees.push(node);
                }
            }
            Err(tree::Lost) => lost = true,
        }
    }
    (trees, lost)
}

/// The lines of `tests:`, as indices; none where another key stands on one of them.
fn test_lines(node: &Node) -> std::ops::Range<usize> {
    let entries = node.entries();
    let Some(place) = entries.iter().position(|e| e.key == definitions::TESTS) else { return 0..0 };
    let from = entries[place].at.line.saturating_sub(1);
    let to = entries.get(place + 1).map_or(usize::MAX, |next| next.at.line.saturating_sub(1));
    // Braces around the whole file may put two keys on one line.
    let block = entries.iter().all(|e| e.at.col == 0);
    if block { from..to.max(from) } else { 0..0 }
}

/// Checks the shape of a whole file.
fn root(node: &Node, shape: &grammar::Shape, texts: &[Text], sink: &Sink) {
    match node.kind {
        Kind::Map(_) => grammar::check(node, shape, texts, sink),
        Kind::Broken => {}
        _ => sink.say(At { width: 1, ..node.at }, &t::NOT_A_MAP, [grammar::first_keys(shape).into()]),
    }
}

/// Over names and contents of the files and what decides besides them; the first 12 hexadecimal digits of SHA-256.
fn hash(texts: &[Text], definitions: &Definitions) -> String {
    let mut sha = Sha256::new();
    for text in texts.iter().skip(1) {
        let lines = text.lines.iter().enumerate().filter(|(n, _)| !text.tests.iter().any(|t| t.contains(n)));
        let mut lines: Vec<&str> = lines.map(|(_, line)| line.as_str()).collect();
        if text.tests.last().is_some_and(|own| !own.is_empty()) {
            // Tests decide nothing: as if they were not there, nor a file of nothing else.
            lines.truncate(lines.iter().rposition(|l| !l.trim().is_empty()).map_or(0, |last| last + 1));
            if lines.iter().all(|l| l.trim().is_empty() || l.trim_start().starts_with('#')) {
                continue;
            }
        }
        sha.update(format!("{}\0{}\0", text.place, lines.join("\n")));
    }
    // Of config.yaml only what `decide` sees: no address, no secret.
    let zone = definitions.zone.0.iana_name().unwrap_or("");
    sha.update(format!("{zone}\0{}\0{:?}\0{:?}", definitions.lang, definitions.constants, definitions.connections));
    if !definitions.lateness.is_empty() {
        sha.update(format!("\0{:?}", definitions.lateness));
    }
    sha.update(format!("\0{}\0{}", definitions.calendar, calendar::SHIPPED));
    if let Some(quiet) = &definitions.quiet {
        sha.update(format!("\0{quiet:?}"));
    }
    if let Some(marketing) = &definitions.marketing {
        sha.update(format!("\0{marketing:?}"));
    }
    digest::hex(sha.finalize().as_slice())
}

#[cfg(test)]
mod tests;
