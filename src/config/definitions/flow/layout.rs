//! All steps of a flow in one list, those inside others, of asides and of called flows too: what stands where, and what follows what.
//!
//! Reads shapes and ids only; what a step does is compiled in [`super::steps`].

use std::collections::HashMap;

use super::super::{Compiler, told};
use super::laid::{Aside, Called, Laid, Then, What};
use crate::config::catalogue::{self as t, flow as f};
use crate::config::grammar::is_id;
use crate::config::problem::{At, Problem};
use crate::config::table::flow::STEP_NAMES;
use crate::config::tree::{Kind, Node};
use crate::engine::definition::Inside;

/// Steps of one graph, those of called flows included.
pub(super) const MOST: usize = 2_000;
/// Flows inside flows.
const DEEPEST: usize = 16;

/// All steps in their places.
pub(super) struct Layout<'n> {
    pub(super) steps: Vec<Laid<'n>>,
    pub(super) calls: Vec<Called<'n>>,
    pub(super) asides: Vec<Aside>,
    pub(super) late: Option<usize>,
    pub(super) failed: Option<usize>,
    pub(super) recalled: Option<usize>,
    /// There were more than may be.
    pub(super) full: bool,
}

/// Where steps are laid.
#[derive(Clone, Default)]
struct Place {
    call: usize,
    inside: Option<Inside>,
    aside: Option<String>,
    block: bool,
    items: Vec<String>,
    /// Before the number of a step without an id.
    prefix: String,
    /// The id of the first, where it has none.
    first: Option<String>,
}

impl Place {
    fn under(&self, name: &str, part: &str) -> Self {
        Self { prefix: format!("{name}.{part}"), first: None, ..self.clone() }
    }
}

impl<'n> Layout<'n> {
    /// Lays out a flow about records of these entities.
    pub(super) fn new(with: &Compiler<'n>, flow: &str, node: &'n Node, of: &[String]) -> Self {
        let own = Called { scope: None, flow: flow.to_owned(), node, of: of.to_vec(), outer: None };
        let mut layout = Self {
            steps: Vec::new(),
            calls: vec![own],
            asides: Vec::new(),
            late: None,
            failed: None,
            recalled: None,
            full: false,
        };
        let place = Place { prefix: "s".into(), ..Place::default() };
        layout.list(with, items(node, "steps"), &place, Then::Over);
        layout.read_asides(with, node, &place);
        for (key, prefix) in [("late", "late."), ("on_error", "on_error."), ("recall", "recall.")] {
            let steps = node.get(key).filter(|n| n.text().is_none()).map(Node::one_or_more).unwrap_or_default();
            let place = Place { prefix: prefix.into(), block: true, ..Place::default() };
            let first = layout.list(with, steps, &place, Then::Over);
            *match key {
                "late" => &mut layout.late,
                "on_error" => &mut layout.failed,
                _ => &mut layout.recalled,
            } = first;
        }
        layout.named_once(with);
        if layout.full {
            let at = node.get("steps").map_or(node.at, |s| s.at);
            with.sink.say(At { width: 1, ..at }, &f::CALL_TOO_MUCH, [MOST.to_string().into()]);
        }
        layout
    }

    /// What comes after a step.
    pub(super) fn next(&self, at: usize) -> Option<usize> {
        let mut at = at;
        loop {
            match self.steps.get(at)?.then {
                Then::Step(next) => return Some(next),
                Then::After(other) => at = other,
                Then::Over => return None,
            }
        }
    }

    /// The step of that name, or the first of the aside of that name, as a step of this call means it.
    pub(super) fn find(&self, call: usize, name: &str) -> Option<usize> {
        let id = self.calls[call].scope.as_ref().map_or_else(|| name.to_owned(), |scope| format!("{scope}.{name}"));
        let step = self.steps.iter().position(|s| s.id == id);
        step.or_else(|| self.asides.iter().find(|a| a.call == call && a.name == name)?.first)
    }

    fn list(&mut self, with: &Compiler<'n>, nodes: &'n [Node], place: &Place, then: Then) -> Option<usize> {
        let (mut first, mut last): (Option<usize>, Option<usize>) = (None, None);
        for (n, node) in nodes.iter().enumerate() {
            if told(node) || !matches!(node.kind, Kind::Map(_)) {
                continue;
            }
            let name = place.first.clone().filter(|_| n == 0).unwrap_or_else(|| format!("{}{}", place.prefix, n + 1));
            let at = self.push(with, node, name, place, then)?;
            self.steps[at].what = self.what(with, at, place);
            self.around(with, at, place);
            if let Some(last) = last {
                self.steps[last].then = Then::Step(at);
            }
            first = first.or(Some(at));
            last = Some(at);
        }
        first
    }

    /// Puts a step into its place; nothing inside it yet.
    fn push(&mut self, with: &Compiler<'n>, node: &'n Node, name: String, place: &Place, then: Then) -> Option<usize> {
        if self.steps.len() >= MOST {
            self.full = true;
            return None;
        }
        let (name, at) = match node.get("id").and_then(|id| Some((id.text()?, id.at))) {
            Some((id, at)) => {
                if !is_id(id) {
                    with.sink.say(at, &t::BAD_ID, [id.into(), "".into()]);
                } else if matches!(id, "start" | "previous") {
                    with.sink.add(Problem::new(at, f::NAME_TAKEN.with([id.into()])).help(f::NAME_TAKEN_HELP.with([])));
                }
                (id.to_owned(), at)
            }
            None => {
                let word = node.entries().iter().find(|e| STEP_NAMES.contains(&e.key.as_str()));
                (name, word.map_or(At { width: 1, ..node.at }, |e| e.at))
            }
        };
        let id = match &self.calls[place.call].scope {
            Some(scope) => format!("{scope}.{name}"),
            None => name.clone(),
        };
        self.steps.push(Laid {
            id,
            name,
            at,
            node,
            call: place.call,
            inside: place.inside,
            aside: place.aside.clone(),
            block: place.block,
            items: place.items.clone(),
            what: What::Nothing,
            then,
            late: Vec::new(),
            on_error: None,
            rejected: None,
        });
        Some(self.steps.len() - 1)
    }

    /// What a step is; lays the steps inside it.
    fn what(&mut self, with: &Compiler<'n>, at: usize, place: &Place) -> What {
        let node = self.steps[at].node;
        let name = self.steps[at].name.clone();
        let after = Then::After(at);
        let Some(entry) = node.entries().iter().find(|e| STEP_NAMES.contains(&e.key.as_str())) else { return What::Nothing };
        let value = &entry.value;
        match entry.key.as_str() {
            "set" if value.entries().iter().any(|e| e.key.starts_with("vars.")) => What::Vars,
            "wait" => What::Wait,
            "choose" => {
                let branch = |layout: &mut Self, n: usize, node: &'n Node| {
                    layout.list(with, items(node, "then"), &place.under(&name, &format!("{}.", n + 1)), after)
                };
                let firsts = value.items().iter().enumerate().map(|(n, b)| branch(self, n, b)).collect();
                What::Choose(firsts, self.list(with, items(node, "else"), &place.under(&name, "else."), after))
            }
            "parallel" => {
                let mut branches = Vec::new();
                for (n, entry) in value.entries().iter().enumerate() {
                    let branch = u32::try_from(n).unwrap_or(u32::MAX);
                    let mut place = place.under(&name, &format!("{}.", entry.key));
                    place.inside = Some(Inside { step: at, branch });
                    branches.push((entry.key.clone(), self.list(with, entry.value.items(), &place, Then::Over)));
                }
                What::Parallel(branches)
            }
            "each" => {
                let mut place = place.under(&name, "");
                place.inside = Some(Inside { step: at, branch: 0 });
                place.items.push(value.text_at("as").unwrap_or("item").to_owned());
                What::Each(self.list(with, items(value, "steps"), &place, Then::Over))
            }
            "repeat" => What::Repeat(self.list(with, items(value, "steps"), &place.under(&name, ""), Then::Step(at))),
            "call" => What::Call(self.call(with, value, at, place)),
            "approve" => What::Approve,
            "ask" => What::Ask,
            "go_to" => What::GoTo,
            "back_to" => What::BackTo,
            "end" => What::End,
            "fail" => What::Fail,
            _ => What::Action,
        }
    }

    /// What is done when a step is late, fails or is rejected.
    fn around(&mut self, with: &Compiler<'n>, at: usize, place: &Place) {
        let (node, name, asks) = (self.steps[at].node, self.steps[at].name.clone(), self.steps[at].asks());
        let after = Then::After(at);
        for entry in node.entries() {
            let nodes = entry.value.one_or_more();
            match entry.key.as_str() {
                "late" if asks => {
                    let place = place.under(&name, "late.");
                    let each = nodes.iter().enumerate();
                    let rungs = each.map(|(n, rung)| self.rung(with, rung, format!("{name}.late.{}", n + 1), &place, after));
                    let rungs = rungs.collect();
                    self.steps[at].late = rungs;
                }
                "late" => self.steps[at].late = vec![self.list(with, nodes, &place.under(&name, "late."), after)],
                "on_error" if entry.value.text().is_none() => {
                    self.steps[at].on_error = self.list(with, nodes, &place.under(&name, "on_error."), after);
                }
                "rejected" => self.steps[at].rejected = self.list(with, nodes, &place.under(&name, "rejected."), after),
                _ => {}
            }
        }
    }

    /// The jump or end that an item of `late` holds, as a step of its own.
    fn rung(&mut self, with: &Compiler<'n>, node: &'n Node, name: String, place: &Place, then: Then) -> Option<usize> {
        let jumps = [("back_to", What::BackTo), ("go_to", What::GoTo), ("end", What::End), ("fail", What::Fail)];
        let (_, what) = jumps.into_iter().find(|(key, _)| node.has(key))?;
        let at = self.push(with, node, name, place, then)?;
        self.steps[at].what = what;
        Some(at)
    }

    fn read_asides(&mut self, with: &Compiler<'n>, node: &'n Node, place: &Place) {
        for entry in node.get("asides").map(Node::entries).unwrap_or_default() {
            let name = entry.key.clone();
            if matches!(name.as_str(), "start" | "previous") {
                let problem = Problem::new(entry.at, f::NAME_TAKEN.with([name.as_str().into()]));
                with.sink.add(problem.help(f::NAME_TAKEN_HELP.with([])));
            }
            let (aside, prefix) = (Some(name.clone()), format!("{name}."));
            let place = Place { aside, prefix, first: Some(name.clone()), ..place.clone() };
            let first = self.list(with, entry.value.items(), &place, Then::Over);
            self.asides.push(Aside { name, at: entry.at, call: place.call, first });
        }
    }

    /// Lays the steps of another flow where it is called.
    fn call(&mut self, with: &Compiler<'n>, value: &'n Node, at: usize, place: &Place) -> Option<usize> {
        let said = value.get("flow").unwrap_or(value);
        let flow = with.flow_for(said, &self.calls[place.call].of)?;
        let mut way: Vec<&str> = Vec::new();
        let mut outer = Some(place.call);
        while let Some(call) = outer {
            way.insert(0, &self.calls[call].flow);
            outer = self.calls[call].outer;
        }
        if let Some(from) = way.iter().position(|f| *f == flow) {
            // One that does not lead back to the beginning is told where it begins.
            if from == 0 {
                way.push(&flow);
                with.sink.say(said.at, &f::CALL_CYCLE, [way.join(" → ").into()]);
            }
            return None;
        }
        if way.len() >= DEEPEST {
            with.sink.say(said.at, &f::CALL_DEEP, [DEEPEST.to_string().into()]);
            return None;
        }
        let node = with.bodies.get(flow.as_str()).copied().filter(|n| !told(n))?;
        let of = match with.about.get(&flow) {
            Some(entity) => vec![entity.clone()],
            None => self.calls[place.call].of.clone(),
        };
        let scope = Some(self.steps[at].id.clone());
        self.calls.push(Called { scope, flow, node, of, outer: Some(place.call) });
        let call = self.calls.len() - 1;
        let place = Place { call, prefix: "s".into(), first: None, ..place.clone() };
        let first = self.list(with, items(node, "steps"), &place, Then::After(at));
        self.read_asides(with, node, &place);
        first
    }

    /// Tells of ids and asides that are there twice.
    fn named_once(&self, with: &Compiler<'_>) {
        let mut places: HashMap<&str, At> = HashMap::new();
        for step in &self.steps {
            let Some(first) = places.insert(&step.id, step.at) else { continue };
            let problem = Problem::new(step.at, t::TWICE.with([(&t::K_STEP).into(), step.id.as_str().into()]));
            with.sink.add(problem.also(first, t::FIRST_HERE.with([])));
        }
        for aside in self.asides.iter().filter(|a| a.call == 0) {
            let own = aside.first.is_some_and(|first| self.steps[first].name == aside.name); // told as a step
            let other = self.find(0, &aside.name).filter(|at| Some(*at) != aside.first && !own);
            let Some(other) = other else { continue };
            let problem = Problem::new(aside.at, t::TWICE.with([(&f::K_ASIDE).into(), aside.name.as_str().into()]));
            with.sink.add(problem.also(self.steps[other].at, t::FIRST_HERE.with([])));
        }
    }
}

fn items<'n>(node: &'n Node, key: &str) -> &'n [Node] {
    node.get(key).map(Node::items).unwrap_or_default()
}
