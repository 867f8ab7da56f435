//! What a flow says of all its runs: variables, whose they are, what ends them wherever they stand, when they may begin again.

use std::collections::BTreeMap;

use super::super::Compiler;
use super::super::gate::time_of_day;
use super::reach::Graph;
use crate::config::catalogue::{self as t, flow as f};
use crate::config::fault::kind_word;
use crate::config::names::{self, Known, RESERVED};
use crate::config::problem::Problem;
use crate::config::scalar::{self, nearest};
use crate::config::tree::Node;
use crate::engine::definition::{Again, Flow, Mode, Reroute, StopIf, Term, Who, Window};
use crate::engine::entity::FieldKind;
use crate::engine::expression::{Expr, Kind};
use crate::engine::span::Span;

impl<'n> Compiler<'n> {
    /// The keys of a flow beside its steps and what starts it.
    pub(super) fn of_runs(&self, graph: &Graph<'n>, node: &Node, of: &[String]) -> Flow {
        let layout = &graph.layout;
        let sight = graph.everything();
        let names = self.known(of, Some(&sight));
        let stops = node.get("stop_if").map(Node::one_or_more).unwrap_or_default();
        Flow {
            vars: self.vars(node.get("vars"), of),
            initiator: self.initiator(node.get("initiator"), of),
            within: node.get("within").and_then(|n| self.span(n)),
            late: layout.late,
            failed: layout.failed,
            recalled: layout.recalled,
            recall: node.get("recall").and_then(scalar::boolean).unwrap_or(true),
            stops: stops.iter().filter_map(|n| self.stop_if(n, &names)).collect(),
            reroutes: self.reroutes(graph, node, of),
            window: node.get("window").and_then(|n| self.send_window(n, &names)),
            mode: match node.text_at("mode") {
                Some("restart") => Mode::Restart,
                Some("queued") => Mode::Queued,
                Some("parallel") => Mode::Parallel,
                _ => Mode::Single,
            },
            again: node.get("again").and_then(|n| self.again(n)).unwrap_or_default(),
            ..Flow::default()
        }
    }

    /// An expression that may come to anything.
    pub(super) fn value_of(&self, node: &Node, names: &Known<'_>) -> Option<Expr> {
        self.expr(node, 0, Expr::parse(node.text()?), names)
    }

    /// An expression that comes to one of these kinds of values.
    pub(super) fn value_as(&self, node: &Node, names: &Known<'_>, key: &str, kinds: &[Kind]) -> Option<Expr> {
        let expr = self.value_of(node, names)?;
        let found = if names.vague { Kind::Any } else { expr.kind(names).0 };
        if found == Kind::Any || kinds.contains(&found) {
            return Some(expr);
        }
        let wanted = kinds.first().copied().unwrap_or(Kind::Any);
        let args = [key.into(), kind_word(wanted).into(), kind_word(found).into()];
        self.sink.say(node.at, &t::ARGUMENT_KIND, args);
        None
    }

    fn vars(&self, node: Option<&Node>, of: &[String]) -> BTreeMap<String, Term> {
        let names = self.known(of, None);
        let entries = node.map(Node::entries).unwrap_or_default();
        let named = |name: &str| {
            name.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_alphanumeric() || c == '_')
        };
        for entry in entries.iter().filter(|e| !named(&e.key)) {
            self.sink.say(entry.at, &t::LET_NAME, [entry.key.as_str().into()]);
        }
        entries.iter().filter_map(|e| Some((e.key.clone(), self.term(&e.value, &names)?))).collect()
    }

    /// Who asked for a run: `owner` where the record has such a field.
    fn initiator(&self, node: Option<&Node>, of: &[String]) -> Option<Who> {
        if let Some(node) = node {
            return self.who(node, of);
        }
        let owned =
            |e: &String| self.entities.get(e).and_then(|e| e.fields.get("owner")).is_some_and(|f| f.kind == FieldKind::Person);
        (!of.is_empty() && of.iter().all(owned)).then(|| Who::Field(vec!["owner".to_owned()]))
    }

    fn stop_if(&self, node: &Node, names: &Known<'_>) -> Option<StopIf> {
        let name = node.text_at("name").unwrap_or("stopped").to_owned();
        if node.text().is_some() {
            return Some(StopIf { name, event: None, condition: Some(self.condition(node, names)?), undo: false });
        }
        if !node.has("if") && !node.has("event") {
            self.sink.say(node.at, &f::STOP_NOTHING, []);
            return None;
        }
        let event = node.get("event").map(|n| self.awaited(n));
        let condition = node.get("if").map(|n| self.condition(n, names));
        let undo = node.get("undo").and_then(scalar::boolean).unwrap_or(false);
        Some(StopIf { name, event: event.flatten(), condition: condition.flatten(), undo })
    }

    fn reroutes(&self, graph: &Graph<'n>, node: &Node, of: &[String]) -> Vec<Reroute> {
        let Some(said) = node.get("reroute") else { return Vec::new() };
        if of.is_empty() {
            self.no_record(said, "reroute");
        }
        let one = |(n, said): (usize, &Node)| {
            let fields = said.get("on").map(Node::one_or_more).unwrap_or_default();
            let fields = fields.iter().filter_map(|f| self.field_of(f, of)).collect();
            Some(Reroute { fields, to: graph.reroutes.get(n).copied().flatten()? })
        };
        said.one_or_more().iter().enumerate().filter_map(one).collect()
    }

    /// A field that the record in question has.
    pub(super) fn field_of(&self, node: &Node, of: &[String]) -> Option<String> {
        let name = node.text()?;
        let known = self.known(of, None);
        let all = known.candidates();
        if known.vague || of.is_empty() || all.iter().any(|e| names::field(e, name).is_some()) {
            return Some(name.to_owned());
        }
        let near = nearest(name, all.iter().flat_map(|e| e.fields.keys().map(String::as_str)));
        let what = t::UNKNOWN_FIELD.with([name.into(), of.first()?.as_str().into()]);
        self.sink.add(Problem::new(node.at, what).help(near.map(|n| t::DID_YOU_MEAN.with([n.into()]))));
        None
    }

    /// Tells that something needs a record where there may be none.
    pub(super) fn no_record(&self, node: &Node, what: &str) {
        if !self.lost && self.vague.is_empty() {
            let problem = Problem::new(node.at, f::NO_RECORD.with([what.into()]));
            self.sink.add(problem.help(f::NO_RECORD_HELP.with([])));
        }
    }

    fn send_window(&self, node: &Node, names: &Known<'_>) -> Option<Window> {
        let clock = |key: &str| {
            let node = node.get(key)?;
            let time = time_of_day(node.text()?);
            if time.is_none() {
                let problem = Problem::new(node.at, t::BAD_CLOCK.with([node.text()?.into()]));
                self.sink.add(problem.help(t::BAD_CLOCK_HELP.with([])));
            }
            time
        };
        let (from, to) = (clock("from"), clock("to"));
        let calendar = self.calendar_key(node);
        let zone = node.get("zone").and_then(|n| self.value_as(n, names, "zone", &[Kind::Text, Kind::Word]));
        if from.is_some() && from == to {
            self.sink.say(node.get("to").map_or(node.at, |n| n.at), &f::WINDOW_EMPTY, []);
        }
        Some(Window { from: from?, to: to?, calendar, zone })
    }

    fn again(&self, node: &Node) -> Option<Again> {
        let text = node.text()?;
        match text {
            "always" => Some(Again::Always),
            "never" => Some(Again::Never),
            _ if Span::parse(text).is_some() => self.span(node).map(Again::After),
            _ => {
                let problem = Problem::new(node.at, f::BAD_AGAIN.with([text.into()]));
                self.sink.add(problem.help(f::BAD_AGAIN_HELP.with([])));
                None
            }
        }
    }

    /// Whether an `each` may call one of its list so.
    pub(super) fn item_named(&self, node: &Node, outer: &[String], of: &[String]) -> bool {
        let Some(name) = node.text() else { return true };
        let mut chars = name.chars();
        let good = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_') && chars.all(|c| c.is_alphanumeric() || c == '_');
        let entity = of.iter().find(|e| self.entities.get(*e).is_some_and(|e| names::field(e, name).is_some()));
        let what = if !good {
            t::LET_NAME.with([name.into()])
        } else if RESERVED.contains(&name) || ["vars", "round", "run", "answer"].contains(&name) {
            t::RESERVED_NAME.with([name.into()])
        } else if outer.iter().any(|o| o == name) {
            f::ITEM_TWICE.with([name.into()])
        } else if self.constants.contains_key(name) {
            t::HIDES_CONSTANT.with([name.into()])
        } else if let Some(entity) = entity {
            t::HIDES_FIELD.with([name.into(), entity.as_str().into()])
        } else {
            return true;
        };
        self.sink.add(Problem::new(node.at, what).help(t::LET_OTHER_NAME.with([])));
        false
    }
}
