//! `ifthen test` on tests that fail, as exact output in both languages and in every form for programs; and on what is shipped.
//! `UPDATE_GOLDEN=1 cargo test --test test` writes the golden files anew; read the difference before committing it.
#![allow(clippy::unwrap_used, reason = "a failure here is the test failing")]

use std::path::Path;
use std::process::{Command, Output};

fn run(folder: &str, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ifthen"));
    command.args(line.split_whitespace()).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).env_clear();
    command.output().unwrap()
}

/// Output and exit code, compared with a golden file.
fn check(line: &str, golden: &str) {
    let out = run("tests/test", line);
    let text = format!("{}-- exit {}\n", String::from_utf8(out.stdout).unwrap(), out.status.code().unwrap());
    assert_eq!(String::from_utf8(out.stderr).unwrap(), "");
    same(&text, golden);
}

fn same(text: &str, golden: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/test").join(golden);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap());
}

#[test]
fn failures_in_both_languages() {
    check("test", "expected.en.txt");
    check("--lang zh test", "expected.zh.txt");
    check("--lang zh test --why 冷却", "expected.why.txt");
}

#[test]
fn failures_for_programs() {
    check("test --tap", "expected.tap");
    check("test --json 冷却", "expected.json");
    let file = tempfile::NamedTempFile::new().unwrap();
    let out = run("tests/test", &format!("test --junit {}", file.path().display()));
    assert_eq!(out.status.code(), Some(1));
    let xml = std::fs::read_to_string(file.path()).unwrap();
    same(&regex::Regex::new(r#"time="[0-9.]+""#).unwrap().replace_all(&xml, r#"time="…""#), "expected.xml");
}

#[test]
fn a_filter_chooses_and_one_that_chooses_nothing_fails() {
    let closing = |line: &str| {
        let out = run("tests/test", line);
        (String::from_utf8(out.stdout).unwrap(), out.status.code().unwrap())
    };
    assert_eq!(closing("test 轮到张三"), ("1 passed, 0 failed\n".to_owned(), 0));
    assert_eq!(closing("test 没有这个"), ("0 passed, 0 failed\n".to_owned(), 1));
}

#[test]
fn everything_shipped_has_tests_and_they_pass() {
    let out = run(".", "-c config.example.yaml test");
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success() && text.ends_with(" passed, 0 failed\n") && !text.starts_with("0 "), "{text}");
}

/// The blocks of YAML that hold tests, each of which is a file that could stand below `rules/`.
fn examples(readme: &str) -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(readme)).unwrap();
    let blocks = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
    blocks.filter(|block| block.lines().any(|line| line.trim() == "tests:")).collect()
}

#[test]
fn the_examples_of_the_readmes_pass() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for readme in ["README.md", "README.zh-CN.md"] {
        let folder = tempfile::tempdir().unwrap();
        for name in ["rules", "flows"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            for file in std::fs::read_dir(root.join(name)).unwrap() {
                let file = file.unwrap();
                std::fs::copy(file.path(), folder.path().join(name).join(file.file_name())).unwrap();
            }
        }
        std::fs::copy(root.join("config.example.yaml"), folder.path().join("config.yaml")).unwrap();
        for (n, example) in examples(readme).into_iter().enumerate() {
            std::fs::write(folder.path().join(format!("rules/readme{n}.yaml")), example).unwrap();
        }
        let out = run(folder.path().to_str().unwrap(), "test rules/readme");
        assert_eq!(String::from_utf8(out.stdout).unwrap(), "2 passed, 0 failed\n", "{readme}");
    }
}

#[test]
fn the_examples_of_controls_pass() {
    let out = run("examples/controls", "-c config.yaml test");
    let text = String::from_utf8(out.stdout).unwrap();
    assert_eq!(out.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&out.stderr));
}

const SIGNING: &str = "
entities: { contract: { fields: { id: text, amount: number } } }
people: { 周经理: {}, 钱经理: {}, 吴总: {} }
flows:
  合同:
    when: contract.created
    record: contract
    steps: [ { id: 会签, approve: { who: [ 'user:周经理', 'user:钱经理' ], mode: all }, within: 1d, late: { escalate: 'user:吴总' } } ]
";

/// One step of a test of a flow in which two people sign together: what `ifthen test` says of it.
fn signing(expect: &str) -> (String, i32) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    std::fs::write(folder.path().join("config.yaml"), "lang: zh\nzone: Asia/Shanghai\n").unwrap();
    let steps = format!("steps: [ {{ at: 2026-09-21 09:00, tell: {{ contract: {{ id: K1 }} }} }}, {expect} ]");
    let test = format!("{SIGNING}tests: {{ 会签: {{ {steps} }} }}\n").replace("}, {", "}\n, {");
    std::fs::write(folder.path().join("rules/a.yaml"), test).unwrap();
    let out = run(folder.path().to_str().unwrap(), "test");
    (String::from_utf8([out.stdout, out.stderr].concat()).unwrap(), out.status.code().unwrap())
}

#[test]
fn what_is_said_of_several_people_counts_for_each_of_them() {
    let first = |expect: &str| signing(&format!("{{ tell: {{ contract: {{ id: K2 }} }}, {expect} }}"));
    for expect in [
        "expect: [ { approve: 周经理 }, { approve: 钱经理 } ]",
        "expect: [ { approve: { who: [周经理, 钱经理] } } ]",
        "expect: [ { approve: { who: [周经理, 钱经理], step: 会签 } } ], never: [ { approve: 吴总 } ]",
        "expect: [ { approve: { step: 会签 }, times: 1 } ]",
    ] {
        let (text, code) = first(expect);
        assert_eq!(code, 0, "{expect}\n{text}");
    }
    let late = |expect: &str| signing(&format!("{{ after: 25h, {expect} }}"));
    for expect in [
        "expect: [ { escalate: { from: 周经理 } }, { escalate: { from: 钱经理 } }, { escalate: 吴总 } ]",
        "expect: [ { escalate: { to: 吴总, from: [钱经理, 周经理] } } ]",
    ] {
        let (text, code) = late(expect);
        assert_eq!(code, 0, "{expect}\n{text}");
    }
    // Whoever was not asked is missed, and two that say the same need two.
    for expect in [
        "expect: [ { approve: 周经理 }, { approve: 吴总 } ]",
        "expect: [ { approve: { who: [周经理, 吴总] } } ]",
        "expect: [ { approve: 周经理 }, { approve: 周经理 } ]",
        "expect: [ { approve: { step: 会签 } }, { approve: { step: 会签 } } ]",
        "expect: [ approve ], never: [ { approve: { who: [吴总, 钱经理] } } ]",
    ] {
        let (text, code) = first(expect);
        assert_eq!(code, 1, "{expect}\n{text}");
    }
    let (text, code) = first("expect: [ { approve: { who: [周经理, 钱小姐] } } ]");
    assert!(code != 0 && text.contains("钱小姐"), "{text}");
}
