//! Which format a file has, and how an older one is brought up to date. Never touches a file that is not ours, or newer.

use rusqlite::Connection;

use super::error::damaged;
use crate::store::Error;

/// Tells our files from those of other programs: "ifth".
const APPLICATION: i64 = 0x6966_7468;

/// From version n to n + 1; never edited once released.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
    include_str!("migrations/0004.sql"),
];

/// The format this program writes.
pub(super) const VERSION: usize = MIGRATIONS.len();

/// The format of a file; 0: nothing is in it yet.
pub(super) fn version(conn: &Connection) -> Result<usize, Error> {
    let number = |sql| conn.query_row(sql, [], |row| row.get::<_, i64>(0));
    let (application, version) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    if application == 0 && version == 0 && tables == 0 {
        return Ok(0);
    }
    if application != APPLICATION {
        return Err(Error::Corrupt("a database of another program, not a store of ifthen; look at `data` in config.yaml".into()));
    }
    match usize::try_from(version) {
        Ok(version) if version <= VERSION => Ok(version),
        Ok(version) => Err(Error::Newer(format!(
            "written by a newer ifthen (format {version}, this one knows {VERSION}): run that version or a later one, \
             or restore a backup from before the upgrade"
        ))),
        Err(_) => Err(damaged(format_args!("format {version}"))),
    }
}

/// Brings a file to [`VERSION`], each step all or nothing.
pub(super) fn migrate(conn: &mut Connection, from: usize) -> Result<(), Error> {
    for (done, sql) in MIGRATIONS.iter().enumerate().skip(from) {
        let step = conn.transaction()?;
        step.execute_batch(sql)?;
        if done == 0 {
            step.pragma_update(None, "application_id", APPLICATION)?;
            rename(&step)?;
        }
        step.pragma_update(None, "user_version", i64::try_from(done + 1).unwrap_or(i64::MAX))?;
        step.commit()?;
    }
    Ok(())
}

/// Gives the store a new random name.
pub(in crate::store) fn rename(conn: &Connection) -> Result<(), Error> {
    conn.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('instance', lower(hex(randomblob(8))))", [])?;
    Ok(())
}
