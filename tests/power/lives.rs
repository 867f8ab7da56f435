//! Power cuts, kills and failures in random order: under `synchronous=FULL` nothing acknowledged is lost, under NORMAL it is.

use powercut::What;

use super::life::{End, World, definitions};

/// Enough to meet every kind of end many times.
const TRIES: u64 = 25;
/// So many lives of one store.
const LIVES: u64 = 5;
/// Without an fsync at every commit a loss is found within a few.
const UNSAFE_TRIES: u64 = 50;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |n| n.parse().unwrap())
}

/// How often each end was met.
#[derive(Debug, Default)]
struct Count {
    cuts: u64,
    kills: u64,
    failures: u64,
    acknowledged: u64,
}

/// Some lives of one store, the last one cut; what was wrong.
fn lives(world: &mut World, ends: &[End], count: &mut Count) -> Result<(), String> {
    for life in 1..=LIVES {
        let end = match world.random.below(ends.len() as u64) as usize {
            _ if life == LIVES => End::Cut,
            n => ends[n],
        };
        world.live(end).map_err(|why| format!("life {life}, {end:?}: {why}"))?;
        match end {
            End::Cut => {
                count.cuts += 1;
                world.disk.power_on().unwrap();
                world.check().map_err(|why| format!("life {life}, {end:?}: {why}"))?;
            }
            End::Kill => {
                count.kills += 1;
                world.disk.restart().unwrap();
            }
            End::Fails(_) => {
                count.failures += 1;
                world.disk.restart().unwrap();
            }
        }
    }
    count.acknowledged += world.ledger.len() as u64;
    Ok(())
}

const ENDS: [End; 7] = [
    End::Cut,
    End::Cut,
    End::Kill,
    End::Fails(What::Sync),
    End::Fails(What::Write),
    End::Fails(What::Read),
    End::Fails(What::Room),
];

#[test]
fn what_was_acknowledged_outlives_power_cuts_kills_and_failures_in_any_order() {
    let definitions = definitions();
    let first = number("IFTHEN_SEED", 1);
    let mut count = Count::default();
    for seed in first..first + number("IFTHEN_CUTS", TRIES) {
        let mut world = World::new(seed, &definitions);
        if let Err(why) = lives(&mut world, &ENDS, &mut count) {
            panic!("IFTHEN_SEED={seed} IFTHEN_CUTS=1: {why}");
        }
    }
    eprintln!("{count:?}");
    assert!(count.acknowledged > count.cuts, "{count:?}: there was nothing to lose");
}

#[test]
fn with_synchronous_normal_the_same_finds_the_loss() {
    let definitions = definitions();
    let found = (1..=UNSAFE_TRIES).find_map(|seed| {
        let mut world = World::new(seed, &definitions);
        world.disk.hear_normal();
        lives(&mut world, &[End::Cut], &mut Count::default()).err().map(|why| (seed, why))
    });
    let (seed, why) = found.expect("commits without an fsync, and nothing was lost: the test would not notice");
    eprintln!("NORMAL: seed {seed}, {why}");
    assert!(why.contains("acknowledged are lost"), "{why}");
}
