//! Whether a marketing mail may leave, asked at the moment of sending; and what is remembered of a mail that does.
//!
//! What is refused here is refused for good: it never waits for better times. Mails that are not marketing always leave.

use super::budget::after;
use super::call::{Call, Email, Request};
use super::contact;
use super::decide::Deciding;
use super::mail::{REMEMBERED, Sent};
use super::state::{Entry, Key, Need, TimerId, Wake};
use super::value::Value;

/// Why a mail may not leave: for the log, `reason` first.
pub(super) type Refusal = Vec<(&'static str, Value)>;

/// The mail of a call about which something may be told once it left.
fn remembered(call: &Call) -> Option<&Email> {
    match &call.request {
        Request::Email(mail) if mail.is_followed() => Some(mail),
        _ => None,
    }
}

/// Why this call may not leave now.
pub(super) fn refused(draft: &Deciding<'_>, call: &Call) -> Result<Option<Refusal>, Need> {
    let Some(mail) = remembered(call).filter(|m| m.marketing) else { return Ok(None) };
    // What is no address is refused by the channel, which says how.
    let Some(address) = contact::address(&mail.to) else { return Ok(None) };
    let contact = contact::load(draft, &address)?;
    if let Some((bar, since)) = contact.bar() {
        return Ok(Some(vec![("reason", bar.word().into()), ("since", since.at.into())]));
    }
    if let Some(field) = unconsented(draft, call)? {
        return Ok(Some(vec![("reason", "consent".into()), ("field", field.into())]));
    }
    // One that is tried again has been counted.
    if draft.get(&Key::Sent(call.id))?.is_some() {
        return Ok(None);
    }
    let Some(limit) = &draft.definitions.marketing else { return Ok(None) };
    let (_, until) = limit.spent(&contact.sent, draft.now, &draft.definitions.zone.0);
    let count = u64::from(limit.count);
    Ok(until.map(|until| vec![("reason", "limit".into()), ("count", count.into()), ("until", until.into())]))
}

/// The field by which the record's entity wants consent, where it does not say so.
fn unconsented(draft: &Deciding<'_>, call: &Call) -> Result<Option<String>, Need> {
    let Some(at) = &call.record else { return Ok(None) };
    let field = draft.definitions.entities.get(&at.entity).and_then(|e| e.consent.as_ref());
    let Some(field) = field else { return Ok(None) };
    let given = draft.record(at)?.is_some_and(|r| r.value(field) == &Value::Bool(true));
    Ok((!given).then(|| field.clone()))
}

/// An attempt of this call begins: it is remembered what links in it will speak for, and counted.
pub(super) fn leaves(draft: &mut Deciding<'_>, call: &Call) -> Result<(), Need> {
    let Some(mail) = remembered(call) else { return Ok(()) };
    let Some(to) = contact::address(&mail.to) else { return Ok(()) };
    let key = Key::Sent(call.id);
    let former = match draft.get(&key)?.as_deref() {
        Some(Entry::Sent(sent)) => Some(sent.told),
        _ => None,
    };
    if former.is_none() {
        forget_later(draft, key.clone());
        if mail.marketing {
            let mut contact = contact::load(draft, &to)?;
            let limit = draft.definitions.marketing.as_ref();
            let counting = limit.map_or(0, |l| l.spent(&contact.sent, draft.now, &draft.definitions.zone.0).0.len());
            contact.note(draft.now, counting);
            contact::put(draft, &to, contact);
        }
    }
    let sent = Sent {
        to,
        record: call.record.clone(),
        by: call.by.clone(),
        run: call.run.clone(),
        marketing: mail.marketing,
        at: draft.now,
        delivered: None,
        message_id: None,
        told: former.unwrap_or_default(),
        opened: false,
        clicked: false,
        link: None,
    };
    draft.put(key, Entry::Sent(Box::new(sent)));
    Ok(())
}

fn forget_later(draft: &mut Deciding<'_>, key: Key) {
    let due = after(draft.now, REMEMBERED).as_millisecond().max(0);
    let timer = TimerId { due, seq: draft.event.seq, n: draft.number() };
    draft.put(Key::Timer(timer), Entry::Timer(Wake::Forget(key)));
}

/// A server took this call's mail.
pub(super) fn delivered(draft: &mut Deciding<'_>, call: &Call, answer: &Value) -> Result<(), Need> {
    if remembered(call).is_none() {
        return Ok(());
    }
    let key = Key::Sent(call.id);
    if let Some(Entry::Sent(sent)) = draft.get(&key)?.as_deref() {
        let mut sent = sent.clone();
        sent.delivered = Some(draft.now);
        sent.message_id = answer.at(&["message_id"]).and_then(Value::as_text).map(str::to_owned);
        draft.put(key, Entry::Sent(sent));
    }
    Ok(())
}
