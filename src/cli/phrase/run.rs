//! The phrases of runs: those that stay on the version they began with.

use super::super::words::Words as _;
use super::{ERROR, Saying, clip};
use crate::engine::log::{Line, Outcome};
use crate::engine::value::Value;

impl Saying<'_> {
    /// A run on another version of its flow; or what stands against that.
    pub(super) fn migrated(&mut self, line: &Line) {
        self.parts.extend(line.run.clone());
        self.members.remove("from");
        // What a reload tells, too: by that it can be looked up.
        let graph = self.take("graph");
        if let Some(hash) = self.take("definitions").or(graph) {
            self.say(format!("→ {}", hash.chars().take(12).collect::<String>()));
        }
        if let Some(Value::List(against)) = self.members.remove("against") {
            let one = |reason: &Value| {
                let part = |name: &str| reason.at(&[name]).map(ToString::to_string).unwrap_or_default();
                let why = self.said(&part("why"));
                if part("step").is_empty() { why } else { format!("{}: {why}", clip(&part("step"), ERROR)) }
            };
            let told: Vec<String> = against.iter().map(one).collect();
            self.members.remove("reason");
            let head = self.speech.lang.pick("cannot be moved: ", "不能迁移:");
            self.say(head.to_owned() + &told.join(self.speech.lang.pick("; ", ";")));
        }
    }

    /// The event that a run waits for, or that has come.
    pub(in crate::cli) fn awaited(&mut self, line: &Line) {
        let Some(event) = self.take("event").map(|event| clip(&event, ERROR)) else { return };
        let lang = self.speech.lang;
        let kept = self.members.remove("kept").is_some();
        self.say(match line.outcome {
            Outcome::Fired => lang.pick(format!("for {event}"), format!("等待 {event}")),
            _ if kept => lang.pick(format!("{event} had come before"), format!("{event} 此前已发生")),
            _ => lang.pick(format!("{event} has come"), format!("{event} 已发生")),
        });
    }

    /// Runs that stay on what their flow was, by the step at which they wait: `12 runs wait at approve: pinned (报价审批)`.
    pub(super) fn pinned(&mut self, pinned: &Value) {
        let lang = self.speech.lang;
        for (flow, stay) in pinned.as_map().into_iter().flatten() {
            let count = |path: &[&str]| stay.at(path).map(ToString::to_string).unwrap_or_default();
            let waits = |n: &str| if n == "1" { "run waits" } else { "runs wait" };
            let at: Vec<String> = stay
                .at(&["at"])
                .and_then(Value::as_map)
                .into_iter()
                .flatten()
                .map(|(step, n)| {
                    let n = n.to_string();
                    lang.pick(format!("{n} {} at `{step}`", waits(&n)), format!("{n} 个运行等在 `{step}`"))
                })
                .collect();
            let at = if at.is_empty() {
                let n = count(&["runs"]);
                lang.pick(format!("{n} {}", waits(&n)), format!("{n} 个运行"))
            } else {
                at.join(lang.pick(", ", ","))
            };
            let gone = if stay.at(&["gone"]).is_some() { lang.pick(", removed", ",已删除") } else { "" };
            let told = lang.pick(format!("· {at}: pinned ({flow}{gone})"), format!("· {at}:按原版本继续({flow}{gone})"));
            self.say(clip(&told, ERROR));
        }
    }
}
