//! `ifthen backtest` beside what really comes of the same history: two runs of the daemon's own turn, on a virtual clock, read
//! from their logs.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "one binary of tests: a failure there is the test failing, and what it measured is told"
)]

mod command;
mod difference;
mod history;
mod real;
mod size;
