//! Durations as YAML writes them: `90s`, `15m`, `24h`, `5d`, `2w`. A day is 24 hours here; calendars count their own.

use jiff::SignedDuration;

/// Reads `90s 15m 24h 5d 2w` and sums such as `1h30m`; nothing else, nothing negative, at most 100 years.
pub fn parse(text: &str) -> Option<SignedDuration> {
    let mut seconds = 0i64;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|n| *n > 0)?;
        let number: i64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].chars().next()?;
        let factor = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 7 * 86_400,
            _ => return None,
        };
        seconds = seconds.checked_add(number.checked_mul(factor)?)?;
        rest = rest[digits + 1..].trim_start();
    }
    (seconds <= 100 * 366 * 86_400).then(|| SignedDuration::from_secs(seconds))
}

/// The shortest text that [`parse`] reads back.
pub fn text(duration: SignedDuration) -> String {
    let mut left = duration.as_secs().max(0);
    let mut out = String::new();
    for (unit, size) in [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)] {
        if left >= size {
            out.push_str(&format!("{}{unit}", left / size));
            left %= size;
        }
    }
    if out.is_empty() { "0s".into() } else { out }
}

/// Serde form of a duration: the text.
pub mod as_text {
    use super::{SignedDuration, parse, text};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes the text.
    pub fn serialize<S: Serializer>(d: &SignedDuration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&text(*d))
    }
    /// Reads the text.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<SignedDuration, D::Error> {
        let t = String::deserialize(d)?;
        parse(&t).ok_or_else(|| D::Error::custom(format_args!("not a duration: {t}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for (input, seconds) in [
            ("90s", Some(90)),
            ("15m", Some(900)),
            ("1h30m", Some(5_400)),
            ("2d", Some(172_800)),
            ("2w", Some(1_209_600)),
            ("", None),
            ("d", None),
            ("3x", None),
            ("-1d", None),
            ("9999999999w", None),
        ] {
            assert_eq!(parse(input).map(|d| d.as_secs()), seconds, "{input}");
        }
        assert_eq!(text(parse("1h30m").unwrap()), "1h30m");
        assert_eq!(text(parse("2w").unwrap()), "14d");
    }
}
