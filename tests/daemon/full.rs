//! A full disk: 503, nothing acknowledged that is not there, and on again by itself once there is room.

use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use super::harness::{Folder, assert_intact, wait};

/// A file system of a few MiB, unmounted when dropped.
struct Small(PathBuf);

impl Small {
    fn mount(at: PathBuf) -> Self {
        std::fs::create_dir_all(&at).unwrap();
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(&at).status().unwrap();
        assert!(status.success(), "cannot mount a tmpfs: this test needs root (or run it under `unshare -rm`)");
        Self(at)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status()); // the folder is temporary anyway
    }
}

#[test]
fn a_full_disk_is_answered_503_and_passes_by_itself() {
    let config = "sources:\n  crm: { webhook: {}, event: crm.lead, delivery: { body: [id] }, record: { entity: lead, fields: { id: id, note: note } } }\n";
    let rules = "entities: { lead: { fields: { id: text, note: text } } }\n";
    let folder = Folder::new(&[("config.yaml", config), ("rules/lead.yaml", rules)]);
    let small = Small::mount(folder.path("data"));
    let daemon = folder.start();
    let mut client = daemon.client();
    let note = "备注".repeat(5_000);
    let ballast = small.0.join("ballast");
    let mut kept = Vec::new();
    let mut post = |id: String| {
        let (status, answer) = client.post("/in/crm", &[], &json!({ "id": id, "note": note })).unwrap();
        assert!(status == 202 || status == 503, "{status} {answer}");
        if status == 202 {
            kept.push(id);
        }
        status
    };
    assert_eq!(post("first".into()), 202);
    std::fs::write(&ballast, vec![0; 3 << 20]).unwrap();
    let full = (0..1_000).find(|n| post(format!("a{n}")) == 503);
    assert!(full.is_some_and(|n| n > 0), "it fills up, not at once: {full:?}");
    assert_eq!(post("b0".into()), 503);
    assert_eq!(daemon.get("/readyz").0, 503);
    assert_eq!(daemon.get("/healthz").0, 200, "alive all the while");

    std::fs::remove_file(&ballast).unwrap();
    let mut tries = 0;
    wait("room is used again", || {
        tries += 1;
        (post(format!("c{tries}")) == 202).then_some(())
    });
    wait("ready again", || (daemon.get("/readyz").0 == 200).then_some(()));
    let daemon = {
        daemon.kill();
        folder.start()
    };
    let stored: Vec<String> = daemon.events().iter().filter_map(|e| e.event.delivery.clone()).collect();
    let lost: Vec<&String> = kept.iter().filter(|id| !stored.contains(id)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert_eq!(stored.len(), kept.len(), "nothing was kept that was refused");
    let store = daemon.store.clone();
    daemon.stop();
    assert_intact(&store);
    drop(small);
}
