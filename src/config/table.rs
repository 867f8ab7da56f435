//! The grammar of the definitions files: `rules/*.yaml`, `flows/*.yaml`. One table; see [`super::grammar`].

pub(super) mod calendar;
pub(super) mod control;
pub(super) mod decided;
pub(super) mod flow;
pub(super) mod gate;
pub(super) mod scenario;
mod task;
mod time;
mod window;

use super::grammar::Shape::{
    Any, Bool, Condition, Count, Duration, Ids, Keys as Object, List, ListOr, Map, Name, OneOrMore, ScalarOr, Text, With, Word,
};
use super::grammar::{Key, Keys, Shape, may, must};
use time::WHEN;

/// The kinds of fields.
pub(super) const FIELD_KINDS: &[&str] = &[
    "text", "phone", "email", "choice", "number", "money", "percent", "boolean", "time", "date", "person", "ref", "list", "any",
];

/// What a file may hold at the top.
pub(super) static FILE: Shape = Object(&FILE_KEYS);

static FILE_KEYS: Keys = Keys {
    what: &("a definitions file", "定义文件"),
    keys: &[&[
        may("constants", Ids(&Any), "Named values for conditions and templates", "条件和模板中可用的常量"),
        may("entities", Ids(&Object(&ENTITY)), "Kinds of records and their fields", "实体(记录的种类)及其字段"),
        may("people", Ids(&Object(&PERSON)), "Who owns records and is told things", "人员"),
        may("teams", Ids(&ListOr(&Name, &Object(&TEAM))), "People who share work", "团队"),
        may("calendars", Ids(&Object(&calendar::CALENDAR)), "When people work", "工作日历"),
        may("rules", Ids(&Object(&RULE)), "If this, then that", "规则"),
        may("flows", Ids(&Object(&flow::FLOW)), "Steps over time", "流程"),
        may("tables", Ids(&Object(&control::TABLE)), "What `lookup` finds", "供 `lookup` 查询的表"),
        may("actions", Ids(&Object(&control::NAMED)), "Actions under a name, with parameters", "命名动作,可带参数"),
        may("forms", Ids(&Object(&task::FORM)), "What an `ask` asks for", "供 `ask` 填写的表单"),
        may("templates", Ids(&With(&["subject", "text", "html"], &Object(&MAIL), &Map(&Object(&MAIL)))), "Mails", "邮件模板"),
        may("tests", Map(&Object(&scenario::TEST)), "What must happen; run by `ifthen test`", "测试，由 `ifthen test` 运行"),
    ]],
    one_of: &[],
    later: &["slas", "scores", "segments", "reports"],
};

static ENTITY: Keys = Keys {
    what: &("an entity", "实体"),
    keys: &[&[
        may("key", Name, "The field that identifies a record; `id` unless said", "主键字段,默认 `id`"),
        may("title", Text, "For people", "显示名称"),
        must("fields", Ids(&ScalarOr(&Word(FIELD_KINDS), &Object(&FIELD))), "By name", "字段"),
        may(
            "consent",
            Name,
            "The boolean field that must be true for marketing mail to leave; not asked unless said",
            "布尔字段,为真时才发送营销邮件;不写则不检查",
        ),
    ]],
    one_of: &[],
    later: &["dedupe"],
};

static FIELD: Keys = Keys {
    what: &("a field", "字段"),
    keys: &[&[
        must("type", Word(FIELD_KINDS), "What it holds", "类型"),
        may("country", Name, "For a phone: the country of numbers without code; `CN` unless said", "电话的默认国家,默认 `CN`"),
        may("of", List(&Text), "For a choice: the words", "可选值"),
        may("to", Name, "For a ref: the entity", "引用的实体"),
        may("from", Name, "Who may set it: `ifthen`, or one source", "允许写入的来源:`ifthen` 或某个来源"),
        may(
            "opt_out",
            Bool,
            "For a boolean: `true` wins where records are merged",
            "布尔字段:合并记录时 `true` 优先(退订、拒绝联系)",
        ),
    ]],
    one_of: &[],
    later: &[],
};

pub(super) static PERSON: Keys = Keys {
    what: &("a person", "人员"),
    keys: &[&[
        may("name", Text, "Shown; the id unless said", "姓名,默认与标识相同"),
        may("email", Text, "For mail", "邮箱"),
        may("mobile", Text, "For mentions", "手机号"),
        may("dingtalk", Text, "Their DingTalk user id", "钉钉用户 ID"),
        may("wecom", Text, "Their WeCom user id", "企业微信用户 ID"),
        may("manager", Name, "Another person", "上级"),
        may("roles", OneOrMore(&Name), "`director`, `finance`", "角色"),
        may("channels", OneOrMore(&Name), "Connections by which to reach them, best first", "通知渠道,按优先顺序"),
        may("active", Bool, "`false`: is assigned nothing", "`false` 表示不再分配"),
        may(
            "signed_out",
            Text,
            "Whoever has proved before this time to be them proves it anew",
            "在此时间之前的登录全部失效,须重新验证",
        ),
        may("proxy", task::PROXY_SHAPE, "委托: who decides instead, and when", "委托:由谁代为审批,何时"),
    ]],
    one_of: &[],
    later: &["leave", "skills", "shift", "calendar", "cap"],
};

static TEAM: Keys = Keys {
    what: &("a team", "团队"),
    keys: &[&[may("title", Text, "Shown", "显示名称"), must("members", List(&Name), "People in their turn", "成员,按轮流顺序")]],
    one_of: &[],
    later: &["strategy", "fallback", "calendar", "director"],
};

/// What rules and flows share.
static WAKING: &[Key] = &[
    may("title", Text, "For people", "标题"),
    may("let", window::LET, "Names for values: windows and what is computed", "命名的值：时间窗口与计算结果"),
    may("if", Condition, "Must hold", "条件"),
    may("deliver", Word(&["live", "preview"]), "`preview`: what leaves is only shown in the log", "`preview` 表示只记录不发送"),
    may("enabled", Bool, "`false`: never woken", "`false` 表示停用"),
    may("owner", Text, "Who to ask about it", "负责人(说明用)"),
    may("tags", OneOrMore(&Text), "To sort by", "标签(说明用)"),
    may("note", Text, "Why it is there", "备注"),
    may(
        "existing",
        Text,
        "Records whose time was over before: `skip` unless said, `fire`, `spread over 2h`",
        "已过时间的记录:默认 `skip`,可写 `fire`、`spread over 2h`",
    ),
    may("calendar", Name, "On which working time is measured", "计算工作时间所用的日历"),
];

static RULE: Keys = Keys {
    what: &("a rule", "规则"),
    keys: &[
        WAKING,
        &[
            must("when", WHEN, "What wakes it", "触发事件"),
            may("then", List(&ACTION), "Done when the condition holds", "条件成立时执行"),
            may("else", List(&ACTION), "Done when it does not", "条件不成立时执行"),
            may("priority", Count(-1_000_000, 1_000_000), "Higher goes first; 0 unless said", "优先级,大者先,默认 0"),
            may("stop", Bool, "Having fired, keeps later rules from this event", "执行后不再执行后面的规则"),
            may("warn", Object(&time::WARN), "Before the time of `for` or `at` is over", "在 `for` 或 `at` 到时之前预警"),
            may("tests", Map(&Object(&scenario::TEST)), "What must happen; run by `ifthen test`", "此规则的测试"),
        ],
        gate::SHARED,
        gate::RULE,
    ],
    one_of: &[],
    later: &[],
};

static CHANGED: Keys = Keys {
    what: &("a trigger", "触发条件"),
    keys: &[&[
        must("changed", Name, "Entity and field: `deal.stage`", "实体和字段:`deal.stage`"),
        may("from", OneOrMore(&Text), "Former values that count", "原值"),
        may("to", OneOrMore(&Text), "New values that count", "新值"),
    ]],
    one_of: &[],
    later: &["event"],
};

pub(super) const ACTION: Shape = Object(&ACTION_KEYS);

static ACTION_KEYS: Keys = Keys { what: &("an action", "动作"), keys: &[ACTIONS], one_of: &[ACTION_NAMES], later: flow::LATER };

/// The names of all actions.
pub(super) const ACTION_NAMES: &[&str] = &[
    "set", "tag", "untag", "assign", "release", "emit", "create", "log", "start", "email", "http", "dingtalk", "wecom", "notify",
    "run",
];

static ACTIONS: &[Key] = &[
    may("set", Map(&Any), "Sets fields of the record", "设置字段"),
    may("tag", OneOrMore(&Text), "Adds tags", "加标签"),
    may("untag", OneOrMore(&Text), "Takes tags away", "去标签"),
    may("assign", ScalarOr(&Name, &Object(&ASSIGN)), "Gives the record an owner; a team by its name", "分配负责人"),
    may("release", ScalarOr(&Text, &Object(&RELEASE)), "Gives the record back to a pool", "退回公海"),
    may("emit", ScalarOr(&Name, &Object(&EMIT)), "Says that something happened", "发出事件"),
    may("create", Map(&Map(&Any)), "Makes a record of the entity named", "新建记录"),
    may("log", Text, "Writes into the action log", "写日志"),
    may("start", Name, "Starts a flow for the record", "启动流程"),
    may("email", Object(&EMAIL), "Sends a mail", "发邮件"),
    may("http", Object(&HTTP), "Makes an HTTP request", "发 HTTP 请求"),
    may("dingtalk", Object(&ROBOT), "Sends to a DingTalk group robot", "钉钉群机器人"),
    may("wecom", Object(&ROBOT), "Sends to a WeCom group robot", "企业微信群机器人"),
    may("notify", Object(&NOTIFY), "Tells people by their channels", "通知人员"),
    may("run", ScalarOr(&Name, &Map(&Map(&Any))), "What stands under a name in `actions:`", "执行 `actions:` 中的命名动作"),
];

static ASSIGN: Keys = Keys {
    what: &("`assign`", "`assign`"),
    keys: &[&[
        may("team", Name, "The next of this team, round robin", "团队,轮流分配"),
        may("to", Name, "A person: `user:zhangsan`, `owner.manager`", "人员:`user:zhangsan`、`owner.manager`"),
        may("field", Name, "The person field that is set; `owner` unless said", "要设置的人员字段,默认 `owner`"),
    ]],
    one_of: &[&["team", "to"]],
    later: &["strategy", "fallback", "weights", "territory"],
};

static RELEASE: Keys = Keys {
    what: &("`release`", "`release`"),
    keys: &[&[
        must("pool", Text, "The pool's name, for the field `pool`", "公海名称,写入字段 `pool`"),
        may("field", Name, "The person field that is emptied; `owner` unless said", "要清空的人员字段,默认 `owner`"),
    ]],
    one_of: &[],
    later: &["cooldown"],
};

static EMIT: Keys = Keys {
    what: &("`emit`", "`emit`"),
    keys: &[&[must("event", Name, "The event's name", "事件名"), may("data", Map(&Any), "What `event.x` is", "事件数据")]],
    one_of: &[],
    later: &["record", "at", "after"],
};

/// A mail's content.
static CONTENT: &[Key] = &[
    may("subject", Text, "One line", "主题"),
    may("text", Text, "The text part", "正文"),
    may("html", Text, "The HTML part; what is inserted is escaped", "HTML 正文,插入的内容会转义"),
];

static MAIL: Keys = Keys {
    what: &("a mail template", "邮件模板"),
    keys: &[&[
        must("subject", Text, "One line", "主题"),
        must("text", Text, "The text part", "正文"),
        may("html", Text, "The HTML part; what is inserted is escaped", "HTML 正文,插入的内容会转义"),
    ]],
    one_of: &[],
    later: &["attach", "from", "reply_to"],
};

static EMAIL: Keys = Keys {
    what: &("`email`", "`email`"),
    keys: &[
        CONTENT,
        &[
            may(
                "connection",
                Name,
                "The SMTP connection; the only one, or `mail`, unless said",
                "SMTP 连接,默认唯一的一个或 `mail`",
            ),
            must("to", OneOrMore(&Text), "Addresses; several separated by commas", "收件人,多个用逗号分开"),
            may("template", Name, "Of `templates:`", "`templates:` 中的模板"),
            may(
                "marketing",
                Bool,
                "Marketing: with a way to unsubscribe (`{{ unsubscribe_url }}`), not to those who do not want it",
                "营销邮件:带退订链接(`{{ unsubscribe_url }}`),不发给已退订、退信或投诉的地址",
            ),
            may("track", Bool, "Openings and clicks become events", "跟踪打开和点击"),
        ],
    ],
    one_of: &[&["template", "subject"]],
    later: &["attach", "cc", "bcc", "from", "reply_to"],
};

static HTTP: Keys = Keys {
    what: &("`http`", "`http`"),
    keys: &[&[
        may("connection", Name, "The HTTP service", "HTTP 连接"),
        may("get", Text, "Address to get", "GET 地址"),
        may("post", Text, "Address to post to", "POST 地址"),
        may("put", Text, "Address to put to", "PUT 地址"),
        may("patch", Text, "Address to patch", "PATCH 地址"),
        may("delete", Text, "Address to delete", "DELETE 地址"),
        may("headers", Map(&Text), "Beside those of the connection", "请求头"),
        may("json", Any, "Sent as JSON", "JSON 内容"),
        may("form", Map(&Text), "Sent as a form", "表单内容"),
        may("text", Text, "Sent as text", "文本内容"),
        may("emit", Name, "The event to emit when it was answered 2xx", "成功后发出的事件"),
        may("retry", List(&Duration), "Waits between attempts", "重试间隔"),
    ]],
    one_of: &[&["get", "post", "put", "patch", "delete"]],
    later: &["body"],
};

static ROBOT: Keys = Keys {
    what: &("a robot's message", "机器人消息"),
    keys: &[&[
        may("robot", Name, "The connection; the only one of its kind unless said", "连接,默认唯一的一个"),
        may("text", Text, "Plain text", "纯文本"),
        may("markdown", Text, "Markdown", "Markdown"),
        may("title", Text, "Markdown's title", "标题"),
        may("at", OneOrMore(&Name), "Whom to mention", "要 @ 的人"),
        may("at_all", Bool, "Mention everyone", "@ 所有人"),
    ]],
    one_of: &[&["text", "markdown"]],
    later: &["card", "buttons", "link", "image"],
};

static NOTIFY: Keys = Keys {
    what: &("`notify`", "`notify`"),
    keys: &[&[
        must("who", OneOrMore(&Name), "`owner`, `role:director`, `team:华东销售`, `user:zhangsan`", "通知谁"),
        must("text", Text, "What", "内容"),
        may("title", Text, "The subject of a mail", "邮件主题"),
        may("urgent", Bool, "All of a person's channels", "使用全部渠道"),
    ]],
    one_of: &[],
    later: &["channel", "within", "template", "actions"],
};
