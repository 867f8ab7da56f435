//! The grammar of what people do about tasks and runs in `tests:`, and of what is expected of these.

use super::super::grammar::Shape::{Any, Bool, Map, Name, OneOrMore, Text, Word};
use super::super::grammar::{Key, Keys, may, must};
use super::scenario::COMMON;

/// What people can do about a task.
pub(in crate::config) const DONE: &[&str] = &["approve", "reject", "answer", "transfer", "delegate", "add", "remove", "recall"];

/// Which run.
static WHICH: &[Key] = &[
    may("flow", Name, "Of this flow", "属于此流程"),
    may("record", Name, "For this record: `quote/Q1`", "针对此记录:`quote/Q1`"),
];

pub(super) static DECIDE: Keys = Keys {
    what: &("`decide`", "`decide`"),
    keys: &[
        &[
            may("approve", OneOrMore(&Name), "These approve", "同意的人"),
            may("reject", OneOrMore(&Name), "These reject; needs a `comment`", "驳回的人,须写 `comment`"),
            may(
                "answer",
                Map(&Map(&Any)),
                "Answers to a form: `{ 张三: { discount: 15% } }`",
                "填写表单:`{ 张三: { discount: 15% } }`",
            ),
            may("transfer", Map(&Name), "Hands it over: `{ 何经理: 李四 }`", "转办:`{ 何经理: 李四 }`"),
            may("delegate", Map(&Name), "Asks for an opinion: `{ 何经理: 李四 }`", "委派:`{ 何经理: 李四 }`"),
            may("add", Map(&OneOrMore(&Name)), "Adds others: `{ 何经理: [李四] }`", "加签:`{ 何经理: [李四] }`"),
            may("remove", Map(&Name), "Takes somebody back out: `{ 何经理: 李四 }`", "减签:`{ 何经理: 李四 }`"),
            may("recall", OneOrMore(&Name), "These take their decision back", "撤回决定的人"),
            may(
                "order",
                Word(&["before", "after"]),
                "`add`: who decides first; `before` unless said",
                "`add` 的先后,默认 `before`",
            ),
            may(
                "mode",
                Word(&["all", "any", "sequence"]),
                "`add`: how they decide; `all` unless said",
                "`add` 的方式,默认 `all`",
            ),
            may("to", Name, "`reject`: back to this step", "`reject` 退回到的步骤"),
            may("then", Word(&["here", "path"]), "`reject`: how it goes on from there", "`reject` 退回之后如何继续"),
            may("step", Name, "At this step, where it could be several", "所在的步骤,有多个任务时写明"),
            may("comment", Text, "Their words", "意见"),
            may("links", OneOrMore(&Text), "Their documents", "附件链接"),
        ],
        WHICH,
    ],
    one_of: &[DONE],
    later: &[],
};

pub(super) static SIGNAL: Keys = Keys {
    what: &("`signal`", "`signal`"),
    keys: &[&[must("name", Name, "The event's name", "事件名"), may("data", Map(&Any), "What `event.x` is", "事件数据")], WHICH],
    one_of: &[],
    later: &[],
};

pub(super) static CANCEL: Keys = Keys {
    what: &("`cancel`", "`cancel`"),
    keys: &[&[may("undo", Bool, "What was done is undone first", "先撤销已完成的步骤")], WHICH],
    one_of: &[],
    later: &[],
};

pub(super) static RECALL: Keys = Keys {
    what: &("`recall`", "`recall`"),
    keys: &[&[must("by", Name, "The initiator", "发起人")], WHICH],
    one_of: &[],
    later: &[],
};

pub(super) static RUN: Keys = Keys { what: &("a run", "流程运行"), keys: &[WHICH], one_of: &[], later: &[] };

pub(super) static BACK: Keys = Keys {
    what: &("`back`", "`back`"),
    keys: &[&[must("step", Name, "To this step", "退回到的步骤")], WHICH],
    one_of: &[],
    later: &[],
};

/// Who was asked, or told again.
pub(super) static ASKED: Keys = Keys {
    what: &("who is asked", "请谁处理"),
    keys: &[
        &[
            may("who", OneOrMore(&Name), "The person; a list: each of them", "人员,多人表示每一个"),
            may("due", Text, "Until then", "截止时间"),
        ],
        COMMON,
    ],
    one_of: &[],
    later: &[],
};

pub(super) static DECIDED: Keys = Keys {
    what: &("a decision", "决定"),
    keys: &[
        &[
            may("who", OneOrMore(&Name), "The person; a list: each of them", "人员,多人表示每一个"),
            may("for", Name, "For whom they stand in", "代替谁"),
            may("decision", Word(&["approved", "rejected", "answered"]), "Which", "哪一种"),
            may("way", Name, "`test`, `policy`, `timeout`", "`test`、`policy`、`timeout`"),
            may("reason", Name, "Of a policy: `own`, `repeated`, `nobody`", "按规定决定的原因:`own`、`repeated`、`nobody`"),
            may("comment", Text, "Holds this", "意见含有"),
            may("to", Name, "Sent back to this step", "退回到此步骤"),
        ],
        COMMON,
    ],
    one_of: &[],
    later: &[],
};

pub(super) static HANDED: Keys = Keys {
    what: &("what somebody did", "某人的处理"),
    keys: &[
        &[
            may("who", Name, "The person", "人员"),
            may("to", OneOrMore(&Name), "To whom; a list: to each of them", "给谁,多人表示每一个"),
            may("comment", Text, "Holds this", "意见含有"),
        ],
        COMMON,
    ],
    one_of: &[],
    later: &[],
};

pub(super) static ESCALATED: Keys = Keys {
    what: &("`escalate`", "`escalate`"),
    keys: &[
        &[
            may("to", OneOrMore(&Name), "The person; a list: each of them", "人员,多人表示每一个"),
            may("from", OneOrMore(&Name), "Instead of this one; a list: of each of them", "代替此人,多人表示每一个"),
        ],
        COMMON,
    ],
    one_of: &[],
    later: &[],
};

pub(super) static WENT: Keys = Keys {
    what: &("a step", "步骤"),
    keys: &[&[may("to", Name, "To this step", "退回到此步骤"), may("from", Name, "From this step", "从此步骤")], COMMON],
    one_of: &[],
    later: &[],
};
