//! What a step waits for: a length of time, a time, an event; and how long.

use super::super::Compiler;
use super::super::rule::is_event;
use crate::config::catalogue::{self as t, flow as f};
use crate::config::names::Known;
use crate::config::problem::Problem;
use crate::config::tree::{Kind, Node};
use crate::engine::definition::{Await, AwaitKey, StepKind, Until};
use crate::engine::expression::{Expr, Kind as Value};
use crate::engine::schedule::Offset;
use crate::engine::span::Span;

/// Waited for without end, which must be said.
const FOREVER: &str = "forever";

/// The event that a `wait` names, if it is for one.
pub(super) fn event(step: &Node) -> Option<&Node> {
    let wait = step.get("wait")?;
    match wait.text() {
        Some(text) => (Span::parse(text).is_none() && text.contains('.') && is_event(text, true)).then_some(wait),
        None => wait.get("event"),
    }
}

/// Whether an action leaves, so that its answer is waited for; what stands under a name may.
pub(super) fn leaves(step: &Node) -> bool {
    ["email", "http", "dingtalk", "wecom", "notify", "run"].iter().any(|key| step.has(key))
}

impl Compiler<'_> {
    pub(super) fn wait(&self, step: &Node, of: &[String], names: &Known<'_>) -> Option<StepKind> {
        let wait = step.get("wait")?;
        if let Some(name) = event(step) {
            return self.awaiting(wait, name, of, names).map(StepKind::Event);
        }
        if let Some(time) = wait.get("until") {
            return self.until(wait, time, names).map(StepKind::Until);
        }
        let text = wait.text()?;
        if Span::parse(text).is_none() {
            let what = t::EXPECTED.with([(&f::K_WAIT).into(), format!("`{text}`").into()]);
            self.sink.add(Problem::new(wait.at, what));
            return None;
        }
        self.span(wait).map(StepKind::Wait)
    }

    fn until(&self, wait: &Node, time: &Node, names: &Known<'_>) -> Option<Until> {
        let offset = match wait.get("offset") {
            None => None,
            Some(node) => {
                let text = node.text()?;
                let Some(offset) = Offset::parse(text) else {
                    self.sink.add(Problem::new(node.at, t::BAD_OFFSET.with([text.into()])).help(t::OFFSET_HELP.with([])));
                    return None;
                };
                if offset.span.is_working() {
                    self.calendars.follow(None);
                }
                Some(offset)
            }
        };
        let before = offset.as_ref().is_some_and(|o| o.before);
        Some(Until {
            time: self.value_as(time, names, "until", &[Value::Time, Value::Date, Value::Text])?,
            offset: offset.map(|o| o.span),
            before,
        })
    }

    /// The name of an event that is waited for.
    pub(super) fn awaited(&self, node: &Node) -> Option<String> {
        let name = node.text()?;
        if !is_event(name, false) {
            self.bad_event(node, name, false);
            return None;
        }
        self.event_known(node, name)?;
        Some(name.to_owned())
    }

    fn awaiting(&self, wait: &Node, name: &Node, of: &[String], names: &Known<'_>) -> Option<Await> {
        let event = self.awaited(name);
        let further = wait.get("if").map(|n| self.condition(n, names));
        let Some(node) = wait.get("match") else {
            if of.is_empty() {
                self.no_record(name, "wait");
            }
            return Some(Await { event: event?, key: AwaitKey::Record, condition: further.flatten() });
        };
        let matched = self.condition(node, names)?;
        let mut parts = matched.parts();
        let found = parts.iter().enumerate().find_map(|(n, part)| {
            let (a, b) = part.same.as_ref()?;
            member(a, b).or_else(|| member(b, a)).map(|key| (n, key))
        });
        let Some((n, key)) = found else {
            let problem = Problem::new(node.at, f::NO_EQUALITY.with([name.text().unwrap_or_default().into()]));
            self.sink.add(problem.help(f::NO_EQUALITY_HELP.with([])));
            return None;
        };
        parts.remove(n);
        let mut rest: Vec<String> = parts.into_iter().map(|p| p.text).collect();
        if let Some(Some(further)) = &further {
            let all: Vec<String> = further.parts().into_iter().map(|p| p.text).collect();
            rest.extend(all);
        }
        let condition = if rest.is_empty() { None } else { Expr::parse_condition(&rest.join(" and ")).ok() };
        Some(Await { event: event?, key, condition })
    }

    /// How long an event is waited for before it goes on.
    pub(super) fn up_to(&self, step: &Node) -> Option<Span> {
        let node = up_to(step)?;
        let text = node.text()?;
        if text == FOREVER {
            return None;
        }
        if Span::parse(text).is_none() {
            self.sink.say(node.at, &f::BAD_UP_TO, [text.into()]);
        }
        self.span(node)
    }

    /// Tells of a wait for an event of which nobody knows how long it may take.
    pub(super) fn bounded(&self, step: &Node, whole: bool) {
        let Some(name) = event(step) else { return };
        let up_to = up_to(step);
        if let (Some(up_to), Some(_)) = (up_to, step.get("within").or(step.get("late"))) {
            self.sink.say(up_to.at, &f::UP_TO_AND_WITHIN, []);
        }
        if up_to.is_none() && !step.has("within") && !whole {
            let problem = Problem::new(name.at, f::WAIT_UNBOUNDED.with([name.text().unwrap_or_default().into()]));
            self.sink.add(problem.help(f::WAIT_UNBOUNDED_HELP.with([])));
        }
    }
}

/// `up_to`, beside `wait` or in it.
fn up_to(step: &Node) -> Option<&Node> {
    step.get("up_to").or_else(|| step.get("wait").filter(|w| matches!(w.kind, Kind::Map(_)))?.get("up_to"))
}

/// `event.order == order_no`: a member of the event, and a value of the run.
fn member(event: &str, own: &str) -> Option<AwaitKey> {
    let (event, equals) = (Expr::parse(event).ok()?, Expr::parse(own).ok()?);
    let [name] = event.names() else { return None };
    let alone = name.at.len() == event.source().trim().chars().count();
    let path = name.path.strip_prefix(&["event".to_owned()]).filter(|rest| !rest.is_empty() && alone)?;
    let of_run = equals.names().iter().all(|n| n.path[0] != "event");
    of_run.then(|| AwaitKey::Member { path: path.to_vec(), equals })
}
