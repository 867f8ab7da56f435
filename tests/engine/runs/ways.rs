//! Ways through a graph: choices, branches, repetition, jumps.

use ifthen::engine::value::Value;

use super::{Act, ask, begun, flow, ok, refused, runs, stands, trail};

#[test]
fn the_first_way_that_holds_is_taken_else_the_other() {
    let steps = "
      - choose: [ { if: score > 5, then: [ { log: 高 } ] }, { if: score > 2, then: [ { log: 中 } ] }, { if: score > 1, then: [ { log: 低 } ] } ]
      - choose: [ { if: score > 5, then: [ { log: 高 } ] } ]
        else: [ { log: 否则 } ]
      - choose: [ { if: score > 5, then: [ { log: 高 } ] } ]
      - log: 完
";
    assert_eq!(trail(&mut begun(steps)), ["中", "否则", "完", "end done"]);
}

#[test]
fn a_parallel_is_through_with_all_its_branches() {
    let steps = "
      - parallel: { 财务: [ { http: { connection: erp, post: /a } }, { log: 甲 } ], 法务: [ { http: { connection: erp, post: /b } }, { log: 乙 } ], 空: [ { if: score > 5, log: x } ] }
      - log: 完
";
    let mut w = begun(steps);
    ok(&mut w, "/b");
    assert_eq!(trail(&mut w), ["乙"]);
    ok(&mut w, "/a");
    assert_eq!(trail(&mut w), ["甲", "完", "end done"]);
}

#[test]
fn a_parallel_that_needs_fewer_cancels_the_others() {
    for (need, late) in [("any", "/b"), ("2", "/c")] {
        let steps = format!(
            "
      - parallel: {{ a: [ {{ http: {{ connection: erp, post: /a }} }} ], b: [ {{ http: {{ connection: erp, post: /b }} }} ], c: [ {{ http: {{ connection: erp, post: /c }} }} ] }}
        need: {need}
      - log: 完
"
        );
        let mut w = begun(&steps);
        ok(&mut w, "/a");
        if need == "2" {
            assert_eq!(trail(&mut w), Vec::<String>::new());
            ok(&mut w, "/b");
        }
        assert_eq!(trail(&mut w), ["完", "end done"], "{need}");
        assert!(!super::outbox(&w).contains(&late.to_owned()), "{:?}", super::outbox(&w));
    }
}

#[test]
fn branches_that_fail_are_dropped_while_enough_are_left() {
    let steps = "
      - id: 两家
        parallel: { a: [ { http: { connection: erp, post: /a } } ], b: [ { http: { connection: erp, post: /b } } ], c: [ { http: { connection: erp, post: /c } } ] }
        need: 1
      - log: 完
";
    let mut w = begun(steps);
    refused(&mut w, "/a");
    refused(&mut w, "/b");
    assert_eq!(trail(&mut w), Vec::<String>::new());
    ok(&mut w, "/c");
    assert_eq!(trail(&mut w), ["完", "end done"]);
    // None is left: the step has failed, and what is retried are all.
    let mut w = begun(steps);
    for path in ["/a", "/b", "/c"] {
        refused(&mut w, path);
    }
    assert_eq!(trail(&mut w), ["run parked 0 of 1 branches came through"]);
    ask(&mut w, Act::Retry);
    ok(&mut w, "/b");
    assert_eq!(trail(&mut w), ["run retry", "完", "end done"]);
}

#[test]
fn what_branches_that_begin_anew_had_done_counts_no_more() {
    let steps = "
      - id: 两家
        parallel: { a: [ { id: 甲, http: { connection: erp, post: /a } } ], b: [ { id: 乙, log: 乙 }, { http: { connection: erp, post: /b } } ], c: [ { id: 丙, log: 丙 } ] }
        need: 2
      - log: 完
";
    let mut w = begun(steps);
    refused(&mut w, "/a");
    refused(&mut w, "/b");
    ask(&mut w, Act::Retry);
    let done = |w: &super::World, id: &str| {
        runs(w)[0].path.iter().filter(|p| p.step == id && p.how == ifthen::engine::flow::How::Done).count()
    };
    assert_eq!(
        (done(&w, "乙"), done(&w, "丙")),
        (1, 1),
        "done again, and counted once; the one that was through is not done again"
    );
    assert_eq!(trail(&mut w), ["乙", "丙", "run parked 1 of 2 branches came through", "run retry", "乙"]);
}

#[test]
fn a_failing_branch_stands_still_alone_or_leads_where_on_error_says() {
    let branches = "parallel: { a: [ { id: 甲, http: { connection: erp, post: /a } } ], b: [ { http: { connection: erp, post: /b } }, { log: 乙 } ] }";
    let mut w = begun(&format!("\n      - {branches}\n      - log: 完\n"));
    refused(&mut w, "/a");
    assert_eq!(trail(&mut w), ["run parked 400 不行"]);
    ok(&mut w, "/b");
    assert_eq!(trail(&mut w), ["乙"]);
    ask(&mut w, Act::Skip);
    assert_eq!(trail(&mut w), ["run skip", "完", "end done"]);
    // Its own on_error: the branch goes on behind it.
    let branches = branches.replace("post: /a }", "post: /a }, on_error: [ { log: '坏了 {{ steps.甲.error }}' } ]");
    let mut w = begun(&format!("\n      - {branches}\n      - log: 完\n"));
    refused(&mut w, "/a");
    ok(&mut w, "/b");
    assert_eq!(trail(&mut w), ["坏了 400 不行", "乙", "完", "end done"]);
}

const LIST: &str = "
    when: ping
    vars: { all: = event.items }
    steps:
      - each: { of: vars.all, as: 项, at_once: N, steps: [ { http: { connection: erp, post: '/{{ 项.no }}' } }, { log: '{{ 项.no }}' } ] }
      - log: 完
";

fn listed(at_once: &str) -> super::World {
    let body = LIST.replace("N", at_once);
    let mut w = super::World::new(&format!("flows:\n  f:{body}"));
    let items = (1..=5i64).map(|n| Value::from([("no", n.into())])).collect();
    w.event("ping", Value::from([("items", Value::List(items))]));
    w
}

#[test]
fn each_goes_through_a_list_one_after_another_or_some_at_the_same_time() {
    let mut w = listed("1");
    for n in 1..=5 {
        assert_eq!(super::outbox(&w), [format!("/{n}")]);
        ok(&mut w, &format!("/{n}"));
    }
    assert_eq!(trail(&mut w), ["1", "2", "3", "4", "5", "完", "end done"]);
    let mut w = listed("3");
    assert_eq!(super::outbox(&w), ["/1", "/2", "/3"]);
    ok(&mut w, "/2");
    assert_eq!(super::outbox(&w), ["/1", "/3", "/4"]);
    for path in ["/4", "/5", "/3", "/1"] {
        ok(&mut w, path);
    }
    assert_eq!(trail(&mut w), ["2", "4", "5", "3", "1", "完", "end done"]);
}

#[test]
fn repetition_ends_by_number_by_condition_and_by_its_most() {
    let steps = "
      - repeat: { times: 3, steps: [ { log: 次 } ] }
      - repeat: { times: 2, steps: [ { log: 外 }, { repeat: { times: 2, steps: [ { log: 内 } ] } } ] }
      - log: 完
";
    let inner = ["外", "内", "内"];
    let expected: Vec<&str> = ["次"; 3].into_iter().chain(inner).chain(inner).chain(["完", "end done"]).collect();
    assert_eq!(trail(&mut begun(steps)), expected);
    let counted = |check: &str| {
        let body = format!(
            "    vars: {{ n: 0 }}
    steps:
      - repeat: {{ {check}, steps: [ {{ set: {{ vars.n: = vars.n + 1 }} }}, {{ log: '{{{{ vars.n }}}}' }} ] }}
      - log: 完
"
        );
        let mut w = flow(&body);
        w.lead("L1", &[]);
        trail(&mut w)
    };
    assert_eq!(counted("while: vars.n < 2, most: 9"), ["1", "2", "完", "end done"]);
    assert_eq!(counted("while: vars.n > 2, most: 9"), ["完", "end done"]);
    assert_eq!(counted("until: vars.n >= 2, most: 9"), ["1", "2", "完", "end done"]);
    assert_eq!(counted("until: vars.n >= 0, most: 9"), ["1", "完", "end done"], "asked after");
    let most = counted("while: vars.n < 9, most: 2");
    assert_eq!(most[..2], ["1", "2"]);
    assert!(most[2].starts_with("run parked") && most[2].contains("more than 2 times"), "{most:?}");
}

#[test]
fn the_condition_of_a_repetition_counts_once_and_leaving_it_forgets_its_count() {
    let body = "
    vars: { n: 0 }
    steps:
      - { id: 起, set: { vars.n: = vars.n + 1 } }
      - wait: 1h
      - if: vars.n < 3
        repeat: { times: 3, steps: [ { log: '{{ vars.n }}' }, { if: vars.n == 1, go_to: 起 }, { set: { vars.n: 9 } } ] }
      - log: 完
";
    let mut w = flow(body);
    w.lead("L1", &[]);
    w.pass("1h");
    w.pass("1h");
    assert_eq!(trail(&mut w), ["1", "2", "9", "9", "完", "end done"]);
}

#[test]
fn a_jump_leads_on_and_a_loop_that_waits_for_nothing_stands_still() {
    let steps = "
      - { if: score > 1, go_to: 末 }
      - log: 不
      - { id: 末, log: 末 }
";
    assert_eq!(trail(&mut begun(steps)), ["末", "end done"]);
    let mut w = begun("\n      - repeat: { times: 2000, most: 3000, steps: [ { log: 转 } ] }\n");
    let trail = trail(&mut w);
    assert!(trail.len() <= 1_001 && trail.last().unwrap().contains("run parked more than 1000 steps"), "{:?}", trail.last());
}

#[test]
fn a_jump_out_of_a_branch_cancels_the_others() {
    let steps = "
      - parallel: { a: [ { wait: 1h }, { if: score > 1, go_to: 末 }, { log: 不 } ], b: [ { wait: 2h }, { log: 不 } ] }
      - { id: 末, log: 末 }
";
    let mut w = begun(steps);
    w.pass("1h");
    w.pass("5h");
    assert_eq!(trail(&mut w), ["末", "end done"]);
    assert!(w.timers.is_empty());
}

#[test]
fn going_back_opens_a_round_voids_what_came_after_and_cancels_the_others() {
    let steps = "
      - { id: 前, http: { connection: erp, post: /before } }
      - { id: 甲, if: round > 1, log: '第{{ round }}轮 {{ steps.前.n }} {{ steps.乙.n }}' }
      - parallel: { a: [ { id: 乙, http: { connection: erp, post: /a } }, { if: round < 3, back_to: 甲 } ], b: [ { id: 丙, wait: 9d } ] }
        need: any
      - log: 完
";
    let mut w = begun(steps);
    super::done(&mut w, "/before", Value::from([("n", 1i64.into())]));
    for round in 2..=3i64 {
        super::done(&mut w, "/a", Value::from([("n", round.into())]));
        assert_eq!(trail(&mut w), [format!("back 甲 {round}"), format!("第{round}轮 1 ")]);
        assert_eq!(w.timers.len(), 1, "the sibling of the former round is cancelled");
        assert_eq!((runs(&w)[0].round, stands(&w)), (u32::try_from(round).unwrap(), vec!["乙".to_owned(), "丙".to_owned()]));
    }
    ok(&mut w, "/a");
    assert_eq!(trail(&mut w), ["完", "end done"]);
}

#[test]
fn then_here_goes_on_straight_where_it_went_back() {
    let body = "
    steps:
      - { id: 甲, wait: 1h }
      - { id: 乙, log: 乙 }
      - { id: 丙, if: round == 1, back_to: { step: 甲, then: here } }
      - { id: 丁, if: round == 2, back_to: { step: 改, then: here } }
      - log: 完
    asides:
      改: [ { id: 改, wait: 1h }, { id: 改完, if: round < 9, log: '改 {{ round }}' }, { back_to: 甲 } ]
";
    let mut w = flow(body);
    w.lead("L1", &[]);
    for _ in 0..4 {
        w.pass("1h");
    }
    assert_eq!(trail(&mut w), ["乙", "back 甲 2", "back 改 3", "改 3", "back 甲 3", "乙", "完", "end done"]);
}
