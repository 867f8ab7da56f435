//! Runs that wait: what an event meant to each of them, as `why` and `tail` say it.

use ifthen::check::why::why;
use ifthen::engine::event::RecordRef;
use ifthen::engine::event::{Body, Draft};
use ifthen::engine::value::Value;
use ifthen::store::Read as _;

use super::{CONFIG, World, folder, kept, run};

const RULES: &str = "
entities: { lead: { fields: { id: text, name: text, 阶段: text, score: number } } }
people: { 周经理: {}, 钱经理: {} }
flows:
  合同:
    when: lead.created
    record: lead
    stop_if: [ { event: lost, if: event.reason != '重复', name: 流失 } ]
    reroute: { on: [score], back_to: 审批 }
    steps:
      - { id: 审批, approve: 'user:周经理', within: 1d, late: [ { escalate: 'user:钱经理' }, { end: 过期 } ] }
      - { id: 签署, wait: { event: signed, match: event.id == id and event.amount >= score }, within: 3d, late: { end: 未签 } }
      - { log: 已签 }
";

fn happen<S: ifthen::store::Store>(world: &mut World<S>, name: &str, data: Value) -> u64 {
    let record = Some(RecordRef { entity: "lead".into(), id: "L1".into() });
    let now = world.now;
    world.decide(Draft { origin: "crm".into(), record, ..Draft::own(name, now, Body::Happened { data, upsert: None }) })
}

fn signed(amount: i64) -> Value {
    Value::from([("id", "L1".into()), ("amount", amount.into())])
}

#[test]
fn what_an_event_means_to_runs_that_wait_is_told() {
    let folder = folder();
    std::fs::write(folder.path().join("config.yaml"), CONFIG.replace("event: page.viewed", "event: '{{ type }}'")).unwrap();
    std::fs::write(folder.path().join("rules/a.yaml"), RULES).unwrap();
    let (definitions, store) = kept(folder.path());
    let mut world = World::new(definitions, store);
    world.tell("lead", "L1", &[("name", "刘洋".into()), ("score", 100i64.into())]);
    let early = happen(&mut world, "signed", signed(50));
    world.pass(24 * 60 + 1);
    let late = world.store.last().unwrap().event;
    let again = happen(&mut world, "lost", Value::from([("reason", "重复".into())]));
    let said = |seq: u64| {
        let found = why(&world.store, &world.definitions, seq, None).unwrap().unwrap();
        let line = |h: &ifthen::engine::flow::Heard| {
            let clause = h.condition.as_ref().map(|c| c.decisive().text.clone()).unwrap_or_default();
            let step = h.step.clone().unwrap_or_default();
            format!("{} {step} {} {} {clause}", h.flow, h.waits.word(), h.came.word()).trim().to_owned()
        };
        found.heard.iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(said(early), ["合同 签署 wait kept"]);
    assert_eq!(said(late), ["合同 审批 within met"]);
    assert_eq!(said(again), ["合同  stop_if not_met event.reason != '重复'"]);
    let text = run(folder.path(), &format!("why e{again}"));
    assert!(!text.contains("没有规则或流程"), "{text}");
    assert!(text.contains("`event.reason != '重复'` 当时为 重复"), "{text}");
    let text = run(folder.path(), &format!("why e{late}"));
    assert!(text.contains("运行 r2-1 合同 › 审批") && text.contains("步骤的时限(within)已到"), "{text}");
    // Somebody approves for it: the next step waits, and the log says so and until when.
    let skip = ifthen::engine::flow::Ask {
        run: "r2-1".into(),
        act: ifthen::engine::flow::Act::Back { step: "签署".into() },
        by: "运维".into(),
        comment: String::new(),
    };
    let now = world.now;
    world.decide(Draft::own("ifthen.command", now, Body::Command(ifthen::engine::event::Command::Run(Box::new(skip)))));
    assert!(run(folder.path(), "tail").contains("等待 signed 到 "), "{}", run(folder.path(), "tail"));
    let small = happen(&mut world, "signed", signed(60));
    let enough = happen(&mut world, "signed", signed(100));
    let text = run(folder.path(), &format!("why e{small}"));
    assert!(text.contains("不满足") && text.contains("✗ event.amount >= score    event.amount=60 score=100"), "{text}");
    let text = run(folder.path(), &format!("--lang en why e{enough}"));
    assert!(text.contains("met  run r2-1 合同 › 签署  waited for signed"), "{text}");
    let json: serde_json::Value = run(folder.path(), &format!("why e{enough} --json"))
        .lines()
        .find(|l| l.starts_with('{'))
        .map(|l| serde_json::from_str(l).unwrap())
        .unwrap();
    assert_eq!(json["runs"][0]["step"], "签署");
    assert_eq!(json["runs"][0]["condition"]["held"], "true");
}

#[test]
fn a_run_that_is_through_is_shown_with_the_whole_path_it_took() {
    let folder = folder();
    std::fs::write(folder.path().join("config.yaml"), CONFIG.replace("event: page.viewed", "event: '{{ type }}'")).unwrap();
    std::fs::write(folder.path().join("rules/a.yaml"), RULES).unwrap();
    let (definitions, store) = kept(folder.path());
    let mut world = World::new(definitions, store);
    world.tell("lead", "L1", &[("name", "刘洋".into()), ("score", 100i64.into())]);
    world.pass(30);
    let keys = world.store.scan(ifthen::engine::state::prefix::TASK, None, 9).unwrap();
    let ifthen::engine::state::Key::Task(task) = keys[0].0 else { panic!() };
    let ask = ifthen::engine::approval::Ask {
        task,
        person: "周经理".into(),
        act: ifthen::engine::approval::Act::Approve,
        comment: String::new(),
        links: Vec::new(),
        way: "cli".into(),
        address: String::new(),
    };
    let now = world.now;
    world.decide(Draft::own("ifthen.command", now, Body::Command(ifthen::engine::event::Command::Task(Box::new(ask)))));
    world.pass(30);
    assert!(run(folder.path(), "runs show r2-1").contains("位于"), "it is under way");
    let end = happen(&mut world, "signed", signed(100));
    let shown = run(folder.path(), "runs show r2-1");
    // Also what the last event did: the wait that it ended, and the line after it.
    for part in ["审批", "同意  周经理", "签署", "■ 09-21 10:00:00  结束:done", &format!("(e{end})"), "exit 0"] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    assert!(!shown.contains("位于"), "{shown}");
    let drawn = run(folder.path(), "graph --run r2-1");
    assert!(drawn.contains("同意 周经理") && drawn.contains("exit 0"), "{drawn}");
    assert!(run(folder.path(), "runs list").contains("没有进行中的运行"));
    for (line, there) in [
        ("runs list --all", true),
        ("runs list --all --flow 合同 --record L1 --since 2026-09-21", true),
        ("runs list --all --flow 别的", false),
        ("runs list --all --record L2", false),
        ("runs list --all --since 2026-09-22", false),
    ] {
        let listed = run(folder.path(), line);
        assert_eq!(listed.contains("已结束:done"), there, "{listed}");
    }
    let json: serde_json::Value =
        serde_json::from_str(run(folder.path(), "runs show r2-1 --json").lines().find(|l| l.starts_with('{')).unwrap()).unwrap();
    assert_eq!(
        json["path"].as_array().unwrap().iter().map(|p| p["step"].as_str().unwrap()).take(2).collect::<Vec<_>>(),
        ["审批", "签署"]
    );
    assert_eq!((json["ended"]["as"].as_str(), json["ended"]["whole"].as_bool()), (Some("done"), Some(true)));
    // The definitions that decided its end are gone: what was before that event is still there, and it is said.
    let conn = rusqlite::Connection::open(folder.path().join("data/ifthen.db")).unwrap();
    conn.execute("DELETE FROM definition_text", []).unwrap();
    std::fs::write(folder.path().join("rules/a.yaml"), RULES.replace("已签", "签了")).unwrap();
    let shown = run(folder.path(), "runs show r2-1");
    assert!(shown.contains("同意  周经理") && shown.contains("不再保留"), "{shown}");
    assert!(run(folder.path(), "runs show r99-1").contains("没有运行 r99-1"));
}

#[test]
fn a_slip_is_told_from_an_empty_answer() {
    let folder = folder();
    std::fs::write(folder.path().join("config.yaml"), CONFIG.replace("event: page.viewed", "event: '{{ type }}'")).unwrap();
    std::fs::write(folder.path().join("rules/a.yaml"), RULES).unwrap();
    let (definitions, store) = kept(folder.path());
    let mut world = World::new(definitions, store);
    world.tell("lead", "L1", &[("name", "刘洋".into()), ("score", 100i64.into())]);
    for (line, said) in [
        ("tail --flow 合铜", "没有流程 合铜;是不是 合同?"),
        ("tail --action 审批", "没有动作(日志中) 审批;"),
        ("tasks --person 王五", "没有人员 王五;现有:"),
        ("tasks approve t2-2 --as 王五", "没有人员 王五;现有:"),
        ("runs plan 合同 --record lead/K9", "没有记录 lead/K9"),
        ("runs plan 合同 --record lead/L1 --reject 审皮", "没有步骤 审皮"),
        ("runs plan 合同 --record lead/L1 --event sined", "没有步骤等待的事件 sined;是不是 signed?"),
    ] {
        let text = run(folder.path(), line);
        assert!(text.contains(said) && text.contains("-- exit 1"), "{text}");
    }
    assert!(run(folder.path(), "tail --flow 合同 --since 2030-01-01").ends_with("-- exit 0\n"));
    let usual = run(folder.path(), "runs plan 合同 --record lead/L1 --at 2026-09-21T09:00");
    assert!(usual.contains("签署  wait") && usual.contains("as=未签"), "{usual}");
    let signed = run(folder.path(), "runs plan 合同 --record lead/L1 --event signed");
    assert!(signed.contains("至此结束") && signed.contains("已签"), "{signed}");
    let rejected = run(folder.path(), "runs plan 合同 --record lead/L1 --reject 审批");
    assert!(rejected.contains("rejected") && !rejected.contains("已签"), "{rejected}");
}
