//! Flows: what starts them, what ends them, and their steps as a graph.
//!
//! [`layout`] puts all steps into one list, [`jump`] finds what jumps lead to, [`reach`] what may come after what; then each step is
//! compiled knowing what it can see ([`steps`], [`wait`], [`people`]); [`refuse`] tells of ways and [`fit`] of
//! keys that cannot be meant.

mod fit;
mod jump;
mod laid;
mod layout;
mod people;
mod reach;
mod refuse;
mod steps;
mod wait;
mod whole;

#[cfg(test)]
mod tests;

use sha2::{Digest, Sha256};

use super::rule::deliver;
use super::{Compiler, Item, told};
use crate::config::catalogue as t;
use crate::config::digest::hex;
use crate::config::scalar;
use crate::config::tree::Node;
use crate::engine::definition::{FORMAT, Flow, Step};
use crate::engine::gate::Gates;
use crate::engine::trigger::Trigger;
use layout::Layout;
use reach::Graph;

impl<'n> Compiler<'n> {
    pub(super) fn flow(&self, item: Item<'n>) -> Option<Flow> {
        let node = item.node;
        if told(node) {
            return None;
        }
        self.windows(node);
        let when = node.get("when").map(|w| self.triggers(item, w));
        let record = node.get("record").map(|r| self.entity_name(r));
        let of = match &record {
            Some(entity) => entity.iter().cloned().collect(),
            None => when.iter().flatten().map(|w| self.entities_of(w)).next().unwrap_or_default(),
        };
        if let Some(Some(about)) = &record {
            self.woken_by(node, about);
        }
        let lets = self.read_lets(node, &of);
        let condition = node.get("if").map(|n| self.condition(n, &self.known(&of, None)));
        self.forget_lets();
        let once_per = node.get("once_per").and_then(|n| self.value_of(n, &self.known(&of, None)));
        let graph = self.graph(item, &of)?;
        let steps: Vec<Option<Step>> = (0..graph.layout.steps.len()).map(|at| self.step(&graph, at)).collect();
        self.refuse(&graph, node);
        let flow = Flow {
            id: item.id.to_owned(),
            title: node.text_at("title").map(str::to_owned),
            format: FORMAT,
            when: when.unwrap_or(Some(Vec::new()))?,
            lets: lets?,
            condition: condition.flatten(),
            record: record.flatten(),
            once_per,
            calendar: self.calendar_key(node),
            deliver: deliver(node),
            enabled: node.get("enabled").and_then(scalar::boolean).unwrap_or(true),
            ..self.of_runs(&graph, node, &of)
        };
        let mut flow = Flow { steps: steps.into_iter().collect::<Option<_>>()?, ..flow };
        flow.hash = hash(&flow)?;
        Some(flow)
    }

    /// All steps in their places, and the ways between them; none where there are too many.
    fn graph(&self, item: Item<'n>, of: &[String]) -> Option<Graph<'n>> {
        let layout = Some(Layout::new(self, item.id, item.node, of)).filter(|l| !l.full)?;
        let (goes, returns) = (jump::goes(self, &layout), jump::returns(self, &layout));
        let said = item.node.get("reroute").map(Node::one_or_more).unwrap_or_default();
        let reroutes = said.iter().map(|n| jump::reroute(self, &layout, n.get("back_to")?)).collect();
        Some(Graph::new(layout, goes, returns, reroutes))
    }

    /// What keeps a flow from starting and its messages from leaving.
    pub(super) fn flow_gates(&self, item: Item<'_>) -> Gates {
        self.gates(item.node, &[])
    }

    /// Each trigger of a flow about an entity that is about another one.
    fn woken_by(&self, node: &Node, about: &str) {
        for trigger in node.get("when").map(Node::one_or_more).unwrap_or_default() {
            let name = match trigger.get("changed") {
                Some(field) => field.text().and_then(|f| f.split_once('.')).map(|(entity, _)| vec![entity.to_owned()]),
                None => trigger.text().map(|pattern| self.entities_of(&[Trigger::Event(pattern.to_owned())])),
            };
            let Some(others) = name.filter(|o| o.iter().all(|e| e != about && self.entities.contains_key(e))) else { continue };
            if let [other, ..] = &others[..] {
                let event = trigger.get("changed").unwrap_or(trigger);
                let said = event.text().unwrap_or_default();
                self.sink.say(event.at, &t::EVENT_OF_OTHER, [said.into(), other.as_str().into(), about.into()]);
            }
        }
    }
}

/// Over what a flow compiles to: a comment changes nothing, another default connection does.
fn hash(flow: &Flow) -> Option<String> {
    let text = serde_json::to_string(flow).ok()?;
    Some(hex(Sha256::digest(text.as_bytes()).as_slice()))
}
