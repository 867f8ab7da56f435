//! A polled SQLite file of another program: ten thousand changing rows, equal cursor values among them, three kills in between.

use std::collections::BTreeMap;

use ifthen::engine::log::Outcome;
use rusqlite::Connection;

use super::harness::{Folder, wait};

const ROWS: i64 = 10_000;

#[test]
fn ten_thousand_changes_are_seen_once_each_though_the_daemon_is_killed_three_times() {
    let config = "
sources:
  erp:
    poll: { sqlite: ./erp.db, query: 'SELECT updated_at, id, customer, version FROM orders', cursor: [updated_at, id], every: 1s, batch: 200 }
    event: erp.order
    record: { entity: order, fields: { id: id, customer: customer, version: version } }
";
    let rules = "entities: { order: { fields: { id: text, customer: text, version: number } } }\n";
    let folder = Folder::new(&[("config.yaml", config), ("rules/order.yaml", rules)]);
    let mut erp = Connection::open(folder.path("erp.db")).unwrap();
    erp.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE orders (id INTEGER PRIMARY KEY, updated_at INTEGER, customer TEXT, version INTEGER)").unwrap();
    let mut clock = 0;
    // Seven rows share each value of the first cursor column.
    let mut change = |erp: &mut Connection, from: i64, to: i64, version: i64| {
        let all = erp.transaction().unwrap();
        for id in from..to {
            clock += i64::from(id % 7 == 0);
            all.execute(
                "INSERT INTO orders VALUES (?1, ?2, ?3, ?4) ON CONFLICT (id) DO UPDATE SET updated_at = ?2, version = ?4",
                (id, clock, format!("客户{id}"), version),
            )
            .unwrap();
        }
        all.commit().unwrap();
    };
    let seen = |daemon: &super::harness::Daemon| daemon.events().iter().filter(|e| e.event.name == "erp.order").count();
    change(&mut erp, 0, 4_000, 1);
    let mut daemon = folder.start();
    for (kill, (from, to, version)) in [(4_000, 6_000, 1), (0, 2_000, 2), (6_000, 8_000, 1)].into_iter().enumerate() {
        wait("rows are being read", || (seen(&daemon) > 1_000 * (kill + 1)).then_some(()));
        daemon.kill();
        change(&mut erp, from, to, version);
        daemon = folder.start();
    }
    change(&mut erp, 8_000, ROWS, 1);
    // 10,000 rows, 2,000 of them changed once more: those whose first version was read before count twice.
    let last = wait("all is read", || {
        let reader = daemon.reader();
        let done = ["1999", "9999"].iter().all(|id| super::harness::record_of(&reader, "order", id).is_some());
        (done && super::harness::field_of(&reader, "order", "1999", "version") == "2").then(|| daemon.events())
    });
    let mut versions: BTreeMap<(String, String), usize> = BTreeMap::new();
    for stored in last.iter().filter(|e| e.event.name == "erp.order") {
        let ifthen::engine::event::Body::Happened { data, .. } = &stored.event.body else { panic!() };
        let member = |name: &str| data.at(&[name]).unwrap().to_string();
        *versions.entry((member("id"), member("version"))).or_default() += 1;
    }
    assert!(versions.values().all(|n| *n == 1), "seen twice: {:?}", versions.iter().find(|(_, n)| **n > 1));
    let missing: Vec<i64> = (0..ROWS)
        .filter(|id| {
            let version = if *id < 2_000 { "2" } else { "1" };
            !versions.contains_key(&(id.to_string(), version.to_owned()))
        })
        .collect();
    assert!(missing.is_empty(), "never seen: {missing:?}");
    assert_eq!(super::harness::field_of(&daemon.reader(), "order", "7", "customer"), "客户7");
}

#[test]
fn a_missing_file_and_a_missing_column_are_told_and_pass_when_mended() {
    let config = "
sources:
  erp:
    poll: { sqlite: ./erp.db, query: 'SELECT id, customer FROM orders', cursor: [id], every: 1s }
    event: erp.order
";
    let folder = Folder::new(&[("config.yaml", config)]);
    let daemon = folder.start();
    wait("the missing file is told", || daemon.said().contains("erp.db").then_some(()));
    let erp = Connection::open(folder.path("erp.db")).unwrap();
    erp.execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO orders VALUES (1, 'x')").unwrap();
    wait("the missing column is told", || daemon.said().contains("customer").then_some(()));
    let told = daemon.wait_lines("read", Outcome::Failed, 2);
    assert!(told[0].detail.to_string().contains("erp.db") && told[1].detail.to_string().contains("customer"), "{told:?}");
    erp.execute_batch("ALTER TABLE orders RENAME COLUMN name TO customer").unwrap();
    wait("the row is read", || daemon.events().iter().any(|e| e.event.name == "erp.order").then_some(()));
    daemon.wait_lines("read", Outcome::Done, 1);
}
