//! Tasks within a decision of the engine: policies, notices, forms, the log, what is kept. No interpreter of flows yet.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::engine::action::Doing;
use crate::engine::approval::{self, Act, Ask, Begun, Task, TaskId, notice};
use crate::engine::decide::{Deciding, Decision};
use crate::engine::definition::{
    self, Approve, Connection, ConnectionKind, Definitions, Deliver, Flow, Form, FormField, Nobody, Own, Person, Repeated, Share,
    Signing, Step, StepKind, Who,
};
use crate::engine::entity::{Entity, Field, FieldKind};
use crate::engine::event::{Body, Command, Draft, RecordRef};
use crate::engine::flow::{How, Passed, Run, Strand};
use crate::engine::record::Record;
use crate::engine::scope::Stop;
use crate::engine::state::{Entry, Key, Need, State, Wake};
use crate::engine::template::Template;
use crate::engine::value::{Map, Value};

fn person(name: &str, manager: Option<&str>, channels: &[&str]) -> (String, Person) {
    let person = Person {
        name: name.into(),
        email: Some(format!("{}@example.com", name.len())),
        manager: manager.map(Into::into),
        roles: if name == "郑会计" { vec!["finance".into()] } else { Vec::new() },
        channels: channels.iter().map(|c| (*c).to_owned()).collect(),
        active: name != "离职的人",
        ..Person::default()
    };
    (name.to_owned(), person)
}

fn definitions() -> Definitions {
    let mail = Connection { kind: ConnectionKind::Smtp, deliver: Deliver::Live, rate: None, retry: Vec::new(), concurrency: 1 };
    let field = |kind| Field { kind, from: crate::engine::entity::From::Anyone, opt_out: false };
    let fields =
        [("id", FieldKind::Text), ("amount", FieldKind::Money), ("discount", FieldKind::Percent), ("owner", FieldKind::Person)];
    let quote = Entity {
        key: "id".into(),
        fields: fields.into_iter().map(|(n, k)| (n.to_owned(), field(k))).collect(),
        ..Entity::default()
    };
    let question = |name: &str, label: &str, kind, required| FormField { name: name.into(), label: label.into(), kind, required };
    let form = Form {
        title: "修改报价".into(),
        fields: vec![question("discount", "折扣", FieldKind::Percent, true), question("note", "说明", FieldKind::Text, false)],
    };
    Definitions {
        lang: "zh".into(),
        connections: [("mail".to_owned(), mail)].into(),
        entities: [("quote".to_owned(), quote)].into(),
        forms: [("quote-revision".to_owned(), form)].into(),
        people: [
            person("张三", Some("何经理"), &["mail"]),
            person("何经理", None, &["mail"]),
            person("郑会计", None, &[]),
            person("离职的人", None, &["mail"]),
        ]
        .into(),
        ..Definitions::default()
    }
}

fn quote() -> RecordRef {
    RecordRef { entity: "quote".into(), id: "Q1".into() }
}

fn run() -> Run {
    let json = r#"{"id":"r1-1","flow":"报价审批","graph":"g","initiator":"张三","started":"2026-09-28T06:00:00Z"}"#;
    let mut run: Run = serde_json::from_str(json).unwrap();
    run.record = Some(quote());
    run.strands.insert(0, Strand::new(0, Timestamp::UNIX_EPOCH));
    run
}

struct World {
    definitions: Definitions,
    state: State,
    seq: u64,
    now: Timestamp,
    log: Vec<String>,
}

impl World {
    fn new() -> Self {
        let fields = [("id", Value::from("Q1")), ("amount", 880_000i64.into()), ("owner", "张三".into())];
        let fields = fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        let mut state = State::default();
        state.load(Key::Record(quote()), Some(Arc::new(Entry::Record(Arc::new(Record { fields, ..Record::default() })))));
        state.load(Key::Run("r1-1".into()), Some(Arc::new(Entry::Run(run()))));
        Self { definitions: definitions(), state, seq: 1, now: "2026-09-28T06:00:00Z".parse().unwrap(), log: Vec::new() }
    }

    fn draft<T, E: std::fmt::Debug>(
        &mut self,
        body: Body,
        f: impl Fn(&mut Deciding<'_>) -> Result<T, E>,
        need: fn(&E) -> Option<Need>,
    ) -> Result<T, E> {
        let event = Draft::own("ifthen.own", self.now, body).event(self.seq);
        self.seq += 1;
        let (found, decision) = loop {
            let mut draft = Deciding::new(&self.definitions, &self.state, &event, self.now);
            match f(&mut draft) {
                Err(e) if need(&e).is_some() => {
                    let key = need(&e).unwrap().key();
                    self.state.load(key, None);
                }
                found => break (found, draft.finish()),
            }
        };
        let Decision { changes, log, .. } = decision;
        changes.iter().for_each(|c| self.state.apply(c));
        for line in log {
            let short = [
                "who", "decision", "reason", "detail", "asked", "to", "from", "by", "comment", "way", "address", "for", "error",
                "text",
            ];
            let said: Vec<String> = short.iter().filter_map(|m| line.detail.at(&[*m]).map(|v| format!("{m}={v}"))).collect();
            self.log.push(format!("{} {} {}", line.action, line.outcome.word(), said.join(" ")).trim().to_owned());
        }
        found
    }

    fn begin(&mut self, run: &Run, kind: StepKind) -> Result<Begun, String> {
        let json = r#"{"id":"审批","kind":{"end":"x"}}"#;
        let step = Step { kind, ..serde_json::from_str::<Step>(json).unwrap() };
        let graph =
            Flow { id: "报价审批".into(), title: Some("报价审批".into()), steps: vec![step.clone()], ..Flow::default() };
        self.state.load(Key::Graph("g".into()), Some(Arc::new(Entry::Graph(Arc::new(graph)))));
        let body = Body::Happened { data: Value::Null, upsert: None };
        let found = self.draft(
            body,
            |draft| {
                let by = notice::by(&by_of(run));
                let record = run.record.as_ref();
                let doing = Doing {
                    by: &by,
                    record,
                    data: &run.event,
                    old: None,
                    local: None,
                    retry: None,
                    calendar: None,
                    letting: None,
                };
                approval::begin(draft, run, 0, &step, &doing, None)
            },
            |stop| if let Stop::Need(need) = stop { Some(need.clone()) } else { None },
        );
        found.map_err(|stop| if let Stop::Unevaluable(why) = stop { why } else { panic!() })
    }

    fn own<T>(&mut self, f: impl Fn(&mut Deciding<'_>) -> Result<T, Need>) -> T {
        self.draft(Body::Happened { data: Value::Null, upsert: None }, f, |need| Some(need.clone())).unwrap()
    }

    fn tell(&mut self, task: TaskId, person: &str, act: Act, comment: &str) {
        let (way, address) = ("link".to_owned(), "10.0.0.7".to_owned());
        let ask = Ask { task, person: person.into(), act, comment: comment.into(), links: Vec::new(), way, address };
        self.draft(Body::Command(Command::Task(Box::new(ask))), |draft| draft.run(), |need| Some(need.clone())).unwrap();
    }

    fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    fn task(&self, id: TaskId) -> Task {
        match self.state.get(&Key::Task(id)).unwrap().map(AsRef::as_ref) {
            Some(Entry::Task(task)) => task.clone(),
            other => panic!("{other:?}"),
        }
    }
}

/// Whoever asks: only for the log.
fn by_of(run: &Run) -> Task {
    let json = format!(
        r#"{{"id":"t1-1","run":"{}","strand":0,"flow":"{}","step":"审批","round":1,"subject":"","mode":"any","seats":[],"opened":"2026-09-28T06:00:00Z"}}"#,
        run.id, run.flow
    );
    serde_json::from_str(&json).unwrap()
}

fn approve(who: &[&str]) -> Approve {
    let who =
        who.iter().map(|w| w.strip_prefix("role:").map_or_else(|| Who::User((*w).into()), |r| Who::Role(r.into()))).collect();
    Approve {
        who,
        mode: Signing::default(),
        subject: None,
        text: Some(Template::parse("金额 {{ amount }}").unwrap()),
        show: vec!["amount".into(), "owner".into()],
        links: Vec::new(),
        nobody: Nobody::Fail,
        own: Own::Ask,
        repeated: Repeated::Ask,
        rejected: None,
        returns: Vec::new(),
    }
}

fn asked(world: &mut World, step: Approve) -> TaskId {
    match world.begin(&run(), StepKind::Approve(Box::new(step))) {
        Ok(Begun::Asked(id)) => id,
        other => panic!("{other:?}"),
    }
}

/// Who is asked, how it ended, or why it cannot be.
fn policy(step: Approve, run: &Run) -> String {
    let mut world = World::new();
    match world.begin(run, StepKind::Approve(Box::new(step))) {
        Ok(Begun::Asked(id)) => {
            let task = world.task(id);
            super::open(&task).map(|at| task.seats[at].person.clone()).collect::<Vec<_>>().join(" ")
        }
        Ok(Begun::Ended(outcome)) => format!("{:?} {:?} {}", outcome.how, outcome.by, world.said().join("; ")),
        Err(why) => why,
    }
}

#[test]
fn nobody_the_initiator_and_who_approved_before_each_have_a_policy() {
    let none = |nobody| Approve { nobody, ..approve(&["role:cfo", "离职的人"]) };
    let own = |own| Approve { own, ..approve(&["张三", "郑会计"]) };
    let alone = |own| Approve { own, ..approve(&["何经理"]) };
    let mut before = run();
    let passed = |step: &str, round, how| Passed {
        step: step.into(),
        round,
        from: before.started,
        to: before.started,
        how,
        void: None,
        by: vec!["郑会计".into()],
        n: 0,
        times: 1,
        was: None,
    };
    let again = |path: Vec<Passed>| Run { path, ..run() };
    let repeated = || Approve { repeated: Repeated::Approve, ..approve(&["郑会计", "何经理"]) };
    let need = |count| Approve {
        mode: Signing::All { need: Some(Share::Count(count)), veto: false },
        ..approve(&["郑会计", "何经理"])
    };
    let voided = again(vec![passed("财务", 1, How::Void)]);
    let former = again(vec![passed("财务", 0, How::Approved)]);
    let approved = again(vec![passed("财务", 1, How::Approved)]);
    before.initiator = Some("何经理".into());
    for (step, run, expected) in [
        (none(Nobody::Fail), &run(), "nobody is there to decide (role:cfo, user:离职的人)"),
        (none(Nobody::Approve), &run(), "Approved [] decide done decision=approved reason=nobody way=policy"),
        (
            none(Nobody::Reject),
            &run(),
            "Rejected { to: None, here: false } [] decide done decision=rejected reason=nobody way=policy",
        ),
        (none(Nobody::Ask(vec![Who::User("何经理".into())])), &run(), "何经理"),
        (none(Nobody::Ask(vec![Who::Role("nobody".into())])), &run(), "nobody is there to decide (role:cfo, user:离职的人)"),
        (own(Own::Ask), &run(), "张三 郑会计"),
        (own(Own::Approve), &run(), "郑会计"),
        (own(Own::Manager), &run(), "何经理 郑会计"),
        (alone(Own::Manager), &before, "nobody is there to decide (user:何经理)"),
        (alone(Own::Approve), &before, "Approved [] decide done who=何经理 decision=approved reason=own way=policy"),
        (repeated(), &run(), "郑会计 何经理"),
        (repeated(), &approved, "何经理"),
        (repeated(), &voided, "郑会计 何经理"),
        (repeated(), &former, "郑会计 何经理"),
        (need(2), &run(), "郑会计 何经理"),
        (need(3), &run(), "3 must approve, but there are only 2: 郑会计, 何经理"),
    ] {
        let expected = expected.split(' ').collect::<Vec<_>>().join(" ");
        assert_eq!(policy(step.clone(), run), expected, "{step:?}");
    }
}

#[test]
fn they_are_told_what_it_is_about_and_by_which_link_and_the_log_says_everything() {
    let mut world = World::new();
    let id = asked(&mut world, approve(&["何经理", "郑会计"]));
    assert_eq!(
        world.said(),
        [
            "approve fired asked=[\"何经理\",\"郑会计\"]",
            "email fired to=9@example.com text=【待您审批】报价审批 quote/Q1\n金额 880000\namount: 880000\nowner: 张三\n⟦link t1-1 何经理⟧",
            "email fired to=9@example.com text=【待您审批】报价审批 quote/Q1\n金额 880000\namount: 880000\nowner: 张三\n⟦link t1-1 郑会计⟧",
        ]
    );
    world.tell(id, "何经理", Act::Reject { to: None, here: false }, " ");
    world.tell(id, "张三", Act::Approve, "");
    world.tell(TaskId { seq: 99, n: 1 }, "张三", Act::Approve, "");
    world.tell(id, "何经理", Act::Approve, "价格可以");
    world.tell(id, "何经理", Act::Approve, "");
    world.own(|draft| approval::remind(draft, id));
    assert_eq!(
        world.said(),
        [
            "decide suppressed who=何经理 reason=no-comment detail=驳回须填写意见 way=link address=10.0.0.7",
            "decide suppressed who=张三 reason=not-asked detail=此任务没有请您处理 way=link address=10.0.0.7",
            "decide suppressed who=张三 reason=unknown-task detail=没有这个任务，或已过保留期 way=link address=10.0.0.7",
            "decide done who=何经理 decision=approved comment=价格可以 way=link address=10.0.0.7",
            "decide suppressed who=何经理 reason=already-decided detail=您已处理过；如需更改，请先撤回 way=link address=10.0.0.7",
            "remind done asked=[\"郑会计\"]",
            "email fired to=9@example.com text=【催办：待您审批】报价审批 quote/Q1\n金额 880000\namount: 880000\nowner: 张三\n何经理 已同意: 价格可以\n⟦link t1-1 郑会计⟧",
        ]
    );
    assert_eq!(world.task(id).seats.iter().map(|s| s.told).collect::<Vec<_>>(), [1, 2]);
    world.tell(id, "郑会计", Act::Transfer("张三".into()), "请你看一下");
    assert_eq!(
        world.said(),
        [
            "transfer done who=郑会计 asked=[\"张三\"] to=张三 comment=请你看一下 way=link address=10.0.0.7",
            "email fired to=6@example.com text=【待您审批】报价审批 quote/Q1\n郑会计 转办给您：请你看一下\n金额 880000\namount: 880000\nowner: 张三\n何经理 已同意: 价格可以\n⟦link t1-1 张三⟧",
        ]
    );
    let call = world.state.scan(crate::engine::state::prefix::CALL, None, 9);
    let Some(Entry::Call(call)) = world.state.get(call.last().unwrap()).unwrap().map(AsRef::as_ref) else { panic!() };
    assert_eq!((call.run.as_deref(), call.markers.len()), (None, 1), "no run waits for it, and it holds its own link");
}

#[test]
fn time_runs_out_the_run_leaves_and_what_has_ended_is_forgotten_after_thirty_days() {
    let mut world = World::new();
    let id = asked(&mut world, approve(&["何经理", "郑会计"]));
    world.said();
    let due = world.now + SignedDuration::from_hours(8);
    let escalate = |world: &mut World, to: &[&str]| {
        let to: Vec<String> = to.iter().map(|p| (*p).to_owned()).collect();
        let stop = |draft: &mut Deciding<'_>| match approval::escalate(draft, id, &to, Some(due)) {
            Err(Stop::Need(need)) => Err(need),
            other => {
                other.unwrap();
                Ok(())
            }
        };
        world.own(stop);
    };
    escalate(&mut world, &["离职的人"]);
    escalate(&mut world, &["张三"]);
    assert_eq!(world.task(id).due, Some(due));
    let said = world.said();
    assert_eq!(said[0], "escalate failed reason=nobody asked=[\"何经理\",\"郑会计\"]");
    assert_eq!(said[1], "escalate done to=[\"张三\"] from=[\"何经理\",\"郑会计\"]");
    assert!(said[2].contains("超时升级") && said[2].ends_with("⟦link t1-1 张三⟧"), "{}", said[2]);
    let outcome = world.own(|draft| match approval::decide_by_timeout(draft, id, false) {
        Err(Stop::Need(need)) => Err(need),
        other => Ok(other.unwrap()),
    });
    assert_eq!(outcome.unwrap().by, Vec::<String>::new(), "nobody decided");
    assert_eq!(world.said(), ["decide done who=张三 decision=rejected way=timeout"]);
    let again = asked(&mut world, approve(&["何经理"]));
    world.own(|draft| approval::cancel(draft, again, "已转化"));
    world.own(|draft| approval::cancel(draft, again, "twice"));
    assert_eq!(world.said().last().unwrap(), "approve suppressed reason=已转化");
    let timers = world.state.scan(crate::engine::state::prefix::TIMER, None, 9);
    assert_eq!(timers.len(), 2);
    for (timer, task) in timers.into_iter().zip([id, again]) {
        let wakes = world.state.get(&timer).unwrap().cloned().unwrap();
        assert_eq!(*wakes, Entry::Timer(Wake::Forget(Key::Task(task))));
        world.draft(Body::Due(timer), |draft| draft.run(), |need: &Need| Some(need.clone())).unwrap();
        assert_eq!(world.state.get(&Key::Task(task)).unwrap(), None);
    }
}

#[test]
fn answers_are_of_their_kind_or_refused_by_the_fields_name_and_become_the_records_values() {
    let mut world = World::new();
    let step = definition::Ask {
        who: vec![Who::User("张三".into()), Who::User("何经理".into())],
        form: "quote-revision".into(),
        subject: None,
        text: None,
        set: true,
        links: Vec::new(),
    };
    let Ok(Begun::Asked(id)) = world.begin(&run(), StepKind::Ask(Box::new(step.clone()))) else { panic!() };
    assert_eq!(world.said()[0], "ask fired asked=[\"张三\",\"何经理\"]");
    assert_eq!(world.task(id).subject, "修改报价 quote/Q1");
    let answer = |pairs: &[(&str, &str)]| {
        Act::Answer(Value::Map(pairs.iter().map(|(k, v)| ((*k).to_owned(), Value::from(*v))).collect::<Map>()))
    };
    for act in [answer(&[("折扣", "15%")]), answer(&[("discount", "很多")]), answer(&[("note", "便宜点")]), Act::Approve] {
        world.tell(id, "张三", act, "");
    }
    world.tell(id, "张三", Act::Add { people: vec!["郑会计".into()], before: true, mode: None }, "");
    let said: Vec<String> = world.said().into_iter().map(|l| l.split(" way=").next().unwrap().to_owned()).collect();
    assert_eq!(
        said,
        [
            "decide suppressed who=张三 reason=wrong-answer detail=折扣：表单中没有这一项",
            "decide suppressed who=张三 reason=wrong-answer detail=折扣：a share such as 0.22 or 22% expected, not `很多`",
            "decide suppressed who=张三 reason=wrong-answer detail=折扣：必填",
            "decide suppressed who=张三 reason=wrong-kind detail=此任务不能这样处理：表单须填写，审批须同意或驳回",
            "decide suppressed who=张三 reason=wrong-kind detail=此任务不能这样处理：表单须填写，审批须同意或驳回",
        ]
    );
    world.tell(id, "张三", answer(&[("discount", "15%"), ("note", "年底促销")]), "");
    assert_eq!(world.said(), ["decide done who=张三 decision=answered way=link address=10.0.0.7", "set done"]);
    let Some(Entry::Record(record)) = world.state.get(&Key::Record(quote())).unwrap().map(AsRef::as_ref) else { panic!() };
    assert_eq!((record.value("discount").to_string().as_str(), record.fields.contains_key("note")), ("0.15", false));
    world.definitions.forms.clear();
    assert_eq!(world.begin(&run(), StepKind::Ask(Box::new(step))).unwrap_err(), "there is no form quote-revision");
}
