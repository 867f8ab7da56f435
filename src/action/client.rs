//! One exchange over HTTP: sends, waits no longer than told, reads no more than it must, and says how far it came.
//!
//! Follows no redirect, uses no proxy, keeps no cookie, retries nothing.

use std::error::Error as _;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, redirect, retry};
use tokio::time::{Instant, timeout_at};

use super::guard::{Blocked, Guard};
use super::secret::shorten;

/// What is kept of a body.
pub(super) const KEPT: usize = 64 << 10;
/// What is read of a body before the connection is dropped.
const READ: usize = 1 << 20;
/// A server that cannot be reached within this is down; the rest of the time is for its answer.
const CONNECT: Duration = Duration::from_secs(10);
/// A connection is used again within this: servers keep theirs for seconds, so none is closed by them just then.
const IDLE: Duration = Duration::from_secs(1);
/// Connections to one host that wait for that.
const MAX_IDLE: usize = 64;

/// What was answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// The status.
    pub(super) status: u16,
    /// The headers.
    pub(super) headers: HeaderMap,
    /// The body's first 64 KiB.
    pub(super) body: Vec<u8>,
    /// There was more.
    pub(super) cut: bool,
    /// The body broke off before its end.
    pub(super) broken: Option<String>,
}

impl Answer {
    /// The body as text, whatever it is.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).replace('\0', "\u{fffd}")
    }

    /// The status and the beginning of the body, for the log.
    pub(super) fn said(&self) -> String {
        match shorten(&self.text(), 300) {
            body if body.is_empty() => format!("answered {}", self.status),
            body => format!("answered {}: {body}", self.status),
        }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The address may not be reached.
    Blocked(Blocked),
    /// The request cannot be written.
    Invalid(String),
    /// The server was not reached: nothing was sent.
    Unsent(String),
    /// The request was sent, or part of it, and no answer came.
    Lost(String),
}

/// A client whose connections are made within `timeout`, only to where the guard allows.
pub(super) fn new(timeout: Duration, guard: Option<&Guard>) -> Result<Client, reqwest::Error> {
    // Another part of the process may have installed one already; either does.
    let _installed_before = rustls::crypto::ring::default_provider().install_default().is_err();
    let build = |builder: reqwest::ClientBuilder| match guard {
        Some(guard) => builder.dns_resolver(guard.clone()).build(),
        None => builder.build(),
    };
    let builder = || {
        Client::builder()
            .user_agent(concat!("ifthen/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            .http1_only()
            // Less than the whole, so that a deadline that passes later always means "sent".
            .connect_timeout(CONNECT.min(timeout * 3 / 4))
            // One that the server closes just as it is used again would leave the outcome unknown for nothing.
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MAX_IDLE)
    };
    build(builder()).or_else(|error| {
        tracing::warn!(%error, "no certificates of this system could be read, https will fail; install ca-certificates");
        build(builder().tls_certs_only([]))
    })
}

/// Sends and reads, both within `timeout`.
pub(super) async fn exchange(request: RequestBuilder, timeout: Duration) -> Result<Answer, Failure> {
    let deadline = Instant::now() + timeout;
    let late = || format!("no answer within {} s", timeout.as_secs_f32());
    let mut response = match timeout_at(deadline, request.send()).await {
        Err(_) => return Err(Failure::Lost(late())),
        Ok(Err(error)) => return Err(failure(error)),
        Ok(Ok(response)) => response,
    };
    let mut answer = Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: Vec::new(),
        cut: false,
        broken: None,
    };
    let mut read = 0;
    loop {
        match timeout_at(deadline, response.chunk()).await {
            Ok(Ok(None)) => return Ok(answer),
            Ok(Ok(Some(chunk))) => {
                read += chunk.len();
                let room = KEPT - answer.body.len();
                answer.cut |= chunk.len() > room;
                answer.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if read >= READ {
                    return Ok(answer);
                }
            }
            Ok(Err(error)) => answer.broken = Some(innermost(&error.without_url())),
            Err(_) => answer.broken = Some(format!("not complete within {} s", timeout.as_secs_f32())),
        }
        if answer.broken.is_some() {
            return Ok(answer);
        }
    }
}

fn failure(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(blocked) = cause.downcast_ref::<Blocked>() {
            return Failure::Blocked(blocked.clone());
        }
        source = cause.source();
    }
    let said = innermost(&error);
    match () {
        () if error.is_builder() => Failure::Invalid(said),
        () if error.is_connect() && error.is_timeout() => Failure::Unsent("could not connect in time".into()),
        () if error.is_connect() => Failure::Unsent(format!("could not connect: {said}")),
        () => Failure::Lost(format!("the connection broke: {said}")),
    }
}

/// The last cause says what happened; those around it say which function failed.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    shorten(&innermost.to_string(), 300)
}
