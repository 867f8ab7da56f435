//! Mails that came back or were called spam, as providers tell it: what of it concerns a mail of ours, and which.
//!
//! A mail is found by what we signed into it, then by its `Message-ID`, and only where there is neither by its address. Never takes
//! anything from a sender that has not proved who it is: config.yaml demands that, and [`super::check`] comes first.

use axum::http::HeaderMap;
use jiff::Timestamp;

use super::{Refusal, body};
use crate::config::settings::{Bounces, Limits};
use crate::engine::contact;
use crate::engine::event::{Body, Draft};
use crate::engine::link::{Key, Kind, Token};
use crate::engine::mail::{About, Told, What, is_hard, status};
use crate::engine::value::Value;
use crate::source::map::MAX_ID;

/// The header by which a mail of ours names itself.
const HEADER: &str = "x-ifthen-mail";
/// Characters of what the other side said that are kept.
const DETAIL: usize = 300;
/// The event that says that something is told about a mail.
pub const NAME: &str = "ifthen.mail";

/// The drafts of a request that [`super::check`] has let through. What is neither a bounce nor a complaint tells us nothing.
pub fn read(
    id: &str,
    form: Bounces,
    (headers, body): (&HeaderMap, &[u8]),
    limits: &Limits,
    key: &Key,
    now: Timestamp,
) -> Result<Vec<Draft>, Refusal> {
    let items = body::parse(headers, body, limits.items)?;
    let sent = headers.get("svix-id").or_else(|| headers.get("webhook-id")).and_then(|v| v.to_str().ok());
    let draft = |data: Value| {
        let (what, delivery) = match form {
            Bounces::Generic => generic(&data)?,
            Bounces::Postmark => postmark(&data)?,
            Bounces::Resend => (resend(&data)?, sent.map(str::to_owned)),
            Bounces::Sendgrid => sendgrid(&data)?,
        };
        let told = Told { about: about(form, &data, key)?, what };
        let delivery = delivery.filter(|d| !d.is_empty() && d.chars().count() <= MAX_ID);
        Some(Draft { origin: id.to_owned(), delivery, ..Draft::own(NAME, now, Body::Mail(Box::new(told))) })
    };
    Ok(items.into_iter().filter_map(|item| draft(item.data)).collect())
}

fn text(data: &Value, path: &[&str]) -> String {
    match data.at(path) {
        Some(Value::Text(text)) => text.trim().chars().take(DETAIL).collect(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// Which mail, as certain as can be.
fn about(form: Bounces, data: &Value, key: &Key) -> Option<About> {
    // Where the token, the `Message-ID` and the address stand.
    let (tokens, message, address): (&[&[&str]], &[&str], &[&str]) = match form {
        Bounces::Generic => (&[&["mail"]], &["message_id"], &["address"]),
        Bounces::Postmark => (&[&["Metadata", HEADER], &["Metadata", "ifthen-mail"]], &["MessageID"], &["Email"]),
        Bounces::Resend => (&[&["data", "tags", HEADER]], &["data", "message_id"], &["data", "to"]),
        Bounces::Sendgrid => (&[&[HEADER]], &["smtp-id"], &["email"]),
    };
    let listed = [&["headers"][..], &["Headers"], &["data", "headers"]].into_iter().find_map(|path| header(data.at(path)?));
    let token = tokens.iter().map(|path| long(data, path)).chain(listed).find(|t| !t.is_empty());
    if let Some(Token::Mail { mail }) = token.and_then(|t| Token::verify(&t, Kind::Mail, key)) {
        return Some(About::Mail(mail));
    }
    let message = Some(text(data, message)).filter(|t| t.contains('@'));
    // Providers leave the brackets out, or put them in.
    let message = message.map(|t| format!("<{}>", t.trim_start_matches('<').trim_end_matches('>')));
    let address = contact::address(&first(data, address));
    // One of ours says which call it was; other forms lead nowhere.
    let ours = message.filter(|m| m.split('@').next().and_then(|l| l.rsplit_once('.')).is_some_and(|(_, c)| c.starts_with('c')));
    ours.map(About::Message).or(address.map(About::Address))
}

/// A text that may be as long as a token.
fn long(data: &Value, path: &[&str]) -> String {
    data.at(path).and_then(Value::as_text).unwrap_or_default().trim().to_owned()
}

/// The first of a list, or the text itself.
fn first(data: &Value, path: &[&str]) -> String {
    match data.at(path) {
        Some(Value::List(list)) => list.first().map(ToString::to_string).unwrap_or_default(),
        _ => text(data, path),
    }
}

/// Our header in a list of `{ name, value }` (`Name`, `Value`), or in an object.
fn header(headers: &Value) -> Option<String> {
    match headers {
        Value::List(list) => list.iter().find_map(|one| {
            let name = [text(one, &["name"]), text(one, &["Name"])].concat();
            let value = [long(one, &["value"]), long(one, &["Value"])].concat();
            name.eq_ignore_ascii_case(HEADER).then_some(value)
        }),
        Value::Map(all) => all.iter().find(|(name, _)| name.eq_ignore_ascii_case(HEADER)).map(|(_, value)| value.to_string()),
        _ => None,
    }
}

fn bounced(hard: bool, status: String, detail: String) -> What {
    What::Bounced { hard, status, detail }
}

fn generic(data: &Value) -> Option<(What, Option<String>)> {
    let id = Some(text(data, &["id"]));
    let (status, detail) = (text(data, &["status"]), text(data, &["detail"]));
    match text(data, &["event"]).trim_start_matches("email.") {
        "bounced" => {
            let hard = match text(data, &["kind"]).as_str() {
                "hard" => true,
                "soft" => false,
                _ => is_hard(&status),
            };
            Some((bounced(hard, status, detail), id))
        }
        "complained" => Some((What::Complained, id)),
        _ => None,
    }
}

/// `RecordType`: `Bounce`, `SpamComplaint`; `Type` says which bounces are for good.
fn postmark(data: &Value) -> Option<(What, Option<String>)> {
    let kind = text(data, &["RecordType"]);
    let id = Some(format!("{kind}/{}", text(data, &["ID"]))).filter(|id| !id.ends_with('/'));
    let detail = [text(data, &["Details"]), text(data, &["Description"])].into_iter().find(|t| !t.is_empty());
    let detail = detail.unwrap_or_default();
    match (kind.as_str(), text(data, &["Type"]).as_str()) {
        ("SpamComplaint", _) | ("Bounce", "SpamComplaint") => Some((What::Complained, id)),
        ("Bounce", kind) => Some((bounced(matches!(kind, "HardBounce" | "BadEmailAddress"), status(&detail), detail), id)),
        _ => None,
    }
}

/// `type`: `email.bounced` with `data.bounce.type` `Permanent` or `Transient`, `email.complained`.
fn resend(data: &Value) -> Option<What> {
    match text(data, &["type"]).as_str() {
        "email.bounced" => {
            let detail = text(data, &["data", "bounce", "message"]);
            Some(bounced(text(data, &["data", "bounce", "type"]) == "Permanent", status(&detail), detail))
        }
        "email.complained" => Some(What::Complained),
        _ => None,
    }
}

/// `event`: `bounce` (of `type` `bounce`; `blocked` is about us), `deferred`, `spamreport`.
fn sendgrid(data: &Value) -> Option<(What, Option<String>)> {
    let id = Some(text(data, &["sg_event_id"]));
    let (said, detail) = (text(data, &["status"]), text(data, &["reason"]));
    let status = if said.is_empty() { status(&detail) } else { said };
    match text(data, &["event"]).as_str() {
        "bounce" => Some((bounced(text(data, &["type"]) != "blocked" && !status.starts_with("5.7."), status, detail), id)),
        "spamreport" => Some((What::Complained, id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::call::CallId;
    use crate::engine::link::{KEY, Mail};

    fn key() -> Key {
        Key::new([7; KEY])
    }

    fn mail() -> Mail {
        Mail::new(CallId { seq: 12, n: 1 }, "liuyang@example.com")
    }

    /// What is told, and its delivery id.
    fn check(form: Bounces, body: &serde_json::Value, expect: &[(About, What, Option<&str>)]) {
        let mut headers = HeaderMap::new();
        headers.insert("svix-id", "msg_1".parse().unwrap());
        let now = "2026-11-22T01:00:00Z".parse().unwrap();
        let limits = Limits::default();
        let drafts = read("mails", form, (&headers, body.to_string().as_bytes()), &limits, &key(), now).unwrap();
        let got: Vec<_> = drafts
            .into_iter()
            .map(|d| match d.body {
                Body::Mail(told) => (told.about, told.what, d.delivery),
                other => panic!("{other:?}"),
            })
            .collect();
        let expect: Vec<_> = expect.iter().cloned().map(|(a, w, d)| (a, w, d.map(str::to_owned))).collect();
        assert_eq!(got, expect, "{body}");
    }

    fn hard(status: &str, detail: &str) -> What {
        bounced(true, status.into(), detail.into())
    }

    #[test]
    fn ours_is_found_by_what_we_signed_then_by_its_id_then_by_its_address() {
        let token = Token::Mail { mail: mail() }.sign(&key()).unwrap();
        let address = || About::Address("liuyang@example.com".into());
        let whole = serde_json::json!({ "event": "bounced", "kind": "hard", "status": "5.1.1", "detail": "无此用户", "id": "b1",
            "mail": token, "message_id": "<ab.c12-1@example.com>", "address": "LiuYang@Example.com" });
        check(Bounces::Generic, &whole, &[(About::Mail(mail()), hard("5.1.1", "无此用户"), Some("b1"))]);
        let mut forged = whole.clone();
        forged["mail"] = format!("{token}A").into();
        let message = About::Message("<ab.c12-1@example.com>".into());
        check(Bounces::Generic, &forged, &[(message, hard("5.1.1", "无此用户"), Some("b1"))]);
        forged["message_id"] = "<x@example.com>".into();
        check(Bounces::Generic, &forged, &[(address(), hard("5.1.1", "无此用户"), Some("b1"))]);
        forged["address"] = "刘洋".into();
        check(Bounces::Generic, &forged, &[]);
        // A token of another kind is none.
        forged["mail"] = Token::Unsubscribe { mail: mail() }.sign(&key()).unwrap().into();
        check(Bounces::Generic, &forged, &[]);
    }

    #[test]
    fn providers_and_what_they_call_it() {
        let address = || About::Address("a@example.com".into());
        let said = "smtp;550 5.1.1 The email account does not exist";
        let postmark = serde_json::json!({ "RecordType": "Bounce", "ID": 42, "Type": "HardBounce", "Email": "a@example.com",
            "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483", "Details": said });
        check(Bounces::Postmark, &postmark, &[(address(), hard("5.1.1", said), Some("Bounce/42"))]);
        let mut soft = postmark.clone();
        soft["Type"] = "Transient".into();
        check(Bounces::Postmark, &soft, &[(address(), bounced(false, "5.1.1".into(), said.into()), Some("Bounce/42"))]);
        let opened = serde_json::json!({ "RecordType": "Open", "Email": "a@example.com" });
        check(Bounces::Postmark, &opened, &[]);
        let token = Token::Mail { mail: mail() }.sign(&key()).unwrap();
        let resend = serde_json::json!({ "type": "email.bounced", "data": { "to": ["a@example.com"],
            "headers": [{ "name": "X-Ifthen-Mail", "value": token }], "bounce": { "type": "Permanent", "message": "no" } } });
        check(Bounces::Resend, &resend, &[(About::Mail(mail()), hard("", "no"), Some("msg_1"))]);
        let sendgrid = serde_json::json!([
            { "event": "bounce", "email": "a@example.com", "status": "5.1.1", "reason": "no", "sg_event_id": "s1", "smtp-id": "<ab.c12-1@x.cn>" },
            { "event": "bounce", "type": "blocked", "email": "a@example.com", "reason": "550 5.7.1 policy", "sg_event_id": "s2" },
            { "event": "delivered", "email": "a@example.com", "sg_event_id": "s3" },
            { "event": "spamreport", "email": "a@example.com", "sg_event_id": "s4" },
        ]);
        let expect = [
            (About::Message("<ab.c12-1@x.cn>".into()), hard("5.1.1", "no"), Some("s1")),
            (address(), bounced(false, "5.7.1".into(), "550 5.7.1 policy".into()), Some("s2")),
            (address(), What::Complained, Some("s4")),
        ];
        check(Bounces::Sendgrid, &sendgrid, &expect);
    }
}
