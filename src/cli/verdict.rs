//! Verdicts as short phrases: the word for what came of a rule, and in one line why: `score > 60` was 42.

use super::output::{Look, clip};
use super::phrase::Speech;
use super::when;
use super::words::{Lang, Words as _};
use crate::engine::binding::Told;
use crate::engine::event::{Body, Event};
use crate::engine::explain::{Explained, Verdict};
use crate::engine::expression::{Clause, Held, Joint};
use crate::engine::value::Value;

/// Cells of a value, and of a clause.
const VALUE: usize = 60;
const CLAUSE: usize = 120;

/// The word for a verdict, and its look.
pub(crate) fn word(verdict: &Verdict, lang: Lang) -> (&'static str, Look) {
    match verdict {
        Verdict::Fired => (lang.pick("fired", "触发"), Look::Cyan),
        Verdict::Else => (lang.pick("else", "else 分支"), Look::Cyan),
        Verdict::NotMet { .. } => (lang.pick("not met", "不满足"), Look::Yellow),
        Verdict::Unevaluable(_) => (lang.pick("unevaluable", "无法判断"), Look::Red),
        Verdict::Stopped { .. } => (lang.pick("stopped", "被拦下"), Look::Magenta),
        Verdict::Cooling { .. } => (lang.pick("cooling", "冷却中"), Look::Magenta),
        Verdict::Inactive { .. } => (lang.pick("inactive", "未生效"), Look::Dim),
        Verdict::Silenced { .. } => (lang.pick("silenced", "已静默"), Look::Magenta),
        Verdict::Once { .. } => (lang.pick("once only", "只一次"), Look::Magenta),
        Verdict::Limited { .. } => (lang.pick("limited", "达上限"), Look::Magenta),
        Verdict::Debounced { .. } => (lang.pick("debounced", "防抖中"), Look::Magenta),
        Verdict::Grouped { .. } => (lang.pick("grouped", "待合并"), Look::Magenta),
        Verdict::Imported => (lang.pick("import", "批量导入"), Look::Magenta),
        Verdict::Runs { .. } => (lang.pick("runs", "已在运行"), Look::Magenta),
        Verdict::Disabled => (lang.pick("disabled", "已停用"), Look::Dim),
        Verdict::NotWoken => (lang.pick("not woken", "未唤醒"), Look::Dim),
    }
}

/// Why, in one line.
pub(crate) fn reason(explained: &Explained, event: &Event, speech: &Speech) -> String {
    let lang = speech.lang;
    let decisive = || explained.condition.as_ref().map(|c| decisive(c.decisive(), event, speech)).unwrap_or_default();
    match &explained.verdict {
        Verdict::Fired if explained.preview => lang.pick("preview: nothing leaves", "预览:不外发").to_owned(),
        Verdict::Fired => String::new(),
        Verdict::Else | Verdict::NotMet { stopped: None } => decisive(),
        Verdict::NotMet { stopped: Some(by) } => {
            let by = clip(by, VALUE);
            format!("{}{}", decisive(), lang.pick(format!("; its else was stopped by {by}"), format!(";else 分支被 {by} 拦下")))
        }
        Verdict::Unevaluable(why) => {
            let clause = explained.condition.as_ref().map(|c| c.decisive()).filter(|c| matches!(c.held, Held::Unevaluable(_)));
            let clause = clause.map(|c| format!("{}: ", quoted(c))).unwrap_or_default();
            format!("{clause}{}", clip(&lang.said(why), CLAUSE))
        }
        Verdict::Stopped { by } => {
            let by = clip(by, VALUE);
            lang.pick(format!("by {by}, an earlier rule"), format!("前面的规则 {by}"))
        }
        Verdict::Cooling { until } => {
            let until = when::beside(*until, event.at, &speech.zone);
            lang.pick(format!("until {until}"), format!("到 {until}"))
        }
        Verdict::Inactive { .. }
        | Verdict::Silenced { .. }
        | Verdict::Once { .. }
        | Verdict::Limited { .. }
        | Verdict::Debounced { .. }
        | Verdict::Grouped { .. }
        | Verdict::Imported => gate(&explained.verdict, event, speech),
        Verdict::Runs { run } => lang.pick(format!("the record is in run {run}"), format!("记录正在运行 {run}")),
        Verdict::Disabled => lang.pick("switched off", "enabled: false").to_owned(),
        Verdict::NotWoken => waits(explained, event, speech),
    }
}

/// What a gate says.
fn gate(verdict: &Verdict, event: &Event, speech: &Speech) -> String {
    let lang = speech.lang;
    let at = |t: &jiff::Timestamp| when::beside(*t, event.at, &speech.zone);
    match verdict {
        Verdict::Inactive { from: Some(from), .. } if event.at < *from => {
            let from = at(from);
            lang.pick(format!("not before {from}"), format!("{from} 起生效"))
        }
        Verdict::Inactive { until: Some(until), .. } => {
            let until = at(until);
            lang.pick(format!("over since {until}"), format!("{until} 起失效"))
        }
        Verdict::Silenced { by, until, comment, who } => {
            let (until, why) = (at(until), [who, comment].map(|t| clip(t, VALUE)));
            let why = why.into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(": ");
            let why = if why.is_empty() { why } else { format!(" ({why})") };
            lang.pick(format!("by {by} until {until}{why}"), format!("{by} 到 {until}{why}"))
        }
        Verdict::Once { since } => {
            let since = at(since);
            lang.pick(format!("fired {since} already"), format!("已于 {since} 执行"))
        }
        Verdict::Limited { count, until } => {
            let until = at(until);
            lang.pick(format!("{count} times already, until {until}"), format!("已达 {count} 次,到 {until}"))
        }
        Verdict::Debounced { count, until } => {
            let until = at(until);
            lang.pick(format!("until {until}, {count} so far"), format!("到 {until},已有 {count} 次"))
        }
        Verdict::Grouped { count, until } => {
            let until = at(until);
            lang.pick(format!("with others until {until}, {count} so far"), format!("合并到 {until},已有 {count} 次"))
        }
        _ => lang.pick("it starts on no import", "批量导入时不启动").to_owned(),
    }
}

/// `score > 60` was 42.
pub(super) fn decisive(clause: &Clause, event: &Event, speech: &Speech) -> String {
    let lang = speech.lang;
    let text = quoted(clause);
    match clause.all_values().as_slice() {
        [] => text,
        [(_, Value::Null)] => lang.pick(format!("{text} was empty"), format!("{text} 当时为空")),
        [(_, value)] => {
            let value = shown(value, event, speech);
            lang.pick(format!("{text} was {value}"), format!("{text} 当时为 {value}"))
        }
        several => {
            let each = values(several, event, speech);
            lang.pick(format!("{text} with {each}"), format!("{text} 当时 {each}"))
        }
    }
}

fn quoted(clause: &Clause) -> String {
    format!("`{}`", clip(&clause.text, CLAUSE))
}

fn values(values: &[(&str, &Value)], event: &Event, speech: &Speech) -> String {
    let each = values.iter().map(|(name, value)| format!("{}={}", clip(name, VALUE), shown(value, event, speech)));
    each.collect::<Vec<_>>().join(" ")
}

fn shown(value: &Value, event: &Event, speech: &Speech) -> String {
    match value {
        Value::Null => speech.lang.pick("nothing", "空").to_owned(),
        Value::Time(t) => when::beside(*t, event.at, &speech.zone),
        Value::Text(t) if t.trim().is_empty() => "''".to_owned(),
        other => clip(&other.to_string(), VALUE),
    }
}

/// Waits for deal.stage → 成交; this was lead.changed.
fn waits(explained: &Explained, event: &Event, speech: &Speech) -> String {
    let lang = speech.lang;
    let each: Vec<String> = explained.when.iter().map(|t| clip(&t.to_string(), VALUE)).collect();
    let name = clip(&event.name, VALUE);
    let own = lang.pick("one of ifthen's own", "系统内部事件");
    let this = match &event.body {
        Body::Changed { old, new, .. } => {
            let change = |(field, was): (&String, &Value)| {
                let is = new.get(field).unwrap_or(&Value::Null);
                format!("{} {} → {}", clip(field, VALUE), shown(was, event, speech), shown(is, event, speech))
            };
            format!("{name} ({})", old.iter().map(change).collect::<Vec<_>>().join(", "))
        }
        body if body.is_own() => format!("{name} ({own})"),
        _ => name,
    };
    match each.join(lang.pick(" or ", " 或 ")) {
        nothing if nothing.is_empty() => {
            lang.pick("waits for no event: only `start` starts it".to_owned(), "不等待任何事件,只由 `start` 启动".to_owned())
        }
        each => lang.pick(format!("waits for {each}; this was {this}"), format!("等待 {each};此事件是 {this}")),
    }
}

/// The values of `let:`, a line each: its name, its value, what it stands for, and since when that is complete.
pub(crate) fn lets(lets: &[Told], event: &Event, speech: &Speech) -> Vec<(String, Look)> {
    let lang = speech.lang;
    let line = |told: &Told| {
        let (value, look) = match &told.value {
            Ok(value) => (shown(value, event, speech), Look::Plain),
            Err(why) => (clip(&lang.said(why), CLAUSE), Look::Red),
        };
        let since = told.complete_since.map(|since| when::beside(since, event.at, &speech.zone));
        let since = since.map(|t| lang.pick(format!("; complete since {t}"), format!(";自 {t} 起完整"))).unwrap_or_default();
        (format!("{} = {value}    {}{since}", clip(&told.name, VALUE), clip(&told.is, CLAUSE)), look)
    };
    lets.iter().map(line).collect()
}

/// The clauses of a condition, a line each, indented by how deep they stand: how each came out, its text, its values.
pub(crate) fn clauses(clause: &Clause, event: &Event, speech: &Speech) -> Vec<(String, Look)> {
    let mut lines = Vec::new();
    walk(clause, 0, event, speech, &mut lines);
    lines
}

fn walk(clause: &Clause, depth: usize, event: &Event, speech: &Speech, lines: &mut Vec<(String, Look)>) {
    let lang = speech.lang;
    let (sign, look) = match &clause.held {
        Held::Yes => ("✓", Look::Green),
        Held::No => ("✗", Look::Yellow),
        Held::Unevaluable(_) => ("?", Look::Red),
        Held::Skipped => ("·", Look::Dim),
    };
    let indent = "  ".repeat(depth);
    let mut line = match clause.joint {
        Joint::One => format!("{indent}{sign} {}", clip(&clause.text, CLAUSE)),
        Joint::All => format!("{indent}{sign} {}", lang.pick("all of", "全部满足")),
        Joint::Any => format!("{indent}{sign} {}", lang.pick("one of", "满足其一")),
        Joint::Not => format!("{indent}{sign} {}", lang.pick("not", "不成立")),
    };
    let told: Vec<(&str, &Value)> = clause.values.iter().map(|(n, v)| (n.as_str(), v)).collect();
    if !told.is_empty() {
        line.push_str(&format!("    {}", values(&told, event, speech)));
    }
    match &clause.held {
        Held::Unevaluable(why) if clause.joint == Joint::One => line.push_str(&format!("    {}", clip(&lang.said(why), CLAUSE))),
        Held::Skipped if clause.joint == Joint::One => line.push_str(&format!("    {}", lang.pick("not looked at", "未判断"))),
        _ => {}
    }
    lines.push((line, look));
    for part in &clause.parts {
        walk(part, depth + 1, event, speech, lines);
    }
}
