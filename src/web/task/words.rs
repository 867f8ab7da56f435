//! What the pages say, in Chinese and English. Nothing of the data stands here.

use serde::Serialize;

use crate::engine::approval::Why;

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lang {
    Zh,
    En,
}

impl Lang {
    /// By what the browser asks for; what it does not say, the definitions do.
    pub(super) fn of(accept: &str, otherwise: &str) -> Self {
        let wanted = accept.split(',').filter_map(|part| {
            let mut words = part.split(';').map(str::trim);
            let name = words.next()?.to_lowercase();
            let weight = words.find_map(|w| w.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
            let lang = match name.split('-').next()? {
                "zh" => Self::Zh,
                "en" => Self::En,
                _ => return None,
            };
            (weight > 0.0).then_some((lang, weight))
        });
        let best = wanted.reduce(|best, next| if next.1 > best.1 { next } else { best }); // the first of equals
        best.map_or(if otherwise == "en" { Self::En } else { Self::Zh }, |(lang, _)| lang)
    }

    /// The one of both.
    pub(super) fn pick<T>(self, zh: T, en: T) -> T {
        if self == Self::Zh { zh } else { en }
    }

    /// The fixed words.
    pub(super) fn words(self) -> &'static Words {
        self.pick(&ZH, &EN)
    }
}

/// The fixed words of a page.
#[derive(Debug, Serialize)]
pub(super) struct Words {
    lang: &'static str,
    record: &'static str,
    documents: &'static str,
    so_far: &'static str,
    next: &'static str,
    code: &'static str,
    prove: &'static str,
    send_code: &'static str,
    another_code: &'static str,
    choose: &'static str,
    submit: &'static str,
    decide: &'static str,
    comment: &'static str,
    comment_hint: &'static str,
    back_to: &'static str,
    here: &'static str,
    attach: &'static str,
    attach_hint: &'static str,
    approve: &'static str,
    reject: &'static str,
    when_rejected: &'static str,
    more: &'static str,
    person: &'static str,
    transfer: &'static str,
    transfer_hint: &'static str,
    delegate: &'static str,
    delegate_hint: &'static str,
    before: &'static str,
    before_hint: &'static str,
    after: &'static str,
    after_hint: &'static str,
    recall: &'static str,
    recall_hint: &'static str,
}

const ZH: Words = Words {
    lang: "zh-CN",
    record: "内容",
    documents: "文件",
    so_far: "已有意见",
    next: "接下来",
    code: "验证码（6 位数字）",
    prove: "验证",
    send_code: "发送验证码",
    another_code: "重新发送验证码",
    choose: "请选择",
    submit: "提交",
    decide: "您的意见",
    comment: "意见",
    comment_hint: "驳回时必填",
    back_to: "驳回到",
    here: "修改后直接回到我这里",
    attach: "附上文件链接",
    attach_hint: "链接",
    approve: "同意",
    reject: "驳回",
    when_rejected: "驳回后：",
    more: "转办、委派、加签",
    person: "人员",
    transfer: "转办",
    transfer_hint: "交给对方处理，您不再处理",
    delegate: "委派",
    delegate_hint: "请对方先给意见，再回到您这里",
    before: "前加签",
    before_hint: "对方先审批，然后由您审批",
    after: "后加签",
    after_hint: "您同意后，再由对方审批",
    recall: "撤回我的意见",
    recall_hint: "下一步还没有人处理时可以撤回。",
};

const EN: Words = Words {
    lang: "en",
    record: "What it is about",
    documents: "Documents",
    so_far: "Decided so far",
    next: "What comes next",
    code: "Code (6 digits)",
    prove: "Continue",
    send_code: "Send me a code",
    another_code: "Send another code",
    choose: "Choose",
    submit: "Submit",
    decide: "Your decision",
    comment: "Comment",
    comment_hint: "Needed when you reject",
    back_to: "If you reject, back to",
    here: "Afterwards straight back to me",
    attach: "Attach a link to a document",
    attach_hint: "Link",
    approve: "Approve",
    reject: "Reject",
    when_rejected: "If you reject: ",
    more: "Hand over, ask others",
    person: "Person",
    transfer: "Hand over",
    transfer_hint: "They decide instead of you",
    delegate: "Ask for an opinion",
    delegate_hint: "They say what they think, then it comes back to you",
    before: "Have them decide first",
    before_hint: "Then it is your turn",
    after: "Have them decide after me",
    after_hint: "Once you have approved",
    recall: "Take my decision back",
    recall_hint: "Possible as long as nobody has acted on it.",
};

/// How somebody came by their seat, behind their name; nothing for those whom the step names.
pub(super) fn why(lang: Lang, why: Why, of: Option<&str>) -> String {
    let of = of.unwrap_or_default();
    match why {
        Why::Named => String::new(),
        Why::Transferred => lang.pick(format!("{of} 转办"), format!("handed over by {of}")),
        Why::Delegated => lang.pick(format!("受 {of} 委派"), format!("asked by {of}")),
        Why::Proxy => lang.pick(format!("代 {of}"), format!("for {of}")),
        Why::Before | Why::After => lang.pick(format!("{of} 加签"), format!("added by {of}")),
        Why::Escalated => lang.pick("超时升级".into(), "escalated".into()),
        Why::Instead => lang.pick("替代".into(), "instead".into()),
    }
}

/// Why something that was asked for was not done, as the log says it; what the table does not know stays as it is.
pub(super) fn refusal(lang: Lang, reason: &str) -> String {
    let known = REFUSALS.iter().find(|(word, ..)| *word == reason);
    known.map_or_else(|| reason.to_owned(), |(_, zh, en)| lang.pick(*zh, *en).to_owned())
}

/// The same with the engine's own sentence, which knows more: that one where it is in the page's language.
pub(super) fn refused(lang: Lang, reason: &str, detail: &str) -> String {
    let known = REFUSALS.iter().find(|(word, ..)| *word == reason);
    let chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    match known {
        _ if !detail.is_empty() && chinese(detail) == (lang == Lang::Zh) => detail.to_owned(),
        Some((_, zh, en)) => lang.pick(*zh, *en).to_owned(),
        None if detail.is_empty() => reason.to_owned(),
        None => detail.to_owned(),
    }
}

const REFUSALS: &[(&str, &str, &str)] = &[
    ("no such task", "这项任务不存在", "there is no such task"),
    ("not asked", "没有请您处理这项任务", "you were not asked to decide this"),
    ("too many codes", "验证码发送次数已达上限，请联系管理员", "no more codes are sent for this; ask your administrator"),
    ("too soon", "验证码发送过于频繁，请稍后再试", "a code was sent just now; wait a moment before you ask for another"),
    (
        "no channel of their own",
        "没有登记可用的个人邮箱，无法发送验证码，请联系管理员",
        "no mail address of yours is known that a code could be sent to; ask your administrator",
    ),
    ("wrong code", "验证码不正确", "that is not the code"),
    ("unknown-task", "没有这个任务，或已过保留期", "there is no such task, or it is no longer kept"),
    ("ended", "任务已结束", "the task has ended"),
    ("not-asked", "此任务没有请您处理", "you have no part in this task"),
    ("already-decided", "您已处理过；如需更改，请先撤回", "you have decided already; to change it, take it back first"),
    ("not-yet", "还没轮到您：须等他人先处理", "it is not your turn yet: somebody else comes first"),
    ("handed-over", "已转给他人处理", "somebody else has it now"),
    ("not-needed", "已有结论，无需您再处理", "it is decided without you"),
    ("cycle", "对方已参与此任务，不能再转回", "they have or had a part in this task: it cannot go back there"),
    ("unknown-person", "没有这个人员，或已停用", "there is no such person, or they are not active"),
    ("self", "不能选择自己", "that would be yourself"),
    ("initiator", "发起人不能审批自己的申请", "whoever asked for it cannot decide it"),
    ("no-comment", "驳回须填写意见", "a rejection needs a comment"),
    ("no-return", "此步骤不能退回到那里", "it cannot be sent back there"),
    ("not-decided", "您没有可撤回的决定", "there is no decision of yours to take back"),
    ("acted", "后续人员已处理，不能再撤回", "whoever comes next has acted: it cannot be taken back any more"),
    ("not-added", "对方不是您加签的", "you have not added them"),
    ("too-many", "参与的人太多", "too many people for one task"),
    ("too-deep", "加签层数太多", "added to the added too often"),
    ("no-form", "表单已不存在，请联系管理员", "the form is no longer there; tell your administrator"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_the_browsers() {
        for (accept, expect) in [
            ("zh-CN,zh;q=0.9,en;q=0.8", Lang::Zh),
            ("en-US,en;q=0.9,zh-CN;q=0.8", Lang::En),
            ("fr, en;q=0.3, zh;q=0.4", Lang::Zh),
            ("zh;q=0, en;q=0.1", Lang::En),
            ("fr", Lang::En),
            ("", Lang::En),
        ] {
            assert_eq!(Lang::of(accept, "en"), expect, "{accept}");
        }
        assert_eq!(Lang::of("", "zh"), Lang::Zh);
    }

    #[test]
    fn a_reason_that_is_not_known_is_told_as_it_is() {
        assert_eq!(refusal(Lang::Zh, "wrong code"), "验证码不正确");
        assert_eq!(refusal(Lang::Zh, "something new"), "something new");
    }
}
