//! `ifthen runs plan`: what a flow would do on one record, and when: the whole sequence with dates, before it begins.
//!
//! Reads the definitions in the folder and the store as it is; nothing is kept, nothing leaves.

use anyhow::bail;
use jiff::Timestamp;
use serde_json::json;

use crate::check::plan::{Assumed, End, Plan, Row, plan};
use crate::cli::line::{Json, look};
use crate::cli::output::{Look, Out, clip};
use crate::cli::phrase::phrase;
use crate::cli::place::Place;
use crate::cli::records::record_ref;
use crate::cli::table::Table;
use crate::cli::words::{Lang, Words as _};
use crate::cli::{Context, Exit, stranger, when};
use crate::engine::definition::StepKind;
use crate::engine::event::RecordRef;
use crate::engine::log::Outcome;
use crate::engine::state::Key;
use crate::store::Read as _;

/// Cells of what is done.
const TEXT: usize = 100;

/// Options of `runs plan`.
#[derive(Debug, clap::Args)]
pub(crate) struct Planned {
    /// The flow
    flow: String,
    /// The record: quote/Q1
    #[arg(long, value_parser = record_ref)]
    record: RecordRef,
    /// Begun at this time instead of now: 09:00, 2026-11-23T09:00
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Whoever is asked at this step rejects, the first time; else everybody approves
    #[arg(long, value_name = "STEP")]
    reject: Vec<String>,
    /// This event comes as soon as it is waited for; else what is waited for does not come
    #[arg(long, value_name = "NAME")]
    event: Vec<String>,
    /// One JSON object a line, the last of how it ends
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, args: &Planned, out: &mut Out) -> anyhow::Result<Exit> {
    let (place, definitions) = context.place_and_definitions()?;
    let lang = place.lang();
    let Some(definitions) = definitions else {
        bail!(lang.pick("the definitions do not compile: `ifthen check` tells why", "定义无法编译:请运行 `ifthen check`"));
    };
    if !definitions.flows.contains_key(&args.flow) {
        let (id, known) = (&args.flow, definitions.flows.keys().cloned().collect::<Vec<_>>().join(", "));
        bail!(lang.pick(format!("there is no flow {id}; there are: {known}"), format!("没有流程 {id};现有:{known}")));
    }
    let now = Timestamp::now();
    let at = args.at.as_ref().map_or(Ok(now), |text| when::since(text, now, &place.speech))?;
    let reader = place.reader()?;
    let (flow, record) = (&definitions.flows[&args.flow], &args.record);
    if reader.load(&Key::Record(record.clone()))?.is_none() {
        bail!(lang.pick(
            format!("there is no record {record}: `ifthen records list` shows what there is"),
            format!("没有记录 {record}:可用 `ifthen records list` 查看现有的"),
        ));
    }
    let steps: Vec<&str> = flow.steps.iter().map(|s| s.id.as_str()).collect();
    if let Some(step) = args.reject.iter().find(|step| !steps.contains(&step.as_str())) {
        return stranger::tell(&place, ("step", "步骤"), step, steps);
    }
    let awaited: Vec<&str> = flow
        .steps
        .iter()
        .filter_map(|s| if let StepKind::Event(wait) = &s.kind { Some(wait.event.as_str()) } else { None })
        .collect();
    if let Some(event) = args.event.iter().find(|event| !awaited.contains(&event.as_str())) {
        return stranger::tell(&place, ("event that a step waits for:", "步骤等待的事件"), event, awaited);
    }
    let assumed = Assumed { rejected: args.reject.iter().cloned().collect(), events: args.event.iter().cloned().collect() };
    let plan = plan(&definitions, &reader, &args.flow, record, at, assumed)?;
    if args.json {
        for row in &plan.rows {
            let mut line = serde_json::to_value(Json::from(&row.line))?;
            // Numbers of a world of its own mean nothing outside.
            for name in ["seq", "event", "run"] {
                line.as_object_mut().map(|line| line.remove(name));
            }
            (line["at"], line["step"]) = (row.at.to_string().into(), row.step.as_str().into());
            out.json(&line)?;
        }
        out.json(&json!({ "end": ended(&plan.end, Lang::En) }))?;
    } else {
        print(&place, &plan, out)?;
    }
    Ok(if matches!(plan.end, End::NotBegun | End::Stands { .. }) { Exit::Failed } else { Exit::Done })
}

fn print(place: &Place, plan: &Plan, out: &mut Out) -> anyhow::Result<()> {
    let lang = place.lang();
    let head = lang.pick(["DATE", "DAY", "TIME", "STEP", "WHAT", ""], ["日期", "星期", "时间", "步骤", "做什么", ""]);
    let mut table = Table::new(head);
    for row in &plan.rows {
        let at = row.at.to_zoned(place.speech.zone.clone());
        let (what, tone) = told(row, place);
        table.row([
            (at.strftime("%Y-%m-%d").to_string(), Look::Plain),
            (day(at.weekday(), lang).to_owned(), Look::Dim),
            (at.strftime("%H:%M:%S").to_string(), Look::Plain),
            (row.step.clone(), Look::Bold),
            (row.line.action.clone(), Look::Cyan),
            (clip(&what, TEXT), tone),
        ]);
    }
    table.print(out)?;
    out.line(ended(&plan.end, lang))?;
    Ok(())
}

/// What a row says; why, where it was not done.
fn told(row: &Row, place: &Place) -> (String, Look) {
    let (lang, line) = (place.lang(), &row.line);
    let mut line = line.clone();
    if let crate::engine::value::Value::Map(members) = &mut line.detail {
        for name in ["step", "call", "round", "key", "way"] {
            members.remove(name);
        }
    }
    let text = phrase(&line, &place.speech);
    match line.outcome {
        Outcome::Fired | Outcome::Done => (text, Look::Plain),
        other => (format!("{} {text}", lang.outcome(other)), look(other)),
    }
}

fn day(day: jiff::civil::Weekday, lang: Lang) -> &'static str {
    let n = usize::from(day.to_monday_zero_offset().unsigned_abs());
    let days =
        lang.pick(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], ["周一", "周二", "周三", "周四", "周五", "周六", "周日"]);
    days.get(n).copied().unwrap_or_default()
}

fn ended(end: &End, lang: Lang) -> String {
    match end {
        End::Through => lang.pick("then it is through", "至此结束").into(),
        End::NotBegun => lang.pick("it does not begin", "不会开始").into(),
        End::Stands { step, why } => {
            let why = lang.said(why);
            lang.pick(format!("it stands still at {step}: {why}"), format!("停在 {step}:{why}"))
        }
        End::Waits(steps) => {
            let steps = steps.join(", ");
            lang.pick(format!("it waits at {steps} for what may never come"), format!("一直等在 {steps},直到所等的事发生"))
        }
        End::Further => lang.pick("it goes on beyond what is looked at", "之后还会继续,不再推演").into(),
    }
}
