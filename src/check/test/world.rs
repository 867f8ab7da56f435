//! A world of its own for one test: state, clock, outbox, and those who answer calls. Begins empty, ends with the test.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::{SignedDuration, Timestamp};

use super::fact::Fact;
use super::play::{Subject, Woken};
use crate::action;
use crate::config::scenario::{Act, ActKind, Answer, End};
use crate::config::settings::SourceKind;
use crate::engine::call::{Call, CallId, Class, Outcome};
use crate::engine::cascade::{Root, settle};
use crate::engine::dispatch::Dispatch;
use crate::engine::event::{Body, Draft, Event, RecordRef};
use crate::engine::explain::{Explained, explain};
use crate::engine::log::Line;
use crate::engine::record::Record;
use crate::engine::state::{Entry, Key, Need, State};
use crate::engine::sweep;
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
    state: State,
    dispatch: Dispatch,
    seq: u64,
    decided: usize,
    now: Timestamp,
    /// What was said first is asked last.
    answering: Vec<Answering<'a>>,
    /// By source and delivery id: when it came.
    deliveries: HashMap<(String, String), Timestamp>,
    /// Calls as they were last.
    calls: HashMap<CallId, Call>,
    /// What happened since the last look.
    pub(super) facts: Vec<Fact>,
    /// Why, where someone asks.
    pub(super) woken: Option<Vec<Woken>>,
}

impl<'a> World<'a> {
    pub(super) fn new(subject: &'a Subject<'a>, at: Timestamp) -> Self {
        Self {
            subject,
            state: State::default(),
            dispatch: Dispatch::default(),
            seq: 0, // the start of the definitions; what happens is counted from 1
            decided: 0,
            now: at,
            answering: Vec::new(),
            deliveries: HashMap::new(),
            calls: HashMap::new(),
            facts: Vec::new(),
            woken: None,
        }
    }

    /// Puts a record where it is told to be already: no rule hears of it.
    pub(super) fn give(&mut self, at: &RecordRef, fields: &Map) {
        let mut record = Record { fields: fields.clone(), created: self.now, changed: self.now, ..Record::default() };
        let own = self.subject.definitions.entities.get(&at.entity).is_some_and(|e| e.fields.contains_key("tags"));
        if let (false, Some(Value::List(tags))) = (own, fields.get("tags")) {
            record.tags = tags.iter().map(ToString::to_string).collect();
            record.fields.remove("tags");
        }
        self.state.load(Key::Record(at.clone()), Some(Arc::new(Entry::Record(Arc::new(record)))));
    }

    /// From here on calls end so, before what was said earlier.
    pub(super) fn answer(&mut self, answers: &'a [Answer]) {
        self.answering.extend(answers.iter().rev().map(|answer| Answering { answer, left: answer.times }));
    }

    /// A record as it is now.
    pub(super) fn record(&self, at: &RecordRef) -> Option<Arc<Record>> {
        match self.state.get(&Key::Record(at.clone())).ok().flatten().map(AsRef::as_ref) {
            Some(Entry::Record(record)) => Some(Arc::clone(record)),
            _ => None,
        }
    }

    /// The definitions come into force, over what is there already.
    pub(super) fn begin(&mut self) -> Result<(), Endless> {
        let body = Body::Loaded { hash: self.subject.definitions.hash.clone(), detail: "start".into() };
        self.decide(Draft::own("ifthen.loaded", self.now, body))?;
        self.sweep()
    }

    /// Lets time pass until just before then: what happens at an instant comes before what is due at it.
    pub(super) fn approach(&mut self, until: Timestamp) -> Result<(), Endless> {
        if let Ok(before) = until.checked_sub(SignedDuration::from_nanos(1)) {
            self.pass(before.max(self.now))?;
        }
        self.now = self.now.max(until);
        Ok(())
    }

    /// Whether timers wait.
    pub(super) fn hold(&mut self, held: bool) {
        self.dispatch.hold(held);
    }

    /// Lets time pass: whatever falls due until then happens, in its order, and each at its time.
    pub(super) fn pass(&mut self, until: Timestamp) -> Result<(), Endless> {
        self.sweep()?;
        while let Some(wake) = self.dispatch.wake(self.subject.definitions, self.now).filter(|wake| *wake <= until) {
            self.now = self.now.max(wake);
            let due = self.dispatch.due(self.subject.definitions, self.now);
            if due.is_empty() {
                break; // nothing it could say now; it would say the same again
            }
            let mut started = Vec::new();
            for draft in &due {
                started.extend(self.decide(draft.clone())?);
            }
            self.dispatch.give_up(&due);
            for call in started {
                let outcome = self.end(&call);
                let body = Body::Ended { call: call.id, attempt: call.attempt, outcome };
                let draft = Draft::own("ifthen.call.ended", self.now, body);
                let more = self.decide(Draft { record: call.record.clone(), ..draft })?;
                debug_assert!(more.is_empty(), "an outcome starts no call by itself");
            }
            self.sweep()?;
        }
        self.now = self.now.max(until);
        Ok(())
    }

    /// Sweeps that have begun, to their end.
    fn sweep(&mut self) -> Result<(), Endless> {
        while self.dispatch.is_sweeping() {
            let Ok(slices) = self.dispatch.slices(self.now, &Loaded(&self.state));
            for draft in &slices {
                self.decide(draft.clone())?;
            }
            self.dispatch.give_up(&slices);
        }
        Ok(())
    }

    /// Something happens now; what follows at once has happened when this returns.
    /// Back comes what was not taken: the whole post, or items of it that are kept in quarantine.
    pub(super) fn act(&mut self, act: &Act) -> Result<Vec<Refused>, Endless> {
        let own = |name: &str, source: &str, body| Draft { origin: source.into(), ..Draft::own(name, self.now, body) };
        let drafts = match &act.kind {
            ActKind::Event { name, data, record, source } => {
                let body = Body::Happened { data: data.clone(), upsert: None };
                Ok(vec![Draft { record: record.clone(), ..own(name, source, body) }])
            }
            ActKind::Tell { source, upsert } => {
                let body = Body::Happened { data: Value::Map(upsert.fields.clone()), upsert: Some(upsert.clone()) };
                Ok(vec![Draft { record: Some(upsert.record.clone()), ..own(&format!("{source}.received"), source, body) }])
            }
            ActKind::Post { source, body, headers } => self.posted(source, body, headers),
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
                self.decide(draft)?;
            }
        }
        self.pass(self.now)?;
        Ok(kept)
    }

    /// What a source's mapping makes of a post. Nobody is asked for a signature: the secrets are not here.
    fn posted(&self, id: &str, body: &Value, headers: &[(String, String)]) -> Result<Vec<Draft>, Refused> {
        let (settings, definitions) = (self.subject.settings, self.subject.definitions);
        let source = settings.sources.get(id).ok_or_else(|| fault(format!("there is no source {id}")))?;
        if let SourceKind::Poll(_) = source.kind {
            let told = map::Told { data: body.clone(), ..map::Told::default() };
            return match map::understand(id, &source.map, definitions, told, self.now) {
                Ok(draft) => Ok(vec![draft]),
                Err(unread) if unread.0.ours => Err(fault(unread.0.detail)),
                Err(unread) => {
                    let (fault, told) = *unread;
                    let unread = quarantine::unread(&told, fault);
                    Ok(vec![quarantine::draft(id, &source.map, unread, self.now)])
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
        let request = webhook::Request { method: &Method::POST, path: "/", headers: &all, body: &bytes, peer, now: self.now };
        webhook::read(id, source, definitions, &settings.limits, &request)
            .map_err(|r| Refused { code: r.code.into(), detail: r.detail })
    }

    /// Whether a delivery is not a repetition of another.
    fn is_new(&mut self, draft: &Draft) -> bool {
        let Some(delivery) = &draft.delivery else { return true };
        let key = (draft.origin.clone(), delivery.clone());
        let horizon = self.subject.settings.limits.dedupe;
        let known = self.deliveries.get(&key).is_some_and(|came| self.now.duration_since(*came) < horizon);
        if !known {
            self.deliveries.insert(key, self.now);
        }
        !known
    }

    /// One root event and all it causes; the calls whose attempts start with it.
    fn decide(&mut self, draft: Draft) -> Result<Vec<Call>, Endless> {
        // What is not in the state is nowhere: there is no store behind it.
        let load = |state: &mut State, Need::Key(key): Need| -> Result<(), Infallible> {
            state.load(key, None);
            Ok(())
        };
        let root = draft.event(self.seq);
        let mark = self.state.mark();
        let Ok(done) = settle(self.subject.definitions, &mut self.state, root, self.now, load);
        if let Some(mut woken) = self.woken.take() {
            // Once more, event by event: each is explained on the state before it.
            self.state.rollback(mark);
            for event in &done.events {
                let explained = self.explain(event);
                if !explained.is_empty() {
                    woken.push((event.clone(), explained));
                }
                done.changes.iter().filter(|(seq, _)| *seq == event.seq).for_each(|(_, change)| self.state.apply(change));
            }
            self.woken = Some(woken);
        }
        self.state.publish(usize::MAX);
        self.seq += done.events.len() as u64;
        self.decided += done.events.len();
        if self.decided > MOST {
            return Err(Endless);
        }
        let started = self.tell(&done);
        self.note(done);
        Ok(started)
    }

    /// Why the rules and flows that wait for an event do what they do.
    fn explain(&mut self, event: &Event) -> Vec<Explained> {
        loop {
            match explain(self.subject.definitions, &self.state, event, self.now, None) {
                Ok(explained) => return explained,
                Err(Need::Key(key)) => self.state.load(key, None),
            }
        }
    }

    /// Tells the dispatch what changed. The last word counts: a call may have started and ended in it.
    fn tell(&mut self, done: &Root) -> Vec<Call> {
        let mut started: Vec<Call> = Vec::new();
        for (_, change) in &done.changes {
            let call = self.dispatch.apply(change);
            if let Key::Call(id) = &change.key {
                started.retain(|c| c.id != *id);
                started.extend(call);
            }
        }
        started
    }

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

    /// How an attempt ends: as the first says who answers such calls, or well.
    fn end(&mut self, call: &Call) -> Outcome {
        let action = call.request.action();
        let fits = |a: &Answering<'_>| {
            a.left != Some(0)
                && a.answer.action.is_none_or(|of| of == action)
                && a.answer.connection.as_ref().is_none_or(|c| *c == call.connection)
        };
        let Some(found) = self.answering.iter_mut().rev().find(|a| fits(a)) else { return done() };
        if let Some(left) = &mut found.left {
            *left -= 1;
        }
        let failed = |class, detail: &str| Outcome::Failed { class, detail: detail.into() };
        match &found.answer.end {
            End::Done => done(),
            End::Transient => failed(Class::Transient, "transient"),
            End::Throttled => failed(Class::Throttled { seconds: None }, "throttled"),
            End::Permanent => failed(Class::Permanent, "permanent"),
            End::Configuration => failed(Class::Configuration, "configuration"),
            End::Unknown => Outcome::Unknown { detail: "unknown".into() },
            End::Http { status, body, headers } => {
                let own = self.subject.settings.connections.contains_key(&call.connection) && call.connection != "http";
                action::answered(*status, headers, body, own, self.now)
            }
        }
    }
}

/// What sweeps go over: there is nothing but what is in the state.
struct Loaded<'s>(&'s State);

impl sweep::Source<Infallible> for Loaded<'_> {
    fn keys(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, Infallible> {
        Ok(self.0.scan(prefix, after, limit))
    }
    fn events(&self, _: u64, _: usize) -> Result<Vec<Event>, Infallible> {
        Ok(Vec::new()) // a test has no history before itself
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

fn done() -> Outcome {
    Outcome::Done(Value::from([("status", 200u64.into()), ("body", "".into())]))
}
