//! `ifthen schema`: what the YAML may hold, as the JSON Schema by which editors complete and check it, or as a page to read; and whether
//! a file of it is up to date.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::ValueEnum;

use super::output::Out;
use super::{Exit, eprintln};
use crate::config;

/// Options of `schema`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Of what: `definitions` for rules/ and flows/, `config` for config.yaml
    #[arg(value_enum, default_value_t = Of::Definitions)]
    of: Of,
    /// As a page in both languages, to read
    #[arg(long)]
    markdown: bool,
    /// Instead of printing, compare with this file; exit code 1 when it is stale
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Of {
    Definitions,
    Config,
}

pub(crate) fn run(args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let json = |schema: serde_json::Value| serde_json::to_string_pretty(&schema).map(|text| text + "\n");
    let (name, text) = match (args.of, args.markdown) {
        (Of::Definitions, false) => ("definitions", json(config::schema())?),
        (Of::Config, false) => ("config", json(config::schema_config())?),
        (Of::Definitions, true) => ("definitions --markdown", config::reference()),
        (Of::Config, true) => ("config --markdown", config::reference_config()),
    };
    let Some(file) = &args.check else {
        out.text(&text)?;
        return Ok(Exit::Done);
    };
    let shown = file.display();
    let found = std::fs::read_to_string(file).with_context(|| format!("{shown}"))?;
    if found.replace("\r\n", "\n") == text {
        out.line(format!("{shown} is up to date"))?;
        return Ok(Exit::Done);
    }
    eprintln(&format!("ifthen: {shown} is stale: write it anew with `ifthen schema {name} > {shown}`"));
    Ok(Exit::Failed)
}
