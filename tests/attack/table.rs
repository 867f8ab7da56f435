//! The table in `docs/security.md` and the tests of this folder are of each other.

use std::collections::BTreeSet;
use std::path::Path;

/// Rows that come with what does not exist yet.
const LATER: [u8; 2] = [16, 30];
/// The last row.
const LAST: u8 = 31;

/// The tests of this folder that are named after a row.
fn tests() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attack");
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let tests = text.split("#[test]\nfn ").skip(1).map(|rest| rest.split('(').next().unwrap().to_owned());
        found.extend(tests.filter(|name| name.starts_with("row_")));
    }
    found
}

#[test]
fn every_row_has_its_tests_and_every_test_its_row() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md")).unwrap();
    let mut named = BTreeSet::new();
    let mut rows = BTreeSet::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let Ok(row) = cells[1].parse::<u8>() else { continue };
        rows.insert(row);
        let held = cells[4].split('`').filter(|word| word.starts_with("row_")).map(str::to_owned).collect::<Vec<_>>();
        assert!(!held.is_empty(), "no test holds row {row}");
        assert!(held.iter().all(|name| name.starts_with(&format!("row_{row:02}_"))), "{held:?} in row {row}");
        named.extend(held);
    }
    let expected: BTreeSet<u8> = (1..=LAST).filter(|row| !LATER.contains(row)).collect();
    assert_eq!(rows, expected);
    let tests = tests();
    assert_eq!(named.difference(&tests).collect::<Vec<_>>(), Vec::<&String>::new(), "named, but no test");
    assert_eq!(tests.difference(&named).collect::<Vec<_>>(), Vec::<&String>::new(), "a test, but not named");
}
