//! What people do in tests: about tasks and about runs. People, flows, steps and records are looked up; the tasks themselves are
//! found when the test is played.

use super::super::catalogue as t;
use super::super::scalar;
use super::super::scenario::{ActKind, Whose};
use super::super::table::decided::DONE;
use super::super::tree::{Entry, Node};
use super::Compiler;
use crate::engine::approval::Act;
use crate::engine::definition::Signing;
use crate::engine::flow;
use crate::engine::value::{Map, Value};

impl Compiler<'_> {
    /// Everything that one `decide` says; `None` for what is wrong.
    pub(super) fn decide(&self, node: &Node) -> Vec<Option<ActKind>> {
        let Some((word, value)) = DONE.iter().find_map(|word| Some((*word, node.get(word)?))) else { return Vec::new() };
        let each: Vec<Option<(String, Act)>> = match word {
            "approve" | "reject" | "recall" => {
                value.one_or_more().iter().map(|who| Some((self.somebody(who)?, self.alone(word, node)?))).collect()
            }
            _ => value.entries().iter().map(|entry| self.done_to(word, node, entry)).collect(),
        };
        let links: Vec<String> = node
            .get("links")
            .map(Node::one_or_more)
            .unwrap_or_default()
            .iter()
            .filter_map(|n| n.text().map(str::to_owned))
            .collect();
        let comment = node.text_at("comment").unwrap_or_default().to_owned();
        let at = self.whose(node);
        let kind = |(person, act)| {
            let (at, comment, links) = (at.clone()?, comment.clone(), links.clone());
            Some(ActKind::Decide { at, person, act, comment, links })
        };
        each.into_iter().map(|one| one.and_then(kind)).collect()
    }

    fn alone(&self, word: &str, node: &Node) -> Option<Act> {
        Some(match word {
            "approve" => Act::Approve,
            "recall" => Act::Recall,
            _ => {
                let to = match node.get("to") {
                    Some(to) => Some(self.step_of_a_flow(to)?),
                    None => None,
                };
                Act::Reject { to, here: node.text_at("then") == Some("here") }
            }
        })
    }

    /// `{ 何经理: 李四 }`: who, and to whom or what.
    fn done_to(&self, word: &str, node: &Node, entry: &Entry) -> Option<(String, Act)> {
        let person = entry.key.clone();
        self.person_exists(entry.at, &person).then_some(())?;
        let act = match word {
            "answer" => Act::Answer(scalar::value(&entry.value)),
            "transfer" => Act::Transfer(self.somebody(&entry.value)?),
            "delegate" => Act::Delegate(self.somebody(&entry.value)?),
            "remove" => Act::Remove(self.somebody(&entry.value)?),
            _ => {
                let people: Vec<_> = entry.value.one_or_more().iter().map(|n| self.somebody(n)).collect();
                let mode = match node.text_at("mode") {
                    Some("any") => Some(Signing::Any),
                    Some("sequence") => Some(Signing::Sequence),
                    _ => None,
                };
                let before = node.text_at("order") != Some("after");
                Act::Add { people: people.into_iter().collect::<Option<_>>()?, before, mode }
            }
        };
        Some((person, act))
    }

    fn somebody(&self, node: &Node) -> Option<String> {
        let name = node.text()?;
        self.person_exists(node.at, name).then(|| name.to_owned())
    }

    /// What is asked of a run; nothing for the other keys of a step.
    pub(super) fn ask_run(&self, word: &str, node: &Node) -> Option<Option<ActKind>> {
        matches!(word, "signal" | "cancel" | "recall" | "retry" | "skip" | "back").then(|| self.asked_run(word, node))
    }

    fn asked_run(&self, word: &str, node: &Node) -> Option<ActKind> {
        let mut of = self.whose(node)?;
        let mut by = String::from("test");
        // What it is about goes without saying.
        let said = |key| node.get(key).unwrap_or(node);
        let act = match word {
            "signal" => {
                let data = node.get("data").map(scalar::value).unwrap_or_else(|| Value::Map(Map::new()));
                flow::Act::Signal { name: said("name").text()?.to_owned(), data }
            }
            "recall" => {
                by = self.somebody(said("by"))?;
                flow::Act::Recall
            }
            "back" => flow::Act::Back { step: self.step_of_a_flow(said("step"))? },
            _ => {
                if node.text().is_some() {
                    of.flow = Some(self.flow_name(node)?);
                }
                match word {
                    "cancel" => flow::Act::Cancel { undo: node.get("undo").and_then(scalar::boolean).unwrap_or(false) },
                    "retry" => flow::Act::Retry,
                    _ => flow::Act::Skip,
                }
            }
        };
        if word == "back" {
            of.step = None;
        }
        Some(ActKind::Run { of, by, act })
    }

    fn whose(&self, node: &Node) -> Option<Whose> {
        let mut whose = Whose::default();
        if let Some(flow) = node.get("flow") {
            whose.flow = Some(self.flow_name(flow)?);
        }
        if let Some(record) = node.get("record") {
            whose.record = Some(self.record_ref(record.at, record.text()?)?);
        }
        if let Some(step) = node.get("step") {
            whose.step = Some(self.step_of_a_flow(step)?);
        }
        Some(whose)
    }

    /// The id of a step that some flow has.
    pub(super) fn step_of_a_flow(&self, node: &Node) -> Option<String> {
        let id = node.text()?;
        let known = self.steps.as_ref();
        if known.is_none_or(|all| all.contains(id)) {
            return Some(id.to_owned());
        }
        self.missing(node.at, &t::NO_SUCH_STEP, id, known.into_iter().flatten().map(String::as_str));
        None
    }
}
