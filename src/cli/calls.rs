//! `ifthen calls`: what has not gone out yet and what cannot, and what a person decides about it.
//!
//! Lists are read from the store; what changes something is asked of the running daemon, which decides it as an event.

mod edit;

use clap::Subcommand;

use super::control::{Ask, Control};
use super::line::View;
use super::output::{Look, Out, clip};
use super::place::Place;
use super::table::Table;
use super::tail::Printer;
use super::words::Words as _;
use super::{Context, Exit, eprintln, when, yaml};
use crate::engine::call::{Call, CallId, Request, Status};
use crate::engine::log::{Line, Outcome};
use crate::engine::state::{Entry, Key, prefix};
use crate::store::{Filter, Read};

/// Entries of one read.
const PAGE: usize = 1_000;

/// Options of `calls`.
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
    /// What has not gone out yet, dead letters among it
    List(List),
    /// One call with all that it will send
    Show(Show),
    /// Try dead or waiting calls again, now
    Retry(Ids),
    /// Give calls up
    Discard(Ids),
    /// Change what a dead or waiting call will send, then try it again
    Edit(edit::Args),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only dead letters: out of attempts, or refused for good
    #[arg(long)]
    dead: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The call: c12-1
    #[arg(value_parser = call_id)]
    id: CallId,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Ids {
    /// The calls: c12-1 …
    #[arg(required = true, value_parser = call_id)]
    ids: Vec<CallId>,
    /// The log lines as JSON
    #[arg(long)]
    json: bool,
}

fn call_id(text: &str) -> Result<CallId, String> {
    text.parse().map_err(|()| "a call's id looks like c1042-2".into())
}

pub(crate) fn run(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let place = context.place()?;
    match &args.what {
        None => list(&place, &args.list, out),
        Some(What::List(args)) => list(&place, args, out),
        Some(What::Show(args)) => show(&place, args, out),
        Some(What::Retry(args)) => ask(&place, &args.ids, &Ask::Retry, args.json, out),
        Some(What::Discard(args)) => ask(&place, &args.ids, &Ask::Discard, args.json, out),
        Some(What::Edit(args)) => edit::run(&place, args, out),
    }
}

/// Every call in the store that passes, oldest first.
pub(super) fn each(store: &dyn Read, mut with: impl FnMut(&Call) -> anyhow::Result<()>) -> anyhow::Result<()> {
    super::page::each(store, prefix::CALL, PAGE, |_, entry| if let Entry::Call(call) = entry { with(call) } else { Ok(()) })
}

fn list(place: &Place, args: &List, out: &mut Out) -> anyhow::Result<Exit> {
    let reader = place.reader()?;
    let lang = place.lang();
    let head = lang.pick(
        ["CALL", "STATUS", "ACTION", "CONNECTION", "RECORD", "TRIES", "DUE", "TO", "LAST ERROR"],
        ["调用", "状态", "动作", "连接", "记录", "次数", "时间", "发给", "上次错误"],
    );
    let mut table = Table::new(head);
    let (mut count, mut dead) = (0, 0);
    each(&reader, |call| {
        if args.dead && call.status != Status::Dead {
            return Ok(());
        }
        count += 1;
        dead += usize::from(call.status == Status::Dead);
        if args.json {
            return out.json(&yaml::plain(serde_json::to_value(call)?));
        }
        table.row(row(place, call));
        Ok(())
    })?;
    if args.json {
        return Ok(Exit::Done);
    }
    if count == 0 {
        let none = if args.dead {
            lang.pick("no dead letters", "没有死信")
        } else {
            lang.pick("nothing is waiting", "没有待发送的调用")
        };
        out.line(none)?;
        return Ok(Exit::Done);
    }
    table.print(out)?;
    if dead > 0 && out.style.terminal {
        out.line(lang.pick(
            "\n`ifthen calls show ID` tells all of one; then retry, edit or discard it",
            "\n用 `ifthen calls show 调用` 查看详情,再用 retry 重试、edit 修改或 discard 丢弃",
        ))?;
    }
    Ok(Exit::Done)
}

fn row(place: &Place, call: &Call) -> [(String, Look); 9] {
    let (status, look) = status(place, call.status);
    [
        (call.id.to_string(), Look::Bold),
        (status, look),
        (call.request.action().to_owned(), Look::Plain),
        (call.connection.clone(), Look::Plain),
        (call.record.as_ref().map(ToString::to_string).unwrap_or_default(), Look::Plain),
        (call.attempt.to_string(), Look::Plain),
        (if call.status == Status::Dead { "–".into() } else { when::short(call.due, &place.speech.zone) }, Look::Plain),
        (clip(&target(&call.request), 40), Look::Plain),
        (clip(&place.lang().said(call.error.as_deref().unwrap_or_default()), 60), Look::Red),
    ]
}

fn status(place: &Place, status: Status) -> (String, Look) {
    let lang = place.lang();
    match status {
        Status::Queued => (lang.pick("queued", "待发送").into(), Look::Cyan),
        Status::Started => (lang.pick("on its way", "发送中").into(), Look::Yellow),
        Status::Dead => (lang.pick("dead", "死信").into(), Look::Red),
        Status::Merged(into) => (lang.pick(format!("within {into}"), format!("并入 {into}")), Look::Dim),
    }
}

/// To whom, in a few words.
fn target(request: &Request) -> String {
    match request {
        Request::Email(mail) => mail.to.clone(),
        // Whatever follows `?` may be a credential.
        Request::Http(http) => format!("{} {}", http.method, http.url.split('?').next().unwrap_or_default()),
        Request::Dingtalk(message) | Request::Wecom(message) => message.text.clone(),
    }
}

/// One call, or a kind word that there is none.
fn load(place: &Place, id: CallId) -> anyhow::Result<Option<Call>> {
    let entry = place.reader()?.load(&Key::Call(id))?;
    match entry.as_deref() {
        Some(Entry::Call(call)) => Ok(Some(call.clone())),
        _ => {
            eprintln(&place.lang().pick(
                format!("ifthen: there is no call {id}: what is done or discarded is no longer listed, `ifthen tail --event e{}` tells of it", id.seq),
                format!("ifthen: 没有调用 {id}:已完成或已丢弃的不再列出,可用 `ifthen tail --event e{}` 查看", id.seq),
            ));
            Ok(None)
        }
    }
}

fn show(place: &Place, args: &Show, out: &mut Out) -> anyhow::Result<Exit> {
    let Some(call) = load(place, args.id)? else { return Ok(Exit::Failed) };
    if args.json {
        out.json(&serde_json::to_value(&call)?)?;
        return Ok(Exit::Done);
    }
    let lang = place.lang();
    let zone = &place.speech.zone;
    let (status, look) = status(place, call.status);
    let mut table = Table::new(["", ""]);
    let mut add = |name: &str, value: String, look: Look| {
        if !value.is_empty() {
            table.row([(name.to_owned(), Look::Dim), (value, look)]);
        }
    };
    add(lang.pick("call", "调用"), call.id.to_string(), Look::Bold);
    add(lang.pick("status", "状态"), status, look);
    add(lang.pick("by", "来自"), call.by.clone(), Look::Cyan);
    add(lang.pick("record", "记录"), call.record.as_ref().map(ToString::to_string).unwrap_or_default(), Look::Plain);
    add(lang.pick("connection", "连接"), call.connection.clone(), Look::Plain);
    add(lang.pick("attempts", "次数"), format!("{} / {}", call.attempt, call.retry.len() + 1), Look::Plain);
    if call.status != Status::Dead {
        add(lang.pick("due", "时间"), when::full(call.due, zone), Look::Plain);
    }
    add(lang.pick("last error", "上次错误"), lang.said(call.error.as_deref().unwrap_or_default()).into_owned(), Look::Red);
    add(lang.pick("carries", "并入"), call.carries.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "), Look::Plain);
    table.print(out)?;
    out.line("")?;
    for line in edit::text(&call.request)?.lines() {
        out.line(super::output::clean(line))?;
    }
    Ok(Exit::Done)
}

/// Asks the daemon about each, and shows what it said to it.
fn ask(place: &Place, ids: &[CallId], ask: &Ask<'_>, json: bool, out: &mut Out) -> anyhow::Result<Exit> {
    let control = Control::find(place)?;
    let reader = place.reader()?;
    let mut printer = Printer { view: View::new(place.speech.clone(), out.style), json };
    let mut exit = Exit::Done;
    for id in ids {
        let event = control.ask(*id, ask)?;
        let lines = reader.log(&Filter { event: Some(event), ..Filter::default() }, 0, PAGE)?;
        // A run that stops because its call was given up is not a failure of what was asked for.
        let about = |line: &Line| line.detail.at(&["call"]).is_some_and(|c| c.to_string() == id.to_string());
        if lines.iter().any(|l| l.outcome == Outcome::Failed && about(l)) {
            exit = Exit::Failed;
        }
        printer.print(&lines, out)?;
    }
    Ok(exit)
}
