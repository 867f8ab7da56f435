//! That there is one writer: an advisory lock on a file beside the store, which the system lets go when the process ends.
//!
//! The lock is not SQLite's own, so that readers and backups are never in its way. The file stays behind, empty of meaning.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::of_disk;
use crate::store::Error;

/// How often the lock is asked for before someone is said to have it: a process that is just ending lets it go in a moment, and
/// one that has just been forked holds a copy until it becomes another program.
const TRIES: u32 = 20;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(25);

/// Held while it lives.
#[derive(Debug)]
pub(in crate::store) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the store at `path`, or says who has it.
    pub(in crate::store) fn take(path: &Path) -> Result<Self, Error> {
        let beside = beside(path, ".lock");
        let disk = |e: std::io::Error| of_disk(&beside, &e);
        let mut file = File::options().create(true).read(true).write(true).truncate(false).open(&beside).map_err(disk)?;
        let mut tries = TRIES;
        let taken = loop {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) if tries > 0 => tries -= 1,
                taken => break taken,
            }
            std::thread::sleep(PAUSE);
        };
        match taken {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only to say it; the lock itself is what counts.
                let holder = match file.read_to_string(&mut holder) {
                    Ok(n) if n > 0 => format!("another ifthen (process {})", holder.trim()),
                    _ => "another ifthen".to_owned(),
                };
                let path = path.display();
                return Err(Error::Busy(format!(
                    "{holder} is using {path}; stop it first, or give this one a `data` folder of its own"
                )));
            }
            Err(TryLockError::Error(e)) => return Err(disk(e)),
        }
        // A full disk must not keep a daemon from starting that could still serve what it has.
        let named = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id()));
        match named.map_err(disk) {
            Ok(()) | Err(Error::Full) => Ok(Self { _file: file }),
            Err(e) => Err(e),
        }
    }
}

/// The path with something put behind its name.
pub(in crate::store) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
