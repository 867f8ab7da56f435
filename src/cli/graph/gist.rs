//! What a step does, in a few words for a picture: `等 2d`, `审批 role:finance`, `邮件 → {{ email }}`.
//!
//! Says what the definition says; never what became of it.

use crate::cli::words::{Lang, Words as _};
use crate::engine::definition::{
    Action, Another, Approve, AssignTo, BackTo, Flow, Late, Rung, Share, Signing, Step, StepKind, Target, Until, Who,
};
use crate::engine::template::Template;

/// What a step does; empty: its branches say it.
pub(crate) fn gist(flow: &Flow, step: &Step, lang: Lang) -> String {
    let id = |at: usize| flow.steps.get(at).map(|s| s.id.clone()).unwrap_or_default();
    match &step.kind {
        StepKind::Do(action) => self::action(action, lang),
        StepKind::Vars(vars) => {
            format!("{} {}", lang.pick("set", "设置"), vars.keys().map(|v| format!("vars.{v}")).collect::<Vec<_>>().join(", "))
        }
        StepKind::Wait(span) => lang.pick(format!("wait {span}"), format!("等 {span}")),
        StepKind::Until(until) => self::until(until, lang),
        StepKind::Event(event) => lang.pick(format!("wait for {}", event.event), format!("等 {}", event.event)),
        StepKind::Choose(_) => String::new(),
        StepKind::Parallel(parallel) => {
            let need = match parallel.need {
                None => lang.pick("all", "全部").to_owned(),
                Some(1) => lang.pick("any", "任一").to_owned(),
                Some(n) => lang.pick(format!("{n} of them"), format!("其中 {n} 个")),
            };
            format!("{} · {need}", lang.pick("at the same time", "并行"))
        }
        StepKind::Each(each) => {
            let of = each.of.source();
            let at_once = match each.at_once {
                0 | 1 => String::new(),
                n => lang.pick(format!(" · {n} at once"), format!(" · 同时 {n} 个")),
            };
            format!("{} {}: {of}{at_once}", lang.pick("each", "逐个"), each.name)
        }
        StepKind::Repeat(repeat) => match &repeat.check {
            Another::While(c) => format!("{} {}", lang.pick("again while", "重复,当"), c.source()),
            Another::Until(c) => format!("{} {}", lang.pick("again until", "重复,直到"), c.source()),
            Another::Times(n) => lang.pick(format!("{} times", n.source()), format!("重复 {} 次", n.source())),
        },
        StepKind::Call { flow, .. } => format!("{} {flow}", lang.pick("call", "调用")),
        StepKind::Approve(approve) => self::approve(approve, lang),
        StepKind::Ask(ask) => format!("{} {} · {}", lang.pick("form", "表单"), ask.form, whom(&ask.who)),
        StepKind::GoTo(at) => format!("→ {}", id(*at)),
        StepKind::BackTo(back) => back_to(back, &id, lang),
        StepKind::End(word) => format!("{} {word}", lang.pick("end:", "结束:")),
        StepKind::Fail(why) => format!("{} {}", lang.pick("fails:", "失败:"), why.source()),
    }
}

/// What else there is to say: its condition, its time.
pub(crate) fn terms(step: &Step, lang: Lang) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(condition) = &step.condition {
        lines.push(format!("{} {}", lang.pick("if", "仅当"), condition.source()));
    }
    if let Some(within) = &step.within {
        let rungs: Vec<String> = step.late.iter().filter_map(|rung| self::rung(rung, lang)).collect();
        let then = if rungs.is_empty() { String::new() } else { format!(": {}", rungs.join(" → ")) };
        lines.push(format!("{} {within}{then}", lang.pick("within", "限时")));
    }
    if !step.undo.is_empty() {
        let how: Vec<&str> = step.undo.iter().map(Action::name).collect();
        lines.push(format!("{} {}", lang.pick("undo:", "撤销:"), how.join(", ")));
    }
    lines
}

/// A rung of the ladder; where it leads elsewhere, the picture shows it.
fn rung(rung: &Rung, lang: Lang) -> Option<String> {
    let mut parts: Vec<String> = rung.actions.iter().map(|a| action(a, lang)).collect();
    match &rung.then {
        Late::Stay => {}
        Late::Remind { times: Some(n) } => parts.push(lang.pick(format!("remind ×{n}"), format!("催办 ×{n}"))),
        Late::Remind { times: None } => parts.push(lang.pick("remind again and again", "反复催办").into()),
        Late::Escalate(to) => parts.push(format!("{} {}", lang.pick("escalate to", "升级给"), whom(to))),
        Late::Decide { approved: true } => parts.push(lang.pick("counts as approved", "视为同意").into()),
        Late::Decide { approved: false } => parts.push(lang.pick("counts as rejected", "视为驳回").into()),
        Late::Go(None) => parts.push(lang.pick("goes on", "继续").into()),
        Late::Go(Some(_)) => {}
    }
    if parts.is_empty() { None } else { Some(parts.join(" + ")) }
}

fn until(until: &Until, lang: Lang) -> String {
    let offset =
        until.offset.as_ref().map(|span| format!(" {} {span}", if until.before { "-" } else { "+" })).unwrap_or_default();
    format!("{} {}{offset}", lang.pick("wait until", "等到"), until.time.source())
}

fn approve(approve: &Approve, lang: Lang) -> String {
    let how = match &approve.mode {
        Signing::All { need: None, .. } if approve.who.len() > 1 => lang.pick(" · all", " · 会签").to_owned(),
        Signing::All { need: None, .. } => String::new(),
        Signing::All { need: Some(Share::Count(n)), .. } => lang.pick(format!(" · {n} of them"), format!(" · 会签 {n} 人")),
        Signing::All { need: Some(Share::Percent(n)), .. } => lang.pick(format!(" · {n}%"), format!(" · 会签 {n}%")),
        Signing::Any => lang.pick(" · any", " · 或签").to_owned(),
        Signing::Sequence => lang.pick(" · one after another", " · 依次").to_owned(),
    };
    format!("{} {}{how}", lang.pick("approval", "审批"), whom(&approve.who))
}

fn back_to(back: &BackTo, id: &impl Fn(usize) -> String, lang: Lang) -> String {
    let to = match back.to {
        Target::Step(at) => id(at),
        Target::Start => lang.pick("the start", "起点").to_owned(),
        Target::Previous => lang.pick("the last approval", "上一审批").to_owned(),
    };
    let undo = if back.undo { lang.pick(", undoing", ",并撤销") } else { "" };
    let here = if back.here { lang.pick(", then here", ",然后回到这里") } else { "" };
    lang.pick(format!("back to {to}{undo}{here}"), format!("退回 {to}{undo}{here}"))
}

/// Whom something is for: `owner.manager, role:finance`.
pub(crate) fn whom(who: &[Who]) -> String {
    let one = |who: &Who| match who {
        Who::Field(path) => path.join("."),
        Who::Role(role) => format!("role:{role}"),
        Who::Team(team) => format!("team:{team}"),
        Who::User(user) => user.clone(),
    };
    who.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn action(action: &Action, lang: Lang) -> String {
    let list = |all: &[Template]| all.iter().map(Template::source).collect::<Vec<_>>().join(", ");
    match action {
        Action::Set(fields) => format!("{} {}", lang.pick("set", "设置"), fields.keys().cloned().collect::<Vec<_>>().join(", ")),
        Action::Tag(tags) => format!("{} {}", lang.pick("tag", "标签 +"), list(tags)),
        Action::Untag(tags) => format!("{} {}", lang.pick("untag", "标签 -"), list(tags)),
        Action::Assign(assign) => {
            let to = match &assign.to {
                AssignTo::Team(team) => format!("team:{team}"),
                AssignTo::Person(who) => whom(std::slice::from_ref(who)),
            };
            format!("{} {to}", lang.pick("assign", "分配给"))
        }
        Action::Release(release) => format!("{} {}", lang.pick("release to", "放回"), release.pool.source()),
        Action::Emit(emit) => format!("{} {}", lang.pick("emit", "发出"), emit.event),
        Action::Create(create) => format!("{} {}", lang.pick("create", "新建"), create.entity),
        Action::Log(text) => format!("{} {}", lang.pick("log", "记录"), text.source()),
        Action::Start(flow) => format!("{} {flow}", lang.pick("start", "启动")),
        Action::Email(email) => format!("{} → {}", lang.pick("email", "邮件"), email.to.source()),
        Action::Http(http) => format!("{} {}", http.method, http.url.source()),
        Action::Dingtalk(robot) => format!("{} {}", lang.pick("DingTalk", "钉钉"), robot.connection),
        Action::Wecom(robot) => format!("{} {}", lang.pick("WeCom", "企业微信"), robot.connection),
        Action::Notify(notify) => format!("{} {}", lang.pick("notify", "通知"), whom(&notify.who)),
        Action::Run(run) => run.name.clone(),
    }
}
