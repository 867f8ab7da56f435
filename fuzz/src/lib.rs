//! The targets of `tests/fuzz`, compiled for a fuzzer.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a failure here is a finding")]

#[path = "../../tests/fuzz/feed.rs"]
mod feed;
#[path = "../../tests/fuzz/target/mod.rs"]
mod target;

/// One target, by its name, on some bytes; panics where something does not hold.
pub fn run(name: &str, data: &[u8]) {
    target::run(name, data);
}
