//! DingTalk (钉钉) custom group robots: the message's shape, the signature, what the error codes mean.
//!
//! Source: the open platform's "custom robots send group messages" and "security settings"; codes also from live replies.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::json;
use sha2::Sha256;

use crate::engine::call::{Class, Format, RobotMessage};

use super::client::Answer;
use super::robot::{Kind, limit, with_keyword, with_mentions};

/// Seconds for which a robot that was too fast is refused.
pub(super) const PENALTY: u32 = 600;
/// People one message may mention.
const MENTIONS: usize = 50;

/// The request's body. `msgUuid` is DingTalk's idempotency key.
pub(super) fn body(message: &RobotMessage, keyword: Option<&str>, key: &str) -> Result<String, String> {
    let at = &message.at;
    let people = at.mobiles.len() + at.users.len();
    if people > MENTIONS {
        return Err(format!("{people} people are mentioned, DingTalk takes {MENTIONS}; mention all instead"));
    }
    let text = with_keyword(&message.text, keyword, message.format);
    // Without `@…` in the text the person is told, but nothing is highlighted.
    let text = with_mentions(text, at.mobiles.iter().chain(&at.users).map(|m| format!("@{m}")), message.format);
    let at = json!({ "atMobiles": at.mobiles, "atUserIds": at.users, "isAtAll": at.all });
    let body = match message.format {
        Format::Text => json!({ "msgtype": "text", "text": { "content": text }, "at": at, "msgUuid": key }),
        Format::Markdown => {
            let title = if message.title.trim().is_empty() { first_line(&message.text) } else { message.title.clone() };
            json!({ "msgtype": "markdown", "markdown": { "title": title, "text": text }, "at": at, "msgUuid": key })
        }
    };
    let body = body.to_string();
    let limit = limit(Kind::Dingtalk, message.format);
    if body.len() > limit {
        return Err(format!("the message is {} bytes long, DingTalk takes {limit}", body.len()));
    }
    Ok(body)
}

/// A markdown message must have a title; its first line does.
fn first_line(text: &str) -> String {
    let line = text.lines().map(|l| l.trim_start_matches(['#', '>', ' ']).trim()).find(|l| !l.is_empty()).unwrap_or("…");
    line.chars().take(40).collect()
}

/// The timestamp in milliseconds and the signature, to be put into the query (and escaped there, once).
/// `None` if the secret cannot be a key, which HMAC does not know.
pub(super) fn sign(now: Timestamp, secret: &str) -> Option<(String, String)> {
    let timestamp = now.as_millisecond().to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(format!("{timestamp}\n{secret}").as_bytes());
    Some((timestamp, STANDARD.encode(mac.finalize().into_bytes())))
}

/// What an error code means; one that nobody knows is tried again.
pub(super) fn classify(code: i64, said: &str, now: Timestamp) -> Class {
    match code {
        130101 | 410100 | 302033 | 660026 | 90001..=90014 => Class::Throttled { seconds: Some(PENALTY) },
        90030 => Class::Throttled { seconds: Some(until_tomorrow(now)) },
        // The clocks differ, or the request was long on its way: signed anew, it may pass.
        310000 if said.contains("invalid timestamp") => Class::Transient,
        310000 | 300001 | 300005 | 400101 | 400102 | 400106 | 400013 | 88 | 22 | 40014 | 60020 => Class::Configuration,
        400105 | 430101..=430104 | 40035 | 43004 => Class::Permanent,
        _ if said.contains("too long") || said.contains("exceed 20000") => Class::Permanent,
        _ => Class::Transient,
    }
}

/// Quotas of a day start anew at midnight in China (UTC+8 all year).
fn until_tomorrow(now: Timestamp) -> u32 {
    let into_day = (now.as_second() + 8 * 3600).rem_euclid(86_400);
    u32::try_from(86_400 - into_day).unwrap_or(PENALTY)
}

/// Too many calls from this IP address, whichever robot: an HTML page, or JSON that has no error code.
pub(super) fn is_ip_ban(answer: &Answer) -> bool {
    let text = answer.text();
    let text = text.trim_start();
    text.starts_with('<') || text.starts_with('{') && text.contains("\"punish\"") || text.contains("\"status\":1111")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::call::Mentions;

    fn signed(secret: &str, base64: &str, escaped: &str) {
        let now = Timestamp::from_millisecond(1_577_262_236_757).unwrap();
        let (timestamp, sign) = sign(now, secret).unwrap();
        assert_eq!((timestamp.as_str(), sign.as_str()), ("1577262236757", base64));
        let mut url = url::Url::parse("https://oapi.dingtalk.com/robot/send?access_token=t").unwrap();
        url.query_pairs_mut().append_pair("sign", &sign);
        assert_eq!(url.query().unwrap(), format!("access_token=t&sign={escaped}"));
    }

    #[test]
    fn signs_as_the_vectors_say() {
        signed(
            "this is secret",
            "hmPWwU+7lVdm3ZZz0r9tSfx0L4Q26jWOZr9+Gs6EZQM=",
            "hmPWwU%2B7lVdm3ZZz0r9tSfx0L4Q26jWOZr9%2BGs6EZQM%3D",
        );
        signed(
            "SEC0123456789abcdef",
            "Pgr6tpIpjVrMPPJUPkaI9sivFPPTYOy5zIOMF2GPFMA=",
            "Pgr6tpIpjVrMPPJUPkaI9sivFPPTYOy5zIOMF2GPFMA%3D",
        );
    }

    fn message(format: Format, text: &str) -> RobotMessage {
        RobotMessage { format, title: String::new(), text: text.into(), at: Mentions::default() }
    }

    fn check(message: &RobotMessage, keyword: Option<&str>, expect: &str) {
        assert_eq!(body(message, keyword, "k1").unwrap_or_else(|e| e), expect);
    }

    #[test]
    fn writes_what_the_protocol_says() {
        let mut text = message(Format::Text, "新线索 刘洋");
        check(
            &text,
            None,
            r#"{"at":{"atMobiles":[],"atUserIds":[],"isAtAll":false},"msgUuid":"k1","msgtype":"text","text":{"content":"新线索 刘洋"}}"#,
        );
        text.at = Mentions { mobiles: vec!["13800138000".into()], users: vec!["u1".into()], all: true };
        check(
            &text,
            Some("线索"),
            r#"{"at":{"atMobiles":["13800138000"],"atUserIds":["u1"],"isAtAll":true},"msgUuid":"k1","msgtype":"text","text":{"content":"新线索 刘洋\n@13800138000 @u1"}}"#,
        );
        check(
            &message(Format::Markdown, "## 日报\n- 3 条"),
            Some("提醒"),
            r###"{"at":{"atMobiles":[],"atUserIds":[],"isAtAll":false},"markdown":{"text":"提醒\n\n## 日报\n- 3 条","title":"日报"},"msgUuid":"k1","msgtype":"markdown"}"###,
        );
    }

    #[test]
    fn what_is_too_much_is_said_before_it_is_sent() {
        check(&message(Format::Text, &"长".repeat(6_700)), None, "the message is 20208 bytes long, DingTalk takes 20000");
        let mut crowd = message(Format::Text, "x");
        crowd.at.users = (0..51).map(|n| n.to_string()).collect();
        check(&crowd, None, "51 people are mentioned, DingTalk takes 50; mention all instead");
    }

    #[test]
    fn codes_and_their_classes() {
        let now = "2026-11-21T15:00:00Z".parse().unwrap();
        let class = |code, said| classify(code, said, now);
        let throttled = Class::Throttled { seconds: Some(600) };
        for code in [130_101, 410_100, 302_033, 660_026] {
            assert_eq!(class(code, "send too fast"), throttled);
        }
        assert_eq!(class(90_030, ""), Class::Throttled { seconds: Some(3_600) });
        assert_eq!(class(310_000, "invalid timestamp, more: [https://x]"), Class::Transient);
        for said in ["keywords not in content", "sign not match", "ip 1.2.3.4 not in whitelist"] {
            assert_eq!(class(310_000, said), Class::Configuration);
        }
        for code in [300_001, 300_005, 400_101, 400_102, 400_106, 400_013, 88] {
            assert_eq!(class(code, ""), Class::Configuration);
        }
        for code in [400_105, 430_101, 430_104, 40_035, 43_004] {
            assert_eq!(class(code, ""), Class::Permanent);
        }
        assert_eq!(class(999, "message too long, exceed 20000 bytes"), Class::Permanent);
        assert_eq!(class(-1, "系统繁忙"), Class::Transient);
        assert_eq!(class(777, "?"), Class::Transient);
    }
}
