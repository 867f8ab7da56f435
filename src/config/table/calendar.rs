//! The grammar of `calendars:`.

use super::super::grammar::Shape::{Count, Days, Hours, List, ListOr, Map, Name, OneOrMore, ScalarOr, Text, Zone};
use super::super::grammar::{Keys, Shape, may};

/// Intervals of Monday to Friday, or by weekday.
const WEEK: Shape = ScalarOr(&Hours, &ListOr(&Hours, &Map(&OneOrMore(&Hours))));

/// Days with the hours of an ordinary day; or by day, with hours or with the weekday whose hours they have.
const WORK: Shape = ScalarOr(&Days, &ListOr(&Days, &Map(&ScalarOr(&Name, &List(&Hours)))));

pub(in crate::config) static CALENDAR: Keys = Keys {
    what: &("a calendar", "工作日历"),
    keys: &[&[
        may("title", Text, "For people", "显示名称"),
        may(
            "zone",
            Zone,
            "Where its hours are told; that of the base or of config.yaml unless said",
            "时区,默认与 `base` 或 config.yaml 相同",
        ),
        may(
            "base",
            Name,
            "The calendar that all is taken from that is not said here: `CN`",
            "以哪个日历为基础,未写明的都沿用它:`CN`",
        ),
        may(
            "hours",
            WEEK,
            "Of Monday to Friday, or by weekday: `mon-fri`, `sat`",
            "周一至周五的工作时间,或按星期:`周一-周五`、`周六`",
        ),
        may("off", OneOrMore(&Days), "Days off", "休息日"),
        may("work", WORK, "Make-up workdays, and days with hours of their own", "调休上班日,以及工作时间特殊的日期"),
        may("years", OneOrMore(&Count(1970, 2200)), "The years whose holidays are all in it", "哪些年份的节假日已完整列出"),
    ]],
    one_of: &[],
    later: &[],
};
