//! Where `go_to`, `back_to`, `returns` and `reroute` lead: the step is there, and may be jumped to.

use super::super::Compiler;
use super::laid::What;
use super::layout::Layout;
use super::reach::around;
use crate::config::catalogue::{self as t, flow as f};
use crate::config::problem::Problem;
use crate::config::scalar::nearest;
use crate::config::tree::Node;
use crate::engine::definition::Target;

/// Where each `go_to` and `back_to` leads.
pub(super) fn goes(with: &Compiler<'_>, layout: &Layout<'_>) -> Vec<Option<Target>> {
    let one = |at: usize| {
        let node = layout.steps[at].node;
        match layout.steps[at].what {
            What::GoTo => Some(Target::Step(step(with, layout, at, node.get("go_to")?)?)),
            What::BackTo => {
                let back = node.get("back_to")?;
                let said = back.get("step").unwrap_or(back);
                match said.text()? {
                    "start" => Some(Target::Start),
                    "previous" => Some(Target::Previous),
                    _ => Some(Target::Step(step(with, layout, at, said)?)),
                }
            }
            _ => None,
        }
    };
    (0..layout.steps.len()).map(one).collect()
}

/// Where those who reject may send it.
pub(super) fn returns(with: &Compiler<'_>, layout: &Layout<'_>) -> Vec<Vec<usize>> {
    let one = |at: usize| {
        let approve = layout.steps[at].node.get("approve").filter(|_| layout.steps[at].what == What::Approve);
        let nodes = approve.and_then(|a| a.get("returns")).map(Node::one_or_more).unwrap_or_default();
        nodes.iter().filter_map(|n| step(with, layout, at, n)).collect()
    };
    (0..layout.steps.len()).map(one).collect()
}

/// Where a change of the record leads: somewhere outside of all branches.
pub(super) fn reroute(with: &Compiler<'_>, layout: &Layout<'_>, node: &Node) -> Option<usize> {
    let to = known(with, layout, 0, node)?;
    may_enter(with, layout, &[], to, node).then_some(to)
}

/// The step that is named, as one step means it.
fn step(with: &Compiler<'_>, layout: &Layout<'_>, from: usize, node: &Node) -> Option<usize> {
    let to = known(with, layout, layout.steps[from].call, node)?;
    may_enter(with, layout, &around(layout, from), to, node).then_some(to)
}

fn known(with: &Compiler<'_>, layout: &Layout<'_>, call: usize, node: &Node) -> Option<usize> {
    let name = node.text()?;
    let found = layout.find(call, name);
    if found.is_none() && !layout.full {
        let steps = layout.steps.iter().filter(|s| s.call == call).map(|s| s.name.as_str());
        let asides = layout.asides.iter().filter(|a| a.call == call).map(|a| a.name.as_str());
        let near = nearest(name, steps.chain(asides)).map(|n| t::DID_YOU_MEAN.with([n.into()]));
        with.sink.add(Problem::new(node.at, f::UNKNOWN_STEP.with([name.into()])).help(near));
    }
    found
}

/// Whether a step may be jumped to from within these branches.
fn may_enter(
    with: &Compiler<'_>,
    layout: &Layout<'_>,
    from: &[crate::engine::definition::Inside],
    to: usize,
    node: &Node,
) -> bool {
    let Some(other) = around(layout, to).into_iter().find(|i| !from.contains(i)) else { return true };
    let block = layout.steps[other.step].id.as_str();
    let problem = Problem::new(node.at, f::JUMP_INTO.with([node.text().unwrap_or_default().into(), block.into()]));
    with.sink.add(problem.help(f::JUMP_INTO_HELP.with([block.into()])));
    false
}
