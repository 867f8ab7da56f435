//! The store and the daemon on a disk that loses power, lies, fails and fills up: in this process, over the library's own code.
//!
//! `IFTHEN_CUTS=2000 cargo test --test power` tries so many lives; each prints its seed when it fails, and `IFTHEN_SEED` sets the first.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::type_complexity,
    reason = "one binary of tests: a failure there is the test failing, and what it measured is told"
)]

#[path = "../daemon/harness.rs"]
mod harness;

mod daemon;
mod life;
mod lives;
