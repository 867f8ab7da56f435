//! Long lists and long ways: they go through, or say at their beginning why not and what would help.

use ifthen::engine::flow::How;
use ifthen::engine::value::Value;

use super::{Act, World, ask, event, flow, runs, trail};

fn listed(items: i64, steps: &str) -> World {
    let mut w = World::new(&format!(
        "flows:
  f:
    when: ping
    record: lead
    vars: {{ n: 0, m: 0 }}
    steps:
      - each: {{ of: event.items, as: 项, at_once: 5, steps: [ {steps} ] }}
      - {{ id: 候, wait: 1h }}
      - log: '完 {{{{ vars.n }}}}'
"
    ));
    let items = (0..items).map(Value::from).collect();
    w.lead("L1", &[]);
    event(&mut w, "ping", "L1", Value::from([("items", Value::List(items))]));
    w
}

#[test]
fn a_thousand_items_of_several_steps_go_through_and_are_few_lines_of_the_path() {
    let mut w = listed(
        1_000,
        "{ id: 甲, set: { vars.n: = vars.n + 1 } }, { id: 乙, if: 项 < 10, set: { vars.m: 1 } }, { id: 丙, choose: [ { if: 项 < 1, then: [ { id: 丁, log: 零 } ] } ] }",
    );
    let times = |w: &World, step: &str, how: How| -> u32 {
        runs(w)[0].path.iter().filter(|p| p.step == step && p.how == how).map(|p| p.times).sum()
    };
    assert_eq!(trail(&mut w), ["零"]);
    assert_eq!((times(&w, "甲", How::Done), times(&w, "乙", How::Done), times(&w, "乙", How::Skipped)), (1_000, 10, 990));
    assert!(runs(&w)[0].path.len() < 10, "{}", runs(&w)[0].path.len());
    w.pass("1h");
    assert_eq!(trail(&mut w), ["完 1000", "end done"]);
}

#[test]
fn a_list_that_cannot_go_through_says_so_at_its_beginning() {
    let many: Vec<String> = (0..25).map(|n| format!("{{ id: 项步{n}, log: 步 }}")).collect();
    let mut w = listed(1_000, &many.join(", "));
    let said = trail(&mut w);
    assert_eq!(said.len(), 1, "nothing of it is done: {said:?}");
    assert!(said[0].contains("1000 items of 25 steps") && said[0].contains("`start`"), "{said:?}");
    let mut w = listed(999, "{ id: 批, approve: 'user:李四' }, { id: 又, approve: 'user:王总监' }");
    let said = trail(&mut w);
    assert!(said.len() == 1 && said[0].contains("999 items that people decide"), "{said:?}");
}

#[test]
fn a_way_that_is_too_long_says_what_helps() {
    let mut w =
        flow("    steps: [ { repeat: { times: 2000, most: 3000, steps: [ { id: 甲, log: 转 }, { id: 乙, wait: 1m } ] } } ]\n");
    w.lead("L1", &[]);
    for _ in 0..520 {
        w.pass("1m");
    }
    let said = trail(&mut w).pop().unwrap();
    assert!(said.contains("more than 1000 steps: end it, and have parts of it be flows of their own"), "{said}");
    ask(&mut w, Act::Retry);
    assert_eq!(trail(&mut w).pop(), Some(said), "doing it again does not help, and it says what does");
    ask(&mut w, Act::Cancel { undo: false });
    assert!(runs(&w).is_empty());
}

#[test]
fn starts_that_wait_for_their_turn_all_come_however_many() {
    let mut w = World::new(
        "flows:
  f:
    when: ping
    record: lead
    mode: queued
    steps: [ { if: event.n == 0, wait: 1h }, { log: '{{ event.n }}' } ]
",
    );
    for n in 0..=90i64 {
        event(&mut w, "ping", "L1", Value::from([("n", n.into())]));
    }
    trail(&mut w);
    w.pass("1h");
    for _ in 0..20 {
        w.pass("1s");
    }
    let logged: Vec<String> = trail(&mut w).into_iter().filter(|l| !l.starts_with("end")).collect();
    assert_eq!(logged, (0..=90).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(w.timers.is_empty() && runs(&w).is_empty());
}
