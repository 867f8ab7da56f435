//! `ifthen runs list`: the runs that are under way, a line for each position.
//!
//! Only reads.

use serde_json::json;

use super::position::{Graphs, Position, positions};
use crate::cli::output::{Look, Out, clip};
use crate::cli::place::Place;
use crate::cli::table::Table;
use crate::cli::words::Words as _;
use crate::cli::{Exit, when};
use crate::engine::flow::Run;

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
    let mut count = 0;
    super::each(&reader, |run| {
        let graph = graphs.of(&reader, &run.graph)?;
        let positions = positions(&reader, run, &graph)?;
        if !args.passes(run, &positions) {
            return Ok(());
        }
        count += 1;
        if args.json {
            return out.json(&as_json(run, &positions));
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
        Ok(())
    })?;
    if args.json {
        return Ok(Exit::Done);
    }
    if count == 0 {
        out.line(lang.pick("no runs are under way", "没有进行中的运行"))?;
        return Ok(Exit::Done);
    }
    table.print(out)?;
    Ok(Exit::Done)
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
