//! What people and programs do with a mail: `/o/<token>` shows its pixel, `/c/<token>` leads on, `/u/<token>` unsubscribes.
//!
//! Architecture invariant: the token is the whole authority and the only thing that says where a click leads. Nothing but a POST to
//! `/u/` changes what is known of an address; a GET or HEAD at most says that something was looked at.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;

use super::agent;
use super::preference::{self, Lang, Shown};
use crate::daemon::handle::Handle;
use crate::engine::call::CallId;
use crate::engine::contact::Contact;
use crate::engine::event::{Body, Draft};
use crate::engine::link::{Kind, Mail, Token};
use crate::engine::mail::{About, MOST_TOLD, Told, What, known};
use crate::engine::state::{Entry, Key};
use crate::source::webhook::bounce::NAME;
use crate::source::webhook::rate::Buckets;
use crate::store::Read as _;
use crate::store::sqlite::Reader;

/// Openings and clicks a second, of all mails: enough for a large mailing's first minutes, far below what the turn takes.
const RATE: u32 = 200;
/// Mails whose openings are counted here; beyond, counting begins anew and the engine's own count is what bounds them.
const COUNTED: usize = 10_000;
/// A person who clicks waits at most so long for us to note it.
const NOTED: Duration = Duration::from_secs(2);
/// A transparent GIF of one pixel.
const PIXEL: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";
const NO_STORE: &str = "no-store, no-cache, must-revalidate, private, max-age=0";

/// What these pages keep.
#[derive(Clone)]
struct Mails {
    handle: Handle,
    seen: Arc<Mutex<Seen>>,
}

/// How much was told lately; in memory, since it protects us from a flood and promises nothing.
#[derive(Default)]
struct Seen {
    rate: Buckets,
    by_mail: HashMap<CallId, u32>,
}

/// The routes of mails.
pub(super) fn routes(handle: Handle) -> Router {
    let mails = Mails { handle, seen: Arc::default() };
    Router::new()
        .route("/o/{token}", get(opened))
        .route("/c/{token}", get(clicked))
        .route("/u/{token}", get(page).post(answered))
        .with_state(mails)
}

impl Mails {
    fn token(&self, text: &str, kind: Kind) -> Option<Token> {
        Token::verify(text, kind, self.handle.key())
    }

    /// Says that a mail was looked at; what is too much is not said, and nobody waits long for it.
    async fn say(&self, mail: Mail, what: What) {
        let now = Timestamp::now();
        let admitted = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.by_mail.len() >= COUNTED {
                seen.by_mail.clear();
            }
            let told = seen.by_mail.entry(mail.0).or_default();
            *told += 1;
            *told <= MOST_TOLD && seen.rate.admit("mails", Some(RATE), now).is_ok()
        };
        if admitted {
            let told = self.handle.submit(vec![draft(About::Mail(mail), what, now)]);
            drop(tokio::time::timeout(NOTED, told).await); // whoever looks gets an answer, whether it could be noted or not
        }
    }

    /// The mail of a token and what is known of its recipient; `Ok(None)`: we know of no such mail any more.
    async fn recipient(&self, mail: Mail) -> Result<Option<(String, Contact)>, Box<Response>> {
        let handle = self.handle.clone();
        let read = tokio::task::spawn_blocking(move || {
            let reader = Reader::open(handle.file())?;
            let sent = reader.load(&Key::Sent(mail.0))?;
            let Some(Entry::Sent(sent)) = sent.as_deref().filter(|e| matches!(e, Entry::Sent(s) if mail.is_to(&s.to))) else {
                return Ok(None);
            };
            let contact = reader.load(&Key::Contact(sent.to.clone()))?;
            Ok::<_, crate::store::Error>(Some((sent.to.clone(), known(contact.as_deref()))))
        });
        let busy = || Box::new(StatusCode::SERVICE_UNAVAILABLE.into_response());
        read.await.map_err(|_| busy())?.map_err(|_| busy())
    }
}

fn draft(about: About, what: What, now: Timestamp) -> Draft {
    Draft::own(NAME, now, Body::Mail(Box::new(Told { about, what })))
}

/// Nothing of the kind is here; the same whatever is wrong with a token.
fn nothing(headers: &HeaderMap, handle: &Handle) -> Response {
    preference::page(StatusCode::NOT_FOUND, &Shown::Nothing, lang(headers, handle))
}

fn lang(headers: &HeaderMap, handle: &Handle) -> Lang {
    let wanted = headers.get(header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    Lang::of(wanted, &handle.live().definitions.lang)
}

/// `GET /o/<token>`
async fn opened(State(mails): State<Mails>, Path(token): Path<String>, method: Method, headers: HeaderMap) -> Response {
    let Some(Token::Open { mail }) = mails.token(&token, Kind::Open) else { return nothing(&headers, &mails.handle) };
    mails.say(mail, What::Opened { machine: agent::machine(&method, &headers) }).await;
    ([(header::CONTENT_TYPE, "image/gif"), (header::CACHE_CONTROL, NO_STORE)], PIXEL).into_response()
}

/// `GET /c/<token>`: to where the mail's author wrote, and nowhere else.
async fn clicked(State(mails): State<Mails>, Path(token): Path<String>, method: Method, headers: HeaderMap) -> Response {
    let Some(Token::Click { mail, url }) = mails.token(&token, Kind::Click) else { return nothing(&headers, &mails.handle) };
    let Some(target) = target(&url) else { return nothing(&headers, &mails.handle) };
    mails.say(mail, What::Clicked { url, machine: agent::machine(&method, &headers) }).await;
    let quiet = [(header::CACHE_CONTROL, NO_STORE), (header::REFERRER_POLICY, "no-referrer")];
    (StatusCode::FOUND, [(header::LOCATION, target)], quiet).into_response()
}

/// The address as a header may hold it.
fn target(url: &str) -> Option<HeaderValue> {
    let parsed = url::Url::parse(url).ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host())?;
    let plain = url.bytes().all(|b| b.is_ascii_graphic());
    HeaderValue::from_str(if plain { url } else { parsed.as_str() }).ok()
}

/// `GET /u/<token>`: a page with a button. HEAD is for programs: it shows nothing, and asks nothing of the store.
async fn page(State(mails): State<Mails>, Path(token): Path<String>, method: Method, headers: HeaderMap) -> Response {
    let Some(Token::Unsubscribe { mail }) = mails.token(&token, Kind::Unsubscribe) else {
        return nothing(&headers, &mails.handle);
    };
    if method == Method::HEAD {
        return StatusCode::OK.into_response();
    }
    match mails.recipient(mail).await {
        Ok(Some((address, contact))) => {
            let subscribed = contact.unsubscribed.is_none() && contact.complained.is_none();
            preference::page(
                StatusCode::OK,
                &Shown::Choice { address: &address, subscribed, done: false },
                lang(&headers, &mails.handle),
            )
        }
        Ok(None) => nothing(&headers, &mails.handle),
        Err(busy) => *busy,
    }
}

/// `POST /u/<token>`: by a mail program (RFC 8058), or by the page's button.
async fn answered(State(mails): State<Mails>, Path(token): Path<String>, request: Request) -> Response {
    let headers = request.headers().clone();
    let Some(Token::Unsubscribe { mail }) = mails.token(&token, Kind::Unsubscribe) else {
        return nothing(&headers, &mails.handle);
    };
    let body = match super::control::text(request).await {
        Ok(body) => body,
        Err(refusal) => return *refusal,
    };
    let Some(asked) = preference::asked(&headers, &body) else {
        return preference::page(StatusCode::BAD_REQUEST, &Shown::Nothing, lang(&headers, &mails.handle));
    };
    let (address, before) = match mails.recipient(mail).await {
        Ok(Some(found)) => found,
        Ok(None) => return nothing(&headers, &mails.handle),
        Err(busy) => return *busy,
    };
    let (what, news) = match asked {
        preference::Asked::OneClick => (What::Unsubscribed("one-click".into()), before.unsubscribed.is_none()),
        preference::Asked::Unsubscribe => (What::Unsubscribed("page".into()), before.unsubscribed.is_none()),
        preference::Asked::Subscribe => (What::Resubscribed("page".into()), before.bar().is_some()),
    };
    if news && mails.handle.command(vec![draft(About::Mail(mail), what, Timestamp::now())]).await.is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "2")]).into_response();
    }
    if asked == preference::Asked::OneClick {
        return (StatusCode::OK, [(header::CACHE_CONTROL, NO_STORE)]).into_response();
    }
    let subscribed = asked == preference::Asked::Subscribe;
    preference::page(StatusCode::OK, &Shown::Choice { address: &address, subscribed, done: true }, lang(&headers, &mails.handle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_click_leads_to_the_web_only() {
        for (url, expect) in [
            ("https://a.cn/x?a=1#b", Some("https://a.cn/x?a=1#b")),
            ("http://a.cn", Some("http://a.cn")),
            ("https://a.cn/产品", Some("https://a.cn/%E4%BA%A7%E5%93%81")),
            ("javascript:alert(1)", None),
            ("//a.cn", None),
            ("https://", None),
            ("data:text/html,x", None),
        ] {
            assert_eq!(target(url).as_ref().map(|v| v.to_str().unwrap()), expect, "{url}");
        }
        assert!(!target("https://a.cn/\r\nSet-Cookie: x").is_some_and(|v| v.to_str().unwrap().contains('\n')));
    }

    #[test]
    fn the_pixel_is_a_gif_of_one_pixel() {
        assert_eq!((PIXEL.len(), &PIXEL[..6], &PIXEL[6..10]), (43, &b"GIF89a"[..], &[1, 0, 1, 0][..]));
    }
}
