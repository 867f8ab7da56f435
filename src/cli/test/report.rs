//! Results for other programs: JSON lines, TAP, JUnit.

use std::fmt::Write as _;

use serde_json::json;

use super::super::line;
use super::super::output::{Out, clean};
use super::super::phrase::{Speech, phrase};
use super::Result;
use super::tell::{differences, sentence};
use crate::config::Lang;

/// One object per test, then the sums.
pub(super) fn json(results: &[Result<'_>], speech: &Speech, out: &mut Out) -> anyhow::Result<()> {
    let speech = Speech { lang: Lang::En, zone: speech.zone.clone() };
    let place = |p: &crate::config::scenario::Place| json!({ "file": p.file, "line": p.line, "column": p.column });
    for result in results {
        let failures: Vec<_> = result
            .failures
            .iter()
            .map(|f| {
                let each: Vec<String> = differences(f, &speech).iter().map(|(mark, text)| format!("{mark} {text}")).collect();
                json!({ "at": place(&f.place), "time": f.at, "message": sentence(f, Lang::En), "difference": each })
            })
            .collect();
        let passed = result.failures.is_empty();
        let log = result.failures.first().map(|f| f.log.as_slice()).unwrap_or_default();
        let log: Vec<_> = log.iter().map(|l| json!(line::Json::from(l))).collect();
        let test = json!({ "test": result.test.name, "at": place(&result.test.place), "passed": passed, "failures": failures, "log": log });
        out.json(&test)?;
    }
    let failed = results.iter().filter(|r| !r.failures.is_empty()).count();
    out.json(&json!({ "passed": results.len() - failed, "failed": failed }))
}

/// The Test Anything Protocol, version 14.
pub(super) fn tap(results: &[Result<'_>], speech: &Speech, out: &mut Out) -> std::io::Result<()> {
    out.line("TAP version 14")?;
    out.line(format!("1..{}", results.len()))?;
    for (n, result) in results.iter().enumerate() {
        // `#` begins a directive.
        let name = clean(&result.test.name).replace('\\', "\\\\").replace('#', "\\#");
        let ok = if result.failures.is_empty() { "ok" } else { "not ok" };
        out.line(format!("{ok} {} - {name}", n + 1))?;
        for failure in &result.failures {
            out.line(format!("# {}: {}", failure.place, sentence(failure, speech.lang)))?;
            for (mark, text) in differences(failure, speech) {
                out.line(format!("#   {mark} {text}"))?;
            }
        }
    }
    Ok(())
}

/// JUnit's XML, as GitLab, Jenkins and GitHub actions read it: a suite per file.
pub(super) fn junit(results: &[Result<'_>], speech: &Speech) -> String {
    let mut files: Vec<&str> = results.iter().map(|r| r.test.place.file.as_str()).collect();
    files.dedup();
    let counts = |of: &[&Result<'_>]| {
        let failed = of.iter().filter(|r| !r.failures.is_empty()).count();
        let seconds: f64 = of.iter().map(|r| r.took.as_secs_f64()).sum();
        format!("tests=\"{}\" failures=\"{failed}\" errors=\"0\" time=\"{seconds:.6}\"", of.len())
    };
    let all: Vec<&Result<'_>> = results.iter().collect();
    let mut xml = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"ifthen\" {}>\n", counts(&all));
    for file in files {
        let of: Vec<&Result<'_>> = results.iter().filter(|r| r.test.place.file == file).collect();
        let _ = writeln!(xml, "  <testsuite name=\"{}\" {}>", escape(file), counts(&of));
        for result in of {
            let (name, place) = (escape(&result.test.name), &result.test.place);
            let time = result.took.as_secs_f64();
            let file = escape(file);
            let _ = write!(
                xml,
                "    <testcase classname=\"{file}\" name=\"{name}\" file=\"{file}\" line=\"{}\" time=\"{time:.6}\"",
                place.line
            );
            let Some(first) = result.failures.first() else {
                xml.push_str("/>\n");
                continue;
            };
            let message = sentence(first, speech.lang);
            let _ = writeln!(
                xml,
                ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                escape(&message),
                escape(&whole(result, speech))
            );
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// Everything that is to be said of a failure, as text.
fn whole(result: &Result<'_>, speech: &Speech) -> String {
    let mut text = String::new();
    for failure in &result.failures {
        let _ = writeln!(text, "{}: {}", failure.place, sentence(failure, speech.lang));
        for (mark, difference) in differences(failure, speech) {
            let _ = writeln!(text, "  {mark} {difference}");
        }
    }
    for line in result.failures.first().map(|f| f.log.as_slice()).unwrap_or_default() {
        let by = line.rule.as_ref().or(line.flow.as_ref()).map_or("", String::as_str);
        let _ = writeln!(
            text,
            "{} {} {by} {} {}",
            crate::engine::event::id(line.event),
            line.outcome.word(),
            line.action,
            phrase(line, speech)
        );
    }
    text
}

/// For text and attributes; characters that XML 1.0 cannot hold are left out.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => escaped.push(c),
        }
    }
    escaped
}
