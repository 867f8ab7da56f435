//! Rows 11, 17, 20 and 21: what is shown and what is looked for: quotes, markup, paths.

use ifthen::engine::log::Outcome;
use serde_json::{Value, json};

use super::desk::{Desk, Phone};
use super::harness::{Folder, assert_intact};

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

const QUOTES: [&str; 6] =
    ["' OR '1'='1", "'; DROP TABLE event; --", "\" OR 1=1 --", "x' UNION SELECT hash FROM state --", "%", "何经理' --"];

#[test]
fn row_17_no_path_leads_out_of_where_it_belongs() {
    let folder = Folder::new(&[
        (
            "config.yaml",
            "sources: { crm: { webhook: {}, event: crm.lead } }\nconnections: { mail: { smtp: { host: mail.example.com, from: a@example.com }, deliver: preview } }\n",
        ),
        ("secret.yaml", "rules: { outside: { when: crm.lead, then: [ { log: CANARY } ] } }\n"),
    ]);
    // A template, a table, a definition: by a name of ours, never by a path.
    std::os::unix::fs::symlink("/etc/passwd", folder.path("rules/link.csv")).unwrap();
    for (text, word) in [
        (
            "rules: { a: { when: crm.lead, then: [ { email: { connection: mail, template: ../secret, to: a@example.com } } ] } }\n",
            "template",
        ),
        ("rules: { a: { when: crm.lead, then: [ { log: \"{% include '../secret.yaml' %}\" } ] } }\n", "include"),
        ("rules: { a: { when: crm.lead, then: [ { log: \"{% import '/etc/passwd' as x %}\" } ] } }\n", "import"),
        ("tables: { t: { file: ../../../../../etc/passwd, key: a } }\n", "is not below the folders"),
        ("tables: { t: { file: /etc/passwd, key: a } }\n", "is not below the folders"),
        ("tables: { t: { file: link.csv, key: a } }\n", "is not below the folders"),
    ] {
        folder.write("rules/a.yaml", text);
        let (exit, said) = folder.cli(&["--lang", "en", "check"]);
        assert!(exit == 1 && said.contains(word), "{text}: {said}");
        assert!(!said.contains("root:"), "{said}");
    }
    std::fs::remove_file(folder.path("rules/a.yaml")).unwrap();
    // Addresses are names, too.
    let daemon = folder.start();
    for path in [
        "/../secret.yaml",
        "/in/../../secret.yaml",
        "/t/..%2f..%2fsecret.yaml",
        "/t/%2e%2e/secret.yaml",
        "/%00",
        "/in/crm%00",
        "/in/crm/../../config.yaml",
    ] {
        let (status, text) = daemon.get(path);
        assert!(status >= 400 && !text.contains("CANARY") && !text.contains("listen"), "{path}: {status} {text}");
    }
    drop(daemon);
    let config = "sources: { crm: { webhook: {}, event: crm.lead, record: { entity: lead, fields: { id: id } } } }\n";
    let folder = Folder::new(&[("config.yaml", config), ("rules/a.yaml", "entities: { lead: { fields: { id: text } } }\n")]);
    let daemon = folder.start();
    // A record's id may look like a path: it is none.
    for id in ["../../etc/passwd", "/etc/passwd", "a/b", "C:\\x"] {
        daemon.accepted("/in/crm", &[], &json!({ "id": id }));
        assert_eq!(daemon.field("lead", id, "id"), id);
    }
}

#[test]
fn row_20_quotes_in_what_is_looked_for_find_nothing_and_break_nothing() {
    let desk = Desk::new(|_| {});
    let daemon = desk.folder.start();
    let control = std::fs::read_to_string(desk.folder.path("data/control")).unwrap();
    let bearer = format!("Bearer {}", control.lines().nth(1).unwrap());
    let auth = [("authorization", bearer.as_str())];
    for evil in QUOTES {
        let (status, text) = daemon.client().send("GET", &format!("/api/tasks?person={}", encoded(evil)), &auth, b"").unwrap();
        assert_eq!(status, 200, "{evil}: {text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["tasks"], json!([]), "{evil}");
        for path in ["/api/tasks/", "/api/why/", "/api/tasks?status="] {
            let (status, text) = daemon.client().send("GET", &format!("{path}{}", encoded(evil)), &auth, b"").unwrap();
            assert!((400..500).contains(&status), "{path}{evil}: {status} {text}");
            assert!(!text.contains("SQL") && !text.contains("syntax"), "{text}");
        }
        let (status, _) = daemon.post("/in/crm", &[("x-delivery-id", evil)], &json!({ "id": evil }));
        assert_eq!(status, 202);
        for args in
            [["tail", "--rule", evil], ["tail", "--record", evil], ["records", "list", evil], ["events", "list", "--name"]]
        {
            let (_, said) = desk.folder.cli(&args);
            assert!(!said.contains("panicked") && !said.contains("syntax error"), "{args:?}: {said}");
        }
    }
    assert!(daemon.events().len() > QUOTES.len());
    let store = daemon.store.clone();
    assert_eq!(daemon.stop(), 0);
    assert_intact(&store);
}

#[test]
fn row_20_markup_in_any_field_is_shown_as_it_was_written() {
    let evil = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg/onload=alert(3)>{{7*7}}";
    let desk = Desk::new(|task| {
        task.subject = format!("报价 {evil}");
        task.text = Some(evil.into()).into_iter().next().unwrap_or_default();
        task.links = vec![(evil.into(), "javascript:alert(4)".into()), ("ok".into(), format!("https://example.com/{evil}"))];
    });
    let daemon = desk.folder.start();
    let link = desk.link("he");
    let mut phone = Phone::new(&daemon);
    let before = phone.get(&link);
    let after = phone.prove(&desk, "he", &link);
    let posted = phone.act(&link, "reject", &[("comment", evil), ("to", evil)]);
    let echoed = phone.act(&link, evil, &[("comment", evil), ("who", evil)]);
    for page in [&before, &after, &posted, &echoed] {
        let text = page.text.to_lowercase();
        for wrong in ["<script", "<img src=x", "<svg", "onerror=alert(2)>\"", "href=\"javascript:", "href='javascript:"] {
            assert!(!text.contains(wrong), "`{wrong}` in {}", page.text);
        }
        let policy = page.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe") && !policy.contains("script-src"),
            "{policy}"
        );
    }
    after.says(&["&lt;script&gt;"]);
}

#[test]
fn row_21_a_form_from_another_site_decides_nothing() {
    let desk = Desk::new(|_| {});
    let daemon = desk.folder.start();
    let link = desk.link("he");
    let mut phone = Phone::new(&daemon);
    phone.prove(&desk, "he", &link);
    let form = phone.get(&link).form();
    for origin in ["null", "https://evil.example", "http://ifthen.evil.example", "http://ifthen@evil.example", ""] {
        assert_eq!(phone.post_from(origin, &link, &[("form", &form), ("what", "approve")]).status, 403, "{origin}");
    }
    for form in ["", "x"] {
        assert_eq!(phone.post(&link, &[("form", form), ("what", "approve")]).status, 403, "{form}");
    }
    assert!(daemon.lines("decide", Outcome::Done).is_empty());
    assert_eq!(phone.post(&link, &[("form", &form), ("what", "approve")]).status, 200, "and from its own page it does");
    let lines = daemon.lines("audit", Outcome::Done);
    let told = lines.last().map(|line| line.detail.to_string()).unwrap_or_default();
    assert!(told.contains("何经理") && told.contains("approve t1-1") && told.contains("link"), "{told}");
}

#[test]
fn row_11_the_same_key_for_something_else_is_a_conflict() {
    let desk = Desk::new(|_| {});
    let daemon = desk.folder.start();
    let control = std::fs::read_to_string(desk.folder.path("data/control")).unwrap();
    let bearer = format!("Bearer {}", control.lines().nth(1).unwrap());
    let post = |what: &str, body: Value| {
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", "k1")];
        daemon.post(&format!("/api/tasks/t1-1/{what}"), &headers, &body).0
    };
    let he = json!({ "person": "何经理", "comment": "可以" });
    assert_eq!(post("approve", he.clone()), 200);
    assert_eq!(post("approve", he.clone()), 200, "the same again");
    assert_eq!(post("approve", json!({ "person": "何经理", "comment": "不可以" })), 409);
    assert_eq!(post("reject", he), 409);
    assert_eq!(daemon.lines("decide", Outcome::Done).len(), 1);
}
