//! That a file can become smaller again: single pages are given back, which it must be made for. One that was not is made over once.

use std::path::Path;

use rusqlite::Connection;
use tracing::{info, warn};

use super::retain::is_incremental;
use crate::store::Error;

/// The new pages go through the write-ahead log, and stand in a file of their own before: twice the size, and some.
const ROOM: u64 = 5; // halves

/// A new file: to be said before anything is in it.
pub(super) fn prepare(conn: &Connection) -> Result<(), Error> {
    Ok(conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?)
}

/// Makes an older file over, once. Without the room for it the file goes on as it is: what is let go is written over, but the
/// file does not become smaller.
pub(super) fn enable(conn: &Connection, path: &Path) -> Result<(), Error> {
    if is_incremental(conn)? {
        return Ok(());
    }
    let size = std::fs::metadata(path).map_or(0, |m| m.len());
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let free = rustix::fs::statvfs(folder).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    let (megabytes, needed) = (size >> 20, (size / 2).saturating_mul(ROOM));
    if free < needed {
        let needed = needed >> 20;
        warn!(megabytes, needed, "the store cannot be made to shrink for want of room; it is tried again at the next start");
        return Ok(());
    }
    info!(megabytes, "making the store over, once, so that it can shrink when old events are dropped");
    // Sorting in memory is for small things; this is the whole store.
    conn.pragma_update(None, "temp_store", "FILE")?;
    let done = prepare(conn).and_then(|()| Ok(conn.execute_batch("VACUUM")?));
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    match done {
        Ok(()) => Ok(()),
        Err(error @ Error::Corrupt(_)) => Err(error),
        Err(error) => {
            warn!(%error, "the store could not be made to shrink; it goes on as it is");
            Ok(())
        }
    }
}
