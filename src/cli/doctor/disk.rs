//! What the disk of a folder is like: how much room it has, how long it takes to make a small write durable.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Writes that are timed: enough for a worst one in a hundred to be more than chance, over in a second on any disk.
const WRITES: usize = 50;
/// Bytes of each: a page of the store.
const PAGE: [u8; 4096] = [b'x'; 4096];

/// Free bytes for a user without privileges.
pub(super) fn free(folder: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// How long a small write and its fsync take in the folder: the median, and the longest but for one in a hundred.
pub(super) fn fsync(folder: &Path) -> io::Result<(Duration, Duration)> {
    let probe = Probe(folder.join(format!(".doctor-{}", std::process::id())));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(&probe.0)?;
    let mut took = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let begun = Instant::now();
        file.write_all(&PAGE)?;
        file.sync_data()?;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    Ok((took[WRITES / 2], took[WRITES * 99 / 100]))
}

/// A file that is removed again.
struct Probe(PathBuf);

impl Drop for Probe {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0)); // it may never have been made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let (median, worst) = fsync(folder.path()).unwrap();
        assert!(median <= worst);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(free(folder.path()).unwrap() > 0);
        assert!(fsync(&folder.path().join("none")).is_err());
    }
}
