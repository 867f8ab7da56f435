//! `ifthen runs list`: the runs that are under way, a line for each position; with `--all` also those that are through.
//!
//! Only reads.

use serde_json::json;

use super::position::{Graphs, Position, positions};
use crate::check::ended::{self, ends};
use crate::cli::output::{Look, Out, clip};
use crate::cli::place::Place;
use crate::cli::table::Table;
use crate::cli::words::Words as _;
use crate::cli::{Exit, when};
use crate::engine::event;
use crate::engine::flow::Run;
use crate::engine::log::Line;
use crate::store::Filter;

/// Cells of what a run waits for.
const TEXT: usize = 80;

/// Options of `runs list`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Only of this flow
    #[arg(long)]
    flow: Option<String>,
    /// Only about this record: quote/Q1, or just Q1
    #[arg(long)]
    record: Option<String>,
    /// Only those that wait at this step
    #[arg(long)]
    step: Option<String>,
    /// Only those that stand still until a person helps
    #[arg(long)]
    stuck: bool,
    /// Also those that are through, as far as the log goes back
    #[arg(long, conflicts_with_all = ["step", "stuck"])]
    all: bool,
    /// Only those that began since then, or ended: 2h, 09:00, 2026-11-21
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl List {
    fn passes(&self, run: &Run, positions: &[Position]) -> bool {
        let record = |asked: &String| {
            run.record.as_ref().is_some_and(|r| r.id == *asked || r.to_string() == *asked) || run.subject == *asked
        };
        self.flow.as_ref().is_none_or(|flow| *flow == run.flow)
            && self.record.as_ref().is_none_or(record)
            && self.step.as_ref().is_none_or(|step| positions.iter().any(|p| p.step == *step))
            && (!self.stuck || run.failed.is_some() || positions.iter().any(|p| p.error.is_some()))
    }
}

pub(super) fn run(place: &Place, args: &List, out: &mut Out) -> anyhow::Result<Exit> {
    let reader = place.reader()?;
    let lang = place.lang();
    let head = lang.pick(
        ["RUN", "FLOW", "RECORD", "STEP", "BRANCH", "WAITS", "SINCE", "ROUND"],
        ["运行", "流程", "记录", "步骤", "分支", "等待", "自", "轮次"],
    );
    let (mut table, mut graphs) = (Table::new(head), Graphs::default());
    let since = args.since.as_ref().map(|t| when::since(t, jiff::Timestamp::now(), &place.speech)).transpose()?;
    let mut found = Vec::new();
    super::each(&reader, |run| {
        if since.is_none_or(|since| run.started >= since) {
            found.push(run.clone());
        }
        Ok(())
    })?;
    found.sort_by_key(|run| number(&run.id));
    let mut count = 0;
    if args.all {
        let filter = Filter { flow: args.flow.clone(), record: args.record.clone(), since, ..Filter::default() };
        let mut ended = Vec::new();
        ends(&reader, &filter, |line| ended.push(line))?;
        for line in &ended {
            count += 1;
            over(place, args, line, &mut table, out)?;
        }
    }
    for run in &found {
        let graph = graphs.of(&reader, &run.graph)?;
        let positions = positions(&reader, run, &graph)?;
        if !args.passes(run, &positions) {
            continue;
        }
        count += 1;
        if args.json {
            out.json(&as_json(run, &positions))?;
            continue;
        }
        for position in &positions {
            let look = if position.error.is_some() { Look::Red } else { Look::Plain };
            table.row([
                (run.id.clone(), Look::Bold),
                (run.flow.clone(), Look::Cyan),
                (clip(&about(run), 28), Look::Plain),
                (position.step.clone(), Look::Bold),
                (position.branch.clone(), Look::Dim),
                (clip(&position.told(&place.speech), TEXT), look),
                (when::short(position.since, &place.speech.zone), Look::Dim),
                (run.round.to_string(), Look::Plain),
            ]);
        }
    }
    if args.json {
        return Ok(Exit::Done);
    }
    if count == 0 {
        out.line(if args.all {
            lang.pick("no runs", "没有运行")
        } else {
            lang.pick("no runs are under way; `--all` lists those that are through", "没有进行中的运行;用 `--all` 列出已结束的")
        })?;
        return Ok(Exit::Done);
    }
    table.print(out)?;
    Ok(Exit::Done)
}

/// A run that is through, by the line that says so.
fn over(place: &Place, args: &List, line: &Line, table: &mut Table, out: &mut Out) -> anyhow::Result<()> {
    let (run, flow) = (line.run.clone().unwrap_or_default(), line.flow.clone().unwrap_or_default());
    let record = line.record.as_ref().map(ToString::to_string);
    let word = ended::word(line);
    if args.json {
        let end = json!({ "at": line.at, "as": word, "event": event::id(line.event), "outcome": line.outcome.word() });
        return out.json(&json!({ "run": run, "flow": flow, "record": record, "positions": [], "ended": end }));
    }
    let word = clip(&place.lang().said(&word), TEXT);
    let told = place.lang().pick(format!("ended as {word}"), format!("已结束:{word}"));
    table.row([
        (run, Look::Bold),
        (flow, Look::Cyan),
        (clip(&record.unwrap_or_default(), 28), Look::Plain),
        (String::new(), Look::Plain),
        (String::new(), Look::Plain),
        (told, Look::Dim),
        (when::short(line.at, &place.speech.zone), Look::Dim),
        (String::new(), Look::Plain),
    ]);
    Ok(())
}

/// By the event that began it, and which of its runs: ids as text would put r147 before r67.
fn number(id: &str) -> (u64, u32) {
    let parts = id.strip_prefix('r').and_then(|rest| rest.split_once('-'));
    parts.map_or((0, 0), |(seq, n)| (seq.parse().unwrap_or(0), n.parse().unwrap_or(0)))
}

/// What a run is about.
pub(super) fn about(run: &Run) -> String {
    run.record.as_ref().map_or_else(|| run.subject.clone(), ToString::to_string)
}

/// A run for programs.
pub(super) fn as_json(run: &Run, positions: &[Position]) -> serde_json::Value {
    json!({
        "run": run.id, "flow": run.flow, "record": run.record.as_ref().map(ToString::to_string), "subject": run.subject,
        "initiator": run.initiator, "round": run.round, "started": run.started, "failed": run.failed, "graph": run.graph,
        "preview": run.preview, "positions": positions.iter().map(Position::to_json).collect::<Vec<_>>(),
    })
}
