//! What happens outside, turned into events: [`webhook`]s that post to us, databases that we [`poll`]; [`map`] says what their
//! payloads mean.
//!
//! Architecture invariant: a source writes no state and decides nothing. It hands over `Draft`s; the turn gives them their
//! numbers and makes them durable. Nothing here reads a clock or serves HTTP: time and request come in as arguments.

pub mod map;
pub mod poll;
pub mod quarantine;
pub mod webhook;
