//! A line of the action log on the terminal: aligned and coloured for people, one JSON object with stable keys for programs.

use super::output::{Look, Style, clip, pad, width};
use super::phrase::{Speech, phrase};
use super::when;
use super::words::Words as _;
use crate::engine::event;
use crate::engine::log::{Line, Outcome};

pub(crate) use crate::engine::log::Json;

/// Cells that a column may grow to: event, outcome, rule or flow, record, action.
const WIDEST: [usize; 5] = [10, 10, 32, 28, 12];

/// Lines for people. Columns grow with what they have shown so far and never shrink, so that what scrolls by stays aligned.
pub(crate) struct View {
    speech: Speech,
    style: Style,
    widths: [usize; 5],
}

impl View {
    pub(crate) fn new(speech: Speech, style: Style) -> Self {
        let outcome = Outcome::ALL.iter().map(|o| width(speech.lang.outcome(*o))).max().unwrap_or(0);
        Self { speech, style, widths: [0, outcome, 0, 0, 0] }
    }

    /// Makes the columns wide enough for all of these.
    pub(crate) fn fit(&mut self, lines: &[Line]) {
        for line in lines {
            for (at, text) in self.columns(line).iter().enumerate() {
                self.widths[at] = self.widths[at].max(width(text)).min(WIDEST[at]);
            }
        }
    }

    fn columns(&self, line: &Line) -> [String; 5] {
        let by = line.rule.as_ref().or(line.flow.as_ref());
        [
            event::id(line.event),
            self.speech.lang.outcome(line.outcome).to_owned(),
            clip(by.map_or("", String::as_str), WIDEST[2]),
            clip(&line.record.as_ref().map(ToString::to_string).unwrap_or_default(), WIDEST[3]),
            clip(&line.action, WIDEST[4]),
        ]
    }

    /// The line as text.
    pub(crate) fn human(&mut self, line: &Line) -> String {
        self.fit(std::slice::from_ref(line));
        let looks = [Look::Dim, look(line.outcome), Look::Cyan, Look::Plain, Look::Bold];
        let mut text = self.style.paint(Look::Dim, &when::short(line.at, &self.speech.zone));
        for ((column, look), cells) in self.columns(line).iter().zip(looks).zip(self.widths) {
            text.push_str("  ");
            text.push_str(&pad(column, self.style.paint(look, column), cells));
        }
        let detail = phrase(line, &self.speech);
        let quiet = line.outcome == Outcome::Suppressed;
        text.push_str("  ");
        text.push_str(&self.style.paint(if quiet { Look::Dim } else { Look::Plain }, &detail));
        text.trim_end().to_owned()
    }
}

/// The colour of an outcome.
pub(crate) fn look(outcome: Outcome) -> Look {
    match outcome {
        Outcome::Fired => Look::Cyan,
        Outcome::Done => Look::Green,
        Outcome::Retrying => Look::Yellow,
        Outcome::Failed | Outcome::Dead => Look::Red,
        Outcome::Suppressed => Look::Dim,
        Outcome::Unknown => Look::Magenta,
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::Lang;
    use super::*;
    use crate::engine::event::RecordRef;
    use crate::engine::value::Value;
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    fn line(seq: u64, rule: &str, id: &str, action: &str, detail: Value) -> Line {
        Line {
            seq,
            at: "2026-09-21T06:03:22.123456Z".parse().unwrap(),
            event: 12,
            rule: Some(rule.into()),
            flow: None,
            run: None,
            record: Some(RecordRef { entity: "lead".into(), id: id.into() }),
            action: action.into(),
            outcome: Outcome::Done,
            detail,
        }
    }

    #[test]
    fn columns_are_aligned_in_cells() {
        let lines = [
            line(1, "欢迎官网线索", "刘洋", "assign", Value::from([("name", "张三".into())])),
            line(2, "grade", "L1", "set", Value::from([("level", "A".into())])),
        ];
        let speech = Speech { lang: Lang::Zh, zone: TimeZone::get("Asia/Shanghai").unwrap() };
        let mut view = View::new(speech, Style::default());
        view.fit(&lines);
        assert_eq!(view.human(&lines[0]), "09-21 14:03:22  e12  完成  欢迎官网线索  lead/刘洋  assign  → 张三");
        assert_eq!(view.human(&lines[1]), "09-21 14:03:22  e12  完成  grade         lead/L1    set     level=A");
    }

    #[test]
    fn the_keys_for_programs_are_a_promise() {
        let t: Timestamp = "2026-09-23T06:03:22Z".parse().unwrap();
        let line = Line { rule: None, ..line(7, "", "L1", "wait", Value::from([("until", t.into())])) };
        assert_eq!(
            serde_json::to_string(&Json::from(&line)).unwrap(),
            r#"{"seq":7,"at":"2026-09-21T06:03:22.123456Z","event":"e12","rule":null,"flow":null,"run":null,"record":"lead/L1","action":"wait","outcome":"done","detail":{"until":"2026-09-23T06:03:22Z"}}"#
        );
    }
}
