//! `ifthen events export`: events as lines of JSON, to standard output or into a file of its own.
//!
//! Never half a file: one that was begun is taken away again when something fails.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::output::Out;
use super::super::place::Place;
use super::super::words::Words as _;
use super::super::{Exit, eprintln, when};
use crate::store::{Read as _, export};

/// Options of `events export`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file to make; it must not be there yet. Standard output unless said
    file: Option<PathBuf>,
    /// Only received since then: 2h, 30m, 09:00, 2026-11-21T09:00
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only received before then
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Only of this name; `*` stands for anything: lead.*
    #[arg(long)]
    name: Option<String>,
    /// Only about this record: lead/L20, or L20
    #[arg(long)]
    record: Option<String>,
    /// Only told by this source
    #[arg(long)]
    source: Option<String>,
}

pub(super) fn run(place: &Place, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let lang = place.lang();
    let reader = place.reader()?;
    let now = jiff::Timestamp::now();
    let at = |text: &Option<String>| text.as_ref().map(|t| when::since(t, now, &place.speech)).transpose();
    let asked = export::Asked {
        since: at(&args.since)?,
        until: at(&args.until)?,
        name: args.name.clone(),
        record: args.record.clone(),
        source: args.source.clone(),
    };
    let bar = bar(reader.last()?.event);
    let count = match &args.file {
        None => export::write(&reader, &asked, &mut Lines { out, begun: Vec::new() }, |seq| bar.set_position(seq)),
        Some(file) if file.exists() => {
            let file = file.display();
            eprintln(&lang.pick(
                format!("ifthen: {file} exists already; choose another name"),
                format!("ifthen: {file} 已存在,请换一个文件名"),
            ));
            return Ok(Exit::Failed);
        }
        Some(file) => into(file, |sink| export::write(&reader, &asked, sink, |seq| bar.set_position(seq)))
            .with_context(|| file.display().to_string())?,
    };
    bar.finish_and_clear();
    let count = match count {
        // Whoever read has gone (`| head`): what they wanted is done.
        Err(export::Wrong::Lines(error)) => return Err(error.into()),
        other => other?,
    };
    // Not among the lines: for those who look on.
    let events = if count == 1 { "event" } else { "events" };
    eprintln(&lang.pick(format!("ifthen: {count} {events}"), format!("ifthen: {count} 个事件")));
    Ok(Exit::Done)
}

type Written = Result<u64, export::Wrong>;

/// Writes into a file that is there only once it is whole and on disk; for its owner only, as the store is.
fn into(file: &Path, write: impl FnOnce(&mut dyn Write) -> Written) -> anyhow::Result<Written> {
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let begun = tempfile::NamedTempFile::new_in(folder)?;
    let mut sink = BufWriter::new(begun.as_file());
    let written = write(&mut sink);
    sink.flush()?;
    drop(sink);
    if written.is_ok() {
        begun.as_file().sync_all()?;
        begun.persist_noclobber(file)?;
    }
    Ok(written)
}

/// A bar on a terminal, nothing elsewhere.
fn bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10));
    // The template is a constant; without it the bar has its own look.
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent}% (e{pos})") {
        bar.set_style(style);
    }
    bar
}

/// Standard output, line by line: nothing in them is to be obeyed by a terminal.
struct Lines<'a> {
    out: &'a mut Out,
    /// What has come of the next line.
    begun: Vec<u8>,
}

impl Write for Lines<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            self.begun.extend_from_slice(&rest[..end]);
            let line = std::str::from_utf8(&self.begun).map_err(std::io::Error::other)?;
            self.out.json_text(line)?;
            self.begun.clear();
            rest = &rest[end + 1..];
        }
        self.begun.extend_from_slice(rest);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
