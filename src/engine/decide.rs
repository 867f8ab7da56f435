//! `decide(definitions, state, event, now)`: what an event means. Pure: the same four always give the same decision.
//!
//! The one place where the kinds of events meet the rooms that understand them; it never does what a room can do.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::binding::{Let, Lets};
use super::call::CallId;
use super::definition::{Again, Definitions};
use super::event::{self, Body, Cause, Command, Draft, Event, RecordRef, Upsert};
use super::explain::Verdict;
use super::log::{Line, Outcome};
use super::planted::Bug;
use super::record::Record;
use super::rule::Seen;
use super::state::{Change, Entry, Key, Need, State, Wake};
use super::value::{Map, Value};
use super::{access, approval, audit, clock, flow, mail, merge, outbox, quarantine, rule, schedule, silence, sweep, window};

/// Runs that one decision may start: flows that start flows are two or three deep; each also takes its share of the stack.
const MAX_STARTS: u32 = 64;
/// How deep they may be inside each other.
const MAX_DEEP: u32 = 8;

/// The event of what a source told and that does not fit its mapping: `source`, `reason`, `field`, `item`, and the `id` under which
/// it is kept in quarantine. Open to rules.
pub const UNREADABLE: &str = "ifthen.unreadable";

/// The event of a polled source that cannot be read: `source`, `error`. Told once, until it is another error or it passes.
pub const SOURCE_FAILED: &str = "ifthen.source.failed";
/// The event of a polled source that can be read again: `source`, `reason`.
pub const SOURCE_RECOVERED: &str = "ifthen.source.recovered";

/// What an event means: changes of state, further events, lines for the action log.
#[derive(Debug, Default, PartialEq)]
pub struct Decision {
    /// At most one per key.
    pub changes: Vec<Change>,
    /// To be decided next, in the same turn.
    pub emits: Vec<Draft>,
    /// In order.
    pub log: Vec<Line>,
}

/// Decides one event; or says which value it needs.
pub fn decide(definitions: &Definitions, state: &State, event: &Event, now: Timestamp) -> Result<Decision, Need> {
    let mut draft = Deciding::new(definitions, state, event, now);
    draft.run()?;
    Ok(draft.finish())
}

/// An event as the rules and flows it may wake see it.
pub(super) struct Arrived<'e> {
    /// Its record: after what a source told was merged, before anything is done.
    pub(super) record: Seen,
    /// `event.x`
    pub(super) data: Cow<'e, Value>,
    /// Former values of the fields that it changed.
    pub(super) old: Option<&'e Map>,
    /// The names that the rule or flow that is decided gives to values.
    pub(super) lets: Lets<'e>,
    /// The calendar that it names.
    pub(super) calendar: Option<&'e str>,
}

impl Arrived<'_> {
    /// As the rule or flow with these names and this calendar sees it.
    pub(super) fn seen_by<'s>(&'s self, lets: &'s [Let], calendar: Option<&'s str>) -> Arrived<'s> {
        let data = Cow::Borrowed(self.data.as_ref());
        Arrived { record: self.record.clone(), data, old: self.old, lets: Lets::new(lets), calendar }
    }
}

/// What an event brings before anything is woken by it. `None`: one of the engine's own, which wakes nothing.
pub(super) fn arrive<'e>(draft: &mut Deciding<'e>) -> Result<Option<Arrived<'e>>, Need> {
    let event: &'e Event = draft.event;
    if !event.body.is_own() {
        draft.about = event.record.as_ref().map(|at| draft.resolve(at)).transpose()?;
    }
    let (data, old) = match &event.body {
        Body::Happened { data, upsert } => {
            if let Some(seq) = event.replay_of() {
                draft.say(&By::default(), "replay", Outcome::Done, Value::from([("of", event::id(seq).into())]));
            }
            if let Some(upsert) = upsert {
                told(draft, upsert)?;
            }
            match event.name.as_str() {
                SOURCE_FAILED => draft.say(&By::default(), "read", Outcome::Failed, data.clone()),
                SOURCE_RECOVERED => draft.say(&By::default(), "read", Outcome::Done, data.clone()),
                clock::JUMPED | clock::RESTORED => clock::told(draft, data),
                _ => {}
            }
            (Cow::Borrowed(data), None)
        }
        Body::Unread(unread) => (Cow::Owned(quarantine::keep(draft, unread)), None),
        Body::Created { by } => (Cow::Owned(Value::from([("by", by.as_str().into())])), None),
        Body::Changed { old, by, .. } => {
            let names = Value::List(old.keys().map(|k| k.as_str().into()).collect());
            (Cow::Owned(Value::from([("by", by.as_str().into()), ("fields", names)])), Some(old))
        }
        _ => return Ok(None),
    };
    let arrived = Arrived { record: rule::seen(draft)?, data, old, lets: Lets::default(), calendar: None };
    window::feed(draft, &arrived)?;
    Ok(Some(arrived))
}

/// The engine's own events: its books are kept.
fn book(draft: &mut Deciding<'_>) -> Result<(), Need> {
    match &draft.event.body {
        Body::Due(key) => due(draft, key)?,
        Body::Slice(slice) => sweep::slice(draft, slice)?,
        Body::Happened { .. } | Body::Created { .. } | Body::Changed { .. } | Body::Unread(_) | Body::Forgotten => {}
        Body::Settled { item, told } => quarantine::settle(draft, *item, told)?,
        Body::Start(calls) => outbox::start(draft, calls)?,
        Body::Ended { call, attempt, outcome } => outbox::ended(draft, *call, *attempt, outcome)?,
        Body::Command(Command::Silence(ask)) => silence::begin(draft, ask)?,
        Body::Command(Command::EndSilence(id)) => silence::end(draft, *id)?,
        Body::Command(Command::ConfirmClock) => clock::confirm(draft)?,
        Body::Command(Command::Contact(ask)) => mail::command(draft, ask)?,
        Body::Mail(told) => mail::told(draft, told)?,
        Body::Command(Command::Task(ask)) => approval::command(draft, ask)?,
        Body::Command(Command::Run(ask)) => flow::command(draft, ask)?,
        Body::Command(Command::Merge(ask)) => merge::merge(draft, ask)?,
        Body::Command(Command::Unmerge(ask)) => merge::undo::unmerge(draft, ask)?,
        Body::Command(Command::Token(ask)) => access::command(draft, ask)?,
        Body::Command(command) => outbox::command(draft, command)?,
        Body::Polled { source, cursor, .. } => {
            draft.put(Key::Cursor(source.clone()), Entry::Cursor(cursor.clone()));
        }
        Body::Loaded { hash, detail } => {
            draft.say(&By::default(), "reload", Outcome::Done, reloaded(hash, detail));
            schedule::loaded(draft)?;
            window::defined(draft)?;
            flow::defined(draft)?;
        }
        Body::NotLoaded(problems) => {
            let detail = Value::from([("reason", "does not compile".into()), ("problems", problems.clone())]);
            draft.say(&By::default(), "reload", Outcome::Failed, detail);
        }
    }
    Ok(())
}

/// What a reload comes to: the definitions, what changed, and the runs that stay on what was.
fn reloaded(hash: &str, detail: &Value) -> Value {
    let mut changed = detail.clone();
    let pinned = if let Value::Map(sections) = &mut changed { sections.remove("pinned") } else { None };
    let told = [("definitions", Value::from(hash)), ("changed", changed)];
    let pinned = pinned.map(|pinned| ("pinned", pinned));
    Value::Map(told.into_iter().chain(pinned).map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A timer reached its due time: whoever it wakes goes on.
fn due(draft: &mut Deciding<'_>, key: &Key) -> Result<(), Need> {
    let entry = draft.get(key)?;
    if !draft.definitions.planted(Bug::KeptTimer) {
        draft.remove(key.clone()); // in any case: a timer that is due is due once
    }
    let (Some(Entry::Timer(wake)), Key::Timer(timer)) = (entry.as_deref(), key) else { return Ok(()) };
    match wake {
        Wake::Run(id) => flow::due(draft, id, *timer),
        Wake::Armed { schedule, record, warn } => schedule::armed::due(draft, *timer, schedule, record, *warn),
        Wake::Gate(waits) => rule::waiting::due(draft, *timer, waits),
        Wake::Tick(event) => schedule::tick::due(draft, *timer, event),
        Wake::Next(key) => flow::next_start(draft, key, Again::Always),
        Wake::Forget(key) => {
            draft.remove(key.clone());
            Ok(())
        }
        Wake::Aged { window, subject } => window::due(draft, window, subject, *timer),
    }
}

/// Merges what a source tells about a record, before any rule sees the event.
fn told(draft: &mut Deciding<'_>, upsert: &Upsert) -> Result<(), Need> {
    let Some(entity) = draft.definitions.entities.get(&upsert.record.entity) else {
        let detail = Value::from([("reason", "entity".into()), ("entity", upsert.record.entity.as_str().into())]);
        draft.say(&By::default(), "record", Outcome::Failed, detail);
        return Ok(());
    };
    let (at, before) = draft.found(&upsert.record)?;
    let under = Some(upsert.record.id.as_str()).filter(|id| *id != at.id);
    let mut record = before.as_deref().cloned().unwrap_or_default();
    let source = draft.event.origin.as_str();
    let refused = record.merge(source, upsert, entity, under);
    record.fields.entry(entity.key.clone()).or_insert_with(|| at.id.as_str().into());
    let told_news = before.as_ref().is_none_or(|b| b.told != record.told || b.merged != record.merged);
    let old = record.difference(before.as_deref().unwrap_or(&Record::default()));
    let mut detail = Map::new();
    if let Some(id) = under {
        detail.insert("under".into(), id.into());
    }
    if before.is_none() {
        detail.insert("created".into(), true.into());
    } else if !old.is_empty() {
        let change = |(field, was): (&String, &Value)| (field.clone(), vec![was.clone(), record.seen(field)].into());
        detail.insert("changed".into(), Value::Map(old.iter().map(change).collect()));
    }
    if !refused.is_empty() {
        let list = refused.iter().map(|r| (r.field.clone(), r.reason.into())).collect();
        detail.insert("refused".into(), Value::Map(list));
    }
    let outcome = if before.is_none() || !old.is_empty() { Outcome::Done } else { Outcome::Suppressed };
    if outcome == Outcome::Suppressed {
        detail.insert("reason".into(), if refused.is_empty() { "no change" } else { "refused" }.into());
    }
    draft.say(&By::default(), "record", outcome, Value::Map(detail));
    if told_news || outcome == Outcome::Done {
        let by = source.to_owned();
        draft.put_record(&at, record, &by)?;
    }
    Ok(())
}

/// Who does something, for the log, and whether it may leave.
#[derive(Debug, Clone, Default)]
pub(super) struct By {
    pub(super) rule: Option<String>,
    pub(super) flow: Option<String>,
    pub(super) run: Option<String>,
    /// In a flow: the step.
    pub(super) step: Option<String>,
    pub(super) preview: bool,
    /// The named action that it is part of.
    pub(super) via: Option<String>,
    /// An import woke it: nothing leaves.
    pub(super) silent: bool,
}

impl By {
    /// As part of a named action.
    pub(super) fn within(&self, name: &str) -> Self {
        Self { via: Some(name.to_owned()), ..self.clone() }
    }

    /// `rule:welcome`, `flow:nurture/E1`; the engine itself: `ifthen`.
    pub(super) fn text(&self) -> String {
        match (&self.rule, &self.flow, &self.step) {
            (Some(rule), ..) => format!("rule:{rule}"),
            (_, Some(flow), Some(step)) => format!("flow:{flow}/{step}"),
            (_, Some(flow), None) => format!("flow:{flow}"),
            _ => "ifthen".into(),
        }
    }
}

/// A decision in the making: the loaded state below, what was changed so far above it.
pub(super) struct Deciding<'a> {
    pub(super) definitions: &'a Definitions,
    pub(super) state: &'a State,
    pub(super) event: &'a Event,
    pub(super) now: Timestamp,
    /// The record that the event is about: where that was merged into another, the other.
    pub(super) about: Option<RecordRef>,
    changed: BTreeMap<Key, Option<Arc<Entry>>>,
    /// Records changed here: as they were, and who changed them last.
    touched: BTreeMap<RecordRef, (Option<Arc<Entry>>, String)>,
    pub(super) emits: Vec<Draft>,
    log: Vec<Line>,
    numbers: u32,
    /// Runs started by this decision: flows that start each other without end are stopped by it.
    starts: u32,
    /// Starts that are under way, one inside the other.
    pub(super) deep: u32,
    /// The import that the event, or what waited, came with.
    pub(super) batch: Option<String>,
    /// Calls of a step that is done again: what it says again goes under their keys.
    pub(super) former: Vec<CallId>,
    /// What was decided, where someone asks why.
    pub(super) watch: Option<Watch>,
}

/// What is noted for whoever asks why.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// What was decided about each rule and flow that was woken.
    pub(super) judged: Vec<Judged>,
    /// What runs made of the event.
    pub(super) heard: Vec<flow::Heard>,
    /// Runs that ended, as they were then.
    pub(super) ended: Vec<flow::Run>,
}

/// A rule or flow and what was decided about it.
pub(super) type Judged = (By, Verdict);

impl<'a> Deciding<'a> {
    pub(super) fn new(definitions: &'a Definitions, state: &'a State, event: &'a Event, now: Timestamp) -> Self {
        Self {
            definitions,
            state,
            event,
            now,
            about: event.record.clone(),
            changed: BTreeMap::new(),
            touched: BTreeMap::new(),
            emits: Vec::new(),
            log: Vec::new(),
            numbers: 0,
            starts: 0,
            deep: 0,
            batch: event.batch.clone(),
            former: Vec::new(),
            watch: None,
        }
    }

    /// Everything that the event means.
    pub(super) fn run(&mut self) -> Result<(), Need> {
        match arrive(self)? {
            Some(arrived) => {
                if let (Body::Created { .. } | Body::Changed { .. }, Some(record)) = (&self.event.body, self.about.clone()) {
                    schedule::armed::changed(self, &record, matches!(self.event.body, Body::Created { .. }))?;
                }
                rule::wake(self, &arrived)?;
                flow::arrived(self, &arrived)?;
                flow::wake(self, &arrived)?;
            }
            None => book(self)?,
        }
        audit::tell(self)
    }

    /// Notes what was decided about a rule or flow, for whoever asks why; nothing at all otherwise.
    pub(super) fn judge(&mut self, by: &By, verdict: impl FnOnce() -> Verdict) {
        if let Some(watch) = &mut self.watch {
            watch.judged.push((by.clone(), verdict()));
        }
    }

    /// The value of a key, with what this decision has changed.
    pub(super) fn get(&self, key: &Key) -> Result<Option<Arc<Entry>>, Need> {
        match self.changed.get(key) {
            Some(entry) => Ok(entry.clone()),
            None => self.state.get(key).map(Option::<&Arc<Entry>>::cloned),
        }
    }

    /// Changes a value.
    pub(super) fn put(&mut self, key: Key, entry: Entry) {
        self.changed.insert(key, Some(Arc::new(entry)));
    }

    /// Removes a value.
    pub(super) fn remove(&mut self, key: Key) {
        self.changed.insert(key, None);
    }

    /// A record, if there is one: where it was merged into another, the other.
    pub(super) fn record(&self, record: &RecordRef) -> Result<Option<Arc<Record>>, Need> {
        Ok(self.found(record)?.1)
    }

    /// A record by any of its ids, and the one that is its own.
    pub(super) fn found(&self, record: &RecordRef) -> Result<(RecordRef, Option<Arc<Record>>), Need> {
        merge::follow(record, |key| self.get(key))
    }

    /// As it was before this decision.
    pub(super) fn found_before(&self, record: &RecordRef) -> Result<(RecordRef, Option<Arc<Record>>), Need> {
        merge::follow(record, |key| self.state.get(key).map(Option::<&Arc<Entry>>::cloned))
    }

    /// The own id of a record that goes by this one.
    pub(super) fn resolve(&self, record: &RecordRef) -> Result<RecordRef, Need> {
        Ok(self.found(record)?.0)
    }

    /// Changes a record; `created` / `changed` events follow when the decision is finished.
    pub(super) fn put_record(&mut self, at: &RecordRef, mut record: Record, by: &str) -> Result<(), Need> {
        // A redirect is never written over.
        let at = &self.resolve(at)?;
        let key = Key::Record(at.clone());
        let before = self.get(&key)?;
        match before.as_deref() {
            None => {
                record.created = self.now;
                record.changed = self.now;
            }
            Some(Entry::Record(was)) if was.fields != record.fields || was.tags != record.tags => record.changed = self.now,
            Some(_) => {}
        }
        let first = self.touched.remove(at).map_or(before, |(first, _)| first);
        self.touched.insert(at.clone(), (first, by.to_owned()));
        self.put(key, Entry::Record(Arc::new(record)));
        Ok(())
    }

    /// Emits an event, to be decided in the same turn.
    pub(super) fn emit(&mut self, name: String, record: Option<RecordRef>, by: String, body: Body) {
        self.emit_from(self.depth(), name, record, by, body);
    }

    /// How many steps this event is from its root.
    pub(super) fn depth(&self) -> u32 {
        self.event.cause.as_ref().map_or(0, |c| c.depth)
    }

    /// Emits an event that continues a chain begun elsewhere: what a call's outcome causes counts from what ordered the call.
    pub(super) fn emit_from(&mut self, depth: u32, name: String, record: Option<RecordRef>, by: String, body: Body) {
        let depth = depth + 1;
        self.emits.push(Draft {
            name,
            at: self.event.at,
            received: self.event.received,
            origin: by.clone(),
            delivery: None,
            record,
            cause: Some(Cause { seq: self.event.seq, depth, by }),
            batch: self.batch.clone(),
            by: None,
            body,
        });
    }

    /// Emits an event that happened at another time than this one.
    pub(super) fn emit_at(&mut self, at: Timestamp, name: String, record: Option<RecordRef>, by: String, body: Body) {
        self.emit(name, record, by, body);
        if let Some(emitted) = self.emits.last_mut() {
            emitted.at = at;
        }
    }

    /// Writes a line into the action log.
    pub(super) fn say(&mut self, by: &By, action: &str, outcome: Outcome, detail: Value) {
        let record = self.about.clone();
        self.say_of(by, record, action, outcome, detail);
    }

    /// Writes a line about a record other than the event's.
    pub(super) fn say_of(&mut self, by: &By, record: Option<RecordRef>, action: &str, outcome: Outcome, mut detail: Value) {
        if let (Some(via), Value::Map(members)) = (&by.via, &mut detail) {
            members.insert("via".into(), via.as_str().into());
        }
        self.log.push(Line {
            seq: 0,
            at: self.now,
            event: self.event.seq,
            rule: by.rule.clone(),
            flow: by.flow.clone(),
            run: by.run.clone(),
            record,
            action: action.to_owned(),
            outcome,
            detail,
        });
    }

    /// Another run starts; whether it still may.
    pub(super) fn may_start(&mut self) -> bool {
        self.starts += 1;
        self.starts <= MAX_STARTS && self.deep < MAX_DEEP
    }

    /// A number for an id, unique within this event.
    pub(super) fn number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn finish(mut self) -> Decision {
        // What happened to records first, then what rules said about it.
        let said = std::mem::take(&mut self.emits);
        for (record, (before, by)) in std::mem::take(&mut self.touched) {
            let after = self.changed.get(&Key::Record(record.clone())).cloned().flatten();
            let Some(Entry::Record(after)) = after.as_deref() else { continue };
            match before.as_deref() {
                Some(Entry::Record(before)) => {
                    let old = after.difference(before);
                    if !old.is_empty() {
                        let name = format!("{}.changed", record.entity);
                        let new = old.keys().map(|field| (field.clone(), after.seen(field))).collect();
                        self.emit(name, Some(record), by.clone(), Body::Changed { old, new, by });
                    }
                }
                _ => {
                    let name = format!("{}.created", record.entity);
                    self.emit(name, Some(record), by.clone(), Body::Created { by });
                }
            }
        }
        self.emits.extend(said);
        let changes = self.changed.into_iter().map(|(key, entry)| Change { key, entry }).collect();
        Decision { changes, emits: self.emits, log: self.log }
    }
}
