//! A test that failed, for people: where, what was expected against what is, and the log of that step.

use super::super::line::View;
use super::super::output::{Look, Out, clean, clip};
use super::super::phrase::Speech;
use super::super::words::{Lang, Words as _};
use super::super::{heard, verdict, when};
use super::Result;
use crate::check::test::{Failure, Found, Woken};
use crate::engine::value::Value;

/// Cells of a value in a difference.
const VALUE: usize = 200;
/// Lines of the log that are shown; the first of them are left out.
const LINES: usize = 40;

/// One line, then the differences, then the log, then why.
pub(super) fn failed(result: &Result<'_>, why: Option<&[Woken]>, speech: &Speech, out: &mut Out) -> std::io::Result<()> {
    let Some(first) = result.failures.first() else { return Ok(()) };
    let (lang, style) = (speech.lang, out.style);
    let head = style.paint(Look::Red, lang.pick("failed", "失败"));
    let name = style.paint(Look::Bold, &clean(&result.test.name));
    out.line(format!("{head} {}: {name}", first.place))?;
    for failure in &result.failures {
        if failure.place != first.place {
            out.line(format!("  {}", failure.place))?;
        }
        out.line(format!("  {}", sentence(failure, lang)))?;
        for (mark, text) in differences(failure, speech) {
            let look = if mark == '-' { Look::Green } else { Look::Red };
            out.line(format!("    {}", style.paint(look, &format!("{mark} {text}"))))?;
        }
    }
    let at = when::full(first.at, &speech.zone);
    if first.log.is_empty() {
        out.line(lang.pick(format!("  nothing happened in this step, {at}"), format!("  这一步什么都没有发生,{at}")))?;
    } else {
        out.line(lang.pick(format!("  log of this step, {at}:"), format!("  这一步的日志,{at}:")))?;
    }
    let left_out = first.log.len().saturating_sub(LINES);
    if left_out > 0 {
        out.line(format!("    … {left_out}"))?;
    }
    let shown = &first.log[left_out..];
    let mut view = View::new(speech.clone(), style);
    view.fit(shown);
    for line in shown {
        out.line(format!("    {}", view.human(line)))?;
    }
    if let Some(woken) = why {
        self::why(woken, speech, out)?;
    }
    out.line("")
}

/// Why each rule, flow and run that the events of the step concern did what it did, clause by clause.
fn why(woken: &[Woken], speech: &Speech, out: &mut Out) -> std::io::Result<()> {
    let (lang, style) = (speech.lang, out.style);
    if woken.is_empty() {
        return out.line(lang.pick("  no rule or flow waits for what happened", "  没有规则或流程等待发生的事件"));
    }
    for (event, all) in woken {
        let record = event.record.as_ref().map(|r| format!("  {}", clean(&r.to_string()))).unwrap_or_default();
        let (id, name) = (style.paint(Look::Bold, &event.id()), style.paint(Look::Cyan, &clean(&event.name)));
        out.line(format!("  {id}  {name}{record}"))?;
        for explained in &all.woken {
            let (word, look) = verdict::word(&explained.verdict, lang);
            let reason = verdict::reason(explained, event, speech);
            let text = format!("{}  {}  {reason}", style.paint(look, word), style.paint(Look::Bold, &clean(&explained.id)));
            out.line(format!("    {}", text.trim_end()))?;
            let clauses = explained.condition.as_ref().map(|c| verdict::clauses(c, event, speech)).unwrap_or_default();
            for (line, look) in clauses {
                out.line(format!("      {}", style.paint(look, &line)))?;
            }
        }
        for heard in &all.heard {
            let (word, look) = heard::word(heard, lang);
            let (name, reason) = (heard::name(heard, lang), heard::reason(heard, event, speech));
            let text = format!("{}  {}  {reason}", style.paint(look, word), style.paint(Look::Bold, &name));
            out.line(format!("    {}", text.trim_end()))?;
            let clauses = heard.condition.as_ref().map(|c| verdict::clauses(c, event, speech)).unwrap_or_default();
            for (line, look) in clauses {
                out.line(format!("      {}", style.paint(look, &line)))?;
            }
        }
    }
    Ok(())
}

/// What is wrong, in a sentence.
pub(super) fn sentence(failure: &Failure, lang: Lang) -> String {
    let text = match &failure.found {
        Found::Missing { expected, nearest: Some(_) } => {
            lang.pick(format!("expected, and happened otherwise: {expected}"), format!("应当发生,但内容不同:{expected}"))
        }
        Found::Missing { expected, nearest: None } => {
            lang.pick(format!("expected, and did not happen: {expected}"), format!("应当发生而没有发生:{expected}"))
        }
        Found::Times { expected, found } => {
            lang.pick(format!("happened {found} times: {expected}"), format!("发生了 {found} 次:{expected}"))
        }
        Found::Happened { never, .. } => {
            lang.pick(format!("must never happen, and did: {never}"), format!("不应发生却发生了:{never}"))
        }
        Found::Something => lang.pick("nothing was expected, and something happened", "不应有任何动作,却有").to_owned(),
        Found::Field { record, field, .. } => {
            lang.pick(format!("{record} is another: {field}"), format!("{record} 不同:{field}"))
        }
        Found::Absent(record) => lang.pick(format!("there is no {record}"), format!("没有记录 {record}")),
        Found::Present(record) => lang.pick(format!("there is a {record}"), format!("不应有记录 {record}")),
        Found::Refused { code, detail } if code == "quarantined" => {
            lang.pick(format!("not understood and quarantined: {detail}"), format!("无法识别而被隔离:{detail}"))
        }
        Found::Refused { code, detail } => {
            lang.pick(format!("the post was refused ({code}): {detail}"), format!("推送被拒绝({code}):{detail}"))
        }
        Found::Endless => lang.pick("so much follows that it does not end", "后续动作没有尽头").to_owned(),
    };
    clean(&text)
}

/// Expected (`-`) against actual (`+`), a member a line.
pub(super) fn differences(failure: &Failure, speech: &Speech) -> Vec<(char, String)> {
    let lang = speech.lang;
    let shown = |value: &Value| match value {
        Value::Time(t) => when::full(*t, &speech.zone),
        value if value.is_empty() => lang.pick("nothing", "空").to_owned(),
        value => clip(&value.to_string(), VALUE),
    };
    let pair = |name: &str, expected: &Value, found: &Value| {
        [('-', format!("{name}: {}", shown(expected))), ('+', format!("{name}: {}", shown(found)))]
    };
    match &failure.found {
        Found::Missing { nearest: Some(members), .. } => members.iter().flat_map(|(name, a, b)| pair(name, a, b)).collect(),
        Found::Field { field, expected, found, .. } => pair(field, expected, found).into(),
        Found::Times { expected, found } => {
            pair("times", &u64::from(expected.times.unwrap_or(0)).into(), &Value::from(u64::from(*found))).into()
        }
        _ => Vec::new(),
    }
}
