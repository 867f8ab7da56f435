//! Starting and stopping: gracefully, twice, on what cannot be opened; health and figures meanwhile.

use std::time::Duration;

use ifthen::engine::log::Outcome;
use serde_json::json;

use super::harness::{Folder, assert_intact, wait};
use super::standin::{Reply, Web};

const CONFIG: &str = "sources:\n  crm: { webhook: {}, event: crm.note, delivery: { body: [id] } }\n";

#[test]
fn a_graceful_stop_waits_for_what_is_on_its_way_and_leaves_the_rest_in_the_outbox() {
    let web = Web::start();
    web.next(1, Reply::Late(Duration::from_millis(700), Box::new(Reply::status(200))));
    let config = format!(
        "allow_networks: [127.0.0.0/8]\n{CONFIG}connections:\n  erp: {{ http: {{ base: \"{}\" }}, concurrency: 1, retry: [1s] }}\n",
        web.url("")
    );
    let rules = "rules:\n  tell: { when: crm.note, then: [ { http: { connection: erp, post: '/{{ event.id }}' } } ] }\n";
    let folder = Folder::new(&[("config.yaml", &config), ("rules/a.yaml", rules)]);
    let daemon = folder.start();
    for id in 1..=3 {
        daemon.accepted("/in/crm", &[], &json!({ "id": id }));
    }
    wait("the first is on its way", || (!web.requests.all().is_empty()).then_some(()));
    let store = daemon.store.clone();
    assert_eq!(daemon.stop(), 0);
    assert_eq!(web.requests.all().len(), 1, "nothing new was begun");
    assert_intact(&store);
    let daemon = folder.start();
    daemon.wait_lines("http", Outcome::Done, 3);
    assert!(daemon.lines("http", Outcome::Unknown).is_empty(), "the first was waited for");
    assert_eq!(web.requests.all().len(), 3);
}

#[test]
fn a_second_daemon_on_the_same_store_and_a_damaged_store_are_refused_with_what_to_do() {
    let folder = Folder::new(&[("config.yaml", CONFIG)]);
    let daemon = folder.start();
    let said = folder.try_start(&[]).err().unwrap();
    assert!(said.contains("ifthen.db"), "{said}");
    assert_eq!(daemon.post("/in/crm", &[], &json!({ "id": 1 })).0, 202, "the first goes on");
    assert_eq!(daemon.stop(), 0);
    std::fs::write(folder.path("data/ifthen.db"), b"this is no database at all, but it is long enough to be one").unwrap();
    let said = folder.try_start(&[]).err().unwrap();
    assert!(said.contains("restore"), "{said}");
}

#[test]
fn whoever_is_told_that_it_is_ready_may_stop_it_at_once() {
    let folder = Folder::new(&[("config.yaml", CONFIG)]);
    for _ in 0..10 {
        let daemon = folder.start();
        assert_eq!(daemon.get("/readyz").0, 200);
        assert_eq!(daemon.stop(), 0);
    }
}

#[test]
fn health_and_figures_are_told() {
    let folder = Folder::new(&[("config.yaml", CONFIG)]);
    let daemon = folder.start();
    daemon.accepted("/in/crm", &[], &json!({ "id": 1 }));
    assert_eq!(daemon.get("/healthz").0, 200);
    assert_eq!(daemon.get("/readyz").0, 200);
    let (status, text) = daemon.get("/metrics");
    assert_eq!(status, 200);
    for name in [
        "ifthen_events_total",
        "ifthen_turns_total",
        "ifthen_batch_events",
        "ifthen_commit_seconds",
        "ifthen_requests_total",
        "ifthen_calls_waiting",
        "ifthen_queue_room",
        "ifthen_log_lines_total",
    ] {
        assert!(text.contains(name), "{name} is missing in\n{text}");
    }
}

#[test]
fn a_store_that_is_removed_under_the_daemon_is_noticed_before_anything_is_acknowledged() {
    let folder = Folder::new(&[("config.yaml", CONFIG)]);
    let daemon = folder.start();
    daemon.accepted("/in/crm", &[], &json!({ "id": 1 }));
    std::fs::remove_dir_all(folder.path("data")).unwrap();
    let answer = daemon.client().post("/in/crm", &[], &json!({ "id": 2 }));
    assert!(!matches!(answer, Ok((200..=299, _))), "{answer:?}");
    wait("it says so and ends", || daemon.said().contains("removed or replaced").then_some(()));
}
