//! `calendars:`: what each takes from its base, and which one is meant where none is named.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::super::calendar::{self, Day, Plan, USUAL};
use super::super::catalogue as t;
use super::super::grammar::list;
use super::super::names::Calendars;
use super::super::problem::{At, Problem};
use super::super::scalar::nearest;
use super::super::tree::Node;
use super::{Compiler, Item, told};
use crate::engine::calendar::{Calendar, Week};

/// The name of a shipped calendar that another of that name stands in front of, as its base.
const BEHIND: char = '\u{0}';

/// A calendar with all that it takes from its base.
#[derive(Clone)]
struct Whole {
    zone: TimeZone,
    week: Option<Week>,
    days: BTreeMap<Date, (Day, At)>,
    years: std::collections::BTreeSet<i16>,
}

impl Compiler<'_> {
    /// All calendars, the shipped ones among them.
    pub(super) fn read_calendars(&mut self, items: &[Item<'_>]) -> BTreeMap<String, Arc<Calendar>> {
        let mut plans: BTreeMap<String, Plan> = calendar::shipped();
        let own: BTreeMap<String, Plan> =
            items.iter().filter(|i| !told(i.node)).map(|i| (i.id.to_owned(), calendar::plan(i.node, self.sink))).collect();
        self.calendars.names = plans.keys().cloned().chain(items.iter().map(|i| i.id.to_owned())).collect();
        self.calendars.used = own.keys().cloned().collect::<std::collections::BTreeSet<_>>().into();
        for (id, mut plan) in own {
            if let (Some((base, _)), Some(shipped)) = (&mut plan.base, plans.remove(&id)) {
                if *base == id {
                    base.insert(0, BEHIND);
                }
                plans.insert(format!("{BEHIND}{id}"), shipped);
            }
            plans.insert(id, plan);
        }
        let mut made = BTreeMap::new();
        for id in plans.keys().filter(|id| !id.starts_with(BEHIND)) {
            let at = items.iter().find(|i| i.id == id).map_or_else(At::default, |i| i.at);
            made.extend(self.calendar(id, at, &plans).map(|c| (id.clone(), Arc::new(c))));
        }
        self.calendars.usual = self.usual(items, &plans);
        made
    }

    fn calendar(&self, id: &str, at: At, plans: &BTreeMap<String, Plan>) -> Option<Calendar> {
        let whole = self.whole(id, plans, &mut Vec::new())?;
        let Some(week) = whole.week else {
            self.sink.say(at, &t::HOURS_OR_BASE, [id.into()]);
            return None;
        };
        let Some(ordinary) = week.iter().find(|hours| !hours.is_empty()) else {
            self.sink.say(at, &t::NEVER_OPEN, [id.into()]);
            return None;
        };
        let mut days = BTreeMap::new();
        for (date, (day, at)) in whole.days {
            let hours = match day {
                Day::Off => Vec::new(),
                Day::Ordinary => ordinary.clone(),
                Day::As(weekday) if week[weekday].is_empty() => {
                    self.sink.say(at, &t::CLOSED_WEEKDAY, [date.to_string().into()]);
                    return None;
                }
                Day::As(weekday) => week[weekday].clone(),
                Day::Hours(hours) => hours,
            };
            days.insert(date, hours);
        }
        let covered = (!whole.years.is_empty()).then_some(whole.years);
        Calendar::new(whole.zone, week, days, covered)
    }

    /// With what it takes from its base; `through`: whose base it is, from the first on.
    fn whole<'p>(&self, id: &'p str, plans: &'p BTreeMap<String, Plan>, through: &mut Vec<&'p str>) -> Option<Whole> {
        let plan = plans.get(id)?;
        let mut whole = Whole { zone: self.around.zone.clone(), week: None, days: BTreeMap::new(), years: plan.years.clone() };
        if let Some((base, at)) = &plan.base {
            through.push(id);
            if through.contains(&base.as_str()) {
                self.sink.say(*at, &t::BASE_CYCLE, [id.into()]);
                return None;
            }
            if !plans.contains_key(base) {
                if !self.calendars.names.contains(base) {
                    self.no_calendar(*at, base);
                }
                return None;
            }
            let below = self.whole(base, plans, through)?;
            whole = Whole { years: &below.years | &plan.years, ..below };
        }
        if plan.vague {
            return None;
        }
        whole.zone = plan.zone.clone().unwrap_or(whole.zone);
        whole.week = plan.week.clone().or(whole.week);
        whole.days.extend(plan.days.clone());
        Some(whole)
    }

    /// The calendar that is meant where none is named: the one config.yaml says, the only one that no other is based on, `CN`.
    fn usual(&self, items: &[Item<'_>], plans: &BTreeMap<String, Plan>) -> String {
        if let Some(node) = &self.around.calendar {
            let name = node.text().unwrap_or(USUAL);
            if !self.calendars.names.contains(name) {
                self.no_calendar(node.at, name);
            }
            return name.to_owned();
        }
        let based_on = |id: &str| plans.values().any(|p| p.base.as_ref().is_some_and(|(base, _)| base == id));
        let top: Vec<&Item<'_>> = items.iter().filter(|i| !based_on(i.id)).collect();
        match top[..] {
            [] => USUAL.to_owned(),
            [only] => only.id.to_owned(),
            [first, second, ..] => {
                if !self.around.vague {
                    let names = list(top.iter().map(|i| i.id));
                    let problem = Problem::new(second.at, t::WHICH_CALENDAR.with([names.into()]));
                    self.sink.add(problem.help(t::WHICH_HELP.with([first.id.into()])));
                }
                first.id.to_owned()
            }
        }
    }

    /// The name under `calendar:`, if there is such a calendar; something goes by it.
    pub(super) fn calendar_key(&self, node: &Node) -> Option<String> {
        let node = node.get("calendar")?;
        let name = node.text()?;
        if self.calendars.follow(Some(name)) {
            return Some(name.to_owned());
        }
        self.no_calendar(node.at, name);
        None
    }

    fn no_calendar(&self, at: At, name: &str) {
        let Calendars { names, .. } = &self.calendars;
        if !self.lost {
            let near = nearest(name, names.iter().map(String::as_str)).map(|n| t::DID_YOU_MEAN.with([n.into()]));
            self.sink.add(Problem::new(at, t::UNKNOWN_CALENDAR.with([name.into()])).help(near));
        }
    }
}
