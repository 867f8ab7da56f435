//! What SQLite's failures mean for those who wait: try again, give this batch up, or stop. Never hides what SQLite said.

use std::path::Path;

use rusqlite::ErrorCode as Code;
use rusqlite::ffi;

use crate::store::Error;

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        let Some(failure) = error.sqlite_error().copied() else {
            return match error {
                rusqlite::Error::ToSqlConversionFailure(e) => Self::Refused(e.to_string()),
                other => damaged(other),
            };
        };
        match failure.code {
            // SQLite says FULL when a write meets ENOSPC; growing the shared index of the WAL has a code of its own, and that
            // is the one thing that may fail there. A failed fsync is never taken for a full disk.
            Code::DiskFull => Self::Full,
            Code::SystemIoFailure if failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE => Self::Full,
            Code::DatabaseCorrupt | Code::NotADatabase => damaged(error),
            Code::TooBig | Code::ConstraintViolation | Code::TypeMismatch | Code::ParameterOutOfRange => {
                Self::Refused(error.to_string())
            }
            Code::DatabaseBusy | Code::DatabaseLocked | Code::FileLockingProtocolFailed => {
                Self::Busy(format!("the store is held by another program, such as a database browser; close it there ({error})"))
            }
            _ => Self::Broken(format!("{error} ({}, code {})", doing(failure.extended_code), failure.extended_code)),
        }
    }
}

/// At what it failed: SQLite's own text says no more than "disk I/O error".
fn doing(code: i32) -> &'static str {
    match code {
        ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC => "fsync failed",
        ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_TRUNCATE | ffi::SQLITE_IOERR_DELETE => "writing failed",
        ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ => "reading failed",
        _ => "SQLite says no more",
    }
}

/// The store is damaged, and what to do.
pub(in crate::store) fn damaged(detail: impl std::fmt::Display) -> Error {
    Error::Corrupt(format!(
        "the store is damaged ({detail}): stop ifthen, keep a copy of the file, and bring the latest backup back with `ifthen restore`"
    ))
}

/// A failure of the file system.
pub(in crate::store) fn of_disk(path: &Path, error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Error::Full,
        _ => Error::Broken(format!("{}: {error}", path.display())),
    }
}

/// Puts the file's name before what is wrong with it.
pub(in crate::store) fn name(path: &Path) -> impl Fn(Error) -> Error {
    let path = path.display().to_string();
    move |error| match error {
        Error::Busy(t) => Error::Busy(format!("{path}: {t}")),
        Error::Broken(t) => Error::Broken(format!("{path}: {t}")),
        Error::Corrupt(t) => Error::Corrupt(format!("{path}: {t}")),
        Error::Newer(t) => Error::Newer(format!("{path}: {t}")),
        Error::Absent(t) => Error::Absent(format!("{path}: {t}")),
        other @ (Error::Full | Error::Refused(_) | Error::Forgotten(_)) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: i32, expect: &str) {
        let error = Error::from(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        let debug = format!("{error:?}");
        assert!(debug.starts_with(expect), "{code}: {debug}");
    }

    #[test]
    fn codes_mean_what_the_turn_does_about_them() {
        check(ffi::SQLITE_FULL, "Full");
        check(ffi::SQLITE_IOERR_SHMSIZE, "Full");
        check(ffi::SQLITE_IOERR_FSYNC, "Broken");
        check(ffi::SQLITE_IOERR_WRITE, "Broken");
        check(ffi::SQLITE_IOERR_READ, "Broken");
        check(ffi::SQLITE_CANTOPEN, "Broken");
        check(ffi::SQLITE_READONLY, "Broken");
        check(ffi::SQLITE_NOMEM, "Broken");
        check(ffi::SQLITE_CORRUPT, "Corrupt");
        check(ffi::SQLITE_NOTADB, "Corrupt");
        check(ffi::SQLITE_TOOBIG, "Refused");
        check(ffi::SQLITE_CONSTRAINT_PRIMARYKEY, "Refused");
        check(ffi::SQLITE_BUSY_SNAPSHOT, "Busy");
    }
}
