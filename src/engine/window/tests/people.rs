//! Who is who, and what was paid for whom: the model that windows are compared with where records are merged and parted again.

use jiff::Timestamp;

#[derive(Debug, Clone)]
pub(super) struct Paid {
    pub(super) seq: u64,
    /// For whom it counts.
    pub(super) subject: usize,
    pub(super) at: Timestamp,
    pub(super) amount: i64,
    pub(super) sort: &'static str,
    /// Under whose id it came.
    told: usize,
    /// For whom it counted before, latest last.
    former: Vec<usize>,
}

#[derive(Debug)]
pub(super) struct People {
    into: Vec<Option<usize>>,
    /// Merged while windows were being filled: what of that goes back nobody can say.
    vague: Vec<bool>,
    pub(super) all: Vec<Paid>,
}

impl People {
    pub(super) fn new(count: usize) -> Self {
        Self { into: vec![None; count], vague: vec![false; count], all: Vec::new() }
    }

    pub(super) fn resolve(&self, mut one: usize) -> usize {
        while let Some(other) = self.into[one] {
            one = other;
        }
        one
    }

    pub(super) fn paid(&mut self, seq: u64, told: usize, at: Timestamp, amount: i64, sort: &'static str) {
        let subject = self.resolve(told);
        self.all.push(Paid { seq, subject, at, amount, sort, told, former: Vec::new() });
    }

    /// Whether they can be merged; then they are.
    pub(super) fn merge(&mut self, winner: usize, loser: usize, filling: bool) -> bool {
        let winner = self.resolve(winner);
        if winner == loser || self.into[loser].is_some() {
            return false;
        }
        (self.into[loser], self.vague[loser]) = (Some(winner), filling);
        for p in self.all.iter_mut().filter(|p| p.subject == loser) {
            p.former.push(loser);
            p.subject = winner;
        }
        true
    }

    /// Whether they can be two again; nothing where the model does not know.
    pub(super) fn unmerge(&mut self, loser: usize, filling: bool) -> Option<bool> {
        if filling || self.vague[loser] {
            return None;
        }
        let winner = self.into[loser].filter(|winner| self.into[*winner].is_none());
        let Some(winner) = winner else { return Some(false) };
        self.into[loser] = None;
        for p in self.all.iter_mut().filter(|p| p.subject == winner && p.former.last() == Some(&loser)) {
            p.former.pop();
            p.subject = loser;
        }
        Some(true)
    }

    /// Everything is counted anew, for whoever the ids lead to by now.
    pub(super) fn recounted(&mut self) {
        let into = self.into.clone();
        let resolve = |mut one: usize| {
            while let Some(other) = into[one] {
                one = other;
            }
            one
        };
        for p in &mut self.all {
            p.former.clear();
            p.subject = resolve(p.told);
        }
    }
}
