//! Runs over time.

use ifthen::engine::call::Outcome as Ended;
use ifthen::engine::event::Body;
use ifthen::engine::state::Key;
use ifthen::engine::value::Value;
use jiff::SignedDuration;

use super::outbox::first_call;
use super::world::World;

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

#[test]
fn flows_that_start_each_other_without_a_record_come_to_an_end() {
    let mut world = World::new("flows:\n  a: { when: ping, steps: [ { start: b } ] }\n  b: { steps: [ { start: a } ] }\n");
    world.event("ping", Value::Null);
    let said = world.said();
    assert!(said.len() < 500 && said.iter().any(|l| l.contains("without end")), "{} {:?}", said.len(), said.last());
}
