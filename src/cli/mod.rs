//! The command line: one file per command. Every message is an ops engineer's: what happened, where, what to do.
//!
//! Exit codes: 0 done · 1 what was asked for failed or found problems · 2 wrong usage · 3 the daemon cannot run (store, address,
//! connection) · 4 the daemon cannot be reached. Nothing here decides or writes state: what changes something is asked of the
//! daemon.

mod add;
mod audit;
mod backtest;
mod backup;
mod calls;
mod check;
mod clock;
mod completions;
mod contacts;
mod control;
mod doctor;
mod events;
mod functions;
mod graph;
mod heard;
mod init;
mod line;
mod output;
mod page;
mod phrase;
mod place;
mod quarantine;
mod records;
mod restore;
mod run;
mod runs;
mod schedule;
mod schema;
mod silence;
mod stranger;
mod table;
mod tail;
mod tasks;
mod test;
mod tokens;
mod verdict;
mod when;
mod why;
mod words;
mod yaml;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config;
use output::Out;

/// Rules and workflows from YAML: webhooks in, decided and durable, actions out, every step in the log.
#[derive(Debug, Parser)]
#[command(name = "ifthen", version, about, propagate_version = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// The configuration file
    #[arg(short, long, global = true, env = "IFTHEN_CONFIG", default_value = "config.yaml", value_name = "FILE")]
    config: PathBuf,
    /// The language of messages: zh or en (default: `lang` in the configuration, then the locale)
    #[arg(long, global = true, value_name = "LANG", value_parser = ["zh", "en"], hide_possible_values = true)]
    lang: Option<String>,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done · 1 failed, or problems found · 2 wrong usage · 3 the daemon cannot run · \
                          4 the daemon cannot be reached";

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a configuration, rules and a flow to begin with
    Init(init::Args),
    /// Run the daemon; prints `ready http://ADDRESS` once it serves
    Run(run::Args),
    /// Check the configuration and every definition; tells all problems at once
    Check(check::Args),
    /// Run the tests that stand in the YAML, on a virtual clock
    Test(test::Args),
    /// Try the definitions on recorded events: which rules would have fired more often, and which less, without acting
    Backtest(backtest::Args),
    /// Draft source, entity and a first rule from a real payload, and show what they would do with it
    Add(add::Args),
    /// Show the action log
    Tail(tail::Args),
    /// Show who asked for what, from where, and what it changed
    Audit(audit::Args),
    /// Make, list and revoke access tokens for the API
    Tokens(tokens::Args),
    /// Show why rules fired on an event, or did not: clause by clause, with the values of then
    Why(why::Args),
    /// Show what happened: events
    Events(events::Args),
    /// Show, retry, edit or discard what has not gone out yet, dead letters among it
    Calls(calls::Args),
    /// Show what is known of a mail address, and say whether it gets marketing mail
    Contacts(contacts::Args),
    /// Show runs of flows, where they stand and what they did; signal, cancel, retry, skip, send back, migrate
    Runs(runs::Args),
    /// Draw a flow: as an outline, SVG, Mermaid or DOT; with where its runs stand
    Graph(graph::Args),
    /// Keep rules from acting for a while, with a reason
    Silence(silence::Args),
    /// Whether the clock was set, and letting what is driven by time go on
    Clock(clock::Args),
    /// Show, mend, retry or discard what sources told and what could not be understood
    Quarantine(quarantine::Args),
    /// Show what people are asked to decide or to answer, and decide it
    Tasks(tasks::Args),
    /// Show records
    Records(records::Args),
    /// Show what will come by itself: ticks of `cron` and `every`, and what waits for its time
    Schedule(schedule::Args),
    /// Print the functions that conditions can call, each with an example
    Functions(functions::Args),
    /// Print the JSON Schema of the YAML files, for editors
    Schema(schema::Args),
    /// Copy the store into a file, beside a running daemon
    Backup(backup::Args),
    /// Make the store out of a backup; the daemon must be stopped
    Restore(restore::Args),
    /// Look for what is wrong: configuration, disk, store, clock, connections
    Doctor(doctor::Args),
    /// Print a script that completes commands in a shell
    Completions(completions::Args),
}

/// What every command gets to know.
pub(crate) struct Context {
    /// The configuration file.
    pub(crate) config: PathBuf,
    /// How to load it.
    pub(crate) options: config::Options,
}

/// How a command ended; the numbers are documented in the README.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    /// What was to be judged could not be judged; as wrong usage.
    Trouble = 2,
    CannotRun = 3,
    Unreachable = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Parses the arguments and runs the command.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    let locale = config::Lang::of(&locale.unwrap_or_default());
    let options = config::Options { lang: cli.lang.as_deref().map(config::Lang::of), locale, ..config::Options::default() };
    let context = Context { config: cli.config, options };
    let mut out = Out::stdout();
    let result = command(&context, &cli.command, &mut out).and_then(|exit| Ok(out.flush().map(|()| exit)?));
    match result {
        Ok(exit) => exit.into(),
        // Whoever read has gone (`| head`): what they wanted is done.
        Err(error) if is_closed_pipe(&error) => Exit::Done.into(),
        Err(error) => {
            drop(out.flush()); // what was said before the error; nowhere else to say it
            eprintln(&format!("ifthen: {error:#}"));
            if error.is::<control::Unreachable>() { Exit::Unreachable.into() } else { Exit::Failed.into() }
        }
    }
}

fn command(context: &Context, command: &Command, out: &mut Out) -> anyhow::Result<Exit> {
    match command {
        Command::Init(args) => init::run(context, args, out),
        Command::Run(args) => run::run(context, args),
        Command::Check(args) => check::run(context, args, out),
        Command::Test(args) => test::run(context, args, out),
        Command::Backtest(args) => backtest::run(context, args, out),
        Command::Add(args) => add::run(context, args, out),
        Command::Tail(args) => tail::run(context, args, out),
        Command::Audit(args) => audit::run(context, args, out),
        Command::Tokens(args) => tokens::run(context, args, out),
        Command::Why(args) => why::run(context, args, out),
        Command::Events(args) => events::run(context, args, out),
        Command::Calls(args) => calls::run(context, args, out),
        Command::Contacts(args) => contacts::run(context, args, out),
        Command::Runs(args) => runs::run(context, args, out),
        Command::Graph(args) => graph::run(context, args, out),
        Command::Silence(args) => silence::run(context, args, out),
        Command::Clock(args) => clock::run(context, args, out),
        Command::Quarantine(args) => quarantine::run(context, args, out),
        Command::Tasks(args) => tasks::run(context, args, out),
        Command::Records(args) => records::run(context, args, out),
        Command::Schedule(args) => schedule::run(context, args, out),
        Command::Functions(args) => functions::run(context, args, out),
        Command::Schema(args) => schema::run(args, out),
        Command::Backup(args) => backup::run(context, args, out),
        Command::Restore(args) => restore::run(context, args, out),
        Command::Doctor(args) => doctor::run(context, args, out),
        Command::Completions(args) => completions::run(args, out),
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}

/// To standard error; a reader who has gone is no reason to fail.
pub(crate) fn eprintln(text: &str) {
    use std::io::Write;
    drop(writeln!(std::io::stderr(), "{text}")); // nowhere else to say it
}
