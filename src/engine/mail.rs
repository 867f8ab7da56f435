//! Mails that left, and what may be told about them afterwards: opened, clicked, unsubscribed, bounced. What telling does is in `told`.
//!
//! Never sends anything; a mail is remembered for [`REMEMBERED`] and then forgotten.

mod told;

pub(super) use told::{command, refused, told};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::contact::Contact;
use super::event::RecordRef;
use super::link;
use super::state::Entry;

/// What `{{ unsubscribe_url }}` is until a mail leaves: only then the link is signed. Survives HTML escaping as it is.
pub const UNSUBSCRIBE: &str = "ifthen:unsubscribe";

/// For how long a mail is remembered: links in it speak for its recipient so long.
pub const REMEMBERED: SignedDuration = SignedDuration::from_hours(180 * 24);
/// Openings and clicks of one mail that become events: more are a machine's, or a mail that was put on the web.
pub const MOST_TOLD: u32 = 100;
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

/// What is known of an address, for whoever shows it.
pub fn known(entry: Option<&Entry>) -> Contact {
    if let Some(Entry::Contact(contact)) = entry { contact.clone() } else { Contact::default() }
}
