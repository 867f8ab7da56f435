//! The grammar of what keeps rules from firing; see [`super::super::grammar`].

use super::super::grammar::Shape::{
    Bool, Condition, Count, Duration, Keys as Object, Name, OneOrMore, ScalarOr, Text, Word, Zone,
};
use super::super::grammar::{Key, Keys, Shape, may, must};

/// What rules and flows share.
pub(in crate::config) static SHARED: &[Key] = &[
    may("active", Object(&ACTIVE), "Between these dates", "生效期间"),
    may("quiet", QUIET, "When what it sends is held; `false`: never", "静默时段,外发推迟到时段结束;`false` 表示不受限"),
    may(
        "imports",
        Word(&["silent", "react"]),
        "What it sends on an import; `silent`: nothing",
        "批量导入时是否外发,默认 `silent`",
    ),
    may("was", OneOrMore(&Name), "Its former id: what was remembered under it still counts", "曾用标识,改名后沿用其记录"),
];

/// What rules have alone.
pub(in crate::config) static RULE: &[Key] = &[
    may("once", ScalarOr(&Bool, &Object(&ONCE)), "Once per record", "同一记录只执行一次"),
    may("cooldown", ScalarOr(&Duration, &Object(&COOLDOWN)), "At most once in this time per record", "同一记录的冷却时间"),
    may("limit", ScalarOr(&Text, &Object(&LIMIT)), "At most so often: `3 per day`, `3/24h`", "次数上限,如 `3 per day`、`3/24h`"),
    may(
        "debounce",
        ScalarOr(&Duration, &Object(&DEBOUNCE)),
        "Only when nothing more came for so long, with the last event",
        "防抖:静默这么久后才执行,取最后一次事件",
    ),
    may("group", ScalarOr(&Duration, &Object(&GROUP)), "Firings within this time become one", "合并这段时间内的多次触发"),
];

/// Quiet hours, or `false`.
pub(in crate::config) const QUIET: Shape = ScalarOr(&Bool, &Object(&HOURS));

/// Quiet hours.
pub(in crate::config) static HOURS: Keys = Keys {
    what: &("`quiet`", "`quiet`"),
    keys: &[&[
        must("from", Text, "They begin: `22:00`", "开始,如 `22:00`"),
        must("to", Text, "They end: `08:00`, also of the next day", "结束,如 `08:00`,可到次日"),
        may("zone", Zone, "Where; that of config.yaml unless said", "时区,默认为 config.yaml 的时区"),
    ]],
    one_of: &[],
    later: &["calendar", "days"],
};

static ACTIVE: Keys = Keys {
    what: &("`active`", "`active`"),
    keys: &[&[
        may("from", Text, "A date or time: not before", "开始日期或时间"),
        may("until", Text, "A date, itself included, or a time", "结束日期(含当日)或时间"),
    ]],
    one_of: &[],
    later: &[],
};

static ONCE: Keys = Keys {
    what: &("`once`", "`once`"),
    keys: &[&[must("rearm", Condition, "As soon as this holds for the record, it may fire again", "满足后可再次执行")]],
    one_of: &[],
    later: &["by"],
};

const BY: Key = may("by", Condition, "For whom, as an expression; the record unless said", "按什么分开计算(表达式),默认按记录");

static COOLDOWN: Keys = Keys {
    what: &("`cooldown`", "`cooldown`"),
    keys: &[&[must("for", Duration, "For how long", "时长"), BY]],
    one_of: &[],
    later: &[],
};

static LIMIT: Keys = Keys {
    what: &("`limit`", "`limit`"),
    keys: &[&[
        must("count", Count(1, crate::engine::gate::MOST_TIMES as i64), "How often", "次数"),
        must("per", Text, "`day`, `week`, `month`, …, or any `24h`", "`day`、`week`、`month` 等,或任意 `24h`"),
        BY,
    ]],
    one_of: &[],
    later: &[],
};

static DEBOUNCE: Keys = Keys {
    what: &("`debounce`", "`debounce`"),
    keys: &[&[
        must("wait", Duration, "So long after the last event", "最后一次事件后等待的时间"),
        may("max", Duration, "But at most so long after the first", "自第一次事件起最多等待的时间"),
        may("collect", Bool, "List what came in `event.collected`", "在 `event.collected` 中列出各次事件"),
        BY,
    ]],
    one_of: &[],
    later: &[],
};

static GROUP: Keys = Keys {
    what: &("`group`", "`group`"),
    keys: &[&[
        must("within", Duration, "So long after the first", "自第一次起的时间"),
        may("max", Count(2, 100), "Or as soon as there are so many; 100 unless said", "或达到这么多次,默认 100"),
        may("by", Condition, "What belongs together, as an expression; all unless said", "按什么合并(表达式),默认全部"),
    ]],
    one_of: &[],
    later: &[],
};
