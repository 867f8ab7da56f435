//! Whether what was expected is among what happened, and if not, what came nearest.

use super::fact::{Fact, OF};
use crate::config::scenario::{Expectation, How, Member};
use crate::engine::definition::Definitions;
use crate::engine::entity;
use crate::engine::value::Value;

/// A member that is not as it was expected: its name, what was expected, what was found.
pub(super) type Difference = (&'static str, Value, Value);

/// The facts that are as an expectation says.
pub(super) fn all(expected: &Expectation, facts: &[Fact], definitions: &Definitions) -> Vec<usize> {
    let fits = |fact: &Fact| fact.is(expected.thing, definitions) && differences(expected, fact, definitions).is_empty();
    facts.iter().enumerate().filter(|(_, fact)| fits(fact)).map(|(n, _)| n).collect()
}

/// The parts of facts that are as an expectation says, all parts counted through: about a person the part of that person, else the
/// first.
pub(super) fn parts(expected: &Expectation, facts: &[Fact], definitions: &Definitions) -> Vec<usize> {
    let fits = all(expected, facts, definitions);
    let named: Vec<&Member> = expected.members.iter().filter(|m| OF.contains(&m.name) && !m.value.is_empty()).collect();
    let mut found = Vec::new();
    let mut counted = 0;
    for (n, fact) in facts.iter().enumerate() {
        let parts = fact.parts(definitions);
        // Of two people that are named, the one who is one of several there.
        let several = |m: &&&Member| std::cmp::Reverse(parts.iter().filter(|(name, _)| *name == m.name).count());
        let told = named.iter().min_by_key(several);
        let is = |(name, person): &(&str, Vec<Value>)| {
            told.is_some_and(|m| m.name == *name && person.iter().any(|p| compare(m.how, &m.value, p, definitions)))
        };
        if fits.contains(&n) {
            found.push(counted + parts.iter().position(is).unwrap_or(0));
        }
        counted += parts.len();
    }
    found
}

/// The expectations that nothing is left for: two that say the same need two facts.
pub(super) fn missing(each: &[Vec<usize>], facts: usize) -> Vec<usize> {
    let mut taken: Vec<Option<usize>> = vec![None; facts];
    (0..each.len()).filter(|n| !place(*n, each, &mut taken, &mut vec![false; facts])).collect()
}

/// Finds a fact for an expectation, moving others where they have another choice.
fn place(n: usize, each: &[Vec<usize>], taken: &mut [Option<usize>], seen: &mut [bool]) -> bool {
    for fact in &each[n] {
        if std::mem::replace(&mut seen[*fact], true) {
            continue;
        }
        let free = match taken[*fact] {
            None => true,
            Some(other) => place(other, each, taken, seen),
        };
        if free {
            taken[*fact] = Some(n);
            return true;
        }
    }
    false
}

/// The fact of that kind that differs least, and in what.
pub(super) fn nearest<'f>(
    expected: &Expectation,
    facts: &'f [Fact],
    definitions: &Definitions,
) -> Option<(&'f Fact, Vec<Difference>)> {
    let of_kind = facts.iter().filter(|f| f.is(expected.thing, definitions));
    of_kind.map(|f| (f, differences(expected, f, definitions))).min_by_key(|(_, d)| d.len())
}

fn differences(expected: &Expectation, fact: &Fact, definitions: &Definitions) -> Vec<Difference> {
    let differs = |member: &Member| {
        let found = fact.member(member.name, definitions);
        let fits = match &member.value {
            // Told to be nothing.
            Value::Null => found.iter().all(|v| v.is_empty()),
            value => found.iter().any(|v| compare(member.how, value, v, definitions)),
        };
        (!fits).then(|| (member.name, member.value.clone(), found.into_iter().next().unwrap_or_default()))
    };
    expected.members.iter().filter_map(differs).collect()
}

fn compare(how: How, expected: &Value, found: &Value, definitions: &Definitions) -> bool {
    match how {
        How::Is => same(expected, found, definitions),
        How::Holds => found.to_string().contains(&expected.to_string()),
        How::All => match (expected, found) {
            (Value::List(all), Value::List(there)) => all.iter().all(|e| there.iter().any(|f| same(e, f, definitions))),
            _ => false,
        },
    }
}

/// Equal as it reads: `7` is 7 and 7.0, a time is the same in whatever form. Of an object, the members that are named.
pub(super) fn same(expected: &Value, found: &Value, definitions: &Definitions) -> bool {
    match (expected, found) {
        (Value::Map(members), Value::Map(there)) => {
            members.iter().all(|(name, value)| same(value, there.get(name).unwrap_or(&Value::Null), definitions))
        }
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b, definitions)),
        (Value::Time(a), b) | (b, Value::Time(a)) => entity::time(b, &definitions.zone.0) == Some(*a),
        (Value::Number(a), Value::Number(b)) => a == b,
        (a, b) if a.is_empty() && b.is_empty() => true,
        (Value::Text(_) | Value::Number(_) | Value::Bool(_), Value::Text(_) | Value::Number(_) | Value::Bool(_)) => {
            written(expected) == written(found)
        }
        _ => expected == found,
    }
}

fn written(value: &Value) -> String {
    if let Value::Number(n) = value { n.normalize().to_string() } else { value.to_string() }
}
