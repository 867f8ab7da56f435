//! `ifthen completions`: a script that completes commands and options in a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use super::output::Out;
use super::{Cli, Exit};

/// Options of `completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "bash: ifthen completions bash > ~/.local/share/bash-completion/completions/ifthen")]
pub(crate) struct Args {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    // By way of memory: the generator panics on a reader who has gone.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "ifthen", &mut script);
    out.text(&String::from_utf8(script)?)?;
    Ok(Exit::Done)
}
