//! `ifthen silence`: keeps rules and flows from acting for a while, with a reason; what is silent, and ending it early.
//!
//! The list is read from the store; what changes something is asked of the running daemon, which decides it as an event.

use anyhow::bail;
use clap::Subcommand;
use jiff::{Timestamp, ToSpan};

use super::control::Control;
use super::output::{Look, Out, clip};
use super::place::Place;
use super::records::record_ref;
use super::table::Table;
use super::tail;
use super::words::Words as _;
use super::{Context, Exit, when};
use crate::engine::duration;
use crate::engine::event::RecordRef;
use crate::engine::silence::{self, Ask, Silence};
use crate::engine::state::Key;
use crate::store::Read;

/// Options of `silence`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    begin: Option<Begin>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What is silent now, until when and why
    List(List),
    /// End a silence before its time
    End(End),
}

#[derive(Debug, clap::Args)]
struct Begin {
    /// Rules and flows: an id, one with * in it (welcome-*), or tag:NAME
    #[arg(value_name = "RULE")]
    rule: String,
    /// For so long: 2h, 30m, 3d
    #[arg(long = "for", value_name = "DURATION", conflicts_with = "until", required_unless_present = "until")]
    span: Option<String>,
    /// Until then: 18:00, 2026-11-21T09:00
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Why; the log says it with every event that is kept from the rule
    #[arg(long, value_name = "TEXT")]
    comment: String,
    /// Only for this record: lead/L1
    #[arg(long, value_name = "RECORD", value_parser = record_ref)]
    record: Option<RecordRef>,
    /// The log line as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct List {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct End {
    /// The silence: s42
    #[arg(value_parser = silence_id)]
    id: u64,
    /// The log line as JSON
    #[arg(long)]
    json: bool,
}

fn silence_id(text: &str) -> Result<u64, String> {
    text.strip_prefix('s').unwrap_or(text).parse().map_err(|_| "a silence's id looks like s42".into())
}

pub(crate) fn run(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let place = context.place()?;
    match (&args.what, &args.begin) {
        (Some(What::List(args)), _) => list(&place, args, out),
        (Some(What::End(args)), _) => {
            let event = Control::find(&place)?.post(&format!("silences/s{}/end", args.id), None)?;
            tail::told(&place, event, args.json, out)
        }
        (None, Some(args)) => begin(&place, args, out),
        (None, None) => bail!("name a rule: `ifthen silence RULE --for 2h --comment TEXT`"),
    }
}

fn begin(place: &Place, args: &Begin, out: &mut Out) -> anyhow::Result<Exit> {
    let now = Timestamp::now();
    let until = match (&args.span, &args.until) {
        (Some(span), _) => match duration::parse(span) {
            Some(span) => now.checked_add(span)?,
            None => bail!(
                place
                    .lang()
                    .pick(format!("`{span}` is no duration: write 30m, 2h, 3d"), format!("`{span}` 不是时长:可写 30m、2h、3d"),)
            ),
        },
        (None, Some(text)) => end(text, now, place)?,
        (None, None) => {
            bail!(place.lang().pick("say for how long: --for 2h, or --until 18:00", "请说明多久:--for 2h 或 --until 18:00"))
        }
    };
    // The service's user is not who asks.
    let by = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    let ask = Ask {
        rule: args.rule.clone(),
        record: args.record.clone(),
        until,
        comment: args.comment.clone(),
        by: by.unwrap_or_default(),
    };
    let event = Control::find(place)?.post("silences", Some(serde_json::to_string(&ask)?))?;
    tail::told(place, event, args.json, out)
}

/// A moment to come: a time of day that is over today is meant for tomorrow.
fn end(text: &str, now: Timestamp, place: &Place) -> anyhow::Result<Timestamp> {
    if duration::parse(text).is_some() {
        bail!(
            place
                .lang()
                .pick(format!("`{text}` is a duration: write --for {text}"), format!("`{text}` 是时长:请写 --for {text}"))
        );
    }
    let zone = &place.speech.zone;
    let at = when::since(text, now, &place.speech)?;
    let clock = text.contains(':') && !text.contains('-');
    Ok(if clock && at <= now { at.to_zoned(zone.clone()).checked_add(1.day())?.timestamp() } else { at })
}

fn list(place: &Place, args: &List, out: &mut Out) -> anyhow::Result<Exit> {
    let entry = place.reader()?.load(&Key::Silences)?;
    let now = Timestamp::now();
    let lang = place.lang();
    let current: Vec<&Silence> = silence::all(entry.as_deref()).iter().filter(|s| now < s.ask.until).collect();
    if args.json {
        for one in current {
            let mut object = serde_json::to_value(one)?;
            object["id"] = one.id().into();
            out.json(&object)?;
        }
        return Ok(Exit::Done);
    }
    if current.is_empty() {
        out.line(lang.pick("nothing is silenced", "没有静默"))?;
        return Ok(Exit::Done);
    }
    let head =
        lang.pick(["SILENCE", "RULES", "RECORD", "UNTIL", "BY", "COMMENT"], ["静默", "规则", "记录", "到", "操作人", "说明"]);
    let mut table = Table::new(head);
    for one in current {
        table.row([
            (one.id(), Look::Bold),
            (clip(&one.ask.rule, 60), Look::Cyan),
            (one.ask.record.as_ref().map(ToString::to_string).unwrap_or_default(), Look::Plain),
            (when::beside(one.ask.until, now, &place.speech.zone), Look::Plain),
            (clip(&one.ask.by, 30), Look::Plain),
            (clip(&one.ask.comment, 80), Look::Plain),
        ]);
    }
    table.print(out)?;
    Ok(Exit::Done)
}
