//! `ifthen why`: why an event made each rule do what it did, and what the log says really happened.

use super::line::View;
use super::output::{Look, Out, clean, clip};
use super::place::Place;
use super::records::record_ref;
use super::table::Table;
use super::tail::Printer;
use super::words::{Lang, Words as _};
use super::{Context, Exit, eprintln, events, heard, verdict, when};
use crate::check::history::{By, History, Unknown};
use crate::check::why::{Judged, Why};
use crate::config::Lost;
use crate::engine::definition::Definitions;
use crate::engine::event::{self, RecordRef};
use crate::engine::explain::Kind;
use crate::engine::expression::nearest;

/// Events of a record shown unless said.
const OF_RECORD: usize = 5;
/// Events of a rule shown unless said.
const OF_RULE: usize = 20;

/// Options of `why`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An event (e42, or 42), or a record (lead/L20) for its last events
    #[arg(value_name = "EVENT|RECORD", value_parser = subject, required_unless_present = "rule")]
    what: Option<Subject>,
    /// Only this rule or flow, also where the event did not wake it; without an event: over all that may concern it
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Only events received since then: 2h, 30m, 09:00, 2026-11-21T09:00
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// By the definitions in force now, not by those that decided it
    #[arg(long)]
    now: bool,
    /// How many events [default: 5 of a record, 20 of a rule; all with --since]
    #[arg(short = 'n', long, value_name = "EVENTS")]
    count: Option<usize>,
    /// One JSON object for each event
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone)]
enum Subject {
    Event(u64),
    Record(RecordRef),
}

fn subject(text: &str) -> Result<Subject, String> {
    match event::seq(text) {
        Some(seq) => Ok(Subject::Event(seq)),
        None => record_ref(text).map(Subject::Record).map_err(|_| "an event is e42, a record is lead/L20".into()),
    }
}

pub(crate) fn run(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let (place, in_force) = context.place_and_definitions()?;
    let lang = place.lang();
    if args.now && in_force.is_none() {
        anyhow::bail!(
            lang.pick(
                "what would be in force does not compile, so --now has nothing to show",
                "现有定义编译不通过,无法使用 --now"
            )
        );
    }
    let asked = args.rule.as_deref();
    let reader = place.reader()?;
    let history = History::new(&reader, in_force.as_ref(), if args.now { By::Now } else { By::Then });
    let found = match &args.what {
        Some(Subject::Event(seq)) => match history.why(*seq, asked)? {
            Some(why) => vec![why],
            None => {
                let id = event::id(*seq);
                eprintln(&lang.pick(format!("ifthen: there is no event {id}"), format!("ifthen: 没有事件 {id}")));
                return Ok(Exit::Failed);
            }
        },
        other => several(&history, &place, args, if let Some(Subject::Record(record)) = other { Some(record) } else { None })?,
    };
    // Of one event a rule may be told that is not in force any more; one that nothing tells of is a slip.
    let told = |why: &Why| !why.verdicts.is_empty() || !why.heard.is_empty() || !why.log.is_empty();
    if let Some(id) = asked.filter(|_| !found.iter().any(told))
        && !history.knows(id)?
    {
        eprintln(&unknown(in_force.as_ref(), id, &place));
        return Ok(Exit::Failed);
    }
    if args.json {
        for why in &found {
            out.json(&why.to_json())?;
        }
        return Ok(Exit::Done);
    }
    let shown = Shown { place: &place, asked };
    if found.is_empty() {
        out.line(lang.pick("no events", "没有事件"))?;
    } else if args.what.is_none() {
        shown.rule(&found, out)?;
    } else {
        for (n, why) in found.iter().enumerate() {
            if n > 0 {
                out.line("")?;
            }
            shown.event(why, out)?;
        }
    }
    Ok(Exit::Done)
}

/// The last events of a record, or those that may concern a rule.
fn several(history: &History<'_>, place: &Place, args: &Args, record: Option<&RecordRef>) -> anyhow::Result<Vec<Why>> {
    let since = args.since.as_ref().map(|t| when::since(t, jiff::Timestamp::now(), &place.speech)).transpose()?;
    let some = if record.is_some() { OF_RECORD } else { OF_RULE };
    let range = (args.count.unwrap_or(if since.is_some() { usize::MAX } else { some }), since);
    Ok(match (record, &args.rule) {
        (Some(record), rule) => history.recent(rule.as_deref(), range, |event| event.record.as_ref() == Some(record))?,
        // A slip would be looked for among all events.
        (None, Some(rule)) if !history.knows(rule)? => Vec::new(),
        (None, Some(rule)) => history.of_rule(rule, range)?,
        (None, None) => Vec::new(),
    })
}

fn unknown(in_force: Option<&Definitions>, id: &str, place: &Place) -> String {
    let ids = in_force.into_iter().flat_map(|d| d.rules.iter().map(|r| &r.id).chain(d.flows.keys()).map(String::as_str));
    let lang = place.lang();
    let hint = nearest(id, ids).map(|other| lang.pick(format!("; did you mean {other}?"), format!(";是不是 {other}?")));
    let hint = hint.unwrap_or_default();
    let id = clean(id);
    lang.pick(format!("ifthen: there is no rule or flow {id}{hint}"), format!("ifthen: 没有规则或流程 {id}{hint}"))
}

/// Why definitions of then are unknown.
fn reason(unknown: Unknown, lang: Lang) -> &'static str {
    match unknown {
        Unknown::Payload => lang.pick("what it brought was let go by retention", "事件内容已按保留期限清除"),
        Unknown::State => lang.pick("the state of then was let go by retention", "当时的状态已按保留期限清除"),
        Unknown::NotKept => lang.pick("its definitions are not kept any more", "当时的定义已不再保留"),
        Unknown::Lost(Lost::Unreadable) => lang.pick("what was kept of its definitions cannot be read", "保留的定义无法读取"),
        Unknown::Lost(Lost::DoesNotCompile) => {
            lang.pick("this version does not compile its definitions", "当前版本无法编译当时的定义")
        }
        Unknown::Lost(Lost::Environment) => lang.pick(
            "its definitions depend on ${env:…} or ${file:…}, which are others here",
            "它们依赖 ${env:…} 或 ${file:…},此处的值不同",
        ),
    }
}

fn decided_by(hash: &str, lang: Lang) -> String {
    lang.pick(format!(" (decided by {hash})"), format!("(当时由 {hash} 决定)"))
}

/// How it is shown.
struct Shown<'a> {
    place: &'a Place,
    asked: Option<&'a str>,
}

impl Shown<'_> {
    /// One event: who it is, a line for each rule, what the log says.
    fn event(&self, why: &Why, out: &mut Out) -> anyhow::Result<()> {
        let (lang, style) = (self.place.lang(), out.style);
        self.head(why, out)?;
        let mut table = Table::new(["", "", ""]);
        for Judged { explained, .. } in &why.verdicts {
            let (word, look) = verdict::word(&explained.verdict, lang);
            let reason = verdict::reason(explained, &why.event, &self.place.speech);
            table.row([(word.to_owned(), look), (self.name(explained.kind, &explained.id), Look::Bold), (reason, Look::Plain)]);
        }
        for heard in &why.heard {
            let (word, look) = heard::word(heard, lang);
            let reason = heard::reason(heard, &why.event, &self.place.speech);
            table.row([(word.to_owned(), look), (heard::name(heard, lang), Look::Bold), (reason, Look::Plain)]);
        }
        table.print(out)?;
        if let Some(nothing) = self.nothing(why).filter(|_| why.verdicts.is_empty() && why.heard.is_empty()) {
            out.line(nothing)?;
        }
        // Of one rule that was asked for, and of runs, everything; of several rules the first reason is enough.
        let condition = why.verdicts.first().filter(|_| self.asked.is_some()).and_then(|j| j.explained.condition.as_ref());
        let waited = why.heard.iter().filter_map(|h| h.condition.as_ref());
        let lets = why.verdicts.first().filter(|_| self.asked.is_some()).map(|j| j.explained.lets.as_slice());
        let lets = verdict::lets(lets.unwrap_or_default(), &why.event, &self.place.speech);
        let clauses = condition.into_iter().chain(waited).flat_map(|c| verdict::clauses(c, &why.event, &self.place.speech));
        for (line, look) in lets.into_iter().chain(clauses) {
            out.line(format!("  {}", style.paint(look, &line)))?;
        }
        self.disagreements(why, out)?;
        if why.log.is_empty() {
            let nothing = lang.pick("the log says nothing of it", "日志中没有相关内容");
            return Ok(out.line(style.paint(Look::Dim, nothing))?);
        }
        out.line(style.paint(Look::Dim, lang.pick("the log says", "日志")))?;
        Printer { view: View::new(self.place.speech.clone(), style), json: false }.print(&why.log, out)
    }

    fn head(&self, why: &Why, out: &mut Out) -> anyhow::Result<()> {
        let (lang, style) = (self.place.lang(), out.style);
        let event = &why.event;
        let record = event.record.as_ref().map(|r| format!("  {}", clean(&r.to_string()))).unwrap_or_default();
        let from = match (&event.cause, event.replay_of()) {
            (_, Some(of)) => format!("← {}{}", clean(&event.origin), events::replay_of(of, lang)),
            (Some(cause), None) => format!("← {} {}", event::id(cause.seq), clean(&cause.by)),
            (None, None) => format!("← {}", clean(&event.origin)),
        };
        let at = when::full(event.at, &self.place.speech.zone);
        out.line(format!(
            "{}  {}{record}  {at}  {}",
            style.paint(Look::Bold, &event.id()),
            style.paint(Look::Cyan, &clean(&event.name)),
            style.paint(Look::Dim, &from)
        ))?;
        if let Some(note) = self.definitions(why) {
            out.line(style.paint(Look::Yellow, &note))?;
        }
        if let Some(why) = &why.rolled_back {
            let parts: Vec<_> = why.splitn(2, ": ").map(|part| lang.said(part)).collect();
            let why = clip(&parts.join(": "), 160);
            let note = lang.pick(format!("rolled back, nothing of it was done: {why}"), format!("已回滚,以下均未执行:{why}"));
            out.line(style.paint(Look::Red, &note))?;
        }
        Ok(())
    }

    /// Why there is nothing to tell of any rule; where the definitions are unknown, the head has said it.
    fn nothing(&self, why: &Why) -> Option<String> {
        let lang = self.place.lang();
        let (name, shown) = (clean(&why.event.name), why.shown.as_ref()?);
        Some(match self.asked {
            Some(asked) => {
                let asked = clean(asked);
                lang.pick(format!("there is no {asked} in definitions {shown}"), format!("定义 {shown} 中没有 {asked}"))
            }
            None if why.event.body.is_own() => lang.pick(
                format!("{name} is one of ifthen's own events: they wake no rule"),
                format!("{name} 是系统内部事件,不唤醒规则"),
            ),
            None => lang.pick(format!("no rule or flow waits for {name}"), format!("没有规则或流程等待 {name}")),
        })
    }

    /// By which definitions it is shown, where those that decided it are not in force now.
    fn definitions(&self, why: &Why) -> Option<String> {
        let lang = self.place.lang();
        let decided = &why.decided;
        if why.in_force.as_ref() == Some(decided) {
            return None;
        }
        let until = why.until.map(|until| when::full(until, &self.place.speech.zone));
        let then = match until {
            Some(until) => lang.pick(
                format!("decided by definitions {decided}, in force until {until}"),
                format!("当时由定义 {decided} 决定(生效至 {until})"),
            ),
            None => lang.pick(
                format!("decided by definitions {decided}, not those in the folder now"),
                format!("当时由定义 {decided} 决定,与目录中现有的定义不同"),
            ),
        };
        Some(match (&why.shown, why.unknown) {
            (Some(shown), _) if shown != decided => lang.pick(
                format!("{then}; shown by {shown}: what these would do now; the log says what was done"),
                format!("{then},以下按现在的定义 {shown} 解释;实际发生的以日志为准"),
            ),
            (_, Some(unknown)) => {
                let reason = reason(unknown, lang);
                lang.pick(
                    format!(
                        "{then}; {reason}: what each rule said is unknown; the log says what was done, --now shows those in force"
                    ),
                    format!("{then};{reason},各规则当时的判断未知;实际发生的以日志为准,可用 --now 按现在的定义查看"),
                )
            }
            _ => then,
        })
    }

    fn disagreements(&self, why: &Why, out: &mut Out) -> anyhow::Result<()> {
        for Judged { explained, .. } in why.verdicts.iter().filter(|j| j.agrees == Some(false)) {
            let id = clean(&explained.id);
            let note = self.place.lang().pick(
                format!("{id}: the log says otherwise under the same definitions; that is a mistake in ifthen, please report it"),
                format!("{id}:定义相同,日志却不一致;这是 ifthen 的错误,请反馈"),
            );
            out.line(out.style.paint(Look::Red, &note))?;
        }
        Ok(())
    }

    /// One rule over many events, a line each.
    fn rule(&self, found: &[Why], out: &mut Out) -> anyhow::Result<()> {
        let lang = self.place.lang();
        let mut table = Table::new(
            lang.pick(["HAPPENED", "EVENT", "NAME", "RECORD", "", "WHY"], ["发生", "事件", "名称", "记录", "", "原因"]),
        );
        for why in found {
            let record = why.event.record.as_ref().map(ToString::to_string).unwrap_or_default();
            if let Some(unknown) = why.unknown {
                table.row([
                    (when::short(why.event.at, &self.place.speech.zone), Look::Dim),
                    (why.event.id(), Look::Bold),
                    (clip(&why.event.name, 40), Look::Cyan),
                    (clip(&record, 32), Look::Plain),
                    (lang.pick("unknown", "未知").to_owned(), Look::Dim),
                    (format!("{}{}", self::reason(unknown, lang), decided_by(&why.decided, lang)), Look::Plain),
                ]);
            }
            for heard in &why.heard {
                let (word, look) = heard::word(heard, lang);
                let reason = heard::reason(heard, &why.event, &self.place.speech);
                table.row([
                    (when::short(why.event.at, &self.place.speech.zone), Look::Dim),
                    (why.event.id(), Look::Bold),
                    (clip(&why.event.name, 40), Look::Cyan),
                    (clip(&record, 32), Look::Plain),
                    (word.to_owned(), look),
                    (format!("{}  {reason}", heard::name(heard, lang)), Look::Plain),
                ]);
            }
            for Judged { explained, agrees } in &why.verdicts {
                let (word, look) = verdict::word(&explained.verdict, lang);
                let mut reason = verdict::reason(explained, &why.event, &self.place.speech);
                if why.in_force.as_ref() != Some(&why.decided) {
                    reason.push_str(&decided_by(&why.decided, lang));
                }
                if *agrees == Some(false) {
                    reason.push_str(lang.pick(" (the log says otherwise)", "(日志不一致)"));
                }
                table.row([
                    (when::short(why.event.at, &self.place.speech.zone), Look::Dim),
                    (why.event.id(), Look::Bold),
                    (clip(&why.event.name, 40), Look::Cyan),
                    (clip(&record, 32), Look::Plain),
                    (word.to_owned(), look),
                    (reason, Look::Plain),
                ]);
            }
        }
        Ok(table.print(out)?)
    }

    fn name(&self, kind: Kind, id: &str) -> String {
        match kind {
            Kind::Rule => clip(id, 40),
            Kind::Flow => format!("{} {}", self.place.lang().pick("flow", "流程"), clip(id, 40)),
        }
    }
}
