//! What a stranger, a careless sender and a hostile one do to the real daemon: a test for every row of the list of attacks, named after it.
//! `docs/security.md` says what is promised, row by row, and which test holds it.
#![allow(
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::type_complexity,
    reason = "one binary of tests: a failure there is the test failing, and the harness is shared with others that use the rest of it"
)]

#[path = "../daemon/desk.rs"]
mod desk;
#[path = "../daemon/harness.rs"]
mod harness;
#[path = "../standin/mod.rs"]
mod standin;

mod access;
mod channel;
mod condition;
mod engine;
mod header;
mod intake;
mod outside;
mod page;
mod route;
mod secret;
mod store;
mod table;
mod tls;
