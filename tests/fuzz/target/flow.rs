//! The flow interpreter: the bytes choose a flow, then what happens to it; what must hold of every run holds after every event.
//! Generator, player and invariants are those of the random flows (`tests/engine/random.rs`).

#[path = "../../engine/random/dice.rs"]
mod dice;
#[path = "../../engine/random/grammar.rs"]
#[allow(dead_code, reason = "what is in a flow is counted elsewhere")]
mod grammar;
#[path = "../../engine/random/invariant.rs"]
mod invariant;
#[path = "../../engine/random/play.rs"]
mod play;
#[path = "../../engine/world.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod world;

use dice::Dice;
use play::{Counts, Play};
use world::World;

/// Each byte is a choice; when none is left, the rest is chosen from a fixed seed.
pub(super) fn run(data: &[u8]) {
    let mut dice = Dice::of(data);
    let text = grammar::flow(&mut dice);
    // A flow that check refuses is not run.
    let Ok(world) = World::load(&text.yaml) else { return };
    let mut counts = Counts::new();
    let mut play = Play::new(world, text.loops, &mut dice, &mut counts);
    if let Err(why) = play.play() {
        panic!("{why}\n{}\n{}", text.yaml, play.story.join("\n"));
    }
}
