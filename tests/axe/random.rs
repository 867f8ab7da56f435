//! Randomness from a seed that is told.

use std::time::{SystemTime, UNIX_EPOCH};

/// Small, seeded, good enough to scatter instants and choices.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// `IFTHEN_SEED`, or one of this run; told either way.
    pub fn told(what: &str) -> Self {
        let asked = std::env::var("IFTHEN_SEED").ok().map(|s| s.parse().unwrap());
        let now = || u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos());
        let seed = asked.unwrap_or_else(now);
        eprintln!("{what}: seed {seed}");
        Self::new(seed)
    }

    pub fn new(seed: u64) -> Self {
        let mut random = Self(seed ^ 0x9e37_79b9_7f4a_7c15);
        random.draw();
        random
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.draw() % n
    }

    /// Once in so many times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Another stream, of its own.
    pub fn split(&mut self) -> Self {
        Self::new(self.draw())
    }
}
