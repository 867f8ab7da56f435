//! Why somebody may not do what they asked for: a word that programs can rely on, and a sentence for the person.

use std::collections::BTreeMap;

use super::said;
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
    /// They are not active any more: others can be given it in their name, nothing else.
    Inactive(String),
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
            Self::Inactive(_) => "inactive",
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
        let (zh, en) = self.known(&name).unwrap_or_else(|| {
            let (zh, en) = said(self.word()).unwrap_or((self.word(), self.word()));
            (zh.to_owned(), en.to_owned())
        });
        if lang == "en" { en } else { zh }
    }

    /// With what is known beyond the word: Chinese, English.
    fn known(&self, name: &dyn Fn(&str) -> String) -> Option<(String, String)> {
        let names = |ids: &[String], between: &str| ids.iter().map(|id| name(id)).collect::<Vec<_>>().join(between);
        Some(match self {
            Self::Inactive(who) => (
                format!("{}已停用，不能再处理；可由管理员转办他人", name(who)),
                format!("{} is not active any more; an administrator can hand it over in their name", name(who)),
            ),
            Self::HandedOver(to) if !to.is_empty() => {
                (format!("已由{}处理", names(to, "、")), format!("{} has it now", names(to, ", ")))
            }
            Self::Cycle(who) => (
                format!("{}已参与此任务，不能再转回", name(who)),
                format!("{} has or had a part in this task: it cannot go back there", name(who)),
            ),
            Self::UnknownPerson(who) => {
                (format!("没有人员 {who},或已停用"), format!("there is no person {who}, or they are not active"))
            }
            Self::Initiator(who) => {
                (format!("{}是发起人，不能审批自己的申请", name(who)), format!("{} asked for it and cannot decide it", name(who)))
            }
            Self::NoReturn { to, may } if may.is_empty() => {
                (format!("此步骤不能退回到 {to}"), format!("it cannot be sent back to {to} from here"))
            }
            Self::NoReturn { to, may } => (
                format!("不能退回到 {to};可退回到：{}", may.join("、")),
                format!("it cannot be sent back to {to}, only to {}", may.join(", ")),
            ),
            Self::Stays(Stays::Over) => said("run-over").map(|(zh, en)| (zh.to_owned(), en.to_owned()))?,
            Self::Stays(Stays::Done(step)) => (
                format!("后续步骤“{step}”已执行，不能再撤回；如需更改，请联系管理员退回流程"),
                format!(
                    "the step {step} has been done since: it cannot be taken back any more; an administrator can send the run back"
                ),
            ),
            Self::NotAdded(who) => (format!("{}不是您加签的", name(who)), format!("you have not added {}", name(who))),
            Self::BadLink(link) => (
                format!("附件须为 http:// 或 https:// 开头的链接：{link}"),
                format!("a document is an address that begins with https:// or http://, not {link}"),
            ),
            Self::NoForm(form) => (
                format!("表单 {form} 已不存在，请联系管理员"),
                format!("the form {form} is no longer there; tell whoever keeps the definitions"),
            ),
            Self::WrongAnswer { field, why } => (format!("{field}：{why}"), format!("{field}: {why}")),
            _ => return None,
        })
    }
}
