//! The channels against stand-ins that answer as the real platforms do: what is sent, and what each answer is taken for.
#![allow(clippy::unwrap_used, reason = "a test that fails shall say where")]

mod standin;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ifthen::action::Performer;
use ifthen::config::settings::{Connection, Http, Kept, Limits, LogFormat, Robot, Security, Settings, Smtp as SmtpSettings};
use ifthen::engine::call::{Call, Class, Outcome};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::{Value, json};

use standin::{Act, Dingtalk, Mode, Reply, Smtp, Stage, Web, Wecom, dingtalk, wecom};

/// Long enough for a busy machine, short enough where a test must run into it.
const PATIENT: SignedDuration = SignedDuration::from_secs(20);
const SHORT: SignedDuration = SignedDuration::from_millis(1_500);

fn settings(connections: impl IntoIterator<Item = (&'static str, Connection)>, allow: &[&str]) -> Settings {
    Settings {
        path: "config.yaml".into(),
        listen: ([127, 0, 0, 1], 0).into(),
        tls: None,
        public_url: None,
        data: "data".into(),
        definitions: Vec::new(),
        sources: BTreeMap::new(),
        connections: connections.into_iter().map(|(id, c)| (id.to_owned(), c)).collect(),
        limits: Limits::default(),
        retention: Kept::default(),
        allow_networks: allow.iter().map(|n| n.parse().unwrap()).collect(),
        log: LogFormat::default(),
    }
}

fn performer(id: &'static str, connection: Connection) -> Performer {
    Performer::new(&settings([(id, connection)], &["127.0.0.0/8"])).unwrap()
}

fn call(connection: &str, request: Value) -> Call {
    let call = json!({
        "id": "c1042-2", "connection": connection, "lane": "", "by": "rule:welcome", "request": request,
        "status": "queued", "attempt": 1, "due": "2026-11-21T08:00:00Z", "retry": [],
    });
    serde_json::from_value(call).unwrap()
}

/// The outcome as a word: `done`, `unknown`, or the class; and what was said.
async fn perform(performer: &Performer, call: &Call) -> (String, String) {
    match performer.perform(call, "i7-c1042-2", None).await {
        Outcome::Done(value) => ("done".into(), serde_json::to_string(&value.plain()).unwrap()),
        Outcome::Unknown { detail } => ("unknown".into(), detail),
        Outcome::Failed { class, detail } => (
            match class {
                Class::Transient => "transient".into(),
                Class::Throttled { seconds: Some(s) } => format!("throttled {s}"),
                Class::Throttled { seconds: None } => "throttled".into(),
                Class::Permanent => "permanent".into(),
                Class::Configuration => "configuration".into(),
            },
            detail,
        ),
    }
}

/// Asserts the outcome and that `said` stands in what was said.
async fn expect(performer: &Performer, call: &Call, outcome: &str, said: &str) {
    let (got, detail) = perform(performer, call).await;
    assert_eq!(got, outcome, "{detail}");
    assert!(detail.contains(said), "`{said}` is not in: {detail}");
    for secret in ["canary", "dingtoken-7f3a", "SEC0123456789abcdef", "693a91f6-7a0c", "access_token"] {
        assert!(!detail.contains(secret), "a secret is in: {detail}");
    }
}

// Mail

fn smtp(standin: &Smtp, login: Option<(&str, &str)>, timeout: SignedDuration) -> Performer {
    let address = standin.server.address();
    performer(
        "mail",
        Connection::Smtp(SmtpSettings {
            host: address.ip().to_string(),
            port: address.port(),
            security: Security::None,
            login: login.map(|(u, p)| (u.to_owned(), SecretString::from(p))),
            from: "某公司 <noreply@example.com>".into(),
            timeout,
        }),
    )
}

fn mail(to: &str) -> Call {
    let email = json!({ "to": to, "subject": "欢迎 刘洋", "text": "您好,刘洋\n.\n..再见", "html": "<p>您好</p>" });
    call("mail", json!({ "email": email }))
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_written() {
    let server = Smtp::with_login("noreply", "canary-密码");
    let performer = smtp(&server, Some(("noreply", "canary-密码")), PATIENT);
    expect(&performer, &mail("刘洋 <liuyang@example.com>"), "done", "@example.com>").await;
    expect(&performer, &mail("liuyang@example.com"), "done", "queued").await;
    let received = server.received.wait(2);
    let first = &received[0];
    assert_eq!(
        (first.from.as_str(), first.to.as_slice()),
        ("noreply@example.com", ["liuyang@example.com".to_owned()].as_slice())
    );
    assert_eq!(first.subject(), "欢迎 刘洋");
    assert_eq!(first.header("to"), "刘洋 <liuyang@example.com>");
    assert_eq!(first.header("from"), "某公司 <noreply@example.com>");
    assert_eq!(first.text(), "您好,刘洋\n.\n..再见");
    assert_eq!(first.html(), Some("<p>您好</p>"));
    assert_eq!(first.header("auto-submitted"), "auto-generated");
    assert_eq!(first.key(), "i7-c1042-2");
    assert_eq!(first.header("message-id"), received[1].header("message-id"));
    assert_eq!(server.connections.all().len(), 1, "the second mail made a connection of its own");
}

#[tokio::test]
async fn mail_replies_are_judged_by_class() {
    let server = Smtp::start();
    let performer = smtp(&server, None, PATIENT);
    let mail = mail("liuyang@example.com");
    for (stage, reply, outcome) in [
        (Stage::Greeting, "554 5.3.2 no service here", "configuration"),
        (Stage::Greeting, "421 4.3.2 busy", "throttled"),
        (Stage::Greeting, "SSH-2.0-OpenSSH_9.6", "transient"),
        (Stage::Sender, "501 5.1.7 from must equal the login", "configuration"),
        (Stage::Recipient, "550 5.1.1 no such user", "permanent"),
        (Stage::Recipient, "450 4.2.1 mailbox busy", "transient"),
        (Stage::Data, "451 4.3.0 local error", "transient"),
        (Stage::Dot, "452 4.3.1 no space", "transient"),
        (Stage::Dot, "554 5.7.1 spam", "permanent"),
    ] {
        server.next(1, stage, Act::Reply(reply));
        let said = if stage == Stage::Greeting && !reply.starts_with(['4', '5']) { "no SMTP" } else { reply };
        expect(&performer, &mail, outcome, said).await;
    }
    assert_eq!(server.received.all().len(), 0);
    expect(&performer, &mail, "done", "queued").await;
}

#[tokio::test]
async fn one_bad_recipient_does_not_spoil_the_next() {
    let server = Smtp::start();
    let performer = smtp(&server, None, PATIENT);
    server.next_for("gone@example.com", usize::MAX, Stage::Recipient, Act::Reply("550 5.1.1 no such user"));
    expect(&performer, &mail("gone@example.com"), "permanent", "550 5.1.1 no such user (at RCPT TO)").await;
    expect(&performer, &mail("liuyang@example.com"), "done", "queued").await;
    expect(&performer, &mail("gone@example.com"), "permanent", "550").await;
}

#[tokio::test]
async fn a_mail_lost_after_its_dot_is_unknown_and_comes_again_under_the_same_id() {
    let server = Smtp::start();
    let performer = smtp(&server, None, PATIENT);
    let mail = mail("liuyang@example.com");
    server.next(1, Stage::Dot, Act::Drop);
    expect(&performer, &mail, "unknown", "the message was sent, but its receipt was not").await;
    expect(&performer, &mail, "done", "queued").await;
    let received = server.received.wait(2);
    assert_eq!((received[0].acknowledged, received[1].acknowledged), (false, true));
    assert_eq!(received[0].header("message-id"), received[1].header("message-id"));
    assert_eq!(server.by_key(), BTreeMap::from([("i7-c1042-2".to_owned(), 2)]));

    for stage in [Stage::Greeting, Stage::Sender, Stage::Recipient, Stage::Data] {
        server.next(1, stage, Act::Drop);
        // The idle connection would not meet a greeting.
        server.server.down();
        server.server.up();
        expect(&performer, &mail, "transient", "").await;
    }
}

#[tokio::test]
async fn a_mail_server_that_hangs_or_is_down() {
    let server = Smtp::start();
    let performer = smtp(&server, None, SHORT);
    let mail = mail("liuyang@example.com");
    server.next(1, Stage::Recipient, Act::Hang);
    expect(&performer, &mail, "transient", "no reply within 1.5 s (at RCPT TO)").await;
    server.next(1, Stage::Dot, Act::Hang);
    expect(&performer, &mail, "unknown", "no reply within 1.5 s").await;
    server.server.down();
    expect(&performer, &mail, "transient", "refused").await;
    server.server.up();
    expect(&smtp(&server, None, PATIENT), &mail, "done", "").await;
}

#[tokio::test]
async fn a_bad_login_stops_the_account_and_the_password_is_not_told() {
    let server = Smtp::with_login("noreply", "right");
    let performer = smtp(&server, Some(("noreply", "canary-wrong")), PATIENT);
    let mail = mail("liuyang@example.com");
    expect(&performer, &mail, "configuration", "535 5.7.8").await;
    server.next(1, Stage::Auth, Act::Reply("535 5.7.8 bad password canary-wrong"));
    expect(&performer, &mail, "configuration", "bad password ***").await;
    expect(&smtp(&server, None, PATIENT), &mail, "configuration", "530").await;
    server.next(1, Stage::Auth, Act::Reply("454 4.7.0 later"));
    expect(&smtp(&server, Some(("noreply", "right")), PATIENT), &mail, "transient", "454").await;
}

// HTTP

fn http(base: Option<String>, timeout: SignedDuration) -> Connection {
    Connection::Http(Http {
        base,
        headers: BTreeMap::from([("Authorization".to_owned(), SecretString::from("Bearer canary-token"))]),
        timeout,
        idempotency_header: "Idempotency-Key".into(),
    })
}

fn post(url: &str) -> Call {
    call("erp", json!({ "http": { "method": "POST", "url": url, "body": { "json": { "name": "刘洋" } } } }))
}

#[tokio::test]
async fn a_request_arrives_and_its_answer_is_usable() {
    let web = Web::start();
    let performer = performer("erp", http(Some(web.url("/api")), PATIENT));
    web.next(1, Reply::json(201, &json!({ "id": 7, "echo": "Bearer canary-token" })).header("location", "/invoices/7"));
    let expected =
        r#"{"body":{"echo":"***","id":7},"headers":{"content-type":"application/json","location":"/invoices/7"},"status":201}"#;
    expect(&performer, &post("/invoices?x=1"), "done", expected).await;
    let request = &web.requests.wait(1)[0];
    assert_eq!((request.method.as_str(), request.path.as_str(), request.parameter("x")), ("POST", "/api/invoices", Some("1")));
    assert_eq!(request.header("authorization"), Some("Bearer canary-token"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.json(), json!({ "name": "刘洋" }));
    assert_eq!(web.by_key(), BTreeMap::from([("i7-c1042-2".to_owned(), 1)]));
}

#[tokio::test]
async fn statuses_are_judged_by_class() {
    let web = Web::start();
    let performer = performer("erp", http(Some(web.url("")), PATIENT));
    let call = post("/invoices?token=canary-query");
    for (reply, outcome) in [
        (Reply::status(204), "done"),
        (Reply::status(400), "permanent"),
        (Reply::status(401), "configuration"),
        (Reply::status(403), "permanent"),
        (Reply::status(404), "permanent"),
        (Reply::status(408), "transient"),
        (Reply::status(409), "permanent"),
        (
            Reply::text(409, "application/problem+json", r#"{"title":"a request with this Idempotency-Key is in progress"}"#),
            "transient",
        ),
        (Reply::status(422), "permanent"),
        (Reply::status(425), "transient"),
        (Reply::status(429), "throttled"),
        (Reply::status(429).header("retry-after", "17"), "throttled 17"),
        (Reply::status(500), "transient"),
        (Reply::status(503).header("retry-after", "5"), "throttled 5"),
        (Reply::status(302).header("location", "http://169.254.169.254/x?canary"), "permanent"),
        (Reply::text(400, "text/plain", "bad token canary-token"), "permanent"),
    ] {
        web.next(1, reply);
        expect(&performer, &call, outcome, "").await;
    }
    assert_eq!(web.requests.all().len(), 16, "a redirect was followed or a request repeated");
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_unknown_and_its_size_and_time_are_bounded() {
    let web = Web::start();
    let erp = performer("erp", http(Some(web.url("")), SHORT));
    let patient = performer("erp", http(Some(web.url("")), PATIENT));
    for (reply, said) in [(Reply::Hang, "no answer within 1.5 s"), (Reply::Drip, "answered 200, but: not complete within 1.5 s")]
    {
        web.next(1, reply);
        expect(&erp, &post("/x"), "unknown", said).await;
    }
    for reply in [Reply::Drop, Reply::DropAfterHeaders] {
        web.next(1, reply);
        expect(&patient, &post("/x"), "unknown", "").await;
    }
    web.next(1, Reply::Drop);
    let get = call("erp", json!({ "http": { "method": "GET", "url": "/x" } }));
    expect(&patient, &get, "transient", "the connection broke").await;
    web.next(1, Reply::Endless);
    let (outcome, body) = perform(&patient, &post("/x")).await;
    assert_eq!(outcome, "done");
    assert!(body.contains(r#""truncated":true"#) && body.len() < 66 << 10, "{} bytes", body.len());
    web.server.down();
    expect(&patient, &post("/x"), "transient", "could not connect").await;
    web.server.up();
    expect(&patient, &post("/x"), "done", "").await;
}

#[tokio::test]
async fn private_networks_are_closed_unless_config_opens_them() {
    let web = Web::start();
    let port = web.server.address().port();
    let closed = Performer::new(&settings([("erp", http(Some(web.url("")), PATIENT))], &[])).unwrap();
    expect(&closed, &post("/x"), "configuration", "add 127.0.0.0/8 to allow_networks").await;
    for host in ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0"] {
        let mut call = post(&format!("http://{host}:{port}/x"));
        call.connection = "http".into();
        expect(&closed, &call, "permanent", "to allow_networks").await;
    }
    for url in ["file:///etc/passwd", "gopher://127.0.0.1/", "http://127.0.0.1/\r\nX: y"] {
        expect(&closed, &post(url), "permanent", "").await;
    }
    assert_eq!(web.requests.all().len(), 0, "a closed address was reached");

    let other = Web::start();
    let open = performer("erp", http(Some(web.url("")), PATIENT));
    expect(&open, &post(&other.url("/x")), "done", "").await;
    assert_eq!(other.requests.wait(1)[0].header("authorization"), None, "a secret went to another origin");
}

// Robots

fn robot(url: String, secret: Option<&str>, keyword: Option<&str>, timeout: SignedDuration) -> Robot {
    Robot { url: url.into(), secret: secret.map(SecretString::from), keyword: keyword.map(str::to_owned), timeout }
}

fn message(kind: &str, format: &str, text: &str) -> Call {
    let at = json!({ "mobiles": ["13800138000"], "users": [], "all": false });
    call("sales", json!({ kind: { "format": format, "title": "日报", "text": text, "at": at } }))
}

#[tokio::test]
async fn dingtalk_accepts_what_is_signed_and_holds_the_keyword() {
    let server = Dingtalk::with(dingtalk::Options { keywords: vec!["提醒".into()], ..dingtalk::Options::default() });
    let sales = robot(server.url(), server.secret(), Some("提醒"), PATIENT);
    let performer = performer("sales", Connection::Dingtalk(sales));
    expect(&performer, &message("dingtalk", "text", "新线索 刘洋"), "done", r#""errcode":0"#).await;
    expect(&performer, &message("dingtalk", "markdown", "## 日报"), "done", "").await;
    let accepted = server.accepted.wait(2);
    assert_eq!(accepted[0].text, "提醒 新线索 刘洋\n@13800138000");
    assert_eq!(accepted[0].at, json!({ "atMobiles": ["13800138000"], "atUserIds": [], "isAtAll": false }));
    assert_eq!((accepted[1].title.as_str(), accepted[1].text.as_str()), ("日报", "提醒\n\n## 日报\n\n@13800138000"));
    assert_eq!(server.by_key(), BTreeMap::from([("i7-c1042-2".to_owned(), 2)]));
}

#[tokio::test]
async fn dingtalk_refusals_are_judged_by_the_body() {
    let server = Dingtalk::start();
    let text = message("dingtalk", "text", "新线索");
    let with = |url: String, secret: Option<&str>| performer("sales", Connection::Dingtalk(robot(url, secret, None, PATIENT)));
    let right = with(server.url(), server.secret());
    expect(&with(server.url(), None), &text, "transient", "310000: invalid timestamp").await;
    expect(&with(server.url(), Some("canary-wrong")), &text, "configuration", "310000: sign not match").await;
    expect(&with(server.url().replace("7f3a", "0000"), server.secret()), &text, "configuration", "300005: token is not exist")
        .await;
    expect(&right, &message("dingtalk", "text", &"长".repeat(7_000)), "permanent", "DingTalk takes 20000").await;
    expect(&right, &message("dingtalk", "text", " "), "permanent", "empty").await;
    for (mode, outcome, said) in [
        (Mode::busy(), "transient", "errcode -1: 系统繁忙"),
        (Mode::html(), "throttled 600", "访问受限"),
        (Mode::ip_ban(), "throttled 600", "1111"),
        (Mode::Code(410_100, "发送速度太快而限流"), "throttled 600", "410100"),
        (Mode::Code(400_102, "机器人已停用"), "configuration", "机器人已停用"),
        (Mode::Code(430_104, "内容不合适"), "permanent", ""),
        (Mode::Code(777, "什么"), "transient", "777"),
        (Mode::Instead(Reply::text(200, "text/plain", "a proxy's nonsense")), "transient", "a proxy's nonsense"),
        (Mode::Instead(Reply::text(200, "application/json", "{}")), "transient", "{}"),
        (Mode::Instead(Reply::text(200, "application/json", r#"{"errcode":"0","errmsg":"ok"}"#)), "done", ""),
        (Mode::Instead(Reply::status(502)), "transient", "502"),
        (Mode::Instead(Reply::status(429)), "throttled 600", "429"),
        (Mode::Instead(Reply::status(404)), "configuration", "404"),
        (Mode::Instead(Reply::Drop), "unknown", ""),
        (Mode::Slow(Duration::from_millis(30)), "done", ""),
    ] {
        server.script.next(1, mode);
        expect(&right, &text, outcome, said).await;
    }
    let hasty = performer("sales", Connection::Dingtalk(robot(server.url(), server.secret(), None, SHORT)));
    server.script.next(1, Mode::Instead(Reply::Hang));
    expect(&hasty, &text, "unknown", "no answer within").await;
    server.server.down();
    expect(&right, &text, "transient", "could not connect").await;
}

#[tokio::test]
async fn dingtalk_signs_at_the_time_of_sending() {
    let server = Dingtalk::start();
    let connection = || Connection::Dingtalk(robot(server.url(), server.secret(), None, PATIENT));
    let clock = |hours: i64| Arc::new(move || Timestamp::now() + SignedDuration::from_hours(hours));
    let late = Performer::with_clock(&settings([("sales", connection())], &[]), clock(-2)).unwrap();
    expect(&late, &message("dingtalk", "text", "x"), "transient", "invalid timestamp").await;
    let right = Performer::with_clock(&settings([("sales", connection())], &[]), clock(0)).unwrap();
    expect(&right, &message("dingtalk", "text", "x"), "done", "").await;
}

#[tokio::test]
async fn dingtalk_that_is_asked_too_often_refuses_for_its_penalty() {
    let server = Dingtalk::with(dingtalk::Options { rate: 2, ..dingtalk::Options::default() });
    let performer = performer("sales", Connection::Dingtalk(robot(server.url(), server.secret(), None, PATIENT)));
    for outcome in ["done", "done", "throttled 600", "throttled 600"] {
        expect(&performer, &message("dingtalk", "text", "x"), outcome, "").await;
    }
    assert_eq!(server.codes.all(), [0, 0, 130_101, 410_100]);
}

#[tokio::test]
async fn wecom_is_judged_by_the_body() {
    let server = Wecom::with(wecom::Options { rate: 3, ..wecom::Options::default() });
    let with = |url: String| performer("sales", Connection::Wecom(robot(url, None, None, PATIENT)));
    let right = with(server.url());
    let text = message("wecom", "text", "新线索 刘洋");
    expect(&right, &text, "done", r#""errcode":0"#).await;
    expect(&right, &message("wecom", "markdown", "**日报**"), "done", "").await;
    let accepted = server.accepted.wait(2);
    assert_eq!(accepted[0].inner, json!({ "content": "新线索 刘洋", "mentioned_mobile_list": ["13800138000"] }));
    assert_eq!(accepted[1].content, "**日报**\n\n@13800138000");
    assert_eq!(server.by_key(), BTreeMap::from([("i7-c1042-2".to_owned(), 2)]));
    expect(&with(server.url().replace("5aaa", "0000")), &text, "configuration", "93000: invalid webhook url").await;
    expect(&with(server.url().replace("/send", "/sent")), &text, "configuration", "answered 404").await;
    expect(&right, &message("wecom", "text", &"长".repeat(683)), "permanent", "WeCom takes 2048").await;
    expect(&right, &message("wecom", "text", &"长".repeat(682)), "done", "").await;
    expect(&right, &text, "throttled 60", "45009").await;
    for (mode, outcome) in [
        (Mode::busy(), "transient"),
        (Mode::html(), "transient"),
        (Mode::Code(44_004, "empty content"), "permanent"),
        (Mode::Code(93_000, "Invalid input : content exceed max length. invalid Request Parameter"), "permanent"),
        (Mode::Instead(Reply::status(429)), "throttled 60"),
        (Mode::Instead(Reply::Drop), "unknown"),
    ] {
        server.script.next(1, mode);
        expect(&right, &text, outcome, "").await;
    }
    server.server.down();
    expect(&right, &text, "transient", "could not connect").await;
}

// Wiring

#[tokio::test]
async fn a_call_that_its_connection_cannot_perform_says_so() {
    let performer = performer("mail", Connection::Preview);
    expect(&performer, &mail("a@example.com"), "configuration", "connection `mail` is for preview only").await;
    expect(&performer, &post("/x"), "configuration", "config.yaml has no connection `erp`").await;
    let mut wrong = mail("a@example.com");
    wrong.connection = "http".into();
    expect(&performer, &wrong, "configuration", "connection `http` is of another kind than email").await;
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_without_their_secrets() {
    let refused = |connection| Performer::new(&settings([("x", connection)], &[])).unwrap_err().to_string();
    let robot = refused(Connection::Dingtalk(robot("canary-no-url".into(), None, None, PATIENT)));
    assert_eq!(robot, "connection `x`: url: not a webhook address: relative URL without a base");
    let service = refused(http(Some("ftp://erp.example.com".into()), PATIENT));
    assert_eq!(service, "connection `x`: base: `ftp:` is not allowed, only http and https");
}
