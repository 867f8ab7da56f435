//! A store that is used by the daemon's own turn, dies in every way, and is used again; and the ledger of what it acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use ifthen::config;
use ifthen::daemon::turn::{Accepted, Refusal, Submission, Turn};
use ifthen::engine::definition::Definitions;
use ifthen::engine::event::{Body, Draft, RecordRef, Upsert};
use ifthen::engine::value::{Value, from_json};
use ifthen::store::sqlite::{Options, Sqlite};
use ifthen::store::{Error, Read as _};
use jiff::Timestamp;
use powercut::{Disk, Fault, Random, What};
use tempfile::TempDir;
use tokio::sync::oneshot::Receiver;

use super::harness::field_of;

const RULES: &str = "
entities: { ticket: { fields: { id: text, note: text, seen: number } } }
rules: { 数一数: { when: ticket.seen, then: [ { set: { seen: '= default(seen, 0) + 1' } } ] } }
";

/// Turns of one life.
const TURNS: u64 = 40;
/// Records that all of them are about: few, so that batches meet on them.
const TICKETS: u64 = 5;

/// The definitions that decide.
pub fn definitions() -> Arc<Definitions> {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    std::fs::write(folder.path().join("config.yaml"), "lang: en\nsources: { crm: { webhook: {}, event: ticket.seen } }\n")
        .unwrap();
    std::fs::write(folder.path().join("rules/a.yaml"), RULES).unwrap();
    let loaded = config::load(&folder.path().join("config.yaml"), &config::Options::default());
    Arc::new(loaded.unwrap_or_else(|report| panic!("{}", report.render(report.lang, false))).definitions)
}

/// How a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The power goes, in the middle of something.
    Cut,
    /// `kill -9`: the system goes on, and what was written stays.
    Kill,
    /// Something fails; the process must notice and end by itself.
    Fails(What),
}

/// One store on one disk, over several lives.
pub struct World {
    folder: TempDir,
    pub disk: Disk,
    pub random: Random,
    definitions: Arc<Definitions>,
    /// Delivery → the number under which it was acknowledged.
    pub ledger: BTreeMap<String, u64>,
    /// Sent and not acknowledged: to be sent again.
    open: BTreeSet<String>,
    /// How large what they say may be.
    size: u64,
}

/// An answer that is to come.
type Answer = (Vec<String>, Receiver<Result<Vec<Accepted>, Refusal>>);

impl World {
    pub fn new(seed: u64, definitions: &Arc<Definitions>) -> Self {
        let folder = TempDir::new().unwrap();
        let mut random = Random::new(seed);
        let disk = Disk::new(folder.path(), random.draw());
        let size = if random.one_in(4) { 60_000 } else { 200 };
        Self { folder, disk, random, definitions: Arc::clone(definitions), ledger: BTreeMap::new(), open: BTreeSet::new(), size }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("ifthen.db")
    }

    /// Starts, works, and ends so. An error: what should not have happened.
    pub fn live(&mut self, end: End) -> Result<(), String> {
        match end {
            End::Cut => {
                let upto = if self.random.one_in(2) { 40 } else { 600 };
                self.disk.cut_after(1 + self.random.below(upto));
            }
            End::Fails(what) if what != What::Room => self.fault(what, 1),
            End::Fails(_) | End::Kill => {}
        }
        let lived = self.work(end);
        self.disk.heal();
        if end == End::Cut {
            self.disk.stop(); // it may have had little to do
        }
        lived
    }

    /// Somewhere in the next few operations.
    fn fault(&mut self, what: What, times: u64) {
        let file = if self.random.one_in(4) { ".db" } else { "-wal" };
        self.disk.fail(Fault { what, file, after: self.random.below(12), times });
    }

    fn work(&mut self, end: End) -> Result<(), String> {
        let opened = Sqlite::open(&self.path(), Options::default())
            .and_then(|store| Turn::open(Box::new(store), Arc::clone(&self.definitions), Timestamp::now()));
        let (mut turn, _) = match opened {
            Ok(opened) => opened,
            Err(Error::Broken(_)) if self.disk.is_off() || self.disk.failed() > 0 => return Ok(()),
            Err(other) => return Err(format!("it does not open: {other:?}")),
        };
        // What was not acknowledged is sent again first: and perhaps nothing else is, before it ends.
        let again: Vec<String> = self.open.iter().cloned().collect();
        if !again.is_empty() && self.turn(&mut turn, vec![again], end)? {
            return Ok(());
        }
        if end == End::Cut && self.random.one_in(3) {
            return Ok(());
        }
        if end == End::Fails(What::Room) {
            let times = 1 + self.random.below(6);
            self.fault(What::Room, times);
        }
        for _ in 0..TURNS {
            let submissions = (0..1 + self.random.below(4)).map(|_| self.submission()).collect();
            if self.turn(&mut turn, submissions, end)? {
                return Ok(());
            }
        }
        if end == End::Kill {
            self.disk.stop();
        }
        Ok(())
    }

    /// Deliveries that are told together; now and then one that was told before.
    fn submission(&mut self) -> Vec<String> {
        let told: Vec<&String> = self.ledger.keys().collect();
        if !told.is_empty() && self.random.one_in(6) {
            return vec![told[self.random.below(told.len() as u64) as usize].clone()];
        }
        (0..1 + self.random.below(3)).map(|_| format!("{:016x}", self.random.draw())).collect()
    }

    /// One turn; whether the process has to end.
    fn turn(&mut self, turn: &mut Turn, submissions: Vec<Vec<String>>, end: End) -> Result<bool, String> {
        let (told, answers): (Vec<Submission>, Vec<Answer>) = submissions.into_iter().map(|s| self.submit(s)).unzip();
        let failed = self.disk.failed();
        let taken = turn.take(told, Timestamp::now());
        for (deliveries, mut answer) in answers {
            match answer.try_recv() {
                Ok(Ok(accepted)) => {
                    for (delivery, one) in deliveries.into_iter().zip(accepted) {
                        self.open.remove(&delivery);
                        let before = *self.ledger.entry(delivery.clone()).or_insert(one.seq);
                        if before != one.seq {
                            return Err(format!("{delivery} was acknowledged as e{before}, now as e{}", one.seq));
                        }
                    }
                }
                Ok(Err(Refusal::Unavailable(_))) if self.disk.is_off() || self.disk.failed() > failed => {}
                other => return Err(format!("{deliveries:?}: {other:?}")),
            }
        }
        let ends = taken.broken.is_some();
        let must = self.disk.is_off() || (self.disk.failed() > failed && end != End::Fails(What::Room));
        match (ends, must) {
            (false, true) => Err("the disk failed, and it goes on".into()),
            (true, false) => Err(format!("it gives up without need: {:?}", taken.broken)),
            _ => Ok(ends),
        }
    }

    fn submit(&mut self, deliveries: Vec<String>) -> (Submission, Answer) {
        let drafts = deliveries.iter().map(|d| self.draft(d)).collect();
        for delivery in deliveries.iter().filter(|d| !self.ledger.contains_key(*d)) {
            self.open.insert(delivery.clone());
        }
        let (reply, answer) = tokio::sync::oneshot::channel();
        (Submission { drafts, reply: Some(reply) }, (deliveries, answer))
    }

    fn draft(&mut self, delivery: &str) -> Draft {
        let id = format!("T{}", u64::from_str_radix(&delivery[8..], 16).unwrap() % TICKETS);
        let note = "备注".repeat(1 + self.random.below(self.size / 6) as usize);
        let data = from_json(format!(r#"{{"id":"{id}","note":"{note}"}}"#).as_bytes()).unwrap();
        let Value::Map(fields) = data.clone() else { unreachable!("an object") };
        let record = RecordRef { entity: "ticket".into(), id };
        let upsert = Some(Upsert { record: record.clone(), fields, at: None });
        let body = Body::Happened { data, upsert };
        let known = Some(delivery.to_owned());
        Draft { origin: "crm".into(), delivery: known, record: Some(record), ..Draft::own("ticket.seen", Timestamp::now(), body) }
    }

    /// Compares the store with the ledger, once it has come up again. An error: what is wrong.
    pub fn check(&self) -> Result<(), String> {
        let said = |error: Error| format!("it does not open: {error:?}");
        let store = Sqlite::open(&self.path(), Options::default()).map_err(said)?;
        let conn = rusqlite::Connection::open(self.path()).unwrap();
        let verdict: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).map_err(|e| e.to_string())?;
        if verdict != "ok" {
            return Err(format!("integrity: {verdict}"));
        }
        let events = store.events(0, usize::MAX >> 1).map_err(|e| e.to_string())?;
        let mut stored: BTreeMap<&str, u64> = BTreeMap::new();
        let mut seen: BTreeMap<String, u64> = BTreeMap::new();
        for event in events.iter().map(|s| &s.event) {
            let Some(delivery) = &event.delivery else { continue };
            if stored.insert(delivery, event.seq).is_some() {
                return Err(format!("{delivery} stands twice"));
            }
            *seen.entry(event.record.as_ref().unwrap().id.to_string()).or_default() += 1;
        }
        let lost = self.ledger.iter().filter(|(d, seq)| stored.get(d.as_str()) != Some(seq)).count();
        if lost > 0 {
            return Err(format!("{lost} of {} acknowledged are lost", self.ledger.len()));
        }
        if let Some(strange) = stored.keys().find(|d| !self.ledger.contains_key(**d) && !self.open.contains(**d)) {
            return Err(format!("{strange} was never sent"));
        }
        let reader = ifthen::store::sqlite::Reader::open(&self.path()).map_err(|e| e.to_string())?;
        for (id, count) in seen {
            let counted = field_of(&reader, "ticket", &id, "seen");
            if counted != count.to_string() {
                return Err(format!("{id} was counted {counted} times, of {count} deliveries"));
            }
        }
        Ok(())
    }
}
