//! One step: what it does, and what becomes of it when it is late or cannot be done.

use std::collections::BTreeMap;

use super::super::Compiler;
use super::laid::{Laid, What};

use super::reach::Graph;
use crate::config::catalogue::{self as t, flow as f};
use crate::config::names::{Known, Sight};
use crate::config::problem::Problem;
use crate::config::scalar::{self, nearest};
use crate::config::tree::Node;
use crate::engine::call::Retry;
use crate::engine::definition::{
    Action, Another, BackTo, Branch, Each, Late, OnError, Parallel, Repeat, Rung, Step, StepKind, Term, Verify,
};
use crate::engine::expression::Kind;

/// How often a `repeat` with a number may go round unless said.
const MOST_TIMES: u32 = 1_000;

impl<'n> Compiler<'n> {
    pub(super) fn step(&self, graph: &Graph<'n>, at: usize) -> Option<Step> {
        let (laid, of) = (graph.step(at), graph.of(at));
        let node = laid.node;
        let sight = graph.sight(at);
        let names = self.known(of, Some(&sight));
        let rung = graph.is_rung(at);
        let condition = node.get("if").filter(|_| !rung).map(|n| self.condition(n, &names));
        let kind = self.kind(graph, at, &sight);
        if !rung {
            self.fitting(laid);
        }
        let (within, late) = if rung { (None, Vec::new()) } else { self.time(graph, at, &sight) };
        let on_error = match node.text_at("on_error") {
            Some("continue") => Some(OnError::Continue),
            _ => laid.on_error.map(OnError::Go),
        };
        Some(Step {
            id: laid.id.clone(),
            title: node.text_at("title").map(str::to_owned),
            condition: condition.flatten(),
            kind: kind?,
            next: if laid.leaves() { None } else { graph.layout.next(at) }.or_else(|| graph.skipped(at)),
            inside: laid.inside,
            aside: laid.aside.clone(),
            scope: graph.layout.calls[laid.call].scope.clone(),
            within,
            late,
            retry: node
                .get("retry")
                .filter(|_| !rung)
                .map(|n| n.items().iter().filter_map(scalar::duration).map(Retry).collect()),
            on_error: on_error.filter(|_| !rung),
            undo: if rung { Vec::new() } else { self.undo(laid, of, &sight) },
            verify: node.get("verify").filter(|_| !rung).and_then(|n| self.verify(n, of, &sight)),
            any_time: node.get("window").and_then(scalar::boolean) == Some(false),
        })
    }

    fn kind(&self, graph: &Graph<'n>, at: usize, sight: &Sight) -> Option<StepKind> {
        let (laid, of) = (graph.step(at), graph.of(at));
        let node = laid.node;
        let names = self.known(of, Some(sight));
        Some(match &laid.what {
            What::Action => StepKind::Do(self.action(node, of, Some(sight))?),
            What::Vars => StepKind::Vars(self.set_vars(node.get("set")?, &names)?),
            What::Wait => self.wait(node, of, &names)?,
            What::Choose(firsts, otherwise) => StepKind::Choose(self.choose(node, firsts, *otherwise, &names)?),
            What::Parallel(branches) => {
                let need = node.get("need").map(|n| self.branches_needed(n, branches.len()));
                StepKind::Parallel(Parallel { branches: branches.clone(), need: need.flatten() })
            }
            What::Each(first) => StepKind::Each(self.each(node.get("each")?, *first, laid, of, &names)?),
            What::Repeat(first) => StepKind::Repeat(self.repeat(node.get("repeat")?, *first, &names)?),
            What::Call(first) => {
                let vars = self.call_vars(graph, at, *first, node.get("call")?, &names)?;
                StepKind::Call { flow: graph.called(at)?, vars }
            }
            What::Approve => StepKind::Approve(Box::new(self.approve(graph, at, node.get("approve")?, &names)?)),
            What::Ask => StepKind::Ask(Box::new(self.ask(node.get("ask")?, of, &names)?)),
            What::GoTo => match graph.goes[at]? {
                crate::engine::definition::Target::Step(to) => StepKind::GoTo(to),
                _ => return None,
            },
            What::BackTo => {
                let back = node.get("back_to")?;
                let here = back.text_at("then") == Some("here");
                let undo = back.get("undo").and_then(scalar::boolean).unwrap_or(false);
                StepKind::BackTo(BackTo { to: graph.goes[at]?, here, undo })
            }
            What::End => StepKind::End(node.text_at("end")?.to_owned()),
            What::Fail => StepKind::Fail(self.template(node.get("fail")?, &names)?),
            What::Nothing => return None,
        })
    }

    /// `set: { vars.tries: = vars.tries + 1 }`
    fn set_vars(&self, node: &Node, names: &Known<'_>) -> Option<BTreeMap<String, Term>> {
        let known = names.steps.map(|s| &s.vars);
        let mut right = true;
        let mut terms = BTreeMap::new();
        for entry in node.entries() {
            let Some(name) = entry.key.strip_prefix("vars.") else {
                self.sink.say(entry.at, &f::VARIABLES_MIXED, []);
                right = false;
                continue;
            };
            if known.is_some_and(|k| !k.contains(name)) {
                right = false;
                let near = known.and_then(|k| nearest(name, k.iter().map(String::as_str)));
                let help =
                    near.map_or_else(|| f::VARIABLES_HELP.with([]), |n| t::DID_YOU_MEAN.with([format!("vars.{n}").into()]));
                self.sink.add(Problem::new(entry.at, f::UNKNOWN_VARIABLE.with([name.into()])).help(help));
            }
            match self.term(&entry.value, names) {
                Some(term) => _ = terms.insert(name.to_owned(), term),
                None => right = false,
            }
        }
        right.then_some(terms)
    }

    fn choose(&self, node: &Node, firsts: &[Option<usize>], otherwise: Option<usize>, names: &Known<'_>) -> Option<Vec<Branch>> {
        let nodes = node.get("choose").map(Node::items).unwrap_or_default();
        let branch = |(node, first): (&Node, &Option<usize>)| {
            Some(Branch { condition: Some(self.condition(node.get("if")?, names)?), first: *first })
        };
        let mut branches: Vec<Option<Branch>> = nodes.iter().zip(firsts).map(branch).collect();
        if node.has("else") {
            branches.push(Some(Branch { condition: None, first: otherwise }));
        }
        branches.into_iter().collect()
    }

    /// `need: any`, `need: 2`
    fn branches_needed(&self, node: &Node, count: usize) -> Option<u32> {
        let text = node.text()?;
        let need = if text == "any" { Some(1) } else { text.parse::<u32>().ok().filter(|n| *n > 0) };
        match need {
            None => self.sink.say(node.at, &f::BAD_BRANCHES, [text.into()]),
            Some(need) if need as usize > count => {
                self.sink.say(node.at, &f::NEED_BRANCHES, [text.into(), count.to_string().into()]);
            }
            Some(_) => {}
        }
        need
    }

    fn each(&self, node: &Node, first: Option<usize>, laid: &Laid<'_>, of: &[String], names: &Known<'_>) -> Option<Each> {
        let list = node.get("of").and_then(|n| self.value_as(n, names, "of", &[Kind::List]));
        let named = self.item_named(node.get("as").unwrap_or(node), &laid.items, of);
        let at_once = node.get("at_once").and_then(scalar::count).and_then(|n| u32::try_from(n).ok()).unwrap_or(1);
        let name = node.text_at("as").unwrap_or("item").to_owned();
        Some(Each { of: list.filter(|_| named)?, name, first, at_once })
    }

    fn repeat(&self, node: &Node, first: Option<usize>, names: &Known<'_>) -> Option<Repeat> {
        let most = node.get("most").and_then(scalar::count).and_then(|n| u32::try_from(n).ok());
        let check = if let Some(n) = node.get("while") {
            self.condition(n, names).map(Another::While)
        } else if let Some(n) = node.get("until") {
            self.condition(n, names).map(Another::Until)
        } else {
            node.get("times").and_then(|n| self.value_as(n, names, "times", &[Kind::Number])).map(Another::Times)
        };
        if let Some(Some(at)) = (!node.has("most")).then(|| node.get("while").or(node.get("until")).map(|n| n.at)) {
            self.sink.add(Problem::new(at, f::REPEAT_UNBOUNDED.with([])).help(f::REPEAT_HELP.with([])));
        }
        let times = node.get("times").and_then(scalar::count).and_then(|n| u32::try_from(n).ok());
        Some(Repeat { first, check: check?, most: most.or(times).unwrap_or(MOST_TIMES) })
    }

    /// The variables of a called flow: as it says, or as the call says.
    fn call_vars(
        &self,
        graph: &Graph<'n>,
        at: usize,
        first: Option<usize>,
        node: &Node,
        names: &Known<'_>,
    ) -> Option<BTreeMap<String, Term>> {
        let inner = graph.layout.calls.get(graph.step(first?).call)?;
        let own = inner.node.get("vars").map(Node::entries).unwrap_or_default();
        let known = self.known(graph.of(at), None);
        let mut terms: BTreeMap<String, Term> =
            own.iter().filter_map(|e| Some((e.key.clone(), self.term(&e.value, &known)?))).collect();
        for entry in node.get("vars").map(Node::entries).unwrap_or_default() {
            if !terms.contains_key(&entry.key) && !own.iter().any(|e| e.key == entry.key) {
                let near = nearest(&entry.key, own.iter().map(|e| e.key.as_str()));
                let help = near.map_or_else(|| f::VARIABLES_HELP.with([]), |n| t::DID_YOU_MEAN.with([n.into()]));
                self.sink.add(Problem::new(entry.at, f::UNKNOWN_VARIABLE.with([entry.key.as_str().into()])).help(help));
            }
            terms.insert(entry.key.clone(), self.term(&entry.value, names)?);
        }
        Some(terms)
    }

    /// How long a step may take, and what is done then.
    fn time(&self, graph: &Graph<'n>, at: usize, sight: &Sight) -> (Option<crate::engine::span::Span>, Vec<Rung>) {
        let laid = graph.step(at);
        let node = laid.node;
        if let Some(up_to) = self.up_to(node) {
            // When that is over it goes on with what comes next.
            return (Some(up_to), vec![Rung { actions: Vec::new(), then: Late::Go(None) }]);
        }
        let within = node.get("within").and_then(|n| self.span(n));
        let late = match node.get("late") {
            Some(late) if laid.asks() => self.rungs(graph, at, late, sight),
            Some(_) => vec![Rung { actions: Vec::new(), then: Late::Go(laid.late.first().copied().flatten()) }],
            None => Vec::new(),
        };
        (within, late)
    }

    /// What makes it undone; it sees what the step itself came to.
    fn undo(&self, laid: &Laid<'_>, of: &[String], sight: &Sight) -> Vec<Action> {
        let nodes = laid.node.get("undo").map(Node::one_or_more).unwrap_or_default();
        let mut sight = sight.clone();
        sight.steps.insert(laid.name.clone());
        nodes.iter().filter_map(|n| self.action(n, of, Some(&sight))).collect()
    }

    fn verify(&self, node: &Node, of: &[String], sight: &Sight) -> Option<Verify> {
        let action = self.action(node, of, Some(sight));
        let sight = Sight { answer: true, ..sight.clone() };
        let happened = self.condition(node.get("happened")?, &self.known(of, Some(&sight)));
        Some(Verify { action: action?, happened: happened? })
    }
}
