//! Mails that left: what is remembered of each, and what is told about them afterwards: opened, clicked, unsubscribed, bounced.
//!
//! What is told is booked in any case, whatever rules then make of the events that it says. Never sends anything, and never takes
//! what a machine did for what a person did without saying so.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::call::{Call, CallId};
use super::contact::{self, Contact, Since};
use super::decide::{By, Deciding};
use super::event::{Body, RecordRef};
use super::link;
use super::log::Outcome;
use super::state::{Entry, Key, Need};
use super::value::{Map, Value};

/// What `{{ unsubscribe_url }}` is until a mail leaves: only then the link is signed. Survives HTML escaping as it is.
pub const UNSUBSCRIBE: &str = "ifthen:unsubscribe";

/// For how long a mail is remembered: links in it speak for its recipient so long.
pub const REMEMBERED: SignedDuration = SignedDuration::from_hours(180 * 24);
/// Openings and clicks of one mail that become events: more are a machine's, or a mail that was put on the web.
pub const MOST_TOLD: u32 = 100;
/// So soon after a mail was delivered, it is a filter that looks at it.
const SCANNING: SignedDuration = SignedDuration::from_secs(10);
/// Nobody follows two links of a mail within this.
const AT_ONCE: SignedDuration = SignedDuration::from_secs(2);

/// The events that only this tells; see [`What`].
pub const EVENTS: [&str; 6] =
    ["email.opened", "email.clicked", "email.unsubscribed", "email.resubscribed", "email.bounced", "email.complained"];

/// A mail that left and about which something may yet be told.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// To whom, normalised.
    pub to: String,
    /// The record it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordRef>,
    /// `rule:welcome`, `flow:nurture/E1`.
    pub by: String,
    /// The run that sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// It is marketing.
    #[serde(default)]
    pub marketing: bool,
    /// When its last attempt began.
    pub at: Timestamp,
    /// When a server took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<Timestamp>,
    /// Its `Message-ID`, with brackets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// How many openings and clicks were told.
    #[serde(default)]
    pub told: u32,
    /// A person opened it.
    #[serde(default)]
    pub opened: bool,
    /// A person followed a link in it.
    #[serde(default)]
    pub clicked: bool,
    /// The link that was followed last, as a digest, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<(u64, Timestamp)>,
}

/// Something told about a mail, from outside; unsubscribing by a link among it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// About which.
    pub about: About,
    /// What.
    pub what: What,
}

/// Which mail, as certain as it is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// A link or header that we signed says so.
    Mail(link::Mail),
    /// A `Message-ID` is all there is, with its brackets.
    Message(String),
    /// An address is all there is.
    Address(String),
}

/// What is told about a mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Its pixel was fetched.
    Opened {
        /// By what is known to be no person: `head`, `agent`.
        machine: Option<String>,
    },
    /// A link in it was followed.
    Clicked {
        /// Where it leads.
        url: String,
        /// As above.
        machine: Option<String>,
    },
    /// Its recipient wants no more: `one-click`, `page`.
    Unsubscribed(String),
    /// Its recipient wants them again.
    Resubscribed(String),
    /// It came back.
    Bounced {
        /// For good.
        hard: bool,
        /// The enhanced status: `5.1.1`.
        status: String,
        /// What the other side said.
        detail: String,
    },
    /// Its recipient called it spam.
    Complained,
}

impl What {
    /// The event that it becomes.
    pub fn event(&self) -> &'static str {
        match self {
            Self::Opened { .. } => EVENTS[0],
            Self::Clicked { .. } => EVENTS[1],
            Self::Unsubscribed(_) => EVENTS[2],
            Self::Resubscribed(_) => EVENTS[3],
            Self::Bounced { .. } => EVENTS[4],
            Self::Complained => EVENTS[5],
        }
    }
}

/// What a person asks on the command line about an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// The address.
    pub address: String,
    /// Whether it is to get marketing mail.
    pub subscribe: bool,
    /// Who asks.
    #[serde(default)]
    pub by: String,
}

/// Books what was told about a mail, and says it as an event.
pub(super) fn told(draft: &mut Deciding<'_>, told: &Told) -> Result<(), Need> {
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
    if let Some((id, mut sent)) = id.zip(sent.clone()) {
        if matches!(what, What::Opened { .. } | What::Clicked { .. }) {
            if sent.told >= MOST_TOLD {
                return Ok(()); // whoever told it was to stop before
            }
            seen(&mut sent, what, draft.event.at, &mut data);
            draft.put(Key::Sent(id), Entry::Sent(Box::new(sent)));
        }
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
pub(super) fn refused(draft: &mut Deciding<'_>, call: &Call, error: &str) -> Result<(), Need> {
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

/// Whether this enhanced status says that an address is not there. What is about us or about the message says nothing of it
/// (RFC 3463).
pub fn is_hard(status: &str) -> bool {
    matches!(status, "5.1.0" | "5.1.1" | "5.1.2" | "5.1.3" | "5.1.6" | "5.1.10" | "5.2.1" | "5.4.4")
}

/// The enhanced status in what a server said; empty: there is none.
pub fn status(said: &str) -> String {
    let is = |word: &&str| {
        let parts: Vec<&str> = word.split('.').collect();
        parts.len() == 3 && parts.iter().all(|p| !p.is_empty() && p.len() <= 3 && p.bytes().all(|b| b.is_ascii_digit()))
    };
    said.split(|c: char| !c.is_ascii_digit() && c != '.').find(is).unwrap_or_default().to_owned()
}

/// What a person asks about an address.
pub(super) fn command(draft: &mut Deciding<'_>, ask: &Ask) -> Result<(), Need> {
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
    let (id, right): (_, Box<dyn Fn(&Sent) -> bool + '_>) = match about {
        About::Mail(mail) => (mail.0, Box::new(|sent| mail.is_to(&sent.to))),
        About::Message(text) => match named(text) {
            Some(id) => (id, Box::new(|sent| sent.message_id.as_ref() == Some(text))),
            None => return Ok(Found::Nothing),
        },
        About::Address(_) => return Ok(Found::Address),
    };
    let entry = draft.get(&Key::Sent(id))?;
    Ok(match entry.as_deref() {
        Some(Entry::Sent(sent)) if right(sent) => Found::Mail(id, sent.clone()),
        _ => Found::Nothing,
    })
}

/// The call in `<…​.c12-1@example.com>`, as the channel makes it.
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
    let by = sent.map(|s| super::outbox::by_text(&s.by)).unwrap_or_default();
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

/// What is known of an address, for whoever shows it.
pub fn known(entry: Option<&Entry>) -> Contact {
    if let Some(Entry::Contact(contact)) = entry { contact.clone() } else { Contact::default() }
}
