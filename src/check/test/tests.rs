//! Small rules, small tests, and what the runner says of them: every kind of failure, and that time, calls and posts are the daemon's.

use super::*;
use crate::config::{self, Lang};

const CONFIG: &str = "
definitions: [rules]
sources:
  crm:
    webhook: { verify: { bearer: '${env:NOBODY_HAS_THIS}' } }
    event: crm.lead
    each: items
    delivery: outer.batch
    record: { entity: lead, fields: { id: id, name: 姓名, mobile: 手机 } }
  mails: { webhook: { verify: { bearer: '${env:NOBODY_HAS_THIS}' } }, bounces: generic }
  erp: { poll: { sqlite: x.db, query: 'SELECT 1', cursor: id }, record: { entity: lead, fields: { id: id, name: name } } }
connections:
  mail: { smtp: { host: 127.0.0.1, from: sales@example.com }, retry: [1m, 5m], deliver: preview }
  erp: { http: { base: 'https://erp.example.com' }, retry: [1m, 5m, 30m] }
  ops: { wecom: {}, rate: 2/1m, deliver: preview }
";

const BASE: &str = "
entities:
  lead: { fields: { name: text, mobile: phone, email: email, score: number, stage: text, owner: person } }
people: { 张三: { email: zhang@example.com, channels: [mail] }, 李四: { wecom: lisi, channels: [ops] } }
teams: { 销售: [张三, 李四] }
";

/// What comes of one test under these rules: a line per failure, `line: what`, with the line counted from the test's own first.
fn check(rules: &str, test: &str, expect: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    for (name, text) in [("config.yaml", CONFIG), ("rules/a.yaml", BASE), ("rules/b.yaml", rules)] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    std::fs::write(folder.path().join("rules/t.yaml"), format!("tests:\n  t:\n    {}\n", test.trim().replace('\n', "\n    ")))
        .unwrap();
    let options = config::Options { environment: false, ..config::Options::default() };
    let mut loaded =
        config::load(&folder.path().join("config.yaml"), &options).unwrap_or_else(|r| panic!("{}", r.render(Lang::En, false)));
    ready(&mut loaded.definitions);
    let subject = Subject { definitions: &loaded.definitions, settings: &loaded.settings };
    let got: Vec<String> =
        play(&subject, &loaded.tests[0]).iter().map(|f| format!("{}: {}", f.place.line - 2, said(f))).collect();
    assert_eq!(got, expect, "{test}");
}

fn said(failure: &Failure) -> String {
    match &failure.found {
        Found::Missing { expected, nearest: None } => format!("missing {expected}"),
        Found::Missing { expected, nearest: Some(members) } => {
            let each: Vec<String> = members.iter().map(|(name, a, b)| format!("{name} {a} ≠ {b}")).collect();
            format!("missing {expected}; nearest: {}", each.join(", "))
        }
        Found::Times { expected, found } => format!("{found} times {expected}"),
        Found::Happened { never, line } => format!("happened {never} ({})", line.as_ref().map_or("", |l| l.action.as_str())),
        Found::Something => format!("something: {}", failure.log.iter().map(|l| l.action.as_str()).collect::<Vec<_>>().join(" ")),
        Found::Field { record, field, expected, found } => format!("{record} {field} {expected} ≠ {found}"),
        Found::Absent(record) => format!("absent {record}"),
        Found::Present(record) => format!("present {record}"),
        Found::Refused { code, .. } => format!("refused {code}"),
        Found::Endless => "endless".into(),
    }
}

const TAKE: &str = "
rules:
  take: { when: lead.created, then: [ { assign: 销售 }, { tag: 新 }, { set: { stage: new } }, { notify: { who: owner, text: '新线索 {{ name }}' } } ] }
  hot: { when: { changed: lead.score }, cooldown: 1d, if: score > 60, then: [ { log: 'hot {{ score }}' }, { emit: { event: lead.hot, data: { n: = score } } } ] }
";

#[test]
fn what_is_as_expected_says_nothing() {
    check(
        TAKE,
        "
steps:
  - at: 2026-09-21 09:00
    tell: { lead: { id: L1, name: 刘洋, mobile: 138 0013 8000 } }
    expect: [ rule, { assign: 张三 }, { tag: 新 }, { set: { stage: new } }, { notify: { who: 张三, text: 刘洋, connection: mail } }, email ]
    never: [ { assign: 李四 }, { notify: 李四 }, suppressed, failed, http ]
    records: { lead/L1: { owner: 张三, mobile: '+8613800138000', tags: [新], score: null }, lead/L2: absent }
  - { after: 1h, tell: { lead: { id: L1, score: 61 } }, expect: [ { log: hot 61 }, { emit: { event: lead.hot, data: { n: 61.0 } } } ] }
  - { after: 1h, tell: { lead: { id: L1, score: 62 } }, expect: [ { suppressed: { rule: hot, reason: cooldown } } ], never: [ log ] }
  - { after: 1h, tell: { lead: { id: L1, score: 62 } }, expect: nothing }
  - { tell: { lead: { id: L2 } }, expect: [ { assign: 李四 }, { wecom: { robot: ops, at: 李四 } }, { done: wecom } ] }
",
        &[],
    );
}

#[test]
fn each_failure_stands_at_its_line_with_what_differs_and_the_first_step_ends_the_test() {
    check(
        TAKE,
        "
steps:
  - tell: { lead: { id: L1, name: 刘洋 } }
    expect:
      - assign: 李四
      - http
      - { assign: 张三, times: 2 }
      - assign: 张三
      - assign: 张三
    never:
      - { notify: { text: 线索 } }
    records:
      lead/L1: { stage: new,
        owner: 李四,
        tags: [] }
      lead/L1x: { stage: new }
  - expect: [ end ]
",
        &[
            "4: missing assign: { to: 李四 }; nearest: to 李四 ≠ 张三",
            "5: missing http",
            "6: 1 times assign: { to: 张三 } ×2",
            "8: missing assign: { to: 张三 }",
            "10: happened notify: { text: 线索 } (email)",
            "13: lead/L1 owner 李四 ≠ 张三",
            r#"14: lead/L1 tags [] ≠ ["新"]"#,
            "15: absent lead/L1x",
        ],
    );
    check(TAKE, "given: { lead: { id: L1, tags: [旧] } }\nsteps:\n  - records: { lead/L1: absent }", &["3: present lead/L1"]);
    check(
        TAKE,
        "steps:\n  - event: lead.x\n    expect: nothing\n  - tell: { lead: { id: L1 } }\n    expect: nothing",
        &["5: something: record rule assign tag set email email"],
    );
}

#[test]
fn calls_end_as_they_are_told_to_and_are_tried_again_as_the_daemon_does() {
    let rules = "
rules:
  ship: { when: lead.created, then: [ { http: { connection: erp, post: '/ship?key=1', json: { id: '{{ id }}' }, emit: shipped } } ] }
  shipped: { when: shipped, then: [ { log: '{{ event.status }} {{ event.body.no }}' } ] }
  died: { when: ifthen.call.dead, then: [ { log: 'dead {{ event.error }}' } ] }
";
    check(
        rules,
        "
answers: [ { http: { status: 500, body: oops }, times: 2 }, { http: { status: 201, body: { no: S7 } } } ]
steps:
  - at: 2026-10-08 15:00
    tell: { lead: { id: C1 } }
    expect: [ { http: { method: POST, url: /ship?key=1, json: { id: C1 } } }, { retrying: { action: http, error: 'answered 500: oops' } } ]
    never: [ log ]
  - { at: 2026-10-08 15:00:59, expect: nothing }
  - { at: 2026-10-08 15:01:06, expect: [ retrying ] }
  - { at: 2026-10-08 15:06:40, expect: [ { done: http }, { log: 201 S7 } ] }
",
        &[],
    );
    check(
        rules,
        "
steps:
  - { tell: { lead: { id: C1 } }, answers: [ { http: { status: 429, headers: { Retry-After: '90' } }, times: 1 }, { http: transient } ], expect: [ retrying ] }
  - { after: 89s, expect: nothing }
  - { after: 1s, expect: [ retrying ] }
  - { after: 1d, expect: [ { retrying: http, times: 2 }, { dead: ship }, { log: dead transient } ] }
",
        &[],
    );
    check(
        rules,
        "
steps:
  - { tell: { lead: { id: C1 } }, answers: [ { any: unknown, connection: erp, times: 1 }, { email: permanent } ], expect: [ { unknown: http }, retrying ] }
  - { after: 2m, answers: [ { http: permanent } ], expect: [ { dead: { action: http, connection: erp } } ], never: [ done ] }
",
        &[],
    );
}

#[test]
fn messages_beyond_a_budget_wait_for_their_minute_and_a_shadow_rule_is_seen() {
    let rules = "
rules:
  tell: { when: note, then: [ { wecom: { robot: ops, text: '{{ event.n }}号' } } ] }
  shadow: { when: note, deliver: preview, then: [ { email: { to: a@example.com, subject: '影子 {{ event.n }}', text: x } } ] }
";
    check(
        rules,
        "
steps:
  - { times: 5, event: { name: note, data: { n: 1 } }, expect: [ { wecom: 1号, times: 5 }, { email: { subject: 影子 1 }, times: 5 }, { done: wecom, times: 2 } ] }
  - { after: 2m, expect: [ { done: wecom, times: 3 } ] }
",
        &[],
    );
}

#[test]
fn posts_go_through_the_mapping_of_their_source_once_per_delivery() {
    check(
        TAKE,
        "
steps:
  - { times: 3, post: { source: crm, body: { batch: b1, items: [ { id: 1, 姓名: 刘洋 }, { id: 2 } ] } }, expect: [ { assign: 张三, times: 1 }, { assign: 李四, times: 1 } ] }
  - { after: 2d, post: { source: crm, body: { batch: b1, items: [ { id: 1, 姓名: 新名 } ] } }, expect: nothing }
  - { after: 2d, post: { source: crm, body: { batch: b1, items: [ { id: 1, 姓名: 新名 } ] } }, records: { lead/1: { name: 新名 } } }
  - { post: { source: crm, body: { batch: b2, items: [ { 姓名: 无 } ] } }, expect: [ quarantined ], never: [ refused ] }
  - { post: { source: erp, body: { id: 9, name: 行 } }, records: { lead/9: { name: 行 } } }
  - { post: { source: crm, headers: { Content-Type: application/json }, body: '{' }, expect: [ { refused: { code: json } } ] }
  - post: { source: crm, body: { batch: b3, items: [ { id: 1, 手机: '12' } ] } }
",
        &["8: refused quarantined"],
    );
}

#[test]
fn what_has_no_end_is_stopped() {
    let rules = "
rules: { go: { when: lead.created, then: [ { start: round } ] }, again: { when: round.over, then: [ { start: round } ] } }
flows: { round: { steps: [ { wait: 1s }, { emit: round.over } ] } }
";
    check(rules, "steps:\n  - tell: { lead: { id: L1 } }\n  - after: 365d", &["3: endless"]);
}

#[test]
fn people_and_teams_can_be_given() {
    let rules =
        "rules: { own: { when: lead.created, then: [ { assign: { team: 销售 } }, { notify: { who: owner, text: 新线索 } } ] } }";
    let told = "tell: { lead: { id: L1, name: 王芳 } }";
    check(rules, &format!("steps: [ {{ {told}, expect: [ {{ assign: 张三 }} ] }} ]"), &[]);
    let away = "given: { people: { 张三: { active: false } } }";
    check(rules, &format!("{away}\nsteps: [ {{ {told}, expect: [ {{ assign: 李四 }} ], never: [ {{ notify: 张三 }} ] }} ]"), &[]);
    // Whom only the test knows, beside those of the definitions, in a team of its own.
    let other = "given: { people: { 周九: { wecom: zhou, channels: [ops] } }, teams: { 销售: [周九, 张三] } }";
    let expect = "expect: [ { assign: 周九 }, { notify: 周九 } ], records: { lead/L1: { owner: 周九 } }";
    check(rules, &format!("{other}\nsteps: [ {{ {told}, {expect} }} ]"), &[]);
}

#[test]
fn what_does_not_fit_its_mapping_is_quarantined_and_must_be_expected() {
    let post = "post: { source: crm, body: { batch: 7, items: [ { id: L1, 手机: 13800138000 }, { id: L2, 手机: '12345' } ] } }";
    check(
        "",
        &format!(
            "steps: [ {{ {post}, expect: [ {{ quarantined: '12345' }} ], records: {{ lead/L1: {{}}, lead/L2: absent }} }} ]"
        ),
        &[],
    );
    check(
        "",
        &format!("steps: [ {{ {post}, expect: [ {{ quarantined: 邮箱 }} ] }} ]"),
        &["1: missing quarantined: { error: 邮箱 }"],
    );
    check(
        "",
        &format!(
            "steps: [ {{ {post}, never: [ refused ], expect: [ {{ failed: {{ action: read, reason: quarantined }} }} ] }} ]"
        ),
        &["1: refused quarantined"],
    );
    let rules = "rules: { tell: { when: ifthen.unreadable, then: [ { log: '{{ event.item.id }}: {{ event.field }}' } ] } }";
    check(rules, &format!("steps: [ {{ {post}, expect: [ quarantined, {{ log: 'L2: 手机' }} ] }} ]"), &[]);
}

/// What is said beneath a failure: event, rule, verdict, decisive clause.
#[test]
fn why_is_told_of_every_event_of_the_step_on_the_state_before_it() {
    let rules = "
rules:
  grade: { when: lead.created, if: score > 60, cooldown: 1d, then: [ { set: { stage: hot } } ] }
  call: { when: { changed: lead.stage }, if: stage == 'hot' and not is_empty(mobile), then: [ { tag: 跟进 } ] }";
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    let test = "
tests:
  t:
    steps:
      - { tell: { lead: { id: L0, score: 1 } } }
      - { tell: { lead: { id: L1, score: 80 } }, expect: [ { tag: 跟进 } ] }";
    for (name, text) in [("config.yaml", CONFIG), ("rules/a.yaml", BASE), ("rules/b.yaml", &format!("{rules}\n{test}\n"))] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let options = config::Options { environment: false, ..config::Options::default() };
    let loaded =
        config::load(&folder.path().join("config.yaml"), &options).unwrap_or_else(|r| panic!("{}", r.render(Lang::En, false)));
    let subject = Subject { definitions: &loaded.definitions, settings: &loaded.settings };
    let (failures, woken) = why(&subject, &loaded.tests[0]);
    assert_eq!(failures, play(&subject, &loaded.tests[0]), "being watched changes nothing");
    let said: Vec<String> = woken
        .iter()
        .flat_map(|(event, all)| all.woken.iter().map(move |e| (event, e)))
        .map(|(event, e)| {
            let clause = e.condition.as_ref().map(|c| c.decisive());
            let values = clause.map(|c| c.values.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(" "));
            format!("{} {} {} {}", event.name, e.id, e.verdict.word(), values.unwrap_or_default())
        })
        .collect();
    // Before it was decided the stage was empty: what the first rule did is seen by the second.
    assert_eq!(said, ["lead.created grade fired score=80", "lead.changed call not_met "]);
}

#[test]
fn what_is_told_of_mails_can_be_said_and_marketing_mail_is_suppressed_as_in_the_daemon() {
    let rules = "
rules:
  news: { when: send, then: [ { email: { to: '{{ event.to }}', subject: 一, text: '{{ unsubscribe_url }}', marketing: true } } ] }
  points: { when: email.clicked, if: not event.machine, then: [ { set: { score: '= 10' } } ] }
";
    check(
        rules,
        "
given: { lead: { id: L1 } }
steps:
  - { event: { name: send, data: { to: A@example.com } }, expect: [ { done: email } ] }
  - { event: { name: email.clicked, record: lead/L1, data: { url: 'https://a.cn', machine: true } }, never: [ set ] }
  - { event: { name: email.clicked, record: lead/L1, data: { machine: false } }, expect: [ { set: { score: 10 } } ] }
  - { event: { name: email.unsubscribed, record: lead/L1, data: { address: a@example.com } }, expect: nothing }
  - { event: { name: send, data: { to: a@example.com } }, expect: [ { suppressed: { reason: unsubscribed } } ], never: [ { done: email } ] }
  - { event: { name: email.resubscribed, data: { address: a@example.com } } }
  - { event: { name: send, data: { to: a@example.com } }, expect: [ { done: email } ] }
  - { post: { source: mails, body: { event: bounced, kind: hard, address: a@example.com } } }
  - { event: { name: send, data: { to: a@example.com } }, expect: [ { suppressed: { reason: bounced } } ] }
",
        &[],
    );
}

#[test]
fn what_nobody_is_asked_and_what_does_not_run_is_refused() {
    check(
        TAKE,
        "
steps:
  - at: 2026-09-21 09:00
    decide: [ { approve: 张三 }, { transfer: { 李四: 张三 } } ]
    cancel: { record: lead/L1 }
    expect: [ { refused: no-task, times: 2 }, { refused: { code: no-run, error: under way } } ]
  - decide: { approve: 张三 }
    never: [ decide, { approve: 张三 } ]
",
        &["6: refused no-task"],
    );
}
