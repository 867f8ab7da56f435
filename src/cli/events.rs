//! `ifthen events`: what happened, what each event caused, and what was done about it.
//!
//! Lists are read from the store; what is handed in again goes to the running daemon.

mod export;
mod replay;

use std::collections::BTreeSet;

use clap::Subcommand;
use serde_json::json;

use super::line::{Json, View};
use super::output::{Look, Out, clean, clip};
use super::place::Place;
use super::table::Table;
use super::tail::{Printer, event_id};
use super::words::{Lang, Words as _};
use super::{Context, Exit, eprintln, when, yaml};
use crate::engine::access::Ask;
use crate::engine::event::{self, Body, Command, Event};
use crate::engine::log::Line;
use crate::engine::state::{Entry, Key};
use crate::engine::trigger::glob;
use crate::engine::value::Value;
use crate::store::{self, Filter, Read, Stored};

/// Events of one read.
const PAGE: usize = 500;
/// Events shown unless said.
const COUNT: usize = 20;

/// Options of `events`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The last events
    List(List),
    /// One event, what it caused and its log lines
    Show(Show),
    /// Events as lines of JSON, for `ifthen backtest` and other programs
    Export(export::Args),
    /// Hand events in again, as new ones
    Replay(replay::Args),
}

#[derive(Debug, clap::Args)]
struct List {
    /// How many [default: 20; all with --since]
    #[arg(short = 'n', long, value_name = "EVENTS")]
    count: Option<usize>,
    /// Only of this name; `*` stands for anything: lead.*
    #[arg(long)]
    name: Option<String>,
    /// Only received since then: 2h, 30m, 09:00, 2026-11-21T09:00
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only about this record: lead/L20, or L20
    #[arg(long)]
    record: Option<String>,
    /// The engine's own as well: timers, calls that start and end, reloads
    #[arg(long)]
    all: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The event: e12
    #[arg(value_parser = event_id)]
    event: u64,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let place = context.place()?;
    match &args.what {
        None => list(&place, &args.list, out),
        Some(What::List(args)) => list(&place, args, out),
        Some(What::Show(args)) => show(&place, args, out),
        Some(What::Export(args)) => export::run(&place, args, out),
        Some(What::Replay(args)) => replay::run(&place, args, out),
    }
}

fn list(place: &Place, args: &List, out: &mut Out) -> anyhow::Result<Exit> {
    let reader = place.reader()?;
    let since = args.since.as_ref().map(|t| when::since(t, jiff::Timestamp::now(), &place.speech)).transpose()?;
    let count = args.count.unwrap_or(if since.is_some() { usize::MAX } else { COUNT });
    let passes = |stored: &Stored| {
        let event = &stored.event;
        since.is_none_or(|since| event.received >= since)
            && args.name.as_ref().map_or(args.all || !event.body.is_own(), |name| glob(name, &event.name))
            && args
                .record
                .as_ref()
                .is_none_or(|asked| event.record.as_ref().is_some_and(|r| r.id == *asked || r.to_string() == *asked))
    };
    let found = store::recent(&reader, count, since, passes)?;
    if args.json {
        for stored in &found {
            out.json(&as_json(stored)?)?;
        }
        return Ok(Exit::Done);
    }
    let lang = place.lang();
    if found.is_empty() {
        out.line(lang.pick("no events", "没有事件"))?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(
        lang.pick(["RECEIVED", "EVENT", "NAME", "RECORD", "FROM", "DATA"], ["收到", "事件", "名称", "记录", "来自", "内容"]),
    );
    for Stored { event, .. } in &found {
        let from = match (&event.cause, event.replay_of()) {
            (_, Some(of)) => format!("{}{}", event.origin, replay_of(of, lang)),
            (Some(cause), None) => format!("{} {}", event.origin, event::id(cause.seq)),
            (None, None) => event.origin.clone(),
        };
        table.row([
            (when::short(event.received, &place.speech.zone), Look::Dim),
            (event.id(), Look::Bold),
            (clip(&event.name, 40), Look::Cyan),
            (clip(&event.record.as_ref().map(ToString::to_string).unwrap_or_default(), 32), Look::Plain),
            (clip(&from, 36), Look::Plain),
            (clip(&body(&event.body), 80), Look::Dim),
        ]);
    }
    table.print(out)?;
    Ok(Exit::Done)
}

/// Behind the origin of an event that was handed in again.
pub(super) fn replay_of(of: u64, lang: Lang) -> String {
    let of = event::id(of);
    lang.pick(format!(", replay of {of}"), format!("(重放 {of})"))
}

/// What an event brought, in a few words.
fn body(body: &Body) -> String {
    match body {
        Body::Happened { data, .. } => data.to_string(),
        Body::Created { by } => by.clone(),
        Body::Changed { old, .. } => old.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        Body::Due(key) => key.to_string(),
        Body::Slice(slice) => format!("{} +{}", slice.sweep, slice.ids.len().max(slice.events.len())),
        Body::Start(calls) => calls.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        Body::Ended { call, attempt, .. } => format!("{call} #{attempt}"),
        Body::Polled { source, rows, .. } => format!("{source}: {rows}"),
        Body::Unread(unread) => unread.reason.clone(),
        Body::Settled { item, told } => format!("{} {}", if told.is_empty() { "discard" } else { "retell" }, event::id(*item)),
        Body::Forgotten => "…".into(),
        Body::Command(Command::Retry(id)) => format!("retry {id}"),
        Body::Command(Command::Edit(id, _)) => format!("edit {id}"),
        Body::Command(Command::Discard(id)) => format!("discard {id}"),
        Body::Command(Command::Silence(ask)) => format!("silence {} until {}", ask.rule, ask.until),
        Body::Command(Command::Merge(ask)) => format!("merge {} ← {}", ask.winner, ask.loser),
        Body::Command(Command::Unmerge(ask)) => format!("unmerge {}", ask.record),
        Body::Command(Command::Task(ask)) => format!("{} {}", ask.task, ask.person),
        Body::Command(Command::Run(ask)) => format!("{} {}", ask.run, ask.by),
        Body::Command(Command::Contact(ask)) => {
            format!("{} {}", if ask.subscribe { "resubscribe" } else { "unsubscribe" }, ask.address)
        }
        Body::Mail(told) => told.what.event().into(),
        Body::Command(Command::ConfirmClock) => "the clock is right".into(),
        Body::Command(Command::Token(Ask::Add(token))) => format!("add token {}", token.name),
        Body::Command(Command::Token(Ask::Revoke(name))) => format!("revoke token {name}"),
        Body::Command(Command::Token(Ask::Used(name, _))) => format!("use token {name}"),
        Body::Command(Command::EndSilence(id)) => format!("end silence s{id}"),
        Body::Loaded { hash, .. } => hash.clone(),
        Body::NotLoaded(problems) => problems.at(&["summary"]).map(Value::to_string).unwrap_or_default(),
    }
}

fn as_json(stored: &Stored) -> anyhow::Result<serde_json::Value> {
    let Stored { event, definitions } = stored;
    let record = event.record.as_ref().map(ToString::to_string);
    let cause = event.cause.as_ref().map(|c| json!({ "event": event::id(c.seq), "by": c.by, "depth": c.depth }));
    Ok(json!({
        "event": event.id(), "name": event.name, "at": event.at, "received": event.received, "origin": event.origin,
        "delivery": event.delivery, "record": record, "cause": cause, "replay_of": event.replay_of().map(event::id), "definitions": definitions,
        "body": yaml::plain(serde_json::to_value(&event.body)?),
    }))
}

/// What an event caused, in the order it was decided: all of one root follow each other.
fn caused(store: &dyn Read, root: &Event) -> Result<Vec<Stored>, crate::store::Error> {
    let mut known = BTreeSet::from([root.seq]);
    let mut found = Vec::new();
    let mut after = root.seq;
    loop {
        let page = store.events(after, PAGE)?;
        let Some(last) = page.last() else { return Ok(found) };
        after = last.event.seq;
        for stored in page {
            match &stored.event.cause {
                _ if stored.event.is_root() => return Ok(found),
                Some(cause) if known.contains(&cause.seq) => {
                    known.insert(stored.event.seq);
                    found.push(stored);
                }
                _ => {}
            }
        }
    }
}

fn show(place: &Place, args: &Show, out: &mut Out) -> anyhow::Result<Exit> {
    let reader = place.reader()?;
    let lang = place.lang();
    let Some(stored) = reader.event(args.event)? else {
        let id = event::id(args.event);
        eprintln(&lang.pick(format!("ifthen: there is no event {id}"), format!("ifthen: 没有事件 {id}")));
        return Ok(Exit::Failed);
    };
    let caused = caused(&reader, &stored.event)?;
    let mut lines: Vec<Line> = Vec::new();
    for seq in std::iter::once(args.event).chain(caused.iter().map(|s| s.event.seq)) {
        lines.extend(reader.log(&Filter { event: Some(seq), ..Filter::default() }, 0, PAGE)?);
    }
    let parked = match reader.load(&Key::Parked(args.event))?.as_deref() {
        Some(Entry::Parked(why)) => Some(why.clone()),
        _ => None,
    };
    if args.json {
        let mut json = as_json(&stored)?;
        json["parked"] = json!(parked);
        json["caused"] = caused.iter().map(as_json).collect::<Result<Vec<_>, _>>()?.into();
        json["log"] = lines.iter().map(|l| serde_json::to_value(Json::from(l))).collect::<Result<Vec<_>, _>>()?.into();
        out.json(&json)?;
        return Ok(Exit::Done);
    }
    head(place, &stored, parked, out)?;
    tree(place, &stored.event, &caused, out)?;
    out.line("")?;
    if lines.is_empty() {
        out.line(lang.pick("nothing in the log: no rule was concerned", "日志中没有内容:没有规则涉及此事件"))?;
    }
    Printer { view: View::new(place.speech.clone(), out.style), json: false }.print(&lines, out)?;
    Ok(Exit::Done)
}

fn head(place: &Place, stored: &Stored, parked: Option<String>, out: &mut Out) -> anyhow::Result<()> {
    let lang = place.lang();
    let zone = &place.speech.zone;
    let event = &stored.event;
    let mut table = Table::new(["", ""]);
    let mut add = |name: &str, value: Option<String>, look: Look| {
        if let Some(value) = value.filter(|v| !v.is_empty()) {
            table.row([(name.to_owned(), Look::Dim), (value, look)]);
        }
    };
    let cause = event.cause.as_ref().filter(|_| !event.is_root()).map(|c| format!("{} ({})", event::id(c.seq), c.by));
    add(lang.pick("event", "事件"), Some(event.id()), Look::Bold);
    add(lang.pick("name", "名称"), Some(event.name.clone()), Look::Cyan);
    add(lang.pick("happened", "发生"), Some(when::full(event.at, zone)), Look::Plain);
    add(lang.pick("received", "收到"), Some(when::full(event.received, zone)), Look::Plain);
    add(lang.pick("from", "来自"), Some(event.origin.clone()), Look::Plain);
    add(lang.pick("delivery", "投递号"), event.delivery.clone(), Look::Plain);
    add(lang.pick("record", "记录"), event.record.as_ref().map(ToString::to_string), Look::Plain);
    add(lang.pick("caused by", "起因"), cause, Look::Plain);
    add(lang.pick("replay of", "重放自"), event.replay_of().map(event::id), Look::Plain);
    add(lang.pick("definitions", "定义"), Some(stored.definitions.clone()), Look::Dim);
    add(lang.pick("rolled back", "已回滚"), parked.map(|why| lang.said(&why).into_owned()), Look::Red);
    table.print(out)?;
    out.line("")?;
    let json = match &event.body {
        Body::Happened { data, .. } => serde_json::to_value(data.plain())?,
        body => yaml::plain(serde_json::to_value(body)?),
    };
    let text = match yaml::from_json(&json) {
        Some(yaml) => serde_yaml::to_string(&yaml)?,
        None => serde_json::to_string_pretty(&json)?,
    };
    for line in text.lines() {
        out.line(format!("  {}", clean(line)))?;
    }
    Ok(())
}

/// What it caused, indented by how far from it.
fn tree(place: &Place, root: &Event, caused: &[Stored], out: &mut Out) -> anyhow::Result<()> {
    if caused.is_empty() {
        return Ok(());
    }
    out.line("")?;
    out.line(out.style.paint(Look::Dim, place.lang().pick("caused", "引出")))?;
    let base = root.cause.as_ref().map_or(0, |c| c.depth);
    for Stored { event, .. } in caused {
        let Some(cause) = &event.cause else { continue };
        let indent = "  ".repeat((cause.depth - base.min(cause.depth)) as usize);
        let record = event.record.as_ref().map(|r| format!("  {}", clean(&r.to_string()))).unwrap_or_default();
        let name = out.style.paint(Look::Cyan, &clean(&event.name));
        let by = out.style.paint(Look::Dim, &format!("← {} {}", event::id(cause.seq), clean(&cause.by)));
        out.line(format!("{indent}{} {name}{record}  {by}", event.id()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::event::{Cause, Draft};
    use crate::store::memory::Memory;
    use crate::store::{Batch, Store};

    /// Events of these numbers, each with its cause's.
    fn filled(events: &[(u64, Option<(u64, u32)>)]) -> Memory {
        let mut store = Memory::default();
        let now = "2026-09-21T06:03:22Z".parse().unwrap();
        let make = |(seq, cause): &(u64, Option<(u64, u32)>)| {
            let body = Body::Happened { data: Value::Null, upsert: None };
            let cause = cause.map(|(seq, depth)| Cause { seq, depth, by: "rule:a".into() });
            Draft { cause, ..Draft::own(&format!("n{}", seq % 3), now, body) }.event(*seq)
        };
        store.commit(&Batch { events: events.iter().map(make).collect(), ..Batch::default() }).unwrap();
        store
    }

    #[test]
    fn the_last_that_pass_over_pages_and_gaps() {
        let all: Vec<_> = (1..=2_000).filter(|n| n % 7 != 0).map(|n| (n, None)).collect();
        let store = filled(&all);
        let seqs = |count, name: &str| {
            store::recent(&store, count, None, |s| s.event.name == name).unwrap().iter().map(|s| s.event.seq).collect::<Vec<_>>()
        };
        assert_eq!(seqs(3, "n1"), [1_993, 1_996, 1_999]);
        assert_eq!(seqs(usize::MAX, "n1").len(), all.iter().filter(|(n, _)| n % 3 == 1).count());
        assert!(seqs(2, "none").is_empty());
    }

    #[test]
    fn what_an_event_caused_and_nothing_else() {
        let store = filled(&[(1, None), (2, Some((1, 1))), (3, Some((1, 1))), (4, Some((2, 2))), (5, None), (6, Some((5, 1)))]);
        let of = |seq| {
            let root = store.event(seq).unwrap().unwrap().event;
            caused(&store, &root).unwrap().iter().map(|s| s.event.seq).collect::<Vec<_>>()
        };
        assert_eq!(of(1), [2, 3, 4]);
        assert_eq!(of(2), [4]);
        assert!(of(3).is_empty());
        assert_eq!(of(5), [6]);
    }
}
