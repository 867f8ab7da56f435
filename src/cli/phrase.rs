//! The detail of a log line as a short phrase: `→ 张三 (华东销售)`, `until 09-23 14:03`. What it does not know it shows as `name=value`.
//!
//! Never hides why something was not done: reasons and errors are always said.

mod access;
mod run;
mod task;
mod time;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::output::{clean, clip};
use super::when;
use super::words::{Lang, Words as _};
use crate::engine::log::{Line, Outcome};
use crate::engine::value::{Map, Value};

/// Cells of a text in a phrase: a mail's subject, a message.
const TEXT: usize = 60;
/// Cells of an error.
const ERROR: usize = 160;
/// Members of an object shown one by one.
const MEMBERS: usize = 8;

/// How to say it.
#[derive(Debug, Clone)]
pub(crate) struct Speech {
    /// In which language.
    pub(crate) lang: Lang,
    /// In which zone times are told.
    pub(crate) zone: TimeZone,
}

/// What a line's detail says.
pub(crate) fn phrase(line: &Line, speech: &Speech) -> String {
    let members = line.detail.as_map().cloned().unwrap_or_default();
    let mut saying = Saying { members, parts: Vec::new(), speech, at: line.at };
    saying.what(line);
    saying.how();
    saying.rest();
    saying.parts.retain(|p| !p.is_empty());
    saying.parts.join(" ")
}

/// A phrase in the making; what has been said is no longer among the members.
struct Saying<'a> {
    members: Map,
    parts: Vec<String>,
    speech: &'a Speech,
    at: Timestamp,
}

impl Saying<'_> {
    fn take(&mut self, name: &str) -> Option<String> {
        self.members.remove(name).filter(|v| !v.is_empty()).map(|v| v.to_string())
    }

    fn say(&mut self, part: impl Into<String>) {
        self.parts.push(part.into());
    }

    fn pick(&self, en: &str, zh: &str) -> String {
        self.speech.lang.pick(en, zh).to_owned()
    }

    fn said(&self, text: &str) -> String {
        clip(&self.speech.lang.said(text), ERROR)
    }

    fn moment(&mut self, name: &str) -> Option<String> {
        match self.members.remove(name)? {
            Value::Time(t) => Some(when::beside(t, self.at, &self.speech.zone)),
            other => Some(clean(&other.to_string())),
        }
    }

    /// What was done, by the action's own members.
    fn what(&mut self, line: &Line) {
        match line.action.as_str() {
            "assign" => self.assigned(),
            "set" | "create" if line.outcome == Outcome::Done => self.fields(),
            "tag" | "untag" => {
                if let Some(Value::List(tags)) = self.members.remove("tags") {
                    self.say(tags.iter().map(|t| format!("#{}", clip(&t.to_string(), TEXT))).collect::<Vec<_>>().join(" "));
                }
            }
            "emit" => self.arrow("event"),
            "release" => {
                self.arrow("pool");
                if let Some(from) = self.take("from") {
                    self.say(format!("{} {}", self.pick("from", "原为"), clip(&from, TEXT)));
                }
            }
            "log" => {
                let text = self.take("text").unwrap_or_default();
                self.say(clip(&text, 2 * TEXT));
            }
            "email" => {
                self.arrow("to");
                self.members.remove("text");
                if let Some(subject) = self.take("subject") {
                    self.say(format!("《{}》", clip(&subject, TEXT)));
                }
                self.members.remove("connection");
            }
            "dingtalk" | "wecom" => self.message(),
            "http" => {
                let request = [self.take("method"), self.take("url")].into_iter().flatten().collect::<Vec<_>>().join(" ");
                self.say(clip(&request, 2 * TEXT));
                self.members.remove("connection");
            }
            "notify" => self.arrow("to"),
            "wait" => self.awaited(line),
            // A polled source that cannot be read, or can be again.
            "read" => {
                if let Some(source) = self.take("source") {
                    let colon = if line.outcome == Outcome::Failed { ":" } else { "" };
                    self.say(clip(&source, TEXT) + colon);
                }
            }
            "replay" => {
                if let Some(of) = self.take("of") {
                    self.say(format!("{} {of}", self.pick("of", "原事件")));
                }
            }
            "record" => self.merged(),
            "merge" | "unmerge" => self.united(),
            "reload" => self.reloaded(),
            "migrate" => self.migrated(line),
            "audit" => self.audited(),
            "tokens" => self.token(),
            "existing" => self.existing(),
            "each" => self.each(),
            "schedule" => self.missed(),
            "start" => {
                let flow = line.flow.as_ref().filter(|_| line.rule.is_some()).map(|flow| format!("→ {}", clip(flow, TEXT)));
                self.parts.extend(flow.into_iter().chain(line.run.clone()));
            }
            "run" => {
                if let Some(step) = self.take("step") {
                    let at = self.pick("at step", "步骤");
                    self.say(format!("{at} {}", clip(&step, TEXT)));
                }
                if let Some(event) = self.take("kept") {
                    let event = clip(&event, TEXT);
                    let lang = self.speech.lang;
                    self.say(lang.pick(
                        format!("kept: it does not wait for {event} yet, a later step will"),
                        format!("已留存:目前没有等待 {event},到等待它的步骤时使用"),
                    ));
                }
            }
            "end" => {
                if let Some(steps) = self.take("steps") {
                    self.say(format!("{steps} {}", self.pick(if steps == "1" { "step" } else { "steps" }, "步")));
                }
            }
            "approve" | "ask" | "decide" | "transfer" | "delegate" | "add" | "remove" | "remind" | "escalate" => self.task(line),
            "recall" if self.members.contains_key("task") => self.task(line),
            _ => {}
        }
        if self.members.get("branch").and_then(Value::as_text) == Some("else") {
            self.members.remove("branch");
            self.say(self.pick("else", "else 分支"));
        }
    }

    fn arrow(&mut self, name: &str) {
        if let Some(text) = self.take(name) {
            self.say(format!("→ {}", clip(&text, TEXT)));
        }
    }

    fn assigned(&mut self) {
        let (id, name) = (self.take("to"), self.take("name"));
        if let Some(who) = name.or(id) {
            self.say(format!("→ {}", clip(&who, TEXT)));
        }
        if let Some(team) = self.take("team") {
            self.say(format!("({})", clip(&team, TEXT)));
        }
        if let Some(from) = self.take("from") {
            self.say(format!("{} {}", self.pick("from", "原为"), clip(&from, TEXT)));
        }
    }

    fn fields(&mut self) {
        let members = std::mem::take(&mut self.members);
        let more = members.len().saturating_sub(MEMBERS);
        for (name, value) in members.into_iter().take(MEMBERS) {
            let value = self.value(&value);
            self.say(format!("{}={value}", clip(&name, TEXT)));
        }
        if more > 0 {
            self.say(format!("+{more}"));
        }
    }

    fn value(&self, value: &Value) -> String {
        match value {
            Value::Time(t) => when::beside(*t, self.at, &self.speech.zone),
            Value::Null => self.pick("nothing", "空"),
            other => clip(&other.to_string(), TEXT),
        }
    }

    fn message(&mut self) {
        self.arrow("connection");
        if let Some(text) = self.take("text") {
            self.say(format!("「{}」", clip(&text, TEXT)));
        }
        if let Some(Value::List(at)) = self.members.remove("at") {
            self.say(at.iter().map(|who| format!("@{}", clip(&who.to_string(), TEXT))).collect::<Vec<_>>().join(" "));
        }
    }

    /// What was changed: each member with what it was and is.
    fn changed(&mut self) {
        let Some(Value::Map(changed)) = self.members.remove("changed") else { return };
        let more = changed.len().saturating_sub(MEMBERS);
        for (name, pair) in changed.into_iter().take(MEMBERS) {
            let side = |n: &str| pair.at(&[n]).map_or_else(String::new, |v| self.value(v));
            let text = format!("{}: {} → {}", clip(&name, TEXT), side("0"), side("1"));
            self.say(text);
        }
        if more > 0 {
            self.say(format!("+{more}"));
        }
    }

    /// What a source told: what changed from what to what, and what was not taken over.
    fn merged(&mut self) {
        if self.members.remove("created") == Some(Value::Bool(true)) {
            self.say(self.pick("new record", "新记录"));
        }
        self.changed();
        let reason = self.members.remove("reason");
        if let Some(Value::Map(refused)) = self.members.remove("refused") {
            let each: Vec<String> =
                refused.iter().map(|(f, why)| format!("{} ({})", clip(f, TEXT), self.said(&why.to_string()))).collect();
            let head = self.pick("not taken over:", "未采纳:");
            self.say(format!("{head} {}", each.join(", ")));
        } else if let Some(reason) = reason {
            self.members.insert("reason".into(), reason);
        }
        if let Some(entity) = self.take("entity") {
            self.say(clip(&entity, TEXT));
        }
    }

    /// What two records that became one, or two again, came to.
    fn united(&mut self) {
        if let Some(from) = self.take("from") {
            self.say(format!("← {}", clip(&from, TEXT)));
        }
        if let Some(Value::Map(filled)) = self.members.remove("filled") {
            let rest = std::mem::replace(&mut self.members, filled);
            self.fields();
            self.members = rest;
        }
        if let Some(Value::List(tags)) = self.members.remove("tags") {
            self.say(tags.iter().map(|t| format!("#{}", clip(&t.to_string(), TEXT))).collect::<Vec<_>>().join(" "));
        }
        let stays = [
            ("into", "into", "并入"),
            ("first", "first:", "先拆分:"),
            ("missing", "missing:", "不存在:"),
            ("kept", "changed since, kept:", "之后已改动,保留:"),
            ("missed", "not made up for:", "不再补做:"),
            ("runs", "runs not restored:", "无法恢复的运行:"),
            ("windows", "counts stay as they are:", "统计保持现状:"),
        ];
        for (name, en, zh) in stays {
            let Some(value) = self.members.remove(name) else { continue };
            let text = match value {
                Value::List(items) => items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
                other => other.to_string(),
            };
            self.say(format!("{} {}", self.pick(en, zh), clip(&text, ERROR)));
        }
    }

    fn reloaded(&mut self) {
        if let Some(hash) = self.take("definitions") {
            self.say(hash.chars().take(12).collect::<String>());
        }
        match self.members.remove("changed") {
            Some(Value::Map(sections)) => self.say(clip(&difference(&sections, self.speech.lang), ERROR)),
            Some(Value::Text(word)) => self.say(self.said(&word)),
            _ => {}
        }
        if let Some(pinned) = self.members.remove("pinned") {
            self.pinned(&pinned);
        }
        if let Some(problems) = self.members.remove("problems") {
            self.members.remove("reason");
            self.not_loaded(&problems);
        }
    }

    /// How many problems keep the old definitions in force, and the first of them.
    fn not_loaded(&mut self, problems: &Value) {
        let all = if let Some(Value::List(all)) = problems.at(&["problems"]) { all.as_slice() } else { &[] };
        let n = all.len();
        let many = if n == 1 { "problem" } else { "problems" };
        let head = self.speech.lang.pick(format!("{n} {many}, the old definitions stay"), format!("{n} 个问题,继续使用旧定义"));
        let first = all.first().map(|problem| {
            let part = |path: &[&str]| problem.at(path).map(Value::to_string).unwrap_or_default();
            let place: Vec<String> = [part(&["at", "file"]), part(&["at", "line"]), part(&["at", "column"])]
                .into_iter()
                .filter(|p| !p.is_empty())
                .collect();
            [place.join(":"), part(&["message"])].into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(" ")
        });
        match first.filter(|f| !f.is_empty()) {
            Some(first) => self.say(format!("{head}: {}", clip(&first, ERROR))),
            None => self.say(head),
        }
    }

    /// How it stands: reason, error, what follows and when.
    fn how(&mut self) {
        if let Some(status) = self.take("status") {
            self.say(clip(&status, TEXT));
        }
        for name in ["silence", "rules"] {
            if let Some(what) = self.take(name) {
                self.say(clip(&what, TEXT));
            }
        }
        let reason = self.take("reason").map(|r| self.said(&r));
        // With a reason it is no attempt that the line tells of.
        if reason.is_some() {
            self.members.remove("attempt");
        }
        let by = self.take("by").map(|by| format!("({})", clip(&by, TEXT)));
        let reason = [reason, by].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let why = ["limit", "cycle", "error"].map(|name| self.take(name).map(|text| self.said(&text)).unwrap_or_default());
        let whole: Vec<String> = std::iter::once(reason).chain(why).filter(|t| !t.is_empty()).collect();
        self.say(whole.join(": "));
        if let Some(at) = self.moment("until") {
            self.say(format!("{} {at}", self.pick("until", "到")));
        }
        let told: Vec<String> = ["who", "comment"].into_iter().filter_map(|name| self.take(name)).collect();
        if !told.is_empty() {
            self.say(format!("「{}」", clip(&told.join(": "), TEXT)));
        }
        if let Some(at) = self.moment("next") {
            self.aside(format!("{} {at}", self.pick("next try", "下次")));
        }
        if let Some(held) = self.take("held") {
            let held = clip(&held, TEXT);
            self.say(self.speech.lang.pick(format!("({held} pauses)"), format!("({held} 暂停)")));
        }
        if let Some(other) = self.take("merged") {
            self.say(self.speech.lang.pick(format!("within {other}"), format!("并入 {other}")));
        }
        self.call();
    }

    /// Behind a comma.
    fn aside(&mut self, part: String) {
        match self.parts.last_mut().filter(|last| !last.is_empty()) {
            Some(last) => last.push_str(&format!(", {part}")),
            None => self.say(part),
        }
    }

    fn call(&mut self) {
        let attempt = self.take("attempt").and_then(|n| n.parse::<u32>().ok());
        if let Some(call) = self.take("call") {
            self.say(clip(&call, TEXT));
            if let Some(n) = attempt.filter(|n| *n > 1) {
                self.say(self.speech.lang.pick(format!("(attempt {n})"), format!("(第 {n} 次)")));
            }
        }
    }

    /// What no word above was for.
    fn rest(&mut self) {
        self.fields();
    }
}

/// What a reload changed: `rules +new ~other -gone · sources ~website`.
fn difference(sections: &Map, lang: Lang) -> String {
    let marks = [("added", '+'), ("changed", '~'), ("removed", '-')];
    let named = |section: &str| {
        let chinese = match section {
            "constants" => "常量",
            "entities" => "实体",
            "people" => "人员",
            "teams" => "团队",
            "templates" => "模板",
            "tables" => "表",
            "actions" => "命名动作",
            "rules" => "规则",
            "flows" => "流程",
            "sources" => "来源",
            "connections" => "连接",
            "settings" => "设置",
            other => other,
        };
        lang.pick(section, chinese).to_owned()
    };
    let ids = |kinds: &Value| {
        let each = marks.iter().filter_map(|(kind, mark)| match kinds.at(&[kind]) {
            Some(Value::List(ids)) => Some(ids.iter().map(|id| format!("{mark}{id}")).collect::<Vec<_>>()),
            _ => None,
        });
        each.flatten().collect::<Vec<_>>().join(" ")
    };
    sections.iter().map(|(section, kinds)| format!("{} {}", named(section), ids(kinds))).collect::<Vec<_>>().join(" · ")
}

#[cfg(test)]
mod tests;
