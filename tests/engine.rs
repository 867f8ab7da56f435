//! What rules and flows mean: YAML compiled, events decided on a virtual clock, the log read back. No daemon, no store, no I/O after loading.
#![allow(clippy::unwrap_used, reason = "a failure here is the test failing")]

use std::collections::VecDeque;
use std::sync::Arc;

use ifthen::config;
use ifthen::engine::call::{CallId, Class, Outcome as Ended, Request, Status};
use ifthen::engine::cascade::settle;
use ifthen::engine::definition::Definitions;
use ifthen::engine::event::{Body, Command, Draft, RecordRef, Upsert};
use ifthen::engine::log::{Line, Outcome};
use ifthen::engine::state::{Entry, Key, Need, State};
use ifthen::engine::value::{Map, Value};
use jiff::{SignedDuration, Timestamp};

const CONFIG: &str = "
definitions: [rules]
connections:
  mail: { smtp: { host: 127.0.0.1, port: 25, security: none, from: sales@example.com }, retry: [1m, 5m] }
  erp: { http: { base: 'http://127.0.0.1:1' }, retry: [1m] }
  ops: { wecom: { url: '${file:url}' }, rate: 2/1m }
";

const ENTITIES: &str = "
entities:
  lead: { fields: { id: text, name: text, email: email, score: number, stage: text, note: text, owner: person, owner_at: time } }
people: { 张三: { manager: 王总监, email: zhang@example.com, channels: [mail] }, 李四: { wecom: lisi, channels: [ops] }, 王总监: { roles: [director], wecom: wang, channels: [ops] } }
teams: { 销售: [张三, 李四] }
";

/// Definitions, state and a clock.
struct World {
    definitions: Arc<Definitions>,
    state: State,
    seq: u64,
    now: Timestamp,
    log: Vec<Line>,
    timers: Vec<Key>,
}

impl World {
    fn new(rules: &str) -> Self {
        let dir = tempfile::TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join("rules")).unwrap();
        std::fs::write(dir.path().join("config.yaml"), CONFIG).unwrap();
        std::fs::write(dir.path().join("url"), "http://127.0.0.1:1/cgi-bin/webhook/send?key=x").unwrap();
        std::fs::write(dir.path().join("rules/a.yaml"), ENTITIES).unwrap();
        std::fs::write(dir.path().join("rules/b.yaml"), rules).unwrap();
        let loaded = config::load(&dir.path().join("config.yaml"), &config::Options::default());
        let loaded = loaded.unwrap_or_else(|r| panic!("{}", r.render(r.lang, false)));
        Self {
            definitions: Arc::new(loaded.definitions),
            state: State::default(),
            seq: 1,
            now: "2026-09-21T01:00:00Z".parse().unwrap(),
            log: Vec::new(),
            timers: Vec::new(),
        }
    }

    fn decide(&mut self, draft: Draft) {
        // A store that has nothing: what is not in the state is nowhere.
        let load = |state: &mut State, Need::Key(key): Need| -> Result<(), std::convert::Infallible> {
            state.load(key, None);
            Ok(())
        };
        let Ok(done) = settle(&self.definitions, &mut self.state, draft.event(self.seq), self.now, load);
        self.seq += done.events.len() as u64;
        self.log.extend(done.log);
        for (_, change) in done.changes {
            if let Key::Timer(_) = change.key {
                self.timers.retain(|k| *k != change.key);
                self.timers.extend(change.entry.map(|_| change.key));
            }
        }
    }

    /// A source tells about a lead.
    fn lead(&mut self, id: &str, fields: &[(&str, Value)]) {
        let record = RecordRef { entity: "lead".into(), id: id.into() };
        let mut fields: Map = fields.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        fields.insert("id".into(), id.into());
        let upsert = Some(Upsert { record: record.clone(), fields, at: None });
        let body = Body::Happened { data: Value::Null, upsert };
        let now = self.now;
        self.decide(Draft { origin: "crm".into(), record: Some(record), ..Draft::own("crm.lead", now, body) });
    }

    fn event(&mut self, name: &str, data: Value) {
        let now = self.now;
        self.decide(Draft { origin: "crm".into(), ..Draft::own(name, now, Body::Happened { data, upsert: None }) });
    }

    fn pass(&mut self, duration: &str) {
        self.now += ifthen::engine::duration::parse(duration).unwrap();
        let mut due: VecDeque<Key> = VecDeque::new();
        let ms = self.now.as_millisecond();
        due.extend(self.timers.iter().filter(|k| matches!(k, Key::Timer(t) if t.due <= ms)).cloned());
        while let Some(key) = due.pop_front() {
            let Key::Timer(timer) = &key else { continue };
            let at = Timestamp::from_millisecond(timer.due).unwrap();
            let now = self.now;
            self.decide(Draft { at, ..Draft::own("ifthen.timer", now, Body::Due(key)) });
        }
    }

    fn own(&mut self, body: Body) {
        let now = self.now;
        self.decide(Draft::own("ifthen.own", now, body));
    }

    /// The log since the last look, a line each: `rule action outcome detail`.
    fn said(&mut self) -> Vec<String> {
        self.log
            .drain(..)
            .filter(|l| l.action != "record")
            .map(|l| {
                let by = l.rule.or(l.flow).unwrap_or_else(|| "-".into());
                let short = ["text", "reason", "to", "level", "error", "by", "event", "branch", "tags"];
                let detail: Vec<String> = short
                    .iter()
                    .filter_map(|m| l.detail.at(&[*m]).filter(|v| !v.is_empty()).map(|v| format!("{m}={v}")))
                    .collect();
                format!("{by} {} {} {}", l.action, l.outcome.word(), detail.join(" ")).trim().to_owned()
            })
            .collect()
    }

    fn field(&self, id: &str, field: &str) -> String {
        let key = Key::Record(RecordRef { entity: "lead".into(), id: id.into() });
        match self.state.get(&key).unwrap().map(AsRef::as_ref) {
            Some(Entry::Record(r)) => r.value(field).to_string(),
            _ => panic!("there is no lead {id}"),
        }
    }

    fn call(&self, id: CallId) -> Option<ifthen::engine::call::Call> {
        match self.state.get(&Key::Call(id)).ok().flatten().map(AsRef::as_ref) {
            Some(Entry::Call(c)) => Some(c.clone()),
            _ => None,
        }
    }
}

fn check(rules: &str, play: impl FnOnce(&mut World), expect: &[&str]) {
    let mut world = World::new(rules);
    play(&mut world);
    assert_eq!(world.said(), expect);
}

#[test]
fn rules_go_by_priority_then_place_and_every_if_sees_the_record_as_it_came() {
    check(
        "
rules:
  last: { when: lead.created, if: stage == 'new', then: [ { log: 'last {{ stage }}' } ] }
  first: { when: lead.created, priority: 5, then: [ { set: { stage: won } }, { log: 'first {{ stage }}' } ] }
  after: { when: { changed: lead.stage, to: won }, then: [ { log: 'was {{ old.stage }}' } ] }
",
        |w| w.lead("L1", &[("stage", "new".into())]),
        &[
            "first rule fired",
            "first set done",
            "first log done text=first won",
            // Its condition saw `new`; its action sees what is there by now.
            "last rule fired",
            "last log done text=last won",
            "after rule fired",
            "after log done text=was new",
        ],
    );
}

#[test]
fn a_missing_value_makes_a_condition_unevaluable_and_neither_branch_runs() {
    let rules = "
rules:
  order: { when: lead.created, if: score > 60, then: [ { log: high } ], else: [ { log: low } ] }
  equal: { when: lead.created, if: stage == 'new', then: [ { log: new } ], else: [ { log: not new } ] }
";
    check(
        rules,
        |w| w.lead("L1", &[]),
        &[
            "order rule failed reason=unevaluable error=score is missing",
            "equal rule fired branch=else",
            "equal log done text=not new",
        ],
    );
    check(
        rules,
        |w| w.lead("L1", &[("score", 61i64.into())]),
        &["order rule fired", "order log done text=high", "equal rule fired branch=else", "equal log done text=not new"],
    );
}

#[test]
fn stop_and_cooldown_say_who_stopped_what() {
    check(
        "
rules:
  first: { when: ping, if: event.n > 1, stop: true, then: [ { log: first } ] }
  second: { when: ping, cooldown: 1h, then: [ { log: second } ] }
",
        |w| {
            for (n, pass) in [(1i64, "30m"), (1, "30m"), (1, "0s"), (2, "0s")] {
                w.event("ping", Value::from([("n", n.into())]));
                w.pass(pass);
            }
        },
        &[
            "second rule fired",
            "second log done text=second",
            "second rule suppressed reason=cooldown",
            "second rule fired", // exactly an hour later
            "second log done text=second",
            "first rule fired",
            "first log done text=first",
            "second rule suppressed reason=stop by=first",
        ],
    );
}

#[test]
fn actions_inside_happen_in_the_turn_and_see_each_other() {
    check(
        "
rules:
  take:
    when: lead.created
    then:
      - assign: 销售
      - tag: '{{ owner }}的'
      - set: { score: '= default(score, 0) + 10', note: '{{ owner.manager.id }}' }
      - emit: { event: lead.ready, data: { score: = score } }
      - create: { lead: { id: 'copy-{{ id }}', name: '副本{{ name }}' } }
  ready: { when: lead.ready, if: event.score == 10, then: [ { log: '{{ owner.name }} {{ note }}' } ] }
  again:
    when: lead.created
    if: starts_with(name, '副本')
    priority: 9
    stop: true
    then: [ { log: a copy } ]
",
        |w| {
            w.lead("L1", &[("name", "刘洋".into())]);
            assert_eq!(w.field("L1", "score"), "10");
            assert_eq!(w.field("L1", "note"), "王总监");
            assert!(!w.field("L1", "owner_at").is_empty());
        },
        &[
            "take rule fired",
            "take assign done to=张三",
            "take tag done tags=[\"张三的\"]",
            "take set done",
            "take emit done event=lead.ready",
            "take create done",
            // What happened to records comes before what the rule said about it.
            "again rule fired",
            "again log done text=a copy",
            "take rule suppressed reason=stop by=again",
            "ready rule fired",
            "ready log done text=张三 王总监",
        ],
    );
}

#[test]
fn an_action_that_cannot_be_done_is_told_and_those_behind_it_are_done() {
    check(
        "
rules:
  try:
    when: ping
    then: [ { set: { stage: won } }, { notify: { who: role:director, text: '{{ event.n + 1 }}' } }, { log: done } ]
",
        |w| w.event("ping", Value::Null),
        &[
            "try rule fired",
            "try set failed reason=unevaluable error=this event is about no record",
            "try notify failed reason=unevaluable error=template: tried to use + operator on unsupported types undefined and number",
            "try log done text=done",
        ],
    );
}

#[test]
fn a_loop_is_rolled_back_and_named() {
    let mut world = World::new(
        "rules:\n  there: { when: ping, then: [ { emit: pong }, { log: there } ] }\n  back: { when: pong, then: [ { emit: ping } ] }\n",
    );
    world.event("ping", Value::Null);
    assert_eq!(world.log.len(), 1, "nothing but the one line stays");
    let detail = world.log[0].detail.to_string();
    assert!(detail.contains("rule:there → pong → rule:back → ping"), "{detail}");
}

const MAIL: &str = "
rules:
  mail: { when: lead.created, then: [ { email: { to: '{{ email }}', subject: 您好, text: '{{ name }}' } } ] }
";

fn first_call(world: &World) -> CallId {
    world.log.iter().find_map(|l| l.detail.at(&["call"])).unwrap().to_string().parse().unwrap()
}

#[test]
fn a_call_is_retried_by_schedule_then_dead_and_retried_by_hand() {
    let mut world = World::new(MAIL);
    world.lead("L1", &[("email", "a@example.com".into()), ("name", "刘洋".into())]);
    let id = first_call(&world);
    let fail = |class| Ended::Failed { class, detail: "451 busy".into() };
    for (attempt, wait) in [(1, 60), (2, 300)] {
        world.pass("10m");
        world.own(Body::Start(vec![id]));
        assert_eq!(world.call(id).unwrap().status, Status::Started);
        world.own(Body::Ended { call: id, attempt, outcome: fail(Class::Transient) });
        let call = world.call(id).unwrap();
        let least = SignedDuration::from_secs(wait);
        let waits = call.due.duration_since(world.now);
        assert!(waits >= least && waits <= least + least / 10, "{waits}");
        // A late answer to a former attempt changes nothing.
        world.own(Body::Ended { call: id, attempt: attempt - 1, outcome: Ended::Done(Value::Null) });
        assert_eq!(world.call(id).unwrap(), call);
    }
    world.own(Body::Start(vec![id]));
    assert_eq!(world.call(id).unwrap().status, Status::Queued, "told too early, nothing happens");
    world.pass("10m");
    world.own(Body::Start(vec![id]));
    world.own(Body::Ended { call: id, attempt: 3, outcome: Ended::Unknown { detail: "lost".into() } });
    assert_eq!(world.call(id).unwrap().status, Status::Dead);
    world.own(Body::Command(Command::Retry(id)));
    world.own(Body::Start(vec![id]));
    let Some(Entry::Call(call)) = world.state.get(&Key::Call(id)).unwrap().map(AsRef::as_ref) else { panic!() };
    assert_eq!((call.attempt, call.status, call.generation), (1, Status::Started, 0));
    world.own(Body::Ended { call: id, attempt: 1, outcome: Ended::Done(Value::Null) });
    assert!(world.call(id).is_none());
    let words: Vec<&str> = world.log.iter().filter(|l| l.action == "email").map(|l| l.outcome.word()).collect();
    assert_eq!(words, ["fired", "retrying", "suppressed", "retrying", "suppressed", "unknown", "dead", "retrying", "done"]);
}

#[test]
fn what_is_refused_for_good_is_dead_at_once_and_wakes_rules() {
    check(
        &format!("{MAIL}  died: {{ when: ifthen.call.dead, then: [ {{ log: '{{{{ event.error }}}}' }} ] }}\n"),
        |w| {
            w.lead("L1", &[("email", "a@example.com".into())]);
            let id = first_call(w);
            w.own(Body::Start(vec![id]));
            w.own(Body::Ended {
                call: id,
                attempt: 1,
                outcome: Ended::Failed { class: Class::Permanent, detail: "550 no such user".into() },
            });
        },
        &[
            "mail rule fired",
            "mail email fired text=刘洋 to=a@example.com",
            "mail email dead error=550 no such user",
            "died rule fired",
            "died log done text=550 no such user",
        ]
        .map(|l| if l.contains("刘洋") { "mail email fired to=a@example.com" } else { l }),
    );
}

#[test]
fn a_throttled_connection_is_held_and_the_attempt_does_not_count() {
    let mut world = World::new(MAIL);
    world.lead("L1", &[("email", "a@example.com".into())]);
    let id = first_call(&world);
    world.own(Body::Start(vec![id]));
    world.own(Body::Ended {
        call: id,
        attempt: 1,
        outcome: Ended::Failed { class: Class::Throttled { seconds: Some(90) }, detail: "421".into() },
    });
    let call = world.call(id).unwrap();
    assert_eq!((call.status, call.attempt), (Status::Queued, 0));
    // Told too early, it is only put off: the whole connection is held.
    world.own(Body::Start(vec![id]));
    let put_off = world.call(id).unwrap();
    assert_eq!((put_off.status, put_off.attempt), (Status::Queued, 0));
    assert_eq!(put_off.due.duration_since(world.now), SignedDuration::from_secs(90));
}

#[test]
fn messages_beyond_the_budget_travel_together_and_end_together() {
    let mut world = World::new(
        "rules:\n  tell: { when: note, then: [ { wecom: { robot: ops, text: '{{ event.n }}号', at: user:李四 } } ] }\n",
    );
    for n in 1..=5i64 {
        world.event("note", Value::from([("n", n.into())]));
    }
    let ids: Vec<CallId> =
        world.log.iter().filter_map(|l| l.detail.at(&["call"])).map(|c| c.to_string().parse().unwrap()).collect();
    world.own(Body::Start(ids.clone()));
    let first = world.call(ids[0]).unwrap();
    let Request::Wecom(message) = &first.request else { panic!() };
    assert_eq!(message.text, "1号\n\n2号\n\n3号\n\n4号\n\n5号");
    assert_eq!(message.at.users, ["lisi"]);
    assert_eq!(first.carries, ids[1..]);
    // Lost on the way and tried again: the same content, also with more waiting behind it.
    world.own(Body::Ended { call: ids[0], attempt: 1, outcome: Ended::Unknown { detail: "lost".into() } });
    world.event("note", Value::from([("n", 6i64.into())]));
    world.pass("10m");
    world.own(Body::Start(vec![ids[0]]));
    assert_eq!(world.call(ids[0]).unwrap().request, first.request);
    world.log.clear();
    world.own(Body::Ended { call: ids[0], attempt: 2, outcome: Ended::Done(Value::Null) });
    assert_eq!(world.log.iter().filter(|l| l.outcome == Outcome::Done).count(), 5);
    assert!(ids.iter().all(|id| world.call(*id).is_none()));
}

#[test]
fn a_merged_message_that_is_refused_for_good_is_taken_apart_so_that_one_cannot_take_the_others_along() {
    let mut world = World::new("rules:\n  tell: { when: note, then: [ { wecom: { robot: ops, text: '{{ event.n }}号' } } ] }\n");
    for n in 1..=3i64 {
        world.event("note", Value::from([("n", n.into())]));
    }
    let ids: Vec<CallId> =
        world.log.iter().filter_map(|l| l.detail.at(&["call"])).map(|c| c.to_string().parse().unwrap()).collect();
    let refuse = || Ended::Failed { class: Class::Permanent, detail: "45002".into() };
    world.own(Body::Start(ids.clone()));
    let together = world.call(ids[0]).unwrap();
    assert_eq!(together.carries.len(), 2);
    world.own(Body::Ended { call: ids[0], attempt: 1, outcome: refuse() });
    for (n, id) in ids.iter().enumerate() {
        let call = world.call(*id).unwrap();
        let Request::Wecom(message) = &call.request else { panic!() };
        assert_eq!(message.text, format!("{}号", n + 1));
        assert_eq!((call.status, call.carries.len()), (Status::Queued, 0));
    }
    assert_ne!(world.call(ids[0]).unwrap().idempotency_key("x"), together.idempotency_key("x"), "other content, another key");
    // They are not merged again: the one that is refused is dead, the others arrive.
    for id in &ids {
        world.pass("2m");
        world.own(Body::Start(ids.clone().into_iter().skip_while(|i| i != id).collect()));
        let outcome = if *id == ids[1] { refuse() } else { Ended::Done(Value::Null) };
        world.own(Body::Ended { call: *id, attempt: 1, outcome });
    }
    let left: Vec<bool> = ids.iter().map(|id| world.call(*id).is_some()).collect();
    assert_eq!(left, [false, true, false]);
    world.own(Body::Command(Command::Discard(ids[1])));
    assert!(world.call(ids[1]).is_none());
}

#[test]
fn a_rule_on_dead_calls_whose_own_call_dies_comes_to_an_end() {
    let mut world = World::new(&format!(
        "{MAIL}  alarm: {{ when: ifthen.call.dead, then: [ {{ wecom: {{ robot: ops, text: 坏了 }} }} ] }}\n"
    ));
    world.lead("L1", &[("email", "a@example.com".into())]);
    let mut id = first_call(&world);
    for round in 0.. {
        assert!(round < 40, "without end");
        world.pass("2m");
        world.log.clear();
        world.own(Body::Start(vec![id]));
        let outcome = Ended::Failed { class: Class::Permanent, detail: "no".into() };
        world.own(Body::Ended { call: id, attempt: 1, outcome });
        assert_eq!(world.call(id).unwrap().status, Status::Dead, "its books are kept in any case");
        match world.log.iter().find(|l| l.outcome == Outcome::Fired && l.action == "wecom") {
            Some(line) => id = line.detail.at(&["call"]).unwrap().to_string().parse().unwrap(),
            None => break,
        }
    }
    assert!(world.log.iter().any(|l| l.action == "cascade"), "{:?}", world.log);
}

#[test]
fn what_may_have_arrived_takes_in_nobody_else_even_after_a_retry_by_hand_and_a_throttle() {
    let mut world = World::new("rules:\n  tell: { when: note, then: [ { wecom: { robot: ops, text: '{{ event.n }}号' } } ] }\n");
    for n in 1..=4i64 {
        world.event("note", Value::from([("n", n.into())]));
    }
    let ids: Vec<CallId> =
        world.log.iter().filter_map(|l| l.detail.at(&["call"])).map(|c| c.to_string().parse().unwrap()).collect();
    world.own(Body::Start(vec![ids[0]]));
    let first = world.call(ids[0]).unwrap();
    world.own(Body::Ended { call: ids[0], attempt: 1, outcome: Ended::Unknown { detail: "lost".into() } });
    world.own(Body::Command(Command::Retry(ids[0])));
    world.own(Body::Start(ids.clone()));
    let class = Class::Throttled { seconds: Some(1) };
    world.own(Body::Ended { call: ids[0], attempt: 1, outcome: Ended::Failed { class, detail: "45009".into() } });
    world.pass("5m");
    world.own(Body::Start(ids.clone()));
    let again = world.call(ids[0]).unwrap();
    assert_eq!((&again.request, again.idempotency_key("x")), (&first.request, first.idempotency_key("x")));
    assert!(again.carries.is_empty());
    // One that was only throttled has not arrived: it may still travel with others.
    let class = Class::Throttled { seconds: Some(1) };
    world.own(Body::Start(vec![ids[1]]));
    world.own(Body::Ended { call: ids[1], attempt: 1, outcome: Ended::Failed { class, detail: "45009".into() } });
    world.pass("5m");
    world.own(Body::Start(ids[1..].to_vec()));
    assert_eq!(world.call(ids[1]).unwrap().carries, ids[2..]);
}

#[test]
fn flows_that_start_each_other_without_a_record_come_to_an_end() {
    let mut world = World::new("flows:\n  a: { when: ping, steps: [ { start: b } ] }\n  b: { steps: [ { start: a } ] }\n");
    world.event("ping", Value::Null);
    let said = world.said();
    assert!(said.len() < 500 && said.iter().any(|l| l.contains("without end")), "{} {:?}", said.len(), said.last());
}

#[test]
fn each_change_of_a_root_is_seen_with_the_values_it_had() {
    check(
        "
rules:
  go: { when: lead.created, then: [ { set: { stage: X } }, { emit: onward } ] }
  on: { when: onward, then: [ { set: { stage: Y } } ] }
  to-x: { when: { changed: lead.stage, to: X }, if: stage == 'X', then: [ { log: 'x from {{ old.stage }}' } ] }
  to-y: { when: { changed: lead.stage, to: Y }, then: [ { log: y } ] }
",
        |w| w.lead("L1", &[("stage", "new".into())]),
        &[
            "go rule fired",
            "go set done",
            "go emit done event=onward",
            "to-x rule fired",
            "to-x log done text=x from new",
            "on rule fired",
            "on set done",
            "to-y rule fired",
            "to-y log done text=y",
        ],
    );
}

#[test]
fn a_flow_waits_sends_and_ends_and_a_record_is_in_it_once() {
    let flow = "
rules:
  begin: { when: lead.created, then: [ { start: welcome } ] }
  twice: { when: ping, then: [ { log: x } ] }
flows:
  welcome:
    record: lead
    steps:
      - { id: first, email: { to: '{{ email }}', subject: 一, text: 一 } }
      - wait: 2d
      - { id: skipped, if: stage == 'won', log: won }
      - { id: second, email: { to: '{{ email }}', subject: 二, text: '{{ name }}' } }
";
    let mut world = World::new(flow);
    let start = world.now;
    world.lead("L1", &[("email", "a@example.com".into()), ("name", "刘洋".into())]);
    let first = first_call(&world);
    world.own(Body::Start(vec![first]));
    world.pass("1h");
    assert!(world.timers.is_empty(), "the first mail is not out yet: nothing is counted");
    world.own(Body::Ended { call: first, attempt: 1, outcome: Ended::Done(Value::Null) });
    let Key::Timer(timer) = world.timers[0].clone() else { panic!() };
    assert_eq!(timer.due, (start + SignedDuration::from_hours(49)).as_millisecond());
    world.pass("47h");
    assert_eq!(world.timers.len(), 1);
    world.said();
    // Found late, it is decided as of its due time, and the next mail goes out.
    world.pass("5h");
    assert_eq!(world.said(), ["welcome email fired text=刘洋 to=a@example.com"]);
    assert!(world.timers.is_empty());
}
