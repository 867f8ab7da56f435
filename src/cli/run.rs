//! `ifthen run`: the daemon.

use std::io::{IsTerminal, Write};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use super::words::{Words as _, busy};
use super::{Context, Exit, eprintln};
use crate::{config, daemon, store, web};

/// Options of `run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How our own messages are written to standard error (default: `log` in the configuration)
    #[arg(long, value_enum)]
    log: Option<LogFormat>,
    /// Which of them: error, warn, info, debug, or a tracing filter
    #[arg(long, env = "IFTHEN_LOG", default_value = "info", value_name = "FILTER")]
    log_level: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

pub(crate) fn run(context: &Context, args: &Args) -> anyhow::Result<Exit> {
    let options = config::Options { tests: false, ..context.options.clone() };
    let loaded = match config::load(&context.config, &options) {
        Ok(loaded) => loaded,
        Err(report) => {
            eprintln(&report.render(report.lang, std::io::stderr().is_terminal()));
            return Ok(Exit::Failed);
        }
    };
    let json = match args.log {
        Some(LogFormat::Json) => true,
        Some(LogFormat::Text) => false,
        None => loaded.settings.log == config::settings::LogFormat::Json,
    };
    let lang = loaded.lang;
    let insecure = loaded.insecure().map(|id| super::check::insecure(&id, lang));
    drop(loaded); // the daemon reads it itself: one way in
    let filter = EnvFilter::try_new(&args.log_level)?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    if json {
        log.json().init()
    } else {
        log.with_ansi(std::io::stderr().is_terminal()).init()
    }
    if let Some(why) = insecure {
        tracing::warn!("{why}");
    }
    // One provider for every TLS connection of the process; installing it twice is harmless.
    drop(rustls::crypto::ring::default_provider().install_default());
    web::install_metrics();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.spawn(web::tend_metrics());
    let ready = |address: &str| {
        let mut out = std::io::stdout();
        drop(writeln!(out, "ready {address}").and_then(|()| out.flush())); // nobody may be listening
    };
    let end = runtime.block_on(daemon::run(options, context.config.clone(), web::router, ready));
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    match end {
        Ok(()) => Ok(Exit::Done),
        Err(daemon::Error::Definitions(report)) => {
            eprintln(&report.render(report.lang, false));
            Ok(Exit::Failed)
        }
        Err(daemon::Error::Store(store::Error::Busy(who))) => {
            eprintln(&format!("ifthen: {}", busy(lang, &who)));
            Ok(Exit::CannotRun)
        }
        Err(error @ daemon::Error::Store(store::Error::Broken(_))) => {
            let hint = lang.pick(
                "look after the disk (the system's own log says more), then start ifthen again: it goes on from what is on disk",
                "请检查磁盘(系统日志中有详情),然后重新启动 ifthen:它会从磁盘上的数据继续",
            );
            eprintln(&format!("ifthen: {error}; {hint}"));
            Ok(Exit::CannotRun)
        }
        Err(error) => {
            eprintln(&format!("ifthen: {error}"));
            Ok(Exit::CannotRun)
        }
    }
}
