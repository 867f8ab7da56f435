//! Values as people read them on a page, and as they write them into a form.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde::Serialize;

use super::words::Lang;
use crate::engine::definition::{Definitions, FormField};
use crate::engine::entity::FieldKind;
use crate::engine::value::{Map, Value};

/// Characters of one value that are shown.
const LONGEST: usize = 2_000;

/// A name and what belongs to it.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) value: String,
    /// It is an address.
    pub(super) link: Option<String>,
}

impl Row {
    pub(super) fn new(name: &str, value: impl Into<String>) -> Self {
        Self { name: name.to_owned(), value: value.into(), link: None }
    }
}

/// A field of a record.
pub(super) fn row(name: &str, kind: Option<&FieldKind>, value: &Value, definitions: &Definitions, lang: Lang) -> Row {
    let link = value.as_text().and_then(address).map(str::to_owned);
    Row { name: name.to_owned(), value: shown(kind, value, definitions, lang), link }
}

/// The text, if it is an address of the web: anything else must not become a link.
pub(super) fn address(text: &str) -> Option<&str> {
    let text = text.trim();
    let parsed = url::Url::parse(text).ok()?;
    (matches!(parsed.scheme(), "http" | "https") && parsed.has_host()).then_some(text)
}

/// A value in its field's own form.
pub(super) fn shown(kind: Option<&FieldKind>, value: &Value, definitions: &Definitions, lang: Lang) -> String {
    let text = match (kind, value) {
        (Some(FieldKind::Percent), Value::Number(n)) => percent(*n).map_or_else(|| n.to_string(), |n| format!("{n}%")),
        (Some(FieldKind::Money), Value::Number(n)) => grouped(*n),
        (Some(FieldKind::Person), Value::Text(id)) => name(id, definitions).to_owned(),
        (_, Value::Bool(yes)) => if *yes { lang.pick("是", "yes") } else { lang.pick("否", "no") }.to_owned(),
        (_, Value::Number(n)) => n.normalize().to_string(),
        (_, Value::Time(at)) => time(*at, &definitions.zone.0),
        (_, Value::List(items)) if items.iter().all(|i| !matches!(i, Value::Map(_) | Value::List(_))) => {
            items.iter().map(|i| shown(None, i, definitions, lang)).collect::<Vec<_>>().join(lang.pick("、", ", "))
        }
        (_, other) => other.to_string(),
    };
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// A moment: `2026-09-21 14:03`.
pub(super) fn time(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// A person's name; their id where nobody of that id is known any more.
pub(super) fn name<'a>(id: &'a str, definitions: &'a Definitions) -> &'a str {
    definitions.people.get(id).map(|p| p.name.as_str()).filter(|n| !n.is_empty()).unwrap_or(id)
}

fn percent(share: Decimal) -> Option<Decimal> {
    share.checked_mul(Decimal::ONE_HUNDRED).map(|n| n.normalize())
}

/// With commas between thousands; cents as they are.
fn grouped(amount: Decimal) -> String {
    let text = amount.to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let (whole, cents) = digits.split_once('.').map_or((digits, None), |(w, c)| (w, Some(c)));
    let mut out = String::from(sign);
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && (whole.len() - n) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    cents.map_or(out.clone(), |cents| format!("{out}.{cents}"))
}

/// A question of a form, as the page asks it.
#[derive(Debug, Serialize)]
pub(super) struct Question {
    name: String,
    label: String,
    required: bool,
    /// The `type` of an `input`; or `choice`, `lines`, `percent`.
    shape: &'static str,
    /// Which keyboard a phone shows.
    mode: Option<&'static str>,
    value: String,
    options: Vec<Choice>,
}

/// One of several.
#[derive(Debug, Serialize, Clone)]
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) name: String,
}

/// A question with what was answered already, or what the record says now.
pub(super) fn question(field: &FormField, now: &Value, given: Option<&str>, definitions: &Definitions, lang: Lang) -> Question {
    let same = |of: &[String]| of.iter().map(|o| Choice { value: o.clone(), name: o.clone() }).collect();
    let (shape, mode, options) = match &field.kind {
        FieldKind::Choice(of) => ("choice", None, same(of)),
        FieldKind::Boolean => {
            let option = |value: &str, name: &str| Choice { value: value.into(), name: name.into() };
            ("choice", None, vec![option("true", lang.pick("是", "yes")), option("false", lang.pick("否", "no"))])
        }
        FieldKind::Person => ("choice", None, people(definitions, &[])),
        FieldKind::Number | FieldKind::Money => ("text", Some("decimal"), Vec::new()),
        FieldKind::Percent => ("percent", None, Vec::new()),
        FieldKind::Date => ("date", None, Vec::new()),
        FieldKind::Time => ("datetime-local", None, Vec::new()),
        FieldKind::Email => ("email", None, Vec::new()),
        FieldKind::Phone(_) => ("tel", None, Vec::new()),
        FieldKind::Text | FieldKind::List | FieldKind::Any => ("lines", None, Vec::new()),
        FieldKind::Ref(_) => ("text", None, Vec::new()),
    };
    let value = given.map_or_else(|| filled(&field.kind, now, &definitions.zone.0), str::to_owned);
    let label = if field.label.is_empty() { field.name.clone() } else { field.label.clone() };
    Question { name: field.name.clone(), label, required: field.required, shape, mode, value, options }
}

/// Everyone who can be asked, but for these.
pub(super) fn people(definitions: &Definitions, but: &[&str]) -> Vec<Choice> {
    let others = definitions.people.iter().filter(|(id, person)| person.active && !but.contains(&id.as_str()));
    others.map(|(id, _)| Choice { value: id.clone(), name: name(id, definitions).to_owned() }).collect()
}

fn filled(kind: &FieldKind, now: &Value, zone: &TimeZone) -> String {
    match (kind, now) {
        (FieldKind::Percent, Value::Number(n)) => percent(*n).map(|n| n.to_string()).unwrap_or_default(),
        (FieldKind::Time, Value::Time(at)) => at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M").to_string(),
        (FieldKind::List, Value::List(items)) => items.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        (_, now) => now.to_string(),
    }
}

/// What was posted, field by field, as far as the form asks for it; whether it fits is the engine's to say.
pub(super) fn answers(fields: &[FormField], posted: impl Fn(&str) -> Option<String>) -> Map {
    let one = |field: &FormField| {
        let text = posted(&field.name)?.replace("\r\n", "\n");
        let value = match &field.kind {
            _ if text.trim().is_empty() => Value::Null,
            FieldKind::Percent if !text.contains(['%', '％']) => format!("{}%", text.trim()).into(),
            FieldKind::List => text.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().into(),
            _ => text.into(),
        };
        Some((field.name.clone(), value))
    };
    fields.iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: FieldKind, value: impl Into<Value>, zh: &str) {
        assert_eq!(shown(Some(&kind), &value.into(), &Definitions::default(), Lang::Zh), zh);
    }

    fn number(text: &str) -> Value {
        Value::Number(text.parse().unwrap())
    }

    #[test]
    fn values_are_shown_as_people_write_them() {
        check(FieldKind::Percent, number("0.22"), "22%");
        check(FieldKind::Percent, number("0.125"), "12.5%");
        check(FieldKind::Money, number("880000"), "880,000");
        check(FieldKind::Money, number("-1234567.50"), "-1,234,567.50");
        check(FieldKind::Money, number("880"), "880");
        check(FieldKind::Boolean, true, "是");
        check(FieldKind::Time, "2026-09-21T06:03:22Z".parse::<Timestamp>().unwrap(), "2026-09-21 14:03");
        check(FieldKind::List, vec!["新客", "VIP"], "新客、VIP");
        check(FieldKind::Text, "字".repeat(2_001), &format!("{}…", "字".repeat(2_000)));
        check(FieldKind::Person, "何经理", "何经理");
    }

    #[test]
    fn only_addresses_of_the_web_become_links() {
        assert_eq!(address(" https://a.cn/报价.pdf "), Some("https://a.cn/报价.pdf"));
        for text in ["javascript:alert(1)", "data:text/html,x", "ftp://a.cn", "//a.cn", "a.cn", "https://", ""] {
            assert_eq!(address(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_posted_is_read_by_the_form() {
        let field = |name: &str, kind| FormField { name: name.into(), label: String::new(), kind, required: false };
        let fields = [
            field("discount", FieldKind::Percent),
            field("share", FieldKind::Percent),
            field("tags", FieldKind::List),
            field("note", FieldKind::Text),
            field("absent", FieldKind::Text),
        ];
        let posted = [("discount", "15"), ("share", "7.5%"), ("tags", "一\r\n\r\n二"), ("note", " "), ("other", "x")];
        let got = answers(&fields, |name| posted.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()));
        let text = serde_json::to_string(&Value::Map(got).plain()).unwrap();
        assert_eq!(text, r#"{"discount":"15%","note":null,"share":"7.5%","tags":["一","二"]}"#);
    }
}
