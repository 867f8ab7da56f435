//! TLS on our own address: certificate and key are read at the start and again whenever they change; what cannot be used then leaves
//! the former ones in place, and says so.
//!
//! Never generates, never fetches a certificate. A key that others may read is refused.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;
use tracing::{error, info, warn};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::handle::Handle;
use crate::config::settings::Tls;

/// How often it is looked whether the files are others: what renews certificates replaces them at any time.
const LOOK: Duration = Duration::from_secs(1);
/// Largest file that is read.
const MOST: u64 = 1 << 20;
/// Days before its end from which a certificate is warned of.
const SOON: i64 = 14;

/// What is wrong with a certificate or its key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there, or may not be read.
    #[error("tls: cannot read {0}: {1}")]
    Read(PathBuf, std::io::Error),
    /// It is something else.
    #[error("tls: {0} holds no {1} in PEM form (-----BEGIN …)")]
    Empty(PathBuf, &'static str),
    /// Others than its owner may read it.
    #[error("tls: {0} may be read by others than its owner (mode {1:o}): chmod 600, owned by the user the daemon runs as")]
    Open(PathBuf, u32),
    /// Key and certificate are not of each other.
    #[error("tls: the key {key} does not belong to the certificate {cert}")]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's.
        key: PathBuf,
    },
    /// Its time is over.
    #[error("tls: the certificate {0} expired on {1}: renew it; it is read again by itself")]
    Expired(PathBuf, Timestamp),
    /// Its time has not come.
    #[error("tls: the certificate {0} is not valid before {1}: is the clock right?")]
    Early(PathBuf, Timestamp),
    /// It cannot be used for another reason.
    #[error("tls: {0} cannot be used: {1}")]
    Unusable(PathBuf, String),
}

/// What connections are accepted with at the moment.
#[derive(Clone)]
pub(super) struct Identity(Arc<RwLock<Arc<ServerConfig>>>);

impl Identity {
    /// Reads both files.
    pub(super) fn load(tls: &Tls) -> Result<Self, Error> {
        Ok(Self(Arc::new(RwLock::new(read(tls, Timestamp::now())?))))
    }

    pub(super) fn current(&self) -> Arc<ServerConfig> {
        match self.0.read() {
            Ok(current) => Arc::clone(&current),
            Err(poisoned) => Arc::clone(&poisoned.into_inner()), // a whole Arc is swapped: never half written
        }
    }

    fn replace(&self, config: Arc<ServerConfig>) {
        match self.0.write() {
            Ok(mut place) => *place = config,
            Err(poisoned) => *poisoned.into_inner() = config,
        }
    }

    /// Reads the files again whenever they are others, or after a reload that somebody asked for.
    pub(super) async fn watch(self, handle: Handle, mut stopped: watch::Receiver<bool>) {
        let mut reloads = handle.reloads();
        let mut look = tokio::time::interval(LOOK);
        let mut known = handle.live().settings.tls.as_ref().map(stamp);
        loop {
            let asked = tokio::select! {
                _ = look.tick() => false,
                changed = reloads.changed() => changed.is_ok(),
                _ = stopped.wait_for(|s| *s) => return,
            };
            let live = handle.live();
            let Some(tls) = &live.settings.tls else { continue }; // takes effect at the next start
            let now = Some(stamp(tls));
            if now == known && !asked {
                continue;
            }
            known = now;
            match read(tls, Timestamp::now()) {
                Ok(config) => {
                    self.replace(config);
                    info!(cert = %tls.cert.display(), "the certificate was read again");
                }
                Err(error) => error!("{error}; the former certificate stays in use"),
            }
        }
    }
}

/// By what it is seen that a file is another: number, length, time of change.
fn stamp(tls: &Tls) -> [Option<(u64, u64, i64, i64)>; 2] {
    [&tls.cert, &tls.key].map(|path| {
        let meta = std::fs::metadata(path).ok()?;
        Some((meta.ino(), meta.len(), meta.ctime(), meta.ctime_nsec()))
    })
}

/// What both files come to; anything wrong with them as of now is said.
pub fn read(tls: &Tls, now: Timestamp) -> Result<Arc<ServerConfig>, Error> {
    let certs = certificates(&tls.cert)?;
    if let Some(first) = certs.first() {
        is_in_time(&tls.cert, first, now)?;
    }
    let key = private_key(&tls.key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|e| Error::Unusable(tls.cert.clone(), e.to_string()))?;
    let mut config = builder.with_no_client_auth().with_single_cert(certs, key).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => Error::Mismatch { cert: tls.cert.clone(), key: tls.key.clone() },
        other => Error::Unusable(tls.cert.clone(), other.to_string()),
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = contents(path)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let all = all.map_err(|e| Error::Unusable(path.to_owned(), e.to_string()))?;
    if all.is_empty() { Err(Error::Empty(path.to_owned(), "certificate")) } else { Ok(all) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let meta = std::fs::metadata(path).map_err(|e| Error::Read(path.to_owned(), e))?;
    if meta.mode() & 0o077 != 0 {
        return Err(Error::Open(path.to_owned(), meta.mode() & 0o777));
    }
    PrivateKeyDer::from_pem_slice(&contents(path)?).map_err(|_| Error::Empty(path.to_owned(), "private key"))
}

fn contents(path: &Path) -> Result<Vec<u8>, Error> {
    let wrong = |e| Error::Read(path.to_owned(), e);
    if std::fs::metadata(path).map_err(wrong)?.len() > MOST {
        return Err(Error::Unusable(path.to_owned(), "it is larger than 1 MiB".into()));
    }
    std::fs::read(path).map_err(wrong)
}

fn is_in_time(path: &Path, cert: &CertificateDer<'_>, now: Timestamp) -> Result<(), Error> {
    let (_, cert) = X509Certificate::from_der(cert).map_err(|e| Error::Unusable(path.to_owned(), e.to_string()))?;
    let at = |second: i64| Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
    let validity = cert.validity();
    let (from, until) = (at(validity.not_before.timestamp()), at(validity.not_after.timestamp()));
    if now < from {
        return Err(Error::Early(path.to_owned(), from));
    }
    if now > until {
        return Err(Error::Expired(path.to_owned(), until));
    }
    let days = (until.as_second() - now.as_second()) / 86_400;
    if days < SOON {
        warn!(cert = %path.display(), %until, "the certificate expires in {days} days");
    }
    Ok(())
}
