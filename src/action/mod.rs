//! Calls performed: mail, HTTP, group robots. Each file knows one protocol and judges what was really answered.
//!
//! Architecture invariant: nothing here decides about trying again, waits for a better time, or remembers a call. One call, one
//! attempt, one [`Outcome`], within the connection's timeout, without a secret in it.

mod client;
mod dingtalk;
mod email;
mod guard;
mod http;
mod letter;
mod marked;
mod robot;
mod secret;
mod smtp;
mod track;
mod wecom;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::config::settings::{self, Connection, Settings};
use crate::engine::call::{Call, Class, Outcome, Request};

pub use http::answered;
pub use letter::Links;
pub use robot::{Kind, limit};

/// Tells the time: the system's, or a test's.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The connection that plain HTTP uses, unless config.yaml has one of that name.
const PLAIN: &str = "http";
/// No connection is given longer, whatever config.yaml says.
const LONGEST: Duration = Duration::from_secs(3_600);

/// A connection that cannot be made ready.
#[derive(Debug, thiserror::Error)]
#[error("connection `{connection}`: {reason}")]
pub struct Error {
    /// Its id.
    pub connection: String,
    /// Why, without secrets.
    pub reason: String,
}

/// Performs calls. Cheap to make anew when the settings change; connections that idle belong to it.
pub struct Performer {
    channels: BTreeMap<String, Channel>,
}

/// A connection, ready.
enum Channel {
    Smtp(email::Mailer),
    Http(Box<http::Service>),
    Dingtalk(robot::Robot),
    Wecom(robot::Robot),
    Preview,
}

impl Performer {
    /// Makes every connection of the settings ready; reaches none of them yet.
    ///
    /// # Errors
    ///
    /// The first connection whose settings cannot be used: a `from` that is no mailbox, an address that is no URL.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        Self::with_clock(settings, Arc::new(Timestamp::now))
    }

    /// The same, by another clock: signatures, dates and waits go by it.
    ///
    /// # Errors
    ///
    /// As [`Performer::new`].
    pub fn with_clock(settings: &Settings, clock: Clock) -> Result<Self, Error> {
        let guard = guard::Guard::new(&settings.allow_networks);
        let make = |connection: &Connection| -> Result<Channel, String> {
            let clock = clock.clone();
            Ok(match connection {
                Connection::Smtp(smtp) => Channel::Smtp(email::Mailer::new(smtp, clock)?),
                Connection::Http(http) => Channel::Http(Box::new(http::Service::new(http, guard.clone(), clock)?)),
                Connection::Dingtalk(robot) => Channel::Dingtalk(robot::Robot::new(Kind::Dingtalk, robot, clock)?),
                Connection::Wecom(robot) => Channel::Wecom(robot::Robot::new(Kind::Wecom, robot, clock)?),
                Connection::Preview => Channel::Preview,
            })
        };
        let named = |id: &str, channel: Result<Channel, String>| match channel {
            Ok(channel) => Ok((id.to_owned(), channel)),
            Err(reason) => Err(Error { connection: id.to_owned(), reason }),
        };
        let mut channels =
            settings.connections.iter().map(|(id, c)| named(id, make(c))).collect::<Result<BTreeMap<_, _>, Error>>()?;
        if !channels.contains_key(PLAIN) {
            let (id, channel) = named(PLAIN, make(&Connection::Http(plain_http())))?;
            channels.insert(id, channel);
        }
        Ok(Self { channels })
    }

    /// Makes one attempt at a call. `key` is the call's idempotency key, the same in every attempt.
    /// `links` are for mails that need some.
    pub async fn perform(&self, call: &Call, key: &str, links: Option<&Links>) -> Outcome {
        let id = &call.connection;
        let request = match marked::filled(call, links) {
            Ok(request) => request,
            Err(why) => return failed(Class::Configuration, why),
        };
        match (request.as_ref(), self.channels.get(id)) {
            (Request::Email(mail), Some(Channel::Smtp(mailer))) => mailer.send(mail, call.id, key, links).await,
            (Request::Http(http), Some(Channel::Http(service))) => service.send(http, key).await,
            (Request::Dingtalk(message), Some(Channel::Dingtalk(robot))) => robot.send(message, key).await,
            (Request::Wecom(message), Some(Channel::Wecom(robot))) => robot.send(message, key).await,
            (_, None) => failed(Class::Configuration, format!("config.yaml has no connection `{id}`")),
            (_, Some(Channel::Preview)) => failed(
                Class::Configuration,
                format!("connection `{id}` is for preview only: config.yaml does not say how to reach it"),
            ),
            (request, Some(_)) => {
                failed(Class::Configuration, format!("connection `{id}` is of another kind than {}", request.action()))
            }
        }
    }
}

impl fmt::Debug for Performer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Performer").field("connections", &self.channels.keys()).finish()
    }
}

fn plain_http() -> settings::Http {
    settings::Http {
        base: None,
        headers: BTreeMap::new(),
        timeout: SignedDuration::from_secs(30),
        idempotency_header: "Idempotency-Key".into(),
    }
}

fn failed(class: Class, detail: String) -> Outcome {
    Outcome::Failed { class, detail }
}

/// What it means that a server could not be reached. A certificate does not get better by itself, and whatever waits for
/// the same server would fail alike.
fn unreached(said: &str) -> Class {
    if said.contains("certificate") { Class::Configuration } else { Class::Transient }
}

/// A timeout as the clients take it; what is not positive would end every attempt before it begins.
fn plain_duration(duration: SignedDuration) -> Duration {
    Duration::try_from(duration).unwrap_or_default().clamp(Duration::from_millis(10), LONGEST)
}
