//! Why somebody may not do what they asked for: a word that programs can rely on, and a sentence for the person.

use std::collections::BTreeMap;

use crate::engine::definition::Person;
use crate::engine::flow::Stays;

/// Why not; closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no such task.
    UnknownTask,
    /// It has ended.
    Ended,
    /// They have no part in it.
    NotAsked,
    /// They have decided.
    AlreadyDecided,
    /// Somebody else comes first.
    NotYet,
    /// These have it now.
    HandedOver(Vec<String>),
    /// It is decided without them.
    NotNeeded,
    /// It would come back to somebody who has or had a part in it.
    Cycle(String),
    /// There is no such person, or they are not active.
    UnknownPerson(String),
    /// It would be themselves.
    Yourself,
    /// The initiator does not decide.
    Initiator(String),
    /// A rejection without a word.
    NoComment,
    /// It cannot be sent back there.
    NoReturn {
        /// Where to.
        to: String,
        /// Where it can.
        may: Vec<String>,
    },
    /// There is no decision of theirs to take back.
    NotDecided,
    /// Somebody has gone on from it.
    Acted,
    /// Its run has gone on from it.
    Stays(Stays),
    /// They have not added that person.
    NotAdded(String),
    /// More than a task holds.
    TooMany,
    /// Added to the added, too often.
    TooDeep,
    /// More words or documents than fit.
    TooLong,
    /// A document that is no address.
    BadLink(String),
    /// A form is answered, not approved; an approval is decided, not answered.
    WrongKind,
    /// The form is no longer there.
    NoForm(String),
    /// An answer is not what the form asks for.
    WrongAnswer {
        /// The question.
        field: String,
        /// What is wrong.
        why: String,
    },
}

impl Refusal {
    /// The word; stable.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::UnknownTask => "unknown-task",
            Self::Ended => "ended",
            Self::NotAsked => "not-asked",
            Self::AlreadyDecided => "already-decided",
            Self::NotYet => "not-yet",
            Self::HandedOver(_) => "handed-over",
            Self::NotNeeded => "not-needed",
            Self::Cycle(_) => "cycle",
            Self::UnknownPerson(_) => "unknown-person",
            Self::Yourself => "self",
            Self::Initiator(_) => "initiator",
            Self::NoComment => "no-comment",
            Self::NoReturn { .. } => "no-return",
            Self::NotDecided => "not-decided",
            Self::Acted | Self::Stays(Stays::Acted | Stays::Over) => "acted",
            Self::Stays(Stays::Done(_)) => "done-since",
            Self::Stays(Stays::Each) => "in-each",
            Self::NotAdded(_) => "not-added",
            Self::TooMany => "too-many",
            Self::TooDeep => "too-deep",
            Self::TooLong => "too-long",
            Self::BadLink(_) => "bad-link",
            Self::WrongKind => "wrong-kind",
            Self::NoForm(_) => "no-form",
            Self::WrongAnswer { .. } => "wrong-answer",
        }
    }

    /// The sentence, in the language of the definitions.
    pub(super) fn sentence(&self, lang: &str, people: &BTreeMap<String, Person>) -> String {
        let name = |id: &str| people.get(id).map_or_else(|| id.to_owned(), |p| p.name.clone());
        let names = |ids: &[String], between: &str| ids.iter().map(|id| name(id)).collect::<Vec<_>>().join(between);
        if lang == "en" { self.english(&name, &names) } else { self.chinese(&name, &names) }
    }

    fn chinese(&self, name: &dyn Fn(&str) -> String, names: &dyn Fn(&[String], &str) -> String) -> String {
        match self {
            Self::UnknownTask => "没有这个任务，或已过保留期".into(),
            Self::Ended => "任务已结束".into(),
            Self::NotAsked => "此任务没有请您处理".into(),
            Self::AlreadyDecided => "您已处理过；如需更改，请先撤回".into(),
            Self::NotYet => "还没轮到您：须等他人先处理".into(),
            Self::HandedOver(to) if to.is_empty() => "已转给他人处理".into(),
            Self::HandedOver(to) => format!("已由{}处理", names(to, "、")),
            Self::NotNeeded => "已有结论，无需您再处理".into(),
            Self::Cycle(who) => format!("{}已参与此任务，不能再转回", name(who)),
            Self::UnknownPerson(who) => format!("没有人员 {who},或已停用"),
            Self::Yourself => "不能选择自己".into(),
            Self::Initiator(who) => format!("{}是发起人，不能审批自己的申请", name(who)),
            Self::NoComment => "驳回须填写意见".into(),
            Self::NoReturn { to, may } if may.is_empty() => format!("此步骤不能退回到 {to}"),
            Self::NoReturn { to, may } => format!("不能退回到 {to};可退回到：{}", may.join("、")),
            Self::NotDecided => "您没有可撤回的决定".into(),
            Self::Acted | Self::Stays(Stays::Acted) => "后续人员已处理，不能再撤回".into(),
            Self::Stays(Stays::Over) => "流程已结束、已退回或正在撤销，不能再撤回".into(),
            Self::Stays(Stays::Done(step)) => format!("后续步骤“{step}”已执行，不能再撤回；如需更改，请联系管理员退回流程"),
            Self::Stays(Stays::Each) => "逐项处理中的决定，提交后不能撤回".into(),
            Self::NotAdded(who) => format!("{}不是您加签的", name(who)),
            Self::TooMany => "参与的人太多".into(),
            Self::TooDeep => "加签层数太多".into(),
            Self::TooLong => "意见或附件太长".into(),
            Self::BadLink(link) => format!("附件须为 http:// 或 https:// 开头的链接：{link}"),
            Self::WrongKind => "此任务不能这样处理：表单须填写，审批须同意或驳回".into(),
            Self::NoForm(form) => format!("表单 {form} 已不存在，请联系管理员"),
            Self::WrongAnswer { field, why } => format!("{field}：{why}"),
        }
    }

    fn english(&self, name: &dyn Fn(&str) -> String, names: &dyn Fn(&[String], &str) -> String) -> String {
        match self {
            Self::UnknownTask => "there is no such task, or it is no longer kept".into(),
            Self::Ended => "the task has ended".into(),
            Self::NotAsked => "you have no part in this task".into(),
            Self::AlreadyDecided => "you have decided already; to change it, take it back first".into(),
            Self::NotYet => "it is not your turn yet: somebody else comes first".into(),
            Self::HandedOver(to) if to.is_empty() => "somebody else has it now".into(),
            Self::HandedOver(to) => format!("{} has it now", names(to, ", ")),
            Self::NotNeeded => "it is decided without you".into(),
            Self::Cycle(who) => format!("{} has or had a part in this task: it cannot go back there", name(who)),
            Self::UnknownPerson(who) => format!("there is no person {who}, or they are not active"),
            Self::Yourself => "that would be yourself".into(),
            Self::Initiator(who) => format!("{} asked for it and cannot decide it", name(who)),
            Self::NoComment => "a rejection needs a comment".into(),
            Self::NoReturn { to, may } if may.is_empty() => format!("it cannot be sent back to {to} from here"),
            Self::NoReturn { to, may } => format!("it cannot be sent back to {to}, only to {}", may.join(", ")),
            Self::NotDecided => "there is no decision of yours to take back".into(),
            Self::Acted | Self::Stays(Stays::Acted) => "whoever comes next has acted: it cannot be taken back any more".into(),
            Self::Stays(Stays::Over) => "the flow has ended, gone back or is being undone: it cannot be taken back any more".into(),
            Self::Stays(Stays::Done(step)) => {
                format!("the step {step} has been done since: it cannot be taken back any more; an administrator can send the run back")
            }
            Self::Stays(Stays::Each) => "a decision about one of a list cannot be taken back once it is made".into(),
            Self::NotAdded(who) => format!("you have not added {}", name(who)),
            Self::TooMany => "too many people for one task".into(),
            Self::TooDeep => "added to the added too often".into(),
            Self::TooLong => "the comment or a link is too long, or there are too many links".into(),
            Self::BadLink(link) => format!("a document is an address that begins with https:// or http://, not {link}"),
            Self::WrongKind => "not for this task: a form is answered, an approval is approved or rejected".into(),
            Self::NoForm(form) => format!("the form {form} is no longer there; tell whoever keeps the definitions"),
            Self::WrongAnswer { field, why } => format!("{field}: {why}"),
        }
    }
}
