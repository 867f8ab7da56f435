//! Flows from the grammar, as YAML. Every way back is bounded by a variable of its own, so that each run can end.

use super::dice::Dice;

/// The text of a flow, and what is in it.
pub(super) struct Text {
    pub(super) yaml: String,
    pub(super) kinds: Vec<&'static str>,
    /// A step may be gone through more than once in a round.
    pub(super) loops: bool,
}

/// Everything that must turn up.
pub(super) const KINDS: &[&str] = &[
    "log",
    "set",
    "vars",
    "http",
    "email",
    "http.retry",
    "http.within",
    "http.on_error",
    "http.undo",
    "http.verify",
    "wait",
    "until",
    "event.late",
    "event.up_to",
    "event.match",
    "choose",
    "parallel.all",
    "parallel.any",
    "parallel.2",
    "each",
    "repeat.times",
    "repeat.while",
    "go_to",
    "back_to",
    "back_to.here",
    "back_to.undo",
    "approve",
    "approve.rejected",
    "approve.late",
    "ask",
    "end",
    "fail",
    "call",
    "aside",
    "stop_if",
    "stop_if.undo",
    "reroute",
    "flow.within",
    "flow.on_error",
    "recall.steps",
    "if",
];

pub(super) fn flow(dice: &mut Dice) -> Text {
    let mut grammar =
        Grammar { dice, n: 0, kinds: Vec::new(), levels: vec![Vec::new()], loops: false, aside: false, vars: Vec::new() };
    grammar.whole()
}

struct Grammar<'d> {
    dice: &'d mut Dice,
    n: u32,
    kinds: Vec<&'static str>,
    /// Ids of steps that stand before, per branch around.
    levels: Vec<Vec<String>>,
    loops: bool,
    aside: bool,
    vars: Vec<String>,
}

impl Grammar<'_> {
    fn whole(&mut self) -> Text {
        self.aside = self.dice.chance(30);
        let count = 2 + self.dice.below(4);
        let mut steps = vec!["{ id: 起, log: '{{ name }} {{ round }}' }".to_owned()];
        self.levels[0].push("起".into());
        steps.extend((0..count).map(|_| self.step(0)));
        let mut head =
            vec!["record: lead", "when: lead.begin", "initiator: owner"].into_iter().map(String::from).collect::<Vec<_>>();
        if self.dice.chance(25) {
            let undo = self.dice.chance(50);
            self.saw(if undo { "stop_if.undo" } else { "stop_if" });
            head.push(format!("stop_if: [ {{ name: 停, if: score > 90{} }} ]", if undo { ", undo: true" } else { "" }));
        }
        if self.dice.chance(20) {
            self.saw("reroute");
            head.push("reroute: { on: [score], back_to: 起 }".into());
        }
        if self.dice.chance(20) {
            self.saw("flow.within");
            head.push("within: 60d, late: { end: 超期 }".into());
        }
        if self.dice.chance(30) {
            self.saw("flow.on_error");
            head.push("on_error: [ { id: 善后, log: '{{ run.error }}' } ]".into());
        }
        if self.dice.chance(20) {
            self.saw("recall.steps");
            head.push("recall: [ { id: 撤, log: 撤回 } ]".into());
        }
        if self.aside {
            self.saw("aside");
            head.push("asides: { 修改: [ { id: 修改, wait: 1d }, { id: 回去, back_to: 起 } ] }".into());
            steps.push("{ id: 末审, approve: 'user:王总监', rejected: { back_to: 修改 } }".into());
        }
        let vars: Vec<String> = self.vars.iter().map(|v| format!("{v}: 0")).collect();
        if !vars.is_empty() {
            head.push(format!("vars: {{ {} }}", vars.join(", ")));
        }
        let sub = "  子流程: { record: lead, steps: [ { id: 内一, log: 内 }, { id: 内二, wait: 1h }, { id: 内三, http: { connection: erp, post: /sub, json: { a: 1 } } } ] }\n";
        let sub = if self.kinds.contains(&"call") { sub } else { "" };
        // What sources would say.
        let says = ["lead.begin", "lead.paid", "lead.signed", "payment"].map(|e| format!("{{ emit: {e} }}")).join(", ");
        let says = format!("rules:\n  说: {{ when: lead.changed, if: name == '从不', then: [ {says} ] }}\n");
        let form = "forms:\n  表: { title: 表, fields: { note: text } }\n";
        let yaml = format!("{says}{form}flows:\n{sub}  乱: {{ {}, steps: [ {} ] }}\n", head.join(", "), steps.join(", "));
        Text { yaml, kinds: std::mem::take(&mut self.kinds), loops: self.loops }
    }

    fn saw(&mut self, kind: &'static str) {
        self.kinds.push(kind);
    }

    fn id(&mut self) -> String {
        self.n += 1;
        format!("步{}", self.n)
    }

    fn var(&mut self) -> String {
        let var = format!("v{}", self.vars.len());
        self.vars.push(var.clone());
        var
    }

    /// Some steps, in brackets.
    fn some(&mut self, depth: u32) -> String {
        let count = 1 + self.dice.below(2);
        let steps: Vec<String> = (0..count).map(|_| self.step(depth)).collect();
        format!("[ {} ]", steps.join(", "))
    }

    /// A branch of its own: nothing outside goes into it.
    fn branch(&mut self, depth: u32) -> String {
        self.levels.push(Vec::new());
        let steps = self.some(depth);
        self.levels.pop();
        steps
    }

    fn step(&mut self, depth: u32) -> String {
        let id = self.id();
        let deep = depth < 3;
        let text = match self.dice.below(if deep { 24 } else { 13 }) {
            0 => self.plain("log", "log: '{{ name }}'"),
            1 => self.plain("set", "set: { note: 记 }"),
            2..=5 => self.http(&id),
            6 => self.plain("email", "email: { to: '{{ email }}', subject: 主题, text: 正文 }"),
            7 => self.plain("wait", "wait: 2d"),
            8 => self.plain("until", "wait: { until: owner_at, offset: 1d }"),
            9 | 10 => self.event(),
            11 => self.approve(),
            12 => self.plain("ask", "ask: { who: 'user:李四', form: 表, set: true }, within: 5d, late: { end: 没人答 }"),
            13 | 14 => self.choose(depth),
            15..=17 => self.parallel(depth),
            18 => self.each(depth),
            19 => self.repeat(depth),
            20 | 21 => return self.jump(),
            22 => self.plain("call", "call: 子流程"),
            _ => self.vars(),
        };
        let condition = if self.dice.chance(12) {
            self.saw("if");
            "if: score > 40, "
        } else {
            ""
        };
        self.levels.last_mut().unwrap().push(id.clone());
        format!("{{ id: {id}, {condition}{text} }}")
    }

    fn plain(&mut self, kind: &'static str, text: &str) -> String {
        self.saw(kind);
        text.to_owned()
    }

    fn vars(&mut self) -> String {
        let var = self.var();
        self.saw("vars");
        format!("set: {{ vars.{var}: = vars.{var} + 1 }}")
    }

    fn http(&mut self, id: &str) -> String {
        self.saw("http");
        let mut text = format!("http: {{ connection: erp, post: /do, json: {{ step: {id} }} }}");
        if self.dice.chance(50) {
            self.saw("http.retry");
            text += ", retry: [1m, 5m]";
        }
        if self.dice.chance(25) {
            self.saw("http.within");
            text += self.dice.pick(&[
                ", within: 1h, late: { fail: 超时 }",
                ", within: 1h, late: [ { log: 迟 } ]",
                ", within: 2m, late: { end: 迟了 }",
            ]);
        }
        if self.dice.chance(25) {
            self.saw("http.on_error");
            text += self.dice.pick(&[
                ", on_error: continue",
                ", on_error: [ { log: 错 } ]",
                ", on_error: { end: 错了 }",
                ", on_error: { fail: 不行 }",
            ]);
        }
        if self.dice.chance(55) {
            self.saw("http.undo");
            let one = format!("{{ http: {{ connection: erp, post: /undo, json: {{ step: {id} }} }} }}");
            text += &match self.dice.chance(30) {
                true => format!(", undo: [ {one}, {{ log: 撤 }} ]"),
                false => format!(", undo: {one}"),
            };
        }
        if self.dice.chance(35) {
            self.saw("http.verify");
            text += ", verify: { http: { connection: erp, get: /look }, happened: answer.found == true }";
        }
        text
    }

    fn event(&mut self) -> String {
        match self.dice.below(3) {
            0 => self.plain("event.late", "wait: lead.paid, within: 3d, late: { end: 过期 }"),
            1 => {
                let time = self.dice.pick(&["3d", "forever"]);
                self.saw("event.up_to");
                format!("wait: lead.signed, up_to: {time}")
            }
            _ => {
                self.plain("event.match", "wait: { event: payment, match: event.order == name and event.amount >= 5, up_to: 4d }")
            }
        }
    }

    fn approve(&mut self) -> String {
        self.saw("approve");
        let who = [
            "'user:王总监'",
            "{ who: ['user:李四', 'user:王总监'], mode: any }",
            "{ who: ['user:李四', 'user:王总监'], mode: all }",
            "{ who: ['user:李四', 'user:王总监'], mode: sequence }",
        ];
        let mut text = format!("approve: {}", self.dice.pick(&who));
        if self.dice.chance(40) {
            self.saw("approve.late");
            text += self.dice.pick(&[
                ", within: 1d, late: [ { remind: 2 }, { decide: approve } ]",
                ", within: 1d, late: [ { remind: 1 }, { escalate: 'role:director' }, { end: 无人批 } ]",
            ]);
        }
        if self.dice.chance(50) {
            self.saw("approve.rejected");
            let back = self.levels.last().and_then(|l| l.last()).cloned();
            text += &match back {
                Some(back) if self.dice.chance(60) => format!(", rejected: {{ back_to: {back} }}"),
                _ => ", rejected: [ { log: 被拒 } ]".into(),
            };
        }
        text
    }

    fn choose(&mut self, depth: u32) -> String {
        self.saw("choose");
        let mut then = self.some(depth + 1);
        if self.dice.chance(35) {
            let (kind, last) = self.dice.pick(&[("end", "{ end: 完 }"), ("fail", "{ fail: '没有 {{ name }}' }")]);
            self.saw(kind);
            then = format!("{}, {last} ]", then.trim_end_matches(" ]"));
        }
        let other = if self.dice.chance(50) { format!(", else: {}", self.some(depth + 1)) } else { String::new() };
        format!("choose: [ {{ if: score > 50, then: {then} }} ]{other}")
    }

    fn parallel(&mut self, depth: u32) -> String {
        let branches: Vec<String> = ["甲", "乙", "丙"].iter().map(|b| format!("{b}: {}", self.branch(depth + 1))).collect();
        let (kind, need) = self.dice.pick(&[("parallel.all", ""), ("parallel.any", ", need: any"), ("parallel.2", ", need: 2")]);
        self.saw(kind);
        format!("parallel: {{ {} }}{need}", branches.join(", "))
    }

    fn each(&mut self, depth: u32) -> String {
        self.saw("each");
        self.loops = true;
        let name = format!("项{}", self.n);
        let steps = self.branch(depth + 1);
        format!("each: {{ of: event.items, as: {name}, at_once: {}, steps: {steps} }}", 1 + self.dice.below(3))
    }

    fn repeat(&mut self, depth: u32) -> String {
        self.loops = true;
        if self.dice.chance(50) {
            self.saw("repeat.times");
            return format!("repeat: {{ times: 2, steps: {} }}", self.some(depth + 1));
        }
        self.saw("repeat.while");
        let var = self.var();
        let count = self.id();
        let steps = self.some(depth + 1);
        format!(
            "repeat: {{ while: vars.{var} < 2, most: 9, steps: [ {{ id: {count}, set: {{ vars.{var}: = vars.{var} + 1 }} }}, {} }}",
            steps.trim_start_matches("[ ")
        )
    }

    /// A way back, at most twice.
    fn jump(&mut self) -> String {
        let (count, jump, var) = (self.id(), self.id(), self.var());
        let to = self.levels.last().and_then(|l| if l.is_empty() { None } else { Some(l.clone()) });
        let Some(to) = to.map(|l| self.dice.pick(&l)) else { return format!("{{ id: {count}, log: x }}") };
        let go = match self.dice.below(4) {
            0 => {
                self.loops = true;
                self.saw("go_to");
                format!("go_to: {to}")
            }
            1 => {
                self.saw("back_to");
                format!("back_to: {to}")
            }
            2 => {
                self.saw("back_to.here");
                format!("back_to: {{ step: {to}, then: here }}")
            }
            _ => {
                self.saw("back_to.undo");
                format!("back_to: {{ step: {to}, undo: true }}")
            }
        };
        format!("{{ id: {count}, set: {{ vars.{var}: = vars.{var} + 1 }} }}, {{ id: {jump}, if: vars.{var} < 3, {go} }}")
    }
}
