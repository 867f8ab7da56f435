//! Mail: composes the message and judges what the server replied. The exchange itself is in `smtp`.
//!
//! One recipient a message, so every reply is about that one. The Message-ID and everything but the date are the same in
//! every attempt, so that copies which a lost reply leaves behind can be told to be copies.

use jiff::Timestamp;
use lettre::Address;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart, MultiPartKind, SinglePart};
use sha2::{Digest, Sha256};

use crate::config::settings;
use crate::engine::call::{CallId, Class, Email, Outcome};
use crate::engine::value::Value;

use super::letter::{Letter, Links, letter};
use super::secret::{Secrets, shorten};
use super::smtp::{Cause, Phase, Server, Trouble};
use super::{Clock, failed, unreached};

/// One SMTP account.
pub(super) struct Mailer {
    server: Server,
    from: Mailbox,
    secrets: Secrets,
    clock: Clock,
}

impl Mailer {
    pub(super) fn new(smtp: &settings::Smtp, clock: Clock) -> Result<Self, String> {
        let from = mailbox(&smtp.from).map_err(|e| format!("from: {e}"))?;
        let mut secrets = Secrets::default();
        if let Some((_, password)) = &smtp.login {
            secrets.add(password);
        }
        Ok(Self { server: Server::new(smtp)?, from, secrets, clock })
    }

    pub(super) async fn send(&self, email: &Email, call: CallId, key: &str, links: Option<&Links>) -> Outcome {
        let composed = letter(email, call, links).and_then(|l| compose(&self.from, email, &l, (call, key), (self.clock)()));
        let outcome = match composed {
            Err(detail) => failed(Class::Permanent, detail),
            Ok((to, message)) => match self.server.send(&self.from.email, &to, &message).await {
                Ok(reply) => Outcome::Done(Value::from([
                    ("reply", shorten(&reply, 300).into()),
                    ("message_id", message_id(&self.from, call, key).into()),
                ])),
                Err(trouble) => judge(&trouble),
            },
        };
        self.secrets.clean_outcome(outcome)
    }
}

/// The recipient's address and the bytes of the message.
fn compose(
    from: &Mailbox,
    email: &Email,
    letter: &Letter,
    (call, key): (CallId, &str),
    now: Timestamp,
) -> Result<(Address, Vec<u8>), String> {
    let to = mailbox(&email.to).map_err(|e| format!("to: {e}"))?;
    one_line("subject", &email.subject)?;
    one_line("key", key)?;
    let address = to.email.clone();
    let mut builder = Message::builder()
        .from(from.clone())
        .to(to)
        .subject(email.subject.as_str())
        .date(now.into())
        .message_id(Some(message_id(from, call, key)))
        .raw_header(raw("Auto-Submitted", "auto-generated")?)
        .raw_header(raw("X-Ifthen-Key", key)?);
    for (name, value) in &letter.headers {
        builder = builder.raw_header(raw(name, value)?);
    }
    let message = match &letter.html {
        None => builder.singlepart(SinglePart::plain(letter.text.clone())),
        Some(html) => builder.multipart(
            MultiPart::builder()
                .kind(MultiPartKind::Alternative)
                .boundary(format!("=_{}", digest(key)))
                .singlepart(SinglePart::plain(letter.text.clone()))
                .singlepart(SinglePart::html(html.clone())),
        ),
    };
    let message = message.map_err(|e| format!("the message cannot be written: {e}"))?;
    Ok((address, message.formatted()))
}

/// `<` what the key gives `.` the call `@` the sender's domain `>`: the call, so that a bounce that knows nothing else leads back.
fn message_id(from: &Mailbox, call: CallId, key: &str) -> String {
    format!("<{}.{call}@{}>", digest(key), from.email.domain())
}

fn digest(key: &str) -> String {
    Sha256::digest(key.as_bytes()).iter().take(16).map(|b| format!("{b:02x}")).collect()
}

fn raw(name: &str, value: &str) -> Result<HeaderValue, String> {
    let name = HeaderName::new_from_ascii(name.to_owned()).map_err(|_| format!("`{name}` is no header's name"))?;
    Ok(HeaderValue::new(name, value.to_owned()))
}

/// A line break in a header would let a record's field write headers of its own, or a message of its own.
fn one_line(what: &str, text: &str) -> Result<(), String> {
    match text.chars().any(char::is_control) {
        true => Err(format!("{what}: holds a line break or a control character")),
        false => Ok(()),
    }
}

/// One mailbox: `name <address>` or a bare address. The name may hold anything but control characters.
fn mailbox(text: &str) -> Result<Mailbox, String> {
    one_line("mailbox", text).map_err(|_| "holds a line break or a control character".to_owned())?;
    let text = text.trim();
    let (name, address) = match text.strip_suffix('>').and_then(|t| t.rsplit_once('<')) {
        Some((name, address)) => (Some(name.trim().trim_matches('"').trim()), address.trim()),
        None => (None, text),
    };
    if address.is_empty() {
        return Err("no address".into());
    }
    let parsed: Address = address.parse().map_err(|e| format!("`{}` is no mail address: {e}", shorten(address, 80)))?;
    Ok(Mailbox::new(name.filter(|n| !n.is_empty()).map(str::to_owned), parsed))
}

fn judge(trouble: &Trouble) -> Outcome {
    let phase = trouble.phase;
    match &trouble.cause {
        Cause::Reply { code, text } => {
            failed(classify(phase, *code, text), format!("{code} {} ({})", shorten(text, 300), phase.words()))
        }
        Cause::Misfit(said) if phase == Phase::Recipient => failed(Class::Permanent, said.clone()),
        Cause::Misfit(said) => failed(Class::Configuration, said.clone()),
        // The dot was sent: whether the server took the message, only its reply could have told.
        Cause::Lost(said) if phase == Phase::End => {
            Outcome::Unknown { detail: format!("the message was sent, but its receipt was not: {said}") }
        }
        Cause::Lost(said) if phase == Phase::Connect => failed(unreached(said), format!("{said} ({})", phase.words())),
        Cause::Lost(said) => failed(Class::Transient, format!("{said} ({})", phase.words())),
    }
}

/// What a refusal means, by where it came, its code and the enhanced code in its text (RFC 3463).
fn classify(phase: Phase, code: u16, text: &str) -> Class {
    let enhanced = text.split_whitespace().next().filter(|w| w.split('.').count() == 3).unwrap_or_default();
    match (code, enhanced, phase) {
        // Closing, or too much at once: in either case the whole server wants to be left alone.
        (421, ..) => Class::Throttled { seconds: None },
        (400..=499, ..) => Class::Transient,
        // Bad credentials, or none. Trying the queue's other mails would get the account locked.
        (530 | 534 | 535 | 538, ..) | (_, "5.7.8" | "5.7.9" | "5.7.11", _) => Class::Configuration,
        // Nothing of this message has been told yet: it is about us.
        (_, _, Phase::Connect | Phase::Login) => Class::Configuration,
        // About the size or the form of this message.
        (552 | 523 | 555, ..) => Class::Permanent,
        // The sender is the connection's own `from`: no other mail would fare better (QQ, 163: `from` must be the login).
        (_, _, Phase::Sender) => Class::Configuration,
        _ => Class::Permanent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(to: &str, subject: &str) -> Email {
        let html = Some("<p>您好</p>".into());
        Email { to: to.into(), subject: subject.into(), text: "您好\n再见".into(), html, marketing: false, track: false }
    }

    fn composed(email: &Email) -> Result<String, String> {
        let from = mailbox("某公司 <noreply@example.com>").unwrap();
        let (id, now) = (CallId { seq: 1, n: 1 }, "2026-11-21T08:00:00Z".parse().unwrap());
        let composed = compose(&from, email, &letter(email, id, None)?, (id, "i7:c1-1"), now);
        composed.map(|(_, m)| String::from_utf8(m).unwrap())
    }

    #[test]
    fn a_message_in_chinese() {
        let text = composed(&email("刘洋 <liuyang@example.com>", "欢迎 刘洋")).unwrap();
        for line in [
            "From: =?utf-8?b?5p+Q5YWs5Y+4?= <noreply@example.com>\r\n",
            "To: =?utf-8?b?5YiY5rSL?= <liuyang@example.com>\r\n",
            "Subject: =?utf-8?b?5qyi6L+OIOWImOa0iw==?=\r\n",
            "Date: Sat, 21 Nov 2026 08:00:00 +0000\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "X-Ifthen-Key: i7:c1-1\r\n",
            "Content-Type: multipart/alternative",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(text.find("text/plain") < text.find("text/html"));
        assert!(text.is_ascii() && text.lines().all(|l| l.len() <= 998));
        assert_eq!(Ok(text), composed(&email("刘洋 <liuyang@example.com>", "欢迎 刘洋")), "an attempt differs from the next");
    }

    #[test]
    fn the_message_id_is_the_keys() {
        let from = mailbox("a@example.com").unwrap();
        let id = CallId { seq: 12, n: 1 };
        assert_eq!(message_id(&from, id, "k"), message_id(&from, id, "k"));
        assert_ne!(message_id(&from, id, "k"), message_id(&from, id, "l"));
        assert!(message_id(&from, id, "k").ends_with(".c12-1@example.com>"));
    }

    fn refused(to: &str, subject: &str, expect: &str) {
        let error = composed(&email(to, subject)).unwrap_err();
        assert!(error.starts_with(expect), "{error}");
    }

    #[test]
    fn what_would_inject_headers_or_recipients_is_refused() {
        refused("a@example.com", "hi\r\nBcc: b@example.com", "subject: holds a line break");
        refused("a@example.com\r\nBcc: b@example.com", "hi", "to: holds a line break");
        refused("x\n <a@example.com>", "hi", "to: holds a line break");
        refused("a@example.com, b@example.com", "hi", "to: `a@example.com, b@example.com` is no mail address");
        refused("<a@example.com> <b@example.com", "hi", "to: `<a@example.com> <b@example.com` is no mail address");
        refused("客户", "hi", "to: `客户` is no mail address");
        refused("刘洋 <>", "hi", "to: no address");
        let sly = composed(&email("evil@example.com>, \"x <a@example.com>", "hi")).unwrap();
        assert!(!sly.contains("evil@example.com>,") || sly.contains("\"evil@example.com>, "), "{sly}");
    }

    fn check(phase: Phase, code: u16, text: &str, expect: Class) {
        assert_eq!(classify(phase, code, text), expect, "{code} {text} at {phase:?}");
    }

    #[test]
    fn replies_and_their_classes() {
        let throttled = Class::Throttled { seconds: None };
        check(Phase::Connect, 421, "4.3.2 closing", throttled);
        check(Phase::Recipient, 450, "4.2.1 mailbox busy", Class::Transient);
        check(Phase::Recipient, 451, "4.7.1 greylisted", Class::Transient);
        check(Phase::End, 452, "4.3.1 no space", Class::Transient);
        check(Phase::Login, 454, "4.7.0 temporary authentication failure", Class::Transient);
        check(Phase::Login, 535, "5.7.8 bad credentials", Class::Configuration);
        check(Phase::Sender, 530, "5.7.0 authentication required", Class::Configuration);
        check(Phase::Sender, 501, "mail from must equal the login", Class::Configuration);
        check(Phase::Sender, 552, "5.3.4 too large", Class::Permanent);
        check(Phase::Connect, 554, "no SMTP service here", Class::Configuration);
        check(Phase::Recipient, 550, "5.1.1 no such user", Class::Permanent);
        check(Phase::Recipient, 550, "5.7.8 who are you", Class::Configuration);
        check(Phase::Recipient, 556, "null MX", Class::Permanent);
        check(Phase::End, 554, "5.7.1 spam", Class::Permanent);
        check(Phase::Data, 503, "bad sequence", Class::Permanent);
    }

    #[test]
    fn only_a_loss_after_the_dot_is_unknown() {
        let lost = |phase| judge(&Trouble { phase, cause: Cause::Lost("closed".into()) });
        assert!(matches!(lost(Phase::End), Outcome::Unknown { .. }));
        for phase in [Phase::Connect, Phase::Login, Phase::Sender, Phase::Recipient, Phase::Data, Phase::Content] {
            assert!(matches!(lost(phase), Outcome::Failed { class: Class::Transient, .. }), "{phase:?}");
        }
        let untrusted = Cause::Lost("invalid peer certificate: Expired".into());
        let judged = judge(&Trouble { phase: Phase::Connect, cause: untrusted });
        assert!(matches!(judged, Outcome::Failed { class: Class::Configuration, .. }), "{judged:?}");
    }
}
