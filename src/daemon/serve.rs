//! Serving HTTP, plain or over TLS: a bounded number of connections in all and from one address, heads that must come in time, an end
//! that waits for requests in work.
//!
//! `axum::serve` has neither bound nor timeout; this is the same loop with both.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::Service;
use tracing::{debug, warn};

use super::tls::Identity;

/// Connections at a time; more wait in the system's queue. Below the usual limit of open files, with room for everything else.
const CONNECTIONS: usize = 512;
/// A request's head must be here by then, and an idle connection is closed by then.
const HEAD: Duration = Duration::from_secs(20);
/// A TLS handshake must be over by then.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const LARGEST: usize = 64 << 10;
/// What a failing `accept` (too many open files) waits before it is tried again.
const PAUSE: Duration = Duration::from_millis(100);
/// Requests in work when stopping get their answers within this.
const FINISH: Duration = Duration::from_secs(3);

/// How many connections there may be.
#[derive(Clone)]
pub(super) struct Limits {
    places: Arc<Semaphore>,
    /// By address; only those that have one.
    peers: Arc<Mutex<HashMap<IpAddr, usize>>>,
    most: usize,
}

impl Limits {
    /// `most`: from one address.
    pub(super) fn new(most: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(CONNECTIONS)), peers: Arc::default(), most }
    }

    /// A place among those of an address, unless it has all that it may.
    fn enter(&self, peer: IpAddr) -> Option<Peer> {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let count = peers.entry(peer).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Peer { limits: self.clone(), peer })
    }
}

/// A place among those of an address; given back when dropped.
struct Peer {
    limits: Limits,
    peer: IpAddr,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let mut peers = self.limits.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = peers.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                peers.remove(&self.peer);
            }
        }
    }
}

/// Serves until told to stop, then lets requests in work end.
pub(super) async fn serve(
    listener: TcpListener,
    identity: Option<Identity>,
    router: Router,
    limits: Limits,
    mut stopped: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let mut make = router.into_make_service_with_connect_info::<SocketAddr>();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &limits.places) => accepted,
            _ = stopped.wait_for(|s| *s) => break,
        };
        let Some((stream, peer, place)) = accepted else { break };
        let Some(entered) = limits.enter(peer.ip()) else {
            debug!(%peer, "closed: that address has too many connections (limits.connections)");
            continue;
        };
        let Ok(service) = make.call(peer).await;
        let (watcher, identity) = (graceful.watcher(), identity.clone());
        tokio::spawn(async move {
            match identity {
                Some(identity) => {
                    let handshake = TlsAcceptor::from(identity.current()).accept(stream);
                    match tokio::time::timeout(HANDSHAKE, handshake).await {
                        Ok(Ok(stream)) => attend(stream, peer, service, watcher).await,
                        Ok(Err(error)) => debug!(%peer, %error, "no handshake"),
                        Err(_) => debug!(%peer, "the handshake took too long"),
                    }
                }
                None => attend(stream, peer, service, watcher).await,
            }
            drop((place, entered));
        });
    }
    drop(listener);
    if tokio::time::timeout(FINISH, graceful.shutdown()).await.is_err() {
        debug!("closing connections that are still open");
    }
}

/// Answers the requests of one connection.
async fn attend<I, S>(stream: I, peer: SocketAddr, service: S, watcher: Watcher)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<axum::http::Request<hyper::body::Incoming>, Response = axum::response::Response> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(LARGEST)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    if let Err(error) = watcher.watch(connection).await {
        debug!(%peer, %error, "a connection ended early"); // the peer's business
    }
}

/// The next connection, once there is a place for it.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    debug!(%peer, %error, "answers may be delayed");
                }
                return Some((stream, peer, place));
            }
            Err(error) => {
                warn!(%error, "cannot accept connections");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
