//! What stands in a message for a link or a code until it leaves: no token and no code is ever in the store or the log.
//!
//! A text alone gives nobody a link: a record's field may hold such a text, too. Only what a call carries as its own markers is
//! replaced, by whoever sends it, and every attempt gets the same.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Task, TaskId};

/// For how long a link works, at least.
const LINK: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A place in a message, filled when it leaves.
///
/// Stored format: JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Marker {
    /// The address of the page on which that person decides.
    Link {
        /// The task.
        task: TaskId,
        /// Whose link.
        person: String,
        /// Until when it works, in Unix seconds.
        until: i64,
    },
    /// The code that proves to be that person.
    Code {
        /// The task.
        task: TaskId,
        /// Whose code.
        person: String,
        /// Which of those that were sent, from 1.
        n: u32,
    },
}

impl Marker {
    /// A person's link to a task: works for 30 days, or until the task's time is over where that is later. Reminders bring new ones.
    pub fn link(task: &Task, person: &str, now: Timestamp) -> Self {
        let until = now.saturating_add(LINK).unwrap_or(Timestamp::MAX);
        let until = task.due.map_or(until, |due| due.max(until)).as_second();
        Self::Link { task: task.id, person: person.to_owned(), until }
    }
}

/// As it stands in the message.
impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link { task, person, .. } => write!(f, "⟦link {task} {person}⟧"),
            Self::Code { task, person, .. } => write!(f, "⟦code {task} {person}⟧"),
        }
    }
}
