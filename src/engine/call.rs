//! A call: something to be done outside, at least once, under one idempotency key. Rows of the outbox.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::approval::Marker;
use super::event::RecordRef;
use super::value::Value;

/// The id of a call: the event that decided it and a number within that event. Text: `c1042-2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId {
    /// The deciding event's number.
    pub seq: u64,
    /// From 1, within the event.
    pub n: u32,
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}-{}", self.seq, self.n)
    }
}

impl FromStr for CallId {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (seq, n) = text.strip_prefix('c').unwrap_or(text).split_once('-').ok_or(())?;
        Ok(Self { seq: seq.parse().map_err(|_| ())?, n: n.parse().map_err(|_| ())? })
    }
}

super::serde_as_text!(CallId, "a call id such as c1042-2");

/// One call and its life so far.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Its id.
    pub id: CallId,
    /// The connection that performs it (`connections:` in config.yaml), or `http` for plain HTTP.
    pub connection: String,
    /// Calls of one lane go out one after another, in order; empty: the connection itself is the lane.
    pub lane: String,
    /// The record it is about, for the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordRef>,
    /// `rule:welcome` or `flow:nurture/E1`, for the log.
    pub by: String,
    /// The run that waits for its outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The event to emit with the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emit: Option<String>,
    /// What to do.
    pub request: Request,
    /// Counts what it was edited to; part of the idempotency key, since other content is another message.
    #[serde(default)]
    pub generation: u32,
    /// How many steps the event that ordered it is from its root; what its outcome emits counts on from there, so that a rule
    /// on dead calls that makes calls which die comes to an end.
    #[serde(default)]
    pub depth: u32,
    /// An attempt of this content may have reached the other side: it stays as it is, under its key.
    #[serde(default)]
    pub tried: bool,
    /// Of some attempt it is not known whether it happened.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
    /// Quiet hours do not hold it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub urgent: bool,
    /// What stands in its text for links and codes that are made when it leaves; nothing else is taken for one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub markers: Vec<Marker>,
    /// What it said before others were merged into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<Box<Request>>,
    /// Calls whose content was merged into this one; they end as it ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carries: Vec<CallId>,
    /// Where it stands.
    pub status: Status,
    /// Attempts begun so far.
    pub attempt: u32,
    /// Not to be started before.
    pub due: Timestamp,
    /// The last failure, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Waits between attempts; when they are used up the call is dead. Fixed when the call is made.
    pub retry: Vec<Retry>,
    /// A step of a flow says these waits: they are kept to the second, and not spread.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exact: bool,
    /// Its run does not wait for it, and need not be there any more: a reminder, an alert.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub beside: bool,
    /// Needed no more: what is on its way is the last attempt.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancelled: bool,
}

impl Call {
    /// The idempotency key that every attempt of this content carries; `instance` is the store's name.
    pub fn idempotency_key(&self, instance: &str) -> String {
        match self.generation {
            0 => format!("{instance}-{}", self.id),
            n => format!("{instance}-{}-{n}", self.id),
        }
    }
}

/// A wait before another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Retry(#[serde(with = "super::duration::as_text")] pub SignedDuration);

/// Where a call stands. A call that is done, or discarded, is no longer in the state: the log has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for its turn, its due time or its budget.
    Queued,
    /// An attempt is committed and on its way; found so after a restart, its outcome is unknown.
    Started,
    /// Out of attempts, or refused for good: listed until a person retries, edits or discards it.
    Dead,
    /// Its content travels inside another call; ends as that one ends.
    Merged(CallId),
}

/// What to do outside; closed, one variant per kind of channel, fully rendered so that every attempt sends the same bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// One mail to one address.
    Email(Email),
    /// An HTTP request.
    Http(Http),
    /// A message to a DingTalk group robot.
    Dingtalk(RobotMessage),
    /// A message to a WeCom group robot.
    Wecom(RobotMessage),
}

impl Request {
    /// The action's name in YAML and in the log.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Email(_) => "email",
            Self::Http(_) => "http",
            Self::Dingtalk(_) => "dingtalk",
            Self::Wecom(_) => "wecom",
        }
    }
}

/// A mail, rendered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Email {
    /// One mailbox, `name <address>` or bare.
    pub to: String,
    /// The subject, one line.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// It asks for something that its recipient may not want: how to unsubscribe is in it, and whether it may leave is asked at the
    /// moment of sending.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub marketing: bool,
    /// Openings and clicks are told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub track: bool,
}

impl Email {
    /// Whether links of ours are in it, so that something may be told about it once it left.
    pub fn is_followed(&self) -> bool {
        let linked = |text: &str| text.contains(super::mail::UNSUBSCRIBE);
        self.marketing || self.track || linked(&self.text) || self.html.as_deref().is_some_and(linked)
    }
}

/// An HTTP request, rendered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Upper case.
    pub method: String,
    /// Absolute, or below the connection's base URL when it starts with `/`.
    pub url: String,
    /// Beside those of the connection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// What is sent.
    #[serde(default)]
    pub body: HttpBody,
}

/// The body of a request and with it the content type.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpBody {
    /// None.
    #[default]
    Empty,
    /// `application/json`.
    Json(Value),
    /// `application/x-www-form-urlencoded`.
    Form(Vec<(String, String)>),
    /// `text/plain; charset=utf-8`.
    Text(String),
}

/// A group robot's message, rendered; the same shape for DingTalk and WeCom, each says it in its own protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RobotMessage {
    /// How it is written.
    pub format: Format,
    /// Shown in the conversation list (DingTalk markdown only).
    #[serde(default)]
    pub title: String,
    /// The content.
    pub text: String,
    /// Whom to mention.
    #[serde(default)]
    pub at: Mentions,
}

/// How a robot's message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Plain text.
    Text,
    /// The platform's markdown subset.
    Markdown,
}

/// The most a DingTalk robot takes, in bytes of the whole request; its error text is `message too long, exceed 20000 bytes`.
pub const DINGTALK_BYTES: usize = 20_000;

/// The most a WeCom robot takes, in bytes of UTF-8 of the content alone.
pub const fn wecom_bytes(format: Format) -> usize {
    match format {
        Format::Text => 2_048,
        Format::Markdown => 4_096,
    }
}

/// Whom a robot's message mentions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mentions {
    /// By mobile number, without country code for the mainland.
    pub mobiles: Vec<String>,
    /// By the platform's user id.
    pub users: Vec<String>,
    /// Everyone in the group.
    pub all: bool,
}

/// How an attempt ended, as judged by the channel from what was really answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Accepted. What was answered, for flows and the log (status, body); at most 64 KiB.
    Done(Value),
    /// Did not happen, or was refused.
    Failed {
        /// What it means for trying again.
        class: Class,
        /// What was really said, in words, without secrets.
        detail: String,
    },
    /// It may or may not have happened: the connection broke after the request was sent, or we stopped in between.
    Unknown {
        /// What is known.
        detail: String,
    },
}

/// What a failure means for trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// May pass: try again by the schedule.
    Transient,
    /// Too fast: try again after the given seconds (or the channel's usual); holds the whole connection, counts no attempt.
    Throttled {
        /// As the other side said, or its documented penalty.
        seconds: Option<u32>,
    },
    /// This one will never be accepted: dead at once.
    Permanent,
    /// The connection itself is misconfigured or refused (bad credentials, robot removed): holds the whole connection.
    Configuration,
}
