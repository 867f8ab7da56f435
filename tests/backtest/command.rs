//! The command: what people and programs read, the same bytes every time; what it begins with; what it refuses.

use std::path::Path;
use std::process::Output;

use ifthen::store::export::{self, Asked};
use ifthen::store::sqlite::Reader;

use super::difference::{record, sum};
use super::history::{Folder, told};

fn said(out: &Output) -> (i32, String) {
    let text = String::from_utf8(out.stdout.clone()).unwrap() + &String::from_utf8_lossy(&out.stderr);
    (out.status.code().unwrap_or(-1), text)
}

/// Output and exit code, compared with a golden file. `UPDATE_GOLDEN=1` writes it anew; read the difference before committing it.
fn check(out: &Output, golden: &str) {
    let (code, text) = said(out);
    let text = format!("{text}-- exit {code}\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/backtest").join(golden);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap());
}

#[test]
fn what_it_prints_in_both_languages_and_for_programs() {
    let folder = Folder::new(60, 63);
    record(&folder, 400);
    check(&folder.run(&["--limit", "2", "--exit-code"]), "expected.zh.txt");
    check(&folder.run(&["--lang", "en", "--rule", "跟进之后", "--rule", "跟进", "--limit", "0"]), "expected.en.txt");
    check(&folder.run(&["--json", "--rule", "提醒"]), "expected.json");
}

#[test]
fn the_same_history_prints_the_same_bytes() {
    let folder = Folder::new(60, 63);
    record(&folder, 400);
    for args in [&["--json"][..], &["--limit", "0"]] {
        let first = folder.run(args);
        assert!(first.stdout.len() > 2_000 && first.stderr.is_empty());
        assert_eq!(first.stdout, folder.run(args).stdout);
    }
}

#[test]
fn nothing_differs_where_nothing_is_changed() {
    let folder = Folder::new(60, 60);
    record(&folder, 300);
    let (code, text) = said(&folder.run(&["--exit-code"]));
    assert_eq!((code, text.lines().last()), (0, Some("+0 −0")), "{text}");
    // Changed, but not for what is asked.
    folder.define("", 63, super::history::RULES);
    assert_eq!(said(&folder.run(&["--exit-code"])).0, 1);
    assert_eq!(said(&folder.run(&[])).0, 0);
    let (code, text) = said(&folder.run(&["--exit-code", "--rule", "再兜一圈"]));
    assert_eq!((code, text.lines().last()), (0, Some("+0 −0")), "{text}");
}

#[test]
fn exported_events_are_the_same_history() {
    let folder = Folder::new(60, 63);
    record(&folder, 600);
    let since = told(300).last().unwrap().received;
    let reader = Reader::open(&folder.store()).unwrap();
    let export = |asked: &Asked| {
        let mut file = std::fs::File::create(folder.path("events.jsonl")).unwrap();
        export::write(&reader, asked, &mut file, |_| {}).unwrap();
    };
    let tried = |args: &[&str]| {
        let out = folder.run(&[args, &["--json", "--old", "old"]].concat());
        assert_eq!(String::from_utf8_lossy(&out.stderr), "");
        String::from_utf8(out.stdout).unwrap()
    };
    export(&Asked::default());
    assert_eq!(tried(&["--from-file", "events.jsonl"]), tried(&["--state", "empty"]));
    let part = ["--since", &since.to_string()];
    assert_eq!(
        tried(&[&["--from-file", "events.jsonl", "--state", "empty"][..], &part].concat()),
        tried(&[&["--state", "empty"][..], &part].concat())
    );
    export(&Asked { since: Some(since), ..Asked::default() });
    let from_store = tried(&part);
    assert_eq!(tried(&["--from-file", "events.jsonl", "--state", "store"]), from_store);
    assert_ne!(tried(&["--from-file", "events.jsonl"]), from_store, "it begins with an empty state");
    assert_eq!(sum(&from_store)["events"], 301);
}

#[test]
fn what_cannot_be_judged_is_said() {
    let folder = Folder::new(60, 63);
    let fails = |args: &[&str], expect: &str| {
        let (code, text) = said(&folder.run(args));
        assert!(code == 2 && text.starts_with("ifthen: ") && text.contains(expect), "{code} {text}");
    };
    fails(&[], "中还没有数据");
    record(&folder, 20);
    fails(&["--rule", "重点客"], "新旧定义中都没有规则或流程 重点客;是不是 重点客户?");
    fails(&["--since", "2026-09-22"], "该时间范围内没有记录的事件");
    fails(&["--since", "yesterday"], "yesterday");
    fails(&["--old-hash", "0123456789ab"], "这里没有保存定义 0123456789ab:请用 --old 指定旧配置");
    fails(&["--from-file", "nothing.jsonl"], "nothing.jsonl");
    std::fs::write(folder.path("events.jsonl"), "\n{\"event\":{}}\n").unwrap();
    fails(&["--old", "old", "--from-file", "events.jsonl"], "line 2: not an exported event");
    std::fs::write(folder.path("old/rules/c.yaml"), "rules: { 一: { then: [] } }").unwrap();
    let (code, text) = said(&folder.run(&["--old", "old"]));
    assert!(code == 2 && text.contains("ifthen -c old/config.yaml check"), "{text}");
    assert_eq!(folder.run(&["--limit", "many"]).status.code(), Some(2));
}
