//! The only loop: load → decide → commit → perform. Starts everything, stops everything.
//!
//! Architecture invariant: async at the edges (HTTP, polls, calls), one thread for the turn; they meet in [`handle::Handle`] only.

pub mod clock;
pub mod cycle;
pub mod handle;
mod held;
mod housekeeping;
pub mod links;
mod pinned;
mod poll;
mod reload;
mod serve;
mod shell;
pub mod tls;
pub mod turn;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::config;
use crate::config::settings::SourceKind;
use crate::store::sqlite::{self, Sqlite};
use clock::Now;
use cycle::Cycle;
use handle::{Handle, Live};

/// How long a graceful stop waits for calls that are on their way; those not back by then have an unknown outcome.
const GRACE: Duration = Duration::from_secs(10);

/// Why the daemon did not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The definitions do not compile.
    #[error("the definitions do not compile")]
    Definitions(Box<config::Report>),
    /// The store does not open, or failed.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    /// The address cannot be served.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// A connection cannot be set up.
    #[error(transparent)]
    Action(#[from] crate::action::Error),
    /// The key of links cannot be used.
    #[error(
        "{0} cannot be used: {1}; it signs the links in mails: bring it back from a backup, or move it away for a new one, after which \
         no link that was sent works / 无法使用该文件:它用于签名邮件中的链接,请从备份恢复;若移走它,程序会生成新的密钥,但已发出的链接将全部失效"
    )]
    Links(PathBuf, std::io::Error),
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// Anything of the operating system's.
    #[error("{0}: {1}")]
    System(String, std::io::Error),
}

/// The file of the store in the data folder.
pub fn store_file(data: &std::path::Path) -> PathBuf {
    data.join("ifthen.db")
}

/// Runs the daemon until it is told to stop. `routes` makes the HTTP service; `ready` is told the address once it serves.
pub async fn run<S>(options: config::Options, path: PathBuf, routes: S, ready: impl FnOnce(&str)) -> Result<(), Error>
where
    S: FnOnce(Handle) -> axum::Router,
{
    let loaded = config::load(&path, &options).map_err(|r| Error::Definitions(Box::new(r)))?;
    let live = Arc::new(Live::new(loaded)?);
    let data = live.settings.data.clone();
    std::fs::create_dir_all(&data).map_err(|e| Error::System(format!("cannot make {}", data.display()), e))?;
    let key = links::key(&data)?;
    let file = store_file(&data);
    let mut store = Sqlite::open(&file, sqlite::Options { dedupe: live.settings.limits.dedupe })?;
    // Before anything is decided; on a full disk, which passes, with the message that they are in force.
    match live.keep(&mut store) {
        Err(crate::store::Error::Full) | Ok(()) => {}
        Err(error) => return Err(error.into()),
    }
    let instance = crate::store::Read::instance(&store)?;
    let listen = live.settings.listen;
    let identity = live.settings.tls.as_ref().map(tls::Identity::load).transpose()?;
    let listener = TcpListener::bind(listen).await.map_err(|e| Error::Listen(listen, e))?;
    let address = listener.local_addr().map_err(|e| Error::Listen(listen, e))?;

    let clock = live.settings.limits.clock;
    let cycle = Cycle::open(Box::new(store), Arc::clone(&live.definitions), clock, Now::read())?;
    let (stop, stopped) = watch::channel(false);
    let (handle, mailbox) = Handle::new(live, instance, file, (key, address));
    let polled = handle.live().settings.sources.values().filter(|s| matches!(s.kind, SourceKind::Poll(_))).count();
    handle.status().behind.store(polled, std::sync::atomic::Ordering::Relaxed);
    let shell = shell::start(cycle, mailbox, handle.clone(), tokio::runtime::Handle::current());

    // Under TLS the command line comes by a door of its own, on this machine only: no certificate is for that name.
    let door = match &identity {
        Some(_) => {
            let local = SocketAddr::from(([127, 0, 0, 1], 0));
            Some(TcpListener::bind(local).await.map_err(|e| Error::Listen(local, e))?)
        }
        None => None,
    };
    let control = match &door {
        Some(door) => door.local_addr().map_err(|e| Error::Listen(address, e))?,
        None => address,
    };
    let token =
        handle::make_token(&data, control).map_err(|e| Error::System(format!("cannot write into {}", data.display()), e))?;
    handle.set_token(token);
    let pollers = tokio::spawn(poll::all(handle.clone(), stopped.clone()));
    let watcher = tokio::spawn(reload::watch(handle.clone(), path, options, stopped.clone()));
    tokio::spawn(reload::tell_pinned(handle.clone()));
    let router = routes(handle.clone());
    let limits = serve::Limits::new(handle.live().settings.limits.connections);
    if let Some(identity) = &identity {
        tokio::spawn(identity.clone().watch(handle.clone(), stopped.clone()));
    }
    // With places of its own: whoever floods the front keeps nobody from it.
    let inside = serve::Limits::new(handle.live().settings.limits.connections);
    let local = door.map(|door| tokio::spawn(serve::serve(door, None, router.clone(), inside, stopped.clone())));
    let scheme = handle.live().settings.scheme();
    let server = tokio::spawn(serve::serve(listener, identity, router, limits, stopped.clone()));
    let asked = asked_to_stop(); // heard from here on: whoever is told that it is ready may ask at once
    ready(&format!("{scheme}://{address}"));

    let broken = handle.clone();
    tokio::select! {
        () = asked => info!("stopping: finishing the turn, waiting for calls on their way"),
        () = broken.gone() => warn!("the turn has stopped"),
    }
    stop.send_replace(true);
    for task in [pollers, watcher] {
        task.abort();
    }
    for server in [Some(server), local].into_iter().flatten() {
        if let Err(error) = server.await {
            warn!(%error, "serving ended abnormally");
        }
    }
    handle.stop(GRACE);
    let end = tokio::task::spawn_blocking(move || shell.join());
    // Past the grace the turn ends at once, unless it is stuck; then the process ends without it: what is committed is on disk.
    match tokio::time::timeout(GRACE * 2, end).await {
        Ok(Ok(Ok(Ok(())))) => Ok(()),
        Ok(Ok(Ok(Err(error)))) => Err(Error::Store(error)),
        _ => Err(Error::Store(crate::store::Error::Broken("the turn ended abnormally".into()))),
    }
}

/// Listens at once; resolves when the process is asked to stop.
fn asked_to_stop() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async {
        let (Ok(mut term), Ok(mut int)) = signals else { return std::future::pending().await };
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
    }
}
