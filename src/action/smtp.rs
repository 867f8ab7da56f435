//! The exchange with an SMTP server, step by step, so that a failure says how far it came; and a few idle connections.
//!
//! lettre's own transport does the same steps in one call, after which a connection lost before the message was sent cannot be
//! told from one lost after it. Retries nothing, but for a fresh connection in place of an idle one that has gone stale.

use std::error::Error as _;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Noop, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use lettre::transport::smtp::response::Response;
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout};

use crate::config::settings::{Security, Smtp};

use super::plain_duration;
use super::secret::shorten;

/// Idle connections that are kept.
const IDLE: usize = 4;
/// After this an idle connection is not used again: servers close them, the sooner the busier they are.
const IDLE_FOR: Duration = Duration::from_secs(20);
/// For a farewell, which nobody waits for.
const QUIT: Duration = Duration::from_secs(5);

/// How far an exchange has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// Connecting, TLS, greeting, EHLO.
    Connect,
    /// AUTH.
    Login,
    /// MAIL FROM.
    Sender,
    /// RCPT TO.
    Recipient,
    /// DATA.
    Data,
    /// The message is being written.
    Content,
    /// The message is written; the final dot may have been received.
    End,
}

impl Phase {
    const ALL: [Self; 7] = [Self::Connect, Self::Login, Self::Sender, Self::Recipient, Self::Data, Self::Content, Self::End];

    /// Where it was, for the log.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Connect => "when connecting",
            Self::Login => "at AUTH",
            Self::Sender => "at MAIL FROM",
            Self::Recipient => "at RCPT TO",
            Self::Data => "at DATA",
            Self::Content => "while the message was written",
            Self::End => "at the end of the message",
        }
    }
}

/// The phase reached; readable after the exchange has been cut short.
#[derive(Default)]
struct Progress(AtomicU8);

impl Progress {
    fn to(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::Relaxed);
    }

    fn phase(&self) -> Phase {
        Phase::ALL[usize::from(self.0.load(Ordering::Relaxed)).min(Phase::ALL.len() - 1)]
    }
}

/// An exchange that did not end in acceptance.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) phase: Phase,
    pub(super) cause: Cause,
}

/// What ended an exchange.
#[derive(Debug)]
pub(super) enum Cause {
    /// The server refused.
    Reply { code: u16, text: String },
    /// The server lacks something that we need (STARTTLS, a way to log in, SMTPUTF8).
    Misfit(String),
    /// No reply, half a reply, or nonsense.
    Lost(String),
}

/// One server, and how to log in there.
pub(super) struct Server {
    host: String,
    port: u16,
    security: Security,
    tls: Option<TlsParameters>,
    login: Option<Credentials>,
    timeout: Duration,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

impl Server {
    pub(super) fn new(smtp: &Smtp) -> Result<Self, String> {
        let tls = match smtp.security {
            Security::None => None,
            _ => Some(TlsParameters::new(smtp.host.clone()).map_err(|e| format!("tls: {e}"))?),
        };
        let login = smtp.login.as_ref().map(|(u, p)| Credentials::new(u.clone(), p.expose_secret().to_owned()));
        let (host, port, security) = (smtp.host.clone(), smtp.port, smtp.security);
        Ok(Self { host, port, security, tls, login, timeout: plain_duration(smtp.timeout), idle: Mutex::default() })
    }

    /// Delivers one message to one recipient; the server's words of acceptance.
    pub(super) async fn send(&self, from: &Address, to: &Address, message: &[u8]) -> Result<String, Trouble> {
        let progress = Progress::default();
        let result = match timeout(self.timeout, self.exchange(&progress, from, to, message)).await {
            Err(_) => Err(Cause::Lost(format!("no reply within {} s", self.timeout.as_secs_f32()))),
            Ok(result) => result,
        };
        result.map_err(|cause| Trouble { phase: progress.phase(), cause })
    }

    async fn exchange(&self, progress: &Progress, from: &Address, to: &Address, message: &[u8]) -> Result<String, Cause> {
        let mut connection = match self.reuse().await {
            Some(connection) => connection,
            None => self.connect(progress).await?,
        };
        match deliver(&mut connection, progress, from, to, message).await {
            Ok(reply) => {
                self.keep(connection);
                Ok(reply.message().collect::<Vec<_>>().join(" "))
            }
            Err(cause) => {
                leave(connection);
                Err(cause)
            }
        }
    }

    async fn connect(&self, progress: &Progress) -> Result<AsyncSmtpConnection, Cause> {
        let hello = ClientId::default();
        let wrapped = self.tls.clone().filter(|_| self.security == Security::Tls);
        let server = (self.host.as_str(), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(self.timeout), &hello, wrapped, None).await.map_err(cause)?;
        if let (Security::Starttls, Some(tls)) = (self.security, &self.tls) {
            connection.starttls(tls.clone(), &hello).await.map_err(cause)?;
        }
        if let Some(login) = &self.login {
            progress.to(Phase::Login);
            connection.auth(DEFAULT_MECHANISMS, login).await.map_err(cause)?;
        }
        Ok(connection)
    }

    /// An idle connection that still answers.
    async fn reuse(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (mut connection, since) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if since.elapsed() < IDLE_FOR && connection.command(Noop).await.is_ok() {
                return Some(connection);
            }
            leave(connection);
        }
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push((connection, Instant::now()));
        } else {
            leave(connection);
        }
    }
}

async fn deliver(
    connection: &mut AsyncSmtpConnection,
    progress: &Progress,
    from: &Address,
    to: &Address,
    message: &[u8],
) -> Result<Response, Cause> {
    let mut options = Vec::new();
    if !AsRef::<str>::as_ref(to).is_ascii() {
        progress.to(Phase::Recipient);
        if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            return Err(Cause::Misfit(format!("{to} is not in ASCII, and the server does not take such addresses (SMTPUTF8)")));
        }
        options.push(MailParameter::SmtpUtfEight);
    }
    progress.to(Phase::Sender);
    connection.command(Mail::new(Some(from.clone()), options)).await.map_err(cause)?;
    progress.to(Phase::Recipient);
    connection.command(Rcpt::new(to.clone(), Vec::new())).await.map_err(cause)?;
    progress.to(Phase::Data);
    connection.command(Data).await.map_err(cause)?;
    progress.to(Phase::Content);
    // The second part is asked for when the first has been written, right before the dot.
    let mut parts = [message].into_iter();
    let parts = std::iter::from_fn(|| {
        parts.next().or_else(|| {
            progress.to(Phase::End);
            None
        })
    });
    connection.message_iter(parts).await.map_err(cause)
}

/// Says goodbye where that still works; nobody waits for it.
fn leave(mut connection: AsyncSmtpConnection) {
    tokio::spawn(async move {
        let farewell = timeout(QUIT, connection.quit()).await;
        tracing::trace!(?farewell, "left an SMTP server");
    });
}

fn cause(error: Error) -> Cause {
    let mut said = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    if let Some(code) = error.status() {
        return Cause::Reply { code: code.into(), text: said };
    }
    if error.is_client() {
        return Cause::Misfit(shorten(&said, 300));
    }
    if error.is_response() && said == "incomplete response" {
        said = "the connection was closed".into();
    } else if error.is_response() {
        said = format!("the reply is no SMTP: {said}");
    }
    Cause::Lost(shorten(&said, 300))
}
