//! What people ask of runs: retry, skip, back, recall.

use ifthen::engine::value::Value;

use super::{Act, ask, begun, flow, ok, refused, runs, trail};

#[test]
fn what_stands_still_is_done_again_passed_over_or_gone_back_behind() {
    let steps = "
      - { id: 甲, http: { connection: erp, post: /a } }
      - { id: 乙, http: { connection: erp, post: /b } }
      - log: 完
";
    let stuck = || {
        let mut w = begun(steps);
        ok(&mut w, "/a");
        refused(&mut w, "/b");
        trail(&mut w);
        w
    };
    let mut w = stuck();
    ask(&mut w, Act::Retry);
    assert_eq!(super::outbox(&w), ["/b"]);
    ask(&mut w, Act::Retry);
    assert_eq!(trail(&mut w), ["run retry", "run retryit does not stand still"]);
    ok(&mut w, "/b");
    assert_eq!(trail(&mut w), ["完", "end done"]);
    let mut w = stuck();
    ask(&mut w, Act::Skip);
    assert_eq!(trail(&mut w), ["run skip", "完", "end done"]);
    let mut w = stuck();
    ask(&mut w, Act::Back { step: "无".into() });
    ask(&mut w, Act::Back { step: "甲".into() });
    assert_eq!(trail(&mut w), ["run backthere is no such step", "run back", "back 甲 2"]);
    assert_eq!((super::outbox(&w), runs(&w)[0].failed.clone()), (vec!["/a".to_owned()], None));
    ok(&mut w, "/a");
    ok(&mut w, "/b");
    assert_eq!(trail(&mut w), ["完", "end done"]);
}

#[test]
fn only_who_asked_for_it_recalls_it() {
    let play = |gates: &str| {
        let mut w = flow(&format!("{gates}    steps: [ {{ wait: 1d }} ]\n"));
        w.lead("L1", &[("owner", "张三".into())]);
        ask(&mut w, Act::Recall);
        trail(&mut w)
    };
    assert_eq!(play(""), ["run recall", "end recalled"]);
    assert_eq!(play("    recall: [ { log: 撤 } ]\n"), ["run recall", "撤", "end done"]);
    assert_eq!(play("    recall: false\n"), ["run recallthis flow cannot be recalled"]);
    assert_eq!(play("    initiator: 'user:李四'\n"), ["run recallonly who asked for it can recall it"]);
}

#[test]
fn a_failed_run_that_is_sent_back_is_failing_no_more() {
    let mut w = flow(
        "    on_error: [ { http: { connection: erp, post: /tell } } ]\n    steps: [ { id: 甲, http: { connection: erp, post: /a } } ]\n",
    );
    w.lead("L1", &[]);
    refused(&mut w, "/a");
    ask(&mut w, Act::Back { step: "甲".into() });
    super::done(&mut w, "/a", Value::Null);
    assert_eq!(trail(&mut w), ["run back", "back 甲 2", "end done"]);
}
