//! Numbers that look random and are the same for the same seed; or that somebody chooses, byte by byte.

/// Choices that were made beforehand, then splitmix64.
#[derive(Debug, Clone)]
pub(super) struct Dice {
    chosen: std::vec::IntoIter<u8>,
    state: u64,
}

impl Dice {
    #[allow(dead_code, reason = "bytes choose in the fuzz target")]
    pub(super) fn seeded(seed: u64) -> Self {
        Self { chosen: Vec::new().into_iter(), state: seed }
    }

    #[allow(dead_code, reason = "seeds choose in the random test")]
    pub(super) fn of(chosen: &[u8]) -> Self {
        Self { chosen: Vec::from(chosen).into_iter(), state: 0 }
    }

    pub(super) fn next(&mut self) -> u64 {
        if let Some(byte) = self.chosen.next() {
            return byte.into();
        }
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// From 0, below `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n.max(1) as u64).unwrap()
    }

    /// So many times of a hundred.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}
