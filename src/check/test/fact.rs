//! Something that happened in a test, and what can be said of it: a line of the log, with the whole of the call behind it.

use crate::config::scenario::Thing;
use crate::engine::call::{Call, HttpBody, Mentions, Request};
use crate::engine::definition::{ConnectionKind, Definitions, Person};
use crate::engine::log::{Line, Outcome};
use crate::engine::value::Value;

/// As what a line names people.
pub(super) const OF: [&str; 4] = ["who", "to", "from", "for"];

/// A line of the log and what it does not show.
pub(super) struct Fact {
    /// The line.
    pub(super) line: Line,
    /// The call it is about, as it was then.
    pub(super) call: Option<Call>,
    /// The data of the event it says was emitted.
    pub(super) data: Option<Value>,
}

impl Fact {
    /// Whether it is of that kind at all.
    pub(super) fn is(&self, thing: Thing, definitions: &Definitions) -> bool {
        let line = &self.line;
        match thing {
            Thing::Rule => line.action == "rule" && line.outcome == Outcome::Fired,
            Thing::Notify => self.is_order() && !self.told(definitions).is_empty(),
            // What is done inside has a word of its own.
            Thing::Outcome(Outcome::Done) => line.outcome == Outcome::Done && self.call.is_some(),
            Thing::Outcome(outcome) => line.outcome == outcome,
            Thing::Action(action @ ("email" | "http" | "dingtalk" | "wecom")) => line.action == action && self.is_order(),
            Thing::Action(action @ ("start" | "wait" | "approve" | "ask")) => {
                line.action == action && line.outcome == Outcome::Fired
            }
            // A run that failed has ended, too.
            Thing::Action("end") => line.action == "end" && matches!(line.outcome, Outcome::Done | Outcome::Failed),
            Thing::Action(action) => line.action == action && line.outcome == Outcome::Done,
            Thing::Refused | Thing::Quarantined => false,
        }
    }

    /// Whether it says that something is to leave; also of a rule whose messages are only shown.
    fn is_order(&self) -> bool {
        let shown = self.line.outcome == Outcome::Suppressed && self.detail("reason") == Some(&"preview".into());
        matches!(self.line.action.as_str(), "email" | "http" | "dingtalk" | "wecom")
            && (self.line.outcome == Outcome::Fired || shown && self.call.is_none())
    }

    /// Whether it can be passed over where nothing is said to have happened.
    pub(super) fn is_nothing(&self) -> bool {
        self.line.action == "record" && self.line.outcome == Outcome::Suppressed
    }

    fn detail(&self, name: &str) -> Option<&Value> {
        self.line.detail.at(&[name])
    }

    /// The values of a member; any of them will do.
    pub(super) fn member(&self, name: &str, definitions: &Definitions) -> Vec<Value> {
        let line = &self.line;
        let text = |t: &Option<String>| t.iter().map(|t| t.as_str().into()).collect::<Vec<Value>>();
        match name {
            "id" | "rule" => text(&line.rule),
            "flow" => text(&line.flow),
            "by" => [text(&line.rule), text(&line.flow), vec![line.action.as_str().into()]].concat(),
            "action" => vec![line.action.as_str().into()],
            "record" => text(&line.record.as_ref().map(ToString::to_string)),
            "entity" => text(&line.record.as_ref().map(|r| r.entity.clone())),
            "branch" => vec![self.detail("branch").cloned().unwrap_or_else(|| "then".into())],
            "fields" => vec![line.detail.clone()],
            "data" => self.data.iter().cloned().collect(),
            "to" if line.action == "assign" => ["to", "name"].iter().filter_map(|n| self.detail(n).cloned()).collect(),
            "who" | "to" | "from" | "for" if self.is_of_people() => self.people(name, definitions).concat(),
            "who" => self.told(definitions).iter().flat_map(|(id, p)| [(*id).into(), p.name.as_str().into()]).collect(),
            "at" => vec![Value::List(self.mentioned(definitions))],
            "connection" | "robot" => match &self.call {
                Some(call) => vec![call.connection.as_str().into()],
                None => self.detail("connection").cloned().into_iter().collect(),
            },
            _ => self.said(name).or_else(|| self.detail(name).cloned()).into_iter().collect(),
        }
    }

    /// Whether it says what people did about a task, or who was asked.
    fn is_of_people(&self) -> bool {
        const OF_PEOPLE: [&str; 10] =
            ["approve", "ask", "decide", "remind", "escalate", "transfer", "delegate", "add", "remove", "recall"];
        OF_PEOPLE.contains(&self.line.action.as_str())
    }

    /// The people of such a line, each by id and by name; or the step that somebody sent it back to.
    fn people(&self, name: &str, definitions: &Definitions) -> Vec<Vec<Value>> {
        let kept = match (self.line.action.as_str(), name) {
            ("approve" | "ask" | "remind", "who") => "asked",
            ("add", "to") => "people",
            ("remove", "to") => "person",
            _ => name,
        };
        let ids: Vec<String> = match self.detail(kept) {
            Some(Value::List(all)) => all.iter().map(ToString::to_string).collect(),
            Some(one) => vec![one.to_string()],
            None => Vec::new(),
        };
        let named = |id: &String| definitions.people.get(id).map(|p| Value::from(p.name.as_str()));
        let one = |id: &String| [Some(Value::from(id.as_str())), named(id)].into_iter().flatten().collect();
        ids.iter().map(one).collect()
    }

    /// Each person that such a line is about, and as what: it says as much of each of them. A line about nobody is one thing.
    pub(super) fn parts(&self, definitions: &Definitions) -> Vec<(&'static str, Vec<Value>)> {
        let of = |name: &'static str| self.people(name, definitions).into_iter().map(move |person| (name, person));
        let parts: Vec<_> = if self.is_of_people() { OF.into_iter().flat_map(of).collect() } else { Vec::new() };
        if parts.is_empty() { vec![("", Vec::new())] } else { parts }
    }

    /// A member of what the call sends: the log shows only its beginning.
    fn said(&self, name: &str) -> Option<Value> {
        Some(match (&self.call.as_ref()?.request, name) {
            (Request::Email(m), "to") => m.to.as_str().into(),
            (Request::Email(m), "subject") => m.subject.as_str().into(),
            (Request::Email(m), "text") => m.text.as_str().into(),
            (Request::Email(m), "html") => m.html.as_deref()?.into(),
            (Request::Http(h), "method") => h.method.as_str().into(),
            (Request::Http(h), "url") => h.url.as_str().into(),
            (Request::Http(h), "json" | "form" | "text") => match (&h.body, name) {
                (HttpBody::Json(value), "json") => value.clone(),
                (HttpBody::Form(pairs), "form") => {
                    Value::Map(pairs.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect())
                }
                (HttpBody::Text(text), "text") => text.as_str().into(),
                _ => return None,
            },
            (Request::Dingtalk(m) | Request::Wecom(m), "text") => m.text.as_str().into(),
            (Request::Dingtalk(m) | Request::Wecom(m), "title") => m.title.as_str().into(),
            _ => return None,
        })
    }

    /// The people whom a message reaches: by their address, or by a mention.
    fn told<'d>(&self, definitions: &'d Definitions) -> Vec<(&'d str, &'d Person)> {
        let (to, at, kind) = match self.call.as_ref().map(|c| &c.request) {
            Some(Request::Email(m)) => (Some(m.to.clone()), Mentions::default(), ConnectionKind::Smtp),
            Some(Request::Dingtalk(m)) => (None, m.at.clone(), ConnectionKind::Dingtalk),
            Some(Request::Wecom(m)) => (None, m.at.clone(), ConnectionKind::Wecom),
            Some(Request::Http(_)) => return Vec::new(),
            // Only shown: the log has no more than this.
            None => {
                let names = match self.detail("at") {
                    Some(Value::List(names)) => names.iter().map(ToString::to_string).collect(),
                    _ => Vec::new(),
                };
                let at = Mentions { users: Vec::clone(&names), mobiles: names, all: false };
                let kind = if self.line.action == "wecom" { ConnectionKind::Wecom } else { ConnectionKind::Dingtalk };
                (self.detail("to").map(ToString::to_string), at, kind)
            }
        };
        let reaches = |p: &Person| {
            let user = if kind == ConnectionKind::Wecom { &p.wecom } else { &p.dingtalk };
            let mobile = p.mobile.as_deref().map(|m| m.strip_prefix("+86").unwrap_or(m));
            to.is_some() && p.email == to
                || user.as_ref().is_some_and(|u| at.users.contains(u))
                || mobile.is_some_and(|m| at.mobiles.iter().any(|known| known == m))
        };
        definitions.people.iter().filter(|(_, p)| reaches(p)).map(|(id, p)| (id.as_str(), p)).collect()
    }

    /// Whom a robot's message mentions: as it is sent, and the people behind it.
    fn mentioned(&self, definitions: &Definitions) -> Vec<Value> {
        let mut all: Vec<Value> = match self.call.as_ref().map(|c| &c.request) {
            Some(Request::Dingtalk(m) | Request::Wecom(m)) => {
                m.at.users.iter().chain(&m.at.mobiles).map(|t| t.as_str().into()).chain(m.at.all.then(|| "all".into())).collect()
            }
            _ => Vec::new(),
        };
        for (id, person) in self.told(definitions) {
            all.extend([id.into(), person.name.as_str().into()]);
        }
        all
    }
}
