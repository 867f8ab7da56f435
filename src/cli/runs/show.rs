//! `ifthen runs show`: one run in full: where it stands, its variables and results, and the path it took as a timeline.
//!
//! Only reads; results are shown as they are kept, clean of control characters.

use super::list::{about, as_json};
use super::position::{Graphs, Position, branch_name, moment, positions};
use super::run_id;
use crate::cli::output::{Look, Out, clip, pad, width};
use crate::cli::place::Place;
use crate::cli::table::Table;
use crate::cli::words::{Lang, Words as _};
use crate::cli::{Context, Exit, when, yaml};
use crate::engine::definition::{At, Flow};
use crate::engine::flow::{How, Passed, Run};
use crate::engine::value::Map;

/// Cells of a value.
const TEXT: usize = 100;

/// Options of `runs show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// The run: r1042-1
    #[arg(value_parser = run_id, value_name = "RUN")]
    run: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, args: &Show, out: &mut Out) -> anyhow::Result<Exit> {
    let (place, definitions) = context.place_and_definitions()?;
    let reader = place.reader()?;
    let Some(run) = super::load(&place, &reader, &args.run)? else { return Ok(Exit::Failed) };
    let graph = Graphs::default().of(&reader, &run.graph)?;
    let positions = positions(&reader, &run, &graph)?;
    let current = definitions.map(|d| d.flows.get(&run.flow).is_some_and(|flow| flow.hash == run.graph));
    if args.json {
        let mut object = as_json(&run, &positions);
        let full = yaml::plain(serde_json::to_value(&run)?);
        for name in ["vars", "steps", "path", "event", "signals"] {
            object[name] = full.get(name).cloned().unwrap_or_default();
        }
        object["deadline"] = serde_json::to_value(run.deadline.and_then(moment))?;
        object["current"] = serde_json::to_value(current)?;
        out.json(&object)?;
        return Ok(Exit::Done);
    }
    let shown = Shown { place: &place, run: &run, flow: &graph };
    shown.head(current, out)?;
    shown.positions(&positions, out)?;
    shown.values(place.lang().pick("variables", "变量"), &run.vars, out)?;
    shown.values(place.lang().pick("results", "结果"), &run.steps, out)?;
    shown.path(&positions, out)?;
    Ok(Exit::Done)
}

struct Shown<'a> {
    place: &'a Place,
    run: &'a Run,
    flow: &'a Flow,
}

impl Shown<'_> {
    fn head(&self, current: Option<bool>, out: &mut Out) -> anyhow::Result<()> {
        let (lang, run, zone) = (self.place.lang(), self.run, &self.place.speech.zone);
        let mut table = Table::new(["", ""]);
        let mut add = |name: &str, value: String, look: Look| {
            if !value.is_empty() {
                table.row([(name.to_owned(), Look::Dim), (value, look)]);
            }
        };
        let title = self.flow.title.as_ref().filter(|t| **t != run.flow).map(|t| format!("  {t}")).unwrap_or_default();
        let version = match current {
            Some(true) => lang.pick("as it is now", "当前版本"),
            Some(false) => lang.pick("a former one (`ifthen runs migrate --dry-run`)", "旧版本(`ifthen runs migrate --dry-run`)"),
            None => "",
        };
        add(lang.pick("run", "运行"), run.id.clone(), Look::Bold);
        add(lang.pick("flow", "流程"), format!("{}{title}", run.flow), Look::Cyan);
        add(lang.pick("version", "版本"), version.to_owned(), if current == Some(true) { Look::Plain } else { Look::Yellow });
        add(lang.pick("record", "记录"), about(run), Look::Plain);
        add(lang.pick("initiator", "发起人"), run.initiator.clone().unwrap_or_default(), Look::Plain);
        add(lang.pick("began", "开始"), when::full(run.started, zone), Look::Plain);
        let until = run.deadline.and_then(moment).map(|t| when::full(t, zone));
        add(lang.pick("at the latest", "最迟"), until.unwrap_or_default(), Look::Plain);
        add(lang.pick("round", "轮次"), run.round.to_string(), Look::Plain);
        if run.preview {
            add(lang.pick("preview", "预览"), lang.pick("nothing it does leaves", "不会真正发出").to_owned(), Look::Yellow);
        }
        let failing = run.failing.as_ref().map(|(why, step)| format!("{step}: {}", lang.said(why)));
        add(lang.pick("has failed", "已失败"), failing.unwrap_or_default(), Look::Red);
        let signals: Vec<&str> = run.signals.iter().map(|s| s.name.as_str()).collect();
        add(lang.pick("kept signals", "已收到的信号"), signals.join(", "), Look::Plain);
        Ok(table.print(out)?)
    }

    fn positions(&self, positions: &[Position], out: &mut Out) -> anyhow::Result<()> {
        let lang = self.place.lang();
        out.line("")?;
        let mut table = Table::new(lang.pick(["STANDS AT", "BRANCH", "WAITS", "SINCE"], ["位于", "分支", "等待", "自"]));
        for position in positions {
            let look = if position.error.is_some() { Look::Red } else { Look::Plain };
            table.row([
                (position.step.clone(), Look::Bold),
                (position.branch.clone(), Look::Dim),
                (clip(&position.told(&self.place.speech), 2 * TEXT), look),
                (when::short(position.since, &self.place.speech.zone), Look::Dim),
            ]);
        }
        Ok(table.print(out)?)
    }

    fn values(&self, title: &str, values: &Map, out: &mut Out) -> anyhow::Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        out.line("")?;
        out.line(out.style.paint(Look::Dim, title))?;
        let mut table = Table::new(["", ""]);
        for (name, value) in values {
            let text = serde_json::to_string(&value.plain())?;
            table.row([(format!("  {name}"), Look::Plain), (clip(&text, TEXT), Look::Plain)]);
        }
        Ok(table.print(out)?)
    }

    /// The path as a timeline: rounds, the branches by their depth, then where it stands.
    fn path(&self, positions: &[Position], out: &mut Out) -> anyhow::Result<()> {
        let (lang, style) = (self.place.lang(), out.style);
        out.line("")?;
        out.line(style.paint(Look::Dim, lang.pick("path", "路径")))?;
        let names = self.run.path.iter().map(|p| self.label(&p.step));
        let widest = names.chain(positions.iter().map(|p| self.label(&p.step))).map(|n| width(&n)).max().unwrap_or(0);
        let mut round = 0;
        for passed in &self.run.path {
            if passed.round != round {
                round = passed.round;
                let head = lang.pick(format!("  round {round}"), format!("  第 {round} 轮"));
                out.line(style.paint(Look::Dim, &head))?;
            }
            let (mark, word, look) = how(passed.how, lang);
            let name = self.label(&passed.step);
            let time = self.time(passed);
            let by = if passed.by.is_empty() { String::new() } else { format!("  {}", passed.by.join(lang.pick(", ", "、"))) };
            let times = if passed.times > 1 { format!(" ×{}", passed.times) } else { String::new() };
            let text =
                format!("{mark} {}  {}  {word}{times}{by}", pad(&name, name.clone(), widest), pad(&time, time.clone(), 28));
            out.line(format!("    {}", style.paint(look, &clip(&text, 2 * TEXT))))?;
        }
        for position in positions {
            let name = self.label(&position.step);
            let since = when::short(position.since, &self.place.speech.zone);
            let told = position.told(&self.place.speech);
            let text = format!("▸ {}  {}  {told}", pad(&name, name.clone(), widest), pad(&since, since.clone(), 28));
            out.line(format!("    {}", style.paint(Look::Bold, &clip(&text, 2 * TEXT))))?;
        }
        Ok(())
    }

    /// When a step was come to, and left if that was later.
    fn time(&self, passed: &Passed) -> String {
        let zone = &self.place.speech.zone;
        let from = when::short(passed.from, zone);
        if passed.to == passed.from { from } else { format!("{from} → {}", when::beside(passed.to, passed.from, zone)) }
    }

    /// A step's id, behind the branches it is in.
    fn label(&self, id: &str) -> String {
        let mut label = String::new();
        for (at, branch) in self.flow.find(id).map(|at| around(self.flow, at)).unwrap_or_default() {
            let name = match &self.flow.steps[at].kind {
                crate::engine::definition::StepKind::Parallel(_) => branch_name(self.flow, at, branch),
                _ => self.flow.steps[at].id.clone(),
            };
            label.push_str(&format!("{name} › "));
        }
        label + id
    }
}

/// The steps around a step and in which of their branches it is, outermost first.
fn around(flow: &Flow, at: At) -> Vec<(At, u32)> {
    let mut all = Vec::new();
    let mut inside = flow.steps.get(at).and_then(|s| s.inside);
    while let Some(within) = inside
        && all.len() < flow.steps.len()
    {
        all.push((within.step, within.branch));
        inside = flow.steps.get(within.step).and_then(|s| s.inside);
    }
    all.reverse();
    all
}

/// How a step was left: a mark, a word, a look.
pub(crate) fn how(how: How, lang: Lang) -> (&'static str, &'static str, Look) {
    let (mark, en, zh, look) = match how {
        How::Done => ("✓", "done", "完成", Look::Green),
        How::Skipped => ("–", "skipped", "跳过", Look::Dim),
        How::Approved => ("✓", "approved", "同意", Look::Green),
        How::Rejected => ("✗", "rejected", "驳回", Look::Red),
        How::Late => ("!", "too late", "超时", Look::Yellow),
        How::Failed => ("✗", "failed", "失败", Look::Red),
        How::Cancelled => ("×", "cancelled", "取消", Look::Dim),
        How::Void => ("~", "void: it went back behind it", "作废(已退回)", Look::Dim),
        How::Undone => ("↩", "undone", "已撤销", Look::Magenta),
    };
    (mark, lang.pick(en, zh), look)
}
