//! The command line as exact output: what a person and a program see, in both languages. Golden texts are in `tests/snapshots/`;
//! `INSTA_UPDATE=always cargo test --test cli` writes them anew.
#![allow(clippy::unwrap_used, reason = "a failure there is the test failing")]

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use ifthen::engine::call::{Call, CallId, Email, Request, Status};
use ifthen::engine::event::{Body, Cause, Draft, Event, RecordRef, Upsert};
use ifthen::engine::log::{Line, Outcome};
use ifthen::engine::record::{Record, Told};
use ifthen::engine::state::{Change, Entry, Key, TimerId, Wake};
use ifthen::engine::value::{Map, Value};
use ifthen::store::sqlite::{Options, Sqlite};
use ifthen::store::{Batch, Store as _};

/// A folder to run commands in.
struct Here(tempfile::TempDir);

impl Here {
    /// An empty one.
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With a small configuration.
    fn configured() -> Self {
        let here = Self::new();
        here.put("config.yaml", CONFIG);
        here.put("rules/leads.yaml", RULES);
        here
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ifthen"));
        command.args(line.split_whitespace()).current_dir(self.path()).env_clear().stdin(Stdio::null());
        command
    }

    /// Output and exit code of a command; what differs between two runs is masked.
    fn run(&self, line: &str) -> String {
        let out = self.command(line).output().unwrap();
        let mut text = format!("$ ifthen {line}\n{}", String::from_utf8(out.stdout).unwrap());
        let error = String::from_utf8(out.stderr).unwrap();
        if !error.is_empty() {
            text.push_str(&format!("-- stderr\n{error}"));
        }
        text.push_str(&format!("-- exit {}\n", out.status.code().unwrap()));
        assert!(!text.contains('\x1b'), "colours in a pipe: {text}");
        let folder = self.path().canonicalize().unwrap();
        text.replace(folder.to_str().unwrap(), "HERE").replace(self.path().to_str().unwrap(), "HERE")
    }

    fn all(&self, lines: &[&str]) -> String {
        lines.iter().map(|line| self.run(line)).collect::<Vec<_>>().join("\n")
    }
}

/// Masks what a pattern finds.
fn mask(text: &str, pattern: &str, with: &str) -> String {
    regex::Regex::new(pattern).unwrap().replace_all(text, with).into_owned()
}

const CONFIG: &str = "\
lang: zh
zone: Asia/Shanghai
sources:
  website:
    webhook: {}
    record: { entity: lead, fields: { id: id, name: 姓名, mobile: 手机 } }
connections:
  mail:
    smtp: { host: smtp.example.com, from: sales@example.com }
    deliver: preview
";

const RULES: &str = "\
entities:
  lead:
    fields: { id: text, name: text, mobile: { type: phone, country: CN } }
people:
  张三: { email: zhangsan@example.com, channels: [mail] }
teams:
  华东销售: [张三]
rules:
  welcome:
    when: lead.created
    if: not is_empty(name)
    then:
      - tag: 新线索
";

#[test]
fn help() {
    let here = Here::new();
    let commands = [
        "init",
        "run",
        "check",
        "add",
        "tail",
        "why",
        "events",
        "calls",
        "calls edit",
        "records",
        "schedule next",
        "functions",
        "schema",
        "backup",
        "restore",
        "doctor",
        "completions",
    ];
    let lines: Vec<String> = commands.iter().map(|c| format!("{c} --help")).collect();
    let mut all = vec!["--help"];
    all.extend(lines.iter().map(String::as_str));
    insta::assert_snapshot!("help", here.all(&all));
}

#[test]
fn check_tells_what_there_is_or_every_problem_in_both_languages() {
    let here = Here::configured();
    let good = here.all(&["check", "--lang en check", "check --json"]);
    here.put(
        "rules/wrong.yaml",
        "rules:\n  错的规则:\n    when: lead.created\n    if: nmae == '刘洋' and moblie != 'x'\n    then: [ { tga: 1 } ]\n",
    );
    let bad = here.all(&["check", "--lang en check", "check --json", "-c none.yaml check"]);
    insta::assert_snapshot!("check", mask(&format!("{good}\n{bad}"), "[0-9a-f]{12}", "HASH"));
}

#[test]
fn what_the_environment_lacks_can_be_left_aside() {
    let here = Here::configured();
    let hmac = "verify: { hmac: { secret: \"${env:IFTHEN_TEST_NONE}\", header: X-Signature } }";
    here.put("config.yaml", &CONFIG.replace("webhook: {}", &format!("webhook: {{ {hmac} }}")));
    assert!(here.run("check").ends_with("-- exit 1\n"));
    assert!(here.run("check --no-environment").ends_with("-- exit 0\n"));
}

#[test]
fn the_shipped_schemas_are_fresh_and_a_stale_one_is_found() {
    let here = Here::new();
    for of in ["definitions", "config"] {
        let file = here.path().join("schema.json");
        let schema = here.command(&format!("schema {of}")).output().unwrap().stdout;
        std::fs::write(&file, &schema).unwrap();
        assert!(here.run(&format!("schema {of} --check schema.json")).ends_with("-- exit 0\n"));
        std::fs::write(&file, b"{}\n").unwrap();
        assert!(here.run(&format!("schema {of} --check schema.json")).ends_with("-- exit 1\n"));
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/schema/{of}.json"));
        if shipped.exists() {
            assert_eq!(std::fs::read(shipped).unwrap(), schema, "write it anew: ifthen schema {of} > examples/schema/{of}.json");
        }
    }
}

#[test]
fn functions_are_told_in_both_languages_and_their_page_is_fresh() {
    let here = Here::new();
    insta::assert_snapshot!(
        "functions",
        here.all(&["functions round", "--lang zh functions 四舍五入", "functions --json money"])
    );
    assert!(here.run("functions nothing-like-it").ends_with("-- exit 1\n"));
    let page = here.command("functions --markdown").output().unwrap().stdout;
    here.put("functions.md", std::str::from_utf8(&page).unwrap());
    assert!(here.run("functions --check functions.md").ends_with("-- exit 0\n"));
    here.put("functions.md", "# stale\n");
    assert!(here.run("functions --check functions.md").ends_with("-- exit 1\n"));
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/functions.md");
    assert_eq!(std::fs::read(shipped).unwrap(), page, "write it anew: ifthen functions --markdown > examples/functions.md");
}

#[test]
fn init_writes_what_compiles_and_never_overwrites() {
    let here = Here::new();
    let first = here.run("init 新项目");
    assert!(first.ends_with("-- exit 0\n"), "{first}");
    let folder = here.path().join("新项目");
    let checked = here.command("check").current_dir(&folder).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    let before = std::fs::read(folder.join("config.yaml")).unwrap();
    let again = here.run("init 新项目");
    assert!(again.ends_with("-- exit 1\n") && again.contains("config.yaml"), "{again}");
    assert_eq!(std::fs::read(folder.join("config.yaml")).unwrap(), before);
    assert!(!String::from_utf8(before).unwrap().contains("yaml-language-server"));
}

const FORM: &str = r#"{"姓名":"刘洋","手机":"138 0013-8000","邮箱":" LiuYang@Example.COM ","城市":"上海","意向车型":"Model Y",
 "预算":"￥250,000","接受回访":"是","提交时间":"2026-11-21 09:00:00","备注":""}"#;

const CRM: &str = r#"{"event_id":"evt_01","type":"opportunity.updated","occurred_at":"2026-11-21T01:00:00Z","workspace_id":"w1",
 "data":{"opportunity":{"id":"0061","name":"上海智造 MES","stage":"已发送报价","amount":{"value":880000.50,"currency":"CNY"},
 "discountRate":0.22,"closeDate":"2026-12-31","isVip":true,"owner":{"id":"u7","email":"zhangsan@example.com"},
 "company":{"name":"上海智造","phone":"021-62345678"},"tags":["重点"],"updatedAt":"2026-11-21T00:59:58Z","contacts":[{"name":"x"}]}}}"#;

#[test]
fn add_drafts_from_real_payloads_and_shows_what_they_would_do() {
    let here = Here::configured();
    here.put("form.json", FORM);
    here.put("crm.json", CRM);
    let drafts = here.all(&[
        "add --from form.json --entity prospect",
        "--lang en add --from crm.json",
        "add --from form.json", // lead is there, and known by an id that no form has
        "add --from form.json --name website",
    ]);
    insta::assert_snapshot!("add", mask(&drafts, r"\d\d-\d\d \d\d:\d\d:\d\d", "MM-DD hh:mm:ss"));
    assert!(!here.path().join("rules/prospect.yaml").exists());
}

#[test]
fn add_writes_a_new_file_that_compiles_with_its_source() {
    let here = Here::configured();
    here.put("form.json", FORM);
    assert!(here.run("add --from form.json --entity prospect --write").ends_with("-- exit 0\n"));
    let mine = here.put("rules/ticket.yaml", "constants: { mine: 1 }\n");
    assert!(here.run("add --from form.json --entity ticket --write --name other").ends_with("-- exit 1\n"));
    assert_eq!(std::fs::read_to_string(mine).unwrap(), "constants: { mine: 1 }\n");
    let again = here.run("add --from form.json --entity ticket --write --name other");
    assert_eq!(again.matches("  other:\n    webhook: {}").count(), 2, "{again}");
    let source = "  form:\n    webhook: {}\n    record: { entity: prospect, fields: { name: 姓名, mobile: 手机 } }\n";
    here.put("config.yaml", &CONFIG.replace("connections:", &format!("{source}connections:")));
    assert!(here.run("check").ends_with("-- exit 0\n"));
    // In a folder with nothing at all, from standard input.
    let empty = Here::new();
    let mut child = empty.command("add --from -").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(FORM.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success() && String::from_utf8(out.stdout).unwrap().contains("sources:\n  inbox:"));
}

/// A store with a lead, what was done about it, and two calls.
fn filled() -> Here {
    let here = Here::configured();
    let mut store = Sqlite::open(&here.path().join("data/ifthen.db"), Options::default()).unwrap();
    let (events, log) = (events(), log());
    let fields = Map::from([("id".into(), "刘洋".into()), ("name".into(), "刘洋".into()), ("amount".into(), 120_000i64.into())]);
    let told = Told {
        fields: Map::from([("name".into(), "刘 洋".into()), ("id".into(), "刘洋".into())]),
        at: Some(at(0)),
        ..Told::default()
    };
    let tags = [String::from("官网")].into();
    let told = [("website".to_owned(), Arc::new(told))].into();
    let record = Record { fields, tags, told, created: at(0), changed: at(1), ..Record::default() };
    let change = |key, entry| (2, Change { key, entry: Some(Arc::new(entry)) });
    let mut changes = vec![change(Key::Record(lead()), Entry::Record(Arc::new(record)))];
    for (n, status, error) in [(1, Status::Dead, Some("550 no such user")), (2, Status::Queued, None)] {
        let call = call(n, status, error);
        changes.push(change(Key::Call(call.id), Entry::Call(call)));
    }
    store.commit(&Batch { definitions: "0123456789ab".into(), events, changes, log }).unwrap();
    here
}

fn at(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(1_789_970_602 + second).unwrap() // 2026-09-21 14:03:22 in Shanghai
}

fn lead() -> RecordRef {
    RecordRef { entity: "lead".into(), id: "刘洋".into() }
}

fn events() -> Vec<Event> {
    let data = Value::from([("姓名", "刘洋\u{1b}[31m".into()), ("预算", "120,000".into())]);
    let upsert = Some(Upsert { record: lead(), fields: Map::new(), at: None });
    let posted = Draft {
        origin: "website".into(),
        delivery: Some("d-1".into()),
        record: Some(lead()),
        ..Draft::own("website.form", at(0), Body::Happened { data, upsert })
    };
    let cause = Some(Cause { seq: 1, depth: 1, by: "website".into() });
    let created =
        Draft { record: Some(lead()), cause, ..Draft::own("lead.created", at(0), Body::Created { by: "website".into() }) };
    let started = Draft::own("ifthen.call.start", at(1), Body::Start(vec![CallId { seq: 2, n: 1 }]));
    vec![posted.event(1), created.event(2), started.event(3)]
}

fn call(n: u32, status: Status, error: Option<&str>) -> Call {
    let mail = Email {
        to: format!("user{n}@example.com"),
        subject: "刘洋,欢迎".into(),
        text: "您好:\n第一行\n".into(),
        html: None,
        marketing: false,
        track: false,
    };
    Call {
        unknown: false,
        id: CallId { seq: 2, n },
        connection: "mail".into(),
        lane: String::new(),
        record: Some(lead()),
        by: "rule:welcome".into(),
        run: None,
        emit: None,
        request: Request::Email(mail),
        generation: 0,
        depth: 0,
        tried: true,
        urgent: false,
        markers: Vec::new(),
        own: None,
        carries: Vec::new(),
        status,
        attempt: 1,
        due: at(60),
        error: error.map(str::to_owned),
        retry: Vec::new(),
        exact: false,
        beside: false,
        cancelled: false,
    }
}

fn log() -> Vec<Line> {
    use Outcome::{Dead, Done, Failed, Fired, Retrying, Suppressed};
    let mail = Value::from([("to", "liuyang@example.com".into()), ("subject", "刘洋,欢迎".into()), ("reason", "preview".into())]);
    let assigned =
        Value::from([("to", "zs".into()), ("name", "张三".into()), ("team", "华东销售".into()), ("from", Value::Null)]);
    let retrying =
        Value::from([("error", "421 busy".into()), ("next", at(60).into()), ("call", "c2-1".into()), ("attempt", 1u64.into())]);
    let dead = Value::from([("error", "550 no such user".into()), ("call", "c2-1".into()), ("attempt", 2u64.into())]);
    let unevaluable = Value::from([("reason", "unevaluable".into()), ("error", "amount is missing".into())]);
    let said = Value::from([("text", "一\n二\u{1b}[2J".into())]);
    let lines = [
        (1, None, "record", Done, Value::from([("created", true.into())])),
        (2, Some("欢迎官网线索"), "rule", Fired, Value::Map(Map::new())),
        (2, Some("欢迎官网线索"), "assign", Done, assigned),
        (2, Some("欢迎官网线索"), "email", Suppressed, mail),
        (2, Some("grade"), "rule", Failed, unevaluable),
        (2, Some("grade"), "log", Done, said),
        (3, Some("welcome"), "email", Retrying, retrying),
        (3, Some("welcome"), "email", Dead, dead),
    ];
    let line = |(n, (event, rule, action, outcome, detail)): (usize, (u64, Option<&str>, &str, Outcome, Value))| Line {
        seq: n as u64 + 1,
        at: at(n as i64),
        event,
        rule: rule.map(str::to_owned),
        flow: None,
        run: None,
        record: Some(lead()),
        action: action.into(),
        outcome,
        detail,
    };
    lines.into_iter().enumerate().map(line).collect()
}

#[test]
fn the_log_for_people_and_for_programs() {
    let here = filled();
    insta::assert_snapshot!(
        "tail",
        here.all(&[
            "tail",
            "--lang en tail -n 3",
            "tail --json -n 2",
            "tail --rule grade --outcome failed",
            "tail --outcome 死信 --record 刘洋",
            "tail --event e1",
            "tail --since 2026-09-21T14:03:29",
            "tail --outcome nonsense",
            "tail --since yesterday",
        ])
    );
}

#[test]
fn events_records_and_calls() {
    let here = filled();
    insta::assert_snapshot!(
        "lists",
        here.all(&[
            "events",
            "events --all --name ifthen.* --json",
            "events show e1",
            "events show e9",
            "records lead",
            "records deal",
            "--lang en records show lead/刘洋",
            "records show lead/刘洋 --as-of e1",
            "calls",
            "--lang en calls list --dead",
            "calls show c2-1",
            "calls show c9-9",
            "calls retry c2-1",
            "--lang en calls discard c2-1",
        ])
    );
}

const TIMES: &str = "\
rules:
  夜间核对:
    when: { cron: 30 2 * * *, zone: Europe/Berlin }
    then: [ { log: x } ]
  周报:
    when: { cron: 0 9 * * 1 }
    then: [ { log: x } ]
  超时回收:
    when: { record: lead, while: not is_empty(name), for: 24h }
    then: [ { tag: 回收 } ]
";

#[test]
fn what_is_to_come() {
    let here = Here::configured();
    here.put("rules/times.yaml", TIMES);
    let ticks = here.all(&[
        "schedule next --from 2026-03-27T12:00:00Z --count 4",
        "--lang en schedule next --from 2026-10-24T12:00:00Z --until 3d",
        "schedule next 周报 --from 2026-10-24T12:00:00Z --count 1 --json",
        "schedule next 超时回收",
        "schedule next 没有",
    ]);
    let mut store = Sqlite::open(&here.path().join("data/ifthen.db"), Options::default()).unwrap();
    let timer = |due: i64, event: &str, record: &str| {
        let record = RecordRef { entity: "lead".into(), id: record.into() };
        let wake = Wake::Armed { schedule: event.into(), record, warn: false };
        Change { key: Key::Timer(TimerId { due, seq: 1, n: 1 }), entry: Some(Arc::new(Entry::Timer(wake))) }
    };
    let tick = Wake::Tick("ifthen.cron.周报".into());
    let changes = vec![
        timer(1_790_000_000_000, "ifthen.held.超时回收", "刘洋"),
        timer(1_790_000_060_000, "ifthen.held.已删除", "L2"),
        Change { key: Key::Timer(TimerId { due: 1, seq: 1, n: 1 }), entry: Some(Arc::new(Entry::Timer(tick))) },
        timer(1_790_000_120_000, "ifthen.held.超时回收", "L3"),
    ];
    let changes = changes.into_iter().map(|change| (2, change)).collect();
    store.commit(&Batch { definitions: "0123456789ab".into(), events: events(), changes, log: vec![] }).unwrap();
    drop(store);
    let waiting = here.all(&[
        "schedule next --from 2026-10-24T12:00:00Z --count 1",
        "--lang en schedule next 超时回收",
        "schedule next 超时回收 --count 1 --json",
        "schedule next 超时回收 --until 2026-09-01",
    ]);
    insta::assert_snapshot!("schedule", format!("{ticks}\n{waiting}"));
}

#[test]
fn without_a_store_or_a_configuration_the_words_are_kind() {
    let here = Here::new();
    let none = here.all(&["tail", "--lang zh tail", "calls"]);
    let here = Here::configured();
    let empty =
        here.all(&["tail", "--lang en records lead", "backup x.db", "restore x.db", "--lang en doctor --offline --quiet"]);
    insta::assert_snapshot!("nothing", format!("{none}\n{empty}"));
}

#[test]
fn a_backup_restores_equal() {
    let here = filled();
    let report = |text: String| text.lines().find(|l| l.starts_with('{')).unwrap().to_owned();
    let digests = |json: &str| {
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        (json["history"].clone(), json["state"].clone(), json["events"].clone())
    };
    let saved = report(here.run("backup copy.db --json"));
    assert!(here.run("backup copy.db").ends_with("-- exit 1\n"));
    assert!(here.run("restore copy.db").ends_with("-- exit 1\n"), "there is a store");
    let other = Here::configured();
    std::fs::copy(here.path().join("copy.db"), other.path().join("copy.db")).unwrap();
    let restored = report(other.run("restore copy.db --json"));
    assert_eq!(digests(&saved), digests(&restored));
    assert!(here.run("restore copy.db --force").ends_with("-- exit 0\n"));
    // A daemon holds the store.
    let _held = Sqlite::open(&here.path().join("data/ifthen.db"), Options::default()).unwrap();
    let refused = here.run("restore copy.db --force");
    assert!(refused.ends_with("-- exit 1\n") && refused.contains("另一个 ifthen(进程"), "{refused}");
}

#[test]
fn doctor_lists_what_to_do() {
    let here = filled();
    let text = here.run("doctor --offline --quiet");
    insta::assert_snapshot!("doctor", mask(&mask(&text, r"剩余 [^,\n]*", "剩余 N"), "fsync.*", "fsync …"));
}

#[test]
fn a_damaged_backup_is_told_from_a_damaged_store() {
    let here = filled();
    let bad = here.put("bad.db", "no database at all");
    let store = std::fs::read(here.path().join("data/ifthen.db")).unwrap();
    let zh = here.run("restore bad.db --force");
    assert!(zh.ends_with("-- exit 1\n") && zh.contains("备份文件 bad.db 无法使用") && zh.contains("未被改动"), "{zh}");
    let en = here.run("--lang en restore bad.db --force");
    assert!(en.contains("the backup bad.db cannot be used") && !en.contains("the store is damaged"), "{en}");
    assert_eq!(std::fs::read(here.path().join("data/ifthen.db")).unwrap(), store);
    drop(bad);
}

#[test]
fn doctor_asks_polled_sources_and_leaves_their_cursor_alone() {
    let here = filled();
    let poll = "  erp:\n    poll: { sqlite: erp.db, query: SELECT id FROM leads, cursor: [id] }\n";
    here.put("config.yaml", &CONFIG.replace("connections:", &format!("{poll}connections:")));
    let none = here.run("--lang en doctor --offline --quiet");
    assert!(none.contains("✗ erp") && none.contains("source erp: see that"), "{none}");
    let db = rusqlite::Connection::open(here.path().join("erp.db")).unwrap();
    db.execute_batch("CREATE TABLE leads (id INTEGER PRIMARY KEY); INSERT INTO leads VALUES (1), (2)").unwrap();
    for _ in 0..2 {
        let well = here.run("--lang en doctor --offline");
        assert!(well.contains("✓ erp") && well.contains("2 rows wait") && well.contains("last 24 h"), "{well}");
    }
}

/// `tail -f | head -1` on a log in which nothing happens any more.
#[test]
fn a_follower_ends_with_its_reader() {
    let here = filled();
    let mut child = here.command("tail -f --json").stdout(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 10]).unwrap();
    drop(out);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Killed when the test ends, however it ends: a follower would outlive a test that fails.
struct Follower(std::process::Child);

impl Drop for Follower {
    fn drop(&mut self) {
        drop(self.0.kill()); // it may have ended
        drop(self.0.wait());
    }
}

/// Follows the log of a folder; every line comes out as it is committed, nothing is waited for but the line itself.
#[test]
fn following_the_log() {
    let here = filled();
    let mut child = Follower(here.command("tail -f -n 1 --json").stdout(Stdio::piped()).spawn().unwrap());
    let mut out = std::io::BufReader::new(child.0.stdout.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut out, &mut line).unwrap();
        serde_json::from_str::<serde_json::Value>(&line).unwrap()["seq"].as_u64().unwrap()
    };
    assert_eq!(next(), 8);
    for seq in 9..12 {
        let mut store = Sqlite::open(&here.path().join("data/ifthen.db"), Options::default()).unwrap();
        let line = Line { seq, ..log().pop().unwrap() };
        store.commit(&Batch { definitions: "0123456789ab".into(), log: vec![line], ..Batch::default() }).unwrap();
        assert_eq!(next(), seq);
    }
}

#[test]
fn a_reader_who_has_gone_is_no_error() {
    let here = filled();
    for line in ["tail", "tail -f", "completions bash", "schema", "events"] {
        let mut child = here.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut error = String::new();
        child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        assert_eq!((child.wait().unwrap().code(), error.as_str()), (Some(0), ""), "{line}");
    }
}
