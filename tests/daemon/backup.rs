//! Backup of a busy daemon, restore elsewhere: equal up to the snapshot.

use ifthen::store::Read as _;
use ifthen::store::sqlite::Reader;
use ifthen::store::{Filter, Stored};
use serde_json::json;

use super::harness::{Client, Folder, assert_intact, field_of};

const CONFIG: &str = "
sources:
  crm: { webhook: {}, event: crm.lead, delivery: { body: [id] }, record: { entity: lead, fields: { id: id, name: name } } }
";
const RULES: &str = "
entities: { lead: { fields: { id: text, name: text, owner: person } } }
people: { 张三: {}, 李四: {} }
teams: { 销售: [张三, 李四] }
rules:
  take: { when: lead.created, then: [ { assign: { team: 销售 } } ] }
";

#[test]
fn a_backup_of_a_busy_daemon_restores_to_what_was_there_at_its_instant() {
    let folder = Folder::new(&[("config.yaml", CONFIG), ("rules/lead.yaml", RULES)]);
    let daemon = folder.start();
    let address = daemon.address;
    let (done, finished) = std::sync::mpsc::channel::<()>();
    let writer = std::thread::spawn(move || {
        let mut client = Client::new(address);
        let mut n = 0;
        while finished.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            let (status, _) = client.post("/in/crm", &[], &json!({ "id": format!("L{n}"), "name": "刘洋" })).unwrap();
            assert_eq!(status, 202);
            n += 1;
        }
    });
    super::harness::wait("some leads", || (daemon.events().len() > 300).then_some(()));
    let file = folder.path("backup.db");
    let (code, said) = folder.cli(&["backup", file.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
    super::harness::wait("the writer goes on", || {
        let last = Reader::open(&file).unwrap().last().unwrap().event;
        (daemon.reader().last().unwrap().event > last + 50).then_some(())
    });
    done.send(()).unwrap();
    writer.join().unwrap();

    let elsewhere = Folder::new(&[("config.yaml", CONFIG), ("rules/lead.yaml", RULES)]);
    let (code, said) = elsewhere.cli(&["restore", file.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
    let restored = elsewhere.start();
    let (old, new) = (daemon.reader(), restored.reader());
    let snapshot = Reader::open(&file).unwrap().last().unwrap();
    let upto = |all: Vec<Stored>| -> Vec<Stored> { all.into_iter().filter(|e| e.event.seq <= snapshot.event).collect() };
    assert_eq!(upto(daemon.events()), upto(restored.events()));
    let lines = |r: &Reader| r.log(&Filter::default(), 0, usize::try_from(snapshot.log).unwrap()).unwrap();
    assert_eq!(lines(&old), lines(&new));
    // State as of the snapshot, read from the change log of the one that went on, is the state of the restored one.
    let leads = new.scan("record/", None, usize::MAX >> 1).unwrap();
    assert!(leads.len() > 100);
    for (key, entry) in leads {
        assert_eq!(old.as_of(&key, snapshot.event).unwrap().as_ref(), Some(&entry), "{key}");
    }
    assert!(!field_of(&new, "lead", "L0", "owner").is_empty());
    assert_ne!(old.instance().unwrap(), new.instance().unwrap(), "no idempotency key is ever used again");
    // It goes on as if nothing had been.
    restored.accepted("/in/crm", &[], &json!({ "id": "new", "name": "王芳" }));
    let store = restored.store.clone();
    assert_eq!(restored.stop(), 0);
    assert_intact(&store);
    // A store that is in use is not overwritten.
    let (code, said) = folder.cli(&["restore", file.to_str().unwrap(), "--force"]);
    assert_ne!(code, 0, "{said}");
}
