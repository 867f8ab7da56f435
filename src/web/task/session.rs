//! Who is at the browser: a signed cookie says who has proved to be whom, and a form brings back what only its own page knew.
//!
//! Nothing of it is stored: the key of the data folder signs, and time ends it.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, header};
use jiff::Timestamp;
use subtle::ConstantTimeEq as _;
use url::Url;

use crate::engine::definition::Person;
use crate::engine::link::{Key, Kind, Token};

/// For how long a code given rightly is enough.
const HOURS: i64 = 12;
const COOKIE: &str = "ifthen_session";

/// The cookie as it came, and whose it is.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Its text; empty where there is none that counts.
    pub(super) text: String,
    person: Option<String>,
    /// Since when.
    began: Option<Timestamp>,
}

impl Session {
    /// What the browser brought; what is forged or over is as if it were not there.
    pub(super) fn of(headers: &HeaderMap, key: &Key, now: Timestamp) -> Self {
        let all = headers.get_all(header::COOKIE).into_iter().filter_map(|h| h.to_str().ok());
        let mut values = all.flat_map(|h| h.split(';')).filter_map(|c| c.trim().strip_prefix(COOKIE)?.strip_prefix('='));
        let found = values.find_map(|text| match Token::verify(text, Kind::Session, key) {
            Some(token) if token.is_over(now) => None,
            Some(Token::Session { person, until }) => {
                let began = Timestamp::from_second(until.saturating_sub(HOURS * 3_600)).ok();
                Some(Self { text: text.to_owned(), person: Some(person), began })
            }
            _ => None,
        });
        found.unwrap_or_default()
    }

    /// What counts of it by the definitions of now: whoever has left, or was signed out since, has proved nothing.
    pub(super) fn by(self, people: &BTreeMap<String, Person>) -> Self {
        let person = self.person.as_ref().and_then(|id| people.get(id)).filter(|p| p.active);
        let counts = person.is_some_and(|p| p.signed_out.is_none_or(|out| self.began.is_some_and(|began| began >= out)));
        if counts { self } else { Self::default() }
    }

    /// Whether whoever is there has proved to be this person.
    pub(super) fn is(&self, person: &str) -> bool {
        self.person.as_deref() == Some(person)
    }

    /// Whether a form came from a page that was shown to this browser, for this link.
    pub(super) fn sent(&self, form: &str, link: &str, key: &Key) -> bool {
        key.form(link, &self.text).is_some_and(|ours| ours.as_bytes().ct_eq(form.as_bytes()).into())
    }
}

/// The cookie for a person from now on. `base`: what stands before our addresses as people see them.
pub(super) fn cookie(person: &str, key: &Key, base: &str, now: Timestamp) -> Option<String> {
    let until = now.as_second().saturating_add(HOURS * 3_600);
    let token = Token::Session { person: person.to_owned(), until }.sign(key)?;
    let base = Url::parse(base).ok();
    let path = base.as_ref().map_or("", |b| b.path().trim_end_matches('/'));
    let secure = if base.as_ref().is_some_and(|b| b.scheme() == "https") { "; Secure" } else { "" };
    Some(format!("{COOKIE}={token}; Path={path}/t; Max-Age={}; HttpOnly; SameSite=Lax{secure}", HOURS * 3_600))
}

/// Whether a post comes from our own pages, as far as the browser says: from elsewhere, or from nowhere (`null`), it is refused. Old
/// browsers inside other programs say nothing; then what only our page knew has to do.
pub(super) fn is_ours(headers: &HeaderMap, base: &str) -> bool {
    let text = |name| headers.get(name).and_then(|h| h.to_str().ok());
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Some(origin) = origin.to_str().ok().and_then(|o| Url::parse(o).ok()) else { return false };
    let authority = |url: &Url| url.host_str().map(|host| url.port().map_or(host.to_owned(), |port| format!("{host}:{port}")));
    let here = text(header::HOST).map(str::to_owned);
    let public = Url::parse(base).ok();
    let same = |url: &Url| url.origin() == origin.origin();
    authority(&origin).is_some_and(|o| here.as_ref() == Some(&o)) || public.as_ref().is_some_and(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::new([7; 32])
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect::<HeaderMap>()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_cookie_speaks_for_its_person_for_twelve_hours() {
        let cookie = cookie("何经理", &key(), "https://hooks.example.com/ifthen", at(0)).unwrap();
        let (pair, rest) = cookie.split_once(';').unwrap();
        assert_eq!(rest, " Path=/ifthen/t; Max-Age=43200; HttpOnly; SameSite=Lax; Secure");
        let came = headers(&[("cookie", &format!("other=1; {pair}"))]);
        let session = |now, key: &Key| Session::of(&came, key, at(now));
        assert!(session(43_200, &key()).is("何经理") && !session(0, &key()).is("李四"));
        assert!(!session(43_201, &key()).is("何经理"), "over");
        assert!(!session(0, &Key::new([8; 32])).is("何经理"), "signed by another key");
        assert!(session(43_201, &key()).text.is_empty());
        let forged = headers(&[("cookie", &format!("{pair}x"))]);
        assert!(!Session::of(&forged, &key(), at(0)).is("何经理"));
    }

    #[test]
    fn a_session_ends_with_its_person_and_when_they_are_signed_out() {
        let cookie = cookie("何经理", &key(), "https://hooks.example.com", at(1_000)).unwrap();
        let came = headers(&[("cookie", cookie.split(';').next().unwrap())]);
        let counts = |active: bool, signed_out: Option<i64>| {
            let signed_out = signed_out.map(at);
            let people = [("何经理".to_owned(), Person { active, signed_out, ..Person::default() })].into();
            Session::of(&came, &key(), at(2_000)).by(&people).is("何经理")
        };
        assert!(counts(true, None) && counts(true, Some(999)) && counts(true, Some(1_000)));
        assert!(!counts(true, Some(1_001)), "signed out since");
        assert!(!counts(false, None), "has left");
        assert!(!Session::of(&came, &key(), at(2_000)).by(&BTreeMap::new()).is("何经理"), "is there no more");
    }

    #[test]
    fn another_kind_of_token_is_no_session() {
        let link = Token::Task { task: "t1-1".into(), person: "何经理".into(), until: 100 }.sign(&key()).unwrap();
        let came = headers(&[("cookie", &format!("{COOKIE}={link}"))]);
        assert!(!Session::of(&came, &key(), at(0)).is("何经理"));
    }

    #[test]
    fn a_form_belongs_to_a_link_and_a_session() {
        let session = Session { text: "s".into(), ..Session::default() };
        let form = key().form("link", "s").unwrap();
        assert!(session.sent(&form, "link", &key()));
        assert!(!session.sent(&form, "another", &key()) && !session.sent("", "link", &key()));
        assert!(!Session::default().sent(&form, "link", &key()), "the session of another browser");
    }

    #[test]
    fn posts_from_elsewhere_are_not_ours() {
        let check = |pairs: &[(&'static str, &str)], expect: bool| {
            assert_eq!(is_ours(&headers(pairs), "https://hooks.example.com"), expect, "{pairs:?}");
        };
        check(&[("host", "127.0.0.1:8780"), ("origin", "http://127.0.0.1:8780")], true);
        check(&[("host", "127.0.0.1:8780"), ("origin", "https://hooks.example.com")], true);
        check(&[("host", "127.0.0.1:8780")], true);
        check(&[("host", "127.0.0.1:8780"), ("origin", "null")], false);
        check(&[("host", "127.0.0.1:8780"), ("origin", "https://evil.example")], false);
        check(&[("host", "127.0.0.1:8780"), ("origin", "http://127.0.0.1:8781")], false);
        check(&[("host", "hooks.example.com"), ("origin", "https://hooks.example.com.evil.example")], false);
        check(&[("host", "hooks.example.com"), ("origin", "")], false);
    }
}
