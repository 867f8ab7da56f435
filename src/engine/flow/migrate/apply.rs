//! A person's word that a run goes on by its flow as it is now: planned, done or refused, and said in the log.
//!
//! Never does a part of it: a run that cannot be moved as a whole stays where it is.

use std::sync::Arc;

use super::{Reason, plan};
use crate::engine::decide::{By, Deciding};
use crate::engine::definition::Flow;
use crate::engine::flow::{Ask, Run};
use crate::engine::log::Outcome;
use crate::engine::state::{Entry, Key, Need};
use crate::engine::value::{Map, Value};

/// Moves a run; back comes the run as it is now and its graph, if it was moved. What events find it by is not touched.
pub(in crate::engine) fn apply(draft: &mut Deciding<'_>, ask: &Ask) -> Result<Option<(Run, Arc<Flow>)>, Need> {
    let key = Key::Run(ask.run.clone());
    let by = By { run: Some(ask.run.clone()), ..By::default() };
    let Some(Entry::Run(run)) = draft.get(&key)?.as_deref().cloned() else {
        draft.say_of(&by, None, "migrate", Outcome::Failed, told(ask, [("reason", "no such run".into())]));
        return Ok(None);
    };
    let by = By { flow: Some(run.flow.clone()), ..by };
    let old = match draft.get(&Key::Graph(run.graph.clone()))?.as_deref() {
        Some(Entry::Graph(flow)) => flow.as_ref().clone().linked(),
        _ => Flow::default(),
    };
    let Some(new) = draft.definitions.flows.get(&run.flow).cloned() else {
        draft.say_of(&by, run.record, "migrate", Outcome::Failed, told(ask, [("reason", "no such flow".into())]));
        return Ok(None);
    };
    match plan(&run, &old, &new.as_ref().clone().linked()) {
        Ok(moved) => {
            let graph = Key::Graph(new.hash.clone());
            if draft.get(&graph)?.is_none() {
                draft.put(graph, Entry::Graph(Arc::clone(&new)));
            }
            draft.put(key, Entry::Run(moved.clone()));
            let detail = told(
                ask,
                [
                    ("from", run.graph.as_str().into()),
                    ("graph", new.hash.as_str().into()),
                    ("definitions", draft.definitions.hash.as_str().into()),
                ],
            );
            draft.say_of(&by, run.record, "migrate", Outcome::Done, detail);
            Ok(Some((moved, new)))
        }
        Err(reasons) => {
            let against = Value::List(reasons.iter().map(reason).collect());
            let detail = told(ask, [("reason", "cannot be moved".into()), ("against", against)]);
            draft.say_of(&by, run.record, "migrate", Outcome::Failed, detail);
            Ok(None)
        }
    }
}

fn reason(reason: &Reason) -> Value {
    Value::from([("step", reason.step.as_str().into()), ("why", reason.why.to_string().as_str().into())])
}

/// With who asked and why.
fn told<const N: usize>(ask: &Ask, members: [(&str, Value); N]) -> Value {
    let said = [("by", &ask.by), ("comment", &ask.comment)].into_iter().filter(|(_, text)| !text.is_empty());
    let said = said.map(|(name, text)| (name, text.as_str().into()));
    Value::Map(members.into_iter().chain(said).map(|(name, value)| (name.to_owned(), value)).collect::<Map>())
}
