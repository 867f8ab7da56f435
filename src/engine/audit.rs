//! The audit line: who asked for something, from where, and what it changed, from what to what. One line in the action log for every
//! event that somebody asked for, under the action `audit`.
//!
//! Tells of what was addressed; what else followed has lines of its own.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::access;
use super::decide::{By, Deciding};
use super::event::{Body, Command};
use super::log::Outcome;
use super::state::{Entry, Key, Need};
use super::value::{Map, Value};

/// Members of one line that are told from what to what.
const MOST: usize = 30;
/// Characters of each side.
const LONGEST: usize = 200;
/// How deep members are looked into.
const DEEP: usize = 4;

/// Writes the line, where somebody asked for the event.
pub(super) fn tell(draft: &mut Deciding<'_>) -> Result<(), Need> {
    let Some(actor) = draft.event.by.clone() else { return Ok(()) };
    let mut changed = BTreeMap::new();
    for key in addressed(draft) {
        let before = draft.state.get(&key)?.cloned();
        let after = draft.get(&key)?;
        differ(&key.to_string(), &json(before.as_deref()), &json(after.as_deref()), DEEP, &mut changed);
    }
    let more = changed.len().saturating_sub(MOST);
    let pairs = changed.into_iter().take(MOST).map(|(path, (old, new))| (path, Value::List(vec![old.into(), new.into()])));
    let mut detail = Map::from([
        ("who".to_owned(), actor.name.as_str().into()),
        ("role".to_owned(), actor.role.word().into()),
        ("way".to_owned(), actor.way.as_str().into()),
        ("address".to_owned(), actor.address.as_str().into()),
        ("asked".to_owned(), asked(&draft.event.body).into()),
        ("changed".to_owned(), Value::Map(pairs.collect())),
    ]);
    if let Some(of) = draft.event.replay_of() {
        detail.insert("asked".into(), format!("replay {}", super::event::id(of)).into());
    }
    if let Some(person) = &actor.person {
        detail.insert("person".into(), person.as_str().into());
    }
    if more > 0 {
        detail.insert("more".into(), Value::Number(more.into()));
    }
    detail.retain(|_, value| !value.is_empty());
    draft.say(&By::default(), "audit", Outcome::Done, Value::Map(detail));
    Ok(())
}

/// What was asked for, in a word and whom it addresses.
fn asked(body: &Body) -> String {
    match body {
        Body::Command(command) => match command {
            Command::Retry(id) => format!("retry {id}"),
            Command::Edit(id, _) => format!("edit {id}"),
            Command::Discard(id) => format!("discard {id}"),
            Command::Silence(ask) => format!("silence {}", ask.rule),
            Command::EndSilence(id) => format!("end silence s{id}"),
            Command::ConfirmClock => "confirm the clock".into(),
            Command::Merge(ask) => format!("merge {} into {}", ask.loser, ask.winner),
            Command::Unmerge(ask) => format!("unmerge {}", ask.record),
            Command::Task(ask) => format!("{} {} as {}", ask.act.word(), ask.task, ask.person),
            Command::Run(ask) => format!("{} {}", ask.act.word(), ask.run),
            Command::Contact(ask) => format!("{} {}", if ask.subscribe { "subscribe" } else { "unsubscribe" }, ask.address),
            Command::Token(access::Ask::Add(token)) => format!("add token {}", token.name),
            Command::Token(access::Ask::Revoke(name)) => format!("revoke token {name}"),
            Command::Token(access::Ask::Used(name, _)) => format!("use token {name}"),
        },
        Body::Settled { item, told } if told.is_empty() => format!("discard {}", super::event::id(*item)),
        Body::Settled { item, .. } => format!("settle {}", super::event::id(*item)),
        _ => String::new(),
    }
}

/// The keys that were addressed.
fn addressed(draft: &Deciding<'_>) -> Vec<Key> {
    let Body::Command(command) = &draft.event.body else {
        return if let Body::Settled { item, .. } = &draft.event.body { vec![Key::Quarantine(*item)] } else { Vec::new() };
    };
    match command {
        Command::Retry(id) | Command::Edit(id, _) | Command::Discard(id) => vec![Key::Call(*id)],
        Command::Silence(_) | Command::EndSilence(_) => vec![Key::Silences],
        Command::ConfirmClock => vec![Key::Paused],
        Command::Merge(ask) => vec![Key::Record(ask.winner.clone()), Key::Record(ask.loser.clone())],
        Command::Unmerge(ask) => vec![Key::Record(ask.record.clone())],
        Command::Task(ask) => vec![Key::Task(ask.task)],
        Command::Run(ask) => vec![Key::Run(ask.run.clone())],
        Command::Contact(ask) => vec![Key::Contact(ask.address.clone())],
        Command::Token(_) => vec![Key::Tokens],
    }
}

/// An entry without its kind; a token without its hash.
fn json(entry: Option<&Entry>) -> Json {
    let mut whole = entry.and_then(|entry| serde_json::to_value(entry).ok()).unwrap_or_default();
    if let Some(Entry::Tokens(_)) = entry {
        for token in whole.get_mut("tokens").and_then(Json::as_array_mut).into_iter().flatten() {
            token.as_object_mut().map(|members| members.remove("hash"));
        }
    }
    match whole {
        Json::Object(members) if members.len() == 1 => members.into_iter().next().map(|(_, inner)| inner).unwrap_or_default(),
        other => other,
    }
}

type Pairs = BTreeMap<String, (String, String)>;

fn differ(path: &str, before: &Json, after: &Json, deep: usize, into: &mut Pairs) {
    if before == after {
        return;
    }
    match (before, after) {
        (Json::Object(old), Json::Object(new)) if deep > 0 => {
            for name in old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))) {
                let side = |all: &serde_json::Map<String, Json>| all.get(name).cloned().unwrap_or_default();
                differ(&format!("{path}.{name}"), &side(old), &side(new), deep - 1, into);
            }
        }
        (Json::Array(old), Json::Array(new)) if deep > 0 && old.len() == new.len() => {
            for (n, (old, new)) in old.iter().zip(new).enumerate() {
                differ(&format!("{path}.{n}"), old, new, deep - 1, into);
            }
        }
        // What is new in a list, and what is not there any more.
        (Json::Array(old), Json::Array(new)) => {
            let only = |all: &[Json], others: &[Json]| {
                let gone: Vec<String> = all.iter().filter(|item| !others.contains(item)).map(text).collect();
                gone.join(", ")
            };
            into.insert(path.to_owned(), (clip(only(old, new)), clip(only(new, old))));
        }
        _ => drop(into.insert(path.to_owned(), (clip(text(before)), clip(text(after))))),
    }
}

fn text(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn clip(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(before: Json, after: Json, expect: &[(&str, &str, &str)]) {
        let mut found = Pairs::new();
        differ("x", &before, &after, DEEP, &mut found);
        let found: Vec<_> = found.iter().map(|(path, (old, new))| (path.as_str(), old.as_str(), new.as_str())).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn only_what_differs_is_told() {
        check(
            json!({ "status": "dead", "attempt": 5, "to": { "a": 1, "b": 2 } }),
            json!({ "status": "queued", "attempt": 5, "to": { "a": 1, "b": 3, "c": "新" } }),
            &[("x.status", "dead", "queued"), ("x.to.b", "2", "3"), ("x.to.c", "", "新")],
        );
        check(json!([1, 2]), json!([2, 3, 4]), &[("x", "1", "3, 4")]);
        check(json!([{ "a": 1 }, 2]), json!([{ "a": 3 }, 2]), &[("x.0.a", "1", "3")]);
        check(json!(null), json!({ "a": 1 }), &[("x", "", "{\"a\":1}")]);
        check(json!({ "a": 1 }), json!({ "a": 1 }), &[]);
    }

    #[test]
    fn each_side_is_short() {
        let mut found = Pairs::new();
        differ("x", &json!("a"), &json!("长".repeat(5_000)), DEEP, &mut found);
        assert_eq!(found["x"].1.chars().count(), LONGEST + 1);
    }
}
