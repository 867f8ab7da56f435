//! From validated trees to `Definitions`: what refers to something is looked up, conditions and templates are compiled.
//!
//! Every function reads on after a problem; a `None` means that one was told. Shapes were checked by [`super::grammar`] before.

mod action;
mod assigned;
mod calendar;
mod compared;
mod decided;
mod entity;
mod event;
mod expectation;
mod flow;
mod form;
mod gate;
mod given;
mod message;
mod named;
mod people;
mod proxy;
mod rule;
mod scenario;
mod schedule;
mod term;
mod who;
mod window;

pub(super) use gate::{hours, limit};
pub(super) use message::PLAIN_HTTP;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::catalogue as t;
use super::grammar::said;
use super::names::{Calendars, Known, Sight};
use super::problem::{At, Problem, Sink};
use super::scalar::nearest;
use super::scenario::Test;
use super::text::Text;
use super::tree::{Kind, Node};
use crate::engine::definition::{Connection, ConnectionKind, Definitions, Flow, Form, Person, Team, Zone};
use crate::engine::entity::Entity;
use crate::engine::gate::{Hours, Limit};
use crate::engine::lookup::Table;
use crate::engine::schedule::{Schedule, Schedules};
use crate::engine::value::Map;

/// What `config.yaml` says that the definitions refer to.
pub(super) struct Surroundings<'a> {
    pub(super) zone: TimeZone,
    pub(super) lang: String,
    /// Overrides of constants.
    pub(super) constants: Vec<(String, At, Node)>,
    /// `calendar:`
    pub(super) calendar: Option<Node>,
    pub(super) connections: &'a BTreeMap<String, Connection>,
    /// When messages are held.
    pub(super) quiet: Option<Hours>,
    /// How much marketing mail an address gets.
    pub(super) marketing: Option<Limit>,
    /// HTTP connections without a `base`.
    pub(super) baseless: BTreeSet<String>,
    /// Ids of the sources.
    pub(super) sources: BTreeSet<String>,
    /// Patterns of the events that sources tell.
    pub(super) events: Vec<String>,
    /// `config.yaml` could not be read in full: what it lacks is not missed.
    pub(super) vague: bool,
}

/// The sections of a file, in the order in which they are compiled; with the word for one item.
pub(super) const SECTIONS: &[(&str, (&str, &str))] = &[
    ("constants", ("the constant", "常量")),
    ("entities", ("the entity", "实体")),
    ("people", ("the person", "人员")),
    ("teams", ("the team", "团队")),
    ("tables", ("the table", "表")),
    ("templates", ("the template", "模板")),
    ("forms", ("the form", "表单")),
    ("calendars", ("the calendar", "工作日历")),
    ("actions", ("the action", "动作")),
    ("rules", ("the rule", "规则")),
    ("flows", ("the flow", "流程")),
    (TESTS, ("the test", "测试")),
];

/// The section that no decision depends on.
pub(super) const TESTS: &str = "tests";

/// One item of a section.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) id: &'a str,
    pub(super) at: At,
    pub(super) node: &'a Node,
}

/// All items of all files, by section, in the order of files and lines.
pub(super) type Items<'a> = HashMap<&'static str, Vec<Item<'a>>>;

/// Gathers the items; an id that is defined twice is told with both places.
pub(super) fn collect<'a>(files: &[&'a Node], sink: &Sink) -> Items<'a> {
    let mut items = Items::new();
    for (section, what) in SECTIONS {
        let mut seen: HashMap<&str, At> = HashMap::new();
        let list = items.entry(section).or_default();
        for file in files {
            let sections = file.entries().iter().filter(|e| e.key == *section);
            for entry in sections.flat_map(|e| e.value.entries()) {
                if let Some(first) = seen.get(entry.key.as_str()) {
                    let problem = Problem::new(entry.at, t::TWICE.with([said(what).into(), entry.key.as_str().into()]));
                    sink.add(problem.also(*first, t::FIRST_HERE.with([])));
                    continue;
                }
                seen.insert(&entry.key, entry.at);
                list.push(Item { id: &entry.key, at: entry.at, node: &entry.value });
            }
        }
    }
    items
}

/// Compiles all items. Whether the result may be used, the sink says.
pub(super) fn compile(
    items: &Items<'_>,
    around: &Surroundings<'_>,
    texts: &[Text],
    (lost, tables): (bool, BTreeMap<String, Table>),
    sink: &Sink,
) -> (Definitions, Vec<Test>) {
    let ids = |section: &str| items.get(section).into_iter().flatten().map(|i| i.id.to_owned()).collect::<BTreeSet<_>>();
    let mut with = Compiler {
        texts,
        sink,
        around,
        lost,
        entities: BTreeMap::new(),
        vague: BTreeSet::new(),
        tables,
        named: named::Named::default(),
        constants: Map::new(),
        people: BTreeMap::new(),
        teams: BTreeMap::new(),
        known_tables: ids("tables"),
        templates: ids("templates"),
        flows: ids("flows"),
        steps: None,
        bodies: items["flows"].iter().map(|i| (i.id, i.node)).collect(),
        forms: BTreeMap::new(),
        rules: ids("rules"),
        calendars: Calendars::default(),
        events: emitted(items),
        about: about(items),
        letting: RefCell::default(),
        schedules: RefCell::new(Vec::new()),
        guests: RefCell::default(),
    };
    with.read_entities(&items["entities"]);
    with.read_constants(&items["constants"]);
    with.read_people(&items["people"]);
    with.read_teams(&items["teams"]);
    with.read_forms(&items["forms"]);
    let calendars = with.read_calendars(&items["calendars"]);
    let templates = with.read_templates(&items["templates"]);
    gate::former_ids(items, sink);
    with.read_named(&items["actions"]);
    let warned = |i: &Item<'_>| {
        let rule = with.rule(*i);
        let gates = rule.as_ref().map(|r| r.gates.clone()).unwrap_or_default();
        [rule, with.warning(*i, gates)]
    };
    let rules = items["rules"].iter().flat_map(warned).flatten().collect();
    let flows: BTreeMap<String, Arc<Flow>> =
        items["flows"].iter().filter_map(|i| with.flow(*i)).map(|f| (f.id.clone(), f.into())).collect();
    // Where a flow could not be read, its steps are not missed.
    let ids = |flow: &Arc<Flow>| flow.steps.iter().map(|s| s.id.clone()).collect::<Vec<_>>();
    with.steps = (flows.len() == items["flows"].len()).then(|| flows.values().flat_map(ids).collect());
    let flow_gates = items["flows"].iter().map(|i| (i.id.to_owned(), with.flow_gates(*i))).collect();
    let tests = items[TESTS].iter().filter_map(|i| with.test(*i)).collect();
    let schedules = with.schedules.take();
    let mut definitions = Definitions {
        zone: Zone(around.zone.clone()),
        lang: around.lang.clone(),
        constants: with.constants,
        calendars,
        calendar: with.calendars.usual,
        calendars_used: with.calendars.used.into_inner(),
        entities: with.entities,
        people: with.people,
        teams: with.teams,
        rules,
        flows,
        flow_gates,
        quiet: around.quiet.clone(),
        marketing: around.marketing.clone(),
        tables: with.tables,
        forms: with.forms,
        templates,
        connections: around.connections.clone(),
        ..Definitions::default()
    };
    definitions.schedules = Schedules::new(schedules, &definitions);
    (definitions, tests)
}

/// Names of the events that rules and flows emit.
fn emitted(items: &Items<'_>) -> BTreeSet<String> {
    fn walk(node: &Node, found: &mut BTreeSet<String>) {
        for entry in node.entries() {
            if entry.key == "emit" {
                found.extend(entry.value.text().or(entry.value.text_at("event")).map(str::to_owned));
            }
            if entry.key == "run" {
                // What is given for a parameter may be the name of an event.
                let given = entry.value.entries().iter().flat_map(|e| e.value.entries());
                found.extend(given.filter_map(|e| e.value.text().map(str::to_owned)));
            }
            walk(&entry.value, found);
        }
        node.items().iter().for_each(|i| walk(i, found));
    }
    let mut found = BTreeSet::new();
    ["rules", "flows", "actions"].iter().flat_map(|s| &items[s]).for_each(|i| walk(i.node, &mut found));
    found
}

/// The entities that flows name under `record:`.
fn about(items: &Items<'_>) -> BTreeMap<String, String> {
    items["flows"].iter().filter_map(|i| Some((i.id.to_owned(), i.node.text_at("record")?.to_owned()))).collect()
}

/// What compiling needs to know, filled section by section.
struct Compiler<'a> {
    texts: &'a [Text],
    sink: &'a Sink,
    around: &'a Surroundings<'a>,
    /// A file could not be read at all: what is not found may be in there.
    lost: bool,
    entities: BTreeMap<String, Entity>,
    /// Entities that could not be read in full.
    vague: BTreeSet<String>,
    /// Those that could be read.
    tables: BTreeMap<String, Table>,
    constants: Map,
    people: BTreeMap<String, Person>,
    teams: BTreeMap<String, Team>,
    named: named::Named,
    /// All of them.
    known_tables: BTreeSet<String>,
    templates: BTreeSet<String>,
    flows: BTreeSet<String>,
    /// The ids of their steps, once all of them are compiled.
    steps: Option<BTreeSet<String>>,
    /// What stands under each of them.
    bodies: BTreeMap<&'a str, &'a Node>,
    forms: BTreeMap<String, Form>,
    rules: BTreeSet<String>,
    calendars: Calendars,
    events: BTreeSet<String>,
    /// The entity that a flow says it is about.
    about: BTreeMap<String, String>,
    /// The names that the rule or flow in question gives to values.
    letting: RefCell<window::Letting>,
    /// What rules and flows wait for when they wait for a time.
    schedules: RefCell<Vec<Schedule>>,
    /// People whom the test at hand is given.
    guests: RefCell<BTreeSet<String>>,
}

impl<'a> Compiler<'a> {
    fn known<'b>(&'b self, of: &'b [String], steps: Option<&'b Sight>) -> Known<'b> {
        let of: Vec<&str> = of.iter().map(String::as_str).collect();
        let vague = self.lost || if of.is_empty() { !self.vague.is_empty() } else { of.iter().any(|e| self.vague.contains(*e)) };
        let lets = self.letting.borrow().names.clone();
        Known { entities: &self.entities, constants: &self.constants, of, steps, vague, calendars: &self.calendars, lets }
    }

    /// Tells that something is not there, with the nearest that is.
    fn missing<'b>(&self, at: At, text: &'static t::Text, name: &str, known: impl IntoIterator<Item = &'b str>) {
        if !self.lost {
            let near = nearest(name, known).map(|n| t::DID_YOU_MEAN.with([n.into()]));
            self.sink.add(Problem::new(at, text.with([name.into()])).help(near));
        }
    }

    /// The name, if there is an entity of that name.
    fn entity_name(&self, node: &Node) -> Option<String> {
        let name = node.text()?;
        if self.entities.contains_key(name) {
            return Some(name.to_owned());
        }
        self.missing(node.at, &t::UNKNOWN_ENTITY, name, self.entities.keys().map(String::as_str));
        None
    }

    fn person_name(&self, node: &Node) -> Option<String> {
        let name = node.text()?;
        self.person_exists(node.at, name).then(|| name.to_owned())
    }

    fn person_exists(&self, at: At, name: &str) -> bool {
        let there = self.people.contains_key(name) || self.guests.borrow().contains(name);
        if !there {
            self.missing(at, &t::UNKNOWN_PERSON, name, self.people.keys().map(String::as_str));
        }
        there
    }

    fn team_exists(&self, at: At, name: &str) -> bool {
        let there = self.teams.contains_key(name);
        if !there {
            self.missing(at, &t::UNKNOWN_TEAM, name, self.teams.keys().map(String::as_str));
        }
        there
    }

    fn flow_name(&self, node: &Node) -> Option<String> {
        let name = node.text()?;
        if self.flows.contains(name) {
            return Some(name.to_owned());
        }
        self.missing(node.at, &t::UNKNOWN_FLOW, name, self.flows.iter().map(String::as_str));
        None
    }

    fn template_name(&self, node: &Node) -> Option<String> {
        let name = node.text()?;
        if self.templates.contains(name) {
            return Some(name.to_owned());
        }
        self.missing(node.at, &t::UNKNOWN_TEMPLATE, name, self.templates.iter().map(String::as_str));
        None
    }

    /// The connection an action names, or the one that goes without saying: the only one of its kind, or the usual one.
    fn connection(&self, action: &Node, key: &str, kind: ConnectionKind, usual: &str) -> Option<String> {
        let all = &self.around.connections;
        if let Some(node) = action.get(key) {
            let name = node.text()?;
            return match all.get(name) {
                Some(c) if c.kind == kind => Some(name.to_owned()),
                Some(c) => {
                    self.sink.say(node.at, &t::WRONG_CONNECTION, [name.into(), word(c.kind).into(), word(kind).into()]);
                    None
                }
                None if self.around.vague => None,
                None => {
                    let same = all.iter().filter(|(_, c)| c.kind == kind).map(|(id, _)| id.as_str());
                    self.missing(node.at, &t::UNKNOWN_CONNECTION, name, same);
                    None
                }
            };
        }
        let of_kind: Vec<&String> = all.iter().filter(|(_, c)| c.kind == kind).map(|(id, _)| id).collect();
        match of_kind[..] {
            [only] => return Some(only.clone()),
            _ if of_kind.iter().any(|id| *id == usual) => return Some(usual.to_owned()),
            _ => {}
        }
        if !self.around.vague {
            let there = match of_kind.is_empty() {
                true => (&t::NONE).into(),
                false => super::grammar::list(of_kind.iter().map(|s| s.as_str())).into(),
            };
            let problem = Problem::new(action.at, t::NO_CONNECTION.with([word(kind).into()]));
            self.sink.add(problem.help(t::NO_CONNECTION_HELP.with([key.into(), there])));
        }
        None
    }

    /// Where an item stands: `rules/sales.yaml:12`.
    fn place(&self, at: At) -> String {
        format!("{}:{}", self.texts.get(at.file).map_or("", |t| t.place.as_str()), at.line)
    }
}

/// A connection's kind as YAML says it.
pub(super) fn word(kind: ConnectionKind) -> &'static str {
    match kind {
        ConnectionKind::Smtp => "smtp",
        ConnectionKind::Http => "http",
        ConnectionKind::Dingtalk => "dingtalk",
        ConnectionKind::Wecom => "wecom",
    }
}

/// Whether nothing more is to be said about a node.
fn told(node: &Node) -> bool {
    matches!(node.kind, Kind::Broken | Kind::Empty)
}
