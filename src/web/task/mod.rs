//! The page on which people decide, behind the signed link that they were sent: `GET /t/<token>` shows it, `POST` alone decides. And the
//! same for programs, below `/api/tasks`.
//!
//! Architecture invariant: a link alone decides nothing. Whoever holds it proves who they are by a code that goes to the person's own
//! mail address; a signed cookie remembers that for some hours. No script, nothing from elsewhere.

mod ahead;
pub(super) mod api;
mod case;
mod field;
mod page;
mod past;
mod post;
mod session;
mod stand;
mod submit;
mod words;

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use crate::daemon::handle::{Handle, Live};
use crate::engine::approval::TaskId;
use crate::engine::link::{Kind, Token};
use case::Case;
use page::{Page, STYLE, Shown};
use session::Session;
use words::Lang;

/// What may be loaded and where forms may go. The style is part of the page; its hash lets it in, and nothing else.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    let text =
        format!("default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// What the pages work with.
#[derive(Clone)]
struct Desk {
    handle: Handle,
    /// Codes are looked at one at a time.
    proving: Arc<Mutex<()>>,
}

/// The page's routes.
pub(super) fn router(handle: Handle) -> Router {
    let desk = Desk { handle, proving: Arc::default() };
    Router::new().route("/t/{token}", get(show).post(post::post)).with_state(desk)
}

/// `GET /t/<token>`: what programs that look at links open, too. Changes nothing.
async fn show(State(desk): State<Desk>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    let visit = match Visit::new(&desk, &token, &headers, Timestamp::now()) {
        Ok(visit) => visit,
        Err(page) => return *page,
    };
    match visit.case(&desk).await {
        Ok(case) => respond(StatusCode::OK, &Page::of(&visit.shown(&case, &[]), None), None),
        Err(page) => *page,
    }
}

/// Somebody at the page of a link that we have signed.
struct Visit {
    live: Arc<Live>,
    link: String,
    task: TaskId,
    person: String,
    session: Session,
    form: String,
    lang: Lang,
    now: Timestamp,
}

impl Visit {
    /// Who came by which link; or the page that says why that is none.
    fn new(desk: &Desk, link: &str, headers: &HeaderMap, now: Timestamp) -> Result<Self, Box<Response>> {
        let live = desk.handle.live();
        let accept = headers.get(header::ACCEPT_LANGUAGE).and_then(|h| h.to_str().ok()).unwrap_or_default();
        let lang = Lang::of(accept, &live.definitions.lang);
        let key = desk.handle.key();
        let plain = |status, zh: (&str, &str), en: (&str, &str)| {
            let (head, text) = lang.pick(zh, en);
            Box::new(respond(status, &Page::plain(lang, "wait", head, text), None))
        };
        let token = Token::verify(link, Kind::Task, key);
        let over = token.as_ref().is_some_and(|t| t.is_over(now));
        let found = match token {
            Some(Token::Task { task, person, .. }) => task.parse::<TaskId>().ok().map(|task| (task, person)),
            _ => None,
        };
        let Some((task, person)) = found else {
            return Err(plain(
                StatusCode::NOT_FOUND,
                ("链接无效", "请检查链接是否完整，或从最新的消息中打开。"),
                ("This link does not work", "See whether it is complete, or open it from your latest message."),
            ));
        };
        if over {
            return Err(plain(
                StatusCode::GONE,
                ("链接已过期", "请从最新的消息中打开，或联系管理员。"),
                ("This link has expired", "Open it from your latest message, or ask your administrator."),
            ));
        }
        let session = Session::of(headers, key, now).by(&live.definitions.people);
        let form = key.form(link, &session.text).unwrap_or_default();
        Ok(Self { live, link: link.to_owned(), task, person, session, form, lang, now })
    }

    /// What is known about it now.
    async fn case(&self, desk: &Desk) -> Result<Case, Box<Response>> {
        let (file, task, lang) = (desk.handle.file().to_owned(), self.task, self.lang);
        let all = self.session.is(&self.person);
        let loaded = tokio::task::spawn_blocking(move || Case::load(&file, task, all)).await;
        let (status, head, text) = match loaded {
            Ok(Ok(Some(case))) => return Ok(case),
            Ok(Ok(None)) => {
                let head = lang.pick("这项任务已不再保留", "This task is no longer kept");
                (StatusCode::GONE, head, lang.pick("它早已处理完毕。", "It was settled a while ago.").to_owned())
            }
            Ok(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, lang.pick("请稍后再试", "Try again soon"), error.to_string()),
            Err(error) => (StatusCode::SERVICE_UNAVAILABLE, lang.pick("请稍后再试", "Try again soon"), error.to_string()),
        };
        Err(Box::new(respond(status, &Page::plain(lang, "wait", head, &text), None)))
    }

    fn shown<'a>(&'a self, case: &'a Case, posted: &'a [(String, String)]) -> Shown<'a> {
        Shown {
            case,
            person: &self.person,
            proved: self.session.is(&self.person),
            definitions: &self.live.definitions,
            lang: self.lang,
            now: self.now,
            form: self.form.clone(),
            posted,
        }
    }
}

/// A page. `same-origin`, since with `no-referrer` browsers say `Origin: null` about our own forms: the address goes nowhere else either way.
fn respond(status: StatusCode, page: &Page, cookie: Option<String>) -> Response {
    let mut response = (status, page.html()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
    guard(headers, cookie);
    response
}

/// To the page again, by an address that holds below any prefix.
fn back(link: &str, cookie: Option<String>) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    if let Ok(place) = HeaderValue::from_str(link) {
        headers.insert(header::LOCATION, place); // letters, digits, `-_.`: relative to `/t/`
    }
    guard(headers, cookie);
    response
}

fn guard(headers: &mut HeaderMap, cookie: Option<String>) {
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Some(cookie) = cookie.and_then(|c| HeaderValue::from_str(&c).ok()) {
        headers.insert(header::SET_COOKIE, cookie);
    }
}

/// From where somebody comes: what a proxy on this machine says, otherwise the connection's own address.
fn address(peer: SocketAddr, headers: &HeaderMap) -> String {
    let told = headers.get_all("x-forwarded-for").into_iter().filter_map(|h| h.to_str().ok()).next_back();
    let told = told.and_then(|list| list.rsplit(',').next()?.trim().parse::<std::net::IpAddr>().ok());
    told.filter(|_| peer.ip().is_loopback()).unwrap_or_else(|| peer.ip()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_proxy_on_this_machine_is_believed() {
        let check = |peer: &str, told: &str, expect: &str| {
            let headers = [(HeaderName::from_static("x-forwarded-for"), told.parse().unwrap())].into_iter().collect();
            assert_eq!(address(peer.parse().unwrap(), &headers), expect);
        };
        check("127.0.0.1:1", "10.0.0.9, 203.0.113.5", "203.0.113.5");
        check("203.0.113.9:1", "10.0.0.9", "203.0.113.9");
        check("127.0.0.1:1", "unknown", "127.0.0.1");
    }

    #[test]
    fn the_style_is_let_in_by_its_hash_and_nothing_else_is() {
        let policy = POLICY.to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe"));
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"), "nothing is loaded");
    }
}
