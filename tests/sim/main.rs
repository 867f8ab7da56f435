//! Simulation: the daemon's own decisions, turns, outbox, timers and books on a disk, a clock and a world outside that are made up
//! from one seed, and that fail.
//!
//! **What is real.** Everything from a mapped payload to a handed-out call: `source::map`, `daemon::cycle` with the turn in it,
//! `engine`, all compiled definitions. **What is made up.** The disk ([`disk`]: a store in memory that outlives processes), both
//! clocks, senders, the polled system, channels ([`outside`]), people. Thread, HTTP and real channels are tested by `tests/daemon`.
//!
//! **A simulation** is a plan ([`plan`]): a list of actions, each with a seed of its own, so that leaving one out changes no other.
//! It is played ([`play`]) while everything goes wrong that can; then nothing does any more, and everything must come right.
//!
//! **What the end of a process means.** It is killed by unwinding out of the store to whoever runs it: nothing in memory is left.
//! Before a commit: nothing of it is on disk. After: all of it, and nobody was told. A commit or read that fails for good: the
//! process ends by itself, whatever is on disk. Between commit and performing: answers are out, attempts are on disk, no call was
//! made. While performing: some calls arrived, no outcome was told. What had not arrived never will.
//!
//! **What must hold** ([`book`], after every commit, and at the end): nothing that was acknowledged is lost, and nothing stands
//! twice; all that is on disk comes out the same when decided anew from its events alone; sums, trails and owners are as worked out
//! independently; rows come once; timers ring once, in time, and not while time stands still; calls of a lane go in order, are
//! handed out only when their attempt is on disk, arrive under one key with one content, and come to one end; a run stands in one
//! place; and in the end nothing waits for nobody.
//!
//! `IFTHEN_SEEDS=100000 IFTHEN_SEED=7 cargo test --test sim seeds -- --nocapture`; a failure prints its seed, its shortest plan and what happened.
//! `IFTHEN_STORY=1 IFTHEN_SEEDS=1 IFTHEN_SEED=7` prints what happened in any case.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a failure here is the test failing, and what it covered is told")]

mod book;
mod coverage;
mod definitions;
#[path = "../engine/random/dice.rs"]
mod dice;
mod disk;
mod kept;
mod mistake;
mod outside;
mod plan;
mod play;
mod process;
mod runs;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use mistake::Mistake;
use play::{Played, play};
use world::Counts;

/// Tries to shorten a plan that fails.
const TRIES: usize = 400;

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

/// A failure with its shortest plan.
fn told(seed: u64, mistake: Option<Mistake>) -> String {
    // The same in other words: numbers and ids are others where less happens.
    let kind = |played: &Played| {
        played.wrong.as_ref().map(|why| why.chars().filter(|c| c.is_ascii_lowercase()).take(60).collect::<String>())
    };
    let plan = plan::plan(seed);
    let wrong = kind(&play(&plan, mistake, false));
    let plan = plan::shrink(&plan, TRIES, |plan| kind(&play(plan, mistake, false)) == wrong);
    let played = play(&plan, mistake, true);
    let actions: Vec<String> = plan.iter().map(|a| format!("({:?}, {:#x})", a.kind, a.seed)).collect();
    format!("seed {seed}: {}\n{}\n{}", played.wrong.unwrap_or_default(), actions.join(", "), played.story.join("\n"))
}

/// Plays these seeds on all cores; the first that failed, and what was covered.
fn all(seeds: std::ops::Range<u64>) -> (Vec<(u64, String)>, Counts) {
    let (next, found) = (AtomicU64::new(seeds.start), Mutex::new((Vec::new(), Counts::new())));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let played = play(&plan::plan(seed), None, false);
            let mut found = found.lock().unwrap();
            for (what, n) in played.counts {
                *found.1.entry(what).or_default() += n;
            }
            if let Some(why) = played.wrong {
                found.0.push((seed, why));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let mut found = found.into_inner().unwrap();
    found.0.sort_unstable();
    found
}

#[test]
fn whatever_goes_wrong_what_is_promised_holds_for_all_seeds() {
    let (count, first) = (number("IFTHEN_SEEDS", 2_000), number("IFTHEN_SEED", 1));
    let begun = Instant::now();
    let (wrong, counts) = all(first..first + count);
    let listed: Vec<String> = counts.iter().map(|(what, n)| format!("{what} {n}")).collect();
    let speed = count as f64 / begun.elapsed().as_secs_f64();
    println!("{count} seeds from {first}, {speed:.0} a second\n{}", listed.join("\n"));
    if std::env::var("IFTHEN_STORY").is_ok() {
        println!("{}", play(&plan::plan(first), None, true).story.join("\n"));
    }
    let shown: Vec<String> = wrong.iter().take(3).map(|(seed, why)| format!("{why}\n{}", told(*seed, None))).collect();
    let seeds: Vec<u64> = wrong.iter().map(|(seed, _)| *seed).collect();
    assert!(wrong.is_empty(), "{} of {count} seeds went wrong: {seeds:?}\n\n{}", wrong.len(), shown.join("\n\n"));
    let never: Vec<&str> = coverage::ALL.into_iter().filter(|what| !counts.contains_key(*what)).collect();
    assert!(count < 2_000 || never.is_empty(), "never happened: {never:?}");
}

#[test]
fn what_was_found_once_does_not_come_back() {
    let wrong: Vec<String> =
        kept::all().filter_map(|(name, plan)| play(&plan, None, false).wrong.map(|why| format!("{name}: {why}"))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Seeds within which each mistake must be found.
const WITHIN: u64 = 300;

#[test]
#[cfg(debug_assertions)]
fn every_mistake_made_on_purpose_is_found() {
    let begun = Instant::now();
    let mut missed = Vec::new();
    for (mistake, words) in mistake::ALL {
        let found = (1..=WITHIN).find_map(|seed| Some((seed, play(&plan::plan(seed), Some(mistake), false).wrong?)));
        let why = found.as_ref().map(|(_, why)| why.lines().next().unwrap_or_default().chars().take(160).collect::<String>());
        println!("{mistake:?}: {} {}", found.as_ref().map_or(0, |(seed, _)| *seed), why.as_deref().unwrap_or("not found"));
        if !found.is_some_and(|(_, why)| words.iter().any(|words| why.contains(words))) {
            missed.push(mistake);
        }
    }
    println!("{} mistakes in {:.0?}", mistake::ALL.len(), begun.elapsed());
    assert!(missed.is_empty(), "not found, or for another reason: {missed:?}");
}
