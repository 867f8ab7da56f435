//! Files that are damaged, not ours, or newer: said with what to do, and left as they are, to be repaired or restored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ifthen::engine::log::Line;
use ifthen::engine::state::{Entry, Key};
use ifthen::store::sqlite::{Options, Sqlite};
use ifthen::store::{Error, Filter, Read as _, Stored};
use rusqlite::Connection;
use serde_json::json;

use super::harness::Folder;
use super::random::Random;

const PAGE: usize = 4_096;
const CONFIG: &str = "
sources:
  crm: { webhook: {}, event: crm.lead, delivery: { body: [id] }, record: { entity: lead, fields: { id: id, name: name } } }
";
const RULES: &str = "entities: { lead: { fields: { id: text, name: text, n: number } } }
rules: { 数: { when: crm.lead, then: [ { set: { n: '= default(n, 0) + 1' } } ] } }
";

/// A folder whose store has been in use; closed in good order, or cut off with its log beside it.
fn used(killed: bool) -> Folder {
    let folder = Folder::new(&[("config.yaml", CONFIG), ("rules/lead.yaml", RULES)]);
    let daemon = folder.start();
    let leads: Vec<_> = (0..200).map(|n| json!({ "id": format!("L{n}"), "name": "刘洋".repeat(40) })).collect();
    daemon.accepted("/in/crm", &[], &json!(leads));
    if killed {
        daemon.kill();
    } else {
        assert_eq!(daemon.stop(), 0);
    }
    folder
}

/// The store, and its log where there is something in it: whoever reads makes an empty one.
fn files(folder: &Folder) -> BTreeMap<&'static str, Vec<u8>> {
    let read = |name| Some((name, std::fs::read(folder.path("data").join(name)).ok()?));
    let mut files: BTreeMap<_, _> = ["ifthen.db", "ifthen.db-wal"].into_iter().filter_map(read).collect();
    files.retain(|name, bytes| *name == "ifthen.db" || !bytes.is_empty());
    files
}

fn unchanged(folder: &Folder, before: &BTreeMap<&'static str, Vec<u8>>, by: &str) {
    let now = files(folder);
    let size = |files: &BTreeMap<_, Vec<u8>>| files.iter().map(|(name, b)| format!("{name} {}", b.len())).collect::<Vec<_>>();
    assert!(now == *before, "`ifthen {by}` has changed {:?} to {:?}", size(before), size(&now));
}

/// It does not start, says all of this, and has touched nothing. Nor has any other command.
fn refused(folder: &Folder, says: &[&str]) {
    let before = files(folder);
    std::fs::write(folder.path("stderr"), "").unwrap();
    let Err((code, said)) = folder.begin(&[]).ready() else { panic!("it started") };
    assert_eq!(code, 3, "{said}");
    for words in says.iter().chain(&["ifthen.db"]) {
        assert!(said.contains(words), "{words} is not in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
    unchanged(folder, &before, "run");
    for command in [&["events", "list"][..], &["records", "list", "lead"], &["calls", "list"], &["backup", "copy.db"]] {
        let (code, said) = folder.cli(command);
        assert!(code != 0 && said.contains("ifthen.db") && !said.contains("panicked"), "{command:?}: {code} {said}");
        unchanged(folder, &before, command[0]);
    }
    assert!(!Path::new("copy.db").exists());
}

fn overwrite(folder: &Folder, change: impl FnOnce(&mut Vec<u8>)) {
    let path = folder.path("data/ifthen.db");
    let mut bytes = std::fs::read(&path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn what_is_not_a_whole_store_is_refused_with_what_to_do_and_left_alone() {
    for killed in [false, true] {
        let folder = used(killed);
        let good = files(&folder);
        assert_eq!(good.contains_key("ifthen.db-wal"), killed);
        let restore = || {
            for (name, bytes) in &good {
                std::fs::write(folder.path("data").join(name), bytes).unwrap();
            }
        };
        let damaged = ["ifthen restore", "keep a copy"];
        overwrite(&folder, Vec::clear);
        refused(&folder, &damaged);
        restore();
        if !killed {
            // A log has most of what would be missing: what it hides is noticed where it is read.
            overwrite(&folder, |bytes| *bytes = "这不是数据库。".repeat(1_000).into_bytes());
            refused(&folder, &damaged);
            restore();
            overwrite(&folder, |bytes| bytes[3] ^= 0x40);
            refused(&folder, &damaged);
            restore();
            overwrite(&folder, |bytes| bytes.truncate(bytes.len() / 2 / PAGE * PAGE));
            refused(&folder, &damaged);
            restore();
            overwrite(&folder, |bytes| bytes.truncate(100));
            refused(&folder, &damaged);
            restore();
        }
        let daemon = folder.start();
        assert_eq!(daemon.field("lead", "L7", "n"), "1", "as it was before all that");
    }
}

#[test]
fn a_store_of_a_newer_version_or_of_another_program_is_refused_and_left_alone_its_log_too() {
    for killed in [false, true] {
        for (pragma, number, says) in [
            ("user_version", 99, &["newer ifthen", "format 99", "restore a backup"][..]),
            ("application_id", 1, &["another program", "config.yaml"][..]),
        ] {
            let folder = used(false);
            let path = folder.path("data/ifthen.db");
            let conn = Connection::open(&path).unwrap();
            conn.pragma_update(None, pragma, number).unwrap();
            if killed {
                // As that program leaves it when it is killed: the word stands in the log only.
                let left = files(&folder);
                assert!(left.contains_key("ifthen.db-wal"));
                drop(conn);
                for (name, bytes) in left {
                    std::fs::write(folder.path("data").join(name), bytes).unwrap();
                }
            } else {
                drop(conn);
            }
            refused(&folder, says);
        }
    }
}

/// All that a store holds, by its own code.
type All = (Vec<Stored>, Vec<(Key, std::sync::Arc<Entry>)>, Vec<Line>);

fn read(path: &Path) -> Result<All, Error> {
    let most = usize::MAX >> 1;
    let store = Sqlite::open(path, Options::default())?;
    Ok((store.events(0, most)?, store.scan("", None, most)?, store.log(&Filter::default(), 0, most)?))
}

/// What one kind of damage came to, of so many: noticed, or without effect.
fn each(mut damage: impl FnMut(&mut Vec<u8>, usize), most_wrong: usize) -> (usize, usize) {
    let folder = used(false);
    let path = folder.path("data/ifthen.db");
    let (good, bytes) = (read(&path).unwrap(), std::fs::read(&path).unwrap());
    assert!(bytes.len() > 20 * PAGE, "{} pages", bytes.len() / PAGE);
    let (mut noticed, mut wrong) = (0, 0);
    for n in 0..bytes.len() / PAGE {
        let copy: PathBuf = folder.path(&format!("copy-{n}.db"));
        let mut bad = bytes.clone();
        damage(&mut bad, n);
        std::fs::write(&copy, bad).unwrap();
        match read(&copy) {
            Ok(all) => wrong += usize::from(all != good),
            Err(Error::Corrupt(why)) => {
                assert!(why.contains("ifthen restore") || why.contains("another program"), "{why}");
                noticed += 1;
            }
            Err(Error::Newer(_)) => noticed += 1,
            Err(other) => panic!("page {n}: {other:?}"),
        }
    }
    assert!(wrong <= most_wrong, "{wrong} were read otherwise than they were written, and nobody noticed");
    (noticed, bytes.len() / PAGE)
}

#[test]
fn a_page_that_is_lost_is_noticed_wherever_it_is() {
    let mut random = Random::told("damage");
    let mut noise = random.split();
    let (noticed, of) = each(|bytes, n| bytes[n * PAGE..(n + 1) * PAGE].fill_with(|| noise.draw() as u8), 0);
    eprintln!("pages of noise: {noticed} noticed of {of}");
    let (zeroed, of) = each(|bytes, n| bytes[n * PAGE..(n + 1) * PAGE].fill(0), 0);
    eprintln!("pages of zeros: {zeroed} noticed of {of}");
    assert!(noticed > of / 2 && zeroed > of / 2, "{noticed} and {zeroed} of {of}");
}

#[test]
fn flipped_bits_never_bring_it_down() {
    let mut random = Random::told("damage");
    // SQLite keeps no sums over what is in a row: a letter that has become another is read as that.
    let (noticed, of) = each(
        |bytes, n| {
            for _ in 0..8 {
                bytes[n * PAGE + random.below(PAGE as u64) as usize] ^= 1 << random.below(8);
            }
        },
        usize::MAX,
    );
    eprintln!("pages with flipped bits: {noticed} noticed of {of}");
}
