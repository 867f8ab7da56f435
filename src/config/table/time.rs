//! The grammar of triggers that are driven by time.

use super::super::grammar::Shape::{Condition, Duration, Keys as Object, Name, OneOrMore, ScalarOr, Span, Text, With, Zone};
use super::super::grammar::{Key, Keys, Shape, may, must};

/// An event's name, a change, a time, or a list of those.
pub(super) const WHEN: Shape = OneOrMore(&ScalarOr(
    &Name,
    &With(
        &["cron"],
        &Object(&CRON),
        &With(
            &["every"],
            &Object(&EVERY),
            &With(&["at"], &Object(&AT), &With(&["record", "while", "for"], &Object(&HELD), &OTHER)),
        ),
    ),
));

/// Something that ages out of a window, or a change.
const OTHER: Shape = With(&["aged"], &Object(&super::window::AGED), &Object(&super::CHANGED));

pub(super) static HELD: Keys = Keys {
    what: &("a trigger", "触发条件"),
    keys: &[&[
        must("record", Name, "The entity", "实体"),
        must("while", Condition, "What must hold all the time", "须一直成立的条件"),
        must("for", Span, "For how long: `24h`, `3 months`, `8 working hours`", "持续多久:`24h`、`3 months`、`8 working hours`"),
        may("since", OneOrMore(&Name), "Counted from the latest of these time fields", "从这些时间字段中最晚的一个算起"),
    ]],
    one_of: &[],
    later: &["event", "group"],
};

pub(super) static AT: Keys = Keys {
    what: &("a trigger", "触发条件"),
    keys: &[&[
        must("record", Name, "The entity", "实体"),
        must("at", Name, "The time field", "时间字段"),
        may("offset", Text, "Before or after it: `-1d`, `+2h`, `-2 working days`", "提前或推后:`-1d`、`+2h`、`-2 working days`"),
    ]],
    one_of: &[],
    later: &["event"],
};

/// What `cron` and `every` share.
static TICKING: &[Key] = &[
    may("zone", Zone, "On the wall of which zone; config.yaml's unless said", "时区,默认同 config.yaml"),
    may("each", ScalarOr(&Name, &Object(&EACH)), "For every record of an entity", "对该实体的每条记录"),
    may(
        "missed",
        Text,
        "Ticks that passed meanwhile: `skip`, `latest` (unless said), `all`; `latest within 1d`",
        "错过的时刻:`skip`、`latest`(默认)、`all`;可写 `latest within 1d`",
    ),
];

pub(super) static CRON: Keys = Keys {
    what: &("a trigger", "触发条件"),
    keys: &[&[must("cron", Text, "Five fields, POSIX weekdays, or `@daily`", "五段 cron 表达式,或 `@daily`")], TICKING],
    one_of: &[],
    later: &[],
};

pub(super) static EVERY: Keys = Keys {
    what: &("a trigger", "触发条件"),
    keys: &[&[must("every", Duration, "How often, counted from midnight", "间隔,从零点算起")], TICKING],
    one_of: &[],
    later: &[],
};

static EACH: Keys = Keys {
    what: &("`each`", "`each`"),
    keys: &[&[
        must("record", Name, "The entity", "实体"),
        may("if", Condition, "Only those for which it holds", "只限条件成立的记录"),
    ]],
    one_of: &[],
    later: &[],
};

pub(super) static WARN: Keys = Keys {
    what: &("`warn`", "`warn`"),
    keys: &[&[
        must("before", Span, "How long before the time is over", "提前多久"),
        must("then", Shape::List(&super::ACTION), "Done then", "届时执行"),
    ]],
    one_of: &[],
    later: &[],
};
