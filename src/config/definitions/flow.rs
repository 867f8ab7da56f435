//! Flows and their steps.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::super::catalogue as t;
use super::super::grammar::is_id;
use super::super::problem::Problem;
use super::super::scalar;
use super::super::tree::Node;
use super::rule::deliver;
use super::{Compiler, Item, told};
use crate::engine::definition::{Flow, Step, StepKind};
use crate::engine::gate::Gates;
use crate::engine::trigger::Trigger;

impl Compiler<'_> {
    pub(super) fn flow(&self, item: Item<'_>) -> Option<Flow> {
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
        let steps = self.steps(node.get("steps").map(Node::items).unwrap_or_default(), &of);
        let calendar = self.calendar_key(node);
        let mut flow = Flow {
            id: item.id.to_owned(),
            title: node.text_at("title").map(str::to_owned),
            hash: String::new(),
            when: when.unwrap_or(Some(Vec::new()))?,
            lets: lets?,
            condition: condition.flatten(),
            record: record.flatten(),
            steps: steps?,
            calendar,
            deliver: deliver(node),
            enabled: node.get("enabled").and_then(scalar::boolean).unwrap_or(true),
            recall: true,
            ..Flow::default()
        }
        .linked();
        flow.hash = hash(&flow)?;
        Some(flow)
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

    fn steps(&self, nodes: &[Node], of: &[String]) -> Option<Vec<Step>> {
        let mut ids: BTreeSet<String> = BTreeSet::new();
        let mut places = std::collections::HashMap::new();
        let mut steps = Vec::new();
        for (n, node) in nodes.iter().enumerate() {
            let id = node.text_at("id").map_or_else(|| format!("s{}", n + 1), str::to_owned);
            let at = node.get("id").map_or(node.at, |i| i.at);
            if !is_id(&id) {
                self.sink.say(at, &t::BAD_ID, [id.as_str().into(), "".into()]);
            }
            if let Some(first) = places.insert(id.clone(), at) {
                let problem = Problem::new(at, t::TWICE.with([(&t::K_STEP).into(), id.as_str().into()]));
                self.sink.add(problem.also(first, t::FIRST_HERE.with([])));
            }
            steps.push(self.step(node, id.clone(), of, &ids));
            ids.insert(id);
        }
        steps.into_iter().collect()
    }

    fn step(&self, node: &Node, id: String, of: &[String], before: &BTreeSet<String>) -> Option<Step> {
        let names = self.known(of, Some(before));
        let condition = node.get("if").map(|n| self.condition(n, &names));
        let kind = match node.get("wait") {
            Some(wait) => self.span(wait).map(StepKind::Wait),
            None => self.action(node, of, Some(before)).map(StepKind::Do),
        };
        Some(Step {
            id,
            title: None,
            condition: condition.flatten(),
            kind: kind?,
            next: None,
            inside: None,
            aside: None,
            scope: None,
            within: None,
            late: Vec::new(),
            retry: None,
            on_error: None,
            undo: Vec::new(),
            verify: None,
            any_time: false,
        })
    }
}

/// Over what a flow compiles to: a comment changes nothing, another default connection does.
fn hash(flow: &Flow) -> Option<String> {
    let text = serde_json::to_string(flow).ok()?;
    Some(super::super::digest::hex(Sha256::digest(text.as_bytes()).as_slice()))
}
