//! The grammar of what people are asked: approvals, forms, what is done when they are late, and who stands in for them.

use super::super::grammar::Shape::{Bool, Ids, Keys as Object, List, ListOr, Map, Name, OneOrMore, ScalarOr, Text, Word};
use super::super::grammar::{Key, Keys, Shape, may, must};
use super::FIELD_KINDS;
use super::flow::STEP;

/// Steps at which people decide or answer.
pub(super) static PEOPLE: &[Key] = &[
    may(
        "approve",
        ListOr(&Name, &ScalarOr(&Name, &Object(&APPROVE))),
        "People decide: `owner.manager`, `role:finance`",
        "审批：`owner.manager`、`role:finance`",
    ),
    may(
        "rejected",
        OneOrMore(&Object(&STEP)),
        "Done when they reject; else the run ends as `rejected`",
        "驳回后执行的步骤，默认以 `rejected` 结束",
    ),
    may("ask", Object(&ASK), "A person answers a form", "请人填写表单"),
];

static APPROVE: Keys = Keys {
    what: &("`approve`", "`approve`"),
    keys: &[
        &[
            must("who", OneOrMore(&Name), "Whom: `owner.manager`, `role:finance`, `user:zhangsan`", "审批人"),
            may(
                "mode",
                Word(&["all", "any", "sequence"]),
                "`all` (unless said), `any`: the first decision counts, `sequence`: one after another",
                "`all` 会签(默认)，`any` 或签，`sequence` 顺签",
            ),
            may("need", Name, "With `all`: how many, or which share: `2`, `60%`", "会签须几人或多大比例通过：`2`、`60%`"),
            may("veto", Bool, "With `all`: one rejection rejects", "会签时一人驳回即驳回"),
            may("show", OneOrMore(&Name), "Fields that are shown; all unless said", "展示的字段，默认全部"),
            may(
                "nobody",
                ScalarOr(&Word(&["fail", "approve", "reject"]), &Object(&NOBODY)),
                "When there is nobody: `fail` (unless said), `approve`, `reject`, `{ ask: … }`",
                "找不到审批人时：`fail`(默认)、`approve`、`reject`、`{ ask: … }`",
            ),
            may(
                "own",
                Word(&["ask", "approve", "manager"]),
                "When it is the initiator: `ask` (unless said), `approve`, `manager`",
                "审批人就是发起人时：`ask`(默认)、`approve`、`manager`",
            ),
            may(
                "repeated",
                Word(&["ask", "approve"]),
                "When they have approved in this round: `ask` (unless said), `approve`",
                "本轮已审批过的人：`ask`(默认)、`approve`",
            ),
            may("returns", OneOrMore(&Name), "Steps to which they may send it back instead", "审批人可以选择退回到的步骤"),
        ],
        ASKED,
    ],
    one_of: &[],
    later: &["card"],
};

/// What those who are asked are shown.
static ASKED: &[Key] = &[
    may("subject", Text, "What it is about, in a line", "事由(一行)"),
    may("text", Text, "What else they should know", "说明"),
    may("links", Map(&Text), "Documents: name and address", "文件：名称和地址"),
];

static NOBODY: Keys = Keys {
    what: &("`nobody`", "`nobody`"),
    keys: &[&[must("ask", OneOrMore(&Name), "Who is asked instead", "改由谁审批")]],
    one_of: &[],
    later: &[],
};

static ASK: Keys = Keys {
    what: &("`ask`", "`ask`"),
    keys: &[
        &[
            must("who", OneOrMore(&Name), "Whom; the first answer counts", "请谁填写，先答者为准"),
            must("form", Name, "Of `forms:`", "`forms:` 中的表单"),
            may("set", Bool, "The answers are written into the record", "把答案写入记录"),
        ],
        ASKED,
    ],
    one_of: &[],
    later: &[],
};

/// What becomes of those who are asked when time is over.
pub(super) static RUNGS: &[Key] = &[
    may(
        "remind",
        Name,
        "Reminds those who have not decided: so often, or `again` and again",
        "提醒尚未处理的人：次数，或 `again`(一直提醒)",
    ),
    may("escalate", OneOrMore(&Name), "These decide instead", "改由这些人处理"),
    may("decide", Word(&["approve", "reject"]), "It counts as decided", "视为通过或驳回"),
];

/// A form.
pub(super) static FORM: Keys = Keys {
    what: &("a form", "表单"),
    keys: &[&[
        may("title", Text, "Shown; the id unless said", "标题，默认与标识相同"),
        must("fields", Ids(&ScalarOr(&Word(FIELD_KINDS), &Object(&FORM_FIELD))), "What it asks, in order", "要填写的各项"),
    ]],
    one_of: &[],
    later: &[],
};

static FORM_FIELD: Keys = Keys {
    what: &("a field", "字段"),
    keys: &[&[
        must("type", Word(FIELD_KINDS), "What it holds", "类型"),
        may("label", Text, "Shown; the name unless said", "显示名称，默认与字段名相同"),
        may("required", Bool, "Must be answered", "必填"),
        may("of", List(&Text), "For a choice: the words", "可选值"),
        may("country", Name, "For a phone: the country of numbers without code", "电话的默认国家"),
        may("to", Name, "For a ref: the entity", "引用的实体"),
    ]],
    one_of: &[],
    later: &["if"],
};

/// 委托: who decides instead.
pub(super) const PROXY_SHAPE: Shape = OneOrMore(&Object(&PROXY_KEYS));

static PROXY_KEYS: Keys = Keys {
    what: &("`proxy`", "`proxy`"),
    keys: &[&[
        must("who", Name, "Another person", "由谁代理"),
        may("from", Text, "A date or time: not before", "开始日期或时间"),
        may("until", Text, "A date, itself included, or a time", "结束日期(含当日)或时间"),
    ]],
    one_of: &[],
    later: &[],
};
