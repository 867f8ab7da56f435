//! `ifthen runs migrate`: puts runs onto their flow as it is now; before that, a table of which can be moved and what stands
//! against the others.
//!
//! The preview is the engine's own plan on the definitions in the folder; the daemon plans again by those in force.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::bail;

use super::list::about;
use super::position::Graphs;
use super::{Why, ask_one, asker, each, load, run_id};
use crate::cli::control::Control;
use crate::cli::output::{Look, Out};
use crate::cli::place::Place;
use crate::cli::table::Table;
use crate::cli::words::Words as _;
use crate::cli::{Context, Exit};
use crate::engine::definition::{Definitions, Flow};
use crate::engine::flow::Run;
use crate::engine::flow::migrate::{Reason, plan};
use serde_json::json;

/// Options of `runs migrate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Migrate {
    /// The runs: r1042-1 …; all that are on a former version unless said
    #[arg(value_parser = run_id, value_name = "RUN")]
    runs: Vec<String>,
    /// Those of this flow
    #[arg(long, conflicts_with = "runs")]
    flow: Option<String>,
    /// Only tell what would be moved
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    why: Why,
}

/// A run, and what would become of it.
struct Case {
    run: Run,
    /// Where it stands.
    at: String,
    against: Vec<Against>,
}

/// What stands against moving it.
enum Against {
    Reason(Reason),
    /// The flow is no more.
    Flow,
}

pub(super) fn run(context: &Context, args: &Migrate, out: &mut Out) -> anyhow::Result<Exit> {
    let (place, definitions) = context.place_and_definitions()?;
    let lang = place.lang();
    let Some(definitions) = definitions else {
        bail!(lang.pick(
            "the definitions do not compile: `ifthen check` tells why; runs stay where they are",
            "定义无法编译:请运行 `ifthen check`;运行保持不变",
        ));
    };
    let Some(cases) = cases(&place, args, &definitions)? else { return Ok(Exit::Failed) };
    if cases.is_empty() {
        out.line(lang.pick("all runs are on their flow as it is", "所有运行都已在当前版本上"))?;
        return Ok(Exit::Done);
    }
    let json = args.why.json && args.dry_run;
    for case in cases.iter().filter(|_| json) {
        let against: Vec<String> = case.against.iter().map(|a| a.told(&place)).collect();
        out.json(&json!({
            "run": case.run.id, "flow": case.run.flow, "record": case.run.record.as_ref().map(ToString::to_string),
            "step": case.at, "moves": against.is_empty(), "against": against,
        }))?;
    }
    if !args.why.json {
        preview(&place, &cases, out)?;
    }
    let stays = cases.iter().any(|case| !case.against.is_empty());
    if args.dry_run {
        return Ok(if stays { Exit::Failed } else { Exit::Done });
    }
    let control = Control::find(&place)?;
    let body = json!({ "by": asker(), "comment": args.why.comment });
    let mut exit = if stays { Exit::Failed } else { Exit::Done };
    for case in cases.iter().filter(|case| case.against.is_empty()) {
        if ask_one(&control, &place, (&case.run.id, "migrate"), &body, args.why.json, out)? != Exit::Done {
            exit = Exit::Failed;
        }
    }
    Ok(exit)
}

/// The runs that are meant, and what would become of each; none: one that was named is not there.
fn cases(place: &Place, args: &Migrate, definitions: &Definitions) -> anyhow::Result<Option<Vec<Case>>> {
    let reader = place.reader()?;
    let (mut graphs, mut cases) = (Graphs::default(), Vec::new());
    let now: HashMap<&String, Arc<Flow>> =
        definitions.flows.iter().map(|(id, flow)| (id, Arc::new(flow.as_ref().clone().linked()))).collect();
    let mut add = |run: &Run| {
        let old = graphs.of(&reader, &run.graph)?;
        let at = run.stands(&old).into_iter().map(|(step, _)| step).collect::<Vec<_>>().join(", ");
        let against = match now.get(&run.flow) {
            None => vec![Against::Flow],
            Some(new) => plan(run, &old, new).err().unwrap_or_default().into_iter().map(Against::Reason).collect(),
        };
        cases.push(Case { run: run.clone(), at, against });
        anyhow::Ok(())
    };
    for id in &args.runs {
        let Some(run) = load(place, &reader, id)? else { return Ok(None) };
        add(&run)?;
    }
    if args.runs.is_empty() {
        each(&reader, |run| {
            let current = now.get(&run.flow).is_some_and(|flow| flow.hash == run.graph);
            let asked = args.flow.as_ref().is_none_or(|flow| *flow == run.flow);
            if asked && !current { add(run) } else { Ok(()) }
        })?;
    }
    Ok(Some(cases))
}

impl Against {
    fn told(&self, place: &Place) -> String {
        let lang = place.lang();
        match self {
            Self::Flow => lang.pick("there is no such flow any more", "流程已不存在").to_owned(),
            Self::Reason(reason) => {
                let why = reason.why.to_string();
                let why = lang.said(&why);
                if reason.step.is_empty() { why.into_owned() } else { format!("{}: {why}", reason.step) }
            }
        }
    }
}

fn preview(place: &Place, cases: &[Case], out: &mut Out) -> anyhow::Result<()> {
    let lang = place.lang();
    let mut table = Table::new(lang.pick(["RUN", "FLOW", "RECORD", "AT", "MOVES"], ["运行", "流程", "记录", "位于", "可迁移"]));
    for case in cases {
        let against: Vec<String> = case.against.iter().map(|a| a.told(place)).collect();
        let (moves, look) = if against.is_empty() {
            (lang.pick("yes", "可以").to_owned(), Look::Green)
        } else {
            (lang.pick(format!("no: {}", against.join("; ")), format!("不能:{}", against.join(";"))), Look::Red)
        };
        table.row([
            (case.run.id.clone(), Look::Bold),
            (case.run.flow.clone(), Look::Cyan),
            (about(&case.run), Look::Plain),
            (case.at.clone(), Look::Plain),
            (moves, look),
        ]);
    }
    table.print(out)?;
    Ok(())
}
