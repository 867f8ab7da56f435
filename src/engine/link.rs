//! Links that people receive: what a link means is in the link, signed. Nothing of a token is ever stored or logged; the key is
//! passed in, and this never judges time by itself.
//!
//! Text: `<base64url(payload)>.<base64url(first 16 bytes of HMAC-SHA256)>`. The payload is a version and the token as JSON; the
//! signature also covers what kind of link it is, so that one kind can never be shown for another.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac as _};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretBox};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::call::CallId;

/// Bytes of the key.
pub const KEY: usize = 32;
/// Longer texts are refused unread: browsers, mail programs and servers cut them somewhere beyond.
pub const LONGEST: usize = 4_096;
/// Bytes of the signature: 128 bits cannot be guessed, and keep links short.
const SIGNATURE: usize = 16;
/// The version of the payload; the text of a link lives for as long as the mail that it is in.
const VERSION: u8 = b'1';

/// The key by which links are signed. Cannot be printed.
#[derive(Clone)]
pub struct Key(Arc<SecretBox<[u8; KEY]>>);

impl Key {
    /// Of these bytes, which must be random.
    pub fn new(bytes: [u8; KEY]) -> Self {
        Self(Arc::new(SecretBox::new(Box::new(bytes))))
    }
}

impl Key {
    /// The code of six digits that proves who decides a task: that many were sent to this person by then. Never kept anywhere.
    pub fn code(&self, task: &str, person: &str, n: u32) -> Option<String> {
        let hash = self.hash(b"ifthen code\0", &[task, person, &n.to_string()])?;
        let number = hash.iter().take(8).fold(0, |n: u64, byte| n << 8 | u64::from(*byte));
        Some(format!("{:06}", number % 1_000_000))
    }

    /// What a page's form must bring back: bound to its link and to the session in which it was shown.
    pub fn form(&self, link: &str, session: &str) -> Option<String> {
        let hash = self.hash(b"ifthen form\0", &[link, session])?;
        Some(URL_SAFE_NO_PAD.encode(hash.get(..SIGNATURE)?))
    }

    fn hash(&self, domain: &[u8], parts: &[&str]) -> Option<[u8; 32]> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()).ok()?;
        mac.update(domain);
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes()); // no two lists of parts give the same bytes
            mac.update(part.as_bytes());
        }
        Some(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

/// Which mail to whom. The address is here as a digest: numbers of calls come again when a backup is restored, and a link of before
/// must never speak for the recipient of another mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mail(pub CallId, pub u64);

impl Mail {
    /// This call's mail to this address, which is normalised.
    pub fn new(call: CallId, address: &str) -> Self {
        Self(call, digest(address))
    }

    /// Whether it went to this address.
    pub fn is_to(&self, address: &str) -> bool {
        self.1 == digest(address)
    }
}

/// 53 bits, which every JSON reader keeps.
fn digest(address: &str) -> u64 {
    let hash = Sha256::digest(address.as_bytes());
    let number = hash.iter().take(8).fold(0, |n: u64, byte| n << 8 | u64::from(*byte));
    number >> 11
}

/// What a link means; closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Token {
    /// A mail was shown: its pixel.
    #[serde(rename = "o")]
    Open {
        /// Which.
        #[serde(rename = "m")]
        mail: Mail,
    },
    /// A link of a mail was followed.
    #[serde(rename = "c")]
    Click {
        /// Which mail.
        #[serde(rename = "m")]
        mail: Mail,
        /// Where it leads.
        #[serde(rename = "u")]
        url: String,
    },
    /// The recipient of a mail may unsubscribe.
    #[serde(rename = "u")]
    Unsubscribe {
        /// Which mail.
        #[serde(rename = "m")]
        mail: Mail,
    },
    /// A person may decide a task.
    #[serde(rename = "t")]
    Task {
        /// The task's id.
        #[serde(rename = "t")]
        task: String,
        /// Who may.
        #[serde(rename = "p")]
        person: String,
        /// Until when, in Unix seconds.
        #[serde(rename = "e")]
        until: i64,
    },
    /// A mail names itself, for bounces.
    #[serde(rename = "b")]
    Mail {
        /// Which.
        #[serde(rename = "m")]
        mail: Mail,
    },
    /// A browser's cookie: whoever uses it has proved to be this person.
    #[serde(rename = "s")]
    Session {
        /// Who.
        #[serde(rename = "p")]
        person: String,
        /// Until when, in Unix seconds.
        #[serde(rename = "e")]
        until: i64,
    },
}

/// The kinds of [`Token`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the tokens say it")]
pub enum Kind {
    Open,
    Click,
    Unsubscribe,
    Task,
    Mail,
    Session,
}

impl Kind {
    /// What the signature covers before the payload; part of the format.
    fn domain(self) -> &'static [u8] {
        match self {
            Self::Open => b"ifthen link open\0",
            Self::Click => b"ifthen link click\0",
            Self::Unsubscribe => b"ifthen link unsubscribe\0",
            Self::Task => b"ifthen link task\0",
            Self::Mail => b"ifthen link mail\0",
            Self::Session => b"ifthen session\0",
        }
    }
}

impl Token {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Open { .. } => Kind::Open,
            Self::Click { .. } => Kind::Click,
            Self::Unsubscribe { .. } => Kind::Unsubscribe,
            Self::Task { .. } => Kind::Task,
            Self::Mail { .. } => Kind::Mail,
            Self::Session { .. } => Kind::Session,
        }
    }

    /// Whether its time is over; only tasks and sessions have one, and its last second still counts.
    pub fn is_over(&self, now: Timestamp) -> bool {
        matches!(self, Self::Task { until, .. } | Self::Session { until, .. } if now.as_second() > *until)
    }

    /// As a link carries it; the same token gives the same text. `None`: it would be longer than [`LONGEST`].
    pub fn sign(&self, key: &Key) -> Option<String> {
        let mut payload = vec![VERSION];
        serde_json::to_writer(&mut payload, self).ok()?;
        let signature = signature(key, self.kind(), &payload)?;
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(&payload), URL_SAFE_NO_PAD.encode(signature));
        (text.len() <= LONGEST).then_some(text)
    }

    /// The token of this kind that we have signed as this text. Says nothing about why there is none.
    pub fn verify(text: &str, kind: Kind, key: &Key) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let (payload, told) = text.split_once('.')?;
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let told = URL_SAFE_NO_PAD.decode(told).ok()?;
        let ours = signature(key, kind, &payload)?;
        if !bool::from(ours.as_slice().ct_eq(told.as_slice())) {
            return None;
        }
        let token: Self = serde_json::from_slice(payload.strip_prefix(&[VERSION])?).ok()?;
        (token.kind() == kind).then_some(token)
    }
}

fn signature(key: &Key, kind: Kind, payload: &[u8]) -> Option<[u8; SIGNATURE]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.0.expose_secret()).ok()?;
    mac.update(kind.domain());
    mac.update(payload);
    mac.finalize().into_bytes().get(..SIGNATURE)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 6] = [Kind::Open, Kind::Click, Kind::Unsubscribe, Kind::Task, Kind::Mail, Kind::Session];

    fn key(n: u8) -> Key {
        Key::new([n; KEY])
    }

    fn mail() -> Mail {
        Mail::new(CallId { seq: 1042, n: 2 }, "liuyang@example.com")
    }

    fn tokens() -> [Token; 6] {
        [
            Token::Open { mail: mail() },
            Token::Click { mail: mail(), url: "https://example.com/产品?a=1&b=\"x\"#价格".into() },
            Token::Unsubscribe { mail: mail() },
            Token::Task { task: "t7-1".into(), person: "张三".into(), until: 1_800_000_000 },
            Token::Mail { mail: mail() },
            Token::Session { person: "张三".into(), until: 1_800_000_000 },
        ]
    }

    #[test]
    fn what_was_signed_is_read_again_and_only_as_what_it_is() {
        for (token, kind) in tokens().into_iter().zip(KINDS) {
            let text = token.sign(&key(7)).unwrap();
            assert_eq!(token.sign(&key(7)).as_ref(), Some(&text), "not the same text twice");
            assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)), "{text}");
            for asked in KINDS {
                let expect = (asked == kind).then(|| token.clone());
                assert_eq!(Token::verify(&text, asked, &key(7)), expect, "{kind:?} as {asked:?}");
            }
            assert_eq!(Token::verify(&text, kind, &key(8)), None, "another key");
        }
    }

    #[test]
    fn the_format_is_a_promise_to_mails_that_are_out() {
        let text = Token::Unsubscribe { mail: mail() }.sign(&key(7)).unwrap();
        assert_eq!(text, "MXsidSI6eyJtIjpbImMxMDQyLTIiLDM3MTg0MzQ3MDkzMTI1NzFdfX0.6GRTa65l7ZC8WOpdDQ33CQ");
        let payload = URL_SAFE_NO_PAD.decode(text.split_once('.').unwrap().0).unwrap();
        assert_eq!(String::from_utf8(payload).unwrap(), r#"1{"u":{"m":["c1042-2",3718434709312571]}}"#);
    }

    #[test]
    fn every_cut_and_every_changed_character_is_refused() {
        for (token, kind) in tokens().into_iter().zip(KINDS) {
            let text = token.sign(&key(7)).unwrap();
            for at in 0..text.len() {
                assert_eq!(Token::verify(&text[..at], kind, &key(7)), None, "cut at {at}");
                assert_eq!(Token::verify(&text[at + 1..], kind, &key(7)), None, "without its head up to {at}");
                for other in [b'A', b'.', b'-', b'=', text.as_bytes()[at] ^ 1, text.as_bytes()[at] ^ 2] {
                    let mut bytes = text.clone().into_bytes();
                    bytes[at] = other;
                    let Ok(changed) = String::from_utf8(bytes) else { continue };
                    assert_eq!(Token::verify(&changed, kind, &key(7)).is_some(), changed == text, "{changed}");
                }
            }
            for more in ["", ".", "=", "A", "\n", " "] {
                assert_eq!(Token::verify(&format!("{text}{more}"), kind, &key(7)).is_some(), more.is_empty());
            }
        }
    }

    #[test]
    fn a_signed_nonsense_is_refused() {
        for payload in ["", "1", "1{}", "2{\"o\":{\"m\":[\"c1-1\",1]}}", "1{\"x\":{}}", "1{\"o\":{\"m\":[\"c1-1\",1]}} x"] {
            let signed = signature(&key(7), Kind::Open, payload.as_bytes()).unwrap();
            let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(payload), URL_SAFE_NO_PAD.encode(signed));
            assert_eq!(Token::verify(&text, Kind::Open, &key(7)), None, "{payload}");
        }
        // Another kind, signed as this one: it is what it says, not what it was signed for.
        let other = r#"1{"u":{"m":["c1-1",1]}}"#;
        let signed = signature(&key(7), Kind::Open, other.as_bytes()).unwrap();
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(other), URL_SAFE_NO_PAD.encode(signed));
        assert_eq!(Token::verify(&text, Kind::Open, &key(7)), None, "{other}");
        let shorter = URL_SAFE_NO_PAD.encode("1{\"o\":{\"m\":[\"c1-1\",1]}}");
        assert_eq!(Token::verify(&format!("{shorter}."), Kind::Open, &key(7)), None, "an empty signature");
    }

    #[test]
    fn what_is_too_long_is_neither_made_nor_read() {
        let long = |n: usize| Token::Click { mail: mail(), url: format!("https://example.com/{}", "长".repeat(n)) };
        assert!(long(900).sign(&key(7)).is_some_and(|t| t.len() <= LONGEST));
        assert_eq!(long(1_000).sign(&key(7)), None);
        assert_eq!(Token::verify(&"A".repeat(LONGEST + 1), Kind::Click, &key(7)), None);
    }

    #[test]
    fn a_link_speaks_for_one_address() {
        assert!(mail().is_to("liuyang@example.com") && !mail().is_to("other@example.com"));
        assert!(digest("liuyang@example.com") < 1 << 53);
    }

    #[test]
    fn a_tasks_last_second_still_counts() {
        let task = Token::Task { task: "t".into(), person: "p".into(), until: 100 };
        let at = |s| Timestamp::from_second(s).unwrap();
        assert!(
            !task.is_over(at(100)) && task.is_over(at(101)) && !Token::Open { mail: mail() }.is_over(at(i64::from(u32::MAX)))
        );
    }

    #[test]
    fn a_code_is_of_one_key_task_person_and_number() {
        let code = |k, task: &str, person: &str, n| key(k).code(task, person, n).unwrap();
        assert_eq!(code(7, "t7-1", "张三", 1), code(7, "t7-1", "张三", 1));
        let all =
            [code(7, "t7-1", "张三", 1), code(8, "t7-1", "张三", 1), code(7, "t7-2", "张三", 1), code(7, "t7-1", "李四", 1)];
        let all: std::collections::BTreeSet<String> = all.into_iter().chain([code(7, "t7-1", "张三", 2)]).collect();
        assert_eq!(all.len(), 5, "{all:?}");
        assert!(all.iter().all(|c| c.len() == 6 && c.bytes().all(|b| b.is_ascii_digit())), "{all:?}");
    }

    #[test]
    fn a_form_is_of_one_link_and_session() {
        let form = |link, session| key(7).form(link, session).unwrap();
        assert_eq!(form("a", "b"), form("a", "b"));
        assert_ne!(form("a", "b"), form("a", ""));
        assert_ne!(form("ab", ""), form("a", "b"));
    }

    #[test]
    fn the_key_cannot_be_printed() {
        assert_eq!(format!("{:?}", key(65)), "Key(***)");
    }
}
