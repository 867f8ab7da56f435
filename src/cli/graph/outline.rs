//! A flow as nested blocks, the way it was written: sequences, branches, bodies, what stands beside a step, asides.
//!
//! Found again from the links of the graph; never follows them in circles, and leaves out no step.

use crate::engine::definition::{At, Flow, Late, OnError, StepKind, Target};

/// A whole flow.
#[derive(Debug)]
pub(crate) struct Outline {
    /// From the first step to the end.
    pub(crate) main: Vec<Item>,
    /// What is reached by jumps, or when something happens to the run as a whole.
    pub(crate) asides: Vec<Aside>,
}

/// Steps beside the main sequence.
#[derive(Debug)]
pub(crate) struct Aside {
    pub(crate) head: Head,
    pub(crate) items: Vec<Item>,
}

/// How an aside is come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Head {
    /// By its name, in a jump.
    Named(String),
    /// The run takes too long.
    Late,
    /// The run has failed.
    Failed,
    /// It was taken back.
    Recalled,
    /// No way leads to it.
    Loose,
}

/// A step, with what is inside it and beside it.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) at: At,
    /// Branches of `choose` and `parallel`, the body of `each` and `repeat`.
    pub(crate) parts: Vec<Part>,
    /// Where it leads when it is late, cannot be done, is rejected.
    pub(crate) sides: Vec<Side>,
}

/// A branch, or a body.
#[derive(Debug)]
pub(crate) struct Part {
    /// The condition or the name; empty: otherwise, or a body.
    pub(crate) label: String,
    pub(crate) items: Vec<Item>,
}

/// A way out of a step other than the usual one.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) why: Beside,
    pub(crate) to: To,
}

/// Why a step is left that way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beside {
    Late,
    Error,
    Rejected,
}

/// Where a way out leads.
#[derive(Debug)]
pub(crate) enum To {
    /// Steps of its own.
    Block(Vec<Item>),
    /// A step that stands elsewhere.
    Step(At),
}

/// The blocks of a flow.
pub(crate) fn outline(flow: &Flow) -> Outline {
    let mut builder = Builder { flow, seen: vec![false; flow.steps.len()] };
    let first = if flow.steps.is_empty() { None } else { Some(0) };
    let mut main = builder.sequence(first, None);
    let mut asides = Vec::new();
    let own = [(Head::Recalled, flow.recalled), (Head::Late, flow.late), (Head::Failed, flow.failed)];
    for (head, at) in own {
        let items = builder.sequence(at, None);
        if !items.is_empty() {
            asides.push(Aside { head, items });
        }
    }
    for at in 0..flow.steps.len() {
        if let (false, Some(name)) = (builder.seen[at], &flow.steps[at].aside)
            && !asides.iter().any(|a: &Aside| a.head == Head::Named(name.clone()))
        {
            asides.push(Aside { head: Head::Named(name.clone()), items: builder.sequence(Some(at), None) });
        }
    }
    builder.sides(&mut main);
    asides.iter_mut().for_each(|aside| builder.sides(&mut aside.items));
    for at in 0..flow.steps.len() {
        if !builder.seen[at] {
            let mut items = builder.sequence(Some(at), None);
            builder.sides(&mut items);
            asides.push(Aside { head: Head::Loose, items });
        }
    }
    Outline { main, asides }
}

struct Builder<'f> {
    flow: &'f Flow,
    seen: Vec<bool>,
}

impl Builder<'_> {
    /// Step after step, up to what comes after the block.
    fn sequence(&mut self, first: Option<At>, stop: Option<At>) -> Vec<Item> {
        let (mut items, mut next) = (Vec::new(), first);
        while let Some(at) = next
            && next != stop
            && self.seen.get(at) == Some(&false)
        {
            items.push(self.item(at));
            next = self.flow.steps[at].next;
        }
        items
    }

    fn item(&mut self, at: At) -> Item {
        self.seen[at] = true;
        let flow = self.flow;
        let step = &flow.steps[at];
        let mut part = |label: String, first, stop| Part { label, items: self.sequence(first, stop) };
        let parts = match &step.kind {
            StepKind::Choose(branches) => {
                let mut parts: Vec<Part> = Vec::new();
                for branch in branches {
                    let label = branch.condition.as_ref().map(|c| c.source().to_owned()).unwrap_or_default();
                    parts.push(part(label, branch.first, step.next));
                }
                if branches.iter().all(|b| b.condition.is_some()) {
                    parts.push(Part { label: String::new(), items: Vec::new() });
                }
                parts
            }
            StepKind::Parallel(parallel) => {
                parallel.branches.iter().map(|(name, first)| part(name.clone(), *first, None)).collect()
            }
            StepKind::Each(each) => vec![part(String::new(), each.first, None)],
            StepKind::Repeat(repeat) => vec![part(String::new(), repeat.first, Some(at))],
            StepKind::Call { .. } => vec![part(String::new(), called(flow, at), step.next)],
            _ => Vec::new(),
        };
        Item { at, parts, sides: Vec::new() }
    }

    /// What stands beside these steps, once everything else has its place.
    fn sides(&mut self, items: &mut [Item]) {
        for item in items {
            for part in &mut item.parts {
                self.sides(&mut part.items);
            }
            for (why, at) in ways_out(self.flow, item.at) {
                let mut block = self.sequence(Some(at), self.flow.steps[item.at].next);
                self.sides(&mut block);
                let to = if block.is_empty() { To::Step(at) } else { To::Block(block) };
                item.sides.push(Side { why, to });
            }
        }
    }
}

/// Where a step leads when it does not go well; the way on is not among them.
pub(crate) fn ways_out(flow: &Flow, at: At) -> Vec<(Beside, At)> {
    let step = &flow.steps[at];
    let mut all = Vec::new();
    if let StepKind::Approve(approve) = &step.kind {
        all.extend(approve.rejected.map(|to| (Beside::Rejected, to)));
    }
    all.extend(
        step.late.iter().filter_map(|rung| if let Late::Go(Some(to)) = rung.then { Some((Beside::Late, to)) } else { None }),
    );
    if let Some(OnError::Go(to)) = step.on_error {
        all.push((Beside::Error, to));
    }
    all.retain(|(_, to)| *to < flow.steps.len());
    all
}

/// The first step of a called flow: those stand behind the `call`, under its name.
fn called(flow: &Flow, at: At) -> Option<At> {
    let scope = flow.steps.get(at + 1)?.scope.as_deref()?;
    (scope == flow.steps[at].id).then_some(at + 1)
}

/// Whether an id was made from the position where the YAML gives none: `s2`, `revise.late.1`.
pub(crate) fn is_made(id: &str) -> bool {
    let last = id.rsplit('.').next().unwrap_or(id);
    let number = last.strip_prefix('s').filter(|_| last.len() > 1).unwrap_or(last);
    number.bytes().all(|b| b.is_ascii_digit())
}

/// Whether the steps inside a step are drawn in a frame.
pub(crate) fn framed(kind: &StepKind) -> bool {
    matches!(kind, StepKind::Each(_) | StepKind::Repeat(_) | StepKind::Call { .. })
}

/// Where a step jumps to by itself.
pub(crate) fn jump(flow: &Flow, at: At) -> Option<At> {
    match &flow.steps[at].kind {
        StepKind::GoTo(to) => Some(*to),
        StepKind::BackTo(back) => match back.to {
            Target::Step(to) => Some(to),
            Target::Start => Some(0),
            Target::Previous => None,
        },
        _ => None,
    }
}

/// Whether what follows a sequence is come to from its end.
pub(crate) fn falls(flow: &Flow, items: &[Item]) -> bool {
    let Some(last) = items.last() else { return true };
    match &flow.steps[last.at].kind {
        StepKind::GoTo(_) | StepKind::BackTo(_) | StepKind::End(_) | StepKind::Fail(_) => false,
        StepKind::Call { .. } => last.parts.iter().all(|part| falls(flow, &part.items)),
        StepKind::Choose(_) => last.parts.iter().any(|part| falls(flow, &part.items)) || beside_falls(flow, last),
        _ => true,
    }
}

/// Whether one of the ways beside a step leads on behind it.
pub(crate) fn beside_falls(flow: &Flow, item: &Item) -> bool {
    item.sides.iter().any(|side| if let To::Block(items) = &side.to { falls(flow, items) } else { false })
}
