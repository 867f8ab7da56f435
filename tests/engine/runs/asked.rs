//! What people ask of runs: retry, skip, back, recall.

use ifthen::engine::approval;
use ifthen::engine::call::{Class, Outcome as Ended};
use ifthen::engine::event::{Body, Command};
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

#[test]
fn what_is_done_again_goes_under_its_key_unless_it_says_something_else() {
    let mut w = begun(
        "
      - { id: 订舱, http: { connection: erp, post: /book, json: { name: '{{ name }}' } } }
      - log: 完
",
    );
    super::lost(&mut w, "/book");
    let first = super::find(&w, "/book");
    assert_eq!(first.status, super::Status::Dead);
    ask(&mut w, Act::Retry);
    let again = super::find(&w, "/book");
    // It may have been booked: under the same key the other side does it once.
    assert_eq!(again.idempotency_key("i"), first.idempotency_key("i"));
    assert_eq!((again.status, again.attempt, super::calls(&w).len()), (super::Status::Queued, 0, 1));
    refused(&mut w, "/book");
    w.lead("L1", &[("name", "刘小洋".into())]);
    ask(&mut w, Act::Retry);
    // Another content is another message.
    let other = super::find(&w, "/book");
    assert_ne!(other.idempotency_key("i"), first.idempotency_key("i"));
    assert_eq!(super::calls(&w).len(), 1, "the former one is not sent any more");
    trail(&mut w);
    ok(&mut w, "/book");
    assert_eq!(trail(&mut w), ["完", "end done"]);
}

#[test]
fn what_could_not_be_told_once_goes_under_its_key_all_the_same() {
    let mut w = begun(
        "
      - { id: 订舱, http: { connection: erp, post: /book, json: { score: = score + 1 } } }
",
    );
    super::lost(&mut w, "/book");
    let first = super::find(&w, "/book").id;
    for (score, said) in [(Value::Null, 2), (3i64.into(), 1)] {
        w.lead("L1", &[("score", score)]);
        trail(&mut w);
        ask(&mut w, Act::Retry);
        assert_eq!(trail(&mut w).len(), said);
        assert_eq!(super::calls(&w).iter().map(|c| c.id).collect::<Vec<_>>(), [first]);
    }
}

#[test]
fn of_several_calls_only_the_dead_one_is_made_again() {
    let mut w = begun("      - { id: 通知, notify: { who: [ 'user:张三', 'user:李四' ], text: 请看 } }\n      - log: 完\n");
    let before: Vec<_> = super::calls(&w).iter().map(|c| c.id).collect();
    assert_eq!(before.len(), 2);
    let refusal = Ended::Failed { class: Class::Permanent, detail: "不行".into() };
    w.own(Body::Start(vec![before[0]]));
    w.own(Body::Ended { call: before[0], attempt: 1, outcome: refusal });
    w.own(Body::Start(vec![before[1]]));
    ask(&mut w, Act::Retry);
    let after: Vec<_> = super::calls(&w).iter().map(|c| (c.id, c.status)).collect();
    assert_eq!(after, [(before[0], super::Status::Queued), (before[1], super::Status::Started)]);
    w.own(Body::Ended { call: before[1], attempt: 1, outcome: Ended::Done(Value::Null) });
    w.own(Body::Start(vec![before[0]]));
    w.own(Body::Ended { call: before[0], attempt: 1, outcome: Ended::Done(Value::Null) });
    assert_eq!(trail(&mut w).last().unwrap(), "end done");
}

const SIGNED: &str = "flows:
  f:
    when: lead.created
    record: lead
    steps:
      - { id: 会签, approve: { who: [ 'user:张三', 'user:李四' ], mode: all } }
      - log: 完
";

fn decide(w: &mut super::World, person: &str) {
    let keys = w.state.scan(super::prefix::TASK, None, 9);
    let ifthen::engine::state::Key::Task(task) = keys[0] else { panic!() };
    let ask = approval::Ask {
        task,
        person: person.into(),
        act: approval::Act::Approve,
        comment: String::new(),
        links: Vec::new(),
        way: "cli".into(),
        address: String::new(),
    };
    w.own(Body::Command(Command::Task(Box::new(ask))));
}

/// Who is asked now.
fn open(w: &super::World) -> Vec<String> {
    let keys = w.state.scan(super::prefix::TASK, None, 9);
    let Some(super::Entry::Task(task)) = w.state.get(&keys[0]).unwrap().map(AsRef::as_ref) else { panic!() };
    let open = |s: &&approval::Seat| s.state == approval::Seated::Open;
    task.seats.iter().filter(open).map(|s| s.person.clone()).collect()
}

#[test]
fn who_is_asked_is_worked_out_anew_on_migration_and_what_was_decided_stays() {
    let signed = || {
        let mut w = super::World::new(SIGNED);
        w.lead("L1", &[]);
        w
    };
    let mut w = signed();
    decide(&mut w, "张三");
    assert_eq!(open(&w), ["李四"]);
    let key = w.state.scan(super::prefix::TASK, None, 9);
    let other = super::World::new(&SIGNED.replace("'user:李四'", "'user:王总监'"));
    w.definitions = other.definitions;
    ask(&mut w, Act::Migrate);
    // 李四 is asked no more, 王总监 is; what 张三 decided holds, and links to the task stay good.
    assert_eq!(open(&w), ["王总监"]);
    assert_eq!(w.state.scan(super::prefix::TASK, None, 9), key);
    let line = w.log.iter().rev().find(|l| l.action == "approve").unwrap().clone();
    assert_eq!(line.detail.at(&["asked"]), Some(&Value::List(vec!["王总监".into()])));
    assert_eq!(line.detail.at(&["without"]), Some(&Value::List(vec!["李四".into()])));
    trail(&mut w);
    decide(&mut w, "李四");
    assert!(trail(&mut w).is_empty());
    decide(&mut w, "王总监");
    assert_eq!(trail(&mut w), ["完", "end done"]);
    // One who has decided is enough by now: the run goes on.
    let mut w = signed();
    decide(&mut w, "张三");
    w.definitions = super::World::new(&SIGNED.replace("mode: all", "mode: any")).definitions;
    trail(&mut w);
    ask(&mut w, Act::Migrate);
    assert_eq!(trail(&mut w), ["完", "end done"]);
}
