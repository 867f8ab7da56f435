//! What every store must do, run over every one; and random histories on which they must agree.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;

use super::memory::Memory;
use super::sqlite::{Options, Reader, Sqlite};
use super::{Batch, Error, Filter, Last, Read, Store};
use crate::engine::event::{Body, Event, RecordRef};
use crate::engine::log::{Line, Outcome};
use crate::engine::record::Record;
use crate::engine::state::{Change, Entry, Key};
use crate::engine::value::Value;

/// A SQLite store that is closed and opened again after every commit.
struct Reopened {
    path: PathBuf,
    store: Option<Sqlite>,
}

impl Reopened {
    fn run<T>(&mut self, f: impl FnOnce(&mut Sqlite) -> T) -> T {
        let result = f(self.store.as_mut().unwrap());
        self.store = None;
        self.store = Some(Sqlite::open(&self.path, Options::default()).unwrap());
        result
    }
}

/// A check, run over one kind of store: how to write, and how to read what is written.
trait Kind {
    fn write(&mut self, batch: &Batch) -> Result<(), Error>;
    fn read<T>(&self, f: impl Fn(&dyn Read) -> T) -> T
    where
        T: PartialEq + std::fmt::Debug;
    fn keep(&mut self, hash: &str, text: &str);
    fn refuse(&mut self, batch: &Batch) {
        assert!(matches!(self.write(batch), Err(Error::Refused(_))));
    }
}

impl Kind for Memory {
    fn write(&mut self, batch: &Batch) -> Result<(), Error> {
        Store::commit(self, batch)
    }
    fn keep(&mut self, hash: &str, text: &str) {
        self.keep_definitions(hash, text).unwrap();
    }
    fn read<T: PartialEq + std::fmt::Debug>(&self, f: impl Fn(&dyn Read) -> T) -> T {
        f(self)
    }
}

/// What the writer sees, a reader of its own must see as well.
fn both<T: PartialEq + std::fmt::Debug>(writer: &Sqlite, path: &std::path::Path, f: impl Fn(&dyn Read) -> T) -> T {
    let (seen, read) = (f(writer), f(&Reader::open(path).unwrap()));
    assert_eq!(seen, read, "writer and reader");
    seen
}

impl Kind for (PathBuf, Sqlite) {
    fn write(&mut self, batch: &Batch) -> Result<(), Error> {
        let done = self.1.commit(batch);
        self.1.maintain().unwrap();
        done
    }
    fn keep(&mut self, hash: &str, text: &str) {
        self.1.keep_definitions(hash, text).unwrap();
    }
    fn read<T: PartialEq + std::fmt::Debug>(&self, f: impl Fn(&dyn Read) -> T) -> T {
        both(&self.1, &self.0, f)
    }
}

impl Kind for Reopened {
    fn write(&mut self, batch: &Batch) -> Result<(), Error> {
        self.run(|store| store.commit(batch))
    }
    fn keep(&mut self, hash: &str, text: &str) {
        self.run(|store| store.keep_definitions(hash, text).unwrap());
    }
    fn read<T: PartialEq + std::fmt::Debug>(&self, f: impl Fn(&dyn Read) -> T) -> T {
        both(self.store.as_ref().unwrap(), &self.path, f)
    }
}

macro_rules! over_every_store {
    ($($name:ident)*) => {$(
        mod $name {
            use super::*;
            #[test]
            fn memory() {
                super::$name(&mut Memory::default());
            }
            #[test]
            fn sqlite() {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("数据/ifthen.db");
                let store = Sqlite::open(&path, Options::default()).unwrap();
                super::$name(&mut (path, store));
            }
            #[test]
            fn sqlite_reopened() {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("ifthen.db");
                let store = Some(Sqlite::open(&path, Options::default()).unwrap());
                super::$name(&mut Reopened { path, store });
            }
        }
    )*};
}

over_every_store! {
    nothing_yet commit_is_visible order_is_kept scan_pages as_of_every_number deliveries log_filters large_entries
    refused_leaves_nothing definitions_are_kept
}

pub(super) fn time(second: i64) -> Timestamp {
    Timestamp::new(1_790_000_000 + second, 123_456_789).unwrap()
}

pub(super) fn event(seq: u64, delivery: Option<&str>) -> Event {
    let at = time(i64::try_from(seq).unwrap());
    let data = Value::from([("姓名", "张三".into()), ("amount", Value::from(1_200_i64)), ("at", at.into())]);
    Event {
        seq,
        name: "lead.posted".into(),
        at,
        received: at,
        origin: "crm".into(),
        delivery: delivery.map(Into::into),
        record: Some(lead("L20")),
        cause: None,
        batch: None,
        by: None,
        body: Body::Happened { data, upsert: None },
    }
}

fn lead(id: &str) -> RecordRef {
    RecordRef { entity: "lead".into(), id: id.into() }
}

pub(super) fn record(id: &str) -> Key {
    Key::Record(lead(id))
}

pub(super) fn named(name: &str) -> Arc<Entry> {
    Arc::new(Entry::Record(Arc::new(Record { fields: [("name".to_owned(), name.into())].into(), ..Record::default() })))
}

pub(super) fn put(seq: u64, key: &Key, name: &str) -> (u64, Change) {
    (seq, Change { key: key.clone(), entry: Some(named(name)) })
}

pub(super) fn gone(seq: u64, key: &Key) -> (u64, Change) {
    (seq, Change { key: key.clone(), entry: None })
}

pub(super) fn line(seq: u64, event: u64) -> Line {
    Line {
        seq,
        at: Timestamp::from_microsecond(1_790_000_000_000_000 + i64::try_from(seq).unwrap() * 1_000_000).unwrap(),
        event,
        rule: Some("welcome".into()),
        flow: None,
        run: None,
        record: Some(lead("L20")),
        action: "tag".into(),
        outcome: Outcome::Done,
        detail: Value::from([("tag", "官网".into())]),
    }
}

pub(super) fn batch(events: Vec<Event>, changes: Vec<(u64, Change)>, log: Vec<Line>) -> Batch {
    Batch { definitions: "d1".into(), events, changes, log }
}

fn nothing_yet(kind: &mut impl Kind) {
    kind.write(&Batch::default()).unwrap();
    assert_eq!(kind.read(|r| r.last().unwrap()), Last::default());
    assert_eq!(kind.read(|r| r.event(1).unwrap()), None);
    assert_eq!(kind.read(|r| r.load(&record("L20")).unwrap()), None);
    assert_eq!(kind.read(|r| r.as_of(&record("L20"), u64::MAX).unwrap()), None);
    assert_eq!(kind.read(|r| r.scan("", None, 9).unwrap()), []);
    assert_eq!(kind.read(|r| r.log(&Filter::default(), 0, 9).unwrap()), []);
    assert_eq!(kind.read(|r| r.log_definitions(1).unwrap()), None);
    assert!(!kind.read(|r| r.instance().unwrap()).is_empty());
}

fn definitions_are_kept(kind: &mut impl Kind) {
    let of = |kind: &mut _, hash: &str| Kind::read(kind, |r| r.definitions_of(hash).unwrap());
    assert_eq!(of(kind, "甲"), None);
    kind.keep("甲", "{\"规则\": 1}");
    kind.keep("甲", "another text of the same hash: the first stays");
    assert_eq!(of(kind, "甲").as_deref(), Some("{\"规则\": 1}"));
    for (seq, hash) in [(1, "甲"), (2, "乙"), (3, "乙"), (5, "甲")] {
        kind.write(&Batch { definitions: hash.into(), ..batch(vec![event(seq, None)], vec![], vec![]) }).unwrap();
    }
    assert_eq!((of(kind, "甲").is_some(), of(kind, "乙")), (true, None));
    let next = |kind: &mut _, after: u64, hash: &str| {
        Kind::read(kind, |r| r.decided_otherwise(after, hash).unwrap()).map(|s| (s.event.seq, s.definitions))
    };
    assert_eq!(next(kind, 1, "甲"), Some((2, "乙".into())));
    assert_eq!(next(kind, 2, "乙"), Some((5, "甲".into())));
    assert_eq!(next(kind, 5, "甲"), None);
    assert_eq!(next(kind, 0, "丙"), Some((1, "甲".into())));
}

fn commit_is_visible(kind: &mut impl Kind) {
    let name = kind.read(|r| r.instance().unwrap());
    let keys = ["L20", "客户/甲/1", "a b'\"%_"].map(record);
    let changes = keys.iter().map(|k| put(7, k, "张三")).collect();
    kind.write(&batch(vec![event(7, Some("x/1"))], changes, vec![line(3, 7)])).unwrap();
    for key in &keys {
        assert_eq!(kind.read(|r| r.load(key).unwrap()), Some(named("张三")), "{key}");
    }
    let stored = kind.read(|r| r.event(7).unwrap()).unwrap();
    assert_eq!((stored.event, stored.definitions.as_str()), (event(7, Some("x/1")), "d1"));
    assert_eq!(kind.read(|r| r.log(&Filter::default(), 0, 9).unwrap()), [line(3, 7)]);
    assert_eq!(kind.read(|r| r.log_definitions(3).unwrap()), Some("d1".into()));
    assert_eq!(kind.read(|r| r.last().unwrap()), Last { event: 7, log: 3 });
    assert_eq!(kind.read(|r| r.instance().unwrap()), name);
}

fn order_is_kept(kind: &mut impl Kind) {
    kind.write(&batch(vec![event(1, None), event(4, None)], vec![], vec![line(1, 1)])).unwrap();
    let next = Batch { definitions: "d2".into(), ..batch(vec![event(5, None)], vec![], vec![line(2, 4), line(9, 5)]) };
    kind.write(&next).unwrap();
    let events = |after, limit| {
        kind.read(|r| r.events(after, limit).unwrap().into_iter().map(|s| (s.event.seq, s.definitions)).collect::<Vec<_>>())
    };
    assert_eq!(events(0, 9), [(1, "d1".into()), (4, "d1".into()), (5, "d2".into())]);
    assert_eq!(events(1, 1), [(4, "d1".into())]);
    assert_eq!(events(5, 9), []);
    assert_eq!(events(u64::MAX, 9), []);
    assert_eq!(kind.read(|r| r.log_definitions(9).unwrap()), Some("d2".into()));
    kind.write(&batch(vec![], vec![], vec![line(10, 5)])).unwrap();
    assert_eq!(kind.read(|r| r.last().unwrap()), Last { event: 5, log: 10 });
}

fn scan_pages(kind: &mut impl Kind) {
    let ids = ["", "B", "L1", "L10", "L2", "中/一", "中/二", "𠮷", "\u{D7FF}", "\u{E000}", "\u{10FFFF}", "\u{10FFFF}x"];
    let other = Key::Record(RecordRef { entity: "lead2".into(), id: "x".into() });
    let mark = Key::Mark { rule: "r".into(), subject: String::new() };
    let mut changes: Vec<_> = ids.iter().rev().map(|id| put(1, &record(id), id)).collect();
    changes.extend([put(1, &other, "o"), put(1, &mark, "m"), gone(1, &record("B"))]);
    kind.write(&batch(vec![event(1, None)], changes, vec![])).unwrap();

    let mut expect: Vec<String> = ids.iter().filter(|id| **id != "B").map(|id| record(id).to_string()).collect();
    expect.sort();
    let keys = |prefix: &str, after: Option<&Key>, limit| {
        kind.read(|r| r.scan(prefix, after, limit).unwrap().into_iter().map(|(k, _)| k.to_string()).collect::<Vec<_>>())
    };
    assert_eq!(keys("record/lead/", None, 99), expect);
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = keys("record/lead/", after.as_ref(), 2);
        let Some(last) = page.last() else { break };
        after = Some(last.parse::<Key>().unwrap());
        paged.extend(page);
    }
    assert_eq!(paged, expect);
    assert_eq!(keys("record/lead", None, 99).len(), expect.len() + 1);
    assert_eq!(keys("", None, 99).len(), expect.len() + 2);
    assert_eq!(keys("record/lead/中/", None, 99), ["record/lead/中/一", "record/lead/中/二"]);
    assert_eq!(keys("record/lead/\u{10FFFF}", None, 99).len(), 2);
    assert_eq!(keys("record/lead/\u{D7FF}", None, 99), ["record/lead/\u{D7FF}"]);
    assert_eq!(keys("record/lead/", Some(&mark), 1), expect[..1]);
    assert_eq!(keys("mark/", Some(&record("L1")), 9), [""; 0]);
    assert_eq!(keys("", None, 0), [""; 0]);
}

fn as_of_every_number(kind: &mut impl Kind) {
    use crate::engine::call::CallId;
    // One that keeps its row when removed, and one that does not.
    let call = Key::Call(CallId { seq: 2, n: 1 });
    for key in [record("客户/1"), call] {
        let first = kind.read(|r| r.last().unwrap()).event;
        let at = |n: u64| first + n;
        for batch in [
            batch(vec![event(at(1), None)], vec![], vec![]),
            batch(vec![event(at(2), None)], vec![put(at(2), &key, "a")], vec![]),
            batch(vec![event(at(3), None), event(at(4), None)], vec![put(at(3), &key, "b"), put(at(4), &key, "c")], vec![]),
            batch(vec![event(at(5), None)], vec![put(at(5), &key, "d"), put(at(5), &key, "e")], vec![]),
            batch(vec![event(at(7), None)], vec![gone(at(7), &key)], vec![]),
            batch(vec![event(at(8), None)], vec![put(at(8), &record("other"), "x")], vec![]),
            batch(vec![event(at(9), None)], vec![put(at(9), &key, "f"), gone(at(9), &key), put(at(9), &key, "g")], vec![]),
            batch(vec![event(at(10), None)], vec![put(at(10), &key, "h")], vec![]),
            batch(vec![event(at(11), None)], vec![gone(at(11), &key)], vec![]),
        ] {
            kind.write(&batch).unwrap();
        }
        let expect = ["", "", "a", "b", "c", "e", "e", "", "", "g", "h", "", ""];
        for (n, name) in (0..).zip(expect) {
            let value = kind.read(|r| r.as_of(&key, at(n)).unwrap());
            assert_eq!(value, (!name.is_empty()).then(|| named(name)), "{key} as of {n}");
        }
        assert_eq!(kind.read(|r| r.load(&key).unwrap()), None);
    }
}

fn deliveries(kind: &mut impl Kind) {
    let other = |seq, origin: &str| Event { origin: origin.into(), ..event(seq, Some("订单/1")) };
    kind.write(&batch(vec![event(1, Some("订单/1")), other(2, "erp"), event(3, None)], vec![], vec![])).unwrap();
    let found = |source: &str, id: &str| kind.read(|r| r.delivery(source, id).unwrap());
    assert_eq!(found("crm", "订单/1"), Some(1));
    assert_eq!(found("erp", "订单/1"), Some(2));
    assert_eq!(found("crm", "订单/2"), None);
    assert_eq!(found("crm订", "单/1"), None);
    assert_eq!(found("crm", ""), None);
}

fn log_filters(kind: &mut impl Kind) {
    let mut lines: Vec<Line> = (1..=6).map(|seq| line(seq, seq)).collect();
    lines[1].rule = None;
    lines[1].flow = Some("nurture".into());
    lines[2].record = Some(lead("a/b"));
    lines[3].action = "email".into();
    lines[3].outcome = Outcome::Retrying;
    lines[4].event = 4;
    lines[4].record = None;
    lines[4].rule = Some("欢迎".into());
    kind.write(&batch((1..=6).map(|n| event(n, None)).collect(), vec![], lines.clone())).unwrap();

    let text = |t: &str| Some(t.to_owned());
    let check = |filter: Filter, expect: &[u64]| {
        let seqs = |lines: Vec<Line>| lines.iter().map(|l| l.seq).collect::<Vec<_>>();
        assert_eq!(kind.read(|r| seqs(r.log(&filter, 0, 99).unwrap())), expect, "{filter:?}");
        assert_eq!(kind.read(|r| seqs(r.log_tail(&filter, 99).unwrap())), expect, "{filter:?}");
        let skip = expect.len().saturating_sub(2);
        assert_eq!(kind.read(|r| seqs(r.log_tail(&filter, 2).unwrap())), expect[skip..], "{filter:?}");
        if let [first, second, ..] = expect {
            assert_eq!(kind.read(|r| seqs(r.log(&filter, *first, 1).unwrap())), [*second], "{filter:?}");
        }
    };
    check(Filter::default(), &[1, 2, 3, 4, 5, 6]);
    check(Filter { rule: text("welcome"), ..Filter::default() }, &[1, 3, 4, 6]);
    check(Filter { rule: text("欢迎"), ..Filter::default() }, &[5]);
    check(Filter { flow: text("nurture"), ..Filter::default() }, &[2]);
    check(Filter { record: text("lead/L20"), ..Filter::default() }, &[1, 2, 4, 6]);
    check(Filter { record: text("L20"), ..Filter::default() }, &[1, 2, 4, 6]);
    check(Filter { record: text("a/b"), ..Filter::default() }, &[3]);
    check(Filter { record: text("b"), ..Filter::default() }, &[]);
    check(Filter { action: text("email"), ..Filter::default() }, &[4]);
    check(Filter { outcome: Some(Outcome::Retrying), ..Filter::default() }, &[4]);
    check(Filter { since: Some(lines[3].at), ..Filter::default() }, &[4, 5, 6]);
    check(Filter { since: Some(lines[5].at + jiff::SignedDuration::from_secs(1)), ..Filter::default() }, &[]);
    check(Filter { event: Some(4), ..Filter::default() }, &[4, 5]);
    check(Filter { event: Some(4), action: text("tag"), ..Filter::default() }, &[5]);
    check(Filter { rule: text("welcome"), record: text("L20"), since: Some(lines[1].at), ..Filter::default() }, &[4, 6]);
}

fn large_entries(kind: &mut impl Kind) {
    let name = "汉".repeat(1 << 20);
    let changes = (0..3).map(|n| put(1, &record(&n.to_string()), &name)).collect();
    kind.write(&batch(vec![event(1, None)], changes, vec![])).unwrap();
    assert!(kind.read(|r| r.load(&record("2")).unwrap()) == Some(named(&name)));
    assert_eq!(kind.read(|r| r.scan("record/", None, 9).unwrap().len()), 3);
}

fn refused_leaves_nothing(kind: &mut impl Kind) {
    kind.write(&batch(vec![event(5, None)], vec![put(5, &record("a"), "1")], vec![line(5, 5)])).unwrap();
    let good = batch(vec![event(6, Some("d"))], vec![put(6, &record("a"), "2"), put(6, &record("b"), "2")], vec![line(6, 6)]);
    for (events, changes, log) in [
        (vec![event(5, None)], vec![], vec![]),
        (vec![event(4, None)], vec![], vec![]),
        (vec![event(7, None), event(7, None)], vec![], vec![]),
        (vec![Event { seq: u64::MAX, ..event(6, None) }], vec![], vec![]),
        (vec![], vec![put(4, &record("a"), "2")], vec![]),
        (vec![], vec![put(7, &record("a"), "2"), put(6, &record("a"), "2")], vec![]),
        (vec![], vec![], vec![line(5, 6)]),
        (vec![], vec![], vec![line(7, 6), line(6, 6)]),
    ] {
        let mut bad = good.clone();
        if !events.is_empty() {
            bad.events = events;
        }
        if !changes.is_empty() {
            bad.changes = changes;
        }
        if !log.is_empty() {
            bad.log = log;
        }
        kind.refuse(&bad);
        assert_eq!(kind.read(|r| r.last().unwrap()), Last { event: 5, log: 5 });
        assert_eq!(kind.read(|r| r.load(&record("a")).unwrap()), Some(named("1")));
        assert_eq!(kind.read(|r| r.load(&record("b")).unwrap()), None);
        assert_eq!(kind.read(|r| r.delivery("crm", "d").unwrap()), None);
    }
    kind.write(&good).unwrap();
    // A sweep goes on changing things on the event that began it.
    kind.write(&batch(vec![], vec![put(6, &record("a"), "3")], vec![])).unwrap();
    assert_eq!(kind.read(|r| r.as_of(&record("a"), 6).unwrap()), Some(named("3")));
}

/// Small numbers from which a batch is made: which events, which keys get a value or lose it.
pub(super) type Seed = Vec<(u8, u8, bool)>;

pub(super) fn grown(seed: &Seed, last: Last) -> Batch {
    use crate::engine::state::TimerId;
    let (mut made, mut seq) = (batch(vec![], vec![], vec![]), last.event);
    for (step, which, there) in seed {
        if *step > 0 || made.events.is_empty() {
            seq += u64::from(*step).max(1);
            made.events.push(event(seq, (step % 2 == 1).then_some("d")));
        }
        let key = match which % 4 {
            0 => Key::Timer(TimerId { due: i64::from(*which), seq: 1, n: 1 }),
            1 => Key::Mark { rule: "规则".into(), subject: which.to_string() },
            _ => record(&which.to_string()),
        };
        made.changes.push((seq, Change { key, entry: there.then(|| named(&seq.to_string())) }));
        made.log.push(line(last.log + 1 + u64::try_from(made.log.len()).unwrap(), seq));
    }
    made
}

fn all_as_of(store: &dyn Read, prefix: &str, seq: u64) -> std::collections::BTreeMap<Key, Arc<Entry>> {
    let mut found = std::collections::BTreeMap::new();
    let mut each = |key, entry| {
        assert!(found.insert(key, entry).is_none(), "twice");
        Ok(())
    };
    store.scan_as_of(prefix, seq, &mut each).unwrap();
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn stores_agree(seeds in prop::collection::vec(prop::collection::vec((0_u8..3, 0_u8..12, any::<bool>()), 0..8), 1..12)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ifthen.db");
        let mut memory = Memory::default();
        let mut sqlite = Sqlite::open(&path, Options::default()).unwrap();
        for seed in &seeds {
            let batch = grown(seed, memory.last().unwrap());
            memory.commit(&batch).unwrap();
            sqlite.commit(&batch).unwrap();
        }
        let last = memory.last().unwrap();
        prop_assert_eq!(sqlite.last().unwrap(), last);
        prop_assert_eq!(sqlite.scan("", None, 99).unwrap(), memory.scan("", None, 99).unwrap());
        prop_assert_eq!(sqlite.events(0, 999).unwrap(), memory.events(0, 999).unwrap());
        prop_assert_eq!(sqlite.log(&Filter::default(), 0, 999).unwrap(), memory.log(&Filter::default(), 0, 999).unwrap());
        prop_assert_eq!(sqlite.delivery("crm", "d").unwrap(), memory.delivery("crm", "d").unwrap());
        let keys: std::collections::BTreeSet<Key> = seeds.iter().flat_map(|s| grown(s, Last::default()).changes).map(|(_, c)| c.key).collect();
        for seq in 0..=last.event + 1 {
            let expect: std::collections::BTreeMap<Key, _> =
                keys.iter().filter_map(|key| Some((key.clone(), memory.as_of(key, seq).unwrap()?))).collect();
            for prefix in ["", "timer/", "mark/规"] {
                let part = expect.clone().into_iter().filter(|(key, _)| key.to_string().starts_with(prefix)).collect();
                prop_assert_eq!(&all_as_of(&sqlite, prefix, seq), &part, "{:?} as of {}", prefix, seq);
                prop_assert_eq!(&all_as_of(&memory, prefix, seq), &part, "{:?} as of {}", prefix, seq);
            }
        }
        for key in keys {
            for seq in 0..=last.event + 1 {
                prop_assert_eq!(sqlite.as_of(&key, seq).unwrap(), memory.as_of(&key, seq).unwrap(), "{} as of {}", &key, seq);
            }
        }
    }
}
