//! Ways through a flow that cannot be meant: steps and asides that nothing leads to, ends that lead nowhere, rounds without end.

use super::super::Compiler;
use super::laid::{Aside, What};

use super::reach::Graph;
use super::wait;
use crate::config::catalogue::flow as f;
use crate::config::problem::Problem;
use crate::config::tree::Node;
use crate::engine::definition::Target;

impl<'n> Compiler<'n> {
    /// Tells of what is wrong with the ways of a flow. Those of called flows are told where they are written.
    pub(super) fn refuse(&self, graph: &Graph<'n>, node: &Node) {
        self.paired(node);
        for at in (0..graph.layout.steps.len()).filter(|at| graph.step(*at).call == 0) {
            self.bounded(graph.step(at).node, graph.bounded());
            self.previous(graph, at);
        }
        // What leads nowhere was told; what it would lead to is not known.
        if graph.is_whole(node) && !self.lost {
            let unreached = graph.unreached();
            self.unreached(graph, &unreached);
            self.asides(graph, &unreached);
            self.endless(graph);
        }
    }

    fn previous(&self, graph: &Graph<'n>, at: usize) {
        let back = graph.step(at).node.get("back_to");
        let Some(node) = back.filter(|_| graph.goes[at] == Some(Target::Previous)) else { return };
        if !(0..graph.layout.steps.len()).any(|other| graph.step(other).asks() && graph.before(other, at)) {
            self.sink.add(Problem::new(node.at, f::NO_PREVIOUS.with([])).help(f::NO_PREVIOUS_HELP.with([])));
        }
    }

    /// The first steps of what nothing leads to.
    fn unreached(&self, graph: &Graph<'n>, all: &[usize]) {
        let told = |at: &usize| graph.step(*at).call != 0 || unused(graph, all, graph.step(*at).aside.as_deref());
        let led_to = |at: &usize| all.iter().any(|from| from < at && graph.ways[*from].contains(at));
        for at in all.iter().filter(|at| !told(at) && !led_to(at)) {
            let problem = Problem::new(graph.step(*at).at, f::UNREACHABLE.with([]));
            self.sink.add(problem.help(f::UNREACHABLE_HELP.with([])));
        }
    }

    /// Asides that nothing goes to, and those that do not say where it goes on.
    fn asides(&self, graph: &Graph<'n>, unreached: &[usize]) {
        let layout = &graph.layout;
        for aside in layout.asides.iter().filter(|a| a.call == 0) {
            let name = || aside.name.as_str().into();
            let taken = layout.find(0, &aside.name) != aside.first;
            if unused(graph, unreached, Some(&aside.name)) {
                if taken {
                    continue;
                }
                let problem = Problem::new(aside.at, f::ASIDE_UNUSED.with([name()]));
                self.sink.add(problem.help(f::ASIDE_UNUSED_HELP.with([name()])));
                continue;
            }
            for at in (0..layout.steps.len()).filter(|at| self.falls(graph, aside, *at)) {
                let problem = Problem::new(graph.step(at).at, f::ASIDE_FALLS.with([name()]));
                self.sink.add(problem.help(f::ASIDE_FALLS_HELP.with([])));
            }
        }
    }

    /// Whether an aside ends at a step, and nothing is said of what comes next.
    fn falls(&self, graph: &Graph<'n>, aside: &Aside, at: usize) -> bool {
        let step = graph.step(at);
        let own = step.aside.as_deref() == Some(&aside.name) && step.call == 0;
        own && step.inside.is_none() && graph.layout.next(at).is_none() && graph.passes(at)
    }

    /// Rounds that no step of which waits, each told once at a jump of it.
    fn endless(&self, graph: &Graph<'n>) {
        let count = graph.layout.steps.len();
        let mut done = vec![false; count];
        for start in 0..count {
            let mut way: Vec<(usize, Vec<usize>)> = Vec::new();
            let ways = |at: usize| if waits(graph, at) { Vec::new() } else { rounds(graph, at) };
            if !std::mem::replace(&mut done[start], true) {
                way.push((start, ways(start)));
            }
            while let Some((_, open)) = way.last_mut() {
                let Some(next) = open.pop() else {
                    way.pop();
                    continue;
                };
                if let Some(from) = way.iter().position(|(at, _)| *at == next) {
                    let round: Vec<usize> = way[from..].iter().map(|(at, _)| *at).collect();
                    self.round_told(graph, &round);
                } else if !std::mem::replace(&mut done[next], true) {
                    way.push((next, ways(next)));
                }
            }
        }
    }

    fn round_told(&self, graph: &Graph<'n>, round: &[usize]) {
        let jump = |at: &&usize| matches!(graph.step(**at).what, What::GoTo | What::BackTo) && graph.step(**at).call == 0;
        let Some(at) = round.iter().rev().find(jump) else { return };
        let mut ids: Vec<&str> = round.iter().map(|at| graph.step(*at).id.as_str()).collect();
        ids.extend(ids.first().copied());
        let problem = Problem::new(graph.step(*at).at, f::ENDLESS.with([ids.join(" → ").into()]));
        self.sink.add(problem.help(f::ENDLESS_HELP.with([])));
    }
}

/// Whether nothing leads to the aside of that name.
fn unused(graph: &Graph<'_>, unreached: &[usize], aside: Option<&str>) -> bool {
    let found = graph.layout.asides.iter().find(|a| a.call == 0 && Some(a.name.as_str()) == aside);
    found.and_then(|a| a.first).is_some_and(|first| unreached.contains(&first))
}

/// Whether something is waited for at a step: time, an event, people, an answer.
fn waits(graph: &Graph<'_>, at: usize) -> bool {
    let step = graph.step(at);
    match step.what {
        What::Wait | What::Approve | What::Ask => true,
        What::Action => wait::leaves(step.node),
        _ => false,
    }
}

/// Where a step leads without a `repeat` counting.
fn rounds(graph: &Graph<'_>, at: usize) -> Vec<usize> {
    let counted = |next: &usize| *next < at && graph.layout.next(at) == Some(*next);
    graph.ways[at].iter().copied().filter(|next| !counted(next)).collect()
}
