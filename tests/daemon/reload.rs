//! Reload under load: nothing lost, one definitions hash per event, a broken reload changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use ifthen::engine::log::Outcome;
use ifthen::store::{Filter, Read as _};
use serde_json::json;

use super::harness::{Client, Folder, ids};

const CONFIG: &str = "
sources:
  web: { webhook: {}, event: page.viewed, delivery: { body: [id] } }
";

fn rule(text: &str) -> String {
    format!(
        "rules:\n  note:\n    when: page.viewed\n    then:\n      - log: \"{text} {{{{ event.id }}}}\"\n      - log: \"{text} again\"\n"
    )
}

#[test]
fn a_reload_under_load_loses_nothing_and_no_event_is_decided_by_two_definitions() {
    let folder = Folder::new(&[("config.yaml", CONFIG), ("rules/note.yaml", &rule("old"))]);
    let daemon = folder.start();
    let address = daemon.address;
    let (done, finished) = std::sync::mpsc::channel::<()>();
    let writer = std::thread::spawn(move || {
        let mut client = Client::new(address);
        let mut numbers = Vec::new();
        while finished.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            let (status, answer) = client.post("/in/web", &[], &json!({ "id": format!("p{}", numbers.len()) })).unwrap();
            assert_eq!(status, 202, "{answer}");
            numbers.push(ids(&answer)[0]);
        }
        numbers
    });
    let texts = |word: &str| daemon.lines("log", Outcome::Done).iter().filter(|l| l.detail.to_string().contains(word)).count();
    super::harness::wait("events by the old", || (texts("old") > 20).then_some(()));
    folder.write("rules/note.yaml", &rule("new"));
    super::harness::wait("events by the new", || (texts("new") > 20).then_some(()));

    // A broken one: the former stays in force, and it is said where the mistake is.
    folder.write("rules/note.yaml", &rule("broken").replace("then:", "thne:"));
    let said = daemon.wait_lines("reload", Outcome::Failed, 1);
    assert!(said[0].detail.to_string().contains("note.yaml"), "{}", said[0].detail);
    let before = texts("new");
    super::harness::wait("events after the broken reload", || (texts("new") > before + 20).then_some(()));
    assert_eq!(texts("broken"), 0);
    // The file mended, by SIGHUP this time.
    folder.write("rules/note.yaml", &rule("mended"));
    daemon.signal("HUP");
    super::harness::wait("events by the mended", || (texts("mended") > 20).then_some(()));
    done.send(()).unwrap();
    let numbers = writer.join().unwrap();

    let reader = daemon.reader();
    let mut hashes: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    let lines = daemon.log(&Filter { action: Some("log".into()), ..Filter::default() });
    for line in &lines {
        hashes.entry(line.event).or_default().insert(reader.log_definitions(line.seq).unwrap().unwrap());
    }
    assert_eq!(lines.len(), 2 * numbers.len(), "two lines for every event that was answered");
    assert!(numbers.iter().all(|n| hashes.get(n).is_some_and(|h| h.len() == 1)));
    let all: BTreeSet<&String> = hashes.values().flatten().collect();
    assert_eq!(all.len(), 3, "old, new and mended: {all:?}");
}

#[test]
fn a_start_on_broken_definitions_says_where_and_starts_nothing() {
    let folder = Folder::new(&[("config.yaml", CONFIG), ("rules/note.yaml", &rule("x").replace("when:", "wenn:"))]);
    let said = folder.try_start(&[]).err().unwrap();
    assert!(said.contains("note.yaml:3:5") && said.contains("when"), "{said}");
}
