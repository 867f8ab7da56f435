//! For how long something counts: `7d`, or months by the calendar.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use crate::engine::duration;

/// How long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// So much time.
    Exact(SignedDuration),
    /// So many months of the calendar.
    Months(u16),
}

impl Within {
    /// Reads `7d`, `3 months`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some((number, "months" | "month")) = text.trim().split_once(char::is_whitespace).map(|(n, u)| (n, u.trim())) {
            return number.parse().ok().filter(|n| (1..=1_200).contains(n)).map(Self::Months);
        }
        duration::parse(text).filter(|d| *d > SignedDuration::ZERO).map(Self::Exact)
    }

    /// Whether it is always the same time.
    pub fn is_exact(&self) -> bool {
        matches!(self, Self::Exact(_))
    }

    /// So much after a time.
    pub fn after(&self, at: Timestamp, zone: &TimeZone) -> Timestamp {
        match self {
            Self::Exact(d) => at.saturating_add(*d).unwrap_or(Timestamp::MAX),
            Self::Months(n) => {
                at.to_zoned(zone.clone()).checked_add(i32::from(*n).months()).map_or(Timestamp::MAX, |z| z.timestamp())
            }
        }
    }
}

impl std::fmt::Display for Within {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(d) => f.write_str(&duration::text(*d)),
            Self::Months(1) => f.write_str("1 month"),
            Self::Months(n) => write!(f, "{n} months"),
        }
    }
}
