//! `ifthen quarantine`: what sources told and what could not be understood, and what a person makes of it.
//!
//! Lists are read from the store; what settles an item is asked of the running daemon, whose mapping counts.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde_json::{Value as Json, json};

use super::control::Control;
use super::line::View;
use super::output::{Look, Out, clean, clip};
use super::place::Place;
use super::table::Table;
use super::tail::{Printer, event_id};
use super::words::Words as _;
use super::{Context, Exit, eprintln, when, yaml};
use crate::engine::event::{self, Body};
use crate::engine::log::Outcome;
use crate::engine::quarantine::{Held, Raw, Unread};
use crate::engine::state::{Entry, Key, prefix};
use crate::store::{Filter, Read, Stored};

/// Entries of one read.
const PAGE: usize = 1_000;

/// Options of `quarantine`.
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
    /// What could not be understood, oldest first
    List(List),
    /// One item with all that came
    Show(Show),
    /// Change what an item says, then put it through its source's mapping again
    Fix(Fix),
    /// Put items through their source's mapping again as they are, once that was mended
    Replay(Ids),
    /// Give items up
    Discard(Ids),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only of this source
    #[arg(long)]
    source: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The item: e12
    #[arg(value_parser = event_id)]
    id: u64,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Fix {
    /// The item: e12
    #[arg(value_parser = event_id)]
    id: u64,
    /// A member and what it should say: 手机=13800138000; a path such as data.mobile; a number, list or object as JSON where one stood
    #[arg(long, value_name = "MEMBER=VALUE", required_unless_present = "from")]
    set: Vec<String>,
    /// Take the whole item from this file (- for standard input), JSON or YAML
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The log lines as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Ids {
    /// The items: e12 …
    #[arg(required = true, value_parser = event_id)]
    ids: Vec<u64>,
    /// The log lines as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let place = context.place()?;
    match &args.what {
        None => list(&place, &args.list, out),
        Some(What::List(args)) => list(&place, args, out),
        Some(What::Show(args)) => show(&place, args, out),
        Some(What::Fix(args)) => fix(&place, args, out),
        Some(What::Replay(args)) => settle(&place, &args.ids, ("replay", None), args.json, out),
        Some(What::Discard(args)) => settle(&place, &args.ids, ("discard", None), args.json, out),
    }
}

/// Every item in the store, oldest first.
pub(super) fn each(store: &dyn Read, mut with: impl FnMut(u64, &Held) -> anyhow::Result<()>) -> anyhow::Result<()> {
    super::page::each(store, prefix::QUARANTINE, PAGE, |key, entry| match (key, entry) {
        (Key::Quarantine(seq), Entry::Quarantine(held)) => with(*seq, held),
        _ => Ok(()),
    })
}

fn list(place: &Place, args: &List, out: &mut Out) -> anyhow::Result<Exit> {
    let reader = place.reader()?;
    let lang = place.lang();
    let head = lang.pick(["ITEM", "RECEIVED", "SOURCE", "FIELD", "REASON"], ["编号", "收到", "来源", "字段", "原因"]);
    let (mut table, mut count) = (Table::new(head), 0);
    each(&reader, |seq, held| {
        if args.source.as_ref().is_some_and(|source| *source != held.source) {
            return Ok(());
        }
        count += 1;
        if args.json {
            let Held { source, reason, field, received, batch: _ } = held;
            let id = event::id(seq);
            return out.json(&json!({ "id": id, "source": source, "received": received, "field": field, "reason": reason }));
        }
        table.row([
            (event::id(seq), Look::Bold),
            (when::short(held.received, &place.speech.zone), Look::Dim),
            (held.source.clone(), Look::Plain),
            (clip(held.field.as_deref().unwrap_or_default(), 32), Look::Plain),
            (clip(&held.reason, 80), Look::Red),
        ]);
        Ok(())
    })?;
    if args.json {
        return Ok(Exit::Done);
    }
    if count == 0 {
        out.line(lang.pick("nothing is in quarantine", "隔离区是空的"))?;
        return Ok(Exit::Done);
    }
    table.print(out)?;
    if out.style.terminal {
        out.line(lang.pick(
            "\n`ifthen quarantine show ITEM` tells all of one; then fix, replay or discard it",
            "\n用 `ifthen quarantine show 编号` 查看详情,再用 fix 修正、replay 重放或 discard 丢弃",
        ))?;
    }
    Ok(Exit::Done)
}

/// One item, or a kind word that there is none.
fn load(place: &Place, seq: u64) -> anyhow::Result<Option<(Stored, Unread)>> {
    let reader = place.reader()?;
    if reader.load(&Key::Quarantine(seq))?.is_some()
        && let Some(stored) = reader.event(seq)?
        && let Body::Unread(unread) = &stored.event.body
    {
        let unread = (**unread).clone();
        return Ok(Some((stored, unread)));
    }
    let id = event::id(seq);
    eprintln(&place.lang().pick(
        format!("ifthen: {id} is not in quarantine (any more): `ifthen quarantine` lists what is"),
        format!("ifthen: {id} 不在隔离区,可用 `ifthen quarantine` 列出"),
    ));
    Ok(None)
}

fn show(place: &Place, args: &Show, out: &mut Out) -> anyhow::Result<Exit> {
    let Some((stored, unread)) = load(place, args.id)? else { return Ok(Exit::Failed) };
    let (event, data) = (&stored.event, serde_json::to_value(unread.data.plain())?);
    let raw = match &unread.raw {
        Some(Raw::Text(text)) => Some(("raw", text)),
        Some(Raw::Base64(text)) => Some(("raw_base64", text)),
        None => None,
    };
    if args.json {
        let mut item = json!({
            "id": event.id(), "source": event.origin, "received": event.received, "delivery": event.delivery,
            "field": unread.field, "reason": unread.reason, "place": unread.place, "item": data,
        });
        if let Some((name, text)) = raw {
            item[name] = json!(text);
        }
        out.json(&item)?;
        return Ok(Exit::Done);
    }
    let lang = place.lang();
    let mut table = Table::new(["", ""]);
    let mut add = |name: &str, value: Option<String>, look: Look| {
        if let Some(value) = value.filter(|v| !v.is_empty()) {
            table.row([(name.to_owned(), Look::Dim), (value, look)]);
        }
    };
    add(lang.pick("item", "编号"), Some(event.id()), Look::Bold);
    add(lang.pick("source", "来源"), Some(event.origin.clone()), Look::Plain);
    add(lang.pick("received", "收到"), Some(when::full(event.received, &place.speech.zone)), Look::Plain);
    add(lang.pick("delivery", "投递号"), event.delivery.clone(), Look::Plain);
    add(lang.pick("field", "字段"), unread.field.clone(), Look::Plain);
    add(lang.pick("reason", "原因"), Some(unread.reason.clone()), Look::Red);
    table.print(out)?;
    let text = match yaml::from_json(&data) {
        Some(yaml) => serde_yaml::to_string(&yaml)?,
        None => serde_json::to_string_pretty(&data)?,
    };
    out.line("")?;
    for line in text.lines() {
        out.line(clean(line))?;
    }
    if let Some((_, text)) = raw {
        out.line("")?;
        out.line(out.style.paint(Look::Dim, lang.pick("as it came:", "原始内容:")))?;
        for line in text.lines() {
            out.line(clean(line))?;
        }
    }
    Ok(Exit::Done)
}

fn fix(place: &Place, args: &Fix, out: &mut Out) -> anyhow::Result<Exit> {
    let Some((_, unread)) = load(place, args.id)? else { return Ok(Exit::Failed) };
    let mut item = match &args.from {
        Some(file) => read(file)?,
        None => serde_json::to_value(unread.data.plain())?,
    };
    for set in &args.set {
        let Some((member, value)) = set.split_once('=') else {
            bail!(place.lang().pick(
                format!("--set {set}: MEMBER=VALUE is expected: 手机=13800138000"),
                format!("--set {set}:应写成 名称=值,如 手机=13800138000"),
            ))
        };
        put(&mut item, member.trim(), value).map_err(|why| anyhow::anyhow!("--set {set}: {why}"))?;
    }
    settle(place, &[args.id], ("fix", Some(item.to_string())), args.json, out)
}

fn read(file: &Path) -> anyhow::Result<Json> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)?;
    } else {
        text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    }
    serde_json::from_str(&text).or_else(|error| {
        let shown = || file.display().to_string();
        // What opens like JSON is meant to be it.
        if text.trim_start().starts_with(['{', '[']) {
            return Err(error).with_context(shown);
        }
        yaml::to_json(serde_yaml::from_str(&text).with_context(shown)?).map_err(|e| anyhow::anyhow!("{}: {e}", shown()))
    })
}

/// Puts a value at a member: one of that very name, dots and all, or the one that the dotted path leads to, as mappings find it.
/// Where text stood, or nothing, it is text; otherwise JSON.
fn put(item: &mut Json, member: &str, value: &str) -> Result<(), String> {
    let whole = item.get(member).is_some();
    let path: Vec<&str> = if whole { vec![member] } else { member.split('.').collect() };
    let mut at = item;
    for name in path {
        if at.is_null() {
            *at = json!({});
        }
        let Json::Object(members) = at else { return Err(format!("there is no object to hold `{name}`")) };
        at = members.entry(name).or_insert(Json::Null);
    }
    *at = match at {
        Json::Null | Json::String(_) => value.into(),
        _ => serde_json::from_str(value).map_err(|e| format!("{value} is no JSON, as what stood there: {e}"))?,
    };
    Ok(())
}

/// Asks the daemon about each, and shows what it said to it. One that is refused does not keep the others from being tried.
fn settle(
    place: &Place,
    ids: &[u64],
    (what, content): (&str, Option<String>),
    json: bool,
    out: &mut Out,
) -> anyhow::Result<Exit> {
    let control = Control::find(place)?;
    let reader = place.reader()?;
    let mut printer = Printer { view: View::new(place.speech.clone(), out.style), json };
    let mut exit = Exit::Done;
    for id in ids {
        let item = event::id(*id);
        let event = match control.post(&format!("quarantine/{item}/{what}"), content.clone()) {
            Ok(event) => event,
            Err(error) if error.is::<super::control::Unreachable>() => return Err(error),
            Err(error) => {
                eprintln(&format!("ifthen: {item}: {error:#}"));
                exit = Exit::Failed;
                continue;
            }
        };
        let mut lines = reader.log(&Filter { event: Some(event), ..Filter::default() }, 0, PAGE)?;
        if lines.iter().any(|l| l.outcome == Outcome::Failed) {
            exit = Exit::Failed;
        }
        // What it meant, too: its events follow that one.
        for stored in reader.events(event, PAGE)?.into_iter().take_while(|s| s.event.cause.is_some()) {
            lines.extend(reader.log(&Filter { event: Some(stored.event.seq), ..Filter::default() }, 0, PAGE)?);
        }
        printer.print(&lines, out)?;
    }
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_as_mappings_find_them() {
        let check = |item: Json, member: &str, value: &str, expect: Result<Json, &str>| {
            let mut mended = item.clone();
            let got = put(&mut mended, member, value).map(|()| mended);
            assert_eq!(got, expect.map_err(str::to_owned), "{item} {member}={value}");
        };
        check(json!({"手机": "12345"}), "手机", "13800138000", Ok(json!({"手机": "13800138000"})));
        check(json!({}), "data.mobile", "1", Ok(json!({"data": {"mobile": "1"}})));
        check(json!({"data.mobile": 1}), "data.mobile", "2", Ok(json!({"data.mobile": 2})));
        check(json!({"n": 1}), "n", "x", Err("x is no JSON, as what stood there: expected value at line 1 column 1"));
        check(json!({"n": [1]}), "n.a", "x", Err("there is no object to hold `a`"));
    }
}
