//! Is the sender who it says? Addresses, bearer tokens, basic logins, signatures over the raw bytes.
//!
//! Every comparison with a secret takes the same time however much of it is right, and no answer shows what would have been
//! right. A secret that is empty proves nothing: it is refused, not matched.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use hmac::{KeyInit, Mac};
use ipnet::IpNet;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConstantTimeEq};

use super::{Refusal, Request};
use crate::config::settings::{Algorithm, Encoding, Hmac, KeyForm, StampAt, Unit, Verify};

/// Standard alphabet; senders disagree about the padding.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether the peer's address is in one of the networks; any is, where none is named.
pub(super) fn address(from: &[IpNet], peer: IpAddr) -> Result<(), Refusal> {
    let peer = peer.to_canonical(); // ::ffff:10.0.0.1 is 10.0.0.1
    if from.is_empty() || from.iter().any(|net| net.contains(&peer)) {
        return Ok(());
    }
    let detail = format!("{peer} is not one of the addresses from which this source may send (verify: from)");
    Err(Refusal::new(403, "address", "This address may not send here", detail))
}

/// Every proof that is demanded.
pub(super) fn check(verify: &Verify, request: &Request<'_>) -> Result<(), Refusal> {
    if !verify.bearer.is_empty() {
        bearer(&verify.bearer, request.headers)?;
    }
    if let Some((user, password)) = &verify.basic {
        basic(user, password, request.headers)?;
    }
    match &verify.hmac {
        Some(hmac) => signature(hmac, request),
        None => Ok(()),
    }
}

fn credentials<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    headers.get_all(AUTHORIZATION).iter().find_map(|value| {
        let (name, rest) = value.to_str().ok()?.trim().split_once(' ')?;
        name.eq_ignore_ascii_case(scheme).then(|| rest.trim())
    })
}

fn unauthorised(code: &'static str, detail: impl Into<String>) -> Refusal {
    Refusal::new(401, code, "The sender could not be verified", detail)
}

fn bearer(tokens: &[SecretString], headers: &HeaderMap) -> Result<(), Refusal> {
    let given =
        credentials(headers, "bearer").ok_or_else(|| unauthorised("bearer", "header `Authorization: Bearer …` is missing"))?;
    let mut good = Choice::from(0);
    for token in tokens.iter().map(|t| t.expose_secret()).filter(|t| !t.is_empty()) {
        good |= token.as_bytes().ct_eq(given.as_bytes());
    }
    if good.into() { Ok(()) } else { Err(unauthorised("bearer", "the bearer token is not the right one")) }
}

fn basic(user: &str, password: &SecretString, headers: &HeaderMap) -> Result<(), Refusal> {
    let given =
        credentials(headers, "basic").ok_or_else(|| unauthorised("basic", "header `Authorization: Basic …` is missing"))?;
    let given = BASE64.decode(given).map_err(|_| unauthorised("basic", "the basic login is not valid Base64"))?;
    let expected = format!("{user}:{}", password.expose_secret());
    let good = expected.as_bytes().ct_eq(&given) & Choice::from(u8::from(!password.expose_secret().is_empty()));
    if good.into() { Ok(()) } else { Err(unauthorised("basic", "user or password is not the right one")) }
}

fn signature(hmac: &Hmac, request: &Request<'_>) -> Result<(), Refusal> {
    let header = text(request.headers, &hmac.header)
        .ok_or_else(|| unauthorised("signature", format!("header `{}` with the signature is missing", hmac.header)))?;
    let stamp = hmac.timestamp.as_ref().map(|at| stamp(at, &header, request.headers)).transpose()?;
    let id = match &hmac.id_header {
        Some(name) => text(request.headers, name)
            .ok_or_else(|| unauthorised("signature", format!("header `{name}`, which is signed too, is missing")))?,
        None => String::new(),
    };
    let given: Vec<Vec<u8>> =
        entries(&header, &hmac.prefix).filter_map(|e| decode(hmac.encoding, e)).filter(|s| !s.is_empty()).collect();
    if given.is_empty() {
        return Err(unauthorised("signature", unreadable(hmac)));
    }
    if !hmac.signed.contains("{body}") {
        return Err(Refusal::misconfigured("`signed` of this source's signature lacks {body}: nothing would be verified"));
    }
    let pieces = pieces(
        &hmac.signed,
        &[
            ("{body}", request.body),
            ("{timestamp}", stamp.as_deref().unwrap_or_default().as_bytes()),
            ("{id}", id.as_bytes()),
            ("{method}", request.method.as_str().as_bytes()),
            ("{path}", request.path.as_bytes()),
        ],
    );
    let mut good = Choice::from(0);
    for key in keys(hmac)? {
        let expected = mac(hmac.algorithm, &key, &pieces);
        for signature in &given {
            good |= expected.ct_eq(signature);
        }
    }
    if !bool::from(good) {
        return Err(unauthorised("signature", format!("the signature in header `{}` does not fit the body", hmac.header)));
    }
    // After the signature: only who holds the secret learns how our clocks differ.
    stamp.map_or(Ok(()), |stamp| window(hmac, &stamp, request.now))
}

/// All values of a header, separated by blanks; `None` if there are none.
fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<_> = headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
    Some(values.join(" ").trim().to_owned()).filter(|t| !t.is_empty())
}

/// The entries of a list in a header that begin with the prefix, without it. Blanks separate entries, and commas do unless the
/// prefix holds one (`v1,` of Standard Webhooks).
fn entries<'a>(header: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    let commas = !prefix.contains(',');
    header
        .split(move |c: char| c.is_ascii_whitespace() || (commas && c == ','))
        .filter_map(move |entry| entry.strip_prefix(prefix))
        .filter(|entry| !entry.is_empty())
}

fn unreadable(hmac: &Hmac) -> String {
    let encoding = match hmac.encoding {
        Encoding::Hex => "hex",
        Encoding::Base64 => "Base64",
    };
    match hmac.prefix.as_str() {
        "" => format!("header `{}` holds no signature in {encoding}", hmac.header),
        prefix => format!("header `{}` holds no signature in {encoding} behind `{prefix}`", hmac.header),
    }
}

fn decode(encoding: Encoding, text: &str) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Base64 => BASE64.decode(text).ok(),
        Encoding::Hex => {
            let digits: Vec<u8> =
                text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect::<Option<_>>()?;
            let (pairs, rest) = digits.as_chunks::<2>();
            rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
        }
    }
}

fn stamp(at: &StampAt, header: &str, headers: &HeaderMap) -> Result<String, Refusal> {
    match at {
        StampAt::Header(name) => {
            text(headers, name).ok_or_else(|| unauthorised("timestamp", format!("header `{name}` with the timestamp is missing")))
        }
        StampAt::Field(name) => {
            let field = format!("{name}=");
            let found = header.split([',', ' ']).find_map(|entry| entry.strip_prefix(&field));
            found
                .map(str::to_owned)
                .ok_or_else(|| unauthorised("timestamp", format!("the signature header has no timestamp `{name}=…`")))
        }
    }
}

fn window(hmac: &Hmac, stamp: &str, now: Timestamp) -> Result<(), Refusal> {
    let unit = match hmac.unit {
        Unit::Seconds => "seconds",
        Unit::Milliseconds => "milliseconds",
    };
    let read = |n: i64| match hmac.unit {
        Unit::Seconds => Timestamp::from_second(n).ok(),
        Unit::Milliseconds => Timestamp::from_millisecond(n).ok(),
    };
    let sent = stamp
        .parse()
        .ok()
        .and_then(read)
        .ok_or_else(|| unauthorised("timestamp", format!("the timestamp is not a Unix time in {unit}")))?;
    let age = now.duration_since(sent);
    if age.abs() <= hmac.tolerance {
        return Ok(());
    }
    let (seconds, most) = (age.abs().as_secs(), hmac.tolerance.as_secs());
    let way = if age.is_negative() { "ahead of our clock" } else { "old" };
    Err(unauthorised("timestamp", format!("the timestamp is {seconds} s {way}, at most {most} s are taken")))
}

/// The bytes that are signed, piece by piece: the text of `signed` with the placeholders' values in their places.
fn pieces<'a>(signed: &'a str, values: &[(&str, &'a [u8])]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = signed;
    let next = |rest: &str| values.iter().filter_map(|(name, v)| Some((rest.find(name)?, name.len(), *v))).min_by_key(|f| f.0);
    while let Some((at, length, value)) = next(rest) {
        pieces.extend([&rest.as_bytes()[..at], value]);
        rest = &rest[at + length..];
    }
    pieces.push(rest.as_bytes());
    pieces
}

fn keys(hmac: &Hmac) -> Result<Vec<Vec<u8>>, Refusal> {
    let key = |secret: &SecretString| {
        let text = secret.expose_secret();
        let bytes = match hmac.key {
            KeyForm::Text => Some(text.as_bytes().to_owned()),
            KeyForm::Base64 => BASE64.decode(text.strip_prefix("whsec_").unwrap_or(text)).ok(),
        };
        // With an empty key anyone could sign.
        bytes.filter(|b| !b.is_empty())
    };
    let keys: Option<Vec<_>> = hmac.secrets.iter().map(key).collect();
    keys.filter(|k| !k.is_empty())
        .ok_or_else(|| Refusal::misconfigured("a signing secret of this source is empty, or is not the Base64 it should be"))
}

fn mac(algorithm: Algorithm, key: &[u8], pieces: &[&[u8]]) -> Vec<u8> {
    fn run<M: Mac + KeyInit>(key: &[u8], pieces: &[&[u8]]) -> Vec<u8> {
        // A key of any length is right for HMAC; were it not, the empty answer would match no signature.
        let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { return Vec::new() };
        for piece in pieces {
            mac.update(piece);
        }
        mac.finalize().into_bytes().to_vec()
    }
    match algorithm {
        Algorithm::Sha256 => run::<hmac::Hmac<sha2::Sha256>>(key, pieces),
        Algorithm::Sha1 => run::<hmac::Hmac<sha1::Sha1>>(key, pieces),
        Algorithm::Sha512 => run::<hmac::Hmac<sha2::Sha512>>(key, pieces),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue, Method};
    use jiff::SignedDuration;

    use super::*;

    fn hmac(secret: &str, header: &str, prefix: &str, signed: &str) -> Hmac {
        Hmac {
            secrets: vec![secret.into()],
            key: KeyForm::Text,
            header: header.into(),
            algorithm: Algorithm::Sha256,
            encoding: Encoding::Hex,
            prefix: prefix.into(),
            signed: signed.into(),
            id_header: None,
            timestamp: None,
            unit: Unit::Seconds,
            tolerance: SignedDuration::from_secs(300),
        }
    }

    /// What becomes of a body with these headers (`name: value`) at this time (Unix milliseconds): `ok` or the refusal.
    fn check(verify: &Verify, headers: &[&str], body: &str, now: i64, expect: &str) {
        let mut map = HeaderMap::new();
        for (name, value) in headers.iter().map(|h| h.split_once(": ").unwrap()) {
            map.append(HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let request = Request {
            method: &Method::POST,
            path: "/webhook_uri",
            headers: &map,
            body: body.as_bytes(),
            peer: [10, 0, 0, 1].into(),
            now: Timestamp::from_millisecond(now).unwrap(),
        };
        let got =
            super::check(verify, &request).map_or_else(|r| format!("{} {}: {}", r.status, r.code, r.detail), |()| "ok".into());
        assert_eq!(got, expect, "{headers:?}");
    }

    fn signed(hmac: Hmac) -> Verify {
        Verify { hmac: Some(hmac), ..Verify::default() }
    }

    const MISFIT: &str = "the signature in header `X-Hub-Signature-256` does not fit the body";

    #[test]
    fn github_signs_the_raw_body() {
        const GOOD: &str = "X-Hub-Signature-256: sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let v = signed(hmac("It's a Secret to Everybody", "X-Hub-Signature-256", "sha256=", "{body}"));
        check(&v, &[GOOD], "Hello, World!", 0, "ok");
        check(&v, &[&GOOD.replace("757107ea", "757107EA")], "Hello, World!", 0, "ok");
        check(&v, &[GOOD], "Hello, World! ", 0, &format!("401 signature: {MISFIT}"));
        check(&v, &[&GOOD[..GOOD.len() - 2]], "Hello, World!", 0, &format!("401 signature: {MISFIT}"));
        let missing = "401 signature: header `X-Hub-Signature-256` with the signature is missing";
        check(&v, &[], "Hello, World!", 0, missing);
        let odd = "401 signature: header `X-Hub-Signature-256` holds no signature in hex behind `sha256=`";
        for bad in ["sha1=757107ea", "sha256=", "sha256=xyz", "757107ea", "sha256=757"] {
            check(&v, &[&format!("X-Hub-Signature-256: {bad}")], "Hello, World!", 0, odd);
        }
        let foo = "X-Hub-Signature-256: sha256=4864d2759938a15468b5df9ade20bf161da9b4f737ea61794142f3484236bda3";
        check(&signed(hmac("mysecret", "X-Hub-Signature-256", "sha256=", "{body}")), &[foo], r#"{"foo":"bar"}"#, 0, "ok");
    }

    #[test]
    fn any_secret_will_do_while_they_are_changed_and_an_empty_one_never() {
        let foo = "X-Hub-Signature-256: sha256=4864d2759938a15468b5df9ade20bf161da9b4f737ea61794142f3484236bda3";
        let mut v = hmac("new", "X-Hub-Signature-256", "sha256=", "{body}");
        v.secrets.push("mysecret".into());
        check(&signed(v), &[foo], r#"{"foo":"bar"}"#, 0, "ok");
        let empty = "500 settings: a signing secret of this source is empty, or is not the Base64 it should be";
        check(&signed(hmac("", "X-Hub-Signature-256", "sha256=", "{body}")), &[foo], "x", 0, empty);
        let mut none = hmac("x", "X-Hub-Signature-256", "sha256=", "{body}");
        none.secrets.clear();
        check(&signed(none), &[foo], "x", 0, empty);
    }

    #[test]
    fn stripe_has_its_time_and_a_list_in_one_header() {
        const SIGNATURE: &str = "3c5817089d739023dd6190f70a3757e04f7a2fd8b5dab12c2e000f51970dccff";
        let mut h = hmac("whsec_test_secret", "Stripe-Signature", "v1=", "{timestamp}.{body}");
        h.timestamp = Some(StampAt::Field("t".into()));
        let v = signed(h);
        let body = r#"{"id":"evt_test_webhook","object":"event"}"#;
        let now = 1_614_265_330_000;
        check(&v, &[&format!("Stripe-Signature: t=1614265330,v1={SIGNATURE},v0=abcd")], body, now, "ok");
        check(&v, &[&format!("Stripe-Signature: t=1614265330, v1=00ff, v1={SIGNATURE}")], body, now + 300_000, "ok");
        let good = format!("Stripe-Signature: t=1614265330,v1={SIGNATURE}");
        check(&v, &[&good], body, now + 301_000, "401 timestamp: the timestamp is 301 s old, at most 300 s are taken");
        check(
            &v,
            &[&good],
            body,
            now - 301_000,
            "401 timestamp: the timestamp is 301 s ahead of our clock, at most 300 s are taken",
        );
        let timeless = format!("Stripe-Signature: v1={SIGNATURE}");
        check(&v, &[&timeless], body, now, "401 timestamp: the signature header has no timestamp `t=…`");
        let none = "401 signature: header `Stripe-Signature` holds no signature in hex behind `v1=`";
        check(&v, &[&format!("Stripe-Signature: t=1614265330,v0={SIGNATURE}")], body, now, none);
        // Another time than the signed one, whatever the clock says.
        let other = format!("Stripe-Signature: t=1614265331,v1={SIGNATURE}");
        check(&v, &[&other], body, now, "401 signature: the signature in header `Stripe-Signature` does not fit the body");
    }

    #[test]
    fn standard_webhooks_sign_id_and_time_too() {
        let mut h = hmac("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "webhook-signature", "v1,", "{id}.{timestamp}.{body}");
        h.key = KeyForm::Base64;
        h.encoding = Encoding::Base64;
        h.id_header = Some("webhook-id".into());
        h.timestamp = Some(StampAt::Header("webhook-timestamp".into()));
        let v = signed(h);
        let (id, at) = ("webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp: 1614265330");
        let sign = "webhook-signature: v1a,Zm9v v1,Zm9v v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let (body, now) = (r#"{"test": 2432232314}"#, 1_614_265_330_000);
        check(&v, &[id, at, sign], body, now, "ok");
        check(&v, &[at, sign], body, now, "401 signature: header `webhook-id`, which is signed too, is missing");
        check(&v, &[id, sign], body, now, "401 timestamp: header `webhook-timestamp` with the timestamp is missing");
        let misfit = "401 signature: the signature in header `webhook-signature` does not fit the body";
        check(&v, &["webhook-id: other", at, sign], body, now, misfit);
        check(&v, &[id, "webhook-timestamp: soon", sign], body, now, misfit);
    }

    #[test]
    fn slack_twenty_and_hubspot_fit_the_same_scheme() {
        let mut slack = hmac("8f742231b10e8888abcd99yyyzzz85a5", "X-Slack-Signature", "v0=", "v0:{timestamp}:{body}");
        slack.timestamp = Some(StampAt::Header("X-Slack-Request-Timestamp".into()));
        let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&\
                    channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&\
                    response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&\
                    trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let sign = "X-Slack-Signature: v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
        check(&signed(slack), &[sign, "X-Slack-Request-Timestamp: 1531420618"], body, 1_531_420_618_000, "ok");

        let mut twenty = hmac("testsecret", "X-Twenty-Webhook-Signature", "", "{timestamp}:{body}");
        twenty.timestamp = Some(StampAt::Header("X-Twenty-Webhook-Timestamp".into()));
        twenty.unit = Unit::Milliseconds;
        let sign = "X-Twenty-Webhook-Signature: 1646395fb0b8ec39ab6678908eea8d6e150a9d7a47cc62b8a3e236e86b59235e";
        let at = "X-Twenty-Webhook-Timestamp: 1700000000000";
        check(&signed(twenty), &[sign, at], r#"{"eventName":"person.created"}"#, 1_700_000_100_000, "ok");

        let signed_text = "{method}https://www.example.com{path}{body}{timestamp}";
        let mut hubspot = hmac("yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy", "X-HubSpot-Signature-v3", "", signed_text);
        hubspot.timestamp = Some(StampAt::Header("X-HubSpot-Request-Timestamp".into()));
        hubspot.unit = Unit::Milliseconds;
        hubspot.encoding = Encoding::Base64;
        let sign = "X-HubSpot-Signature-v3: K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y=";
        let at = "X-HubSpot-Request-Timestamp: 1693657560000";
        check(&signed(hubspot), &[sign, at], "{'example_field':'example_value'}", 1_693_657_560_000, "ok");
    }

    #[test]
    fn other_hashes_are_those_of_rfc_2202_and_4231() {
        let body = "what do ya want for nothing?";
        let mut h = hmac("Jefe", "s", "", "{body}");
        h.algorithm = Algorithm::Sha1;
        check(&signed(h), &["s: effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"], body, 0, "ok");
        let mut h = hmac("Jefe", "s", "", "{body}");
        h.algorithm = Algorithm::Sha512;
        let sign = "s: 164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd\
                    caeab1a34d4a6b4b636e070a38bce737";
        check(&signed(h), &[sign], body, 0, "ok");
    }

    #[test]
    fn what_is_signed_must_hold_the_body() {
        let sign = "s: effcdf6ae5eb2fa2d27416d5f184df9c259a7c79";
        let detail = "500 settings: `signed` of this source's signature lacks {body}: nothing would be verified";
        check(&signed(hmac("x", "s", "", "{timestamp}")), &[sign], "x", 0, detail);
    }

    #[test]
    fn bearer_and_basic() {
        let v = Verify { bearer: vec!["".into(), "alt".into(), "neu".into()], ..Verify::default() };
        check(&v, &["Authorization: Bearer neu"], "", 0, "ok");
        check(&v, &["authorization: bearer alt"], "", 0, "ok");
        check(&v, &["Authorization: Bearer ne"], "", 0, "401 bearer: the bearer token is not the right one");
        for none in ["Authorization: Basic neu", "Authorization: neu", "X-Token: neu"] {
            check(&v, &[none], "", 0, "401 bearer: header `Authorization: Bearer …` is missing");
        }
        check(&v, &["Authorization: Bearer  "], "", 0, "401 bearer: header `Authorization: Bearer …` is missing");
        let v = Verify { basic: Some(("crm".into(), "密码:x".into())), ..Verify::default() };
        check(&v, &["Authorization: Basic Y3JtOuWvhueggTp4"], "", 0, "ok");
        check(&v, &["Authorization: Basic Y3JtOuWvhueggQ=="], "", 0, "401 basic: user or password is not the right one");
        check(&v, &["Authorization: Basic ???"], "", 0, "401 basic: the basic login is not valid Base64");
        let v = Verify { basic: Some(("crm".into(), "".into())), ..Verify::default() };
        check(&v, &["Authorization: Basic Y3JtOg=="], "", 0, "401 basic: user or password is not the right one");
    }

    #[test]
    fn addresses() {
        let from: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        let check = |peer: &str, expect: bool| assert_eq!(address(&from, peer.parse().unwrap()).is_ok(), expect, "{peer}");
        check("10.1.2.3", true);
        check("::ffff:10.1.2.3", true);
        check("2001:db8::1", true);
        check("11.0.0.1", false);
        check("::1", false);
        assert_eq!(address(&from, [11, 0, 0, 1].into()).unwrap_err().status, 403);
        assert!(address(&[], [11, 0, 0, 1].into()).is_ok());
    }
}
