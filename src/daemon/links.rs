//! The key by which links in mails are signed: made once, kept in the data folder beside the store, never replaced.
//!
//! Architecture invariant: a key that is there and cannot be read stops the daemon. Another one would make every link that people
//! have received worthless, the ones to unsubscribe among them.

use std::io::{Error, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::engine::link::{KEY, Key};

/// Its file in a data folder.
pub fn file(data: &Path) -> PathBuf {
    data.join("links")
}

/// Where the key of a backup is: beside it.
pub fn beside(backup: &Path) -> PathBuf {
    let mut name = backup.as_os_str().to_owned();
    name.push(".links");
    name.into()
}

/// Copies a key: whole under its new name, readable by its owner only.
pub fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    put(std::fs::read_to_string(from)?.trim_end(), to)
}

/// The key of a data folder; at the first start a new one.
pub(super) fn key(data: &Path) -> Result<Key, super::Error> {
    let path = file(data);
    let wrong = |error: Error| super::Error::Links(path.clone(), error);
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            read(&text).ok_or_else(|| wrong(Error::new(ErrorKind::InvalidData, "it does not hold 64 hexadecimal digits")))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => make(&path).map_err(wrong),
        Err(error) => Err(wrong(error)),
    }
}

fn read(text: &str) -> Option<Key> {
    let text = text.trim_end();
    if text.len() != 2 * KEY || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; KEY];
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * n..2 * n + 2], 16).ok()?;
    }
    Some(Key::new(bytes))
}

fn make(path: &Path) -> Result<Key, Error> {
    let mut bytes = [0; KEY];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let text: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    put(&text, path)?;
    Ok(Key::new(bytes))
}

/// Whole under its name, or not there at all.
fn put(text: &str, path: &Path) -> Result<(), Error> {
    let part = path.with_extension("part");
    match std::fs::remove_file(&part) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        _ => {} // left by one that was killed
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    std::fs::rename(&part, path)?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::engine::call::CallId;
    use crate::engine::link::{Mail, Token};

    fn signed(key: &Key) -> String {
        Token::Open { mail: Mail::new(CallId { seq: 1, n: 1 }, "a@example.com") }.sign(key).unwrap()
    }

    #[test]
    fn it_is_made_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let first = signed(&key(folder.path()).unwrap());
        assert_eq!(signed(&key(folder.path()).unwrap()), first);
        assert_eq!(std::fs::metadata(file(folder.path())).unwrap().permissions().mode() & 0o777, 0o600);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(signed(&key(other.path()).unwrap()), first);
    }

    #[test]
    fn one_that_cannot_be_read_is_never_replaced() {
        for text in ["", "00", &"0".repeat(63), &"x".repeat(64), &"0".repeat(66), &"é".repeat(32)] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(file(folder.path()), text).unwrap();
            let said = key(folder.path()).unwrap_err().to_string();
            assert!(said.contains("links") && said.contains("backup"), "{said}");
            assert_eq!(std::fs::read_to_string(file(folder.path())).unwrap(), text);
        }
    }
}
