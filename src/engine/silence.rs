//! Silences: a person keeps rules from firing for a while, and says why. Kept as one value, bounded; they end by time.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::decide::{By, Deciding};
use super::definition::Definitions;
use super::event::RecordRef;
use super::log::Outcome;
use super::schedule::WARN;
use super::state::{Entry, Key, Need};
use super::trigger::glob;
use super::value::{Map, Value};

/// Silences at the same time: each is looked at for every rule that is woken.
pub const MOST: usize = 200;

/// What a person asks to be silent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Which rules and flows: an id, one with `*` in it, or `tag:…`.
    pub rule: String,
    /// Only for this record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordRef>,
    /// Till then.
    pub until: Timestamp,
    /// Why.
    #[serde(default)]
    pub comment: String,
    /// Who asks.
    #[serde(default)]
    pub by: String,
}

/// A silence in force.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// The event that began it: `s42`.
    pub seq: u64,
    /// Since when.
    pub from: Timestamp,
    /// What was asked.
    #[serde(flatten)]
    pub ask: Ask,
}

impl Silence {
    /// Its public id.
    pub fn id(&self) -> String {
        format!("s{}", self.seq)
    }

    /// Whether it concerns a rule or flow of this id and these tags, and the record, at a time.
    fn covers(&self, id: &str, tags: &[String], record: Option<&RecordRef>, now: Timestamp) -> bool {
        means(&self.ask.rule, id, tags) && now < self.ask.until && self.ask.record.as_ref().is_none_or(|r| record == Some(r))
    }
}

/// Whether there is a rule or flow that a pattern means.
pub fn meets(definitions: &Definitions, pattern: &str) -> bool {
    let rules = definitions.rules.iter().map(|r| (&r.id, &r.gates.tags));
    let mut all = rules.chain(definitions.flow_gates.iter().map(|(id, gates)| (id, &gates.tags)));
    all.any(|(id, tags)| means(pattern, id, tags))
}

fn means(pattern: &str, id: &str, tags: &[String]) -> bool {
    match pattern.strip_prefix("tag:") {
        Some(tag) => tags.iter().any(|t| glob(tag, t)),
        // A rule's warning with the rule.
        None => glob(pattern, id) || id.strip_suffix(WARN).is_some_and(|id| glob(pattern, id)),
    }
}

/// The silences that have not ended, as they are kept.
pub fn all(entry: Option<&Entry>) -> &[Silence] {
    if let Some(Entry::Silences(all)) = entry { all } else { &[] }
}

/// Whether anything is silent.
pub(super) fn any(draft: &Deciding<'_>) -> Result<bool, Need> {
    let entry = draft.get(&Key::Silences)?;
    Ok(all(entry.as_deref()).iter().any(|s| draft.now < s.ask.until))
}

/// The silence that keeps a rule or flow from what it would do; the one that ends last.
pub(super) fn over(draft: &Deciding<'_>, id: &str, tags: &[String], record: Option<&RecordRef>) -> Result<Option<Silence>, Need> {
    let entry = draft.get(&Key::Silences)?;
    let found = all(entry.as_deref()).iter().filter(|s| s.covers(id, tags, record, draft.now));
    Ok(found.max_by_key(|s| s.ask.until).cloned())
}

/// Begins one. What has ended is forgotten on the way.
pub(super) fn begin(draft: &mut Deciding<'_>, ask: &Ask) -> Result<(), Need> {
    let mut kept = current(draft)?;
    let silence = Silence { seq: draft.event.seq, from: draft.now, ask: ask.clone() };
    let reason = match () {
        () if ask.until <= draft.now => Some("over already"),
        () if kept.len() >= MOST => Some("too many silences"),
        () => None,
    };
    let mut detail = told(&silence);
    if let Some(reason) = reason {
        detail.insert("reason".into(), reason.into());
    } else {
        kept.push(silence);
        draft.put(Key::Silences, Entry::Silences(kept));
    }
    let outcome = if reason.is_some() { Outcome::Failed } else { Outcome::Done };
    draft.say_of(&by(ask), ask.record.clone(), "silence", outcome, Value::Map(detail));
    Ok(())
}

/// Ends one before its time.
pub(super) fn end(draft: &mut Deciding<'_>, seq: u64) -> Result<(), Need> {
    let mut kept = current(draft)?;
    let Some(place) = kept.iter().position(|s| s.seq == seq) else {
        let detail = Value::from([("reason", "no such silence".into()), ("silence", format!("s{seq}").into())]);
        draft.say(&By::default(), "silence", Outcome::Failed, detail);
        return Ok(());
    };
    let silence = kept.remove(place);
    draft.put(Key::Silences, Entry::Silences(kept));
    let mut detail = told(&silence);
    detail.insert("reason".into(), "ended".into());
    draft.say_of(&by(&silence.ask), silence.ask.record.clone(), "silence", Outcome::Done, Value::Map(detail));
    Ok(())
}

/// A record was merged into another: what was silent for it is silent for that. The numbers of those silences.
pub(super) fn merged(draft: &mut Deciding<'_>, loser: &RecordRef, winner: &RecordRef) -> Result<Vec<u64>, Need> {
    let all = current(draft)?;
    let moved: Vec<u64> = all.iter().filter(|s| s.ask.record.as_ref() == Some(loser)).map(|s| s.seq).collect();
    redirect(draft, all, &moved, winner);
    Ok(moved)
}

/// They are two again: those of them that still are in force are for the one they were asked for.
pub(super) fn unmerged(draft: &mut Deciding<'_>, moved: &[u64], loser: &RecordRef) -> Result<(), Need> {
    let all = current(draft)?;
    redirect(draft, all, moved, loser);
    Ok(())
}

fn redirect(draft: &mut Deciding<'_>, mut all: Vec<Silence>, moved: &[u64], to: &RecordRef) {
    if moved.is_empty() {
        return;
    }
    all.iter_mut().filter(|s| moved.contains(&s.seq)).for_each(|s| s.ask.record = Some(to.clone()));
    draft.put(Key::Silences, Entry::Silences(all));
}

fn current(draft: &Deciding<'_>) -> Result<Vec<Silence>, Need> {
    let entry = draft.get(&Key::Silences)?;
    Ok(all(entry.as_deref()).iter().filter(|s| draft.now < s.ask.until).cloned().collect())
}

fn told(silence: &Silence) -> Map {
    let ask = &silence.ask;
    let members = [
        ("silence", silence.id().into()),
        ("rules", ask.rule.as_str().into()),
        ("until", ask.until.into()),
        ("comment", ask.comment.as_str().into()),
        ("by", ask.by.as_str().into()),
    ];
    members.into_iter().filter(|(_, v): &(_, Value)| !v.is_empty()).map(|(k, v)| (k.to_owned(), v)).collect()
}

/// A line about one rule stands under that rule.
fn by(ask: &Ask) -> By {
    let one = !ask.rule.contains('*') && !ask.rule.starts_with("tag:");
    By { rule: one.then(|| ask.rule.clone()), ..By::default() }
}
