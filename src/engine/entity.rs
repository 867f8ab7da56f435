//! Entities: the kinds of records and the types of their fields. Brings what sources tell into the one form we keep.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::value::Value;

/// A kind of record.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Entity {
    /// For people.
    pub title: Option<String>,
    /// The field that identifies a record.
    pub key: String,
    /// By name.
    pub fields: BTreeMap<String, Field>,
    /// The field that says whether marketing mail is wanted; none: it need not be said.
    pub consent: Option<String>,
}

/// One field.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// What it holds.
    pub kind: FieldKind,
    /// Who may set it.
    pub from: From,
    /// It says that somebody does not want something: where records are merged, `true` wins.
    pub opt_out: bool,
}

/// Who may set a field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum From {
    /// Any source, by three-way merge, and our rules.
    #[default]
    Anyone,
    /// Only our rules and people: `from: ifthen`.
    Ifthen,
    /// Only this source, and our rules.
    Source(String),
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldKind {
    /// Text, trimmed.
    Text,
    /// A phone number in E.164; numbers without country code are read as this country's (`CN`).
    Phone(String),
    /// A mail address, lower case.
    Email,
    /// One of these words.
    Choice(Vec<String>),
    /// A decimal.
    Number,
    /// A decimal with money's meaning; `¥1,234.50` is read.
    Money,
    /// A decimal share: `0.22`; `22%` is read as that.
    Percent,
    /// True or false.
    Boolean,
    /// An instant; text without zone is in the zone of the definitions.
    Time,
    /// A day, kept as text `2026-09-21`.
    Date,
    /// A person's id.
    Person,
    /// Another record's id, of this entity.
    Ref(String),
    /// A list of texts.
    List,
    /// Anything, kept as it came.
    Any,
}

/// Why a value is not what its field holds; the message goes behind "field `x`: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{expected} expected, not {found}")]
pub struct Mismatch {
    /// What would do, with an example.
    pub expected: String,
    /// What was told, shortened.
    pub found: String,
}

/// Brings a value into the form a field keeps: trimmed, full width to half, phones to E.164, money to decimals.
/// Empty text is null for every kind: a form that sends `""` says nothing is there.
pub fn normalise(kind: &FieldKind, value: Value, zone: &TimeZone) -> Result<Value, Mismatch> {
    let value = match value {
        Value::Text(t) if t.trim().is_empty() => Value::Null,
        other => other,
    };
    if value == Value::Null || *kind == FieldKind::Any {
        return Ok(value);
    }
    let wrong = |expected: &str| Mismatch { expected: expected.into(), found: found(&value) };
    Ok(match kind {
        FieldKind::Any => value,
        FieldKind::Text => Value::Text(scalar(&value).ok_or_else(|| wrong("text"))?),
        FieldKind::Person | FieldKind::Ref(_) => Value::Text(scalar(&value).ok_or_else(|| wrong("an id"))?),
        FieldKind::Phone(country) => {
            let t = scalar(&value).ok_or_else(|| wrong("a phone number such as 13800138000"))?;
            Value::Text(phone(&t, country).ok_or_else(|| wrong("a phone number such as 13800138000"))?)
        }
        FieldKind::Email => {
            let t = scalar(&value).map(|t| half_width(&t).to_lowercase()).filter(|t| is_email(t));
            Value::Text(t.ok_or_else(|| wrong("a mail address such as zhang@example.com"))?)
        }
        FieldKind::Choice(of) => {
            let t = scalar(&value).filter(|t| of.iter().any(|c| c == t));
            Value::Text(t.ok_or_else(|| wrong(&format!("one of {}", of.join(", "))))?)
        }
        FieldKind::Number => Value::Number(number(&value).ok_or_else(|| wrong("a number such as 1234.5"))?),
        FieldKind::Money => Value::Number(number(&value).ok_or_else(|| wrong("an amount such as 1234.50"))?),
        FieldKind::Percent => Value::Number(percent(&value).ok_or_else(|| wrong("a share such as 0.22 or 22%"))?),
        FieldKind::Boolean => Value::Bool(boolean(&value).ok_or_else(|| wrong("true or false"))?),
        FieldKind::Time => {
            Value::Time(time(&value, zone).ok_or_else(|| wrong("a time such as 2026-09-21T09:00:00+08:00 or 2026-09-21 09:00"))?)
        }
        FieldKind::Date => {
            let day = time(&value, zone).map(|t| t.to_zoned(zone.clone()).date().to_string());
            Value::Text(day.ok_or_else(|| wrong("a day such as 2026-09-21"))?)
        }
        FieldKind::List => match value {
            Value::List(_) => value,
            Value::Text(_) | Value::Number(_) => Value::List(vec![value]),
            _ => return Err(wrong("a list")),
        },
    })
}

fn found(value: &Value) -> String {
    let text = value.to_string();
    let short: String = text.chars().take(40).collect();
    match value {
        Value::Text(_) if short.len() < text.len() => format!("`{short}…`"),
        Value::Text(_) => format!("`{short}`"),
        other => format!("{} ({short})", other.kind()),
    }
}

/// Text and numbers as trimmed text; a CRM's ids come as either.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Text(t) => Some(t.trim_matches(|c: char| c.is_whitespace() || c == '\u{3000}').to_owned()),
        Value::Number(n) => Some(n.normalize().to_string()),
        _ => None,
    }
}

/// Full-width digits, letters and signs to their half-width form.
pub(super) fn half_width(text: &str) -> String {
    text.trim()
        .chars()
        .map(|c| match c {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
            '\u{3000}' => ' ',
            other => other,
        })
        .collect()
}

fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(n) => Some(*n),
        Value::Text(t) => {
            let t = half_width(t);
            let t = t.trim_start_matches(['¥', '￥', '$', '€']).trim();
            if !t.chars().all(|c| c.is_ascii_digit() || "+-.,".contains(c)) || !grouped(t) {
                return None;
            }
            t.replace(',', "").parse().ok()
        }
        _ => None,
    }
}

/// Whether commas, if any, stand between thousands: `1,234.50`, but not `1.234,50` or `12,50`, which mean something else elsewhere.
fn grouped(text: &str) -> bool {
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    let digits = whole.trim_start_matches(['+', '-']);
    let mut groups = digits.split(',');
    let first = groups.next().unwrap_or_default();
    let rest: Vec<&str> = groups.collect();
    let fraction = text.len() > whole.len() && text[whole.len()..].contains(',');
    !fraction && (rest.is_empty() || (1..=3).contains(&first.len()) && rest.iter().all(|g| g.len() == 3))
}

fn percent(value: &Value) -> Option<Decimal> {
    match value {
        Value::Text(t) => match half_width(t).strip_suffix('%') {
            Some(share) => share.trim().parse::<Decimal>().ok()?.checked_div(Decimal::ONE_HUNDRED),
            None => number(value),
        },
        _ => number(value),
    }
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(b) => Some(*b),
        Value::Number(n) if *n == Decimal::ONE => Some(true),
        Value::Number(n) if n.is_zero() => Some(false),
        Value::Text(t) => match half_width(t).to_lowercase().as_str() {
            "true" | "yes" | "y" | "1" | "on" | "是" | "有" => Some(true),
            "false" | "no" | "n" | "0" | "off" | "否" | "无" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A time from what a program may send: RFC 3339, `2026-09-21 09:00[:00]` or a day in the zone, Unix seconds or milliseconds.
pub fn time(value: &Value, zone: &TimeZone) -> Option<Timestamp> {
    match value {
        Value::Time(t) => Some(*t),
        Value::Number(n) => {
            let n = i64::try_from(n.trunc()).ok()?;
            // 20260921 is a day, not a second of 1970.
            if (19_000_101..=21_001_231).contains(&n) {
                return time(&Value::Text(format!("{:04}-{:02}-{:02}", n / 10_000, n / 100 % 100, n % 100)), zone);
            }
            // 100 billion seconds is the year 5138, 100 billion milliseconds is 1973.
            if n.abs() < 100_000_000_000 { Timestamp::from_second(n).ok() } else { Timestamp::from_millisecond(n).ok() }
        }
        Value::Text(t) => {
            let t = t.trim().replace('/', "-");
            if let Ok(instant) = t.parse::<Timestamp>() {
                return Some(instant);
            }
            if t.starts_with("9999-12-31") {
                return Some(Timestamp::MAX); // how many programs write "never"
            }
            // A form sends Unix times as text; so many digits are no written date (20260921, 20260921090000).
            if matches!(t.len(), 10 | 13) && t.bytes().all(|b| b.is_ascii_digit()) {
                return time(&Value::Number(t.parse().ok()?), zone);
            }
            let civil = t.parse::<civil::DateTime>().or_else(|_| t.parse::<civil::Date>().map(|d| d.at(0, 0, 0, 0))).ok()?;
            Some(zone.to_ambiguous_zoned(civil).compatible().ok()?.timestamp())
        }
        _ => None,
    }
}

/// A phone number in E.164, or `None` if it cannot be one.
pub fn phone(text: &str, country: &str) -> Option<String> {
    let half = half_width(text);
    let international = half.starts_with('+') || half.starts_with("00");
    let digits: String = half.chars().filter(char::is_ascii_digit).collect();
    if half.chars().any(|c| !(c.is_ascii_digit() || " +-().".contains(c))) {
        return None;
    }
    let digits = digits.strip_prefix("00").filter(|_| half.starts_with("00")).unwrap_or(&digits);
    let full = if international {
        // `+86 0138…`: the 0 is only for calls within the country.
        match digits.strip_prefix("860") {
            Some(national) => format!("86{national}"),
            None => digits.to_owned(),
        }
    } else if country == "CN" {
        let national = digits.strip_prefix("86").filter(|d| d.len() == 11).unwrap_or(digits);
        let national = national.strip_prefix('0').unwrap_or(national);
        let mobile = national.len() == 11 && national.starts_with('1');
        let landline = (9..=12).contains(&national.len()) && !national.starts_with(['0', '1'])
            || national.starts_with("10") && national.len() == 10;
        if !mobile && !landline {
            return None;
        }
        format!("86{national}")
    } else {
        digits.to_owned()
    };
    (8..=15).contains(&full.len()).then(|| format!("+{full}"))
}

/// One `@`, something on both sides, no blanks, controls or brackets: enough to refuse what is no address.
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let plain = |t: &str| !t.is_empty() && !t.chars().any(|c| c.is_whitespace() || c.is_control() || "<>(),;:\"[]@".contains(c));
    plain(local) && plain(domain) && text.len() <= 254 && !domain.starts_with('.') && !domain.ends_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: FieldKind, input: impl Into<Value>, expect: &str) {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let got = match normalise(&kind, input.into(), &zone) {
            Ok(v) => serde_json::to_string(&v.plain()).unwrap(),
            Err(e) => e.to_string(),
        };
        assert_eq!(got, expect);
    }

    #[test]
    fn normalises_what_chinese_forms_send() {
        let cn = || FieldKind::Phone("CN".into());
        check(cn(), "138 0013-8000", r#""+8613800138000""#);
        check(cn(), "013800138001", r#""+8613800138001""#);
        check(cn(), "１３８００１３８０００", r#""+8613800138000""#);
        check(cn(), 13_800_138_000i64, r#""+8613800138000""#);
        check(cn(), "+86 138 0013 8000", r#""+8613800138000""#);
        check(cn(), "021-62345678", r#""+862162345678""#);
        check(cn(), "010-62345678", r#""+861062345678""#);
        check(cn(), "12345", "a phone number such as 13800138000 expected, not `12345`");
        check(FieldKind::Email, " LiuYang@Example.COM ", r#""liuyang@example.com""#);
        check(FieldKind::Email, "foo@", "a mail address such as zhang@example.com expected, not `foo@`");
        check(FieldKind::Text, "　刘洋 ", r#""刘洋""#);
        check(FieldKind::Money, "￥1,234.50", "1234.50");
        for (foreign, shown) in
            [("1.234,50", "1.234,50"), ("12,50", "12,50"), ("1_000", "1_000"), ("1 2 3", "1 2 3"), ("1,2345", "1,2345")]
        {
            check(FieldKind::Money, foreign, &format!("an amount such as 1234.50 expected, not `{shown}`"));
        }
        check(FieldKind::Money, "-1,234,567", "-1234567");
        check(FieldKind::Date, 20_260_921i64, r#""2026-09-21""#);
        check(FieldKind::Time, "9999-12-31T23:59:59Z", r#""9999-12-30T22:00:00.999999999Z""#);
        check(cn(), "+86 013800138000", r#""+8613800138000""#);
        check(FieldKind::Percent, "22%", "0.22");
        check(FieldKind::Boolean, "是", "true");
        check(FieldKind::Time, "2026-09-21 09:00", r#""2026-09-21T01:00:00Z""#);
        check(FieldKind::Time, "2026/09/21", r#""2026-09-20T16:00:00Z""#);
        check(FieldKind::Time, 1_790_000_000i64, r#""2026-09-21T14:13:20Z""#);
        check(FieldKind::Time, "1790000000000", r#""2026-09-21T14:13:20Z""#);
        check(FieldKind::Date, "2026-09-21T20:00:00Z", r#""2026-09-22""#);
        check(FieldKind::Choice(vec!["A".into()]), "B", "one of A expected, not `B`");
        check(FieldKind::Number, "", "null");
    }
}
