//! Who may import whom, and that `engine/` is pure. The table is ARCHITECTURE.md's; a room that needs more says why there.
#![allow(clippy::unwrap_used, reason = "a failure here is the test failing")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const ROOMS: [(&str, &[&str]); 9] = [
    ("engine", &[]),
    ("config", &["engine"]),
    ("store", &["engine"]),
    ("source", &["engine", "config"]),
    ("action", &["engine", "config"]),
    ("check", &["engine", "config", "store", "source", "action"]),
    ("web", &["engine", "config", "store", "source", "check", "daemon"]),
    ("daemon", &["engine", "config", "store", "source", "action"]),
    ("cli", &["engine", "config", "store", "source", "action", "check", "web", "daemon"]),
];

/// What the engine may not know: clocks, randomness, tokio, files, sockets, threads, the environment.
const IMPURE: [&str; 15] = [
    "tokio",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "rand::",
    "getrandom",
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
    "std::process",
    "RandomState",
    "std::io",
    "thread_local!",
];

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

/// The code of a file without comments and without its tests.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
    text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_test(path: &Path) -> bool {
    ["tests.rs", "suite.rs"].iter().any(|name| path.ends_with(name))
        || path.parent().is_some_and(|folder| folder.ends_with("tests"))
}

#[test]
fn rooms_import_only_what_they_may() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (room, may) in ROOMS {
        let folder = source.join(room);
        if !folder.exists() {
            continue;
        }
        for path in files(&folder).into_iter().filter(|p| !is_test(p)) {
            let code = code(&path);
            for (other, _) in ROOMS {
                if other != room && !may.contains(&other) && code.contains(&format!("crate::{other}")) {
                    wrong.push(format!("{}: {room} imports {other}", path.display()));
                }
            }
            // `use crate::{engine, store}` would slip through the test above.
            if code.contains("use crate::{") && room != "cli" {
                wrong.push(format!("{}: name each room in a `use` of its own", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_room_is_in_the_table() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let there: BTreeSet<String> = std::fs::read_dir(source)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.is_dir() && !files(p).is_empty())
        .map(|p| p.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    let known: BTreeSet<String> = ROOMS.iter().map(|(room, _)| (*room).to_owned()).collect();
    assert!(there.is_subset(&known), "not in the table: {:?}", there.difference(&known));
}

/// Whether it stands there as a word of its own: `Strand::` is not `rand::`.
fn names(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[test]
fn the_engine_knows_no_clock_no_randomness_no_tokio_no_file_no_socket() {
    let engine = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/engine");
    let mut wrong = Vec::new();
    for path in files(&engine).into_iter().filter(|p| !is_test(p)) {
        let code = code(&path);
        wrong.extend(IMPURE.iter().filter(|w| names(&code, w)).map(|w| format!("{}: {w}", path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_a_debug_build_can_be_made_to_die() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for path in files(&source) {
        let code = std::fs::read_to_string(&path).unwrap();
        let release = if path.ends_with("failpoint.rs") {
            code.split("#[cfg(debug_assertions)]\nmod armed {").next()
        } else {
            Some(&*code)
        };
        let release = release.unwrap().lines().filter(|l| !l.trim_start().starts_with("//")).collect::<String>();
        let words = ["process::abort", "IFTHEN_ABORT", "std::env::var(VARIABLE)"];
        wrong.extend(words.iter().filter(|w| release.contains(**w)).map(|w| format!("{}: {w}", path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all = files(&root.join("src")).into_iter().chain(files(&root.join("tests")));
    let silent: Vec<String> =
        all.filter(|p| !std::fs::read_to_string(p).unwrap().starts_with("//!")).map(|p| p.display().to_string()).collect();
    assert!(silent.is_empty(), "no `//!` at the head of: {}", silent.join(", "));
}

#[test]
fn the_paths_that_architecture_names_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let missing: Vec<&str> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|w| w.starts_with("src/") || w.starts_with("tests/") || w.starts_with("examples/"))
        .filter(|w| !root.join(w).exists())
        .collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names what is not there: {missing:?}");
}
