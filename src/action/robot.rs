//! What group robots have in common: a secret address, a small JSON message, and HTTP 200 also for refusals.
//!
//! Which code means what is in `dingtalk` and `wecom`. The address comes from config.yaml alone, so no network is closed to it.

use std::time::Duration;

use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::config::settings;
use crate::engine::call::{Class, DINGTALK_BYTES, Format, Outcome, RobotMessage, wecom_bytes};
use crate::engine::value::{Value, from_json};

use super::client::{self, Answer, Failure};
use super::secret::{Secrets, shorten};
use super::{Clock, dingtalk, failed, plain_duration, unreached, wecom};

/// Whose robot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// DingTalk's.
    Dingtalk,
    /// WeCom's.
    Wecom,
}

/// The most bytes (UTF-8) that a robot takes. WeCom counts the content alone. DingTalk counts the whole request body, so
/// leave a tenth of it for escapes, mentions and the rest of the JSON.
pub fn limit(kind: Kind, format: Format) -> usize {
    match kind {
        Kind::Dingtalk => DINGTALK_BYTES,
        Kind::Wecom => wecom_bytes(format),
    }
}

/// One robot.
pub(super) struct Robot {
    kind: Kind,
    client: Client,
    url: Url,
    secret: Option<SecretString>,
    keyword: Option<String>,
    secrets: Secrets,
    timeout: Duration,
    clock: Clock,
}

impl Robot {
    pub(super) fn new(kind: Kind, robot: &settings::Robot, clock: Clock) -> Result<Self, String> {
        // The parser's message does not hold the text; nor may ours, for the address is the credential.
        let url = Url::parse(robot.url.expose_secret()).map_err(|e| format!("url: not a webhook address: {e}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("url: a webhook address begins with https://".into());
        }
        let mut secrets = Secrets::default();
        secrets.add(&robot.url);
        for (_, value) in url.query_pairs() {
            secrets.add(&SecretString::from(value.into_owned()));
        }
        if let Some(secret) = &robot.secret {
            secrets.add(secret);
        }
        let timeout = plain_duration(robot.timeout);
        Ok(Self {
            kind,
            client: client::new(timeout, None).map_err(|e| e.to_string())?,
            url,
            secret: robot.secret.clone(),
            keyword: robot.keyword.clone().filter(|k| !k.is_empty()),
            secrets,
            timeout,
            clock,
        })
    }

    pub(super) async fn send(&self, message: &RobotMessage, key: &str) -> Outcome {
        let outcome = match self.body(message, key) {
            Err(detail) => failed(Class::Permanent, detail),
            Ok(body) => self.post(body, key).await,
        };
        self.secrets.clean_outcome(outcome)
    }

    fn body(&self, message: &RobotMessage, key: &str) -> Result<String, String> {
        if message.text.trim().is_empty() {
            return Err("the message is empty".into());
        }
        match self.kind {
            Kind::Dingtalk => dingtalk::body(message, self.keyword.as_deref(), key),
            Kind::Wecom => wecom::body(message, self.keyword.as_deref()),
        }
    }

    async fn post(&self, body: String, key: &str) -> Outcome {
        let mut url = self.url.clone();
        // Signed now, not when the call was made: a signature is good for an hour only.
        if let (Kind::Dingtalk, Some(secret)) = (self.kind, &self.secret) {
            match dingtalk::sign((self.clock)(), secret.expose_secret()) {
                Some((timestamp, sign)) => {
                    url.query_pairs_mut().append_pair("timestamp", &timestamp).append_pair("sign", &sign);
                }
                None => return failed(Class::Configuration, "the signing secret cannot be used".into()),
            }
        }
        // WeCom knows no idempotency key; a gateway in between may.
        let request = self
            .client
            .post(url)
            .header("content-type", "application/json; charset=utf-8")
            .header("idempotency-key", key)
            .body(body);
        match client::exchange(request, self.timeout).await {
            Ok(answer) => self.judge(&answer),
            Err(Failure::Unsent(said)) => failed(unreached(&said), said),
            Err(Failure::Lost(detail)) => Outcome::Unknown { detail },
            Err(Failure::Invalid(said)) => failed(Class::Configuration, said),
            Err(Failure::Blocked(blocked)) => failed(Class::Configuration, blocked.to_string()),
        }
    }

    fn judge(&self, answer: &Answer) -> Outcome {
        let said = answer.said();
        if let (200..=299, Some(broken)) = (answer.status, &answer.broken) {
            return Outcome::Unknown { detail: format!("answered {}, but: {broken}", answer.status) };
        }
        let parsed = from_json(&answer.body).ok();
        let code = parsed.as_ref().and_then(|v| code(v.at(&["errcode"])?));
        match (answer.status, code, parsed) {
            (_, Some(0), Some(parsed)) if answer.status < 300 => Outcome::Done(parsed),
            (_, Some(code), Some(parsed)) => {
                let text = parsed.at(&["errmsg"]).map(Value::to_string).unwrap_or_default();
                let class = match self.kind {
                    Kind::Dingtalk => dingtalk::classify(code, &text, (self.clock)()),
                    Kind::Wecom => wecom::classify(code, &text),
                };
                failed(class, format!("errcode {code}: {}", shorten(&text, 300)))
            }
            (429, ..) => failed(Class::Throttled { seconds: Some(self.penalty()) }, said),
            (403, ..) if self.kind == Kind::Dingtalk => failed(Class::Throttled { seconds: Some(self.penalty()) }, said),
            (300..=399 | 401 | 404 | 405, ..) => failed(Class::Configuration, format!("{said} (is the address right?)")),
            (200..=299, ..) if self.kind == Kind::Dingtalk && dingtalk::is_ip_ban(answer) => {
                failed(Class::Throttled { seconds: Some(self.penalty()) }, said)
            }
            _ => failed(Class::Transient, said),
        }
    }

    fn penalty(&self) -> u32 {
        match self.kind {
            Kind::Dingtalk => dingtalk::PENALTY,
            Kind::Wecom => wecom::PENALTY,
        }
    }
}

/// A number, or a number as text: one sample of DingTalk's documentation shows `"0"`.
fn code(value: &Value) -> Option<i64> {
    match value {
        Value::Number(n) => i64::try_from(*n).ok(),
        Value::Text(t) => t.trim().parse().ok(),
        _ => None,
    }
}

/// The text with the keyword before it, unless it holds it.
pub(super) fn with_keyword(text: &str, keyword: Option<&str>, format: Format) -> String {
    match (keyword, format) {
        (Some(keyword), Format::Text) if !text.contains(keyword) => format!("{keyword} {text}"),
        // On a line of its own, or a heading at the beginning would be none.
        (Some(keyword), Format::Markdown) if !text.contains(keyword) => format!("{keyword}\n\n{text}"),
        _ => text.to_owned(),
    }
}

/// The text with what must stand in it for a mention, behind it where it is missing.
pub(super) fn with_mentions(mut text: String, mentions: impl Iterator<Item = String>, format: Format) -> String {
    let missing: Vec<String> = mentions.filter(|m| !text.contains(m.as_str())).collect();
    if !missing.is_empty() {
        text.push_str(if format == Format::Text { "\n" } else { "\n\n" });
        text.push_str(&missing.join(" "));
    }
    text
}
