//! Killed at every commit of an order's way, before and after it, and at every answer of the other side: started again it comes to
//! the same end, by the same calls, each under one key. What it found and did then is a golden text, written anew by
//! `INSTA_UPDATE=always cargo test --test daemon killed_at_every_commit`.

mod story;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use ifthen::engine::call::CallId;
use ifthen::engine::flow::{Phase, Wait};
use ifthen::engine::log::Outcome;
use ifthen::engine::state::{Entry, Key};
use ifthen::store::sqlite::Reader;
use ifthen::store::{Filter, Last, Read as _};

use self::story::{Story, asked, run};
use crate::standin::http::Request;

/// Daemons that live beside each other.
const BESIDE: usize = 4;

const POINTS: [(&str, &str); 3] = [
    ("commit", "just before commit"),
    ("committed", "just after commit"),
    ("answered", "with its outcome not yet told, at answer"),
];

#[test]
fn killed_at_every_commit_it_comes_to_the_same_end_by_the_same_calls() {
    let mut undisturbed = Story::new();
    assert!(undisturbed.live(None));
    let end = came_to(&undisturbed);
    let mut golden = format!("undisturbed\n{end}");
    for (point, name) in POINTS {
        let next = AtomicU64::new(1);
        let through = AtomicU64::new(u64::MAX);
        let told = Mutex::new(BTreeMap::new());
        std::thread::scope(|scope| {
            for _ in 0..BESIDE {
                scope.spawn(|| {
                    loop {
                        let time = next.fetch_add(1, Ordering::SeqCst);
                        if time > through.load(Ordering::SeqCst) {
                            return;
                        }
                        let place = format!("{point}:{time}");
                        match killed(&place, &end) {
                            Some(text) => drop(told.lock().unwrap().insert(time, text)),
                            None => drop(through.fetch_min(time, Ordering::SeqCst)),
                        }
                    }
                });
            }
        });
        let told = told.into_inner().unwrap();
        let last = through.load(Ordering::SeqCst) - 1;
        assert_eq!(told.keys().copied().collect::<Vec<_>>(), (1..=last).collect::<Vec<_>>(), "one that went through is the last");
        for (time, text) in told {
            golden += &format!("\n{name} {time}\n{text}");
        }
    }
    insta::assert_snapshot!("kill", golden);
}

/// Killed at this place and started again; what it found and did. None: it was not killed.
fn killed(place: &str, end: &str) -> Option<String> {
    let mut story = Story::new();
    if story.live(Some(place)) {
        assert_eq!(came_to(&story), end, "{place}: not reached");
        return None;
    }
    let found = Found::read(&story);
    assert!(story.live(None), "{place}");
    let came = came_to(&story);
    assert!(came == end, "killed at {place} it came to another end\n--- undisturbed\n{end}\n--- killed\n{came}");
    Some(found.told(&story))
}

/// What is on disk when it has been killed, and what has arrived outside.
struct Found {
    last: Last,
    stands: Vec<String>,
    known: Vec<String>,
    arrived: usize,
}

impl Found {
    fn read(story: &Story) -> Self {
        let store = story.store();
        let known = store.events(0, 1_000).unwrap().into_iter().filter(|s| s.event.delivery.is_some());
        let known = known.map(|s| if s.event.name == "ifthen.command" { "approve".into() } else { s.event.name }).collect();
        Self { last: store.last().unwrap(), stands: stands(&store), known, arrived: story.requests.all().len() }
    }

    /// With what it did then: calls that were cut off and were sent again (how often they arrived before the kill and after it), what
    /// was looked up, and what the client told once more and was on disk already.
    fn told(&self, story: &Story) -> String {
        let store = story.store();
        let requests = story.requests.all();
        let unknown = Filter { action: Some("http".into()), outcome: Some(Outcome::Unknown), ..Filter::default() };
        let cut = store.log(&unknown, self.last.log, 1_000).unwrap();
        let cut: Vec<CallId> = cut.iter().map(|l| l.detail.at(&["call"]).unwrap().to_string().parse().unwrap()).collect();
        let (before, after) = requests.split_at(self.arrived);
        let times = |of: &[Request], id: CallId| of.iter().filter(|r| call(r) == id).count();
        let mut again = Vec::new();
        for (key, id) in (1..).zip(ordered(&requests)) {
            match cut.contains(&id) {
                true => {
                    again.push(format!("{}, key {key}, arrived {} + {}", asked(&store, id), times(before, id), times(after, id)))
                }
                false => assert_eq!(times(&requests, id), 1, "it was not cut off: {}", asked(&store, id)),
            }
        }
        let looked = after.iter().filter(|r| r.method == "GET").map(|r| format!("{} {}", r.method, r.path));
        let lines = [
            ("resumes", self.stands.clone()),
            ("sent again", again),
            ("looked up", looked.collect()),
            ("known", self.known.clone()),
        ];
        let lines = lines.into_iter().filter(|(_, all)| !all.is_empty());
        lines.map(|(what, all)| format!("  {what:<11}{}\n", all.join("; "))).collect()
    }
}

/// Where the run stands, and where what it waits for does.
fn stands(store: &Reader) -> Vec<String> {
    let Some(run) = run(store) else {
        let ended = store.log(&Filter { action: Some("end".into()), ..Filter::default() }, 0, 1).unwrap();
        return vec![if ended.is_empty() { "nothing: no run has begun" } else { "nothing: the run has ended" }.to_owned()];
    };
    let graph = store.load(&Key::Graph(run.graph.clone())).unwrap();
    let Some(Entry::Graph(flow)) = graph.as_deref() else { panic!("no graph") };
    let waits = |wait: &Wait| match wait {
        Wait::Call(call) => {
            let entry = store.load(&Key::Call(*call)).unwrap();
            let Some(Entry::Call(kept)) = entry.as_deref() else { panic!("no call") };
            format!("{} {}", asked(store, *call), word(kept.status))
        }
        Wait::Task(_) => "a decision".to_owned(),
        Wait::Timer(_) | Wait::Window(_) => "its time".to_owned(),
        Wait::Event => "an event".to_owned(),
        Wait::Branches => "its branches".to_owned(),
    };
    let phase = |phase: Phase| match phase {
        Phase::Forward => "",
        Phase::Verify | Phase::Check => "looking up ",
        Phase::Settle | Phase::Undo(_) => "undoing ",
    };
    let stands = run.stands(flow).into_iter();
    let stands =
        stands.map(|(id, s)| format!("{}{id}: {}", phase(s.phase), s.waits.iter().map(waits).collect::<Vec<_>>().join(", ")));
    stands.collect()
}

/// The call that a request belongs to, by its key.
fn call(request: &Request) -> CallId {
    request.key().unwrap().rsplit_once("-c").unwrap().1.parse().unwrap()
}

/// The calls that arrived, in the order in which they were ordered; those that only look something up left out.
fn ordered(requests: &[Request]) -> BTreeSet<CallId> {
    requests.iter().filter(|r| r.method != "GET").map(call).collect()
}

/// The word under which something closed is stored.
fn word(of: impl serde::Serialize) -> String {
    serde_json::to_value(of).unwrap().as_str().unwrap().to_owned()
}

/// What the run came to: the calls by their keys, the path, the log but for what is said of attempts that were cut off, the state.
fn came_to(story: &Story) -> String {
    let store = story.store();
    let requests = story.requests.all();
    let text = |r: &Request| format!("{} {} {}", r.method, r.path, r.text()).trim_end().to_owned();
    let mut calls = Vec::new();
    for (key, id) in (1..).zip(ordered(&requests)) {
        let mut same = requests.iter().filter(|r| call(r) == id).map(text);
        let first = same.next().unwrap();
        assert!(same.all(|other| other == first), "another content under the same key: {first}");
        calls.push(format!("key {key}: {first}"));
    }
    // What is undone is undone one after another: it arrives in the order in which it was ordered.
    let undone: Vec<CallId> = requests.iter().filter(|r| r.text().contains("编号")).map(call).collect();
    assert!(undone.is_sorted(), "{undone:?}");
    let section = |name: &str, lines: Vec<String>| format!("  {name}\n    {}\n", lines.join("\n    "));
    section("calls", calls) + &section("path", path(&store)) + &section("log", log(&store)) + &section("state", state(&store))
}

/// The steps that were left and how, as far as the run was still there to tell.
fn path(store: &Reader) -> Vec<String> {
    let end = store.log(&Filter { action: Some("end".into()), ..Filter::default() }, 0, 2).unwrap();
    assert_eq!(end.len(), 1, "ended once");
    let run = store.as_of(&Key::Run(end[0].run.clone().unwrap()), end[0].event - 1).unwrap();
    let Some(Entry::Run(run)) = run.as_deref() else { panic!("no run before its end") };
    run.path.iter().map(|p| format!("{} {} {}", p.step, word(p.how), p.by.join(" ")).trim_end().to_owned()).collect()
}

fn log(store: &Reader) -> Vec<String> {
    let lines = store.log(&Filter::default(), 0, 10_000).unwrap().into_iter();
    let aside =
        |action: &str, outcome| matches!(outcome, Outcome::Unknown | Outcome::Retrying) || matches!(action, "reload" | "verify");
    let lines = lines.filter(|l| !aside(&l.action, l.outcome)).map(|l| {
        let about = l.detail.at(&["call"]).map(|call| asked(store, call.to_string().parse().unwrap()));
        let step = l.detail.at(&["step"]).or_else(|| l.detail.at(&["text"])).map(ToString::to_string);
        let about = about.or(step).unwrap_or_default();
        format!("{} {} {}", l.action, l.outcome.word(), about.lines().next().unwrap_or_default()).trim_end().to_owned()
    });
    lines.filter(|line| !line.contains("GET")).collect()
}

/// Everything that is left, without what differs from run to run: times, numbers, hashes, how often something was tried.
fn state(store: &Reader) -> Vec<String> {
    let differs = regex::Regex::new(
        r#"\d{4}-\d\d-\d\dT[0-9:.]+Z|\b[ertc]\d+-\d+\b|\b[0-9a-f]{12,64}\b|\b\d{16}-\d{4}\b|"(seq|event)":\d+|127\.0\.0\.1:\d+|"attempt":\d+"#,
    );
    let differs = differs.unwrap();
    let all = store.scan("", None, 1_000).unwrap().into_iter();
    all.map(|(key, entry)| {
        let entry = match entry.as_ref() {
            Entry::Graph(_) => String::new(), // as compiled: the key has its hash
            entry => serde_json::to_string(entry).unwrap(),
        };
        let text = format!("{key} {entry}").replace("\"unknown\":true,", "");
        differs.replace_all(&text, "·").into_owned()
    })
    .collect()
}
