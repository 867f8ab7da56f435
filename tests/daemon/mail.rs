//! Marketing mail in the real daemon: what leaves byte for byte, what its links do and do not, who gets no more of it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;

use ifthen::engine::log::Outcome;
use serde_json::json;

use super::harness::{Daemon, Folder};
use super::standin::{Act, Smtp, Stage};

const RULES: &str = "
entities: { lead: { fields: { id: text, email: email, name: text, wants: boolean }, consent: wants } }
rules:
  news:
    when: lead.created
    then:
      - email:
          to: '{{ name }} <{{ email }}>'
          subject: 新品
          text: '您好 {{ name }}'
          html: '<p>您好 {{ name }} <a href=\"https://shop.example.com/?a=1&amp;b=二\">看看</a></p>'
          marketing: true
          track: true
  told: { when: 'email.*', then: [ { log: '{{ event.mail }} {{ event.how }}{{ event.kind }} machine={{ event.machine }} {{ event.reason }} {{ event.url }}' } ] }
";

struct World {
    folder: Folder,
    smtp: Smtp,
}

impl World {
    fn new(more: &str) -> Self {
        let smtp = Smtp::start();
        let config = format!(
            "{more}sources:
  crm: {{ webhook: {{}}, event: crm.lead, delivery: {{ body: [id] }}, record: {{ entity: lead, fields: {{ id: id, email: email, name: name, wants: wants }} }} }}
  mails: {{ webhook: {{ verify: {{ bearer: '${{file:token}}' }} }}, bounces: generic }}
connections:
  mail: {{ smtp: {{ host: 127.0.0.1, port: {}, security: none, from: a@example.com }}, retry: [1s, 1s], concurrency: 1 }}
",
            smtp.server.address().port()
        );
        let folder = Folder::new(&[("config.yaml", &config), ("rules/a.yaml", RULES), ("token", "geheim")]);
        Self { folder, smtp }
    }

    /// The `n`th mail, from 1, once it was delivered.
    fn mail(&self, daemon: &Daemon, n: usize) -> super::standin::smtp::Received {
        daemon.wait_lines("email", Outcome::Done, n);
        self.smtp.received.all().remove(n - 1)
    }
}

fn lead(daemon: &Daemon, id: &str, email: &str) {
    daemon.accepted("/in/crm", &[], &json!({ "id": id, "email": email, "name": "刘洋", "wants": true }));
}

/// The path of the first link below `/o/`, `/c/` or `/u/`.
fn link(text: &str, page: char) -> String {
    let at = text.find(&format!("/{page}/")).unwrap_or_else(|| panic!("no /{page}/ in {text}"));
    text[at..].split(|c: char| "\"<> \n".contains(c)).next().unwrap().to_owned()
}

/// One exchange: status, head in lower case, body.
fn ask(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let all = String::from_utf8_lossy(&all).into_owned();
    let (head, body) = all.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_lowercase(), body.to_owned())
}

fn form(address: SocketAddr, path: &str, body: &str) -> (u16, String, String) {
    ask(address, "POST", path, &[("content-type", "application/x-www-form-urlencoded")], body)
}

fn told(daemon: &Daemon) -> Vec<String> {
    let lines = daemon.lines("log", Outcome::Done);
    lines.iter().map(|l| l.detail.at(&["text"]).unwrap().to_string()).collect()
}

const BROWSER: (&str, &str) = ("user-agent", "Mozilla/5.0 (iPhone) MicroMessenger/8.0");

#[test]
fn a_marketing_mail_byte_for_byte_and_every_attempt_the_same() {
    let world = World::new("public_url: https://mail.example.com\n");
    world.smtp.next(1, Stage::Dot, Act::Drop);
    let daemon = world.folder.start();
    lead(&daemon, "L1", "liuyang@example.com");
    daemon.wait_lines("email", Outcome::Done, 1);
    let [first, second] = &world.smtp.received.all()[..] else { panic!("one attempt that was lost, and one that was not") };
    let steady = |raw: &str| raw.lines().filter(|l| !l.starts_with("Date:")).collect::<Vec<_>>().join("\n");
    assert_eq!(steady(&first.raw), steady(&second.raw));
    let leave = second.header("list-unsubscribe");
    let token = leave.strip_prefix("<https://mail.example.com/u/").unwrap().strip_suffix('>').unwrap();
    for line in [
        format!("List-Unsubscribe: <https://mail.example.com/u/{token}>\r\n"),
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n".into(),
        "Precedence: bulk\r\n".into(),
        "Auto-Submitted: auto-generated\r\n".into(),
    ] {
        assert!(
            format!("{}\r\n", second.raw.replace("\r\n", "\n").replace('\n', "\r\n")).contains(&line),
            "{line} in {}",
            second.raw
        );
    }
    assert_eq!(second.text().trim_end(), format!("您好 刘洋\n\n-- \n退订 / Unsubscribe: https://mail.example.com/u/{token}"));
    let html = second.html().unwrap();
    assert!(!html.contains("shop.example.com"), "the link leads over us: {html}");
    assert!(html.starts_with("<p>您好 刘洋 <a href=\"https://mail.example.com/c/"), "{html}");
    assert_eq!((html.matches("/c/").count(), html.matches("/u/").count(), html.matches("<img ").count()), (1, 1, 1), "{html}");
    let id = second.header("message-id");
    assert_eq!(id, first.header("message-id"));
    assert!(id.contains(".c") && id.ends_with("@example.com>"), "{id}");
    let key = std::fs::read_to_string(world.folder.path("data/links")).unwrap();
    assert_eq!(std::fs::metadata(world.folder.path("data/links")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(daemon.stop(), 0);
    // No token and no key is ever kept or said.
    for name in ["data/ifthen.db", "data/ifthen.db-wal", "stderr"] {
        let bytes = std::fs::read(world.folder.path(name)).unwrap_or_default();
        for secret in [&token[..30], key.trim()] {
            assert!(!bytes.windows(secret.len()).any(|w| w == secret.as_bytes()), "{name} holds {secret}");
        }
    }
}

#[test]
fn looking_changes_nothing_and_one_click_unsubscribes_in_both_encodings() {
    let world = World::new("");
    let daemon = world.folder.start();
    lead(&daemon, "L1", "one@example.com");
    lead(&daemon, "L2", "two@example.com");
    let leave: Vec<String> = (1..=2).map(|n| link(world.mail(&daemon, n).header("list-unsubscribe"), 'u')).collect();
    let at = daemon.address;
    let events = || daemon.events().iter().filter(|e| e.event.name.starts_with("email.")).count();
    let (status, head, body) = ask(at, "HEAD", &leave[0], &[BROWSER], "");
    assert_eq!((status, body.as_str()), (200, ""), "{head}");
    let (status, head, page) = ask(at, "GET", &leave[0], &[BROWSER, ("accept-language", "zh-CN")], "");
    assert!(status == 200 && page.contains("退订全部营销邮件") && page.contains("o***@example.com"), "{page}");
    for header in ["content-security-policy: default-src 'none'", "referrer-policy: no-referrer", "cache-control: no-store"] {
        assert!(head.contains(header), "{header} in {head}");
    }
    assert!(!page.contains("<script") && !page.contains("one@example.com"), "{page}");
    let (_, _, page) = ask(at, "GET", &leave[0], &[("accept-language", "en-GB")], "");
    assert!(page.contains("Unsubscribe from all marketing mail"), "{page}");
    assert_eq!(events(), 0);
    assert_eq!(world.folder.cli(&["contacts", "show", "one@example.com"]).0, 0);

    for _ in 0..2 {
        let (status, head, body) = form(at, &leave[0], "List-Unsubscribe=One-Click");
        assert_eq!((status, body.as_str()), (200, ""), "{head}");
    }
    let part = "--b\r\ncontent-disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
    let (status, ..) = ask(at, "POST", &leave[1], &[("content-type", "multipart/form-data; boundary=b")], part);
    assert_eq!(status, 200);
    assert_eq!(form(at, &leave[1], "x=1").0, 400);
    assert_eq!(events(), 2, "each once: {:?}", told(&daemon));
    for address in ["one@example.com", "two@example.com"] {
        let (code, said) = world.folder.cli(&["contacts", "show", address]);
        assert!(code == 1 && said.contains("已退订") && said.contains("one-click"), "{said}");
    }
    // Again, by the page; then by hand.
    let (status, _, page) = form(at, &leave[0], "wanted=yes");
    assert!(status == 200 && page.contains("已重新订阅"), "{page}");
    assert_eq!(world.folder.cli(&["contacts", "show", "one@example.com"]).0, 0);
    assert_eq!(world.folder.cli(&["contacts", "unsubscribe", "One@Example.com"]).0, 0);
    let (code, said) = world.folder.cli(&["contacts", "show", "one@example.com", "--json"]);
    assert!(code == 1 && said.contains("\"suppressed\":\"unsubscribed\"") && said.contains("command"), "{said}");
    assert_eq!(world.folder.cli(&["contacts", "resubscribe", "one@example.com"]).0, 0);
    assert_eq!(world.folder.cli(&["contacts", "show", "刘洋"]).0, 1);
    lead(&daemon, "L3", "one@example.com");
    lead(&daemon, "L4", "two@example.com");
    daemon.wait_lines("email", Outcome::Done, 3);
    let suppressed = daemon.wait_lines("email", Outcome::Suppressed, 1);
    assert!(suppressed[0].detail.to_string().contains("unsubscribed"), "{}", suppressed[0].detail);
    assert_eq!(world.smtp.received.all().len(), 3);
}

#[test]
fn a_mail_that_waits_in_the_queue_when_its_recipient_unsubscribes_is_not_sent_also_over_a_restart() {
    let world = World::new("");
    let daemon = world.folder.start();
    lead(&daemon, "L1", "one@example.com");
    let leave = link(world.mail(&daemon, 1).header("list-unsubscribe"), 'u');
    // The channel is busy with another: what comes now waits in its queue.
    world.smtp.next_for("slow@example.com", 100, Stage::Recipient, Act::Reply("421 4.3.2 busy"));
    lead(&daemon, "L2", "slow@example.com");
    daemon.wait_lines("email", Outcome::Retrying, 1);
    lead(&daemon, "L3", "one@example.com");
    daemon.wait_lines("email", Outcome::Fired, 3);
    assert_eq!(form(daemon.address, &leave, "List-Unsubscribe=One-Click").0, 200);
    daemon.kill();
    world.smtp.relent();
    let daemon = world.folder.start();
    let (code, said) = world.folder.cli(&["calls", "list", "--json"]);
    assert_eq!(code, 0, "{said}");
    for line in said.lines() {
        let id = serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
        world.folder.cli(&["calls", "retry", &id]); // it may have gone by now
    }
    let suppressed = daemon.wait_lines("email", Outcome::Suppressed, 1);
    assert!(suppressed[0].detail.to_string().contains("unsubscribed"), "{}", suppressed[0].detail);
    daemon.wait_lines("email", Outcome::Done, 2);
    let to: Vec<String> = world.smtp.received.all().iter().flat_map(|m| m.to.clone()).collect();
    assert_eq!(to, ["one@example.com", "slow@example.com"]);
    // The link of before the restart works.
    assert_eq!(ask(daemon.address, "GET", &leave, &[BROWSER], "").0, 200);
}

#[test]
fn clicks_lead_where_the_mail_says_and_scanners_are_marked() {
    let world = World::new("");
    let daemon = world.folder.start();
    lead(&daemon, "L1", "one@example.com");
    let mail = world.mail(&daemon, 1);
    let (click, open) = (link(mail.html().unwrap(), 'c'), link(mail.html().unwrap(), 'o'));
    let at = daemon.address;
    // How soon after its delivery a mail was looked at, the engine's own tests say: here no time is measured.
    let scanner = ("user-agent", "Mozilla/5.0 (compatible; Barracuda Sentinel)");
    let (status, head, body) = ask(at, "GET", &click, &[scanner], "");
    assert_eq!((status, body.as_str()), (302, ""), "{head}");
    assert!(head.contains("location: https://shop.example.com/?a=1&b=%e4%ba%8c\r\n"), "{head}");
    assert_eq!(ask(at, "HEAD", &click, &[BROWSER], "").0, 302);
    let (status, head, _) = ask(at, "GET", &open, &[BROWSER, ("purpose", "prefetch")], "");
    assert!(status == 200 && head.contains("content-type: image/gif") && head.contains("no-store"), "{head}");
    daemon.wait_lines("log", Outcome::Done, 3);
    let told = told(&daemon);
    assert!(told[0].contains("machine=true agent https://shop.example.com/?a=1&b=二"), "{told:?}");
    assert!(told[1].contains("machine=true head"), "{told:?}");
    assert!(told[2].contains("machine=true prefetch"), "{told:?}");
    assert_eq!(world.folder.cli(&["contacts", "show", "one@example.com"]).0, 0, "no click unsubscribes");

    // Nothing else leads anywhere, and nothing says why.
    let token = click.strip_prefix("/c/").unwrap();
    let (payload, signature) = token.split_once('.').unwrap();
    let mut answers = std::collections::BTreeSet::new();
    for path in [
        "/c/".to_owned() + payload,
        format!("/c/{payload}."),
        format!("/c/{payload}x.{signature}"),
        format!("/c/{token}x"),
        format!("/o/{token}"),
        format!("/u/{token}"),
        "/c/https:%2F%2Fevil.example".into(),
        format!("/c/{}", "A".repeat(5_000)),
        format!("/c/{}", open.strip_prefix("/o/").unwrap()),
    ] {
        let (status, head, body) = ask(at, "GET", &path, &[BROWSER], "");
        assert!(status == 404 && !head.contains("location:"), "{path}: {head}");
        answers.insert(body);
    }
    assert_eq!(answers.len(), 1);
    let (_, head, _) = ask(at, "GET", &format!("{click}?url=https://evil.example"), &[BROWSER], "");
    assert!(head.contains("location: https://shop.example.com/"), "{head}");
    for path in [&click, &open] {
        assert_eq!(form(at, path, "List-Unsubscribe=One-Click").0, 405);
    }
}

#[test]
fn no_more_than_the_limit_and_none_without_consent_and_none_after_a_bounce() {
    let world = World::new("marketing: { limit: 1 per 1d }\n");
    let daemon = world.folder.start();
    lead(&daemon, "L1", "one@example.com");
    let mail = world.mail(&daemon, 1);
    lead(&daemon, "L2", "ONE@example.com");
    let reasons = |n| {
        let lines = daemon.wait_lines("email", Outcome::Suppressed, n);
        lines.iter().map(|l| l.detail.at(&["reason"]).unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(reasons(1), ["limit"]);
    daemon.accepted("/in/crm", &[], &json!({ "id": "L3", "email": "two@example.com", "wants": false }));
    assert_eq!(reasons(2)[1], "consent");
    // Only from who can prove it.
    let bounce = json!({ "event": "bounced", "kind": "hard", "status": "5.1.1", "id": "b1", "mail": mail.header("x-ifthen-mail"), "address": "other@example.com" });
    assert_eq!(daemon.post("/in/mails", &[], &bounce).0, 401);
    let proof = [("authorization", "Bearer geheim")];
    assert_eq!(daemon.post("/in/mails", &proof, &bounce).0, 202);
    assert_eq!(daemon.post("/in/mails", &proof, &bounce).0, 200, "told again");
    assert_eq!(daemon.post("/in/mails", &proof, &json!({ "event": "delivered" })).0, 202);
    daemon.wait_lines("email.bounced", Outcome::Done, 1);
    assert!(told(&daemon)[0].contains("hard"), "{:?}", told(&daemon));
    let (code, said) = world.folder.cli(&["contacts", "show", "one@example.com"]);
    assert!(code == 1 && said.contains("硬退信") && said.contains("5.1.1"), "{said}");
    assert_eq!(world.folder.cli(&["contacts", "show", "other@example.com"]).0, 0, "what we signed counts, not the address");
    assert_eq!(world.smtp.received.all().len(), 1);
}

#[test]
fn the_key_stays_and_goes_with_a_backup() {
    let world = World::new("");
    let daemon = world.folder.start();
    lead(&daemon, "L1", "one@example.com");
    let leave = link(world.mail(&daemon, 1).header("list-unsubscribe"), 'u');
    let backup = world.folder.path("b.db");
    assert_eq!(world.folder.cli(&["backup", backup.to_str().unwrap()]).0, 0);
    assert_eq!(daemon.stop(), 0);
    let key = world.folder.path("data/links");
    let kept = std::fs::read_to_string(&key).unwrap();
    std::fs::write(&key, "broken").unwrap();
    let said = world.folder.try_start(&[]).err().unwrap();
    assert!(said.contains("data/links") && said.contains("备份"), "{said}");
    let (code, said) = world.folder.cli(&["restore", backup.to_str().unwrap()]);
    assert_eq!(code, 1, "{said}");
    std::fs::remove_dir_all(world.folder.path("data")).unwrap();
    let (code, said) = world.folder.cli(&["restore", backup.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(std::fs::read_to_string(&key).unwrap(), kept);
    let daemon = world.folder.start();
    assert_eq!(form(daemon.address, &leave, "List-Unsubscribe=One-Click").0, 200);
    daemon.wait_lines("email.unsubscribed", Outcome::Done, 1);
}
