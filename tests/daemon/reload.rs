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

#[test]
fn what_only_config_yaml_says_is_reloaded_too_and_a_mended_file_is_said_to_be_in_order() {
    let folder = Folder::new(&[("config.yaml", CONFIG), ("rules/note.yaml", &rule("x")), ("token", "geheim")]);
    let daemon = folder.start();
    assert_eq!(daemon.post("/in/second", &[], &json!({})).0, 404);
    let second = format!("{CONFIG}  second: {{ webhook: {{}}, event: second.told }}\n");
    folder.write("config.yaml", &second);
    super::harness::wait("the new source", || (daemon.post("/in/second", &[], &json!({})).0 == 202).then_some(()));
    folder.write(
        "config.yaml",
        &second.replace("webhook: {}, event: second", "webhook: { verify: { bearer: '${file:token}' } }, event: second"),
    );
    super::harness::wait("the proof is demanded", || (daemon.post("/in/second", &[], &json!({})).0 == 401).then_some(()));
    let before = daemon.lines("reload", Outcome::Done).len();
    assert!(daemon.lines("reload", Outcome::Done).iter().any(|l| l.detail.to_string().contains("second")));
    // Broken, then exactly as it was.
    folder.write("rules/note.yaml", &rule("x").replace("when:", "wenn:"));
    daemon.wait_lines("reload", Outcome::Failed, 1);
    folder.write("rules/note.yaml", &rule("x"));
    daemon.wait_lines("reload", Outcome::Done, before + 1);
}

#[test]
fn a_folder_that_is_replaced_is_watched_as_its_successor() {
    let folder = Folder::new(&[("config.yaml", CONFIG), ("rules/note.yaml", &rule("first"))]);
    let daemon = folder.start();
    let now_says = |word: &str| {
        super::harness::wait(word, || {
            daemon.post("/in/web", &[], &json!({ "id": format!("{word}{}", daemon.events().len()) }));
            let lines = daemon.lines("log", Outcome::Done);
            lines.iter().any(|l| l.detail.to_string().contains(word)).then_some(())
        });
    };
    now_says("first");
    // As a deploy does it: the new folder is put in the old one's place; then it is edited.
    folder.write("new/note.yaml", &rule("second"));
    std::fs::rename(folder.path("rules"), folder.path("old")).unwrap();
    std::fs::rename(folder.path("new"), folder.path("rules")).unwrap();
    now_says("second");
    folder.write("rules/note.yaml", &rule("third"));
    now_says("third");
    std::fs::remove_dir_all(folder.path("rules")).unwrap();
    folder.write("rules/note.yaml", &rule("fourth"));
    now_says("fourth");
    folder.write("rules/note.yaml", &rule("fifth"));
    now_says("fifth");
}
