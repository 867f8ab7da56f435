//! Rows 27–29: a disk that is full, a process that is killed, a file that is damaged or of another version. The long runs of these are
//! tests of their own; here is what an attacker with a full disk or a power switch gets.

use std::process::Command;

use serde_json::json;

use super::harness::{Folder, assert_intact, wait};

const CONFIG: &str = "sources:\n  crm: { webhook: {}, event: crm.lead, delivery: { body: [id] }, record: { entity: lead, fields: { id: id, note: note } } }\n";
const RULES: &str = "entities: { lead: { fields: { id: text, note: text } } }\n";

/// A file system of a few MiB, unmounted when dropped.
struct Small(std::path::PathBuf);

impl Drop for Small {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status()); // the folder is temporary anyway
    }
}

#[test]
fn row_27_a_sender_who_fills_the_disk_is_told_503_and_nothing_acknowledged_is_missing() {
    let folder = Folder::new(&[("config.yaml", CONFIG), ("rules/a.yaml", RULES)]);
    std::fs::create_dir_all(folder.path("data")).unwrap();
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(folder.path("data")).status().unwrap();
    assert!(mounted.success(), "cannot mount a tmpfs: this test needs root (or run it under `unshare -rm`)");
    let small = Small(folder.path("data"));
    let daemon = folder.start();
    let note = "长".repeat(100_000);
    let mut kept = Vec::new();
    let full = (0..1_000).find(|n| {
        let id = format!("L{n}");
        let (status, answer) = daemon.post("/in/crm", &[], &json!({ "id": id, "note": note }));
        assert!(status == 202 || status == 503, "{status} {answer}");
        if status == 202 {
            kept.push(id);
        }
        status == 503
    });
    assert!(full.is_some_and(|n| n > 0), "{full:?}");
    assert_eq!(daemon.get("/healthz").0, 200, "alive all the while");
    for id in &kept {
        assert_eq!(daemon.field("lead", id, "id"), *id, "acknowledged, and not there");
    }
    drop(daemon);
    drop(small);
}

#[test]
fn row_28_killed_at_any_instant_nothing_acknowledged_is_lost_or_there_twice() {
    let folder = Folder::new(&[("config.yaml", CONFIG), ("rules/a.yaml", RULES)]);
    let mut acknowledged = Vec::new();
    for round in 0..8_u32 {
        let daemon = folder.start();
        let address = daemon.address;
        let writer = std::thread::spawn(move || {
            let mut done = Vec::new();
            let Ok(mut client) = super::harness::Client::open(address) else { return done };
            for n in 0..100_000 {
                let id = format!("L{round}-{n}");
                match client.post("/in/crm", &[], &json!({ "id": id, "note": "x" })) {
                    Ok((202, _)) => done.push(id),
                    Ok(other) => panic!("{other:?}"),
                    Err(_) => break, // killed
                }
            }
            done
        });
        let goal = 5 + round as usize * 7;
        wait("load", || {
            (daemon.events().iter().filter(|e| e.event.name == "crm.lead").count() >= acknowledged.len() + goal).then_some(())
        });
        daemon.kill();
        acknowledged.extend(writer.join().unwrap());
    }
    let daemon = folder.start();
    let mut told: Vec<String> = daemon.events().iter().filter_map(|e| e.event.delivery.clone()).collect();
    let all = told.len();
    told.sort();
    told.dedup();
    assert_eq!(told.len(), all, "twice");
    for id in &acknowledged {
        assert!(told.binary_search(id).is_ok(), "{id} was acknowledged");
        assert_eq!(daemon.field("lead", id, "id"), *id);
    }
    let store = daemon.store.clone();
    daemon.kill();
    assert_intact(&store);
}

#[test]
fn row_29_a_damaged_store_and_one_of_a_newer_version_are_refused_with_what_to_do() {
    let made = || {
        let folder = Folder::new(&[("config.yaml", CONFIG), ("rules/a.yaml", RULES)]);
        let daemon = folder.start();
        daemon.accepted("/in/crm", &[], &json!({ "id": "L1", "note": "x" }));
        assert_eq!(daemon.stop(), 0);
        folder
    };
    let refused = |folder: &Folder, words: &[&str]| {
        let before = std::fs::read(folder.path("data/ifthen.db")).unwrap();
        let said = folder.try_start(&[]).err().unwrap_or_else(|| panic!("it started: {words:?}"));
        assert!(words.iter().all(|word| said.contains(word)) && !said.contains("panicked"), "{words:?}: {said}");
        assert_eq!(std::fs::read(folder.path("data/ifthen.db")).unwrap(), before, "and is left as it was");
    };
    let folder = made();
    let file = folder.path("data/ifthen.db");
    std::fs::write(&file, b"this is no database at all, but it is long enough to be taken for one").unwrap();
    refused(&folder, &["ifthen.db", "restore"]);
    let folder = made();
    let conn = rusqlite::Connection::open(folder.path("data/ifthen.db")).unwrap();
    conn.pragma_update(None, "user_version", 9_999).unwrap();
    drop(conn);
    refused(&folder, &["newer"]);
}
