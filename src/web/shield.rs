//! Around every route: which hosts we answer to, how much one address may ask for, and the headers of every answer.
//!
//! Whoever proves who they are is never kept out by what strangers do: what fails its proof is charged afterwards, and only it is
//! told to wait.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use url::Url;

use super::limit::{Limit, network};
use super::{address, problem, too_many};
use crate::daemon::handle::Handle;

/// What a wrong proof (a token, a signature, a forged link, an unknown source) counts for.
const WRONG: u32 = 10;

/// What stands before all routes.
#[derive(Clone)]
pub(super) struct Shield {
    handle: Handle,
    rates: Arc<Mutex<Limit<IpAddr>>>,
}

impl Shield {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle, rates: Arc::default() }
    }

    fn charge(&self, who: IpAddr, cost: u32) -> Result<(), u32> {
        let rate = self.handle.live().settings.limits.address;
        self.rates.lock().unwrap_or_else(PoisonError::into_inner).admit(who, cost, rate, Instant::now())
    }
}

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    /// Probes: never refused.
    Probe,
    /// Webhooks: each source has a rate of its own, behind its proof.
    Intake,
    /// The API: strangers are told by their proof.
    Api,
    /// Pages and whatever else.
    Page,
}

impl Place {
    fn of(path: &str) -> Self {
        match path {
            "/healthz" | "/readyz" | "/metrics" => Self::Probe,
            _ if path.starts_with("/in/") => Self::Intake,
            _ if path.starts_with("/api/") => Self::Api,
            _ => Self::Page,
        }
    }
}

/// Answers a request, or refuses it.
pub(super) async fn around(State(shield): State<Shield>, request: Request, next: Next) -> Response {
    let place = Place::of(request.uri().path());
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    let who = peer.map(|peer| address(peer, request.headers())).and_then(|text| text.parse().ok()).map(network);
    let mut response = match shield.refusal(place, who, &request) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    let failed = match response.status() {
        StatusCode::UNAUTHORIZED => true,
        StatusCode::NOT_FOUND => place != Place::Api,
        _ => false,
    };
    if let (true, Some(who)) = (failed, who)
        && let Err(seconds) = shield.charge(who, WRONG)
    {
        response = too_many(seconds, "too many wrong tokens, signatures or links from this address (limits.address)");
    }
    let tls = shield.handle.live().settings.tls.is_some();
    finish(response.headers_mut(), tls);
    response
}

impl Shield {
    fn refusal(&self, place: Place, who: Option<IpAddr>, request: &Request) -> Option<Response> {
        if matches!(place, Place::Probe | Place::Intake) {
            return None;
        }
        let live = self.handle.live();
        let host = request.headers().get(header::HOST).and_then(|h| h.to_str().ok()).or(request.uri().host()).unwrap_or_default();
        if !is_ours(host, live.settings.public_url.as_deref()) {
            let detail = "this name is not ours: `public_url` in config.yaml says by which name people reach us";
            return Some(problem(StatusCode::MISDIRECTED_REQUEST, "host", detail));
        }
        if place == Place::Page
            && let Some(Err(seconds)) = who.map(|who| self.charge(who, 1))
        {
            let detail = format!("an address may ask {} times a second (limits.address)", live.settings.limits.address);
            return Some(too_many(seconds, &detail));
        }
        None
    }
}

/// Whether we go by this name: the one in `public_url`, an address, or one without a dot, which nobody else can have in the public name
/// system. Another one is somebody's who lets their name lead to our address, to make a browser take our pages for theirs.
fn is_ours(host: &str, public_url: Option<&str>) -> bool {
    let Ok(url) = Url::parse(&format!("http://{host}/")) else { return false };
    let public = public_url.and_then(|base| Url::parse(base).ok());
    match url.host() {
        Some(url::Host::Ipv4(_) | url::Host::Ipv6(_)) => true,
        Some(url::Host::Domain(name)) => !name.contains('.') || public.is_some_and(|p| p.host_str() == Some(name)),
        None => false,
    }
}

/// The headers of every answer; what a page says for itself stays.
fn finish(headers: &mut HeaderMap, tls: bool) {
    let usual = [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    let secure = (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    for (name, value) in usual.into_iter().chain(tls.then_some(secure)) {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_ours_is_somebody_elses() {
        let check =
            |host: &str, expect: bool| assert_eq!(is_ours(host, Some("https://hooks.example.com/ifthen")), expect, "{host}");
        check("hooks.example.com", true);
        check("HOOKS.example.com:8443", true);
        check("127.0.0.1:8780", true);
        check("[::1]:8780", true);
        check("localhost:8780", true);
        check("ifthen", true);
        check("evil.example", false);
        check("hooks.example.com.evil.example", false);
        check("hooks.example.com@evil.example", false);
        check("", false);
        assert!(!is_ours("hooks.example.com", None));
    }
}
