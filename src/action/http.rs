//! Plain HTTP requests, and those to a configured service with its secret headers.
//!
//! Follows no redirect, sends a service's secrets to no other origin, reaches no private network unless config.yaml allows it.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Method};
use secrecy::ExposeSecret;
use url::Url;

use crate::config::settings;
use crate::engine::call::{Class, Http, HttpBody, Outcome};
use crate::engine::value::{MAX_DEPTH, Map, Value, from_json};

use super::client::{self, Answer, Failure};
use super::guard::Guard;
use super::secret::{Secrets, shorten};
use super::{Clock, failed, plain_duration, unreached};

/// What of an answer's headers flows and the log may use.
const SHOWN: [&str; 8] =
    ["content-type", "date", "etag", "last-modified", "location", "request-id", "retry-after", "x-request-id"];
/// Headers of a connection that are no secret, though they are kept with those that are; hidden, they would be missed.
const PUBLIC: [&str; 5] = ["accept", "accept-language", "cache-control", "content-type", "user-agent"];
/// Headers that say how the message is framed or where it goes: the client's business alone.
const FRAMING: [&str; 7] = ["host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade"];
/// A server that wants to be left alone for longer is asked again after this.
const LONGEST_WAIT: i64 = 24 * 3600;

/// A service, or plain HTTP when it has no base.
pub(super) struct Service {
    client: Client,
    guard: Guard,
    base: Option<Url>,
    headers: HeaderMap,
    secrets: Secrets,
    timeout: Duration,
    key_header: HeaderName,
    clock: Clock,
}

/// A request that is ready to be sent.
struct Ready {
    method: Method,
    url: Url,
    /// It goes to the service's own origin.
    own: bool,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
}

impl Service {
    pub(super) fn new(http: &settings::Http, guard: Guard, clock: Clock) -> Result<Self, String> {
        let base = match &http.base {
            None => None,
            Some(text) => Some(parse(text).map_err(|e| format!("base: {e}"))?),
        };
        if base.as_ref().is_some_and(|b| b.query().is_some() || b.fragment().is_some()) {
            return Err("base: a base has no `?` and no `#`; put what is secret into headers".into());
        }
        let mut secrets = Secrets::default();
        let mut headers = HeaderMap::new();
        for (name, secret) in &http.headers {
            let (header, mut value) = pair(name, secret.expose_secret())?;
            if !PUBLIC.contains(&header.as_str()) {
                value.set_sensitive(true);
                secrets.add(secret);
            }
            headers.insert(header, value);
        }
        let timeout = plain_duration(http.timeout);
        Ok(Self {
            client: client::new(timeout, Some(&guard)).map_err(|e| e.to_string())?,
            guard,
            base,
            headers,
            secrets,
            timeout,
            key_header: http.idempotency_header.parse().map_err(|_| "idempotency_header: not a header's name".to_owned())?,
            clock,
        })
    }

    pub(super) async fn send(&self, http: &Http, key: &str) -> Outcome {
        let ready = match self.prepare(http, key) {
            Ok(ready) => ready,
            Err(detail) => return self.secrets.clean_outcome(failed(Class::Permanent, detail)),
        };
        let shown = format!("{} {}", ready.method, shown(&ready.url));
        let safe = ready.method.is_safe();
        let own = ready.own;
        let answer = match self.guard.literal(&ready.url) {
            Err(blocked) => Err(Failure::Blocked(blocked)),
            Ok(()) => {
                let mut request = self.client.request(ready.method, ready.url).headers(ready.headers);
                if let Some(body) = ready.body {
                    request = request.body(body);
                }
                client::exchange(request, self.timeout).await
            }
        };
        let outcome = match answer {
            Ok(answer) => judge(&answer, &shown, own, safe, (self.clock)()),
            Err(failure) => judge_failure(failure, &shown, own, safe),
        };
        self.secrets.clean_outcome(outcome)
    }

    fn prepare(&self, http: &Http, key: &str) -> Result<Ready, String> {
        let (url, own) = self.target(&http.url)?;
        let method = Method::from_bytes(http.method.as_bytes()).map_err(|_| format!("`{}` is no HTTP method", http.method))?;
        if method == Method::CONNECT || method == Method::TRACE {
            return Err(format!("{method} is not allowed"));
        }
        let (kind, body) = match &http.body {
            HttpBody::Empty => (None, None),
            HttpBody::Json(value) => {
                let bytes = serde_json::to_vec(&value.plain()).map_err(|e| format!("the body cannot be written: {e}"))?;
                (Some("application/json"), Some(bytes))
            }
            HttpBody::Form(members) => {
                let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(members).finish();
                (Some("application/x-www-form-urlencoded"), Some(form.into_bytes()))
            }
            HttpBody::Text(text) => (Some("text/plain; charset=utf-8"), Some(text.clone().into_bytes())),
        };
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.extend(kind.map(|kind| (CONTENT_TYPE, HeaderValue::from_static(kind))));
        headers.insert(self.key_header.clone(), HeaderValue::from_str(key).map_err(|_| "the key is no header value".to_owned())?);
        // Without a base the connection's headers are meant for whatever it is used for; with one, for that origin alone.
        if own || self.base.is_none() {
            for (name, value) in &self.headers {
                headers.insert(name.clone(), value.clone());
            }
        }
        for (name, value) in &http.headers {
            let (name, value) = pair(name, value)?;
            headers.insert(name, value);
        }
        Ok(Ready { method, url, own, headers, body })
    }

    /// The URL, and whether it is at the service's own origin.
    fn target(&self, text: &str) -> Result<(Url, bool), String> {
        if !text.starts_with('/') {
            let url = parse(text)?;
            let own = self.base.as_ref().is_some_and(|base| base.origin() == url.origin());
            return Ok((url, own));
        }
        let base =
            self.base.as_ref().ok_or_else(|| format!("`{}` is no whole URL, and the connection has no base", cut(text)))?;
        let root = base.as_str().trim_end_matches('/');
        let url = parse(&format!("{root}{text}"))?;
        // `..` has been resolved by now; what it led to must still be below the base.
        let below = base.path().trim_end_matches('/');
        let inside = url.path().strip_prefix(below).is_some_and(|rest| rest.starts_with('/'));
        if url.origin() != base.origin() || !inside {
            return Err(format!("`{}` leaves the connection's base", cut(text)));
        }
        Ok((url, true))
    }
}

/// Reads an http or https URL; refuses what the URL standard would quietly repair (line breaks, blanks, control characters).
fn parse(text: &str) -> Result<Url, String> {
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("the URL holds a line break, a blank or a control character".into());
    }
    let url = Url::parse(text).map_err(|e| format!("`{}` is no URL: {e}", cut(text)))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(format!("`{other}:` is not allowed, only http and https")),
    }
}

/// The part of a URL's text that cannot hold a token.
fn cut(text: &str) -> &str {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    text.rsplit('@').next().unwrap_or_default()
}

fn pair(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let header =
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{}` is no header's name", name.escape_default()))?;
    if FRAMING.contains(&header.as_str()) {
        return Err(format!("header `{header}` is set by the client alone"));
    }
    let value = HeaderValue::from_str(value)
        .or_else(|_| HeaderValue::from_bytes(value.as_bytes()))
        .map_err(|_| format!("header `{header}` holds a line break or a control character"))?;
    Ok((header, value))
}

/// A URL for the log: no user, no query, no fragment, any of which may be a credential.
fn shown(url: &Url) -> String {
    let port = url.port().map(|p| format!(":{p}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

fn judge_failure(failure: Failure, shown: &str, own: bool, safe: bool) -> Outcome {
    match failure {
        Failure::Blocked(blocked) if own => failed(Class::Configuration, format!("{shown}: {blocked}")),
        Failure::Blocked(blocked) => failed(Class::Permanent, format!("{shown}: {blocked}")),
        Failure::Invalid(said) => failed(Class::Permanent, format!("{shown}: {said}")),
        Failure::Unsent(said) if own => failed(unreached(&said), format!("{shown}: {said}")),
        Failure::Unsent(said) => failed(Class::Transient, format!("{shown}: {said}")),
        // A request that changes nothing cannot have half happened.
        Failure::Lost(said) if safe => failed(Class::Transient, format!("{shown}: {said}")),
        Failure::Lost(said) => Outcome::Unknown { detail: format!("{shown}: {said}") },
    }
}

/// What an answer that was not really given would mean: tests make answers up, and a real one must mean the same.
pub fn answered(status: u16, headers: &[(String, String)], body: &Value, own: bool, now: Timestamp) -> Outcome {
    let json = serde_json::to_vec(&body.plain()).unwrap_or_default();
    let (kind, body) = match body {
        Value::Null => (None, Vec::new()),
        Value::Text(text) => (None, text.clone().into_bytes()),
        _ => (Some(HeaderValue::from_static("application/json")), json),
    };
    let pairs = headers.iter().filter_map(|(name, value)| pair(name, value).ok());
    let headers = kind.into_iter().map(|kind| (CONTENT_TYPE, kind)).chain(pairs).collect();
    judge(&Answer { status, headers, body, cut: false, broken: None }, "it", own, false, now)
}

/// What a status means. 401 says that our credentials are bad, so it stops a service of ours; 403 may be about this one
/// request, so it ends only that.
fn judge(answer: &Answer, shown: &str, own: bool, safe: bool, now: Timestamp) -> Outcome {
    let said = format!("{shown} {}", answer.said());
    let wait = retry_after(&answer.headers, now);
    match (answer.status, &answer.broken) {
        (200..=299, None) => Outcome::Done(done(answer)),
        (200..=299, Some(broken)) if safe => {
            failed(Class::Transient, format!("{shown} answered {}, but: {broken}", answer.status))
        }
        // It was accepted, but a flow may need what was answered, and asking again with the same key is how to learn it.
        (200..=299, Some(broken)) => Outcome::Unknown { detail: format!("{shown} answered {}, but: {broken}", answer.status) },
        (300..=399, _) => failed(
            Class::Permanent,
            format!("{shown} answered {}: redirects{}, which is not followed", answer.status, to(answer)),
        ),
        (401 | 407, _) if own => failed(Class::Configuration, said),
        (409, _) if answer.text().to_lowercase().contains("idempoten") => failed(Class::Transient, said),
        // Another host than the connection's own must not hold all others up.
        (429, _) if !own => failed(Class::Transient, said),
        (429, _) => failed(Class::Throttled { seconds: wait }, said),
        (503, _) if own && wait.is_some() => failed(Class::Throttled { seconds: wait }, said),
        (408 | 425 | 500..=599, _) => failed(Class::Transient, said),
        _ => failed(Class::Permanent, said),
    }
}

fn to(answer: &Answer) -> String {
    let host = answer.headers.get(LOCATION).and_then(|v| v.to_str().ok()).and_then(|l| Url::parse(l).ok());
    host.and_then(|url| url.host_str().map(|h| format!(" to {h}"))).unwrap_or_default()
}

/// Seconds, or a date; never less than nothing nor more than a day.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<u32> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = match text.parse::<i64>() {
        Ok(seconds) => seconds,
        Err(_) => jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_second() - now.as_second(),
    };
    u32::try_from(seconds.clamp(0, LONGEST_WAIT)).ok()
}

fn done(answer: &Answer) -> Value {
    let kind = answer.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let json = kind.split(';').next().is_some_and(|k| k.trim().ends_with("json"));
    let body = match json && !answer.cut {
        // Deeper than what fits into an event around it stays text.
        true => from_json(&answer.body).ok().filter(|v| v.depth() < MAX_DEPTH - 4).unwrap_or_else(|| Value::Text(answer.text())),
        false => Value::Text(answer.text()),
    };
    let headers: Map = SHOWN
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), shorten(answer.headers.get(*name)?.to_str().ok()?, 1_000).into())))
        .collect();
    let mut done = Map::from([
        ("status".to_owned(), u64::from(answer.status).into()),
        ("headers".to_owned(), Value::Map(headers)),
        ("body".to_owned(), body),
    ]);
    if answer.cut {
        done.insert("truncated".to_owned(), true.into());
    }
    Value::Map(done)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use jiff::SignedDuration;

    use super::*;

    fn service(base: Option<&str>) -> Service {
        let http = settings::Http {
            base: base.map(str::to_owned),
            headers: BTreeMap::from([("Authorization".to_owned(), "Bearer canary-7".into())]),
            timeout: SignedDuration::from_secs(5),
            idempotency_header: "Idempotency-Key".into(),
        };
        Service::new(&http, Guard::new(&[]), Arc::new(|| Timestamp::UNIX_EPOCH)).unwrap()
    }

    fn request(url: &str, headers: &[(&str, &str)]) -> Http {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Http { method: "POST".into(), url: url.into(), headers, body: HttpBody::Empty }
    }

    fn check(base: Option<&str>, url: &str, expect: &str) {
        let got = match service(base).prepare(&request(url, &[]), "k1") {
            Ok(r) => format!("{} {}", r.url, if r.headers.contains_key("authorization") { "with secrets" } else { "bare" }),
            Err(e) => e,
        };
        assert_eq!(got, expect);
    }

    #[test]
    fn secrets_go_to_their_own_origin_only() {
        let erp = Some("https://erp.example.com/api/");
        check(erp, "/invoices?x=1", "https://erp.example.com/api/invoices?x=1 with secrets");
        check(erp, "https://erp.example.com/other", "https://erp.example.com/other with secrets");
        check(erp, "http://erp.example.com/other", "http://erp.example.com/other bare");
        check(erp, "https://evil.example/api", "https://evil.example/api bare");
        check(erp, "/../admin", "`/../admin` leaves the connection's base");
        check(erp, "/%2e%2e/admin", "`/%2e%2e/admin` leaves the connection's base");
        check(erp, "//evil.example/x", "https://erp.example.com/api//evil.example/x with secrets");
        check(Some("https://erp.example.com"), "/@evil.example", "https://erp.example.com/@evil.example with secrets");
        check(None, "https://a.example/客户", "https://a.example/%E5%AE%A2%E6%88%B7 with secrets");
        check(None, "/x?token=t", "`/x` is no whole URL, and the connection has no base");
    }

    #[test]
    fn hostile_requests_are_refused_before_anything_is_sent() {
        check(None, "file:///etc/passwd", "`file:` is not allowed, only http and https");
        check(None, "gopher://x/1", "`gopher:` is not allowed, only http and https");
        check(None, "https://a.example/x\r\nHost: b", "the URL holds a line break, a blank or a control character");
        check(None, "https://a.example/x\t", "the URL holds a line break, a blank or a control character");
        check(None, "user:pw@nowhere?t=1", "`user:` is not allowed, only http and https");
        let refused = |n: &str, v: &str| service(None).prepare(&request("https://a.example", &[(n, v)]), "k").err().unwrap();
        assert_eq!(refused("X-A", "1\r\nX-B: 2"), "header `x-a` holds a line break or a control character");
        assert_eq!(refused("X A", "1"), "`X A` is no header's name");
        assert_eq!(refused("Content-Length", "1"), "header `content-length` is set by the client alone");
        assert!(service(None).prepare(&request("https://a.example", &[("X-Name", "张三")]), "k").is_ok());
    }

    #[test]
    fn bodies_and_their_types() {
        let sent = |body: HttpBody| {
            let ready = service(None).prepare(&Http { body, ..request("https://a.example", &[]) }, "k1").unwrap();
            let kind = ready.headers.get(CONTENT_TYPE).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
            assert_eq!(ready.headers["idempotency-key"], "k1");
            (kind, String::from_utf8(ready.body.unwrap_or_default()).unwrap())
        };
        let time = Value::Time("2026-09-21T01:00:00Z".parse().unwrap());
        assert_eq!(
            sent(HttpBody::Json(Value::from([("at", time)]))),
            ("application/json".into(), r#"{"at":"2026-09-21T01:00:00Z"}"#.into())
        );
        let form = vec![("name".to_owned(), "张 三&".to_owned())];
        assert_eq!(
            sent(HttpBody::Form(form)),
            ("application/x-www-form-urlencoded".into(), "name=%E5%BC%A0+%E4%B8%89%26".into())
        );
        assert_eq!(sent(HttpBody::Text("你好".into())), ("text/plain; charset=utf-8".into(), "你好".into()));
        assert_eq!(sent(HttpBody::Empty), (String::new(), String::new()));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "2026-11-21T08:49:00Z".parse().unwrap();
        let read = |text: &str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]), now);
        assert_eq!(read("120"), Some(120));
        assert_eq!(read("-5"), Some(0));
        assert_eq!(read("99999999999"), Some(86_400));
        assert_eq!(read("Sat, 21 Nov 2026 08:49:37 GMT"), Some(37));
        assert_eq!(read("soon"), None);
    }
}
