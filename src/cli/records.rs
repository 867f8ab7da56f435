//! `ifthen records`: what is known of each lead, deal, ticket; now, or as it was once an event had been decided.

mod merge;

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Subcommand;
use serde_json::json;

use super::line::{Json, View};
use super::output::{Look, Out, clip};
use super::place::Place;
use super::table::Table;
use super::tail::{Printer, event_id};
use super::words::Words as _;
use super::{Context, Exit, eprintln, when};
use crate::engine::event::RecordRef;
use crate::engine::record::{Record, Told};
use crate::engine::state::{Entry, Key, prefix};
use crate::engine::value::{Map, Value};
use crate::store::{Filter, Read};

/// Records of one read.
const PAGE: usize = 500;
/// Records shown unless said.
const COUNT: usize = 50;
/// Fields shown in a list, beside the id.
const FIELDS: usize = 6;
/// Log lines shown of a record.
const LINES: usize = 10;

/// Options of `records`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    list: Option<List>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The records of an entity
    List(List),
    /// One record: its fields, what each source told last, its latest log lines
    Show(Show),
    /// Make two records one: what the first has not got it takes from the second, whose id leads to it from then on
    Merge(merge::Merge),
    /// Make a record that was merged into another one of its own again, as far as that can be done
    Unmerge(merge::Unmerge),
}

#[derive(Debug, clap::Args)]
struct List {
    /// The entity: lead
    entity: String,
    /// How many
    #[arg(short = 'n', long, value_name = "RECORDS", default_value_t = COUNT)]
    count: usize,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The record: lead/L20
    #[arg(value_parser = record_ref)]
    record: RecordRef,
    /// As it was once this event had been decided: e12
    #[arg(long, value_name = "EVENT", value_parser = event_id)]
    as_of: Option<u64>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn record_ref(text: &str) -> Result<RecordRef, String> {
    match text.split_once('/') {
        Some((entity, id)) if !entity.is_empty() && !id.is_empty() => Ok(RecordRef { entity: entity.into(), id: id.into() }),
        _ => Err("a record is its entity and id: lead/L20".into()),
    }
}

pub(crate) fn run(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let place = context.place()?;
    match (&args.what, &args.list) {
        (Some(What::Show(args)), _) => show(&place, args, out),
        (Some(What::Merge(args)), _) => merge::merge(context, &place, args, out),
        (Some(What::Unmerge(args)), _) => merge::unmerge(&place, args, out),
        (Some(What::List(args)), _) | (None, Some(args)) => list(&place, args, out),
        (None, None) => anyhow::bail!("name an entity: `ifthen records lead`"),
    }
}

fn list(place: &Place, args: &List, out: &mut Out) -> anyhow::Result<Exit> {
    let reader = place.reader()?;
    let lang = place.lang();
    let (found, more) = records(&reader, &args.entity, args.count)?;
    if args.json {
        for (at, record) in &found {
            out.json(&as_json(at, record))?;
        }
        return Ok(Exit::Done);
    }
    if found.is_empty() {
        let known = entities(&reader)?.join(", ");
        let entity = &args.entity;
        let hint =
            if known.is_empty() { String::new() } else { lang.pick(format!("; there are: {known}"), format!(";现有:{known}")) };
        out.line(lang.pick(format!("no records of {entity}{hint}"), format!("没有 {entity} 记录{hint}")))?;
        return Ok(Exit::Done);
    }
    let fields = telling(found.iter().map(|(_, r)| r.as_ref()));
    let mut head = vec![lang.pick("RECORD", "记录").to_owned(), lang.pick("CHANGED", "更新").to_owned()];
    head.extend(fields.iter().cloned());
    head.push(lang.pick("TAGS", "标签").to_owned());
    let mut table = Table::of(head);
    for (at, record) in &found {
        let start = [(at.to_string(), Look::Bold), (when::short(record.changed, &place.speech.zone), Look::Dim)];
        let middle = fields.iter().map(|f| (shown(record.value(f), place), Look::Plain));
        table.row(start.into_iter().chain(middle).chain([(tags(record), Look::Cyan)]));
    }
    table.print(out)?;
    if more {
        let count = args.count;
        out.line(lang.pick(format!("… more than {count}; -n shows more"), format!("……超过 {count} 条,用 -n 显示更多")))?;
    }
    Ok(Exit::Done)
}

type Found = Vec<(RecordRef, Arc<Record>)>;

/// The first records of an entity, and whether there are more.
fn records(store: &dyn Read, entity: &str, count: usize) -> Result<(Found, bool), crate::store::Error> {
    let kind = format!("{}{entity}/", prefix::RECORD);
    let mut found = Vec::new();
    let mut after: Option<Key> = None;
    loop {
        let page = store.scan(&kind, after.as_ref(), PAGE)?;
        let Some((last, _)) = page.last() else { return Ok((found, false)) };
        after = Some(last.clone());
        for (key, entry) in page {
            let (Key::Record(at), Entry::Record(record)) = (key, entry.as_ref()) else { continue };
            if found.len() == count {
                return Ok((found, true));
            }
            found.push((at, Arc::clone(record)));
        }
    }
}

/// The entities of which there are records: one look for each, however many records there are.
fn entities(store: &dyn Read) -> Result<Vec<String>, crate::store::Error> {
    let mut names = Vec::new();
    let mut after: Option<Key> = None;
    while let Some((Key::Record(at), _)) = store.scan(prefix::RECORD, after.as_ref(), 1)?.pop() {
        // Behind every id there can be.
        after = Some(Key::Record(RecordRef { entity: at.entity.clone(), id: char::MAX.to_string() }));
        names.push(at.entity);
    }
    Ok(names)
}

/// The fields that most of them have, in the order of their names.
fn telling<'a>(records: impl Iterator<Item = &'a Record>) -> Vec<String> {
    let mut filled: BTreeMap<&str, usize> = BTreeMap::new();
    for record in records {
        for (field, _) in record.fields.iter().filter(|(field, value)| *field != "id" && !value.is_empty()) {
            *filled.entry(field).or_default() += 1;
        }
    }
    let mut fields: Vec<(&str, usize)> = filled.into_iter().collect();
    fields.sort_by_key(|(_, count)| std::cmp::Reverse(*count)); // stable: names stay in order
    fields.truncate(FIELDS);
    fields.sort_unstable();
    fields.into_iter().map(|(field, _)| field.to_owned()).collect()
}

fn tags(record: &Record) -> String {
    record.tags.iter().map(|t| format!("#{t}")).collect::<Vec<_>>().join(" ")
}

fn shown(value: &Value, place: &Place) -> String {
    match value {
        Value::Time(t) => when::full(*t, &place.speech.zone),
        other => clip(&other.to_string(), 32),
    }
}

fn as_json(at: &RecordRef, record: &Record) -> serde_json::Value {
    let fields = |map: &Map| serde_json::to_value(Value::Map(map.clone()).plain()).unwrap_or_default();
    let told: serde_json::Map<String, serde_json::Value> = record
        .told
        .iter()
        .map(|(source, told)| (source.clone(), json!({ "fields": fields(&told.fields), "at": told.at })))
        .collect();
    json!({
        "record": at.to_string(), "fields": fields(&record.fields), "tags": record.tags, "created": record.created,
        "changed": record.changed, "told": told,
    })
}

fn show(place: &Place, args: &Show, out: &mut Out) -> anyhow::Result<Exit> {
    let reader = place.reader()?;
    let lang = place.lang();
    let at = &args.record;
    let (at, record, led) = merge::find(&reader, at, args.as_of)?;
    if let Some(redirect) = led.filter(|_| !args.json) {
        let (from, time) = (&args.record, when::full(redirect.at, &place.speech.zone));
        out.line(lang.pick(
            format!("{from} was merged into {} {time}", redirect.to),
            format!("{from} 已于 {time} 合并到 {}", redirect.to),
        ))?;
    }
    let at = &at;
    let Some(record) = record.as_deref() else {
        let then = args.as_of.map(|seq| lang.pick(format!(" as of e{seq}"), format!("(截至 e{seq})"))).unwrap_or_default();
        eprintln(&lang.pick(format!("ifthen: there is no record {at}{then}"), format!("ifthen: 没有记录 {at}{then}")));
        return Ok(Exit::Failed);
    };
    let filter = Filter { record: Some(at.to_string()), ..Filter::default() };
    let mut lines = reader.log_tail(&filter, if args.as_of.is_some() { PAGE } else { LINES })?;
    if let Some(seq) = args.as_of {
        lines.retain(|l| l.event <= seq);
        lines.drain(..lines.len().saturating_sub(LINES));
    }
    if args.json {
        let mut json = as_json(at, record);
        json["log"] = lines.iter().map(|l| serde_json::to_value(Json::from(l))).collect::<Result<Vec<_>, _>>()?.into();
        out.json(&json)?;
        return Ok(Exit::Done);
    }
    fields(place, at, record, out)?;
    if !lines.is_empty() {
        out.line("")?;
        Printer { view: View::new(place.speech.clone(), out.style), json: false }.print(&lines, out)?;
    }
    Ok(Exit::Done)
}

/// Fields side by side with what each source told last.
fn fields(place: &Place, at: &RecordRef, record: &Record, out: &mut Out) -> anyhow::Result<()> {
    let lang = place.lang();
    let zone = &place.speech.zone;
    let (created, changed) = (when::full(record.created, zone), when::full(record.changed, zone));
    let name = out.style.paint(Look::Bold, &super::output::clean(&at.to_string()));
    out.line(format!("{name}  {}", out.style.paint(Look::Cyan, &super::output::clean(&tags(record)))))?;
    out.line(out.style.paint(
        Look::Dim,
        &lang.pick(format!("created {created} · changed {changed}"), format!("创建 {created} · 更新 {changed}")),
    ))?;
    out.line("")?;
    let mut head = vec![lang.pick("FIELD", "字段").to_owned(), lang.pick("VALUE", "值").to_owned()];
    head.extend(record.told.iter().map(|(source, told)| match told.at {
        Some(t) => format!("{source} ({})", when::short(t, zone)),
        None => source.clone(),
    }));
    let mut names: Vec<&String> = record.fields.keys().chain(record.told.values().flat_map(|t| t.fields.keys())).collect();
    names.sort_unstable();
    names.dedup();
    let mut table = Table::of(head);
    for name in names {
        let value = record.value(name);
        let told = record.told.values().map(|told| said(told, name, value, place));
        table.row([(name.clone(), Look::Dim), (long(value, place), Look::Plain)].into_iter().chain(told));
    }
    table.print(out)?;
    Ok(())
}

fn long(value: &Value, place: &Place) -> String {
    match value {
        Value::Time(t) => when::full(*t, &place.speech.zone),
        other => clip(&other.to_string(), 80),
    }
}

/// What a source told of a field: `=` where it is what the record holds.
fn said(told: &Told, field: &str, value: &Value, place: &Place) -> (String, Look) {
    match told.fields.get(field) {
        None => (String::new(), Look::Plain),
        Some(same) if same == value => ("=".into(), Look::Dim),
        Some(Value::Null) => (place.lang().pick("(empty)", "(空)").into(), Look::Yellow),
        Some(other) => (clip(&long(other, place), 40), Look::Yellow),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::state::Change;
    use crate::store::memory::Memory;
    use crate::store::{Batch, Store};

    #[test]
    fn lists_stop_where_asked_and_know_their_entities() {
        let mut store = Memory::default();
        let put = |entity: &str, id: String| {
            let fields = Map::from([("name".to_owned(), Value::from(id.as_str())), ("empty".to_owned(), Value::Null)]);
            let record = Record { fields, ..Record::default() };
            let key = Key::Record(RecordRef { entity: entity.into(), id });
            (1, Change { key, entry: Some(Arc::new(Entry::Record(Arc::new(record)))) })
        };
        let changes = (0..1_200)
            .map(|n| put("lead", format!("L{n}")))
            .chain([put("lead2", "x".into()), put("客户", "刘/洋".into())])
            .collect();
        store.commit(&Batch { changes, ..Batch::default() }).unwrap();
        let (found, more) = records(&store, "lead", 700).unwrap();
        assert_eq!((found.len(), more), (700, true));
        let (found, more) = records(&store, "lead", 5_000).unwrap();
        assert_eq!((found.len(), more), (1_200, false));
        assert_eq!(telling(found.iter().map(|(_, r)| r.as_ref())), ["name"]);
        assert_eq!(records(&store, "客户", 5).unwrap().0[0].0.id, "刘/洋");
        assert_eq!(entities(&store).unwrap(), ["lead", "lead2", "客户"]);
    }
}
