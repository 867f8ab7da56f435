//! Looking at what was decided, and trying what would be, without acting: always through the same `decide` as the daemon.
//!
//! Architecture invariant: nothing here writes into a store that a daemon uses, performs a call, or knows a clock.

pub mod backtest;
pub mod ended;
pub mod history;
pub mod plan;
pub mod test;
pub mod why;
mod world;
