//! A world of its own for one test: state, clock, outbox, and those who answer calls. Begins empty, ends with the test.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::{SignedDuration, Timestamp};

use super::contact;
use super::fact::Fact;
use super::person;
use super::play::{Subject, Woken};
use crate::action;
use crate::check::world::{self, Behind};
use crate::config::scenario::{Act, ActKind, Answer, End};
use crate::config::settings::SourceKind;
use crate::engine::call::{Call, CallId, Class, Outcome};
use crate::engine::cascade::Root;
use crate::engine::dispatch::Dispatch;
use crate::engine::event::{Body, Command, Draft, Event, RecordRef};
use crate::engine::explain::Explanation;
use crate::engine::link::{self, KEY};
use crate::engine::log::Line;
use crate::engine::record::Record;
use crate::engine::state::{Entry, Key, State};
use crate::engine::value::{Map, Value};
use crate::source::{map, quarantine, webhook};

/// Events that a test may decide, itself and by what follows: a flow that starts itself over years of virtual time has no end.
const MOST: usize = 100_000;

/// Somebody who answers, and how often still.
struct Answering<'a> {
    answer: &'a Answer,
    left: Option<u32>,
}

/// A post that was not taken.
pub(super) struct Refused {
    pub(super) code: String,
    pub(super) detail: String,
}

/// Its code where it is kept, to be mended.
pub(super) const QUARANTINED: &str = "quarantined";

/// The test would go on without end.
pub(super) struct Endless;

pub(super) struct World<'a> {
    subject: &'a Subject<'a>,
    inner: world::World<'a, Around<'a>>,
    /// By source and delivery id: when it came.
    deliveries: HashMap<(String, String), Timestamp>,
}

/// Those who answer calls, and what is noted.
struct Around<'a> {
    subject: &'a Subject<'a>,
    decided: usize,
    /// What was said first is asked last.
    answering: Vec<Answering<'a>>,
    /// Calls as they were last.
    calls: HashMap<CallId, Call>,
    /// What happened since the last look.
    facts: Vec<Fact>,
    /// Why, where someone asks.
    woken: Option<Vec<Woken>>,
}

impl<'a> World<'a> {
    pub(super) fn new(subject: &'a Subject<'a>, at: Timestamp) -> Self {
        let around = Around { subject, decided: 0, answering: Vec::new(), calls: HashMap::new(), facts: Vec::new(), woken: None };
        Self {
            subject,
            // Number 0 is the start of the definitions; what happens is counted from 1.
            inner: world::World::new(subject.definitions, Dispatch::default(), around, 0, at),
            deliveries: HashMap::new(),
        }
    }

    /// What happened since the last look.
    pub(super) fn facts(&self) -> &[Fact] {
        &self.inner.behind.facts
    }

    /// From now on is looked anew.
    pub(super) fn look_away(&mut self) {
        self.inner.behind.facts.clear();
        self.inner.behind.woken.iter_mut().for_each(Vec::clear);
    }

    /// From now on every event is explained.
    pub(super) fn watch(&mut self) {
        self.inner.behind.woken = Some(Vec::new());
    }

    /// What events woke since the last look, and why.
    pub(super) fn woken(&mut self) -> Vec<Woken> {
        self.inner.behind.woken.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Puts a record where it is told to be already: no rule hears of it.
    pub(super) fn give(&mut self, at: &RecordRef, fields: &Map) {
        let now = self.inner.now;
        let mut record = Record { fields: fields.clone(), created: now, changed: now, ..Record::default() };
        let own = self.subject.definitions.entities.get(&at.entity).is_some_and(|e| e.fields.contains_key("tags"));
        if let (false, Some(Value::List(tags))) = (own, fields.get("tags")) {
            record.tags = tags.iter().map(ToString::to_string).collect();
            record.fields.remove("tags");
        }
        self.inner.state.load(Key::Record(at.clone()), Some(Arc::new(Entry::Record(Arc::new(record)))));
    }

    /// From here on calls end so, before what was said earlier.
    pub(super) fn answer(&mut self, answers: &'a [Answer]) {
        let all = answers.iter().rev().map(|answer| Answering { answer, left: answer.times });
        self.inner.behind.answering.extend(all);
    }

    /// A record as it is now.
    pub(super) fn record(&self, at: &RecordRef) -> Option<Arc<Record>> {
        match self.inner.state.get(&Key::Record(at.clone())).ok().flatten().map(AsRef::as_ref) {
            Some(Entry::Record(record)) => Some(Arc::clone(record)),
            _ => None,
        }
    }

    /// The definitions come into force, over what is there already.
    pub(super) fn begin(&mut self) -> Result<(), Endless> {
        self.inner.begin()?;
        self.hold(true);
        self.pass(self.inner.now)?;
        self.hold(false);
        Ok(())
    }

    /// Lets time pass until just before then: what happens at an instant comes before what is due at it.
    pub(super) fn approach(&mut self, until: Timestamp) -> Result<(), Endless> {
        if let Ok(before) = until.checked_sub(SignedDuration::from_nanos(1)) {
            self.pass(before.max(self.inner.now))?;
        }
        self.inner.now = self.inner.now.max(until);
        Ok(())
    }

    /// Whether timers wait.
    pub(super) fn hold(&mut self, held: bool) {
        self.inner.dispatch.hold(held);
    }

    /// Lets time pass: whatever falls due until then happens, in its order, and each at its time.
    pub(super) fn pass(&mut self, until: Timestamp) -> Result<(), Endless> {
        self.inner.pass(until)
    }

    /// Something happens now; what follows at once has happened when this returns.
    /// Back comes what was not taken: the whole post, or items of it that are kept in quarantine.
    pub(super) fn act(&mut self, act: &Act) -> Result<Vec<Refused>, Endless> {
        if let Some(command) = person::command(&self.inner.state, &act.kind) {
            return self.asked(command);
        }
        let own = |name: &str, source: &str, body| Draft { origin: source.into(), ..Draft::own(name, self.inner.now, body) };
        let drafts = match &act.kind {
            ActKind::Event { name, data, record, source } => {
                contact::book(&mut self.inner.state, name, data, self.inner.now);
                let body = Body::Happened { data: data.clone(), upsert: None };
                Ok(vec![Draft { record: record.clone(), ..own(name, source, body) }])
            }
            ActKind::Tell { source, upsert } => {
                let body = Body::Happened { data: Value::Map(upsert.fields.clone()), upsert: Some(upsert.clone()) };
                Ok(vec![Draft { record: Some(upsert.record.clone()), ..own(&format!("{source}.received"), source, body) }])
            }
            ActKind::Merge(ask) => Ok(vec![self.commanded(Command::Merge(ask.clone()))]),
            ActKind::Unmerge(ask) => Ok(vec![self.commanded(Command::Unmerge(ask.clone()))]),
            ActKind::Post { source, body, headers } => self.posted(source, body, headers),
            ActKind::Decide { .. } | ActKind::Run { .. } => Ok(Vec::new()), // done above
        };
        let drafts = match drafts {
            Ok(drafts) => drafts,
            Err(refused) => return Ok(vec![refused]),
        };
        let mut kept = Vec::new();
        for mut draft in drafts {
            if act.import {
                draft.batch.get_or_insert_with(|| draft.origin.clone());
            }
            if self.is_new(&draft) {
                if let Body::Unread(unread) = &draft.body {
                    kept.push(Refused { code: QUARANTINED.into(), detail: unread.reason.clone() });
                }
                self.inner.decide(draft)?;
            }
        }
        self.pass(self.inner.now)?;
        Ok(kept)
    }

    /// A person asks for something.
    fn asked(&mut self, command: Result<Command, Refused>) -> Result<Vec<Refused>, Endless> {
        let command = match command {
            Ok(command) => command,
            Err(refused) => return Ok(vec![refused]),
        };
        let before = self.facts().len();
        self.inner.decide(Draft::own("ifthen.command", self.inner.now, Body::Command(command)))?;
        let refused = person::refused(self.facts().get(before..).unwrap_or_default());
        self.pass(self.inner.now)?;
        Ok(refused.into_iter().collect())
    }

    fn commanded(&self, command: Command) -> Draft {
        Draft::own("ifthen.command", self.inner.now, Body::Command(command))
    }

    /// What a source's mapping makes of a post. Nobody is asked for a signature: the secrets are not here.
    fn posted(&self, id: &str, body: &Value, headers: &[(String, String)]) -> Result<Vec<Draft>, Refused> {
        let (settings, definitions) = (self.subject.settings, self.subject.definitions);
        let source = settings.sources.get(id).ok_or_else(|| fault(format!("there is no source {id}")))?;
        if let SourceKind::Poll(_) = source.kind {
            let told = map::Told { data: body.clone(), ..map::Told::default() };
            return match map::understand(id, &source.map, definitions, told, self.inner.now) {
                Ok(draft) => Ok(vec![draft]),
                Err(unread) if unread.0.ours => Err(fault(unread.0.detail)),
                Err(unread) => {
                    let (fault, told) = *unread;
                    let unread = quarantine::unread(&told, fault);
                    Ok(vec![quarantine::draft(id, &source.map, unread, self.inner.now)])
                }
            };
        }
        let (mut all, bytes) = (HeaderMap::new(), bytes(body));
        if body.as_text().is_none() {
            all.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in headers {
            let pair = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
            let (name, value) = pair.ok_or_else(|| fault(format!("{name} is no header")))?;
            all.insert(name, value);
        }
        let peer = Ipv4Addr::LOCALHOST.into();
        let request =
            webhook::Request { method: &Method::POST, path: "/", headers: &all, body: &bytes, peer, now: self.inner.now };
        let read = match source.bounces {
            // No link was signed here: a mail is known by its address.
            Some(form) => {
                webhook::bounce::read(id, form, (&all, &bytes), &settings.limits, &link::Key::new([0; KEY]), self.inner.now)
            }
            None => webhook::read(id, source, definitions, &settings.limits, &request),
        };
        read.map_err(|r| Refused { code: r.code.into(), detail: r.detail })
    }

    /// Whether a delivery is not a repetition of another.
    fn is_new(&mut self, draft: &Draft) -> bool {
        let Some(delivery) = &draft.delivery else { return true };
        let key = (draft.origin.clone(), delivery.clone());
        let horizon = self.subject.settings.limits.dedupe;
        let known = self.deliveries.get(&key).is_some_and(|came| self.inner.now.duration_since(*came) < horizon);
        if !known {
            self.deliveries.insert(key, self.inner.now);
        }
        !known
    }
}

impl Behind for Around<'_> {
    type Error = Endless;

    /// What is not in the state is nowhere: there is no store behind it.
    const KEEP: usize = usize::MAX;

    fn load(&mut self, _: &Key) -> Result<Option<Arc<Entry>>, Endless> {
        Ok(None)
    }

    fn keys(&self, state: &State, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, Endless> {
        Ok(state.scan(prefix, after, limit))
    }

    /// A test has no history before itself.
    fn events(&self, _: u64, _: usize) -> Result<Vec<Event>, Endless> {
        Ok(Vec::new())
    }

    /// How an attempt ends: as the first says who answers such calls, or well.
    fn end(&mut self, call: &Call, now: Timestamp) -> Outcome {
        let action = call.request.action();
        let fits = |a: &Answering<'_>| {
            a.left != Some(0)
                && a.answer.action.is_none_or(|of| of == action)
                && a.answer.connection.as_ref().is_none_or(|c| *c == call.connection)
        };
        let Some(found) = self.answering.iter_mut().rev().find(|a| fits(a)) else { return world::done() };
        if let Some(left) = &mut found.left {
            *left -= 1;
        }
        let failed = |class, detail: &str| Outcome::Failed { class, detail: detail.into() };
        match &found.answer.end {
            End::Done => world::done(),
            End::Transient => failed(Class::Transient, "transient"),
            End::Throttled => failed(Class::Throttled { seconds: None }, "throttled"),
            End::Permanent => failed(Class::Permanent, "permanent"),
            End::Configuration => failed(Class::Configuration, "configuration"),
            End::Unknown => Outcome::Unknown { detail: "unknown".into() },
            End::Http { status, body, headers } => {
                let own = self.subject.settings.connections.contains_key(&call.connection) && call.connection != "http";
                action::answered(*status, headers, body, own, now)
            }
        }
    }

    fn is_watching(&self) -> bool {
        self.woken.is_some()
    }

    fn explained(&mut self, event: &Event, explained: Explanation) {
        self.woken.iter_mut().for_each(|woken| woken.push((event.clone(), explained.clone())));
    }

    fn settled(&mut self, done: Root) -> Result<(), Endless> {
        self.decided += done.events.len();
        if self.decided > MOST {
            return Err(Endless);
        }
        self.note(done);
        Ok(())
    }
}

impl Around<'_> {
    fn note(&mut self, done: Root) {
        let Root { events, changes, log } = done;
        for (_, change) in &changes {
            if let (Key::Call(id), Some(Entry::Call(call))) = (&change.key, change.entry.as_deref()) {
                self.calls.insert(*id, call.clone());
            }
        }
        for line in log {
            let call = line.detail.at(&["call"]).and_then(|c| c.as_text()?.parse::<CallId>().ok());
            let data = if line.action == "emit" { emitted(&events, &line) } else { None };
            self.facts.push(Fact { call: call.and_then(|id| self.calls.get(&id).cloned()), data, line });
        }
    }
}

/// The data of the event that a line says was emitted.
fn emitted(events: &[Event], line: &Line) -> Option<Value> {
    let name = line.detail.at(&["event"])?.as_text()?;
    let of = |e: &&Event| e.name == name && e.cause.as_ref().is_some_and(|c| c.seq == line.event);
    events.iter().filter(of).find_map(|e| if let Body::Happened { data, .. } = &e.body { Some(data.clone()) } else { None })
}

/// As they would be posted.
fn bytes(body: &Value) -> Vec<u8> {
    match body {
        Value::Text(text) => text.clone().into_bytes(),
        other => serde_json::to_vec(&other.plain()).unwrap_or_default(), // a value of ours can always be written
    }
}

fn fault(detail: String) -> Refused {
    Refused { code: "settings".into(), detail }
}
