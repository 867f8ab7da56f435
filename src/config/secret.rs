//! `${env:NAME}` and `${file:path}` in config.yaml. What comes out of here is never shown: messages and digests see the placeholder.

use std::path::Path;

use super::catalogue as t;
use super::problem::{At, Problem, Sink};
use super::tree::{Kind, Node, Style};

/// The largest file that holds a secret.
const MAX_FILE: u64 = 64 << 10;

/// Replaces the placeholders of config.yaml. A connection on preview is never reached, so its secrets need not be there.
pub(super) fn resolve_config(root: &mut Node, folder: &Path, environment: bool, sink: &Sink) {
    if let Kind::Map(entries) = &mut root.kind {
        for entry in entries {
            match (entry.key.as_str(), &mut entry.value.kind) {
                ("connections", Kind::Map(connections)) => {
                    for connection in connections {
                        let live = connection.value.text_at("deliver") != Some("preview");
                        resolve(&mut connection.value, folder, environment && live, sink);
                    }
                }
                _ => resolve(&mut entry.value, folder, environment, sink),
            }
        }
    }
}

/// Replaces the placeholders of a whole tree. Without an environment, what holds one becomes unknown: nothing is said about it.
fn resolve(node: &mut Node, folder: &Path, environment: bool, sink: &Sink) {
    let at = node.at;
    match &mut node.kind {
        Kind::Seq(items) => items.iter_mut().for_each(|i| resolve(i, folder, environment, sink)),
        Kind::Map(entries) => entries.iter_mut().for_each(|e| resolve(&mut e.value, folder, environment, sink)),
        Kind::Scalar(text, _) if text.contains("${") => {
            let parts = match parts(text) {
                Ok(parts) => parts,
                Err(bad) => {
                    let problem = Problem::new(node.at, t::BAD_PLACEHOLDER.with([bad.into()]));
                    sink.add(problem.help(t::SECRET_HELP.with([])));
                    node.kind = Kind::Broken;
                    return;
                }
            };
            let replaced: Vec<Result<String, Box<Problem>>> = match environment {
                true => parts.iter().map(|p| value(p, at, folder)).collect(),
                false => Vec::new(),
            };
            let mut whole = String::new();
            let mut wrong = !environment;
            for part in replaced {
                match part {
                    Ok(text) => whole.push_str(&text),
                    Err(problem) => {
                        sink.add(*problem);
                        wrong = true;
                    }
                }
            }
            node.kind = if wrong { Kind::Broken } else { Kind::Scalar(whole, Style::Resolved) };
        }
        _ => {}
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Env(&'a str),
    File(&'a str),
}

/// The text in pieces, or the placeholder that is none.
fn parts(text: &str) -> Result<Vec<Part<'_>>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(end) = rest[start..].find('}').map(|e| start + e) else { return Err(rest[start..].chars().take(20).collect()) };
        let inner = &rest[start + 2..end];
        if start > 0 {
            parts.push(Part::Text(&rest[..start]));
        }
        parts.push(match inner.split_once(':') {
            Some(("env", name)) if !name.trim().is_empty() => Part::Env(name.trim()),
            Some(("file", path)) if !path.trim().is_empty() => Part::File(path.trim()),
            _ => return Err(rest[start..=end].to_owned()),
        });
        rest = &rest[end + 1..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

fn value(part: &Part<'_>, at: At, folder: &Path) -> Result<String, Box<Problem>> {
    let filled = |text: String, name: String| match text.is_empty() {
        true => Err(Box::new(Problem::new(at, t::SECRET_EMPTY.with([name.into()])))),
        false => Ok(text),
    };
    match part {
        Part::Text(text) => Ok((*text).to_owned()),
        Part::Env(name) => match std::env::var(name) {
            Ok(text) => filled(text, format!("${{env:{name}}}")),
            Err(_) => Err(Box::new(Problem::new(at, t::ENV_MISSING.with([(*name).into()])).help(t::ENV_HELP.with([])))),
        },
        Part::File(path) => {
            let text = read(&folder.join(path))
                .map_err(|e| Box::new(Problem::new(at, t::FILE_MISSING.with([(*path).into(), e.to_string().into()]))))?;
            // Editors and `echo` end a file with a line end that is no part of the secret.
            filled(text.trim_end_matches(['\n', '\r']).to_owned(), format!("${{file:{path}}}"))
        }
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    if std::fs::metadata(path)?.len() > MAX_FILE {
        return Err(std::io::Error::other(format!("larger than {MAX_FILE} bytes")));
    }
    std::fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders() {
        assert_eq!(
            parts("a ${env:X}-${file: /b }").unwrap(),
            [Part::Text("a "), Part::Env("X"), Part::Text("-"), Part::File("/b")]
        );
        for bad in ["${X}", "${env:}", "${env:X", "${vault:x}"] {
            assert!(parts(bad).is_err(), "{bad}");
        }
    }
}
