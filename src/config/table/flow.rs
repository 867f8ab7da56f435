//! The grammar of flows and their steps; see [`super::super::grammar`]. Says nothing about what stands where: that is compiled.

use super::super::grammar::Shape::{
    Any, Bool, Condition, Count, Duration, Ids, Keys as Object, List, Map, Name, OneOrMore, ScalarOr, Span, Text, With, Word,
};
use super::super::grammar::{Key, Keys, may, must};
use super::task::{PEOPLE, RUNGS};
use super::{ACTION, ACTIONS, WAKING, WHEN, gate};

pub(super) static FLOW: Keys =
    Keys { what: &("a flow", "流程"), keys: &[WAKING, RUNS, ENDS, gate::SHARED], one_of: &[], later: &["tests"] };

/// What starts a run, and what it is about.
static RUNS: &[Key] = &[
    may("when", WHEN, "What starts a run, beside `start:`", "触发事件"),
    may("record", Name, "The entity a run is about", "流程针对的实体"),
    may("initiator", Name, "Who asked for it; the field `owner` unless said", "发起人，默认为字段 `owner`"),
    may("vars", Map(&Any), "Variables and what they begin with: `vars.x`", "变量及其初值，用 `vars.x` 引用"),
    must("steps", List(&Object(&STEP)), "In order", "步骤"),
    may(
        "asides",
        Ids(&List(&Object(&STEP))),
        "Steps reached only by `back_to` and `go_to`",
        "只能由 `back_to`、`go_to` 进入的步骤",
    ),
    may(
        "mode",
        Word(&["single", "restart", "queued", "parallel"]),
        "A start while a run is under way, or stands still until a person helps: `single` (unless said) ignores it, `restart` begins anew, `queued` waits, `parallel` runs beside",
        "已有运行(含停住待人工处理的)时再次启动：`single`(默认)忽略，`restart` 重新开始，`queued` 排队，`parallel` 同时运行",
    ),
    may(
        "once_per",
        Condition,
        "Of what there is one run at a time, as an expression; the record unless said",
        "按什么只运行一个(表达式)，默认按记录",
    ),
    may(
        "again",
        Name,
        "Whether what was through may begin again: `always` (unless said), `never`, or after `30d`",
        "结束后能否再次开始：`always`(默认)、`never`，或间隔 `30d`",
    ),
    may("window", Object(&WINDOW), "When mails may leave", "允许发送邮件的时段"),
];

/// What ends a run or sends it back, wherever it stands.
static ENDS: &[Key] = &[
    may(
        "stop_if",
        OneOrMore(&ScalarOr(&Condition, &Object(&STOP))),
        "Ends the run wherever it stands",
        "无论运行到哪一步，条件成立即结束",
    ),
    may("reroute", OneOrMore(&Object(&REROUTE)), "Sends it back when fields of the record change", "记录的字段变化时退回"),
    may(
        "recall",
        ScalarOr(&Bool, &OneOrMore(&Object(&STEP))),
        "What an initiator's recall leads to; `false`: cannot be recalled; else it ends as `recalled`",
        "发起人撤回后执行的步骤；`false` 表示不能撤回；默认以 `recalled` 结束",
    ),
    may("within", Span, "How long the whole run may take", "整个运行的时限"),
    may("late", OneOrMore(&Object(&STEP)), "Done when that is over", "超过时限时执行的步骤"),
    may(
        "on_error",
        OneOrMore(&Object(&STEP)),
        "Done when it failed; `run.error`, `run.failed_step`",
        "失败后执行的步骤，可用 `run.error`、`run.failed_step`",
    ),
];

static WINDOW: Keys = Keys {
    what: &("`window`", "`window`"),
    keys: &[&[
        must("from", Text, "It opens: `10:00`", "开始，如 `10:00`"),
        must("to", Text, "It closes: `18:00`, also of the next day", "结束，如 `18:00`，可到次日"),
        may("calendar", Name, "Only on this calendar's working days", "只在该工作日历的工作日"),
        may("zone", Condition, "The contact's zone, as an expression: a field", "对方的时区(表达式)，如字段名"),
    ]],
    one_of: &[],
    later: &["days"],
};

static STOP: Keys = Keys {
    what: &("`stop_if`", "`stop_if`"),
    keys: &[&[
        may("name", Name, "The word in which it ends; `stopped` unless said", "结束时的状态词，默认 `stopped`"),
        may("event", Name, "Only when this happens to the record", "只在记录发生此事件时判断"),
        may("if", Condition, "Must hold", "条件"),
        may("undo", Bool, "What was done is undone first", "先撤销已完成的步骤"),
    ]],
    one_of: &[],
    later: &[],
};

static REROUTE: Keys = Keys {
    what: &("`reroute`", "`reroute`"),
    keys: &[&[
        must("on", OneOrMore(&Name), "Fields of the record", "记录的字段"),
        must("back_to", Name, "The step it goes to", "退回到的步骤"),
    ]],
    one_of: &[],
    later: &[],
};

/// What makes a step; each has one of them.
pub(in crate::config) const STEP_NAMES: &[&str] = &[
    "set", "tag", "untag", "assign", "release", "emit", "create", "log", "start", "email", "http", "dingtalk", "wecom", "notify",
    "run", "wait", "choose", "parallel", "each", "repeat", "call", "approve", "ask", "go_to", "back_to", "end", "fail",
];

/// Words of later versions.
pub(super) const LATER: &[&str] = &["task", "report", "document", "sms", "feishu", "points", "cancel", "score"];

/// A step.
pub(in crate::config) static STEP: Keys = Keys {
    what: &("a step", "步骤"),
    keys: &[FIRST, BLOCKS, PEOPLE, JUMPS, AROUND, ACTIONS],
    one_of: &[STEP_NAMES],
    later: LATER,
};

/// A step that is done when time is over, or what becomes of those who are asked.
static RUNG: Keys =
    Keys {
        what: &("a step", "步骤"), keys: &[RUNGS, FIRST, BLOCKS, PEOPLE, JUMPS, AROUND, ACTIONS], one_of: &[], later: LATER
    };

static FIRST: &[Key] = &[
    may("id", Name, "Unique in the flow; by position unless said: `s1`, `s2`", "步骤标识，流程内唯一，默认按位置 `s1`、`s2`"),
    may("title", Text, "For people", "标题"),
    may("if", Condition, "Skipped unless it holds", "条件不成立时跳过"),
    may(
        "wait",
        ScalarOr(&Name, &With(&["until"], &Object(&UNTIL), &Object(&AWAIT))),
        "For a length of time, until a time, or for an event: `2d`, `8 working hours`, `{ until: starts_at }`, `contract.signed`",
        "等待一段时间、到某个时间或某个事件：`2d`、`8 working hours`、`{ until: starts_at }`、`contract.signed`",
    ),
    may(
        "up_to",
        Name,
        "How long an event is waited for before it goes on: `30d`, or `forever`",
        "最多等多久就继续：`30d`，或 `forever`",
    ),
];

static UNTIL: Keys = Keys {
    what: &("`wait`", "`wait`"),
    keys: &[&[
        must("until", Condition, "The time, as an expression", "时间(表达式)"),
        may("offset", Text, "Before or after it: `-1d`, `+2h`", "提前或推后：`-1d`、`+2h`"),
    ]],
    one_of: &[],
    later: &[],
};

static AWAIT: Keys = Keys {
    what: &("`wait`", "`wait`"),
    keys: &[&[
        must("event", Name, "The event's name", "事件名"),
        may(
            "match",
            Condition,
            "Which one: `event.order == order_no`; without it, one about the run's record",
            "哪一个：`event.order == order_no`；不写则为本记录的事件",
        ),
        may("if", Condition, "Must hold too; `event.x` is the awaited event's", "还须满足的条件，`event.x` 为所等的事件"),
        may("up_to", Name, "How long before it goes on: `30d`, or `forever`", "最多等多久就继续：`30d`，或 `forever`"),
    ]],
    one_of: &[],
    later: &[],
};

/// Steps that hold others.
static BLOCKS: &[Key] = &[
    may("choose", List(&Object(&BRANCH)), "The first branch that holds", "执行第一个条件成立的分支"),
    may("else", List(&Object(&STEP)), "When no branch of `choose` holds", "`choose` 的分支都不成立时"),
    may("parallel", Ids(&List(&Object(&STEP))), "Branches at the same time", "同时进行的分支"),
    may(
        "need",
        Name,
        "How many branches of `parallel` must be through: `any`, `2`; all unless said",
        "`parallel` 须完成几个分支：`any`、`2`，默认全部",
    ),
    may("each", Object(&EACH), "The same for each of a list", "对列表中的每一项执行"),
    may("repeat", Object(&REPEAT), "Again and again", "重复执行"),
    may(
        "call",
        ScalarOr(&Name, &Object(&CALL)),
        "The steps of another flow, as if they stood here; `end` in it ends the run",
        "在此执行另一个流程的步骤；其中的 `end` 会结束整个运行",
    ),
];

static BRANCH: Keys = Keys {
    what: &("a branch", "分支"),
    keys: &[&[must("if", Condition, "Must hold", "条件"), must("then", List(&Object(&STEP)), "Done then", "条件成立时执行")]],
    one_of: &[],
    later: &[],
};

static EACH: Keys = Keys {
    what: &("`each`", "`each`"),
    keys: &[&[
        must("of", Condition, "The list, as an expression", "列表(表达式)"),
        may("as", Name, "The name of one of it; `item` unless said", "每一项的名称，默认 `item`"),
        may("at_once", Count(1, 100), "How many at the same time; 1 unless said", "同时进行几项，默认 1"),
        must("steps", List(&Object(&STEP)), "Done for each", "对每一项执行的步骤"),
    ]],
    one_of: &[],
    later: &[],
};

static REPEAT: Keys = Keys {
    what: &("`repeat`", "`repeat`"),
    keys: &[&[
        may("while", Condition, "As long as this holds, asked before", "条件成立时继续，先判断"),
        may("until", Condition, "Until this holds, asked after", "直到条件成立，后判断"),
        may("times", Condition, "So often, as an expression", "次数(表达式)"),
        may("most", Count(1, 10_000), "More than this often is an error", "最多次数，超过即出错"),
        must("steps", List(&Object(&STEP)), "Done each time", "每次执行的步骤"),
    ]],
    one_of: &[&["while", "until", "times"]],
    later: &[],
};

static CALL: Keys = Keys {
    what: &("`call`", "`call`"),
    keys: &[&[must("flow", Name, "The flow", "流程"), may("vars", Map(&Any), "What its variables begin with", "其变量的初值")]],
    one_of: &[],
    later: &[],
};

static JUMPS: &[Key] = &[
    may("go_to", Name, "Goes on at another step", "转到另一步骤"),
    may(
        "back_to",
        ScalarOr(&Name, &Object(&BACK)),
        "Goes back, a new round: a step, `start`, `previous`",
        "退回并开始新一轮：步骤、`start`、`previous`",
    ),
    may("end", Name, "The run is through, in this word", "结束运行，写明状态词"),
    may("fail", Text, "The step fails, for this reason", "以此原因失败"),
];

static BACK: Keys = Keys {
    what: &("`back_to`", "`back_to`"),
    keys: &[&[
        must(
            "step",
            Name,
            "A step, `start`, or `previous`: the last decision before this",
            "步骤、`start`，或 `previous`(上一个审批)",
        ),
        may(
            "then",
            Word(&["path", "here"]),
            "Afterwards along the path again (`path`, unless said) or on from `here`",
            "之后重走各步(`path`，默认)或回到此处(`here`)",
        ),
        may("undo", Bool, "Steps done since then are undone first", "先撤销此后完成的步骤"),
    ]],
    one_of: &[],
    later: &[],
};

/// What may go wrong with a step, and what is done then.
static AROUND: &[Key] = &[
    may("within", Span, "How long it may take: `8 working hours`", "时限：`8 working hours`"),
    may("late", OneOrMore(&Object(&RUNG)), "Done when that is over", "超时后执行"),
    may("retry", List(&Duration), "Waits between the attempts of its calls", "外部调用的重试间隔"),
    may(
        "on_error",
        ScalarOr(&Word(&["continue"]), &OneOrMore(&Object(&STEP))),
        "When it cannot be done: `continue`, or steps; `steps.<id>.error` says why",
        "无法完成时：`continue` 或一些步骤；`steps.<标识>.error` 为原因",
    ),
    may("undo", OneOrMore(&ACTION), "What makes it undone", "撤销它的动作"),
    may("verify", Object(&VERIFY), "How to find out whether it happened", "如何查明是否已发生"),
    may("window", Bool, "`false`: its mails leave at any time", "`false` 表示其邮件不受发送时段限制"),
];

static VERIFY: Keys = Keys {
    what: &("`verify`", "`verify`"),
    keys: &[&[
        must("http", Object(&super::HTTP), "Looks it up", "查询请求"),
        must(
            "happened",
            Condition,
            "Whether it happened, by the `answer`: `answer.body.found`",
            "根据 `answer` 判断是否已发生：`answer.body.found`",
        ),
    ]],
    one_of: &[],
    later: &[],
};
