//! The real daemon as a process: what a stranger, a CRM and a failing machine do to it.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::type_complexity,
    reason = "one binary of tests: a failure there is the test failing, and what it measured is told"
)]

mod harness;
#[path = "../standin/mod.rs"]
mod standin;

mod action;
mod attack;
mod backup;
mod browser;
mod contract;
mod crash;
mod decision;
mod desk;
mod full;
mod gate;
mod history;
#[cfg(debug_assertions)] // a release build cannot be made to die where one likes
mod kill;
mod lead;
mod mail;
mod merge;
mod outage;
mod poll;
mod quarantine;
mod quote;
mod reload;
mod retention;
mod route;
mod runs;
mod silence;
mod stale;
mod stop;
mod time;
mod webhook;
mod why;
