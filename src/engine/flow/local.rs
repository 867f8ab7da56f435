//! The names that only a run has: `steps.invoice.status`, `vars.tries`, `round`, `run.id`, and what an `each` calls one of its list.

use std::borrow::Cow;

use super::Run;
use crate::engine::value::{Map, Value};

/// The names of a run, as one of its steps sees them.
pub(in crate::engine) struct Local<'a> {
    /// The run.
    pub(in crate::engine) run: &'a Run,
    /// The `call` that the step is part of: `ship`, `ship.pack`.
    pub(in crate::engine) scope: Option<&'a str>,
    /// The names that `each` gives.
    pub(in crate::engine) items: &'a Map,
    /// `answer`, in `verify`.
    pub(in crate::engine) answer: Option<&'a Value>,
}

impl<'a> Local<'a> {
    /// The value of a name, if it is one of these. What is not there is null.
    pub(in crate::engine) fn name(&self, first: &str, rest: &[String]) -> Option<Cow<'a, Value>> {
        let at = |value: Option<&'a Value>, rest: &[String]| {
            Cow::Borrowed(value.and_then(|v| v.at(rest)).unwrap_or(const { &Value::Null }))
        };
        Some(match first {
            "steps" | "vars" => {
                let all = if first == "steps" { &self.run.steps } else { &self.run.vars };
                let Some((name, rest)) = rest.split_first() else { return Some(Cow::Owned(Value::Map(all.clone()))) };
                at(all.get(&self.scoped(name)), rest)
            }
            "round" => Cow::Owned(u64::from(self.run.round).into()),
            "run" => Cow::Owned(self.about(rest)),
            "answer" if self.answer.is_some() => at(self.answer, rest),
            name => at(Some(self.items.get(name)?), rest),
        })
    }

    /// Under which name a step's result, or a variable, is kept.
    fn scoped(&self, name: &str) -> String {
        match self.scope {
            Some(scope) => format!("{scope}.{name}"),
            None => name.to_owned(),
        }
    }

    fn about(&self, rest: &[String]) -> Value {
        let run = self.run;
        let failing = |at: fn(&(String, String)) -> &String| run.failing.as_ref().map(|f| at(f).clone()).into();
        match rest.first().map(String::as_str) {
            Some("id") => run.id.as_str().into(),
            Some("flow") => run.flow.as_str().into(),
            Some("round") => u64::from(run.round).into(),
            Some("started") => run.started.into(),
            Some("initiator") => run.initiator.clone().into(),
            Some("error") => failing(|f| &f.0),
            Some("failed_step") => failing(|f| &f.1),
            _ => Value::Null,
        }
    }
}
