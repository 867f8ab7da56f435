//! Random flows under random outcomes, timings, crashes and duplicates: what must hold of every run holds after every event.
//!
//! `IFTHEN_FLOWS=5000 IFTHEN_SEED=7 cargo test --test engine random`; a failure prints its seed, which plays that one flow again
//! with `IFTHEN_FLOWS=1`.

mod dice;
mod grammar;
mod invariant;
mod play;

use super::world::World;
use dice::Dice;
use play::{Counts, Play};

const OUTCOMES: &[&str] = &[
    "outcome.done",
    "outcome.transient",
    "outcome.permanent",
    "outcome.unknown",
    "outcome.throttled",
    "timing.late answer",
    "timing.soon",
    "timing.much later",
    "timing.timer twice",
    "timing.decision twice",
    "timing.signal",
    "timing.signal twice",
    "timing.signal before its wait",
    "timing.record changes",
    "timing.crash",
    "timing.crash while on its way",
    "decision.approved",
    "decision.rejected",
    "decision.answered",
    "decision.recalled",
    "command.cancel",
    "command.cancel and undo",
    "command.retry",
    "command.skip",
    "command.back",
    "command.recall",
    "command.signal",
    "end.by itself",
    "end.waits for somebody",
    "said.undo.done",
    "said.verify.done",
    "said.late.done",
    "said.back.done",
    "said.stop.done",
    "said.end.done",
    "said.end.failed",
    "said.run.parked",
    "said.step.failed",
];

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

#[test]
#[allow(clippy::print_stdout, clippy::print_stderr, reason = "how often each thing was covered is for whoever runs it")]
fn random_flows_keep_what_must_hold() {
    let (flows, first) = (number("IFTHEN_FLOWS", 300), number("IFTHEN_SEED", 1));
    let mut counts = Counts::new();
    let mut refused = 0_u64;
    let mut wrong = Vec::new();
    for seed in first..first + flows {
        let mut dice = Dice::seeded(seed.wrapping_mul(0x5851_f42d_4c95_7f2d));
        let (text, world) = loop {
            let text = grammar::flow(&mut dice);
            match World::load(&text.yaml) {
                Ok(world) => break (text, world),
                Err(why) => {
                    refused += 1;
                    if std::env::var("IFTHEN_REFUSED").is_ok() {
                        eprintln!("{}\n{why}", text.yaml);
                    }
                    assert!(refused < 20 * flows + 50, "the grammar makes what check refuses: {}\n{why}", text.yaml);
                }
            }
        };
        text.kinds.iter().for_each(|kind| *counts.entry((*kind).to_owned()).or_default() += 1);
        let mut play = Play::new(world, text.loops, &mut dice, &mut counts);
        if let Err(why) = play.play() {
            let story: Vec<&String> = play.story.iter().rev().take(if flows == 1 { 10_000 } else { 14 }).collect();
            let story: Vec<&str> = story.into_iter().rev().map(String::as_str).collect();
            wrong.push(format!("seed {seed}: {why}\n{}\n{}", text.yaml, story.join("\n")));
        }
    }
    let listed: Vec<String> = counts.iter().map(|(what, n)| format!("{what} {n}")).collect();
    println!("{flows} flows from seed {first}, {refused} refused by check\n{}", listed.join("\n"));
    assert!(
        wrong.is_empty(),
        "{} flows went wrong\n{}",
        wrong.len(),
        wrong.iter().take(8).cloned().collect::<Vec<_>>().join("\n\n")
    );
    let never: Vec<&&str> = grammar::KINDS.iter().chain(OUTCOMES).filter(|what| !counts.contains_key(**what)).collect();
    assert!(flows < 300 || never.is_empty(), "never seen: {never:?}");
}
