//! The life of calls: retried, held, merged, taken apart, dead, and what a person makes of them.

use ifthen::engine::call::{CallId, Class, Outcome as Ended, Request, Status};
use ifthen::engine::event::{Body, Command};
use ifthen::engine::log::Outcome;
use ifthen::engine::state::{Entry, Key};
use ifthen::engine::value::Value;
use jiff::SignedDuration;

use super::world::{World, check};

pub const MAIL: &str = "
rules:
  mail: { when: lead.created, then: [ { email: { to: '{{ email }}', subject: 您好, text: '{{ name }}' } } ] }
";

pub fn first_call(world: &World) -> CallId {
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

/// A run's message that carries those of a rule, sent once.
fn carrier() -> (World, Vec<CallId>, String) {
    let mut world = World::new(
        "rules:\n  tell: { when: note, then: [ { wecom: { robot: ops, text: '{{ event.n }}号' } } ] }\nflows:\n  f: { when: lead.created, record: lead, steps: [ { wecom: { robot: ops, text: 流程 } }, { log: 完 } ] }\n",
    );
    world.lead("L1", &[]);
    for n in 1..=3i64 {
        world.event("note", Value::from([("n", n.into())]));
    }
    let ids: Vec<CallId> =
        world.log.iter().filter_map(|l| l.detail.at(&["call"])).map(|c| c.to_string().parse().unwrap()).collect();
    let run = world.log.iter().find_map(|l| l.run.clone()).unwrap();
    world.own(Body::Start(ids.clone()));
    assert_eq!(world.call(ids[0]).unwrap().carries, ids[1..]);
    (world, ids, run)
}

fn cancel(world: &mut World, run: &str) {
    use ifthen::engine::event::Command;
    use ifthen::engine::flow::{Act, Ask};
    let ask = Ask { run: run.into(), act: Act::Cancel { undo: false }, by: "张三".into(), comment: String::new() };
    world.own(Body::Command(Command::Run(Box::new(ask))));
}

/// Each is to be sent on its own, in its own words, and travels with nobody any more.
fn on_their_own(world: &World, ids: &[CallId]) {
    for (n, id) in ids.iter().enumerate() {
        let call = world.call(*id).unwrap();
        let Request::Wecom(message) = &call.request else { panic!() };
        assert_eq!((call.status, message.text.clone(), call.tried), (Status::Queued, format!("{}号", n + 1), true));
    }
}

#[test]
fn what_a_cancelled_message_carried_is_still_sent() {
    // It waits for another attempt.
    let (mut world, ids, run) = carrier();
    world.own(Body::Ended { call: ids[0], attempt: 1, outcome: Ended::Unknown { detail: "lost".into() } });
    cancel(&mut world, &run);
    assert!(world.call(ids[0]).is_none());
    on_their_own(&world, &ids[1..]);
    // It is on its way, and arrives, is refused, held back or lost.
    let lost = || Ended::Unknown { detail: "lost".into() };
    let failed = |class| Ended::Failed { class, detail: "45002".into() };
    for outcome in [lost(), failed(Class::Permanent), failed(Class::Throttled { seconds: Some(5) }), failed(Class::Transient)] {
        let (mut world, ids, run) = carrier();
        cancel(&mut world, &run);
        world.own(Body::Ended { call: ids[0], attempt: 1, outcome: outcome.clone() });
        on_their_own(&world, &ids[1..]);
        assert_eq!(world.call(ids[0]).unwrap().status, Status::Dead, "it is not sent again: {outcome:?}");
    }
    let (mut world, ids, run) = carrier();
    cancel(&mut world, &run);
    world.own(Body::Ended { call: ids[0], attempt: 1, outcome: Ended::Done(Value::Null) });
    assert!(ids.iter().all(|id| world.call(*id).is_none()));
}
