//! Which runs there are: what a second start comes to, and flows within flows.

use ifthen::engine::value::Value;

use super::{World, event, flow, ok, refused, runs, trail};

const WAITS: &str = "    steps: [ { wait: 1d }, { log: '{{ event.n }}' } ]\n";

/// Two pings about the same lead, and then two days.
fn pings(gates: &str) -> Vec<String> {
    let mut w = World::new(&format!("flows:\n  f:\n    when: ping\n    record: lead\n{gates}{WAITS}"));
    for n in 1..=2i64 {
        event(&mut w, "ping", "L1", Value::from([("n", n.into())]));
        w.pass("1h");
    }
    w.pass("24h");
    w.pass("24h");
    assert!(runs(&w).is_empty());
    trail(&mut w)
}

#[test]
fn a_second_start_is_refused_replaces_waits_or_runs_beside() {
    assert_eq!(pings("    mode: single\n"), ["no start: already runs", "1", "end done"]);
    assert_eq!(pings("    mode: restart\n"), ["end restarted", "2", "end done"]);
    assert_eq!(pings("    mode: queued\n"), ["no start: queued", "1", "end done", "2", "end done"]);
    assert_eq!(pings("    mode: parallel\n"), ["1", "end done", "2", "end done"]);
    assert_eq!(pings("    once_per: event.n\n"), ["1", "end done", "2", "end done"]);
}

#[test]
fn a_record_begins_again_never_or_after_a_while() {
    let again = |word: &str| {
        let mut w =
            World::new(&format!("flows:\n  f: {{ when: ping, record: lead, again: {word}, steps: [ {{ log: 行 }} ] }}\n"));
        for _ in 0..3 {
            event(&mut w, "ping", "L1", Value::Null);
            w.pass("20d");
        }
        trail(&mut w)
    };
    let went = ["行", "end done"];
    assert_eq!(again("always"), [went, went, went].concat());
    assert_eq!(again("never"), ["行", "end done", "no start: again", "no start: again"]);
    assert_eq!(again("30d"), ["行", "end done", "no start: again", "行", "end done"]);
}

#[test]
fn a_run_that_stands_still_is_under_way_until_a_person_says_otherwise() {
    let stuck = |gates: &str| {
        let steps = "    steps: [ { http: { connection: erp, post: /a } } ]\n";
        let mut w = World::new(&format!("flows:\n  f:\n    when: ping\n    record: lead\n{gates}{steps}"));
        event(&mut w, "ping", "L1", Value::Null);
        refused(&mut w, "/a");
        event(&mut w, "ping", "L1", Value::Null);
        let said = trail(&mut w);
        (said, runs(&w).len())
    };
    let parked = "run parked 400 不行";
    // What was decided in it is not thrown away for a record that is told once more.
    assert_eq!(stuck(""), (vec![parked.into(), "no start: already runs".into()], 1));
    assert_eq!(stuck("    mode: restart\n"), (vec![parked.into(), "end restarted".into()], 1));
    assert_eq!(stuck("    mode: queued\n"), (vec![parked.into(), "no start: queued".into()], 1));
    assert_eq!(stuck("    again: never\n"), (vec![parked.into(), "no start: again".into()], 1));
    assert_eq!(stuck("    mode: parallel\n"), (vec![parked.into()], 2));
}

#[test]
fn a_start_whose_variables_cannot_be_told_leaves_nothing_behind() {
    let mut w = World::new(
        "flows:\n  f: { when: ping, record: lead, again: never, vars: { x: = 1 / event.n }, steps: [ { log: 行 } ] }\n",
    );
    event(&mut w, "ping", "L1", Value::from([("n", 0i64.into())]));
    event(&mut w, "ping", "L1", Value::from([("n", 1i64.into())]));
    assert_eq!(trail(&mut w).split_off(1), ["行", "end done"]);
}

#[test]
fn the_steps_of_a_called_flow_really_run_with_variables_of_their_own() {
    let mut w = World::new(
        "flows:
  f:
    when: ping
    vars: { x: 1 }
    steps:
      - { id: 调, call: { flow: g, vars: { x: = vars.x + 10 } } }
      - log: '{{ vars.x }} 完'
  g:
    vars: { x: 0, y: 5 }
    steps:
      - { id: 内, http: { connection: erp, post: '/{{ vars.x }}-{{ vars.y }}' } }
      - choose: [ { if: steps.内.n == 3, then: [ { set: { vars.x: 99 } }, { log: '内 {{ vars.x }}' } ] } ]
",
    );
    w.event("ping", Value::Null);
    super::done(&mut w, "/11-5", Value::from([("n", 3i64.into())]));
    assert_eq!(trail(&mut w), ["内 99", "1 完", "end done"]);
}

#[test]
fn a_skipped_call_skips_its_steps() {
    let mut w = World::new(
        "flows:\n  f: { when: ping, steps: [ { if: 1 == 2, call: g }, { log: 完 } ] }\n  g: { steps: [ { log: 不 } ] }\n",
    );
    w.event("ping", Value::Null);
    assert_eq!(trail(&mut w), ["完", "end done"]);
}

#[test]
fn variables_begin_as_said_and_change() {
    let mut w = flow(
        "    vars: { n: 1, 名: = name }\n    steps: [ { set: { vars.n: = vars.n + score } }, { http: { connection: erp, post: '/{{ vars.n }}' } }, { log: '{{ vars.名 }} {{ vars.n }}' } ]\n",
    );
    w.lead("L1", &[("name", "刘洋".into()), ("score", 4i64.into())]);
    ok(&mut w, "/5");
    assert_eq!(trail(&mut w), ["刘洋 5", "end done"]);
}
