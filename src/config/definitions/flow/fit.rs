//! Keys that mean nothing beside what a step is, and those that need each other.

use super::super::Compiler;
use super::laid::{Laid, What};

use super::wait;
use crate::config::catalogue::{self as t, Text, flow as f};
use crate::config::grammar::{list, said};
use crate::config::problem::Problem;
use crate::config::table::flow::{STEP, STEP_NAMES};
use crate::config::tree::{Entry, Node};

/// What only those who are asked may be.
const RUNGS: &[&str] = &["remind", "escalate", "decide"];

impl Compiler<'_> {
    /// Tells of keys that mean nothing beside what a step is.
    pub(super) fn fitting(&self, laid: &Laid<'_>) {
        let (what, node) = (&laid.what, laid.node);
        if *what == What::Nothing {
            return;
        }
        let action = *what == What::Action;
        let leaves = action && wait::leaves(node);
        let event = *what == What::Wait && wait::event(node).is_some();
        let timed = action || event || laid.asks() || matches!(what, What::Parallel(_) | What::Each(_));
        let own = |e: &Entry, fits: bool, of: &'static Text| {
            if !fits {
                self.nothing_beside(e, laid.word(), of);
            }
        };
        for entry in node.entries() {
            match entry.key.as_str() {
                "within" | "late" => own(entry, timed, &f::B_TIMED),
                "up_to" => own(entry, event, &f::B_EVENT),
                "rejected" => own(entry, *what == What::Approve, &f::B_APPROVE),
                "retry" | "verify" => own(entry, leaves, &f::B_LEAVING),
                "undo" => own(entry, action, &f::B_ACTION),
                "on_error" => own(entry, !laid.leaves() && !matches!(what, What::Parallel(_) | What::Call(_)), &f::B_ERROR),
                "window" => own(entry, ["email", "notify", "run"].iter().any(|k| node.has(k)), &f::B_MAIL),
                "else" => own(entry, matches!(what, What::Choose(..)), &f::B_CHOOSE),
                "need" => own(entry, matches!(what, What::Parallel(_)), &f::B_PARALLEL),
                _ => {}
            }
        }
        if timed {
            self.paired(node);
        }
        if !laid.asks() {
            for rung in node.get("late").map(Node::one_or_more).unwrap_or_default() {
                self.late_step(rung, laid.word());
            }
        } else if *what == What::Ask {
            let late = node.get("late").map(Node::one_or_more).unwrap_or_default();
            for entry in late.iter().flat_map(Node::entries).filter(|e| e.key == "decide") {
                self.nothing_beside(entry, "ask", &f::B_APPROVE);
            }
        }
    }

    fn nothing_beside(&self, entry: &Entry, beside: &str, of: &'static Text) {
        let problem = Problem::new(entry.at, f::NOT_ON.with([entry.key.as_str().into(), beside.into()]));
        self.sink.add(problem.help(f::BELONGS.with([of.into()])));
    }

    /// `within` and `late` need each other.
    pub(super) fn paired(&self, node: &Node) {
        let entry = |key: &str| node.entries().iter().find(|e| e.key == key);
        match (entry("within"), entry("late")) {
            (Some(within), None) => {
                self.sink.add(Problem::new(within.at, f::WITHIN_ALONE.with([])).help(f::WITHIN_HELP.with([])));
            }
            (None, Some(late)) if !node.has("up_to") => {
                self.sink.add(Problem::new(late.at, f::LATE_ALONE.with([])).help(f::LATE_HELP.with([])));
            }
            _ => {}
        }
    }

    /// An item of `late` where nobody is asked: a step like any other.
    fn late_step(&self, node: &Node, of: &str) {
        for entry in node.entries().iter().filter(|e| RUNGS.contains(&e.key.as_str())) {
            self.sink.say(entry.at, &f::FLAT_LATE, [of.into(), entry.key.as_str().into()]);
        }
        let rung = node.entries().iter().any(|e| RUNGS.contains(&e.key.as_str()));
        let there: Vec<&Entry> = node.entries().iter().filter(|e| STEP_NAMES.contains(&e.key.as_str())).collect();
        match there[..] {
            [] if !rung => {
                self.sink.say(node.at, &t::MISSING_ONE, [list(STEP_NAMES.iter().copied()).into(), said(STEP.what).into()]);
            }
            [_, second, ..] => {
                let which = list(there.iter().map(|e| e.key.as_str()));
                let problem = Problem::new(second.at, t::TOO_MANY.with([which.into(), said(STEP.what).into()]));
                self.sink.add(problem.help(t::ONE_ACTION.with([])));
            }
            _ => {}
        }
    }
}
