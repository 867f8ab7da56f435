//! How everything outside the turn talks to it: submit and wait for the commit, read what is in force, ask how things stand.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tracing::warn;

use super::turn::{Accepted, Refusal, Submission};
use crate::action::{self, Links, Performer};
use crate::config::settings::Settings;
use crate::config::{Loaded, Snapshot, Summary};
use crate::engine::access::Actor;
use crate::engine::definition::Definitions;
use crate::engine::event::Draft;
use crate::engine::link::Key;
use crate::engine::value::Value;
use crate::store::{Error, Store};

/// What is in force: one reload's settings, definitions and connections.
#[derive(Debug)]
pub struct Live {
    /// From config.yaml.
    pub settings: Settings,
    /// From the definitions' folders.
    pub definitions: Arc<Definitions>,
    /// What it was read from, for telling what changed.
    pub summary: Summary,
    /// What the definitions can be had again from.
    pub snapshot: Snapshot,
    /// Performs calls over the connections.
    pub performer: Performer,
}

impl Live {
    /// Sets the connections up.
    pub fn new(loaded: Loaded) -> Result<Self, action::Error> {
        let Loaded { settings, definitions, summary, snapshot, .. } = loaded;
        let performer = Performer::new(&settings)?;
        Ok(Self { settings, definitions: Arc::new(definitions), summary, snapshot, performer })
    }
}

impl Live {
    /// Keeps in the store what the definitions can be had again from, before they decide anything. What is too large for that is
    /// said, and not kept.
    pub(super) fn keep(&self, store: &mut dyn Store) -> Result<(), Error> {
        let hash = &self.definitions.hash;
        match self.snapshot.to_text() {
            Some(text) => store.keep_definitions(hash, &text),
            None => {
                warn!(definitions = %hash, "larger than 20 MiB: not kept, `ifthen why` will not know them once they are others");
                Ok(())
            }
        }
    }
}

/// How things stand, for health checks and metrics; written by the turn's thread.
#[derive(Debug, Default)]
pub struct Status {
    /// The last commit went through.
    pub committing: AtomicBool,
    /// Calls that are not done, dead ones not counted.
    pub calls: AtomicUsize,
    /// Calls being performed.
    pub performing: AtomicUsize,
    /// Items in quarantine, by source.
    pub quarantine: RwLock<BTreeMap<String, usize>>,
    /// Polled sources that have not caught up since the start.
    pub behind: AtomicUsize,
    /// The turn has ended.
    pub gone: AtomicBool,
    /// When the turn that is being taken began, in milliseconds since 1970; 0: none is.
    pub since: AtomicI64,
}

/// A turn that takes longer than this is stuck: it decides hundreds of events in milliseconds.
const STUCK_MS: i64 = 10_000;

impl Status {
    /// Whether a turn has been going on for too long.
    pub fn stuck(&self, now: jiff::Timestamp) -> bool {
        let since = self.since.load(Ordering::Relaxed);
        since != 0 && now.as_millisecond() - since > STUCK_MS
    }
}

/// A message to the turn's thread.
pub(super) enum Message {
    /// To be decided; the permit is the sender's place in the queue.
    Submit(Submission, Option<OwnedSemaphorePermit>),
    /// New definitions.
    Load(Arc<Live>, Value, oneshot::Sender<Result<(), String>>),
    /// Finish; wait so long for calls on their way.
    Stop(Duration),
}

/// The way to the turn. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
    /// In whose name things are asked for.
    by: Option<Arc<Actor>>,
}

struct Shared {
    sender: mpsc::Sender<Message>,
    queue: Arc<Semaphore>,
    status: Status,
    live: RwLock<Arc<Live>>,
    instance: String,
    file: PathBuf,
    token: OnceLock<SecretString>,
    /// What signs links, and where HTTP is really served.
    links: (Key, SocketAddr),
    gone: Notify,
    reloads: watch::Sender<u64>,
}

impl Handle {
    pub(super) fn new(
        live: Arc<Live>,
        instance: String,
        file: PathBuf,
        links: (Key, SocketAddr),
    ) -> (Self, mpsc::Receiver<Message>) {
        let (sender, mailbox) = mpsc::channel();
        let queue = Arc::new(Semaphore::new(live.settings.limits.queue));
        let status = Status::default();
        let shared = Shared {
            sender,
            queue,
            status,
            live: RwLock::new(live),
            instance,
            file,
            token: OnceLock::new(),
            links,
            gone: Notify::new(),
            reloads: watch::channel(0).0,
        };
        (Self { shared: Arc::new(shared), by: None }, mailbox)
    }

    /// The same way, in somebody's name: whatever is asked for by it says so.
    pub fn acting(&self, by: Actor) -> Self {
        Self { shared: Arc::clone(&self.shared), by: Some(Arc::new(by)) }
    }

    /// In whose name things are asked for.
    pub fn actor(&self) -> Option<&Actor> {
        self.by.as_deref()
    }

    /// Submits what was told together; returns once it is on disk.
    pub async fn submit(&self, drafts: Vec<Draft>) -> Result<Vec<Accepted>, Refusal> {
        if self.status().calls.load(Ordering::Relaxed) > self.live().settings.limits.outbox {
            return Err(Refusal::Overloaded("calls"));
        }
        self.command(drafts).await
    }

    /// Submits what a person asks for: also while the outbox is full, since that may be what it is about.
    pub async fn command(&self, mut drafts: Vec<Draft>) -> Result<Vec<Accepted>, Refusal> {
        if let Some(by) = &self.by {
            drafts.iter_mut().for_each(|draft| draft.by = Some((**by).clone()));
        }
        let permit = Arc::clone(&self.shared.queue).try_acquire_owned().map_err(|_| Refusal::Overloaded("events"))?;
        let (reply, answer) = oneshot::channel();
        let message = Message::Submit(Submission { drafts, reply: Some(reply) }, Some(permit));
        let gone = || Refusal::Unavailable("the daemon is stopping".into());
        self.shared.sender.send(message).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Tells what the daemon itself has to tell; never refused for being too much.
    pub fn tell(&self, drafts: Vec<Draft>) {
        if !drafts.is_empty() {
            drop(self.shared.sender.send(Message::Submit(Submission { drafts, reply: None }, None))); // gone only when stopping: recovered at start
        }
    }

    /// Puts new definitions in force; returns once that is on disk.
    pub(super) async fn load(&self, live: Arc<Live>, detail: Value) -> Result<(), String> {
        let (reply, answer) = oneshot::channel();
        let gone = "the daemon is stopping";
        self.shared.sender.send(Message::Load(live, detail, reply)).map_err(|_| gone.to_owned())?;
        answer.await.map_err(|_| gone.to_owned())?
    }

    pub(super) fn stop(&self, grace: Duration) {
        drop(self.shared.sender.send(Message::Stop(grace))); // already gone: nothing to stop
    }

    /// What is in force.
    pub fn live(&self) -> Arc<Live> {
        match self.shared.live.read() {
            Ok(live) => Arc::clone(&live),
            Err(poisoned) => Arc::clone(&poisoned.into_inner()), // a whole Arc is swapped: never half written
        }
    }

    pub(super) fn set_live(&self, live: Arc<Live>) {
        match self.shared.live.write() {
            Ok(mut place) => *place = live,
            Err(poisoned) => *poisoned.into_inner() = live,
        }
        self.shared.reloads.send_modify(|n| *n += 1);
    }

    /// Changes at every reload.
    pub(super) fn reloads(&self) -> watch::Receiver<u64> {
        self.shared.reloads.subscribe()
    }

    /// How things stand.
    pub fn status(&self) -> &Status {
        &self.shared.status
    }

    /// The store's name, part of every idempotency key.
    pub fn instance(&self) -> &str {
        &self.shared.instance
    }

    /// The store's file, for readers.
    pub fn file(&self) -> &Path {
        &self.shared.file
    }

    /// What signs the links that people receive.
    pub fn key(&self) -> &Key {
        &self.shared.links.0
    }

    /// How links that people receive are made, as of now.
    pub fn links(&self) -> Links {
        let (key, address) = &self.shared.links;
        match &self.live().settings.public_url {
            Some(base) => Links::new(key.clone(), base),
            None => Links::new(key.clone(), &format!("{}://{address}", self.live().settings.scheme())),
        }
    }

    /// Free places in the queue of submissions.
    pub fn room(&self) -> usize {
        self.shared.queue.available_permits()
    }

    /// Whether this is the token of whoever may read the data folder.
    pub fn is_token(&self, text: &str) -> bool {
        use subtle::ConstantTimeEq;
        self.shared.token.get().is_some_and(|t| t.expose_secret().as_bytes().ct_eq(text.as_bytes()).into())
    }

    pub(super) fn set_token(&self, token: SecretString) {
        drop(self.shared.token.set(token)); // set once, at start
    }

    pub(super) fn mark_gone(&self) {
        self.shared.status.gone.store(true, Ordering::Relaxed);
        self.shared.gone.notify_one();
    }

    /// Resolves when the turn has ended.
    pub(super) async fn gone(&self) {
        self.shared.gone.notified().await;
    }
}

/// Where the command line finds the daemon that serves a data folder: its address and a token, readable by the owner only.
pub(super) fn make_token(data: &Path, address: SocketAddr) -> std::io::Result<SecretString> {
    use std::io::{Read, Write};
    use std::os::unix::fs::OpenOptionsExt;
    let mut random = [0u8; 24];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    let token: String = random.iter().map(|b| format!("{b:02x}")).collect();
    let path = data.join("control");
    // A file of before may have other rights: a new one in its place.
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    writeln!(file, "{address}\n{token}")?;
    Ok(token.into())
}
