//! Files and their names: one gets its own only when it is whole and on disk; until then it is called `….part`.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::error::{damaged, name, of_disk};
use super::lock::beside;
use crate::store::Error;

/// Whether there is a store at `path`. An empty file is an error: nobody makes one, and SQLite would take it for new and throw
/// away the log beside it, which may hold all that there was.
pub(super) fn exists(path: &Path) -> Result<bool, Error> {
    match std::fs::metadata(path) {
        Ok(file) if file.len() == 0 => {
            Err(name(path)(damaged("the file is empty, which a store never is; where ifthen was never in use before, remove it")))
        }
        Ok(_) => Ok(true),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(of_disk(path, &e)),
    }
}

/// Makes a file under another name, then gives it its own; leaves nothing behind when it fails.
pub(in crate::store) fn make<T>(to: &Path, how: impl FnOnce(&Path) -> Result<T, Error>) -> Result<T, Error> {
    let part = beside(to, ".part");
    let clear = || remove(&part).and_then(|()| remove_beside(&part));
    clear()?; // left by one that was killed
    let made = how(&part).and_then(|made| {
        // Records and messages are nobody else's business; what SQLite keeps beside it gets the same mode.
        let closed = std::fs::set_permissions(&part, std::fs::Permissions::from_mode(0o600));
        let synced = closed.and_then(|()| File::open(&part)).and_then(|f| f.sync_all()).and_then(|()| std::fs::rename(&part, to));
        synced.map_err(|e| of_disk(to, &e))?;
        sync_folder(to.parent().unwrap_or(Path::new("")))?;
        Ok(made)
    });
    if made.is_err() {
        clear()?;
    }
    made
}

/// Removes what SQLite kept beside a file that is there no more. To be done before another gets its name: it would be read as part
/// of that one.
pub(in crate::store) fn remove_beside(path: &Path) -> Result<(), Error> {
    ["-wal", "-shm", "-journal"].iter().try_for_each(|suffix| remove(&beside(path, suffix)))
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(of_disk(path, &e)),
        _ => Ok(()),
    }
}

/// Makes sure that what was made or renamed in a folder is still there after a power cut.
fn sync_folder(folder: &Path) -> Result<(), Error> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder).and_then(|f| f.sync_all()).map_err(|e| of_disk(folder, &e))
}
