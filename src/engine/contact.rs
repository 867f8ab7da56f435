//! What is known of a mail address: whether it wants marketing mail, whether it takes mail at all, when it got some.
//!
//! Says why marketing mail may not leave; never sends or withdraws anything itself. What a person said here wins over whatever a
//! source says about consent.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::call::CallId;
use super::decide::Deciding;
use super::state::{Entry, Key, Need};

/// Times of marketing mails that are remembered at least, so that a limit that is new counts what went before it.
const REMEMBERED: usize = 20;

/// What is known of an address.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Contact {
    /// It wants no marketing mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsubscribed: Option<Since>,
    /// A mail came back for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bounced: Option<Since>,
    /// Its owner called a mail spam.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complained: Option<Since>,
    /// Mails that came back for now, since one was read last.
    #[serde(skip_serializing_if = "is_zero")]
    pub soft: u32,
    /// When marketing mails went to it, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sent: Vec<Timestamp>,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// When and how something came to be known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    /// When.
    pub at: Timestamp,
    /// How: `one-click`, `page`, `command`; of a bounce its status, as `5.1.1`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub how: String,
    /// By which mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<CallId>,
}

/// Why no marketing mail may go to an address, whatever the mail is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bar {
    /// Its owner does not want it.
    Unsubscribed,
    /// Its owner called one spam.
    Complained,
    /// It takes no mail.
    Bounced,
}

impl Bar {
    /// The reason in the log.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unsubscribed => "unsubscribed",
            Self::Complained => "complained",
            Self::Bounced => "bounced",
        }
    }
}

impl Contact {
    /// Why no marketing mail may go to it, and since when.
    pub fn bar(&self) -> Option<(Bar, &Since)> {
        let all = [(Bar::Unsubscribed, &self.unsubscribed), (Bar::Complained, &self.complained), (Bar::Bounced, &self.bounced)];
        all.into_iter().find_map(|(bar, since)| Some((bar, since.as_ref()?)))
    }

    /// Notes that a marketing mail goes to it; of those before, the ones that still count are kept, and a few more.
    pub(super) fn note(&mut self, at: Timestamp, counting: usize) {
        let keep = counting.max(REMEMBERED - 1);
        let gone = self.sent.len().saturating_sub(keep);
        self.sent.drain(..gone);
        self.sent.push(at);
        self.sent.sort_unstable(); // the clock may have been set back
    }

    /// It may get everything again.
    pub(super) fn resubscribe(&mut self) {
        (self.unsubscribed, self.complained, self.bounced, self.soft) = (None, None, None, 0);
    }
}

/// The address in a mailbox (`刘洋 <LiuYang@Example.com>`), in the one form under which it is known; `None`: there is none.
pub fn address(mailbox: &str) -> Option<String> {
    let text = mailbox.trim();
    let bare = match text.strip_suffix('>').and_then(|t| t.rsplit_once('<')) {
        Some((_, address)) => address,
        None => text,
    };
    let bare = super::entity::half_width(bare.trim()).to_lowercase();
    super::entity::is_email(&bare).then_some(bare)
}

/// What is known of an address, which is normalised; nothing: a contact like any other.
pub(super) fn load(draft: &Deciding<'_>, address: &str) -> Result<Contact, Need> {
    let entry = draft.get(&Key::Contact(address.to_owned()))?;
    Ok(match entry.as_deref() {
        Some(Entry::Contact(contact)) => contact.clone(),
        _ => Contact::default(),
    })
}

pub(super) fn put(draft: &mut Deciding<'_>, address: &str, contact: Contact) {
    let key = Key::Contact(address.to_owned());
    if contact == Contact::default() {
        draft.remove(key);
    } else {
        draft.put(key, Entry::Contact(contact));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_form() {
        for (mailbox, expect) in [
            ("liuyang@example.com", Some("liuyang@example.com")),
            (" 刘洋 <LiuYang@Example.COM> ", Some("liuyang@example.com")),
            ("\"x <y>\" <a@example.com>", Some("a@example.com")),
            ("ａ＠ｅｘａｍｐｌｅ．ｃｏｍ", Some("a@example.com")),
            ("刘洋", None),
            ("<>", None),
            ("", None),
        ] {
            assert_eq!(address(mailbox).as_deref(), expect, "{mailbox}");
        }
    }

    #[test]
    fn what_its_owner_said_comes_before_what_servers_said() {
        let since = |how: &str| Some(Since { at: Timestamp::UNIX_EPOCH, how: how.into(), mail: None });
        let mut contact = Contact { bounced: since("5.1.1"), ..Contact::default() };
        assert_eq!(contact.bar().map(|(bar, _)| bar), Some(Bar::Bounced));
        contact.unsubscribed = since("page");
        assert_eq!(contact.bar().map(|(bar, since)| (bar, since.how.as_str())), Some((Bar::Unsubscribed, "page")));
        contact.resubscribe();
        assert_eq!(contact, Contact::default());
    }

    #[test]
    fn times_do_not_grow_without_end() {
        let mut contact = Contact::default();
        for second in 0..1_000 {
            contact.note(Timestamp::from_second(second).unwrap(), 3);
        }
        assert_eq!(contact.sent.len(), REMEMBERED);
        assert_eq!(contact.sent.last().unwrap().as_second(), 999);
        for second in 0..50 {
            contact.note(Timestamp::from_second(1_000 + second).unwrap(), 40);
        }
        assert_eq!(contact.sent.len(), 41);
    }
}
