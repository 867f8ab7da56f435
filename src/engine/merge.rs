//! Two records become one by a person's command: what the winner has not got it takes from the loser, whose id leads to it from
//! then on.
//!
//! A field that is empty is filled, an opt-out wins, tags are united. What was counted, what waits, what was used up moves along;
//! what is kept under the value of a `by:` stays there, since others may share that value. Never finds out by itself that two
//! records are the same, and never sends anything. The way back is in [`undo`].

pub mod undo;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::decide::{By, Deciding};
use super::entity::Entity;
use super::event::{Body, RecordRef};
use super::log::Outcome;
use super::record::Record;
use super::state::{Entry, Key, Need};
use super::value::{Map, Value};
use super::{flow, rule, schedule, silence, window};
use undo::Undo;

/// Ids that may lead to one record: beyond, somebody merges what is no duplicate. Also the longest way from an id to its record.
pub const MOST_IDS: usize = 64;
/// Entries of windows, beside their heads, that one merge may go through: some 100,000 things that were counted. It is done in
/// one turn, and others wait for that.
pub const MOST_ENTRIES: usize = 1_000;

/// What a person asks to be merged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The record that stays.
    pub winner: RecordRef,
    /// The one whose id leads to it from now on.
    pub loser: RecordRef,
    /// Who asks.
    #[serde(default)]
    pub by: String,
}

/// What a person asks to be two records again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undoing {
    /// The one that was merged into another.
    pub record: RecordRef,
    /// Who asks.
    #[serde(default)]
    pub by: String,
}

/// What is kept under the id of a record that was merged into another.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Redirect {
    /// The other.
    pub to: RecordRef,
    /// When.
    pub at: Timestamp,
    /// The event by which it was.
    pub seq: u64,
    /// Who asked for it.
    #[serde(default)]
    pub by: String,
    /// What it takes to make them two again.
    pub undo: Undo,
}

/// What a record gets from another.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Filled {
    /// By field: what it was, what it is.
    #[serde(default)]
    pub fields: BTreeMap<String, (Value, Value)>,
    /// Tags it had not got.
    #[serde(default)]
    pub tags: BTreeSet<String>,
}

/// Follows an id to the record it leads to; for each one that was merged one look more.
pub(super) fn follow(
    record: &RecordRef,
    mut look: impl FnMut(&Key) -> Result<Option<Arc<Entry>>, Need>,
) -> Result<(RecordRef, Option<Arc<Record>>), Need> {
    let mut at = record.clone();
    for _ in 0..=MOST_IDS {
        let entry = look(&Key::Record(at.clone()))?;
        match entry.as_deref() {
            Some(Entry::Redirect(redirect)) => at.clone_from(&redirect.to),
            Some(Entry::Record(record)) => return Ok((at, Some(Arc::clone(record)))),
            _ => return Ok((at, None)),
        }
    }
    Ok((at, None))
}

/// The winner with what it takes from the loser, and what that is.
///
/// A time of which the name says that it is another field's (`owner_at`) goes with that field: when somebody else got the lead
/// says nothing of its owner.
pub fn united(winner: &Record, loser: &Record, entity: &Entity) -> (Record, Filled) {
    let mut filled = Filled::default();
    let empty = |field: &str| winner.value(field).is_empty() && !loser.value(field).is_empty();
    for (field, value) in loser.fields.iter().filter(|(field, _)| **field != entity.key) {
        let stamped = field.strip_suffix("_at").filter(|of| entity.fields.contains_key(*of));
        let refuses = entity.fields.get(field).is_some_and(|f| f.opt_out) && *value == Value::Bool(true);
        let wins = refuses && winner.value(field) != value;
        if wins || empty(field) && stamped.is_none_or(empty) {
            filled.fields.insert(field.clone(), (winner.value(field).clone(), value.clone()));
        }
    }
    filled.tags = loser.tags.difference(&winner.tags).cloned().collect();
    let mut record = winner.clone();
    record.fields.extend(filled.fields.iter().map(|(field, (_, is))| (field.clone(), is.clone())));
    record.tags.extend(filled.tags.iter().cloned());
    (record, filled)
}

/// Why two records cannot be one, with what the log says of it.
struct Refusal(&'static str, Vec<(&'static str, Value)>);

/// Two records that can be one.
struct Pair {
    winner: RecordRef,
    into: Arc<Record>,
    from: Arc<Record>,
}

/// Makes two records one, or says why not.
pub(super) fn merge(draft: &mut Deciding<'_>, ask: &Ask) -> Result<(), Need> {
    let pair = match pair(draft, ask)? {
        Ok(pair) => pair,
        Err(Refusal(reason, detail)) => {
            refuse(draft, &ask.winner, "merge", reason, detail.into_iter().chain([("from", ask.loser.to_string().into())]));
            return Ok(());
        }
    };
    let Pair { winner, into, from } = pair;
    let Some(entity) = draft.definitions.entities.get(&winner.entity) else { return Ok(()) };
    let (mut record, filled) = united(&into, &from, entity);
    record.merged.extend(from.merged.clone());
    record.merged.insert(ask.loser.id.clone(), from.told.clone());
    let detail = detail(ask, &filled);
    let event = Value::from([("from", ask.loser.id.as_str().into()), ("filled", is(&filled)), ("by", ask.by.as_str().into())]);
    // Whoever looks at records from here on finds one.
    let mut redirect = Redirect {
        to: winner.clone(),
        at: draft.now,
        seq: draft.event.seq,
        by: ask.by.clone(),
        undo: Undo { record: from, filled, ..Undo::default() },
    };
    let leads = |redirect: &Redirect| Entry::Redirect(Arc::new(redirect.clone()));
    let key = Key::Record(ask.loser.clone());
    draft.put(key.clone(), leads(&redirect));
    draft.put_record(&winner, record, "merge")?;
    draft.say_of(&By::default(), Some(winner.clone()), "merge", Outcome::Done, detail);
    move_along(draft, &mut redirect.undo, &ask.loser, &winner)?;
    draft.put(key, leads(&redirect));
    let name = format!("{}.merged", winner.entity);
    draft.emit(name, Some(winner), "merge".into(), Body::Happened { data: event, upsert: None });
    Ok(())
}

/// All that is kept for a record beside its fields.
fn move_along(draft: &mut Deciding<'_>, undo: &mut Undo, loser: &RecordRef, winner: &RecordRef) -> Result<(), Need> {
    undo.silences = silence::merged(draft, loser, winner)?;
    undo.gates = rule::merged::merged(draft, loser, winner)?;
    undo.armed = schedule::merged::merged(draft, loser, winner)?;
    undo.runs = flow::merged(draft, loser, winner)?;
    window::merged(draft, loser, winner)
}

fn pair(draft: &Deciding<'_>, ask: &Ask) -> Result<Result<Pair, Refusal>, Need> {
    let (Ask { loser, .. }, (winner, into)) = (ask, draft.found(&ask.winner)?);
    let refuse = |reason, detail| Ok(Err(Refusal(reason, detail)));
    if winner.entity != loser.entity {
        return refuse("records of two entities", Vec::new());
    }
    if !draft.definitions.entities.contains_key(&winner.entity) {
        return refuse("entity", vec![("entity", winner.entity.into())]);
    }
    let entry = draft.get(&Key::Record(loser.clone()))?;
    let from = match entry.as_deref() {
        _ if winner == *loser => return refuse("the same record", Vec::new()),
        Some(Entry::Record(from)) => Arc::clone(from),
        Some(Entry::Redirect(redirect)) => return refuse("merged already", vec![("into", redirect.to.to_string().into())]),
        _ => return refuse("no such record", vec![("missing", loser.to_string().into())]),
    };
    let Some(into) = into else { return refuse("no such record", vec![("missing", winner.to_string().into())]) };
    if into.merged.len() + from.merged.len() + 1 > MOST_IDS {
        return refuse("too many ids", vec![("most", (MOST_IDS as u64).into())]);
    }
    if window::weight(draft, &[loser, &winner])? > MOST_ENTRIES {
        return refuse("too much was counted", vec![("most", (MOST_ENTRIES as u64).into())]);
    }
    Ok(Ok(Pair { winner, into, from }))
}

/// What the log says of a merge: from which record, and which fields and tags it brought.
fn detail(ask: &Ask, filled: &Filled) -> Value {
    let tags: Vec<String> = filled.tags.iter().cloned().collect();
    let members: Vec<(&str, Value)> = vec![
        ("from", ask.loser.to_string().into()),
        ("filled", is(filled)),
        ("tags", tags.into()),
        ("who", ask.by.as_str().into()),
    ];
    told(members)
}

/// What is there to be told.
fn told(members: Vec<(&str, Value)>) -> Value {
    Value::Map(members.into_iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (k.to_owned(), v)).collect())
}

fn is(filled: &Filled) -> Value {
    Value::Map(filled.fields.iter().map(|(field, (_, is))| (field.clone(), is.clone())).collect::<Map>())
}

/// Says why something was not done.
fn refuse<'m>(
    draft: &mut Deciding<'_>,
    at: &RecordRef,
    action: &str,
    reason: &str,
    detail: impl IntoIterator<Item = (&'m str, Value)>,
) {
    let members = detail.into_iter().chain([("reason", reason.into())]).collect();
    draft.say_of(&By::default(), Some(at.clone()), action, Outcome::Failed, told(members));
}

#[cfg(test)]
mod tests {
    use super::super::entity::{Field, FieldKind, From};
    use super::*;

    fn record(fields: &[(&str, Value)], tags: &[&str]) -> Record {
        let fields = fields.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        Record { fields, tags: tags.iter().map(|t| (*t).to_owned()).collect(), ..Record::default() }
    }

    /// What the winner, which has `owner: 张三`, no mail and no refusal, gets.
    fn check(loser: &[(&str, Value)], expect: &[&str]) {
        let field = |opt_out| Field { kind: FieldKind::Any, from: From::Anyone, opt_out };
        let names = [("id", false), ("owner", false), ("owner_at", false), ("email", false), ("email_at", false), ("退订", true)];
        let fields = names.into_iter().map(|(name, opt_out)| (name.to_owned(), field(opt_out))).collect();
        let entity = Entity { key: "id".into(), fields, title: None, consent: None };
        let winner =
            record(&[("id", "L1".into()), ("owner", "张三".into()), ("email", " ".into()), ("退订", false.into())], &["甲"]);
        let (made, filled) = united(&winner, &record(loser, &["甲", "乙"]), &entity);
        assert_eq!(filled.fields.keys().collect::<Vec<_>>(), expect);
        assert_eq!(filled.tags.iter().collect::<Vec<_>>(), ["乙"]);
        assert!(made.value("id") == &"L1".into() && made.tags.len() == 2);
    }

    #[test]
    fn what_is_empty_is_filled_a_refusal_wins_and_a_stamp_goes_with_what_it_stamps() {
        check(&[("id", "L2".into()), ("owner", "李四".into()), ("email", "a@example.com".into())], &["email"]);
        check(&[("owner_at", 1i64.into()), ("email_at", 1i64.into())], &[]);
        check(&[("email", "a@example.com".into()), ("email_at", 1i64.into())], &["email", "email_at"]);
        check(&[("退订", true.into())], &["退订"]);
        check(&[("退订", false.into()), ("公司", "上海智造".into())], &["公司"]);
    }

    #[test]
    fn a_redirect_of_yesterday_is_read() {
        let text = r#"{"to":{"entity":"lead","id":"L1"},"at":"2026-11-22T01:00:00Z","seq":7,"undo":{"record":{"fields":{}}}}"#;
        let redirect: Redirect = serde_json::from_str(text).unwrap();
        assert_eq!((redirect.to.id.as_str(), redirect.undo), ("L1", Undo::default()));
    }
}
