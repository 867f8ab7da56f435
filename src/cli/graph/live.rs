//! What is marked in a picture of a flow: how many runs stand at each step, or the path that one run took.
//!
//! Only reads.

use std::collections::BTreeMap;

use crate::cli::phrase::Speech;
use crate::cli::runs::{Graphs, each, how, positions};
use crate::cli::when;
use crate::cli::words::Words as _;
use crate::engine::definition::{At, Flow};
use crate::engine::flow::{How, Run};
use crate::store::Read;

/// Marks, by step.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    counts: BTreeMap<At, (u64, bool)>,
    looks: BTreeMap<At, &'static str>,
    told: BTreeMap<At, Vec<String>>,
    /// Runs of the flow that stand at steps of former versions which are no more.
    pub(crate) elsewhere: u64,
}

impl Marks {
    /// How many runs stand at a step, and whether one of them stands still.
    pub(crate) fn count(&self, at: At) -> Option<(u64, bool)> {
        self.counts.get(&at).copied()
    }

    /// How a step looks: a class with a blank before it.
    pub(crate) fn look(&self, at: At) -> &'static str {
        self.looks.get(&at).copied().unwrap_or_default()
    }

    /// What a run did there.
    pub(crate) fn told(&self, at: At) -> &[String] {
        self.told.get(&at).map(Vec::as_slice).unwrap_or_default()
    }

    /// Where the runs of a flow stand, those of former versions by the ids of their steps.
    pub(crate) fn of_all(store: &dyn Read, flow: &Flow) -> anyhow::Result<Self> {
        let (mut marks, mut graphs) = (Self::default(), Graphs::default());
        each(store, |run| {
            if run.flow != flow.id {
                return Ok(());
            }
            let graph = graphs.of(store, &run.graph)?;
            for (step, strand) in run.stands(&graph) {
                let Some(at) = flow.find(&step) else {
                    marks.elsewhere += 1;
                    continue;
                };
                let mark = marks.counts.entry(at).or_default();
                mark.0 += 1;
                mark.1 |= strand.error.is_some() || run.failed.is_some();
            }
            Ok(())
        })?;
        Ok(marks)
    }

    /// The path of one run, the last time at each step, and where it stands.
    pub(crate) fn of_one(store: &dyn Read, run: &Run, flow: &Flow, speech: &Speech) -> anyhow::Result<Self> {
        let mut marks = Self::default();
        for passed in &run.path {
            let Some(at) = flow.find(&passed.step) else { continue };
            let (mark, word, _) = how(passed.how, speech.lang);
            let time = when::minute(passed.to, &speech.zone);
            let by = if passed.by.is_empty() { String::new() } else { format!(" {}", passed.by.join(", ")) };
            let round = if run.round > 1 {
                speech.lang.pick(format!(" · round {}", passed.round), format!(" · 第 {} 轮", passed.round))
            } else {
                String::new()
            };
            let text = if matches!(passed.how, How::Done) {
                format!("{mark} {time}{by}{round}")
            } else {
                format!("{mark} {time} {word}{by}{round}")
            };
            marks.told.insert(at, vec![text]);
            let look = match passed.how {
                How::Done | How::Approved => " done",
                How::Rejected | How::Failed | How::Late => " bad",
                How::Skipped | How::Cancelled | How::Void | How::Undone => " void",
            };
            marks.looks.insert(at, look);
        }
        for position in positions(store, run, flow)? {
            let Some(at) = flow.find(&position.step) else { continue };
            let look = if position.error.is_some() { " bad" } else { " now" };
            marks.looks.insert(at, look);
            marks.told.entry(at).or_default().push(format!("▸ {}", position.told(speech)));
        }
        Ok(marks)
    }
}
