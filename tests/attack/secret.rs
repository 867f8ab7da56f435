//! Row 22: planted secrets are nowhere to be read: not in the log, the messages, an error, an answer, the store, what `why`, `events` or the
//! schema print.

use ifthen::engine::log::Outcome;
use serde_json::json;

use super::access::made;
use super::harness::{Client, Folder, wait};
use super::standin::{Reply, Smtp, Web};

/// One for each place that a secret has.
const CANARIES: [&str; 7] =
    ["CANARY-HMAC-1", "CANARY-BEARER-2", "CANARY-HEADER-3", "CANARY-SMTP-4", "CANARY-ROBOT-5", "CANARY-SIGN-6", "CANARY-QUERY-7"];

/// What uses each of them.
const RULES: &str = "
rules:
  tell:
    when: crm.lead
    then:
      - http: { connection: erp, post: '/x', json: { id: '{{ event.id }}' }, emit: erp.answered }
      - email: { connection: mail, to: a@example.com, subject: 线索, text: 您好 }
      - dingtalk: { robot: robot, text: 新线索 }
  answered: { when: erp.answered, then: [ { log: '{{ event.body }} {{ event.headers }}' } ] }
  broken: { when: crm.lead, if: event.none > 1, then: [ { log: x } ] }
";

/// What prints something of it all.
const COMMANDS: &[&[&str]] = &[
    &["tail", "-n", "1000"],
    &["tail", "-n", "1000", "--json"],
    &["events", "list"],
    &["events", "export"],
    &["calls", "list"],
    &["calls", "list", "--dead", "--json"],
    &["runs", "list"],
    &["tokens", "list"],
    &["tokens", "list", "--json"],
    &["audit"],
    &["audit", "--json"],
    &["check"],
    &["check", "--json"],
    &["test"],
    &["doctor"],
    &["schema", "config"],
    &["schema", "definitions"],
    &["backtest"],
    &["records", "list"],
    &["quarantine", "list"],
];

#[test]
fn row_22_no_secret_is_ever_to_be_read() {
    let (web, robot, smtp) = (Web::start(), Web::start(), Smtp::with_login("user", "another password"));
    // The other side says what it was told, in all that it can.
    web.next(1, Reply::text(500, "text/plain", "bad header CANARY-HEADER-3"));
    web.next(1, Reply::json(200, &json!({ "echo": "CANARY-HEADER-3" })).header("x-echo", "CANARY-HEADER-3"));
    robot.next(1, Reply::text(500, "text/plain", "no robot access_token=CANARY-ROBOT-5, no CANARY-SIGN-6"));
    let config = format!(
        r#"
allow_networks: [127.0.0.0/8]
sources:
  signed: {{ webhook: {{ verify: {{ hmac: {{ secret: "${{file:s1}}", header: X-Signature }} }} }}, event: crm.lead }}
  token: {{ webhook: {{ verify: {{ bearer: "${{env:IFTHEN_CANARY_2}}" }} }}, event: crm.lead }}
connections:
  erp: {{ http: {{ base: '{}', headers: {{ X-Token: "${{file:s3}}" }} }}, retry: [1s] }}
  mail: {{ smtp: {{ host: 127.0.0.1, port: {}, security: none, user: user, password: "${{file:s4}}", from: a@example.com }}, retry: [1s] }}
  robot: {{ dingtalk: {{ url: "{}?access_token=${{file:s5}}", secret: "${{file:s6}}" }}, retry: [1s] }}
"#,
        web.url(""),
        smtp.server.address().port(),
        robot.url("/robot/send"),
    );
    let folder = Folder::new(&[
        ("config.yaml", &config),
        ("rules/a.yaml", RULES),
        ("s1", CANARIES[0]),
        ("s3", CANARIES[2]),
        ("s4", CANARIES[3]),
        ("s5", CANARIES[4]),
        ("s6", CANARIES[5]),
    ]);
    let mut shown: Vec<(String, String)> = Vec::new();
    let without = folder.cli(&["check"]);
    shown.push(("check without the environment".into(), without.1));
    let daemon = folder.try_start(&[("IFTHEN_CANARY_2", CANARIES[1]), ("RUST_BACKTRACE", "1"), ("IFTHEN_LOG", "trace")]).unwrap();
    let token = made(&folder, &["tokens", "add", "甲", "--role", "admin"]);
    let control = std::fs::read_to_string(folder.path("data/control")).unwrap().lines().nth(1).unwrap().to_owned();
    let links = std::fs::read_to_string(folder.path("data/links")).unwrap().trim().to_owned();
    let bearer = format!("Bearer {}", CANARIES[1]);
    let json_type = ("content-type", "application/json");
    let query = format!("/in/token?key={}", CANARIES[6]);
    let (status, _) = daemon.client().send("POST", &query, &[json_type, ("authorization", &bearer)], b"{\"id\":\"L1\"}").unwrap();
    assert_eq!(status, 202);
    daemon.wait_lines("http", Outcome::Done, 1);
    daemon.wait_lines("log", Outcome::Done, 1);
    wait("a mail refused", || smtp_failed(&daemon));
    let event = daemon.events().iter().find(|e| e.event.name == "crm.lead").unwrap().event.id();
    // Wrong proofs, answered and logged.
    let mut answer = |what: &str, headers: &[(&str, &str)], path: &str, body: &[u8]| {
        let mut client: Client = daemon.client();
        let (status, told, text) = client.exchange("POST", path, headers, body).unwrap();
        shown.push((format!("{what} ({status})"), format!("{told:?} {text}")));
    };
    answer("a wrong bearer", &[json_type, ("authorization", &format!("Bearer {}x", CANARIES[1]))], "/in/token", b"{}");
    answer("the secret itself as a signature", &[json_type, ("x-signature", "00")], "/in/signed", b"{}");
    answer("broken JSON", &[json_type, ("authorization", &bearer)], &query, b"{\"a\":");
    answer("a token at the wrong place", &[json_type, ("authorization", &format!("Bearer {token}"))], "/in/signed", b"{}");
    answer("a wrong token", &[("authorization", &format!("Bearer {control}x"))], "/api/clock/confirm", b"");
    answer("no such call", &[("authorization", &format!("Bearer {token}"))], "/api/calls/c99-1/retry", b"");
    for path in ["/", "/metrics", "/healthz", "/readyz"] {
        shown.push((path.into(), daemon.get(path).1));
    }
    for args in COMMANDS {
        shown.push((args.join(" "), folder.cli(args).1));
    }
    for args in [
        &["why", &event][..],
        &["why", &event, "--json"],
        &["why", &event, "--now"],
        &["events", "show", &event],
        &["events", "show", &event, "--json"],
    ] {
        shown.push((args.join(" "), folder.cli(args).1));
    }
    let (exit, said) = folder.cli(&["backup", folder.path("copy.db").to_str().unwrap()]);
    assert_eq!(exit, 0, "{said}");
    daemon.signal("HUP");
    daemon.wait_lines("reload", Outcome::Done, 2);
    assert_eq!(daemon.stop(), 0);
    nowhere(
        &folder,
        &shown,
        &CANARIES.iter().copied().chain([token.as_str(), control.as_str(), links.as_str()]).collect::<Vec<_>>(),
    );
    // It was really used: what is not there could not be found.
    assert_eq!(web.requests.all()[0].header("x-token"), Some(CANARIES[2]));
    assert!(robot.requests.all().iter().any(|r| r.parameter("access_token") == Some(CANARIES[4])));
}

fn smtp_failed(daemon: &super::harness::Daemon) -> Option<()> {
    let outcomes = [Outcome::Retrying, Outcome::Dead, Outcome::Failed];
    outcomes.into_iter().any(|outcome| !daemon.lines("email", outcome).is_empty()).then_some(())
}

/// Fails where one of the secrets is in what was shown, or in a file.
fn nowhere(folder: &Folder, shown: &[(String, String)], secrets: &[&str]) {
    for (what, text) in shown {
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} is told by: {what}\n{text:.2000}");
        }
    }
    for file in ["data/ifthen.db", "data/ifthen.db-wal", "copy.db", "stderr"] {
        let bytes = std::fs::read(folder.path(file)).unwrap_or_default();
        assert!(file.ends_with("wal") || !bytes.is_empty(), "{file}");
        for secret in secrets {
            assert!(!bytes.windows(secret.len()).any(|w| w == secret.as_bytes()), "{secret} stands in {file}");
        }
    }
}
