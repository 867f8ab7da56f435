//! Conditions from outside: every trap of the parser, each fault at its place, the caps.

use std::borrow::Cow;

use proptest::prelude::*;

use super::*;
use crate::engine::scope::Unknown;
use crate::engine::state::{Key, Need};

/// A lead of 2026-09-21 10:00 in Shanghai, a Monday.
struct Lead(Value);

impl Lead {
    fn new() -> Self {
        let time = |t: &str| Value::Time(t.parse().unwrap());
        Self(Value::from([
            ("name", "张三丰".into()),
            ("level", "A".into()),
            ("region", "华东".into()),
            ("amount", Value::Number("1000.0".parse().unwrap())),
            ("big", Value::Number(rust_decimal::Decimal::MAX)),
            ("vip", true.into()),
            ("tags", vec!["VIP", "官网"].into()),
            ("owner_at", time("2026-09-20T02:00:00Z")),
            ("due_on", "2026-09-21".into()),
            ("客户", Value::from([("等级", Value::from("A"))])),
            ("event", Value::from([("lead-score", Value::from(7i64)), ("page", "A产品".into()), ("n", "3".into())])),
        ]))
    }
}

impl Scope for Lead {
    fn name(&self, path: &[String]) -> Result<Cow<'_, Value>, Stop> {
        if path[0] == "boss" {
            return Err(Stop::Need(Key::Cursor("王总监".into()).into()));
        }
        Ok(self.0.at(path).map_or(Cow::Owned(Value::Null), Cow::Borrowed))
    }
    fn now(&self) -> jiff::Zoned {
        "2026-09-21T10:00+08:00[Asia/Shanghai]".parse().unwrap()
    }
    fn changed(&self, field: &str) -> bool {
        field == "stage"
    }
}

impl Names for Lead {
    fn problem(&self, path: &[String]) -> Option<Unknown> {
        let all = [
            "name",
            "level",
            "region",
            "amount",
            "missing",
            "owner_at",
            "tags",
            "客户",
            "event",
            "stage",
            "due_on",
            "lead_score",
        ];
        (!all.contains(&path[0].as_str())).then(|| Unknown { part: 0, nearest: nearest(&path[0], all).map(str::to_owned) })
    }
}

/// What an expression comes to: its value, `? reason`, or each fault with the text it points at.
fn outcome(source: &str) -> String {
    match Expr::parse(source) {
        Err(faults) => shown(source, &faults),
        Ok(expr) => match expr.eval(&Lead::new()) {
            Ok(value) => serde_json::to_string(&value.plain()).unwrap(),
            Err(Stop::Unevaluable(reason)) => format!("? {reason}"),
            Err(Stop::Need(need)) => format!("needs {need:?}"),
        },
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
    assert_eq!(outcome(source), expect, "{source}");
}

#[track_caller]
fn names(source: &str, expect: &str) {
    assert_eq!(shown(source, &Expr::parse(source).unwrap().check(&Lead::new())), expect, "{source}");
}

#[test]
fn what_evalexpr_itself_gets_wrong() {
    check("1 == 1.0", "true");
    check("2^2 == 4", "true");
    check("amount == 1000", "true");
    check("10 / 4", "2.5");
    check("0.1 + 0.2 == 0.3", "true");
    check("len('中文')", "2");
    check("missing == 'A'", "false");
    check("missing != 'A'", "true");
    check("level == 'A' or missing > 1", "true");
    check("level == 'B' && missing > 1", "false");
    check("if(vip, 1, missing + 1)", "1");
    check("a ==", "`==`@2 MissingValue { operator: \"==\" }");
    check("", "``@0 Empty");
    check(" \u{3000}", "` \u{3000}`@0 Empty");
    check("9223372036854775807 + 1", "9223372036854775808");
    check("1 / /* x */ 2", "`/`@4 MissingValue { operator: \"/\" }");
    check("1 // 2", "`/`@3 MissingValue { operator: \"/\" }");
}

#[test]
fn the_thin_layer() {
    check("level == 'A' and not vip or false", "false");
    check("not level == 'B' and vip", "true");
    check("not level in ('A', 'B')", "false");
    check("not (vip) or vip", "true");
    check("!vip == false", "true");
    check("level in ('A', 'B') && region in [\"华东\"]", "true");
    check("level not in ('A') or 'VIP' in tags", "true");
    check("'官网' not in tags", "false");
    check("'VIP' in (tags)", "true");
    check("level in []", "false");
    check("missing in ('A', 'B')", "false");
    check("amount in (999 + 1, 5)", "true");
    check("lower(level) in (lower('A'), 'b')", "true");
    check("'it''s' == 'x'", "`'s'`@4 MissingOperator");
    check(r#"'it\'s' + "\"" + '\d\\'"#, r#""it's\"\\d\\""#);
    check("客户.等级 == 'A' and 客户['等级'] == \"A\"", "true");
    check(
        "event['lead-score'] + tags.1 == 7",
        "? event.lead-score is a number, tags.1 is text: `+` takes two numbers or two texts",
    );
    check("tags[0] + tags.1", "\"VIP官网\"");
    check("boss.name == 'x'", "needs Key(Cursor(\"王总监\"))");
    check("vip and boss.name == 'x' and missing > 1", "needs Key(Cursor(\"王总监\"))");
}

#[test]
fn arithmetic_is_exact_and_checked() {
    check("1 - 2 - 3 * -2 ^ 2", "11");
    check("2 ^ -1 + 7 % 4", "3.5");
    check("-amount", "-1000.0");
    check("amount / (1 - 1)", "? division by zero");
    check("amount % 0", "? division by zero");
    check("0 ^ -1", "? division by zero");
    check("big * 2", "? the result is out of range");
    check("10 ^ 400", "? the result is out of range");
    check("2 ^ 0.5", "? the exponent of `^` is not a whole number");
    check("1e400", "`1e400`@0 NumberRange { found: \"1e400\" }");
    check("1e3 + 1.5e-1", "1000.15");
    check("1e-400 < 5", "`1e-400`@0 NumberRange { found: \"1e-400\" }");
    check("name + '!' + level", "\"张三丰!A\"");
    check("name + 1", "? name is text, 1 is a number: `+` takes two numbers or two texts");
    check("amount + missing", "? missing is missing");
    check("name * 2", "? name is text, a number expected");
}

#[test]
fn comparisons() {
    check("'a' < 'b' and '张' > 'a'", "true");
    check("missing > 5", "? missing is missing");
    check("missing == missing", "false");
    check("missing != missing", "true");
    check("name > 5", "? name is text, 5 is a number: neither is before the other");
    check("event.n == 3", "false");
    check("owner_at < '2026-09-20 10:00:01' and owner_at == '2026-09-20T10:00+08:00'", "true");
    check("owner_at > 'gestern'", "? 'gestern' is text that does not read as a time");
    check("owner_at == 'gestern'", "false");
    check("1 < amount < 5", "`1 < amount < 5`@0 ChainedComparison");
    check("(amount > 1) == vip", "true");
}

#[test]
fn the_library() {
    check("contains(name, '三') and starts_with(name, '张') and ends_with(name, '丰')", "true");
    check("contains(tags, 'VIP') and not contains(tags, 'vip')", "true");
    check("contains(missing, 'x')", "false");
    check("contains(amount, '1')", "? amount is a number, text or a list expected");
    check("matches(name, '^[张李].三?') and matches(name, \"\\w+\")", "true");
    check("is_empty(missing) and is_empty('  ') and not is_empty(tags)", "true");
    check("default(missing, 5) + default(amount, 5)", "1005.0");
    check("upper('abc') + lower('DEF')", "\"ABCdef\"");
    check("upper(missing) == 'X'", "false");
    check("len(missing) > 1", "? missing is missing");
    check("len(name) + len(tags)", "5");
    check("days_since(owner_at)", "1");
    check("hours_since(owner_at)", "24");
    check("hours_since('2026-09-21 09:30')", "0.5");
    check("days_since('2026-09-21 11:00') < 0", "true");
    check("days_since(level)", "? level is text, a time expected");
    check("days_since(missing) > 1", "? missing is missing");
    check("today() == due_on and due_on <= today()", "true");
    check("weekday() == 1 and weekday('2026-09-20') == 7", "true");
    check("now() > owner_at", "true");
    check("changed(stage) and !changed(level)", "true");
    for f in library().filter(|f| !matches!(f.which, library::Which::In)) {
        assert!(Expr::parse_condition(f.example).is_ok() && !f.chinese.is_empty(), "{}", f.name);
        let too_many = format!("{}({})", f.name, vec!["'a'"; f.most + 1].join(","));
        assert!(outcome(&too_many).contains("Arguments"), "{too_many}");
    }
}

#[test]
fn tests_want_true_or_false() {
    let test = |source: &str| match Expr::parse(source).unwrap().test(&Lead::new()) {
        Ok(b) => b.to_string(),
        Err(stop) => format!("{stop:?}"),
    };
    assert_eq!(test("vip"), "true");
    assert_eq!(test("missing"), "false");
    assert_eq!(test("not missing"), "true");
    assert_eq!(test("amount"), "Unevaluable(\"amount is a number, true or false expected\")");
    assert_eq!(test("lower(missing)"), "Unevaluable(\"missing is missing\")");
    for (source, ok) in [
        ("'A'", false),
        ("1 + 1", false),
        ("['a']", false),
        ("-amount", false),
        ("vip", true),
        ("len(name)", false),
        ("true", true),
    ] {
        assert_eq!(Expr::parse_condition(source).is_ok(), ok, "{source}");
    }
}

#[test]
fn slips_are_named_where_they_are() {
    check("level = 'A'", "`=`@6 Instead { found: \"=\", write: \"==\" }");
    check(
        "level ＝＝ “A”",
        "`＝＝`@6 Instead { found: \"＝＝\", write: \"==\" } | `“A”`@9 Instead { found: \"“A”\", write: \"'A'\" }",
    );
    check(
        "is_empty（level）",
        "`（`@8 Instead { found: \"（\", write: \"(\" } | `）`@14 Instead { found: \"）\", write: \")\" }",
    );
    check("level in ('A'，'B')", "`，`@13 Instead { found: \"，\", write: \",\" }");
    check("！vip", "`！`@0 Instead { found: \"！\", write: \"!\" }");
    check(
        "amount ＞ １００",
        "`＞`@7 Instead { found: \"＞\", write: \">\" } | `１００`@9 Instead { found: \"１００\", write: \"100\" }",
    );
    check("amount ≥ 5", "`≥`@7 Instead { found: \"≥\", write: \">=\" }");
    check("vip AND vip", "`AND`@4 Instead { found: \"AND\", write: \"and\" }");
    check("vip 且 vip", "`且`@4 Instead { found: \"且\", write: \"and\" }");
    check("vip & vip", "`&`@4 Instead { found: \"&\", write: \"and\" }");
    check("amount <> 5", "`<>`@7 Instead { found: \"<>\", write: \"!=\" }");
    check("amount <= 10%", "`10%`@10 Instead { found: \"10%\", write: \"0.1\" }");
    check("(amount > 10%) and vip", "`10%`@10 Instead { found: \"10%\", write: \"0.1\" }");
    check("amount：5", "`：`@6 Instead { found: \"：\", write: \":\" } | `：`@6 UnexpectedCharacter { found: ':' }");
    check("a = 1; b", "`=`@2 Instead { found: \"=\", write: \"==\" } | `;`@5 Semicolon");
    check("amount += 1", "`+=`@7 Assignment { found: \"+=\" }");
    check("{{ level }} == 'A'", "`{{`@0 Braces { found: \"{{\" }");
    check("level == null", "`null`@9 Null { found: \"null\" }");
    check("level == 'A", "`'A`@9 UnterminatedText { quote: '\\'' }");
    check("level == “A", "`“A`@9 UnterminatedText { quote: '“' }");
    check("amount > 3d", "`3d`@9 BadNumber { found: \"3d\" }");
    check("amount > 10万", "`10万`@9 BadNumber { found: \"10万\" }");
    check("amount > 1.2.3", "`1.2.3`@9 BadNumber { found: \"1.2.3\" }");
    check("amount > 1,000", "`,`@10 StrayComma");
    check("level == 'A' #", "`#`@13 UnexpectedCharacter { found: '#' }");
    check("tags[x]", "`[x]`@4 BadIndex");
}

#[test]
fn order_of_tokens() {
    check("(vip", "`(`@0 UnclosedBracket { bracket: '(' }");
    check("vip)", "`)`@3 UnopenedBracket { bracket: ')' }");
    check("level in ('A']", "`]`@13 UnopenedBracket { bracket: ']' }");
    check("amount > and vip", "`and`@9 MissingValue { operator: \"and\" }");
    check("and vip", "`and`@0 MissingValue { operator: \"and\" }");
    check("vip or", "`or`@4 MissingValue { operator: \"or\" }");
    check("(amount >) or vip", "`>`@8 MissingValue { operator: \">\" }");
    check("level 'A'", "`'A'`@6 MissingOperator");
    check("level ('A')", "`level`@0 UnknownFunction { name: \"level\", nearest: None }");
    check("(vip)(vip)", "`(`@5 MissingOperator");
    check("4(5)", "`(`@1 MissingOperator");
    check("()", "`)`@1 EmptyBrackets");
    check("level in ()", "`)`@10 EmptyBrackets");
    check("contains(name,)", "`)`@14 EmptyBrackets");
    check("level in 'A'", "`'A'`@9 NotAList");
    check("'VIP' in tags + 1", "`in`@6 NotAList");
    check("vip not", "`not`@4 MissingOperator");
}

#[test]
fn values_are_no_conditions() {
    let wrote = |at: &str, write: &str| format!("{at} BareValue {{ write: Some(\"{write}\") }}");
    names("level == '华东' or '华北'", &wrote("`'华北'`@17", "level in ['华东', '华北']"));
    names("level == 'a' or 'b' or 'c'", &wrote("`'b' or 'c'`@16", "level in ['a', 'b', 'c']"));
    names("level != 'a' and 'b'", &wrote("`'b'`@17", "level not in ['a', 'b']"));
    for (source, at) in [
        ("'华东' or stage", "`'华东'`@0"),
        ("stage and 3", "`3`@10"),
        ("not 'x'", "`'x'`@4"),
        ("stage or ['a', 'b']", "`['a', 'b'`@9"),
        ("if('x', 1, 2) > 1", "`'x'`@3"),
    ] {
        names(source, &format!("{at} BareValue {{ write: None }}"));
    }
    names("stage != ''", "`stage != ''`@0 EmptyText { write: \"not is_empty(stage)\" }");
    names("stage and '' == level", "`'' == level`@10 EmptyText { write: \"is_empty(level)\" }");
    check("vip or not (level == 'A') and true", "true");
}

#[test]
fn functions_are_checked() {
    check("contain(name, 'x')", "`contain`@0 UnknownFunction { name: \"contain\", nearest: Some(\"contains\") }");
    check("name.contains('x')", "`name.contains`@0 UnknownFunction { name: \"name.contains\", nearest: Some(\"contains\") }");
    check("length(name)", "`length`@0 UnknownFunction { name: \"length\", nearest: Some(\"len\") }");
    check("str::substring('中文字', 1)", "`:`@3 UnexpectedCharacter { found: ':' } | `:`@4 UnexpectedCharacter { found: ':' }");
    check("contains(name)", "`contains`@0 Arguments { function: \"contains\", least: 2, most: 2, found: 1 }");
    check("matches(name, level)", "`level`@14 PatternNotText");
    check("matches(name, '(')", "`'('`@14 BadPattern { reason: \"unclosed group\" }");
    assert!(outcome(r"matches(name, '\w{1000}{1000}')").contains("BadPattern"));
    check("matches('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab', '^(a+)+$')", "false");
    check("changed('stage')", "`'stage'`@8 NotAField");
    check("changed(lead.stage)", "`lead.stage`@8 NotAField");
    check(
        "is_emty(x) and foo(y)",
        "`is_emty`@0 UnknownFunction { name: \"is_emty\", nearest: Some(\"is_empty\") } | `foo`@15 UnknownFunction { name: \"foo\", nearest: None }",
    );
}

#[test]
fn names_are_checked() {
    names("amuont > 1 and 客户.等级 == 'A'", "`amuont`@0 UnknownName { name: \"amuont\", nearest: Some(\"amount\") }");
    names("today > due_on", "`today`@0 UnknownName { name: \"today\", nearest: Some(\"today()\") }");
    names("changed(stge)", "`stge`@8 UnknownName { name: \"stge\", nearest: Some(\"stage\") }");
    names(
        "event.lead-score > 1",
        "`event.lead-score`@0 DashedName { name: \"event.lead-score\", write: \"event['lead-score']\" }",
    );
    names("lead-score > 1", "`lead-score`@0 DashedName { name: \"lead-score\", write: \"lead_score\" }");
    names("amount-level > 1 and amount - foo > 1", "`foo`@30 UnknownName { name: \"foo\", nearest: None }");
}

#[test]
fn caps_hold_before_any_parser_sees_the_text() {
    check(&"1+".repeat(100_000), &format!("`{}`@0 TooLong {{ limit: 4096 }}", "1+".repeat(100_000)));
    assert!(outcome(&format!("1{}", "+1".repeat(256))).starts_with("257"));
    assert!(outcome(&format!("1{}", "+1".repeat(257))).contains("TooManyOperators"));
    for (open, close) in [("(", ")"), ("!", ""), ("not ", ""), ("-", ""), ("lower(", ")"), ("[", "]")] {
        let nested = |n: usize| format!("{}vip{}", open.repeat(n), close.repeat(n));
        assert!(!outcome(&nested(64)).contains("TooDeep"), "{open}");
        assert!(outcome(&nested(65)).contains("`@") && outcome(&nested(65)).contains("TooDeep"), "{open}");
        assert!(outcome(&nested(1000)).contains("Too"), "{open}");
    }
}

#[test]
fn is_stored_as_its_source() {
    let expr = Expr::parse("level == 'A'  and amount>1").unwrap();
    let stored = serde_json::to_string(&expr).unwrap();
    assert_eq!(stored, "\"level == 'A'  and amount>1\"");
    assert_eq!(serde_json::from_str::<Expr>(&stored).unwrap(), expr);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parse_never_panics(source in "\\PC{0,60}") {
        drop(outcome(&source));
    }

    #[test]
    fn eval_never_panics_and_faults_lie_within(words in prop::collection::vec(prop::sample::select(vec![
        "amount", "name", "level", "missing", "tags", "客户.等级", "big", "vip", "owner_at", "1", "0", "-7.5", "1e28", "'A'", "\"x\"", "'2026'",
        "+", "-", "*", "/", "%", "^", "==", "!=", "<", ">=", "and", "or", "not", "!", "in", "not in", "(", ")", "[", "]", ",",
        "len(", "contains(", "default(", "if(", "matches(", "changed(", "now()", "=", "“", "（", "&", ";", "event['lead-score']", "a-b",
    ]), 0..14)) {
        let source = words.join(" ");
        match Expr::parse(&source) {
            Ok(expr) => {
                drop(expr.eval(&Lead::new()));
                drop(expr.test(&Lead::new()));
                drop(expr.check(&Lead::new()));
            }
            Err(faults) => {
                prop_assert!(!faults.is_empty());
                prop_assert!(faults.iter().all(|f| f.at.end <= source.chars().count() && f.at.start <= f.at.end));
            }
        }
    }
}

/// A condition clause by clause: each with a sign for how it came out (`+ - ? .`), its parts in brackets, the values of leaves.
fn clauses(clause: &Clause) -> String {
    let sign = match clause.held {
        Held::Yes => "+",
        Held::No => "-",
        Held::Unevaluable(_) => "?",
        Held::Skipped => ".",
    };
    let values: Vec<String> = clause.values.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let parts: Vec<String> = clause.parts.iter().map(clauses).collect();
    match clause.joint {
        Joint::One if values.is_empty() => format!("{sign}`{}`", clause.text),
        Joint::One => format!("{sign}`{}` {}", clause.text, values.join(" ")),
        joint => format!("{sign}{}[{}]", joint.word(), parts.join("; ")),
    }
}

#[track_caller]
fn explained(source: &str, expect: &str, decisive: &str) {
    let clause = Expr::parse(source).unwrap().explain(&Lead::new()).unwrap();
    assert_eq!((clauses(&clause).as_str(), clause.decisive().text.as_str()), (expect, decisive), "{source}");
    let at = |c: &Clause| source.chars().skip(c.at.start).take(c.at.len()).collect::<String>();
    assert_eq!(at(&clause), clause.text);
}

#[test]
fn conditions_are_explained_clause_by_clause() {
    explained("amount > 60", "+`amount > 60` amount=1000.0", "amount > 60");
    explained(
        "level == 'A' and region == '华北' and amount > 2",
        "-and[+`level == 'A'` level=A; -`region == '华北'` region=华东; .`amount > 2`]",
        "region == '华北'",
    );
    explained(
        "(level == 'B' or (missing > 3)) and vip",
        "?and[?or[-`level == 'B'` level=A; ?`missing > 3` missing=]; .`vip`]",
        "missing > 3",
    );
    explained(
        "level == 'B' or region == '华北'",
        "-or[-`level == 'B'` level=A; -`region == '华北'` region=华东]",
        "level == 'B' or region == '华北'",
    );
    explained("level == 'A' or boss.name == 'x'", "+or[+`level == 'A'` level=A; .`boss.name == 'x'`]", "level == 'A'");
    explained("not (vip and amount > 1)", "-not[+and[+`vip` vip=true; +`amount > 1` amount=1000.0]]", "not (vip and amount > 1)");
    explained("vip and not missing > 1", "?and[+`vip` vip=true; ?not[?`missing > 1` missing=]]", "missing > 1");
    explained(
        "!(vip) or not not changed(stage)",
        "+or[-not[+`vip` vip=true]; +not[-not[+`changed(stage)` stage=]]]",
        "not not changed(stage)",
    );
    explained(
        "region in ('华南', '华东') and '官网' not in tags",
        "-and[+`region in ('华南', '华东')` region=华东; -`'官网' not in tags` tags=[\"VIP\",\"官网\"]]",
        "'官网' not in tags",
    );
    explained(
        "客户.等级 in ['A'] and event['lead-score'] >= 8",
        "-and[+`客户.等级 in ['A']` 客户.等级=A; -`event['lead-score'] >= 8` event.lead-score=7]",
        "event['lead-score'] >= 8",
    );
    explained(
        "-(amount) * 2 < (amount + 1) and (len(name)) > 9",
        "-and[+`-(amount) * 2 < (amount + 1)` amount=1000.0; -`(len(name)) > 9` name=张三丰]",
        "(len(name)) > 9",
    );
    explained(
        "owner_at < now() and (1 == 1 and 2 == 2) and matches(name, '^李')",
        "-and[+`owner_at < now()` owner_at=2026-09-20T02:00:00Z; +`1 == 1 and 2 == 2`; -`matches(name, '^李')` name=张三丰]",
        "matches(name, '^李')",
    );
    explained("!vip == vip", "-`!vip == vip` vip=true", "!vip == vip");
    explained("if(vip, level == 'B', vip)", "-`if(vip, level == 'B', vip)` vip=true level=A", "if(vip, level == 'B', vip)");
    let needs = Expr::parse("vip and boss.name == 'x'").unwrap().explain(&Lead::new());
    assert_eq!(needs, Err(Need::from(Key::Cursor("王总监".into()))));
}

proptest! {
    /// What is explained is what is decided, whatever the condition.
    #[test]
    fn explaining_comes_to_what_testing_comes_to(picks in prop::collection::vec((0..8usize, 0..6usize), 1..9)) {
        let leaves = ["vip", "missing > 1", "level == 'A'", "region == '华北'", "amount > 2000", "changed(stage)", "missing", "1 == 1"];
        let mut source = String::from(leaves[picks[0].0]);
        for (leaf, how) in &picks[1..] {
            let leaf = leaves[*leaf];
            source = match how {
                0 => format!("{source} and {leaf}"),
                1 => format!("{source} or {leaf}"),
                2 => format!("not ({source}) and {leaf}"),
                3 => format!("{leaf} or ({source})"),
                4 => format!("{leaf} and (not {source} or vip)"),
                _ => format!("({source}) and not {leaf}"),
            };
        }
        let expr = Expr::parse_condition(&source).unwrap();
        let told = match expr.explain(&Lead::new()).unwrap().held {
            Held::Yes => Ok(true),
            Held::No => Ok(false),
            Held::Unevaluable(why) => Err(Stop::Unevaluable(why)),
            Held::Skipped => panic!("the whole was skipped"),
        };
        prop_assert_eq!(told, expr.test(&Lead::new()), "{}", source);
    }
}
