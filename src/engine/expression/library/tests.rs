//! Every function: its example is true of the record here; its edges; and no expression of them panics or makes too much.

use std::borrow::Cow;

use proptest::prelude::*;

use super::*;
use crate::engine::calendar::Calendar;
use crate::engine::calendar::tests::cn_2026;
use crate::engine::expression::{Expr, FaultKind, Held};
use crate::engine::scope::{Names, Unknown};

/// A lead of 2026-09-20 10:00 in Shanghai, a Sunday on which people work.
struct Lead(Value, Calendar);

impl Lead {
    fn new() -> Self {
        let time = |t: &str| Value::Time(t.parse().unwrap());
        let line =
            |sku: &str, price: i64, qty: i64| Value::from([("sku", sku.into()), ("price", price.into()), ("qty", qty.into())]);
        Self(
            Value::from([
                ("name", "张三丰".into()),
                ("level", "A".into()),
                ("country", "CN".into()),
                ("code", "C-0042".into()),
                ("regions", "华南, 华东".into()),
                ("city", "上海".into()),
                ("mobile", "+8613800138000".into()),
                ("email", "zhang@example.com".into()),
                ("note", "预算50万,3个月内".into()),
                ("amount", Value::Number("12000.50".parse().unwrap())),
                ("score", 42i64.into()),
                ("tags", vec!["VIP", "官网"].into()),
                ("items", vec![line("A1", 100, 2), line("B2", 300, 1)].into()),
                ("address", Value::from([("city", Value::from("上海"))])),
                ("created_at", time("2026-09-01T01:30:00Z")),
                ("starts_at", time("2026-09-02T10:00:00Z")),
                ("owner_at", time("2026-09-10T01:00:00Z")),
                ("last_follow_up", time("2026-09-01T01:00:00Z")),
                ("due_on", "2026-09-30".into()),
                // What nobody would send, for the random expressions.
                ("big", Value::Number(Decimal::MAX)),
                ("long", "长".repeat(40_000).into()),
                ("many", Value::List((0..10_001i64).map(Value::from).collect())),
                (
                    "deep",
                    Value::from(vec![Value::from(vec![Value::Null, true.into(), "x".into()]), Value::from([("a", Value::Null)])]),
                ),
                ("vip", true.into()),
            ]),
            cn_2026(),
        )
    }
}

impl Scope for Lead {
    fn name(&self, path: &[String]) -> Result<Cow<'_, Value>, Stop> {
        Ok(self.0.at(path).map_or(Cow::Owned(Value::Null), Cow::Borrowed))
    }
    fn now(&self) -> jiff::Zoned {
        "2026-09-20T10:00+08:00[Asia/Shanghai]".parse().unwrap()
    }
    fn changed(&self, field: &str) -> bool {
        field == "stage"
    }
    fn lookup(&self, table: &str, key: &Value, column: &str) -> Value {
        let found = (table, key.as_text(), column) == ("区域", Some("上海"), "负责人");
        if found { "李四".into() } else { Value::Null }
    }
    fn calendar(&self, name: Option<&str>) -> Option<&Calendar> {
        name.is_none_or(|n| n == "CN").then_some(&self.1)
    }
}

impl Names for Lead {
    fn problem(&self, _: &[String]) -> Option<Unknown> {
        None
    }
    fn kind(&self, path: &[String]) -> Kind {
        self.0.at(path).map_or(Kind::Any, Kind::of)
    }
}

/// Its value as JSON, `? reason`, or the kinds of its faults.
fn outcome(source: &str) -> String {
    match Expr::parse(source) {
        Err(faults) => faults.iter().map(|f| format!("@{} {:?}", f.at.start, f.kind)).collect::<Vec<_>>().join(" | "),
        Ok(expr) => match expr.eval(&Lead::new()) {
            Ok(value) => serde_json::to_string(&value.plain()).unwrap(),
            Err(Stop::Unevaluable(reason)) => format!("? {reason}"),
            Err(Stop::Need(need)) => format!("needs {need:?}"),
        },
    }
}

#[track_caller]
fn check(source: &str, expect: &str) {
    assert_eq!(outcome(source), expect, "{source}");
}

#[test]
fn every_example_is_true() {
    for f in library() {
        check(f.example, "true");
        assert!(Expr::parse_condition(f.example).is_ok(), "{}", f.name);
        assert!(f.example.contains(&format!("{}(", f.name)) || f.name == "in", "{}", f.name);
        assert!(!f.english.is_empty() && !f.chinese.is_ascii(), "{}", f.name);
        assert!(f.signature.starts_with(f.name) || f.name == "in", "{}", f.signature);
        assert!(f.takes.is_empty() || f.takes.len() >= f.most.min(f.takes.len()), "{}", f.name);
    }
    let mut names: Vec<_> = library().map(|f| f.name).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "a name stands twice");
    for (_, here) in ELSEWHERE {
        assert!(find(here).is_some(), "{here}");
    }
}

#[test]
fn a_missing_input_gives_a_missing_value_or_false() {
    for f in library().filter(|f| f.least > 0) {
        if matches!(f.name, "in" | "if" | "is_empty" | "default" | "changed" | "lookup") {
            continue;
        }
        let others = match f.name {
            "matches" | "capture" | "captures" => ", 'x'",
            "replace_matches" => ", 'x', 'y'",
            "add" => ", '1d'",
            "start_of" | "end_of" => ", 'day'",
            "format_time" => ", '%Y'",
            "in_zone" => ", 'UTC'",
            "clamp" | "replace" => ", missing, missing",
            "any" | "all" | "count" | "find" | "filter" => ", item == 1",
            "map" => ", item",
            _ if f.least == 2 => ", missing",
            _ => "",
        };
        let expect = if f.gives == Kind::Bool && f.name != "boolean" { "false" } else { "null" };
        check(&format!("{}(missing{others})", f.name), expect);
    }
}

#[test]
fn text_is_counted_in_characters() {
    check("trim('\u{3000}\u{feff} 张 三 \u{200b}')", "\"张 三\"");
    check("substring(name, 1)", "\"三丰\"");
    check("substring(name, -1)", "\"丰\"");
    check("substring(name, -9, 2)", "\"张三\"");
    check("substring(name, 9) + left(name, -1) + right(name, 0)", "\"\"");
    check("substring(name, 0.5)", "? 0.5 is a number, a whole number expected");
    check("before('a=b=c', '=') + after('a=b=c', '=')", "\"ab=c\"");
    check("after(name, 'x') == ''", "false");
    check("split('张三', '') == ['张', '三'] and split('a, b ,c', ',') == ['a', 'b', 'c']", "true");
    check("split(long, '')", "? the list would be longer than 10000 items or 1024 KiB");
    check("join([1, name, created_at], '|')", "\"1|张三丰|2026-09-01 09:30\"");
    check("join(split(long, '长'), '12345678')", "? the list would be longer than 10000 items or 1024 KiB");
    check("replace(left(long, 9000), '长', '1234567890')", "? the text would be longer than 64 KiB");
    check("replace(name, '', 'x')", "\"张三丰\"");
    check("trim(long)", "? the text would be longer than 64 KiB");
    check("pad_left(level, 4, '张三') + pad_left(name, 1) + pad_right('x', 3, '')", "\"张三张A张三丰x\"");
    check("pad_left('x', 1e20, 'ab')", "? 100000000000000000000 is a number, a whole number expected");
    check("pad_left('x', 1e9)", "? the text would be longer than 64 KiB");
    check("to_half('１３８　ａ！') + to_full('a b')", "\"138 a!ａ　ｂ\"");
    check("text(vip) + text(tags) + text(score)", "\"true[\\\"VIP\\\",\\\"官网\\\"]42\"");
    check("text(many)", "? the text would be longer than 64 KiB");
    check("upper(amount)", "? amount is a number, text expected");
}

#[test]
fn patterns_capture_and_replace() {
    check("capture('a-42-b', '(\\w)-(\\d+)', 2) + capture('x', 'y?x')", "\"42x\"");
    check("capture('2026年9月', '(?<年>\\d+)年(?<月>\\d+)月', '月')", "\"9\"");
    check("capture(name, '李')", "null");
    check("captures('a1 b2', '[a-z](\\d)')", "[\"1\",\"2\"]");
    check("captures('a1 b2', '[a-z](\\d)', 0)", "[\"a1\",\"b2\"]");
    check("replace_matches('a1b22', '\\d+', '<$0>')", "\"a<1>b<22>\"");
    check("replace_matches(left(long, 2000), '长', 'x')", "? the pattern is found more than 1000 times");
    check("replace_matches(left(long, 20000), '.+', '$0$0$0')", "? the text would be longer than 64 KiB");
    check("captures(name, level)", "@15 PatternNotText");
    check("capture(name, '(a)', 2)", "@21 NoGroup { asked: \"2\", groups: 1 }");
    check("capture(name, '(a)', 'b')", "@21 NoGroup { asked: \"b\", groups: 1 }");
    check("capture(name, '(')", "@14 BadPattern { reason: \"unclosed group\" }");
}

#[test]
fn numbers_are_rounded_as_money_is() {
    check("[round(0.5), round(1.5), round(-0.5), round(1.005, 2), round(1250, -2)]", "[1,2,-1,1.01,1300]");
    check("[round_even(0.5), round_even(1.5), round_even(1.005, 2)]", "[0,2,1.00]");
    check("round(big, -28)", "? the result is out of range");
    check("round(amount, 99)", "? numbers are rounded to at most 28 digits");
    check("[floor(-0.5), ceil(-0.5), trunc(-1.7), abs(-2)]", "[-1,0,-1,2]");
    check("min(3, 1, 2) + max(['b', 'a'])", "? 1 is a number, 'b' is text: `+` takes two numbers or two texts");
    check("max('b', 'a') + min('张', '李')", "\"b张\"");
    check("max(1, missing)", "null");
    check("min(1, 'a')", "? text and a number have no order");
    check("max([])", "null");
    check("clamp(5, 9, 1)", "? the lower bound is above the upper one");
    check("[number('12,50'), number('２２％'), number(' 1,234 '), number(7)]", "[null,0.22,1234,7]");
    check("number(tags)", "? tags is a list, text expected");
    check("[money(-1234567.005), money(0), money(999)]", "[\"-1,234,567.01\",\"0.00\",\"999.00\"]");
    check("[boolean('否'), boolean(1), boolean('x')]", "[false,true,null]");
    check("if(boolean('x'), 1, 2)", "2");
}

#[test]
fn dates_are_those_of_the_calendar() {
    check("add('2026-01-31', '1 month')", "\"2026-02-28\"");
    check("add('2026-03-31', '-1 month')", "\"2026-02-28\"");
    check("add('2024-02-29', '1 year 2d')", "\"2025-03-02\"");
    check("add('2026-09-30', '36h')", "\"2026-10-01T04:00:00Z\"");
    check("add(created_at, '1h30m')", "\"2026-09-01T03:00:00Z\"");
    check("add(created_at, '99999999 years')", "@16 Written { found: \"99999999 years\", wanted: Duration }");
    check("add(created_at, '9999 years')", "? the result is out of range");
    check("add(created_at, '3 moons')", "@16 Written { found: \"3 moons\", wanted: Duration }");
    check("add(created_at, name)", "? `张三丰` is no duration such as `3 months`");
    check("start_of('2026-09-20 23:00', 'week') == '2026-09-14'", "true");
    check("start_of('2026-09-20', 'week')", "\"2026-09-14\"");
    check("start_of(created_at, 'hour')", "\"2026-09-01T01:00:00Z\"");
    check("start_of(created_at, 'day', 'America/New_York')", "\"2026-08-31T04:00:00Z\"");
    check("end_of(created_at, 'month')", "\"2026-09-30T15:59:59.999999999Z\"");
    check(
        "[end_of('2024-02-10', 'month'), end_of('2026-11-01', 'year'), end_of('2026-05-01', 'quarter')]",
        "[\"2024-02-29\",\"2026-12-31\",\"2026-06-30\"]",
    );
    check("end_of(created_at, 'moon')", "@19 Written { found: \"moon\", wanted: Period }");
    check("[days_between('2026-09-30 23:59', '2026-10-01 00:01'), days_between('2026-10-01', '2026-09-01')]", "[1,-30]");
    check("[months_between('2026-01-31', '2026-02-28'), years_between('2024-02-29', '2025-02-28')]", "[0,0]");
    check("format_time(created_at, '%Y年%m月%d日 %H:%M', 'America/New_York')", "\"2026年08月31日 21:30\"");
    assert!(outcome("format_time(created_at, '%Y年%')").contains("Form"), "{}", outcome("format_time(created_at, '%Y年%')"));
    check("hour(created_at, 'Mars')", "@17 Written { found: \"Mars\", wanted: Zone }");
    check("hour(created_at, name)", "? `张三丰` is no time zone");
    check("[date('gestern'), time('gestern'), date(created_at, 'America/New_York')]", "[null,null,\"2026-08-31\"]");
    check("weekday(created_at, 'America/New_York')", "1");
    // A day of 23 hours in New York.
    check(
        "hours_between(start_of('2026-03-08 12:00Z', 'day', 'America/New_York'), start_of('2026-03-09 12:00Z', 'day', 'America/New_York'))",
        "23",
    );
    check("unix('2026-09-21T00:00:00Z')", "1789948800");
}

#[test]
fn items_of_lists_are_looked_at() {
    check("any(items, item.price > 200 and item.qty == 1)", "true");
    check("any(items, any(tags, item == 'VIP')) and all([], item > 1)", "true");
    check("map(items, sum([item.price, item.qty]))", "[102,301]");
    check("map(items, map(['a'], item))", "[[\"a\"],[\"a\"]]");
    check("find(tags, item != 'VIP') + join(filter(tags, len(item) > 2))", "\"官网VIP\"");
    check("[sum([]), sum([1, 2.5]), count(tags)]", "[0,3.5,2]");
    check("avg([])", "null");
    check("sum(['a'])", "? an item of the list is text, a number expected");
    check("sum(items, item.tax)", "? item.tax is missing");
    check("any(items, item.tax > 1)", "? item.tax is missing");
    check("any(name, item == 'x')", "? name is text, a list expected");
    check("sort([3, 1, 2, missing])", "[1,2,3,null]");
    check("sort(['b', 1])", "? a number and text have no order");
    check("map(sort(items, -item.price), item.sku)", "[\"B2\",\"A1\"]");
    check("count(many, item > 5000)", "5000");
    check("map(many, item)", "? the list would be longer than 10000 items or 1024 KiB");
    check("any(many, any(many, item < 0))", "? the lists in it are too long to be looked at item by item");
    check("any(many, contains(long, 'x') or -1 in many)", "? the lists in it are too long to be looked at item by item");
    check("any(many, long == 'y')", "? the lists in it are too long to be looked at item by item");
    check("map(slice(many, 0, 20), long)", "? the list would be longer than 10000 items or 1024 KiB");
    check("any(tags, 'x')", "? 'x' is text, true or false expected");
    assert!(matches!(Expr::parse("any(tags, changed(item))").unwrap_err()[0].kind, FaultKind::NotAField));
    // What is bound inside is no name outside.
    assert!(Expr::parse("any(items, item.price > amount)").unwrap().names().iter().all(|n| n.path[0] != "item"));
    assert_eq!(Expr::parse("item.price > 1").unwrap().names().len(), 1);
}

#[test]
fn lists_and_objects() {
    check("[first([]), last(missing), first(tags)]", "[null,null,\"VIP\"]");
    check("[slice(tags, -1), slice(tags, 0, 1), slice(tags, 5)]", "[[\"官网\"],[\"VIP\"],[]]");
    check("unique([1, 1.0, '1', true, missing, missing])", "[1,\"1\",true,null]");
    check("has_any(tags, ['x']) or has_all(tags, ['VIP', 'x']) or has_any([missing], [missing])", "false");
    check("has_all(many, many) and has_any(many, many)", "true");
    check("keys(address) + 1", "? keys(…) is a list, 1 is a number: `+` takes two numbers or two texts");
    check("keys(tags)", "? tags is a list, an object expected");
    check("[get(items, '1.sku'), get(items, '9.sku'), get(name, 'x', 'y')]", "[\"B2\",null,\"y\"]");
}

#[test]
fn phone_numbers_and_mail() {
    check(
        "[phone('021-6234 5678'), phone('12'), phone('+1 415 555 2671'), phone(13800138000)]",
        "[\"+862162345678\",null,\"+14155552671\",\"+8613800138000\"]",
    );
    check(
        "[is_mobile('138 0013 8000'), is_mobile('021-62345678'), is_mobile('+14155552671'), is_mobile('12800138000')]",
        "[true,false,false,false]",
    );
    check(
        "[phone_country('+85291234567'), phone_country('+14155552671'), phone_country('+999123456789')]",
        "[\"HK\",\"US\",null]",
    );
    check(
        "[mail_domain('A@Example.COM '), mail_domain('a@'), mail_name('a.b@c.cn'), is_email('a b@c.cn')]",
        "[\"example.com\",null,\"a.b\",false]",
    );
    check("phone('13800138000', missing)", "null");
}

#[test]
fn what_is_said_of_a_value_at_load_is_what_comes() {
    for source in [
        "add(due_on, '1 month')",
        "add(created_at, '1 month')",
        "start_of(due_on, 'month')",
        "end_of(created_at, 'month')",
        "min(amount, 1)",
        "max('a', name)",
        "default(missing, 'x')",
        "if(vip, 1, 'x')",
        "first(tags)",
        "date(created_at)",
    ] {
        let (lead, expr) = (Lead::new(), Expr::parse(source).unwrap());
        let (said, came) = (expr.kind(&lead).0, Kind::of(&expr.eval(&lead).unwrap()));
        assert!(said == came || said == Kind::Any || said.is_text() && came.is_text(), "{source}: {said:?}, not {came:?}");
    }
}

#[test]
fn a_question_of_items_is_one_clause() {
    let expr = Expr::parse("vip and any(items, item.price > 200 and item.qty > score)").unwrap();
    let told = expr.explain(&Lead::new()).unwrap();
    assert_eq!((told.parts.len(), &told.held), (2, &Held::No));
    let clause = told.decisive();
    assert_eq!(clause.text, "any(items, item.price > 200 and item.qty > score)");
    assert!(clause.parts.is_empty());
    assert_eq!(clause.values.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["items", "score"]);
}

/// Expressions of every function, nested, over values of every kind.
fn expressions() -> impl Strategy<Value = String> {
    let leaves = [
        "amount",
        "name",
        "level",
        "missing",
        "tags",
        "items",
        "address",
        "big",
        "long",
        "many",
        "deep",
        "vip",
        "created_at",
        "due_on",
        "item",
        "item.price",
        "1",
        "0",
        "-7.5",
        "1e28",
        "0.0000001",
        "'A'",
        "''",
        "'2026-02-29'",
        "'9999-12-31'",
        "'-9999-01-01'",
        "'$1$1'",
        "'%Y'",
        "'day'",
        "'UTC'",
        "'3 months'",
        "'-1 year'",
        "'+86 138'",
        "[]",
        "[1, 'x', missing]",
    ];
    let leaf = prop::sample::select(leaves.to_vec()).prop_map(str::to_owned);
    leaf.prop_recursive(3, 12, 4, |inner| {
        let names: Vec<&'static Function> = library().filter(|f| f.name != "in").collect();
        let call =
            (prop::sample::select(names), prop::collection::vec(inner.clone(), 4), 0..4usize).prop_map(|(f, mut inner, n)| {
                let many = (f.least + n).min(f.most).min(4);
                inner.truncate(many);
                if matches!(f.which, Which::Matches | Which::Pattern(_)) && many > 1 {
                    inner[1] = "'(.)(x?)'".into();
                }
                if matches!(f.which, Which::Pattern(pattern::How::Capture | pattern::How::Captures)) && many > 2 {
                    inner[2] = "2".into();
                }
                format!("{}({})", f.name, inner.join(", "))
            });
        let sums = (inner.clone(), prop::sample::select(vec!["+", "-", "*", "/", "%", "^", "<", "==", "and", "in"]), inner)
            .prop_map(|(a, by, b)| format!("({a} {by} {b})"));
        prop_oneof![5 => call, 1 => sums]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_or_makes_too_much(source in expressions()) {
        if let Ok(expr) = Expr::parse(&source) {
            let lead = Lead::new();
            if let Ok(value) = expr.eval(&lead) {
                prop_assert!(call::size(&value, usize::MAX / 2) <= 2 * call::MAX_LIST, "{}", source);
                // What is said of it at load is what comes.
                let (said, came) = (expr.kind(&lead).0, Kind::of(&value));
                let same = said == came || said.is_text() && came.is_text();
                prop_assert!(same || said == Kind::Any || came == Kind::Any, "{}: {:?}, not {:?}", source, said, came);
            }
            let told = expr.explain(&lead).unwrap();
            match expr.test(&lead) {
                Ok(held) => prop_assert_eq!(told.held == Held::Yes, held, "{}", source),
                Err(_) => prop_assert!(matches!(told.held, Held::Unevaluable(_)), "{}", source),
            }
        }
    }
}
