//! `ifthen why`: why an event made each rule do what it did, and what the log says really happened.

use super::line::View;
use super::output::{Look, Out, clean, clip};
use super::place::Place;
use super::records::record_ref;
use super::table::Table;
use super::tail::Printer;
use super::words::Words as _;
use super::{Context, Exit, eprintln, verdict, when};
use crate::check::why::{self, Judged, Why};
use crate::engine::definition::Definitions;
use crate::engine::event::{self, RecordRef};
use crate::engine::explain::Kind;
use crate::engine::expression::nearest;
use crate::store::Read;

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
    let (place, definitions) = context.place_and_definitions()?;
    let lang = place.lang();
    let asked = args.rule.as_deref();
    if let Some(id) = asked.filter(|id| why::concerned(&definitions, id).is_none()) {
        eprintln(&unknown(&definitions, id, &place));
        return Ok(Exit::Failed);
    }
    let reader = place.reader()?;
    let found = match &args.what {
        Some(Subject::Event(seq)) => match why::why(&reader, &definitions, *seq, asked)? {
            Some(why) => vec![why],
            None => {
                let id = event::id(*seq);
                eprintln(&lang.pick(format!("ifthen: there is no event {id}"), format!("ifthen: 没有事件 {id}")));
                return Ok(Exit::Failed);
            }
        },
        other => {
            let record = if let Some(Subject::Record(record)) = other { Some(record) } else { None };
            several(&reader, &definitions, &place, args, record)?
        }
    };
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
fn several(
    store: &dyn Read,
    definitions: &Definitions,
    place: &Place,
    args: &Args,
    record: Option<&RecordRef>,
) -> anyhow::Result<Vec<Why>> {
    let since = args.since.as_ref().map(|t| when::since(t, jiff::Timestamp::now(), &place.speech.zone)).transpose()?;
    let some = if record.is_some() { OF_RECORD } else { OF_RULE };
    let count = args.count.unwrap_or(if since.is_some() { usize::MAX } else { some });
    let asked = args.rule.as_deref();
    let concerns = asked.and_then(|id| why::concerned(definitions, id));
    let passes = |event: &event::Event| {
        let own = record.is_none_or(|record| event.record.as_ref() == Some(record));
        own && (record.is_some() || concerns.as_ref().is_none_or(|concerns| concerns(event)))
    };
    Ok(why::recent(store, definitions, asked, (count, since), passes)?)
}

fn unknown(definitions: &Definitions, id: &str, place: &Place) -> String {
    let ids = definitions.rules.iter().map(|r| r.id.as_str()).chain(definitions.flows.keys().map(String::as_str));
    let lang = place.lang();
    let hint = nearest(id, ids).map(|other| lang.pick(format!("; did you mean {other}?"), format!(";是不是 {other}?")));
    let hint = hint.unwrap_or_default();
    let id = clean(id);
    lang.pick(format!("ifthen: there is no rule or flow {id}{hint}"), format!("ifthen: 没有规则或流程 {id}{hint}"))
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
        table.print(out)?;
        if why.verdicts.is_empty() {
            let name = clean(&why.event.name);
            out.line(match why.event.body.is_own() {
                true => lang.pick(
                    format!("{name} is one of ifthen's own events: they wake no rule"),
                    format!("{name} 是系统内部事件,不唤醒规则"),
                ),
                false => lang.pick(format!("no rule or flow waits for {name}"), format!("没有规则或流程等待 {name}")),
            })?;
        }
        // Of one rule that was asked for, everything; of several the first reason is enough.
        let condition = why.verdicts.first().filter(|_| self.asked.is_some()).and_then(|j| j.explained.condition.as_ref());
        let lets = why.verdicts.first().filter(|_| self.asked.is_some()).map(|j| j.explained.lets.as_slice());
        let lets = verdict::lets(lets.unwrap_or_default(), &why.event, &self.place.speech);
        let clauses = condition.map(|c| verdict::clauses(c, &why.event, &self.place.speech)).unwrap_or_default();
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
        let from = match &event.cause {
            Some(cause) => format!("← {} {}", event::id(cause.seq), clean(&cause.by)),
            None => format!("← {}", clean(&event.origin)),
        };
        let at = when::full(event.at, &self.place.speech.zone);
        out.line(format!(
            "{}  {}{record}  {at}  {}",
            style.paint(Look::Bold, &event.id()),
            style.paint(Look::Cyan, &clean(&event.name)),
            style.paint(Look::Dim, &from)
        ))?;
        if !why.is_same() {
            let (decided, shown) = (&why.decided, &why.shown);
            let note = lang.pick(
                format!(
                    "decided by definitions {decided}, shown by {shown}: what these would do now; the log says what was done"
                ),
                format!("当时由定义 {decided} 决定,以下按现在的定义 {shown} 解释;实际发生的以日志为准"),
            );
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
            for Judged { explained, agrees } in &why.verdicts {
                let (word, look) = verdict::word(&explained.verdict, lang);
                let mut reason = verdict::reason(explained, &why.event, &self.place.speech);
                if !why.is_same() {
                    reason
                        .push_str(&lang.pick(format!(" (decided by {})", why.decided), format!("(当时由 {} 决定)", why.decided)));
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
