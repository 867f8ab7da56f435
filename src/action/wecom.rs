//! WeCom (企业微信) group robots: the message's shape and what the error codes mean. Nothing is signed; the key is all.

use serde_json::json;

use crate::engine::call::{Class, Format, RobotMessage};

use super::robot::{Kind, limit, with_keyword, with_mentions};

/// Seconds after which a robot that was too fast may be asked again: the rate is counted by the minute.
pub(super) const PENALTY: u32 = 60;

/// The request's body. Markdown can mention user ids only: mobile numbers stand in it for people to read.
pub(super) fn body(message: &RobotMessage, keyword: Option<&str>) -> Result<String, String> {
    let at = &message.at;
    let text = with_keyword(&message.text, keyword, message.format);
    let all = || at.all.then(|| "@all".to_owned());
    let (content, body) = match message.format {
        Format::Text => {
            let users: Vec<String> = at.users.iter().cloned().chain(all()).collect();
            let mut inner = json!({ "content": text });
            if !users.is_empty() {
                inner["mentioned_list"] = json!(users);
            }
            if !at.mobiles.is_empty() {
                inner["mentioned_mobile_list"] = json!(at.mobiles);
            }
            (text, json!({ "msgtype": "text", "text": inner }))
        }
        Format::Markdown => {
            let users = at.users.iter().cloned().chain(all().map(|_| "all".into())).map(|u| format!("<@{u}>"));
            let marks = users.chain(at.mobiles.iter().map(|m| format!("@{m}")));
            let text = with_mentions(text, marks, Format::Markdown);
            let body = json!({ "msgtype": "markdown", "markdown": { "content": text } });
            (text, body)
        }
    };
    let limit = limit(Kind::Wecom, message.format);
    if content.len() > limit {
        return Err(format!("the message is {} bytes long, WeCom takes {limit}", content.len()));
    }
    Ok(body.to_string())
}

/// What an error code means; one that nobody knows is tried again.
pub(super) fn classify(code: i64, said: &str) -> Class {
    match code {
        45009 => Class::Throttled { seconds: Some(PENALTY) },
        // Older servers say so of content that is too long; else the robot is gone or its address is wrong.
        93000 if said.contains("exceed max length") => Class::Permanent,
        93000 => Class::Configuration,
        44004 | 40008 | 40058 | 40033 | 40035 | 40063 | 45002 | 301024 | 44001 => Class::Permanent,
        _ => Class::Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::call::Mentions;

    fn check(format: Format, text: &str, at: Mentions, expect: &str) {
        let message = RobotMessage { format, title: "t".into(), text: text.into(), at };
        assert_eq!(body(&message, None).unwrap_or_else(|e| e), expect);
    }

    #[test]
    fn writes_what_the_protocol_says() {
        let at = || Mentions { mobiles: vec!["13800138000".into()], users: vec!["u1".into()], all: true };
        check(Format::Text, "你好", Mentions::default(), r#"{"msgtype":"text","text":{"content":"你好"}}"#);
        check(
            Format::Text,
            "你好",
            at(),
            r#"{"msgtype":"text","text":{"content":"你好","mentioned_list":["u1","@all"],"mentioned_mobile_list":["13800138000"]}}"#,
        );
        check(
            Format::Markdown,
            "**你好** <@u1>",
            at(),
            r#"{"markdown":{"content":"**你好** <@u1>\n\n<@all> @13800138000"},"msgtype":"markdown"}"#,
        );
    }

    #[test]
    fn bytes_are_counted_not_characters() {
        let none = Mentions::default;
        check(Format::Text, &"长".repeat(683), none(), "the message is 2049 bytes long, WeCom takes 2048");
        check(Format::Markdown, &"x".repeat(4_097), none(), "the message is 4097 bytes long, WeCom takes 4096");
        assert!(limit(Kind::Wecom, Format::Text) == 2_048 && limit(Kind::Dingtalk, Format::Markdown) == 20_000);
    }

    #[test]
    fn codes_and_their_classes() {
        let hint = "hint: [1592021214_50_551f], from ip: 1.2.3.4";
        assert_eq!(classify(93_000, &format!("invalid webhook url, {hint}")), Class::Configuration);
        assert_eq!(classify(93_000, "Invalid input : content exceed max length. invalid Request Parameter"), Class::Permanent);
        assert_eq!(classify(45_009, "api freq out of limit"), Class::Throttled { seconds: Some(60) });
        for code in [44_004, 40_008, 40_058, 40_033, 40_035, 40_063, 45_002, 301_024, 44_001] {
            assert_eq!(classify(code, ""), Class::Permanent);
        }
        assert_eq!(classify(-1, "system busy"), Class::Transient);
        assert_eq!(classify(12_345, ""), Class::Transient);
    }
}
