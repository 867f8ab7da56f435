//! The world outside: what was performed there under which key. It deduplicates nothing itself, so that it sees everything.

use std::collections::BTreeMap;

use ifthen::engine::call::{Call, CallId, Class, Outcome};
use ifthen::engine::value::Value;

use super::dice::Dice;

/// An attempt that was handed out.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    pub(super) call: Call,
    pub(super) key: String,
    pub(super) reached: bool,
}

/// What arrived under one key.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// What it said, as bytes.
    pub(super) content: String,
    pub(super) times: usize,
}

/// What arrived, by call and key.
#[derive(Debug, Default)]
pub(super) struct Outside {
    pub(super) received: BTreeMap<CallId, BTreeMap<String, Received>>,
}

impl Outside {
    /// Something arrives; the same key must say the same.
    pub(super) fn receive(&mut self, flight: &mut Flight) -> Result<(), String> {
        if std::mem::replace(&mut flight.reached, true) {
            return Ok(());
        }
        let content = serde_json::to_string(&flight.call.request).unwrap();
        let received = self.received.entry(flight.call.id).or_default().entry(flight.key.clone()).or_default();
        received.times += 1;
        if received.times > 1 && received.content != content {
            return Err(format!("{} says {content} under a key that said {}", flight.call.id, received.content));
        }
        received.content = content;
        Ok(())
    }

    /// Whether a call arrived, under whichever key.
    pub(super) fn has(&self, call: CallId) -> bool {
        self.received.contains_key(&call)
    }
}

/// How an attempt may end: what is told of it, and a word for it. What did not arrive cannot have been accepted.
pub(super) fn outcome(flight: &Flight, dice: &mut Dice) -> (&'static str, Outcome) {
    let failed = |class| Outcome::Failed { class, detail: "对方繁忙".into() };
    match (dice.below(12), flight.reached) {
        (0..=5, true) => ("outcome.done", done()),
        (6, _) | (0..=1, false) => ("outcome.unknown", Outcome::Unknown { detail: "连接中断".into() }),
        (7, false) => ("outcome.throttled", failed(Class::Throttled { seconds: Some(u32::try_from(dice.below(90)).unwrap()) })),
        (8, _) => ("outcome.configuration", failed(Class::Configuration)),
        (9, _) => ("outcome.permanent", failed(Class::Permanent)),
        _ => ("outcome.transient", failed(Class::Transient)),
    }
}

/// It was accepted.
pub(super) fn done() -> Outcome {
    Outcome::Done(Value::from([("status", 200i64.into())]))
}
