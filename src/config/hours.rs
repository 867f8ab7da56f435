//! Opening hours, weekdays and days as `calendars:` writes them. Whether they make sense together is asked elsewhere.

use jiff::civil::Date;

use crate::engine::calendar::Interval;

/// `09:00-12:00`, `9:00 - 12:00`, `13:00-24:00`; also one that ends before it begins.
pub(super) fn interval(text: &str) -> Option<Interval> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (minute(from.trim())?, minute(to.trim())?);
    (from < 1_440).then_some(Interval { from, to })
}

/// The minute of the day.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |t: &str, digits: std::ops::RangeInclusive<usize>| {
        (digits.contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit())).then(|| t.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (number(hour, 1..=2)?, number(minute, 2..=2)?);
    (minute < 60 && hour * 60 + minute <= 1_440).then_some(hour * 60 + minute)
}

/// `2026-10-01` as it and itself, `2026-10-01..2026-10-07` as its two ends: texts in the form of dates, that there may not be.
pub(super) fn days(text: &str) -> Option<(&str, &str)> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let (first, last) = (first.trim(), last.trim());
    let formed = |t: &str| {
        t.len() == 10 && t.bytes().enumerate().all(|(n, b)| if n == 4 || n == 7 { b == b'-' } else { b.is_ascii_digit() })
    };
    (formed(first) && formed(last)).then_some((first, last))
}

/// A day that there is.
pub(super) fn date(text: &str) -> Option<Date> {
    text.parse().ok()
}

/// The days of the week that a word means, Monday 0: `mon`, `mon-fri`, `周一`, `周六-周日`; around Sunday too: `sat-mon`.
pub(super) fn weekdays(text: &str) -> Option<Vec<usize>> {
    let Some((first, last)) = text.split_once(['-', '至']) else { return Some(vec![weekday(text)?]) };
    let (first, last) = (weekday(first)?, weekday(last)?);
    let count = (last + 7 - first) % 7 + 1;
    Some((0..count).map(|n| (first + n) % 7).collect())
}

fn weekday(text: &str) -> Option<usize> {
    let english = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let chinese = ["一", "二", "三", "四", "五", "六", "日"];
    let text = text.trim();
    let day = text.strip_prefix('周').or_else(|| text.strip_prefix("星期")).map(|d| if d == "天" { "日" } else { d });
    english.iter().position(|d| *d == text).or_else(|| chinese.iter().position(|d| Some(*d) == day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads() {
        for (text, expect) in [
            ("09:00-12:00", Some((540, 720))),
            ("9:30 - 24:00", Some((570, 1_440))),
            ("22:00-06:00", Some((1_320, 360))),
            ("09:00", None),
            ("09:60-10:00", None),
            ("24:00-24:00", None),
            ("09:00-24:01", None),
            ("9-12", None),
            ("09：00-12：00", None),
        ] {
            assert_eq!(interval(text).map(|i| (i.from, i.to)), expect, "{text}");
        }
        assert_eq!(days("2026-02-30..2026-03-01"), Some(("2026-02-30", "2026-03-01")));
        assert_eq!((days("2026-2-3"), days("2026/02/03"), days("10-01")), (None, None, None));
        for (text, expect) in [
            ("mon-fri", Some(vec![0, 1, 2, 3, 4])),
            ("周一至周五", Some(vec![0, 1, 2, 3, 4])),
            ("sat-mon", Some(vec![5, 6, 0])),
            ("星期天", Some(vec![6])),
            ("Mon", None),
            ("周八", None),
        ] {
            assert_eq!(weekdays(text), expect, "{text}");
        }
    }
}
