//! Polled sources: one task each, asking at its interval, backing off while the other side fails, reading on at once while there is more.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::handle::{Handle, Live};
use super::turn::Refusal;
use crate::config::settings::SourceKind;
use crate::engine::decide::{SOURCE_FAILED, SOURCE_RECOVERED};
use crate::engine::event::{Body, Draft};
use crate::engine::state::{Entry, Key};
use crate::engine::value::Value;
use crate::source::poll::{self, Poller};
use crate::store::Read;
use crate::store::sqlite::Reader;

/// Polls until told to stop; anew after every reload.
pub(super) async fn all(handle: Handle, stopped: watch::Receiver<bool>) {
    let mut reloads = handle.reloads();
    let mut first = true;
    while !*stopped.borrow() {
        reloads.borrow_and_update(); // before looking: a reload that comes now is seen below
        let live = handle.live();
        let mut tasks = JoinSet::new();
        for (id, source) in &live.settings.sources {
            if let SourceKind::Poll(_) = source.kind {
                tasks.spawn(one(handle.clone(), Arc::clone(&live), id.clone(), first));
            }
        }
        first = false;
        if reloads.changed().await.is_err() {
            return; // the handle is gone
        }
        // A round in work ends by itself: what it submits is settled by the turn, cursor and all.
        tasks.shutdown().await;
        handle.status().behind.store(0, Ordering::Relaxed); // whoever had not caught up is asked anew
    }
}

/// `behind`: it has not been read since the start; once it is, or cannot be, overdue timers need not wait for it.
async fn one(handle: Handle, live: Arc<Live>, id: String, mut behind: bool) {
    let Some(SourceKind::Poll(poll)) = live.settings.sources.get(&id).map(|s| &s.kind) else { return };
    let mut poller = Some(Poller::new(&id, poll));
    let mut failures = 0;
    let mut told = String::new();
    let mut noticed: BTreeSet<String> = BTreeSet::new();
    loop {
        let wait = match round(&handle, &live, &id, &mut poller).await {
            Ok((more, notices)) => {
                if failures > 0 {
                    info!(source = %id, "can be read again");
                    told.clear();
                    let detail = [("source", id.as_str().into()), ("reason", "recovered".into())];
                    tell(&handle, SOURCE_RECOVERED, Value::from(detail));
                }
                failures = 0;
                for notice in notices {
                    if noticed.insert(notice.clone()) {
                        warn!(source = %id, "{notice}");
                    }
                }
                if more { SignedDuration::ZERO } else { poll.every }
            }
            Err(error) => {
                failures += 1;
                let wait = poll::delay(failures);
                warn!(source = %id, %error, again_in = %wait, "could not be polled");
                if told != error {
                    tell(&handle, SOURCE_FAILED, Value::from([("source", id.as_str().into()), ("error", error.as_str().into())]));
                    told = error;
                }
                wait
            }
        };
        if behind && !wait.is_zero() {
            behind = false;
            let _before = handle.status().behind.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        }
        tokio::time::sleep(wait.unsigned_abs()).await;
    }
}

/// Says in the action log how it stands with a source; rules may react to it.
fn tell(handle: &Handle, name: &str, data: Value) {
    handle.tell(vec![Draft::own(name, Timestamp::now(), Body::Happened { data, upsert: None })]);
}

/// Reads on from the committed cursor; whether there is more, and what the operator should know.
async fn round(handle: &Handle, live: &Arc<Live>, id: &str, poller: &mut Option<Poller>) -> Result<(bool, Vec<String>), String> {
    let (file, owner, key) = (handle.file().to_owned(), Arc::clone(live), id.to_owned());
    // It is back after every round; one that broke down takes its connection with it.
    let Some(mut asked) = poller.take() else {
        return Err("reading broke down; the source is asked again after a reload".into());
    };
    let read = tokio::task::spawn_blocking(move || {
        let round = match (cursor(&file, &key), owner.settings.sources.get(&key)) {
            (Ok(cursor), Some(source)) => {
                asked.round(source, &owner.definitions, cursor.as_ref(), Timestamp::now()).map_err(|e| e.to_string())
            }
            (Err(error), _) => Err(error.to_string()),
            (_, None) => Err("the source is gone".into()),
        };
        (asked, round)
    });
    let (asked, round) = read.await.map_err(|e| e.to_string())?;
    *poller = Some(asked);
    let round = round?;
    if round.drafts.is_empty() {
        return Ok((false, round.notices));
    }
    match handle.submit(round.drafts).await {
        Ok(_) => Ok((round.more, round.notices)),
        Err(Refusal::Overloaded(what)) => Err(format!("too many {what} are waiting here")),
        Err(refusal) => Err(refusal.to_string()),
    }
}

fn cursor(file: &std::path::Path, id: &str) -> Result<Option<Value>, crate::store::Error> {
    let entry = Reader::open(file)?.load(&Key::Cursor(id.to_owned()))?;
    Ok(entry.and_then(|e| if let Entry::Cursor(c) = e.as_ref() { Some(c.clone()) } else { None }))
}
