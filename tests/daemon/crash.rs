//! `kill -9` at fifty random instants under load: what was answered 2xx is there, once inside, at least once outside.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ifthen::engine::log::Outcome;
use ifthen::store::{Filter, Read as _};
use serde_json::json;

use super::harness::{Client, assert_intact, field_of, wait};
use super::lead::{RULES, World};

const KILLS: u64 = 50;
/// Writers beside each other; enough that batches have more than one event.
const WRITERS: u64 = 4;

/// Small, seeded, good enough to scatter instants.
fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

#[test]
fn killed_fifty_times_nothing_acknowledged_is_lost_and_nothing_inside_happens_twice() {
    let mut seed = std::process::id().into();
    random(&mut seed);
    eprintln!("seed {seed}");
    let world = World::new(RULES);
    let next = Arc::new(AtomicU64::new(0));
    let acknowledged: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let attempted: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    for _ in 0..KILLS {
        let daemon = world.folder.start();
        let stop = Arc::new(AtomicBool::new(false));
        let goal = next.load(Ordering::SeqCst) + 1 + random(&mut seed) % 40;
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                let (address, stop, next) = (daemon.address, stop.clone(), next.clone());
                let (acknowledged, attempted) = (acknowledged.clone(), attempted.clone());
                std::thread::spawn(move || {
                    let Ok(mut client) = Client::open(address) else { return };
                    while !stop.load(Ordering::SeqCst) {
                        let id = format!("L{}", next.fetch_add(1, Ordering::SeqCst));
                        attempted.lock().unwrap().insert(id.clone());
                        let body = json!({ "id": id, "姓名": "刘洋", "邮箱": format!("{id}@example.com"), "地区": "华东", "来源": "官网" });
                        match client.post("/in/website", &[("x-delivery-id", &id)], &body) {
                            Ok((202 | 200, _)) => drop(acknowledged.lock().unwrap().insert(id)),
                            Ok((503, _)) => {}
                            Ok(other) => panic!("{other:?}"),
                            Err(_) => return, // killed
                        }
                    }
                })
            })
            .collect();
        wait("load", || (next.load(Ordering::SeqCst) >= goal).then_some(()));
        // Somewhere within the next few commits.
        std::thread::sleep(std::time::Duration::from_micros(random(&mut seed) % 5_000));
        daemon.kill();
        stop.store(true, Ordering::SeqCst);
        for writer in writers {
            writer.join().unwrap();
        }
    }
    // Recover and let everything go out; a mail still under way is retried within seconds.
    let daemon = world.folder.start();
    let acknowledged = acknowledged.lock().unwrap().clone();
    let reader = daemon.reader();
    let sent = |action: &str| {
        wait(&format!("every {action}"), || {
            let fired = daemon.lines(action, Outcome::Fired).len();
            (daemon.lines(action, Outcome::Done).len() >= fired).then_some(fired)
        })
    };
    let mails = sent("email");
    sent("dingtalk");
    sent("wecom");

    let delivered: BTreeMap<String, usize> = reader
        .events(0, usize::MAX >> 1)
        .unwrap()
        .into_iter()
        .filter(|e| e.event.name == "website.form")
        .filter_map(|e| e.event.delivery)
        .fold(BTreeMap::new(), |mut all, id| {
            *all.entry(id).or_default() += 1;
            all
        });
    let lost: Vec<&String> = acknowledged.iter().filter(|id| !delivered.contains_key(*id)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert!(delivered.values().all(|n| *n == 1), "an event stands twice");
    // What was committed without an answer may be there too, but nothing else.
    assert!(delivered.keys().all(|id| attempted.lock().unwrap().contains(id)));

    // Inside exactly once: one assignment each, in strict turn.
    let assigned = daemon.lines("assign", Outcome::Done);
    assert_eq!(assigned.len(), delivered.len());
    let turn = ["张三", "李四", "赵六"];
    for (place, line) in assigned.iter().enumerate() {
        assert_eq!(line.detail.at(&["to"]).unwrap().to_string(), turn[place % 3], "assignment {place}");
    }
    for id in delivered.keys() {
        assert!(!field_of(&reader, "lead", id, "owner").is_empty(), "{id} has no owner");
    }
    // Outside at least once, each under one key.
    assert_eq!(mails, delivered.len());
    let by_key = world.smtp.by_key();
    assert_eq!(by_key.len(), delivered.len(), "a mail is missing, or has two keys");
    let told: BTreeSet<String> = world.dingtalk.accepted.all().into_iter().map(|m| m.key).collect();
    assert!(!told.is_empty());
    assert!(daemon.log(&Filter { outcome: Some(Outcome::Dead), ..Filter::default() }).is_empty());
    eprintln!(
        "{KILLS} kills, {} acknowledged, {} in the store, {} mails repeated, {} outcomes unknown",
        acknowledged.len(),
        delivered.len(),
        by_key.values().filter(|n| **n > 1).count(),
        daemon.lines("email", Outcome::Unknown).len()
    );
    let store = daemon.store.clone();
    assert_eq!(daemon.stop(), 0);
    assert_intact(&store);
}
