//! Merging messages to one robot: what would not fit into a minute's budget travels together instead of getting lost.

use super::call::{DINGTALK_BYTES, Format, Mentions, Request, RobotMessage, wecom_bytes};

/// What is merged for a DingTalk robot: it counts the whole JSON, where line breaks and quotes double.
const DINGTALK: usize = DINGTALK_BYTES / 5 * 4;
/// Room for a keyword and mentions that the channel puts into the text.
const SPARE: usize = 256;

/// Both messages as one, if they are of one kind and fit.
pub(super) fn merge(first: &Request, second: &Request) -> Option<Request> {
    match (first, second) {
        (Request::Dingtalk(a), Request::Dingtalk(b)) => joined(a, b, DINGTALK).map(Request::Dingtalk),
        (Request::Wecom(a), Request::Wecom(b)) => joined(a, b, wecom_bytes(a.format)).map(Request::Wecom),
        _ => None,
    }
}

fn joined(a: &RobotMessage, b: &RobotMessage, limit: usize) -> Option<RobotMessage> {
    let between = match a.format {
        Format::Text => "\n\n",
        Format::Markdown => "\n\n---\n\n",
    };
    if a.format != b.format || a.text.len() + between.len() + b.text.len() + SPARE > limit {
        return None;
    }
    let union = |x: &[String], y: &[String]| {
        let mut all = x.to_vec();
        all.extend(y.iter().filter(|m| !x.contains(m)).cloned());
        all
    };
    let at = Mentions {
        mobiles: union(&a.at.mobiles, &b.at.mobiles),
        users: union(&a.at.users, &b.at.users),
        all: a.at.all || b.at.all,
    };
    // More than 50 mentions are refused by DingTalk.
    if at.mobiles.len() + at.users.len() > 50 {
        return None;
    }
    Some(RobotMessage { format: a.format, title: a.title.clone(), text: format!("{}{between}{}", a.text, b.text), at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> RobotMessage {
        RobotMessage { format: Format::Text, title: String::new(), text: text.into(), at: Mentions::default() }
    }

    #[test]
    fn merges_what_fits_and_only_its_like() {
        let (a, b) = (message("新线索 刘洋"), message("新线索 王芳"));
        let Some(Request::Wecom(m)) = merge(&Request::Wecom(a.clone()), &Request::Wecom(b.clone())) else { panic!() };
        assert_eq!(m.text, "新线索 刘洋\n\n新线索 王芳");
        assert!(merge(&Request::Wecom(a.clone()), &Request::Dingtalk(b.clone())).is_none());
        assert!(merge(&Request::Wecom(a.clone()), &Request::Wecom(message(&"字".repeat(600)))).is_none());
        assert!(merge(&Request::Dingtalk(a.clone()), &Request::Dingtalk(message(&"字".repeat(600)))).is_some());
        assert!(merge(&Request::Wecom(a), &Request::Wecom(RobotMessage { format: Format::Markdown, ..b })).is_none());
    }
}
