//! Why an event made each rule do what it did: the engine's own verdicts on the state as it was just before that event, beside
//! what the log says really happened.
//!
//! Never interprets a rule: [`explain`] is `decide`, watched. It only brings the state of then and the definitions of then (see
//! [`super::history`]), and compares. What cannot be had again is called unknown, never guessed.

use jiff::Timestamp;
use serde_json::json;

use super::history::{By, History, Unknown};
use crate::engine::binding::Told;
use crate::engine::cascade::MAX_DEPTH;
use crate::engine::definition::Definitions;
use crate::engine::event::{self, Body, Event};
use crate::engine::explain::{Explained, Explanation, Kind, Verdict, explain};
use crate::engine::expression::Clause;
use crate::engine::flow::{Came, Heard, Waits};
use crate::engine::log::{self, Line, Outcome};
use crate::engine::state::{Entry, Key, Need, State};
use crate::engine::value::Value;
use crate::store::{self, Filter, Read, Stored};

/// Values that one event may ask for: as many as in the daemon's turn.
const MAX_NEEDS: usize = 10_000;
/// Log lines of one event that are looked at.
const MAX_LINES: usize = 10_000;

/// Why one event did what it did.
#[derive(Debug, Clone, PartialEq)]
pub struct Why {
    /// The event.
    pub event: Event,
    /// The hash of the definitions that decided it.
    pub decided: String,
    /// The hash of the definitions by which it is explained here; those that decided it unless those in force were asked for.
    /// `None`: they are not known any more, so nothing is said of any rule but what the log says.
    pub shown: Option<String>,
    /// Why they are not known.
    pub unknown: Option<Unknown>,
    /// When those that decided it were in force no more.
    pub until: Option<Timestamp>,
    /// The hash of those in force now, where these compile.
    pub in_force: Option<String>,
    /// When it was decided.
    pub now: Timestamp,
    /// Why all it caused was rolled back, if it was.
    pub rolled_back: Option<String>,
    /// Rules in their order, then flows.
    pub verdicts: Vec<Judged>,
    /// What runs that waited made of it; of one flow, where that was asked for.
    pub heard: Vec<Heard>,
    /// What the log says of it; of one rule or flow, where that was asked for.
    pub log: Vec<Line>,
}

/// A verdict, and whether the log says the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The verdict.
    pub explained: Explained,
    /// Whether the log says the same. `None`: nothing to compare with, because other definitions decided, or the log says
    /// nothing that only this one can have caused.
    pub agrees: Option<bool>,
}

/// What can go wrong in asking why.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Deciding it again asks for more values than any decision may.
    #[error("deciding {} again needs more than {MAX_NEEDS} values", event::id(*.0))]
    TooMuch(u64),
}

impl Why {
    /// Whether the definitions that decided it are those that explain it.
    pub fn is_same(&self) -> bool {
        self.shown.as_ref() == Some(&self.decided)
    }

    /// For programs; the keys are a promise.
    pub fn to_json(&self) -> serde_json::Value {
        let event = &self.event;
        json!({
            "event": event.id(),
            "name": event.name,
            "at": event.at,
            "record": event.record.as_ref().map(ToString::to_string),
            "decided_at": self.now,
            "definitions": {
                "decided": self.decided,
                "shown": self.shown,
                "same": self.is_same(),
                "until": self.until,
                "in_force": self.in_force,
                "unknown": self.unknown.map(Unknown::word),
            },
            "rolled_back": self.rolled_back,
            "verdicts": self.verdicts.iter().map(Judged::to_json).collect::<Vec<_>>(),
            "runs": self.heard.iter().map(heard).collect::<Vec<_>>(),
            "log": self.log.iter().map(log::Json::from).collect::<Vec<_>>(),
        })
    }
}

impl Judged {
    fn to_json(&self) -> serde_json::Value {
        let Explained { kind, id, place, verdict, preview, when, condition, lets } = &self.explained;
        let (rule, flow) = match kind {
            Kind::Rule => (Some(id), None),
            Kind::Flow => (None, Some(id)),
        };
        let by = match verdict {
            Verdict::Stopped { by } | Verdict::NotMet { stopped: Some(by) } => Some(by),
            Verdict::Runs { run } => Some(run),
            Verdict::Silenced { by, .. } => Some(by),
            _ => None,
        };
        json!({
            "rule": rule,
            "flow": flow,
            "place": place,
            "verdict": verdict.word(),
            "by": by,
            "until": until(verdict),
            "error": if let Verdict::Unevaluable(why) = verdict { Some(why) } else { None },
            "preview": preview,
            "when": when.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "condition": condition.as_ref().map(clause),
            "decisive": condition.as_ref().map(|c| &c.decisive().text),
            "let": lets.iter().map(told).collect::<Vec<_>>(),
            "agrees": self.agrees,
        })
    }
}

/// Until when a gate stays shut.
fn until(verdict: &Verdict) -> Option<Timestamp> {
    match verdict {
        Verdict::Cooling { until }
        | Verdict::Silenced { until, .. }
        | Verdict::Limited { until, .. }
        | Verdict::Debounced { until, .. }
        | Verdict::Grouped { until, .. } => Some(*until),
        Verdict::Inactive { until, .. } => *until,
        _ => None,
    }
}

fn heard(heard: &Heard) -> serde_json::Value {
    let Heard { run, flow, step, waits, came, condition } = heard;
    json!({
        "run": run,
        "flow": flow,
        "step": step,
        "waits": waits.word(),
        "stop": if let Waits::Stop(name) = waits { Some(name) } else { None },
        "branch": if let Waits::Branch(n) = waits { Some(n) } else { None },
        "fields": if let Waits::Reroute(fields) = waits { Some(fields) } else { None },
        "came": came.word(),
        "error": if let Came::Unevaluable(why) = came { Some(why) } else { None },
        "condition": condition.as_ref().map(clause),
        "decisive": condition.as_ref().map(|c| &c.decisive().text),
    })
}

fn told(told: &Told) -> serde_json::Value {
    let Told { name, is, value, complete_since } = told;
    json!({
        "name": name,
        "is": is,
        "value": value.as_ref().ok().map(|v| json!(v.plain())),
        "error": value.as_ref().err(),
        "complete_since": complete_since,
    })
}

fn clause(clause: &Clause) -> serde_json::Value {
    let Clause { at, text, joint, held, values, parts } = clause;
    json!({
        "text": text,
        "at": [at.start, at.end],
        "joint": joint.word(),
        "held": held.word(),
        "values": values.iter().map(|(name, value)| (name.clone(), json!(value.plain()))).collect::<serde_json::Map<_, _>>(),
        "parts": parts.iter().map(self::clause).collect::<Vec<_>>(),
    })
}

/// Why this event did what it did; `None`: there is no such event. Every rule and flow that waits for events of its name, or
/// the one asked for, of the definitions that decided it.
pub fn why(store: &dyn Read, in_force: &Definitions, seq: u64, asked: Option<&str>) -> Result<Option<Why>, Error> {
    History::new(store, Some(in_force), By::Then).why(seq, asked)
}

impl History<'_> {
    /// See [`why`].
    pub fn why(&self, seq: u64, asked: Option<&str>) -> Result<Option<Why>, Error> {
        self.store.event(seq)?.map(|stored| self.of(stored, asked)).transpose()
    }

    /// As [`why`], of an event that was read already.
    fn of(&self, stored: Stored, asked: Option<&str>) -> Result<Why, Error> {
        let mut by = self.definitions(&stored.definitions)?;
        if stored.event.body == Body::Forgotten {
            by = Err(Unknown::Payload);
        }
        let until = self.until(&stored)?;
        let Stored { event, definitions: decided } = stored;
        let mut lines = self.store.log(&Filter { event: Some(event.seq), ..Filter::default() }, 0, MAX_LINES)?;
        let now = decided_at(self.store, &event, &lines)?;
        let rolled_back = match self.store.load(&Key::Parked(event.seq))?.as_deref() {
            Some(Entry::Parked(why)) => Some(why.clone()),
            _ => None,
        };
        let (Explanation { woken, heard }, exact) = match &by {
            Ok(seen) => match load_and_explain(self.store, seen.definitions(), &event, now, asked) {
                Ok(explained) => (explained, seen.is_exact(&decided)),
                Err(Error::Store(store::Error::Forgotten(_))) => {
                    by = Err(Unknown::State);
                    (Explanation::default(), false)
                }
                Err(error) => return Err(error),
            },
            Err(_) => (Explanation::default(), false),
        };
        let agrees = |explained: &Explained| if exact && rolled_back.is_none() { agrees(explained, &lines) } else { None };
        let verdicts = woken.into_iter().map(|explained| Judged { agrees: agrees(&explained), explained }).collect();
        if let Some(asked) = asked {
            lines.retain(|l| [&l.rule, &l.flow].iter().any(|by| by.as_deref() == Some(asked)));
        }
        let shown = by.as_ref().ok().map(|by| by.definitions().hash.clone());
        let in_force = self.in_force.map(|d| d.hash.clone());
        Ok(Why { event, decided, shown, unknown: by.err(), until, in_force, now, rolled_back, verdicts, heard, log: lines })
    }

    /// The last events, at most `count`, that were received since then and pass, each explained; in order. Of one rule or flow
    /// that is asked for, only those that may concern it, as those see it by which they are shown.
    pub fn recent(
        &self,
        asked: Option<&str>,
        (count, since): (usize, Option<Timestamp>),
        passes: impl Fn(&Event) -> bool,
    ) -> Result<Vec<Why>, Error> {
        let passes = |stored: &Stored| {
            let event = &stored.event;
            since.is_none_or(|since| event.received >= since) && !event.body.is_own() && passes(event)
        };
        let found = store::recent(self.store, count, since, passes)?;
        found.into_iter().map(|stored| self.of(stored, asked)).collect()
    }

    /// The last events that may concern this rule or flow, as the definitions see it by which they are shown.
    pub fn of_rule(&self, id: &str, (count, since): (usize, Option<Timestamp>)) -> Result<Vec<Why>, Error> {
        let may = |stored: &Stored| {
            let event = &stored.event;
            // What cannot be read here is told when the event is explained.
            since.is_none_or(|since| event.received >= since)
                && match &event.body {
                    // What it waited with, or for, may have let it fire.
                    Body::Due(_) => self.tells(event.seq, id).unwrap_or(true),
                    body => !body.is_own() && self.concerns(&stored.definitions, id, event).unwrap_or(true),
                }
        };
        let found = store::recent(self.store, count, since, may)?;
        found.into_iter().map(|stored| self.of(stored, Some(id))).collect()
    }
}

/// Whether the rule or flow may be concerned by an event; `None`: there is no such rule or flow.
pub fn concerned<'d>(definitions: &'d Definitions, id: &str) -> Option<impl Fn(&Event) -> bool + use<'d>> {
    let rule = definitions.rules.iter().find(|r| r.id == id).map(|r| &r.when);
    let when = rule.or_else(|| definitions.flows.get(id).map(|f| &f.when))?;
    let flow = definitions.flows.get(id).filter(|_| rule.is_none());
    Some(move |event: &Event| when.iter().any(|t| t.concerns(event)) || flow.is_some_and(|f| f.may_hear(event)))
}

/// When an event was decided, as its log lines say; where it has none, those of what caused it, in the same turn.
pub(super) fn decided_at(store: &dyn Read, event: &Event, lines: &[Line]) -> Result<Timestamp, store::Error> {
    if let Some(line) = lines.first() {
        return Ok(line.at);
    }
    let mut cause = event.cause.as_ref().filter(|_| !event.is_root()).map(|c| c.seq);
    for _ in 0..=MAX_DEPTH {
        let Some(seq) = cause else { break };
        if let Some(line) = store.log(&Filter { event: Some(seq), ..Filter::default() }, 0, 1)?.first() {
            return Ok(line.at);
        }
        cause = store.event(seq)?.filter(|s| !s.event.is_root()).and_then(|s| s.event.cause).map(|c| c.seq);
    }
    Ok(event.received)
}

fn load_and_explain(
    store: &dyn Read,
    definitions: &Definitions,
    event: &Event,
    now: Timestamp,
    asked: Option<&str>,
) -> Result<Explanation, Error> {
    with_state(store, event.seq, |state| explain(definitions, state, event, now, asked))
}

/// What is found on the state as it was before an event.
pub(super) fn with_state<T>(store: &dyn Read, seq: u64, find: impl Fn(&State) -> Result<T, Need>) -> Result<T, Error> {
    let mut state = State::default();
    for _ in 0..MAX_NEEDS {
        match find(&state) {
            Ok(found) => return Ok(found),
            Err(need) => {
                let key = need.key();
                let entry = store.as_of(&key, seq.saturating_sub(1))?;
                state.load(key, entry);
            }
        }
    }
    Err(Error::TooMuch(seq))
}

/// Whether the log of the event says of this rule or flow what the verdict says.
fn agrees(explained: &Explained, lines: &[Line]) -> Option<bool> {
    let own: Vec<&Line> = match explained.kind {
        Kind::Rule => lines.iter().filter(|l| l.rule.as_deref() == Some(&explained.id) && l.action == "rule").collect(),
        // A flow that a rule starts says so under that rule.
        Kind::Flow => {
            let id = Some(explained.id.as_str());
            lines.iter().filter(|l| l.rule.is_none() && l.flow.as_deref() == id && l.action == "start").collect()
        }
    };
    let expected = expected(&explained.verdict);
    let says = |line: &&Line| {
        expected.as_ref().is_some_and(|(outcome, members)| {
            line.outcome == *outcome
                && members.iter().all(|(name, value)| line.detail.at(&[*name]).unwrap_or(&Value::Null) == value)
        })
    };
    match (explained.kind, &expected) {
        (Kind::Rule, None) => Some(own.is_empty()),
        (Kind::Rule, Some(_)) => Some(own.len() == 1 && own.iter().all(says)),
        (Kind::Flow, Some(_)) => Some(own.iter().any(says)),
        // Steps of other flows start flows, too: such a line need not be this trigger's.
        (Kind::Flow, None) if own.is_empty() => Some(true),
        (Kind::Flow, None) => lines.iter().all(|l| l.flow.as_deref().is_none_or(|f| f == explained.id)).then_some(false),
    }
}

/// The line that a verdict leaves in the log, by its outcome and members.
fn expected(verdict: &Verdict) -> Option<(Outcome, Vec<(&'static str, Value)>)> {
    Some(match verdict {
        Verdict::Fired => (Outcome::Fired, vec![("branch", Value::Null)]),
        Verdict::Else => (Outcome::Fired, vec![("branch", "else".into())]),
        Verdict::Unevaluable(why) => (Outcome::Failed, vec![("reason", "unevaluable".into()), ("error", why.as_str().into())]),
        Verdict::Stopped { by } => (Outcome::Suppressed, vec![("reason", "stop".into()), ("by", by.as_str().into())]),
        Verdict::Cooling { until } => (Outcome::Suppressed, vec![("reason", "cooldown".into()), ("until", (*until).into())]),
        Verdict::Runs { run } => (Outcome::Suppressed, vec![("reason", "already runs".into()), ("by", run.as_str().into())]),
        Verdict::Inactive { until, .. } => {
            let until = until.map_or(Value::Null, Value::from);
            (Outcome::Suppressed, vec![("reason", "inactive".into()), ("until", until)])
        }
        Verdict::Silenced { by, .. } => (Outcome::Suppressed, vec![("reason", "silence".into()), ("by", by.as_str().into())]),
        Verdict::Once { since } => (Outcome::Suppressed, vec![("reason", "once".into()), ("since", (*since).into())]),
        Verdict::Limited { until, .. } => (Outcome::Suppressed, vec![("reason", "limit".into()), ("until", (*until).into())]),
        Verdict::Debounced { count, until } => {
            (Outcome::Suppressed, vec![("reason", "debounce".into()), ("count", (*count).into()), ("until", (*until).into())])
        }
        Verdict::Grouped { count, until } => {
            (Outcome::Suppressed, vec![("reason", "group".into()), ("count", (*count).into()), ("until", (*until).into())])
        }
        Verdict::Imported => (Outcome::Suppressed, vec![("reason", "import".into())]),
        Verdict::NotMet { .. } | Verdict::Disabled | Verdict::NotWoken => return None,
    })
}
