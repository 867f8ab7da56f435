//! What keeps rules and flows from acting: dates, `once`, `cooldown`, `limit`, `debounce`, `group`, quiet hours, imports; and
//! their former ids.

use std::collections::HashMap;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::super::catalogue as t;
use super::super::grammar::said;
use super::super::names::Known;
use super::super::problem::{At, Problem, Sink};
use super::super::scalar;
use super::super::tree::Node;
use super::people::texts;
use super::{Compiler, Item, Items, SECTIONS};
use crate::engine::duration;
use crate::engine::entity;
use crate::engine::expression::Expr;
use crate::engine::gate::{Cooldown, Debounce, Gates, Group, Hours, Imports, Limit, MOST_TIMES, Once, Per, Quiet, Unit};

/// Firings that become one unless said.
const GROUP_MAX: u32 = 100;

impl Compiler<'_> {
    /// The gates of a rule or flow.
    pub(super) fn gates(&self, node: &Node, of: &[String]) -> Gates {
        let names = self.known(of, None);
        let (from, until) = node.get("active").map(|n| self.active(n)).unwrap_or_default();
        Gates {
            from,
            until,
            once: node.get("once").and_then(|n| self.once(n, &names)),
            cooldown: node.get("cooldown").and_then(|n| self.cooldown(n, &names)),
            limit: node.get("limit").and_then(|n| self.limit(n, &names)),
            debounce: node.get("debounce").and_then(|n| self.debounce(n, &names)),
            group: node.get("group").and_then(|n| self.group(n, &names)),
            quiet: node.get("quiet").and_then(|n| quiet(n, self.sink)),
            imports: if node.text_at("imports") == Some("react") { Imports::React } else { Imports::Silent },
            was: texts(node.get("was")),
            tags: texts(node.get("tags")),
        }
    }

    fn active(&self, node: &Node) -> (Option<Timestamp>, Option<Timestamp>) {
        let from = node.get("from").and_then(|n| self.bound(n, false));
        let until = node.get("until").and_then(|n| self.bound(n, true));
        if let (Some(begin), Some(end), Some(at)) = (from, until, node.get("until"))
            && end <= begin
        {
            self.sink.say(at.at, &t::ACTIVE_NEVER, []);
        }
        if !node.has("from") && !node.has("until") && node.entries().is_empty() {
            self.sink.say(node.at, &t::MISSING_ONE, ["`from`, `until`".into(), "`active`".into()]);
        }
        (from, until)
    }

    /// A date or time; of a date its beginning, or as an end the beginning of the next.
    pub(super) fn bound(&self, node: &Node, end: bool) -> Option<Timestamp> {
        let text = node.text()?;
        let day = text.trim().replace('/', "-").parse::<Date>().ok().filter(|_| !text.contains(':'));
        let meant = match day {
            Some(day) if end => day.tomorrow().ok()?.to_string(),
            _ => text.to_owned(),
        };
        let time = entity::time(&meant.as_str().into(), &self.around.zone);
        if time.is_none() {
            let problem = Problem::new(node.at, t::BAD_MOMENT.with([text.into()]));
            self.sink.add(problem.help(t::BAD_MOMENT_HELP.with([])));
        }
        time
    }

    fn once(&self, node: &Node, names: &Known<'_>) -> Option<Once> {
        match node.get("rearm") {
            Some(rearm) => Some(Once { rearm: Some(self.condition(rearm, names)?) }),
            None => scalar::boolean(node)?.then_some(Once { rearm: None }),
        }
    }

    /// By what something is counted apart.
    fn by(&self, node: &Node, names: &Known<'_>) -> Result<Option<Expr>, ()> {
        let Some(by) = node.get("by") else { return Ok(None) };
        let text = by.text().ok_or(())?;
        self.expr(by, 0, Expr::parse(text), names).map(Some).ok_or(())
    }

    fn cooldown(&self, node: &Node, names: &Known<'_>) -> Option<Cooldown> {
        let wait = scalar::duration(node.get("for").unwrap_or(node))?;
        Some(Cooldown { wait, by: self.by(node, names).ok()? })
    }

    fn limit(&self, node: &Node, names: &Known<'_>) -> Option<Limit> {
        let by = self.by(node, names);
        let bad = |at: At, text: &str| {
            self.sink.add(Problem::new(at, t::BAD_LIMIT.with([text.into()])).help(t::BAD_LIMIT_HELP.with([])));
        };
        let (count, length) = match (node.get("count"), node.get("per")) {
            (Some(count), Some(length)) => {
                let text = length.text()?;
                let Some(length) = per(text) else {
                    bad(length.at, text);
                    return None;
                };
                (scalar::count(count).and_then(|n| u32::try_from(n).ok())?, length)
            }
            _ => {
                let text = node.text()?;
                let Some(limit) = said_limit(text) else {
                    bad(node.at, text);
                    return None;
                };
                limit
            }
        };
        Some(Limit { count, per: length, by: by.ok()? })
    }

    fn debounce(&self, node: &Node, names: &Known<'_>) -> Option<Debounce> {
        let wait = scalar::duration(node.get("wait").unwrap_or(node))?;
        let max = node.get("max").and_then(scalar::duration);
        if let (Some(longest), Some(at)) = (max, node.get("max"))
            && longest < wait
        {
            self.sink.say(at.at, &t::MAX_BELOW_WAIT, []);
        }
        let collect = node.get("collect").and_then(scalar::boolean).unwrap_or(false);
        Some(Debounce { wait, max, by: self.by(node, names).ok()?, collect })
    }

    fn group(&self, node: &Node, names: &Known<'_>) -> Option<Group> {
        let within = scalar::duration(node.get("within").unwrap_or(node))?;
        let max = node.get("max").and_then(scalar::count).and_then(|n| u32::try_from(n).ok()).unwrap_or(GROUP_MAX);
        Some(Group { within, max, by: self.by(node, names).ok()? })
    }
}

/// `3 per day`, `3/24h`
fn said_limit(text: &str) -> Option<(u32, Per)> {
    let (count, length) = text.split_once('/').or_else(|| text.split_once(" per "))?;
    let count = count.trim().parse().ok().filter(|n| (1..=MOST_TIMES).contains(n))?;
    Some((count, per(length)?))
}

/// `day`, `24h`
fn per(text: &str) -> Option<Per> {
    let text = text.trim();
    let unit = Unit::ALL.iter().find(|(word, _)| *word == text).map(|(_, unit)| Per::Unit(*unit));
    unit.or_else(|| duration::parse(text).filter(|d| *d > SignedDuration::ZERO).map(Per::Span))
}

/// `quiet: false`, `quiet: { from: 22:00, to: 08:00 }`
fn quiet(node: &Node, sink: &Sink) -> Option<Quiet> {
    if node.text().is_none() {
        return hours(node, sink).map(Quiet::Hours);
    }
    if scalar::boolean(node)? {
        sink.add(Problem::new(node.at, t::QUIET_WHEN.with([])).help(t::QUIET_HELP.with([])));
        return None;
    }
    Some(Quiet::Never)
}

/// Quiet hours, of a rule or of config.yaml.
pub(in crate::config) fn hours(node: &Node, sink: &Sink) -> Option<Hours> {
    let clock = |key: &str| {
        let node = node.get(key)?;
        let text = node.text()?;
        let time = time_of_day(text);
        if time.is_none() {
            sink.add(Problem::new(node.at, t::BAD_CLOCK.with([text.into()])).help(t::BAD_CLOCK_HELP.with([])));
        }
        time
    };
    let (from, to) = (clock("from"), clock("to"));
    let hours = Hours { from: from?, to: to?, zone: node.text_at("zone").and_then(|z| TimeZone::get(z).ok()) };
    if hours.from == hours.to {
        sink.say(node.get("to").map_or(node.at, |n| n.at), &t::QUIET_EMPTY, []);
        return None;
    }
    Some(hours)
}

/// `22:00`, `8:30`; `24:00` is the midnight that ends a day.
pub(super) fn time_of_day(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let number = |t: &str| t.parse::<i8>().ok().filter(|_| (1..=2).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit()));
    let (hour, minute) = (number(hour)?, number(minute).filter(|_| minute.len() == 2)?);
    if (hour, minute) == (24, 0) { Some(Time::midnight()) } else { Time::new(hour, minute, 0, 0).ok() }
}

/// A former id that is still one, or that two claim.
pub(super) fn former_ids(items: &Items<'_>, sink: &Sink) {
    for (section, what) in SECTIONS.iter().filter(|(s, _)| matches!(*s, "rules" | "flows")) {
        let all: &[Item<'_>] = items.get(section).map(Vec::as_slice).unwrap_or_default();
        let mut claimed: HashMap<&str, At> = HashMap::new();
        for was in all.iter().filter_map(|i| i.node.get("was")).flat_map(Node::one_or_more) {
            let Some(id) = was.text() else { continue };
            if let Some(there) = all.iter().find(|i| i.id == id) {
                let problem = Problem::new(was.at, t::WAS_EXISTS.with([said(what).into(), id.into()]));
                sink.add(problem.also(there.at, t::HERE.with([])));
            } else if let Some(first) = claimed.insert(id, was.at) {
                let problem = Problem::new(was.at, t::WAS_TWICE.with([said(what).into(), id.into()]));
                sink.add(problem.also(first, t::FIRST_HERE.with([])));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_times_of_day() {
        for (text, expect) in [
            ("3 per day", Some((3, Per::Unit(Unit::Day)))),
            ("1/24h", Some((1, Per::Span(SignedDuration::from_hours(24))))),
            ("20/minute", Some((20, Per::Unit(Unit::Minute)))),
            ("2 per 1h30m", Some((2, Per::Span(SignedDuration::from_mins(90))))),
            ("0 per day", None),
            ("1001 per day", None),
            ("3 per year", None),
            ("3 per 0s", None),
            ("per day", None),
            ("每天3次", None),
        ] {
            assert_eq!(said_limit(text), expect, "{text}");
        }
        for (text, expect) in [
            ("22:00", Some((22, 0))),
            ("8:05", Some((8, 5))),
            ("24:00", Some((0, 0))),
            ("24:01", None),
            ("22", None),
            ("8:5", None),
        ] {
            assert_eq!(time_of_day(text).map(|t| (t.hour(), t.minute())), expect, "{text}");
        }
    }
}
