//! Undoing: in reverse order, of what is certain and of what is not; and what stands still at it.

use ifthen::engine::value::Value;

use super::{Act, ask, begun, done, flow, lost, ok, outbox, refused, runs, trail};

const THREE: &str = "
      - { id: 甲, http: { connection: erp, post: /a }, undo: { http: { connection: erp, post: '/undo-a-{{ steps.甲.no }}' } } }
      - { id: 乙, http: { connection: erp, post: /b }, undo: [ { http: { connection: erp, post: /undo-b } }, { log: 乙撤 } ] }
      - { id: 丙, http: { connection: erp, post: /c }, undo: { log: 丙撤 } }
      - log: 完
";

fn two(steps: &str) -> super::World {
    let mut w = begun(steps);
    done(&mut w, "/a", Value::from([("no", 7i64.into())]));
    ok(&mut w, "/b");
    w
}

#[test]
fn what_failed_is_undone_in_reverse_and_the_run_ends_as_failed() {
    let mut w = two(THREE);
    refused(&mut w, "/c");
    assert_eq!(outbox(&w)[0], "/undo-b");
    ok(&mut w, "/undo-b");
    assert_eq!(trail(&mut w), ["乙撤", "undone 乙"]);
    ok(&mut w, "/undo-a-7");
    assert_eq!(trail(&mut w), ["undone 甲", "end failed"]);
    assert!(runs(&w).is_empty() && w.timers.is_empty());
}

#[test]
fn a_failed_run_does_what_the_flow_says_then() {
    let body = format!("    on_error: [ {{ log: '{{{{ run.failed_step }}}} {{{{ run.error }}}}' }} ]\n    steps:\n{THREE}");
    let mut w = flow(&body);
    w.lead("L1", &[]);
    ok(&mut w, "/a");
    refused(&mut w, "/b");
    ok(&mut w, "/undo-a");
    assert_eq!(trail(&mut w), ["undone 甲", "乙 400 不行", "end failed"]);
}

#[test]
fn cancelling_undoes_where_it_is_asked_for_and_waits_for_what_is_on_its_way() {
    let mut w = two(THREE);
    ask(&mut w, Act::Cancel { undo: false });
    assert_eq!((trail(&mut w), outbox(&w).len()), (vec!["run cancel".to_owned(), "end cancelled".into()], 0));
    let mut w = two(THREE);
    super::set_out(&mut w, "/c");
    ask(&mut w, Act::Cancel { undo: true });
    assert_eq!(trail(&mut w), ["run cancel"]);
    ok(&mut w, "/c");
    assert_eq!(trail(&mut w), ["丙撤", "undone 丙"]);
    ok(&mut w, "/undo-b");
    ok(&mut w, "/undo-a-7");
    assert_eq!(trail(&mut w), ["乙撤", "undone 乙", "undone 甲", "end cancelled"]);
}

#[test]
fn a_step_of_unknown_outcome_is_undone_once_as_if_it_had_happened() {
    let mut w = two(THREE);
    lost(&mut w, "/c");
    assert_eq!(trail(&mut w), ["丙撤", "undone 丙"]);
    ok(&mut w, "/undo-b");
    ok(&mut w, "/undo-a-7");
    assert_eq!(trail(&mut w), ["乙撤", "undone 乙", "undone 甲", "end failed"]);
    // Led on by on_error: it is not undone twice either.
    let mut w = begun(
        "
      - { id: 甲, http: { connection: erp, post: /a }, on_error: [ { fail: 算了 } ], undo: { log: 甲撤 } }
",
    );
    lost(&mut w, "/a");
    assert_eq!(trail(&mut w), ["甲撤", "undone 甲", "end failed"]);
}

const VERIFIED: &str = "
      - { id: 甲, http: { connection: erp, post: /a }, undo: { log: 甲撤 }, verify: { http: { connection: erp, get: /look }, happened: answer.found } }
      - { id: 乙, log: '{{ steps.甲.found }}' }
      - { id: 丙, http: { connection: erp, post: /c } }
";

#[test]
fn an_unknown_outcome_is_looked_up() {
    let found = |yes: bool| Value::from([("found", yes.into())]);
    let mut w = begun(VERIFIED);
    lost(&mut w, "/a");
    done(&mut w, "/look", found(true));
    assert_eq!(trail(&mut w), ["true"]);
    refused(&mut w, "/c");
    assert_eq!(trail(&mut w), ["甲撤", "undone 甲", "end failed"]);
    // It has not happened: nothing is undone, and the run stands still.
    let mut w = begun(VERIFIED);
    lost(&mut w, "/a");
    done(&mut w, "/look", found(false));
    assert_eq!(trail(&mut w), ["run parked it was looked up and has not happened"]);
    // Nobody can tell: it may have happened, so it is undone once that is known.
    let mut w = begun(VERIFIED);
    lost(&mut w, "/a");
    refused(&mut w, "/look");
    done(&mut w, "/look", found(true));
    assert_eq!(trail(&mut w), ["甲撤", "undone 甲", "end failed"]);
}

#[test]
fn an_undoing_that_fails_stands_still_until_it_is_done_again_or_passed_over() {
    let mut w = two(THREE);
    refused(&mut w, "/c");
    refused(&mut w, "/undo-b");
    assert_eq!(trail(&mut w), ["run parked 400 不行"]);
    ask(&mut w, Act::Retry);
    assert_eq!(trail(&mut w), ["run retry"]);
    refused(&mut w, "/undo-b");
    ask(&mut w, Act::Skip);
    assert_eq!(trail(&mut w), ["run parked 400 不行", "run skip", "乙撤", "undone 乙"]);
    ok(&mut w, "/undo-a-7");
    assert_eq!(trail(&mut w), ["undone 甲", "end failed"]);
}

#[test]
fn nothing_that_is_asked_meanwhile_loses_what_is_left_to_undo() {
    let mut w = two(THREE);
    refused(&mut w, "/c");
    refused(&mut w, "/undo-b");
    trail(&mut w);
    ask(&mut w, Act::Back { step: "甲".into() });
    assert_eq!(trail(&mut w), ["run backwhat it did is being undone"]);
    ask(&mut w, Act::Cancel { undo: true });
    ask(&mut w, Act::Retry);
    ok(&mut w, "/undo-b");
    ok(&mut w, "/undo-a-7");
    assert_eq!(trail(&mut w), ["run cancel", "run retry", "乙撤", "undone 乙", "undone 甲", "end cancelled"]);
}

/// After a refusal: a step that can be undone, and one that waits.
const AFTERWARDS: &str =
    "    on_error: [ { id: 善, http: { connection: erp, post: /amend }, undo: { log: 善撤 } }, { wait: 1h } ]
    steps: [ { id: 甲, http: { connection: erp, post: /a } } ]
";

#[test]
fn a_step_that_is_retried_by_hand_is_undone_once() {
    for comes in [false, true] {
        let mut w = flow(AFTERWARDS);
        w.lead("L1", &[]);
        refused(&mut w, "/a");
        lost(&mut w, "/amend");
        assert_eq!(trail(&mut w), ["run parked 断线"]);
        ask(&mut w, Act::Retry);
        if comes {
            ok(&mut w, "/amend");
        }
        ask(&mut w, Act::Cancel { undo: true });
        assert_eq!(trail(&mut w), ["run retry", "run cancel", "善撤", "undone 善", "end cancelled"], "{comes}");
    }
}

#[test]
fn what_has_surely_happened_is_not_forgotten_when_the_rest_is_looked_up_again() {
    let mut w = super::World::new(
        "actions:
  两样: { do: [ { http: { connection: erp, post: /b1 } }, { http: { connection: erp, post: /b2 } } ] }
flows:
  f:
    when: lead.created
    record: lead
    on_error:
      - { id: 善, run: 两样, undo: { log: 善撤 }, verify: { http: { connection: erp, get: /look }, happened: answer.found } }
    steps: [ { id: 甲, http: { connection: erp, post: /a } } ]
",
    );
    w.lead("L1", &[]);
    refused(&mut w, "/a");
    ok(&mut w, "/b1");
    lost(&mut w, "/b2");
    refused(&mut w, "/look");
    ask(&mut w, Act::Retry);
    done(&mut w, "/look", Value::from([("found", false.into())]));
    trail(&mut w);
    ask(&mut w, Act::Cancel { undo: true });
    assert_eq!(trail(&mut w), ["run cancel", "善撤", "undone 善", "end cancelled"]);
}

#[test]
fn what_a_step_may_have_done_is_not_laid_to_the_next_one() {
    let mut w = begun(
        "
      - { id: 甲, if: score < 5, http: { connection: erp, post: /a } }
      - { id: 乙, http: { connection: erp, post: /b }, undo: { log: 乙撤 } }
      - { id: 丙, http: { connection: erp, post: /c } }
",
    );
    lost(&mut w, "/a");
    w.lead("L1", &[("score", 9i64.into())]);
    ask(&mut w, Act::Retry);
    ok(&mut w, "/b");
    refused(&mut w, "/c");
    assert_eq!(trail(&mut w), ["run parked 断线", "run retry", "乙撤", "undone 乙", "end failed"]);
}

#[test]
fn what_may_have_happened_in_one_pass_of_a_loop_is_not_what_happens_in_another() {
    let mut w = super::flow(
        "    vars: { n: 0 }
    steps:
      - id: 并
        parallel:
          快: [ { id: 甲, http: { connection: erp, post: /a } } ]
          慢: [ { id: 乙, http: { connection: erp, post: /b }, undo: { log: '乙撤 {{ steps.乙.no }}' } } ]
        need: any
      - { id: 丙, http: { connection: erp, post: /c }, undo: { log: '丙撤 {{ steps.丙.no }}' } }
      - { id: 数, set: { vars.n: = vars.n + 1 } }
      - { if: vars.n < 2, go_to: 并 }
      - { id: 丁, http: { connection: erp, post: /d } }
",
    );
    w.lead("L1", &[]);
    let no = |n: i64| Value::from([("no", n.into())]);
    for pass in [1, 2] {
        // It is not needed any more: the first time nobody knows whether it happened, the second time it is on its way.
        let slow = super::set_out(&mut w, "/b");
        if pass == 1 {
            let outcome = ifthen::engine::call::Outcome::Unknown { detail: "断线".into() };
            w.own(ifthen::engine::event::Body::Ended { call: slow.id, attempt: 1, outcome });
        }
        ok(&mut w, "/a");
        done(&mut w, "/c", no(pass));
    }
    done(&mut w, "/b", no(2));
    refused(&mut w, "/d");
    let each = ["丙撤 2", "undone 丙", "乙撤 2", "undone 乙", "丙撤 1", "undone 丙", "乙撤 ", "undone 乙"];
    assert_eq!(trail(&mut w), [&each[..], &["end failed"]].concat());
}

#[test]
fn going_back_undoes_what_was_done_since_and_no_more() {
    let mut w = begun(
        "
      - { id: 甲, http: { connection: erp, post: /a }, undo: { log: 甲撤 } }
      - { id: 乙, http: { connection: erp, post: /b }, undo: { log: 乙撤 } }
      - { id: 丙, http: { connection: erp, post: /c }, undo: { log: 丙撤 } }
      - { if: round == 1, back_to: { step: 乙, undo: true } }
      - log: 完
",
    );
    for path in ["/a", "/b", "/c", "/b", "/c"] {
        ok(&mut w, path);
    }
    assert_eq!(trail(&mut w), ["丙撤", "undone 丙", "乙撤", "undone 乙", "back 乙 2", "完", "end done"]);
}

#[test]
fn a_step_that_failed_is_passed_over_or_leads_elsewhere() {
    for (then, said) in
        [("continue", vec!["完 400 不行", "end done"]), ("[ { log: 备 } ]", vec!["备", "完 400 不行", "end done"])]
    {
        let steps = format!(
            "
      - {{ id: 甲, http: {{ connection: erp, post: /a }}, on_error: {then} }}
      - {{ log: '完 {{{{ steps.甲.error }}}}' }}
"
        );
        let mut w = begun(&steps);
        refused(&mut w, "/a");
        assert_eq!(trail(&mut w), said);
        assert!(outbox(&w).is_empty());
    }
}

/// A step that sends two things, between one that is undone and none.
fn pair() -> super::World {
    let mut w = super::World::new(
        "actions:
  两样: { do: [ { http: { connection: erp, post: /b1 } }, { http: { connection: erp, post: /b2 } } ] }
flows:
  f:
    when: lead.created
    record: lead
    steps:
      - { id: 甲, http: { connection: erp, post: /a }, undo: { http: { connection: erp, post: /undo-a } } }
      - { id: 乙, run: 两样, undo: { http: { connection: erp, post: /undo-b } } }
",
    );
    w.lead("L1", &[]);
    ok(&mut w, "/a");
    assert_eq!(outbox(&w), ["/b1", "/b2"]);
    w
}

#[test]
fn of_a_step_that_failed_in_part_nothing_more_is_sent_and_what_was_is_undone() {
    // The other has not been sent.
    let mut w = pair();
    refused(&mut w, "/b1");
    assert_eq!(outbox(&w), ["/undo-a"], "nothing of it happened");
    // It is on its way: its outcome is awaited.
    let mut w = pair();
    super::set_out(&mut w, "/b2");
    refused(&mut w, "/b1");
    assert_eq!(outbox(&w), ["/b2"]);
    ok(&mut w, "/b2");
    assert_eq!(outbox(&w), ["/undo-b"]);
    ok(&mut w, "/undo-b");
    assert_eq!((trail(&mut w), outbox(&w)), (vec!["undone 乙".to_owned()], vec!["/undo-a".to_owned()]));
    // It has happened.
    let mut w = pair();
    ok(&mut w, "/b1");
    refused(&mut w, "/b2");
    assert_eq!(outbox(&w), ["/undo-b"]);
}

#[test]
fn a_step_that_failed_stands_once_on_the_path() {
    let mut w = two(THREE);
    refused(&mut w, "/c");
    let path: Vec<String> = runs(&w)[0].path.iter().map(|p| format!("{} {:?}", p.step, p.how)).collect();
    assert_eq!(path, ["甲 Done", "乙 Done", "丙 Failed"]);
}

/// A step of two calls: 李四 by the group, 张三 by mail.
const BOTH: &str = "
      - { id: 告, notify: { who: ['user:李四', 'user:张三'], text: 通知 }, undo: { log: 告撤 } }
      - log: 完
";

#[test]
fn of_a_step_with_several_calls_none_hides_another() {
    let on_its_way = |path: &str| {
        let mut w = two_calls();
        super::set_out(&mut w, path);
        w
    };
    // One has arrived: it is undone, though the other surely has not.
    let mut w = two_calls();
    ok(&mut w, "zhang@example.com");
    refused(&mut w, "lisi");
    assert_eq!(trail(&mut w), ["告撤", "undone 告", "end failed"]);
    // One is on its way: that is waited for, and undone if it arrives.
    let mut w = on_its_way("zhang@example.com");
    refused(&mut w, "lisi");
    assert_eq!(trail(&mut w), ["run parked 400 不行"], "nothing is known to have happened: a person looks");
    ask(&mut w, Act::Cancel { undo: true });
    assert_eq!(trail(&mut w), ["run cancel"], "it is on its way");
    ok(&mut w, "zhang@example.com");
    assert_eq!(trail(&mut w), ["告撤", "undone 告", "end cancelled"]);
    let mut w = on_its_way("lisi");
    lost(&mut w, "zhang@example.com");
    assert_eq!(trail(&mut w), Vec::<String>::new(), "it may have happened, and the other is on its way");
    refused(&mut w, "lisi");
    assert_eq!(trail(&mut w), ["告撤", "undone 告", "end failed"], "that one surely has not does not tell of the other");
    // Neither has happened.
    let mut w = on_its_way("zhang@example.com");
    refused(&mut w, "lisi");
    ask(&mut w, Act::Cancel { undo: true });
    refused(&mut w, "zhang@example.com");
    assert_eq!(trail(&mut w), ["run parked 400 不行", "run cancel", "end cancelled"]);
}

fn two_calls() -> super::World {
    let w = begun(BOTH);
    assert_eq!(super::calls(&w).len(), 2);
    w
}

#[test]
fn a_branch_that_fails_lets_go_of_its_other_calls() {
    let mut w = begun(
        "
      - parallel: { a: [ { id: 告, notify: { who: ['user:李四', 'user:张三'], text: 通知 } } ], b: [ { wait: 1h } ] }
        need: 1
      - log: 完
",
    );
    refused(&mut w, "lisi");
    assert!(outbox(&w).is_empty(), "{:?}", outbox(&w));
    w.pass("1h");
    assert_eq!(trail(&mut w), ["完", "end done"]);
}

#[test]
fn what_was_through_stays_so_when_it_goes_back_with_here_and_undo() {
    let mut w = begun(
        "
      - id: 前
        http: { connection: erp, post: /a }
        undo: { log: 前撤 }
      - parallel:
          甲: [ { id: 乙, http: { connection: erp, post: /b } } ]
          丙: [ { id: 丁, wait: 1h }, { id: 戊, if: round == 1, back_to: { step: 前, then: here, undo: true } } ]
      - log: 完
",
    );
    ok(&mut w, "/a");
    ok(&mut w, "/b");
    w.pass("1h");
    assert_eq!(trail(&mut w), ["前撤", "undone 前", "back 前 2"]);
    ok(&mut w, "/a");
    assert_eq!(trail(&mut w), ["完", "end done"], "/b is not done again: {:?}", outbox(&w));
}

#[test]
fn what_an_earlier_pass_of_a_loop_did_stays_done() {
    let mut w = super::flow(
        "    vars: { n: 0 }
    steps:
      - repeat:
          times: 2
          steps:
            - { id: 甲, http: { connection: erp, post: /a }, undo: { log: 甲撤 } }
            - { id: 数, set: { vars.n: = vars.n + 1 } }
            - { id: 乙, if: vars.n == 2, back_to: { step: 甲, undo: true } }
      - log: 完
",
    );
    w.lead("L1", &[]);
    ok(&mut w, "/a");
    ok(&mut w, "/a");
    assert_eq!(trail(&mut w), ["甲撤", "undone 甲", "back 甲 2"], "of the second time alone");
    assert_eq!(super::runs(&w)[0].undoable.len(), 1);
}

#[test]
fn a_dead_call_that_was_undone_or_left_behind_is_not_sent_after_all() {
    use ifthen::engine::call::Status;
    use ifthen::engine::event::{Body, Command};
    let retried = |w: &mut super::World, path: &str| {
        let call = super::find(w, path);
        assert_eq!(call.status, Status::Dead);
        w.log.clear();
        w.own(Body::Command(Command::Retry(call.id)));
        let said = w.log.last().unwrap().detail.at(&["reason"]).unwrap().to_string();
        (said, super::find(w, path).status)
    };
    let no = || ("its run waits for it no more".to_owned(), Status::Dead);
    // The run has failed and is over.
    let mut w = two(THREE);
    refused(&mut w, "/c");
    assert_eq!(retried(&mut w, "/c"), no(), "while the others are undone");
    ok(&mut w, "/undo-b");
    ok(&mut w, "/undo-a-7");
    assert_eq!(retried(&mut w, "/c"), no(), "the run is over");
    // It has gone on.
    let mut w = begun(
        "
      - { id: 甲, http: { connection: erp, post: /a }, on_error: continue }
      - wait: 1h
",
    );
    refused(&mut w, "/a");
    assert_eq!(retried(&mut w, "/a"), no());
    // It stands still at it: that is what retrying is for.
    let mut w = begun(
        "
      - { id: 甲, http: { connection: erp, post: /a } }
",
    );
    refused(&mut w, "/a");
    assert_eq!(retried(&mut w, "/a"), ("asked for".to_owned(), Status::Queued));
    // What is told beside the way belongs to nobody's way.
    let mut w = begun(
        "
      - { id: 批, approve: 'user:李四', within: 1h, late: [ { notify: { who: 'user:张三', text: 超时 } }, { end: 超时 } ] }
",
    );
    w.pass("1h");
    refused(&mut w, "zhang@example.com");
    assert_eq!(retried(&mut w, "zhang@example.com"), ("asked for".to_owned(), Status::Queued));
}
