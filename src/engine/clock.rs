//! What becomes of time when the clock on the wall cannot be trusted: it was set, and whatever is driven by time waits until a person
//! says that the clock is right, or it is set back. The shell measures; this keeps the books, so that a restart forgets nothing.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::decide::{By, Deciding};
use super::log::Outcome;
use super::state::{Entry, Key, Need};
use super::value::Value;

/// The event of a clock that was set: `by` in seconds (negative: back), `from`, `to`.
pub const JUMPED: &str = "ifthen.clock.jumped";
/// The event of a clock that is as it was before.
pub const RESTORED: &str = "ifthen.clock.restored";

/// Since when and why time stands still.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// By the new clock.
    pub since: Timestamp,
    /// By how many seconds it was set; negative: back.
    pub by: i64,
}

/// Whether an event is the shell's word on the clock, and what it means.
pub(super) fn told(draft: &mut Deciding<'_>, data: &Value) {
    let by = || match data.at(&["by"]) {
        Some(Value::Number(n)) => i64::try_from(*n).unwrap_or_default(),
        _ => 0,
    };
    match draft.event.name.as_str() {
        JUMPED => {
            let pause = Pause { since: draft.event.received, by: by() };
            draft.put(Key::Paused, Entry::Paused(pause));
            say(draft, "jumped", data, Outcome::Failed);
        }
        RESTORED => {
            draft.remove(Key::Paused);
            say(draft, "restored", data, Outcome::Done);
        }
        _ => {}
    }
}

/// A person says that the clock is right as it is.
pub(super) fn confirm(draft: &mut Deciding<'_>) -> Result<(), Need> {
    let Some(Entry::Paused(pause)) = draft.get(&Key::Paused)?.as_deref().cloned() else {
        let detail = Value::from([("reason", "the clock was not set".into())]);
        draft.say(&By::default(), "clock", Outcome::Suppressed, detail);
        return Ok(());
    };
    draft.remove(Key::Paused);
    say(draft, "confirmed", &Value::from([("by", pause.by.into())]), Outcome::Done);
    Ok(())
}

fn say(draft: &mut Deciding<'_>, reason: &str, data: &Value, outcome: Outcome) {
    let mut detail = data.as_map().cloned().unwrap_or_default();
    detail.insert("reason".into(), reason.into());
    draft.say(&By::default(), "clock", outcome, Value::Map(detail));
}
