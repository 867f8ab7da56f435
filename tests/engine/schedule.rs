//! Rules that are driven by time, minute for minute, as tests in YAML: what people read is what is run.

use ifthen::check::test::{Subject, play, ready};
use ifthen::config::{self, Lang};

const BASE: &str = "
entities:
  deal: { fields: { id: text, name: text, stage: text, amount: money, owner: person, owner_at: time, 跟进: time, due_on: date, starts_at: time, locked: boolean } }
people: { 张三: {} }
";

/// Plays the tests in the YAML; all must pass.
fn check(zone: &str, yaml: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    let config = format!(
        "definitions: [rules]\nzone: {zone}\nsources: {{ crm: {{ webhook: {{}}, lateness: 10m, record: {{ entity: call, fields: {{ id: id }} }} }} }}\n"
    );
    let late = "entities: { call: { fields: { id: text, open: boolean } } }\n";
    for (name, text) in [("config.yaml", config.as_str()), ("rules/a.yaml", BASE), ("rules/b.yaml", yaml), ("rules/c.yaml", late)]
    {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let options = config::Options { environment: false, ..config::Options::default() };
    let mut loaded =
        config::load(&folder.path().join("config.yaml"), &options).unwrap_or_else(|r| panic!("{}", r.render(Lang::En, false)));
    ready(&mut loaded.definitions);
    assert!(!loaded.tests.is_empty());
    let subject = Subject { definitions: &loaded.definitions, settings: &loaded.settings };
    for test in &loaded.tests {
        let failures = play(&subject, test);
        assert!(failures.is_empty(), "{}: {:#?}", test.name, failures);
    }
}

#[test]
fn a_hold_is_cleared_begun_again_and_said_once() {
    check(
        "Asia/Shanghai",
        "
rules:
  停留: { when: { record: deal, while: stage == '谈判', for: 5d }, then: [ { log: '{{ name }} 停留超5天' } ] }
tests:
  从条件成立时算起:
    steps:
      - { at: 2026-09-21 09:00, tell: { deal: { id: D1, name: 甲, stage: 谈判 } } }
      - { at: 2026-09-23 09:00, tell: { deal: { id: D1, stage: 报价 } } }
      - { at: 2026-09-24 09:00, tell: { deal: { id: D1, stage: 谈判 } } }
      - { at: 2026-09-29 08:59:59, never: [ log ] }
      - { at: 2026-09-29 09:00, expect: [ { log: 甲 停留超5天, times: 1 } ] }
      # 不每天重复;别的字段变了也不再说。
      - { at: 2026-10-05 09:00, tell: { deal: { id: D1, amount: 5 } }, never: [ log ] }
      - { at: 2026-11-30 09:00, never: [ log ] }
      - { at: 2026-12-01 09:00, tell: { deal: { id: D1, stage: 赢单 } } }
      - { at: 2026-12-02 09:00, tell: { deal: { id: D1, stage: 谈判 } } }
      - { at: 2026-12-07 09:00, expect: [ { log: 甲 停留超5天, times: 1 } ] }
",
    );
}

#[test]
fn what_cannot_be_evaluated_says_why() {
    check(
        "Asia/Shanghai",
        "
rules:
  大单: { when: { record: deal, while: amount > 1000, for: 1h }, then: [ { log: 大单 } ] }
tests:
  金额未知:
    steps:
      - { at: 2026-09-21 09:00, tell: { deal: { id: D1 } }, expect: [ { failed: { rule: 大单 } } ] }
      - { at: 2026-09-21 09:30, tell: { deal: { id: D1, amount: 2000 } } }
      - { at: 2026-09-21 10:30, expect: [ { log: 大单 } ] }
",
    );
}

#[test]
fn a_time_in_a_field_moves_and_empties() {
    check(
        "Asia/Shanghai",
        "
rules:
  会前: { when: { record: deal, at: starts_at, offset: -1d }, then: [ { log: '明天有活动 {{ name }}' } ] }
  会后: { when: { record: deal, at: starts_at, offset: +2h }, then: [ { log: 资料 } ] }
  到期: { when: { record: deal, at: due_on }, then: [ { log: 到期 } ] }
tests:
  改期、取消:
    steps:
      - { at: 2026-09-21 09:00, tell: { deal: { id: D1, name: 沙龙, starts_at: 2026-09-25 14:00 } } }
      - { at: 2026-09-22 09:00, tell: { deal: { id: D1, starts_at: 2026-09-27 10:00 } } }
      - { at: 2026-09-26 09:59:59, never: [ log ] }
      - { at: 2026-09-26 10:00, expect: [ { log: 明天有活动 沙龙, times: 1 } ] }
      - { at: 2026-09-27 11:00, tell: { deal: { id: D1, starts_at: null } } }
      - { at: 2026-10-27 11:00, never: [ log ] }
  日期字段从零点算:
    steps:
      - { at: 2026-09-21 09:00, tell: { deal: { id: D1, due_on: 2026-09-30 } } }
      - { at: 2026-09-29 23:59:59, never: [ log ] }
      - { at: 2026-09-30 00:00, expect: [ { log: 到期 } ] }
  已经过去的不再提醒,并说明:
    steps:
      - { at: 2026-09-21 09:00, tell: { deal: { id: D1, starts_at: 2026-09-21 12:00 } }, expect: [ { suppressed: { rule: 会前, reason: past } } ], never: [ log ] }
      - { at: 2026-09-21 14:00, expect: [ { log: 资料 } ] }
",
    );
}

#[test]
fn existing_records_are_left_alone_unless_asked() {
    let rules = |existing: &str| {
        format!(
            "
rules:
  停留:
    when: {{ record: deal, while: not locked, for: 24h, since: 跟进 }}
    existing: {existing}
    then: [ {{ log: '{{{{ id }}}} 停留' }} ]
tests:
  t:
    given:
      deal:
        - {{ id: D1, 跟进: 2026-09-01 09:00 }}
        - {{ id: D2, 跟进: 2026-09-02 09:00 }}
        - {{ id: D3, 跟进: 2026-09-20 12:00 }}
    steps:
"
        )
    };
    // D1 and D2 are long over; D3 is still to come.
    check(
        "Asia/Shanghai",
        &(rules("skip")
            + "
      - { at: 2026-09-21 09:00, never: [ log ] }
      - { at: 2026-09-21 12:00, expect: [ { log: D3 停留 } ], never: [ { log: D1 }, { log: D2 } ] }
      # 之后的跟进照常重新计时。
      - { at: 2026-09-21 13:00, tell: { deal: { id: D1, 跟进: 2026-09-21 13:00 } } }
      - { at: 2026-09-22 13:00, expect: [ { log: D1 停留 } ], never: [ { log: D2 } ] }
"),
    );
    check(
        "Asia/Shanghai",
        &(rules("fire")
            + "
      - { at: 2026-09-21 09:00, expect: [ { log: D1 停留, times: 1 }, { log: D2 停留, times: 1 } ], never: [ { log: D3 } ] }
      - { at: 2026-09-21 12:00, expect: [ { log: D3 停留, times: 1 } ], never: [ { log: D1 } ] }
"),
    );
    check(
        "Asia/Shanghai",
        &(rules("spread over 2h")
            + "
      - { at: 2026-09-21 09:00, never: [ log ] }
      - { at: 2026-09-21 11:00, expect: [ { log: D1 停留, times: 1 }, { log: D2 停留, times: 1 } ] }
      - { at: 2026-09-21 12:00, expect: [ { log: D3 停留, times: 1 } ], never: [ { log: D1 }, { log: D2 } ] }
"),
    );
}

#[test]
fn cron_and_every_tick_on_the_wall_of_their_zone() {
    check(
        "Asia/Shanghai",
        "
rules:
  周报: { when: { cron: '0 9 * * 1' }, then: [ { log: 周报 } ] }
  纽约: { when: { cron: '30 2 * * *', zone: America/New_York }, then: [ { log: 纽约 } ] }
tests:
  周一九点:
    steps:
      - { at: 2026-09-25 12:00 }
      - { at: 2026-09-28 08:59:59, never: [ { log: 周报 } ] }
      - { at: 2026-09-28 09:00, expect: [ { log: 周报, times: 1 } ] }
      - { at: 2026-10-05 09:00, expect: [ { log: 周报, times: 1 } ] }
  夏令时开始那天推到之后,只一次:
    steps:
      - { at: 2026-03-07 16:00+08:00 }
      # 2026-03-08 02:30 不存在:03:30-04:00,即北京时间 15:30。
      - { at: 2026-03-08 15:29:59+08:00, never: [ { log: 纽约 } ] }
      - { at: 2026-03-08 15:30+08:00, expect: [ { log: 纽约, times: 1 } ] }
      - { at: 2026-03-09 14:30+08:00, expect: [ { log: 纽约, times: 1 } ] }
",
    );
    check(
        "Europe/Berlin",
        "
rules:
  nacht: { when: { cron: '30 2 * * *' }, then: [ { log: nacht } ] }
  viertel: { when: { every: 15m }, then: [ { log: viertel } ] }
tests:
  the clock is put back and it runs once:
    steps:
      - { at: 2026-10-24 12:00 }
      - { at: 2026-10-25 02:29:59+02:00, never: [ { log: nacht } ] }
      - { at: 2026-10-25 02:30:00+02:00, expect: [ { log: nacht, times: 1 }, { log: viertel, times: 1 } ] }
      - { at: 2026-10-25 02:30:00+01:00, never: [ { log: nacht } ], expect: [ { log: viertel, times: 4 } ] }
      - { at: 2026-10-26 02:30:00+01:00, expect: [ { log: nacht, times: 1 } ] }
",
    );
}

#[test]
fn a_day_is_a_day_on_the_wall_and_24_hours_are_24_hours() {
    // The clock is put forward on 2026-03-08: that day has 23 hours.
    check(
        "America/New_York",
        "
rules:
  day: { when: { record: deal, while: stage == 'open', for: 1d }, then: [ { log: day } ] }
  hours: { when: { record: deal, while: stage == 'open', for: 24h }, then: [ { log: hours } ] }
  reminder: { when: { record: deal, at: starts_at, offset: -1d }, then: [ { log: reminder } ] }
tests:
  over the gap:
    steps:
      - { at: 2026-03-07 12:00, tell: { deal: { id: D1, stage: open, starts_at: 2026-03-08 12:00 } }, expect: [ { log: reminder } ] }
      - { at: 2026-03-08 11:59:59, never: [ log ] }
      - { at: 2026-03-08 12:00, expect: [ { log: day, times: 1 } ], never: [ { log: hours } ] }
      - { at: 2026-03-08 13:00, expect: [ { log: hours, times: 1 } ], never: [ { log: day } ] }
  over the overlap:
    steps:
      - { at: 2026-10-31 12:00, tell: { deal: { id: D1, stage: open } } }
      - { at: 2026-11-01 11:00, expect: [ { log: hours, times: 1 } ], never: [ { log: day } ] }
      - { at: 2026-11-01 12:00, expect: [ { log: day, times: 1 } ], never: [ { log: hours } ] }
",
    );
}

#[test]
fn working_hours_are_those_of_the_calendar() {
    check(
        "Asia/Shanghai",
        "
rules:
  退回: { when: { record: deal, while: not is_empty(owner), for: 8 working hours, since: owner_at }, warn: { before: 2 working hours, then: [ { log: 快到了 } ] }, then: [ { log: 退回 } ] }
tests:
  改为 8 个工作小时 (DOMAIN D):
    steps:
      # 09-25..27 中秋放假。
      - { at: 2026-09-24 16:00, tell: { deal: { id: D1, owner: 张三, owner_at: 2026-09-24 16:00 } } }
      - { at: 2026-09-28 13:59:59, never: [ log ] }
      - { at: 2026-09-28 14:00, expect: [ { log: 快到了, times: 1 } ] }
      - { at: 2026-09-28 15:59:59, never: [ log ] }
      - { at: 2026-09-28 16:00, expect: [ { log: 退回, times: 1 } ] }
",
    );
}

#[test]
fn a_warning_is_for_those_triggers_that_have_a_time() {
    check(
        "Asia/Shanghai",
        "
rules:
  到期:
    when: [ { record: deal, at: starts_at }, { cron: '0 9 * * 1', each: deal } ]
    warn: { before: 1h, then: [ { log: 快到了 } ] }
    then: [ { log: 开始 } ]
tests:
  一个规则,两个触发:
    steps:
      - { at: 2026-09-24 16:00, tell: { deal: { id: D1, starts_at: 2026-09-25 10:00 } } }
      - { at: 2026-09-25 09:00, expect: [ { log: 快到了, times: 1 } ], never: [ { log: 开始 } ] }
      - { at: 2026-09-25 10:00, expect: [ { log: 开始, times: 1 } ] }
      - { at: 2026-09-28 09:00, expect: [ { log: 开始, times: 1 } ], never: [ { log: 快到了 } ] }
",
    );
}

#[test]
fn each_record_of_a_tick() {
    check(
        "Asia/Shanghai",
        "
rules:
  盘点:
    when: { cron: '@daily', each: { record: deal, if: stage == '谈判' } }
    if: amount > 100
    then: [ { set: { stage: 提醒 } }, { log: '{{ name }}' } ]
tests:
  只对匹配的记录:
    given:
      deal:
        - { id: D1, name: 甲, stage: 谈判, amount: 200 }
        - { id: D2, name: 乙, stage: 谈判, amount: 50 }
        - { id: D3, name: 丙, stage: 报价, amount: 200 }
    steps:
      - { at: 2026-09-21 09:00 }
      - { at: 2026-09-22 00:00, expect: [ { log: 甲, times: 1 } ], never: [ { log: 乙 }, { log: 丙 } ], records: { deal/D1: { stage: 提醒 }, deal/D3: { stage: 报价 } } }
      - { at: 2026-09-23 00:00, never: [ { log: 甲 } ] }
",
    );
}

#[test]
fn lateness_decides_as_of_the_due_time() {
    // What tells about calls may be ten minutes late.
    check(
        "Asia/Shanghai",
        "
rules:
  未接: { when: { record: call, while: open, for: 1h }, then: [ { log: 超时 } ] }
tests:
  等迟到的消息:
    steps:
      - { at: 2026-09-21 09:00, tell: { call: { id: C1, open: true } } }
      - { at: 2026-09-21 10:09:59, never: [ log ] }
      - { at: 2026-09-21 10:10, expect: [ { log: 超时, times: 1 } ] }
  到时之后才关闭的不算:
    steps:
      - { at: 2026-09-21 09:00, tell: { call: { id: C1, open: true } } }
      - { at: 2026-09-21 10:05, tell: { call: { id: C1, open: false } } }
      - { at: 2026-09-21 10:10, expect: [ { log: 超时, times: 1 } ] }
      - { at: 2026-09-22 10:10, never: [ log ] }
  到时那一刻关闭的算:
    steps:
      - { at: 2026-09-21 09:00, tell: { call: { id: C1, open: true } } }
      - { at: 2026-09-21 10:00, tell: { call: { id: C1, open: false } } }
      - { at: 2026-09-22 10:10, never: [ log ] }
",
    );
}
