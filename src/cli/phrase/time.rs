//! The phrases of what is driven by time: what a sweep found, what a tick came to, times that were missed or over.

use super::super::words::Words as _;
use super::{Saying, TEXT, clip};
use crate::engine::value::Value;

impl Saying<'_> {
    /// What became of the records there were when a rule with a time came into force.
    pub(super) fn existing(&mut self) {
        let lang = self.speech.lang;
        let mut count = |name: &str| self.take(name).unwrap_or_else(|| "0".into());
        let [records, waiting, skipped, fired] = ["records", "waiting", "skipped", "fired"].map(&mut count);
        let many = if records == "1" { "record" } else { "records" };
        let head = lang.pick(format!("{records} existing {many}: "), format!("已有记录 {records} 条:"));
        let parts = [
            (&waiting, lang.pick(format!("{waiting} waiting"), format!("等待 {waiting}"))),
            (
                &skipped,
                lang.pick(
                    format!("{skipped} past, not fired (existing: skip)"),
                    format!("已过时 {skipped} 未触发(existing: skip)"),
                ),
            ),
            (&fired, lang.pick(format!("{fired} past, made up for"), format!("已过时 {fired} 补做"))),
        ];
        let told: Vec<String> = parts.into_iter().filter(|(n, _)| *n != "0").map(|(_, text)| text).collect();
        let none = lang.pick("none concerned", "均不涉及");
        self.say(head + &if told.is_empty() { none.to_owned() } else { told.join(lang.pick(", ", ",")) });
        self.of_schedule();
    }

    /// What a tick came to that goes over all records.
    pub(super) fn each(&mut self) {
        let lang = self.speech.lang;
        let tick = self.moment("tick").unwrap_or_default();
        let [records, fired] = ["records", "fired"].map(|name| self.take(name).unwrap_or_else(|| "0".into()));
        let many = if records == "1" { "record" } else { "records" };
        self.say(lang.pick(
            format!("tick of {tick}: {fired} fired of {records} {many}"),
            format!("{tick} 的时刻:记录 {records} 条,触发 {fired}"),
        ));
        self.of_schedule();
    }

    /// Which of a rule's triggers it is about.
    fn of_schedule(&mut self) {
        if let Some(schedule) = self.take("schedule") {
            self.say(format!("[{}]", clip(&schedule, TEXT)));
        }
    }

    /// Ticks that passed while nothing ran, and that are let go.
    pub(super) fn missed(&mut self) {
        match self.members.get("reason").and_then(Value::as_text) {
            Some("missed") => {}
            Some("past") => return self.past(),
            _ => return,
        }
        self.members.remove("reason");
        let lang = self.speech.lang;
        let (count, since) = (self.take("count").unwrap_or_default(), self.moment("since").unwrap_or_default());
        let many = if count == "1" { "tick" } else { "ticks" };
        self.say(lang.pick(
            format!("{count} {many} missed since {since}, not made up for"),
            format!("错过 {count} 次(自 {since}),不再补做"),
        ));
    }

    /// A time that was over when it became known.
    fn past(&mut self) {
        self.members.remove("reason");
        let (past, due) = (self.said("past"), self.moment("due").unwrap_or_default());
        self.say(format!("{past} ({due})"));
    }
}
