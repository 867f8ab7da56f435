//! What a backtest says differs is what differs between two real runs from the same starting state.

use jiff::Timestamp;
use serde_json::Value;

use super::history::{Folder, begin, told};
use super::real::{Fired, Real, Shared, definitions, fired, minus};

/// The differing firings that were printed as JSON; above 0: more.
pub fn printed(text: &str) -> Fired {
    let mut found = Fired::new();
    for json in text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).filter(|j| j["kind"] == "difference") {
        let word = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        let by = if json["parked"] == true { "parked".to_owned() } else { word("rule") + &word("flow") };
        let at: Timestamp = word("at").parse().unwrap();
        let sign = if json["change"] == "more" { 1 } else { -1 };
        *found.entry((by, word("branch"), word("record"), word("name"), at)).or_default() += sign;
    }
    found
}

/// How often each rule and flow fires on both sides is what it really was: what both had wrong alike would not differ.
pub fn same_counts(text: &str, old: &Fired, new: &Fired) {
    let count = |fired: &Fired, by: &str| fired.iter().filter(|(f, _)| f.0 == by).map(|(_, count)| count).sum::<i64>();
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).filter(|j| j["kind"] == "row");
    for row in rows {
        let by = [&row["rule"], &row["flow"]].into_iter().find_map(Value::as_str).unwrap_or("parked");
        let by = if row["parked"] == true { "parked" } else { by };
        let told = [&row["firings"]["old"], &row["firings"]["new"]].map(|n| n.as_i64().unwrap());
        assert_eq!(told, [count(old, by), count(new, by)], "{by}");
    }
    let all = |fired: &Fired| fired.values().sum::<i64>();
    assert_eq!([&sum(text)["firings"]["old"], &sum(text)["firings"]["new"]], [all(old), all(new)]);
}

/// The sum, as printed.
pub fn sum(text: &str) -> Value {
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

/// Records `count` events with the old definitions into the folder's store.
pub fn record(folder: &Folder, count: u64) -> Shared {
    let store = Shared::into_file(&folder.store());
    store.keep(&folder.path("old/config.yaml"));
    let mut real = Real::new(&store, definitions(&folder.path("old/config.yaml")), begin());
    told(count).for_each(|draft| real.tell(draft));
    store.flush();
    store
}

pub fn same(found: &Fired, expect: &Fired) {
    for (firing, count) in expect {
        assert_eq!(found.get(firing), Some(count), "{firing:?}");
    }
    assert_eq!(found.len(), expect.len(), "{:?}", found.keys().find(|f| !expect.contains_key(*f)));
}

#[test]
fn from_the_beginning() {
    let folder = Folder::new(60, 63);
    let old = record(&folder, 1_500);
    let new = Shared::default();
    let mut real = Real::new(&new, definitions(&folder.path("config.yaml")), begin());
    told(1_500).for_each(|draft| real.tell(draft));
    let (old, new) = (fired(&old, 0), fired(&new, 0));
    let expect = minus(&new, &old);
    let out = folder.run(&["--json"]);
    let text = String::from_utf8(out.stdout).unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stderr), "");
    let by = |name: &str| expect.keys().filter(|k| k.0 == name).count();
    for name in ["重点客户", "提醒", "跟进", "张三的客户", "归张三", "跟进之后", "久未推进", "整点", "频繁", "parked"]
    {
        assert!(by(name) > 0, "{name} differs nowhere: the test tests nothing");
    }
    same(&printed(&text), &expect);
    same_counts(&text, &old, &new);
}

#[test]
fn from_the_middle_with_what_waited_then() {
    let folder = Folder::new(60, 63);
    let store = Shared::into_file(&folder.store());
    let mut real = Real::new(&store, definitions(&folder.path("old/config.yaml")), begin());
    let mut all = told(1_500);
    all.by_ref().take(700).for_each(|draft| real.tell(draft));
    let rest: Vec<_> = all.collect();
    let since = rest[0].received;
    // As it was before the first of the range: what fell due in between belongs to the range.
    let (before, fork) = (store.last(), store.fork());
    assert!(fork.count("call/") > 5 && fork.count("timer/") > 5 && fork.count("budget/") > 0, "nothing waits: it tests nothing");
    rest.iter().cloned().for_each(|draft| real.tell(draft));
    store.flush();
    let until = rest[599].received;
    let runs = ["old/config.yaml", "config.yaml"].map(|config| {
        let run = fork.fork();
        let mut real = Real::new(&run, definitions(&folder.path(config)), since);
        rest[..599].iter().cloned().for_each(|draft| real.tell(draft));
        real.pass(until);
        fired(&run, before)
    });
    let expect = minus(&runs[1], &runs[0]);
    assert!(expect.keys().any(|k| k.0 == "跟进之后") && expect.len() > 50, "{}", expect.len());
    let range = ["--old", "old", "--json", "--since", &since.to_string(), "--until", &until.to_string()];
    let text = String::from_utf8(folder.run(&range).stdout).unwrap();
    same(&printed(&text), &expect);
    same_counts(&text, &runs[0], &runs[1]);
    let sum = sum(&text);
    assert_eq!((&sum["events"], &sum["state"]), (&599.into(), &format!("e{before}").into()));
}
