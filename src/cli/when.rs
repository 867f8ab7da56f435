//! Times as people write and read them: `2h` ago, `09:00` today, `2026-11-21T09:00` in the configured zone.

use anyhow::bail;
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

use super::phrase::Speech;
use super::words::Words as _;
use crate::engine::value::Value;
use crate::engine::{duration, entity};

/// What `--since` means: so long before now, a time of today, or a moment.
pub(crate) fn since(text: &str, now: Timestamp, speech: &Speech) -> anyhow::Result<Timestamp> {
    let zone = &speech.zone;
    if let Some(ago) = duration::parse(text) {
        return Ok(now.checked_sub(ago)?);
    }
    // jiff reads the time out of a whole date, too.
    if let Some(time) = text.parse::<civil::Time>().ok().filter(|_| text.contains(':') && !text.contains('-')) {
        let today = now.to_zoned(zone.clone()).date().to_datetime(time);
        return Ok(zone.to_ambiguous_zoned(today).compatible()?.timestamp());
    }
    match entity::time(&Value::from(text), zone) {
        Some(at) => Ok(at),
        None => bail!(speech.lang.pick(
            format!("`{text}` is no time: write 2h, 30m, 09:00, 2026-11-21 or 2026-11-21T09:00"),
            format!("`{text}` 不是时间:可写 2h、30m、09:00、2026-11-21 或 2026-11-21T09:00"),
        )),
    }
}

/// A moment on a line: `09-21 14:03:22`.
pub(crate) fn short(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%m-%d %H:%M:%S").to_string()
}

/// A moment to the minute: `09-21 14:03`.
pub(crate) fn minute(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%m-%d %H:%M").to_string()
}

/// A moment beside another: the time alone on the same day, the year as well in another one.
pub(crate) fn beside(at: Timestamp, other: Timestamp, zone: &TimeZone) -> String {
    let (at, other) = (at.to_zoned(zone.clone()), other.to_zoned(zone.clone()));
    let form = if at.date() == other.date() {
        "%H:%M:%S"
    } else if at.year() == other.year() {
        "%m-%d %H:%M"
    } else {
        "%Y-%m-%d %H:%M"
    };
    at.strftime(form).to_string()
}

/// A moment in full: `2026-09-21 14:03:22`.
pub(crate) fn full(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::words::Lang;

    #[test]
    fn since_takes_what_people_write() {
        let speech = |lang| Speech { lang, zone: TimeZone::get("Asia/Shanghai").unwrap() };
        let now = "2026-11-21T06:30:00Z".parse().unwrap();
        for (text, expect) in [
            ("2h", "2026-11-21T04:30:00Z"),
            ("1h30m", "2026-11-21T05:00:00Z"),
            ("09:00", "2026-11-21T01:00:00Z"),
            ("2026-11-21T09:00", "2026-11-21T01:00:00Z"),
            ("2026-11-20 09:00", "2026-11-20T01:00:00Z"),
            ("2026-11-20", "2026-11-19T16:00:00Z"),
            ("2026-11-20T09:00:00Z", "2026-11-20T09:00:00Z"),
        ] {
            assert_eq!(since(text, now, &speech(Lang::En)).unwrap().to_string(), expect, "{text}");
        }
        let refused = |text, lang| since(text, now, &speech(lang)).unwrap_err().to_string();
        assert!(refused("yesterday", Lang::En).starts_with("`yesterday` is no time: write 2h"));
        assert!(refused("2026-02-30", Lang::Zh).starts_with("`2026-02-30` 不是时间"));
    }
}
