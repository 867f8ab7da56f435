//! `ifthen backup`: a checked copy of the store in one file, taken beside a running daemon.

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::{Look, Out};
use super::place::Place;
use super::words::Words as _;
use super::{Context, Exit, eprintln};
use crate::daemon::links;
use crate::store::backup::{self, Report};

/// Options of `backup`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file to make; it must not be there yet
    file: PathBuf,
    /// The report as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let place = context.place()?;
    place.reader()?; // a kind word when nothing has been stored yet
    if args.file.exists() {
        let file = args.file.display();
        eprintln(&place.lang().pick(
            format!("ifthen: {file} exists already; choose another name"),
            format!("ifthen: {file} 已存在,请换一个文件名"),
        ));
        return Ok(Exit::Failed);
    }
    let bar = bar();
    let report = backup::backup(&place.store, &args.file, |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let report = report?;
    keep_key(&place, &args.file)?;
    let size = std::fs::metadata(&args.file).map(|m| m.len()).unwrap_or_default();
    let file = args.file.display();
    let done = place.lang().pick(format!("{file}: whole, checked and on disk"), format!("{file}:已完整写入磁盘并校验"));
    say(&place, &done, size, &report, args.json, out)
}

/// The key of links goes beside the backup: without it, the links in mails that were sent lead nowhere any more.
fn keep_key(place: &Place, backup: &std::path::Path) -> anyhow::Result<()> {
    let from = links::file(&place.data);
    if from.exists() {
        links::copy(&from, &links::beside(backup))?;
    }
    Ok(())
}

/// A bar on a terminal, nothing elsewhere.
fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
    // The template is a constant; without it the bar has its own look.
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent}% ({pos}/{len} pages)") {
        bar.set_style(style);
    }
    bar
}

/// What is in a store, for people or as JSON.
pub(super) fn say(place: &Place, head: &str, size: u64, report: &Report, json: bool, out: &mut Out) -> anyhow::Result<Exit> {
    if json {
        out.json(&serde_json::json!({
            "events": report.events, "changes": report.changes, "keys": report.keys, "log": report.log, "bytes": size,
            "last_event": report.last.event, "last_log": report.last.log, "last_change": report.last_change,
            "history": report.history, "state": report.state,
        }))?;
        return Ok(Exit::Done);
    }
    let lang = place.lang();
    out.line(format!("{} {head}", out.style.paint(Look::Green, lang.pick("ok", "完成"))))?;
    let (events, keys, log) = (report.events, report.keys, report.log);
    let (last, size) = (report.last.event, megabytes(size));
    out.line(lang.pick(
        format!("   {events} events (up to e{last}), {keys} values, {log} log lines, {size}"),
        format!("   {events} 个事件(到 e{last}),{keys} 个状态值,{log} 行日志,{size}"),
    ))?;
    out.line(format!("   {} sha256:{}", lang.pick("history", "历史"), report.history))?;
    out.line(format!("   {} sha256:{}", lang.pick("state  ", "状态"), report.state))?;
    Ok(Exit::Done)
}

/// Bytes as people read them.
pub(super) fn megabytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "one digit behind the point is shown")]
    let mut size = bytes as f64 / 1024.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        if size < 1024.0 {
            break;
        }
        (size, unit) = (size / 1024.0, larger);
    }
    format!("{size:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::megabytes;

    #[test]
    fn sizes() {
        for (bytes, expect) in [(0, "0 B"), (1_023, "1023 B"), (1_536, "1.5 KiB"), (5 << 20, "5.0 MiB"), (3 << 41, "6.0 TiB")] {
            assert_eq!(megabytes(bytes), expect);
        }
    }
}
