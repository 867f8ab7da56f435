//! What a source told and that could not be understood: kept with its reason, told to rules, and settled by a person: mended,
//! tried again, or discarded.
//!
//! Never maps anything itself: what an item comes to is handed in by the shell, and counts only while the item is still there.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::decide::{By, Deciding, Decision};
use super::definition::Definitions;
use super::event::{self, Body, Cause, Draft, Event, Upsert};
use super::log::Outcome;
use super::state::{Entry, Key, Need, State};
use super::value::Value;

/// One thing that a source told and that does not fit its mapping, with all that is needed to try again.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Unread {
    /// Why, in words.
    pub reason: String,
    /// The path of the member concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The item, as far as it could be read.
    pub data: Value,
    /// What stood around it in its request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outer: Option<Value>,
    /// Its place in its request: `/3`.
    #[serde(default)]
    pub place: String,
    /// The event's name that the way it came by says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The time that the way it came by says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// The delivery id that the way it came by says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<String>,
    /// The bytes as they came, where `data` is not all that they said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Raw>,
    /// It still holds the list of items that the source's `each` names.
    #[serde(default)]
    pub list: bool,
    /// `data` is only the nearest to what came: it must be mended, trying again as it is would take the wrong value.
    #[serde(default)]
    pub lossy: bool,
}

/// Bytes as they came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Raw {
    /// They are UTF-8.
    Text(String),
    /// They are not: Base64.
    Base64(String),
}

/// What is kept under [`Key::Quarantine`] while an item waits; the item itself is the event of that number.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Which source told it.
    pub source: String,
    /// The import it came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    /// Why it could not be understood, in words.
    pub reason: String,
    /// The path of the member concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// When it came.
    pub received: Timestamp,
}

/// What an item comes to once it is understood.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Retold {
    /// The event's name.
    pub name: String,
    /// When it happened.
    pub at: Timestamp,
    /// The source's id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<String>,
    /// The payload.
    pub data: Value,
    /// What it tells about a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upsert: Option<Upsert>,
}

/// Keeps an item; what rules see of it as `event`.
pub(super) fn keep(draft: &mut Deciding<'_>, unread: &Unread) -> Value {
    let event = draft.event;
    let (source, reason) = (event.origin.as_str(), unread.reason.as_str());
    let held = Held {
        source: source.to_owned(),
        batch: event.batch.clone(),
        reason: reason.to_owned(),
        field: unread.field.clone(),
        received: event.received,
    };
    draft.put(Key::Quarantine(event.seq), Entry::Quarantine(held));
    // Without the item: the log is kept for longer than payloads are.
    let detail =
        [("source", source.into()), ("reason", "quarantined".into()), ("error", reason.into()), ("item", event.id().into())];
    draft.say(&By::default(), "read", Outcome::Failed, Value::from(detail));
    Value::from([
        ("source", source.into()),
        ("reason", reason.into()),
        ("field", unread.field.clone().into()),
        ("item", unread.data.clone()),
        ("id", event.id().into()),
    ])
}

/// Keeps an item and wakes nobody: what rules made of it was rolled back.
pub(super) fn booked(definitions: &Definitions, state: &State, event: &Event, unread: &Unread, now: Timestamp) -> Decision {
    let mut draft = Deciding::new(definitions, state, event, now);
    keep(&mut draft, unread);
    draft.finish()
}

/// A person has settled an item: what it comes to is told in its source's name; nothing if it is discarded.
pub(super) fn settle(draft: &mut Deciding<'_>, item: u64, told: &[Retold]) -> Result<(), Need> {
    let id = event::id(item);
    let Some(held) = draft.get(&Key::Quarantine(item))? else {
        let detail = Value::from([("reason", "no such item".into()), ("item", id.into())]);
        draft.say(&By::default(), "quarantine", Outcome::Failed, detail);
        return Ok(());
    };
    let Entry::Quarantine(held) = held.as_ref() else { return Ok(()) };
    draft.remove(Key::Quarantine(item));
    let reason = if told.is_empty() { "discarded" } else { "understood" };
    let detail = [("source", held.source.as_str().into()), ("reason", reason.into()), ("item", id.as_str().into())];
    draft.say(&By::default(), "quarantine", Outcome::Done, Value::from(detail));
    let (seq, received) = (draft.event.seq, draft.event.received);
    for one in told {
        let one = one.clone();
        draft.emits.push(Draft {
            name: one.name,
            at: one.at,
            received,
            origin: held.source.clone(),
            delivery: one.delivery,
            record: one.upsert.as_ref().map(|u| u.record.clone()),
            cause: Some(Cause { seq, depth: 1, by: format!("quarantine:{id}") }),
            batch: held.batch.clone(),
            by: None,
            body: Body::Happened { data: one.data, upsert: one.upsert },
        });
    }
    Ok(())
}
