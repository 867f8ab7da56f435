//! The body of a request as items: JSON, forms, CloudEvents.
//!
//! Never guesses a charset and never repairs: what is not UTF-8, or not the form it says it is, is refused with its place.

use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use percent_encoding::percent_decode;

use super::{Item, Refusal, cloudevent, object, too_many};
use crate::engine::value::{Map, Value, from_json};

/// A content type, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ContentType {
    /// `application/json`.
    pub(super) essence: String,
    /// `utf-8`.
    pub(super) charset: Option<String>,
}

impl ContentType {
    /// The header's value; `None` if it is not sent.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        headers.get(CONTENT_TYPE).map(|v| Self::parse(&String::from_utf8_lossy(v.as_bytes())))
    }

    pub(super) fn parse(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        let mut parts = text.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default().to_owned();
        let charset = parts.find_map(|p| p.strip_prefix("charset=")).map(|c| c.trim_matches('"').to_owned());
        Self { essence, charset }
    }

    pub(super) fn is_json(&self) -> bool {
        matches!(self.essence.as_str(), "application/json" | "text/json") || self.essence.ends_with("+json")
    }

    /// ASCII is UTF-8 too.
    pub(super) fn is_utf8(&self) -> bool {
        matches!(self.charset.as_deref(), None | Some("utf-8" | "utf8" | "us-ascii" | "ascii"))
    }
}

/// The items of a body; at most `most`.
pub(super) fn parse(headers: &HeaderMap, body: &[u8], most: usize) -> Result<Vec<Item>, Refusal> {
    let coding = headers.get(CONTENT_ENCODING).map(|v| String::from_utf8_lossy(v.as_bytes()).trim().to_ascii_lowercase());
    if let Some(coding) = coding.filter(|c| !c.is_empty() && c != "identity") {
        return Err(unsupported(format!("Content-Encoding `{coding:.40}` is not taken: send the body uncompressed")));
    }
    let kind = ContentType::of(headers);
    if let Some(charset) = kind.as_ref().filter(|k| !k.is_utf8()).and_then(|k| k.charset.as_ref()) {
        return Err(unsupported(format!("charset `{charset:.40}` is not taken: send UTF-8")));
    }
    let essence = kind.as_ref().map_or("", |k| k.essence.as_str());
    if let Some(form) = essence.strip_prefix("application/cloudevents") {
        return match form {
            "+json" => cloudevent::structured(json(body)?),
            "-batch+json" => cloudevent::batch(json(body)?, most),
            _ => Err(unsupported(format!("`{essence:.60}`: of the CloudEvents formats only JSON is taken"))),
        };
    }
    if headers.contains_key("ce-specversion") {
        return cloudevent::binary(headers, kind.as_ref(), body);
    }
    let looks_like_json = || matches!(start(body), Some(b'{' | b'['));
    match &kind {
        Some(k) if k.is_json() => items(json(body)?, most),
        Some(k) if k.essence == "application/x-www-form-urlencoded" => form(body, most),
        None if looks_like_json() => items(json(body)?, most),
        None if body.is_empty() => Err(nothing()),
        _ => Err(unsupported(format!(
            "{} is not taken: send application/json, application/x-www-form-urlencoded or a CloudEvent",
            if essence.is_empty() { "a body without Content-Type".to_owned() } else { format!("`{essence:.60}`") }
        ))),
    }
}

fn unsupported(detail: String) -> Refusal {
    Refusal::new(415, "content_type", "This kind of body is not taken", detail)
}

fn nothing() -> Refusal {
    Refusal::new(400, "empty", "The body is empty", "a JSON object, a list of them, or a form is expected")
}

/// The first byte behind a byte order mark and blanks.
fn start(body: &[u8]) -> Option<u8> {
    unmarked(body).iter().copied().find(|b| !b.is_ascii_whitespace())
}

/// Without the byte order mark that Windows programs send.
fn unmarked(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// The value that a JSON text holds.
pub(super) fn json(body: &[u8]) -> Result<Value, Refusal> {
    let body = unmarked(body);
    if start(body).is_none() {
        return Err(nothing());
    }
    utf8(body)?;
    from_json(body).map_err(|e| {
        let text = e.to_string();
        let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
        let detail = match e.line() {
            0 => what.to_owned(),
            line => format!("line {line}, column {}: {what}", column(body, line, e.column())),
        };
        Refusal::new(400, "json", "The body is not valid JSON", detail)
    })
}

fn utf8(body: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(body).map_err(|e| {
        let hint = match body {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "it looks like UTF-16",
            _ => "is it GBK?",
        };
        let detail = format!("the body is not UTF-8 from byte {} on ({hint}); send UTF-8", e.valid_up_to());
        Refusal::new(400, "utf8", "The body is not UTF-8", detail)
    })
}

/// The column in characters, from 1, of a column in bytes.
fn column(body: &[u8], line: usize, bytes: usize) -> usize {
    let text = body.split(|b| *b == b'\n').nth(line - 1).unwrap_or_default();
    String::from_utf8_lossy(&text[..bytes.min(text.len())]).chars().count().max(1)
}

/// An object is one item, a list is its items.
fn items(value: Value, most: usize) -> Result<Vec<Item>, Refusal> {
    match value {
        Value::List(list) if list.len() > most => Err(too_many(list.len(), most)),
        Value::List(list) => list
            .into_iter()
            .enumerate()
            .map(|(n, value)| {
                let place = format!("/{n}");
                Ok(Item { data: value, suffix: place.clone(), pointer: place, ..Item::default() })
            })
            .collect(),
        value => Ok(vec![Item { data: object(value, "")?, ..Item::default() }]),
    }
}

/// A form's fields as an object; a name that stands twice has the list of its values. GitHub's single `payload` that holds
/// JSON is that JSON.
fn form(body: &[u8], most: usize) -> Result<Vec<Item>, Refusal> {
    if start(body).is_none() {
        return Err(nothing());
    }
    let decode = |text: &[u8]| {
        let blanks: Vec<u8> = text.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
        let bytes: Vec<u8> = percent_decode(&blanks).collect();
        let text = utf8(&bytes)?.to_owned();
        if text.contains('\0') {
            return Err(Refusal::new(400, "form", "The form cannot be read", "a field contains NUL (%00)"));
        }
        Ok(text)
    };
    let mut fields = Map::new();
    for pair in unmarked(body).trim_ascii().split(|b| *b == b'&').filter(|p| !p.is_empty()) {
        let at = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
        let (name, value) = (decode(&pair[..at])?, Value::Text(decode(pair.get(at + 1..).unwrap_or_default())?));
        match fields.get_mut(&name) {
            None => drop(fields.insert(name, value)),
            Some(Value::List(list)) => list.push(value),
            Some(first) => *first = Value::List(vec![std::mem::take(first), value]),
        }
    }
    if let (1, Some(Value::Text(payload))) = (fields.len(), fields.get("payload"))
        && matches!(start(payload.as_bytes()), Some(b'{' | b'['))
    {
        return items(json(payload.as_bytes())?, most);
    }
    items(Value::Map(fields), most)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    /// The items of a body with these headers (`name: value`; the first is the content type's value), or the refusal.
    fn check(headers: &[&str], body: impl AsRef<[u8]>, expect: &str) {
        let mut map = HeaderMap::new();
        for (n, header) in headers.iter().filter(|h| !h.is_empty()).enumerate() {
            let (name, value) =
                if n == 0 && !header.contains(": ") { ("content-type", *header) } else { header.split_once(": ").unwrap() };
            map.append(HeaderName::try_from(name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let got = match parse(&map, body.as_ref(), 3) {
            Ok(items) => {
                let data: Vec<_> = items.iter().map(|i| serde_json::to_string(&i.data.plain()).unwrap()).collect();
                data.join(" ")
            }
            Err(r) => format!("{} {} {}: {}", r.status, r.code, r.pointer.unwrap_or_default(), r.detail),
        };
        assert_eq!(got, expect, "{headers:?}");
    }

    const JSON: &[&str] = &["application/json"];
    const FORM: &[&str] = &["application/x-www-form-urlencoded"];

    #[test]
    fn json_in_every_dress() {
        check(JSON, r#"{"a":1}"#, r#"{"a":1}"#);
        check(&["application/json; charset=UTF-8"], r#"{"名":"刘洋"}"#, r#"{"名":"刘洋"}"#);
        check(&["Application/Vnd.API+JSON; Charset=\"utf8\""], r#"{"a":1}"#, r#"{"a":1}"#);
        check(&[], " \n[{\"a\":1}]", r#"{"a":1}"#);
        check(JSON, "\u{feff}{\"a\":1}", r#"{"a":1}"#);
        check(JSON, r#"[{"a":1},{"a":2}]"#, r#"{"a":1} {"a":2}"#);
        check(JSON, "[]", "");
        check(&["application/json", "content-encoding: identity"], "[]", "");
    }

    #[test]
    fn bad_json_is_refused_with_its_place() {
        check(JSON, "", "400 empty : a JSON object, a list of them, or a form is expected");
        check(&[], "", "400 empty : a JSON object, a list of them, or a form is expected");
        check(JSON, "{\"名\":\n \"刘洋\",}", "400 json : line 2, column 7: trailing comma");
        check(JSON, r#"{"a":1,"a":2}"#, "400 json : line 1, column 13: member `a` stands twice");
        check(JSON, r#"{"a":"\u0000"}"#, "400 json : line 1, column 13: text contains NUL (\\u0000)");
        check(JSON, r#"{"a":"\ud800"}"#, "400 json : line 1, column 13: unexpected end of hex escape");
        check(JSON, "[".repeat(10_000), "400 json : line 1, column 65: nested deeper than 64");
        check(JSON, r#"{"a":1} x"#, "400 json : line 1, column 9: trailing characters");
        check(JSON, b"{\"a\":\"\xc1\xf5\"}", "400 utf8 : the body is not UTF-8 from byte 6 on (is it GBK?); send UTF-8");
        check(JSON, b"\xff\xfe{\0", "400 utf8 : the body is not UTF-8 from byte 0 on (it looks like UTF-16); send UTF-8");
        check(JSON, "7", "400 not_an_object : an object is expected, not a number");
        check(JSON, r#"[{},"x"]"#, "{} \"x\""); // told from the others, and kept, by the mapping
        let many = "413 too_many : 4 items, at most 3 are taken in one request (limits: items); send them in parts";
        check(JSON, "[{},{},{},{}]", many);
    }

    #[test]
    fn other_kinds_are_refused() {
        let taken = "send application/json, application/x-www-form-urlencoded or a CloudEvent";
        for kind in ["text/plain", "multipart/form-data; boundary=x", "text/xml", "application/jsonx"] {
            let essence = kind.split(';').next().unwrap();
            check(&[kind], "{}", &format!("415 content_type : `{essence}` is not taken: {taken}"));
        }
        check(&[], "a=b", &format!("415 content_type : a body without Content-Type is not taken: {taken}"));
        check(&["application/json; charset=gbk"], "{}", "415 content_type : charset `gbk` is not taken: send UTF-8");
        let gzip = "415 content_type : Content-Encoding `gzip` is not taken: send the body uncompressed";
        check(&["application/json", "content-encoding: gzip"], "{}", gzip);
        let xml = "415 content_type : `application/cloudevents+xml`: of the CloudEvents formats only JSON is taken";
        check(&["application/cloudevents+xml"], "{}", xml);
    }

    #[test]
    fn forms() {
        check(
            FORM,
            "name=%E5%88%98%E6%B4%8B&tag=a&tag=b+c&empty=&bare&&tag=d",
            r#"{"bare":"","empty":"","name":"刘洋","tag":["a","b c","d"]}"#,
        );
        check(FORM, "payload=%7B%22a%22%3A1%7D", r#"{"a":1}"#);
        check(FORM, "payload=%7B%22a%22%3A1%7D&x=1", r#"{"payload":"{\"a\":1}","x":"1"}"#);
        check(FORM, "payload=text", r#"{"payload":"text"}"#);
        check(FORM, "payload=%7B%22a%22", "400 json : line 1, column 4: EOF while parsing an object");
        check(FORM, "name=%C1%F5", "400 utf8 : the body is not UTF-8 from byte 0 on (is it GBK?); send UTF-8");
        check(FORM, "name=%00", "400 form : a field contains NUL (%00)");
        check(FORM, "", "400 empty : a JSON object, a list of them, or a form is expected");
    }

    #[test]
    fn structured_cloud_events() {
        let ce = &["application/cloudevents+json; charset=UTF-8"];
        let event = |rest: &str| format!(r#"{{"specversion":"1.0","type":"t.x","source":"/s","id":"A1"{rest}}}"#);
        let attributes = r#""ce":{"id":"A1","source":"/s","specversion":"1.0","type":"t.x"}"#;
        check(ce, event(r#","data":{"a":1},"subject":null"#), &format!(r#"{{"a":1,{attributes}}}"#));
        check(ce, event(r#","data":[1]"#), &format!(r#"{{{attributes},"data":[1]}}"#));
        check(ce, event(""), &format!("{{{attributes}}}"));
        check(ce, event(r#","data_base64":"eyJhIjoxfQ==""#), &format!(r#"{{"a":1,{attributes}}}"#));
        check(ce, event(r#","data_base64":"?""#), "400 cloudevent : `data_base64` is not Base64");
        check(ce, event(r#","data":1,"data_base64":"""#), "400 cloudevent : `data` and `data_base64` exclude each other");
        let hidden = "400 cloudevent : a member `ce` of the data would be hidden by the attributes of the event";
        check(ce, event(r#","data":{"ce":1}"#), hidden);
        let time = "400 cloudevent : attribute `time` is not a time as in RFC 3339 (2026-09-21T09:00:00Z)";
        check(ce, event(r#","time":"tomorrow""#), time);
        check(
            ce,
            r#"{"specversion":"1.0","type":"","source":"/s","id":"1"}"#,
            "400 cloudevent : attribute `type` is missing or empty",
        );
        check(ce, r#"{"specversion":"0.3"}"#, "400 cloudevent : specversion is `0.3`; only 1.0 is taken");
        check(
            ce,
            r#"{"specversion":"1.0","type":"t","source":"/s","id":7}"#,
            "400 cloudevent : attribute `id` is a number, not text",
        );
    }

    #[test]
    fn batched_cloud_events() {
        let ce = &["application/cloudevents-batch+json"];
        let event = r#"{"specversion":"1.0","type":"t","source":"/s","id":"1","data":{"a":1}}"#;
        let data = r#"{"a":1,"ce":{"id":"1","source":"/s","specversion":"1.0","type":"t"}}"#;
        check(ce, "[]", "");
        check(ce, format!("[{event},{event}]"), &format!("{data} {data}"));
        check(ce, format!("[{event},{{}}]"), "400 cloudevent /1: attribute `specversion` is missing or empty");
        check(ce, event, "400 cloudevent : a batch is a list of events, not an object");
    }

    #[test]
    fn binary_cloud_events() {
        let with = |kind: &'static str, more: &[&'static str]| {
            let mut headers = vec![kind, "ce-specversion: 1.0", "ce-type: t", "ce-source: /s", "ce-id: 1"];
            headers.extend(more);
            headers
        };
        let attributes = |more: &str| {
            format!(
                r#""ce":{{"datacontenttype":"application/json","id":"1","source":"/s","specversion":"1.0",{more}"type":"t"}}"#
            )
        };
        let euro = r#""subject":"Euro € 😀","#;
        for subject in ["ce-subject: Euro%20%E2%82%AC%20%F0%9F%98%80", r#"ce-subject: "Eur\o € 😀""#] {
            check(&with("application/json", &[subject]), r#"{"a":1}"#, &format!(r#"{{"a":1,{}}}"#, attributes(euro)));
        }
        let once = r#""subject":"%20","#;
        check(&with("application/json", &["ce-subject: %2520"]), "", &format!("{{{}}}", attributes(once)));
        let bad = "400 cloudevent : header `ce-subject` is not UTF-8 once its percent-encoding is undone";
        check(&with("application/json", &["ce-subject: %C1%F5"]), "", bad);
        check(&with("application/json", &["ce-id: 2"]), "", "400 cloudevent : header `ce-id` stands twice");
        let text =
            r#"{"ce":{"datacontenttype":"text/plain","id":"1","source":"/s","specversion":"1.0","type":"t"},"data":"你好"}"#;
        check(&with("text/plain", &[]), "你好", text);
        let bytes = r#"{"ce":{"datacontenttype":"image/png","id":"1","source":"/s","specversion":"1.0","type":"t"},"data_base64":"/w=="}"#;
        check(&with("image/png", &[]), b"\xff", bytes);
    }
}
