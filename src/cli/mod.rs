//! The command line: one file per command. Every message is an ops engineer's: what happened, where, what to do.
//!
//! Exit codes: 0 done · 1 what was asked for failed or found problems · 2 wrong usage · 3 the daemon cannot run (store, address,
//! connection) · 4 the daemon cannot be reached.

mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config;

/// Rules and workflows from YAML: webhooks in, decided and durable, actions out, every step in the log.
#[derive(Debug, Parser)]
#[command(name = "ifthen", version, about, propagate_version = true)]
pub struct Cli {
    /// The configuration file
    #[arg(short, long, global = true, env = "IFTHEN_CONFIG", default_value = "config.yaml", value_name = "FILE")]
    config: PathBuf,
    /// The language of messages: zh or en (default: `lang` in the configuration, then the locale)
    #[arg(long, global = true, value_name = "LANG")]
    lang: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon; prints `ready http://ADDRESS` once it serves
    Run(run::Args),
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
    CannotRun = 3,
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
    let result = match cli.command {
        Command::Run(args) => run::run(&context, &args),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln(&format!("ifthen: {error:#}"));
            Exit::Failed.into()
        }
    }
}

/// To standard error; a reader who has gone is no reason to fail.
pub(crate) fn eprintln(text: &str) {
    use std::io::Write;
    drop(writeln!(std::io::stderr(), "{text}")); // nowhere else to say it
}
