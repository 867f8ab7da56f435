//! An order on its way through sixteen steps, a service that answers it, and a client that repeats under the same delivery: until it
//! is acknowledged, and once more after every restart.

use std::sync::Arc;

use ifthen::engine::call::CallId;
use ifthen::engine::flow::{Run, Wait};
use ifthen::engine::log::Outcome;
use ifthen::engine::state::{Entry, prefix};
use ifthen::store::sqlite::Reader;
use ifthen::store::{Filter, Read as _};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::harness::{Client, Daemon, Folder, wait};
use crate::standin::Reply;
use crate::standin::http::{Request, serve};
use crate::standin::server::{Log, Server};

const FLOW: &str = "
entities:
  order: { title: 订单, fields: { id: text, 客户: text, 金额: money, 件: list, 状态: text } }
people: { 王总监: { email: wang@example.com, channels: [mail], roles: [director] } }
flows:
  履约:
    when: order.submitted
    record: order
    again: never
    steps:
      - { id: 受理, set: { 状态: 履约中 } }
      - id: 额度
        http: { connection: erp, post: '/credit/{{ id }}', json: { 客户: '{{ 客户 }}', 金额: = 金额 } }
        undo: { http: { connection: erp, post: '/credit/{{ id }}/release', json: { 编号: '{{ steps.额度.body.no }}' } } }
      - { id: 审批, approve: role:director }
      - id: 备货
        parallel:
          仓库:
            - id: 占库
              http: { connection: wms, post: '/stock/{{ id }}' }
              undo: { http: { connection: wms, post: '/stock/{{ id }}/release', json: { 编号: '{{ steps.占库.body.no }}' } } }
          财务:
            - id: 开票
              http: { connection: erp, post: '/invoices/{{ id }}' }
              undo:
                - http: { connection: erp, post: '/invoices/{{ id }}/reverse', json: { 编号: '{{ steps.开票.body.no }}' } }
                - log: 发票已红冲
      - id: 装箱
        each:
          of: 件
          as: 箱
          steps:
            - id: 贴单
              http: { connection: erp, post: '/labels/{{ 箱 }}' }
              undo: { http: { connection: erp, post: '/labels/{{ 箱 }}/void', json: { 编号: '{{ steps.贴单.body.no }}' } } }
      - { id: 等车, wait: 1s }
      - { id: 回执, wait: order.signed, within: 30d, late: { end: 过期 } }
      - id: 积分
        http: { connection: erp, post: '/points/{{ id }}' }
        undo: { http: { connection: erp, post: '/points/{{ id }}/revoke', json: { 编号: '{{ steps.积分.body.no }}' } } }
      - { id: 待发, set: { 状态: 待发 }, undo: { set: { 状态: 退回 } } }
      - { id: 记下, log: '{{ 客户 }} 的 {{ 件 | length }} 件待发' }
      - id: 发货
        http: { connection: erp, post: '/shipments/{{ id }}' }
        verify: { http: { connection: erp, get: '/shipments/{{ id }}' }, happened: answer.body.shipped == true }
        undo: { http: { connection: erp, post: '/shipments/{{ id }}/cancel' } }
      - { id: 完成, set: { 状态: 已发 } }
    on_error:
      - { id: 善后, set: { 状态: 履约失败 } }
      - { id: 通报, http: { connection: erp, post: /failed, json: { 订单: '{{ id }}', 步骤: '{{ run.failed_step }}' } } }
";

/// What the client tells, from when it is time for it.
#[derive(Default)]
struct Deed {
    /// Its path, the header of its delivery, its body: the same every time.
    request: Option<(String, (&'static str, &'static str), Value)>,
    /// Nobody has said yet that it arrived.
    open: bool,
}

impl Deed {
    fn begin(&mut self, path: String, delivery: (&'static str, &'static str), body: Value) {
        *self = Self { request: Some((path, delivery, body)), open: true };
    }

    fn tell(&mut self, daemon: &Daemon, bearer: &str) {
        let Some((path, delivery, body)) = self.request.as_ref().filter(|_| self.open) else { return };
        let headers = [*delivery, ("authorization", bearer)];
        // No answer: it was killed.
        if let Ok((status, text)) = Client::open(daemon.address).and_then(|mut client| client.post(path, &headers, body)) {
            assert!(matches!(status, 200 | 202), "{path}: {status} {text}");
            self.open = false;
        }
    }
}

/// The order, its daemon's folder, the service and the client.
pub struct Story {
    pub folder: Folder,
    pub requests: Log<Request>,
    _service: Server,
    /// The two calls that are on their way together always end in the same order: the invoice is answered once the stock is booked.
    invoice: watch::Sender<bool>,
    submit: Deed,
    approve: Deed,
    sign: Deed,
}

impl Story {
    pub fn new() -> Self {
        let requests = Log::<Request>::default();
        let (invoice, booked) = watch::channel(false);
        // And the stock once the invoice has arrived, too.
        let (both, arrived) = watch::channel(false);
        let seen = requests.clone();
        let answer = Arc::new(move |request: Request| {
            seen.push(request.clone());
            let made = Reply::json(200, &json!({ "no": format!("N{}", request.path) }));
            match (request.method.as_str(), request.path.as_str()) {
                ("POST", "/shipments/O1") => Reply::json(422, &json!({ "error": "无车可派" })),
                ("GET", "/shipments/O1") => Reply::json(200, &json!({ "shipped": false })),
                (_, "/stock/O1") => Reply::Once(arrived.clone(), Box::new(made)),
                (_, "/invoices/O1") => {
                    both.send_replace(true);
                    Reply::Once(booked.clone(), Box::new(made))
                }
                _ => made,
            }
        });
        let service = Server::start(move |stream| serve(stream, answer.clone()));
        let config = format!(
            "allow_networks: [127.0.0.0/8]
sources:
  crm:
    webhook: {{}}
    event: '{{{{ type }}}}'
    delivery: {{ header: X-Delivery-Id }}
    record: {{ entity: order, fields: {{ id: id, 客户: 客户, 金额: 金额, 件: 件 }} }}
connections:
  mail: {{ smtp: {{ host: 127.0.0.1, security: none, from: a@example.com }}, deliver: preview }}
  erp: {{ http: {{ base: 'http://{0}' }}, retry: [1s, 1s] }}
  wms: {{ http: {{ base: 'http://{0}' }}, retry: [1s, 1s] }}
",
            service.address()
        );
        let folder = Folder::new(&[("config.yaml", &config), ("rules/a.yaml", FLOW)]);
        let [submit, approve, sign] = Default::default();
        Self { folder, requests, _service: service, invoice, submit, approve, sign }
    }

    pub fn store(&self) -> Reader {
        Reader::open(&self.folder.path("data/ifthen.db")).unwrap()
    }

    /// One life of a daemon, until the run has ended and the daemon was asked to stop; whether it was not killed before.
    pub fn live(&mut self, abort: Option<&str>) -> bool {
        let environment: Vec<_> = abort.map(|place| ("IFTHEN_ABORT", place)).into_iter().collect();
        let Ok(mut daemon) = self.folder.try_start(&environment) else {
            assert!(abort.is_some(), "it did not start");
            return false;
        };
        let store = daemon.reader();
        for deed in [&mut self.submit, &mut self.approve, &mut self.sign] {
            deed.open = deed.request.is_some();
        }
        let through = wait("the run's end", || {
            if let Some(status) = daemon.ended() {
                use std::os::unix::process::ExitStatusExt as _;
                assert_eq!((status.signal(), abort.is_some()), (Some(6), true), "aborted, not broken: {}", daemon.said());
                return Some(false);
            }
            self.go_on(&daemon, &store)
        });
        // What has just been committed may have killed it all the same.
        through && daemon.stop() == 0
    }

    /// Does what it is time for; true once the run has ended and everything told was acknowledged.
    fn go_on(&mut self, daemon: &Daemon, store: &Reader) -> Option<bool> {
        if store.last().unwrap().event == 0 {
            return None; // what comes before the definitions are in force is committed with them: a commit less
        }
        let run = run(store);
        let waits = |is: fn(&Wait) -> bool| run.iter().flat_map(|r| r.strands.values()).flat_map(|s| &s.waits).find(|w| is(w));
        if self.submit.request.is_none() {
            let order =
                json!({ "type": "order.submitted", "id": "O1", "客户": "上海智造", "金额": "880000", "件": ["A1", "A2"] });
            self.submit.begin("/in/crm".into(), ("x-delivery-id", "d1"), order);
        }
        if let (None, Some(Wait::Task(task))) = (&self.approve.request, waits(|w| matches!(w, Wait::Task(_)))) {
            let path = format!("/api/tasks/{task}/approve");
            self.approve.begin(path, ("idempotency-key", "a1"), json!({ "person": "王总监", "comment": "同意" }));
        }
        if self.sign.request.is_none() && waits(|w| *w == Wait::Event).is_some() {
            self.sign.begin("/in/crm".into(), ("x-delivery-id", "d2"), json!({ "type": "order.signed", "id": "O1" }));
        }
        if run.is_some_and(|run| run.steps.contains_key("占库")) {
            self.invoice.send_replace(true);
        }
        let token = std::fs::read_to_string(self.folder.path("data/control")).unwrap_or_default();
        let bearer = format!("Bearer {}", token.lines().nth(1).unwrap_or_default());
        let mut deeds = [&mut self.submit, &mut self.approve, &mut self.sign];
        deeds.iter_mut().for_each(|deed| deed.tell(daemon, &bearer));
        let ended = Filter { action: Some("end".into()), ..Filter::default() };
        let ended = !store.log(&ended, 0, 1).unwrap().is_empty();
        (ended && deeds.iter().all(|deed| !deed.open)).then_some(true)
    }
}

/// The run, as long as it is under way.
pub fn run(store: &Reader) -> Option<Run> {
    let all = store.scan(prefix::RUN, None, 2).unwrap();
    assert!(all.len() < 2, "one order, one run");
    match all.first().map(|(_, entry)| entry.as_ref()) {
        Some(Entry::Run(run)) => Some(run.clone()),
        _ => None,
    }
}

/// By a call's id, what it asks for: `POST /credit/O1`.
pub fn asked(store: &Reader, call: CallId) -> String {
    let lines = store.log(&Filter { action: Some("http".into()), outcome: Some(Outcome::Fired), ..Filter::default() }, 0, 1_000);
    let text =
        |line: &ifthen::engine::log::Line, name: &str| line.detail.at(&[name]).map(ToString::to_string).unwrap_or_default();
    let line = lines.unwrap().into_iter().find(|l| text(l, "call") == call.to_string());
    line.map_or_else(|| call.to_string(), |l| format!("{} {}", text(&l, "method"), text(&l, "url")))
}
