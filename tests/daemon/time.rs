//! What is driven by time, in the real process: a hold outlives a kill, a first deploy over many old records sends nothing unless
//! asked, and a clock that is set holds everything until somebody says that it is right.

use ifthen::engine::log::Outcome;
use ifthen::engine::state::{Entry, Key, Wake};
use ifthen::store::sqlite::Reader;
use ifthen::store::{Filter, Read as _};
use serde_json::{Value, json};

use super::harness::{Daemon, Folder, wait};

const SOURCE: &str = "
sources:
  crm: { webhook: {}, each: items, record: { entity: lead, fields: { id: id, name: 姓名, followed: 跟进, open: open } } }
limits: { items: 2000, body: 4194304 }
";
const LEAD: &str = "entities: { lead: { fields: { id: text, name: text, followed: time, open: boolean } } }\n";

fn hold(length: &str, more: &str) -> String {
    format!(
        "{LEAD}rules:\n  停留:\n    when: {{ record: lead, while: open, for: {length}, since: followed }}\n{more}    then: [ {{ log: '{{{{ name }}}} 无人跟进' }} ]\n"
    )
}

fn fired(daemon: &Daemon) -> usize {
    fired_in(&daemon.reader())
}

fn fired_in(reader: &Reader) -> usize {
    let fired = Some(Outcome::Fired);
    let filter = Filter { rule: Some("停留".into()), action: Some("rule".into()), outcome: fired, ..Filter::default() };
    reader.log(&filter, 0, usize::MAX >> 1).unwrap().len()
}

#[test]
fn a_hold_outlives_a_kill_and_comes_once_as_of_its_time() {
    let folder = Folder::new(&[("config.yaml", SOURCE), ("rules/a.yaml", &hold("3s", ""))]);
    let daemon = folder.start();
    daemon.accepted("/in/crm", &[], &json!({ "items": [{ "id": "L1", "姓名": "刘洋", "open": true }] }));
    daemon.kill();
    let daemon = folder.start();
    let lines = daemon.wait_lines("log", Outcome::Done, 1);
    assert_eq!(lines[0].detail.at(&["text"]).unwrap().to_string(), "刘洋 无人跟进");
    let events = daemon.events();
    let told = &events.iter().find(|e| e.event.name == "crm.received").unwrap().event;
    let held = &events.iter().find(|e| e.event.name == "ifthen.held.停留").unwrap().event;
    let length = held.at.as_millisecond() - told.at.as_millisecond();
    assert_eq!(length, 3_000, "as of its due time, however long nobody was there");
    // Another change of the record does not say it again.
    daemon.accepted("/in/crm", &[], &json!({ "items": [{ "id": "L1", "姓名": "刘阳", "open": true }] }));
    daemon.kill();
    let daemon = folder.start();
    assert_eq!(fired(&daemon), 1);
}

/// 40,000 leads that were followed up long ago, and three just now.
fn many(daemon: &Daemon) {
    let now = jiff::Timestamp::now();
    let mut client = daemon.client();
    for page in 0..20 {
        let one = |n: usize| json!({ "id": format!("L{page:02}-{n:04}"), "姓名": format!("客户{n}"), "跟进": "2026-01-05 09:00", "open": true });
        let items: Vec<Value> = (0..2_000).map(one).collect();
        assert_eq!(client.post("/in/crm", &[], &json!({ "items": items })).unwrap().0, 202);
    }
    let fresh: Vec<Value> =
        (0..3).map(|n| json!({ "id": format!("N{n}"), "姓名": "新", "跟进": now.to_string(), "open": true })).collect();
    assert_eq!(client.post("/in/crm", &[], &json!({ "items": fresh })).unwrap().0, 202);
}

/// What the sweep of a reload came to: records, waiting, skipped, fired.
fn swept(daemon: &Daemon, count: usize) -> Vec<String> {
    let lines = daemon.wait_lines("existing", Outcome::Done, count);
    let line = &lines[count - 1];
    ["records", "waiting", "skipped", "fired"].iter().map(|m| line.detail.at(&[*m]).unwrap().to_string()).collect()
}

/// When the timers of the rule's records are due, in milliseconds.
fn waiting(daemon: &Daemon) -> Vec<(String, i64)> {
    waiting_in(&daemon.reader())
}

fn waiting_in(reader: &Reader) -> Vec<(String, i64)> {
    let (mut found, mut after) = (Vec::new(), None::<Key>);
    loop {
        let page = reader.scan("timer/", after.as_ref(), 5_000).unwrap();
        let Some((last, _)) = page.last() else { return found };
        after = Some(last.clone());
        for (key, entry) in page {
            if let (Key::Timer(id), Entry::Timer(Wake::Armed { record, .. })) = (&key, entry.as_ref()) {
                found.push((record.id.clone(), id.due));
            }
        }
    }
}

#[test]
fn a_first_deploy_over_40_000_old_records_sends_nothing_unless_asked() {
    let folder = Folder::new(&[("config.yaml", SOURCE), ("rules/a.yaml", LEAD)]);
    let daemon = folder.start();
    many(&daemon);
    folder.write("rules/a.yaml", &hold("24h", ""));
    // The reload says how many it would have been.
    assert_eq!(swept(&daemon, 1), ["40003", "3", "40000", "0"]);
    assert_eq!((fired(&daemon), waiting(&daemon).len()), (0, 3));
    daemon.kill();
    let daemon = folder.start();
    assert_eq!((fired(&daemon), waiting(&daemon).len()), (0, 3), "a restart is no deploy");
    // Asked to, it makes up for them, at an even pace that a restart does not change.
    let before = jiff::Timestamp::now();
    folder.write("rules/a.yaml", &hold("24h", "    existing: spread over 24h\n"));
    wait("the sweep is under way", || (waiting(&daemon).len() > 1_000).then_some(()));
    daemon.kill();
    let daemon = folder.start();
    assert_eq!(swept(&daemon, 2), ["40003", "3", "0", "40000"]);
    let store = daemon.store.clone();
    daemon.kill(); // nobody fires while it is counted
    let reader = Reader::open(&store).unwrap();
    let planned = waiting_in(&reader);
    let day = 24 * 3_600_000;
    let due = |hours: std::ops::Range<i64>| {
        let of = |ms: &i64| (ms - before.as_millisecond()) * 24 / day;
        planned.iter().filter(|(id, ms)| id.starts_with('L') && hours.contains(&of(ms))).count()
    };
    assert_eq!(due(0..25) + fired_in(&reader), 40_000);
    for quarter in 0..4 {
        let share = due(quarter * 6..quarter * 6 + 6);
        assert!((9_500..=10_500).contains(&share), "of the {quarter}. quarter of the day: {share}");
    }
    let daemon = folder.start();
    daemon.accepted("/in/crm", &[], &json!({ "items": [{ "id": "X", "姓名": "王芳" }] }));
    daemon.kill();
    let reader = Reader::open(&store).unwrap();
    let after: std::collections::BTreeMap<_, _> = waiting_in(&reader).into_iter().collect();
    let kept = planned.iter().filter(|(id, ms)| after.get(id) == Some(ms)).count();
    assert_eq!(kept + fired_in(&reader), 40_003, "those that are left are due when they were");
}

/// Debian's libfaketime: the wall clock is what the file says, the boot clock is the machine's.
fn library() -> String {
    let found = std::fs::read_dir("/usr/lib")
        .unwrap()
        .flatten()
        .map(|e| e.path().join("faketime/libfaketimeMT.so.1"))
        .find(|p| p.exists());
    found.expect("libfaketime is installed by tests/run").display().to_string()
}

#[test]
fn a_clock_that_is_set_holds_what_is_driven_by_time() {
    let folder = Folder::new(&[("config.yaml", SOURCE), ("rules/a.yaml", &hold("10h", ""))]);
    let (library, file) = (library(), folder.path("clock"));
    let set = |offset: &str| {
        let new = folder.path("clock.new");
        std::fs::write(&new, format!("{offset}\n")).unwrap();
        std::fs::rename(new, &file).unwrap();
    };
    set("+0");
    let environment = [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let start = || folder.try_start(&environment).unwrap_or_else(|said| panic!("{said}"));
    let clock = |daemon: &Daemon, outcome: Outcome, count: usize| {
        let lines = daemon.wait_lines("clock", outcome, count);
        lines[count - 1].detail.at(&["by"]).map(ToString::to_string).unwrap_or_default()
    };
    let daemon = start();
    daemon.accepted("/in/crm", &[], &json!({ "items": [{ "id": "L1", "姓名": "刘洋", "open": true }] }));
    let due = waiting(&daemon);
    // A day forward: the hold would be over; nothing of the kind happens, others are served.
    set("+1d");
    let by: i64 = clock(&daemon, Outcome::Failed, 1).parse().unwrap();
    assert!((86_000..=86_800).contains(&by), "{by}");
    daemon.accepted("/in/crm", &[], &json!({ "items": [{ "id": "L2", "姓名": "王芳" }] }));
    let (code, said) = folder.cli(&["clock"]);
    assert!(code == 1 && said.contains("定时动作已暂停"), "{said}");
    assert_eq!(fired(&daemon), 0);
    // It is put right again: time goes on by itself, and nothing was lost.
    set("+0");
    clock(&daemon, Outcome::Done, 1);
    assert_eq!((fired(&daemon), waiting(&daemon)), (0, due.clone()));
    // A day back: likewise.
    set("-1d");
    let by: i64 = clock(&daemon, Outcome::Failed, 2).parse().unwrap();
    assert!((-86_800..=-86_000).contains(&by), "{by}");
    set("+0");
    clock(&daemon, Outcome::Done, 2);
    assert_eq!((fired(&daemon), waiting(&daemon)), (0, due));
    assert_eq!(folder.cli(&["clock"]).0, 0);
    // Forward again; a restart forgets nothing; and when somebody says that the clock is right, the hold is over, once.
    set("+1d");
    clock(&daemon, Outcome::Failed, 3);
    daemon.kill();
    let daemon = start();
    daemon.accepted("/in/crm", &[], &json!({ "items": [{ "id": "L3", "姓名": "李雷" }] }));
    assert_eq!(fired(&daemon), 0);
    let (code, said) = folder.cli(&["clock", "confirm"]);
    assert!(code == 0 && said.contains("已确认时钟正确"), "{said}");
    daemon.wait_lines("log", Outcome::Done, 1);
    daemon.accepted("/in/crm", &[], &json!({ "items": [{ "id": "L4", "姓名": "韩梅" }] }));
    assert_eq!((fired(&daemon), waiting(&daemon).len()), (1, 0));
}

#[test]
fn after_downtime_sources_catch_up_before_overdue_timers() {
    let config = "
sources:
  erp:
    poll: { sqlite: ./erp.db, query: 'SELECT n, id, open, at FROM lead', cursor: [n], every: 1s }
    time: at
    record: { entity: lead, fields: { id: id, open: open } }
";
    let rules = hold("2s", "").replace(", since: followed", "");
    let folder = Folder::new(&[("config.yaml", config), ("rules/a.yaml", &rules)]);
    let erp = rusqlite::Connection::open(folder.path("erp.db")).unwrap();
    erp.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE lead (n INTEGER PRIMARY KEY, id TEXT, open TEXT, at TEXT)")
        .unwrap();
    let say = |id: &str, open: &str, at: jiff::Timestamp| {
        erp.execute("INSERT INTO lead (id, open, at) VALUES (?1, ?2, ?3)", (id, open, at.to_string())).unwrap();
    };
    let opened = jiff::Timestamp::now();
    for id in ["关了", "还开着"] {
        say(id, "true", opened);
    }
    let daemon = folder.start();
    wait("both are known", || (daemon.events().iter().filter(|e| e.event.name == "lead.created").count() == 2).then_some(()));
    daemon.kill();
    // Where this machine was so slow that both came before the kill, there is nothing left to hold back.
    let before = fired_in(&Reader::open(&folder.path("data/ifthen.db")).unwrap());
    // Closed in time, while nobody was there; both holds are over by now.
    say("关了", "false", opened + jiff::SignedDuration::from_millis(500));
    wait("it is overdue", || (jiff::Timestamp::now() > opened + jiff::SignedDuration::from_secs(3)).then_some(()));
    let daemon = folder.start();
    let lines = daemon.wait_lines("log", Outcome::Done, 1);
    let records: Vec<String> = lines.iter().map(|l| l.record.as_ref().unwrap().id.clone()).collect();
    assert!(records.contains(&"还开着".to_owned()));
    wait("the rest is read", || {
        let changed = daemon.events().iter().any(|e| e.event.name == "lead.changed");
        changed.then_some(())
    });
    assert_eq!(fired(&daemon), before.max(1), "{records:?}");
}
