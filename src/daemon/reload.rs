//! Reload: on SIGHUP and whenever a file changes. What does not compile changes nothing and says so.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify_debouncer_full::notify::{RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, FileIdCache, new_debouncer};
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

use super::handle::{Handle, Live};
use crate::config;
use crate::engine::event::{Body, Draft};
use crate::engine::value::{self, Value};

/// An editor writes a file in several steps; a checkout touches many: one reload for all of them.
const SETTLE: Duration = Duration::from_millis(200);

/// Reloads until told to stop.
pub(super) async fn watch(handle: Handle, path: PathBuf, options: config::Options, mut stopped: watch::Receiver<bool>) {
    let (tell, mut told) = mpsc::channel::<()>(1);
    let changed = tell.clone();
    let debouncer = new_debouncer(SETTLE, None, move |result: DebounceEventResult| {
        let relevant = |p: &PathBuf| p.extension().is_none_or(|e| e == "yaml" || e == "yml");
        if result.is_ok_and(|events| events.iter().any(|e| !e.kind.is_access() && e.paths.iter().any(relevant))) {
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
    let mut watched = BTreeSet::new();
    let hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup());
    let Ok(mut hangup) = hangup else { return error!("SIGHUP cannot be received") };
    loop {
        if let Some(debouncer) = &mut debouncer {
            look_at(debouncer, &handle, &path, &mut watched);
        }
        let asked = tokio::select! {
            _ = hangup.recv() => true,
            _ = told.recv() => false,
            _ = stopped.wait_for(|s| *s) => return,
        };
        reload(&handle, &path, &options, asked).await;
    }
}

/// Watches the folders in force: those of the definitions with all below, and the one of config.yaml, since editors replace files.
fn look_at<C: FileIdCache>(
    debouncer: &mut Debouncer<RecommendedWatcher, C>,
    handle: &Handle,
    path: &Path,
    watched: &mut BTreeSet<PathBuf>,
) {
    let home = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let live = handle.live();
    let folders = live.settings.definitions.iter().map(|f| (f.as_path(), RecursiveMode::Recursive));
    for (folder, mode) in folders.chain([(home, RecursiveMode::NonRecursive)]) {
        if watched.contains(folder) {
            continue;
        }
        match debouncer.watch(folder, mode) {
            Ok(()) => drop(watched.insert(folder.to_owned())),
            Err(error) => warn!(%error, folder = %folder.display(), "not watched; send SIGHUP to reload"),
        }
    }
}

/// One reload. Nothing happens when the definitions are those in force, unless someone asked: then the connections are set up anew.
async fn reload(handle: &Handle, path: &Path, options: &config::Options, asked: bool) {
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
            return handle.tell(vec![Draft::own("ifthen.loaded", jiff::Timestamp::now(), Body::NotLoaded(problems))]);
        }
        Err(error) => return error!(%error, "reading the definitions failed"),
    };
    let same = loaded.definitions.hash == before.definitions.hash && loaded.summary == before.summary;
    if same && !asked {
        return;
    }
    if loaded.settings.listen != before.settings.listen || loaded.settings.data != before.settings.data {
        warn!("`listen` and `data` take effect at the next start");
    }
    let difference = config::diff(&before.summary, &loaded.summary);
    let detail = value::from_json(difference.to_string().as_bytes()).unwrap_or(Value::Null);
    match Live::new(loaded) {
        Ok(live) => {
            let live = Arc::new(live);
            match handle.load(Arc::clone(&live), detail).await {
                Ok(()) => info!(definitions = %live.definitions.hash, changed = %difference, "reloaded"),
                Err(error) => error!(%error, "the new definitions are not in force"),
            }
        }
        Err(error) => error!(%error, "a connection cannot be set up, the old definitions stay"),
    }
}
