//! Tables of CSV, and actions under a name.

use super::*;

const TABLE_RULES: &str = "
entities: { lead: { fields: { city: text, owner: text } } }
tables: { 区域: { file: data/区域.csv, key: 城市 } }
rules: { r: { when: lead.created, then: [ { set: { owner: \"= lookup('区域', city, '负责人')\" } } ] } }
";

#[test]
fn a_table_counts_for_hash_and_difference_and_stays_below_the_definitions() {
    let table = |owner: &str| format!("\u{feff}城市,负责人,手机,折扣\n上海,{owner},013800138000,0.10\n\n 南京 ,\"李,四\",,\n");
    let folder = Folder::new(&[
        ("config.yaml", "definitions: [rules]\n"),
        ("rules/a.yaml", TABLE_RULES),
        ("rules/data/区域.csv", &table("张三")),
        ("elsewhere/outside.csv", &table("外人")),
    ]);
    let first = folder.loaded();
    let found = |city: &str, column: &str| first.definitions.tables["区域"].find(&city.into(), column).cloned();
    assert_eq!(found("上海", "负责人"), Some("张三".into()));
    assert_eq!(found("上海", "手机"), Some("013800138000".into()), "leading zeros stay");
    assert_eq!(found("上海", "折扣").map(|v| v.to_string()).as_deref(), Some("0.10"));
    assert_eq!(found("南京", "负责人"), Some("李,四".into()));
    assert_eq!(found("南京", "手机"), Some(crate::engine::value::Value::Null));
    assert_eq!(found("拉萨", "负责人"), None);
    folder.write("rules/data/区域.csv", &table("王芳"));
    let second = folder.loaded();
    assert_ne!(first.definitions.hash, second.definitions.hash);
    assert_eq!(diff(&first.summary, &second.summary), serde_json::json!({ "tables": { "changed": ["区域"] } }));

    // By whatever way it leads out, a file elsewhere is not read.
    std::os::unix::fs::symlink(folder.path().join("elsewhere/outside.csv"), folder.path().join("rules/data/link.csv")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("elsewhere"), folder.path().join("rules/up")).unwrap();
    for path in ["data/link.csv", "up/outside.csv", "../elsewhere/outside.csv", "data/../../elsewhere/outside.csv", "/etc/passwd"]
    {
        folder.write("rules/a.yaml", &TABLE_RULES.replace("data/区域.csv", path));
        let said = folder.load().err().unwrap().render(Lang::En, false);
        assert!(said.contains("E0T0") && said.contains("is not below the folders"), "{path}: {said}");
    }
    // One that stays inside is.
    std::os::unix::fs::symlink("区域.csv", folder.path().join("rules/data/inside.csv")).unwrap();
    folder.write("rules/a.yaml", &TABLE_RULES.replace("data/区域.csv", "data/inside.csv"));
    assert_eq!(folder.loaded().definitions.tables["区域"].rows.len(), 2);
}

#[test]
fn a_table_has_bounds() {
    let folder = Folder::new(&[("config.yaml", "definitions: [rules]\n"), ("rules/a.yaml", TABLE_RULES)]);
    let rows: String = (0..=100_000).map(|n| format!("{n},x\n")).collect();
    folder.write("rules/data/区域.csv", &format!("城市,负责人\n{rows}"));
    let said = folder.load().err().unwrap().render(Lang::En, false);
    assert!(said.contains("E0T8"), "{said}");
    folder.write("rules/data/区域.csv", &format!("城市,负责人\n上海,{}\n", "张".repeat(4 << 20)));
    let said = folder.load().err().unwrap().render(Lang::En, false);
    assert!(said.contains("E004"), "{said}");
}

#[test]
fn names_that_run_names_come_to_an_end() {
    let mut actions = String::from("actions:\n  a0: { do: [ { log: x }, { log: x } ] }\n");
    for n in 1..16 {
        actions.push_str(&format!("  a{n}: {{ do: [ {{ run: a{} }}, {{ run: a{} }} ] }}\n", n - 1, n - 1));
    }
    for n in 16..40 {
        actions.push_str(&format!("  a{n}: {{ do: [ {{ run: a{} }} ] }}\n", n - 1));
    }
    let rule = |name: &str| format!("{actions}rules: {{ r: {{ when: x.y, then: [ {{ run: {name} }} ] }} }}\n");
    let config = "definitions: [rules]\nsources: { s: { webhook: {}, event: x.y } }\n";
    let folder = Folder::new(&[("config.yaml", config), ("rules/a.yaml", &rule("a3"))]);
    assert_eq!(folder.loaded().definitions.rules[0].then.len(), 1);
    for (name, code) in [("a15", "E0N8"), ("a39", "E0NA")] {
        folder.write("rules/a.yaml", &rule(name));
        let said = folder.load().err().unwrap().render(Lang::En, false);
        assert!(said.contains(code), "{said}");
    }
}
