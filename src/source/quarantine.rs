//! What does not fit its source's mapping: as an event that keeps it, and, once it or the mapping is mended, as what it meant.
//!
//! Understood is what came by the right way, proved who sent it and could be parsed: what could not is refused to its sender, who
//! learns it at once. What could be parsed but says what its mapping cannot take is kept here: many senders never try again.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::map::{self, Fault, Told};
use super::webhook;
use crate::config::settings::{Delivery, Imported, Limits, Mapping, Source};
use crate::engine::decide::UNREADABLE;
use crate::engine::definition::Definitions;
use crate::engine::event::{Body, Draft};
use crate::engine::quarantine::{Raw, Retold, Unread};
use crate::engine::value::Value;

/// Bytes of one item with all that is kept of it: larger ones are refused.
pub const MAX_BYTES: usize = 256 << 10;
/// Bytes of all that one request puts into quarantine.
pub const MAX_REQUEST: usize = 4 << 20;

/// The item of something told that does not fit.
pub fn unread(told: &Told, fault: Fault) -> Unread {
    Unread {
        reason: fault.detail,
        field: fault.path,
        data: told.data.clone(),
        outer: told.outer.as_deref().cloned(),
        place: told.place.clone(),
        name: told.name.clone(),
        time: told.time,
        delivery: told.delivery.clone(),
        raw: None,
        list: false,
        lossy: false,
    }
}

/// The event by which an item is kept. The same delivery again is the same item.
pub fn draft(id: &str, map: &Mapping, unread: Unread, now: Timestamp) -> Draft {
    let delivery = match map::delivery(map, &told(&unread, unread.data.clone())) {
        Ok(delivery) => delivery,
        // The id itself is what cannot be read: then its content tells it from others.
        Err(_) if matches!(map.delivery, Some(Delivery::Body(_))) => Some(digest(&unread)),
        Err(_) => None,
    };
    let batch = (map.imports == Imported::All).then(|| id.to_owned());
    Draft { origin: id.to_owned(), delivery, batch, ..Draft::own(UNREADABLE, now, Body::Unread(Box::new(unread))) }
}

/// How many bytes an item takes.
pub fn size(unread: &Unread) -> usize {
    serde_json::to_vec(unread).map_or(usize::MAX, |text| text.len())
}

/// Bytes as they came.
pub fn raw(bytes: &[u8]) -> Raw {
    match std::str::from_utf8(bytes) {
        Ok(text) => Raw::Text(text.to_owned()),
        Err(_) => Raw::Base64(STANDARD.encode(bytes)),
    }
}

/// What an item means now: with other content where it was mended, as of when it came. Nothing is kept or told by this.
pub fn retell(
    id: &str,
    source: &Source,
    definitions: &Definitions,
    limits: &Limits,
    unread: &Unread,
    mended: Option<Value>,
    received: Timestamp,
) -> Result<Vec<Retold>, Fault> {
    if unread.lossy && mended.is_none() {
        return Err(Fault::new(format!("{}: it must be mended first, what is kept is only the nearest to it", unread.reason)));
    }
    let told = told(unread, mended.unwrap_or_else(|| unread.data.clone()));
    let all = if unread.list { webhook::opened(told, &source.map, limits.items)? } else { vec![told] };
    let each = all.into_iter().map(|told| {
        if told.data.as_map().is_none() {
            return Err(Fault::new(format!("an object is expected, not {}", told.data.kind())));
        }
        let draft = map::draft(id, &source.map, definitions, told, received)?;
        let Body::Happened { data, mut upsert } = draft.body else { return Err(Fault::new("it is no event")) };
        // What the source has told since then is newer.
        if let Some(upsert) = &mut upsert {
            upsert.at = upsert.at.or(Some(received));
        }
        Ok(Retold { name: draft.name, at: draft.at, delivery: draft.delivery, data, upsert })
    });
    each.collect()
}

fn told(unread: &Unread, data: Value) -> Told {
    Told {
        data,
        outer: unread.outer.clone().map(Arc::new),
        place: unread.place.clone(),
        name: unread.name.clone(),
        time: unread.time,
        delivery: unread.delivery.clone(),
    }
}

fn digest(unread: &Unread) -> String {
    let mut hash = Sha256::new();
    hash.update(&unread.place);
    hash.update(serde_json::to_vec(&unread.data).unwrap_or_default()); // a value of ours can always be written
    let hex: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("unread#{hex}")
}
