//! What comes next in a run, in words: the graph read from a step on, without deciding anything.

use std::collections::BTreeSet;

use super::field::name;
use super::words::Lang;
use crate::engine::definition::{Action, At, BackTo, Definitions, Flow, Step, StepKind, Target, Who};
use crate::engine::record::Record;

/// Lines that are shown.
const MOST: usize = 6;

/// Reads a graph for one run.
pub(super) struct Ahead<'a> {
    pub(super) flow: &'a Flow,
    pub(super) record: Option<&'a Record>,
    pub(super) definitions: &'a Definitions,
    pub(super) lang: Lang,
}

impl Ahead<'_> {
    /// What comes after a step that people have approved.
    pub(super) fn after(&self, step: &Step) -> Vec<String> {
        let (mut lines, mut seen) = (Vec::new(), BTreeSet::new());
        let (mut at, mut inside) = (step.next, step.inside);
        loop {
            let Some(next) = at else {
                let Some(around) = inside.and_then(|i| self.flow.steps.get(i.step)) else {
                    lines.push(self.lang.pick("流程结束", "That is the end").to_owned());
                    return lines;
                };
                (at, inside) = (around.next, around.inside);
                continue;
            };
            let Some(step) = self.flow.steps.get(next).filter(|_| seen.insert(next) && lines.len() < MOST) else {
                lines.push("…".into());
                return lines;
            };
            let ends = matches!(step.kind, StepKind::End(_) | StepKind::Fail(_) | StepKind::BackTo(_));
            lines.extend(self.words(step));
            if ends {
                return lines;
            }
            at = if let StepKind::GoTo(to) = step.kind { Some(to) } else { step.next };
            inside = step.inside;
        }
    }

    /// What becomes of it when it is rejected.
    pub(super) fn rejected(&self, step: &Step) -> String {
        let over = || self.lang.pick("流程结束，结果为已驳回", "it ends as rejected").to_owned();
        let StepKind::Approve(approve) = &step.kind else { return over() };
        let at = approve.rejected.and_then(|at| self.flow.steps.get(at));
        at.map_or_else(over, |step| self.words(step).unwrap_or_else(|| self.title(step)))
    }

    /// A step's name: its own, that of its form, or its id.
    pub(super) fn title(&self, step: &Step) -> String {
        match (&step.title, &step.kind) {
            (Some(title), _) => title.clone(),
            (None, StepKind::Ask(ask)) => self.form(&ask.form).to_owned(),
            _ => step.id.clone(),
        }
    }

    fn form<'a>(&'a self, id: &'a str) -> &'a str {
        self.definitions.forms.get(id).map_or(id, |f| f.title.as_str())
    }

    /// One step; nothing for what concerns no reader.
    fn words(&self, step: &Step) -> Option<String> {
        let lang = self.lang;
        let words = match &step.kind {
            StepKind::Vars(_) | StepKind::GoTo(_) | StepKind::Call { .. } => return None,
            StepKind::Do(action) => return self.action(step, action),
            StepKind::Wait(span) => lang.pick(format!("等待 {span}"), format!("Wait {span}")),
            StepKind::Until(_) => lang.pick("等到约定时间", "Wait for its time").to_owned(),
            StepKind::Event(event) => lang.pick(format!("等待 {}", event.event), format!("Wait for {}", event.event)),
            StepKind::Choose(branches) => {
                let ways = branches.iter().filter_map(|b| self.first(b.first?)).collect::<Vec<_>>();
                let ways = ways.join(lang.pick(" 或 ", " or "));
                lang.pick(format!("视情况：{ways}"), format!("Depending on the data: {ways}"))
            }
            StepKind::Parallel(parallel) => {
                let ways = parallel
                    .branches
                    .iter()
                    .map(|(name, first)| first.and_then(|at| self.first(at)).unwrap_or_else(|| name.clone()));
                let ways = ways.collect::<Vec<_>>().join(lang.pick("、", ", "));
                lang.pick(format!("同时：{ways}"), format!("At the same time: {ways}"))
            }
            StepKind::Each(_) => lang.pick("逐项处理", "For each item").to_owned(),
            StepKind::Repeat(_) => lang.pick("重复处理", "Repeatedly").to_owned(),
            StepKind::Approve(approve) => {
                let who = self.who(&approve.who);
                lang.pick(format!("{who} 审批"), format!("{who} approves"))
            }
            StepKind::Ask(ask) => {
                let who = self.who(&ask.who);
                let form = self.form(&ask.form);
                lang.pick(format!("{who} 填写《{form}》"), format!("{who} fills in “{form}”"))
            }
            StepKind::BackTo(to) => self.back(to),
            StepKind::End(word) => lang.pick(format!("流程结束：{word}"), format!("It ends: {word}")),
            StepKind::Fail(_) => lang.pick("流程失败", "It fails").to_owned(),
        };
        Some(match &step.title {
            Some(title) if *title != words => lang.pick(format!("{title}（{words}）"), format!("{title} ({words})")),
            _ => words,
        })
    }

    fn action(&self, step: &Step, action: &Action) -> Option<String> {
        if let Some(title) = &step.title {
            return Some(title.clone());
        }
        let lang = self.lang;
        let (zh, en) = match action {
            Action::Email(_) => ("发送邮件", "A mail is sent"),
            Action::Notify(_) | Action::Dingtalk(_) | Action::Wecom(_) => ("发送通知", "People are told"),
            Action::Http(_) => ("通知其他系统", "Another system is told"),
            Action::Assign(_) => ("分配负责人", "An owner is assigned"),
            Action::Start(flow) => {
                return Some(lang.pick(format!("启动流程 {flow}"), format!("The flow {flow} starts")));
            }
            _ => return None, // inside: nothing that a reader waits for
        };
        Some(lang.pick(zh, en).to_owned())
    }

    /// The first of a branch that says something.
    fn first(&self, mut at: At) -> Option<String> {
        for _ in 0..MOST {
            let step = self.flow.steps.get(at)?;
            match self.words(step) {
                Some(words) => return Some(words),
                None => at = step.next?,
            }
        }
        None
    }

    fn back(&self, to: &BackTo) -> String {
        let lang = self.lang;
        let where_ = match to.to {
            Target::Start => lang.pick("流程开始", "the beginning").to_owned(),
            Target::Previous => lang.pick("上一审批人", "whoever decided before").to_owned(),
            Target::Step(at) => self.flow.steps.get(at).map_or_else(String::new, |step| self.title(step)),
        };
        lang.pick(format!("退回到「{where_}」"), format!("back to “{where_}”"))
    }

    /// Who is asked, by name as far as that is known now.
    fn who(&self, who: &[Who]) -> String {
        let all = who.iter().map(|who| match who {
            Who::User(id) => name(id, self.definitions).to_owned(),
            Who::Team(id) => self.definitions.teams.get(id).and_then(|t| t.title.clone()).unwrap_or_else(|| id.clone()),
            Who::Role(role) => {
                let people = self.definitions.people.iter().filter(|(_, p)| p.active && p.roles.contains(role));
                let people: Vec<&str> = people.map(|(id, _)| name(id, self.definitions)).collect();
                if people.is_empty() || people.len() > 3 { role.clone() } else { people.join(self.lang.pick("、", ", ")) }
            }
            Who::Field(path) => self.field(path).unwrap_or_else(|| path.join(".")),
        });
        all.collect::<Vec<_>>().join(self.lang.pick("、", ", "))
    }

    fn field(&self, path: &[String]) -> Option<String> {
        let (first, rest) = path.split_first()?;
        let mut id = self.record?.value(first).as_text()?.to_owned();
        for member in rest {
            if member != "manager" {
                return None;
            }
            id = self.definitions.people.get(&id)?.manager.clone()?;
        }
        (!id.is_empty()).then(|| name(&id, self.definitions).to_owned())
    }
}
