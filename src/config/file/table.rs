//! The grammar of config.yaml; see [`super::super::grammar`].

use super::super::grammar::Shape::{
    Address, Any, Count, Duration, Ids, Keys as Object, List, Map, Name, Network, OneOrMore, Rate, ScalarOr, Secret, Size, Text,
    Url, Word, Zone,
};
use super::super::grammar::{Key, Keys, Shape, may, must};

/// The whole file.
pub(in crate::config) static FILE: Shape = Object(&FILE_KEYS);

static FILE_KEYS: Keys = Keys {
    what: &("config.yaml", "config.yaml"),
    keys: &[&[
        may("lang", Word(&["en", "zh"]), "Of messages; the locale's unless said", "提示信息的语言，默认随系统"),
        may("zone", Zone, "In which days begin; `Asia/Shanghai` unless said", "时区，默认 `Asia/Shanghai`"),
        may("listen", Address, "Where HTTP is served; `127.0.0.1:8780` unless said", "监听地址，默认 `127.0.0.1:8780`"),
        may("tls", Object(&TLS), "HTTPS on that address", "在该地址上启用 HTTPS"),
        may("data", Text, "The folder of the store; `./data` unless said", "数据目录，默认 `./data`"),
        may(
            "definitions",
            OneOrMore(&Text),
            "Folders of definitions; `rules` and `flows` unless said",
            "定义所在的目录，默认 `rules` 和 `flows`",
        ),
        may(
            "calendar",
            Name,
            "The calendar where none is named; the only one of `calendars:`, or `CN`, unless said",
            "没有指明时使用的工作日历，默认 `calendars:` 中唯一的一个，或 `CN`",
        ),
        may("constants", Ids(&Any), "Override those of the definitions", "覆盖定义中的常量"),
        may("log", Word(&["text", "json"]), "How the daemon's own messages are written", "运行日志的格式"),
        may(
            "quiet",
            Object(&super::super::table::gate::HOURS),
            "When messages to people are held",
            "静默时段,发给人的消息推迟到时段结束",
        ),
        may(
            "public_url",
            Url,
            "What stands before links that people receive; `http://` and `listen` unless said",
            "对外链接的地址前缀，默认 `http://` 加监听地址",
        ),
        may("marketing", Object(&MARKETING), "How much marketing mail an address gets", "营销邮件"),
        may("limits", Object(&LIMITS), "On everything that could grow", "各种上限"),
        may("retention", Object(&RETENTION), "For how long what happened is kept", "历史的保留时间"),
        may("allow_networks", OneOrMore(&Network), "Private networks that `http` may reach", "允许 `http` 访问的内网网段"),
        may("sources", Ids(&Object(&SOURCE)), "Who tells us what happens", "数据来源"),
        may("connections", Ids(&Object(&CONNECTION)), "How to reach what actions talk to", "对外连接"),
    ]],
    one_of: &[],
    later: &["store", "database", "console", "mailbox", "metrics", "cluster"],
};

static TLS: Keys = Keys {
    what: &("`tls`", "`tls`"),
    keys: &[&[
        must(
            "cert",
            Text,
            "The certificate's file (PEM), with those that lead to a known authority",
            "证书文件（PEM），含中间证书",
        ),
        must("key", Text, "The file of its private key (PEM), readable by its owner only", "私钥文件（PEM），仅所有者可读"),
    ]],
    one_of: &[],
    later: &[],
};

static MARKETING: Keys = Keys {
    what: &("`marketing`", "`marketing`"),
    keys: &[&[must(
        "limit",
        Text,
        "The most that one address gets: `3 per week`, `1/24h`; what is beyond is never sent",
        "每个地址最多收到几封,如 `3 per week`、`1/24h`,超出的不再发送",
    )]],
    one_of: &[],
    later: &[],
};

static LIMITS: Keys = Keys {
    what: &("`limits`", "`limits`"),
    keys: &[&[
        may("body", Count(1_024, 1 << 30), "Bytes of a webhook's body; 1 MiB unless said", "请求体字节数，默认 1 MiB"),
        may("items", Count(1, 1_000_000), "Items in one batch; 1,000 unless said", "一批的条数，默认 1000"),
        may("queue", Count(1, 1_000_000), "Submissions that wait; 1,024 unless said", "排队数，默认 1024"),
        may("outbox", Count(1, 100_000_000), "Calls that are not done; 100,000 unless said", "未完成的外发数，默认 100000"),
        may(
            "quarantine",
            Count(0, 1_000_000),
            "Items of one source that may be kept because they do not fit; 10,000 unless said",
            "每个来源可隔离的条数，默认 10000",
        ),
        may(
            "requests",
            Count(1, 1_000_000),
            "Requests a second that one access token may make; 50 unless said",
            "每个访问令牌每秒的请求数，默认 50",
        ),
        may(
            "address",
            Count(1, 1_000_000),
            "Requests a second that one address may make without a proof; 100 unless said",
            "每个地址每秒未经验证的请求数，默认 100",
        ),
        may(
            "connections",
            Count(1, 512),
            "Connections at a time from one address, of 512 in all; 256 unless said",
            "每个地址的并发连接数（总数 512），默认 256",
        ),
        may(
            "clock",
            Duration,
            "By how much the clock may jump before timers wait; 5 minutes unless said",
            "时钟跳变超过多少时定时动作暂停，默认 5 分钟",
        ),
        may("dedupe", Duration, "How long delivery ids are remembered; 3 days unless said", "投递标识的保留时间，默认 3 天"),
    ]],
    one_of: &[],
    later: &[],
};

static RETENTION: Keys = Keys {
    what: &("`retention`", "`retention`"),
    keys: &[&[
        may("payloads", KEEP, "What events say; `90d` unless said", "事件内容，默认 `90d`"),
        may(
            "changes",
            KEEP,
            "Former state, for `why`; `90d` unless said, never longer than events",
            "状态变更，供 `why` 使用，默认 `90d`，不长于事件",
        ),
        may("events", KEEP, "Events; `180d` unless said", "事件，默认 `180d`"),
        may("log", KEEP, "The action log; `400d` unless said, never shorter than events", "日志，默认 `400d`，不短于事件"),
        may("size", Size, "Of all of it; `50GB` unless said", "总大小，默认 `50GB`"),
    ]],
    one_of: &[],
    later: &["files", "runs"],
};

const KEEP: Shape = ScalarOr(&Duration, &Object(&KEPT));

static KEPT: Keys = Keys {
    what: &("what is kept", "保留"),
    keys: &[&[
        may("age", Duration, "Older ones go", "超过此时间的会删除"),
        may("bytes", Size, "Beyond that the oldest go: `5GB`", "超过此大小时删除最旧的，如 `5GB`"),
    ]],
    one_of: &[],
    later: &[],
};

static SOURCE: Keys = Keys {
    what: &("a source", "来源"),
    keys: &[&[
        may("webhook", Object(&WEBHOOK), "It posts to `/in/<id>`; `{}` for no demands", "推送到 `/in/<id>`；没有要求时写 `{}`"),
        may("poll", Object(&POLL), "We ask it", "由我们轮询"),
        may("event", Text, "The event's name; a template over the payload", "事件名，可用模板"),
        may(
            "bounces",
            Word(BOUNCES),
            "It tells of mails that came back or were called spam, in this provider's form",
            "上报退信和投诉，按此服务商的格式",
        ),
        may("each", Name, "The path of the list of items", "列表所在的路径"),
        may("delivery", ScalarOr(&Name, &Object(&DELIVERY)), "Where the delivery's id is", "投递标识所在的位置"),
        may("time", Name, "The path of the time at which it happened", "发生时间的路径"),
        may("record", Object(&RECORD), "Which record it tells about", "对应的记录"),
        may(
            "lateness",
            Duration,
            "How late it may tell: so much longer is waited before a time with `for` counts as over",
            "可能迟到多久：`for` 到时后再等这么久才算数",
        ),
        may(
            "imports",
            Word(&["all", "first"]),
            "What it tells is an import, or what a poll finds at first: rules send nothing on it unless they react",
            "视为批量导入,规则默认不外发:`all` 全部,`first` 轮询首次读到的存量",
        ),
    ]],
    one_of: &[&["webhook", "poll"]],
    later: &["mailbox", "stream", "form", "import", "schedule"],
};

/// The forms in which bounces are told.
pub(super) const BOUNCES: &[&str] = &["generic", "postmark", "resend", "sendgrid"];

static WEBHOOK: Keys = Keys {
    what: &("a webhook", "webhook"),
    keys: &[&[
        may("verify", Object(&VERIFY), "How it proves who it is; all must pass", "身份校验，须全部通过"),
        may("rate", Count(1, 1_000_000), "Requests a second", "每秒请求数"),
    ]],
    one_of: &[],
    later: &[],
};

static VERIFY: Keys = Keys {
    what: &("`verify`", "`verify`"),
    keys: &[&[
        may("hmac", Object(&HMAC), "A signature over the body", "签名"),
        may("bearer", OneOrMore(&Secret), "Tokens of `Authorization: Bearer`", "Bearer 令牌"),
        may("basic", Object(&BASIC), "`Authorization: Basic`", "Basic 认证"),
        may("from", OneOrMore(&Network), "Networks it comes from", "来源网段"),
    ]],
    one_of: &[],
    later: &[],
};

/// Signature schemes that need nothing but a secret.
pub(super) const PRESETS: &[&str] = &["github", "stripe", "standard-webhooks", "slack", "twenty"];

static HMAC: Keys = Keys {
    what: &("`hmac`", "`hmac`"),
    keys: &[&[
        may("preset", Word(PRESETS), "A known scheme; fills the rest", "已知的签名方案"),
        must("secret", OneOrMore(&Secret), "The secret, or several while it is changed", "密钥，轮换时可写多个"),
        may("key", Word(&["text", "base64"]), "How the secret becomes the key", "密钥的形式"),
        may("header", Name, "The header with the signature", "签名所在的请求头"),
        may("algorithm", Word(&["sha256", "sha1", "sha512"]), "`sha256` unless said", "算法，默认 `sha256`"),
        may("encoding", Word(&["hex", "base64"]), "`hex` unless said", "编码，默认 `hex`"),
        may("prefix", Text, "What stands before the signature", "签名前的文字"),
        may("signed", Text, "What is signed: `{timestamp}.{body}`; `{body}` unless said", "签名内容，默认 `{body}`"),
        may("id_header", Name, "The header of `{id}`", "`{id}` 所在的请求头"),
        may("timestamp", Object(&STAMP), "Where `{timestamp}` is", "`{timestamp}` 的位置"),
        may("unit", Word(&["seconds", "milliseconds"]), "The timestamp's; `seconds` unless said", "时间戳单位，默认秒"),
        may("tolerance", Duration, "How far it may be from now; `5m` unless said", "允许的时间差，默认 5m"),
    ]],
    one_of: &[],
    later: &[],
};

static STAMP: Keys = Keys {
    what: &("`timestamp`", "`timestamp`"),
    keys: &[&[
        may("header", Name, "A header of its own", "单独的请求头"),
        may("field", Name, "A name inside the signature header: `t`", "签名头中的名称，如 `t`"),
    ]],
    one_of: &[&["header", "field"]],
    later: &[],
};

static BASIC: Keys = Keys {
    what: &("`basic`", "`basic`"),
    keys: &[&[must("user", Name, "User", "用户名"), must("password", Secret, "Password", "密码")]],
    one_of: &[],
    later: &[],
};

static POLL: Keys = Keys {
    what: &("a poll", "轮询"),
    keys: &[&[
        must("sqlite", Text, "A SQLite file of another program, read only", "其他程序的 SQLite 文件，只读"),
        must("query", Text, "A `SELECT`; filter, order and limit are put around it", "`SELECT` 语句"),
        must("cursor", OneOrMore(&Name), "Columns by which rows are read on", "游标列"),
        may("every", Duration, "How often; `30s` unless said", "间隔，默认 `30s`"),
        may("batch", Count(1, 100_000), "Rows a round; 500 unless said", "每次行数，默认 500"),
    ]],
    one_of: &[],
    later: &["postgres", "mysql", "sqlserver", "http"],
};

static DELIVERY: Keys = Keys {
    what: &("`delivery`", "`delivery`"),
    keys: &[&[
        may("header", Name, "A header", "请求头"),
        may("body", OneOrMore(&Name), "Members of the payload", "数据中的路径"),
    ]],
    one_of: &[&["header", "body"]],
    later: &[],
};

static RECORD: Keys = Keys {
    what: &("`record`", "`record`"),
    keys: &[&[
        must("entity", Name, "Of `entities:`", "实体"),
        must("fields", Map(&Name), "Field by path in the payload", "字段与数据路径"),
        may("values", Map(&Map(&Text)), "Their words by ours, field by field", "取值对照"),
        may("at", Name, "The path of the time as of which this is so", "数据时间的路径"),
    ]],
    one_of: &[],
    later: &["match", "dedupe"],
};

static CONNECTION: Keys = Keys {
    what: &("a connection", "连接"),
    keys: &[&[
        may("smtp", Object(&SMTP), "A mail server", "邮件服务器"),
        may("http", Object(&HTTP), "An HTTP service", "HTTP 服务"),
        may("dingtalk", Object(&DINGTALK), "A DingTalk group robot", "钉钉群机器人"),
        may("wecom", Object(&WECOM), "A WeCom group robot", "企业微信群机器人"),
        may(
            "deliver",
            Word(&["live", "preview"]),
            "`preview`: nothing leaves, no account is needed",
            "`preview` 表示只记录不发送，无需账号",
        ),
        may("rate", Rate, "At most so many attempts in so long: `20/1m`", "速率上限，如 `20/1m`"),
        may("retry", List(&Duration), "Waits between attempts", "重试间隔"),
        may("concurrency", Count(1, 1_000), "Attempts at the same time", "并发数"),
    ]],
    one_of: &[&["smtp", "http", "dingtalk", "wecom"]],
    later: &["feishu", "sms", "postgres", "mysql", "sqlite", "sqlserver", "sap", "kingdee", "breaker", "quiet"],
};

static SMTP: Keys = Keys {
    what: &("`smtp`", "`smtp`"),
    keys: &[&[
        may("host", Name, "Host", "主机"),
        may("port", Count(1, 65_535), "465 for `tls`, 587 for `starttls`, 25 for `none` unless said", "端口"),
        may("security", Word(&["tls", "starttls", "none"]), "`tls` unless said", "加密方式，默认 `tls`"),
        may("user", Name, "User", "用户名"),
        may("password", Secret, "Password", "密码"),
        may("from", Text, "The `From` mailbox", "发件人"),
        may("timeout", Duration, "For one exchange; `60s` unless said", "超时，默认 `60s`"),
    ]],
    one_of: &[],
    later: &["dkim", "proxy"],
};

static HTTP: Keys = Keys {
    what: &("`http`", "`http`"),
    keys: &[&[
        may("base", Url, "What `/path` is put behind", "基础地址"),
        may("headers", Map(&Text), "Sent with every request", "请求头"),
        may("timeout", Duration, "For one request; `30s` unless said", "超时，默认 `30s`"),
        may("idempotency_header", Name, "`Idempotency-Key` unless said", "幂等键请求头，默认 `Idempotency-Key`"),
    ]],
    one_of: &[],
    later: &["oauth", "proxy", "auth", "tls"],
};

/// What the robots share.
static ROBOT: &[Key] = &[
    may("url", Url, "The whole webhook address", "完整的 webhook 地址"),
    may("keyword", Text, "A word that the robot's settings demand", "机器人设置的关键词"),
    may("timeout", Duration, "For one request; `10s` unless said", "超时，默认 `10s`"),
];

static DINGTALK: Keys = Keys {
    what: &("`dingtalk`", "`dingtalk`"),
    keys: &[
        ROBOT,
        &[
            may("token", Secret, "`access_token` of the webhook address", "webhook 地址中的 `access_token`"),
            may("secret", Secret, "The signing secret", "加签密钥"),
        ],
    ],
    one_of: &[],
    later: &["app"],
};

static WECOM: Keys = Keys {
    what: &("`wecom`", "`wecom`"),
    keys: &[ROBOT, &[may("key", Secret, "`key` of the webhook address", "webhook 地址中的 `key`")]],
    one_of: &[],
    later: &["app"],
};
