//! `tables:`: rows written in place, or in a CSV file below the definitions. Every row that is wrong is told at its line.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};

use super::catalogue as t;
use super::definitions::{Item, Items};
use super::problem::{At, Problem, Said, Sink};
use super::scalar::{self, nearest};
use super::text::Text;
use super::tree::Node;
use crate::engine::lookup::Table;
use crate::engine::value::Value;

/// Bytes of a file.
const MAX_BYTES: u64 = 10 << 20;
/// Rows of a table.
const MAX_ROWS: usize = 100_000;
/// Problems of one table that are told.
const MAX_PROBLEMS: usize = 20;

/// Where tables' files are.
pub(super) enum From<'a> {
    /// On disk.
    Disk {
        /// The folder of config.yaml.
        home: &'a Path,
        /// Those of the definitions; nothing outside is read.
        definitions: &'a [PathBuf],
    },
    /// As they were read once, by their places.
    Kept(&'a [(String, String)]),
}

impl From<'_> {
    fn home(&self) -> &Path {
        if let Self::Disk { home, .. } = self { home } else { Path::new(".") }
    }
}

/// The tables by id, and the number of each one's file among the texts.
pub(super) struct Tables {
    pub(super) all: std::collections::BTreeMap<String, Table>,
    pub(super) files: HashMap<String, usize>,
}

/// Reads all tables; their files become texts beside those of the definitions.
pub(super) fn read(items: &Items<'_>, from: &From<'_>, texts: &mut Vec<Text>, sink: &Sink) -> Tables {
    let mut tables = Tables { all: std::collections::BTreeMap::new(), files: HashMap::new() };
    for item in items.get("tables").into_iter().flatten() {
        let table = match item.node.get("file") {
            Some(file) => from_file(item, file, from, texts, sink).map(|(number, table)| {
                tables.files.insert(item.id.to_owned(), number);
                table
            }),
            None => item.node.get("rows").and_then(|rows| inline(item, rows, sink)),
        };
        tables.all.extend(table.map(|table| (item.id.to_owned(), table)));
    }
    tables
}

/// What is gathered row by row.
struct Rows<'a> {
    key: usize,
    table: Table,
    places: HashMap<String, At>,
    /// Rows so far, the wrong ones too.
    count: usize,
    told: usize,
    sink: &'a Sink,
}

impl Rows<'_> {
    fn say(&mut self, problem: Problem) {
        self.told += 1;
        if self.told <= MAX_PROBLEMS {
            self.sink.add(problem);
        }
    }

    fn add(&mut self, at: At, row: Vec<Value>) {
        self.count += 1;
        let number = self.count;
        let key = row.get(self.key).map(|k| k.to_string().trim().to_owned()).unwrap_or_default();
        if key.is_empty() {
            let column = self.table.columns.get(self.key).cloned().unwrap_or_default();
            return self.say(Problem::new(at, t::TABLE_KEY_EMPTY.with([number.to_string().into(), column.into()])));
        }
        if let Some(first) = self.places.insert(key.clone(), at) {
            let problem = Problem::new(at, t::TABLE_KEY_TWICE.with([number.to_string().into(), key.into()]));
            return self.say(problem.also(first, t::FIRST_HERE.with([])));
        }
        self.table.rows.insert(key, row);
    }
}

/// Rows begun, once the key is found among the columns.
fn rows<'a>(item: &Item<'_>, columns: Vec<String>, sink: &'a Sink) -> Option<Rows<'a>> {
    let key = item.node.get("key")?;
    let name = key.text()?;
    let Some(place) = columns.iter().position(|c| c == name) else {
        let near = nearest(name, columns.iter().map(String::as_str));
        let help = match near {
            Some(near) => t::DID_YOU_MEAN.with([near.into()]),
            None => t::KNOWN_KEYS.with([super::grammar::list(columns.iter().map(String::as_str)).into()]),
        };
        sink.add(Problem::new(key.at, t::NO_COLUMN.with([item.id.into(), name.into()])).help(help));
        return None;
    };
    Some(Rows { key: place, table: Table { columns, ..Table::default() }, places: HashMap::new(), count: 0, told: 0, sink })
}

/// Rows written in place: objects whose keys are the columns.
fn inline(item: &Item<'_>, node: &Node, sink: &Sink) -> Option<Table> {
    let mut columns: Vec<String> = Vec::new();
    for entry in node.items().iter().flat_map(Node::entries) {
        if !columns.contains(&entry.key) {
            columns.push(entry.key.clone());
        }
    }
    let mut rows = rows(item, columns, sink)?;
    let columns = rows.table.columns.clone();
    for row in node.items() {
        rows.add(row.at, columns.iter().map(|c| row.get(c).map(scalar::value).unwrap_or_default()).collect());
    }
    Some(rows.table)
}

/// Rows of a CSV file; its number among the texts.
fn from_file(item: &Item<'_>, file: &Node, from: &From<'_>, texts: &mut Vec<Text>, sink: &Sink) -> Option<(usize, Table)> {
    let name = file.text()?;
    let place = texts.get(file.at.file).map(|t| PathBuf::from(&t.place)).unwrap_or_default();
    let place = place.parent().unwrap_or(Path::new("")).join(name);
    let read = match from {
        From::Disk { home, definitions } => content(&home.join(&place), name, definitions),
        From::Kept(files) => {
            let kept = files.iter().find(|(at, _)| Path::new(at) == place).map(|(_, text)| text.clone());
            kept.ok_or_else(|| (t::TABLE_MISSING.with([name.into()]), None))
        }
    };
    let text = match read {
        Ok(text) => text,
        Err((what, help)) => {
            sink.add(Problem::new(file.at, what).help(help));
            return None;
        }
    };
    let number = texts.len();
    let home = from.home();
    let shown = if home == Path::new(".") { place.clone() } else { home.join(&place) };
    let mut source = Text::new(shown.display().to_string(), &text, false);
    source.place = place.display().to_string();
    texts.push(source);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(text.as_bytes());
    let line = |n: u64| {
        let line = usize::try_from(n).unwrap_or(0).max(1);
        let width = texts.get(number).and_then(|t| t.lines.get(line - 1)).map_or(1, |l| l.chars().count().max(1));
        At { file: number, line, col: 0, width }
    };
    let columns: Vec<String> = match reader.headers() {
        Ok(headers) => headers.iter().map(str::to_owned).collect(),
        Err(_) => Vec::new(),
    };
    for (n, column) in columns.iter().enumerate() {
        if column.is_empty() {
            sink.say(line(1), &t::COLUMN_EMPTY, [(n + 1).to_string().into()]);
        } else if columns[..n].contains(column) {
            sink.say(line(1), &t::COLUMN_TWICE, [column.as_str().into()]);
        }
    }
    let mut rows = rows(item, columns, sink)?;
    let mut record = StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => return Some((number, rows.table)),
            Ok(true) => {
                if rows.count >= MAX_ROWS {
                    sink.say(file.at, &t::TABLE_TOO_LONG, [MAX_ROWS.to_string().into()]);
                    return None;
                }
                let at = line(record.position().map_or(1, csv::Position::line));
                rows.add(at, record.iter().map(cell).collect());
            }
            Err(error) => {
                let at = line(error.position().map_or(1, csv::Position::line));
                let what = match error.kind() {
                    ErrorKind::UnequalLengths { expected_len, len, .. } => {
                        t::RAGGED.with([len.to_string().into(), expected_len.to_string().into()])
                    }
                    _ => t::UNREADABLE.with([error.to_string().into()]),
                };
                rows.say(Problem::new(at, what));
                if !matches!(error.kind(), ErrorKind::UnequalLengths { .. }) {
                    return None;
                }
            }
        }
    }
}

/// A cell as a plain scalar of YAML; an empty one is nothing.
fn cell(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { scalar::core(text) }
}

/// The text of a table's file, which must really be below the definitions; or what is wrong and what would help.
fn content(path: &Path, name: &str, definitions: &[PathBuf]) -> Result<String, (Said, Option<Said>)> {
    let outside = || (t::TABLE_OUTSIDE.with([name.into()]), Some(t::TABLE_OUTSIDE_HELP.with([])));
    let below = Path::new(name).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if !below {
        return Err(outside());
    }
    let unreadable = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => (t::TABLE_MISSING.with([name.into()]), Some(t::TABLE_MISSING_HELP.with([]))),
        _ => (t::UNREADABLE.with([e.to_string().into()]), None),
    };
    // Links followed: where it really is counts.
    let real = std::fs::canonicalize(path).map_err(unreadable)?;
    let within = |folder: &PathBuf| std::fs::canonicalize(folder).is_ok_and(|folder| real.starts_with(folder));
    if !definitions.iter().any(within) {
        return Err(outside());
    }
    let meta = std::fs::metadata(&real).map_err(unreadable)?;
    if !meta.is_file() {
        return Err((t::TABLE_MISSING.with([name.into()]), Some(t::TABLE_MISSING_HELP.with([]))));
    }
    if meta.len() > MAX_BYTES {
        return Err((t::TOO_LARGE.with([MAX_BYTES.to_string().into()]), None));
    }
    let bytes = std::fs::read(&real).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|_| (t::NOT_UTF8.with([]), Some(t::NOT_UTF8_HELP.with([]))))
}
