//! `ifthen schedule`: what will come by itself. The ticks of `cron` and `every` are reckoned from the definitions as they stand in
//! the folder; what waits for one record, run or group is read from the store, where there is one. Neither needs a daemon.
//!
//! Never changes anything.

use clap::Subcommand;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::output::{Look, Out, clip};
use super::phrase::Speech;
use super::place::Place;
use super::table::Table;
use super::words::{Lang, Words as _};
use super::{Context, Exit, eprintln, when};
use crate::engine::definition::Definitions;
use crate::engine::duration;
use crate::engine::gate;
use crate::engine::schedule::cron::{Moved, Tick};
use crate::engine::schedule::{Kind, Schedule};
use crate::engine::state::{Entry, Key, Wake, prefix};
use crate::store::Read;

/// Entries of one read.
const PAGE: usize = 1_000;
/// Cells of what a line is about.
const TEXT: usize = 60;

/// Options of `schedule`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The next ticks of `cron` and `every`, and what waits for its time
    Next(Next),
}

#[derive(Debug, clap::Args)]
struct Next {
    /// Only of this rule or flow
    rule: Option<String>,
    /// At most so many ticks, and so many that wait
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    count: u16,
    /// Up to this time: 2d from now on, 2026-11-21 or 2026-11-21T09:00
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Ticks after this time instead of now
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let What::Next(args) = &args.what;
    let (place, definitions) = context.place_and_definitions()?;
    if let (Some(definitions), Some(id)) = (&definitions, &args.rule)
        && !(definitions.flows.contains_key(id) || definitions.rules.iter().any(|r| r.id == *id))
    {
        eprintln(
            &place.lang().pick(format!("ifthen: there is no rule or flow {id}"), format!("ifthen: 没有名为 {id} 的规则或流程")),
        );
        return Ok(Exit::Failed);
    }
    let now = Timestamp::now();
    let from = args.from.as_ref().map_or(Ok(now), |text| when::since(text, now, &place.speech))?;
    let until = args.until.as_ref().map(|text| until(text, from, &place.speech)).transpose()?;
    let ticks = definitions.as_ref().map(|d| ticks(d, args, from, until)).unwrap_or_default();
    let waiting = waiting(&place, definitions.as_ref(), args, until)?;
    if args.json {
        for (schedule, tick) in &ticks {
            out.json(&tick_json(definitions.as_ref(), schedule, tick))?;
        }
        for one in &waiting {
            let Waiting { at, rule, flow, record, wake, what } = one;
            out.json(
                &json!({ "kind": "waiting", "at": at, "rule": rule, "flow": flow, "record": record, "wake": wake, "what": what }),
            )?;
        }
        return Ok(Exit::Done);
    }
    if ticks.is_empty() && waiting.is_empty() {
        out.line(place.lang().pick("nothing is to come", "没有将要到来的时刻"))?;
        return Ok(Exit::Done);
    }
    print(&place, &ticks, &waiting, out)?;
    Ok(Exit::Done)
}

/// So long from then on, or a time.
fn until(text: &str, from: Timestamp, speech: &Speech) -> anyhow::Result<Timestamp> {
    match duration::parse(text) {
        Some(length) => Ok(from.checked_add(length)?),
        None => when::since(text, from, speech),
    }
}

/// The coming ticks of all schedules, in their order.
fn ticks<'d>(definitions: &'d Definitions, args: &Next, from: Timestamp, until: Option<Timestamp>) -> Vec<(&'d Schedule, Tick)> {
    let mine = |s: &&Schedule| args.rule.as_ref().is_none_or(|rule| s.by == *rule);
    let all = definitions.schedules.iter().map(AsRef::as_ref).filter(mine);
    let mut heads: Vec<(&Schedule, Tick)> = all.filter_map(|s| Some((s, s.next(from)?))).collect();
    let mut found = Vec::new();
    while found.len() < usize::from(args.count) {
        // Of several at the same time the first by its event.
        let Some(n) = (0..heads.len()).min_by_key(|n| heads[*n].1.at) else { break };
        let (schedule, tick) = heads[n];
        if until.is_some_and(|until| tick.at > until) {
            break;
        }
        found.push((schedule, tick));
        match schedule.next(tick.at) {
            Some(next) => heads[n].1 = next,
            None => drop(heads.remove(n)),
        }
    }
    found
}

/// What waits for a time of its own.
struct Waiting {
    at: Timestamp,
    rule: Option<String>,
    flow: Option<String>,
    record: Option<String>,
    /// `due`, `warn`, `step`, `debounce`, `group`, `limit`, `aged`.
    wake: &'static str,
    /// The condition, the run, for whom.
    what: String,
}

/// The earliest timers of the store; those of ticks stand among the ticks.
fn waiting(
    place: &Place,
    definitions: Option<&Definitions>,
    args: &Next,
    until: Option<Timestamp>,
) -> anyhow::Result<Vec<Waiting>> {
    let mut found = Vec::new();
    if !place.store.exists() {
        return Ok(found);
    }
    let reader = place.reader()?;
    let mut after: Option<Key> = None;
    loop {
        let page = reader.scan(prefix::TIMER, after.as_ref(), PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        after = Some(last.clone());
        for (key, entry) in &page {
            let (Key::Timer(timer), Entry::Timer(wake)) = (key, entry.as_ref()) else { continue };
            let at = Timestamp::from_millisecond(timer.due)?;
            if found.len() >= usize::from(args.count) || until.is_some_and(|until| at > until) {
                return Ok(found);
            }
            let Some(one) = told(&reader, definitions, at, wake)? else { continue };
            let ours = |rule: &String| one.rule.as_ref() == Some(rule) || one.flow.as_ref() == Some(rule);
            if args.rule.as_ref().is_none_or(ours) {
                found.push(one);
            }
        }
    }
}

/// Whom a timer wakes; nobody any more, or a tick: none.
fn told(store: &dyn Read, definitions: Option<&Definitions>, at: Timestamp, wake: &Wake) -> anyhow::Result<Option<Waiting>> {
    let none = Waiting { at, rule: None, flow: None, record: None, wake: "", what: String::new() };
    Ok(match wake {
        Wake::Tick(_) | Wake::Next(_) | Wake::Forget(_) => None,
        Wake::Armed { schedule: event, record, warn } => {
            let schedule = definitions.and_then(|d| d.schedules.get(event));
            if definitions.is_some() && schedule.is_none() {
                return Ok(None); // the rule has gone: the timer will find nobody
            }
            let (rule, flow) = match (definitions, schedule) {
                (Some(definitions), Some(schedule)) => whose(definitions, schedule),
                _ => (None, None),
            };
            let what = schedule.map_or_else(|| event.clone(), |s| s.kind.to_string());
            let wake = if *warn { "warn" } else { "due" };
            Some(Waiting { rule, flow, record: Some(record.to_string()), wake, what, ..none })
        }
        Wake::Run(id) => match store.load(&Key::Run(id.clone()))?.as_deref() {
            Some(Entry::Run(run)) => {
                let record = run.record.as_ref().map(ToString::to_string);
                Some(Waiting { flow: Some(run.flow.clone()), record, wake: "step", what: id.clone(), ..none })
            }
            _ => None,
        },
        Wake::Gate(key) => match key {
            Key::Gate { gate, rule, subject } => {
                let record = match store.load(key)?.as_deref() {
                    Some(Entry::Waiting(waiting)) => waiting.record.as_ref().map(ToString::to_string),
                    _ => None,
                };
                let wake = match gate {
                    gate::Kind::Debounce => "debounce",
                    gate::Kind::Group => "group",
                    gate::Kind::Limit => "limit",
                    gate::Kind::Once => "once",
                };
                Some(Waiting { rule: Some(rule.clone()), record, wake, what: subject.clone(), ..none })
            }
            _ => None,
        },
        Wake::Aged { subject, .. } => Some(Waiting { wake: "aged", what: subject.clone(), ..none }),
    })
}

/// The rule or the flow.
fn whose(definitions: &Definitions, schedule: &Schedule) -> (Option<String>, Option<String>) {
    let by = Some(schedule.by.clone());
    let flow = definitions.flows.contains_key(&schedule.by) && !definitions.rules.iter().any(|r| r.id == schedule.by);
    if flow { (None, by) } else { (by, None) }
}

fn tick_json(definitions: Option<&Definitions>, schedule: &Schedule, tick: &Tick) -> serde_json::Value {
    let (rule, flow) = definitions.map(|d| whose(d, schedule)).unwrap_or_default();
    let moved = tick.moved.map(|m| match m {
        Moved::Gap => "gap",
        Moved::Overlap => "overlap",
    });
    json!({
        "kind": "tick", "at": tick.at, "local": local(tick.at, zone(schedule)), "wall": tick.wall.to_string(), "rule": rule,
        "flow": flow, "schedule": schedule.kind.to_string(), "moved": moved,
    })
}

/// The zone a schedule ticks in.
fn zone(schedule: &Schedule) -> TimeZone {
    if let Kind::Ticks { zone, .. } = &schedule.kind { zone.0.clone() } else { TimeZone::UTC }
}

fn local(at: Timestamp, zone: TimeZone) -> String {
    at.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// `2026-09-21 Mon 09:00:00+08:00`
fn wall(at: Timestamp, zone: TimeZone, lang: Lang) -> String {
    let at = at.to_zoned(zone);
    let chinese = ["周一", "周二", "周三", "周四", "周五", "周六", "周日"];
    let english = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let day = usize::try_from(at.weekday().to_monday_zero_offset()).unwrap_or_default();
    let day = lang.pick(english, chinese)[day];
    format!("{} {day} {}", at.strftime("%Y-%m-%d"), at.strftime("%H:%M:%S%:z"))
}

/// What a change of the clock does to a tick, in words.
fn moved(tick: &Tick, zone: TimeZone, lang: Lang) -> String {
    let was = tick.wall.strftime("%H:%M");
    match tick.moved {
        None => String::new(),
        Some(Moved::Gap) => {
            let to = tick.at.to_zoned(zone).strftime("%H:%M").to_string();
            lang.pick(format!("moved from {was} to {to}: the clock is put forward"), format!("时钟拨快,由 {was} 移到 {to}"))
        }
        Some(Moved::Overlap) => {
            lang.pick(format!("the first of two {was}: the clock is put back"), format!("时钟拨慢,{was} 有两次,取第一次"))
        }
    }
}

fn print(place: &Place, ticks: &[(&Schedule, Tick)], waiting: &[Waiting], out: &mut Out) -> anyhow::Result<()> {
    let lang = place.lang();
    if !ticks.is_empty() {
        let mut table = Table::new(lang.pick(["TICK", "BY", "WHEN", "NOTE"], ["时刻", "来自", "何时", "说明"]));
        for (schedule, tick) in ticks {
            table.row([
                (wall(tick.at, zone(schedule), lang), Look::Bold),
                (schedule.by.clone(), Look::Cyan),
                (clip(&schedule.kind.to_string(), TEXT), Look::Plain),
                (moved(tick, zone(schedule), lang), Look::Yellow),
            ]);
        }
        table.print(out)?;
    }
    if waiting.is_empty() {
        return Ok(());
    }
    if !ticks.is_empty() {
        out.line("")?;
    }
    let head = lang.pick(["WAITS UNTIL", "BY", "RECORD", "FOR", "WHAT"], ["等待至", "来自", "记录", "原因", "内容"]);
    let mut table = Table::new(head);
    for one in waiting {
        let by = one.rule.as_ref().or(one.flow.as_ref()).cloned().unwrap_or_default();
        table.row([
            (wall(one.at, place.speech.zone.clone(), lang), Look::Bold),
            (by, Look::Cyan),
            (one.record.clone().unwrap_or_default(), Look::Plain),
            (lang.pick(one.wake, chinese(one.wake)).to_owned(), Look::Plain),
            (clip(&one.what, TEXT), Look::Plain),
        ]);
    }
    table.print(out)?;
    Ok(())
}

fn chinese(wake: &'static str) -> &'static str {
    match wake {
        "due" => "到时",
        "warn" => "预警",
        "step" => "流程步骤",
        "debounce" => "防抖",
        "group" => "合并",
        "limit" => "次数上限",
        "once" => "只执行一次",
        "aged" => "统计过期",
        other => other,
    }
}
