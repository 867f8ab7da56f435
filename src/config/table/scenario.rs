//! The grammar of `tests:`; see [`super::super::grammar`].

use super::super::grammar::Shape::{
    Any, Bool, Count, Duration, Keys as Object, List, ListOr, Map, Name, OneOrMore, ScalarOr, Text, Word,
};
use super::super::grammar::{Key, Keys, may, must};
use super::decided;

/// One test.
pub(in crate::config) static TEST: Keys = Keys {
    what: &("a test", "测试"),
    keys: &[&[
        may("note", Text, "What it shows", "说明"),
        may("at", Text, "When it begins; the first step's time unless said", "开始时间,默认为第一步的时间"),
        may("given", Map(&OneOrMore(&Map(&Any))), "Records that are there already, by entity", "已有的记录,按实体列出"),
        may("answers", List(&Object(&ANSWER)), "How calls end; done at once unless said", "外发调用的结果,默认立即成功"),
        must("steps", List(&Object(&STEP)), "In order", "步骤"),
    ]],
    one_of: &[],
    later: &["people", "tags", "enabled"],
};

static STEP: Keys = Keys {
    what: &("a test's step", "测试步骤"),
    keys: &[&[
        may("at", Text, "When: `2026-09-21 09:00`; never back", "时间,如 `2026-09-21 09:00`,不能倒退"),
        may("after", Duration, "So long after the step before", "距上一步的时间"),
        may("event", ScalarOr(&Name, &Object(&EVENT)), "Something happens", "发生一个事件"),
        may(
            "tell",
            Map(&Any),
            "A source tells about a record: `{ lead: { id: L1, … } }`",
            "来源告知一条记录:`{ lead: { id: L1, … } }`",
        ),
        may("post", Object(&POST), "A source posts; its mapping is applied", "来源推送数据,经过其映射"),
        may("decide", OneOrMore(&Object(&decided::DECIDE)), "People do something about their tasks", "人员处理其任务"),
        may(
            "signal",
            ScalarOr(&Name, &Object(&decided::SIGNAL)),
            "A run is told that this event happened",
            "告知运行发生了此事件",
        ),
        may("cancel", ScalarOr(&Name, &Object(&decided::CANCEL)), "A run of this flow is cancelled", "取消此流程的运行"),
        may("recall", ScalarOr(&Name, &Object(&decided::RECALL)), "This person recalls their run", "此人撤回其发起的运行"),
        may("retry", ScalarOr(&Name, &Object(&decided::RUN)), "A run that stands still tries again", "让停住的运行重试"),
        may("skip", ScalarOr(&Name, &Object(&decided::RUN)), "A run goes on as if its step were done", "跳过运行所在的步骤"),
        may("back", ScalarOr(&Name, &Object(&decided::BACK)), "A run goes back to this step", "让运行退回到此步骤"),
        may(
            "merge",
            Map(&List(&Text)),
            "A person merges the second record into the first: `{ lead: [L1, L2] }`",
            "人工把第二条记录并入第一条:`{ lead: [L1, L2] }`",
        ),
        may("unmerge", Name, "A person makes it a record of its own again: `lead/L2`", "人工拆分:`lead/L2`"),
        may("import", Bool, "What happens is an import", "视为批量导入"),
        may("times", Count(1, 10_000), "So many times", "重复次数"),
        may("answers", List(&Object(&ANSWER)), "How calls end from here on", "此后外发调用的结果"),
        may(
            "expect",
            ListOr(&EXPECTED, &Word(&["nothing"])),
            "What must have happened by now, since the step before",
            "自上一步以来应当发生的事",
        ),
        may("never", List(&EXPECTED), "What must not", "不应发生的事"),
        may(
            "records",
            Map(&ScalarOr(&Word(&["absent"]), &Map(&Any))),
            "Records as they are now: `lead/L1: { owner: 张三 }`",
            "此时的记录:`lead/L1: { owner: 张三 }`",
        ),
    ]],
    one_of: &[],
    later: &["restart", "let"],
};

static EVENT: Keys = Keys {
    what: &("an event", "事件"),
    keys: &[&[
        must("name", Name, "Its name", "事件名"),
        may("data", Map(&Any), "What `event.x` is", "事件数据"),
        may("record", Name, "The record it is about: `lead/L1`", "对应的记录:`lead/L1`"),
        may("source", Name, "Who tells it", "来源"),
    ]],
    one_of: &[],
    later: &[],
};

static POST: Keys = Keys {
    what: &("a post", "推送"),
    keys: &[&[
        must("source", Name, "A source of config.yaml", "config.yaml 中的来源"),
        must(
            "body",
            Any,
            "What is posted, as JSON; a text as it stands; for a poll: a row",
            "推送的内容(JSON);轮询来源则为一行数据",
        ),
        may("headers", Map(&Text), "Beside the content type", "请求头"),
    ]],
    one_of: &[],
    later: &[],
};

/// How a call may end, in a word.
pub(in crate::config) const ENDS: &[&str] = &["done", "transient", "throttled", "permanent", "configuration", "unknown"];

/// Whose calls an answer is for.
pub(in crate::config) const CALLS: &[&str] = &["email", "http", "dingtalk", "wecom", "any"];

static ANSWER: Keys = Keys {
    what: &("an answer", "应答"),
    keys: &[&[
        may("email", Word(ENDS), "Mails", "邮件"),
        may("http", ScalarOr(&Word(ENDS), &Object(&STATUS)), "HTTP requests", "HTTP 请求"),
        may("dingtalk", Word(ENDS), "DingTalk messages", "钉钉消息"),
        may("wecom", Word(ENDS), "WeCom messages", "企业微信消息"),
        may("any", Word(ENDS), "All calls", "所有外发调用"),
        may("connection", Name, "Only over this connection", "仅限此连接"),
        may("times", Count(1, 1_000_000), "So many attempts; all unless said", "应答的次数,默认一直如此"),
    ]],
    one_of: &[CALLS],
    later: &[],
};

static STATUS: Keys = Keys {
    what: &("an HTTP answer", "HTTP 应答"),
    keys: &[&[
        must("status", Count(200, 599), "The status", "状态码"),
        may("body", Any, "As JSON; a text as it stands", "内容(JSON),文本按原样"),
        may("headers", Map(&Text), "`Retry-After: 90`", "应答头,如 `Retry-After: 90`"),
    ]],
    one_of: &[],
    later: &[],
};

/// What can be expected: actions, what became of them, rules.
pub(in crate::config) const THINGS: &[&str] = &[
    "rule",
    "set",
    "tag",
    "untag",
    "assign",
    "release",
    "emit",
    "create",
    "log",
    "start",
    "wait",
    "end",
    "email",
    "http",
    "dingtalk",
    "wecom",
    "notify",
    "approve",
    "ask",
    "decide",
    "transfer",
    "delegate",
    "add",
    "remove",
    "recall",
    "remind",
    "escalate",
    "back",
    "undo",
    "done",
    "suppressed",
    "failed",
    "retrying",
    "dead",
    "unknown",
    "refused",
    "quarantined",
];

const EXPECTED: super::Shape = ScalarOr(&Word(THINGS), &Object(&EXPECTATION));

static EXPECTATION: Keys = Keys {
    what: &("an expectation", "预期"),
    keys: &[&[
        may("rule", ScalarOr(&Name, &Object(&FIRED)), "The rule fired", "规则触发"),
        may("set", Map(&Any), "Fields were set", "设置了字段"),
        may("tag", OneOrMore(&Text), "Tags were added", "加了标签"),
        may("untag", OneOrMore(&Text), "Tags were taken away", "去了标签"),
        may("assign", ScalarOr(&Name, &Object(&ASSIGNED)), "To this person", "分配给此人"),
        may("release", ScalarOr(&Name, &Object(&RELEASED)), "Back to this pool", "退回此公海"),
        may("emit", ScalarOr(&Name, &Object(&EMITTED)), "This event was emitted", "发出了事件"),
        may("create", Map(&Map(&Any)), "A record of this entity", "新建了记录"),
        may("log", ScalarOr(&Text, &Object(&SAID)), "A text with this in it", "日志中含有此文字"),
        may("start", ScalarOr(&Name, &Object(&RUN)), "A run of this flow began", "流程启动"),
        may("wait", ScalarOr(&Name, &Object(&WAITING)), "A run of this flow waits", "流程等待"),
        may("end", ScalarOr(&Name, &Object(&ENDED_AS)), "A run of this flow ended", "流程结束"),
        may("email", ScalarOr(&Text, &Object(&MAIL)), "A mail to this address", "发给此地址的邮件"),
        may("http", ScalarOr(&Text, &Object(&REQUEST)), "A request whose address holds this", "地址含有此内容的请求"),
        may("dingtalk", ScalarOr(&Text, &Object(&MESSAGE)), "A message with this in it", "含有此文字的钉钉消息"),
        may("wecom", ScalarOr(&Text, &Object(&MESSAGE)), "A message with this in it", "含有此文字的企业微信消息"),
        may("notify", ScalarOr(&Name, &Object(&NOTIFIED)), "This person was told, by whatever channel", "通知了此人,不论渠道"),
        may("approve", ScalarOr(&Name, &Object(&decided::ASKED)), "This person was asked to approve", "请此人审批"),
        may("ask", ScalarOr(&Name, &Object(&decided::ASKED)), "This person was asked to fill in a form", "请此人填写表单"),
        may("decide", ScalarOr(&Name, &Object(&decided::DECIDED)), "This person decided", "此人作出了决定"),
        may("transfer", ScalarOr(&Name, &Object(&decided::HANDED)), "This person handed it over", "此人转办"),
        may("delegate", ScalarOr(&Name, &Object(&decided::HANDED)), "This person asked for an opinion", "此人委派"),
        may("add", ScalarOr(&Name, &Object(&decided::HANDED)), "This person added others", "此人加签"),
        may("remove", ScalarOr(&Name, &Object(&decided::HANDED)), "This person took others back out", "此人减签"),
        may("recall", ScalarOr(&Name, &Object(&decided::HANDED)), "This person took it back", "此人撤回"),
        may("remind", ScalarOr(&Name, &Object(&decided::ASKED)), "This person was reminded", "提醒了此人"),
        may("escalate", ScalarOr(&Name, &Object(&decided::ESCALATED)), "This person decides instead", "升级给此人"),
        may("back", ScalarOr(&Name, &Object(&decided::WENT)), "A run went back to this step", "运行退回到此步骤"),
        may("undo", ScalarOr(&Name, &Object(&decided::WENT)), "This step was undone", "撤销了此步骤"),
        may("done", OUTCOME, "A call was accepted, by rule, flow or action", "外发成功,写规则、流程或动作"),
        may("suppressed", OUTCOME, "Not done on purpose", "被拦下"),
        may("failed", OUTCOME, "Could not be done", "失败"),
        may("retrying", OUTCOME, "Will be tried again", "将重试"),
        may("dead", OUTCOME, "Given up", "死信"),
        may("unknown", OUTCOME, "May have happened or not", "结果未知"),
        may("refused", ScalarOr(&Name, &Object(&REFUSED)), "The post was refused: `mapping`", "推送被拒绝:`mapping`"),
        may("quarantined", ScalarOr(&Text, &Object(&QUARANTINED)), "An item was not understood", "有内容无法识别而被隔离"),
        may("times", Count(1, 10_000), "Exactly so many times; at least once unless said", "恰好几次,默认至少一次"),
    ]],
    one_of: &[THINGS],
    later: &["task", "report", "document", "sms", "feishu", "points"],
};

/// Who did it and for whom.
pub(super) static COMMON: &[Key] = &[
    may("rule", Name, "By this rule", "由此规则"),
    may("flow", Name, "By this flow", "由此流程"),
    may("record", Name, "For this record: `lead/L1`", "针对此记录:`lead/L1`"),
    may("step", Name, "At this step of a flow", "在流程的此步骤"),
];

const OUTCOME: super::Shape = ScalarOr(&Name, &Object(&ENDED));

static FIRED: Keys = Keys {
    what: &("`rule`", "`rule`"),
    keys: &[&[
        must("id", Name, "The rule", "规则"),
        may("branch", Word(&["then", "else"]), "Which of both", "哪个分支"),
        may("record", Name, "For this record: `lead/L1`", "针对此记录:`lead/L1`"),
    ]],
    one_of: &[],
    later: &[],
};

static ASSIGNED: Keys = Keys {
    what: &("`assign`", "`assign`"),
    keys: &[
        &[
            may("to", Name, "The person", "人员"),
            may("team", Name, "Out of this team", "所属团队"),
            may("from", Name, "Who had it before", "原负责人"),
        ],
        COMMON,
    ],
    one_of: &[],
    later: &[],
};

static RELEASED: Keys = Keys {
    what: &("`release`", "`release`"),
    keys: &[&[may("pool", Name, "The pool", "公海"), may("from", Name, "Who had it before", "原负责人")], COMMON],
    one_of: &[],
    later: &[],
};

static EMITTED: Keys = Keys {
    what: &("`emit`", "`emit`"),
    keys: &[&[must("event", Name, "Its name", "事件名"), may("data", Map(&Any), "With these members", "事件数据")], COMMON],
    one_of: &[],
    later: &[],
};

static SAID: Keys = Keys {
    what: &("`log`", "`log`"),
    keys: &[&[may("text", Text, "Holds this", "含有此文字")], COMMON],
    one_of: &[],
    later: &[],
};

static RUN: Keys = Keys { what: &("a run", "流程运行"), keys: &[COMMON], one_of: &[], later: &[] };

static ENDED_AS: Keys = Keys {
    what: &("`end`", "`end`"),
    keys: &[&[may("as", Name, "In this word: `approved`", "以此结果结束,如 `approved`")], COMMON],
    one_of: &[],
    later: &[],
};

static WAITING: Keys =
    Keys {
        what: &("`wait`", "`wait`"), keys: &[&[may("until", Text, "Till then", "到何时")], COMMON], one_of: &[], later: &[]
    };

static CONNECTION: &[Key] = &[may("connection", Name, "Over this connection", "通过此连接")];

static MAIL: Keys = Keys {
    what: &("`email`", "`email`"),
    keys: &[
        &[
            may("to", Text, "The address", "收件人"),
            may("subject", Text, "Holds this", "主题含有"),
            may("text", Text, "Holds this", "正文含有"),
            may("html", Text, "Holds this", "HTML 正文含有"),
        ],
        CONNECTION,
        COMMON,
    ],
    one_of: &[],
    later: &["template"],
};

static REQUEST: Keys = Keys {
    what: &("`http`", "`http`"),
    keys: &[
        &[
            may("method", Word(&["GET", "POST", "PUT", "PATCH", "DELETE"]), "The method", "方法"),
            may("url", Text, "Holds this", "地址含有"),
            may("json", Any, "With these members", "JSON 内容"),
            may("form", Map(&Text), "With these members", "表单内容"),
            may("text", Text, "Holds this", "文本含有"),
        ],
        CONNECTION,
        COMMON,
    ],
    one_of: &[],
    later: &[],
};

static MESSAGE: Keys = Keys {
    what: &("a robot's message", "机器人消息"),
    keys: &[
        &[
            may("robot", Name, "The connection", "连接"),
            may("text", Text, "Holds this", "含有此文字"),
            may("title", Text, "Holds this", "标题含有"),
            may("at", OneOrMore(&Text), "Mentions these: people, mobile numbers, user ids", "提及的人:人员、手机号或用户 ID"),
        ],
        COMMON,
    ],
    one_of: &[],
    later: &[],
};

static NOTIFIED: Keys = Keys {
    what: &("`notify`", "`notify`"),
    keys: &[&[may("who", Name, "The person", "人员"), may("text", Text, "Holds this", "含有此文字")], CONNECTION, COMMON],
    one_of: &[],
    later: &[],
};

static ENDED: Keys = Keys {
    what: &("an outcome", "结果"),
    keys: &[
        &[
            may("action", Name, "Which action: `email`; `rule` for a rule as a whole", "动作,如 `email`;`rule` 指整条规则"),
            may(
                "reason",
                Name,
                "Why, as the log says: `cooldown`, `stop`, `unevaluable`",
                "原因:`cooldown`、`stop`、`unevaluable` 等",
            ),
            may("error", Text, "Holds this", "错误含有"),
        ],
        CONNECTION,
        COMMON,
    ],
    one_of: &[],
    later: &[],
};

static REFUSED: Keys = Keys {
    what: &("`refused`", "`refused`"),
    keys: &[&[may("code", Name, "`mapping`, `json`", "`mapping`、`json`"), may("error", Text, "Holds this", "错误含有")]],
    one_of: &[],
    later: &[],
};

static QUARANTINED: Keys = Keys {
    what: &("`quarantined`", "`quarantined`"),
    keys: &[&[may("error", Text, "Holds this", "错误含有")]],
    one_of: &[],
    later: &[],
};
