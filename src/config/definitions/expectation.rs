//! What tests expect: every name in it is looked up, so that a slip in `never:` cannot pass for a success.

use super::super::catalogue as t;
use super::super::scalar;
use super::super::scenario::{Expectation, How, Member, Thing};
use super::super::table::scenario::THINGS;
use super::super::tree::{Entry, Kind, Node};
use super::Compiler;
use crate::engine::log::Outcome;
use crate::engine::value::Value;

/// Members under their names, so that what is compared later needs no copies of them.
const MEMBERS: &[&str] = &[
    "id",
    "branch",
    "record",
    "rule",
    "flow",
    "to",
    "team",
    "from",
    "pool",
    "event",
    "data",
    "text",
    "until",
    "subject",
    "html",
    "connection",
    "robot",
    "title",
    "at",
    "method",
    "url",
    "json",
    "form",
    "who",
    "action",
    "reason",
    "error",
    "code",
    "step",
    "decision",
    "way",
    "comment",
    "for",
    "due",
    "as",
];

impl Compiler<'_> {
    pub(super) fn expectations(&self, node: Option<&Node>) -> Vec<Expectation> {
        node.map(Node::items).unwrap_or_default().iter().filter_map(|n| self.expectation(n)).flat_map(each).collect()
    }

    fn expectation(&self, node: &Node) -> Option<Expectation> {
        let named = |word: &&&str| node.text() == Some(word) || node.has(word);
        let word = *THINGS.iter().find(named)?;
        let members = match node.get(word) {
            Some(value) => self.members(word, value)?,
            None => Vec::new(),
        };
        let times = node.get("times").and_then(scalar::count).and_then(|n| u32::try_from(n).ok());
        Some(Expectation { place: self.spot(node.at), word, thing: thing(word), members, times })
    }

    fn members(&self, word: &'static str, value: &Node) -> Option<Vec<Member>> {
        let is = |name, value| Some(vec![Member { name, value, how: How::Is }]);
        match (word, &value.kind) {
            ("tag" | "untag", _) => {
                let tags = value.one_or_more().iter().filter_map(Node::text).map(Value::from).collect();
                Some(vec![Member { name: "tags", value: Value::List(tags), how: How::All }])
            }
            ("set", _) => {
                value.entries().iter().try_for_each(|e| self.any_field(e))?;
                is("fields", scalar::value(value))
            }
            ("create", Kind::Map(entries)) => {
                let [entry] = &entries[..] else {
                    self.sink.say(value.at, &t::CREATE_ONE, []);
                    return None;
                };
                if !self.entities.contains_key(&entry.key) {
                    self.missing(entry.at, &t::UNKNOWN_ENTITY, &entry.key, self.entities.keys().map(String::as_str));
                    return None;
                }
                let fields: Vec<_> = entry.value.entries().iter().map(|e| self.kept(&entry.key, e)).collect();
                let fields = Value::Map(fields.into_iter().collect::<Option<_>>()?);
                let entity = Member { name: "entity", value: entry.key.as_str().into(), how: How::Is };
                Some(vec![entity, Member { name: "fields", value: fields, how: How::Is }])
            }
            (_, Kind::Map(entries)) => entries.iter().map(|e| self.member(word, e)).collect(),
            // What it is about goes without saying.
            (_, Kind::Scalar(text, _)) => {
                let name = match word {
                    "rule" => "id",
                    "assign" | "email" => "to",
                    "release" => "pool",
                    "emit" => "event",
                    "log" | "dingtalk" | "wecom" => "text",
                    "start" | "wait" | "end" => "flow",
                    "http" => "url",
                    "notify" | "approve" | "ask" | "decide" | "remind" | "transfer" | "delegate" | "add" | "remove"
                    | "recall" => "who",
                    "escalate" => "to",
                    "back" => "to",
                    "undo" => "step",
                    "refused" => "code",
                    "quarantined" => "error",
                    _ => "by",
                };
                self.checked_member(word, name, value, text)?;
                Some(vec![Member { name, value: text.as_str().into(), how: how(name) }])
            }
            _ => None,
        }
    }

    fn member(&self, word: &str, entry: &Entry) -> Option<Member> {
        let name = *MEMBERS.iter().find(|m| **m == entry.key)?;
        let node = &entry.value;
        if matches!(name, "until" | "due") {
            return Some(Member { name, value: self.moment(node)?.into(), how: How::Is });
        }
        if name == "at" {
            let all = node.one_or_more().iter().filter_map(Node::text).map(Value::from).collect();
            return Some(Member { name, value: Value::List(all), how: How::All });
        }
        let value = match node.text() {
            Some(text) => {
                self.checked_member(word, name, node, text)?;
                // A text is compared as it reads: `to: 13800138000` is no number.
                if matches!(name, "json" | "data") { scalar::value(node) } else { text.into() }
            }
            None => {
                let all = if PEOPLE.contains(&name) { node.items() } else { &[] };
                all.iter().try_for_each(|n| n.text().map_or(Some(()), |text| self.checked_member(word, name, n, text)))?;
                scalar::value(node)
            }
        };
        Some(Member { name, value, how: how(name) })
    }

    /// Whether what a member names is there.
    fn checked_member(&self, word: &str, name: &str, node: &Node, text: &str) -> Option<()> {
        let ok = match name {
            "to" | "from" if matches!(word, "transfer" | "delegate" | "add" | "remove" | "escalate") => {
                self.person_exists(node.at, text)
            }
            "to" | "from" if matches!(word, "decide" | "back" | "undo") => self.step_of_a_flow(node).is_some(),
            "step" => self.step_of_a_flow(node).is_some(),
            "for" => self.person_exists(node.at, text),
            "id" | "rule" => self.test_rule(node, text),
            "flow" => self.flow_name(node).is_some(),
            "team" => self.team_exists(node.at, text),
            "who" => self.person_exists(node.at, text),
            "connection" | "robot" => self.test_connection(node).is_some(),
            "record" => self.record_ref(node.at, text).is_some(),
            "by" => self.doer(node, text),
            "action" => {
                THINGS.contains(&text)
                    || matches!(text, "record" | "run" | "read" | "quarantine" | "cascade")
                    || self.no_such(node, text, THINGS)
            }
            _ => true,
        };
        ok.then_some(())
    }

    fn test_rule(&self, node: &Node, id: &str) -> bool {
        let there = self.rules.contains(id);
        if !there {
            self.missing(node.at, &t::UNKNOWN_RULE, id, self.rules.iter().map(String::as_str));
        }
        there || self.lost
    }

    /// A rule, a flow or an action.
    fn doer(&self, node: &Node, name: &str) -> bool {
        if self.rules.contains(name) || self.flows.contains(name) || THINGS.contains(&name) || name == "record" {
            return true;
        }
        let known: Vec<&str> = self.rules.iter().chain(&self.flows).map(String::as_str).chain(THINGS.iter().copied()).collect();
        self.no_such(node, name, &known)
    }

    fn no_such(&self, node: &Node, name: &str, known: &[&str]) -> bool {
        self.missing(node.at, &t::NOBODY_DOES, name, known.iter().copied());
        self.lost
    }

    /// A field that some entity has.
    fn any_field(&self, entry: &Entry) -> Option<()> {
        let known = self.lost || !self.vague.is_empty() || self.entities.values().any(|e| e.fields.contains_key(&entry.key));
        if !known {
            let all = self.entities.values().flat_map(|e| e.fields.keys().map(String::as_str));
            self.missing(entry.at, &t::UNKNOWN_NAME, &entry.key, all);
        }
        known.then_some(())
    }
}

/// Members that name people.
const PEOPLE: &[&str] = &["who", "to", "from", "for"];

/// One that names several people means each of them.
fn each(expected: Expectation) -> Vec<Expectation> {
    let mut all = vec![expected];
    for name in PEOPLE {
        let of_one = |expected: Expectation| {
            let at = expected.members.iter().position(|m| m.name == *name);
            let people =
                at.and_then(|at| if let Value::List(people) = &expected.members[at].value { Some(people) } else { None });
            let (Some(at), Some(people)) = (at, people) else { return vec![expected] };
            let one = |person: &Value| {
                let mut one = expected.clone();
                one.members[at].value = person.clone();
                one
            };
            people.iter().map(one).collect()
        };
        all = all.into_iter().flat_map(of_one).collect();
    }
    all
}

fn thing(word: &'static str) -> Thing {
    match (word, Outcome::of(word)) {
        ("rule", _) => Thing::Rule,
        ("notify", _) => Thing::Notify,
        ("refused", _) => Thing::Refused,
        ("quarantined", _) => Thing::Quarantined,
        (_, Some(outcome)) => Thing::Outcome(outcome),
        _ => Thing::Action(word),
    }
}

fn how(name: &str) -> How {
    match name {
        "text" | "subject" | "html" | "title" | "url" | "error" | "comment" => How::Holds,
        _ => How::Is,
    }
}
