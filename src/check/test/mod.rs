//! The tests that stand in the YAML, on a virtual clock.
//!
//! Architecture invariant: there is no second interpreter. What happens in a test is decided by the very `cascade::settle` of the
//! daemon, told by the same dispatch, mapped and judged by the same source and channel. No store, no file, no socket.

mod contact;
mod fact;
mod matching;
mod person;
mod play;
mod world;

pub use play::{Failure, Found, Subject, Woken, play, ready, why};

#[cfg(test)]
mod tests;
