//! Something is told about a mail: booked for the mail and its address, and said as an event about its record.
//!
//! What is told is booked in any case, whatever rules then make of the events that it says. Never takes what a machine did for what
//! a person did without saying so.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use super::{About, Ask, MOST_TOLD, Sent, Told, What, is_hard, status};
use crate::engine::call::{Call, CallId};
use crate::engine::contact::{self, Since};
use crate::engine::decide::{By, Deciding};
use crate::engine::event::Body;
use crate::engine::log::Outcome;
use crate::engine::outbox;
use crate::engine::state::{Entry, Key, Need};
use crate::engine::value::{Map, Value};

/// So soon after a mail was delivered, it is a filter that looks at it.
const SCANNING: SignedDuration = SignedDuration::from_secs(10);
/// Nobody follows two links of a mail within this.
const AT_ONCE: SignedDuration = SignedDuration::from_secs(2);

/// Books what was told about a mail, and says it as an event.
pub(in crate::engine) fn told(draft: &mut Deciding<'_>, told: &Told) -> Result<(), Need> {
    let what = &told.what;
    let (id, sent) = match found(draft, &told.about)? {
        Found::Mail(id, sent) => (Some(id), Some(*sent)),
        Found::Address => (None, None),
        Found::Nothing => {
            note(draft, what, Outcome::Suppressed, vec![("reason", "no such mail".into())]);
            return Ok(());
        }
    };
    let address = match (&sent, &told.about) {
        (Some(sent), _) => Some(sent.to.clone()),
        (None, About::Address(text)) => contact::address(text),
        _ => None,
    };
    let Some(address) = address else {
        note(draft, what, Outcome::Suppressed, vec![("reason", "no address".into())]);
        return Ok(());
    };
    let mut data = Map::new();
    let looked = matches!(what, What::Opened { .. } | What::Clicked { .. });
    if let Some((id, mut sent)) = id.zip(sent.clone()).filter(|_| looked) {
        if sent.told >= MOST_TOLD {
            return Ok(()); // whoever told it was to stop before
        }
        seen(&mut sent, what, draft.event.at, &mut data);
        draft.put(Key::Sent(id), Entry::Sent(Box::new(sent)));
    }
    if !book(draft, &address, id, what, &mut data)? {
        note(draft, what, Outcome::Suppressed, vec![("reason", "no change".into()), ("to", address.into())]);
        return Ok(());
    }
    let depth = draft.depth();
    say(draft, what, (id, sent.as_ref(), &address), data, depth);
    Ok(())
}

/// A server would not take the mail of a call: where that is about the address, it came back.
pub(in crate::engine) fn refused(draft: &mut Deciding<'_>, call: &Call, error: &str) -> Result<(), Need> {
    let status = status(error);
    let Some(Entry::Sent(sent)) = draft.get(&Key::Sent(call.id))?.as_deref().cloned() else { return Ok(()) };
    if !is_hard(&status) {
        return Ok(());
    }
    let what = What::Bounced { hard: true, status, detail: error.to_owned() };
    let mut data = Map::new();
    book(draft, &sent.to, Some(call.id), &what, &mut data)?;
    // What it wakes counts on from what ordered the call, so that mails about mails that come back come to an end.
    say(draft, &what, (Some(call.id), Some(&sent), &sent.to), data, call.depth);
    Ok(())
}

/// What a person asks about an address.
pub(in crate::engine) fn command(draft: &mut Deciding<'_>, ask: &Ask) -> Result<(), Need> {
    let how = || if ask.by.is_empty() { "command".to_owned() } else { format!("command: {}", ask.by) };
    let what = if ask.subscribe { What::Resubscribed(how()) } else { What::Unsubscribed(how()) };
    told(draft, &Told { about: About::Address(ask.address.clone()), what })
}

enum Found {
    Mail(CallId, Box<Sent>),
    Address,
    Nothing,
}

fn found(draft: &Deciding<'_>, about: &About) -> Result<Found, Need> {
    let id = match about {
        About::Mail(mail) => Some(mail.0),
        About::Message(text) => named(text),
        About::Address(_) => return Ok(Found::Address),
    };
    let Some(id) = id else { return Ok(Found::Nothing) };
    let right = |sent: &Sent| match about {
        About::Mail(mail) => mail.is_to(&sent.to),
        About::Message(text) => sent.message_id.as_ref() == Some(text),
        About::Address(_) => false,
    };
    let entry = draft.get(&Key::Sent(id))?;
    Ok(match entry.as_deref() {
        Some(Entry::Sent(sent)) if right(sent) => Found::Mail(id, sent.clone()),
        _ => Found::Nothing,
    })
}

/// The call in `<….c12-1@example.com>`, as the channel makes it.
fn named(message_id: &str) -> Option<CallId> {
    let (local, _) = message_id.strip_prefix('<')?.split_once('@')?;
    local.rsplit_once('.')?.1.parse().ok()
}

/// What an opening or a click says of its mail; whether a machine did it.
fn seen(sent: &mut Sent, what: &What, at: Timestamp, data: &mut Map) {
    sent.told += 1;
    let (outside, first) = match what {
        What::Clicked { url, machine } => {
            data.insert("url".into(), url.as_str().into());
            (machine, !sent.clicked)
        }
        What::Opened { machine } => (machine, !sent.opened),
        _ => return,
    };
    let since = at.duration_since(sent.delivered.unwrap_or(sent.at));
    let link = if let What::Clicked { url, .. } = what { Some(digest(url)) } else { None };
    let other = link.zip(sent.link).is_some_and(|(link, (last, when))| link != last && at.duration_since(when) < AT_ONCE);
    let reason = match outside {
        Some(known) => Some(known.as_str()),
        None if since < SCANNING => Some("delivery"),
        None if other => Some("links"),
        None => None,
    };
    if let Some(link) = link {
        sent.link = Some((link, at));
    }
    match (reason, link) {
        (Some(_), _) => {}
        (None, Some(_)) => sent.clicked = true,
        (None, None) => sent.opened = true,
    }
    data.insert("machine".into(), reason.is_some().into());
    data.insert("first".into(), (first && reason.is_none()).into());
    data.insert("reason".into(), reason.map(str::to_owned).into());
}

fn digest(url: &str) -> u64 {
    Sha256::digest(url.as_bytes()).iter().take(6).fold(0, |n, byte| n << 8 | u64::from(*byte))
}

/// What it means for the address; whether it is news.
fn book(draft: &mut Deciding<'_>, address: &str, mail: Option<CallId>, what: &What, data: &mut Map) -> Result<bool, Need> {
    let before = contact::load(draft, address)?;
    let since = |how: &str| Since { at: draft.event.at, how: how.to_owned(), mail };
    let mut after = before.clone();
    match what {
        What::Opened { .. } | What::Clicked { .. } => {
            if data.get("machine") == Some(&false.into()) {
                after.soft = 0;
            }
        }
        What::Unsubscribed(how) => {
            after.unsubscribed.get_or_insert(since(how));
            data.insert("how".into(), how.as_str().into());
        }
        What::Resubscribed(how) => {
            after.resubscribe();
            data.insert("how".into(), how.as_str().into());
        }
        What::Bounced { hard, status, detail } => {
            if *hard {
                after.bounced.get_or_insert(since(status));
            } else {
                after.soft += 1;
            }
            data.insert("kind".into(), if *hard { "hard" } else { "soft" }.into());
            data.insert("status".into(), status.as_str().into());
            data.insert("detail".into(), detail.as_str().into());
        }
        What::Complained => {
            after.complained.get_or_insert(since(""));
        }
    }
    let told_again = matches!(what, What::Unsubscribed(_) | What::Resubscribed(_)) && after == before;
    if after != before {
        contact::put(draft, address, after);
    }
    Ok(!told_again)
}

/// Says it: in the log, and as an event about the mail's record.
fn say(
    draft: &mut Deciding<'_>,
    what: &What,
    (id, sent, address): (Option<CallId>, Option<&Sent>, &str),
    mut data: Map,
    depth: u32,
) {
    let by = sent.map(|s| outbox::by_text(&s.by)).unwrap_or_default();
    data.insert("mail".into(), id.map(|id| id.to_string()).into());
    data.insert("address".into(), address.into());
    for (name, value) in [("rule", &by.rule), ("flow", &by.flow), ("step", &by.step), ("run", &sent.and_then(|s| s.run.clone()))]
    {
        data.insert(name.into(), value.clone().into());
    }
    let mut detail: Map =
        data.iter().filter(|(k, v)| !matches!(k.as_str(), "url" | "detail") && !v.is_empty()).map(owned).collect();
    if let Some(Value::Text(url)) = data.get("url") {
        // Whatever follows `?` may be a credential.
        detail.insert("url".into(), url.split(['?', '#']).next().unwrap_or_default().into());
    }
    let record = sent.and_then(|s| s.record.clone());
    draft.say_of(&By::default(), record.clone(), what.event(), Outcome::Done, Value::Map(detail));
    let body = Body::Happened { data: Value::Map(data), upsert: None };
    draft.emit_from(depth, what.event().to_owned(), record, "ifthen".into(), body);
}

fn owned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

fn note(draft: &mut Deciding<'_>, what: &What, outcome: Outcome, members: Vec<(&'static str, Value)>) {
    draft.say(&By::default(), what.event(), outcome, Value::Map(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()));
}
