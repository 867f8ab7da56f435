//! For how long what happened is kept, by kind: payloads go first, then changes of state and events, the log last.
//!
//! Says what may go; a store does it, in slices. What something still waits for never goes: see [`Retention`].

use jiff::SignedDuration;

/// For how long one kind is kept: until it is too old, or there is too much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Older ones go.
    pub age: SignedDuration,
    /// Beyond so many bytes the oldest go, whatever their age.
    pub bytes: Option<u64>,
}

/// For how long each kind is kept.
///
/// Never dropped: the value of a key as it is now and the state as of any event that is still explained; the events of parked
/// roots and of items in quarantine; events within the horizon of the dedupe; the last event and log line, from which numbers go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// What events say, beside their name, times, record and definitions: 90 days.
    pub payloads: Keep,
    /// Changes of state, by which `why` and `records --as-of` see the past: 90 days; never longer than events.
    pub changes: Keep,
    /// Events: 180 days.
    pub events: Keep,
    /// The action log: 400 days, so that a year can be compared with the one before; never shorter than events.
    pub log: Keep,
    /// Bytes of the whole file, without what is free in it: 50 GB. Beyond, the oldest go in the same order.
    pub size: u64,
}

const fn days(days: i64) -> Keep {
    Keep { age: SignedDuration::from_hours(24 * days), bytes: None }
}

impl Default for Retention {
    fn default() -> Self {
        Self { payloads: days(90), changes: days(90), events: days(180), log: days(400), size: 50_000_000_000 }
    }
}

impl Retention {
    /// With ages that fit each other: a change without its event says nothing, a log line outlives what it is about.
    pub(super) fn fitting(mut self) -> Self {
        self.payloads.age = self.payloads.age.min(self.events.age);
        self.changes.age = self.changes.age.min(self.events.age);
        self.log.age = self.log.age.max(self.events.age);
        self
    }
}

/// What a kind takes, as far as it has been counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Bytes of rows, without what the file adds to them.
    pub bytes: u64,
    /// Up to which number they are counted.
    pub counted: u64,
    /// Up to which number they are gone.
    pub gone: u64,
}

/// What each kind takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sizes {
    /// Events that still have their payload.
    pub payloads: Size,
    /// Events without one.
    pub events: Size,
    /// Changes of state.
    pub changes: Size,
    /// The action log.
    pub log: Size,
    /// Bytes of the file.
    pub file: u64,
    /// Those of them that are free.
    pub free: u64,
}
