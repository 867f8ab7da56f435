//! A folder full of mistakes: all of them in one run, each at its line and column, in both languages, compared with golden files.
//! `UPDATE_GOLDEN=1 cargo test --test check` writes them anew; read the difference before committing it.

use std::path::Path;

use ifthen::config::{Lang, Options, load};

fn check(lang: Lang, golden: &str) {
    let report = load(Path::new("tests/check/config.yaml"), &Options::default()).expect_err("everything is wrong in there");
    let text = report.render(lang, false);
    assert!(!text.contains("hunter2") && !text.contains("0123abcd"), "a secret is shown");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(golden, &text).expect("written");
    }
    let expect = std::fs::read_to_string(golden).expect("the golden file");
    assert_eq!(text, expect);

    let mut codes: Vec<_> = report.problems.iter().map(|p| p.code()).collect();
    assert!(codes.len() >= 100, "{}", codes.len());
    codes.sort_unstable();
    codes.dedup();
    assert!(codes.len() >= 40, "{} different mistakes", codes.len());
}

#[test]
fn everything_at_once_in_english() {
    check(Lang::En, "tests/check/expected.en.txt");
}

#[test]
fn everything_at_once_in_chinese() {
    check(Lang::Zh, "tests/check/expected.zh.txt");
}
