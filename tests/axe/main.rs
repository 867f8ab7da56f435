//! The real daemon under the axe: killed at random instants of everything that it does at once, on damaged files, and for long.
//!
//! `IFTHEN_KILLS=500 cargo test --test axe kill` kills it so often, `IFTHEN_SOAK=10m cargo test --test axe soak -- --nocapture`
//! watches it for so long; both print a seed, which `IFTHEN_SEED` sets.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::type_complexity,
    reason = "one binary of tests: a failure there is the test failing, and what it measured is told"
)]

#[path = "../daemon/harness.rs"]
mod harness;
#[path = "../standin/mod.rs"]
mod standin;

mod clients;
mod damage;
mod kill;
mod ledger;
mod random;
mod sink;
mod soak;
mod world;
