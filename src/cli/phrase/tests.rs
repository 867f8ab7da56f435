//! One line of the log each, in both languages.

use super::*;

/// What a line says in Chinese and English.
fn check(action: &str, outcome: Outcome, detail: &str, zh: &str, en: &str) {
    let line = Line {
        seq: 1,
        at: "2026-09-21T06:03:22Z".parse().unwrap(),
        event: 12,
        rule: None,
        flow: None,
        run: None,
        record: None,
        action: action.into(),
        outcome,
        detail: serde_json::from_str(detail).unwrap(),
    };
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let say = |lang| phrase(&line, &Speech { lang, zone: zone.clone() });
    assert_eq!((say(Lang::Zh).as_str(), say(Lang::En).as_str()), (zh, en));
}

#[test]
fn what_rules_do() {
    use Outcome::{Done, Failed, Fired, Suppressed};
    check("rule", Fired, "{}", "", "");
    check("rule", Fired, r#"{"branch":"else"}"#, "else 分支", "else");
    check("assign", Done, r#"{"to":"zs","name":"张三","team":"华东销售","from":null}"#, "→ 张三 (华东销售)", "→ 张三 (华东销售)");
    check("assign", Done, r#"{"to":"zs","name":null,"from":"lisi"}"#, "→ zs 原为 lisi", "→ zs from lisi");
    check("tag", Done, r#"{"tags":["官网","新线索"]}"#, "#官网 #新线索", "#官网 #新线索");
    check(
        "set",
        Done,
        r#"{"level":"A","amount":1000.50,"x":null}"#,
        "amount=1000.50 level=A x=空",
        "amount=1000.50 level=A x=nothing",
    );
    check("log", Done, r#"{"text":"一\n二\u001b[2J"}"#, "一⏎二\\u{1b}[2J", "一⏎二\\u{1b}[2J");
    check("emit", Done, r#"{"event":"lead.qualified"}"#, "→ lead.qualified", "→ lead.qualified");
    check("replay", Done, r#"{"of":"e1042"}"#, "原事件 e1042", "of e1042");
    check("create", Suppressed, r#"{"reason":"exists"}"#, "已存在", "is there already");
    let cooldown = r#"{"reason":"cooldown","until":{"$time":"2026-10-21T06:03:22Z"}}"#;
    check("rule", Suppressed, cooldown, "冷却中 到 10-21 14:03", "cooling down until 10-21 14:03");
    let silenced = r#"{"reason":"silence","by":"s42","until":{"$time":"2026-09-21T08:00:00Z"},"who":"小王","comment":"展会"}"#;
    let (zh, en) = ("已静默 (s42) 到 16:00:00 「小王: 展会」", "silenced (s42) until 16:00:00 「小王: 展会」");
    check("rule", Suppressed, silenced, zh, en);
    let begun = r#"{"silence":"s42","rules":"欢迎*","until":{"$time":"2026-09-21T08:00:00Z"},"by":"小王","comment":"展会"}"#;
    check("silence", Outcome::Done, begun, "s42 欢迎* (小王) 到 16:00:00 「展会」", "s42 欢迎* (小王) until 16:00:00 「展会」");
    let quiet = r#"{"reason":"quiet","until":{"$time":"2026-09-22T00:00:00Z"},"call":"c1-1","attempt":0}"#;
    check("email", Suppressed, quiet, "静默时段 到 09-22 08:00 c1-1", "quiet hours until 09-22 08:00 c1-1");
    let once = r#"{"reason":"rearmed"}"#;
    check("once", Outcome::Done, once, "可再次执行", "may fire again");
    check(
        "rule",
        Suppressed,
        r#"{"reason":"stop","by":"grade"}"#,
        "被前面的规则拦下 (grade)",
        "stopped by an earlier rule (grade)",
    );
    let unevaluable = r#"{"reason":"unevaluable","error":"amount is missing"}"#;
    check("rule", Failed, unevaluable, "无法判断: amount 没有值", "cannot be evaluated: amount is missing");
    check(
        "notify",
        Failed,
        r#"{"reason":"no channel","to":"孙七"}"#,
        "→ 孙七 没有可用的通知渠道",
        "→ 孙七 no channel reaches them",
    );
}

#[test]
fn what_leaves() {
    use Outcome::{Dead, Done, Failed, Fired, Retrying, Suppressed, Unknown};
    let mail =
        r#"{"to":"liuyang@example.com","subject":"刘洋,欢迎了解我们的产品","text":"…","connection":"mail","reason":"preview"}"#;
    let said = "→ liuyang@example.com 《刘洋,欢迎了解我们的产品》";
    check("email", Suppressed, mail, &format!("{said} 预览"), &format!("{said} preview"));
    let robot = r#"{"text":"新线索 刘洋","at":["13800138001"],"connection":"sales-wecom","call":"c12-1"}"#;
    let said = "→ sales-wecom 「新线索 刘洋」 @13800138001 c12-1";
    check("wecom", Fired, robot, said, said);
    check("email", Done, r#"{"call":"c12-1","attempt":1}"#, "c12-1", "c12-1");
    check("http", Done, r#"{"call":"c12-1","attempt":2,"status":201}"#, "201 c12-1 (第 2 次)", "201 c12-1 (attempt 2)");
    let retry = r#"{"call":"c12-1","attempt":2,"error":"421 busy","next":{"$time":"2026-09-21T06:08:22Z"}}"#;
    check("email", Retrying, retry, "421 busy, 下次 14:08:22 c12-1 (第 2 次)", "421 busy, next try 14:08:22 c12-1 (attempt 2)");
    let held = r#"{"call":"c12-1","attempt":0,"error":"660026","next":{"$time":"2026-09-21T06:08:22Z"},"held":"ding"}"#;
    check("dingtalk", Retrying, held, "660026, 下次 14:08:22 (ding 暂停) c12-1", "660026, next try 14:08:22 (ding pauses) c12-1");
    check(
        "email",
        Dead,
        r#"{"call":"c12-1","attempt":5,"error":"550 no"}"#,
        "550 no c12-1 (第 5 次)",
        "550 no c12-1 (attempt 5)",
    );
    check("email", Unknown, r#"{"call":"c12-1","attempt":1,"error":"reset"}"#, "reset c12-1", "reset c12-1");
    check("wecom", Done, r#"{"call":"c12-2","attempt":0,"merged":"c12-1"}"#, "并入 c12-1 c12-2", "within c12-1 c12-2");
    check(
        "email",
        Suppressed,
        r#"{"reason":"late answer","call":"c1-1","attempt":2}"#,
        "迟到的应答,已忽略 c1-1",
        "late answer, ignored c1-1",
    );
    let asked = r#"{"reason":"asked for","call":"c1-1","attempt":2}"#;
    check("email", Retrying, asked, "人工重试 c1-1", "asked for by hand c1-1");
    check("calls", Failed, r#"{"reason":"no such call","call":"c9-9"}"#, "没有这个调用 c9-9", "there is no such call c9-9");
}

#[test]
fn what_sources_flows_and_the_engine_do() {
    use Outcome::{Done, Failed, Fired, Suppressed};
    check("record", Done, r#"{"created":true}"#, "新记录", "new record");
    check(
        "record",
        Done,
        r#"{"changed":{"region":["华北","华东"],"x":[null,1]}}"#,
        "region: 华北 → 华东 x: 空 → 1",
        "region: 华北 → 华东 x: nothing → 1",
    );
    check("record", Suppressed, r#"{"reason":"no change"}"#, "无变化", "no change");
    let refused = r#"{"reason":"refused","refused":{"owner":"kept by ifthen (from: ifthen)"}}"#;
    check("record", Suppressed, refused, "未采纳: owner (只由 ifthen 写入)", "not taken over: owner (kept by ifthen)");
    let unread = r#"{"source":"erp","error":"`erp.db` is locked by another program"}"#;
    let said = "erp: `erp.db` is locked by another program";
    check("read", Failed, unread, said, said);
    let again = r#"{"source":"erp","reason":"recovered"}"#;
    check("read", Done, again, "erp 已恢复读取", "erp can be read again");
    let nowhere = r#"{"to":"","subject":"欢迎","reason":"no address"}"#;
    check("email", Suppressed, nowhere, "《欢迎》 没有收件地址", "《欢迎》 no address to send to");
    check("wait", Fired, r#"{"until":{"$time":"2026-09-23T06:03:22Z"}}"#, "到 09-23 14:03", "until 09-23 14:03");
    check("start", Suppressed, r#"{"reason":"already runs","by":"r7-1"}"#, "已在运行 (r7-1)", "runs already (r7-1)");
    check("end", Done, r#"{"steps":3}"#, "3 步", "3 steps");
    let parked = r#"{"reason":"parked","step":"welcome","error":"550 no"}"#;
    check("run", Failed, parked, "步骤 welcome 停在此步: 550 no", "at step welcome stopped here: 550 no");
    let looped = r#"{"reason":"loop","limit":"more than 16 steps from the first event","cycle":"rule:a → x → rule:a"}"#;
    let en = "rules wake each other; rolled back: more than 16 steps from the first event: rule:a → x → rule:a";
    check("cascade", Failed, looped, "规则互相触发,已回滚: 超过 16 层: rule:a → x → rule:a", en);
    let started = r#"{"definitions":"0123456789ab","changed":"start"}"#;
    check("reload", Done, started, "0123456789ab 启动", "0123456789ab at start");
    let changed = r#"{"definitions":"01","changed":{"flows":{"removed":["f"]},"rules":{"added":["a","b"],"changed":["c"]}}}"#;
    check("reload", Done, changed, "01 流程 -f · 规则 +a +b ~c", "01 flows -f · rules +a +b ~c");
    let first = r#"{"message":"没有名为 `laed` 的实体","at":{"file":"rules/leads.yaml","line":35,"column":15,"width":4}}"#;
    let broken = format!(r#"{{"reason":"does not compile","problems":{{"problems":[{first},{{}}],"summary":"…"}}}}"#);
    let place = "rules/leads.yaml:35:15 没有名为 `laed` 的实体";
    let (zh, en) = (format!("2 个问题,继续使用旧定义: {place}"), format!("2 problems, the old definitions stay: {place}"));
    check("reload", Failed, &broken, &zh, &en);
    let one = r#"{"reason":"does not compile","problems":{"problems":[{}],"summary":"…"}}"#;
    check("reload", Failed, one, "1 个问题,继续使用旧定义", "1 problem, the old definitions stay");
    let swept = r#"{"records":40000,"schedule":"lead: level == 'A' for 24h","waiting":3,"skipped":39997,"fired":0}"#;
    let zh = "已有记录 40000 条:等待 3,已过时 39997 未触发(existing: skip) [lead: level == 'A' for 24h]";
    let en = "40000 existing records: 3 waiting, 39997 past, not fired (existing: skip) [lead: level == 'A' for 24h]";
    check("existing", Done, swept, zh, en);
    let none = r#"{"records":1,"waiting":0,"skipped":0,"fired":0}"#;
    check("existing", Done, none, "已有记录 1 条:均不涉及", "1 existing record: none concerned");
    let made_up = r#"{"records":5,"waiting":0,"skipped":0,"fired":2}"#;
    check("existing", Done, made_up, "已有记录 5 条:已过时 2 补做", "5 existing records: 2 past, made up for");
    let each = r#"{"records":120,"fired":3,"schedule":"cron 0 9 * * 1 each lead","tick":{"$time":"2026-09-21T01:00:00Z"}}"#;
    let zh = "09:00:00 的时刻:记录 120 条,触发 3 [cron 0 9 * * 1 each lead]";
    check("each", Done, each, zh, "tick of 09:00:00: 3 fired of 120 records [cron 0 9 * * 1 each lead]");
    let missed = r#"{"reason":"missed","count":12,"since":{"$time":"2026-09-20T02:00:00Z"}}"#;
    let en = "12 ticks missed since 09-20 10:00, not made up for";
    check("schedule", Suppressed, missed, "错过 12 次(自 09-20 10:00),不再补做", en);
    let past = r#"{"reason":"past","due":{"$time":"2026-09-20T02:00:00Z"}}"#;
    let en = "its time was over already, not made up for (09-20 10:00)";
    check("schedule", Suppressed, past, "时间已过,不再补做 (09-20 10:00)", en);
    let unread = r#"{"reason":"unevaluable","error":"level is missing"}"#;
    check("schedule", Failed, unread, "无法判断: level 没有值", "cannot be evaluated: level is missing");
    check("new-thing", Done, r#"{"a":1,"b":{"c":"d"}}"#, r#"a=1 b={"c":"d"}"#, r#"a=1 b={"c":"d"}"#);
}

#[test]
fn what_people_do_about_tasks() {
    use Outcome::{Done, Failed, Fired, Suppressed};
    let asked = r#"{"task":"t7-1","step":"manager","asked":["何经理","郑会计"],"subject":"报价 Q1","due":{"$time":"2026-09-21T08:00:00Z"}}"#;
    check("approve", Fired, asked, "→ 何经理, 郑会计 到 16:00:00 manager t7-1", "→ 何经理, 郑会计 until 16:00:00 manager t7-1");
    let decided = r#"{"task":"t7-1","step":"manager","round":1,"who":"李四","for":"何经理","decision":"approved","comment":"同意","way":"link","address":"10.0.0.7"}"#;
    check(
        "decide",
        Done,
        decided,
        "李四 (代 何经理) 同意 「同意」 (link, 10.0.0.7) manager t7-1",
        "李四 (for 何经理) approved 「同意」 (link, 10.0.0.7) manager t7-1",
    );
    let back = r#"{"task":"t7-1","step":"manager","who":"何经理","decision":"rejected","to":"revise","here":true,"way":"cli"}"#;
    check(
        "decide",
        Done,
        back,
        "何经理 驳回 → revise 之后直接返回 (cli) manager t7-1",
        "何经理 rejected → revise and straight back (cli) manager t7-1",
    );
    let policy = r#"{"task":"t7-1","step":"manager","decision":"approved","reason":"nobody","way":"policy"}"#;
    check(
        "decide",
        Done,
        policy,
        "同意 (policy) manager t7-1 没有可审批的人",
        "approved (policy) manager t7-1 nobody is there to decide",
    );
    let refused = r#"{"task":"t7-1","who":"何经理","act":"approve","reason":"ended","detail":"任务已结束","way":"api","decided":"approved"}"#;
    check("decide", Suppressed, refused, "何经理 approve: 任务已结束 (api) t7-1", "何经理 approve: 任务已结束 (api) t7-1");
    let added =
        r#"{"task":"t7-1","step":"manager","who":"何经理","people":["冯律师"],"order":"before","asked":["冯律师"],"way":"cli"}"#;
    check("add", Done, added, "何经理 前加签 冯律师 (cli) manager t7-1", "何经理 before: 冯律师 (cli) manager t7-1");
    let up = r#"{"task":"t7-1","step":"finance","from":["郑会计"],"to":["财务总监"]}"#;
    check("escalate", Done, up, "郑会计 → 财务总监 finance t7-1", "郑会计 → 财务总监 finance t7-1");
    let up = r#"{"task":"t7-1","step":"finance","asked":["郑会计"],"reason":"nobody"}"#;
    check("escalate", Failed, up, "finance t7-1 没有可审批的人", "finance t7-1 nobody is there to decide");
}

#[test]
fn what_becomes_of_runs() {
    use Outcome::{Done, Failed};
    let pinned = serde_json::json!({ "definitions": "0123456789abcdef", "changed": { "flows": { "changed": ["报价审批"] } },
        "pinned": { "报价审批": { "runs": 13, "at": { "approve": 12, "revise": 1 } }, "旧流程": { "runs": 2, "at": {}, "gone": true } } });
    check(
        "reload",
        Done,
        &pinned.to_string(),
        "0123456789ab 流程 ~报价审批 · 12 个运行等在 `approve`,1 个运行等在 `revise`:按原版本继续(报价审批) · 2 个运行:按原版本继续(旧流程,已删除)",
        "0123456789ab flows ~报价审批 · 12 runs wait at `approve`, 1 run waits at `revise`: pinned (报价审批) · 2 runs wait: pinned (旧流程, removed)",
    );
    let against = serde_json::json!({ "reason": "cannot be moved", "against": [{ "step": "approve", "why": "there is no such step any more" },
        { "step": "sign", "why": "a branch is new while the others are under way: 质检" }], "by": "李四" });
    check(
        "migrate",
        Failed,
        &against.to_string(),
        "不能迁移:approve: 新版本中没有这一步:改名的步骤请保留原来的 `id`,或先用 `ifthen runs back` 让运行离开它;sign: 分支 质检 是新增的,而其他分支已在进行 (李四)",
        "cannot be moved: approve: there is no such step any more: let the renamed one keep its `id`, or send the run elsewhere first (`ifthen runs back`); sign: a branch is new while the others are under way: 质检 (李四)",
    );
}
