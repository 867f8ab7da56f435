//! `ifthen audit`: who asked for what over the API or the command line, when, from where, and what it changed: the lines `audit` of the
//! action log.

use super::output::Out;
use super::{Context, Exit, tail};

/// Options of `audit`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many of the past [default: 20; all with --since]
    #[arg(short = 'n', long, value_name = "LINES")]
    lines: Option<usize>,
    /// Only since then: 2h, 09:00, 2026-11-21T09:00
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Follow: go on showing what comes, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let Args { lines, since, follow, json } = args;
    tail::run(context, &tail::Args::of("audit", *lines, since.clone(), *follow, *json), out)
}
