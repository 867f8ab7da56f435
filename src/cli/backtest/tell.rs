//! What `ifthen backtest` prints: each differing firing, each rule and flow, the sum. The same bytes for the same history.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::json;

use super::{asked, event_id};
use crate::check::backtest::{Backtest, Count, Difference, Firing, Kind, Row, Who};
use crate::cli::output::{Look, Out, clean, clip};
use crate::cli::place::Place;
use crate::cli::table::Table;
use crate::cli::when;
use crate::cli::words::Words as _;
use crate::config::Lang;
use crate::engine::event;

/// What is compared.
pub(super) struct Told<'a> {
    pub(super) place: &'a Place,
    /// Hashes of the definitions.
    pub(super) old: &'a str,
    pub(super) new: &'a str,
    /// Where the clock begins.
    pub(super) from: Timestamp,
    /// The last event that the state to begin with knows; none: an empty state.
    pub(super) state: Option<u64>,
}

/// Prints as it comes, or gathers what people want to see sorted.
pub(super) struct Tells<'a> {
    told: Told<'a>,
    json: bool,
    /// Firings kept of each rule; memory is not to grow with what differs.
    limit: usize,
    rules: &'a [String],
    out: &'a mut Out,
    kept: BTreeMap<Who, Vec<Difference>>,
    /// Definitions that decided what was recorded.
    decided: BTreeSet<String>,
}

impl<'a> Tells<'a> {
    pub(super) fn new(told: Told<'a>, json: bool, limit: usize, rules: &'a [String], out: &'a mut Out) -> Self {
        let limit = if limit == 0 { usize::MAX } else { limit };
        Self { told, json, limit, rules, out, kept: BTreeMap::new(), decided: BTreeSet::new() }
    }

    /// What was recorded was decided by these.
    pub(super) fn decided_by(&mut self, hash: &str) {
        if !self.decided.contains(hash) {
            self.decided.insert(hash.to_owned());
        }
    }

    /// A firing that only one side has.
    pub(super) fn difference(&mut self, difference: Difference) -> anyhow::Result<()> {
        if !asked(self.rules, &difference.firing.who) {
            return Ok(());
        }
        if self.json {
            return self.out.json(&difference.to_json());
        }
        let kept = self.kept.entry(difference.firing.who.clone()).or_default();
        if kept.len() < self.limit {
            kept.push(difference);
        }
        Ok(())
    }

    /// The rows and the sum; whether something differs.
    pub(super) fn end(mut self, test: &Backtest<'_>) -> anyhow::Result<bool> {
        let mut rows = test.rows();
        rows.retain(|who, _| asked(self.rules, who));
        let sum = |of: fn(&Row) -> u64| rows.values().map(of).sum::<u64>();
        let (more, fewer) = (sum(|r| r.more), sum(|r| r.fewer));
        if self.json {
            for (who, row) in &rows {
                self.out.json(&row.to_json(who))?;
            }
            self.out.json(&json!({
                "kind": "sum", "events": test.told(), "from": self.told.from, "until": test.now(),
                "state": self.told.state.filter(|seq| *seq > 0).map(event::id), "old": self.told.old, "new": self.told.new, "decided": self.decided,
                "firings": { "old": sum(|r| r.old.fired), "new": sum(|r| r.new.fired), "more": more, "fewer": fewer },
            }))?;
            return Ok(more + fewer > 0);
        }
        self.head(test)?;
        self.table(&rows)?;
        self.each(&rows)?;
        let look = if more + fewer == 0 { Look::Green } else { Look::Yellow };
        self.out.line(self.out.style.paint(look, &format!("+{more} −{fewer}")))?;
        Ok(more + fewer > 0)
    }

    fn lang(&self) -> Lang {
        self.told.place.lang()
    }

    fn head(&mut self, test: &Backtest<'_>) -> anyhow::Result<()> {
        let Told { place, old, new, from, state } = &self.told;
        let (lang, zone) = (self.lang(), &place.speech.zone);
        let range = format!("{} → {}", when::full(*from, zone), when::full(test.now(), zone));
        let events = test.told();
        let state = match state {
            Some(0) | None => lang.pick("begins with an empty state".into(), "从空状态开始".into()),
            Some(seq) => {
                let id = event::id(*seq);
                lang.pick(format!("begins with the state after {id}"), format!("从 {id} 之后的状态开始"))
            }
        };
        let sides = match old == new {
            true => lang.pick(format!("{new} on both sides"), format!("新旧两边都是 {new}")),
            false => lang.pick(format!("old {old} · new {new}"), format!("旧 {old} · 新 {new}")),
        };
        let lines = [
            lang.pick(format!("{events} events · {range} · {state}"), format!("{events} 个事件 · {range} · {state}")),
            sides,
            lang.pick(
                "both sides are decided anew; assumed is that every call ends well at once and that nobody acts by hand".into(),
                "两边都重新判定;假定每个调用都立即成功,且无人工操作".into(),
            ),
        ];
        for line in lines {
            self.out.line(self.out.style.paint(Look::Dim, &clean(&line)))?;
        }
        let others: Vec<&String> = self.decided.iter().filter(|hash| hash.as_str() != *old).collect();
        if !others.is_empty() {
            let hashes = others.iter().map(|h| clean(h)).collect::<Vec<_>>().join(", ");
            self.out.line(lang.pick(
                format!(
                    "note: some of what was recorded was decided by other definitions: {hashes}; `--old-hash` compares with those"
                ),
                format!("注意:部分记录当时由其他定义判定:{hashes};用 `--old-hash` 与其比较"),
            ))?;
        }
        Ok(self.out.line("")?)
    }

    fn table(&mut self, rows: &BTreeMap<Who, Row>) -> anyhow::Result<()> {
        let lang = self.lang();
        let mut table = Table::new(lang.pick(
            ["", "OLD", "NEW", "MORE", "FEWER", "EVALUATED", "CALLS", "FAILED"],
            ["", "旧", "新", "多", "少", "判断", "调用", "失败"],
        ));
        let both = |row: &Row, of: fn(&Count) -> u64| match (of(&row.old), of(&row.new)) {
            (a, b) if a == b => a.to_string(),
            (a, b) => format!("{a} → {b}"),
        };
        let some = |sign: &str, n: u64, look: Look| match n {
            0 => (String::new(), Look::Plain),
            n => (format!("{sign}{n}"), look),
        };
        for (who, row) in rows {
            table.row([
                (self.name(who), Look::Bold),
                (row.old.fired.to_string(), Look::Plain),
                (row.new.fired.to_string(), Look::Plain),
                some("+", row.more, Look::Green),
                some("−", row.fewer, Look::Red),
                (both(row, |c| c.evaluated), Look::Plain),
                (both(row, |c| c.calls), Look::Plain),
                (both(row, |c| c.failed), if row.old.failed == row.new.failed { Look::Plain } else { Look::Red }),
            ]);
        }
        table.print(self.out)?;
        Ok(self.out.line("")?)
    }

    fn name(&self, who: &Who) -> String {
        let id = clip(&who.id, 40);
        match who.kind {
            Kind::Rule => id,
            Kind::Flow => self.lang().pick(format!("flow {id}"), format!("流程 {id}")),
            Kind::Parked => self.lang().pick("(rolled back: without end)", "(循环触发,已回滚)").to_owned(),
        }
    }

    /// The differing firings of each rule, in their order.
    fn each(&mut self, rows: &BTreeMap<Who, Row>) -> anyhow::Result<()> {
        let (lang, zone) = (self.lang(), self.told.place.speech.zone.clone());
        for (who, differences) in std::mem::take(&mut self.kept) {
            self.out.line(self.out.style.paint(Look::Bold, &self.name(&who)))?;
            let mut table = Table::new([""; 5]);
            for Difference { more, firing } in &differences {
                let Firing { branch, record, name, event, at, .. } = firing;
                let (sign, look) = if *more { ("+", Look::Green) } else { ("−", Look::Red) };
                let name = branch.as_ref().map_or_else(|| name.clone(), |branch| format!("{name} ({branch})"));
                table.row([
                    (format!("  {sign}"), look),
                    (when::full(*at, &zone), Look::Dim),
                    (clip(record.as_deref().unwrap_or_default(), 32), Look::Plain),
                    (event_id(*event), Look::Bold),
                    (clip(&name, 60), Look::Plain),
                ]);
            }
            table.print(self.out)?;
            let all = rows.get(&who).map_or(0, |row| row.more + row.fewer);
            let left = all.saturating_sub(differences.len() as u64);
            if left > 0 {
                let text = lang.pick(
                    format!("  … {left} more; --limit 0 lists all of them"),
                    format!("  … 还有 {left} 条;--limit 0 列出全部"),
                );
                self.out.line(self.out.style.paint(Look::Dim, &text))?;
            }
            self.out.line("")?;
        }
        Ok(())
    }
}
