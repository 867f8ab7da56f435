//! Rows 1–6: definitions and conditions meant to break things: refused by `ifthen check` with their place,
//! refused by the running daemon, which keeps what it had and goes on; what may stand is evaluated and never ends the process.

use ifthen::engine::log::Outcome;
use serde_json::json;

use super::harness::{Daemon, Folder, wait};

const CONFIG: &str = "
sources:
  web: { webhook: {}, event: page.viewed, delivery: { body: [id] } }
";

const GOOD: &str = "rules:\n  note: { when: page.viewed, then: [ { log: 'seen {{ event.id }}' } ] }\n";

/// A rule with this condition; its first character stands at 4:10.
fn rule(condition: &str) -> String {
    format!(
        "rules:\n  bad:\n    when: page.viewed\n    if: '{}'\n    then: [ {{ log: fired }} ]\n",
        condition.replace('\'', "''")
    )
}

/// What is refused, by row: a name, the file, the code and the place that are told.
fn refused() -> Vec<(u8, &'static str, String, &'static str, &'static str)> {
    let mut all = Vec::new();
    let mut condition = |row, name, condition: String, code, place| all.push((row, name, rule(&condition), code, place));
    // 1: no parser sees them.
    condition(1, "a hundred thousand sums", format!("1{} > 0", "+1".repeat(100_000)), "E073", "4:10");
    condition(1, "a hundred thousand brackets", "(".repeat(100_000), "E073", "4:10");
    condition(1, "a hundred thousand negations", format!("{}event.a", "!".repeat(100_000)), "E073", "4:10");
    condition(1, "300 sums", format!("1{} > 0", "+1".repeat(300)), "E075", "4:");
    condition(1, "2,000 brackets", format!("{}event.a{}", "(".repeat(2_000), ")".repeat(2_000)), "E076", "4:74");
    condition(1, "3,000 negations", format!("{}event.a", "!".repeat(3_000)), "E07", "4:");
    condition(1, "900 words not", format!("{}event.a", "not ".repeat(900)), "E07", "4:");
    condition(1, "100 questions of items", format!("{}item{}", "any(event.a, ".repeat(100), ")".repeat(100)), "E076", "4:");
    condition(1, "100 lists", format!("event.a in {}1{}", "[".repeat(100), "]".repeat(100)), "E076", "4:");
    // 2: a pattern that would take all memory.
    condition(2, "a pattern without end", r"matches(event.a, '\w{1000}{1000}')".into(), "E07S", "4:27");
    condition(2, "and one that captures", r"capture(event.a, '(\w{1000}){1000}') == 'x'".into(), "E07S", "4:27");
    // 3: a number that is none.
    condition(3, "1e400", "event.a > 1e400".into(), "E07F", "4:20");
    // 4: what changes something.
    condition(4, "an assignment", "event.a = 1".into(), "E078", "4:18");
    condition(4, "a chain of them", "event.a = event.b = 1".into(), "E078", "4:18");
    condition(4, "one that adds", "event.a += 1".into(), "E079", "4:18");
    condition(4, "two statements", "event.a == 1; event.b == 2".into(), "E07A", "4:22");
    // 5: what is not there, and what is meant.
    condition(5, "an unknown variable", "客护 == 1".into(), "E070", "4:10");
    condition(5, "an unknown function", "contians(event.a, 'x')".into(), "E072", "4:10");
    let mut file = |row, name, text: &str, code, place| all.push((row, name, text.to_owned(), code, place));
    file(5, "an unknown action", "rules:\n  bad: { when: page.viewed, then: [ { lgo: x } ] }\n", "E030", "2:39");
    file(5, "an unknown key", "rules:\n  bad:\n    when: page.viewed\n    thne: [ { log: x } ]\n", "E030", "4:5");
    // 6: YAML that grows, that says a thing twice, that is no text.
    let levels: Vec<String> =
        (1..=9).map(|n| format!("  l{n}: &l{n} [{}]", vec![format!("*l{}", n - 1); 10].join(", "))).collect();
    file(6, "aliases of aliases", &format!("constants:\n  l0: &l0 x\n{}\n", levels.join("\n")), "E021", "2:7");
    file(6, "ten thousand aliases", &format!("constants:\n  a: &a x\n  b: [{}]\n", vec!["*a"; 10_000].join(", ")), "E02", "2:6");
    file(6, "a key twice", "rules:\n  bad: { when: page.viewed, when: x, then: [ { log: x } ] }\n", "E010", "2:29");
    file(6, "an id twice", "rules:\n  note: { when: page.viewed, then: [ { log: x } ] }\n", "E039", "");
    file(6, "ten megabytes", &format!("# {}\n", "x".repeat(10 << 20)), "E004", "");
    file(6, "a tab", "rules:\n\tbad: { when: page.viewed, then: [ { log: x } ] }\n", "E02G", "2:1");
    file(6, "nested without end", &format!("constants: {{ a: {}1{} }}\n", "[".repeat(10_000), "]".repeat(10_000)), "E0", "1:");
    file(6, "not UTF-8", "", "E003", "");
    all
}

fn write(folder: &Folder, file: &str, name: &str, text: &str) {
    if name == "not UTF-8" {
        // 客户 in GBK.
        let new = folder.path("rules/new");
        std::fs::write(&new, b"constants: { a: \xbf\xcd\xbb\xa7 }\n").unwrap();
        std::fs::rename(new, folder.path(file)).unwrap();
    } else {
        folder.write(file, text);
    }
}

/// `check` refuses each of a row at its place and says what was meant; the running daemon refuses it and goes on with what it had.
fn check(row: u8) {
    let folder = Folder::new(&[("config.yaml", CONFIG), ("rules/note.yaml", GOOD)]);
    let all: Vec<_> = refused().into_iter().filter(|one| one.0 == row).collect();
    assert!(!all.is_empty());
    for (_, name, text, code, place) in &all {
        write(&folder, "rules/bad.yaml", name, text);
        let (exit, said) = folder.cli(&["--lang", "en", "check"]);
        assert_eq!(exit, 1, "{name}: {said:.2000}");
        assert!(said.contains(&format!("error[{code}")), "{name}: {said:.2000}");
        assert!(place.is_empty() || said.contains(&format!("bad.yaml:{place}")), "{name}: {said:.2000}");
        assert!(said.len() < 200_000, "{name}: the report itself grows");
        let hint = match *name {
            "an unknown function" => "did you mean `contains`",
            "an unknown action" => "did you mean `log`",
            "an unknown key" => "did you mean `then`",
            "an assignment" => "write `==`",
            _ => "",
        };
        assert!(said.contains(hint), "{name}: {said:.2000}");
    }
    std::fs::remove_file(folder.path("rules/bad.yaml")).unwrap();
    let daemon = folder.start();
    for (n, (_, name, text, code, _)) in all.into_iter().enumerate() {
        let file = format!("x{n}bad.yaml");
        write(&folder, &format!("rules/{file}"), name, &text);
        wait(name, || {
            let lines = daemon.lines("reload", Outcome::Failed);
            lines.iter().map(|l| l.detail.to_string()).any(|d| d.contains(&file) && d.contains(code)).then_some(())
        });
        let id = format!("p{n}");
        daemon.accepted("/in/web", &[], &json!({ "id": id }));
        wait(name, || seen(&daemon, &id).then_some(()));
        std::fs::remove_file(folder.path(&format!("rules/{file}"))).unwrap();
    }
    assert!(daemon.lines("log", Outcome::Done).iter().all(|l| !l.detail.to_string().contains("fired")));
    assert!(!daemon.said().contains("panicked"));
    assert_eq!(daemon.stop(), 0);
}

fn seen(daemon: &Daemon, id: &str) -> bool {
    daemon.lines("log", Outcome::Done).iter().any(|l| l.detail.to_string().contains(&format!("seen {id}")))
}

#[test]
fn row_01_conditions_without_end_are_refused_before_any_parser_sees_them() {
    check(1);
}

#[test]
fn row_02_patterns_that_would_take_all_memory_are_refused() {
    check(2);
}

#[test]
fn row_03_a_number_that_is_none_is_refused() {
    check(3);
}

#[test]
fn row_04_what_would_change_something_is_refused_in_a_condition() {
    check(4);
}

#[test]
fn row_05_what_is_not_there_is_refused_at_its_place_with_the_nearest_name() {
    check(5);
}

#[test]
fn row_06_yaml_that_grows_or_says_a_thing_twice_is_refused() {
    check(6);
}

#[test]
fn row_03_what_cannot_be_worked_out_fires_nothing_and_is_told() {
    let conditions = [
        ("division", "event.a / event.zero > 1", "division by zero"),
        ("overflow", "event.big * event.big > 1", "out of range"),
        ("power", "event.a ^ 400 > 1", "out of range"),
        ("not-a-number", "event.nan > 1", "text"),
        ("missing", "event.none > 1", "event.none is missing"),
        ("sum", "sum(event.list, item * event.big) > 1", "out of range"),
        ("too-far", "add(event.at, '9999 years') > now()", "out of range"),
        ("too-long", "len(pad_left('x', event.big)) > 1", "longer than 64 KiB"),
        ("too-many", "any(event.many, any(event.many, item == 0))", "too long"),
        ("no-zone", "hour(event.at, event.nan) > 1", "no time zone"),
    ];
    let mut rules = String::from("rules:\n  note: { when: page.viewed, then: [ { log: 'seen {{ event.id }}' } ] }\n");
    for (id, condition, _) in conditions {
        rules += &format!(
            "  {id}: {{ when: page.viewed, if: \"{condition}\", then: [ {{ log: fired }} ], else: [ {{ log: fired }} ] }}\n"
        );
    }
    // Patterns that take other engines for ever.
    rules += "  linear: { when: page.viewed, if: \"matches(event.aaa, '^(a+)+$') or captures(event.aaa, '(a|aa)+$') == ['x']\", then: [ { log: fired } ] }\n";
    let folder = Folder::new(&[("config.yaml", CONFIG), ("rules/note.yaml", &rules)]);
    let (exit, said) = folder.cli(&["check"]);
    assert_eq!(exit, 0, "{said}");
    let daemon = folder.start();
    let event = json!({
        "id": "p1", "a": 10, "zero": 0, "big": 9_223_372_036_854_775_807_i64, "nan": "NaN", "list": [1e20, 1], "at": "2026-09-21 09:00",
        "many": (1..=5_000).collect::<Vec<u32>>(), "aaa": format!("{}b", "a".repeat(50_000)),
    });
    daemon.accepted("/in/web", &[], &event);
    wait("the event", || seen(&daemon, "p1").then_some(()));
    let log = daemon.log(&ifthen::store::Filter::default());
    for (id, _, why) in conditions {
        let line = log.iter().find(|l| l.rule.as_deref() == Some(id)).unwrap_or_else(|| panic!("{id} is not told of"));
        let told = line.detail.to_string();
        assert!(line.outcome != Outcome::Fired && told.contains(why), "{id}: {} {told}", line.outcome.word());
    }
    assert!(log.iter().all(|l| !l.detail.to_string().contains("fired")), "something fired");
    // No number is read that no number here can be.
    let (status, _) =
        daemon.client().send("POST", "/in/web", &[("content-type", "application/json")], b"{\"id\":\"p2\",\"a\":1e400}").unwrap();
    assert_eq!(status, 400);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn row_06_what_editors_of_other_systems_write_is_read_as_the_documentation_says() {
    let folder = Folder::new(&[("config.yaml", CONFIG)]);
    let text = "constants: { country: NO, switch: on, code: 08, phone: 013800138000, yes: true }\n\
                rules:\n  note: { when: page.viewed, then: [ { log: '{{ country }} {{ switch }} {{ code }} {{ phone }} {{ yes }}' } ] }\n";
    folder.write("rules/note.yaml", &format!("\u{feff}{}", text.replace('\n', "\r\n")));
    let daemon = folder.start();
    daemon.accepted("/in/web", &[], &json!({ "id": "p1" }));
    let said = daemon.wait_lines("log", Outcome::Done, 1)[0].detail.to_string();
    assert!(said.contains("NO on 08 013800138000 true"), "{said}");
}
