//! Who looks at a mail: what gives itself away as a machine by how it asks. Whether one does by when it asks, the engine says.
//!
//! Never keeps what a program calls itself: only that it is one of these.

use axum::http::{HeaderMap, Method, header};

/// Parts of the names of programs that fetch what nobody has looked at yet: filters of mail servers, previews of messengers, tools.
/// From what they send (PROTOCOLS 7.2); in lower case.
const SCANNERS: &[&str] = &[
    "barracuda",
    "proofpoint",
    "mimecast",
    "safelinks",
    "defender",
    "symantec",
    "messagelabs",
    "trendmicro",
    "fortinet",
    "sophos",
    "cloudmark",
    "ironport",
    "zscaler",
    "forcepoint",
    "fireeye",
    "urldefense",
    "bot",
    "crawler",
    "spider",
    "preview",
    "facebookexternalhit",
    "slackbot",
    "whatsapp",
    "telegrambot",
    "skypeuripreview",
    "curl/",
    "wget/",
    "python-requests",
    "python-urllib",
    "aiohttp",
    "go-http-client",
    "java/",
    "okhttp",
    "libwww-perl",
    "headlesschrome",
    "phantomjs",
];

/// How a machine gave itself away: `head`, `prefetch`, `agent`.
pub(super) fn machine(method: &Method, headers: &HeaderMap) -> Option<String> {
    if method == Method::HEAD {
        return Some("head".into());
    }
    let value = |name: &str| headers.get(name).map(|v| String::from_utf8_lossy(v.as_bytes()).to_ascii_lowercase());
    let ahead = ["purpose", "sec-purpose", "x-purpose", "x-moz"];
    if ahead.iter().any(|name| value(name).is_some_and(|v| v.contains("prefetch") || v.contains("preview"))) {
        return Some("prefetch".into());
    }
    let agent = value(header::USER_AGENT.as_str()).unwrap_or_default();
    // A phone of that make is no robot.
    let agent = agent.trim().replace("cubot", "");
    // A person's program has a name and more; Apple's fetches every picture before anybody looks, and has just this.
    let known = agent.is_empty() || agent == "mozilla/5.0" || SCANNERS.iter().any(|s| agent.contains(s));
    known.then(|| "agent".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &Method, headers: &[(&'static str, &'static str)], expect: Option<&str>) {
        let all = headers.iter().map(|(n, v)| (header::HeaderName::from_static(n), header::HeaderValue::from_static(v)));
        assert_eq!(machine(method, &all.collect()).as_deref(), expect, "{headers:?}");
    }

    #[test]
    fn machines_and_people() {
        let people =
            ("user-agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 MicroMessenger/8.0");
        check(&Method::GET, &[people], None);
        check(&Method::HEAD, &[people], Some("head"));
        check(&Method::GET, &[people, ("sec-purpose", "prefetch;prerender")], Some("prefetch"));
        check(&Method::GET, &[("user-agent", "Mozilla/5.0 (compatible; Barracuda Sentinel)")], Some("agent"));
        check(&Method::GET, &[("user-agent", "Slackbot-LinkExpanding 1.0")], Some("agent"));
        check(&Method::GET, &[], Some("agent"));
        check(&Method::GET, &[("user-agent", "Mozilla/5.0")], Some("agent"));
        check(&Method::GET, &[("user-agent", "Mozilla/5.0 (Linux; Android 9; CUBOT X19) Mobile")], None);
        check(&Method::GET, &[("user-agent", "Mozilla/5.0 (via ggpht.com GoogleImageProxy)")], None);
    }
}
