//! 撤回 of a decision after its step was left: over what only leads the way it is taken back, over what has acted it is refused.

use ifthen::engine::approval::{self, Act, Task};
use ifthen::engine::event::{Body, Command};
use ifthen::engine::flow::How;
use ifthen::engine::state::{Entry, prefix};

use super::{World, flow, ok, runs, stands};

fn task(w: &World, step: &str) -> Task {
    let keys = w.state.scan(prefix::TASK, None, usize::MAX);
    let mut tasks = keys.iter().filter_map(|key| match w.state.get(key).unwrap().map(AsRef::as_ref) {
        Some(Entry::Task(task)) if task.step == step => Some(task.clone()),
        _ => None,
    });
    tasks.next_back().unwrap_or_else(|| panic!("nobody was asked at {step}"))
}

fn does(w: &mut World, person: &str, step: &str, act: Act) {
    let ask = approval::Ask {
        task: task(w, step).id,
        person: person.into(),
        act,
        comment: "理由".into(),
        links: Vec::new(),
        way: "cli".into(),
        address: String::new(),
    };
    w.own(Body::Command(Command::Task(Box::new(ask))));
}

fn approves(w: &mut World, person: &str, step: &str) {
    does(w, person, step, Act::Approve);
}

/// What came of a recall: where the run stands then, or the word of the refusal.
fn recalls(w: &mut World, person: &str, step: &str) -> String {
    w.log.clear();
    does(w, person, step, Act::Recall);
    let refused = w.log.iter().find(|l| l.action == "decide" && l.outcome.word() == "suppressed");
    match refused {
        Some(line) => format!("no {}", line.detail.at(&["reason"]).unwrap()),
        None => stands(w).join(" "),
    }
}

fn done(w: &World, step: &str) -> usize {
    runs(w)[0].path.iter().filter(|p| p.step == step && matches!(p.how, How::Done | How::Approved)).count()
}

/// Of 李四's approval `审`, then these steps, then 王总监's `终`.
fn after(between: &str) -> World {
    let mut w = flow(&format!(
        "    vars: {{ n: 0 }}\n    steps:\n      - {{ id: 审, approve: 'user:李四', within: 9d, late: {{ fail: 太久 }} }}\n{between}      - {{ id: 终, approve: 'user:王总监' }}\n      - log: 完\n"
    ));
    w.lead("L1", &[("name", "刘洋".into()), ("score", 3i64.into())]);
    approves(&mut w, "李四", "审");
    w
}

#[test]
fn what_only_leads_the_way_is_gone_again() {
    let between = "      - { id: 记, log: 记, undo: { log: 记撤 } }
      - { id: 数, set: { vars.n: = vars.n + 1 } }
      - choose: [ { if: score > 1, then: [ { id: 里, log: 里 } ] } ]
      - { id: 等, wait: 1h }
";
    let mut w = after(between);
    w.pass("1h");
    assert_eq!(recalls(&mut w, "李四", "审"), "审");
    let run = &runs(&w)[0];
    assert_eq!((run.round, run.undoable.len(), done(&w, "记"), done(&w, "里"), done(&w, "审")), (1, 0, 0, 0, 0));
    approves(&mut w, "李四", "审");
    assert_eq!(stands(&w), ["等"]);
    w.pass("1h");
    assert_eq!((stands(&w), done(&w, "记"), runs(&w)[0].undoable.len()), (vec!["终".to_owned()], 1, 1));
    w.pass("90d"); // the time of the former asking is over long ago, and means nothing
    approves(&mut w, "王总监", "终");
    assert!(runs(&w).is_empty());
}

#[test]
fn of_what_can_be_undone_only_what_came_of_the_decision_is_gone() {
    // All items, not only the last.
    let each =
        "      - { id: 逐, each: { of: \"['a', 'b']\", as: 项, steps: [ { id: 记, log: '{{ 项 }}', undo: { log: 记撤 } } ] } }\n";
    let mut w = after(each);
    assert_eq!(runs(&w)[0].undoable.len(), 2);
    assert_eq!((recalls(&mut w, "李四", "审"), runs(&w)[0].undoable.len()), ("审".to_owned(), 0));
    // Of two passes of a loop none but the second, in which it failed.
    let mut w = after(
        "      - { id: 记, log: '{{ score + 1 }}', undo: { log: 记撤 }, on_error: continue }
      - { id: 数, set: { vars.n: = vars.n + 1 } }
      - { if: vars.n < 2, go_to: 审 }
",
    );
    w.lead("L1", &[("score", ifthen::engine::value::Value::Null)]);
    approves(&mut w, "李四", "审");
    assert_eq!((stands(&w), done(&w, "记"), runs(&w)[0].undoable.len()), (vec!["终".to_owned()], 1, 1));
    assert_eq!((recalls(&mut w, "李四", "审"), runs(&w)[0].undoable.len()), ("审".to_owned(), 1));
}

#[test]
fn what_has_acted_is_not_taken_back() {
    for (between, expect) in [
        ("      - { id: 标, tag: 已批 }\n", "no done-since"),
        ("      - { id: 写, set: { name: 已批 } }\n", "no done-since"),
        ("      - { id: 告, notify: { who: 'user:张三', text: 已批 } }\n", "no done-since"),
        ("      - { id: 单, http: { connection: erp, post: /a } }\n", "no done-since"),
        ("      - { id: 标, if: score > 9, tag: 已批 }\n", "审"),
        ("      - { id: 件, wait: lead.changed, up_to: forever }\n", "审"),
        ("      - { id: 窗, log: 记 }\n", "审"),
    ] {
        assert_eq!(recalls(&mut after(between), "李四", "审"), expect, "{between}");
    }
    // Sent and answered, or failed and passed over.
    let mut w = after("      - { id: 单, http: { connection: erp, post: /a } }\n");
    ok(&mut w, "/a");
    assert_eq!((recalls(&mut w, "李四", "审"), stands(&w)), ("no done-since".into(), vec!["终".to_owned()]));
    let line = w.log.iter().find(|l| l.action == "decide").unwrap();
    assert!(line.detail.at(&["detail"]).unwrap().to_string().contains('单'), "it says which: {}", line.detail);
    let mut w = after("      - { id: 单, http: { connection: erp, post: /a }, on_error: continue }\n");
    super::refused(&mut w, "/a");
    assert_eq!(recalls(&mut w, "李四", "审"), "no done-since");
    // The awaited has happened; the next one has decided; the run is over.
    let mut w = after("      - { id: 件, wait: lead.changed, up_to: forever }\n");
    w.lead("L1", &[("note", "已付".into())]);
    assert_eq!(recalls(&mut w, "李四", "审"), "no done-since");
    let mut w = after("      - { id: 中, approve: 'user:张三' }\n");
    approves(&mut w, "张三", "中");
    assert_eq!(recalls(&mut w, "李四", "审"), "no acted");
    let mut w = after("");
    approves(&mut w, "王总监", "终");
    assert_eq!(recalls(&mut w, "李四", "审"), "no acted");
}

#[test]
fn branches_beside_it_neither_hinder_nor_are_touched() {
    let inner = "{ 甲: [ { id: 审, approve: 'user:李四' } ], 乙: [ { id: 同, approve: 'user:张三' } ] }";
    let steps = format!(
        "    steps:
      - id: 外
        parallel:
          财务: [ {{ id: 内, parallel: {inner} }}, {{ id: 次, approve: 'user:王总监' }} ]
          法务: [ {{ id: 旁, approve: 'user:张三' }}, {{ id: 标, tag: 已批 }}, {{ id: 候, wait: 1d }} ]
      - log: 完
"
    );
    let mut w = flow(&steps);
    w.lead("L1", &[]);
    approves(&mut w, "李四", "审");
    approves(&mut w, "张三", "旁");
    assert_eq!(stands(&w), ["同", "候"]);
    assert_eq!(recalls(&mut w, "李四", "审"), "审 同 候", "its own branch was through");
    approves(&mut w, "张三", "同");
    approves(&mut w, "李四", "审");
    assert_eq!(stands(&w), ["次", "候"]);
    assert_eq!(recalls(&mut w, "李四", "审"), "审 候", "the inner one was through, the outer one is not");
    assert_eq!((done(&w, "同"), done(&w, "内"), done(&w, "标")), (1, 0, 1));
    approves(&mut w, "李四", "审");
    assert_eq!(stands(&w), ["次", "候"]);
    w.pass("25h");
    assert_eq!((stands(&w), done(&w, "候")), (vec!["次".to_owned()], 1));
    approves(&mut w, "王总监", "次");
    assert!(runs(&w).is_empty());
}

#[test]
fn a_repetition_counts_as_it_did_and_what_was_gone_back_to_leads_on_as_it_did() {
    let steps = "    steps:
      - repeat: { times: 2, steps: [ { id: 审, approve: 'user:李四' }, { id: 次, approve: 'user:王总监' } ] }
      - log: 完
";
    let mut w = flow(steps);
    w.lead("L1", &[]);
    approves(&mut w, "李四", "审");
    approves(&mut w, "王总监", "次");
    assert_eq!(recalls(&mut w, "王总监", "次"), "次");
    approves(&mut w, "王总监", "次");
    approves(&mut w, "李四", "审");
    assert_eq!((stands(&w), done(&w, "审")), (vec!["次".to_owned()], 2));
    approves(&mut w, "王总监", "次");
    assert!(runs(&w).is_empty(), "twice in all: {:?}", stands(&w));
    // Sent back with `here`: it goes on straight where it went back, also after a recall.
    let steps = "    steps:
      - { id: 审, approve: 'user:李四' }
      - { id: 中, tag: 中 }
      - { id: 终, approve: { who: 'user:王总监', returns: [审] } }
";
    let mut w = flow(steps);
    w.lead("L1", &[]);
    approves(&mut w, "李四", "审");
    does(&mut w, "王总监", "终", Act::Reject { to: Some("审".into()), here: true });
    approves(&mut w, "李四", "审");
    assert_eq!(stands(&w), ["终"]);
    assert_eq!(recalls(&mut w, "李四", "审"), "审");
    approves(&mut w, "李四", "审");
    assert_eq!((stands(&w), done(&w, "中")), (vec!["终".to_owned()], 1));
}
