//! The phrases of runs: those that stay on the version they began with.

use super::super::words::Words as _;
use super::{ERROR, Saying, clip};
use crate::engine::value::Value;

impl Saying<'_> {
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
