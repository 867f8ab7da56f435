//! `ifthen test`: the tests that stand in the YAML, on a virtual clock. Nothing is stored and nothing leaves; secrets are not asked for.
//!
//! Closes with `N passed, N failed` alone on a line, in every language.

mod report;
mod tell;

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use notify_debouncer_full::new_debouncer;
use notify_debouncer_full::notify::RecursiveMode;

use super::output::{Look, Out};
use super::phrase::Speech;
use super::words::Words as _;
use super::{Context, Exit, eprintln};
use crate::check::test::{self, Failure, Subject};
use crate::config::scenario::Test;
use crate::config::{self, Loaded};

/// An editor writes a file in several steps.
const SETTLE: Duration = Duration::from_millis(200);

/// Options of `test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the tests with this in their name or file
    #[arg(value_name = "FILTER")]
    filter: Option<String>,
    /// As JSON, one object a line, for programs
    #[arg(long, conflicts_with = "tap")]
    json: bool,
    /// As TAP (version 14)
    #[arg(long)]
    tap: bool,
    /// Also write a JUnit report into this file
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Beneath a failure: why the rules that its step woke did what they did, clause by clause
    #[arg(long, conflicts_with_all = ["json", "tap"])]
    why: bool,
    /// Run again whenever a file changes
    #[arg(long)]
    watch: bool,
}

/// A test and what came of it.
struct Result<'a> {
    test: &'a Test,
    failures: Vec<Failure>,
    took: Duration,
}

pub(crate) fn run(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    if args.watch { watch(context, args, out) } else { once(context, args, out).map(|(exit, _)| exit) }
}

/// One run, and the folders that were read.
fn once(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<(Exit, Vec<PathBuf>)> {
    let options = config::Options { environment: false, ..context.options.clone() };
    let mut loaded = match config::load(&context.config, &options) {
        Ok(loaded) => loaded,
        Err(report) => {
            // Where a program reads along, the report must not stand in its way.
            let text = report.render(report.lang, out.style.colour && !args.json && !args.tap);
            if args.json || args.tap {
                eprintln(&text)
            } else {
                out.text(&text)?
            }
            // Which folders are meant is not known; the usual ones are a good guess until it is.
            let usual = ["rules", "flows"].map(|folder| home(context).join(folder));
            return Ok((Exit::Failed, usual.into_iter().filter(|f| f.is_dir()).collect()));
        }
    };
    test::ready(&mut loaded.definitions);
    let exit = play(&loaded, args, out)?;
    Ok((exit, loaded.settings.definitions))
}

fn play(loaded: &Loaded, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let Loaded { definitions, settings, tests, lang, .. } = loaded;
    let subject = Subject { definitions, settings };
    let wanted =
        |t: &&Test| args.filter.as_ref().is_none_or(|f| t.name.contains(f.as_str()) || t.place.file.contains(f.as_str()));
    let results: Vec<Result<'_>> = tests
        .iter()
        .filter(wanted)
        .map(|test| {
            let begun = Instant::now();
            Result { test, failures: test::play(&subject, test), took: begun.elapsed() }
        })
        .collect();
    let speech = Speech { lang: *lang, zone: definitions.zone.0.clone() };
    let failed = results.iter().filter(|r| !r.failures.is_empty()).count();
    if args.json {
        report::json(&results, &speech, out)?;
    } else if args.tap {
        report::tap(&results, &speech, out)?;
    } else {
        for result in results.iter().filter(|r| !r.failures.is_empty()) {
            let why = args.why.then(|| test::why(&subject, result.test).1);
            tell::failed(result, why.as_deref(), &speech, out)?;
        }
    }
    if let Some(file) = &args.junit {
        std::fs::write(file, report::junit(&results, &speech)).with_context(|| format!("{}", file.display()))?;
    }
    let nothing = results.is_empty() && args.filter.is_some();
    if nothing {
        let filter = args.filter.as_deref().unwrap_or_default();
        eprintln(&lang.pick(
            format!("ifthen: no test has `{filter}` in its name or file"),
            format!("ifthen: 没有名称或文件含有“{filter}”的测试"),
        ));
    }
    if !args.json && !args.tap {
        let closing = format!("{} passed, {failed} failed", results.len() - failed);
        out.line(out.style.paint(if failed == 0 { Look::Green } else { Look::Red }, &closing))?;
    }
    Ok(if failed == 0 && !nothing { Exit::Done } else { Exit::Failed })
}

/// The folder of config.yaml.
fn home(context: &Context) -> &Path {
    context.config.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Runs again whenever a file changes, until it is interrupted.
fn watch(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let (tell, told) = mpsc::channel();
    let mut debouncer = new_debouncer(SETTLE, None, tell)?;
    debouncer.watch(home(context), RecursiveMode::NonRecursive)?;
    let mut watched: Vec<PathBuf> = Vec::new();
    loop {
        let (_, folders) = once(context, args, out)?;
        out.flush()?;
        for folder in folders {
            if !watched.contains(&folder) {
                debouncer.watch(&folder, RecursiveMode::Recursive)?;
                watched.push(folder);
            }
        }
        let yaml = |p: &PathBuf| p.extension().is_some_and(|e| e == "yaml" || e == "yml");
        loop {
            let events = told.recv()?;
            if events.is_ok_and(|all| all.iter().any(|e| !e.kind.is_access() && e.paths.iter().any(yaml))) {
                break;
            }
        }
        out.line("")?;
    }
}
