//! `ifthen events replay`: what a source told once is handed to the running daemon again, as new events.
//!
//! Decides nothing: what becomes of them is what becomes of any event, and is in the log.

use std::io::IsTerminal;

use anyhow::bail;

use super::super::control::Control;
use super::super::output::Out;
use super::super::place::Place;
use super::super::words::Words as _;
use super::super::{Exit, eprintln};
use crate::engine::event;
use crate::store::Read;

/// More than these are not handed in again by mistake.
const ASK: usize = 20;
/// Events handed in together: all or none of them.
const TOGETHER: usize = 100;

/// Options of `events replay`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The events: e42, or e40..e60 for what sources told between them, both included
    #[arg(required = true, value_name = "EVENT", value_parser = range)]
    events: Vec<(u64, u64)>,
    /// As if they happened now, not as late news: where a source told something newer since, they count for more
    #[arg(long)]
    as_new: bool,
    /// Without asking, also when they are many
    #[arg(short, long)]
    yes: bool,
    /// One JSON object for each
    #[arg(long)]
    json: bool,
}

fn range(text: &str) -> Result<(u64, u64), String> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    match (event::seq(from), event::seq(to)) {
        (Some(from), Some(to)) if from <= to => Ok((from, to)),
        _ => Err("an event is e42, a range e40..e60".into()),
    }
}

pub(super) fn run(place: &Place, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let lang = place.lang();
    let control = Control::find(place)?;
    let events = told(&place.reader()?, &args.events, |seq| {
        let id = event::id(seq);
        lang.pick(
            format!("{id} is no event that a source told, so it cannot be handed in again"),
            format!("{id} 不是来源上报的事件,不能重放"),
        )
    })?;
    if events.is_empty() {
        out.line(lang.pick("no source told anything there", "该范围内没有来源上报的事件"))?;
        return Ok(Exit::Done);
    }
    if events.len() > ASK && !args.yes && !confirmed(place, events.len(), out)? {
        return Ok(Exit::Failed);
    }
    for part in events.chunks(TOGETHER) {
        let new = control.replay(part, args.as_new)?;
        for (old, new) in part.iter().zip(new) {
            let (old, new) = (event::id(*old), event::id(new));
            if args.json {
                out.json(&serde_json::json!({ "event": new, "replay_of": old }))?;
            } else {
                out.line(format!("{old} → {new}"))?;
            }
        }
        out.flush()?; // what is done is said, whatever becomes of the rest
    }
    Ok(Exit::Done)
}

/// The events of these ranges that a source told, in order, each once. One that is named itself must be such.
fn told(store: &dyn Read, ranges: &[(u64, u64)], refusal: impl Fn(u64) -> String) -> anyhow::Result<Vec<u64>> {
    const PAGE: usize = 500;
    let mut found = Vec::new();
    for (from, to) in ranges {
        let before = found.len();
        let mut after = from.saturating_sub(1);
        while after < *to {
            let page = store.events(after, usize::try_from(to - after).map_or(PAGE, |left| left.min(PAGE)))?;
            let Some(last) = page.last() else { break };
            after = last.event.seq;
            found.extend(page.iter().map(|s| &s.event).filter(|e| e.seq <= *to && e.is_told()).map(|e| e.seq));
        }
        if from == to && found.len() == before {
            bail!(refusal(*from));
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Asks whoever sits at the terminal; without one, nobody has agreed.
fn confirmed(place: &Place, count: usize, out: &mut Out) -> anyhow::Result<bool> {
    let lang = place.lang();
    if !std::io::stdin().is_terminal() {
        eprintln(&lang.pick(
            format!("ifthen: these are {count} events: say --yes if all of them are meant"),
            format!("ifthen: 共 {count} 个事件,确认全部重放请加 --yes"),
        ));
        return Ok(false);
    }
    out.text(&lang.pick(format!("hand in {count} events again? [y/N] "), format!("重放 {count} 个事件?[y/N] ")))?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    let yes = matches!(answer.trim().to_lowercase().as_str(), "y" | "yes" | "是");
    if !yes {
        out.line(lang.pick("nothing is handed in", "未重放"))?;
    }
    Ok(yes)
}
