//! What a test says about a mail that was sent: `event: { name: email.unsubscribed, data: { address: … } }` is also booked for the
//! address, as the daemon books it. Says no event itself: the test does.

use std::sync::Arc;

use jiff::Timestamp;

use crate::engine::contact::{self, Since};
use crate::engine::mail::known;
use crate::engine::state::{Change, Entry, Key, State};
use crate::engine::value::Value;

/// Books what an event of that name means for the address that its data names.
pub(super) fn book(state: &mut State, name: &str, data: &Value, at: Timestamp) {
    let Some(address) = data.at(&["address"]).and_then(Value::as_text).and_then(contact::address) else { return };
    let key = Key::Contact(address);
    let mut contact = known(state.get(&key).ok().flatten().map(AsRef::as_ref));
    let since = || Some(Since { at, how: "test".into(), mail: None });
    match name {
        "email.unsubscribed" => contact.unsubscribed = since(),
        "email.complained" => contact.complained = since(),
        "email.bounced" if data.at(&["kind"]) == Some(&"hard".into()) => contact.bounced = since(),
        "email.resubscribed" => (contact.unsubscribed, contact.complained, contact.bounced) = (None, None, None),
        _ => return,
    }
    state.apply(&Change { key, entry: Some(Arc::new(Entry::Contact(contact))) });
}
