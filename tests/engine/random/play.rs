//! One flow, played: what comes from outside comes in any order, twice, late or not at all.

use std::collections::{BTreeMap, BTreeSet};

use ifthen::engine::approval::{self, Seated, Task};
use ifthen::engine::call::{Call, CallId, Class, Outcome as Ended, Status};
use ifthen::engine::event::{Body, Command, Draft, RecordRef, Upsert};
use ifthen::engine::flow::{self, Run, Wait};
use ifthen::engine::state::{Entry, Key, prefix};
use ifthen::engine::value::Value;
use jiff::{SignedDuration, Timestamp};

use super::World;
use super::dice::Dice;
use super::invariant::{self, Stacks};

pub(super) type Counts = BTreeMap<String, u64>;

pub(super) struct Play<'p> {
    pub(super) world: World,
    dice: &'p mut Dice,
    counts: &'p mut Counts,
    stacks: Stacks,
    loops: bool,
    /// Answers that were given, per run and step.
    came: BTreeMap<String, usize>,
    /// Answers that were given already, to give them again.
    old: Vec<(CallId, u32)>,
    pub(super) story: Vec<String>,
    read: usize,
}

impl<'p> Play<'p> {
    pub(super) fn new(world: World, loops: bool, dice: &'p mut Dice, counts: &'p mut Counts) -> Self {
        let (stacks, came, old, story) = Default::default();
        Self { world, dice, counts, stacks, loops, came, old, story, read: 0 }
    }

    /// From the first event to the last.
    pub(super) fn play(&mut self) -> Result<(), String> {
        self.begin()?;
        for _ in 0..20 + self.dice.below(40) {
            self.turn()?;
        }
        self.let_time_pass()?;
        self.help()
    }

    fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    fn record() -> RecordRef {
        RecordRef { entity: "lead".into(), id: "L1".into() }
    }

    fn begin(&mut self) -> Result<(), String> {
        let score = i64::try_from(self.dice.below(90)).unwrap();
        let owner_at = self.world.now + SignedDuration::from_hours(24 * i64::try_from(self.dice.below(9)).unwrap());
        let fields = [
            ("name", "刘洋".into()),
            ("email", "a@example.com".into()),
            ("score", score.into()),
            ("owner", "张三".into()),
            ("owner_at", owner_at.into()),
        ];
        self.world.lead("L1", &fields);
        let count = self.dice.below(4);
        let items: Vec<Value> = (0..count).map(|n| format!("件{n}").into()).collect();
        self.happened("lead.begin", Value::from([("items", Value::List(items))]))
    }

    /// Decides an event and looks whether everything holds.
    fn own(&mut self, body: Body) -> Result<(), String> {
        self.story.push(format!("{} {body:?}", self.world.now));
        self.world.own(body);
        self.check()
    }

    fn happened(&mut self, name: &str, data: Value) -> Result<(), String> {
        self.story.push(format!("{} {name} {data}", self.world.now));
        let body = Body::Happened { data, upsert: None };
        let now = self.world.now;
        self.world.decide(Draft { origin: "crm".into(), record: Some(Self::record()), ..Draft::own(name, now, body) });
        self.check()
    }

    fn check(&mut self) -> Result<(), String> {
        let said = self.world.log[self.read..].to_vec();
        for line in said {
            if line.flow.is_some() {
                self.story.push(format!("    {} {} {}", line.action, line.outcome.word(), line.detail));
                let act = line.detail.at(&["reason"]).map(ToString::to_string).unwrap_or_default();
                let told = format!("said.{}.{}", line.action, if act == "parked" { "parked" } else { line.outcome.word() });
                self.count(&told);
                if line.detail.at(&["kept"]).is_some() {
                    self.count("timing.signal before its wait");
                }
            }
        }
        self.read = self.world.log.len();
        invariant::hold(&self.world, &mut self.stacks, self.loops, &self.came)
    }

    fn calls(&self, status: Status) -> Vec<Call> {
        let keys = self.world.state.scan(prefix::CALL, None, usize::MAX);
        let call = |key: &Key| match self.world.entry(key).as_deref() {
            Some(Entry::Call(call)) if call.status == status => Some(call.clone()),
            _ => None,
        };
        keys.iter().filter_map(call).collect()
    }

    fn tasks(&self) -> Vec<Task> {
        let keys = self.world.state.scan(prefix::TASK, None, usize::MAX);
        let task = |key: &Key| match self.world.entry(key).as_deref() {
            Some(Entry::Task(task)) if task.ended.is_none() => Some(task.clone()),
            _ => None,
        };
        keys.iter().filter_map(task).collect()
    }

    fn turn(&mut self) -> Result<(), String> {
        match self.dice.below(24) {
            0..=5 => self.send(),
            6..=10 => self.answer(),
            11..=13 => self.time(),
            14..=16 => self.people(true),
            17 | 18 => self.signal(),
            19 => self.change(),
            20 | 21 => self.crash(),
            22 => self.again(),
            _ => self.command(),
        }
    }

    fn send(&mut self) -> Result<(), String> {
        let queued: Vec<CallId> = self.calls(Status::Queued).iter().map(|c| c.id).collect();
        match queued.is_empty() {
            true => Ok(()),
            false => {
                let call = self.dice.pick(&queued);
                self.own(Body::Start(vec![call]))
            }
        }
    }

    fn answer(&mut self) -> Result<(), String> {
        let started = self.calls(Status::Started);
        if started.is_empty() {
            return self.send();
        }
        let call = self.dice.pick(&started);
        let detail = || "503 忙".to_owned();
        let (word, outcome) = match self.dice.below(10) {
            0 | 1 => ("transient", Ended::Failed { class: Class::Transient, detail: detail() }),
            2 => ("permanent", Ended::Failed { class: Class::Permanent, detail: detail() }),
            3 | 4 => ("unknown", Ended::Unknown { detail: detail() }),
            5 if self.dice.chance(30) => {
                ("throttled", Ended::Failed { class: Class::Throttled { seconds: Some(5) }, detail: detail() })
            }
            _ => ("done", self.good()),
        };
        self.ends(&call, word, outcome)
    }

    fn good(&mut self) -> Ended {
        Ended::Done(Value::from([("status", 200i64.into()), ("found", self.dice.chance(50).into())]))
    }

    fn ends(&mut self, call: &Call, word: &str, outcome: Ended) -> Result<(), String> {
        self.count(&format!("outcome.{word}"));
        if let (Ended::Done(_), Some(run)) = (&outcome, &call.run) {
            let step = call.by.rsplit_once('/').map_or("", |(_, step)| step);
            *self.came.entry(format!("{run}/{step}")).or_default() += 1;
        }
        self.old.push((call.id, call.attempt));
        self.own(Body::Ended { call: call.id, attempt: call.attempt, outcome })
    }

    /// An answer that was given is given once more.
    fn again(&mut self) -> Result<(), String> {
        if self.old.is_empty() {
            return Ok(());
        }
        let (call, attempt) = self.dice.pick(&self.old);
        let started = self.calls(Status::Started).iter().any(|c| c.id == call && c.attempt == attempt);
        if started {
            return Ok(());
        }
        self.count("timing.late answer");
        let outcome = self.good();
        self.own(Body::Ended { call, attempt, outcome })
    }

    fn time(&mut self) -> Result<(), String> {
        let hours = self.dice.pick(&[0, 1, 5, 30, 80]);
        self.count(if hours < 5 { "timing.soon" } else { "timing.much later" });
        self.pass(SignedDuration::from_hours(hours) + SignedDuration::from_mins(3))
    }

    /// Timers that are due fire in their order, each as of its time.
    fn pass(&mut self, by: SignedDuration) -> Result<(), String> {
        self.world.now += by;
        let mut due: Vec<Key> = self
            .world
            .timers
            .iter()
            .filter(|k| matches!(k, Key::Timer(t) if t.due <= self.world.now.as_millisecond()))
            .cloned()
            .collect();
        due.sort_by_key(ToString::to_string);
        for key in due {
            let Key::Timer(timer) = &key else { continue };
            let at = Timestamp::from_millisecond(timer.due).unwrap();
            self.story.push(format!("{} {key}", self.world.now));
            let now = self.world.now;
            self.world.decide(Draft { at, ..Draft::own("ifthen.timer", now, Body::Due(key.clone())) });
            self.check()?;
            if self.dice.chance(5) {
                // A timer that fires twice means nothing the second time.
                self.count("timing.timer twice");
                self.own(Body::Due(key))?;
            }
        }
        Ok(())
    }

    fn people(&mut self, reject: bool) -> Result<(), String> {
        let tasks = self.tasks();
        if tasks.is_empty() {
            return Ok(());
        }
        let task = self.dice.pick(&tasks);
        let open: Vec<String> = task.seats.iter().filter(|s| s.state == Seated::Open).map(|s| s.person.clone()).collect();
        if open.is_empty() {
            return Err(format!("nobody is asked at {}", task.step));
        }
        let person = self.dice.pick(&open);
        let act = match (&task.form, reject && self.dice.chance(30)) {
            (Some(_), _) => approval::Act::Answer(Value::from([("note", "好".into())])),
            (None, true) => approval::Act::Reject { to: None, here: false },
            (None, false) => approval::Act::Approve,
        };
        let word = match act {
            approval::Act::Answer(_) => "decision.answered",
            approval::Act::Reject { .. } => "decision.rejected",
            _ => "decision.approved",
        };
        self.count(word);
        let ask = approval::Ask {
            task: task.id,
            person,
            act,
            comment: "意见".into(),
            links: Vec::new(),
            way: "cli".into(),
            address: String::new(),
        };
        self.own(Body::Command(Command::Task(Box::new(ask.clone()))))?;
        if reject && self.dice.chance(25) {
            self.count("timing.decision twice");
            self.own(Body::Command(Command::Task(Box::new(ask))))?;
        }
        if reject && self.dice.chance(15) {
            self.count("decision.recalled");
            let ask = approval::Ask {
                task: task.id,
                person: task.seats[0].person.clone(),
                act: approval::Act::Recall,
                comment: String::new(),
                links: Vec::new(),
                way: "cli".into(),
                address: String::new(),
            };
            self.own(Body::Command(Command::Task(Box::new(ask))))?;
        }
        Ok(())
    }

    fn signal(&mut self) -> Result<(), String> {
        let (name, data) = match self.dice.below(4) {
            0 => ("lead.paid", Value::Null),
            1 => ("lead.signed", Value::from([("no", "合同7".into())])),
            2 => ("payment", Value::from([("order", "刘洋".into()), ("amount", 9i64.into())])),
            _ => ("payment", Value::from([("order", "李雷".into()), ("amount", 9i64.into())])),
        };
        self.count("timing.signal");
        self.happened(name, data.clone())?;
        if self.dice.chance(40) {
            self.count("timing.signal twice");
            self.happened(name, data)?;
        }
        Ok(())
    }

    /// The record changes.
    fn change(&mut self) -> Result<(), String> {
        let score = i64::try_from(self.dice.below(100)).unwrap();
        self.count("timing.record changes");
        self.story.push(format!("{} score {score}", self.world.now));
        let body = Body::Happened {
            data: Value::Null,
            upsert: Some(Upsert {
                record: Self::record(),
                fields: [("id".to_owned(), "L1".into()), ("score".to_owned(), score.into())].into(),
                at: None,
            }),
        };
        let now = self.world.now;
        self.world.decide(Draft { origin: "crm".into(), record: Some(Self::record()), ..Draft::own("crm.lead", now, body) });
        self.check()
    }

    /// Everything is read back from what is stored; of what was on its way nobody knows.
    fn crash(&mut self) -> Result<(), String> {
        self.count("timing.crash");
        self.world.crash()?;
        self.story.push("crash".into());
        for call in self.calls(Status::Started) {
            if self.dice.chance(70) {
                self.count("timing.crash while on its way");
                self.ends(&call, "unknown", Ended::Unknown { detail: "stopped in between".into() })?;
            }
        }
        self.check()
    }

    fn ask(&mut self, run: &Run, by: &str, act: flow::Act) -> Result<(), String> {
        self.own(Body::Command(Command::Run(Box::new(flow::Ask {
            run: run.id.clone(),
            act,
            by: by.into(),
            comment: String::new(),
        }))))
    }

    fn command(&mut self) -> Result<(), String> {
        let runs = invariant::runs(&self.world);
        if runs.is_empty() {
            return self.happened("lead.begin", Value::from([("items", Value::List(vec!["件".into()]))]));
        }
        let run = self.dice.pick(&runs);
        let undo = self.dice.chance(60);
        let back = invariant::graph(&self.world, &run).steps[0].id.clone();
        let (word, act) = match self.dice.below(7) {
            0 => (if undo { "command.cancel and undo" } else { "command.cancel" }, flow::Act::Cancel { undo }),
            1 | 2 => ("command.retry", flow::Act::Retry),
            3 => ("command.skip", flow::Act::Skip),
            4 => ("command.back", flow::Act::Back { step: back }),
            5 => ("command.recall", flow::Act::Recall),
            _ => ("command.signal", flow::Act::Signal { name: "lead.paid".into(), data: Value::Null }),
        };
        self.count(word);
        self.ask(&run, "张三", act)
    }

    /// Years go by and all calls are answered, but nobody decides anything.
    fn let_time_pass(&mut self) -> Result<(), String> {
        for _ in 0..60 {
            self.world.now += SignedDuration::from_hours(1);
            self.quick()?;
            self.pass(SignedDuration::from_hours(24 * 40))?;
        }
        let waits = |w: &Wait| !matches!(w, Wait::Timer(_) | Wait::Window(_));
        for run in invariant::runs(&self.world) {
            let moves = run.strands.values().find(|s| s.error.is_none() && !s.waits.iter().all(waits));
            if let Some(strand) = moves {
                return Err(format!("{}: still on its way after years: {strand:?}", run.id));
            }
        }
        self.count(if invariant::runs(&self.world).is_empty() { "end.by itself" } else { "end.waits for somebody" });
        Ok(())
    }

    /// All calls are sent, and succeed.
    fn quick(&mut self) -> Result<(), String> {
        for call in self.calls(Status::Queued) {
            self.own(Body::Start(vec![call.id]))?;
        }
        for call in self.calls(Status::Started) {
            let good = self.good();
            self.ends(&call, "done", good)?;
        }
        Ok(())
    }

    /// People do what they are asked for, and set right what stands still: every run ends.
    fn help(&mut self) -> Result<(), String> {
        let mut acts = [flow::Act::Retry, flow::Act::Skip].into_iter().cycle();
        for _ in 0..400 {
            let runs = invariant::runs(&self.world);
            let Some(run) = runs.first() else { return Ok(()) };
            self.pass(SignedDuration::from_hours(3))?;
            self.quick()?;
            self.people(false)?;
            for name in ["lead.paid", "lead.signed", "payment"] {
                if run.strands.values().any(|s| s.waits.contains(&Wait::Event)) {
                    self.ask(run, "张三", flow::Act::Signal { name: name.into(), data: Value::Null })?;
                }
            }
            if run.failed.is_some()
                && let Some(act) = acts.next()
            {
                self.ask(run, "张三", act)?;
            }
        }
        let words: BTreeSet<String> =
            invariant::runs(&self.world).iter().map(|r| format!("{:?} {:?}", r.strands, r.failed)).collect();
        Err(format!("it does not end: {words:?}"))
    }
}
