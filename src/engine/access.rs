//! Who may do what over the API: roles, access tokens with a role, and who asked for something. Kept as one value, bounded.
//!
//! Never knows a token, only its SHA-256: what is in the store or a backup opens nothing.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::decide::{By, Deciding};
use super::log::Outcome;
use super::state::{Entry, Key, Need};
use super::value::Value;

/// Tokens at the same time: each is compared with at every request.
pub const MOST: usize = 200;
/// Characters of a token's name.
pub const NAME: usize = 60;

/// What somebody may do. Whoever decides does not operate, and the other way round; an admin may do all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Reads; retries, edits and discards calls, silences, mends, replays, merges, moves runs.
    Operator,
    /// Reads; decides what one person is asked.
    Approver,
    /// Everything, tokens too, and in anybody's name.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Approver, Self::Admin];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }

    /// The role of that word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }

    /// Whether it is enough where `needed` is.
    pub fn may(self, needed: Self) -> bool {
        self == Self::Admin || needed == Self::Viewer || self == needed
    }
}

/// Who asked for something.
///
/// Stored format: JSON, part of an event; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The token's name; of whoever has the data folder: the user of the machine, as the command line says, or `control`.
    pub name: String,
    /// As what.
    pub role: Role,
    /// `token`, `cli`, `control` (the data folder's own token) or `link` (who has proved to be somebody, on their page).
    pub way: String,
    /// From which address.
    pub address: String,
    /// In whose name alone; none for an admin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
}

impl Actor {
    /// Whether this may act as that person.
    pub fn speaks_for(&self, person: &str) -> bool {
        self.role == Role::Admin || (self.role == Role::Approver && self.person.as_deref() == Some(person))
    }

    /// The name under which something is done: who has the data folder may say one, a token has its own.
    pub fn signs(&self, told: String) -> String {
        if self.way == "token" || told.is_empty() { self.name.clone() } else { told }
    }
}

/// An access token.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// What it is called; one at a time.
    pub name: String,
    /// What it may.
    pub role: Role,
    /// An approver's: the person for whom it decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// SHA-256 of the token, in hex.
    pub hash: String,
    /// Till then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Since when.
    pub made: Timestamp,
    /// Who made it.
    #[serde(default)]
    pub by: String,
    /// When it was last used, to the hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Timestamp>,
}

impl Token {
    /// Whether it counts at a time.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// What is asked about tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// One more; its `made` is when this is decided.
    Add(Token),
    /// One less, by name.
    Revoke(String),
    /// It was used: the hour.
    Used(String, Timestamp),
}

/// The tokens, as they are kept.
pub fn all(entry: Option<&Entry>) -> &[Token] {
    if let Some(Entry::Tokens(all)) = entry { all } else { &[] }
}

/// Does what is asked about tokens.
pub(super) fn command(draft: &mut Deciding<'_>, ask: &Ask) -> Result<(), Need> {
    let entry = draft.get(&Key::Tokens)?;
    let mut kept = all(entry.as_deref()).to_vec();
    let place = |name: &str| kept.iter().position(|t| t.name == name);
    let (token, reason) = match ask {
        Ask::Used(name, hour) => {
            if let Some(n) = place(name) {
                kept[n].used = Some(*hour);
                draft.put(Key::Tokens, Entry::Tokens(kept));
            }
            return Ok(()); // no line: it is no news
        }
        Ask::Add(token) if place(&token.name).is_some() => (token.clone(), Some("a token of this name is there already")),
        Ask::Add(token) if kept.len() >= MOST => (token.clone(), Some("too many tokens")),
        Ask::Add(token) => {
            kept.push(Token { made: draft.now, ..token.clone() });
            (token.clone(), None)
        }
        Ask::Revoke(name) => match place(name) {
            Some(n) => (kept.remove(n), None),
            None => {
                let detail = Value::from([("reason", "there is no such token".into()), ("token", name.as_str().into())]);
                draft.say(&By::default(), "tokens", Outcome::Failed, detail);
                return Ok(());
            }
        },
    };
    if reason.is_none() {
        draft.put(Key::Tokens, Entry::Tokens(kept));
    }
    let told = if matches!(ask, Ask::Revoke(_)) { Some("revoked") } else { None };
    let members = [
        ("token", token.name.as_str().into()),
        ("role", token.role.word().into()),
        ("person", token.person.as_deref().unwrap_or_default().into()),
        ("until", token.until.map_or(Value::Null, Value::Time)),
        ("reason", reason.or(told).unwrap_or_default().into()),
    ];
    let detail = members.into_iter().filter(|(_, v): &(_, Value)| !v.is_empty()).map(|(k, v)| (k.to_owned(), v)).collect();
    let outcome = if reason.is_some() { Outcome::Failed } else { Outcome::Done };
    draft.say(&By::default(), "tokens", outcome, Value::Map(detail));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_decides_does_not_operate_and_the_other_way_round() {
        let may = |role: Role| Role::ALL.map(|needed| role.may(needed));
        assert_eq!(may(Role::Viewer), [true, false, false, false]);
        assert_eq!(may(Role::Operator), [true, true, false, false]);
        assert_eq!(may(Role::Approver), [true, false, true, false]);
        assert_eq!(may(Role::Admin), [true; 4]);
    }

    #[test]
    fn an_approver_speaks_for_one_person_and_signs_with_its_own_name() {
        let actor = |role, way: &str| Actor {
            name: "oa".into(),
            role,
            way: way.into(),
            address: String::new(),
            person: Some("何经理".into()),
        };
        assert!(actor(Role::Approver, "token").speaks_for("何经理") && !actor(Role::Approver, "token").speaks_for("郑"));
        assert!(!actor(Role::Operator, "token").speaks_for("何经理") && actor(Role::Admin, "cli").speaks_for("郑"));
        assert_eq!(actor(Role::Admin, "token").signs("王总监".into()), "oa");
        assert_eq!(actor(Role::Admin, "cli").signs("王总监".into()), "王总监");
    }
}
