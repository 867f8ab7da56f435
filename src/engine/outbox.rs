//! The life of calls: when an attempt may start, what its outcome means, when to try again, what a connection's budget allows.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a connection's budget has spent, and whether the connection is held.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Budget {
    /// When attempts started, latest last; only those still in the rate's window.
    #[serde(default)]
    pub sent: Vec<Timestamp>,
    /// No attempt before then: throttled by the other side, or misconfigured.
    #[serde(default)]
    pub held_until: Option<Timestamp>,
    /// How many times in a row it was held, for a longer hold each time.
    #[serde(default)]
    pub holds: u32,
}
