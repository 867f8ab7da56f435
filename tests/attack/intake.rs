//! Rows 7–11 and 24: `POST /in/<source>` from outside: what is proven, what is read, what is refused and how it is told, once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use ifthen::engine::log::Outcome;

use super::harness::{Client, Daemon, Folder};

const CONFIG: &str = r#"
limits: { body: 20000, items: 3, connections: 512 }
sources:
  open: { webhook: {}, event: page.viewed, time: at }
  signed:
    webhook: { verify: { hmac: { secret: "${file:secret}", header: X-Hub-Signature-256, prefix: "sha256=" } } }
    event: repo.pushed
    delivery: { header: X-GitHub-Delivery }
  stamped:
    webhook: { verify: { hmac: { secret: "${file:secret}", header: X-Signature, signed: "{timestamp}.{body}", timestamp: { header: X-Timestamp } } } }
    event: stamped.told
  once: { webhook: {}, event: once.told, delivery: { header: X-Delivery-Id } }
  token: { webhook: { verify: { bearer: "${file:secret}" } }, event: token.used }
  basic: { webhook: { verify: { basic: { user: crm, password: "${file:secret}" } } }, event: basic.used }
  inside: { webhook: { verify: { from: [10.0.0.0/8] } }, event: inside.used }
  slow: { webhook: { rate: 2 }, event: slow.used }
  lead: { webhook: {}, event: lead.told, record: { entity: lead, fields: { id: id, mobile: 手机, amount: 金额 } } }
"#;
const RULES: &str = "
entities: { lead: { fields: { id: text, mobile: { type: phone, country: CN }, amount: money } } }
rules: { note: { when: 'com.example.*', then: [ { log: '{{ event.name }}' } ] } }
";

fn daemon() -> (Folder, Daemon) {
    let folder = Folder::new(&[("config.yaml", CONFIG), ("rules/a.yaml", RULES), ("secret", "It's a Secret to Everybody")]);
    let daemon = folder.start();
    (folder, daemon)
}

fn send(daemon: &Daemon, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, Value) {
    let (status, text) = daemon.client().send("POST", path, headers, body).unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn row_09_who_cannot_prove_it_is_told_401_and_nothing_else() {
    let (_folder, daemon) = daemon();
    let body = b"{\"ref\":\"main\"}";
    let mut mac = Hmac::<Sha256>::new_from_slice(b"It's a Secret to Everybody").unwrap();
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    let good = format!("sha256={hex}");
    let bad = good.replace(&hex[..4], if hex.starts_with("0000") { "1111" } else { "0000" });
    let signed = |signature: &str, body: &[u8]| {
        send(&daemon, "/in/signed", &[JSON, ("x-hub-signature-256", signature), ("x-github-delivery", "d1")], body).0
    };
    assert_eq!(signed(&bad, body), 401);
    assert_eq!(signed(&good, b"{\"ref\":\"evil\"}"), 401);
    assert_eq!(send(&daemon, "/in/signed", &[JSON, ("x-github-delivery", "d1")], body).0, 401);
    assert_eq!(signed(&good, body), 202);
    assert_eq!(signed(&good, body), 200, "the same delivery");

    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    for (path, authorization, status) in [
        ("/in/token", "Bearer It's a Secret to Everybody".to_owned(), 202),
        ("/in/token", "Bearer wrong".into(), 401),
        ("/in/token", String::new(), 401),
        ("/in/basic", basic("crm:It's a Secret to Everybody"), 202),
        ("/in/basic", basic("crm:wrong"), 401),
        ("/in/basic", basic("other:It's a Secret to Everybody"), 401),
        ("/in/inside", String::new(), 403),
        ("/in/nowhere", String::new(), 404),
    ] {
        let (got, answer) = send(&daemon, path, &[JSON, ("authorization", &authorization)], b"{}");
        assert_eq!(got, status, "{path} {authorization} {answer}");
        assert!(status == 202 || answer["detail"].is_string(), "{answer}");
        assert!(!answer.to_string().contains("Secret"), "{answer}");
    }
    assert_eq!(daemon.events().iter().filter(|e| e.event.origin != "ifthen").count(), 3);
}

#[test]
fn row_07_every_form_of_body_is_read_and_every_bad_one_is_told_what_is_wrong() {
    let (_folder, daemon) = daemon();
    let form = ("content-type", "application/x-www-form-urlencoded");
    let cloud = ("content-type", "application/cloudevents+json");
    let batch = ("content-type", "application/cloudevents-batch+json");
    let event = json!({ "specversion": "1.0", "type": "com.example.some", "source": "/a", "id": "1", "data": { "x": 1 } });
    let deep = "[".repeat(5_000);
    let large = format!("{{\"x\":\"{}\"}}", "字".repeat(8_000));
    let cases: Vec<(&str, Vec<(&str, &str)>, Vec<u8>, u16)> = vec![
        ("/in/open", vec![JSON], b"{\"url\":\"/a\"}".to_vec(), 202),
        ("/in/open", vec![JSON], b"[{\"n\":1},{\"n\":2}]".to_vec(), 202),
        ("/in/open", vec![form], "page=%E4%BA%A7%E5%93%81&n=1".into(), 202),
        ("/in/open", vec![JSON], b"[{},{},{},{}]".to_vec(), 413),
        ("/in/open", vec![JSON], b"{\"a\":1,\"a\":2}".to_vec(), 400),
        ("/in/open", vec![JSON], b"{\"a\":".to_vec(), 400),
        ("/in/open", vec![JSON], b"\"text\"".to_vec(), 400),
        ("/in/open", vec![JSON], b"{\"a\":\"\\u0000\"}".to_vec(), 400),
        ("/in/open", vec![JSON], b"{\"a\":\"\xff\"}".to_vec(), 400),
        ("/in/open", vec![JSON], b"{\"a\":\"\\ud800\"}".to_vec(), 400),
        ("/in/open", vec![JSON], deep.into_bytes(), 400),
        ("/in/open", vec![JSON], large.into_bytes(), 413),
        ("/in/open", vec![("content-type", "text/csv")], b"a,b".to_vec(), 415),
        ("/in/open", vec![JSON], b"{\"at\":\"not a time\"}".to_vec(), 202),
        ("/in/lead", vec![JSON], "{\"id\":\"L1\",\"手机\":\"138 0013 8000\",\"金额\":\"1,234.50\"}".into(), 202),
        ("/in/lead", vec![JSON], "{\"id\":\"L2\",\"手机\":\"12345\"}".into(), 202),
        ("/in/lead", vec![JSON], "{\"手机\":\"13800138000\"}".into(), 202),
        ("/in/open", vec![cloud], event.to_string().into(), 202),
        ("/in/open", vec![batch], json!([event, event]).to_string().into(), 202),
        ("/in/open", vec![cloud], b"{\"specversion\":\"1.0\"}".to_vec(), 400),
        (
            "/in/open",
            vec![JSON, ("ce-specversion", "1.0"), ("ce-type", "com.example.x"), ("ce-source", "/a"), ("ce-id", "2")],
            b"{\"x\":1}".to_vec(),
            202,
        ),
    ];
    for (path, headers, body, status) in cases {
        let (got, answer) = send(&daemon, path, &headers, &body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        // The same CloudEvent twice is the same event: 200.
        assert!(got == status || (status == 202 && got == 200), "{shown} {got} {answer}");
        if status >= 400 {
            assert_eq!(answer["status"], status, "{answer}");
            assert!(answer["detail"].as_str().is_some_and(|d| d.len() > 10), "{answer}");
        }
    }
    assert_eq!(daemon.field("lead", "L1", "amount"), "1234.50");
    let (_, answer) = send(&daemon, "/in/lead", &[JSON], "{\"id\":\"L2\",\"手机\":\"12345\"}".as_bytes());
    let kept = &answer["accepted"][0];
    assert_eq!((kept["outcome"].as_str(), kept["field"].as_str()), (Some("quarantined"), Some("手机")), "{answer}");
    assert!(kept["reason"].as_str().is_some_and(|r| r.contains("mobile") && r.contains("12345")), "{answer}");
    assert_eq!(daemon.get("/healthz").0, 200);
}

#[test]
fn row_24_a_source_that_floods_is_told_429_and_the_others_live() {
    let (_folder, daemon) = daemon();
    let mut client = daemon.client();
    let flood: Vec<u16> = (0..20).map(|n| client.post("/in/slow", &[], &json!({ "n": n })).unwrap().0).collect();
    assert!(flood.contains(&202) && flood.contains(&429), "{flood:?}");
    assert_eq!(daemon.post("/in/open", &[], &json!({})).0, 202);
}

#[test]
fn row_08_slow_heads_and_endless_bodies_hold_nobody_else_up() {
    use std::io::Write;
    let (_folder, daemon) = daemon();
    let mut slow: Vec<std::net::TcpStream> = (0..50).map(|_| std::net::TcpStream::connect(daemon.address).unwrap()).collect();
    for stream in &mut slow {
        stream.write_all(b"POST /in/open HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n1\r\n[\r\n").unwrap();
    }
    let mut client = Client::new(daemon.address);
    assert_eq!(client.post("/in/open", &[], &json!({ "n": 1 })).unwrap().0, 202);
    drop(slow);
    for (method, path, status) in [
        ("GET", "/in/open", 405),
        ("PUT", "/in/open", 405),
        ("GET", "/nothing", 404),
        ("GET", "/in/../metrics", 404),
        ("GET", "//metrics", 404),
    ] {
        assert_eq!(client.send(method, path, &[], b"").unwrap().0, status, "{method} {path}");
    }
    assert_eq!(client.send("POST", "/api/calls/c1-1/retry", &[], b"").unwrap().0, 401);
    assert_eq!(client.send("POST", "/api/calls/c1-1/retry", &[("authorization", "Bearer x")], b"").unwrap().0, 401);
}

#[test]
fn row_08_more_idle_connections_than_there_are_places_are_closed_in_time_and_the_rest_is_served() {
    use std::io::Read;
    let (_folder, daemon) = daemon();
    // All places taken by those who say nothing: each is closed when its head does not come.
    let idle: Vec<_> = (0..600).map(|_| std::net::TcpStream::connect(daemon.address).unwrap()).collect();
    let mut client = Client::new(daemon.address);
    assert_eq!(client.post("/in/open", &[], &json!({ "n": 1 })).unwrap().0, 202, "in its turn");
    let mut first = &idle[0];
    first.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    let mut end = Vec::new();
    assert!(first.read_to_end(&mut end).is_ok(), "it was closed");
}

#[test]
fn row_08_one_address_does_not_take_all_places() {
    use std::io::Read;
    let folder =
        Folder::new(&[("config.yaml", "limits: { connections: 20 }\nsources: { open: { webhook: {}, event: page.viewed } }\n")]);
    let daemon = folder.start();
    let idle: Vec<_> = (0..20).map(|_| std::net::TcpStream::connect(daemon.address).unwrap()).collect();
    // One beyond is closed unread: what it asks is not answered.
    let asked =
        "POST /in/open HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    let ask = |mut stream: std::net::TcpStream| {
        stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
        let mut answer = String::new();
        let told = std::io::Write::write_all(&mut stream, asked.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
        told.map(|_| answer).unwrap_or_default() // closed with what it said unread: reset
    };
    assert_eq!(ask(std::net::TcpStream::connect(daemon.address).unwrap()), "");
    // Another address has places of its own.
    let other = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    other.bind(&std::net::SocketAddr::from(([127, 0, 0, 2], 0)).into()).unwrap();
    other.connect(&daemon.address.into()).unwrap();
    let answer = ask(other.into());
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    // And a place that is given back is there again.
    drop(idle);
    super::harness::wait("a place", || {
        let mut client = Client::new(daemon.address);
        client.post("/in/open", &[], &json!({ "n": 2 })).ok().filter(|(status, _)| *status == 202)
    });
}

#[test]
fn row_09_a_signature_of_long_ago_counts_no_more() {
    let (_folder, daemon) = daemon();
    let body = b"{\"n\":1}";
    let send = |stamp: i64, signed: i64| {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"It's a Secret to Everybody").unwrap();
        mac.update(format!("{signed}.").as_bytes());
        mac.update(body);
        let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
        send(&daemon, "/in/stamped", &[JSON, ("x-signature", &hex), ("x-timestamp", &stamp.to_string())], body).0
    };
    let now = jiff::Timestamp::now().as_second();
    assert_eq!(send(now, now), 202);
    assert_eq!(send(now - 3_600, now - 3_600), 401, "an hour old");
    assert_eq!(send(now + 3_600, now + 3_600), 401, "of an hour to come");
    assert_eq!(send(now, now - 3_600), 401, "signed with another time");
}

#[test]
fn row_09_wrong_signatures_are_told_to_wait_and_right_ones_never() {
    let folder = Folder::new(&[
        (
            "config.yaml",
            "limits: { address: 10 }\nsources: { token: { webhook: { verify: { bearer: \"${file:secret}\" } }, event: token.used } }\n",
        ),
        ("secret", "right"),
    ]);
    let daemon = folder.start();
    let mut client = daemon.client();
    let mut statuses = Vec::new();
    for _ in 0..10 {
        let (status, headers, _) =
            client.exchange("POST", "/in/token", &[JSON, ("authorization", "Bearer wrong")], b"{}").unwrap();
        assert!(status != 429 || headers.iter().any(|(name, value)| name == "retry-after" && value.parse::<u32>().unwrap() >= 1));
        statuses.push(status);
        // Whoever knows it is let in all the while, from that address too.
        assert_eq!(client.send("POST", "/in/token", &[JSON, ("authorization", "Bearer right")], b"{}").unwrap().0, 202);
    }
    assert!(statuses.starts_with(&[401]) && statuses.contains(&429), "{statuses:?}");
}

#[test]
fn row_10_a_delivery_is_one_event_however_often_and_however_at_once_it_comes() {
    let (folder, daemon) = daemon();
    let address = daemon.address;
    let twins: Vec<_> = (0..16)
        .map(|_| {
            std::thread::spawn(move || {
                Client::new(address).post("/in/once", &[("x-delivery-id", "d1")], &json!({ "n": 1 })).unwrap()
            })
        })
        .collect();
    let answers: Vec<(u16, Value)> = twins.into_iter().map(|t| t.join().unwrap()).collect();
    assert_eq!(answers.iter().filter(|(status, _)| *status == 202).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|(_, answer)| answer["accepted"][0]["id"] == answers[0].1["accepted"][0]["id"]), "{answers:?}");
    daemon.kill();
    let daemon = folder.start();
    assert_eq!(daemon.post("/in/once", &[("x-delivery-id", "d1")], &json!({ "n": 1 })).0, 200, "after a restart");
    assert_eq!(daemon.events().iter().filter(|e| e.event.name == "once.told").count(), 1);
}

#[test]
fn row_11_the_same_delivery_with_another_body_is_the_duplicate_it_is_and_the_difference_is_logged() {
    let (_folder, daemon) = daemon();
    let once = |body: Value| daemon.post("/in/once", &[("x-delivery-id", "d1")], &body);
    assert_eq!(once(json!({ "n": 1, "sent_at": "09:00" })).0, 202);
    let (status, answer) = once(json!({ "n": 1, "sent_at": "09:05" }));
    assert_eq!((status, answer["accepted"][0]["duplicate"].as_bool()), (200, Some(true)));
    let told: Vec<_> = daemon.events().into_iter().filter(|e| e.event.name == "once.told").collect();
    assert_eq!(told.len(), 1);
    let logged = daemon.lines("duplicate", Outcome::Suppressed);
    assert!(logged.len() == 1 && logged[0].detail.to_string().contains("sent_at"), "{logged:?}");
    // Told alike, it is not worth a line.
    assert_eq!(once(json!({ "n": 1, "sent_at": "09:00" })).0, 200);
    assert_eq!(daemon.lines("duplicate", Outcome::Suppressed).len(), 1);
}

#[test]
fn row_24_more_than_waits_in_the_queue_is_told_to_come_again_and_nothing_accepted_is_lost() {
    let folder = Folder::new(&[(
        "config.yaml",
        "limits: { queue: 2, connections: 512 }\nsources: { open: { webhook: {}, event: page.viewed } }\n",
    )]);
    let daemon = folder.start();
    let address = daemon.address;
    let flood: Vec<_> = (0..32)
        .map(|n| {
            std::thread::spawn(move || {
                let mut client = Client::new(address);
                (0..40)
                    .map(|m| {
                        client.exchange("POST", "/in/open", &[JSON], json!({ "n": n * 100 + m }).to_string().as_bytes()).unwrap()
                    })
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    let answers: Vec<_> = flood.into_iter().flat_map(|t| t.join().unwrap()).collect();
    let accepted = answers.iter().filter(|(status, ..)| *status == 202).count();
    for (status, headers, text) in &answers {
        assert!(*status == 202 || *status == 503, "{status} {text}");
        assert!(*status == 202 || headers.iter().any(|(name, _)| name == "retry-after"), "{headers:?}");
    }
    assert!(accepted > 0 && accepted < answers.len(), "{accepted} of {}: the queue was never full", answers.len());
    assert_eq!(daemon.events().iter().filter(|e| e.event.name == "page.viewed").count(), accepted);
    assert_eq!(daemon.get("/healthz").0, 200);
}
