//! Connections: what the engine must know of them, and what the channels need to reach them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use secrecy::SecretString;

use super::super::catalogue as t;
use super::super::definitions::PLAIN_HTTP;
use super::super::grammar::found;
use super::super::problem::Problem;
use super::super::scalar::{self, nearest};
use super::super::settings::{Connection, Http, Robot, Security, Smtp};
use super::super::tree::{Kind, Node, Style};
use super::File;
use crate::engine::call::Retry;
use crate::engine::definition::{self, ConnectionKind, Deliver, Rate};

/// The kinds, by their keys.
const KINDS: [(&str, ConnectionKind); 4] = [
    ("smtp", ConnectionKind::Smtp),
    ("http", ConnectionKind::Http),
    ("dingtalk", ConnectionKind::Dingtalk),
    ("wecom", ConnectionKind::Wecom),
];

/// Waits between attempts where nothing is said. The first is short, for a connection that was just reset; the last ones reach
/// over a night's maintenance (8 h 36 min in all), after which a person should look at it.
const RETRY: [i64; 6] = [10, 60, 300, 1_800, 7_200, 21_600];

fn entries<'a>(file: &File<'a>) -> impl Iterator<Item = (String, &'static str, ConnectionKind, &'a Node)> {
    file.node.get("connections").map(Node::entries).unwrap_or_default().iter().filter_map(|e| {
        let (key, kind) = KINDS.into_iter().find(|(key, _)| e.value.has(key))?;
        Some((e.key.clone(), key, kind, &e.value))
    })
}

/// What the engine must know. Plain HTTP is a connection that is always there.
pub(super) fn engine(file: &File<'_>) -> BTreeMap<String, definition::Connection> {
    let plain = (PLAIN_HTTP.to_owned(), public(ConnectionKind::Http, None));
    let all = entries(file).map(|(id, _, kind, node)| (id, public(kind, Some(node))));
    std::iter::once(plain).chain(all).collect()
}

fn public(kind: ConnectionKind, node: Option<&Node>) -> definition::Connection {
    let get = |key: &str| node.and_then(|n| n.get(key));
    // Group robots take 20 messages in a minute and then nothing for ten; one at a time keeps their order.
    let robot = matches!(kind, ConnectionKind::Dingtalk | ConnectionKind::Wecom);
    let usual = match kind {
        ConnectionKind::Smtp => 4,
        ConnectionKind::Http => 8,
        ConnectionKind::Dingtalk | ConnectionKind::Wecom => 1,
    };
    let retry = match get("retry") {
        Some(list) => list.items().iter().filter_map(scalar::duration).map(Retry).collect(),
        None => RETRY.map(|s| Retry(SignedDuration::from_secs(s))).into(),
    };
    definition::Connection {
        kind,
        deliver: deliver(node),
        rate: get("rate").and_then(scalar::rate).or(robot.then_some(Rate { count: 20, per: SignedDuration::from_mins(1) })),
        retry,
        concurrency: get("concurrency").and_then(scalar::count).and_then(|n| u32::try_from(n).ok()).unwrap_or(usual),
    }
}

fn deliver(node: Option<&Node>) -> Deliver {
    match node.and_then(|n| n.text_at("deliver")) {
        Some("preview") => Deliver::Preview,
        _ => Deliver::Live,
    }
}

/// HTTP connections behind whose names no base is known.
pub(super) fn baseless(file: &File<'_>) -> BTreeSet<String> {
    let mut ids = BTreeSet::from([PLAIN_HTTP.to_owned()]);
    for (id, key, kind, node) in entries(file).filter(|(_, _, kind, _)| *kind == ConnectionKind::Http) {
        let _ = kind;
        let known = node.get(key).is_some_and(|h| h.has("base")) || deliver(Some(node)) == Deliver::Preview;
        if known {
            ids.remove(&id)
        } else {
            ids.insert(id)
        };
    }
    ids
}

/// How to reach them. What is on preview is never reached, so nothing is demanded of it.
pub(super) fn settings(file: &File<'_>) -> BTreeMap<String, Connection> {
    let plain = Http {
        base: None,
        headers: BTreeMap::new(),
        timeout: SignedDuration::from_secs(30),
        idempotency_header: IDEMPOTENCY.into(),
    };
    let mut all = BTreeMap::from([(PLAIN_HTTP.to_owned(), Connection::Http(plain))]);
    for (id, key, kind, node) in entries(file) {
        let Some(inner) = node.get(key) else { continue };
        let live = deliver(Some(node)) == Deliver::Live;
        let reach = match kind {
            ConnectionKind::Smtp => smtp(file, inner, live).map(Connection::Smtp),
            ConnectionKind::Http => http(file, inner).map(Connection::Http),
            ConnectionKind::Dingtalk => robot(file, inner, live, "dingtalk").map(Connection::Dingtalk),
            ConnectionKind::Wecom => robot(file, inner, live, "wecom").map(Connection::Wecom),
        };
        all.insert(id, if live { reach.unwrap_or(Connection::Preview) } else { Connection::Preview });
    }
    all
}

const IDEMPOTENCY: &str = "Idempotency-Key";

fn timeout(node: &Node, usual: i64) -> SignedDuration {
    node.get("timeout").and_then(scalar::duration).unwrap_or(SignedDuration::from_secs(usual))
}

/// A key that a live connection cannot do without.
fn needed(file: &File<'_>, node: &Node, live: bool, key: &str, what: &str) {
    let misspelt = node.entries().iter().any(|e| nearest(&e.key, [key]).is_some());
    if live && !node.has(key) && !node.is_broken() && !misspelt {
        file.sink.say(node.at, &t::NEEDED_LIVE, [key.into(), format!("`{what}`").into()]);
    }
}

fn smtp(file: &File<'_>, node: &Node, live: bool) -> Option<Smtp> {
    needed(file, node, live, "host", "smtp");
    needed(file, node, live, "from", "smtp");
    if node.has("user") != node.has("password") {
        let missing = if node.has("user") { "password" } else { "user" };
        file.sink.say(node.at, &t::MISSING_KEY, [missing.into(), "`smtp`".into()]);
    }
    let (security, port) = match node.text_at("security") {
        Some("starttls") => (Security::Starttls, 587),
        Some("none") => (Security::None, 25),
        _ => (Security::Tls, 465),
    };
    let from = node.get("from");
    if let Some(text) = from.and_then(Node::text) {
        let bare = text.rsplit_once('<').map_or(text, |(_, a)| a.trim_end_matches('>'));
        if !crate::engine::entity::is_email(bare.trim()) || text.chars().any(char::is_control) {
            let from = from.unwrap_or(node);
            file.sink.say(from.at, &t::EXPECTED, [(&t::K_MAILBOX).into(), found(file.texts, from).into()]);
        }
    }
    Some(Smtp {
        host: node.text_at("host")?.to_owned(),
        port: node.get("port").and_then(scalar::count).and_then(|n| u16::try_from(n).ok()).unwrap_or(port),
        security,
        login: node.text_at("user").zip(node.text_at("password")).map(|(u, p)| (u.to_owned(), SecretString::from(p))),
        from: from.and_then(Node::text)?.to_owned(),
        timeout: timeout(node, 60),
    })
}

fn http(file: &File<'_>, node: &Node) -> Option<Http> {
    let mut headers = BTreeMap::new();
    for entry in node.get("headers").map(Node::entries).unwrap_or_default() {
        file.header_named(entry.at, &entry.key);
        let literal = !matches!(entry.value.kind, Kind::Scalar(_, Style::Resolved) | Kind::Broken);
        if literal && is_secret(&entry.key) {
            file.literal(entry.value.at, &entry.key);
        }
        headers.extend(entry.value.text().map(|t| (entry.key.clone(), SecretString::from(t))));
    }
    let base = node.get("base");
    if let Some(base) = base {
        credentials(file, base);
    }
    let idempotency = node.get("idempotency_header").map_or(Some(IDEMPOTENCY.to_owned()), |h| file.header(h));
    Some(Http {
        base: base.and_then(Node::text).map(str::to_owned),
        headers,
        timeout: timeout(node, 30),
        idempotency_header: idempotency?,
    })
}

/// Whether a header's name says that its value is a secret.
fn is_secret(name: &str) -> bool {
    let lower = name.to_lowercase();
    ["authorization", "token", "secret", "key", "cookie", "password", "signature"].iter().any(|w| lower.contains(w))
        && lower != "idempotency-key"
}

/// User and password inside an address end up in logs everywhere.
fn credentials(file: &File<'_>, node: &Node) {
    let Some(url) = node.text().and_then(|t| url::Url::parse(t).ok()) else { return };
    if url.password().is_some() || !url.username().is_empty() {
        file.sink.add(Problem::new(node.at, t::CREDENTIALS_IN_URL.with([])).help(t::SECRET_HELP.with([])));
    }
}

fn robot(file: &File<'_>, node: &Node, live: bool, kind: &str) -> Option<Robot> {
    let (token, address) = match kind {
        "dingtalk" => ("token", "https://oapi.dingtalk.com/robot/send?access_token="),
        _ => ("key", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key="),
    };
    match (node.get("url"), node.get(token)) {
        (Some(_), Some(second)) => file.sink.say(second.at, &t::TOKEN_OR_URL, [token.into()]),
        (None, None) if live && !node.is_broken() => {
            file.sink.say(node.at, &t::NEEDED_LIVE, [format!("{token}` / `url").into(), format!("`{kind}`").into()]);
        }
        (Some(url), None) => {
            credentials(file, url);
            let literal = matches!(url.kind, Kind::Scalar(_, Style::Plain | Style::Single | Style::Double));
            if literal && url.text().is_some_and(|u| u.contains("access_token=") || u.contains("key=")) {
                file.literal(url.at, "url");
            }
        }
        _ => {}
    }
    let url = match (node.text_at("url"), node.text_at(token)) {
        (Some(url), _) => url.to_owned(),
        // A token is letters and digits; anything else would be another query.
        (_, Some(token)) => {
            format!("{address}{}", percent_encoding::utf8_percent_encode(token, percent_encoding::NON_ALPHANUMERIC))
        }
        _ => return None,
    };
    Some(Robot {
        url: SecretString::from(url),
        secret: node.text_at("secret").map(SecretString::from),
        keyword: node.text_at("keyword").map(str::to_owned),
        timeout: timeout(node, 10),
    })
}
