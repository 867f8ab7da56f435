//! Rows 12–15: what is told from outside goes into messages and requests of ours, and where those may lead.

use ifthen::engine::log::Outcome;
use ifthen::store::Filter;
use serde_json::json;

use super::harness::{Daemon, Folder, wait};
use super::standin::{Reply, Smtp, Web};

const ENTITIES: &str = "entities: { lead: { fields: { id: text, name: text, email: text, url: text } } }\n";
const SOURCE: &str = "sources:\n  crm: { webhook: {}, event: crm.lead, delivery: { body: [id] }, record: { entity: lead, fields: { id: id, name: name, email: email, url: url } } }\n";

fn mail(smtp: &Smtp) -> String {
    let port = smtp.server.address().port();
    format!("  mail: {{ smtp: {{ host: 127.0.0.1, port: {port}, security: none, from: a@example.com }}, retry: [1s] }}\n")
}

fn dead(daemon: &Daemon, id: &str) -> Option<String> {
    let of = |l: &ifthen::engine::log::Line| l.record.as_ref().is_some_and(|r| r.id == id);
    let failed = |o| matches!(o, Outcome::Dead | Outcome::Failed | Outcome::Suppressed);
    let log = daemon.log(&Filter::default());
    log.iter().find(|l| of(l) && failed(l.outcome) && matches!(l.action.as_str(), "http" | "email")).map(|l| l.detail.to_string())
}

#[test]
fn row_12_what_comes_from_outside_is_never_evaluated() {
    let (smtp, web) = (Smtp::start(), Web::start());
    let config = format!(
        "allow_networks: [127.0.0.0/8]\n{SOURCE}connections:\n{}  erp: {{ http: {{ base: '{}', headers: {{ X-Token: '${{file:token}}' }} }} }}\n",
        mail(&smtp),
        web.url("")
    );
    let rules = format!(
        "{ENTITIES}constants: {{ secret_word: CANARY }}
rules:
  tell:
    when: lead.created
    then:
      - email: {{ connection: mail, to: '{{{{ email }}}}', subject: '新线索 {{{{ name }}}}', text: '您好 {{{{ name }}}}' }}
      - http: {{ connection: erp, post: '/leads', json: {{ name: '{{{{ name }}}}' }} }}
      - log: 'seen {{{{ name }}}}'
"
    );
    let folder = Folder::new(&[("config.yaml", &config), ("rules/a.yaml", &rules), ("token", "CANARY-TOKEN")]);
    let daemon = folder.start();
    let evil = "{{ secret_word }} {% for x in range(9) %}x{% endfor %} ${file:token} {{ 7 * 7 }} = 7 * 7";
    daemon.accepted("/in/crm", &[], &json!({ "id": "L1", "name": evil, "email": "liu@example.com" }));
    let sent = &web.requests.wait(1)[0];
    assert_eq!(sent.json()["name"], evil);
    let arrived = wait("a mail", || smtp.received.all().into_iter().next());
    assert!(arrived.text().contains(evil), "{}", arrived.text());
    assert_eq!(daemon.field("lead", "L1", "name"), evil);
    assert!(daemon.lines("log", Outcome::Done)[0].detail.to_string().contains("{{ 7 * 7 }}"));
}

#[test]
fn row_13_no_line_of_ours_is_broken_by_what_comes_from_outside() {
    let (smtp, web) = (Smtp::start(), Web::start());
    let config = format!(
        "allow_networks: [127.0.0.0/8]\n{SOURCE}connections:\n{}  erp: {{ http: {{ base: '{}' }} }}\n",
        mail(&smtp),
        web.url("")
    );
    let rules = format!(
        "{ENTITIES}rules:
  mail: {{ when: lead.created, if: \"starts_with(id, 'M')\", then: [ {{ email: {{ connection: mail, to: '{{{{ email }}}}', subject: '新线索 {{{{ name }}}}', text: 您好 }} }} ] }}
  header: {{ when: lead.created, if: \"starts_with(id, 'H')\", then: [ {{ http: {{ connection: erp, post: /leads, headers: {{ X-Name: '{{{{ name }}}}' }} }} }} ] }}
  path: {{ when: lead.created, if: \"starts_with(id, 'U')\", then: [ {{ http: {{ connection: erp, post: '/leads/{{{{ url }}}}' }} }} ] }}
"
    );
    let folder = Folder::new(&[("config.yaml", &config), ("rules/a.yaml", &rules)]);
    let daemon = folder.start();
    let inject = "a\r\nBcc: victim@example.com\r\nX-Evil: 1";
    let lead = |id: &str, name: &str, email: &str, url: &str| {
        daemon.accepted("/in/crm", &[], &json!({ "id": id, "name": name, "email": email, "url": url }));
    };
    lead("M1", "刘洋", "liu@example.com\r\nRCPT TO:<victim@example.com>", "");
    lead("H1", inject, "", "");
    for id in ["M1", "H1"] {
        wait(id, || dead(&daemon, id));
    }
    lead("M3", inject, "fine@example.com", "");
    lead("U1", "", "", "x HTTP/1.1\r\nHost: evil\r\n\r\n");
    // What goes out after all is in one piece: no recipient, no header, no request is in it that we did not write.
    wait("what became of the subject", || {
        dead(&daemon, "M3").or_else(|| smtp.received.all().into_iter().find(|m| m.to == ["fine@example.com"]).map(|m| m.raw))
    });
    wait("what became of the address", || {
        dead(&daemon, "U1").or_else(|| web.requests.all().into_iter().find(|r| r.path.starts_with("/leads/")).map(|r| r.path))
    });
    for mail in smtp.received.all() {
        assert!(!mail.to.iter().any(|to| to.contains("victim")), "{:?}", mail.to);
        assert!(mail.header("x-evil").is_empty() && mail.header("bcc").is_empty(), "{}", mail.raw);
    }
    for request in web.requests.all() {
        assert!(request.header("x-evil").is_none() && request.header("host") != Some("evil"), "{request:?}");
    }
    assert!(web.requests.all().len() <= 1, "{:?}", web.requests.all());
}

#[test]
fn row_14_no_address_of_our_own_network_is_reached_unless_the_configuration_opens_it() {
    let web = Web::start();
    let port = web.server.address().port();
    let config =
        format!("{SOURCE}connections:\n  http: {{ http: {{}} }}\n  erp: {{ http: {{ base: 'http://127.0.0.1:{port}' }} }}\n");
    let rules = format!(
        "{ENTITIES}rules:
  go: {{ when: lead.created, if: not is_empty(url), then: [ {{ http: {{ connection: http, post: '{{{{ url }}}}' }} }} ] }}
  own: {{ when: lead.created, if: is_empty(url), then: [ {{ http: {{ connection: erp, post: /x }} }} ] }}
"
    );
    let folder = Folder::new(&[("config.yaml", &config), ("rules/a.yaml", &rules)]);
    let (exit, said) = folder.cli(&["check"]);
    assert_eq!(exit, 0, "{said}");
    let daemon = folder.start();
    let urls = [
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        format!("http://127.0.0.1:{port}/x"),
        format!("http://[::ffff:127.0.0.1]:{port}/x"),
        format!("http://[::1]:{port}/x"),
        format!("http://2130706433:{port}/x"),
        format!("http://0x7f000001:{port}/x"),
        format!("http://0177.0.0.1:{port}/x"),
        format!("http://127.1:{port}/x"),
        format!("http://localhost:{port}/x"),
        format!("http://0.0.0.0:{port}/x"),
        "http://10.0.0.1/x".into(),
        "http://[fd00::1]/x".into(),
        "http://[64:ff9b::7f00:1]/x".into(),
        String::new(),
    ];
    for (n, url) in urls.iter().enumerate() {
        let id = format!("L{n}");
        daemon.accepted("/in/crm", &[], &json!({ "id": id, "url": url }));
        wait(url, || {
            let lines = daemon.lines("http", Outcome::Dead).into_iter().chain(daemon.lines("http", Outcome::Retrying));
            let line = lines.filter(|l| l.record.as_ref().is_some_and(|r| r.id == id)).map(|l| l.detail.to_string()).next()?;
            assert!(line.contains("allow_networks"), "{url}: {line}");
            Some(())
        });
    }
    assert!(web.requests.all().is_empty(), "{:?}", web.requests.all());
}

#[test]
fn row_14_a_redirect_is_not_followed_and_takes_no_secret_along() {
    let (web, other) = (Web::start(), Web::start());
    web.next(1, Reply::status(307).header("location", &other.url("/stolen")));
    let config = format!(
        "allow_networks: [127.0.0.0/8]\n{SOURCE}connections:\n  erp: {{ http: {{ base: '{}', headers: {{ Authorization: 'Bearer ${{file:token}}' }} }}, retry: [1s] }}\n",
        web.url("")
    );
    let rules = format!(
        "{ENTITIES}rules:\n  go: {{ when: lead.created, then: [ {{ http: {{ connection: erp, post: '{{{{ url }}}}' }} }} ] }}\n"
    );
    let folder = Folder::new(&[("config.yaml", &config), ("rules/a.yaml", &rules), ("token", "CANARY")]);
    let daemon = folder.start();
    daemon.accepted("/in/crm", &[], &json!({ "id": "L1", "url": "/x" }));
    daemon.wait_lines("http", Outcome::Dead, 1);
    assert_eq!(web.requests.all()[0].header("authorization"), Some("Bearer CANARY"));
    assert!(other.requests.all().is_empty());
    // An address of somebody else's over the same connection: the secret stays here.
    daemon.accepted("/in/crm", &[], &json!({ "id": "L2", "url": other.url("/x") }));
    wait("what became of it", || {
        let done = !daemon.lines("http", Outcome::Done).is_empty() || daemon.lines("http", Outcome::Dead).len() > 1;
        (done || !daemon.lines("http", Outcome::Failed).is_empty()).then_some(())
    });
    assert!(other.requests.all().iter().all(|r| r.header("authorization").is_none()));
}

#[test]
fn row_15_only_http_and_only_so_much_for_so_long() {
    let web = Web::start();
    let config = format!(
        "allow_networks: [127.0.0.0/8]\n{SOURCE}connections:\n  http: {{ http: {{ timeout: 2s }}, retry: [1h] }}\n  erp: {{ http: {{ base: '{}', timeout: 2s }}, retry: [1h] }}\n",
        web.url("")
    );
    let rules = format!(
        "{ENTITIES}rules:
  go: {{ when: lead.created, then: [ {{ http: {{ connection: '{{{{ name }}}}', post: '{{{{ url }}}}', emit: erp.answered }} }} ] }}
  keep: {{ when: erp.answered, then: [ {{ log: 'answered' }} ] }}
"
    )
    .replace("'{{ name }}'", "http");
    let folder = Folder::new(&[("config.yaml", &config), ("rules/a.yaml", &rules), ("passwd", "CANARY")]);
    let daemon = folder.start();
    let file = format!("file://{}", folder.path("passwd").display());
    for (n, url) in
        [file.as_str(), "gopher://127.0.0.1/x", "ftp://127.0.0.1/x", "data:text/plain,x", "javascript:1"].iter().enumerate()
    {
        let id = format!("S{n}");
        daemon.accepted("/in/crm", &[], &json!({ "id": id, "url": url }));
        wait(url, || dead(&daemon, &id));
    }
    for (id, reply, outcome) in
        [("L1", Reply::Drip, Outcome::Unknown), ("L2", Reply::Hang, Outcome::Unknown), ("L3", Reply::Endless, Outcome::Done)]
    {
        web.next(1, reply);
        daemon.accepted("/in/crm", &[], &json!({ "id": id, "url": web.url("/x") }));
        wait(id, || daemon.lines("http", outcome).into_iter().find(|l| l.record.as_ref().is_some_and(|r| r.id == id)));
    }
    let answered =
        daemon.events().into_iter().find(|e| e.event.name == "erp.answered").map(|e| serde_json::to_string(&e.event).unwrap());
    assert!(answered.is_some_and(|text| text.len() < 70_000), "an answer without end is cut");
    assert_eq!(daemon.get("/healthz").0, 200);
}
