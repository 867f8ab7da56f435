//! `ifthen runs`: where runs of flows stand and what they wait for, what they have done, and what a person decides about them.
//!
//! Lists and pictures are read from the store; what changes something is asked of the running daemon, which decides it as an event.

mod list;
mod migrate;
mod plan;
mod position;
mod show;

pub(super) use position::{Graphs, positions};
pub(super) use show::how;

use anyhow::bail;
use clap::Subcommand;
use serde_json::{Value, json};

use super::control::{Control, Unreachable};
use super::output::Out;
use super::place::Place;
use super::tail;
use super::words::Words as _;
use super::{Context, Exit, eprintln};
use crate::engine::flow::Run;
use crate::engine::state::{Entry, Key, prefix};
use crate::store::Read;

/// Entries of one read.
const PAGE: usize = 1_000;

/// Options of `runs`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    list: list::List,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Runs that are under way: at which step each stands and what it waits for
    List(list::List),
    /// One run: where it stands, its variables and results, and the path it took
    Show(show::Show),
    /// Tell a run that something happened that it waits for
    Signal(Signal),
    /// End runs
    Cancel(Cancel),
    /// Do again what runs stand still at
    Retry(Ids),
    /// Go on as if what runs stand at were done
    Skip(Ids),
    /// Send a run back to a step: a new round
    Back(Back),
    /// Take a run back on behalf of the person who asked for it
    Recall(Recall),
    /// What a flow would do on a record, and when, without doing it
    Plan(plan::Planned),
    /// Put runs onto the flow as it is now; says first which can be moved, and what stands against the others
    Migrate(migrate::Migrate),
}

#[derive(Debug, clap::Args)]
struct Signal {
    /// The run: r1042-1
    #[arg(value_parser = run_id)]
    run: String,
    /// The event it waits for: contract.signed
    name: String,
    /// Its data, as JSON
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
    #[command(flatten)]
    why: Why,
}

#[derive(Debug, clap::Args)]
struct Cancel {
    #[command(flatten)]
    ids: Ids,
    /// What was done is undone first
    #[arg(long)]
    undo: bool,
}

#[derive(Debug, clap::Args)]
struct Back {
    /// The run: r1042-1
    #[arg(value_parser = run_id)]
    run: String,
    /// The id of the step
    step: String,
    #[command(flatten)]
    why: Why,
}

#[derive(Debug, clap::Args)]
struct Recall {
    /// The run: r1042-1
    #[arg(value_parser = run_id)]
    run: String,
    /// The person who asked for it
    #[arg(long = "as", value_name = "PERSON")]
    person: String,
    #[command(flatten)]
    why: Why,
}

#[derive(Debug, clap::Args)]
struct Ids {
    /// The runs: r1042-1 …
    #[arg(required = true, value_parser = run_id, value_name = "RUN")]
    runs: Vec<String>,
    #[command(flatten)]
    why: Why,
}

#[derive(Debug, clap::Args)]
struct Why {
    /// Why; the log says it
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    comment: String,
    /// The log lines as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run_id(text: &str) -> Result<String, String> {
    let numbers = text.strip_prefix('r').and_then(|rest| rest.split_once('-'));
    match numbers.map(|(seq, n)| seq.parse::<u64>().is_ok() && n.parse::<u32>().is_ok()) {
        Some(true) => Ok(text.to_owned()),
        _ => Err("a run's id looks like r1042-1".into()),
    }
}

pub(crate) fn run(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    match &args.what {
        None => list::run(&context.place()?, &args.list, out),
        Some(What::List(args)) => list::run(&context.place()?, args, out),
        Some(What::Show(args)) => show::run(context, args, out),
        Some(What::Plan(args)) => plan::run(context, args, out),
        Some(What::Migrate(args)) => migrate::run(context, args, out),
        Some(What::Signal(args)) => {
            let place = context.place()?;
            let data: Value = match &args.data {
                None => Value::Null,
                Some(text) => match serde_json::from_str(text) {
                    Ok(data) => data,
                    Err(error) => {
                        bail!(place.lang().pick(format!("--data is no JSON: {error}"), format!("--data 不是有效的 JSON:{error}")))
                    }
                },
            };
            let body = json!({ "name": args.name, "data": data });
            ask(&place, std::slice::from_ref(&args.run), "signal", body, &args.why, out)
        }
        Some(What::Cancel(args)) => {
            ask(&context.place()?, &args.ids.runs, "cancel", json!({ "undo": args.undo }), &args.ids.why, out)
        }
        Some(What::Retry(args)) => ask(&context.place()?, &args.runs, "retry", json!({}), &args.why, out),
        Some(What::Skip(args)) => ask(&context.place()?, &args.runs, "skip", json!({}), &args.why, out),
        Some(What::Back(args)) => {
            let body = json!({ "step": args.step });
            ask(&context.place()?, std::slice::from_ref(&args.run), "back", body, &args.why, out)
        }
        Some(What::Recall(args)) => {
            let body = json!({ "by": args.person });
            ask(&context.place()?, std::slice::from_ref(&args.run), "recall", body, &args.why, out)
        }
    }
}

/// Asks the daemon about each, and shows what it said to it.
fn ask(place: &Place, runs: &[String], act: &str, body: Value, why: &Why, out: &mut Out) -> anyhow::Result<Exit> {
    let control = Control::find(place)?;
    let mut body = body;
    if body.get("by").is_none() {
        body["by"] = asker().into();
    }
    body["comment"] = why.comment.as_str().into();
    let mut exit = Exit::Done;
    for run in runs {
        if ask_one(&control, place, (run, act), &body, why.json, out)? != Exit::Done {
            exit = Exit::Failed;
        }
    }
    Ok(exit)
}

/// Asks the daemon about one. A refusal is said and does not keep the others from being asked about: a run may have ended meanwhile.
fn ask_one(
    control: &Control<'_>,
    place: &Place,
    (run, act): (&str, &str),
    body: &Value,
    json: bool,
    out: &mut Out,
) -> anyhow::Result<Exit> {
    match control.post(&format!("runs/{run}/{act}"), Some(body.to_string())) {
        Ok(event) => tail::told(place, event, json, out),
        Err(error) if error.is::<Unreachable>() => Err(error),
        Err(error) => {
            eprintln(&format!("ifthen: {run}: {error:#}"));
            Ok(Exit::Failed)
        }
    }
}

/// Who asks; the service's user is not.
fn asker() -> String {
    let by = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    by.unwrap_or_default()
}

/// Every run in the store, in the order of their keys.
pub(super) fn each(store: &dyn Read, mut with: impl FnMut(&Run) -> anyhow::Result<()>) -> anyhow::Result<()> {
    super::page::each(store, prefix::RUN, PAGE, |_, entry| if let Entry::Run(run) = entry { with(run) } else { Ok(()) })
}

/// One run, or a kind word that there is none.
pub(super) fn load(place: &Place, store: &dyn Read, id: &str) -> anyhow::Result<Option<Run>> {
    if let Some(Entry::Run(run)) = store.load(&Key::Run(id.to_owned()))?.as_deref() {
        return Ok(Some(run.clone()));
    }
    let event = id.trim_start_matches('r').split('-').next().unwrap_or_default();
    eprintln(&place.lang().pick(
        format!(
            "ifthen: there is no run {id}: what is through is no longer listed, `ifthen tail --event e{event}` tells of its start"
        ),
        format!("ifthen: 没有运行 {id}:已结束的不再列出,可用 `ifthen tail --event e{event}` 查看它的开始"),
    ));
    Ok(None)
}
