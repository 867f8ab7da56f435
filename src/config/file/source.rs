//! Sources: webhooks with their signatures, polls, and what their payloads mean.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};

use super::super::catalogue as t;
use super::super::problem::Problem;
use super::super::scalar::{self, nearest};
use super::super::settings::{
    Algorithm, Ask, Bounces, Delivery, Encoding, Hmac, Imported, KeyForm, Mapping, Poll, RecordMapping, Source, SourceKind,
    StampAt, Unit, Verify, Webhook,
};
use super::super::tree::{Entry, Node};
use super::{File, absolute};
use crate::engine::definition::Definitions;
use crate::engine::template::Template;

/// The pattern of the events that a source tells: what its template inserts may be anything.
pub(super) fn event_pattern(entry: &Entry) -> Option<String> {
    let Some(text) = entry.value.text_at("event") else {
        if entry.value.has("bounces") {
            return None; // what it tells, everybody knows
        }
        // CloudEvents bring their own names.
        let any = entry.value.has("webhook");
        return Some(if any { "*".into() } else { format!("{}.received", entry.key) });
    };
    let mut pattern = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        pattern.push_str(&rest[..start]);
        pattern.push('*');
        rest = rest[start..].find("}}").or(rest[start..].find("%}")).map_or("", |end| &rest[start + end + 2..]);
    }
    pattern.push_str(rest);
    Some(pattern)
}

/// One source.
pub(super) fn source(file: &File<'_>, entry: &Entry, definitions: &Definitions) -> Option<Source> {
    let node = &entry.value;
    let map = mapping(file, node, definitions);
    let kind = match (node.get("webhook"), node.get("poll")) {
        (Some(w), _) => SourceKind::Webhook(Webhook {
            verify: w.get("verify").map(|v| verify(file, v)).unwrap_or_default(),
            rate: w.get("rate").and_then(scalar::count).and_then(|n| u32::try_from(n).ok()),
        }),
        (_, Some(p)) => SourceKind::Poll(poll(file, p)?),
        _ => return None,
    };
    let lateness = node.get("lateness").and_then(scalar::duration).unwrap_or_default();
    let bounces = node.get("bounces").and_then(|n| bounces(file, node, n, &kind));
    Some(Source { kind, map, lateness, bounces })
}

/// The form in which a source tells of bounces. Whoever tells them takes addresses off every list: it must prove who it is.
fn bounces(file: &File<'_>, source: &Node, node: &Node, kind: &SourceKind) -> Option<Bounces> {
    for key in ["event", "each", "delivery", "record", "time", "imports"] {
        if let Some(other) = source.get(key) {
            file.sink.say(other.at, &t::BOUNCES_ALONE, [key.into()]);
        }
    }
    match kind {
        SourceKind::Poll(_) => file.sink.say(node.at, &t::BOUNCES_POLLED, []),
        SourceKind::Webhook(_) => {
            // As it stands: the secrets themselves may be on another machine.
            let verify = source.get("webhook").and_then(|w| w.get("verify"));
            if !verify.is_some_and(|v| ["hmac", "bearer", "basic"].iter().any(|way| v.has(way))) {
                let problem = Problem::new(node.at, t::BOUNCES_UNVERIFIED.with([]));
                file.sink.add(problem.help(t::BOUNCES_UNVERIFIED_HELP.with([])));
            }
        }
    }
    Some(match node.text()? {
        "postmark" => Bounces::Postmark,
        "resend" => Bounces::Resend,
        "sendgrid" => Bounces::Sendgrid,
        _ => Bounces::Generic,
    })
}

fn verify(file: &File<'_>, node: &Node) -> Verify {
    let basic = node.get("basic").and_then(|b| Some((b.text_at("user")?.to_owned(), SecretString::from(b.text_at("password")?))));
    let from = node.get("from").map(Node::one_or_more).unwrap_or_default();
    Verify {
        hmac: node.get("hmac").and_then(|h| hmac(file, h)),
        bearer: secrets(node.get("bearer")),
        basic,
        from: from.iter().filter_map(|n| super::super::grammar::network(n.text()?)).collect(),
    }
}

fn secrets(node: Option<&Node>) -> Vec<SecretString> {
    node.map(Node::one_or_more).unwrap_or_default().iter().filter_map(|n| n.text().map(SecretString::from)).collect()
}

/// A known scheme; the header names and forms are from the providers' own documents.
fn preset(name: Option<&str>) -> Hmac {
    let plain = Hmac {
        secrets: Vec::new(),
        key: KeyForm::Text,
        header: String::new(),
        algorithm: Algorithm::Sha256,
        encoding: Encoding::Hex,
        prefix: String::new(),
        signed: "{body}".into(),
        id_header: None,
        timestamp: None,
        unit: Unit::Seconds,
        tolerance: SignedDuration::from_secs(300),
    };
    let stamped = |header: &str, prefix: &str, signed: &str, timestamp: StampAt| Hmac {
        header: header.into(),
        prefix: prefix.into(),
        signed: signed.into(),
        timestamp: Some(timestamp),
        ..preset(None)
    };
    match name {
        Some("github") => Hmac { header: "X-Hub-Signature-256".into(), prefix: "sha256=".into(), ..plain },
        Some("stripe") => stamped("Stripe-Signature", "v1=", "{timestamp}.{body}", StampAt::Field("t".into())),
        Some("standard-webhooks") => Hmac {
            key: KeyForm::Base64,
            encoding: Encoding::Base64,
            id_header: Some("webhook-id".into()),
            ..stamped("webhook-signature", "v1,", "{id}.{timestamp}.{body}", StampAt::Header("webhook-timestamp".into()))
        },
        Some("slack") => {
            stamped("X-Slack-Signature", "v0=", "v0:{timestamp}:{body}", StampAt::Header("X-Slack-Request-Timestamp".into()))
        }
        Some("twenty") => Hmac {
            unit: Unit::Milliseconds,
            ..stamped(
                "X-Twenty-Webhook-Signature",
                "",
                "{timestamp}:{body}",
                StampAt::Header("X-Twenty-Webhook-Timestamp".into()),
            )
        },
        _ => plain,
    }
}

fn hmac(file: &File<'_>, node: &Node) -> Option<Hmac> {
    let base = preset(node.text_at("preset"));
    let text = |key: &str, usual: &str| node.text_at(key).unwrap_or(usual).to_owned();
    let timestamp = node.get("timestamp").and_then(|s| {
        let header = s.get("header").and_then(|h| file.header(h)).map(StampAt::Header);
        header.or_else(|| s.text_at("field").map(|f| StampAt::Field(f.to_owned())))
    });
    let hmac = Hmac {
        secrets: secrets(node.get("secret")),
        key: match node.text_at("key") {
            Some("base64") => KeyForm::Base64,
            Some(_) => KeyForm::Text,
            None => base.key,
        },
        header: node.get("header").map_or(Some(base.header), |h| file.header(h))?,
        algorithm: match node.text_at("algorithm") {
            Some("sha1") => Algorithm::Sha1,
            Some("sha512") => Algorithm::Sha512,
            _ => base.algorithm,
        },
        encoding: match node.text_at("encoding") {
            Some("base64") => Encoding::Base64,
            Some(_) => Encoding::Hex,
            None => base.encoding,
        },
        prefix: text("prefix", &base.prefix),
        signed: text("signed", &base.signed),
        id_header: node.get("id_header").map_or(Some(base.id_header), |h| file.header(h).map(Some))?,
        timestamp: timestamp.or(base.timestamp),
        unit: match node.text_at("unit") {
            Some("milliseconds") => Unit::Milliseconds,
            Some(_) => Unit::Seconds,
            None => base.unit,
        },
        tolerance: node.get("tolerance").and_then(scalar::duration).unwrap_or(base.tolerance),
    };
    let needs = |what: &str| file.sink.say(node.at, &t::MISSING_KEY, [what.into(), "`hmac`".into()]);
    if hmac.header.is_empty() && !node.has("preset") {
        needs("header");
    }
    if !hmac.signed.contains("{body}") {
        let at = node.get("signed").map_or(node.at, |s| s.at);
        file.sink.say(at, &t::SIGNED_WITHOUT_BODY, []);
    }
    if let (Some(gap), Some(at)) = (unknown_gap(&hmac.signed), node.get("signed")) {
        file.sink.add(Problem::new(at.at, t::BAD_PLACEHOLDER.with([gap.into()])).help(t::SIGNED_HELP.with([])));
    }
    if hmac.key == KeyForm::Base64 {
        for (secret, at) in hmac.secrets.iter().zip(node.get("secret").map(Node::one_or_more).unwrap_or_default()) {
            let text = secret.expose_secret();
            if STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text)).is_err() {
                file.sink.say(at.at, &t::BAD_KEY, []);
            }
        }
    }
    if hmac.signed.contains("{timestamp}") && hmac.timestamp.is_none() {
        needs("timestamp");
    }
    if hmac.signed.contains("{id}") && hmac.id_header.is_none() {
        needs("id_header");
    }
    Some(hmac)
}

/// A `{…}` that means nothing in what is signed.
fn unknown_gap(signed: &str) -> Option<String> {
    let gaps = signed.split('{').skip(1).map(|rest| rest.split('}').next().unwrap_or(rest));
    gaps.into_iter().find(|g| !["body", "timestamp", "id", "method", "path"].contains(g)).map(|g| format!("{{{g}}}"))
}

fn poll(file: &File<'_>, node: &Node) -> Option<Poll> {
    let query = node.get("query")?;
    let sql = query.text()?.trim().trim_end_matches(';').to_owned();
    let start: String = sql.chars().take_while(|c| c.is_alphabetic()).collect();
    if !["select", "with"].contains(&start.to_lowercase().as_str()) || sql.contains(';') && !sql.contains(['\'', '"']) {
        file.sink.say(query.at, &t::SELECT_ONLY, []);
    }
    let cursor = node.get("cursor")?.one_or_more().iter().filter_map(|c| c.text().map(str::to_owned)).collect();
    Some(Poll {
        ask: Ask::Sqlite { file: absolute(&file.folder().join(node.text_at("sqlite")?)), query: sql },
        every: node.get("every").and_then(scalar::duration).unwrap_or(SignedDuration::from_secs(30)),
        cursor,
        batch: node.get("batch").and_then(scalar::count).and_then(|n| usize::try_from(n).ok()).unwrap_or(500),
    })
}

fn mapping(file: &File<'_>, node: &Node, definitions: &Definitions) -> Mapping {
    let text = |key: &str| node.text_at(key).map(str::to_owned);
    let delivery = node.get("delivery").and_then(|d| match (d.get("header"), d.get("body")) {
        (Some(header), _) => file.header(header).map(Delivery::Header),
        (_, Some(body)) => Some(Delivery::Body(body.one_or_more().iter().filter_map(|b| b.text().map(str::to_owned)).collect())),
        _ => d.text().map(|path| Delivery::Body(vec![path.to_owned()])),
    });
    Mapping {
        event: node.get("event").and_then(|e| event(file, e, definitions)),
        each: text("each"),
        delivery,
        time: text("time"),
        record: node.get("record").and_then(|r| record(file, r, definitions)),
        imports: imported(file, node),
    }
}

/// `imports: all`, `imports: first`
fn imported(file: &File<'_>, node: &Node) -> Imported {
    match node.get("imports").map(|n| (n, n.text())) {
        Some((_, Some("all"))) => Imported::All,
        Some((said, Some("first"))) => {
            if !node.has("poll") {
                file.sink.say(said.at, &t::IMPORTS_FIRST, []);
            }
            Imported::First
        }
        _ => Imported::Nothing,
    }
}

/// The name's template; its names are the payload's members, which nobody can know here.
fn event(file: &File<'_>, node: &Node, definitions: &Definitions) -> Option<Template> {
    let name = node.text()?;
    let verb = name.rsplit_once('.').filter(|(entity, _)| definitions.entities.contains_key(*entity)).map(|(_, verb)| verb);
    if verb.is_some_and(|v| ["created", "changed", "merged", "deleted"].contains(&v)) || name.starts_with("ifthen.") {
        file.sink.say(node.at, &t::RESERVED_EVENT, [name.into()]);
    }
    match Template::parse(name) {
        Ok(template) => Some(template),
        Err(faults) => {
            for fault in faults {
                let at = match file.texts.get(node.at.file) {
                    Some(text) => super::super::locate::locate(text, node, fault.at.start, fault.at.end),
                    None => node.at,
                };
                let (what, help) = super::super::fault::words(&fault.kind, &[]);
                file.sink.add(Problem::new(at, what).help(help));
            }
            None
        }
    }
}

fn record(file: &File<'_>, node: &Node, definitions: &Definitions) -> Option<RecordMapping> {
    let name = node.get("entity")?;
    let id = name.text()?;
    let Some(entity) = definitions.entities.get(id) else {
        if file.lost {
            return None;
        }
        let near = nearest(id, definitions.entities.keys().map(String::as_str)).map(|n| t::DID_YOU_MEAN.with([n.into()]));
        file.sink.add(Problem::new(name.at, t::UNKNOWN_ENTITY.with([id.into()])).help(near));
        return None;
    };
    for section in ["fields", "values"] {
        for entry in node.get(section).map(Node::entries).unwrap_or_default() {
            if !file.lost && !entity.fields.contains_key(&entry.key) {
                let near = nearest(&entry.key, entity.fields.keys().map(String::as_str));
                let what = t::UNKNOWN_FIELD.with([entry.key.as_str().into(), id.into()]);
                file.sink.add(Problem::new(entry.at, what).help(near.map(|n| t::DID_YOU_MEAN.with([n.into()]))));
            }
        }
    }
    let fields = node.get("fields")?;
    if !file.lost && !fields.has(&entity.key) {
        file.sink.say(fields.at, &t::KEY_NOT_MAPPED, [entity.key.as_str().into(), id.into()]);
    }
    let values = node.get("values").map(Node::entries).unwrap_or_default();
    Some(RecordMapping {
        entity: id.to_owned(),
        fields: words(fields.entries()),
        values: values.iter().map(|e| (e.key.clone(), words(e.value.entries()))).collect(),
        at: node.text_at("at").map(str::to_owned),
    })
}

fn words(entries: &[Entry]) -> BTreeMap<String, String> {
    entries.iter().filter_map(|e| Some((e.key.clone(), e.value.text()?.to_owned()))).collect()
}
