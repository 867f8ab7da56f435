//! What several decisions come to together. Knows nothing of people or seats.

use crate::engine::definition::{Share, Signing};

/// What is decided so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It can still become either.
    Pending,
    /// Approved, whatever else would be decided.
    Approved,
    /// Rejected, likewise.
    Rejected,
}

/// What a mode makes of verdicts, in their order. Of nobody: there is nothing to wait for.
pub(super) fn tally(mode: &Signing, verdicts: &[Verdict]) -> Verdict {
    let count = |verdict| verdicts.iter().filter(|v| **v == verdict).count();
    let (approved, rejected) = (count(Verdict::Approved), count(Verdict::Rejected));
    if verdicts.is_empty() {
        return Verdict::Approved;
    }
    match mode {
        Signing::All { need, veto } => {
            let required = required(*need, verdicts.len());
            if *veto && rejected > 0 || rejected > verdicts.len().saturating_sub(required) {
                Verdict::Rejected
            } else if approved >= required {
                Verdict::Approved
            } else {
                Verdict::Pending
            }
        }
        // They are worked out after every decision: there is never more than a first one.
        Signing::Any if rejected > 0 => Verdict::Rejected,
        Signing::Any if approved > 0 => Verdict::Approved,
        Signing::Any => Verdict::Pending,
        Signing::Sequence if rejected > 0 => Verdict::Rejected,
        Signing::Sequence if approved == verdicts.len() => Verdict::Approved,
        Signing::Sequence => Verdict::Pending,
    }
}

/// How many of so many must approve.
pub(super) fn required(need: Option<Share>, of: usize) -> usize {
    match need {
        None => of,
        Some(Share::Count(count)) => (count as usize).max(1),
        Some(Share::Percent(percent)) => (of * percent as usize).div_ceil(100).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_up_and_needs_somebody() {
        let share = |percent, of| required(Some(Share::Percent(percent)), of);
        assert_eq!([share(60, 4), share(50, 3), share(34, 3), share(33, 3), share(100, 7), share(0, 3)], [3, 2, 2, 1, 7, 1]);
        assert_eq!([required(None, 3), required(Some(Share::Count(2)), 3), required(Some(Share::Count(5)), 3)], [3, 2, 5]);
    }

    #[test]
    fn it_ends_as_soon_as_it_cannot_end_otherwise() {
        use Verdict::{Approved as A, Pending as P, Rejected as R};
        let two = |veto| Signing::All { need: Some(Share::Count(2)), veto };
        for (mode, verdicts, expect) in [
            (Signing::default(), vec![A, A, P], P),
            (Signing::default(), vec![A, R, P], R),
            (two(false), vec![R, P, P], P),
            (two(false), vec![R, R, P], R),
            (two(false), vec![A, R, A], A),
            (two(true), vec![R, P, P], R),
            (Signing::Any, vec![P, P], P),
            (Signing::Any, vec![P, A], A),
            (Signing::Sequence, vec![A, P], P),
            (Signing::Sequence, vec![A, A], A),
            (Signing::Any, vec![], A),
        ] {
            assert_eq!(tally(&mode, &verdicts), expect, "{mode:?} {verdicts:?}");
        }
    }
}
