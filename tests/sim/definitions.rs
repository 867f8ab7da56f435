//! What the simulated daemon goes by: a small company's definitions in three versions, compiled once.

use std::sync::{Arc, OnceLock};

use ifthen::config::{self, settings::Settings};
use ifthen::engine::definition::Definitions;
use ifthen::engine::planted::Bug;

const CONFIG: &str = "
definitions: [rules]
limits: { quarantine: 2 }
sources:
  crm: { webhook: {}, event: crm.lead, delivery: { header: X-Id }, record: { entity: lead, fields: { id: id, name: 姓名, stage: 阶段 } } }
  shop: { webhook: {}, event: order.paid, delivery: { header: X-Id }, record: { entity: lead, fields: { id: id } } }
  deals: { webhook: {}, event: deal.won, delivery: { header: X-Id }, record: { entity: lead, fields: { id: id } } }
  contracts: { webhook: {}, event: contract.signed, delivery: { header: X-Id }, record: { entity: lead, fields: { id: id } } }
  loops: { webhook: {}, event: loop.begin, delivery: { header: X-Id }, record: { entity: lead, fields: { id: id } } }
  stock: { webhook: {}, event: stock.moved, record: { entity: lead, fields: { id: id } } }
connections:
  mail: { smtp: { host: 127.0.0.1, port: 25, security: none, from: sales@example.com }, retry: [1m, 5m] }
  erp: { http: { base: 'http://127.0.0.1:1' }, retry: [1m, 5m, 30m] }
  ops: { wecom: { url: '${file:url}' }, rate: 3/1m, retry: [1m, 5m] }
";

/// As they are first; [`EDITS`] make the later versions of it.
const RULES: &str = "
entities:
  lead:
    fields:
      id: text
      name: text
      stage: text
      total: { type: number, from: ifthen }
      trail: { type: text, from: ifthen }
      recent: { type: number, from: ifthen }
      reminded: { type: number, from: ifthen }
      left: { type: number, from: ifthen }
      won: { type: number, from: ifthen }
      owner: { type: person, from: ifthen }
people:
  张三: { manager: 王总监, email: zhang@example.com, channels: [mail] }
  李四: { email: li@example.com, channels: [mail] }
  王总监: { roles: [director], wecom: wang, channels: [ops] }
teams: { 销售: [张三, 李四] }
rules:
  欢迎: { when: lead.created, then: [ { assign: { team: 销售 } }, { email: { to: '{{ id }}@example.com', subject: 欢迎, text: '{{ id }},您好' } } ] }
  收款:
    when: order.paid
    then:
      - set: { total: '= default(total, 0) + event.amount', trail: '{{ trail | default(0) }},{{ event.no }}' }
      - email: { to: '{{ id }}@example.com', subject: '收据 {{ event.no }}', text: '{{ event.amount }} 元' }
  记账: { when: order.paid, then: [ { http: { connection: erp, post: /orders, json: { no: '{{ event.no }}' } } } ] }
  播报: { when: order.paid, if: event.amount >= 50, then: [ { wecom: { robot: ops, text: '大单 {{ event.no }}' } } ] }
  近期: { when: order.paid, let: { n: { count: order.paid, within: 30d } }, then: [ { set: { recent: = n } } ] }
  催办: { when: { record: lead, while: stage == '跟进', for: 2h }, then: [ { set: { reminded: '= default(reminded, 0) + 1' } } ] }
  巡检: { when: { every: 6h }, then: [ { log: 巡检 } ] }
  库存: { when: stock.moved, then: [ { set: { left: '= default(left, 0) + event.n' } } ] }
  绕圈: { when: loop.begin, then: [ { emit: loop.begin } ] }
  坏消息: { when: ifthen.call.dead, then: [ { log: '{{ event.error }}' } ] }
flows:
  签约:
    record: lead
    when: deal.won
    steps:
      - id: 发票
        http: { connection: erp, post: /invoices, json: { lead: '{{ id }}' } }
        undo: { http: { connection: erp, post: /reverse, json: { lead: '{{ id }}' } } }
      - { id: 审批, approve: 'user:王总监', within: 1d, late: { decide: approve }, rejected: { fail: 不批 } }
      - { id: 合同, wait: contract.signed, within: 3d, late: { end: 超期 } }
      - parallel:
          发货: [ { id: 出库, http: { connection: erp, post: /ships, json: { lead: '{{ id }}' } } } ]
          致谢: [ { id: 稍等, wait: 1h }, { id: 谢信, email: { to: '{{ id }}@example.com', subject: 谢谢, text: 合作愉快 } } ]
      - { id: 记功, set: { won: '= default(won, 0) + 1' } }
";

/// By version: what stands otherwise than in the first.
const EDITS: [&[(&str, &str)]; 3] = [
    &[],
    &[
        ("您好'", "您好,请多关照'"),
        ("      - { id: 合同,", "      - { id: 等等, wait: 10m }\n      - { id: 合同,"),
        ("for: 2h", "for: 3h"),
    ],
    &[
        ("within: 30d", "within: 60d"),
        ("every: 6h", "every: 4h"),
        ("  催办: {", "  催促: { enabled: false,"),
        ("/orders", "/ledger"),
    ],
];

/// How many versions there are.
pub(super) const VERSIONS: usize = EDITS.len();

/// A version of the definitions.
#[derive(Clone)]
pub(super) struct Version {
    pub(super) settings: Arc<Settings>,
    pub(super) definitions: Arc<Definitions>,
}

/// All versions, in order.
pub(super) fn versions() -> &'static [Version] {
    static ALL: OnceLock<Vec<Version>> = OnceLock::new();
    ALL.get_or_init(|| EDITS.iter().map(|edits| compile(edits)).collect())
}

/// The same with a mistake in them.
pub(super) fn with(bug: Option<Bug>) -> Vec<Version> {
    let planted = |version: &Version| {
        let mut definitions = Definitions::clone(&version.definitions);
        #[cfg(debug_assertions)]
        definitions.planted.clone_from(&bug);
        Version { definitions: Arc::new(definitions), ..version.clone() }
    };
    versions().iter().map(planted).collect()
}

fn compile(edits: &[(&str, &str)]) -> Version {
    let mut rules = RULES.to_owned();
    for (from, to) in edits {
        assert!(rules.contains(from), "{from}");
        rules = rules.replace(from, to);
    }
    let dir = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(dir.path().join("rules")).unwrap();
    std::fs::write(dir.path().join("config.yaml"), CONFIG).unwrap();
    std::fs::write(dir.path().join("url"), "http://127.0.0.1:1/cgi-bin/webhook/send?key=x").unwrap();
    std::fs::write(dir.path().join("rules/a.yaml"), rules).unwrap();
    let loaded = config::load(&dir.path().join("config.yaml"), &config::Options::default());
    let loaded = loaded.unwrap_or_else(|report| panic!("{}", report.render(report.lang, false)));
    Version { settings: Arc::new(loaded.settings), definitions: Arc::new(loaded.definitions) }
}
