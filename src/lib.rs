//! `ifthen`: rules and workflows from YAML; webhooks in, decided and durable, actions out, every step in the log.
//!
//! In reading order: [`engine`] decides, pure; [`config`] compiles YAML into what it decides by; [`store`] keeps its state;
//! [`source`] turns what happens outside into events; [`action`] performs what leaves; [`daemon`] is the only loop;
//! [`check`] runs the tests in the YAML and tells why; [`web`] serves HTTP; [`cli`] is the command line. ARCHITECTURE.md has the
//! invariants.

pub mod action;
pub mod check;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod engine;
mod failpoint;
pub mod source;
pub mod store;
pub mod web;
