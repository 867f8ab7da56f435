//! The phrases of tasks: who was asked, who decided what by which way, who handed it to whom.

use super::super::output::clip;
use super::super::words::Words as _;
use super::{ERROR, Saying, TEXT};
use crate::engine::log::{Line, Outcome};
use crate::engine::value::Value;

impl Saying<'_> {
    /// A line about a task.
    pub(super) fn task(&mut self, line: &Line) {
        match (line.action.as_str(), line.outcome) {
            ("decide", Outcome::Suppressed) => self.not_decided(),
            ("decide", _) => self.decided(),
            ("approve" | "ask" | "remind", _) => self.towards("asked"),
            ("escalate", _) => {
                self.whom("from");
                self.towards("to");
            }
            (action, _) => self.handed(action),
        }
        self.members.remove("asked");
        self.words();
        if let Some(due) = self.moment("due") {
            self.say(format!("{} {due}", self.pick("until", "到")));
        }
        for name in ["step", "task"] {
            if let Some(text) = self.take(name) {
                self.say(clip(&text, TEXT));
            }
        }
        for name in ["subject", "round"] {
            self.members.remove(name);
        }
    }

    fn names(&mut self, member: &str) -> Option<String> {
        let all = match self.members.remove(member)? {
            Value::List(all) => all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            one => one.to_string(),
        };
        Some(clip(&all, TEXT)).filter(|names| !names.is_empty())
    }

    fn whom(&mut self, member: &str) {
        if let Some(names) = self.names(member) {
            self.say(names);
        }
    }

    fn towards(&mut self, member: &str) {
        if let Some(names) = self.names(member) {
            self.say(format!("→ {names}"));
        }
    }

    /// `李四 (for 何经理) approved`
    fn decided(&mut self) {
        self.whom("who");
        if let Some(principal) = self.take("for") {
            let lang = self.speech.lang;
            self.say(lang.pick(format!("(for {principal})"), format!("(代 {principal})")));
        }
        let opinion = self.members.remove("opinion").is_some();
        let said = match (self.take("decision").as_deref(), opinion) {
            (Some("approved"), false) => ("approved", "同意"),
            (Some("rejected"), false) => ("rejected", "驳回"),
            (Some("answered"), _) => ("answered", "已填写"),
            (Some("approved"), true) => ("in favour", "意见：同意"),
            (_, true) => ("against", "意见：不同意"),
            _ => ("", ""),
        };
        self.say(self.pick(said.0, said.1));
        self.towards("to");
        if self.members.remove("here") == Some(Value::Bool(true)) {
            self.say(self.pick("and straight back", "之后直接返回"));
        }
    }

    /// Who may not, and why.
    fn not_decided(&mut self) {
        let (who, act) = (self.names("who").unwrap_or_default(), self.take("act").unwrap_or_default());
        self.say(format!("{who} {act}:"));
        let (reason, detail) = (self.take("reason"), self.take("detail"));
        self.say(clip(&detail.or(reason).unwrap_or_default(), ERROR));
        self.members.remove("decided");
    }

    fn handed(&mut self, action: &str) {
        self.whom("who");
        match action {
            "add" => {
                let order = self.take("order");
                let before = order.as_deref() == Some("before");
                let word = if before { self.pick("before:", "前加签") } else { self.pick("after:", "后加签") };
                self.say(word);
                self.whom("people");
            }
            "remove" => {
                self.say("−");
                self.whom("person");
            }
            "recall" => {
                self.members.remove("decision");
            }
            _ => self.towards("to"),
        }
    }

    /// Their words, and by which way they came.
    fn words(&mut self) {
        if let Some(comment) = self.take("comment") {
            self.say(format!("「{}」", clip(&comment, TEXT)));
        }
        let way: Vec<String> = [self.take("way"), self.take("address")].into_iter().flatten().collect();
        if !way.is_empty() {
            self.say(format!("({})", clip(&way.join(", "), TEXT)));
        }
    }
}
