//! `ifthen records merge · unmerge`: shows what two records come to as one, or apart, and asks the running daemon to do it.
//!
//! What is shown is worked out by the engine's own function on what the store holds now; the daemon decides anew.

use std::io::IsTerminal as _;
use std::sync::Arc;

use anyhow::bail;
use serde_json::json;

use super::{long, record_ref};
use crate::cli::control::Control;
use crate::cli::output::{Look, Out, clean};
use crate::cli::place::Place;
use crate::cli::table::Table;
use crate::cli::words::Words as _;
use crate::cli::{Context, Exit, eprintln, tail, when};
use crate::config;
use crate::engine::event::RecordRef;
use crate::engine::log::Outcome;
use crate::engine::merge::{MOST_IDS, Redirect, united};
use crate::engine::record::Record;
use crate::engine::state::{Entry, Key};
use crate::store::{Filter, Read};

/// Log lines looked at for what has been sent.
const LINES: usize = 10_000;
/// Actions that leave.
const LEAVE: [&str; 4] = ["email", "http", "dingtalk", "wecom"];

#[derive(Debug, clap::Args)]
pub(super) struct Merge {
    /// The record that stays: lead/L1
    #[arg(value_parser = record_ref)]
    winner: RecordRef,
    /// The record that is merged into it: lead/L2
    #[arg(value_parser = record_ref)]
    loser: RecordRef,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, clap::Args)]
pub(super) struct Unmerge {
    /// The record that was merged into another: lead/L2
    #[arg(value_parser = record_ref)]
    record: RecordRef,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, clap::Args)]
struct How {
    /// Only show what it would come to
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// The log line as JSON
    #[arg(long)]
    json: bool,
}

/// A record under any of its ids, and where the first of them leads.
pub(super) type Found = (RecordRef, Option<Arc<Record>>, Option<Arc<Redirect>>);

/// As it is now, or as it was once an event had been decided.
pub(super) fn find(store: &dyn Read, at: &RecordRef, as_of: Option<u64>) -> anyhow::Result<Found> {
    let (mut at, mut first) = (at.clone(), None);
    for _ in 0..=MOST_IDS {
        let key = Key::Record(at.clone());
        let entry = match as_of {
            Some(seq) => store.as_of(&key, seq)?,
            None => store.load(&key)?,
        };
        match entry.as_deref() {
            Some(Entry::Redirect(redirect)) => {
                at.clone_from(&redirect.to);
                first.get_or_insert_with(|| Arc::clone(redirect));
            }
            Some(Entry::Record(record)) => return Ok((at, Some(Arc::clone(record)), first)),
            _ => break,
        }
    }
    Ok((at, None, first))
}

pub(super) fn merge(context: &Context, place: &Place, args: &Merge, out: &mut Out) -> anyhow::Result<Exit> {
    let (reader, lang) = (place.reader()?, place.lang());
    let ((winner, into, _), (other, from, led)) = (find(&reader, &args.winner, None)?, find(&reader, &args.loser, None)?);
    let loser = &args.loser;
    // What the daemon would refuse is not shown: it says why.
    if let (Some(into), Some(from), None, true, true) = (&into, &from, &led, winner != other, winner.entity == loser.entity) {
        let loaded = config::load(&context.config, &context.options);
        let entity = loaded.ok().and_then(|l| l.definitions.entities.get(&winner.entity).cloned()).unwrap_or_default();
        let (made, filled) = united(into, from, &entity);
        if !args.how.json {
            out.line(out.style.paint(Look::Bold, &clean(&format!("{loser} → {winner}"))))?;
            let mut table = Table::of(vec![
                lang.pick("FIELD", "字段").to_owned(),
                winner.to_string(),
                loser.to_string(),
                lang.pick("AFTER", "合并后").to_owned(),
            ]);
            let mut names: Vec<&String> = into.fields.keys().chain(from.fields.keys()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                let look = if filled.fields.contains_key(name) { Look::Yellow } else { Look::Plain };
                let of = |record: &Record| long(record.value(name), place);
                table.row([(name.clone(), Look::Dim), (of(into), Look::Plain), (of(from), Look::Plain), (of(&made), look)]);
            }
            let tags = |record: &Record| (super::tags(record), Look::Cyan);
            table.row([(lang.pick("tags", "标签").to_owned(), Look::Dim), tags(into), tags(from), tags(&made)]);
            table.print(out)?;
        }
    } else if args.how.dry_run {
        let why = match () {
            () if winner.entity != loser.entity => "records of two entities",
            () if winner == *loser => "the same record",
            () if led.is_some() => "merged already",
            () => "no such record",
        };
        eprintln(&format!("ifthen: {loser} → {winner}: {}", lang.said(why)));
        return Ok(Exit::Failed);
    }
    let body = json!({ "loser": loser.to_string(), "by": who() });
    let question = lang.pick("merge them?", "确定合并?");
    change(place, &winner, "merge", &body, (&args.how, question), out)
}

pub(super) fn unmerge(place: &Place, args: &Unmerge, out: &mut Out) -> anyhow::Result<Exit> {
    let (reader, lang) = (place.reader()?, place.lang());
    if let Some(Entry::Redirect(redirect)) = reader.load(&Key::Record(args.record.clone()))?.as_deref()
        && !args.how.json
    {
        let Redirect { to, at, undo, .. } = redirect.as_ref();
        let (since, zone) = (*at, &place.speech.zone);
        let text = format!("{} ← {to} ({})", args.record, when::full(since, zone));
        out.line(out.style.paint(Look::Bold, &clean(&text)))?;
        let winner = find(&reader, to, None)?.1;
        let mut table = Table::new(lang.pick(["FIELD", "NOW", "AFTER"], ["字段", "现在", "拆分后"]));
        for (field, (was, is)) in &undo.filled.fields {
            let now = winner.as_ref().map(|w| w.value(field).clone()).unwrap_or_default();
            let after = if now == *is { was } else { &now };
            table.row([
                (field.clone(), Look::Dim),
                (long(&now, place), Look::Plain),
                (long(after, place), if now == *is { Look::Yellow } else { Look::Plain }),
            ]);
        }
        table.print(out)?;
        let sent = sent(&reader, to, since)?;
        if sent > 0 {
            out.line(lang.pick(
                format!("{sent} messages and requests about {to} have left since: they stay sent"),
                format!("此后关于 {to} 已发出 {sent} 条消息或请求,无法收回"),
            ))?;
        }
    } else if args.how.dry_run && !args.how.json {
        eprintln(&format!("ifthen: {}: {}", args.record, lang.said("not merged")));
        return Ok(Exit::Failed);
    }
    let question = lang.pick("make them two again?", "确定拆分?");
    change(place, &args.record, "unmerge", &json!({ "by": who() }), (&args.how, question), out)
}

/// What has left about a record since then.
fn sent(store: &dyn Read, at: &RecordRef, since: jiff::Timestamp) -> anyhow::Result<usize> {
    let filter = Filter { record: Some(at.to_string()), outcome: Some(Outcome::Done), since: Some(since), ..Filter::default() };
    Ok(store.log(&filter, 0, LINES)?.iter().filter(|l| LEAVE.contains(&l.action.as_str())).count())
}

/// Asks whoever sits there, unless they said yes already; then the daemon.
fn change(
    place: &Place,
    at: &RecordRef,
    what: &str,
    body: &serde_json::Value,
    (how, question): (&How, &str),
    out: &mut Out,
) -> anyhow::Result<Exit> {
    if how.dry_run {
        return Ok(Exit::Done);
    }
    if !how.yes {
        if !std::io::stdin().is_terminal() {
            bail!(place.lang().pick("nobody can be asked here: say --yes", "此处无法确认,请加 --yes"));
        }
        out.flush()?;
        eprintln(&format!("{question} [y/N]"));
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        if !matches!(answer.trim().to_lowercase().as_str(), "y" | "yes" | "是") {
            return Ok(Exit::Failed);
        }
    }
    let path = format!("records/{}/{}/{what}", segment(&at.entity), segment(&at.id));
    let event = Control::find(place)?.post(&path, Some(body.to_string()))?;
    tail::told(place, event, how.json, out)
}

/// The service's user is not who asks.
fn who() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    named.unwrap_or_default()
}

/// A text as one segment of an address.
fn segment(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_id_is_one_segment_whatever_it_holds() {
        assert_eq!(super::segment("刘/洋 a-1%.."), "%E5%88%98%2F%E6%B4%8B%20a-1%25%2E%2E");
    }
}
