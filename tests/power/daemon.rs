//! The whole daemon in this process, over HTTP, on a disk that fails: it stops acknowledging, says why, ends, and has lost nothing.

use std::net::SocketAddr;
use std::path::Path;
use std::thread::JoinHandle;

use ifthen::daemon::{self, Error};
use ifthen::store::Read as _;
use ifthen::store::sqlite::Reader;
use ifthen::{config, web};
use powercut::{Disk, Fault, What};
use serde_json::{Value, json};

use super::harness::{Client, Folder, field_of, wait};

const CONFIG: &str = "
sources:
  crm: { webhook: {}, event: ticket.seen, delivery: { body: [n] }, record: { entity: ticket, fields: { id: id } } }
";
const RULES: &str = "
entities: { ticket: { fields: { id: text, seen: number } } }
rules: { 数一数: { when: ticket.seen, then: [ { set: { seen: '= default(seen, 0) + 1' } } ] } }
";

/// A daemon on a thread.
struct Running {
    address: SocketAddr,
    thread: JoinHandle<Result<(), Error>>,
}

fn start(config: &Path) -> Running {
    let (told, address) = std::sync::mpsc::channel();
    let config = config.to_owned();
    let thread = std::thread::spawn(move || {
        // One provider for every TLS connection of the process; installing it twice is harmless.
        drop(rustls::crypto::ring::default_provider().install_default());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let ready = move |address: &str| told.send(address.split_once("://").unwrap().1.parse().unwrap()).unwrap();
        runtime.block_on(daemon::run(config::Options::default(), config, web::router, ready))
    });
    Running { address: address.recv().expect("it did not start"), thread }
}

impl Running {
    fn tell(&self, n: u64) -> (u16, Value) {
        Client::new(self.address).post("/in/crm", &[], &json!({ "n": n, "id": "T1" })).unwrap()
    }

    /// It has ended by itself, with this.
    fn ended(self) -> String {
        self.thread.join().unwrap().expect_err("it ended as if nothing had been").to_string()
    }
}

fn folder(seed: u64) -> (Folder, Disk) {
    let folder = Folder::new(&[("config.yaml", CONFIG), ("rules/a.yaml", RULES)]);
    std::fs::create_dir(folder.path("data")).unwrap();
    let disk = Disk::new(&folder.path("data"), seed);
    (folder, disk)
}

/// Cuts the power of a running daemon, and gives it back.
fn cut(disk: &Disk, running: Running) {
    disk.stop();
    let (status, answer) = running.tell(1_000_000);
    assert_eq!(status, 503, "{answer}");
    running.ended();
    disk.power_on().unwrap();
}

/// Every one of these is there, once.
fn holds(folder: &Folder, acknowledged: &[u64]) {
    let reader = Reader::open(&folder.path("data/ifthen.db")).unwrap();
    let stored: Vec<u64> =
        reader.events(0, usize::MAX >> 1).unwrap().iter().filter_map(|e| e.event.delivery.as_ref()?.parse().ok()).collect();
    let mut sorted = stored.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, acknowledged, "in the store, and acknowledged");
    assert_eq!(field_of(&reader, "ticket", "T1", "seen"), acknowledged.len().to_string());
}

/// Something fails at the third message. It is refused, the daemon says what it was and ends. Started again, with the power on all
/// the while, it takes the message once; then the power goes, and everything must be there.
fn fails(what: What, file: &'static str, says: &str) {
    for seed in 1..=8 {
        let (folder, disk) = folder(seed);
        let running = start(&folder.path("config.yaml"));
        assert_eq!((running.tell(1).0, running.tell(2).0), (202, 202));
        disk.fail(Fault { what, file, after: 0, times: 1 });
        let (status, answer) = running.tell(3);
        assert_eq!(status, 503, "{answer}");
        for words in ["the disk failed", "ifthen.db", says] {
            assert!(answer["detail"].as_str().unwrap().contains(words), "{words} is not in {answer}");
        }
        let said = running.ended();
        assert!(said.contains(says) && said.contains("ifthen.db"), "{said}");
        assert_eq!(disk.failed(), 1);

        let running = start(&folder.path("config.yaml"));
        let (status, answer) = running.tell(3);
        assert!(matches!(status, 200 | 202), "{answer}");
        assert_eq!(running.tell(2).0, 200, "known");
        cut(&disk, running);
        holds(&folder, &[1, 2, 3]);
    }
}

#[test]
fn an_fsync_that_fails_ends_it_and_what_it_left_is_not_trusted() {
    fails(What::Sync, "-wal", "fsync failed");
}

#[test]
fn a_write_that_fails_ends_it() {
    fails(What::Write, "-wal", "writing failed");
}

#[test]
fn a_full_disk_is_answered_503_and_passes_by_itself_and_a_power_cut_after_it_loses_nothing() {
    let (folder, disk) = folder(1);
    let running = start(&folder.path("config.yaml"));
    let mut kept = Vec::new();
    for n in 1..=30 {
        if n % 5 == 0 {
            disk.fail(Fault { what: What::Room, file: "", after: n / 5, times: 2 });
        }
        let mut refused = 0;
        wait("room", || match running.tell(n) {
            (202, _) => Some(()),
            (200, answer) => panic!("it was refused, and is known: {answer}"),
            (503, answer) => {
                refused += 1;
                assert!(answer["detail"].as_str().unwrap().contains("the disk is full"), "{answer}");
                None
            }
            other => panic!("{other:?}"),
        });
        kept.push(n);
    }
    assert!(disk.failed() >= 10, "{} times", disk.failed());
    cut(&disk, running);
    holds(&folder, &kept);
    let running = start(&folder.path("config.yaml"));
    assert_eq!(running.tell(30).0, 200);
    cut(&disk, running);
    holds(&folder, &kept);
}

#[test]
fn a_file_that_cannot_be_read_is_said_at_the_start() {
    let (folder, disk) = folder(1);
    let running = start(&folder.path("config.yaml"));
    assert_eq!(running.tell(1).0, 202);
    cut(&disk, running);
    disk.fail(Fault { what: What::Read, file: "", after: 2, times: u64::MAX });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let path = folder.path("config.yaml");
    let end = runtime.block_on(daemon::run(config::Options::default(), path, web::router, |_| panic!("it started")));
    let said = end.unwrap_err().to_string();
    assert!(said.contains("the disk failed") && said.contains("ifthen.db") && said.contains("reading failed"), "{said}");
    disk.heal();
    holds(&folder, &[1]);
}
