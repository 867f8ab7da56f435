//! What runs made of an event, as short phrases: which run, at which step, what it waited for, and whether this was it.

use super::output::{Look, clip};
use super::phrase::Speech;
use super::verdict;
use super::words::{Lang, Words as _};
use crate::engine::event::Event;
use crate::engine::flow::{Came, Heard, Waits};

/// Cells of a name, and of a reason.
const NAME: usize = 60;
const WHY: usize = 120;

/// The word for what came of it, and its look.
pub(super) fn word(heard: &Heard, lang: Lang) -> (&'static str, Look) {
    match heard.came {
        Came::Met if matches!(heard.waits, Waits::Branch(_)) => (lang.pick("chosen", "选中"), Look::Cyan),
        Came::Met => (lang.pick("met", "等到"), Look::Cyan),
        Came::Kept => (lang.pick("kept", "留存"), Look::Cyan),
        Came::NotMet => (lang.pick("not met", "不满足"), Look::Yellow),
        Came::Unevaluable(_) => (lang.pick("unevaluable", "无法判断"), Look::Red),
    }
}

/// `run r2-1 合同审批 › 签署`
pub(super) fn name(heard: &Heard, lang: Lang) -> String {
    let step = heard.step.as_ref().map(|step| format!(" › {}", clip(step, NAME))).unwrap_or_default();
    format!("{} {} {}{step}", lang.pick("run", "运行"), heard.run, clip(&heard.flow, NAME))
}

/// What it waited for, and why this was it or was not.
pub(super) fn reason(heard: &Heard, event: &Event, speech: &Speech) -> String {
    let lang = speech.lang;
    let name = clip(&event.name, NAME);
    let waited = match &heard.waits {
        Waits::Event if heard.came == Came::Kept => {
            lang.pick(format!("kept: it waits for {name} at a later step"), format!("尚未到等待 {name} 的步骤,已为该步骤留存"))
        }
        Waits::Event => lang.pick(format!("waited for {name}"), format!("正在等待 {name}")),
        Waits::Time => lang.pick("the time it waited for has come", "等待的时间已到").to_owned(),
        Waits::Window => lang.pick("its window opens", "发送时段已到").to_owned(),
        Waits::Within => lang.pick("the step's time (`within`) is over", "步骤的时限(within)已到").to_owned(),
        Waits::Deadline => lang.pick("the run's time (`within`) is over", "流程的时限(within)已到").to_owned(),
        Waits::Stop(word) => {
            let word = clip(word, NAME);
            lang.pick(format!("`stop_if`, ends it as {word}"), format!("`stop_if`,以 {word} 结束"))
        }
        Waits::Branch(_) if heard.condition.is_none() => lang.pick("`choose`: else", "`choose`:else").to_owned(),
        Waits::Branch(n) => lang.pick(format!("`choose`: branch {n}"), format!("`choose`:分支 {n}")),
        Waits::Reroute(fields) => {
            let fields = clip(&fields.join(lang.pick(", ", "、")), NAME);
            let why = match heard.came {
                Came::Met => lang.pick("it goes back there", "退回到该步骤"),
                _ => lang.pick("it has not come there yet, or is being revised", "尚未经过该步骤,或正在修改"),
            };
            lang.pick(format!("`reroute` on {fields}: {why}"), format!("`reroute`({fields}):{why}"))
        }
    };
    let decisive = heard.condition.as_ref().map(|c| verdict::decisive(c.decisive(), event, speech));
    let why = match &heard.came {
        Came::NotMet => decisive,
        Came::Unevaluable(why) => Some(clip(&lang.said(why), WHY)),
        Came::Met | Came::Kept => None,
    };
    match why {
        Some(why) => format!("{waited}{}{why}", lang.pick(": ", ":")),
        None => waited,
    }
}
