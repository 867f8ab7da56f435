//! Keeps the write-ahead log from growing: in two stages, between batches, so that a commit itself never pays for it.
//!
//! What is in the log is as durable as what is in the file; moving it over changes nothing that anybody reads.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use super::error::of_disk;
use super::lock::beside;
use crate::store::Error;

/// Pages are 4 KiB. After this many new ones (4 MiB), what no reader still needs is copied over: passive, waits for nobody. When
/// that was all of it, the next commit begins again at the front of the log.
const PASSIVE: i64 = 1 << 10;
/// A reader that comes and goes can keep the log from ever beginning again. At this many pages (64 MiB) and at every multiple,
/// readers are waited for, for as long as [`PATIENCE`]; a backup, which reads for longer, thus costs little.
const LARGE: i64 = 1 << 14;
/// How long a commit may have to wait because of that.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(100);
/// While the store is opened, SQLite copies by itself at this many pages: a migration may write much.
pub(super) const BY_ITSELF: i64 = 4 * LARGE;
/// The log keeps this size on disk when it begins again: writing over blocks that are there already is cheaper than new ones.
pub(super) const KEPT_BYTES: i64 = 16 << 20;

/// Remembers how long the log was when it was last tended.
#[derive(Debug)]
pub(super) struct Keeper {
    tended: i64,
    /// Its pages after the last commit.
    pages: Arc<AtomicI64>,
}

impl Keeper {
    /// For the one connection that writes; SQLite itself copies nothing any more.
    pub(super) fn new(conn: &mut Connection) -> Result<Self, Error> {
        // What a kill or a migration left; only commits are heard of from here on.
        let pages = Arc::new(AtomicI64::new(checkpoint(conn, "NOOP")?.pages));
        let last = pages.clone();
        conn.wal_hook(Some(move |_: &mut Wal, pages: i32| {
            last.store(pages.into(), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Self { tended: 0, pages })
    }

    /// Copies the log over when it has grown enough; `patience` afterwards is the connection's usual one.
    pub(super) fn tend(&mut self, conn: &Connection, usual: std::time::Duration) -> Result<(), Error> {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.tended {
            self.tended = 0;
        }
        if pages - self.tended < PASSIVE {
            return Ok(());
        }
        let due = pages / LARGE > self.tended / LARGE;
        self.tended = pages;
        let left = checkpoint(conn, "PASSIVE")?;
        if due && (left.copied < left.pages || left.pages > LARGE) {
            conn.busy_timeout(PATIENCE)?;
            let done = checkpoint(conn, "RESTART");
            conn.busy_timeout(usual)?;
            done?;
        }
        Ok(())
    }
}

/// Makes sure that what is found in the log is on disk, before anything of it is taken for committed. Who was killed between
/// writing and fsync, or ended because fsync failed, leaves a commit there that reads well and may be in the system's memory only,
/// as clean as if it had been written: no later fsync does anything about it, a repeated delivery would be acknowledged by it, and
/// it would be gone with the power; half of it, once a checkpoint has begun. So every byte is written again, as it reads, and then
/// an fsync. ("Can Applications Recover from fsync Failures?", USENIX ATC 2020.)
pub(super) fn settle(conn: &Connection, path: &Path) -> Result<(), Error> {
    let log = beside(path, "-wal");
    // Nobody else writes meanwhile; readers see the same bytes all along.
    conn.execute_batch("BEGIN IMMEDIATE")?;
    let done = write_again(&log).map_err(|e| of_disk(&log, &e));
    conn.execute_batch("ROLLBACK")?;
    done
}

fn write_again(log: &Path) -> std::io::Result<()> {
    let file = match File::options().read(true).write(true).open(log) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let (mut part, mut at) = (vec![0; 1 << 20], 0);
    loop {
        let count = file.read_at(&mut part, at)?;
        if count == 0 {
            return file.sync_all();
        }
        file.write_all_at(&part[..count], at)?;
        at += count as u64;
    }
}

/// The log, in pages.
#[derive(Debug, PartialEq, Eq)]
struct Log {
    pages: i64,
    copied: i64,
}

/// Being kept from it by a reader is not an error; the numbers tell.
fn checkpoint(conn: &Connection, mode: &str) -> Result<Log, Error> {
    let mut statement = conn.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
    Ok(statement.query_row([], |row| Ok(Log { pages: row.get(1)?, copied: row.get(2)? }))?)
}
