//! Signatures of webhooks: a request passes if and only if one of its signatures is the one that a plain reading of the scheme
//! comes to, over the very bytes that were sent.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ifthen::config::settings::{
    Algorithm, Encoding, Hmac, KeyForm, Limits, Mapping, Source, SourceKind, StampAt, Unit, Verify, Webhook,
};
use ifthen::source::webhook::{self, Request};
use jiff::{SignedDuration, Timestamp};
use sha2::Digest;

use crate::feed::Feed;

const NOW: i64 = 1_789_952_400;

/// The first bytes choose the scheme and what is wrong with the request, the rest is the body.
pub(super) fn run(data: &[u8]) {
    let mut feed = Feed::new(data);
    let scheme = Scheme::choose(&mut feed);
    let wrong = feed.below(16);
    let odd = feed.byte();
    let body = feed.rest();

    let mut sent = Sent::honest(&scheme, body);
    sent.spoil(wrong, odd, &scheme);
    let source = scheme.source();
    let request = Request {
        method: &Method::POST,
        path: "/in/crm?x=%31",
        headers: &sent.headers,
        body: &sent.body,
        peer: [10, 0, 0, 1].into(),
        now: Timestamp::from_second(NOW).unwrap(),
    };
    let got = webhook::check(&source, &Limits::default(), &request);
    let expected = scheme.passes(&sent);
    match &got {
        Ok(()) => assert!(expected, "{wrong} {odd}: passes, and should not: {scheme:?} {:?}", sent.headers),
        Err(refusal) => {
            assert!(!expected, "{wrong} {odd}: {refusal:?}: {scheme:?} {:?}", sent.headers);
            assert!(refusal.status == 401 || scheme.is_empty(), "{refusal:?}");
            let told = refusal.problem().to_string();
            for secret in &scheme.secrets {
                assert!(secret.len() < 4 || !told.contains(secret), "a secret is told: {told}");
            }
            for signature in scheme.signatures(&sent) {
                assert!(!told.contains(&signature), "what would be right is told: {told}");
            }
        }
    }
    // Nothing was touched on the way: it passes.
    if wrong == 0 && !scheme.is_empty() {
        assert!(got.is_ok(), "{got:?}");
    }
}

#[derive(Debug)]
struct Scheme {
    secrets: Vec<&'static str>,
    key: KeyForm,
    algorithm: Algorithm,
    encoding: Encoding,
    prefix: &'static str,
    signed: &'static str,
    id: bool,
    stamp: Option<StampAt>,
    unit: Unit,
}

impl Scheme {
    fn choose(feed: &mut Feed<'_>) -> Self {
        let stamp = match feed.below(4) {
            0 => None,
            1 | 2 => Some(StampAt::Header("X-Stamp".into())),
            _ => Some(StampAt::Field("t".into())),
        };
        let key = feed.pick(&[KeyForm::Text, KeyForm::Base64]);
        let secrets: &[&[&str]] = match key {
            KeyForm::Text => &[&["hunter2-秘密"], &["hunter2-秘密", "old-secret"], &[""], &["whsec_MfKQ9r8GKYqrTwjU"]],
            KeyForm::Base64 => {
                &[&["whsec_MfKQ9r8GKYqrTwjU"], &["MfKQ9r8GKYqrTwjU", "aHVudGVyMg=="], &[""], &["whsec_aHVudGVyMg"]]
            }
        };
        let id = feed.flag();
        Self {
            secrets: feed.pick(secrets).to_vec(),
            key,
            algorithm: feed.pick(&[Algorithm::Sha256, Algorithm::Sha1, Algorithm::Sha512]),
            encoding: feed.pick(&[Encoding::Hex, Encoding::Base64]),
            prefix: feed.pick(&["", "sha256=", "v1,", "v1="]),
            signed: feed.pick(&[
                "{body}",
                "{timestamp}.{body}",
                "{id}.{timestamp}.{body}",
                "v0:{timestamp}:{body}",
                "{method}https://our.example{path}{body}{timestamp}",
                "{body}{body}",
                "{{body}}{id}",
            ]),
            id,
            stamp,
            unit: feed.pick(&[Unit::Seconds, Unit::Milliseconds]),
        }
    }

    fn source(&self) -> Source {
        let hmac = Hmac {
            secrets: self.secrets.iter().map(|s| (*s).into()).collect(),
            key: self.key,
            header: "X-Signature".into(),
            algorithm: self.algorithm,
            encoding: self.encoding,
            prefix: self.prefix.into(),
            signed: self.signed.into(),
            id_header: self.id.then(|| "X-Id".into()),
            timestamp: self.stamp.clone(),
            unit: self.unit,
            tolerance: SignedDuration::from_secs(300),
        };
        let verify = Verify { hmac: Some(hmac), ..Verify::default() };
        Source {
            kind: SourceKind::Webhook(Webhook { verify, rate: None }),
            map: Mapping::default(),
            lateness: SignedDuration::ZERO,
            bounces: None,
        }
    }

    /// A key is nothing: everybody could sign.
    fn is_empty(&self) -> bool {
        self.secrets.contains(&"")
    }

    fn keys(&self) -> Vec<Vec<u8>> {
        let key = |secret: &&str| match self.key {
            KeyForm::Text => secret.as_bytes().to_vec(),
            KeyForm::Base64 => {
                let text = secret.trim_start_matches("whsec_").trim_end_matches('=');
                base64::engine::general_purpose::STANDARD_NO_PAD.decode(text).unwrap()
            }
        };
        self.secrets.iter().map(key).collect()
    }

    /// The signed bytes, by a reading of the scheme from left to right.
    fn message(&self, sent: &Sent) -> Vec<u8> {
        let stamp = sent.stamp(self).unwrap_or_default();
        let id = if self.id { sent.text("X-Id").unwrap_or_default() } else { String::new() };
        let gaps: [(&str, &[u8]); 5] = [
            ("{body}", &sent.body),
            ("{timestamp}", stamp.as_bytes()),
            ("{id}", id.as_bytes()),
            ("{method}", b"POST"),
            ("{path}", b"/in/crm?x=%31"),
        ];
        let (mut message, mut rest) = (Vec::new(), self.signed);
        while let Some(c) = rest.chars().next() {
            match gaps.iter().find(|(gap, _)| rest.starts_with(gap)) {
                Some((gap, value)) => {
                    message.extend_from_slice(value);
                    rest = &rest[gap.len()..];
                }
                None => {
                    message.extend_from_slice(c.to_string().as_bytes());
                    rest = &rest[c.len_utf8()..];
                }
            }
        }
        message
    }

    /// What may stand in the header, one for each key.
    fn signatures(&self, sent: &Sent) -> Vec<String> {
        let message = self.message(sent);
        self.keys()
            .iter()
            .map(|key| {
                let mac = match self.algorithm {
                    Algorithm::Sha256 => mac::<sha2::Sha256>(64, key, &message),
                    Algorithm::Sha1 => mac::<sha1::Sha1>(64, key, &message),
                    Algorithm::Sha512 => mac::<sha2::Sha512>(128, key, &message),
                };
                match self.encoding {
                    Encoding::Hex => mac.iter().map(|b| format!("{b:02x}")).collect(),
                    Encoding::Base64 => STANDARD.encode(mac),
                }
            })
            .collect()
    }

    fn passes(&self, sent: &Sent) -> bool {
        let Some(header) = sent.text("X-Signature") else { return false };
        if self.is_empty() || self.id && sent.text("X-Id").is_none() {
            return false;
        }
        let right = self.signatures(sent);
        let one = |given: &str| match self.encoding {
            Encoding::Hex => right.contains(&given.to_ascii_lowercase()),
            // With all of its padding, or less.
            Encoding::Base64 => right.iter().any(|r| r.starts_with(given) && given.starts_with(r.trim_end_matches('='))),
        };
        let commas = if self.prefix.contains(',') { "" } else { "," };
        let mut entries = header.split(|c: char| c.is_ascii_whitespace() || commas.contains(c));
        if !entries.any(|e| e.strip_prefix(self.prefix).is_some_and(one)) {
            return false;
        }
        let Some(_) = &self.stamp else { return true };
        let Some(stamp) = sent.stamp(self).and_then(|s| s.parse::<i128>().ok()) else { return false };
        let scale = if self.unit == Unit::Seconds { 1_000 } else { 1 };
        (stamp * scale - i128::from(NOW) * 1_000).abs() <= 300_000
    }
}

/// RFC 2104, written down.
fn mac<D: Digest>(block: usize, key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut key = if key.len() > block { D::digest(key).to_vec() } else { key.to_vec() };
    key.resize(block, 0);
    let pad = |with: u8| key.iter().map(|b| b ^ with).collect::<Vec<u8>>();
    let inner = D::new().chain_update(pad(0x36)).chain_update(message).finalize();
    D::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

/// What is posted.
struct Sent {
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Sent {
    fn honest(scheme: &Scheme, body: &[u8]) -> Self {
        let mut sent = Self { headers: HeaderMap::new(), body: body.to_vec() };
        sent.put("X-Id", "msg_1");
        sent.stamped(scheme, NOW);
        sent.sign(scheme);
        sent
    }

    fn put(&mut self, name: &'static str, value: &str) {
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            self.headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
        }
    }

    /// All values of a header.
    fn text(&self, name: &str) -> Option<String> {
        let all: Vec<_> = self.headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
        Some(all.join(" ").trim().to_owned()).filter(|t| !t.is_empty())
    }

    fn stamped(&mut self, scheme: &Scheme, seconds: i64) {
        let scale = if scheme.unit == Unit::Seconds { 1 } else { 1_000 };
        let stamp = (i128::from(seconds) * scale).to_string();
        match &scheme.stamp {
            Some(StampAt::Field(_)) => self.put("X-Signature", &format!("t={stamp}")),
            _ => self.put("X-Stamp", &stamp),
        }
    }

    fn stamp(&self, scheme: &Scheme) -> Option<String> {
        match scheme.stamp.as_ref()? {
            StampAt::Header(_) => self.text("X-Stamp"),
            StampAt::Field(_) => {
                let header = self.text("X-Signature")?;
                header.split([',', ' ']).find_map(|e| e.strip_prefix("t=")).map(str::to_owned)
            }
        }
    }

    /// Adds the signatures of what is there.
    fn sign(&mut self, scheme: &Scheme) {
        let entries: Vec<String> = scheme.signatures(self).iter().map(|s| format!("{}{s}", scheme.prefix)).collect();
        // A stamp beside it is parted from it by what parts entries.
        let before = self.text("X-Signature").map(|t| format!("{t} ")).unwrap_or_default();
        self.put("X-Signature", &format!("{before}{}", entries.join(" ")));
    }

    fn spoil(&mut self, wrong: usize, odd: u8, scheme: &Scheme) {
        let signature = self.text("X-Signature").unwrap_or_default();
        match wrong {
            1 if !self.body.is_empty() => {
                let at = usize::from(odd) % self.body.len();
                self.body[at] ^= 1 << (odd % 8);
            }
            2 => self.body.push(odd),
            3 => self.put("X-Signature", &signature[..signature.len() - usize::from(odd % 4).min(signature.len())]),
            4 => self.put("X-Signature", &signature.to_uppercase()),
            5 => self.put("X-Signature", &signature.replace(' ', ",")),
            6 => self.put("X-Signature", &format!("{}AAAA {signature}", scheme.prefix)),
            7 => {
                self.headers.remove("X-Signature");
                self.stamped(scheme, NOW + 3 * (i64::from(odd) - 128));
                self.sign(scheme);
            }
            // Signed then, told now.
            8 => self.stamped(scheme, NOW + i64::from(odd) + 1),
            9 => self.put("X-Id", "msg_2"),
            10 => drop(self.headers.remove("X-Signature")),
            11 => drop(self.headers.remove("X-Id")),
            12 => drop(self.headers.remove("X-Stamp")),
            13 => self.put("X-Signature", &signature.replace('=', "")),
            14 => self.put("X-Stamp", ["", "-1", "99999999999999999999", "1e9", "now", "一"][usize::from(odd) % 6]),
            15 if !signature.is_empty() => {
                let mut bytes = signature.into_bytes();
                let at = usize::from(odd) % bytes.len();
                bytes[at] = bytes[at].wrapping_add(1);
                self.put("X-Signature", &String::from_utf8_lossy(&bytes));
            }
            _ => {}
        }
    }
}
