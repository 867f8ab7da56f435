//! Triggers that are driven by time, and what stands beside them: `warn`, `existing`.

use jiff::SignedDuration;

use super::super::catalogue as t;
use super::super::grammar::list;
use super::super::locate::locate;
use super::super::names;
use super::super::problem::{Problem, Said};
use super::super::scalar::{self, nearest};
use super::super::tree::Node;
use super::{Compiler, Item};
use crate::engine::definition::{Rule, Zone};
use crate::engine::duration;
use crate::engine::entity::{Entity, FieldKind};
use crate::engine::expression::Expr;
use crate::engine::gate::Gates;
use crate::engine::schedule::cron::{Cron, CronFault};
use crate::engine::schedule::{Each, Every, Existing, FLOW, Kind, Missed, Offset, Policy, Schedule, WARN, Warn};
use crate::engine::span::Span;
use crate::engine::trigger::Trigger;

/// The shortest pause between two ticks.
const SHORTEST: SignedDuration = SignedDuration::from_secs(1);
/// What a tick may be called in the log.
const FIELD_NAMES: [(&str, &str); 5] =
    [("the minute", "分钟"), ("the hour", "小时"), ("the day of the month", "日"), ("the month", "月"), ("the weekday", "星期")];

/// Rule or flow, and which of its triggers.
#[derive(Clone, Copy)]
pub(super) struct Waiting<'a> {
    pub(super) id: &'a str,
    /// The whole rule or flow.
    pub(super) node: &'a Node,
    /// From 1.
    pub(super) place: usize,
}

impl Waiting<'_> {
    fn event(&self, kind: &str) -> String {
        self.event_of(kind, self.id)
    }

    /// A rule and a flow may have one id: each has events of its own.
    fn event_of(&self, kind: &str, id: &str) -> String {
        let flow = if self.node.has("steps") { FLOW } else { "" };
        match self.place {
            1 => format!("ifthen.{kind}.{flow}{id}"),
            n => format!("ifthen.{kind}.{flow}{id}.{n}"),
        }
    }

    /// What it said under the former ids of its rule or flow.
    fn former(&self, kind: &str) -> Vec<String> {
        let was = self.node.get("was").map(Node::one_or_more).unwrap_or_default();
        was.iter().filter_map(Node::text).map(|id| self.event_of(kind, id)).collect()
    }
}

impl Compiler<'_> {
    /// A trigger with `while`, `at`, `cron` or `every`; `None` inside: it is none of those.
    pub(super) fn timed(&self, node: &Node, waiting: Waiting<'_>) -> Option<Option<Trigger>> {
        let (word, kind) = if node.has("cron") {
            ("cron", self.cron(node, waiting))
        } else if node.has("every") {
            ("every", self.every(node, waiting))
        } else if node.has("at") {
            ("at", self.at(node))
        } else if node.has("while") || node.has("for") || node.has("record") {
            ("held", self.lasts(node, waiting))
        } else {
            return Some(None);
        };
        let existing = self.existing(waiting.node);
        let warn = waiting.node.get("warn").map(|warn| self.warn_of(warn, kind.as_ref(), waiting));
        let (kind, existing) = (kind?, existing?);
        let event = waiting.event(word);
        let trigger = Trigger::Timed { event: event.clone(), text: kind.to_string() };
        if waiting.node.get("enabled").and_then(scalar::boolean).unwrap_or(true) {
            let calendar = waiting.node.text_at("calendar").map(str::to_owned);
            let (by, former) = (waiting.id.to_owned(), waiting.former(word));
            let schedule = Schedule { event, former, by, kind, existing, calendar, warn: warn.unwrap_or(Some(None))? };
            self.schedules.borrow_mut().push(schedule);
        }
        Some(Some(trigger))
    }

    fn lasts(&self, node: &Node, waiting: Waiting<'_>) -> Option<Kind> {
        let entity = self.entity_name(node.get("record")?);
        let condition = node.get("while").and_then(|w| self.lasting(w, entity.as_deref(), waiting));
        let length = node.get("for").and_then(|n| self.span(n));
        let since: Vec<_> = match (&entity, node.get("since")) {
            (Some(entity), Some(since)) => since.one_or_more().iter().map(|n| self.time_field(n, entity)).collect(),
            _ => Vec::new(),
        };
        let since: Option<Vec<String>> = since.into_iter().collect();
        Some(Kind::Held { entity: entity?, condition: condition?, length: length?, since: since? })
    }

    /// A condition that changes of its record alone make true or false.
    fn lasting(&self, node: &Node, entity: Option<&str>, waiting: Waiting<'_>) -> Option<Expr> {
        let expr = self.of_record(node, entity, waiting)?;
        let mut right = true;
        let mut refuse = |from: usize, to: usize, what: Said, help: Said| {
            let at = self.texts.get(node.at.file).map_or(node.at, |text| locate(text, node, from, to));
            self.sink.add(Problem::new(at, what).help(help));
            right = false;
        };
        for used in expr.clocks() {
            refuse(used.at.start, used.at.end, t::WHILE_CLOCK.with([used.path[0].as_str().into()]), t::WHILE_CLOCK_HELP.with([]));
        }
        for name in expr.names() {
            let (first, record) = (name.path[0].as_str(), entity.and_then(|e| self.entities.get(e)));
            let leads = |e: &Entity| name.path.len() > 1 && matches!(names::field(e, first).as_deref(), Some(FieldKind::Ref(_)));
            if first == "event" || first == "old" {
                refuse(name.at.start, name.at.end, t::WHILE_EVENT.with([first.into()]), t::WHILE_EVENT_HELP.with([]));
            } else if record.is_some_and(leads) {
                let whole = name.path.join(".");
                refuse(name.at.start, name.at.end, t::WHILE_REFERENCE.with([whole.into()]), t::WHILE_REFERENCE_HELP.with([]));
            }
        }
        right.then_some(expr)
    }

    /// A condition about a record alone: what a rule's `let:` names does not count.
    fn of_record(&self, node: &Node, entity: Option<&str>, waiting: Waiting<'_>) -> Option<Expr> {
        let of: Vec<String> = entity.iter().map(|e| (*e).to_owned()).collect();
        let field = |name: &str| entity.and_then(|e| self.entities.get(e)).is_some_and(|e| names::field(e, name).is_some());
        let lets = waiting.node.get("let").map(Node::entries).unwrap_or_default();
        let mut known = self.known(&of, None);
        known.lets = lets.iter().map(|l| l.key.clone()).filter(|name| !field(name)).collect();
        let expr = self.condition(node, &known)?;
        let mut right = true;
        for name in expr.names().iter().filter(|n| known.lets.contains(&n.path[0])) {
            let at = self.texts.get(node.at.file).map_or(node.at, |text| locate(text, node, name.at.start, name.at.end));
            let what = t::WHILE_LET.with([name.path[0].as_str().into()]);
            self.sink.add(Problem::new(at, what).help(t::WHILE_LET_HELP.with([])));
            right = false;
        }
        right.then_some(expr)
    }

    fn at(&self, node: &Node) -> Option<Kind> {
        let entity = self.entity_name(node.get("record")?)?;
        let field = self.time_field(node.get("at")?, &entity);
        let offset = match node.get("offset") {
            None => Some(Offset { before: false, span: Span::parse("0s")? }),
            Some(n) => {
                let read = n.text().and_then(Offset::parse);
                if read.is_none() {
                    let text = n.text().unwrap_or_default();
                    self.sink.add(Problem::new(n.at, t::BAD_OFFSET.with([text.into()])).help(t::OFFSET_HELP.with([])));
                }
                read
            }
        };
        Some(Kind::At { field: field?, offset: offset?, entity })
    }

    /// A field of the entity that holds a time or a date.
    fn time_field(&self, node: &Node, entity: &str) -> Option<String> {
        let name = node.text()?;
        let found = self.entities.get(entity)?;
        match names::field(found, name).as_deref() {
            Some(FieldKind::Time | FieldKind::Date | FieldKind::Any) => Some(name.to_owned()),
            Some(_) => {
                let times = found.fields.iter().filter(|(_, f)| matches!(f.kind, FieldKind::Time | FieldKind::Date));
                let times: Vec<&str> = times.map(|(name, _)| name.as_str()).collect();
                let help = (!times.is_empty()).then(|| t::KNOWN_KEYS.with([list(times).into()]));
                self.sink.add(Problem::new(node.at, t::NOT_A_TIME.with([name.into()])).help(help));
                None
            }
            None if self.vague.contains(entity) => Some(name.to_owned()),
            None => {
                let near = nearest(name, found.fields.keys().map(String::as_str)).map(|n| t::DID_YOU_MEAN.with([n.into()]));
                self.sink.add(Problem::new(node.at, t::UNKNOWN_FIELD.with([name.into(), entity.into()])).help(near));
                None
            }
        }
    }

    fn cron(&self, node: &Node, waiting: Waiting<'_>) -> Option<Kind> {
        let at = node.get("cron")?;
        let text = at.text()?;
        let cron = match Cron::parse(text) {
            Ok(cron) => Some(cron),
            Err(fault) => {
                let (what, help) = cron_words(text, &fault);
                let place = match &fault {
                    CronFault::Part(field, part) => part_of(text, *field, part),
                    _ => None,
                };
                let file = self.texts.get(at.at.file);
                let place = place.zip(file).map_or(at.at, |((from, to), file)| locate(file, at, from, to));
                self.sink.add(Problem::new(place, what).help(help));
                None
            }
        };
        self.ticks(node, cron.map(Every::Cron), waiting)
    }

    fn every(&self, node: &Node, waiting: Waiting<'_>) -> Option<Kind> {
        let at = node.get("every")?;
        let length = scalar::duration(at)?;
        if length < SHORTEST {
            self.sink.say(at.at, &t::TOO_OFTEN, []);
            return None;
        }
        self.ticks(node, Some(Every::Length(length)), waiting)
    }

    fn ticks(&self, node: &Node, every: Option<Every>, waiting: Waiting<'_>) -> Option<Kind> {
        let zone = match node.text_at("zone") {
            Some(zone) => jiff::tz::TimeZone::get(zone).ok()?,
            None => self.around.zone.clone(),
        };
        let each = node.get("each").map(|each| {
            let entity = self.entity_name(each.get("record").unwrap_or(each));
            let condition = each.get("if").map(|n| self.of_record(n, entity.as_deref(), waiting));
            match condition {
                None => Some(Each { entity: entity?, condition: None }),
                Some(condition) => Some(Each { entity: entity?, condition: Some(condition?) }),
            }
        });
        let missed = node.get("missed").map_or(Some(Missed { policy: Policy::Latest, within: None }), |n| self.missed(n));
        Some(Kind::Ticks { every: every?, zone: Zone(zone), each: each.map_or(Some(None), |e| e.map(Some))?, missed: missed? })
    }

    /// `skip`, `latest`, `all`; `latest within 1d`.
    fn missed(&self, node: &Node) -> Option<Missed> {
        let text = node.text()?;
        let (word, within) = match text.split_once(" within ") {
            Some((word, within)) => (word.trim(), Some(Span::parse(within))),
            None => (text.trim(), None),
        };
        let policy = match word {
            "skip" if within.is_none() => Some(Policy::Skip),
            "latest" => Some(Policy::Latest),
            "all" => Some(Policy::All),
            _ => None,
        };
        match (policy, within) {
            (Some(policy), None) => Some(Missed { policy, within: None }),
            (Some(policy), Some(Some(within))) if !within.is_working() => Some(Missed { policy, within: Some(within) }),
            _ => {
                self.sink.add(Problem::new(node.at, t::BAD_MISSED.with([text.into()])).help(t::MISSED_HELP.with([])));
                None
            }
        }
    }

    /// `skip`, `fire`, `spread over 2h`.
    fn existing(&self, rule: &Node) -> Option<Existing> {
        let Some(node) = rule.get("existing") else { return Some(Existing::Skip) };
        let text = node.text()?.trim();
        let spread = text.strip_prefix("spread over ").and_then(duration::parse).filter(|d| !d.is_zero());
        match (text, spread) {
            ("skip", _) => Some(Existing::Skip),
            ("fire", _) => Some(Existing::Fire),
            (_, Some(length)) => Some(Existing::Spread(length)),
            _ => {
                self.sink.add(Problem::new(node.at, t::BAD_EXISTING.with([text.into()])).help(t::EXISTING_HELP.with([])));
                None
            }
        }
    }

    fn warn_of(&self, warn: &Node, kind: Option<&Kind>, waiting: Waiting<'_>) -> Option<Option<Warn>> {
        let before = warn.get("before").and_then(|n| self.span(n))?;
        let at = warn.get("before").map_or(warn.at, |n| n.at);
        match kind {
            Some(Kind::Held { length, .. }) => {
                if let (Some(long), Some(early)) = (length.exact(), before.exact())
                    && early >= long
                {
                    self.sink.say(at, &t::WARN_TOO_EARLY, [before.to_string().into(), length.to_string().into()]);
                    return None;
                }
            }
            Some(Kind::At { .. }) => {}
            // One that stands beside others: they are what is warned of.
            Some(Kind::Ticks { .. }) => return Some(None),
            None => return None,
        }
        Some(Some(Warn { event: waiting.event("warn"), before }))
    }

    /// The entity that a schedule is about, by its event or its warning's.
    pub(super) fn scheduled(&self, event: &str) -> Vec<String> {
        let all = self.schedules.borrow();
        let found = all.iter().find(|s| s.event == event || s.warn.as_ref().is_some_and(|w| w.event == event));
        found.and_then(|s| s.kind.entity()).map(str::to_owned).into_iter().collect()
    }

    /// The rule that a `warn` is: woken by the warning of each of the triggers.
    /// It counts no firings, but otherwise goes by the rule's gates: what keeps the rule silent keeps its warning silent.
    pub(super) fn warning(&self, item: Item<'_>, gates: Gates) -> Option<Rule> {
        let warn = item.node.get("warn")?;
        let events: Vec<(String, String)> = self
            .schedules
            .borrow()
            .iter()
            .filter(|s| s.by == item.id)
            .filter_map(|s| Some((s.warn.as_ref()?.event.clone(), format!("{}, {} before", s.kind, s.warn.as_ref()?.before))))
            .collect();
        let when: Vec<Trigger> = events.into_iter().map(|(event, text)| Trigger::Timed { event, text }).collect();
        if when.is_empty() {
            let timed = item
                .node
                .get("when")
                .is_some_and(|w| w.one_or_more().iter().any(|n| ["while", "at", "for", "record"].iter().any(|k| n.has(k))));
            if !timed {
                self.sink.say(warn.at, &t::WARN_OF_WHAT, []);
            }
        }
        let of = self.entities_of(&when);
        let then = self.actions(warn.get("then"), &of, None)?;
        let Gates { from, until, quiet, imports, tags, .. } = gates;
        (!when.is_empty()).then(|| Rule {
            id: format!("{}{WARN}", item.id),
            title: item.node.text_at("title").map(str::to_owned),
            place: self.place(warn.at),
            when,
            then,
            priority: item.node.get("priority").and_then(scalar::count).unwrap_or(0),
            enabled: true,
            deliver: super::rule::deliver(item.node),
            calendar: item.node.text_at("calendar").map(str::to_owned),
            gates: Gates { from, until, quiet, imports, tags, ..Gates::default() },
            ..Rule::default()
        })
    }

    /// A length of time, which may be one of working time where there is a calendar.
    pub(super) fn span(&self, node: &Node) -> Option<Span> {
        let span = Span::parse(node.text()?)?;
        if span.is_working() {
            self.calendars.follow(None);
        }
        Some(span)
    }
}

/// Where in a cron expression a part of its field stands, in characters.
fn part_of(text: &str, field: usize, part: &str) -> Option<(usize, usize)> {
    let whole = text.split_whitespace().nth(field)?;
    // Fields are parts of the same text: how far in is a matter of bytes.
    let from = whole.as_ptr() as usize - text.as_ptr() as usize + whole.find(part)?;
    let from = text.get(..from)?.chars().count();
    Some((from, from + part.chars().count()))
}

/// A cron expression's fault, and what would be right.
fn cron_words(text: &str, fault: &CronFault) -> (Said, Said) {
    let help = t::CRON_HELP.with([]);
    match fault {
        CronFault::Fields(n) => (t::CRON_FIELDS.with([n.to_string().into()]), help),
        CronFault::Part(field, part) => {
            let name = FIELD_NAMES.get(*field).copied().unwrap_or_default();
            (t::CRON_PART.with([part.as_str().into(), Said::Word(name.0, name.1).into()]), help)
        }
        CronFault::Impossible => (t::CRON_IMPOSSIBLE.with([text.into()]), t::CRON_IMPOSSIBLE_HELP.with([])),
        CronFault::Alias(alias) => {
            let known = ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"];
            let help = match nearest(alias, known) {
                Some(near) => t::DID_YOU_MEAN.with([near.into()]),
                None => t::KNOWN_KEYS.with([list(known).into()]),
            };
            (t::CRON_ALIAS.with([alias.as_str().into()]), help)
        }
    }
}
