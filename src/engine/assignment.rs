//! Who is next: round robin over a team. The pointer is state, committed with the owner it chose.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::definition::{Person, Team};

/// Who of a team was assigned last.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    /// The person.
    pub last: String,
    /// Their place in the team then, for when they have left it.
    pub place: usize,
}

/// The next of a team: the first active member after the one assigned last, in the team's order; `None` if nobody is active.
pub fn next(team: &Team, people: &BTreeMap<String, Person>, pointer: Option<&Pointer>) -> Option<Pointer> {
    let members = &team.members;
    let start = match pointer {
        None => 0,
        // One who has left is stood in for by whoever moved into their place.
        Some(p) => members.iter().position(|m| *m == p.last).map_or(p.place, |at| at + 1),
    };
    (0..members.len())
        .map(|step| (start + step) % members.len())
        .find(|at| people.get(&members[*at]).is_some_and(|p| p.active))
        .map(|place| Pointer { last: members[place].clone(), place })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(members: &[&str], inactive: &[&str], last: Option<(&str, usize)>, expect: Option<&str>) {
        let team = Team { members: members.iter().map(|m| (*m).to_owned()).collect(), ..Team::default() };
        let person = |id: &str| Person { active: !inactive.contains(&id), ..Person::default() };
        let people = members.iter().map(|m| ((*m).to_owned(), person(m))).collect();
        let pointer = last.map(|(last, place)| Pointer { last: last.into(), place });
        assert_eq!(next(&team, &people, pointer.as_ref()).map(|p| p.last).as_deref(), expect);
    }

    #[test]
    fn round_robin() {
        let team = ["张三", "李四", "赵六"];
        check(&team, &[], None, Some("张三"));
        check(&team, &[], Some(("张三", 0)), Some("李四"));
        check(&team, &[], Some(("赵六", 2)), Some("张三"));
        check(&team, &["李四"], Some(("张三", 0)), Some("赵六"));
        check(&team, &team, None, None);
        check(&[], &[], None, None);
        check(&team, &[], Some(("孙七", 1)), Some("李四")); // left; place 1 is next in line
        check(&team, &[], Some(("孙七", 9)), Some("张三"));
    }
}
