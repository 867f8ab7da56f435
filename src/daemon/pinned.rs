//! Runs that stay on the graph they began with after a reload, counted by flow and by the step at which they wait.
//!
//! Reads the store beside the turn, page by page; never holds it up, and changes nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::json;

use crate::engine::definition::{Definitions, Flow};
use crate::engine::state::{Entry, Key, prefix};
use crate::store::{Error, Read};

/// Runs of one read.
const PAGE: usize = 1_000;
/// Steps told by name.
const STEPS: usize = 20;

/// By flow.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pinned(BTreeMap<String, Stay>);

/// The runs of one flow.
#[derive(Debug, Default, PartialEq, Eq)]
struct Stay {
    runs: u64,
    /// By the id of the step at which they wait; one in two branches waits at two.
    at: BTreeMap<String, u64>,
    /// There is no such flow any more.
    gone: bool,
}

/// The flows whose graph is another by these definitions than by those, or that are no more.
pub(super) fn changed(before: &Definitions, after: &Definitions) -> BTreeSet<String> {
    let is = |id: &String| after.flows.get(id).map(|flow| &flow.hash);
    before.flows.iter().filter(|(id, flow)| is(id) != Some(&flow.hash)).map(|(id, _)| id.clone()).collect()
}

/// Counts the runs that are on another graph than their flow has by these definitions; of these flows, or of all.
pub(super) fn count(store: &dyn Read, flows: Option<&BTreeSet<String>>, now: &Definitions) -> Result<Pinned, Error> {
    let mut pinned = Pinned::default();
    if flows.is_some_and(BTreeSet::is_empty) {
        return Ok(pinned);
    }
    let mut graphs: HashMap<String, Option<Arc<Flow>>> = HashMap::new();
    let mut after: Option<Key> = None;
    loop {
        let page = store.scan(prefix::RUN, after.as_ref(), PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(pinned) };
        after = Some(last.clone());
        for (_, entry) in &page {
            let Entry::Run(run) = entry.as_ref() else { continue };
            let current = now.flows.get(&run.flow);
            if current.is_some_and(|flow| flow.hash == run.graph) || flows.is_some_and(|f| !f.contains(&run.flow)) {
                continue;
            }
            if !graphs.contains_key(&run.graph) {
                let entry = store.load(&Key::Graph(run.graph.clone()))?;
                let graph = if let Some(Entry::Graph(flow)) = entry.as_deref() { Some(Arc::clone(flow)) } else { None };
                graphs.insert(run.graph.clone(), graph);
            }
            let stay = pinned.0.entry(run.flow.clone()).or_default();
            stay.runs += 1;
            stay.gone = current.is_none();
            let Some(Some(graph)) = graphs.get(&run.graph) else { continue };
            let steps: BTreeSet<String> = run.stands(graph).into_iter().map(|(step, _)| step).collect();
            for step in steps {
                *stay.at.entry(step).or_default() += 1;
            }
        }
    }
}

impl Pinned {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For the log: `{ "报价审批": { "runs": 12, "at": { "approve": 12 } } }`.
    pub(super) fn to_json(&self) -> serde_json::Value {
        let one = |stay: &Stay| {
            let at: BTreeMap<&String, u64> = stay.most().into_iter().collect();
            let mut told = json!({ "runs": stay.runs, "at": at });
            if stay.gone {
                told["gone"] = true.into();
            }
            told
        };
        self.0.iter().map(|(id, stay)| (id.clone(), one(stay))).collect::<serde_json::Map<_, _>>().into()
    }

    /// For the daemon's own output, a line for each flow.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |(id, stay): (&String, &Stay)| {
            let many = |n: u64| if n == 1 { "run waits" } else { "runs wait" };
            let at: Vec<String> = stay.most().into_iter().map(|(step, n)| format!("{n} {} at `{step}`", many(n))).collect();
            let (at, gone) = (at.join(", "), if stay.gone { " (the flow is gone)" } else { "" });
            let at = if at.is_empty() { format!("{} {}", stay.runs, many(stay.runs)) } else { at };
            format!("{id}{gone}: {at}: pinned to the version they began with (`ifthen runs migrate` moves them)")
        };
        self.0.iter().map(line).collect()
    }
}

impl Stay {
    /// The steps at which most wait, the most first.
    fn most(&self) -> Vec<(&String, u64)> {
        let mut all: Vec<(&String, u64)> = self.at.iter().map(|(step, n)| (step, *n)).collect();
        all.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        all.truncate(STEPS);
        all
    }
}
