//! Conditions, as any text: refused with faults inside the text, or read again to the same, evaluated twice to the same, explained
//! as they are tested, and of the kind that was foretold.

use std::borrow::Cow;
use std::sync::LazyLock;

use ifthen::engine::calendar::Calendar;
use ifthen::engine::expression::{Clause, Expr, Held, Kind};
use ifthen::engine::scope::{Names, Scope, Stop, Unknown};
use ifthen::engine::value::Value;

use super::definitions;

/// Of one condition: bytes.
const MOST: usize = 4 << 10;

/// The text is the condition.
pub(super) fn run(data: &[u8]) {
    let text = super::text(data);
    let expr = match Expr::parse(&text) {
        Err(faults) => {
            super::placed(&text, &faults);
            assert!(Expr::parse_condition(&text).is_err(), "refused as a value, taken as a condition");
            return;
        }
        Ok(expr) => expr,
    };
    assert!(text.len() <= MOST, "{} bytes are taken", text.len());
    assert_eq!(expr.source(), text);
    let stored = serde_json::to_string(&expr).unwrap();
    let back: Expr = serde_json::from_str(&stored).unwrap_or_else(|e| panic!("{e}: {stored}"));
    assert_eq!(back.names(), expr.names());
    assert_eq!(back.compared(), expr.compared());
    let length = text.chars().count();
    for at in expr.names().iter().map(|n| &n.at).chain(expr.compared().iter().map(|c| &c.at)) {
        assert!(at.start < at.end && at.end <= length, "{at:?}");
    }
    let faults = expr.check(&Lead);
    if !faults.is_empty() {
        super::placed(&text, &faults);
    }
    let value = expr.eval(&Lead);
    assert_eq!(value, back.eval(&Lead), "the same again");
    let (kind, texts) = expr.kind(&Lead);
    texts.iter().for_each(|(_, at)| assert!(at.end <= length, "{at:?}"));
    if let (Ok(value), true) = (&value, faults.is_empty()) {
        assert!(is_of(value, kind), "{value:?} was to be {kind:?}");
    }
    let Ok(condition) = Expr::parse_condition(&text) else { return };
    let holds = condition.test(&Lead);
    assert_eq!(holds, condition.test(&Lead), "the same again");
    let Ok(clause) = condition.explain(&Lead) else { panic!("needs what is there") };
    assert_eq!(clause.held, held(&holds), "explained otherwise than it is decided");
    parts(&clause, length);
    clause.decisive();
}

fn held(holds: &Result<bool, Stop>) -> Held {
    match holds {
        Ok(true) => Held::Yes,
        Ok(false) => Held::No,
        Err(Stop::Unevaluable(why)) => Held::Unevaluable(why.clone()),
        Err(Stop::Need(need)) => panic!("{need:?}"),
    }
}

fn parts(clause: &Clause, length: usize) {
    assert!(clause.at.start < clause.at.end && clause.at.end <= length, "{clause:?}");
    assert_eq!(clause.text.chars().count(), clause.at.len(), "{clause:?}");
    for part in &clause.parts {
        assert!(clause.at.start <= part.at.start && part.at.end <= clause.at.end, "{part:?} is not inside of {clause:?}");
        parts(part, length);
    }
}

/// Whether a value is what was foretold; nothing may be there wherever something may.
pub(super) fn is_of(value: &Value, kind: Kind) -> bool {
    match (kind, value) {
        (Kind::Any, _) | (_, Value::Null) => true,
        (Kind::Text | Kind::Word | Kind::Date, Value::Text(_)) => true,
        (kind, value) => Kind::of(value) == kind,
    }
}

/// What is known of a lead of Monday, 2026-09-21 10:00 in Shanghai.
static VALUES: LazyLock<Value> = LazyLock::new(|| {
    Value::from([
        ("name", "张三丰".into()),
        ("level", "A".into()),
        ("mobile", "+8613800138000".into()),
        ("email", "zhang@example.com".into()),
        ("note", "预算50万,\u{202e}要 4 台 10.5".into()),
        ("amount", Value::Number("1000.50".parse().unwrap())),
        ("score", 7i64.into()),
        ("big", Value::Number(rust_decimal::Decimal::MAX)),
        ("vip", true.into()),
        ("tags", vec!["VIP", "官网"].into()),
        ("owner_at", Value::Time("2026-09-20T02:00:00Z".parse().unwrap())),
        ("far", Value::Time(jiff::Timestamp::MAX)),
        ("due_on", "2026-09-21".into()),
        ("客户", Value::from([("等级", Value::from("A"))])),
        ("event", Value::from([("page", "A产品".into()), ("n", "3".into()), ("items", vec![1i64, 2].into())])),
    ])
});

struct Lead;

impl Scope for Lead {
    fn name(&self, path: &[String]) -> Result<Cow<'_, Value>, Stop> {
        Ok(VALUES.at(path).map_or(Cow::Owned(Value::Null), Cow::Borrowed))
    }
    fn now(&self) -> jiff::Zoned {
        "2026-09-21T10:00+08:00[Asia/Shanghai]".parse().unwrap()
    }
    fn changed(&self, field: &str) -> bool {
        field == "score"
    }
    fn calendar(&self, name: Option<&str>) -> Option<&Calendar> {
        definitions::usual().calendars.get(name.unwrap_or("CN")).map(AsRef::as_ref)
    }
}

impl Names for Lead {
    fn problem(&self, path: &[String]) -> Option<Unknown> {
        VALUES.at(&path[..1]).is_none().then_some(Unknown { part: 0, nearest: None })
    }
    fn kind(&self, path: &[String]) -> Kind {
        match (path[0].as_str(), path.len()) {
            ("name" | "note", 1) => Kind::Text,
            ("level" | "mobile" | "email", 1) => Kind::Word,
            ("amount" | "score" | "big", 1) => Kind::Number,
            ("vip", 1) => Kind::Bool,
            ("tags", 1) => Kind::List,
            ("owner_at" | "far", 1) => Kind::Time,
            ("due_on", 1) => Kind::Date,
            _ => Kind::Any,
        }
    }
    fn calendar(&self, name: Option<&str>) -> Option<Unknown> {
        name.is_some_and(|n| n != "CN").then_some(Unknown { part: 0, nearest: None })
    }
}
