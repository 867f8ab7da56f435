//! `kill -9` at random instants of a mixed load, starting included: what was acknowledged is there, once inside, at least once
//! outside, and everything comes to its end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::clients::{Shared, manager, senders};
use super::harness::assert_intact;
use super::ledger::{balance, drain};
use super::random::Random;
use super::sink::Sink;
use super::world::folder;

/// Enough to meet most commit points on every run; by hand many more.
const KILLS: u64 = 25;
const SENDERS: usize = 4;
/// It is killed within so long after it is ready, or after it has begun to start.
const LIFE: u64 = 400_000; // µs

#[test]
fn killed_at_any_instant_nothing_acknowledged_is_lost_and_nothing_inside_happens_twice() {
    let kills = std::env::var("IFTHEN_KILLS").map_or(KILLS, |n| n.parse().unwrap());
    let mut random = Random::told("kill");
    let begun = Instant::now();
    let sink = Sink::start(random.split());
    let folder = folder(&sink, "");
    let shared = Arc::new(Shared::default());
    let senders = senders(&shared, SENDERS, &mut random);
    let manager = manager(&shared, folder.path("data/control"));
    let mut early = 0;
    for _ in 0..kills {
        let beginning = folder.begin(&[]);
        let life = Duration::from_micros(random.below(LIFE));
        if random.one_in(5) {
            std::thread::sleep(life);
            beginning.kill();
            early += 1;
            continue;
        }
        let daemon = beginning.ready().unwrap_or_else(|said| panic!("it did not start again: {said:?}"));
        *shared.place.lock().unwrap() = Some(daemon.address);
        std::thread::sleep(life);
        daemon.kill();
        *shared.place.lock().unwrap() = None;
    }
    let killed = begun.elapsed();
    let daemon = folder.start();
    *shared.place.lock().unwrap() = Some(daemon.address);
    sink.heal();
    shared.finish.store(true, Ordering::SeqCst);
    for sender in senders {
        sender.join().unwrap();
    }
    let acknowledged = shared.acknowledged.lock().unwrap().clone();
    let tickets: BTreeSet<&String> = acknowledged.values().map(|(ticket, _)| ticket).collect();
    drain(&folder, &daemon, &tickets);
    shared.end.store(true, Ordering::SeqCst);
    manager.join().unwrap();
    let found = balance(&daemon.reader(), &acknowledged, &sink);
    let store = daemon.store.clone();
    assert_eq!(daemon.stop(), 0);
    assert_intact(&store);
    eprintln!(
        "{kills} kills ({early} while starting) in {killed:.0?}, {:.0?} in all; {} acknowledged, {} sent again after that, {} exchanges \
         cut, {} refused for now; {found:?}",
        begun.elapsed(),
        acknowledged.len(),
        shared.repeated.load(Ordering::Relaxed),
        shared.broken.load(Ordering::Relaxed),
        shared.refused.load(Ordering::Relaxed),
    );
}
