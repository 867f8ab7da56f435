//! Scalars: YAML 1.2's core values with the traps left out, durations, rates. Shared by what validates and what compiles.

use jiff::SignedDuration;
use rust_decimal::Decimal;

use super::tree::{Kind, Node, Style};
use crate::engine::definition::Rate;
use crate::engine::duration;
use crate::engine::value::{Map, Value};

/// The value of a node as it stands. `true`, `false`, `null` and decimals are what they look like; everything else is text, `no`,
/// `on`, `013800138000` and `1_000` too, and so is whatever is quoted.
pub(super) fn value(node: &Node) -> Value {
    match &node.kind {
        Kind::Scalar(text, Style::Plain) => core(text),
        Kind::Scalar(text, _) => Value::Text(text.clone()),
        Kind::Seq(items) => Value::List(items.iter().map(value).collect()),
        Kind::Map(entries) => Value::Map(entries.iter().map(|e| (e.key.clone(), value(&e.value))).collect::<Map>()),
        Kind::Empty | Kind::Broken => Value::Null,
    }
}

/// A plain scalar.
pub(super) fn core(text: &str) -> Value {
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "null" | "~" => Value::Null,
        _ => decimal(text).map_or_else(|| text.into(), Value::Number),
    }
}

/// A decimal as JSON writes it: no leading zeros, plus signs, underscores or exponents; exact, or it is text.
fn decimal(text: &str) -> Option<Decimal> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, rest) = digits.split_once('.').map_or((digits, None), |(w, r)| (w, Some(r)));
    let all = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    if !all(whole) || whole.len() > 1 && whole.starts_with('0') || rest.is_some_and(|r| !all(r)) {
        return None;
    }
    Decimal::from_str_exact(text).ok()
}

pub(super) fn boolean(node: &Node) -> Option<bool> {
    match &node.kind {
        Kind::Scalar(text, Style::Plain | Style::Resolved) => text.parse().ok(),
        _ => None,
    }
}

pub(super) fn count(node: &Node) -> Option<i64> {
    match &node.kind {
        Kind::Scalar(text, Style::Plain | Style::Resolved) => i64::try_from(decimal(text).filter(Decimal::is_integer)?).ok(),
        _ => None,
    }
}

pub(super) fn duration(node: &Node) -> Option<SignedDuration> {
    duration::parse(node.text()?)
}

/// `20/1m`
pub(super) fn rate(node: &Node) -> Option<Rate> {
    let (count, per) = node.text()?.split_once('/')?;
    let rate = Rate { count: count.trim().parse().ok()?, per: duration::parse(per)? };
    (rate.count > 0 && rate.per > SignedDuration::ZERO).then_some(rate)
}

/// Bytes: `500MB`, `20GB`; thousands of thousands.
pub(super) fn size(node: &Node) -> Option<u64> {
    let text = node.text()?;
    let (count, factor) = [("KB", 3), ("MB", 6), ("GB", 9), ("TB", 12)]
        .into_iter()
        .find_map(|(unit, zeros)| Some((text.strip_suffix(unit)?, 10_u64.pow(zeros))))?;
    count.trim_end().parse::<u64>().ok()?.checked_mul(factor)
}

/// The nearest of some words, if one is near enough to be what was meant.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let lower = word.to_lowercase();
    let limit = match lower.chars().count() {
        0..=1 => 0,
        2..=4 => 1,
        5..=7 => 2,
        _ => 3,
    };
    known
        .into_iter()
        .filter(|k| *k != word)
        .map(|k| (distance(&lower, &k.to_lowercase()), k))
        .filter(|(d, _)| *d <= limit)
        .min()
        .map(|(_, k)| k.to_owned())
}

/// How many characters must be put in, left out, replaced or swapped with their neighbour. Words beyond 64 characters are too far.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > 3 || a.len() > 64 || b.len() > 64 {
        return usize::MAX;
    }
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_what_they_look_like() {
        for text in [
            "no",
            "yes",
            "on",
            "off",
            "y",
            "N",
            "True",
            "NULL",
            "08",
            "013800138000",
            "1_000",
            "0x1F",
            "1e3",
            "+1",
            ".5",
            "5.",
            "12:30",
            "2026-09-21",
            "-",
        ] {
            assert_eq!(core(text), Value::from(text), "{text}");
        }
        assert_eq!(core("true"), Value::Bool(true));
        assert_eq!(core("null"), Value::Null);
        assert_eq!(core("-0.10"), Value::Number("-0.10".parse().unwrap()));
        assert_eq!(core("9007199254740993"), Value::Number(9_007_199_254_740_993i64.into()));
        // More digits than a decimal holds: never rounded silently.
        assert!(core("12345678901234567890123456789012345").as_text().is_some());
    }

    #[test]
    fn near_words() {
        for (word, expect) in
            [("amout", Some("amount")), ("tehn", Some("then")), ("xyz", None), ("金额", None), ("客户等及", Some("客户等级"))]
        {
            assert_eq!(nearest(word, ["amount", "then", "客户等级", "name"]).as_deref(), expect, "{word}");
        }
    }
}
