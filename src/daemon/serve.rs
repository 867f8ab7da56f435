//! Serving HTTP: a bounded number of connections, heads that must come in time, an end that waits for requests in work.
//!
//! `axum::serve` has neither bound nor timeout; this is the same loop with both.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::Service;
use tracing::{debug, warn};

/// Connections at a time; more wait in the system's queue. Below the usual limit of open files, with room for everything else.
const CONNECTIONS: usize = 512;
/// A request's head must be here by then, and an idle connection is closed by then.
const HEAD: Duration = Duration::from_secs(20);
/// What a failing `accept` (too many open files) waits before it is tried again.
const PAUSE: Duration = Duration::from_millis(100);
/// Requests in work when stopping get their answers within this.
const FINISH: Duration = Duration::from_secs(3);

/// Serves until told to stop, then lets requests in work end.
pub(super) async fn serve(listener: TcpListener, router: Router, mut stopped: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut make = router.into_make_service_with_connect_info::<SocketAddr>();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            _ = stopped.wait_for(|s| *s) => break,
        };
        let Some((stream, peer, place)) = accepted else { break };
        let Ok(service) = make.call(peer).await;
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let watched = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = watched.await {
                debug!(%peer, %error, "a connection ended early"); // the peer's business
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(FINISH, graceful.shutdown()).await.is_err() {
        debug!("closing connections that are still open");
    }
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
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
