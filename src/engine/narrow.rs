//! Finds those of the rules of an event that can hold, by the equalities their conditions demand: a rule for `region == '华北'` is not looked at
//! for an event from elsewhere, however many such rules there are.
//!
//! Leaves out only what would come to plain false, seen by nobody: no `else`, no dates, nothing that might be unevaluable.

use std::borrow::Cow;
use std::collections::HashMap;

use rust_decimal::Decimal;

use super::definition::Rule;
use super::expression::Demand;
use super::value::Value;

/// The rules of one event, by position.
#[derive(Debug, Clone, Default)]
pub(super) struct Narrow {
    /// Those that any event of the name may concern.
    always: Vec<usize>,
    /// The others: under one name of which each demands a value.
    asked: Vec<Asked>,
}

/// The rules that demand a value of one name.
#[derive(Debug, Clone, Default)]
struct Asked {
    path: Vec<String>,
    texts: HashMap<String, Vec<usize>>,
    numbers: HashMap<Decimal, Vec<usize>>,
    /// For false and true.
    bools: [Vec<usize>; 2],
    /// All of them: where the value is of a kind that is compared otherwise.
    all: Vec<usize>,
}

impl Asked {
    fn place(&mut self, value: &Value) -> Option<&mut Vec<usize>> {
        match value {
            Value::Text(text) => Some(self.texts.entry(text.clone()).or_default()),
            Value::Number(number) => Some(self.numbers.entry(*number).or_default()),
            Value::Bool(is) => Some(&mut self.bools[usize::from(*is)]),
            _ => None,
        }
    }

    /// Those that are content with this value.
    fn content(&self, value: &Value) -> &[usize] {
        let found = match value {
            Value::Null => None, // what is missing equals nothing
            Value::Text(text) => self.texts.get(text),
            Value::Number(number) => self.numbers.get(number),
            Value::Bool(is) => Some(&self.bools[usize::from(*is)]),
            _ => Some(&self.all),
        };
        found.map_or(&[], Vec::as_slice)
    }
}

impl Narrow {
    /// Of the rules at these positions.
    pub(super) fn new(rules: &[Rule], positions: &[usize]) -> Self {
        let demands: Vec<(usize, Vec<Demand<'_>>)> = positions.iter().map(|at| (*at, demands(&rules[*at]))).collect();
        // How many rules ask for the same: the fewer, the better it tells them apart.
        let mut crowd: HashMap<(&[String], String), usize> = HashMap::new();
        for demand in demands.iter().flat_map(|(_, all)| all) {
            for value in &demand.among {
                *crowd.entry((demand.path, value.to_string())).or_default() += 1;
            }
        }
        let crowded = |demand: &Demand<'_>| -> usize {
            demand.among.iter().filter_map(|value| crowd.get(&(demand.path, value.to_string()))).sum()
        };
        let mut narrow = Self::default();
        for (at, all) in &demands {
            match all.iter().min_by_key(|demand| crowded(demand)) {
                Some(demand) => narrow.add(*at, demand),
                None => narrow.always.push(*at),
            }
        }
        narrow
    }

    fn add(&mut self, at: usize, demand: &Demand<'_>) {
        let place = self.asked.iter().position(|asked| asked.path == demand.path).unwrap_or_else(|| {
            self.asked.push(Asked { path: demand.path.to_vec(), ..Asked::default() });
            self.asked.len() - 1
        });
        let asked = &mut self.asked[place];
        asked.all.push(at);
        for value in &demand.among {
            if let Some(list) = asked.place(value) {
                list.push(at);
            }
        }
    }

    /// Positions of those that can hold, in their order, where names have these values; `None`: it could not be told.
    pub(super) fn find<'v>(&self, value: impl Fn(&[String]) -> Option<Cow<'v, Value>>) -> Vec<usize> {
        let mut found = self.always.clone();
        for asked in &self.asked {
            match value(&asked.path) {
                Some(value) => found.extend(asked.content(&value)),
                None => found.extend(&asked.all),
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// What a rule demands; nothing where leaving it out would be seen.
fn demands(rule: &Rule) -> Vec<Demand<'_>> {
    let seen = !rule.otherwise.is_empty() || rule.gates.from.is_some() || rule.gates.until.is_some();
    match &rule.condition {
        Some(condition) if !seen => condition.demands(&|name| rule.lets.iter().any(|l| l.name == name)),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::expression::Expr;

    fn rule(condition: &str) -> Rule {
        Rule { condition: Some(Expr::parse_condition(condition).unwrap()), ..Rule::default() }
    }

    #[test]
    fn rules_are_found_by_the_value_that_the_fewest_ask_for() {
        let mut dated = rule("region == '华南'");
        dated.gates.from = Some(jiff::Timestamp::UNIX_EPOCH);
        let rules = [
            rule("region == '华东' and level == 'A'"),
            rule("region == '华北' and level == 'A'"),
            rule("level in ('A', 'B')"),
            rule("score > 3 and region == '华北'"),
            rule("amount == 3.0"),
            rule("vip == true"),
            dated,
        ];
        let all: Vec<usize> = (0..rules.len()).collect();
        let narrow = Narrow::new(&rules, &all);
        let find = |values: &[(&str, Value)]| {
            narrow.find(|path| {
                let value = values.iter().find(|(name, _)| *name == path[0]);
                Some(value.map_or(Cow::Owned(Value::Null), |(_, value)| Cow::Borrowed(value)))
            })
        };
        assert_eq!(find(&[]), [3, 6]);
        assert_eq!(find(&[("region", "华东".into())]), [0, 3, 6]);
        assert_eq!(find(&[("region", "华北".into()), ("level", "B".into())]), [1, 2, 3, 6]);
        assert_eq!(find(&[("amount", Value::Number(3.into())), ("vip", true.into())]), [3, 4, 5, 6]);
        assert_eq!(find(&[("amount", "3".into()), ("vip", false.into())]), [3, 6]);
        assert_eq!(find(&[("region", Value::List(vec!["华东".into()]))]), [0, 1, 3, 6], "compared otherwise: all of them");
    }
}
