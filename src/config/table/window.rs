//! The grammar of `let:`: windows and computed values.

use super::super::grammar::Shape::{Condition, Keys as Object, Map, Name, ScalarOr, Span};
use super::super::grammar::{Key, Keys, Shape, may, must};

/// `let: { views: { count: page.viewed, within: 7d }, rate: spent / views }`
pub(super) const LET: Shape = Map(&ScalarOr(&Condition, &Object(&WINDOW)));

static WINDOW: Keys = Keys {
    what: &("a window", "时间窗口"),
    keys: &[
        FUNCTIONS,
        &[
            may("of", Condition, "The value of each event: `event.amount`", "每个事件取的值，如 `event.amount`"),
            may("where", Condition, "Must hold for an event to count", "只统计满足此条件的事件"),
            must("within", Span, "For how long an event counts: `90d`, `3 months`", "统计的时长，如 `90d`、`3 months`"),
            may("by", Condition, "For whom; the event's record unless said", "按什么分别统计，默认按事件的记录"),
        ],
    ],
    one_of: &[&["count", "sum", "avg", "min", "max", "distinct", "first", "last"]],
    later: &[],
};

static FUNCTIONS: &[Key] = &[
    may("count", Name, "How many of this event", "事件的次数"),
    may("sum", Name, "The sum of `of` over these events", "`of` 的合计"),
    may("avg", Name, "The average of `of`", "`of` 的平均值"),
    may("min", Name, "The least `of`", "`of` 的最小值"),
    may("max", Name, "The greatest `of`", "`of` 的最大值"),
    may("distinct", Name, "How many different values of `of`", "`of` 不同值的个数"),
    may("first", Name, "The earliest `of`", "最早的 `of`"),
    may("last", Name, "The latest `of`", "最近的 `of`"),
];

/// `{ aged: views }`
pub(super) static AGED: Keys = Keys {
    what: &("a trigger", "触发条件"),
    keys: &[&[must("aged", Name, "A window of `let:`: something in it no longer counts", "`let:` 中的窗口：有内容过期时触发")]],
    one_of: &[],
    later: &[],
};
