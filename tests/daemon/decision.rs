//! Deciding behind a link, over real HTTP and mail: who may, who may not, once, and what survives a restart.

use ifthen::engine::approval::{Seat, Seated, Task};
use ifthen::engine::link::{Key, Token};
use ifthen::engine::log::{Line, Outcome};
use serde_json::json;

use super::desk::{Answer, Desk, Phone};
use super::harness::{Client, Daemon};

fn decided(daemon: &Daemon) -> Vec<Line> {
    daemon.lines("decide", Outcome::Done)
}

fn text(line: &Line, member: &str) -> String {
    line.detail.at(&[member]).map(ToString::to_string).unwrap_or_default()
}

/// What only the person may see.
const SECRETS: [&str; 4] = ["上海智造", "880,000", "老客户续约", "files.example.com"];

#[test]
fn a_link_and_a_code_from_the_own_mailbox_approve_once() {
    let desk = Desk::new(|_| {});
    let daemon = desk.folder.start();
    let link = desk.link("he");
    let mut phone = Phone::new(&daemon);
    let page = phone.get(&link);
    assert_eq!(page.status, 200);
    page.says(&["报价 Q-2026-1 请您审批", "报价审批 · 部门审批", "发送验证码", "h***@example.com", "只有何经理本人"])
        .hides(&SECRETS);
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && policy.contains("form-action 'self'"), "{policy}");
    for (name, value) in
        [("cache-control", "no-store"), ("referrer-policy", "same-origin"), ("x-frame-options", "DENY"), ("set-cookie", "")]
    {
        assert_eq!(page.header(name), value, "{name}");
    }

    let page = phone.prove(&desk, "he", &link);
    page.says(&SECRETS).says(&[
        "22%",
        "https://files.example.com/Q-2026-1.pdf",
        "张三",
        "财务审批（郑 审批）",
        "流程结束：approved",
    ]);
    page.says(&["&lt;script&gt;"]).hides(&["<script", "发送验证码"]);
    page.says(&["驳回后：", "退回到", "处理中", "会签，须全部同意"]);
    assert_eq!(desk.codes("zheng").len() + desk.codes("zhang").len(), 0, "the code went to somebody else, too");

    let page = phone.act(&link, "approve", &[("comment", "同意,请尽快\r\n签约"), ("link", "https://files.example.com/扫描.pdf")]);
    page.says(&["您已于", "同意", "等待 郑 处理", "请尽快"]).hides(&["value=\"approve\"", "value=\"reject\""]);
    let lines = decided(&daemon);
    assert_eq!(lines.len(), 1);
    for (member, expect) in [
        ("who", "何经理"),
        ("comment", "同意,请尽快\n签约"),
        ("way", "link"),
        ("address", "127.0.0.1"),
        ("task", "t1-1"),
        ("step", "manager"),
    ] {
        assert_eq!(text(&lines[0], member), expect, "{member}");
    }
    // Used: it shows what was decided, and decides nothing again.
    for (what, comment) in [("approve", "同意,请尽快\n签约"), ("reject", "不"), ("transfer", "")] {
        let page = phone.act_with(&link, what, &[("comment", comment), ("who", "冯")]);
        assert_eq!(page.status, 409, "{what}");
        page.says(&["您已于"]);
    }
    assert_eq!(decided(&daemon).len(), 1);
}

#[test]
fn opening_a_link_changes_nothing_however_often_and_by_whom() {
    let desk = Desk::new(|_| {});
    let daemon = desk.folder.start();
    let link = desk.link("he");
    desk.link("zheng");
    daemon.wait_lines("email", Outcome::Done, 2);
    let (events, task) = (daemon.events().len(), desk.task(&daemon));
    let mut robot = Phone::new(&daemon);
    for method in ["GET", "HEAD", "GET"] {
        assert_eq!(
            robot.send(method, &link, &[("user-agent", "Mozilla/5.0 (preview)"), ("purpose", "prefetch")], "").status,
            200
        );
    }
    for query in ["what=approve", "what=code", "what=reject&comment=x"] {
        assert_eq!(robot.get(&format!("{link}?{query}")).status, 200);
    }
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        assert_eq!(robot.send(method, &link, &[], "").status, 405, "{method}");
    }
    assert_eq!((daemon.events().len(), desk.task(&daemon)), (events, task));
    assert!(desk.codes("he").is_empty());
}

#[test]
fn a_forwarded_link_is_not_enough() {
    let desk = Desk::new(|_| {});
    let daemon = desk.folder.start();
    let link = desk.link("he");
    let mut stranger = Phone::new(&daemon);
    for what in ["approve", "reject", "transfer", "delegate", "before", "after", "recall", "answer"] {
        let page = stranger.act(&link, what, &[("comment", "x"), ("who", "冯")]);
        assert_eq!(page.status, 403, "{what}");
        page.says(&["请先验证身份"]).hides(&SECRETS);
    }
    // Somebody else of the same task, with a session of their own.
    let other = desk.link("zheng");
    stranger.prove(&desk, "zheng", &other).says(&SECRETS);
    let page = stranger.get(&link);
    page.says(&["只有何经理本人"]).hides(&SECRETS);
    let page = stranger.act(&link, "approve", &[]);
    assert_eq!(page.status, 403);
    assert!(decided(&daemon).is_empty());
    // Their own link still is theirs.
    stranger.act(&other, "approve", &[]).says(&["您已于"]);
    assert_eq!(text(&decided(&daemon)[0], "who"), "郑");
}

#[test]
fn forged_cut_and_expired_links_lead_nowhere() {
    let desk = Desk::new(|_| {});
    let daemon = desk.folder.start();
    let link = desk.link("he");
    let mut phone = Phone::new(&daemon);
    let token = link.strip_prefix("/t/").unwrap();
    let signed = |key: &Key, task: &str, person: &str, until| {
        Token::Task { task: task.into(), person: person.into(), until }.sign(key).unwrap()
    };
    let (ours, theirs, far) = (desk.key(), Key::new([7; 32]), 4_000_000_000);
    let session = Token::Session { person: "何经理".into(), until: far }.sign(&ours).unwrap();
    let mut last = token.to_owned();
    last.pop();
    for bad in [signed(&theirs, "t1-1", "何经理", far), last, format!("{token}A"), session, "x".into(), "A".repeat(5_000)] {
        for method in ["GET", "POST"] {
            let page =
                phone.send(method, &format!("/t/{bad}"), &[("content-type", "application/x-www-form-urlencoded")], "what=code");
            assert_eq!(page.status, 404, "{method} {bad:.60}");
            page.says(&["链接无效"]).hides(&["Q-2026-1"]);
        }
    }
    let expired = phone.get(&format!("/t/{}", signed(&ours, "t1-1", "何经理", 1_000)));
    assert_eq!(expired.status, 410);
    expired.says(&["链接已过期"]).hides(&["Q-2026-1"]);
    let gone = phone.get(&format!("/t/{}", signed(&ours, "t999-1", "何经理", far)));
    assert_eq!(gone.status, 410);
    gone.says(&["这项任务已不再保留"]);
    phone.get(&format!("/t/{}", signed(&ours, "t1-1", "冯", far))).says(&["没有请您处理"]).hides(&SECRETS);
}

#[test]
fn a_post_from_elsewhere_or_from_another_page_does_nothing() {
    let desk = Desk::new(|_| {});
    let daemon = desk.folder.start();
    let link = desk.link("he");
    let mut phone = Phone::new(&daemon);
    phone.prove(&desk, "he", &link);
    let form = phone.get(&link).form();
    let (ours, cookie) = (desk.key(), phone.cookie());
    let stale = ours.form(link.strip_prefix("/t/").unwrap(), "").unwrap(); // before there was a session
    let other = ours.form(desk.link("zheng").strip_prefix("/t/").unwrap(), &cookie).unwrap();
    for origin in ["null", "https://evil.example", "http://ifthen.evil.example", ""] {
        let page = phone.post_from(origin, &link, &[("form", &form), ("what", "approve")]);
        assert_eq!(page.status, 403, "{origin}");
    }
    for form in ["", "x", &stale, &other] {
        let page = phone.post(&link, &[("form", form), ("what", "approve")]);
        assert_eq!(page.status, 403, "{form}");
        page.says(&["页面已失效"]);
    }
    for kind in ["application/json", "text/plain", "multipart/form-data"] {
        let body = format!("form={form}&what=approve");
        assert_eq!(phone.send("POST", &link, &[("content-type", kind)], &body).status, 403, "{kind}");
    }
    let large = format!("form={form}&what=approve&comment={}", "x".repeat(300_000));
    assert_eq!(phone.send("POST", &link, &[("content-type", "application/x-www-form-urlencoded")], &large).status, 403);
    assert!(decided(&daemon).is_empty());
}

#[test]
fn wrong_codes_use_up_a_code_even_when_they_come_at_once() {
    let desk = Desk::new(|_| {});
    let daemon = desk.folder.start();
    let link = desk.link("he");
    let mut phone = Phone::new(&daemon);
    phone.act(&link, "code", &[]);
    let right = desk.code("he", 1);
    let wrong = if right == "000000" { "000001" } else { "000000" };
    let form = phone.get(&link).form();
    let body = format!("form={form}&what=prove&code={wrong}");
    let (address, headers) = (daemon.address, [("content-type", "application/x-www-form-urlencoded")]);
    let tries: Vec<_> = (0..20)
        .map(|_| {
            let (link, body) = (link.clone(), body.clone());
            std::thread::spawn(move || Client::new(address).send("POST", &link, &headers, body.as_bytes()).unwrap().0)
        })
        .collect();
    assert!(tries.into_iter().all(|t| t.join().unwrap() == 403));
    let lines = daemon.lines("code", Outcome::Suppressed);
    assert_eq!(lines.iter().filter(|l| text(l, "reason") == "wrong code").count(), 5, "more tries than a code has");
    let page = phone.act_with(&link, "prove", &[("code", &right)]);
    assert_eq!(page.status, 403);
    page.says(&["验证码已失效"]).hides(&SECRETS);
    assert!(phone.cookie().is_empty());
    // Another one only after a minute.
    let page = phone.post(&link, &[("form", &form), ("what", "code")]);
    assert_eq!(page.status, 429);
    page.says(&["过于频繁"]);
    assert_eq!(desk.codes("he").len(), 1);
}

#[test]
fn a_code_counts_once() {
    let desk = Desk::new(|_| {});
    let daemon = desk.folder.start();
    let link = desk.link("he");
    let mut phone = Phone::new(&daemon);
    phone.prove(&desk, "he", &link).says(&SECRETS);
    let code = desk.code("he", 1);
    let mut thief = Phone::new(&daemon);
    let form = desk.key().form(link.strip_prefix("/t/").unwrap(), "").unwrap();
    let page = thief.post(&link, &[("form", &form), ("what", "prove"), ("code", &code)]);
    assert_eq!(page.status, 403);
    page.hides(&SECRETS);
    assert_eq!(daemon.lines("code", Outcome::Done).len(), 1);
}

#[test]
fn a_restart_in_between_loses_neither_code_nor_session() {
    let desk = Desk::new(|_| {});
    let daemon = desk.folder.start();
    let link = desk.link("he");
    let mut phone = Phone::new(&daemon);
    phone.act(&link, "code", &[]);
    let code = desk.code("he", 1);
    daemon.kill();
    let daemon = desk.folder.start();
    let mut phone = phone.moved(&daemon);
    phone.act(&link, "prove", &[("code", &code)]).says(&SECRETS);
    let cookie = phone.cookie();
    daemon.kill();
    let daemon = desk.folder.start();
    let mut phone = phone.moved(&daemon);
    phone.act(&link, "approve", &[]).says(&["您已于"]);
    assert_eq!(decided(&daemon).len(), 1);
    // Nothing that speaks for somebody is kept: no link, no session.
    let token = link.strip_prefix("/t/").unwrap().to_owned();
    drop(daemon);
    for file in ["data/ifthen.db", "data/ifthen.db-wal", "stderr"] {
        let bytes = std::fs::read(desk.folder.path(file)).unwrap_or_default();
        for secret in [&token, &cookie] {
            assert!(!bytes.windows(secret.len()).any(|w| w == secret.as_bytes()), "{file}");
        }
    }
}

#[test]
fn a_rejection_needs_a_word_and_ends_it_for_the_others_too() {
    let desk = Desk::new(|_| {});
    let daemon = desk.folder.start();
    let (he, zheng) = (desk.link("he"), desk.link("zheng"));
    let mut phone = Phone::new(&daemon);
    phone.prove(&desk, "he", &he);
    let page = phone.act(&he, "reject", &[("comment", " ")]);
    assert_eq!(page.status, 422);
    page.says(&["驳回须填写意见"]);
    phone.act(&he, "reject", &[("comment", "折扣太高")]).says(&["已驳回", "折扣太高"]).hides(&["value=\"recall\""]);
    let lines = decided(&daemon);
    assert_eq!((text(&lines[0], "who"), text(&lines[0], "comment")), ("何经理".into(), "折扣太高".into()));
    let mut other = Phone::new(&daemon);
    other.get(&zheng).says(&["已驳回"]).hides(&SECRETS).hides(&["折扣太高"]);
    other.prove(&desk, "zheng", &zheng).says(&["折扣太高"]).hides(&["value=\"approve\""]);
}

#[test]
fn english_is_spoken_to_whoever_reads_english() {
    let desk = Desk::new(|_| {});
    let daemon = desk.folder.start();
    let link = desk.link("he");
    let mut phone = Phone::new(&daemon);
    phone.prove(&desk, "he", &link);
    phone.language = "en-GB,en;q=0.9,zh;q=0.5";
    phone.get(&link).says(&["Approve", "Reject", "What comes next", "Asked for by", "all must approve", "lang=\"en\""]);
    let page = phone.act(&link, "reject", &[]);
    page.says(&["A rejection needs a comment"]);
    phone.act(&link, "approve", &[]).says(&["You approved at"]);
    // Taken back, it is theirs again, and decided the other way.
    phone.act(&link, "recall", &[]).says(&["Your decision"]);
    phone.act(&link, "reject", &[("comment", "On second thoughts")]).says(&["You rejected at", "On second thoughts"]);
    assert_eq!(daemon.lines("recall", Outcome::Done).len(), 1);
}

#[test]
fn it_is_handed_over_and_others_are_asked() {
    let desk = Desk::new(|_| {});
    let daemon = desk.folder.start();
    let link = desk.link("he");
    let mut phone = Phone::new(&daemon);
    phone.prove(&desk, "he", &link).says(&["转办", "委派", "前加签", "value=\"冯\""]).hides(&["<option value=\"郑\""]);
    phone.act(&link, "before", &[("who", "张三"), ("comment", "请先看")]).says(&["还没有轮到您", "正在由"]);
    let page = phone.act_with(&link, "approve", &[]);
    assert_eq!(page.status, 409);
    let added = desk.link("zhang");
    let mut other = Phone::new(&daemon);
    other.prove(&desk, "zhang", &added).says(&["何经理 加签"]);
    other.act(&added, "approve", &[("comment", "可以")]);
    phone.act(&link, "transfer", &[("who", "冯")]).says(&["已由 冯 接手", "可以"]);
    let page = phone.act_with(&link, "approve", &[]);
    assert_eq!(page.status, 409);
    let link = desk.link("feng");
    let mut last = Phone::new(&daemon);
    last.prove(&desk, "feng", &link).says(&["何经理 转办"]);
    last.act(&link, "approve", &[]).says(&["您已于"]);
    let who: Vec<String> = decided(&daemon).iter().map(|l| text(l, "who")).collect();
    assert_eq!(who, ["张三", "冯"]);
}

#[test]
fn who_was_added_is_taken_out_again_until_they_have_decided() {
    let desk = Desk::new(|_| {});
    let daemon = desk.folder.start();
    let link = desk.link("he");
    let mut phone = Phone::new(&daemon);
    phone.prove(&desk, "he", &link).hides(&["减签"]);
    phone.act(&link, "before", &[("who", "张三")]).says(&["还没有轮到您", "减签", "<option value=\"张三\">"]);
    assert_eq!(phone.act(&link, "remove", &[("who", "郑")]).says(&["不是您加签的"]).status, 409, "郑 was named by the step");
    phone.act(&link, "remove", &[("who", "张三")]).says(&["value=\"approve\""]).hides(&["减签"]);
    phone.act(&link, "before", &[("who", "冯")]).says(&["减签"]);
    let added = desk.link("feng");
    let mut other = Phone::new(&daemon);
    other.prove(&desk, "feng", &added);
    other.act(&added, "approve", &[]);
    assert!(!phone.get(&link).text.contains("减签"), "they have decided");
    assert_eq!(daemon.lines("remove", Outcome::Done).len(), 1);
}

#[test]
fn whatever_people_may_do_can_be_done_on_the_page_by_the_api_and_by_the_command_line() {
    let desk = Desk::new(|_| {});
    let daemon = desk.folder.start();
    let page = include_str!("../../src/web/task/page.html");
    let control = std::fs::read_to_string(desk.folder.path("data/control")).unwrap();
    let bearer = format!("Bearer {}", control.lines().nth(1).unwrap());
    for word in ifthen::engine::approval::Act::WORDS {
        let buttons = if word == "add" { vec!["before", "after"] } else { vec![word] };
        for button in buttons {
            assert!(page.contains(&format!("name=\"what\" value=\"{button}\"")), "no button: {button}");
        }
        let (status, answer) =
            daemon.post(&format!("/api/tasks/t1-1/{word}"), &[("authorization", &bearer)], &json!({ "person": "冯" }));
        assert!(status != 404, "{word}: {status} {answer}");
        let (exit, text) = desk.folder.cli(&["tasks", word, "--help"]);
        assert!(exit == 0 && text.contains("--as"), "{word}: {text}");
    }
}

#[test]
fn a_group_is_nobodys_own_channel() {
    let desk = Desk::new(|task: &mut Task| {
        let seat = Seat { person: "群里的人".into(), ..task.seats[0].clone() };
        task.seats.push(seat);
    });
    let daemon = desk.folder.start();
    let link = desk.link("nobody");
    let page = Phone::new(&daemon).get(&link);
    page.says(&["没有登记可用的个人邮箱"]).hides(&["value=\"code\"", "value=\"prove\""]);
    let mut phone = Phone::new(&daemon);
    let form = desk.key().form(link.strip_prefix("/t/").unwrap(), "").unwrap();
    let page = phone.post(&link, &[("form", &form), ("what", "code")]);
    assert_eq!(page.status, 409);
    page.says(&["没有登记可用的个人邮箱"]);
}

#[test]
fn a_form_is_answered_with_typed_values() {
    let desk = Desk::new(|task: &mut Task| {
        task.form = Some("quote-revision".into());
        task.set = true;
        task.seats.truncate(1);
        task.subject = "请修改报价 Q-2026-1".into();
    });
    let daemon = desk.folder.start();
    let link = desk.link("he");
    let mut phone = Phone::new(&daemon);
    phone
        .prove(&desk, "he", &link)
        .says(&["修改报价", "折扣 *", "value=\"22\"", "type=\"date\"", "有效期至"])
        .hides(&["value=\"approve\""]);
    let page = phone.act(&link, "answer", &[("f.discount", "很多"), ("f.note", "老客户")]);
    assert_eq!(page.status, 409);
    page.says(&["value=\"很多\"", "老客户"]);
    let page = phone.act(&link, "answer", &[("f.discount", ""), ("f.valid", "2026-12-31")]);
    assert_eq!(page.status, 409);
    phone.act(&link, "answer", &[("f.discount", "15"), ("f.valid", "2026-12-31"), ("f.note", "好")]).says(&["已提交"]);
    assert_eq!(daemon.field("quote", "Q-2026-1", "discount"), "0.15");
    assert_eq!(daemon.field("quote", "Q-2026-1", "valid"), "2026-12-31");
}

#[test]
fn the_api_decides_with_the_control_token_and_says_what_became_of_it() {
    let desk = Desk::new(|_| {});
    let daemon = desk.folder.start();
    let control = std::fs::read_to_string(desk.folder.path("data/control")).unwrap();
    let bearer = format!("Bearer {}", control.lines().nth(1).unwrap());
    let auth = [("authorization", bearer.as_str())];
    let get = |path: &str| {
        let (status, text) = daemon.client().send("GET", path, &auth, b"").unwrap();
        (status, serde_json::from_str::<serde_json::Value>(&text).unwrap())
    };
    let (status, list) = get("/api/tasks?person=%E4%BD%95%E7%BB%8F%E7%90%86");
    assert_eq!((status, list["tasks"][0]["id"].as_str(), list["tasks"].as_array().unwrap().len()), (200, Some("t1-1"), 1));
    assert_eq!(get("/api/tasks?person=x").1["tasks"], json!([]));
    assert_eq!(get("/api/tasks?status=ended").1["tasks"], json!([]));
    assert_eq!(get("/api/tasks?status=odd").0, 400);
    assert_eq!(get("/api/tasks/t1-1").1["seats"][1]["person"], "郑");
    assert_eq!((get("/api/tasks/t9-1").0, get("/api/tasks/x").0), (404, 400));
    let post = |path: &str, key: &str, body: serde_json::Value| {
        let mut headers = auth.to_vec();
        if !key.is_empty() {
            headers.push(("idempotency-key", key));
        }
        let (status, answer) = daemon.post(path, &headers, &body);
        (status, answer["code"].as_str().or(answer["outcome"].as_str()).unwrap_or_default().to_owned())
    };
    let he = json!({ "person": "何经理", "comment": "可以" });
    let told = |status: u16, word: &str| (status, word.to_owned());
    assert_eq!(post("/api/tasks/t1-1/approve", "", json!({})), told(422, "body"));
    assert_eq!(post("/api/tasks/t1-1/approve", "", json!({ "person": "何经理", "odd": 1 })), told(422, "body"));
    assert_eq!(post("/api/tasks/t1-1/approve", "", json!({ "person": "冯" })), told(403, "not-asked"));
    assert_eq!(post("/api/tasks/t9-1/approve", "", he.clone()), told(404, "unknown-task"));
    assert_eq!(post("/api/tasks/t1-1/reject", "", json!({ "person": "何经理" })), told(422, "no-comment"));
    assert_eq!(post("/api/tasks/t1-1/transfer", "", json!({ "person": "何经理", "to": "无此人" })), told(422, "unknown-person"));
    assert_eq!(post("/api/tasks/t1-1/dance", "", he.clone()), told(404, "not-found"));
    assert_eq!(post("/api/tasks/t1-1/approve", &"k".repeat(201), he.clone()), told(422, "idempotency-key"));
    assert_eq!(post("/api/tasks/t1-1/approve", "k1", he.clone()), told(200, "done"));
    assert_eq!(post("/api/tasks/t1-1/approve", "k1", he.clone()), told(200, "done"), "the same again");
    assert_eq!(post("/api/tasks/t1-1/reject", "k1", he.clone()), told(409, "idempotency-key"));
    assert_eq!(post("/api/tasks/t1-1/approve", "", he.clone()), told(200, "already"));
    assert_eq!(post("/api/tasks/t1-1/reject", "", he), told(409, "already-decided"));
    let lines = decided(&daemon);
    assert_eq!(lines.len(), 1);
    assert_eq!((text(&lines[0], "way"), text(&lines[0], "address")), ("api".into(), "127.0.0.1".into()));
    assert_eq!(post("/api/tasks/t1-1/recall", "", json!({ "person": "何经理" })), told(200, "done"));
    assert_eq!(get("/api/tasks/t1-1").1["seats"][0]["state"], "open");
}

#[test]
fn the_command_line_decides_in_a_persons_name() {
    let desk = Desk::new(|_| {});
    let daemon = desk.folder.start();
    let cli = |args: &[&str]| desk.folder.cli(args);
    let (exit, text) = cli(&["tasks"]);
    assert!(exit == 0 && text.contains("t1-1") && text.contains("何经理、郑") && text.contains("待处理"), "{text}");
    assert!(cli(&["tasks", "list", "--person", "冯"]).1.contains("没有待处理的任务"));
    let (exit, text) = cli(&["tasks", "show", "t1-1"]);
    assert!(exit == 0 && text.contains("报价 Q-2026-1 请您审批") && text.contains("待处理"), "{text}");
    assert_eq!(cli(&["tasks", "show", "t9-1"]).0, 1);
    let (exit, text) = cli(&["tasks", "reject", "t1-1", "--as", "何经理"]);
    assert!(exit == 1 && text.contains("驳回须填写意见"), "{text}");
    let (exit, text) = cli(&["tasks", "approve", "t1-1", "--as", "何经理", "--comment", "可以"]);
    assert!(exit == 0 && text.contains("decide"), "{text}");
    assert_eq!(cli(&["tasks", "approve", "t1-1", "--as", "何经理", "--comment", "可以"]).0, 0);
    let (exit, text) = cli(&["--lang", "en", "tasks", "reject", "t1-1", "--as", "郑", "--comment", "太贵"]);
    assert!(exit == 0 && text.contains("太贵"), "{text}");
    let (_, text) = cli(&["tasks", "list", "--all", "--json"]);
    let task: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!((task["status"].as_str(), task["seats"][0]["decision"]["way"].as_str()), (Some("rejected"), Some("cli")));
    assert!(desk.task(&daemon).seats.iter().any(|s| s.state == Seated::Rejected));
}

impl Phone {
    /// Posts to a page that has no form any more, with what the form of before would bring.
    fn act_with(&mut self, link: &str, what: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.get(link);
        let form = if page.text.contains("name=\"form\"") { page.form() } else { self.former(link) };
        let mut all = vec![("form", form.as_str()), ("what", what)];
        all.extend(fields);
        self.post(link, &all)
    }
}
