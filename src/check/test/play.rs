//! One test from beginning to end: it stops at the first step at which something is not as expected, with all that is not.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::fact::Fact;
use super::matching::{self, all, missing, nearest, parts};
use super::world::{QUARANTINED, Refused, World};
use crate::config::scenario::{Expectation, Held, How, Place, Step, Test, Thing};
use crate::config::settings::Settings;
use crate::engine::definition::{Definitions, Deliver};
use crate::engine::event::{Event, RecordRef};
use crate::engine::explain::Explanation;
use crate::engine::log::Line;
use crate::engine::value::Value;

/// What is tested; shared by all tests.
#[derive(Debug)]
pub struct Subject<'a> {
    /// As [`ready`] makes them.
    pub definitions: &'a Definitions,
    /// For the mappings of sources and the limits.
    pub settings: &'a Settings,
}

/// Something that is not as expected.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// Where that was said.
    pub place: Place,
    /// When, by the test's clock.
    pub at: Timestamp,
    /// What.
    pub found: Found,
    /// The log since the step before.
    pub log: Vec<Line>,
}

/// What is not as expected.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// It did not happen; what came nearest differs in these members: name, expected, found.
    Missing {
        /// What.
        expected: Box<Expectation>,
        /// None: nothing of the kind happened.
        nearest: Option<Vec<(String, Value, Value)>>,
    },
    /// It happened more or less often.
    Times {
        /// What.
        expected: Box<Expectation>,
        /// How often.
        found: u32,
    },
    /// It must not have happened.
    Happened {
        /// What.
        never: Box<Expectation>,
        /// The first line that says so.
        line: Option<Line>,
    },
    /// Nothing at all was expected.
    Something,
    /// A field is another.
    Field {
        /// Of which record.
        record: RecordRef,
        /// Its name.
        field: String,
        /// What it should be.
        expected: Value,
        /// What it is.
        found: Value,
    },
    /// There is no such record.
    Absent(RecordRef),
    /// There is such a record.
    Present(RecordRef),
    /// A post was refused, and nobody said it would be.
    Refused {
        /// A word for the kind.
        code: String,
        /// In words.
        detail: String,
    },
    /// So much follows that it will not end.
    Endless,
}

/// Makes definitions fit for tests: what a channel's `deliver: preview` would only show is sent, to those who answer here.
pub fn ready(definitions: &mut Definitions) {
    definitions.connections.values_mut().for_each(|c| c.deliver = Deliver::Live);
}

/// What an event of a step came to: why each rule, flow and run that waits for it did what it did.
pub type Woken = (Event, Explanation);

/// Plays a test; nothing comes back when all of it is as expected.
pub fn play(subject: &Subject<'_>, test: &Test) -> Vec<Failure> {
    explained(subject, test, false).0
}

/// As [`play`]; also why the events of the step at which it failed did what they did.
pub fn why(subject: &Subject<'_>, test: &Test) -> (Vec<Failure>, Vec<Woken>) {
    explained(subject, test, true)
}

fn explained(subject: &Subject<'_>, test: &Test, watch: bool) -> (Vec<Failure>, Vec<Woken>) {
    if test.people.is_empty() && test.teams.is_empty() {
        return through(subject, test, watch);
    }
    let mut definitions = subject.definitions.clone();
    definitions.people.extend(test.people.clone());
    definitions.teams.extend(test.teams.clone());
    through(&Subject { definitions: &definitions, settings: subject.settings }, test, watch)
}

fn through(subject: &Subject<'_>, test: &Test, watch: bool) -> (Vec<Failure>, Vec<Woken>) {
    let mut world = World::new(subject, test.at);
    if watch {
        world.watch();
    }
    for (record, fields) in &test.given {
        world.give(record, fields);
    }
    world.answer(&test.answers);
    if world.begin().is_err() {
        return (Vec::new(), Vec::new()); // what never ends is found at the first step
    }
    for step in &test.steps {
        world.look_away();
        let mut look = Look { subject, step, refused: Vec::new(), found: Vec::new() };
        if run(&mut world, step, &mut look).is_err() {
            look.fail(&step.place, Found::Endless);
        } else {
            look.at(&world);
        }
        if !look.found.is_empty() {
            let log: Vec<Line> = world.facts().iter().map(|f| f.line.clone()).collect();
            let failure = |(place, found)| Failure { place, at: step.at, found, log: log.clone() };
            return (look.found.into_iter().map(failure).collect(), world.woken());
        }
    }
    (Vec::new(), Vec::new())
}

fn run<'a>(world: &mut World<'a>, step: &'a Step, look: &mut Look<'_>) -> Result<(), super::world::Endless> {
    world.answer(&step.answers);
    world.approach(step.at)?;
    world.hold(true);
    for _ in 0..step.times {
        for act in &step.acts {
            look.refused.extend(world.act(act)?.into_iter().map(|refused| (act.place.clone(), refused)));
        }
    }
    world.hold(false);
    world.pass(step.at)
}

/// What a step comes to.
struct Look<'a> {
    subject: &'a Subject<'a>,
    step: &'a Step,
    refused: Vec<(Place, Refused)>,
    found: Vec<(Place, Found)>,
}

impl Look<'_> {
    fn fail(&mut self, place: &Place, found: Found) {
        self.found.push((place.clone(), found));
    }

    fn at(&mut self, world: &World<'_>) {
        let step = self.step;
        let said = |r: &Refused| step.expect.iter().chain(&step.never).any(|e| e.thing == of(r));
        if let Some((place, refused)) = self.refused.iter().find(|(_, r)| !said(r)) {
            let found = Found::Refused { code: refused.code.clone(), detail: refused.detail.clone() };
            self.found.push((place.clone(), found));
        }
        if let Some(place) = &step.nothing
            && !world.facts().iter().all(Fact::is_nothing)
        {
            self.fail(place, Found::Something);
        }
        self.expect(world.facts());
        for never in &step.never {
            if self.count(never, world.facts()) > 0 {
                let first = all(never, world.facts(), self.subject.definitions).first().map(|n| world.facts()[*n].line.clone());
                self.fail(&never.place, Found::Happened { never: Box::new(never.clone()), line: first });
            }
        }
        for held in &step.records {
            self.held(held, world);
        }
        // In the order in which they are written.
        self.found.sort_by_key(|(place, _)| (place.line, place.column));
    }

    fn count(&self, expected: &Expectation, facts: &[Fact]) -> usize {
        match expected.thing {
            Thing::Refused | Thing::Quarantined => self.refused.iter().filter(|(_, r)| is_refused(expected, r)).count(),
            _ => all(expected, facts, self.subject.definitions).len(),
        }
    }

    fn expect(&mut self, facts: &[Fact]) {
        let definitions = self.subject.definitions;
        let mut each: Vec<&Expectation> = Vec::new();
        for expected in &self.step.expect {
            let found = self.count(expected, facts);
            match expected.times {
                Some(times) if found != times as usize => {
                    let found =
                        Found::Times { expected: Box::new(expected.clone()), found: u32::try_from(found).unwrap_or(u32::MAX) };
                    self.fail(&expected.place, found);
                }
                Some(_) => {}
                None if !matches!(expected.thing, Thing::Refused | Thing::Quarantined) => each.push(expected),
                None if found == 0 => {
                    self.fail(&expected.place, Found::Missing { expected: Box::new(expected.clone()), nearest: None });
                }
                None => {}
            }
        }
        // Two that say the same need two facts; what one says of a mail, another may say of the person it is for.
        let words: BTreeSet<&str> = each.iter().map(|e| e.word).collect();
        for word in words {
            let alike: Vec<&Expectation> = each.iter().filter(|e| e.word == word).copied().collect();
            let fits: Vec<Vec<usize>> = alike.iter().map(|e| parts(e, facts, definitions)).collect();
            let most = fits.iter().flatten().max().map_or(0, |last| last + 1);
            for n in missing(&fits, most) {
                // One that is there, but taken by another that says the same, differs in nothing.
                let near = nearest(alike[n], facts, definitions).map(|(_, d)| d).filter(|d| !d.is_empty());
                let near = near.map(|d| d.into_iter().map(|(name, a, b)| (name.to_owned(), a, b)).collect());
                self.fail(&alike[n].place, Found::Missing { expected: Box::new(alike[n].clone()), nearest: near });
            }
        }
    }

    fn held(&mut self, held: &Held, world: &World<'_>) {
        let at = held.record.clone();
        match (&held.fields, world.record(&held.record)) {
            (None, None) => {}
            (None, Some(_)) => self.fail(&held.place, Found::Present(at)),
            (Some(_), None) => self.fail(&held.place, Found::Absent(at)),
            (Some(fields), Some(record)) => {
                for (field, expected, place) in fields {
                    let found = record.seen(field);
                    if !is_field(field, expected, &found, self.subject.definitions) {
                        let (field, expected) = (field.clone(), expected.clone());
                        self.fail(place, Found::Field { record: at.clone(), field, expected, found });
                    }
                }
            }
        }
    }
}

/// Tags have no order.
fn is_field(field: &str, expected: &Value, found: &Value, definitions: &Definitions) -> bool {
    match (field, expected, found) {
        ("tags", Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().all(|tag| b.contains(tag)),
        _ => matching::same(expected, found, definitions),
    }
}

/// Whether it was refused altogether, or kept to be mended.
fn of(refused: &Refused) -> Thing {
    if refused.code == QUARANTINED { Thing::Quarantined } else { Thing::Refused }
}

fn is_refused(expected: &Expectation, refused: &Refused) -> bool {
    expected.thing == of(refused)
        && expected.members.iter().all(|m| match m.how {
            How::Holds => refused.detail.contains(&m.value.to_string()),
            _ => m.value.as_text() == Some(refused.code.as_str()),
        })
}
