//! Links and codes put in the place of their markers when a message leaves: the same in every attempt, kept nowhere.
//!
//! Only the markers that the call itself carries: what a record's field says is never taken for one.

use std::borrow::Cow;

use super::Links;
use crate::engine::approval::Marker;
use crate::engine::call::{Call, Request};
use crate::engine::link::Token;

/// What is sent of a call; a message that needs a link and gets none is not sent.
pub(super) fn filled<'c>(call: &'c Call, links: Option<&Links>) -> Result<Cow<'c, Request>, String> {
    if call.markers.is_empty() {
        return Ok(Cow::Borrowed(&call.request));
    }
    let links = links.ok_or("there is no key to sign its links with")?;
    let mut request = call.request.clone();
    for marker in &call.markers {
        let with = made(marker, links).ok_or("a link is too long")?;
        let marker = marker.to_string();
        match &mut request {
            Request::Email(mail) => {
                mail.text = mail.text.replace(&marker, &with);
                mail.html = mail.html.take().map(|html| html.replace(&marker, &with));
            }
            Request::Dingtalk(message) | Request::Wecom(message) => message.text = message.text.replace(&marker, &with),
            Request::Http(_) => {} // no person reads it
        }
    }
    Ok(Cow::Owned(request))
}

fn made(marker: &Marker, links: &Links) -> Option<String> {
    match marker {
        Marker::Link { task, person, until } => {
            links.to('t', &Token::Task { task: task.to_string(), person: person.clone(), until: *until })
        }
        Marker::Code { task, person, n } => links.key.code(&task.to_string(), person, *n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::approval::TaskId;
    use crate::engine::link::Key;

    const TASK: TaskId = TaskId { seq: 1_042, n: 1 };

    fn link(person: &str) -> Marker {
        Marker::Link { task: TASK, person: person.into(), until: 1_800_000_000 }
    }

    fn call(text: &str, markers: Vec<Marker>) -> Call {
        let call = serde_json::json!({
            "id": "c1042-2", "connection": "mail", "lane": "", "by": "flow:quote/finance", "status": "queued", "attempt": 1,
            "due": "2026-11-21T08:00:00Z", "retry": [], "markers": markers,
            "request": { "email": { "to": "a@example.com", "subject": "审批", "text": text } },
        });
        serde_json::from_value(call).unwrap()
    }

    fn text(call: &Call) -> String {
        let links = Links::new(Key::new([7; 32]), "https://hooks.example.com");
        match filled(call, Some(&links)).unwrap().into_owned() {
            Request::Email(mail) => mail.text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_link_and_a_code_take_the_place_of_their_markers_the_same_every_time() {
        let code = Marker::Code { task: TASK, person: "何经理".into(), n: 3 };
        let call = call("请审批:⟦link t1042-1 何经理⟧\n⟦code t1042-1 何经理⟧", vec![link("何经理"), code]);
        let text = text(&call);
        let token = Token::Task { task: "t1042-1".into(), person: "何经理".into(), until: 1_800_000_000 };
        let key = Key::new([7; 32]);
        let code = key.code("t1042-1", "何经理", 3).unwrap();
        assert_eq!(text, format!("请审批:https://hooks.example.com/t/{}\n{code}", token.sign(&key).unwrap()));
        assert_eq!(self::text(&call), text);
    }

    #[test]
    fn what_data_says_is_no_marker() {
        let said = "您好 ⟦link t1042-1 李四⟧ ⟦code t1042-1 何经理⟧";
        assert_eq!(text(&call(said, vec![])), said);
        assert_eq!(text(&call(said, vec![link("何经理")])), said);
    }

    #[test]
    fn without_a_key_nothing_is_sent() {
        assert!(filled(&call("⟦link t1042-1 何经理⟧", vec![link("何经理")]), None).is_err());
        assert!(filled(&call("您好", vec![]), None).is_ok());
    }
}
