//! The whole load: what good folders become, and that secrets stay where they are.

mod mail;
mod table;

use std::path::{Path, PathBuf};

use super::*;
use crate::engine::definition::{Action, AssignTo, ConnectionKind, Deliver, StepKind, Term};
use crate::engine::entity::FieldKind;
use crate::engine::trigger::Trigger;

/// A folder of its own with these files.
struct Folder(tempfile::TempDir);

#[test]
fn a_language_by_another_name() {
    for (said, meant) in [("cn", "`zh`"), ("zh-CN", "`zh`"), ("english", "`en`")] {
        let folder = Folder::new(&[("config.yaml", &format!("lang: {said}\n"))]);
        let report = folder.load().unwrap_err().render(Lang::En, false);
        assert!(report.contains(&format!("did you mean {meant}?")), "{report}");
    }
}

#[test]
fn of_very_many_problems_some_are_told() {
    let keys: String = (0..2_000).map(|n| format!("k{n}: 1\n")).collect();
    let report = Folder::new(&[("config.yaml", ""), ("rules/a.yaml", &keys)]).load().unwrap_err();
    assert_eq!(report.problems.len(), 1_001);
    assert_eq!(report.problems[1_000].message(Lang::En), "1000 more problems are not shown");
}

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    fn load(&self) -> Result<Loaded, Report> {
        load(&self.path().join("config.yaml"), &Options::default())
    }

    fn loaded(&self) -> Loaded {
        self.load().unwrap_or_else(|r| panic!("{}", r.render(Lang::En, false)))
    }
}

const CONFIG: &str = r#"
lang: zh
zone: Asia/Shanghai
listen: 127.0.0.1:0
data: ./store
definitions: [rules, flows]
constants: { hot_amount: 50000 }
limits: { body: 2048, dedupe: 5d }
allow_networks: [127.0.0.0/8, 10.1.2.3]
sources:
  website:
    webhook: { verify: { hmac: { preset: github, secret: "${file:secret.txt}" }, bearer: ["${file:secret.txt}"] }, rate: 50 }
    event: "site.{{ type }}"
    each: items
    delivery: { header: X-Delivery }
    time: at
    record: { entity: lead, fields: { id: data.id, mobile: data.tel }, values: { level: { 高: A } }, at: updated_at }
  erp:
    poll: { sqlite: ./erp.db, query: "SELECT * FROM leads", cursor: [updated_at, id], every: 10s }
    delivery: row.id
    record: { entity: lead, fields: { id: id } }
connections:
  mail:
    smtp: { host: 127.0.0.1, port: 2525, security: none, user: me, password: "${file:secret.txt}", from: "销售部 <sales@example.com>" }
    rate: 100/1h
    retry: [1s, 2s]
  sales: { dingtalk: { url: "http://127.0.0.1:9/robot/send?access_token=${file:secret.txt}", secret: "${file:secret.txt}", keyword: 通知 } }
  ops: { wecom: { key: "${file:secret.txt}" } }
  quiet: { wecom: {}, deliver: preview }
  erp: { http: { base: "http://127.0.0.1:1/api", headers: { X-Api-Key: "${file:secret.txt}", Accept: application/json } } }
"#;

const RULES: &str = r#"
constants: { hot_amount: 100000 }
entities:
  lead:
    fields:
      name: text
      mobile: { type: phone, country: CN }
      email: email
      level: { type: choice, of: [A, B, C] }
      amount: money
      source: text
      owner: { type: person, from: ifthen }
      customer: { type: ref, to: customer }
  customer: { key: no, title: 客户, fields: { no: text, name: text } }
people:
  zhangsan: { name: 张三, email: zhang@example.com, mobile: 13800138000, manager: wang, channels: [sales, mail] }
  wang: { name: 王总监, roles: [director] }
teams:
  华东销售: { title: 华东, members: [zhangsan, wang] }
  all: [wang]
templates:
  welcome: { subject: "欢迎 {{ name }}", text: "您好 {{ name }}", html: "<b>{{ name }}</b>" }
  nurture: { zh: { subject: 一, text: 二 }, en: { subject: one, text: two } }
rules:
  welcome-website-lead:
    title: 官网新线索
    note: 市场部要求
    when: lead.created
    if: source == '官网' and amount > hot_amount
    then:
      - tag: 官网
      - assign: 华东销售
      - set: { level: A, amount: = amount * 0.5, name: "{{ name }}!", mobile: 013800138000 }
      - email: { template: welcome, to: "{{ email }}" }
      - email: { subject: Hi, text: there, to: [boss@example.com, "{{ owner.email }}"], connection: mail }
      - http: { connection: erp, post: /leads, json: { id: "{{ id }}", n: [1, yes, true] }, emit: erp.stored, retry: [1m, 5m] }
      - dingtalk: { text: "新线索 {{ name }}", at: owner }
      - wecom: { robot: ops, markdown: "**{{ name }}**", title: t, at: [role:director, user:zhangsan] }
      - notify: { who: [owner, owner.manager, "team:华东销售"], text: "{{ name }}", urgent: true }
      - create: { customer: { no: "C-{{ id }}", name: "{{ name }}" } }
      - emit: lead.qualified
      - start: welcome
    else:
      - log: 其他来源
    priority: 5
    cooldown: 30d
  level-up:
    when: [{ changed: lead.level, from: [B, C], to: A }, erp.stored, "site.*"]
    then: [{ assign: { to: user:zhangsan } }]
    stop: true
    deliver: preview
"#;

const FLOWS: &str = r#"
flows:
  welcome:
    record: lead
    steps:
      - email: { template: welcome, to: "{{ email }}" }
      - wait: 2d
      - { id: second, if: is_empty(owner), email: { template: nurture, to: "{{ email }}" } }
      - log: "{{ steps.second.status }}"
"#;

fn good() -> Folder {
    Folder::new(&[("config.yaml", CONFIG), ("rules/sales.yaml", RULES), ("flows/nurture.yml", FLOWS), ("secret.txt", SECRET)])
}

#[test]
fn a_good_folder_becomes_definitions() {
    let loaded = good().loaded();
    let d = &loaded.definitions;
    assert_eq!(loaded.lang, Lang::Zh);
    assert_eq!(d.constants["hot_amount"], 50_000i64.into());
    assert_eq!(d.entities["customer"].key, "no");
    assert_eq!(d.entities["lead"].fields["customer"].kind, FieldKind::Ref("customer".into()));
    assert_eq!(d.entities["lead"].fields["id"].kind, FieldKind::Text);
    assert_eq!(d.teams["all"].members, ["wang"]);
    assert!(d.people["wang"].active);
    assert_eq!(d.templates["welcome"].languages.keys().collect::<Vec<_>>(), ["zh"]);
    assert_eq!(d.templates["nurture"].languages.len(), 2);

    let [welcome, level] = &d.rules[..] else { panic!() };
    assert_eq!(
        (welcome.id.as_str(), welcome.place.as_str(), welcome.priority),
        ("welcome-website-lead", "rules/sales.yaml:25", 5)
    );
    assert_eq!(welcome.when, [Trigger::Event("lead.created".into())]);
    let names: Vec<_> = welcome.then.iter().map(Action::name).collect();
    let all = ["tag", "assign", "set", "email", "email", "http", "dingtalk", "wecom", "notify", "create", "emit", "start"];
    assert_eq!(names, all);
    let Action::Assign(assign) = &welcome.then[1] else { panic!() };
    assert_eq!((&assign.to, assign.field.as_str()), (&AssignTo::Team("华东销售".into()), "owner"));
    let Action::Set(set) = &welcome.then[2] else { panic!() };
    assert_eq!(set["mobile"], Term::Value("013800138000".into()));
    assert!(matches!((&set["amount"], &set["name"]), (Term::Expr(e), Term::Template(_)) if e.source() == "amount * 0.5"));
    let Action::Email(mail) = &welcome.then[4] else { panic!() };
    assert_eq!((mail.connection.as_str(), mail.to.source()), ("mail", "boss@example.com, {{ owner.email }}"));
    let Action::Dingtalk(robot) = &welcome.then[6] else { panic!() };
    assert_eq!(robot.connection, "sales");
    assert_eq!(
        level.when[0],
        Trigger::Changed {
            entity: "lead".into(),
            field: "level".into(),
            from: vec!["B".into(), "C".into()],
            to: vec!["A".into()]
        }
    );
    assert_eq!((level.deliver, level.stop), (Deliver::Preview, true));

    let flow = &d.flows["welcome"];
    assert_eq!(flow.steps.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(), ["s1", "s2", "second", "s4"]);
    assert!(matches!(flow.steps[1].kind, StepKind::Wait(w) if w.to_string() == "2d"));
    assert_eq!(flow.hash.len(), 12);
    assert_eq!(d.hash.len(), 12);
    assert_eq!(d.index.rules("lead.created"), [0]);
    assert_eq!(d.index.rules("site.x"), [1]);
}

#[test]
fn a_good_config_becomes_settings() {
    use settings::{Ask, Connection, Delivery, SourceKind};
    let folder = good();
    let loaded = folder.loaded();
    let s = &loaded.settings;
    assert_eq!((s.listen.port(), s.limits.body, s.limits.items, s.allow_networks.len()), (0, 2_048, 1_000, 2));
    assert_eq!(s.data, folder.path().join("store"));
    assert_eq!(s.definitions, [folder.path().join("rules"), folder.path().join("flows")]);
    let SourceKind::Webhook(hook) = &s.sources["website"].kind else { panic!() };
    let hmac = hook.verify.hmac.as_ref().unwrap();
    assert_eq!((hmac.header.as_str(), hmac.prefix.as_str(), hmac.signed.as_str()), ("X-Hub-Signature-256", "sha256=", "{body}"));
    assert_eq!((hook.rate, hook.verify.bearer.len()), (Some(50), 1));
    let map = &s.sources["website"].map;
    assert_eq!(map.delivery, Some(Delivery::Header("X-Delivery".into())));
    assert_eq!(map.record.as_ref().unwrap().values["level"]["高"], "A");
    let SourceKind::Poll(poll) = &s.sources["erp"].kind else { panic!() };
    let Ask::Sqlite { file, .. } = &poll.ask;
    assert_eq!((file.clone(), poll.cursor.len(), poll.batch), (folder.path().join("erp.db"), 2, 500));
    assert_eq!(s.sources["erp"].map.delivery, Some(Delivery::Body(vec!["row.id".into()])));
    assert!(matches!(&s.connections["mail"], Connection::Smtp(m) if m.port == 2525 && m.login.is_some()));
    assert!(matches!(&s.connections["quiet"], Connection::Preview));
    assert!(matches!(&s.connections["http"], Connection::Http(h) if h.base.is_none()));
    let engine = &loaded.definitions.connections;
    assert_eq!(engine["sales"].rate.map(|r| r.count), Some(20));
    assert_eq!((engine["mail"].retry.len(), engine["erp"].retry.len(), engine["erp"].concurrency), (2, 6, 8));
    assert_eq!((engine["quiet"].kind, engine["quiet"].deliver), (ConnectionKind::Wecom, Deliver::Preview));
}

#[test]
fn secrets_are_never_shown() {
    use secrecy::ExposeSecret;
    let folder = good();
    let loaded = folder.loaded();
    let settings::Connection::Dingtalk(robot) = &loaded.settings.connections["sales"] else { panic!() };
    assert!(robot.url.expose_secret().ends_with("access_token=CANARY-7f3a"));
    let shown = format!("{:?} {:?} {:?}", loaded.settings, loaded.definitions, loaded.summary);
    assert!(!shown.contains("CANARY"), "{shown}");

    // Wrong values that came from a secret's file, and secrets written out, on lines that are shown.
    let broken = CONFIG.replace("port: 2525", "port: \"${file:secret.txt}\"").replace("rate: 100/1h", "rate: ${file:secret.txt}");
    let broken =
        broken.replace("keyword: 通知", "keyword: [x]").replace("password: \"${file:secret.txt}\"", "password: CANARY-literal");
    folder.write("config.yaml", &broken.replace("listen: 127.0.0.1:0", "listen: http://u:CANARY@host/"));
    let report = folder.load().unwrap_err();
    for lang in [Lang::En, Lang::Zh] {
        let text = format!("{}{}", report.render(lang, false), report.to_json(lang));
        assert!(!text.contains("CANARY") && text.contains("E090") && text.contains("E040"), "{text}");
    }
}

const SECRET: &str = "CANARY-7f3a\n";

#[test]
fn the_hash_is_over_what_decides() {
    let folder = good();
    let first = folder.loaded();
    assert_eq!(folder.loaded().definitions.hash, first.definitions.hash);
    folder.write("secret.txt", "another");
    folder.write("config.yaml", &CONFIG.replace("127.0.0.1:1/api", "127.0.0.1:2/api"));
    assert_eq!(folder.loaded().definitions.hash, first.definitions.hash, "addresses and secrets decide nothing");
    folder.write("config.yaml", &CONFIG.replace("hot_amount: 50000", "hot_amount: 50001"));
    assert_ne!(folder.loaded().definitions.hash, first.definitions.hash);
    folder.write("config.yaml", CONFIG);
    let rotated = diff(&first.summary, &folder.loaded().summary);
    assert!(rotated["connections"]["changed"].is_array(), "a secret that was rotated is a change: {rotated}");
    folder.write("secret.txt", SECRET);
    folder.write("rules/sales.yaml", &RULES.replace("cooldown: 30d", "cooldown: 31d # longer"));
    folder.write("flows/nurture.yml", &FLOWS.replace("wait: 2d", "wait:   2d # two days"));
    let next = folder.loaded();
    assert_ne!(next.definitions.hash, first.definitions.hash);
    assert_eq!(next.definitions.flows["welcome"].hash, first.definitions.flows["welcome"].hash, "a comment changes no flow");
    assert_eq!(diff(&first.summary, &next.summary), serde_json::json!({ "rules": { "changed": ["welcome-website-lead"] } }));
}

#[test]
fn without_an_environment_what_is_secret_is_not_looked_at() {
    let folder = good();
    std::fs::remove_file(folder.path().join("secret.txt")).unwrap();
    assert!(folder.load().unwrap_err().render(Lang::En, false).contains("E092"));
    let options = Options { environment: false, ..Options::default() };
    let loaded = load(&folder.path().join("config.yaml"), &options);
    assert!(loaded.is_ok(), "{}", loaded.unwrap_err().render(Lang::En, false));
}

#[test]
fn two_thousand_rules() {
    let mut text = String::from("entities:\n  lead: { fields: { amount: money, name: text } }\nrules:\n");
    for n in 0..2_000 {
        text += &format!(
            "  r{n}:\n    when: lead.created\n    if: amount > {n} and name == '客户'\n    then:\n      - tag: 大客户\n      - log: \"新线索 {{{{ name }}}}\"\n"
        );
    }
    let folder = Folder::new(&[("config.yaml", "lang: en\n"), ("rules/many.yaml", &text)]);
    let loaded = folder.loaded();
    assert_eq!(loaded.definitions.rules.len(), 2_000);
    assert_eq!(loaded.definitions.rules[1_999].place, "rules/many.yaml:11998");
}

#[test]
fn what_is_not_there_is_said() {
    let folder = Folder::new(&[]);
    let report = folder.load().unwrap_err();
    assert_eq!(report.problems[0].code(), "E007");
    assert_eq!(report.problems[0].position().0, 0);
    folder.write("config.yaml", "definitions: [nowhere]\n");
    assert_eq!(folder.load().unwrap_err().problems[0].code(), "E006");
    folder.write("config.yaml", "");
    assert!(folder.loaded().definitions.rules.is_empty());
    assert!(Path::new(&folder.loaded().settings.data).ends_with("data"));
}

#[test]
fn files_as_editors_leave_them() {
    let folder = good();
    folder.write("rules/sales.yaml", &format!("\u{feff}{}", RULES.replace('\n', "\r\n")));
    folder.write("rules/.hidden.yaml", "{{{");
    folder.write("rules/notes.txt", "{{{");
    assert_eq!(folder.loaded().definitions.rules[0].place, "rules/sales.yaml:25");
    // What may be in a file that cannot be read is not missed elsewhere.
    std::fs::write(folder.path().join("rules/sales.yaml"), b"rules:\n  a: \xc4\xe3\xba\xc3\n").unwrap();
    let codes: Vec<_> = folder.load().unwrap_err().problems.iter().map(|p| p.code()).collect();
    assert_eq!(codes, ["E003"]);
}

#[test]
#[cfg(unix)]
fn links_are_followed_once() {
    use std::os::unix::fs::symlink;
    let folder = good();
    symlink("../rules", folder.path().join("rules/loop")).unwrap();
    symlink(".", folder.path().join("rules/again")).unwrap();
    assert_eq!(folder.loaded().definitions.rules.len(), 2);
    symlink("nowhere.yaml", folder.path().join("rules/x.yaml")).unwrap();
    let report = folder.load().unwrap_err();
    let text = report.render(Lang::En, false);
    assert!(text.contains("error[E009]: the link to `nowhere.yaml`") && text.contains("rules/x.yaml\n"), "{text}");
    assert_eq!(report.problems.len(), 1, "{text}");
}

#[test]
fn what_is_on_preview_needs_no_secret() {
    let folder = good();
    let config =
        CONFIG.replace("ops: { wecom: { key: \"${file:secret.txt}\" } }", "ops: { wecom: { key: \"${env:NOT_THERE_AT_ALL}\" } }");
    folder.write("config.yaml", &config);
    assert_eq!(folder.load().unwrap_err().problems[0].code(), "E091");
    folder.write("config.yaml", &config.replace("NOT_THERE_AT_ALL}\" }", "NOT_THERE_AT_ALL}\" }, deliver: preview"));
    folder.loaded();
}

#[test]
fn the_language_is_the_files_then_the_locales() {
    let zh = Options { locale: Lang::of("zh_CN.UTF-8"), ..Options::default() };
    let en = Options { lang: Some(Lang::En), ..zh.clone() };
    for (config, options, expect) in
        [("log: text", &zh, Lang::Zh), ("lang: en", &zh, Lang::En), ("log: text", &en, Lang::En), ("lang: zh", &en, Lang::En)]
    {
        let folder = Folder::new(&[("config.yaml", config)]);
        assert_eq!(load(&folder.path().join("config.yaml"), options).unwrap().lang, expect, "{config}");
    }
}

#[test]
fn tests_are_checked_and_change_nothing_that_is_decided() {
    let folder = good();
    let before = folder.loaded();
    let tests = |steps: &str| format!("\n\ntests:\n  新线索:\n    steps:\n      - {{ {steps} }}\n");
    // At the end, in between, and in a file of their own.
    let good = tests("tell: { lead: { id: L1, level: A } }, expect: [ { assign: zhangsan } ]");
    folder.write("rules/sales.yaml", &format!("{RULES}{good}"));
    folder.write("flows/nurture.yml", &format!("\ntests: {{ other: {{ steps: [ {{ expect: nothing }} ] }} }}{FLOWS}"));
    folder.write("rules/tests.yaml", &good.replace("新线索", "第三个"));
    let after = folder.loaded();
    assert_eq!((after.tests.len(), before.tests.len()), (3, 0));
    assert_eq!(before.summary, after.summary);
    let test = after.tests.iter().find(|t| t.name == "新线索").unwrap();
    assert_eq!(test.steps[0].expect[0].place.to_string().rsplit('/').next(), Some("sales.yaml:57:59"));
    // What is wrong in them is told, and does not keep the daemon from its rules.
    folder.write(
        "rules/tests.yaml",
        &tests("expect: [ { assing: zhangsan } ], never: [ { rule: welcom } ]").replace("新线索", "第三个"),
    );
    let codes: Vec<_> = folder.load().unwrap_err().problems.iter().map(|p| p.code()).collect();
    assert_eq!(codes, ["E030", "E0C5"]);
    let daemon = Options { tests: false, ..Options::default() };
    assert_eq!(load(&folder.path().join("config.yaml"), &daemon).unwrap().summary, before.summary);
    // A rule behind the tests counts.
    folder.write("rules/tests.yaml", "");
    folder.write("rules/sales.yaml", &format!("{RULES}{good}\nflows: {{ more: {{ steps: [ {{ log: x }} ] }} }}\n"));
    assert_ne!(folder.loaded().definitions.hash, before.definitions.hash);
}

#[test]
fn tests_inside_a_rule_are_those_of_the_section() {
    let folder = good();
    let before = folder.loaded();
    let rule = |tests: &str| {
        format!(
            "\n\nrules:\n  first:\n    when: lead.created\n    then: [ {{ tag: 新 }} ]{tests}\n\n  second:\n    when: lead.created\n    then: [ {{ log: x }} ]\n"
        )
    };
    folder.write("rules/more.yaml", &rule(""));
    let without = folder.loaded();
    let tests = "\n    tests:\n      新线索:\n        steps:\n          - { tell: { lead: { id: L1 } }, expect: [ { tag: 新 }, { emit: nobody.says } ] }";
    folder.write("rules/more.yaml", &rule(tests).replace("{ emit: nobody.says }", "{ log: x }"));
    let with = folder.loaded();
    assert_eq!(with.summary.hash, without.summary.hash, "tests decide nothing");
    assert_ne!(with.summary.hash, before.summary.hash);
    let names: Vec<&str> = with.tests.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["first: 新线索"]);
    assert_eq!((with.definitions.rules.len(), with.tests[0].place.line), (without.definitions.rules.len(), 8));
    // What is wrong in them is told by `check`, and does not keep the daemon from its rules.
    folder.write("rules/more.yaml", &rule(tests).replace("tag: 新 }, {", "assing: 新 }, {"));
    assert!(!folder.load().unwrap_err().problems.is_empty());
    let daemon = Options { tests: false, ..Options::default() };
    assert_eq!(load(&folder.path().join("config.yaml"), &daemon).unwrap().summary, without.summary);
}

#[test]
fn slips_in_tests_are_told_at_their_place() {
    let check = |test: &str, expect: &str| {
        let folder = good();
        folder.write("rules/tests.yaml", &format!("tests:\n  t: {test}\n"));
        let problems = folder.load().err().map(|r| r.problems).unwrap_or_default();
        let got: Vec<_> = problems.iter().map(|p| format!("{} {}:{}", p.code(), p.position().0, p.position().1)).collect();
        assert_eq!(got.join(", "), expect, "{test}\n{problems:?}");
    };
    check("{ steps: [ { at: 2026-09-21 09:00, expect: [ rule ] }, { at: 2026-09-21 08:59 } ] }", "E0C0 2:67");
    check("{ steps: [ { at: 2026-09-21 09:00, after: 1d } ] }", "E0C1 2:48");
    check("{ steps: [ { at: yesterday } ] }", "E040 2:23");
    check("{ steps: [ { tell: { lead: { id: L1 }, customer: { no: C1 } } } ] }", "E0C2 2:25");
    check("{ steps: [ { tell: { lead: { name: 刘洋 } } } ] }", "E0C3 2:33");
    check("{ steps: [ { tell: { source: crm, lead: { id: L1, nam: 刘洋 } } } ] }", "E059 2:35");
    check("{ steps: [ { tell: { lead: { id: L1, nam: 刘洋, level: D, tags: [x] } } } ] }", "E051 2:43, E05I 2:59");
    check("{ steps: [ { post: { source: websit, body: {} } } ] }", "E059 2:35");
    check("{ steps: [ { event: { name: lead.created } } ] }", "E05D 2:34");
    check("{ given: { leed: { id: L1 } }, steps: [ { records: { L1: absent } } ] }", "E050 2:17, E0C4 2:59");
    check("{ steps: [ { expect: [ { rule: welcome }, { suppressed: welcome-website-led } ] } ] }", "E0C5 2:37, E0C6 2:62");
    check("{ steps: [ { times: 3, expect: nothing } ] }", "E0C7 2:26");
    check(
        "{ steps: [ { expect: [ { assign: { tom: wang } }, { email: x, tag: y }, { notify: 王芳 }, relase ] } ] }",
        "E030 2:41, E034 2:68, E052 2:88, E040 2:94",
    );
    check(
        "{ answers: [ { email: refused } ], steps: [ { never: [ { set: { levle: A } }, { create: { lead: { nmae: x } } } ] } ] }",
        "E040 2:28, E070 2:70, E051 2:104",
    );
    check("{ steps: [ { decide: { approve: 王五五, step: 经理 } } ] }", "E052 2:38, E0C8 2:49");
    check("{ steps: [ { decide: { transfer: { 王五五: 谁 }, to: x } } ] }", "E052 2:41");
    check("{ steps: [ { decide: { approve: x, reject: y } } ] }", "E052 2:38, E034 2:41");
    check("{ steps: [ { cancel: welcom } ] }", "E055 2:27");
    check(
        "{ steps: [ { never: [ { back: 修改 }, { approve: { step: 经理 } }, { escalate: 王五五 } ] } ] }",
        "E0C8 2:36, E0C8 2:61, E052 2:81",
    );
    check(
        "{ steps: [ { answers: [ { any: done, connection: mial } ], expect: [ { wecom: { robot: opps } } ] } ] }",
        "E056 2:55, E056 2:93",
    );
}

#[test]
fn calendars_take_from_their_base_what_they_do_not_say() {
    let text = "
calendars:
  CN: { base: CN, years: 2027, off: [2027-01-01..2027-01-03], work: [2026-12-26] }
  客服:
    base: CN
    hours: { 周一-周五: [09:00-12:00, 13:00-21:00], sat: 10:00-16:00 }
    work: { 2026-10-01..2026-10-02: [10:00-12:00], 2026-10-03: 周六 }
    off: 2026-09-30
  上门: { base: 客服, zone: Asia/Urumqi }
";
    let folder = Folder::new(&[("config.yaml", "lang: en\ncalendar: 客服\n"), ("rules/a.yaml", text)]);
    let d = folder.loaded().definitions;
    let calendar = |name: &str| d.calendar(Some(name)).unwrap();
    let hours = |name: &str, date: &str| {
        let hours = calendar(name).hours(date.parse().unwrap());
        hours.iter().map(|i| format!("{}-{}", i.from / 60, i.to / 60)).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(d.calendars.keys().collect::<Vec<_>>(), ["CN", "上门", "客服"]);
    assert_eq!((hours("CN", "2026-12-26").as_str(), hours("CN", "2027-01-01").as_str()), ("9-12 13-18", ""));
    assert_eq!(hours("CN", "2026-10-10"), "9-12 13-18", "the shipped days stay where it is based on itself");
    for (date, expect) in [
        ("2026-09-28", "9-12 13-21"),
        ("2026-10-10", "9-12 13-21"), // a make-up workday has this calendar's ordinary hours, not those of its Saturday
        ("2026-10-17", "10-16"),
        ("2026-10-01", "10-12"),
        ("2026-10-03", "10-16"),
        ("2026-10-05", ""),
        ("2026-09-30", ""),
        ("2026-12-26", "9-12 13-21"), // of our own CN
    ] {
        assert_eq!((hours("客服", date).as_str(), hours("上门", date).as_str()), (expect, expect), "{date}");
    }
    let zone = |name: &str| calendar(name).zone().iana_name().map(str::to_owned);
    assert_eq!((zone("客服").as_deref(), zone("上门").as_deref()), (Some("Asia/Shanghai"), Some("Asia/Urumqi")));
    assert_eq!(calendar("上门").covered().unwrap().iter().copied().collect::<Vec<_>>(), [2025, 2026, 2027]);
    assert_eq!(d.calendar, "客服");
}

#[test]
fn the_calendar_that_is_meant_where_none_is_named() {
    let usual = |config: &str, calendars: &str| {
        let rules = "entities: { lead: { fields: { name: text } } }\n";
        let folder = Folder::new(&[("config.yaml", config), ("rules/a.yaml", &format!("{rules}{calendars}"))]);
        match folder.load() {
            Ok(loaded) => {
                (loaded.definitions.calendar.clone(), loaded.definitions.calendars_used.into_iter().collect::<Vec<_>>().join(" "))
            }
            Err(report) => (report.problems.iter().map(Problem::code).collect(), report.render(Lang::En, false)),
        }
    };
    let of = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(usual("lang: en\n", ""), of("CN", ""));
    assert_eq!(usual("lang: en\n", "calendars: { 客服: { base: CN } }\n"), of("客服", "客服"));
    assert_eq!(usual("lang: en\n", "calendars: { CN: { base: CN }, 客服: { base: CN } }\n"), of("客服", "CN 客服"));
    let two = "calendars: { 客服: { base: CN }, 夜班: { base: CN, hours: 00:00-06:00 } }\n";
    assert_eq!(usual("calendar: 夜班\n", two), of("夜班", "夜班 客服"));
    let (code, text) = usual("lang: en\n", two);
    assert!(code == "E0DC" && text.contains("`calendar: 客服`"), "{text}");
    let many: String = (0..2_001).map(|_| "2026-01-01, ").collect();
    assert_eq!(usual("lang: en\n", &format!("calendars: {{ 客服: {{ base: CN, off: [{many}2026-01-02] }} }}\n")).0, "E0DE");
    let rule = "rules: { a: { when: lead.created, if: is_workday(), then: [ { log: x } ] } }\n";
    assert_eq!(usual("lang: en\n", rule), of("CN", "CN"), "what goes by a shipped calendar is noted");
    let flow = |wait: &str| format!("flows: {{ f: {{ when: lead.created, steps: [ {{ wait: {wait} }} ] }} }}\n");
    assert_eq!(usual("lang: en\n", &flow("8 working hours")), of("CN", "CN"));
    assert_eq!(usual("lang: en\n", &flow("8h")), of("CN", ""));
}

#[test]
fn another_usual_calendar_is_another_definition() {
    let two = "calendars: { 客服: { base: CN }, 夜班: { base: CN, hours: 00:00-06:00 } }\n";
    let folder = Folder::new(&[("config.yaml", "calendar: 客服\n"), ("rules/a.yaml", two)]);
    let first = folder.loaded();
    folder.write("config.yaml", "calendar: 夜班\n");
    assert_ne!(folder.loaded().definitions.hash, first.definitions.hash);
    folder.write("config.yaml", "calendar: 客服\n");
    folder.write("rules/a.yaml", &two.replace("06:00", "07:00"));
    let next = folder.loaded();
    assert_eq!(diff(&first.summary, &next.summary), serde_json::json!({ "calendars": { "changed": ["夜班"] } }));
}
