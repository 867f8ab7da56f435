//! What the YAML compiles to: everything `decide` goes by. Built by `config/`, never changed afterwards.
//!
//! [`Flow`] and what it holds is also a stored format: runs are pinned to the graph they began with.

mod action;
mod flow;
mod task;

pub use action::*;
pub use flow::*;
pub use task::*;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::binding::{Bound, Let};
use super::calendar::Calendar;
use super::call::Retry;
use super::entity::{Entity, FieldKind};
use super::expression::Expr;
use super::gate::{Gates, Hours, Limit};
use super::schedule::Schedules;
use super::trigger::{Index, Trigger};
use super::value::Map;
use super::window::Windows;

/// The compiled definitions of one reload.
#[derive(Debug, Clone, Default)]
pub struct Definitions {
    /// Over every file they were read from; log lines and events say which definitions decided them.
    pub hash: String,
    /// In which zone days begin and times without one are read.
    pub zone: Zone,
    /// The language of messages and, where nothing else is said, of templates: `zh`, `en`.
    pub lang: String,
    /// Named values.
    pub constants: Map,
    /// Working time, by id; those that are shipped are among them.
    pub calendars: BTreeMap<String, Arc<Calendar>>,
    /// The calendar that is meant where none is named.
    pub calendar: String,
    /// Those of them that are written in the definitions, or that something there goes by.
    pub calendars_used: BTreeSet<String>,
    /// Kinds of records, by id.
    pub entities: BTreeMap<String, Entity>,
    /// By id.
    pub people: BTreeMap<String, Person>,
    /// By id.
    pub teams: BTreeMap<String, Team>,
    /// In the order in which they are decided: priority (highest first), file, position.
    pub rules: Vec<Rule>,
    /// By id.
    pub flows: BTreeMap<String, Arc<Flow>>,
    /// What keeps flows from starting and their messages from leaving, by id; not pinned: it counts as it is now.
    pub flow_gates: BTreeMap<String, Gates>,
    /// Where in `rules` those stand that are re-armed; made by [`Definitions::seal`].
    pub rearming: Vec<usize>,
    /// When messages are held unless a rule or flow says otherwise.
    pub quiet: Option<Hours>,
    /// How much marketing mail an address gets.
    pub marketing: Option<Limit>,
    /// What conditions look up, by id.
    pub tables: BTreeMap<String, super::lookup::Table>,
    /// Forms, by id.
    pub forms: BTreeMap<String, Form>,
    /// Mail templates, by id.
    pub templates: BTreeMap<String, MailTemplate>,
    /// What the engine must know of the connections, by id.
    pub connections: BTreeMap<String, Connection>,
    /// What is driven by time, of rules and flows that are enabled.
    pub schedules: Schedules,
    /// How late what a source tells about records of an entity may be.
    pub lateness: BTreeMap<String, SignedDuration>,
    /// Finds the rules and flows of an event; made by [`Definitions::seal`].
    pub index: Index,
    /// What is counted and summed for them; made by [`Definitions::seal`].
    pub windows: Windows,
    /// A mistake that the simulation has planted.
    #[cfg(debug_assertions)]
    pub planted: Option<super::planted::Bug>,
}

/// A time zone that defaults to China's.
#[derive(Debug, Clone)]
pub struct Zone(pub TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::get("Asia/Shanghai").unwrap_or(TimeZone::UTC))
    }
}

impl Definitions {
    /// Sorts the rules into their order and builds the index; to be called once everything is in.
    pub fn seal(mut self) -> Self {
        self.rules.sort_by_key(|r| std::cmp::Reverse(r.priority)); // stable: file and position stay
        self.index = Index::new(&self.rules, &self.flows);
        let rearming = |rule: &Rule| rule.enabled && rule.gates.once.as_ref().is_some_and(|o| o.rearm.is_some());
        self.rearming = (0..self.rules.len()).filter(|at| rearming(&self.rules[*at])).collect();
        let rules = self.rules.iter().filter(|r| r.enabled).flat_map(|r| &r.lets);
        let lets = rules.chain(self.flows.values().filter(|f| f.enabled).flat_map(|f| &f.lets));
        self.windows = Windows::new(lets.filter_map(|l| if let Bound::Window(window, _) = &l.is { Some(window) } else { None }));
        self
    }

    /// The calendar of that name; without a name, the one that is meant then. `None`: there is none of that name (any more).
    pub fn calendar(&self, name: Option<&str>) -> Option<&Arc<Calendar>> {
        self.calendars.get(name.unwrap_or(&self.calendar))
    }
}

/// A rule.
#[derive(Debug, Default, Clone)]
pub struct Rule {
    /// Its key in `rules:`.
    pub id: String,
    /// For people.
    pub title: Option<String>,
    /// Where it stands: `rules/sales.yaml:12`.
    pub place: String,
    /// Any of them wakes it.
    pub when: Vec<Trigger>,
    /// Names for values, in their order.
    pub lets: Vec<Let>,
    /// Must hold; none: always.
    pub condition: Option<Expr>,
    /// Done when it holds.
    pub then: Vec<Action>,
    /// Done when it does not.
    pub otherwise: Vec<Action>,
    /// Higher goes first; 0 unless said.
    pub priority: i64,
    /// Having fired, keeps later rules from this event.
    pub stop: bool,
    /// `false`: never woken.
    pub enabled: bool,
    /// On which working time is measured; the usual one unless said.
    pub calendar: Option<String>,
    /// What keeps it from firing.
    pub gates: Gates,
    /// Whether what leaves really leaves.
    pub deliver: Deliver,
}

/// Whether messages leave or are only shown in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deliver {
    /// They leave.
    #[default]
    Live,
    /// They are shown in the log.
    Preview,
}

/// Someone who owns records, is told things, decides.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Person {
    /// Shown: 张三.
    pub name: String,
    /// For mail.
    pub email: Option<String>,
    /// For robots' mentions.
    pub mobile: Option<String>,
    /// Their DingTalk user id.
    pub dingtalk: Option<String>,
    /// Their WeCom user id.
    pub wecom: Option<String>,
    /// Another person's id.
    pub manager: Option<String>,
    /// Roles: `director`, `finance`.
    pub roles: Vec<String>,
    /// Connections by which to reach them, best first.
    pub channels: Vec<String>,
    /// `false`: is assigned nothing.
    pub active: bool,
    /// Sessions that began before then count no more: a phone was lost.
    pub signed_out: Option<Timestamp>,
    /// 委托: who decides instead, and when.
    pub proxies: Vec<Proxy>,
}

/// `proxy: { who: 李四, from: 2026-10-01, until: 2026-10-08 }`
#[derive(Debug, Clone, PartialEq)]
pub struct Proxy {
    /// Who stands in.
    pub who: String,
    /// Not before.
    pub from: Option<Timestamp>,
    /// From then on no more.
    pub until: Option<Timestamp>,
}

/// What an `ask` asks for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Form {
    /// Shown.
    pub title: String,
    /// In order.
    pub fields: Vec<FormField>,
}

/// One question of a form.
#[derive(Debug, Clone, PartialEq)]
pub struct FormField {
    /// Its name in the answers.
    pub name: String,
    /// Shown; the name unless said.
    pub label: String,
    /// What it holds.
    pub kind: FieldKind,
    /// Must be answered.
    pub required: bool,
}

/// People who share work.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Team {
    /// Shown.
    pub title: Option<String>,
    /// People's ids in their turn.
    pub members: Vec<String>,
}

/// What the engine must know of a connection; the rest (addresses, secrets) is the channel's.
#[derive(Debug, Clone, PartialEq)]
pub struct Connection {
    /// Of which kind.
    pub kind: ConnectionKind,
    /// Whether messages leave.
    pub deliver: Deliver,
    /// At most so many attempts in so long.
    pub rate: Option<Rate>,
    /// Waits between attempts.
    pub retry: Vec<Retry>,
    /// Attempts at the same time.
    pub concurrency: u32,
}

/// The kinds of connections that perform calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionKind {
    /// Mail.
    Smtp,
    /// HTTP.
    Http,
    /// A DingTalk group robot.
    Dingtalk,
    /// A WeCom group robot.
    Wecom,
}

impl Rate {
    /// The same pace in windows of at most 100, since a budget remembers every attempt of its window: 20,000 an hour are 100
    /// in 18 seconds, which never exceeds what was said.
    pub fn smoothed(self) -> Self {
        let parts = self.count.div_ceil(100).max(1);
        let per = self.per.checked_div(i32::try_from(parts).unwrap_or(i32::MAX)).unwrap_or(self.per);
        Self { count: (self.count / parts).max(1), per }
    }
}

/// A sliding budget: `20 per minute` is 20 in any 60 seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long.
    pub per: SignedDuration,
}
