//! `ifthen graph`: a flow as a picture, with where its runs stand or the path that one of them took.
//!
//! Only reads: the definitions in the folder and, where runs are asked for, the store.

mod gist;
mod layout;
mod live;
mod outline;
mod route;
mod scene;
mod svg;
mod text;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::ValueEnum;

use self::live::Marks;
use super::output::Out;
use super::place::Place;
use super::runs::{Shown, load, run_id};
use super::words::{Lang, Words as _};
use super::{Context, Exit};
use crate::engine::definition::{Definitions, Flow};

/// Options of `graph`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The flow; of the run's unless said
    #[arg(required_unless_present = "run")]
    flow: Option<String>,
    /// As what
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// How many runs stand at each step
    #[arg(long, conflicts_with = "run")]
    runs: bool,
    /// The path that this run took, on the version it began with: r1042-1
    #[arg(long, value_parser = run_id, value_name = "RUN")]
    run: Option<String>,
    /// Into this file, by whose ending the format goes: flow.svg, flow.mmd, flow.dot
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// As what a flow is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// An outline
    Text,
    /// A picture
    Svg,
    /// For Mermaid
    Mermaid,
    /// For Graphviz
    Dot,
}

pub(crate) fn run(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let (place, definitions) = context.place_and_definitions()?;
    let Some((flow, marks)) = subject(&place, definitions.as_ref(), args)? else { return Ok(Exit::Failed) };
    let drawn = draw(&flow, &marks, args.format(), place.lang());
    match &args.output {
        Some(path) => {
            std::fs::write(path, drawn).with_context(|| {
                let path = path.display();
                place.lang().pick(format!("{path} cannot be written"), format!("无法写入 {path}"))
            })?;
        }
        None => out.text(&drawn)?,
    }
    Ok(Exit::Done)
}

impl Args {
    fn format(&self) -> Format {
        let ending = self.output.as_ref().and_then(|path| path.extension()).and_then(|e| e.to_str());
        match (self.format, ending) {
            (Format::Text, Some("svg")) => Format::Svg,
            (Format::Text, Some("mmd" | "mermaid")) => Format::Mermaid,
            (Format::Text, Some("dot" | "gv")) => Format::Dot,
            (format, _) => format,
        }
    }
}

/// Which flow, and what is marked in it.
fn subject(place: &Place, definitions: Option<&Definitions>, args: &Args) -> anyhow::Result<Option<(Arc<Flow>, Marks)>> {
    let lang = place.lang();
    if let Some(id) = &args.run {
        let reader = place.reader()?;
        let Some(Shown { run, flow, .. }) = load(place, &reader, definitions, id)? else { return Ok(None) };
        let marks = Marks::of_one(&reader, &run, &flow, &place.speech)?;
        return Ok(Some((flow, marks)));
    }
    let id = args.flow.as_deref().unwrap_or_default();
    let Some(definitions) = definitions else {
        bail!(lang.pick("the definitions do not compile: `ifthen check` tells why", "定义无法编译:请运行 `ifthen check`"));
    };
    let Some(flow) = definitions.flows.get(id) else {
        let known = definitions.flows.keys().cloned().collect::<Vec<_>>().join(", ");
        bail!(lang.pick(format!("there is no flow {id}; there are: {known}"), format!("没有流程 {id};现有:{known}")));
    };
    let flow = Arc::new(flow.as_ref().clone().linked());
    let marks = if args.runs { Marks::of_all(&place.reader()?, &flow)? } else { Marks::default() };
    Ok(Some((flow, marks)))
}

/// A flow in a form.
fn draw(flow: &Flow, marks: &Marks, format: Format, lang: Lang) -> String {
    let outline = outline::outline(flow);
    match format {
        Format::Text => text::text(flow, &outline, marks, lang),
        Format::Mermaid => text::mermaid(flow, &outline, marks, lang),
        Format::Dot => text::dot(flow, &outline, marks, lang),
        Format::Svg => {
            let title = flow.title.as_ref().filter(|title| **title != flow.id);
            let title = title.map_or_else(|| flow.id.clone(), |title| format!("{title} ({})", flow.id));
            svg::svg(&layout::layout(flow, &outline, marks, lang), marks, &title, &notes(flow, marks, lang))
        }
    }
}

/// What counts for the whole flow, wherever a run stands.
fn notes(flow: &Flow, marks: &Marks, lang: Lang) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(record) = &flow.record {
        notes.push(format!("{} {record}", lang.pick("about", "记录")));
    }
    if let Some(within) = flow.within {
        notes.push(format!("{} {within}", lang.pick("through within", "总时限")));
    }
    for stop in &flow.stops {
        let event = stop.event.clone().into_iter();
        let on: Vec<String> = event.chain(stop.condition.as_ref().map(|c| c.source().to_owned())).collect();
        notes.push(format!("{} {}: {}", lang.pick("ends at any time as", "随时结束于"), stop.name, on.join(", ")));
    }
    for reroute in &flow.reroutes {
        let to = flow.steps.get(reroute.to).map(|s| s.id.as_str()).unwrap_or_default();
        let fields = reroute.fields.join(", ");
        notes.push(lang.pick(format!("when {fields} change: back to {to}"), format!("{fields} 变更:退回 {to}")));
    }
    if marks.elsewhere > 0 {
        let n = marks.elsewhere;
        notes.push(lang.pick(format!("{n} more stand at steps of former versions"), format!("另有 {n} 个在旧版本的步骤上")));
    }
    notes
}

#[cfg(test)]
mod tests;
