//! Lengths of time: read as they are meant, written back to the same, added without overflow and taken away again.

use std::sync::{Arc, LazyLock};

use ifthen::engine::calendar::Calendar;
use ifthen::engine::duration;
use ifthen::engine::span::Span;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::definitions;
use crate::feed::Feed;

const LONGEST: i128 = 100 * 366 * 86_400;
const ZONES: [&str; 5] = ["Asia/Shanghai", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "UTC"];

/// The first five bytes are an instant and a zone, the rest is the text.
pub(super) fn run(data: &[u8]) {
    let mut feed = Feed::new(data);
    // 2000 to 2136.
    let from = Timestamp::from_second(946_684_800 + i64::from(feed.number())).unwrap();
    let zone = TimeZone::get(feed.pick(&ZONES)).unwrap();
    let text = super::text(feed.rest()).into_owned();
    let read = duration::parse(&text);
    assert_eq!(read.map(|d| i128::from(d.as_secs())), meant(&text), "{text:?}");
    if let Some(read) = read {
        let written = duration::text(read);
        assert_eq!(duration::parse(&written), Some(read), "{text:?} is written {written:?}");
    }
    let Some(span) = Span::parse(&text) else { return };
    let written = span.to_string();
    assert_eq!(Span::parse(&written), Some(span), "{text:?} is written {written:?}");
    if let (Some(read), Some(exact)) = (read, span.exact()) {
        assert_eq!(read, exact, "{text:?}");
    }
    reckon(span, from, &zone);
}

/// `1h30m` and nothing else, at most 100 years.
fn meant(text: &str) -> Option<i128> {
    let (mut sum, mut number, mut digits) = (0_i128, 0_i128, 0);
    let mut parts = 0;
    for c in text.trim().chars() {
        match c {
            '0'..='9' => {
                number = (number * 10 + i128::from(u32::from(c) - 48)).min(LONGEST + 1);
                digits += 1;
            }
            // Between two parts.
            c if c.is_whitespace() && digits == 0 && parts > 0 => {}
            c if digits > 0 => {
                let factor = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400), ('w', 604_800)];
                sum += number * factor.iter().find(|(unit, _)| *unit == c)?.1;
                (number, digits, parts) = (0, 0, parts + 1);
            }
            _ => return None,
        }
    }
    (parts > 0 && digits == 0 && sum <= LONGEST).then_some(sum)
}

fn reckon(span: Span, from: Timestamp, zone: &TimeZone) {
    static CALENDAR: LazyLock<Arc<Calendar>> = LazyLock::new(|| definitions::usual().calendars["CN"].clone());
    let calendar = Some(&**CALENDAR);
    let after = span.after(from, zone, calendar);
    if let Some(after) = after {
        assert!(after >= from, "{span} after {from} is {after}");
        if span.is_zero() {
            assert_eq!(after, from, "{span}");
        }
    }
    let before = span.before(from, zone, calendar);
    if let Some(before) = before {
        assert!(before <= from, "{span} before {from} is {before}");
    }
    match span {
        Span::Plain { months: 0, days: 0, seconds } => {
            let by = SignedDuration::from_secs(i64::try_from(seconds).unwrap());
            assert_eq!(after, from.checked_add(by).ok(), "{span}");
            let back = after.and_then(|t| span.before(t, zone, calendar));
            assert!(after.is_none() || back == Some(from), "{span} there and back: {from} {back:?}");
        }
        Span::Working { days: 0, minutes } => {
            let worked = after.and_then(|after| CALENDAR.between(from, after));
            let by = SignedDuration::from_mins(i64::try_from(minutes).unwrap());
            assert!(after.is_none() || worked == Some(by), "{span} from {from} to {after:?} are {worked:?}");
        }
        _ => {}
    }
}
