//! Why something was not done about a task, in both languages: said once, for the log, the page, the API and the command line.

/// A reason as it stands in the log, and the sentence for the person who asked: Chinese, English.
const SAID: &[(&str, &str, &str)] = &[
    ("unknown-task", "没有这个任务，或已过保留期", "there is no such task, or it is no longer kept"),
    ("ended", "任务已结束", "the task has ended"),
    ("not-asked", "此任务没有请您处理", "you have no part in this task"),
    ("already-decided", "您已处理过；如需更改，请先撤回", "you have decided already; to change it, take it back first"),
    ("not-yet", "还没轮到您：须等他人先处理", "it is not your turn yet: somebody else comes first"),
    ("handed-over", "已转给他人处理", "somebody else has it now"),
    ("not-needed", "已有结论，无需您再处理", "it is decided without you"),
    ("cycle", "对方已参与此任务，不能再转回", "they have or had a part in this task: it cannot go back there"),
    ("unknown-person", "没有这个人员，或已停用", "there is no such person, or they are not active"),
    ("inactive", "您已停用，不能再处理；请联系管理员", "you are not active any more; ask your administrator"),
    ("self", "不能选择自己", "that would be yourself"),
    ("initiator", "发起人不能审批自己的申请", "whoever asked for it cannot decide it"),
    ("no-comment", "驳回须填写意见", "a rejection needs a comment"),
    ("no-return", "此步骤不能退回到那里", "it cannot be sent back there"),
    ("not-decided", "您没有可撤回的决定", "there is no decision of yours to take back"),
    ("acted", "后续人员已处理，不能再撤回", "whoever comes next has acted: it cannot be taken back any more"),
    (
        "done-since",
        "后续步骤已执行，不能再撤回；如需更改，请联系管理员退回流程",
        "what follows has been done: it cannot be taken back any more; an administrator can send the run back",
    ),
    (
        "run-over",
        "流程已结束、已退回或正在撤销，不能再撤回",
        "the flow has ended, gone back or is being undone: it cannot be taken back any more",
    ),
    ("in-each", "逐项处理中的决定，提交后不能撤回", "a decision about one of a list cannot be taken back once it is made"),
    ("not-added", "对方不是您加签的", "you have not added them"),
    ("too-many", "参与的人太多", "too many people for one task"),
    ("too-deep", "加签层数太多", "added to the added too often"),
    ("too-long", "意见或附件太长", "the comment or a link is too long, or there are too many links"),
    ("bad-link", "附件须为 http:// 或 https:// 开头的链接", "a document is an address that begins with https:// or http://"),
    (
        "wrong-kind",
        "此任务不能这样处理：表单须填写，审批须同意或驳回",
        "not for this task: a form is answered, an approval is approved or rejected",
    ),
    ("wrong-answer", "答案不符合表单要求", "an answer is not what the form asks for"),
    ("no-form", "表单已不存在，请联系管理员", "the form is no longer there; tell whoever keeps the definitions"),
    // Codes.
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
];

/// The sentence for a reason, in Chinese and English; none: the engine says no such thing of tasks.
pub fn said(reason: &str) -> Option<(&'static str, &'static str)> {
    SAID.iter().find(|(word, ..)| *word == reason).map(|(_, zh, en)| (*zh, *en))
}
