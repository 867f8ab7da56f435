//! `ifthen functions`: what conditions can call, from the very table that reads them; and whether a page of it is up to date.

use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::json;

use super::output::{Look, Out};
use super::words::Words as _;
use super::{Context, Exit, eprintln};
use crate::engine::expression::{Function, groups, library};

/// Options of `functions`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only those whose name or description holds this
    #[arg(value_name = "WORD")]
    filter: Option<String>,
    /// As JSON, for programs
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// As a page in both languages
    #[arg(long, conflicts_with = "filter")]
    markdown: bool,
    /// Compare the page with this file; exit code 1 when it is stale
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "filter"])]
    check: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    if let Some(file) = &args.check {
        return check(file, out);
    }
    if args.markdown {
        out.text(&page())?;
        return Ok(Exit::Done);
    }
    let lang = context.options.lang.unwrap_or(context.options.locale);
    let wanted = |f: &&Function| args.filter.as_deref().is_none_or(|word| holds(f, word));
    if args.json {
        out.json(&library().filter(wanted).map(as_json).collect::<Vec<_>>())?;
        return Ok(Exit::Done);
    }
    let mut found = false;
    for group in groups() {
        let functions: Vec<&Function> = group.functions.iter().filter(wanted).collect();
        if functions.is_empty() {
            continue;
        }
        if found {
            out.line("")?;
        }
        found = true;
        let title = lang.pick(group.english, group.chinese);
        out.line(out.style.paint(Look::Bold, title))?;
        for f in functions {
            out.line(format!("  {}", f.signature))?;
            out.line(format!("      {}", lang.pick(f.english, f.chinese)))?;
            let example = format!("      {}", f.example);
            out.line(out.style.paint(Look::Dim, &example))?;
        }
    }
    Ok(if found { Exit::Done } else { Exit::Failed })
}

fn holds(f: &Function, word: &str) -> bool {
    let word = word.to_lowercase();
    [f.name, f.english, f.chinese].iter().any(|text| text.to_lowercase().contains(&word))
}

fn as_json(f: &Function) -> serde_json::Value {
    json!({
        "name": f.name,
        "signature": f.signature,
        "arguments": { "least": f.least, "most": f.most },
        "en": f.english,
        "zh": f.chinese,
        "example": f.example,
    })
}

/// The page in both languages.
fn page() -> String {
    let mut page = String::from(
        "# Functions in conditions · 条件中的函数\n\n\
         Written by `ifthen functions --markdown` from the table that conditions are read by; every example is run by a test.\n\
         本页由 `ifthen functions --markdown` 生成,与程序读条件所用的是同一张表;每个例子都由测试运行。\n\n\
         A missing input gives a missing value, or false where true or false is asked for. Text is counted in characters.\n\
         输入缺失时结果也缺失,判断类函数则为假。文本按字数计。\n",
    );
    for group in groups() {
        page.push_str(&format!(
            "\n## {} · {}\n\n| | English | 中文 | example · 例 |\n|---|---|---|---|\n",
            group.english, group.chinese
        ));
        for f in group.functions {
            page.push_str(&format!(
                "| `{}` | {} | {} | `{}` |\n",
                cell(f.signature),
                cell(f.english),
                cell(f.chinese),
                cell(f.example)
            ));
        }
    }
    page
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn check(file: &PathBuf, out: &mut Out) -> anyhow::Result<Exit> {
    let shown = file.display();
    let found = std::fs::read_to_string(file).with_context(|| format!("{shown}"))?;
    if found.replace("\r\n", "\n") == page() {
        out.line(format!("{shown} is up to date"))?;
        return Ok(Exit::Done);
    }
    eprintln(&format!("ifthen: {shown} is stale: write it anew with `ifthen functions --markdown > {shown}`"));
    Ok(Exit::Failed)
}
