//! Which rules fire, in which order, on what, and what their actions do.

use ifthen::engine::value::Value;

use super::world::{World, check};

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
