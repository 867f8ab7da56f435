//! The headers of every answer, names that are not ours, and strangers who ask too much. Rows 18, 21 and 24.

use super::desk::Desk;
use super::harness::Client;

#[test]
fn every_answer_says_what_a_browser_may_do_with_it() {
    let desk = Desk::new(|_| {});
    let daemon = desk.folder.start();
    let link = desk.link("he");
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/healthz"),
        ("GET", "/metrics"),
        ("GET", link.as_str()),
        ("GET", "/t/forged"),
        ("GET", "/u/forged"),
        ("GET", "/nothing"),
        ("POST", "/in/crm"),
        ("POST", "/in/none"),
        ("GET", "/api/tasks"),
        ("PUT", "/api/tasks"),
    ] {
        let (status, headers, _) = daemon.client().exchange(method, path, &[], b"").unwrap();
        let header = |name: &str| headers.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
        let what = format!("{method} {path} ({status}): {headers:?}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{what}");
        assert_eq!(header("x-frame-options"), "DENY", "{what}");
        assert!(header("cache-control").contains("no-store"), "{what}");
        assert!(matches!(header("referrer-policy"), "no-referrer" | "same-origin"), "{what}");
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{what}");
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{what}");
        assert_eq!(header("access-control-allow-origin"), "", "{what}");
        assert_eq!(header("server"), "", "{what}");
        assert_eq!(header("strict-transport-security"), "", "not over plain HTTP: {what}");
    }
}

#[test]
fn row_21_nobody_is_let_in_from_another_origin() {
    let desk = Desk::new(|_| {});
    let daemon = desk.folder.start();
    let control = std::fs::read_to_string(desk.folder.path("data/control")).unwrap();
    let bearer = format!("Bearer {}", control.lines().nth(1).unwrap());
    for origin in ["null", "https://evil.example", "http://ifthen.evil.example"] {
        let ask =
            [("origin", origin), ("access-control-request-method", "POST"), ("access-control-request-headers", "authorization")];
        for path in ["/api/tasks/t1-1/approve", "/api/tasks", "/"] {
            let (status, headers, _) = daemon.client().exchange("OPTIONS", path, &ask, b"").unwrap();
            assert_eq!(status, 405, "{path}");
            assert!(!headers.iter().any(|(name, _)| name.starts_with("access-control")), "{path} {headers:?}");
        }
        let (status, headers, _) =
            daemon.client().exchange("GET", "/api/tasks", &[("origin", origin), ("authorization", &bearer)], b"").unwrap();
        assert_eq!(status, 200, "no browser, then: it has the token");
        assert!(!headers.iter().any(|(name, _)| name.starts_with("access-control")), "{headers:?}");
        // A cookie opens nothing but its page.
        let (status, _) =
            daemon.client().send("GET", "/api/tasks", &[("origin", origin), ("cookie", "ifthen_session=x")], b"").unwrap();
        assert_eq!(status, 401);
    }
}

#[test]
fn row_21_a_name_that_leads_to_us_and_is_not_ours_is_refused() {
    let desk = Desk::with("public_url: https://hooks.example.com/ifthen\n", |_| {});
    let daemon = desk.folder.start();
    for (host, expect) in [
        ("rebound.evil.example", 421),
        ("hooks.example.com.evil.example", 421),
        ("hooks.example.com", 404),
        ("127.0.0.1", 404),
        ("localhost", 404),
    ] {
        let (status, text) = Client::named(daemon.address, host).send("GET", "/t/forged", &[], b"").unwrap();
        assert_eq!(status, expect, "{host}: {text}");
        let expect = if expect == 421 { 421 } else { 401 };
        assert_eq!(Client::named(daemon.address, host).send("GET", "/api/tasks", &[], b"").unwrap().0, expect, "{host}");
    }
    // Webhooks prove themselves; they come by whatever name the sender was given.
    let headers = [("content-type", "application/json")];
    assert_eq!(Client::named(daemon.address, "crm.inside.example").send("POST", "/in/crm", &headers, b"{}").unwrap().0, 202);
}

#[test]
fn row_24_an_address_that_floods_pages_is_told_to_wait_and_nobody_else_is() {
    let desk = Desk::with("limits: { address: 10 }\n", |_| {});
    let daemon = desk.folder.start();
    let ask = |from: &str, path: &str| daemon.client().exchange("GET", path, &[("x-forwarded-for", from)], b"").unwrap();
    let statuses: Vec<u16> = (0..100).map(|_| ask("203.0.113.5", "/").0).collect();
    assert!(statuses[..10].iter().all(|s| *s == 200) && statuses.contains(&429), "{statuses:?}");
    let refused = std::iter::repeat_with(|| ask("203.0.113.5", "/")).take(100).find(|(status, ..)| *status == 429).unwrap();
    assert!(
        refused.1.iter().any(|(name, value)| name == "retry-after" && value.parse::<u32>().is_ok_and(|s| s >= 1)),
        "{:?}",
        refused.1
    );
    assert_eq!(ask("203.0.113.6", "/").0, 200);
    // Guessing costs ten times as much.
    let guesses: Vec<u16> = (0..6).map(|_| ask("203.0.113.7", "/t/forged").0).collect();
    assert!(guesses.starts_with(&[404]) && guesses.contains(&429), "{guesses:?}");
    // Whoever has the data folder, probes and proven senders are never among them.
    for _ in 0..50 {
        assert_eq!(ask("203.0.113.5", "/healthz").0, 200);
    }
    let (exit, said) = desk.folder.cli(&["tokens", "add", "甲", "--role", "viewer"]);
    assert_eq!(exit, 0, "{said}");
    assert_eq!(daemon.post("/in/crm", &[("x-forwarded-for", "203.0.113.5")], &serde_json::json!({})).0, 202);
}
