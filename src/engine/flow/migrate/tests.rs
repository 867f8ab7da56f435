//! Each reason for which a run stays, and what a run that moves takes along.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::*;
use crate::engine::approval::TaskId;
use crate::engine::call::CallId;
use crate::engine::definition::BackTo;
use crate::engine::flow::Undoable;
use crate::engine::state::TimerId;
use crate::engine::value::Value;

const HTTP: &str = "http";

/// A graph out of its steps: `(id, kind, further members)`.
fn flow(hash: &str, steps: &[(&str, Json, Json)]) -> Flow {
    let steps: Vec<Json> = steps
        .iter()
        .map(|(id, kind, more)| {
            let mut step = json!({ "id": id, "kind": kind });
            step.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
            step
        })
        .collect();
    serde_json::from_value(json!({ "id": "报价审批", "hash": hash, "format": 1, "record": "quote", "steps": steps })).unwrap()
}

fn http() -> Json {
    json!({ "do": { "http": { "connection": HTTP, "method": "POST", "url": "https://erp.example.com/a" } } })
}

fn wait() -> Json {
    json!({ "wait": "2d" })
}

fn approve() -> Json {
    json!({ "approve": { "who": [{ "field": ["owner"] }] } })
}

fn ask(form: &str) -> Json {
    json!({ "ask": { "who": [{ "field": ["owner"] }], "form": form } })
}

fn log() -> Json {
    json!({ "do": { "log": "完成" } })
}

/// Steps 0 pdf, 1 both (finance: 2 财务, legal: 3 法务), 4 loop, 5 revise (an aside).
fn old() -> Flow {
    let inside = |branch: u32| json!({ "inside": { "step": 1, "branch": branch }, "next": null });
    flow(
        "旧",
        &[
            ("pdf", http(), json!({ "next": 1, "undo": [{ "log": "撤销" }] })),
            ("both", json!({ "parallel": { "branches": [["finance", 2], ["legal", 3]] } }), json!({ "next": 4 })),
            ("财务", approve(), inside(0)),
            ("法务", wait(), inside(1)),
            ("loop", json!({ "repeat": { "first": 5, "check": { "times": "3" }, "most": 100 } }), json!({})),
            ("revise", ask("改价"), json!({ "next": 4, "aside": "revise" })),
        ],
    )
}

/// The same in another order, with a step in front and one behind.
fn new() -> Flow {
    let inside = |branch: u32| json!({ "inside": { "step": 3, "branch": branch } });
    flow(
        "新",
        &[
            ("start", log(), json!({ "next": 2 })),
            ("revise", ask("改价"), json!({ "next": 6, "aside": "revise" })),
            ("pdf", http(), json!({ "next": 3, "undo": [{ "log": "撤销" }] })),
            ("both", json!({ "parallel": { "branches": [["legal", 5], ["finance", 4]] } }), json!({ "next": 6 })),
            ("财务", approve(), inside(1)),
            ("法务", wait(), inside(0)),
            ("loop", json!({ "repeat": { "first": 1, "check": { "times": "3" }, "most": 100 } }), json!({})),
        ],
    )
}

fn at(step: &str, flow: &Flow) -> At {
    flow.find(step).unwrap()
}

fn timer() -> TimerId {
    TimerId { due: 1_790_000_000_000, seq: 7, n: 1 }
}

/// A run of the old graph that waits at one step for this.
fn run(step: &str, waits: Vec<Wait>) -> Run {
    let started: Timestamp = "2026-09-21T01:00:00Z".parse().unwrap();
    let mut run: Run = serde_json::from_value(json!({
        "id": "r7-1", "flow": "报价审批", "graph": "旧", "record": { "entity": "quote", "id": "报价2041" },
        "subject": "quote/报价2041", "started": started, "strands": {}, "next": 1,
    }))
    .unwrap();
    run.strands.insert(0, Strand { waits, ..Strand::new(at(step, &old()), started) });
    run
}

/// One that stands in both branches of `both`; finance decides, legal waits.
fn forked() -> Run {
    let mut run = run("both", vec![Wait::Branches]);
    let since = run.started;
    let branch = |branch, step, wait| {
        let strand = Strand::new(at(step, &old()), since);
        Strand { parent: Some(0), branch, waits: vec![wait], deadline: Some(timer()), ..strand }
    };
    run.strands.insert(1, branch(0, "财务", Wait::Task(TaskId { seq: 7, n: 2 })));
    run.strands.insert(2, branch(1, "法务", Wait::Timer(timer())));
    run.next = 3;
    run
}

/// What stands against the run on this graph, in words.
fn check(run: &Run, new: &Flow, expect: &[&str]) {
    let told = plan(run, &old(), new).map(|_| Vec::new()).unwrap_or_else(|reasons| reasons);
    assert_eq!(told.iter().map(ToString::to_string).collect::<Vec<_>>(), expect);
}

/// The new graph with one step replaced.
fn with(step: &str, change: impl FnOnce(&mut Step)) -> Flow {
    let mut flow = new();
    let at = at(step, &flow);
    change(&mut flow.steps[at]);
    flow
}

fn kind(json: Json) -> StepKind {
    serde_json::from_value(json).unwrap()
}

#[test]
fn a_run_takes_everything_along_by_the_ids_of_steps() {
    let (old, new) = (old(), new());
    let mut run = forked();
    run.strands.get_mut(&0).unwrap().loops.insert(at("loop", &old), 2);
    run.undoable.push(Undoable {
        at: at("pdf", &old),
        round: 1,
        n: 1,
        result: Value::Null,
        items: Default::default(),
        calls: vec![],
        unknown: false,
        happened: true,
    });
    run.resume =
        Some(Resume { after: at("revise", &old), at: at("财务", &old), through: vec![(at("both", &old), [1].into())] });
    run.then = Some(Then::Back {
        from: at("财务", &old),
        to: BackTo { to: Target::Step(at("revise", &old)), here: true, undo: true },
        through: vec![(at("both", &old), [1].into())],
    });
    run.deadline = Some(timer());
    let moved = plan(&run, &old, &new).unwrap();
    assert_eq!(moved.graph, "新");
    let stands: Vec<(&str, u32)> = moved.strands.values().map(|s| (new.steps[s.at].id.as_str(), s.branch)).collect();
    assert_eq!(stands, [("both", 0), ("财务", 1), ("法务", 0)], "branches by their names");
    let kept = |run: &Run| run.strands.values().map(|s| (s.waits.clone(), s.deadline, s.since)).collect::<Vec<_>>();
    assert_eq!(kept(&moved), kept(&run), "what is waited for and until when stays");
    assert_eq!((moved.deadline, moved.round, &moved.path), (run.deadline, run.round, &run.path));
    assert_eq!(moved.strands[&0].loops, [(at("loop", &new), 2)].into());
    assert_eq!(moved.undoable[0].at, at("pdf", &new));
    let resume = moved.resume.unwrap();
    assert_eq!((resume.after, resume.at), (at("revise", &new), at("财务", &new)));
    assert_eq!(resume.through, [(at("both", &new), [0].into())]);
    let Some(Then::Back { from, to, through }) = moved.then else { panic!() };
    assert_eq!((from, to.to), (at("财务", &new), Target::Step(at("revise", &new))));
    assert_eq!(through, [(at("both", &new), [0].into())]);
    // And back again: nothing was lost.
    let there = plan(&forked(), &old, &new).unwrap();
    assert_eq!(plan(&there, &new, &old).unwrap(), forked());
}

#[test]
fn each_reason_names_its_step() {
    let gone = |id: &str| with(id, |s| s.id = "另一步".into());
    let call = || vec![Wait::Call(CallId { seq: 7, n: 1 })];
    let task = || vec![Wait::Task(TaskId { seq: 7, n: 2 })];
    check(&run("pdf", call()), &new(), &[]);
    check(&run("pdf", call()), &gone("pdf"), &["pdf: there is no such step any more"]);
    check(&run("pdf", call()), &with("pdf", |s| s.kind = kind(approve())), &["pdf: the step is another now: approve"]);
    check(&run("pdf", call()), &with("pdf", |s| s.kind = kind(log())), &["pdf: the step is another now: log"]);
    check(&run("revise", task()), &with("revise", |s| s.kind = kind(ask("改期"))), &["revise: it asks another form now: 改期"]);
    check(&run("revise", task()), &with("revise", |s| s.kind = kind(approve())), &["revise: the step is another now: approve"]);
    let outside = with("财务", |s| s.inside = None);
    check(&forked(), &outside, &["财务: it is part of another branch now"]);
    let more = with("both", |s| {
        let StepKind::Parallel(parallel) = &mut s.kind else { panic!() };
        parallel.branches.push(("质检".into(), None));
    });
    check(&forked(), &more, &["both: a branch is new while the others are under way: 质检"]);
    let deal = Flow { record: Some("deal".into()), ..new() };
    check(&run("pdf", call()), &deal, &["the flow is about another entity now: deal"]);
    let same = Flow { hash: "旧".into(), ..new() };
    check(&run("pdf", call()), &same, &["it is on that version already"]);
    // All of them at once, the run's own first.
    let both = Flow { record: Some("deal".into()), ..gone("法务") };
    check(&forked(), &both, &["the flow is about another entity now: deal", "法务: there is no such step any more"]);
}

#[test]
fn what_can_be_undone_must_stay_so() {
    let undoable = |step: &str| {
        let mut run = run("both", vec![Wait::Branches]);
        let result = Value::Null;
        let items = Default::default();
        run.undoable.push(Undoable {
            at: at(step, &old()),
            round: 1,
            n: 1,
            result,
            items,
            calls: vec![],
            unknown: false,
            happened: true,
        });
        run
    };
    check(&undoable("pdf"), &new(), &[]);
    check(&undoable("pdf"), &with("pdf", |s| s.undo.clear()), &["pdf: what was done there could not be undone any more"]);
    check(&undoable("pdf"), &with("pdf", |s| s.id = "x".into()), &["pdf: there is no such step any more"]);
    // Of what it does there, some has happened already.
    let mut undoing = run("pdf", vec![Wait::Call(CallId { seq: 7, n: 1 })]);
    undoing.strands.get_mut(&0).unwrap().maybe = true;
    check(&undoing, &new(), &[]);
    check(&undoing, &with("pdf", |s| s.undo.clear()), &["pdf: what was done there could not be undone any more"]);
    undoing.strands.get_mut(&0).unwrap().phase = Phase::Undo(0);
    check(&undoing, &new(), &["pdf: it is being undone or looked up at this moment"]);
    // One that stands still there goes on by the mended undo.
    undoing.strands.get_mut(&0).unwrap().error = Some("404".into());
    check(&undoing, &new(), &[]);
    undoing.strands.get_mut(&0).unwrap().phase = Phase::Undo(1);
    check(&undoing, &new(), &["pdf: what was done there could not be undone any more"]);
}

#[test]
fn a_run_that_stands_still_may_go_on_by_what_the_step_is_now() {
    let mut stuck = run("pdf", vec![]);
    stuck.strands.get_mut(&0).unwrap().error = Some("amount is missing".into());
    check(&stuck, &with("pdf", |s| s.kind = kind(approve())), &[]);
    // What waits for its window has not begun; a timer is a timer.
    check(&run("pdf", vec![Wait::Window(timer())]), &with("pdf", |s| s.kind = kind(log())), &[]);
    let mut alone = run("pdf", vec![Wait::Timer(timer())]);
    check(&alone, &with("pdf", |s| s.kind = kind(json!({ "until": { "time": "starts_at" } }))), &[]);
    alone.strands.get_mut(&0).unwrap().waits = vec![Wait::Event];
    check(&alone, &with("pdf", |s| s.kind = kind(wait())), &["pdf: the step is another now: wait"]);
    let event = json!({ "event": { "event": "contract.signed", "key": "record" } });
    check(&alone, &with("pdf", |s| s.kind = kind(event)), &[]);
}

#[test]
fn new_variables_and_other_names_of_items_are_there_afterwards() {
    let each = |name: &str| {
        let list = json!({ "each": { "of": "items", "name": name, "first": 1, "at_once": 3 } });
        let steps = [("all", list, json!({})), ("send", http(), json!({ "inside": { "step": 0, "branch": 0 } }))];
        flow(name, &steps)
    };
    let (old, mut new) = (each("item"), each("明细"));
    new.vars.insert("tries".into(), Term::Value(Value::from(0i64)));
    let mut run = run("pdf", vec![Wait::Branches]);
    run.graph = "item".into();
    let child =
        Strand { parent: Some(0), branch: 4, items: [("item".into(), "A-1".into())].into(), ..Strand::new(1, run.started) };
    run.strands.insert(1, child);
    let moved = plan(&run, &old, &new).unwrap();
    assert_eq!(moved.strands[&1].items, [("明细".into(), "A-1".into())].into());
    assert_eq!((moved.strands[&1].branch, &moved.vars), (4, &[("tries".to_owned(), Value::from(0i64))].into()));
}
