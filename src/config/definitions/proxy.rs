//! 委托: who decides instead of a person, and when; nobody may stand in for each other in a circle at the same time.

use jiff::Timestamp;

use super::super::catalogue::{self as t, flow as f};
use super::super::problem::Problem;
use super::super::tree::Node;
use super::{Compiler, Item};
use crate::engine::definition::Proxy;

/// From then, until then.
type Time = (Timestamp, Timestamp);

impl Compiler<'_> {
    pub(super) fn proxies(&self, node: &Node) -> Vec<Proxy> {
        let nodes = node.get("proxy").map(Node::one_or_more).unwrap_or_default();
        nodes.iter().filter_map(|n| self.proxy(n)).collect()
    }

    fn proxy(&self, node: &Node) -> Option<Proxy> {
        let who = node.get("who").and_then(|w| self.person_name(w));
        let from = node.get("from").and_then(|n| self.bound(n, false));
        let until = node.get("until").and_then(|n| self.bound(n, true));
        if let (Some(begin), Some(end), Some(at)) = (from, until, node.get("until"))
            && end <= begin
        {
            self.sink.say(at.at, &t::ACTIVE_NEVER, []);
        }
        Some(Proxy { who: who?, from, until })
    }

    /// Tells of proxies that lead back to who gave them, while all of them count.
    pub(super) fn proxies_in_a_circle(&self, items: &[Item<'_>]) {
        for item in items {
            let Some(at) = item.node.get("proxy").map(|p| p.at) else { continue };
            let mut way = vec![item.id];
            let whole = (Timestamp::MIN, Timestamp::MAX);
            if self.comes_back(whole, &mut way) {
                // Told where its first name stands.
                if way.iter().min() == Some(&item.id) {
                    way.push(item.id);
                    let problem = Problem::new(at, f::PROXY_CYCLE.with([way.join(" → ").into()]));
                    self.sink.add(problem.help(f::PROXY_CYCLE_HELP.with([])));
                }
            }
        }
    }

    /// Whether a way of proxies, all of them at some time, leads back to where it began.
    fn comes_back<'p>(&'p self, time: Time, way: &mut Vec<&'p str>) -> bool {
        let Some(person) = way.last().and_then(|id| self.people.get(*id)) else { return false };
        for proxy in &person.proxies {
            let from = time.0.max(proxy.from.unwrap_or(Timestamp::MIN));
            let until = time.1.min(proxy.until.unwrap_or(Timestamp::MAX));
            if from >= until {
                continue;
            }
            if way.first() == Some(&proxy.who.as_str()) {
                return true;
            }
            if way.contains(&proxy.who.as_str()) || way.len() > 100 {
                continue;
            }
            way.push(&proxy.who);
            if self.comes_back((from, until), way) {
                return true;
            }
            way.pop();
        }
        false
    }
}
