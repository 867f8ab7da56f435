//! Files and folders: which are read, and what text is accepted from them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::catalogue as t;
use super::file::{File, absolute};
use super::problem::{At, Problem, Said};
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
        if let Err(error) = walk(config.folder(), Path::new(&name), 0, &mut files) {
            config.sink.say(at, &t::UNREADABLE, [format!("{name}: {error}").into()]);
        }
    }
    if files.len() > MAX_FILES {
        config.sink.say(At::default(), &t::TOO_MANY_FILES, [MAX_FILES.to_string().into()]);
        files.clear();
    }
    (folders, files.into_iter().collect())
}

/// Hidden files and folders are passed over: editors and git keep theirs there.
fn walk(base: &Path, folder: &Path, depth: usize, files: &mut BTreeSet<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(base.join(folder))? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        let place = folder.join(&name);
        let kind = std::fs::metadata(entry.path())?;
        let yaml = place.extension().is_some_and(|e| e == "yaml" || e == "yml");
        if kind.is_dir() && depth < MAX_DEPTH {
            walk(base, &place, depth + 1, files)?;
        } else if kind.is_file() && yaml && files.len() <= MAX_FILES {
            files.insert(place.components().filter(|c| !matches!(c, std::path::Component::CurDir)).collect());
        }
    }
    Ok(())
}

/// A file's text, or what is wrong with it.
pub(super) fn read(path: &Path) -> Result<String, Said> {
    let unreadable = |e: std::io::Error| t::UNREADABLE.with([e.to_string().into()]);
    if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_BYTES {
        return Err(t::TOO_LARGE.with([MAX_BYTES.to_string().into()]));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|_| t::NOT_UTF8.with([(&t::NOT_UTF8_HELP).into()]))
}

/// Control characters that no text needs, and the one that stands for what was told already.
pub(super) fn controls(text: &Text, file: usize, sink: &super::problem::Sink) {
    for (n, line) in text.lines.iter().enumerate() {
        let bad = |c: char| c.is_control() && c != '\t' || matches!(c, '\u{e000}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
        if let Some((col, c)) = line.chars().enumerate().find(|(_, c)| bad(*c)) {
            let at = At { file, line: n + 1, col, width: 1 };
            sink.add(Problem::new(at, t::CONTROL.with([format!("U+{:04X}", u32::from(c)).into()])));
            return;
        }
    }
}
