//! The turn over a store that fails as told.

use std::collections::VecDeque;
use std::sync::Mutex;

use super::*;
use crate::engine::log::Line;
use crate::store::memory::Memory;
use crate::store::{Filter, Read, Stored};

/// A store that fails as told: commits by a script, any that holds an event of the name `poison`, loads by a switch.
#[derive(Clone, Default)]
struct Faulty(Arc<Mutex<Faults>>);

#[derive(Default)]
struct Faults {
    memory: Memory,
    commits: VecDeque<Error>,
    load: Option<fn() -> Error>,
    tried: usize,
}

impl Faulty {
    fn with<T>(&self, f: impl FnOnce(&mut Faults) -> T) -> T {
        f(&mut self.0.lock().unwrap())
    }
}

impl Read for Faulty {
    fn load(&self, key: &Key) -> Result<Option<Arc<crate::engine::state::Entry>>, Error> {
        self.with(|f| f.load.map_or_else(|| f.memory.load(key), |error| Err(error())))
    }
    fn scan(
        &self,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Arc<crate::engine::state::Entry>)>, Error> {
        self.with(|f| f.memory.scan(prefix, after, limit))
    }
    fn as_of(&self, key: &Key, seq: u64) -> Result<Option<Arc<crate::engine::state::Entry>>, Error> {
        self.with(|f| f.memory.as_of(key, seq))
    }
    fn scan_as_of(&self, prefix: &str, seq: u64, each: &mut crate::store::Each<'_>) -> Result<(), Error> {
        self.with(|f| f.memory.scan_as_of(prefix, seq, each))
    }
    fn delivery(&self, source: &str, delivery: &str) -> Result<Option<u64>, Error> {
        self.with(|f| f.memory.delivery(source, delivery))
    }
    fn last(&self) -> Result<Last, Error> {
        self.with(|f| f.memory.last())
    }
    fn event(&self, seq: u64) -> Result<Option<Stored>, Error> {
        self.with(|f| f.memory.event(seq))
    }
    fn events(&self, after: u64, limit: usize) -> Result<Vec<Stored>, Error> {
        self.with(|f| f.memory.events(after, limit))
    }
    fn log(&self, filter: &Filter, after: u64, limit: usize) -> Result<Vec<Line>, Error> {
        self.with(|f| f.memory.log(filter, after, limit))
    }
    fn log_tail(&self, filter: &Filter, count: usize) -> Result<Vec<Line>, Error> {
        self.with(|f| f.memory.log_tail(filter, count))
    }
    fn log_definitions(&self, seq: u64) -> Result<Option<String>, Error> {
        self.with(|f| f.memory.log_definitions(seq))
    }
    fn instance(&self) -> Result<String, Error> {
        self.with(|f| f.memory.instance())
    }
}

impl Store for Faulty {
    fn commit(&mut self, batch: &Batch) -> Result<(), Error> {
        self.with(|f| {
            f.tried += 1;
            if batch.events.iter().any(|e| e.name == "poison") {
                return Err(Error::Refused("poison".into()));
            }
            f.commits.pop_front().map_or_else(|| f.memory.commit(batch), Err)
        })
    }
}

type Answer = oneshot::Receiver<Result<Vec<Accepted>, Refusal>>;

fn now() -> Timestamp {
    "2026-09-21T01:00:00Z".parse().unwrap()
}

fn turn() -> (Turn, Faulty) {
    let store = Faulty::default();
    let (turn, cut_off) = Turn::open(Box::new(store.clone()), Arc::default(), now()).unwrap();
    assert!(cut_off.is_empty());
    (turn, store)
}

/// One submission of events of these names, each with its name as its delivery.
fn submission(names: &[&str]) -> (Submission, Answer) {
    let (reply, answer) = oneshot::channel();
    let draft = |name: &&str| {
        let body = Body::Happened { data: Value::Null, upsert: None };
        Draft { delivery: Some((*name).into()), origin: "crm".into(), ..Draft::own(name, now(), body) }
    };
    (Submission { drafts: names.iter().map(draft).collect(), reply: Some(reply) }, answer)
}

/// Takes these as one batch; the answers as short words.
fn take(turn: &mut Turn, submissions: &[&[&str]]) -> (Taken, Vec<String>) {
    let (all, answers): (Vec<_>, Vec<_>) = submissions.iter().map(|names| submission(names)).unzip();
    let taken = turn.take(all, now());
    let word = |mut a: Answer| match a.try_recv().unwrap() {
        Ok(accepted) => {
            accepted.iter().map(|a| format!("{}{}", a.seq, if a.duplicate { "!" } else { "" })).collect::<Vec<_>>().join(" ")
        }
        Err(Refusal::Unavailable(_)) => "unavailable".into(),
        Err(Refusal::Overloaded(_)) => "overloaded".into(),
        Err(Refusal::Rejected(_)) => "rejected".into(),
    };
    (taken, answers.into_iter().map(word).collect())
}

fn stored(store: &Faulty) -> Vec<String> {
    store.events(0, 100).unwrap().into_iter().map(|e| e.event.name).collect()
}

#[test]
fn a_batch_is_one_commit_and_a_repetition_in_it_is_the_same_event() {
    let (mut turn, store) = turn();
    let (taken, answers) = take(&mut turn, &[&["a"], &["b", "c"], &["a"]]);
    assert_eq!(answers, ["1", "2 3", "1!"]);
    assert_eq!((taken.commits, store.with(|f| f.tried)), (Some(true), 1));
    let (taken, answers) = take(&mut turn, &[&["c"], &["d"]]);
    assert_eq!(answers, ["3!", "4"]);
    assert_eq!(stored(&store), ["a", "b", "c", "d"]);
    assert_eq!(taken.commits, Some(true));
    let (taken, answers) = take(&mut turn, &[&["d"]]);
    assert_eq!((answers, taken.commits), (vec!["4!".to_owned()], None), "nothing was written: nothing was shown");
}

#[test]
fn one_that_can_never_be_written_fails_alone_with_all_of_its_submission() {
    let (mut turn, store) = turn();
    let (_, answers) = take(&mut turn, &[&["a"], &["b", "poison"], &["c"], &["b"]]);
    assert_eq!(answers, ["1", "rejected", "2", "3"]);
    assert_eq!(stored(&store), ["a", "c", "b"]);
}

#[test]
fn a_full_disk_refuses_everyone_for_now_and_leaves_no_trace() {
    let (mut turn, store) = turn();
    store.with(|f| f.commits.extend([Error::Full, Error::Full]));
    let own = Submission::own(Draft::own("own", now(), Body::NotLoaded(Value::Null)));
    let (sub, mut answer) = submission(&["a"]);
    let taken = turn.take(vec![own, sub], now());
    assert!(matches!(answer.try_recv().unwrap(), Err(Refusal::Unavailable(_))));
    assert_eq!((taken.commits, taken.again.len(), store.with(|f| f.tried)), (Some(false), 1, 1));
    let taken = turn.take(taken.again, now());
    assert_eq!(taken.again.len(), 1, "our own is kept, once");
    let taken = turn.take(taken.again, now());
    assert_eq!((taken.commits, taken.again.len()), (Some(true), 0));
    let (_, answers) = take(&mut turn, &[&["a"]]);
    assert_eq!(answers, ["2"], "the delivery that was refused is not taken for known");
    assert_eq!(stored(&store), ["own", "a"]);
}

#[test]
fn a_disk_that_fails_ends_the_process_whether_it_is_written_or_read() {
    let (mut turn, store) = turn();
    store.with(|f| f.commits.push_back(Error::Broken("fsync".into())));
    let (taken, answers) = take(&mut turn, &[&["a"], &["b"]]);
    assert_eq!((taken.broken.as_deref(), answers), (Some("fsync"), vec!["unavailable".to_owned(); 2]));

    let (mut turn, store) = self::turn();
    store.with(|f| f.load = Some(|| Error::Broken("EIO".into())));
    let (reply, mut answer) = oneshot::channel();
    let record = Some(crate::engine::event::RecordRef { entity: "lead".into(), id: "L1".into() });
    let body = Body::Happened { data: Value::Null, upsert: None };
    let draft = Draft { record, ..Draft::own("x", now(), body) };
    let taken = turn.take(vec![Submission { drafts: vec![draft], reply: Some(reply) }], now());
    assert_eq!(taken.broken.as_deref(), Some("EIO"));
    assert!(matches!(answer.try_recv().unwrap(), Err(Refusal::Unavailable(_))));
}
