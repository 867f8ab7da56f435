//! `ifthen tasks`: what people are asked to decide or to answer, and deciding it for them or for oneself.
//!
//! Lists are read from the store; what changes something is asked of the running daemon, in the name of the person that is given, by
//! the way `cli`, from the operating system's user.

mod act;

use clap::Subcommand;

use super::output::{Look, Out, clip};
use super::place::Place;
use super::table::Table;
use super::words::Words as _;
use super::{Context, Exit, eprintln, stranger, when};
use crate::engine::approval::{Seated, Task, TaskId};
use crate::engine::state::{Entry, Key, prefix};
use crate::store::Read;

/// Entries of one read.
const PAGE: usize = 500;

/// Options of `tasks`.
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
    /// What people are asked, oldest first
    List(List),
    /// One task: who is asked, who decided what
    Show(Show),
    #[command(flatten)]
    Act(act::What),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only what is this person's to decide; with --all also what they were asked
    #[arg(long)]
    person: Option<String>,
    /// Those that have ended, too
    #[arg(long)]
    all: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The task: t1042-1
    #[arg(value_parser = task_id)]
    id: TaskId,
    /// As JSON
    #[arg(long)]
    json: bool,
}

fn task_id(text: &str) -> Result<TaskId, String> {
    text.parse().map_err(|()| "a task's id looks like t1042-1".into())
}

pub(crate) fn run(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let place = context.place()?;
    match &args.what {
        None => list(context, &args.list, out),
        Some(What::List(args)) => list(context, args, out),
        Some(What::Show(args)) => show(&place, args, out),
        Some(What::Act(what)) => match unknown(context, what.person())? {
            Some(exit) => Ok(exit),
            None => act::run(&place, what, out),
        },
    }
}

/// Every task in the store, oldest first.
fn each(store: &dyn Read, mut with: impl FnMut(&Task) -> anyhow::Result<()>) -> anyhow::Result<()> {
    super::page::each(store, prefix::TASK, PAGE, |_, entry| if let Entry::Task(task) = entry { with(task) } else { Ok(()) })
}

/// Says that there is no such person, where what is in the folder compiles and has them not.
fn unknown(context: &Context, person: &str) -> anyhow::Result<Option<Exit>> {
    let (place, definitions) = context.place_and_definitions()?;
    match definitions.filter(|d| !d.people.contains_key(person)) {
        Some(d) => stranger::tell(&place, ("person", "人员"), person, d.people.keys().map(String::as_str)).map(Some),
        None => Ok(None),
    }
}

fn list(context: &Context, args: &List, out: &mut Out) -> anyhow::Result<Exit> {
    let place = &context.place()?;
    let reader = place.reader()?;
    let lang = place.lang();
    let head = lang.pick(
        ["TASK", "STATUS", "FLOW", "STEP", "RECORD", "DUE", "ASKED", "SUBJECT"],
        ["任务", "状态", "流程", "步骤", "记录", "时限", "处理人", "事项"],
    );
    let (mut table, mut count) = (Table::new(head), 0);
    each(&reader, |task| {
        let wanted = args.person.as_ref().is_none_or(|person| task.concerns(person));
        if !wanted || (task.ended.is_some() && !args.all) {
            return Ok(());
        }
        count += 1;
        if args.json {
            return out.json(&task.to_json());
        }
        table.row(row(place, task));
        Ok(())
    })?;
    if let (0, Some(person)) = (count, &args.person)
        && let Some(exit) = unknown(context, person)?
    {
        return Ok(exit);
    }
    if args.json {
        return Ok(Exit::Done);
    }
    if count == 0 {
        out.line(lang.pick("nobody is asked anything", "没有待处理的任务"))?;
        return Ok(Exit::Done);
    }
    table.print(out)?;
    if out.style.terminal {
        out.line(lang.pick(
            "\n`ifthen tasks show TASK` tells all of one; then approve or reject it with --as PERSON",
            "\n用 `ifthen tasks show 任务` 查看详情,再用 approve 同意或 reject 驳回,并用 --as 说明是谁",
        ))?;
    }
    Ok(Exit::Done)
}

fn row(place: &Place, task: &Task) -> [(String, Look); 8] {
    let open = task.seats.iter().filter(|s| s.state == Seated::Open).map(|s| s.person.as_str());
    let (status, look) = status(place, task);
    [
        (task.id.to_string(), Look::Bold),
        (status, look),
        (clip(&task.flow, 32), Look::Cyan),
        (clip(&task.step, 24), Look::Plain),
        (task.record.as_ref().map(ToString::to_string).unwrap_or_default(), Look::Plain),
        (
            task.due.filter(|_| task.ended.is_none()).map(|due| when::short(due, &place.speech.zone)).unwrap_or_default(),
            Look::Dim,
        ),
        (clip(&open.collect::<Vec<_>>().join(place.lang().pick(", ", "、")), 40), Look::Plain),
        (clip(&task.subject, 60), Look::Plain),
    ]
}

fn status(place: &Place, task: &Task) -> (String, Look) {
    let lang = place.lang();
    match task.status() {
        "approved" => (lang.pick("approved", "已通过").into(), Look::Green),
        "rejected" => (lang.pick("rejected", "已驳回").into(), Look::Red),
        "cancelled" => (lang.pick("cancelled", "已取消").into(), Look::Dim),
        _ => (lang.pick("open", "待处理").into(), Look::Yellow),
    }
}

fn show(place: &Place, args: &Show, out: &mut Out) -> anyhow::Result<Exit> {
    let (lang, id) = (place.lang(), args.id);
    let entry = place.reader()?.load(&Key::Task(id))?;
    let Some(Entry::Task(task)) = entry.as_deref() else {
        eprintln(&lang.pick(
            format!("ifthen: there is no task {id}, or it is no longer kept: `ifthen tail` tells who decided it"),
            format!("ifthen: 没有任务 {id},或已过保留期:可用 `ifthen tail` 查看处理记录"),
        ));
        return Ok(Exit::Failed);
    };
    if args.json {
        out.json(&task.to_json())?;
        return Ok(Exit::Done);
    }
    let zone = &place.speech.zone;
    let (status, look) = status(place, task);
    let mut table = Table::new(["", ""]);
    let mut add = |name: &str, value: String, look: Look| {
        if !value.is_empty() {
            table.row([(name.to_owned(), Look::Dim), (value, look)]);
        }
    };
    add(lang.pick("task", "任务"), task.id.to_string(), Look::Bold);
    add(lang.pick("status", "状态"), status, look);
    add(lang.pick("subject", "事项"), task.subject.clone(), Look::Plain);
    add(lang.pick("flow", "流程"), format!("{}/{} ({})", task.flow, task.step, task.run), Look::Cyan);
    add(lang.pick("record", "记录"), task.record.as_ref().map(ToString::to_string).unwrap_or_default(), Look::Plain);
    add(lang.pick("asked by", "发起人"), task.initiator.clone().unwrap_or_default(), Look::Plain);
    add(lang.pick("round", "轮次"), task.round.to_string(), Look::Plain);
    add(lang.pick("form", "表单"), task.form.clone().unwrap_or_default(), Look::Plain);
    add(lang.pick("since", "发出"), when::full(task.opened, zone), Look::Plain);
    add(lang.pick("due", "时限"), task.due.map(|due| when::full(due, zone)).unwrap_or_default(), Look::Plain);
    add(lang.pick("text", "说明"), task.text.clone(), Look::Plain);
    for (name, link) in &task.links {
        add(lang.pick("document", "文件"), format!("{name} {link}"), Look::Plain);
    }
    table.print(out)?;
    out.line("")?;
    seats(place, task, out)
}

fn seats(place: &Place, task: &Task, out: &mut Out) -> anyhow::Result<Exit> {
    let lang = place.lang();
    let head = lang.pick(["PERSON", "STATE", "FOR", "SINCE", "WAY", "COMMENT"], ["人员", "状态", "来自", "时间", "方式", "意见"]);
    let mut table = Table::new(head);
    for seat in &task.seats {
        let (state, look) = match seat.state {
            Seated::Waiting => (lang.pick("waits", "等待中"), Look::Dim),
            Seated::Open => (lang.pick("asked", "待处理"), Look::Yellow),
            Seated::Approved if task.form.is_some() => (lang.pick("answered", "已填写"), Look::Green),
            Seated::Approved => (lang.pick("approved", "同意"), Look::Green),
            Seated::Rejected => (lang.pick("rejected", "驳回"), Look::Red),
            Seated::Handed => (lang.pick("handed over", "已转出"), Look::Dim),
            Seated::Void => (lang.pick("not needed", "无需处理"), Look::Dim),
            Seated::Removed => (lang.pick("removed", "已移出"), Look::Dim),
        };
        let of = seat.of.and_then(|of| task.seats.get(of as usize)).map(|s| s.person.clone()).unwrap_or_default();
        let decision = seat.decision.as_ref();
        let at = decision.map_or(seat.since, |d| d.at);
        let way = decision.map(|d| format!("{} {}", d.way, d.address).trim().to_owned()).unwrap_or_default();
        table.row([
            (seat.person.clone(), Look::Bold),
            (state.to_owned(), look),
            (of, Look::Plain),
            (when::short(at, &place.speech.zone), Look::Dim),
            (way, Look::Dim),
            (decision.map(|d| clip(&d.comment, 80)).unwrap_or_default(), Look::Plain),
        ]);
    }
    table.print(out)?;
    Ok(Exit::Done)
}
