//! Reload: on SIGHUP and whenever a file changes. What does not compile changes nothing and says so.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify_debouncer_full::notify::{RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, FileIdCache, new_debouncer};
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

use super::handle::{Handle, Live};
use super::pinned::{self, Pinned};
use crate::config;
use crate::engine::definition::Definitions;
use crate::engine::event::{Body, Draft};
use crate::engine::value::{self, Value};
use crate::store::Error;
use crate::store::sqlite::Reader;

/// An editor writes a file in several steps; a checkout touches many: one reload for all of them.
const SETTLE: Duration = Duration::from_millis(200);

/// How often it is checked that the folders that are watched are still those that are meant: a few `stat` calls.
const LOOK: Duration = Duration::from_secs(1);

/// Reloads until told to stop.
pub(super) async fn watch(handle: Handle, path: PathBuf, options: config::Options, mut stopped: watch::Receiver<bool>) {
    let (tell, mut told) = mpsc::channel::<()>(1);
    let changed = tell.clone();
    let debouncer = new_debouncer(SETTLE, None, move |result: DebounceEventResult| {
        let relevant = |p: &PathBuf| p.extension().is_none_or(|e| ["yaml", "yml", "csv"].iter().any(|known| e == *known));
        if result.is_ok_and(|events| {
            events.iter().any(|e| !e.kind.is_access() && (e.need_rescan() || e.paths.iter().any(|p| relevant(p) || p.is_dir())))
        }) {
            let _full = changed.try_send(()); // full: one is pending already
        }
    });
    let mut debouncer = match debouncer {
        Ok(d) => Some(d),
        Err(error) => {
            warn!(%error, "files are not watched; send SIGHUP to reload");
            None
        }
    };
    let mut watched = BTreeMap::new();
    let mut look = tokio::time::interval(LOOK);
    let hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup());
    let Ok(mut hangup) = hangup else { return error!("SIGHUP cannot be received") };
    let (mut broken, mut again) = (false, false);
    loop {
        let asked = tokio::select! {
            _ = hangup.recv() => true,
            _ = told.recv() => false,
            // A folder that was replaced (a checkout, a deploy, a link that points elsewhere) is another folder to the system.
            _ = look.tick() => {
                let other = debouncer.as_mut().is_some_and(|d| look_at(d, &handle, &path, &mut watched));
                if !other && !again {
                    continue;
                }
                false
            }
            _ = stopped.wait_for(|s| *s) => return,
        };
        // Whoever mended what did not compile wants to read that it is in order again, even if it is what it was.
        let came = reload(&handle, &path, &options, asked || broken).await;
        // What could not be committed (a full disk) is tried until it can.
        (broken, again) = (came != Came::InForce, came == Came::NotCommitted);
    }
}

/// Says at the start which runs are on former versions of their flows.
pub(super) async fn tell_pinned(handle: Handle) {
    let live = handle.live();
    pinned_by(&handle, None, &live.definitions).await.lines().iter().for_each(|line| info!("{line}"));
}

/// The runs that stay on what their flows were; of all flows, or of those that are others than before. Counted beside the turn: it
/// may be many. What cannot be read now is not told.
async fn pinned_by(handle: &Handle, before: Option<&Definitions>, after: &Definitions) -> Pinned {
    let flows = before.map(|before| pinned::changed(before, after));
    let (file, after) = (handle.file().to_owned(), after.clone());
    let counted = tokio::task::spawn_blocking(move || {
        let reader = Reader::open(&file)?;
        pinned::count(&reader, flows.as_ref(), &after)
    });
    let told = counted.await.map_err(|e| e.to_string()).and_then(|counted: Result<_, Error>| counted.map_err(|e| e.to_string()));
    told.unwrap_or_else(|error| {
        warn!(%error, "runs that stay on former versions of their flows are not counted");
        Pinned::default()
    })
}

/// Watches the folders in force: those of the definitions with all below, and the one of config.yaml, since editors replace files.
/// Whether one of them is another than before: what changed before it was watched must be read.
fn look_at<C: FileIdCache>(
    debouncer: &mut Debouncer<RecommendedWatcher, C>,
    handle: &Handle,
    path: &Path,
    watched: &mut BTreeMap<PathBuf, (u64, u64)>,
) -> bool {
    let home = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let live = handle.live();
    let folders = live.settings.definitions.iter().map(|f| (f.as_path(), RecursiveMode::Recursive));
    let mut other = false;
    for (folder, mode) in folders.chain([(home, RecursiveMode::NonRecursive)]) {
        // Which folder it is, links followed; none for one that is not there (yet).
        let now = std::fs::metadata(folder).ok().map(|m| (m.dev(), m.ino()));
        if watched.get(folder).copied() == now {
            continue;
        }
        if watched.remove(folder).is_some() {
            drop(debouncer.unwatch(folder)); // the system has forgotten the former one already
        }
        let Some(now) = now else { continue };
        match debouncer.watch(folder, mode) {
            Ok(()) => {
                watched.insert(folder.to_owned(), now);
                other = true;
            }
            Err(error) => warn!(%error, folder = %folder.display(), "not watched; send SIGHUP to reload"),
        }
    }
    other
}

/// What came of a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    /// What the files say is in force.
    InForce,
    /// It does not compile, or a connection cannot be set up.
    Faulty,
    /// The store could not commit it.
    NotCommitted,
}

/// One reload. Nothing happens when it is already, unless someone asked: then the
/// connections are set up anew.
async fn reload(handle: &Handle, path: &Path, options: &config::Options, asked: bool) -> Came {
    let (file, how) = (path.to_owned(), options.clone());
    let loaded = tokio::task::spawn_blocking(move || config::load(&file, &how)).await;
    let before = handle.live();
    let loaded = match loaded {
        Ok(Ok(loaded)) => loaded,
        Ok(Err(report)) => {
            error!(
                "the new definitions do not compile, the old ones ({}) stay:\n{}",
                before.definitions.hash,
                report.render(report.lang, false)
            );
            let problems = value::from_json(report.to_json(report.lang).to_string().as_bytes()).unwrap_or_default();
            handle.tell(vec![Draft::own("ifthen.loaded", jiff::Timestamp::now(), Body::NotLoaded(problems))]);
            return Came::Faulty;
        }
        Err(error) => {
            error!(%error, "reading the definitions failed");
            return Came::Faulty;
        }
    };
    if loaded.summary == before.summary && !asked {
        return Came::InForce;
    }
    let (new, old) = (&loaded.settings, &before.settings);
    if new.listen != old.listen || new.data != old.data || new.tls.is_some() != old.tls.is_some() {
        warn!("`listen`, `data` and whether there is `tls` take effect at the next start");
    }
    let mut difference = config::diff(&before.summary, &loaded.summary);
    let stay = pinned_by(handle, Some(&before.definitions), &loaded.definitions).await;
    if !stay.is_empty() {
        difference["pinned"] = stay.to_json();
    }
    let detail = value::from_json(difference.to_string().as_bytes()).unwrap_or(Value::Null);
    match Live::new(loaded) {
        Ok(live) => {
            let live = Arc::new(live);
            match handle.load(Arc::clone(&live), detail).await {
                Ok(()) => {
                    info!(definitions = %live.definitions.hash, changed = %difference, "reloaded");
                    stay.lines().iter().for_each(|line| info!("{line}"));
                    Came::InForce
                }
                Err(error) => {
                    error!(%error, "the new definitions are not in force");
                    Came::NotCommitted
                }
            }
        }
        Err(error) => {
            error!(%error, "a connection cannot be set up, the old definitions stay");
            Came::Faulty
        }
    }
}
