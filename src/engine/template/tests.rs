//! Templates from outside: what is printed, what is refused and where.

use std::borrow::Cow;

use proptest::prelude::*;

use super::*;
use crate::engine::scope::Unknown;
use crate::engine::state::Key;
use crate::engine::value::Value;

/// A quote of 2026-09-21 10:00 in Shanghai.
struct Quote(Value);

impl Quote {
    fn new() -> Self {
        let number = |n: &str| Value::Number(n.parse().unwrap());
        let item = |name: &str, price: &str| Value::from([("name", Value::from(name)), ("unit-price", number(price))]);
        Self(Value::from([
            ("name", "刘洋 <b>".into()),
            ("owner", "张三".into()),
            ("amount", number("880000.10")),
            ("count", 3i64.into()),
            ("share", number("0.1")),
            ("huge", number("12345678901234567890123456")),
            ("vip", true.into()),
            ("nothing", Value::Null),
            ("tags", vec!["VIP", "官网"].into()),
            ("at", Value::Time("2026-09-21T01:00:00Z".parse().unwrap())),
            ("客户", Value::from([("等级", Value::from("A"))])),
            ("items", Value::List(vec![item("轴承", "12.50"), item("电机", "1999.90")])),
            ("event", Value::from([("text", Value::from("{{ secret }} {% for %}")), ("sent", "2026-09-20T23:30:00Z".into())])),
        ]))
    }
}

impl Scope for Quote {
    fn name(&self, path: &[String]) -> Result<Cow<'_, Value>, Stop> {
        match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["boss", ..] => Err(Stop::Need(Key::Cursor("王总监".into()).into())),
            ["owner", "manager"] => Ok(Cow::Owned("王总监".into())),
            _ => Ok(self.0.at(path).map_or(Cow::Owned(Value::Null), Cow::Borrowed)),
        }
    }
    fn now(&self) -> jiff::Zoned {
        "2026-09-21T10:00+08:00[Asia/Shanghai]".parse().unwrap()
    }
    fn changed(&self, _: &str) -> bool {
        false
    }
}

impl Names for Quote {
    fn problem(&self, path: &[String]) -> Option<Unknown> {
        let known = self.0.as_map()?;
        if path[0] == "boss" {
            return None;
        }
        let near = crate::engine::expression::nearest(&path[0], known.keys().map(String::as_str)).map(str::to_owned);
        (!known.contains_key(&path[0])).then_some(Unknown { part: 0, nearest: near })
    }
}

/// The text, `? reason`, or each fault of parsing and of the names with the text it points at.
fn outcome(source: &str, html: bool) -> String {
    let quote = Quote::new();
    let template = match if html { Template::parse_html(source) } else { Template::parse(source) } {
        Ok(template) => template,
        Err(faults) => return shown(source, &faults),
    };
    let faults = template.check(&quote);
    match template.render(&quote) {
        _ if !faults.is_empty() => shown(source, &faults),
        Ok(text) => text,
        Err(Stop::Unevaluable(reason)) => format!("? {reason}"),
        Err(Stop::Need(need)) => format!("needs {need:?}"),
    }
}

fn shown(source: &str, faults: &[Fault]) -> String {
    let one = |f: &Fault| {
        let text: String = source.chars().skip(f.at.start).take(f.at.len()).collect();
        format!("`{text}`@{} {:?}", f.at.start, f.kind)
    };
    faults.iter().map(one).collect::<Vec<_>>().join(" | ")
}

#[track_caller]
fn check(source: &str, expect: &str) {
    assert_eq!(outcome(source, false), expect, "{source}");
}

#[test]
fn nothing_is_repeated_without_bound() {
    check("{{ items * 100000000 }}", "? template: `*` calculates with numbers, not with a sequence");
    check("{{ owner * count }}", "? template: `*` calculates with numbers, not with a string");
    check("{% for i in [1, 2] %}{{ i * count }} {% endfor %}", "3 6 ");
    check("{% set l = [1] %}{{ l * 100000000 }}", "? template: `*` calculates with numbers, not with a sequence");
    for literal in ["[1] * 100000000", "(1, 2) * 40000000", "{} * 3", "3 * 'x'"] {
        assert!(outcome(&format!("{{{{ {literal} }}}}"), false).contains("NotInTemplates"), "{literal}");
    }
    let no_list = "? template: `*` calculates with numbers, not with a sequence";
    let no_text = "? template: `*` calculates with numbers, not with a string";
    check("{{ (items | list) * 100000000 }}", no_list);
    check("{{ (owner ~ '') * 100000000 }}", no_text);
    check("{{ 100000000 * (owner if vip else 1) }}", no_text);
    check("{{ (nothing or owner) * 100000000 }}", no_text);
    check("{% for i in items %}{{ i.name * 100000000 }}{% endfor %}", no_text);
    for lazy in ["{{ items[0:1] * 100000000 }}", "{{ (items + items) * 100000000 }}"] {
        assert!(outcome(lazy, false).starts_with("? template: `*` calculates with numbers, not with"), "{lazy}");
    }
    // Numbers are calculated with as ever.
    check("{% for i in items %}{{ i['unit-price'] * 2 }} {% endfor %}", "25 3999.8 ");
    check("{{ (count + 1) * 2 }} {{ -count * 2 }} {{ count * -(1 + count) }} {{ count * 2 * count }}", "8 -6 -12 18");
    check("{{ (nothing or 2) * 3 }} {{ nothing | default(4) * 2 }} {{ (items | length) * count }}", "6 8 6");
    check("{{ (2 if vip else 3) * count }} {{ items | length * 2 }}", "6 4");
}

#[test]
fn nothing_doubles_without_bound() {
    let doubled = |sign: &str, times: usize| {
        let sets = format!("{{% set a = a {sign} a %}}").repeat(times);
        outcome(&format!("{{% set a = owner %}}{sets}{{{{ a }}}}"), false)
    };
    assert_eq!(doubled("~", 2), "张三".repeat(4));
    let refused = "`a ~ a`@201 TooManyParts { limit: 1000 }";
    assert_eq!(doubled("~", 10), refused);
    assert!(doubled("~", 40).starts_with(refused));
    assert!(doubled("+", 40).contains("TooManyParts"));
    let listed = "{% set a = [1] %}".to_owned() + &"{% set a = [a, a] %}".repeat(40) + "{{ a | tojson }}";
    assert!(outcome(&listed, false).contains("TooManyParts"));
    let with = (0..40)
        .rev()
        .fold("{{ a40 }}".to_owned(), |inner, n| format!("{{% with a{} = a{n} ~ a{n} %}}{inner}{{% endwith %}}", n + 1));
    assert!(outcome(&format!("{{% set a0 = owner %}}{with}"), false).contains("TooManyParts"));
    let through = "{% set a = owner %}".to_owned() + &"{% set a = [a, a] | join %}".repeat(40) + "{{ a }}";
    assert!(outcome(&through, false).contains("TooManyParts"));
}

#[test]
fn what_would_overflow_the_stack_is_not_parsed() {
    let kinds = |source: String| match Template::parse(&source) {
        Ok(_) => "ok".to_owned(),
        Err(faults) => format!("{:?}", faults[0].kind),
    };
    let operators = "TooManyOperators { limit: 256 }";
    for (before, again, after) in [
        ("{{ ", "not ", "vip }}"),
        ("{{ ", "-", "count }}"),
        ("{{ count", " + 1", " }}"),
        ("{{ owner", " ~ 'x'", " }}"),
        ("{{ owner", "|upper", " }}"),
        ("{{ owner", ".a", " }}"),
        ("{{ owner", "[0]", " }}"),
        ("{{ now", "()", " }}"),
        ("{{ vip", " and vip", " }}"),
        ("{{ 1", " if vip else 1", " }}"),
        ("{{ count", " < 2", " }}"),
        ("{% if vip", " is true", " %}{% endif %}"),
    ] {
        assert_eq!(kinds(format!("{before}{}{after}", again.repeat(12_000))), operators, "{again}");
    }
    assert_eq!(kinds(format!("{{{{ count{} }}}}", " + 1".repeat(256))), "ok");
    let branches = |times: usize| format!("{{% if vip %}}{}{{% endif %}}", "{% elif vip %}x".repeat(times));
    assert_eq!(kinds(branches(99)), "ok");
    assert_eq!(kinds(branches(100)), "TooDeep { limit: 100 }");
    assert_eq!(kinds(branches(15_000)), "TooDeep { limit: 100 }");
    assert_eq!(kinds("{% if vip %}".repeat(10_000)), "TooDeep { limit: 100 }");
    // One after the other they are no deeper.
    assert_eq!(kinds("{% if vip %}{{ -count + 1 }}{% elif vip %}{% endif %}".repeat(2_000)), "ok");
    // A long list is not deep, nor are many lines.
    assert_eq!(kinds(format!("{{{{ [{}] | length }}}}", "[1, {'a': 2}], ".repeat(900))), "ok");
    assert!(kinds("\n".repeat(70_000) + "{{ count | | }}").starts_with("TemplateSyntax"));
}

#[test]
fn values_print_exactly() {
    check("新线索 {{ owner }}\n", "新线索 张三\n");
    check("nothing to do\n", "nothing to do\n");
    check(
        "{{ amount }} {{ '¥' ~ amount }} {{ amount | string }} {{ share }} {{ huge }}",
        "880000.10 ¥880000.10 880000.10 0.1 12345678901234567890123456",
    );
    check("{{ count }} {{ count * 2 + 1 }} {{ count / 2 }} {{ share + 0.2 }} {{ amount * 2 }}", "3 7 1.5 0.3 1760000.2");
    check("{% if amount > 500000 and share < 1 and count == 3 %}big{% endif %}", "big");
    check("[{{ nothing }}{{ event.none }}{{ nothing.deeper }}{{ nothing ~ '' }}]", "[]");
    check("{{ vip }} {{ tags }} {{ tags | join('/') }} {{ tags[1] }}", "true VIP, 官网 VIP/官网 官网");
    check("{{ at }} {{ at | date }} {{ at | time }} {{ event.sent | date }}", "2026-09-21 09:00 2026-09-21 09:00 2026-09-21");
    check("{{ now() }} {{ today() }}", "2026-09-21 10:00 2026-09-21");
    check("{{ 客户.等级 }} {{ 客户['等级'] }} {{ owner }} {{ owner.manager }}", "A A 张三 王总监");
    check(
        "{{ 客户 }} {{ items | tojson }}",
        r#"{"等级":"A"} [{"name":"轴承","unit-price":12.50},{"name":"电机","unit-price":1999.90}]"#,
    );
    check("{% for i in items %}{{ loop.index }}.{{ i.name }} {{ i['unit-price'] }};{% endfor %}", "1.轴承 12.50;2.电机 1999.90;");
    check(
        "{{ items[1].name }} {{ items | map(attribute='name') | join('、') }} {{ items.0['unit-price'] }}",
        "电机 轴承、电机 12.50",
    );
    check("{% set total = count * 2 %}{{ total }}{% with x = owner %} {{ x }}{% endwith %}", "6 张三");
    check("{{ boss.name }}", "needs Key(Cursor(\"王总监\"))");
}

#[test]
fn our_filters() {
    check(
        "{{ amount | money }} {{ count | money }} {{ 1234567.005 | money }} {{ -0.5 | money }} {{ nothing | money }}!",
        "880,000.10 3.00 1,234,567.01 -0.50 !",
    );
    check("{{ owner | money }}", "? template: money: `张三` is not a number");
    check("{{ nothing | default('客户') }} {{ '' | default(owner) }} {{ count | default(0) }}", "客户 张三 3");
    check("{{ owner | date }}", "? template: `张三` is not a time");
    check("[{{ nothing | date }}{{ nothing | time }}]", "[]");
    check("{{ '张三 & b/c' | urlencode }} {{ 'a-b' | replace('-', '') }}", "%E5%BC%A0%E4%B8%89%20%26%20b%2Fc ab");
    check("{{ 'abc' | upper }} {{ '中文' | length }} {{ amount | round | int }}", "ABC 2 880000");
}

#[test]
fn inserted_values_are_escaped_in_html_only_and_never_read_again() {
    check("{{ name }}", "刘洋 <b>");
    assert_eq!(
        outcome("<p>{{ name }}</p> {{ [name] }} {{ name | upper }}", true),
        "<p>刘洋 &lt;b&gt;</p> 刘洋 &lt;b&gt; 刘洋 &lt;B&gt;"
    );
    check("{{ event.text }}", "{{ secret }} {% for %}");
    assert_eq!(outcome("{{ event.text }}", true), "{{ secret }} {% for %}");
}

#[test]
fn faults_are_placed() {
    check("线索 {{ nmae }}", "`nmae`@6 UnknownName { name: \"nmae\", nearest: Some(\"name\") }");
    check("{{ onwer.manager }}", "`onwer`@3 UnknownName { name: \"onwer.manager\", nearest: Some(\"owner.manager\") }");
    check(
        "{% for i in itms %}{{ i.x }}{{ loop.index }}{{ j }}{% endfor %}",
        "`itms`@12 UnknownName { name: \"itms\", nearest: Some(\"items\") } | `j`@47 UnknownName { name: \"j\", nearest: None }",
    );
    check("客户 {{ name | mony }}", "`mony`@13 UnknownFilter { name: \"mony\", nearest: Some(\"money\") }");
    check("{{ 'x' | format }}", "`format`@9 UnknownFilter { name: \"format\", nearest: None }");
    check("{% if name is definde %}{% endif %}", "`definde`@14 UnknownTest { name: \"definde\", nearest: Some(\"defined\") }");
    check("{{ tody() }}", "`tody`@3 UnknownFunction { name: \"tody\", nearest: Some(\"today\") }");
    check("{{ range(9) }}", "`range`@3 UnknownFunction { name: \"range\", nearest: None }");
    check("{{ name.upper() }}", "`name.upper()`@3 NotInTemplates { found: \"name.upper()\" }");
    check("{{ 'x' * 900000000 }}", "`'x' * 900000000`@3 NotInTemplates { found: \"'x' * 900000000\" }");
    check("名 {{ =x }}", "`=`@5 TemplateSyntax { reason: \"unexpected `=`\" }");
    check("{{ a b }}", "`b`@5 TemplateSyntax { reason: \"unexpected identifier, expected end of variable block\" }");
    check("一\n二 {{ name", "`name`@7 TemplateSyntax { reason: \"unexpected end of input, expected end of variable block\" }");
    check(
        "{{ name | mony }} {{ x | foo }}",
        "`mony`@10 UnknownFilter { name: \"mony\", nearest: Some(\"money\") } | `foo`@25 UnknownFilter { name: \"foo\", nearest: None }",
    );
}

#[test]
fn steps_and_size_are_capped() {
    let loops = "{% for a in tags %}".repeat(18) + "x" + &"{% endfor %}".repeat(18);
    assert_eq!(outcome(&loops, false), "? the template takes more than 100000 steps");
    let long = format!("{{% for a in tags %}}{}{{% endfor %}}", "字".repeat(60_000));
    assert_eq!(outcome(&long, false), "? the text would be longer than 256 KiB");
    let fits = format!("{{% for a in tags %}}{}{{% endfor %}}", "字".repeat(20_000));
    assert_eq!(outcome(&fits, false), "字".repeat(40_000));
    assert!(outcome(&"x".repeat(MAX_SOURCE + 1), false).contains("TooLong"));
    assert_eq!(
        outcome("{{ nothing + 1 }}", false),
        "? template: tried to use + operator on unsupported types undefined and number"
    );
    assert!(outcome(&format!("{{{{ {}1{} }}}}", "(".repeat(5_000), ")".repeat(5_000)), false).contains("TemplateSyntax"));
}

#[test]
fn is_stored_as_its_source_with_its_kind() {
    for (template, stored) in [
        (Template::parse("hi {{ name }}"), r#""hi {{ name }}""#),
        (Template::parse_html("<b>{{ name }}</b>"), r#""html:<b>{{ name }}</b>""#),
        (Template::parse("html:x"), r#""text:html:x""#),
        (Template::parse("text:x"), r#""text:text:x""#),
    ] {
        let template = template.unwrap();
        assert_eq!(serde_json::to_string(&template).unwrap(), stored);
        assert_eq!(serde_json::from_str::<Template>(stored).unwrap(), template);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_panics(pieces in prop::collection::vec(prop::sample::select(vec![
        "{{ ", " }}", "{% ", " %}", "if ", "endif", "for i in ", "endfor", "name", "items", "amount", "nothing", "客户.等级", "i.name", "loop.index",
        " | money", " | date", " | join", "(", ")", "[0]", ".", " ~ ", " + ", " * ", "'x'", "“", "1", "{#", "#}", "set a = ", "字",
    ]), 0..12)) {
        let source = pieces.concat();
        drop(outcome(&source, false));
        drop(outcome(&source, true));
    }
}
