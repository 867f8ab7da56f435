//! Which steps may come after which: the ways through a flow, and what a step can know of those before it.

use super::laid::{Laid, What};
use super::layout::Layout;
use crate::config::names::Sight;
use crate::config::tree::Node;
use crate::engine::definition::{Inside, Target};

/// The graph of a flow, its jumps resolved.
pub(super) struct Graph<'n> {
    pub(super) layout: Layout<'n>,
    /// Where each `go_to` and `back_to` leads.
    pub(super) goes: Vec<Option<Target>>,
    /// Where those who reject may send it.
    pub(super) returns: Vec<Vec<usize>>,
    /// Where changes of the record send it.
    pub(super) reroutes: Vec<Option<usize>>,
    /// Where each step may lead directly.
    pub(super) ways: Vec<Vec<usize>>,
    /// By step: what may come after it, itself too if it may come again.
    after: Vec<Bits>,
}

/// A set of steps.
#[derive(Clone)]
struct Bits(Vec<u64>);

impl Bits {
    fn new(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    /// Whether it was not there yet.
    fn insert(&mut self, at: usize) -> bool {
        let (word, bit) = (&mut self.0[at / 64], 1 << (at % 64));
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    fn has(&self, at: usize) -> bool {
        self.0[at / 64] & (1 << (at % 64)) != 0
    }
}

impl<'n> Graph<'n> {
    pub(super) fn new(
        layout: Layout<'n>,
        goes: Vec<Option<Target>>,
        returns: Vec<Vec<usize>>,
        reroutes: Vec<Option<usize>>,
    ) -> Self {
        let mut graph = Self { layout, goes, returns, reroutes, ways: Vec::new(), after: Vec::new() };
        let count = graph.layout.steps.len();
        graph.ways = (0..count).map(|at| graph.ways_of(at)).collect();
        graph.after = (0..count).map(|at| graph.from([at])).collect();
        graph
    }

    pub(super) fn step(&self, at: usize) -> &Laid<'n> {
        &self.layout.steps[at]
    }

    /// The entities whose record a step is about.
    pub(super) fn of(&self, at: usize) -> &[String] {
        &self.layout.calls[self.step(at).call].of
    }

    /// Everything that may come after some steps.
    fn from(&self, starts: impl IntoIterator<Item = usize>) -> Bits {
        let mut found = Bits::new(self.layout.steps.len());
        let mut open: Vec<usize> = starts.into_iter().collect();
        while let Some(at) = open.pop() {
            for next in self.ways[at].iter().copied().chain(self.ways_out(at)) {
                if found.insert(next) {
                    open.push(next);
                }
            }
        }
        found
    }

    /// What is not reached from the beginning, nor from what may happen wherever a run stands.
    pub(super) fn unreached(&self) -> Vec<usize> {
        let layout = &self.layout;
        let mut starts: Vec<usize> = [Some(0), layout.late, layout.failed, layout.recalled].into_iter().flatten().collect();
        starts.extend(self.reroutes.iter().flatten());
        starts.retain(|at| *at < layout.steps.len());
        let found = self.from(starts.iter().copied());
        (0..layout.steps.len()).filter(|at| !found.has(*at) && !starts.contains(at)).collect()
    }

    /// Where a step may lead directly.
    fn ways_of(&self, at: usize) -> Vec<usize> {
        let step = self.step(at);
        let mut ways: Vec<usize> = match &step.what {
            What::Choose(firsts, otherwise) => firsts.iter().copied().chain([*otherwise]).flatten().collect(),
            What::Parallel(branches) => branches.iter().filter_map(|(_, first)| *first).collect(),
            What::Each(first) | What::Repeat(first) | What::Call(first) => first.iter().copied().collect(),
            What::GoTo | What::BackTo => self.targets(at),
            _ => Vec::new(),
        };
        ways.extend(self.layout.next(at).filter(|_| self.passes(at)));
        ways.extend([step.on_error, step.rejected].into_iter().flatten());
        ways.extend(step.late.iter().copied().flatten());
        ways.extend(&self.returns[at]);
        ways
    }

    /// Where a step may lead since a run's time is over, it fails, is recalled or its record changes.
    fn ways_out(&self, at: usize) -> impl Iterator<Item = usize> {
        let layout = &self.layout;
        let anywhere = layout.steps[at].call == 0 && !layout.steps[at].block;
        let blocks = [layout.late, layout.failed, layout.recalled].into_iter().flatten();
        // Who goes back along the path finds nothing there of what came behind it.
        let asides = self.reroutes.iter().copied().flatten().filter(|to| layout.steps[*to].aside.is_some());
        blocks.chain(asides).filter(move |_| anywhere)
    }

    fn targets(&self, at: usize) -> Vec<usize> {
        match self.goes[at] {
            Some(Target::Step(to)) => vec![to],
            Some(Target::Start) => vec![0],
            Some(Target::Previous) => self.layout.steps.iter().enumerate().filter(|(_, s)| s.asks()).map(|(n, _)| n).collect(),
            None => Vec::new(),
        }
    }

    /// Whether what comes after a step may be come to from it.
    pub(super) fn passes(&self, at: usize) -> bool {
        let step = self.step(at);
        let skipped = step.node.has("if") || step.node.text_at("on_error") == Some("continue");
        skipped
            || match &step.what {
                What::Choose(firsts, otherwise) => otherwise.is_none() || firsts.contains(&None),
                What::Parallel(branches) => {
                    let through = |(n, (_, first)): &(usize, &(String, Option<usize>))| first.is_none() || self.ends(at, *n);
                    branches.iter().enumerate().filter(through).count() >= needed(step.node, branches.len())
                }
                What::Call(first) => first.is_none(),
                _ => !step.leaves(),
            }
    }

    /// Whether all jumps lead somewhere, and all flows that are called are there.
    pub(super) fn is_whole(&self, node: &Node) -> bool {
        let jumps = self.layout.steps.iter().zip(&self.goes);
        let known = jumps.filter(|(s, _)| matches!(s.what, What::GoTo | What::BackTo)).all(|(_, to)| to.is_some());
        let returns = self.layout.steps.iter().zip(&self.returns).all(|(s, found)| {
            let said = s.node.get("approve").and_then(|a| a.get("returns")).map_or(0, |r| r.one_or_more().len());
            said == found.len()
        });
        let shaped = self.layout.steps.iter().all(|s| !matches!(s.what, What::Nothing | What::Call(None)));
        known && returns && shaped && !self.layout.full && node.has("steps") && self.reroutes.iter().all(Option::is_some)
    }

    /// Whether a branch of a `parallel` may come to its end.
    fn ends(&self, at: usize, branch: usize) -> bool {
        let inside = |s: &Laid<'_>| s.inside.is_some_and(|i| i.step == at && i.branch as usize == branch);
        let steps = self.layout.steps.iter().enumerate().filter(|(_, s)| inside(s));
        steps.map(|(n, _)| n).any(|n| self.layout.next(n).is_none() && self.passes(n))
    }

    /// Whether one step may have run before another.
    pub(super) fn before(&self, first: usize, second: usize) -> bool {
        self.after[first].has(second) || self.beside(first, second)
    }

    /// Whether two steps are in different branches of one `parallel`.
    fn beside(&self, a: usize, b: usize) -> bool {
        let (a, b) = (self.around(a), self.around(b));
        a.iter().any(|x| b.iter().any(|y| x.step == y.step && x.branch != y.branch))
    }

    /// The branches that a step is part of, innermost first.
    pub(super) fn around(&self, at: usize) -> Vec<Inside> {
        around(&self.layout, at)
    }

    /// What a step sees.
    pub(super) fn sight(&self, at: usize) -> Sight {
        let call = self.step(at).call;
        let mut sight = Sight { vars: self.vars(call), items: self.step(at).items.clone(), ..Sight::default() };
        for (n, step) in self.layout.steps.iter().enumerate().filter(|(_, s)| s.call == call) {
            let known = if self.before(n, at) { &mut sight.steps } else { &mut sight.others };
            known.insert(step.name.clone());
        }
        sight
    }

    /// The flow that a step calls.
    pub(super) fn called(&self, at: usize) -> Option<String> {
        let id = self.step(at).id.as_str();
        self.layout.calls.iter().find(|c| c.scope.as_deref() == Some(id)).map(|c| c.flow.clone())
    }

    /// Whether the whole run has its time.
    pub(super) fn bounded(&self) -> bool {
        self.layout.calls[0].node.has("within")
    }

    /// Whether it is only the jump or end of an item of somebody's `late`.
    pub(super) fn is_rung(&self, at: usize) -> bool {
        self.layout.steps.iter().any(|s| s.asks() && s.late.contains(&Some(at)))
    }

    /// What follows a jump or end that is not made, since its condition does not hold.
    pub(super) fn skipped(&self, at: usize) -> Option<usize> {
        self.layout.next(at).filter(|_| self.step(at).node.has("if"))
    }

    /// What may be seen wherever a run stands.
    pub(super) fn everything(&self) -> Sight {
        let own = self.layout.steps.iter().filter(|s| s.call == 0).map(|s| s.name.clone());
        Sight { steps: own.collect(), vars: self.vars(0), ..Sight::default() }
    }

    /// The variables of a flow.
    fn vars(&self, call: usize) -> std::collections::BTreeSet<String> {
        let vars = self.layout.calls[call].node.get("vars").map(Node::entries).unwrap_or_default();
        vars.iter().map(|e| e.key.clone()).collect()
    }
}

/// The branches that a step is part of, innermost first.
pub(super) fn around(layout: &Layout<'_>, at: usize) -> Vec<Inside> {
    let mut found = Vec::new();
    let mut inside = layout.steps[at].inside;
    while let Some(one) = inside {
        found.push(one);
        inside = layout.steps[one.step].inside;
    }
    found
}

/// How many branches of a `parallel` must be through.
fn needed(node: &Node, branches: usize) -> usize {
    match node.text_at("need") {
        Some("any") => 1,
        Some(count) => count.parse().unwrap_or(branches).min(branches),
        None => branches,
    }
}
