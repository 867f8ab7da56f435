//! Files and folders: which are read, and what text is accepted from them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::catalogue as t;
use super::file::{File, absolute};
use super::problem::{At, Problem, Said, Sink};
use super::text::Text;
use super::tree::MAX_BYTES;

/// Files of all folders together.
const MAX_FILES: usize = 10_000;
/// Folders inside folders.
const MAX_DEPTH: usize = 16;

/// The folders, absolute, and their `*.yaml` and `*.yml` files below the folder of `config.yaml`, in the order of their names.
pub(super) fn files(config: &File<'_>) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let mut folders = Vec::new();
    let mut files = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for (name, node) in config.folders() {
        let at = node.map_or(At::default(), |n| n.at);
        let folder = config.folder().join(&name);
        if !folder.is_dir() {
            // The two usual folders need not both be there.
            if node.is_some() {
                config.sink.say(at, &t::FOLDER_MISSING, [name.as_str().into()]);
            }
            continue;
        }
        let whole = absolute(&folder);
        if folders.contains(&whole) {
            config.sink.say(at, &t::DUPLICATE_FOLDER, [name.as_str().into()]);
            continue;
        }
        folders.push(whole);
        let mut walk = Walk { base: config.folder(), at, sink: config.sink, seen: &mut seen, files: &mut files };
        walk.folder(Path::new(&name), 0);
    }
    if files.len() > MAX_FILES {
        config.sink.say(At::default(), &t::TOO_MANY_FILES, [MAX_FILES.to_string().into()]);
        files.clear();
    }
    (folders, files.into_iter().collect())
}

/// The way through a folder of definitions.
struct Walk<'a> {
    base: &'a Path,
    /// Where config.yaml names the folder.
    at: At,
    sink: &'a Sink,
    /// Folders that were read, wherever links led to them from.
    seen: &'a mut BTreeSet<PathBuf>,
    files: &'a mut BTreeSet<PathBuf>,
}

impl Walk<'_> {
    /// Hidden files and folders are passed over: editors and git keep theirs there.
    fn folder(&mut self, folder: &Path, depth: usize) {
        if let Err(error) = self.entries(folder, depth) {
            self.sink.say(self.at, &t::UNREADABLE, [format!("{}: {error}", folder.display()).into()]);
        }
    }

    fn entries(&mut self, folder: &Path, depth: usize) -> std::io::Result<()> {
        if !self.seen.insert(std::fs::canonicalize(self.base.join(folder))?) {
            return Ok(());
        }
        for entry in std::fs::read_dir(self.base.join(folder))? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_string_lossy().starts_with('.') {
                continue;
            }
            let place = folder.join(&name);
            let yaml = place.extension().is_some_and(|e| e == "yaml" || e == "yml");
            // A link that leads nowhere is told where it is read.
            let (is_folder, is_file) = std::fs::metadata(entry.path()).map_or((false, true), |m| (m.is_dir(), m.is_file()));
            if is_folder && depth < MAX_DEPTH {
                self.folder(&place, depth + 1);
            } else if is_file && yaml && self.files.len() <= MAX_FILES {
                self.files.insert(place.components().filter(|c| !matches!(c, std::path::Component::CurDir)).collect());
            }
        }
        Ok(())
    }
}

/// A file's text, or what is wrong with it.
pub(super) fn read(path: &Path) -> Result<String, Said> {
    let unreadable = |e: std::io::Error| match std::fs::read_link(path) {
        Ok(target) => t::BROKEN_LINK.with([target.display().to_string().into(), e.to_string().into()]),
        Err(_) => t::UNREADABLE.with([e.to_string().into()]),
    };
    if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_BYTES {
        return Err(t::TOO_LARGE.with([MAX_BYTES.to_string().into()]));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|_| t::NOT_UTF8.with([(&t::NOT_UTF8_HELP).into()]))
}

/// Control characters that no text needs, and the one that stands for what was told already.
pub(super) fn controls(text: &Text, file: usize, sink: &Sink) {
    for (n, line) in text.lines.iter().enumerate() {
        let bad = |c: char| c.is_control() && c != '\t' || matches!(c, '\u{e000}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
        if let Some((col, c)) = line.chars().enumerate().find(|(_, c)| bad(*c)) {
            let at = At { file, line: n + 1, col, width: 1 };
            sink.add(Problem::new(at, t::CONTROL.with([format!("U+{:04X}", u32::from(c)).into()])));
            return;
        }
    }
}
