//! Steps at which people decide or answer, and what becomes of them when time is over.

use super::super::Compiler;
use super::reach::Graph;
use crate::config::catalogue::{self as t, flow as f};
use crate::config::names::{Known, Sight};
use crate::config::problem::Problem;
use crate::config::scalar;
use crate::config::table::ACTION_NAMES;
use crate::config::tree::Node;
use crate::engine::definition::{Approve, Ask, Late, Nobody, Own, Repeated, Rung, Share, Signing, Who};
use crate::engine::template::Template;

/// What may become of those who are asked.
const VERDICTS: &[&str] = &["remind", "escalate", "decide", "back_to", "go_to", "end", "fail"];

impl<'n> Compiler<'n> {
    pub(super) fn approve(&self, graph: &Graph<'n>, at: usize, node: &Node, names: &Known<'_>) -> Option<Approve> {
        let (laid, of) = (graph.step(at), graph.of(at));
        if of.is_empty() {
            self.no_record(node, "approve");
        }
        let who = self.whos(Some(node.get("who").unwrap_or(node)), of);
        let mode = self.signing(node, who.as_deref());
        let show = node.get("show").map(Node::one_or_more).unwrap_or_default();
        let show = show.iter().filter_map(|n| self.field_of(n, of)).collect();
        let nobody = match (node.text_at("nobody"), node.get("nobody").and_then(|n| n.get("ask"))) {
            (Some("approve"), _) => Nobody::Approve,
            (Some("reject"), _) => Nobody::Reject,
            (_, Some(ask)) => Nobody::Ask(self.whos(Some(ask), of)?),
            _ => Nobody::Fail,
        };
        let own = match node.text_at("own") {
            Some("approve") => Own::Approve,
            Some("manager") => Own::Manager,
            _ => Own::Ask,
        };
        let repeated = if node.text_at("repeated") == Some("approve") { Repeated::Approve } else { Repeated::Ask };
        Some(Approve {
            who: who?,
            mode: mode?,
            subject: node.get("subject").and_then(|n| self.template(n, names)),
            text: node.get("text").and_then(|n| self.template(n, names)),
            show,
            links: self.links(node, names)?,
            nobody,
            own,
            repeated,
            rejected: laid.rejected,
            returns: graph.returns[at].clone(),
        })
    }

    fn links(&self, node: &Node, names: &Known<'_>) -> Option<Vec<(Template, Template)>> {
        let entries = node.get("links").map(Node::entries).unwrap_or_default();
        let one = |e: &crate::config::tree::Entry| {
            let name = Template::parse(&e.key).ok().filter(|name| name.check(names).is_empty());
            if name.is_none() {
                self.sink.say(e.at, &t::UNKNOWN_NAME, [e.key.as_str().into()]);
            }
            Some((name?, self.template(&e.value, names)?))
        };
        entries.iter().map(one).collect::<Vec<_>>().into_iter().collect()
    }

    /// How several decide.
    fn signing(&self, node: &Node, who: Option<&[Who]>) -> Option<Signing> {
        let mode = node.text_at("mode").unwrap_or("all");
        if mode != "all" {
            for key in ["need", "veto"] {
                if let Some(other) = node.get(key) {
                    self.sink.say(other.at, &f::NEED_MODE, [key.into(), mode.into()]);
                }
            }
            return Some(if mode == "any" { Signing::Any } else { Signing::Sequence });
        }
        let need = match node.get("need") {
            Some(need) => Some(self.share(need, who)?),
            None => None,
        };
        Some(Signing::All { need, veto: node.get("veto").and_then(scalar::boolean).unwrap_or(false) })
    }

    /// `2`, `60%`
    fn share(&self, node: &Node, who: Option<&[Who]>) -> Option<Share> {
        let text = node.text()?.trim();
        let number = |t: &str| t.trim().parse::<u32>().ok().filter(|n| *n > 0);
        let share = match text.strip_suffix('%') {
            Some(percent) => number(percent).filter(|n| *n <= 100).map(Share::Percent),
            None => number(text).map(Share::Count),
        };
        match share {
            None => self.sink.add(Problem::new(node.at, f::BAD_NEED.with([text.into()])).help(f::BAD_NEED_HELP.with([]))),
            Some(Share::Count(need)) => {
                if let Some(most) = who.and_then(|w| self.most(w)).filter(|most| *most < need as usize) {
                    self.sink.say(node.at, &f::NEED_PEOPLE, [text.into(), most.to_string().into()]);
                }
            }
            Some(Share::Percent(_)) => {}
        }
        share
    }

    /// How many people these may be at most; none where only the record knows.
    fn most(&self, who: &[Who]) -> Option<usize> {
        let mut ids = std::collections::BTreeSet::new();
        let mut fields = 0;
        for one in who {
            match one {
                Who::User(id) => _ = ids.insert(id.as_str()),
                Who::Team(team) => ids.extend(self.teams.get(team)?.members.iter().map(String::as_str)),
                Who::Role(role) => {
                    ids.extend(self.people.iter().filter(|(_, p)| p.roles.contains(role)).map(|(id, _)| id.as_str()));
                }
                Who::Field(_) => fields += 1,
            }
        }
        Some(ids.len() + fields)
    }

    pub(super) fn ask(&self, node: &Node, of: &[String], names: &Known<'_>) -> Option<Ask> {
        let who = self.whos(node.get("who"), of);
        let form = node.get("form").and_then(|n| self.form_named(n));
        let set = node.get("set").and_then(scalar::boolean).unwrap_or(false);
        if let (true, Some(form), Some(at)) = (set, &form, node.get("set")) {
            self.writable(at, form, of);
        }
        Some(Ask {
            who: who?,
            form: form?,
            subject: node.get("subject").and_then(|n| self.template(n, names)),
            text: node.get("text").and_then(|n| self.template(n, names)),
            set,
            links: self.links(node, names)?,
        })
    }

    fn form_named(&self, node: &Node) -> Option<String> {
        let name = node.text()?;
        if self.forms.contains_key(name) {
            return Some(name.to_owned());
        }
        self.missing(node.at, &f::UNKNOWN_FORM, name, self.forms.keys().map(String::as_str));
        None
    }

    /// Tells of answers that no field of the record holds.
    fn writable(&self, node: &Node, form: &str, of: &[String]) {
        if of.is_empty() {
            return self.no_record(node, "set");
        }
        let Some(fields) = self.forms.get(form).map(|f| &f.fields) else { return };
        for entity in of.iter().filter(|e| !self.vague.contains(*e)) {
            let Some(known) = self.entities.get(entity) else { continue };
            let holds = |name: &str, kind: &crate::engine::entity::FieldKind| {
                let own = known.fields.get(name).map(|f| &f.kind);
                own.is_some_and(|own| own == kind || *own == crate::engine::entity::FieldKind::Any)
            };
            for field in fields.iter().filter(|f| !holds(&f.name, &f.kind)) {
                let args = [form.into(), field.name.as_str().into(), entity.as_str().into()];
                let problem = Problem::new(node.at, f::FORM_UNWRITABLE.with(args));
                self.sink.add(problem.help(f::FORM_UNWRITABLE_HELP.with([])));
            }
        }
    }

    /// What is done each time that the time of those who are asked is over.
    pub(super) fn rungs(&self, graph: &Graph<'n>, at: usize, node: &Node, sight: &Sight) -> Vec<Rung> {
        let (laid, of) = (graph.step(at), graph.of(at));
        let nodes = node.one_or_more();
        let rungs = nodes.iter().zip(&laid.late).map(|(n, first)| self.rung(n, *first, of, sight)).collect::<Vec<_>>();
        for (n, rung) in rungs.iter().enumerate() {
            let last = n + 1 == rungs.len();
            match rung.as_ref().map(|r| &r.then) {
                Some(Late::Remind { times: None } | Late::Decide { .. } | Late::Go(_)) if !last => {
                    let word = VERDICTS.iter().find(|w| nodes[n].has(w)).copied().unwrap_or_default();
                    let word = if word == "remind" { "remind: again" } else { word };
                    self.sink.say(nodes[n + 1].at, &f::RUNG_LAST, [word.into()]);
                }
                Some(Late::Stay | Late::Remind { times: Some(_) }) if last && !graph.bounded() => {
                    let problem = Problem::new(nodes[n].at, f::RUNGS_END.with([]));
                    self.sink.add(problem.help(f::RUNGS_END_HELP.with([])));
                }
                _ => {}
            }
        }
        rungs.into_iter().flatten().collect()
    }

    fn rung(&self, node: &Node, first: Option<usize>, of: &[String], sight: &Sight) -> Option<Rung> {
        let known = |e: &&crate::config::tree::Entry| VERDICTS.contains(&e.key.as_str());
        let acts = |e: &&crate::config::tree::Entry| ACTION_NAMES.contains(&e.key.as_str());
        let entries = || node.entries().iter();
        let odd = entries().filter(|e| !known(e) && !acts(e)).collect::<Vec<_>>();
        let (verdicts, actions): (Vec<_>, Vec<_>) = (entries().filter(known).collect(), entries().filter(acts).collect());
        for entry in odd.iter().chain(verdicts.iter().skip(1)).chain(actions.iter().skip(1)) {
            let problem = Problem::new(entry.at, f::RUNG_WORD.with([entry.key.as_str().into()]));
            self.sink.add(problem.help(f::RUNG_WORD_HELP.with([])));
        }
        let action = if actions.is_empty() { Vec::new() } else { vec![self.action(node, of, Some(sight))?] };
        let Some(verdict) = verdicts.first() else { return Some(Rung { actions: action, then: Late::Stay }) };
        let then = match verdict.key.as_str() {
            "remind" => Late::Remind { times: self.times(&verdict.value)? },
            "escalate" => Late::Escalate(self.whos(Some(&verdict.value), of)?),
            "decide" => Late::Decide { approved: verdict.value.text() == Some("approve") },
            _ => Late::Go(first),
        };
        Some(Rung { actions: action, then })
    }

    /// `remind: 2`, `remind: again`
    fn times(&self, node: &Node) -> Option<Option<u32>> {
        let text = node.text()?;
        let times = text.parse::<u32>().ok().filter(|n| (1..=100).contains(n));
        if times.is_none() && text != "again" {
            self.sink.say(node.at, &f::BAD_REMIND, [text.into()]);
            return None;
        }
        Some(times)
    }
}
