//! Flows as they compile: each step with what follows it, as text.

use crate::config::{Lang, Options, load};
use crate::engine::definition::{AwaitKey, Flow, Inside, Late, OnError, StepKind, Target};

const AROUND: &str = "
entities:
  quote: { fields: { amount: money, discount: percent, order_no: text, items: list, starts_at: time, status: text, email: email, zone: text, owner: person } }
people: { 何经理: { roles: [manager] }, 李四: { manager: 何经理, roles: [finance] }, 郑总: { roles: [cfo] } }
forms: { quote-revision: { title: 修改报价, fields: { discount: { type: percent, label: 折扣, required: true }, note: text } } }
flows:
";

fn load_flows(flows: &str) -> Result<crate::config::Loaded, crate::config::Report> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("rules")).unwrap();
    let indented: String = flows.lines().map(|l| format!("  {l}\n")).collect();
    let config =
        "sources: { s: { webhook: {} } }\nconnections: { mail: { smtp: { host: h, from: a@example.com }, deliver: preview } }\n";
    std::fs::write(folder.path().join("config.yaml"), format!("definitions: [rules]\n{config}")).unwrap();
    std::fs::write(folder.path().join("rules/a.yaml"), format!("{AROUND}{indented}")).unwrap();
    load(&folder.path().join("config.yaml"), &Options::default())
}

/// The flow of this id, compiled from the text under `flows:`.
#[track_caller]
fn compiled(id: &str, flows: &str) -> Flow {
    let loaded = load_flows(flows).unwrap_or_else(|r| panic!("{}", r.render(Lang::En, false)));
    let flow = Flow::clone(&loaded.definitions.flows[id]);
    // A run is pinned to it: it must come out of the store as it went in.
    let stored = serde_json::to_string(&flow).unwrap();
    let again: Flow = serde_json::from_str(&stored).unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), stored);
    flow
}

/// `pdf do → manager`
fn line(flow: &Flow, at: usize) -> String {
    let id = |at: usize| flow.steps[at].id.as_str();
    let step = &flow.steps[at];
    let some = |at: Option<usize>| at.map_or("·", id);
    let kind = match &step.kind {
        StepKind::Do(action) => action.name().to_owned(),
        StepKind::Vars(vars) => format!("vars {}", vars.keys().cloned().collect::<Vec<_>>().join(" ")),
        StepKind::Wait(span) => format!("wait {span}"),
        StepKind::Until(until) => format!("until {}{}", until.time.source(), if until.before { " before" } else { "" }),
        StepKind::Event(event) => {
            let key = match &event.key {
                AwaitKey::Record => "record".to_owned(),
                AwaitKey::Member { path, equals } => format!("{} = {}", path.join("."), equals.source()),
            };
            let rest = event.condition.as_ref().map(|c| format!(" if {}", c.source())).unwrap_or_default();
            format!("event {} {key}{rest}", event.event)
        }
        StepKind::Choose(branches) => {
            let one = |b: &crate::engine::definition::Branch| {
                format!("{}: {}", b.condition.as_ref().map_or("else", |c| c.source()), some(b.first))
            };
            format!("choose ({})", branches.iter().map(one).collect::<Vec<_>>().join(", "))
        }
        StepKind::Parallel(p) => {
            let all: Vec<_> = p.branches.iter().map(|(name, first)| format!("{name}: {}", some(*first))).collect();
            format!("parallel {} ({})", p.need.map_or("all".into(), |n| n.to_string()), all.join(", "))
        }
        StepKind::Each(each) => format!("each {} of {} ×{} ({})", each.name, each.of.source(), each.at_once, some(each.first)),
        StepKind::Repeat(repeat) => format!("repeat ≤{} ({})", repeat.most, some(repeat.first)),
        StepKind::Call { flow, vars } => format!("call {flow} {:?}", vars.keys().collect::<Vec<_>>()),
        StepKind::Approve(approve) => {
            let returns: Vec<&str> = approve.returns.iter().map(|at| id(*at)).collect();
            let returns = if returns.is_empty() { String::new() } else { format!(" returns {}", returns.join(" ")) };
            format!("approve (rejected {}){returns}", some(approve.rejected))
        }
        StepKind::Ask(ask) => format!("ask {}", ask.form),
        StepKind::GoTo(to) => format!("go_to {}", id(*to)),
        StepKind::BackTo(back) => {
            let to = match back.to {
                Target::Step(at) => id(at),
                Target::Start => "start",
                Target::Previous => "previous",
            };
            format!("back_to {to}{}{}", if back.here { " here" } else { "" }, if back.undo { " undo" } else { "" })
        }
        StepKind::End(word) => format!("end {word}"),
        StepKind::Fail(_) => "fail".to_owned(),
    };
    let late = |rung: &crate::engine::definition::Rung| {
        let actions: String = rung.actions.iter().map(|a| format!("{} ", a.name())).collect();
        let then = match &rung.then {
            Late::Stay => "stay".to_owned(),
            Late::Remind { times } => format!("remind {}", times.map_or("again".into(), |t| t.to_string())),
            Late::Escalate(who) => format!("escalate {}", who.len()),
            Late::Decide { approved } => format!("decide {approved}"),
            Late::Go(to) => format!("go {}", some(*to)),
        };
        actions + &then
    };
    let mut out = format!("{} {kind} → {}", step.id, some(step.next));
    if let Some(Inside { step, branch }) = step.inside {
        out += &format!(" | in {}#{branch}", id(step));
    }
    for (name, said) in [("aside", &step.aside), ("scope", &step.scope)] {
        out += &said.as_ref().map(|s| format!(" | {name} {s}")).unwrap_or_default();
    }
    if let Some(within) = step.within {
        out += &format!(" | within {within}: {}", step.late.iter().map(late).collect::<Vec<_>>().join(", "));
    }
    out += &match step.on_error {
        Some(OnError::Continue) => " | on_error continue".to_owned(),
        Some(OnError::Go(at)) => format!(" | on_error {}", id(at)),
        None => String::new(),
    };
    if !step.undo.is_empty() {
        out += &format!(" | undo {}", step.undo.iter().map(|a| a.name()).collect::<Vec<_>>().join(" "));
    }
    out += if step.verify.is_some() { " | verify" } else { "" };
    out
}

/// What is said of these flows.
fn told(flows: &str) -> String {
    match load_flows(flows) {
        Ok(_) => String::new(),
        Err(report) => report.render(Lang::En, false),
    }
}

/// All steps of a flow `f` with this body, one per line.
#[track_caller]
fn check(body: &str, expect: &str) {
    let indented: String = body.trim_matches('\n').lines().map(|l| format!("  {l}\n")).collect();
    let flow = compiled("f", &format!("f:\n  record: quote\n{indented}"));
    same(&flow, expect);
}

#[track_caller]
fn same(flow: &Flow, expect: &str) {
    let got: Vec<String> = (0..flow.steps.len()).map(|at| line(flow, at)).collect();
    let expect: Vec<&str> = expect.trim().lines().map(str::trim).collect();
    assert_eq!(got, expect, "\n{}\n", got.join("\n"));
}

#[test]
fn one_after_the_other() {
    check(
        "steps: [ { log: 开始 }, { id: 等, wait: 2d }, { if: amount > 1, end: 完成 }, { log: x } ]",
        "s1 log → 等\n等 wait 2d → s3\ns3 end 完成 → s4\ns4 log → ·",
    );
}

#[test]
fn the_approval_of_the_design() {
    check(
        r#"
vars: { tries: 0 }
steps:
  - { id: pdf, log: 报价 }
  - { id: manager, approve: owner.manager, within: 8 working hours, late: { remind: again }, rejected: { back_to: revise } }
  - choose:
      - { if: discount <= 0.10 and amount < 500000, then: [ { end: approved } ] }
    else:
      - parallel:
          finance: [ { id: finance, approve: "role:finance", within: 16 working hours, late: [ { remind: 2 }, { notify: { who: owner, text: 请尽快 }, escalate: "role:cfo" }, { decide: reject } ], rejected: { back_to: revise } } ]
          legal: [ { id: legal, approve: "role:manager", rejected: [ { log: 驳回 }, { back_to: { step: manager, then: here, undo: true } } ] } ]
  - { id: signed, wait: contract.signed, within: 30d, late: { end: expired } }
asides:
  revise: [ { ask: { who: owner, form: quote-revision } }, { back_to: pdf } ]
"#,
        "
        pdf log → manager
        manager approve (rejected manager.rejected.1) → s3 | within 8 working hours: remind again
        manager.rejected.1 back_to revise → ·
        s3 choose (discount <= 0.10 and amount < 500000: s3.1.1, else: s3.else.1) → signed
        s3.1.1 end approved → ·
        s3.else.1 parallel all (finance: finance, legal: legal) → signed
        finance approve (rejected finance.rejected.1) → · | in s3.else.1#0 | within 16 working hours: remind 2, notify escalate 1, decide false
        finance.rejected.1 back_to revise → · | in s3.else.1#0
        legal approve (rejected legal.rejected.1) → · | in s3.else.1#1
        legal.rejected.1 log → legal.rejected.2 | in s3.else.1#1
        legal.rejected.2 back_to manager here undo → · | in s3.else.1#1
        signed event contract.signed record → · | within 30d: go signed.late.1
        signed.late.1 end expired → ·
        revise ask quote-revision → revise.2 | aside revise
        revise.2 back_to pdf → · | aside revise
        ",
    );
}

#[test]
fn what_may_go_wrong_is_followed_by_what_follows_the_step() {
    check(
        r#"
steps:
  - id: 发票
    http: { post: "https://erp.example.com/invoices" }
    retry: [1m, 5m]
    within: 1h
    late: [ { log: 太慢 }, { log: 真的太慢 } ]
    on_error: [ { log: "{{ steps.发票.error }}" } ]
    undo: { http: { post: "https://erp.example.com/{{ steps.发票.body.id }}/reverse" } }
    verify: { http: { get: "https://erp.example.com/invoices" }, happened: answer.body.found == true }
  - { id: 通知, email: { to: "{{ email }}", subject: 好了, text: 好了 }, on_error: continue, window: false }
"#,
        "
        发票 http → 通知 | within 1h: go 发票.late.1 | on_error 发票.on_error.1 | undo http | verify
        发票.late.1 log → 发票.late.2
        发票.late.2 log → 通知
        发票.on_error.1 log → 通知
        通知 email → · | on_error continue
        ",
    );
}

#[test]
fn waits() {
    check(
        r#"
steps:
  - wait: { until: starts_at, offset: -1d }
  - wait: { event: payment.received, match: event.order == order_no and (event.amount >= amount or event.final == true), up_to: 3d }
  - { wait: quote.changed, up_to: forever }
  - { wait: { event: note.added, match: "order_no == event.订单", if: event.x == 1, up_to: 1d } }
"#,
        "
        s1 until starts_at before → s2
        s2 event payment.received order = order_no if (event.amount >= amount or event.final == true) → s3 | within 3d: go ·
        s3 event quote.changed record → s4
        s4 event note.added 订单 = order_no if event.x == 1 → · | within 1d: go ·
        ",
    );
}

#[test]
fn branches_lists_and_rounds() {
    check(
        r#"
vars: { tries: 0 }
steps:
  - parallel:
      甲: [ { log: 一 }, { id: 二, log: 二 } ]
      乙: [ { choose: [ { if: amount > 1, then: [ { wait: 1d } ] } ] } ]
    need: any
  - each: { of: items, as: 明细, at_once: 3, steps: [ { log: "{{ 明细.名称 }}" }, { if: 明细.数量 == 0, go_to: 完 }, { wait: 1h } ] }
  - repeat: { while: vars.tries < 3, most: 100, steps: [ { set: { vars.tries: = vars.tries + 1 } }, { wait: 1d } ] }
  - { id: 完, log: "{{ vars.tries }} {{ round }} {{ run.initiator }}" }
"#,
        "
        s1 parallel 1 (甲: s1.甲.1, 乙: s1.乙.1) → s2
        s1.甲.1 log → 二 | in s1#0
        二 log → · | in s1#0
        s1.乙.1 choose (amount > 1: s1.乙.1.1.1) → · | in s1#1
        s1.乙.1.1.1 wait 1d → · | in s1#1
        s2 each 明细 of items ×3 (s2.1) → s3
        s2.1 log → s2.2 | in s2#0
        s2.2 go_to 完 → s2.3 | in s2#0
        s2.3 wait 1h → · | in s2#0
        s3 repeat ≤100 (s3.1) → 完
        s3.1 vars tries → s3.2
        s3.2 wait 1d → s3
        完 log → ·
        ",
    );
}

#[test]
fn called_flows_stand_where_they_are_called() {
    let flows = r#"
f:
  record: quote
  steps: [ { id: ship, call: { flow: 发货, vars: { 次: = amount } } }, { id: bill, call: 开票 }, { log: "{{ steps.ship.x }}" } ]
发货:
  record: quote
  vars: { 次: 1, 备注: 无 }
  steps: [ { id: pack, log: "{{ vars.次 }}" }, { id: bill, call: 开票 }, { if: steps.pack.ok == true, go_to: 退 }, { log: x } ]
  asides: { 退: [ { go_to: pack } ] }
开票: { steps: [ { id: pack, wait: 1h } ] }
"#;
    same(
        &compiled("f", flows),
        r#"
        ship call 发货 ["备注", "次"] → bill
        ship.pack log → ship.bill | scope ship
        ship.bill call 开票 [] → ship.s3 | scope ship
        ship.bill.pack wait 1h → ship.s3 | scope ship.bill
        ship.s3 go_to ship.退 → ship.s4 | scope ship
        ship.s4 log → bill | scope ship
        ship.退 go_to ship.pack → · | aside 退 | scope ship
        bill call 开票 [] → s3
        bill.pack wait 1h → s3 | scope bill
        s3 log → ·
        "#,
    );
}

#[test]
fn what_counts_wherever_a_run_stands() {
    let flow = compiled(
        "f",
        r#"
f:
  record: quote
  when: quote.submitted
  vars: { n: = amount * 2 }
  stop_if: [ status == '已转化', { name: replied, event: email.replied, if: event.ok == true, undo: true } ]
  reroute: { on: [amount, discount], back_to: 审 }
  recall: [ { log: 撤回 }, { back_to: 审 } ]
  within: 90d
  late: { end: expired }
  on_error: [ { log: "{{ run.error }} {{ run.failed_step }}" } ]
  window: { from: "10:00", to: "18:00", calendar: CN, zone: zone }
  mode: restart
  once_per: order_no
  again: 30d
  steps: [ { id: 审, approve: { who: owner, returns: [审] } }, { end: done } ]
"#,
    );
    same(
        &flow,
        "
        审 approve (rejected ·) returns 审 → s2
        s2 end done → ·
        late.1 end expired → ·
        on_error.1 log → ·
        recall.1 log → recall.2
        recall.2 back_to 审 → ·
        ",
    );
    assert_eq!((flow.late, flow.failed, flow.recalled, flow.recall), (Some(2), Some(3), Some(4), true));
    assert_eq!((flow.stops.len(), flow.stops[0].name.as_str(), flow.stops[1].undo), (2, "stopped", true));
    assert_eq!((flow.reroutes[0].fields.join(" "), flow.reroutes[0].to), ("amount discount".into(), 0));
    assert!(flow.initiator.is_some() && flow.window.is_some() && flow.once_per.is_some());
    assert_eq!(flow.format, crate::engine::definition::FORMAT);
}

#[test]
fn called_flows_have_bounds() {
    // Each calls the one before it twice.
    let mut flows = String::from("f0: { record: quote, steps: [ { wait: 1d }, { wait: 1d } ] }\n");
    for n in 1..18 {
        flows += &format!("f{n}: {{ record: quote, steps: [ {{ call: f{} }}, {{ call: f{} }} ] }}\n", n - 1, n - 1);
    }
    assert!(told(&flows).contains("E0FQ"), "too many");
    let mut flows = String::from("f0: { record: quote, steps: [ { wait: 1d } ] }\n");
    for n in 1..16 {
        flows += &format!("f{n}: {{ record: quote, steps: [ {{ call: f{} }} ] }}\n", n - 1);
    }
    assert_eq!(told(&flows), "");
    flows += "f16: { record: quote, steps: [ { call: f15 } ] }\n";
    assert!(told(&flows).contains("E0FP"), "too deep");
}

#[test]
fn what_a_step_may_name() {
    let fine =
        |steps: &str| assert_eq!(told(&format!("f: {{ record: quote, vars: {{ n: 0 }}, steps: {steps} }}")), "", "{steps}");
    let early = |steps: &str, asides: &str| {
        let said = told(&format!("f: {{ record: quote, steps: {steps}{asides} }}"));
        assert!(said.contains("E0FJ") && said.contains("1 problem in"), "{steps} {said}");
    };
    // Whoever goes back has seen what came behind; a branch may be through before the one beside it.
    fine("[ { id: 甲, log: '{{ steps.乙.x }}' }, { id: 乙, wait: 1d }, { if: round < 3, back_to: 甲 } ]");
    fine("[ { parallel: { a: [ { id: 甲, log: '{{ steps.乙.x }}' } ], b: [ { id: 乙, log: '{{ steps.甲.x }}' } ] } } ]");
    fine("[ { id: 甲, log: x, on_error: [ { log: '{{ steps.甲.error }}' } ], undo: { log: '{{ steps.甲.x }}' } } ]");
    fine("[ { id: 甲, repeat: { times: 2, steps: [ { log: '{{ steps.乙.x }}' }, { id: 乙, wait: 1d } ] } } ]");
    early("[ { id: 甲, log: '{{ steps.乙.x }}' }, { id: 乙, wait: 1d } ]", "");
    early(
        "[ { choose: [ { if: amount > 1, then: [ { id: 甲, wait: 1d } ] }, { if: amount > 0, then: [ { log: '{{ steps.甲.x }}' } ] } ] } ]",
        "",
    );
    early(
        "[ { id: 甲, approve: owner, rejected: { go_to: 改 } }, { id: 乙, wait: 1d } ]",
        ", asides: { 改: [ { log: '{{ steps.乙.x }}' }, { end: x } ] }",
    );
}

#[test]
fn rounds_with_a_pause_and_counted_ones_are_fine() {
    for steps in [
        "[ { id: 甲, wait: 1d }, { go_to: 甲 } ]",
        "[ { id: 甲, approve: owner, rejected: { back_to: 甲 } } ]",
        "[ { repeat: { while: amount > 1, most: 3, steps: [ { log: x }, { set: { status: x } } ] } } ]",
        "[ { id: 甲, http: { get: 'https://example.com' } }, { if: amount > 1, go_to: 甲 } ]",
        "[ { repeat: { while: amount > 1, most: 3, steps: [ { log: x }, { if: amount > 2, go_to: 完 } ] } }, { id: 完, end: 完 } ]",
    ] {
        assert_eq!(told(&format!("f: {{ record: quote, steps: {steps} }}")), "", "{steps}");
    }
}

#[test]
fn a_whole_time_bounds_every_wait() {
    let flow = |within: &str| format!("f: {{ record: quote, {within}steps: [ {{ wait: contract.signed }} ] }}");
    assert!(told(&flow("")).contains("E0F9"));
    assert_eq!(told(&flow("within: 90d, late: { end: expired }, ")), "");
}
