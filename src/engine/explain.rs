//! Why each rule and flow did what it did with an event.
//!
//! It is `decide` itself, watched: what is told about a rule that was woken is what was decided, never found a second time.
//! Only what nothing was decided about (a rule that waits for something else, one that is switched off) is judged here.

use jiff::Timestamp;

use super::binding::{self, Let, Told};
use super::decide::{Arrived, Deciding, Judged, Watch, arrive};
use super::definition::{Definitions, Deliver, Flow, Rule};
use super::event::Event;
use super::expression::{Clause, Expr};
use super::flow::{Heard, Run};
use super::rule;
use super::state::{Need, State};
use super::trigger::Trigger;
use super::view::View;

/// What came of a rule or flow on an event; closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Its condition held, and it did what it does.
    Fired,
    /// Its condition did not hold, and it did what stands under `else`.
    Else,
    /// Its condition did not hold.
    NotMet {
        /// The earlier rule whose `stop` kept its `else`.
        stopped: Option<String>,
    },
    /// Whether its condition held could not be told, for this reason in words.
    Unevaluable(String),
    /// Its condition held, and an earlier rule had stopped the event.
    Stopped {
        /// That rule.
        by: String,
    },
    /// Its condition held, and it had fired for this record too short a time before.
    Cooling {
        /// Until then.
        until: Timestamp,
    },
    /// Its time has not come, or is over.
    Inactive {
        /// Not before.
        from: Option<Timestamp>,
        /// From then on no more.
        until: Option<Timestamp>,
    },
    /// A person has silenced it.
    Silenced {
        /// The silence.
        by: String,
        /// Till then.
        until: Timestamp,
        /// Why, as that person said.
        comment: String,
        /// Who.
        who: String,
    },
    /// Its condition held, and it had fired for this record, once and for all.
    Once {
        /// Then.
        since: Timestamp,
    },
    /// Its condition held, and it had fired as often as it may.
    Limited {
        /// So often.
        count: u32,
        /// Until then.
        until: Timestamp,
    },
    /// Its condition held; it waits until nothing more comes.
    Debounced {
        /// So many events wait.
        count: u64,
        /// Until then.
        until: Timestamp,
    },
    /// Its condition held; it waits for others to fire with.
    Grouped {
        /// So many wait.
        count: u64,
        /// Until then.
        until: Timestamp,
    },
    /// A flow that an import does not start.
    Imported,
    /// A flow: its record is in this run of it already.
    Runs {
        /// The run's id.
        run: String,
    },
    /// It is switched off.
    Disabled,
    /// It waits for something else.
    NotWoken,
}

impl Verdict {
    /// The stable word of it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::Else => "else",
            Self::NotMet { .. } => "not_met",
            Self::Unevaluable(_) => "unevaluable",
            Self::Stopped { .. } => "stopped",
            Self::Cooling { .. } => "cooling",
            Self::Inactive { .. } => "inactive",
            Self::Silenced { .. } => "silenced",
            Self::Once { .. } => "once",
            Self::Limited { .. } => "limited",
            Self::Debounced { .. } => "debounced",
            Self::Grouped { .. } => "grouped",
            Self::Imported => "imported",
            Self::Runs { .. } => "runs",
            Self::Disabled => "disabled",
            Self::NotWoken => "not_woken",
        }
    }
}

/// A rule or flow, and why it did what it did.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// Rule or flow.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// Where it stands, for a rule.
    pub place: Option<String>,
    /// What came of it.
    pub verdict: Verdict,
    /// What leaves is only shown in the log.
    pub preview: bool,
    /// What it waits for.
    pub when: Vec<Trigger>,
    /// Its condition, clause by clause, where the event is one that it waits for; also of one that is switched off.
    pub condition: Option<Clause>,
    /// The values of `let:`, where the event is one that it waits for.
    pub lets: Vec<Told>,
}

/// Rule or flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A rule.
    Rule,
    /// A flow, as far as events start it.
    Flow,
}

/// What an event came to, and why.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Explanation {
    /// Each rule, in their order, and then each flow that it may start.
    pub woken: Vec<Explained>,
    /// What runs that waited made of it, in the order in which they were asked.
    pub heard: Vec<Heard>,
}

impl Explanation {
    /// Whether nothing waits for the event.
    pub fn is_empty(&self) -> bool {
        self.woken.is_empty() && self.heard.is_empty()
    }
}

/// The runs that end with the event, as they are then: with the steps that it took them through.
pub fn ended(definitions: &Definitions, state: &State, event: &Event, now: Timestamp) -> Result<Vec<Run>, Need> {
    Ok(watched(definitions, state, event, now)?.ended)
}

fn watched(definitions: &Definitions, state: &State, event: &Event, now: Timestamp) -> Result<Watch, Need> {
    let mut decided = Deciding::new(definitions, state, event, now);
    decided.watch = Some(Watch::default());
    decided.run()?;
    Ok(decided.watch.take().unwrap_or_default())
}

/// Why each rule and flow did what it did with the event, and each run that waited, on the state before it; or which value is
/// needed for that. Told of are those that wait for events of this name, or the one asked for, whatever it waits for.
pub fn explain(
    definitions: &Definitions,
    state: &State,
    event: &Event,
    now: Timestamp,
    asked: Option<&str>,
) -> Result<Explanation, Need> {
    let Watch { judged, mut heard, .. } = watched(definitions, state, event, now)?;
    heard.retain(|h| asked.is_none_or(|asked| asked == h.flow));
    // Conditions see what there was when the event arrived: a second draft, on which nothing has been done yet.
    let mut draft = Deciding::new(definitions, state, event, now);
    let arrived = arrive(&mut draft)?;
    let moment = Moment { draft: &draft, arrived: arrived.as_ref(), judged: &judged };
    let concerned = |id: &str, when: &[Trigger]| match asked {
        Some(asked) => asked == id,
        // Of a timer those that it let fire.
        None if moment.arrived.is_none() => judged.iter().any(|(by, _)| by.rule.as_deref() == Some(id)),
        None => when.iter().any(|t| t.concerns(event)),
    };
    let mut woken = Vec::new();
    for rule in definitions.rules.iter().filter(|r| concerned(&r.id, &r.when)) {
        woken.push(moment.explain(rule)?);
    }
    for flow in definitions.flows.values().filter(|f| concerned(&f.id, &f.when)) {
        woken.push(moment.explain(flow.as_ref())?);
    }
    // That it begins with something else says nothing of one whose runs heard it.
    let says = |e: &Explained| e.kind != Kind::Flow || e.verdict != Verdict::NotWoken || heard.iter().all(|h| h.flow != e.id);
    woken.retain(says);
    Ok(Explanation { woken, heard })
}

/// What an event wakes.
trait Wakeable {
    fn kind(&self) -> Kind;
    fn id(&self) -> &str;
    fn place(&self) -> Option<&str>;
    fn when(&self) -> &[Trigger];
    fn lets(&self) -> &[Let];
    fn condition(&self) -> Option<&Expr>;
    fn enabled(&self) -> bool;
    fn deliver(&self) -> Deliver;
    fn calendar(&self) -> Option<&str>;
}

/// What was decided about an event, and what there was before anything was done.
struct Moment<'a> {
    draft: &'a Deciding<'a>,
    arrived: Option<&'a Arrived<'a>>,
    judged: &'a [Judged],
}

impl Moment<'_> {
    fn explain(&self, one: &impl Wakeable) -> Result<Explained, Need> {
        let (kind, id) = (one.kind(), one.id());
        let judged = self.judged.iter().find(|(by, _)| match kind {
            Kind::Rule => by.rule.as_deref() == Some(id),
            Kind::Flow => by.flow.as_deref() == Some(id),
        });
        let verdict = match judged {
            Some((_, verdict)) => verdict.clone(),
            None if !one.enabled() => Verdict::Disabled,
            None => Verdict::NotWoken,
        };
        let arrived = self.arrived.filter(|_| rule::wakes(one.when(), self.draft.event));
        let arrived = arrived.map(|arrived| arrived.seen_by(one.lets(), one.calendar()));
        let condition = match (one.condition(), &arrived) {
            (Some(condition), Some(arrived)) => Some(condition.explain(&View::on_arrival(self.draft, arrived))?),
            _ => None,
        };
        let lets = arrived.map_or(Ok(Vec::new()), |arrived| binding::explain(self.draft, &arrived))?;
        Ok(Explained {
            kind,
            id: id.to_owned(),
            place: one.place().map(str::to_owned),
            verdict,
            preview: one.deliver() == Deliver::Preview,
            when: one.when().to_vec(),
            condition,
            lets,
        })
    }
}

impl Wakeable for Rule {
    fn kind(&self) -> Kind {
        Kind::Rule
    }
    fn id(&self) -> &str {
        &self.id
    }
    fn place(&self) -> Option<&str> {
        Some(&self.place)
    }
    fn when(&self) -> &[Trigger] {
        &self.when
    }
    fn lets(&self) -> &[Let] {
        &self.lets
    }
    fn condition(&self) -> Option<&Expr> {
        self.condition.as_ref()
    }
    fn enabled(&self) -> bool {
        self.enabled
    }
    fn deliver(&self) -> Deliver {
        self.deliver
    }
    fn calendar(&self) -> Option<&str> {
        self.calendar.as_deref()
    }
}

impl Wakeable for Flow {
    fn kind(&self) -> Kind {
        Kind::Flow
    }
    fn id(&self) -> &str {
        &self.id
    }
    fn place(&self) -> Option<&str> {
        None
    }
    fn when(&self) -> &[Trigger] {
        &self.when
    }
    fn lets(&self) -> &[Let] {
        &self.lets
    }
    fn condition(&self) -> Option<&Expr> {
        self.condition.as_ref()
    }
    fn enabled(&self) -> bool {
        self.enabled
    }
    fn deliver(&self) -> Deliver {
        self.deliver
    }
    fn calendar(&self) -> Option<&str> {
        self.calendar.as_deref()
    }
}
