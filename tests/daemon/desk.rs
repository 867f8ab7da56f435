//! A quote that waits for 何经理 and 郑: a folder, a store in which their task is open and its mails are on their way, and a browser
//! of few words that keeps cookies and fills in forms.

use std::collections::BTreeMap;
use std::sync::Arc;

use ifthen::config;
use ifthen::engine::approval::{Marker, Task, TaskId};
use ifthen::engine::call::{Call, CallId};
use ifthen::engine::event::{Body, Draft, RecordRef};
use ifthen::engine::flow::Run;
use ifthen::engine::link::Key as LinkKey;
use ifthen::engine::record::Record;
use ifthen::engine::state::{Change, Entry, Key};
use ifthen::engine::value::Value;
use ifthen::store::sqlite::{Options, Sqlite};
use ifthen::store::{Batch, Read as _, Store as _};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::harness::{Client, Daemon, Folder};
use super::standin::Smtp;
use super::standin::smtp::Received;

pub const DEFINITIONS: &str = "
entities:
  quote:
    title: 报价
    key: no
    fields: { no: text, 客户: text, amount: money, discount: percent, owner: person, 报价单: text, note: text, valid: date }
people:
  张三: { email: zhang@example.com, channels: [mail], manager: 何经理 }
  何经理: { email: he@example.com, channels: [mail] }
  郑: { email: zheng@example.com, channels: [mail], roles: [finance] }
  冯: { email: feng@example.com, channels: [mail] }
  群里的人: { wecom: qun }
forms:
  quote-revision:
    title: 修改报价
    fields:
      discount: { type: percent, label: 折扣, required: true }
      valid: { type: date, label: 有效期至 }
      note: text
flows:
  quote-approval:
    title: 报价审批
    when: quote.submitted
    record: quote
    initiator: owner
    steps:
      - id: manager
        title: 部门审批
        approve: { who: ['user:何经理', 'user:郑'], mode: all }
        within: 3d
        late: { decide: reject }
        rejected: { back_to: revise }
      - id: finance
        title: 财务审批
        approve: role:finance
      - email: { connection: mail, to: customer@example.com, subject: 报价, text: 您好 }
      - end: approved
    asides:
      revise:
        - id: ask
          ask: { who: owner, form: quote-revision, set: true }
        - back_to: { step: start }
";

/// The task of the fixture.
pub const TASK: TaskId = TaskId { seq: 1, n: 1 };

/// Everything there is before the daemon starts, and the mail server that it sends to.
pub struct Desk {
    pub folder: Folder,
    pub smtp: Smtp,
}

impl Desk {
    /// `more` changes the task before it is stored.
    pub fn new(more: impl FnOnce(&mut Task)) -> Self {
        Self::with("", more)
    }

    /// The same, with more in config.yaml.
    pub fn with(config: &str, more: impl FnOnce(&mut Task)) -> Self {
        let smtp = Smtp::start();
        let config = format!(
            "{config}sources:\n  crm: {{ webhook: {{}} }}\nconnections:\n  mail: {{ smtp: {{ host: 127.0.0.1, port: {}, security: none, from: a@example.com }}, retry: [1s] }}\n",
            smtp.server.address().port()
        );
        let folder = Folder::new(&[("config.yaml", &config), ("rules/a.yaml", DEFINITIONS)]);
        store(&folder, more);
        Self { folder, smtp }
    }

    /// The link that a person was mailed (`he` for `he@example.com`), as a path.
    pub fn link(&self, person: &str) -> String {
        let mail = self.mail(person, |m| m.text().contains("/t/"));
        let text = mail.text();
        let at = text.find("/t/").unwrap_or_else(|| panic!("no link in {text}"));
        text[at..].split_whitespace().next().unwrap().to_owned()
    }

    /// The messages with codes that a person got so far.
    pub fn codes(&self, person: &str) -> Vec<Received> {
        let to = format!("{person}@example.com");
        self.smtp.received.all().into_iter().filter(|m| m.to == [to.clone()] && m.text().contains("验证码:")).collect()
    }

    /// The last code that a person was mailed, once there are so many.
    pub fn code(&self, person: &str, count: usize) -> String {
        let all = super::harness::wait("a code", || Some(self.codes(person)).filter(|all| all.len() >= count));
        let code: String = all[count - 1].text().split("验证码:").nth(1).unwrap().chars().take(6).collect();
        assert!(code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()), "{code}");
        code
    }

    /// The key by which the daemon signs; the folder has one once it has been started.
    pub fn key(&self) -> LinkKey {
        let text = std::fs::read_to_string(self.folder.path("data/links")).unwrap();
        let mut bytes = [0; 32];
        for (n, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * n..2 * n + 2], 16).unwrap();
        }
        LinkKey::new(bytes)
    }

    /// The task as it is on disk.
    pub fn task(&self, daemon: &Daemon) -> Task {
        match daemon.reader().load(&Key::Task(TASK)).unwrap().as_deref() {
            Some(Entry::Task(task)) => task.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn mail(&self, person: &str, is: impl Fn(&Received) -> bool) -> Received {
        let to = format!("{person}@example.com");
        super::harness::wait("a mail", || self.smtp.received.all().into_iter().find(|m| m.to == [to.clone()] && is(m)))
    }
}

fn store(folder: &Folder, more: impl FnOnce(&mut Task)) {
    let loaded = config::load(&folder.path("config.yaml"), &config::Options::default());
    let loaded = loaded.unwrap_or_else(|r| panic!("{}", r.render(r.lang, false)));
    let flow = Arc::clone(&loaded.definitions.flows["quote-approval"]);
    let now = Timestamp::now();
    let quote = RecordRef { entity: "quote".into(), id: "Q-2026-1".into() };
    let mut task = task(now);
    more(&mut task);
    let run: Run = serde_json::from_value(json!({
        "id": "r1-1", "flow": "quote-approval", "graph": flow.hash, "record": quote, "initiator": "张三", "started": now,
        "strands": { "0": { "at": 0, "waits": [ { "task": TASK } ], "since": now } }, "next": 1, "round": 1,
    }))
    .unwrap();
    let fields = [
        ("no", "Q-2026-1".into()),
        ("客户", "上海智造 <script>alert(1)</script>".into()),
        ("amount", Value::Number(880_000.into())),
        ("discount", Value::Number("0.22".parse().unwrap())),
        ("owner", "张三".into()),
        ("报价单", "https://files.example.com/Q-2026-1.pdf".into()),
    ];
    let fields = fields.into_iter().map(|(k, v): (&str, Value)| (k.to_owned(), v)).collect();
    let record = Record { fields, ..Record::default() };
    let mut changes = vec![
        (Key::Task(TASK), Entry::Task(task.clone())),
        (Key::Run(run.id.clone()), Entry::Run(run)),
        (Key::Graph(flow.hash.clone()), Entry::Graph(flow)),
        (Key::Record(quote), Entry::Record(Arc::new(record))),
    ];
    for (n, seat) in (1..).zip(&task.seats) {
        let marker = Marker::link(&task, &seat.person, now);
        let address = loaded.definitions.people[&seat.person].email.clone().unwrap_or_else(|| "nobody@example.com".into());
        let call: Call = serde_json::from_value(json!({
            "id": format!("c1-{n}"), "connection": "mail", "lane": address, "by": "flow:quote-approval/manager", "markers": [marker],
            "request": { "email": { "to": address, "subject": "请审批:报价 Q-2026-1", "text": format!("请审批\n{marker}\n") } },
            "status": "queued", "attempt": 0, "due": now, "retry": ["1s"],
        }))
        .unwrap();
        changes.push((Key::Call(CallId { seq: 1, n }), Entry::Call(call)));
    }
    let change = |(key, entry)| (1, Change { key, entry: Some(Arc::new(entry)) });
    let told = Draft::own("fixture", now, Body::Happened { data: Value::Null, upsert: None }).event(1);
    let batch =
        Batch { definitions: String::new(), events: vec![told], changes: changes.into_iter().map(change).collect(), log: vec![] };
    std::fs::create_dir_all(folder.path("data")).unwrap();
    Sqlite::open(&folder.path("data/ifthen.db"), Options::default()).unwrap().commit(&batch).unwrap();
}

fn task(now: Timestamp) -> Task {
    let seat = |person: &str| json!({ "person": person, "state": "open", "why": "named", "since": now, "told": 1 });
    serde_json::from_value(json!({
        "id": TASK, "run": "r1-1", "strand": 0, "flow": "quote-approval", "step": "manager", "round": 1,
        "record": { "entity": "quote", "id": "Q-2026-1" }, "initiator": "张三", "subject": "报价 Q-2026-1 请您审批",
        "text": "老客户续约,客户要求本周内答复。", "show": ["no", "客户", "amount", "discount", "owner", "报价单"],
        "links": [["报价单 v1.pdf", "https://files.example.com/Q-2026-1-v1.pdf"]],
        "mode": { "all": { "need": null, "veto": false } }, "seats": [seat("何经理"), seat("郑")], "opened": now,
        "due": now.saturating_add(SignedDuration::from_hours(72)).unwrap(),
    }))
    .unwrap()
}

/// What came back for a page.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub text: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }

    /// Fails unless all of it stands on the page.
    pub fn says(&self, texts: &[&str]) -> &Self {
        for text in texts {
            assert!(self.text.contains(text), "`{text}` is not on the page ({}):\n{}", self.status, body(&self.text));
        }
        self
    }

    /// Fails if any of it does.
    pub fn hides(&self, texts: &[&str]) -> &Self {
        for text in texts {
            assert!(!self.text.contains(text), "`{text}` is on the page ({}):\n{}", self.status, body(&self.text));
        }
        self
    }

    /// What its forms bring back.
    pub fn form(&self) -> String {
        let value = self.text.split("name=\"form\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        value.unwrap_or_else(|| panic!("no form on the page:\n{}", body(&self.text))).to_owned()
    }
}

fn body(html: &str) -> &str {
    html.split("</head>").nth(1).unwrap_or(html)
}

/// A phone: keeps cookies, follows where a form leads.
pub struct Phone {
    client: Client,
    cookies: BTreeMap<String, String>,
    /// By link, what its last form brought.
    forms: BTreeMap<String, String>,
    pub language: &'static str,
}

impl Phone {
    pub fn new(daemon: &Daemon) -> Self {
        Self { client: daemon.client(), cookies: BTreeMap::new(), forms: BTreeMap::new(), language: "zh-CN" }
    }

    /// The same phone, after the daemon was started again elsewhere.
    pub fn moved(self, daemon: &Daemon) -> Self {
        Self { client: daemon.client(), ..self }
    }

    pub fn get(&mut self, path: &str) -> Answer {
        let page = self.send("GET", path, &[], "");
        if page.text.contains("name=\"form\"") {
            self.forms.insert(path.to_owned(), page.form());
        }
        page
    }

    /// Posts a form as a browser does; follows where it leads.
    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let answer = self.post_from("http://ifthen", path, fields); // the host that the client says
        if answer.status != 303 {
            return answer;
        }
        let place = answer.header("location").to_owned();
        assert!(!place.contains('/'), "a place of its own folder: {place}");
        self.get(&format!("/t/{place}"))
    }

    /// Opens the page and posts with what its form brings.
    pub fn act(&mut self, path: &str, what: &str, fields: &[(&str, &str)]) -> Answer {
        let form = self.get(path).form();
        let mut all = vec![("form", form.as_str()), ("what", what)];
        all.extend(fields);
        self.post(path, &all)
    }

    /// The same from another site.
    pub fn post_from(&mut self, origin: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("origin", origin)];
        self.send("POST", path, &headers, &body)
    }

    pub fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let cookies: Vec<String> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let cookies = cookies.join("; ");
        let mut all = vec![("accept-language", self.language), ("cookie", cookies.as_str())];
        all.extend(headers);
        let (status, headers, text) = self.client.exchange(method, path, &all, body.as_bytes()).unwrap();
        for (_, value) in headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, rest) = value.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), rest.split(';').next().unwrap().to_owned());
        }
        Answer { status, headers, text: text.replace("&#x2f;", "/") }
    }

    /// Has a code sent and gives it.
    pub fn prove(&mut self, desk: &Desk, person: &str, path: &str) -> Answer {
        let before = desk.codes(person).len();
        self.act(path, "code", &[]).says(&["验证"]);
        let code = desk.code(person, before + 1);
        self.act(path, "prove", &[("code", &code)])
    }

    /// What a form of that link brought when there was one.
    pub fn former(&self, link: &str) -> String {
        self.forms.get(link).cloned().unwrap_or_default()
    }

    /// What the phone keeps.
    pub fn cookie(&self) -> String {
        self.cookies.values().next().cloned().unwrap_or_default()
    }
}
