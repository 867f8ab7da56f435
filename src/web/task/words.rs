//! What the pages say, in Chinese and English. Nothing of the data stands here.

use serde::Serialize;

use crate::engine::approval::{Why, said};

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
    remove: &'static str,
    remove_hint: &'static str,
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
    remove: "减签",
    remove_hint: "不再请对方处理。对方处理之前可以减签。",
    recall: "撤回我的意见",
    recall_hint: "后续人员或步骤尚未处理时可以撤回。",
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
    remove: "Ask them no more",
    remove_hint: "Possible as long as they have not decided.",
    recall: "Take my decision back",
    recall_hint: "Possible as long as nobody, and no step, has acted on it.",
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

/// Why something that was asked for was not done, as the log says it; what is not known stays as it is.
pub(super) fn refusal(lang: Lang, reason: &str) -> String {
    said(reason).map_or_else(|| reason.to_owned(), |(zh, en)| lang.pick(zh, en).to_owned())
}

/// The same with the engine's own sentence, which knows more: that one where it is in the page's language.
pub(super) fn refused(lang: Lang, reason: &str, detail: &str) -> String {
    let chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    match said(reason) {
        _ if !detail.is_empty() && chinese(detail) == (lang == Lang::Zh) => detail.to_owned(),
        None if !detail.is_empty() => detail.to_owned(),
        _ => refusal(lang, reason),
    }
}

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
